/* Base64 for bytes in JSON (RFC 4648): written with padding, read in both alphabets with or without it. */
#include "json_names.h"

#include <string.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_bytes(size_t len)
{
    return (len + 2) / 3 * 4 + 1;
}

void base64_encode(const uint8_t *bytes, size_t len, char *to)
{
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t three = (uint32_t)bytes[i] << 16 | (left > 1 ? (uint32_t)bytes[i + 1] << 8 : 0) |
                         (left > 2 ? bytes[i + 2] : 0);
        *to++ = alphabet[three >> 18];
        *to++ = alphabet[three >> 12 & 63];
        *to++ = left > 1 ? alphabet[three >> 6 & 63] : '=';
        *to++ = left > 2 ? alphabet[three & 63] : '=';
    }
    *to = 0;
}

static int value_of(char c)
{
    if (c == '-') c = '+';
    if (c == '_') c = '/';
    const char *at = c ? memchr(alphabet, c, 64) : NULL;
    return at ? (int)(at - alphabet) : -1;
}

bool base64_decode(const char *text, size_t len, uint8_t *to, size_t *ret_len)
{
    while (len && text[len - 1] == '=') len--;
    if (len % 4 == 1) return false;
    size_t count = 0;
    uint32_t bits = 0;
    for (size_t i = 0; i < len; i++) {
        int value = value_of(text[i]);
        if (value < 0) return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 == 1) to[count++] = (uint8_t)(bits >> 4);
        if (i % 4 == 2) to[count++] = (uint8_t)(bits >> 2);
        if (i % 4 == 3) to[count++] = (uint8_t)bits;
    }
    *ret_len = count;
    return true;
}
