/* Extending the journal's file ahead of need, with written zeros, in a thread of its own.
 *
 * A commit that makes the file longer waits for the file system to find blocks and to journal the new size; one
 * that overwrites zeros does not, and is three to four times as fast. The thread writes only behind the file's
 * end, so the one danger is that a commit and the thread write to the same place. See extender.c for why they
 * cannot. All functions but start accept NULL: a journal without extension. */
#ifndef HANDOFF_STORE_EXTENDER_H
#define HANDOFF_STORE_EXTENDER_H

#include <stdint.h>

struct extender;

/* No commit ends further than this behind the last used page: two of the largest batches. */
#define EXTENDER_MARGIN_BYTES ((uint64_t)32 * 1024 * 1024)

/* `fd` is an open file of its own on the journal's file, not LMDB's: the kernel reports a failed write-back once to
 * each open file, and LMDB must not miss one because this thread was told first. It stays open until stop. At least
 * four margins are kept ahead. No commit runs during start. Returns 0 or an errno. */
int extender_start(int fd, uint64_t ahead_bytes, uint64_t used_bytes, struct extender **ret_extender);
void extender_stop(struct extender *x);

/* Around every transaction that may write, failed ones too, by the thread that appends. */
void extender_before_commit(struct extender *x);
void extender_after_commit(struct extender *x, uint64_t used_bytes);

#endif
