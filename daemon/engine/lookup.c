/* Where a subject's newest record is: this batch -> the one being committed -> active changes -> frozen changes -> index
 * (or its rows that are remembered) -> journal.
 *
 * A frozen change counts for more than the index even while it is being written there; once it is written, the next
 * snapshot of the index has it, and only then are the frozen changes let go (sweep.c). */
#include "engine/inside.h"

#include <assert.h>
#include "base/limits.h"
#include "base/stored.h"

int reading_begin(struct engine *e)
{
    if (e->is_reading) return 0;
    if (!e->journal_reader || !e->index_reader) return ENGINE_E_STOPPED; /* closed, and did not open again */
    int code = e->options.journal->ops->read_begin(e->journal_reader);
    if (code) {
        if (!e->is_stopped) /* why it stopped tells more */
            engine_say(e, "the journal cannot be read: %s", journal_error(code));
        return ENGINE_E_DAMAGED;
    }
    code = e->options.index->ops->read_begin(e->index_reader);
    if (code) {
        e->options.journal->ops->read_end(e->journal_reader);
        engine_say(e, "the index cannot be read: %s", index_error(code));
        return ENGINE_E_INDEX;
    }
    e->is_reading = true;
    return 0;
}

void reading_end(struct engine *e)
{
    if (!e->is_reading) return;
    e->options.index->ops->read_end(e->index_reader);
    e->options.journal->ops->read_end(e->journal_reader);
    e->is_reading = false;
}

static int lookup_index(struct engine *e, const struct patient_key *key, struct found *found)
{
    if (!places_get(&e->places, key, &found->row)) {
        int code = reading_begin(e);
        if (code) return code;
        code = e->options.index->ops->get(e->index_reader, key, &found->row);
        if (code == INDEX_E_NOT_FOUND) return 0;
        if (code) {
            engine_say(e, "the index cannot be read: %s", index_error(code));
            return ENGINE_E_INDEX;
        }
        places_put(&e->places, key, &found->row);
    }
    found->unlodge_at_ms = found->row.lodged_at_ms;
    found->is_unknown_to_memory = true;
    return 0;
}

static const struct found nothing = {.row = {.due_at_ms = NO_DUE, .lodged_at_ms = NO_DUE}, .unlodge_at_ms = NO_DUE};

int lookup_committed(struct engine *e, const struct patient_key *key, struct found *ret_found)
{
    const struct index_change *change = changes_find(e->active, key);
    if (!change) return lookup_before_changes(e, key, ret_found);
    *ret_found = nothing;
    ret_found->row = change->row;
    ret_found->unlodge_at_ms = change->unlodge_at_ms;
    return 0;
}

int lookup_before_changes(struct engine *e, const struct patient_key *key, struct found *ret_found)
{
    *ret_found = nothing;
    const struct index_change *change = changes_find(e->frozen, key);
    if (!change) return lookup_index(e, key, ret_found);
    ret_found->row = change->row;
    ret_found->unlodge_at_ms = change->row.lodged_at_ms;
    return 0;
}

int lookup_subject(struct engine *e, const struct patient_key *key, struct found *ret_found)
{
    const struct index_change *change = changes_find(&e->deciding->overlay, key);
    if (!change && e->committing) change = changes_find(&e->committing->overlay, key);
    if (!change) return lookup_committed(e, key, ret_found);
    *ret_found = nothing;
    ret_found->row = change->row;
    ret_found->unlodge_at_ms = change->unlodge_at_ms;
    return 0;
}

int lookup_batch(struct engine *e, uint64_t batch_sequence, struct bytes *ret_blob)
{
    int code = reading_begin(e);
    if (code) return code;
    code = e->options.journal->ops->read(e->journal_reader, batch_sequence, ret_blob);
    return code ? engine_say_damaged(e, batch_sequence, journal_error(code)) : 0;
}

/* An entry has a checksum of its own. The batch's frame is not opened: its two ends are cold memory. */
static int entry_of_batch(struct engine *e, struct bytes blob, const struct index_row *row, struct entry *ret_entry)
{
    int code = batch_entry_alone(blob, row->offset, ret_entry);
    if (code) return engine_say_damaged(e, row->batch_sequence, entry_error(code));
    if (ret_entry->sequence != row->sequence)
        return engine_say_damaged(e, row->batch_sequence, "the index names another entry");
    return 0;
}

int lookup_entry(struct engine *e, const struct index_row *row, struct entry *ret_entry)
{
    struct bytes blob;
    int code = lookup_batch(e, row->batch_sequence, &blob);
    return code ? code : entry_of_batch(e, blob, row, ret_entry);
}

/* An entry that is decided and not committed; NULL: there is none. */
static const struct entry *entry_decided(const struct engine *e, uint64_t sequence)
{
    const struct batch *const batches[] = {e->deciding, e->committing};
    for (size_t i = 0; i < 2; i++)
        if (batches[i] && sequence >= batches[i]->first_sequence &&
            sequence - batches[i]->first_sequence < batches[i]->entry_count)
            return &batches[i]->entries[sequence - batches[i]->first_sequence];
    return NULL;
}

int lookup_sequence(struct engine *e, uint64_t sequence, struct entry *ret_entry)
{
    if (sequence > e->last_sequence) {
        const struct entry *entry = entry_decided(e, sequence);
        if (!entry) return engine_say_damaged(e, sequence, "there is no such entry");
        *ret_entry = *entry;
        return 0;
    }
    uint64_t first;
    uint32_t offset;
    struct bytes blob;
    struct batch_view view;
    int code = reading_begin(e);
    if (code) return code;
    code = e->options.journal->ops->find(e->journal_reader, sequence, &first, &blob);
    if (code) return engine_say_damaged(e, sequence, journal_error(code));
    code = batch_open(blob, &view);
    if (!code) code = batch_find(&view, sequence, &offset);
    if (!code) code = batch_entry(&view, offset, ret_entry, NULL);
    return code ? engine_say_damaged(e, sequence, entry_error(code)) : 0;
}

int lookup_record(struct engine *e, const struct found *found, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record)
{
    return lookup_record_without(e, found, NULL, arena, ret_record);
}

int lookup_record_without(struct engine *e, const struct found *found, const struct stored_fields *without,
                          struct arena *arena, Handoff__V1__PatientRecord **ret_record)
{
    struct entry entry;
    *ret_record = NULL;
    if (!found->row.sequence) return 0;
    bool is_decided = found->row.sequence > e->last_sequence;
    int code = is_decided ? lookup_sequence(e, found->row.sequence, &entry) : lookup_entry(e, &found->row, &entry);
    if (code || !entry.record.len) return code;
    const ProtobufCMessageDescriptor *kind = &handoff__v1__patient_record__descriptor;
    *ret_record = without ? stored_unpack_without(kind, entry.record, without, arena)
                          : stored_unpack_kept(kind, entry.record, arena);
    return *ret_record ? 0 : engine_say_damaged(e, found->row.batch_sequence, "a record does not unpack");
}

/* --- for retractions and merges --------------------------------------------------------------------------------- */

static int chain_entry(void *context, uint64_t sequence, struct entry *ret_entry)
{
    return lookup_sequence(context, sequence, ret_entry);
}

static int chain_seek(void *context, const struct patient_key *key, uint64_t newest, const char *source, const char *id,
                      struct entry *ret_entry)
{
    return repeat_seek(context, key, newest, source, id, ret_entry);
}

static int chain_newest_of(void *context, const struct patient_key *key, struct entry *ret_entry)
{
    struct found found;
    int code = lookup_subject(context, key, &found);
    *ret_entry = (struct entry){0};
    return code || !found.row.sequence ? code : lookup_sequence(context, found.row.sequence, ret_entry);
}

struct chains_read lookup_chains(struct engine *e)
{
    return (struct chains_read){.context = e,
                                .arena = e->arena,
                                .hash_key = e->hash_key,
                                .entry = chain_entry,
                                .seek = chain_seek,
                                .newest = chain_newest_of};
}
