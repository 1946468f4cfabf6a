/* The journal in LMDB: one value a batch, under its first sequence, in pages that follow one another.
 *
 * A batch is one put and one commit. Keys only grow, so the tree is appended to and its pages are full; blobs
 * lie in overflow pages at the end of the file (or, once retention frees some, in reused ones).
 *
 * What a failed commit means. LMDB writes data pages, syncs, then writes one meta page. An error before the
 * meta page leaves the old state, so the batch is not there; a full disk is such an error, and work can go
 * on. An error of the meta page itself may mean either. LMDB then refuses its environment, and asking it
 * tells the two apart. Every other error of a commit (a sync that failed, above all) is not trusted to be
 * harmless: the journal refuses everything until it is opened again. The process ignores SIGXFSZ, or a file
 * size limit kills it instead. */
#include "store/journal.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/extender.h"
#include "store/journal_copy.h"
#include "store/lmdb_env.h"

enum { DATABASES = 8, KNOWN_BITS = 18, KNOWN_MAX = 1 << KNOWN_BITS };

/* Address space costs nothing, and to replace the map once gigabytes of it are in use takes a quarter of a second. */
#define DEFAULT_MAP_BYTES ((uint64_t)256 << 30)
#define LEAST_MAP_BYTES ((uint64_t)1 << 30) /* where the system allows no more (RLIMIT_AS) */

struct lmdb_journal {
    struct journal base;
    struct lmdb_env env;
    MDB_dbi batches;
    struct extender *extender;
    bool is_read_only;
    atomic_bool is_poisoned;
    struct lmdb_read written; /* of the thread that appends */
    _Atomic uint64_t last_sequence, used_bytes;
};

/* A batch that was read before. What is appended stays where it is: a value of a page and more has pages of its own, which
 * LMDB moves only when the value is written again. (Whoever lets batches be deleted has to forget them here.) */
struct known {
    uint64_t first_sequence; /* 0: none */
    struct bytes blob;
};

struct journal_reader {
    struct lmdb_journal *journal;
    struct lmdb_read read;
    struct known *known; /* KNOWN_MAX places by hash; the later one stays */
    uint32_t maps;       /* the map that they are in */
};

static struct lmdb_journal *of(struct journal *j)
{
    return (struct lmdb_journal *)j;
}

static int code_of(enum lmdb_trouble trouble)
{
    switch (trouble) {
    case LMDB_NO_TROUBLE:
        return 0;
    case LMDB_NOT_FOUND:
        return JOURNAL_E_NOT_FOUND;
    case LMDB_FULL:
        return JOURNAL_E_FULL;
    case LMDB_BUSY:
        return JOURNAL_E_BUSY;
    case LMDB_CORRUPT:
        return JOURNAL_E_CORRUPT;
    case LMDB_MEMORY:
        return JOURNAL_E_MEMORY;
    case LMDB_IO:
        return JOURNAL_E_IO;
    }
    return JOURNAL_E_IO;
}

static int translate(const struct lmdb_journal *l, int code, uint64_t bytes)
{
    return code_of(lmdb_trouble(&l->env, code, bytes));
}

/* --- looking at the tail -------------------------------------------------------------------------------- */

/* The last sequence as the file has it, and 0 when it is empty. Returns MDB_ codes; MDB_CORRUPTED also when
 * the last blob is not a batch, and then *ret_last is its key. */
static int read_last_sequence(MDB_txn *txn, MDB_dbi batches, uint64_t *ret_last)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    struct batch_view view;
    int code = mdb_cursor_open(txn, batches, &cursor);
    if (code) return code;
    *ret_last = 0;
    code = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    mdb_cursor_close(cursor);
    if (code) return code == MDB_NOTFOUND ? 0 : code;
    if (key.mv_size != sizeof(uint64_t)) return MDB_CORRUPTED;
    *ret_last = load_u64(key.mv_data);
    if (batch_open((struct bytes){value.mv_data, value.mv_size}, &view) || view.first_sequence != *ret_last)
        return MDB_CORRUPTED;
    *ret_last += view.count - 1;
    return 0;
}

/* --- appending ------------------------------------------------------------------------------------------ */

static int put(MDB_txn *txn, MDB_dbi batches, uint64_t first_sequence, struct bytes blob)
{
    MDB_val key = {sizeof first_sequence, &first_sequence};
    MDB_val value = {blob.len, (void *)blob.data};
    return mdb_put(txn, batches, &key, &value, MDB_APPEND);
}

/* ret_is_committing tells the two kinds of failure apart: before the commit nothing has reached the file. */
static int put_and_commit(struct lmdb_journal *l, uint64_t first_sequence, struct bytes blob,
                          bool *ret_is_committing)
{
    MDB_txn *txn;
    *ret_is_committing = false;
    int code = mdb_txn_begin(l->env.env, NULL, 0, &txn);
    if (code) return code;
    code = put(txn, l->batches, first_sequence, blob);
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    *ret_is_committing = true;
    return mdb_txn_commit(txn);
}

/* Whether LMDB still works and still has exactly what was durable before. */
static bool is_unchanged(struct lmdb_journal *l)
{
    MDB_txn *txn;
    uint64_t last;
    if (mdb_txn_begin(l->env.env, NULL, 0, &txn)) return false;
    int code = read_last_sequence(txn, l->batches, &last);
    mdb_txn_abort(txn);
    return code == 0 && last == l->last_sequence;
}

static int settle_failure(struct lmdb_journal *l, int code, bool was_committing, uint64_t bytes)
{
    int translated = translate(l, code, bytes);
    if (code != MDB_PANIC && !was_committing) return translated;
    if (code != MDB_PANIC && translated == JOURNAL_E_FULL && is_unchanged(l)) return JOURNAL_E_FULL;
    l->is_poisoned = true;
    return JOURNAL_E_UNKNOWN;
}

/* Whoever reads the batch finds its pages in the map: it waits for no fault, and a machine that takes back what no process
 * has mapped takes others first. A courtesy. */
static void map_written(struct lmdb_journal *l, uint64_t first_sequence)
{
#ifdef MADV_POPULATE_READ
    MDB_val key = {sizeof first_sequence, &first_sequence}, value;
    if (lmdb_read_begin(&l->written)) return;
    if (mdb_get(l->written.txn, l->batches, &key, &value) == 0) {
        uintptr_t from = (uintptr_t)value.mv_data & ~(uintptr_t)(l->env.page_bytes - 1);
        madvise((void *)from, (uintptr_t)value.mv_data + value.mv_size - from, MADV_POPULATE_READ);
    }
    lmdb_read_end(&l->written);
#else
    (void)l;
    (void)first_sequence;
#endif
}

static int append_now(struct lmdb_journal *l, uint64_t first_sequence, struct bytes blob)
{
    bool was_committing;
    int code = lmdb_env_make_room(&l->env, blob.len);
    if (code) return translate(l, code, blob.len);
    extender_before_commit(l->extender);
    code = put_and_commit(l, first_sequence, blob, &was_committing);
    if (!code) l->used_bytes = lmdb_env_used_bytes(&l->env);
    extender_after_commit(l->extender, l->used_bytes);
    if (!code) map_written(l, first_sequence);
    return code ? settle_failure(l, code, was_committing, blob.len) : 0;
}

static int lmdb_append(struct journal *j, uint64_t expected_last, uint64_t first_sequence, uint32_t count,
                       struct bytes blob)
{
    struct lmdb_journal *l = of(j);
    if (l->is_poisoned) return JOURNAL_E_UNKNOWN;
    if (l->is_read_only) return JOURNAL_E_BUSY;
    if (expected_last != l->last_sequence) return JOURNAL_E_FENCED;
    journal_assert_batch(expected_last, first_sequence, count, blob);
    int code = append_now(l, first_sequence, blob);
    if (!code) l->last_sequence = first_sequence + count - 1;
    return code;
}

static uint64_t lmdb_last_sequence(const struct journal *j)
{
    return ((const struct lmdb_journal *)j)->last_sequence;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int lmdb_reader_new(struct journal *j, struct journal_reader **ret_reader)
{
    struct journal_reader *r = calloc(1, sizeof *r);
    if (r) r->known = calloc(KNOWN_MAX, sizeof *r->known);
    if (!r || !r->known) {
        free(r);
        return JOURNAL_E_MEMORY;
    }
    r->journal = of(j);
    r->read.env = &r->journal->env;
    *ret_reader = r;
    return 0;
}

static void lmdb_reader_free(struct journal_reader *r)
{
    if (!r) return;
    lmdb_read_close(&r->read);
    free(r->known);
    free(r);
}

static int lmdb_reader_begin(struct journal_reader *r)
{
    if (r->journal->is_poisoned) return JOURNAL_E_UNKNOWN;
    int code = lmdb_read_begin(&r->read);
    if (!code && r->maps != r->journal->env.maps) {
        memset(r->known, 0, KNOWN_MAX * sizeof *r->known);
        r->maps = r->journal->env.maps;
    }
    return translate(r->journal, code, 0);
}

static void lmdb_reader_end(struct journal_reader *r)
{
    lmdb_read_end(&r->read);
}

static int lmdb_read_batch(struct journal_reader *r, uint64_t first_sequence, struct bytes *ret_blob)
{
    struct known *known = &r->known[first_sequence * UINT64_C(0x9e3779b97f4a7c15) >> (64 - KNOWN_BITS)];
    if (known->first_sequence == first_sequence && first_sequence) {
        *ret_blob = known->blob;
        return 0;
    }
    MDB_val key = {sizeof first_sequence, &first_sequence}, value;
    int code = mdb_get(r->read.txn, r->journal->batches, &key, &value);
    if (code) return translate(r->journal, code, 0);
    *ret_blob = (struct bytes){value.mv_data, value.mv_size};
    if (value.mv_size >= r->journal->env.page_bytes) *known = (struct known){first_sequence, *ret_blob};
    return 0;
}

/* Where a key may be: at `sequence` or after it; or, if `is_before`, at it or before. */
static int seek(struct journal_reader *r, uint64_t sequence, bool is_before, MDB_val *ret_key,
                MDB_val *ret_value)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(r->read.txn, r->journal->batches, &cursor);
    if (code) return code;
    *ret_key = (MDB_val){sizeof sequence, &sequence};
    code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_SET_RANGE);
    if (is_before && code == MDB_NOTFOUND)
        code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_LAST);
    else if (is_before && !code && load_u64(ret_key->mv_data) != sequence)
        code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_PREV);
    mdb_cursor_close(cursor);
    return code;
}

static int lmdb_find(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first, struct bytes *ret_blob)
{
    MDB_val key, value;
    struct batch_view view;
    int code = seek(r, sequence, true, &key, &value);
    if (code) return translate(r->journal, code, 0);
    struct bytes blob = {value.mv_data, value.mv_size};
    if (batch_open(blob, &view)) return JOURNAL_E_CORRUPT;
    if (view.first_sequence != load_u64(key.mv_data)) return JOURNAL_E_CORRUPT;
    if (sequence - view.first_sequence >= view.count) return JOURNAL_E_NOT_FOUND;
    *ret_first = view.first_sequence;
    *ret_blob = blob;
    return 0;
}

/* Whoever asks for the next batch reads on from it. The map is set to random access, so say what is coming,
 * or a cold journal is read page by page. */
static void announce_reading(const struct lmdb_journal *l, struct bytes blob)
{
    uintptr_t from = (uintptr_t)blob.data & ~(uintptr_t)(l->env.page_bytes - 1);
    madvise((void *)from, (uintptr_t)blob.data + blob.len - from, MADV_WILLNEED);
}

static int lmdb_next(struct journal_reader *r, uint64_t at_least, uint64_t *ret_first, struct bytes *ret_blob)
{
    MDB_val key, value;
    int code = seek(r, at_least, false, &key, &value);
    if (code) return translate(r->journal, code, 0);
    *ret_first = load_u64(key.mv_data);
    *ret_blob = (struct bytes){value.mv_data, value.mv_size};
    announce_reading(r->journal, *ret_blob);
    return 0;
}

/* --- opening and closing -------------------------------------------------------------------------------- */

static void lmdb_sizes(const struct journal *j, uint64_t *ret_file_bytes, uint64_t *ret_used_bytes)
{
    const struct lmdb_journal *l = (const struct lmdb_journal *)j;
    struct stat file;
    int fd;
    bool is_known = mdb_env_get_fd(l->env.env, &fd) == 0 && fstat(fd, &file) == 0;
    *ret_file_bytes = is_known ? (uint64_t)file.st_size : 0;
    *ret_used_bytes = l->used_bytes;
}

static void lmdb_close(struct journal *j)
{
    struct lmdb_journal *l = of(j);
    extender_stop(l->extender);
    lmdb_read_close(&l->written);
    lmdb_env_close(&l->env);
    free(l);
}

static const struct journal_ops lmdb_ops = {
    .append = lmdb_append,
    .last_sequence = lmdb_last_sequence,
    .reader_new = lmdb_reader_new,
    .reader_free = lmdb_reader_free,
    .read_begin = lmdb_reader_begin,
    .read_end = lmdb_reader_end,
    .read = lmdb_read_batch,
    .find = lmdb_find,
    .next = lmdb_next,
    .backup = journal_copy_into_folder,
    .sizes = lmdb_sizes,
    .close = lmdb_close,
};

/* A damaged tail is for the writer a reason to refuse and for a reader the thing to look at. */
static int open_batches(struct lmdb_journal *l)
{
    MDB_txn *txn;
    uint64_t last = 0;
    int code = lmdb_env_database(&l->env, "batches", MDB_INTEGERKEY, &l->batches);
    if (code) return code;
    code = mdb_txn_begin(l->env.env, NULL, MDB_RDONLY, &txn);
    if (code) return code;
    code = read_last_sequence(txn, l->batches, &last);
    mdb_txn_abort(txn);
    l->last_sequence = last;
    l->used_bytes = lmdb_env_used_bytes(&l->env);
    return code == MDB_CORRUPTED && l->is_read_only ? 0 : code;
}

static int open_environment(struct lmdb_journal *l, const char *folder,
                            const struct lmdb_env_options *options, uint64_t ahead_bytes)
{
    int code = lmdb_env_open(&l->env, folder, options);
    if (code) return code_of(lmdb_trouble(&(struct lmdb_env){.data_fd = -1}, code, 0));
    code = open_batches(l);
    if (!code && ahead_bytes && !l->is_read_only)
        code = extender_start(l->env.data_fd, ahead_bytes, l->used_bytes, &l->extender);
    if (!code) return 0;
    code = translate(l, code, 0);
    lmdb_env_close(&l->env);
    return code;
}

static int open_journal(const char *folder, const struct lmdb_env_options *options, uint64_t ahead_bytes,
                        struct journal **ret_journal)
{
    struct lmdb_journal *l = calloc(1, sizeof *l);
    if (!l) return JOURNAL_E_MEMORY;
    l->base.ops = &lmdb_ops;
    l->written.env = &l->env;
    l->is_read_only = options->is_read_only;
    int code = open_environment(l, folder, options, ahead_bytes);
    if (code)
        free(l);
    else
        *ret_journal = &l->base;
    return code;
}

static uint64_t first_map_bytes(void)
{
    uint64_t bytes = DEFAULT_MAP_BYTES;
    while (bytes > LEAST_MAP_BYTES && !lmdb_has_address_space(bytes)) bytes /= 2;
    return bytes;
}

int journal_lmdb_open(const char *folder, const struct journal_options *options, struct journal **ret_journal)
{
    struct lmdb_env_options env_options = {
        .map_bytes = options->map_bytes ? options->map_bytes : first_map_bytes(),
        .databases = DATABASES,
        .is_read_only = options->is_read_only,
    };
    return open_journal(folder, &env_options, options->ahead_bytes, ret_journal);
}

int journal_lmdb_open_unsynced(const char *folder, uint64_t map_bytes, struct journal **ret_journal)
{
    struct lmdb_env_options env_options = {
        .map_bytes = map_bytes > LEAST_MAP_BYTES ? map_bytes : LEAST_MAP_BYTES,
        .databases = DATABASES,
        .is_unsynced = true,
    };
    return open_journal(folder, &env_options, 0, ret_journal);
}

int journal_lmdb_sync(struct journal *j)
{
    struct lmdb_journal *l = of(j);
    return translate(l, mdb_env_sync(l->env.env, 1), 0);
}
