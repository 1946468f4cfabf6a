/* What could be an address, and what could not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "notify/address.h"

#define A63 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void what_people_write_is_a_mailbox(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "mother@home.example",  "m@localhost",       "first.last+tag@sub.home.example",
        "o'neill@home.example", "a_b-c@x-y.example", A63 "a@b.example",
        "a@" A63 ".example",    "1@2.example",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (!address_is_mailbox(texts[i])) fail_msg("%s is refused", texts[i]);
    }
}

static void what_no_server_would_take_is_none(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "mother",
        "@home.example",
        "mother@",
        "mother@home..example",
        "mother@.example",
        "mother@home.example.",
        "mo ther@home.example",
        ".mother@home.example",
        "mother.@home.example",
        "mo..ther@home.example",
        "mother@home@example",
        "mother@-home.example",
        "mother@home-.example",
        "mother@home_x.example",
        "<mother@home.example>",
        "mother@home.example\n",
        "mother@home.example\r\nRCPT TO:<x@y.example>",
        "\"mo ther\"@home.example",
        "mother@[127.0.0.1]",
        "mother@127.0.0.1",
        "madr\xc3\xa9@home.example",
        A63 "aa@b.example",
        "a@" A63 "a.example",
        "a@" A63 "." A63 "." A63 "." A63 ".example",
        "mother@home.example,father@home.example",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (address_is_mailbox(texts[i])) fail_msg("%s is taken", texts[i]);
    }
}

static void an_url_has_a_host_and_nothing_that_breaks_out(void **state)
{
    (void)state;
    static const char *const urls[] = {"https://agency.example", "HTTPS://agency.example:8443/hook?x=1@2",
                                       "http://localhost:1/", "https://[::1]/"};
    static const char *const others[] = {"",
                                         "agency.example",
                                         "ftp://agency.example",
                                         "https://",
                                         "https:///x",
                                         "https://:443/",
                                         "https://a@b.example/",
                                         "https://a b/",
                                         "https://a\r\nx",
                                         ("https://ma\xc3\xb1"
                                          "ana/"),
                                         "https://a\\b",
                                         "file:///etc/passwd"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) assert_true(address_is_url(urls[i]));
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) assert_false(address_is_url(others[i]));
}

static void this_machine_is_known_by_its_whole_name(void **state)
{
    (void)state;
    assert_true(address_is_loopback("http://localhost:8080/x"));
    assert_true(address_is_loopback("http://127.0.0.1"));
    assert_true(address_is_loopback("http://[::1]:8080"));
    assert_false(address_is_loopback("http://localhost.evil.example/"));
    assert_false(address_is_loopback("http://127.0.0.1.evil.example/"));
    assert_false(address_is_loopback("http://evil.example/localhost"));
    assert_false(address_is_loopback("localhost"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_people_write_is_a_mailbox),
        cmocka_unit_test(what_no_server_would_take_is_none),
        cmocka_unit_test(an_url_has_a_host_and_nothing_that_breaks_out),
        cmocka_unit_test(this_machine_is_known_by_its_whole_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
