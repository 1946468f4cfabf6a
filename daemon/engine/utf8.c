/* UTF-8: plain letters eight at a time, everything else by the ranges of RFC 3629. */
#include "engine/utf8.h"

static int is_tail(uint8_t byte)
{
    return (byte & 0xc0) == 0x80;
}

/* Bytes of the character at `at`, of which `left` are there; 0: it is not one. */
static size_t character_bytes(const uint8_t *at, size_t left)
{
    uint8_t lead = at[0];
    if (lead < 0x80) return 1;
    if (lead < 0xc2) return 0;
    if (lead < 0xe0) return left >= 2 && is_tail(at[1]) ? 2 : 0;
    if (lead < 0xf0) {
        if (left < 3 || !is_tail(at[1]) || !is_tail(at[2])) return 0;
        if (lead == 0xe0 && at[1] < 0xa0) return 0; /* overlong */
        if (lead == 0xed && at[1] >= 0xa0) return 0; /* a surrogate */
        return 3;
    }
    if (lead > 0xf4 || left < 4 || !is_tail(at[1]) || !is_tail(at[2]) || !is_tail(at[3])) return 0;
    if (lead == 0xf0 && at[1] < 0x90) return 0; /* overlong */
    if (lead == 0xf4 && at[1] >= 0x90) return 0; /* past U+10FFFF */
    return 4;
}

/* Eight bytes, each of 1 to 127. */
static int is_plain(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    return ((word | (word - ones)) & tops) == 0;
}

enum utf8 utf8_check(struct bytes text)
{
    size_t i = 0;
    while (i < text.len) {
        if (text.len - i >= 8 && is_plain(load_u64(text.data + i))) {
            i += 8;
            continue;
        }
        if (text.data[i] == 0) return UTF8_HAS_NUL;
        size_t bytes = character_bytes(text.data + i, text.len - i);
        if (!bytes) return UTF8_IS_BAD;
        i += bytes;
    }
    return UTF8_OK;
}
