/* From bytes that a stranger sent to an event that the core may believe, or a refusal that the stranger can act on.
 *
 * The bytes are checked as they lie, before anything is allocated: lengths, tags, text, values, counts. protobuf-c
 * alone would accept a NUL or bad UTF-8 in a string, any number for an enum, and would keep fields it does not know.
 *
 * Stricter than protobuf on purpose: a field that may be there once and is there twice is refused, and so is a field
 * that this schema does not have: a newer client's new field must not be lost in silence. */
#ifndef HANDOFF_ENGINE_INTAKE_H
#define HANDOFF_ENGINE_INTAKE_H

#include "base/arena.h"
#include "base/bytes.h"
#include "handoff/v1/api.pb-c.h"
#include "handoff/v1/event.pb-c.h"

struct intake;

struct refusal {
    Handoff__V1__Code code;
    const char *sentence; /* names the field; never its content */
    const char *field;    /* dotted: "care_team_updated.members.party"; "" when it is not one field's fault */
};

/* Tables derived from the schema, once. NULL: out of memory. Aborts when the vocabulary names fields that the schema
 * does not have: that is our mistake. */
struct intake *intake_new(void);
void intake_free(struct intake *in);

/* 0, or -1 with the refusal. now_ms: times are judged against it. Both results live in the arena, and take of it no
 * more than INTAKE_BYTES_MAX. */
enum { INTAKE_BYTES_MAX = 512 * 1024 };
int intake_read(const struct intake *in, struct bytes bytes, int64_t now_ms, struct arena *arena,
                const Handoff__V1__Event **ret_event, struct refusal *ret_refusal);

#endif
