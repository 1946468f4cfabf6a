/* See mail.h. Everything is written to memory by stdio, whose error flag is asked once at the end. */
#include "notify/mail.h"

#include "notify/address.h"
#include "notify/text.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <sodium.h>

enum {
    ID_MAX = 200,
    LINE_MAX_BYTES = 76, /* of a quoted-printable line, its soft break included; and of an encoded word, almost */
    WORD_BYTES = 42,     /* of UTF-8 in one encoded word: 56 in base64, 68 with =?UTF-8?B?...?= */
};

const char *mail_fault_sentence(enum mail_fault fault)
{
    switch (fault) {
    case MAIL_OK:
        return "the message is well formed";
    case MAIL_BAD_ID:
        return "the message's id cannot be one of a mail";
    case MAIL_BAD_TO:
        return "the recipient's address is not one of a mailbox";
    case MAIL_BAD_FROM:
        return "the sender's address is not one of a mailbox";
    case MAIL_BAD_HEADER:
        return "the subject or a name holds a line break, another control character or broken UTF-8";
    case MAIL_BAD_BODY:
        return "the text holds control characters or broken UTF-8";
    case MAIL_NO_MEMORY:
        return "there is not enough memory";
    }
    return "";
}

/* --- what may be in it --------------------------------------------------------------------------------------- */

static bool is_id(const char *id)
{
    size_t len = strlen(id);
    for (size_t i = 0; i < len; i++) {
        if (id[i] <= ' ' || id[i] > '~') return false;
    }
    return len && len <= ID_MAX;
}

static const char *or_empty(const char *text)
{
    return text ? text : "";
}

static enum mail_fault check(const struct outgoing *message, const char *from)
{
    if (!message->id || !is_id(message->id)) return MAIL_BAD_ID;
    if (!message->to || !address_is_mailbox(message->to)) return MAIL_BAD_TO;
    if (!from || !address_is_mailbox(from)) return MAIL_BAD_FROM;
    const char *const headers[] = {message->subject, message->to_name, message->from_name, message->language};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        if (!text_is_clean(or_empty(headers[i]), "")) return MAIL_BAD_HEADER;
    }
    return text_is_clean(or_empty(message->body), "\n\t") ? MAIL_OK : MAIL_BAD_BODY;
}

/* --- headers ---------------------------------------------------------------------------------------------------- */

/* Encoded words, each of whole characters, a folded line each but the first. */
static void write_encoded(FILE *out, const char *text)
{
    while (*text) {
        size_t bytes = 0;
        while (text[bytes] && bytes + text_char_len(text + bytes) <= WORD_BYTES) bytes += text_char_len(text + bytes);
        char word[sodium_base64_ENCODED_LEN(WORD_BYTES, sodium_base64_VARIANT_ORIGINAL)];
        sodium_bin2base64(word, sizeof word, (const unsigned char *)text, bytes, sodium_base64_VARIANT_ORIGINAL);
        fprintf(out, "=?UTF-8?B?%s?=%s", word, text[bytes] ? "\r\n " : "");
        text += bytes;
    }
}

/* Folded at spaces, as far as there are any. `column` is where the text begins. */
static void write_folded(FILE *out, const char *text, size_t column)
{
    while (*text) {
        size_t spaces = strspn(text, " "), len = spaces + strcspn(text + spaces, " ");
        if (spaces && column + len > LINE_MAX_BYTES) {
            fputs("\r\n", out);
            column = 0;
        }
        fwrite(text, 1, len, out);
        column += len;
        text += len;
    }
}

/* Folding at a space is safe where a visible character follows on the line: not with spaces at either end. "=?" would
 * be read as an encoded word, and a word too long for a line cannot be folded. */
static bool is_plain_header(const char *text)
{
    size_t len = strlen(text), word = 0;
    if (!text_is_ascii(text) || strstr(text, "=?") || !len || text[0] == ' ' || text[len - 1] == ' ') return !len;
    for (size_t i = 0; i < len; i++) {
        word = text[i] == ' ' ? 0 : word + 1;
        if (word > LINE_MAX_BYTES - 10) return false;
    }
    return true;
}

static void write_subject(FILE *out, const char *subject)
{
    fputs("Subject: ", out);
    if (is_plain_header(subject)) {
        write_folded(out, subject, sizeof "Subject: " - 1);
    } else {
        write_encoded(out, subject);
    }
    fputs("\r\n", out);
}

static void write_quoted(FILE *out, const char *name)
{
    fputc('"', out);
    for (; *name; name++) fprintf(out, *name == '"' || *name == '\\' ? "\\%c" : "%c", *name);
    fputc('"', out);
}

/* From: "Name" <mailbox>; the mailbox on a line of its own where it may be long. */
static void write_person(FILE *out, const char *header, const char *name, const char *mailbox)
{
    fprintf(out, "%s: ", header);
    if (!*name) {
        fprintf(out, "%s\r\n", mailbox);
        return;
    }
    if (is_plain_header(name) && strlen(name) <= LINE_MAX_BYTES / 2) {
        write_quoted(out, name);
    } else {
        write_encoded(out, name);
    }
    fprintf(out, "%s<%s>\r\n", strlen(name) + strlen(mailbox) > LINE_MAX_BYTES / 2 ? "\r\n " : " ", mailbox);
}

static void write_date(FILE *out, int64_t at_ms)
{
    static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
    static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                         "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
    time_t seconds = (time_t)(at_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&seconds, &tm)) return;
    fprintf(out, "Date: %s, %02d %s %04d %02d:%02d:%02d +0000\r\n", days[tm.tm_wday], tm.tm_mday, months[tm.tm_mon],
            tm.tm_year + 1900, tm.tm_hour, tm.tm_min, tm.tm_sec);
}

/* An atom with dots: what may not be in one, and what would make two ids one, is written as =XX. */
static void write_message_id(FILE *out, const char *id, const char *from)
{
    fputs("Message-ID: <", out);
    for (const char *at = id; *at; at++) {
        bool is_dot = *at == '.' && at != id && at[1] && at[1] != '.';
        bool is_legal = isalnum((unsigned char)*at) || is_dot || strchr("!#$%&'*+-/?^_`{|}~", *at);
        fprintf(out, is_legal ? "%c" : "=%02X", (unsigned char)*at);
    }
    fprintf(out, "@%s>\r\n", strchr(from, '@') + 1);
}

static bool is_language_tag(const char *text)
{
    size_t len = 0;
    while (isalnum((unsigned char)text[len]) || text[len] == '-') len++;
    return len && !text[len] && len <= 35;
}

static void write_headers(FILE *out, const struct outgoing *message, const char *from)
{
    write_date(out, message->at_ms);
    write_person(out, "From", or_empty(message->from_name), from);
    write_person(out, "To", or_empty(message->to_name), message->to);
    write_message_id(out, message->id, from);
    write_subject(out, or_empty(message->subject));
    if (is_language_tag(or_empty(message->language))) fprintf(out, "Content-Language: %s\r\n", message->language);
    /* Whatever answers by itself (an absence notice) does not answer this. */
    fputs("Auto-Submitted: auto-generated\r\n"
          "MIME-Version: 1.0\r\n"
          "Content-Type: text/plain; charset=utf-8\r\n"
          "Content-Transfer-Encoding: quoted-printable\r\n"
          "\r\n",
          out);
}

/* --- the text ------------------------------------------------------------------------------------------------- */

static bool is_quoted_byte(const char *at)
{
    bool is_last = !at[1] || at[1] == '\n';
    if (*at == ' ' || *at == '\t') return is_last; /* servers drop these at a line's end */
    return *at == '=' || *at < ' ' || *at > '~';
}

static void write_body(FILE *out, const char *body)
{
    size_t column = 0;
    for (const char *at = body; *at; at++) {
        if (*at == '\n') {
            fputs("\r\n", out);
            column = 0;
            continue;
        }
        size_t width = is_quoted_byte(at) ? 3 : 1;
        if (column + width > LINE_MAX_BYTES - 1) {
            fputs("=\r\n", out);
            column = 0;
        }
        fprintf(out, width == 3 ? "=%02X" : "%c", (unsigned char)*at);
        column += width;
    }
    if (column) fputs("\r\n", out);
}

enum mail_fault mail_compose(const struct outgoing *message, const char *from, char **ret_text, size_t *ret_bytes)
{
    char *text = NULL;
    size_t bytes = 0;
    if (message->from && *message->from) from = message->from;
    enum mail_fault fault = check(message, from);
    if (fault) return fault;
    FILE *out = open_memstream(&text, &bytes);
    if (!out) return MAIL_NO_MEMORY;
    write_headers(out, message, from);
    write_body(out, or_empty(message->body));
    bool is_bad = ferror(out);
    if (fclose(out) || is_bad) {
        free(text);
        return MAIL_NO_MEMORY;
    }
    *ret_text = text;
    *ret_bytes = bytes;
    return MAIL_OK;
}
