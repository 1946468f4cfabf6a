/* See log.h. */
#include "base/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

const char *const log_level_names[] = {"debug", "info", "warn", "error", NULL};

static _Atomic int least_level = LOG_INFO;
static _Atomic int log_descriptor = STDERR_FILENO;

void log_set_level(enum log_level least)
{
    least_level = (int)least;
}

void log_set_descriptor(int descriptor)
{
    log_descriptor = descriptor;
}

static const char cut_mark[] = " cut=true\n"; /* always fits: a line keeps room for it */

struct line {
    size_t len;
    bool is_cut;
    char text[LOG_LINE_BYTES];
};

static void append(struct line *line, const char *text, size_t bytes)
{
    if (line->is_cut || bytes > sizeof line->text - sizeof cut_mark - line->len) {
        line->is_cut = true;
        return;
    }
    memcpy(line->text + line->len, text, bytes);
    line->len += bytes;
}

static void append_text(struct line *line, const char *text)
{
    append(line, text, strlen(text));
}

static bool needs_quotes(const char *value)
{
    if (!*value) return true;
    for (const unsigned char *c = (const unsigned char *)value; *c; c++)
        if (*c <= ' ' || *c == '"' || *c == '=' || *c == '\\' || *c == 0x7f) return true;
    return false;
}

/* Whatever a value holds, a line stays one line. */
static void append_escaped(struct line *line, unsigned char c)
{
    char escaped[8];
    if (c == '"' || c == '\\')
        append(line, (const char[]){'\\', (char)c}, 2);
    else if (c == '\n')
        append(line, "\\n", 2);
    else if (c < ' ' || c == 0x7f)
        append(line, escaped, (size_t)snprintf(escaped, sizeof escaped, "\\u%04x", c));
    else
        append(line, (const char *)&c, 1);
}

static void append_value(struct line *line, const char *value)
{
    if (!needs_quotes(value)) {
        append_text(line, value);
        return;
    }
    append(line, "\"", 1);
    for (const char *c = value; *c; c++) append_escaped(line, (unsigned char)*c);
    append(line, "\"", 1);
}

static void append_field(struct line *line, const struct log_field *field)
{
    char number[24];
    append(line, " ", 1);
    append_text(line, field->key);
    append(line, "=", 1);
    if (field->kind == LOG_FIELD_TEXT)
        append_value(line, field->text);
    else if (field->kind == LOG_FIELD_INT)
        append(line, number, (size_t)snprintf(number, sizeof number, "%" PRId64, field->integer));
    else
        append(line, number, (size_t)snprintf(number, sizeof number, "%" PRIu64, field->natural));
}

static void append_time(struct line *line)
{
    struct timespec now;
    struct tm utc;
    char text[40];
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &utc);
    size_t len = strftime(text, sizeof text, "time=%Y-%m-%dT%H:%M:%S", &utc);
    append(line, text, len);
    append(line, text, (size_t)snprintf(text, sizeof text, ".%03dZ", (int)(now.tv_nsec / 1000000)));
}

/* Nobody is left to tell when standard error is gone; the line is lost. */
static void put(const struct line *line)
{
    ssize_t written;
    do written = write(log_descriptor, line->text, line->len);
    while (written < 0 && errno == EINTR);
}

void log_write(enum log_level level, const struct log_field fields[])
{
    if ((int)level < least_level) return;
    struct line line;
    line.len = 0;
    line.is_cut = false;
    int errno_before = errno;
    append_time(&line);
    append_text(&line, " level=");
    append_text(&line, log_level_names[level]);
    for (const struct log_field *field = fields; field->key; field++) append_field(&line, field);
    const char *end = line.is_cut ? cut_mark : "\n";
    memcpy(line.text + line.len, end, strlen(end));
    line.len += strlen(end);
    put(&line);
    errno = errno_before;
}
