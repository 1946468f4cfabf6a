/* The promises of store/index.h, held against every implementation, and what only the one on disk can break.
 */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <lmdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/wait.h>

#include "contract/folder.h"
#include "store/index.h"

struct fixture {
    char folder[FOLDER_BYTES], data[FOLDER_BYTES + 16];
    struct index *index;
    struct index_reader *reader;
};

struct implementation {
    const char *name;
    int (*open)(struct fixture *f, struct index **ret_index);
};

static int open_lmdb(struct fixture *f, struct index **ret_index)
{
    return index_lmdb_open(f->data, 0, ret_index);
}

static int open_memory(struct fixture *f, struct index **ret_index)
{
    (void)f;
    return index_memory_open(ret_index);
}

/* The state begins as the implementation to test. */
static int set_up(void **state)
{
    const struct implementation *implementation = *state;
    struct fixture *f = *state = calloc(1, sizeof *f);
    if (!f || folder_make(f->folder)) return -1;
    snprintf(f->data, sizeof f->data, "%s/index", f->folder);
    if (implementation->open(f, &f->index)) return -1;
    return f->index->ops->reader_new(f->index, &f->reader);
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    if (f->index) {
        f->index->ops->reader_free(f->reader);
        f->index->ops->close(f->index);
    }
    folder_remove(f->folder);
    free(f);
    return 0;
}

/* --- helpers
 * ------------------------------------------------------------------------------------------------ */

static struct patient_key key_of(uint64_t patient)
{
    struct patient_key key = {{0}};
    store_u64(key.bytes, patient * 0x9e3779b97f4a7c15u);
    store_u64(key.bytes + 8, patient);
    return key;
}

static struct index_change change_of(uint64_t patient, uint64_t sequence, int64_t lodged_at_ms)
{
    return (struct index_change){
        .key = key_of(patient),
        .row = {.sequence = sequence,
                .batch_sequence = sequence / 3 + 1,
                .offset = (uint32_t)sequence * 8,
                .flags = 0,
                .due_at_ms = lodged_at_ms < NO_DUE - 5 ? lodged_at_ms + 5 : NO_DUE,
                .lodged_at_ms = lodged_at_ms},
        .unlodge_at_ms = NO_DUE,
    };
}

static void lodge(struct fixture *f, const struct index_change *changes, size_t count, bool is_out)
{
    struct index_due *dues = calloc(count + 1, sizeof *dues);
    size_t due_count = 0;
    for (size_t i = 0; i < count; i++) {
        int64_t at_ms = is_out ? changes[i].unlodge_at_ms : changes[i].row.lodged_at_ms;
        if (at_ms == NO_DUE || changes[i].unlodge_at_ms == changes[i].row.lodged_at_ms) continue;
        dues[due_count++] = (struct index_due){at_ms, changes[i].key};
    }
    if (due_count) assert_int_equal(f->index->ops->lodge(f->index, dues, due_count, is_out), 0);
    free(dues);
}

/* With their due rows, as the indexer writes them. */
static void apply(struct fixture *f, const struct index_change *changes, size_t count,
                  uint64_t indexed_sequence)
{
    lodge(f, changes, count, false);
    assert_int_equal(f->index->ops->apply(f->index, changes, count, NULL, 0, indexed_sequence), 0);
    lodge(f, changes, count, true);
}

static void begin(struct fixture *f)
{
    assert_int_equal(f->index->ops->read_begin(f->reader), 0);
}

static void end(struct fixture *f)
{
    f->index->ops->read_end(f->reader);
}

static void assert_row(struct fixture *f, const struct index_change *expected)
{
    struct index_row row;
    assert_int_equal(f->index->ops->get(f->reader, &expected->key, &row), 0);
    assert_int_equal(row.sequence, expected->row.sequence);
    assert_int_equal(row.batch_sequence, expected->row.batch_sequence);
    assert_int_equal(row.offset, expected->row.offset);
    assert_int_equal(row.flags, expected->row.flags);
    assert_int_equal(row.due_at_ms, expected->row.due_at_ms);
    assert_int_equal(row.lodged_at_ms, expected->row.lodged_at_ms);
}

/* Walks the due rows from a time on and compares them with what is expected, in order. */
static void assert_due(struct fixture *f, int64_t from_ms, const int64_t *expected, size_t count)
{
    int64_t due_at_ms;
    struct patient_key key, after;
    int code = f->index->ops->due_next(f->reader, from_ms, NULL, &due_at_ms, &key);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(code, 0);
        assert_int_equal(due_at_ms, expected[i]);
        after = key;
        code = f->index->ops->due_next(f->reader, due_at_ms, &after, &due_at_ms, &key);
    }
    assert_int_equal(code, INDEX_E_NOT_FOUND);
}

/* --- what every index does
 * ---------------------------------------------------------------------------------- */

static void an_empty_index_knows_nothing_and_says_so(void **state)
{
    struct fixture *f = *state;
    const struct index_ops *ops = f->index->ops;
    struct patient_key key = key_of(1), found = key_of(99);
    struct index_row row = {.sequence = 77};
    int64_t due_at_ms = 77;
    uint64_t sequence = 77;
    assert_int_equal(ops->indexed_sequence(f->index), 0);
    begin(f);
    assert_int_equal(ops->get(f->reader, &key, &row), INDEX_E_NOT_FOUND);
    assert_int_equal(ops->due_next(f->reader, INT64_MIN, NULL, &due_at_ms, &found), INDEX_E_NOT_FOUND);
    assert_int_equal(ops->subject_next(f->reader, NULL, &found, &row), INDEX_E_NOT_FOUND);
    assert_int_equal(ops->work_next(f->reader, NULL, &found), INDEX_E_NOT_FOUND);
    assert_int_equal(ops->rules_next(f->reader, 0, &sequence), INDEX_E_NOT_FOUND);
    end(f);
    struct patient_key untouched = key_of(99);
    assert_memory_equal(&found, &untouched, sizeof found);
    assert_true(row.sequence == 77 && due_at_ms == 77 && sequence == 77);
}

static void a_row_reads_back_as_it_was_applied_and_the_newest_holds(void **state)
{
    struct fixture *f = *state;
    struct index_change first = change_of(1, 10, 5000), second = change_of(1, 20, NO_DUE);
    first.row.flags = ENTRY_HAS_OPEN_EPISODE | ENTRY_IS_PARKED;
    apply(f, &first, 1, 10);
    begin(f);
    assert_row(f, &first);
    end(f);
    second.unlodge_at_ms = 5000;
    apply(f, &second, 1, 20);
    begin(f);
    assert_row(f, &second);
    assert_due(f, INT64_MIN, NULL, 0);
    end(f);
}

static void the_last_of_several_changes_to_one_subject_holds(void **state)
{
    struct fixture *f = *state;
    struct index_change changes[3] = {change_of(1, 1, 900), change_of(2, 2, NO_DUE), change_of(1, 3, 800)};
    changes[0].row.flags = ENTRY_HAS_OPEN_WORK;
    changes[2].unlodge_at_ms = 900;
    apply(f, changes, 3, 3);
    begin(f);
    assert_row(f, &changes[2]);
    assert_due(f, 0, (int64_t[]){800}, 1);
    struct patient_key key;
    assert_int_equal(f->index->ops->work_next(f->reader, NULL, &key), INDEX_E_NOT_FOUND);
    end(f);
}

static void the_indexed_sequence_moves_with_its_transaction_and_zero_leaves_it(void **state)
{
    struct fixture *f = *state;
    struct index_change change = change_of(1, 10, NO_DUE);
    apply(f, &change, 1, 10);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 10);
    apply(f, &change, 1, 0);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 10);
    apply(f, NULL, 0, 11);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 11);
}

static void due_rows_come_in_order_of_time_also_before_1970(void **state)
{
    struct fixture *f = *state;
    static const int64_t times[] = {5000, -1, 0, INT64_MAX - 1, INT64_MIN, 5000, -700};
    static const int64_t in_order[] = {INT64_MIN, -700, -1, 0, 5000, 5000, INT64_MAX - 1};
    struct index_change changes[7];
    for (uint64_t i = 0; i < 7; i++) changes[i] = change_of(i, i + 1, times[i]);
    apply(f, changes, 7, 7);
    begin(f);
    assert_due(f, INT64_MIN, in_order, 7);
    assert_due(f, -1, in_order + 2, 5);
    assert_due(f, 5000, in_order + 4, 3);
    assert_due(f, INT64_MAX, NULL, 0);
    end(f);
}

static void a_replaced_due_row_is_gone_and_one_lodged_again_stays(void **state)
{
    struct fixture *f = *state;
    struct index_change change = change_of(1, 1, 9000);
    apply(f, &change, 1, 1);
    change.unlodge_at_ms = 9000;
    change.row.lodged_at_ms = 4000;
    apply(f, &change, 1, 2);
    begin(f);
    assert_due(f, 0, (int64_t[]){4000}, 1);
    end(f);
    change.unlodge_at_ms = 4000;
    apply(f, &change, 1, 3);
    begin(f);
    assert_due(f, 0, (int64_t[]){4000}, 1);
    end(f);
    change.unlodge_at_ms = 123; /* a row that is not there is no error */
    apply(f, &change, 1, 4);
}

static void due_rows_are_lodged_apart_from_the_rows_that_name_them(void **state)
{
    struct fixture *f = *state;
    struct index_change changes[] = {change_of(1, 10, 500), change_of(2, 11, 300)};
    const struct index_due in[] = {{300, key_of(2)}, {500, key_of(1)}, {700, key_of(2)}}, out[] = {{300, key_of(2)}, {900, key_of(9)}};
    changes[1].unlodge_at_ms = 700;
    assert_int_equal(f->index->ops->lodge(f->index, &in[2], 1, false), 0);
    assert_int_equal(f->index->ops->apply(f->index, changes, 2, NULL, 0, 11), 0);
    begin(f);
    assert_row(f, &changes[0]);
    assert_due(f, INT64_MIN, (int64_t[]){700}, 1);
    end(f);
    assert_int_equal(f->index->ops->lodge(f->index, in, 3, false), 0);
    assert_int_equal(f->index->ops->lodge(f->index, in, 3, false), 0);
    begin(f);
    assert_due(f, INT64_MIN, (int64_t[]){300, 500, 700}, 3);
    end(f);
    assert_int_equal(f->index->ops->lodge(f->index, out, 2, true), 0);
    begin(f);
    assert_due(f, INT64_MIN, (int64_t[]){500, 700}, 2);
    assert_row(f, &changes[1]);
    end(f);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 11);
}

static void due_rows_no_patient_names_are_for_the_reader_to_skip(void **state)
{
    struct fixture *f = *state;
    struct index_change change = change_of(1, 1, 9000);
    apply(f, &change, 1, 1);
    change.row.lodged_at_ms = 4000; /* without unlodging: what a crash may leave */
    apply(f, &change, 1, 2);
    begin(f);
    assert_due(f, 0, (int64_t[]){4000, 9000}, 2);
    assert_row(f, &change);
    end(f);
}

static void open_work_is_kept_by_the_flags_of_the_newest_row(void **state)
{
    struct fixture *f = *state;
    struct index_change changes[3] = {change_of(1, 1, NO_DUE), change_of(2, 2, NO_DUE),
                                      change_of(3, 3, NO_DUE)};
    changes[0].row.flags = changes[2].row.flags = ENTRY_HAS_OPEN_WORK;
    apply(f, changes, 3, 3);
    struct patient_key first, second, none;
    begin(f);
    assert_int_equal(f->index->ops->work_next(f->reader, NULL, &first), 0);
    assert_int_equal(f->index->ops->work_next(f->reader, &first, &second), 0);
    assert_int_equal(f->index->ops->work_next(f->reader, &second, &none), INDEX_E_NOT_FOUND);
    assert_true(memcmp(&first, &second, sizeof first) < 0);
    end(f);
    changes[0].row.flags = changes[2].row.flags = 0;
    apply(f, changes, 3, 4);
    begin(f);
    assert_int_equal(f->index->ops->work_next(f->reader, NULL, &first), INDEX_E_NOT_FOUND);
    end(f);
}

static void subjects_come_in_the_order_of_their_keys_each_once(void **state)
{
    struct fixture *f = *state;
    enum { PATIENTS = 3000 };
    struct index_change *changes = calloc(PATIENTS, sizeof *changes);
    for (uint64_t i = 0; i < PATIENTS; i++) changes[i] = change_of(i, i + 1, NO_DUE);
    for (uint64_t i = 0; i < PATIENTS; i += 500) apply(f, changes + i, 500, i + 500);
    begin(f);
    struct patient_key key, before;
    struct index_row row;
    uint64_t count = 0, sum = 0;
    int code = f->index->ops->subject_next(f->reader, NULL, &key, &row);
    for (; !code; code = f->index->ops->subject_next(f->reader, &before, &key, &row)) {
        if (count) assert_true(memcmp(&before, &key, sizeof key) < 0);
        assert_int_equal(load_u64(key.bytes + 8) + 1, row.sequence);
        before = key;
        sum += row.sequence;
        count++;
    }
    end(f);
    assert_int_equal(code, INDEX_E_NOT_FOUND);
    assert_int_equal(count, PATIENTS);
    assert_int_equal(sum, (uint64_t)PATIENTS * (PATIENTS + 1) / 2);
    free(changes);
}

static void rules_come_in_the_order_of_their_sequences(void **state)
{
    struct fixture *f = *state;
    static const uint64_t sequences[] = {300, 2, 70000};
    assert_int_equal(f->index->ops->apply(f->index, NULL, 0, sequences, 3, 70000), 0);
    uint64_t at = 0;
    begin(f);
    assert_int_equal(f->index->ops->rules_next(f->reader, at, &at), 0);
    assert_int_equal(at, 2);
    assert_int_equal(f->index->ops->rules_next(f->reader, at, &at), 0);
    assert_int_equal(at, 300);
    assert_int_equal(f->index->ops->rules_next(f->reader, at, &at), 0);
    assert_int_equal(at, 70000);
    assert_int_equal(f->index->ops->rules_next(f->reader, at, &at), INDEX_E_NOT_FOUND);
    end(f);
}

static void a_reader_sees_the_index_as_it_was_when_it_began(void **state)
{
    struct fixture *f = *state;
    struct index_change before = change_of(1, 1, 100), after = change_of(1, 2, 50),
                        other = change_of(2, 3, 10);
    struct index_row row;
    apply(f, &before, 1, 1);
    begin(f);
    after.unlodge_at_ms = 100;
    apply(f, &after, 1, 2);
    apply(f, &other, 1, 3);
    assert_row(f, &before);
    assert_due(f, 0, (int64_t[]){100}, 1);
    assert_int_equal(f->index->ops->get(f->reader, &other.key, &row), INDEX_E_NOT_FOUND);
    end(f);
    begin(f);
    assert_row(f, &after);
    assert_due(f, 0, (int64_t[]){10, 50}, 2);
    end(f);
}

/* --- a model
 * ------------------------------------------------------------------------------------------------ */

/* Many random transactions against plain arrays: whatever the trees do, they must say the same. */
static void random_transactions_agree_with_a_plain_model(void **state)
{
    struct fixture *f = *state;
    enum { PATIENTS = 64, ROUNDS = 300, CHANGES = 20 };
    struct index_change model[PATIENTS], changes[CHANGES];
    bool is_there[PATIENTS] = {false};
    uint64_t seed = 7;
    for (int round = 1; round <= ROUNDS; round++) {
        for (int i = 0; i < CHANGES; i++) {
            seed = seed * 6364136223846793005u + 1442695040888963407u;
            uint64_t patient = ((uint64_t)round * CHANGES + (uint64_t)i) % PATIENTS; /* in a sweep each is there once */
            changes[i] = change_of(patient, (uint64_t)round * CHANGES + (uint64_t)i,
                                   (seed >> 40) % 3 ? (int64_t)((seed >> 45) % 1000) : NO_DUE);
            changes[i].row.flags = (seed >> 43) % 2 ? ENTRY_HAS_OPEN_WORK : 0;
            if (is_there[patient]) changes[i].unlodge_at_ms = model[patient].row.lodged_at_ms;
            model[patient] = changes[i];
            is_there[patient] = true;
        }
        apply(f, changes, CHANGES, (uint64_t)round);
        begin(f);
        int due = 0, work = 0, due_found = 0, work_found = 0;
        for (int i = 0; i < PATIENTS; i++) {
            if (!is_there[i]) continue;
            assert_row(f, &model[i]);
            due += model[i].row.lodged_at_ms != NO_DUE;
            work += model[i].row.flags & ENTRY_HAS_OPEN_WORK ? 1 : 0;
        }
        int64_t at = INT64_MIN;
        struct patient_key key, *after = NULL;
        for (; f->index->ops->due_next(f->reader, at, after, &at, &key) == 0; after = &key, due_found++)
            assert_int_equal(at, model[load_u64(key.bytes + 8)].row.lodged_at_ms);
        for (after = NULL; f->index->ops->work_next(f->reader, after, &key) == 0; after = &key) work_found++;
        end(f);
        assert_int_equal(due_found, due);
        assert_int_equal(work_found, work);
    }
}

/* --- two threads
 * -------------------------------------------------------------------------------------------- */

struct reading {
    struct index *index;
    atomic_bool is_over;
    uint64_t rounds, failures;
};

/* Each transaction gives all patients the same sequence, so a reader that sees two of them sees a torn one.
 */
static void *read_on(void *data)
{
    struct reading *reading = data;
    const struct index_ops *ops = reading->index->ops;
    struct index_reader *r;
    if (ops->reader_new(reading->index, &r)) return NULL;
    while (!reading->is_over || reading->rounds == 0) {
        struct index_row row;
        uint64_t seen = 0;
        if (ops->read_begin(r)) continue;
        for (uint64_t patient = 0; patient < 200; patient++) {
            struct patient_key key = key_of(patient);
            if (ops->get(r, &key, &row)) continue;
            if (seen && row.sequence != seen) reading->failures++;
            seen = row.sequence;
        }
        ops->read_end(r);
        reading->rounds++;
    }
    ops->reader_free(r);
    return NULL;
}

static void a_reader_in_another_thread_never_sees_half_a_transaction(void **state)
{
    struct fixture *f = *state;
    struct reading reading = {.index = f->index};
    struct index_change changes[200];
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, read_on, &reading), 0);
    for (uint64_t round = 1; round <= 150; round++) {
        for (uint64_t i = 0; i < 200; i++) {
            changes[i] = change_of(i, round, (int64_t)(round * 10));
            if (round > 1) changes[i].unlodge_at_ms = (int64_t)((round - 1) * 10);
        }
        apply(f, changes, 200, round);
    }
    reading.is_over = true;
    pthread_join(thread, NULL);
    assert_int_equal(reading.failures, 0);
    assert_true(reading.rounds > 0);
}

/* --- on disk
 * ------------------------------------------------------------------------------------------------ */

static void close_index(struct fixture *f)
{
    f->index->ops->reader_free(f->reader);
    f->index->ops->close(f->index);
    f->index = NULL;
}

static int reopen(struct fixture *f)
{
    int code = index_lmdb_open(f->data, 0, &f->index);
    return code ? code : f->index->ops->reader_new(f->index, &f->reader);
}

static void what_was_applied_is_there_after_a_reopen(void **state)
{
    struct fixture *f = *state;
    struct index_change change = change_of(1, 10, 5000);
    apply(f, &change, 1, 10);
    close_index(f);
    assert_int_equal(reopen(f), 0);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 10);
    begin(f);
    assert_row(f, &change);
    end(f);
}

/* Gives all patients the same sequence, once after another, and reports each that is committed. */
static void apply_and_report(struct fixture *f, int report_fd)
{
    struct index_change changes[50];
    struct index *x;
    if (index_lmdb_open(f->data, 0, &x)) _exit(1);
    for (uint64_t round = x->ops->indexed_sequence(x) + 1;; round++) {
        for (uint64_t i = 0; i < 50; i++) changes[i] = change_of(i, round, NO_DUE);
        if (x->ops->apply(x, changes, 50, NULL, 0, round)) _exit(1);
        if (write(report_fd, &round, sizeof round) != sizeof round) _exit(1);
    }
}

static uint64_t kill_after_reports(struct fixture *f, int reports)
{
    int ends[2];
    uint64_t last = 0, reported;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) apply_and_report(f, ends[1]);
    close(ends[1]);
    for (int i = 0; i < reports; i++) assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
    kill(child, SIGKILL);
    while (read(ends[0], &reported, sizeof reported) == sizeof reported) last = reported;
    waitpid(child, NULL, 0);
    close(ends[0]);
    return last;
}

static void no_committed_transaction_is_lost_or_torn_by_a_kill(void **state)
{
    struct fixture *f = *state;
    close_index(f);
    for (int round = 0; round < 40; round++) {
        uint64_t reported = kill_after_reports(f, 1 + round * 5 % 13);
        assert_int_equal(reopen(f), 0);
        uint64_t indexed = f->index->ops->indexed_sequence(f->index);
        assert_true(indexed >= reported);
        begin(f);
        for (uint64_t patient = 0; patient < 50; patient++) {
            struct index_change expected = change_of(patient, indexed, NO_DUE);
            assert_row(f, &expected);
        }
        end(f);
        close_index(f);
    }
    assert_int_equal(reopen(f), 0);
}

static void an_index_of_another_version_is_refused_by_name(void **state)
{
    struct fixture *f = *state;
    MDB_env *env;
    MDB_txn *txn;
    MDB_dbi dbi;
    uint32_t later = 2;
    MDB_val key = {7, (void *)"version"}, value = {sizeof later, &later};
    close_index(f);
    assert_int_equal(mdb_env_create(&env), 0);
    assert_int_equal(mdb_env_set_maxdbs(env, 8), 0);
    assert_int_equal(mdb_env_open(env, f->data, 0, 0600), 0);
    assert_int_equal(mdb_txn_begin(env, NULL, 0, &txn), 0);
    assert_int_equal(mdb_dbi_open(txn, "meta", 0, &dbi), 0);
    assert_int_equal(mdb_put(txn, dbi, &key, &value, 0), 0);
    assert_int_equal(mdb_txn_commit(txn), 0);
    mdb_env_close(env);
    assert_int_equal(reopen(f), INDEX_E_VERSION);
}

static void a_second_writer_of_an_index_is_refused(void **state)
{
    struct fixture *f = *state;
    struct index *second;
    assert_int_equal(index_lmdb_open(f->data, 0, &second), INDEX_E_BUSY);
    pid_t child = fork();
    if (child == 0) _exit(index_lmdb_open(f->data, 0, &second) == INDEX_E_BUSY ? 0 : 1);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void a_read_only_index_refuses_to_be_written(void **state)
{
    struct fixture *f = *state;
    struct index_change change = change_of(1, 10, 5000);
    apply(f, &change, 1, 10);
    close_index(f);
    assert_int_equal(index_lmdb_open(f->data, 1, &f->index), 0);
    assert_int_equal(f->index->ops->reader_new(f->index, &f->reader), 0);
    assert_int_equal(f->index->ops->indexed_sequence(f->index), 10);
    assert_int_equal(f->index->ops->apply(f->index, &change, 1, NULL, 0, 11), INDEX_E_BUSY);
    begin(f);
    assert_row(f, &change);
    end(f);
}

static void a_file_that_was_cut_short_is_refused_as_damaged(void **state)
{
    struct fixture *f = *state;
    char path[FOLDER_BYTES + 32];
    struct index_change change = change_of(1, 10, 5000);
    apply(f, &change, 1, 10);
    close_index(f);
    snprintf(path, sizeof path, "%s/data.mdb", f->data);
    assert_int_equal(truncate(path, 3 * 4096), 0);
    assert_int_equal(reopen(f), INDEX_E_CORRUPT);
}

/* Enough rows to need several times the first map. */
static void the_map_grows_as_the_index_does(void **state)
{
    struct fixture *f = *state;
    enum { SWEEP = 4000, SWEEPS = 10 };
    struct index_change *changes = calloc(SWEEP, sizeof *changes);
    for (uint64_t sweep = 0; sweep < SWEEPS; sweep++) {
        for (uint64_t i = 0; i < SWEEP; i++) changes[i] = change_of(sweep * SWEEP + i, i + 1, (int64_t)i);
        apply(f, changes, SWEEP, sweep + 1);
    }
    begin(f);
    for (uint64_t i = 0; i < SWEEP; i++) assert_row(f, &changes[i]);
    end(f);
    free(changes);
}

/* --- every promise, for every implementation
 * ---------------------------------------------------------------- */

#define PROMISE(test)                                                                                        \
    {                                                                                                        \
#test, test                                                                                          \
    }
static const struct promise {
    const char *name;
    CMUnitTestFunction function;
} promises[] =
    {
        PROMISE(an_empty_index_knows_nothing_and_says_so),
        PROMISE(a_row_reads_back_as_it_was_applied_and_the_newest_holds),
        PROMISE(the_last_of_several_changes_to_one_subject_holds),
        PROMISE(the_indexed_sequence_moves_with_its_transaction_and_zero_leaves_it),
        PROMISE(due_rows_come_in_order_of_time_also_before_1970),
        PROMISE(a_replaced_due_row_is_gone_and_one_lodged_again_stays),
        PROMISE(due_rows_are_lodged_apart_from_the_rows_that_name_them),
        PROMISE(due_rows_no_patient_names_are_for_the_reader_to_skip),
        PROMISE(open_work_is_kept_by_the_flags_of_the_newest_row),
        PROMISE(subjects_come_in_the_order_of_their_keys_each_once),
        PROMISE(rules_come_in_the_order_of_their_sequences),
        PROMISE(a_reader_sees_the_index_as_it_was_when_it_began),
        PROMISE(random_transactions_agree_with_a_plain_model),
        PROMISE(a_reader_in_another_thread_never_sees_half_a_transaction),
},
  on_disk[] = {
      PROMISE(what_was_applied_is_there_after_a_reopen),
      PROMISE(no_committed_transaction_is_lost_or_torn_by_a_kill),
      PROMISE(an_index_of_another_version_is_refused_by_name),
      PROMISE(a_second_writer_of_an_index_is_refused),
      PROMISE(a_read_only_index_refuses_to_be_written),
      PROMISE(a_file_that_was_cut_short_is_refused_as_damaged),
      PROMISE(the_map_grows_as_the_index_does),
};

enum {
    PROMISES = sizeof promises / sizeof *promises,
    ON_DISK = sizeof on_disk / sizeof *on_disk,
    TESTS = 2 * PROMISES + ON_DISK,
    NAME_BYTES = 128
};

static struct CMUnitTest make_test(const struct promise *promise, const struct implementation *implementation)
{
    static char names[TESTS][NAME_BYTES];
    static int made;
    char *name = names[made++];
    snprintf(name, NAME_BYTES, "%s: %s", implementation->name, promise->name);
    return (struct CMUnitTest){name, promise->function, set_up, tear_down, (void *)implementation};
}

int main(void)
{
    static const struct implementation memory = {"memory", open_memory}, lmdb = {"lmdb", open_lmdb};
    struct CMUnitTest tests[TESTS];
    int count = 0;
    for (int i = 0; i < PROMISES; i++) tests[count++] = make_test(&promises[i], &memory);
    for (int i = 0; i < PROMISES; i++) tests[count++] = make_test(&promises[i], &lmdb);
    for (int i = 0; i < ON_DISK; i++) tests[count++] = make_test(&on_disk[i], &lmdb);
    return cmocka_run_group_tests_name("index", tests, NULL, NULL);
}
