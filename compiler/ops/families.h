/* families.h - the functions that ops.def names, by family file. */
#ifndef ONNXCC_OPS_FAMILIES_H
#define ONNXCC_OPS_FAMILIES_H
#include "ops/ops.h"


/* elementwise.c: one formula per operator; shapes by broadcasting. */
bool infer_unary(infer_ctx *c);    /* output 0 like input 0 */
bool infer_PRelu(infer_ctx *c);
bool infer_binary(infer_ctx *c);   /* broadcast, type of input 0 */
bool infer_compare(infer_ctx *c);  /* broadcast, bool */
bool infer_is(infer_ctx *c);       /* like input 0, bool */
bool infer_variadic(infer_ctx *c); /* broadcast of all */
bool infer_Where(infer_ctx *c);
bool infer_Cast(infer_ctx *c);
bool infer_CastLike(infer_ctx *c);
bool lower_unary(lower_ctx *c);
bool lower_binary(lower_ctx *c);
bool lower_variadic(lower_ctx *c);
bool lower_Where(lower_ctx *c);
bool lower_Cast(lower_ctx *c);

/* shape.c: movement and shape operators. */
bool infer_Constant(infer_ctx *c);
bool infer_Shape(infer_ctx *c);
bool infer_Size(infer_ctx *c);
bool infer_Reshape(infer_ctx *c);
bool infer_Flatten(infer_ctx *c);
bool infer_Squeeze(infer_ctx *c);
bool infer_Unsqueeze(infer_ctx *c);
bool infer_Transpose(infer_ctx *c);
bool infer_Concat(infer_ctx *c);
bool infer_Split(infer_ctx *c);
bool infer_Slice(infer_ctx *c);
bool infer_Expand(infer_ctx *c);
bool infer_Range(infer_ctx *c);
bool infer_ConstantOfShape(infer_ctx *c);
bool lower_Constant(lower_ctx *c);
bool lower_Shape(lower_ctx *c);
bool lower_Size(lower_ctx *c);
bool lower_reshape(lower_ctx *c); /* the same elements in row-major order */
bool lower_Transpose(lower_ctx *c);
bool lower_Concat(lower_ctx *c);
bool lower_Split(lower_ctx *c);
bool lower_Slice(lower_ctx *c);
bool lower_Expand(lower_ctx *c);
bool lower_Range(lower_ctx *c);
bool lower_ConstantOfShape(lower_ctx *c);

/* conv.c */
bool infer_Conv(infer_ctx *c);
bool lower_Conv(lower_ctx *c);

/* deform.c */
bool infer_DeformConv(infer_ctx *c);
bool lower_DeformConv(lower_ctx *c);

/* matmul.c */
bool infer_MatMul(infer_ctx *c);
bool infer_Gemm(infer_ctx *c);
bool lower_MatMul(lower_ctx *c);
bool lower_Gemm(lower_ctx *c);
/* reduce.c: folds over axes, running folds, order */
bool infer_ArgMax(infer_ctx *c);
bool infer_Cum(infer_ctx *c);
bool infer_Reduce(infer_ctx *c);
bool infer_TopK(infer_ctx *c);
bool infer_axis_like(infer_ctx *c);
bool lower_ArgMax(lower_ctx *c);
bool lower_Cum(lower_ctx *c);
bool lower_Hardmax(lower_ctx *c);
bool lower_Reduce(lower_ctx *c);
bool lower_TopK(lower_ctx *c);

/* norm.c */
bool infer_BatchNormalization(infer_ctx *c);
bool infer_GroupNormalization(infer_ctx *c);
bool infer_InstanceNormalization(infer_ctx *c);
bool infer_LRN(infer_ctx *c);
bool infer_LayerNormalization(infer_ctx *c);
bool infer_MeanVarianceNormalization(infer_ctx *c);
bool lower_BatchNormalization(lower_ctx *c);
bool lower_GroupNormalization(lower_ctx *c);
bool lower_InstanceNormalization(lower_ctx *c);
bool lower_LRN(lower_ctx *c);
bool lower_LayerNormalization(lower_ctx *c);
bool lower_LpNormalization(lower_ctx *c);
bool lower_MeanVarianceNormalization(lower_ctx *c);
bool lower_Softmax(lower_ctx *c);

/* pool.c */
bool infer_GlobalPool(infer_ctx *c);
bool infer_MaxUnpool(infer_ctx *c);
bool infer_Pool(infer_ctx *c);
bool infer_AveragePoolInteger(infer_ctx *c);
bool lower_AveragePoolInteger(lower_ctx *c);
bool lower_AveragePool(lower_ctx *c);
bool lower_GlobalPool(lower_ctx *c);
bool lower_LpPool(lower_ctx *c);
bool lower_MaxPool(lower_ctx *c);
bool lower_MaxUnpool(lower_ctx *c);

/* index.c */
bool infer_Gather(infer_ctx *c);
bool infer_GatherElements(infer_ctx *c);
bool infer_GatherND(infer_ctx *c);
bool infer_OneHot(infer_ctx *c);
bool infer_ReverseSequence(infer_ctx *c);
bool lower_Gather(lower_ctx *c);
bool lower_GatherElements(lower_ctx *c);
bool lower_GatherND(lower_ctx *c);
bool lower_OneHot(lower_ctx *c);
bool lower_ReverseSequence(lower_ctx *c);

/* scatter.c */
bool infer_ScatterElements(infer_ctx *c);
bool infer_ScatterND(infer_ctx *c);
bool infer_TensorScatter(infer_ctx *c);
bool lower_ScatterElements(lower_ctx *c);
bool lower_ScatterND(lower_ctx *c);
bool lower_TensorScatter(lower_ctx *c);

/* rearrange.c */
bool infer_CenterCropPad(infer_ctx *c);
bool infer_DepthToSpace(infer_ctx *c);
bool infer_EyeLike(infer_ctx *c);
bool infer_Pad(infer_ctx *c);
bool infer_Tile(infer_ctx *c);
bool infer_Trilu(infer_ctx *c);
bool lower_CenterCropPad(lower_ctx *c);
bool lower_DepthToSpace(lower_ctx *c);
bool lower_EyeLike(lower_ctx *c);
bool lower_Pad(lower_ctx *c);
bool lower_SpaceToDepth(lower_ctx *c);
bool lower_Tile(lower_ctx *c);
bool lower_Trilu(lower_ctx *c);

/* resize.c */
bool infer_Resize(infer_ctx *c);
bool lower_Resize(lower_ctx *c);

/* conv_transpose.c */
bool infer_Col2Im(infer_ctx *c);
bool infer_Im2Col(infer_ctx *c);
bool infer_ConvTranspose(infer_ctx *c);
bool lower_Col2Im(lower_ctx *c);
bool lower_Im2Col(lower_ctx *c);
bool lower_ConvTranspose(lower_ctx *c);

/* einsum.c */
bool infer_Einsum(infer_ctx *c);
bool lower_Einsum(lower_ctx *c);

/* quant.c */
bool infer_DequantizeLinear(infer_ctx *c);
bool infer_DynamicQuantizeLinear(infer_ctx *c);
bool infer_QuantizeLinear(infer_ctx *c);
bool lower_DequantizeLinear(lower_ctx *c);
bool lower_DynamicQuantizeLinear(lower_ctx *c);
bool lower_QuantizeLinear(lower_ctx *c);

/* qlinear.c */
bool infer_conv_integer(infer_ctx *c);
bool infer_MatMulNBits(infer_ctx *c);
bool infer_matmul_integer(infer_ctx *c);
bool lower_conv_integer(lower_ctx *c);
bool lower_MatMulNBits(lower_ctx *c);
bool lower_matmul_integer(lower_ctx *c);

/* lookup.c */
bool infer_Lookup(infer_ctx *c);
bool lower_Lookup(lower_ctx *c);

/* rows.c */
bool infer_Front(infer_ctx *c);
bool infer_Rows(infer_ctx *c);
bool lower_Front(lower_ctx *c);
bool lower_Rows(lower_ctx *c);

/* list.c */
bool infer_list(infer_ctx *c);
bool lower_list(lower_ctx *c);
/* control.c */
bool infer_If(infer_ctx *c);
bool infer_Loop(infer_ctx *c);
bool infer_Scan(infer_ctx *c);
bool lower_If(lower_ctx *c);
bool lower_Loop(lower_ctx *c);
bool lower_Scan(lower_ctx *c);

/* rnn.c */
bool infer_recurrent(infer_ctx *c);
bool lower_recurrent(lower_ctx *c);

/* ml.c */
bool infer_ArrayFeatureExtractor(infer_ctx *c);
bool infer_Binarizer(infer_ctx *c);
bool infer_FeatureVectorizer(infer_ctx *c);
bool infer_Imputer(infer_ctx *c);
bool infer_Normalizer(infer_ctx *c);
bool infer_Scaler(infer_ctx *c);
bool infer_ZipMap(infer_ctx *c);
bool lower_ArrayFeatureExtractor(lower_ctx *c);
bool lower_Binarizer(lower_ctx *c);
bool lower_FeatureVectorizer(lower_ctx *c);
bool lower_Imputer(lower_ctx *c);
bool lower_Normalizer(lower_ctx *c);
bool lower_Scaler(lower_ctx *c);

/* string_make.c */
bool infer_StringConcat(infer_ctx *c);
bool infer_StringNormalizer(infer_ctx *c);
bool lower_StringConcat(lower_ctx *c);
bool lower_StringNormalizer(lower_ctx *c);

/* string_match.c */
bool infer_StringSplit(infer_ctx *c);
bool infer_Tokenizer(infer_ctx *c);
bool lower_StringSplit(lower_ctx *c);
bool lower_Tokenizer(lower_ctx *c);
bool infer_RegexFullMatch(infer_ctx *c);
bool lower_RegexFullMatch(lower_ctx *c);

/* tfidf.c */
bool infer_TfIdfVectorizer(infer_ctx *c);
bool lower_TfIdfVectorizer(lower_ctx *c);

/* ml_labels.c */
bool infer_CategoryMapper(infer_ctx *c);
bool infer_LabelEncoder(infer_ctx *c);
bool infer_OneHotEncoder(infer_ctx *c);
bool lower_CategoryMapper(lower_ctx *c);
bool lower_LabelEncoder(lower_ctx *c);
bool lower_OneHotEncoder(lower_ctx *c);

/* ml_linear.c */
bool infer_LinearClassifier(infer_ctx *c);
bool infer_LinearRegressor(infer_ctx *c);
bool infer_SVMClassifier(infer_ctx *c);
bool infer_SVMRegressor(infer_ctx *c);
bool lower_LinearClassifier(lower_ctx *c);
bool lower_LinearRegressor(lower_ctx *c);
bool lower_SVMClassifier(lower_ctx *c);
bool lower_SVMRegressor(lower_ctx *c);

/* ml_trees.c */
bool infer_TreeEnsemble(infer_ctx *c);
bool lower_TreeEnsemble(lower_ctx *c);

/* attention.c */
bool infer_Attention(infer_ctx *c);
bool infer_RotaryEmbedding(infer_ctx *c);
bool lower_Attention(lower_ctx *c);
bool lower_RotaryEmbedding(lower_ctx *c);

/* image.c */
bool infer_ImageDecoder(infer_ctx *c);
bool lower_ImageDecoder(lower_ctx *c);

/* nonzero.c */
bool infer_Compress(infer_ctx *c);
bool infer_NonZero(infer_ctx *c);
bool infer_Unique(infer_ctx *c);
bool lower_Compress(lower_ctx *c);
bool lower_NonZero(lower_ctx *c);
bool lower_Unique(lower_ctx *c);

/* detection.c */
bool infer_MaxRoiPool(infer_ctx *c);
bool lower_MaxRoiPool(lower_ctx *c);
bool infer_NonMaxSuppression(infer_ctx *c);
bool infer_RoiAlign(infer_ctx *c);
bool lower_NonMaxSuppression(lower_ctx *c);
bool lower_RoiAlign(lower_ctx *c);

/* grid.c */
bool infer_AffineGrid(infer_ctx *c);
bool lower_AffineGrid(lower_ctx *c);
bool infer_BitCast(infer_ctx *c);
bool infer_CausalConvWithState(infer_ctx *c);
bool infer_GridSample(infer_ctx *c);
bool lower_BitCast(lower_ctx *c);
bool lower_CausalConvWithState(lower_ctx *c);
bool lower_GridSample(lower_ctx *c);

/* signal.c */
bool infer_DFT(infer_ctx *c);
bool infer_MelWeightMatrix(infer_ctx *c);
bool infer_STFT(infer_ctx *c);
bool infer_window(infer_ctx *c);
bool lower_DFT(lower_ctx *c);
bool lower_MelWeightMatrix(lower_ctx *c);
bool lower_STFT(lower_ctx *c);
bool lower_HannWindow(lower_ctx *c);
bool lower_HammingWindow(lower_ctx *c);
bool lower_BlackmanWindow(lower_ctx *c);

/* gauss.c */
bool infer_gauss(infer_ctx *c);
bool lower_gauss(lower_ctx *c);

/* warping.c */
bool infer_DynamicTimeWarping(infer_ctx *c);
bool lower_DynamicTimeWarping(lower_ctx *c);

/* moe.c */
bool infer_MoE(infer_ctx *c);
bool lower_MoE(lower_ctx *c);

/* optimizer.c */
bool infer_optimizer(infer_ctx *c);
bool lower_optimizer(lower_ctx *c);

/* random.c */
bool infer_Bernoulli(infer_ctx *c);
bool infer_Dropout(infer_ctx *c);
bool infer_Multinomial(infer_ctx *c);
bool infer_Random(infer_ctx *c);
bool lower_Bernoulli(lower_ctx *c);
bool lower_Dropout(lower_ctx *c);
bool lower_Multinomial(lower_ctx *c);
bool lower_RandomNormal(lower_ctx *c);
bool lower_RandomUniform(lower_ctx *c);

/* infer_bodies.c */
bool infer_LinearAttention(infer_ctx *c);
bool infer_FlexAttention(infer_ctx *c);
bool infer_likelihood_loss(infer_ctx *c);
#endif
