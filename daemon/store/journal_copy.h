/* What the implementations of the journal share besides the seam. Private to them. */
#ifndef HANDOFF_STORE_JOURNAL_COPY_H
#define HANDOFF_STORE_JOURNAL_COPY_H

#include "store/journal.h"

/* A backup of any journal, as a new LMDB journal. Copies batch by batch in short reads up to the last sequence
 * there was at the start: since a batch never changes, that is as consistent as one long snapshot, and it holds
 * up neither the appender nor the growing of the map nor the reuse of pages. Leaves nothing behind if it fails. */
int journal_copy_into_folder(struct journal *from, const char *folder);

/* An LMDB journal whose appends are not durable until journal_lmdb_sync. */
int journal_lmdb_open_unsynced(const char *folder, uint64_t map_bytes, struct journal **ret_journal);
int journal_lmdb_sync(struct journal *j);

/* What a caller of append owes. A breach is our mistake and aborts before it can reach a disk. */
void journal_assert_batch(uint64_t expected_last, uint64_t first_sequence, uint32_t count, struct bytes blob);

#endif
