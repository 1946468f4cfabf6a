/* base/stored against protobuf-c: random messages of the kinds that are stored, byte for byte, and damaged ones. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/stored.h"
#include "handoff/v1/api.pb-c.h"
#include "handoff/v1/journal.pb-c.h"
#include "handoff/v1/record.pb-c.h"

enum { ROUNDS = 3000, BYTES_MAX = 1 << 20, LIST_MAX = 4, DEPTH_MAX = 4 };

static const ProtobufCMessageDescriptor *const kinds[] = {
    &handoff__v1__patient_record__descriptor, &handoff__v1__outcome__descriptor, &handoff__v1__timer_input__descriptor,
    &handoff__v1__command_input__descriptor, &handoff__v1__event__descriptor, &handoff__v1__delivery__descriptor,
};
enum { KINDS = sizeof kinds / sizeof *kinds };

struct fixture {
    struct arena *arena;
    uint64_t random;
    uint8_t *expected, *space;
};

static int set_up(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    *f = (struct fixture){arena_new(1 << 24), 7, malloc(BYTES_MAX), malloc(BYTES_MAX)};
    *state = f;
    return f->arena && f->expected && f->space ? 0 : -1;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    arena_free(f->arena);
    free(f->expected);
    free(f->space);
    free(f);
    return 0;
}

static uint64_t draw(struct fixture *f)
{
    f->random = f->random * UINT64_C(6364136223846793005) + 1442695040888963407;
    return f->random >> 11;
}

/* Often small, sometimes with all bits, so that every length of varint occurs. */
static uint64_t draw_number(struct fixture *f)
{
    uint64_t number = draw(f) << 20 ^ draw(f);
    return number >> draw(f) % 64;
}

static ProtobufCMessage *draw_message(struct fixture *f, const ProtobufCMessageDescriptor *d, int depth);

static size_t fill(struct fixture *f, const ProtobufCFieldDescriptor *field, void *at, int depth)
{
    uint64_t number = draw_number(f);
    switch (field->type) {
    case PROTOBUF_C_TYPE_MESSAGE:
        *(void **)at = draw_message(f, field->descriptor, depth + 1);
        return sizeof(void *);
    case PROTOBUF_C_TYPE_STRING: {
        char *text = arena_alloc(f->arena, 200);
        memset(text, 'x', draw(f) % 5 ? draw(f) % 8 : draw(f) % 199);
        *(char **)at = text;
        return sizeof(char *);
    }
    case PROTOBUF_C_TYPE_BYTES:
        *(ProtobufCBinaryData *)at = (ProtobufCBinaryData){draw(f) % 20, arena_alloc(f->arena, 20)};
        return sizeof(ProtobufCBinaryData);
    case PROTOBUF_C_TYPE_INT64:
    case PROTOBUF_C_TYPE_UINT64:
    case PROTOBUF_C_TYPE_FIXED64:
        memcpy(at, &number, 8);
        return 8;
    case PROTOBUF_C_TYPE_BOOL:
        number &= 1;
        memcpy(at, &number, 4);
        return 4;
    default:
        memcpy(at, &number, 4);
        return 4;
    }
}

static void fill_list(struct fixture *f, const ProtobufCFieldDescriptor *field, char *message, int depth)
{
    size_t count = draw(f) % (LIST_MAX + 1), bytes = 0;
    char *list = arena_alloc(f->arena, LIST_MAX * sizeof(ProtobufCBinaryData));
    for (size_t i = 0; i < count; i++) bytes += fill(f, field, list + bytes, depth);
    memcpy(message + field->quantifier_offset, &count, sizeof count);
    if (count) memcpy(message + field->offset, &list, sizeof list);
}

static void fill_field(struct fixture *f, const ProtobufCFieldDescriptor *field, char *message, int depth)
{
    if (draw(f) % 2 || (field->type == PROTOBUF_C_TYPE_MESSAGE && depth >= DEPTH_MAX)) return;
    if (field->label == PROTOBUF_C_LABEL_REPEATED) {
        fill_list(f, field, message, depth);
        return;
    }
    if (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) {
        if (draw(f) % 4) return;
        memset(message + field->offset, 0, sizeof(void *));
        memcpy(message + field->quantifier_offset, &field->id, sizeof field->id);
    }
    fill(f, field, message + field->offset, depth);
}

static ProtobufCMessage *draw_message(struct fixture *f, const ProtobufCMessageDescriptor *d, int depth)
{
    ProtobufCMessage *message = arena_alloc(f->arena, d->sizeof_message);
    d->message_init(message);
    for (unsigned i = 0; i < d->n_fields; i++) fill_field(f, &d->fields[i], (char *)message, depth);
    return message;
}

static struct bytes pack_by_protobuf_c(struct fixture *f, const ProtobufCMessage *message)
{
    assert_true(protobuf_c_message_get_packed_size(message) <= BYTES_MAX);
    return (struct bytes){f->expected, protobuf_c_message_pack(message, f->expected)};
}

static void a_message_is_written_byte_for_byte_as_protobuf_c_packs_it(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(f->arena);
        const ProtobufCMessage *message = draw_message(f, kinds[round % KINDS], 0);
        struct bytes expected = pack_by_protobuf_c(f, message);
        uint8_t *at = stored_write(message, f->space, f->space + BYTES_MAX);
        assert_non_null(at);
        assert_int_equal(f->space + BYTES_MAX - at, expected.len);
        assert_memory_equal(at, expected.data, expected.len);
    }
}

static void a_message_reads_back_as_protobuf_c_unpacks_it(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(f->arena);
        struct bytes packed = pack_by_protobuf_c(f, draw_message(f, kinds[round % KINDS], 0));
        const ProtobufCMessage *read = stored_read(kinds[round % KINDS], packed, f->arena);
        assert_non_null(read);
        assert_true(protobuf_c_message_check(read));
        assert_int_equal(protobuf_c_message_get_packed_size(read), packed.len);
        protobuf_c_message_pack(read, f->space);
        assert_memory_equal(f->space, packed.data, packed.len);
    }
}

static void fields_that_are_not_asked_for_are_not_there_and_all_others_are(void **state)
{
    static const struct stored_fields without = {{UINT64_C(1) << 21 | UINT64_C(1) << 42 | UINT64_C(1) << 60, UINT64_C(1) << 3}};
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(f->arena);
        Handoff__V1__PatientRecord *record = (void *)draw_message(f, kinds[0], 0);
        struct bytes all = pack_by_protobuf_c(f, &record->base);
        Handoff__V1__PatientRecord *some = stored_unpack_without(kinds[0], all, &without, f->arena);
        assert_non_null(some);
        record->n_consents = record->n_timers = record->n_seen = 0;
        record->taken_back = NULL;
        record->n_taken_back = 0;
        struct bytes expected = pack_by_protobuf_c(f, &record->base);
        assert_int_equal(protobuf_c_message_get_packed_size(&some->base), expected.len);
        protobuf_c_message_pack(&some->base, f->space);
        assert_memory_equal(f->space, expected.data, expected.len);
    }
}

static void what_does_not_fit_is_refused_and_nothing_before_the_space_is_touched(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(f->arena);
        const ProtobufCMessage *message = draw_message(f, kinds[round % KINDS], 0);
        size_t len = pack_by_protobuf_c(f, message).len;
        if (!len) continue;
        uint8_t *begin = f->space + 100;
        memset(f->space, 0x5a, 100);
        assert_ptr_equal(stored_write(message, begin, begin + len), begin);
        assert_null(stored_write(message, begin, begin + draw(f) % len));
        for (int i = 0; i < 100; i++) assert_int_equal(f->space[i], 0x5a);
    }
}

/* Whatever comes of it: nothing outside of the bytes is read, and what is read can be packed. */
static void damaged_bytes_are_refused_or_read_as_something_whole(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        const ProtobufCMessageDescriptor *kind = kinds[round % KINDS];
        arena_reset(f->arena);
        struct bytes packed = pack_by_protobuf_c(f, draw_message(f, kind, 0));
        if (!packed.len) continue;
        size_t len = round % 2 ? draw(f) % packed.len : packed.len;
        uint8_t *copy = malloc(len ? len : 1);
        memcpy(copy, packed.data, len);
        for (uint64_t flips = draw(f) % 4; len && flips; flips--) copy[draw(f) % len] ^= (uint8_t)(1u << draw(f) % 8);
        const ProtobufCMessage *read = stored_read(kind, (struct bytes){copy, len}, f->arena);
        free(copy);
        if (read) assert_true(protobuf_c_message_get_packed_size(read) < 4 * BYTES_MAX);
    }
}

/* --- read, changed, written again --- */
static void change_message(struct fixture *f, ProtobufCMessage *message, int depth);

/* Its list is its own, as the lists of a copy are. */
static void change_list(struct fixture *f, const ProtobufCFieldDescriptor *field, char *message, int depth)
{
    size_t count;
    void **list;
    memcpy(&count, message + field->quantifier_offset, sizeof count);
    memcpy(&list, message + field->offset, sizeof list);
    bool is_of_messages = field->type == PROTOBUF_C_TYPE_MESSAGE;
    if (count && draw(f) % 3 == 0) count--;
    if (count > 1 && is_of_messages && draw(f) % 3 == 0) list[0] = list[count - 1]; /* one that is there twice */
    if (count && is_of_messages) change_message(f, list[draw(f) % count], depth + 1);
    else if (count) fill(f, field, list, depth);
    memcpy(message + field->quantifier_offset, &count, sizeof count);
}

static void change_field(struct fixture *f, const ProtobufCFieldDescriptor *field, char *message, int depth)
{
    uint32_t which;
    memcpy(&which, message + field->quantifier_offset, sizeof which);
    bool is_member = field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF;
    bool is_message = field->type == PROTOBUF_C_TYPE_MESSAGE && (!is_member || which == field->id);
    if (field->label == PROTOBUF_C_LABEL_REPEATED) change_list(f, field, message, depth);
    else if (is_message && *(void **)(void *)(message + field->offset)) change_message(f, *(void **)(void *)(message + field->offset), depth + 1);
    else fill_field(f, field, message, depth);
}

/* Most of it stays as it is. */
static void change_message(struct fixture *f, ProtobufCMessage *message, int depth)
{
    for (unsigned changes = draw(f) % 4; message->descriptor->n_fields && changes; changes--)
        change_field(f, &message->descriptor->fields[draw(f) % message->descriptor->n_fields], (char *)message, depth);
}

static void what_was_read_and_changed_is_written_as_protobuf_c_packs_it(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 4 * ROUNDS; round++) {
        const ProtobufCMessageDescriptor *kind = kinds[round % KINDS];
        arena_reset(f->arena);
        struct bytes packed = pack_by_protobuf_c(f, draw_message(f, kind, 0));
        packed.data = arena_copy(f->arena, packed.data, packed.len);
        const ProtobufCMessage *read = stored_unpack_kept(kind, packed, f->arena);
        assert_non_null(read);
        ProtobufCMessage *changed = stored_copy(read, f->arena);
        if (round % 4) change_message(f, changed, 0);
        assert_int_equal(pack_by_protobuf_c(f, read).len, packed.len); /* as it was */
        assert_memory_equal(f->expected, packed.data, packed.len);
        struct bytes expected = pack_by_protobuf_c(f, changed);
        uint8_t *at = stored_write(changed, f->space, f->space + BYTES_MAX);
        assert_non_null(at);
        assert_int_equal(f->space + BYTES_MAX - at, expected.len);
        assert_memory_equal(at, expected.data, expected.len);
    }
}

static void a_copy_may_be_changed_and_the_original_stays(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        arena_reset(f->arena);
        const ProtobufCMessage *message = draw_message(f, kinds[round % KINDS], 0);
        struct bytes before = pack_by_protobuf_c(f, message);
        ProtobufCMessage *copy = stored_copy(message, f->arena);
        uint8_t *at = stored_write(copy, f->space, f->space + BYTES_MAX);
        assert_memory_equal(at, before.data, before.len);
        change_message(f, copy, 0);
        at = stored_write(message, f->space, f->space + BYTES_MAX);
        assert_int_equal(f->space + BYTES_MAX - at, before.len);
        assert_memory_equal(at, before.data, before.len);
    }
}

/* Whoever changes what was read, and not a copy, gets what is there now. */
static void what_was_read_may_be_changed_itself(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < ROUNDS; round++) {
        const ProtobufCMessageDescriptor *kind = kinds[round % KINDS];
        arena_reset(f->arena);
        ProtobufCMessage *read = stored_unpack_kept(kind, pack_by_protobuf_c(f, draw_message(f, kind, 0)), f->arena);
        change_message(f, read, 0);
        struct bytes expected = pack_by_protobuf_c(f, read);
        uint8_t *at = stored_write(read, f->space, f->space + BYTES_MAX);
        assert_int_equal(f->space + BYTES_MAX - at, expected.len);
        assert_memory_equal(at, expected.data, expected.len);
    }
}

static void fields_in_another_order_are_left_to_protobuf_c(void **state)
{
    struct fixture *f = *state;
    static const uint8_t swapped[] = {0x18, 5, 0x08, 1}; /* generation, then kind */
    struct bytes bytes = {swapped, sizeof swapped};
    assert_null(stored_read(&handoff__v1__timer_input__descriptor, bytes, f->arena));
    const Handoff__V1__TimerInput *input = stored_unpack(&handoff__v1__timer_input__descriptor, bytes, f->arena);
    assert_non_null(input);
    assert_int_equal(input->generation, 5);
    assert_int_equal(input->kind, HANDOFF__V1__DUE_KIND__DUE_KIND_TIMER);
}

static void unknown_fields_are_kept_by_protobuf_c(void **state)
{
    struct fixture *f = *state;
    static const uint8_t later[] = {0x08, 1, 0xf8, 0x3f, 9}; /* field 1023 */
    struct bytes bytes = {later, sizeof later};
    const Handoff__V1__TimerInput *input = stored_unpack(&handoff__v1__timer_input__descriptor, bytes, f->arena);
    assert_non_null(input);
    assert_int_equal(input->base.n_unknown_fields, 1);
    assert_null(stored_write(&input->base, f->space, f->space + BYTES_MAX));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_is_written_byte_for_byte_as_protobuf_c_packs_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_message_reads_back_as_protobuf_c_unpacks_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_that_are_not_asked_for_are_not_there_and_all_others_are, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_does_not_fit_is_refused_and_nothing_before_the_space_is_touched, set_up, tear_down),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_refused_or_read_as_something_whole, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_read_and_changed_is_written_as_protobuf_c_packs_it, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_copy_may_be_changed_and_the_original_stays, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_was_read_may_be_changed_itself, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fields_in_another_order_are_left_to_protobuf_c, set_up, tear_down),
        cmocka_unit_test_setup_teardown(unknown_fields_are_kept_by_protobuf_c, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("stored", tests, NULL, NULL);
}
