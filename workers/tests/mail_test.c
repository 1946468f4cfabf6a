/* The text of a mail: folding, encoding, ids. tests/e2e/test_channels.py reads mails with Python's parser. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "notify/mail.h"

static struct outgoing letter(void)
{
    return (struct outgoing){.id = "3f2a-t4.2",
                             .to = "mother@home.example",
                             .subject = "A reminder",
                             .body = "Hello\n",
                             .at_ms = 1772746800000};
}

static char *composed(const struct outgoing *message)
{
    char *text = NULL;
    size_t bytes = 0;
    assert_int_equal(mail_compose(message, "care@program.example", &text, &bytes), MAIL_OK);
    assert_int_equal(strlen(text), bytes);
    return text;
}

static void holds(const struct outgoing *message, const char *part)
{
    char *text = composed(message);
    if (!strstr(text, part)) fail_msg("no \"%s\" in\n%s", part, text);
    free(text);
}

static void a_mail_is_as_it_is(void **state)
{
    (void)state;
    struct outgoing message = letter();
    char *text = composed(&message);
    assert_string_equal(text, "Date: Thu, 05 Mar 2026 21:40:00 +0000\r\n"
                              "From: care@program.example\r\n"
                              "To: mother@home.example\r\n"
                              "Message-ID: <3f2a-t4.2@program.example>\r\n"
                              "Subject: A reminder\r\n"
                              "Auto-Submitted: auto-generated\r\n"
                              "MIME-Version: 1.0\r\n"
                              "Content-Type: text/plain; charset=utf-8\r\n"
                              "Content-Transfer-Encoding: quoted-printable\r\n"
                              "\r\n"
                              "Hello\r\n");
    free(text);
}

static void the_id_is_an_atom_and_two_ids_stay_two(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.id = ".a..b:c=d.";
    holds(&message, "Message-ID: <=2Ea=2E.b=3Ac=3Dd=2E@program.example>\r\n");
}

static void a_senders_own_mailbox_takes_the_channels_place(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.from = "oak@other.example";
    message.from_name = "Oak \"Street\" Program";
    holds(&message, "From: \"Oak \\\"Street\\\" Program\" <oak@other.example>\r\n");
    holds(&message, "Message-ID: <3f2a-t4.2@other.example>\r\n");
}

static void a_long_subject_is_folded_at_spaces(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.subject = "Three tasks of this morning, two of which have been overdue since Friday, and one for today";
    holds(&message, "Subject: Three tasks of this morning, two of which have been overdue since\r\n"
                    " Friday, and one for today\r\n");
}

static void what_reads_as_an_encoded_word_or_cannot_be_folded_is_encoded(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.subject = "=?x";
    holds(&message, "Subject: =?UTF-8?B?PT94?=\r\n");
    message.subject = " edge";
    holds(&message, "Subject: =?UTF-8?B?IGVkZ2U=?=\r\n");
    message.subject = "ma\xc3\xb1"
                      "ana";
    holds(&message, "Subject: =?UTF-8?B?bWHDsWFuYQ==?=\r\n");
}

static void an_encoded_word_never_ends_within_a_character(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.subject =
        "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\xc3\xb1"; /* the letter's second byte would be the 43rd */
    holds(&message, "YWE=?=\r\n =?UTF-8?B?w7E=?=\r\n");
}

static void the_text_keeps_its_spaces_and_long_lines(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.body = "a = b \nma\xc3\xb1"
                   "ana\n\n0123456789012345678901234567890123456789012345678901234567890123456789012345x\nend";
    holds(&message, "\r\n\r\na =3D b=20\r\nma=C3=B1ana\r\n\r\n"
                    "012345678901234567890123456789012345678901234567890123456789012345678901234=\r\n5x\r\nend\r\n");
}

static void nothing_that_is_not_utf8_or_breaks_a_line_is_composed(void **state)
{
    (void)state;
    static const char *const bad[] = {"a\nb",    "a\rb", "a\tb",     "a\x01",        "a\x7f",
                                      "\xff",    "\xc3", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80",
                                      "\xe2\x82"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *text = NULL;
        size_t bytes = 0;
        struct outgoing message = letter();
        message.subject = bad[i];
        assert_int_equal(mail_compose(&message, "care@program.example", &text, &bytes), MAIL_BAD_HEADER);
        message = letter();
        message.to_name = bad[i];
        assert_int_equal(mail_compose(&message, "care@program.example", &text, &bytes), MAIL_BAD_HEADER);
        message = letter();
        message.from_name = bad[i];
        assert_int_equal(mail_compose(&message, "care@program.example", &text, &bytes), MAIL_BAD_HEADER);
        assert_null(text);
    }
}

static void a_language_that_is_no_tag_is_left_out(void **state)
{
    (void)state;
    struct outgoing message = letter();
    message.language = "es, en: x";
    char *text = composed(&message);
    assert_null(strstr(text, "Content-Language"));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mail_is_as_it_is),
        cmocka_unit_test(the_id_is_an_atom_and_two_ids_stay_two),
        cmocka_unit_test(a_senders_own_mailbox_takes_the_channels_place),
        cmocka_unit_test(a_long_subject_is_folded_at_spaces),
        cmocka_unit_test(what_reads_as_an_encoded_word_or_cannot_be_folded_is_encoded),
        cmocka_unit_test(an_encoded_word_never_ends_within_a_character),
        cmocka_unit_test(the_text_keeps_its_spaces_and_long_lines),
        cmocka_unit_test(nothing_that_is_not_utf8_or_breaks_a_line_is_composed),
        cmocka_unit_test(a_language_that_is_no_tag_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
