/* Extending the journal's file ahead of need. See extender.h for what for.
 *
 *            used                  reach                      claim           claim + chunk
 *   |--pages--|......margin.........|........zeros.............|====being written====|
 *             ^ grows by commits     = used + margin            = max(end of file, reach)
 *
 * Why no zero can ever land on a page of a commit:
 *
 *   1. A commit writes below `reach`, which is `used` (as of the commit before) plus the margin. A batch is
 * at most half the margin; the other half is for tree pages and the list of free ones. extender_after_commit
 * asserts it.
 *   2. Zeros are written only at or above `claim`, from the moment it is set until it is taken back.
 *   3. Invariant: while a claim is set and a commit runs, claim >= reach. Both are guarded by one mutex, and
 * each move keeps it: the thread sets a claim to at least `reach`; `used`, and so `reach`, moves only after a
 * commit, by the thread that appends; and that thread begins its next commit only when no claim lies below
 * the new reach. It waits then for the chunk being written, not for its sync.
 *
 * So when commits catch up with the end, the thread does not touch what lies before `reach`: it starts again
 * at `reach` and leaves a hole of at most the margin, which costs those commits what they would have cost
 * anyway. Nor can the zeros be stale: a claim begins at or behind the end of the file, where nothing was ever
 * written.
 *
 * Extension is a courtesy. If a write fails, or would leave the disk with less free space than it takes for
 * itself, the thread pauses until the journal has grown by another margin, and nobody is told. */
#include "store/extender.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "store/entry.h"

/* What one commit may have to wait for, and what its sync may have to carry along. */
enum { CHUNK_BYTES = 4 * 1024 * 1024, ZEROS_BYTES = 1024 * 1024 };

static_assert(EXTENDER_MARGIN_BYTES >= 2 * (uint64_t)BATCH_BYTES_MAX, "a commit stays within the margin");

#define NO_CLAIM UINT64_MAX

struct extender {
    pthread_mutex_t lock;
    pthread_cond_t work, claim_ended;
    pthread_t thread;
    int fd;
    uint64_t ahead_bytes;
    uint64_t used;         /* end of the last used page, as of the last commit */
    uint64_t claim;        /* zeros are being written at and behind this offset */
    uint64_t paused_until; /* nothing is extended until `used` has come so far */
    bool is_filling;       /* begun when a quarter is consumed, ended when all is there */
    bool is_stopping;
};

static const uint8_t zeros[ZEROS_BYTES];

static uint64_t reach(const struct extender *x)
{
    return x->used + EXTENDER_MARGIN_BYTES;
}

/* --- the thread ----------------------------------------------------------------------------------------- */

static bool write_zeros(int fd, uint64_t from, uint64_t bytes)
{
    for (uint64_t done = 0; done < bytes;) {
        size_t rest = bytes - done < ZEROS_BYTES ? (size_t)(bytes - done) : ZEROS_BYTES;
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

/* Where the next chunk goes; NO_CLAIM if there is enough, or nothing can be done. Called with the lock held.
 */
static uint64_t next_claim(struct extender *x)
{
    struct stat file;
    if (x->used < x->paused_until || fstat(x->fd, &file)) return NO_CLAIM;
    uint64_t end = (uint64_t)file.st_size;
    uint64_t ahead = end > x->used ? end - x->used : 0;
    if (ahead < x->ahead_bytes - x->ahead_bytes / 4) x->is_filling = true;
    if (ahead >= x->ahead_bytes) x->is_filling = false;
    if (!x->is_filling) return NO_CLAIM;
    return end > reach(x) ? end : reach(x);
}

/* Called with the lock held; lets go of it while it writes. */
static void extend(struct extender *x, uint64_t claim)
{
    x->claim = claim;
    pthread_mutex_unlock(&x->lock);
    bool is_written = disk_has_plenty(x) && write_zeros(x->fd, claim, CHUNK_BYTES);

    pthread_mutex_lock(&x->lock);
    x->claim = NO_CLAIM;
    pthread_cond_signal(&x->claim_ended);
    pthread_mutex_unlock(&x->lock);
    bool is_synced = is_written && fdatasync(x->fd) == 0;

    pthread_mutex_lock(&x->lock);
    if (!is_synced) x->paused_until = reach(x);
}

static void *run(void *data)
{
    struct extender *x = data;
    pthread_mutex_lock(&x->lock);
    while (!x->is_stopping) {
        uint64_t claim = next_claim(x);
        if (claim == NO_CLAIM)
            pthread_cond_wait(&x->work, &x->lock);
        else
            extend(x, claim);
    }
    pthread_mutex_unlock(&x->lock);
    return NULL;
}

/* --- the thread that appends ---------------------------------------------------------------------------- */

void extender_before_commit(struct extender *x)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    while (x->claim < reach(x)) pthread_cond_wait(&x->claim_ended, &x->lock);
    pthread_mutex_unlock(&x->lock);
}

void extender_after_commit(struct extender *x, uint64_t used_bytes)
{
    if (!x) return;
    pthread_mutex_lock(&x->lock);
    assert(used_bytes <= reach(x));
    x->used = used_bytes;
    pthread_cond_signal(&x->work);
    pthread_mutex_unlock(&x->lock);
}

/* The thread never writes below `reach`, so a new file would begin with a hole. While nothing can commit,
 * that part may be written here; if it fails, there is a hole. */
static void fill_margin(const struct extender *x)
{
    struct stat file;
    if (fstat(x->fd, &file) || !disk_has_plenty(x)) return;
    uint64_t end = (uint64_t)file.st_size;
    if (end < reach(x) && write_zeros(x->fd, end, reach(x) - end)) (void)fdatasync(x->fd);
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
    /* Less than two margins would be used up before the thread may write again. */
    uint64_t least = 2 * EXTENDER_MARGIN_BYTES;
    x->ahead_bytes = ahead_bytes > least ? ahead_bytes : least;
    x->fd = fd;
    x->used = used_bytes;
    x->claim = NO_CLAIM;
    pthread_mutex_init(&x->lock, NULL);
    pthread_cond_init(&x->work, NULL);
    pthread_cond_init(&x->claim_ended, NULL);
    fill_margin(x);
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
