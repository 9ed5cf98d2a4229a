/* infer_weights.c - which values products and convolutions read as weights: those are folded whatever their size, for kernels want them constant.
 *
 * in:  a graph in topological order, nodes at any version
 * out: a flag by value */
#include <string.h>

#include "ops/fold.h"

typedef struct {
    const char *op;
    uint32_t first, n; /* inputs that are weights */
} reader;

static const reader *reader_of(const node *n)
{
    static const reader readers[] = {{"Conv", 1, 1}, {"ConvTranspose", 1, 1}, {"Gemm", 1, 1}, {"MatMul", 1, 1}, {"LSTM", 1, 2}, {"GRU", 1, 2}, {"RNN", 1, 2}, {"FusedConv", 1, 1},
                                     {"FusedMatMul", 1, 1}, {"FusedGemm", 1, 1}, {"MatMulNBits", 1, 3}};
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++)
        if (!strcmp(readers[i].op, n->op)) return &readers[i];
    return NULL;
}

static bool moves(const node *n)
{
    static const char *const ops[] = {"Identity", "Reshape", "Transpose", "Squeeze", "Unsqueeze", "Flatten", "Cast"};
    for (size_t i = 0; i < sizeof ops / sizeof *ops; i++)
        if (!strcmp(ops[i], n->op)) return true;
    return false;
}

bool *weight_flags(model *m, graph_id g, arena *mem)
{
    const graph *gr = graph_at(m, g);
    bool *flag = ARENA_ARRAY(mem, bool, m->values.n);
    for (uint32_t i = gr->nodes.n; i-- > 0;) {
        const node *n = node_at(m, gr->nodes.p[i]);
        const reader *r = reader_of(n);
        for (uint32_t k = r ? r->first : 0; r && k < r->first + r->n && k < n->n_in; k++) flag[n->in[k]] = true;
        if (n->n_out == 1 && n->n_in && flag[n->out[0]] && moves(n)) flag[n->in[0]] = true;
    }
    flag[0] = false; /* an input that is not there */
    return flag;
}
