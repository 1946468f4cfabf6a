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
    sodium_bin2hex(ret_text, 33, key->bytes, PATIENT_KEY_BYTES);
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
