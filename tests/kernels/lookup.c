/* vb_lookup: every byte, rows of any length at any address, in place. */
#include "check.h"

int main(void)
{
    for (int round = 0; round < 400; round++) {
        const int64_t n = round < 200 ? round : check_int(200, 1000);
        const int off = round % 3, flip = round & 1 ? 128 : 0;
        uint8_t table[256], *x = malloc((size_t)(n + off) + 1), *y = malloc((size_t)(n + off) + 1);
        if (!x || !y) return 3;
        for (int i = 0; i < 256; i++) table[i] = (uint8_t)check_int(0, 255);
        for (int64_t i = 0; i < n; i++) x[i + off] = round % 5 ? (uint8_t)check_int(0, 255) : (uint8_t)i;
        y[n + off] = x[n + off] = 77; /* what stands behind the row stays */
        vb_lookup(y + off, x + off, n, table, flip);
        for (int64_t i = 0; i < n; i++) check_near("looked up", y[i + off], table[x[i + off] ^ flip], 0);
        vb_lookup(x + off, x + off, n, table, flip);
        for (int64_t i = 0; i < n; i++) check_near("looked up in place", x[i + off], y[i + off], 0);
        check_near("behind the row", y[n + off] + x[n + off], 154, 0);
        free(x);
        free(y);
    }
    return 0;
}
