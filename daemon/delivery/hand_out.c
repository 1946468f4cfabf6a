/* Handing out: to each worker as far as its credit goes, in the stream's order, one of a patient at a time
 * (but where the subscription is unordered). */
#include "delivery/inside.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "core/message.h"

#include "base/banned.h"

#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME

enum chosen {
    CHOSEN_OUT,
    CHOSEN_LATER,
    CHOSEN_NEXT_FRAME, /* this one has no room for it */
    CHOSEN_FULL,       /* it needs an entry first, and there is no room for what would be in it */
    CHOSEN_STUCK
};

bool subscription_has_number(const struct subscription *s)
{
    return s->held[s->next_number % HELD_MAX].number == 0;
}

static bool is_frame_full(const struct frame *f)
{
    return f->count == FRAME_MESSAGES || f->len >= FRAME_BYTES || f->session->held + f->count >= f->session->credit;
}

static void stop(struct delivery *d, struct subscription *s)
{
    s->is_stuck = true;
    delivery_notice(d, "a message does not read back; its subscription stops until the journal is checked", s);
}

/* What is going out, for the so-manieth time, under the next number. */
struct going {
    struct place at;
    uint64_t position; /* in the window; UINT64_MAX: aside */
    uint32_t row, attempts;
    const Handoff__V1__Addressee *to;
};

static bool add_to_frame(struct delivery *d, struct subscription *s, struct frame *f, const struct looked *l,
                         const struct gate_decision *decision, const struct going *g)
{
    Handoff__V1__Delivery *delivery = look_render(d, l, g->at, decision, g->to);
    delivery->number = s->next_number;
    delivery->attempt = g->attempts;
    if (!frame_add(f, delivery)) return false;
    f->numbers[f->count] = s->next_number;
    f->positions[f->count] = g->position;
    f->rows[f->count++] = g->row;
    s->held[s->next_number % HELD_MAX] = (struct held){s->next_number, g->position};
    if (g->attempts > 1) s->redelivered++;
    return true;
}

static enum chosen prepare_message_later(struct delivery *d, struct subscription *s, uint64_t position)
{
    struct message *m = window_at(&s->window, position);
    if (!stage_has_room(d, s, STAGE_AT_ONCE)) return CHOSEN_FULL;
    start_preparing(s, m);
    prepare_later(s, &(struct preparation){.at = m->at, .position = position});
    return CHOSEN_LATER;
}

static enum chosen prepare_row_later(struct subscription *s, const struct aside *row)
{
    struct preparation p = {.at = row->at, .is_aside = true};
    memcpy(p.addressee, row->addressee, sizeof p.addressee);
    prepare_later(s, &p);
    return CHOSEN_LATER;
}

static bool may_prepare(const struct subscription *s) { return s->preparation_count < PREPARE_MAX; }
/* A frame that has nothing yet has room for whatever can be journaled. */
static enum chosen cannot_go(const struct frame *f) { return f->count > 0 ? CHOSEN_NEXT_FRAME : CHOSEN_STUCK; }

/* --- messages of the window ------------------------------------------------------------------------------------------ */
static enum chosen choose_message(struct delivery *d, struct subscription *s, struct frame *f, uint64_t position)
{
    struct message *m = window_at(&s->window, position);
    struct looked l;
    bool is_addressed = s->ledger.settings->is_addressed;
    if (look(d, s, m->at, &f->memory, &l) != 0) return CHOSEN_STUCK;
    bool is_single = !is_addressed || (l.addressee_count == 1 && l.addressees[0]->key[0] == 0);
    const Handoff__V1__Addressee *to = is_addressed && is_single ? l.addressees[0] : NULL;
    if (is_single) {
        struct gate_decision decision = look_ask(d, &l, to);
        struct going going = {m->at, position, 0, m->attempts + 1, to};
        if (decision.answer == GATE_DELIVER && !look_is_disclosure(&l, &decision))
            return add_to_frame(d, s, f, &l, &decision, &going) ? CHOSEN_OUT : cannot_go(f);
    }
    return prepare_message_later(d, s, position);
}

static bool is_takeable(const struct subscription *s, const struct message *m)
{
    return m->state == MESSAGE_READY && !m->is_preparing && !subscription_is_held_up(s, &m->key);
}

static void mark_message(struct delivery *d, struct subscription *s, const struct frame *f, uint64_t position)
{
    struct message *m = window_at(&s->window, position);
    m->state = MESSAGE_OUT;
    m->number = s->next_number;
    m->session = f->index;
    m->lease_ms = d->machine_ms + subscription_lease_ms(s);
    m->attempts++;
    window_add_busy(&s->window, &m->key, 1, 0);
    s->next_number++;
}

static void fill_from_window(struct delivery *d, struct subscription *s, struct frame *f)
{
    struct window *w = &s->window;
    bool has_met = false; /* something ready that does not go now */
    uint64_t p = w->ready_from;
    for (; p < w->end && !is_frame_full(f) && subscription_has_number(s) && may_prepare(s) && !s->is_stuck; p++) {
        struct message *m = window_at(w, p);
        if (m->state != MESSAGE_READY) continue;
        if (!has_met) w->ready_from = p;
        has_met = true;
        if (!is_takeable(s, m) || arena_left(d->arena) < 2 * LIMIT_STEP_ARENA_BYTES) continue;
        enum chosen chosen = choose_message(d, s, f, p);
        if (chosen == CHOSEN_STUCK) stop(d, s);
        if (chosen == CHOSEN_FULL) break;
        if (chosen == CHOSEN_NEXT_FRAME) return;
        if (chosen != CHOSEN_OUT) continue;
        mark_message(d, s, f, p);
        has_met = w->ready_from != p;
    }
    if (!has_met) w->ready_from = p;
}

/* --- what stands aside ------------------------------------------------------------------------------------------------ */
static bool is_due(const struct delivery *d, const struct aside *row, int64_t now_ms)
{
    switch (row->kind) {
    case ASIDE(RETRY): return row->ready_at_ms <= d->machine_ms;
    case ASIDE(WAITS): return row->until_ms <= now_ms;
    case ASIDE(WITHHELD): return row->is_to_ask;
    case ASIDE(DEAD):
    case ASIDE(UNSPECIFIED):
    case _HANDOFF__V1__ASIDE_KIND_IS_INT_SIZE: break;
    }
    return false;
}

/* Of several attempts for one patient the first goes first, due or not; nothing goes beside what is out. */
static bool is_first(struct subscription *s, const struct aside *row)
{
    if (!subscription_is_held_up(s, &row->key)) return true;
    struct busy_key *busy = window_busy(&s->window, &row->key);
    bool is_first_met = busy->pass != s->pass;
    if (row->kind == ASIDE(RETRY)) busy->pass = s->pass;
    return is_first_met && busy->out == 0;
}

static enum chosen choose_row(struct delivery *d, struct subscription *s, struct frame *f, uint32_t index)
{
    const struct aside *row = &s->ledger.aside[index];
    struct looked l;
    struct view v = delivery_view(d);
    const Handoff__V1__Addressee *to = NULL;
    bool is_addressed = s->ledger.settings->is_addressed;
    if (look(d, s, row->at, &f->memory, &l) != 0) return CHOSEN_STUCK;
    if (is_addressed) to = addressee_of(v.rules, l.now, l.emission, row->addressee, v.now_ms, d->arena);
    if (!is_addressed || to != NULL) {
        struct gate_decision decision = look_ask(d, &l, to);
        bool is_new_disclosure = look_is_disclosure(&l, &decision) && row->authorised_sequence == 0;
        struct going going = {row->at, UINT64_MAX, index, row->attempts + 1, to};
        if (decision.answer == GATE_DELIVER && !is_new_disclosure)
            return add_to_frame(d, s, f, &l, &decision, &going) ? CHOSEN_OUT : cannot_go(f);
    }
    return prepare_row_later(s, row);
}

static void mark_row(struct delivery *d, struct subscription *s, struct frame *f, struct aside *row)
{
    row->number = s->next_number;
    row->session = f->index;
    row->lease_ms = d->machine_ms + subscription_lease_ms(s);
    row->is_to_ask = false;
    row->attempts++;
    window_add_busy(&s->window, &row->key, 1, 0);
    s->next_number++;
}

/* When the next row may go. What waits for another one goes when that is over (has_freed). */
static void note_next(struct subscription *s, const struct aside *row, bool is_next)
{
    if (row->kind == ASIDE(WITHHELD)) s->withheld_filter |= UINT64_C(1) << (row->key.bytes[0] & 63);
    if (row->number != 0 || row->is_staged || !is_next) return;
    if (row->kind == ASIDE(RETRY) && row->ready_at_ms < s->aside_next_ms) s->aside_next_ms = row->ready_at_ms;
    if (row->kind == ASIDE(WAITS) && row->until_ms < s->aside_next_journal_ms) s->aside_next_journal_ms = row->until_ms;
    s->has_to_ask |= row->kind == ASIDE(WITHHELD) && row->is_to_ask;
}

static void fill_from_aside(struct delivery *d, struct subscription *s, struct frame *f)
{
    int64_t now_ms = engine_now_ms(d->engine);
    if (s->aside_next_ms > d->machine_ms && s->aside_next_journal_ms > now_ms && !s->has_to_ask && !s->has_freed) return;
    s->pass++;
    s->aside_next_ms = s->aside_next_journal_ms = INT64_MAX;
    s->has_to_ask = s->has_freed = false;
    s->withheld_filter = 0;
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        bool is_next = is_first(s, row);
        bool may_go = is_next && !row->is_staged && row->number == 0 && is_due(d, row, now_ms) && !is_frame_full(f) &&
                      subscription_has_number(s) && may_prepare(s) && !s->is_stuck &&
                      arena_left(d->arena) >= 2 * LIMIT_STEP_ARENA_BYTES;
        enum chosen chosen = may_go ? choose_row(d, s, f, i) : CHOSEN_LATER;
        if (chosen == CHOSEN_STUCK) stop(d, s);
        if (chosen == CHOSEN_OUT) mark_row(d, s, f, row);
        note_next(s, row, is_next);
    }
}

/* --- sending ----------------------------------------------------------------------------------------------------------- */
/* What could not be sent was not handed out. */
static void take_back_frame(struct subscription *s, const struct frame *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        s->held[f->numbers[i] % HELD_MAX] = (struct held){0};
        if (f->positions[i] != UINT64_MAX) {
            struct message *m = window_at(&s->window, f->positions[i]);
            window_end_busy(&s->window, &m->key, 1, 0);
            m->attempts--;
            window_give_back(&s->window, f->positions[i]);
            continue;
        }
        struct aside *row = &s->ledger.aside[f->rows[i]];
        window_end_busy(&s->window, &row->key, 1, 0);
        row->number = 0;
        row->attempts--;
        if (row->kind == ASIDE(WITHHELD)) row->is_to_ask = true;
    }
    s->has_freed = true;
}

static void send_frame(struct delivery *d, struct subscription *s, struct frame *f)
{
    int rc = frame_send(d, f, s->name);
    if (rc == 0) {
        f->session->held += f->count;
        return;
    }
    take_back_frame(s, f);
    if (rc == -EAGAIN)
        f->session->is_choked = true;
    else
        session_end(d, s, f->session, true);
}

bool session_has_credit(const struct session *session)
{
    return session->is_open && !session->is_choked && !session->is_silent && session->held < session->credit;
}

/* One frame to one worker; false: there is nothing for it. */
static bool hand_frame(struct delivery *d, struct subscription *s, uint32_t index)
{
    struct frame f = {.session = &s->sessions[index], .index = index};
    arena_reset(d->arena);
    arena_reset(d->frame);
    f.memory = look_begin(d);
    f.bytes = arena_room(d->frame, FRAME_ROOM);
    fill_from_aside(d, s, &f);
    fill_from_window(d, s, &f);
    if (f.count == 0) return false;
    d->budget -= f.count < d->budget ? f.count : d->budget;
    send_frame(d, s, &f);
    return true;
}

bool hand_out(struct delivery *d, struct subscription *s)
{
    bool has_sent = false;
    if (!s->is_made || s->is_gone || s->is_stuck) return false;
    for (uint32_t left = s->session_count; left > 0; left--, s->turn_of++) {
        uint32_t index = s->turn_of % s->session_count;
        if (!session_has_credit(&s->sessions[index])) continue;
        if (!delivery_may_go_on(d)) {
            d->has_more = true;
            break; /* this one's turn is next */
        }
        has_sent |= hand_frame(d, s, index);
    }
    if (s->preparation_count > 0 && !d->is_shut) d->has_more = true;
    return has_sent;
}

