/* near.c - edit distance (insert, delete, replace; case counts half) in one row of the table; see near.h. */
#include "check/near.h"

#include <ctype.h>
#include <string.h>

enum { LONGEST = 64 }; /* names beyond this are not compared */

near_match near_start(const char *wanted)
{
    const size_t n = strlen(wanted);
    return (near_match){wanted, NULL, (unsigned)(n < 4 ? 3 : n < 8 ? 5 : 7)}; /* in half steps; a suggestion must stay below */
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
    const unsigned m = a < b ? a : b;
    return m < c ? m : c;
}

static unsigned replace_cost(char a, char b)
{
    return a == b ? 0 : tolower((unsigned char)a) == tolower((unsigned char)b) ? 1 : 2;
}

void near_try(near_match *best, const char *candidate)
{
    const size_t n = strlen(best->wanted), k = strlen(candidate);
    unsigned row[LONGEST + 1];
    if (n > LONGEST || k > LONGEST) return;
    for (size_t j = 0; j <= k; j++) row[j] = (unsigned)(2 * j);
    for (size_t i = 1; i <= n; i++) {
        unsigned diagonal = row[0];
        row[0] = (unsigned)(2 * i);
        for (size_t j = 1; j <= k; j++) {
            const unsigned above = row[j];
            row[j] = min3(above + 2, row[j - 1] + 2, diagonal + replace_cost(best->wanted[i - 1], candidate[j - 1]));
            diagonal = above;
        }
    }
    if (row[k] < best->distance) {
        best->distance = row[k];
        best->name = candidate;
    }
}
