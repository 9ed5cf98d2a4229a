/* halo.c on random shapes: every cell around the pixels gets the value, and no pixel. */
#include "check.h"

static struct {
    int64_t lanes, top, bottom, left, right, blocks, h, w, parts, lines;
} shape;

#define T float
#define L shape.lanes
#define VALUE -3
#define TOP shape.top
#define BOTTOM shape.bottom
#define LEFT shape.left
#define RIGHT shape.right
#define BLOCKS shape.blocks
#define PARTS shape.parts
#define LINES shape.lines
#define H shape.h
#define W shape.w
#define Y_AT (-(TOP * Y_H + LEFT * L))
#define Y_H ((LEFT + W + RIGHT) * L)
#define Y_C ((TOP + H + BOTTOM) * Y_H)
#define Y_N (BLOCKS * Y_C)
#define HOOK_PARAMS
#define HOOK_ARGS
#include "cpu/halo.c"

static void check_one(int64_t n)
{
    shape.lanes = check_int(0, 1) ? VL : 1;
    shape.top = check_int(0, 2);
    shape.bottom = check_int(0, 2);
    shape.left = check_int(0, 3);
    shape.right = check_int(0, 3);
    shape.blocks = check_int(1, 3);
    shape.h = check_int(1, n);
    shape.w = check_int(1, n);
    const int64_t images = check_int(1, 2), all = images * Y_N;
    shape.parts = check_int(1, 3);
    shape.lines = images * H;
    float *y = check_floats(all);
    for (int64_t i = 0; i < all; i++) y[i] = 1;
    CHECK_RANGES(PARTS * LINES, halo(y + TOP * Y_H + LEFT * L, lo, hi))
    for (int64_t i = 0; i < all; i++) {
        const int64_t r = i % Y_C / Y_H - TOP, c = i % Y_H / L - LEFT;
        const bool inside = r >= 0 && r < H && c >= 0 && c < W;
        if (y[i] != (inside ? 1 : VALUE)) check_fail("a cell", y[i], inside ? 1 : VALUE);
    }
    free(y);
}

int main(void)
{
    for (int i = 0; i < 300; i++) check_one(1 + i % 9);
    return 0;
}
