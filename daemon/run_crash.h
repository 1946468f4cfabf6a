/* A damaged index can kill whoever reads it: LMDB trusts its pages, and a flipped bit becomes a wild pointer or an
 * assertion. The index says nothing that the journal does not, so a daemon that dies of a signal of its own making leaves
 * a file behind, and the next one makes the index anew instead of dying of it again. Neither kill -9 nor a power cut
 * leaves it. */
#ifndef HANDOFF_RUN_CRASH_H
#define HANDOFF_RUN_CRASH_H

#include <stdbool.h>

/* From here on a crash makes this file. The name is copied. */
void run_crash_watch(const char *mark_file);
/* Whether a crash made it before. */
bool run_crash_happened(void);
void run_crash_forget(void);

#endif
