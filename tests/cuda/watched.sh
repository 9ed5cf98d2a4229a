#!/bin/sh
# watched.sh ONNXCC SOURCE_DIR WORK_DIR - verify --target=cuda --emulate with --races and with --sanitize: generated code passes, and a mistake that is
# put into it here is a failure with its words. Exit code 77: there is no g++ with sanitizers.
set -eu
onnxcc=$1 source=$2 work=$3
command -v g++ > /dev/null || { echo "SKIPPED: no g++"; exit 77; }
case "$(gcc -print-file-name=libasan.so 2> /dev/null)" in /*) ;; *) echo "SKIPPED: there is no gcc with libasan"; exit 77 ;; esac
mkdir -p "$work"
digits=$source/samples/digits
cat > "$work/c++" <<'END'
#!/bin/sh
for file; do case $file in *.cu) sed -i "$MISTAKE" "$file" ;; esac; done
exec g++ "$@"
END
chmod +x "$work/c++"
CXX=$work/c++ CC=gcc XDG_CACHE_HOME=$work/cache
export CXX CC XDG_CACHE_HOME

# verify CODE MISTAKE WORDS OPTION: the mistake is an edit of the generated file.
verify() {
    got=0
    MISTAKE=$2 "$onnxcc" verify "$digits/digits.onnx" --inputs "$digits/inputs.npz" --expect "$digits/expected.npz" --target=cuda --emulate "$4" > "$work/log" 2>&1 || got=$?
    if [ $got -ne "$1" ] || ! grep -q "$3" "$work/log"; then
        echo "FAILED: $4 with '$2' left with $got and said:"
        cat "$work/log"
        exit 1
    fi
}
verify 0 "" "ok, 1 set" --races
verify 70 's/__syncthreads();/;/' "race: kernel 'digits_product_.*byte [0-9]* of dynamic shared memory: .*digits.cu:[0-9]*; nothing orders them" --races
verify 70 's/const int64_t i = point;/const int64_t i = point + (1 << 20);/' "kernel 'digits_step.*digits.cu:[0-9]*: access of 4 bytes at byte [0-9]* of an allocation" --races
verify 0 "" "ok, 1 set" --sanitize
verify 70 's/OCC_DYNAMIC_SHARED(float, tiles);/& tiles[-1] = 0.0f;/' "AddressSanitizer: .*digits.cu:[0-9]* in digits_product_" --sanitize
verify 70 's/if (point >= batch) return;/& volatile int most = 2147483647; most = most + 1;/' "digits.cu:[0-9]*:[0-9]*: runtime error: signed integer overflow" --sanitize
