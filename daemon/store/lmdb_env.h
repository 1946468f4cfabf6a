/* What the LMDB journal and the LMDB index have in common: one environment, its writer's lock, a map that
 * grows, and readers that let it grow. Private to those two.
 *
 * LMDB maps the file once, at a size chosen beforehand, and may be given a larger map only while no transaction
 * of this process is open. So every reader holds `map_lock` shared between begin and end, and growing takes it
 * exclusively. Growing is tried early, when a quarter of the map is left and without waiting; it waits, and not
 * for ever, only when the next write would not fit. Reads are short, so in practice nobody waits at all. A thread
 * must not write while it holds a reader open: it could wait for itself, and would get MDB_MAP_FULL.
 *
 * Functions return 0, an MDB_ code or an errno; lmdb_trouble() sorts these into what a caller can act upon. */
#ifndef HANDOFF_STORE_LMDB_ENV_H
#define HANDOFF_STORE_LMDB_ENV_H

#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct lmdb_env {
    MDB_env *env;
    pthread_rwlock_t map_lock;
    uint64_t map_bytes;
    uint32_t page_bytes;
    uint32_t maps; /* counts how often the map was replaced, and with it every address in it; read by who holds a reader */
    int data_fd; /* an open file of our own, see extender.h; -1 if read-only */
    int lock_fd; /* holds the writer's place; -1 if read-only */
    atomic_bool is_broken; /* an environment that lost its map, or that LMDB has given up */
};

struct lmdb_env_options {
    uint64_t map_bytes;
    unsigned databases;
    bool is_read_only;
    bool may_lose_last; /* a power cut may take the last commit back, whole: one sync a commit instead of two */
    bool is_unsynced;   /* for a copy that is synced once, at its end */
};

enum lmdb_trouble {
    LMDB_NO_TROUBLE,
    LMDB_NOT_FOUND,
    LMDB_FULL,
    LMDB_BUSY,
    LMDB_CORRUPT,
    LMDB_MEMORY,
    LMDB_IO
};

/* The folder is created if missing (0700), unless read-only. EWOULDBLOCK: another process writes here. */
int lmdb_env_open(struct lmdb_env *e, const char *folder, const struct lmdb_env_options *options);
void lmdb_env_close(struct lmdb_env *e);

/* Opens a named database, creating it unless the environment is read-only. */
int lmdb_env_database(struct lmdb_env *e, const char *name, unsigned flags, MDB_dbi *ret_dbi);

/* Whether the system would give this process so large a map. */
bool lmdb_has_address_space(uint64_t bytes);

/* Makes sure a write of so many bytes fits the map, growing it if it must. MDB_MAP_FULL: a reader would not end,
 * or the system refuses the address space; nothing has changed. */
int lmdb_env_make_room(struct lmdb_env *e, uint64_t bytes);
/* The end of the last page in use, in bytes from the start of the file. Only for the thread that writes. */
uint64_t lmdb_env_used_bytes(const struct lmdb_env *e);
/* LMDB does not write pages it took and gave back in one transaction, so where rows are deleted the file can end
 * before its last page in use. Called after commits there, because opening refuses a file that is too short. */
void lmdb_env_cover_used_bytes(struct lmdb_env *e);

/* `bytes` is what the failed write needed: LMDB reports a short write on a full disk as EIO, and only the
 * file system can say which of the two it was. */
enum lmdb_trouble lmdb_trouble(const struct lmdb_env *e, int code, uint64_t bytes);

/* One a thread. */
struct lmdb_read {
    struct lmdb_env *env;
    MDB_txn *txn; /* reset, not freed, between uses: it keeps its slot in the table of readers */
};
int lmdb_read_begin(struct lmdb_read *r);
void lmdb_read_end(struct lmdb_read *r);
void lmdb_read_close(struct lmdb_read *r);

#endif
