/* One subscription: what it looks at, what this turn's entry will say, and its workers. */
#include "delivery/inside.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/stored.h"
#include "core/message.h"

#include "base/banned.h"

enum { BACKOFF_DOUBLINGS = 20 };
#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME

struct subscription *subscription_new(const char *name)
{
    struct subscription *s = calloc(1, sizeof *s);
    if (s == NULL) return NULL;
    snprintf(s->name, sizeof s->name, "%s", name);
    s->held = calloc(HELD_MAX, sizeof *s->held);
    s->preparations = calloc(PREPARE_MAX, sizeof *s->preparations);
    s->rows = calloc(STAGED_MAX, sizeof *s->rows);
    s->commands = calloc(COMMANDS_MAX, sizeof *s->commands);
    s->aside_next_ms = s->aside_next_journal_ms = INT64_MAX;
    if (s->held != NULL && s->preparations != NULL && s->rows != NULL && s->commands != NULL &&
        ledger_open(&s->ledger) == 0 && window_open(&s->window) == 0)
        return s;
    subscription_free(s);
    return NULL;
}

void subscription_free(struct subscription *s)
{
    if (s == NULL) return;
    ledger_close(&s->ledger);
    window_close(&s->window);
    free(s->held);
    free(s->preparations);
    free(s->rows);
    free(s->commands);
    free(s);
}

uint32_t subscription_lease_ms(const struct subscription *s) { return s->ledger.settings->lease_ms; }

bool subscription_is_held_up(const struct subscription *s, const struct patient_key *key)
{
    return !s->ledger.settings->is_unordered && window_busy(&s->window, key) != NULL;
}

/* A row that stands in the way of what comes behind it. */
static bool is_in_the_way(const struct aside *row) { return row->kind == ASIDE(RETRY); }

static uint64_t withheld_bit(const struct patient_key *key) { return UINT64_C(1) << (key->bytes[0] & 63); }

static void meet_row(struct delivery *d, struct subscription *s, struct aside *row)
{
    if (row->kind == ASIDE(RETRY)) {
        row->ready_at_ms = d->machine_ms + row->delay_ms;
        window_add_busy(&s->window, &row->key, 0, 1);
        if (row->ready_at_ms < s->aside_next_ms) s->aside_next_ms = row->ready_at_ms;
    }
    if (row->kind == ASIDE(WAITS) && row->until_ms < s->aside_next_journal_ms) s->aside_next_journal_ms = row->until_ms;
    if (row->kind == ASIDE(WITHHELD)) s->withheld_filter |= withheld_bit(&row->key);
}

int subscription_begin(struct delivery *d, struct subscription *s)
{
    const char *field;
    if (filter_compile(s->ledger.settings, &s->filter, &field) != NULL) return ENGINE_E_DAMAGED;
    window_clear(&s->window);
    memset(s->held, 0, HELD_MAX * sizeof *s->held);
    s->scanned = s->ledger.through;
    s->is_stuck = false;
    s->withheld_filter = 0;
    s->withheld_asked_ms = d->machine_ms;
    s->aside_next_ms = s->aside_next_journal_ms = INT64_MAX;
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        meet_row(d, s, row);
        if (row->kind == ASIDE(WITHHELD)) row->is_to_ask = s->has_to_ask = true; /* what changed may not have been seen */
    }
    s->absent_since_ms = d->machine_ms;
    s->is_made = true;
    return 0;
}

/* --- scanning ------------------------------------------------------------------------------------------------------ */
static bool is_of_site(struct delivery *d, const struct subscription *s, const struct entry *entry)
{
    static const struct stored_fields all_but_site = {{~(UINT64_C(1) << 2), ~UINT64_C(0)}};
    if (s->filter.site[0] == 0) return true;
    size_t mark = arena_used(d->arena);
    Handoff__V1__PatientRecord *record =
        stored_unpack_without(&handoff__v1__patient_record__descriptor, entry->record, &all_but_site, d->arena);
    bool is_of = record != NULL &&
                 strcmp(rules_site(engine_rules(d->engine), record->site)->name, s->filter.site) == 0;
    arena_rewind(d->arena, mark);
    return is_of;
}

static void add_message(struct delivery *d, struct subscription *s, const struct entry *entry, uint32_t position)
{
    struct place at = {entry->sequence, position, entry->offset, entry->batch_sequence};
    struct message *m = window_add(&s->window, at, &entry->key, d->machine_ms);
    if (!ledger_is_past(&s->ledger, at)) return;
    m->state = MESSAGE_PAST; /* settled before a restart: it still belongs to a range that is done */
    window_trim(&s->window);
}

static bool has_room_for(const struct subscription *s, size_t messages)
{
    return s->window.end - s->window.first + messages <= WINDOW_MAX;
}

/* False: the window has no room for what it holds. */
static bool take(struct delivery *d, struct subscription *s, const struct entry *entry, const Handoff__V1__Outcome *outcome)
{
    if (s->filter.stream == HANDOFF__V1__STREAM__STREAM_RECORD) {
        if (!has_room_for(s, 1)) return false;
        if (view_is_record(entry) && is_of_site(d, s, entry)) add_message(d, s, entry, 0);
        return true;
    }
    if (outcome == NULL || outcome->n_emissions == 0 || entry->record.len == 0) return true;
    if (!has_room_for(s, outcome->n_emissions)) return false;
    for (uint32_t i = 0; i < outcome->n_emissions; i++)
        if (filter_takes(&s->filter, outcome->emissions[i]) && is_of_site(d, s, entry)) add_message(d, s, entry, i);
    return true;
}

static void ask_withheld(struct subscription *s, const struct entry *entry)
{
    if (entry->kind != ENTRY_RULES && !(s->withheld_filter & withheld_bit(&entry->key))) return;
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        bool is_meant = entry->kind == ENTRY_RULES || memcmp(&row->key, &entry->key, sizeof row->key) == 0;
        if (row->kind == ASIDE(WITHHELD) && is_meant) row->is_to_ask = s->has_to_ask = true;
    }
}

void subscription_take(struct delivery *d, struct subscription *s, const struct entry *entry,
                       const Handoff__V1__Outcome *outcome)
{
    if (!s->is_made || s->is_gone) return;
    if (s->withheld_filter != 0 && entry->kind != ENTRY_DELIVERY) ask_withheld(s, entry);
    if (s->scanned + 1 == entry->sequence && take(d, s, entry, outcome)) s->scanned = entry->sequence;
}

struct scanning {
    struct delivery *d;
    struct subscription *s;
};

static bool scan_entry(void *context, const struct entry *entry)
{
    struct scanning *x = context;
    Handoff__V1__Outcome *outcome = NULL;
    size_t mark = arena_used(x->d->arena);
    bool is_meant = (entry->flags & ENTRY_HAS_EMISSIONS) && x->s->filter.stream != HANDOFF__V1__STREAM__STREAM_RECORD;
    if (is_meant) outcome = stored_unpack(&handoff__v1__outcome__descriptor, entry->outcome, x->d->arena);
    bool has_taken = take(x->d, x->s, entry, outcome);
    if (has_taken) x->s->scanned = entry->sequence;
    arena_rewind(x->d->arena, mark);
    return has_taken;
}

/* Of most entries the header tells that they are not wanted; of stream record, that they are. */
static int scan(struct scanning *x, uint64_t from)
{
    uint64_t last;
    bool is_record = x->s->filter.stream == HANDOFF__V1__STREAM__STREAM_RECORD;
    if (is_record && x->s->filter.site[0] != 0)
        return engine_scan(x->d->engine, from, SCAN_ENTRIES, x, scan_entry, &last);
    return engine_scan_headers(x->d->engine, from, SCAN_ENTRIES, is_record ? 0 : ENTRY_HAS_EMISSIONS, x, scan_entry, &last);
}

void subscription_scan(struct delivery *d, struct subscription *s)
{
    struct scanning x = {d, s};
    struct engine_state state;
    engine_state(d->engine, &state);
    if (!s->is_made || s->is_stuck || s->scanned >= state.last_sequence || window_is_full(&s->window)) return;
    uint64_t before = s->scanned;
    if (scan(&x, s->scanned + 1) != 0) {
        s->is_stuck = true;
        delivery_notice(d, "the journal does not read back where a subscription stands; run handoffd verify", s);
        return;
    }
    if (s->scanned > before && s->scanned < state.last_sequence) d->has_more = true;
}

/* --- sessions ------------------------------------------------------------------------------------------------------ */
struct session *session_find(struct subscription *s, uint64_t connection)
{
    for (uint32_t i = 0; i < s->session_count; i++)
        if (s->sessions[i].is_open && s->sessions[i].connection == connection) return &s->sessions[i];
    return NULL;
}

void session_let_go(struct subscription *s, uint32_t session)
{
    if (session != NOBODY && s->sessions[session].held > 0) s->sessions[session].held--;
}

/* A number means nothing any more; what waited for that patient may go. */
static void end_number(struct subscription *s, uint64_t number, const struct patient_key *key)
{
    s->held[number % HELD_MAX] = (struct held){0};
    window_end_busy(&s->window, key, 1, 0);
    s->has_freed = true;
}

/* A message that is out comes back without an entry: its cursor waits for it in the window. */
static void take_back(struct subscription *s, uint64_t position, bool counts)
{
    struct message *m = window_at(&s->window, position);
    end_number(s, m->number, &m->key);
    if (!counts && m->attempts > 0) m->attempts--;
    window_give_back(&s->window, position);
}

static void take_back_row(struct subscription *s, struct aside *row, int64_t now_ms, bool counts)
{
    end_number(s, row->number, &row->key);
    row->number = 0;
    if (!counts && row->attempts > 0) row->attempts--;
    row->ready_at_ms = now_ms;
    if (row->kind == ASIDE(RETRY) && now_ms < s->aside_next_ms) s->aside_next_ms = now_ms;
    if (row->kind == ASIDE(WAITS)) s->aside_next_journal_ms = row->until_ms;
    if (row->kind == ASIDE(WITHHELD)) row->is_to_ask = s->has_to_ask = true;
}

/* The last attempt that it had: it stays out, and the next turn gives it up. */
static bool is_spent(const struct subscription *s, uint32_t attempts) { return attempts >= s->ledger.settings->attempts; }

/* counts: what it held may have been acted upon. */
void session_end(struct delivery *d, struct subscription *s, struct session *session, bool counts)
{
    uint32_t index = (uint32_t)(session - s->sessions);
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        struct message *m = window_at(&s->window, p);
        if (m->number == 0 || m->session != index) continue;
        m->session = NOBODY; /* another may get this place before what is staged is durable */
        m->lease_ms = d->machine_ms;
        if (m->state == MESSAGE_OUT && !(counts && is_spent(s, m->attempts))) take_back(s, p, counts);
    }
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        if (row->number == 0 || row->session != index) continue;
        row->session = NOBODY;
        row->lease_ms = d->machine_ms;
        if (!row->is_staged && !(counts && is_spent(s, row->attempts))) take_back_row(s, row, d->machine_ms, counts);
    }
    *session = (struct session){0};
}

/* --- staging ------------------------------------------------------------------------------------------------------- */
bool stage_has_room(const struct delivery *d, const struct subscription *s, uint32_t new_rows)
{
    return !s->is_written && s->command_count + STAGE_AT_ONCE <= COMMANDS_MAX && arena_left(d->staging) > STAGING_SPARE / 2 &&
           (new_rows == 0 || ledger_has_room(&s->ledger, s->new_row_count + new_rows));
}

void stage_past(struct subscription *s, uint64_t position)
{
    struct message *m = window_at(&s->window, position);
    assert(m->state == MESSAGE_OUT || m->state == MESSAGE_READY);
    m->state = MESSAGE_SETTLING;
    s->is_dirty = true;
}

void stage_row(struct delivery *d, struct subscription *s, const struct aside *row)
{
    struct aside *there = ledger_find(&s->ledger, row->at, row->addressee);
    if (there != NULL)
        there->is_staged = true;
    else
        s->new_row_count++;
    assert(s->row_count < STAGED_MAX);
    s->rows[s->row_count++] = ledger_row(row, d->staging);
    s->is_dirty = true;
}

void stage_end_row(struct delivery *d, struct subscription *s, struct aside *row)
{
    struct aside end = *row;
    end.kind = ASIDE(UNSPECIFIED);
    end.reason[0] = 0;
    stage_row(d, s, &end);
}

/* The jitter comes from what it is about, so that the same failure waits as long on every machine. */
static uint32_t backoff_ms(const struct subscription *s, struct place at, uint32_t attempts)
{
    const Handoff__V1__SubscriptionSettings *settings = s->ledger.settings;
    uint32_t doublings = attempts > BACKOFF_DOUBLINGS ? BACKOFF_DOUBLINGS : attempts > 0 ? attempts - 1 : 0;
    uint64_t wait_ms = (uint64_t)settings->backoff_first_ms << doublings;
    if (wait_ms > settings->backoff_most_ms) wait_ms = settings->backoff_most_ms;
    uint64_t x = (at.sequence * 1024 + at.position) * 64 + attempts;
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9); /* the finalizer of splitmix64 */
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    x ^= x >> 31;
    return (uint32_t)(wait_ms - wait_ms / 4 + x % (wait_ms / 4 + 1));
}

static void fail_row(struct delivery *d, struct subscription *s, struct aside *row, const struct failure *f)
{
    if (f->is_unspent && row->attempts > 0) row->attempts--;
    bool is_over = f->is_permanent || row->attempts >= s->ledger.settings->attempts;
    row->kind = is_over ? ASIDE(DEAD) : ASIDE(RETRY);
    row->delay_ms = f->delay_ms != 0 ? f->delay_ms : backoff_ms(s, row->at, row->attempts);
    ledger_copy_text(row->reason, sizeof row->reason, f->reason);
    if (is_over) stage_dead(d, s, row);
}

void stage_failed_message(struct delivery *d, struct subscription *s, uint64_t position, const struct failure *f)
{
    const struct message *m = window_at(&s->window, position);
    struct aside row = {.at = m->at, .attempts = m->attempts, .key = m->key};
    fail_row(d, s, &row, f);
    stage_past(s, position);
    stage_row(d, s, &row);
}

void stage_failed_row(struct delivery *d, struct subscription *s, struct aside *row, const struct failure *f)
{
    struct aside next = *row;
    fail_row(d, s, &next, f);
    stage_row(d, s, &next);
}

void start_preparing(struct subscription *s, struct message *m)
{
    m->is_preparing = true;
    window_add_busy(&s->window, &m->key, 0, 1);
}

void stop_preparing(struct subscription *s, struct message *m)
{
    if (!m->is_preparing) return;
    m->is_preparing = false;
    window_end_busy(&s->window, &m->key, 0, 1);
}

/* --- its entry ------------------------------------------------------------------------------------------------------ */
static bool is_over(const struct message *m) { return m->state == MESSAGE_SETTLING || m->state == MESSAGE_PAST; }

static void add_range(struct delivery *d, Handoff__V1__Settled *to, struct place first, struct place last)
{
    Handoff__V1__MessageRange *r = MESSAGE_NEW(d->staging, Handoff__V1__MessageRange, message_range);
    r->first_sequence = first.sequence;
    r->first_position = first.position;
    r->last_sequence = last.sequence;
    r->last_position = last.position;
    to->done[to->n_done++] = r;
}

/* The first message that is not over; the window's end: there is none. */
static uint64_t first_open(const struct window *w)
{
    uint64_t p = w->first;
    while (p < w->end && is_over(window_at(w, p)))
        p++;
    return p;
}

/* After a restart: what was done beyond all that was looked at since. */
static void keep_ahead(struct delivery *d, const struct subscription *s, Handoff__V1__Settled *to)
{
    struct place next = place_of(s->scanned + 1, 0);
    for (uint32_t i = 0; i < s->ledger.ahead_count; i++) {
        const struct range *r = &s->ledger.ahead[i];
        if (place_compare(r->last, next) < 0) continue;
        add_range(d, to, place_compare(r->first, next) < 0 ? next : r->first, r->last);
    }
}

/* The cursor stands before the entry of the first message that is not over; with none, behind all that was looked at.
 * What that entry emitted before is done, whether it is in the window still or gone from it. */
static void fill_done(struct delivery *d, const struct subscription *s, Handoff__V1__Settled *to)
{
    const struct window *w = &s->window;
    uint64_t p = first_open(w);
    to->through_sequence = s->scanned;
    to->done = ARENA_ARRAY(d->staging, Handoff__V1__MessageRange *, (w->end - p) / 2 + 2 + s->ledger.ahead_count);
    if (p < w->end) {
        struct place open = window_at(w, p)->at;
        to->through_sequence = open.sequence - 1;
        if (open.position > 0) add_range(d, to, place_of(open.sequence, 0), place_of(open.sequence, open.position - 1));
    }
    for (; p < w->end; p++) {
        struct place first = window_at(w, p)->at, last = first;
        if (!is_over(window_at(w, p))) continue;
        for (; p < w->end && is_over(window_at(w, p)); p++)
            last = window_at(w, p)->at;
        add_range(d, to, first, last);
    }
    keep_ahead(d, s, to);
}

static Handoff__V1__DeliveryInput *settled_input(struct delivery *d, struct subscription *s)
{
    Handoff__V1__DeliveryInput *input = MESSAGE_NEW(d->staging, Handoff__V1__DeliveryInput, delivery_input);
    Handoff__V1__Settled *settled = MESSAGE_NEW(d->staging, Handoff__V1__Settled, settled);
    fill_done(d, s, settled);
    settled->aside = s->rows;
    settled->n_aside = s->row_count;
    settled->acknowledged = s->acknowledged;
    settled->dropped = s->dropped;
    input->body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_SETTLED;
    input->settled = settled;
    return input;
}

static Handoff__V1__DeliveryInput *own_input(struct delivery *d, struct subscription *s)
{
    Handoff__V1__DeliveryInput *input = MESSAGE_NEW(d->staging, Handoff__V1__DeliveryInput, delivery_input);
    if (s->is_making) {
        input->body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_MADE;
        input->made = s->making;
        return input;
    }
    input->body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_GONE;
    input->gone = MESSAGE_NEW(d->staging, Handoff__V1__SubscriptionGone, subscription_gone);
    return input;
}

/* Now and then an entry with the whole ledger, so that recovery reads few. */
static bool write_snapshot(struct delivery *d, struct subscription *s)
{
    Handoff__V1__DeliveryInput *whole = MESSAGE_NEW(d->staging, Handoff__V1__DeliveryInput, delivery_input);
    if (s->entries < SNAPSHOT_ENTRIES || s->is_making || s->is_leaving) return true;
    whole->ledger = ledger_snapshot(&s->ledger, d->staging);
    if (engine_add_delivery(d->engine, s->name, whole) != 0) return false;
    s->entries = 0;
    return true;
}

bool subscription_write(struct delivery *d, struct subscription *s)
{
    if (s->is_written) return true;
    if (!write_commands(d, s) || !write_snapshot(d, s)) return false;
    s->input = s->is_making || s->is_leaving ? own_input(d, s) : settled_input(d, s);
    if (engine_add_delivery(d->engine, s->name, s->input) != 0) return false;
    s->is_written = true;
    return true;
}

static void forget_staged(struct subscription *s)
{
    s->is_dirty = s->is_written = s->is_making = s->is_leaving = s->is_late = false;
    s->row_count = s->new_row_count = s->acknowledged = s->dropped = s->preparation_count = s->command_count = 0;
    s->input = NULL;
}

/* What rows held of their patients ends, and begins anew by what they have become. */
static void end_rows(struct subscription *s)
{
    for (uint32_t i = 0; i < s->row_count; i++) {
        struct aside *row = ledger_find(&s->ledger, place_of(s->rows[i]->sequence, s->rows[i]->position),
                                        s->rows[i]->addressee);
        if (row == NULL) continue;
        window_end_busy(&s->window, &row->key, 0, is_in_the_way(row));
        s->has_freed = true;
        if (row->number == 0) continue;
        end_number(s, row->number, &row->key);
        session_let_go(s, row->session);
    }
}

static void begin_rows(struct delivery *d, struct subscription *s)
{
    for (uint32_t i = 0; i < s->row_count; i++) {
        struct aside *row = ledger_find(&s->ledger, place_of(s->rows[i]->sequence, s->rows[i]->position),
                                        s->rows[i]->addressee);
        if (row == NULL) continue;
        meet_row(d, s, row);
        if (row->kind == ASIDE(WITHHELD) && s->is_late) row->is_to_ask = s->has_to_ask = true;
    }
}

static void end_messages(struct subscription *s)
{
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        struct message *m = window_at(&s->window, p);
        if (m->state != MESSAGE_SETTLING) continue;
        if (m->number != 0) {
            end_number(s, m->number, &m->key);
            session_let_go(s, m->session);
        }
        stop_preparing(s, m);
        m->state = MESSAGE_PAST;
    }
    window_trim(&s->window);
}

static void commit_own(struct delivery *d, struct subscription *s)
{
    if (s->is_leaving) {
        s->is_gone = true;
        return;
    }
    for (uint32_t i = 0; i < s->session_count; i++) /* begun anew: numbers are void */
        if (s->is_made) s->sessions[i] = (struct session){0};
    if (ledger_apply(&s->ledger, s->input) != 0 || subscription_begin(d, s) != 0) s->is_stuck = true;
}

void subscription_committed(struct delivery *d, struct subscription *s)
{
    if (!s->is_written) return;
    s->entries++;
    if (s->is_making || s->is_leaving) {
        commit_own(d, s);
        forget_staged(s);
        return;
    }
    end_rows(s);
    end_messages(s);
    int rc = ledger_apply(&s->ledger, s->input);
    assert(rc == 0); /* it was made from this very ledger */
    (void)rc;
    begin_rows(d, s);
    forget_staged(s);
}

/* What was settled was not: it is out as before, and comes again when its lease ends. */
void subscription_not_committed(struct subscription *s)
{
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        struct message *m = window_at(&s->window, p);
        stop_preparing(s, m);
        if (m->state != MESSAGE_SETTLING) continue;
        m->state = MESSAGE_OUT;
        if (m->number == 0) window_give_back(&s->window, p);
    }
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        if (row->kind == ASIDE(WITHHELD) && row->is_staged) row->is_to_ask = true;
        row->is_staged = false;
    }
    s->has_freed = true;
    s->entries = SNAPSHOT_ENTRIES; /* whether the last whole ledger is there is not known */
    forget_staged(s);
}

/* --- leases ---------------------------------------------------------------------------------------------------------- */
static const struct failure lease_over = {.reason = "its lease ended without a word"};

static void note_lost(struct subscription *s, uint32_t session, uint64_t number)
{
    if (session == NOBODY) return;
    struct session *of = &s->sessions[session];
    of->is_silent = true;
    if (of->lost_first == 0 || number < of->lost_first) of->lost_first = number;
    if (number > of->lost_last) of->lost_last = number;
}

/* Where nothing more may stand aside it comes again from its place. */
static void end_lease(struct delivery *d, struct subscription *s, uint64_t position)
{
    if (stage_has_room(d, s, 1)) {
        stage_failed_message(d, s, position, &lease_over);
        return;
    }
    session_let_go(s, window_at(&s->window, position)->session);
    take_back(s, position, true);
}

static void end_leases(struct delivery *d, struct subscription *s)
{
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        const struct message *m = window_at(&s->window, p);
        if (m->state != MESSAGE_OUT || m->lease_ms > d->machine_ms || s->is_written) continue;
        note_lost(s, m->session, m->number);
        end_lease(d, s, p);
    }
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        if (row->number == 0 || row->is_staged || row->lease_ms > d->machine_ms || !stage_has_room(d, s, 0)) continue;
        note_lost(s, row->session, row->number);
        stage_failed_row(d, s, row, &lease_over);
    }
}

void subscription_tick(struct delivery *d, struct subscription *s)
{
    bool is_served = false;
    if (!s->is_made || s->is_gone) return;
    end_leases(d, s);
    for (uint32_t i = 0; i < s->session_count; i++) {
        struct session *session = &s->sessions[i];
        int64_t silence_ms = subscription_lease_ms(s) < 1000 ? 1000 : subscription_lease_ms(s);
        if (session->is_open && session->held == 0 && d->machine_ms - session->heard_ms > silence_ms)
            *session = (struct session){0};
        is_served |= session->is_open && !session->is_silent;
        session->is_choked = false;
    }
    if (is_served)
        s->absent_since_ms = 0;
    else if (s->absent_since_ms == 0)
        s->absent_since_ms = d->machine_ms;
    if (d->machine_ms - s->withheld_asked_ms < WITHHELD_AGAIN_MS) return;
    s->withheld_asked_ms = d->machine_ms;
    for (uint32_t i = 0; i < s->ledger.aside_count; i++)
        if (s->ledger.aside[i].kind == ASIDE(WITHHELD)) s->ledger.aside[i].is_to_ask = s->has_to_ask = true;
}
