/* step: one input, from end to end. Read this first; the other files of core are its parts (see moment.h).
 *
 *   event:   facts -> work it names (task, escalation, episode) -> open episodes -> episodes it opens
 *            -> safety net: findings and discharges always act, unused loop events are reviewed -> invariants
 *   firing:  the due thing, if its generation is still the record's -> invariants
 *
 * An invariant that would break parks the input: the record stays as it was, with a safety-net timer and a task. What was
 * broken before it came is no fault of the input: it is carried out, and a human is asked to look. */
#include "core/invariants.h"
#include "core/moment.h"
#include "core/roster.h"
#include "core/seen.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define VERDICT(NAME) HANDOFF__V1__VERDICT__VERDICT_##NAME
#define KIND(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define ROLE(NAME) HANDOFF__V1__ROLE__ROLE_##NAME

/* --- the record ---------------------------------------------------------------------------------------------- */
static Handoff__V1__PatientRecord *begin_record(const Handoff__V1__PatientRecord *before,
                                                const struct step_input *input, struct arena *arena)
{
    if (before) return message_copy(before, arena);
    Handoff__V1__PatientRecord *r = MESSAGE_NEW(arena, Handoff__V1__PatientRecord, patient_record);
    r->patient_id = arena_string(arena, input->subject_name);
    if (input->event) r->site = input->event->site;
    if (input->subject == SUBJECT_IS_SITE) r->site = r->patient_id;
    return r;
}

static void begin_moment(struct moment *m, const struct rules *rules, const Handoff__V1__PatientRecord *before,
                         const struct step_input *input, struct arena *arena, Handoff__V1__Outcome *out)
{
    *m = (struct moment){.rules = rules,
                         .input = input,
                         .event = input->event,
                         .event_agency = "",
                         .event_consent = "",
                         .now_ms = input->now_ms,
                         .occurred_ms = input->now_ms,
                         .arena = arena,
                         .out = out};
    m->record = begin_record(before, input, arena);
    m->site = rules_site(rules, m->record->site);
    if (m->event && m->event->occurred_at_ms < m->now_ms) m->occurred_ms = m->event->occurred_at_ms;
    if (m->event && m->record->n_merged) m->event = merge_translate(m, m->event);
}

/* --- repeats ------------------------------------------------------------------------------------------------- */
enum seen step_seen(const Handoff__V1__PatientRecord *r, uint64_t seen_hash, int64_t occurred_at_ms, size_t *at,
                    uint64_t *ret_sequence)
{
    while (*at < r->n_seen) {
        uint64_t seen = r->seen[(*at)++];
        if (!seen_fits(seen, seen_hash)) continue;
        *ret_sequence = seen_sequence(seen);
        return SEEN_BEFORE;
    }
    return r->evicted_until_ms && occurred_at_ms <= r->evicted_until_ms ? SEEN_MAYBE : SEEN_NEW;
}

/* Every eighth event the bound on what may have been pushed out moves up; see PatientRecord.seen. */
static void bound_evicted(Handoff__V1__PatientRecord *r, int64_t occurred_ms)
{
    if (occurred_ms > r->seen_recent_ms) r->seen_recent_ms = occurred_ms;
    if (++r->seen_count < LIMIT_RECORD_SEEN / 2) return;
    if (r->seen_previous_ms > r->evicted_until_ms) r->evicted_until_ms = r->seen_previous_ms;
    r->seen_previous_ms = r->seen_recent_ms;
    r->seen_recent_ms = 0;
    r->seen_count = 0;
}

static void remember(Handoff__V1__PatientRecord *r, const struct step_input *input, struct arena *arena)
{
    size_t keep = r->n_seen >= LIMIT_RECORD_SEEN ? LIMIT_RECORD_SEEN - 1 : r->n_seen;
    uint64_t *seen = ARENA_ARRAY(arena, uint64_t, keep + 1);
    if (keep) memcpy(seen, r->seen + (r->n_seen - keep), keep * sizeof *seen);
    seen[keep] = seen_pack(input->seen_hash, input->sequence);
    r->seen = seen;
    r->n_seen = keep + 1;
    bound_evicted(r, input->event->occurred_at_ms);
}

/* --- ids ----------------------------------------------------------------------------------------------------- */
static char *put_number(char *at, uint64_t number)
{
    char digits[20];
    int n = 0;
    do digits[n++] = (char)('0' + number % 10);
    while ((number /= 10));
    while (n) *at++ = digits[--n];
    return at;
}

void step_id(char *buffer, const char *key, const char *letters, uint32_t number, uint32_t generation)
{
    size_t len = strlen(key);
    memcpy(buffer, key, len);
    buffer[len++] = '-';
    for (; *letters; letters++) buffer[len++] = *letters;
    char *end = put_number(buffer + len, number);
    if (generation) {
        *end++ = '.';
        end = put_number(end, generation);
    }
    *end = '\0';
}

uint32_t step_id_number(const char *id, const char *letters)
{
    const char *dash = strrchr(id, '-');
    const char *at = dash ? dash + 1 : id;
    size_t len = strlen(letters);
    if (strncmp(at, letters, len) != 0 || !at[len]) return 0;
    uint64_t number = 0;
    for (at += len; *at; at++) {
        if (*at < '0' || *at > '9' || number > UINT32_MAX / 10) return 0;
        number = number * 10 + (uint64_t)(*at - '0');
    }
    return number <= UINT32_MAX ? (uint32_t)number : 0;
}

bool step_emission_parse(const char *id, struct step_emission *ret)
{
    static const char *const letters[] = {"t", "e", "n"};
    const char *dash = strrchr(id, '-'), *dot = strrchr(dash ? dash : id, '.');
    size_t len = dot ? (size_t)(dot - id) : strlen(id);
    uint64_t generation = 0;
    if (len >= sizeof ret->id) return false;
    for (const char *at = dot ? dot + 1 : ""; *at; at++) {
        if (*at < '0' || *at > '9' || generation > UINT32_MAX / 16) return false;
        generation = generation * 10 + (uint64_t)(*at - '0');
    }
    *ret = (struct step_emission){.generation = (uint32_t)generation};
    memcpy(ret->id, id, len);
    for (size_t i = 0; i < sizeof letters / sizeof *letters && !ret->letters; i++)
        if (step_id_number(ret->id, letters[i])) ret->letters = letters[i];
    return ret->letters != NULL;
}

/* --- offering the event to pathways -------------------------------------------------------------------------- */
/* In the order of their numbers, whatever ended meanwhile. */
static Handoff__V1__Episode *next_episode(const Handoff__V1__PatientRecord *record, uint32_t after)
{
    for (size_t i = 0; i < record->n_episodes; i++)
        if (record->episodes[i]->number > after) return record->episodes[i];
    return NULL;
}

static void offer_to_episodes(struct moment *m)
{
    uint32_t until = m->record->last_episode; /* not to those that this very event opens */
    Handoff__V1__Episode *e = NULL;
    while (!m->fault && (e = next_episode(m->record, e ? e->number : 0)) && e->number <= until) {
        const struct pathway *p = rules_pathway(m->rules, e->pathway);
        if (!p) {
            moment_fault(m, "an episode's pathway is not loaded");
            return;
        }
        if (!episode_is_meant(m, e, p)) continue;
        m->depth = 0; /* each episode comes to rest by itself */
        machine_focus(m, e);
        machine_offer(m);
    }
    machine_focus(m, NULL);
}

/* What another episode or an answer changed may be what this one waits for: a risk that was assessed, say. */
static void settle_episodes(struct moment *m)
{
    Handoff__V1__Episode *e = NULL;
    while (!m->fault && (e = next_episode(m->record, e ? e->number : 0))) {
        m->depth = 0;
        machine_focus(m, e);
        if (m->pathway) machine_settle(m);
    }
    machine_focus(m, NULL);
}

static void open_by_event(struct moment *m, const struct pathway *p)
{
    if (p->is_retired || !event_set_has(&p->opening_events, m->event->body_case)) return;
    for (uint32_t i = 0; i < p->open_count; i++) {
        const struct opening_rule *o = &p->opens[i];
        if (o->event != m->event->body_case || !guard_holds(o->when, m)) continue;
        if (episode_is_open_for(m, p)) return;
        if (p->subject == SUBJECT_REFERRAL && episode_was_closed(m)) {
            m->is_overtaken = m->is_used = true;
            return;
        }
        machine_open(m, p, o, NULL, false);
        if (o->is_offered && !m->fault) machine_offer(m);
        machine_focus(m, NULL);
        return;
    }
}

static void open_episodes(struct moment *m)
{
    for (uint32_t i = 0; i < m->rules->pathway_count && !m->fault; i++)
        if (m->rules->pathways[i]) open_by_event(m, m->rules->pathways[i]);
}

/* --- the safety net ------------------------------------------------------------------------------------------ */
/* Asks somebody, or tells somebody more than before. */
static bool is_telling(const Handoff__V1__Emission *e)
{
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK)
        return e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED ||
               e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_REOPENED ||
               e->task->change == HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_JOINED;
    return e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION &&
           e->escalation->change != HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RESOLVED;
}

/* Roles that this entry alerts already. */
static uint32_t alerted(const struct moment *m)
{
    uint32_t roles = 0;
    for (size_t i = 0; i < m->out->n_emissions; i++) {
        const Handoff__V1__Emission *e = m->out->emissions[i];
        if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION && is_telling(e))
            roles |= UINT32_C(1) << e->escalation->rung;
    }
    return roles;
}

/* The supervisor, out of hours also on-call; nobody is told twice. */
static void alert(struct moment *m, Handoff__V1__Severity severity)
{
    uint32_t roles = UINT32_C(1) << ROLE(SUPERVISOR);
    if (moment_is_out_of_hours(m)) roles |= UINT32_C(1) << ROLE(ON_CALL);
    roles &= ~alerted(m);
    if (roles) work_raise(m, roles, severity, 0);
}

/* Findings and discharges that no pathway took still reach a human, also for an unknown patient. */
static void act_always(struct moment *m, Handoff__V1__Severity severity)
{
    bool is_finding = event_kind_of(m->event->body_case)->class == EVENT_SAFETY;
    bool is_emergent =
        is_finding && severity == HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT; /* then within the hour, not the day */
    alert(m, severity);
    work_open_task(m, &(struct task_order){.kind = is_finding ? KIND(SAFETY_CHECK) : KIND(REVIEW_EVENT),
                                           .severity = severity,
                                           .due = is_emergent ? m->rules->policy.ladder[severity].due : NULL,
                                           .owner = m->record->is_known ? ROLE(UNSPECIFIED) : ROLE(SUPERVISOR)});
}

/* Of a finding or a discharge; UNSPECIFIED: the event is neither. */
static Handoff__V1__Severity always_severity(const struct moment *m)
{
    const struct event_kind *k = m->event ? event_kind_of(m->event->body_case) : NULL;
    if (k && k->class == EVENT_DISCHARGE) return HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
    return k && k->class == EVENT_SAFETY ? facts_finding(m->event) : HANDOFF__V1__SEVERITY__SEVERITY_UNSPECIFIED;
}

/* A finding that is no graver than what is watched already: whoever had to know was told then. */
static bool is_recorded(const struct moment *m)
{
    return m->event_risk && !m->is_higher_finding && facts_watch(m, m->event_risk);
}

/* Somebody was asked or alerted, was so when this was found before, or a pathway says that it is harmless here. */
static bool has_human(const struct moment *m)
{
    if (is_recorded(m)) return true;
    for (size_t i = 0; i < m->out->n_emissions; i++)
        if (is_telling(m->out->emissions[i])) return true;
    return m->is_ignored;
}

/* Somebody has told us of this patient, or something is under way: then what comes is looked at with the patient. */
static bool is_ours(const Handoff__V1__PatientRecord *r) { return r->is_known || r->n_episodes > 0; }

static void catch_unused(struct moment *m)
{
    const struct event_kind *k = event_kind_of(m->event->body_case);
    Handoff__V1__Severity always = always_severity(m);
    if (!k) return;
    if (always) {
        if (!has_human(m) && !(k->class == EVENT_DISCHARGE && m->is_asked)) act_always(m, always);
        else if (!m->record->is_known && !is_recorded(m)) alert(m, always); /* nobody coordinates this patient yet */
    } else if (m->is_used) {
        return;
    } else if (moment_is_course(m) && episode_was_closed(m)) {
        m->is_overtaken = true;
    } else if (k->class == EVENT_LOOP && is_ours(m->record)) {
        work_open_task(m, &(struct task_order){.kind = KIND(REVIEW_EVENT)});
        m->out->verdict = VERDICT(REVIEW);
    } else if (k->class == EVENT_LOOP) {
        m->out->verdict = VERDICT(REVIEW); /* the source's record gets the task: one a source, with a count */
    }
}

/* --- parking ------------------------------------------------------------------------------------------------- */
static void postpone(struct moment *m, const Handoff__V1__TimerInput *f)
{
    for (size_t i = 0; i < m->record->n_timers; i++)
        if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER && m->record->timers[i]->generation == f->generation)
            m->record->timers[i]->due_at_ms = m->now_ms + MS_PER_DAY;
    Handoff__V1__Task *t =
        f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TASK ? work_find_task(m->record, f->number) : NULL;
    if (t) t->due_at_ms = m->now_ms + MS_PER_DAY;
    Handoff__V1__Escalation *e =
        f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION ? work_find_escalation(m->record, f->number) : NULL;
    if (e) e->next_at_ms = m->now_ms + MS_PER_DAY;
    bool is_round = f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ROUND && f->number && f->number <= m->record->n_rounds;
    if (is_round) m->record->rounds[f->number - 1]->begins_at_ms = m->now_ms + MS_PER_DAY;
    if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_SOURCE) m->record->silent_at_ms = m->now_ms + MS_PER_DAY;
    bool is_unserved = f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_UNSERVED && f->number <= m->record->n_unserved;
    if (is_unserved && f->number) m->record->unserved[f->number - 1]->again_at_ms = m->now_ms + MS_PER_DAY;
    if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_HEARTBEAT && m->record->heartbeat)
        m->record->heartbeat->next_at_ms = m->now_ms + MS_PER_DAY;
}

static void arm_safety_net(struct moment *m)
{
    for (size_t i = 0; i < m->record->n_timers; i++)
        if (m->record->timers[i]->episode == 0) return;
    Handoff__V1__Timer *t = MESSAGE_NEW(m->arena, Handoff__V1__Timer, timer);
    t->due_at_ms = m->now_ms + MS_PER_DAY;
    t->generation = ++m->record->last_generation;
    t->cause_sequence = m->input->sequence;
    list_append(m->arena, &m->record->timers, &m->record->n_timers, t);
}

static void park(struct moment *m, const struct rules *rules, const Handoff__V1__PatientRecord *before,
                 const struct step_input *input, struct arena *arena, Handoff__V1__Outcome *out)
{
    const char *fault = m->fault;
    handoff__v1__outcome__init(out);
    begin_moment(m, rules, before, input, arena, out);
    m->record->parked++;
    if (input->kind == STEP_FIRING) postpone(m, input->firing);
    arm_safety_net(m);
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_PARKED, fault, NULL, 0);
    work_open_task(
        m, &(struct task_order){.kind = KIND(REVIEW_DEFECT), .severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT});
    if (always_severity(m)) act_always(m, always_severity(m)); /* that the pathway failed is no reason for silence */
    m->fault = NULL;
    m->sentence = fault;
    out->verdict = VERDICT(PARKED);
}

static bool is_under_review(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_tasks; i++)
        if (r->tasks[i]->kind == KIND(REVIEW_DEFECT)) return true;
    return false;
}

/* The step stands: undone, it would mend nothing, and the patient would stand still. */
static void note_defect(struct moment *m, const char *sentence)
{
    if (is_under_review(m->record)) return;
    machine_focus(m, NULL);
    arm_safety_net(m);
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DEFECT, sentence, NULL, 0);
    work_open_task(
        m, &(struct task_order){.kind = KIND(REVIEW_DEFECT), .severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT});
}

/* Of what a step breaks, only what was whole before parks it. That nobody can be reached lies with the roster: without
 * the alert it would be no better. */
static void hold_invariants(struct moment *m, const Handoff__V1__PatientRecord *before)
{
    const struct invariants_step s = {m->rules, m->site, m->input, before, m->record, m->out};
    uint32_t broken = invariants_of_step(&s), known = INVARIANT(REACHABLE);
    if (!broken) return;
    if (before) known |= invariants_of_record(m->rules, before);
    if (m->input->kind == STEP_JOIN) known |= invariants_of_record(m->rules, m->input->loser);
    if (broken & ~known) moment_fault(m, invariants_sentence(broken & ~known));
    else note_defect(m, invariants_sentence(broken));
}

/* The safety net holds until a human has looked into the defect; its task climbs meanwhile. */
static void fire_safety_net(struct moment *m, Handoff__V1__Timer *t)
{
    bool is_open = is_under_review(m->record);
    t->due_at_ms = m->now_ms + MS_PER_DAY;
    t->generation = ++m->record->last_generation;
    m->is_changed = true;
    for (size_t i = 0; i < m->record->n_timers && !is_open; i++)
        if (m->record->timers[i] == t) list_remove(&m->record->timers, &m->record->n_timers, i);
}

/* Nothing of the answer is done: the task stays as it was, and whoever answered hears why. */
static void undo_answer(struct moment *m, const struct rules *rules, const Handoff__V1__PatientRecord *before,
                        const struct step_input *input, struct arena *arena, Handoff__V1__Outcome *out)
{
    const char *refusal = m->refused_end;
    handoff__v1__outcome__init(out);
    begin_moment(m, rules, before, input, arena, out);
    moment_refuse(m, refusal, 0);
}

/* --- inputs -------------------------------------------------------------------------------------------------- */
static void run_event(struct moment *m)
{
    if (heartbeat_by_event(m)) return;
    bool is_patients = m->input->subject == SUBJECT_IS_PATIENT; /* others have no episodes */
    bool was_taken_back = retract_was_awaited(m);
    if (was_taken_back && !facts_finding(m->event)) {
        retract_review_awaited(m);
        m->out->verdict = VERDICT(REVIEW);
        return;
    }
    bool was_silent = m->record->is_deceased || m->record->is_opted_out;
    facts_apply(m);
    if (!was_silent && (m->record->is_deceased || m->record->is_opted_out)) work_fall_silent(m);
    answers_apply(m);
    if (m->input->subject == SUBJECT_IS_SITE) rounds_by_event(m);
    served_by_event(m);
    if (!m->fault && !m->names_nothing && is_patients) offer_to_episodes(m);
    if (!m->fault && !m->names_nothing && is_patients) open_episodes(m);
    if (!m->fault && !m->names_nothing && is_patients) settle_episodes(m);
    if (!m->fault && is_patients) late_settle(m);
    if (!m->fault) catch_unused(m);
    if (was_taken_back) retract_review_awaited(m); /* last: it is no answer to the finding */
}

static Handoff__V1__Timer *due_timer(const struct moment *m, const Handoff__V1__TimerInput *f)
{
    for (size_t i = 0; i < m->record->n_timers; i++)
        if (m->record->timers[i]->generation == f->generation && m->record->timers[i]->due_at_ms == f->due_at_ms)
            return m->record->timers[i]->is_paused ? NULL : m->record->timers[i];
    return NULL;
}

static void run_firing(struct moment *m)
{
    const Handoff__V1__TimerInput *f = m->input->firing;
    m->due_ms = f->due_at_ms;
    Handoff__V1__Task *task = work_find_task(m->record, f->number);
    Handoff__V1__Escalation *escalation = work_find_escalation(m->record, f->number);
    Handoff__V1__Timer *timer = due_timer(m, f);
    if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TASK && task && task->due_at_ms == f->due_at_ms &&
        !task->is_overdue) {
        m->task = task;
        work_fire_task(m, task);
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION && escalation &&
               escalation->next_at_ms == f->due_at_ms) {
        work_fire_escalation(m, escalation);
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER && timer && timer->episode) {
        machine_focus(m, machine_episode(m->record, timer->episode));
        if (m->pathway) machine_fire(m, timer);
        else moment_fault(m, "an episode's pathway is not loaded");
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER && timer) {
        fire_safety_net(m, timer);
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_ROUND && rounds_fire(m, f)) {
        return;
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_SOURCE && sources_fire(m, f)) {
        return;
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_UNSERVED && served_fire(m, f)) {
        return;
    } else if (f->kind == HANDOFF__V1__DUE_KIND__DUE_KIND_HEARTBEAT && heartbeat_fire(m, f)) {
        return;
    } else {
        m->out->verdict = VERDICT(NO_OP);
    }
}

static void run_unknown_subject(struct moment *m)
{
    m->record->unknown_events++;
    m->is_changed = true;
    if (m->record->n_tasks == 0)
        work_open_task(m, &(struct task_order){.kind = KIND(REVIEW_EVENT), .owner = ROLE(SUPERVISOR)});
    for (size_t i = 0; m->input->unknown && i < m->record->n_tasks; i++) review_note(m, m->record->tasks[i]);
}

static char *put_text(char *at, const char *text)
{
    for (; *text; text++) *at++ = *text;
    return at;
}

/* The first stands; whoever looks after the source should know. */
static void run_differs(struct moment *m)
{
    static const char differs_from[] = " is not what it was in entry ";
    const Handoff__V1__RepeatDiffers *d = m->input->differs;
    char *text = arena_alloc(m->arena, strlen(d->source) + strlen(d->id) + sizeof differs_from + STEP_ID_BYTES);
    char *at = put_text(put_text(put_text(text, d->source), " "), d->id);
    *put_number(put_text(at, differs_from), d->first_sequence) = '\0';
    moment_audit(m, HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_DIFFERS, text, NULL, 0);
}

static void note_told(struct moment *m)
{
    for (size_t i = 0; i < m->out->n_emissions; i++) {
        Handoff__V1__Episode *e =
            is_telling(m->out->emissions[i]) ? machine_episode(m->record, m->out->emissions[i]->episode) : NULL;
        if (e) e->told_at_ms = m->now_ms;
    }
}

int64_t step_silence_ended(const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after)
{
    int64_t longest = 0;
    for (size_t i = 0; i < after->n_episodes; i++) {
        const Handoff__V1__Episode *now = after->episodes[i];
        const Handoff__V1__Episode *was = machine_episode(before, now->number);
        if (!was || now->told_at_ms == was->told_at_ms) continue;
        if (now->consent_id[0]) continue; /* a release is a document: it may lie still until it runs out */
        int64_t since = was->told_at_ms > was->entered_at_ms ? was->told_at_ms : was->entered_at_ms;
        if (now->told_at_ms - since > longest) longest = now->told_at_ms - since;
    }
    return longest;
}

static bool is_assigned(const Handoff__V1__PatientRecord *r, Handoff__V1__Role role)
{
    for (size_t i = 0; i < r->n_assignments; i++)
        if (r->assignments[i]->role == role) return true;
    return false;
}

/* Open tasks of the role that is assigned anew have become somebody else's. The first assignment hands over nothing. */
static const char *hands_over_to(const struct moment *m, const Handoff__V1__PatientRecord *before)
{
    if (!before || !m->event || m->event->body_case != BODY(STAFF_ASSIGNED)) return NULL;
    Handoff__V1__Role role = m->event->staff_assigned->role;
    if (!is_assigned(before, role)) return NULL;
    const char *was = roster_resolve(m->rules, m->site, before, role, m->now_ms);
    const char *is = roster_resolve(m->rules, m->site, m->record, role, m->now_ms);
    for (size_t i = 0; i < m->record->n_tasks && strcmp(was, is) != 0; i++)
        if (m->record->tasks[i]->owner == role) return m->event->staff_assigned->person_id;
    return NULL;
}

static Handoff__V1__Verdict verdict_of(const struct moment *m)
{
    if (m->out->verdict) return m->out->verdict;
    if (m->is_changed) return VERDICT(APPLIED);
    return m->is_overtaken ? VERDICT(OVERTAKEN) : VERDICT(RECORDED);
}

void step(const struct rules *rules, const Handoff__V1__PatientRecord *before, const struct step_input *input,
          struct arena *arena, struct outcome *ret_outcome)
{
    struct moment m;
    Handoff__V1__Outcome *out = &ret_outcome->journaled;
    handoff__v1__outcome__init(out);
    begin_moment(&m, rules, before, input, arena, out);
    switch (input->kind) {
    case STEP_EVENT: run_event(&m); break;
    case STEP_FIRING: run_firing(&m); break;
    case STEP_UNKNOWN_SUBJECT: run_unknown_subject(&m); break;
    case STEP_COMMAND:
        rounds_by_command(&m);
        sources_by_command(&m);
        served_by_command(&m);
        heartbeat_by_command(&m);
        disclosed_by_command(&m);
        break;
    case STEP_JOIN: merge_join(&m); break;
    case STEP_DIFFERS: run_differs(&m); break;
    }
    if (m.refused_end) undo_answer(&m, rules, before, input, arena, out);
    if (!m.fault) hold_invariants(&m, before);
    if (m.fault) park(&m, rules, before, input, arena, out);
    if (input->kind == STEP_EVENT) remember(m.record, input, arena);
    note_told(&m);
    out->verdict = verdict_of(&m);
    if (m.sentence) out->sentence = arena_string(arena, m.sentence);
    ret_outcome->after = m.record;
    ret_outcome->hands_over_to = hands_over_to(&m, before);
    ret_outcome->takes_back = m.takes_back;
    ret_outcome->was_taken_back = m.was_taken_back;
    ret_outcome->is_new = before == NULL;
    ret_outcome->tells_source = input->kind == STEP_EVENT && input->subject == SUBJECT_IS_PATIENT &&
                                !is_ours(m.record) && out->verdict == VERDICT(REVIEW);
}

/* --- what is due next ---------------------------------------------------------------------------------------- */
static void fill_firing(Handoff__V1__TimerInput *f, Handoff__V1__DueKind kind, int64_t due, uint32_t number,
                        uint32_t generation)
{
    handoff__v1__timer_input__init(f);
    f->kind = kind;
    f->due_at_ms = due;
    f->number = number;
    f->generation = generation;
}

int64_t step_next_due(const Handoff__V1__PatientRecord *r, Handoff__V1__TimerInput *f)
{
    int64_t due = INT64_MAX;
    for (size_t i = 0; i < r->n_timers; i++) {
        const Handoff__V1__Timer *t = r->timers[i];
        if (t->is_paused || t->due_at_ms >= due) continue;
        due = t->due_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER, due, 0, t->generation);
        f->episode = t->episode;
        f->timer = t->kind;
        f->appointment = t->appointment;
    }
    for (size_t i = 0; i < r->n_tasks; i++) {
        const Handoff__V1__Task *t = r->tasks[i];
        if (t->is_overdue || t->due_at_ms >= due) continue;
        due = t->due_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_TASK, due, t->number, t->generation);
    }
    for (size_t i = 0; i < r->n_escalations; i++) {
        const Handoff__V1__Escalation *e = r->escalations[i];
        if (e->next_at_ms >= due) continue;
        due = e->next_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_ESCALATION, due, e->number, e->generation);
    }
    for (size_t i = 0; i < r->n_rounds; i++) {
        if (r->rounds[i]->is_begun || r->rounds[i]->begins_at_ms >= due) continue;
        due = r->rounds[i]->begins_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_ROUND, due, (uint32_t)i + 1, 0);
    }
    if (r->silent_at_ms && r->silent_at_ms < due) {
        due = r->silent_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_SOURCE, due, 0, 0);
    }
    for (size_t i = 0; i < r->n_unserved; i++) {
        if (!r->unserved[i]->again_at_ms || r->unserved[i]->again_at_ms >= due) continue;
        due = r->unserved[i]->again_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_UNSERVED, due, (uint32_t)i + 1, 0);
    }
    if (r->heartbeat && r->heartbeat->next_at_ms && r->heartbeat->next_at_ms < due) {
        due = r->heartbeat->next_at_ms;
        fill_firing(f, HANDOFF__V1__DUE_KIND__DUE_KIND_HEARTBEAT, due, 0, 0);
    }
    return due;
}

void step_totals(const Handoff__V1__PatientRecord *r, struct record_totals *ret)
{
    *ret = (struct record_totals){.open_episodes = (int64_t)r->n_episodes,
                                  .open_tasks = (int64_t)r->n_tasks,
                                  .open_escalations = (int64_t)r->n_escalations,
                                  .pending_timers = (int64_t)r->n_timers};
}
