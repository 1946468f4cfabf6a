/* handoffd: a table of subcommands. The only place that exits. */
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "commands.h"

#include "base/banned.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv);
    const char *summary;
};

static int command_version(int argc, char **argv);
static int command_help(int argc, char **argv);

static const struct command commands[] = {
    {"run", command_run, "serve: take events in, fire timers, tell people"},
    {"verify", command_verify, "read a data folder's whole journal and say whether it is sound"},
    {"reindex", command_reindex, "rebuild a data folder's index from its journal"},
    {"backup", command_backup, "copy a data folder's journal, also while the daemon runs"},
    {"backtest", command_backtest, "try other pathways on the journal of what happened"},
    {"forecast", command_forecast, "the work of the coming days, if people do as usual"},
    {"pathway", command_pathway, "check, draw and explain pathways"},
    {"config", command_config, "print the configuration in force"},
    {"version", command_version, "print the version"},
    {"help", command_help, "print this"},
};
enum { COMMAND_COUNT = sizeof commands / sizeof *commands };

static void print_usage(FILE *to)
{
    fputs("usage: handoffd COMMAND [OPTION...]\n\n", to);
    for (int i = 0; i < COMMAND_COUNT; i++)
        fprintf(to, "  %-8s  %s\n", commands[i].name, commands[i].summary);
    fputs("\nhandoffd COMMAND --help says more. Exit codes: 0 done, 1 failed or found something wrong,\n"
          "2 the command line is not understood, 3 configuration, policy or a pathway refused.\n",
          to);
}

static int command_version(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    puts("handoffd " HANDOFF_VERSION);
    return EXIT_DONE;
}

static int command_help(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    print_usage(stdout);
    return EXIT_DONE;
}

static const struct command *find_command(const char *name)
{
    if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0) name = "help";
    if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) name = "version";
    for (int i = 0; i < COMMAND_COUNT; i++)
        if (strcmp(commands[i].name, name) == 0) return &commands[i];
    return NULL;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        print_usage(stderr);
        return EXIT_USAGE;
    }
    const struct command *command = find_command(argv[1]);
    if (command == NULL) {
        fprintf(stderr, "handoffd: there is no command %s; handoffd help lists them\n", argv[1]);
        return EXIT_USAGE;
    }
    signal(SIGXFSZ, SIG_IGN); /* a file size limit is a full disk, which has its own answer */
    return command->run(argc - 1, argv + 1);
}
