/* recurrent.c - the cells of recurrent networks for threads.
 *
 * Sequences are independent, and a thread may do all steps of some. Where there are fewer sequences than threads, or where only the run knows how many, each
 * step of them is split over hidden units instead: every unit reads the states of all units after the step before, so the kernel is called for one step at a time
 * (kernel.turns). A GRU that resets the state before its product would need another such wait within a step; its sequences stay whole. */
#include <string.h>

#include "plan/plan.h"

enum {
    UNITS_TOGETHER = 16, /* templates/cpu: where pieces may meet */
    MANY_UNITS = 64,     /* worth it for many sequences, too */
    MOST_UNITS = 1 << 20,
    PRODUCTS_OF_OP = 12 /* as weights come from the second cache */
};

static const struct {
    const char *kernel;
    int64_t gates;
} CELLS[] = {{"rnn", 1}, {"gru", 3}, {"lstm", 4}};

bool recurrent_by_units(program *p, step *s, int threads)
{
    kernel *k = s->kernel;
    int64_t units, sequences = -1, apart = 1, gates = 0;
    for (size_t i = 0; k && k->kind == K_TEMPLATE && i < sizeof CELLS / sizeof *CELLS; i++)
        if (!strcmp(CELLS[i].kernel, k->name)) gates = CELLS[i].gates;
    if (!gates || !dim_is_const(p->dims, kernel_binding(k, "H")->d, &units)) return false;
    if (dim_is_const(p->dims, kernel_binding(k, "BATCH")->d, &sequences) ? sequences >= threads : units < MANY_UNITS) return false;
    if (!strcmp(k->name, "gru")) (void)dim_is_const(p->dims, kernel_binding(k, "LINEAR_BEFORE_RESET")->d, &apart);
    if (units <= UNITS_TOGETHER || units > MOST_UNITS || !apart) return false;
    k->ops = dim_mulc(p->dims, kernel_binding(k, "BATCH")->d, units * units * gates / PRODUCTS_OF_OP);
    k->turns = kernel_binding(k, "T")->d;
    k->turn = dim_fresh(p->dims, "step", 0, INT64_MAX);
    kernel_binding(k, "UNITS")->d = dim_const(p->dims, 1);
    kernel_binding(k, "FROM")->d = k->turn;
    kernel_binding(k, "TO")->d = dim_addc(p->dims, k->turn, 1);
    k->range = kernel_binding(k, "H")->d;
    k->unit = UNITS_TOGETHER;
    return true;
}

void recurrent_by_sequences(program *p, step *s)
{
    kernel *k = s->kernel;
    k->ops = k->turns = k->turn = 0;
    kernel_binding(k, "UNITS")->d = kernel_binding(k, "FROM")->d = dim_const(p->dims, 0);
    kernel_binding(k, "TO")->d = kernel_binding(k, "T")->d;
    k->range = kernel_binding(k, "BATCH")->d;
    k->unit = 0;
}
