/* What a monitor sees, through a plain socket on loopback. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <setjmp.h>
#include <unistd.h>
#include <arpa/inet.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <cmocka.h>

#include "ops/http.h"

static struct metrics *metrics;
static struct readiness *readiness;
static struct heartbeat heartbeat;
static struct http *http;

static int start(void **state)
{
    (void)state;
    metrics = metrics_new("1.0", NULL, 0);
    readiness = readiness_new();
    heartbeat_beat(&heartbeat);
    struct http_options options = {"127.0.0.1:0", metrics, readiness, &heartbeat, 60000};
    return http_start(&options, &http);
}

static int stop(void **state)
{
    (void)state;
    http_stop(http);
    metrics_free(metrics);
    readiness_free(readiness);
    return 0;
}

static int dial(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(http_port(http)),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct timeval bound = {.tv_sec = 20};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &bound, sizeof bound);
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof address), 0);
    return fd;
}

/* The whole answer, head and body. */
static const char *ask(const char *method, const char *path)
{
    static char answer[65536];
    char request[256];
    size_t len = 0;
    int fd = dial();
    int bytes = snprintf(request, sizeof request, "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", method, path);
    assert_int_equal(send(fd, request, (size_t)bytes, MSG_NOSIGNAL), bytes);
    for (ssize_t got = 1; got > 0 && len < sizeof answer - 1; len += got > 0 ? (size_t)got : 0)
        got = recv(fd, answer + len, sizeof answer - 1 - len, 0);
    answer[len] = 0;
    close(fd);
    return answer;
}

static void assert_answer(const char *answer, const char *status, const char *body)
{
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0) fail_msg("%s", answer);
    const char *start_of_body = strstr(answer, "\r\n\r\n");
    assert_non_null(start_of_body);
    assert_string_equal(start_of_body + 4, body);
}

static void metrics_are_served_as_prometheus_text(void **state)
{
    (void)state;
    metrics_set(metrics, METRIC_OPEN_EPISODES, 42);
    const char *answer = ask("GET", "/metrics");
    assert_memory_equal(answer, "HTTP/1.1 200", 12);
    assert_non_null(strstr(answer, "Content-Type: text/plain; version=0.0.4"));
    assert_non_null(strstr(answer, "\nhandoff_open_episodes 42\n"));
}

static void the_process_is_alive_while_the_loop_turns(void **state)
{
    (void)state;
    assert_answer(ask("GET", "/healthz"), "200", "alive\n");
    heartbeat.last_ms -= 61000;
    const char *answer = ask("GET", "/healthz");
    assert_memory_equal(answer, "HTTP/1.1 503", 12);
    assert_non_null(strstr(answer, "the loop has not turned for 61"));
    heartbeat_beat(&heartbeat);
    assert_answer(ask("GET", "/healthz"), "200", "alive\n");
}

static void readiness_names_each_reason_and_comes_back(void **state)
{
    (void)state;
    assert_answer(ask("GET", "/readyz"), "200", "ready\n");
    readiness_fail(readiness, "journal", "the disk is full");
    readiness_fail(readiness, "clock", "it jumped");
    readiness_fail(readiness, "clock", "it jumped by 2 h");
    assert_answer(ask("GET", "/readyz"), "503", "journal: the disk is full\nclock: it jumped by 2 h\n");
    readiness_pass(readiness, "journal");
    assert_answer(ask("GET", "/readyz"), "503", "clock: it jumped by 2 h\n");
    assert_false(readiness_is_ready(readiness));
    readiness_pass(readiness, "clock");
    assert_answer(ask("GET", "/readyz"), "200", "ready\n");
    assert_true(readiness_is_ready(readiness));
}

static void what_is_worth_knowing_stands_behind_ready(void **state)
{
    (void)state;
    readiness_note(readiness, "subscriptions", "notify is not served");
    assert_answer(ask("GET", "/readyz"), "200", "ready\nsubscriptions: notify is not served\n");
    assert_true(readiness_is_ready(readiness));
    readiness_fail(readiness, "clock", "it jumped");
    assert_answer(ask("GET", "/readyz"), "503", "clock: it jumped\nsubscriptions: notify is not served\n");
    readiness_pass(readiness, "clock");
    readiness_pass(readiness, "subscriptions");
    assert_answer(ask("GET", "/readyz"), "200", "ready\n");
}

static void head_is_answered_without_a_body(void **state)
{
    (void)state;
    assert_answer(ask("HEAD", "/healthz"), "200", "");
}

static void other_paths_are_not_found_and_other_methods_not_allowed(void **state)
{
    (void)state;
    assert_memory_equal(ask("GET", "/"), "HTTP/1.1 404", 12);
    assert_memory_equal(ask("GET", "/metrics/"), "HTTP/1.1 404", 12);
    assert_memory_equal(ask("GET", "/../etc/passwd"), "HTTP/1.1 404", 12);
    assert_memory_equal(ask("POST", "/metrics"), "HTTP/1.1 405", 12);
    assert_non_null(strstr(ask("DELETE", "/readyz"), "\r\nAllow: GET, HEAD\r\n"));
}

static void more_connections_than_allowed_do_not_harm_the_server(void **state)
{
    (void)state;
    enum { MANY = 3 * HTTP_CONNECTIONS };
    int idle[MANY];
    for (int i = 0; i < MANY; i++) idle[i] = dial();
    for (int i = 0; i < MANY; i++) close(idle[i]);
    assert_answer(ask("GET", "/healthz"), "200", "alive\n");
}

static void a_taken_port_or_a_bad_address_is_an_error(void **state)
{
    (void)state;
    struct http *second = NULL;
    char address[32];
    snprintf(address, sizeof address, "127.0.0.1:%u", http_port(http));
    struct http_options options = {address, metrics, readiness, &heartbeat, 60000};
    assert_int_equal(http_start(&options, &second), -EADDRINUSE);
    static const char *const wrong[] = {"", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1",
                                        "localhost:80", "127.0.0.1:80x", ":80", "1.2.3.4.5.6.7.8.9:80"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        options.address = wrong[i];
        assert_int_equal(http_start(&options, &second), -EINVAL);
    }
    assert_null(second);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(metrics_are_served_as_prometheus_text, start, stop),
        cmocka_unit_test_setup_teardown(the_process_is_alive_while_the_loop_turns, start, stop),
        cmocka_unit_test_setup_teardown(readiness_names_each_reason_and_comes_back, start, stop),
        cmocka_unit_test_setup_teardown(what_is_worth_knowing_stands_behind_ready, start, stop),
        cmocka_unit_test_setup_teardown(head_is_answered_without_a_body, start, stop),
        cmocka_unit_test_setup_teardown(other_paths_are_not_found_and_other_methods_not_allowed, start, stop),
        cmocka_unit_test_setup_teardown(more_connections_than_allowed_do_not_harm_the_server, start, stop),
        cmocka_unit_test_setup_teardown(a_taken_port_or_a_bad_address_is_an_error, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
