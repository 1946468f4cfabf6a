/* Two patient ids that become one: patient.merged.
 *
 *   the loser's record    becomes an alias: whoever names it means the survivor from here on
 *   the survivor's record takes in everything (STEP_JOIN, the next entry of the same batch)
 *
 * What the loser's record numbered gets numbers of the survivor's; its origin keeps the id that people know. Then what
 * is there twice is joined: an episode of the same pathway about the same (the graver or the newer goes on, the other is
 * closed as a duplicate, and what it asked for goes on with the one), a task that asks the same, a matter that is raised
 * twice. The order of entries decides everything, so that reading them again gives the same. */
#include "core/moment.h"
#include "core/seen.h"

#include <string.h>

enum { MERGED_MAX = 32, DEPTH_MAX = 8, CLOSED_MAX = 8, NUMBERS_MAX = 16, RETRACTED_MAX = 32, AWAITED_MAX = 16, KEY_BYTES = 16 };

/* --- ids ------------------------------------------------------------------------------------------------------ */
const ProtobufCBinaryData *merge_origin_key(const Handoff__V1__PatientRecord *r, const Handoff__V1__Origin *origin)
{
    if (!origin || origin->merged == 0 || origin->merged > r->n_merged) return NULL;
    return &r->merged[origin->merged - 1]->key;
}

static int hex_value(char letter)
{
    if (letter >= '0' && letter <= '9') return letter - '0';
    return letter >= 'a' && letter <= 'f' ? letter - 'a' + 10 : -1;
}

static bool is_of_key(const char *id, const ProtobufCBinaryData *key)
{
    for (size_t i = 0; i < key->len; i++)
        if (hex_value(id[2 * i]) != key->data[i] >> 4 || hex_value(id[2 * i + 1]) != (key->data[i] & 15)) return false;
    return id[2 * key->len] == '-';
}

/* Which of the merged patients an id is of, from 1: the one whose key it begins with; a short one is of the patient
 * that the event names. 0: of this record. */
static uint32_t merged_of(const Handoff__V1__PatientRecord *r, const char *patient_id, const char *id)
{
    bool is_short = !strchr(id, '-');
    for (uint32_t i = 0; i < r->n_merged; i++) {
        if (is_short ? strcmp(r->merged[i]->patient_id, patient_id) == 0
                     : strlen(id) > 2 * r->merged[i]->key.len && is_of_key(id, &r->merged[i]->key))
            return i + 1;
    }
    return 0;
}

static bool is_origin(const Handoff__V1__Origin *o, uint32_t merged, uint32_t number)
{
    return o && o->merged == merged && o->number == number;
}

/* The number here of what has that number there; 0: it is not open any more. */
static uint32_t number_here(const Handoff__V1__PatientRecord *r, const char *letters, uint32_t merged, uint32_t number)
{
    for (size_t i = 0; letters[0] == 't' && i < r->n_tasks; i++)
        if (is_origin(r->tasks[i]->origin, merged, number)) return r->tasks[i]->number;
    for (size_t i = 0; strcmp(letters, "e") == 0 && i < r->n_escalations; i++)
        if (is_origin(r->escalations[i]->origin, merged, number)) return r->escalations[i]->number;
    for (size_t i = 0; strcmp(letters, "ep") == 0 && i < r->n_episodes; i++)
        if (is_origin(r->episodes[i]->origin, merged, number)) return r->episodes[i]->number;
    return 0;
}

uint32_t step_number_in(const Handoff__V1__PatientRecord *r, const char *patient_id, const char *id, const char *letters)
{
    uint32_t merged = merged_of(r, patient_id, id), number = step_id_number(id, letters);
    return merged ? number_here(r, letters, merged, number) : number;
}

void step_id_in(char *buffer, const char *key, const char *letters, uint32_t number, const Handoff__V1__PatientRecord *r,
                const Handoff__V1__Origin *origin)
{
    static const char digits[] = "0123456789abcdef";
    const ProtobufCBinaryData *made_under = merge_origin_key(r, origin);
    char there[2 * KEY_BYTES + 1] = "";
    for (size_t i = 0; made_under && i < KEY_BYTES && made_under->len == KEY_BYTES; i++) {
        there[2 * i] = digits[made_under->data[i] >> 4];
        there[2 * i + 1] = digits[made_under->data[i] & 15];
    }
    step_id(buffer, there[0] ? there : key, letters, there[0] ? origin->number : number, 0);
}

static char *id_here(const struct moment *m, char *id, const char *letters)
{
    const char *named = m->input->event->patient_id;
    if (!id[0] || !merged_of(m->record, named, id)) return id;
    char text[STEP_ID_BYTES];
    step_id(text, "", letters, step_number_in(m->record, named, id, letters), 0);
    return arena_string(m->arena, text + 1); /* without the dash */
}

const Handoff__V1__Event *merge_translate(const struct moment *m, const Handoff__V1__Event *event)
{
    Handoff__V1__Event *e = arena_copy(m->arena, event, sizeof *event);
    e->task_id = id_here(m, e->task_id, "t");
    e->escalation_id = id_here(m, e->escalation_id, "e");
    e->episode_id = id_here(m, e->episode_id, "ep");
    if (e->body_case != HANDOFF__V1__EVENT__BODY_EPISODE_OPENED) return e;
    e->episode_opened = arena_copy(m->arena, e->episode_opened, sizeof *e->episode_opened);
    e->episode_opened->reopens = id_here(m, e->episode_opened->reopens, "ep");
    return e;
}

/* --- the one that becomes the other ----------------------------------------------------------------------------- */
static const char *const answers[] = {
    [MERGE_NO_SURVIVOR] = "nobody has told us of the patient that it names: nothing was merged",
    [MERGE_NO_PATIENT] = "nobody has told us of the patient that it is about: nothing was merged",
    [MERGE_SAME] = "these are one patient already, or the other way round: nothing was merged",
    [MERGE_ALREADY] = "these are one patient already",
    [MERGE_OF_ALIAS] = "this patient has become another already: nothing was merged",
    [MERGE_TOO_DEEP] = "eight patients in a row have become one another already: nothing was merged",
    [MERGE_TOO_LARGE] = "together they are more than a record holds: nothing was merged",
    [MERGE_POSSIBLE] = "",
};

static void become_alias(struct moment *m)
{
    const Handoff__V1__PatientRecord *was = m->record;
    Handoff__V1__PatientRecord *r = MESSAGE_NEW(m->arena, Handoff__V1__PatientRecord, patient_record);
    r->patient_id = was->patient_id;
    r->site = was->site;
    r->is_known = was->is_known;
    r->merged_into = arena_string(m->arena, m->input->merge->survivor_id);
    r->seen = was->seen;
    r->n_seen = was->n_seen;
    r->evicted_until_ms = was->evicted_until_ms;
    r->seen_previous_ms = was->seen_previous_ms;
    r->seen_recent_ms = was->seen_recent_ms;
    r->seen_count = was->seen_count;
    m->record = r;
    m->is_changed = true;
}

void merge_leave(struct moment *m)
{
    enum merge_answer answer = m->input->merge ? m->input->merge->answer : MERGE_NO_SURVIVOR;
    m->is_used = m->names_nothing = true; /* no pathway is asked */
    m->sentence = answers[answer];
    if (answer == MERGE_POSSIBLE) become_alias(m);
    if (answer == MERGE_POSSIBLE || answer == MERGE_ALREADY) return;
    m->out->verdict = HANDOFF__V1__VERDICT__VERDICT_REVIEW;
    if (m->record->is_known || m->record->n_episodes) /* else the source hears */
        work_open_task(m, &(struct task_order){.kind = HANDOFF__V1__TASK_KIND__TASK_KIND_REVIEW_EVENT});
}

/* --- numbers ------------------------------------------------------------------------------------------------------ */
struct numbers {
    uint32_t *from, *to;
    size_t count;
};

struct joining {
    struct moment *m;
    Handoff__V1__PatientRecord *from; /* the other's, a copy that is renumbered in place */
    uint32_t base;                    /* position of the other in merged, from 1 */
    struct numbers episodes, tasks, escalations, visits;
};

static void add_number(struct joining *j, struct numbers *n, uint32_t from, uint32_t to)
{
    if (n->count % NUMBERS_MAX == 0) {
        uint32_t *longer_from = ARENA_ARRAY(j->m->arena, uint32_t, n->count + NUMBERS_MAX);
        uint32_t *longer_to = ARENA_ARRAY(j->m->arena, uint32_t, n->count + NUMBERS_MAX);
        if (n->count) memcpy(longer_from, n->from, n->count * sizeof *longer_from);
        if (n->count) memcpy(longer_to, n->to, n->count * sizeof *longer_to);
        n->from = longer_from;
        n->to = longer_to;
    }
    n->from[n->count] = from;
    n->to[n->count++] = to;
}

static uint32_t number_of(const struct numbers *n, uint32_t from)
{
    for (size_t i = 0; i < n->count; i++)
        if (n->from[i] == from) return n->to[i];
    return 0;
}

/* Made under the other's id, or under one that had become the other. */
static Handoff__V1__Origin *origin_of(struct joining *j, const Handoff__V1__Origin *there, uint32_t number)
{
    Handoff__V1__Origin *o = MESSAGE_NEW(j->m->arena, Handoff__V1__Origin, origin);
    bool is_older = there && there->merged;
    o->merged = is_older ? j->base + there->merged : j->base;
    o->number = is_older ? there->number : number;
    return o;
}

static void renumber_visits(struct joining *j)
{
    Handoff__V1__PatientRecord *r = j->m->record;
    for (size_t i = 0; i < j->from->n_appointments; i++) {
        Handoff__V1__Appointment *a = j->from->appointments[i];
        uint32_t here = 0;
        for (size_t k = 0; k < r->n_appointments && !here; k++)
            if (strcmp(r->appointments[k]->id, a->id) == 0) here = r->appointments[k]->number;
        if (!here) here = ++r->last_appointment;
        add_number(j, &j->visits, a->number, here);
        a->origin = origin_of(j, a->origin, a->number);
        a->number = here;
        a->episode = number_of(&j->episodes, a->episode);
    }
}

static void renumber_episodes(struct joining *j)
{
    Handoff__V1__PatientRecord *from = j->from;
    for (size_t i = 0; i < from->n_closed_episodes; i++) {
        Handoff__V1__ClosedEpisode *c = from->closed_episodes[i];
        add_number(j, &j->episodes, c->number, ++j->m->record->last_episode);
        c->origin = origin_of(j, c->origin, c->number);
        c->number = j->m->record->last_episode;
    }
    for (size_t i = 0; i < from->n_episodes; i++) {
        Handoff__V1__Episode *e = from->episodes[i];
        add_number(j, &j->episodes, e->number, ++j->m->record->last_episode);
        e->origin = origin_of(j, e->origin, e->number);
        e->number = j->m->record->last_episode;
    }
    for (size_t i = 0; i < from->n_episodes; i++)
        from->episodes[i]->replaces = number_of(&j->episodes, from->episodes[i]->replaces);
}

static void renumber_cause(struct joining *j, Handoff__V1__Cause *c)
{
    c->episode = number_of(&j->episodes, c->episode);
    c->appointment = number_of(&j->visits, c->appointment);
}

static void renumber_work(struct joining *j)
{
    Handoff__V1__PatientRecord *from = j->from, *r = j->m->record;
    for (size_t i = 0; i < from->n_tasks; i++) {
        Handoff__V1__Task *t = from->tasks[i];
        add_number(j, &j->tasks, t->number, ++r->last_task);
        t->origin = origin_of(j, t->origin, t->number);
        t->number = r->last_task;
        for (size_t c = 0; c < t->n_causes; c++) renumber_cause(j, t->causes[c]);
    }
    for (size_t i = 0; i < from->n_escalations; i++) {
        Handoff__V1__Escalation *e = from->escalations[i];
        add_number(j, &j->escalations, e->number, ++r->last_escalation);
        e->origin = origin_of(j, e->origin, e->number);
        e->number = r->last_escalation;
        e->task = number_of(&j->tasks, e->task);
        if (e->cause) renumber_cause(j, e->cause);
    }
    for (size_t i = 0; i < from->n_tasks; i++)
        from->tasks[i]->escalation = number_of(&j->escalations, from->tasks[i]->escalation);
}

static void renumber_timers(struct joining *j)
{
    for (size_t i = 0; i < j->from->n_timers; i++) {
        Handoff__V1__Timer *t = j->from->timers[i];
        t->episode = number_of(&j->episodes, t->episode);
        t->appointment = number_of(&j->visits, t->appointment);
        t->generation = ++j->m->record->last_generation;
    }
}

/* --- taking in ------------------------------------------------------------------------------------------------------ */
static bool has_safety_net(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_timers; i++)
        if (r->timers[i]->episode == 0) return true;
    return false;
}

static void take_work(struct joining *j)
{
    Handoff__V1__PatientRecord *r = j->m->record, *from = j->from;
    bool has_net = has_safety_net(r);
    for (size_t i = 0; i < from->n_episodes; i++)
        list_append(j->m->arena, &r->episodes, &r->n_episodes, from->episodes[i]);
    for (size_t i = 0; i < from->n_timers; i++)
        if (from->timers[i]->episode || !has_net)
            list_append(j->m->arena, &r->timers, &r->n_timers, from->timers[i]);
    for (size_t i = 0; i < from->n_tasks; i++) list_append(j->m->arena, &r->tasks, &r->n_tasks, from->tasks[i]);
    for (size_t i = 0; i < from->n_escalations; i++)
        list_append(j->m->arena, &r->escalations, &r->n_escalations, from->escalations[i]);
}

/* The newest few of both, in the order of their ends. */
static void take_closed(struct joining *j)
{
    Handoff__V1__PatientRecord *r = j->m->record;
    for (size_t i = 0; i < j->from->n_closed_episodes; i++) {
        Handoff__V1__ClosedEpisode *c = j->from->closed_episodes[i];
        size_t place = r->n_closed_episodes;
        while (place > 0 && r->closed_episodes[place - 1]->closed_at_ms > c->closed_at_ms) place--;
        list_insert(j->m->arena, &r->closed_episodes, &r->n_closed_episodes, place, c);
    }
    while (r->n_closed_episodes > CLOSED_MAX) list_remove(&r->closed_episodes, &r->n_closed_episodes, 0);
}

static void take_ids(struct joining *j)
{
    const struct step_input *input = j->m->input;
    Handoff__V1__PatientRecord *r = j->m->record;
    Handoff__V1__MergedPatient *p = MESSAGE_NEW(j->m->arena, Handoff__V1__MergedPatient, merged_patient);
    p->patient_id = input->joined->patient_id;
    p->sequence = input->joined->sequence;
    p->key = input->joined->key;
    p->depth = 1;
    list_append(j->m->arena, &r->merged, &r->n_merged, p);
    for (size_t i = 0; i < j->from->n_merged; i++) {
        if (++j->from->merged[i]->depth > DEPTH_MAX) moment_fault(j->m, "aliases of aliases, too many in a row");
        list_append(j->m->arena, &r->merged, &r->n_merged, j->from->merged[i]);
    }
    if (r->n_merged > MERGED_MAX) moment_fault(j->m, "more patients became this one than a record holds");
}

static void take_numbers(struct moment *m, uint64_t **mine, size_t *count, const uint64_t *others, size_t other_count,
                         size_t most)
{
    uint64_t *all = ARENA_ARRAY(m->arena, uint64_t, *count + other_count + 1);
    if (other_count) memcpy(all, others, other_count * sizeof *all);
    if (*count) memcpy(all + other_count, *mine, *count * sizeof *all);
    *count += other_count;
    size_t dropped = *count > most ? *count - most : 0;
    *mine = all + dropped;
    *count -= dropped;
}

/* --- repeats -------------------------------------------------------------------------------------------------------- */
/* By sequence. */
static void put_seen(uint64_t *list, size_t *count, uint64_t seen)
{
    size_t place = (*count)++;
    for (; place > 0 && seen_sequence(list[place - 1]) > seen_sequence(seen); place--) list[place] = list[place - 1];
    list[place] = seen;
}

static int64_t newest_of(const Handoff__V1__PatientRecord *r)
{
    int64_t newest = r->evicted_until_ms;
    if (r->seen_previous_ms > newest) newest = r->seen_previous_ms;
    return r->seen_recent_ms > newest ? r->seen_recent_ms : newest;
}

/* The newest of both. What was pushed out by the other's occurred no later than the newest of all. */
static void take_seen(struct joining *j)
{
    Handoff__V1__PatientRecord *r = j->m->record;
    const Handoff__V1__PatientRecord *alias = j->m->input->alias;
    int64_t mine = newest_of(r), others = newest_of(alias);
    uint64_t *all = ARENA_ARRAY(j->m->arena, uint64_t, r->n_seen + alias->n_seen + 1);
    size_t count = 0;
    for (size_t i = 0; i < r->n_seen; i++) put_seen(all, &count, r->seen[i]);
    for (size_t i = 0; i < alias->n_seen; i++) put_seen(all, &count, alias->seen[i]);
    size_t dropped = count > LIMIT_RECORD_SEEN ? count - LIMIT_RECORD_SEEN : 0;
    r->seen = all + dropped;
    r->n_seen = count - dropped;
    r->evicted_until_ms = mine > others ? mine : others;
    r->seen_previous_ms = r->seen_recent_ms = 0;
    r->seen_count = 0;
}

/* --- twice the same ------------------------------------------------------------------------------------------------- */
static bool is_same_course(const struct moment *m, const Handoff__V1__Episode *a, const Handoff__V1__Episode *b)
{
    const struct pathway *p = rules_pathway(m->rules, a->pathway), *q = rules_pathway(m->rules, b->pathway);
    if (!p || !q || strcmp(p->name, q->name) != 0) return false;
    switch (p->subject) {
    case SUBJECT_PATIENT: return true;
    case SUBJECT_REFERRAL: return a->referral_id[0] && strcmp(a->referral_id, b->referral_id) == 0;
    case SUBJECT_RISK: return a->risk == b->risk;
    case SUBJECT_CONSENT: return strcmp(a->consent_id, b->consent_id) == 0;
    }
    return false;
}

static bool has_open_check(const Handoff__V1__PatientRecord *r, const Handoff__V1__Episode *e)
{
    for (size_t i = 0; i < r->n_tasks; i++)
        if (r->tasks[i]->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK && episode_has_task(r->tasks[i], e)) return true;
    return false;
}

/* The graver one; of two that are alike the one that moved last; of two that moved together the survivor's. */
static bool goes_before(const struct moment *m, const Handoff__V1__Episode *b, const Handoff__V1__Episode *a)
{
    if (a->severity != b->severity) return b->severity > a->severity;
    bool is_checked = has_open_check(m->record, a), is_b_checked = has_open_check(m->record, b);
    if (is_checked != is_b_checked) return is_b_checked;
    if (a->priority != b->priority) return b->priority > a->priority;
    return b->moved_at_ms > a->moved_at_ms;
}

/* What it asked for goes on with the one that stays. Of another version of the pathway rules and scopes mean nothing. */
static void aim(Handoff__V1__Cause *c, const Handoff__V1__Episode *gone, const Handoff__V1__Episode *kept)
{
    if (!c || c->episode != gone->number) return;
    c->episode = kept->number;
    if (gone->pathway == kept->pathway) return;
    c->scope = SCOPE_NONE;
    c->rule = 0;
}

static void fold_episode(struct moment *m, Handoff__V1__Episode *gone, Handoff__V1__Episode *kept)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_tasks; i++)
        for (size_t c = 0; c < r->tasks[i]->n_causes; c++) aim(r->tasks[i]->causes[c], gone, kept);
    for (size_t i = 0; i < r->n_escalations; i++) aim(r->escalations[i]->cause, gone, kept);
    for (size_t i = 0; i < r->n_appointments; i++)
        if (r->appointments[i]->episode == gone->number) r->appointments[i]->episode = kept->number;
    for (size_t i = 0; i < r->n_episodes; i++)
        if (r->episodes[i]->replaces == gone->number) r->episodes[i]->replaces = kept->number;
    if (kept->replaces == kept->number) kept->replaces = 0;
    for (size_t i = 0; i < gone->n_told; i++) disclose_remember(m, kept, gone->told[i]);
    machine_focus(m, gone);
    machine_end(m, HANDOFF__V1__CLOSE_REASON__CLOSE_REASON_DUPLICATE);
    machine_focus(m, NULL);
}

/* A visit's timers go on with the episode that stays: a reminder is not lost with its duplicate. */
static void keep_visit_timers(struct moment *m, const Handoff__V1__Episode *gone, const Handoff__V1__Episode *kept)
{
    for (size_t i = 0; gone->pathway == kept->pathway && i < m->record->n_timers; i++) {
        Handoff__V1__Timer *t = m->record->timers[i];
        if (t->episode != gone->number || !t->appointment) continue;
        bool is_there = false;
        for (size_t k = 0; k < m->record->n_timers && !is_there; k++) {
            const Handoff__V1__Timer *o = m->record->timers[k];
            is_there = o->episode == kept->number && o->kind == t->kind && o->appointment == t->appointment;
        }
        if (!is_there) t->episode = kept->number;
    }
}

static void join_episodes(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_episodes; i++)
        for (size_t k = i + 1; k < r->n_episodes && !m->fault; k++) {
            if (!is_same_course(m, r->episodes[i], r->episodes[k])) continue;
            bool is_newer = goes_before(m, r->episodes[k], r->episodes[i]);
            Handoff__V1__Episode *kept = r->episodes[is_newer ? k : i], *gone = r->episodes[is_newer ? i : k];
            keep_visit_timers(m, gone, kept);
            fold_episode(m, gone, kept);
            k = i; /* another stands in its place */
        }
    if (r->n_episodes > LIMIT_RECORD_EPISODES) moment_fault(m, "more open episodes than a record holds");
}

static void join_tasks(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_tasks; i++)
        for (size_t k = r->n_tasks; k-- > i + 1;)
            if (work_asks_the_same(r->tasks[i], r->tasks[k])) work_join_tasks(m, r->tasks[i], r->tasks[k]);
    if (r->n_tasks >= LIMIT_RECORD_TASKS) moment_fault(m, "more open tasks than a record holds");
}

/* --- all of it -------------------------------------------------------------------------------------------------------- */
static void settle(struct moment *m)
{
    uint32_t until = m->record->last_episode;
    for (uint32_t number = 1; number <= until && !m->fault; number++) {
        Handoff__V1__Episode *e = machine_episode(m->record, number);
        if (!e) continue;
        machine_focus(m, e);
        m->depth = 0;
        if (m->pathway) machine_settle(m);
        else moment_fault(m, "an episode's pathway is not loaded");
    }
    machine_focus(m, NULL);
    if (m->record->n_flags && !m->fault) timer_hasten(m);
}

static bool is_opened_by(const struct pathway *p, Handoff__V1__Event__BodyCase body)
{
    for (uint32_t i = 0; i < p->open_count; i++)
        if (p->opens[i].event == body) return true;
    return false;
}

/* Of two words about a stay the newer counts, and the episodes of the other id have not heard it: what waited for the
 * end of a stay would wait for ever. The pathway about stays itself has been joined already. */
static void tell_stay(struct moment *m)
{
    Handoff__V1__Event *e = MESSAGE_NEW(m->arena, Handoff__V1__Event, event);
    e->body_case = m->record->is_admitted ? HANDOFF__V1__EVENT__BODY_ENCOUNTER_ADMITTED : HANDOFF__V1__EVENT__BODY_ENCOUNTER_DISCHARGED;
    if (m->record->is_admitted) e->encounter_admitted = MESSAGE_NEW(m->arena, Handoff__V1__EncounterAdmitted, encounter_admitted);
    else e->encounter_discharged = MESSAGE_NEW(m->arena, Handoff__V1__EncounterDischarged, encounter_discharged);
    uint32_t until = m->record->last_episode;
    m->event = e;
    for (uint32_t number = 1; number <= until && !m->fault; number++) {
        machine_focus(m, machine_episode(m->record, number));
        m->depth = 0;
        if (m->episode && m->pathway && !is_opened_by(m->pathway, e->body_case)) machine_offer(m);
    }
    machine_focus(m, NULL);
    m->event = NULL;
}

void merge_join(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    bool is_stay_disputed = r->is_admitted != m->input->loser->is_admitted;
    struct joining j = {.m = m, .from = message_copy(m->input->loser, m->arena), .base = (uint32_t)r->n_merged + 1};
    take_ids(&j);
    renumber_episodes(&j);
    renumber_visits(&j);
    renumber_work(&j);
    renumber_timers(&j);
    particulars_unite(m, j.from);
    take_work(&j);
    take_closed(&j);
    take_seen(&j);
    take_numbers(m, &r->retracted, &r->n_retracted, j.from->retracted, j.from->n_retracted, RETRACTED_MAX);
    take_numbers(m, &r->taken_back, &r->n_taken_back, j.from->taken_back, j.from->n_taken_back, AWAITED_MAX);
    r->parked += j.from->parked;
    m->is_changed = true;
    join_episodes(m);
    join_tasks(m);
    if (r->is_deceased || r->is_opted_out) work_fall_silent(m);
    work_join_escalations(m);
    if (is_stay_disputed && !m->fault) tell_stay(m);
    if (!m->fault) settle(m);
    if (!m->fault) release_reconsider(m);
}
