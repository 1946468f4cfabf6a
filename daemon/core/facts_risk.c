/* What is known of a patient's safety: findings, the flags that they raise, who may assess and clear them, and what an
 * open flag forbids. Facts, kept whether or not a pathway watches; the episodes that watch a kind of risk are told.
 *
 *   no flag --finding--> flagged --safety-check completed by a clinician, with a level--> assessed
 *                           ^------------------- a higher finding -----------------------------'
 *           flagged, assessed --cleared by a named clinician--> no flag
 *
 * How grave: a flag stands at the severity of its gravest finding, and once assessed at that of the clinician's level. */
#include "core/moment.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define SEVERITY(NAME) HANDOFF__V1__SEVERITY__SEVERITY_##NAME
#define LEVEL(NAME) HANDOFF__V1__RISK_LEVEL__RISK_LEVEL_##NAME
#define INSTRUMENT(NAME) HANDOFF__V1__INSTRUMENT__INSTRUMENT_##NAME
#define ROLE_BIT(NAME) (UINT32_C(1) << HANDOFF__V1__ROLE__ROLE_##NAME)
#define KIND_SELF HANDOFF__V1__RISK_KIND__RISK_KIND_SELF
#define KIND_MEDICAL HANDOFF__V1__RISK_KIND__RISK_KIND_MEDICAL
enum { FLAGS_MAX = 8, C_SSRS_BEHAVIOR = 6, C_SSRS_PLAN = 4, C_SSRS_METHOD = 3, ASQ_ACUTE = 5, PHQ_SELF_HARM = 9 };

/* --- findings ------------------------------------------------------------------------------------------------ */
static bool has_item(const Handoff__V1__ScreeningScored *s, uint32_t from, uint32_t to)
{
    for (size_t i = 0; i < s->n_items; i++)
        if (s->items[i]->item >= from && s->items[i]->item <= to && s->items[i]->score > 0) return true;
    return false;
}

static Handoff__V1__RiskLevel level_of_items(const Handoff__V1__ScreeningScored *s)
{
    if (s->instrument == INSTRUMENT(C_SSRS)) {
        if (has_item(s, C_SSRS_PLAN, C_SSRS_BEHAVIOR)) return LEVEL(HIGH);
        if (has_item(s, C_SSRS_METHOD, C_SSRS_METHOD)) return LEVEL(MODERATE);
        return has_item(s, 1, C_SSRS_METHOD - 1) ? LEVEL(LOW) : LEVEL(UNSPECIFIED);
    }
    if (has_item(s, ASQ_ACUTE, ASQ_ACUTE)) return LEVEL(HIGH);
    return has_item(s, 1, ASQ_ACUTE - 1) ? LEVEL(LOW) : LEVEL(UNSPECIFIED);
}

/* Of the two suicide screens: what was told or what the items say, whichever is higher. */
static Handoff__V1__RiskLevel level_of_screen(const Handoff__V1__ScreeningScored *s)
{
    if (s->instrument != INSTRUMENT(C_SSRS) && s->instrument != INSTRUMENT(ASQ)) return LEVEL(UNSPECIFIED);
    Handoff__V1__RiskLevel items = level_of_items(s);
    return items > s->level ? items : s->level;
}

static Handoff__V1__Severity severity_of_level(Handoff__V1__RiskLevel level)
{
    if (level == LEVEL(HIGH)) return SEVERITY(EMERGENT);
    return level >= LEVEL(LOW) ? SEVERITY(URGENT) : SEVERITY(ROUTINE);
}

static Handoff__V1__Severity finding_of_screening(const Handoff__V1__ScreeningScored *s)
{
    Handoff__V1__RiskLevel level = level_of_screen(s);
    bool is_phq = s->instrument == INSTRUMENT(PHQ_9) || s->instrument == INSTRUMENT(PHQ_A);
    if (level >= LEVEL(LOW)) return severity_of_level(level);
    return is_phq && has_item(s, PHQ_SELF_HARM, PHQ_SELF_HARM) ? SEVERITY(URGENT) : SEVERITY(UNSPECIFIED);
}

/* A flag that somebody raises is never less than urgent. */
Handoff__V1__Severity facts_finding(const Handoff__V1__Event *event)
{
    if (event->body_case == BODY(SAFETY_FLAG_RAISED))
        return event->safety_flag_raised->severity == SEVERITY(EMERGENT) ? SEVERITY(EMERGENT) : SEVERITY(URGENT);
    if (event->body_case == BODY(SCREENING_SCORED)) return finding_of_screening(event->screening_scored);
    return SEVERITY(UNSPECIFIED);
}

Handoff__V1__RiskKind facts_risk_of(const Handoff__V1__Event *e)
{
    if (e->body_case == BODY(SAFETY_FLAG_RAISED)) return e->safety_flag_raised->kind;
    if (e->body_case == BODY(SAFETY_CLEARED)) return e->safety_cleared->kind;
    return facts_finding(e) ? KIND_SELF : HANDOFF__V1__RISK_KIND__RISK_KIND_UNSPECIFIED;
}

/* --- flags --------------------------------------------------------------------------------------------------- */
Handoff__V1__SafetyFlag *facts_flag(const Handoff__V1__PatientRecord *r, Handoff__V1__RiskKind kind)
{
    for (size_t i = 0; i < r->n_flags; i++)
        if (r->flags[i]->kind == kind) return r->flags[i];
    return NULL;
}

const Handoff__V1__Episode *facts_watch(const struct moment *m, Handoff__V1__RiskKind kind)
{
    for (size_t i = 0; kind && i < m->record->n_episodes; i++) {
        const struct pathway *p = rules_pathway(m->rules, m->record->episodes[i]->pathway);
        if (p && p->subject == SUBJECT_RISK && m->record->episodes[i]->risk == kind) return m->record->episodes[i];
    }
    return NULL;
}

/* The episode that watches this kind of risk says what its flag says. */
static void tell_watch(struct moment *m, const Handoff__V1__SafetyFlag *f)
{
    const Handoff__V1__Episode *watch = facts_watch(m, f->kind);
    Handoff__V1__Episode *e = watch ? machine_episode(m->record, watch->number) : NULL;
    if (!e) return;
    e->severity = f->severity;
    if (f->is_assessed) e->level = f->level;
}

/* Graver than what stands: a graver severity, or of an assessed flag a level above the clinician's. */
static bool is_higher(const Handoff__V1__SafetyFlag *f, Handoff__V1__Severity severity, Handoff__V1__RiskLevel level)
{
    return severity > f->severity || (f->is_assessed && level > f->level);
}

static void raise_flag(struct moment *m, Handoff__V1__RiskKind kind, Handoff__V1__RiskLevel level)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__Severity severity = facts_finding(m->event);
    Handoff__V1__SafetyFlag *f = facts_flag(r, kind);
    m->is_higher_finding = !f || is_higher(f, severity, level);
    if (!f) {
        if (r->n_flags >= FLAGS_MAX) return; /* there are fewer kinds than that */
        f = MESSAGE_NEW(m->arena, Handoff__V1__SafetyFlag, safety_flag);
        f->kind = kind;
        list_append(m->arena, &r->flags, &r->n_flags, f);
    }
    if (m->occurred_ms > f->raised_at_ms) f->raised_at_ms = m->occurred_ms;
    if (!m->is_higher_finding) return; /* assessed stays assessed */
    f->severity = severity;
    f->is_assessed = false;
    for (size_t i = 0; i < r->n_episodes; i++) r->episodes[i]->is_closing_decided = false;
    tell_watch(m, f);
    timer_hasten(m);
}

void facts_flag_raised(struct moment *m)
{
    raise_flag(m, m->event->safety_flag_raised->kind, LEVEL(UNSPECIFIED));
}

void facts_screened(struct moment *m)
{
    if (m->occurred_ms > m->record->assessed_at_ms) m->record->assessed_at_ms = m->occurred_ms;
    scores_keep(m);
    if (facts_finding(m->event)) raise_flag(m, KIND_SELF, level_of_screen(m->event->screening_scored));
}

/* --- clinicians ---------------------------------------------------------------------------------------------- */
bool facts_is_clinician(const struct moment *m, const char *person_id, bool is_medical)
{
    uint32_t clinical = ROLE_BIT(CLINICIAN) | ROLE_BIT(BH_TEAM) | ROLE_BIT(PRESCRIBER);
    if (is_medical) clinical |= ROLE_BIT(PCP);
    for (size_t i = 0; i < m->site->roster->n_people; i++) {
        const Handoff__V1__Person *p = m->site->roster->people[i];
        if (strcmp(p->id, person_id) != 0) continue;
        for (size_t r = 0; r < p->n_roles; r++)
            if (clinical >> p->roles[r] & 1) return true;
    }
    return false;
}

/* What was found after the clinician looked is not cleared by a late word of it. */
void facts_cleared(struct moment *m)
{
    const Handoff__V1__SafetyCleared *c = m->event->safety_cleared;
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = r->n_flags; i-- > 0;) {
        if (r->flags[i]->kind != c->kind) continue;
        if (!facts_is_clinician(m, c->clinician_id, c->kind == KIND_MEDICAL))
            moment_refuse(m, "only a clinician of the roster clears a safety flag: it stands", 0);
        else if (r->flags[i]->raised_at_ms > m->occurred_ms) m->is_overtaken = true;
        else list_remove(&r->flags, &r->n_flags, i);
    }
}

/* --- safety-checks ------------------------------------------------------------------------------------------- */
static bool is_only_medical(const Handoff__V1__PatientRecord *r)
{
    return r->n_flags == 1 && r->flags[0]->kind == KIND_MEDICAL;
}

static bool is_found_since(const struct moment *m)
{
    for (size_t i = 0; i < m->record->n_flags; i++)
        if (!m->record->flags[i]->is_assessed && m->record->flags[i]->raised_at_ms > m->occurred_ms) return true;
    return false;
}

const char *facts_refuse_check(const struct moment *m, const Handoff__V1__Task *t)
{
    if (t->kind != HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK || !m->record->n_flags) return NULL;
    if (m->event->body_case == BODY(TASK_CANCELLED))
        return "a safety flag is open: a clinician completes its safety-check or clears the flag; the task stays open";
    if (m->event->body_case != BODY(TASK_COMPLETED)) return NULL;
    const Handoff__V1__TaskCompleted *c = m->event->task_completed;
    if (c->outcome != HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE &&
        c->outcome != HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_REACHED)
        return "a safety flag is open: a safety-check that did not take place is an attempt; the task stays open";
    if (!facts_is_clinician(m, c->by, is_only_medical(m->record)))
        return "a safety flag is open: only a clinician of the roster completes its safety-check; the task stays open";
    if (c->level == LEVEL(UNSPECIFIED))
        return "a safety flag is open: a safety-check says the level of risk; the task stays open";
    return is_found_since(m) ? "something was found after this safety-check; the task stays open" : NULL;
}

/* The level of a check that says one; without, what stands stays. */
void facts_assessed(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    bool is_told = m->event && m->event->body_case == BODY(TASK_COMPLETED);
    Handoff__V1__RiskLevel level = is_told ? m->event->task_completed->level : LEVEL(UNSPECIFIED);
    if (m->occurred_ms > r->assessed_at_ms) r->assessed_at_ms = m->occurred_ms;
    for (size_t i = 0; i < r->n_flags; i++) {
        Handoff__V1__SafetyFlag *f = r->flags[i];
        if (f->raised_at_ms > m->occurred_ms && !f->is_assessed) continue;
        f->is_assessed = true;
        if (level) f->level = level, f->severity = severity_of_level(level);
        tell_watch(m, f);
    }
}

/* --- taking back --------------------------------------------------------------------------------------------- */
/* What a word of a clinician alone cleared or assessed is as it was before; nothing becomes less grave by taking back. */
void facts_flags_return(struct moment *m, const Handoff__V1__PatientRecord *before, const Handoff__V1__PatientRecord *after)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < before->n_flags; i++) {
        const Handoff__V1__SafetyFlag *was = before->flags[i], *left = facts_flag(after, was->kind);
        Handoff__V1__SafetyFlag *now = facts_flag(r, was->kind);
        bool was_graver = left && (left->is_assessed > was->is_assessed || was->severity > left->severity);
        if (!left && !now && r->n_flags < FLAGS_MAX) {
            list_append(m->arena, &r->flags, &r->n_flags, message_copy(was, m->arena));
        } else if (was_graver && message_equal(left, now)) {
            now->severity = was->severity;
            now->is_assessed = was->is_assessed;
            now->level = was->level;
        } else {
            continue;
        }
        m->is_changed = true;
        timer_hasten(m);
    }
}

/* --- what an open flag forbids ------------------------------------------------------------------------------- */
bool facts_is_unassessed(const Handoff__V1__PatientRecord *r)
{
    for (size_t i = 0; i < r->n_flags; i++)
        if (!r->flags[i]->is_assessed) return true;
    return false;
}

/* A named clinician closes or steps down all the same, or completes the task that closes, and says why: this episode,
 * not another of the patient. What they note of a safety-check is about the risk, and decides nothing else. */
static bool is_overridden(const struct moment *m)
{
    const Handoff__V1__Event *e = m->event;
    if (m->task && m->task->kind == HANDOFF__V1__TASK_KIND__TASK_KIND_SAFETY_CHECK) return false;
    if (e && m->episode && !episode_is_meant(m, m->episode, m->pathway)) return false;
    if (e && m->episode && e->body_case == BODY(REFERRAL_UPDATED) && m->pathway->subject != SUBJECT_REFERRAL) return false;
    const char *by = "", *why = "";
    if (e && e->body_case == BODY(EPISODE_CLOSED)) by = e->episode_closed->clinician_id, why = e->episode_closed->note;
    if (e && e->body_case == BODY(REFERRAL_UPDATED)) by = e->referral_updated->clinician_id, why = e->referral_updated->reason;
    if (e && e->body_case == BODY(TASK_COMPLETED)) by = e->task_completed->by, why = e->task_completed->note;
    return why[0] && facts_is_clinician(m, by, is_only_medical(m->record));
}

const char *facts_refuse_closing(const struct moment *m)
{
    if (facts_is_unassessed(m->record))
        return "a safety flag is open: it is assessed or cleared before an episode closes or steps down";
    if (!m->record->n_flags || (m->episode && m->episode->is_closing_decided) || is_overridden(m)) return NULL;
    return "a safety flag is assessed but not cleared: a clinician of the roster may decide otherwise, with clinician_id "
           "and the reason in the note";
}
