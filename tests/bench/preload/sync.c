/* Loaded into a server (LD_PRELOAD): times each of its syncs, and makes them as slow as other people's disks.
 *
 * BENCH_SYNC names a file that is shared with the runner: it sets the delay there, at any time, and reads the counts.
 * A sync is fdatasync, fsync, msync, or a pwrite to a file opened with O_DSYNC (LMDB writes its meta page so: one of
 * its commits is two syncs; these writes are counted apart). The real one is always done first, and the delay slept
 * after it: no guarantee is touched, and no disk is made faster. Syncs of a folder named `index` are counted apart, too,
 * because nobody's acknowledgement waits for them; they are delayed like the others. Without BENCH_SYNC it does nothing. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#include "../histogram.h"

/* Syncs of serve.py reads and writes the same. */
enum kind { KIND_SERVED, KIND_WRITE, KIND_INDEX, KIND_COUNT };
struct sync_file {
    _Atomic uint64_t delay_ns;
    struct {
        _Atomic uint64_t count, total_ns;
        _Atomic uint64_t buckets[HISTOGRAM_BUCKETS];
    } kinds[KIND_COUNT];
};

static struct sync_file *shared;

/* Before main, so before any thread. */
__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("BENCH_SYNC");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0) return;
    void *at = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    close(fd);
    if (at != MAP_FAILED) shared = at;
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

/* Of a file elsewhere than in the index's folder it is the kind that was thought. */
static enum kind kind_of(int fd, enum kind thought)
{
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = fd < 0 ? -1 : readlink(link, path, sizeof path - 1);
    if (len < 0) return thought;
    path[len] = 0;
    return strstr(path, "/index/") ? KIND_INDEX : thought;
}

static void count(int fd, enum kind thought, uint64_t began_ns)
{
    uint64_t delay_ns = atomic_load_explicit(&shared->delay_ns, memory_order_relaxed);
    enum kind kind = kind_of(fd, thought);
    if (delay_ns) {
        struct timespec rest = {(time_t)(delay_ns / 1000000000), (long)(delay_ns % 1000000000)};
        while (clock_nanosleep(CLOCK_MONOTONIC, 0, &rest, &rest) == EINTR) continue;
    }
    uint64_t took_ns = now_ns() - began_ns;
    atomic_fetch_add_explicit(&shared->kinds[kind].count, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->kinds[kind].total_ns, took_ns, memory_order_relaxed);
    atomic_fetch_add_explicit(&shared->kinds[kind].buckets[histogram_bucket(took_ns)], 1, memory_order_relaxed);
}

/* What the C library has under this name. */
#define REAL(NAME)                                                                                                     \
    static __typeof__(NAME) *real;                                                                                     \
    if (!real) *(void **)&real = dlsym(RTLD_NEXT, #NAME);                                                              \
    uint64_t began_ns = shared ? now_ns() : 0

static void counted(int fd, uint64_t began_ns)
{
    int error = errno;
    if (shared) count(fd, KIND_SERVED, began_ns);
    errno = error;
}

int fdatasync(int fd)
{
    REAL(fdatasync);
    int code = real(fd);
    counted(fd, began_ns);
    return code;
}

int fsync(int fd)
{
    REAL(fsync);
    int code = real(fd);
    counted(fd, began_ns);
    return code;
}

int msync(void *at, size_t bytes, int flags)
{
    REAL(msync);
    int code = real(at, bytes, flags);
    if (flags & MS_SYNC) counted(-1, began_ns);
    return code;
}

ssize_t pwrite(int fd, const void *bytes, size_t count_bytes, off_t offset)
{
    REAL(pwrite);
    ssize_t written = real(fd, bytes, count_bytes, offset);
    int error = errno;
    if (shared && (fcntl(fd, F_GETFL) & O_DSYNC)) count(fd, KIND_WRITE, began_ns);
    errno = error;
    return written;
}
