/* near.c - compares two answers of answer.c:   near FILE FILE RTOL ATOL
 * Each pair of floats must satisfy |a - b| <= ATOL + RTOL * |b|. Exit 1 and a line about the first that does not, or about lengths that differ. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int next(FILE *f, double *v)
{
    char line[32];
    if (!fgets(line, sizeof line, f)) return 0;
    const uint32_t bits = (uint32_t)strtoul(line, NULL, 16);
    float x;
    memcpy(&x, &bits, sizeof x);
    *v = (double)x;
    return 1;
}

int main(int argc, char **argv)
{
    if (argc != 5) return fprintf(stderr, "use: near FILE FILE RTOL ATOL\n"), 2;
    FILE *a = fopen(argv[1], "r"), *b = fopen(argv[2], "r");
    if (!a || !b) return fprintf(stderr, "near: cannot read %s and %s\n", argv[1], argv[2]), 2;
    const double rtol = strtod(argv[3], NULL), atol = strtod(argv[4], NULL);
    double x, y, largest = 0;
    for (long i = 0;; i++) {
        const int more_a = next(a, &x), more_b = next(b, &y);
        if (more_a != more_b || (!more_a && i == 0)) return printf("%s and %s differ in length, or are empty\n", argv[1], argv[2]), 1;
        if (!more_a) break;
        if (!(fabs(x - y) <= atol + rtol * fabs(y))) return printf("element %ld: %.9g, expected %.9g\n", i, x, y), 1;
        largest = fmax(largest, fabs(x - y));
    }
    printf("largest difference %.3g\n", largest);
    return 0;
}
