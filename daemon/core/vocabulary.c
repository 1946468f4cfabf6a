/* The event vocabulary: one row a kind of event. What an event means is in the pathways; what its sender must say
 * (`required`) and what becomes of it when no pathway wants it (`class`) is here. */
#include "core/pathway.h"

#include <string.h>

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
#define ROW(BODY_NAME, DOTTED, CLASS, MESSAGE, REQUIRED)                                                               \
    {BODY(BODY_NAME), DOTTED, CLASS, &handoff__v1__##MESSAGE##__descriptor, REQUIRED}

const struct event_kind event_kinds[] = {
    ROW(REFERRAL_REQUESTED, "referral.requested", EVENT_LOOP, referral_requested,
        "priority level_of_care referrer category"),
    ROW(REFERRAL_UPDATED, "referral.updated", EVENT_LOOP, referral_updated, ""),
    ROW(REFERRAL_RECEIVED, "referral.received", EVENT_LOOP, referral_received, ""),
    ROW(REFERRAL_ACCEPTED, "referral.accepted", EVENT_LOOP, referral_accepted, ""),
    ROW(REFERRAL_REJECTED, "referral.rejected", EVENT_LOOP, referral_rejected, "reason"),
    ROW(REFERRAL_WAITLISTED, "referral.waitlisted", EVENT_LOOP, referral_waitlisted, ""),
    ROW(REFERRAL_CANCELLED, "referral.cancelled", EVENT_LOOP, referral_cancelled, ""),
    ROW(REFERRAL_OUTCOME_REPORTED, "referral.outcome_reported", EVENT_LOOP, referral_outcome_reported, "outcome"),
    ROW(AGENCY_SELECTED, "agency.selected", EVENT_LOOP, agency_selected, "agency_id"),
    ROW(SERVICE_DECLINED, "service.declined", EVENT_LOOP, service_declined, "by scope"),
    ROW(SATISFACTION_REPORTED, "satisfaction.reported", EVENT_LOOP, satisfaction_reported, "rating"),
    ROW(CONTACT_ATTEMPTED, "contact.attempted", EVENT_LOOP, contact_attempted, "caller callee purpose outcome"),
    ROW(INTAKE_COMPLETED, "intake.completed", EVENT_LOOP, intake_completed, ""),
    ROW(APPOINTMENT_BOOKED, "appointment.booked", EVENT_FACT, appointment_booked, "appointment_id starts_at_ms"),
    ROW(APPOINTMENT_RESCHEDULED, "appointment.rescheduled", EVENT_FACT, appointment_rescheduled,
        "appointment_id starts_at_ms"),
    ROW(APPOINTMENT_CANCELLED, "appointment.cancelled", EVENT_FACT, appointment_cancelled, "appointment_id by"),
    ROW(APPOINTMENT_RETRACTED, "appointment.retracted", EVENT_FACT, appointment_retracted, "appointment_id"),
    ROW(APPOINTMENT_NO_SHOW, "appointment.no_show", EVENT_FACT, appointment_no_show, "appointment_id"),
    ROW(APPOINTMENT_ARRIVED, "appointment.arrived", EVENT_FACT, appointment_arrived, "appointment_id"),
    ROW(APPOINTMENT_FULFILLED, "appointment.fulfilled", EVENT_FACT, appointment_fulfilled, "appointment_id"),
    ROW(ENCOUNTER_ADMITTED, "encounter.admitted", EVENT_FACT, encounter_admitted, "encounter_class"),
    ROW(ENCOUNTER_DISCHARGED, "encounter.discharged", EVENT_DISCHARGE, encounter_discharged,
        "encounter_class disposition"),
    ROW(ENCOUNTER_ADMIT_CANCELLED, "encounter.admit_cancelled", EVENT_FACT, encounter_admit_cancelled, ""),
    ROW(ENCOUNTER_DISCHARGE_CANCELLED, "encounter.discharge_cancelled", EVENT_FACT, encounter_discharge_cancelled, ""),
    ROW(SERVICE_DISCHARGE_NOTICE, "service.discharge_notice", EVENT_DISCHARGE, service_discharge_notice, "agency_id"),
    ROW(PATIENT_REGISTERED, "patient.registered", EVENT_FACT, patient_registered, ""),
    ROW(PATIENT_UPDATED, "patient.updated", EVENT_FACT, patient_updated, ""),
    ROW(PATIENT_MERGED, "patient.merged", EVENT_LOOP, patient_merged, "survivor_patient_id"),
    ROW(PATIENT_DECEASED, "patient.deceased", EVENT_FACT, patient_deceased, ""),
    ROW(COVERAGE_UPDATED, "coverage.updated", EVENT_FACT, coverage_updated, "kind status"),
    ROW(AUTHORIZATION_APPROVED, "authorization.approved", EVENT_FACT, authorization_approved, ""),
    ROW(AUTHORIZATION_DENIED, "authorization.denied", EVENT_FACT, authorization_denied, ""),
    ROW(AUTHORIZATION_REDUCED, "authorization.reduced", EVENT_FACT, authorization_reduced, ""),
    ROW(CARE_TEAM_UPDATED, "care_team.updated", EVENT_FACT, care_team_updated, "members"),
    ROW(PREFERENCE_UPDATED, "preference.updated", EVENT_FACT, preference_updated, "person"),
    ROW(BARRIER_REPORTED, "barrier.reported", EVENT_FACT, barrier_reported, "kind"),
    ROW(BARRIER_RESOLVED, "barrier.resolved", EVENT_FACT, barrier_resolved, "kind"),
    ROW(NEED_CHANGED, "need.changed", EVENT_FACT, need_changed, "aspect"),
    ROW(QUESTION_ASKED, "question.asked", EVENT_FACT, question_asked, ""),
    ROW(CONSENT_GRANTED, "consent.granted", EVENT_FACT, consent_granted, "consent_id signer recipients"),
    ROW(CONSENT_DECLINED, "consent.declined", EVENT_FACT, consent_declined, "by"),
    ROW(CONSENT_REVOKED, "consent.revoked", EVENT_FACT, consent_revoked, ""),
    ROW(DISCLOSURE_REQUESTED, "disclosure.requested", EVENT_FACT, disclosure_requested, "recipient purpose"),
    ROW(SCREENING_SCORED, "screening.scored", EVENT_SAFETY, screening_scored, "instrument"),
    ROW(SAFETY_FLAG_RAISED, "safety.flag_raised", EVENT_SAFETY, safety_flag_raised, "kind severity"),
    ROW(SAFETY_CLEARED, "safety.cleared", EVENT_SAFETY, safety_cleared, "kind clinician_id"),
    ROW(CARE_PLAN_UPDATED, "care_plan.updated", EVENT_FACT, care_plan_updated, ""),
    ROW(MEDICATION_CONCERN, "medication.concern", EVENT_LOOP, medication_concern, "kind"),
    ROW(TASK_COMPLETED, "task.completed", EVENT_WORK, task_completed, "task_id outcome"),
    ROW(TASK_ATTEMPTED, "task.attempted", EVENT_WORK, task_attempted, "task_id outcome"),
    ROW(TASK_CANCELLED, "task.cancelled", EVENT_WORK, task_cancelled, "task_id"),
    ROW(ESCALATION_ACKNOWLEDGED, "escalation.acknowledged", EVENT_WORK, escalation_acknowledged, "escalation_id by"),
    ROW(ESCALATION_RESOLVED, "escalation.resolved", EVENT_WORK, escalation_resolved, "escalation_id by"),
    ROW(EPISODE_OPENED, "episode.opened", EVENT_WORK, episode_opened, "by"),
    ROW(EPISODE_CLOSED, "episode.closed", EVENT_WORK, episode_closed, "reason by"),
    ROW(EPISODE_CORRECTED, "episode.corrected", EVENT_WORK, episode_corrected, "episode_id state by"),
    ROW(STAFF_ASSIGNED, "staff.assigned", EVENT_WORK, staff_assigned, "role person_id"),
    ROW(STAFF_ABSENT, "staff.absent", EVENT_WORK, staff_absent, "person_id from_at_ms to_at_ms"),
    ROW(MESSAGE_SENT, "message.sent", EVENT_FACT, message_sent, "emission_id"),
    ROW(MESSAGE_FAILED, "message.failed", EVENT_FACT, message_failed, "emission_id"),
    ROW(AGENCY_LISTED, "agency.listed", EVENT_FACT, agency_listed, "agency_id"),
    ROW(AGENCY_DELISTED, "agency.delisted", EVENT_FACT, agency_delisted, "agency_id"),
    ROW(EVENT_RETRACTED, "event.retracted", EVENT_WORK, event_retracted, "retracted_source retracted_id"),
    ROW(CUSTOM, "custom", EVENT_FACT, custom_event, "name"),
};
const size_t event_kind_count = sizeof event_kinds / sizeof *event_kinds;

static bool is_same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++) {
        char x = *a == '.' ? '_' : *a, y = *b == '.' ? '_' : *b;
        if (x != y) return false;
    }
    return *a == *b;
}

const struct event_kind *event_kind_by_name(const char *name)
{
    for (size_t i = 0; i < event_kind_count; i++)
        if (is_same_name(name, event_kinds[i].name)) return &event_kinds[i];
    return NULL;
}

const struct event_kind *event_kind_of(Handoff__V1__Event__BodyCase body)
{
    for (size_t i = 0; i < event_kind_count; i++)
        if (event_kinds[i].body == body) return &event_kinds[i];
    return NULL;
}
