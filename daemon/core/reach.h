/* How the family may be reached: rule 11 of README.md. Permitted means permitted and safe. */
#ifndef HANDOFF_CORE_REACH_H
#define HANDOFF_CORE_REACH_H

#include "core/rules.h"

/* Some message may go to somebody of the family: to a guardian, or to a patient who is old enough or whose own wishes
 * are on file. People of whom nothing is known may be reached. */
bool reach_family(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                  int64_t now_ms);
/* A message may go to this person: not opted out, and a channel that carries one. */
bool reach_person(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party, const char *id);
/* Carries a message in time: not a letter, nor a talk in person. */
bool reach_carries_message(Handoff__V1__Channel channel);
/* Where the patient signs, a guardian hears only as far as a release names them: the patient may have struck them, or
 * taken the release back. */
bool reach_may_know(const struct rules *rules, const struct site *site, const Handoff__V1__PatientRecord *record,
                    Handoff__V1__DiagnosisCategory category, const char *guardian_id, int64_t now_ms);
/* NULL: nothing is known. */
const Handoff__V1__Preference *reach_preference(const Handoff__V1__PatientRecord *record, Handoff__V1__Party party,
                                                const char *id);
/* The first moment from now on that lies within this person's hours; NULL: any. */
int64_t reach_permitted_from(const struct site *site, const Handoff__V1__Preference *preference, int64_t now_ms);
/* What may be left on a voicemail or in a text: a name and a number unless told otherwise, never more on a shared
 * phone. */
Handoff__V1__MessageContent reach_content(const Handoff__V1__Preference *preference);

#endif
