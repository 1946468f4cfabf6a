/* The words of the language: enum values and fields as people write them.
 *
 * An enum value is written without its prefix: in kebab-case where the file names things (call-family, on-call),
 * in upper case where it compares or names a party (VOICEMAIL, AGENCY). The schema's descriptors are the only list. */
#ifndef HANDOFF_PATHWAY_WORDS_H
#define HANDOFF_PATHWAY_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <protobuf-c/protobuf-c.h>

enum word_case { WORD_KEBAB, WORD_UPPER };
enum { WORD_BYTES = 64 };

/* What is wrong with a short text (a delay, a guard) and where in it. */
struct parse_error {
    size_t offset; /* bytes from its beginning */
    char sentence[320];
};

/* A value of this enum by its name; false: there is none. The zero value is a word only in upper case. */
bool word_find(const ProtobufCEnumDescriptor *type, enum word_case kind, const char *text, int *ret_value);
/* The name of a value into a buffer of WORD_BYTES; "?" for a number that the enum does not have. */
const char *word_of(const ProtobufCEnumDescriptor *type, enum word_case kind, int value, char *buffer);
/* The value's name that the text was probably meant to be, in the buffer, or NULL. */
const char *word_nearest(const ProtobufCEnumDescriptor *type, enum word_case kind, const char *text, char *buffer);
/* The same for the fields of a message. */
const char *word_nearest_field(const ProtobufCMessageDescriptor *type, const char *text);
/* A name as files give it: lower-case letters, digits and the joint ('-' or '_'), beginning with a letter. */
bool word_is_name(const char *text, char joint);

/* sentence, and what was probably meant: `unknown role "x"; did you mean "y"?` nearest may be NULL. */
void word_explain(struct parse_error *error, size_t offset, const char *nearest, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
