/* What an entry is about, as a key: a keyed hash of a kind and a name, so that neither a key in a file name nor one
 * in a log tells who it is. The hash key belongs to the folder and is in its first entry. */
#ifndef HANDOFF_ENGINE_SUBJECT_H
#define HANDOFF_ENGINE_SUBJECT_H

#include <stdbool.h>
#include <stdint.h>
#include "handoff/v1/record.pb-c.h"
#include "core/step.h"
#include "store/entry.h"

enum { HASH_KEY_BYTES = 16 };
/* Beside patients, sites and sources, a folder keeps chains of entries about itself: epochs, rules, the clock;
 * and one for each subscription, with one that names them all. */
enum { SUBJECT_IS_FOLDER = 255, SUBJECT_IS_SUBSCRIPTION = 254 };
#define SUBJECT_RULES "rules"
#define SUBJECT_CLOCK "clock"
#define SUBJECT_EPOCH "epoch"

/* name: at most LIMIT_ID_BYTES. */
void subject_key(const uint8_t hash_key[HASH_KEY_BYTES], int kind, const char *name, struct patient_key *ret_key);
/* Whose record an event goes to. Staff and directory events may name no patient: they belong to the site. What is asked
 * of somebody about a source is in the source's record, and listed under its name: the key in a whole id tells that
 * from a patient of the same name. Names are the event's or site_name. */
enum subject_kind subject_of_event(const uint8_t hash_key[HASH_KEY_BYTES], const Handoff__V1__Event *event, const char *site_name,
                                   const char **ret_name, struct patient_key *ret_key);
/* The field with an id that is of another record; NULL: none. A short id is of the record that the event names; an id
 * that was made under a patient id that became this one is of this record (NULL: it is not known). */
const char *subject_foreign_id(const Handoff__V1__Event *event, const struct patient_key *key,
                               const Handoff__V1__PatientRecord *record);
/* For repeats: hash of source, a NUL, id. */
uint64_t subject_event_hash(const uint8_t hash_key[HASH_KEY_BYTES], const char *source, const char *id);

static inline bool key_equals(const struct patient_key *a, const struct patient_key *b)
{
    return memcmp(a->bytes, b->bytes, PATIENT_KEY_BYTES) == 0;
}

#endif
