/* string_number of floats against strtof: rounded once, not by way of a double. */
#include "number_check.h"

#define T float
#define DIGITS 24
#define LOWEST (-149)
#define HOOK_PARAMS , int64_t n
#define N n
#define HIGHEST 127
#include "cpu/string_number.c"

int main(void)
{
    char text[CHECK_TEXT];
    onnxcc_string x = {text, 0};
    float y;
    int64_t bad;
    for (int round = 0; round < 28000; round++) {
        x.length = (size_t)check_text(text, round, check_double(round / 7));
        string_number(&y, &bad, &x, 1);
        if (!bad && check_same((double)y, (double)strtof(text, NULL))) continue;
        printf("%s: %a instead of %a\n", text, (double)y, (double)strtof(text, NULL));
        return 1;
    }
    return 0;
}
