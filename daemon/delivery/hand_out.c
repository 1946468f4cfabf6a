/* Handing out: to each worker as far as its credit goes, in the stream's order, one of a patient at a time
 * (but where the subscription is unordered). */
#include "delivery/inside.h"

#include <errno.h>
#include <string.h>

#include "base/limits.h"
#include "core/message.h"

#include "base/banned.h"

#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME

/* One hand-out: what goes to one worker in one frame. */
struct frame {
    struct session *session;
    uint32_t index; /* of the session */
    Handoff__V1__Delivery *deliveries[FRAME_MESSAGES];
    uint64_t positions[FRAME_MESSAGES]; /* in the window; UINT64_MAX: aside */
    uint32_t rows[FRAME_MESSAGES];      /* in the ledger */
    uint32_t count;
    size_t bytes;
    struct look_memory memory;
};

enum chosen { CHOSEN_OUT, CHOSEN_LATER, CHOSEN_STUCK };

static bool has_number(const struct subscription *s)
{
    return s->held[s->next_number % HELD_MAX].number == 0;
}

static bool is_frame_full(const struct frame *f)
{
    return f->count == FRAME_MESSAGES || f->bytes >= FRAME_BYTES || f->session->held + f->count >= f->session->credit;
}

static void stop(struct delivery *d, struct subscription *s)
{
    s->is_stuck = true;
    delivery_notice(d, "a message does not read back; its subscription stops until the journal is checked", s);
}

static void add_to_frame(struct delivery *d, struct frame *f, const struct looked *l, struct place at,
                         const struct gate_decision *decision, const Handoff__V1__Addressee *to)
{
    Handoff__V1__Delivery *delivery = look_render(d, l, at, decision, to);
    f->bytes += 256 + (l->emission == NULL ? l->entry->input.len + l->entry->outcome.len : 0);
    f->deliveries[f->count++] = delivery;
}

static void prepare(struct subscription *s, struct place at, bool is_aside, uint64_t position, const char *addressee)
{
    struct preparation p = {.at = at, .is_aside = is_aside, .position = position};
    if (s->preparation_count == PREPARE_MAX) return; /* it is met again in a later turn */
    if (!is_aside) window_at(&s->window, position)->is_preparing = true;
    memcpy(p.addressee, addressee, strlen(addressee) + 1);
    prepare_later(s, &p);
}

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
        if (decision.answer == GATE_DELIVER && !look_is_disclosure(&l, &decision)) {
            f->positions[f->count] = position;
            add_to_frame(d, f, &l, m->at, &decision, to);
            return CHOSEN_OUT;
        }
    }
    prepare(s, m->at, false, position, "");
    return CHOSEN_LATER;
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
    if (m->attempts++ > 0) s->redelivered++;
    window_add_busy(&s->window, &m->key, 1, 0);
}

static void fill_from_window(struct delivery *d, struct subscription *s, struct frame *f)
{
    struct window *w = &s->window;
    bool has_met = false; /* something ready that does not go now */
    uint64_t p = w->ready_from;
    for (; p < w->end && !is_frame_full(f) && has_number(s) && !s->is_stuck; p++) {
        struct message *m = window_at(w, p);
        if (m->state != MESSAGE_READY) continue;
        if (!has_met) w->ready_from = p;
        has_met = true;
        if (!is_takeable(s, m) || arena_left(d->arena) < 2 * LIMIT_STEP_ARENA_BYTES) continue;
        enum chosen chosen = choose_message(d, s, f, p);
        if (chosen == CHOSEN_STUCK) stop(d, s);
        if (chosen != CHOSEN_OUT) continue;
        mark_message(d, s, f, p);
        f->deliveries[f->count - 1]->number = s->next_number;
        f->deliveries[f->count - 1]->attempt = m->attempts;
        s->held[s->next_number % HELD_MAX] = (struct held){s->next_number, p};
        s->next_number++;
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

static enum chosen choose_row(struct delivery *d, struct subscription *s, struct frame *f, const struct aside *row)
{
    struct looked l;
    struct view v = delivery_view(d);
    const Handoff__V1__Addressee *to = NULL;
    bool is_addressed = s->ledger.settings->is_addressed;
    if (look(d, s, row->at, &f->memory, &l) != 0) return CHOSEN_STUCK;
    if (is_addressed) to = addressee_of(v.rules, l.now, l.emission, row->addressee, v.now_ms, d->arena);
    if (!is_addressed || to != NULL) {
        struct gate_decision decision = look_ask(d, &l, to);
        bool is_new_disclosure = look_is_disclosure(&l, &decision) && row->authorised_sequence == 0;
        if (decision.answer == GATE_DELIVER && !is_new_disclosure) {
            f->positions[f->count] = UINT64_MAX;
            add_to_frame(d, f, &l, row->at, &decision, to);
            return CHOSEN_OUT;
        }
    }
    prepare(s, row->at, true, 0, row->addressee);
    return CHOSEN_LATER;
}

static void mark_row(struct delivery *d, struct subscription *s, struct frame *f, struct aside *row)
{
    row->number = s->next_number;
    row->session = f->index;
    row->lease_ms = d->machine_ms + subscription_lease_ms(s);
    row->is_to_ask = false;
    if (row->attempts++ > 0) s->redelivered++;
    window_add_busy(&s->window, &row->key, 1, 0);
    f->deliveries[f->count - 1]->number = s->next_number;
    f->deliveries[f->count - 1]->attempt = row->attempts;
    s->held[s->next_number % HELD_MAX] = (struct held){s->next_number, UINT64_MAX};
    s->next_number++;
}

/* When the next row may go, as far as nobody's credit or another row stops it. */
static void note_next(struct subscription *s, const struct aside *row)
{
    if (row->number != 0) return;
    if (row->kind == ASIDE(RETRY) && row->ready_at_ms < s->aside_next_ms) s->aside_next_ms = row->ready_at_ms;
    if (row->kind == ASIDE(WAITS) && row->until_ms < s->aside_next_journal_ms) s->aside_next_journal_ms = row->until_ms;
    if (row->kind == ASIDE(WITHHELD)) s->withheld_filter |= UINT64_C(1) << (row->key.bytes[0] & 63);
    s->has_to_ask |= row->kind == ASIDE(WITHHELD) && row->is_to_ask;
}

static void fill_from_aside(struct delivery *d, struct subscription *s, struct frame *f)
{
    int64_t now_ms = engine_now_ms(d->engine);
    if (s->aside_next_ms > d->machine_ms && s->aside_next_journal_ms > now_ms && !s->has_to_ask) return;
    s->pass++;
    s->aside_next_ms = s->aside_next_journal_ms = INT64_MAX;
    s->has_to_ask = false;
    s->withheld_filter = 0;
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        bool may_go = !row->is_staged && row->number == 0 && is_first(s, row) && is_due(d, row, now_ms) &&
                      !is_frame_full(f) && has_number(s) && !s->is_stuck &&
                      arena_left(d->arena) >= 2 * LIMIT_STEP_ARENA_BYTES;
        enum chosen chosen = may_go ? choose_row(d, s, f, row) : CHOSEN_LATER;
        if (chosen == CHOSEN_STUCK) stop(d, s);
        if (chosen == CHOSEN_OUT) {
            mark_row(d, s, f, row);
            f->rows[f->count - 1] = i;
        }
        note_next(s, row);
    }
}

/* --- sending ----------------------------------------------------------------------------------------------------------- */
/* What could not be sent was not handed out. */
static void take_back_frame(struct subscription *s, const struct frame *f)
{
    for (uint32_t i = 0; i < f->count; i++) {
        uint64_t number = f->deliveries[i]->number;
        s->held[number % HELD_MAX] = (struct held){0};
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
        s->aside_next_ms = s->aside_next_journal_ms = 0;
        if (row->kind == ASIDE(WITHHELD)) row->is_to_ask = s->has_to_ask = true;
    }
}

static void send_frame(struct delivery *d, struct subscription *s, struct frame *f)
{
    Handoff__V1__Deliveries deliveries = HANDOFF__V1__DELIVERIES__INIT;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    deliveries.name = s->name;
    deliveries.deliveries = f->deliveries;
    deliveries.n_deliveries = f->count;
    reply.tag = f->session->tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_DELIVERIES;
    reply.deliveries = &deliveries;
    int rc = d->options.send(d->options.context, f->session->connection, &reply);
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

static bool has_credit(const struct session *session)
{
    return session->is_open && !session->is_choked && !session->is_silent && session->held < session->credit;
}

/* One frame to one worker; false: there is nothing for it. */
static bool hand_frame(struct delivery *d, struct subscription *s, uint32_t index, uint32_t *budget)
{
    struct frame f = {.session = &s->sessions[index], .index = index};
    arena_reset(d->arena);
    fill_from_aside(d, s, &f);
    fill_from_window(d, s, &f);
    if (f.count == 0) return false;
    *budget -= f.count < *budget ? f.count : *budget;
    send_frame(d, s, &f);
    return true;
}

void hand_out(struct delivery *d, struct subscription *s, uint32_t *budget)
{
    bool has_sent = true;
    if (!s->is_made || s->is_gone || s->is_stuck) return;
    for (; has_sent && *budget > 0;) {
        has_sent = false;
        for (uint32_t i = 0; i < s->session_count && *budget > 0; i++)
            if (has_credit(&s->sessions[i])) has_sent |= hand_frame(d, s, i, budget);
    }
    if (*budget == 0 || s->preparation_count > 0) d->has_more = true;
}
