/* Requests received and not yet served, in one queue a connection, served by deficit round robin.
 *
 * ROUTER takes turns between connections message by message, which lets a publisher of 256-event batches have 256
 * times the share of one that sends single events. Here each connection in turn may have NET_QUANTUM_BYTES served;
 * what it does not use up is not saved for later.
 *
 * Bounded in all (then inbox_is_full, and the caller leaves messages in the socket) and for each connection (then
 * inbox_put refuses). Everything is allocated at start. */
#ifndef HANDOFF_NET_INBOX_H
#define HANDOFF_NET_INBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <zmq.h>

#include "base/bytes.h"

/* Where a reply goes: a routing id that the ROUTER generated, and whether the request came behind an empty frame. */
struct peer {
    uint32_t id;
    bool has_delimiter;
};

struct inbox;

struct inbox *inbox_new(void); /* NULL: out of memory */
void inbox_free(struct inbox *inbox);

/* Moves the message in. False, and the message stays the caller's: this connection has too much waiting. The inbox
 * must not be full. */
bool inbox_put(struct inbox *inbox, struct peer from, zmq_msg_t *body);
/* Connections that are passed over for now. is_held NULL: none. */
struct inbox_filter {
    bool (*is_held)(void *context, uint32_t peer_id);
    void *context;
};
/* Moves out the message whose turn it is; the caller closes it. False: none waits but of those held. */
bool inbox_take(struct inbox *inbox, const struct inbox_filter *filter, struct peer *ret_from, zmq_msg_t *ret_body);

/* What will be taken after `ahead` others, if nobody is passed over and nothing else comes. Stays in. False: nothing. */
bool inbox_peek(const struct inbox *inbox, size_t ahead, struct bytes *ret_body);

bool inbox_is_full(const struct inbox *inbox);
size_t inbox_messages(const struct inbox *inbox);

#endif
