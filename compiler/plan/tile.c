/* tile.c - the choice of tiles; see tile.h. The model of a core: two fused multiply-adds and two loads a cycle, four cycles for a dependent
 * multiply-add, 32 bytes a cycle for weights that come from the L2 cache. Measured: tiles that it ranks within 3% differ by less than that. */
#include "plan/tile.h"

enum { MAX_ROWS = 14, ALIASED_ROWS = 8, MAX_VECTORS = 8, UNKNOWN_ROWS = 120, LINE_BYTES = 64, BLOCK_K = 768, PART_BYTES = 32768, STEP_BYTES = 16384 /* half of a first cache */ };

static int64_t ceil_of(int64_t a, int64_t b)
{
    return (a + b - 1) / b;
}

static double max_of(double a, double b)
{
    return a > b ? a : b;
}

/* Cycles of one step over k of a tile of r broadcast values by v vectors. */
static double step_cycles(const vector_unit *u, int r, int v)
{
    const double multiply = u->halves ? (4.0 * r * v + 2.0 * r + 3.0 * v) / 3.0 : 0.5 * r * v, load = 0.5 * (r + v), latency = 4;
    const double weights = v * u->vl * 4 / 32.0;
    return max_of(max_of(multiply, load), max_of(latency, weights)) + 0.1 * weights + 0.25; /* the loop itself */
}

/* Accumulators, the vectors of a step, and one broadcast value, which AVX-512 takes from memory. A single row uses each vector once: with few registers,
 * those of x86, it is an operand in memory. */
static bool fits(const vector_unit *u, int r, int v)
{
    if (u->halves) return r * v + 2 * v + 3 <= u->registers;
    if (r == 1) return v + 2 <= u->registers;
    return r * v + v + (u->vl == 16 ? 0 : 1) <= u->registers;
}

/* Cycles for `rows` rows with tiles of r, then t, then 1 rows. */
static double rows_cycles(const vector_unit *u, int64_t rows, int r, int t, int v)
{
    const int64_t rest = rows % r;
    double cycles = (double)(rows / r) * step_cycles(u, r, v);
    if (rest) cycles += (double)(rest / t) * step_cycles(u, t, v) + (double)(rest % t) * step_cycles(u, 1, v);
    return cycles;
}

/* What r leaves over when the number of rows is known, else half of r. */
static int second_tile(int64_t rows, int r)
{
    if (rows < 0) return r > 1 ? r / 2 : 1;
    return rows % r ? (int)(rows % r) : 1;
}

/* Cycles of a step over k with tiles of r by v, for `rows` rows and `vectors` vectors (-1: unknown). */
static double shape_cycles(const vector_unit *u, int64_t rows, int64_t vectors, int r, int v)
{
    const int64_t known_rows = rows < 0 ? UNKNOWN_ROWS : rows;
    const int t = second_tile(known_rows, r);
    if (vectors < 0) return rows_cycles(u, known_rows, r, t, v) / v;
    const double cycles = (double)(vectors / v) * rows_cycles(u, known_rows, r, t, v);
    return vectors % v ? cycles + rows_cycles(u, known_rows, r, t, (int)(vectors % v)) : cycles;
}

/* The best r by v, r <= max_rows. */
static void choose(const vector_unit *u, int max_rows, int64_t rows, int64_t vectors, int *r_out, int *v_out)
{
    double best = -1;
    for (int v = 1; v <= MAX_VECTORS; v++)
        for (int r = 1; r <= max_rows; r++) {
            if (!fits(u, r, v) || (r > 1 && v > 4)) continue;
            const double cycles = shape_cycles(u, rows, vectors, r, v);
            if (best < 0 || cycles < best * 0.999) {
                best = cycles;
                *r_out = r;
                *v_out = v;
            }
        }
}

/* Blocks of k where less than m rows of A fit into half of the cache with all of K. Twice as many rows may then read a block of B, whose panel is short. */
static void choose_blocks(gemm_tile *t, const vector_unit *u, int64_t m, int64_t k)
{
    if (k < BLOCK_K * 4 / 3 || (m >= 0 && m <= t->mc)) return;
    const int64_t line = 16, sums = PART_BYTES / 4 / (t->nv * u->vl), fit = u->l2_bytes / (k * 4), most = (fit < sums ? fit : sums) / t->mr * t->mr;
    if (most <= t->mc) return;
    t->kc = ceil_of(ceil_of(k, ceil_of(k, BLOCK_K)), line) * line;
    t->mc = m < 2 * most ? most : ceil_of(ceil_of(m, ceil_of(m, most)), t->mr) * t->mr;
}

/* Rows a multiple of 4 KiB apart fall into the same set of the first cache, which has 8 ways or a few more. */
static int gemm_rows(int64_t k)
{
    return k > 0 && k % 1024 == 0 ? ALIASED_ROWS : MAX_ROWS;
}

/* What follows from mr and nv. */
static gemm_tile gemm_tile_of(const vector_unit *u, int mr, int nv, int64_t m, int64_t k, bool blocks, bool far)
{
    gemm_tile t = {.mr = mr, .nv = nv, .mt = second_tile(m, mr)};
    /* Half of the cache for the rows of A, at least a few tiles of them. */
    const int64_t fit = k > 0 ? u->l2_bytes / 2 / (k * 4) : UNKNOWN_ROWS;
    t.mc = fit / t.mr * t.mr;
    if (t.mc < 4 * t.mr) t.mc = 4 * t.mr;
    if (t.mc > 512) t.mc = 512 / t.mr * t.mr;
    if (blocks) choose_blocks(&t, u, m, k);
    /* Less than two blocks are better one: B is read once. */
    if (m > t.mc && m < 2 * t.mc) t.mc = ceil_of(m, t.mr) * t.mr;
    /* All row tiles of a block together prefetch the next panel once. One or two of them stream it, which is as fast from a cache; a single row has nothing
     * to do meanwhile. */
    const int64_t rows = m < 0 || m > t.mc ? t.mc : m, tiles = ceil_of(rows, t.mr);
    if (m != 1 && (tiles > 2 || far)) t.ahead = (int)ceil_of(8 * t.nv * u->vl * 4, LINE_BYTES * tiles);
    if (t.ahead > 8) t.ahead = (int)ceil_of(t.ahead, 8) * 8;
    return t;
}

gemm_tile gemm_tile_choose(const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far)
{
    int mr = 1, nv = 1;
    choose(u, gemm_rows(k), m, n < 0 ? -1 : ceil_of(n, u->vl), &mr, &nv);
    return gemm_tile_of(u, mr, nv, m, k, blocks, far);
}

enum { BLOCK_ROWS = 40, BLOCK_KEYS = 512 };

/* Equal blocks of `step` each, of about `most` together; of n < 0 of them it is not known how many there are. */
static int64_t equal_blocks(int64_t n, int64_t most, int64_t step)
{
    const int64_t largest = most < step ? step : most / step * step;
    return n < 0 ? largest : ceil_of(ceil_of(n < 1 ? 1 : n, ceil_of(n < 1 ? 1 : n, largest)), step) * step;
}

attention_tile attention_tile_choose(const vector_unit *u, int64_t m, int64_t n, int64_t d, int64_t dv)
{
    const int64_t rows = m < 0 ? UNKNOWN_ROWS : m, keys = n < 0 ? BLOCK_KEYS : n, depth = d < 0 ? dv : d;
    attention_tile best = {1, 1, 1, 1, 0, 0};
    double least = -1;
    for (int r = 1; r <= MAX_ROWS; r++)
        for (int kv = 1; kv <= 4; kv++)
            for (int pv = 1; pv <= 4; pv++) {
                if (!fits(u, r, kv) || !fits(u, r, pv)) continue;
                const int t = second_tile(rows, r);
                const double scores = (double)(depth * ceil_of(ceil_of(keys, u->vl), kv)) * rows_cycles(u, rows, r, t, kv);
                const double values = (double)(keys * ceil_of(ceil_of(dv, u->vl), pv)) * rows_cycles(u, rows, r, t, pv);
                if (least >= 0 && scores + values >= least * 0.999) continue;
                least = scores + values;
                best = (attention_tile){r, second_tile(m, r), kv, pv, 0, 0};
            }
    best.rb = equal_blocks(m, BLOCK_ROWS, best.mr);
    best.kb = equal_blocks(n, BLOCK_KEYS, (int64_t)best.kv * u->vl);
    return best;
}

/* Cycles for one pixel row of `width` pixels in `rows` rows together. */
static double pixels_cycles(const vector_unit *u, int rows, int64_t width, int rx, int rt, int v)
{
    const int64_t rest = width % rx;
    double cycles = (double)(width / rx) * step_cycles(u, rows * rx, v);
    if (rest) cycles += (double)(rest / rt) * step_cycles(u, rows * rt, v) + (double)(rest % rt) * step_cycles(u, rows, v);
    return cycles;
}

/* Cycles of one input channel and tap for a whole map, by a tile of `t.ry` rows, t.rx and rt pixels, t.nv vectors. */
static double map_cycles(const vector_unit *u, const conv_tile *t, int64_t vectors, int64_t oh, int64_t ow, int rt)
{
    const int rest = (int)(vectors % t->nv);
    double cycles = 0;
    for (int tail = 0; tail < 2; tail++) {
        const int nv = tail ? rest : t->nv;
        const double blocks = tail ? (rest > 0) : (double)(vectors / t->nv);
        if (nv) cycles += blocks * ((double)(oh / t->ry) * pixels_cycles(u, t->ry, ow, t->rx, rt, nv) + (double)(oh % t->ry) * pixels_cycles(u, 1, ow, t->rx, rt, nv));
    }
    return cycles;
}

/* What follows from ry, rx and nv. */
static void conv_tile_fill(const vector_unit *u, conv_tile *t, int64_t vectors, int64_t oh, int64_t ow, int64_t row_bytes)
{
    t->rt = second_tile(ow, t->rx);
    t->nvt = (int)((vectors - 1) % t->nv) + 1;
    t->rows = row_bytes > 0 ? u->l2_bytes / 2 / row_bytes : 1;
    if (t->rows < 4) t->rows = 4;
    t->rows = (t->rows + t->ry - 1) / t->ry * t->ry;
    if (oh > 0 && ow > 0) t->cycles = map_cycles(u, t, vectors, oh, ow, t->rt);
}

/* Rows are joined where one of them leaves registers unused or weights are read too often for it: maps of 14 pixels and less. */
conv_tile conv_tile_choose(const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes)
{
    conv_tile t = {.ry = 1, .rx = 1, .nv = 1, .rt = 1, .nvt = 1, .rows = 1};
    const int64_t vectors = ceil_of(oc, u->vl);
    double best = -1;
    choose(u, MAX_ROWS, ow, vectors, &t.rx, &t.nv);
    for (int ry = 1; ry <= 4 && oh > 0 && ow > 0 && ow <= MAX_ROWS; ry++)
        for (int v = 1; v <= 4; v++)
            for (int rx = 1; rx <= ow; rx++) {
                if (!fits(u, ry * rx, v) || ry > oh) continue;
                const conv_tile tried = {.ry = ry, .rx = rx, .nv = v};
                const double cycles = map_cycles(u, &tried, vectors, oh, ow, second_tile(ow, rx));
                if (best >= 0 && cycles >= best * 0.999) continue;
                best = cycles;
                t.ry = ry;
                t.rx = rx;
                t.nv = v;
            }
    conv_tile_fill(u, &t, vectors, oh, ow, row_bytes);
    return t;
}

/* Vectors of 8 lanes and less keep few sums for their weights: steps pay where all rows wait for the next ones, too. Without vectors there may be no cache, and little
 * stack for the sums. */
void conv_steps(const vector_unit *u, conv_tile *t, int64_t all, int64_t terms, int64_t oh, int64_t ow, int64_t row_bytes)
{
    const int64_t nr = (int64_t)t->nv * u->vl, term_bytes = terms * nr * 4, most = STEP_BYTES / term_bytes, image = ceil_of(oh, t->ry) * t->ry;
    const bool cut = t->rows < oh, whole = row_bytes * oh <= u->l2_bytes * 4 / 5;
    const int64_t rows = whole || t->rows > image ? image : t->rows;
    if (u->vl == 1 || oh <= 0 || ow <= 0 || all * term_bytes <= STEP_BYTES || rows * ow * nr * 4 > PART_BYTES || !(u->vl <= 8 || (cut && whole))) return;
    t->step = ceil_of(all, ceil_of(all, most < 1 ? 1 : most));
    t->rows = rows;
}

int conv_ahead(const vector_unit *u, const conv_tile *t, int64_t channels, int64_t oh, int64_t ow)
{
    if (oh <= 0 || ow <= 0) return 0; /* not known, or nothing */
    const int64_t rows = t->rows < oh ? t->rows : oh;
    const int64_t lines = ceil_of(channels * t->nv * u->vl * 4, LINE_BYTES), tiles = ceil_of(rows, t->ry) * ceil_of(ow, t->rx);
    if (tiles > 4 * lines) return 0;
    const int64_t ahead = ceil_of(lines, tiles);
    return (int)(ahead < 4 ? ahead : ceil_of(ahead, 4) * 4);
}

enum { WINO_LEAST_TILES = 4, WINO_MOST_TILES = 288, WINO_MOST_BYTES = 8 << 20 /* 2048 pages of 4 KiB: as many as a second TLB holds */, L2_RATE = 50 };
static const double WINO_INPUT_CYCLES = 5, WINO_OUTPUT_CYCLES = 3.5; /* for the channels of a vector and each of a tile's points; measured */
/* What of the time that reading from farther away takes is not hidden: weights, transformed input once more, products in the second cache, anything that is
 * written and read later from beyond it; measured. */
static const double SEEN_WEIGHTS = 0.3, SEEN_INPUT = 0.5, SEEN_PRODUCTS = 1.5, SEEN_SPILL = 0.25;

typedef struct {
    const vector_unit *u;
    int64_t points, tiles, ic, vectors;
    int threads;
} wino_shape;

/* The register tile for blocks of tb tiles. Groups of channels of different lengths cost a little more than the model says. */
static void choose_wino_registers(const wino_shape *s, wino_tile *t)
{
    const int most = s->ic % 256 ? MAX_ROWS : ALIASED_ROWS;
    double best = -1;
    for (int v = 1; v <= 4; v++)
        for (int r = 1; r <= most && r <= t->tb; r++) {
            const int mt = second_tile(t->tb, r), rest = (int)(s->vectors % v);
            if (!fits(s->u, r, v)) continue;
            double cycles = (double)(s->vectors / v) * rows_cycles(s->u, t->tb, r, mt, v);
            if (rest) cycles = (cycles + rows_cycles(s->u, t->tb, r, mt, rest)) * 1.03;
            if (best >= 0 && cycles >= best * 0.999) continue;
            best = cycles;
            t->mr = r;
            t->mt = mt;
            t->nv = v;
        }
    t->nvt = (int)((s->vectors - 1) % t->nv) + 1;
    t->cycles = best;
}

/* Cycles of the thread that has most to do. t->cycles: of the products of one channel and point of a block. */
static double wino_cycles(const wino_shape *s, const wino_tile *t)
{
    const vector_unit *u = s->u;
    const double points = (double)s->points, groups = (double)ceil_of(s->vectors, t->nv), all_chunks = (double)ceil_of(ceil_of(s->vectors, t->nv), t->gb);
    const double chunks = (double)ceil_of((int64_t)all_chunks, t->parts), share = chunks / all_chunks, nr = (double)t->nv * u->vl;
    const double blocks = (double)ceil_of(s->tiles < 0 ? 1 : ceil_of(s->tiles, t->tb), t->parts > 1 ? 1 : s->threads);
    const double channels = (double)ceil_of(s->ic, u->vl), bytes = points * 4, room = (double)u->l2_bytes * 2 / 3;
    const double v = bytes * (double)t->tb * channels * u->vl, m = bytes * (double)(t->tb * t->gb) * nr, weights = bytes * (double)s->ic * groups * nr * share;
    const double products = (double)s->ic * t->cycles * share, transforms = (double)t->tb * (channels * WINO_INPUT_CYCLES + (double)s->vectors * share * WINO_OUTPUT_CYCLES);
    const double left = room - (v < room / 2 ? v : room / 2);
    const double beyond = m > room / 4 ? m - room / 4 : 0;
    double far = 0, near = v * (chunks - 1) * SEEN_INPUT + weights * SEEN_WEIGHTS + beyond * chunks * SEEN_PRODUCTS;
    if (v > room) far += v * (2 * SEEN_SPILL + (chunks - 1) * SEEN_INPUT);
    if (m > left) far += (m - left) * chunks * 2 * SEEN_SPILL;
    far += weights * SEEN_WEIGHTS * (v + m + weights > room ? 1 : 1 / blocks);
    return blocks * (points * (products + transforms) + far / u->l3_rate + near / L2_RATE);
}

/* The best share of the groups of channels for blocks of t->tb tiles, if it is better than `best`. */
static void try_wino_block(const wino_shape *s, wino_tile t, wino_tile *best)
{
    const vector_unit *u = s->u;
    choose_wino_registers(s, &t);
    const int64_t groups = ceil_of(s->vectors, t.nv), tile_bytes = s->points * 4 * t.tb;
    const double products = t.cycles;
    t.ahead = (int)ceil_of(8 * t.nv * u->vl * 4, LINE_BYTES * ceil_of(t.tb, t.mr));
    if (t.ahead > 8) t.ahead = (int)ceil_of(t.ahead, 8) * 8;
    for (int64_t chunks = t.parts; chunks <= groups; chunks++) {
        t.gb = ceil_of(groups, chunks);
        if (chunks > 1 && t.gb == ceil_of(groups, chunks - 1) && chunks > t.parts) continue; /* the same again */
        if (tile_bytes * (ceil_of(s->ic, u->vl) + t.gb * t.nv) * u->vl > WINO_MOST_BYTES) continue;
        t.cycles = products;
        t.cycles = wino_cycles(s, &t);
        if (!best->tb || t.cycles < best->cycles * 0.999) *best = t;
    }
}

/* Blocks are equally long, and where there are several, a multiple of the threads; where there is one, threads share the channels. */
wino_tile wino_tile_choose(const vector_unit *u, int side, int64_t tiles, int64_t ic, int64_t oc, int threads)
{
    const wino_shape s = {u, (int64_t)(side + 2) * (side + 2), tiles, ic, ceil_of(oc, u->vl), threads};
    wino_tile best = {.mr = 1, .mt = 1, .nv = 1, .nvt = 1, .parts = 1, .gb = 1};
    if (tiles < 0) {
        const int64_t most = u->l2_bytes / 2 / (s.points * 4 * (ic + 4 * u->vl));
        if (most >= WINO_LEAST_TILES) try_wino_block(&s, (wino_tile){.tb = most < UNKNOWN_ROWS ? most : UNKNOWN_ROWS, .parts = 1}, &best);
        return best;
    }
    for (int64_t blocks = 1; blocks <= tiles && (blocks == 1 || ceil_of(tiles, blocks) >= WINO_LEAST_TILES); blocks++) {
        const int64_t tb = ceil_of(tiles, blocks);
        if (tb > WINO_MOST_TILES || (blocks > 1 && blocks % threads) || ceil_of(tiles, tb) != blocks) continue;
        try_wino_block(&s, (wino_tile){.tb = tb, .parts = blocks > 1 ? 1 : threads}, &best);
    }
    if (!best.tb && threads > 1) return wino_tile_choose(u, side, tiles, ic, oc, 1); /* too few for so many: whether there are tiles depends on no thread */
    return best;
}

dw_tile dw_tile_choose(const vector_unit *u, int64_t ow)
{
    dw_tile t = {1, 1};
    choose(u, MAX_ROWS, ow, 1, &t.rx, &(int){0});
    t.rt = second_tile(ow, t.rx);
    return t;
}

row_tile row_tile_choose(const vector_unit *u, int64_t oc, int64_t ow)
{
    row_tile t = {1, 1};
    choose(u, MAX_ROWS, oc, ow < 0 ? -1 : ceil_of(ow, u->vl), &t.ro, &t.rv);
    return t;
}

/* ---- what else is worth trying ---- */

/* The cheapest by the model, in order. */
typedef struct {
    uint32_t n, most;
    double cycles[TILES_TO_TRY];
    int shape[TILES_TO_TRY][3];
} ranking;

static const double WORTH = 1.35; /* of the best one's cycles */

static void rank(ranking *k, double cycles, int a, int b, int c)
{
    uint32_t at = k->n;
    while (at > 0 && cycles < k->cycles[at - 1] * 0.999) at--;
    if (at >= k->most) return;
    if (k->n < k->most) k->n++;
    for (uint32_t i = k->n - 1; i > at; i--) {
        k->cycles[i] = k->cycles[i - 1];
        for (int j = 0; j < 3; j++) k->shape[i][j] = k->shape[i - 1][j];
    }
    k->cycles[at] = cycles;
    k->shape[at][0] = a;
    k->shape[at][1] = b;
    k->shape[at][2] = c;
}

static bool is_worth(const ranking *k, uint32_t i)
{
    return k->cycles[i] <= WORTH * k->cycles[0];
}

static ranking rank_shapes(const vector_unit *u, int max_rows, int64_t rows, int64_t vectors, int max_vectors)
{
    ranking k = {.most = TILES_TO_TRY};
    for (int v = 1; v <= max_vectors; v++)
        for (int r = 1; r <= max_rows; r++)
            if (fits(u, r, v) && (r == 1 || v <= 4)) rank(&k, shape_cycles(u, rows, vectors, r, v), r, v, 0);
    return k;
}

uint32_t gemm_tiles(const vector_unit *u, int64_t m, int64_t n, int64_t k, bool blocks, bool far, gemm_tile *to)
{
    const ranking best = rank_shapes(u, gemm_rows(k), m, n < 0 ? -1 : ceil_of(n, u->vl), MAX_VECTORS);
    uint32_t count = 0;
    to[count++] = gemm_tile_choose(u, m, n, k, blocks, far);
    for (uint32_t i = 0; i < best.n && count < TILES_TO_TRY && is_worth(&best, i); i++) {
        if (best.shape[i][0] == to[0].mr && best.shape[i][1] == to[0].nv) continue;
        to[count++] = gemm_tile_of(u, best.shape[i][0], best.shape[i][1], m, k, blocks, far);
    }
    return count;
}

uint32_t conv_tiles(const vector_unit *u, int64_t oc, int64_t oh, int64_t ow, int64_t row_bytes, conv_tile *to)
{
    const int64_t vectors = ceil_of(oc, u->vl);
    ranking best = {.most = TILES_TO_TRY};
    uint32_t count = 0;
    to[count++] = conv_tile_choose(u, oc, oh, ow, row_bytes);
    for (int ry = 1; ry <= 4 && oh > 0 && ow > 0 && (ry == 1 || (ow <= MAX_ROWS && ry <= oh)); ry++)
        for (int v = 1; v <= 4 && v <= vectors; v++)
            for (int rx = 1; rx <= MAX_ROWS && rx <= ow; rx++) {
                const conv_tile tried = {.ry = ry, .rx = rx, .nv = v};
                if (fits(u, ry * rx, v)) rank(&best, map_cycles(u, &tried, vectors, oh, ow, second_tile(ow, rx)), ry, rx, v);
            }
    for (uint32_t i = 0; i < best.n && count < TILES_TO_TRY && is_worth(&best, i); i++) {
        conv_tile t = {.ry = best.shape[i][0], .rx = best.shape[i][1], .nv = best.shape[i][2]};
        if (t.ry == to[0].ry && t.rx == to[0].rx && t.nv == to[0].nv) continue;
        conv_tile_fill(u, &t, vectors, oh, ow, row_bytes);
        to[count++] = t;
    }
    return count;
}

uint32_t dw_tiles(const vector_unit *u, int64_t ow, dw_tile *to)
{
    const ranking best = rank_shapes(u, MAX_ROWS, ow, 1, 1);
    uint32_t count = 0;
    to[count++] = dw_tile_choose(u, ow);
    for (uint32_t i = 0; i < best.n && count < TILES_TO_TRY && is_worth(&best, i); i++)
        if (best.shape[i][0] != to[0].rx) to[count++] = (dw_tile){best.shape[i][0], second_tile(ow, best.shape[i][0])};
    return count;
}
