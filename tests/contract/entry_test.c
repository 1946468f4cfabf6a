/* The format of a batch: what is written is what is read, and no damage goes unseen. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "store/crc32c.h"
#include "store/entry.h"

enum { SMALL_BATCH_ENTRIES = 3 };

static const uint8_t prev_digest[DIGEST_BYTES] = {1, 2, 3};

/* A fixed generator: the same bytes in every run. */
static uint64_t next_random(uint64_t *seed)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    uint64_t x = *seed ^ (*seed >> 33);
    return x * 0xff51afd7ed558ccdu;
}

static struct entry sample_entry(uint64_t sequence)
{
    static const uint8_t text[] = "referral received, consent pending, record after";
    struct entry e = {
        .sequence = sequence,
        .prev_sequence = sequence / 2,
        .time_ms = 1700000000000 + (int64_t)sequence,
        .due_at_ms = sequence % 2 ? NO_DUE : -5,
        .key = {{(uint8_t)sequence, 9, 8}},
        .kind = ENTRY_EVENT,
        .format = ENTRY_FORMAT_PROTOBUF,
        .flags = ENTRY_HAS_OPEN_WORK,
        .input = {text, sequence % 9},
        .outcome = {text + 9, sequence % 5},
        .record = {text + 14, 10 + sequence % 7},
    };
    return e;
}

static struct bytes seal_sample(struct batch_builder *b, uint64_t first, uint32_t count)
{
    int64_t totals[TOTAL_COUNT] = {
        [TOTAL_ENTRIES] = (int64_t)(first + count - 1), [TOTAL_EMISSIONS_AUDIT] = -7};
    uint8_t digest[DIGEST_BYTES];
    batch_begin(b, first);
    for (uint32_t i = 0; i < count; i++) {
        struct entry e = sample_entry(first + i);
        batch_add(b, &e);
    }
    struct bytes blob = batch_seal(b, totals, prev_digest, digest);
    assert_memory_equal(digest, blob.data + blob.len - DIGEST_BYTES, DIGEST_BYTES);
    return blob;
}

static int set_up(void **state)
{
    return (*state = batch_builder_new()) ? 0 : -1;
}

static int tear_down(void **state)
{
    batch_builder_free(*state);
    return 0;
}

/* What every reader does before it believes a batch. The bytes are copied to memory of exactly their size, so
 * that the address sanitizer sees a read past them. */
static int check_copy(struct bytes blob)
{
    uint8_t *copy = malloc(blob.len ? blob.len : 1);
    assert_non_null(copy);
    if (blob.len) memcpy(copy, blob.data, blob.len);
    struct batch_view view;
    int code = batch_open((struct bytes){copy, blob.len}, &view);
    if (!code) code = batch_check(&view);
    free(copy);
    return code;
}

static void assert_same_bytes(struct bytes a, struct bytes b)
{
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.data, b.data, a.len);
}

static void assert_same_entry(const struct entry *a, const struct entry *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->prev_sequence, b->prev_sequence);
    assert_int_equal(a->time_ms, b->time_ms);
    assert_int_equal(a->due_at_ms, b->due_at_ms);
    assert_memory_equal(&a->key, &b->key, sizeof a->key);
    assert_int_equal(a->key_id, b->key_id);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->kind, b->kind);
    assert_int_equal(a->format, b->format);
    assert_same_bytes(a->input, b->input);
    assert_same_bytes(a->outcome, b->outcome);
    assert_same_bytes(a->record, b->record);
}

static void entries_read_back_as_they_were_added(void **state)
{
    struct batch_view view;
    assert_int_equal(batch_open(seal_sample(*state, 41, 100), &view), ENTRY_OK);
    assert_int_equal(view.first_sequence, 41);
    assert_int_equal(view.count, 100);
    assert_memory_equal(view.prev_digest, prev_digest, DIGEST_BYTES);
    uint32_t offset = view.entries_begin;
    for (uint64_t sequence = 41; sequence <= 140; sequence++) {
        struct entry expected = sample_entry(sequence), e;
        assert_int_equal(batch_entry_alone(view.blob, offset, &e), ENTRY_OK);
        assert_same_entry(&e, &expected);
        assert_int_equal(batch_entry(&view, offset, &e, &offset), ENTRY_OK);
        assert_same_entry(&e, &expected);
    }
    assert_int_equal(offset, view.entries_end);
    assert_int_equal(batch_check(&view), ENTRY_OK);
}

static void totals_read_back_and_missing_ones_read_as_zero(void **state)
{
    struct batch_view view;
    assert_int_equal(batch_open(seal_sample(*state, 41, 100), &view), ENTRY_OK);
    assert_int_equal(batch_total(&view, TOTAL_ENTRIES), 140);
    assert_int_equal(batch_total(&view, TOTAL_EMISSIONS_AUDIT), -7);
    view.total_count = TOTAL_EMISSIONS_AUDIT;
    assert_int_equal(batch_total(&view, TOTAL_EMISSIONS_AUDIT), 0);
}

static void sections_packed_in_place_make_the_same_blob_as_copied_ones(void **state)
{
    struct batch_builder *b = *state;
    struct bytes blob = seal_sample(b, 7, 1);
    uint8_t *copied = malloc(blob.len);
    memcpy(copied, blob.data, blob.len);
    struct entry from = sample_entry(7), e = from;
    int64_t totals[TOTAL_COUNT] = {[TOTAL_ENTRIES] = 7, [TOTAL_EMISSIONS_AUDIT] = -7};
    uint8_t digest[DIGEST_BYTES];
    batch_begin(b, 7);
    uint32_t offset = batch_reserve(b, &e, from.input.len, from.outcome.len, from.record.len);
    memcpy((uint8_t *)e.input.data, from.input.data, from.input.len);
    memcpy((uint8_t *)e.outcome.data, from.outcome.data, from.outcome.len);
    memcpy((uint8_t *)e.record.data, from.record.data, from.record.len);
    batch_finish_entry(b, offset, &e);
    size_t announced = batch_bytes(b);
    struct bytes again = batch_seal(b, totals, prev_digest, digest);
    assert_int_equal(announced, again.len);
    assert_same_bytes(again, (struct bytes){copied, blob.len});
    free(copied);
}

static void a_truncated_builder_forgets_the_entry_that_failed(void **state)
{
    struct batch_builder *b = *state;
    struct bytes expected = seal_sample(b, 7, 2);
    uint8_t *copy = malloc(expected.len);
    memcpy(copy, expected.data, expected.len);
    struct entry first = sample_entry(7), second = sample_entry(8), failed = sample_entry(8);
    batch_begin(b, 7);
    batch_add(b, &first);
    uint32_t offset = batch_reserve(b, &failed, 5000, 0, 1);
    batch_truncate(b, offset, 1);
    assert_int_equal(batch_count(b), 1);
    offset = batch_add(b, &failed);
    batch_truncate(b, offset, 1);
    batch_add(b, &second);
    int64_t totals[TOTAL_COUNT] = {[TOTAL_ENTRIES] = 8, [TOTAL_EMISSIONS_AUDIT] = -7};
    uint8_t digest[DIGEST_BYTES];
    assert_same_bytes(batch_seal(b, totals, prev_digest, digest), (struct bytes){copy, expected.len});
    free(copy);
}

static void an_entry_is_found_by_its_sequence_and_others_are_refused(void **state)
{
    struct batch_view view;
    assert_int_equal(batch_open(seal_sample(*state, 41, 100), &view), ENTRY_OK);
    for (uint64_t sequence = 41; sequence <= 140; sequence++) {
        uint32_t offset;
        struct entry e;
        assert_int_equal(batch_find(&view, sequence, &offset), ENTRY_OK);
        assert_int_equal(batch_entry_header(&view, offset, &e, NULL), ENTRY_OK);
        assert_int_equal(e.sequence, sequence);
    }
    uint32_t untouched = 12345;
    assert_int_equal(batch_find(&view, 40, &untouched), ENTRY_E_ORDER);
    assert_int_equal(batch_find(&view, 141, &untouched), ENTRY_E_ORDER);
    assert_int_equal(untouched, 12345);
}

static void every_flipped_bit_is_detected(void **state)
{
    struct bytes blob = seal_sample(*state, 5, SMALL_BATCH_ENTRIES);
    uint8_t *damaged = (uint8_t *)blob.data;
    assert_int_equal(check_copy(blob), ENTRY_OK);
    for (size_t bit = 0; bit < blob.len * 8; bit++) {
        damaged[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        if (check_copy(blob) == ENTRY_OK) fail_msg("bit %zu of %zu can flip unseen", bit, blob.len * 8);
        damaged[bit / 8] ^= (uint8_t)(1u << (bit % 8));
    }
    assert_int_equal(check_copy(blob), ENTRY_OK);
}

static void every_flipped_bit_of_an_entry_is_detected_without_the_digest(void **state)
{
    struct batch_view view;
    struct entry e;
    uint32_t end;
    assert_int_equal(batch_open(seal_sample(*state, 5, 1), &view), ENTRY_OK);
    assert_int_equal(batch_entry(&view, view.entries_begin, &e, &end), ENTRY_OK);
    for (size_t bit = view.entries_begin * 8; bit < end * 8; bit++) {
        uint8_t *byte = (uint8_t *)view.blob.data + bit / 8;
        *byte ^= (uint8_t)(1u << (bit % 8));
        assert_int_not_equal(batch_entry(&view, view.entries_begin, &e, NULL), ENTRY_OK);
        assert_int_not_equal(batch_entry_alone(view.blob, view.entries_begin, &e), ENTRY_OK);
        if (bit / 8 < view.entries_begin + ENTRY_HEADER_BYTES &&
            (bit / 8 < view.entries_begin + 4 || bit / 8 >= view.entries_begin + 8))
            assert_int_not_equal(batch_entry_header(&view, view.entries_begin, &e, NULL), ENTRY_OK);
        *byte ^= (uint8_t)(1u << (bit % 8));
    }
}

static void every_truncation_is_detected(void **state)
{
    struct bytes blob = seal_sample(*state, 5, SMALL_BATCH_ENTRIES);
    for (size_t len = 0; len < blob.len; len++)
        assert_int_not_equal(check_copy((struct bytes){blob.data, len}), ENTRY_OK);
    for (size_t from = 1; from < blob.len; from++)
        assert_int_not_equal(check_copy((struct bytes){blob.data + from, blob.len - from}), ENTRY_OK);
}

static void a_batch_with_bytes_behind_it_is_refused(void **state)
{
    struct bytes blob = seal_sample(*state, 5, SMALL_BATCH_ENTRIES);
    assert_int_not_equal(check_copy((struct bytes){blob.data, blob.len + 8}), ENTRY_OK);
}

static void random_bytes_are_refused_and_never_crash(void **state)
{
    (void)state;
    uint64_t seed = 1;
    uint8_t noise[700];
    for (int round = 0; round < 20000; round++) {
        size_t len = next_random(&seed) % sizeof noise;
        for (size_t i = 0; i < len; i++) noise[i] = (uint8_t)next_random(&seed);
        assert_int_not_equal(check_copy((struct bytes){noise, len}), ENTRY_OK);
    }
}

/* Frames that hold, around entries that lie: the reader must come out of it by itself, without the frame's
 * help. */
static void lying_lengths_inside_a_sound_frame_never_crash(void **state)
{
    uint64_t seed = 2;
    for (int round = 0; round < 20000; round++) {
        struct bytes blob = seal_sample(*state, 5, SMALL_BATCH_ENTRIES);
        uint8_t *copy = malloc(blob.len);
        memcpy(copy, blob.data, blob.len);
        struct batch_view view;
        assert_int_equal(batch_open((struct bytes){copy, blob.len}, &view), ENTRY_OK);
        uint8_t *at = copy + view.entries_begin;
        for (int i = 0; i < 3; i++) store_u32(at + 64 + 4 * i, (uint32_t)next_random(&seed));
        if (round % 2) store_u32(at, (uint32_t)next_random(&seed));
        store_u32(at + 76, crc32c(0, at + 8, 68));
        struct entry e;
        uint32_t next = (uint32_t)next_random(&seed) % (uint32_t)(blob.len + 64);
        assert_int_not_equal(batch_entry(&view, view.entries_begin, &e, NULL), ENTRY_OK);
        assert_int_not_equal(batch_entry_alone(view.blob, view.entries_begin, &e), ENTRY_OK);
        batch_entry_alone(view.blob, next, &e);
        batch_entry(&view, next, &e, &next);
        assert_int_not_equal(batch_check(&view), ENTRY_OK);
        free(copy);
    }
}

static void entries_in_the_wrong_order_are_named_as_such(void **state)
{
    struct bytes blob = seal_sample(*state, 9, 2);
    struct batch_view view;
    struct entry e;
    uint32_t second, offset;
    assert_int_equal(batch_open(blob, &view), ENTRY_OK);
    assert_int_equal(batch_entry(&view, view.entries_begin, &e, &second), ENTRY_OK);
    uint8_t *at = (uint8_t *)blob.data + second;
    store_u64(at + 8, 9);
    store_u32(at + 76, crc32c(0, at + 8, 68));
    store_u32(at + 4, crc32c(0, at + 8, load_u32(at) - 8));
    assert_int_equal(batch_check(&view), ENTRY_E_ORDER);
    assert_int_equal(batch_find(&view, 10, &offset), ENTRY_E_ORDER);
}

static void a_later_version_is_refused_by_name(void **state)
{
    struct bytes blob = seal_sample(*state, 5, 1);
    store_u16((uint8_t *)blob.data + 4, 2);
    assert_int_equal(check_copy(blob), ENTRY_E_VERSION);
    store_u32((uint8_t *)blob.data, 0);
    assert_int_equal(check_copy(blob), ENTRY_E_MAGIC);
}

static void a_failed_reader_leaves_its_outputs_untouched(void **state)
{
    struct bytes blob = seal_sample(*state, 5, 1);
    struct batch_view view, before;
    memset(&view, 0x5a, sizeof view);
    before = view;
    assert_int_equal(batch_open((struct bytes){blob.data, blob.len - 1}, &view), ENTRY_E_TRUNCATED);
    assert_memory_equal(&view, &before, sizeof view);
    assert_int_equal(batch_open(blob, &view), ENTRY_OK);
    struct entry e, untouched;
    memset(&e, 0x5a, sizeof e);
    memcpy(&untouched, &e, sizeof e);
    ((uint8_t *)blob.data)[view.entries_begin + 20] ^= 1;
    assert_int_not_equal(batch_entry(&view, view.entries_begin, &e, NULL), ENTRY_OK);
    assert_memory_equal(&e, &untouched, sizeof e);
    assert_int_not_equal(batch_entry_alone(blob, view.entries_begin, &e), ENTRY_OK);
    assert_memory_equal(&e, &untouched, sizeof e);
}

static void crc32c_gives_the_published_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c_table(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, "", 0), 0);
    uint8_t zeros[32] = {0};
    assert_int_equal(crc32c(0, zeros, 32), 0x8a9136aa); /* RFC 3720, B.4 */
}

static void the_instruction_and_the_table_agree_at_every_length_and_alignment(void **state)
{
    (void)state;
    if (!crc32c_has_hardware()) return;
    uint8_t data[2048];
    uint64_t seed = 3;
    for (size_t i = 0; i < sizeof data; i++) data[i] = (uint8_t)next_random(&seed);
    for (size_t from = 0; from < 9; from++)
        for (size_t len = 0; len <= sizeof data - from; len++) {
            uint32_t begin = (uint32_t)len * 2654435761u;
            assert_int_equal(crc32c_hardware(begin, data + from, len), crc32c_table(begin, data + from, len));
        }
}

static void crc32c_of_two_runs_chains(void **state)
{
    (void)state;
    assert_int_equal(crc32c(crc32c(0, "1234", 4), "56789", 5), 0xe3069283);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_read_back_as_they_were_added),
        cmocka_unit_test(totals_read_back_and_missing_ones_read_as_zero),
        cmocka_unit_test(sections_packed_in_place_make_the_same_blob_as_copied_ones),
        cmocka_unit_test(a_truncated_builder_forgets_the_entry_that_failed),
        cmocka_unit_test(an_entry_is_found_by_its_sequence_and_others_are_refused),
        cmocka_unit_test(every_flipped_bit_is_detected),
        cmocka_unit_test(every_flipped_bit_of_an_entry_is_detected_without_the_digest),
        cmocka_unit_test(every_truncation_is_detected),
        cmocka_unit_test(a_batch_with_bytes_behind_it_is_refused),
        cmocka_unit_test(random_bytes_are_refused_and_never_crash),
        cmocka_unit_test(lying_lengths_inside_a_sound_frame_never_crash),
        cmocka_unit_test(entries_in_the_wrong_order_are_named_as_such),
        cmocka_unit_test(a_later_version_is_refused_by_name),
        cmocka_unit_test(a_failed_reader_leaves_its_outputs_untouched),
        cmocka_unit_test(crc32c_gives_the_published_check_value),
        cmocka_unit_test(the_instruction_and_the_table_agree_at_every_length_and_alignment),
        cmocka_unit_test(crc32c_of_two_runs_chains),
    };
    return cmocka_run_group_tests_name("entry", tests, set_up, tear_down);
}
