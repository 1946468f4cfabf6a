/* The seam to durable storage: an append-only sequence of batches.
 *
 * Promises every implementation keeps (tests/contract/journal_test.c holds each of them):
 *  1. append is compare-and-append: it succeeds only if the last sequence is still `expected_last`; a writer
 *     that was overtaken gets JOURNAL_E_FENCED and changes nothing.
 *  2. When append returns 0 the batch is durable; when it returns an error the batch is not there, now or after
 *     a reopen. JOURNAL_E_UNKNOWN is the one exception: the outcome is not known, the journal refuses
 *     everything until it is closed and opened again, and then either has the whole batch or none of it.
 *  3. JOURNAL_E_FULL (disk or map) leaves the journal readable, and append works again when there is room.
 *  4. A batch reads back byte for byte as it was appended, and never changes.
 *  5. Bytes given out are valid until journal_read_end on the same reader; readers do not block the appender.
 *  6. A journal is opened once in a process; another process that opens it for writing is refused (JOURNAL_E_BUSY).
 *  7. Nothing here reads a clock or interprets an entry's sections. */
#ifndef HANDOFF_STORE_JOURNAL_H
#define HANDOFF_STORE_JOURNAL_H

#include "store/entry.h"

enum {
    JOURNAL_E_FENCED = -101,
    JOURNAL_E_FULL = -102,
    JOURNAL_E_UNKNOWN = -103,
    JOURNAL_E_BUSY = -104,
    JOURNAL_E_CORRUPT = -105,
    JOURNAL_E_NOT_FOUND = -106,
    JOURNAL_E_IO = -107,
    JOURNAL_E_MEMORY = -108,
    JOURNAL_E_EXISTS = -109 /* backup: the folder is not empty */
};
const char *journal_error(int code);

struct journal;        /* implementations embed it first */
struct journal_reader; /* one a thread; holds a snapshot between begin and end */

struct journal_ops {
    /* One thread appends, and holds no reader between begin and end while it does (the file may need a larger
     * map, which waits for readers). The blob is one sealed batch (entry.h) of at most BATCH_BYTES_MAX bytes, and
     * begins at expected_last + 1; only the first batch of an empty journal may begin anywhere. All asserted. */
    int (*append)(struct journal *j, uint64_t expected_last, uint64_t first_sequence, uint32_t count, struct bytes blob);
    uint64_t (*last_sequence)(const struct journal *j); /* 0: empty; as of the last append by this process */
    int (*reader_new)(struct journal *j, struct journal_reader **ret_reader);
    void (*reader_free)(struct journal_reader *r);
    int (*read_begin)(struct journal_reader *r);
    void (*read_end)(struct journal_reader *r);
    /* The batch whose first sequence is exactly this. */
    int (*read)(struct journal_reader *r, uint64_t first_sequence, struct bytes *ret_blob);
    /* The batch that holds this sequence. */
    int (*find)(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first, struct bytes *ret_blob);
    /* The first batch whose first sequence is >= this (JOURNAL_E_NOT_FOUND at the end). */
    int (*next)(struct journal_reader *r, uint64_t at_least, uint64_t *ret_first, struct bytes *ret_blob);
    /* A consistent copy into an empty or new folder while the journal is in use; callable from any thread. The copy
     * holds all batches up to the last one there was at the call, and opens as an LMDB journal. */
    int (*backup)(struct journal *j, const char *folder);
    /* Size of the file (0: there is none), and up to where it is used; between the two it is extended ahead. */
    void (*sizes)(const struct journal *j, uint64_t *ret_file_bytes, uint64_t *ret_used_bytes);
    void (*close)(struct journal *j);
};

struct journal {
    const struct journal_ops *ops;
};

struct journal_options {
    uint64_t map_bytes;    /* first size of the map; it grows by itself. 0: 256 GiB of address space */
    uint64_t ahead_bytes;  /* zeros kept beyond the last used page. 0: no extension */
    int is_read_only;      /* verify, backup by another process: does not take the writer's place */
};
/* folder is created if missing (0700). */
/* A read-only journal sees what the writing process commits; its appends are refused with JOURNAL_E_BUSY, and it
 * opens even when the tail is damaged, so that verify can walk there and name it. JOURNAL_E_NOT_FOUND: none here. */
int journal_lmdb_open(const char *folder, const struct journal_options *options, struct journal **ret_journal);
int journal_memory_open(struct journal **ret_journal);

static inline int journal_append(struct journal *j, uint64_t expected_last, uint64_t first, uint32_t count, struct bytes blob) { return j->ops->append(j, expected_last, first, count, blob); }
static inline uint64_t journal_last_sequence(const struct journal *j) { return j->ops->last_sequence(j); }
static inline void journal_close(struct journal *j) { if (j) j->ops->close(j); }

#endif
