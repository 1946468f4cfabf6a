/* Intake: shapes are tables made from the descriptors at start; an event's bytes are walked along them.
 *
 *     bytes -> walk (every field at every depth) -> unpack, bounded -> what the kind of event requires
 *
 * No message of the schema contains itself, so the walk's depth is the schema's; SHAPES_MAX bounds the tables. */
#include "engine/intake.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/stored.h"
#include "core/calendar.h"
#include "core/step.h"
#include "engine/intake_sense.h"
#include "engine/intake_tables.h"
#include "engine/utf8.h"

enum { BORN_FIRST = 18800101, MINUTES_PER_DAY = 1440, DOTTED_BYTES = 160 };

/* --- refusals --------------------------------------------------------------------------------------------------- */

struct path {
    const struct path *up;
    const char *name;
};

struct reading {
    struct arena *arena;
    int64_t now_ms;
    struct refusal *refusal;
};

static void write_path(char *text, size_t size, const struct path *path)
{
    if (!path) return;
    write_path(text, size, path->up);
    size_t len = strlen(text);
    snprintf(text + len, size - len, "%s%s", len ? "." : "", path->name);
}

/* `problem` continues the field's name: "is longer than 128 bytes". */
static bool refuse(struct reading *r, Handoff__V1__Code code, const struct path *path, const char *problem)
{
    char dotted[DOTTED_BYTES] = "", sentence[2 * DOTTED_BYTES];
    write_path(dotted, sizeof dotted, path);
    snprintf(sentence, sizeof sentence, "%s %s.", dotted[0] ? dotted : "The event", problem);
    r->refusal->code = code;
    r->refusal->field = arena_string(r->arena, dotted);
    r->refusal->sentence = arena_string(r->arena, sentence);
    return false;
}

static bool refuse_unknown(struct reading *r, const struct shape *shape, const struct path *path, uint64_t tag)
{
    char problem[128];
    bool is_body = shape->message == &handoff__v1__event__descriptor && tag >= FIRST_BODY_TAG;
    snprintf(problem, sizeof problem,
             is_body ? "is of a kind this daemon does not know (field %llu)"
                     : "has a field this daemon does not know (number %llu)",
             (unsigned long long)tag);
    return refuse(r, is_body ? HANDOFF__V1__CODE__CODE_MISSING_BODY : HANDOFF__V1__CODE__CODE_MALFORMED, path, problem);
}

/* --- the walk --------------------------------------------------------------------------------------------------- */

/* Where the next byte is, or NULL: not a varint of at most 10 bytes that ends before `end`. */
static const uint8_t *read_varint(const uint8_t *at, const uint8_t *end, uint64_t *ret_value)
{
    uint64_t value = 0;
    for (unsigned shift = 0; shift < 70 && at < end; shift += 7) {
        uint8_t byte = *at++;
        value |= (uint64_t)(byte & 0x7f) << (shift < 64 ? shift : 63);
        if (!(byte & 0x80)) {
            *ret_value = value;
            return at;
        }
    }
    return NULL;
}

/* yyyymmdd of the day that has begun somewhere on earth. */
static uint32_t latest_date(int64_t now_ms)
{
    int64_t ahead_ms = now_ms + 14 * MS_PER_HOUR;
    return date_from_day((int32_t)(ahead_ms / MS_PER_DAY));
}

static bool check_date(struct reading *r, const struct field *f, uint64_t value, const struct path *path)
{
    if (value == 0) return true;
    if (value > UINT32_MAX || !date_is_valid((uint32_t)value))
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is not a date written as yyyymmdd");
    if (f->check == CHECK_BORN && value > latest_date(r->now_ms))
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is in the future");
    if (f->check == CHECK_BORN && value < BORN_FIRST)
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is before the year 1880");
    return true;
}

static bool check_time(struct reading *r, const struct field *f, int64_t value, const struct path *path)
{
    static const int64_t year_1900 = INT64_C(-2208988800000), year_2000 = INT64_C(946684800000),
                         year_2200 = INT64_C(7258118400000);
    if (value == 0) return true; /* absent: whether it is required is asked later */
    if (f->check == CHECK_TIME) {
        if (value >= year_1900 && value < year_2200) return true;
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is not between the years 1900 and 2200");
    }
    if (value < year_2000) return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is before the year 2000");
    if (value > r->now_ms + MS_PER_DAY)
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TIME, path, "is more than a day in the future");
    return true;
}

static bool check_number(struct reading *r, const struct field *f, uint64_t value, const struct path *path)
{
    switch ((enum check)f->check) {
    case CHECK_ENUM:
        if (value < 64 && (f->values >> value & 1)) return true;
        return refuse(r, HANDOFF__V1__CODE__CODE_UNKNOWN_VALUE, path, "has a value this daemon does not know");
    case CHECK_OCCURRED:
    case CHECK_TIME:
        return check_time(r, f, (int64_t)value, path);
    case CHECK_DATE:
    case CHECK_BORN:
        return check_date(r, f, value, path);
    case CHECK_MINUTE:
        if (value <= MINUTES_PER_DAY) return true;
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_VALUE, path, "is not a minute of the day");
    case CHECK_NUMBER_32:
        if (value <= UINT32_MAX) return true;
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_VALUE, path, "is too large a number");
    case CHECK_NUMBER:
        return true;
    case CHECK_UNKNOWN:
    case CHECK_ID:
    case CHECK_TEXT:
    case CHECK_MESSAGE:
        break;
    }
    abort();
}

static bool check_text(struct reading *r, const struct field *f, struct bytes text, const struct path *path)
{
    bool is_id = f->check == CHECK_ID;
    if (text.len > (is_id ? LIMIT_ID_BYTES : LIMIT_TEXT_BYTES)) {
        if (is_id) return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, path, "is longer than 128 bytes");
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TEXT, path, "is longer than 4096 bytes");
    }
    if (is_id && f->is_repeated && text.len == 0) return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, path, "is empty");
    switch (utf8_check(text)) {
    case UTF8_OK:
        return true;
    case UTF8_HAS_NUL:
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TEXT, path, "has a NUL inside");
    case UTF8_IS_BAD:
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_TEXT, path, "is not UTF-8");
    }
    abort();
}

static bool walk(struct reading *r, const struct shape *shape, struct bytes bytes, const struct path *path);

static bool check_length_delimited(struct reading *r, const struct field *f, struct bytes value,
                                   const struct path *path)
{
    if (f->check == CHECK_MESSAGE) return walk(r, f->shape, value, path);
    return check_text(r, f, value, path);
}

static bool refuse_repeats(struct reading *r, const struct path *path)
{
    return refuse(r, HANDOFF__V1__CODE__CODE_TOO_MANY, path, "has more than 64 elements");
}

/* Numbers of a list, packed into one run of bytes. */
static bool check_packed(struct reading *r, const struct field *f, struct bytes bytes, uint8_t *count,
                         const struct path *path)
{
    const uint8_t *at = bytes.data, *end = at + bytes.len;
    while (at < end) {
        uint64_t value;
        at = read_varint(at, end, &value);
        if (!at) return refuse(r, HANDOFF__V1__CODE__CODE_MALFORMED, path, "cannot be read as protobuf");
        if (++*count > LIMIT_REPEATED) return refuse_repeats(r, path);
        if (!check_number(r, f, value, path)) return false;
    }
    return true;
}

/* Once is once, a oneof has one member, and a list has an end. */
static bool check_count(struct reading *r, const struct field *f, uint64_t seen[2], uint8_t *counts,
                        const struct path *path)
{
    if (f->is_repeated) return ++counts[f->position] <= LIMIT_REPEATED || refuse_repeats(r, path);
    unsigned bit = f->is_body ? 127 : f->position;
    uint64_t mask = UINT64_C(1) << (bit % 64);
    if (!(seen[bit / 64] & mask)) {
        seen[bit / 64] |= mask;
        return true;
    }
    return refuse(r, HANDOFF__V1__CODE__CODE_MALFORMED, path, f->is_body ? "is a second body" : "is there twice");
}

enum { WIRE_VARINT = 0, WIRE_LENGTH = 2 };

static bool walk(struct reading *r, const struct shape *shape, struct bytes bytes, const struct path *path)
{
    const uint8_t *at = bytes.data, *end = at + bytes.len;
    uint64_t seen[2] = {0, 0};
    uint8_t counts[128] = {0};
    while (at < end) {
        uint64_t tag, value;
        at = read_varint(at, end, &tag);
        if (!at) return refuse(r, HANDOFF__V1__CODE__CODE_MALFORMED, path, "cannot be read as protobuf");
        uint64_t number = tag >> 3;
        const struct field *f = number <= shape->tag_max ? &shape->fields[number] : NULL;
        if (!f || f->check == CHECK_UNKNOWN) return refuse_unknown(r, shape, path, number);
        struct path here = {path, f->name};
        unsigned wire = tag & 7;
        bool is_text = f->check >= CHECK_ID;
        bool is_packed = wire == WIRE_LENGTH && !is_text && f->is_repeated;
        if (wire != (is_text || is_packed ? WIRE_LENGTH : WIRE_VARINT))
            return refuse(r, HANDOFF__V1__CODE__CODE_MALFORMED, &here, "is of another type");
        at = read_varint(at, end, &value);
        if (!at || (wire == WIRE_LENGTH && value > (uint64_t)(end - at)))
            return refuse(r, HANDOFF__V1__CODE__CODE_MALFORMED, &here, "cannot be read as protobuf");
        if (!is_packed && !check_count(r, f, seen, counts, &here)) return false;
        if (wire == WIRE_VARINT) {
            if (!check_number(r, f, value, &here)) return false;
            continue;
        }
        struct bytes section = {at, (size_t)value};
        at += value;
        if (is_packed ? !check_packed(r, f, section, &counts[f->position], &here)
                      : !check_length_delimited(r, f, section, &here))
            return false;
    }
    return true;
}

/* --- what a kind of event requires -------------------------------------------------------------------------------- */

static bool is_present(const ProtobufCFieldDescriptor *f, const void *message)
{
    const uint8_t *at = (const uint8_t *)message + f->offset;
    if (f->label == PROTOBUF_C_LABEL_REPEATED)
        return *(const size_t *)(const void *)((const uint8_t *)message + f->quantifier_offset) > 0;
    switch (f->type) {
    case PROTOBUF_C_TYPE_STRING:
        return (*(char *const *)(const void *)at)[0] != '\0';
    case PROTOBUF_C_TYPE_MESSAGE:
        return *(void *const *)(const void *)at != NULL;
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
        return load_u64(at) != 0;
    case PROTOBUF_C_TYPE_UINT32:
    case PROTOBUF_C_TYPE_ENUM:
        return load_u32(at) != 0;
    default:
        return true; /* false and absent are the same */
    }
}

/* Required by everything. */
static bool check_envelope(struct reading *r, const Handoff__V1__Event *event)
{
    if (!event->id[0]) return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, &(struct path){NULL, "id"}, "is empty");
    if (!event->source[0]) return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, &(struct path){NULL, "source"}, "is empty");
    if (!event->occurred_at_ms)
        return refuse(r, HANDOFF__V1__CODE__CODE_MISSING_FIELD, &(struct path){NULL, "occurred_at_ms"}, "is missing");
    return true;
}

static bool needs_patient(Handoff__V1__Event__BodyCase body)
{
    return body != HANDOFF__V1__EVENT__BODY_STAFF_ABSENT && body != HANDOFF__V1__EVENT__BODY_AGENCY_LISTED &&
           body != HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED && body != HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
}

/* What is said of the synthetic patient: that a beat was delivered, or not, and what is done with its escalation. */
static bool is_of_heartbeat(Handoff__V1__Event__BodyCase body)
{
    return body == HANDOFF__V1__EVENT__BODY_MESSAGE_SENT || body == HANDOFF__V1__EVENT__BODY_MESSAGE_FAILED ||
           body == HANDOFF__V1__EVENT__BODY_ESCALATION_ACKNOWLEDGED ||
           body == HANDOFF__V1__EVENT__BODY_ESCALATION_RESOLVED || body == HANDOFF__V1__EVENT__BODY_TASK_COMPLETED ||
           body == HANDOFF__V1__EVENT__BODY_TASK_CANCELLED;
}

static bool check_required(const struct intake *in, struct reading *r, const Handoff__V1__Event *event)
{
    const struct event_kind *kind = in->bodies[(unsigned)event->body_case].kind;
    if (!kind) return refuse(r, HANDOFF__V1__CODE__CODE_MISSING_BODY, NULL, "has no body");
    if (!event->patient_id[0] && needs_patient(event->body_case))
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, &(struct path){NULL, "patient_id"}, "is empty");
    if (strcmp(event->patient_id, HEARTBEAT_PATIENT) == 0 && !is_of_heartbeat(event->body_case))
        return refuse(r, HANDOFF__V1__CODE__CODE_BAD_ID, &(struct path){NULL, "patient_id"},
                      "is the daemon's own synthetic patient");
    for (uint32_t i = 0; i < in->bodies[kind->body].required_count; i++) {
        const struct required *required = &in->bodies[kind->body].required[i];
        const void *message = required->is_of_event ? (const void *)event : event->referral_requested;
        if (is_present(required->field, message)) continue;
        struct path body = {NULL, in->event->fields[kind->body].name};
        struct path path = {required->is_of_event ? NULL : &body, required->field->name};
        return refuse(r, HANDOFF__V1__CODE__CODE_MISSING_FIELD, &path, "is missing");
    }
    return true;
}

static bool check_sense(const struct intake *in, struct reading *r, const Handoff__V1__Event *event)
{
    struct nonsense n;
    if (intake_makes_sense(event, r->now_ms, &n)) return true;
    struct path body = {NULL, in->event->fields[event->body_case].name};
    return refuse(r, n.code, &(struct path){&body, n.field}, n.problem);
}

/* --- unpacking -------------------------------------------------------------------------------------------------- */

struct budget {
    struct arena *arena;
    size_t left;
};

static void *budget_alloc(void *data, size_t bytes)
{
    struct budget *budget = data;
    if (bytes > budget->left) return NULL;
    budget->left -= bytes;
    ProtobufCAllocator *arena = arena_protobuf(budget->arena);
    return arena->alloc(arena->allocator_data, bytes);
}

static void budget_free(void *data, void *pointer)
{
    (void)data;
    (void)pointer;
}

/* Four times the bytes, and room for the structs of a small one. Most clients write fields in their order. */
static Handoff__V1__Event *unpack(struct bytes bytes, struct arena *arena)
{
    struct budget budget = {arena, 4 * bytes.len + 16 * 1024};
    size_t mark = arena_used(arena);
    Handoff__V1__Event *event = stored_read_within(&handoff__v1__event__descriptor, bytes, budget.left, arena);
    if (event) return event;
    arena_rewind(arena, mark);
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    return handoff__v1__event__unpack(&allocator, bytes.len, bytes.data);
}

int intake_read(const struct intake *in, struct bytes bytes, int64_t now_ms, struct arena *arena,
                const Handoff__V1__Event **ret_event, struct refusal *ret_refusal)
{
    struct reading r = {arena, now_ms, ret_refusal};
    if (bytes.len > LIMIT_EVENT_BYTES) {
        refuse(&r, HANDOFF__V1__CODE__CODE_TOO_LARGE, NULL, "is larger than 65536 bytes");
        return -1;
    }
    if (bytes.len && !walk(&r, in->event, bytes, NULL)) return -1;
    const Handoff__V1__Event *event = unpack(bytes, arena);
    if (!event) {
        refuse(&r, HANDOFF__V1__CODE__CODE_TOO_LARGE, NULL, "takes too much memory");
        return -1;
    }
    if (!check_envelope(&r, event) || !check_required(in, &r, event) || !check_sense(in, &r, event))
        return -1;
    *ret_event = event;
    return 0;
}
