/* handoff subscribe: a worker for the shell. Each message is printed as a line of JSON, or given to a command, and
 * acknowledged when that is done. Refuses to know what a message says. */
#include "cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define WAIT_MS          1000   /* only how often the loop turns, and looks whether it was told to end */
#define FLUSH_MS         10000
#define COMMAND_LIMIT_MS 600000 /* of --limit, unless given */
#define COMMAND_PAUSE_MS 100    /* between looks at a command */
#define WORDS_MOST       64

struct work {
    Handoff__V1__SubscriptionSettings settings;
    Handoff__V1__SubscriptionFilter filter;
    Handoff__V1__SubscriptionStart start;
    char *kinds[WORDS_MOST];
    Handoff__V1__Severity severities[WORDS_MOST];
    Handoff__V1__Role roles[WORDS_MOST];
    uint32_t credit;
    uint64_t count;   /* 0: for ever */
    uint32_t idle_ms; /* 0: for ever */
    const char *command;
    uint32_t limit_ms;
    bool has_settings; /* any was given, which then needs a stream */
    handoff_subscriber *subscriber;
};

/* --- a command
 * ------------------------------------------------------------------------------------------------- */

/* The message as the command's standard input, without a pipe that it might not read. -1: no memory. */
static int make_input(const char *text)
{
    int file = memfd_create("message", MFD_CLOEXEC);
    if (file < 0) return -1;
    size_t len = strlen(text);
    bool is_written = write(file, text, len) == (ssize_t)len && write(file, "\n", 1) == 1 && !lseek(file, 0, SEEK_SET);
    if (is_written) return file;
    close(file);
    return -1;
}

static pid_t start_command(const char *command, int input)
{
    fflush(stdout);
    pid_t child = fork();
    if (child > 0) setpgid(child, child); /* whoever of the two comes first */
    if (child) return child;
    setpgid(0, 0);
    signal(SIGINT, SIG_DFL);
    signal(SIGTERM, SIG_DFL);
    if (dup2(input, STDIN_FILENO) >= 0) execl("/bin/sh", "sh", "-c", command, (char *)NULL);
    _exit(127);
}

/* Waits for the command's end, and meanwhile shows that the worker lives and keeps the lease. Beyond the limit it is
 * killed with what it has started. False: `reason` says why it failed. */
static bool await_command(struct work *work, pid_t child, uint64_t number, char *reason, size_t size)
{
    uint32_t waited_ms = 0, pause_ms = 1, extended_ms = 0;
    uint32_t third_ms = handoff_subscriber_settings(work->subscriber)->lease_ms / 3;
    uint32_t most_ms = third_ms / 2 < COMMAND_PAUSE_MS ? third_ms / 2 + 1 : COMMAND_PAUSE_MS;
    int status = 0;
    while (waitpid(child, &status, WNOHANG) == 0) {
        if (waited_ms >= work->limit_ms) {
            kill(-child, SIGKILL);
            waitpid(child, &status, 0);
            snprintf(reason, size, "the command took longer than %u ms", work->limit_ms);
            return false;
        }
        int error = handoff_subscriber_poll(work->subscriber, pause_ms);
        if (error) usleep(pause_ms * 1000); /* told by the next message */
        waited_ms += pause_ms;
        if (waited_ms >= extended_ms + third_ms) {
            extended_ms = waited_ms;
            handoff_subscriber_extend(work->subscriber, number);
        }
        pause_ms = pause_ms * 2 < most_ms ? pause_ms * 2 : most_ms;
    }
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    snprintf(reason, size, "the command ended with %s%d", WIFEXITED(status) ? "" : "signal ",
             WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    return false;
}

static bool run_command(struct work *work, const char *text, uint64_t number, char *reason, size_t size)
{
    int input = make_input(text);
    pid_t child = input < 0 ? -1 : start_command(work->command, input);
    if (input >= 0) close(input);
    if (child > 0) return await_command(work, child, number, reason, size);
    snprintf(reason, size, "the command could not be started: %s", strerror(errno));
    return false;
}

/* --- the messages
 * ---------------------------------------------------------------------------------------------- */

/* A reader that went away, or a full disk, ends it: the message is not acknowledged. */
static int print_message(struct work *work, const char *text, uint64_t number)
{
    if (puts(text) < 0 || fflush(stdout)) return EXIT_REFUSED;
    handoff_subscriber_ack(work->subscriber, number);
    return EXIT_DONE;
}

static int do_message(struct cli *cli, struct work *work, const Handoff__V1__Delivery *delivery)
{
    char reason[HANDOFF_REASON_BYTES];
    char *text = handoff_json_print(&delivery->base, false);
    if (!text) return cli_failed(cli, HANDOFF_NO_MEMORY);
    int code = EXIT_DONE;
    if (!work->command) {
        code = print_message(work, text, delivery->number);
    } else if (run_command(work, text, delivery->number, reason, sizeof reason)) {
        handoff_subscriber_ack(work->subscriber, delivery->number);
    } else {
        const struct handoff_nack nack = {.reason = reason};
        cli_say(EXIT_DONE, "%s: %s", delivery->emission ? delivery->emission->id : "a message", reason);
        handoff_subscriber_nack(work->subscriber, delivery->number, &nack);
    }
    free(text);
    return code;
}

static int follow(struct cli *cli, struct work *work)
{
    uint64_t seen = 0;
    uint32_t idle_ms = 0, wait_ms = work->idle_ms && work->idle_ms < WAIT_MS ? work->idle_ms : WAIT_MS;
    int code = EXIT_DONE;
    while (!code && !cli_is_told_to_end() && (!work->count || seen < work->count)) {
        Handoff__V1__Delivery *delivery = NULL;
        int error = handoff_subscriber_next(work->subscriber, wait_ms, &delivery);
        if (error == HANDOFF_INTERRUPTED) continue;
        if (error == HANDOFF_TIMEOUT) {
            idle_ms += wait_ms;
            if (work->idle_ms && idle_ms >= work->idle_ms) break;
            continue;
        }
        if (error) return cli_failed(cli, error);
        idle_ms = 0;
        code = do_message(cli, work, delivery);
        handoff_delivery_free(&delivery);
        seen++;
    }
    int error = handoff_subscriber_flush(work->subscriber, FLUSH_MS);
    if (error && error != HANDOFF_INTERRUPTED && !code) code = cli_failed(cli, error);
    return code;
}

/* --- the command line
 * ------------------------------------------------------------------------------------------ */

enum { KEY_ADDRESSED = 0x100, KEY_RECIPIENT, KEY_LEASE, KEY_ATTEMPTS, KEY_CREDIT, KEY_IDLE, KEY_LIMIT };

static const struct argp_option own[] = {
    {"from", 'f', "now|beginning|SEQUENCE|TIME", 0, "where a new one begins: with what comes after it (now)", 0},
    {"kind", 'k', "KIND", 0, "call-family, reminder, climbed, ...; may be repeated, like the others", 0},
    {"severity", 's', "SEVERITY", 0, "routine, urgent or emergent", 0},
    {"role", 'r', "ROLE", 0, "who is asked or told: coordinator, supervisor, ...", 0},
    {"site", 'w', "NAME", 0, "of this site", 0},
    {"recipient", KEY_RECIPIENT, "PARTY[,ID]", 0, "status: to whom: agency,riverside", 0},
    {"addressed", KEY_ADDRESSED, NULL, 0, "a message for each addressee, with addresses, in their hours", 0},
    {"lease", KEY_LEASE, "DURATION", 0, "how long a message may take (30s)", 0},
    {"attempts", KEY_ATTEMPTS, "N", 0, "then it is a dead letter (10)", 0},
    {"credit", KEY_CREDIT, "N", 0, "messages at once (100; with --exec 1)", 0},
    {"exec", 'x', "COMMAND", 0, "run this for each, the JSON on its standard input; 0 acknowledges it", 0},
    {"limit", KEY_LIMIT, "DURATION", 0, "how long a command may take (10min)", 0},
    {"count", 'n', "N", 0, "end after this many (never)", 0},
    {"idle", KEY_IDLE, "DURATION", 0, "end when nothing came for so long (never)", 0},
    {0},
};

/* "agency,riverside" */
static void set_recipient(struct argp_state *state, struct work *work, char *argument)
{
    char *comma = strchr(argument, ',');
    if (comma) *comma = 0;
    work->filter.recipient_party =
        (Handoff__V1__Party)cli_enum(state, &handoff__v1__party__descriptor, argument);
    if (comma) work->filter.recipient_id = comma + 1;
}

static uint32_t read_small(struct argp_state *state, const char *option, const char *argument)
{
    uint64_t number = cli_number(state, argument);
    if (!number || number > UINT32_MAX) argp_error(state, "%s cannot be %s", option, argument);
    return (uint32_t)number;
}

static bool has_room(struct argp_state *state, size_t count)
{
    if (count >= WORDS_MOST) argp_error(state, "more than %d of one kind of filter", WORDS_MOST);
    return count < WORDS_MOST;
}

/* What describes the subscription. */
static error_t parse_settings(int key, char *argument, struct argp_state *state)
{
    struct work *work = state->input;
    Handoff__V1__SubscriptionFilter *filter = &work->filter;
    switch (key) {
    case 'k':
        if (has_room(state, filter->n_kinds)) filter->kinds[filter->n_kinds++] = argument;
        break;
    case 's':
        if (has_room(state, filter->n_severities))
            filter->severities[filter->n_severities++] =
                (Handoff__V1__Severity)cli_enum(state, &handoff__v1__severity__descriptor, argument);
        break;
    case 'r':
        if (has_room(state, filter->n_roles))
            filter->roles[filter->n_roles++] =
                (Handoff__V1__Role)cli_enum(state, &handoff__v1__role__descriptor, argument);
        break;
    case 'w':
        filter->site = argument;
        break;
    case KEY_RECIPIENT:
        set_recipient(state, work, argument);
        break;
    case KEY_ADDRESSED:
        work->settings.is_addressed = true;
        break;
    case KEY_LEASE:
        work->settings.lease_ms = cli_duration(state, "--lease", argument);
        break;
    case KEY_ATTEMPTS:
        work->settings.attempts = read_small(state, "--attempts", argument);
        break;
    default:
        return ARGP_ERR_UNKNOWN;
    }
    work->has_settings = true;
    return 0;
}

static error_t parse_subscribe(int key, char *argument, struct argp_state *state)
{
    struct work *work = state->input;
    switch (key) {
    case 'f':
        cli_start(state, argument, &work->start);
        return 0;
    case KEY_CREDIT:
        work->credit = read_small(state, "--credit", argument);
        if (work->credit > HANDOFF_MOST_CREDIT)
            argp_error(state, "--credit is at most %d, not %s", HANDOFF_MOST_CREDIT, argument);
        return 0;
    case 'x':
        work->command = argument;
        return 0;
    case KEY_LIMIT:
        work->limit_ms = cli_duration(state, "--limit", argument);
        return 0;
    case 'n':
        work->count = cli_number(state, argument);
        return 0;
    case KEY_IDLE:
        work->idle_ms = cli_duration(state, "--idle", argument);
        return 0;
    default:
        return parse_settings(key, argument, state);
    }
}

static void clear_work(struct work *work)
{
    *work = (struct work){.limit_ms = COMMAND_LIMIT_MS};
    handoff__v1__subscription_settings__init(&work->settings);
    handoff__v1__subscription_filter__init(&work->filter);
    handoff__v1__subscription_start__init(&work->start);
    work->filter.kinds = work->kinds;
    work->filter.severities = work->severities;
    work->filter.roles = work->roles;
    work->settings.filter = &work->filter;
}

static int set_stream(struct work *work, const char *name)
{
    if (!name && work->has_settings)
        return cli_say(EXIT_MISUSED, "what is wanted needs the STREAM: task, escalation, status, record, audit");
    if (!name) return EXIT_DONE;
    const ProtobufCEnumValue *stream = handoff_enum_find(&handoff__v1__stream__descriptor, name);
    if (!stream || !stream->value)
        return cli_say(EXIT_MISUSED, "there is no stream \"%s\": task, escalation, status, record, audit", name);
    work->settings.stream = (Handoff__V1__Stream)stream->value;
    return EXIT_DONE;
}

static int open_subscriber(struct cli *cli, struct work *work, const char *name)
{
    bool has_start = work->start.from_case != HANDOFF__V1__SUBSCRIPTION_START__FROM__NOT_SET;
    const struct handoff_subscriber_options options = {
        .name = name,
        .settings = work->settings.stream ? &work->settings : NULL,
        .start = has_start ? &work->start : NULL,
        .credit = work->credit ? work->credit : work->command ? 1 : 0};
    int code = cli_connect(cli);
    if (code) return code;
    int error = handoff_subscriber_open(cli->client, &options, &work->subscriber);
    return error ? cli_failed(cli, error) : EXIT_DONE;
}

int run_subscribe(struct cli *cli, int argc, char **argv)
{
    struct work work;
    const struct syntax syntax = {
        .arguments = "NAME [STREAM]",
        .summary = "Works for a durable subscription: prints each message as a line of JSON, or runs a command for it, "
                   "and acknowledges it then. What is not acknowledged comes again. An interrupt ends it after the message "
                   "that it is at. With STREAM (task, escalation, "
                   "status, record, audit) and filters the subscription is made if there is none of that name; one that "
                   "there is has to have the same, or is named alone.",
        .options = own,
        .parse = parse_subscribe,
        .input = &work,
        .least = 1,
        .most = 2};
    const char *arguments[2];
    clear_work(&work);
    cli_parse(cli, &syntax, argc, argv, arguments);
    int code = set_stream(&work, arguments[1]);
    if (!code) code = open_subscriber(cli, &work, arguments[0]);
    if (code) return code;
    cli_mind_signals();
    code = follow(cli, &work);
    handoff_subscriber_close(&work.subscriber);
    return code;
}
