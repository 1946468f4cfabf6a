/* What every command shares: the global options, the client, how things go wrong. One command runs in a
 * process, so its exit code is its result. */
#ifndef HANDOFF_CLI_H
#define HANDOFF_CLI_H

#include "handoff.h"

#include <argp.h>

enum exit_code {
    EXIT_DONE = 0,
    EXIT_REFUSED = 1,     /* by the daemon, or something local failed */
    EXIT_MISUSED = 2,     /* the command line */
    EXIT_UNREACHABLE = 3, /* nobody answered, or could commit, in time */
};

struct cli {
    const char *front;
    const char *stream; /* NULL: what the daemon says */
    bool is_json;
    uint32_t timeout_ms; /* 0: not given */
    handoff_client *client;
};

struct command {
    const char *name;      /* one word or two */
    const char *arguments; /* for the overview */
    const char *summary;
    int (*run)(struct cli *cli, int argc, char **argv); /* argv[0] is the whole name; returns an exit code */
};

/* --- command lines (cli.c)
 * ---------------------------------------------------------------------------------------- */

struct syntax {
    const char *arguments;             /* as shown: "ID" */
    const char *summary;               /* one paragraph */
    const struct argp_option *options; /* its own; the global ones are added */
    argp_parser_t parse;               /* of its own options; NULL without */
    void *input;                       /* of `parse` */
    int least, most;                   /* positional arguments */
};
/* Parses, or says what is wrong and ends the process. `ret_arguments` has room for `most`; the rest is NULL.
 */
void cli_parse(struct cli *cli, const struct syntax *syntax, int argc, char **argv,
               const char **ret_arguments);
/* Reads an enum's word, a time or a number of an option, or ends the process with what is wrong. */
int cli_enum(struct argp_state *state, const ProtobufCEnumDescriptor *descriptor, const char *word);
int64_t cli_time(struct argp_state *state, const char *text);
uint64_t cli_number(struct argp_state *state, const char *text);
/* "10s", "2min"; a bare number is seconds. `option` is named when it is none. */
uint32_t cli_duration(struct argp_state *state, const char *option, const char *text);
/* now, beginning, a sequence or a time: where a subscription begins. */
void cli_start(struct argp_state *state, const char *text, Handoff__V1__SubscriptionStart *ret_start);

/* --- talking to the daemon
 * ---------------------------------------------------------------------------------------- */

/* Opens the client. An exit code. */
int cli_connect(struct cli *cli);
/* For what takes long: whether anybody is there is asked with the usual timeout, what follows has this one.
 */
int cli_connect_patiently(struct cli *cli, uint32_t default_timeout_ms);
/* Asks, and says what went wrong. An exit code; on EXIT_DONE there is a reply to free. */
int cli_request(struct cli *cli, const Handoff__V1__Request *request, Handoff__V1__Reply **ret_reply);
/* Says what went wrong with a code of the library, and gives the exit code for it. */
int cli_failed(struct cli *cli, int error);
/* One sentence to standard error. Returns `code`. */
__attribute__((format(printf, 2, 3))) int cli_say(int code, const char *format, ...);
/* From now on an interrupt or a request to end only ends waits, and is asked for between two things to do. */
void cli_mind_signals(void);
bool cli_is_told_to_end(void);
/* Prints a message in its JSON mapping. An exit code. */
int cli_print_json(const ProtobufCMessage *message, bool is_indented);
/* "accepted", "bad-id" */
void cli_code_word(Handoff__V1__Code code, char *word, size_t size);

/* --- publishing one event (publish.c)
 * ----------------------------------------------------------------------------- */

/* An event whose fields come from the command line: flags, and positional arguments for some of the
 * envelope's. */
struct typed_event {
    const char *type;
    const char *arguments;
    const char *summary;
    const char *const *preset_fields; /* the envelope's field of each positional argument; NULL at the end */
};
/* Reads the line, fills what the envelope lacks, publishes and prints the result. An exit code. */
int publish_typed(struct cli *cli, const struct typed_event *typed, int argc, char **argv);
struct flags;
/* Only reads the line: the event is in the flags, which the caller closes. An exit code. */
int typed_event_parse(struct cli *cli, const struct typed_event *typed, int argc, char **argv,
                      struct flags **ret_flags);
/* Fills id, source and occurred_at where empty, publishes and prints the result. What asks for something (of a task, an
 * escalation, an episode) and changed nothing has failed, though it is kept. */
int publish_event(struct cli *cli, Handoff__V1__Event *event);
/* The same for a command of its own, which then says why and nothing else. */
int publish_answer(struct cli *cli, Handoff__V1__Event *event);

/* --- commands
 * ----------------------------------------------------------------------------------------------------- */

int run_reopen(struct cli *cli, int argc, char **argv);
int run_publish(struct cli *cli, int argc, char **argv);
int run_import(struct cli *cli, int argc, char **argv);
int run_watch(struct cli *cli, int argc, char **argv);
int run_patient_show(struct cli *cli, int argc, char **argv);
int run_patient_timeline(struct cli *cli, int argc, char **argv);
int run_patient_next(struct cli *cli, int argc, char **argv);
int run_tasks(struct cli *cli, int argc, char **argv);
int run_task_complete(struct cli *cli, int argc, char **argv);
int run_task_attempted(struct cli *cli, int argc, char **argv);
int run_task_cancel(struct cli *cli, int argc, char **argv);
int run_escalations(struct cli *cli, int argc, char **argv);
int run_escalations_ack(struct cli *cli, int argc, char **argv);
int run_escalations_resolve(struct cli *cli, int argc, char **argv);
int run_list(struct cli *cli, int argc, char **argv);
int run_directory_import(struct cli *cli, int argc, char **argv);
int run_directory_list(struct cli *cli, int argc, char **argv);
int run_directory_show(struct cli *cli, int argc, char **argv);
int run_directory_match(struct cli *cli, int argc, char **argv);
int run_directory_map(struct cli *cli, int argc, char **argv);
int run_subscribe(struct cli *cli, int argc, char **argv);
int run_subscriptions(struct cli *cli, int argc, char **argv);
int run_subscriptions_show(struct cli *cli, int argc, char **argv);
int run_subscriptions_reset(struct cli *cli, int argc, char **argv);
int run_subscriptions_delete(struct cli *cli, int argc, char **argv);
int run_deadletters(struct cli *cli, int argc, char **argv);
int run_deadletters_show(struct cli *cli, int argc, char **argv);
int run_deadletters_retry(struct cli *cli, int argc, char **argv);
int run_deadletters_drop(struct cli *cli, int argc, char **argv);
int run_stats(struct cli *cli, int argc, char **argv);
int run_info(struct cli *cli, int argc, char **argv);
int run_clock_show(struct cli *cli, int argc, char **argv);
int run_clock_advance(struct cli *cli, int argc, char **argv);
int run_clock_advance_to(struct cli *cli, int argc, char **argv);
int run_clock_accept(struct cli *cli, int argc, char **argv);
int run_backup(struct cli *cli, int argc, char **argv);
int run_reload(struct cli *cli, int argc, char **argv);

#endif
