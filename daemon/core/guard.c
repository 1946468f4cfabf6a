/* Guards: are they true of this moment? And the table of predicates that they may call. */
#include "core/moment.h"
#include "core/consent.h"
#include "core/days.h"

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
    case GUARD_NUMBER: case GUARD_FIELD: case GUARD_VARIABLE: case GUARD_CALL: return evaluate(g, m).number != 0;
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

PREDICATE(ask_is_flagged_unassessed)
{
    UNUSED;
    for (size_t i = 0; i < m->record->n_flags; i++)
        if (!m->record->flags[i]->is_assessed) return true;
    return false;
}

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

PREDICATE(ask_consent_covers)
{
    Handoff__V1__Party party = (Handoff__V1__Party)g->argument[0];
    const char *id = act_party_id(m, party);
    return id && (!consent_is_outside(m->rules, party, id) ||
                  consent_for(m->rules, m->site, m->record, party, id, category_of(m), m->now_ms));
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

/* The revocation names this agency, or everyone. */
PREDICATE(ask_revokes_agency)
{
    UNUSED;
    const Handoff__V1__Event *e = m->event;
    if (!e || !m->episode || e->body_case != HANDOFF__V1__EVENT__BODY_CONSENT_REVOKED) return false;
    return consent_revokes(e->consent_revoked, HANDOFF__V1__PARTY__PARTY_AGENCY, m->episode->agency_id);
}

static const struct predicate predicates[] = {
    {"age", true, ARGUMENT_NONE, ask_age},
    {"is_flagged", false, ARGUMENT_NONE, ask_is_flagged},
    {"is_flagged_unassessed", false, ARGUMENT_NONE, ask_is_flagged_unassessed},
    {"is_finding", false, ARGUMENT_NONE, ask_is_finding},
    {"is_higher_finding", false, ARGUMENT_NONE, ask_is_higher_finding},
    {"is_cleared", false, ARGUMENT_NONE, ask_is_cleared},
    {"is_closing_refused", false, ARGUMENT_NONE, ask_is_closing_refused},
    {"is_step_down", false, ARGUMENT_NONE, ask_is_step_down},
    {"days_since_assessed", true, ARGUMENT_NONE, ask_days_since_assessed},
    {"is_urgent", false, ARGUMENT_NONE, ask_is_urgent},
    {"is_authorized", false, ARGUMENT_NONE, ask_is_authorized},
    {"consent_covers", false, ARGUMENT_PARTY, ask_consent_covers},
    {"consent_covers_event_agency", false, ARGUMENT_NONE, ask_event_agency_covered},
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
    {"days_open", true, ARGUMENT_NONE, ask_days_open},
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
