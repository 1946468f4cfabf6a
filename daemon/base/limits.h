/* Every bound in one place. Each has a written answer to "and when it is full?". */
#ifndef HANDOFF_BASE_LIMITS_H
#define HANDOFF_BASE_LIMITS_H

#define LIMIT_EVENT_BYTES (64 * 1024)         /* one event on the wire; more: refused TOO_LARGE */
#define LIMIT_PUBLISH_EVENTS 256              /* events in one publish; more: the request is refused */
#define LIMIT_PUBLISH_BYTES (256 * 1024)      /* one request on the wire; more: refused TOO_LARGE */
#define LIMIT_FRAME_BYTES (1024 * 1024)       /* ZMQ_MAXMSGSIZE; more: libzmq drops that connection */
#define LIMIT_ID_BYTES 128                    /* any id; longer: refused BAD_ID */
#define LIMIT_TEXT_BYTES 4096                 /* any other string; longer: refused BAD_TEXT */
#define LIMIT_REPEATED 64                     /* elements of one list in an event; more: refused */
#define LIMIT_BATCH_EVENTS 1024               /* entries in one commit; the rest waits a turn */
#define LIMIT_BATCH_BYTES (8 * 1024 * 1024)   /* encoded batch; a batch closes before it would exceed this */
#define LIMIT_RECORD_BYTES (128 * 1024)       /* a patient's record; a step that would exceed it parks */
#define LIMIT_FIRE_PER_TURN 256               /* timers fired in one turn; the rest waits, events go first */
#define LIMIT_STEP_ARENA_BYTES (4 * 1024 * 1024) /* left in the arena before each step */
#define LIMIT_ARENA_BYTES ((size_t)256 * 1024 * 1024)
#define LIMIT_CHANGES 1000000                 /* patients in the table of changes; at it intake pauses */
#define LIMIT_PLACES (4 * 1024 * 1024)          /* lines of rows remembered (256 MiB); others are read in the index */
#define LIMIT_CHAIN_EVENTS (1024 * 1024)      /* of a subject, found by hash; of more the chain is walked */
#define LIMIT_CHAIN_PLACES (4 * LIMIT_CHAIN_EVENTS) /* for all subjects together (64 MiB) */
#define LIMIT_PAGE_ROWS 1000                  /* rows of one page of a listing */
#define LIMIT_CASCADE 16                      /* automatic transitions and signals in one step; more parks */

/* Inside one record; a step that would exceed one of them parks the input. */
#define LIMIT_RECORD_EPISODES 32
#define LIMIT_RECORD_TASKS 128
#define LIMIT_RECORD_SEEN 16                  /* repeats found in the record; older ones along the chain */

#endif
