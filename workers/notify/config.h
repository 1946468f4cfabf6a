/* The configuration: one YAML file, read with libcyaml, checked as a whole before anything begins. handoff-notify.yaml
 * beside this file shows every key. What was read never changes while the program runs. Secrets stand in files that are
 * named here, never here and never on the command line. Refuses unknown keys, and whatever could only be found wrong
 * when a message is to leave. */
#ifndef HANDOFF_NOTIFY_CONFIG_H
#define HANDOFF_NOTIFY_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "handoff/v1/api.pb-c.h"
#include "notify/smtp.h"
#include "notify/webhook.h"

enum {
    CONFIG_SITES_MOST = 64,
    CONFIG_COMMANDS_MOST = 8,
    CONFIG_LANES_MOST = 32,
    CONFIG_WORKERS_MOST = 16, /* of one subscription */
    CONFIG_RECIPIENTS_MOST = 256,
    CONFIG_SENTENCE_BYTES = 1024,
};

struct site_config {
    const char *site;      /* as emissions name it */
    const char *name;      /* to the outside */
    const char *number;    /* to call back */
    const char *from;      /* mailbox; empty: smtp.from */
    const char *time_zone; /* of the system's database */
    const char *language;  /* where a person has none; empty: templates.language */
};
struct templates_config {
    const char *folder, *own_folder, *language;
};
struct smtp_config {
    const char *url, *ca_file, *user, *password_file, *from, *hello;
    enum smtp_tls starttls;
    uint32_t timeout_s;
};
struct webhook_config {
    const char **secret_files;
    unsigned secret_files_count;
    const char *ca_file;
    uint32_t timeout_s;
};
struct command_config {
    Handoff__V1__Channel *channels;
    unsigned channels_count;
    const char **arguments;
    unsigned arguments_count;
    uint32_t timeout_s;
};
enum ping_method { PING_GET, PING_POST, PING_SIGNED };
struct heartbeat_config {
    const char *url, *ca_file;
    enum ping_method method;
    const char **secret_files;
    unsigned secret_files_count;
    uint32_t timeout_s;
};
/* Where an outside recipient is reached of whom the daemon knows no address. */
struct recipient_config {
    Handoff__V1__Party party;
    const char *id;
    Handoff__V1__Channel channel;
    const char *address;
};
/* A subscription, and how many serve it. */
struct lane_config {
    const char *name;
    Handoff__V1__Stream stream;
    Handoff__V1__Stream *also; /* further ones */
    unsigned also_count;
    Handoff__V1__Severity *severities;
    unsigned severities_count;
    const char **kinds;
    unsigned kinds_count;
    const char *site; /* empty: all */
    uint32_t workers;
    uint32_t attempts; /* before a message is given up */
    bool gathers;        /* one person's messages become one */
    bool is_unaddressed; /* for the dead man's signal: it goes to nobody of the roster */
};
struct notify_config {
    const char *front, *ledger, *source;
    uint32_t keep_days, lease_s, gather_ms;
    struct templates_config templates;
    struct site_config *sites;
    unsigned sites_count;
    struct smtp_config *smtp;       /* NULL: no mail */
    struct webhook_config *webhook; /* NULL: none */
    struct command_config *commands;
    unsigned commands_count;
    struct heartbeat_config *heartbeat; /* NULL: no signal */
    struct recipient_config *recipients;
    unsigned recipients_count;
    struct lane_config *lanes;
    unsigned lanes_count;
};

/* NULL when anything is wrong; then the sentences say what, a line each. */
struct notify_config *config_load(const char *path, char *sentences, size_t size);
void config_free(struct notify_config **config);

/* The one that an emission names, or the first. */
const struct site_config *config_site(const struct notify_config *config, const char *site);
/* An address for a recipient of the daemon's who has none there; NULL: none here either. */
const struct recipient_config *config_recipient(const struct notify_config *config,
                                                const Handoff__V1__Recipient *recipient);

#endif
