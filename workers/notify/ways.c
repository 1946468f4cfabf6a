/* See ways.h. Reads secrets from their files; each opened channel keeps its own copy. */
#include "notify/ways.h"

#include <assert.h>
#include <errno.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/command.h"

#define NAMED(text) ((text) && *(text) ? (text) : NULL)

/* --- secrets ------------------------------------------------------------------------------------------------- */

struct secrets {
    char lines[WEBHOOK_SECRETS_MAX][256];
    const char *texts[WEBHOOK_SECRETS_MAX];
    size_t count;
};

static int read_line(const char *path, char line[256], struct channel_error *error)
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(line, 256, file);
    if (!is_read)
        snprintf(error->sentence, sizeof error->sentence, "%.160s: %s", path, file ? "it is empty" : strerror(errno));
    if (file) fclose(file);
    line[is_read ? strcspn(line, "\r\n") : 0] = 0;
    return is_read ? 0 : -1;
}

static int read_secrets(const char **files, size_t count, struct secrets *secrets, struct channel_error *error)
{
    assert(count <= WEBHOOK_SECRETS_MAX);
    for (secrets->count = 0; secrets->count < count; secrets->count++) {
        if (read_line(files[secrets->count], secrets->lines[secrets->count], error)) return -1;
        secrets->texts[secrets->count] = secrets->lines[secrets->count];
    }
    return 0;
}

/* --- the dead man's signal as a channel ---------------------------------------------------------------------- */

struct ping {
    struct channel channel;      /* first */
    struct ping_options options; /* texts are the configuration's, which outlives it */
};

static struct send_report ping_send(struct channel *channel, const struct outgoing *message)
{
    (void)message; /* that it comes is all that it says */
    return webhook_ping(&((struct ping *)channel)->options);
}

static void ping_close(struct channel *channel)
{
    free(channel);
}

static int ping_open(const struct heartbeat_config *c, struct channel **ret_channel, struct channel_error *error)
{
    static const struct channel_ops ops = {.send = ping_send, .close = ping_close};
    struct ping *ping = calloc(1, sizeof *ping);
    if (!ping) {
        snprintf(error->sentence, sizeof error->sentence, "out of memory");
        return -1;
    }
    ping->channel.ops = &ops;
    ping->options = (struct ping_options){.url = c->url,
                                          .is_post = c->method == PING_POST,
                                          .ca_file = NAMED(c->ca_file),
                                          .timeout_ms = c->timeout_s * 1000};
    *ret_channel = &ping->channel;
    return 0;
}

/* --- opening ------------------------------------------------------------------------------------------------- */

static int open_webhook(const char *url, const char **files, size_t count, const char *ca_file, uint32_t timeout_s,
                        struct channel **ret_channel, struct channel_error *error)
{
    struct secrets secrets;
    int result = read_secrets(files, count, &secrets, error);
    const struct webhook_options options = {.url = url,
                                            .secrets = secrets.texts,
                                            .secret_count = secrets.count,
                                            .ca_file = NAMED(ca_file),
                                            .timeout_ms = timeout_s * 1000};
    if (!result) result = webhook_open(&options, ret_channel, error);
    sodium_memzero(&secrets, sizeof secrets);
    return result;
}

/* A site has its own mailbox, or there is one for all. */
static int open_mail(const struct notify_config *config, struct channel **ret_channel, struct channel_error *error)
{
    const struct smtp_config *c = config->smtp;
    const struct smtp_options options = {.url = c->url,
                                         .starttls = c->starttls,
                                         .ca_file = NAMED(c->ca_file),
                                         .user = NAMED(c->user),
                                         .password_file = NAMED(c->password_file),
                                         .from = NAMED(c->from) ? c->from : config->sites[0].from,
                                         .hello = NAMED(c->hello),
                                         .timeout_ms = c->timeout_s * 1000};
    return smtp_open(&options, ret_channel, error);
}

static int open_command(const struct command_config *c, struct channel **ret_channel, struct channel_error *error)
{
    const char *arguments[65] = {0};
    for (unsigned i = 0; i < c->arguments_count && i < 64; i++) arguments[i] = c->arguments[i];
    const struct command_options options = {.arguments = arguments, .timeout_ms = c->timeout_s * 1000};
    return command_open(&options, ret_channel, error);
}

/* Notes the opened channel under what it serves. */
static void own(struct ways *ways, struct channel *channel, size_t serves)
{
    ways->owned[ways->owned_count++] = channel;
    if (serves < WAYS_CHANNELS) ways->channels[serves] = channel;
}

static int open_all(const struct notify_config *c, struct ways *ways, const char **key, struct channel_error *error)
{
    struct channel *opened = NULL;
    *key = "smtp";
    if (c->smtp) {
        if (open_mail(c, &opened, error)) return -1;
        own(ways, opened, HANDOFF__V1__CHANNEL__CHANNEL_EMAIL);
    }
    *key = "webhook";
    if (c->webhook) {
        if (open_webhook(NULL, c->webhook->secret_files, c->webhook->secret_files_count, c->webhook->ca_file,
                         c->webhook->timeout_s, &opened, error))
            return -1;
        own(ways, opened, HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK);
    }
    *key = "commands";
    for (unsigned i = 0; i < c->commands_count; i++) {
        if (open_command(&c->commands[i], &opened, error)) return -1;
        own(ways, opened, WAYS_CHANNELS);
        for (unsigned k = 0; k < c->commands[i].channels_count; k++)
            ways->channels[c->commands[i].channels[k]] = opened;
    }
    *key = "heartbeat";
    if (!c->heartbeat) return 0;
    const struct heartbeat_config *h = c->heartbeat;
    int result = h->method == PING_SIGNED ? open_webhook(h->url, h->secret_files, h->secret_files_count, h->ca_file,
                                                         h->timeout_s, &opened, error)
                                          : ping_open(h, &opened, error);
    if (result) return -1;
    own(ways, opened, WAYS_CHANNELS);
    ways->heartbeat = opened;
    return 0;
}

int ways_open(const struct notify_config *config, struct ways *ret_ways, char *sentence, size_t size)
{
    struct ways ways = {0};
    struct channel_error error = {0};
    const char *key = "";
    if (open_all(config, &ways, &key, &error)) {
        bool is_named = strncmp(error.sentence, key, strlen(key)) == 0;
        snprintf(sentence, size, "%s%s%s", is_named ? "" : key, is_named ? "" : ": ", error.sentence);
        ways_close(&ways);
        return -1;
    }
    *ret_ways = ways;
    return 0;
}

void ways_close(struct ways *ways)
{
    for (size_t i = 0; i < ways->owned_count; i++) channel_close(&ways->owned[i]);
    *ways = (struct ways){0};
}
