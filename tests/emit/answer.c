/* answer.c - runs a generated model on inputs made by integer arithmetic and prints the bits of its outputs, one element a line.
 *
 * The same file runs on a host and on bare metal, so it uses no heap and no stdio other than put_text; what it prints depends neither on the byte
 * order nor on how a C library prints numbers. MODEL is the name of the function that describes the model, POOL_BYTES bounds inputs, outputs and arena
 * together. Leaves with 0, or with the number of the check that failed. */
#include <stdint.h>
#include <string.h>

#include "onnxcc_rt.h"

#ifndef POOL_BYTES
#define POOL_BYTES (1 << 20)
#endif
enum { MAX_TENSORS = 8, TYPE_FLOAT = 1, TYPE_UINT8 = 2, TYPE_INT8 = 3, GUARD = 0xa5 };

extern const onnxcc_model *MODEL(void);
#ifdef BARE_METAL
void put_text(const char *text);
#else
#include <stdio.h>
static void put_text(const char *text) { (void)fputs(text, stdout); }
#endif

static unsigned char pool[POOL_BYTES];
static size_t used; /* bytes of the pool */

/* A piece of the pool on a 64-byte boundary with a guard on both sides; NULL when the pool is too small. */
static unsigned char *take(size_t bytes)
{
    const size_t skip = 64 + (64 - ((uintptr_t)(pool + used) & 63)) % 64;
    if (bytes > POOL_BYTES || POOL_BYTES - used < bytes + skip + 64) return NULL;
    unsigned char *p = pool + used + skip;
    memset(p - 64, GUARD, 64);
    memset(p + bytes, GUARD, 64);
    used += skip + bytes;
    return p;
}

static int guarded(const unsigned char *p, size_t bytes)
{
    for (int i = 0; i < 64; i++)
        if (p[-1 - i] != GUARD || p[bytes + (size_t)i] != GUARD) return 0;
    return 1;
}

/* Numbers in [0, 1) with 8 bits, which every machine makes alike. */
static int fill(unsigned char *p, const onnxcc_tensor_info *t)
{
    const size_t n = (size_t)t->max_bytes;
    if (t->type == TYPE_FLOAT)
        for (size_t i = 0; i < n / sizeof(float); i++) {
            const float v = (float)(i * 37u % 256u) / 256.0f;
            memcpy(p + sizeof v * i, &v, sizeof v);
        }
    else if (t->type == TYPE_UINT8 || t->type == TYPE_INT8)
        for (size_t i = 0; i < n; i++) p[i] = (unsigned char)(i * 37u % 256u);
    else return 0;
    return 1;
}

static void put_hex(uint32_t v, int digits)
{
    char line[10];
    for (int i = 0; i < digits; i++) line[i] = "0123456789abcdef"[v >> 4 * (digits - 1 - i) & 15];
    line[digits] = '\n';
    line[digits + 1] = 0;
    put_text(line);
}

static int put_tensor(const unsigned char *p, const onnxcc_tensor_info *t)
{
    const size_t n = (size_t)t->max_bytes;
    if (t->type == TYPE_FLOAT)
        for (size_t i = 0; i < n; i += sizeof(uint32_t)) {
            uint32_t bits;
            memcpy(&bits, p + i, sizeof bits);
            put_hex(bits, 8);
        }
    else if (t->type == TYPE_UINT8 || t->type == TYPE_INT8)
        for (size_t i = 0; i < n; i++) put_hex(p[i], 2);
    else return 0;
    return 1;
}

int main(void)
{
    const onnxcc_model *m = MODEL();
    const void *in[MAX_TENSORS];
    void *out[MAX_TENSORS];
    unsigned char *piece[2 * MAX_TENSORS];
    if (m->abi != ONNXCC_RT_ABI || m->n_inputs > MAX_TENSORS || m->n_outputs > MAX_TENSORS || m->n_dims) return 2;
    for (int i = 0; i < m->n_inputs; i++) {
        piece[i] = take((size_t)m->inputs[i].max_bytes);
        if (!piece[i] || !fill(piece[i], &m->inputs[i])) return 3;
        in[i] = piece[i];
    }
    for (int i = 0; i < m->n_outputs; i++) {
        out[i] = piece[m->n_inputs + i] = take((size_t)m->outputs[i].max_bytes);
        if (!out[i]) return 4;
    }
    unsigned char *arena = take(m->arena_bytes);
    if (!arena) return 5;
    if (m->run(in, out, NULL, arena + 1, m->arena_bytes, NULL, NULL) == 0 && m->arena_bytes) return 6; /* misaligned: refused */
    for (int run = 0; run < 2; run++) { /* whatever the arena holds */
        memset(arena, run ? 0 : 0xff, m->arena_bytes);
        for (int i = 0; i < m->n_outputs; i++) memset(out[i], 0xff, (size_t)m->outputs[i].max_bytes);
        if (m->run(in, out, NULL, arena, m->arena_bytes, NULL, NULL) != 0) return 7;
        for (int i = 0; i < m->n_outputs; i++)
            if (!put_tensor(out[i], &m->outputs[i])) return 8;
    }
    for (int i = 0; i < m->n_inputs; i++)
        if (!guarded(piece[i], (size_t)m->inputs[i].max_bytes)) return 9;
    for (int i = 0; i < m->n_outputs; i++)
        if (!guarded(out[i], (size_t)m->outputs[i].max_bytes)) return 9;
    return guarded(arena, m->arena_bytes) ? 0 : 9;
}
