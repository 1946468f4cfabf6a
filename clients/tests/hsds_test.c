/* Reading a directory: CSV as spreadsheets write it, the table of meanings, ages, and what is reported. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hsds/csv.h"
#include "hsds/hsds.h"

/* --- CSV -------------------------------------------------------------------------------------------------------- */
static char told[4096];

__attribute__((format(printf, 1, 2))) static void tell(const char *format, ...)
{
    size_t len = strlen(told);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(told + len, sizeof told - len, format, arguments);
    va_end(arguments);
}

static void tell_row(const char *what, const struct csv_row *row)
{
    tell("%s%u", what, row->line);
    for (size_t i = 0; i < row->count; i++) tell("[%s]", row->cells[i]);
    tell(" ");
}
static void on_header(void *context, const struct csv_row *row) { (void)context, tell_row("h", row); }
static void on_row(void *context, const struct csv_row *row) { (void)context, tell_row("", row); }
static void on_fault(void *context, uint32_t line, const char *sentence)
{
    (void)context;
    tell("%u: %s. ", line, sentence);
}

static const char *read_bytes(const char *text, size_t bytes)
{
    const struct csv_reader reader = {.on_header = on_header, .on_row = on_row, .on_fault = on_fault};
    told[0] = 0;
    assert_int_equal(csv_read(text, bytes, &reader), 0);
    return told;
}
static const char *read_text(const char *text) { return read_bytes(text, strlen(text)); }

static void cells_may_be_quoted_and_hold_commas_quotation_marks_and_line_breaks(void **state)
{
    (void)state;
    assert_string_equal(read_text("a,b\n1,2\n"), "h1[a][b] 2[1][2] ");
    assert_string_equal(read_text("a,b\n\"x, y\",\"say \"\"hello\"\"\"\n"), "h1[a][b] 2[x, y][say \"hello\"] ");
    assert_string_equal(read_text("a,b\n\"one\ntwo\",3\n4,5\n"), "h1[a][b] 2[one\ntwo][3] 4[4][5] ");
    assert_string_equal(read_text("a,b\n,\"\"\n x , y \n"), "h1[a][b] 2[][] 3[x][y] ");
}

static void either_line_end_a_mark_and_a_missing_last_one_are_fine(void **state)
{
    (void)state;
    assert_string_equal(read_text("a,b\r\n1,2\r\n"), "h1[a][b] 2[1][2] ");
    assert_string_equal(read_text("\xef\xbb\xbf" "a,b\n1,2"), "h1[a][b] 2[1][2] ");
    assert_string_equal(read_text("a,b\n\n,,\n1,2\n"), "h1[a][b] 4[1][2] "); /* rows without anything are none */
    assert_string_equal(read_text("a\n\"1\""), "h1[a] 2[1] ");
    assert_string_equal(read_text(""), "");
}

static void a_row_of_the_wrong_length_costs_itself_alone(void **state)
{
    (void)state;
    assert_string_equal(read_text("a,b\n1\n2,3\n"), "h1[a][b] 2: the row has 1 cells, but the header has 2. 3[2][3] ");
    assert_string_equal(read_text("a,b\n1,2,3\n4,5\n"),
                        "h1[a][b] 2: the row has 3 cells, but the header has 2. 3[4][5] ");
}

static void a_quotation_mark_that_is_never_closed_costs_one_row_not_the_file(void **state)
{
    (void)state;
    assert_string_equal(read_text("a,b\n\"1,2\n3,4\n5,6\n"),
                        "h1[a][b] 2: a quotation mark that opens a cell is not closed. 3[3][4] 4[5][6] ");
    assert_string_equal(read_text("a,b\n1,\"2"), "h1[a][b] 2: a quotation mark that opens a cell is not closed. ");
    char many[4096] = "a\n\"open\n";
    for (int i = 0; i < 300; i++) strcat(many, "1\n");
    read_text(many);
    assert_non_null(strstr(told, "2: a quotation mark that opens a cell is not closed. 3[1] 4[1]"));
    assert_non_null(strstr(told, "302[1]"));
}

static void a_zero_byte_is_part_of_a_cell(void **state)
{
    (void)state;
    assert_string_equal(read_bytes("a,b\nx\0y,2\n", 10), "h1[a][b] 2[x][2] "); /* its length says so */
}

/* --- the table -------------------------------------------------------------------------------------------------- */
static void the_table_that_is_built_in_reads(void **state)
{
    (void)state;
    struct hsds_map *map = hsds_map_default();
    assert_non_null(map);
    const struct hsds_map_row *row = hsds_map_find(map, PLACE_TERM, "Intensive Outpatient Program");
    assert_int_equal(row->value, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_INTENSIVE_OUTPATIENT);
    row = hsds_map_find(map, PLACE_TERM, "mental health OUTPATIENT services");
    assert_int_equal(row->value, HANDOFF__V1__LEVEL_OF_CARE__LEVEL_OF_CARE_OUTPATIENT);
    row = hsds_map_find(map, PLACE_TERM, "Intensive in-home services");
    assert_true(row->has_more && row[1].meaning == MEANS_HOME_VISITS);
    assert_string_equal(hsds_map_find(map, PLACE_LANGUAGE, "Spanish")->text, "es");
    assert_null(hsds_map_find(map, PLACE_LANGUAGE, "Outpatient")); /* another place */
    assert_null(hsds_map_find(map, PLACE_TERM, "bowling"));
    assert_null(hsds_map_find(map, PLACE_TERM, ""));
    hsds_map_free(&map);
    assert_null(map);
}

static void a_table_that_is_wrong_says_where(void **state)
{
    static const struct {
        const char *text, *sentence;
    } rows[] = {
        {"look_at,says,means\nterm,x,level nowhere\n", "own.csv:2: \"level nowhere\" has no such value"},
        {"look_at,says,means\n# a remark, with commas\nterm,x,levels outpatient\n",
         "own.csv:3: \"levels outpatient\" is not a meaning"},
        {"look_at,says,means\nterms,x,nothing\n", "own.csv:2: \"terms\" is not a place to look at"},
        {"look_at,says,means\npayment,x,insurer\n", "own.csv:2: \"insurer\" needs an id behind it"},
        {"look_at,says,means\nterm,x,telehealth now\n", "own.csv:2: \"telehealth now\" stands alone"},
        {"look_at,says,means\nterm,x\n", "own.csv:2: the row has 2 cells, but the header has 3"},
        {"term,x,nothing\n", "own.csv:1: the first line is not look_at,says,means"},
        {"look_at,says,means\n", "own.csv:1: there are no rows"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char sentence[256];
        assert_null(hsds_map_parse("own.csv", rows[i].text, strlen(rows[i].text), sentence, sizeof sentence));
        assert_string_equal(sentence, rows[i].sentence);
    }
}

/* --- whole directories ------------------------------------------------------------------------------------------ */
static char folder[64];
static struct hsds_directory *directory;

static void on_report(void *context, const struct hsds_report *report)
{
    (void)context;
    tell("%s %s: %s. ", report->gravity == HSDS_FAULT ? "fault" : "note", report->where, report->sentence);
}

static void put(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/hsds-test-XXXXXX");
    told[0] = 0;
    return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"organizations.csv", "services.csv", "service_areas.csv", "phones.csv",
                                        "directory.json", "cost_options.csv", "attributes.csv"};
    char path[256];
    (void)state;
    hsds_free(&directory);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        unlink(path);
    }
    return rmdir(folder);
}

static const Handoff__V1__AgencyListed *read_path(const char *path)
{
    struct hsds_map *map = hsds_map_default();
    const struct hsds_listener listener = {NULL, on_report, NULL};
    hsds_free(&directory);
    int error = hsds_read(path, map, &listener, &directory);
    hsds_map_free(&map);
    return error == 0 && directory->count ? directory->agencies[0] : NULL;
}
static const Handoff__V1__AgencyListed *read_all(void) { return read_path(folder); }

static void ages_are_full_years(void **state)
{
    (void)state;
    put("organizations.csv", "id,name\nhillside,Hillside\n");
    put("services.csv", "id,organization_id,name,minimum_age,maximum_age\n"
                        "s1,hillside,Outpatient,0.5,17.99\ns2,hillside,Outpatient,12,\ns3,hillside,Outpatient,,old\n"
                        "s4,hillside,Outpatient,-1,\ns5,hillside,Outpatient,18,200\n");
    const Handoff__V1__AgencyListed *a = read_all();
    assert_int_equal(a->n_services, 2);
    assert_int_equal(a->services[0]->youngest_age, 0);
    assert_int_equal(a->services[0]->oldest_age, 17);
    assert_int_equal(a->services[1]->youngest_age, 12);
    assert_int_equal(a->services[1]->oldest_age, 0);
    assert_string_equal(told, "fault services.csv:4: maximum_age \"old\" is not an age in years. "
                              "fault services.csv:5: minimum_age \"-1\" is not an age in years. "
                              "fault services.csv:6: maximum_age \"200\" is not an age in years. ");
}

static void more_areas_than_an_event_holds_are_everywhere_rather_than_cut(void **state)
{
    char areas[8192] = "id,service_id,name\n";
    (void)state;
    put("organizations.csv", "id,name\nhillside,Hillside\n");
    put("services.csv", "id,organization_id,name\ns1,hillside,Outpatient\n");
    for (int i = 0; i < 64; i++) snprintf(areas + strlen(areas), 64, "a%d,s1,County %d\n", i, i);
    put("service_areas.csv", areas);
    assert_int_equal(read_all()->n_counties, 64);
    strcat(areas, "b,s1,One more\n");
    put("service_areas.csv", areas);
    assert_int_equal(read_all()->n_counties, 0);
    assert_string_equal(told, "note organizations.csv:2: more than 64 areas: it serves everywhere. ");
}

static void a_payment_that_is_not_understood_rules_nobody_out(void **state)
{
    (void)state;
    put("organizations.csv", "id,name\nhillside,Hillside\nplan-a,Plan A Health\n");
    put("services.csv", "id,organization_id,name\ns1,hillside,Outpatient\n");
    put("cost_options.csv", "id,service_id,option\nc1,s1,Medicaid\nc2,s1,Plan A Health\n");
    const Handoff__V1__AgencyListed *a = read_all();
    assert_int_equal(a->n_insurers, 2);
    assert_string_equal(a->insurers[1], "plan-a");
    assert_false(a->takes_other_insurers);
    put("cost_options.csv", "id,service_id,option\nc1,s1,Medicaid\nc2,s1,Some plan\n");
    a = read_all();
    assert_int_equal(a->n_insurers, 1);
    assert_true(a->takes_other_insurers);
}

static void an_agency_whose_services_all_ended_is_left_out(void **state)
{
    (void)state;
    put("organizations.csv", "id,name\nhillside,Hillside\nriverside,Riverside\n");
    put("services.csv", "id,organization_id,name,status\ns1,hillside,Outpatient,defunct\ns2,riverside,Outpatient,"
                        "temporarily closed\n");
    const Handoff__V1__AgencyListed *a = read_all();
    assert_int_equal(directory->count, 1);
    assert_string_equal(a->agency_id, "riverside");
    assert_int_equal(a->services[0]->capacity, HANDOFF__V1__CAPACITY__CAPACITY_CLOSED);
    assert_string_equal(told, "note organizations.csv:2: left out: none of its services is running. ");
}

static void json_of_tables_and_json_that_is_nested_say_the_same(void **state)
{
    char path[256];
    (void)state;
    snprintf(path, sizeof path, "%s/directory.json", folder);
    put("directory.json", "{\"organizations\": [{\"id\": \"hillside\", \"name\": \"Hillside\"}],"
                          " \"services\": [{\"id\": \"s1\", \"organization_id\": \"hillside\", \"name\": \"Outpatient\","
                          " \"minimum_age\": 6}], \"phones\": [{\"service_id\": \"s1\", \"number\": \"555\"}]}");
    Handoff__V1__AgencyListed *tables = (Handoff__V1__AgencyListed *)(uintptr_t)read_path(path);
    uint8_t left[512], right[512];
    size_t bytes = handoff__v1__agency_listed__pack(tables, left);
    put("directory.json", "{\"contents\": [{\"id\": \"s1\", \"name\": \"Outpatient\", \"minimum_age\": 6,"
                          " \"organization\": {\"id\": \"hillside\", \"name\": \"Hillside\"},"
                          " \"phones\": [{\"number\": \"555\"}]}]}");
    assert_int_equal(handoff__v1__agency_listed__pack(read_path(path), right), bytes);
    assert_memory_equal(left, right, bytes);
    put("directory.json", "[{\"id\": \"hillside\", \"name\": \"Hillside\", \"services\": [{\"id\": \"s1\","
                          " \"name\": \"Outpatient\", \"minimum_age\": 6, \"phones\": [{\"number\": \"555\"}]}]}]");
    assert_int_equal(handoff__v1__agency_listed__pack(read_path(path), right), bytes);
    assert_memory_equal(left, right, bytes);
    assert_string_equal(told, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_may_be_quoted_and_hold_commas_quotation_marks_and_line_breaks),
        cmocka_unit_test(either_line_end_a_mark_and_a_missing_last_one_are_fine),
        cmocka_unit_test(a_row_of_the_wrong_length_costs_itself_alone),
        cmocka_unit_test(a_quotation_mark_that_is_never_closed_costs_one_row_not_the_file),
        cmocka_unit_test(a_zero_byte_is_part_of_a_cell),
        cmocka_unit_test(the_table_that_is_built_in_reads),
        cmocka_unit_test(a_table_that_is_wrong_says_where),
        cmocka_unit_test_setup_teardown(ages_are_full_years, set_up, tear_down),
        cmocka_unit_test_setup_teardown(more_areas_than_an_event_holds_are_everywhere_rather_than_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_payment_that_is_not_understood_rules_nobody_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_agency_whose_services_all_ended_is_left_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(json_of_tables_and_json_that_is_nested_say_the_same, set_up, tear_down),
    };
    return cmocka_run_group_tests_name("hsds: reading a directory", tests, NULL, NULL);
}
