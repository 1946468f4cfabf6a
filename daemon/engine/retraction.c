/* What an event.retracted takes back: the entry of the event that it names, the records before and after it, and what
 * was disclosed because of it, then or later, through the episodes that it opened. Along the patient's chain, and along
 * those of the patients that became this one. An event of the site that the patient was told of stands there as well. */
#include "engine/chains_read.h"

#include "base/limits.h"
#include "core/message.h"
#include "core/seen.h"

enum { DISCLOSURES_MAX = 64 };

static void *unpack(const struct chains_read *from, const ProtobufCMessageDescriptor *d, struct bytes bytes)
{
    return protobuf_c_message_unpack(d, arena_protobuf(from->arena), bytes.len, bytes.data);
}

static const Handoff__V1__PatientRecord *record_of(const struct chains_read *from, const struct entry *entry)
{
    return entry->record.len ? unpack(from, &handoff__v1__patient_record__descriptor, entry->record) : NULL;
}

/* --- the event ------------------------------------------------------------------------------------------------ */
struct sought {
    const char *source, *id;
    struct entry entry;
    bool is_found, is_elsewhere;
};

/* An entry's event: its own, or the one that a site shares with the patient. NULL: it has none, or does not unpack. */
static const Handoff__V1__Event *event_of(const struct chains_read *from, const struct entry *entry)
{
    if (entry->kind == ENTRY_EVENT) return unpack(from, &handoff__v1__event__descriptor, entry->input);
    const Handoff__V1__CommandInput *command =
        entry->kind == ENTRY_COMMAND ? unpack(from, &handoff__v1__command_input__descriptor, entry->input) : NULL;
    bool is_shared = command && command->body_case == HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT;
    return is_shared ? command->shared_event->event : NULL;
}

static bool is_sought(const struct chains_read *from, const struct entry *entry, const struct sought *s)
{
    size_t mark = arena_used(from->arena);
    const Handoff__V1__Event *event = event_of(from, entry);
    bool is = event && strcmp(event->id, s->id) == 0 && strcmp(event->source, s->source) == 0;
    arena_rewind(from->arena, mark);
    return is;
}

static int seek_in_seen(const struct chains_read *from, const Handoff__V1__PatientRecord *record, struct sought *s)
{
    uint64_t hash = subject_event_hash(from->hash_key, s->source, s->id);
    for (size_t i = 0; i < record->n_seen && !s->is_found; i++) {
        if (!seen_fits(record->seen[i], hash)) continue;
        int code = from->entry(from->context, seen_sequence(record->seen[i]), &s->entry);
        if (code) return code;
        s->is_found = is_sought(from, &s->entry, s);
    }
    return 0;
}

static int walk_along(const struct chains_read *from, uint64_t newest, struct sought *s)
{
    for (uint64_t sequence = newest; sequence && !s->is_found; sequence = s->entry.prev_sequence) {
        int code = from->entry(from->context, sequence, &s->entry);
        if (code) return code;
        s->is_found = is_sought(from, &s->entry, s);
    }
    return 0;
}

static int seek_along(const struct chains_read *from, uint64_t newest, struct sought *s)
{
    struct entry at;
    if (!from->seek || !newest) return walk_along(from, newest, s);
    int code = from->entry(from->context, newest, &at);
    if (code) return code;
    code = from->seek(from->context, &at.key, newest, s->source, s->id, &s->entry);
    s->is_found = code == 1;
    return code < 0 ? code : 0;
}

static int seek(const struct chains_read *from, const Handoff__V1__PatientRecord *record, uint64_t newest,
                struct sought *s)
{
    struct entry now;
    int code = seek_in_seen(from, record, s);
    if (!code && !s->is_found) code = seek_along(from, newest, s);
    for (size_t i = 0; !code && !s->is_found && i < record->n_merged; i++)
        code = seek_along(from, record->merged[i]->sequence, s);
    if (code || !s->is_found || !newest) return code;
    code = from->entry(from->context, newest, &now);
    s->is_elsewhere = !code && memcmp(&now.key, &s->entry.key, sizeof now.key) != 0;
    return code;
}

/* --- what was disclosed ----------------------------------------------------------------------------------------- */
struct disclosures {
    struct step_disclosure *list;
    size_t count;
};

static void note_disclosure(struct disclosures *d, uint64_t sequence, const Handoff__V1__StatusEmission *status)
{
    if (d->count < DISCLOSURES_MAX) d->list[d->count++] = (struct step_disclosure){sequence, status};
}

static bool is_opened_by(const Handoff__V1__PatientRecord *record, uint32_t episode, uint64_t sequence)
{
    for (size_t i = 0; i < record->n_episodes; i++)
        if (record->episodes[i]->number == episode) return record->episodes[i]->opened_sequence == sequence;
    for (size_t i = 0; i < record->n_closed_episodes; i++)
        if (record->closed_episodes[i]->number == episode)
            return record->closed_episodes[i]->opened_sequence == sequence;
    return false;
}

/* Its own, whatever they are about; of later entries those of episodes that it opened, or on the release it granted. */
static void disclosed_in(const struct chains_read *from, const struct entry *entry, const struct step_retraction *r,
                         struct disclosures *d)
{
    size_t mark = arena_used(from->arena), count = d->count;
    const Handoff__V1__Outcome *outcome = NULL;
    const Handoff__V1__PatientRecord *record = NULL;
    if (!(entry->flags & ENTRY_HAS_EMISSIONS)) return;
    outcome = unpack(from, &handoff__v1__outcome__descriptor, entry->outcome);
    for (size_t i = 0; outcome && i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        if (e->body_case != HANDOFF__V1__EMISSION__BODY_STATUS) continue;
        if (!record) record = record_of(from, entry);
        if (entry->sequence == r->sequence || step_rests_on(r->event, e->status) ||
            (record && is_opened_by(record, e->episode, r->sequence)))
            note_disclosure(d, entry->sequence, e->status);
    }
    if (d->count == count) arena_rewind(from->arena, mark);
}

static bool has_followers(const struct step_retraction *r)
{
    const Handoff__V1__PatientRecord *after = r->after;
    if (r->event->body_case == HANDOFF__V1__EVENT__BODY_CONSENT_GRANTED) return true;
    for (size_t i = 0; i < after->n_episodes; i++)
        if (after->episodes[i]->opened_sequence == r->sequence) return true;
    return false;
}

static int disclosed_along(const struct chains_read *from, uint64_t newest, const struct step_retraction *r,
                           struct disclosures *d)
{
    struct entry entry;
    for (uint64_t at = newest; at > r->sequence && d->count < DISCLOSURES_MAX; at = entry.prev_sequence) {
        int code = from->entry(from->context, at, &entry);
        if (code) return code;
        disclosed_in(from, &entry, r, d);
    }
    return 0;
}

static int gather_disclosures(const struct chains_read *from, const struct sought *s,
                              const Handoff__V1__PatientRecord *record, uint64_t newest, struct step_retraction *r)
{
    struct disclosures d = {ARENA_ARRAY(from->arena, struct step_disclosure, DISCLOSURES_MAX), 0};
    int code = 0;
    disclosed_in(from, &s->entry, r, &d);
    if (has_followers(r)) {
        code = disclosed_along(from, newest, r, &d);
        for (size_t i = 0; !code && i < record->n_merged; i++)
            code = disclosed_along(from, record->merged[i]->sequence, r, &d);
    }
    r->disclosures = d.list;
    r->disclosure_count = d.count;
    return code;
}

/* --- all of it -------------------------------------------------------------------------------------------------- */
static int before_of(const struct chains_read *from, const struct entry *entry, struct step_retraction *r)
{
    struct entry previous;
    int code = entry->prev_sequence ? from->entry(from->context, entry->prev_sequence, &previous) : 0;
    if (!code && entry->prev_sequence) r->before = record_of(from, &previous);
    return code;
}

int retraction_gather(const struct chains_read *from, const Handoff__V1__EventRetracted *retracted,
                      const Handoff__V1__PatientRecord *record, uint64_t newest, const struct step_retraction **ret)
{
    struct sought s = {.source = retracted->retracted_source, .id = retracted->retracted_id};
    *ret = NULL;
    int code = record ? seek(from, record, newest, &s) : 0;
    if (code || !s.is_found) return code;
    struct step_retraction *r = ARENA_NEW(from->arena, struct step_retraction);
    *r = (struct step_retraction){.sequence = s.entry.sequence, .is_elsewhere = s.is_elsewhere};
    r->event = event_of(from, &s.entry);
    r->outcome = unpack(from, &handoff__v1__outcome__descriptor, s.entry.outcome);
    r->after = record_of(from, &s.entry);
    code = before_of(from, &s.entry, r);
    if (!code && r->event && r->outcome && r->after) code = gather_disclosures(from, &s, record, newest, r);
    if (!code && r->event && r->outcome && r->after) *ret = r;
    return code;
}
