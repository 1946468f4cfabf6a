/* The promises of store/journal.h, held against every implementation. The numbers are those of the header. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

#include "contract/batches.h"
#include "contract/folder.h"

enum { RECORD_BYTES = 1400, SMALL_MAP_BYTES = 1024 * 1024 };

struct fixture {
    char folder[FOLDER_BYTES], data[FOLDER_BYTES + 16], copy[FOLDER_BYTES + 16];
    struct journal *journal;
    struct batch_builder *builder, *expected;
};

/* --- which implementation ------------------------------------------------------------------------------- */

static int open_lmdb(struct fixture *f, struct journal **ret_journal)
{
    struct journal_options options = {.map_bytes = SMALL_MAP_BYTES};
    return journal_lmdb_open(f->data, &options, ret_journal);
}

static int open_lmdb_extended(struct fixture *f, struct journal **ret_journal)
{
    struct journal_options options = {.map_bytes = SMALL_MAP_BYTES, .ahead_bytes = 1};
    return journal_lmdb_open(f->data, &options, ret_journal);
}

static int open_memory(struct fixture *f, struct journal **ret_journal)
{
    (void)f;
    return journal_memory_open(ret_journal);
}

struct implementation {
    const char *name;
    int (*open)(struct fixture *f, struct journal **ret_journal);
};

/* The state begins as the implementation to test. */
static int set_up(void **state)
{
    const struct implementation *implementation = *state;
    struct fixture *f = *state = calloc(1, sizeof *f);
    if (!f || folder_make(f->folder)) return -1;
    snprintf(f->data, sizeof f->data, "%s/journal", f->folder);
    snprintf(f->copy, sizeof f->copy, "%s/copy", f->folder);
    f->builder = batch_builder_new();
    f->expected = batch_builder_new();
    return implementation->open(f, &f->journal);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    journal_close(f->journal);
    batch_builder_free(f->builder);
    batch_builder_free(f->expected);
    folder_remove(f->folder);
    free(f);
    return 0;
}

/* --- helpers -------------------------------------------------------------------------------------------- */

static void append_ok(struct fixture *f, uint32_t count, size_t record_bytes)
{
    assert_int_equal(batch_append_sample(f->journal, f->builder, count, record_bytes), 0);
}

static void assert_blob(struct fixture *f, struct bytes blob, uint64_t first, uint32_t count,
                        size_t record_bytes)
{
    struct bytes expected = batch_sample(f->expected, first, count, record_bytes);
    assert_int_equal(blob.len, expected.len);
    assert_memory_equal(blob.data, expected.data, blob.len);
}

static struct journal_reader *begin_reading(struct journal *j)
{
    struct journal_reader *r;
    assert_int_equal(j->ops->reader_new(j, &r), 0);
    assert_int_equal(j->ops->read_begin(r), 0);
    return r;
}

static void end_reading(struct journal *j, struct journal_reader *r)
{
    j->ops->read_end(r);
    j->ops->reader_free(r);
}

/* Walks a journal from its begin: every batch sound, each one behind the other. Returns the last sequence. */
static uint64_t walk(struct journal *j)
{
    struct journal_reader *r = begin_reading(j);
    uint64_t next = 1, first;
    struct bytes blob;
    while (j->ops->next(r, next, &first, &blob) == 0) {
        struct batch_view view;
        assert_int_equal(first, next);
        assert_int_equal(batch_open(blob, &view), 0);
        assert_int_equal(batch_check(&view), 0);
        next = first + view.count;
    }
    end_reading(j, r);
    return next - 1;
}

/* --- 1: compare and append ------------------------------------------------------------------------------ */

static void an_empty_journal_ends_at_zero_and_holds_no_batch(void **state)
{
    struct fixture *f = *state;
    uint64_t first = 77;
    struct bytes blob = {0};
    assert_int_equal(journal_last_sequence(f->journal), 0);
    struct journal_reader *r = begin_reading(f->journal);
    assert_int_equal(f->journal->ops->next(r, 0, &first, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(f->journal->ops->find(r, 1, &first, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(f->journal->ops->read(r, 1, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(first, 77);
    assert_null(blob.data);
    end_reading(f->journal, r);
}

static void appending_moves_the_last_sequence_by_the_count(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    assert_int_equal(journal_last_sequence(f->journal), 3);
    append_ok(f, 5, 10);
    assert_int_equal(journal_last_sequence(f->journal), 8);
}

static void a_writer_that_was_overtaken_is_fenced_and_changes_nothing(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    append_ok(f, 4, 10);
    struct bytes late = batch_sample(f->builder, 4, 2, 20);
    assert_int_equal(journal_append(f->journal, 3, 4, 2, late), JOURNAL_E_FENCED);
    assert_int_equal(journal_append(f->journal, 0, 1, 2, late), JOURNAL_E_FENCED);
    assert_int_equal(journal_append(f->journal, 8, 9, 2, late), JOURNAL_E_FENCED);
    assert_int_equal(journal_last_sequence(f->journal), 7);
    struct journal_reader *r = begin_reading(f->journal);
    struct bytes blob;
    assert_int_equal(f->journal->ops->read(r, 4, &blob), 0);
    assert_blob(f, blob, 4, 4, 10);
    end_reading(f->journal, r);
    append_ok(f, 1, 10);
}

static void the_first_batch_of_an_empty_journal_may_begin_anywhere(void **state)
{
    struct fixture *f = *state;
    struct bytes blob = batch_sample(f->builder, 5000, 2, 10);
    assert_int_equal(journal_append(f->journal, 0, 5000, 2, blob), 0);
    assert_int_equal(journal_last_sequence(f->journal), 5001);
    append_ok(f, 1, 10);
    assert_int_equal(journal_last_sequence(f->journal), 5002);
}

/* --- 4: reads back as it was ------------------------------------------------------------------------------
 */

static void a_batch_reads_back_byte_for_byte_whatever_its_size(void **state)
{
    struct fixture *f = *state;
    static const size_t sizes[] = {0, 1, 7, 1400, 4096, 65536, 400000};
    uint64_t first = 1;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) append_ok(f, (uint32_t)i + 1, sizes[i]);
    struct journal_reader *r = begin_reading(f->journal);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct bytes blob;
        assert_int_equal(f->journal->ops->read(r, first, &blob), 0);
        assert_blob(f, blob, first, (uint32_t)i + 1, sizes[i]);
        first += i + 1;
    }
    end_reading(f->journal, r);
}

static void find_gives_the_batch_that_holds_a_sequence(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    append_ok(f, 1, 10);
    append_ok(f, 4, 10);
    static const uint64_t firsts[] = {0, 1, 1, 1, 4, 5, 5, 5, 5};
    struct journal_reader *r = begin_reading(f->journal);
    for (uint64_t sequence = 1; sequence <= 8; sequence++) {
        uint64_t first;
        struct bytes blob;
        assert_int_equal(f->journal->ops->find(r, sequence, &first, &blob), 0);
        assert_int_equal(first, firsts[sequence]);
        assert_int_equal(load_u64(blob.data + 8), first);
    }
    static const uint64_t absent[] = {0, 9, 10, UINT64_MAX};
    for (size_t i = 0; i < sizeof absent / sizeof *absent; i++) {
        uint64_t first = 77;
        struct bytes blob;
        assert_int_equal(f->journal->ops->find(r, absent[i], &first, &blob), JOURNAL_E_NOT_FOUND);
        assert_int_equal(first, 77);
    }
    end_reading(f->journal, r);
}

static void next_gives_the_first_batch_at_or_after_a_sequence(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    append_ok(f, 2, 10);
    static const uint64_t expected[] = {1, 1, 4, 4, 4};
    struct journal_reader *r = begin_reading(f->journal);
    uint64_t first;
    struct bytes blob;
    for (uint64_t at_least = 0; at_least <= 4; at_least++) {
        assert_int_equal(f->journal->ops->next(r, at_least, &first, &blob), 0);
        assert_int_equal(first, expected[at_least]);
    }
    assert_int_equal(f->journal->ops->next(r, 5, &first, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(f->journal->ops->next(r, UINT64_MAX, &first, &blob), JOURNAL_E_NOT_FOUND);
    end_reading(f->journal, r);
}

static void only_the_exact_first_sequence_reads_a_batch(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    struct bytes blob;
    struct journal_reader *r = begin_reading(f->journal);
    assert_int_equal(f->journal->ops->read(r, 1, &blob), 0);
    assert_int_equal(f->journal->ops->read(r, 2, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(f->journal->ops->read(r, 0, &blob), JOURNAL_E_NOT_FOUND);
    end_reading(f->journal, r);
}

/* One thread appends here while it reads, which users must not: the batches are too small for the map to
 * grow. */

/* --- 5: readers and the appender -------------------------------------------------------------------------
 */

static void a_reader_sees_the_journal_as_it_was_when_it_began(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 2, 10);
    struct journal_reader *r = begin_reading(f->journal);
    append_ok(f, 2, 10);
    uint64_t first;
    struct bytes blob;
    assert_int_equal(f->journal->ops->next(r, 3, &first, &blob), JOURNAL_E_NOT_FOUND);
    assert_int_equal(f->journal->ops->find(r, 3, &first, &blob), JOURNAL_E_NOT_FOUND);
    f->journal->ops->read_end(r);
    assert_int_equal(f->journal->ops->read_begin(r), 0);
    assert_int_equal(f->journal->ops->next(r, 3, &first, &blob), 0);
    end_reading(f->journal, r);
}

static void bytes_stay_as_they_were_until_read_end_while_others_are_appended(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 2, RECORD_BYTES);
    struct journal_reader *r = begin_reading(f->journal);
    struct bytes blob;
    assert_int_equal(f->journal->ops->read(r, 1, &blob), 0);
    for (int i = 0; i < 20; i++) append_ok(f, 2, RECORD_BYTES);
    assert_blob(f, blob, 1, 2, RECORD_BYTES);
    end_reading(f->journal, r);
}

static void many_readers_can_be_open_at_once(void **state)
{
    struct fixture *f = *state;
    struct journal_reader *readers[16];
    append_ok(f, 1, 10);
    for (int i = 0; i < 16; i++) assert_int_equal(f->journal->ops->reader_new(f->journal, &readers[i]), 0);
    for (int i = 0; i < 16; i++) {
        struct bytes blob;
        assert_int_equal(f->journal->ops->read_begin(readers[i]), 0);
        assert_int_equal(f->journal->ops->read(readers[i], 1, &blob), 0);
        f->journal->ops->read_end(readers[i]);
    }
    for (int i = 0; i < 16; i++) f->journal->ops->reader_free(readers[i]);
}

struct reading {
    struct journal *journal;
    atomic_bool is_over;
    uint64_t checked, failures;
};

/* Reads whatever there is, over and over, until told; every batch it gets must be sound. */
static void *read_on(void *data)
{
    struct reading *reading = data;
    struct journal *j = reading->journal;
    struct journal_reader *r;
    if (j->ops->reader_new(j, &r)) return NULL;
    for (uint64_t next = 1; !reading->is_over || reading->checked == 0;) {
        uint64_t first;
        struct bytes blob;
        struct batch_view view;
        if (j->ops->read_begin(r)) {
            reading->failures++;
            continue;
        }
        int code = j->ops->next(r, next, &first, &blob);
        if (!code) {
            if (batch_open(blob, &view) || batch_check(&view) || first != next) reading->failures++;
            next = first + load_u32(blob.data + 16);
            reading->checked++;
        } else {
            next = 1;
        }
        j->ops->read_end(r);
    }
    j->ops->reader_free(r);
    return NULL;
}

/* With a map that begins small, so that it grows under the reader's feet. */
static void reading_goes_on_in_another_thread_while_the_journal_grows(void **state)
{
    struct fixture *f = *state;
    struct reading reading = {.journal = f->journal};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &reading), 0);
    for (int i = 0; i < 60; i++) append_ok(f, 256, RECORD_BYTES);
    reading.is_over = true;
    pthread_join(thread, NULL);
    assert_int_equal(reading.failures, 0);
    assert_true(reading.checked > 0);
    assert_int_equal(walk(f->journal), 60 * 256);
}

/* --- backup -----------------------------------------------------------------------------------------------
 */

static uint64_t walk_folder(const char *folder)
{
    struct journal *copy;
    struct journal_options options = {.is_read_only = 1};
    assert_int_equal(journal_lmdb_open(folder, &options, &copy), 0);
    uint64_t last = walk(copy);
    assert_int_equal(journal_last_sequence(copy), last);
    journal_close(copy);
    return last;
}

static void a_backup_holds_every_batch_there_was(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 10; i++) append_ok(f, 100, RECORD_BYTES);
    assert_int_equal(f->journal->ops->backup(f->journal, f->copy), 0);
    append_ok(f, 1, 10);
    assert_int_equal(walk_folder(f->copy), 1000);
    assert_int_equal(walk(f->journal), 1001);
}

static void a_backup_of_an_empty_journal_is_an_empty_journal(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(f->journal->ops->backup(f->journal, f->copy), 0);
    assert_int_equal(walk_folder(f->copy), 0);
}

static void a_backup_into_a_folder_in_use_is_refused_and_leaves_it_alone(void **state)
{
    struct fixture *f = *state;
    append_ok(f, 3, 10);
    assert_int_equal(f->journal->ops->backup(f->journal, f->copy), 0);
    append_ok(f, 3, 10);
    assert_int_equal(f->journal->ops->backup(f->journal, f->copy), JOURNAL_E_EXISTS);
    assert_int_equal(walk_folder(f->copy), 3);
    assert_int_equal(f->journal->ops->backup(f->journal, "/nonexistent/folder"), JOURNAL_E_IO);
}

struct copying {
    struct journal *journal;
    const char *folder;
    int code;
};

static void *copy_in_thread(void *data)
{
    struct copying *copying = data;
    copying->code = copying->journal->ops->backup(copying->journal, copying->folder);
    return NULL;
}

static void a_backup_taken_while_appending_is_a_whole_beginning_of_the_journal(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 30; i++) append_ok(f, 100, RECORD_BYTES);
    struct copying copying = {f->journal, f->copy, -1};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, copy_in_thread, &copying), 0);
    for (int i = 0; i < 30; i++) append_ok(f, 100, RECORD_BYTES);
    pthread_join(thread, NULL);
    assert_int_equal(copying.code, 0);
    uint64_t copied = walk_folder(f->copy);
    assert_true(copied >= 3000 && copied <= 6000 && copied % 100 == 0);
}

static void the_sizes_say_how_much_is_used(void **state)
{
    struct fixture *f = *state;
    uint64_t file_bytes, before, after;
    f->journal->ops->sizes(f->journal, &file_bytes, &before);
    append_ok(f, 100, RECORD_BYTES);
    f->journal->ops->sizes(f->journal, &file_bytes, &after);
    assert_true(after >= before + 100 * RECORD_BYTES);
    assert_true(file_bytes == 0 || file_bytes >= after);
}

/* --- every promise, for every implementation --------------------------------------------------------------
 */

#define PROMISE(test)                                                                                        \
    {                                                                                                        \
#test, test                                                                                          \
    }
static const struct {
    const char *name;
    CMUnitTestFunction function;
} promises[] = {
    PROMISE(an_empty_journal_ends_at_zero_and_holds_no_batch),
    PROMISE(appending_moves_the_last_sequence_by_the_count),
    PROMISE(a_writer_that_was_overtaken_is_fenced_and_changes_nothing),
    PROMISE(the_first_batch_of_an_empty_journal_may_begin_anywhere),
    PROMISE(a_batch_reads_back_byte_for_byte_whatever_its_size),
    PROMISE(find_gives_the_batch_that_holds_a_sequence),
    PROMISE(next_gives_the_first_batch_at_or_after_a_sequence),
    PROMISE(only_the_exact_first_sequence_reads_a_batch),
    PROMISE(a_reader_sees_the_journal_as_it_was_when_it_began),
    PROMISE(bytes_stay_as_they_were_until_read_end_while_others_are_appended),
    PROMISE(many_readers_can_be_open_at_once),
    PROMISE(reading_goes_on_in_another_thread_while_the_journal_grows),
    PROMISE(a_backup_holds_every_batch_there_was),
    PROMISE(a_backup_of_an_empty_journal_is_an_empty_journal),
    PROMISE(a_backup_into_a_folder_in_use_is_refused_and_leaves_it_alone),
    PROMISE(a_backup_taken_while_appending_is_a_whole_beginning_of_the_journal),
    PROMISE(the_sizes_say_how_much_is_used),
};

enum { PROMISES = sizeof promises / sizeof *promises, IMPLEMENTATIONS = 3, NAME_BYTES = 128 };

int main(void)
{
    static const struct implementation implementations[IMPLEMENTATIONS] = {
        {"memory", open_memory}, {"lmdb", open_lmdb}, {"lmdb, extended", open_lmdb_extended}};
    static char names[IMPLEMENTATIONS * PROMISES][NAME_BYTES];
    struct CMUnitTest tests[IMPLEMENTATIONS * PROMISES];
    for (int i = 0; i < IMPLEMENTATIONS * PROMISES; i++) {
        const struct implementation *implementation = &implementations[i / PROMISES];
        snprintf(names[i], NAME_BYTES, "%s: %s", implementation->name, promises[i % PROMISES].name);
        tests[i] = (struct CMUnitTest){names[i], promises[i % PROMISES].function, set_up, tear_down,
                                       (void *)implementation};
    }
    return cmocka_run_group_tests_name("journal", tests, NULL, NULL);
}
