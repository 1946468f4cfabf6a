/* Arbitrary bytes as the entries of a subscription, one after the other (each with its length before it): applied or
 * refused, and what is refused leaves the ledger as it was. Whatever was applied, a snapshot makes the same ledger. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "delivery/filter.h"
#include "delivery/ledger.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct arena *arena;

static struct bytes packed(const struct ledger *l)
{
    Handoff__V1__Ledger *whole = ledger_snapshot(l, arena);
    if (whole->settings == NULL) return (struct bytes){NULL, l->through + l->ahead_count + l->aside_count};
    size_t len = handoff__v1__ledger__get_packed_size(whole);
    uint8_t *to = arena_alloc(arena, len + 1);
    handoff__v1__ledger__pack(whole, to);
    return (struct bytes){to, len};
}

static bool is_same(struct bytes a, struct bytes b)
{
    return a.len == b.len && (a.data == NULL || memcmp(a.data, b.data, a.len) == 0);
}

static void apply(struct ledger *l, struct bytes entry)
{
    Handoff__V1__DeliveryInput *input =
        handoff__v1__delivery_input__unpack(arena_protobuf(arena), entry.len, entry.data);
    if (input == NULL) return;
    struct bytes before = packed(l);
    if (ledger_apply(l, input) != 0 && !is_same(before, packed(l))) abort();
}

/* Ranges and rows ascend, and nothing is past that lies beyond all of it. */
static void check(const struct ledger *l)
{
    for (uint32_t i = 0; i < l->ahead_count; i++) {
        if (place_compare(l->ahead[i].first, l->ahead[i].last) > 0 || !ledger_is_past(l, l->ahead[i].last)) abort();
        if (i > 0 && place_compare(l->ahead[i - 1].last, l->ahead[i].first) >= 0) abort();
    }
    for (uint32_t i = 0; i < l->aside_count; i++)
        if (ledger_find(l, l->aside[i].at, l->aside[i].addressee) != &l->aside[i]) abort();
    if (l->through < UINT64_MAX && l->ahead_count == 0 && ledger_is_past(l, place_of(l->through + 1, 0))) abort();
}

static void check_snapshot(const struct ledger *l)
{
    Handoff__V1__DeliveryInput whole = HANDOFF__V1__DELIVERY_INPUT__INIT;
    struct ledger same;
    if (l->settings == NULL || ledger_open(&same) != 0) return;
    whole.ledger = ledger_snapshot(l, arena);
    if (ledger_apply(&same, &whole) != 0 || !is_same(packed(l), packed(&same))) abort();
    ledger_close(&same);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ledger l;
    struct filter filter;
    const char *field;
    if (arena == NULL) arena = arena_new((size_t)1024 * 1024 * 1024);
    arena_reset(arena);
    if (ledger_open(&l) != 0) return 0;
    while (size > 2) {
        size_t len = data[0] | (size_t)data[1] << 8;
        if (len > size - 2) len = size - 2;
        apply(&l, (struct bytes){data + 2, len});
        data += 2 + len;
        size -= 2 + len;
    }
    check(&l);
    check_snapshot(&l);
    if (l.settings != NULL) filter_compile(l.settings, &filter, &field);
    ledger_close(&l);
    return 0;
}
