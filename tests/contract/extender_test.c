/* The one danger of extending ahead is a zero that lands on a page. Here commits are plain writes of other
 * bytes, as far as a commit may reach and as fast as they go, so that every overlap would show. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
#include <fcntl.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "contract/folder.h"
#include "store/entry.h"
#include "store/extender.h"

enum { BLOCK_BYTES = 64 * 1024 };

struct fixture {
    char folder[FOLDER_BYTES], path[FOLDER_BYTES + 16];
    int commit_fd, extender_fd;
    uint64_t used;
};

static atomic_int sync_is_failing;
static atomic_int syncs;
static atomic_bool sync_is_held; /* the thread stays in its sync */

/* The thread's disk is slow: it lets commits go first wherever nothing holds them back. */
static atomic_int slow_fd = -1;

ssize_t pwrite(int fd, const void *data, size_t len, off_t at)
{
    for (int yields = fd == slow_fd ? 50 : 0; yields > 0; yields--) sched_yield();
    return syscall(SYS_pwrite64, fd, data, len, at);
}

int fdatasync(int fd)
{
    (void)fd; /* what is tested here needs no disk */
    atomic_fetch_add(&syncs, 1);
    while (sync_is_held) sched_yield();
    return sync_is_failing ? -1 : 0;
}

/* The machine's clock, or one that stands where a test puts it, and goes on by a microsecond in each commit. */
static _Atomic int64_t held_us;

int clock_gettime(clockid_t clock, struct timespec *ret_time)
{
    if (!held_us) return (int)syscall(SYS_clock_gettime, clock, ret_time);
    int64_t now_us = held_us;
    *ret_time = (struct timespec){now_us / 1000000, now_us % 1000000 * 1000};
    return 0;
}

static int set_up(void **state)
{
    struct fixture *f = *state = calloc(1, sizeof *f);
    if (!f || folder_make(f->folder)) return -1;
    snprintf(f->path, sizeof f->path, "%s/data", f->folder);
    f->commit_fd = open(f->path, O_RDWR | O_CREAT, 0600);
    f->extender_fd = open(f->path, O_RDWR);
    sync_is_failing = 0;
    held_us = 0;
    slow_fd = f->extender_fd;
    return f->commit_fd < 0 || f->extender_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    struct fixture *f = *state;
    close(f->commit_fd);
    close(f->extender_fd);
    folder_remove(f->folder);
    free(f);
    return 0;
}

static uint64_t file_bytes(const struct fixture *f)
{
    struct stat file;
    assert_int_equal(fstat(f->commit_fd, &file), 0);
    return (uint64_t)file.st_size;
}

/* Writes whole blocks that say where they are. */
static void commit(struct fixture *f, struct extender *x, uint64_t bytes)
{
    static uint8_t block[BLOCK_BYTES];
    extender_before_commit(x);
    for (uint64_t at = f->used; at < f->used + bytes; at += BLOCK_BYTES) {
        memset(block, (int)(1 + at / BLOCK_BYTES % 255), sizeof block);
        assert_int_equal(pwrite(f->commit_fd, block, sizeof block, (off_t)at), sizeof block);
    }
    f->used += bytes;
    if (held_us) held_us++;
    extender_after_commit(x, f->used);
}

static void assert_untouched(const struct fixture *f)
{
    static uint8_t block[BLOCK_BYTES], expected[BLOCK_BYTES];
    for (uint64_t at = 0; at < f->used; at += BLOCK_BYTES) {
        memset(expected, (int)(1 + at / BLOCK_BYTES % 255), sizeof expected);
        assert_int_equal(pread(f->commit_fd, block, sizeof block, (off_t)at), sizeof block);
        assert_memory_equal(block, expected, sizeof block);
    }
}

static void assert_zeros_behind(const struct fixture *f)
{
    static uint8_t block[BLOCK_BYTES];
    static const uint8_t expected[BLOCK_BYTES];
    for (uint64_t at = f->used, end = file_bytes(f); at + BLOCK_BYTES <= end; at += BLOCK_BYTES) {
        assert_int_equal(pread(f->commit_fd, block, sizeof block, (off_t)at), sizeof block);
        assert_memory_equal(block, expected, sizeof block);
    }
}

/* Bounded, because the thread either gets there or there is a defect. */
static bool wait_for_file_bytes(const struct fixture *f, uint64_t bytes)
{
    for (uint64_t turn = 0; turn < 200000000; turn++) {
        if (file_bytes(f) >= bytes) return true;
        sched_yield();
    }
    return false;
}

static void a_quiet_journal_gets_its_whole_reserve_of_zeros(void **state)
{
    struct fixture *f = *state;
    struct extender *x;
    assert_int_equal(extender_start(f->extender_fd, (uint64_t)160 << 20, 0, &x), 0);
    assert_true(wait_for_file_bytes(f, (uint64_t)160 << 20));
    commit(f, x, BATCH_BYTES_MAX);
    commit(f, x, BATCH_BYTES_MAX);
    assert_true(wait_for_file_bytes(f, f->used + ((uint64_t)160 << 20)));
    extender_stop(x);
    assert_untouched(f);
    assert_zeros_behind(f);
}

static void yield(int times)
{
    while (times-- > 0) sched_yield();
}

/* A loaded disk pauses for a tenth of a second and more, and zeros would make it pause again. */
static void a_pause_between_commits_is_not_quiet(void **state)
{
    struct fixture *f = *state;
    struct extender *x;
    const uint64_t reserve = (uint64_t)160 << 20;
    held_us = 1000000;
    assert_int_equal(extender_start(f->extender_fd, reserve, 0, &x), 0);
    assert_true(wait_for_file_bytes(f, reserve));
    for (int i = 0; i < 10; i++) {
        commit(f, x, BATCH_BYTES_MAX / 2);
        held_us += 100000;
        yield(2000);
    }
    assert_int_equal(file_bytes(f), reserve);
    for (int half_seconds = 0; file_bytes(f) < f->used + reserve && half_seconds < 100000; half_seconds++) {
        held_us += 500000;
        yield(100);
    }
    assert_true(file_bytes(f) >= f->used + reserve);
    held_us = 0;
    extender_stop(x);
    assert_untouched(f);
    assert_zeros_behind(f);
}

static void a_commit_ends_the_quiet_at_once(void **state)
{
    struct fixture *f = *state;
    struct extender *x;
    held_us = 1000000;
    sync_is_held = true; /* so the first chunk is the last before the commit, whoever runs when */
    assert_int_equal(extender_start(f->extender_fd, (uint64_t)1 << 30, 0, &x), 0);
    assert_true(wait_for_file_bytes(f, 1));
    commit(f, x, BLOCK_BYTES);
    uint64_t end = file_bytes(f);
    sync_is_held = false;
    yield(20000);
    assert_int_equal(file_bytes(f), end);
    held_us = 0;
    extender_stop(x);
}

static void no_zero_lands_on_a_commit_however_they_are_interleaved(void **state)
{
    struct fixture *f = *state;
    struct extender *x;
    uint64_t seed = 1;
    assert_int_equal(extender_start(f->extender_fd, 1, 0, &x), 0);
    for (int i = 0; i < 400; i++) {
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t blocks = 1 + (seed >> 33) % (i % 7 ? 16 : BATCH_BYTES_MAX / BLOCK_BYTES);
        commit(f, x, blocks * BLOCK_BYTES);
        for (int yields = (int)(seed >> 60) * 20; yields > 0; yields--) sched_yield();
    }
    extender_stop(x);
    assert_untouched(f);
    assert_zeros_behind(f);
}

/* The first commits of a new file are where the thread works below the reach of a commit. */
static void no_zero_lands_on_the_first_commits_of_a_new_file(void **state)
{
    struct fixture *f = *state;
    for (int round = 0; round < 200; round++) {
        struct extender *x;
        assert_int_equal(ftruncate(f->commit_fd, 0), 0);
        f->used = 0;
        assert_int_equal(extender_start(f->extender_fd, 1, 0, &x), 0);
        for (int yields = round; yields > 0; yields--) sched_yield();
        for (int i = 0; i < 4; i++) commit(f, x, (uint64_t)BLOCK_BYTES * (1 + (uint64_t)round % 9));
        extender_stop(x);
        assert_untouched(f);
        assert_zeros_behind(f);
    }
}

static void a_disk_that_fails_stops_extension_and_nothing_else(void **state)
{
    struct fixture *f = *state;
    struct extender *x;
    sync_is_failing = 1;
    syncs = 0;
    assert_int_equal(extender_start(f->extender_fd, (uint64_t)160 << 20, 0, &x), 0);
    assert_true(wait_for_file_bytes(f, 1));
    commit(f, x, BLOCK_BYTES);
    uint64_t end = file_bytes(f);
    commit(f, x, BLOCK_BYTES);
    assert_int_equal(file_bytes(f), end);
    assert_true(syncs <= 1);
    sync_is_failing = 0;
    while (f->used < 2 * EXTENDER_MARGIN_BYTES) commit(f, x, BATCH_BYTES_MAX / 4);
    assert_true(wait_for_file_bytes(f, f->used + ((uint64_t)160 << 20)));
    extender_stop(x);
    assert_untouched(f);
}

static void a_journal_without_extension_needs_no_thread(void **state)
{
    (void)state;
    extender_before_commit(NULL);
    extender_after_commit(NULL, 1);
    extender_stop(NULL);
}

#define HELD(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HELD(a_quiet_journal_gets_its_whole_reserve_of_zeros),
        HELD(a_pause_between_commits_is_not_quiet),
        HELD(a_commit_ends_the_quiet_at_once),
        HELD(no_zero_lands_on_a_commit_however_they_are_interleaved),
        HELD(no_zero_lands_on_the_first_commits_of_a_new_file),
        HELD(a_disk_that_fails_stops_extension_and_nothing_else),
        cmocka_unit_test(a_journal_without_extension_needs_no_thread),
    };
    return cmocka_run_group_tests_name("extender", tests, NULL, NULL);
}
