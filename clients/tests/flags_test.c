/* The command line's reading of flags, values and times. The sources are included, since they belong to no
 * library. */
#include "../handoff/flags.c"

#include "../handoff/value.c"

#include "../handoff/when.c"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int in_new_york(void **state)
{
    (void)state;
    return when_set_zone("America/New_York") ? 0 : -1;
}

static struct flags *open_flags(const char *type)
{
    struct flags *flags = NULL;
    const ProtobufCFieldDescriptor *field = handoff_event_field(type);
    assert_non_null(field);
    assert_int_equal(flags_open(field, &flags), 0);
    return flags;
}

/* As argp finds it: by the option's name, an alias standing for the option before it. */
static const struct flag *find_flag(const struct flags *flags, const char *name)
{
    int key = 0;
    for (const struct argp_option *option = flags->options; option->name || option->doc; option++) {
        if (!(option->flags & OPTION_ALIAS)) key = option->key;
        if (option->name && strcmp(option->name, name) == 0) return flags_of_key(flags, key);
    }
    return NULL;
}

static void give(struct flags *flags, const char *name, const char *text)
{
    char mistake[1024] = "";
    const struct flag *flag = find_flag(flags, name);
    if (!flag) fail_msg("there is no --%s", name);
    if (flags_set(flags, flag, text, mistake, sizeof mistake)) fail_msg("%s", mistake);
}

static void assert_mistake(const char *type, const char *name, const char *text, const char *sentence)
{
    struct flags *flags = open_flags(type);
    char mistake[1024] = "";
    assert_int_not_equal(flags_set(flags, find_flag(flags, name), text, mistake, sizeof mistake), 0);
    if (!strstr(mistake, sentence)) fail_msg("\"%s\" does not say \"%s\"", mistake, sentence);
    flags_close(&flags);
}

static void assert_json(struct flags *flags, const char *expected)
{
    char *text = handoff_json_print(&flags->event->base, false);
    assert_string_equal(text, expected);
    free(text);
    flags_close(&flags);
}

/* --- every type
 * -------------------------------------------------------------------------------------------------- */

static void for_each_type(void (*check)(const ProtobufCFieldDescriptor *field))
{
    const ProtobufCMessageDescriptor *event = &handoff__v1__event__descriptor;
    for (unsigned i = 0; i < event->n_fields; i++) {
        if (handoff_is_event_body(&event->fields[i])) check(&event->fields[i]);
    }
}

static void check_name(const ProtobufCFieldDescriptor *field)
{
    char type[64];
    handoff_event_type(field, type, sizeof type);
    assert_ptr_equal(handoff_event_field(type), field);
    assert_true(strchr(type, '.') != NULL || strcmp(type, "custom") == 0);
}

static void every_event_type_has_a_dotted_name_that_finds_it(void **state)
{
    (void)state;
    for_each_type(check_name);
    char type[64];
    handoff_event_type(handoff_event_field("care_team.updated"), type, sizeof type);
    assert_string_equal(type, "care_team.updated");
    handoff_event_type(handoff_event_field("service_discharge_notice"), type, sizeof type);
    assert_string_equal(type, "service.discharge_notice");
    assert_null(handoff_event_field("referral.lost"));
    assert_null(handoff_event_field("patient_id"));
    assert_null(handoff_event_field(""));
}

static void check_flags(const ProtobufCFieldDescriptor *field)
{
    struct flags *flags = NULL;
    assert_int_equal(flags_open(field, &flags), 0);
    assert_true(flags->count < FLAGS_MOST);
    size_t names = 0;
    for (const struct argp_option *a = flags->options; a->name || a->doc; a++) {
        for (const struct argp_option *b = a + 1; a->name && (b->name || b->doc); b++) {
            if (b->name && strcmp(a->name, b->name) == 0)
                fail_msg("%s has two flags --%s", field->name, a->name);
        }
        names++;
    }
    const ProtobufCMessageDescriptor *body = field->descriptor;
    for (unsigned i = 0; i < body->n_fields; i++) {
        char own_name[64];
        dash(body->fields[i].name, own_name, sizeof own_name);
        const struct flag *flag = find_flag(flags, own_name);
        if (!flag || flag->field != &body->fields[i]) fail_msg("%s has no --%s", field->name, own_name);
    }
    assert_true(names >= body->n_fields + 10);
    flags_close(&flags);
}

static void every_event_type_has_a_flag_for_each_field_and_no_flag_twice(void **state)
{
    (void)state;
    for_each_type(check_flags);
}

static void check_values(const ProtobufCFieldDescriptor *field)
{
    struct flags *flags = NULL;
    assert_int_equal(flags_open(field, &flags), 0);
    for (size_t i = 0; i < flags->count; i++) {
        const struct flag *flag = &flags->list[i];
        const char *argument = flag->argument;
        char word[64] = "x";
        if (strcmp(argument, "WORD") == 0) handoff_enum_word(flag->field->descriptor, 1, word, sizeof word);
        if (strcmp(argument, "TIME") == 0) snprintf(word, sizeof word, "2026-03-05 16:40");
        if (strcmp(argument, "DATE") == 0) snprintf(word, sizeof word, "2018-04-30");
        if (strcmp(argument, "HH:MM") == 0) snprintf(word, sizeof word, "08:30");
        if (strcmp(argument, "N") == 0) snprintf(word, sizeof word, "3");
        if (strcmp(argument, "yes|no") == 0) snprintf(word, sizeof word, "yes");
        if (strcmp(argument, "KEY=VALUE,...") == 0) {
            const ProtobufCMessageDescriptor *parts = flag->field->descriptor;
            char value[32] = "1";
            if (parts->fields[0].type == PROTOBUF_C_TYPE_ENUM)
                handoff_enum_word(parts->fields[0].descriptor, 1, value, sizeof value);
            snprintf(word, sizeof word, "%s=%s", parts->fields[0].name, value);
        }
        give(flags, flag->name, word);
        give(flags, flag->name, word); /* twice is the last one, or two */
    }
    flags_close(&flags);
}

static void every_flag_takes_the_value_its_help_asks_for(void **state)
{
    (void)state;
    for_each_type(check_values);
}

/* --- values
 * ------------------------------------------------------------------------------------------------------ */

static void an_intake_voicemail_is_said_with_flags(void **state)
{
    (void)state;
    struct flags *flags = open_flags("contact.attempted");
    give(flags, "patient", "mary");
    give(flags, "caller", "GUARDIAN");
    give(flags, "callee", "agency");
    give(flags, "purpose", "CONTACT_PURPOSE_INTAKE");
    give(flags, "outcome", "voicemail-full");
    give(flags, "occurred-at", "2026-03-05 16:40");
    assert_json(flags, "{\"patientId\": \"mary\", \"occurredAtMs\": \"1772746800000\", \"contactAttempted\": "
                       "{\"caller\": \"PARTY_GUARDIAN\", \"callee\": \"PARTY_AGENCY\", \"purpose\": "
                       "\"CONTACT_PURPOSE_INTAKE\", \"outcome\": \"CONTACT_OUTCOME_VOICEMAIL_FULL\"}}");
}

static void repeated_flags_make_a_list_of_messages(void **state)
{
    (void)state;
    struct flags *flags = open_flags("consent.granted");
    give(flags, "recipient", "party=SCHOOL,id=oak-street");
    give(flags, "recipients", "party=agency");
    give(flags, "treatment-from", "2026-01-01");
    assert_json(
        flags,
        "{\"consentGranted\": {\"recipients\": [{\"party\": \"PARTY_SCHOOL\", \"id\": \"oak-street\"}, "
        "{\"party\": \"PARTY_AGENCY\"}], \"treatmentFrom\": 20260101}}");
}

static void an_address_is_given_once_for_each_channel(void **state)
{
    (void)state;
    struct flags *flags = open_flags("preference.updated");
    give(flags, "person", "patient");
    give(flags, "address", "channel=sms,address=+15550142");
    give(flags, "address", "channel=email,address=tom@example.org");
    assert_json(flags, "{\"preferenceUpdated\": {\"person\": \"PARTY_PATIENT\", \"addresses\": ["
                       "{\"channel\": \"CHANNEL_SMS\", \"address\": \"+15550142\"}, "
                       "{\"channel\": \"CHANNEL_EMAIL\", \"address\": \"tom@example.org\"}]}}");
}

static void parts_know_switches_short_names_and_protected_commas(void **state)
{
    (void)state;
    struct flags *flags = open_flags("care_team.updated");
    give(flags, "member",
         "party=GUARDIAN,id=mom,custody=legal-authority,court-appointed,name=Sarah\\, her mother");
    assert_json(
        flags,
        "{\"careTeamUpdated\": {\"members\": [{\"party\": \"PARTY_GUARDIAN\", \"id\": \"mom\", \"name\": "
        "\"Sarah, her mother\", \"custody\": \"CUSTODY_LEGAL_AUTHORITY\", \"isCourtAppointed\": true}]}}");
}

static void a_count_takes_a_number_and_zero_is_one(void **state)
{
    (void)state;
    struct flags *flags = open_flags("service.discharge_notice");
    give(flags, "visits-held", "0");
    give(flags, "is-planned", NULL);
    assert_json(flags, "{\"serviceDischargeNotice\": {\"isPlanned\": true, \"visitsHeld\": {}}}");
}

static void a_switch_can_be_on_off_and_bare(void **state)
{
    (void)state;
    struct flags *flags = open_flags("encounter.discharged");
    give(flags, "planned", NULL);
    assert_true(flags->event->encounter_discharged->is_planned);
    give(flags, "planned", "no");
    assert_false(flags->event->encounter_discharged->is_planned);
    give(flags, "is-planned", "TRUE");
    assert_true(flags->event->encounter_discharged->is_planned);
    flags_close(&flags);
}

static void words_may_come_as_one_list(void **state)
{
    (void)state;
    struct flags *flags = open_flags("preference.updated");
    give(flags, "permitted", "phone,sms");
    give(flags, "permitted", "in person");
    give(flags, "earliest-minute", "08:30");
    assert_json(flags, "{\"preferenceUpdated\": {\"permitted\": [\"CHANNEL_PHONE\", \"CHANNEL_SMS\", "
                       "\"CHANNEL_IN_PERSON\"], \"earliestMinute\": 510}}");
}

static void a_party_and_its_id_have_a_flag_each(void **state)
{
    (void)state;
    struct flags *flags = open_flags("referral.requested");
    give(flags, "referrer", "pcp");
    give(flags, "referrer-id", "dr-1");
    give(flags, "agency", "oak-street");
    assert_json(
        flags,
        "{\"referralRequested\": {\"referrer\": \"PARTY_PCP\", \"referrerId\": \"dr-1\", \"agencyId\": "
        "\"oak-street\"}}");
}

static void what_cannot_be_read_is_said_with_what_can(void **state)
{
    (void)state;
    assert_mistake("contact.attempted", "outcome", "vm",
                   "--outcome cannot be \"vm\": one of reached, voicemail");
    assert_mistake("contact.attempted", "outcome", "unspecified", "cannot be");
    assert_mistake("contact.attempted", "occurred-at", "yesterday", "a time like '2026-03-05 16:40'");
    assert_mistake("patient.registered", "birth-date", "2015-02-30", "a date like 2018-04-30");
    assert_mistake("patient.registered", "needs-interpreter", "perhaps", "yes or no");
    assert_mistake("service.discharge_notice", "visits-held", "-1", "a whole number from 0");
    assert_mistake("service.discharge_notice", "visits-held", "three", "a whole number");
    assert_mistake("consent.granted", "recipient", "party=SCHOOL,nmae=x", "has no part \"nmae\"");
    assert_mistake("consent.granted", "recipient", "party=teacher", "part party cannot be \"teacher\"");
    assert_mistake("consent.granted", "recipient", "party", "needs a value for party");
    assert_mistake("preference.updated", "latest-minute", "25:00", "a time of day like 08:30");
}

/* --- times
 * ------------------------------------------------------------------------------------------------------- */

static void assert_time(const char *text, int64_t ms)
{
    int64_t parsed = 0;
    if (!when_parse(text, &parsed)) fail_msg("%s is not read", text);
    assert_int_equal(parsed, ms);
}

static void times_are_read_in_the_time_zone_or_with_their_own(void **state)
{
    (void)state;
    assert_time("2026-03-05 16:40", 1772746800000);
    assert_time("2026-03-05T16:40:00", 1772746800000);
    assert_time("2026-03-05T16:40:00-05:00", 1772746800000);
    assert_time("2026-03-05T21:40Z", 1772746800000);
    assert_time("2026-03-05T21:40:00.250Z", 1772746800250);
    assert_time("2026-03-06T03:10+05:30", 1772746800000);
    assert_time("1772746800000", 1772746800000);
    assert_time("2026-03-05", 1772686800000);
    assert_time("2026-07-01 00:00", 1782878400000); /* daylight-saving time */
}

static void times_that_do_not_exist_are_not_read(void **state)
{
    (void)state;
    static const char *const texts[] = {"",
                                        "2026-13-01",
                                        "2026-02-29",
                                        "2026-03-05 24:00",
                                        "2026-3-5",
                                        "2026-03-05 16:60",
                                        "2026-03-08 02:30",
                                        "2026-03-05 16:40 EST",
                                        "20260305",
                                        "2026-03-05T",
                                        "2026-03-05 16",
                                        "2026-03-05 16:40:00+5",
                                        "2026-03-05x",
                                        "now"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        int64_t ms = 0;
        if (when_parse(texts[i], &ms)) fail_msg("\"%s\" is read as %lld", texts[i], (long long)ms);
    }
}

static void times_are_shown_with_their_weekday(void **state)
{
    (void)state;
    char text[WHEN_TEXT_BYTES];
    assert_string_equal(when_format(1772746800000, text), "Thu 2026-03-05 16:40");
    assert_string_equal(when_format(0, text), "");
}

static void durations_add_up(void **state)
{
    (void)state;
    int64_t ms = 0;
    assert_true(when_parse_duration("3d", &ms));
    assert_int_equal(ms, 3 * 24 * 3600000);
    assert_true(when_parse_duration("2d4h30min", &ms));
    assert_int_equal(ms, 52 * 3600000 + 30 * 60000);
    assert_true(when_parse_duration("1w90s250ms", &ms));
    assert_int_equal(ms, 7 * 24 * 3600000 + 90250);
    static const char *const texts[] = {"",           "3", "d", "3x", "-3d", "3d4", "3.5d", "99999999999d",
                                        "1000000000w"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        if (when_parse_duration(texts[i], &ms)) fail_msg("\"%s\" is read", texts[i]);
    }
}

static void a_time_zone_that_is_none_is_not_taken(void **state)
{
    (void)state;
    assert_false(when_set_zone("America/Nowhere"));
    assert_false(when_set_zone("../../etc/passwd"));
    assert_false(when_set_zone("/etc/localtime"));
    assert_false(when_set_zone(""));
    assert_true(when_set_zone("America/New_York"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_event_type_has_a_dotted_name_that_finds_it),
        cmocka_unit_test(every_event_type_has_a_flag_for_each_field_and_no_flag_twice),
        cmocka_unit_test(every_flag_takes_the_value_its_help_asks_for),
        cmocka_unit_test(an_intake_voicemail_is_said_with_flags),
        cmocka_unit_test(repeated_flags_make_a_list_of_messages),
        cmocka_unit_test(an_address_is_given_once_for_each_channel),
        cmocka_unit_test(parts_know_switches_short_names_and_protected_commas),
        cmocka_unit_test(a_count_takes_a_number_and_zero_is_one),
        cmocka_unit_test(a_switch_can_be_on_off_and_bare),
        cmocka_unit_test(words_may_come_as_one_list),
        cmocka_unit_test(a_party_and_its_id_have_a_flag_each),
        cmocka_unit_test(what_cannot_be_read_is_said_with_what_can),
        cmocka_unit_test(times_are_read_in_the_time_zone_or_with_their_own),
        cmocka_unit_test(times_that_do_not_exist_are_not_read),
        cmocka_unit_test(times_are_shown_with_their_weekday),
        cmocka_unit_test(durations_add_up),
        cmocka_unit_test(a_time_zone_that_is_none_is_not_taken),
    };
    return cmocka_run_group_tests(tests, in_new_york, NULL);
}
