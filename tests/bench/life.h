/* The patients of a benchmark: each lives through referral after referral, and tells the next event when asked.
 *
 *     opening   registered, consent, screening.scored, referral.requested
 *     life      received, voicemail, again, accepted, reached, voicemail, reached, booked, rescheduled, missed,
 *               outreach, booked, outreach done, arrived, attended, two tasks done, outcome, loop closed,
 *               the next referral.requested; and again
 *
 * Every event of a life moves a machine, arms, re-arms or stops timers, or works on a task. So that the mix does not
 * depend on how long a run takes, patients begin at three places of the life in the proportion of its parts. */
#ifndef HANDOFF_BENCH_LIFE_H
#define HANDOFF_BENCH_LIFE_H

#include <assert.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff/v1/event.pb-c.h"

struct life_patient {
    uint8_t chapter;
    uint32_t tasks;               /* opened so far: the number of the newest */
    uint32_t visits, referrals;
};

/* Zipf's distribution of the patients' ranks, drawn as Gray and others do ("Quickly generating billion-record synthetic
 * databases", 1994). skew 0: uniform. */
struct life_zipf {
    double skew, zeta, alpha, eta;
};

struct life {
    struct life_patient *patients;
    uint32_t count, first; /* first: the number of the first, where several lives are told to one server */
    uint64_t random;
    uint64_t told; /* events so far: their ids */
    char prefix[24];
    struct life_zipf zipf;
};

/* An event with all it points to. Filled anew by each telling. */
struct life_event {
    Handoff__V1__Event event;
    char id[48], patient_id[32], referral_id[32], appointment_id[32], task_id[16];
    Handoff__V1__CareTeamMember guardian, pcp, *care_team[2];
    Handoff__V1__Recipient agency, *recipients[1];
    Handoff__V1__Count total;
    union {
        Handoff__V1__PatientRegistered registered;
        Handoff__V1__ConsentGranted consent;
        Handoff__V1__ScreeningScored scored;
        Handoff__V1__ReferralRequested requested;
        Handoff__V1__ReferralReceived received;
        Handoff__V1__ReferralAccepted accepted;
        Handoff__V1__ReferralOutcomeReported outcome;
        Handoff__V1__ContactAttempted contact;
        Handoff__V1__AppointmentBooked booked;
        Handoff__V1__AppointmentRescheduled rescheduled;
        Handoff__V1__AppointmentNoShow no_show;
        Handoff__V1__AppointmentArrived arrived;
        Handoff__V1__AppointmentFulfilled fulfilled;
        Handoff__V1__TaskAttempted attempted;
        Handoff__V1__TaskCompleted completed;
    } body;
};

#define LIFE_DAY_MS INT64_C(86400000)
#define LIFE_AGENCY (char *)"riverside"
#define LIFE_BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME

/* --- bodies ----------------------------------------------------------------------------------------------------- */
static inline void life_registered(struct life_event *e)
{
    handoff__v1__patient_registered__init(&e->body.registered);
    handoff__v1__care_team_member__init(&e->guardian);
    handoff__v1__care_team_member__init(&e->pcp);
    e->guardian.party = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    e->guardian.id = (char *)"mother";
    e->guardian.custody = HANDOFF__V1__CUSTODY__CUSTODY_LEGAL_AUTHORITY;
    e->pcp.party = HANDOFF__V1__PARTY__PARTY_PCP;
    e->pcp.id = (char *)"family-practice";
    e->care_team[0] = &e->guardian;
    e->care_team[1] = &e->pcp;
    e->body.registered.birth_date = 20150910;
    e->body.registered.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
    e->body.registered.language = (char *)"en";
    e->body.registered.care_team = e->care_team;
    e->body.registered.n_care_team = 2;
}

static inline void life_consent(struct life_event *e)
{
    handoff__v1__consent_granted__init(&e->body.consent);
    handoff__v1__recipient__init(&e->agency);
    e->agency.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
    e->agency.id = LIFE_AGENCY;
    e->recipients[0] = &e->agency;
    e->body.consent.consent_id = (char *)"release-1";
    e->body.consent.signer = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    e->body.consent.signer_id = (char *)"mother";
    e->body.consent.recipients = e->recipients;
    e->body.consent.n_recipients = 1;
    e->body.consent.direction = HANDOFF__V1__DIRECTION__DIRECTION_BOTH;
    e->body.consent.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
    e->body.consent.treatment_from = 20260101;
}

/* Without it the first visit kept would ask for one, and tasks would be numbered otherwise than in later referrals. */
static inline void life_scored(struct life_event *e)
{
    handoff__v1__screening_scored__init(&e->body.scored);
    handoff__v1__count__init(&e->total);
    e->total.value = 9;
    e->body.scored.instrument = HANDOFF__V1__INSTRUMENT__INSTRUMENT_PSC_17;
    e->body.scored.total = &e->total;
}

static inline void life_requested(struct life_event *e)
{
    handoff__v1__referral_requested__init(&e->body.requested);
    e->body.requested.priority = HANDOFF__V1__PRIORITY__PRIORITY_ROUTINE;
    e->body.requested.level_of_care = HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT;
    e->body.requested.referrer = HANDOFF__V1__PARTY__PARTY_PCP;
    e->body.requested.referrer_id = (char *)"family-practice";
    e->body.requested.agency_id = LIFE_AGENCY;
    e->body.requested.category = HANDOFF__V1__DIAGNOSIS_CATEGORY__DIAGNOSIS_CATEGORY_BEHAVIORAL_HEALTH;
}

static inline void life_received(struct life_event *e) { handoff__v1__referral_received__init(&e->body.received); }
static inline void life_accepted(struct life_event *e) { handoff__v1__referral_accepted__init(&e->body.accepted); }

static inline void life_outcome(struct life_event *e)
{
    handoff__v1__referral_outcome_reported__init(&e->body.outcome);
    e->body.outcome.outcome = HANDOFF__V1__REFERRAL_OUTCOME__REFERRAL_OUTCOME_GOAL_MET;
}

static inline void life_contact(struct life_event *e, Handoff__V1__Party caller, Handoff__V1__Party callee, Handoff__V1__ContactOutcome outcome)
{
    handoff__v1__contact_attempted__init(&e->body.contact);
    e->body.contact.caller = caller;
    e->body.contact.callee = callee;
    e->body.contact.purpose = HANDOFF__V1__CONTACT_PURPOSE__CONTACT_PURPOSE_INTAKE;
    e->body.contact.outcome = outcome;
}

static inline void life_voicemail(struct life_event *e)
{
    life_contact(e, HANDOFF__V1__PARTY__PARTY_GUARDIAN, HANDOFF__V1__PARTY__PARTY_AGENCY, HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL);
}
static inline void life_no_answer(struct life_event *e)
{
    life_contact(e, HANDOFF__V1__PARTY__PARTY_GUARDIAN, HANDOFF__V1__PARTY__PARTY_AGENCY, HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_NO_ANSWER);
}
static inline void life_reached(struct life_event *e)
{
    life_contact(e, HANDOFF__V1__PARTY__PARTY_AGENCY, HANDOFF__V1__PARTY__PARTY_GUARDIAN, HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_REACHED);
}

static inline void life_booked(struct life_event *e)
{
    handoff__v1__appointment_booked__init(&e->body.booked);
    e->body.booked.starts_at_ms = e->event.occurred_at_ms + 5 * LIFE_DAY_MS;
    e->body.booked.agency_id = LIFE_AGENCY;
    e->body.booked.kind = HANDOFF__V1__VISIT_KIND__VISIT_KIND_VISIT;
}
static inline void life_rescheduled(struct life_event *e)
{
    handoff__v1__appointment_rescheduled__init(&e->body.rescheduled);
    e->body.rescheduled.starts_at_ms = e->event.occurred_at_ms + 6 * LIFE_DAY_MS;
}
static inline void life_no_show(struct life_event *e) { handoff__v1__appointment_no_show__init(&e->body.no_show); }
static inline void life_arrived(struct life_event *e) { handoff__v1__appointment_arrived__init(&e->body.arrived); }
static inline void life_fulfilled(struct life_event *e) { handoff__v1__appointment_fulfilled__init(&e->body.fulfilled); }

static inline void life_attempted(struct life_event *e)
{
    handoff__v1__task_attempted__init(&e->body.attempted);
    e->body.attempted.outcome = HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL;
    e->body.attempted.by = (char *)"coordinator-1";
}
static inline void life_completed(struct life_event *e)
{
    handoff__v1__task_completed__init(&e->body.completed);
    e->body.completed.outcome = HANDOFF__V1__TASK_OUTCOME__TASK_OUTCOME_DONE;
    e->body.completed.by = (char *)"coordinator-1";
}

/* --- chapters --------------------------------------------------------------------------------------------------- */
enum { ABOUT_REFERRAL = 1, ABOUT_NEW_REFERRAL = 2, ABOUT_VISIT = 4, ABOUT_NEW_VISIT = 8, ABOUT_TASK = 16, ABOUT_TASK_BEFORE = 32 };

struct life_chapter {
    Handoff__V1__Event__BodyCase body;
    void (*fill)(struct life_event *e);
    unsigned about;
    unsigned tasks; /* that it opens */
};

static const struct life_chapter life_opening[] = {
    {LIFE_BODY(PATIENT_REGISTERED), life_registered, 0, 0},
    {LIFE_BODY(CONSENT_GRANTED), life_consent, 0, 0},
    {LIFE_BODY(SCREENING_SCORED), life_scored, 0, 0},
    {LIFE_BODY(REFERRAL_REQUESTED), life_requested, ABOUT_NEW_REFERRAL, 0},
};
enum { LIFE_OPENING = sizeof life_opening / sizeof *life_opening };

static const struct life_chapter life_chapters[] = {
    {LIFE_BODY(REFERRAL_RECEIVED), life_received, ABOUT_REFERRAL, 0},
    {LIFE_BODY(CONTACT_ATTEMPTED), life_voicemail, 0, 0},
    {LIFE_BODY(CONTACT_ATTEMPTED), life_no_answer, 0, 0},
    {LIFE_BODY(REFERRAL_ACCEPTED), life_accepted, ABOUT_REFERRAL, 0},
    {LIFE_BODY(CONTACT_ATTEMPTED), life_reached, 0, 0},
    {LIFE_BODY(CONTACT_ATTEMPTED), life_voicemail, 0, 0},
    {LIFE_BODY(CONTACT_ATTEMPTED), life_reached, 0, 0},
    {LIFE_BODY(APPOINTMENT_BOOKED), life_booked, ABOUT_REFERRAL | ABOUT_NEW_VISIT, 0},
    {LIFE_BODY(APPOINTMENT_RESCHEDULED), life_rescheduled, ABOUT_VISIT, 0}, /* 8 */
    {LIFE_BODY(APPOINTMENT_NO_SHOW), life_no_show, ABOUT_VISIT, 1},         /* outreach */
    {LIFE_BODY(TASK_ATTEMPTED), life_attempted, ABOUT_TASK, 0},
    {LIFE_BODY(APPOINTMENT_BOOKED), life_booked, ABOUT_REFERRAL | ABOUT_NEW_VISIT, 0},
    {LIFE_BODY(TASK_COMPLETED), life_completed, ABOUT_TASK, 0},
    {LIFE_BODY(APPOINTMENT_ARRIVED), life_arrived, ABOUT_VISIT, 0},
    {LIFE_BODY(APPOINTMENT_FULFILLED), life_fulfilled, ABOUT_VISIT, 2},     /* plan of care, hand-over summary */
    {LIFE_BODY(TASK_COMPLETED), life_completed, ABOUT_TASK_BEFORE, 0},      /* 15 */
    {LIFE_BODY(TASK_COMPLETED), life_completed, ABOUT_TASK, 0},
    {LIFE_BODY(REFERRAL_OUTCOME_REPORTED), life_outcome, ABOUT_REFERRAL, 1}, /* close the loop */
    {LIFE_BODY(TASK_COMPLETED), life_completed, ABOUT_TASK, 0},
    {LIFE_BODY(REFERRAL_REQUESTED), life_requested, ABOUT_NEW_REFERRAL, 0},
};
enum { LIFE_CHAPTERS = sizeof life_chapters / sizeof *life_chapters, LIFE_AT_VISIT = 8, LIFE_AT_CARE = 15 };

static inline void life_tell(struct life *l, uint32_t patient, const struct life_chapter *c, int64_t now_ms, struct life_event *e)
{
    struct life_patient *p = &l->patients[patient];
    if (c->about & ABOUT_NEW_REFERRAL) p->referrals++;
    if (c->about & ABOUT_NEW_VISIT) p->visits++;
    handoff__v1__event__init(&e->event);
    e->event.id = e->id;
    e->event.source = (char *)"bench";
    e->event.patient_id = e->patient_id;
    e->event.occurred_at_ms = now_ms;
    snprintf(e->id, sizeof e->id, "%s-%llu", l->prefix, (unsigned long long)++l->told);
    snprintf(e->patient_id, sizeof e->patient_id, "patient-%u", l->first + patient);
    if (c->about & (ABOUT_REFERRAL | ABOUT_NEW_REFERRAL)) {
        snprintf(e->referral_id, sizeof e->referral_id, "referral-%u-%u", l->first + patient, p->referrals);
        e->event.referral_id = e->referral_id;
    }
    if (c->about & (ABOUT_VISIT | ABOUT_NEW_VISIT)) {
        snprintf(e->appointment_id, sizeof e->appointment_id, "visit-%u-%u", l->first + patient, p->visits);
        e->event.appointment_id = e->appointment_id;
    }
    if (c->about & (ABOUT_TASK | ABOUT_TASK_BEFORE)) {
        snprintf(e->task_id, sizeof e->task_id, "t%u", p->tasks - (c->about & ABOUT_TASK_BEFORE ? 1 : 0));
        e->event.task_id = e->task_id;
    }
    c->fill(e);
    e->event.body_case = c->body;
    e->event.patient_registered = &e->body.registered; /* every member of the oneof is a pointer */
    p->tasks += c->tasks;
}

static inline void life_next(struct life *l, uint32_t patient, int64_t now_ms, struct life_event *e)
{
    struct life_patient *p = &l->patients[patient];
    life_tell(l, patient, &life_chapters[p->chapter], now_ms, e);
    p->chapter = (uint8_t)((p->chapter + 1) % LIFE_CHAPTERS);
}

/* --- beginning -------------------------------------------------------------------------------------------------- */
/* splitmix64 */
static inline uint64_t life_random(struct life *l)
{
    uint64_t z = l->random += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline double life_zeta(uint32_t count, double skew)
{
    double sum = 0;
    for (uint32_t i = 1; i <= count; i++) sum += pow(i, -skew);
    return sum;
}

/* skew: 0 for uniform, else below 1. */
static inline void life_skew(struct life *l, double skew)
{
    double zeta = skew > 0 ? life_zeta(l->count, skew) : 0;
    l->zipf = (struct life_zipf){.skew = skew, .zeta = zeta, .alpha = 1 / (1 - skew)};
    if (skew > 0) l->zipf.eta = (1 - pow(2.0 / l->count, 1 - skew)) / (1 - life_zeta(2, skew) / zeta);
}

static inline uint32_t life_rank(const struct life *l, double u)
{
    double at = u * l->zipf.zeta;
    if (at < 1) return 0;
    if (at < 1 + pow(0.5, l->zipf.skew)) return 1;
    double rank = l->count * pow(l->zipf.eta * u - l->zipf.eta + 1, l->zipf.alpha);
    return rank < l->count ? (uint32_t)rank : l->count - 1;
}

static inline uint32_t life_draw(struct life *l)
{
    uint64_t random = life_random(l) >> 32;
    if (l->zipf.skew <= 0) return (uint32_t)(random * l->count >> 32);
    uint64_t rank = life_rank(l, (double)random / 4294967296.0);
    return (uint32_t)(rank * UINT64_C(2654435761) % l->count); /* a prime: the ranks lie scattered */
}

static inline void life_begin(struct life *l, uint32_t count, uint64_t seed, const char *prefix)
{
    *l = (struct life){.count = count, .random = seed};
    l->patients = calloc(count, sizeof *l->patients);
    assert(l->patients != NULL);
    snprintf(l->prefix, sizeof l->prefix, "%s", prefix);
}

/* The events that bring a patient to where it begins: call until it returns false. *step: 0 at first. */
static inline bool life_open(struct life *l, uint32_t patient, unsigned *step, int64_t now_ms, struct life_event *e)
{
    struct life_patient *p = &l->patients[patient];
    unsigned place = patient % LIFE_CHAPTERS;
    if (*step < LIFE_OPENING) {
        life_tell(l, patient, &life_opening[(*step)++], now_ms, e);
        return true;
    }
    bool is_visiting = place >= LIFE_AT_VISIT && p->chapter < LIFE_AT_VISIT;
    bool is_in_care = place >= LIFE_AT_CARE && p->chapter < LIFE_AT_CARE;
    if (is_visiting) p->chapter = LIFE_AT_VISIT - 1;
    else if (is_in_care) p->chapter = LIFE_AT_CARE - 1;
    else return false;
    life_next(l, patient, now_ms, e);
    return true;
}

#endif
