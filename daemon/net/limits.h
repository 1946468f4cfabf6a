/* The bounds of the sockets, beside base/limits.h. Each has its answer to "and when it is full?". */
#ifndef HANDOFF_NET_LIMITS_H
#define HANDOFF_NET_LIMITS_H

/* Requests received and not yet looked at; full: nothing more is received, and TCP pushes back. */
#define NET_INBOX_MESSAGES 16384
#define NET_INBOX_BYTES (64 * 1024 * 1024)
#define NET_INBOX_PEERS 4096
/* Of one connection; more is answered UNAVAILABLE at once. */
#define NET_PEER_MESSAGES 4096
#define NET_PEER_BYTES (8 * 1024 * 1024)
/* What a connection may have served before the next one's turn, in bytes; see inbox.h. */
#define NET_QUANTUM_BYTES (16 * 1024)
#define NET_MESSAGE_COST 256 /* of any message, on top of its bytes */

/* Served in one turn; the rest waits for the next. */
#define NET_TURN_RECEIVE 4096            /* messages taken from the socket */
#define NET_TURN_BYTES (4 * 1024 * 1024) /* of requests served */
#define NET_TURN_READS 64                /* requests that read */
#define NET_POSTPONED 192                /* reading requests that wait for another turn; full: nothing more is served */
#define NET_PEER_READS 16                /* of one connection; full: its next request waits in the inbox */
#define NET_TURN_MS 50                   /* spent on reading requests; then the loop goes round */

#define NET_REQUEST_ELEMENTS 20000 /* fields of one message of a request; more: TOO_MANY */
#define NET_PENDING_PUBLISHES 4096 /* without a reply yet; full: the rest waits in the inbox */
#define NET_PARKED 256             /* listings that wait for the index; more: UNAVAILABLE */
#define NET_PARK_MS 10000          /* then: UNAVAILABLE */

#define NET_REPLY_BYTES (512 * 1024) /* a reply of many rows ends after the row that exceeds this */
#define NET_SCAN_ENTRIES 4096        /* entries one request for emissions looks at */
#define NET_WORK_SUBJECTS 1000       /* patients one request for a listing looks at */
#define NET_NEXT_FIRINGS 100
#define NET_DEFAULT_ROWS 100

#define NET_SEND_QUEUE 4096  /* replies to one connection that does not read; more are dropped and counted */
#define NET_RECEIVE_QUEUE 1000
#define NET_STREAM_QUEUE 10000     /* doorbells to one slow subscriber; more are dropped: it sees the gap */
#define NET_STREAM_FRAME_BYTES 256 /* of what a subscriber sends: topics */
#define NET_STREAM_RECALL 8192     /* entries looked back at start for the newest doorbell of each stream */

#endif
