/* dimtext.c - sizes as C expressions, for arena formulas, shapes and checks (not for indexes inside steps: expr/print does those). */
#include <inttypes.h>
#include <string.h>

#include "emit/emit.h"

int32_t symbol_index(const emit *e, dim s)
{
    for (uint32_t i = 0; i < e->p->symbols.n; i++)
        if (e->p->symbols.p[i] == s) return (int32_t)i;
    return -1;
}

bool kernel_exports(const emit *e, dim s)
{
    const char *name = dim_name(e->p->dims, s), *at = e->exports ? strstr(e->exports, name) : NULL;
    return at && (at == e->exports || at[-1] == ' ') && (!at[strlen(name)] || at[strlen(name)] == ' ');
}

const char *symbol_param(emit *e, dim s)
{
    const int32_t i = symbol_index(e, s);
    return arena_printf(e->mem, "d_%s", i >= 0 ? e->symbol[i] : c_identifier(e->mem, dim_name(e->p->dims, s), NULL, 0));
}

static void atom_c(emit *e, dim d, const char *prefix, text *out)
{
    dims *t = e->p->dims;
    static const char *const NAME[] = {
        [DIM_FDIV] = "onnxcc_fdiv", [DIM_MOD] = "onnxcc_mod", [DIM_MIN] = "onnxcc_min", [DIM_MAX] = "onnxcc_max", [DIM_SELECT] = "onnxcc_select"};
    const dim_kind k = dim_kind_of(t, d);
    if (k == DIM_SYMBOL) {
        const int32_t i = symbol_index(e, d);
        for (uint32_t j = e->local.n; j-- > 0;)
            if (e->local.p[j].symbol == d) {
                text_add(out, e->local.p[j].name);
                return;
            }
        if (i < 0 && kernel_exports(e, d)) { /* a variable inside the kernel that is being bound */
            text_add(out, dim_name(t, d));
            return;
        }
        if (!strcmp(prefix, "d_")) { /* a parameter of the kernel */
            text_add(out, symbol_param(e, d));
            return;
        }
        if (i < 0) {
            e->failed = true;
            diag_error(e->p->diag, EXIT_UNSUPPORTED, "", "dim-data", "the size '%s' is decided by data during the run, which is not supported yet", dim_name(t, d));
            diag_hint(e->p->diag, "give the value of the input that decides it, --value INPUT=.., or fix the size: --dim or --shape");
            return;
        }
        const bool decided = (uint32_t)i >= e->n_input_symbols && strcmp(prefix, "d_") != 0;
        if (decided) text_addf(out, "b_%s", e->symbol[i]);
        else if (e->by_dims) text_addf(out, "dims[%d]", i);
        else text_addf(out, "%s%s", prefix, e->symbol[i]);
        return;
    }
    if (k < DIM_FDIV) {
        text_add(out, "(");
        dim_c(e, d, prefix, out);
        text_add(out, ")");
        return;
    }
    const dim *a = dim_args(t, d);
    text_addf(out, "%s(", NAME[k]);
    for (uint32_t i = 0; i < (k == DIM_SELECT ? 4u : 2u); i++) {
        if (i) text_add(out, ", ");
        dim_c(e, a[i], prefix, out);
    }
    text_add(out, ")");
}

void dim_c(emit *e, dim d, const char *prefix, text *out)
{
    const dim_term *term;
    uint32_t n;
    const int64_t c = dim_poly(e->p->dims, d, &term, &n);
    if (c == INT64_MIN) text_add(out, "INT64_MIN");
    else if (!n || c) text_addf(out, c > INT32_MAX || c < INT32_MIN ? "INT64_C(%" PRId64 ")" : "%" PRId64, c);
    for (uint32_t i = 0; i < n; i++) {
        const int64_t k = term[i].coef;
        const bool neg = k < 0, first = !i && !c;
        if (!first) text_add(out, neg ? " - " : " + ");
        else if (neg) text_add(out, "-");
        const int64_t m = neg ? -k : k;
        if (m != 1) text_addf(out, m > INT32_MAX ? "INT64_C(%" PRId64 ") * " : "%" PRId64 " * ", m);
        for (uint32_t j = 0; j < term[i].n_atoms; j++) {
            if (j) text_add(out, " * ");
            atom_c(e, term[i].atom[j], prefix, out);
        }
    }
}
