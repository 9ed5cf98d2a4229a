# --custom FILE.yaml: operators that a function of the user's computes.
. "$(dirname "$0")/lib.sh"
tensor() {
    printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (%s y)\n<%s c = {%s}>\n{\n    y = Identity(c)\n}\n' "$2" "$2" "$3" > tensor.onnxtxt
    expect 0 run tensor.onnxtxt -o "$1"
}
tensor x.npy 'float[3,4]' '1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12'
tensor bias.npy 'float[1]' 100

# Attributes of every kind, an optional input, several outputs, scratch memory, sizes by rules.
cat > op.yaml <<'YAML'
domain: my.own
operator: Blocks
versions: 2..3
function: my_blocks
inputs:
  - {name: x, type: float, rank: 2..3}
  - {name: bias, type: x, rank: 1, optional: true}
outputs:
  - name: y
    type: x
    shape: x[:-1], ceil_div(x[-1], size), 1 + has(bias) + count(factors) - rank(x)
  - {name: sizes, type: int64, shape: count(pads)}
  - {name: letters, type: uint8, shape: [], optional: true}
attributes:
  - {name: size, type: int}
  - {name: scale, type: float, default: 1.5}
  - {name: word, type: string, default: 'a "word"?'}
  - {name: pads, type: ints, default: [3, 4]}
  - {name: factors, type: floats, default: [1, 0.5, -2.25]}
  - {name: names, type: strings, default: [one, two, three]}
scratch: 4 * max(x[0], 2)
cost: count(x) * 2
YAML
cat > op.c <<'C'
#include <string.h>
#include "net.h"
int my_blocks(float *y, const int64_t *y_shape, int y_rank, int64_t *sizes, const int64_t *sizes_shape, int sizes_rank, uint8_t *letters, const int64_t *letters_shape,
              int letters_rank, const float *x, const int64_t *x_shape, int x_rank, const float *bias, const int64_t *bias_shape, int bias_rank, int64_t size, float scale,
              const char *word, const int64_t *pads, int64_t pads_count, const float *factors, int64_t factors_count, const char *const *names, int64_t names_count,
              void *scratch, void *user)
{
    float *sum = (float *)scratch;
    if (user || letters_shape || letters_rank || y_rank != 3 || sizes_rank != 1 || x_rank != 2 || pads_count != 2 || factors_count != 3 || names_count != 3) return 5;
    if (sizes_shape[0] != 2 || y_shape[0] != x_shape[0] || y_shape[1] != (x_shape[1] + size - 1) / size || y_shape[2] != 2 + (bias != NULL)) return 6;
    if (strcmp(word, "a \"word\"?") || strcmp(names[2], "three") || factors[2] != -2.25f || (bias && (bias_rank != 1 || bias_shape[0] != 1))) return 7;
    for (int64_t i = 0; i < pads_count; i++) sizes[i] = pads[i];
    for (int64_t r = 0; r < x_shape[0]; r++) sum[r] = 0;
    for (int64_t r = 0; r < x_shape[0]; r++)
        for (int64_t b = 0; b < y_shape[1]; b++) {
            float s = bias ? bias[0] : 0;
            for (int64_t i = b * size; i < (b + 1) * size && i < x_shape[1]; i++) s += x[r * x_shape[1] + i];
            sum[r] += s;
            for (int64_t k = 0; k < y_shape[2]; k++) y[(r * y_shape[1] + b) * y_shape[2] + k] = s * scale * factors[k];
        }
    if (letters) *letters = (uint8_t)(sum[0] > 0);
    return sum[0] > 1000 ? 42 : 0;
}
C
cat > net.onnxtxt <<'M'
<ir_version: 8, opset_import: ["" : 17, "my.own" : 2]>
net (float[n,m] x, float[1] bias) => (float[n,k,3] y, int64[2] sizes, float[n,k2,l2] plain)
{
    z = Neg(x)
    w = Neg(z)
    y, sizes = my.own.Blocks<size = 3>(w, bias)
    p, q, letter = my.own.Blocks<size = 2, scale = 1.0, pads = [8, 9]>(w)
    f = CastLike(letter, x)
    plain = Add(p, f)
}
M
tensor y.npy 'float[3,2,3]' '159, 79.5, -357.75, 156, 78, -351, 177, 88.5, -398.25, 162, 81, -364.5, 195, 97.5, -438.75, 168, 84, -378'
tensor sizes.npy 'int64[2]' '3, 4'
tensor plain.npy 'float[3,2,2]' '4, 2.5, 8, 4.5, 12, 6.5, 16, 8.5, 20, 10.5, 24, 12.5'
own="--custom op.yaml --custom-source op.c"
for options in "" "--dim n=3 --dim m=4" "--threads 2" "--no-fuse" "--target=generic-c99" "--dim n=..8 --dim m=..9"; do
    # shellcheck disable=SC2086
    expect 0 run net.onnxtxt $own $options x=x.npy bias=bias.npy -o out.npz
    python3 -c 'import zipfile' 2> /dev/null || continue
    for name in y sizes plain; do
        python3 -c "import zipfile,sys; open('got.npy','wb').write(zipfile.ZipFile('out.npz').read('$name.npy'))"
        cmp got.npy $name.npy || fail "$name is wrong with '$options'"
    done
done
cc -c -fPIC op.c -o op.o -I . 2> /dev/null || true # no net.h yet
expect 0 compile net.onnxtxt -o gen --custom op.yaml
says gen/net.h 'int my_blocks(float *y, const int64_t *y_shape' '/* my.own.Blocks */'
for cc in gcc clang; do
    command -v $cc > /dev/null || continue
    for file in gen/net.c op.c; do
        $cc -std=c99 -march=native -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -fPIC -Igen -c $file -o $cc.o > out 2> err || fail "$cc warns about $file"
    done
done
expect 0 run net.onnxtxt --custom op.yaml --custom-source gcc.o x=x.npy bias=bias.npy -o out.npz
expect 0 compile net.onnxtxt -o gen --custom op.yaml --depfile dep
says dep 'op.yaml'
expect 0 inspect net.onnxtxt --custom op.yaml --after
expect 0 bench net.onnxtxt $own --dim n=3 --dim m=4 --repeat 1

# The code of the function ends the run.
tensor big.npy 'float[1]' 100000
expect 1 run net.onnxtxt $own x=x.npy bias=big.npy -o out.npz
says err '42'
# The compiler sees to it that the function fits, and that it is there.
sed 's/int64_t size, float scale/int size, float scale/' op.c > wrong.c
expect 2 run net.onnxtxt --custom op.yaml --custom-source wrong.c x=x.npy bias=bias.npy
says err 'custom-source' 'conflicting types'
expect 2 run net.onnxtxt --custom op.yaml x=x.npy bias=bias.npy
says err 'my_blocks' '--custom-source FILE'
expect 5 run net.onnxtxt --custom op.yaml --custom-source nothing.c x=x.npy bias=bias.npy
expect 5 run net.onnxtxt --custom nothing.yaml x=x.npy bias=bias.npy
# A library to load has it; one whose source has become newer is built again.
expect 2 compile net.onnxtxt -o shared --custom op.yaml --custom-source op.c
says err '--emit=shared'
expect 2 compile net.onnxtxt -o shared --custom op.yaml --emit=shared
says err 'my_blocks' '--custom-source FILE'
expect 0 compile net.onnxtxt -o shared --name net --custom op.yaml --custom-source op.c --emit=shared
expect 2 compile net.onnxtxt -o shared --name net --custom op.yaml --custom-source wrong.c --emit=shared --target=generic-c99
cp op.c later.c
expect 0 compile net.onnxtxt -o shared --name net --custom op.yaml --custom-source later.c --emit=shared
sleep 0.1
cp wrong.c later.c
expect 2 compile net.onnxtxt -o shared --name net --custom op.yaml --custom-source later.c --emit=shared
says err 'conflicting types'
# Code for CUDA calls it on the host.
expect 0 run net.onnxtxt $own --dim n=3 --dim m=4 --target=cuda --emulate x=x.npy bias=bias.npy -o out.npz
says out 'y: float[3,2,3] = 159 79.5 -357.75 156 78 -351 177 88.5' 'plain: float[3,2,2] = 4 2.5 8 4.5 12 6.5 16 8.5'
# Without a description the operator is unknown; the versions count.
expect 4 compile net.onnxtxt -o gen
expect 0 optimize net.onnxtxt -o net.onnx --passes cse # `check` reads the binary form
expect 3 check net.onnx --check-custom-domains
expect 0 check net.onnx --check-custom-domains --custom op.yaml
expect 0 check net.onnx --full --custom op.yaml
sed 's/versions: 2..3/versions: 3../' op.yaml > later.yaml
expect 3 check net.onnx --check-custom-domains --custom later.yaml

# Nodes that do not follow the description.
node() {
    sed "s/my.own.Blocks<size = 3>(w, bias)/$1/" net.onnxtxt > bad.onnxtxt
    expect 0 optimize bad.onnxtxt -o bad.onnx --passes cse
    expect 3 check bad.onnx --full --custom op.yaml
    says err "$2" 'op.yaml:1'
}
node 'my.own.Blocks<size = 3.0>(w, bias)' "attribute 'size' is FLOAT, expected INT"
node 'my.own.Blocks(w, bias)' "required attribute 'size' is missing"
node 'my.own.Blocks<size = 3, more = 1>(w, bias)' "no attribute 'more'"
node 'my.own.Blocks<size = 3>(w, bias, w)' 'has 3 inputs, expected at most 2'
node 'my.own.Blocks<size = 3>(bias, bias)' 'input 0 (x) has 1 dimensions instead of 2 to 3'
node 'my.own.Blocks<size = 0>(w, bias)' 'the divisor may be less than 1'
node 'my.own.Blocks<size = 3, factors = [-1.0, 2.0]>(w, bias, bias, w)' 'has 4 inputs'
# A size below zero is an error when it is known, and of the run when it is not.
sed 's/shape: x\[:-1\].*/shape: x[0] - 4, x[1] - 9, 3/' op.yaml > less.yaml
expect 3 compile net.onnxtxt -o gen --custom less.yaml --dim n=3 --dim m=4
says err 'size 0 is negative'
expect 0 compile net.onnxtxt -o gen --custom less.yaml
says gen/net.c 'if (onnxcc_max(1, -4 + in->n) != -4 + in->n) return ONNXCC_E_DIM;'
expect 6 run net.onnxtxt --custom less.yaml --custom-source op.c x=x.npy bias=bias.npy
says err 'dimension 0 is -1'

# Mistakes in the file, with their lines.
yaml() {
    sed "$1" op.yaml > bad.yaml
    expect 2 check net.onnx --custom bad.yaml
    says err "bad.yaml:$2: " "$3"
}
yaml 's/^domain: my.own/domain: ai.onnx/' 1 "the operators of domain 'ai.onnx' are known"
yaml '/^domain/d' 1 "needs 'domain'"
yaml 's/^versions: .*/versions: three/' 3 "'versions' is a number or a range"
yaml 's/^function: .*/function: static/' 4 'is no name in C'
yaml 's/^function: /functoin: /' 4 "no key 'functoin'"
yaml 's/type: float, rank: 2..3/type: flaot, rank: 2..3/' 6 "no element type 'flaot'"
yaml 's/type: x, rank: 1/type: z, rank: 1/' 7 "no element type 'z'"
yaml 's/rank(x)$/rank(z)/' 11 'rank() wants the name of an input'
yaml 's/x\[:-1\], ceil_div/x[:-1], floor_div/' 11 "there is no function 'floor_div'"
yaml 's/shape: count(pads)/shape: pad/' 12 "'pad' is no input and no attribute"
yaml 's/, shape: count(pads)//' 12 "output 'sizes' needs 'shape'"
yaml 's/type: int}/type: integer}/' 15 'the type of an attribute is'
yaml 's/default: 1.5/default: big/' 16 'a number is expected'
yaml 's/default: \[3, 4\]/default: [3, 4.5]/' 18 'a whole number is expected'
yaml 's/default: \[3, 4\]/default: 3/' 18 'the default is a list'
yaml 's/name: word/name: x_rank/' 17 "two parameters 'x_rank'"
yaml 's/^scratch: .*/scratch: 4 * (x[0]/' 21 "')' is expected"
yaml 's/^cost: .*/cost: word + 1/' 22 "attribute 'word' is no integer"
yaml 's/^scratch: /  scratch: /' 21 ''
printf '[]\n' > bad.yaml
expect 0 check net.onnx --custom bad.yaml
: > bad.yaml
expect 2 check net.onnx --custom bad.yaml
says err 'describes no operator'
expect 2 check net.onnx --custom op.yaml --custom op.yaml
says err 'stands in op.yaml:1 already'

# Equal nodes are one, unless the operator says that it is not pure.
cat > twice.onnxtxt <<'M'
<ir_version: 8, opset_import: ["" : 17, "my.own" : 1]>
twice (float[4] x) => (float[4] y)
{
    a = my.own.Noise(x)
    b = my.own.Noise(x)
    y = Sub(a, b)
}
M
printf 'domain: my.own\noperator: Noise\nfunction: noise\ninputs: [{name: x, type: float}]\noutputs: [{name: y, type: x, shape: x}]\npure: false\n' > noise.yaml
expect 0 compile twice.onnxtxt -o gen --custom noise.yaml
[ "$(grep -c 'rc = twice_custom' gen/twice.c)" -eq 2 ] || fail "a node that is not pure was left out"
sed 's/^pure: false/pure: true/' noise.yaml > same.yaml
expect 0 compile twice.onnxtxt -o gen --custom same.yaml
[ "$(grep -c 'rc = twice_custom' gen/twice.c)" -le 1 ] || fail "two equal nodes"

# In a loop, with strings as input.
cat > loop.onnxtxt <<'M'
<ir_version: 8, opset_import: ["" : 17, "my.own" : 1]>
loop (string[k] s, int64 n, int64[1] start) => (int64[1] y)
{
    cond = Constant<value = bool {1}>()
    y = Loop(n, cond, start)<body = body (int64 i, bool c, int64[1] sum) => (bool d, int64[1] next) {
        d = Identity(c)
        length = my.own.Lengths(s)
        next = Add(sum, length)
    }>
}
M
printf 'domain: my.own\noperator: Lengths\nfunction: lengths\ninputs: [{name: s, type: string, rank: 1}]\noutputs: [{name: n, type: int64, shape: "1"}]\n' > lengths.yaml
cat > lengths.c <<'C'
int lengths(int64_t *n, const int64_t *n_shape, int n_rank, const onnxcc_string *s, const int64_t *s_shape, int s_rank, void *user)
{
    (void)n_shape, (void)n_rank, (void)s_rank, (void)user;
    *n = 0;
    for (int64_t i = 0; i < s_shape[0]; i++) *n += (int64_t)s[i].length;
    return 0;
}
C
tensor n.npy int64 3
tensor start.npy 'int64[1]' 100
printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (string[2] y)\n<string[2] c = {"ab", "cde"}>\n{\n    y = Identity(c)\n}\n' > s.onnxtxt
expect 0 run s.onnxtxt -o s.npy
expect 0 run loop.onnxtxt --custom lengths.yaml --custom-source lengths.c s=s.npy n=n.npy start=start.npy
says out '= 115'

# infer follows the shape rules of the descriptions.
samples=$(cd "$(dirname "$0")/../../samples/custom" && pwd)
expect 0 infer "$samples/despike.onnxtxt" -o inferred.onnxtxt --custom "$samples/operators.yaml"
grep -q 'Limit .*# float\[channels,samples\], float\[channels\]' inferred.onnxtxt || fail "infer --custom"
expect 0 infer "$samples/despike.onnxtxt" -o inferred.onnxtxt
! grep -q 'Limit .*#.*channels,samples' inferred.onnxtxt || fail "infer without --custom knows what nothing says"
