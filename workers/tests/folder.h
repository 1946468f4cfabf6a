/* A folder of a test's own, removed with all that is in it. */
#ifndef HANDOFF_WORKERS_TESTS_FOLDER_H
#define HANDOFF_WORKERS_TESTS_FOLDER_H

#include <assert.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>

static char folder[64];

static inline int folder_make(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/handoff-notify-XXXXXX");
    char *made = mkdtemp(folder);
    assert(made);
    (void)made;
    return 0;
}

static inline int folder_remove_one(const char *path, const struct stat *info, int kind, struct FTW *walk)
{
    (void)info;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline int folder_remove(void **state)
{
    (void)state;
    return nftw(folder, folder_remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

static inline const char *folder_path(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

#endif
