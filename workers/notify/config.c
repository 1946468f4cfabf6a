/* See config.h. The tables say what a file may hold; check_* say what must hold between its parts. Defaults are filled
 * in after reading, so that an absent key and an empty one are the same. */
#include "notify/config.h"

#include <cyaml/cyaml.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handoff.h"
#include "notify/address.h"

/* --- what a file may hold ------------------------------------------------------------------------------------ */

#define STRING(key, type, member) CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER, type, member, 1, CYAML_UNLIMITED)
#define OPTIONAL_STRING(key, type, member)                                                                             \
    CYAML_FIELD_STRING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, type, member, 0, CYAML_UNLIMITED)
#define NUMBER(key, type, member) CYAML_FIELD_UINT(key, CYAML_FLAG_OPTIONAL, type, member)

static const cyaml_schema_value_t text_entry = {CYAML_VALUE_STRING(CYAML_FLAG_POINTER, char *, 1, CYAML_UNLIMITED)};

#define CHANNEL_WORD(word, name)                                                                                       \
    {                                                                                                                  \
        word, HANDOFF__V1__CHANNEL__CHANNEL_##name                                                                     \
    }
static const cyaml_strval_t channel_words[] = {
    CHANNEL_WORD("phone", PHONE),   CHANNEL_WORD("sms", SMS),   CHANNEL_WORD("email", EMAIL),
    CHANNEL_WORD("portal", PORTAL), CHANNEL_WORD("mail", MAIL), CHANNEL_WORD("webhook", WEBHOOK),
};
static const cyaml_strval_t stream_words[] = {
    {"task", HANDOFF__V1__STREAM__STREAM_TASK},
    {"escalation", HANDOFF__V1__STREAM__STREAM_ESCALATION},
    {"status", HANDOFF__V1__STREAM__STREAM_STATUS},
};
static const cyaml_strval_t severity_words[] = {
    {"routine", HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE},
    {"urgent", HANDOFF__V1__SEVERITY__SEVERITY_URGENT},
    {"emergent", HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT},
};
#define PARTY_WORD(word, name)                                                                                         \
    {                                                                                                                  \
        word, HANDOFF__V1__PARTY__PARTY_##name                                                                         \
    }
static const cyaml_strval_t party_words[] = {
    PARTY_WORD("pcp", PCP),
    PARTY_WORD("agency", AGENCY),
    PARTY_WORD("agency-supervisor", AGENCY_SUPERVISOR),
    PARTY_WORD("school", SCHOOL),
    PARTY_WORD("insurer", INSURER),
    PARTY_WORD("county", COUNTY),
    PARTY_WORD("community", COMMUNITY),
    PARTY_WORD("advocate", ADVOCATE),
    PARTY_WORD("hospital", HOSPITAL),
    PARTY_WORD("court", COURT),
    PARTY_WORD("current-team", CURRENT_TEAM),
    PARTY_WORD("other", OTHER),
};
static const cyaml_strval_t starttls_words[] = {
    {"required", SMTP_TLS_REQUIRED}, {"if-offered", SMTP_TLS_IF_OFFERED}, {"off", SMTP_TLS_OFF}};
static const cyaml_strval_t method_words[] = {{"get", PING_GET}, {"post", PING_POST}, {"signed", PING_SIGNED}};

static const cyaml_schema_value_t channel_entry = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, Handoff__V1__Channel, channel_words, CYAML_ARRAY_LEN(channel_words))};
static const cyaml_schema_value_t stream_entry = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, Handoff__V1__Stream, stream_words, CYAML_ARRAY_LEN(stream_words))};
static const cyaml_schema_value_t severity_entry = {
    CYAML_VALUE_ENUM(CYAML_FLAG_STRICT, Handoff__V1__Severity, severity_words, CYAML_ARRAY_LEN(severity_words))};

static const cyaml_schema_field_t site_fields[] = {
    STRING("site", struct site_config, site),
    STRING("name", struct site_config, name),
    STRING("number", struct site_config, number),
    STRING("time_zone", struct site_config, time_zone),
    OPTIONAL_STRING("from", struct site_config, from),
    OPTIONAL_STRING("language", struct site_config, language),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t site_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct site_config, site_fields)};

static const cyaml_schema_field_t templates_fields[] = {
    OPTIONAL_STRING("folder", struct templates_config, folder),
    OPTIONAL_STRING("own_folder", struct templates_config, own_folder),
    OPTIONAL_STRING("language", struct templates_config, language),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t smtp_fields[] = {
    STRING("url", struct smtp_config, url),
    OPTIONAL_STRING("ca_file", struct smtp_config, ca_file),
    OPTIONAL_STRING("user", struct smtp_config, user),
    OPTIONAL_STRING("password_file", struct smtp_config, password_file),
    OPTIONAL_STRING("from", struct smtp_config, from),
    OPTIONAL_STRING("hello", struct smtp_config, hello),
    CYAML_FIELD_ENUM("starttls", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct smtp_config, starttls, starttls_words,
                     CYAML_ARRAY_LEN(starttls_words)),
    NUMBER("timeout_s", struct smtp_config, timeout_s),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t webhook_fields[] = {
    CYAML_FIELD_SEQUENCE("secret_files", CYAML_FLAG_POINTER, struct webhook_config, secret_files, &text_entry, 1,
                         WEBHOOK_SECRETS_MAX),
    OPTIONAL_STRING("ca_file", struct webhook_config, ca_file),
    NUMBER("timeout_s", struct webhook_config, timeout_s),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t command_fields[] = {
    CYAML_FIELD_SEQUENCE("channels", CYAML_FLAG_POINTER, struct command_config, channels, &channel_entry, 1,
                         CYAML_ARRAY_LEN(channel_words)),
    CYAML_FIELD_SEQUENCE("arguments", CYAML_FLAG_POINTER, struct command_config, arguments, &text_entry, 1, 64),
    NUMBER("timeout_s", struct command_config, timeout_s),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t command_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct command_config, command_fields)};

static const cyaml_schema_field_t heartbeat_fields[] = {
    STRING("url", struct heartbeat_config, url),
    OPTIONAL_STRING("ca_file", struct heartbeat_config, ca_file),
    CYAML_FIELD_ENUM("method", CYAML_FLAG_OPTIONAL | CYAML_FLAG_STRICT, struct heartbeat_config, method, method_words,
                     CYAML_ARRAY_LEN(method_words)),
    CYAML_FIELD_SEQUENCE("secret_files", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct heartbeat_config,
                         secret_files, &text_entry, 1, WEBHOOK_SECRETS_MAX),
    NUMBER("timeout_s", struct heartbeat_config, timeout_s),
    CYAML_FIELD_END,
};
static const cyaml_schema_field_t recipient_fields[] = {
    CYAML_FIELD_ENUM("party", CYAML_FLAG_STRICT, struct recipient_config, party, party_words,
                     CYAML_ARRAY_LEN(party_words)),
    OPTIONAL_STRING("id", struct recipient_config, id),
    CYAML_FIELD_ENUM("channel", CYAML_FLAG_STRICT, struct recipient_config, channel, channel_words,
                     CYAML_ARRAY_LEN(channel_words)),
    STRING("address", struct recipient_config, address),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t recipient_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct recipient_config, recipient_fields)};

static const cyaml_schema_field_t lane_fields[] = {
    STRING("name", struct lane_config, name),
    CYAML_FIELD_ENUM("stream", CYAML_FLAG_STRICT, struct lane_config, stream, stream_words,
                     CYAML_ARRAY_LEN(stream_words)),
    CYAML_FIELD_SEQUENCE("also", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct lane_config, also, &stream_entry, 0,
                         CYAML_ARRAY_LEN(stream_words)),
    CYAML_FIELD_SEQUENCE("severities", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct lane_config, severities,
                         &severity_entry, 0, CYAML_ARRAY_LEN(severity_words)),
    CYAML_FIELD_SEQUENCE("kinds", CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct lane_config, kinds, &text_entry, 0,
                         64),
    OPTIONAL_STRING("site", struct lane_config, site),
    NUMBER("workers", struct lane_config, workers),
    NUMBER("attempts", struct lane_config, attempts),
    CYAML_FIELD_BOOL("gathers", CYAML_FLAG_OPTIONAL, struct lane_config, gathers),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t lane_entry = {
    CYAML_VALUE_MAPPING(CYAML_FLAG_DEFAULT, struct lane_config, lane_fields)};

#define OPTIONAL_GROUP(key, member, fields)                                                                            \
    CYAML_FIELD_MAPPING_PTR(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct notify_config, member, fields)
#define OPTIONAL_LIST(key, member, entry, most)                                                                        \
    CYAML_FIELD_SEQUENCE(key, CYAML_FLAG_POINTER | CYAML_FLAG_OPTIONAL, struct notify_config, member, entry, 0, most)

static const cyaml_schema_field_t fields[] = {
    OPTIONAL_STRING("front", struct notify_config, front),
    OPTIONAL_STRING("ledger", struct notify_config, ledger),
    OPTIONAL_STRING("source", struct notify_config, source),
    NUMBER("keep_days", struct notify_config, keep_days),
    NUMBER("lease_s", struct notify_config, lease_s),
    NUMBER("gather_ms", struct notify_config, gather_ms),
    CYAML_FIELD_MAPPING("templates", CYAML_FLAG_OPTIONAL, struct notify_config, templates, templates_fields),
    CYAML_FIELD_SEQUENCE("sites", CYAML_FLAG_POINTER, struct notify_config, sites, &site_entry, 1, CONFIG_SITES_MOST),
    OPTIONAL_GROUP("smtp", smtp, smtp_fields),
    OPTIONAL_GROUP("webhook", webhook, webhook_fields),
    OPTIONAL_LIST("commands", commands, &command_entry, CONFIG_COMMANDS_MOST),
    OPTIONAL_GROUP("heartbeat", heartbeat, heartbeat_fields),
    OPTIONAL_LIST("recipients", recipients, &recipient_entry, CONFIG_RECIPIENTS_MOST),
    OPTIONAL_LIST("subscriptions", lanes, &lane_entry, CONFIG_LANES_MOST),
    CYAML_FIELD_END,
};
static const cyaml_schema_value_t schema = {CYAML_VALUE_MAPPING(CYAML_FLAG_POINTER, struct notify_config, fields)};

/* --- sentences ----------------------------------------------------------------------------------------------- */

struct sentences {
    char *text;
    size_t size, len;
    const char *path;
    char what[512]; /* said by libcyaml, which then says where */
    unsigned row, column;
};

__attribute__((format(printf, 2, 3))) static void say(struct sentences *s, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    char sentence[512];
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    size_t room = s->size - s->len;
    int written = snprintf(s->text + s->len, room, "%s: %s\n", s->path, sentence);
    s->len += written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
}

/* A backtrace goes outwards: "  in mapping field 'lease_s' (line: 19, column: 10)". Its first line says where, the first
 * of a mapping says of what. */
static void say_where(struct sentences *s, const char *line)
{
    char key[64] = "";
    const char *at = strstr(line, "(line: ");
    if (!s->what[0]) return;
    if (!s->row && (!at || sscanf(at, "(line: %u, column: %u)", &s->row, &s->column) != 2)) return;
    if (!strstr(line, "in mapping")) return;
    bool has_key = sscanf(line, " in mapping field '%63[^']'", key) == 1;
    size_t room = s->size - s->len;
    int written = snprintf(s->text + s->len, room, "%s:%u:%u: %s%s%s\n", s->path, s->row, s->column, key,
                           has_key ? ": " : "", s->what);
    s->len += written < 0 ? 0 : (size_t)written < room ? (size_t)written : room - 1;
    s->what[0] = 0;
    s->row = 0;
}

__attribute__((format(printf, 3, 0))) static void hear(cyaml_log_t level, void *context, const char *format,
                                                       va_list arguments)
{
    struct sentences *s = context;
    char line[512];
    if (level < CYAML_LOG_ERROR) return;
    vsnprintf(line, sizeof line, format, arguments);
    line[strcspn(line, "\n")] = 0;
    const char *text = strncmp(line, "Load: ", 6) == 0 ? line + 6 : line;
    if (strncmp(text, "Backtrace", 9) == 0) return;
    if (text[0] == ' ')
        say_where(s, text);
    else if (strncmp(text, "Unexpected key: ", 16) == 0) /* its place would be that of the one before it */
        say(s, "unknown key: %s", text + 16);
    else
        snprintf(s->what, sizeof s->what, "%s", text);
}

static cyaml_config_t reader(struct sentences *s)
{
    return (cyaml_config_t){
        .log_fn = hear, .log_ctx = s, .mem_fn = cyaml_mem, .log_level = CYAML_LOG_WARNING, .flags = CYAML_CFG_NO_ALIAS};
}

/* --- defaults ------------------------------------------------------------------------------------------------ */

static void fill_text(const char **field, const char *value)
{
    if (!*field) *field = strdup(value);
}

static void fill_number(uint32_t *field, uint32_t value)
{
    if (!*field) *field = value;
}

struct lane_default {
    const char *name;
    Handoff__V1__Stream stream, also;
    Handoff__V1__Severity severity;
    const char *kind;
    uint32_t workers;
    uint32_t attempts;
    bool gathers;
};
/* With the daemon's backoff, a day; of what is emergent eight minutes: then the ladder must know that nobody was told.
 */
enum { ATTEMPTS = 100, EMERGENT_ATTEMPTS = 10 };
#define TASK       HANDOFF__V1__STREAM__STREAM_TASK
#define ESCALATION HANDOFF__V1__STREAM__STREAM_ESCALATION
#define ROUTINE    HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE
#define URGENT     HANDOFF__V1__SEVERITY__SEVERITY_URGENT
#define EMERGENT   HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT
static const struct lane_default lane_defaults[] = {
    {"notify-emergent", TASK, ESCALATION, EMERGENT, NULL, 4, EMERGENT_ATTEMPTS, false},
    {"notify-urgent", TASK, ESCALATION, URGENT, NULL, 1, ATTEMPTS, true},
    {"notify-routine", TASK, ESCALATION, ROUTINE, NULL, 1, ATTEMPTS, true},
    {"notify-reminders", TASK, 0, 0, "reminder", 1, ATTEMPTS, true},
};
enum { LANE_DEFAULTS = sizeof lane_defaults / sizeof *lane_defaults };

static bool fill_lane(struct lane_config *lane, const struct lane_default *from)
{
    *lane = (struct lane_config){.name = strdup(from->name),
                                 .stream = from->stream,
                                 .workers = from->workers,
                                 .attempts = from->attempts,
                                 .gathers = from->gathers};
    if (from->also && (lane->also = malloc(sizeof *lane->also))) {
        lane->also[0] = from->also;
        lane->also_count = 1;
    }
    if (from->severity && (lane->severities = malloc(sizeof *lane->severities))) {
        lane->severities[0] = from->severity;
        lane->severities_count = 1;
    }
    if (from->kind && (lane->kinds = malloc(sizeof *lane->kinds)) && (lane->kinds[0] = strdup(from->kind)))
        lane->kinds_count = 1;
    return lane->name && (!from->also || lane->also_count) && (!from->severity || lane->severities_count) &&
           (!from->kind || lane->kinds_count);
}

static bool fill_lanes(struct notify_config *c)
{
    if (c->lanes_count) return true;
    free(c->lanes);
    c->lanes = calloc(LANE_DEFAULTS, sizeof *c->lanes);
    if (!c->lanes) return false;
    for (; c->lanes_count < LANE_DEFAULTS; c->lanes_count++)
        if (!fill_lane(&c->lanes[c->lanes_count], &lane_defaults[c->lanes_count])) return false;
    return true;
}

/* The dead man's signal has a lane of its own: what waits there says that the path stands still. */
static bool add_heartbeat_lane(struct notify_config *c)
{
    static const struct lane_default heartbeat = {
        "notify-heartbeat", HANDOFF__V1__STREAM__STREAM_STATUS, 0, 0, "heartbeat", 1, EMERGENT_ATTEMPTS, false};
    if (!c->heartbeat) return true;
    struct lane_config *lanes = realloc(c->lanes, (c->lanes_count + 1) * sizeof *lanes);
    if (!lanes) return false;
    c->lanes = lanes;
    bool is_filled = fill_lane(&lanes[c->lanes_count], &heartbeat);
    lanes[c->lanes_count++].is_unaddressed = true;
    return is_filled;
}

static bool fill(struct notify_config *c)
{
    fill_text(&c->front, "tcp://127.0.0.1:7447");
    fill_text(&c->ledger, "/var/lib/handoff-notify/ledger.sqlite");
    fill_text(&c->source, "handoff-notify");
    fill_text(&c->templates.folder, "/usr/local/share/handoff/templates");
    fill_text(&c->templates.language, "en");
    fill_number(&c->keep_days, 400);
    fill_number(&c->lease_s, 30);
    fill_number(&c->gather_ms, 2000);
    uint32_t timeout_s = c->lease_s / 3;
    if (c->smtp) fill_number(&c->smtp->timeout_s, timeout_s);
    if (c->webhook) fill_number(&c->webhook->timeout_s, timeout_s);
    if (c->heartbeat) fill_number(&c->heartbeat->timeout_s, timeout_s);
    for (unsigned i = 0; i < c->commands_count; i++) fill_number(&c->commands[i].timeout_s, timeout_s);
    bool is_filled = fill_lanes(c) && add_heartbeat_lane(c);
    for (unsigned i = 0; i < c->lanes_count; i++) {
        fill_number(&c->lanes[i].workers, 1);
        fill_number(&c->lanes[i].attempts, ATTEMPTS);
    }
    return is_filled;
}

/* --- what must hold between the parts ------------------------------------------------------------------------ */

static void check_range(struct sentences *s, const char *key, uint32_t value, uint32_t least, uint32_t most)
{
    if (value < least || value > most) say(s, "%s is %u: it must be %u to %u", key, value, least, most);
}

/* A sending that lasts longer than a third of a lease could end after the message was given to another worker. */
static void check_timeouts(struct sentences *s, const struct notify_config *c)
{
    uint32_t most = c->lease_s / 3;
    if (c->smtp) check_range(s, "smtp.timeout_s", c->smtp->timeout_s, 1, most);
    if (c->webhook) check_range(s, "webhook.timeout_s", c->webhook->timeout_s, 1, most);
    if (c->heartbeat) check_range(s, "heartbeat.timeout_s", c->heartbeat->timeout_s, 1, most);
    for (unsigned i = 0; i < c->commands_count; i++)
        check_range(s, "commands.timeout_s", c->commands[i].timeout_s, 1, most);
}

static void check_smtp(struct sentences *s, const struct notify_config *c)
{
    for (unsigned i = 0; i < c->sites_count; i++) {
        const struct site_config *site = &c->sites[i];
        bool has_from = site->from && *site->from;
        if (has_from && !address_is_mailbox(site->from)) say(s, "sites.from is no mailbox: site %s", site->site);
        if (c->smtp && !has_from && (!c->smtp->from || !*c->smtp->from))
            say(s, "smtp.from is missing, and site %s has no mailbox of its own to send from", site->site);
    }
    if (c->smtp && c->smtp->from && *c->smtp->from && !address_is_mailbox(c->smtp->from))
        say(s, "smtp.from is no mailbox");
}

static void check_heartbeat(struct sentences *s, const struct heartbeat_config *h)
{
    if (!h) return;
    if (!address_is_url(h->url)) say(s, "heartbeat.url is no http:// or https:// URL");
    if (h->method == PING_SIGNED && !h->secret_files_count) say(s, "heartbeat.secret_files is missing");
    if (h->method != PING_SIGNED && h->secret_files_count)
        say(s, "heartbeat.secret_files is given, but heartbeat.method is not signed");
}

static void check_commands(struct sentences *s, const struct notify_config *c)
{
    unsigned seen = (c->smtp ? 1u << HANDOFF__V1__CHANNEL__CHANNEL_EMAIL : 0) |
                    (c->webhook ? 1u << HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK : 0);
    for (unsigned i = 0; i < c->commands_count; i++) {
        for (unsigned k = 0; k < c->commands[i].channels_count; k++) {
            unsigned bit = 1u << c->commands[i].channels[k];
            if (seen & bit) say(s, "commands.channels: a channel is served twice: command %u", i + 1);
            seen |= bit;
        }
    }
    if (!seen) say(s, "none of smtp, webhook and commands is there: nothing could be sent");
}

static void check_front(struct sentences *s, const struct notify_config *c)
{
    if (strncmp(c->front, "tcp://", 6) != 0 && strncmp(c->front, "ipc://", 6) != 0)
        say(s, "front is no endpoint: tcp://HOST:PORT or ipc://PATH");
}

/* The daemon would refuse the subscription, while nobody looks. */
static void check_kinds(struct sentences *s, const struct lane_config *lane)
{
    const ProtobufCEnumDescriptor *kinds = lane->stream == TASK         ? &handoff__v1__task_kind__descriptor
                                           : lane->stream == ESCALATION ? &handoff__v1__escalation_change__descriptor
                                                                        : &handoff__v1__status_kind__descriptor;
    for (unsigned i = 0; i < lane->kinds_count; i++) {
        bool is_reminder = lane->stream == TASK && strcmp(lane->kinds[i], "reminder") == 0;
        if (!is_reminder && !handoff_enum_find(kinds, lane->kinds[i]))
            say(s, "subscriptions.kinds of %s: nothing of its stream is called %s", lane->name, lane->kinds[i]);
    }
}

static void check_lanes(struct sentences *s, const struct notify_config *c)
{
    for (unsigned i = 0; i < c->lanes_count; i++) {
        const struct lane_config *lane = &c->lanes[i];
        char key[128];
        snprintf(key, sizeof key, "subscriptions.workers of %s", lane->name);
        check_range(s, key, lane->workers, 1, CONFIG_WORKERS_MOST);
        snprintf(key, sizeof key, "subscriptions.attempts of %s", lane->name);
        check_range(s, key, lane->attempts, 1, 1000);
        check_kinds(s, lane);
        if (lane->gathers && lane->workers > 1)
            say(s, "subscriptions.workers of %s is %u: what is gathered passes through one", lane->name, lane->workers);
        for (unsigned k = 0; k < i; k++)
            if (strcmp(c->lanes[k].name, lane->name) == 0) say(s, "subscriptions.name %s is there twice", lane->name);
    }
}

static void check_sites(struct sentences *s, const struct notify_config *c)
{
    for (unsigned i = 0; i < c->sites_count; i++)
        for (unsigned k = 0; k < i; k++)
            if (strcmp(c->sites[k].site, c->sites[i].site) == 0)
                say(s, "sites.site %s is there twice", c->sites[i].site);
}

static bool check(struct sentences *s, const struct notify_config *c)
{
    size_t before = s->len;
    check_front(s, c);
    check_range(s, "lease_s", c->lease_s, 6, 600);
    check_range(s, "gather_ms", c->gather_ms, 10, c->lease_s * 1000 / 3);
    check_range(s, "keep_days", c->keep_days, 30, 36500);
    check_timeouts(s, c);
    check_sites(s, c);
    check_smtp(s, c);
    check_heartbeat(s, c->heartbeat);
    check_commands(s, c);
    check_lanes(s, c);
    return s->len == before;
}

/* --- reading ------------------------------------------------------------------------------------------------- */

struct notify_config *config_load(const char *path, char *sentences, size_t size)
{
    struct sentences s = {.text = sentences, .size = size, .path = path};
    struct notify_config *config = NULL;
    cyaml_config_t cyaml = reader(&s);
    *sentences = 0;
    if (access(path, R_OK)) {
        say(&s, "it cannot be read: %s", strerror(errno));
        return NULL;
    }
    cyaml_err_t error = cyaml_load_file(path, &cyaml, &schema, (cyaml_data_t **)&config, NULL);
    if (error != CYAML_OK) {
        if (!*sentences) say(&s, "%s", s.what[0] ? s.what : cyaml_strerror(error));
        return NULL;
    }
    bool is_filled = config && fill(config);
    if (!is_filled) say(&s, config ? "out of memory" : "it is empty");
    if (is_filled && check(&s, config)) return config;
    config_free(&config);
    return NULL;
}

void config_free(struct notify_config **config)
{
    if (!config || !*config) return;
    struct sentences none = {.text = (char[8]){0}, .size = 8, .path = ""};
    cyaml_config_t cyaml = reader(&none);
    cyaml_free(&cyaml, &schema, *config, 0);
    *config = NULL;
}

/* --- asking -------------------------------------------------------------------------------------------------- */

const struct site_config *config_site(const struct notify_config *config, const char *site)
{
    for (unsigned i = 0; i < config->sites_count; i++)
        if (strcmp(config->sites[i].site, site) == 0) return &config->sites[i];
    return &config->sites[0];
}

const struct recipient_config *config_recipient(const struct notify_config *config,
                                                const Handoff__V1__Recipient *recipient)
{
    for (unsigned i = 0; recipient && i < config->recipients_count; i++) {
        const struct recipient_config *row = &config->recipients[i];
        bool is_any = !row->id || !*row->id;
        if (row->party == recipient->party && (is_any || strcmp(row->id, recipient->id) == 0)) return row;
    }
    return NULL;
}
