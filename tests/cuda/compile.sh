# compile PROGRAM OUT FLAGS... - compiles tests/cuda/PROGRAM.cu for the emulation. Sourced, with cxx, kind, source and build set.
# kind: as of tests/cuda/library.sh, or race: kernels instrumented for the race detector, linked with plain's library. Exit 77: there is no such library.
# $run goes before the program where it is for another processor.
run=
case $cxx in
aarch64-*)
    run="qemu-aarch64 -L /usr/aarch64-linux-gnu"
    command -v qemu-aarch64 >/dev/null || { echo "SKIPPED: no qemu-aarch64"; exit 77; } ;;
esac
compile() {
    program=$1 out=$2
    shift 2
    case $kind in
    asan) flags="-O1 -g1 -fsanitize=address,undefined -fno-sanitize-recover=undefined" library=$build/cuda/asan-$cxx.a ;;
    race) flags="-O1 -g1 -fsanitize=thread" library=$build/cuda/plain-$cxx.a ;;
    *) flags="-O2 -g1" library=$build/cuda/$kind-$cxx.a ;;
    esac
    [ -e "$library" ] || { echo "SKIPPED: $library was not built"; exit 77; }
    link=$flags
    [ "$kind" != race ] || link=
    # shellcheck disable=SC2086
    "$cxx" -std=c++17 $flags -ffp-contract=off -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Werror -DOCC_EMULATE -I"$source/runtime/cuda" \
        -I"$source/tests/cuda" "$@" -x c++ -c "$source/tests/cuda/$program.cu" -o "$out.o"
    # shellcheck disable=SC2086
    "$cxx" $link "$out.o" "$library" -ldl -o "$out"
}
