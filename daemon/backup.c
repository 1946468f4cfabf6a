/* handoffd backup: copies a folder's journal, also while the daemon runs. The index is not copied: it is rebuilt when
 * a daemon first starts on the copy. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "commands.h"
#include "store/journal.h"

enum { PATH_BYTES = 4096 };

static const char usage[] =
    "usage: handoffd backup FOLDER COPY\n\n"
    "Copies the journal of a data folder into a new or empty folder, also while the daemon runs. The copy holds\n"
    "everything up to the last entry at that moment; its index is rebuilt when a daemon first starts on it.\n";

static int say(const char *folder, const char *what, const char *why)
{
    fprintf(stderr, "handoffd backup: %s %s: %s\n", what, folder, why);
    return EXIT_FAILED;
}

static int copy_journal(struct journal *journal, const char *copy)
{
    char path[PATH_BYTES];
    bool was_made = mkdir(copy, 0700) == 0;
    if (!was_made && errno != EEXIST) return say(copy, "cannot make", strerror(errno));
    snprintf(path, sizeof path, "%s/journal", copy);
    int code = journal->ops->backup(journal, path);
    if (!code) {
        printf("%s holds the journal up to entry %llu or later\n", copy,
               (unsigned long long)journal_last_sequence(journal));
        return EXIT_DONE;
    }
    if (was_made) rmdir(copy);
    return say(copy, "cannot copy to", code == JOURNAL_E_EXISTS ? "the folder is not empty" : journal_error(code));
}

static int backup_folder(const char *folder, const char *copy)
{
    char path[PATH_BYTES];
    struct journal *journal;
    struct journal_options options = {.is_read_only = 1};
    snprintf(path, sizeof path, "%s/journal", folder);
    int code = journal_lmdb_open(path, &options, &journal);
    if (code == JOURNAL_E_NOT_FOUND) return say(folder, "cannot read the journal in", "there is none");
    if (code) return say(folder, "cannot read the journal in", journal_error(code));
    code = copy_journal(journal, copy);
    journal_close(journal);
    return code;
}

int command_backup(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (argc == 3 && argv[1][0] != '-') return backup_folder(argv[1], argv[2]);
    fputs(usage, stderr);
    return EXIT_USAGE;
}
