# tune writes what it measured; --tuning FILE is followed, whole or not at all. No test depends on what was faster.
. "$(dirname "$0")/lib.sh"
cat > net.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
net (float[1,16,12,12] x) => (float[1,16,12,12] y)
<int64[4] shape = {16, 16, 3, 3}>
{
    w = ConstantOfShape <value = float[1] {0.01}> (shape)
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w)
    y = Relu (a)
}
T
conv='conv 16 to 16 channels, kernel 3x3, output 1x12x12'

# What it writes can be read, every time with the same result.
expect 0 tune net.onnxtxt -o net.yaml --repeat 1 --json
says out '"model":"net.onnxtxt","threads":1,"shapes":1,' '"ms":{"plan":'
says net.yaml 'target: ' 'optimize: balanced' 'math: default' 'precision: fp32' "shape: $conv" 'choice: ' 'over: ' 'gain: '
says err 'building: way 2 of ' ' builds in turns, 1 round' "$conv: " 'measuring: the model without these choices and with them'
! grep -q sizes net.yaml err || fail "sizes of a model whose sizes are fixed"
expect 0 compile net.onnxtxt -o one --tuning net.yaml
[ ! -s err ] || fail "a warning about what was just measured"
says one/net.c ' * options ' ' --tuning=net.yaml'
says one/net.json '"tuning": "net.yaml",'
expect 0 compile net.onnxtxt -o two --tuning ./net.yaml
diff -r one two > out || fail "not the same twice"
expect 0 tune net.onnxtxt -o net2.yaml --repeat 1 --threads 2
expect 0 bench net.onnxtxt --tuning net2.yaml --threads 2 --repeat 1
[ ! -s err ] || fail "a warning about what was just measured, with threads"

# Steps in a band of rows are measured where they are; with threads too.
for threads in 1 2; do
    expect 0 compile band.onnxtxt -o band --optimize size --threads $threads --dump plan
    says out ' band '
    expect 0 tune band.onnxtxt -o band.yaml --repeat 1 --optimize size --threads $threads
    says band.yaml 'shape: conv 64 to 64 channels, kernel 1x1, output 1x28x28' 'shape: conv 64 to 64 channels in groups 64, kernel 3x3, output 1x28x28'
    ! grep 'not measured' err || fail "a step in a band was not measured"
done
# What does not run is not measured, which is said.
cat > branch.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
branch (bool c, float[1,16,12,12] x) => (float[1,16,12,12] y)
<int64[4] shape = {16, 16, 3, 3}>
{
    w = ConstantOfShape <value = float[1] {0.01}> (shape)
    n = Not (c)
    d = And (c, n)
    y = If (d) <then_branch = then () => (float[1,16,12,12] a) { a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, w) }, else_branch = other () => (float[1,16,12,12] b) { b = Neg (x) }>
}
T
expect 0 tune branch.onnxtxt -o branch.yaml --repeat 1
says err "$conv: not measured: no step that computes it runs with these inputs"
says out '0 shapes, none of them better than planned, 1 not measured: '

# What was faster and is not taken: both the output and the file say so, and why. Weights of the one convolution may not become this much more.
says_what_was_faster() {
    grep ' times as fast as ' err | grep -v ' instead, ' > faster
    while read -r line; do
        shape=${line%%: *} way=${line#*: }
        grep -A 4 "shape: $shape$" "$1" | grep -q -e "choice: ${way%%, *}$" -e "# ${way%%, *} was .* times as fast; not taken: " || fail "not in the file: $line"
    done < faster
    [ "$(grep -c ' not taken: ' err)" -ge "$(grep -c ' not taken: ' "$1")" ] || fail "not said, but in the file"
}
expect 0 tune net.onnxtxt -o net.yaml --repeat 1 --target x86-64-v3
says err "$conv: winograd 2 not measured: weights beyond what --optimize=balanced allows"
cat > deep.onnxtxt <<'T'
<ir_version: 8, opset_import: ["" : 17]>
deep (float[1,32,32,32] x) => (float[1,64,32,32] y)
<int64[4] one = {64, 32, 3, 3}, int64[4] two = {64, 64, 3, 3}>
{
    v = ConstantOfShape <value = float[1] {0.01}> (one)
    w = ConstantOfShape <value = float[1] {0.01}> (two)
    a = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (x, v)
    y = Conv <kernel_shape = [3, 3], pads = [1, 1, 1, 1]> (a, w)
}
T
expect 0 tune deep.onnxtxt -o deep.yaml --repeat 1
says_what_was_faster deep.yaml
expect 0 compile deep.onnxtxt -o deep --tuning deep.yaml
[ ! -s err ] || fail "a warning about what was just measured, where not all was taken"

# What did not change gained nothing; -q says nothing.
printf '<ir_version: 8, opset_import: ["" : 17]>\nplain (float[3] x) => (float[3] y) { y = Relu (x) }\n' > plain.onnxtxt
expect 0 tune plain.onnxtxt -o plain.yaml --repeat 1 -q --json=plain.json
[ ! -s err ] && [ ! -s out ] || fail "words in spite of -q"
grep -qE '"shapes":0,"changed":0,"not_taken":0,"not_measured":0,"ms":\{"plan":([0-9.]+),"tuned":\1\}' plain.json || fail "noise as a gain"
expect 0 tune plain.onnxtxt -o plain.yaml --repeat 1
says out 'no step of the model has more than one way to be computed: '
says plain.yaml 'choices: []'

# Choices hold for the sizes that were measured: the file says which, and so do tune and a compilation with other ones.
sed -e 's/float\[1,/float[n,/g' -e 's/^net (/net (float[k] z, /' -e 's/=> (/=> (float[k] u, /' -e 's/y = Relu/u = Relu (z) y = Relu/' net.onnxtxt > open.onnxtxt
expect 0 tune open.onnxtxt -o open.yaml --repeat 1 --dim n=2
says open.yaml "  - '--dim n=2'" "  - '--dim k=1'" "shape: conv 16 to 16 channels, kernel 3x3, output 2x12x12"
says err 'finds them with --dim k=1 --dim n=2'
expect 0 compile open.onnxtxt -o open --tuning open.yaml
says err 'tuning-unknown' 'hint: the file was measured with --dim k=1 --dim n=2'
expect 0 compile open.onnxtxt -o open --tuning open.yaml --dim n=3 --dim k=1
says err 'measured with --dim n=2'
for sizes in '--dim n=2' '--shape x=2x16x12x12'; do
    expect 0 compile open.onnxtxt -o open --tuning open.yaml $sizes
    [ ! -s err ] || fail "a warning about what was just measured, with $sizes"
done
expect 0 bench open.onnxtxt --tuning open.yaml --shape x=2x16x12x12 --repeat 1 -q
[ ! -s err ] || fail "a warning about what was just measured, in bench"

# Where the file can't be written, nothing is measured.
expect 5 tune net.onnxtxt -o nowhere/net.yaml
says err "can't write 'nowhere/net.yaml': No such file or directory"
! grep -q -e building -e measuring err || fail "measured for nothing"
expect 5 tune net.onnxtxt -o .
says err "can't write '.': Is a directory"

# Whatever ends it, its temporary folder goes, and nothing is written.
mkdir tmp
for signal in TERM KILL; do
    TMPDIR=$work/tmp "$onnxcc" tune net.onnxtxt -o killed.yaml --repeat 1000 > out 2> err &
    pid=$!
    for i in 1 2 3 4 5 6 7 8 9 10; do
        ls tmp/onnxcc-*/0 > /dev/null 2>&1 && break
        sleep 0.5
    done
    kill -$signal $pid
    wait $pid
    for i in 1 2 3 4 5 6 7 8 9 10; do
        ls -d tmp/onnxcc-* > /dev/null 2>&1 || break
        sleep 0.5
    done
    ! ls -d tmp/onnxcc-* > /dev/null 2>&1 || fail "a temporary folder after SIG$signal"
    [ ! -e killed.yaml ] || fail "a file in spite of SIG$signal"
done
TMPDIR=$work/tmp expect 0 bench net.onnxtxt --repeat 1
! ls -d tmp/onnxcc-* > /dev/null 2>&1 || fail "a temporary folder after bench"

# The choice decides.
choose() {
    printf 'target: x86-64-v3\nchoices:\n  - shape: %s\n    choice: %s\n' "$conv" "$1" > hand.yaml
}
for side in 2 4; do
    choose "winograd $side"
    expect 0 compile net.onnxtxt -o side$side --target x86-64-v3 --optimize speed --tuning hand.yaml --dump plan --depfile dep
    [ ! -s err ] || fail "a warning about winograd $side"
    says out 'conv_wino(' "SIDE=$side"
    says dep ' hand.yaml'
done

# What Winograd's algorithm takes and saves is said: 16 * 16 * 27 floats more, of 16 * 16 * 9 * 144 multiply-adds three quarters less.
expect 0 compile net.onnxtxt -o said --target x86-64-v3 --optimize speed -v --json
says err "Winograd's algorithm: 1 convolution, 27648 bytes of weights more for 248832 multiply-adds less"
says out '"winograd": {"convolutions": 1, "weights_bytes": 27648, "multiply_adds_saved": 248832'
sed 's/float\[1,/float[n,/g' net.onnxtxt > batch.onnxtxt # of an open batch: for one image
expect 0 compile batch.onnxtxt -o said --target x86-64-v3 --optimize speed -v
says err "27648 bytes of weights more for 248832 multiply-adds less (the run's dimensions at their least)"
expect 0 compile net.onnxtxt -o said --target x86-64-v3 --optimize size -v
says err '0 convolutions' '; --optimize=speed: 1 more or in larger tiles, 27648 bytes for 248832'

# Not what the mode forbids, not what there is not, not what was measured elsewhere.
printf 'target: x86-64-v3\nchoices:\n  - shape: %s\n    choice: winograd 4\n' "$conv" > hand.yaml
expect 0 compile net.onnxtxt -o full --target x86-64-v3 --tuning hand.yaml
says err "'winograd 4' for $conv has more weights than --optimize leaves room for: the plan chooses [tuning-stale]" 'hint: --optimize=speed has room for all'
expect 0 compile net.onnxtxt -o strict --target x86-64-v3 --math strict --tuning hand.yaml --dump plan
says err 'hand.yaml:3: ' "'winograd 4' is no way to compute $conv here" 'tuning-stale'
! grep -q conv_wino out || fail "Winograd's algorithm in strict mode"
choose 'tile 99x99x99'
expect 0 compile net.onnxtxt -o stale --target x86-64-v3 --tuning hand.yaml
says err 'hand.yaml:3: ' 'tuning-stale' 'hint: the ways here are: ' ', winograd 4'
expect 0 compile net.onnxtxt -o other --target x86-64-v4 --tuning hand.yaml
says err 'measured on x86-64-v3: not used for x86-64-v4' 'tuning-target'
printf 'target: x86-64-v3\nchoices:\n  - shape: product 3x4 by 4x5\n    choice: tile 1x1\n' > hand.yaml
expect 0 compile net.onnxtxt -o unknown --target x86-64-v3 --tuning hand.yaml
says err 'hand.yaml:3: ' 'the model has no product 3x4 by 4x5 (1 such choices)' 'tuning-unknown'
expect 0 compile net.onnxtxt -o plain --target x86-64-v3
sed -i -e 's/ --tuning=hand.yaml//' -e '/"tuning": /d' unknown/* # where alone it is named
diff -r unknown plain > out || fail "a file without choices for the model changes something"

printf 'target: x86-64-v3\nchoices:\n  - shape: %s\n    choice: tile 1x1x1\n' "$conv" > hand.yaml
expect 0 compile net.onnxtxt -o two --target x86-64-v3 --threads 2 --tuning hand.yaml
says err 'measured with another number of threads (1 choices): not used' 'tuning-target'

# Measured in another mode: said, and followed; a file that does not say its mode is taken as it is.
printf 'target: x86-64-v3\noptimize: size\nmath: fast\nprecision: fp32\nchoices:\n  - shape: %s\n    choice: tile 1x4x2\n' "$conv" > mode.yaml
expect 0 compile net.onnxtxt -o mode --target x86-64-v3 --tuning mode.yaml --dump plan
says err 'mode.yaml: measured with --optimize=size --math=fast, used with --optimize=balanced --math=default: other choices may be better [tuning-mode]'
says out ' RX=4 '
expect 0 compile net.onnxtxt -o mode --target x86-64-v3 --optimize=size --math=fast --tuning mode.yaml
[ ! -s err ] || fail "a warning about the mode that it was measured in"
grep -v -e optimize -e math -e precision mode.yaml > hand.yaml
expect 0 compile net.onnxtxt -o mode --target x86-64-v3 --tuning hand.yaml
[ ! -s err ] || fail "a warning about a file without a mode"
expect 0 tune net.onnxtxt -o net3.yaml --repeat 1 --optimize size --math fast
says net3.yaml 'optimize: size' 'math: fast'

# Mistakes.
bad() {
    expect 2 compile net.onnxtxt -o bad --tuning bad.yaml
    line=$1
    shift
    says err "bad.yaml:$line: " tuning-file "$@"
    [ ! -e bad ] || fail "files in spite of an error"
}
printf 'target: [\n' > bad.yaml
bad 2 ''
printf 'choices: []\n' > bad.yaml
bad 1 "a tuning file lacks the key 'target'"
printf 'target: any\nchoices: none\n' > bad.yaml
bad 2 'is a list'
printf 'target: any\nmath: [fast]\nchoices: []\n' > bad.yaml
bad 2 "'math' takes one value"
for mode in optimize:balanced math:default precision:fp32; do
    printf 'target: any\n%s: quick\nchoices: []\n' ${mode%:*} > bad.yaml
    bad 2 "'${mode%:*}' is one of " "${mode#*:}" ", not 'quick'"
done
printf 'target: any\nsizes: 3\nchoices: []\n' > bad.yaml
bad 2 "'sizes' is a list"
printf 'target: any\nsizes:\n  - batch=1\nchoices: []\n' > bad.yaml
bad 3 "'sizes' lists options such as --dim batch=1"
printf 'target: any\nchoices:\n  - shape: a\n    chioce: b\n' > bad.yaml
bad 4 "no key 'chioce'"
printf 'target: any\nchoices:\n  - shape: a\n' > bad.yaml
bad 3 "a choice lacks the key 'choice'"
printf 'target: any\nchoices:\n  - {shape: a, choice: b}\n  - {shape: a, choice: c}\n' > bad.yaml
bad 4 "a second choice for 'a'"
printf 'target: any\nchoices:\n  - {shape: a, choice: b, gain: much}\n' > bad.yaml
bad 3 "'gain' is a number"
printf 'target: any\nchoices:\n  - {shape: a, choice: [b]}\n' > bad.yaml
bad 3 "'choice' takes one value"
expect 5 compile net.onnxtxt -o bad --tuning missing.yaml
expect 2 tune net.onnxtxt
expect 2 tune net.onnxtxt -o t.yaml --repeat 0
says err '--repeat is at least 1'
expect 2 tune net.onnxtxt -o t.yaml --target cuda
expect 5 tune missing.onnx -o t.yaml
[ ! -e t.yaml ] || fail "a file in spite of an error"
