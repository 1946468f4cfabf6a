/* The ledger: what it says of a message after each step, and after a crash between any two. A crash is a child process
 * that ends without closing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "notify/ledger.h"
#include "tests/folder.h"

static const struct ledger_message reminder = {"a1b2-n7", "GUARDIAN:mother-1"};
static const uint32_t first_attempt[] = {1, 1, 1};

static struct ledger *open_ledger(void)
{
    struct ledger *ledger = NULL;
    char sentence[256] = "";
    if (ledger_open(folder_path("ledger.sqlite"), sentence, sizeof sentence, &ledger)) fail_msg("%s", sentence);
    return ledger;
}

static struct ledger_sending sending_of(const struct ledger_message *members, size_t count, const char *sent_as)
{
    return (struct ledger_sending){.sent_as = sent_as,
                                   .place = "place-1",
                                   .channel = 3,
                                   .at_ms = 1000,
                                   .members = members,
                                   .attempts = first_attempt,
                                   .count = count};
}

static struct ledger_standing standing_of(struct ledger *ledger, const struct ledger_message *message)
{
    struct ledger_standing standing;
    assert_int_equal(ledger_standing(ledger, message, &standing), 0);
    return standing;
}

/* --- crashes --------------------------------------------------------------------------------------------------- */

enum step { OPENED, INTENDED, SENT, TOLD };

static void live_until(enum step last)
{
    struct ledger *ledger = open_ledger();
    struct ledger_sending sending = sending_of(&reminder, 1, reminder.emission_id);
    struct ledger_outcome outcome = {.told = LEDGER_TOLD_SENT, .channel = 3, .at_ms = 1000};
    if (last >= INTENDED) assert_int_equal(ledger_send_begin(ledger, &sending), 0);
    if (last >= SENT) assert_int_equal(ledger_send_end(ledger, &sending, LEDGER_DONE, ""), 0);
    if (last >= TOLD) assert_int_equal(ledger_tell(ledger, &reminder, &outcome), 0);
    _exit(0);
}

static struct ledger *after_crash(enum step last)
{
    int status;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) live_until(last);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    return open_ledger();
}

static void a_crash_before_the_intent_leaves_nothing(void **state)
{
    (void)state;
    struct ledger *ledger = after_crash(OPENED);
    struct ledger_standing standing = standing_of(ledger, &reminder);
    assert_false(standing.is_done);
    assert_false(standing.is_in_doubt);
    ledger_close(&ledger);
}

static void a_crash_between_intent_and_result_leaves_the_message_in_doubt(void **state)
{
    (void)state;
    struct ledger *ledger = after_crash(INTENDED);
    struct ledger_standing standing = standing_of(ledger, &reminder);
    assert_false(standing.is_done);
    assert_true(standing.is_in_doubt);
    assert_string_equal(standing.sent_as, "a1b2-n7");
    assert_int_equal(standing.channel, 3);
    assert_int_equal(standing.at_ms, 1000);
    ledger_close(&ledger);
}

static void a_crash_after_the_result_leaves_the_message_done(void **state)
{
    (void)state;
    for (enum step last = SENT; last <= TOLD; last++) {
        struct ledger *ledger = after_crash(last);
        struct ledger_standing standing = standing_of(ledger, &reminder);
        assert_true(standing.is_done);
        assert_false(standing.is_in_doubt);
        ledger_close(&ledger);
    }
}

/* --- states ------------------------------------------------------------------------------------------------------ */

static void end_as(struct ledger *ledger, enum ledger_state state)
{
    struct ledger_sending sending = sending_of(&reminder, 1, reminder.emission_id);
    assert_int_equal(ledger_send_begin(ledger, &sending), 0);
    assert_int_equal(ledger_send_end(ledger, &sending, state, "the other side said so"), 0);
}

static void what_the_other_side_did_not_take_begins_anew(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    end_as(ledger, LEDGER_LATER);
    assert_false(standing_of(ledger, &reminder).is_in_doubt);
    end_as(ledger, LEDGER_UNKNOWN);
    assert_true(standing_of(ledger, &reminder).is_in_doubt);
    assert_string_equal(standing_of(ledger, &reminder).reason, "the other side said so");
    end_as(ledger, LEDGER_DONE);
    assert_true(standing_of(ledger, &reminder).is_done);
    ledger_close(&ledger);
}

static void done_at_one_place_is_done_whatever_is_in_doubt_at_another(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    struct ledger_sending other = sending_of(&reminder, 1, reminder.emission_id);
    end_as(ledger, LEDGER_DONE);
    other.place = "place-2";
    assert_int_equal(ledger_send_begin(ledger, &other), 0);
    assert_true(standing_of(ledger, &reminder).is_done);
    ledger_close(&ledger);
}

static void a_place_that_failed_for_good_is_skipped_in_later_attempts_alone(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    enum ledger_state at;
    end_as(ledger, LEDGER_NEVER);
    assert_int_equal(ledger_at_place(ledger, &reminder, "place-1", 2, &at), 0);
    assert_int_equal(at, LEDGER_NEVER);
    assert_int_equal(ledger_at_place(ledger, &reminder, "place-1", 1, &at), 0);
    assert_int_equal(at, LEDGER_NONE); /* an operator had it retried: from the first attempt */
    assert_int_equal(ledger_at_place(ledger, &reminder, "place-2", 2, &at), 0);
    assert_int_equal(at, LEDGER_NONE);
    ledger_close(&ledger);
}

static void addressees_of_one_emission_stand_apart(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    const struct ledger_message other = {reminder.emission_id, "PATIENT"};
    end_as(ledger, LEDGER_DONE);
    assert_false(standing_of(ledger, &other).is_done);
    ledger_close(&ledger);
}

/* --- groups ------------------------------------------------------------------------------------------------------ */

static const struct ledger_message morning[] = {
    {"a1-t1.1", "coordinator-1"}, {"b2-t4.1", "coordinator-1"}, {"c3-t2.1", "coordinator-1"}};

static void a_group_is_intended_and_ended_as_one(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    struct ledger_sending sending = sending_of(morning, 3, "several-1");
    assert_int_equal(ledger_send_begin(ledger, &sending), 0);
    for (size_t i = 0; i < 3; i++) assert_string_equal(standing_of(ledger, &morning[i]).sent_as, "several-1");
    assert_int_equal(ledger_send_end(ledger, &sending, LEDGER_DONE, ""), 0);
    for (size_t i = 0; i < 3; i++) assert_true(standing_of(ledger, &morning[i]).is_done);
    ledger_close(&ledger);
}

static void who_is_missing_when_a_group_goes_again_is_no_longer_part_of_it(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    struct ledger_sending all = sending_of(morning, 3, "several-1"), two = sending_of(morning, 2, "several-1");
    assert_int_equal(ledger_send_begin(ledger, &all), 0);
    assert_int_equal(ledger_send_begin(ledger, &two), 0);
    assert_true(standing_of(ledger, &morning[0]).is_in_doubt);
    assert_true(standing_of(ledger, &morning[1]).is_in_doubt);
    assert_false(standing_of(ledger, &morning[2]).is_in_doubt);
    ledger_close(&ledger);
}

/* --- the rest ---------------------------------------------------------------------------------------------------- */

static void what_was_told_is_told_again_in_the_same_words(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    struct ledger_outcome first = {
        .told = LEDGER_TOLD_FAILED, .channel = 3, .at_ms = 1000, .reason = "no such mailbox"};
    struct ledger_outcome again = {.told = LEDGER_TOLD_FAILED, .channel = 6, .at_ms = 2000, .reason = "gone"};
    struct ledger_outcome other = {.told = LEDGER_TOLD_SENT, .channel = 6, .at_ms = 3000};
    assert_int_equal(ledger_tell(ledger, &reminder, &first), 0);
    assert_int_equal(ledger_tell(ledger, &reminder, &again), 0);
    assert_int_equal(ledger_tell(ledger, &reminder, &other), 0);
    assert_int_equal(again.channel, 3);
    assert_int_equal(again.at_ms, 1000);
    assert_string_equal(again.reason, "no such mailbox");
    assert_int_equal(other.at_ms, 3000);
    ledger_close(&ledger);
}

static void one_carries_a_message_at_a_time(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    assert_true(ledger_claim(ledger, &reminder));
    assert_false(ledger_claim(ledger, &reminder));
    assert_true(ledger_claim(ledger, &morning[0]));
    ledger_release(ledger, &reminder);
    assert_true(ledger_claim(ledger, &reminder));
    ledger_close(&ledger);
}

static void pruning_forgets_what_is_old_and_keeps_what_is_not(void **state)
{
    (void)state;
    struct ledger *ledger = open_ledger();
    end_as(ledger, LEDGER_DONE);
    assert_int_equal(ledger_prune(ledger, 1000), 0); /* touched in our century */
    assert_true(standing_of(ledger, &reminder).is_done);
    assert_int_equal(ledger_prune(ledger, INT64_MAX), 0);
    assert_false(standing_of(ledger, &reminder).is_done);
    ledger_close(&ledger);
}

static void an_address_is_kept_as_a_keyed_hash_that_lasts(void **state)
{
    (void)state;
    char before[LEDGER_PLACE_BYTES], after[LEDGER_PLACE_BYTES], other[LEDGER_PLACE_BYTES];
    struct ledger *ledger = open_ledger();
    ledger_place(ledger, 3, "mother@example.org", before);
    ledger_place(ledger, 6, "mother@example.org", other);
    ledger_close(&ledger);
    ledger = open_ledger();
    ledger_place(ledger, 3, "mother@example.org", after);
    assert_string_equal(before, after);
    assert_string_not_equal(before, other);
    ledger_close(&ledger);
}

static void a_second_process_is_refused_with_a_sentence(void **state)
{
    (void)state;
    int status;
    struct ledger *ledger = open_ledger();
    pid_t child = fork();
    if (child == 0) {
        struct ledger *second = NULL;
        char sentence[256] = "";
        int code = ledger_open(folder_path("ledger.sqlite"), sentence, sizeof sentence, &second);
        _exit(code == -1 && strstr(sentence, "another handoff-notify has it open") ? 0 : 1);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    ledger_close(&ledger);
}

static void a_file_that_is_no_ledger_is_left_alone(void **state)
{
    (void)state;
    struct ledger *ledger = NULL;
    char sentence[256];
    FILE *file = fopen(folder_path("ledger.sqlite"), "w");
    fputs("somebody's notes, and more of them, so that it is longer than any header could be\n", file);
    fclose(file);
    assert_int_equal(ledger_open(folder_path("ledger.sqlite"), sentence, sizeof sentence, &ledger), -1);
    assert_non_null(strstr(sentence, "not a database"));
    assert_null(ledger);
}

static void the_file_is_its_owners_alone(void **state)
{
    (void)state;
    struct stat info;
    struct ledger *ledger = open_ledger();
    assert_int_equal(stat(folder_path("ledger.sqlite"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    ledger_close(&ledger);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_crash_before_the_intent_leaves_nothing),
        TEST(a_crash_between_intent_and_result_leaves_the_message_in_doubt),
        TEST(a_crash_after_the_result_leaves_the_message_done),
        TEST(what_the_other_side_did_not_take_begins_anew),
        TEST(done_at_one_place_is_done_whatever_is_in_doubt_at_another),
        TEST(a_place_that_failed_for_good_is_skipped_in_later_attempts_alone),
        TEST(addressees_of_one_emission_stand_apart),
        TEST(a_group_is_intended_and_ended_as_one),
        TEST(who_is_missing_when_a_group_goes_again_is_no_longer_part_of_it),
        TEST(what_was_told_is_told_again_in_the_same_words),
        TEST(one_carries_a_message_at_a_time),
        TEST(pruning_forgets_what_is_old_and_keeps_what_is_not),
        TEST(an_address_is_kept_as_a_keyed_hash_that_lasts),
        TEST(a_second_process_is_refused_with_a_sentence),
        TEST(a_file_that_is_no_ledger_is_left_alone),
        TEST(the_file_is_its_owners_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
