/* main.c - reads a picture of a handwritten digit and says which one it is.
 *
 *     digits [FILE.pgm]      a plain (P2) PGM file of 8 x 8 pixels, 0 paper, the largest value ink; default: digit.pgm
 *
 * All of the model is in digits.c and digits_weights.c, which onnxcc wrote when this program was built. */
#include <stdio.h>
#include <stdlib.h>

#include "digits.h"

enum { SIDE = 8, PIXELS = SIDE * SIDE, DIGITS = 10 };

/* The next number of a PGM file; # starts a comment. */
static int number(FILE *f)
{
    int v, c;
    while (fscanf(f, "%d", &v) != 1) {
        if (getc(f) != '#') return -1;
        while ((c = getc(f)) != '\n' && c != EOF) {}
    }
    return v;
}

static int read_picture(const char *path, float *pixel)
{
    FILE *f = fopen(path, "r");
    int ok = f && getc(f) == 'P' && getc(f) == '2' && number(f) == SIDE && number(f) == SIDE;
    const int ink = ok ? number(f) : 0;
    ok = ok && ink > 0;
    for (int i = 0, v; ok && i < PIXELS; i++) {
        ok = (v = number(f)) >= 0 && v <= ink;
        pixel[i] = (float)v / (float)ink;
    }
    if (f) fclose(f);
    return ok;
}

int main(int argc, char **argv)
{
    static _Alignas(DIGITS_ARENA_ALIGN) char arena[DIGITS_ARENA_BYTES]; /* all memory that the model uses */
    static const char shades[] = " .:-=+*#%@";
    const char *path = argc > 1 ? argv[1] : "digit.pgm";
    float picture[PIXELS], score[DIGITS];
    if (!read_picture(path, picture)) return fprintf(stderr, "%s: not a plain PGM file of 8 x 8 pixels\n", path), EXIT_FAILURE;

    const digits_inputs in = {.picture = picture};
    digits_outputs out = {.score = score};
    const int rc = digits_run(&in, &out, arena, NULL);
    if (rc) return fprintf(stderr, "digits_run failed with code %d\n", rc), EXIT_FAILURE;

    for (int i = 0; i < PIXELS; i++) printf("%c%c%s", shades[(int)(picture[i] * 9)], shades[(int)(picture[i] * 9)], i % SIDE == SIDE - 1 ? "\n" : "");
    int best = 0;
    for (int i = 1; i < DIGITS; i++) best = score[i] > score[best] ? i : best;
    printf("this is a %d (%.1f%%)\n", best, 100 * (double)score[best]);
    return EXIT_SUCCESS;
}
