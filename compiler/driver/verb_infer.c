/* verb_infer.c - `onnxcc infer IN -o OUT`: writes the model back with the types of all values. */
#include "check/check.h"
#include "driver/command.h"
#include "passes/analyze.h"
#include "passes/passes.h"
#include "proto/save.h"

enum { FOLD_LIMIT = 1 << 16 };

/* Without --strict, what can't be inferred is no error: the value has no type then. */
static bool infer_all(command *c, model *m)
{
    const bool strict = opt_flag(c->o, OPT_STRICT);
    const infer_options o = {.fold_limit = FOLD_LIMIT, .tolerant = true, .partial = true, .strict = strict, .given_only = !opt_flag(c->o, OPT_DATA_PROP),
                             .before = opt_flag(c->o, OPT_CHECK_TYPE) ? check_input_types : NULL};
    diag *said = m->diag;
    if (!strict && !o.before) m->diag = diag_new(c->mem, NULL);
    said->kind = "inference";
    (void)analyze_types(m, &o);
    if (o.before) (void)check_types(m); /* of outputs, too */
    diag_allow(m->diag, NULL);
    m->diag = said;
    return !said->errors;
}

exit_code verb_infer(command *c)
{
    const load_options load = {.keep_source = true, .overridable_inputs = true, .any_order = true, .incomplete = true, .no_digest = true};
    const char *out = opt_text(c->o, OPT_OUTPUT, NULL);
    compile_options o = compile_defaults();
    if (!out) {
        diag_error(c->diag, EXIT_USAGE, "", "output", "infer needs -o OUT, the file to write");
        return EXIT_USAGE;
    }
    if (!command_compile_options(c, &o)) return diag_exit(c->diag);
    c->diag->file = c->o->args.p[0];
    model *m = model_load_checked(c->mem, c->diag, c->o->args.p[0], &load);
    if (!m || !set_shapes(m, &o) || !infer_all(c, m)) return diag_exit(c->diag);
    m->types_inferred = true;
    if (!model_save_own(m, c->diag, out)) return diag_exit(c->diag);
    return EXIT_OK;
}
