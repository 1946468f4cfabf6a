/* Subject keys and the hash that finds repeats. */
#include "engine/subject.h"

#include <assert.h>
#include <sodium.h>
#include "base/limits.h"
#include "engine/engine.h"

static_assert(crypto_shorthash_siphashx24_BYTES == PATIENT_KEY_BYTES, "a subject's key is one hash");
static_assert(crypto_shorthash_siphashx24_KEYBYTES == HASH_KEY_BYTES, "the folder's key fits both hashes");
static_assert(crypto_shorthash_KEYBYTES == HASH_KEY_BYTES && crypto_shorthash_BYTES == 8, "and so does the other");

void subject_key(const uint8_t hash_key[HASH_KEY_BYTES], int kind, const char *name, struct patient_key *ret_key)
{
    uint8_t text[1 + LIMIT_ID_BYTES];
    size_t len = strnlen(name, LIMIT_ID_BYTES);
    assert(name[len] == '\0');
    text[0] = (uint8_t)kind;
    memcpy(text + 1, name, len);
    crypto_shorthash_siphashx24(ret_key->bytes, text, 1 + len, hash_key);
}

static bool begins_with_key(const char *id, const char *dash, const uint8_t *key)
{
    char text[33];
    engine_key_text((const struct patient_key *)(const void *)key, text);
    return dash - id == 32 && memcmp(id, text, 32) == 0;
}

/* An id given whole begins with the key of the record that it is in, or of one that became it. What is no id of ours
 * names nothing anywhere. */
static bool is_within(const char *id, const char *letters, const struct patient_key *key,
                      const Handoff__V1__PatientRecord *record)
{
    const char *dash = strrchr(id, '-');
    if (!dash || !step_id_number(id, letters)) return true;
    if (begins_with_key(id, dash, key->bytes)) return true;
    for (size_t i = 0; record && i < record->n_merged; i++) {
        if (record->merged[i]->key.len == PATIENT_KEY_BYTES && begins_with_key(id, dash, record->merged[i]->key.data))
            return true;
    }
    return false;
}

/* What the world answered to a message: the message's, whatever it was about. */
static bool is_message_within(const char *emission_id, const struct patient_key *key, const Handoff__V1__PatientRecord *record)
{
    struct step_emission e;
    return !step_emission_parse(emission_id, &e) || is_within(e.id, e.letters, key, record);
}

const char *subject_foreign_id(const Handoff__V1__Event *event, const struct patient_key *key,
                               const Handoff__V1__PatientRecord *record)
{
    if (!is_within(event->task_id, "t", key, record)) return "task_id";
    if (!is_within(event->escalation_id, "e", key, record)) return "escalation_id";
    if (!is_within(event->episode_id, "ep", key, record)) return "episode_id";
    bool is_opened = event->body_case == HANDOFF__V1__EVENT__BODY_EPISODE_OPENED;
    if (is_opened && !is_within(event->episode_opened->reopens, "ep", key, record)) return "episode_opened.reopens";
    bool is_sent = event->body_case == HANDOFF__V1__EVENT__BODY_MESSAGE_SENT;
    bool is_failed = event->body_case == HANDOFF__V1__EVENT__BODY_MESSAGE_FAILED;
    if (is_sent && !is_message_within(event->message_sent->emission_id, key, record)) return "message_sent.emission_id";
    if (is_failed && !is_message_within(event->message_failed->emission_id, key, record)) return "message_failed.emission_id";
    return NULL;
}

enum subject_kind subject_of_event(const uint8_t hash_key[HASH_KEY_BYTES], const Handoff__V1__Event *event, const char *site_name,
                                   const char **ret_name, struct patient_key *ret_key)
{
    enum subject_kind kind = event->patient_id[0] ? SUBJECT_IS_PATIENT : SUBJECT_IS_SITE;
    *ret_name = kind == SUBJECT_IS_PATIENT ? event->patient_id : site_name;
    subject_key(hash_key, kind, *ret_name, ret_key);
    if (!subject_foreign_id(event, ret_key, NULL)) return kind;
    static const enum subject_kind others[] = {SUBJECT_IS_SOURCE, SUBJECT_IS_SITE};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        struct patient_key key;
        subject_key(hash_key, others[i], *ret_name, &key);
        if (subject_foreign_id(event, &key, NULL)) continue;
        *ret_key = key;
        return others[i];
    }
    return kind;
}

uint64_t subject_event_hash(const uint8_t hash_key[HASH_KEY_BYTES], const char *source, const char *id)
{
    uint8_t text[2 * LIMIT_ID_BYTES + 1], hash[8];
    size_t source_len = strnlen(source, LIMIT_ID_BYTES), id_len = strnlen(id, LIMIT_ID_BYTES);
    assert(source[source_len] == '\0' && id[id_len] == '\0');
    memcpy(text, source, source_len);
    text[source_len] = '\0';
    memcpy(text + source_len + 1, id, id_len);
    crypto_shorthash(hash, text, source_len + 1 + id_len, hash_key);
    return load_u64(hash);
}

void engine_key_text(const struct patient_key *key, char ret_text[33])
{
    static const char digits[] = "0123456789abcdef";
    for (int i = 0; i < PATIENT_KEY_BYTES; i++) {
        ret_text[2 * i] = digits[key->bytes[i] >> 4];
        ret_text[2 * i + 1] = digits[key->bytes[i] & 15];
    }
    ret_text[2 * PATIENT_KEY_BYTES] = '\0';
}

static int hex_value(char letter)
{
    if (letter >= '0' && letter <= '9') return letter - '0';
    if (letter >= 'a' && letter <= 'f') return letter - 'a' + 10;
    return -1;
}

bool engine_key_parse(const char *text, struct patient_key *ret_key)
{
    struct patient_key parsed;
    for (int i = 0; i < PATIENT_KEY_BYTES; i++) {
        int high = hex_value(text[2 * i]);
        int low = high < 0 ? -1 : hex_value(text[2 * i + 1]);
        if (low < 0) return false;
        parsed.bytes[i] = (uint8_t)(high << 4 | low);
    }
    *ret_key = parsed;
    return true;
}
