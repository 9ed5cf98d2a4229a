# Convolutions to few channels: lanes are the input's channels where that is less work, and the bits are the same for any number of threads.
. "$(dirname "$0")/lib.sh"

model() { # CHANNELS: a 3x3 convolution from 40 channels to so many, of 21x19 pixels
    cat <<END
<ir_version: 8, opset_import: ["" : 17]>
few (float[1,40,21,19] x) => (float[1,$1,21,19] y)
<int64[4] shape = {$1, 40, 3, 3}, int64[4] point = {40, 40, 1, 1}, float zero = {0}, float n = {$((360 * $1))}, float m = {1600}, float one = {1}>
{
    numbers = Range (zero, n, one)
    wide = Reshape (numbers, shape)
    w = Sin (wide)
    more = Range (zero, m, one)
    square = Reshape (more, point)
    v = Cos (square)
    a = Conv (x, v)
    b = Relu (a)
    c = Conv <pads = [1, 1, 1, 1]> (b, w)
    y = Sigmoid (c)
}
END
}
cat > input.onnxtxt <<'END'
<ir_version: 8, opset_import: ["" : 17]>
input () => (float[1,40,21,19] x)
<int64[4] shape = {1, 40, 21, 19}, float zero = {0}, float n = {15960}, float one = {1}>
{
    numbers = Range (zero, n, one)
    wide = Reshape (numbers, shape)
    x = Sin (wide)
}
END
expect 0 run input.onnxtxt --output x.npz

kernel() { # TARGET CHANNELS [OPTION]...
    model "$2" > few.onnxtxt
    target=$1
    shift 2
    expect 0 compile few.onnxtxt -o few --target "$target" --dump plan "$@"
}
for channels in 1 3 6; do
    kernel x86-64-v4 $channels
    grep -q ' conv_sum(' out || fail "$channels channels as lanes"
done
kernel x86-64-v3 3
grep -q ' conv_sum(' out || fail "three of eight lanes"
kernel x86-64-v4 16
! grep -q ' conv_sum(' out || fail "16 channels fill the lanes"
kernel x86-64-v4 1 --math=strict
! grep -q ' conv_sum(' out || fail "strict sums are in one order on all targets"

for channels in 1 3; do
    model $channels > few.onnxtxt
    expect 0 run few.onnxtxt -i x.npz --output one.npz
    expect 0 run few.onnxtxt -i x.npz --threads 2 --output two.npz
    cmp one.npz two.npz || fail "other bits with two threads"
    expect 0 run few.onnxtxt -i x.npz --target generic-c99 --output plain.npz
    expect 0 verify few.onnxtxt --inputs x.npz --expect plain.npz --rtol 0 --atol 3e-5
done
