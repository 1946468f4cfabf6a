/* What changes the folder itself: rules, epochs, the clock. Each is a batch of its own, on a chain of its own; but the
 * rules that an event changes for everybody are in the event's batch. */
#include "engine/inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/yaml.h"

static int add_own(struct engine *e, uint8_t kind, const char *chain, const ProtobufCMessage *input)
{
    struct patient_key key;
    struct found found;
    subject_key(e->hash_key, SUBJECT_IS_FOLDER, chain, &key);
    int code = lookup_subject(e, &key, &found);
    if (code) return code;
    turn_add(e, &(struct addition){.kind = kind, .key = &key, .found = &found, .input_message = input});
    return 0;
}

/* A turn with one entry. */
static int commit_own(struct engine *e, uint8_t kind, const char *chain, const ProtobufCMessage *input)
{
    int code = engine_commit_all(e);
    if (code) return code;
    engine_turn_begin(e);
    int added = add_own(e, kind, chain, input);
    code = engine_turn_commit(e);
    return added ? added : code;
}

/* --- epochs and the clock --------------------------------------------------------------------------------------- */

int change_append_epoch(struct engine *e)
{
    Handoff__V1__EpochInput epoch = HANDOFF__V1__EPOCH_INPUT__INIT;
    epoch.schema = ENGINE_SCHEMA;
    epoch.code = (char *)e->options.code_version;
    epoch.clock = (char *)clock_kind_name(e->options.clock->kind);
    epoch.hash_key = (ProtobufCBinaryData){sizeof e->hash_key, e->hash_key};
    epoch.clock_at_ms = engine_now_ms(e);
    return commit_own(e, ENTRY_EPOCH, SUBJECT_EPOCH, &epoch.base);
}

int change_set_clock(struct engine *e, int64_t to_ms)
{
    Handoff__V1__ClockAdvanced advanced = HANDOFF__V1__CLOCK_ADVANCED__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    advanced.to_ms = to_ms;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_CLOCK_ADVANCED;
    command.clock_advanced = &advanced;
    clock_set_ms(e->options.clock, to_ms);
    return commit_own(e, ENTRY_COMMAND, SUBJECT_CLOCK, &command.base);
}

int engine_accept_clock(struct engine *e)
{
    Handoff__V1__ClockAccepted accepted = HANDOFF__V1__CLOCK_ACCEPTED__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    accepted.jump_ms = e->options.clock->jump_ms;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_CLOCK_ACCEPTED;
    command.clock_accepted = &accepted;
    clock_accept(e->options.clock);
    return commit_own(e, ENTRY_COMMAND, SUBJECT_CLOCK, &command.base);
}

/* --- rules ------------------------------------------------------------------------------------------------------ */

static int say_rules(struct engine *e, uint64_t sequence, const struct yaml_errors *errors)
{
    const char *why = errors->count ? errors->list[0].sentence : "it cannot be read";
    engine_say(e, "the change of rules at %llu cannot be used: %s", (unsigned long long)sequence, why);
    return ENGINE_E_RULES;
}

/* A definition of old that this binary cannot load stands in nobody's way, unless something runs on it. */
static int skip_unused(struct engine *e, struct ruleset *ruleset, const Handoff__V1__PathwayText *pathway,
                       uint64_t sequence, const struct yaml_errors *errors)
{
    uint64_t *counts = calloc(RULESET_VERSIONS_MAX + 1, sizeof *counts);
    if (!counts) return ENGINE_E_MEMORY;
    int code = engine_count_episodes(e, counts, RULESET_VERSIONS_MAX + 1);
    uint64_t count = pathway->number <= RULESET_VERSIONS_MAX ? counts[pathway->number] : 0;
    free(counts);
    if (code) return code;
    if (count == 0 && ruleset_skip(ruleset, pathway, sequence) == 0) return 0;
    engine_say(e, "pathway %.64s (%.64s, number %u in the journal) cannot be loaded by this binary, and %llu open episodes run on it: %s",
               pathway->name, pathway->file, pathway->number, (unsigned long long)count,
               errors->count ? errors->list[0].sentence : "it cannot be read");
    return ENGINE_E_RULES;
}

static int apply(struct engine *e, struct ruleset *ruleset, const Handoff__V1__RulesChange *change, uint64_t sequence)
{
    struct yaml_errors errors = {0};
    int code = ruleset_apply(ruleset, change, sequence, &errors) ? say_rules(e, sequence, &errors) : 0;
    return code;
}

int change_fold_rules(struct engine *e, struct ruleset *ruleset, const struct entry *entry)
{
    arena_reset(e->arena);
    const Handoff__V1__RulesChange *change =
        handoff__v1__rules_change__unpack(arena_protobuf(e->arena), entry->input.len, entry->input.data);
    struct yaml_errors errors = {0};
    if (change && ruleset_apply(ruleset, change, entry->sequence, &errors) == 0) return 0;
    if (change && change->body_case == HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY)
        return skip_unused(e, ruleset, change->pathway, entry->sequence, &errors);
    if (change) return say_rules(e, entry->sequence, &errors);
    engine_say(e, "the change of rules at %llu does not unpack", (unsigned long long)entry->sequence);
    return ENGINE_E_DAMAGED;
}

static int fold_sequence(struct engine *e, struct ruleset *ruleset, uint64_t sequence)
{
    struct entry entry;
    int code = lookup_sequence(e, sequence, &entry);
    return code ? code : change_fold_rules(e, ruleset, &entry);
}

int change_fold_all(struct engine *e, struct ruleset *ruleset)
{
    int code = reading_begin(e);
    uint64_t sequence = 0;
    while (!code) { /* as many as there are */
        int next = e->options.index->ops->rules_next(e->index_reader, sequence, &sequence);
        if (next == INDEX_E_NOT_FOUND) break;
        if (next || sequence > e->last_sequence) code = ENGINE_E_INDEX;
        if (!code && sequence <= e->indexed_sequence) code = fold_sequence(e, ruleset, sequence);
    }
    for (uint32_t i = 0; i < e->rules_pending_count && !code; i++) {
        if (e->rules_pending[i] > e->indexed_sequence) code = fold_sequence(e, ruleset, e->rules_pending[i]);
    }
    return code;
}

static bool is_among(const Handoff__V1__Site *site, const char *person_id)
{
    for (size_t i = 0; i < site->n_people; i++)
        if (strcmp(site->people[i]->id, person_id) == 0) return true;
    return false;
}

/* Whoever has the work of somebody who left gets a list of it. As many as fit the batch; of more, the roster tells. */
static void want_lists(struct engine *e, const Handoff__V1__Site *after)
{
    const struct site *before = e->rules ? rules_site(e->rules, after->name) : NULL;
    for (size_t i = 0; before && strcmp(before->name, after->name) == 0 && i < before->roster->n_people; i++) {
        Handoff__V1__RoundWanted wanted = HANDOFF__V1__ROUND_WANTED__INIT;
        struct round_want want;
        wanted.kind = HANDOFF__V1__ROUND_KIND__ROUND_KIND_LEFT;
        wanted.about = before->roster->people[i]->id;
        if (is_among(after, wanted.about) || !turn_has_room(e)) continue;
        arena_reset(e->arena);
        if (round_want(e, before->name, &wanted, &want) == 0 && want.is_needed) round_want_add(e, &want);
    }
}

static int append_rules(struct engine *e, const Handoff__V1__RulesChange *const *changes, size_t count)
{
    int code = 0;
    engine_turn_begin(e);
    for (size_t i = 0; i < count && !code; i++) code = add_own(e, ENTRY_RULES, SUBJECT_RULES, &changes[i]->base);
    assert(!code);
    for (size_t i = 0; i < count; i++)
        if (changes[i]->body_case == HANDOFF__V1__RULES_CHANGE__BODY_SITE) want_lists(e, changes[i]->site);
    return engine_turn_commit(e);
}

/* The changes on top of what is journaled, tried on a ruleset of their own: nothing of it shows unless all is well. */
static int try_rules(struct engine *e, const Handoff__V1__RulesChange *const *changes, size_t count,
                     struct ruleset *trial)
{
    size_t bytes = 0;
    int code = change_fold_all(e, trial);
    reading_end(e);
    for (size_t i = 0; i < count && !code; i++) {
        bytes += handoff__v1__rules_change__get_packed_size(changes[i]);
        code = apply(e, trial, changes[i], e->last_sequence + 1 + i);
    }
    if (!code && bytes + BATCH_SPARE_BYTES > LIMIT_BATCH_BYTES) return ENGINE_E_LIMIT;
    return code;
}

int engine_change_rules(struct engine *e, const Handoff__V1__RulesChange *const *changes, size_t count)
{
    assert(!e->is_in_turn);
    engine_commit_all(e);
    if (e->is_full || e->is_stopped) return e->is_full ? ENGINE_E_FULL : ENGINE_E_STOPPED;
    if (!count) return 0;
    if (count > e->options.batch_events) return ENGINE_E_LIMIT;
    if (e->rules_pending_count + count > RULES_PENDING_MAX && engine_index_flush(e)) return ENGINE_E_INDEX;
    struct ruleset *trial = ruleset_new();
    if (!trial) return ENGINE_E_MEMORY;
    int code = try_rules(e, changes, count, trial);
    if (!code) code = append_rules(e, changes, count);
    if (code) {
        ruleset_free(trial);
        return code;
    }
    ruleset_free(e->ruleset);
    e->ruleset = trial;
    e->rules = ruleset_build(trial);
    rounds_forget(e); /* sites may stand elsewhere in the new rules */
    heard_forget(e);
    rounds_find(e);
    heard_find(e);
    for (size_t i = 0; i < count; i++)
        if (changes[i]->body_case == HANDOFF__V1__RULES_CHANGE__BODY_SITE) heard_configure(e, changes[i]->site->name);
    return 0;
}

/* --- rules by events -------------------------------------------------------------------------------------------- */

static uint64_t hash_of_change(const struct engine *e, const Handoff__V1__RulesChange *change)
{
    switch (change->body_case) {
    case HANDOFF__V1__RULES_CHANGE__BODY_LISTING:
        return subject_event_hash(e->hash_key, "agency", change->listing->agency->agency_id);
    case HANDOFF__V1__RULES_CHANGE__BODY_DELISTING:
        return subject_event_hash(e->hash_key, "agency", change->delisting->agency_id);
    case HANDOFF__V1__RULES_CHANGE__BODY_DOUBT:
        return subject_event_hash(e->hash_key, "agency", change->doubt->agency_id);
    case HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE:
        return subject_event_hash(e->hash_key, "absence", change->absence->person_id);
    case HANDOFF__V1__RULES_CHANGE__BODY_TAKEN_BACK: /* what it is about, the event says that it takes back */
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY:
    case HANDOFF__V1__RULES_CHANGE__BODY_POLICY:
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE:
    case HANDOFF__V1__RULES_CHANGE__BODY_SITE_REMOVED:
    case HANDOFF__V1__RULES_CHANGE__BODY_PATHWAY_RETIRED:
    case HANDOFF__V1__RULES_CHANGE__BODY__NOT_SET:
    case _HANDOFF__V1__RULES_CHANGE__BODY__CASE_IS_INT_SIZE: break;
    }
    return 0;
}

static bool is_said_in_batch(const struct engine *e, uint64_t hash)
{
    for (uint32_t i = 0; i < e->deciding->rules_said_count; i++)
        if (e->deciding->rules_said[i] == hash) return true;
    return false;
}

/* Whether it says anything new, and where it goes. */
static int find_change(struct engine *e, struct event_change *c)
{
    c->hash = hash_of_change(e, &c->said.change);
    c->is_needed = is_said_in_batch(e, c->hash) || !ruleset_is_known(e->rules, &c->said.change);
    subject_key(e->hash_key, SUBJECT_IS_FOLDER, SUBJECT_RULES, &c->key);
    return c->is_needed ? lookup_subject(e, &c->key, &c->found) : 0;
}

int change_by_event(struct engine *e, const Handoff__V1__Event *event, struct event_change *c)
{
    struct ruleset_said by = {rules_site(e->rules, event->site)->name, e->now_ms, turn_next_sequence(e)};
    c->is_needed = ruleset_change_by_event(event, &by, &c->said);
    return c->is_needed ? find_change(e, c) : 0;
}

/* --- what an event made known, taken back ------------------------------------------------------------------------ */

/* An event that says what is said already makes no change of its own: when the one that did is taken back, the change is
 * the other's, the oldest of them. */
struct sought {
    const struct step_retraction *taken_back;
    struct ruleset_event_change said;
    uint64_t instead; /* 0: nobody else says so */
};

static bool is_among_retracted(const Handoff__V1__PatientRecord *record, uint64_t sequence)
{
    for (size_t i = 0; i < record->n_retracted; i++)
        if (record->retracted[i] == sequence) return true;
    return false;
}

static void compare(struct engine *e, const struct entry *entry, struct sought *s)
{
    size_t mark = arena_used(e->arena);
    struct ruleset_event_change other;
    struct ruleset_said by = {"", 0, entry->sequence};
    const Handoff__V1__Event *event =
        entry->kind == ENTRY_EVENT
            ? handoff__v1__event__unpack(arena_protobuf(e->arena), entry->input.len, entry->input.data)
            : NULL;
    bool is_older = !s->instead || entry->sequence < s->instead;
    if (event && is_older && ruleset_change_by_event(event, &by, &other) && ruleset_says_same(&s->said, &other))
        s->instead = entry->sequence;
    arena_rewind(e->arena, mark);
}

/* Along a site's chain as far as the event that is taken back. */
static int seek_instead(struct engine *e, const char *site_name, struct sought *s)
{
    struct patient_key key;
    struct found found;
    struct entry entry;
    Handoff__V1__PatientRecord *record;
    subject_key(e->hash_key, SUBJECT_IS_SITE, site_name, &key);
    int code = lookup_subject(e, &key, &found);
    if (!code) code = lookup_record(e, &found, e->arena, &record);
    if (code || !record) return code;
    for (uint64_t at = found.row.sequence; at > s->taken_back->sequence; at = entry.prev_sequence) {
        code = lookup_sequence(e, at, &entry);
        if (code) return code;
        if (!is_among_retracted(record, at)) compare(e, &entry, s);
    }
    return 0;
}

int change_by_retraction(struct engine *e, const struct step_retraction *taken_back, struct event_change *c)
{
    struct sought s = {.taken_back = taken_back};
    struct ruleset_said by = {"", e->now_ms, taken_back->sequence};
    c->is_needed = ruleset_change_by_event(taken_back->event, &by, &s.said);
    if (!c->is_needed) return 0;
    int code = 0;
    bool may_be_said_twice = s.said.change.body_case != HANDOFF__V1__RULES_CHANGE__BODY_ABSENCE;
    for (uint32_t i = 0; i < e->rules->site_count && may_be_said_twice && !code; i++)
        code = seek_instead(e, e->rules->sites[i].name, &s);
    c->hash = hash_of_change(e, &s.said.change);
    ruleset_change_by_retraction(&by, taken_back->sequence, s.instead, &c->said);
    subject_key(e->hash_key, SUBJECT_IS_FOLDER, SUBJECT_RULES, &c->key);
    return code ? code : lookup_subject(e, &c->key, &c->found);
}

int change_by_outcome(struct engine *e, const Handoff__V1__Outcome *outcome, struct event_change *c)
{
    c->is_needed = outcome->n_emissions > 0 && ruleset_change_by_outcome(outcome, &c->said);
    return c->is_needed ? find_change(e, c) : 0;
}

void change_add(struct engine *e, const struct event_change *c)
{
    turn_add(e, &(struct addition){
                    .kind = ENTRY_RULES, .key = &c->key, .found = &c->found, .input_message = &c->said.change.base});
    e->deciding->rules_said[e->deciding->rules_said_count++] = c->hash;
}

/* What was accepted folds; only memory can fail, and then the rules of before hold until the next start says why. */
void change_take_effect(struct engine *e, const struct batch *b)
{
    if (!b->rules_said_count) return;
    for (uint32_t i = 0; i < b->entry_count; i++)
        if (b->entries[i].kind == ENTRY_RULES && change_fold_rules(e, e->ruleset, &b->entries[i])) return;
    e->rules = ruleset_build(e->ruleset);
    rounds_look_again(e); /* one may have waited for this */
}

const struct rules *engine_rules(const struct engine *e)
{
    return e->rules;
}

struct ruleset *engine_ruleset(struct engine *e)
{
    return e->ruleset;
}
