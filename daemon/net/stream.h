/* The stream socket: an XPUB that rings a doorbell after each commit, one message [topic, Doorbell] an entry and
 * stream. The topic is the stream's name in lower case.
 *
 * A doorbell names no one and gives no reasons; the content is fetched from the front, through the gate. PUB drops:
 * to who subscribes late, and to who reads slowly. So each doorbell carries the sequence of the one before it on its
 * stream; a subscriber that has not seen that one asks the front for what lies between. */
#ifndef HANDOFF_NET_STREAM_H
#define HANDOFF_NET_STREAM_H

#include "base/arena.h"
#include "handoff/v1/api.pb-c.h"
#include "store/entry.h"

struct stream;
enum { STREAM_COUNT = 6 }; /* by enum Stream; [0] unused */

/* Binds, as front_open does. 0, or -errno. */
int stream_open(void *zmq, const char *endpoint, struct stream **ret_stream);
void stream_close(struct stream *stream);

void *stream_socket(const struct stream *stream);
const char *stream_endpoint(const struct stream *stream);

/* Notes an entry that was committed before this process began: the next doorbell refers to it. */
void stream_recall(struct stream *stream, const struct entry *entry, const Handoff__V1__Outcome *outcome);
/* Rings for a committed entry. The arena is rewound. */
void stream_ring(struct stream *stream, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key,
                 struct arena *arena);
/* Reads what subscribers sent: their subscriptions. A stream that nobody subscribes to does not ring. */
void stream_read(struct stream *stream);

/* "task", "escalation", ...; NULL: no such stream. */
const char *stream_name(Handoff__V1__Stream which);
uint64_t stream_rung(const struct stream *stream);

#endif
