/* What operators see of subscriptions, and of what stands aside. */
#include "delivery/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/message.h"

#include "base/banned.h"

#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME
enum { ROWS_USUAL = 100 };

static void count_window(const struct subscription *s, Handoff__V1__SubscriptionView *to)
{
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        enum message_state state = window_at(&s->window, p)->state;
        to->in_flight += state == MESSAGE_OUT || (state == MESSAGE_SETTLING && window_at(&s->window, p)->number != 0);
        to->waiting += state == MESSAGE_READY;
    }
}

static void count_aside(const struct subscription *s, Handoff__V1__SubscriptionView *to)
{
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        const struct aside *row = &s->ledger.aside[i];
        to->in_flight += row->number != 0;
        to->retrying += row->kind == ASIDE(RETRY);
        to->waiting_for_hours += row->kind == ASIDE(WAITS);
        to->withheld += row->kind == ASIDE(WITHHELD);
        to->dead += row->kind == ASIDE(DEAD);
    }
}

static Handoff__V1__SubscriptionView *view_of(struct delivery *d, const struct subscription *s, struct arena *arena)
{
    Handoff__V1__SubscriptionView *v = MESSAGE_NEW(arena, Handoff__V1__SubscriptionView, subscription_view);
    struct engine_state state;
    engine_state(d->engine, &state);
    v->name = arena_string(arena, s->name);
    v->settings = message_copy(s->ledger.settings, arena);
    v->through_sequence = s->window.first == s->window.end ? s->scanned : s->ledger.through;
    for (uint32_t i = 0; i < s->session_count; i++) {
        v->workers += s->sessions[i].is_open;
        v->credit += s->sessions[i].is_open ? s->sessions[i].credit : 0;
    }
    count_window(s, v);
    count_aside(s, v);
    v->has_more = s->scanned < state.last_sequence;
    v->acknowledged = s->ledger.acknowledged;
    v->dropped = s->ledger.dropped;
    v->redelivered = s->redelivered;
    v->oldest_waiting_ms = s->oldest_waiting_ms;
    v->is_unserved = s->is_unserved;
    v->sentence = arena_string(arena, s->sentence != NULL ? s->sentence : "");
    return v;
}

static int compare_views(const void *a, const void *b)
{
    return strcmp((*(Handoff__V1__SubscriptionView *const *)a)->name, (*(Handoff__V1__SubscriptionView *const *)b)->name);
}

size_t delivery_views(struct delivery *d, const char *name, struct arena *arena,
                      Handoff__V1__SubscriptionView ***ret_views)
{
    size_t count = 0;
    *ret_views = ARENA_ARRAY(arena, Handoff__V1__SubscriptionView *, d->count + 1);
    for (uint32_t i = 0; i < d->count; i++) {
        const struct subscription *s = d->subscriptions[i];
        bool is_meant = s->is_made && (name == NULL || name[0] == 0 || strcmp(name, s->name) == 0);
        if (is_meant) (*ret_views)[count++] = view_of(d, s, arena);
    }
    qsort(*ret_views, count, sizeof **ret_views, compare_views);
    return count;
}

/* --- what stands aside ------------------------------------------------------------------------------------------------ */
/* A page begins after "name:position in the ledger's order": sequence, position, addressee of its last row. */
static bool is_after(const char *after, const struct subscription *s, const struct aside *row)
{
    char name[LEDGER_NAME_BYTES], addressee[LEDGER_ADDRESSEE_BYTES] = "";
    unsigned long long sequence;
    unsigned position;
    if (after == NULL || after[0] == 0) return true;
    if (sscanf(after, "%64[^:]:%llu:%u:%151[^\n]", name, &sequence, &position, addressee) < 3) return true;
    int order = strcmp(s->name, name);
    if (order != 0) return order > 0;
    struct place at = place_of(sequence, position);
    order = place_compare(row->at, at);
    return order != 0 ? order > 0 : strcmp(row->addressee, addressee) > 0;
}

static int fill_emission(struct delivery *d, const struct subscription *s, const struct aside *row, struct arena *arena,
                         Handoff__V1__AsideView *to)
{
    struct looked l;
    char word[64];
    arena_reset(d->arena);
    struct look_memory memory = look_begin(d);
    int rc = look(d, s, row->at, &memory, &l);
    if (rc != 0) return rc;
    to->at_ms = l.entry->time_ms;
    to->patient_id = arena_string(arena, l.now->patient_id);
    if (l.emission == NULL) return 0;
    to->emission_id = arena_string(arena, view_emission_id(d->arena, l.of->key, l.of->outcome->emissions[row->at.position]));
    to->emission_kind = arena_string(arena, filter_kind(l.emission, word));
    return 0;
}

static Handoff__V1__AsideView *row_view(const struct subscription *s, const struct aside *row, struct arena *arena)
{
    Handoff__V1__AsideView *v = MESSAGE_NEW(arena, Handoff__V1__AsideView, aside_view);
    v->name = arena_string(arena, s->name);
    v->kind = row->kind;
    v->sequence = row->at.sequence;
    v->position = row->at.position;
    v->addressee = arena_string(arena, row->addressee);
    v->attempts = row->attempts;
    v->reason = arena_string(arena, row->reason);
    v->until_ms = row->until_ms;
    return v;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp((*(struct subscription *const *)a)->name, (*(struct subscription *const *)b)->name);
}

static int add_rows(struct delivery *d, const struct subscription *s, const struct delivery_page *page, struct arena *arena,
                    Handoff__V1__AsideReply *reply)
{
    uint32_t limit = page->limit == 0 ? ROWS_USUAL : page->limit > LIMIT_PAGE_ROWS ? LIMIT_PAGE_ROWS : page->limit;
    Handoff__V1__AsideKind kind = page->kind != ASIDE(UNSPECIFIED) ? page->kind : ASIDE(DEAD);
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        const struct aside *row = &s->ledger.aside[i];
        if (row->kind != kind || !is_after(page->after, s, row)) continue;
        if (reply->n_rows == limit) {
            const Handoff__V1__AsideView *last = reply->rows[limit - 1];
            reply->next = (char *)(uintptr_t)view_format(arena, "%s:%llu:%u:%s", last->name,
                                                         (unsigned long long)last->sequence, last->position, last->addressee);
            return 0;
        }
        Handoff__V1__AsideView *view = row_view(s, row, arena);
        int rc = fill_emission(d, s, row, arena, view);
        if (rc != 0) return rc;
        list_append(arena, &reply->rows, &reply->n_rows, view);
    }
    return 0;
}

int delivery_aside(struct delivery *d, const struct delivery_page *page, struct arena *arena,
                   Handoff__V1__AsideReply *ret_reply)
{
    struct subscription *sorted[DELIVERY_SUBSCRIPTIONS_MAX];
    int rc = engine_hold(d->engine);
    memcpy(sorted, d->subscriptions, d->count * sizeof *sorted);
    qsort(sorted, d->count, sizeof *sorted, compare_names);
    for (uint32_t i = 0; rc == 0 && i < d->count && ret_reply->next[0] == 0; i++) {
        bool is_meant = page->name == NULL || page->name[0] == 0 || strcmp(page->name, sorted[i]->name) == 0;
        if (is_meant && sorted[i]->is_made) rc = add_rows(d, sorted[i], page, arena, ret_reply);
    }
    engine_let_go(d->engine);
    return rc;
}
