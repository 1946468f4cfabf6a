/* The configuration: every default, every refusal with its place, and a print that reads back. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "ops/config.h"

static const char site[] = "sites:\n"
                           "  - name: main\n"
                           "    time_zone: America/New_York\n"
                           "    hours: {mon-fri: 08:00-17:00}\n"
                           "    people:\n"
                           "      - id: on-call-phone\n"
                           "        roles: [on-call]\n"
                           "        channels: {email: on-call@example.org}\n";

static struct config *load(const char *text, struct yaml_errors *errors)
{
    memset(errors, 0, sizeof *errors);
    return config_load_memory("test.yaml", text, strlen(text), errors);
}

/* The lines before the site that makes a configuration whole. */
static struct config *load_with_site(const char *lines, struct yaml_errors *errors)
{
    char text[8192];
    snprintf(text, sizeof text, "%s%s", lines, site);
    return load(text, errors);
}

static void assert_error(const struct yaml_errors *errors, size_t i, int line, int column, const char *part)
{
    assert_true(i < errors->count);
    const struct yaml_error *e = &errors->list[i];
    if (e->line != line || e->column != column || !strstr(e->sentence, part))
        fail_msg("%d:%d: %s (expected %d:%d: %s)", e->line, e->column, e->sentence, line, column, part);
}

static void assert_refused(const char *text, int line, int column, const char *part)
{
    struct yaml_errors errors;
    assert_null(load(text, &errors));
    assert_error(&errors, 0, line, column, part);
}

enum { PRINTED_BYTES = 16384 };

static void print(const struct config *config, char text[PRINTED_BYTES])
{
    FILE *to = fmemopen(text, PRINTED_BYTES, "w");
    config_print(to, config);
    assert_int_equal(fclose(to), 0);
}

static void a_site_is_all_that_must_be_given(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load(site, &errors);
    assert_non_null(c);
    assert_string_equal(c->data, "/var/lib/handoff");
    assert_string_equal(c->listen_front, "tcp://127.0.0.1:7447");
    assert_string_equal(c->listen_stream, "tcp://127.0.0.1:7448");
    assert_string_equal(c->listen_http, "127.0.0.1:7449");
    assert_string_equal(c->clock, "system");
    assert_int_equal(c->limit_batch_events, 1024);
    assert_int_equal(c->limit_fire_per_turn, 256);
    assert_int_equal(c->journal_ahead_bytes, 256 << 20);
    assert_int_equal(c->log_level, LOG_INFO);
    assert_int_equal(c->site_count, 1);
    assert_string_equal(c->sites[0].people[0].roles[0], "on-call");
    assert_int_equal(c->sites[0].zone.first_offset_s, -18000);
    assert_int_equal(c->sites[0].hours[4][0].close_minute, 17 * 60);
    assert_int_equal(c->sites[0].hours[5][0].close_minute, 0);
    config_free(c);
}

static void given_values_take_the_place_of_defaults(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load_with_site("data: 'my data'\nclock: scaled:60\nlisten:\n  http: ''\n  front: ipc:///run/x\n"
                                      "limits: {batch_events: 10}\njournal: {ahead: 2GiB}\nlog: {level: debug}\n",
                                      &errors);
    assert_non_null(c);
    assert_string_equal(c->data, "my data");
    assert_string_equal(c->clock, "scaled:60");
    assert_string_equal(c->listen_http, "");
    assert_string_equal(c->listen_front, "ipc:///run/x");
    assert_string_equal(c->listen_stream, "tcp://127.0.0.1:7448");
    assert_int_equal(c->limit_batch_events, 10);
    assert_int_equal(c->journal_ahead_bytes, INT64_C(2) << 30);
    assert_int_equal(c->log_level, LOG_DEBUG);
    config_free(c);
}

static void all_mistakes_are_reported_at_once_with_their_places(void **state)
{
    (void)state;
    struct yaml_errors errors;
    assert_null(load_with_site("dta: x\nclock: sundial\nlisten:\n  fornt: tcp://x:1\nlimits:\n  batch_events: 2000\n"
                               "journal: {ahead: 3 dogs}\nlog: info\n",
                               &errors));
    assert_error(&errors, 0, 1, 1, "unknown key \"dta\"; did you mean \"data\"?");
    assert_error(&errors, 1, 4, 3, "unknown key \"fornt\"; did you mean \"front\"?");
    assert_error(&errors, 2, 8, 6, "here must be a mapping");
    assert_error(&errors, 3, 2, 8, "clock is \"sundial\": a clock is system, manual or scaled:N");
    assert_error(&errors, 4, 6, 17, "limits.batch_events is \"2000\": it is out of range: 4 to 1024");
    assert_error(&errors, 5, 7, 18, "journal.ahead is \"3 dogs\": a size is a number with KiB, MiB or GiB");
    assert_int_equal(errors.count, 6);
    assert_string_equal(errors.list[0].file, "test.yaml");
}

static void values_out_of_form_are_refused(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "clock: scaled:0\n",    "clock: scaled:\n",           "clock: scaled:2x\n",        "listen: {http: localhost}\n",
        "listen: {front: x}\n", "listen: {stream: tcp://}\n", "limits: {changes: -1}\n",   "limits: {changes: 1e6}\n",
        "data: ''\n",           "data: [x]\n",                "data: \"a\\nb\"\n",         "journal: {ahead: 1TiB}\n",
        "data:\n",              "log: {level: loud}\n",       "journal: {ahead: 65GiB}\n", "journal: {ahead: 99999999999GiB}\n",
        "heartbeat: {every: 5}\n", "heartbeat: {every: 25h}\n",   "heartbeat: {every: 0min}\n", "heartbeat: {every: 5 min}\n",
        "heartbeat: {every: -5min}\n", "heartbeat: {every: 99999999999h}\n"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        struct yaml_errors errors;
        if (load_with_site(lines[i], &errors)) fail_msg("accepted: %s", lines[i]);
        assert_int_equal(errors.count, 1);
    }
}

static void a_key_on_the_command_line_goes_through_the_same_checks(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load(site, &errors);
    assert_true(config_override(c, "clock", "manual", &errors));
    assert_string_equal(c->clock, "manual");
    assert_false(config_override(c, "clock", "never", &errors));
    assert_string_equal(c->clock, "manual");
    assert_false(config_override(c, "listen.frnt", "x", &errors));
    assert_string_equal(errors.list[1].file, "command line");
    assert_string_equal(errors.list[1].sentence, "unknown key \"listen.frnt\"; did you mean \"listen.front\"?");
    config_free(c);
}

static void what_is_printed_reads_back_to_the_same(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load_with_site("data: 'a \"b\" \\c'\njournal: {ahead: 1536KiB}\nlimits: {changes: 123456}\n"
                                      "heartbeat: {every: 90s}\n", &errors);
    char first[PRINTED_BYTES], second[PRINTED_BYTES];
    print(c, first);
    config_free(c);
    c = load(first, &errors);
    if (!c) yaml_errors_print(stderr, &errors);
    assert_non_null(c);
    assert_string_equal(c->data, "a \"b\" \\c");
    assert_int_equal(c->heartbeat_every_ms, 90000);
    print(c, second);
    assert_string_equal(first, second);
    config_free(c);
}

/* The lines of a printed configuration before its sites. */
static void cut_sites(char *text)
{
    char *sites = strstr(text, "\nsites:");
    assert_non_null(sites);
    *sites = 0;
}

static void the_documented_file_shows_every_key_with_its_default(void **state)
{
    (void)state;
    struct yaml_errors errors = {0};
    struct config *documented = config_load("daemon/ops/handoffd.yaml", &errors), *defaults = load(site, &errors);
    if (!documented) yaml_errors_print(stderr, &errors);
    assert_non_null(documented);
    char expected[PRINTED_BYTES], got[PRINTED_BYTES];
    print(defaults, expected);
    print(documented, got);
    cut_sites(expected);
    cut_sites(got);
    assert_string_equal(got, expected);

    struct yaml *file = yaml_load_file("daemon/ops/handoffd.yaml", &errors);
    struct yaml *all = yaml_load_memory("printed", expected, strlen(expected), &errors);
    for (size_t i = 0; i < yaml_size(yaml_root(all)); i++) {
        struct yaml_node value = yaml_value(yaml_root(all), i);
        struct yaml_node shown = yaml_get(yaml_root(file), yaml_text(yaml_key(yaml_root(all), i)));
        assert_true(yaml_is_present(shown));
        assert_int_equal(yaml_size(shown), yaml_size(value));
    }
    yaml_close(all);
    yaml_close(file);
    config_free(documented);
    config_free(defaults);
}

/* --- sites ----------------------------------------------------------------------------------------------- */

static void a_site_without_a_reachable_on_call_is_refused(void **state)
{
    (void)state;
    static const char role_only[] = "sites:\n  - name: north\n    time_zone: UTC\n    hours: {mon: 08:00-17:00}\n"
                                    "    people:\n      - {id: a, roles: [on-call]}\n";
    static const char channel_only[] = "sites:\n  - name: north\n    time_zone: UTC\n    hours: {mon: 08:00-17:00}\n"
                                       "    people:\n      - {id: a, channels: {email: a@example.org}}\n";
    static const char nobody[] = "sites:\n  - name: north\n    time_zone: UTC\n    hours: {mon: 08:00-17:00}\n";
    assert_refused(role_only, 6, 9, "a, with the role on-call, has no phone");
    assert_refused(channel_only, 2, 5, "no on-call configured for site north: ");
    assert_refused(nobody, 2, 5, "no on-call configured for site north: ");
    assert_refused("data: x\n", 1, 1, "no site is configured");
    assert_refused("sites: []\n", 1, 8, "no site is configured");
}

/* One site with these hours, or these people. */
static void assert_hours_refused(const char *hours, int column, const char *part)
{
    char text[1024];
    snprintf(text, sizeof text, "sites:\n- name: a\n  time_zone: UTC\n  hours: %s\n  people:\n"
                                "  - {id: a, roles: [on-call], channels: {phone: '+1 555 0100'}}\n", hours);
    assert_refused(text, 4, column, part);
}

static void hours_that_make_no_sense_are_refused(void **state)
{
    (void)state;
    assert_hours_refused("{mon-fri: 8-17}", 20, "not a stretch of hours");
    assert_hours_refused("{mon-fri: 17:00-08:00}", 20, "not a stretch of hours");
    assert_hours_refused("{mon-fri: 08:00-24:01}", 20, "not a stretch of hours");
    assert_hours_refused("{mon-fri: 08:60-17:00}", 20, "not a stretch of hours");
    assert_hours_refused("{fri-mon: 08:00-17:00}", 11, "neither a day");
    assert_hours_refused("{monday: 08:00-17:00}", 11, "neither a day");
    assert_hours_refused("{mon-fri: 08:00-17:00, fri: closed}", 33, "the hours of fri are given twice");
    assert_hours_refused("{mon: [08:00-12:00, 11:00-17:00]}", 30, "before the stretch in front of it ends");
    assert_hours_refused("{mon: [01:00-02:00, 03:00-04:00, 05:00-06:00, 07:00-08:00, 09:00-10:00]}", 69, "at most 4");
    assert_hours_refused("{mon-sun: closed}", 10, "never open");
    assert_hours_refused("closed", 10, "here must be a mapping");
}

static void split_hours_and_days_that_end_at_midnight_are_read(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load("sites:\n- name: a\n  time_zone: UTC\n"
                            "  hours: {mon-wed: ['08:00-12:00', 13:00-24:00], thu: closed, sat: 00:00-24:00}\n"
                            "  holidays: [2026-12-25, 2026-01-01]\n  people:\n"
                            "  - {id: a, roles: [on-call], channels: {phone: '+1 555 0100'}, hours: {sun: 10:00-11:00}}\n",
                            &errors);
    assert_non_null(c);
    const struct site_config *s = &c->sites[0];
    assert_int_equal(s->hours[2][1].open_minute, 13 * 60);
    assert_int_equal(s->hours[2][1].close_minute, 1440);
    assert_int_equal(s->hours[3][0].close_minute, 0);
    assert_int_equal(s->hours[5][0].close_minute, 1440);
    assert_int_equal(s->holidays[0], 20260101);
    assert_int_equal(s->holidays[1], 20261225);
    assert_true(s->people[0].has_hours);
    assert_int_equal(s->people[0].hours[6][0].open_minute, 600);
    struct calendar calendar = {.transitions = s->zone.transitions, .transition_count = s->zone.transition_count};
    memcpy(calendar.week, s->hours, sizeof calendar.week);
    assert_true(calendar_is_valid(&calendar));
    config_free(c);
}

static void assert_people_refused(const char *people, int line, int column, const char *part)
{
    char text[2048];
    snprintf(text, sizeof text,
             "sites:\n- name: a\n  time_zone: UTC\n  hours: {mon: 08:00-17:00}\n  people:\n"
             "  - {id: a, roles: [on-call], channels: {phone: '+1 555 0100'}}\n%s", people);
    assert_refused(text, line, column, part);
}

static void people_who_cannot_be_resolved_are_refused(void **state)
{
    (void)state;
    assert_people_refused("  - {id: a}\n", 7, 10, "the id a is given twice");
    assert_people_refused("  - {id: b, supervisor: nobody}\n", 7, 25, "is not among the people of this site");
    assert_people_refused("  - {id: b, supervisor: c}\n  - {id: c, supervisor: b}\n", 7, 25, "lead in a circle");
    assert_people_refused("  - {id: b, supervisor: b}\n", 7, 25, "lead in a circle");
    assert_people_refused("  - {id: b, roles: [coordinater]}\n", 7, 21, "did you mean \"coordinator\"?");
    assert_people_refused("  - {id: b c}\n", 7, 10, "is not an id");
    assert_people_refused("  - {roles: []}\n", 7, 5, "the key \"id\" is missing");
    assert_people_refused("  - {id: b, channels: {emial: x@example.org}}\n", 7, 24, "did you mean \"email\"?");
    assert_people_refused("  - {id: b, channels: {email: nowhere}}\n", 7, 31, "is not an address for email");
    assert_people_refused("  - {id: b, channels: {webhook: ftp://x}}\n", 7, 33, "is not an address for webhook");
    assert_people_refused("  - {id: b, channels: {sms: call me}}\n", 7, 29, "is not an address for sms");
    assert_people_refused("  - {id: b, queue: true, channels: {email: b@example.org}}\n"
                          "  - {id: c, queue: true, channels: {email: c@example.org}}\n", 6, 3, "2 queues");
    assert_people_refused("  - {id: b, roles: [supervisor]}\n", 7, 5, "what climbs to b would reach nobody");
    assert_people_refused("  - {id: b, roles: [pcp, coordinator]}\n", 7, 5, "b, with the role pcp, has no phone");
    assert_people_refused("  - {id: b, roles: [on-call]}\n", 7, 5, "b, with the role on-call, has no phone"); /* the second */
    assert_people_refused("  - {id: b, queue: true}\n", 7, 5, "b, the queue, has no phone, sms, email or webhook");
    assert_people_refused("  - {id: c, supervisor: b}\n  - {id: b}\n", 8, 5, "b, who is somebody's supervisor, has no phone");
    assert_people_refused("  - x\n", 7, 5, "here must be a mapping");
}

static void assert_source_refused(const char *sources, int line, int column, const char *part)
{
    char text[2048];
    snprintf(text, sizeof text,
             "sites:\n- name: a\n  time_zone: UTC\n  hours: {mon: 08:00-17:00}\n  people:\n"
             "  - {id: a, roles: [on-call], channels: {phone: '+1 555 0100'}}\n  sources:\n%s", sources);
    assert_refused(text, line, column, part);
}

static void a_source_has_a_name_a_longest_silence_and_what_it_feeds(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct config *c = load("sites:\n- name: a\n  time_zone: UTC\n  hours: {mon: 08:00-17:00}\n  people:\n"
                            "  - {id: a, roles: [on-call], channels: {phone: '+1 555 0100'}}\n"
                            "  sources:\n  - {name: adt, silence: 4bh, feeds: [encounter, service.discharge_notice]}\n"
                            "  - {name: lab}\n", &errors);
    assert_non_null(c);
    assert_int_equal(c->sites[0].source_count, 2);
    assert_string_equal(c->sites[0].sources[0].silence, "4bh");
    assert_string_equal(c->sites[0].sources[0].feeds[1], "service.discharge_notice");
    assert_string_equal(c->sites[0].sources[1].silence, "");
    config_free(c);
    assert_source_refused("  - {silence: 1bd}\n", 8, 5, "the key \"name\" is missing");
    assert_source_refused("  - {name: adt, silence: soon}\n", 8, 26, "not a way to say a delay");
    assert_source_refused("  - {name: adt, feeds: [encounters]}\n", 8, 25, "neither an event such as");
    assert_source_refused("  - {name: adt}\n  - {name: adt}\n", 9, 12, "the source adt is waited for twice");
    assert_source_refused("  - {name: adt, silent: 1bd}\n", 8, 17, "silence");
}

static void zones_holidays_and_names_are_checked(void **state)
{
    (void)state;
    assert_refused("sites:\n- {name: a, time_zone: America/Atlantis, hours: {mon: 08:00-17:00}}\n", 2, 24,
                   "there is no such time zone");
    assert_refused("sites:\n- {name: a, time_zone: UTC, hours: {mon: 08:00-17:00}, holidays: [2026-02-29]}\n", 2, 67,
                   "is not a date");
    assert_refused("sites:\n- {name: a, time_zone: UTC, hours: {mon: 08:00-17:00}, holidays: [2026-02-01, 2026-02-01]}\n",
                   2, 79, "is listed twice");
    assert_refused("sites:\n- {name: a, hours: {mon: 08:00-17:00}}\n", 2, 3, "the key \"time_zone\" is missing");
    char twice[2 * sizeof site];
    snprintf(twice, sizeof twice, "%s%s", site, strchr(site, '\n') + 1);
    assert_refused(twice, 9, 11, "the site main is given twice");
}

static void a_truncated_file_is_refused_or_read_but_never_harms(void **state)
{
    (void)state;
    static char whole[16384];
    FILE *file = fopen("daemon/ops/handoffd.yaml", "r");
    size_t bytes = fread(whole, 1, sizeof whole, file);
    fclose(file);
    for (size_t len = 0; len < bytes; len += 7) {
        static struct yaml_errors errors;
        errors.count = 0;
        struct config *c = config_load_memory("cut", whole, len, &errors);
        assert_true((c != NULL) == (errors.count == 0));
        config_free(c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_site_is_all_that_must_be_given),
        cmocka_unit_test(given_values_take_the_place_of_defaults),
        cmocka_unit_test(all_mistakes_are_reported_at_once_with_their_places),
        cmocka_unit_test(values_out_of_form_are_refused),
        cmocka_unit_test(a_key_on_the_command_line_goes_through_the_same_checks),
        cmocka_unit_test(what_is_printed_reads_back_to_the_same),
        cmocka_unit_test(the_documented_file_shows_every_key_with_its_default),
        cmocka_unit_test(a_site_without_a_reachable_on_call_is_refused),
        cmocka_unit_test(hours_that_make_no_sense_are_refused),
        cmocka_unit_test(split_hours_and_days_that_end_at_midnight_are_read),
        cmocka_unit_test(people_who_cannot_be_resolved_are_refused),
        cmocka_unit_test(a_source_has_a_name_a_longest_silence_and_what_it_feeds),
        cmocka_unit_test(zones_holidays_and_names_are_checked),
        cmocka_unit_test(a_truncated_file_is_refused_or_read_but_never_harms),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
