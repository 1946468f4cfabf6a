/* libhandoff: publish events to handoffd, ask it questions, follow its streams, carry what it hands out.
 *
 * This is the library's only public header. PROTOCOL.md describes the wire; the messages are the generated
 * structs of proto/handoff/v1, and nothing here mirrors them.
 *
 * Errors     Functions return 0 or a negative code of `enum handoff_error`; handoff_error() has its sentence.
 * Outputs are `ret_x`, come last and are untouched on failure. That an event was refused is a result, not an
 * error. Ownership  `const T *` borrows for the call; `T **` takes and clears. Closing NULL is legal. Threads
 * One thread a client: a client and what was opened on it belong to the thread that opened them.
 *            Several clients in a process are independent.
 * Time       Timeouts are milliseconds of the machine's monotonic clock, never of the daemon's clock.
 * Retrying   A reply can get lost (the daemon restarts, a queue is full). Reading is asked again; publishing
 * is repeated under the same source and id, which the daemon answers with DUPLICATE and the first sequence.
 *            What would act twice (advancing a clock by a duration, a backup) is sent once.
 */
#ifndef HANDOFF_H
#define HANDOFF_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handoff/v1/api.pb-c.h"

#define HANDOFF_DEFAULT_FRONT  "tcp://127.0.0.1:7447"
#define HANDOFF_DEFAULT_STREAM "tcp://127.0.0.1:7448"
#define HANDOFF_EVENT_BYTES    (64 * 1024)  /* of one event */
#define HANDOFF_PUBLISH_EVENTS 256          /* in one request */
#define HANDOFF_PUBLISH_BYTES  (256 * 1024) /* of one request on the wire */
#define HANDOFF_SENTENCE_BYTES 512

enum handoff_error {
    HANDOFF_OK = 0,
    HANDOFF_TIMEOUT = -1,     /* nobody answered in time; of a watch or subscriber: nothing new in time */
    HANDOFF_UNAVAILABLE = -2, /* the daemon answers, but could not commit or serve in time */
    HANDOFF_REFUSED = -3,     /* the whole request; handoff_refusal() says why */
    HANDOFF_NO_MEMORY = -4,
    HANDOFF_BAD_ARGUMENT = -5,
    HANDOFF_TOO_LARGE = -6, /* an event over 64 KiB, a request over 256 KiB, a JSON text over 1 MiB */
    HANDOFF_BAD_REPLY = -7, /* the daemon speaks another protocol */
    HANDOFF_SOCKET = -8,    /* an endpoint that is none, or no more sockets */
    HANDOFF_BAD_JSON = -9,  /* struct handoff_json_error says what and where */
    HANDOFF_REWOUND = -10,  /* the daemon's journal ends before the watch's position: it is another folder */
    HANDOFF_INTERRUPTED = -11, /* a signal came while a watch or subscriber waited; calling again is safe */
};

/* One sentence in lower case without a full stop. Static; never NULL. */
const char *handoff_error(int code);

/* --- client
 * ------------------------------------------------------------------------------------------------- */

typedef struct handoff_client handoff_client;

struct handoff_options {
    const char *front;   /* NULL: HANDOFF_DEFAULT_FRONT */
    uint32_t timeout_ms; /* for an answer, all retries included; 0: 10000 */
    uint32_t retry_ms;   /* before the first retry; then doubled with jitter, at most 8 times this; 0: 1000 */
};

/* Opens a client; does not wait for the daemon, which may start later. `options` may be NULL. */
int handoff_open(const struct handoff_options *options, handoff_client **ret_client);
/* Close a client's publishers, watches and subscribers first. */
void handoff_close(handoff_client **client);

/* What the daemon said of one event, or of a request that it refused. */
struct handoff_result {
    Handoff__V1__Code code;
    uint64_t sequence; /* of its entry; for a duplicate the first's */
    Handoff__V1__Verdict verdict;
    char sentence[HANDOFF_SENTENCE_BYTES]; /* may be empty; cut at its end when longer */
    char field[128];                       /* dotted name of the field that is wrong, if it is one */
};
/* The event is in the journal: accepted now or before. DUPLICATE_DIFFERS is not. */
bool handoff_is_accepted(const struct handoff_result *result);

/* Sends a request and waits for its reply; the request's tag is the library's. The reply's body is the one
 * that answers the request's; free it with handoff_reply_free(). When the daemon refused: HANDOFF_REFUSED. */
int handoff_request(handoff_client *client, const Handoff__V1__Request *request,
                    Handoff__V1__Reply **ret_reply);
void handoff_reply_free(Handoff__V1__Reply **reply);
/* Why the last handoff_request(), or fetch of a watch, was refused. Valid until the client's next call. */
const struct handoff_result *handoff_refusal(const handoff_client *client);

/* --- publishing
 * --------------------------------------------------------------------------------------------- */

/* Publishes `count` events, in batches if they are many, and waits for all results. 0 when each was answered,
 * whatever the answer; otherwise the unanswered have CODE_UNAVAILABLE: their outcome is unknown, and
 * publishing them again under the same id is safe. Nothing is sent if one event is too large. */
int handoff_publish(handoff_client *client, const Handoff__V1__Event *events, size_t count,
                    struct handoff_result *results);

/* Publishes many events in batches, several of them on the way at once. Memory is bounded: `in_flight`
 * batches. When they are full, adding waits for an answer. With in_flight 1 events arrive in the order added
 * whatever is lost; with more, a lost batch can be overtaken. */
typedef struct handoff_publisher handoff_publisher;

/* Called once for each added event, from within add, poll or flush; it must not call the publisher. */
typedef void handoff_on_result(void *context, void *event_context, const struct handoff_result *result);

struct handoff_publisher_options {
    uint32_t in_flight;    /* requests on the way at once; 0: 4; at most 64 */
    uint32_t batch_events; /* events in a request; 0: HANDOFF_PUBLISH_EVENTS */
    handoff_on_result *on_result;
    void *context;
};

int handoff_publisher_open(handoff_client *client, const struct handoff_publisher_options *options,
                           handoff_publisher **ret_publisher);
/* Drops what is unanswered, without calling back: flush first. */
void handoff_publisher_close(handoff_publisher **publisher);
/* Copies the event into the open batch, which is sent when it is full, or by poll and flush. */
int handoff_publisher_add(handoff_publisher *publisher, const Handoff__V1__Event *event, void *event_context);
/* Sends the open batch and handles answers for up to `wait_ms`; 0: what has arrived. */
int handoff_publisher_poll(handoff_publisher *publisher, uint32_t wait_ms);
/* Sends the open batch and waits until each event has its result. HANDOFF_TIMEOUT or HANDOFF_UNAVAILABLE if
 * one was not answered since the last flush. */
int handoff_publisher_flush(handoff_publisher *publisher);

/* --- following a stream
 * ------------------------------------------------------------------------------------- */

/* Delivers each emission of a stream once and in order, across lost doorbells, reconnects and daemon
 * restarts. The doorbell on the stream socket only says that something is there; the content comes from the
 * front. */
typedef struct handoff_watch handoff_watch;

struct handoff_watch_options {
    Handoff__V1__Stream stream;
    const char *endpoint; /* of the stream socket; NULL: what the daemon says of itself */
    bool is_from_now;     /* otherwise from after_sequence on; 0: from the beginning */
    uint64_t after_sequence;
    bool is_within;          /* of after_sequence itself only what stands up to after_position was told */
    uint32_t after_position; /* struct handoff_watch_item has both: a watch can go on behind any item */
    uint32_t poll_ms; /* asks without a doorbell this often at least; 0: 5000 */
};

struct handoff_watch_item {
    uint64_t sequence;
    uint32_t position; /* among the entry's emissions; 0 of stream record */
    const Handoff__V1__Emission *emission;     /* every stream but record */
    const Handoff__V1__RecordEmission *record; /* of stream record */
};

/* Asks the daemon where it stands, so it must be reachable once. */
int handoff_watch_open(handoff_client *client, const struct handoff_watch_options *options,
                       handoff_watch **ret_watch);
void handoff_watch_close(handoff_watch **watch);
/* The next one, waiting up to `wait_ms`. The item is valid until the watch's next call. A daemon that is away
 * is waited for. */
int handoff_watch_next(handoff_watch *watch, uint32_t wait_ms, struct handoff_watch_item *ret_item);
/* Everything up to this sequence has been delivered: the after_sequence with which a later watch goes on. */
uint64_t handoff_watch_position(const handoff_watch *watch);
/* Doorbells that were not heard and whose content was fetched all the same. */
uint64_t handoff_watch_gaps(const handoff_watch *watch);

/* --- carrying messages
 * -------------------------------------------------------------------------------------- */

/* A worker of a durable subscription. The daemon hands it messages and keeps each until it is acknowledged: what is
 * held by nobody any more comes again, with attempt 2, to this worker or another one of the same name.
 *
 * At least once   A message can come again though it was carried: the worker died before its acknowledgement was
 *                 committed. `emission->id` (with `to->key`) is the same then, and tells.
 * Lease           A message is lent for settings.lease_ms. Whoever needs longer calls handoff_subscriber_extend() in
 *                 time. What waits in the library for half a lease is given back unasked, without spending an attempt,
 *                 and comes again: so choose a credit that is carried within half a lease.
 * Sign of life    Sent every third of a lease by whatever turns the client: next, poll, flush, ack, nack, extend, and
 *                 requests and publishing on the same client. A worker that calls none of them for a lease is thought
 *                 to be gone, and what it holds goes to others.
 * Void            When the daemon restarts, or the connection is lost for longer, it forgets who held what. The library
 *                 subscribes again by itself. What it had not handed out is dropped, settling what was handed out
 *                 counts for nothing, and all of it comes again under new numbers.
 * Memory          At most `credit` messages, and those that the caller keeps. */
typedef struct handoff_subscriber handoff_subscriber;

#define HANDOFF_MOST_CREDIT  10000
#define HANDOFF_REASON_BYTES 256 /* of a nack; longer ones are cut */

struct handoff_subscriber_options {
    const char *name;
    const Handoff__V1__SubscriptionSettings *settings; /* copied; NULL: it exists, and is as it is */
    const Handoff__V1__SubscriptionStart *start;       /* of a new one; copied; NULL: what comes from now on */
    uint32_t credit; /* messages handed out and not settled; 0: 100; at most HANDOFF_MOST_CREDIT */
};

struct handoff_nack {
    uint32_t delay_ms;  /* before the next attempt; 0: as the subscription says, longer each time */
    bool is_permanent;  /* no attempt can succeed: it becomes a dead letter */
    bool is_unspent;    /* this attempt does not count */
    const char *reason; /* one sentence for operators, without patient content; NULL: none */
};

/* Subscribes, and waits for the daemon's yes: HANDOFF_REFUSED, and handoff_refusal() says why (other settings, a name
 * that is none). */
int handoff_subscriber_open(handoff_client *client, const struct handoff_subscriber_options *options,
                            handoff_subscriber **ret_subscriber);
/* Sends what was settled, and unsubscribes: the rest goes to others at once. Waits a second for that at most; whoever
 * must know that it is committed flushes first. */
void handoff_subscriber_close(handoff_subscriber **subscriber);
/* The settings in force, defaults filled in. Valid until the subscriber's next call. */
const Handoff__V1__SubscriptionSettings *handoff_subscriber_settings(const handoff_subscriber *subscriber);

/* The next message, waiting up to `wait_ms`; HANDOFF_TIMEOUT when none came. A daemon that is away is waited for. The
 * caller owns it: handoff_delivery_free(). Its number is the library's, never used twice by a subscriber.
 * HANDOFF_REFUSED: subscribing again was refused (it was begun anew with other settings); calling again asks again. */
int handoff_subscriber_next(handoff_subscriber *subscriber, uint32_t wait_ms, Handoff__V1__Delivery **ret_delivery);
void handoff_delivery_free(Handoff__V1__Delivery **delivery);

/* The message is done. Gathered, and sent when enough have gathered or some milliseconds have passed, by the other
 * calls. A number that is void or settled is forgotten silently, here and below. */
int handoff_subscriber_ack(handoff_subscriber *subscriber, uint64_t number);
/* It failed: it comes again later, after the gate was asked anew. `nack` may be NULL. */
int handoff_subscriber_nack(handoff_subscriber *subscriber, uint64_t number, const struct handoff_nack *nack);
/* Its lease begins anew. Sent at once. */
int handoff_subscriber_extend(handoff_subscriber *subscriber, uint64_t number);
/* Whether it is still lent to this subscriber, as far as can be known here: worth asking before what cannot be
 * undone. */
bool handoff_subscriber_holds(const handoff_subscriber *subscriber, uint64_t number);
/* The daemon has answered within the last lease. Else it is away, or was when this was asked: the library goes on asking,
 * and next() goes on waiting. */
bool handoff_subscriber_is_served(const handoff_subscriber *subscriber);
/* Sends what was settled, and handles what arrives for up to `wait_ms`; 0: what has arrived. */
int handoff_subscriber_poll(handoff_subscriber *subscriber, uint32_t wait_ms);
/* Waits until nothing that was settled is on its way: what handoff_subscriber_forgotten() did not count is committed.
 * HANDOFF_TIMEOUT if that took longer than `wait_ms`. */
int handoff_subscriber_flush(handoff_subscriber *subscriber, uint32_t wait_ms);
/* Messages settled by the caller, for which that counted for nothing: they were void, or not lent to it any more. */
uint64_t handoff_subscriber_forgotten(const handoff_subscriber *subscriber);

/* --- JSON
 * --------------------------------------------------------------------------------------------------- */

/* The JSON mapping of proto3, as Python's google.protobuf.json_format writes and reads it: names in
 * lowerCamelCase (the proto's own are read too), 64-bit integers as strings, enums by name, bytes in base64,
 * what is default left out. An unknown field is an error that names it. Numbers beyond the signed 64-bit
 * range are read as strings only. */
struct handoff_json_error {
    char path[128]; /* dotted, as in the text; empty: the text itself */
    char sentence[256];
};

/* The text, ended by NUL and without a line break at its end; the caller frees it. Indented by two spaces, or
 * on one line. NULL without memory. */
char *handoff_json_print(const ProtobufCMessage *message, bool is_indented);
/* Free the message with protobuf_c_message_free_unpacked(message, NULL). `error` may be NULL. */
int handoff_json_parse(const ProtobufCMessageDescriptor *descriptor, const char *text, size_t text_bytes,
                       struct handoff_json_error *error, ProtobufCMessage **ret_message);

/* --- names
 * -------------------------------------------------------------------------------------------------- */

/* The body's field of Event by its dotted name ("care_team.updated"), or NULL. */
const ProtobufCFieldDescriptor *handoff_event_field(const char *type);
/* The other way: writes the dotted name of a body's field. `size` 64 is enough for all. */
void handoff_event_type(const ProtobufCFieldDescriptor *field, char *type, size_t size);
/* Whether a field of Event is a body. */
bool handoff_is_event_body(const ProtobufCFieldDescriptor *field);
/* An enum's value as people write it: "voicemail", "no-answer", "TASK_KIND_CALL_FAMILY"; or NULL. */
const ProtobufCEnumValue *handoff_enum_find(const ProtobufCEnumDescriptor *descriptor, const char *word);
/* And as people read it: "call-family"; an unknown number in digits, UNSPECIFIED as "". `size` 64 is enough.
 */
void handoff_enum_word(const ProtobufCEnumDescriptor *descriptor, int value, char *word, size_t size);

#endif
