/* The schema of events as tables, made from the descriptors once: what to check of each field, by tag; and what each
 * kind of event requires. intake.c walks along them. */
#ifndef HANDOFF_ENGINE_INTAKE_TABLES_H
#define HANDOFF_ENGINE_INTAKE_TABLES_H

#include <stdbool.h>
#include "core/pathway.h"

enum check {
    CHECK_UNKNOWN, /* no such field */
    CHECK_NUMBER,
    CHECK_NUMBER_32,
    CHECK_ENUM,
    CHECK_OCCURRED,
    CHECK_TIME,
    CHECK_DATE,
    CHECK_BORN,
    CHECK_MINUTE,
    CHECK_ID,
    CHECK_TEXT,
    CHECK_MESSAGE
};

enum { TAG_MAX = 160, SHAPES_MAX = 96, FIRST_BODY_TAG = 20, REQUIRED_MAX = 8 };

struct field {
    uint8_t check;
    uint8_t position; /* of the descriptor's fields: its bit among those seen */
    bool is_repeated, is_body;
    const char *name;
    uint64_t values;           /* ENUM: bit set of what there is */
    const struct shape *shape; /* MESSAGE */
};

struct shape {
    const ProtobufCMessageDescriptor *message;
    struct field *fields; /* by tag */
    uint32_t tag_max;
};

struct required {
    const ProtobufCFieldDescriptor *field;
    bool is_of_event; /* else of the body */
};

struct intake {
    struct shape shapes[SHAPES_MAX];
    uint32_t shape_count;
    const struct shape *event;
    struct {
        const struct event_kind *kind;
        struct required required[REQUIRED_MAX];
        uint32_t required_count;
    } bodies[TAG_MAX];
};

#endif
