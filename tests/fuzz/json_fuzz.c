/* Arbitrary bytes as the JSON of a message. The first byte chooses the message. What parses is printed, read back and
 * printed again: it must be the same text. What does not parse must be said in a sentence. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "handoff.h"
#include "handoff/v1/journal.pb-c.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(int is_true)
{
    if (!is_true) abort();
}

static char *print(ProtobufCMessage *message, bool is_indented)
{
    char *text = handoff_json_print(message, is_indented);
    require(text != NULL);
    protobuf_c_message_free_unpacked(message, NULL);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const ProtobufCMessageDescriptor *const kinds[] = {
        &handoff__v1__event__descriptor,    &handoff__v1__emission__descriptor,       &handoff__v1__request__descriptor,
        &handoff__v1__reply__descriptor,    &handoff__v1__patient_record__descriptor, &handoff__v1__outcome__descriptor};
    struct handoff_json_error error = {0};
    ProtobufCMessage *message = NULL;
    if (size == 0) return 0;
    const ProtobufCMessageDescriptor *kind = kinds[data[0] % (sizeof kinds / sizeof *kinds)];
    int code = handoff_json_parse(kind, (const char *)data + 1, size - 1, &error, &message);
    require(code == 0 || code == HANDOFF_BAD_JSON || code == HANDOFF_TOO_LARGE);
    require(code != HANDOFF_BAD_JSON || error.sentence[0]);
    if (code) return 0;
    char *first = print(message, data[0] & 0x80);
    require(handoff_json_parse(kind, first, strlen(first), &error, &message) == 0);
    char *second = print(message, data[0] & 0x80);
    require(strcmp(first, second) == 0);
    free(first);
    free(second);
    return 0;
}
