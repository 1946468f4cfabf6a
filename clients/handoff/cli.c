/* What every command shares: global options, positional arguments, the connection, and how failures are told.
 */
#include "cli.h"
#include "when.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_TIMEOUT_MS 5000

extern const struct argp global_argp;

/* --- global options
 * ----------------------------------------------------------------------------------------------- */

enum { KEY_FRONT = 0x1000, KEY_STREAM, KEY_JSON, KEY_TIMEOUT, KEY_ZONE };

static const struct argp_option global_options[] = {
    {"front", KEY_FRONT, "ENDPOINT", 0, "where the daemon answers (HANDOFF_FRONT; " HANDOFF_DEFAULT_FRONT ")",
     0},
    {"stream", KEY_STREAM, "ENDPOINT", 0, "where its doorbell rings (HANDOFF_STREAM; what the daemon says)",
     0},
    {"json", KEY_JSON, NULL, 0, "print JSON, for programs", 0},
    {"timeout", KEY_TIMEOUT, "DURATION", 0, "how long to wait for an answer: 10s, 2min (5s)", 0},
    {"time-zone", KEY_ZONE, "NAME", 0, "show and read local times of this zone (the system's)", 0},
    {0},
};

static void set_from_environment(struct cli *cli)
{
    const char *front = getenv("HANDOFF_FRONT"), *stream = getenv("HANDOFF_STREAM");
    if (!cli->front) cli->front = front && *front ? front : HANDOFF_DEFAULT_FRONT;
    if (!cli->stream && stream && *stream) cli->stream = stream;
}

static error_t parse_global(int key, char *argument, struct argp_state *state)
{
    struct cli *cli = state->input;
    switch (key) {
    case KEY_FRONT:
        cli->front = argument;
        return 0;
    case KEY_STREAM:
        cli->stream = argument;
        return 0;
    case KEY_JSON:
        cli->is_json = true;
        return 0;
    case KEY_TIMEOUT:
        cli->timeout_ms = cli_duration(state, "--timeout", argument);
        return 0;
    case KEY_ZONE:
        if (!when_set_zone(argument)) argp_error(state, "there is no time zone \"%s\"", argument);
        return 0;
    case ARGP_KEY_SUCCESS:
        set_from_environment(cli);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

const struct argp global_argp = {.options = global_options, .parser = parse_global};

/* --- a command's line
 * --------------------------------------------------------------------------------------------- */

struct parsing {
    struct cli *cli;
    const struct syntax *syntax;
    const char **arguments;
    int count;
};

static error_t parse_command(int key, char *argument, struct argp_state *state)
{
    struct parsing *parsing = state->input;
    const struct syntax *syntax = parsing->syntax;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = parsing->cli;
        state->child_inputs[1] = syntax->input;
        return 0;
    case ARGP_KEY_ARG:
        if (parsing->count >= syntax->most) argp_error(state, "\"%s\" is one argument too many", argument);
        parsing->arguments[parsing->count++] = argument;
        return 0;
    case ARGP_KEY_END:
        if (parsing->count < syntax->least)
            argp_error(state, "an argument is missing: %s", syntax->arguments);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

void cli_parse(struct cli *cli, const struct syntax *syntax, int argc, char **argv,
               const char **ret_arguments)
{
    const struct argp own = {.options = syntax->options, .parser = syntax->parse};
    const struct argp_child children[] = {
        {&global_argp, 0, "Options of every command:", 1000}, {syntax->parse ? &own : NULL, 0, NULL, 0}, {0}};
    const struct argp argp = {
        .parser = parse_command, .args_doc = syntax->arguments, .doc = syntax->summary, .children = children};
    struct parsing parsing = {.cli = cli, .syntax = syntax, .arguments = ret_arguments};
    for (int i = 0; i < syntax->most; i++) ret_arguments[i] = NULL;
    int error = argp_parse(&argp, argc, argv, 0, NULL, &parsing);
    if (error) exit(cli_say(EXIT_MISUSED, "%s", strerror(error)));
}

int cli_enum(struct argp_state *state, const ProtobufCEnumDescriptor *descriptor, const char *word)
{
    const ProtobufCEnumValue *value = handoff_enum_find(descriptor, word);
    if (value && value->value != 0) return value->value;
    char words[2048] = "";
    for (unsigned i = 0; i < descriptor->n_values; i++) {
        char one[64];
        handoff_enum_word(descriptor, descriptor->values[i].value, one, sizeof one);
        size_t len = strlen(words);
        if (*one) snprintf(words + len, sizeof words - len, "%s%s", len ? ", " : "", one);
    }
    argp_error(state, "\"%s\" is not one of %s", word, words);
    return 0;
}

int64_t cli_time(struct argp_state *state, const char *text)
{
    int64_t ms = 0;
    if (!when_parse(text, &ms))
        argp_error(state, "\"%s\" is not a time like 2026-03-05 or '2026-03-05 16:40'", text);
    return ms;
}

uint64_t cli_number(struct argp_state *state, const char *text)
{
    char *end = NULL;
    errno = 0;
    unsigned long long value = strtoull(text, &end, 10);
    bool is_number = *text >= '0' && *text <= '9' && !*end && !errno;
    if (!is_number) argp_error(state, "\"%s\" is not a number", text);
    return value;
}

uint32_t cli_duration(struct argp_state *state, const char *option, const char *text)
{
    int64_t ms = 0;
    char with_unit[32];
    snprintf(with_unit, sizeof with_unit, "%ss", text);
    bool is_duration = when_parse_duration(text, &ms) || when_parse_duration(with_unit, &ms);
    if (!is_duration || ms < 1 || ms > UINT32_MAX) argp_error(state, "%s cannot be \"%s\": 10s, 2min", option, text);
    return (uint32_t)ms;
}

void cli_start(struct argp_state *state, const char *text, Handoff__V1__SubscriptionStart *ret_start)
{
    size_t digits = strspn(text, "0123456789");
    if (strcmp(text, "now") == 0) {
        ret_start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_NOW;
        ret_start->now = true;
    } else if (strcmp(text, "beginning") == 0) {
        ret_start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING;
        ret_start->beginning = true;
    } else if (digits && !text[digits]) {
        ret_start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_AFTER_SEQUENCE;
        ret_start->after_sequence = cli_number(state, text);
    } else if (when_parse(text, &ret_start->at_ms)) {
        ret_start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_AT_MS;
    } else {
        argp_error(state, "--from is now, beginning, a sequence or a time like '2026-03-05 16:40', not \"%s\"", text);
    }
}

/* --- talking to the daemon
 * ---------------------------------------------------------------------------------------- */

int cli_say(int code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fflush(stdout);
    fputs("handoff: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    va_end(arguments);
    return code;
}

void cli_code_word(Handoff__V1__Code code, char *word, size_t size)
{
    handoff_enum_word(&handoff__v1__code__descriptor, (int)code, word, size);
}

int cli_connect(struct cli *cli)
{
    if (cli->client) return EXIT_DONE;
    if (!cli->timeout_ms) cli->timeout_ms = DEFAULT_TIMEOUT_MS;
    const struct handoff_options options = {.front = cli->front, .timeout_ms = cli->timeout_ms};
    int error = handoff_open(&options, &cli->client);
    if (error == HANDOFF_SOCKET)
        return cli_say(EXIT_MISUSED, "--front %s is no endpoint like tcp://HOST:PORT", cli->front);
    return error ? cli_failed(cli, error) : EXIT_DONE;
}

int cli_connect_patiently(struct cli *cli, uint32_t default_timeout_ms)
{
    Handoff__V1__InfoRequest info = HANDOFF__V1__INFO_REQUEST__INIT;
    Handoff__V1__Request request = HANDOFF__V1__REQUEST__INIT;
    request.body_case = HANDOFF__V1__REQUEST__BODY_INFO;
    request.info = &info;
    Handoff__V1__Reply *reply = NULL;
    bool is_given = cli->timeout_ms != 0;
    int code = cli_request(cli, &request, &reply);
    handoff_reply_free(&reply);
    if (code || is_given) return code;
    handoff_close(&cli->client);
    cli->timeout_ms = default_timeout_ms;
    return cli_connect(cli);
}

int cli_failed(struct cli *cli, int error)
{
    switch (error) {
    case HANDOFF_TIMEOUT:
        return cli_say(EXIT_UNREACHABLE, "the daemon at %s did not answer within %u ms", cli->front,
                       cli->timeout_ms);
    case HANDOFF_UNAVAILABLE:
        return cli_say(EXIT_UNREACHABLE, "%s", handoff_error(error));
    case HANDOFF_REFUSED: {
        const struct handoff_result *refusal = handoff_refusal(cli->client);
        char word[64];
        cli_code_word(refusal->code, word, sizeof word);
        return cli_say(EXIT_REFUSED, "refused (%s): %s%s%s%s", word, refusal->sentence,
                       *refusal->field ? " (field " : "", refusal->field, *refusal->field ? ")" : "");
    }
    default:
        return cli_say(EXIT_REFUSED, "%s", handoff_error(error));
    }
}

int cli_request(struct cli *cli, const Handoff__V1__Request *request, Handoff__V1__Reply **ret_reply)
{
    int code = cli_connect(cli);
    if (code) return code;
    int error = handoff_request(cli->client, request, ret_reply);
    return error ? cli_failed(cli, error) : EXIT_DONE;
}

static volatile sig_atomic_t is_told_to_end;

static void on_signal(int signal)
{
    (void)signal;
    is_told_to_end = 1;
}

void cli_mind_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal}; /* without SA_RESTART: a wait ends at once */
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

bool cli_is_told_to_end(void)
{
    return is_told_to_end;
}

int cli_print_json(const ProtobufCMessage *message, bool is_indented)
{
    char *text = handoff_json_print(message, is_indented);
    if (!text) return cli_say(EXIT_REFUSED, "%s", handoff_error(HANDOFF_NO_MEMORY));
    puts(text);
    free(text);
    return EXIT_DONE;
}
