# Steps that differ in their tensors alone share one function: products with what follows them, and functions that are printed from expressions.
. "$(dirname "$0")/lib.sh"

diagonal() { # VALUE: of a matrix of 16 rows and columns
    awk -v v="$1" 'BEGIN { for (i = 0; i < 256; i++) printf "%s%g", i ? ", " : "", i % 17 ? 0 : v }'
}
all() { # VALUE: 16 times
    awk -v v="$1" 'BEGIN { for (i = 0; i < 16; i++) printf "%s%g", i ? ", " : "", v }'
}

cat > layers.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
layers (float[2,16] x) => (float[2,16] y)
<float[16,16] w1 = {$(diagonal 2)}, float[16,16] w2 = {$(diagonal 3)}, float[16,16] w3 = {$(diagonal 0.5)},
 float[16] b1 = {$(all 1)}, float[16] b2 = {$(all -4)}, float[16] b3 = {$(all 0.25)}, int64 axis = {1}>
{
    first_product = MatMul(x, w1)
    first_sum = Add(first_product, b1)
    first = Relu(first_sum)
    first_running = CumSum(first, axis)
    second_product = MatMul(first_running, w2)
    second_sum = Add(second_product, b2)
    second = Relu(second_sum)
    second_running = CumSum(second, axis)
    third_product = MatMul(second_running, w3)
    third_sum = Add(third_product, b3)
    third = Relu(third_sum)
    y = CumSum(third, axis)
}
END
expect 0 compile layers.onnxtxt -o layers --name layers
[ "$(grep -c '^/\* gemm:' layers/layers.c)" -eq 1 ] || fail "equal products do not share a function"
[ "$(grep -c '^static.* layers_step' layers/layers.c)" -eq 1 ] || fail "equal running sums do not share a function"
[ "$(grep -c '^    layers_step2(' layers/layers.c)" -eq 3 ] || fail "the running sums are not three calls of one function"
grep -q 'first' layers/layers.c || fail "a shared function has no names of tensors"

# Each call has its own weights: with ones, sums are 3, 6, ..., then those of 9 k - 4, and so on.
constant() { # VALUES: a model whose output they are, two rows of them
    printf '%s\n' '<ir_version: 8, opset_import: ["" : 17]>' 'constant () => (float[2,16] x)' "<float[2,16] x = {$1, $1}>" '{' '}'
}
constant "$(all 1)" > ones.onnxtxt
constant "$(awk 'BEGIN { for (k = 1; k <= 16; k++) { s += 9 * k - 4; y += s / 2 + 0.25; printf "%s%g", (k > 1 ? ", " : ""), y } }')" > wanted.onnxtxt
expect 0 run ones.onnxtxt -o x.npy
expect 0 run layers.onnxtxt x=x.npy -o y.npy
expect 0 run wanted.onnxtxt -o wanted.npy
cmp y.npy wanted.npy || fail "a shared function computes with another layer's weights"

# A product of another size, or with something else behind it, has its own.
sed -e 's/third = Relu(third_sum)/third = Tanh(third_sum)/' layers.onnxtxt > other.onnxtxt
expect 0 compile other.onnxtxt -o other --name other
[ "$(grep -c '^/\* gemm:' other/other.c)" -eq 2 ] || fail "products with different epilogues share a function"
