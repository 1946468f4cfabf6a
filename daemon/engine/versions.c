/* On which versions of pathways open episodes run: asked when a version goes, or cannot be loaded, and not otherwise. One
 * look at every subject with an open episode, in the index and in what it does not say yet. */
#include "engine/inside.h"

#include "base/limits.h"

struct counting {
    uint64_t *counts;
    uint32_t most;
};

static void count_record(const struct counting *c, const Handoff__V1__PatientRecord *record)
{
    for (size_t i = 0; i < record->n_episodes; i++)
        if (record->episodes[i]->pathway < c->most) c->counts[record->episodes[i]->pathway]++;
}

static int count_subject(struct engine *e, const struct counting *c, const struct patient_key *key)
{
    struct found found;
    Handoff__V1__PatientRecord *record = NULL;
    size_t mark = arena_used(e->arena);
    int code = lookup_committed(e, key, &found);
    bool has_open = !code && found.row.sequence && (found.row.flags & ENTRY_HAS_OPEN_EPISODE);
    if (has_open) code = lookup_record(e, &found, e->arena, &record);
    if (!code && record) count_record(c, record);
    arena_rewind(e->arena, mark);
    return code;
}

/* Those that the index does not know yet. */
static int count_changes(struct engine *e, const struct counting *c, const struct changes *of, const struct changes *newer)
{
    int code = 0;
    for (uint32_t i = 0; i < of->count && !code; i++) {
        struct index_row row;
        const struct patient_key *key = &of->rows[i].key;
        if (newer && changes_find(newer, key)) continue;
        if (e->options.index->ops->get(e->index_reader, key, &row) == INDEX_E_NOT_FOUND) code = count_subject(e, c, key);
    }
    return code;
}

static int count_indexed(struct engine *e, const struct counting *c)
{
    struct patient_key key;
    struct index_row row;
    int code = e->options.index->ops->subject_next(e->index_reader, NULL, &key, &row);
    while (!code) {
        struct patient_key after = key;
        code = count_subject(e, c, &key);
        if (!code) code = e->options.index->ops->subject_next(e->index_reader, &after, &key, &row);
    }
    return code == INDEX_E_NOT_FOUND ? 0 : code;
}

int engine_count_episodes(struct engine *e, uint64_t *counts, uint32_t most)
{
    struct counting c = {counts, most};
    bool was_reading = e->is_reading;
    int code = reading_begin(e);
    if (!code) code = count_indexed(e, &c);
    if (!code) code = count_changes(e, &c, e->active, NULL);
    if (!code) code = count_changes(e, &c, e->frozen, e->active);
    if (!was_reading && !e->is_in_turn) reading_end(e);
    return code;
}
