/* string_number against strtod, and what is no number. */
#include "number_check.h"

#define T double
#define DIGITS 53
#define LOWEST (-1074)
#define HOOK_PARAMS , int64_t n
#define N n
#define HIGHEST 1023
#include "cpu/string_number.c"

static const char *const NONE[] = {"", " ", "+", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1f", "1 2", "++1", "+-1", "infx", "in", "nan(1)", "1_0", "--inf"};

int main(void)
{
    char text[CHECK_TEXT];
    onnxcc_string x = {text, 0};
    double y;
    int64_t bad;
    for (int round = 0; round < 28000; round++) {
        x.length = (size_t)check_text(text, round, check_double(round / 7));
        string_number(&y, &bad, &x, 1);
        if (!bad && check_same(y, strtod(text, NULL))) continue;
        printf("%s: %a instead of %a\n", text, y, strtod(text, NULL));
        return 1;
    }
    for (size_t k = 0; k < sizeof NONE / sizeof *NONE; k++) {
        const onnxcc_string s[2] = {{NONE[k], strlen(NONE[k])}, {"2.5", 3}};
        double two[2];
        string_number(two, &bad, s, 2);
        if (bad == 1 && two[1] == 2.5) continue;
        printf("'%s' is a number\n", NONE[k]);
        return 1;
    }
    return 0;
}
