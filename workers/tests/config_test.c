/* What a configuration may say, and what is said about one that is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "notify/config.h"
#include "tests/folder.h"

#define SITES                                                                                                          \
    "sites:\n  - {site: main, name: Care, number: 555-0100, time_zone: America/New_York, from: care@example.org}\n"
#define MAIL "smtp: {url: smtp://127.0.0.1:25, starttls: off}\n"

static char sentences[4096];

static struct notify_config *load(const char *text)
{
    FILE *file = fopen(folder_path("notify.yaml"), "w");
    fputs(text, file);
    fclose(file);
    return config_load(folder_path("notify.yaml"), sentences, sizeof sentences);
}

static void is_refused(const char *text, const char *key)
{
    struct notify_config *config = load(text);
    if (config) fail_msg("it was read; %s was to be refused", key);
    if (!strstr(sentences, key)) fail_msg("nothing about %s in: %s", key, sentences);
}

static const struct lane_config *lane(const struct notify_config *config, const char *name)
{
    for (unsigned i = 0; i < config->lanes_count; i++)
        if (strcmp(config->lanes[i].name, name) == 0) return &config->lanes[i];
    fail_msg("no subscription %s", name);
    return NULL;
}

static void sites_and_a_channel_are_enough(void **state)
{
    (void)state;
    struct notify_config *config = load(SITES MAIL);
    if (!config) fail_msg("%s", sentences);
    assert_string_equal(config->front, "tcp://127.0.0.1:7447");
    assert_int_equal(config->lease_s, 30);
    assert_int_equal(config->smtp->timeout_s, 10);
    assert_int_equal(config->smtp->starttls, SMTP_TLS_OFF);
    assert_int_equal(config->lanes_count, 4);
    assert_true(lane(config, "notify-routine")->gathers);
    assert_true(lane(config, "notify-urgent")->gathers);
    assert_false(lane(config, "notify-emergent")->gathers);
    assert_int_equal(lane(config, "notify-emergent")->also[0], HANDOFF__V1__STREAM__STREAM_ESCALATION);
    assert_string_equal(lane(config, "notify-reminders")->kinds[0], "reminder");
    config_free(&config);
}

static void the_shipped_example_says_the_defaults(void **state)
{
    (void)state;
    struct notify_config *config = config_load("workers/notify/handoff-notify.yaml", sentences, sizeof sentences);
    struct notify_config *plain = load(SITES MAIL);
    if (!config) fail_msg("%s", sentences);
    assert_string_equal(config->ledger, plain->ledger);
    assert_string_equal(config->source, plain->source);
    assert_string_equal(config->templates.folder, plain->templates.folder);
    assert_int_equal(config->keep_days, plain->keep_days);
    assert_int_equal(config->lease_s, plain->lease_s);
    assert_int_equal(config->gather_ms, plain->gather_ms);
    assert_int_equal(config->smtp->timeout_s, plain->smtp->timeout_s);
    assert_int_equal(config->lanes_count, plain->lanes_count);
    for (unsigned i = 0; i < plain->lanes_count; i++) {
        const struct lane_config *shown = lane(config, plain->lanes[i].name);
        assert_int_equal(shown->stream, plain->lanes[i].stream);
        assert_int_equal(shown->also_count, plain->lanes[i].also_count);
        if (shown->also_count) assert_int_equal(shown->also[0], plain->lanes[i].also[0]);
        assert_int_equal(shown->workers, plain->lanes[i].workers);
        assert_int_equal(shown->attempts, plain->lanes[i].attempts);
        assert_int_equal(shown->gathers, plain->lanes[i].gathers);
        assert_int_equal(shown->severities_count, plain->lanes[i].severities_count);
        assert_int_equal(shown->kinds_count, plain->lanes[i].kinds_count);
    }
    config_free(&config);
    config_free(&plain);
}

static void the_heartbeat_has_a_subscription_of_its_own(void **state)
{
    (void)state;
    struct notify_config *config = load(SITES MAIL "heartbeat: {url: \"https://watch.example.org/1\"}\n");
    if (!config) fail_msg("%s", sentences);
    assert_int_equal(config->lanes_count, 5);
    assert_true(lane(config, "notify-heartbeat")->is_unaddressed);
    assert_string_equal(lane(config, "notify-heartbeat")->kinds[0], "heartbeat");
    assert_int_equal(config->heartbeat->method, PING_GET);
    config_free(&config);
}

static void what_is_wrong_is_named_by_its_key(void **state)
{
    (void)state;
    static const struct {
        const char *text, *key;
    } rows[] = {
        {SITES MAIL "colour: red\n", "colour"},
        {SITES "smtp: {url: smtp://127.0.0.1:25, pasword_file: x}\n", "pasword_file"},
        {MAIL, "sites"},
        {"sites: []\n" MAIL, "sites"},
        {"sites:\n  - {site: main, name: Care, time_zone: UTC}\n" MAIL, "number"},
        {SITES, "none of smtp, webhook and commands"},
        {SITES MAIL "lease_s: 2\n", "lease_s is 2"},
        {SITES MAIL "lease_s: many\n", "lease_s"},
        {SITES "smtp: {url: smtp://127.0.0.1:25, timeout_s: 20}\n", "smtp.timeout_s is 20: it must be 1 to 10"},
        {SITES MAIL "gather_ms: 10001\n", "gather_ms is 10001"},
        {SITES "smtp: {url: smtp://127.0.0.1:25, starttls: perhaps}\n", "starttls"},
        {"sites:\n  - {site: main, name: Care, number: 1, time_zone: UTC}\n" MAIL, "smtp.from is missing"},
        {"sites:\n  - {site: main, name: Care, number: 1, time_zone: UTC, from: nobody}\n" MAIL, "sites.from"},
        {SITES MAIL "heartbeat: {url: ftp://example.org}\n", "heartbeat.url"},
        {SITES MAIL "heartbeat: {url: https://example.org, method: signed}\n", "heartbeat.secret_files"},
        {SITES MAIL "commands: [{channels: [email], arguments: [x]}]\n", "served twice"},
        {SITES MAIL "commands: [{channels: [pigeon], arguments: [x]}]\n", "pigeon"},
        {SITES MAIL "subscriptions: [{name: a, stream: task, gathers: true, workers: 2}]\n", "workers of a is 2"},
        {SITES MAIL "subscriptions: [{name: a, stream: task}, {name: a, stream: task}]\n", "a is there twice"},
        {SITES MAIL "subscriptions: [{name: a, stream: audit}]\n", "stream"},
        {SITES MAIL "subscriptions: [{name: a, stream: task, attempts: 2000}]\n", "attempts of a is 2000"},
        {SITES SITES MAIL, "sites"},
        {SITES MAIL "subscriptions: [{name: a, stream: task, kinds: [remindr]}]\n", "kinds of a: nothing of its stream"},
        {SITES MAIL "front: localhost:7447\n", "front is no endpoint"},
        {SITES MAIL "lease_s: many\n", "notify.yaml:4:10: lease_s: Invalid"},
        {SITES MAIL "colour: red\n", "notify.yaml: unknown key: colour\n"},
        {"sites: [\n", "notify.yaml"},
        {"", "notify.yaml"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) is_refused(rows[i].text, rows[i].key);
}

static void several_mistakes_are_told_together(void **state)
{
    (void)state;
    is_refused(SITES MAIL "lease_s: 2\nkeep_days: 1\n", "lease_s is 2");
    assert_non_null(strstr(sentences, "keep_days is 1"));
}

static void a_file_that_is_not_there_is_said_so(void **state)
{
    (void)state;
    assert_null(config_load(folder_path("none.yaml"), sentences, sizeof sentences));
    assert_non_null(strstr(sentences, "none.yaml: it cannot be read: No such file or directory"));
}

static void an_emission_of_an_unknown_site_is_signed_by_the_first(void **state)
{
    (void)state;
    struct notify_config *config =
        load("sites:\n  - {site: a, name: A, number: 1, time_zone: UTC, from: a@example.org}\n"
             "  - {site: b, name: B, number: 2, time_zone: UTC, from: b@example.org}\n" MAIL);
    if (!config) fail_msg("%s", sentences);
    assert_string_equal(config_site(config, "b")->name, "B");
    assert_string_equal(config_site(config, "c")->name, "A");
    config_free(&config);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(sites_and_a_channel_are_enough),
        TEST(the_shipped_example_says_the_defaults),
        TEST(the_heartbeat_has_a_subscription_of_its_own),
        TEST(what_is_wrong_is_named_by_its_key),
        TEST(several_mistakes_are_told_together),
        TEST(a_file_that_is_not_there_is_said_so),
        TEST(an_emission_of_an_unknown_site_is_signed_by_the_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
