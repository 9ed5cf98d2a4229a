/* number_string against printf. */
#include "number_check.h"

#define T double
#define MOST 15
#define KIND 2
#define HOOK_PARAMS
#include "cpu/number_string.c"

int main(void)
{
    for (int round = 0; round < 40000; round++) {
        const double x[3] = {check_double(round), 0.0, -INFINITY};
        char want[64];
        uint8_t pool[3 * MOST];
        onnxcc_string y[3];
        number_string(y, pool, x, NULL, 0, 3);
        if (isnan(x[0])) snprintf(want, sizeof want, "NaN0-INF");
        else if (isinf(x[0])) snprintf(want, sizeof want, "%s0-INF", x[0] < 0 ? "-INF" : "INF");
        else snprintf(want, sizeof want, "%.8g0-INF", x[0]);
        char got[64] = "";
        for (int i = 0; i < 3; i++) strncat(got, y[i].data, y[i].length);
        if (!strcmp(want, got)) continue;
        printf("%s instead of %s\n", got, want);
        return 1;
    }
    return 0;
}
