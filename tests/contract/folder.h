/* A folder of its own for each test, removed afterwards. */
#ifndef HANDOFF_TESTS_CONTRACT_FOLDER_H
#define HANDOFF_TESTS_CONTRACT_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { FOLDER_BYTES = 512 };

static inline int folder_make(char ret_path[FOLDER_BYTES])
{
    const char *parent = getenv("TMPDIR");
    snprintf(ret_path, FOLDER_BYTES, "%s/handoff-XXXXXX", parent && *parent ? parent : "/tmp");
    return mkdtemp(ret_path) ? 0 : -1;
}

static inline int folder_remove_one(const char *path, const struct stat *file, int kind, struct FTW *where)
{
    (void)file;
    (void)kind;
    (void)where;
    return remove(path);
}

static inline void folder_remove(const char *path)
{
    nftw(path, folder_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

#endif
