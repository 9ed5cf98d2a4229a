/* trees.c - tables of tree ensembles; see trees.h. Linear in the number of nodes apart from sorting the identifiers. */
#include "ops/trees.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/size.h"

enum { FIELDS = 4, MOST_NODES = 1 << 25 }; /* int32 per node in links; so many nodes, with copies, fit the bits of a branch in trees_pairs.c */

enum { UNSEEN, OPEN, DONE };

/* (tree, node) of the model and the row of the attributes it stands in. */
typedef struct {
    int64_t tree, node;
    uint32_t row;
} node_key;

typedef struct {
    diag *diag;
    const char *where;
    const tree_attributes *a;
    tree_tables *t;
    node_key *key;    /* sorted: position = index in the tables */
    uint8_t *reached, *state; /* by index: another node leads to it; how far measure_below is with it */
} maker;

static int compare_ids(int64_t tree_a, int64_t node_a, int64_t tree_b, int64_t node_b)
{
    if (tree_a != tree_b) return tree_a < tree_b ? -1 : 1;
    return node_a < node_b ? -1 : node_a > node_b;
}

static int compare_keys(const void *a, const void *b)
{
    const node_key *x = a, *y = b;
    return compare_ids(x->tree, x->node, y->tree, y->node);
}

/* The index of a node; n_nodes when there is none. */
static uint32_t find_node(const maker *m, int64_t tree, int64_t node)
{
    uint32_t lo = 0, hi = m->a->n_nodes;
    while (lo < hi) {
        const uint32_t mid = lo + (hi - lo) / 2;
        const int c = compare_ids(m->key[mid].tree, m->key[mid].node, tree, node);
        if (c == 0) return mid;
        if (c < 0) lo = mid + 1;
        else hi = mid;
    }
    return m->a->n_nodes;
}

static bool mode_of(const char *name, tree_mode *mode)
{
    static const char *const names[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ", "LEAF"};
    for (int i = 0; i <= TREE_LEAF; i++)
        if (!strcmp(names[i], name)) {
            *mode = (tree_mode)i;
            return true;
        }
    return false;
}

static bool tree_error(maker *m, const char *what, int64_t tree, int64_t node)
{
    return diag_error(m->diag, EXIT_INVALID, m->where, "tree-nodes", "node %lld of tree %lld %s", (long long)node, (long long)tree, what);
}

static bool sort_nodes(maker *m, arena *mem)
{
    const tree_attributes *a = m->a;
    m->key = ARENA_ARRAY(mem, node_key, a->n_nodes);
    for (uint32_t i = 0; i < a->n_nodes; i++) m->key[i] = (node_key){a->tree[i], a->node[i], i};
    qsort(m->key, a->n_nodes, sizeof *m->key, compare_keys);
    for (uint32_t i = 1; i < a->n_nodes; i++)
        if (!compare_keys(&m->key[i - 1], &m->key[i])) return tree_error(m, "is there twice", m->key[i].tree, m->key[i].node);
    return true;
}

/* Fills links and values of node `i`; a leaf leads to itself. */
static bool fill_node(maker *m, uint32_t i)
{
    const tree_attributes *a = m->a;
    tree_tables *t = m->t;
    const node_key *k = &m->key[i];
    int32_t *link = t->links + (size_t)i * FIELDS;
    tree_mode mode;
    if (!mode_of(a->mode[k->row], &mode)) return tree_error(m, arena_printf(m->diag->mem, "has the unknown mode '%s'", a->mode[k->row]), k->tree, k->node);
    link[1] = link[2] = (int32_t)i;
    if (mode == TREE_LEAF) return true;

    const uint32_t no = find_node(m, k->tree, a->if_false[k->row]), yes = find_node(m, k->tree, a->if_true[k->row]);
    if (no == a->n_nodes || yes == a->n_nodes) return tree_error(m, "branches to a node that is not there", k->tree, k->node);
    const int64_t feature = a->feature[k->row];
    if (feature < 0 || feature > INT32_MAX || (a->features >= 0 && feature >= a->features))
        return tree_error(m, "tests a feature that the input does not have", k->tree, k->node);
    const bool track = a->nan_to_true && a->nan_to_true[k->row];
    link[0] = (int32_t)feature;
    link[1] = (int32_t)no;
    link[2] = (int32_t)yes;
    link[3] = (int32_t)mode + (track ? 8 : 0);
    t->values[i] = a->value[k->row];
    t->tracks |= track;
    if (t->mode == TREE_LEAF) t->mode = (int)mode;
    else if (t->mode != (int)mode) t->mode = -1;
    m->reached[no] = m->reached[yes] = 1;
    return (no != i && yes != i) || tree_error(m, "branches to itself", k->tree, k->node);
}

static bool is_leaf(const tree_tables *t, uint32_t i)
{
    return t->links[(size_t)i * FIELDS + 1] == (int32_t)i;
}

/* What is below a node, from its branches. */
static void measure_node(tree_tables *t, uint32_t i)
{
    const int32_t no = t->links[(size_t)i * FIELDS + 1], yes = t->links[(size_t)i * FIELDS + 2];
    if (is_leaf(t, i)) t->leaves_below[i] = 1;
    if (is_leaf(t, i)) return;
    t->depth[i] = 1 + (t->depth[no] > t->depth[yes] ? t->depth[no] : t->depth[yes]);
    t->leaves_below[i] = t->leaves_below[no] + t->leaves_below[yes];
    t->steps_below[i] = t->steps_below[no] + t->steps_below[yes] + t->leaves_below[i];
}

/* Measures what is below `root`; false when its branches lead in a circle. Depth first with an explicit stack; what is known of a node is kept, since trees
 * may share parts. */
static bool measure_below(maker *m, uint32_t root, uint32_t *stack)
{
    uint32_t n = 0;
    stack[n++] = root;
    while (n) {
        const uint32_t i = stack[n - 1];
        const int32_t *link = m->t->links + (size_t)i * FIELDS;
        if (m->state[i] == DONE) {
            n--;
            continue;
        }
        uint32_t waiting = 0;
        for (int side = 1; side <= 2 && !is_leaf(m->t, i); side++) {
            const uint32_t child = (uint32_t)link[side];
            if (m->state[child] == OPEN) return false;
            if (m->state[child] != DONE) waiting = child + 1;
        }
        m->state[i] = waiting ? OPEN : DONE;
        if (waiting) stack[n++] = waiting - 1;
        else measure_node(m->t, i);
    }
    return true;
}

static bool circle_error(maker *m, uint32_t i)
{
    return tree_error(m, "is part of a circle of branches", m->key[i].tree, m->key[i].node);
}

static bool add_root(maker *m, uint32_t i, uint32_t *stack)
{
    m->t->roots[m->t->n_trees++] = (int32_t)i;
    return measure_below(m, i, stack) || circle_error(m, i);
}

/* The first node in the model's order that no other leads to, for the tree whose nodes are first..end-1; `end`: none. */
static uint32_t root_of_tree(const maker *m, uint32_t first, uint32_t end)
{
    uint32_t root = end;
    for (uint32_t i = first; i < end; i++)
        if (!m->reached[i] && (root == end || m->key[i].row < m->key[root].row)) root = i;
    return root;
}

static bool find_roots(maker *m, arena *mem)
{
    tree_tables *t = m->t;
    const uint32_t n = m->a->n_nodes;
    uint32_t *stack = ARENA_ARRAY(mem, uint32_t, (size_t)n + 1);
    const size_t most = m->a->root ? m->a->n_roots : n;
    t->roots = ARENA_ARRAY(mem, int32_t, most + 1);
    for (uint32_t i = 0; m->a->root && i < m->a->n_roots; i++) {
        const uint32_t root = find_node(m, 0, m->a->root[i]);
        if (root == n) return tree_error(m, "is a root but is not there", 0, m->a->root[i]);
        if (!add_root(m, root, stack)) return false;
    }
    for (uint32_t first = 0, end; !m->a->root && first < n; first = end) {
        for (end = first + 1; end < n && m->key[end].tree == m->key[first].tree;) end++;
        const uint32_t root = root_of_tree(m, first, end);
        if (root == end) return circle_error(m, first);
        if (!add_root(m, root, stack)) return false;
    }
    for (uint32_t i = 0; i < n; i++) /* what no root leads to must not go in circles either */
        if (!measure_below(m, i, stack)) return circle_error(m, i);
    return true;
}

/* Weights sorted by leaf, in the order given within one. */
static bool fill_weights(maker *m, arena *mem)
{
    const tree_attributes *a = m->a;
    tree_tables *t = m->t;
    uint32_t *leaf = ARENA_ARRAY(mem, uint32_t, a->n_weights + 1);
    t->only_target = a->n_weights ? a->weight_target[0] : -1;
    t->all_positive = true;
    for (uint32_t w = 0; w < a->n_weights; w++) {
        leaf[w] = find_node(m, a->weight_tree[w], a->weight_node[w]);
        if (leaf[w] == a->n_nodes) return tree_error(m, "has a weight but is not there", a->weight_tree[w], a->weight_node[w]);
        if (a->weight_target[w] < 0 || a->weight_target[w] >= a->targets)
            return tree_error(m, "has a weight for a target that is not there", a->weight_tree[w], a->weight_node[w]);
        t->leaves[(size_t)leaf[w] * 2 + 1]++;
        if (a->weight_target[w] != t->only_target) t->only_target = -1;
        if (a->weight[w] < 0) t->all_positive = false;
    }
    for (uint32_t i = 0, first = 0; i < a->n_nodes; i++) {
        t->leaves[(size_t)i * 2] = (int32_t)first;
        first += (uint32_t)t->leaves[(size_t)i * 2 + 1];
    }
    uint32_t *filled = ARENA_ARRAY(mem, uint32_t, a->n_nodes + 1);
    for (uint32_t w = 0; w < a->n_weights; w++) {
        const uint32_t at = (uint32_t)t->leaves[(size_t)leaf[w] * 2] + filled[leaf[w]]++;
        t->weights[at] = a->weight[w];
        t->weight_at[at] = (int32_t)a->weight_target[w];
    }
    return true;
}

bool tree_tables_make(arena *mem, diag *d, const char *where, const tree_attributes *a, tree_tables *out)
{
    if (a->n_nodes > MOST_NODES || a->n_roots > MOST_NODES || a->n_weights >= INT32_MAX)
        return diag_error(d, EXIT_LIMIT, where, "tree-nodes", "the ensemble has more nodes than fit 32-bit indexes");
    *out = (tree_tables){.n_nodes = a->n_nodes, .n_weights = a->n_weights, .mode = TREE_LEAF};
    const size_t n = out->n_nodes;
    maker m = {.diag = d, .where = where, .a = a, .t = out, .reached = ARENA_ARRAY(mem, uint8_t, n),
               .state = ARENA_ARRAY(mem, uint8_t, n)};
    out->depth = ARENA_ARRAY(mem, int32_t, n);
    out->leaves_below = ARENA_ARRAY(mem, double, n);
    out->steps_below = ARENA_ARRAY(mem, double, n);
    out->links = arena_array(mem, n, FIELDS * sizeof(int32_t));
    out->leaves = arena_array(mem, n, 2 * sizeof(int32_t));
    out->values = ARENA_ARRAY(mem, double, n);
    out->weights = ARENA_ARRAY(mem, double, (size_t)a->n_weights + 1);
    out->weight_at = ARENA_ARRAY(mem, int32_t, (size_t)a->n_weights + 1);
    if (!sort_nodes(&m, mem)) return false;
    for (uint32_t i = 0; i < a->n_nodes; i++)
        if (!fill_node(&m, i)) return false;
    if (out->mode == TREE_LEAF) out->mode = TREE_LEQ; /* no branches at all */
    return find_roots(&m, mem) && fill_weights(&m, mem);
}

/* ---- TreeEnsemble-5 ---- */

/* The older attributes under construction. */
typedef struct {
    uint32_t n, cap;
    int64_t *tree, *node, *feature, *if_true, *if_false, *nan_to_true;
    const char **mode;
    double *value;
} node_list;

static node_list node_list_new(arena *mem, uint32_t cap)
{
    return (node_list){.cap = cap, .tree = ARENA_ARRAY(mem, int64_t, cap), .node = ARENA_ARRAY(mem, int64_t, cap),
                       .feature = ARENA_ARRAY(mem, int64_t, cap), .if_true = ARENA_ARRAY(mem, int64_t, cap),
                       .if_false = ARENA_ARRAY(mem, int64_t, cap), .nan_to_true = ARENA_ARRAY(mem, int64_t, cap),
                       .mode = ARENA_ARRAY(mem, const char *, cap), .value = ARENA_ARRAY(mem, double, cap)};
}

static void node_list_add(node_list *l, int64_t node, const char *mode, int64_t feature, double v, int64_t if_true, int64_t if_false, bool track)
{
    const uint32_t i = l->n++;
    l->node[i] = node;
    l->mode[i] = mode;
    l->feature[i] = feature;
    l->value[i] = v;
    l->if_true[i] = if_true;
    l->if_false[i] = if_false;
    l->nan_to_true[i] = track;
}

/* Membership in the set that begins at in->members[*member]: one node for each element; further nodes get numbers from *next. */
static void add_member_node(node_list *l, const tree_attributes_5 *in, uint32_t i, int64_t yes, int64_t no, bool track, uint32_t *member, int64_t *next)
{
    int64_t node = (int64_t)i;
    for (;;) {
        const bool some = *member < in->n_members && in->members[*member] == in->members[*member];
        const double v = some ? in->members[*member] : (double)NAN; /* an empty set: nothing equals NaN */
        if (some) ++*member;
        const bool more = some && *member < in->n_members && in->members[*member] == in->members[*member];
        node_list_add(l, node, "BRANCH_EQ", in->feature[i], v, yes, more ? *next : no, track);
        if (!more) break;
        node = (*next)++;
    }
    ++*member; /* the NaN that ends the set */
}

bool tree_attributes_from_5(arena *mem, diag *d, const char *where, const tree_attributes_5 *in, tree_attributes *out)
{
    static const char *const modes[] = {"BRANCH_LEQ", "BRANCH_LT", "BRANCH_GTE", "BRANCH_GT", "BRANCH_EQ", "BRANCH_NEQ"};
    if ((uint64_t)in->n_nodes + in->n_leaves + in->n_members >= UINT32_MAX)
        return diag_error(d, EXIT_LIMIT, where, "tree-nodes", "the ensemble has more nodes than fit 32-bit indexes");
    node_list l = node_list_new(mem, in->n_nodes + in->n_leaves + in->n_members);
    const int64_t first_leaf = in->n_nodes;
    int64_t next = first_leaf + in->n_leaves;
    uint32_t member = 0;
    for (uint32_t i = 0; i < in->n_nodes; i++) {
        const int64_t yes = sat_add(in->if_true[i], in->true_is_leaf[i] ? first_leaf : 0), no = sat_add(in->if_false[i], in->false_is_leaf[i] ? first_leaf : 0);
        const bool track = in->nan_to_true && in->nan_to_true[i];
        if (in->mode[i] == 6) add_member_node(&l, in, i, yes, no, track, &member, &next);
        else if (in->mode[i] < 6) node_list_add(&l, i, modes[in->mode[i]], in->feature[i], in->split[i], yes, no, track);
        else return diag_error(d, EXIT_INVALID, where, "tree-nodes", "node %u has the unknown mode %d", i, in->mode[i]);
    }
    int64_t *leaf_node = ARENA_ARRAY(mem, int64_t, (size_t)in->n_leaves + 1);
    for (uint32_t i = 0; i < in->n_leaves; i++) {
        leaf_node[i] = first_leaf + i;
        node_list_add(&l, leaf_node[i], "LEAF", 0, 0, 0, 0, false);
    }
    *out = (tree_attributes){.n_nodes = l.n, .n_weights = in->n_leaves, .tree = l.tree, .node = l.node, .feature = l.feature, .if_true = l.if_true,
                             .if_false = l.if_false, .mode = l.mode, .value = l.value, .nan_to_true = l.nan_to_true,
                             .weight_tree = ARENA_ARRAY(mem, int64_t, (size_t)in->n_leaves + 1), .weight_node = leaf_node,
                             .weight_target = in->leaf_target, .weight = in->leaf_weight, .root = in->root, .n_roots = in->n_roots,
                             .features = in->features, .targets = in->targets};
    return true;
}
