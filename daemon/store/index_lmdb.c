/* The index in LMDB: five small databases, written in short transactions by one thread.
 *
 *   subject   patient key 16                        -> row, packed (below)
 *   due       due_at_ms be64 (sign flipped) | key 16 -> nothing
 *   work      patient key 16                        -> nothing
 *   rules     sequence be64                         -> nothing
 *   meta      "version"                             -> u32
 *             "indexed_sequence"                    -> u64
 *
 * Keys are hashes, so changes arrive in no order; they are written sorted, which makes neighbours share pages
 * and dirties each page once while it is at hand. Nothing here is worth saving when it is damaged: whoever
 * finds INDEX_E_CORRUPT or INDEX_E_VERSION deletes the folder and rebuilds it from the journal. */
#include "store/index.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "store/lmdb_env.h"

enum { INDEX_VERSION = 1, DUE_KEY_BYTES = 8 + PATIENT_KEY_BYTES };

/* Offsets in a packed row. */
enum {
    AT_SEQUENCE = 0,
    AT_BATCH = 8,
    AT_DUE = 16,
    AT_LODGED = 24,
    AT_OFFSET = 32,
    AT_FLAGS = 36,
    ROW_BYTES = 40
};

/* What one change may need: a leaf in each of two trees, copied, and what splits add. */
enum { CHANGE_BYTES = 6 * 4096 };

#define FIRST_MAP_BYTES ((uint64_t)1 << 28)

enum database { DB_SUBJECT, DB_DUE, DB_WORK, DB_RULES, DB_META, DB_COUNT };
static const char *const database_names[DB_COUNT] = {"subject", "due", "work", "rules", "meta"};

struct lmdb_index {
    struct index base;
    struct lmdb_env env;
    MDB_dbi databases[DB_COUNT];
    bool is_read_only;
    _Atomic uint64_t indexed_sequence;
    const struct index_change **sorted; /* room for one transaction, kept for the next */
    size_t sorted_capacity;
};

struct index_reader {
    struct lmdb_index *index;
    struct lmdb_read read;
};

static struct lmdb_index *of(struct index *x)
{
    return (struct lmdb_index *)x;
}

static int code_of(enum lmdb_trouble trouble)
{
    switch (trouble) {
    case LMDB_NO_TROUBLE:
        return 0;
    case LMDB_NOT_FOUND:
        return INDEX_E_NOT_FOUND;
    case LMDB_FULL:
        return INDEX_E_FULL;
    case LMDB_BUSY:
        return INDEX_E_BUSY;
    case LMDB_CORRUPT:
        return INDEX_E_CORRUPT;
    case LMDB_MEMORY:
        return INDEX_E_MEMORY;
    case LMDB_IO:
        return INDEX_E_IO;
    }
    return INDEX_E_IO;
}

static int translate(const struct lmdb_index *l, int code, uint64_t bytes)
{
    return code_of(lmdb_trouble(&l->env, code, bytes));
}

/* --- rows and keys -------------------------------------------------------------------------------------- */

static void pack_row(const struct index_row *row, uint8_t ret_packed[ROW_BYTES])
{
    memset(ret_packed, 0, ROW_BYTES);
    store_u64(ret_packed + AT_SEQUENCE, row->sequence);
    store_u64(ret_packed + AT_BATCH, row->batch_sequence);
    store_u64(ret_packed + AT_DUE, (uint64_t)row->due_at_ms);
    store_u64(ret_packed + AT_LODGED, (uint64_t)row->lodged_at_ms);
    store_u32(ret_packed + AT_OFFSET, row->offset);
    store_u16(ret_packed + AT_FLAGS, row->flags);
}

static int unpack_row(const MDB_val *packed, struct index_row *ret_row)
{
    const uint8_t *at = packed->mv_data;
    if (packed->mv_size != ROW_BYTES) return INDEX_E_CORRUPT;
    *ret_row = (struct index_row){
        .sequence = load_u64(at + AT_SEQUENCE),
        .batch_sequence = load_u64(at + AT_BATCH),
        .offset = load_u32(at + AT_OFFSET),
        .flags = load_u16(at + AT_FLAGS),
        .due_at_ms = (int64_t)load_u64(at + AT_DUE),
        .lodged_at_ms = (int64_t)load_u64(at + AT_LODGED),
    };
    return 0;
}

/* With the sign flipped, times before 1970 sort before those after it. key NULL: before every key. */
static void pack_due(int64_t due_at_ms, const struct patient_key *key, uint8_t ret_packed[DUE_KEY_BYTES])
{
    store_be64(ret_packed, (uint64_t)due_at_ms ^ ((uint64_t)1 << 63));
    memset(ret_packed + 8, 0, PATIENT_KEY_BYTES);
    if (key) memcpy(ret_packed + 8, key->bytes, PATIENT_KEY_BYTES);
}

static MDB_val value_of(const void *data, size_t len)
{
    return (MDB_val){len, (void *)data};
}

/* --- writing -------------------------------------------------------------------------------------------- */

/* One transaction's hands. Of each subject the row that is there is looked at first: it tells whether the open-work set
 * has the subject, and most changes leave that as it is. */
struct writing {
    MDB_txn *txn;
    const MDB_dbi *databases;
    MDB_cursor *subjects; /* in key order, so the next one is mostly on the page where the last one was */
};

static int put_key(const struct writing *w, enum database database, MDB_val key)
{
    MDB_val nothing = value_of("", 0);
    return mdb_put(w->txn, w->databases[database], &key, &nothing, 0);
}

static int remove_key(const struct writing *w, enum database database, MDB_val key)
{
    int code = mdb_del(w->txn, w->databases[database], &key, NULL);
    return code == MDB_NOTFOUND ? 0 : code;
}

/* Returns MDB_ codes. *ret_before: what was there; no work, if nothing was. */
static int replace_row(const struct writing *w, const struct index_change *change, struct index_row *ret_before)
{
    uint8_t packed[ROW_BYTES];
    pack_row(&change->row, packed);
    MDB_val key = value_of(change->key.bytes, PATIENT_KEY_BYTES), row = value_of(packed, ROW_BYTES), before;
    *ret_before = (struct index_row){0};
    int code = mdb_cursor_get(w->subjects, &key, &before, MDB_SET);
    if (code == MDB_NOTFOUND) return mdb_cursor_put(w->subjects, &key, &row, 0);
    if (code) return code;
    if (unpack_row(&before, ret_before)) return MDB_CORRUPTED;
    return mdb_cursor_put(w->subjects, &key, &row, MDB_CURRENT);
}

static int write_work(const struct writing *w, const struct index_change *change, const struct index_row *before)
{
    bool has_work = change->row.flags & ENTRY_HAS_OPEN_WORK, had_work = before->flags & ENTRY_HAS_OPEN_WORK;
    MDB_val key = value_of(change->key.bytes, PATIENT_KEY_BYTES);
    if (has_work == had_work) return 0;
    return has_work ? put_key(w, DB_WORK, key) : remove_key(w, DB_WORK, key);
}

static int write_due_row(const struct writing *w, const struct patient_key *key, int64_t at_ms, bool is_out)
{
    uint8_t packed[DUE_KEY_BYTES];
    pack_due(at_ms, key, packed);
    MDB_val row = value_of(packed, DUE_KEY_BYTES);
    return is_out ? remove_key(w, DB_DUE, row) : put_key(w, DB_DUE, row);
}

static int write_subject(const struct writing *w, const struct index_change *change)
{
    struct index_row before;
    int code = replace_row(w, change, &before);
    return code ? code : write_work(w, change, &before);
}

static int put_meta(const struct lmdb_index *l, MDB_txn *txn, const char *name, const void *data, size_t len)
{
    MDB_val key = value_of(name, strlen(name)), value = value_of(data, len);
    return mdb_put(txn, l->databases[DB_META], &key, &value, 0);
}

/* By key; changes of one subject stay in their order, because the last of them is the one that holds. */
static int by_key(const void *left, const void *right)
{
    const struct index_change *a = *(const struct index_change *const *)left;
    const struct index_change *b = *(const struct index_change *const *)right;
    int order = memcmp(a->key.bytes, b->key.bytes, PATIENT_KEY_BYTES);
    return order ? order : (a > b) - (a < b);
}

static int sort_changes(struct lmdb_index *l, const struct index_change *changes, size_t count)
{
    if (count > l->sorted_capacity) {
        const struct index_change **larger = realloc(l->sorted, count * sizeof *larger);
        if (!larger) return ENOMEM;
        l->sorted = larger;
        l->sorted_capacity = count;
    }
    for (size_t i = 0; i < count; i++) l->sorted[i] = &changes[i];
    if (count) qsort(l->sorted, count, sizeof *l->sorted, by_key);
    return 0;
}

static int write_changes(const struct lmdb_index *l, MDB_txn *txn, size_t count)
{
    struct writing w = {.txn = txn, .databases = l->databases};
    int code = mdb_cursor_open(txn, l->databases[DB_SUBJECT], &w.subjects);
    if (code) return code;
    for (size_t i = 0; i < count && !code; i++) code = write_subject(&w, l->sorted[i]);
    mdb_cursor_close(w.subjects);
    return code;
}

static int write_rules(const struct lmdb_index *l, MDB_txn *txn, const uint64_t *sequences, size_t count)
{
    const struct writing w = {.txn = txn, .databases = l->databases};
    int code = 0;
    for (size_t i = 0; i < count && !code; i++) {
        uint8_t packed[8];
        store_be64(packed, sequences[i]);
        code = put_key(&w, DB_RULES, value_of(packed, sizeof packed));
    }
    return code;
}

/* Returns MDB_ codes; whatever it is, the transaction is over. */
static int write_all(struct lmdb_index *l, size_t count, const uint64_t *rules_sequences, size_t rules_count,
                     uint64_t indexed_sequence)
{
    MDB_txn *txn;
    int code = mdb_txn_begin(l->env.env, NULL, 0, &txn);
    if (code) return code;
    code = write_changes(l, txn, count);
    if (!code) code = write_rules(l, txn, rules_sequences, rules_count);
    if (!code && indexed_sequence) {
        uint8_t packed[8];
        store_u64(packed, indexed_sequence);
        code = put_meta(l, txn, "indexed_sequence", packed, sizeof packed);
    }
    if (!code) return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return code;
}

static int lmdb_apply(struct index *x, const struct index_change *changes, size_t count,
                      const uint64_t *rules_sequences, size_t rules_count, uint64_t indexed_sequence)
{
    struct lmdb_index *l = of(x);
    if (l->is_read_only) return INDEX_E_BUSY;
    uint64_t bytes = (count + rules_count) * CHANGE_BYTES;
    int code = sort_changes(l, changes, count);
    if (!code) code = lmdb_env_make_room(&l->env, bytes);
    if (!code) code = write_all(l, count, rules_sequences, rules_count, indexed_sequence);
    if (code) return translate(l, code, bytes);
    lmdb_env_cover_used_bytes(&l->env);
    if (indexed_sequence) l->indexed_sequence = indexed_sequence;
    return 0;
}

/* Returns MDB_ codes. */
static int write_dues(const struct lmdb_index *l, const struct index_due *dues, size_t count, bool is_out)
{
    struct writing w = {.databases = l->databases};
    int code = mdb_txn_begin(l->env.env, NULL, 0, &w.txn);
    if (code) return code;
    for (size_t i = 0; i < count && !code; i++) code = write_due_row(&w, &dues[i].key, dues[i].at_ms, is_out);
    if (!code) return mdb_txn_commit(w.txn);
    mdb_txn_abort(w.txn);
    return code;
}

static int lmdb_lodge(struct index *x, const struct index_due *dues, size_t count, bool is_out)
{
    struct lmdb_index *l = of(x);
    if (l->is_read_only) return INDEX_E_BUSY;
    uint64_t bytes = count * CHANGE_BYTES;
    int code = lmdb_env_make_room(&l->env, bytes);
    if (!code) code = write_dues(l, dues, count, is_out);
    if (code) return translate(l, code, bytes);
    lmdb_env_cover_used_bytes(&l->env);
    return 0;
}

static uint64_t lmdb_indexed_sequence(const struct index *x)
{
    return ((const struct lmdb_index *)x)->indexed_sequence;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int lmdb_reader_new(struct index *x, struct index_reader **ret_reader)
{
    struct index_reader *r = calloc(1, sizeof *r);
    if (!r) return INDEX_E_MEMORY;
    r->index = of(x);
    r->read.env = &r->index->env;
    *ret_reader = r;
    return 0;
}

static void lmdb_reader_free(struct index_reader *r)
{
    if (!r) return;
    lmdb_read_close(&r->read);
    free(r);
}

static int lmdb_reader_begin(struct index_reader *r)
{
    return translate(r->index, lmdb_read_begin(&r->read), 0);
}

static void lmdb_reader_end(struct index_reader *r)
{
    lmdb_read_end(&r->read);
}

static int lmdb_get(struct index_reader *r, const struct patient_key *key, struct index_row *ret_row)
{
    MDB_val wanted = value_of(key->bytes, PATIENT_KEY_BYTES), row;
    int code = mdb_get(r->read.txn, r->index->databases[DB_SUBJECT], &wanted, &row);
    return code ? translate(r->index, code, 0) : unpack_row(&row, ret_row);
}

/* The first key at `key` or, if is_after, behind it. Keys of another length than expected are damage. */
static int seek(struct index_reader *r, enum database database, MDB_val key, bool is_after, MDB_val *ret_key,
                MDB_val *ret_value)
{
    MDB_cursor *cursor;
    int code = mdb_cursor_open(r->read.txn, r->index->databases[database], &cursor);
    if (code) return translate(r->index, code, 0);
    *ret_key = key;
    code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_SET_RANGE);
    if (!code && is_after && ret_key->mv_size == key.mv_size &&
        !memcmp(ret_key->mv_data, key.mv_data, key.mv_size))
        code = mdb_cursor_get(cursor, ret_key, ret_value, MDB_NEXT);
    mdb_cursor_close(cursor);
    if (code) return translate(r->index, code, 0);
    return ret_key->mv_size == key.mv_size ? 0 : INDEX_E_CORRUPT;
}

static int lmdb_due_next(struct index_reader *r, int64_t after_ms, const struct patient_key *after_key,
                         int64_t *ret_due_at_ms, struct patient_key *ret_key)
{
    uint8_t packed[DUE_KEY_BYTES];
    MDB_val found, nothing;
    pack_due(after_ms, after_key, packed);
    int code = seek(r, DB_DUE, value_of(packed, sizeof packed), after_key != NULL, &found, &nothing);
    if (code) return code;
    const uint8_t *at = found.mv_data;
    *ret_due_at_ms = (int64_t)(load_be64(at) ^ ((uint64_t)1 << 63));
    memcpy(ret_key->bytes, at + 8, PATIENT_KEY_BYTES);
    return 0;
}

static int seek_subject(struct index_reader *r, enum database database, const struct patient_key *after,
                        MDB_val *ret_key, MDB_val *ret_value)
{
    static const struct patient_key first;
    MDB_val key = value_of(after ? after->bytes : first.bytes, PATIENT_KEY_BYTES);
    return seek(r, database, key, after != NULL, ret_key, ret_value);
}

static int lmdb_subject_next(struct index_reader *r, const struct patient_key *after,
                             struct patient_key *ret_key, struct index_row *ret_row)
{
    MDB_val key, row;
    int code = seek_subject(r, DB_SUBJECT, after, &key, &row);
    if (!code) code = unpack_row(&row, ret_row);
    if (!code) memcpy(ret_key->bytes, key.mv_data, PATIENT_KEY_BYTES);
    return code;
}

static int lmdb_work_next(struct index_reader *r, const struct patient_key *after,
                          struct patient_key *ret_key)
{
    MDB_val key, nothing;
    int code = seek_subject(r, DB_WORK, after, &key, &nothing);
    if (!code) memcpy(ret_key->bytes, key.mv_data, PATIENT_KEY_BYTES);
    return code;
}

static int lmdb_rules_next(struct index_reader *r, uint64_t after, uint64_t *ret_sequence)
{
    uint8_t packed[8];
    MDB_val found, nothing;
    store_be64(packed, after);
    int code = seek(r, DB_RULES, value_of(packed, sizeof packed), true, &found, &nothing);
    if (!code) *ret_sequence = load_be64(found.mv_data);
    return code;
}

/* --- opening and closing -------------------------------------------------------------------------------- */

static void lmdb_close(struct index *x)
{
    struct lmdb_index *l = of(x);
    lmdb_env_close(&l->env);
    free(l->sorted);
    free(l);
}

static const struct index_ops lmdb_ops = {
    .apply = lmdb_apply,
    .lodge = lmdb_lodge,
    .indexed_sequence = lmdb_indexed_sequence,
    .reader_new = lmdb_reader_new,
    .reader_free = lmdb_reader_free,
    .read_begin = lmdb_reader_begin,
    .read_end = lmdb_reader_end,
    .get = lmdb_get,
    .due_next = lmdb_due_next,
    .subject_next = lmdb_subject_next,
    .work_next = lmdb_work_next,
    .rules_next = lmdb_rules_next,
    .close = lmdb_close,
};

/* A missing name reads as MDB_NOTFOUND, a value of another size as MDB_CORRUPTED. */
static int get_meta(const struct lmdb_index *l, MDB_txn *txn, const char *name, void *ret_data, size_t len)
{
    MDB_val key = value_of(name, strlen(name)), value;
    int code = mdb_get(txn, l->databases[DB_META], &key, &value);
    if (code) return code;
    if (value.mv_size != len) return MDB_CORRUPTED;
    memcpy(ret_data, value.mv_data, len);
    return 0;
}

/* Stamps a new index; one that is there must have our version. */
static int check_version(struct lmdb_index *l, MDB_txn *txn)
{
    uint8_t packed[4];
    int code = get_meta(l, txn, "version", packed, sizeof packed);
    if (!code) return load_u32(packed) == INDEX_VERSION ? 0 : INDEX_E_VERSION;
    if (code != MDB_NOTFOUND || l->is_read_only) return translate(l, code, 0);
    store_u32(packed, INDEX_VERSION);
    return translate(l, put_meta(l, txn, "version", packed, sizeof packed), 0);
}

static int read_meta(struct lmdb_index *l)
{
    MDB_txn *txn;
    uint8_t packed[8] = {0};
    int code = translate(l, mdb_txn_begin(l->env.env, NULL, l->is_read_only ? MDB_RDONLY : 0, &txn), 0);
    if (code) return code;
    code = check_version(l, txn);
    if (!code) {
        int found = get_meta(l, txn, "indexed_sequence", packed, sizeof packed);
        code = found == MDB_NOTFOUND ? 0 : translate(l, found, 0);
    }
    if (code) {
        mdb_txn_abort(txn);
        return code;
    }
    l->indexed_sequence = load_u64(packed);
    return translate(l, mdb_txn_commit(txn), 0);
}

static int open_databases(struct lmdb_index *l)
{
    int code = 0;
    for (int i = 0; i < DB_COUNT && !code; i++)
        code = lmdb_env_database(&l->env, database_names[i], 0, &l->databases[i]);
    return code ? translate(l, code, 0) : read_meta(l);
}

static int open_environment(struct lmdb_index *l, const char *folder)
{
    struct lmdb_env_options options = {
        .map_bytes = FIRST_MAP_BYTES,
        .databases = DB_COUNT,
        .is_read_only = l->is_read_only,
        .may_lose_last = true,
    };
    int code = lmdb_env_open(&l->env, folder, &options);
    if (code) return code_of(lmdb_trouble(&(struct lmdb_env){.data_fd = -1}, code, 0));
    code = open_databases(l);
    if (code)
        lmdb_env_close(&l->env);
    else if (!l->is_read_only)
        lmdb_env_cover_used_bytes(&l->env);
    return code;
}

int index_lmdb_open(const char *folder, int is_read_only, struct index **ret_index)
{
    struct lmdb_index *l = calloc(1, sizeof *l);
    if (!l) return INDEX_E_MEMORY;
    l->base.ops = &lmdb_ops;
    l->is_read_only = is_read_only;
    int code = open_environment(l, folder);
    if (code)
        free(l);
    else
        *ret_index = &l->base;
    return code;
}
