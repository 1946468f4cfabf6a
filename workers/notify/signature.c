/* See signature.h. */
#include "notify/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include <sodium.h>

bool signature_key_read(const char *secret, struct signature_key *ret_key)
{
    static const char prefix[] = "whsec_";
    static const int variants[] = {sodium_base64_VARIANT_ORIGINAL, sodium_base64_VARIANT_ORIGINAL_NO_PADDING};
    if (strncmp(secret, prefix, sizeof prefix - 1)) return false;
    const char *text = secret + sizeof prefix - 1;
    for (size_t i = 0; i < 2; i++) {
        struct signature_key key = {0};
        if (sodium_base642bin(key.bytes, sizeof key.bytes, text, strlen(text), NULL, &key.len, NULL, variants[i]))
            continue;
        if (key.len < SIGNATURE_KEY_MIN) return false;
        *ret_key = key;
        return true;
    }
    return false;
}

void signature_sign(const struct signature_key *key, const char *id, int64_t timestamp_s, const char *payload,
                    char text[SIGNATURE_TEXT])
{
    char head[32];
    unsigned char mac[crypto_auth_hmacsha256_BYTES];
    crypto_auth_hmacsha256_state state;
    int len = snprintf(head, sizeof head, ".%" PRId64 ".", timestamp_s);
    crypto_auth_hmacsha256_init(&state, key->bytes, key->len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)id, strlen(id));
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)head, (size_t)len);
    crypto_auth_hmacsha256_update(&state, (const unsigned char *)payload, strlen(payload));
    crypto_auth_hmacsha256_final(&state, mac);
    memcpy(text, "v1,", 3);
    sodium_bin2base64(text + 3, SIGNATURE_TEXT - 3, mac, sizeof mac, sodium_base64_VARIANT_ORIGINAL);
}
