/* inputs.c - see inputs.h. */
#include "driver/inputs.h"

#include <string.h>
#include <unistd.h>

#include "driver/data_set.h"
#include "driver/process.h"

const char *input_path(const char *word)
{
    const char *equals = strchr(word, '=');
    return !equals || !access(word, F_OK) ? word : equals + 1; /* a file whose name holds = is a file */
}

bool input_add(command *c, const char *word, tensor_set *into)
{
    const char *path = input_path(word);
    return tensors_read(c->diag, path, path == word ? NULL : arena_strndup(c->mem, word, (size_t)(path - 1 - word)), into);
}

bool inputs_read(command *c, tensor_set *into)
{
    for (uint32_t i = 0; i < c->o->n[OPT_INPUT]; i++)
        if (!input_add(c, c->o->values[OPT_INPUT][i], into)) return false;
    return true;
}

/* NAME, NAME.K where the input is a sequence or may be one, NAME.keys and NAME.values of a map. */
static bool named_by(const value *v, const char *word, size_t n)
{
    const size_t own = strlen(v->name);
    if (n < own || strncmp(v->name, word, own)) return false;
    if (n == own) return true;
    if (v->type.kind == TYPE_MAP) return (n == own + 5 && !strncmp(word + own, ".keys", 5)) || (n == own + 7 && !strncmp(word + own, ".values", 7));
    return v->type.kind != TYPE_TENSOR && word[own] == '.' && n > own + 1 && strspn(word + own + 1, "0123456789") == n - own - 1;
}

static bool is_input(model *m, const char *word)
{
    const char *equals = strchr(word, '=');
    const graph *g = model_main(m);
    text known = {.mem = m->mem};
    if (!equals || !access(word, F_OK)) return true;
    for (uint32_t i = 0; i < g->inputs.n; i++) {
        const char *name = value_at(m, g->inputs.p[i])->name;
        if (named_by(value_at(m, g->inputs.p[i]), word, (size_t)(equals - word))) return true;
        text_addf(&known, i ? ", '%s'" : "'%s'", name);
    }
    diag_error(m->diag, EXIT_USAGE, "", "no-input", "the model has no input '%.*s'", (int)(equals - word), word);
    return diag_hint(m->diag, "it has %s", known.n ? known.p : "none");
}

/* Is there an input of that name? */
static bool is_named(model *m, const char *name)
{
    const graph *g = model_main(m);
    for (uint32_t i = 0; name && i < g->inputs.n; i++)
        if (named_by(value_at(m, g->inputs.p[i]), name, strlen(name))) return true;
    return false;
}

static bool has_tensor(const value *v, const tensor_set *given)
{
    for (uint32_t k = 0; k < given->list.n; k++)
        if (given->list.p[k]->name && named_by(v, given->list.p[k]->name, strlen(given->list.p[k]->name))) return true;
    return false;
}

/* The input that a run takes tensor k for, which has no input's name: the inputs without a tensor get such ones in their order, where both are as many. NULL: it is not used. */
static const char *taken_for(model *m, const tensor_set *given, uint32_t k)
{
    const graph *g = model_main(m);
    VEC(const char *) left = {0};
    uint32_t rest = 0, place = 0;
    for (uint32_t i = 0; i < g->inputs.n; i++)
        if (!has_tensor(value_at(m, g->inputs.p[i]), given)) VEC_PUSH(m->mem, left, value_at(m, g->inputs.p[i])->name);
    for (uint32_t i = 0; i < given->list.n; i++) {
        if (i == k) place = rest;
        rest += !is_named(m, given->list.p[i]->name);
    }
    return rest == left.n ? left.p[place] : NULL;
}

/* np.savez calls tensors without a name arr_0, arr_1 and so on. */
static bool has_name(const char *name)
{
    return name && *name && (strncmp(name, "arr_", 4) || !name[4] || strspn(name + 4, "0123456789") != strlen(name + 4));
}

/* A tensor that no input is called as may be for the input at its place. Which inputs are left for such ones is not told here where some are sequences, or state. */
static void warn_of_name(const command *c, model *m, const tensor_set *given, uint32_t k)
{
    const graph *g = model_main(m);
    const char *name = given->list.p[k]->name;
    bool plain = !c->o->n[OPT_STATE];
    if (!has_name(name) || is_named(m, name)) return;
    const char *input = taken_for(m, given, k);
    for (uint32_t i = 0; i < g->inputs.n; i++) plain &= value_at(m, g->inputs.p[i])->type.kind == TYPE_TENSOR;
    if (!plain) diag_warn(m->diag, "", "no-input", "the model has no input '%s': that tensor counts only where as many inputs are left without one, in their order", name);
    else if (input) diag_warn(m->diag, "", "no-input", "the model has no input '%s': that tensor is taken for input '%s'", name, input);
    else diag_warn(m->diag, "", "no-input", "the model has no input '%s': that tensor is not used", name);
}

static bool is_given_once(model *m, const tensor_set *given, uint32_t k)
{
    const char *name = given->list.p[k]->name;
    for (uint32_t i = 0; i < k && is_named(m, name); i++)
        if (given->list.p[i]->name && !strcmp(given->list.p[i]->name, name)) return diag_error(m->diag, EXIT_USAGE, "", "input-twice", "two tensors are given for input '%s'", name);
    return true;
}

bool inputs_named(command *c, model *m, const tensor_set *given)
{
    bool ok = true;
    for (uint32_t k = 0; k < given->list.n; k++) ok &= is_given_once(m, given, k);
    for (uint32_t i = 1; i < c->o->args.n; i++) ok &= is_input(m, c->o->args.p[i]);
    for (uint32_t i = 0; i < c->o->n[OPT_INPUT]; i++) ok &= is_input(m, c->o->values[OPT_INPUT][i]);
    for (uint32_t k = 0; ok && k < given->list.n; k++) warn_of_name(c, m, given, k);
    return ok;
}

const char *build_folder(command *c, bool *temporary)
{
    const char *keep = opt_text(c->o, OPT_KEEP, NULL);
    *temporary = !keep;
    if (!keep) return folder_temporary(c->mem, c->diag);
    return folder_make(c->diag, keep) ? keep : NULL;
}
