/* Two patient ids that become one: what core must be given for it. core/merge.c does it. */
#ifndef HANDOFF_ENGINE_MERGING_H
#define HANDOFF_ENGINE_MERGING_H

#include "core/rules.h"
#include "engine/chains_read.h"

struct merging {
    struct step_merge merge;
    struct patient_key loser_key, survivor_key;
    const Handoff__V1__PatientRecord *loser, *survivor; /* before; survivor NULL: nobody knows it */
    Handoff__V1__PatientJoined joined;                  /* the input of the survivor's entry */
};

/* From an alias to the patient that it became, at most eight deep: its key, newest entry and record (NULL: none). */
int merging_follow(const struct chains_read *from, struct patient_key *key, struct entry *ret_newest,
                   const Handoff__V1__PatientRecord **ret_record);
/* loser: the record that the event goes to, aliases followed; NULL: there is none. */
int merging_judge(const struct chains_read *from, const Handoff__V1__Event *event, const struct patient_key *loser_key,
                  const Handoff__V1__PatientRecord *loser, struct merging *ret);
/* Both steps. 1: they become one, and the survivor's entry follows at once; 0: there is only the event's own entry. */
int merging_step(const struct rules *rules, struct arena *arena, struct merging *m, struct step_input *input,
                 struct outcome *ret_loser, struct outcome *ret_joined);
/* The survivor's step from what is journaled: for who decides again. */
int merging_read(const struct chains_read *from, const Handoff__V1__PatientJoined *joined,
                 const Handoff__V1__PatientRecord *survivor, struct merging *ret,
                 const Handoff__V1__PatientRecord **ret_alias);
void merging_fill(struct merging *m, uint64_t sequence, int64_t now_ms, const Handoff__V1__PatientRecord *alias,
                  struct step_input *ret_input);
bool merging_is_possible(const struct outcome *joined);

#endif
