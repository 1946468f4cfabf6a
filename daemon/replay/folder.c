/* See folder.h. */
#include "replay/folder.h"

#include <errno.h>
#include <sodium.h>
#include "base/stored.h"

enum { FAILED = -1, REFUSED = -2 };

const char *folder_error(int code)
{
    if (code == JOURNAL_E_CORRUPT) return "the journal is damaged; handoffd verify says where";
    return code == JOURNAL_E_NOT_FOUND ? "the journal is empty" : journal_error(code);
}

static int take_epoch(struct folder *f, const struct entry *entry)
{
    Handoff__V1__EpochInput *epoch = handoff__v1__epoch_input__unpack(NULL, entry->input.len, entry->input.data);
    if (!epoch) return JOURNAL_E_CORRUPT;
    if (!f->has_key && epoch->hash_key.len == HASH_KEY_BYTES) {
        memcpy(f->hash_key, epoch->hash_key.data, HASH_KEY_BYTES);
        f->has_key = true;
    }
    handoff__v1__epoch_input__free_unpacked(epoch, NULL);
    return 0;
}

static int on_own(void *context, const struct entry *entry, uint64_t batch_end)
{
    struct folder *f = context;
    if (entry->kind == ENTRY_EPOCH) return take_epoch(f, entry);
    return timeline_take(f->changes, entry, batch_end) ? JOURNAL_E_MEMORY : 0;
}

static void on_look(void *context, uint64_t done, uint64_t total)
{
    struct folder *f = context;
    f->looked = done;
    f->to_look = total;
    if (f->on_look) f->on_look(f->context);
}

static int begin(struct folder *f, struct journal *journal, uint32_t places_max)
{
    struct share_listener listener = {f, on_own, on_look};
    if (sodium_init() < 0) return JOURNAL_E_MEMORY;
    f->changes = timeline_changes_new();
    f->rules = ruleset_new();
    if (!f->changes || !f->rules) return JOURNAL_E_MEMORY;
    int code = share_open(journal, places_max, &listener, &f->shares);
    if (!code) code = share_next(f->shares);
    return code < 0 ? code : 0;
}

int folder_open(struct folder *f, struct journal *journal, uint32_t places_max, struct yaml_errors *errors,
                const char **ret_sentence)
{
    int code = begin(f, journal, places_max);
    if (!code && !f->has_key) code = JOURNAL_E_CORRUPT;
    if (code) {
        *ret_sentence = folder_error(code);
        return FAILED;
    }
    int error = timeline_journaled(f->changes, f->rules, &f->journaled, errors);
    if (error == -ENOMEM) *ret_sentence = folder_error(JOURNAL_E_MEMORY);
    return !error ? 0 : error == -ENOMEM ? FAILED : REFUSED;
}

void folder_close(struct folder *f)
{
    share_close(f->shares);
    timeline_free(&f->journaled);
    timeline_changes_free(f->changes);
    ruleset_free(f->rules);
    *f = (struct folder){0};
}

int folder_rewind(struct folder *f, const char **ret_sentence)
{
    share_rewind(f->shares);
    int code = share_next(f->shares);
    if (code < 0) *ret_sentence = folder_error(code);
    return code < 0 ? FAILED : 0;
}

/* Sites and sources have records too, under keys of other kinds; and the synthetic patient is nobody. */
static bool is_patient(const struct folder *f, const struct place *place, const Handoff__V1__PatientRecord *record)
{
    struct patient_key key;
    if (record->heartbeat) return false;
    subject_key(f->hash_key, SUBJECT_IS_PATIENT, record->patient_id, &key);
    return key_equals(&key, &place->key);
}

static int read_newest(struct folder *f, const struct place *place, struct arena *arena,
                       Handoff__V1__PatientRecord **ret_record)
{
    struct entry entry;
    int code = share_entry(f->shares, place, &entry);
    *ret_record = NULL;
    if (code || !entry.record.len) return code;
    *ret_record = stored_unpack(&handoff__v1__patient_record__descriptor, entry.record, arena);
    return *ret_record ? 0 : JOURNAL_E_CORRUPT;
}

int folder_next(struct folder *f, struct arena *arena, struct chain_places *ret_chain,
                Handoff__V1__PatientRecord **ret_newest, const char **ret_sentence)
{
    int code = 1;
    while (code == 1) {
        if (!share_chain(f->shares, ret_chain)) {
            code = share_next(f->shares);
            if (code == 0) return 0;
            continue;
        }
        const struct place *newest = &ret_chain->places[ret_chain->count - 1];
        int read = read_newest(f, newest, arena, ret_newest);
        if (read)
            code = read;
        else if (*ret_newest && is_patient(f, newest, *ret_newest))
            return 1;
    }
    *ret_sentence = folder_error(code);
    return FAILED;
}
