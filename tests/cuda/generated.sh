#!/bin/sh
# generated.sh COMPILER ONNXCC SOURCE_DIR BINARY_DIR - the program of samples/cuda/ with generated code, on the emulation: in every order of threads under
# the race detector, once under AddressSanitizer, with streams that do their work as late as they may. Exit 77: skipped.
set -eu
cxx=$1 onnxcc=$2 source=$3 build=$4
picture=$source/samples/digits/digit.pgm
for precision in fp32 tf32 tf32x3 fp16; do
    folder=$build/cuda/generated-$precision
    "$onnxcc" "$source/samples/digits/digits.onnx" -o "$folder" --target=cuda --dim batch=1..64 --gpu-precision=$precision -q
    for kind in race asan; do
        case $kind in
        race) flags="-O1 -g1 -fsanitize=thread" link="" library=$build/cuda/plain-$cxx.a ;;
        asan) flags="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined" link=$flags library=$build/cuda/asan-$cxx.a ;;
        esac
        [ -e "$library" ] || { echo "SKIPPED: $library was not built"; exit 77; }
        objects=
        for file in "$folder/digits.cu" "$source/samples/cuda/main.cu" "$folder/digits_weights.c"; do
            object=$folder/$kind-$(basename "$file").o
            case $file in *.c) language="-x c -std=c99" ;; *) language="-x c++ -std=c++17" ;; esac
            # -w: nvcc's pragmas
            # shellcheck disable=SC2086
            "$cxx" $language $flags -ffp-contract=off -w -DOCC_EMULATE -I"$folder" -I"$source/runtime/cuda" -c "$file" -o "$object"
            objects="$objects $object"
        done
        # shellcheck disable=SC2086
        "$cxx" $link $objects "$library" -ldl -o "$folder/$kind"
        for order in forward reverse random:1; do
            [ $kind = race ] || [ $order = forward ] || continue
            OCC_ORDER=$order OCC_STREAMS=lazy "$folder/$kind" "$picture" "$picture" "$picture" >"$folder/said" || { echo "failed: $precision, $kind, OCC_ORDER=$order"; exit 1; }
            [ "$(grep -c 'is a 7' "$folder/said")" = 6 ] || { cat "$folder/said"; echo "wrong: $precision, $kind, OCC_ORDER=$order"; exit 1; }
        done
    done
done
