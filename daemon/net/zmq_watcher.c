/* libev and ZeroMQ joined: see zmq_watcher.h for why each of the four watchers is needed. */
#include "net/zmq_watcher.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <zmq.h>

#include "base/banned.h"

#define OWNER(pointer, member) ((struct zmq_watcher *)(void *)((char *)(pointer)-offsetof(struct zmq_watcher, member)))

/* What is wanted and true now. A socket that cannot answer is closing: nothing is. */
static int ready_events(const struct zmq_watcher *w)
{
    int events = 0;
    size_t size = sizeof events;
    if (zmq_getsockopt(w->socket, ZMQ_EVENTS, &events, &size) != 0)
        return 0;
    return events & w->wanted;
}

static void before_sleep(struct ev_loop *loop, ev_prepare *prepare, int revents)
{
    struct zmq_watcher *w = OWNER(prepare, prepare);
    (void)revents;
    if (ready_events(w))
        ev_idle_start(loop, &w->idle);
    else
        ev_io_start(loop, &w->io);
}

static void after_sleep(struct ev_loop *loop, ev_check *check, int revents)
{
    struct zmq_watcher *w = OWNER(check, check);
    (void)revents;
    ev_io_stop(loop, &w->io);
    ev_idle_stop(loop, &w->idle);
    int events = ready_events(w);
    if (events)
        w->on_ready(w->context, events);
}

static void ignore_io(struct ev_loop *loop, ev_io *io, int revents) { (void)loop; (void)io; (void)revents; }
static void ignore_idle(struct ev_loop *loop, ev_idle *idle, int revents) { (void)loop; (void)idle; (void)revents; }

int zmq_watcher_start(struct zmq_watcher *w, struct ev_loop *loop, void *socket, int wanted, void *context,
                      void (*on_ready)(void *context, int events))
{
    int fd = -1;
    size_t size = sizeof fd;
    assert(on_ready != NULL && wanted != 0);
    if (zmq_getsockopt(socket, ZMQ_FD, &fd, &size) != 0)
        return -errno;
    w->socket = socket;
    w->wanted = wanted;
    w->context = context;
    w->on_ready = on_ready;
    ev_prepare_init(&w->prepare, before_sleep);
    ev_check_init(&w->check, after_sleep);
    ev_idle_init(&w->idle, ignore_idle);
    ev_io_init(&w->io, ignore_io, fd, EV_READ);
    ev_prepare_start(loop, &w->prepare);
    ev_check_start(loop, &w->check);
    return 0;
}

void zmq_watcher_stop(struct zmq_watcher *w, struct ev_loop *loop)
{
    if (w->on_ready == NULL)
        return;
    ev_prepare_stop(loop, &w->prepare);
    ev_check_stop(loop, &w->check);
    ev_idle_stop(loop, &w->idle);
    ev_io_stop(loop, &w->io);
    w->on_ready = NULL;
}
