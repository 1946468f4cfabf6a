/* Durable delivery: what was emitted reaches every subscription at least once under its id, whatever is killed.
 *
 * In the loop's turn (net/loop.h):
 *
 *     engine_turn_begin
 *     delivery_turn_begin       machine time of this turn
 *       delivery_settle * n     checked and staged at once, answered after the commit
 *     delivery_stage            what was settled, leases that ended, disclosures about to leave: entries of this batch
 *     engine_turn_end
 *     delivery_turn_end         when the batch is durable, or failed: staged becomes true, or never was
 *     delivery_hand_out         by credit, through the gate, up to a bound of messages and time
 *
 * Everything durable is a fold over the journal (ledger.h). Leases, numbers and sessions are memory: after a restart
 * workers subscribe again and what they held comes again. Machine time (leases, backoff) is given by the caller,
 * journal time (permitted hours) is the engine's. Knows nothing of sockets: a connection is a number. */
#ifndef HANDOFF_DELIVERY_DELIVERY_H
#define HANDOFF_DELIVERY_DELIVERY_H

#include "engine/engine.h"

struct delivery;

enum {
    DELIVERY_SUBSCRIPTIONS_MAX = 64, /* of a folder; more: TOO_MANY */
    DELIVERY_SESSIONS_MAX = 64,      /* workers of one subscription; more: TOO_MANY */
    DELIVERY_CREDIT_MAX = 10000      /* of one worker; more: BAD_VALUE */
};

struct delivery_options {
    struct engine *engine;
    void *context;
    /* Sends to a worker. 0; -EAGAIN: it does not read, later perhaps; else it is gone. */
    int (*send)(void *context, uint64_t connection, const Handoff__V1__Reply *reply);
    /* Somebody waits for the next turn. May be NULL: nobody ever does. */
    bool (*is_awaited)(void *context);
    /* Something an operator should know; ids and names alone. May be NULL. */
    void (*on_notice)(void *context, const char *sentence, const char *subscription);
};

/* Folds what the journal has. Machine time in milliseconds. 0, ENGINE_E_. */
int delivery_open(const struct delivery_options *options, int64_t machine_ms, struct delivery **ret_delivery);
void delivery_close(struct delivery *d);

/* The engine's listener: every committed entry, in order. */
void delivery_on_entry(struct delivery *d, const struct entry *entry, const Handoff__V1__Outcome *outcome);

void delivery_turn_begin(struct delivery *d, int64_t machine_ms);
/* How a request is refused: UNSPECIFIED when it was taken, and is answered after the commit. */
struct delivery_refusal {
    Handoff__V1__Code code;
    const char *sentence, *field;
};
/* In the turn. Those that are taken get their reply through send, with the request's tag, after the commit. */
struct delivery_refusal delivery_request(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request);
bool delivery_is_request(const Handoff__V1__Request *request);
/* False: no more requests fit this turn. */
bool delivery_can_take(const struct delivery *d);
void delivery_stage(struct delivery *d);
/* After delivery_turn_end: not all of it fitted; another turn at once. */
bool delivery_wants_batch(const struct delivery *d);
/* code: the commit's. */
void delivery_turn_end(struct delivery *d, int code);
/* When somebody waits, no longer than this (machine time), and to nobody from 0 on. */
void delivery_hand_out(struct delivery *d, int64_t within_ns);

/* There is more to do at once. */
bool delivery_is_busy(const struct delivery *d);
/* When something is to be done without anybody asking: machine time, and journal time; INT64_MAX: never. */
int64_t delivery_next_ms(const struct delivery *d);
int64_t delivery_next_journal_ms(const struct delivery *d);

/* Between turns; in the arena. name NULL: all. */
size_t delivery_views(struct delivery *d, const char *name, struct arena *arena,
                      Handoff__V1__SubscriptionView ***ret_views);
/* Rows of what stands aside, from position `from` on. ENGINE_E_. */
struct delivery_page {
    const char *name; /* NULL or "": of all */
    Handoff__V1__AsideKind kind;
    uint32_t limit;
    const char *after;
};
int delivery_aside(struct delivery *d, const struct delivery_page *page, struct arena *arena,
                   Handoff__V1__AsideReply *ret_reply);

#endif
