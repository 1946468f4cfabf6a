/* See intake_sense.h. One small question a kind of event, and a table of them. */
#include "engine/intake_sense.h"

#include <string.h>

#include "core/calendar.h"
#include "core/step.h"

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME
enum { VISIT_YEARS_MAX = 5, ITEMS_MAX = 64 };

static bool refuse(struct nonsense *n, Handoff__V1__Code code, const char *field, const char *problem)
{
    *n = (struct nonsense){code, field, problem};
    return false;
}
static bool refuse_time(struct nonsense *n, const char *field, const char *problem)
{
    return refuse(n, HANDOFF__V1__CODE__CODE_BAD_TIME, field, problem);
}
static bool refuse_value(struct nonsense *n, const char *field, const char *problem)
{
    return refuse(n, HANDOFF__V1__CODE__CODE_BAD_VALUE, field, problem);
}

/* --- consents and people ------------------------------------------------------------------------------------------ */
static bool consent(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    const Handoff__V1__ConsentGranted *g = e->consent_granted;
    int64_t signed_ms = g->signed_at_ms ? g->signed_at_ms : e->occurred_at_ms;
    if (g->treatment_to && g->treatment_to < g->treatment_from)
        return refuse_time(n, "treatment_to", "is before treatment_from");
    if (g->signed_at_ms > now_ms + MS_PER_DAY) return refuse_time(n, "signed_at_ms", "is in the future");
    if (g->expires_at_ms && g->expires_at_ms <= signed_ms) return refuse_time(n, "expires_at_ms", "is not after the signature");
    return true;
}

static bool preference(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    const Handoff__V1__PreferenceUpdated *p = e->preference_updated;
    if (!p->earliest_minute && !p->latest_minute) return true; /* any hour */
    return p->latest_minute > p->earliest_minute || refuse_value(n, "latest_minute", "is not after earliest_minute");
}

static bool deceased(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    bool is_future = e->patient_deceased->died_at_ms > now_ms + MS_PER_DAY;
    return !is_future || refuse_time(n, "died_at_ms", "is in the future");
}

static bool merged(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    bool is_ours = strcmp(e->patient_merged->survivor_patient_id, HEARTBEAT_PATIENT) == 0;
    return !is_ours || refuse(n, HANDOFF__V1__CODE__CODE_BAD_ID, "survivor_patient_id", "is the daemon's own synthetic patient");
}

static bool absent(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    bool is_reversed = e->staff_absent->to_at_ms < e->staff_absent->from_at_ms;
    return !is_reversed || refuse_time(n, "to_at_ms", "is before from_at_ms");
}

static bool listed(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    const Handoff__V1__AgencyListed *a = e->agency_listed;
    bool is_reversed = a->oldest_age && a->oldest_age < a->youngest_age;
    return !is_reversed || refuse_value(n, "oldest_age", "is below youngest_age");
}

static bool opened(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    bool is_named = e->episode_opened->pathway[0] || e->episode_opened->reopens[0];
    return is_named || refuse(n, HANDOFF__V1__CODE__CODE_MISSING_FIELD, "pathway", "is missing");
}

/* --- visits ------------------------------------------------------------------------------------------------------- */
static bool is_visit_time(int64_t starts_ms, int64_t now_ms, struct nonsense *n)
{
    static const int64_t year_2000_ms = INT64_C(946684800000);
    if (starts_ms < year_2000_ms) return refuse_time(n, "starts_at_ms", "is before the year 2000");
    bool is_absurd = starts_ms > now_ms + VISIT_YEARS_MAX * 366 * (int64_t)MS_PER_DAY;
    return !is_absurd || refuse_time(n, "starts_at_ms", "is more than five years ahead");
}
static bool booked(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    return is_visit_time(e->appointment_booked->starts_at_ms, now_ms, n);
}
static bool rescheduled(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    return is_visit_time(e->appointment_rescheduled->starts_at_ms, now_ms, n);
}

/* --- screenings --------------------------------------------------------------------------------------------------- */
/* How high a total or an item may be is the policy's (core/scores.c); of one item there is one score. */
static bool screening(const Handoff__V1__Event *e, int64_t now_ms, struct nonsense *n)
{
    (void)now_ms;
    const Handoff__V1__ScreeningScored *s = e->screening_scored;
    uint64_t seen = 0;
    for (size_t i = 0; i < s->n_items; i++) {
        uint32_t item = s->items[i]->item;
        if (item == 0 || item > ITEMS_MAX) return refuse_value(n, "items.item", "is not an item of the instrument");
        if (seen >> (item - 1) & 1) return refuse_value(n, "items.item", "is there twice");
        seen |= UINT64_C(1) << (item - 1);
    }
    return true;
}

static const struct {
    Handoff__V1__Event__BodyCase body;
    bool (*makes_sense)(const Handoff__V1__Event *event, int64_t now_ms, struct nonsense *n);
} questions[] = {
    {BODY(CONSENT_GRANTED), consent},   {BODY(PREFERENCE_UPDATED), preference},
    {BODY(PATIENT_DECEASED), deceased}, {BODY(STAFF_ABSENT), absent},
    {BODY(AGENCY_LISTED), listed},      {BODY(EPISODE_OPENED), opened},
    {BODY(APPOINTMENT_BOOKED), booked}, {BODY(APPOINTMENT_RESCHEDULED), rescheduled},
    {BODY(SCREENING_SCORED), screening}, {BODY(PATIENT_MERGED), merged},
};

bool intake_makes_sense(const Handoff__V1__Event *event, int64_t now_ms, struct nonsense *ret_nonsense)
{
    for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
        if (questions[i].body == event->body_case) return questions[i].makes_sense(event, now_ms, ret_nonsense);
    return true;
}
