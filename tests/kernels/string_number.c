/* string_number against strtod, and what is no number. */
#define T double
#define DIGITS 53
#define LOWEST (-1074)
#define HIGHEST 1023
#define PARSE strtod
#include "string_number_check.h"

static const char *const NONE[] = {"", " ", "+", "-", ".", "e5", "1e", "1e+", "1.2.3", "0x10", "1f", "1 2", "++1", "+-1", "infx", "in", "nan(1)", "1_0", "--inf"};

int main(void)
{
    for (size_t k = 0; k < sizeof NONE / sizeof *NONE; k++) {
        const onnxcc_string s[2] = {{NONE[k], strlen(NONE[k])}, {"2.5", 3}};
        double two[2];
        int64_t bad;
        string_number(two, &bad, s, 2);
        if (bad == 1 && two[1] == 2.5) continue;
        printf("'%s' is a number\n", NONE[k]);
        return 1;
    }
    return check_texts();
}
