/* The index in memory: four sorted maps, one version of them at a time (see snapshot_map.h).
 *
 * A transaction changes a version of its own and then takes the place of the one before, so it is applied
 * wholly or, when memory runs out, not at all. A reader holds the version that was there when it began. */
#include "store/index.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/snapshot_map.h"

enum map_name { MAP_SUBJECT, MAP_DUE, MAP_WORK, MAP_RULES, MAP_COUNT };

struct version {
    struct map_node *maps[MAP_COUNT];
};

struct memory_index {
    struct index base;
    pthread_mutex_t lock; /* guards current and indexed_sequence */
    struct version current;
    uint64_t indexed_sequence;
};

struct index_reader {
    struct memory_index *index;
    struct version version;
};

static struct memory_index *of(struct index *x)
{
    return (struct memory_index *)x;
}

static struct version hold_current(struct memory_index *m)
{
    struct version held;
    pthread_mutex_lock(&m->lock);
    for (int i = 0; i < MAP_COUNT; i++) held.maps[i] = map_hold(m->current.maps[i]);
    pthread_mutex_unlock(&m->lock);
    return held;
}

static void release(struct version *version)
{
    for (int i = 0; i < MAP_COUNT; i++) map_release(version->maps[i]);
    *version = (struct version){{NULL}};
}

/* --- keys ----------------------------------------------------------------------------------------------- */

static struct map_key subject_key(const struct patient_key *key)
{
    struct map_key made = {{0}};
    if (key) memcpy(made.bytes, key->bytes, PATIENT_KEY_BYTES);
    return made;
}

/* With the sign flipped, times before 1970 sort before those after it. */
static struct map_key due_key(int64_t due_at_ms, const struct patient_key *key)
{
    struct map_key made = {{0}};
    store_be64(made.bytes, (uint64_t)due_at_ms ^ ((uint64_t)1 << 63));
    if (key) memcpy(made.bytes + 8, key->bytes, PATIENT_KEY_BYTES);
    return made;
}

static struct map_key rules_key(uint64_t sequence)
{
    struct map_key made = {{0}};
    store_be64(made.bytes, sequence);
    return made;
}

/* --- writing -------------------------------------------------------------------------------------------- */

static void apply_change(struct version *v, const struct index_change *change, bool *is_exhausted)
{
    static const struct index_row no_row;
    struct map_key subject = subject_key(&change->key);
    map_put(&v->maps[MAP_SUBJECT], &subject, &change->row, is_exhausted);
    if (change->row.flags & ENTRY_HAS_OPEN_WORK)
        map_put(&v->maps[MAP_WORK], &subject, &no_row, is_exhausted);
    else
        map_remove(&v->maps[MAP_WORK], &subject, is_exhausted);
}

static void apply_rules(struct version *v, const uint64_t *sequences, size_t count, bool *is_exhausted)
{
    static const struct index_row no_row;
    for (size_t i = 0; i < count; i++) {
        struct map_key key = rules_key(sequences[i]);
        map_put(&v->maps[MAP_RULES], &key, &no_row, is_exhausted);
    }
}

/* The version takes the current one's place, unless memory was not enough for it. */
static int make_current(struct memory_index *m, struct version *next, bool is_exhausted, uint64_t indexed_sequence)
{
    if (is_exhausted) {
        release(next);
        return INDEX_E_MEMORY;
    }
    pthread_mutex_lock(&m->lock);
    struct version previous = m->current;
    m->current = *next;
    if (indexed_sequence) m->indexed_sequence = indexed_sequence;
    pthread_mutex_unlock(&m->lock);
    release(&previous);
    return 0;
}

static int memory_lodge(struct index *x, const struct index_due *dues, size_t count, bool is_out)
{
    static const struct index_row no_row;
    bool is_exhausted = false;
    struct version next = hold_current(of(x));
    for (size_t i = 0; i < count && !is_exhausted; i++) {
        struct map_key key = due_key(dues[i].at_ms, &dues[i].key);
        if (is_out)
            map_remove(&next.maps[MAP_DUE], &key, &is_exhausted);
        else
            map_put(&next.maps[MAP_DUE], &key, &no_row, &is_exhausted);
    }
    return make_current(of(x), &next, is_exhausted, 0);
}

static int memory_apply(struct index *x, const struct index_change *changes, size_t count,
                        const uint64_t *rules_sequences, size_t rules_count, uint64_t indexed_sequence)
{
    struct memory_index *m = of(x);
    bool is_exhausted = false;
    struct version next = hold_current(m);
    for (size_t i = 0; i < count && !is_exhausted; i++) apply_change(&next, &changes[i], &is_exhausted);
    apply_rules(&next, rules_sequences, rules_count, &is_exhausted);
    return make_current(m, &next, is_exhausted, indexed_sequence);
}

static uint64_t memory_indexed_sequence(const struct index *x)
{
    struct memory_index *m = of((struct index *)x);
    pthread_mutex_lock(&m->lock);
    uint64_t sequence = m->indexed_sequence;
    pthread_mutex_unlock(&m->lock);
    return sequence;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int memory_reader_new(struct index *x, struct index_reader **ret_reader)
{
    struct index_reader *r = calloc(1, sizeof *r);
    if (!r) return INDEX_E_MEMORY;
    r->index = of(x);
    *ret_reader = r;
    return 0;
}

static void memory_reader_free(struct index_reader *r)
{
    free(r);
}

static int memory_read_begin(struct index_reader *r)
{
    r->version = hold_current(r->index);
    return 0;
}

static void memory_read_end(struct index_reader *r)
{
    release(&r->version);
}

static int memory_get(struct index_reader *r, const struct patient_key *key, struct index_row *ret_row)
{
    struct map_key wanted = subject_key(key);
    const struct map_node *found = map_seek(r->version.maps[MAP_SUBJECT], &wanted, false);
    if (!found || memcmp(map_node_key(found), &wanted, sizeof wanted) != 0) return INDEX_E_NOT_FOUND;
    *ret_row = *map_node_row(found);
    return 0;
}

static int memory_due_next(struct index_reader *r, int64_t after_ms, const struct patient_key *after_key,
                           int64_t *ret_due_at_ms, struct patient_key *ret_key)
{
    struct map_key after = due_key(after_ms, after_key);
    const struct map_node *found = map_seek(r->version.maps[MAP_DUE], &after, after_key != NULL);
    if (!found) return INDEX_E_NOT_FOUND;
    const uint8_t *key = map_node_key(found)->bytes;
    *ret_due_at_ms = (int64_t)(load_be64(key) ^ ((uint64_t)1 << 63));
    memcpy(ret_key->bytes, key + 8, PATIENT_KEY_BYTES);
    return 0;
}

static const struct map_node *next_subject(const struct map_node *root, const struct patient_key *after,
                                           struct patient_key *ret_key)
{
    struct map_key key = subject_key(after);
    const struct map_node *found = map_seek(root, &key, after != NULL);
    if (found) memcpy(ret_key->bytes, map_node_key(found)->bytes, PATIENT_KEY_BYTES);
    return found;
}

static int memory_subject_next(struct index_reader *r, const struct patient_key *after,
                               struct patient_key *ret_key, struct index_row *ret_row)
{
    const struct map_node *found = next_subject(r->version.maps[MAP_SUBJECT], after, ret_key);
    if (!found) return INDEX_E_NOT_FOUND;
    *ret_row = *map_node_row(found);
    return 0;
}

static int memory_work_next(struct index_reader *r, const struct patient_key *after,
                            struct patient_key *ret_key)
{
    return next_subject(r->version.maps[MAP_WORK], after, ret_key) ? 0 : INDEX_E_NOT_FOUND;
}

static int memory_rules_next(struct index_reader *r, uint64_t after, uint64_t *ret_sequence)
{
    struct map_key key = rules_key(after);
    const struct map_node *found = map_seek(r->version.maps[MAP_RULES], &key, true);
    if (!found) return INDEX_E_NOT_FOUND;
    *ret_sequence = load_be64(map_node_key(found)->bytes);
    return 0;
}

/* --- opening and closing -------------------------------------------------------------------------------- */

static void memory_close(struct index *x)
{
    struct memory_index *m = of(x);
    release(&m->current);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct index_ops memory_ops = {
    .apply = memory_apply,
    .lodge = memory_lodge,
    .indexed_sequence = memory_indexed_sequence,
    .reader_new = memory_reader_new,
    .reader_free = memory_reader_free,
    .read_begin = memory_read_begin,
    .read_end = memory_read_end,
    .get = memory_get,
    .due_next = memory_due_next,
    .subject_next = memory_subject_next,
    .work_next = memory_work_next,
    .rules_next = memory_rules_next,
    .close = memory_close,
};

int index_memory_open(struct index **ret_index)
{
    struct memory_index *m = calloc(1, sizeof *m);
    if (!m) return INDEX_E_MEMORY;
    m->base.ops = &memory_ops;
    pthread_mutex_init(&m->lock, NULL);
    *ret_index = &m->base;
    return 0;
}
