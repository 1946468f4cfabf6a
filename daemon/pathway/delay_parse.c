/* See delay_parse.h. A recursive descent over one line of text; depth and length are bounded before it starts. */
#include "pathway/delay_parse.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "base/yaml.h"
#include "core/calendar.h"
#include "handoff/v1/record.pb-c.h"

struct parser {
    struct arena *arena; /* NULL: only a length is wanted */
    const char *text;
    size_t at;
    int depth;
    struct parse_error *error;
};

static const struct delay *parse(struct parser *p);

__attribute__((format(printf, 3, 4))) static const struct delay *fail(struct parser *p, size_t offset,
                                                                      const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(p->error->sentence, sizeof p->error->sentence, format, args);
    va_end(args);
    p->error->offset = offset;
    return NULL;
}

static void skip_spaces(struct parser *p)
{
    p->at += strspn(p->text + p->at, " \t\n");
}

static bool take(struct parser *p, char what)
{
    skip_spaces(p);
    if (p->text[p->at] != what) return false;
    p->at++;
    return true;
}

static bool expect(struct parser *p, char what)
{
    if (take(p, what)) return true;
    fail(p, p->at, "here must be '%c'", what);
    return false;
}

/* The run of word letters at the place, into a buffer; its length. */
static size_t take_word(struct parser *p, char *buffer, size_t buffer_bytes)
{
    size_t bytes = 0;
    skip_spaces(p);
    while (isalnum((unsigned char)p->text[p->at + bytes]) || p->text[p->at + bytes] == '_') bytes++;
    snprintf(buffer, buffer_bytes, "%.*s", (int)bytes, p->text + p->at);
    p->at += bytes;
    return bytes;
}

/* Digits up to a bound that no delay needs; -1 when there are none or too many. */
static int64_t take_number(struct parser *p)
{
    int64_t number = 0;
    size_t from = p->at;
    while (isdigit((unsigned char)p->text[p->at]) && p->at - from < 8) number = number * 10 + (p->text[p->at++] - '0');
    return p->at == from || isdigit((unsigned char)p->text[p->at]) ? -1 : number;
}

struct unit {
    const char *name;
    enum delay_op op;
    int64_t factor, max; /* max: years, in the unit */
};
static const struct unit units[] = {
    {"min", DELAY_CLOCK, MS_PER_MINUTE, 5256000}, {"h", DELAY_CLOCK, MS_PER_HOUR, 87600},   {"d", DELAY_DAYS, 1, 3650},
    {"bd", DELAY_BUSINESS_DAYS, 1, 520},          {"bh", DELAY_BUSINESS_MINUTES, 60, 1000},
};

static const struct unit *find_unit(const char *name)
{
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(units[i].name, name) == 0) return &units[i];
    return NULL;
}

/* -24h, 2bd: the unit and how many, unit NULL when it is none. */
static const struct unit *take_quantity(struct parser *p, int64_t *ret_count)
{
    char name[WORD_BYTES];
    size_t from = p->at;
    bool is_negative = take(p, '-');
    int64_t count = take_number(p);
    if (count < 0) return (void)fail(p, from, "here must be a delay, such as 30min, 72h, 3d, 2bd or 4bh"), NULL;
    skip_spaces(p);
    size_t unit_at = p->at;
    take_word(p, name, sizeof name);
    const struct unit *unit = find_unit(name);
    if (!unit)
        return (void)fail(p, unit_at,
                          "\"%s\" is not a unit of time; use min, h, d (calendar days), bd (business days) or "
                          "bh (business hours)",
                          name),
               NULL;
    if (count > unit->max) return (void)fail(p, from, "%" PRId64 "%s is too long for a delay", count, name), NULL;
    if (is_negative && unit->op == DELAY_BUSINESS_MINUTES)
        return (void)fail(p, from, "a time before a visit is written as -48h, -14d or -3bd, not in business hours"), NULL;
    *ret_count = is_negative ? -count : count;
    return unit;
}

static struct delay *new_delay(struct parser *p, enum delay_op op, const struct delay *a)
{
    struct delay *delay = ARENA_NEW(p->arena, struct delay);
    delay->op = op;
    delay->a = a;
    return delay;
}

static const struct delay *parse_quantity(struct parser *p)
{
    int64_t count = 0;
    const struct unit *unit = take_quantity(p, &count);
    if (!unit) return NULL;
    struct delay *delay = new_delay(p, unit->op, NULL);
    delay->amount = count * unit->factor;
    return delay;
}

static bool take_minute(struct parser *p, int64_t *ret_minute)
{
    skip_spaces(p);
    size_t from = p->at;
    int64_t hour = take_number(p), minute = p->text[p->at] == ':' ? (p->at++, take_number(p)) : -1;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || p->at - from != 5) {
        fail(p, from, "here must be a time of day, such as 08:00");
        return false;
    }
    *ret_minute = hour * 60 + minute;
    return true;
}

static const struct delay *finish_two(struct parser *p, enum delay_op op, const struct delay *a)
{
    const struct delay *b = expect(p, ',') ? parse(p) : NULL;
    if (!b) return NULL;
    struct delay *delay = new_delay(p, op, a);
    delay->b = b;
    return delay;
}

static const struct delay *finish_one(struct parser *p, enum delay_op op, const struct delay *a)
{
    return new_delay(p, op, a);
}

static const struct delay *finish_at(struct parser *p, enum delay_op op, const struct delay *a)
{
    int64_t minute = 0;
    if (!expect(p, ',') || !take_minute(p, &minute)) return NULL;
    struct delay *delay = new_delay(p, op, a);
    delay->amount = minute;
    return delay;
}

const ProtobufCFieldDescriptor *delay_field(const char *name)
{
    const ProtobufCFieldDescriptor *field =
        protobuf_c_message_descriptor_get_field_by_name(&handoff__v1__episode__descriptor, name);
    size_t bytes = strlen(name);
    bool is_time = bytes > 3 && strcmp(name + bytes - 3, "_ms") == 0;
    return field && is_time && field->type == PROTOBUF_C_TYPE_INT64 && field->label != PROTOBUF_C_LABEL_REPEATED ? field
                                                                                                                 : NULL;
}

static const struct delay *finish_compressed(struct parser *p, enum delay_op op, const struct delay *a)
{
    char name[WORD_BYTES];
    if (!expect(p, ',')) return NULL;
    skip_spaces(p);
    size_t shares_at = p->at;
    int64_t shares = take_number(p);
    if (shares < 1 || shares > 100) return fail(p, shares_at, "here must be a number of shares, from 1 to 100");
    if (!expect(p, ',')) return NULL;
    skip_spaces(p);
    size_t field_at = p->at;
    take_word(p, name, sizeof name);
    struct delay *delay = new_delay(p, op, a);
    delay->amount = shares;
    delay->field = delay_field(name);
    if (!delay->field)
        return fail(p, field_at, "\"%s\" is not a time of the episode; effective_at_ms and appeal_by_at_ms are", name);
    return delay;
}

struct function {
    const char *name;
    enum delay_op op;
    const struct delay *(*finish)(struct parser *p, enum delay_op op, const struct delay *a);
};
static const struct function functions[] = {
    {"earliest", DELAY_EARLIEST, finish_two},
    {"latest", DELAY_LATEST, finish_two},
    {"opening", DELAY_OPENING, finish_one},
    {"closing", DELAY_CLOSING, finish_one},
    {"at", DELAY_AT, finish_at},
    {"midnight", DELAY_MIDNIGHT, finish_one},
    {"compressed", DELAY_COMPRESSED, finish_compressed},
};
static const char *const function_names[] = {"earliest", "latest", "opening", "closing", "at",
                                             "midnight", "compressed", NULL};

static const struct delay *parse_function(struct parser *p)
{
    char name[WORD_BYTES];
    size_t from = p->at;
    take_word(p, name, sizeof name);
    for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
        if (strcmp(functions[i].name, name) != 0) continue;
        const struct delay *a = expect(p, '(') ? parse(p) : NULL;
        const struct delay *delay = a ? functions[i].finish(p, functions[i].op, a) : NULL;
        return delay && expect(p, ')') ? delay : NULL;
    }
    word_explain(p->error, from, yaml_nearest(name, function_names), "\"%s\" is not a way to say a delay", name);
    return NULL;
}

static const struct delay *parse(struct parser *p)
{
    skip_spaces(p);
    if (++p->depth > DELAY_DEPTH_MAX) return fail(p, p->at, "this delay is nested too deeply");
    const struct delay *delay = isalpha((unsigned char)p->text[p->at]) ? parse_function(p) : parse_quantity(p);
    p->depth--;
    return delay;
}

static bool is_at_end(struct parser *p)
{
    skip_spaces(p);
    if (!p->text[p->at]) return true;
    fail(p, p->at, "the delay ends before \"%.20s\"", p->text + p->at);
    return false;
}

static bool is_short_enough(struct parser *p)
{
    if (strlen(p->text) <= DELAY_TEXT_MAX) return true;
    fail(p, 0, "a delay has at most %d characters", DELAY_TEXT_MAX);
    return false;
}

int delay_parse(struct arena *arena, const char *text, const struct delay **ret_delay, struct parse_error *ret_error)
{
    struct parser p = {.arena = arena, .text = text, .error = ret_error};
    const struct delay *delay = is_short_enough(&p) ? parse(&p) : NULL;
    if (!delay || !is_at_end(&p)) return -EINVAL;
    *ret_delay = delay;
    return 0;
}

int delay_parse_length(const char *text, int64_t *ret_ms, struct parse_error *ret_error)
{
    struct parser p = {.text = text, .error = ret_error};
    int64_t count = 0;
    if (!is_short_enough(&p)) return -EINVAL;
    skip_spaces(&p);
    const struct unit *unit = take_quantity(&p, &count);
    if (!unit || !is_at_end(&p)) return -EINVAL;
    if (count <= 0 || (unit->op != DELAY_CLOCK && unit->op != DELAY_DAYS)) {
        fail(&p, 0, "a bound is a length of clock time, such as 90min, 36h or 35d");
        return -EINVAL;
    }
    *ret_ms = count * (unit->op == DELAY_DAYS ? MS_PER_DAY : unit->factor);
    return 0;
}

const char *delay_length_in_words(int64_t ms, char *buffer)
{
    int64_t days = ms / MS_PER_DAY, hours = ms % MS_PER_DAY / MS_PER_HOUR, minutes = ms % MS_PER_HOUR / MS_PER_MINUTE;
    if (days && hours)
        snprintf(buffer, WORD_BYTES, "%" PRId64 "d %" PRId64 "h", days, hours);
    else if (days)
        snprintf(buffer, WORD_BYTES, "%" PRId64 "d", days);
    else if (hours && minutes)
        snprintf(buffer, WORD_BYTES, "%" PRId64 "h %" PRId64 "min", hours, minutes);
    else if (hours)
        snprintf(buffer, WORD_BYTES, "%" PRId64 "h", hours);
    else
        snprintf(buffer, WORD_BYTES, "%" PRId64 "min", minutes);
    return buffer;
}
