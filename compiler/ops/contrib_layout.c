/* contrib_layout.c - operators of onnxruntime whose channels come last, in terms of ai.onnx: com.microsoft's Nhwc* and channels_last, and domain
 * com.ms.internal.nhwc, where every operator of ai.onnx takes and gives such images. Source: the documentation of onnxruntime's contrib operators. */
#include <string.h>

#include "ops/contrib.h"
#include "schema/schema.h"

bool channel_orders(edit *e, value_id x, attr *first, attr *last)
{
    const int32_t rank = rank_of(e, x);
    int64_t there[MAX_RANK], back[MAX_RANK];
    if (rank < 3 || rank > MAX_RANK) return false;
    for (int32_t k = 0; k < rank; k++) {
        there[k] = k == 0 ? 0 : k == 1 ? rank - 1 : k - 1;
        back[k] = k == 0 ? 0 : k == rank - 1 ? 1 : k + 1;
    }
    *first = attr_ints(e->m, "perm", (uint32_t)rank, there);
    *last = attr_ints(e->m, "perm", (uint32_t)rank, back);
    return true;
}

/* Input i and output 0 of the edited node have their channels last; the node itself then has them first. False: the rank is not known (yet). */
bool with_channels_first(edit *e, uint32_t i)
{
    attr first, last;
    if (!channel_orders(e, input_of(e, i), &first, &last)) return false;
    set_input(e, i, insert(e, "Transpose", &first, IN(input_of(e, i))));
    follow(e, 0, "Transpose", &last, 0);
    return true;
}

static bool wait_for_rank(edit *e)
{
    const int32_t rank = rank_of(e, input_of(e, 0));
    return rank < 0 || version_error(e, "contrib", "the input has %d dimensions", rank);
}

bool nhwc_max_pool(edit *e)
{
    if (!with_channels_first(e, 0)) return wait_for_rank(e);
    rename_node(e, "MaxPool", IN(input_of(e, 0)));
    return true;
}

/* NhwcConv, NhwcFusedConv: the weights have ai.onnx's layout; what is added before the activation has the output's. */
bool nhwc_conv(edit *e)
{
    attr first, last;
    const value_id added = input_of(e, 3);
    if (!channel_orders(e, input_of(e, 0), &first, &last)) return wait_for_rank(e);
    const value_id sum = added ? insert(e, "Transpose", &first, IN(added)) : 0;
    if (!with_channels_first(e, 0)) return false;
    if (sum) set_input(e, 3, sum);
    return fused_conv(e);
}

/* QLinearConv of com.microsoft: with channels_last, x and y have them last, the weights do not. */
bool q_conv(edit *e)
{
    if (node_int(edited(e), "channels_last", 0) && !with_channels_first(e, 0)) return wait_for_rank(e);
    node_drop_attr(edited(e), "channels_last");
    edited(e)->domain = intern(e->m->names, "");
    edited(e)->version = schema_newest("", "QLinearConv")->since;
    return true;
}

bool nhwc_expand(edit *e)
{
    const op_schema *s = schema_newest("", edited(e)->op);
    if (!s || !strncmp(edited(e)->op, "QLinear", 7)) return version_error(e, "contrib", "is not supported yet with channels last");
    if (!with_channels_first(e, 0)) return wait_for_rank(e);
    edited(e)->domain = intern(e->m->names, "");
    edited(e)->version = s->since;
    return true;
}
