/* What requests mean: takes them from the front, asks the engine, and replies.
 *
 *     within a turn     service_serve     publishes go to the engine; what reads is set aside
 *     at its commit     service_result    the engine's listener: a publish's results, and its reply when complete
 *     after its commit  service_answer    what reads, what was parked, a bounded piece of an advancing clock
 *
 * A commit may come turns later; one that something waits to read after does not (service_wants_to_read). Reading after
 * the commit means that a client sees what it published just before on the same connection. A listing
 * whose index is behind is parked and answered when it has caught up. Everything is bounded: net/limits.h. */
#ifndef HANDOFF_NET_SERVICE_H
#define HANDOFF_NET_SERVICE_H

#include "delivery/delivery.h"
#include "engine/engine.h"
#include "net/front.h"

struct service;

/* What a reload changed, in sentences, or why the old rules stay. */
struct reload_report {
    char **changes; /* in the arena it was given */
    size_t change_count;
    const char *refusal; /* NULL: done */
};

struct service_options {
    struct engine *engine;
    struct clock *clock;
    struct journal *const *journal; /* for backup: where the one in use is, which a reopen replaces */
    struct front *front;
    struct delivery *delivery;
    const char *version;
    const char *stream_endpoint;
    uint32_t batch_events;
    void *context;
    struct reload_report (*reload)(void *context, struct arena *arena);
    /* In a turn, before a request of a worker is taken: until delivery has heard of what it staged before. */
    void (*await_delivery)(void *context);
    /* What was taken in this turn had better go to the disk before the rest is looked at. */
    bool (*has_enough)(void *context);
    /* Called on the backup's thread when it is done: wake the loop. */
    void (*wake)(void *context);
};

struct service_counts {
    uint64_t requests;
    uint64_t events;
    uint64_t results[64]; /* by Code, of events */
    uint64_t refused[64]; /* by Code, of whole requests */
};

struct service *service_new(const struct service_options *options); /* NULL: out of memory */
/* Waits for a backup that is under way. Parked requests get no reply. */
void service_free(struct service *s);

void service_serve(struct service *s);
void service_result(struct service *s, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result);
void service_answer(struct service *s);

/* Waits for a backup that is under way: before its journal is closed. Its reply comes later, as ever. */
void service_await_backup(struct service *s);

/* service_answer will look at what is committed: all that was decided before must be. */
bool service_wants_to_read(const struct service *s);
/* Publishes without a reply. */
size_t service_pending(const struct service *s);
/* There is more to do at once: the loop must not sleep. */
bool service_is_busy(const struct service *s);
/* Something waits for another thread: the loop looks again soon. */
bool service_is_waiting(const struct service *s);

const struct service_counts *service_counts(const struct service *s);

#endif
