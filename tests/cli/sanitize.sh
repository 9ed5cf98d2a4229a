# verify --sanitize: correct code passes, and a report of either sanitizer, made here by code put into the library, is a failure with its words.
. "$(dirname "$0")/lib.sh"
case "$(gcc -print-file-name=libasan.so 2>/dev/null)" in /*) ;; *) echo "skipped: there is no gcc with libasan"; exit 77 ;; esac
CC=gcc
export CC
mkdir -p cases/good/test_data_set_0
cp relu.onnx cases/good/model.onnx
cp x.pb cases/good/test_data_set_0/input_0.pb
cp y.pb cases/good/test_data_set_0/output_0.pb
expect 0 verify relu.onnx --data cases/good --sanitize
expect 0 verify --cases cases --sanitize --time-limit 60
says out "1 passed, 0 failed, 0 skipped"

cat > overflow.h <<'END'
__attribute__((constructor)) static void fault(void) { volatile int i = 2147483647; i = i + 1; }
END
cat > overrun.h <<'END'
__attribute__((constructor)) static void fault(void) { static char a[8]; volatile char *volatile p = a; p[9] = 1; }
END
for fault in overflow overrun; do
    CC="gcc -include $work/$fault.h"
    expect 0 verify relu.onnx --data cases/good
    expect 70 verify relu.onnx --data cases/good --sanitize
    grep -q "signed integer overflow\|global-buffer-overflow" out || fail "no report of $fault"
    expect 1 verify --cases cases --sanitize --time-limit 60
    grep -q "signed integer overflow\|global-buffer-overflow" out || fail "no report of $fault"
done
