# ImageDecoder: sizes that the run decides, through the hook that run and verify have.
. "$(dirname "$0")/lib.sh"
cat > look.onnxtxt <<'M'
<ir_version: 9, opset_import: ["" : 20]>
look (uint8[n] file) => (uint8[h,w,3] pixels, float[h2,w2,1] gray)
{
    pixels = ImageDecoder(file)
    g = ImageDecoder<pixel_format = "Grayscale">(file)
    gray = Cast<to = 1>(g)
}
M
bytes() {
    printf '<ir_version: 8, opset_import: ["" : 17]>\nt () => (uint8[%s] y)\n<uint8[%s] c = {%s}>\n{\n    y = Identity(c)\n}\n' "$2" "$2" "$3" > bytes.onnxtxt
    expect 0 run bytes.onnxtxt -o "$1"
}
room="--dim height.pixels=..4 --dim width.pixels=..4 --dim height.g=..4 --dim width.g=..4"
# P6 2 1 255: two pixels
bytes ppm.npy 17 '80, 54, 32, 50, 32, 49, 32, 50, 53, 53, 10, 10, 20, 30, 255, 0, 0'
expect 4 compile look.onnxtxt -o gen
says err 'give it a capacity: --dim height.pixels=..N'
# shellcheck disable=SC2086
for options in "" "--no-fuse" "--dim n=17" "--target=generic-c99"; do
    expect 0 run look.onnxtxt $room $options file=ppm.npy
    says out 'pixels: uint8[1,2,3] = 10 20 30 255 0 0' 'gray: float[1,2,1] = 18 76'
done
sed 's/"Grayscale"/"CMYK"/' look.onnxtxt > bad.onnxtxt
expect 3 compile bad.onnxtxt -o gen $room
says err 'none of RGB, BGR and Grayscale'
sed 's/"Grayscale"/"BGR"/; s/,1\] gray/,3] gray/' look.onnxtxt > bgr.onnxtxt
expect 0 run bgr.onnxtxt $room file=ppm.npy
says out 'gray: float[1,2,3] = 30 20 10 0 0 255'
# Larger than there is room for; no image; a format that is not there.
expect 1 run look.onnxtxt $room --dim width.pixels=..1 file=ppm.npy
says err 'larger than planned'
bytes no.npy 3 '1, 2, 3'
expect 0 run look.onnxtxt $room file=no.npy
says out 'pixels: uint8[0,0,3]' 'gray: float[0,0,1]'
bytes webp.npy 12 '82, 73, 70, 70, 0, 0, 0, 0, 87, 69, 66, 80'
expect 4 run look.onnxtxt $room file=webp.npy
says err "can't decode WebP images"
# Code for CUDA calls the function on the host.
expect 0 run look.onnxtxt $room --target=cuda --emulate file=ppm.npy
says out 'pixels: uint8[1,2,3] = 10 20 30 255 0 0' 'gray: float[1,2,1] = 18 76'
# Generated code knows that the function is missing, and is clean.
expect 0 compile look.onnxtxt -o gen $room --emit=main
says gen/look.c 'return ONNXCC_E_HOOK;'
for cc in gcc clang; do
    command -v $cc > /dev/null || continue
    $cc -std=c99 -march=native -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -Igen -c gen/look.c -o look.o > out 2> err || fail "$cc warns"
done
