# compile: files, JSON, depfile, config file, all or nothing.
. "$(dirname "$0")/lib.sh"
expect 0 relu.onnx -o a --name net --depfile=a.d --json
says out '"name": "net"' '"dims"'
[ "$(wc -l < out)" -eq 1 ] || fail "the manifest is not on one line"
[ -f a/net.c ] && [ -f a/net.h ] && [ -f a/net.json ] || fail "files are missing"
says a.d "a/net.c" ": relu.onnx"
cp -p a/net.c before.c
sleep 0.02
expect 0 relu.onnx -o a --name net
[ a/net.c -nt before.c ] && fail "an unchanged file was written again"
cc -O2 -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -march=native -I a -c a/net.c -o net.o 2> err || fail "the code does not compile cleanly"
printf 'name: other\noutput: b\ndim: {n: 4}\nemit: none\n' > c.yaml
expect 0 compile relu.onnx --config c.yaml
[ -f b/other.c ] && [ ! -f b/other.json ] || fail "the config file was not followed"
printf 'relu.onnx -o "with blank"\n' > args
expect 0 compile @args
[ -f "with blank/relu.c" ] || fail "the argument file was not followed"
expect 3 compile two.onnx -o c
[ -d c ] && [ -n "$(ls c)" ] && fail "files of an invalid model"
expect 4 compile custom.onnx -o c
says err "not supported"
touch file
expect 5 compile relu.onnx -o file
expect 0 compile relu.onnx --dump=plan
says out "Relu"
# All files or none: one that can't be written leaves the others as they were.
expect 0 relu.onnx -o whole
cp whole/relu.c before.c
rm whole/relu.json && mkdir whole/relu.json
expect 5 relu.onnx -o whole --math strict
says err "can't write 'whole/relu.json'"
cmp -s whole/relu.c before.c || fail "a part was written"
ls whole | grep -q tmp && fail "temporary files stay"
expect 0 relu.onnx -o strict --math strict --optimize size --threads 3
says strict/relu.c "#define SIMD_NO_FMA" " * options --optimize=size --math=strict --precision=fp32 --threads=3"
says strict/relu.h " * options --optimize=size --math=strict --precision=fp32 --threads=3"
expect 0 compile relu.onnx -o bounds --dim n=1..4 -v
says err "arena 0 bytes"
# Mistakes that only the types show, a pass that is none, and sizes that are none.
cat > types.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
types (float[3] x, int32[3] i) => (float[3] y)
{
    y = Add(x, i)
}
END
expect 3 compile types.onnxtxt -o types
says err "[type-mismatch]" "input 1 'i' is int32"
expect 2 relu.onnx -o bogus --dump=bogus
says err "no pass is called 'bogus'"
for none in 0 0..0 ..0; do
    expect 2 relu.onnx -o none --dim n=$none
    says err "--dim n=$none: a dimension can't be 0 in every run" "hint: n=0..8, for example, is 0 in some"
done
expect 0 relu.onnx -o zero --dim n=0..4
grep -q "dimension 'n', 0 to 4" zero/relu.h || fail "a size of 0 is not allowed"
# --emit=shared: a library, built again only when the code has changed or it is gone; CFLAGS are the last flags.
expect 0 relu.onnx -o lib --name net --emit=shared,json
nm -D lib/net.so > out && says out " T net_model"
[ -f lib/net.json ] && [ ! -f lib/CMakeLists.txt ] || fail "other files than those that were asked for"
cp -p lib/net.so before.so
sleep 0.02
expect 0 relu.onnx -o lib --name net --emit=shared,json
[ lib/net.so -nt before.so ] && fail "a library was built again of the same code"
expect 0 relu.onnx -o lib --name net --emit=shared,json --math strict
[ lib/net.so -nt before.so ] || fail "a library of other code was not built"
expect 2 relu.onnx -o auto --emit=shared --target=auto
if CFLAGS=-fno-such-flag "$onnxcc" relu.onnx -o flags --emit=shared 2> err; then fail "CFLAGS are not used"; fi
says err "[cc-failed]"
[ ! -e flags/relu.so ] || fail "a library that could not be built"
# A model named after one of CMake's targets gets another name; the text form needs no verb either.
printf '<ir_version: 8, opset_import: ["" : 17]>\ng (float[2] x) => (float[2] y)\n{\n    y = Neg(x)\n}\n' > clean.onnxtxt
expect 0 clean.onnxtxt -o clean
[ -f clean/clean_model.h ] || fail "the library would be the target 'clean'"
expect 2 clean.onnxtxt -o clean --name test
# What a product reads as weights is computed when the model is compiled, whatever its size; other constants of that size when it runs.
cat > weights.onnxtxt <<'EOF'
<ir_version: 8, opset_import: ["" : 17]>
g (float[n,300] x) => (float[n,300] y, float[300,300] z)
<int64[2] shape = {300,300}>
{
    w = ConstantOfShape <value: tensor = float[1] {0.5}> (shape)
    wt = Transpose <perm = [1, 0]> (w)
    y = MatMul(x, wt)
    z = ConstantOfShape <value: tensor = float[1] {0.25}> (shape)
}
EOF
expect 0 inspect --after weights.onnxtxt
says out "gemm(in x, in y_panels, out y)" "nest    ConstantOfShape"
if grep -q "nest    pack" out; then fail "weights are packed at run time"; fi
