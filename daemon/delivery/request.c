/* What workers and operators ask: checked at once, staged for this turn's entry, answered after its commit. */
#include "delivery/inside.h"

#include <ctype.h>
#include <string.h>

#include "core/message.h"

#include "base/banned.h"

#define CODE(NAME) HANDOFF__V1__CODE__CODE_##NAME
#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME
#define DAY_MS 86400000
enum { LOOKS_MAX = 16 * HELD_MAX }; /* numbers looked at for one request, so that nobody stops the others */

static const struct delivery_refusal taken = {CODE(UNSPECIFIED), NULL, NULL};

static struct delivery_refusal refuse(Handoff__V1__Code code, const char *field, const char *sentence)
{
    return (struct delivery_refusal){code, sentence, field};
}

static struct delivery_refusal refuse_unknown(void)
{
    return refuse(CODE(UNKNOWN_SUBSCRIPTION), "name", "there is no subscription of this name");
}

/* --- answers ------------------------------------------------------------------------------------------------------- */
/* message: of the reply's body. of NULL: it does not hang on an entry. */
static void answer_later(struct delivery *d, uint64_t connection, uint64_t tag, const struct subscription *of,
                         Handoff__V1__Reply__BodyCase body, void *message)
{
    Handoff__V1__Reply *reply = MESSAGE_NEW(d->staging, Handoff__V1__Reply, reply);
    reply->tag = tag;
    reply->body_case = body;
    reply->settle = message; /* every member of the oneof is a pointer to a message */
    d->answers[d->answer_count++] =
        (struct answer){.connection = connection, .reply = reply, .of = (struct subscription *)(uintptr_t)of};
}

static void send_unavailable(struct delivery *d, const struct answer *a)
{
    Handoff__V1__Error error = HANDOFF__V1__ERROR__INIT;
    Handoff__V1__Reply reply = HANDOFF__V1__REPLY__INIT;
    error.code = CODE(UNAVAILABLE);
    error.sentence = (char *)(uintptr_t)"Nothing is known to be stored; ask again.";
    reply.tag = a->reply->tag;
    reply.body_case = HANDOFF__V1__REPLY__BODY_ERROR;
    reply.error = &error;
    d->options.send(d->options.context, a->connection, &reply);
}

void answer_all(struct delivery *d, const struct subscription *of, bool is_durable)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < d->answer_count; i++) {
        const struct answer *a = &d->answers[i];
        if (a->of != of)
            d->answers[kept++] = *a;
        else if (is_durable)
            d->options.send(d->options.context, a->connection, a->reply);
        else
            send_unavailable(d, a);
    }
    d->answer_count = kept;
}

/* What hangs on an entry waits for it; the rest is answered at this turn's end. */
static const struct subscription *hangs_on(const struct subscription *s)
{
    return s->is_dirty || s->is_making || s->is_leaving ? s : NULL;
}

/* --- subscribing ---------------------------------------------------------------------------------------------------- */
static bool is_name(const char *name)
{
    size_t len = strlen(name);
    if (len == 0 || len >= LEDGER_NAME_BYTES) return false;
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)name[i]) && strchr("._-", name[i]) == NULL) return false;
    return true;
}

/* Defaults for what is left out, and which of the numbers lies outside its range. */
static struct delivery_refusal fill_settings(Handoff__V1__SubscriptionSettings *to)
{
    const struct {
        uint32_t *value, usual, least, most;
        const char *field, *sentence;
    } rows[] = {
        {&to->lease_ms, 30000, 100, 600000, "settings.lease_ms", "a lease lasts 100 ms to 10 minutes"},
        {&to->attempts, 10, 1, 1000, "settings.attempts", "attempts are 1 to 1000"},
        {&to->backoff_first_ms, 1000, 1, DAY_MS, "settings.backoff_first_ms", "a pause lasts 1 ms to 24 hours"},
        {&to->backoff_most_ms, 900000, 1, DAY_MS, "settings.backoff_most_ms", "a pause lasts 1 ms to 24 hours"},
        {&to->absent_ms, 120000, 100, DAY_MS, "settings.absent_ms", "somebody is told after 100 ms to 24 hours"},
        {&to->behind_ms, 300000, 100, DAY_MS, "settings.behind_ms", "somebody is told after 100 ms to 24 hours"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        if (*rows[i].value == 0) *rows[i].value = rows[i].usual;
        if (*rows[i].value < rows[i].least || *rows[i].value > rows[i].most)
            return refuse(CODE(BAD_VALUE), rows[i].field, rows[i].sentence);
    }
    return taken;
}

/* Of other requests unknown fields are passed over; here one would widen what is handed out, or move where it begins. */
static struct delivery_refusal check_known(const ProtobufCMessage *message, const char *field)
{
    if (message == NULL || message->n_unknown_fields == 0) return taken;
    return refuse(CODE(MALFORMED), field, "it has a field that this daemon does not know; compare versions");
}

static struct delivery_refusal check_settings(struct delivery *d, const Handoff__V1__SubscriptionSettings *from,
                                              Handoff__V1__SubscriptionSettings **ret_settings)
{
    Handoff__V1__SubscriptionSettings *settings = message_copy(from, d->staging);
    struct filter filter;
    const char *field;
    struct delivery_refusal refusal = check_known(&settings->base, "settings");
    if (refusal.code == CODE(UNSPECIFIED) && settings->filter != NULL)
        refusal = check_known(&settings->filter->base, "settings.filter");
    if (refusal.code == CODE(UNSPECIFIED)) refusal = fill_settings(settings);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    if (settings->filter == NULL)
        settings->filter = MESSAGE_NEW(d->staging, Handoff__V1__SubscriptionFilter, subscription_filter);
    const char *why = filter_compile(settings, &filter, &field);
    if (why != NULL) return refuse(CODE(BAD_VALUE), field, why);
    if (settings->filter->site[0] != 0 &&
        strcmp(rules_site(engine_rules(d->engine), settings->filter->site)->name, settings->filter->site) != 0)
        return refuse(CODE(BAD_VALUE), "settings.filter.site", "there is no such site");
    *ret_settings = settings;
    return taken;
}

static struct delivery_refusal start_after(struct delivery *d, const Handoff__V1__SubscriptionStart *start,
                                           uint64_t *ret_sequence)
{
    struct engine_state state;
    engine_state(d->engine, &state);
    *ret_sequence = state.last_sequence;
    if (start == NULL) return taken;
    struct delivery_refusal refusal = check_known(&start->base, "start");
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    switch (start->from_case) {
    case HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING: *ret_sequence = 0; break;
    case HANDOFF__V1__SUBSCRIPTION_START__FROM_AFTER_SEQUENCE:
        if (start->after_sequence > state.last_sequence)
            return refuse(CODE(BAD_VALUE), "start.after_sequence", "the journal does not reach so far");
        *ret_sequence = start->after_sequence;
        break;
    case HANDOFF__V1__SUBSCRIPTION_START__FROM_AT_MS:
        if (engine_sequence_before(d->engine, start->at_ms, ret_sequence) != 0)
            return refuse(CODE(INTERNAL), "start.at_ms", "the journal does not read back; run handoffd verify");
        break;
    case HANDOFF__V1__SUBSCRIPTION_START__FROM_NOW:
    case HANDOFF__V1__SUBSCRIPTION_START__FROM__NOT_SET:
    case _HANDOFF__V1__SUBSCRIPTION_START__FROM__CASE_IS_INT_SIZE: break;
    }
    return taken;
}

static void stage_making(struct delivery *d, struct subscription *s, Handoff__V1__SubscriptionSettings *settings,
                         uint64_t after)
{
    s->making = MESSAGE_NEW(d->staging, Handoff__V1__SubscriptionMade, subscription_made);
    s->making->settings = settings;
    s->making->after_sequence = after;
    s->is_making = s->is_dirty = true;
}

static struct delivery_refusal make_new(struct delivery *d, const Handoff__V1__SubscribeRequest *r,
                                        struct subscription **ret_subscription)
{
    Handoff__V1__SubscriptionSettings *settings;
    uint64_t after;
    if (!is_name(r->name))
        return refuse(CODE(BAD_ID), "name", "a name is 1 to 64 letters, digits, dots, hyphens and underscores");
    if (r->settings == NULL) return refuse_unknown();
    struct delivery_refusal refusal = check_settings(d, r->settings, &settings);
    if (refusal.code == CODE(UNSPECIFIED)) refusal = start_after(d, r->start, &after);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    struct subscription *s = delivery_add(d, r->name);
    if (s == NULL) return refuse(CODE(TOO_MANY), "name", "there are as many subscriptions as there may be; delete one");
    stage_making(d, s, settings, after);
    d->has_new_names = true;
    *ret_subscription = s;
    return taken;
}

/* Of what there is already, durable or about to be. */
/* "settings.lease_ms", "settings.filter.kinds": the first that is another. */
static const char *difference(struct delivery *d, const ProtobufCMessage *a, const ProtobufCMessage *b, const char *prefix)
{
    for (unsigned i = 0; i < a->descriptor->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &a->descriptor->fields[i];
        if (message_field_equal(a, b, field)) continue;
        size_t prefix_len = strlen(prefix), name_len = strlen(field->name);
        char *path = arena_alloc(d->staging, prefix_len + 1 + name_len + 1);
        memcpy(path, prefix, prefix_len);
        path[prefix_len] = '.';
        memcpy(path + prefix_len + 1, field->name, name_len + 1);
        return path;
    }
    return prefix;
}

static struct delivery_refusal compare_settings(struct delivery *d, const struct subscription *s,
                                                const Handoff__V1__SubscribeRequest *r)
{
    Handoff__V1__SubscriptionSettings *settings;
    if (r->settings == NULL) return taken;
    struct delivery_refusal refusal = check_settings(d, r->settings, &settings);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    const Handoff__V1__SubscriptionSettings *in_force = s->is_making ? s->making->settings : s->ledger.settings;
    if (message_equal(settings, in_force)) return taken;
    const char *field = message_equal(settings->filter, in_force->filter)
                            ? difference(d, &settings->base, &in_force->base, "settings")
                            : difference(d, &settings->filter->base, &in_force->filter->base, "settings.filter");
    return refuse(CODE(SETTINGS_DIFFER), field, "this subscription was begun with other settings");
}

static struct session *free_session(struct subscription *s)
{
    for (uint32_t i = 0; i < DELIVERY_SESSIONS_MAX; i++) {
        if (s->sessions[i].is_open) continue;
        if (i >= s->session_count) s->session_count = i + 1;
        return &s->sessions[i];
    }
    return NULL;
}

static struct delivery_refusal subscribe(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    const Handoff__V1__SubscribeRequest *r = request->subscribe;
    struct subscription *s = delivery_find(d, r->name);
    struct delivery_refusal refusal;
    if (r->credit > DELIVERY_CREDIT_MAX) return refuse(CODE(BAD_VALUE), "credit", "credit is at most 10000");
    if (s != NULL && s->is_leaving) return refuse(CODE(UNAVAILABLE), "name", "it is being deleted; ask again");
    bool is_new = s == NULL;
    refusal = is_new ? make_new(d, r, &s) : compare_settings(d, s, r);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    struct session *session = session_find(s, connection);
    if (session != NULL) session_end(d, s, session, false);
    session = free_session(s);
    if (session == NULL) return refuse(CODE(TOO_MANY), "name", "it has as many workers as it may have");
    *session = (struct session){
        .connection = connection, .tag = request->tag, .credit = r->credit, .heard_ms = d->machine_ms, .is_open = true};
    s->absent_since_ms = 0;
    Handoff__V1__SubscribeReply *reply = MESSAGE_NEW(d->staging, Handoff__V1__SubscribeReply, subscribe_reply);
    reply->settings = message_copy(s->is_making ? s->making->settings : s->ledger.settings, d->staging);
    reply->is_new = is_new;
    answer_later(d, connection, request->tag, hangs_on(s), HANDOFF__V1__REPLY__BODY_SUBSCRIBE, reply);
    return taken;
}

/* --- settling --------------------------------------------------------------------------------------------------------- */
struct settling {
    struct delivery *d;
    struct subscription *s;
    uint32_t session;
    uint32_t looks; /* numbers that were looked at */
    Handoff__V1__SettleReply *reply;
};

static const struct delivery_refusal not_held = {CODE(NOT_HELD), "this connection does not hold it (any more)", NULL};
static const struct delivery_refusal not_all = {
    CODE(NOT_HELD), "this connection does not hold all of these any more: what is not comes again", NULL};
static const struct delivery_refusal no_room = {
    CODE(UNAVAILABLE), "as much is set aside as may be; it stays with this connection until its lease ends", NULL};
static const struct delivery_refusal not_now = {CODE(UNAVAILABLE), "that is too much at once; say it again", NULL};

static void refuse_number(struct settling *x, uint64_t number, struct delivery_refusal why)
{
    Handoff__V1__SettleRefusal *r = MESSAGE_NEW(x->d->staging, Handoff__V1__SettleRefusal, settle_refusal);
    r->number = number;
    r->code = why.code;
    r->sentence = (char *)(uintptr_t)why.sentence;
    list_append(x->d->staging, &x->reply->refused, &x->reply->n_refused, r);
}

/* What a number is: a message of the window, or a row. False: this worker does not hold it. */
struct thing {
    uint64_t position;
    struct aside *row; /* NULL: of the window */
};
static struct aside *find_row(struct subscription *s, uint64_t number)
{
    for (uint32_t i = 0; i < s->ledger.aside_count; i++)
        if (s->ledger.aside[i].number == number) return &s->ledger.aside[i];
    return NULL;
}

static bool find_thing(struct settling *x, uint64_t number, struct thing *ret)
{
    struct subscription *s = x->s;
    const struct held *h = &s->held[number % HELD_MAX];
    if (number == 0 || h->number != number) return false;
    *ret = (struct thing){.position = h->position};
    if (h->position == UINT64_MAX) {
        ret->row = find_row(s, number);
        return ret->row != NULL && !ret->row->is_staged && ret->row->session == x->session;
    }
    const struct message *m = window_at(&s->window, h->position);
    return m->state == MESSAGE_OUT && m->session == x->session;
}

static void acknowledge(struct settling *x, const struct thing *thing)
{
    x->s->acknowledged++;
    if (thing->row == NULL) {
        stage_past(x->s, thing->position);
        return;
    }
    stage_disclosed(x->d, x->s, thing->row);
    stage_end_row(x->d, x->s, thing->row);
}

static void acknowledge_range(struct settling *x, const Handoff__V1__NumberRange *range)
{
    uint64_t last = range->last != 0 ? range->last : range->first;
    uint64_t newest = x->s->next_number - 1;
    uint64_t oldest = newest >= HELD_MAX ? newest - HELD_MAX + 1 : 1;
    uint64_t number = range->first > oldest ? range->first : oldest;
    bool has_any = false;
    struct thing thing;
    for (; number <= last && number <= newest && x->looks < LOOKS_MAX; number++, x->looks++) {
        if (!find_thing(x, number, &thing)) continue;
        has_any = true;
        if (thing.row == NULL || stage_has_room(x->d, x->s, 0))
            acknowledge(x, &thing);
        else
            refuse_number(x, number, not_now);
    }
    const struct session *session = &x->s->sessions[x->session];
    if (number <= last && number <= newest)
        refuse_number(x, number, not_now);
    else if (!has_any)
        refuse_number(x, range->first, not_held);
    else if (session->lost_last >= range->first && session->lost_first != 0 && session->lost_first <= last)
        refuse_number(x, range->first, not_all);
}

static void reject(struct settling *x, const Handoff__V1__Nack *nack)
{
    struct thing thing;
    struct failure f = {.delay_ms = nack->delay_ms > DAY_MS ? DAY_MS : nack->delay_ms,
                        .is_permanent = nack->is_permanent,
                        .is_unspent = nack->is_unspent,
                        .reason = nack->reason[0] != 0 ? nack->reason : "the worker said that it failed"};
    if (!find_thing(x, nack->number, &thing))
        refuse_number(x, nack->number, not_held);
    else if (!stage_has_room(x->d, x->s, thing.row == NULL ? 1 : 0))
        refuse_number(x, nack->number, no_room);
    else if (thing.row != NULL)
        stage_failed_row(x->d, x->s, thing.row, &f);
    else
        stage_failed_message(x->d, x->s, thing.position, &f);
}

static void extend(struct settling *x, uint64_t number)
{
    struct thing thing;
    int64_t until_ms = x->d->machine_ms + subscription_lease_ms(x->s);
    if (!find_thing(x, number, &thing))
        refuse_number(x, number, not_held);
    else if (thing.row != NULL)
        thing.row->lease_ms = until_ms;
    else
        window_at(&x->s->window, thing.position)->lease_ms = until_ms;
}

static struct delivery_refusal settle(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    const Handoff__V1__SettleRequest *r = request->settle;
    struct subscription *s = delivery_find(d, r->name);
    struct session *session = s != NULL ? session_find(s, connection) : NULL;
    if (session == NULL)
        return refuse(CODE(NOT_SUBSCRIBED), "name", "this connection is not subscribed (any more); subscribe again");
    if (r->credit != NULL && r->credit->value > DELIVERY_CREDIT_MAX)
        return refuse(CODE(BAD_VALUE), "credit", "credit is at most 10000");
    if (s->is_written || s->is_making || s->is_leaving)
        return refuse(CODE(UNAVAILABLE), NULL, "what was settled before is not stored yet; ask again");
    struct settling x = {.d = d, .s = s, .session = (uint32_t)(session - s->sessions)};
    x.reply = MESSAGE_NEW(d->staging, Handoff__V1__SettleReply, settle_reply);
    session->heard_ms = d->machine_ms;
    session->is_silent = false;
    if (r->credit != NULL) session->credit = r->credit->value;
    for (size_t i = 0; i < r->n_acks; i++)
        acknowledge_range(&x, r->acks[i]);
    for (size_t i = 0; i < r->n_nacks; i++)
        reject(&x, r->nacks[i]);
    for (size_t i = 0; i < r->n_extends; i++)
        extend(&x, r->extends[i]->number);
    answer_later(d, connection, request->tag, hangs_on(s), HANDOFF__V1__REPLY__BODY_SETTLE, x.reply);
    return taken;
}

static struct delivery_refusal unsubscribe(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    struct subscription *s = delivery_find(d, request->unsubscribe->name);
    struct session *session = s != NULL ? session_find(s, connection) : NULL;
    if (session == NULL)
        return refuse(CODE(NOT_SUBSCRIBED), "name", "this connection is not subscribed (any more)");
    session_end(d, s, session, false);
    answer_later(d, connection, request->tag, hangs_on(s), HANDOFF__V1__REPLY__BODY_UNSUBSCRIBE,
                 MESSAGE_NEW(d->staging, Handoff__V1__UnsubscribeReply, unsubscribe_reply));
    return taken;
}

/* --- operators ---------------------------------------------------------------------------------------------------------- */
static struct delivery_refusal check_idle(const struct subscription *s)
{
    if (s == NULL || !s->is_made) return refuse_unknown();
    if (s->is_making || s->is_leaving || s->is_written)
        return refuse(CODE(UNAVAILABLE), "name", "it is being changed; ask again");
    return taken;
}

static struct delivery_refusal reset(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    const Handoff__V1__SubscriptionResetRequest *r = request->subscription_reset;
    struct subscription *s = delivery_find(d, r->name);
    uint64_t after;
    struct delivery_refusal refusal = check_idle(s);
    if (refusal.code == CODE(UNSPECIFIED)) refusal = start_after(d, r->start, &after);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    stage_making(d, s, message_copy(s->ledger.settings, d->staging), after);
    answer_later(d, connection, request->tag, s, HANDOFF__V1__REPLY__BODY_SUBSCRIPTION_RESET,
                 MESSAGE_NEW(d->staging, Handoff__V1__SubscriptionResetReply, subscription_reset_reply));
    return taken;
}

static struct delivery_refusal delete(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    struct subscription *s = delivery_find(d, request->subscription_delete->name);
    struct delivery_refusal refusal = check_idle(s);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    s->is_leaving = s->is_dirty = d->has_new_names = true;
    answer_later(d, connection, request->tag, s, HANDOFF__V1__REPLY__BODY_SUBSCRIPTION_DELETE,
                 MESSAGE_NEW(d->staging, Handoff__V1__SubscriptionDeleteReply, subscription_delete_reply));
    return taken;
}

static bool is_meant(const struct aside *row, const Handoff__V1__DeadLetterRequest *r)
{
    if (row->kind != ASIDE(DEAD) || row->is_staged) return false;
    return r->sequence == 0 || (row->at.sequence == r->sequence && row->at.position == r->position &&
                                strcmp(row->addressee, r->addressee) == 0);
}

static void revive(struct delivery *d, struct subscription *s, struct aside *row)
{
    struct aside again = *row;
    again.kind = ASIDE(RETRY);
    again.attempts = 0;
    again.delay_ms = 0;
    stage_row(d, s, &again);
}

static struct delivery_refusal dead_letter(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    const Handoff__V1__DeadLetterRequest *r = request->dead_letter;
    struct subscription *s = delivery_find(d, r->name);
    struct delivery_refusal refusal = check_idle(s);
    if (refusal.code != CODE(UNSPECIFIED)) return refusal;
    Handoff__V1__DeadLetterReply *reply = MESSAGE_NEW(d->staging, Handoff__V1__DeadLetterReply, dead_letter_reply);
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        struct aside *row = &s->ledger.aside[i];
        if (!is_meant(row, r) || !stage_has_room(d, s, 0)) continue;
        if (r->is_dropped)
            stage_end_row(d, s, row);
        else
            revive(d, s, row);
        reply->count++;
    }
    if (reply->count == 0) return refuse(CODE(UNKNOWN_ID), "sequence", "it has no such dead letter");
    answer_later(d, connection, request->tag, s, HANDOFF__V1__REPLY__BODY_DEAD_LETTER, reply);
    return taken;
}

/* --- all of them ---------------------------------------------------------------------------------------------------------- */
static const struct {
    Handoff__V1__Request__BodyCase body;
    struct delivery_refusal (*take)(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request);
} takers[] = {
    {HANDOFF__V1__REQUEST__BODY_SUBSCRIBE, subscribe},
    {HANDOFF__V1__REQUEST__BODY_SETTLE, settle},
    {HANDOFF__V1__REQUEST__BODY_UNSUBSCRIBE, unsubscribe},
    {HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_RESET, reset},
    {HANDOFF__V1__REQUEST__BODY_SUBSCRIPTION_DELETE, delete},
    {HANDOFF__V1__REQUEST__BODY_DEAD_LETTER, dead_letter},
};

bool delivery_is_request(const Handoff__V1__Request *request)
{
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        if (takers[i].body == request->body_case) return true;
    return false;
}

struct delivery_refusal delivery_request(struct delivery *d, uint64_t connection, const Handoff__V1__Request *request)
{
    if (d->is_stale) return refuse(CODE(UNAVAILABLE), NULL, "the journal was opened again; ask again");
    for (size_t i = 0; i < sizeof takers / sizeof *takers; i++)
        if (takers[i].body == request->body_case) return takers[i].take(d, connection, request);
    return refuse(CODE(UNKNOWN_REQUEST), NULL, "this request is unknown");
}
