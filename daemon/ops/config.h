/* The configuration: one YAML file, a table of rows, and the sites with their people.
 *
 * Every key has a default but `sites`. Reading refuses what it does not understand, all mistakes at once, each with
 * file, line, column and a sentence. What was read never changes; a changed file is read as a new value.
 * handoffd.yaml beside this file shows every key. Neighbours: base/yaml reads, ops/zone resolves time zones, and
 * main turns the sites into journaled rules. */
#ifndef HANDOFF_OPS_CONFIG_H
#define HANDOFF_OPS_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/yaml.h"
#include "core/calendar.h"
#include "ops/zone.h"

enum {
    CONFIG_MAX_SITES = 64,
    CONFIG_MAX_PEOPLE = 1000,  /* of one site */
    CONFIG_MAX_SOURCES = 64,   /* of one site */
    CONFIG_MAX_HOLIDAYS = 400, /* of one site: some twenty years */
};

/* The words used for roles and channels; NULL ends them. */
extern const char *const config_role_names[];
extern const char *const config_channel_names[];

struct channel_config {
    const char *channel; /* one of config_channel_names */
    const char *address;
};

struct person_config {
    const char *id;
    const char **roles; /* each one of config_role_names */
    size_t role_count;
    const char *supervisor; /* id of a person of this site; "" */
    struct channel_config *channels;
    size_t channel_count;
    bool is_queue;  /* the site's shared queue, not somebody: at most one a site */
    bool has_hours; /* else the site's */
    struct opening hours[7][CALENDAR_OPENINGS_PER_DAY];
};

struct source_config {
    const char *name;
    const char *silence; /* a delay, which the rules read; "": their default */
    const char **feeds;
    size_t feed_count;
};

struct site_config {
    const char *name;
    const char *time_zone;
    struct zone zone; /* of time_zone, through 2100 */
    struct opening hours[7][CALENDAR_OPENINGS_PER_DAY];
    uint32_t *holidays; /* yyyymmdd, ascending */
    size_t holiday_count;
    struct person_config *people; /* in the order of the file: the first on-call is told first */
    size_t people_count;
    struct source_config *sources; /* whose silence is noticed */
    size_t source_count;
};

struct config {
    const char *data;
    const char *listen_front, *listen_stream;
    const char *listen_http; /* "" is off */
    const char *pathways;
    const char *retired_pathways; /* names, separated by commas or spaces */
    const char *clock; /* well-formed for clock_parse */
    int64_t limit_batch_events, limit_fire_per_turn, limit_changes;
    int64_t journal_ahead_bytes;
    int64_t heartbeat_every_ms; /* of the synthetic patient; 0: off */
    enum log_level log_level;

    struct site_config *sites; /* at least one; the first is the default */
    size_t site_count;
    struct arena *arena; /* owns everything above */
};

/* NULL when anything is wrong; then errors says what. */
struct config *config_load(const char *path, struct yaml_errors *errors);
struct config *config_load_memory(const char *name, const void *data, size_t bytes, struct yaml_errors *errors);
void config_free(struct config *config);

/* A key given on the command line instead: config_override(c, "clock", "manual", &errors). */
bool config_override(struct config *config, const char *key, const char *value, struct yaml_errors *errors);

/* What is in force, as a file that reads back to the same. */
void config_print(FILE *to, const struct config *config);

#endif
