/* Every allocation of import fails once: control comes back through mem_trap, and nothing is left behind when the arena is freed.
 * Linked with malloc, calloc, realloc and free wrapped. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "onnx.pb-c.h"
#include "proto/parse.h"
#include "proto/proto.h"

void *__real_malloc(size_t n);
void *__real_calloc(size_t n, size_t each);
void *__real_realloc(void *p, size_t n);
void __real_free(void *p);
void *__wrap_malloc(size_t n);
void *__wrap_calloc(size_t n, size_t each);
void *__wrap_realloc(void *p, size_t n);
void __wrap_free(void *p);

static long left = -1; /* allocations until one fails; negative: none does */
static long live;      /* pieces that are allocated */

static bool fails(void)
{
    return left >= 0 && left-- == 0;
}
void *__wrap_malloc(size_t n)
{
    void *p = fails() ? NULL : __real_malloc(n);
    live += p != NULL;
    return p;
}
void *__wrap_calloc(size_t n, size_t each)
{
    void *p = fails() ? NULL : __real_calloc(n, each);
    live += p != NULL;
    return p;
}
void *__wrap_realloc(void *p, size_t n)
{
    if (fails()) return NULL;
    void *q = __real_realloc(p, n);
    live += !p && q;
    return q;
}
void __wrap_free(void *p)
{
    live -= p != NULL;
    __real_free(p);
}

typedef model *(*loader)(arena *mem, diag *d);

static struct {
    unsigned char *p;
    size_t n;
} bytes;
static const char *source;

static model *load_bytes(arena *mem, diag *d)
{
    return model_load_bytes(mem, d, bytes.p, bytes.n, NULL, NULL);
}
static model *load_text(arena *mem, diag *d)
{
    model *m = model_parse(mem, d, source, NULL);
    text t = {.mem = mem};
    if (m) model_text(m, &t, 10);
    return m;
}

/* Returns true when the loading went through without a failed allocation. */
static bool try_with_failure_at(long n, loader load)
{
    const long before = live;
    arena *mem = arena_new();
    diag *d = diag_new(mem, "test");
    mem_trap trap;
    volatile bool trapped = false, loaded = false;
    mem_trap_set(&trap);
    if (!setjmp(trap.here)) {
        left = n;
        loaded = load(mem, d) != NULL;
    } else trapped = true;
    const bool failed = left == -1 && n >= 0;
    left = -1;
    mem_trap_end(&trap);
    if (!trapped && !loaded) assert_int_equal(diag_exit(d), EXIT_LIMIT); /* protobuf-c was told NULL */
    arena_free(mem);
    assert_int_equal(live, before);
    return loaded && !failed;
}

static void make_source(text *t)
{
    text_add(t, "<ir_version: 10, opset_import: [\"\" : 21]> g (float[N,3] x, bool c) => (y) <float[3] w = {1, 2, 3}> { y0 = Identity (x) ");
    for (int i = 0; i < 3000; i++) text_addf(t, "[node_number_%d] y%d = Add <doc: string = \"some text for node %d\"> (y%d, w) ", i, i + 1, i, i);
    text_add(t, "y = If (c) <then_branch = a () => (p) { p = Neg (y3000) }, else_branch = b () => (q) { q = Abs (w) }> }");
}

static void every_allocation_of_loading_may_fail(void **state)
{
    (void)state;
    arena *mem = arena_new();
    diag *d = diag_new(mem, "test");
    text t = {.mem = mem};
    make_source(&t);
    source = t.p;
    const proto_file *f = proto_parse(mem, d, t.p, NULL);
    assert_non_null(f);
    bytes.p = arena_alloc(mem, protobuf_c_message_get_packed_size(f->root));
    bytes.n = protobuf_c_message_pack(f->root, bytes.p);
    long n = 0;
    while (!try_with_failure_at(n, load_bytes)) assert_true(++n < 1000);
    assert_true(n > 20);
    for (n = 0; !try_with_failure_at(n, load_text);) assert_true(++n < 1000);
    assert_true(n > 5);
    arena_free(mem);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(every_allocation_of_loading_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
