/* What an event says of the patient, kept in the record before any pathway is asked. Facts never move a state. */
#include "core/moment.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define VISIT(NAME) HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_##NAME
enum {
    VISITS_KEPT = 24,
    VISITS_MAX = 96,
    CARE_TEAM_MAX = 32,
    ASSIGNMENTS_MAX = 8,
    BARRIERS_MAX = 16,
    COVERAGES_MAX = 8
};

static bool is_set(const char *text) { return text && *text; }

/* --- who the patient is -------------------------------------------------------------------------------------- */
static void put_member(struct moment *m, Handoff__V1__CareTeamMember *member)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_care_team; i++) {
        if (r->care_team[i]->party != member->party || strcmp(r->care_team[i]->id, member->id) != 0) continue;
        if (member->is_removed) list_remove(&r->care_team, &r->n_care_team, i);
        else r->care_team[i] = member;
        return;
    }
    if (member->is_removed) return;
    if (r->n_care_team >= CARE_TEAM_MAX) moment_fault(m, "the care team has more members than a record holds");
    else list_append(m->arena, &r->care_team, &r->n_care_team, member);
}

static void registered(struct moment *m)
{
    const Handoff__V1__PatientRegistered *p = m->event->patient_registered;
    Handoff__V1__PatientRecord *r = m->record;
    r->is_known = true;
    if (p->birth_date) r->birth_date = p->birth_date;
    if (is_set(p->name)) r->name = p->name;
    if (is_set(p->language)) r->language = p->language;
    if (is_set(p->county)) r->county = p->county;
    if (p->category) r->category = p->category;
    r->needs_interpreter = p->needs_interpreter;
    for (size_t i = 0; i < p->n_care_team; i++) put_member(m, p->care_team[i]);
}

static void updated(struct moment *m)
{
    const Handoff__V1__PatientUpdated *p = m->event->patient_updated;
    Handoff__V1__PatientRecord *r = m->record;
    if (p->birth_date) r->birth_date = p->birth_date;
    if (is_set(p->name)) r->name = p->name;
    if (is_set(p->language)) r->language = p->language;
    m->is_county_changed = is_set(p->county) && is_set(r->county) && strcmp(p->county, r->county) != 0;
    if (is_set(p->county)) r->county = p->county;
}

static void care_team(struct moment *m)
{
    const Handoff__V1__CareTeamUpdated *u = m->event->care_team_updated;
    for (size_t i = 0; i < u->n_members; i++) put_member(m, u->members[i]);
}

static void barrier_reported(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    Handoff__V1__BarrierKind kind = m->event->barrier_reported->kind;
    for (size_t i = 0; i < r->n_barriers; i++)
        if (r->barriers[i] == kind) return;
    if (r->n_barriers >= BARRIERS_MAX) return; /* there are fewer kinds than that */
    Handoff__V1__BarrierKind *longer = ARENA_ARRAY(m->arena, Handoff__V1__BarrierKind, r->n_barriers + 1);
    if (r->n_barriers) memcpy(longer, r->barriers, r->n_barriers * sizeof *longer);
    longer[r->n_barriers++] = kind;
    r->barriers = longer;
}

static void barrier_resolved(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    size_t kept = 0;
    for (size_t i = 0; i < r->n_barriers; i++)
        if (r->barriers[i] != m->event->barrier_resolved->kind) r->barriers[kept++] = r->barriers[i];
    r->n_barriers = kept;
}

static void coverage(struct moment *m)
{
    const Handoff__V1__CoverageUpdated *u = m->event->coverage_updated;
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_coverages; i++) {
        Handoff__V1__Coverage *c = r->coverages[i];
        if (c->kind != u->kind || strcmp(c->insurer_id, u->insurer_id) != 0) continue;
        c->status = u->status;
        return;
    }
    if (r->n_coverages >= COVERAGES_MAX) list_remove(&r->coverages, &r->n_coverages, 0);
    Handoff__V1__Coverage *c = MESSAGE_NEW(m->arena, Handoff__V1__Coverage, coverage);
    c->kind = u->kind;
    c->status = u->status;
    c->insurer_id = u->insurer_id;
    list_append(m->arena, &r->coverages, &r->n_coverages, c);
}

static void assigned(struct moment *m)
{
    const Handoff__V1__StaffAssigned *a = m->event->staff_assigned;
    Handoff__V1__PatientRecord *r = m->record;
    m->is_used = true;
    for (size_t i = 0; i < r->n_assignments; i++) {
        if (r->assignments[i]->role != a->role) continue;
        r->assignments[i]->person_id = a->person_id;
        r->assignments[i]->sequence = m->input->sequence;
        return;
    }
    if (r->n_assignments >= ASSIGNMENTS_MAX) list_remove(&r->assignments, &r->n_assignments, 0);
    Handoff__V1__Assignment *n = MESSAGE_NEW(m->arena, Handoff__V1__Assignment, assignment);
    n->role = a->role;
    n->person_id = a->person_id;
    n->sequence = m->input->sequence;
    list_append(m->arena, &r->assignments, &r->n_assignments, n);
}

/* --- visits -------------------------------------------------------------------------------------------------- */
Handoff__V1__Appointment *facts_visit(const Handoff__V1__PatientRecord *record, uint32_t number)
{
    for (size_t i = 0; i < record->n_appointments; i++)
        if (record->appointments[i]->number == number) return record->appointments[i];
    return NULL;
}

static Handoff__V1__Appointment *find_visit(const Handoff__V1__PatientRecord *record, const char *id)
{
    for (size_t i = 0; i < record->n_appointments; i++)
        if (is_set(id) && strcmp(record->appointments[i]->id, id) == 0) return record->appointments[i];
    return NULL;
}

/* The open referral that an event speaks of: by its id, by its agency, or because there is only one. */
static const Handoff__V1__Episode *referral_of(const struct moment *m)
{
    const Handoff__V1__Episode *only = NULL;
    int candidates = 0;
    for (size_t i = 0; i < m->record->n_episodes; i++) {
        const Handoff__V1__Episode *e = m->record->episodes[i];
        const struct pathway *p = rules_pathway(m->rules, e->pathway);
        if (!p || p->subject != SUBJECT_REFERRAL) continue;
        if (is_set(m->event->referral_id)) {
            if (strcmp(m->event->referral_id, e->referral_id) == 0) return e;
            continue;
        }
        if (m->event_agency[0] && e->agency_id[0] && strcmp(m->event_agency, e->agency_id) != 0) continue;
        only = e;
        candidates++;
    }
    return candidates == 1 ? only : NULL;
}

/* Room for months of visits booked ahead, several a week; of those that are over the newest are kept. */
static void drop_oldest_visit(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    for (size_t i = 0; i < r->n_appointments && r->n_appointments >= VISITS_KEPT; i++)
        if (r->appointments[i]->status != VISIT(BOOKED)) list_remove(&r->appointments, &r->n_appointments, i--);
    if (r->n_appointments >= VISITS_MAX) moment_fault(m, "more booked visits than a record holds");
}

static Handoff__V1__Appointment *new_visit(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    drop_oldest_visit(m);
    Handoff__V1__Appointment *a = MESSAGE_NEW(m->arena, Handoff__V1__Appointment, appointment);
    a->number = ++r->last_appointment;
    a->id = m->event->appointment_id;
    const Handoff__V1__Episode *referral = referral_of(m);
    a->episode = referral ? referral->number : 0;
    a->ordinal = 1;
    for (size_t i = 0; i < r->n_appointments; i++)
        if (r->appointments[i]->episode == a->episode && r->appointments[i]->ordinal >= a->ordinal)
            a->ordinal = r->appointments[i]->ordinal + 1;
    list_append(m->arena, &r->appointments, &r->n_appointments, a);
    m->is_new_visit = true;
    return a;
}

/* An older word about a visit than the one that is kept changes nothing. */
static void set_visit(struct moment *m, Handoff__V1__VisitStatus status, int64_t starts_at_ms)
{
    Handoff__V1__Appointment *a = find_visit(m->record, m->event->appointment_id);
    if (!a) a = new_visit(m);
    m->visit = a;
    if (m->occurred_ms < a->changed_at_ms) {
        m->is_overtaken = true;
        return;
    }
    a->changed_at_ms = m->occurred_ms;
    a->status = status;
    if (starts_at_ms) a->starts_at_ms = starts_at_ms;
}

static void booked(struct moment *m)
{
    const Handoff__V1__AppointmentBooked *b = m->event->appointment_booked;
    set_visit(m, VISIT(BOOKED), b->starts_at_ms);
    m->visit->kind = b->kind;
    if (is_set(b->agency_id)) m->visit->agency_id = b->agency_id;
}
static void rescheduled(struct moment *m)
{
    set_visit(m, VISIT(BOOKED), m->event->appointment_rescheduled->starts_at_ms);
}
static void cancelled(struct moment *m) { set_visit(m, VISIT(CANCELLED), 0); }
static void no_show(struct moment *m) { set_visit(m, VISIT(NO_SHOW), 0); }
static void arrived(struct moment *m) { set_visit(m, VISIT(ARRIVED), 0); }
static void fulfilled(struct moment *m) { set_visit(m, VISIT(FULFILLED), 0); }

/* --- others -------------------------------------------------------------------------------------------------- */
static void deceased(struct moment *m)
{
    m->record->is_deceased = true;
    m->record->deceased_sequence = m->input->sequence;
}
static void referred(struct moment *m)
{
    m->record->is_known = true;
    if (!m->record->category) m->record->category = m->event->referral_requested->category;
}

static const struct {
    Handoff__V1__Event__BodyCase body;
    void (*keep)(struct moment *m);
} facts[] = {
    {BODY(PATIENT_REGISTERED), registered},     {BODY(PATIENT_UPDATED), updated},
    {BODY(REFERRAL_REQUESTED), referred},       {BODY(CARE_TEAM_UPDATED), care_team},
    {BODY(PREFERENCE_UPDATED), facts_preference},     {BODY(SERVICE_DECLINED), facts_declined},
    {BODY(BARRIER_REPORTED), barrier_reported}, {BODY(BARRIER_RESOLVED), barrier_resolved},
    {BODY(COVERAGE_UPDATED), coverage},         {BODY(STAFF_ASSIGNED), assigned},
    {BODY(CONSENT_GRANTED), facts_granted},     {BODY(CONSENT_REVOKED), facts_revoked},
    {BODY(CONSENT_DECLINED), facts_refused},
    {BODY(APPOINTMENT_BOOKED), booked},         {BODY(APPOINTMENT_RESCHEDULED), rescheduled},
    {BODY(APPOINTMENT_CANCELLED), cancelled},   {BODY(APPOINTMENT_RETRACTED), cancelled},
    {BODY(APPOINTMENT_NO_SHOW), no_show},       {BODY(APPOINTMENT_ARRIVED), arrived},
    {BODY(APPOINTMENT_FULFILLED), fulfilled},   {BODY(SAFETY_FLAG_RAISED), facts_flag_raised},
    {BODY(SCREENING_SCORED), facts_screened},   {BODY(SAFETY_CLEARED), facts_cleared},
    {BODY(PATIENT_DECEASED), deceased},         {BODY(ENCOUNTER_ADMITTED), days_keep_stay},
    {BODY(ENCOUNTER_DISCHARGED), days_keep_stay},
    {BODY(ENCOUNTER_ADMIT_CANCELLED), days_keep_stay},
    {BODY(ENCOUNTER_DISCHARGE_CANCELLED), days_keep_stay},
};

static const char *agency_of(const struct moment *m)
{
    const Handoff__V1__Event *e = m->event;
    const ProtobufCMessage *body = (const ProtobufCMessage *)(const void *)e->referral_requested;
    const ProtobufCFieldDescriptor *f =
        body ? protobuf_c_message_descriptor_get_field_by_name(body->descriptor, "agency_id") : NULL;
    const char *named = f ? *(const char *const *)field_at(body, f) : "";
    if (is_set(named)) return named;
    if (e->body_case == BODY(CONTACT_ATTEMPTED)) {
        const Handoff__V1__ContactAttempted *c = e->contact_attempted;
        if (c->caller == HANDOFF__V1__PARTY__PARTY_AGENCY) return c->caller_id;
        if (c->callee == HANDOFF__V1__PARTY__PARTY_AGENCY) return c->callee_id;
    }
    return "";
}

static const char *consent_of(const Handoff__V1__Event *e)
{
    if (e->body_case == BODY(CONSENT_GRANTED)) return e->consent_granted->consent_id;
    if (e->body_case == BODY(CONSENT_DECLINED)) return e->consent_declined->consent_id;
    return e->body_case == BODY(CONSENT_REVOKED) ? e->consent_revoked->consent_id : "";
}

void facts_apply(struct moment *m)
{
    m->event_agency = agency_of(m);
    m->event_consent = consent_of(m->event);
    m->event_risk = facts_risk_of(m->event);
    m->visit = find_visit(m->record, m->event->appointment_id);
    reach_judge(m);
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++)
        if (facts[i].body == m->event->body_case) facts[i].keep(m);
    if (m->visit && !m->event_agency[0]) m->event_agency = m->visit->agency_id;
    m->referral = referral_of(m);
    if (!m->referral && m->visit) m->referral = machine_episode(m->record, m->visit->episode);
    release_follow(m);
}
