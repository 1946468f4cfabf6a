/* Matching: see directory.h. Each aspect (age, coverage, county, ...) is a function of a table: it says that the agency
 * is out of the question, or adds to its score and notes a reason. Reasons are kept as pairs of borrowed words until it
 * is known which ten agencies they are wanted of. */
#include "core/directory.h"

#include "core/consent.h"
#include "core/directory_words.h"
#include "core/message.h"

#include <string.h>

#define LEVEL(NAME) HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_##NAME
#define KIND(NAME) HANDOFF__V1__AGENCY_KIND__AGENCY_KIND_##NAME
#define BARRIER(NAME) HANDOFF__V1__BARRIER_KIND__BARRIER_KIND_##NAME
#define CAPACITY(NAME) HANDOFF__V1__CAPACITY__CAPACITY_##NAME

enum { REASONS_MAX = 20, LANGUAGES_MAX = 4, BASE_SCORE = 100 };

struct reason {
    const char *words, *of; /* said one after the other */
};

/* What is true of the patient, found once for all agencies. */
struct seeker {
    const struct directory_query *query;
    int32_t age; /* -1: unknown */
    const char *languages[LANGUAGES_MAX];
    bool needs_interpreter;
    uint32_t language_count;
    uint32_t barriers; /* bit set 1 << BarrierKind */
    bool is_covered;   /* an active coverage is known */
};

struct candidate {
    const struct agency_row *row;
    const Handoff__V1__AgencyService *service; /* the one that suits; NULL: the agency's own row says it all */
    int32_t score;
    struct reason reasons[REASONS_MAX];
    uint32_t reason_count;
};

static void note(struct candidate *c, int32_t points, const char *words, const char *of)
{
    c->score += points;
    if (c->reason_count < REASONS_MAX) c->reasons[c->reason_count++] = (struct reason){words, of};
}

static bool has_barrier(const struct seeker *s, Handoff__V1__BarrierKind kind) { return s->barriers >> kind & 1; }

static bool has_text(char *const *list, size_t count, const char *wanted)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i], wanted) == 0) return true;
    return false;
}

/* --- what an agency offers ----------------------------------------------------------------------------------- */
Handoff__V1__AgencyKind directory_kind(const Handoff__V1__AgencyListed *agency)
{
    return agency->kind == KIND(UNSPECIFIED) ? KIND(AGENCY) : agency->kind;
}

bool directory_offers(const Handoff__V1__AgencyListed *agency, Handoff__V1__LevelOfCare level)
{
    if (level == LEVEL(UNSPECIFIED)) return true;
    for (size_t i = 0; i < agency->n_services; i++)
        if (agency->services[i]->level_of_care == level) return true;
    for (size_t i = 0; i < agency->n_levels; i++)
        if (agency->levels[i] == level) return true;
    return false;
}

bool directory_serves(const Handoff__V1__AgencyListed *agency, const char *county)
{
    if (!county[0] || (!agency->county[0] && agency->n_counties == 0)) return true;
    if (agency->county[0] && is_same_county(agency->county, county)) return true;
    for (size_t i = 0; i < agency->n_counties; i++)
        if (is_same_county(agency->counties[i], county)) return true;
    return false;
}

static uint32_t youngest(const struct candidate *c)
{
    return c->service && c->service->youngest_age ? c->service->youngest_age : c->row->agency->youngest_age;
}
static uint32_t oldest(const struct candidate *c)
{
    return c->service && c->service->oldest_age ? c->service->oldest_age : c->row->agency->oldest_age;
}
static Handoff__V1__Capacity capacity(const struct candidate *c)
{
    return c->service && c->service->capacity ? c->service->capacity : c->row->agency->capacity;
}
static bool comes_home(const struct candidate *c)
{
    return c->row->agency->has_home_visits || (c->service && c->service->has_home_visits);
}
static bool meets_online(const struct candidate *c)
{
    return c->row->agency->has_telehealth || (c->service && c->service->has_telehealth);
}

/* --- out of the question, or not ----------------------------------------------------------------------------- */
static bool fits_age(const struct seeker *s, struct candidate *c)
{
    uint32_t from = youngest(c), to = oldest(c);
    if (!from && !to) return true;
    if (s->age < 0) {
        note(c, 0, "age unknown: ask about ", "ages seen");
        return true;
    }
    if ((uint32_t)s->age < from || (to && (uint32_t)s->age > to)) return false;
    note(c, 2, "sees this age", "");
    return true;
}

static bool fits_coverage(const struct seeker *s, struct candidate *c)
{
    const Handoff__V1__PatientRecord *record = s->query->record;
    const Handoff__V1__AgencyListed *a = c->row->agency;
    if (!s->is_covered) {
        note(c, 0, "coverage unknown: ask about ", "insurance and cost");
        return true;
    }
    for (size_t i = 0; i < record->n_coverages; i++) {
        const Handoff__V1__Coverage *v = record->coverages[i];
        if (v->status != HANDOFF__V1__COVERAGE_STATUS__COVERAGE_STATUS_ACTIVE || !v->insurer_id[0]) continue;
        if (!has_text(a->insurers, a->n_insurers, v->insurer_id)) continue;
        note(c, 20, "accepts ", v->insurer_id);
        return true;
    }
    if (a->n_insurers > 0 && !a->takes_other_insurers) return false;
    note(c, 0, "ask whether it accepts ", "the patient's insurance");
    return true;
}

static bool fits_county(const struct seeker *s, struct candidate *c)
{
    const char *county = s->query->record->county;
    const Handoff__V1__AgencyListed *a = c->row->agency;
    int32_t near = has_barrier(s, BARRIER(TRANSPORT)) ? 12 : 6;
    if (!county[0]) return true;
    if (a->county[0] && is_same_county(a->county, county)) note(c, near, "in the same county: ", a->county);
    else if (a->n_counties > 0 && !directory_serves(a, county)) return false;
    else if (a->n_counties > 0) note(c, near / 2, "serves this county: ", county);
    else if (a->county[0]) note(c, -near, "in another county: ", a->county);
    return true;
}

static bool fits_capacity(const struct seeker *s, struct candidate *c)
{
    (void)s;
    if (capacity(c) == CAPACITY(CLOSED)) return false;
    if (capacity(c) == CAPACITY(OPEN)) note(c, 15, "has places", "");
    if (capacity(c) == CAPACITY(WAITLIST)) note(c, -15, "waitlist", "");
    return true;
}

/* --- the order ----------------------------------------------------------------------------------------------- */
static bool speaks(const Handoff__V1__AgencyListed *a, const char *language)
{
    for (size_t i = 0; i < a->n_languages; i++)
        if (is_same_language(a->languages[i], language)) return true;
    return false;
}

static bool weigh_languages(const struct seeker *s, struct candidate *c)
{
    const Handoff__V1__AgencyListed *a = c->row->agency;
    for (uint32_t i = 0; i < s->language_count; i++) {
        const char *name = language_words(s->languages[i]);
        if (speaks(a, s->languages[i])) note(c, 20, "speaks ", name);
        else if (a->has_interpreters) note(c, 10, "has interpreters: ask for ", name);
        else if (a->n_languages == 0) note(c, 0, "languages not told: ask for ", name);
        else note(c, -20, "an interpreter is needed: ", name);
    }
    if (s->language_count > 0) return true;
    if ((s->needs_interpreter || has_barrier(s, BARRIER(LANGUAGE))) && a->has_interpreters)
        note(c, 10, "has interpreters", "");
    return true;
}

static bool weigh_barriers(const struct seeker *s, struct candidate *c)
{
    const Handoff__V1__AgencyListed *a = c->row->agency;
    bool is_hard_to_come = has_barrier(s, BARRIER(TRANSPORT)) || has_barrier(s, BARRIER(CHILDCARE));
    if (has_barrier(s, BARRIER(TRANSPORT)) && a->helps_with_transport) note(c, 16, "helps with transport", "");
    if (is_hard_to_come && comes_home(c)) note(c, 14, "visits at home", "");
    if (is_hard_to_come && meets_online(c)) note(c, 10, "telehealth", "");
    if (has_barrier(s, BARRIER(CHILDCARE)) && a->has_childcare) note(c, 12, "childcare during visits", "");
    if (has_barrier(s, BARRIER(COST)) && a->has_reduced_fees) note(c, 12, "reduced fees", "");
    return true;
}

static bool weigh_intake(const struct seeker *s, struct candidate *c)
{
    (void)s;
    if (c->row->is_doubtful) note(c, -10, "its intake number is doubtful: confirm it first", "");
    else if (!c->row->agency->intake_number[0]) note(c, -2, "no intake number in the directory", "");
    return true;
}

typedef bool aspect(const struct seeker *s, struct candidate *c);

static bool judge_all(aspect *const *aspects, size_t count, const struct seeker *s, struct candidate *c)
{
    for (size_t i = 0; i < count; i++)
        if (!aspects[i](s, c)) return false;
    return true;
}

static aspect *const agency_aspects[] = {fits_age,        fits_coverage,  fits_capacity, weigh_languages,
                                         weigh_barriers, fits_county,    weigh_intake};

/* --- the best ten -------------------------------------------------------------------------------------------- */
struct ranking {
    struct candidate best[DIRECTORY_MATCHES_MAX];
    size_t count;
};

static bool goes_before(const struct candidate *a, const struct candidate *b)
{
    if (a->score != b->score) return a->score > b->score;
    int order = strcmp(a->row->agency->name, b->row->agency->name);
    return order ? order < 0 : strcmp(a->row->agency->agency_id, b->row->agency->agency_id) < 0;
}

static void rank(struct ranking *r, const struct candidate *c)
{
    size_t at = r->count;
    while (at > 0 && goes_before(c, &r->best[at - 1])) at--;
    if (at == DIRECTORY_MATCHES_MAX) return;
    size_t kept = r->count < DIRECTORY_MATCHES_MAX ? r->count++ : DIRECTORY_MATCHES_MAX - 1;
    memmove(&r->best[at + 1], &r->best[at], (kept - at) * sizeof *c);
    r->best[at] = *c;
}

static Handoff__V1__Match *match_of(const struct candidate *c, struct arena *arena)
{
    Handoff__V1__Match *m = MESSAGE_NEW(arena, Handoff__V1__Match, match);
    m->agency_id = c->row->agency->agency_id;
    m->name = c->row->agency->name;
    m->intake_number = c->row->agency->intake_number;
    m->score = c->score > 0 ? (uint32_t)c->score : 0;
    for (uint32_t i = 0; i < c->reason_count; i++)
        list_append(arena, &m->reasons, &m->n_reasons,
                    words_joined(arena, c->reasons[i].words, c->reasons[i].of));
    return m;
}

static void finish(const struct ranking *r, struct arena *arena, struct directory_matches *ret)
{
    *ret = (struct directory_matches){.count = r->count};
    for (size_t i = 0; i < r->count; i++) ret->list[i] = match_of(&r->best[i], arena);
}

/* --- the patient --------------------------------------------------------------------------------------------- */
/* English is what agencies speak unless they say otherwise. */
static void add_language(struct seeker *s, const char *language)
{
    if (!language[0] || is_same_language(language, "en") || s->language_count == LANGUAGES_MAX) return;
    for (uint32_t i = 0; i < s->language_count; i++)
        if (is_same_language(s->languages[i], language)) return;
    s->languages[s->language_count++] = language;
}

static struct seeker seeker_of(const struct directory_query *q)
{
    const Handoff__V1__PatientRecord *r = q->record;
    const struct site *site = rules_site(q->rules, r->site);
    struct seeker s = {.query = q, .age = patient_age(site, r, q->now_ms), .needs_interpreter = r->needs_interpreter};
    add_language(&s, r->language);
    for (size_t i = 0; i < r->n_preferences; i++) {
        const Handoff__V1__Preference *p = r->preferences[i];
        if (p->person != HANDOFF__V1__PARTY__PARTY_PATIENT && p->person != HANDOFF__V1__PARTY__PARTY_GUARDIAN) continue;
        add_language(&s, p->language);
        s.needs_interpreter |= p->needs_interpreter;
    }
    for (size_t i = 0; i < r->n_barriers; i++) s.barriers |= UINT32_C(1) << r->barriers[i];
    for (size_t i = 0; i < r->n_coverages; i++)
        s.is_covered |= r->coverages[i]->status == HANDOFF__V1__COVERAGE_STATUS__COVERAGE_STATUS_ACTIVE &&
                        r->coverages[i]->insurer_id[0];
    return s;
}

/* An end that says that this agency did not work out. */
static bool is_bad_end(const struct rules *rules, const Handoff__V1__ClosedEpisode *e)
{
    static const char *const bad[] = {"rejected", "cancelled", "failed", "served"};
    const struct pathway *p = rules_pathway(rules, e->pathway);
    if (!p || e->state >= p->main.state_count) return false;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (strcmp(p->main.states[e->state].name, bad[i]) == 0) return true;
    return false;
}

/* Asked already, or left: of an open course at this level, or of one that ended badly. */
static bool is_over(const struct directory_query *q, const char *agency_id)
{
    const Handoff__V1__PatientRecord *r = q->record;
    for (size_t i = 0; i < r->n_episodes; i++) {
        const Handoff__V1__Episode *e = r->episodes[i];
        bool is_same_level = e->level_of_care == q->level || e->level_of_care == LEVEL(UNSPECIFIED);
        if (is_same_level && strcmp(e->agency_id, agency_id) == 0) return true;
    }
    for (size_t i = 0; i < r->n_closed_episodes; i++)
        if (strcmp(r->closed_episodes[i]->agency_id, agency_id) == 0 && is_bad_end(q->rules, r->closed_episodes[i]))
            return true;
    return false;
}

/* --- agencies ------------------------------------------------------------------------------------------------ */
/* An agency with several services at the level is judged by the one that suits best. */
static bool judge_agency(const struct seeker *s, const struct agency_row *row, struct candidate *ret)
{
    const Handoff__V1__AgencyListed *a = row->agency;
    Handoff__V1__LevelOfCare level = s->query->level;
    const char *words = s->query->is_alternate ? "same level of care: " : "level of care: ";
    bool is_found = false, is_described = false;
    for (size_t i = 0; i <= a->n_services; i++) {
        const Handoff__V1__AgencyService *service = i < a->n_services ? a->services[i] : NULL;
        if (service && service->level_of_care != level) continue;
        if (!service && (is_described || !directory_offers(a, level))) continue;
        is_described = true;
        struct candidate c = {.row = row, .service = service, .score = BASE_SCORE};
        note(&c, 0, words, directory_level_words(level));
        if (!judge_all(agency_aspects, sizeof agency_aspects / sizeof *agency_aspects, s, &c)) continue;
        if (!is_found || c.score > ret->score) *ret = c;
        is_found = true;
    }
    return is_found;
}

void directory_match(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches)
{
    if (q->level == LEVEL(SUPPORT)) {
        directory_supports(q, arena, ret_matches);
        return;
    }
    struct seeker s = seeker_of(q);
    struct ranking r = {0};
    for (uint32_t i = 0; i < q->rules->directory_count && q->level != LEVEL(UNSPECIFIED); i++) {
        const struct agency_row *row = &q->rules->directory[i];
        struct candidate c;
        if (row->is_delisted || directory_kind(row->agency) != KIND(AGENCY) ||
            !directory_offers(row->agency, q->level) || is_over(q, row->agency->agency_id))
            continue;
        if (judge_agency(&s, row, &c)) rank(&r, &c);
    }
    finish(&r, arena, ret_matches);
}

/* --- supports, crisis lines, county offices ------------------------------------------------------------------ */
static bool weigh_supports(const struct seeker *s, struct candidate *c)
{
    const Handoff__V1__AgencyListed *a = c->row->agency;
    for (size_t i = 0; i < a->n_supports; i++) {
        Handoff__V1__SupportKind kind = a->supports[i];
        bool helps = (kind == HANDOFF__V1__SUPPORT_KIND__SUPPORT_KIND_TRANSPORT && has_barrier(s, BARRIER(TRANSPORT))) ||
                     (kind == HANDOFF__V1__SUPPORT_KIND__SUPPORT_KIND_CHILDCARE && has_barrier(s, BARRIER(CHILDCARE)));
        note(c, helps ? 30 : 0, helps ? "helps with a barrier: " : "support: ", support_words(kind));
    }
    return true;
}

static bool weigh_crisis(const struct seeker *s, struct candidate *c)
{
    (void)s;
    note(c, 0, "crisis line", c->row->agency->county[0] || c->row->agency->n_counties ? "" : ", everywhere");
    return true;
}

static bool weigh_office(const struct seeker *s, struct candidate *c)
{
    (void)s;
    note(c, 0, "county office", "");
    return true;
}

static aspect *const support_aspects[] = {fits_age, fits_capacity, weigh_supports, weigh_languages, fits_county};
static aspect *const crisis_aspects[] = {weigh_crisis, fits_county, weigh_languages};
static aspect *const office_aspects[] = {weigh_office, fits_county, weigh_languages};

/* Of one kind, in the county: without a county of the patient only what is there for everywhere. */
static void match_kind(const struct directory_query *q, Handoff__V1__AgencyKind kind, aspect *const *aspects,
                       size_t count, struct arena *arena, struct directory_matches *ret)
{
    struct seeker s = seeker_of(q);
    struct ranking r = {0};
    for (uint32_t i = 0; i < q->rules->directory_count; i++) {
        const struct agency_row *row = &q->rules->directory[i];
        bool is_local = row->agency->county[0] || row->agency->n_counties > 0;
        struct candidate c = {.row = row, .score = BASE_SCORE};
        if (row->is_delisted || directory_kind(row->agency) != kind || (is_local && !q->record->county[0]) ||
            !directory_serves(row->agency, q->record->county))
            continue;
        if (judge_all(aspects, count, &s, &c)) rank(&r, &c);
    }
    finish(&r, arena, ret);
}

#define COUNT(array) (sizeof(array) / sizeof *(array))

void directory_supports(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches)
{
    match_kind(q, KIND(COMMUNITY_SUPPORT), support_aspects, COUNT(support_aspects), arena, ret_matches);
}

void directory_crisis_lines(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches)
{
    match_kind(q, KIND(CRISIS_LINE), crisis_aspects, COUNT(crisis_aspects), arena, ret_matches);
}

void directory_county_offices(const struct directory_query *q, struct arena *arena,
                              struct directory_matches *ret_matches)
{
    match_kind(q, KIND(COUNTY_OFFICE), office_aspects, COUNT(office_aspects), arena, ret_matches);
}
