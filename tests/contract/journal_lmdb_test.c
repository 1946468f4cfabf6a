/* What can happen to the journal on a disk: a kill at any instant, a write or sync that fails at any point, a
 * disk that is full, a second process, a file that was damaged. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mount.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "contract/batches.h"
#include "contract/folder.h"

enum { RECORD_BYTES = 1400, SMALL_MAP_BYTES = 1024 * 1024 };

struct fixture {
    char folder[FOLDER_BYTES], data[FOLDER_BYTES + 16];
    struct batch_builder *builder, *expected;
};

/* --- failing system calls ---------------------------------------------------------------------------------
 */

/* The n-th write or sync of this process fails; 0: none. LMDB calls these through the linker, so ours are
 * found first. A short write is what a full disk gives when a part still fits. */
enum fault { FAULT_ENOSPC, FAULT_EIO, FAULT_SHORT, FAULT_COUNT };
static _Atomic int calls_until_fault;
static enum fault fault;

static bool is_faulty_now(void)
{
    return calls_until_fault > 0 && atomic_fetch_sub(&calls_until_fault, 1) == 1;
}

static ssize_t fail_write(int fd, const struct iovec *parts, int count, off_t at)
{
    if (fault != FAULT_SHORT || parts[0].iov_len < 2) {
        errno = fault == FAULT_ENOSPC ? ENOSPC : EIO;
        return -1;
    }
    (void)count;
    return syscall(SYS_pwrite64, fd, parts[0].iov_base, parts[0].iov_len / 2, at);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    struct iovec part = {(void *)data, len};
    return is_faulty_now() ? fail_write(fd, &part, 1, at) : syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    return is_faulty_now() ? fail_write(fd, parts, count, at)
                           : syscall(SYS_pwritev, fd, parts, (long)count, at, 0L);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    return is_faulty_now() ? fail_write(fd, parts, count, lseek(fd, 0, SEEK_CUR))
                           : syscall(SYS_writev, fd, parts, (long)count);
}

int fdatasync(int fd)
{
    if (!is_faulty_now()) return (int)syscall(SYS_fdatasync, fd);
    errno = fault == FAULT_ENOSPC ? ENOSPC : EIO;
    return -1;
}

/* --- helpers ----------------------------------------------------------------------------------------------
 */

static int set_up(void **state)
{
    struct fixture *f = *state = calloc(1, sizeof *f);
    if (!f || folder_make(f->folder)) return -1;
    snprintf(f->data, sizeof f->data, "%s/journal", f->folder);
    f->builder = batch_builder_new();
    f->expected = batch_builder_new();
    calls_until_fault = 0;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    batch_builder_free(f->builder);
    batch_builder_free(f->expected);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static struct journal *open_journal(const char *folder, uint64_t ahead_bytes)
{
    struct journal *j;
    struct journal_options options = {.map_bytes = SMALL_MAP_BYTES, .ahead_bytes = ahead_bytes};
    return journal_lmdb_open(folder, &options, &j) ? NULL : j;
}

static int open_code(const char *folder, int is_read_only)
{
    struct journal *j = NULL;
    struct journal_options options = {.map_bytes = SMALL_MAP_BYTES, .is_read_only = is_read_only};
    int code = journal_lmdb_open(folder, &options, &j);
    journal_close(j);
    return code;
}

/* How a batch of this journal follows from its first sequence. */
static uint32_t count_at(uint64_t first)
{
    return 1 + (uint32_t)(first * 7 % 40);
}

static int append_next(struct journal *j, struct batch_builder *b)
{
    return batch_append_sample(j, b, count_at(journal_last_sequence(j) + 1), RECORD_BYTES);
}

/* Every batch is there, whole, up to the last sequence; returns false otherwise. Also used in children. */
static bool is_whole(struct journal *j, struct batch_builder *expected)
{
    struct journal_reader *r;
    uint64_t next = 1, first;
    struct bytes blob;
    if (j->ops->reader_new(j, &r) || j->ops->read_begin(r)) return false;
    while (j->ops->next(r, next, &first, &blob) == 0) {
        struct bytes same = batch_sample(expected, next, count_at(next), RECORD_BYTES);
        if (first != next || blob.len != same.len || memcmp(blob.data, same.data, same.len) != 0) break;
        next += count_at(next);
    }
    j->ops->read_end(r);
    j->ops->reader_free(r);
    return next == journal_last_sequence(j) + 1;
}

/* A child's verdict: it must exit, and with 0. */
static void assert_child_succeeds(pid_t child)
{
    int status;
    assert_true(child > 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status))
        fail_msg("the child ended with status %x", (unsigned)status);
}

#define CHILD_EXPECTS(condition)                                                                             \
    do {                                                                                                     \
        if (!(condition)) _exit(__LINE__ % 255 + 1);                                                         \
    } while (0)

/* --- 2: durable, whole or not there ------------------------------------------------------------------------
 */

static void what_was_appended_is_there_after_a_reopen(void **state)
{
    struct fixture *f = *state;
    uint64_t last = 0;
    for (int round = 0; round < 5; round++) {
        struct journal *j = open_journal(f->data, round % 2);
        assert_non_null(j);
        assert_int_equal(journal_last_sequence(j), last);
        for (int i = 0; i < 10; i++) assert_int_equal(append_next(j, f->builder), 0);
        last = journal_last_sequence(j);
        journal_close(j);
    }
    struct journal *j = open_journal(f->data, 0);
    assert_true(is_whole(j, f->expected));
    journal_close(j);
}

/* Appends for ever and reports each last sequence once it is durable. Ends when it is killed. */
static void append_and_report(struct fixture *f, uint64_t ahead_bytes, int report_fd)
{
    struct journal *j = open_journal(f->data, ahead_bytes);
    while (j && append_next(j, f->builder) == 0) {
        uint64_t last = journal_last_sequence(j);
        if (write(report_fd, &last, sizeof last) != sizeof last) break;
    }
    _exit(1);
}

/* The child is killed after its k-th report, wherever it is by then. Returns the last sequence it reported.
 */
static uint64_t kill_after_reports(struct fixture *f, uint64_t ahead_bytes, int reports)
{
    int ends[2];
    uint64_t last = 0, reported;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) append_and_report(f, ahead_bytes, ends[1]);
    close(ends[1]);
    for (int i = 0; i < reports; i++) assert_int_equal(read(ends[0], &last, sizeof last), sizeof last);
    kill(child, SIGKILL);
    while (read(ends[0], &reported, sizeof reported) == sizeof reported) last = reported;
    waitpid(child, NULL, 0);
    close(ends[0]);
    return last;
}

static void no_batch_that_was_reported_durable_is_lost_by_a_kill(void **state)
{
    struct fixture *f = *state;
    uint64_t first_of_round = 0;
    for (int round = 0; round < 60; round++) {
        uint64_t reported = kill_after_reports(f, round % 3 ? 1 : 0, 1 + round * 5 % 13);
        struct journal *j = open_journal(f->data, 0);
        assert_non_null(j);
        assert_true(reported > first_of_round);
        assert_true(journal_last_sequence(j) >= reported);
        assert_true(is_whole(j, f->expected));
        first_of_round = journal_last_sequence(j);
        journal_close(j);
    }
}

/* What an error may leave: nothing, or (when its outcome is unknown) all or nothing. */
static void check_after_error(struct fixture *f, struct journal *j, int code, uint64_t before)
{
    uint64_t after = before + count_at(before + 1);
    struct journal_reader *r;
    assert_int_equal(journal_last_sequence(j), before);
    if (code == JOURNAL_E_UNKNOWN) {
        assert_int_equal(append_next(j, f->builder), JOURNAL_E_UNKNOWN);
        assert_int_equal(j->ops->reader_new(j, &r), 0);
        assert_int_equal(j->ops->read_begin(r), JOURNAL_E_UNKNOWN);
        j->ops->reader_free(r);
    } else {
        assert_int_equal(code, JOURNAL_E_FULL);
        assert_true(is_whole(j, f->expected));
        assert_int_equal(append_next(j, f->builder), 0);
        before = after;
    }
    journal_close(j);
    j = open_journal(f->data, 0);
    assert_non_null(j);
    uint64_t last = journal_last_sequence(j);
    assert_true(last == before || (code == JOURNAL_E_UNKNOWN && last == after));
    assert_true(is_whole(j, f->expected));
    assert_int_equal(append_next(j, f->builder), 0);
    journal_close(j);
}

/* Returns whether the fault happened at all. */
static bool append_with_fault(struct fixture *f, int call)
{
    struct journal *j = open_journal(f->data, 0);
    assert_non_null(j);
    assert_int_equal(append_next(j, f->builder), 0);
    uint64_t before = journal_last_sequence(j);
    calls_until_fault = call;
    int code = append_next(j, f->builder);
    bool has_happened = calls_until_fault == 0;
    calls_until_fault = 0;
    if (code)
        check_after_error(f, j, code, before);
    else
        journal_close(j);
    assert_int_equal(code != 0, has_happened);
    return has_happened;
}

static void sweep_faults(struct fixture *f, enum fault kind)
{
    fault = kind;
    int calls = 1;
    while (calls < 50 && append_with_fault(f, calls)) calls++;
    assert_in_range(calls, 4, 49); /* at least: pages, sync, meta */
}

static void a_full_disk_at_any_write_leaves_the_batch_out_or_says_unknown(void **state)
{
    sweep_faults(*state, FAULT_ENOSPC);
}

static void a_failing_disk_at_any_write_or_sync_never_tears_a_batch(void **state)
{
    sweep_faults(*state, FAULT_EIO);
}

static void a_short_write_anywhere_never_tears_a_batch(void **state)
{
    sweep_faults(*state, FAULT_SHORT);
}

/* --- 3: a full disk ----------------------------------------------------------------------------------------
 */

static int append_until_refused(struct journal *j, struct batch_builder *b)
{
    int code = 0;
    for (int i = 0; i < 1000 && !code; i++) code = append_next(j, b);
    return code;
}

static void limit_file_size(rlim_t bytes)
{
    struct rlimit limit = {bytes, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &limit);
}

static void a_file_that_may_not_grow_is_full_and_works_again_when_it_may(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        struct journal *j = open_journal(f->data, 0);
        limit_file_size(3 * 1024 * 1024 + 1234);
        CHILD_EXPECTS(append_until_refused(j, f->builder) == JOURNAL_E_FULL);
        CHILD_EXPECTS(append_next(j, f->builder) == JOURNAL_E_FULL);
        CHILD_EXPECTS(is_whole(j, f->expected));
        limit_file_size(RLIM_INFINITY);
        CHILD_EXPECTS(append_next(j, f->builder) == 0);
        CHILD_EXPECTS(is_whole(j, f->expected));
        journal_close(j);
        _exit(0);
    }
    assert_child_succeeds(child);
}

/* A disk of 12 MiB, seen by the child alone. Without the right to mount there is nothing to test. */
static bool mount_small_disk(const char *folder)
{
    if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) return false;
    return mkdir(folder, 0700) == 0 && mount("none", folder, "tmpfs", 0, "size=12m") == 0;
}

static void fill_disk_and_make_room(struct fixture *f, uint64_t ahead_bytes)
{
    pid_t child = fork();
    if (child == 0) {
        char disk[FOLDER_BYTES + 16], data[FOLDER_BYTES + 32];
        snprintf(disk, sizeof disk, "%s/disk", f->folder);
        snprintf(data, sizeof data, "%s/journal", disk);
        if (!mount_small_disk(disk)) _exit(0);
        struct journal *j = open_journal(data, ahead_bytes);
        CHILD_EXPECTS(j);
        CHILD_EXPECTS(append_until_refused(j, f->builder) == JOURNAL_E_FULL);
        CHILD_EXPECTS(is_whole(j, f->expected));
        CHILD_EXPECTS(mount("none", disk, "tmpfs", MS_REMOUNT, "size=40m") == 0);
        CHILD_EXPECTS(append_next(j, f->builder) == 0);
        CHILD_EXPECTS(is_whole(j, f->expected));
        journal_close(j);
        j = open_journal(data, 0);
        CHILD_EXPECTS(j && is_whole(j, f->expected));
        journal_close(j);
        umount2(disk, MNT_DETACH);
        _exit(0);
    }
    assert_child_succeeds(child);
}

static void a_full_disk_is_refused_as_full_and_works_again_when_there_is_room(void **state)
{
    fill_disk_and_make_room(*state, 0);
}

static void extension_does_not_fill_a_small_disk(void **state)
{
    fill_disk_and_make_room(*state, 1);
}

static void a_map_that_cannot_grow_under_a_reader_is_full_and_grows_after_it(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f->data, 0);
    struct journal_reader *r;
    assert_int_equal(append_next(j, f->builder), 0);
    assert_int_equal(j->ops->reader_new(j, &r), 0);
    assert_int_equal(j->ops->read_begin(r), 0);
    assert_int_equal(append_until_refused(j, f->builder), JOURNAL_E_FULL);
    uint64_t last = journal_last_sequence(j);
    j->ops->read_end(r);
    j->ops->reader_free(r);
    assert_int_equal(append_next(j, f->builder), 0);
    assert_true(journal_last_sequence(j) > last);
    assert_true(is_whole(j, f->expected));
    journal_close(j);
}

static void the_map_grows_far_beyond_its_first_size(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f->data, 0);
    for (int i = 0; i < 1500; i++) assert_int_equal(append_next(j, f->builder), 0);
    assert_true(is_whole(j, f->expected));
    journal_close(j);
    assert_non_null(j = open_journal(f->data, 0));
    assert_true(is_whole(j, f->expected));
    assert_int_equal(append_next(j, f->builder), 0);
    journal_close(j);
}

/* Some lie in the pages of the tree, which move with each commit. */
static uint32_t small_and_large(int batch)
{
    return batch % 2 ? 1 : 20;
}

static void assert_batches_read(struct fixture *f, struct journal *j, struct journal_reader *r, int batches)
{
    struct bytes blob;
    uint64_t first = 1;
    for (int i = 0; i < batches; i++) {
        struct bytes same = batch_sample(f->expected, first, small_and_large(i), RECORD_BYTES);
        for (int again = 0; again < 2; again++) {
            assert_int_equal(j->ops->read(r, first, &blob), 0);
            assert_int_equal(blob.len, same.len);
            assert_memory_equal(blob.data, same.data, same.len);
        }
        first += small_and_large(i);
    }
}

/* Where a batch lies is remembered from one snapshot to the next, and the map moves when it grows. */
static void a_reader_finds_again_what_it_read_before_the_map_moved(void **state)
{
    enum { ROUNDS = 8, BATCHES = 100 };
    struct fixture *f = *state;
    struct journal *j = open_journal(f->data, 0);
    struct journal_reader *r;
    assert_int_equal(j->ops->reader_new(j, &r), 0);
    for (int batch = 0; batch < ROUNDS * BATCHES; batch++) {
        assert_int_equal(batch_append_sample(j, f->builder, small_and_large(batch), RECORD_BYTES), 0);
        if ((batch + 1) % BATCHES != 0) continue;
        assert_int_equal(j->ops->read_begin(r), 0);
        assert_batches_read(f, j, r, batch + 1);
        j->ops->read_end(r);
        /* Or the next map may come to lie where this one was. */
        assert_ptr_not_equal(mmap(NULL, SMALL_MAP_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0), MAP_FAILED);
    }
    j->ops->reader_free(r);
    journal_close(j);
}

/* --- 6: one writer -----------------------------------------------------------------------------------------
 */

static void a_second_writer_is_refused_here_and_in_another_process(void **state)
{
    struct fixture *f = *state;
    struct journal *j = open_journal(f->data, 0);
    assert_non_null(j);
    assert_int_equal(open_code(f->data, 0), JOURNAL_E_BUSY);
    pid_t child = fork();
    if (child == 0) _exit(open_code(f->data, 0) == JOURNAL_E_BUSY ? 0 : 1);
    assert_child_succeeds(child);
    assert_int_equal(append_next(j, f->builder), 0);
    journal_close(j);
    assert_int_equal(open_code(f->data, 0), 0);
}

/* The child reads what the parent appends, also after the parent's map has grown beyond the child's. */
static void another_process_reads_what_is_appended_meanwhile(void **state)
{
    struct fixture *f = *state;
    int ends[2];
    char byte;
    struct journal *made = open_journal(f->data, 0);
    assert_int_equal(append_next(made, f->builder), 0);
    journal_close(made);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    if (child == 0) {
        struct journal_options options = {.is_read_only = 1};
        struct journal *j;
        struct journal_reader *r;
        struct bytes blob;
        close(ends[1]);
        CHILD_EXPECTS(journal_lmdb_open(f->data, &options, &j) == 0);
        CHILD_EXPECTS(j->ops->reader_new(j, &r) == 0);
        uint64_t next = 1, first;
        do {
            CHILD_EXPECTS(j->ops->read_begin(r) == 0);
            for (; j->ops->next(r, next, &first, &blob) == 0; next += count_at(next)) {
                struct bytes same = batch_sample(f->expected, next, count_at(next), RECORD_BYTES);
                CHILD_EXPECTS(first == next && blob.len == same.len &&
                              !memcmp(blob.data, same.data, same.len));
            }
            j->ops->read_end(r);
        } while (read(ends[0], &byte, 1) == 1);
        CHILD_EXPECTS(append_next(j, f->builder) == JOURNAL_E_BUSY);
        CHILD_EXPECTS(next > 5000);
        j->ops->reader_free(r);
        journal_close(j);
        _exit(0);
    }
    close(ends[0]);
    struct journal *j = open_journal(f->data, 1);
    for (int i = 0; i < 500; i++) {
        assert_int_equal(append_next(j, f->builder), 0);
        if (i % 10 == 9) assert_int_equal(write(ends[1], "x", 1), 1);
    }
    close(ends[1]);
    assert_child_succeeds(child);
    journal_close(j);
}

static void a_folder_without_a_journal_cannot_be_opened_to_read(void **state)
{
    struct fixture *f = *state;
    assert_int_equal(open_code(f->data, 1), JOURNAL_E_NOT_FOUND);
    assert_int_equal(access(f->data, F_OK), -1);
}

static void the_files_can_be_read_by_their_owner_alone(void **state)
{
    struct fixture *f = *state;
    char path[FOLDER_BYTES + 32];
    struct stat status;
    journal_close(open_journal(f->data, 0));
    assert_int_equal(stat(f->data, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0700);
    snprintf(path, sizeof path, "%s/data.mdb", f->data);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 0777, 0600);
}

/* --- damage ------------------------------------------------------------------------------------------------
 */

static int open_data_file(const struct fixture *f)
{
    char path[FOLDER_BYTES + 32];
    snprintf(path, sizeof path, "%s/data.mdb", f->data);
    return open(path, O_RDWR);
}

static void make_journal(struct fixture *f, int batches)
{
    struct journal *j = open_journal(f->data, 0);
    for (int i = 0; i < batches; i++) assert_int_equal(append_next(j, f->builder), 0);
    journal_close(j);
}

static void a_file_that_was_cut_short_is_refused_as_damaged(void **state)
{
    struct fixture *f = *state;
    struct stat file;
    make_journal(f, 20);
    int fd = open_data_file(f);
    assert_int_equal(fstat(fd, &file), 0);
    assert_int_equal(ftruncate(fd, file.st_size - 1), 0);
    close(fd);
    assert_int_equal(open_code(f->data, 0), JOURNAL_E_CORRUPT);
    assert_int_equal(open_code(f->data, 1), JOURNAL_E_CORRUPT);
}

/* Where in the file the last batch's header is. */
static off_t find_last_batch(int fd, uint64_t first_sequence)
{
    uint8_t page[4096];
    for (off_t at = 0; pread(fd, page, sizeof page, at) == sizeof page; at += 4096)
        if (!memcmp(page + 16, "HOJ1", 4) && load_u64(page + 16 + 8) == first_sequence) return at + 16;
    return -1;
}

static void a_damaged_tail_is_refused_to_write_and_opens_to_read(void **state)
{
    struct fixture *f = *state;
    make_journal(f, 3);
    uint64_t last = 1 + count_at(1) + count_at(1 + count_at(1));
    int fd = open_data_file(f);
    off_t at = find_last_batch(fd, last);
    assert_true(at > 0);
    assert_int_equal(pwrite(fd, "\xff", 1, at + 17), 1);
    close(fd);
    assert_int_equal(open_code(f->data, 0), JOURNAL_E_CORRUPT);
    struct journal_options options = {.is_read_only = 1};
    struct journal *j;
    assert_int_equal(journal_lmdb_open(f->data, &options, &j), 0);
    assert_false(is_whole(j, f->expected));
    journal_close(j);
}

static void a_batch_that_is_not_sound_aborts_before_it_reaches_the_disk(void **state)
{
    struct fixture *f = *state;
    pid_t child = fork();
    if (child == 0) {
        signal(SIGABRT, SIG_DFL);
        close(2); /* the assertion's words */
        struct journal *j = open_journal(f->data, 0);
        struct bytes blob = batch_sample(f->builder, 1, 1, 10);
        ((uint8_t *)blob.data)[8] ^= 1;
        journal_append(j, 0, 1, 1, blob);
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    struct journal *j = open_journal(f->data, 0);
    assert_int_equal(journal_last_sequence(j), 0);
    journal_close(j);
}

/* --- extension ---------------------------------------------------------------------------------------------
 */

static void extension_never_touches_what_was_appended(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 4; round++) {
        struct journal *j = open_journal(f->data, (uint64_t)160 << 20);
        for (int i = 0; i < 400; i++) assert_int_equal(append_next(j, f->builder), 0);
        assert_true(is_whole(j, f->expected));
        journal_close(j);
    }
    struct journal *j = open_journal(f->data, 0);
    assert_true(is_whole(j, f->expected));
    journal_close(j);
}

#define HELD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HELD(what_was_appended_is_there_after_a_reopen),
        HELD(no_batch_that_was_reported_durable_is_lost_by_a_kill),
        HELD(a_full_disk_at_any_write_leaves_the_batch_out_or_says_unknown),
        HELD(a_failing_disk_at_any_write_or_sync_never_tears_a_batch),
        HELD(a_short_write_anywhere_never_tears_a_batch),
        HELD(a_file_that_may_not_grow_is_full_and_works_again_when_it_may),
        HELD(a_full_disk_is_refused_as_full_and_works_again_when_there_is_room),
        HELD(extension_does_not_fill_a_small_disk),
        HELD(a_map_that_cannot_grow_under_a_reader_is_full_and_grows_after_it),
        HELD(the_map_grows_far_beyond_its_first_size),
        HELD(a_reader_finds_again_what_it_read_before_the_map_moved),
        HELD(a_second_writer_is_refused_here_and_in_another_process),
        HELD(another_process_reads_what_is_appended_meanwhile),
        HELD(a_folder_without_a_journal_cannot_be_opened_to_read),
        HELD(the_files_can_be_read_by_their_owner_alone),
        HELD(a_file_that_was_cut_short_is_refused_as_damaged),
        HELD(a_damaged_tail_is_refused_to_write_and_opens_to_read),
        HELD(a_batch_that_is_not_sound_aborts_before_it_reaches_the_disk),
        HELD(extension_never_touches_what_was_appended),
    };
    return cmocka_run_group_tests_name("journal in LMDB", tests, NULL, NULL);
}
