/* Batches for the journal's tests: what a batch holds follows from its first sequence, so that a reader can
 * tell whether it got the right one, whole. */
#ifndef HANDOFF_TESTS_CONTRACT_BATCHES_H
#define HANDOFF_TESTS_CONTRACT_BATCHES_H

#include "store/journal.h"

static inline struct entry batch_sample_entry(const uint8_t *fill, uint64_t sequence, size_t record_bytes)
{
    struct entry e = {
        .sequence = sequence,
        .time_ms = (int64_t)sequence * 1000,
        .due_at_ms = NO_DUE,
        .key = {{(uint8_t)sequence, (uint8_t)(sequence >> 8)}},
        .kind = ENTRY_EVENT,
        .format = ENTRY_FORMAT_PROTOBUF,
        .input = {fill + sequence % 251, 40},
        .record = {fill + sequence % 241, record_bytes},
    };
    return e;
}

/* Valid until the next one is made. */
static inline struct bytes batch_sample(struct batch_builder *b, uint64_t first, uint32_t count,
                                        size_t record_bytes)
{
    static uint8_t fill[512 * 1024 + 256];
    static const uint8_t prev_digest[DIGEST_BYTES];
    int64_t totals[TOTAL_COUNT] = {(int64_t)(first + count - 1)};
    uint8_t digest[DIGEST_BYTES];
    for (size_t i = 0; fill[1] == 0 && i < sizeof fill; i++) fill[i] = (uint8_t)(i * 131 + 7);
    batch_begin(b, first);
    for (uint32_t i = 0; i < count; i++) {
        struct entry e = batch_sample_entry(fill, first + i, record_bytes);
        batch_add(b, &e);
    }
    return batch_seal(b, totals, prev_digest, digest);
}

static inline int batch_append_sample(struct journal *j, struct batch_builder *b, uint32_t count,
                                      size_t record_bytes)
{
    uint64_t last = journal_last_sequence(j);
    return journal_append(j, last, last + 1, count, batch_sample(b, last + 1, count, record_bytes));
}

#endif
