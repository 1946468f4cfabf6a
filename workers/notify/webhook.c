/* See webhook.h. */
#include "notify/webhook.h"

#include "notify/address.h"
#include "notify/curl_common.h"
#include "notify/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sodium.h>

enum {
    ANSWER_MAX_BYTES = 64 * 1024, /* of the other side's text, which nobody reads */
    RETRY_MAX_S = 24 * 3600,
    ID_MAX = 200,
};

/* What is being sent, for libcurl's call-backs. */
struct posting {
    const char *json;
    size_t bytes, given, answered;
};

struct webhook {
    struct channel base; /* first: a channel is this */
    CURL *curl;
    char *url; /* NULL: each message's own */
    struct signature_key keys[WEBHOOK_SECRETS_MAX];
    size_t key_count;
    struct posting posting;
};

/* --- libcurl's call-backs ---------------------------------------------------------------------------------------- */

static size_t give(char *buffer, size_t size, size_t count, void *context)
{
    struct posting *posting = context;
    size_t left = posting->bytes - posting->given, bytes = left < size * count ? left : size * count;
    memcpy(buffer, posting->json + posting->given, bytes);
    posting->given += bytes;
    return bytes;
}

/* libcurl would post again by itself when a kept connection breaks after the body; that is not ours to do, because it
 * may have been taken. Nothing given yet: from the start on a fresh connection. */
static int refuse_to_repeat(void *context, curl_off_t offset, int origin)
{
    const struct posting *posting = context;
    return !posting->given && !offset && origin == SEEK_SET ? CURL_SEEKFUNC_OK : CURL_SEEKFUNC_FAIL;
}

static size_t pass_by(char *data, size_t size, size_t count, void *context)
{
    (void)data;
    size_t *answered = context;
    *answered += size * count;
    return *answered > ANSWER_MAX_BYTES ? 0 : size * count;
}

/* --- judging ----------------------------------------------------------------------------------------------------- */

static struct send_report judge_wait(CURL *curl, long status)
{
    curl_off_t seconds = 0;
    curl_easy_getinfo(curl, CURLINFO_RETRY_AFTER, &seconds);
    struct send_report report = send_report_make(SEND_LATER, "the web server answered %ld", status);
    if (seconds > 0) report.retry_after_ms = (uint32_t)(seconds < RETRY_MAX_S ? seconds : RETRY_MAX_S) * 1000;
    return report;
}

static struct send_report judge_status(CURL *curl, long status)
{
    if (status < 300) return send_report_make(SEND_DONE, "the web server answered %ld", status);
    if (status < 400) {
        return send_report_make(SEND_NEVER, "the web server answered %ld, elsewhere: redirections are not followed",
                                status);
    }
    if (status == 429 || status == 503) return judge_wait(curl, status);
    bool is_later = status == 408 || status >= 500;
    return send_report_make(is_later ? SEND_LATER : SEND_NEVER, "the web server answered %ld%s", status,
                            status == 410 ? ": the receiver is gone" : "");
}

static struct send_report judge(CURL *curl, CURLcode code, size_t bytes)
{
    long status = 0;
    curl_off_t sent = 0;
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(curl, CURLINFO_SIZE_UPLOAD_T, &sent);
    if (status >= 200) return judge_status(curl, status);
    bool is_repeat =
        code == CURLE_SEND_FAIL_REWIND; /* that we refused, after the body: libcurl has forgotten its count */
    if (is_repeat || (bytes && (size_t)sent >= bytes)) {
        return send_report_make(SEND_UNKNOWN, "the web server had it all and did not answer: %s",
                                curl_easy_strerror(code));
    }
    return send_report_make(SEND_LATER, "nothing was posted: %s", curl_easy_strerror(code));
}

/* --- sending ----------------------------------------------------------------------------------------------------- */

static bool add_header(struct curl_slist **list, const char *name, const char *value)
{
    char line[ID_MAX + 200];
    snprintf(line, sizeof line, "%s: %s", name, value);
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer) *list = longer;
    return longer;
}

static bool add_signature(const struct webhook *webhook, const struct outgoing *message, struct curl_slist **list)
{
    char timestamp[24], signatures[WEBHOOK_SECRETS_MAX * (SIGNATURE_TEXT + 1)] = "";
    int64_t now_s = message->at_ms / 1000;
    size_t len = 0;
    for (size_t i = 0; i < webhook->key_count; i++) {
        char one[SIGNATURE_TEXT];
        signature_sign(&webhook->keys[i], message->id, now_s, message->json, one);
        len += (size_t)snprintf(signatures + len, sizeof signatures - len, "%s%s", i ? " " : "", one);
    }
    snprintf(timestamp, sizeof timestamp, "%" PRId64, now_s);
    return add_header(list, "webhook-id", message->id) && add_header(list, "webhook-timestamp", timestamp) &&
           add_header(list, "webhook-signature", signatures);
}

static struct curl_slist *headers_of(const struct webhook *webhook, const struct outgoing *message)
{
    struct curl_slist *list = curl_slist_append(NULL, "Expect:"); /* no pause before the body */
    if (!list) return NULL;
    if (add_header(&list, "Content-Type", "application/json") && add_signature(webhook, message, &list)) return list;
    curl_slist_free_all(list);
    return NULL;
}

static bool is_id(const char *id)
{
    size_t len = id ? strlen(id) : 0;
    for (size_t i = 0; i < len; i++) {
        if (id[i] <= ' ' || id[i] > '~') return false;
    }
    return len && len <= ID_MAX;
}

static bool is_safe_url(const char *url)
{
    return address_is_url(url) && (!strncasecmp(url, "https://", 8) || address_is_loopback(url));
}

static struct send_report webhook_send(struct channel *channel, const struct outgoing *message)
{
    struct webhook *webhook = (struct webhook *)channel;
    const char *url = webhook->url ? webhook->url : message->to;
    if (!url || !is_safe_url(url)) return send_report_make(SEND_NEVER, "the address is not an https:// one");
    if (!is_id(message->id)) return send_report_make(SEND_NEVER, "the message's id cannot stand in a header");
    if (!message->json) return send_report_make(SEND_NEVER, "the message has no JSON");
    struct curl_slist *headers = headers_of(webhook, message);
    if (!headers) return send_report_make(SEND_LATER, "there is not enough memory");
    webhook->posting = (struct posting){.json = message->json, .bytes = strlen(message->json)};
    curl_easy_setopt(webhook->curl, CURLOPT_URL, url);
    curl_easy_setopt(webhook->curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(webhook->curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)webhook->posting.bytes);
    CURLcode code = curl_easy_perform(webhook->curl);
    curl_easy_setopt(webhook->curl, CURLOPT_HTTPHEADER, NULL);
    curl_slist_free_all(headers);
    return judge(webhook->curl, code, webhook->posting.bytes);
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void webhook_close(struct channel *channel)
{
    struct webhook *webhook = (struct webhook *)channel;
    curl_common_close(webhook->curl);
    sodium_memzero(webhook->keys, sizeof webhook->keys);
    free(webhook->url);
    free(webhook);
}

static int read_secrets(struct webhook *webhook, const struct webhook_options *options, struct channel_error *error)
{
    if (!options->secret_count || options->secret_count > WEBHOOK_SECRETS_MAX) {
        return channel_refuse(error, "webhook: there must be 1 to %d secrets", (int)WEBHOOK_SECRETS_MAX);
    }
    for (size_t i = 0; i < options->secret_count; i++) {
        if (signature_key_read(options->secrets[i], &webhook->keys[i])) continue;
        return channel_refuse(error, "webhook: secret %zu is not whsec_ and the base64 of 24 to 64 bytes", i + 1);
    }
    webhook->key_count = options->secret_count;
    return 0;
}

static void set_options(struct webhook *webhook)
{
    CURL *curl = webhook->curl;
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "handoff-notify");
    curl_easy_setopt(curl, CURLOPT_POST, 1L);
    curl_easy_setopt(curl, CURLOPT_READFUNCTION, give);
    curl_easy_setopt(curl, CURLOPT_READDATA, &webhook->posting);
    curl_easy_setopt(curl, CURLOPT_SEEKFUNCTION, refuse_to_repeat);
    curl_easy_setopt(curl, CURLOPT_SEEKDATA, &webhook->posting);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_by);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &webhook->posting.answered);
}

static int fill(struct webhook *webhook, const struct webhook_options *options, struct channel_error *error)
{
    if (options->url && !is_safe_url(options->url)) {
        return channel_refuse(error, "webhook: the url must be https://, or http:// to this machine");
    }
    if (read_secrets(webhook, options, error)) return -1;
    webhook->url = options->url ? strdup(options->url) : NULL;
    if (options->url && !webhook->url) return channel_refuse(error, "there is not enough memory");
    webhook->curl = curl_common_open("http,https", options->ca_file, options->timeout_ms, error);
    if (!webhook->curl) return -1;
    set_options(webhook);
    return 0;
}

int webhook_open(const struct webhook_options *options, struct channel **ret_channel, struct channel_error *error)
{
    static const struct channel_ops ops = {webhook_send, webhook_close};
    struct webhook *webhook = calloc(1, sizeof *webhook);
    if (!webhook) return channel_refuse(error, "there is not enough memory");
    webhook->base.ops = &ops;
    if (fill(webhook, options, error)) {
        webhook_close(&webhook->base);
        return -1;
    }
    *ret_channel = &webhook->base;
    return 0;
}

/* --- the dead man's signal --------------------------------------------------------------------------------------- */

struct send_report webhook_ping(const struct ping_options *options)
{
    struct channel_error error;
    size_t answered = 0;
    if (!options->url || !address_is_url(options->url)) return send_report_make(SEND_NEVER, "the url to ping is none");
    CURL *curl = curl_common_open("http,https", options->ca_file, options->timeout_ms, &error);
    if (!curl) return send_report_make(SEND_LATER, "%s", error.sentence);
    curl_easy_setopt(curl, CURLOPT_URL, options->url);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "handoff-notify");
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, pass_by);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answered);
    if (options->is_post) curl_easy_setopt(curl, CURLOPT_POSTFIELDS, "");
    CURLcode code = curl_easy_perform(curl);
    struct send_report report = judge(curl, code, 0);
    curl_common_close(curl);
    return report;
}
