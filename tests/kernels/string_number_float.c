/* string_number of floats against strtof: rounded once, not by way of a double. */
#define T float
#define DIGITS 24
#define LOWEST (-149)
#define HIGHEST 127
#define PARSE strtof
#include "string_number_check.h"

int main(void)
{
    return check_texts();
}
