/* Messages in words, for tables and lines. Each writes at most `size` bytes and returns `text`. */
#ifndef HANDOFF_DESCRIBE_H
#define HANDOFF_DESCRIBE_H

#include "handoff.h"

#define DESCRIPTION_BYTES 512

/* "caller guardian, callee agency, purpose intake, outcome voicemail": the body's fields that are set. */
const char *describe_event_body(const Handoff__V1__Event *event, char *text, size_t size);
/* "task t3 opened: call-family for coordinator, due Mon 2026-03-09 16:40" */
const char *describe_emission(const Handoff__V1__Emission *emission, char *text, size_t size);
/* "referral call-back: idle -> waiting" */
const char *describe_step(const Handoff__V1__TimelineStep *step, char *text, size_t size);
/* "agency oak-street"; empty for nobody. */
const char *describe_recipient(const Handoff__V1__Recipient *recipient, char *text, size_t size);
/* "holds a, b" joined by commas. */
const char *describe_list(char **items, size_t count, char *text, size_t size);

/* "t3" of "KEY-t3", as people say it within a patient; the daemon understands both. Borrows from `id`. */
const char *short_id(const char *id);
/* Text of events must not steer a terminal: control characters become spaces. Tables do it by themselves. */
char *make_printable(char *text);

/* The word of an enum's value in a buffer of the expression's own. */
#define WORD(descriptor, value) word_of(&(descriptor), (int)(value), (char[64]){0})
static inline const char *word_of(const ProtobufCEnumDescriptor *descriptor, int value, char word[64])
{
    handoff_enum_word(descriptor, value, word, 64);
    return word;
}

#endif
