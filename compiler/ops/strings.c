/* strings.c - see strings.h. */
#include "ops/strings.h"

#include <string.h>

#include "ops/formula.h"

bool takes_strings(const node *n)
{
    static const char *const KNOWN[] = {
        "Constant", "Identity", "Cast", "CastLike", "Rows", "Front", "Equal", "Where", "Shape", "Size", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Concat", "Split", "Slice", "Expand",
        "Gather", "GatherElements", "GatherND", "ScatterElements", "ScatterND", "Compress", "Unique", "Tile", "ReverseSequence", "DepthToSpace", "SpaceToDepth", "OneHot",
        "If", "Loop", "Scan", "LabelEncoder", "OneHotEncoder", "CategoryMapper", "LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier", "TfIdfVectorizer",
        "ArrayFeatureExtractor", "StringConcat", "StringNormalizer", "StringSplit", "RegexFullMatch", "Tokenizer", "NonZero", "RandomNormalLike", "RandomUniformLike", "TensorScatter", "Pad"};
    for (size_t i = 0; i < sizeof KNOWN / sizeof *KNOWN; i++)
        if (!strcmp(n->op, KNOWN[i])) return true;
    return false;
}

uint32_t string_hash(const char *s, size_t n)
{
    uint32_t h = 2166136261u;
    for (size_t i = 0; i < n; i++) h = (h ^ (unsigned char)s[i]) * 16777619u;
    return h;
}

/* ---- constants ---- */

slot slot_strings(lower_ctx *c, const char *name, uint32_t rank, const int64_t *shape, const char *const *v)
{
    tensor *t = ARENA_NEW(c->p->mem, tensor);
    *t = (tensor){.type = ELEM_STRING, .rank = rank, .shape = arena_copy(c->p->mem, shape, rank * sizeof *shape)};
    t->strings = arena_copy(c->p->mem, v, (size_t)tensor_count(t) * sizeof *v);
    return const_slot(c, name, t);
}

ex empty_string(lower_ctx *c)
{
    return load_scalar(c, slot_strings(c, "empty", 1, (const int64_t[]){1}, (const char *const[]){""}));
}

static slot plain_const(program *p, const char *name, const tensor *t)
{
    const dim n = dim_const(p->dims, t->shape[0]);
    const slot s = slot_new(p, name, t->type, SLOT_CONST, 1, &n);
    slot_at(p, s)->data = t;
    return s;
}

/* The bytes of all strings in a row, and where each begins: n + 1 places. */
typedef struct {
    slot bytes, places;
} packed;

static packed pack(program *p, uint32_t n, const char *const *v)
{
    int64_t at = 0, count = (int64_t)n + 1;
    tensor *places = tensor_new(p->mem, ELEM_INT64, 1, &count);
    for (uint32_t i = 0; i < n; i++) {
        elem_set_int(ELEM_INT64, (void *)(uintptr_t)places->data, i, at);
        at += (int64_t)strlen(v[i]);
    }
    elem_set_int(ELEM_INT64, (void *)(uintptr_t)places->data, n, at);
    count = at ? at : 1;
    tensor *bytes = tensor_new(p->mem, ELEM_UINT8, 1, &count);
    char *to = (char *)(uintptr_t)bytes->data;
    for (uint32_t i = 0; i < n; i++) {
        memcpy(to, v[i], strlen(v[i]));
        to += strlen(v[i]);
    }
    return (packed){plain_const(p, "bytes", bytes), plain_const(p, "places", places)};
}

void lower_string_constants(program *p)
{
    lower_ctx c = {.p = p, .m = p->model, .d = p->dims, .x = p->ex, .to = &p->before, .what = "constant strings"};
    const uint32_t n = p->slot.n;
    for (slot s = 1; s < n; s++) {
        slot_info *i = slot_at(p, s);
        if (i->kind != SLOT_CONST || i->type != ELEM_STRING) continue;
        const dim count = dim_product(p->dims, i->extent, i->rank);
        int64_t strings = 0;
        (void)dim_is_const(p->dims, count, &strings);
        const packed k = pack(p, (uint32_t)strings, i->data->strings);
        i = slot_at(p, s);
        i->kind = SLOT_TEMP;
        i->data = NULL;
        const kernel_arg args[3] = {{s, ARG_OUT}, {k.bytes, ARG_IN}, {k.places, ARG_IN}};
        lower_template(&c, "string_list", 0, NULL, 3, args, count)->kernel->ops = dim_mulc(p->dims, count, 4);
    }
}

/* ---- looking up ---- */

const int64_t *string_numbers(arena *mem, uint32_t n, const char *const *v, const char ***distinct, uint32_t *n_distinct)
{
    uint32_t size = 2;
    while (size < 2 * n) size *= 2;
    uint32_t *table = ARENA_ARRAY(mem, uint32_t, size); /* number + 1; 0: free */
    int64_t *number = ARENA_ARRAY(mem, int64_t, n);
    *distinct = ARENA_ARRAY(mem, const char *, n);
    *n_distinct = 0;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = string_hash(v[i], strlen(v[i])) & (size - 1);
        while (table[at] && strcmp((*distinct)[table[at] - 1], v[i])) at = (at + 1) & (size - 1);
        if (!table[at]) {
            (*distinct)[(*n_distinct)++] = v[i];
            table[at] = *n_distinct;
        }
        number[i] = (int64_t)table[at] - 1;
    }
    return number;
}

/* Open addressing: the number of a string, -1 where nothing is; of equal strings, the last one's. */
static slot hash_table(lower_ctx *c, uint32_t n, const char *const *list, int64_t *size)
{
    for (*size = 2; *size < 2 * (int64_t)n; *size *= 2) continue;
    int64_t *table = ARENA_ARRAY(c->m->mem, int64_t, (size_t)*size);
    for (int64_t i = 0; i < *size; i++) table[i] = -1;
    for (uint32_t i = 0; i < n; i++) {
        int64_t at = string_hash(list[i], strlen(list[i])) & (*size - 1);
        while (table[at] >= 0 && strcmp(list[table[at]], list[i])) at = (at + 1) & (*size - 1);
        table[at] = i;
    }
    return slot_ints(c, "table", ELEM_INT32, 1, size, table);
}

static slot find(lower_ctx *c, slot x, uint32_t n, const char *const *list, bool folded)
{
    int64_t size;
    const slot table = hash_table(c, n, list, &size), found = temp_slot(c, "found", ELEM_INT64, slot_rank(c, x), slot_at(c->p, x)->extent);
    const packed k = pack(c->p, n, list);
    const kernel_arg args[5] = {{found, ARG_OUT}, {x, ARG_IN}, {k.bytes, ARG_IN}, {k.places, ARG_IN}, {table, ARG_IN}};
    const binding bind[2] = {{.name = "SIZE", .kind = BIND_DIM, .d = dim_const(c->d, size)}, {.name = "FOLD", .kind = BIND_DIM, .d = dim_const(c->d, folded)}};
    const dim strings = dim_product(c->d, slot_at(c->p, x)->extent, slot_rank(c, x));
    lower_template(c, "string_find", 2, bind, 5, args, strings)->kernel->ops = dim_mulc(c->d, strings, STRING_OPS);
    return found;
}

slot lower_find(lower_ctx *c, slot x, uint32_t n, const char *const *list)
{
    return find(c, x, n, list, false);
}

slot lower_find_folded(lower_ctx *c, slot x, uint32_t n, const char *const *list)
{
    return find(c, x, n, list, true);
}
