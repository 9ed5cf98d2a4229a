# --precision=bf16 and fp16 (all but the first convolution, which has one channel): what it changes in the generated files, where it is refused, what verify then allows.
. "$(dirname "$0")/lib.sh"
digits=$here/../../samples/digits

for precision in bf16 fp16; do
    expect 0 compile "$digits/digits.onnx" -o $precision --dim batch=1 --precision=$precision --target=x86-64-v4-$precision
    says $precision/digits.json '"half_steps": 2' "\"target\": \"x86-64-v4-$precision\""
    expect 0 compile "$digits/digits.onnx" -o wide --dim batch=1 --target=x86-64-v4-$precision
    ! grep -q half_steps wide/digits.json && ! grep -q dot2 wide/digits.c || fail "float32 was rounded without --precision"
done
says bf16/digits.c __AVX512BF16__ vf_dot2
says fp16/digits.c __AVX512FP16__ vk_dot2

# Without the instruction: a warning and float32, or half the bytes.
expect 0 compile "$digits/digits.onnx" -o v3 --dim batch=1 --precision=bf16 --target=x86-64-v3
says err 'warning: x86-64-v3 has no products of bfloat16' 'nothing is rounded [precision]' 'hint: targets that have them: x86-64-v4-bf16; --optimize=size' 'mostly a longer run'
expect 0 compile "$digits/digits.onnx" -o v3 --dim batch=1 --precision=fp16 --target=x86-64-v4-bf16
says err 'warning: x86-64-v4-bf16 has no products of float16' 'hint: targets that have them: x86-64-v4-fp16;'
says v3/digits.json '"half_steps": 0'
for target in x86-64-v3 x86-64; do for precision in bf16 fp16; do
    expect 0 compile "$digits/digits.onnx" -o small --dim batch=1 --precision=$precision --optimize=size --target=$target
    says small/digits.json '"half_steps": 2'
    expect 0 verify "$digits/digits.onnx" --inputs "$digits/inputs.npz" --expect "$digits/expected.npz" --precision=$precision --optimize=size --target=$target
    expect 1 verify "$digits/digits.onnx" --inputs "$digits/inputs.npz" --expect "$digits/expected.npz" --precision=$precision --optimize=size --target=$target --rtol=1e-6
done; done

# Refused.
for target in cuda auto; do
    expect 2 compile "$digits/digits.onnx" -o bad --precision=bf16 --target=$target
    says err 'precision is for targets of C' 'hint: --gpu-precision'
done
expect 2 compile "$digits/digits.onnx" -o bad --precision=bf16 --math=strict
[ ! -e bad ] || fail "a refused compilation left files"

# What only a depthwise convolution reads stays float32, but where bytes count.
cat > depthwise.onnxtxt <<'X'
<ir_version: 8, opset_import: ["" : 17]>
mobile (float[1,32,8,8] x) => (float[1,32,8,8] y)
<float[32,1,3,3] d = {}, float[32,32,1,1] w = {}>
{
   a = Conv(x, w)
   b = Conv<group = 32, pads = [1,1,1,1]>(a, d)
   y = Conv(b, w)
}
X
sed -i "s/d = {}/d = {$(seq -s, 288)}/; s/w = {}/w = {$(seq -s, 1024)}/" depthwise.onnxtxt
for optimize in balanced size; do expect 0 compile depthwise.onnxtxt -o dw-$optimize --precision=bf16 --target=x86-64-v4-bf16 --optimize=$optimize; done
! grep -q 'X_LD vf_ld_bf16' dw-balanced/depthwise.c || fail "a depthwise convolution reads bfloat16"
says dw-balanced/depthwise.c 'conv_half:' 'conv_dw: X_T float, X_LD vf_ld,'
says dw-size/depthwise.c 'conv_dw: X_T uint16_t, X_LD vf_ld_bf16,'
