/* The fold: see ledger.h. */
#include "delivery/ledger.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/message.h"

#include "base/banned.h"

int ledger_open(struct ledger *ret_ledger)
{
    struct ledger l = {.ahead = calloc(LEDGER_AHEAD_MAX, sizeof *l.ahead),
                       .aside = calloc(LEDGER_ASIDE_MAX, sizeof *l.aside)};
    if (l.ahead == NULL || l.aside == NULL) {
        ledger_close(&l);
        return -ENOMEM;
    }
    *ret_ledger = l;
    return 0;
}

void ledger_close(struct ledger *l)
{
    if (l->settings != NULL) protobuf_c_message_free_unpacked(&l->settings->base, NULL);
    free(l->ahead);
    free(l->aside);
    *l = (struct ledger){0};
}

/* --- asking ---------------------------------------------------------------------------------------------------- */
static int compare_row(const struct aside *a, struct place at, const char *addressee)
{
    int order = place_compare(a->at, at);
    return order != 0 ? order : strcmp(a->addressee, addressee);
}

/* Where a row stands, or would. */
static uint32_t row_position(const struct ledger *l, struct place at, const char *addressee)
{
    uint32_t low = 0, high = l->aside_count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (compare_row(&l->aside[middle], at, addressee) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

struct aside *ledger_find(const struct ledger *l, struct place at, const char *addressee)
{
    uint32_t i = row_position(l, at, addressee);
    return i < l->aside_count && compare_row(&l->aside[i], at, addressee) == 0 ? &l->aside[i] : NULL;
}

bool ledger_is_past(const struct ledger *l, struct place at)
{
    if (at.sequence <= l->through) return true;
    uint32_t low = 0, high = l->ahead_count;
    while (low < high) { /* the first range that ends at or after it */
        uint32_t middle = low + (high - low) / 2;
        if (place_compare(l->ahead[middle].last, at) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low < l->ahead_count && place_compare(l->ahead[low].first, at) <= 0;
}

bool ledger_has_room(const struct ledger *l, uint32_t more) { return l->aside_count + more <= LEDGER_ASIDE_MAX; }

uint32_t ledger_count(const struct ledger *l, Handoff__V1__AsideKind kind)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < l->aside_count; i++)
        count += l->aside[i].kind == kind;
    return count;
}

/* Text is cut between characters, never within one: whoever reads it refuses half of one. */
void ledger_copy_text(char *to, size_t size, const char *from)
{
    size_t len = strnlen(from, size);
    if (len == size)
        for (len = size - 1; len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80;)
            len--;
    memcpy(to, from, len);
    to[len] = 0;
}

/* --- folding ---------------------------------------------------------------------------------------------------- */
static Handoff__V1__SubscriptionSettings *copy_settings(const Handoff__V1__SubscriptionSettings *settings)
{
    size_t size = handoff__v1__subscription_settings__get_packed_size(settings);
    uint8_t *packed = malloc(size + 1);
    if (packed == NULL) return NULL;
    handoff__v1__subscription_settings__pack(settings, packed);
    Handoff__V1__SubscriptionSettings *copy = handoff__v1__subscription_settings__unpack(NULL, size, packed);
    free(packed);
    return copy;
}

static int make(struct ledger *l, const Handoff__V1__SubscriptionMade *made)
{
    if (made->settings == NULL) return -EBADMSG;
    Handoff__V1__SubscriptionSettings *settings = copy_settings(made->settings);
    if (settings == NULL) return -ENOMEM;
    if (l->settings != NULL) protobuf_c_message_free_unpacked(&l->settings->base, NULL);
    l->settings = settings;
    l->through = made->after_sequence;
    l->ahead_count = l->aside_count = 0;
    l->acknowledged = l->dropped = 0;
    return 0;
}

static bool is_row(const Handoff__V1__Aside *row)
{
    return row->sequence != 0 && row->key.len == PATIENT_KEY_BYTES && strlen(row->addressee) < LEDGER_ADDRESSEE_BYTES &&
           row->kind <= HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_DEAD;
}

static bool are_ranges(Handoff__V1__MessageRange *const *ranges, size_t count)
{
    struct place before = place_of(0, 0);
    if (count > LEDGER_AHEAD_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        struct place first = place_of(ranges[i]->first_sequence, ranges[i]->first_position);
        struct place last = place_of(ranges[i]->last_sequence, ranges[i]->last_position);
        if (place_compare(before, first) >= 0 || place_compare(first, last) > 0) return false;
        before = last;
    }
    return true;
}

static int compare_rows(const void *a, const void *b)
{
    const Handoff__V1__Aside *one = *(Handoff__V1__Aside *const *)a, *other = *(Handoff__V1__Aside *const *)b;
    int order = place_compare(place_of(one->sequence, one->position), place_of(other->sequence, other->position));
    return order != 0 ? order : strcmp(one->addressee, other->addressee);
}

/* Each row once. */
static bool are_distinct(Handoff__V1__Aside *const *rows, size_t count)
{
    const Handoff__V1__Aside *sorted[LEDGER_ASIDE_MAX];
    for (size_t i = 0; i < count; i++)
        sorted[i] = rows[i];
    if (count > 1) qsort(sorted, count, sizeof *sorted, compare_rows);
    for (size_t i = 1; i < count; i++)
        if (compare_rows(&sorted[i - 1], &sorted[i]) == 0) return false;
    return true;
}

/* What ends makes room for what begins. */
static bool are_rows(const struct ledger *l, Handoff__V1__Aside *const *rows, size_t count)
{
    size_t begin = 0, end = 0;
    if (count > LEDGER_ASIDE_MAX) return false;
    for (size_t i = 0; i < count; i++) {
        if (!is_row(rows[i])) return false;
        bool is_there = ledger_find(l, place_of(rows[i]->sequence, rows[i]->position), rows[i]->addressee) != NULL;
        bool is_end = rows[i]->kind == HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_UNSPECIFIED;
        begin += !is_there && !is_end;
        end += is_there && is_end;
    }
    return l->aside_count - end + begin <= LEDGER_ASIDE_MAX && are_distinct(rows, count);
}

static void set_ahead(struct ledger *l, Handoff__V1__MessageRange *const *ranges, size_t count)
{
    l->ahead_count = 0;
    for (size_t i = 0; i < count; i++)
        l->ahead[l->ahead_count++] = (struct range){place_of(ranges[i]->first_sequence, ranges[i]->first_position),
                                                    place_of(ranges[i]->last_sequence, ranges[i]->last_position)};
}

static void remove_row(struct ledger *l, uint32_t at)
{
    memmove(&l->aside[at], &l->aside[at + 1], (l->aside_count - at - 1) * sizeof *l->aside);
    l->aside_count--;
}

static struct aside *insert_row(struct ledger *l, uint32_t at)
{
    memmove(&l->aside[at + 1], &l->aside[at], (l->aside_count - at) * sizeof *l->aside);
    l->aside_count++;
    l->aside[at] = (struct aside){0};
    return &l->aside[at];
}

/* As far as there is room, which the caller made sure of. */
static void put_row(struct ledger *l, const Handoff__V1__Aside *row)
{
    struct place at = place_of(row->sequence, row->position);
    uint32_t i = row_position(l, at, row->addressee);
    bool is_there = i < l->aside_count && compare_row(&l->aside[i], at, row->addressee) == 0;
    if (row->kind == HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_UNSPECIFIED) {
        if (is_there) remove_row(l, i);
        return;
    }
    assert(is_there || l->aside_count < LEDGER_ASIDE_MAX);
    struct aside *a = is_there ? &l->aside[i] : insert_row(l, i);
    *a = (struct aside){.at = at,
                        .kind = row->kind,
                        .attempts = row->attempts,
                        .until_ms = row->until_ms,
                        .delay_ms = row->delay_ms,
                        .authorised_sequence = row->authorised_sequence};
    memcpy(a->key.bytes, row->key.data, PATIENT_KEY_BYTES);
    ledger_copy_text(a->addressee, sizeof a->addressee, row->addressee);
    ledger_copy_text(a->reason, sizeof a->reason, row->reason);
}

static int settle(struct ledger *l, const Handoff__V1__Settled *s)
{
    if (l->settings == NULL || s->through_sequence < l->through || !are_ranges(s->done, s->n_done) ||
        !are_rows(l, s->aside, s->n_aside))
        return -EBADMSG;
    l->through = s->through_sequence;
    set_ahead(l, s->done, s->n_done);
    for (size_t i = 0; i < s->n_aside; i++) /* first what ends, so that there is room */
        if (s->aside[i]->kind == HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_UNSPECIFIED) put_row(l, s->aside[i]);
    for (size_t i = 0; i < s->n_aside; i++)
        if (s->aside[i]->kind != HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_UNSPECIFIED) put_row(l, s->aside[i]);
    l->acknowledged += s->acknowledged;
    l->dropped += s->dropped;
    return 0;
}

static int restore(struct ledger *l, const Handoff__V1__Ledger *from)
{
    Handoff__V1__SubscriptionMade made = HANDOFF__V1__SUBSCRIPTION_MADE__INIT;
    made.settings = from->settings;
    made.after_sequence = from->through_sequence;
    if (!are_ranges(from->ahead, from->n_ahead) || from->n_aside > LEDGER_ASIDE_MAX) return -EBADMSG;
    for (size_t i = 0; i < from->n_aside; i++)
        if (!is_row(from->aside[i])) return -EBADMSG;
    int rc = make(l, &made);
    if (rc != 0) return rc;
    set_ahead(l, from->ahead, from->n_ahead);
    for (size_t i = 0; i < from->n_aside; i++)
        put_row(l, from->aside[i]);
    l->acknowledged = from->acknowledged;
    l->dropped = from->dropped;
    return 0;
}

int ledger_apply(struct ledger *l, const Handoff__V1__DeliveryInput *input)
{
    if (input->ledger != NULL) return restore(l, input->ledger);
    switch (input->body_case) {
    case HANDOFF__V1__DELIVERY_INPUT__BODY_MADE: return make(l, input->made);
    case HANDOFF__V1__DELIVERY_INPUT__BODY_SETTLED: return settle(l, input->settled);
    case HANDOFF__V1__DELIVERY_INPUT__BODY_GONE:
    case HANDOFF__V1__DELIVERY_INPUT__BODY_NAMES:
    case HANDOFF__V1__DELIVERY_INPUT__BODY__NOT_SET:
    case _HANDOFF__V1__DELIVERY_INPUT__BODY__CASE_IS_INT_SIZE: break;
    }
    return -EBADMSG;
}

/* --- writing ----------------------------------------------------------------------------------------------------- */
Handoff__V1__Aside *ledger_row(const struct aside *a, struct arena *arena)
{
    Handoff__V1__Aside *row = MESSAGE_NEW(arena, Handoff__V1__Aside, aside);
    row->sequence = a->at.sequence;
    row->position = a->at.position;
    row->addressee = arena_string(arena, a->addressee);
    row->kind = a->kind;
    row->attempts = a->attempts;
    row->until_ms = a->until_ms;
    row->delay_ms = a->delay_ms;
    row->authorised_sequence = a->authorised_sequence;
    row->reason = arena_string(arena, a->reason);
    row->key = (ProtobufCBinaryData){PATIENT_KEY_BYTES, arena_copy(arena, a->key.bytes, PATIENT_KEY_BYTES)};
    return row;
}

static Handoff__V1__MessageRange *range_message(const struct range *r, struct arena *arena)
{
    Handoff__V1__MessageRange *range = MESSAGE_NEW(arena, Handoff__V1__MessageRange, message_range);
    range->first_sequence = r->first.sequence;
    range->first_position = r->first.position;
    range->last_sequence = r->last.sequence;
    range->last_position = r->last.position;
    return range;
}

Handoff__V1__Ledger *ledger_snapshot(const struct ledger *l, struct arena *arena)
{
    Handoff__V1__Ledger *to = MESSAGE_NEW(arena, Handoff__V1__Ledger, ledger);
    to->settings = l->settings;
    to->through_sequence = l->through;
    to->acknowledged = l->acknowledged;
    to->dropped = l->dropped;
    to->ahead = ARENA_ARRAY(arena, Handoff__V1__MessageRange *, l->ahead_count + 1);
    for (uint32_t i = 0; i < l->ahead_count; i++)
        to->ahead[to->n_ahead++] = range_message(&l->ahead[i], arena);
    to->aside = ARENA_ARRAY(arena, Handoff__V1__Aside *, l->aside_count + 1);
    for (uint32_t i = 0; i < l->aside_count; i++) {
        Handoff__V1__Aside *row = to->aside[to->n_aside++] = ledger_row(&l->aside[i], arena);
        if (l->aside[i].number != 0 && row->attempts > 0) row->attempts--; /* an attempt counts when it has ended */
    }
    return to;
}
