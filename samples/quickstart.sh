#!/bin/sh
# quickstart.sh - from a fresh checkout to a running model:   sh samples/quickstart.sh
#
# Installs what is missing from Debian's packages, builds onnxcc, compiles samples/digits/digits.onnx to C, builds and runs a program with it, and
# compares its numbers with stored ones. Everything made goes to build/quickstart. Once the packages are there, no network is used.
set -eu
cd "$(dirname "$0")/.."
out=build/quickstart
mkdir -p build
packages='gcc libc6-dev cmake ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libyaml-dev'

say() { printf '\n== %s\n' "$*"; }
fail() { printf '%s\n' "$*" >&2; exit 1; }

# What a build needs, as it finds it; packages are only asked for where one of these is missing.
have_all() {
    for tool in cc cmake ninja pkg-config protoc-c; do command -v $tool > /dev/null || return 1; done
    echo 'int main(void) { return 0; }' | cc -x c -o /dev/null - 2> /dev/null && pkg-config --exists 'libprotobuf-c >= 1.3' yaml-0.1
}

if have_all; then
    say "nothing to install"
else
    command -v apt-get > /dev/null || fail "quickstart.sh installs with apt-get, which is not here. Install what these Debian packages hold: $packages"
    missing=
    for p in $packages; do
        dpkg-query -W -f='${Status}' "$p" 2> /dev/null | grep -q 'ok installed' || missing="$missing $p"
    done
    say "installing$missing"
    root=
    if [ "$(id -u)" -ne 0 ]; then
        command -v sudo > /dev/null || fail "run as root: apt-get install$missing"
        root=sudo
    fi
    $root apt-get update -q
    # shellcheck disable=SC2086
    $root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $missing
    have_all || fail "the packages are installed, but a tool is still missing: see have_all in $0"
fi

say "building onnxcc in $out"
cmake -S . -B $out -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DONNXCC_TESTS=OFF > build/quickstart.log 2>&1 || { cat build/quickstart.log; exit 1; }
cmake --build $out

say "compiling samples/digits/digits.onnx to C and building a program with it"
cmake -S samples/digits -B $out/digits -G Ninja -DONNXCC="$PWD/$out/onnxcc" > build/quickstart.log 2>&1 || { cat build/quickstart.log; exit 1; }
cmake --build $out/digits
ls -l $out/digits/model

say "$out/digits/digits samples/digits/digit.pgm"
$out/digits/digits samples/digits/digit.pgm

say "comparing five pictures with what the onnx package computes for them"
$out/onnxcc verify samples/digits/digits.onnx --inputs samples/digits/inputs.npz --expect samples/digits/expected.npz

say "done. The generated code is in $out/digits/model; your own model: $out/onnxcc MODEL.onnx -o FOLDER"
