/* A treap with counted, shared nodes. See snapshot_map.h.
 *
 * A treap keeps keys in order and priorities in heap order; with priorities that look random it is as deep as
 * the logarithm of its size. Ours are a hash of the key: the shape depends on the content alone, and a
 * simulation that runs twice allocates twice the same. */
#include "store/snapshot_map.h"

#include <stdatomic.h>
#include <stdlib.h>

struct map_node {
    _Atomic uint32_t holders;
    uint64_t priority;
    struct map_key key;
    struct index_row row;
    struct map_node *left, *right;
};

static int compare(const struct map_key *a, const struct map_key *b)
{
    return memcmp(a->bytes, b->bytes, MAP_KEY_BYTES);
}

static uint64_t priority_of(const struct map_key *key)
{
    uint64_t hash = 0x9e3779b97f4a7c15u;
    for (int i = 0; i < MAP_KEY_BYTES; i += 8) {
        hash = (hash ^ load_u64(key->bytes + i)) * 0xff51afd7ed558ccdu;
        hash ^= hash >> 32;
    }
    return hash;
}

struct map_node *map_hold(struct map_node *root)
{
    if (root) atomic_fetch_add(&root->holders, 1);
    return root;
}

void map_release(struct map_node *root)
{
    if (!root || atomic_fetch_sub(&root->holders, 1) != 1) return;
    map_release(root->left);
    map_release(root->right);
    free(root);
}

/* Makes *at a node that only this version holds. Called from the root down, so a node with one holder is
 * reached by this version alone. */
static struct map_node *own(struct map_node **at, bool *is_exhausted)
{
    struct map_node *shared = *at;
    if (atomic_load(&shared->holders) == 1) return shared;
    struct map_node *copy = malloc(sizeof *copy);
    if (!copy) {
        *is_exhausted = true;
        return NULL;
    }
    *copy = (struct map_node){1,           shared->priority,       shared->key,
                              shared->row, map_hold(shared->left), map_hold(shared->right)};
    map_release(shared);
    return *at = copy;
}

/* --- changing ------------------------------------------------------------------------------------------- */

/* Splits *root, which becomes empty, into what is below the key and what is above it. */
static void split(struct map_node **root, const struct map_key *key, struct map_node **ret_below,
                  struct map_node **ret_above, bool *is_exhausted)
{
    *ret_below = *ret_above = NULL;
    if (!*root) return;
    struct map_node *node = own(root, is_exhausted), *inner;
    if (!node) return;
    *root = NULL;
    if (compare(&node->key, key) < 0) {
        split(&node->right, key, &inner, ret_above, is_exhausted);
        if (!node->right) node->right = inner;
        *ret_below = node;
    } else {
        split(&node->left, key, ret_below, &inner, is_exhausted);
        if (!node->left) node->left = inner;
        *ret_above = node;
    }
}

/* Joins two maps of which the first lies wholly below the second. */
static struct map_node *join(struct map_node *below, struct map_node *above, bool *is_exhausted)
{
    if (!below) return above;
    if (!above) return below;
    bool is_below_on_top = below->priority > above->priority;
    struct map_node **top = is_below_on_top ? &below : &above;
    struct map_node *node = own(top, is_exhausted);
    if (!node) {
        map_release(is_below_on_top ? above : below);
        return *top;
    }
    if (is_below_on_top)
        node->right = join(node->right, above, is_exhausted);
    else
        node->left = join(below, node->left, is_exhausted);
    return node;
}

static void place(struct map_node **at, const struct map_key *key, const struct index_row *row,
                  uint64_t priority, bool *is_exhausted)
{
    struct map_node *fresh = malloc(sizeof *fresh);
    if (!fresh) {
        *is_exhausted = true;
        return;
    }
    *fresh = (struct map_node){1, priority, *key, *row, NULL, NULL};
    split(at, key, &fresh->left, &fresh->right, is_exhausted);
    map_release(*at); /* empty, unless memory ran out */
    *at = fresh;
}

void map_put(struct map_node **root, const struct map_key *key, const struct index_row *row,
             bool *is_exhausted)
{
    uint64_t priority = priority_of(key);
    bool is_there = false;
    const struct map_node *found = map_seek(*root, key, false);
    if (found) is_there = compare(&found->key, key) == 0;
    struct map_node **at = root;
    while (*at && (is_there || (*at)->priority >= priority)) {
        struct map_node *node = own(at, is_exhausted);
        if (!node) return;
        int order = compare(key, &node->key);
        if (order == 0) {
            node->row = *row;
            return;
        }
        at = order < 0 ? &node->left : &node->right;
    }
    place(at, key, row, priority, is_exhausted);
}

void map_remove(struct map_node **root, const struct map_key *key, bool *is_exhausted)
{
    const struct map_node *found = map_seek(*root, key, false);
    if (!found || compare(&found->key, key) != 0) return;
    struct map_node **at = root;
    int order;
    do {
        struct map_node *node = own(at, is_exhausted);
        if (!node) return;
        order = compare(key, &node->key);
        if (order) at = order < 0 ? &node->left : &node->right;
    } while (order);
    struct map_node *removed = *at;
    *at = join(removed->left, removed->right, is_exhausted);
    removed->left = removed->right = NULL;
    map_release(removed);
}

/* --- looking -------------------------------------------------------------------------------------------- */

const struct map_node *map_seek(const struct map_node *root, const struct map_key *key, bool is_after)
{
    const struct map_node *best = NULL;
    while (root) {
        int order = compare(&root->key, key);
        bool is_wanted = is_after ? order > 0 : order >= 0;
        if (is_wanted) best = root;
        root = is_wanted ? root->left : root->right;
    }
    return best;
}

const struct map_key *map_node_key(const struct map_node *node)
{
    return &node->key;
}

const struct index_row *map_node_row(const struct map_node *node)
{
    return &node->row;
}
