/* Which agencies of the resource directory suit a patient, and why, in words.
 *
 * Always at the level of care that was asked for (rule 8): another level is a clinician's decision, not a match. What
 * is known to be impossible is left out: an age that is not seen, an insurance that is not accepted, a county that is
 * not served, an agency that takes nobody new, that is delisted, or that the family has left or was refused by. What
 * is not known excludes nobody, but is said, so that whoever calls asks. The rest (language, barriers, capacity,
 * distance) decides the order: higher scores first, then by name and id, so that the same question always has the same
 * answer. */
#ifndef HANDOFF_CORE_DIRECTORY_H
#define HANDOFF_CORE_DIRECTORY_H

#include "base/arena.h"
#include "core/rules.h"
#include "handoff/v1/emission.pb-c.h"
#include "handoff/v1/record.pb-c.h"

enum { DIRECTORY_MATCHES_MAX = 10 };

struct directory_matches {
    Handoff__V1__Match *list[DIRECTORY_MATCHES_MAX];
    size_t count;
};

struct directory_query {
    const struct rules *rules;
    const Handoff__V1__PatientRecord *record;
    int64_t now_ms;
    Handoff__V1__LevelOfCare level; /* UNSPECIFIED: nothing is matched */
    bool is_alternate;              /* to an agency that was asked: the level is said to be the same */
};

/* Agencies at the query's level. Matches live in the arena and borrow names from the rules. */
void directory_match(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches);
/* Food, housing, transport, peers, groups: what the patient's county has; those that help with an open barrier first. */
void directory_supports(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches);
/* Of the patient's county, those of the county alone before those of everywhere. */
void directory_crisis_lines(const struct directory_query *q, struct arena *arena, struct directory_matches *ret_matches);
void directory_county_offices(const struct directory_query *q, struct arena *arena,
                              struct directory_matches *ret_matches);

/* What a task carries when it is shown: of its episode (0: none). False: its kind carries nothing. */
bool directory_for_task(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                        Handoff__V1__TaskKind kind, uint32_t episode, int64_t now_ms, struct arena *arena,
                        struct directory_matches *ret_matches);

/* The level of care that an episode, open or closed, is about; without an episode (0) the newest open referral's, else
 * the newest open episode's that has one. ret_episode: its number; 0: none. */
Handoff__V1__LevelOfCare directory_level(const struct rules *rules, const Handoff__V1__PatientRecord *record,
                                         uint32_t episode, uint32_t *ret_episode);

/* Does the agency offer this, there? UNSPECIFIED and "" are any. */
bool directory_offers(const Handoff__V1__AgencyListed *agency, Handoff__V1__LevelOfCare level);
bool directory_serves(const Handoff__V1__AgencyListed *agency, const char *county);
Handoff__V1__AgencyKind directory_kind(const Handoff__V1__AgencyListed *agency); /* never UNSPECIFIED */
/* "intensive outpatient" */
const char *directory_level_words(Handoff__V1__LevelOfCare level);

#endif
