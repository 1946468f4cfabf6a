/* The seam to the index: where each patient's newest record is, who is due when, who has open work.
 *
 * The index says nothing that the journal does not: it may be behind (indexed_sequence tells how far), it may
 * be deleted and rebuilt. It is written by one thread in many short transactions and read by another.
 *
 * Promises (tests/contract/index_test.c):
 *  1. A transaction is applied wholly or not at all; indexed_sequence moves with it.
 *  2. After a crash of the process every committed transaction is there; a power cut may take the last one back, whole.
 *     (Being behind is harmless, being torn is not.)
 *  3. The due index is lazy: a patient has at most one row that counts, the one its `lodged_at_ms` names; rows
 *     that no patient names may be left behind by a crash and are for the reader to skip and the writer to delete.
 *  4. Readers see a snapshot between begin and end. */
#ifndef HANDOFF_STORE_INDEX_H
#define HANDOFF_STORE_INDEX_H

#include "store/entry.h"

struct index_row {
    uint64_t sequence;       /* newest entry of this subject */
    uint64_t batch_sequence; /* first sequence of its batch */
    uint32_t offset;         /* in the batch's blob */
    uint16_t flags;          /* of the entry: ENTRY_HAS_OPEN_WORK ... */
    int64_t due_at_ms;       /* earliest due time in the record; NO_DUE */
    int64_t lodged_at_ms;    /* the due row that stands for this patient, <= due_at_ms; NO_DUE: none */
};

struct index_change {
    struct patient_key key;
    struct index_row row;
    int64_t unlodge_at_ms; /* due row to take out (it was consumed, or replaced); NO_DUE: none. lodge does, not apply */
};

/* A due row. */
struct index_due {
    int64_t at_ms;
    struct patient_key key;
};

enum {
    INDEX_E_NOT_FOUND = -201,
    INDEX_E_FULL = -202,
    INDEX_E_IO = -203,
    INDEX_E_CORRUPT = -204,
    INDEX_E_BUSY = -205,
    INDEX_E_MEMORY = -206,
    INDEX_E_VERSION = -207
};
const char *index_error(int code);

struct index;
struct index_reader;

struct index_ops {
    /* Writes one short transaction: the changes, in their order (put row; keep the open-work set by row.flags; due rows
     * are lodge's), the sequences of rules entries, and indexed_sequence (0: leave it as it is, because more of the same
     * sweep is to come).
     * One thread applies, and holds no reader between begin and end while it does. */
    int (*apply)(struct index *x, const struct index_change *changes, size_t count, const uint64_t *rules_sequences,
                 size_t rules_count, uint64_t indexed_sequence);
    /* Puts due rows, or takes them out, in one short transaction. In what order they come decides how many pages it
     * writes. A row that is there is put before a subject's row names it, and taken out when none does any more. */
    int (*lodge)(struct index *x, const struct index_due *dues, size_t count, bool is_out);
    uint64_t (*indexed_sequence)(const struct index *x);
    int (*reader_new)(struct index *x, struct index_reader **ret_reader);
    void (*reader_free)(struct index_reader *r);
    int (*read_begin)(struct index_reader *r);
    void (*read_end)(struct index_reader *r);
    int (*get)(struct index_reader *r, const struct patient_key *key, struct index_row *ret_row);
    /* The first due row that is > (after_ms, after_key), in (time, key) order; after_key NULL: >= after_ms. */
    int (*due_next)(struct index_reader *r, int64_t after_ms, const struct patient_key *after_key, int64_t *ret_due_at_ms,
                    struct patient_key *ret_key);
    /* The next subject in key order after `after` (NULL: the first). */
    int (*subject_next)(struct index_reader *r, const struct patient_key *after, struct patient_key *ret_key, struct index_row *ret_row);
    /* The same among those with open work. */
    int (*work_next)(struct index_reader *r, const struct patient_key *after, struct patient_key *ret_key);
    /* The next rules entry's sequence after this one. */
    int (*rules_next)(struct index_reader *r, uint64_t after, uint64_t *ret_sequence);
    void (*close)(struct index *x);
};

struct index {
    const struct index_ops *ops;
};

/* folder is created if missing (0700). INDEX_E_VERSION, INDEX_E_CORRUPT: delete the folder and rebuild. */
int index_lmdb_open(const char *folder, int is_read_only, struct index **ret_index);
int index_memory_open(struct index **ret_index);

#endif
