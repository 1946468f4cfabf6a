/* What becomes of a message: what is sent under which id, what the daemon is told and how the delivery is settled, for
 * whatever the other side answers, and after a crash at each point. Daemon and channels are the test's own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <fcntl.h>
#include <cmocka.h>

#include "notify/courier.h"
#include "notify/log.h"
#include "tests/folder.h"

#define EMAIL   HANDOFF__V1__CHANNEL__CHANNEL_EMAIL
#define WEBHOOK HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK

/* --- the world --------------------------------------------------------------------------------------------------- */

struct fake_channel {
    struct channel channel; /* first */
    const char *name;
    struct send_report answers[8]; /* one after the other; then DONE */
    size_t answered;
};
struct fake_front {
    struct front front; /* first */
    bool is_away;       /* nobody answers a publish */
    uint64_t lost;      /* a number that is not held any more */
};
static char said[4096]; /* what was done, in order, each with a semicolon */
static struct fake_channel mail, hook;
static struct fake_front front;
static struct notify_config config;
static struct courier courier;

__attribute__((format(printf, 1, 2))) static void say(const char *format, ...)
{
    size_t len = strlen(said);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(said + len, sizeof said - len, format, arguments);
    va_end(arguments);
}

static struct send_report fake_send(struct channel *channel, const struct outgoing *message)
{
    struct fake_channel *self = (struct fake_channel *)channel;
    say("%s to %s: %s;", self->name, message->to, message->id);
    return self->answers[self->answered++];
}
static const struct channel_ops channel_ops = {.send = fake_send};

static void fake_ack(struct front *f, uint64_t number)
{
    (void)f;
    say("ack %d;", (int)number);
}

static void fake_nack(struct front *f, const struct front_nack *nack)
{
    (void)f;
    say("nack %d%s%s", (int)nack->number, nack->is_permanent ? " for good" : "", nack->is_unspent ? " unspent" : "");
    if (nack->delay_ms) say(" in %d", (int)nack->delay_ms);
    say(";");
}

static void fake_extend(struct front *f, uint64_t number)
{
    (void)f;
    (void)number; /* that it was is seen by who holds it */
}

static bool fake_holds(struct front *f, uint64_t number)
{
    (void)f;
    return number != front.lost;
}

static int fake_publish(struct front *f, const Handoff__V1__Event *event)
{
    (void)f;
    if (front.is_away) return FRONT_AWAY;
    if (event->body_case == HANDOFF__V1__EVENT__BODY_MESSAGE_SENT) {
        say("sent %s to %s;", event->message_sent->emission_id, event->message_sent->addressee);
        return FRONT_OK;
    }
    const Handoff__V1__MessageFailed *failed = event->message_failed;
    say("%s %s to %s;",
        failed->is_unknown     ? "unknown"
        : failed->is_permanent ? "failed"
                               : "?",
        failed->emission_id, failed->addressee);
    return FRONT_OK;
}

static int64_t fake_now_ms(struct front *f, int64_t otherwise)
{
    (void)f;
    (void)otherwise;
    return 1767618000000;
}

static int fake_write(void *context, const struct letter *letter, struct rendered *ret_rendered)
{
    (void)context;
    (void)letter;
    *ret_rendered = (struct rendered){.subject = strdup("a subject"), .body = strdup("a body\n"), .language = "en"};
    return 0;
}

static int begin(void **state)
{
    static const struct front_ops front_ops = {.ack = fake_ack,
                                               .nack = fake_nack,
                                               .extend = fake_extend,
                                               .holds = fake_holds,
                                               .publish = fake_publish,
                                               .now_ms = fake_now_ms};
    static struct site_config site = {.site = "main", .name = "Care", .number = "555-0100", .time_zone = "UTC"};
    static const struct lane_config lane = {.name = "a lane", .attempts = 3};
    static char sentence[256];
    folder_make(state);
    *said = 0;
    mail = (struct fake_channel){.channel.ops = &channel_ops, .name = "mail"};
    hook = (struct fake_channel){.channel.ops = &channel_ops, .name = "hook"};
    front = (struct fake_front){.front.ops = &front_ops};
    config = (struct notify_config){.source = "handoff-notify", .sites = &site, .sites_count = 1};
    courier = (struct courier){.config = &config,
                               .lane = &lane,
                               .front = &front.front,
                               .words = {fake_write, NULL},
                               .channels = {[EMAIL] = &mail.channel, [WEBHOOK] = &hook.channel}};
    return ledger_open(folder_path("ledger.sqlite"), sentence, sizeof sentence, &courier.ledger);
}

static int end(void **state)
{
    ledger_close(&courier.ledger);
    return folder_remove(state);
}

/* A delivery and all that is in it. */
struct delivered {
    Handoff__V1__Delivery delivery;
    Handoff__V1__Emission emission;
    Handoff__V1__TaskEmission task;
    Handoff__V1__EscalationEmission escalation;
    Handoff__V1__ReminderEmission reminder;
    Handoff__V1__Addressee to;
    Handoff__V1__Address addresses[2];
    Handoff__V1__Address *rows[2];
};

static void deliver(struct delivered *d, uint64_t number, const char *id)
{
    handoff__v1__delivery__init(&d->delivery);
    handoff__v1__emission__init(&d->emission);
    handoff__v1__task_emission__init(&d->task);
    handoff__v1__escalation_emission__init(&d->escalation);
    handoff__v1__reminder_emission__init(&d->reminder);
    handoff__v1__addressee__init(&d->to);
    d->delivery.number = number;
    d->delivery.attempt = 1;
    d->delivery.emission = &d->emission;
    d->delivery.to = &d->to;
    d->emission.id = (char *)id;
    d->emission.site = (char *)"main";
    d->emission.patient_id = (char *)"mary";
    for (int i = 0; i < 2; i++) {
        handoff__v1__address__init(&d->addresses[i]);
        d->rows[i] = &d->addresses[i];
    }
    d->addresses[0].channel = EMAIL;
    d->addresses[0].address = (char *)"one@example.org";
    d->addresses[1].channel = WEBHOOK;
    d->addresses[1].address = (char *)"https://two.example.org";
    d->to.addresses = d->rows;
    d->to.n_addresses = 2;
}

static struct delivered *staff(struct delivered *d, uint64_t number, const char *id, Handoff__V1__Severity severity)
{
    deliver(d, number, id);
    d->to.id = (char *)"coordinator-1";
    d->to.role = HANDOFF__V1__ROLE__ROLE_COORDINATOR;
    d->task.change = HANDOFF__V1__TASK_CHANGE__TASK_CHANGE_OPENED;
    d->task.severity = severity;
    d->emission.body_case = HANDOFF__V1__EMISSION__BODY_TASK;
    d->emission.task = &d->task;
    return d;
}

static struct delivered *family(struct delivered *d, uint64_t number, const char *id)
{
    deliver(d, number, id);
    d->to.key = (char *)"GUARDIAN:mother-1";
    d->to.party = HANDOFF__V1__PARTY__PARTY_GUARDIAN;
    d->to.id = (char *)"mother-1";
    d->emission.body_case = HANDOFF__V1__EMISSION__BODY_REMINDER;
    d->emission.reminder = &d->reminder;
    return d;
}

static void carry(struct delivered *d)
{
    const Handoff__V1__Delivery *members[] = {&d->delivery};
    courier_carry(&courier, members, 1);
}

#define ROUTINE  HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE
#define EMERGENT HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT

static void expect(const char *what)
{
    assert_string_equal(said, what);
    *said = 0;
}

/* --- once ----------------------------------------------------------------------------------------------------------
 */

static void a_notice_goes_under_its_emissions_id_is_told_and_acknowledged(void **state)
{
    (void)state;
    struct delivered d;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 1;");
}

static void what_comes_again_is_told_and_acknowledged_and_not_sent(void **state)
{
    (void)state;
    struct delivered d;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    *said = 0;
    carry(staff(&d, 2, "a1-t1.1", ROUTINE));
    expect("sent a1-t1.1 to coordinator-1;ack 2;");
}

static void nothing_is_acknowledged_before_it_was_told(void **state)
{
    (void)state;
    struct delivered d;
    front.is_away = true;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;nack 1 unspent in 5000;");
    front.is_away = false;
    carry(staff(&d, 2, "a1-t1.1", ROUTINE));
    expect("sent a1-t1.1 to coordinator-1;ack 2;");
}

static void what_is_not_held_any_more_is_not_sent(void **state)
{
    (void)state;
    struct delivered d;
    front.lost = 1;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("");
}

static void what_another_thread_carries_is_put_back(void **state)
{
    (void)state;
    struct delivered d;
    const struct ledger_message message = {"a1-t1.1", "coordinator-1"};
    ledger_claim(courier.ledger, &message);
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("nack 1 unspent in 5000;");
}

static void addressees_of_one_reminder_get_messages_with_ids_of_their_own(void **state)
{
    (void)state;
    struct delivered mother, patient;
    carry(family(&mother, 1, "a1-n7"));
    char first[64];
    sscanf(said, "mail to one@example.org: %63[^;]", first);
    assert_int_equal(strncmp(first, "a1-n7.", 6), 0);
    *said = 0;
    family(&patient, 2, "a1-n7")->to.key = (char *)"PATIENT";
    carry(&patient);
    assert_non_null(strstr(said, "mail to one@example.org: a1-n7."));
    assert_null(strstr(said, first));
}

/* --- not now, and never ----------------------------------------------------------------------------------------------
 */

static void a_failure_that_passes_is_a_nack_with_what_the_other_side_asked(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0] = (struct send_report){.result = SEND_LATER, .retry_after_ms = 7000};
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;nack 1 in 7000;");
    carry(staff(&d, 2, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 2;");
}

static void the_last_attempt_that_fails_is_told_and_given_up(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_LATER;
    staff(&d, 1, "a1-t1.1", ROUTINE)->delivery.attempt = 3;
    carry(&d);
    expect("mail to one@example.org: a1-t1.1;failed a1-t1.1 to coordinator-1;nack 1 for good;");
}

static void an_address_that_fails_for_good_makes_way_for_the_next(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_NEVER;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;hook to https://two.example.org: a1-t1.1;"
           "sent a1-t1.1 to coordinator-1;ack 1;");
}

static void an_address_that_failed_for_good_is_not_asked_in_the_next_attempt(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_NEVER;
    hook.answers[0].result = SEND_LATER;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    *said = 0;
    staff(&d, 2, "a1-t1.1", ROUTINE)->delivery.attempt = 2;
    carry(&d);
    expect("hook to https://two.example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 2;");
}

static void a_message_that_every_address_refuses_is_told_and_given_up(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_NEVER;
    hook.answers[0].result = SEND_NEVER;
    carry(family(&d, 1, "a1-n7"));
    assert_non_null(strstr(said, "failed a1-n7 to GUARDIAN:mother-1;nack 1 for good;"));
}

static void a_dead_letter_that_is_retried_asks_every_address_anew(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_NEVER;
    staff(&d, 1, "a1-t1.1", ROUTINE)->to.n_addresses = 1;
    carry(&d);
    expect("mail to one@example.org: a1-t1.1;failed a1-t1.1 to coordinator-1;nack 1 for good;");
    staff(&d, 2, "a1-t1.1", ROUTINE)->to.n_addresses = 1;
    carry(&d);
    expect("mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 2;");
}

static void without_a_channel_for_any_address_it_is_told_and_given_up(void **state)
{
    (void)state;
    struct delivered d;
    staff(&d, 1, "a1-t1.1", ROUTINE)->addresses[0].channel = HANDOFF__V1__CHANNEL__CHANNEL_SMS;
    d.addresses[1].channel = HANDOFF__V1__CHANNEL__CHANNEL_MAIL;
    carry(&d);
    expect("failed a1-t1.1 to coordinator-1;nack 1 for good;");
}

static void channels_that_are_not_configured_are_passed_over(void **state)
{
    (void)state;
    struct delivered d;
    staff(&d, 1, "a1-t1.1", ROUTINE)->addresses[0].channel = HANDOFF__V1__CHANNEL__CHANNEL_SMS;
    carry(&d);
    expect("hook to https://two.example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 1;");
}

static struct delivered *undelivered(struct delivered *d, uint64_t number, const char *id)
{
    staff(d, number, id, EMERGENT);
    d->escalation.change = HANDOFF__V1__ESCALATION_CHANGE__ESCALATION_CHANGE_RAISED;
    d->escalation.severity = EMERGENT;
    d->escalation.subscription = (char *)"notify-urgent";
    d->escalation.why = (char *)"no worker is there";
    d->emission.body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    d->emission.escalation = &d->escalation;
    return d;
}

static void that_nothing_is_delivered_goes_by_every_channel_that_still_works(void **state)
{
    (void)state;
    struct delivered d;
    carry(undelivered(&d, 1, "a1-e1.1"));
    expect("mail to one@example.org: a1-e1.1;hook to https://two.example.org: a1-e1.1;sent a1-e1.1 to coordinator-1;ack 1;");
    hook.answers[1] = (struct send_report){.result = SEND_NEVER};
    carry(undelivered(&d, 2, "a1-e2.1"));
    expect("mail to one@example.org: a1-e2.1;hook to https://two.example.org: a1-e2.1;sent a1-e2.1 to coordinator-1;ack 2;");
    carry(undelivered(&d, 3, "a1-e2.1")); /* somebody was told */
    expect("sent a1-e2.1 to coordinator-1;ack 3;");
    d.escalation.why = (char *)"";
    d.delivery.number = 4;
    d.emission.id = (char *)"a1-e3.1";
    carry(&d);
    expect("mail to one@example.org: a1-e3.1;sent a1-e3.1 to coordinator-1;ack 4;");
}

static void an_emergent_notice_goes_by_whichever_channel_still_works(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_LATER;
    carry(staff(&d, 1, "a1-t1.1", EMERGENT));
    expect("mail to one@example.org: a1-t1.1;hook to https://two.example.org: a1-t1.1;"
           "sent a1-t1.1 to coordinator-1;ack 1;");
}

/* --- in doubt
 * ---------------------------------------------------------------------------------------------------------- */

static void a_reminder_in_doubt_is_reported_and_not_sent_again(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_UNKNOWN;
    carry(family(&d, 1, "a1-n7"));
    assert_non_null(strstr(said, ";unknown a1-n7 to GUARDIAN:mother-1;ack 1;"));
    *said = 0;
    carry(family(&d, 2, "a1-n7"));
    expect("unknown a1-n7 to GUARDIAN:mother-1;ack 2;");
}

static void a_notice_to_staff_in_doubt_is_sent_again_under_the_same_id(void **state)
{
    (void)state;
    struct delivered d;
    mail.answers[0].result = SEND_UNKNOWN;
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;nack 1;");
    carry(staff(&d, 2, "a1-t1.1", ROUTINE));
    expect("mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 2;");
}

/* The worker was killed after the intent of these; what it had sent nobody knows. */
static void killed_while_sending(struct delivered *const *d, size_t count, const char *sent_as)
{
    struct ledger_message messages[4];
    const uint32_t attempts[4] = {1, 1, 1, 1};
    char place[LEDGER_PLACE_BYTES];
    for (size_t i = 0; i < count; i++)
        messages[i] = (struct ledger_message){d[i]->emission.id, *d[i]->to.key ? d[i]->to.key : d[i]->to.id};
    ledger_place(courier.ledger, EMAIL, "one@example.org", place);
    const struct ledger_sending sending = {.sent_as = sent_as,
                                           .place = place,
                                           .channel = EMAIL,
                                           .at_ms = 1767618000000,
                                           .members = messages,
                                           .attempts = attempts,
                                           .count = count};
    assert_int_equal(ledger_send_begin(courier.ledger, &sending), 0);
}

static void a_reminder_whose_worker_was_killed_while_sending_is_reported(void **state)
{
    (void)state;
    struct delivered d;
    killed_while_sending((struct delivered *[]){family(&d, 1, "a1-n7")}, 1, "a1-n7.x");
    carry(&d);
    expect("unknown a1-n7 to GUARDIAN:mother-1;ack 1;");
}

static void a_notice_whose_worker_was_killed_while_sending_goes_again(void **state)
{
    (void)state;
    struct delivered d;
    killed_while_sending((struct delivered *[]){staff(&d, 1, "a1-t1.1", EMERGENT)}, 1, "a1-t1.1");
    carry(&d);
    expect("mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 1;");
}

/* --- several as one
 * ------------------------------------------------------------------------------------------------------ */

static void carry_three(struct delivered d[3])
{
    const Handoff__V1__Delivery *members[] = {&d[0].delivery, &d[1].delivery, &d[2].delivery};
    courier_carry(&courier, members, 3);
}

static void a_morning(struct delivered d[3])
{
    staff(&d[0], 1, "a1-t1.1", ROUTINE);
    staff(&d[1], 2, "b2-t4.1", ROUTINE);
    staff(&d[2], 3, "c3-t2.1", ROUTINE);
}

static void a_digest_is_one_message_and_each_of_it_is_settled(void **state)
{
    (void)state;
    struct delivered d[3];
    a_morning(d);
    carry_three(d);
    assert_int_equal(strncmp(said, "mail to one@example.org: several-", 33), 0);
    assert_string_equal(strchr(said, ';') + 1,
                        "sent a1-t1.1 to coordinator-1;ack 1;sent b2-t4.1 to coordinator-1;ack 2;"
                        "sent c3-t2.1 to coordinator-1;ack 3;");
}

static void a_digest_leaves_out_what_was_sent_before(void **state)
{
    (void)state;
    struct delivered d[3];
    a_morning(d);
    carry(&d[1]);
    *said = 0;
    carry_three(d);
    assert_int_equal(strncmp(said, "sent b2-t4.1 to coordinator-1;ack 2;mail to one@example.org: several-", 69), 0);
}

static void a_digest_that_has_to_wait_comes_again_as_one(void **state)
{
    (void)state;
    struct delivered d[3];
    a_morning(d);
    d[1].delivery.attempt = 2;
    mail.answers[0].result = SEND_LATER;
    carry_three(d);
    assert_string_equal(strchr(said, ';') + 1, "nack 1 in 2000;nack 2 in 2000;nack 3 in 2000;");
}

static void a_digest_that_is_refused_as_a_whole_goes_piece_by_piece(void **state)
{
    (void)state;
    struct delivered d[3];
    a_morning(d);
    mail.answers[0].result = SEND_NEVER;
    mail.answers[2].result = SEND_NEVER; /* of the single ones the second, too */
    carry_three(d);
    assert_string_equal(strchr(said, ';') + 1,
                        "mail to one@example.org: a1-t1.1;sent a1-t1.1 to coordinator-1;ack 1;"
                        "mail to one@example.org: b2-t4.1;hook to https://two.example.org: b2-t4.1;"
                        "sent b2-t4.1 to coordinator-1;ack 2;"
                        "mail to one@example.org: c3-t2.1;sent c3-t2.1 to coordinator-1;ack 3;");
}

static void the_id_of_a_digest_does_not_depend_on_the_order(void **state)
{
    (void)state;
    struct delivered d[3];
    char one[LETTER_ID_BYTES], other[LETTER_ID_BYTES];
    a_morning(d);
    letter_id_of_many((const Handoff__V1__Delivery *[]){&d[0].delivery, &d[1].delivery}, 2, one);
    letter_id_of_many((const Handoff__V1__Delivery *[]){&d[1].delivery, &d[0].delivery}, 2, other);
    assert_string_equal(one, other);
    letter_id_of_many((const Handoff__V1__Delivery *[]){&d[1].delivery, &d[2].delivery}, 2, other);
    assert_string_not_equal(one, other);
}

static void a_digest_in_doubt_goes_again_under_its_id(void **state)
{
    (void)state;
    struct delivered d[3];
    char first[COURIER_KEY_BYTES], second[COURIER_KEY_BYTES], third[COURIER_KEY_BYTES];
    a_morning(d);
    killed_while_sending((struct delivered *[]){&d[0], &d[1]}, 2, "several-1");
    assert_true(courier_gather_key(&courier, &d[0].delivery, first));
    assert_true(courier_gather_key(&courier, &d[1].delivery, second));
    assert_true(courier_gather_key(&courier, &d[2].delivery, third));
    assert_string_equal(first, second);
    assert_string_not_equal(first, third);
    courier_carry(&courier, (const Handoff__V1__Delivery *[]){&d[0].delivery, &d[1].delivery}, 2);
    assert_int_equal(strncmp(said, "mail to one@example.org: several-1;", 35), 0);
}

/* --- what goes together
 * ------------------------------------------------------------------------------------------------ */

static void notices_to_one_address_go_together_unless_they_are_emergent(void **state)
{
    (void)state;
    struct delivered a, b;
    char one[COURIER_KEY_BYTES], other[COURIER_KEY_BYTES];
    assert_true(courier_gather_key(&courier, &staff(&a, 1, "a1-t1.1", ROUTINE)->delivery, one));
    assert_true(courier_gather_key(&courier, &staff(&b, 2, "b2-t4.1", ROUTINE)->delivery, other));
    assert_string_equal(one, other);
    b.addresses[0].address = (char *)"three@example.org";
    assert_true(courier_gather_key(&courier, &b.delivery, other));
    assert_string_not_equal(one, other);
    assert_false(courier_gather_key(&courier, &staff(&b, 2, "b2-t4.1", EMERGENT)->delivery, other));
    assert_true(courier_gather_key(&courier,
                                   &staff(&b, 2, "b2-t4.1", HANDOFF__V1__SEVERITY__SEVERITY_URGENT)->delivery, other));
    assert_string_not_equal(one, other);
}

static void an_escalation_goes_with_the_mornings_tasks_but_alone_where_it_is_urgent(void **state)
{
    (void)state;
    struct delivered a, b;
    Handoff__V1__EscalationEmission escalation = HANDOFF__V1__ESCALATION_EMISSION__INIT;
    char one[COURIER_KEY_BYTES], other[COURIER_KEY_BYTES];
    assert_true(courier_gather_key(&courier, &staff(&a, 1, "a1-t1.1", ROUTINE)->delivery, one));
    staff(&b, 2, "b2-e1.1", ROUTINE)->delivery.emission->body_case = HANDOFF__V1__EMISSION__BODY_ESCALATION;
    b.delivery.emission->escalation = &escalation;
    escalation.severity = ROUTINE;
    assert_true(courier_gather_key(&courier, &b.delivery, other));
    assert_string_equal(one, other);
    escalation.severity = HANDOFF__V1__SEVERITY__SEVERITY_URGENT;
    assert_false(courier_gather_key(&courier, &b.delivery, other));
}

static void reminders_of_one_person_go_together_unless_they_may_say_different_things(void **state)
{
    (void)state;
    struct delivered a, b;
    char one[COURIER_KEY_BYTES], other[COURIER_KEY_BYTES];
    assert_true(courier_gather_key(&courier, &family(&a, 1, "a1-n7")->delivery, one));
    assert_true(courier_gather_key(&courier, &family(&b, 2, "b2-n3")->delivery, other));
    assert_string_equal(one, other);
    b.to.content = HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_DETAILS;
    assert_true(courier_gather_key(&courier, &b.delivery, other));
    assert_string_not_equal(one, other);
}

static void what_is_over_or_in_doubt_to_a_family_waits_for_nobody(void **state)
{
    (void)state;
    struct delivered d;
    char key[COURIER_KEY_BYTES];
    carry(staff(&d, 1, "a1-t1.1", ROUTINE));
    assert_false(courier_gather_key(&courier, &d.delivery, key));
    killed_while_sending((struct delivered *[]){family(&d, 2, "b2-n3")}, 1, "b2-n3");
    assert_false(courier_gather_key(&courier, &d.delivery, key));
}

/* --- elsewhere
 * ------------------------------------------------------------------------------------------------------------ */

static void the_heartbeat_goes_by_its_own_way_and_is_told(void **state)
{
    (void)state;
    struct delivered d;
    Handoff__V1__StatusEmission status = HANDOFF__V1__STATUS_EMISSION__INIT;
    struct heartbeat_config heartbeat = {.url = "https://watch.example.org"};
    config.heartbeat = &heartbeat;
    courier.heartbeat = &hook.channel;
    deliver(&d, 1, "a1-n9");
    status.kind = HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
    d.emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    d.emission.status = &status;
    d.delivery.to = NULL;
    carry(&d);
    expect("hook to https://watch.example.org: a1-n9;sent a1-n9 to ;ack 1;");
}

static void an_outside_recipient_without_an_address_has_one_in_the_configuration(void **state)
{
    (void)state;
    struct delivered d;
    Handoff__V1__StatusEmission status = HANDOFF__V1__STATUS_EMISSION__INIT;
    Handoff__V1__Recipient recipient = HANDOFF__V1__RECIPIENT__INIT;
    struct recipient_config row = {.party = HANDOFF__V1__PARTY__PARTY_AGENCY,
                                   .id = "agency-1",
                                   .channel = WEBHOOK,
                                   .address = "https://a.example"};
    config.recipients = &row;
    config.recipients_count = 1;
    deliver(&d, 1, "a1-n9");
    recipient.party = d.to.party = HANDOFF__V1__PARTY__PARTY_AGENCY;
    recipient.id = d.to.id = (char *)"agency-1";
    status.recipient = &recipient;
    d.emission.body_case = HANDOFF__V1__EMISSION__BODY_STATUS;
    d.emission.status = &status;
    d.to.n_addresses = 0;
    carry(&d);
    expect("hook to https://a.example: a1-n9;sent a1-n9 to agency-1;ack 1;");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_notice_goes_under_its_emissions_id_is_told_and_acknowledged),
        TEST(what_comes_again_is_told_and_acknowledged_and_not_sent),
        TEST(nothing_is_acknowledged_before_it_was_told),
        TEST(what_is_not_held_any_more_is_not_sent),
        TEST(what_another_thread_carries_is_put_back),
        TEST(addressees_of_one_reminder_get_messages_with_ids_of_their_own),
        TEST(a_failure_that_passes_is_a_nack_with_what_the_other_side_asked),
        TEST(the_last_attempt_that_fails_is_told_and_given_up),
        TEST(an_address_that_fails_for_good_makes_way_for_the_next),
        TEST(an_address_that_failed_for_good_is_not_asked_in_the_next_attempt),
        TEST(a_message_that_every_address_refuses_is_told_and_given_up),
        TEST(a_dead_letter_that_is_retried_asks_every_address_anew),
        TEST(without_a_channel_for_any_address_it_is_told_and_given_up),
        TEST(channels_that_are_not_configured_are_passed_over),
        TEST(an_emergent_notice_goes_by_whichever_channel_still_works),
        TEST(that_nothing_is_delivered_goes_by_every_channel_that_still_works),
        TEST(a_reminder_in_doubt_is_reported_and_not_sent_again),
        TEST(a_notice_to_staff_in_doubt_is_sent_again_under_the_same_id),
        TEST(a_reminder_whose_worker_was_killed_while_sending_is_reported),
        TEST(a_notice_whose_worker_was_killed_while_sending_goes_again),
        TEST(a_digest_is_one_message_and_each_of_it_is_settled),
        TEST(a_digest_leaves_out_what_was_sent_before),
        TEST(a_digest_that_has_to_wait_comes_again_as_one),
        TEST(a_digest_that_is_refused_as_a_whole_goes_piece_by_piece),
        TEST(the_id_of_a_digest_does_not_depend_on_the_order),
        TEST(a_digest_in_doubt_goes_again_under_its_id),
        TEST(notices_to_one_address_go_together_unless_they_are_emergent),
        TEST(an_escalation_goes_with_the_mornings_tasks_but_alone_where_it_is_urgent),
        TEST(reminders_of_one_person_go_together_unless_they_may_say_different_things),
        TEST(what_is_over_or_in_doubt_to_a_family_waits_for_nobody),
        TEST(the_heartbeat_goes_by_its_own_way_and_is_told),
        TEST(an_outside_recipient_without_an_address_has_one_in_the_configuration),
    };
    notify_log_to(open("/dev/null", O_WRONLY | O_CLOEXEC));
    return cmocka_run_group_tests(tests, NULL, NULL);
}
