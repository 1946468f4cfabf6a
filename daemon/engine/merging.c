/* What a patient.merged meets: who survives, whether the two can become one, and the survivor's step as it would be. The
 * engine asks before it adds anything, the audit when it decides again; both must hear the same. */
#include "engine/merging.h"

#include <string.h>
#include "base/limits.h"

enum { ALIASES_MAX = 8 };

static Handoff__V1__PatientRecord *record_of(const struct chains_read *from, const struct entry *entry)
{
    if (!entry->record.len) return NULL;
    return handoff__v1__patient_record__unpack(arena_protobuf(from->arena), entry->record.len, entry->record.data);
}

int merging_follow(const struct chains_read *from, struct patient_key *key, struct entry *ret_newest,
                   const Handoff__V1__PatientRecord **ret_record)
{
    for (int depth = 0; depth <= ALIASES_MAX; depth++) {
        int code = from->newest(from->context, key, ret_newest);
        if (code) return code;
        *ret_record = ret_newest->sequence ? record_of(from, ret_newest) : NULL;
        if (!*ret_record || !(*ret_record)->merged_into[0]) return 0;
        subject_key(from->hash_key, SUBJECT_IS_PATIENT, (*ret_record)->merged_into, key);
    }
    *ret_record = NULL; /* no merge makes them that deep */
    return 0;
}

static enum merge_answer answer_of(const struct merging *m, const Handoff__V1__Event *event)
{
    bool is_alias = m->loser && strcmp(m->loser->patient_id, event->patient_id) != 0;
    bool is_same = key_equals(&m->survivor_key, &m->loser_key);
    if (!m->loser) return MERGE_NO_PATIENT;
    if (is_same) return is_alias ? MERGE_ALREADY : MERGE_SAME;
    if (!m->survivor) return MERGE_NO_SURVIVOR;
    return is_alias ? MERGE_OF_ALIAS : MERGE_POSSIBLE;
}

int merging_judge(const struct chains_read *from, const Handoff__V1__Event *event, const struct patient_key *loser_key,
                  const Handoff__V1__PatientRecord *loser, struct merging *ret)
{
    struct entry newest;
    struct merging m = {.loser_key = *loser_key, .loser = loser};
    subject_key(from->hash_key, SUBJECT_IS_PATIENT, event->patient_merged->survivor_patient_id, &m.survivor_key);
    int code = merging_follow(from, &m.survivor_key, &newest, &m.survivor);
    if (code) return code;
    m.merge.answer = answer_of(&m, event);
    if (m.survivor) m.merge.survivor_id = m.survivor->patient_id;
    *ret = m;
    return 0;
}

void merging_fill(struct merging *m, uint64_t sequence, int64_t now_ms, const Handoff__V1__PatientRecord *alias,
                  struct step_input *ret_input)
{
    handoff__v1__patient_joined__init(&m->joined);
    m->joined.patient_id = m->loser->patient_id;
    m->joined.sequence = sequence;
    m->joined.key = (ProtobufCBinaryData){PATIENT_KEY_BYTES, m->loser_key.bytes};
    *ret_input = (struct step_input){.kind = STEP_JOIN,
                                     .sequence = sequence + 1,
                                     .now_ms = now_ms,
                                     .subject = SUBJECT_IS_PATIENT,
                                     .subject_name = m->survivor->patient_id,
                                     .joined = &m->joined,
                                     .loser = m->loser,
                                     .alias = alias};
}

bool merging_is_possible(const struct outcome *joined)
{
    return joined->journaled.verdict != HANDOFF__V1__VERDICT__VERDICT_PARKED &&
           handoff__v1__patient_record__get_packed_size(joined->after) <= 2 * (size_t)LIMIT_RECORD_BYTES;
}

static bool is_too_deep(const Handoff__V1__PatientRecord *loser)
{
    for (size_t i = 0; i < loser->n_merged; i++)
        if (loser->merged[i]->depth >= ALIASES_MAX) return true;
    return false;
}

int merging_step(const struct rules *rules, struct arena *arena, struct merging *m, struct step_input *input,
                 struct outcome *ret_loser, struct outcome *ret_joined)
{
    struct step_input join;
    input->merge = &m->merge;
    step(rules, m->loser, input, arena, ret_loser);
    if (m->merge.answer != MERGE_POSSIBLE) return 0;
    merging_fill(m, input->sequence, input->now_ms, ret_loser->after, &join);
    step(rules, m->survivor, &join, arena, ret_joined);
    if (merging_is_possible(ret_joined)) return 1;
    m->merge.answer = is_too_deep(m->loser) ? MERGE_TOO_DEEP : MERGE_TOO_LARGE;
    step(rules, m->loser, input, arena, ret_loser);
    return 0;
}

int merging_read(const struct chains_read *from, const Handoff__V1__PatientJoined *joined,
                 const Handoff__V1__PatientRecord *survivor, struct merging *ret,
                 const Handoff__V1__PatientRecord **ret_alias)
{
    struct entry alias, loser;
    *ret = (struct merging){.survivor = survivor};
    if (joined->key.len != PATIENT_KEY_BYTES) return -1;
    memcpy(ret->loser_key.bytes, joined->key.data, PATIENT_KEY_BYTES);
    int code = from->entry(from->context, joined->sequence, &alias);
    if (!code) code = from->entry(from->context, alias.prev_sequence, &loser);
    if (code) return code;
    *ret_alias = record_of(from, &alias);
    ret->loser = record_of(from, &loser);
    return *ret_alias && ret->loser && key_equals(&alias.key, &ret->loser_key) ? 0 : -1;
}
