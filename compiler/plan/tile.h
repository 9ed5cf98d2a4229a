/* tile.h - register tiles and cache blocks of the matrix and convolution kernels, from the shape and the vector unit.
 *
 * Analytic: every tile that fits the registers is scored by the cycles it takes for the whole shape - multiply-adds, loads, the latency of
 * one chain, lanes and rows that are wasted - and the cheapest wins; ties go to the first. Unknown extents are given as -1. */
#ifndef ONNXCC_PLAN_TILE_H
#define ONNXCC_PLAN_TILE_H
#include <stdbool.h>
#include <stdint.h>

typedef struct {
    int vl;           /* float lanes of a vector: 16, 8, 4, 1 */
    int registers;    /* vector registers */
    int64_t l2_bytes; /* cache of one core that a block should stay in */
    bool halves;      /* products of bytes by 16-bit halves: two registers for a vector of each operand, seven instructions in place of one */
    double l3_rate;   /* bytes from the third cache in the time of two multiply-adds of vectors; only Winograd's tiles depend on it */
} vector_unit;

typedef struct {
    int mr, nv, mt; /* MR, NV, MT of gemm: rows, vectors, rows of the second tile */
    int64_t mc;     /* MC: rows of a cache block */
    int64_t kc;     /* KC: k of a cache block; 0: all */
    int ahead;      /* AHEAD: eighths of a cache line to prefetch at each k; whole lines from 8 on */
} gemm_tile;

typedef struct {
    int mr, mt, kv, pv; /* MR, MT, KV, PV of attention: rows, rows of the second tile, vectors of scores, of values */
    int64_t rb, kb;     /* RB, KB: rows and keys of a block */
} attention_tile;

typedef struct {
    int ry, rx, nv, rt, nvt; /* RY, RX, NV, RT, NVT of conv: rows, pixels, vectors, pixels of the second tile, vectors of the last channel block */
    int64_t rows;        /* ROWS: output rows that one weight block is used for */
    int64_t step;        /* STEP: blocks of channels that are added up before the next; 0: all */
    double cycles;       /* estimate for each input channel and tap of an image; 0 where its size is not known */
} conv_tile;

typedef struct {
    int mr, mt, nv, nvt; /* MR, MT, NV, NVT of conv_wino: tiles, vectors, tiles of the second register tile, vectors of the last group of channels */
    int64_t tb, parts;   /* TB, PARTS: tiles of a block, shares of the channels */
    int64_t gb;          /* GB: groups of NV vectors of channels of which each point is computed before the next */
    int ahead;           /* AHEAD: eighths of a cache line to prefetch at each channel; whole lines from 8 on */
    double cycles;       /* estimate, with weights from the third cache */
} wino_tile;

typedef struct {
    int rx, rt; /* RX, RT of conv_dw */
} dw_tile;

typedef struct {
    int ro, rv; /* RO, RV of conv_row: channels, vectors */
} row_tile;

/* For `onnxcc tune`: the tile that is chosen, and behind it others that the model finds nearly as good; `to` has TILES_TO_TRY. Returns how many. */
enum { TILES_TO_TRY = 5 };
uint32_t gemm_tiles(const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far, gemm_tile *to);
uint32_t conv_tiles(const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes, conv_tile *to);
uint32_t dw_tiles(const vector_unit *u, int64_t ow, dw_tile *to);

/* blocks: whether the kernel has blocks of k. far: whether B comes from memory rather than from a cache. */
gemm_tile gemm_tile_choose(const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far);
/* Of m queries, n keys, heads of d elements, values of dv. */
attention_tile attention_tile_choose(const vector_unit *u, int64_t m, int64_t n, int64_t d, int64_t dv);
/* oc: per group; oh, ow: rows and pixels of the output; row_bytes: input bytes that one output row reads. */
conv_tile conv_tile_choose(const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes);
/* Sets step where a block of weights is more than half a first cache, so that those of a step stay there; and all rows where the image fits into the second cache then.
 * all: blocks of channels; terms: of one block, channels times taps. */
void conv_steps(const vector_unit *u, conv_tile *t, int64_t all, int64_t terms, int64_t oh, int64_t ow, int64_t row_bytes);
/* AHEAD of conv: cache lines of the next block of weights that each tap of a tile should prefetch, so that all tiles together prefetch it, once where they are no more than those lines; from 4 on a multiple of 4.
 * 0 where tiles are many (weights are then read rarely) or not known. channels: that each tap adds up, CB. */
int conv_ahead(const vector_unit *u, const conv_tile *t, int64_t channels, int64_t oh, int64_t ow);
/* Of all tiles of side x side pixels (of all images; -1: not known) and the channels of the convolution, for as many threads. tb 0: a block has no room for a few tiles. */
wino_tile wino_tile_choose(const vector_unit *u, int side, int64_t tiles, int64_t ic, int64_t oc, int threads);
/* oc: channels of a group; ow: pixels of a row. */
row_tile row_tile_choose(const vector_unit *u, int64_t oc, int64_t ow);
dw_tile dw_tile_choose(const vector_unit *u, int64_t ow);
#endif
