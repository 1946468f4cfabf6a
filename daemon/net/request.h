/* From a payload to a Request that can be trusted as far as its form goes.
 *
 * protobuf-c accepts bad UTF-8 and cuts strings at a NUL, and would allocate before anyone counted; so the bytes are
 * checked on the wire first and unpacked afterwards, into a bounded arena, message by
 * message as deep as the schema goes. What events hold is not looked at here; the engine does. */
#ifndef HANDOFF_NET_REQUEST_H
#define HANDOFF_NET_REQUEST_H

#include <stdbool.h>

#include "base/arena.h"
#include "base/bytes.h"
#include "handoff/v1/api.pb-c.h"

struct request_fault {
    Handoff__V1__Code code;
    const char *field; /* dotted name, or NULL */
    char sentence[160];
};

/* The tag, as far as it can be read; else 0. */
uint64_t request_tag(struct bytes payload);
/* Of a publish, before it is read: its first event. False: it is none. */
bool request_first_event(struct bytes payload, struct bytes *ret_event);
/* 0 and the request, which lives in the arena; -1 and why not. */
int request_read(struct bytes payload, struct arena *arena, Handoff__V1__Request **ret_request,
                 struct request_fault *ret_fault);

#endif
