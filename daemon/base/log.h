/* The daemon's own log: logfmt on standard error, one write(2) a line.
 *
 *     time=2026-06-11T20:40:00.000Z level=info msg="journal opened" folder=/var/lib/handoff/journal sequence=4711
 *
 *     log_info("journal opened", log_text("folder", path), log_uint("sequence", last));
 *
 * A message is a fixed sentence that says what happened and what happens next; what varies goes into fields. No
 * patient content, ever: sequences, codes, names of sources and counts, but no names, reasons or texts of events.
 * core and store never log. Thread-safe. A line that would exceed LOG_LINE_BYTES loses its end and says so. */
#ifndef HANDOFF_BASE_LOG_H
#define HANDOFF_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };
enum { LOG_LINE_BYTES = 2048 };

/* debug, info, warn, error, NULL */
extern const char *const log_level_names[];

/* Nothing below this level is written; LOG_INFO at start. */
void log_set_level(enum log_level least);
/* Standard error at start; tests give a pipe. The descriptor is borrowed. */
void log_set_descriptor(int descriptor);

struct log_field {
    const char *key; /* NULL ends a list */
    enum { LOG_FIELD_TEXT, LOG_FIELD_INT, LOG_FIELD_UINT } kind;
    union {
        const char *text;
        int64_t integer;
        uint64_t natural;
    };
};

static inline struct log_field log_text(const char *key, const char *value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_TEXT, .text = value ? value : ""};
}

static inline struct log_field log_int(const char *key, int64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_INT, .integer = value};
}

static inline struct log_field log_uint(const char *key, uint64_t value)
{
    return (struct log_field){.key = key, .kind = LOG_FIELD_UINT, .natural = value};
}

static inline struct log_field log_flag(const char *key, bool value)
{
    return log_text(key, value ? "true" : "false");
}

void log_write(enum log_level level, const struct log_field fields[]);

#define LOG_AT(level, message, ...)                                                                          \
    log_write((level), (const struct log_field[]){log_text("msg", (message)), ##__VA_ARGS__, {.key = 0}})
#define log_debug(message, ...) LOG_AT(LOG_DEBUG, message, ##__VA_ARGS__)
#define log_info(message, ...)  LOG_AT(LOG_INFO, message, ##__VA_ARGS__)
#define log_warn(message, ...)  LOG_AT(LOG_WARN, message, ##__VA_ARGS__)
#define log_error(message, ...) LOG_AT(LOG_ERROR, message, ##__VA_ARGS__)

#endif
