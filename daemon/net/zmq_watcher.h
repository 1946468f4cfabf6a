/* A ZeroMQ socket as a libev watcher.
 *
 * A socket's ZMQ_FD is edge-triggered and says only "something may have changed": it can be silent while messages
 * wait, and readable while none do. Truth is ZMQ_EVENTS alone. So the fd is only what lets the loop sleep:
 *
 *     ev_prepare  before sleeping: ZMQ_EVENTS.   wanted there -> ev_idle on: the loop does not sleep
 *                                                not there    -> ev_io on the fd: it sleeps until the fd speaks
 *     ev_check    after sleeping:  both off, ZMQ_EVENTS again. wanted there -> the callback
 *
 * A callback that leaves messages behind (a bounded drain) is called again in the next turn of the loop. The
 * watcher borrows the socket, which outlives it. */
#ifndef HANDOFF_NET_ZMQ_WATCHER_H
#define HANDOFF_NET_ZMQ_WATCHER_H

#include <ev.h>

struct zmq_watcher {
    ev_prepare prepare;
    ev_check check;
    ev_idle idle;
    ev_io io;
    void *socket;
    int wanted; /* ZMQ_POLLIN, ZMQ_POLLOUT or both */
    void *context;
    void (*on_ready)(void *context, int events);
};

/* 0, or -errno when the socket has no file descriptor. */
int zmq_watcher_start(struct zmq_watcher *w, struct ev_loop *loop, void *socket, int wanted, void *context,
                      void (*on_ready)(void *context, int events));
/* Legal on a watcher of zeros that was never started, and twice. */
void zmq_watcher_stop(struct zmq_watcher *w, struct ev_loop *loop);

#endif
