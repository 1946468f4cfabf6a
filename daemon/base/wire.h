/* Protocol Buffers' wire format, field by field, for who needs a field or two before anything is unpacked. */
#ifndef HANDOFF_BASE_WIRE_H
#define HANDOFF_BASE_WIRE_H

#include <stdbool.h>
#include "base/bytes.h"

enum { WIRE_VARINT = 0, WIRE_64 = 1, WIRE_BYTES = 2, WIRE_32 = 5 };

struct wire_field {
    uint32_t number;
    uint32_t wire;
    uint64_t value;     /* VARINT */
    struct bytes bytes; /* BYTES */
};

static inline bool wire_take_varint(struct bytes *rest, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (size_t i = 0; i < rest->len && i < 10; i++) {
        value |= (uint64_t)(rest->data[i] & 0x7f) << (7 * i);
        if (rest->data[i] < 0x80) {
            rest->data += i + 1;
            rest->len -= i + 1;
            *ret_value = value;
            return true;
        }
    }
    return false;
}

static inline bool wire_take_bytes(struct bytes *rest, uint64_t len, struct bytes *ret_bytes)
{
    if (len > rest->len) return false;
    *ret_bytes = (struct bytes){rest->data, (size_t)len};
    rest->data += len;
    rest->len -= (size_t)len;
    return true;
}

/* False: the bytes are no field (groups are not known here). */
static inline bool wire_take_field(struct bytes *rest, struct wire_field *ret)
{
    uint64_t key, len;
    if (!wire_take_varint(rest, &key) || key >> 3 == 0 || key >> 3 > UINT32_MAX / 8) return false;
    *ret = (struct wire_field){.number = (uint32_t)(key >> 3), .wire = key & 7};
    switch (ret->wire) {
    case WIRE_VARINT: return wire_take_varint(rest, &ret->value);
    case WIRE_64: return wire_take_bytes(rest, 8, &ret->bytes);
    case WIRE_32: return wire_take_bytes(rest, 4, &ret->bytes);
    case WIRE_BYTES: return wire_take_varint(rest, &len) && wire_take_bytes(rest, len, &ret->bytes);
    default: return false;
    }
}

#endif
