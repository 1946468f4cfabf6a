/* The symmetric signature of Standard Webhooks 1.0.0: "v1," and base64 of HMAC-SHA256 over ID.TIMESTAMP.PAYLOAD. */
#ifndef HANDOFF_NOTIFY_SIGNATURE_H
#define HANDOFF_NOTIFY_SIGNATURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SIGNATURE_KEY_MIN = 24, SIGNATURE_KEY_MAX = 64, SIGNATURE_TEXT = 48 };

struct signature_key {
    uint8_t bytes[SIGNATURE_KEY_MAX];
    size_t len;
};
/* Of "whsec_" and base64. False when it is not one, or too short or long. */
bool signature_key_read(const char *secret, struct signature_key *ret_key);
/* Writes "v1,..." of SIGNATURE_TEXT bytes with its NUL. */
void signature_sign(const struct signature_key *key, const char *id, int64_t timestamp_s, const char *payload,
                    char text[SIGNATURE_TEXT]);

#endif
