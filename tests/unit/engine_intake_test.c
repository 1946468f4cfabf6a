/* Intake: what a stranger may send, and which sentence answers what they may not. */
#include "engine/intake.h"
#include "engine/utf8.h"
#include "unit/engine_world.h"
#include "core/pathway.h"

static struct arena *arena;
static struct intake *intake;
static struct refusal refusal;
static const Handoff__V1__Event *event;

#define NOW INT64_C(1767618000000)

static int set_up(void **state)
{
    (void)state;
    arena = arena_new((size_t)16 * 1024 * 1024);
    intake = intake_new();
    return arena && intake ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    intake_free(intake);
    arena_free(arena);
    return 0;
}

static int reading(struct bytes bytes)
{
    refusal = (struct refusal){0};
    return intake_read(intake, bytes, NOW, arena, &event, &refusal);
}

static struct bytes packed(const Handoff__V1__Event *e)
{
    size_t len = handoff__v1__event__get_packed_size(e);
    uint8_t *data = arena_alloc(arena, len + 1);
    handoff__v1__event__pack(e, data);
    return (struct bytes){data, len};
}

static void expect_accepted(const Handoff__V1__Event *e)
{
    int code = reading(packed(e));
    if (code) fprintf(stderr, "%s\n", refusal.sentence);
    assert_int_equal(code, 0);
}

static void expect_bytes_refused(struct bytes bytes, Handoff__V1__Code code, const char *field)
{
    assert_int_equal(reading(bytes), -1);
    assert_int_equal(refusal.code, code);
    assert_string_equal(refusal.field, field);
    size_t len = strlen(refusal.sentence);
    assert_true(len > 10 && refusal.sentence[len - 1] == '.');
    if (field[0]) assert_memory_equal(refusal.sentence, field, strlen(field));
    arena_reset(arena);
}

static void expect_refused(const Handoff__V1__Event *e, Handoff__V1__Code code, const char *field)
{
    expect_bytes_refused(packed(e), code, field);
}

/* A good event, to be spoiled. */
static Handoff__V1__ContactAttempted contact;
static Handoff__V1__Event good(void)
{
    Handoff__V1__Event e = HANDOFF__V1__EVENT__INIT;
    handoff__v1__contact_attempted__init(&contact);
    e.id = (char *)"e1";
    e.source = (char *)"phone";
    e.patient_id = (char *)"mary";
    e.occurred_at_ms = NOW - 1000;
    e.body_case = HANDOFF__V1__EVENT__BODY_CONTACT_ATTEMPTED;
    e.contact_attempted = &contact;
    contact.caller = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    contact.callee = HANDOFF__V1__PARTY__PARTY_AGENCY;
    contact.purpose = HANDOFF__V1__CONTACT_PURPOSE__CONTACT_PURPOSE_INTAKE;
    contact.outcome = HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL;
    return e;
}

static char *letters(size_t count)
{
    char *text = arena_alloc(arena, count + 1);
    memset(text, 'x', count);
    return text;
}

static void a_good_event_is_read(void **state)
{
    Handoff__V1__Event e = good();
    expect_accepted(&e);
    assert_string_equal(event->patient_id, "mary");
    assert_int_equal(event->contact_attempted->outcome, HANDOFF__V1__CONTACT_OUTCOME__CONTACT_OUTCOME_VOICEMAIL);
    (void)state;
}

static void ids_are_there_and_not_too_long(void **state)
{
    Handoff__V1__Event e = good();
    e.id = (char *)"";
    expect_refused(&e, CODE(BAD_ID), "id");
    e = good(), e.source = (char *)"";
    expect_refused(&e, CODE(BAD_ID), "source");
    e = good(), e.patient_id = (char *)"";
    expect_refused(&e, CODE(BAD_ID), "patient_id");
    e = good(), e.id = letters(LIMIT_ID_BYTES);
    expect_accepted(&e);
    e = good(), e.id = letters(LIMIT_ID_BYTES + 1);
    expect_refused(&e, CODE(BAD_ID), "id");
    e = good(), contact.caller_id = letters(LIMIT_ID_BYTES + 1);
    expect_refused(&e, CODE(BAD_ID), "contact_attempted.caller_id");
    e = good(), e.site = letters(LIMIT_ID_BYTES + 1);
    expect_refused(&e, CODE(BAD_ID), "site");
    e = good(), contact.note = letters(LIMIT_TEXT_BYTES);
    expect_accepted(&e);
    e = good(), contact.note = letters(LIMIT_TEXT_BYTES + 1);
    expect_refused(&e, CODE(BAD_TEXT), "contact_attempted.note");
    (void)state;
}

static void staff_and_directory_events_need_no_patient(void **state)
{
    Handoff__V1__Event e = good();
    Handoff__V1__StaffAbsent absent = HANDOFF__V1__STAFF_ABSENT__INIT;
    Handoff__V1__AgencyDelisted delisted = HANDOFF__V1__AGENCY_DELISTED__INIT;
    e.patient_id = (char *)"";
    e.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    e.staff_absent = &absent;
    absent.person_id = (char *)"nurse-1";
    absent.from_at_ms = NOW;
    absent.to_at_ms = NOW + 1000;
    expect_accepted(&e);
    e.body_case = HANDOFF__V1__EVENT__BODY_AGENCY_DELISTED;
    e.agency_delisted = &delisted;
    delisted.agency_id = (char *)"a1";
    delisted.effective_at_ms = NOW;
    expect_accepted(&e);
    Handoff__V1__EventRetracted taken_back = HANDOFF__V1__EVENT_RETRACTED__INIT; /* one of these */
    e.body_case = HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED;
    e.event_retracted = &taken_back;
    expect_refused(&e, CODE(MISSING_FIELD), "event_retracted.retracted_source");
    taken_back.retracted_source = (char *)"roster";
    taken_back.retracted_id = (char *)"a1";
    expect_accepted(&e);
    (void)state;
}

static void text_is_utf8_without_nul(void **state)
{
    static const struct {
        const char *text;
        size_t len;
        enum utf8 expected;
    } cases[] = {
        {"", 0, UTF8_OK},
        {"plain letters, more than eight", 30, UTF8_OK},
        {"\xc3\xa9", 2, UTF8_OK},
        {"\xe2\x82\xac", 3, UTF8_OK},
        {"\xf0\x9f\x98\x80", 4, UTF8_OK},
        {"\xf4\x8f\xbf\xbf", 4, UTF8_OK},
        {"\x7f", 1, UTF8_OK},
        {"a\0b", 3, UTF8_HAS_NUL},
        {"12345678\0", 9, UTF8_HAS_NUL},
        {"123\0" "5678", 8, UTF8_HAS_NUL},
        {"\x80", 1, UTF8_IS_BAD},
        {"\xc0\x80", 2, UTF8_IS_BAD},
        {"\xc1\xbf", 2, UTF8_IS_BAD},
        {"\xe0\x9f\xbf", 3, UTF8_IS_BAD},
        {"\xed\xa0\x80", 3, UTF8_IS_BAD},
        {"\xf0\x8f\xbf\xbf", 4, UTF8_IS_BAD},
        {"\xf4\x90\x80\x80", 4, UTF8_IS_BAD},
        {"\xf5\x80\x80\x80", 4, UTF8_IS_BAD},
        {"\xff", 1, UTF8_IS_BAD},
        {"\xc3", 1, UTF8_IS_BAD},
        {"\xe2\x82", 2, UTF8_IS_BAD},
        {"\xf0\x9f\x98", 3, UTF8_IS_BAD},
        {"12345678\xc3", 9, UTF8_IS_BAD},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_check((struct bytes){(const uint8_t *)cases[i].text, cases[i].len}), cases[i].expected);
    Handoff__V1__Event e = good();
    contact.note = (char *)"caf\xe9";
    expect_refused(&e, CODE(BAD_TEXT), "contact_attempted.note");
    e = good();
    struct bytes bytes = packed(&e);
    uint8_t *id = memmem((uint8_t *)bytes.data, bytes.len, "mary", 4);
    id[2] = '\0';
    expect_bytes_refused(bytes, CODE(BAD_TEXT), "patient_id");
    (void)state;
}

static void values_are_those_of_their_enum(void **state)
{
    Handoff__V1__Event e = good();
    contact.outcome = (Handoff__V1__ContactOutcome)63;
    expect_refused(&e, CODE(UNKNOWN_VALUE), "contact_attempted.outcome");
    e = good(), contact.outcome = (Handoff__V1__ContactOutcome)1000000;
    expect_refused(&e, CODE(UNKNOWN_VALUE), "contact_attempted.outcome");
    e = good(), contact.outcome = (Handoff__V1__ContactOutcome)-1;
    expect_refused(&e, CODE(UNKNOWN_VALUE), "contact_attempted.outcome");
    (void)state;
}

static void times_and_dates_are_in_range(void **state)
{
    Handoff__V1__Event e = good();
    e.occurred_at_ms = 0;
    expect_refused(&e, CODE(MISSING_FIELD), "occurred_at_ms");
    e = good(), e.occurred_at_ms = -1;
    expect_refused(&e, CODE(BAD_TIME), "occurred_at_ms");
    e = good(), e.occurred_at_ms = INT64_C(946684799999);
    expect_refused(&e, CODE(BAD_TIME), "occurred_at_ms");
    e = good(), e.occurred_at_ms = NOW + MS_PER_DAY;
    expect_accepted(&e);
    e = good(), e.occurred_at_ms = NOW + MS_PER_DAY + 1;
    expect_refused(&e, CODE(BAD_TIME), "occurred_at_ms");

    Handoff__V1__PatientRegistered registered = HANDOFF__V1__PATIENT_REGISTERED__INIT;
    Handoff__V1__AppointmentRescheduled moved = HANDOFF__V1__APPOINTMENT_RESCHEDULED__INIT;
    Handoff__V1__PreferenceUpdated preference = HANDOFF__V1__PREFERENCE_UPDATED__INIT;
    e = good();
    e.body_case = HANDOFF__V1__EVENT__BODY_APPOINTMENT_RESCHEDULED;
    e.appointment_rescheduled = &moved;
    e.appointment_id = (char *)"a1";
    moved.starts_at_ms = INT64_C(7258118400000);
    expect_refused(&e, CODE(BAD_TIME), "appointment_rescheduled.starts_at_ms");
    moved.starts_at_ms = INT64_C(7258118399999); /* no visit is booked a lifetime ahead */
    expect_refused(&e, CODE(BAD_TIME), "appointment_rescheduled.starts_at_ms");
    moved.starts_at_ms = NOW + 4 * 365 * (int64_t)MS_PER_DAY;
    expect_accepted(&e);
    moved.starts_at_ms = INT64_C(946684799999);
    expect_refused(&e, CODE(BAD_TIME), "appointment_rescheduled.starts_at_ms");
    moved.starts_at_ms = INT64_MIN;
    expect_refused(&e, CODE(BAD_TIME), "appointment_rescheduled.starts_at_ms");

    e.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_REGISTERED;
    e.patient_registered = &registered;
    static const uint32_t bad_dates[] = {1, 20260230, 20250229, 20261301, 99999999, 20990101, 18791231};
    for (size_t i = 0; i < sizeof bad_dates / sizeof *bad_dates; i++) {
        registered.birth_date = bad_dates[i];
        expect_refused(&e, CODE(BAD_TIME), "patient_registered.birth_date");
    }
    registered.birth_date = 20260105; /* today */
    expect_accepted(&e);
    registered.birth_date = 20260107;
    expect_refused(&e, CODE(BAD_TIME), "patient_registered.birth_date");

    e.body_case = HANDOFF__V1__EVENT__BODY_PREFERENCE_UPDATED;
    e.preference_updated = &preference;
    preference.person = HANDOFF__V1__PARTY__PARTY_PATIENT;
    preference.latest_minute = 1441;
    expect_refused(&e, CODE(BAD_VALUE), "preference_updated.latest_minute");
    (void)state;
}

static void what_the_parts_of_an_event_say_together_makes_sense(void **state)
{
    Handoff__V1__ConsentGranted consent = HANDOFF__V1__CONSENT_GRANTED__INIT;
    Handoff__V1__Recipient recipient = HANDOFF__V1__RECIPIENT__INIT, *recipients[] = {&recipient};
    Handoff__V1__PreferenceUpdated preference = HANDOFF__V1__PREFERENCE_UPDATED__INIT;
    Handoff__V1__StaffAbsent absent = HANDOFF__V1__STAFF_ABSENT__INIT;
    Handoff__V1__EpisodeOpened opened = HANDOFF__V1__EPISODE_OPENED__INIT;
    Handoff__V1__Event e = good();
    e.body_case = HANDOFF__V1__EVENT__BODY_CONSENT_GRANTED;
    e.consent_granted = &consent;
    consent.consent_id = (char *)"c1";
    consent.signer = HANDOFF__V1__PARTY__PARTY_PATIENT;
    consent.n_recipients = 1, consent.recipients = recipients;
    recipient.party = HANDOFF__V1__PARTY__PARTY_SCHOOL;
    consent.treatment_from = 20260102, consent.treatment_to = 20260101;
    expect_refused(&e, CODE(BAD_TIME), "consent_granted.treatment_to");
    consent.treatment_to = 20260102;
    expect_accepted(&e);
    consent.signed_at_ms = NOW, consent.expires_at_ms = NOW;
    expect_refused(&e, CODE(BAD_TIME), "consent_granted.expires_at_ms");
    consent.signed_at_ms = NOW + 2 * (int64_t)MS_PER_DAY, consent.expires_at_ms = 0;
    expect_refused(&e, CODE(BAD_TIME), "consent_granted.signed_at_ms");

    e.body_case = HANDOFF__V1__EVENT__BODY_PREFERENCE_UPDATED;
    e.preference_updated = &preference;
    preference.person = HANDOFF__V1__PARTY__PARTY_PATIENT;
    expect_accepted(&e);
    preference.earliest_minute = 480, preference.latest_minute = 480;
    expect_refused(&e, CODE(BAD_VALUE), "preference_updated.latest_minute");

    e.body_case = HANDOFF__V1__EVENT__BODY_STAFF_ABSENT;
    e.staff_absent = &absent;
    absent.person_id = (char *)"nurse-1";
    absent.from_at_ms = NOW, absent.to_at_ms = NOW - 1;
    expect_refused(&e, CODE(BAD_TIME), "staff_absent.to_at_ms");

    e.body_case = HANDOFF__V1__EVENT__BODY_EPISODE_OPENED;
    e.episode_opened = &opened;
    opened.by = (char *)"nurse-1";
    expect_refused(&e, CODE(MISSING_FIELD), "episode_opened.pathway");
    opened.reopens = (char *)"ep1";
    expect_accepted(&e);
    (void)state;
}

/* How high its scores may be is the policy's: core_monitoring_test.c. */
static void an_item_of_a_screening_is_numbered_and_scored_once(void **state)
{
    Handoff__V1__ScreeningScored s = HANDOFF__V1__SCREENING_SCORED__INIT;
    Handoff__V1__ItemScore one = HANDOFF__V1__ITEM_SCORE__INIT, two = HANDOFF__V1__ITEM_SCORE__INIT, *items[] = {&one, &two};
    Handoff__V1__Event e = good();
    e.body_case = HANDOFF__V1__EVENT__BODY_SCREENING_SCORED;
    e.screening_scored = &s;
    s.instrument = HANDOFF__V1__INSTRUMENT__INSTRUMENT_PHQ_9;
    s.n_items = 2, s.items = items;
    one.item = 9, one.score = 3, two.item = 1;
    expect_accepted(&e);
    two.item = 9;
    expect_refused(&e, CODE(BAD_VALUE), "screening_scored.items.item");
    two.item = 0;
    expect_refused(&e, CODE(BAD_VALUE), "screening_scored.items.item");
    two.item = 65;
    expect_refused(&e, CODE(BAD_VALUE), "screening_scored.items.item");
    (void)state;
}

static void what_a_kind_requires_is_asked_for(void **state)
{
    Handoff__V1__Event e = good();
    contact.purpose = 0;
    expect_refused(&e, CODE(MISSING_FIELD), "contact_attempted.purpose");
    Handoff__V1__AppointmentBooked booked = HANDOFF__V1__APPOINTMENT_BOOKED__INIT;
    e = good();
    e.body_case = HANDOFF__V1__EVENT__BODY_APPOINTMENT_BOOKED;
    e.appointment_booked = &booked;
    booked.starts_at_ms = NOW;
    expect_refused(&e, CODE(MISSING_FIELD), "appointment_id");
    e = good();
    e.body_case = HANDOFF__V1__EVENT__BODY__NOT_SET;
    expect_refused(&e, CODE(MISSING_BODY), "");
    expect_bytes_refused((struct bytes){NULL, 0}, CODE(BAD_ID), "id");
    (void)state;
}

static void lists_have_an_end(void **state)
{
    Handoff__V1__Event e = good();
    Handoff__V1__CareTeamUpdated team = HANDOFF__V1__CARE_TEAM_UPDATED__INIT;
    Handoff__V1__CareTeamMember member = HANDOFF__V1__CARE_TEAM_MEMBER__INIT, *members[LIMIT_REPEATED + 1];
    for (int i = 0; i <= LIMIT_REPEATED; i++) members[i] = &member;
    e.body_case = HANDOFF__V1__EVENT__BODY_CARE_TEAM_UPDATED;
    e.care_team_updated = &team;
    team.members = members;
    team.n_members = LIMIT_REPEATED;
    expect_accepted(&e);
    team.n_members = LIMIT_REPEATED + 1;
    expect_refused(&e, CODE(TOO_MANY), "care_team_updated.members");
    team.n_members = 3;
    member.party = (Handoff__V1__Party)60;
    expect_refused(&e, CODE(UNKNOWN_VALUE), "care_team_updated.members.party");

    Handoff__V1__PreferenceUpdated preference = HANDOFF__V1__PREFERENCE_UPDATED__INIT;
    Handoff__V1__Channel channels[LIMIT_REPEATED + 1];
    for (int i = 0; i <= LIMIT_REPEATED; i++) channels[i] = HANDOFF__V1__CHANNEL__CHANNEL_SMS;
    e.body_case = HANDOFF__V1__EVENT__BODY_PREFERENCE_UPDATED;
    e.preference_updated = &preference;
    preference.person = HANDOFF__V1__PARTY__PARTY_PATIENT;
    preference.permitted = channels;
    preference.n_permitted = LIMIT_REPEATED;
    expect_accepted(&e);
    preference.n_permitted = LIMIT_REPEATED + 1;
    expect_refused(&e, CODE(TOO_MANY), "preference_updated.permitted");
    channels[1] = (Handoff__V1__Channel)50;
    preference.n_permitted = 2;
    expect_refused(&e, CODE(UNKNOWN_VALUE), "preference_updated.permitted");
    (void)state;
}

static struct bytes appended(struct bytes bytes, const char *more, size_t len)
{
    uint8_t *data = arena_alloc(arena, bytes.len + len + 1);
    memcpy(data, bytes.data, bytes.len);
    memcpy(data + bytes.len, more, len);
    return (struct bytes){data, bytes.len + len};
}

static void what_the_schema_does_not_have_is_refused_aloud(void **state)
{
    Handoff__V1__Event e = good();
    expect_bytes_refused(appended(packed(&e), "\x60\x01", 2), CODE(MALFORMED), ""); /* field 12 */
    assert_int_equal(reading(appended(packed(&e), "\x60\x01", 2)), -1);
    assert_non_null(strstr(refusal.sentence, "12"));
    assert_int_equal(reading(appended(packed(&e), "\xb2\x09\x00", 3)), -1); /* field 150: a later kind of event */
    assert_int_equal(refusal.code, CODE(MISSING_BODY));
    assert_non_null(strstr(refusal.sentence, "150"));
    expect_bytes_refused(appended(packed(&e), "\x0a\x02" "e2", 4), CODE(MALFORMED), "id"); /* twice */
    expect_bytes_refused(appended(packed(&e), "\xca\x02\x00", 3), CODE(MALFORMED), "intake_completed"); /* two bodies */
    expect_bytes_refused(appended(packed(&e), "\x10\x05", 2), CODE(MALFORMED), "source"); /* of another type */
    (void)state;
}

static void a_large_event_is_refused_before_it_is_read(void **state)
{
    expect_bytes_refused((struct bytes){(const uint8_t *)letters(LIMIT_EVENT_BYTES + 1), LIMIT_EVENT_BYTES + 1}, CODE(TOO_LARGE), "");
    (void)state;
}

/* Cut anywhere or changed anywhere, it is read or refused, never worse; and what is read packs again. */
static void any_bytes_are_read_or_refused(void **state)
{
    Handoff__V1__Event e = good();
    uint8_t copy[512];
    struct bytes bytes = packed(&e);
    assert_true(bytes.len <= sizeof copy);
    size_t mark = arena_used(arena);
    for (size_t len = 0; len < bytes.len; len++) {
        memcpy(copy, bytes.data, len);
        if (reading((struct bytes){copy, len}) == 0) handoff__v1__event__get_packed_size(event);
        arena_rewind(arena, mark);
    }
    for (size_t at = 0; at < bytes.len; at++) {
        for (int value = 0; value < 256; value++) {
            memcpy(copy, bytes.data, bytes.len);
            copy[at] = (uint8_t)value;
            if (reading((struct bytes){copy, bytes.len}) == 0) handoff__v1__event__get_packed_size(event);
            else assert_true(refusal.code >= CODE(MALFORMED) && refusal.code <= CODE(TOO_MANY) && refusal.sentence && refusal.field);
            arena_rewind(arena, mark);
        }
    }
    (void)state;
}

static void every_kind_of_event_has_a_table(void **state)
{
    for (size_t i = 0; i < event_kind_count; i++) {
        const char empty_body[] = {0};
        Handoff__V1__Event e = good();
        e.body_case = HANDOFF__V1__EVENT__BODY__NOT_SET;
        uint8_t tag[4];
        uint32_t key = (uint32_t)event_kinds[i].body << 3 | 2;
        size_t len = 0;
        for (; key >= 128; key >>= 7) tag[len++] = (uint8_t)(key | 128);
        tag[len++] = (uint8_t)key;
        struct bytes bytes = appended(appended(packed(&e), (const char *)tag, len), empty_body, 1);
        int code = reading(bytes);
        assert_true(code == 0 ? event->body_case == event_kinds[i].body : refusal.code == CODE(MISSING_FIELD));
        assert_int_equal(code == 0, event_kinds[i].required[0] == '\0');
        arena_reset(arena);
    }
    (void)state;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_good_event_is_read),
        cmocka_unit_test(ids_are_there_and_not_too_long),
        cmocka_unit_test(staff_and_directory_events_need_no_patient),
        cmocka_unit_test(text_is_utf8_without_nul),
        cmocka_unit_test(values_are_those_of_their_enum),
        cmocka_unit_test(times_and_dates_are_in_range),
        cmocka_unit_test(what_the_parts_of_an_event_say_together_makes_sense),
        cmocka_unit_test(an_item_of_a_screening_is_numbered_and_scored_once),
        cmocka_unit_test(what_a_kind_requires_is_asked_for),
        cmocka_unit_test(lists_have_an_end),
        cmocka_unit_test(what_the_schema_does_not_have_is_refused_aloud),
        cmocka_unit_test(a_large_event_is_refused_before_it_is_read),
        cmocka_unit_test(any_bytes_are_read_or_refused),
        cmocka_unit_test(every_kind_of_event_has_a_table),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
