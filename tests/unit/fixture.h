/* fixture.h - an arena and a diag, new for every test; with cmocka_unit_test_setup_teardown(test, setup, teardown). */
#ifndef TEST_FIXTURE_H
#define TEST_FIXTURE_H

#include "base/arena.h"
#include "base/diag.h"

static arena *mem;
static diag *d;

static int setup(void **state)
{
    (void)state;
    mem = arena_new();
    d = diag_new(mem, "test");
    return 0;
}
static int teardown(void **state)
{
    (void)state;
    arena_free(mem);
    return 0;
}

#endif
