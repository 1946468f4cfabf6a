/* A log line is one line of logfmt, whatever its values hold. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <setjmp.h>
#include <unistd.h>
#include <fcntl.h>
#include <cmocka.h>

#include "base/log.h"

static int ends[2];

static int open_pipe(void **state)
{
    (void)state;
    log_set_level(LOG_INFO);
    if (pipe2(ends, O_NONBLOCK) < 0) return -1;
    log_set_descriptor(ends[1]);
    return 0;
}

static int close_pipe(void **state)
{
    (void)state;
    log_set_descriptor(STDERR_FILENO);
    return close(ends[0]) | close(ends[1]);
}

/* What was written, from " level=" on; "" when nothing was. */
static const char *written(void)
{
    static char text[2 * LOG_LINE_BYTES];
    ssize_t bytes = read(ends[0], text, sizeof text - 1);
    text[bytes > 0 ? bytes : 0] = 0;
    const char *level = strstr(text, " level=");
    return level ? level : text;
}

static void values_are_quoted_only_when_they_need_it(void **state)
{
    (void)state;
    log_info("journal opened", log_text("folder", "/var/lib/x"), log_text("why", "a \"b\" c"), log_text("none", ""),
             log_int("left", -3), log_uint("sequence", UINT64_MAX), log_flag("ready", true), log_text("null", NULL));
    assert_string_equal(written(), " level=info msg=\"journal opened\" folder=/var/lib/x why=\"a \\\"b\\\" c\" none=\"\" "
                                   "left=-3 sequence=18446744073709551615 ready=true null=\"\"\n");
}

static void a_value_with_line_ends_stays_on_its_line(void **state)
{
    (void)state;
    log_warn("x", log_text("v", "a\nlevel=error\x01\x7f\\"));
    assert_string_equal(written(), " level=warn msg=x v=\"a\\nlevel=error\\u0001\\u007f\\\\\"\n");
}

static void what_is_below_the_level_is_not_written(void **state)
{
    (void)state;
    log_debug("quiet");
    assert_string_equal(written(), "");
    log_set_level(LOG_ERROR);
    log_warn("quiet");
    assert_string_equal(written(), "");
    log_error("loud");
    assert_string_equal(written(), " level=error msg=loud\n");
}

static void a_line_that_is_too_long_is_cut_and_says_so(void **state)
{
    (void)state;
    char value[2 * LOG_LINE_BYTES];
    memset(value, 'x', sizeof value - 1);
    value[sizeof value - 1] = 0;
    log_error("x", log_uint("before", 1), log_text("value", value), log_uint("after", 2));
    assert_string_equal(written(), " level=error msg=x before=1 value= cut=true\n");
    value[10] = ' ';
    log_error("x", log_text("value", value));
    const char *line = written();
    assert_true(strlen(line) < LOG_LINE_BYTES);
    assert_string_equal(line + strlen(line) - 12, "xx cut=true\n");
}

static void a_line_begins_with_the_time_in_utc(void **state)
{
    (void)state;
    char text[200];
    int year, month, day, hour, minute, second, ms, end = 0;
    log_info("x");
    ssize_t bytes = read(ends[0], text, sizeof text - 1);
    text[bytes] = 0;
    sscanf(text, "time=%4d-%2d-%2dT%2d:%2d:%2d.%3dZ level=info msg=x\n%n", &year, &month, &day, &hour, &minute, &second,
           &ms, &end);
    assert_int_equal(end, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(values_are_quoted_only_when_they_need_it, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(a_value_with_line_ends_stays_on_its_line, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(what_is_below_the_level_is_not_written, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_cut_and_says_so, open_pipe, close_pipe),
        cmocka_unit_test_setup_teardown(a_line_begins_with_the_time_in_utc, open_pipe, close_pipe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
