/* See smtp.h. libcurl speaks SMTP; which command a reply belongs to is heard through its debug function, because its
 * result alone does not tell a refused recipient from a refused sender, nor a cut before the body from one after. */
#include "notify/smtp.h"

#include "notify/address.h"
#include "notify/curl_common.h"
#include "notify/mail.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* In the order of a session. What comes before RCPT is about us, the rest about the message. */
enum phase { GREETING, HELLO, STARTTLS, AUTH, SENDER, RECIPIENT, DATA, BODY };

/* One message's session, as heard. */
struct talk {
    enum phase phase;
    int code;          /* of the answer in this phase; 0: none yet */
    char enhanced[12]; /* "5.1.1", or empty */
    bool is_over;      /* we said goodbye: what is answered now is of no interest */
    const char *text;
    size_t bytes, given;
};

struct smtp {
    struct channel base; /* first: a channel is this */
    CURL *curl;
    char *url, *from, *user, *password;
    struct talk talk;
};

/* --- hearing ----------------------------------------------------------------------------------------------------- */

static void enter(struct talk *talk, enum phase phase)
{
    talk->phase = phase;
    talk->code = 0;
    talk->enhanced[0] = '\0';
}

static void hear_command(struct talk *talk, const char *line, size_t bytes)
{
    static const struct {
        const char *verb;
        enum phase phase;
    } verbs[] = {{"EHLO", HELLO},       {"HELO", HELLO},        {"STARTTLS", STARTTLS}, {"AUTH", AUTH},
                 {"MAIL FROM", SENDER}, {"RCPT TO", RECIPIENT}, {"DATA", DATA}};
    for (size_t i = 0; i < sizeof verbs / sizeof *verbs; i++) {
        size_t len = strlen(verbs[i].verb);
        if (bytes >= len && !memcmp(line, verbs[i].verb, len)) enter(talk, verbs[i].phase);
    }
    if (bytes >= 4 && !memcmp(line, "QUIT", 4)) talk->is_over = true;
}

/* "550 5.1.1 ..." or "550-5.1.1 ..."; the text behind it may name the recipient and is not kept. */
static void hear_reply(struct talk *talk, const char *line, size_t bytes)
{
    if (bytes < 4 || !isdigit(line[0]) || !isdigit(line[1]) || !isdigit(line[2])) return;
    talk->code = (line[0] - '0') * 100 + (line[1] - '0') * 10 + (line[2] - '0');
    size_t len = 0;
    while (4 + len < bytes && len + 1 < sizeof talk->enhanced && (isdigit(line[4 + len]) || line[4 + len] == '.'))
        len++;
    bool is_status = len >= 5 && line[4] == line[0] && line[5] == '.';
    snprintf(talk->enhanced, sizeof talk->enhanced, "%.*s", is_status ? (int)len : 0, line + 4);
}

static int hear(CURL *curl, curl_infotype type, char *data, size_t bytes, void *context)
{
    (void)curl;
    struct talk *talk = context;
    if (type == CURLINFO_HEADER_OUT) hear_command(talk, data, bytes);
    if (type == CURLINFO_HEADER_IN && !talk->is_over) hear_reply(talk, data, bytes);
    return 0;
}

/* libcurl asks for more once all it has is on its way; the end of the text is the last moment at which nothing can have
 * been taken. */
static size_t give(char *buffer, size_t size, size_t count, void *context)
{
    struct talk *talk = context;
    size_t left = talk->bytes - talk->given, bytes = left < size * count ? left : size * count;
    memcpy(buffer, talk->text + talk->given, bytes);
    talk->given += bytes;
    if (!bytes) enter(talk, BODY);
    return bytes;
}

/* --- judging ----------------------------------------------------------------------------------------------------- */

static bool is_about_us(const struct talk *talk)
{
    if (talk->phase < RECIPIENT) return true;
    bool is_policy = !strncmp(talk->enhanced, "5.7.", 4);
    bool is_login = talk->code == 530 || talk->code == 535 || talk->code == 538;
    return talk->phase == RECIPIENT && (is_policy || is_login);
}

static struct send_report judge_reply(const struct talk *talk)
{
    static const char *const to[] = {
        [GREETING] = "when it was called",   [HELLO] = "to our greeting", [STARTTLS] = "to STARTTLS",
        [AUTH] = "to our name and password", [SENDER] = "to the sender",  [RECIPIENT] = "to the recipient",
        [DATA] = "before the text",          [BODY] = "after the text",
    };
    bool is_final = talk->code >= 500 && !is_about_us(talk);
    return send_report_make(is_final ? SEND_NEVER : SEND_LATER, "the mail server answered %d%s%s %s", talk->code,
                            *talk->enhanced ? " " : "", talk->enhanced, to[talk->phase]);
}

static struct send_report judge(const struct talk *talk, CURLcode code)
{
    bool is_taken = talk->phase == BODY && talk->code / 100 == 2;
    if (code == CURLE_OK || is_taken) return send_report_make(SEND_DONE, "the mail server took it");
    if (talk->code >= 400) return judge_reply(talk);
    if (talk->phase == BODY) {
        return send_report_make(SEND_UNKNOWN, "the mail server had the text and did not answer: %s",
                                curl_easy_strerror(code));
    }
    return send_report_make(SEND_LATER, "no mail was sent: %s", curl_easy_strerror(code));
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

/* A connection on which an answer is still due must not be used again: the next message would take that answer for its
 * own. libcurl keeps it in some of these cases, but not one that is shut. */
static void shut(CURL *curl)
{
    curl_socket_t socket = CURL_SOCKET_BAD;
    if (!curl_easy_getinfo(curl, CURLINFO_ACTIVESOCKET, &socket) && socket != CURL_SOCKET_BAD)
        shutdown(socket, SHUT_RDWR);
}

static struct send_report carry(struct smtp *smtp, const char *from, const char *to)
{
    char sender[260], recipient[260];
    snprintf(sender, sizeof sender, "<%s>", from);
    snprintf(recipient, sizeof recipient, "<%s>", to);
    struct curl_slist *recipients = curl_slist_append(NULL, recipient);
    if (!recipients) return send_report_make(SEND_LATER, "there is not enough memory");
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_FROM, sender);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, recipients);
    CURLcode code = curl_easy_perform(smtp->curl);
    curl_easy_setopt(smtp->curl, CURLOPT_MAIL_RCPT, NULL);
    curl_slist_free_all(recipients);
    struct send_report report = judge(&smtp->talk, code);
    if (report.result != SEND_DONE) shut(smtp->curl);
    return report;
}

static struct send_report smtp_send(struct channel *channel, const struct outgoing *message)
{
    struct smtp *smtp = (struct smtp *)channel;
    char *text = NULL;
    size_t bytes = 0;
    enum mail_fault fault = mail_compose(message, smtp->from, &text, &bytes);
    if (fault)
        return send_report_make(fault == MAIL_NO_MEMORY ? SEND_LATER : SEND_NEVER, "%s", mail_fault_sentence(fault));
    smtp->talk = (struct talk){.text = text, .bytes = bytes};
    const char *from = message->from && *message->from ? message->from : smtp->from;
    struct send_report report = carry(smtp, from, message->to);
    free(text);
    return report;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void smtp_close(struct channel *channel)
{
    struct smtp *smtp = (struct smtp *)channel;
    curl_common_close(smtp->curl);
    free(smtp->url);
    free(smtp->from);
    free(smtp->user);
    if (smtp->password) explicit_bzero(smtp->password, strlen(smtp->password));
    free(smtp->password);
    free(smtp);
}

static bool is_set(const char *text)
{
    return text && *text;
}

static bool is_tls(const char *url)
{
    return !strncmp(url, "smtps://", 8);
}

/* smtp[s]://host[:port], and nothing else. */
static bool is_smtp_url(const char *url)
{
    const char *host = is_tls(url) ? url + 8 : !strncmp(url, "smtp://", 7) ? url + 7 : "";
    size_t len = strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._[]:");
    return len && (!host[len] || !strcmp(host + len, "/"));
}

static int check_options(const struct smtp_options *options, struct channel_error *error)
{
    if (!is_set(options->url) || !is_smtp_url(options->url)) {
        return channel_refuse(error, "smtp: the url must be smtp://HOST:PORT or smtps://HOST:PORT");
    }
    if (!is_set(options->from) || !address_is_mailbox(options->from)) {
        return channel_refuse(error, "smtp: from must be the mailbox that messages come from");
    }
    if (is_set(options->user) != is_set(options->password_file)) {
        return channel_refuse(error, "smtp: a user and a password file belong together");
    }
    if (is_set(options->user) && !is_tls(options->url) && options->starttls != SMTP_TLS_REQUIRED) {
        return channel_refuse(error,
                              "smtp: a password goes out with smtps:// or with STARTTLS required, never in clear");
    }
    if (is_set(options->hello) && strspn(options->hello, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                         "0123456789-.") != strlen(options->hello)) {
        return channel_refuse(error, "smtp: hello must be the name of this machine");
    }
    return 0;
}

static int read_password(const char *path, char **ret_password, struct channel_error *error)
{
    char line[256] = "";
    FILE *file = fopen(path, "re");
    if (!file) return channel_refuse(error, "smtp: the password file %s cannot be read: %s", path, strerror(errno));
    bool is_read = fgets(line, sizeof line, file);
    int failed = ferror(file) ? errno : 0;
    fclose(file);
    if (failed) return channel_refuse(error, "smtp: the password file %s cannot be read: %s", path, strerror(failed));
    line[strcspn(line, "\r\n")] = '\0';
    if (!is_read || !*line) return channel_refuse(error, "smtp: the password file %s is empty", path);
    *ret_password = strdup(line);
    explicit_bzero(line, sizeof line);
    return *ret_password ? 0 : channel_refuse(error, "there is not enough memory");
}

/* The name for EHLO is the url's path, as libcurl wants it. */
static char *url_of(const struct smtp_options *options)
{
    size_t len = strlen(options->url) - (options->url[strlen(options->url) - 1] == '/');
    char *url = NULL;
    int bytes = asprintf(&url, "%.*s/%s", (int)len, options->url, options->hello ? options->hello : "");
    return bytes < 0 ? NULL : url;
}

static void set_options(struct smtp *smtp, enum smtp_tls starttls)
{
    static const long tls[] = {
        [SMTP_TLS_REQUIRED] = CURLUSESSL_ALL, [SMTP_TLS_IF_OFFERED] = CURLUSESSL_TRY, [SMTP_TLS_OFF] = CURLUSESSL_NONE};
    CURL *curl = smtp->curl;
    curl_easy_setopt(curl, CURLOPT_URL, smtp->url);
    if (!is_tls(smtp->url)) curl_easy_setopt(curl, CURLOPT_USE_SSL, tls[starttls]);
    if (smtp->user) curl_easy_setopt(curl, CURLOPT_USERNAME, smtp->user);
    if (smtp->password) curl_easy_setopt(curl, CURLOPT_PASSWORD, smtp->password);
    curl_easy_setopt(curl, CURLOPT_UPLOAD, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, &smtp->talk);
    curl_easy_setopt(curl, CURLOPT_VERBOSE, 1L); /* for the debug function; nothing is printed */
    curl_easy_setopt(curl, CURLOPT_DEBUGFUNCTION, hear);
    curl_easy_setopt(curl, CURLOPT_DEBUGDATA, &smtp->talk);
}

static int fill(struct smtp *smtp, const struct smtp_options *options, struct channel_error *error)
{
    smtp->url = url_of(options);
    smtp->from = strdup(options->from);
    smtp->user = is_set(options->user) ? strdup(options->user) : NULL;
    if (!smtp->url || !smtp->from || (is_set(options->user) && !smtp->user)) {
        return channel_refuse(error, "there is not enough memory");
    }
    if (smtp->user && read_password(options->password_file, &smtp->password, error)) return -1;
    smtp->curl =
        curl_common_open("smtp,smtps", is_set(options->ca_file) ? options->ca_file : NULL, options->timeout_ms, error);
    if (!smtp->curl) return -1;
    set_options(smtp, options->starttls);
    return 0;
}

int smtp_open(const struct smtp_options *options, struct channel **ret_channel, struct channel_error *error)
{
    static const struct channel_ops ops = {smtp_send, smtp_close};
    if (check_options(options, error)) return -1;
    struct smtp *smtp = calloc(1, sizeof *smtp);
    if (!smtp) return channel_refuse(error, "there is not enough memory");
    smtp->base.ops = &ops;
    if (fill(smtp, options, error)) {
        smtp_close(&smtp->base);
        return -1;
    }
    *ret_channel = &smtp->base;
    return 0;
}
