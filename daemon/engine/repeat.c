/* Has this event been here before? The record remembers the newest sixteen; older ones are found along the chain of
 * the subject's entries, which is asked only when the event is as old as what the record forgot. A short one is walked;
 * a long one is walked once and then found by hash (chain.h). */
#include "engine/inside.h"

#include "core/calendar.h"

static Handoff__V1__Event *unpack(struct engine *e, struct bytes bytes)
{
    return handoff__v1__event__unpack(arena_protobuf(e->arena), bytes.len, bytes.data);
}

/* An entry's event: its own, or the one that a site shares with the patient. NULL: it has none, or does not unpack. */
static const Handoff__V1__Event *event_of(struct engine *e, const struct entry *entry)
{
    if (entry->kind == ENTRY_EVENT) return unpack(e, entry->input);
    const Handoff__V1__CommandInput *command =
        entry->kind == ENTRY_COMMAND
            ? handoff__v1__command_input__unpack(arena_protobuf(e->arena), entry->input.len, entry->input.data)
            : NULL;
    bool is_shared = command && command->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT;
    return is_shared ? command->shared_event->event : NULL;
}

static bool has_id_of(struct engine *e, const struct entry *entry, const Handoff__V1__Event *event)
{
    if (entry->kind != ENTRY_EVENT && entry->kind != ENTRY_COMMAND) return false;
    size_t mark = arena_used(e->arena);
    const Handoff__V1__Event *first = event_of(e, entry);
    bool is_it = first && strcmp(first->id, event->id) == 0 && strcmp(first->source, event->source) == 0;
    arena_rewind(e->arena, mark);
    return is_it;
}

/* --- along the chain ------------------------------------------------------------------------------------------------ */

enum { CHAIN_LONG = 64 }; /* entries walked; from there on a chain is worth remembering */

/* An event is not accepted more than a day before it occurs: what was written earlier cannot be its first. That holds for
 * what was written by a clock that was right, so not for entries up to the last acceptance of a jump. 0, 1, or an error. */
static int ends_walk(struct engine *e, const struct entry *entry, const struct repeat_question *q)
{
    struct patient_key key;
    struct found accepted;
    const struct clock *clock = e->options.clock;
    if (entry->time_ms >= q->event->occurred_at_ms - MS_PER_DAY || clock->is_adrift) return 0;
    if (clock->kind != CLOCK_KIND_SYSTEM) return 1; /* it cannot jump */
    subject_key(e->hash_key, SUBJECT_IS_FOLDER, SUBJECT_CLOCK, &key);
    int code = lookup_subject(e, &key, &accepted);
    return code ? code : entry->sequence > accepted.row.sequence;
}

static int walk_chain(struct engine *e, const struct repeat_question *q, struct entry *ret_first, uint32_t *ret_walked)
{
    uint64_t sequence = q->newest;
    while (sequence) {
        struct entry entry;
        int code = lookup_sequence(e, sequence, &entry);
        if (code) return code;
        int ends = ends_walk(e, &entry, q);
        if (ends) return ends < 0 ? ends : 0;
        if (has_id_of(e, &entry, q->event)) {
            *ret_first = entry;
            return 1;
        }
        ++*ret_walked;
        sequence = entry.prev_sequence; /* each is smaller than the one before (checked when it was written) */
    }
    return 0;
}

static bool remember_entry(struct engine *e, struct chain *chain, const struct entry *entry)
{
    if (entry->kind != ENTRY_EVENT && entry->kind != ENTRY_COMMAND) return true;
    size_t mark = arena_used(e->arena);
    const Handoff__V1__Event *event = event_of(e, entry);
    bool is_kept = event ? chain_add(chain, subject_event_hash(e->hash_key, event->source, event->id), entry->sequence)
                         : entry->kind == ENTRY_COMMAND;
    arena_rewind(e->arena, mark);
    return is_kept;
}

/* Adds what the chain has grown by since. When that cannot be, the chain is walked as before. */
static int extend_chain(struct engine *e, struct chain *chain, uint64_t newest)
{
    uint64_t sequence = newest;
    while (sequence > chain_newest(chain)) {
        struct entry entry;
        int code = lookup_sequence(e, sequence, &entry);
        if (code) {
            chain_forget(chain);
            return code;
        }
        if (!remember_entry(e, chain, &entry)) {
            chain_give_up(chain);
            return 0;
        }
        sequence = entry.prev_sequence;
    }
    chain_reach(chain, newest);
    return 0;
}

static int look_up(struct engine *e, const struct chain *chain, const struct repeat_question *q, struct entry *ret_first)
{
    uint32_t at = 0;
    for (uint64_t sequence; (sequence = chain_next(chain, q->hash, &at));) {
        int code = lookup_sequence(e, sequence, ret_first);
        if (code) return code;
        if (has_id_of(e, ret_first, q->event)) return 1;
    }
    return 0;
}

static int find_in_chain(struct engine *e, const struct repeat_question *q, struct entry *ret_first)
{
    uint32_t walked = 0;
    struct chain *chain = chains_find(e->chains, q->key);
    if (chain && chain_newest(chain) && !extend_chain(e, chain, q->newest) && chain_newest(chain))
        return look_up(e, chain, q, ret_first);
    int found = walk_chain(e, q, ret_first, &walked);
    if (chain) chain_walked(chain, walked);
    if (found >= 0 && walked >= CHAIN_LONG && !chain) extend_chain(e, chains_begin(e->chains, q->key), q->newest);
    return found; /* whatever became of remembering it */
}

/* Its own, and those of the patients that became this one. */
static int find_in_chains(struct engine *e, const struct repeat_question *q, struct entry *ret_first)
{
    int found = find_in_chain(e, q, ret_first);
    for (size_t i = 0; !found && i < q->record->n_merged; i++) {
        const Handoff__V1__MergedPatient *merged = q->record->merged[i];
        struct patient_key key;
        if (merged->key.len != PATIENT_KEY_BYTES) continue;
        memcpy(key.bytes, merged->key.data, PATIENT_KEY_BYTES);
        found = find_in_chain(e, &(struct repeat_question){&key, q->record, merged->sequence, q->hash, q->event}, ret_first);
    }
    return found;
}

int repeat_seek(struct engine *e, const struct patient_key *key, uint64_t newest, const char *source, const char *id,
                struct entry *ret_entry)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT; /* occurred at 0: the chain is walked to its beginning */
    event.source = (char *)(uintptr_t)source;
    event.id = (char *)(uintptr_t)id;
    struct repeat_question q = {key, NULL, newest, subject_event_hash(e->hash_key, source, id), &event};
    return find_in_chain(e, &q, ret_entry);
}

/* Another's hash may be alike: one event in some 60,000. Its chain is not walked for that, which may be long and cold. */
int repeat_find(struct engine *e, const struct repeat_question *q, struct entry *ret_first)
{
    uint64_t sequence = 0;
    enum seen seen;
    for (size_t at = 0; (seen = step_seen(q->record, q->hash, q->event->occurred_at_ms, &at, &sequence)) == SEEN_BEFORE;) {
        int code = lookup_sequence(e, sequence, ret_first);
        if (code) return code;
        if (has_id_of(e, ret_first, q->event)) return 1;
    }
    return seen == SEEN_MAYBE ? find_in_chains(e, q, ret_first) : 0;
}

/* --- the same content? ---------------------------------------------------------------------------------------------- */

static struct bytes repack(struct engine *e, struct bytes bytes)
{
    const Handoff__V1__Event *event = unpack(e, bytes);
    if (!event) return bytes;
    size_t len = handoff__v1__event__get_packed_size(event);
    uint8_t *packed = arena_alloc(e->arena, len);
    handoff__v1__event__pack(event, packed);
    return (struct bytes){packed, len};
}

static bool is_equal(struct bytes a, struct bytes b)
{
    return a.len == b.len && memcmp(a.data, b.data, a.len) == 0;
}

/* Another client library may write the same fields in another order. */
bool repeat_is_same(struct engine *e, struct bytes first, struct bytes again)
{
    if (is_equal(first, again)) return true;
    return is_equal(repack(e, first), repack(e, again));
}
