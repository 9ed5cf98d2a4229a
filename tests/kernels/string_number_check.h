/* string_number_check.h - string_number of random texts of numbers against the C library's function PARSE of type T. */
#include "number_check.h"

#define HOOK_PARAMS , int64_t n
#define N n
#include "cpu/string_number.c"

/* 0, or 1 after saying what differs. */
static int check_texts(void)
{
    char text[CHECK_TEXT];
    onnxcc_string x = {text, 0};
    T y;
    int64_t bad;
    for (int round = 0; round < 28000; round++) {
        x.length = (size_t)check_text(text, round, check_double(round / 7));
        string_number(&y, &bad, &x, 1);
        if (!bad && check_same((double)y, (double)PARSE(text, NULL))) continue;
        printf("%s: %a instead of %a\n", text, (double)y, (double)PARSE(text, NULL));
        return 1;
    }
    return 0;
}
