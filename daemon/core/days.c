/* Whether the patient is in a facility, and what pathways ask about days and visits.
 *
 * Day 0 is the local date of the discharge, day n the date n days later, whatever the hour: 23 or 25 hours make no
 * difference. HEDIS counts the same way. */
#include "core/days.h"
#include "core/consent.h"

#include <string.h>

#define BODY(NAME)  HANDOFF__V1__EVENT__BODY_##NAME
#define VISIT(NAME) HANDOFF__V1__VISIT_STATUS__VISIT_STATUS_##NAME
enum { UNKNOWN_DAY = -1, WORKING_DAYS_MAX = 260 };

/* --- stays --------------------------------------------------------------------------------------------------- */
bool days_is_encounter(const Handoff__V1__Event *event)
{
    return event->body_case == BODY(ENCOUNTER_ADMITTED) || event->body_case == BODY(ENCOUNTER_DISCHARGED) ||
           event->body_case == BODY(ENCOUNTER_ADMIT_CANCELLED) ||
           event->body_case == BODY(ENCOUNTER_DISCHARGE_CANCELLED);
}

/* Whoever is transferred is in a facility still. */
static bool begins_or_goes_on(const Handoff__V1__Event *event)
{
    if (event->body_case == BODY(ENCOUNTER_DISCHARGED))
        return event->encounter_discharged->disposition == HANDOFF__V1__DISPOSITION__DISPOSITION_TRANSFERRED;
    return event->body_case != BODY(ENCOUNTER_ADMIT_CANCELLED);
}

void days_keep_stay(struct moment *m)
{
    Handoff__V1__PatientRecord *r = m->record;
    if (m->occurred_ms < r->stay_changed_at_ms) {
        m->is_overtaken = true;
        return;
    }
    r->stay_changed_at_ms = m->occurred_ms;
    r->is_admitted = begins_or_goes_on(m->event);
}

int64_t ask_is_admitted(const struct moment *m, const struct guard *g)
{
    (void)g;
    return m->record->is_admitted;
}

/* --- days ---------------------------------------------------------------------------------------------------- */
static int32_t day_of(const struct moment *m, int64_t at_ms)
{
    return calendar_local_day(&m->site->calendar, at_ms);
}

/* From the discharge on; UNKNOWN_DAY while there is none. */
static int64_t day_from_discharge(const struct moment *m, int64_t at_ms)
{
    if (!m->episode || !m->episode->discharged_at_ms) return UNKNOWN_DAY;
    return day_of(m, at_ms) - day_of(m, m->episode->discharged_at_ms);
}

int64_t ask_days_since_discharge(const struct moment *m, const struct guard *g)
{
    (void)g;
    return day_from_discharge(m, m->now_ms);
}

/* Since what moved the episode into its state happened. */
int64_t ask_days_here(const struct moment *m, const struct guard *g)
{
    (void)g;
    return m->episode ? day_of(m, m->now_ms) - day_of(m, m->episode->moved_at_ms) : 0;
}

/* Working days from the event to the day that it speaks of; as many as a year has mean more. */
int64_t ask_business_days_expected(const struct moment *m, const struct guard *g)
{
    (void)g;
    if (!m->event || m->event->body_case != BODY(REFERRAL_WAITLISTED)) return UNKNOWN_DAY;
    int64_t expected_ms = m->event->referral_waitlisted->expected_at_ms;
    if (!expected_ms) return UNKNOWN_DAY;
    int32_t days = 0;
    while (days < WORKING_DAYS_MAX &&
           calendar_add_business_days(&m->site->calendar, m->occurred_ms, days + 1) <= expected_ms)
        days++;
    return days;
}

int64_t ask_days_late(const struct moment *m, const struct guard *g)
{
    (void)g;
    return day_of(m, m->now_ms) - day_of(m, m->occurred_ms);
}

/* The event happened after the local date of the discharge; what is told of the same day is told of the same stay. */
int64_t ask_is_after_discharge(const struct moment *m, const struct guard *g)
{
    (void)g;
    return day_from_discharge(m, m->occurred_ms) > 0;
}

int64_t ask_age_at_discharge(const struct moment *m, const struct guard *g)
{
    (void)g;
    int64_t at_ms = m->episode && m->episode->discharged_at_ms ? m->episode->discharged_at_ms : m->occurred_ms;
    return patient_age(m->site, m->record, at_ms);
}

/* --- visits of any episode ------------------------------------------------------------------------------------ */
/* A medical visit is no behavioral-health visit. */
static bool is_behavioral(const Handoff__V1__Appointment *a)
{
    return a->kind != HANDOFF__V1__VISIT_KIND__VISIT_KIND_MEDICAL;
}

static int64_t count_between(const struct moment *m, const struct guard *g, bool is_kept)
{
    int64_t count = 0;
    for (size_t i = 0; i < m->record->n_appointments; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        bool is_wanted =
            is_kept ? a->status == VISIT(FULFILLED) : a->status == VISIT(BOOKED) || a->status == VISIT(ARRIVED);
        if (!is_wanted || !is_behavioral(a)) continue;
        int64_t at_ms = a->starts_at_ms ? a->starts_at_ms : a->changed_at_ms;
        int64_t day = day_from_discharge(m, at_ms);
        bool is_after = m->episode && m->episode->discharged_at_ms && at_ms >= m->episode->discharged_at_ms;
        count += (day > 0 || is_after) && day >= g->argument[0] && day <= g->argument[1];
    }
    return count;
}

int64_t ask_booked_between(const struct moment *m, const struct guard *g)
{
    return count_between(m, g, false);
}
int64_t ask_kept_between(const struct moment *m, const struct guard *g)
{
    return count_between(m, g, true);
}

/* At another agency than this episode's: what comes next is booked. */
int64_t ask_is_booked_elsewhere(const struct moment *m, const struct guard *g)
{
    (void)g;
    for (size_t i = 0; i < m->record->n_appointments && m->episode; i++) {
        const Handoff__V1__Appointment *a = m->record->appointments[i];
        bool is_to_come = a->status == VISIT(BOOKED) && a->starts_at_ms > m->now_ms;
        if (is_to_come && is_behavioral(a) && strcmp(a->agency_id, m->episode->agency_id) != 0) return true;
    }
    return false;
}

/* The notice is of the service that this stay was: the same facility, or, where none is known, the same level. */
int64_t ask_is_same_service(const struct moment *m, const struct guard *g)
{
    (void)g;
    if (!m->episode || !m->event || m->event->body_case != BODY(SERVICE_DISCHARGE_NOTICE)) return false;
    const Handoff__V1__ServiceDischargeNotice *notice = m->event->service_discharge_notice;
    if (m->episode->facility_id[0]) return strcmp(m->episode->facility_id, notice->agency_id) == 0;
    static const Handoff__V1__LevelOfCare levels[] = {
        [HANDOFF__V1__ENCOUNTER_CLASS__ENCOUNTER_CLASS_INPATIENT] = HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_INPATIENT,
        [HANDOFF__V1__ENCOUNTER_CLASS__ENCOUNTER_CLASS_RESIDENTIAL] =
            HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_RESIDENTIAL,
        [HANDOFF__V1__ENCOUNTER_CLASS__ENCOUNTER_CLASS_PARTIAL_HOSPITALIZATION] =
            HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_PARTIAL_HOSPITALIZATION,
    };
    size_t class = (size_t)m->episode->encounter_class;
    return class < sizeof levels / sizeof *levels && levels[class] && levels[class] == notice->level_of_care;
}
