# Convolutions whose result is wanted plane by plane: where storing channels one by one is slow, blocks are made and turned in registers.
. "$(dirname "$0")/lib.sh"

model() { # SIZE CHANNELS: 1x1 from so many channels to 16, over SIZE x SIZE pixels
    cat <<END
<ir_version: 8, opset_import: ["" : 17]>
planes (float[1,$2,$1,$1] x) => (float[1,16,$1,$1] y)
<int64[4] shape = {16, $2, 1, 1}, float zero = {0}, float n = {$((16 * $2))}, float one = {1}, float end = {16}>
{
    numbers = Range(zero, n, one)
    wide = Reshape(numbers, shape)
    w = Sin(wide)
    b = Range(zero, end, one)
    c = Conv(x, w, b)
    y = Relu(c)
}
END
}
input() { # SIZE CHANNELS
    cat <<END
<ir_version: 8, opset_import: ["" : 17]>
input () => (float[1,$2,$1,$1] x)
<int64[4] shape = {1, $2, $1, $1}, float zero = {0}, float n = {$(($1 * $1 * $2))}, float one = {1}>
{
    numbers = Range(zero, n, one)
    wide = Reshape(numbers, shape)
    x = Cos(wide)
}
END
}
turned() { # MODEL [OPTION]...: is there a step that turns the result?
    expect 0 inspect --after --target=x86-64-v4 "$@"
    grep -q 'temp  *c_blocks\|y_blocks' out
}

for size in 32 33; do
    for channels in 32 512; do
        model $size $channels > m$size-$channels.onnxtxt
        input $size $channels > i$size-$channels.onnxtxt
    done
done
turned m32-512.onnxtxt || fail "planes 4 KiB apart are stored lane by lane"
turned m33-32.onnxtxt || fail "results of few multiply-adds are stored lane by lane"
turned m33-512.onnxtxt && fail "results of many multiply-adds are copied though storing them is no matter"
turned m32-512.onnxtxt --optimize=size && fail "--optimize=size copies a result"

for m in 32-32 32-512 33-32; do
    expect 0 run i$m.onnxtxt -o x.npy
    expect 0 run m$m.onnxtxt x=x.npy -o turned.npy
    expect 0 run m$m.onnxtxt x=x.npy -o lanes.npy --optimize=size
    cmp turned.npy lanes.npy || fail "$m: another result when it is turned"
done
