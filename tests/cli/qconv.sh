# Convolutions of bytes: the kernels with vectors and the one without give the same bytes, and the latter needs no more memory than the tensors.
. "$(dirname "$0")/lib.sh"

numbers() { # COUNT LEAST RANGE: integers
    awk -v n="$1" -v least="$2" -v range="$3" 'BEGIN { for (i = 0; i < n; i++) printf "%s%d", i ? ", " : "", (i * 37 + int(i / 7) * 11 + 5) % range + least }'
}
scales() { # COUNT
    awk -v n="$1" 'BEGIN { for (i = 0; i < n; i++) printf "%s%g", i ? ", " : "", 0.002 + (i % 5) * 0.0003 }'
}
# NAME OUT IN KH KW GROUP: weights, bias, scales and zero points of one convolution
weights() {
    echo "int8[$2,$3,$4,$5] $1_w = {$(numbers $(($2 * $3 * $4 * $5)) -127 255)}, int32[$2] $1_b = {$(numbers "$2" -900 1800)}, float[$2] $1_s = {$(scales "$2")}, int8[$2] $1_z = {$(numbers "$2" 0 1)}"
}
cat > net.onnxtxt <<END
<ir_version: 8, opset_import: ["" : 17]>
net (uint8[2,3,19,23] x, int8[2,5,31] v) => (uint8[2,40,10,12] y, int8[2,6,17] z, uint8[2,24,8,6] u)
<float xs = {0.02}, uint8 xz = {117}, float vs = {0.03}, int8 vz = {-9}, float alpha = {0.1},
 $(weights a 24 3 3 3), $(weights b 24 1 3 2), $(weights c 40 24 1 1), $(weights d 40 10 5 3), $(weights f 24 1 3 3),
 uint8[6,5,4] e_w = {$(numbers 120 0 255)}, float e_s = {0.004}, uint8 e_z = {140}>
{
    a = QLinearConv<strides = [2, 2], pads = [1, 1, 1, 1]>(x, xs, xz, a_w, a_s, a_z, xs, xz, a_b)
    af = DequantizeLinear(a, xs, xz)
    al = LeakyRelu<alpha = 0.1>(af)
    aq = QuantizeLinear(al, xs, xz)
    b = QLinearConv<group = 24, pads = [1, 0, 1, 1]>(aq, xs, xz, b_w, b_s, b_z, xs, xz, b_b)
    u = QLinearConv<group = 24, dilations = [2, 3], pads = [1, 0, 1, 0]>(aq, xs, xz, f_w, f_s, f_z, xs, xz, f_b)
    c = QLinearConv(b, xs, xz, c_w, c_s, c_z, xs, xz, c_b)
    y = QLinearConv<group = 4, dilations = [2, 3], pads = [4, 3, 4, 3]>(c, xs, xz, d_w, d_s, d_z, xs, xz, d_b)
    z = QLinearConv<strides = [2], pads = [4, 2]>(v, vs, vz, e_w, e_s, e_z, vs, vz)
}
END
# npy NAME TYPE SHAPE COUNT: bytes
npy() {
    header="{'descr': '|$2', 'fortran_order': False, 'shape': ($3), }"
    { printf '\223NUMPY\001\000v\000%-117s\n' "$header"; awk -v n="$4" 'BEGIN { for (i = 0; i < n; i++) printf "\\%03o", (i * 73 + int(i / 9) * 29) % 256 }' | { read -r text; printf "$text"; }; } > "$1"
}
npy x.npy u1 "2, 3, 19, 23" 2622
npy v.npy i1 "2, 5, 31" 310
expect 0 run net.onnxtxt x=x.npy v=v.npy --target=generic-c99 --keep=kept -o plain.npz
[ "$(grep -c '^static __attribute__((noinline)) void net_qconv_plain_[0-9]*(' kept/net.c)" = 6 ] || fail "convolutions without vectors are not kernels"
for target in native x86-64 x86-64-v3 x86-64-v4; do
    case $target-$(uname -m) in
    native-*) ;;
    x86-64-x86_64) ;;
    x86-64-v3-x86_64) grep -qw avx2 /proc/cpuinfo || continue ;;
    x86-64-v4-x86_64) grep -qw avx512bw /proc/cpuinfo || continue ;;
    *) continue ;;
    esac
    expect 0 run net.onnxtxt x=x.npy v=v.npy --target=$target -o vectors.npz
    cmp plain.npz vectors.npz > out 2>&1 || fail "other bytes with vectors of $target"
done
expect 0 compile net.onnxtxt --verify-passes --target=generic-c99 -o verified
# Without vectors nothing is copied or padded.
awk '/"arena"/ { match($0, /"bytes": *[0-9]+/); b = substr($0, RSTART + 8, RLENGTH - 8) + 0; match($0, /"lower_bound": *[0-9]+/); l = substr($0, RSTART + 14, RLENGTH - 14) + 0; exit !(b == l) }' verified/net.json ||
    fail "the arena is larger than its lower bound"
