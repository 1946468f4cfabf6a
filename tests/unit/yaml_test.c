/* What base/yaml refuses, where it says so, and how a tree is read. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <setjmp.h>
#include <cmocka.h>

#include "base/yaml.h"

static struct yaml *load(const char *text, struct yaml_errors *errors)
{
    memset(errors, 0, sizeof *errors);
    return yaml_load_memory("test.yaml", text, strlen(text), errors);
}

static void assert_refused(const char *text, int line, int column, const char *part)
{
    struct yaml_errors errors;
    assert_null(load(text, &errors));
    assert_true(errors.count >= 1);
    assert_string_equal(errors.list[0].file, "test.yaml");
    assert_int_equal(errors.list[0].line, line);
    assert_int_equal(errors.list[0].column, column);
    if (!strstr(errors.list[0].sentence, part)) fail_msg("\"%s\" lacks \"%s\"", errors.list[0].sentence, part);
}

static void a_tree_is_read_in_the_order_of_the_file(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct yaml *yaml = load("name: x\non:\n  - first\n  - 'second'\n", &errors);
    struct yaml_node root = yaml_root(yaml), list = yaml_get(root, "on");
    assert_int_equal(yaml_kind(root), YAML_MAPPING);
    assert_int_equal(yaml_size(root), 2);
    assert_string_equal(yaml_text(yaml_key(root, 1)), "on");
    assert_int_equal(yaml_kind(list), YAML_SEQUENCE);
    assert_string_equal(yaml_text(yaml_item(list, 1)), "second");
    assert_true(yaml_is_quoted(yaml_item(list, 1)));
    assert_false(yaml_is_quoted(yaml_item(list, 0)));
    assert_int_equal(yaml_line(yaml_item(list, 1)), 4);
    assert_int_equal(yaml_column(yaml_item(list, 1)), 5);
    yaml_close(yaml);
}

static void what_is_absent_answers_with_nothing(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct yaml *yaml = load("a: b\nempty:\nquoted: ''\n", &errors);
    struct yaml_node nowhere = yaml_get(yaml_get(yaml_item(yaml_root(yaml), 3), "x"), "y");
    assert_false(yaml_is_present(nowhere));
    assert_int_equal(yaml_kind(nowhere), YAML_NONE);
    assert_int_equal(yaml_size(nowhere), 0);
    assert_int_equal(yaml_line(nowhere), 0);
    assert_null(yaml_text(nowhere));
    assert_true(yaml_is_null(nowhere));
    assert_true(yaml_is_null(yaml_get(yaml_root(yaml), "empty")));
    assert_false(yaml_is_null(yaml_get(yaml_root(yaml), "quoted")));
    assert_false(yaml_is_present(yaml_value(yaml_root(yaml), 3)));
    yaml_close(yaml);
}

static void what_has_no_place_in_our_files_is_refused_at_its_position(void **state)
{
    (void)state;
    assert_refused("a: &x 1\nb: *x\n", 1, 4, "anchors");
    assert_refused("a: 1\nb: *x\n", 2, 4, "anchors");
    assert_refused("a: !!int 1\n", 1, 4, "tags");
    assert_refused("a: 1\n---\nb: 2\n", 2, 1, "second document");
    assert_refused("a: \"x\\0y\"\n", 1, 4, "NUL");
    assert_refused("? [a, b]\n: c\n", 1, 3, "plain text");
    assert_refused("", 0, 0, "empty");
    assert_refused("# only a comment\n", 0, 0, "empty");
}

static void a_key_given_twice_is_refused_with_both_lines(void **state)
{
    (void)state;
    assert_refused("a:\n  x: 1\n  y: 2\n  x: 3\n", 4, 3, "stands twice in this mapping (first on line 2)");
}

static void broken_syntax_and_broken_text_are_refused_at_their_position(void **state)
{
    (void)state;
    assert_refused("a: [1, 2\nb: 3\n", 2, 2, "");
    assert_refused("a: 1\nb: \xff\n", 2, 4, "UTF-8");
    assert_refused("a: 1\nb: x\x01\n", 2, 5, "control characters");
}

static void nesting_nodes_and_bytes_are_bounded(void **state)
{
    (void)state;
    char deep[YAML_MAX_DEPTH + 2];
    memset(deep, '[', sizeof deep - 1);
    deep[sizeof deep - 1] = 0;
    assert_refused(deep, 1, YAML_MAX_DEPTH + 1, "nested too deeply");

    size_t many_bytes = 3 * (YAML_MAX_NODES + 2);
    char *many = malloc(many_bytes + 1);
    for (size_t i = 0; i < many_bytes; i += 3) memcpy(many + i, "- \n", 3);
    many[many_bytes] = 0;
    assert_refused(many, YAML_MAX_NODES, 2, "too many entries");
    free(many);

    char *large = malloc(YAML_MAX_BYTES + 2);
    memset(large, ' ', YAML_MAX_BYTES + 1);
    large[YAML_MAX_BYTES + 1] = 0;
    assert_refused(large, 0, 0, "larger than");
    free(large);
}

static void an_unknown_key_is_named_with_the_nearest_known_one(void **state)
{
    (void)state;
    static const char *const keys[] = {"states", "initial", NULL};
    struct yaml_errors errors;
    struct yaml *yaml = load("initail: x\nstates: y\nzebra: 1\n", &errors);
    assert_false(yaml_expect_keys(yaml_root(yaml), keys, &errors));
    assert_int_equal(errors.count, 2);
    assert_string_equal(errors.list[0].sentence, "unknown key \"initail\"; did you mean \"initial\"?");
    assert_int_equal(errors.list[1].line, 3);
    assert_string_equal(errors.list[1].sentence, "unknown key \"zebra\"");
    yaml_close(yaml);
}

static void numbers_are_whole_in_range_and_unquoted(void **state)
{
    (void)state;
    struct yaml_errors errors;
    struct yaml *yaml = load("[12, -3, 1.5, '12', 99999999999999999999, 0x10, 1e3, ~, 101]", &errors);
    int64_t value = 7;
    assert_true(yaml_read_int(yaml_item(yaml_root(yaml), 0), 0, 100, &value, &errors));
    assert_int_equal(value, 12);
    assert_true(yaml_read_int(yaml_item(yaml_root(yaml), 1), -3, 100, &value, &errors));
    assert_int_equal(value, -3);
    for (size_t i = 2; i < yaml_size(yaml_root(yaml)); i++)
        assert_false(yaml_read_int(yaml_item(yaml_root(yaml), i), 0, 100, &value, &errors));
    assert_int_equal(value, -3);
    assert_string_equal(errors.list[errors.count - 1].sentence, "101 is out of range: 0 to 100");
    yaml_close(yaml);
}

static void flags_texts_and_names_say_what_they_expect(void **state)
{
    (void)state;
    static const char *const kinds[] = {"routine", "urgent", NULL};
    struct yaml_errors errors;
    struct yaml *yaml = load("[true, yes, 'true', '', urgnt, urgent, [x]]", &errors);
    struct yaml_node root = yaml_root(yaml);
    bool flag = false;
    size_t index = 9;
    const char *text = NULL;
    assert_true(yaml_read_bool(yaml_item(root, 0), &flag, &errors));
    assert_true(flag);
    assert_false(yaml_read_bool(yaml_item(root, 1), &flag, &errors));
    assert_false(yaml_read_bool(yaml_item(root, 2), &flag, &errors));
    assert_false(yaml_read_string(yaml_item(root, 3), 10, &text, &errors));
    assert_false(yaml_read_string(yaml_item(root, 5), 5, &text, &errors));
    assert_true(yaml_read_string(yaml_item(root, 5), 6, &text, &errors));
    assert_false(yaml_read_name(yaml_item(root, 4), "severity", kinds, &index, &errors));
    assert_true(yaml_read_name(yaml_item(root, 5), "severity", kinds, &index, &errors));
    assert_int_equal(index, 1);
    assert_false(yaml_read_string(yaml_item(root, 6), 10, &text, &errors));
    assert_string_equal(errors.list[4].sentence, "unknown severity \"urgnt\"; did you mean \"urgent\"?");
    assert_string_equal(errors.list[5].sentence, "here must be a single value, not a list");
    yaml_close(yaml);
}

static void errors_beyond_the_list_are_counted(void **state)
{
    (void)state;
    struct yaml_errors errors = {0};
    for (int i = 1; i <= YAML_MAX_ERRORS + 5; i++) yaml_error_at(&errors, "f", i, 1, "wrong");
    char *printed = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&printed, &bytes);
    yaml_errors_print(to, &errors);
    fclose(to);
    assert_memory_equal(printed, "f:1:1: wrong\n", 13);
    assert_non_null(strstr(printed, "and 5 more\n"));
    free(printed);
}

static void a_file_that_cannot_be_read_is_an_error_with_the_reason(void **state)
{
    (void)state;
    struct yaml_errors errors = {0};
    assert_null(yaml_load_file("no/such/file.yaml", &errors));
    assert_null(yaml_load_file(".", &errors));
    assert_int_equal(errors.count, 2);
    assert_non_null(strstr(errors.list[0].sentence, "No such file"));
    assert_non_null(strstr(errors.list[1].sentence, "directory"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_tree_is_read_in_the_order_of_the_file),
        cmocka_unit_test(what_is_absent_answers_with_nothing),
        cmocka_unit_test(what_has_no_place_in_our_files_is_refused_at_its_position),
        cmocka_unit_test(a_key_given_twice_is_refused_with_both_lines),
        cmocka_unit_test(broken_syntax_and_broken_text_are_refused_at_their_position),
        cmocka_unit_test(nesting_nodes_and_bytes_are_bounded),
        cmocka_unit_test(an_unknown_key_is_named_with_the_nearest_known_one),
        cmocka_unit_test(numbers_are_whole_in_range_and_unquoted),
        cmocka_unit_test(flags_texts_and_names_say_what_they_expect),
        cmocka_unit_test(errors_beyond_the_list_are_counted),
        cmocka_unit_test(a_file_that_cannot_be_read_is_an_error_with_the_reason),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
