/* Guards: are they true of this moment? And the table of predicates that they may call. */
#include "core/moment.h"
#include "core/consent.h"
#include "core/days.h"
#include "core/reach.h"

#include <string.h>

#define EMPTY_TEXT ""

struct value {
    int64_t number;
    const char *text; /* NULL: a number */
};

static const ProtobufCMessage *event_body(const Handoff__V1__Event *event)
{
    return event ? (const ProtobufCMessage *)(const void *)event->referral_requested
                 : NULL; /* all members of the union */
}

static const void *object_of(const struct moment *m, enum guard_object object)
{
    switch (object) {
    case OBJECT_EVENT: return event_body(m->event);
    case OBJECT_PATIENT: return m->record;
    case OBJECT_EPISODE: return m->episode;
    case OBJECT_REFERRAL: return m->referral;
    case OBJECT_TASK: return m->task;
    case OBJECT_VISIT: return m->visit;
    }
    return NULL;
}

static int64_t read_count(const void *member)
{
    const Handoff__V1__Count *count = *(Handoff__V1__Count *const *)member;
    return count ? (int64_t)count->value : -1;
}

static struct value read_field(const struct moment *m, const struct guard *g)
{
    const void *object = object_of(m, g->object);
    bool is_text = g->field->type == PROTOBUF_C_TYPE_STRING;
    if (!object) return (struct value){0, is_text ? EMPTY_TEXT : NULL};
    const void *member = field_at(object, g->field);
    switch (g->field->type) {
    case PROTOBUF_C_TYPE_STRING: return (struct value){0, *(const char *const *)member};
    case PROTOBUF_C_TYPE_MESSAGE: return (struct value){read_count(member), NULL};
    case PROTOBUF_C_TYPE_BOOL: return (struct value){*(const protobuf_c_boolean *)member, NULL};
    case PROTOBUF_C_TYPE_INT64: case PROTOBUF_C_TYPE_SINT64: case PROTOBUF_C_TYPE_SFIXED64:
    case PROTOBUF_C_TYPE_UINT64: case PROTOBUF_C_TYPE_FIXED64: return (struct value){*(const int64_t *)member, NULL};
    case PROTOBUF_C_TYPE_UINT32: case PROTOBUF_C_TYPE_FIXED32: return (struct value){*(const uint32_t *)member, NULL};
    case PROTOBUF_C_TYPE_INT32: case PROTOBUF_C_TYPE_SINT32: case PROTOBUF_C_TYPE_SFIXED32: case PROTOBUF_C_TYPE_ENUM:
        return (struct value){*(const int32_t *)member, NULL};
    case PROTOBUF_C_TYPE_FLOAT: case PROTOBUF_C_TYPE_DOUBLE: case PROTOBUF_C_TYPE_BYTES: break; /* refused at load */
    }
    return (struct value){0, NULL};
}

static bool holds(const struct guard *g, const struct moment *m);

static struct value evaluate(const struct guard *g, const struct moment *m)
{
    switch (g->op) {
    case GUARD_NUMBER: return (struct value){g->number, NULL};
    case GUARD_TEXT: return (struct value){0, g->text};
    case GUARD_FIELD: return read_field(m, g);
    case GUARD_VARIABLE: return (struct value){m->episode ? m->episode->variables[g->number] : 0, NULL};
    case GUARD_CALL: return (struct value){g->predicate->ask(m, g), NULL};
    case GUARD_TIMES: return (struct value){evaluate(g->left, m).number * evaluate(g->right, m).number, NULL};
    case GUARD_AND:
    case GUARD_OR:
    case GUARD_NOT:
    case GUARD_EQ:
    case GUARD_NE:
    case GUARD_LT:
    case GUARD_LE:
    case GUARD_GT:
    case GUARD_GE: case GUARD_IN: case GUARD_LIST: return (struct value){holds(g, m), NULL};
    }
    return (struct value){0, NULL};
}

static int compare(struct value a, struct value b)
{
    if (a.text && b.text) return strcmp(a.text, b.text);
    return a.number < b.number ? -1 : a.number > b.number;
}

static bool is_in(const struct guard *g, const struct moment *m)
{
    struct value left = evaluate(g->left, m);
    for (const struct guard *item = g->right; item; item = item->right)
        if (compare(left, evaluate(item->left, m)) == 0) return true;
    return false;
}

static bool holds(const struct guard *g, const struct moment *m)
{
    switch (g->op) {
    case GUARD_AND: return holds(g->left, m) && holds(g->right, m);
    case GUARD_OR: return holds(g->left, m) || holds(g->right, m);
    case GUARD_NOT: return !holds(g->left, m);
    case GUARD_EQ: return compare(evaluate(g->left, m), evaluate(g->right, m)) == 0;
    case GUARD_NE: return compare(evaluate(g->left, m), evaluate(g->right, m)) != 0;
    case GUARD_LT: return compare(evaluate(g->left, m), evaluate(g->right, m)) < 0;
    case GUARD_LE: return compare(evaluate(g->left, m), evaluate(g->right, m)) <= 0;
    case GUARD_GT: return compare(evaluate(g->left, m), evaluate(g->right, m)) > 0;
    case GUARD_GE: return compare(evaluate(g->left, m), evaluate(g->right, m)) >= 0;
    case GUARD_IN: return is_in(g, m);
    case GUARD_NUMBER: case GUARD_FIELD: case GUARD_VARIABLE: case GUARD_CALL: case GUARD_TIMES: return evaluate(g, m).number != 0;
    case GUARD_TEXT: case GUARD_LIST: return true;
    }
    return false;
}

bool guard_holds(const struct guard *guard, const struct moment *m)
{
    return !guard || holds(guard, m);
}

/* --- predicates ---------------------------------------------------------------------------------------------- */
#define PREDICATE(NAME) static int64_t NAME(const struct moment *m, const struct guard *g)
#define UNUSED (void)m, (void)g

PREDICATE(ask_age) { UNUSED; return patient_age(m->site, m->record, m->now_ms); }
PREDICATE(ask_is_flagged) { UNUSED; return m->record->n_flags > 0; }
PREDICATE(ask_is_urgent) { UNUSED; return moment_is_urgent(m); }
PREDICATE(ask_is_new_visit) { UNUSED; return m->is_new_visit; }
PREDICATE(ask_is_exhausted) { UNUSED; return m->is_exhausted; }
PREDICATE(ask_has_agency) { UNUSED; return m->episode && m->episode->agency_id[0] != '\0'; }
PREDICATE(ask_is_replacement) { UNUSED; return m->episode && m->episode->replaces != 0; }

PREDICATE(ask_is_flagged_unassessed) { UNUSED; return facts_is_unassessed(m->record); }
PREDICATE(ask_is_finding) { UNUSED; return m->event && facts_finding(m->event) != 0; }
PREDICATE(ask_is_higher_finding) { UNUSED; return m->is_higher_finding; }
PREDICATE(ask_is_cleared) { UNUSED; return m->episode && !facts_flag(m->record, m->episode->risk); }
PREDICATE(ask_is_closing_refused) { UNUSED; return facts_refuse_closing(m) != NULL; }

/* The event asks for a lower level of care than this episode has; only the levels that stand above one another. */
PREDICATE(ask_is_step_down)
{
    UNUSED;
    const ProtobufCMessage *body = event_body(m->event);
    const ProtobufCFieldDescriptor *f =
        body ? protobuf_c_message_descriptor_get_field_by_name(body->descriptor, "level_of_care") : NULL;
    int32_t wanted = f ? *(const int32_t *)field_at(body, f) : 0;
    return m->episode && m->episode->level_of_care && wanted <= HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_PCP &&
           wanted > (int32_t)m->episode->level_of_care;
}

/* The event names somebody of the roster who may judge a level of care. */
PREDICATE(ask_is_by_clinician)
{
    UNUSED;
    const Handoff__V1__Event *e = m->event;
    return e && e->body_case == HANDOFF__V1__EVENT__BODY_REFERRAL_UPDATED &&
           facts_is_clinician(m, e->referral_updated->clinician_id, false);
}

PREDICATE(ask_was_completed) { UNUSED; return m->event && episode_completed(m) != NULL; }

PREDICATE(ask_is_authorized)
{
    UNUSED;
    return m->episode && authority_allows(m->rules, m->episode->referrer, m->episode->level_of_care);
}

PREDICATE(ask_days_since_assessed)
{
    UNUSED;
    return (m->now_ms - m->record->assessed_at_ms) / MS_PER_DAY; /* never: decades */
}

static Handoff__V1__DiagnosisCategory category_of(const struct moment *m)
{
    return m->episode && m->episode->category ? m->episode->category : m->record->category;
}

static int64_t answer_for(const struct moment *m, Handoff__V1__Party party)
{
    const char *id = act_party_id(m, party);
    if (!id) return CONSENT_NONE;
    struct consent_question q = {m->rules, m->site, m->record, party, id, category_of(m), m->now_ms, NULL};
    struct consent_ground ground;
    return consent_is_needed(&q) ? consent_ask(&q, &ground) : CONSENT_COVERS;
}

PREDICATE(ask_consent_covers) { return answer_for(m, (Handoff__V1__Party)g->argument[0]) == CONSENT_COVERS; }
PREDICATE(ask_consent_uncertain) { return answer_for(m, (Handoff__V1__Party)g->argument[0]) == CONSENT_UNCERTAIN; }

PREDICATE(ask_lacks) { return release_lacks(m, (uint32_t)g->argument[0]); }
PREDICATE(ask_release_complete) { UNUSED; return release_is_complete(m); }
PREDICATE(ask_release_on_file) { UNUSED; return release_is_on_file(m); }
PREDICATE(ask_release_needed) { UNUSED; return release_is_needed(m); }
PREDICATE(ask_release_superseded) { UNUSED; return release_is_superseded(m); }
PREDICATE(ask_release_declined) { UNUSED; return release_is_declined(m); }

PREDICATE(ask_reachable)
{
    UNUSED;
    if (m->record->is_deceased || m->record->is_opted_out) return true; /* then nothing goes, and nobody calls */
    return reach_family(m->rules, m->site, m->record, m->now_ms);
}

PREDICATE(ask_event_agency_covered)
{
    UNUSED;
    return consent_for(m->rules, m->site, m->record, HANDOFF__V1__PARTY__PARTY_AGENCY, m->event_agency, category_of(m),
                       m->now_ms) != NULL;
}

PREDICATE(ask_is_outside)
{
    const char *id = act_party_id(m, (Handoff__V1__Party)g->argument[0]);
    return consent_is_outside(m->rules, (Handoff__V1__Party)g->argument[0], id ? id : "");
}

PREDICATE(ask_has_member) { return act_party_id(m, (Handoff__V1__Party)g->argument[0]) != NULL; }
PREDICATE(ask_held) { return m->episode && act_is_held(m->episode, (uint32_t)g->argument[0]); }
PREDICATE(ask_paused) { return m->episode && act_is_paused(m->pathway, m->episode, (uint32_t)g->argument[0]); }
PREDICATE(ask_concerned) { return m->episode && (m->episode->concerns >> g->argument[0] & 1); }
PREDICATE(ask_in_state) { return m->episode && m->episode->state == (uint32_t)g->argument[0]; }
PREDICATE(ask_running) { return m->episode && timer_find(m, (uint32_t)g->argument[0], 0) != NULL; }

PREDICATE(ask_in_region)
{
    return m->episode && m->episode->region_states[g->argument[0]] == (uint32_t)g->argument[1];
}

static int64_t count_visits(const struct moment *m, Handoff__V1__VisitStatus status)
{
    int64_t count = 0;
    for (size_t i = 0; i < m->record->n_appointments && m->episode; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        count += a->episode == m->episode->number && a->status == status;
    }
    return count;
}
PREDICATE(ask_booked_visits) { UNUSED; return count_visits(m, HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED); }
PREDICATE(ask_kept_visits) { UNUSED; return count_visits(m, HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED); }

PREDICATE(ask_has_open)
{
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const struct pathway *p = rules_pathway(m->rules, m->record->episodes[i]->pathway);
        if (m->record->episodes[i] != m->episode && p && strcmp(p->name, g->argument_text) == 0) return true;
    }
    return false;
}

PREDICATE(ask_has_task)
{
    for (size_t i = 0; i < m->record->n_tasks; i++)
        for (size_t c = 0; m->episode && c < m->record->tasks[i]->n_causes; c++)
            if ((int64_t)m->record->tasks[i]->kind == g->argument[0] &&
                m->record->tasks[i]->causes[c]->episode == m->episode->number)
                return true;
    return false;
}

PREDICATE(ask_has_barrier)
{
    for (size_t i = 0; i < m->record->n_barriers; i++)
        if ((int64_t)m->record->barriers[i] == g->argument[0]) return true;
    return false;
}

/* The event names this episode's referral, or none. */
PREDICATE(ask_is_mine)
{
    UNUSED;
    return m->event && m->episode &&
           (!m->event->referral_id[0] || strcmp(m->event->referral_id, m->episode->referral_id) == 0);
}

/* The event speaks of care by another agency at this episode's level. */
PREDICATE(ask_is_same_level_elsewhere)
{
    UNUSED;
    return m->episode && m->referral && m->referral != m->episode &&
           m->referral->level_of_care == m->episode->level_of_care &&
           strcmp(m->referral->agency_id, m->episode->agency_id) != 0;
}

/* The event speaks of this episode's agency, or of none. */
PREDICATE(ask_is_my_agency)
{
    UNUSED;
    return m->episode && (!m->event_agency[0] || strcmp(m->event_agency, m->episode->agency_id) == 0);
}

static bool is_struck(const struct moment *m, Handoff__V1__Party party, const char *id)
{
    for (size_t i = 0; i < m->struck_count; i++)
        if (m->struck[i]->party == party && strcmp(m->struck[i]->id, id) == 0) return true;
    return false;
}

/* The revocation took this agency off a release, or names it, or means everyone. One release's end is not another's. */
PREDICATE(ask_revokes_agency)
{
    UNUSED;
    const Handoff__V1__Event *e = m->event;
    if (!e || !m->episode || e->body_case != HANDOFF__V1__EVENT__BODY_CONSENT_REVOKED) return false;
    const Handoff__V1__ConsentRevoked *v = e->consent_revoked;
    if (is_struck(m, HANDOFF__V1__PARTY__PARTY_AGENCY, m->episode->agency_id)) return true;
    bool is_one_release = v->consent_id[0] && v->n_recipients == 0;
    return !is_one_release && consent_revokes(v, HANDOFF__V1__PARTY__PARTY_AGENCY, m->episode->agency_id);
}

/* Somebody would not sign for this agency, or for anybody. */
PREDICATE(ask_declines_agency)
{
    UNUSED;
    const Handoff__V1__Event *e = m->event;
    if (!e || !m->episode || e->body_case != HANDOFF__V1__EVENT__BODY_CONSENT_DECLINED) return false;
    const Handoff__V1__ConsentDeclined *d = e->consent_declined;
    return consent_lists(d->recipients, d->n_recipients, HANDOFF__V1__PARTY__PARTY_AGENCY, m->episode->agency_id);
}

/* Of this kind, and not lost, applied for, denied or not wanted. */
PREDICATE(ask_has_coverage)
{
    for (size_t i = 0; i < m->record->n_coverages; i++) {
        const Handoff__V1__Coverage *c = m->record->coverages[i];
        if ((int64_t)c->kind == g->argument[0] && c->status == HANDOFF__V1__COVERAGE_STATUS__COVERAGE_STATUS_ACTIVE)
            return true;
    }
    return false;
}

/* Somebody has told of this kind of coverage, whatever became of it. */
PREDICATE(ask_knows_coverage)
{
    for (size_t i = 0; i < m->record->n_coverages; i++)
        if ((int64_t)m->record->coverages[i]->kind == g->argument[0]) return true;
    return false;
}

PREDICATE(ask_is_coverage_told) { UNUSED; return m->record->n_coverages > 0; }
PREDICATE(ask_is_county_changed) { UNUSED; return m->is_county_changed; }
PREDICATE(ask_barriers) { UNUSED; return (int64_t)m->record->n_barriers; }

PREDICATE(ask_has_tasks)
{
    UNUSED;
    for (size_t i = 0; i < m->record->n_tasks && m->episode; i++)
        if (episode_has_task(m->record->tasks[i], m->episode)) return true;
    return false;
}

/* --- needs ---- */
static bool is_referral(const struct moment *m, const Handoff__V1__Episode *e)
{
    const struct pathway *p = rules_pathway(m->rules, e->pathway);
    return p && p->subject == SUBJECT_REFERRAL;
}

struct need {
    const char *id;
    Handoff__V1__LevelOfCare level;
};

/* By its id where both say it, else by the level of care. Supports have no level: food and transport are two needs. */
static bool is_same_need(struct need a, struct need b)
{
    if (a.id[0] && b.id[0]) return strcmp(a.id, b.id) == 0;
    return a.level == b.level && a.level != HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_UNSPECIFIED &&
           a.level != HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_SUPPORT;
}

static bool is_running(const Handoff__V1__Appointment *a)
{
    return a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_BOOKED ||
           a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_ARRIVED ||
           a->status == HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_FULFILLED;
}

static bool has_visits(const struct moment *m, uint32_t episode)
{
    for (size_t i = 0; i < m->record->n_appointments; i++)
        if (m->record->appointments[i]->episode == episode && is_running(m->record->appointments[i])) return true;
    return false;
}

/* An open referral is for the need that the event names, or one that has ended left a service that is running. An
 * event that names no need is about the needs on file. */
PREDICATE(ask_is_need_served)
{
    UNUSED;
    if (!m->event || m->event->body_case != HANDOFF__V1__EVENT__BODY_NEED_CHANGED) return true;
    struct need need = {m->event->need_changed->need_id, m->event->need_changed->level_of_care};
    if (!need.id[0] && !need.level) return true;
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        if (is_referral(m, e) && is_same_need(need, (struct need){e->need_id, e->level_of_care})) return true;
    }
    for (size_t i = 0; i < m->record->n_closed_episodes; i++) {
        const Handoff__V1__ClosedEpisode *c = m->record->closed_episodes[i];
        if (is_same_need(need, (struct need){c->need_id, c->level_of_care}) && has_visits(m, c->number)) return true;
    }
    return false;
}

/* The request is for a need that another open referral is for, and nobody declared it alongside. */
PREDICATE(ask_is_need_doubled)
{
    UNUSED;
    if (!m->event || m->event->body_case != HANDOFF__V1__EVENT__BODY_REFERRAL_REQUESTED) return false;
    const Handoff__V1__ReferralRequested *r = m->event->referral_requested;
    for (size_t i = 0; i < m->record->n_episodes && !r->is_alongside; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        bool is_other = is_referral(m, e) && strcmp(e->referral_id, m->event->referral_id) != 0;
        if (is_other && is_same_need((struct need){r->need_id, r->level_of_care},
                                     (struct need){e->need_id, e->level_of_care}))
            return true;
    }
    return false;
}

static const char *agency_of_episode(const struct moment *m, uint32_t number)
{
    const Handoff__V1__Episode *e = machine_episode(m->record, number);
    for (size_t i = 0; !e && i < m->record->n_closed_episodes; i++)
        if (m->record->closed_episodes[i]->number == number) return m->record->closed_episodes[i]->agency_id;
    return e ? e->agency_id : "";
}

/* The patient is referred to the agency that the event speaks of, or has had or booked visits there. */
PREDICATE(ask_is_served_there)
{
    UNUSED;
    for (size_t i = 0; i < m->record->n_episodes && m->event_agency[0]; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        if (is_referral(m, e) && strcmp(e->agency_id, m->event_agency) == 0) return true;
    }
    for (size_t i = 0; i < m->record->n_appointments && m->event_agency[0]; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        const char *agency = a->agency_id[0] ? a->agency_id : agency_of_episode(m, a->episode);
        if (is_running(a) && strcmp(agency, m->event_agency) == 0) return true;
    }
    return false;
}

/* The release that the event speaks of names somebody of this party. */
PREDICATE(ask_names)
{
    const Handoff__V1__ConsentGranted *c =
        m->event && m->event->body_case == HANDOFF__V1__EVENT__BODY_CONSENT_GRANTED ? m->event->consent_granted : NULL;
    for (size_t i = 0; c && i < c->n_recipients; i++)
        if ((int64_t)c->recipients[i]->party == g->argument[0]) return true;
    return false;
}

static const struct predicate predicates[] = {
    {"age", true, ARGUMENT_NONE, ask_age},
    {"is_flagged", false, ARGUMENT_NONE, ask_is_flagged},
    {"is_flagged_unassessed", false, ARGUMENT_NONE, ask_is_flagged_unassessed},
    {"is_finding", false, ARGUMENT_NONE, ask_is_finding},
    {"is_higher_finding", false, ARGUMENT_NONE, ask_is_higher_finding},
    {"is_cleared", false, ARGUMENT_NONE, ask_is_cleared},
    {"is_closing_refused", false, ARGUMENT_NONE, ask_is_closing_refused},
    {"is_by_clinician", false, ARGUMENT_NONE, ask_is_by_clinician},
    {"was_completed", false, ARGUMENT_NONE, ask_was_completed},
    {"is_step_down", false, ARGUMENT_NONE, ask_is_step_down},
    {"days_since_assessed", true, ARGUMENT_NONE, ask_days_since_assessed},
    {"is_urgent", false, ARGUMENT_NONE, ask_is_urgent},
    {"is_authorized", false, ARGUMENT_NONE, ask_is_authorized},
    {"consent_covers", false, ARGUMENT_PARTY, ask_consent_covers},
    {"consent_covers_event_agency", false, ARGUMENT_NONE, ask_event_agency_covered},
    {"is_consent_uncertain", false, ARGUMENT_PARTY, ask_consent_uncertain},
    {"lacks", false, ARGUMENT_GAP, ask_lacks},
    {"is_release_complete", false, ARGUMENT_NONE, ask_release_complete},
    {"is_release_on_file", false, ARGUMENT_NONE, ask_release_on_file},
    {"is_release_needed", false, ARGUMENT_NONE, ask_release_needed},
    {"is_release_superseded", false, ARGUMENT_NONE, ask_release_superseded},
    {"is_release_declined", false, ARGUMENT_NONE, ask_release_declined},
    {"is_reachable", false, ARGUMENT_NONE, ask_reachable},
    {"declines_agency", false, ARGUMENT_NONE, ask_declines_agency},
    {"revokes_agency", false, ARGUMENT_NONE, ask_revokes_agency},
    {"is_outside", false, ARGUMENT_PARTY, ask_is_outside},
    {"has_member", false, ARGUMENT_PARTY, ask_has_member},
    {"has_agency", false, ARGUMENT_NONE, ask_has_agency},
    {"held", false, ARGUMENT_HOLD, ask_held},
    {"paused", false, ARGUMENT_ASPECT, ask_paused},
    {"concerned", false, ARGUMENT_CONCERN, ask_concerned},
    {"in_state", false, ARGUMENT_STATE, ask_in_state},
    {"in_region", false, ARGUMENT_REGION_STATE, ask_in_region},
    {"running", false, ARGUMENT_TIMER, ask_running},
    {"booked_visits", true, ARGUMENT_NONE, ask_booked_visits},
    {"kept_visits", true, ARGUMENT_NONE, ask_kept_visits},
    {"is_new_visit", false, ARGUMENT_NONE, ask_is_new_visit},
    {"is_exhausted", false, ARGUMENT_NONE, ask_is_exhausted},
    {"has_open", false, ARGUMENT_PATHWAY, ask_has_open},
    {"has_task", false, ARGUMENT_TASK_KIND, ask_has_task},
    {"has_barrier", false, ARGUMENT_BARRIER, ask_has_barrier},
    {"is_mine", false, ARGUMENT_NONE, ask_is_mine},
    {"is_my_agency", false, ARGUMENT_NONE, ask_is_my_agency},
    {"is_same_level_elsewhere", false, ARGUMENT_NONE, ask_is_same_level_elsewhere},
    {"is_replacement", false, ARGUMENT_NONE, ask_is_replacement},
    {"is_admitted", false, ARGUMENT_NONE, ask_is_admitted},
    {"days_since_discharge", true, ARGUMENT_NONE, ask_days_since_discharge},
    {"is_after_discharge", false, ARGUMENT_NONE, ask_is_after_discharge},
    {"days_here", true, ARGUMENT_NONE, ask_days_here},
    {"business_days_expected", true, ARGUMENT_NONE, ask_business_days_expected},
    {"days_late", true, ARGUMENT_NONE, ask_days_late},
    {"age_at_discharge", true, ARGUMENT_NONE, ask_age_at_discharge},
    {"booked_between", true, ARGUMENT_DAYS, ask_booked_between},
    {"kept_between", true, ARGUMENT_DAYS, ask_kept_between},
    {"is_booked_elsewhere", false, ARGUMENT_NONE, ask_is_booked_elsewhere},
    {"is_same_service", false, ARGUMENT_NONE, ask_is_same_service},
    {"days_since_scored", true, ARGUMENT_NONE, ask_days_since_scored},
    {"has_instrument", false, ARGUMENT_NONE, ask_has_instrument},
    {"is_judged", false, ARGUMENT_NONE, ask_is_judged},
    {"is_worse", false, ARGUMENT_NONE, ask_is_worse},
    {"is_unresponsive", false, ARGUMENT_NONE, ask_is_unresponsive},
    {"has_tasks", false, ARGUMENT_NONE, ask_has_tasks},
    {"barriers", true, ARGUMENT_NONE, ask_barriers},
    {"has_coverage", false, ARGUMENT_COVERAGE, ask_has_coverage},
    {"knows_coverage", false, ARGUMENT_COVERAGE, ask_knows_coverage},
    {"is_coverage_told", false, ARGUMENT_NONE, ask_is_coverage_told},
    {"is_county_changed", false, ARGUMENT_NONE, ask_is_county_changed},
    {"names", false, ARGUMENT_PARTY, ask_names},
    {"is_need_served", false, ARGUMENT_NONE, ask_is_need_served},
    {"is_need_doubled", false, ARGUMENT_NONE, ask_is_need_doubled},
    {"is_served_there", false, ARGUMENT_NONE, ask_is_served_there},
};

const struct predicate *predicate_at(size_t i)
{
    return i < sizeof predicates / sizeof *predicates ? &predicates[i] : NULL;
}

const struct predicate *predicate_find(const char *name, size_t len)
{
    for (size_t i = 0; i < sizeof predicates / sizeof *predicates; i++)
        if (strlen(predicates[i].name) == len && memcmp(predicates[i].name, name, len) == 0) return &predicates[i];
    return NULL;
}
