/* An event's way: bytes -> intake -> its subject's record -> has it been here? -> step -> the batch. */
#include "engine/inside.h"

#include <assert.h>
#include <stdio.h>
#include "core/pathway.h"
#include "core/scores.h"

struct publishing {
    struct bytes bytes;
    const Handoff__V1__Event *event;
    enum subject_kind subject;
    const char *subject_name;
    struct patient_key key;
    uint64_t hash;
    struct found found;
    Handoff__V1__PatientRecord *before;
    uint64_t ticket;
    uint32_t position;
};

/* The source's own record, when it hears that nobody knows the patient. */
struct telling {
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *before;
};

static void name_subject(struct engine *e, struct publishing *p)
{
    p->subject = subject_of_event(e->hash_key, p->event, rules_site(e->rules, p->event->site)->name, &p->subject_name, &p->key);
    p->hash = subject_event_hash(e->hash_key, p->event->source, p->event->id);
}

static int find_record(struct engine *e, const struct patient_key *key, struct found *found,
                       Handoff__V1__PatientRecord **record)
{
    int code = lookup_subject(e, key, found);
    return code ? code : lookup_record(e, found, e->arena, record);
}

/* Whoever lost the first answer hears now what the event did. */
static void repeat_answer(struct engine *e, const struct entry *first, struct result *result)
{
    const Handoff__V1__Outcome *outcome =
        handoff__v1__outcome__unpack(arena_protobuf(e->arena), first->outcome.len, first->outcome.data);
    if (!outcome) return;
    result->verdict = outcome->verdict;
    result->sentence = outcome->sentence;
}

/* Once a minute for an event, and of a flood the first few: the reply says it each time. */
static bool is_audited_lately(struct engine *e, uint64_t hash)
{
    struct differing *d = &e->differing;
    int64_t minute = e->now_ms / (60 * 1000);
    if (d->minute != minute) *d = (struct differing){.minute = minute};
    for (uint32_t i = 0; i < d->count; i++)
        if (d->hashes[i] == hash) return true;
    if (d->count == DIFFERING_MAX) return true;
    d->hashes[d->count++] = hash;
    return false;
}

static void audit_difference(struct engine *e, const struct publishing *p, const struct entry *first)
{
    Handoff__V1__RepeatDiffers differs = HANDOFF__V1__REPEAT_DIFFERS__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    struct outcome outcome;
    struct bytes after_packed;
    differs.source = p->event->source;
    differs.id = p->event->id;
    differs.first_sequence = first->sequence;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_REPEAT_DIFFERS;
    command.repeat_differs = &differs;
    struct step_input input = {.kind = STEP_DIFFERS,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject = p->subject,
                               .subject_name = p->subject_name,
                               .differs = &differs};
    if (is_audited_lately(e, p->hash)) return;
    step(e->rules, p->before, &input, e->arena, &outcome);
    if (!turn_fits(e, outcome.after, true, &after_packed)) return;
    turn_add(e, &(struct addition){.kind = ENTRY_COMMAND,
                                   .key = &p->key,
                                   .found = &p->found,
                                   .input_message = &command.base,
                                   .before = p->before,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled});
}

static void tell_repeat(struct engine *e, const struct publishing *p, const struct entry *first)
{
    bool is_same = repeat_is_same(e, first->input, p->bytes);
    if (!is_same) audit_difference(e, p, first);
    struct result result = {
        .ticket = p->ticket,
        .position = p->position,
        .code = is_same ? HANDOFF__V1__CODE__CODE_DUPLICATE : HANDOFF__V1__CODE__CODE_DUPLICATE_DIFFERS,
        .sequence = first->sequence,
        .sentence = is_same ? "" : "The same source and id came before with other content; the first one stands.",
    };
    if (is_same) repeat_answer(e, first, &result);
    if (first->sequence > e->last_sequence)
        turn_add_result(e, &result);
    else
        turn_tell_result(e, &result);
}

static int tell_source(struct engine *e, const struct publishing *p, struct telling *t)
{
    subject_key(e->hash_key, SUBJECT_IS_SOURCE, p->event->source, &t->key);
    return find_record(e, &t->key, &t->found, &t->before);
}

/* What is decided, and not yet added. */
struct decision {
    struct outcome outcome;
    struct bytes after_packed;
};

/* The answer of the source's record: one entry more, in the same batch. */
static void add_telling(struct engine *e, const struct publishing *p, const struct telling *t)
{
    Handoff__V1__UnknownSubject unknown = HANDOFF__V1__UNKNOWN_SUBJECT__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    unknown.patient_id = p->event->patient_id;
    unknown.event = (char *)event_kind_of(p->event->body_case)->name;
    unknown.id = p->event->id;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_UNKNOWN_SUBJECT;
    command.unknown_subject = &unknown;
    struct step_input input = {
        .kind = STEP_UNKNOWN_SUBJECT,
        .sequence = turn_next_sequence(e),
        .now_ms = e->now_ms,
        .subject = SUBJECT_IS_SOURCE,
        .subject_name = p->event->source,
        .unknown = &unknown,
    };
    struct decision d;
    step(e->rules, t->before, &input, e->arena, &d.outcome);
    if (!turn_fits(e, d.outcome.after, true, &d.after_packed))
        return; /* a source's record holds one task and a count */
    turn_add(e, &(struct addition){
                    .kind = ENTRY_COMMAND,
                    .key = &t->key,
                    .found = &t->found,
                    .input_message = &command.base,
                    .before = t->before,
                    .after = d.outcome.after,
                    .after_packed = d.after_packed,
                    .outcome = &d.outcome.journaled,
                });
}

static void add_event(struct engine *e, const struct publishing *p, const struct decision *d)
{
    turn_add_result(e, &(struct result){
                           .ticket = p->ticket,
                           .position = p->position,
                           .code = HANDOFF__V1__CODE__CODE_ACCEPTED,
                           .sequence = turn_next_sequence(e),
                           .verdict = d->outcome.journaled.verdict,
                           .sentence = d->outcome.journaled.sentence,
                       });
    turn_add(e, &(struct addition){
                    .kind = ENTRY_EVENT,
                    .key = &p->key,
                    .found = &p->found,
                    .input = p->bytes,
                    .before = p->before,
                    .after = d->outcome.after,
                    .after_packed = d->after_packed,
                    .outcome = &d->outcome.journaled,
                    .is_new_patient = d->outcome.is_new && p->subject == SUBJECT_IS_PATIENT,
                });
}

/* What forbids us to reach somebody, or to tell somebody. */
static bool is_forbidding(const Handoff__V1__Event *event)
{
    static const Handoff__V1__Event__BodyCase bodies[] = {
        HANDOFF__V1__EVENT__BODY_PATIENT_DECEASED, HANDOFF__V1__EVENT__BODY_CONSENT_REVOKED,
        HANDOFF__V1__EVENT__BODY_CONSENT_DECLINED, HANDOFF__V1__EVENT__BODY_SERVICE_DECLINED,
        HANDOFF__V1__EVENT__BODY_PREFERENCE_UPDATED,
    };
    for (size_t i = 0; i < sizeof bodies / sizeof *bodies; i++)
        if (bodies[i] == event->body_case) return true;
    return false;
}

static bool must_act(const Handoff__V1__Event *event)
{
    enum event_class class = event_kind_of(event->body_case)->class;
    return class == EVENT_SAFETY || class == EVENT_DISCHARGE || class == EVENT_WORK || is_forbidding(event);
}

static void refuse_growth(struct engine *e, const struct publishing *p)
{
    turn_tell_result(e,
                     &(struct result){
                         .ticket = p->ticket,
                         .position = p->position,
                         .code = HANDOFF__V1__CODE__CODE_TOO_LARGE,
                         .sentence = "The patient's record would become larger than 131072 bytes; nothing was stored.",
                     });
}

static void refuse_nobody(struct engine *e, const struct publishing *p)
{
    turn_tell_result(e, &(struct result){
                            .ticket = p->ticket,
                            .position = p->position,
                            .code = HANDOFF__V1__CODE__CODE_BAD_ID,
                            .sentence = "patient_id is the daemon's own synthetic patient, which has never beaten; "
                                        "nothing was stored.",
                            .field = "patient_id",
                        });
}

static void refuse_foreign(struct engine *e, const struct publishing *p, const char *field)
{
    char *sentence = arena_alloc(e->arena, ENGINE_SENTENCE_BYTES);
    snprintf(sentence, ENGINE_SENTENCE_BYTES, "%s is not of the patient that the event names; nothing was stored.", field);
    turn_tell_result(e, &(struct result){
                            .ticket = p->ticket,
                            .position = p->position,
                            .code = HANDOFF__V1__CODE__CODE_BAD_ID,
                            .sentence = sentence,
                            .field = field,
                        });
}

/* The synthetic patient has no record before it beats. */
static bool is_nobody(const struct publishing *p)
{
    return !p->before && p->subject == SUBJECT_IS_PATIENT && strcmp(p->subject_name, HEARTBEAT_PATIENT) == 0;
}

/* What an instrument cannot have scored is a mistake of whoever sends it, and would be judged as if it were true. */
static void refuse_score(struct engine *e, const struct publishing *p)
{
    const char *field = scores_out_of_range(&e->rules->policy, p->event);
    char *sentence = arena_alloc(e->arena, ENGINE_SENTENCE_BYTES);
    snprintf(sentence, ENGINE_SENTENCE_BYTES, "%s is out of the instrument's range; nothing was stored.", field);
    turn_tell_result(e, &(struct result){
                            .ticket = p->ticket,
                            .position = p->position,
                            .code = HANDOFF__V1__CODE__CODE_BAD_VALUE,
                            .sentence = sentence,
                            .field = field,
                        });
}

/* A new owner gets one list of all that was handed over. */
static int want_list(struct engine *e, const struct outcome *outcome, struct round_want *want)
{
    Handoff__V1__RoundWanted wanted = HANDOFF__V1__ROUND_WANTED__INIT;
    wanted.kind = HANDOFF__V1__ROUND_KIND__ROUND_KIND_ASSIGNED;
    wanted.about = (char *)(uintptr_t)outcome->hands_over_to;
    wanted.since_sequence = turn_next_sequence(e);
    return round_want(e, rules_site(e->rules, outcome->after->site)->name, &wanted, want);
}

/* What some events need beside the record. */
static int gather(struct engine *e, const struct publishing *p, struct step_input *input)
{
    if (p->event->body_case != HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED) return 0;
    const Handoff__V1__EventRetracted *r = p->event->event_retracted;
    struct chains_read chains = lookup_chains(e);
    input->retracted_hash = subject_event_hash(e->hash_key, r->retracted_source, r->retracted_id);
    return retraction_gather(&chains, r, p->before, p->found.row.sequence, &input->retraction);
}

static struct step_input event_input(const struct engine *e, const struct publishing *p)
{
    return (struct step_input){
        .kind = STEP_EVENT,
        .sequence = turn_next_sequence(e),
        .now_ms = e->now_ms,
        .subject = p->subject,
        .subject_name = p->subject_name,
        .seen_hash = p->hash,
        .event = p->event,
    };
}

/* What the event means for everybody. */
static int change_rules(struct engine *e, const struct publishing *p, const struct step_input *input,
                        const struct outcome *outcome, struct event_change *change)
{
    if (p->subject != SUBJECT_IS_SITE) return change_by_outcome(e, &outcome->journaled, change);
    if (outcome->was_taken_back) return 0;
    return outcome->takes_back ? change_by_retraction(e, input->retraction, change) : change_by_event(e, p->event, change);
}

static int decide(struct engine *e, const struct publishing *p)
{
    struct decision d;
    struct telling telling;
    struct event_change change;
    struct round_want want;
    change.is_needed = want.is_needed = false;
    struct step_input input = event_input(e, p);
    int code = gather(e, p, &input);
    if (code) return code;
    step(e->rules, p->before, &input, e->arena, &d.outcome);
    if (!turn_fits(e, d.outcome.after, must_act(p->event), &d.after_packed)) {
        refuse_growth(e, p);
        return 0;
    }
    if (d.outcome.tells_source) {
        code = tell_source(e, p, &telling);
        if (code) return code; /* nothing was added yet */
    }
    code = change_rules(e, p, &input, &d.outcome, &change);
    if (!code && d.outcome.hands_over_to) code = want_list(e, &d.outcome, &want);
    if (code) return code;
    add_event(e, p, &d);
    if (want.is_needed) round_want_add(e, &want);
    if (d.outcome.tells_source) add_telling(e, p, &telling);
    if (change.is_needed) change_add(e, &change);
    return 0;
}

/* The survivor's entry follows the event's own: in one batch, or neither. */
static void add_joined(struct engine *e, const struct merging *m, const struct found *found, struct decision *d)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    Handoff__V1__PatientJoined joined = m->joined;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_PATIENT_JOINED;
    command.patient_joined = &joined;
    turn_fits(e, d->outcome.after, true, &d->after_packed); /* it did: merging_step has looked */
    turn_add(e, &(struct addition){
                    .kind = ENTRY_COMMAND,
                    .key = &m->survivor_key,
                    .found = found,
                    .input_message = &command.base,
                    .before = m->survivor,
                    .after = d->outcome.after,
                    .after_packed = d->after_packed,
                    .outcome = &d->outcome.journaled,
                });
}

static int decide_merge(struct engine *e, const struct publishing *p)
{
    struct decision d, joined;
    struct merging m;
    struct telling telling;
    struct found found;
    struct chains_read chains = lookup_chains(e);
    struct step_input input = event_input(e, p);
    int code = merging_judge(&chains, p->event, &p->key, p->before, &m);
    if (!code) code = lookup_subject(e, &m.survivor_key, &found);
    if (code) return code;
    bool is_joined = merging_step(e->rules, e->arena, &m, &input, &d.outcome, &joined.outcome);
    if (d.outcome.tells_source) code = tell_source(e, p, &telling);
    if (code) return code;
    if (!turn_fits(e, d.outcome.after, true, &d.after_packed)) {
        refuse_growth(e, p);
        return 0;
    }
    add_event(e, p, &d);
    if (is_joined) add_joined(e, &m, &found, &joined);
    if (d.outcome.tells_source) add_telling(e, p, &telling);
    return 0;
}

/* Whoever names an alias means the patient that it became. */
static int find_subject(struct engine *e, struct publishing *p)
{
    int code = find_record(e, &p->key, &p->found, &p->before);
    for (int depth = 0; !code && depth < ALIASES_MAX && p->before && p->before->merged_into[0]; depth++) {
        p->subject_name = p->before->merged_into;
        subject_key(e->hash_key, SUBJECT_IS_PATIENT, p->subject_name, &p->key);
        code = find_record(e, &p->key, &p->found, &p->before);
    }
    return code;
}

static int take(struct engine *e, struct publishing *p)
{
    name_subject(e, p);
    int code = find_subject(e, p);
    if (code) return code;
    struct entry first;
    struct repeat_question question = {&p->key, p->before, p->found.row.sequence, p->hash, p->event};
    int repeat = p->before ? repeat_find(e, &question, &first) : 0;
    if (repeat < 0) return repeat;
    const char *foreign = subject_foreign_id(p->event, &p->key, p->before);
    if (repeat) tell_repeat(e, p, &first);
    else if (foreign) refuse_foreign(e, p, foreign);
    else if (is_nobody(p)) refuse_nobody(e, p);
    else if (scores_out_of_range(&e->rules->policy, p->event)) refuse_score(e, p);
    else if (p->event->body_case == HANDOFF__V1__EVENT__BODY_PATIENT_MERGED) return decide_merge(e, p);
    else return decide(e, p);
    return 0;
}

static bool can_write(const struct engine *e)
{
    return !e->is_full && !e->is_stopped && sweep_has_room(e) && e->rules;
}

/* True when there is a place in a batch. */
static bool make_room(struct engine *e)
{
    if (!can_write(e)) return false;
    if (!engine_is_batch_full(e)) return true;
    engine_turn_end(e); /* those in it are told what became of them */
    engine_turn_begin(e);
    return can_write(e);
}

void engine_publish(struct engine *e, struct bytes event, uint64_t ticket, uint32_t position)
{
    assert(e->is_in_turn);
    struct publishing p = {.bytes = event, .ticket = ticket, .position = position};
    struct refusal refusal;
    arena_reset(e->arena);
    if (!make_room(e)) {
        turn_tell_unavailable(e, ticket, position);
        return;
    }
    int64_t latest_ms = clock_latest_ms(e->options.clock);
    if (latest_ms < e->now_ms) latest_ms = e->now_ms;
    if (intake_read(e->intake, event, latest_ms, e->arena, &p.event, &refusal)) {
        turn_tell_result(e, &(struct result){
                                .ticket = ticket,
                                .position = position,
                                .code = refusal.code,
                                .sentence = refusal.sentence,
                                .field = refusal.field,
                            });
        return;
    }
    if (take(e, &p)) turn_tell_unavailable(e, ticket, position); /* engine_state says what is damaged */
    heard_note(e, p.event->source);
}
