/* What goes to one worker in one message. Each delivery is packed as soon as it is chosen, so that what it was made from
 * can be let go at once: the memory that a frame of hundreds is rendered in stays as small as one's, and in the cache. */
#include "delivery/inside.h"

#include <string.h>

#include "base/stored.h"

#include "base/banned.h"

enum {
    DELIVERY_TAG = 2 << 3 | 2, /* Deliveries.deliveries: field 2, with its length */
    PREFIX_BYTES = 11          /* the tag and the longest length */
};

static size_t put_length(uint8_t *at, size_t length)
{
    size_t count = 0;
    for (; length >= 0x80; length >>= 7)
        at[count++] = (uint8_t)(length | 0x80);
    at[count++] = (uint8_t)length;
    return count;
}

/* At the room's end, or where protobuf-c puts it; empty: there is no room. */
static struct bytes pack(const Handoff__V1__Delivery *delivery, uint8_t *begin, uint8_t *end)
{
    const uint8_t *at = stored_write(&delivery->base, begin, end);
    if (at != NULL) return (struct bytes){at, (size_t)(end - at)};
    size_t size = handoff__v1__delivery__get_packed_size(delivery);
    if (size > (size_t)(end - begin)) return (struct bytes){0};
    handoff__v1__delivery__pack(delivery, begin);
    return (struct bytes){begin, size};
}

bool frame_add(struct frame *f, const Handoff__V1__Delivery *delivery)
{
    uint8_t *at = f->bytes + f->len;
    if (FRAME_ROOM - f->len < PREFIX_BYTES) return false;
    struct bytes packed = pack(delivery, at + PREFIX_BYTES, f->bytes + FRAME_ROOM);
    if (packed.len == 0) return false;
    *at++ = DELIVERY_TAG;
    at += put_length(at, packed.len);
    memmove(at, packed.data, packed.len);
    f->len = (size_t)(at - f->bytes) + packed.len;
    return true;
}

int frame_send(struct delivery *d, const struct frame *f, const char *name)
{
    Handoff__V1__Deliveries deliveries = HANDOFF__V1__DELIVERIES__INIT;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    /* protobuf-c copies an unknown field as it is, behind its tag: all of them, packed already, are one such. */
    ProtobufCMessageUnknownField packed = {
        .tag = 2, .wire_type = PROTOBUF_C_WIRE_TYPE_LENGTH_PREFIXED, .len = f->len - 1, .data = f->bytes + 1};
    deliveries.name = (char *)(uintptr_t)name;
    deliveries.base.n_unknown_fields = 1;
    deliveries.base.unknown_fields = &packed;
    reply.tag = f->session->tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_DELIVERIES;
    reply.deliveries = &deliveries;
    return d->options.send(d->options.context, f->session->connection, &reply);
}
