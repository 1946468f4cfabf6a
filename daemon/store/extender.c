/* Extending the journal's file ahead of need. See extender.h for what for.
 *
 *            used                  reach                      claim           claim + chunk
 *   |--pages--|......margin.........|........zeros.............|====being written====|
 *             ^ grows by commits     = used + margin            = end of file
 *
 * Why no zero can ever land on a page of a commit:
 *
 *   1. A commit writes below `reach`, which is `used` (as of the commit before) plus the margin. A batch is
 * at most half the margin; the other half is for tree pages and the list of free ones. extender_after_commit
 * asserts it.
 *   2. Zeros are written only at or above `claim`, from the moment it is set until it is taken back.
 *   3. Invariant: while a claim is set and a commit runs, claim >= reach. One mutex guards all of it, and
 * each move keeps it: the thread sets a claim below `reach` only when no commit runs; a commit begins only
 * when no claim lies below `reach` (it waits for the chunk being written, not for its sync); `used` moves
 * only when a commit ends.
 *   4. A claim begins at the end of the file, where nothing was ever written, so the zeros are never stale
 * either.
 *
 * When it works. Fresh blocks cost the disk the same whoever asks for them first, so zeros are worth writing
 * only in time that commits leave over. While the disk is quiet (no commit for LOOK_MS) the whole reserve is
 * filled. While it is calm (commits run less than a quarter of the time) a reserve that shrank to a quarter
 * is kept from shrinking further. Otherwise nothing is written: a burst lives on the reserve, and load that
 * never ends uses it up and then goes on as fast as without extension.
 *
 * Extension is a courtesy. If a write fails, or would leave the disk with less free space than the whole
 * reserve, the thread pauses until the journal has grown by a margin, and nobody is told. */
#include "store/extender.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

#include "store/entry.h"

enum {
    CHUNK_BYTES = 4 * 1024 * 1024,  /* what a commit's sync may have to carry along */
    SMALL_CHUNK_BYTES = 512 * 1024, /* what a commit may have to wait for: under a millisecond */
    LOOK_MS = 20,
    LOAD_MS = 500
};

static_assert(EXTENDER_MARGIN_BYTES >= 2 * (uint64_t)BATCH_BYTES_MAX, "a commit stays within the margin");
static_assert(CHUNK_BYTES % SMALL_CHUNK_BYTES == 0, "zeros are written in whole small chunks");

#define NO_CLAIM UINT64_MAX

enum load { LOAD_QUIET, LOAD_CALM, LOAD_HEAVY };

struct extender {
    pthread_mutex_t lock;
    pthread_cond_t work, claim_ended;
    pthread_t thread;
    int fd;
    uint64_t ahead_bytes;
    uint64_t used;                     /* end of the last used page, as of the last commit */
    uint64_t claim;                    /* zeros are being written at and behind this offset */
    uint64_t paused_until;             /* nothing is extended until `used` has come so far */
    uint64_t commit_began_ns, busy_ns; /* busy: spent in commits since looked_ns */
    uint64_t looked_ns;
    bool is_committing;
    enum load load; /* when the thread last looked */
    bool is_full;   /* all of the reserve is there, less an eighth when it is being used up */
    bool is_asleep; /* the reserve is full, or extension paused: the next commit wakes the thread */
    bool is_stopping;
};

static const uint8_t zeros[SMALL_CHUNK_BYTES];

static uint64_t reach(const struct extender *x)
{
    return x->used + EXTENDER_MARGIN_BYTES;
}

/* Monotonic, and only for deciding whether the disk has time. */
static uint64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static bool write_zeros(int fd, uint64_t from, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        size_t rest = bytes - done < SMALL_CHUNK_BYTES ? (size_t)(bytes - done) : SMALL_CHUNK_BYTES;
        ssize_t n = pwrite(fd, zeros, rest, (off_t)(from + done));
        if (n < 0 && errno == EINTR) continue;
        if (n <= 0) return false;
        done += (uint64_t)n;
    }
    return true;
}

static bool disk_has_plenty(const struct extender *x)
{
    struct statvfs disk;
    if (fstatvfs(x->fd, &disk)) return false;
    return (uint64_t)disk.f_bavail * disk.f_frsize >= x->ahead_bytes + CHUNK_BYTES;
}

/* Called with the lock held; lets go of it while it writes. */
static void extend(struct extender *x, uint64_t claim)
{
    uint64_t bytes = claim < reach(x) ? SMALL_CHUNK_BYTES : CHUNK_BYTES;
    x->claim = claim;
    pthread_mutex_unlock(&x->lock);
    bool is_written = disk_has_plenty(x) && write_zeros(x->fd, claim, bytes);

    pthread_mutex_lock(&x->lock);
    x->claim = NO_CLAIM;
    pthread_cond_signal(&x->claim_ended);
    pthread_mutex_unlock(&x->lock);
    bool is_synced = is_written && fdatasync(x->fd) == 0;

    pthread_mutex_lock(&x->lock);
    if (!is_synced) x->paused_until = reach(x);
}

/* Until the next look is due, or until told. Called with the lock held. */
static void doze(struct extender *x)
{
    uint64_t until_ns = now_ns() + (uint64_t)LOOK_MS * 1000000;
    struct timespec until = {(time_t)(until_ns / 1000000000), (long)(until_ns % 1000000000)};
    pthread_cond_clockwait(&x->work, &x->lock, CLOCK_MONOTONIC, &until);
}

static void sleep_until_a_commit(struct extender *x)
{
    x->is_asleep = true;
    pthread_cond_wait(&x->work, &x->lock);
    x->is_asleep = false;
}

/* Called with the lock held. */
static void look_at_load(struct extender *x)
{
    uint64_t now = now_ns(), passed = now - x->looked_ns;
    if (passed < (uint64_t)LOAD_MS * 1000000) return;
    uint64_t busy = x->busy_ns;
    if (x->is_committing) busy += now - x->commit_began_ns;
    x->load = busy == 0 ? LOAD_QUIET : busy < passed / 4 ? LOAD_CALM : LOAD_HEAVY;
    x->looked_ns = now;
    x->busy_ns = 0;
    x->commit_began_ns = now; /* what is past of a running commit is counted */
}

/* How far the file reaches ahead of the last used page. Called with the lock held. */
static uint64_t look_at_reserve(struct extender *x, uint64_t *ret_end)
{
    struct stat file;
    if (fstat(x->fd, &file)) x->paused_until = reach(x);
    bool is_paused = x->used < x->paused_until;
    *ret_end = is_paused || (uint64_t)file.st_size < x->used ? x->used : (uint64_t)file.st_size;
    uint64_t ahead = *ret_end - x->used;
    if (ahead < x->ahead_bytes - x->ahead_bytes / 8) x->is_full = false;
    if (ahead >= x->ahead_bytes || is_paused) x->is_full = true;
    return ahead;
}

/* One move: extend by a chunk, or wait for a reason to. Called with the lock held. */
static void work_once(struct extender *x)
{
    uint64_t end, ahead = look_at_reserve(x, &end);
    look_at_load(x);
    bool is_allowed = !x->is_committing || end >= reach(x);
    bool is_wanted = x->load == LOAD_QUIET || (x->load == LOAD_CALM && ahead < x->ahead_bytes / 4);
    if (x->is_full)
        sleep_until_a_commit(x);
    else if (is_allowed && is_wanted)
        extend(x, end);
    else
        doze(x);
}

static void *run(void *data)
{
    struct extender *x = data;
    pthread_mutex_lock(&x->lock);
    while (!x->is_stopping) work_once(x);
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* --- the thread that appends ---------------------------------------------------------------------------- */

void extender_before_commit(struct extender *x)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    while (x->claim < reach(x)) pthread_cond_wait(&x->claim_ended, &x->lock);
    x->is_committing = true;
    if (x->load == LOAD_QUIET) x->load = LOAD_HEAVY; /* until the next look */
    x->commit_began_ns = now_ns();
    pthread_mutex_unlock(&x->lock);
}

void extender_after_commit(struct extender *x, uint64_t used_bytes)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    assert(used_bytes <= reach(x));
    x->used = used_bytes;
    x->is_committing = false;
    x->busy_ns += now_ns() - x->commit_began_ns;
    if (x->is_asleep) pthread_cond_signal(&x->work);
    pthread_mutex_unlock(&x->lock);
}

/* Signals are for the thread that runs the loop. */
static int start_thread(struct extender *x)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int code = pthread_create(&x->thread, NULL, run, x);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return code;
}

static void destroy(struct extender *x)
{
    pthread_cond_destroy(&x->work);
    pthread_cond_destroy(&x->claim_ended);
    pthread_mutex_destroy(&x->lock);
    free(x);
}

int extender_start(int fd, uint64_t ahead_bytes, uint64_t used_bytes, struct extender **ret_extender)
{
    struct extender *x = calloc(1, sizeof *x);
    if (!x) return ENOMEM;
    /* Less would be used up by a few batches. */
    uint64_t least = 4 * EXTENDER_MARGIN_BYTES;
    x->ahead_bytes = ahead_bytes > least ? ahead_bytes : least;
    x->fd = fd;
    x->used = used_bytes;
    x->claim = NO_CLAIM;
    x->looked_ns = now_ns();
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->work, NULL);
    pthread_cond_init(&x->claim_ended, NULL);
    int code = start_thread(x);
    if (code)
        destroy(x);
    else
        *ret_extender = x;
    return code;
}

void extender_stop(struct extender *x)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    x->is_stopping = true;
    pthread_cond_signal(&x->work);
    pthread_mutex_unlock(&x->lock);
    pthread_join(x->thread, NULL);
    destroy(x);
}
