/* The journal in memory: for simulations and tests, which run months in seconds and crash on purpose.
 *
 * Batches are copied once and never moved or freed before close, so bytes given to a reader stay valid by
 * themselves; the lock guards only the table of them. A snapshot is the count of batches at its beginning. */
#include "store/journal.h"

#include <pthread.h>
#include <stdlib.h>

#include "store/journal_copy.h"

enum { FIRST_CAPACITY = 64 };

struct stored_batch {
    uint64_t first_sequence;
    uint32_t count;
    struct bytes blob;
};

struct memory_journal {
    struct journal base;
    pthread_mutex_t lock;
    struct stored_batch *batches; /* ascending */
    size_t count, capacity;
    uint64_t last_sequence, used_bytes;
};

struct journal_reader {
    struct memory_journal *journal;
    size_t visible; /* batches in this snapshot */
};

static struct memory_journal *of(struct journal *j)
{
    return (struct memory_journal *)j;
}

static void lock(const struct memory_journal *m)
{
    pthread_mutex_lock((pthread_mutex_t *)&m->lock);
}

static void unlock(const struct memory_journal *m)
{
    pthread_mutex_unlock((pthread_mutex_t *)&m->lock);
}

/* --- appending ------------------------------------------------------------------------------------------ */

static int make_room(struct memory_journal *m)
{
    if (m->count < m->capacity) return 0;
    size_t capacity = m->capacity ? m->capacity * 2 : FIRST_CAPACITY;
    struct stored_batch *larger = realloc(m->batches, capacity * sizeof *larger);
    if (!larger) return JOURNAL_E_MEMORY;
    m->batches = larger;
    m->capacity = capacity;
    return 0;
}

static int store_copy(struct memory_journal *m, uint64_t first_sequence, uint32_t count, struct bytes blob)
{
    if (make_room(m)) return JOURNAL_E_MEMORY;
    uint8_t *copy = malloc(blob.len);
    if (!copy) return JOURNAL_E_MEMORY;
    memcpy(copy, blob.data, blob.len);
    m->batches[m->count++] = (struct stored_batch){first_sequence, count, {copy, blob.len}};
    m->last_sequence = first_sequence + count - 1;
    m->used_bytes += blob.len;
    return 0;
}

static int memory_append(struct journal *j, uint64_t expected_last, uint64_t first_sequence, uint32_t count,
                         struct bytes blob)
{
    struct memory_journal *m = of(j);
    lock(m);
    int code = JOURNAL_E_FENCED;
    if (expected_last == m->last_sequence) {
        journal_assert_batch(expected_last, first_sequence, count, blob);
        code = store_copy(m, first_sequence, count, blob);
    }
    unlock(m);
    return code;
}

static uint64_t memory_last_sequence(const struct journal *j)
{
    const struct memory_journal *m = (const struct memory_journal *)j;
    lock(m);
    uint64_t last = m->last_sequence;
    unlock(m);
    return last;
}

/* --- reading -------------------------------------------------------------------------------------------- */

static int memory_reader_new(struct journal *j, struct journal_reader **ret_reader)
{
    struct journal_reader *r = calloc(1, sizeof *r);
    if (!r) return JOURNAL_E_MEMORY;
    r->journal = of(j);
    *ret_reader = r;
    return 0;
}

static void memory_reader_free(struct journal_reader *r)
{
    free(r);
}

static int memory_read_begin(struct journal_reader *r)
{
    lock(r->journal);
    r->visible = r->journal->count;
    unlock(r->journal);
    return 0;
}

static void memory_read_end(struct journal_reader *r)
{
    r->visible = 0;
}

/* How many of the visible batches begin before this sequence. Called with the lock held. */
static size_t count_before(const struct journal_reader *r, uint64_t sequence)
{
    size_t low = 0, high = r->visible;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (r->journal->batches[middle].first_sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static int memory_next(struct journal_reader *r, uint64_t at_least, uint64_t *ret_first,
                       struct bytes *ret_blob)
{
    lock(r->journal);
    size_t i = count_before(r, at_least);
    int code = i < r->visible ? 0 : JOURNAL_E_NOT_FOUND;
    if (!code) {
        *ret_first = r->journal->batches[i].first_sequence;
        *ret_blob = r->journal->batches[i].blob;
    }
    unlock(r->journal);
    return code;
}

static int memory_read(struct journal_reader *r, uint64_t first_sequence, struct bytes *ret_blob)
{
    uint64_t first;
    struct bytes blob;
    int code = memory_next(r, first_sequence, &first, &blob);
    if (code || first != first_sequence) return JOURNAL_E_NOT_FOUND;
    *ret_blob = blob;
    return 0;
}

static int memory_find(struct journal_reader *r, uint64_t sequence, uint64_t *ret_first,
                       struct bytes *ret_blob)
{
    lock(r->journal);
    size_t at_or_before = sequence == UINT64_MAX ? r->visible : count_before(r, sequence + 1);
    const struct stored_batch *batch = at_or_before ? &r->journal->batches[at_or_before - 1] : NULL;
    int code = batch && sequence - batch->first_sequence < batch->count ? 0 : JOURNAL_E_NOT_FOUND;
    if (!code) {
        *ret_first = batch->first_sequence;
        *ret_blob = batch->blob;
    }
    unlock(r->journal);
    return code;
}

/* --- the rest ------------------------------------------------------------------------------------------- */

static void memory_sizes(const struct journal *j, uint64_t *ret_file_bytes, uint64_t *ret_used_bytes)
{
    const struct memory_journal *m = (const struct memory_journal *)j;
    lock(m);
    *ret_file_bytes = 0;
    *ret_used_bytes = m->used_bytes;
    unlock(m);
}

static void memory_close(struct journal *j)
{
    struct memory_journal *m = of(j);
    for (size_t i = 0; i < m->count; i++) free((uint8_t *)m->batches[i].blob.data);
    free(m->batches);
    pthread_mutex_destroy(&m->lock);
    free(m);
}

static const struct journal_ops memory_ops = {
    .append = memory_append,
    .last_sequence = memory_last_sequence,
    .reader_new = memory_reader_new,
    .reader_free = memory_reader_free,
    .read_begin = memory_read_begin,
    .read_end = memory_read_end,
    .read = memory_read,
    .find = memory_find,
    .next = memory_next,
    .backup = journal_copy_into_folder,
    .sizes = memory_sizes,
    .close = memory_close,
};

int journal_memory_open(struct journal **ret_journal)
{
    struct memory_journal *m = calloc(1, sizeof *m);
    if (!m) return JOURNAL_E_MEMORY;
    m->base.ops = &memory_ops;
    pthread_mutex_init(&m->lock, NULL);
    *ret_journal = &m->base;
    return 0;
}
