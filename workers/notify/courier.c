/* See courier.h. Neighbours: ledger.c keeps what was tried, letter.c says what a message is, report.c tells the daemon.
 */
#include "notify/courier.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handoff.h"
#include "notify/log.h"
#include "notify/report.h"

enum { BUSY_DELAY_MS = 5000, AWAY_DELAY_MS = 5000, DISK_DELAY_MS = 30000 };
enum { TOGETHER_FIRST_MS = 1000, TOGETHER_MOST_MS = 900000 };

/* The deliveries of one letter that are still to be settled. */
struct bundle {
    struct courier *courier;
    const Handoff__V1__Delivery *members[COURIER_MEMBERS_MOST];
    struct ledger_message messages[COURIER_MEMBERS_MOST];
    uint32_t attempts[COURIER_MEMBERS_MOST];
    size_t count;
    bool is_in_doubt;
    bool is_our_fault;        /* disk, memory: no attempt was made */
    char id[LEDGER_ID_BYTES]; /* the longer one */
    int64_t at_ms;            /* journal time of this attempt */
};

static struct ledger_message message_of(const Handoff__V1__Delivery *delivery)
{
    return (struct ledger_message){delivery->emission->id, letter_addressee(delivery)};
}

/* --- settling ------------------------------------------------------------------------------------------------ */

static void ack(struct courier *courier, const Handoff__V1__Delivery *delivery)
{
    courier->front->ops->ack(courier->front, delivery->number);
}

static void put_back(struct courier *courier, const Handoff__V1__Delivery *delivery, uint32_t delay_ms, const char *why)
{
    const struct front_nack nack = {
        .number = delivery->number, .delay_ms = delay_ms, .is_unspent = true, .reason = why};
    courier->front->ops->nack(courier->front, &nack);
}

/* False: the daemon did not hear it, so the delivery is not settled; it comes again, and then it is told again. */
static bool tell(struct courier *courier, const Handoff__V1__Delivery *delivery, struct ledger_outcome outcome)
{
    struct ledger_message message = message_of(delivery);
    if (ledger_tell(courier->ledger, &message, &outcome))
        notify_log(NOTIFY_ERROR, "the ledger does not keep an outcome; it is told all the same: %s; emission %s",
                   ledger_error(courier->ledger), message.emission_id);
    if (!report_publish(courier->front, courier->config->source, delivery, &outcome)) return true;
    put_back(courier, delivery, AWAY_DELAY_MS, "what became of it could not be told");
    return false;
}

static struct ledger_outcome outcome_of(enum ledger_told told, int channel, int64_t at_ms, const char *reason)
{
    struct ledger_outcome outcome = {.told = told, .channel = channel, .at_ms = at_ms};
    snprintf(outcome.reason, sizeof outcome.reason, "%s", reason);
    return outcome;
}

static void settle_sent(struct courier *courier, const Handoff__V1__Delivery *delivery, int channel, int64_t at_ms)
{
    if (tell(courier, delivery, outcome_of(LEDGER_TOLD_SENT, channel, at_ms, ""))) ack(courier, delivery);
}

static void settle_unknown(struct courier *courier, const Handoff__V1__Delivery *delivery, int channel, int64_t at_ms)
{
    static const char reason[] = "it may have gone out or not; it is not sent again";
    notify_log(NOTIFY_WARN, "in doubt and not sent again: emission %s", delivery->emission->id);
    if (tell(courier, delivery, outcome_of(LEDGER_TOLD_UNKNOWN, channel, at_ms, reason))) ack(courier, delivery);
}

static void settle_dead(struct courier *courier, const Handoff__V1__Delivery *delivery,
                        const struct ledger_outcome *outcome)
{
    const struct front_nack nack = {.number = delivery->number, .is_permanent = true, .reason = outcome->reason};
    notify_log(NOTIFY_WARN, "given up: emission %s: %s", delivery->emission->id, outcome->reason);
    if (tell(courier, delivery, *outcome)) courier->front->ops->nack(courier->front, &nack);
}

/* 0: the subscription's own. Jitter would tear apart what goes together, so several come again at one moment. */
static uint32_t delay_ms(const struct bundle *b, const struct send_report *report)
{
    uint32_t attempt = 1, delay_ms = TOGETHER_FIRST_MS;
    if (report->retry_after_ms || b->count == 1) return report->retry_after_ms;
    for (size_t i = 0; i < b->count; i++)
        if (b->attempts[i] > attempt) attempt = b->attempts[i];
    for (; attempt > 1 && delay_ms < TOGETHER_MOST_MS; attempt--) delay_ms *= 2;
    return delay_ms < TOGETHER_MOST_MS ? delay_ms : TOGETHER_MOST_MS;
}

/* Not now: the subscription tries again, or this was the last attempt. */
static void settle_later(struct bundle *b, size_t i, int channel, const struct send_report *report)
{
    const Handoff__V1__Delivery *delivery = b->members[i];
    bool is_unknown = report->result == SEND_UNKNOWN;
    if (!b->is_our_fault && delivery->attempt >= b->courier->lane->attempts) {
        char reason[LEDGER_REASON_BYTES];
        snprintf(reason, sizeof reason, "given up after %u attempts: %.200s", delivery->attempt, report->reason);
        struct ledger_outcome outcome =
            outcome_of(is_unknown ? LEDGER_TOLD_UNKNOWN : LEDGER_TOLD_FAILED, channel, b->at_ms, reason);
        settle_dead(b->courier, delivery, &outcome);
        return;
    }
    const struct front_nack nack = {.number = delivery->number,
                                    .delay_ms = delay_ms(b, report),
                                    .is_unspent = b->is_our_fault,
                                    .reason = report->reason};
    b->courier->front->ops->nack(b->courier->front, &nack);
}

/* --- what stands already ------------------------------------------------------------------------------------- */

/* True: the delivery is settled, or put back, and nothing is sent. */
static bool is_over(struct courier *courier, const Handoff__V1__Delivery *delivery,
                    struct ledger_standing *ret_standing)
{
    struct ledger_message message = message_of(delivery);
    *ret_standing = (struct ledger_standing){0};
    if (ledger_standing(courier->ledger, &message, ret_standing)) {
        notify_log(NOTIFY_ERROR, "the ledger cannot be read, nothing is sent: %s", ledger_error(courier->ledger));
        put_back(courier, delivery, DISK_DELAY_MS, "the worker's ledger cannot be read");
        return true;
    }
    if (ret_standing->is_done) settle_sent(courier, delivery, ret_standing->channel, ret_standing->at_ms);
    bool is_doubtful = ret_standing->is_in_doubt && letter_party(delivery) == LETTER_FAMILY;
    if (is_doubtful) settle_unknown(courier, delivery, ret_standing->channel, ret_standing->at_ms);
    return ret_standing->is_done || is_doubtful;
}

static void bundle_id(struct bundle *b, const char *doubted)
{
    if (b->is_in_doubt)
        snprintf(b->id, sizeof b->id, "%s", doubted);
    else
        letter_id_of_many(b->members, b->count, b->id);
}

/* Claims each and keeps those that are to be sent. */
static void bundle_make(struct bundle *b, struct courier *courier, const Handoff__V1__Delivery *const *members,
                        size_t count)
{
    struct ledger_standing standing = {0};
    char doubted[LEDGER_ID_BYTES] = "";
    assert(count <= COURIER_MEMBERS_MOST);
    *b = (struct bundle){.courier = courier};
    for (size_t i = 0; i < count; i++) {
        struct ledger_message message = message_of(members[i]);
        if (!courier->front->ops->holds(courier->front, members[i]->number)) continue;
        if (!ledger_claim(courier->ledger, &message)) {
            put_back(courier, members[i], BUSY_DELAY_MS, "another worker carries it just now");
            continue;
        }
        if (is_over(courier, members[i], &standing)) {
            ledger_release(courier->ledger, &message);
            continue;
        }
        b->is_in_doubt |= standing.is_in_doubt;
        if (standing.is_in_doubt) snprintf(doubted, sizeof doubted, "%s", standing.sent_as);
        b->members[b->count] = members[i];
        b->messages[b->count] = message;
        b->attempts[b->count++] = members[i]->attempt;
    }
    if (!b->count) return;
    b->at_ms = courier->front->ops->now_ms(courier->front, b->members[0]->emission->at_ms);
    bundle_id(b, doubted);
}

/* --- one sending --------------------------------------------------------------------------------------------- */

static int64_t wall_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static struct send_report not_sent(struct bundle *b, const char *reason)
{
    struct send_report report = {.result = SEND_LATER, .retry_after_ms = DISK_DELAY_MS};
    snprintf(report.reason, sizeof report.reason, "%s", reason);
    b->is_our_fault = true;
    return report;
}

static struct send_report hand_over(struct channel *channel, const struct letter *letter,
                                    const struct rendered *rendered, const char *json, int64_t now_ms)
{
    char severity[64];
    static const char *const words[] = {"", "routine", "urgent", "emergent"};
    unsigned level = (unsigned)letter_severity(letter->members[0]);
    snprintf(severity, sizeof severity, "%s", level < sizeof words / sizeof *words ? words[level] : "");
    const struct outgoing outgoing = {.id = letter->id,
                                      .to = letter->address->address,
                                      .to_name = "",
                                      .from_name = letter->site->name,
                                      .from = letter->site->from,
                                      .subject = rendered->subject,
                                      .body = rendered->body,
                                      .language = rendered->language,
                                      .kind = letter_kind(letter->members, letter->count),
                                      .severity = severity,
                                      .json = json,
                                      .at_ms = now_ms};
    return channel_send(channel, &outgoing);
}

static enum ledger_state state_of(enum send_result result)
{
    switch (result) {
    case SEND_DONE:
        return LEDGER_DONE;
    case SEND_LATER:
        return LEDGER_LATER;
    case SEND_NEVER:
        return LEDGER_NEVER;
    case SEND_UNKNOWN:
        break;
    }
    return LEDGER_UNKNOWN;
}

/* Between the two commits of the ledger lies the doubt. */
static struct send_report send_recorded(struct bundle *b, struct channel *channel, const struct letter *letter,
                                        const char *place)
{
    struct courier *courier = b->courier;
    struct rendered rendered = {0};
    int64_t now_ms = wall_ms();
    if (courier->words.write(courier->words.context, letter, &rendered))
        return not_sent(b, "there is not enough memory to put it into words");
    char *json = letter_json(letter, &rendered, now_ms);
    b->is_our_fault = false;
    const struct ledger_sending sending = {.sent_as = b->id,
                                           .place = place,
                                           .channel = (int)letter->address->channel,
                                           .at_ms = b->at_ms,
                                           .members = b->messages,
                                           .attempts = b->attempts,
                                           .count = b->count};
    struct send_report report = {0};
    if (!json) {
        report = not_sent(b, "there is not enough memory to put it into words");
    } else if (ledger_send_begin(courier->ledger, &sending)) {
        notify_log(NOTIFY_ERROR, "the ledger takes no intent, nothing is sent: %s", ledger_error(courier->ledger));
        report = not_sent(b, "the worker's ledger takes nothing");
    } else {
        report = hand_over(channel, letter, &rendered, json, now_ms);
        if (ledger_send_end(courier->ledger, &sending, state_of(report.result), report.reason))
            notify_log(NOTIFY_ERROR, "the ledger takes no result: %s; message %s", ledger_error(courier->ledger),
                       b->id);
    }
    free(json);
    rendered_free(&rendered);
    return report;
}

/* --- address by address -------------------------------------------------------------------------------------- */

static struct channel *channel_for(const struct courier *courier, const Handoff__V1__Address *address)
{
    size_t channel = (size_t)address->channel;
    return channel < COURIER_CHANNELS ? courier->channels[channel] : NULL;
}

/* What the dead man's signal and unknown outside recipients have instead of the daemon's addresses. */
static bool own_address(const struct courier *courier, const Handoff__V1__Delivery *delivery,
                        Handoff__V1__Address *address)
{
    const Handoff__V1__Emission *e = delivery->emission;
    if (e->body_case != HANDOFF__V1__EMISSION__BODY_STATUS) return false;
    handoff__v1__address__init(address);
    if (e->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT) {
        address->channel = HANDOFF__V1__CHANNEL__CHANNEL_WEBHOOK;
        address->address = (char *)(courier->config->heartbeat ? courier->config->heartbeat->url : "");
        return courier->heartbeat != NULL;
    }
    const struct recipient_config *row = config_recipient(courier->config, e->status->recipient);
    if (!row) return false;
    address->channel = row->channel;
    address->address = (char *)row->address;
    return true;
}

/* Address number `i` of a delivery, and its channel; false: no more. */
static bool address_at(const struct courier *courier, const Handoff__V1__Delivery *delivery, size_t i,
                       Handoff__V1__Address *ret_address, struct channel **ret_channel)
{
    size_t count = delivery->to ? delivery->to->n_addresses : 0;
    bool is_own = count == 0 && i == 0;
    if (is_own ? !own_address(courier, delivery, ret_address) : i >= count) return false;
    if (!is_own) *ret_address = *delivery->to->addresses[i];
    const Handoff__V1__Emission *e = delivery->emission;
    bool is_signal = is_own && e->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT;
    *ret_channel = is_signal ? courier->heartbeat : channel_for(courier, ret_address);
    return true;
}

static bool is_emergent_to_staff(const struct bundle *b)
{
    return letter_party(b->members[0]) == LETTER_STAFF &&
           letter_severity(b->members[0]) == HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT;
}

/* That nothing is delivered is said at every address: whatever stands still, another may still work. */
static bool goes_everywhere(const struct bundle *b)
{
    const Handoff__V1__Emission *e = b->members[0]->emission;
    return b->count == 1 && is_emergent_to_staff(b) && e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION &&
           e->escalation->why[0];
}

/* Failed at this place before, in this series of attempts. Read failures are as if it had not. */
static bool is_known_to_fail(struct bundle *b, const char *place)
{
    enum ledger_state state = LEDGER_NONE;
    for (size_t i = 0; i < b->count; i++) {
        ledger_at_place(b->courier->ledger, &b->messages[i], place, b->attempts[i], &state);
        if (state == LEDGER_NEVER) return true;
    }
    return false;
}

static void log_sending(const struct bundle *b, int channel, const struct send_report *report)
{
    char word[64];
    handoff_enum_word(&handoff__v1__channel__descriptor, channel, word, sizeof word);
    notify_log(report->result == SEND_DONE ? NOTIFY_INFO : NOTIFY_WARN, "%s: %s %s, of %s with %zu emissions%s%s",
               send_result_word(report->result), word, b->id, b->courier->lane->name, b->count,
               *report->reason ? ": " : "", report->reason);
}

/* What came of all that could be tried in this attempt. */
struct verdict {
    struct send_report report;
    int channel;
    bool has_tried;
};

static bool is_final(const struct bundle *b, const struct send_report *report)
{
    switch (report->result) {
    case SEND_DONE:
        return !goes_everywhere(b);
    case SEND_LATER:
        return !is_emergent_to_staff(b);
    case SEND_UNKNOWN:
        return !is_emergent_to_staff(b);
    case SEND_NEVER:
        break;
    }
    return false;
}

/* After the last address: doubt outweighs a later, and that outweighs a never. */
static void weigh(struct verdict *verdict, const struct send_report *report, int channel)
{
    static const int weights[] = {[SEND_DONE] = 3, [SEND_UNKNOWN] = 2, [SEND_LATER] = 1, [SEND_NEVER] = 0};
    if (verdict->has_tried && weights[report->result] < weights[verdict->report.result]) return;
    *verdict = (struct verdict){*report, channel, true};
}

/* Before another address: a sending takes up to a third of a lease, and there may be several addresses. */
static bool keep_lease(const struct bundle *b)
{
    struct front *front = b->courier->front;
    for (size_t i = 0; i < b->count; i++) front->ops->extend(front, b->members[i]->number);
    return front->ops->holds(front, b->members[0]->number);
}

static struct verdict try_addresses(struct bundle *b)
{
    struct verdict verdict = {.report = {.result = SEND_NEVER}};
    Handoff__V1__Address address;
    struct channel *channel = NULL;
    char place[LEDGER_PLACE_BYTES];
    snprintf(verdict.report.reason, sizeof verdict.report.reason, "no channel is configured for this recipient");
    for (size_t i = 0; address_at(b->courier, b->members[0], i, &address, &channel); i++) {
        if (!channel) continue;
        if (verdict.has_tried && !keep_lease(b)) break;
        ledger_place(b->courier->ledger, (int)address.channel, address.address, place);
        if (is_known_to_fail(b, place)) {
            const struct send_report known = {.result = SEND_NEVER,
                                              .reason = "it failed for good in an earlier attempt"};
            weigh(&verdict, &known, (int)address.channel);
            continue;
        }
        const struct letter letter = {.members = b->members,
                                      .count = b->count,
                                      .site = config_site(b->courier->config, b->members[0]->emission->site),
                                      .address = &address,
                                      .id = b->id};
        struct send_report report = send_recorded(b, channel, &letter, place);
        log_sending(b, (int)address.channel, &report);
        weigh(&verdict, &report, (int)address.channel);
        if (is_final(b, &report) || b->count > 1) break; /* several: each goes on alone */
    }
    return verdict;
}

static void settle(struct bundle *b, size_t i, const struct verdict *verdict)
{
    const Handoff__V1__Delivery *delivery = b->members[i];
    struct ledger_outcome failed;
    switch (verdict->report.result) {
    case SEND_DONE:
        settle_sent(b->courier, delivery, verdict->channel, b->at_ms);
        return;
    case SEND_UNKNOWN:
        if (letter_party(delivery) == LETTER_FAMILY)
            settle_unknown(b->courier, delivery, verdict->channel, b->at_ms);
        else
            settle_later(b, i, verdict->channel, &verdict->report);
        return;
    case SEND_LATER:
        settle_later(b, i, verdict->channel, &verdict->report);
        return;
    case SEND_NEVER:
        failed = outcome_of(LEDGER_TOLD_FAILED, verdict->channel, b->at_ms, verdict->report.reason);
        settle_dead(b->courier, delivery, &failed);
        return;
    }
}

/* True: it was refused as a whole, and nothing is settled. */
static bool carry_bundle(struct bundle *b)
{
    struct verdict verdict = try_addresses(b);
    bool is_split = b->count > 1 && verdict.report.result == SEND_NEVER;
    for (size_t i = 0; !is_split && i < b->count; i++) settle(b, i, &verdict);
    for (size_t i = 0; i < b->count; i++) ledger_release(b->courier->ledger, &b->messages[i]);
    return is_split;
}

static void carry(struct bundle *b, struct courier *courier, const Handoff__V1__Delivery *const *members, size_t count)
{
    bundle_make(b, courier, members, count);
    bool is_split = b->count && carry_bundle(b);
    /* A letter of many may be refused because of one of them, and each may have another address left. */
    for (size_t i = 0; is_split && i < count; i++) {
        bundle_make(b, courier, &members[i], 1);
        if (b->count) carry_bundle(b);
    }
}

void courier_carry(struct courier *courier, const Handoff__V1__Delivery *const *members, size_t count)
{
    struct bundle *b = malloc(sizeof *b);
    if (b) carry(b, courier, members, count);
    for (size_t i = 0; !b && i < count; i++)
        put_back(courier, members[i], DISK_DELAY_MS, "the worker is out of memory");
    free(b);
}

/* --- what goes together -------------------------------------------------------------------------------------- */

static bool may_gather(const Handoff__V1__Delivery *delivery)
{
    const Handoff__V1__Emission *e = delivery->emission;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER) return true;
    if (letter_party(delivery) != LETTER_STAFF) return false;
    switch (letter_severity(delivery)) {
    case HANDOFF__V1__SEVERITY__SEVERITY_ROUTINE:
        return true;
    case HANDOFF__V1__SEVERITY__SEVERITY_URGENT: /* an escalation is seen as such, and acknowledged by itself */
        return e->body_case == HANDOFF__V1__EMISSION__BODY_TASK;
    case HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT:
    case HANDOFF__V1__SEVERITY__SEVERITY_UNSPECIFIED:
    case _HANDOFF__V1__SEVERITY_IS_INT_SIZE:
        break;
    }
    return false;
}

static bool key_of(struct courier *courier, const Handoff__V1__Delivery *delivery, char key[COURIER_KEY_BYTES])
{
    Handoff__V1__Address address;
    struct channel *channel = NULL;
    char place[LEDGER_PLACE_BYTES];
    bool is_reminder = delivery->emission->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER;
    for (size_t i = 0; address_at(courier, delivery, i, &address, &channel); i++) {
        if (!channel) continue;
        ledger_place(courier->ledger, (int)address.channel, address.address, place);
        snprintf(key, COURIER_KEY_BYTES, "at %s %d %d %d %s %s", place, is_reminder,
                 (int)letter_severity(delivery), (int)delivery->to->content, delivery->emission->site,
                 delivery->to->language);
        return true;
    }
    return false;
}

bool courier_gather_key(struct courier *courier, const Handoff__V1__Delivery *delivery, char key[COURIER_KEY_BYTES])
{
    struct ledger_message message = message_of(delivery);
    struct ledger_standing standing;
    if (!may_gather(delivery) || ledger_standing(courier->ledger, &message, &standing) || standing.is_done)
        return false;
    if (!standing.is_in_doubt) return key_of(courier, delivery, key);
    snprintf(key, COURIER_KEY_BYTES, "as %s", standing.sent_as);
    return letter_party(delivery) == LETTER_STAFF;
}
