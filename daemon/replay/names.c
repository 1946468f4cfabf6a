/* See names.h. Lists grow by doubling in the patient's arena; a patient has tens of each. */
#include "replay/names.h"

#include <stdio.h>
#include <string.h>
#include "core/step.h"
#include "engine/engine.h"

#define TASK_CHANGE(NAME) HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_##NAME
#define CLIMB(NAME)       HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_##NAME

static void *grown(struct arena *arena, void *list, uint32_t count, uint32_t *max, size_t bytes)
{
    if (count < *max) return list;
    *max = *max ? 2 * *max : 16;
    void *larger = arena_alloc(arena, *max * bytes);
    if (count) memcpy(larger, list, count * bytes);
    return larger;
}
#define GROW(n, what)                                                                                                  \
    ((n)->what##s = grown((n)->arena, (n)->what##s, (n)->what##_count, &(n)->what##_max, sizeof *(n)->what##s))

static bool is_same_text(const char *a, const char *b)
{
    return strcmp(a, b) == 0;
}

/* --- episodes ------------------------------------------------------------------------------------------------------
 */

/* A referral that another gave rise to is called after it and its own number, which is no name: r-1-ep2 is r-1's. */
static char *base_of_referral(struct arena *arena, const char *id, uint32_t number)
{
    char suffix[STEP_ID_BYTES];
    char *base = arena_string(arena, id);
    size_t bytes = strlen(base), suffix_bytes;
    step_id(suffix, "", "ep", number, 0);
    suffix_bytes = strlen(suffix);
    if (bytes > suffix_bytes && is_same_text(base + bytes - suffix_bytes, suffix)) base[bytes - suffix_bytes] = '\0';
    return base;
}

static const char *about_of(struct names *n, const Handoff__V1__Episode *e)
{
    char *risk;
    if (e->consent_id[0]) return arena_string(n->arena, e->consent_id);
    if (e->referral_id[0]) return base_of_referral(n->arena, e->referral_id, e->number);
    if (!e->risk) return "";
    risk = arena_alloc(n->arena, 16);
    snprintf(risk, 16, "risk %d", (int)e->risk);
    return risk;
}

static struct named_origin origin_of(const Handoff__V1__Origin *o)
{
    return o ? (struct named_origin){o->merged, o->number} : (struct named_origin){0};
}

static void add_episode(struct names *n, const struct named_episode *e)
{
    struct named_episode named = *e;
    named.ordinal = 1;
    for (uint32_t i = 0; i < n->episode_count; i++)
        named.ordinal +=
            is_same_text(n->episodes[i].pathway, e->pathway) && is_same_text(n->episodes[i].about, e->about);
    GROW(n, episode);
    n->episodes[n->episode_count++] = named;
}

static uint32_t position_of_episode(const struct names *n, uint32_t number)
{
    for (uint32_t i = n->episode_count; number && i-- > 0;)
        if (n->episodes[i].number == number) return i + 1;
    return 0;
}

static const char *pathway_name(const struct rules *rules, uint32_t number)
{
    const struct pathway *p = rules_pathway(rules, number);
    return p ? p->name : "";
}

static void take_episodes(struct names *n, const struct rules *rules, const Handoff__V1__PatientRecord *r)
{
    for (uint32_t i = 0; i < n->episode_count; i++) n->episodes[i].is_open = false;
    for (size_t i = 0; i < r->n_episodes; i++) {
        const Handoff__V1__Episode *e = r->episodes[i];
        uint32_t at = position_of_episode(n, e->number);
        if (!at)
            add_episode(n, &(struct named_episode){.number = e->number,
                                                   .origin = origin_of(e->origin),
                                                   .pathway = pathway_name(rules, e->pathway),
                                                   .about = about_of(n, e),
                                                   .referral_id = arena_string(n->arena, e->referral_id)});
        n->episodes[(at ? at : n->episode_count) - 1].is_open = true;
    }
    for (size_t i = 0; i < r->n_closed_episodes; i++) { /* begun and ended by one input */
        const Handoff__V1__ClosedEpisode *e = r->closed_episodes[i];
        if (!position_of_episode(n, e->number))
            add_episode(n, &(struct named_episode){.number = e->number,
                                                   .pathway = pathway_name(rules, e->pathway),
                                                   .about = base_of_referral(n->arena, e->referral_id, e->number),
                                                   .referral_id = arena_string(n->arena, e->referral_id)});
    }
}

/* --- tasks and escalations -----------------------------------------------------------------------------------------
 */

static bool is_of_a_kind(const struct named_task *a, const struct named_task *b)
{
    return a->kind == b->kind && a->party == b->party && is_same_text(a->subject_id, b->subject_id);
}

static void add_task(struct names *n, struct named_task task, const Handoff__V1__Recipient *subject)
{
    task.party = subject ? subject->party : HANDOFF__V1__PARTY__PARTY_UNSPECIFIED;
    task.subject_id = subject ? arena_string(n->arena, subject->id) : "";
    task.ordinal = 1;
    task.is_open = true;
    for (uint32_t i = 0; i < n->task_count; i++)
        task.ordinal += n->tasks[i].episode == task.episode && is_of_a_kind(&n->tasks[i], &task);
    GROW(n, task);
    n->tasks[n->task_count++] = task;
}

static bool is_of_a_matter(const struct named_escalation *a, const struct named_escalation *b)
{
    return a->task_kind == b->task_kind && a->rung == b->rung;
}

static void add_escalation(struct names *n, struct named_escalation e)
{
    e.ordinal = 1;
    e.is_open = true;
    for (uint32_t i = 0; i < n->escalation_count; i++)
        e.ordinal += n->escalations[i].episode == e.episode && is_of_a_matter(&n->escalations[i], &e);
    GROW(n, escalation);
    n->escalations[n->escalation_count++] = e;
}

static void take_task(struct names *n, const Handoff__V1__TaskEmission *t, uint32_t episode)
{
    struct named_task *known = (struct named_task *)(uintptr_t)names_task(n, t->number); /* ours */
    bool is_end = t->change == TASK_CHANGE(COMPLETED) || t->change == TASK_CHANGE(CANCELLED) ||
                  t->change == TASK_CHANGE(WITHDRAWN) || t->change == TASK_CHANGE(EXHAUSTED);
    if (!known && !is_end)
        add_task(n, (struct named_task){.number = t->number, .episode = episode, .kind = t->kind}, t->subject);
    else if (known)
        known->is_open = !is_end;
}

static void take_escalation(struct names *n, const Handoff__V1__EscalationEmission *e, uint32_t episode)
{
    struct named_escalation *known = (struct named_escalation *)(uintptr_t)names_escalation(n, e->number);
    bool is_end = e->change == CLIMB(RESOLVED);
    if (!known && !is_end)
        add_escalation(n, (struct named_escalation){
                              .number = e->number, .episode = episode, .task_kind = e->task_kind, .rung = e->rung});
    else if (known)
        known->is_open = !is_end;
}

static void take_merged(struct names *n, const Handoff__V1__PatientRecord *r)
{
    n->merged = ARENA_ARRAY(n->arena, struct named_patient, r->n_merged + 1);
    n->merged_count = (uint32_t)r->n_merged;
    for (size_t i = 0; i < r->n_merged; i++) {
        struct patient_key key = {{0}};
        n->merged[i].patient_id = arena_string(n->arena, r->merged[i]->patient_id);
        if (r->merged[i]->key.len == PATIENT_KEY_BYTES) memcpy(key.bytes, r->merged[i]->key.data, PATIENT_KEY_BYTES);
        engine_key_text(&key, n->merged[i].key);
    }
}

/* --- following ------------------------------------------------------------------------------------------------------
 */

static uint32_t cause_episode(const struct names *n, Handoff__V1__Cause *const *causes, size_t count)
{
    return count ? position_of_episode(n, causes[0]->episode) : 0;
}

void names_begin(struct names *n, struct arena *arena, const struct rules *rules,
                 const Handoff__V1__PatientRecord *record)
{
    *n = (struct names){.arena = arena};
    if (!record) return;
    take_merged(n, record);
    take_episodes(n, rules, record);
    for (size_t i = 0; i < record->n_tasks; i++) {
        const Handoff__V1__Task *t = record->tasks[i];
        add_task(n,
                 (struct named_task){.number = t->number,
                                     .origin = origin_of(t->origin),
                                     .episode = cause_episode(n, t->causes, t->n_causes),
                                     .kind = t->kind},
                 t->subject);
    }
    for (size_t i = 0; i < record->n_escalations; i++) {
        const Handoff__V1__Escalation *e = record->escalations[i];
        struct named_escalation named = {.number = e->number, .origin = origin_of(e->origin), .rung = e->rung};
        named.episode = e->cause ? position_of_episode(n, e->cause->episode) : 0;
        for (size_t t = 0; t < record->n_tasks; t++)
            if (e->task == record->tasks[t]->number) named.task_kind = record->tasks[t]->kind;
        add_escalation(n, named);
    }
}

bool names_want_record(const struct names *n, const Handoff__V1__Outcome *outcome)
{
    for (size_t i = 0; i < outcome->n_applied; i++) {
        Handoff__V1__AppliedKind kind = outcome->applied[i]->kind;
        if (kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_OPENED ||
            kind == HANDOFF__V1__APPLIED_KIND__APPLIED_KIND_CLOSED)
            return true;
    }
    for (size_t i = 0; i < outcome->n_emissions; i++)
        if (outcome->emissions[i]->episode && !position_of_episode(n, outcome->emissions[i]->episode)) return true;
    return false;
}

void names_take(struct names *n, const struct rules *rules, const Handoff__V1__Outcome *outcome,
                const Handoff__V1__PatientRecord *after)
{
    if (after && names_want_record(n, outcome)) take_episodes(n, rules, after);
    for (size_t i = 0; i < outcome->n_emissions; i++) {
        const Handoff__V1__Emission *e = outcome->emissions[i];
        uint32_t episode = position_of_episode(n, e->episode);
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) take_task(n, e->task, episode);
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) take_escalation(n, e->escalation, episode);
    }
}

const struct named_task *names_task(const struct names *n, uint32_t number)
{
    for (uint32_t i = n->task_count; number && i-- > 0;)
        if (n->tasks[i].number == number) return &n->tasks[i];
    return NULL;
}

const struct named_escalation *names_escalation(const struct names *n, uint32_t number)
{
    for (uint32_t i = n->escalation_count; number && i-- > 0;)
        if (n->escalations[i].number == number) return &n->escalations[i];
    return NULL;
}

const struct named_episode *names_episode(const struct names *n, uint32_t number)
{
    uint32_t at = position_of_episode(n, number);
    return at ? &n->episodes[at - 1] : NULL;
}

/* A short id is of the patient that the event names. */
static uint32_t merged_of(const struct names *n, const char *id, const char *patient_id)
{
    const char *dash = strrchr(id, '-');
    for (uint32_t i = 0; i < n->merged_count; i++) {
        const struct named_patient *p = &n->merged[i];
        bool is_whole = dash && dash - id == 32 && memcmp(id, p->key, 32) == 0;
        if (is_whole || (!dash && is_same_text(patient_id, p->patient_id))) return i + 1;
    }
    return 0;
}

static bool is_from(const struct named_origin *o, uint32_t merged, uint32_t number)
{
    return o->merged == merged && o->number == number;
}

uint32_t names_number(const struct names *n, const char *letters, const char *id, const char *patient_id)
{
    uint32_t number = step_id_number(id, letters), merged = merged_of(n, id, patient_id);
    if (!merged || !number) return number;
    for (uint32_t i = 0; is_same_text(letters, "t") && i < n->task_count; i++)
        if (is_from(&n->tasks[i].origin, merged, number)) return n->tasks[i].number;
    for (uint32_t i = 0; is_same_text(letters, "e") && i < n->escalation_count; i++)
        if (is_from(&n->escalations[i].origin, merged, number)) return n->escalations[i].number;
    for (uint32_t i = 0; is_same_text(letters, "ep") && i < n->episode_count; i++)
        if (is_from(&n->episodes[i].origin, merged, number)) return n->episodes[i].number;
    return 0;
}

const char *names_pathway(const struct names *n, uint32_t episode_number)
{
    const struct named_episode *e = names_episode(n, episode_number);
    return e ? e->pathway : "";
}

/* --- matching -------------------------------------------------------------------------------------------------------
 */

static bool is_same_episode(const struct named_episode *a, const struct named_episode *b)
{
    return is_same_text(a->pathway, b->pathway) && is_same_text(a->about, b->about) && a->ordinal == b->ordinal;
}

/* Positions + 1 of two courses. */
static bool are_episodes_same(const struct names *journal, uint32_t a, const struct names *other, uint32_t b)
{
    if (!a || !b) return a == b;
    return is_same_episode(&journal->episodes[a - 1], &other->episodes[b - 1]);
}

enum match names_match_task(const struct names *journal, uint32_t number, const struct names *other,
                            uint32_t *ret_number)
{
    const struct named_task *wanted = names_task(journal, number);
    const struct named_task *of_a_kind = NULL;
    bool has_been = false;
    if (!wanted || !wanted->is_open) return MATCH_IDLE;
    for (uint32_t i = 0; i < other->task_count; i++) {
        const struct named_task *t = &other->tasks[i];
        if (!is_of_a_kind(wanted, t)) continue;
        bool is_it = t->ordinal == wanted->ordinal && are_episodes_same(journal, wanted->episode, other, t->episode);
        if (t->is_open) *ret_number = t->number; /* one is open of a kind: see core/work.c */
        if (t->is_open && is_it) return MATCH_EXACT;
        if (t->is_open) of_a_kind = t;
        has_been |= is_it;
    }
    return of_a_kind ? MATCH_BY_KIND : has_been ? MATCH_ENDED : MATCH_NOT_ASKED;
}

enum match names_match_escalation(const struct names *journal, uint32_t number, const struct names *other,
                                  uint32_t *ret_number)
{
    const struct named_escalation *wanted = names_escalation(journal, number);
    const struct named_escalation *of_a_matter = NULL;
    bool has_been = false;
    if (!wanted || !wanted->is_open) return MATCH_IDLE;
    for (uint32_t i = 0; i < other->escalation_count; i++) {
        const struct named_escalation *e = &other->escalations[i];
        if (!are_episodes_same(journal, wanted->episode, other, e->episode)) continue;
        bool is_it = is_of_a_matter(wanted, e) && e->ordinal == wanted->ordinal;
        if (is_it && e->is_open) {
            *ret_number = e->number;
            return MATCH_EXACT;
        }
        if (e->is_open && e->task_kind == wanted->task_kind) of_a_matter = e;
        has_been |= is_it;
    }
    if (of_a_matter) *ret_number = of_a_matter->number;
    return of_a_matter ? MATCH_BY_KIND : has_been ? MATCH_ENDED : MATCH_NOT_ASKED;
}

enum match names_match_episode(const struct names *journal, uint32_t number, const struct names *other,
                               uint32_t *ret_number)
{
    const struct named_episode *wanted = names_episode(journal, number);
    if (!wanted || !wanted->is_open) return MATCH_IDLE;
    for (uint32_t i = 0; i < other->episode_count; i++) {
        const struct named_episode *e = &other->episodes[i];
        if (!is_same_episode(wanted, e)) continue;
        *ret_number = e->number;
        return e->is_open ? MATCH_EXACT : MATCH_ENDED;
    }
    return MATCH_NOT_ASKED;
}
