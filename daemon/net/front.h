/* The front socket: a ROUTER on which requests come in and replies go out. It knows frames and connections; what a
 * request means is net/service.h.
 *
 * A message is [routing id, payload], or [routing id, "", payload] as a REQ socket sends it; the reply has the same
 * shape. Only routing ids that this ROUTER generated are served (their first byte is 0): a client that chooses its
 * own could take over another's replies. What cannot be served is counted, and answered where that is possible.
 *
 * A reply is dropped and counted when its connection is gone (EHOSTUNREACH) or does not read (EAGAIN): the front
 * never waits for a client. The client retries with the same id. */
#ifndef HANDOFF_NET_FRONT_H
#define HANDOFF_NET_FRONT_H

#include "handoff/v1/api.pb-c.h"
#include "net/inbox.h"

struct front;

struct front_counts {
    uint64_t received;          /* messages */
    uint64_t malformed_frames;  /* more or fewer frames than a request has, or a routing id of the client's own */
    uint64_t too_large;         /* over LIMIT_PUBLISH_BYTES */
    uint64_t over_quota;        /* more waiting from one connection than it may have */
    uint64_t replies;
    uint64_t replies_dropped;
};

/* Binds. endpoint: tcp://ADDRESS:PORT (* for a free port, brackets for IPv6) or ipc://PATH. 0, or -errno. */
int front_open(void *zmq, const char *endpoint, struct front **ret_front);
void front_close(struct front *front);

/* What a front's socket is set to before it is bound; also for who measures against it. 0, or -errno. */
int front_set_options(void *socket, const char *endpoint);

void *front_socket(const struct front *front);
const char *front_endpoint(const struct front *front); /* as bound: with the port */

/* Moves what has arrived from the socket to the inbox, at most NET_TURN_RECEIVE messages. */
void front_receive(struct front *front);
/* What will most likely be the request after `ahead` others; it stays. False: so many do not wait. */
bool front_peek(const struct front *front, size_t ahead, struct bytes *ret_payload);
/* The request whose turn it is; the caller closes the message. False: none waits. */
bool front_next(struct front *front, const struct inbox_filter *filter, struct peer *ret_from, zmq_msg_t *ret_payload);
/* Something has arrived, received or not. */
bool front_is_awaited(const struct front *front);
size_t front_waiting(const struct front *front);

void front_reply(struct front *front, struct peer to, const Handoff__V1__Reply *reply);
/* The same for what was not asked: 0; -EAGAIN: the connection does not read; -EHOSTUNREACH: it is gone; -ENOMEM. */
int front_push(struct front *front, struct peer to, const Handoff__V1__Reply *reply);
/* A reply that refuses the whole request. field may be NULL. */
void front_refuse(struct front *front, struct peer to, uint64_t tag, Handoff__V1__Code code, const char *sentence,
                  const char *field);

const struct front_counts *front_counts(const struct front *front);

#endif
