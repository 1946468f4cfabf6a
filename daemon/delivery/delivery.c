/* All subscriptions: opening, the turn, who is told when nobody listens. See delivery.h. */
#include "delivery/inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "core/message.h"

#include "base/banned.h"

#define ARENA_BYTES ((size_t)256 * 1024 * 1024)
enum { TICK_MS = 250, NAMES_BYTES = 64 };

void delivery_notice(struct delivery *d, const char *sentence, const struct subscription *of)
{
    if (d->options.on_notice != NULL) d->options.on_notice(d->options.context, sentence, of != NULL ? of->name : "");
}

struct subscription *delivery_find(const struct delivery *d, const char *name)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (strcmp(d->subscriptions[i]->name, name) == 0) return d->subscriptions[i];
    return NULL;
}

/* Numbers of another life of the daemon are never met again: it begins beyond any that could have been. */
static uint64_t first_number(struct delivery *d)
{
    struct engine_state state;
    engine_state(d->engine, &state);
    return (state.last_sequence << 20) + 1;
}

struct subscription *delivery_add(struct delivery *d, const char *name)
{
    if (d->count == DELIVERY_SUBSCRIPTIONS_MAX) return NULL;
    struct subscription *s = subscription_new(name);
    if (s == NULL) return NULL;
    s->next_number = first_number(d);
    s->absent_since_ms = d->machine_ms;
    d->subscriptions[d->count++] = s;
    return s;
}

static void remove_subscription(struct delivery *d, uint32_t at)
{
    answer_all(d, d->subscriptions[at], false);
    subscription_free(d->subscriptions[at]);
    memmove(&d->subscriptions[at], &d->subscriptions[at + 1], (d->count - at - 1) * sizeof *d->subscriptions);
    d->count--;
}

/* --- recovery ------------------------------------------------------------------------------------------------------ */
struct history {
    struct arena *arena;
    Handoff__V1__DeliveryInput **inputs; /* the newest first */
    size_t count;
    bool is_damaged;
};

/* Back to an entry that says all. */
static bool gather(void *context, const struct entry *entry)
{
    struct history *h = context;
    Handoff__V1__DeliveryInput *input =
        handoff__v1__delivery_input__unpack(arena_protobuf(h->arena), entry->input.len, entry->input.data);
    if (input == NULL) {
        h->is_damaged = true;
        return false;
    }
    list_append(h->arena, &h->inputs, &h->count, input);
    return input->ledger == NULL && input->body_case == HANDOFF__V1__DELIVERY_INPUT__BODY_SETTLED;
}

static int recover_subscription(struct delivery *d, const char *name)
{
    struct history h = {.arena = d->arena};
    struct subscription *s = delivery_add(d, name);
    if (s == NULL) return ENGINE_E_MEMORY;
    size_t mark = arena_used(d->arena);
    int rc = engine_walk_delivery(d->engine, name, &h, gather);
    if (rc == 0 && h.is_damaged) rc = ENGINE_E_DAMAGED;
    bool is_there = rc == 0 && h.inputs[0]->body_case != HANDOFF__V1__DELIVERY_INPUT__BODY_GONE;
    if (rc == ENGINE_E_UNKNOWN || (rc == 0 && !is_there)) { /* named, and the crash came before its own entry */
        remove_subscription(d, d->count - 1);
        return 0;
    }
    for (size_t i = h.count; rc == 0 && i > 0; i--)
        rc = ledger_apply(&s->ledger, h.inputs[i - 1]) != 0 ? ENGINE_E_DAMAGED : 0;
    s->entries = (uint32_t)h.count;
    if (rc == 0) rc = subscription_begin(d, s);
    arena_rewind(d->arena, mark);
    return rc;
}

static int recover_all(struct delivery *d)
{
    struct history h = {.arena = d->arena};
    int rc = engine_walk_delivery(d->engine, "", &h, gather);
    if (rc == ENGINE_E_UNKNOWN) return 0;
    if (rc == 0 && (h.is_damaged || h.count == 0 || h.inputs[0]->body_case != HANDOFF__V1__DELIVERY_INPUT__BODY_NAMES))
        rc = ENGINE_E_DAMAGED;
    for (size_t i = 0; rc == 0 && i < h.inputs[0]->names->n_names; i++)
        rc = recover_subscription(d, h.inputs[0]->names->names[i]);
    return rc;
}

int delivery_open(const struct delivery_options *options, int64_t machine_ms, struct delivery **ret_delivery)
{
    struct delivery *d = calloc(1, sizeof *d);
    if (d == NULL) return ENGINE_E_MEMORY;
    d->options = *options;
    d->engine = options->engine;
    d->machine_ms = machine_ms;
    d->arena = arena_new(ARENA_BYTES);
    d->staging = arena_new(STAGING_BYTES);
    d->frame = arena_new(FRAME_ROOM);
    bool has_memory = d->arena != NULL && d->staging != NULL && d->frame != NULL;
    int rc = has_memory ? recover_all(d) : ENGINE_E_MEMORY;
    if (rc != 0) {
        delivery_close(d);
        return rc;
    }
    *ret_delivery = d;
    return 0;
}

void delivery_close(struct delivery *d)
{
    if (d == NULL) return;
    for (uint32_t i = 0; i < d->count; i++)
        subscription_free(d->subscriptions[i]);
    arena_free(d->arena);
    arena_free(d->staging);
    arena_free(d->frame);
    free(d);
}

/* After a write whose fate was open the journal may have our entries after all. Nobody was told that they are durable,
 * so sessions end as after a restart: workers hear NOT_SUBSCRIBED. */
static void fold_anew(struct delivery *d)
{
    while (d->count > 0)
        remove_subscription(d, d->count - 1);
    arena_reset(d->arena);
    d->has_new_names = d->has_written_names = false;
    int rc = recover_all(d);
    if (rc != 0) delivery_notice(d, "subscriptions do not read back; run handoffd verify", NULL);
    d->is_stale = rc != 0;
}

/* --- the turn -------------------------------------------------------------------------------------------------------- */
void delivery_on_entry(struct delivery *d, const struct entry *entry, const Handoff__V1__Outcome *outcome)
{
    if (entry->kind == ENTRY_DELIVERY && !d->is_committing) d->is_stale = true;
    for (uint32_t i = 0; i < d->count; i++)
        subscription_take(d, d->subscriptions[i], entry, outcome);
}

static bool is_quiet(const struct delivery *d)
{
    for (uint32_t i = 0; i < d->count; i++)
        if (d->subscriptions[i]->is_dirty) return false;
    return d->answer_count == 0;
}

void delivery_turn_begin(struct delivery *d, int64_t machine_ms)
{
    d->machine_ms = machine_ms;
    d->now_ms = engine_now_ms(d->engine);
    d->has_more = false;
    arena_reset(d->arena);
    if (is_quiet(d)) arena_reset(d->staging);
    if (machine_ms - d->ticked_ms < TICK_MS) return;
    d->ticked_ms = machine_ms;
    d->wants_tick = true;
}

bool delivery_can_take(const struct delivery *d)
{
    return d->answer_count < ANSWERS_MAX && arena_left(d->staging) > STAGING_SPARE;
}

static bool write_names(struct delivery *d)
{
    Handoff__V1__DeliveryInput input = HANDOFF__V1__DELIVERY_INPUT__INIT;
    Handoff__V1__SubscriptionNames names = HANDOFF__V1__SUBSCRIPTION_NAMES__INIT;
    char *list[NAMES_BYTES];
    if (!d->has_new_names) return true;
    names.names = list;
    for (uint32_t i = 0; i < d->count; i++)
        if (!d->subscriptions[i]->is_leaving) list[names.n_names++] = d->subscriptions[i]->name;
    input.body_case = HANDOFF__V1__DELIVERY_INPUT__BODY_NAMES;
    input.names = &names;
    if (engine_add_delivery(d->engine, "", &input) != 0) return false;
    d->has_new_names = false;
    d->has_written_names = true;
    return true;
}

/* --- nobody listens ----------------------------------------------------------------------------------------------------- */
static bool carries_escalations(const struct subscription *s)
{
    bool has_emergent = s->filter.severities == 0 ||
                        (s->filter.severities >> HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT & 1);
    bool has_tasks = s->filter.streams >> HANDOFF__V1__STREAM__STREAM_TASK & 1;
    return (s->filter.streams >> HANDOFF__V1__STREAM__STREAM_ESCALATION & 1) ||
           (has_tasks && s->ledger.settings->is_addressed && has_emergent);
}

/* The oldest that could go, and has not. */
static int64_t oldest_waiting_ms(const struct delivery *d, const struct subscription *s)
{
    for (uint64_t p = s->window.ready_from; p < s->window.end; p++) {
        const struct message *m = window_at(&s->window, p);
        if (m->state == MESSAGE_READY && !m->is_preparing && !subscription_is_held_up(s, &m->key))
            return d->machine_ms - m->ready_ms;
    }
    return 0;
}

/* Full of what a permitted hour will let out: nothing is wrong, and the rest follows then. */
static bool is_full_till_hours(const struct subscription *s)
{
    return !ledger_has_room(&s->ledger, STAGE_AT_ONCE) && ledger_count(&s->ledger, HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_WAITS) > 0;
}

static void judge(struct delivery *d, struct subscription *s)
{
    const Handoff__V1__SubscriptionSettings *settings = s->ledger.settings;
    s->oldest_waiting_ms = oldest_waiting_ms(d, s);
    s->sentence = "";
    if (s->is_stuck)
        s->sentence = "what it would hand out does not read back";
    else if (!ledger_has_room(&s->ledger, STAGE_AT_ONCE) && !is_full_till_hours(s))
        s->sentence = "as much is set aside as may be";
    else if (s->absent_since_ms != 0 && d->machine_ms - s->absent_since_ms >= settings->absent_ms)
        s->sentence = "no worker is there";
    else if (s->oldest_waiting_ms >= settings->behind_ms && !is_full_till_hours(s))
        s->sentence = "its workers are too far behind";
    s->is_unserved = s->sentence[0] != 0;
}

/* Said once, and once more when it is over; after a restart, as soon as it is known. */
static void say_served(struct delivery *d, struct subscription *s, bool is_served)
{
    enum said said = is_served ? SAID_SERVED : SAID_UNSERVED;
    bool is_known = !is_served || s->absent_since_ms == 0 || s->is_leaving;
    if (s->said == said || !is_known) return;
    Handoff__V1__DeliveryServed served = HANDOFF__V1__DELIVERY_SERVED__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    const struct rules *rules = engine_rules(d->engine);
    served.subscription = s->name;
    served.is_served = is_served;
    served.reason = (char *)(uintptr_t)s->sentence;
    served.is_escalation = carries_escalations(s);
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_DELIVERY_SERVED;
    command.delivery_served = &served;
    if (rules == NULL || engine_command(d->engine, SUBJECT_IS_SITE, rules->sites[0].name, &command) != 0) return;
    s->said_before = s->said;
    s->said = said;
}

static void tick(struct delivery *d)
{
    for (uint32_t i = 0; i < d->count; i++) {
        struct subscription *s = d->subscriptions[i];
        if (!s->is_made || s->is_gone) continue;
        subscription_tick(d, s);
        judge(d, s);
        say_served(d, s, !s->is_unserved);
    }
    d->wants_tick = false;
}

/* Not for want of room in this batch. */
static bool is_read_only(const struct delivery *d)
{
    struct engine_state state;
    engine_state(d->engine, &state);
    return state.is_read_only;
}

void delivery_stage(struct delivery *d)
{
    bool has_room = engine_has_room(d->engine);
    d->is_shut = !has_room && is_read_only(d);
    d->is_committing = true;
    if (!has_room || d->is_stale) return;
    if (d->wants_tick) tick(d);
    if (!write_names(d)) return;
    for (uint32_t i = 0; i < d->count; i++) {
        struct subscription *s = d->subscriptions[(d->turn_of + i) % d->count];
        if (s->preparation_count > 0 && !s->is_making && !s->is_leaving) prepare_all(d, s);
        if (s->is_leaving) say_served(d, s, true);
        if (s->is_dirty && !subscription_write(d, s)) return; /* the others in the next batch */
    }
}

bool delivery_wants_batch(const struct delivery *d)
{
    if (d->is_shut || d->is_stale) return false;
    for (uint32_t i = 0; i < d->count; i++)
        if (d->subscriptions[i]->is_dirty && !d->subscriptions[i]->is_written) return true;
    return d->has_new_names;
}

static void end_one(struct delivery *d, struct subscription *s, bool is_durable)
{
    bool was_written = s->is_written;
    if (!is_durable) s->said = s->said_before;
    s->said_before = s->said;
    if (!is_durable && (s->is_making || s->is_leaving)) d->has_new_names = true; /* they may be durable already */
    if (!is_durable && s->is_dirty)
        subscription_not_committed(s);
    else if (was_written)
        subscription_committed(d, s);
    s->is_late = s->is_dirty;
    if (!s->is_dirty) answer_all(d, s, is_durable);
}

/* While nothing can be written, what was settled is not left open: workers hear it at once. */
void delivery_turn_end(struct delivery *d, int code)
{
    bool is_durable = code == 0 && !d->is_shut;
    d->is_committing = false;
    if (!is_durable && d->has_written_names) d->has_new_names = true;
    d->has_written_names = false;
    for (uint32_t i = 0; i < d->count; i++)
        end_one(d, d->subscriptions[i], is_durable);
    for (uint32_t i = d->count; i > 0; i--) {
        const struct subscription *s = d->subscriptions[i - 1];
        if (s->is_gone || (!s->is_made && !s->is_dirty)) remove_subscription(d, i - 1);
    }
    answer_all(d, NULL, true);
}

bool delivery_may_go_on(struct delivery *d)
{
    if (d->budget == 0) return false;
    bool is_late = clock_machine_ns() >= d->until_ns;
    return !is_late || d->options.is_awaited == NULL || !d->options.is_awaited(d->options.context);
}

void delivery_hand_out(struct delivery *d, int64_t within_ns)
{
    if (d->is_stale) fold_anew(d);
    if (d->is_stale || d->count == 0 || engine_hold(d->engine) != 0) return;
    d->now_ms = engine_now_ms(d->engine);
    d->budget = HAND_OUT_MAX;
    d->until_ns = clock_machine_ns() + within_ns;
    for (uint32_t i = 0; i < d->count; i++) {
        arena_reset(d->arena);
        subscription_scan(d, d->subscriptions[i]);
    }
    for (uint32_t quiet = 0; quiet < d->count; d->turn_of++) /* a frame to each worker, then the next subscription */
        quiet = hand_out(d, d->subscriptions[d->turn_of % d->count]) ? 0 : quiet + 1;
    engine_let_go(d->engine);
}

/* --- when to look again ------------------------------------------------------------------------------------------------- */
bool delivery_is_busy(const struct delivery *d)
{
    return (d->has_more || delivery_wants_batch(d)) && !is_read_only(d);
}

static bool has_credit(const struct subscription *s)
{
    for (uint32_t i = 0; i < s->session_count; i++)
        if (session_has_credit(&s->sessions[i])) return !s->is_stuck && subscription_has_number(s);
    return false;
}

/* Leases end between two looks; without any, once a second is enough, and the loop turns as often. */
static bool has_out(const struct subscription *s)
{
    for (uint32_t i = 0; i < s->session_count; i++)
        if (s->sessions[i].held > 0) return true;
    return false;
}

int64_t delivery_next_ms(const struct delivery *d)
{
    int64_t next_ms = INT64_MAX;
    for (uint32_t i = 0; i < d->count; i++) {
        const struct subscription *s = d->subscriptions[i];
        if (has_out(s) && d->ticked_ms + TICK_MS < next_ms) next_ms = d->ticked_ms + TICK_MS;
        if (has_credit(s) && s->aside_next_ms < next_ms) next_ms = s->aside_next_ms;
    }
    return next_ms;
}

int64_t delivery_next_journal_ms(const struct delivery *d)
{
    int64_t next_ms = INT64_MAX;
    for (uint32_t i = 0; i < d->count; i++)
        if (has_credit(d->subscriptions[i]) && d->subscriptions[i]->aside_next_journal_ms < next_ms)
            next_ms = d->subscriptions[i]->aside_next_journal_ms;
    return next_ms;
}
