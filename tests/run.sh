#!/bin/sh
# Sets up what the tests need on a Debian or Ubuntu machine, builds, and runs them all. As root or with sudo; again without network once set up.
#
#   sh tests/run.sh [ctest arguments]        for example: sh tests/run.sh -L quick
#
# Installs from Debian's packages (only those that are missing): gcc, g++, cmake, ninja-build, pkg-config, protobuf-c, libyaml, cmocka, clang with its
# sanitizers, python3-venv, libjpeg and libpng; cross compilers and QEMU (about 150 MB; not with ONNXCC_QEMU=0, and without them the tests that need them are skipped); and from PyPI, into a virtual environment under the build folder, the onnx package with numpy and pillow, and onnxruntime (without it, the tests that compare with it are skipped).
set -eu
top=$(cd "$(dirname "$0")/.." && pwd)
build=${ONNXCC_BUILD:-$top/build}

sudo=
[ "$(id -u)" -eq 0 ] || sudo=sudo
# Those of the packages named that are not installed.
missing_of() {
    for package; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || printf ' %s' "$package"
    done
}
install() {
    echo "installing:$*"
    $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
}

missing=$(missing_of gcc g++ libc6-dev cmake ninja-build pkg-config libprotobuf-c-dev protobuf-c-compiler protobuf-compiler libyaml-dev libcmocka-dev clang \
                     python3 python3-venv)
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing

missing=$(missing_of libjpeg-dev libpng-dev)
# shellcheck disable=SC2086
[ -z "$missing" ] || install $missing || echo "no libjpeg or libpng: their images are refused by name"

# Clang's sanitizers: in newer releases a package of their own, by clang's version.
. "$top/tests/sanitizes.sh"
sanitizes clang -fsanitize=address || install "libclang-rt-$(clang -dumpversion | cut -d. -f1)-dev" || echo "no sanitizers for clang: what needs them says so"

if [ "${ONNXCC_QEMU:-1}" != 0 ]; then
    missing=$(missing_of gcc-arm-none-eabi libnewlib-arm-none-eabi qemu-system-arm qemu-user gcc-aarch64-linux-gnu g++-aarch64-linux-gnu libc6-dev-arm64-cross \
                         gcc-s390x-linux-gnu libc6-dev-s390x-cross)
    # shellcheck disable=SC2086
    [ -z "$missing" ] || install $missing || echo "no cross compilers: tests that need them are skipped by name"
fi

venv=$build/venv
if ! "$venv/bin/python" -c 'import onnx, numpy, PIL' 2>/dev/null; then
    echo "installing: onnx and numpy from PyPI into $venv"
    mkdir -p "$build"
    if ! { python3 -m venv "$venv" && "$venv/bin/python" -m pip install -q 'onnx>=1.23,<1.24' numpy pillow; }; then
        echo "no onnx package: tests that need it are skipped by name"
    fi
fi
if "$venv/bin/python" -c 'import onnx' 2>/dev/null && ! "$venv/bin/python" -c 'import onnxruntime' 2>/dev/null; then
    echo "installing: onnxruntime from PyPI into $venv"
    "$venv/bin/python" -m pip install -q 'onnxruntime>=1.32,<1.33' || echo "no onnxruntime package: tests that compare with it are skipped by name"
fi

cmake -S "$top" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DONNXCC_WERROR=ON -DONNXCC_TEST_PYTHON="$venv/bin/python"
cmake --build "$build" -j 2
cd "$build"
ctest --output-on-failure -j 2 "$@"
