/* Deficit round robin over connections: see inbox.h. */
#include "net/inbox.h"

#include <assert.h>
#include <stdlib.h>

#include "net/limits.h"

#include "base/banned.h"

enum { BUCKETS = 1024 };
static_assert((BUCKETS & (BUCKETS - 1)) == 0, "a mask picks the bucket");

struct message {
    zmq_msg_t body;
    size_t cost;
    struct message *next;
    bool has_delimiter;
};

/* A connection with something waiting; one with nothing waiting is not here. */
struct queue {
    uint32_t peer_id;
    uint32_t messages;
    size_t bytes;
    size_t credit; /* bytes it may still have served in its turn */
    struct message *first, *last;
    struct queue *bucket_next; /* or the next free one */
    struct queue *ring_next;
};

struct inbox {
    struct queue *buckets[BUCKETS];
    struct queue *tail; /* of the ring; tail->ring_next is whose turn it is */
    struct queue *free_queues;
    struct message *free_messages;
    size_t messages, bytes;
    uint32_t queues_used;
    struct queue queues[NET_INBOX_PEERS];
    struct message pool[NET_INBOX_MESSAGES];
};

struct inbox *inbox_new(void)
{
    struct inbox *inbox = calloc(1, sizeof *inbox);
    if (inbox == NULL) return NULL;
    for (size_t i = 0; i < NET_INBOX_PEERS; i++) {
        inbox->queues[i].bucket_next = inbox->free_queues;
        inbox->free_queues = &inbox->queues[i];
    }
    for (size_t i = 0; i < NET_INBOX_MESSAGES; i++) {
        inbox->pool[i].next = inbox->free_messages;
        inbox->free_messages = &inbox->pool[i];
    }
    return inbox;
}

void inbox_free(struct inbox *inbox)
{
    struct peer from;
    zmq_msg_t body;
    if (inbox == NULL) return;
    while (inbox_take(inbox, &(struct inbox_filter){0}, &from, &body))
        zmq_msg_close(&body);
    free(inbox);
}

/* Routing ids count up from a random start, so their low bits spread. */
static struct queue **find(struct inbox *inbox, uint32_t peer_id)
{
    struct queue **at = &inbox->buckets[(peer_id ^ (peer_id >> 22)) & (BUCKETS - 1)];
    while (*at != NULL && (*at)->peer_id != peer_id)
        at = &(*at)->bucket_next;
    return at;
}

static struct queue *enter(struct inbox *inbox, struct queue **at, uint32_t peer_id)
{
    struct queue *q = inbox->free_queues;
    assert(q != NULL);
    inbox->free_queues = q->bucket_next;
    *q = (struct queue){.peer_id = peer_id, .credit = NET_QUANTUM_BYTES};
    *at = q;
    if (inbox->tail == NULL) {
        q->ring_next = q;
    } else {
        q->ring_next = inbox->tail->ring_next;
        inbox->tail->ring_next = q;
    }
    inbox->tail = q;
    inbox->queues_used++;
    return q;
}

/* Takes the head of the ring out of everything. */
static void leave(struct inbox *inbox, struct queue *head)
{
    assert(inbox->tail->ring_next == head && head->first == NULL);
    if (inbox->tail == head)
        inbox->tail = NULL;
    else
        inbox->tail->ring_next = head->ring_next;
    *find(inbox, head->peer_id) = head->bucket_next;
    head->bucket_next = inbox->free_queues;
    inbox->free_queues = head;
    inbox->queues_used--;
}

bool inbox_put(struct inbox *inbox, struct peer from, zmq_msg_t *body)
{
    assert(!inbox_is_full(inbox));
    size_t cost = zmq_msg_size(body) + NET_MESSAGE_COST;
    struct queue **at = find(inbox, from.id);
    struct queue *q = *at != NULL ? *at : enter(inbox, at, from.id);
    if (q->messages >= NET_PEER_MESSAGES || (q->messages > 0 && q->bytes + cost > NET_PEER_BYTES)) return false;
    struct message *m = inbox->free_messages;
    inbox->free_messages = m->next;
    zmq_msg_init(&m->body);
    zmq_msg_move(&m->body, body);
    m->cost = cost;
    m->has_delimiter = from.has_delimiter;
    m->next = NULL;
    if (q->last != NULL)
        q->last->next = m;
    else
        q->first = m;
    q->last = m;
    q->messages++;
    q->bytes += cost;
    inbox->messages++;
    inbox->bytes += cost;
    return true;
}

/* Whose turn it is with enough credit for its first message; NULL when all are held. Bounded: each time round the ring a
 * connection that is not held gains a quantum, and no message costs more than LIMIT_FRAME_BYTES. */
static struct queue *next_queue(struct inbox *inbox, const struct inbox_filter *filter)
{
    struct queue *head = inbox->tail->ring_next;
    for (uint32_t held = 0; held < inbox->queues_used; head = head->ring_next) {
        bool is_held = filter->is_held != NULL && filter->is_held(filter->context, head->peer_id);
        if (!is_held && head->credit >= head->first->cost) return head;
        if (!is_held) head->credit += NET_QUANTUM_BYTES;
        held = is_held ? held + 1 : 0;
        inbox->tail = head;
    }
    return NULL;
}

bool inbox_take(struct inbox *inbox, const struct inbox_filter *filter, struct peer *ret_from, zmq_msg_t *ret_body)
{
    if (inbox->tail == NULL) return false;
    struct queue *q = next_queue(inbox, filter);
    if (q == NULL) return false;
    struct message *m = q->first;
    ret_from->id = q->peer_id;
    ret_from->has_delimiter = m->has_delimiter;
    zmq_msg_init(ret_body);
    zmq_msg_move(ret_body, &m->body);
    zmq_msg_close(&m->body);
    q->credit -= m->cost;
    q->messages--;
    q->bytes -= m->cost;
    inbox->messages--;
    inbox->bytes -= m->cost;
    q->first = m->next;
    m->next = inbox->free_messages;
    inbox->free_messages = m;
    if (q->first == NULL) {
        q->last = NULL;
        leave(inbox, q);
    }
    return true;
}

bool inbox_peek(const struct inbox *inbox, size_t ahead, struct bytes *ret_body)
{
    if (ahead >= inbox->messages) return false;
    struct queue *q = inbox->tail->ring_next;
    for (; ahead >= q->messages; q = q->ring_next)
        ahead -= q->messages;
    struct message *m = q->first;
    while (ahead-- > 0)
        m = m->next;
    *ret_body = (struct bytes){zmq_msg_data(&m->body), zmq_msg_size(&m->body)};
    return true;
}

bool inbox_is_full(const struct inbox *inbox)
{
    return inbox->free_messages == NULL || inbox->free_queues == NULL || inbox->bytes >= NET_INBOX_BYTES;
}

size_t inbox_messages(const struct inbox *inbox) { return inbox->messages; }
