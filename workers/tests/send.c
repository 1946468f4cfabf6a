/* One channel, driven by hand: tests/e2e/test_channels.py opens it against real servers.
 *   send '{"channel": "smtp", "url": ...}'
 * Then a message a line as JSON on standard input, and a report a line on standard output. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/command.h"
#include "notify/smtp.h"
#include "notify/webhook.h"

static const char *text(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static uint32_t number(const json_t *object, const char *name)
{
    return (uint32_t)json_integer_value(json_object_get(object, name));
}

static enum smtp_tls tls_of(const char *word)
{
    if (word && !strcmp(word, "required")) return SMTP_TLS_REQUIRED;
    return word && !strcmp(word, "if-offered") ? SMTP_TLS_IF_OFFERED : SMTP_TLS_OFF;
}

static int open_smtp(const json_t *options, struct channel **ret, struct channel_error *error)
{
    struct smtp_options smtp = {
        .url = text(options, "url"),
        .starttls = tls_of(text(options, "starttls")),
        .ca_file = text(options, "ca_file"),
        .user = text(options, "user"),
        .password_file = text(options, "password_file"),
        .from = text(options, "from"),
        .hello = text(options, "hello"),
        .timeout_ms = number(options, "timeout_ms"),
    };
    return smtp_open(&smtp, ret, error);
}

static size_t texts(const json_t *list, const char *ret[8])
{
    size_t count = 0;
    while (count < 7 && count < json_array_size(list)) {
        ret[count] = json_string_value(json_array_get(list, count));
        count++;
    }
    return count;
}

static int open_webhook(const json_t *options, struct channel **ret, struct channel_error *error)
{
    const char *secrets[8] = {NULL};
    struct webhook_options webhook = {
        .url = text(options, "url"),
        .secrets = secrets,
        .secret_count = texts(json_object_get(options, "secrets"), secrets),
        .ca_file = text(options, "ca_file"),
        .timeout_ms = number(options, "timeout_ms"),
    };
    return webhook_open(&webhook, ret, error);
}

static int open_command(const json_t *options, struct channel **ret, struct channel_error *error)
{
    const char *arguments[8] = {NULL};
    texts(json_object_get(options, "arguments"), arguments);
    struct command_options command = {.arguments = arguments, .timeout_ms = number(options, "timeout_ms")};
    return command_open(&command, ret, error);
}

static int open_channel(const json_t *options, struct channel **ret, struct channel_error *error)
{
    const char *kind = text(options, "channel");
    if (!strcmp(kind, "smtp")) return open_smtp(options, ret, error);
    return !strcmp(kind, "webhook") ? open_webhook(options, ret, error) : open_command(options, ret, error);
}

static void say(const struct send_report *report)
{
    json_t *line = json_pack("{s:s, s:i, s:s}", "result", send_result_word(report->result), "retry_after_ms",
                             (int)report->retry_after_ms, "reason", report->reason);
    json_dumpf(line, stdout, JSON_COMPACT);
    putchar('\n');
    fflush(stdout);
    json_decref(line);
}

static void send_line(struct channel *channel, const char *line)
{
    json_t *message = json_loads(line, JSON_ALLOW_NUL, NULL);
    struct outgoing outgoing = {
        .id = text(message, "id"),
        .to = text(message, "to"),
        .to_name = text(message, "to_name"),
        .from_name = text(message, "from_name"),
        .from = text(message, "from"),
        .subject = text(message, "subject"),
        .body = text(message, "body"),
        .language = text(message, "language"),
        .json = text(message, "json"),
        .at_ms = json_integer_value(json_object_get(message, "at_ms")),
    };
    struct send_report report = channel_send(channel, &outgoing);
    say(&report);
    json_decref(message);
}

static void ping(const json_t *options)
{
    struct ping_options to = {.url = text(options, "url"),
                              .is_post = json_is_true(json_object_get(options, "is_post")),
                              .ca_file = text(options, "ca_file"),
                              .timeout_ms = number(options, "timeout_ms")};
    struct send_report report = webhook_ping(&to);
    say(&report);
}

static int serve(const json_t *options)
{
    static char line[256 * 1024];
    struct channel *channel = NULL;
    struct channel_error error;
    if (open_channel(options, &channel, &error)) {
        fprintf(stderr, "%s\n", error.sentence);
        return 1;
    }
    while (fgets(line, sizeof line, stdin)) send_line(channel, line);
    channel_close(&channel);
    return 0;
}

int main(int count, char **arguments)
{
    json_t *options = count == 2 ? json_loads(arguments[1], 0, NULL) : NULL;
    if (!options) return 2;
    int code = 0;
    if (!strcmp(text(options, "channel"), "ping")) {
        ping(options);
    } else {
        code = serve(options);
    }
    json_decref(options);
    return code;
}
