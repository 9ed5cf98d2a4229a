/* value_file.c - test data that may be more than a tensor. Source: onnx-data.proto, SequenceProto and OptionalProto.
 *
 * The messages say nothing of their own kind: what is no valid TensorProto is read as a list. SequenceProto and OptionalProto share their field numbers, so
 * one form reads both: an optional tensor is a list of one, an optional sequence stands where a sequence of sequences has its first. */
#include <string.h>

#include "proto/convert.h"
#include "proto/load.h"

static bool convert_items(converter *c, const Onnx__SequenceProto *p, const char *name, loaded_value *out)
{
    out->item = ARENA_ARRAY(c->mem, tensor *, p->n_tensor_values + 1);
    for (uint32_t k = 0; k < p->n_tensor_values; k++) {
        const place at = {NULL, "tensor_values", k, NULL};
        tensor *t = convert_tensor(c, p->tensor_values[k], &at);
        if (!t) return false;
        t->name = *name ? arena_printf(c->mem, "%s.%u", name, k) : NULL;
        out->item[out->n++] = t;
    }
    return true;
}

bool value_load(arena *mem, diag *d, const char *path, loaded_value *out)
{
    diag *quiet = diag_new(mem, path);
    *out = (loaded_value){0};
    tensor *t = tensor_load(mem, quiet, path);
    if (t) {
        out->item = ARENA_ARRAY(mem, tensor *, 1);
        out->item[out->n++] = t;
        return true;
    }
    proto_file *f = proto_open(mem, quiet, path, &onnx__sequence_proto__descriptor, NULL);
    const Onnx__SequenceProto *p = f ? (const Onnx__SequenceProto *)f->root : NULL;
    const bool other = p && (p->n_sparse_tensor_values || p->n_map_values || p->n_optional_values || p->n_sequence_values > 1);
    if (!p || other) {
        if (f) proto_release(f);
        return other ? diag_error(d, EXIT_UNSUPPORTED, "", "type-kind", "only tensors, and sequences and optionals of tensors can be read") : tensor_load(mem, d, path) != NULL;
    }
    model *m = model_new(mem, d);
    converter c = {.mem = mem, .d = d, .m = m, .files = externals_new(mem, d, f->folder)};
    const char *name = arena_strndup(mem, given(p->name), strlen(given(p->name)));
    const Onnx__SequenceProto *list = p->n_sequence_values ? p->sequence_values[0] : p;
    out->list = true;
    out->nothing = !list->n_tensor_values && !p->n_sequence_values && !p->elem_type;
    const bool ok = convert_items(&c, list, name, out);
    proto_release(f);
    return ok;
}
