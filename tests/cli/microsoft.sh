# Operators of com.microsoft: what of them is refused says why, and what a size depends on can be given.
. "$(dirname "$0")/lib.sh"
model() {
    printf '<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>\n%s\n' "$1" > m.onnxtxt
}
refused() { # WHAT THE MESSAGE SAYS, then the model
    model "$2"
    expect 4 compile m.onnxtxt -o refused
    says err "$1" '[contrib]'
    [ ! -e refused ] || fail "a refused compilation left files"
}
grouped() {
    printf 'g (float[b,s,64] q, float[b,s,32] k, float[b,s,32] v, float[b,2,%s,16] pk, float[b,2,%s,16] pv, int32[b] last, int32 total) => (float[b,s,64] y, float[b,2,%s,16] nk, float[b,2,%s,16] nv)\n{\n    y, nk, nv = com.microsoft.GroupQueryAttention <num_heads = 4, kv_num_heads = 2%s> (q, k, v, pk, pv, last, total)\n}' "$1" "$1" "$2" "$2" "${3:-}"
}
refused 'sliding_window_cache' "$(grouped c c ', sliding_window_cache = 1, local_window_size = 4')"
refused 'not quantized alike' "$(grouped c c ', k_quant_type = "PER_TENSOR"')"
# How long the present is follows from a value, unless the past is a buffer of its size.
refused 'total_sequence_length' "$(grouped p t)"
says err hint --value
expect 0 compile m.onnxtxt -o given --value total=9
model "$(grouped c c)"
expect 0 compile m.onnxtxt -o buffer
refused 'past_present_share_buffer' 'a (float[1,3,8] x, float[8,24] w, float[24] b) => (y)
{
    y = com.microsoft.Attention <num_heads = 2, past_present_share_buffer = 1> (x, w, b)
}'
refused 'packed sequences' 'a (float[2,3,8] q, float[2,3,8] k, float[2,3,8] v, int32[8] mask) => (y)
{
    y = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v, "", mask)
}'
refused '5 dimensions' 'a (float[2,3,8] q) => (y)
{
    y = com.microsoft.MultiHeadAttention <num_heads = 2> (q)
}'
refused '3 bits' 'm (float[2,32] x, uint8[4,1,12] b, float[4,1] s) => (y)
{
    y = com.microsoft.MatMulNBits <K = 32, N = 4, bits = 3, block_size = 32> (x, b, s)
}'
refused 'g_idx' 'm (float[2,32] x, uint8[4,1,16] b, float[4,1] s, int32[32] g) => (y)
{
    y = com.microsoft.MatMulNBits <K = 32, N = 4, bits = 4, block_size = 32> (x, b, s, "", g)
}'
refused 'beams' 'a (float[2,1,8] q, float[2,1,8] k, float[2,1,8] v, float[2,2,9,4] pk, float[2,2,9,4] pv, int32[1] n, int32[1,2,9] from) => (y)
{
    y = com.microsoft.MultiHeadAttention <num_heads = 2> (q, k, v, "", "", "", pk, pv, n, from)
}'
refused 'the mean' 'a (float[2,3,8] x, float[2,3,8] skip, float[8] g) => (y, mean)
{
    y, mean = com.microsoft.SkipSimplifiedLayerNormalization (x, skip, g)
}'

# Which arithmetic products by weights of a few bits use is for the model's author to say, or for --math=fast.
few_bits() {
    cat > few.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17, "com.microsoft" : 1]>
few (float[n,128] x) => (float[n,128] y) <int64[3] size = {128, 4, 16}, int64[2] blocks = {128, 4}>
{
    w = ConstantOfShape <value: tensor = uint8[1] {77}> (size)
    s = ConstantOfShape <value: tensor = float[1] {0.5}> (blocks)
    y = com.microsoft.MatMulNBits <K = 128, N = 128, bits = 4, block_size = 32, accuracy_level = $1> (x, w, s)
}
END
    expect 0 compile few.onnxtxt -o few --target "$2" --math "$3"
    says few/few.c "$4"
}
for target in generic-c99 x86-64-v3 x86-64-v4-vnni aarch64; do
    few_bits 0 "$target" default few_nbits_float
    few_bits 1 "$target" strict few_nbits_float
    few_bits 4 "$target" default few_nbits_int8
    few_bits 4 "$target" strict few_nbits_int8
    few_bits 0 "$target" fast few_nbits_int8
done
# Whether the mode changed something is said.
few_bits 0 x86-64-v3 fast few_nbits_int8
expect 0 compile few.onnxtxt -o few --target x86-64-v3 --math fast -v
says err '--math=fast: 1 step rounds more than with the default'
few_bits 4 x86-64-v3 fast few_nbits_int8
expect 0 compile few.onnxtxt -o few --target x86-64-v3 --math fast -v
says err '--math=fast changes no step of this model'
expect 0 compile few.onnxtxt -o few --target x86-64-v3 -v
! grep -q -e --math err || fail "a mode is spoken of that was not asked for"
