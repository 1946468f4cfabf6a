/* Flags made from the descriptors of an event: its body's fields and the envelope's. */
#ifndef HANDOFF_FLAGS_H
#define HANDOFF_FLAGS_H

#include "handoff.h"

#include <argp.h>
#include <string.h>

#define FLAGS_MOST      64
#define FLAG_NAME_BYTES 64
#define FLAG_KEY        0x10000 /* argp key of the first flag: beyond every character */

static inline bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

struct flag {
    const ProtobufCFieldDescriptor *field;
    char name[FLAG_NAME_BYTES];  /* shown */
    char alias[FLAG_NAME_BYTES]; /* also understood; may be empty */
    char argument[FLAG_NAME_BYTES];
    char help[1024];
    bool is_body;
};

struct flags {
    Handoff__V1__Event *event; /* owned */
    ProtobufCMessage *body;    /* part of the event */
    struct flag list[FLAGS_MOST];
    size_t count;
    struct argp_option options[2 * FLAGS_MOST + 3];
    char heading[128];
};

/* Makes an event with an empty body of this kind, and its flags. HANDOFF_NO_MEMORY. */
int flags_open(const ProtobufCFieldDescriptor *body, struct flags **ret_flags);
void flags_close(struct flags **flags);
/* The flag of an argp key, or NULL. */
const struct flag *flags_of_key(const struct flags *flags, int key);
/* Writes the value into the event. On failure `mistake` is one sentence. */
int flags_set(struct flags *flags, const struct flag *flag, const char *text, char *mistake, size_t size);

/* One field of any message from its text; what flags_set and key=value lists share. `text` NULL: a switch. */
int field_set(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *text,
              char *mistake, size_t size);
/* A date of the calendar (yyyymmdd), rather than a number. */
bool field_is_date(const ProtobufCFieldDescriptor *field);
/* What people type for a field: agency_id is "agency", starts_at_ms is "starts-at", is_planned is "planned".
 */
void field_flag_name(const ProtobufCMessageDescriptor *descriptor, const ProtobufCFieldDescriptor *field,
                     char *name, size_t size);

#endif
