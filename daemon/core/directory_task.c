/* Which tasks carry what the directory has for the patient, and at which level of care. See directory.h. */
#include "core/directory.h"

#include <string.h>

#define TASK(NAME) HANDOFF__V1__TASK_KIND__TASK_KIND_##NAME
#define LEVEL(NAME) HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_##NAME

enum { AGENCIES = 1, SUPPORTS = 2, CRISIS = 4, OFFICES = 8 };

/* level UNSPECIFIED: the episode's. */
static const struct carrier {
    Handoff__V1__TaskKind kind;
    uint32_t carries;
    Handoff__V1__LevelOfCare level;
} carriers[] = {
    {TASK(SHARE_RESOURCES), AGENCIES | SUPPORTS | CRISIS | OFFICES, LEVEL(UNSPECIFIED)},
    {TASK(OFFER_ALTERNATES), AGENCIES, LEVEL(UNSPECIFIED)},
    {TASK(FILL_GAP), AGENCIES, LEVEL(UNSPECIFIED)},
    {TASK(OUTPATIENT_ALONGSIDE), AGENCIES, LEVEL(OUTPATIENT)},
    {TASK(HELP_NAVIGATE_SUPPORT), SUPPORTS, LEVEL(UNSPECIFIED)},
    {TASK(CONFIRM_CRISIS_NUMBERS), CRISIS, LEVEL(UNSPECIFIED)},
    {TASK(CHECK_COVERAGE), OFFICES, LEVEL(UNSPECIFIED)},
    {TASK(CHECK_MA_ELIGIBILITY), OFFICES, LEVEL(UNSPECIFIED)},
};

/* --- at which level ------------------------------------------------------------------------------------------ */
static Handoff__V1__LevelOfCare level_of(const Handoff__V1__PatientRecord *record, uint32_t episode)
{
    for (size_t i = 0; i < record->n_episodes; i++)
        if (record->episodes[i]->number == episode) return record->episodes[i]->level_of_care;
    for (size_t i = 0; i < record->n_closed_episodes; i++)
        if (record->closed_episodes[i]->number == episode) return record->closed_episodes[i]->level_of_care;
    return LEVEL(UNSPECIFIED);
}

static const Handoff__V1__Episode *newest(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                          bool is_referral)
{
    const Handoff__V1__Episode *found = NULL;
    for (size_t i = 0; i < record->n_episodes; i++) {
        const Handoff__V1__Episode *e = record->episodes[i];
        const struct pathway *p = rules_pathway(rules, e->pathway);
        if (!p || e->level_of_care == LEVEL(UNSPECIFIED) || (is_referral && p->subject != SUBJECT_REFERRAL)) continue;
        if (!found || e->number > found->number) found = e;
    }
    return found;
}

Handoff__V1__LevelOfCare directory_level(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                         uint32_t episode, uint32_t *ret_episode)
{
    Handoff__V1__LevelOfCare level = level_of(record, episode);
    *ret_episode = episode;
    if (level != LEVEL(UNSPECIFIED)) return level;
    const Handoff__V1__Episode *e = newest(rules, record, true);
    if (!e) e = newest(rules, record, false);
    *ret_episode = e ? e->number : 0;
    return e ? e->level_of_care : LEVEL(UNSPECIFIED);
}

/* --- for a task ---------------------------------------------------------------------------------------------- */
typedef void matcher(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches);

static void add(matcher *match, const struct directory_query *q, size_t most, struct arena *arena,
                struct directory_matches *all)
{
    struct directory_matches some;
    match(q, arena, &some);
    for (size_t i = 0; i < some.count && i < most && all->count < DIRECTORY_MATCHES_MAX; i++)
        all->list[all->count++] = some.list[i];
}

/* Agencies first; beside them each other kind has a place or two. */
static void add_all(const struct directory_query *q, uint32_t carries, struct arena *arena,
                    struct directory_matches *all)
{
    struct directory_matches others = {0};
    bool is_mixed = carries & AGENCIES;
    if (carries & SUPPORTS) add(directory_supports, q, is_mixed ? 2 : DIRECTORY_MATCHES_MAX, arena, &others);
    if (carries & CRISIS) add(directory_crisis_lines, q, is_mixed ? 1 : DIRECTORY_MATCHES_MAX, arena, &others);
    if (carries & OFFICES) add(directory_county_offices, q, is_mixed ? 1 : DIRECTORY_MATCHES_MAX, arena, &others);
    if (carries & AGENCIES) add(directory_match, q, DIRECTORY_MATCHES_MAX - others.count, arena, all);
    for (size_t i = 0; i < others.count; i++) all->list[all->count++] = others.list[i];
}

bool directory_for_task(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                        Handoff__V1__TaskKind kind, uint32_t episode, int64_t now_ms, struct arena *arena,
                        struct directory_matches *ret_matches)
{
    const struct carrier *c = NULL;
    for (size_t i = 0; i < sizeof carriers / sizeof *carriers && !c; i++)
        if (carriers[i].kind == kind) c = &carriers[i];
    *ret_matches = (struct directory_matches){0};
    if (!c || rules->directory_count == 0) return c != NULL;
    struct directory_query q = {.rules = rules, .record = record, .now_ms = now_ms, .level = c->level};
    uint32_t ignored;
    if (q.level == LEVEL(UNSPECIFIED)) q.level = directory_level(rules, record, episode, &ignored);
    q.is_alternate = kind == TASK(OFFER_ALTERNATES);
    add_all(&q, c->carries, arena, ret_matches);
    return true;
}
