/* Plans are made under a lock and found without one: see stored_plan.h. */
#include "base/stored_plan.h"

#include <assert.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { PLANS = 1024 /* places, a power of two; no more than half are taken */, PARTS_MAX = UINT8_MAX, PLACES_MAX = 1 << 14 /* tags of two bytes */, DEEPEST = 16 };

static _Atomic(const struct plan *) plans[PLANS];
static unsigned plan_count;
static pthread_mutex_t plans_lock = PTHREAD_MUTEX_INITIALIZER;

/* How a type is written, and how wide it is in the generated structs. */
static const struct {
    uint8_t value, wire, bytes;
} types[] = {
    [PROTOBUF_C_TYPE_SINT32] = {VALUE_UNUSUAL, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_SFIXED32] = {VALUE_UNUSUAL, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_FIXED32] = {VALUE_UNUSUAL, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_FLOAT] = {VALUE_UNUSUAL, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_SINT64] = {VALUE_UNUSUAL, WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_SFIXED64] = {VALUE_UNUSUAL, WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_DOUBLE] = {VALUE_UNUSUAL, WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_INT32] = {VALUE_SIGNED_32, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_ENUM] = {VALUE_SIGNED_32, WIRE_VARINT, sizeof(int)},
    [PROTOBUF_C_TYPE_UINT32] = {VALUE_UNSIGNED_32, WIRE_VARINT, 4},
    [PROTOBUF_C_TYPE_BOOL] = {VALUE_BOOL, WIRE_VARINT, sizeof(protobuf_c_boolean)},
    [PROTOBUF_C_TYPE_INT64] = {VALUE_64, WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_UINT64] = {VALUE_64, WIRE_VARINT, 8},
    [PROTOBUF_C_TYPE_FIXED64] = {VALUE_FIXED_64, WIRE_64, 8},
    [PROTOBUF_C_TYPE_STRING] = {VALUE_TEXT, WIRE_BYTES, sizeof(char *)},
    [PROTOBUF_C_TYPE_BYTES] = {VALUE_BYTES, WIRE_BYTES, sizeof(ProtobufCBinaryData)},
    [PROTOBUF_C_TYPE_MESSAGE] = {VALUE_MESSAGE, WIRE_BYTES, sizeof(void *)},
};
static_assert(PROTOBUF_C_TYPE_MESSAGE + 1 == sizeof types / sizeof *types, "every type has a row");
static_assert(sizeof(protobuf_c_boolean) == 4 && sizeof(int) == 4, "booleans and enums are as wide as numbers of 32 bits");
static_assert(sizeof(size_t) == 8 && sizeof(void *) == 8 && offsetof(ProtobufCBinaryData, len) == 0,
              "pointers, counts and the length of bytes are words");

static const struct plan *build(const ProtobufCMessageDescriptor *d, int depth);

static uint8_t form_of(const ProtobufCFieldDescriptor *f)
{
    if (f->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) return FORM_MEMBER;
    if (f->label != PROTOBUF_C_LABEL_REPEATED) return FORM_ONE;
    return f->flags & PROTOBUF_C_FIELD_FLAG_PACKED ? FORM_PACKED : FORM_LIST;
}

/* A number of 32 bits is half of an aligned word. */
static void set_probe(struct part *p, unsigned at, unsigned bytes, uint64_t initial)
{
    unsigned shift = 8 * (at % 8);
    p->probe_at = (uint16_t)(at & ~7u);
    p->mask = bytes == 8 ? UINT64_MAX : (uint64_t)UINT32_MAX << shift;
    p->initial = initial;
}

static void set_probe_of(struct part *p, const ProtobufCFieldDescriptor *f)
{
    if (p->form == FORM_MEMBER) p->initial = 1; /* with a mask of 0: never */
    else if (p->form != FORM_ONE) set_probe(p, f->quantifier_offset, 8, 0);
    else if (p->value == VALUE_TEXT) set_probe(p, f->offset, 8, (uintptr_t)f->default_value);
    else set_probe(p, f->offset, p->element_bytes == 4 ? 4 : 8, 0);
}

/* False: what it holds has no plan. */
static bool fill_part(struct part *p, const ProtobufCFieldDescriptor *f, int depth)
{
    unsigned wire = types[f->type].wire;
    uint8_t form = form_of(f);
    bool is_unusual = (f->label != PROTOBUF_C_LABEL_NONE && f->label != PROTOBUF_C_LABEL_REPEATED) ||
                      (form == FORM_LIST && wire != WIRE_BYTES);
    *p = (struct part){
        .value_at = (uint16_t)f->offset,
        .quantifier_at = (uint16_t)f->quantifier_offset,
        .value = is_unusual ? VALUE_UNUSUAL : types[f->type].value,
        .form = form,
        .element_bytes = types[f->type].bytes,
        .tag = f->id << 3 | (form == FORM_PACKED ? WIRE_BYTES : wire),
        .number = f->id,
    };
    bool is_plain = p->value == VALUE_SIGNED_32 || p->value == VALUE_UNSIGNED_32 || p->value == VALUE_64;
    p->plain_bytes = is_plain && form == FORM_ONE ? p->element_bytes : 0;
    set_probe_of(p, f);
    if (p->value == VALUE_MESSAGE) p->plan = build(f->descriptor, depth + 1);
    return p->value != VALUE_MESSAGE || p->plan;
}

static void fill_links(struct plan *plan, const struct part **links)
{
    plan->links = links;
    for (const struct part *p = plan->parts; p < plan->parts_end; p++)
        if (p->form == FORM_LIST || p->form == FORM_PACKED || p->plan) links[plan->link_count++] = p;
}

static bool is_link_at(const struct plan *plan, uint32_t at)
{
    for (uint32_t i = 0; i < plan->link_count; i++)
        if (plan->links[i]->value_at == at) return true;
    return false;
}

/* Links cut the struct into stretches that can be compared as bytes; what every message begins with says nothing. */
static void fill_flat(struct plan *plan, struct stretch *flat)
{
    uint32_t begin = sizeof(ProtobufCMessage), end = (uint32_t)plan->descriptor->sizeof_message;
    plan->flat = flat;
    for (uint32_t at = begin; at <= end; at += 8) {
        if (at < end && !is_link_at(plan, at)) continue;
        if (begin < at) flat[plan->flat_count++] = (struct stretch){(uint16_t)begin, (uint16_t)at};
        begin = at + 8;
    }
}

static unsigned place_of(const ProtobufCMessageDescriptor *d)
{
    return (unsigned)((uintptr_t)d / sizeof *d * 0x9e3779b1u >> 12);
}

static const struct plan *find(const ProtobufCMessageDescriptor *d)
{
    for (unsigned at = place_of(d);; at++) { /* half of the places are free */
        const struct plan *plan = atomic_load_explicit(&plans[at % PLANS], memory_order_acquire);
        if (!plan || plan->descriptor == d) return plan;
    }
}

static void keep(const struct plan *plan)
{
    unsigned at = place_of(plan->descriptor);
    while (atomic_load_explicit(&plans[at % PLANS], memory_order_relaxed)) at++;
    atomic_store_explicit(&plans[at % PLANS], plan, memory_order_release);
    plan_count++;
}

static bool fill_parts(struct part *parts, uint8_t *places, const ProtobufCMessageDescriptor *d, int depth)
{
    for (unsigned i = 0; i < d->n_fields; i++) {
        if (!fill_part(&parts[i], &d->fields[i], depth)) return false;
        places[parts[i].tag] = (uint8_t)(i + 1);
    }
    return true;
}

/* A plan and what it points to, in one piece. */
static struct plan *new_plan(const ProtobufCMessageDescriptor *d, int depth)
{
    uint32_t count = d->n_fields, place_count = (count ? d->fields[count - 1].id + 1 : 0) << 3;
    if (count > PARTS_MAX || place_count > PLACES_MAX || d->sizeof_message > UINT16_MAX) return NULL;
    size_t part_bytes = sizeof(struct part) + sizeof(struct part *) + sizeof(struct stretch);
    struct plan *plan = calloc(1, sizeof *plan + count * part_bytes + sizeof(struct stretch) + place_count);
    if (!plan) return NULL;
    struct part *parts = (struct part *)(plan + 1);
    const struct part **links = (const struct part **)(parts + count);
    struct stretch *flat = (struct stretch *)(links + count);
    uint8_t *places = (uint8_t *)(flat + count + 1);
    *plan = (struct plan){.descriptor = d, .parts = parts, .parts_end = parts + count, .places = places, .place_count = place_count};
    if (!fill_parts(parts, places, d, depth)) {
        free(plan);
        return NULL;
    }
    fill_links(plan, links);
    fill_flat(plan, flat);
    return plan;
}

/* With the plans of what it holds first. A message that holds itself has none. */
static const struct plan *build(const ProtobufCMessageDescriptor *d, int depth)
{
    const struct plan *known = find(d);
    if (known || depth > DEEPEST) return known;
    struct plan *plan = new_plan(d, depth);
    if (plan && plan_count < PLANS / 2) {
        keep(plan);
        return plan;
    }
    free(plan);
    return NULL;
}

const struct plan *stored_plan(const ProtobufCMessageDescriptor *descriptor)
{
    const struct plan *plan = find(descriptor);
    if (plan) return plan;
    pthread_mutex_lock(&plans_lock);
    plan = build(descriptor, 0);
    pthread_mutex_unlock(&plans_lock);
    return plan;
}
