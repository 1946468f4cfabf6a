/* One LMDB environment: opening, locking, growing, reading. See lmdb_env.h.
 *
 * Flags: NOTLS, because readers belong to objects and not to threads; NORDAHEAD, because the hot reads fetch
 * one record out of a large file and read-ahead would push others out of the page cache. Not WRITEMAP (a full
 * disk becomes SIGBUS) and not NOSYNC (a commit must mean something). Not NOMEMINIT either: heap content,
 * which is patient content, could reach the file in the unused parts of pages; and for blobs, which span many
 * pages, LMDB clears only the last one, so leaving it on costs nothing that can be measured. */
#include "store/lmdb_env.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>
#include <unistd.h>

enum {
    FILE_MODE = 0600,
    FOLDER_MODE = 0700,
    GROW_WAIT_MS = 500, /* a thousand times what a read takes */
    RESIZE_ATTEMPTS = 3,
    /* Tree pages, the list of free pages and rounding, beside the value itself. */
    WRITE_SLACK_BYTES = 4 * 1024 * 1024
};

#define GROW_STEP_BYTES_MAX ((uint64_t)64 << 30)

/* --- opening -------------------------------------------------------------------------------------------- */

static int open_in(const char *folder, const char *name, int flags)
{
    char path[4096];
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    return open(path, flags | O_CLOEXEC, FILE_MODE);
}

/* A folder that was just made, and the names in it, must survive a power cut as its content does. */
static int sync_folder(const char *folder, const char *relative)
{
    int fd = open_in(folder, relative, O_RDONLY | O_DIRECTORY);
    if (fd < 0) return errno;
    int code = fsync(fd) ? errno : 0;
    close(fd);
    return code;
}

/* flock belongs to the open file, so it refuses a second writer in this process as it does in another one. */
static int take_writers_place(struct lmdb_env *e, const char *folder)
{
    if (mkdir(folder, FOLDER_MODE) && errno != EEXIST) return errno;
    e->lock_fd = open_in(folder, "lock", O_RDWR | O_CREAT);
    if (e->lock_fd < 0) return errno;
    return flock(e->lock_fd, LOCK_EX | LOCK_NB) ? errno : 0;
}

static unsigned environment_flags(const struct lmdb_env_options *options)
{
    return MDB_NOTLS | MDB_NORDAHEAD | (options->is_read_only ? MDB_RDONLY : 0) |
           (options->may_lose_last ? MDB_NOMETASYNC : 0) | (options->is_unsynced ? MDB_NOSYNC : 0);
}

static int open_environment(struct lmdb_env *e, const char *folder, const struct lmdb_env_options *options)
{
    int code = mdb_env_create(&e->env);
    if (code) return code;
    if (!options->is_read_only) code = mdb_env_set_mapsize(e->env, options->map_bytes);
    if (!code) code = mdb_env_set_maxdbs(e->env, options->databases);
    if (!code) code = mdb_env_open(e->env, folder, environment_flags(options), FILE_MODE);
    return code;
}

static int read_sizes(struct lmdb_env *e)
{
    MDB_envinfo info;
    MDB_stat stat;
    int dead_readers;
    int code = mdb_env_info(e->env, &info);
    if (!code) code = mdb_env_stat(e->env, &stat);
    if (!code)
        code = mdb_reader_check(e->env, &dead_readers); /* of processes that were killed while reading */
    if (code) return code;
    e->map_bytes = info.me_mapsize;
    e->page_bytes = stat.ms_psize;
    return 0;
}

/* A file that was cut short would kill its reader with SIGBUS; say so instead. The sizes come from the meta
 * page, and a writing process writes its pages before that one, so reading the file's size second is safe. */
static int check_file_is_whole(const struct lmdb_env *e)
{
    struct stat file;
    int fd;
    uint64_t used = lmdb_env_used_bytes(e);
    int code = mdb_env_get_fd(e->env, &fd);
    if (code) return code;
    if (fstat(fd, &file)) return errno;
    return (uint64_t)file.st_size < used ? MDB_CORRUPTED : 0;
}

static int make_durable(struct lmdb_env *e, const char *folder)
{
    e->data_fd = open_in(folder, "data.mdb", O_RDWR);
    if (e->data_fd < 0) return errno;
    int code = sync_folder(folder, ".");
    return code ? code : sync_folder(folder, "..");
}

static int init_map_lock(struct lmdb_env *e)
{
    pthread_rwlockattr_t attributes;
    int code = pthread_rwlockattr_init(&attributes);
    if (code) return code;
    /* Otherwise a steady stream of readers could keep the map from ever growing. */
    pthread_rwlockattr_setkind_np(&attributes, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    code = pthread_rwlock_init(&e->map_lock, &attributes);
    pthread_rwlockattr_destroy(&attributes);
    return code;
}

static void close_files(struct lmdb_env *e)
{
    if (e->env) mdb_env_close(e->env);
    if (e->data_fd >= 0) close(e->data_fd);
    if (e->lock_fd >= 0) close(e->lock_fd); /* last: the writer's place is given up when all else is done */
}

int lmdb_env_open(struct lmdb_env *e, const char *folder, const struct lmdb_env_options *options)
{
    *e = (struct lmdb_env){.data_fd = -1, .lock_fd = -1};
    int code = options->is_read_only ? 0 : take_writers_place(e, folder);
    if (!code) code = open_environment(e, folder, options);
    if (!code) code = read_sizes(e);
    if (!code) code = check_file_is_whole(e);
    if (!code && !options->is_read_only) code = make_durable(e, folder);
    if (!code) code = init_map_lock(e);
    if (code) close_files(e);
    return code;
}

void lmdb_env_close(struct lmdb_env *e)
{
    close_files(e);
    pthread_rwlock_destroy(&e->map_lock);
}

int lmdb_env_database(struct lmdb_env *e, const char *name, unsigned flags, MDB_dbi *ret_dbi)
{
    MDB_txn *txn;
    bool is_read_only = e->lock_fd < 0;
    int code = mdb_txn_begin(e->env, NULL, is_read_only ? MDB_RDONLY : 0, &txn);
    if (code) return code;
    code = mdb_dbi_open(txn, name, flags | (is_read_only ? 0 : MDB_CREATE), ret_dbi);
    if (!code)
        return mdb_txn_commit(txn); /* also when reading: a handle outlives only a committed transaction */
    mdb_txn_abort(txn);
    return code;
}

/* --- growing -------------------------------------------------------------------------------------------- */

uint64_t lmdb_env_used_bytes(const struct lmdb_env *e)
{
    MDB_envinfo info;
    int code = mdb_env_info(e->env, &info);
    assert(code == 0);
    (void)code;
    return ((uint64_t)info.me_last_pgno + 1) * e->page_bytes;
}

void lmdb_env_cover_used_bytes(struct lmdb_env *e)
{
    struct stat file;
    uint64_t used = lmdb_env_used_bytes(e);
    if (fstat(e->data_fd, &file) == 0 && (uint64_t)file.st_size < used &&
        ftruncate(e->data_fd, (off_t)used) != 0)
        return; /* the next open finds the file short and calls it damaged, which for an index means: rebuild
                 */
}

/* LMDB gives its old map back before it asks for the new one, and is lost if that is refused. So ask first.
 */
bool lmdb_has_address_space(uint64_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return false;
    munmap(at, bytes);
    return true;
}

/* Called with map_lock held exclusively. */
static int grow_map(struct lmdb_env *e, uint64_t bytes)
{
    uint64_t step = e->map_bytes < GROW_STEP_BYTES_MAX ? e->map_bytes : GROW_STEP_BYTES_MAX;
    uint64_t grown = e->map_bytes + step + bytes;
    grown -= grown % e->page_bytes;
    if (!lmdb_has_address_space(grown)) return MDB_MAP_FULL;
    int code = mdb_env_set_mapsize(e->env, grown);
    e->maps++;
    if (code)
        e->is_broken = true;
    else
        e->map_bytes = grown;
    return code;
}

static int lock_map(struct lmdb_env *e, bool may_wait)
{
    if (!may_wait) return pthread_rwlock_trywrlock(&e->map_lock);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until); /* the machine's clock bounds a wait; it decides nothing */
    until.tv_nsec += GROW_WAIT_MS * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    return pthread_rwlock_clockwrlock(&e->map_lock, CLOCK_MONOTONIC, &until);
}

int lmdb_env_make_room(struct lmdb_env *e, uint64_t bytes)
{
    uint64_t used = lmdb_env_used_bytes(e);
    uint64_t left = e->map_bytes > used ? e->map_bytes - used : 0;
    uint64_t need = bytes + WRITE_SLACK_BYTES;
    bool must_grow = left < need;
    if (!must_grow && left >= e->map_bytes / 4) return 0;
    if (lock_map(e, must_grow)) return must_grow ? MDB_MAP_FULL : 0;
    int code = grow_map(e, need);
    pthread_rwlock_unlock(&e->map_lock);
    return !must_grow && code == MDB_MAP_FULL ? 0 : code;
}

/* --- what went wrong ------------------------------------------------------------------------------------ */

/* How much longer this file could become, as far as the system says. */
static uint64_t room_on_disk(const struct lmdb_env *e)
{
    struct statvfs disk;
    struct stat file;
    struct rlimit limit;
    if (fstatvfs(e->data_fd, &disk) || fstat(e->data_fd, &file) || getrlimit(RLIMIT_FSIZE, &limit))
        return UINT64_MAX;
    uint64_t on_disk = (uint64_t)disk.f_bavail * disk.f_frsize;
    if (limit.rlim_cur == RLIM_INFINITY) return on_disk;
    uint64_t size = (uint64_t)file.st_size;
    uint64_t in_limit = limit.rlim_cur > size ? limit.rlim_cur - size : 0;
    return in_limit < on_disk ? in_limit : on_disk;
}

enum lmdb_trouble lmdb_trouble(const struct lmdb_env *e, int code, uint64_t bytes)
{
    switch (code) {
    case 0:
        return LMDB_NO_TROUBLE;
    case MDB_NOTFOUND:
    case ENOENT:
        return LMDB_NOT_FOUND;
    case MDB_MAP_FULL:
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return LMDB_FULL;
    case EIO:
        return room_on_disk(e) < bytes + WRITE_SLACK_BYTES ? LMDB_FULL : LMDB_IO;
    case EWOULDBLOCK:
        return LMDB_BUSY;
    case ENOMEM:
        return LMDB_MEMORY;
    case MDB_CORRUPTED:
    case MDB_PAGE_NOTFOUND:
    case MDB_INVALID:
    case MDB_VERSION_MISMATCH:
    case MDB_INCOMPATIBLE:
    case MDB_BAD_VALSIZE:
        return LMDB_CORRUPT;
    }
    return LMDB_IO;
}

/* --- reading -------------------------------------------------------------------------------------------- */

/* The writer is another process and has grown the map beyond ours. */
static int adopt_larger_map(struct lmdb_env *e)
{
    if (lock_map(e, true)) return MDB_MAP_RESIZED;
    int code = mdb_env_set_mapsize(e->env, 0);
    e->maps++;
    pthread_rwlock_unlock(&e->map_lock);
    return code;
}

static int begin_or_renew(struct lmdb_read *r)
{
    if (r->txn) return mdb_txn_renew(r->txn);
    int dead_readers;
    int code = mdb_txn_begin(r->env->env, NULL, MDB_RDONLY, &r->txn);
    if (code != MDB_READERS_FULL || mdb_reader_check(r->env->env, &dead_readers)) return code;
    return mdb_txn_begin(r->env->env, NULL, MDB_RDONLY, &r->txn);
}

int lmdb_read_begin(struct lmdb_read *r)
{
    int code = MDB_MAP_RESIZED;
    for (int attempt = 0; attempt < RESIZE_ATTEMPTS && code == MDB_MAP_RESIZED; attempt++) {
        if (pthread_rwlock_rdlock(&r->env->map_lock)) return EDEADLK;
        code = r->env->is_broken ? EIO : begin_or_renew(r);
        if (!code) return 0;
        pthread_rwlock_unlock(&r->env->map_lock);
        if (code == MDB_MAP_RESIZED && adopt_larger_map(r->env)) break;
    }
    return code;
}

void lmdb_read_end(struct lmdb_read *r)
{
    mdb_txn_reset(r->txn);
    pthread_rwlock_unlock(&r->env->map_lock);
}

void lmdb_read_close(struct lmdb_read *r)
{
    if (r->txn) mdb_txn_abort(r->txn);
    r->txn = NULL;
}
