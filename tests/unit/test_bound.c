/* Every kernel, bound with literals and with run-time values as the emitter binds it, compiles as C99 without a warning. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "emit/bind.h"

/* Parameters as NAME=text, separated by blanks. A kernel may stand here several times; every kernel of C in kernels.def must be here (those of CUDA:
 * tests/cuda). */
typedef struct {
    const char *kernel;
    enum { ARGS_NONE, ARGS_ROWS, ARGS_STORE } args; /* the hook's: none; a run-time size; an output and a run-time size */
    const char *parameters;
} sample;

#define CELL "F_V=act G_V=act MUL_ACC=net_mul_acc_1 UNITS=0 FROM=0 TO=(d_rows) T=(d_rows) BATCH=2 H=70 Y_AT=0 Y_T=140 Y_B=70 YH_AT=0 YH_B=70 XW_AT=0 RT_AT=0 H0_AT=0 H0_B=70 "
#define ENSEMBLE "Y_T=float AGGREGATE=0 TREES=9 X_AT=0 X_N=(d_rows) BOUND=0.5f "
static const sample samples[] = {
    {"gemm", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=3 KC=24 AHEAD=2 M=131 N=50 K=64 BATCH=1 LDA=64 A_AT=0 B_AT=0"},
    {"gemm", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=2 KC=0 AHEAD=16 M=(d_rows) N=(d_rows+1) K=64 BATCH=(d_rows) LDA=(d_rows) "
                        "A_AT=(batch_index*64*d_rows) B_AT=(batch_index*64)"},
    {"attention", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s SCORE_V=map3_v SCORE_S=map3_s MR=4 MT=3 KV=2 PV=1 RB=8 KB=16 DV=8 EMPTY=0 M=131 N=50 D=64 LDQ=64 Q_AT=0 K_AT=0 V_AT=0"},
    {"attention", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s SCORE_V=map3_v SCORE_S=map3_s MR=4 MT=2 KV=2 PV=2 RB=8 KB=16 DV=13 EMPTY=2 M=(d_rows) N=(d_rows+1) D=(d_rows) LDQ=(d_rows) "
     "Q_AT=(batch_index*d_rows) K_AT=(batch_index*d_rows) V_AT=(batch_index*d_rows)"},
    {"gemm_half", ARGS_STORE, "ACC_T=vf DOT2=vf_dot2 TOTAL= CHAIN=0 OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=3 AHEAD=2 M=131 N=50 K=63 BATCH=1 LDA=64 A_AT=0 B_AT=0"},
    {"gemm_half", ARGS_STORE, "ACC_T=vf DOT2=vf_dot2 TOTAL= CHAIN=0 OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=2 AHEAD=0 M=(d_rows) N=(d_rows+1) K=64 BATCH=(d_rows) LDA=(d_rows) "
                        "A_AT=(batch_index*64*d_rows) B_AT=(batch_index*64)"},
    {"qgemm", ARGS_STORE, "OUT_V=int3_v OUT_S=int3_s MR=4 NV=2 MC=64 MT=3 AHEAD=2 M=131 N=50 K=62 BATCH=1 LDA=64 A_AT=0 B_AT=0"},
    {"qgemm", ARGS_STORE, "OUT_V=int3_v OUT_S=int3_s MR=4 NV=2 MC=64 MT=2 AHEAD=0 M=(d_rows) N=(d_rows+1) K=(d_rows) BATCH=(d_rows) LDA=(d_rows) "
                         "A_AT=(batch_index*64*d_rows) B_AT=(batch_index*64)"},
    {"qconv", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s RY=2 RX=3 RT=1 NV=2 NVT=1 XB=4 IC=6 OC=10 OC_LANES=10 GROUPS=1 KD=1 KH=3 KW=3 SD=1 SH=1 SW=1 DD=1 "
                         "DH=1 DW=1 WZ=0 OD=1 OH=7 OW=7 X_AT=0 X_N=648 X_C=324 X_D=0 X_H=36 X_W=4 ROWS=8"},
    {"qconv", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s RY=1 RX=4 RT=2 NV=2 NVT=2 XB=16 IC=32 OC=8 OC_LANES=8 GROUPS=2 KD=1 KH=1 KW=5 SD=1 SH=1 SW=2 DD=1 "
                         "DH=1 DW=1 WZ=4 OD=1 OH=(d_rows) OW=(d_rows+1) X_AT=(-16) X_N=(d_rows) X_C=(d_rows) X_D=0 X_H=(d_rows) X_W=16 ROWS=(d_rows)"},
    {"qconv_dw", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s RX=6 RT=1 C=10 C_LANES=10 KH=3 KW=3 SH=1 SW=1 DH=1 DW=1 WZ=0 OH=7 OW=7 X_AT=0 X_N=972 X_C=324 X_H=36"},
    {"qconv_dw", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s RX=4 RT=2 C=16 C_LANES=16 KH=5 KW=5 SH=2 SW=2 DH=1 DW=2 WZ=-3 OH=(d_rows) OW=(d_rows) X_AT=(-16) "
                            "X_N=(d_rows) X_C=(d_rows) X_H=(d_rows)"},
    {"qconv_plain", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s XT=uint8_t WT=int8_t RO=2 RX=4 PAIRS=1 IC=6 OC=5 GROUPS=2 KD=1 KH=3 KW=3 SD=1 SH=1 SW=1 DD=1 DH=1 DW=1 PD=0 PH=1 PW=1 "
                               "ZX=3 ZW=0 EDGE_D=0 EDGE_H=1 EDGE_W=1 ID=1 IH=7 IW=7 OD=1 OH=7 OW=7 X_N=588 X_C=49 X_D=0 X_H=7 X_W=1"},
    {"qconv_plain", ARGS_STORE, "OUT_V=int5_v OUT_S=int5_s XT=int8_t WT=uint8_t RO=1 RX=1 PAIRS=0 IC=1 OC=1 GROUPS=8 KD=2 KH=1 KW=3 SD=2 SH=1 SW=2 DD=1 DH=1 DW=2 PD=1 PH=0 PW=0 "
                               "ZX=(-3) ZW=9 EDGE_D=1 EDGE_H=0 EDGE_W=1 ID=(d_rows) IH=(d_rows) IW=(d_rows) OD=(d_rows) OH=(d_rows) OW=(d_rows) X_N=(8*d_rows) "
                               "X_C=(d_rows) X_D=(d_rows) X_H=(d_rows) X_W=1"},
    {"nbits_rows", ARGS_NONE, "SIZE=32 ZERO=8 M=3 K=70 BATCH=1 LDA=70 A_AT=0"},
    {"nbits_rows", ARGS_ROWS, "SIZE=16 ZERO=1 M=(d_rows) K=(d_rows) BATCH=(d_rows) LDA=(d_rows) A_AT=(batch_index*d_rows)"},
    {"nbits_int8", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=1 NV=4 MC=64 MT=1 BITS=4 SIZE=32 ZEROS=0 AHEAD=2048 M=1 N=50 BLOCKS=3 BATCH=1"},
    {"nbits_int8", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=2 BITS=2 SIZE=16 ZEROS=1 AHEAD=0 M=(d_rows) N=(d_rows) BLOCKS=(d_rows) BATCH=(d_rows)"},
    {"nbits_float", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=1 NV=4 MC=64 MT=1 BITS=8 SIZE=32 ZEROS=0 ZERO=128 AHEAD=2048 M=1 N=50 K=70 BATCH=1 LDA=70 A_AT=0"},
    {"nbits_float", ARGS_STORE, "OUT_V=out3_v OUT_S=out3_s MR=4 NV=2 MC=64 MT=2 BITS=4 SIZE=64 ZEROS=1 ZERO=0 AHEAD=0 M=(d_rows) N=(d_rows) K=(d_rows) BATCH=(d_rows) "
                               "LDA=(d_rows) A_AT=(batch_index*d_rows)"},
    {"qpack", ARGS_NONE, "NV=2 B_T=int8_t OFF=0 N=50 K=62 BATCH=1 B_AT=0 B_K=50 B_N=1"},
    {"qpack", ARGS_ROWS, "NV=2 B_T=uint8_t OFF=128 N=(d_rows) K=(d_rows) BATCH=(d_rows) B_AT=(batch_index*d_rows) B_K=1 B_N=(d_rows)"},
    {"conv", ARGS_STORE, "OUT_V=out5_v OUT_S=out5_s RY=2 RX=3 RT=1 NV=2 NVT=1 AHEAD=1 XB=4 CB=4 STEP=1 SUMS=1024 IC=6 OC=10 OC_LANES=10 GROUPS=1 PARTS=2 LINES=7 KD=1 KH=3 KW=3 SD=1 SH=1 "
                        "SW=1 DD=1 DH=1 DW=1 OD=1 OH=7 OW=7 X_AT=0 X_N=648 X_C=324 X_D=0 X_H=36 X_W=4 ROWS=8"},
    {"conv", ARGS_STORE, "OUT_V=out5_v OUT_S=out5_s RY=1 RX=4 RT=2 NV=2 NVT=2 AHEAD=0 XB=1 CB=16 STEP=1 SUMS=1 IC=3 OC=8 OC_LANES=8 GROUPS=2 PARTS=1 LINES=(d_rows) KD=1 KH=1 KW=5 SD=1 SH=1 "
                        "SW=2 DD=1 DH=1 DW=1 OD=1 OH=1 OW=(d_rows) X_AT=(-2) X_N=(d_rows) X_C=100 X_D=0 X_H=0 X_W=1 ROWS=4"},
    {"conv_half", ARGS_STORE, "ACC_T=vk DOT2=vk_dot2 TOTAL=vk_total CHAIN=16 OUT_V=out5_v OUT_S=out5_s RY=2 RX=3 RT=1 NV=2 NVT=1 AHEAD=1 XB=4 IC=6 OC=10 OC_LANES=10 GROUPS=1 PARTS=2 LINES=7 KD=1 KH=3 KW=3 SD=1 SH=1 "
                        "SW=1 DD=1 DH=1 DW=1 OD=1 OH=7 OW=7 X_AT=0 X_N=648 X_C=324 X_D=0 X_H=36 X_W=4 ROWS=8"},
    {"conv_half", ARGS_STORE, "ACC_T=vk DOT2=vk_dot2 TOTAL=vk_total CHAIN=16 OUT_V=out5_v OUT_S=out5_s RY=1 RX=4 RT=2 NV=2 NVT=2 AHEAD=0 XB=4 IC=4 OC=8 OC_LANES=8 GROUPS=2 PARTS=1 LINES=(d_rows) KD=1 KH=1 KW=5 SD=1 SH=1 "
                        "SW=2 DD=1 DH=1 DW=1 OD=1 OH=1 OW=(d_rows) X_AT=(-2) X_N=(d_rows) X_C=100 X_D=0 X_H=0 X_W=1 ROWS=4"},
    {"conv_sum", ARGS_STORE, "OUT_V=out4_v OUT_S=out4_s IC=37 OC=3 KD=1 KH=3 KW=3 SD=1 SH=1 SW=1 DD=1 DH=1 DW=1 OD=1 OH=7 OW=7 X_AT=0 X_N=972 X_C=81 X_D=0 X_H=9 X_W=16"},
    {"conv_sum", ARGS_STORE, "OUT_V=out4_v OUT_S=out4_s IC=32 OC=1 KD=2 KH=1 KW=1 SD=1 SH=2 SW=2 DD=1 DH=1 DW=1 OD=(d_rows) OH=(d_rows) OW=(d_rows) X_AT=(-2) "
                            "X_N=(d_rows) X_C=(d_rows) X_D=(d_rows) X_H=(d_rows) X_W=(d_rows)"},
    {"conv_row", ARGS_STORE, "OUT_V=out4_v OUT_S=out4_s RO=5 RV=3 IC=6 OC=10 GROUPS=2 KD=1 KH=3 KW=3 SD=1 SH=1 DD=1 DH=1 DW=1 OD=1 OH=7 OW=7 X_AT=0 X_N=972 X_C=81 X_D=0 X_H=9"},
    {"conv_row", ARGS_STORE, "OUT_V=out4_v OUT_S=out4_s RO=7 RV=1 IC=6 OC=7 GROUPS=3 KD=2 KH=1 KW=1 SD=1 SH=1 DD=1 DH=1 DW=1 OD=(d_rows) OH=(d_rows) OW=(d_rows) X_AT=(-2) "
                            "X_N=(d_rows) X_C=(d_rows) X_D=(d_rows) X_H=(d_rows)"},
    {"conv_wino", ARGS_STORE, "OUT_V=out5_v OUT_S=out5_s X_T=float X_LD=vf_ld SIDE=4 MR=4 MT=1 NV=2 NVT=1 TB=9 GB=1 PARTS=2 AHEAD=3 IC=18 OC=10 OC_LANES=10 OH=12 OW=12 TILES=9 X_AT=0 X_N=4032 X_C=784 X_H=56"},
    {"conv_wino", ARGS_STORE, "OUT_V=out5_v OUT_S=out5_s X_T=uint16_t X_LD=vf_ld_bf16 SIDE=2 MR=3 MT=2 NV=1 NVT=1 TB=8 GB=1 PARTS=1 AHEAD=0 IC=16 OC=16 OC_LANES=16 OH=(d_rows) OW=(d_rows) TILES=(d_rows) X_AT=(-16) "
     "X_N=(d_rows*64) X_C=(d_rows*16) X_H=(d_rows*4)"},
    {"conv_dw", ARGS_STORE, "OUT_V=out5_v OUT_S=out5_s X_T=float X_LD=vf_ld RX=6 RT=1 C=10 C_LANES=10 PARTS=2 LINES=7 KH=3 KW=3 SH=1 SW=1 DH=1 DW=1 OH=7 OW=7 X_AT=0 X_N=972 X_C=324 X_H=36 X_W=4"},
    {"mul_acc", ARGS_NONE, ""},
    {"coupling", ARGS_NONE, "CLASSES=3"},
    {"nms", ARGS_ROWS, "CENTER=0 BATCH=1 CLASSES=(d_rows) BOXES=80"},
    {"nms", ARGS_ROWS, "CENTER=1 BATCH=2 CLASSES=3 BOXES=(d_rows)"},
    {"dtw", ARGS_NONE, "H=3 W=5 ROOM=8"},
    {"dtw", ARGS_ROWS, "H=(d_rows) W=(d_rows) ROOM=(2*d_rows)"},
    {"halo", ARGS_NONE, "T=float L=16 VALUE=0 TOP=1 BOTTOM=1 LEFT=1 RIGHT=2 BLOCKS=2 PARTS=2 LINES=5 H=5 W=7 Y_AT=(-176) Y_N=2240 Y_C=1120 Y_H=160"},
    {"halo", ARGS_ROWS, "T=uint8_t L=1 VALUE=128 TOP=0 BOTTOM=1 LEFT=2 RIGHT=0 BLOCKS=1 PARTS=1 LINES=(d_rows) H=(d_rows) W=(d_rows) Y_AT=(-2) Y_N=((d_rows+1)*(d_rows+2)) Y_C=((d_rows+1)*(d_rows+2)) Y_H=(d_rows+2)"},
    {"topk", ARGS_NONE, "T=float LARGEST=1 N=300 K=5 INNER=1"},
    {"topk", ARGS_ROWS, "T=uint8_t LARGEST=0 N=(d_rows) K=(d_rows) INNER=(d_rows+1)"},
    {"gauss", ARGS_NONE, "T=double N=4"},
    {"roi_align", ARGS_NONE, "T=float MAX=0 C=3 H=10 W=12 PH=2 PW=3"},
    {"roi_align", ARGS_ROWS, "T=double MAX=1 C=(d_rows) H=(d_rows) W=(d_rows) PH=7 PW=7"},
    {"roi_max", ARGS_ROWS, "T=float C=3 H=(d_rows) W=(d_rows) PH=7 PW=7"},
    {"roi_max", ARGS_NONE, "T=double C=3 H=10 W=12 PH=2 PW=3"},
    {"gauss", ARGS_ROWS, "T=float N=(d_rows)"},
    {"image_decode", ARGS_ROWS, "FORMAT=2 MAX_H=480 MAX_W=640 N=(d_rows)"},
    {"string_list", ARGS_NONE, ""},
    {"string_find", ARGS_NONE, "SIZE=16 FOLD=0"},
    {"string_find", ARGS_NONE, "SIZE=16 FOLD=1"},
    {"regex_match", ARGS_NONE, "CLASSES=3"},
    {"tokenize", ARGS_ROWS, "CLASSES=3 LEAST=1 MARK=1 PAD=2 N=(d_rows) PIECES=(d_rows)"},
    {"string_bytes", ARGS_ROWS, "N=(d_rows)"},
    {"string_concat", ARGS_ROWS, "N=(d_rows)"},
    {"string_case", ARGS_ROWS, "UPPER=1 N=(d_rows)"},
    {"string_number", ARGS_ROWS, "T=float DIGITS=24 LOWEST=(-149) HIGHEST=127 N=(d_rows)"},
    {"string_number", ARGS_NONE, "T=double DIGITS=53 LOWEST=(-1074) HIGHEST=1023 N=9"},
    {"string_number", ARGS_NONE, "T=int64_t DIGITS=0 LOWEST=0 HIGHEST=63 N=9"},
    {"string_number", ARGS_NONE, "T=uint64_t DIGITS=0 LOWEST=0 HIGHEST=64 N=9"},
    {"number_string", ARGS_NONE, "T=float MOST=15 KIND=2"},
    {"number_string", ARGS_NONE, "T=double MOST=15 KIND=2"},
    {"number_string", ARGS_NONE, "T=int64_t MOST=20 KIND=1"},
    {"number_string", ARGS_NONE, "T=uint64_t MOST=20 KIND=0"},
    {"string_keep", ARGS_ROWS, "N=(d_rows)"},
    {"scatter_string", ARGS_ROWS, "KIND=0 N=(d_rows) M=6"},
    {"scatter_string", ARGS_NONE, "KIND=2 N=4 M=6"},
    {"scatter_complex", ARGS_ROWS, "T=float KIND=0 N=(d_rows) M=6"},
    {"scatter_complex", ARGS_NONE, "T=double KIND=1 N=4 M=6"},
    {"bits", ARGS_NONE, "Y_T=uint8_t X_T=int8_t"},
    {"bits", ARGS_NONE, "Y_T=int16_t X_T=uint16_t"},
    {"string_split", ARGS_ROWS, "LENGTH=0 MOST=(-1) N=(d_rows) PIECES=3"},
    {"string_split", ARGS_ROWS, "LENGTH=2 MOST=1 N=(d_rows) PIECES=(d_rows)"},
    {"ngrams", ARGS_ROWS, "SIZE=16 LEAST=1 MOST=2 SKIPS=0 COLUMNS=3 N=(d_rows)"},
    {"lstm", ARGS_ROWS, CELL "H_V=act REVERSE=0 INPUT_FORGET=0 CLIP=INFINITY P_AT=0"},
    {"lstm", ARGS_ROWS, CELL "H_V=act REVERSE=1 INPUT_FORGET=1 CLIP=0.5f P_AT=0"},
    {"gru", ARGS_ROWS, CELL "REVERSE=0 LINEAR_BEFORE_RESET=1 CLIP=INFINITY RB_AT=0"},
    {"gru", ARGS_ROWS, CELL "REVERSE=1 LINEAR_BEFORE_RESET=0 CLIP=0.5f RB_AT=0"},
    {"rnn", ARGS_ROWS, "F_V=act MUL_ACC=net_mul_acc_1 UNITS=1 FROM=(d_rows) TO=(d_rows+1) T=(d_rows) BATCH=2 H=70 Y_AT=0 Y_T=140 Y_B=70 YH_AT=0 YH_B=70 XW_AT=0 RT_AT=0 H0_AT=0 H0_B=70 REVERSE=0 CLIP=0.5f"},
    {"trees", ARGS_ROWS, ENSEMBLE "TRACKS=1 HEAP=0 FEATURE_BITS=8 PER_LEAF=1 COLUMNS=7 MOST=512 GATHERS=0 X_T=float V_T=float MODE=0 TARGETS=1 CLASSIFY=0 POST=0 BASES=1"},
    {"trees", ARGS_ROWS, ENSEMBLE "TRACKS=0 HEAP=6 FEATURE_BITS=0 PER_LEAF=0 COLUMNS=0 MOST=512 GATHERS=1 X_T=float V_T=float MODE=1 TARGETS=3 CLASSIFY=1 POST=1 BASES=3"},
    {"trees", ARGS_ROWS, ENSEMBLE "TRACKS=1 HEAP=0 FEATURE_BITS=12 PER_LEAF=0 COLUMNS=0 MOST=512 GATHERS=0 X_T=int64_t V_T=float MODE=(-1) TARGETS=3 CLASSIFY=1 POST=3 BASES=0"},
    {"trees", ARGS_ROWS, ENSEMBLE "TRACKS=1 HEAP=0 FEATURE_BITS=0 PER_LEAF=2 COLUMNS=0 MOST=1 GATHERS=0 X_T=double V_T=double MODE=5 TARGETS=2 CLASSIFY=2 POST=2 BASES=1"},
};

static const char prelude[] =
    "#define VL 4\n#include <math.h>\n#include <stddef.h>\n#include <stdint.h>\n#include <string.h>\n#include \"simd/simd.h\"\n#include \"../runtime/onnxcc_rt.h\"\n"
    "#define INLINE static inline __attribute__((always_inline, unused))\n"
    "INLINE vf act(vf x) { return x * x; }\n"
    "INLINE void out3_v(vf a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { vf_st(y + (b + m) * d_rows + n, a); }\n"
    "INLINE void out3_s(float a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { y[(b + m) * d_rows + n] = a; }\n"
    "INLINE vf map3_v(vf a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { (void)y, (void)b, (void)m, (void)n, (void)d_rows; return a + a; }\n"
    "INLINE float map3_s(float a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { (void)y, (void)b, (void)m, (void)n, (void)d_rows; return a + a; }\n"
    "INLINE void int3_v(vi a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { vf_st(y + (b + m) * d_rows + n, vi_to_f(a)); }\n"
    "INLINE void int3_s(int32_t a, int64_t b, int64_t m, int64_t n, float *restrict y, int64_t d_rows) { y[(b + m) * d_rows + n] = (float)a; }\n"
    "INLINE void out4_v(vf a, int64_t n, int64_t c, int64_t r, int64_t w, float *restrict y, int64_t d_rows) { vf_st(y + (n + c + r) * d_rows + w, a); }\n"
    "INLINE void out4_s(float a, int64_t n, int64_t c, int64_t r, int64_t w, float *restrict y, int64_t d_rows) { y[(n + c + r) * d_rows + w] = a; }\n"
    "INLINE void out5_v(vf a, int64_t n, int64_t b, int64_t r, int64_t w, int64_t l, float *restrict y, int64_t d_rows) "
    "{ vf_st(y + (n + b + r + w) * d_rows + l, a); }\n"
    "INLINE void out5_s(float a, int64_t n, int64_t b, int64_t r, int64_t w, int64_t l, float *restrict y, int64_t d_rows) "
    "{ y[(n + b + r + w) * d_rows + l] = a; }\n"
    "INLINE void int5_v(vi a, int64_t n, int64_t b, int64_t r, int64_t w, int64_t l, float *restrict y, int64_t d_rows) "
    "{ out5_v(vi_to_f(a), n, b, r, w, l, y, d_rows); }\n"
    "INLINE void int5_s(int32_t a, int64_t n, int64_t b, int64_t r, int64_t w, int64_t l, float *restrict y, int64_t d_rows) "
    "{ out5_s((float)a, n, b, r, w, l, y, d_rows); }\n";

static uint32_t parse(arena *mem, const sample *from, binding *out)
{
    static const char *const params[] = {"", ", int64_t d_rows", ", float *restrict y, int64_t d_rows"}, *const args[] = {"", ", d_rows", ", y, d_rows"};
    uint32_t n = 0;
    out[n++] = (binding){.name = "HOOK_PARAMS", .kind = BIND_TEXT, .text = params[from->args]};
    out[n++] = (binding){.name = "HOOK_ARGS", .kind = BIND_TEXT, .text = args[from->args]};
    for (const char *s = from->parameters; *s; s += strspn(s, " ")) {
        const size_t name = strcspn(s, "="), length = strcspn(s + name + 1, " ");
        out[n++] = (binding){.name = arena_strndup(mem, s, name), .kind = BIND_TEXT, .text = arena_strndup(mem, s + name + 1, length)};
        s += name + 1 + length;
    }
    return n;
}

static void compile_with(const char *cc, const char *file)
{
    char command[1024];
    snprintf(command, sizeof command, "command -v %s >/dev/null", cc);
    if (system(command)) return;
    snprintf(command, sizeof command,
             "%s -std=c99 -O1 -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Werror -I'%s/templates' "
             "-c '%s' -o /dev/null", cc, TEST_SOURCE_DIR, file);
    assert_int_equal(system(command), 0);
}

static void every_bound_kernel_compiles_without_a_warning(void **state)
{
    (void)state;
    arena *mem = arena_new();
    diag *d = diag_new(mem, NULL);
    binder *b = binder_new(mem, dims_new(mem), d, "net_", false);
    text code = {.mem = mem}, uses = {.mem = mem};
    text_add(&code, prelude);
    text_add(&uses, "typedef void (*any)(void);\nextern const any uses[];\nconst any uses[] = {");
    binding none[1];
    assert_string_equal(bind_kernel(b, &code, "mul_acc", none, 0, NULL), "net_mul_acc_1"); /* the cells call it */
    for (size_t i = 0; i < sizeof samples / sizeof *samples; i++) {
        binding bind[64];
        const uint32_t n = parse(mem, &samples[i], bind);
        const char *name = bind_kernel(b, &code, samples[i].kernel, bind, n, NULL);
        if (!name) fail_msg("%s: %s", samples[i].kernel, d->list.p[0].message);
        text_addf(&uses, "(any)%s, ", name);
    }
    text_addf(&code, "%s0};\n", uses.p);
    const char *why;
    assert_true(file_write(TEST_BINARY_DIR "/bound.c", code.p, code.n, &why));
    compile_with("gcc", TEST_BINARY_DIR "/bound.c");
    compile_with("clang", TEST_BINARY_DIR "/bound.c");
    arena_free(mem);
}

static void every_kernel_has_a_sample_here(void **state)
{
    (void)state;
    uint32_t n;
    const kernel_def *k = kernel_defs(&n);
    for (uint32_t i = 0; i < n; i++) {
        bool found = false;
        for (size_t j = 0; j < sizeof samples / sizeof *samples; j++) found |= !strcmp(samples[j].kernel, k[i].name);
        if (!found && k[i].isa != ISA_CUDA) fail_msg("kernel '%s' has no sample in tests/unit/test_bound.c", k[i].name);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_bound_kernel_compiles_without_a_warning), cmocka_unit_test(every_kernel_has_a_sample_here)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
