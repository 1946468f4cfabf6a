/* Address space for tables that may become large: memory is taken when it is touched, in large pages where the system
 * has them, because such tables are read at random. */
#ifndef HANDOFF_ENGINE_RESERVE_H
#define HANDOFF_ENGINE_RESERVE_H

#include <stddef.h>
#include <sys/mman.h>

enum { LARGE_PAGE_BYTES = 2 * 1024 * 1024 };

/* NULL: the system refuses it. */
static inline void *reserve(size_t bytes)
{
    void *at = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) return NULL;
    if (bytes >= LARGE_PAGE_BYTES) madvise(at, bytes, MADV_HUGEPAGE); /* a courtesy */
    return at;
}

/* Takes the memory now, on any thread: who touches it first need not wait for it then, which on a virtual machine that
 * gets its memory when it is touched is 5 ms a large page. A courtesy. */
static inline void populate(void *at, size_t bytes)
{
    madvise(at, bytes, MADV_POPULATE_WRITE);
}

static inline void release(void *at, size_t bytes)
{
    if (at) munmap(at, bytes);
}

#endif
