/* See map.h. */
#include "hsds/map.h"

#include "handoff.h"
#include "hsds/csv.h"

#include <errno.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_BYTES_MOST ((size_t)4 * 1024 * 1024)

static const char default_text[] =
#include "directory-map.inc"
    ;

struct hsds_map {
    struct hsds_map_row *rows;
    size_t count;
};

static const char *const place_words[PLACE_COUNT] = {"term", "service",  "payment", "fee",  "wait", "status",
                                                     "area", "language", "phone",   "contact"};

/* By the first word; the rest is a word of the enum, a text, or nothing. */
static const struct meaning_word {
    const char *word;
    enum hsds_meaning meaning;
    const ProtobufCEnumDescriptor *values;
    bool has_text;
} meaning_words[] = {
    {"nothing", MEANS_NOTHING, NULL, false},
    {"level", MEANS_LEVEL, &handoff__v1__level_of_care__descriptor, false},
    {"support", MEANS_SUPPORT, &handoff__v1__support_kind__descriptor, false},
    {"kind", MEANS_KIND, &handoff__v1__agency_kind__descriptor, false},
    {"capacity", MEANS_CAPACITY, &handoff__v1__capacity__descriptor, false},
    {"insurer", MEANS_INSURER, NULL, true},
    {"language", MEANS_LANGUAGE, NULL, true},
    {"transport", MEANS_TRANSPORT, NULL, false},
    {"home-visits", MEANS_HOME_VISITS, NULL, false},
    {"telehealth", MEANS_TELEHEALTH, NULL, false},
    {"interpreters", MEANS_INTERPRETERS, NULL, false},
    {"childcare", MEANS_CHILDCARE, NULL, false},
    {"reduced-fees", MEANS_REDUCED_FEES, NULL, false},
    {"everywhere", MEANS_EVERYWHERE, NULL, false},
    {"intake", MEANS_INTAKE, NULL, false},
    {"supervisor", MEANS_SUPERVISOR, NULL, false},
    {"gone", MEANS_GONE, NULL, false},
};

struct parsing {
    struct hsds_map *map;
    const char *name;
    char *sentence; /* the first thing that is wrong */
    size_t sentence_bytes;
    bool is_wrong;
};

__attribute__((format(printf, 3, 4))) static void refuse(struct parsing *p, uint32_t line, const char *format, ...)
{
    va_list arguments;
    if (p->is_wrong) return;
    p->is_wrong = true;
    int len = snprintf(p->sentence, p->sentence_bytes, "%s:%u: ", p->name, line);
    if (len < 0 || (size_t)len >= p->sentence_bytes) return;
    va_start(arguments, format);
    vsnprintf(p->sentence + len, p->sentence_bytes - (size_t)len, format, arguments);
    va_end(arguments);
}

static bool read_place(const char *word, enum hsds_place *ret)
{
    for (int i = 0; i < PLACE_COUNT; i++) {
        if (strcmp(word, place_words[i]) != 0) continue;
        *ret = (enum hsds_place)i;
        return true;
    }
    return false;
}

/* NULL, or what is wrong with it. */
static const char *read_meaning(const char *text, struct hsds_map_row *ret)
{
    size_t len = strcspn(text, " ");
    const char *rest = text + len + strspn(text + len, " ");
    for (size_t i = 0; i < sizeof meaning_words / sizeof *meaning_words; i++) {
        const struct meaning_word *m = &meaning_words[i];
        if (strncmp(m->word, text, len) != 0 || m->word[len]) continue;
        ret->meaning = m->meaning;
        if (!m->values && m->has_text != (*rest != 0)) return m->has_text ? "needs an id behind it" : "stands alone";
        if (!m->values) return (ret->text = strdup(rest)) ? NULL : "is too much for the memory";
        const ProtobufCEnumValue *value = handoff_enum_find(m->values, rest);
        if (!value || value->value == 0) return "has no such value";
        ret->value = value->value;
        return NULL;
    }
    return "is not a meaning";
}

static bool append(struct hsds_map *map, const struct hsds_map_row *row)
{
    struct hsds_map_row *more = realloc(map->rows, (map->count + 1) * sizeof *more);
    if (!more) return false;
    map->rows = more;
    map->rows[map->count++] = *row;
    return true;
}

static bool add_meaning(struct parsing *p, const struct csv_row *row, enum hsds_place place, const char *meaning,
                        bool has_more)
{
    struct hsds_map_row r = {.place = place, .has_more = has_more};
    const char *wrong = read_meaning(meaning, &r);
    if (wrong) refuse(p, row->line, "\"%s\" %s", meaning, wrong);
    r.pattern = strdup(row->cells[1]);
    if (!wrong && r.pattern && append(p->map, &r)) return true;
    if (!wrong) refuse(p, row->line, "no memory");
    free(r.pattern);
    free(r.text);
    return false;
}

/* Several meanings of one text stand behind one another: "level community-based; home-visits". */
static void on_row(void *context, const struct csv_row *row)
{
    struct parsing *p = context;
    enum hsds_place place;
    char meaning[128];
    if (row->count < 3) {
        refuse(p, row->line, "a row has three cells: look_at, says, means");
        return;
    }
    if (!read_place(row->cells[0], &place)) {
        refuse(p, row->line, "\"%s\" is not a place to look at", row->cells[0]);
        return;
    }
    for (const char *at = row->cells[2]; at;) {
        at += strspn(at, " ");
        size_t len = strcspn(at, ";");
        snprintf(meaning, sizeof meaning, "%.*s", (int)len, at);
        at = at[len] ? at + len + 1 : NULL;
        if (!add_meaning(p, row, place, meaning, at != NULL)) return;
    }
}

static void on_header(void *context, const struct csv_row *row)
{
    if (row->count != 3 || strcmp(row->cells[0], "look_at") != 0)
        refuse(context, row->line, "the first line is not look_at,says,means");
}

static void on_fault(void *context, uint32_t line, const char *sentence) { refuse(context, line, "%s", sentence); }

struct hsds_map *hsds_map_parse(const char *name, const char *text, size_t bytes, char *sentence, size_t sentence_bytes)
{
    struct parsing p = {calloc(1, sizeof *p.map), name, sentence, sentence_bytes, false};
    const struct csv_reader reader = {&p, true, on_header, on_row, on_fault};
    if (!p.map || csv_read(text, bytes, &reader)) refuse(&p, 0, "no memory");
    if (!p.is_wrong && p.map->count == 0) refuse(&p, 1, "there are no rows");
    if (p.is_wrong) hsds_map_free(&p.map);
    return p.map;
}

const char *hsds_map_default_text(void) { return default_text; }

struct hsds_map *hsds_map_default(void)
{
    char sentence[256];
    return hsds_map_parse("directory-map.csv", default_text, sizeof default_text - 1, sentence, sizeof sentence);
}

struct hsds_map *hsds_map_load(const char *path, char *sentence, size_t sentence_bytes)
{
    struct hsds_map *map = NULL;
    FILE *file = fopen(path, "re");
    char *text = file ? malloc(FILE_BYTES_MOST) : NULL;
    if (text) {
        size_t bytes = fread(text, 1, FILE_BYTES_MOST, file);
        if (ferror(file)) snprintf(sentence, sentence_bytes, "cannot read %s: %s", path, strerror(errno));
        else if (bytes == FILE_BYTES_MOST) snprintf(sentence, sentence_bytes, "%s is larger than 4 MiB", path);
        else map = hsds_map_parse(path, text, bytes, sentence, sentence_bytes);
    } else {
        snprintf(sentence, sentence_bytes, "cannot open %s: %s", path, strerror(errno));
    }
    free(text);
    if (file) fclose(file);
    return map;
}

void hsds_map_free(struct hsds_map **map)
{
    if (!*map) return;
    for (size_t i = 0; i < (*map)->count; i++) {
        free((*map)->rows[i].pattern);
        free((*map)->rows[i].text);
    }
    free((*map)->rows);
    free(*map);
    *map = NULL;
}

const struct hsds_map_row *hsds_map_find(const struct hsds_map *map, enum hsds_place place, const char *text)
{
    if (!text || !*text) return NULL;
    for (size_t i = 0; i < map->count; i++)
        if (map->rows[i].place == place && fnmatch(map->rows[i].pattern, text, FNM_CASEFOLD) == 0) return &map->rows[i];
    return NULL;
}
