/* handoff: the command line of handoffd. A table of commands, each in the file of its group; what they share
 * is in cli.c. Refuses to hold any logic of its own: everything is a message of the protocol. */
#include "cli.h"

#include <langinfo.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct command commands[] = {
    {"publish", "TYPE [--FLAG ...]", "publish an event, or a file of them", run_publish},
    {"import", "FILE", "publish a file of events; safe to repeat", run_import},
    {"watch", "STREAM", "task, escalation, status, record or audit", run_watch},
    {"patient show", "ID", "the present state, or that at a date", run_patient_show},
    {"patient timeline", "ID", "what happened, and why", run_patient_timeline},
    {"patient next", "ID", "what will happen if nobody acts, and when", run_patient_next},
    {"tasks", "", "open tasks, by due time", run_tasks},
    {"task complete", "PATIENT TASK", "say that a task is done", run_task_complete},
    {"task attempted", "PATIENT TASK", "say that it was tried", run_task_attempted},
    {"task cancel", "PATIENT TASK", "say that it is not needed", run_task_cancel},
    {"reopen", "PATIENT EPISODE", "begin an episode again on the newest version", run_reopen},
    {"escalations", "", "open escalations, by the time they climb", run_escalations},
    {"escalations list", "", "the same", run_escalations},
    {"escalations ack", "ID", "take one: stops its climb for a while", run_escalations_ack},
    {"escalations resolve", "ID", "end an escalation", run_escalations_resolve},
    {"list", "PATIENT ID", "the patients behind a hand-over or a storm", run_list},
    {"directory import", "FILE|FOLDER", "a resource directory in the Open Referral format", run_directory_import},
    {"directory list", "", "who is in the resource directory", run_directory_list},
    {"directory show", "ID", "what it has of an agency", run_directory_show},
    {"directory match", "PATIENT", "who suits a patient, and why", run_directory_match},
    {"directory map", "", "what an import's texts mean: the table", run_directory_map},
    {"subscribe", "NAME [STREAM]", "work on what a subscription hands out", run_subscribe},
    {"subscriptions", "", "who is handed what, and how far", run_subscriptions},
    {"subscriptions list", "", "the same", run_subscriptions},
    {"subscriptions show", "NAME", "one of them, with its settings", run_subscriptions_show},
    {"subscriptions reset", "NAME", "begin one anew at another place", run_subscriptions_reset},
    {"subscriptions delete", "NAME", "end one", run_subscriptions_delete},
    {"deadletters", "[NAME]", "messages that were given up, or set aside", run_deadletters},
    {"deadletters list", "[NAME]", "the same", run_deadletters},
    {"deadletters show", "NAME LETTER", "one of them", run_deadletters_show},
    {"deadletters retry", "NAME LETTER", "try one again, or all with --all", run_deadletters_retry},
    {"deadletters drop", "NAME LETTER", "give one up for good, or all with --all", run_deadletters_drop},
    {"stats", "", "the daemon's numbers", run_stats},
    {"info", "", "version, clock, pathways, journal", run_info},
    {"clock", "", "what time it is for the daemon", run_clock_show},
    {"clock show", "", "the same", run_clock_show},
    {"clock advance", "DURATION", "move a manual clock: 3d, 4h, 30min, 2d4h", run_clock_advance},
    {"clock advance-to", "TIME", "move a manual clock to a time", run_clock_advance_to},
    {"clock accept", "", "accept a jump: held timers fire", run_clock_accept},
    {"backup", "FOLDER", "copy the data while the daemon runs", run_backup},
    {"reload", "", "read pathways and policy again", run_reload},
};
#define COMMAND_COUNT (sizeof commands / sizeof *commands)

/* Finds the command by its first word or two, and says how many words it has. */
static const struct command *find_command(int argc, char **argv, int *ret_words)
{
    char two[64];
    snprintf(two, sizeof two, "%s %s", argv[0], argc > 1 ? argv[1] : "");
    for (int words = 2; words >= 1; words--) {
        for (size_t i = 0; i < COMMAND_COUNT; i++) {
            if (strcmp(commands[i].name, words == 2 ? two : argv[0]) != 0) continue;
            *ret_words = words;
            return &commands[i];
        }
    }
    return NULL;
}

static int say_unknown(const char *word)
{
    size_t len = strlen(word);
    char group[256] = "";
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        if (strncmp(commands[i].name, word, len) != 0 || commands[i].name[len] != ' ') continue;
        size_t at = strlen(group);
        snprintf(group + at, sizeof group - at, "%s%s", at ? ", " : "", commands[i].name);
    }
    if (*group) return cli_say(EXIT_MISUSED, "say which: %s", group);
    return cli_say(EXIT_MISUSED, "there is no command \"%s\"; see handoff --help", word);
}

static void print_commands(FILE *to)
{
    fputs("Commands (each with its own --help):\n", to);
    for (size_t i = 0; i < COMMAND_COUNT; i++) {
        char usage[96];
        snprintf(usage, sizeof usage, "%s %s", commands[i].name, commands[i].arguments);
        fprintf(to, "  %-28s %s\n", usage, commands[i].summary);
    }
}

static char *help_filter(int key, const char *text, void *input)
{
    (void)input;
    char *out = NULL;
    size_t size = 0;
    if (key != ARGP_KEY_HELP_PRE_DOC) return (char *)(uintptr_t)text;
    FILE *memory = open_memstream(&out, &size);
    if (!memory) return NULL;
    fprintf(memory, "%s\n\n", text);
    print_commands(memory);
    fclose(memory);
    return out;
}

struct invocation {
    struct cli *cli;
    int argc;
    char **argv;
};

/* Everything from the first word on belongs to the command. */
static error_t parse_main(int key, char *argument, struct argp_state *state)
{
    struct invocation *invocation = state->input;
    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = invocation->cli;
        return 0;
    case ARGP_KEY_ARG:
        invocation->argc = state->argc - state->next + 1;
        invocation->argv = &state->argv[state->next - 1];
        state->next = state->argc;
        return 0;
    case ARGP_KEY_NO_ARGS:
        argp_state_help(state, stderr, ARGP_HELP_STD_USAGE | ARGP_HELP_EXIT_ERR);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

extern const struct argp global_argp; /* cli.c */

/* Tables and patients' names are UTF-8, whatever the environment forgot to say. */
static void choose_locale(void)
{
    setlocale(LC_CTYPE, "");
    if (strcmp(nl_langinfo(CODESET), "UTF-8") != 0) setlocale(LC_CTYPE, "C.UTF-8");
}

int main(int argc, char **argv)
{
    static const struct argp_child children[] = {{&global_argp, 0, "Options of every command:", 1}, {0}};
    static const struct argp argp = {
        .parser = parse_main,
        .args_doc = "COMMAND [ARGUMENT ...]",
        .doc = "Talks to handoffd: publishes events, shows patients, tasks and escalations, follows its "
               "streams.\v"
               "Ends with 0 when done, 1 when refused, 2 on a wrong command line, 3 when the daemon does not "
               "answer.",
        .children = children,
        .help_filter = help_filter,
    };
    struct cli cli = {0};
    struct invocation invocation = {.cli = &cli};
    argp_err_exit_status = EXIT_MISUSED;
    choose_locale();
    if (argp_parse(&argp, argc, argv, ARGP_IN_ORDER, NULL, &invocation)) return EXIT_MISUSED;

    int words = 0;
    const struct command *command = find_command(invocation.argc, invocation.argv, &words);
    if (!command) return say_unknown(invocation.argv[0]);
    char name[64];
    snprintf(name, sizeof name, "handoff %s", command->name);
    char **arguments = invocation.argv + words - 1;
    arguments[0] = name;
    int code = command->run(&cli, invocation.argc - words + 1, arguments);
    handoff_close(&cli.client);
    if (fflush(stdout) || ferror(stdout)) return cli_say(EXIT_REFUSED, "cannot write the output");
    return code;
}
