/* trees.c - tree ensembles (ai.onnx.ml TreeEnsembleRegressor-3, TreeEnsembleClassifier-3, TreeEnsemble-5): tables, no generated branches.
 *
 * HEAP 0: a node's two branches stand side by side, so that a step adds what the test says to where they are; a leaf leads to itself. Twelve rows, or for single
 * rows twelve trees, go down together without a branch, until all are at leaves. With COLUMNS, vectors of rows go through all tests of a small tree instead: a test
 * that is false leaves none of the leaves on its true side, and the first that is left is the row's (QuickScorer). HEAP > 0: each tree is complete, of HEAP levels above its leaves, and node p
 * leads to 2p + 1 and 2p + 2: with GATHERS lanes are VL rows, or for single rows VL trees; else several rows, or trees, go down side by side, an element at a
 * time. Rows go through in blocks, so that a tree is in the first cache for all of them.
 * compiler/ops/trees.c prepares the tables.
 *
 * arguments  y      [N][TARGETS] scores        label  [N] class numbers, NULL for regressors        x  [N][FEATURES], rows X_N apart from X_AT
 *            roots  [TREES][4] where the tree's nodes begin, its root from there on, steps to a leaf in the mean and to the deepest
 *            values [nodes] thresholds, where V_T is double
 *            links  [nodes][2]: the threshold as bits of a float, of a leaf NaN with its number in the low 22 bits; then from the low bits on FEATURE_BITS
 *                   of the feature, 1 bit that it is no leaf, with MODE -1 or TRACKS 3 of the mode and 1 that NaN goes to true, and from the tree's first node
 *                   on the false branch, behind which the true one is. FEATURE_BITS 0: [nodes][4] with the feature third and a leaf's number fourth
 *            leaves [leaves + 1] first weight of each, with PER_LEAF 0        weight_at [weights] target, with PER_LEAF > 0 [TREES][PER_LEAF]
 *            weights [weights]        base   [BASES] added to the scores
 *            tests  [tests][3] feature, threshold as bits of a float, what it leaves of 32 leaves if it is false        words  [words + 1][2] first test of each
 *                   32 leaves, and the first of those that are true for NaN        masked [TREES + 1][2] first word and first leaf; all NULL with COLUMNS 0
 *            With HEAP > 0, TREES filled up to a multiple of 16: values and links [trees][2^HEAP - 1] thresholds and features, weights [trees][2^HEAP] of leaves,
 *            weight_at [trees] the target of each tree; roots and leaves are NULL
 * range      [lo, hi) of rows
 * fixed      X_T V_T Y_T  types of x, of thresholds and weights, of scores
 *            MODE       0 <=, 1 <, 2 >=, 3 >, 4 ==, 5 !=; -1: in links        TRACKS  1: some node sends NaN to its true branch
 *            GATHERS    1: gathers take less time than loads of their elements
 *            HEAP       levels, or 0; then X_T, V_T are float, MODE is one for all, TRACKS 0, AGGREGATE 0 or 1
 *            MOST       rows that a run has at the most, or more
 *            PER_LEAF   weights of each leaf, those of a tree for the same targets; 0: leaves differ
 *            COLUMNS    features of a row, where trees have masks; then X_T, V_T are float, PER_LEAF > 0, AGGREGATE 0 or 1; or 0
 *            AGGREGATE  0 sum, 1 average, 2 minimum, 3 maximum over TREES trees
 *            CLASSIFY   0 regressor; 1 the label is the greatest score; 2 two classes, of which only target 0 has weights: the score of the second
 *                       class; 3 two classes, of which only target 1 has weights. With 2 and 3 the label is whether that score is above BOUND
 *            POST       0 none, 1 softmax, 2 logistic, 3 softmax of what is not zero, 4 probit
 *
 * Scores are sums in the order of the trees. What a row's leaves give no weight to scores 0 and wins no label. */
#include "kernel.h"
#include "simd/simd.h"

INLINE int32_t trees_test(int mode, V_T x, V_T bound)
{
    switch (mode) {
    case 0: return x <= bound;
    case 1: return x < bound;
    case 2: return x >= bound;
    case 3: return x > bound;
    case 4: return x == bound;
    default: return x != bound;
    }
}

/* All bits of a lane are set if the test is true for it, or its value NaN and `nan`. */
INLINE vi trees_holds(const int nan, vf v, vf bound)
{
    const vi yes = MODE == 0 ? v <= bound : MODE == 1 ? v < bound : MODE == 2 ? v >= bound : MODE == 3 ? v > bound : MODE == 4 ? v == bound : v != bound;
    return nan ? yes | (v != v) : yes;
}

/* ---- pairs ---- */

enum {
    trees_words = FEATURE_BITS ? 2 : 4,                  /* of a node */
    trees_flags = MODE < 0 || TRACKS ? 5 : 1,            /* bits */
    trees_same_targets = PER_LEAF > 0 && AGGREGATE <= 1, /* which targets get something does not depend on the leaf */
    trees_side_by_side = 12,                             /* rows, or trees, that go down together: the latency of one is hidden by the others */
    trees_width = 2 * VL,                                /* rows that go through masks together */
    /* in a block: a tree comes into the cache once for all of them */
    trees_block = COLUMNS > 0 ? (TARGETS <= 4 ? 512 : TARGETS <= 16 ? 128 : 32) : (TARGETS <= 4 ? 480 : TARGETS <= 16 ? 120 : 24)
};

/* The node after `node` for the row x, in which NaN occurs only if `nan`. */
INLINE uint32_t trees_step(const int nan, const X_T *restrict x, const V_T *restrict values, const int32_t *restrict nodes, uint32_t node)
{
    const int32_t *at = nodes + (uint64_t)node * trees_words;
    const uint32_t link = (uint32_t)at[1], flags = link >> FEATURE_BITS;
    const V_T v = (V_T)x[FEATURE_BITS ? link & ((1u << FEATURE_BITS) - 1) : (uint32_t)at[2]];
    uint32_t yes = (uint32_t)trees_test(MODE < 0 ? (int)(flags >> 1 & 7) : MODE, v, sizeof(V_T) == sizeof(float) ? (V_T)si_float(at[0]) : values[node]);
    if (nan) yes |= (uint32_t)(v != v) & flags >> 4;
    return (link >> (FEATURE_BITS + trees_flags)) + yes;
}

/* A bit is set at FEATURE_BITS if some of these are not leaves. */
INLINE uint32_t trees_open(const int some, const int32_t *restrict nodes, const uint32_t *node)
{
    uint32_t links = 0;
#pragma GCC unroll 12
    for (int i = 0; i < some; i++) links |= (uint32_t)nodes[(uint64_t)node[i] * trees_words + 1];
    return links >> FEATURE_BITS & 1;
}

INLINE void trees_add(V_T *restrict score, uint8_t *restrict seen, V_T weight)
{
    if (AGGREGATE <= 1) *score += weight;
    else if (!*seen || (AGGREGATE == 2 ? weight < *score : weight > *score)) *score = weight;
    if (!trees_same_targets) *seen = 1;
}

/* Adds the weights of a leaf of tree number `tree`. */
INLINE void trees_leaf(V_T *restrict score, uint8_t *restrict seen, int64_t tree, const int32_t *restrict at, const int32_t *restrict leaves,
                       const int32_t *restrict weight_at, const V_T *restrict weights)
{
    const int64_t leaf = FEATURE_BITS ? at[0] & 0x3fffff : at[3];
    if (PER_LEAF > 0)
        for (int64_t w = 0; w < PER_LEAF; w++) {
            const int32_t i = weight_at[tree * PER_LEAF + w];
            trees_add(&score[i], &seen[i], weights[leaf * PER_LEAF + w]);
        }
    else
        for (int32_t w = leaves[leaf]; w < leaves[leaf + 1]; w++) trees_add(&score[weight_at[w]], &seen[weight_at[w]], weights[w]);
}

/* Rows, a multiple of trees_side_by_side: so many side by side, for one tree after the other. */
INLINE void trees_pairs_rows(const int nan, V_T *restrict score, uint8_t *restrict seen, const X_T *restrict x, int64_t rows, int64_t x_n,
                             const int32_t *restrict roots, const V_T *restrict values, const int32_t *restrict links, const int32_t *restrict leaves,
                             const int32_t *restrict weight_at, const V_T *restrict weights)
{
    for (int64_t tree = 0; tree < TREES; tree++) {
        const int32_t *root = roots + tree * 4, *nodes = links + (int64_t)root[0] * trees_words;
        const V_T *bounds = values ? values + root[0] : values;
        for (int64_t row = 0; row < rows; row += trees_side_by_side) {
            uint32_t node[trees_side_by_side];
            const X_T *from = x + row * x_n;
            SIMD_FORGET(nodes); /* as below */
            SIMD_FORGET(from);
#pragma GCC unroll 12
            for (int i = 0; i < trees_side_by_side; i++) node[i] = (uint32_t)root[1];
            for (int32_t level = 0; level < root[3]; level++) {
                if (level >= root[2] && level % 2 == 0 && !trees_open(trees_side_by_side, nodes, node)) break;
#pragma GCC unroll 12
                for (int i = 0; i < trees_side_by_side; i++) node[i] = trees_step(nan, from + i * x_n, bounds, nodes, node[i]);
            }
            for (int i = 0; i < trees_side_by_side; i++)
                trees_leaf(score + (row + i) * TARGETS, seen + (row + i) * TARGETS, tree, nodes + (uint64_t)node[i] * trees_words, leaves, weight_at, weights);
        }
    }
}

/* One row, `some` trees side by side, a constant at every call. */
INLINE void trees_pairs_beside(const int some, const int nan, V_T *restrict score, uint8_t *restrict seen, int64_t tree, const X_T *restrict x,
                               const int32_t *restrict roots, const V_T *restrict values, const int32_t *restrict nodes, const int32_t *restrict leaves,
                               const int32_t *restrict weight_at, const V_T *restrict weights)
{
    uint32_t node[trees_side_by_side], first[trees_side_by_side];
#pragma GCC unroll 12
    for (int i = 0; i < some; i++) {
        first[i] = (uint32_t)roots[(tree + i) * 4];
        node[i] = first[i] + (uint32_t)roots[(tree + i) * 4 + 1];
    }
    while (trees_open(some, nodes, node))
        for (int level = 0; level < 2; level++) {
#pragma GCC unroll 12
            for (int i = 0; i < some; i++) node[i] = first[i] + trees_step(nan, x, values, nodes, node[i]);
        }
    for (int i = 0; i < some; i++) trees_leaf(score, seen, tree + i, nodes + (uint64_t)node[i] * trees_words, leaves, weight_at, weights);
}

INLINE void trees_pairs_row(const int nan, V_T *restrict score, uint8_t *restrict seen, const X_T *restrict x, const int32_t *restrict roots,
                            const V_T *restrict values, const int32_t *restrict links, const int32_t *restrict leaves, const int32_t *restrict weight_at,
                            const V_T *restrict weights)
{
    int64_t tree = 0;
    for (; tree + trees_side_by_side <= TREES; tree += trees_side_by_side) trees_pairs_beside(trees_side_by_side, nan, score, seen, tree, x, roots, values, links, leaves, weight_at, weights);
    for (; tree < TREES; tree++) trees_pairs_beside(1, nan, score, seen, tree, x, roots, values, links, leaves, weight_at, weights);
}

/* Adds what the trees say about `rows` rows, in which NaN occurs only if `nan`. */
INLINE void trees_walk(const int nan, V_T *restrict score, uint8_t *restrict seen, const X_T *restrict x, int64_t rows, int64_t x_n,
                       const int32_t *restrict roots, const V_T *restrict values, const int32_t *restrict links, const int32_t *restrict leaves,
                       const int32_t *restrict weight_at, const V_T *restrict weights)
{
    const int64_t blocks = rows / trees_side_by_side * trees_side_by_side;
    trees_pairs_rows(nan, score, seen, x, blocks, x_n, roots, values, links, leaves, weight_at, weights);
    for (int64_t row = blocks; row < rows; row++)
        trees_pairs_row(nan, score + row * TARGETS, seen + row * TARGETS, x + row * x_n, roots, values, links, leaves, weight_at, weights);
}

/* Each row sees what every other does. */
INLINE void trees_see(uint8_t *restrict seen, int64_t rows, const int32_t *restrict weight_at)
{
    for (int64_t i = 0; i < TREES * PER_LEAF; i++) seen[weight_at[i]] = 1;
    for (int64_t row = 1; row < rows; row++) memcpy(seen + row * TARGETS, seen, TARGETS);
}

INLINE int trees_have_nan(const X_T *restrict x, int64_t rows, int64_t x_n)
{
    int some = 0;
    for (int64_t row = 0; row < rows; row++)
        for (int64_t i = 0; i < x_n; i++) some |= x[row * x_n + i] != x[row * x_n + i];
    return some;
}

/* ---- masks ---- */

enum { trees_at_hand = COLUMNS > 32 ? trees_width : 128 }; /* rows whose columns are at hand */

/* Lane by lane: which of 32 leaves tests first..end-1 leave for two vectors of rows; x [COLUMNS][trees_width]. */
INLINE void trees_leave(const int nan, vi *restrict left, const float *restrict x, const int32_t *restrict tests, int64_t first, int64_t end)
{
    for (int64_t i = first; i < end; i++) {
        const int32_t *test = tests + i * 3;
        const float *column = x + (int64_t)test[0] * trees_width;
        const vf bound = vf_set(si_float(test[1]));
        const vi mask = vi_set(test[2]);
        for (int v = 0; v < 2; v++) left[v] &= mask | trees_holds(nan, vf_ld(column + v * VL), bound);
    }
}

/* The number of the lowest bit that is set. */
INLINE vi trees_lowest(vi bits)
{
    return vi_sub((vf_bits(vi_to_f(bits & vi_sub(vi_set(0), bits))) & vi_set(0x7f800000)) >> 23, vi_set(127));
}

/* Adds the weights of one tree's leaves to the scores of two vectors of rows. */
INLINE void trees_masked(float *restrict score, const float *restrict x, const int32_t *restrict tests, const int32_t *restrict words, const int32_t *restrict masked,
                         const int32_t *restrict weight_at, const float *restrict weights)
{
    int32_t leaf[trees_width];
    vi found[2] = {vi_set(-1), vi_set(-1)};
    for (int32_t word = masked[2] - 1; word >= masked[0]; word--) { /* the first leaf that is left counts */
        vi left[2] = {vi_set(-1), vi_set(-1)};
        trees_leave(0, left, x, tests, words[word * 2], words[word * 2 + 1]);
        if (TRACKS) trees_leave(1, left, x, tests, words[word * 2 + 1], words[word * 2 + 2]);
        for (int v = 0; v < 2; v++) found[v] = vi_sel(left[v] == vi_set(0), found[v], vi_add(trees_lowest(left[v]), vi_set((word - masked[0]) * 32)));
    }
    for (int v = 0; v < 2; v++) vi_st(leaf + v * VL, found[v]);
    for (int i = 0; i < trees_width; i++)
        for (int w = 0; w < PER_LEAF; w++) score[i * TARGETS + weight_at[w]] += weights[(int64_t)(masked[1] + leaf[i]) * PER_LEAF + w];
}

/* Rows, a multiple of trees_width. */
INLINE void trees_masked_rows(float *restrict score, const float *restrict x, int64_t rows, int64_t x_n, const int32_t *restrict tests, const int32_t *restrict words,
                              const int32_t *restrict masked, const int32_t *restrict weight_at, const float *restrict weights)
{
    float columns[trees_at_hand * COLUMNS + 1];
    for (int64_t first = 0; first < rows; first += trees_at_hand) {
        const int64_t n = rows - first < trees_at_hand ? rows - first : trees_at_hand;
        for (int64_t row = 0; row < n; row++)
            for (int64_t i = 0; i < COLUMNS; i++) columns[(row / trees_width * COLUMNS + i) * trees_width + row % trees_width] = x[(first + row) * x_n + i];
        for (int64_t tree = 0; tree < TREES; tree++)
            for (int64_t row = 0; row < n; row += trees_width)
                trees_masked(score + (first + row) * TARGETS, columns + row * COLUMNS, tests, words, masked + tree * 2, weight_at + tree * PER_LEAF, weights);
    }
}

/* ---- complete trees ---- */

INLINE vi trees_side(vf v, vf bound)
{
    return vi_sel(trees_holds(0, v, bound), vi_set(2), vi_set(1));
}

/* The nodes after `node`, whose features and thresholds are `at` elements behind the first of the table. */
INLINE vi trees_below(vi node, vi at, vi row, const float *restrict x, const float *restrict values, const int32_t *restrict links)
{
    const vf v = vf_gather(x, vi_add(vi_gather(links, at), row));
    return vi_add(vi_add(node, node), trees_side(v, vf_gather(values, at)));
}

/* VL rows, four trees at a time; score [TARGETS][VL]. */
INLINE void trees_rows(float *restrict score, const float *restrict x, int64_t x_n, const float *restrict values, const int32_t *restrict links, const int32_t *restrict weight_at,
                       const float *restrict weights)
{
    const int32_t nodes = (1 << HEAP) - 1;
    const vi row = vi_iota(0, (int32_t)x_n);
    for (int64_t tree = 0; tree < TREES; tree += 4) {
        vi node[4];
        int level = 0;
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++) {
            node[i] = vi_set(0);
            if (HEAP <= SIMD_PICKS) continue; /* the nodes of the first levels are in registers */
            const vf first = vf_ld(values + (tree + i) * nodes);
            const vi feature = vi_ld(links + (tree + i) * nodes);
#pragma GCC unroll 4
            for (int top = 0; top < SIMD_PICKS; top++) {
                const vf v = vf_gather(x, vi_add(vi_pick(feature, node[i]), row));
                node[i] = vi_add(vi_add(node[i], node[i]), trees_side(v, vf_pick(first, node[i])));
            }
        }
        if (HEAP > SIMD_PICKS) level = SIMD_PICKS;
        for (; level < HEAP; level++) {
#pragma GCC unroll 4
            for (int i = 0; i < 4; i++)
                node[i] = trees_below(node[i], node[i], row, x, values + (tree + i) * nodes, links + (tree + i) * nodes);
        }
        for (int i = 0; i < 4 && tree + i < TREES; i++) {
            float *to = score + weight_at[tree + i] * VL;
            vf_st(to, vf_ld(to) + vf_gather(weights + (tree + i) * (nodes + 1), vi_sub(node[i], vi_set(nodes))));
        }
    }
}

/* One row, `vectors` times VL trees, a constant at every call. */
INLINE void trees_some(const int vectors, float *restrict leaf, const float *restrict x, const float *restrict values, const int32_t *restrict links,
                       const float *restrict weights)
{
    const int32_t nodes = (1 << HEAP) - 1;
    vi node[16], base[16];
#pragma GCC unroll 16
    for (int i = 0; i < vectors; i++) {
        node[i] = vi_set(0);
        base[i] = vi_iota(i * VL * nodes, nodes);
    }
    for (int level = 0; level < HEAP; level++) {
#pragma GCC unroll 16
        for (int i = 0; i < vectors; i++) node[i] = trees_below(node[i], vi_add(base[i], node[i]), vi_set(0), x, values, links);
    }
#pragma GCC unroll 16
    for (int i = 0; i < vectors; i++) vf_st(leaf + i * VL, vf_gather(weights, vi_add(vi_iota(i * VL * (nodes + 1) - nodes, nodes + 1), node[i])));
}

/* One row, as many trees at a time as hide the latency of the loads. */
INLINE void trees_row(float *restrict score, const float *restrict x, const float *restrict values, const int32_t *restrict links, const int32_t *restrict weight_at,
                      const float *restrict weights)
{
    enum { many = VL >= 4 ? 4 * VL : 16 };
    const int64_t nodes = (1 << HEAP) - 1;
    for (int64_t tree = 0, n; tree < TREES; tree += n) {
        float leaf[many];
        n = tree + many <= (TREES + 15) / 16 * 16 ? many : 16;
        if (n == many) trees_some(many / VL, leaf, x, values + tree * nodes, links + tree * nodes, weights + tree * (nodes + 1));
        else trees_some(16 / VL, leaf, x, values + tree * nodes, links + tree * nodes, weights + tree * (nodes + 1));
        for (int64_t i = 0; i < n && tree + i < TREES; i++) score[weight_at[tree + i]] += leaf[i];
    }
}

/* The node below `node` of a tree. */
INLINE uint32_t trees_down(uint32_t node, const float *restrict x, const float *restrict values, const int32_t *restrict links)
{
    return 2 * node + 1 + (uint32_t)trees_test(MODE, (V_T)x[links[node]], (V_T)values[node]);
}

/* One row, `some` trees side by side, a constant at every call. */
INLINE void trees_beside(const int some, float *restrict score, const float *restrict x, const float *restrict values, const int32_t *restrict links,
                         const int32_t *restrict weight_at, const float *restrict weights)
{
    enum { nodes = (1 << HEAP) - 1 };
    uint32_t node[12] = {0};
    SIMD_FORGET(values); /* pointers and displacements, not an index for each tree */
    SIMD_FORGET(links);
    for (int level = 0; level < HEAP; level++) {
#pragma GCC unroll 12
        for (int i = 0; i < some; i++) node[i] = trees_down(node[i], x, values + i * nodes, links + i * nodes);
    }
    for (int i = 0; i < some; i++) score[weight_at[i]] += weights[i * (nodes + 1) + (int)node[i] - nodes];
}

INLINE void trees_row_beside(float *restrict score, const float *restrict x, const float *restrict values, const int32_t *restrict links, const int32_t *restrict weight_at,
                             const float *restrict weights)
{
    const int64_t nodes = (1 << HEAP) - 1;
    int64_t tree = 0;
    for (; tree + 12 <= TREES; tree += 12)
        trees_beside(12, score, x, values + tree * nodes, links + tree * nodes, weight_at + tree, weights + tree * (nodes + 1));
    for (; tree < TREES; tree++) trees_beside(1, score, x, values + tree * nodes, links + tree * nodes, weight_at + tree, weights + tree * (nodes + 1));
}

/* Rows, a multiple of 16: so many side by side, for one tree after the other. */
INLINE void trees_rows_beside(float *restrict score, const float *restrict x, int64_t rows, int64_t x_n, const float *restrict values, const int32_t *restrict links,
                              const int32_t *restrict weight_at, const float *restrict weights)
{
    const int64_t nodes = (1 << HEAP) - 1;
    for (int64_t tree = 0; tree < TREES; tree++) {
        const float *bound = values + tree * nodes, *leaf = weights + tree * (nodes + 1) - nodes;
        const int32_t *feature = links + tree * nodes;
        for (int64_t row = 0; row < rows; row += 16) {
            uint32_t node[16] = {0};
            const float *from = x + row * x_n;
            SIMD_FORGET(bound); /* as above */
            SIMD_FORGET(feature);
            SIMD_FORGET(from);
            for (int level = 0; level < HEAP; level++) {
#pragma GCC unroll 16
                for (int i = 0; i < 16; i++) node[i] = trees_down(node[i], from + i * x_n, bound, feature);
            }
#pragma GCC unroll 16
            for (int i = 0; i < 16; i++) score[(row + i) * TARGETS + weight_at[tree]] += leaf[node[i]];
        }
    }
}

/* Adds what the trees say about `rows` rows, VL or less with GATHERS. */
INLINE void trees_descend(float *restrict score, uint8_t *restrict seen, const float *restrict x, int64_t rows, int64_t x_n,
                          const float *restrict values, const int32_t *restrict links, const int32_t *restrict weight_at, const float *restrict weights)
{
    if (!GATHERS) {
        const int64_t blocks = rows / 16 * 16;
        trees_rows_beside(score, x, blocks, x_n, values, links, weight_at, weights);
        for (int64_t row = blocks; row < rows; row++) trees_row_beside(score + row * TARGETS, x + row * x_n, values, links, weight_at, weights);
    } else if (rows == VL && VL > 1) {
        float across[TARGETS * VL] = {0};
        trees_rows(across, x, x_n, values, links, weight_at, weights);
        for (int64_t i = 0; i < VL * TARGETS; i++) score[i] = across[i % TARGETS * VL + i / TARGETS];
    } else
        for (int64_t row = 0; row < rows; row++) trees_row(score + row * TARGETS, x + row * x_n, values, links, weight_at, weights);
    for (int64_t tree = 0; tree < TREES; tree++)
        for (int64_t row = 0; row < rows; row++) seen[row * TARGETS + weight_at[tree]] = 1;
}

INLINE float trees_logistic(float v)
{
    const float positive = 1.0f / (1.0f + sf_exp(-fabsf(v)));
    return v < 0.0f ? 1.0f - positive : positive;
}

/* The quantile of the normal distribution, by Winitzki's approximation of the inverse error function, which ONNX runtimes share. */
INLINE float trees_probit(float v)
{
    const float x = 2.0f * v - 1.0f, log_x = sf_log((1.0f - x) * (1.0f + x));
    const float a = 2.0f / (3.14159f * 0.147f) + 0.5f * log_x, b = 1.0f / 0.147f * log_x;
    const float r = sqrtf(sqrtf(a * a - b) - a);
    return 1.41421356f * (x < 0.0f ? -r : r);
}

INLINE void trees_softmax(float *score)
{
    float greatest = score[0], sum = 0.0f;
    for (int64_t i = 1; i < TARGETS; i++) greatest = score[i] > greatest ? score[i] : greatest;
    for (int64_t i = 0; i < TARGETS; i++) {
        const int zero = POST == 3 && fabsf(score[i]) <= 0.0000001f;
        score[i] = zero ? score[i] * sf_exp(-greatest) : sf_exp(score[i] - greatest);
        if (!zero) sum += score[i];
    }
    for (int64_t i = 0; i < TARGETS; i++) score[i] = POST == 3 && sum == 0.0f ? 0.5f : score[i] / sum;
}

INLINE void trees_post(float *score)
{
    if (POST == 1 || POST == 3) trees_softmax(score);
    for (int64_t i = 0; i < TARGETS; i++) {
        if (POST == 2) score[i] = trees_logistic(score[i]);
        if (POST == 4) score[i] = trees_probit(score[i]);
    }
}

/* The label and the scores of a two-class ensemble that scores only one of them: that score is above BOUND, and the other is its complement, or its
 * opposite where a transform follows (as onnx.reference has it; onnxruntime leaves softmax out here). */
INLINE int64_t trees_one_of_two(float *score)
{
    const float v = score[0];
    score[1] = POST == 2 ? trees_logistic(v) : POST == 4 ? trees_probit(v) : v;
    score[0] = POST == 2 ? trees_logistic(-v) : BOUND > 0.0f && POST == 0 ? 1.0f - v : -score[1];
    if (POST == 1 || POST == 3) trees_softmax(score);
    return v > BOUND;
}

/* From the raw scores of a row to what is stored. */
INLINE int64_t trees_finish(V_T *restrict raw, uint8_t *restrict seen, const V_T *restrict base, Y_T *restrict y)
{
    for (int64_t i = 0; i < TARGETS; i++) {
        if (AGGREGATE == 1) raw[i] = raw[i] / (V_T)TREES;
        if (i >= BASES || CLASSIFY == 3 || (CLASSIFY == 0 && TARGETS > 1 && !seen[i])) continue;
        raw[i] += base[i];
        seen[i] = 1;
    }
    int64_t best = 0;
    for (int64_t i = 1; i < TARGETS && CLASSIFY == 1; i++)
        if (seen[i] && (!seen[best] || raw[i] > raw[best])) best = i;
    if (CLASSIFY != 2 && POST == 0) {
        for (int64_t i = 0; i < TARGETS; i++) y[i] = (Y_T)raw[i];
        return CLASSIFY == 3 ? (float)raw[TARGETS - 1] > BOUND : best;
    }
    float score[TARGETS];
    for (int64_t i = 0; i < TARGETS; i++) score[i] = (float)raw[i];
    if (CLASSIFY == 2) best = trees_one_of_two(score);
    else {
        if (CLASSIFY == 3) best = score[TARGETS - 1] > BOUND;
        trees_post(score);
    }
    for (int64_t i = 0; i < TARGETS; i++) y[i] = (Y_T)score[i];
    return best;
}

KERNEL void trees(Y_T *restrict y, int64_t *restrict label, const X_T *restrict x, const int32_t *restrict roots, const V_T *restrict values,
                  const int32_t *restrict links, const int32_t *restrict leaves, const int32_t *restrict weight_at, const V_T *restrict weights,
                  const V_T *restrict base, const int32_t *restrict tests, const int32_t *restrict words, const int32_t *restrict masked, int64_t lo, int64_t hi HOOK_PARAMS)
{
    enum { block = HEAP == 0 ? trees_block : !GATHERS ? 32 : VL > 1 ? VL : 8, together = TARGETS > 64 ? 1 : block < MOST ? block : MOST };
    for (int64_t first = lo; first < hi; first += together) {
        const int64_t rows = hi - first < together ? hi - first : together;
        const X_T *from = x + X_AT + first * X_N;
        V_T score[together * TARGETS] = {0};
        uint8_t seen[together * TARGETS] = {0};
        const int64_t masks = COLUMNS > 0 ? rows / trees_width * trees_width : 0, walks = rows - masks;
        const X_T *rest = from + masks * X_N;
        V_T *to = score + masks * TARGETS;
        uint8_t *see = seen + masks * TARGETS;
        if (HEAP > 0) trees_descend((float *)score, seen, (const float *)from, rows, X_N, (const float *)values, links, weight_at, (const float *)weights);
        else if (TRACKS && trees_have_nan(rest, walks, X_N)) trees_walk(1, to, see, rest, walks, X_N, roots, values, links, leaves, weight_at, weights);
        else trees_walk(0, to, see, rest, walks, X_N, roots, values, links, leaves, weight_at, weights);
        if (COLUMNS > 0) trees_masked_rows((float *)score, (const float *)from, masks, X_N, tests, words, masked, weight_at, (const float *)weights);
        if (HEAP == 0 && trees_same_targets) trees_see(seen, rows, weight_at);
        for (int64_t row = 0; row < rows; row++) {
            const int64_t best = trees_finish(score + row * TARGETS, seen + row * TARGETS, base, y + (first + row) * TARGETS);
            if (label) label[first + row] = best;
        }
    }
}
