/* Has this event been here before? The record remembers the newest sixteen; older ones are found along the chain of
 * the subject's entries, which is walked only when the event is as old as what the record forgot. */
#include "engine/inside.h"

#include "core/calendar.h"

static Handoff__V1__Event *unpack(struct engine *e, struct bytes bytes)
{
    return handoff__v1__event__unpack(arena_protobuf(e->arena), bytes.len, bytes.data);
}

static bool has_id_of(struct engine *e, const struct entry *entry, const Handoff__V1__Event *event)
{
    if (entry->kind != ENTRY_EVENT) return false;
    size_t mark = arena_used(e->arena);
    const Handoff__V1__Event *first = unpack(e, entry->input);
    bool is_it = first && strcmp(first->id, event->id) == 0 && strcmp(first->source, event->source) == 0;
    arena_rewind(e->arena, mark);
    return is_it;
}

/* An event is not accepted more than a day before it occurs: what was written earlier cannot be its first. */
static int walk_chain(struct engine *e, uint64_t newest, const Handoff__V1__Event *event, struct entry *ret_first)
{
    uint64_t sequence = newest;
    while (sequence) {
        struct entry entry;
        int code = lookup_sequence(e, sequence, &entry);
        if (code) return code;
        if (entry.time_ms < event->occurred_at_ms - MS_PER_DAY) return 0;
        if (has_id_of(e, &entry, event)) {
            *ret_first = entry;
            return 1;
        }
        sequence = entry.prev_sequence; /* each is smaller than the one before (checked when it was written) */
    }
    return 0;
}

int repeat_find(struct engine *e, const Handoff__V1__PatientRecord *record, uint64_t newest, uint64_t hash,
                const Handoff__V1__Event *event, struct entry *ret_first)
{
    uint64_t sequence = 0;
    struct entry first;
    switch (step_seen(record, hash, event->occurred_at_ms, &sequence)) {
    case SEEN_NEW:
        return 0;
    case SEEN_BEFORE: {
        int code = lookup_sequence(e, sequence, &first);
        if (code) return code;
        if (!has_id_of(e, &first, event)) return 0; /* two ids with one hash */
        *ret_first = first;
        return 1;
    }
    case SEEN_MAYBE:
        return walk_chain(e, newest, event, ret_first);
    }
    return 0;
}

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
