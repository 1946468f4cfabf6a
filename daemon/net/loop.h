/* The one loop. Each time round it is one turn:
 *
 *     front_receive        what arrived, bounded
 *     engine_turn_begin    journal time of this turn
 *       service_serve      publishes, in turns between connections
 *       engine_fire        due timers, bounded
 *     delivery_stage       what workers settled, disclosures about to leave
 *     engine_turn_end      the batch goes to the disk, or stays open while the one before is on its way there
 *     delivery_hand_out    messages to workers, by credit, through the gate
 *     service_answer       requests that read, and a piece of an advancing clock
 *
 * and then it sleeps until a socket, the next due time, a batch that is durable or a signal wakes it. Replies and doorbells
 * of a batch leave when its commit is known: at the next turn's beginning, or within it. Delivery stages once a batch and
 * hears what became of that one (on_batch); until then nothing is handed out, and a worker's request waits. A turn that has requests
 * which read waits for its own commit; else nothing here waits for anybody: what must wait (a backup, an index that is
 * behind) is looked at again in a later turn.
 *
 * SIGTERM and SIGINT end it after the turn: what was decided is committed and told, nothing more is taken in. SIGHUP
 * reloads. The loop knows the engine and the sockets; what operators see is behind its hooks. */
#ifndef HANDOFF_NET_LOOP_H
#define HANDOFF_NET_LOOP_H

#include "net/service.h"
#include "net/stream.h"

struct loop;

struct loop_options {
    struct engine *engine;
    struct clock *clock;
    struct journal *const *journal; /* where the one in use is */
    const char *version;
    const char *front_endpoint, *stream_endpoint;
    uint32_t batch_events, fire_per_turn;
    /* Hooks, on the loop's thread, between turns. */
    void *context;
    struct reload_report (*reload)(void *context, struct arena *arena); /* SIGHUP or a request; it logs */
    void (*after_turn)(void *context);
    void (*every_second)(void *context);
    void (*on_stop)(void *context, const char *signal);
};

/* Made before the engine is opened, because the engine needs its listener. NULL: out of memory. */
struct loop *loop_new(void);
struct engine_listener loop_listener(struct loop *loop);
/* Binds both sockets. 0, or -errno with the endpoint that could not be bound. */
int loop_open(struct loop *loop, const struct loop_options *options, const char **ret_endpoint);
/* Until a signal ends it. */
void loop_run(struct loop *loop);
/* Waits for a backup that is under way: before the journal is closed and opened again. */
void loop_await_backup(struct loop *loop);
/* Closes the sockets; before the engine is closed. */
void loop_close(struct loop *loop);
/* After the engine is closed, whose indexing thread wakes the loop. */
void loop_free(struct loop *loop);

const char *loop_front_endpoint(const struct loop *loop);
const char *loop_stream_endpoint(const struct loop *loop);
const struct front_counts *loop_front_counts(const struct loop *loop);
const struct service_counts *loop_service_counts(const struct loop *loop);
struct delivery *loop_delivery(const struct loop *loop);

#endif
