/* Rows that are remembered: right or not there, never wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/mman.h>

#include "engine/places.h"

enum { SUBJECTS = 100000 };

static struct patient_key key_of(uint64_t subject)
{
    struct patient_key key;
    store_u64(key.bytes, subject * UINT64_C(0x9e3779b97f4a7c15));
    store_u64(key.bytes + 8, subject * UINT64_C(0xc2b2ae3d27d4eb4f));
    return key;
}

static struct index_row row_of(uint64_t subject, uint64_t turn)
{
    return (struct index_row){.sequence = turn * SUBJECTS + subject + 1,
                              .batch_sequence = turn * SUBJECTS + subject + 1 - subject % 1000,
                              .offset = (uint32_t)(subject * 80),
                              .flags = (uint16_t)subject,
                              .due_at_ms = subject % 3 ? (int64_t)(1700000000000 + subject) : NO_DUE,
                              .lodged_at_ms = subject % 2 ? -(int64_t)subject : NO_DUE};
}

static void assert_rows_equal(const struct index_row *a, const struct index_row *b)
{
    assert_int_equal(a->sequence, b->sequence);
    assert_int_equal(a->batch_sequence, b->batch_sequence);
    assert_int_equal(a->offset, b->offset);
    assert_int_equal(a->flags, b->flags);
    assert_int_equal(a->due_at_ms, b->due_at_ms);
    assert_int_equal(a->lodged_at_ms, b->lodged_at_ms);
}

static void a_row_is_the_newest_that_was_put_or_not_there(void **state)
{
    struct places p;
    (void)state;
    assert_int_equal(places_init(&p, SUBJECTS), 0);
    places_grow(&p, SUBJECTS);
    for (uint64_t turn = 0; turn < 3; turn++)
        for (uint64_t subject = 1000; subject < SUBJECTS; subject++) {
            struct patient_key key = key_of(subject);
            struct index_row row = row_of(subject, turn);
            places_put(&p, &key, &row);
        }
    uint32_t found = 0;
    for (uint64_t subject = 1000; subject < SUBJECTS; subject++) {
        struct patient_key key = key_of(subject);
        struct index_row row, newest = row_of(subject, 2);
        if (!places_get(&p, &key, &row)) continue;
        found++;
        assert_rows_equal(&row, &newest);
    }
    assert_in_range(found, (SUBJECTS - 1000) * 8 / 10, SUBJECTS - 1000);
    places_destroy(&p);
}

static void what_does_not_fit_is_forgotten_and_so_is_what_was_before(void **state)
{
    struct places p;
    struct patient_key key = key_of(7);
    struct index_row row = row_of(7, 1), got;
    (void)state;
    assert_int_equal(places_init(&p, 1), 0);
    places_put(&p, &key, &row);
    assert_true(places_get(&p, &key, &got));
    row.due_at_ms = INT64_MAX - 1;
    places_put(&p, &key, &row);
    assert_false(places_get(&p, &key, &got));
    row = row_of(7, 2);
    row.sequence = ((uint64_t)1 << 40) + 5;
    row.batch_sequence = (uint64_t)1 << 40;
    places_put(&p, &key, &row);
    assert_false(places_get(&p, &key, &got));
    row = row_of(7, 3);
    places_put(&p, &key, &row);
    assert_true(places_get(&p, &key, &got));
    assert_rows_equal(&got, &row);
    places_destroy(&p);
}

static void of_three_that_share_a_line_the_oldest_goes(void **state)
{
    struct places p;
    struct patient_key keys[3];
    struct index_row got;
    (void)state;
    assert_int_equal(places_init(&p, 1), 0);
    for (uint64_t i = 0; i < 3; i++) {
        struct index_row row = row_of(i, 1);
        keys[i] = key_of(i);
        store_u64(keys[i].bytes, 5);
        places_put(&p, &keys[i], &row);
    }
    assert_false(places_get(&p, &keys[0], &got));
    assert_true(places_get(&p, &keys[1], &got));
    assert_true(places_get(&p, &keys[2], &got));
    places_destroy(&p);
}

static void to_clear_and_to_grow_is_to_forget(void **state)
{
    struct places p;
    struct patient_key key = key_of(7);
    struct index_row row = row_of(7, 1), got;
    (void)state;
    assert_int_equal(places_init(&p, SUBJECTS), 0);
    places_put(&p, &key, &row);
    places_clear(&p);
    assert_false(places_get(&p, &key, &got));
    places_put(&p, &key, &row);
    places_grow(&p, 1); /* it is as large already */
    assert_true(places_get(&p, &key, &got));
    places_grow(&p, SUBJECTS);
    assert_false(places_get(&p, &key, &got));
    places_put(&p, &key, &row);
    places_grow(&p, 1000 * (uint64_t)SUBJECTS); /* it may not be larger */
    assert_true(places_get(&p, &key, &got));
    places_destroy(&p);
}

static void to_prepare_takes_the_memory_and_nothing_else(void **state)
{
    struct places p;
    struct patient_key key = key_of(7);
    struct index_row row = row_of(7, 1), got;
    static unsigned char pages[2 * SUBJECTS]; /* more than one of 4 KiB for each line of 64 bytes */
    size_t bytes = SUBJECTS * (size_t)64 / 4096 * 4096;
    (void)state;
    assert_int_equal(places_init(&p, SUBJECTS), 0);
    places_put(&p, &key, &row);
    places_prepare(&p, SUBJECTS);
    assert_true(places_get(&p, &key, &got));
    assert_int_equal(mincore(p.lines, bytes, pages), 0);
    for (size_t i = 0; i < bytes / 4096; i++) assert_true(pages[i] & 1);
    places_grow(&p, SUBJECTS);
    assert_false(places_get(&p, &key, &got));
    places_destroy(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_is_the_newest_that_was_put_or_not_there),
        cmocka_unit_test(what_does_not_fit_is_forgotten_and_so_is_what_was_before),
        cmocka_unit_test(of_three_that_share_a_line_the_oldest_goes),
        cmocka_unit_test(to_clear_and_to_grow_is_to_forget),
        cmocka_unit_test(to_prepare_takes_the_memory_and_nothing_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
