/* handoffd reindex: deletes a folder's index and builds it again from the journal. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "commands.h"
#include "engine/engine.h"

enum { PATH_BYTES = 4096 };

static const char usage[] =
    "usage: handoffd reindex FOLDER\n\n"
    "Deletes the index of a data folder and builds it again from the journal, which is not changed.\n"
    "The daemon must not be running. It rebuilds a missing index by itself when it starts.\n";

static int say(const char *folder, const char *what, const char *why)
{
    fprintf(stderr, "handoffd reindex: %s in %s: %s\n", what, folder, why);
    return EXIT_FAILED;
}

static int empty_index(const char *folder, struct index **ret_index)
{
    static const char *const files[] = {"data.mdb", "lock.mdb"};
    char path[PATH_BYTES + 16];
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(path, sizeof path, "%s/index/%s", folder, files[i]);
        if (unlink(path) && errno != ENOENT) return INDEX_E_IO;
    }
    snprintf(path, sizeof path, "%s/index", folder);
    return index_lmdb_open(path, 0, ret_index);
}

static int fill_index(const char *folder, struct journal *journal)
{
    struct index *index;
    uint64_t last = 0;
    const char *why = "";
    int code = empty_index(folder, &index);
    if (code) return say(folder, "the index does not open", index_error(code));
    code = engine_rebuild_index(journal, index, &last, &why);
    index->ops->close(index);
    if (code) return say(folder, "the index is not complete", why);
    printf("the index of %s reaches to entry %llu\n", folder, (unsigned long long)last);
    return EXIT_DONE;
}

/* Opened for writing, so that no daemon can be at work meanwhile. */
static int reindex_folder(const char *folder)
{
    char path[PATH_BYTES];
    struct journal *journal;
    struct journal_options options = {0};
    snprintf(path, sizeof path, "%s/journal", folder);
    if (access(path, F_OK)) return say(folder, "there is no journal", strerror(errno));
    int code = journal_lmdb_open(path, &options, &journal);
    if (code == JOURNAL_E_BUSY) return say(folder, "the journal is in use", "stop the daemon first");
    if (code) return say(folder, "the journal does not open", journal_error(code));
    code = fill_index(folder, journal);
    journal_close(journal);
    return code;
}

int command_reindex(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (argc == 2 && argv[1][0] != '-') return reindex_folder(argv[1]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
