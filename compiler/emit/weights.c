/* weights.c - constant data in the forms that a build can take: numbers in C; string literals in C; a binary file pulled in by the assembler; a file
 * or a memory address that the caller hands to each run.
 *
 * All forms but the first are one image: every constant at its planned offset, little-endian. A file has 64 bytes before the image, so that what
 * is aligned to 64 bytes in the image is so in the file: 8 bytes magic, uint32 version, uint32 bytes of the header, uint64 bytes of the image,
 * uint64 hash of all that follows these 32 bytes, zeros. */
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "emit/emit.h"

/* Own printer, so that the text does not depend on the C library: 0x1.8p+1 */
static void hex_float(text *t, double v, const char *suffix)
{
    if (isnan(v)) text_add(t, "NAN");
    else if (isinf(v)) text_add(t, v < 0 ? "-INFINITY" : "INFINITY");
    else if (v == 0) text_addf(t, "%s0.0%s", signbit(v) ? "-" : "", suffix);
    else if (v == rint(v) && fabs(v) < 100000) text_addf(t, "%d.0%s", (int)v, suffix);
    else {
        int e;
        uint64_t m = (uint64_t)ldexp(fabs(frexp(v, &e)), 53); /* 53 bits, the leading one stands for 2^(e-1) */
        int digits = 13;
        m &= ((uint64_t)1 << 52) - 1;
        while (digits && !(m & 15)) {
            m >>= 4;
            digits--;
        }
        text_add(t, v < 0 ? "-0x1" : "0x1");
        if (digits) text_addf(t, ".%0*" PRIx64, digits, m);
        text_addf(t, "p%d%s", e - 1, suffix);
    }
}

void c_number(text *t, elem kind, const void *data, size_t i)
{
    if (kind == ELEM_FLOAT) hex_float(t, elem_get_double(kind, data, i), "f");
    else if (kind == ELEM_DOUBLE) hex_float(t, elem_get_double(kind, data, i), "");
    else if (kind == ELEM_INT64) {
        const long long v = elem_get_int(kind, data, i);
        if (v == INT64_MIN) text_add(t, "INT64_MIN");
        else text_addf(t, v > INT32_MAX || v < -INT32_MAX ? "INT64_C(%lld)" : "%lld", v);
    } else if (kind == ELEM_UINT64) text_addf(t, "UINT64_C(%llu)", (unsigned long long)elem_get_int(kind, data, i));
    else if (kind == ELEM_UINT32) text_addf(t, "%lluu", (unsigned long long)elem_get_int(kind, data, i));
    else if (kind == ELEM_INT32) {
        const long long v = elem_get_int(kind, data, i);
        if (v == INT32_MIN) text_add(t, "INT32_MIN");
        else text_addf(t, "%lld", v);
    } else if (elem_of(kind)->kind == 'f') { /* narrow floats are stored as their bits */
        const unsigned char *b = data;
        const size_t n = (size_t)elem_of(kind)->bits / 8;
        text_addf(t, "%u", n == 2 ? (unsigned)b[2 * i] | (unsigned)b[2 * i + 1] << 8 : (unsigned)b[i]);
    } else text_addf(t, "%lld", elem_get_int(kind, data, i));
}

enum { AUTO_C_BYTES = 65536, HEADER_BYTES = 64, HASHED_FROM = 32, LITERAL_BYTES = 2048 /* C99 promises literals of 4095 */ };

typedef struct {
    uint32_t buf;
    const tensor *data;
} weight;
typedef VEC(weight) weight_list;

/* Constants that steps use, by place. */
static weight_list used_weights(emit *e)
{
    weight_list w = {0};
    for (slot s = 1; s < e->p->slot.n; s++) {
        const slot_info *i = slot_at(e->p, s);
        const buf_info *b = i->view.buf ? &e->p->buf.p[i->view.buf] : NULL;
        if (!b || i->kind != SLOT_CONST || !b->first || !i->data || b->offset < 0) continue;
        bool known = false;
        for (uint32_t k = w.n; k-- > 0 && !known;) known = w.p[k].buf == i->view.buf;
        if (!known) VEC_PUSH(e->mem, w, ((weight){i->view.buf, i->data}));
    }
    return w;
}

weights_mode weights_choose(emit *e, weights_mode asked)
{
    if (!used_weights(e).n) return WEIGHTS_C;
    if (on_device(e) && asked == WEIGHTS_C) return WEIGHTS_STRING; /* it is uploaded as one image */
    if (asked != WEIGHTS_AUTO) return asked;
    if (on_device(e)) return e->plan->weights_bytes <= AUTO_C_BYTES ? WEIGHTS_STRING : WEIGHTS_INCBIN;
    return e->plan->weights_bytes <= AUTO_C_BYTES || e->target->endian == ENDIAN_ANY ? WEIGHTS_C : WEIGHTS_INCBIN;
}

bool weights_outside(const emit *e)
{
    return e->weights == WEIGHTS_FILE || e->weights == WEIGHTS_POINTER;
}

bool weights_in_run(const emit *e)
{
    return weights_outside(e) && (!on_device(e) || e->host_constants);
}

int64_t weights_outside_bytes(const emit *e)
{
    return !weights_outside(e) ? 0 : e->plan->weights_bytes + (e->weights == WEIGHTS_FILE ? HEADER_BYTES : 0);
}

const char *weights_pointer(emit *e, uint32_t buf)
{
    const int64_t at = e->p->buf.p[buf].offset;
    if (e->weights == WEIGHTS_C) return arena_printf(e->mem, "%s_w%u", e->name, buf);
    if (weights_outside(e)) return arena_printf(e->mem, "((const char *)in->weights + %" PRId64 ")", at + (e->weights == WEIGHTS_FILE ? HEADER_BYTES : 0));
    return arena_printf(e->mem, "((const char *)%s_weights + %" PRId64 ")", e->name, at);
}

static size_t stored_elements(const tensor *t)
{
    const int bits = elem_of(t->type)->bits;
    return bits < 8 ? t->bytes : t->bytes / ((size_t)bits / 8);
}

static int64_t literal_rows(const emit *e)
{
    return (e->plan->weights_bytes + LITERAL_BYTES - 1) / LITERAL_BYTES;
}

void weights_declare(emit *e, text *out)
{
    const weight_list w = used_weights(e);
    if (!w.n) return;
    if (e->weights != WEIGHTS_C) {
        const char *external = on_device(e) ? "extern \"C\" const char" : "extern const char";
        text_add(out, "#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__\n"
                      "#error \"these weights are little-endian: generate the code with --weights=c\"\n#endif\n");
        if (e->weights == WEIGHTS_INCBIN)
            text_addf(out, "%s %s_weights[]; /* %" PRId64 " bytes, in %s_weights.S */\n", external, e->name, e->plan->weights_bytes, e->name);
        if (e->weights == WEIGHTS_STRING) text_addf(out, "%s %s_weights[%" PRId64 "][%d];\n", external, e->name, literal_rows(e), LITERAL_BYTES);
        text_add(out, "\n");
        return;
    }
    for (uint32_t i = 0; i < w.n; i++) {
        const size_t n = stored_elements(w.p[i].data);
        text_addf(out, "extern const %s %s_w%u[%zu];\n", elem_of(w.p[i].data->type)->ctype, e->name, w.p[i].buf, n ? n : 1);
    }
    text_add(out, "\n");
}

static void weights_c(emit *e, const weight_list *w, text *out)
{
    text_addf(out, "/* %s_weights.c - generated by onnxcc %s: the constants of %s.c */\n#include <math.h>\n#include <stdint.h>\n", e->name, ONNXCC_VERSION, e->name);
    for (uint32_t i = 0; i < w->n; i++) {
        const tensor *t = w->p[i].data;
        const size_t n = stored_elements(t);
        const bool packed = elem_of(t->type)->bits < 8;
        const char *c_type = elem_of(t->type)->ctype;
        text_addf(out, "\n/* '%s' */\nextern const %s %s_w%u[%zu];\nconst %s %s_w%u[%zu] = {", comment_text(e->mem, t->name ? t->name : ""), c_type, e->name,
                  w->p[i].buf, n ? n : 1, c_type, e->name, w->p[i].buf, n ? n : 1);
        for (size_t k = 0; k < n; k++) {
            text_add(out, k % 8 ? " " : "\n    ");
            c_number(out, packed ? ELEM_UINT8 : t->type, t->data, k);
            text_add(out, ",");
        }
        text_add(out, n ? "\n};\n" : "0};\n");
    }
}

static void add_file(emit *e, compiled *out, const char *name, const text *t)
{
    VEC_PUSH(e->mem, out->files, ((out_file){name, t->p, t->n}));
}

/* The constants at their places, behind `before` bytes of zeros. */
static unsigned char *image(emit *e, const weight_list *w, size_t before)
{
    unsigned char *bin = arena_alloc(e->mem, before + (size_t)e->plan->weights_bytes);
    for (uint32_t i = 0; i < w->n; i++)
        if (w->p[i].data->bytes) memcpy(bin + before + e->p->buf.p[w->p[i].buf].offset, w->p[i].data->data, w->p[i].data->bytes);
    return bin;
}

/* One byte of a string literal. `next` is the byte behind it: a digit there would become part of a short escape. '?' could begin a trigraph. */
static void literal_byte(text *out, unsigned char b, unsigned char next)
{
    char s[5] = {'\\', 0};
    size_t n = 1;
    if (b >= ' ' && b < 127 && b != '"' && b != '\\' && b != '?') s[0] = (char)b;
    else {
        const bool full = next >= '0' && next <= '9';
        if (full || b >= 64) s[n++] = (char)('0' + (b >> 6));
        if (full || b >= 8) s[n++] = (char)('0' + (b >> 3 & 7));
        s[n++] = (char)('0' + (b & 7));
    }
    text_addn(out, s, n);
}

/* Rows without an end mark fill their array exactly, so that all of them are the image without gaps. */
static void weights_string(emit *e, const weight_list *w, text *out)
{
    const unsigned char *bin = image(e, w, 0);
    const size_t bytes = (size_t)e->plan->weights_bytes;
    const char *declared = arena_printf(e->mem, "const char %s_weights[%" PRId64 "][%d]", e->name, literal_rows(e), LITERAL_BYTES);
    text_addf(out,
              "/* %s_weights.c - generated by onnxcc %s: the constants of %s.c, little-endian */\n"
              "#if (defined(__clang__) && __clang_major__ >= 21) || (!defined(__clang__) && defined(__GNUC__) && __GNUC__ >= 15)\n"
              "#pragma GCC diagnostic ignored \"-Wunterminated-string-initialization\"\n#endif\n"
              "extern %s;\n__attribute__((aligned(64))) %s = {\n",
              e->name, ONNXCC_VERSION, e->name, declared, declared);
    for (size_t row = 0; row < bytes; row += LITERAL_BYTES) {
        text_add(out, "\"");
        for (size_t i = row; i < row + LITERAL_BYTES && i < bytes; i++) literal_byte(out, bin[i], i + 1 < bytes ? bin[i + 1] : 0);
        text_add(out, "\",\n");
    }
    text_add(out, "};\n");
}

static void put_little(unsigned char *to, uint64_t v, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (unsigned char)(v >> 8 * i);
}

/* FNV-1a over words of 8 bytes, each step one-to-one, so that a change within one word always shows. The generated check computes the same. */
static uint64_t hash_words(const unsigned char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (size_t i = 0; i < n; i += 8) {
        uint64_t word = 0;
        for (size_t k = 0; k < 8; k++) word |= (uint64_t)p[i + k] << 8 * k;
        h = (h ^ word) * UINT64_C(0x100000001b3);
        h ^= h >> 32;
    }
    return h;
}

static unsigned char *file_image(emit *e, const weight_list *w, size_t *bytes)
{
    unsigned char *bin = image(e, w, HEADER_BYTES);
    *bytes = HEADER_BYTES + (size_t)e->plan->weights_bytes;
    memcpy(bin, "onnxccW\n", 8);
    put_little(bin + 8, 1, 4);
    put_little(bin + 12, HEADER_BYTES, 4);
    put_little(bin + 16, (uint64_t)e->plan->weights_bytes, 8);
    put_little(bin + 24, hash_words(bin + HASHED_FROM, *bytes - HASHED_FROM), 8);
    return bin;
}

void weights_check_function(emit *e, text *out)
{
    if (e->weights != WEIGHTS_FILE) return;
    const weight_list w = used_weights(e);
    size_t bytes;
    const unsigned char *bin = file_image(e, &w, &bytes);
    text_addf(out, "int %s_check_weights(const void *data, size_t size)\n{\n    static const unsigned char head[%d] = {", e->name, HASHED_FROM);
    for (int i = 0; i < HASHED_FROM; i++) text_addf(out, i ? ", %u" : "%u", bin[i]);
    text_addf(out,
              "}; /* magic, version, lengths, hash */\n    const char *p = (const char *)data;\n    uint64_t h = UINT64_C(0xcbf29ce484222325), expected, word;\n"
              "    if (!data) return ONNXCC_E_NULL;\n"
              "    if (size != %s_WEIGHTS_BYTES || (uintptr_t)data %% 64 || memcmp(p, head, sizeof head)) return ONNXCC_E_WEIGHTS;\n"
              "    memcpy(&expected, head + 24, sizeof expected);\n"
              "    for (size_t i = sizeof head; i < size; i += sizeof word) {\n        memcpy(&word, p + i, sizeof word);\n"
              "        h = (h ^ word) * UINT64_C(0x100000001b3);\n        h ^= h >> 32;\n    }\n"
              "    return h == expected ? ONNXCC_OK : ONNXCC_E_WEIGHTS;\n}\n\n",
              e->upper);
}

void weights_files(emit *e, compiled *out)
{
    const weight_list w = used_weights(e);
    if (!w.n) return;
    text t = {.mem = e->mem};
    size_t bytes = (size_t)e->plan->weights_bytes;
    if (e->weights == WEIGHTS_C || e->weights == WEIGHTS_STRING) {
        if (e->weights == WEIGHTS_C) weights_c(e, &w, &t);
        else weights_string(e, &w, &t);
        add_file(e, out, arena_printf(e->mem, "%s_weights.c", e->name), &t);
        return;
    }
    if (e->weights == WEIGHTS_INCBIN) {
        text_addf(&t,
                  "/* %s_weights.S - generated by onnxcc %s */\n    .section .rodata\n    .globl %s_weights\n    .balign 64\n"
                  "%s_weights:\n    .incbin \"%s_weights.bin\"\n    .section .note.GNU-stack,\"\",%%progbits\n",
                  e->name, ONNXCC_VERSION, e->name, e->name, e->name);
        add_file(e, out, arena_printf(e->mem, "%s_weights.S", e->name), &t);
    }
    const unsigned char *bin = e->weights == WEIGHTS_FILE ? file_image(e, &w, &bytes) : image(e, &w, 0);
    VEC_PUSH(e->mem, out->files, ((out_file){arena_printf(e->mem, "%s_weights.bin", e->name), bin, bytes}));
}
