/* Templates: the shipped ones, what loading refuses and how it says so, languages, lines without anything to say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff/v1/api.pb-c.h"
#include "notify/template_parts.h"
#include "notify/text.h"

#include "folder.h"

#define SHIPPED    "workers/notify/templates"
#define TEST(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)

static void put(const char *name, const char *text)
{
    FILE *file = fopen(folder_path(name), "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static struct template_set *loaded(const char *own_folder, const char *language)
{
    struct template_set *set = NULL;
    struct template_error error = {""};
    if (templates_load(SHIPPED, own_folder, language, &set, &error)) fail_msg("%s", error.sentence);
    return set;
}

/* A site's file beside the shipped ones is refused with this in the sentence. */
static void refuses(const char *name, const char *text, const char *part)
{
    struct template_set *set = NULL;
    struct template_error error = {""};
    put(name, text);
    assert_int_equal(templates_load(SHIPPED, folder, "en", &set, &error), -1);
    assert_null(set);
    if (!strstr(error.sentence, part)) fail_msg("not \"%s\": %s", part, error.sentence);
    if (!strstr(error.sentence, name)) fail_msg("the file is not named: %s", error.sentence);
    assert_int_equal(remove(folder_path(name)), 0);
}

static struct rendered written(const struct template_set *set, enum template_kind kind, const char *language,
                               const struct template_values *values)
{
    struct rendered rendered = {0};
    assert_int_equal(template_render(set, kind, language, values, &rendered), 0);
    return rendered;
}

/* --- the shipped ones ----------------------------------------------------------------------------------------------
 */

/* Each field has its own name as a value: what is rendered shows which were used, and nothing else is in braces. */
static void every_shipped_template_renders_in_both_languages(void **state)
{
    (void)state;
    static const char *const languages[] = {"en", "es"};
    struct template_set *set = loaded(NULL, "en");
    struct template_values item = {{NULL}, NULL, 0}, values = {{NULL}, &item, 1};
    for (int field = 0; field < FIELDS; field++) item.text[field] = values.text[field] = field_names[field];
    for (size_t l = 0; l < 2; l++) {
        for (enum template_kind kind = 0; kind < TEMPLATE_KINDS; kind++) {
            struct rendered rendered = written(set, kind, languages[l], &values);
            assert_string_equal(rendered.language, languages[l]);
            assert_true(*rendered.subject && *rendered.body);
            assert_true(text_is_clean(rendered.subject, "") && text_is_clean(rendered.body, "\n"));
            assert_null(strpbrk(rendered.subject, "{}"));
            assert_null(strpbrk(rendered.body, "{}"));
            rendered_free(&rendered);
        }
    }
    templates_free(&set);
}

static void every_code_of_the_daemon_has_words_in_both_languages(void **state)
{
    (void)state;
    static const char *const languages[] = {"en", "es"};
    struct template_set *set = loaded(NULL, "en");
    for (size_t l = 0; l < 2; l++) {
        const struct language *language = language_with_words(set, languages[l]);
        assert_string_equal(language->tag, languages[l]);
        for (int group = 0; group < WORDS_GROUPS; group++) {
            for (unsigned i = 0; i < word_enums[group]->n_values; i++) {
                int value = word_enums[group]->values[i].value;
                if (value && !language->words->of[group][value]) {
                    fail_msg("%s has no words for %s", languages[l], word_enums[group]->values[i].name);
                }
            }
        }
    }
    templates_free(&set);
}

static void a_reminder_says_day_and_hour_as_its_language_does(void **state)
{
    (void)state;
    struct template_set *set = loaded(NULL, "en");
    struct zone *zone = NULL;
    char day[TEMPLATE_TIME_BYTES], time[TEMPLATE_TIME_BYTES];
    assert_int_equal(zone_load("America/New_York", &zone), 0);
    template_day(set, "en", zone, 1772746800000, day);
    template_time(set, "en", zone, 1772746800000, time);
    assert_string_equal(day, "Thursday, March 5");
    assert_string_equal(time, "4:40 PM");
    template_time(set, "en", zone, 1772686800000, time); /* midnight, and noon */
    assert_string_equal(time, "12:00 AM");
    template_time(set, "en", zone, 1772730000000, time);
    assert_string_equal(time, "12:00 PM");
    template_day(set, "es-MX", zone, 1772946000000, day);
    template_time(set, "es-MX", zone, 1772946000000, time);
    assert_string_equal(day, "domingo 8 de marzo");
    assert_string_equal(time, "12:00 a. m.");
    zone_free(&zone);
    templates_free(&set);
}

/* --- languages -----------------------------------------------------------------------------------------------------
 */

static void a_language_falls_back_to_its_own_then_to_the_default(void **state)
{
    (void)state;
    put("test.es-MX.txt", "Subject: México\n\nTexto\n");
    struct template_set *set = loaded(folder, "en");
    static const char *const asked[][2] = {{"es-MX", "es-MX"}, {"ES-mx", "es-MX"}, {"es-MX-x-a", "es-MX"},
                                           {"es-AR", "es"},    {"es", "es"},       {"fr", "en"},
                                           {"", "en"},         {"-", "en"},        {"e", "en"},
                                           {"esperanto", "en"}};
    const struct template_values values = {{NULL}, NULL, 0};
    for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
        struct rendered rendered = written(set, TEMPLATE_TEST, asked[i][0], &values);
        assert_string_equal(rendered.language, asked[i][1]);
        assert_string_equal(template_language(set, TEMPLATE_TEST, asked[i][0]), asked[i][1]);
        rendered_free(&rendered);
    }
    assert_string_equal(template_language(set, TEMPLATE_NOTICE, "es-MX"), "es");
    assert_string_equal(template_language(set, TEMPLATE_NOTICE, NULL), "en");
    templates_free(&set);
}

static void a_word_that_a_language_lacks_is_the_defaults(void **state)
{
    (void)state;
    put("words.es.txt", "day: {day}\ntime: {hour}\ntask call-family: llamar\n");
    struct template_set *set = loaded(folder, "en");
    const int call_family = HANDOFF__V1__TASK_KIND__TASK_KIND_CALL_FAMILY;
    assert_string_equal(template_word(set, "es", WORDS_TASK, call_family), "llamar");
    assert_string_equal(template_word(set, "es", WORDS_TASK, call_family + 1), "call the agency");
    assert_string_equal(template_word(set, "es", WORDS_TASK, 0), "");
    assert_string_equal(template_word(set, "es", WORDS_TASK, 9999), "");
    templates_free(&set);
}

static void every_kind_must_be_there_in_the_default_language(void **state)
{
    (void)state;
    struct template_set *set = NULL;
    struct template_error error = {""};
    assert_int_equal(templates_load(SHIPPED, NULL, "fr", &set, &error), -1);
    assert_non_null(strstr(error.sentence, "there is no reminder-number.fr.txt, and fr is the default language"));
    assert_int_equal(templates_load(SHIPPED "/nothing", NULL, "en", &set, &error), -1);
    assert_non_null(strstr(error.sentence, "the folder of templates cannot be read"));
    assert_int_equal(templates_load(SHIPPED, NULL, "english please", &set, &error), -1);
    assert_non_null(strstr(error.sentence, "is no tag of a language"));
    assert_null(set);
}

/* --- what is written -----------------------------------------------------------------------------------------------
 */

static void a_line_without_anything_to_say_is_left_out(void **state)
{
    (void)state;
    put("notice.en.txt",
        "# for the test\nSubject: {task}\n\n\nTask: {task}\n\nWhy: {reason}\n\nDue: {day}, {time}\nAlways.\n\n\n");
    struct template_set *set = loaded(folder, "en");
    struct template_values values = {{NULL}, NULL, 0};
    values.text[FIELD_TASK] = "call";
    struct rendered rendered = written(set, TEMPLATE_NOTICE, "en", &values);
    assert_string_equal(rendered.body, "Task: call\n\nAlways.\n");
    rendered_free(&rendered);
    values.text[FIELD_REASON] = "nobody answered";
    values.text[FIELD_DAY] = "Monday";
    rendered = written(set, TEMPLATE_NOTICE, "en", &values);
    assert_string_equal(rendered.body, "Task: call\n\nWhy: nobody answered\n\nDue: Monday, \nAlways.\n");
    rendered_free(&rendered);
    templates_free(&set);
}

static void a_list_leaves_out_the_parts_that_say_nothing(void **state)
{
    (void)state;
    put("digest.en.txt", "Subject: {count}\nItem: * {patient} | {task} | due {day} {time} | {reason}\n\n{items}\n\nThe "
                         "end of {count}.\n");
    struct template_set *set = loaded(folder, "en");
    struct template_values items[2] = {{{NULL}, NULL, 0}, {{NULL}, NULL, 0}}, values = {{NULL}, items, 2};
    values.text[FIELD_COUNT] = "2";
    items[0].text[FIELD_PATIENT] = items[1].text[FIELD_PATIENT] = "p1";
    items[0].text[FIELD_TASK] = "call";
    items[0].text[FIELD_DAY] = "today";
    items[1].text[FIELD_REASON] = "two\nlines";
    struct rendered rendered = written(set, TEMPLATE_DIGEST, "en", &values);
    assert_string_equal(rendered.subject, "2");
    assert_string_equal(rendered.body, "* p1 | call | due today \n* p1 | two lines\n\nThe end of 2.\n");
    rendered_free(&rendered);
    values.item_count = 0;
    rendered = written(set, TEMPLATE_DIGEST, "en", &values);
    assert_string_equal(rendered.body, "The end of 2.\n");
    rendered_free(&rendered);
    templates_free(&set);
}

static void an_item_of_several_lines_stands_apart_from_the_next(void **state)
{
    (void)state;
    put("digest.en.txt", "Subject: {count}\nItem: - {patient} | {task}\nItem: {reason}\nItem: {task-id}\n\n{items}\n");
    struct template_set *set = loaded(folder, "en");
    struct template_values items[2] = {{{NULL}, NULL, 0}, {{NULL}, NULL, 0}}, values = {{NULL}, items, 2};
    items[0].text[FIELD_PATIENT] = items[1].text[FIELD_PATIENT] = "p1";
    items[0].text[FIELD_TASK] = "call";
    items[0].text[FIELD_REASON] = "nobody answered";
    items[1].text[FIELD_TASK_ID] = "t2";
    struct rendered rendered = written(set, TEMPLATE_DIGEST, "en", &values);
    assert_string_equal(rendered.body, "- p1 | call\n  nobody answered\n\n- p1\n  t2\n");
    rendered_free(&rendered);
    templates_free(&set);
}

static void a_subject_whose_end_says_nothing_ends_before_it(void **state)
{
    (void)state;
    struct template_set *set = loaded(NULL, "en");
    struct template_values values = {{NULL}, NULL, 0};
    values.text[FIELD_SEVERITY] = "urgent";
    values.text[FIELD_CHANGE] = "Escalation";
    struct rendered rendered = written(set, TEMPLATE_ESCALATION, "en", &values);
    assert_string_equal(rendered.subject, "[urgent] Escalation");
    rendered_free(&rendered);
    values.text[FIELD_TASK] = "call the family";
    rendered = written(set, TEMPLATE_ESCALATION, "en", &values);
    assert_string_equal(rendered.subject, "[urgent] Escalation: call the family");
    rendered_free(&rendered);
    templates_free(&set);
}

static void a_value_never_breaks_out_of_the_subject_nor_is_it_a_template(void **state)
{
    (void)state;
    struct template_set *set = loaded(NULL, "en");
    struct template_values values = {{NULL}, NULL, 0};
    values.text[FIELD_SITE] = "Oak\r\nBcc: x@y.example {number}";
    values.text[FIELD_NUMBER] = "555-0199";
    struct rendered rendered = written(set, TEMPLATE_REMINDER_NUMBER, "en", &values);
    assert_string_equal(rendered.subject, "Message from Oak  Bcc: x@y.example {number}");
    rendered_free(&rendered);
    templates_free(&set);
}

static void what_editors_add_is_no_fault(void **state)
{
    (void)state;
    put("test.en.txt", "\xef\xbb\xbfSubject: Hi  \r\n\r\nText \r\n");
    put("notes.md", "anything");
    put(".test.en.txt.swp", "anything");
    struct template_set *set = loaded(folder, "en");
    const struct template_values values = {{NULL}, NULL, 0};
    struct rendered rendered = written(set, TEMPLATE_TEST, "en", &values);
    assert_string_equal(rendered.subject, "Hi");
    assert_string_equal(rendered.body, "Text\n");
    rendered_free(&rendered);
    templates_free(&set);
}

/* --- what loading refuses --------------------------------------------------------------------------------------------
 */

static void an_unknown_field_does_not_load(void **state)
{
    (void)state;
    refuses("test.en.txt", "Subject: x\n\nHello\n{name}\n",
            "test.en.txt:4: {name} is no field that I know here; there are {site}, {number}, {day}, {time}");
    refuses("test.en.txt", "Subject: {sight}\n\nHello\n", "test.en.txt:1: {sight} is no field");
    refuses("test.en.txt", "Subject: x\n\nHello {}\n", "test.en.txt:3: {} is no field");
}

static void a_field_that_a_kind_may_not_say_does_not_load(void **state)
{
    (void)state;
    refuses("reminder-details.en.txt", "Subject: x\n\n{reason}\n",
            "{reason} may not stand here; there are {site}, {number}");
    refuses("reminder-number.en.txt", "Subject: x\n\n{day}\n", "{day} may not stand here");
    refuses("reminder-several.en.txt", "Subject: x\nItem: {patient}\n\n{items}\n", ":2: {patient} may not stand here");
    refuses("status.en.txt", "Subject: x\n\n{reason}\n", "{reason} may not stand here");
    refuses("notice.en.txt", "Subject: {patient}\n\nx\n", ":1: {patient} may not stand here");
    refuses("notice.en.txt", "Subject: {reason}\n\nx\n", ":1: {reason} may not stand here");
}

static void a_brace_that_is_none_of_a_field_does_not_load(void **state)
{
    (void)state;
    static const char *const lines[] = {"{site", "site}", "{si{te}", "{", "}", "{{site}}"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        char text[64];
        snprintf(text, sizeof text, "Subject: x\n\n%s\n", lines[i]);
        refuses("test.en.txt", text, ":3: ");
    }
}

static void a_file_that_is_not_whole_does_not_load(void **state)
{
    (void)state;
    refuses("test.en.txt", "", "there is no line Subject:");
    refuses("test.en.txt", "\nSubject: x\n\nText\n", "there is no line Subject:");
    refuses("test.en.txt", "Subject:\n\nText\n", ":1: Subject: is empty");
    refuses("test.en.txt", "Subject: x\nSubject: y\n\nText\n", ":2: Subject: is here a second time");
    refuses("test.en.txt", "Subject: x\nFrom: y\n\nText\n",
            ":2: before the first empty line there are Subject: and lines");
    refuses("test.en.txt", "Subject: x\nText\n", ":2: before the first empty line");
    refuses("test.en.txt", "Subject: x\n\n\n", "there is no text below the first empty line");
    refuses("test.en.txt", "Subject: x\nItem: y\n\nText\n", ":2: test has no list, and so no Item line");
    refuses("digest.en.txt", "Subject: x\n\n{items}\n", ":3: {items} wants a line Item: at the top");
    refuses("digest.en.txt", "Subject: x\nItem: y\n\nAll: {items}\n", ":4: {items} must stand alone on its line");
    refuses("test.en.txt", "Subject: x\n\n\xff\n", "not UTF-8");
    refuses("test.en.txt", "Subject: x\n\na\x01\n", "control characters");
}

static void a_file_that_is_no_kind_does_not_load(void **state)
{
    (void)state;
    refuses("remainder.en.txt", "Subject: x\n\nText\n",
            "there is no kind \"remainder\"; there are words, reminder-number,");
    refuses("test.txt", "Subject: x\n\nText\n", "is called KIND.LANGUAGE.txt");
    refuses("test.e.txt", "Subject: x\n\nText\n", "is called KIND.LANGUAGE.txt");
    refuses("test.en.old.txt", "Subject: x\n\nText\n", "is called KIND.LANGUAGE.txt");
}

static void words_that_nothing_has_do_not_load(void **state)
{
    (void)state;
    refuses("words.fr.txt", "day: {day}\ntime: {hour}\ntask call-familly: x\n",
            ":3: there is no task \"call-familly\"");
    refuses("words.fr.txt", "day: {hour}\n",
            ":1: {hour} may not stand here; there are {weekday}, {month}, {day}, {year}");
    refuses("words.fr.txt", "day: {day}\ntime: {hour}\nweekdays: a, b\n", ":3: there must be 7 names with commas");
    refuses("words.fr.txt", "day: {day}\ntime: {hour}\nweekdays: a,b,c,d,e,f,\n", ":3: a name must have 1 to 24 bytes");
    refuses("words.fr.txt", "day: {day}\n", "it lacks time");
    refuses("words.fr.txt", "day: {weekday}\ntime: {hour}\n", "it lacks weekdays");
    refuses("words.fr.txt", "day: {day} {month}\ntime: {hour}\n", "it lacks months");
    refuses("words.fr.txt", "day: {day}\ntime: {hour12} {half}\n", "it lacks before noon, after noon");
    refuses("words.fr.txt", "day: {day}\ntime: {hour}\nnoon: x\n", ":3: \"noon\" is unknown here");
    refuses("words.fr.txt", "day: {day}\ntime\n", ":2: a line here is a key, a colon");
    refuses("words.fr.txt", "day: {day}\ntime:\n", ":2: a line here is a key, a colon");
}

static void a_language_without_words_of_its_own_does_not_load(void **state)
{
    (void)state;
    struct template_set *set = NULL;
    struct template_error error = {""};
    put("test.fr.txt", "Subject: x\n\nTexte\n");
    assert_int_equal(templates_load(SHIPPED, folder, "en", &set, &error), -1);
    assert_non_null(strstr(error.sentence, "there is no words.fr.txt"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(every_shipped_template_renders_in_both_languages),
        TEST(every_code_of_the_daemon_has_words_in_both_languages),
        TEST(a_reminder_says_day_and_hour_as_its_language_does),
        TEST(a_language_falls_back_to_its_own_then_to_the_default),
        TEST(a_word_that_a_language_lacks_is_the_defaults),
        TEST(every_kind_must_be_there_in_the_default_language),
        TEST(a_line_without_anything_to_say_is_left_out),
        TEST(a_list_leaves_out_the_parts_that_say_nothing),
        TEST(an_item_of_several_lines_stands_apart_from_the_next),
        TEST(a_subject_whose_end_says_nothing_ends_before_it),
        TEST(a_value_never_breaks_out_of_the_subject_nor_is_it_a_template),
        TEST(what_editors_add_is_no_fault),
        TEST(an_unknown_field_does_not_load),
        TEST(a_field_that_a_kind_may_not_say_does_not_load),
        TEST(a_brace_that_is_none_of_a_field_does_not_load),
        TEST(a_file_that_is_not_whole_does_not_load),
        TEST(a_file_that_is_no_kind_does_not_load),
        TEST(words_that_nothing_has_do_not_load),
        TEST(a_language_without_words_of_its_own_does_not_load),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
