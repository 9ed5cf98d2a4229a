# --weights: a model with its weights stored in every way gives the same; a damaged file is refused.
. "$(dirname "$0")/lib.sh"
digits=$here/../../samples/digits
for mode in c incbin string file pointer; do
    expect 0 verify "$digits/digits.onnx" --weights=$mode --inputs "$digits/inputs.npz" --expect "$digits/expected.npz"
    expect 0 "$digits/digits.onnx" -o $mode --weights=$mode --dim batch=1 --emit=main,json
    says $mode/digits.json "\"weights\": \"$mode\""
    for cc in gcc clang; do
        command -v $cc > /dev/null || continue
        sources=$mode/digits_main.c
        for source in $mode/digits.c $mode/digits_weights.c; do
            [ -f $source ] || continue
            sources="$sources $source"
            $cc -O1 -std=c99 -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror -march=native -I $mode -c $source -o x.o 2> err || fail "$source is not clean with $cc"
        done
        [ $mode = incbin ] && sources="$sources $mode/digits_weights.S"
        $cc -O1 -std=c99 -march=native -I $mode -Wa,-I,$mode $sources -o $mode/main -lm 2> err || fail "$mode does not build with $cc"
        (cd $mode && ./main) > $mode.out || fail "$mode does not run"
        cmp -s c.out $mode.out || fail "$mode gives something else"
    done
done
[ ! -f file/digits_weights.c ] && [ ! -f pointer/digits_weights.S ] || fail "weights in the code as well"

# Another form takes the place of the first: nothing of that stays for a build that takes all files. Files of others stay.
expect 0 "$digits/digits.onnx" -o changed --weights incbin
echo mine > changed/other_weights.c
expect 0 "$digits/digits.onnx" -o changed --weights c
[ -f changed/digits_weights.c ] && [ ! -f changed/digits_weights.S ] && [ ! -f changed/digits_weights.bin ] && [ -f changed/other_weights.c ] || fail "stale weights"
says changed/digits.json '"files": ["digits.c", "digits.h", "digits_weights.c", "onnxcc_rt.h", "CMakeLists.txt"'

# The check of a file: as it is, each of several bytes changed, cut off, not aligned, missing.
cat > check.c <<'END'
#include <stdio.h>
#include <string.h>
#include "digits.h"
int main(void)
{
    static char all[DIGITS_WEIGHTS_BYTES + 128], arena[DIGITS_ARENA_BYTES + 64];
    static float picture[64], score[10];
    char *data = all + (64 - (uintptr_t)all % 64) % 64, *work = arena + (64 - (uintptr_t)arena % 64) % 64;
    const size_t n = DIGITS_WEIGHTS_BYTES, at[] = {0, 9, 17, 25, 40, 64, 1000, n - 1};
    FILE *f = fopen("file/digits_weights.bin", "rb");
    if (!f || fread(data, 1, n, f) != n || getc(f) != EOF) return 1;
    if (digits_check_weights(data, n) != 0) return 2;
    for (size_t i = 0; i < sizeof at / sizeof *at; i++) {
        data[at[i]] ^= 16;
        if (digits_check_weights(data, n) != ONNXCC_E_WEIGHTS) return 3;
        data[at[i]] ^= 16;
    }
    if (digits_check_weights(data, n - 64) != ONNXCC_E_WEIGHTS || digits_check_weights(NULL, n) != ONNXCC_E_NULL) return 4;
    digits_inputs in = {.picture = picture};
    digits_outputs out = {.score = score};
    if (digits_run(&in, &out, work, NULL) != ONNXCC_E_NULL) return 5;
    in.weights = data;
    if (digits_run(&in, &out, work, NULL) != 0) return 6;
    in.weights = data + 4;
    if (digits_run(&in, &out, work, NULL) != ONNXCC_E_WEIGHTS) return 7;
    return 0;
}
END
cc -O1 -std=c99 -march=native -I file check.c file/digits.c -o check -lm 2> err || fail "the check does not build"
./check || fail "the check left with $?"
expect 2 verify --cases . --weights=file
# A model without weights needs no file.
expect 0 run relu.onnx -i x.pb --weights=file
says out "y: float[2,3] = 1 0 3 0 5 0"
