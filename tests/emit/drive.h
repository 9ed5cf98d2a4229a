/* drive.h - one use of a generated model: its tensors and its arena, through the description that every model carries. For programs on a host. */
#ifndef DRIVE_H
#define DRIVE_H
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "onnxcc_rt.h"

enum { MAX_TENSORS = 8, TYPE_FLOAT = 1 };

typedef struct {
    const onnxcc_model *model;
    const void *in[MAX_TENSORS];
    void *out[MAX_TENSORS];
    void *arena;
} use;

/* Exactly n bytes, so that a sanitizer sees the first one too many. */
static inline void *aligned_bytes(int64_t n)
{
    void *p;
    if (posix_memalign(&p, 64, n > 0 ? (size_t)n : 1)) abort();
    return p;
}

/* Tensors of a model without free dimensions; the inputs are floats that depend on `seed`. */
static inline use use_new(const onnxcc_model *m, uint32_t seed)
{
    use u = {.model = m};
    if (m->abi != ONNXCC_RT_ABI || m->n_dims || m->n_inputs > MAX_TENSORS || m->n_outputs > MAX_TENSORS) abort();
    for (int i = 0; i < m->n_inputs; i++) {
        float *p = aligned_bytes(m->inputs[i].max_bytes);
        if (m->inputs[i].type != TYPE_FLOAT) abort();
        for (size_t k = 0; k < (size_t)m->inputs[i].max_bytes / sizeof *p; k++) {
            seed = seed * 1664525u + 1013904223u;
            p[k] = (float)(seed >> 8) / 16777216.0f;
        }
        u.in[i] = p;
    }
    for (int i = 0; i < m->n_outputs; i++) u.out[i] = aligned_bytes(m->outputs[i].max_bytes);
    u.arena = aligned_bytes((int64_t)m->arena_bytes);
    return u;
}

static inline void use_free(use *u)
{
    for (int i = 0; i < u->model->n_inputs; i++) free((void *)(uintptr_t)u->in[i]);
    for (int i = 0; i < u->model->n_outputs; i++) free(u->out[i]);
    free(u->arena);
}

/* Runs from an arena and outputs full of rubbish. Returns the model's code. */
static inline int use_run(use *u, const onnxcc_env *env)
{
    const onnxcc_model *m = u->model;
    memset(u->arena, 0xff, m->arena_bytes);
    for (int i = 0; i < m->n_outputs; i++) memset(u->out[i], 0xff, (size_t)m->outputs[i].max_bytes);
    return m->run(u->in, u->out, NULL, u->arena, m->arena_bytes, NULL, env);
}

/* Same outputs, bit for bit. */
static inline int use_same(const use *a, const use *b)
{
    if (a->model->n_outputs != b->model->n_outputs) return 0;
    for (int i = 0; i < a->model->n_outputs; i++)
        if (a->model->outputs[i].max_bytes != b->model->outputs[i].max_bytes ||
            memcmp(a->out[i], b->out[i], (size_t)a->model->outputs[i].max_bytes) != 0)
            return 0;
    return 1;
}
#endif
