/* occ_warp.cpp - what a warp does together: the lanes arrive one by one with their operands, and the last one computes for all. */
#include "occ_internal.h"

static bool same_call(const occ_call *a, const occ_call *b)
{
    return a->line == b->line && a->what == b->what && a->mask == b->mask && (a->file == b->file || !strcmp(a->file, b->file));
}

/* What can be said when a lane arrives: a mask that names itself and lanes that there are, and no lane that waits for this one in another call
 * while this one waits for it. Lanes that never come are found when nobody can go on. */
static void check_call(const occ_call *call, const occ_warp *w, int lane)
{
    if (!(call->mask >> lane & 1))
        occ_fail(call->file, call->line, "collective-mask", "the mask %08x of the %s has no bit for the calling lane, %d", call->mask, call->what, lane);
    if (call->mask & ~w->exists)
        occ_fail(call->file, call->line, "collective-mask", "the mask %08x of the %s names lanes that the block does not have: its warp is %08x",
                 call->mask, call->what, w->exists);
    if (!(w->arrived & call->mask)) return;
    const int other_lane = __builtin_ctz(w->arrived & call->mask);
    const occ_call *other = occ_threads[occ_self->number - lane + other_lane].call;
    if (same_call(other, call) || !(other->mask >> lane & 1)) return;
    if (other->line != call->line || other->what != call->what)
        occ_fail(call->file, call->line, "divergent-collective", "divergent warp collective: lane %d calls the %s here, lane %d the %s of %s:%d", lane,
                 call->what, other_lane, other->what, occ_file_name(other->file), other->line);
    occ_fail(call->file, call->line, "divergent-collective", "divergent warp collective: lane %d calls the %s with mask %08x, lane %d with %08x", lane,
             call->what, call->mask, other_lane, other->mask);
}

/* If all lanes of the mask wait in this call: computes for them, and lets the others go on. */
static bool complete_call(const occ_call *call, occ_thread *first, void (*together)(occ_call *const *lanes, unsigned mask))
{
    occ_call *lanes[OCC_WARP];
    for (int i = 0; i < OCC_WARP; i++) {
        lanes[i] = call->mask >> i & 1 ? first[i].call : nullptr;
        if (lanes[i] && !same_call(lanes[i], call)) return false;
    }
    together(lanes, call->mask);
    occ_warps[first->number / OCC_WARP].arrived &= ~call->mask;
    for (int i = 0; i < OCC_WARP; i++) {
        if (!lanes[i]) continue;
        first[i].call = nullptr;
        if (&first[i] != occ_self) occ_ready(&first[i]);
    }
    return true;
}

void occ_collective(occ_call *call, void (*together)(occ_call *const *lanes, unsigned mask))
{
    occ_thread *me = occ_self;
    const int lane = me->number % OCC_WARP;
    occ_warp *w = &occ_warps[me->number / OCC_WARP];
    check_call(call, w, lane);
    me->call = call;
    w->arrived |= 1u << lane;
    if ((w->arrived & call->mask) == call->mask && complete_call(call, me - lane, together)) return;
    occ_wait(OCC_IN_WARP, call->file, call->line);
}

void __syncwarp(unsigned mask, const char *file, int line)
{
    occ_call call = {"__syncwarp", file, line, mask, nullptr, nullptr, 0};
    occ_collective(&call, [](occ_call *const *, unsigned) { occ_warps[occ_self->number / OCC_WARP].epoch++; });
}

/* -- shuffles and votes --------------------------------------------------------------------------------------------------------------------- */

/* The lane that `lane` reads from; segments of `width` lanes are on their own, and a lane that would read beyond reads itself. */
static int shuffle_source(occ_shuffle kind, int lane, int operand, int width)
{
    const int begin = lane & ~(width - 1), end = begin + width;
    int source = lane;
    switch (kind) {
    case OCC_SHFL_IDX: source = begin + (operand & (width - 1)); break;
    case OCC_SHFL_XOR: source = lane ^ operand; return source < end ? source : lane;
    case OCC_SHFL_DOWN: source = lane + operand; break;
    case OCC_SHFL_UP: source = lane - operand; break;
    }
    return source >= begin && source < end ? source : lane;
}

static void shuffle_together(occ_call *const *lanes, unsigned mask)
{
    for (int i = 0; i < OCC_WARP; i++) {
        if (!lanes[i]) continue;
        const int source = lanes[i]->operand;
        if (source < 0 || source >= OCC_WARP || !(mask >> source & 1))
            occ_fail(lanes[i]->file, lanes[i]->line, "shuffle-source", "lane %d shuffles from lane %d, which is not in the mask %08x", i, source, mask);
        memcpy(lanes[i]->out, lanes[source]->in, sizeof(uint64_t));
    }
}

uint64_t occ_shuffle_bits(occ_shuffle kind, unsigned mask, uint64_t bits, int operand, int width, const char *file, int line)
{
    if (width < 1 || width > OCC_WARP || (width & (width - 1)))
        occ_fail(file, line, "shuffle-width", "the width of a shuffle is a power of two up to 32, not %d", width);
    uint64_t out = 0;
    occ_call call = {"shuffle", file, line, mask, &bits, &out, shuffle_source(kind, occ_self->number % OCC_WARP, operand, width)};
    occ_collective(&call, shuffle_together);
    return out;
}

static void ballot_together(occ_call *const *lanes, unsigned)
{
    unsigned votes = 0;
    for (int i = 0; i < OCC_WARP; i++)
        if (lanes[i] && lanes[i]->operand) votes |= 1u << i;
    for (int i = 0; i < OCC_WARP; i++)
        if (lanes[i]) memcpy(lanes[i]->out, &votes, sizeof votes);
}

unsigned __ballot_sync(unsigned mask, int predicate, const char *file, int line)
{
    unsigned votes = 0;
    occ_call call = {"vote", file, line, mask, nullptr, &votes, predicate != 0};
    occ_collective(&call, ballot_together);
    return votes;
}

/* -- matrices --------------------------------------------------------------------------------------------------------------------------------- */

struct fragments {
    float *d;
    const uint32_t *a, *b;
};

/* d += a * b for K columns of a: products are exact in float, each sum is rounded in the order of k. Tensor cores round otherwise (less often,
 * and towards zero): results agree to the last bits of the largest partial sum. */
template <int K> static void multiply(const float (*a)[K], const float (*b)[8], const fragments *lanes)
{
    float sum[16][8] = {};
    for (int i = 0; i < 16; i++)
        for (int k = 0; k < K; k++)
            for (int j = 0; j < 8; j++) sum[i][j] += a[i][k] * b[k][j];
    for (int lane = 0; lane < OCC_WARP; lane++) {
        const int g = lane >> 2, t = (lane & 3) * 2;
        for (int r = 0; r < 4; r++) lanes[lane].d[r] += sum[g + (r >> 1) * 8][t + (r & 1)];
    }
}

static void gather_lanes(occ_call *const *lanes, fragments *f)
{
    for (int i = 0; i < OCC_WARP; i++) memcpy(&f[i], lanes[i]->in, sizeof f[i]);
}

template <float (*TO_FLOAT)(uint16_t)> static void mma_16816_together(occ_call *const *lanes, unsigned)
{
    fragments f[OCC_WARP];
    float a[16][16], b[16][8];
    gather_lanes(lanes, f);
    for (int lane = 0; lane < OCC_WARP; lane++) {
        const int g = lane >> 2, t = (lane & 3) * 2;
        for (int half = 0; half < 2; half++) {
            for (int r = 0; r < 4; r++)
                a[g + (r & 1) * 8][t + (r >> 1) * 8 + half] = TO_FLOAT(static_cast<uint16_t>(f[lane].a[r] >> 16 * half));
            for (int r = 0; r < 2; r++) b[t + r * 8 + half][g] = TO_FLOAT(static_cast<uint16_t>(f[lane].b[r] >> 16 * half));
        }
    }
    multiply<16>(a, b, f);
}

static void mma_1688_together(occ_call *const *lanes, unsigned)
{
    fragments f[OCC_WARP];
    float a[16][8], b[8][8];
    gather_lanes(lanes, f);
    for (int lane = 0; lane < OCC_WARP; lane++) {
        const int g = lane >> 2, t = lane & 3;
        for (int r = 0; r < 4; r++) a[g + (r & 1) * 8][t + (r >> 1) * 4] = __uint_as_float(f[lane].a[r] & ~0x1fffu);
        for (int r = 0; r < 2; r++) b[t + r * 4][g] = __uint_as_float(f[lane].b[r] & ~0x1fffu);
    }
    multiply<8>(a, b, f);
}

static void mma(float d[4], const uint32_t *a, const uint32_t *b, void (*together)(occ_call *const *, unsigned), const char *what, const char *file,
                int line)
{
    const fragments f = {d, a, b};
    occ_call call = {what, file, line, 0xffffffffu, &f, nullptr, 0};
    occ_collective(&call, together);
}

void occ_mma_f16(float d[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line)
{
    mma(d, a, b, mma_16816_together<occ_f16_to_float>, "mma f16", file, line);
}

void occ_mma_bf16(float d[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line)
{
    mma(d, a, b, mma_16816_together<occ_bf16_to_float>, "mma bf16", file, line);
}

void occ_mma_tf32(float d[4], const uint32_t a[4], const uint32_t b[2], const char *file, int line)
{
    mma(d, a, b, mma_1688_together, "mma tf32", file, line);
}

/* Element of matrix i that a lane gets in the half `half` of r[i]: row lane / 4, column 2 (lane % 4) + half; of the transposed one for TRANS. */
template <bool TRANS> static void ldmatrix_together(occ_call *const *lanes, unsigned)
{
    for (int lane = 0; lane < OCC_WARP; lane++) {
        uint32_t *r = static_cast<uint32_t *>(lanes[lane]->out);
        for (int i = 0; i < 4; i++) {
            r[i] = 0;
            for (int half = 0; half < 2; half++) {
                const int row = lane / 4, column = 2 * (lane % 4) + half;
                uint16_t element;
                memcpy(&element, static_cast<const char *>(lanes[8 * i + (TRANS ? column : row)]->in) + 2 * (TRANS ? row : column), sizeof element);
                r[i] |= static_cast<uint32_t>(element) << 16 * half;
            }
        }
    }
}

static void ldmatrix(uint32_t *r, const void *row, void (*together)(occ_call *const *, unsigned), const char *file, int line)
{
    if (!occ_in_shared(row, 16)) occ_fail(file, line, "shared-range", "ldmatrix: address %p: its 16 bytes are not in the block's shared memory", row);
    if (reinterpret_cast<uintptr_t>(row) % 16) occ_fail(file, line, "misaligned", "ldmatrix: address %p is not a multiple of 16", row);
    occ_seen(row, 16, OCC_READ, file, line);
    occ_call call = {"ldmatrix", file, line, 0xffffffffu, row, r, 0};
    occ_collective(&call, together);
}

void occ_ldmatrix_x4(uint32_t r[4], const void *row, const char *file, int line)
{
    ldmatrix(r, row, ldmatrix_together<false>, file, line);
}

void occ_ldmatrix_x4_trans(uint32_t r[4], const void *row, const char *file, int line)
{
    ldmatrix(r, row, ldmatrix_together<true>, file, line);
}
