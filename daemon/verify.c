/* handoffd verify: reads a folder's whole journal in a child process, because a damaged page can kill its reader. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "commands.h"
#include "engine/audit.h"

static const char usage[] =
    "usage: handoffd verify FOLDER\n\n"
    "Reads the whole journal of a data folder, also while the daemon runs, and changes nothing.\n"
    "Checks frames, checksums and the chain of digests, every subject's chain of entries and the running totals;\n"
    "and decides every entry again that this version of handoffd wrote: the same record must come out.\n"
    "Each damage is named; the exit code is 1 if there is any.\n";

static void print_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    if (sequence)
        printf("damaged: batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence,
               sentence);
    else
        printf("damaged: batch %llu: %s\n", (unsigned long long)batch, sentence);
    fflush(stdout);
}

/* The other entries are changes of rules, or another version's decisions. */
static void print_summary(const struct audit_summary *s)
{
    printf("%s: %llu entries in %llu batches (%llu to %llu), of %llu patients, sources and sites; %llu of them were "
           "decided by this version and now again%s; %llu damage%s\n",
           s->damages ? "not sound" : "sound", (unsigned long long)s->entries, (unsigned long long)s->batches,
           (unsigned long long)s->first_sequence, (unsigned long long)s->last_sequence, (unsigned long long)s->subjects,
           (unsigned long long)s->decided_again, s->damages ? "" : ", each to the same bytes",
           (unsigned long long)s->damages, s->damages == 1 ? "" : "s");
}

static int verify_folder(const char *folder)
{
    char path[4096];
    struct journal *journal;
    struct audit_summary s;
    struct journal_options options = {.is_read_only = 1};
    struct audit audit = {HANDOFF_VERSION, NULL, print_damage};
    snprintf(path, sizeof path, "%s/journal", folder);
    int code = journal_lmdb_open(path, &options, &journal);
    if (code) {
        fprintf(stderr, "handoffd verify: the journal in %s does not open: %s\n", folder,
                code == JOURNAL_E_NOT_FOUND ? "there is none" : journal_error(code));
        return EXIT_FAILED;
    }
    code = audit_journal(journal, &audit, &s);
    journal_close(journal);
    print_summary(&s);
    return code || s.damages ? EXIT_FAILED : EXIT_DONE;
}

static int await_child(pid_t child)
{
    int status;
    if (waitpid(child, &status, 0) != child) {
        perror("handoffd verify");
        return EXIT_FAILED;
    }
    if (WIFEXITED(status)) return WEXITSTATUS(status);
    printf("damaged: the journal's file: reading it ended with %s\n", strsignal(WTERMSIG(status)));
    return EXIT_FAILED;
}

int command_verify(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        fputs(usage, stdout);
        return EXIT_DONE;
    }
    if (argc != 2 || argv[1][0] == '-') {
        fputs(usage, stderr);
        return EXIT_USAGE;
    }
    fflush(NULL);
    pid_t child = fork();
    if (child < 0) {
        perror("handoffd verify");
        return EXIT_FAILED;
    }
    if (child > 0) return await_child(child);
    int code = verify_folder(argv[1]);
    fflush(NULL);
    _exit(code);
}
