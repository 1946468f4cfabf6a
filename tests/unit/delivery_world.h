/* A small world for the tests of delivery: the whole of it over a real engine, with machine time that the test moves and
 * workers that are numbers. Events are written as in a scenario.
 *
 *     begin();                                               an engine, a journal in memory, no subscription yet
 *     publish("mary", "safety.flag_raised", "with: {...}");  one event in a turn of its own
 *     subscribe(1, "board", settings(TASK), true, 10);       from the beginning; what comes is in x->got
 *     acknowledge(1, "board", x->got[0].number);             answered after the commit
 *     restart();                                             as after kill -9
 *
 * turn() does what the loop does in one. After every turn consistent() asks the insides whether they agree. */
#ifndef HANDOFF_TESTS_UNIT_DELIVERY_WORLD_H
#define HANDOFF_TESTS_UNIT_DELIVERY_WORLD_H

#include "unit/engine_world.h"

#include <errno.h>
#include <sodium.h>

#include "core/message.h"
#include "delivery/delivery.h"
#include "delivery/inside.h"
#include "engine/audit.h"
#include "pathway/scenario.h"

#define STREAM(NAME) HANDOFF__V1__STREAM__STREAM_##NAME
#define ASIDE(NAME) HANDOFF__V1__ASIDE_KIND__ASIDE_KIND_##NAME
#define REPLY(NAME) HANDOFF__V1__REPLY__BODY_##NAME
#define REQUEST(NAME) HANDOFF__V1__REQUEST__BODY_##NAME
#define AUDIT(NAME) HANDOFF__V1__AUDIT_KIND__AUDIT_KIND_##NAME

enum { GOT_MAX = 65536, REPLIES_MAX = 4096, CONNECTIONS_MAX = 4096, QUEUE_MAX = 512, REFUSED_MAX = 16 };

/* Three tasks an hour after it began, all of one entry; then again while they are open. */
static const char *const world_storm =
    "pathway: storm\n"
    "subject: patient\n"
    "max_silence: 40d\n"
    "timers: {check: {fires: [{wait: 60min, do: [{task: call-family}, {task: call-agency}, {task: share-resources}]},"
    " {wait: 20d, do: [{task: explain-level}, {task: barrier-plan}]}]}}\n"
    "initial: open\n"
    "states:\n"
    "  open:\n"
    "    after: [check]\n"
    "    on: {episode.closed: {target: closed}}\n"
    "  closed: {final: true}\n";

struct got { /* one message that a worker was handed */
    uint64_t connection, number, sequence;
    uint32_t position, attempt;
    char name[LEDGER_NAME_BYTES], id[96], patient[32], to[LEDGER_ADDRESSEE_BYTES], consent[64];
};
struct replied {
    uint64_t connection, tag;
    Handoff__V1__Reply__BodyCase body;
    Handoff__V1__Code code;
    char sentence[160], field[64];
    uint32_t count, refused_count;
    uint64_t refused[REFUSED_MAX];
    bool is_new;
};
enum way { WAY_OPEN, WAY_CHOKED, WAY_GONE };
struct queued {
    uint64_t connection;
    Handoff__V1__Request *request;
};
struct delivery_world {
    struct world *w;
    struct delivery *d;
    int64_t machine_ms;
    struct got got[GOT_MAX];
    size_t got_count;
    struct replied replies[REPLIES_MAX];
    size_t reply_count;
    enum way way[CONNECTIONS_MAX];
    struct queued queue[QUEUE_MAX];
    size_t queue_count;
    struct bytes events[QUEUE_MAX];
    size_t event_count;
    uint64_t tag, event_number;
    unsigned notices;
    int committed; /* what the newest commit said */
    bool fires;
    void (*on_got)(const struct got *got); /* while it is sent */
};
static struct delivery_world *x;

/* --- what delivery sends --------------------------------------------------------------------------------------------- */
static inline void copy_text(char *to, size_t size, const char *from) { snprintf(to, size, "%s", from); }

static inline void note_delivery(uint64_t connection, const char *name, const Handoff__V1__Delivery *from)
{
    assert_true(x->got_count < GOT_MAX);
    struct got *to = &x->got[x->got_count++];
    *to = (struct got){.connection = connection, .number = from->number, .attempt = from->attempt};
    copy_text(to->name, sizeof to->name, name);
    if (from->to != NULL) copy_text(to->to, sizeof to->to, from->to->key);
    if (from->record != NULL) {
        to->sequence = from->record->entry->sequence;
        copy_text(to->patient, sizeof to->patient, from->record->patient_id);
        snprintf(to->id, sizeof to->id, "record-%llu", (unsigned long long)to->sequence);
    } else {
        to->sequence = from->emission->sequence;
        to->position = from->emission->position;
        copy_text(to->patient, sizeof to->patient, from->emission->patient_id);
        copy_text(to->id, sizeof to->id, from->emission->id);
        if (from->emission->body_case == HANDOFF__V1__EMISSION__BODY_STATUS)
            copy_text(to->consent, sizeof to->consent, from->emission->status->consent_id);
    }
    assert_true(to->id[0] != 0 && to->number != 0 && to->attempt > 0);
    if (x->on_got != NULL) x->on_got(to);
}

static inline void note_reply(uint64_t connection, const Handoff__V1__Reply *reply)
{
    struct replied *to = &x->replies[x->reply_count++ % REPLIES_MAX];
    *to = (struct replied){.connection = connection, .tag = reply->tag, .body = reply->body_case};
    if (reply->body_case == REPLY(ERROR)) {
        to->code = reply->error->code;
        copy_text(to->sentence, sizeof to->sentence, reply->error->sentence);
    }
    if (reply->body_case == REPLY(SUBSCRIBE)) to->is_new = reply->subscribe->is_new;
    if (reply->body_case == REPLY(DEAD_LETTER)) to->count = reply->dead_letter->count;
    if (reply->body_case != REPLY(SETTLE)) return;
    for (size_t i = 0; i < reply->settle->n_refused; i++) {
        if (to->refused_count < REFUSED_MAX) to->refused[to->refused_count] = reply->settle->refused[i]->number;
        assert_true(reply->settle->refused[i]->sentence[0] != 0);
        copy_text(to->sentence, sizeof to->sentence, reply->settle->refused[i]->sentence);
        to->refused_count++;
    }
}

/* Read back from its bytes, as a worker would. */
static inline void read_deliveries(uint64_t connection, const Handoff__V1__Reply *reply, size_t bytes)
{
    uint8_t *packed = malloc(bytes);
    handoff__v1__reply__pack(reply, packed);
    Handoff__V1__Reply *read = handoff__v1__reply__unpack(NULL, bytes, packed);
    assert_non_null(read);
    assert_true(read->deliveries->n_deliveries > 0);
    for (size_t i = 0; i < read->deliveries->n_deliveries; i++)
        note_delivery(connection, read->deliveries->name, read->deliveries->deliveries[i]);
    handoff__v1__reply__free_unpacked(read, NULL);
    free(packed);
}

static inline int world_send(void *context, uint64_t connection, const Handoff__V1__Reply *reply)
{
    (void)context;
    size_t bytes = handoff__v1__reply__get_packed_size(reply);
    assert_true(bytes < LIMIT_FRAME_BYTES);
    enum way way = x->way[connection % CONNECTIONS_MAX];
    if (way == WAY_CHOKED) return -EAGAIN;
    if (way == WAY_GONE) return -EHOSTUNREACH;
    if (reply->body_case == REPLY(DELIVERIES))
        read_deliveries(connection, reply, bytes);
    else
        note_reply(connection, reply);
    return 0;
}

static inline void note_notice(void *context, const char *sentence, const char *subscription)
{
    (void)context;
    (void)subscription;
    assert_true(sentence[0] != 0);
    x->notices++;
}

static inline void delivery_world_on_entry(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome,
                                           const char *key_text)
{
    world_on_entry(context, entry, outcome, key_text);
    if (x->d != NULL) delivery_on_entry(x->d, entry, outcome);
}

/* --- do the insides agree? -------------------------------------------------------------------------------------------- */
static inline void count_busy(struct busy_key *counted, uint32_t *count, const struct patient_key *key, uint32_t out,
                              uint32_t retries)
{
    uint32_t i = 0;
    while (i < *count && memcmp(&counted[i].key, key, sizeof *key) != 0)
        i++;
    if (i == *count) counted[(*count)++] = (struct busy_key){.key = *key};
    counted[i].out += out;
    counted[i].retries += retries;
}

static inline void check_number(const struct subscription *s, uint64_t number, uint64_t position)
{
    const struct held *h = &s->held[number % HELD_MAX];
    assert_true(number < s->next_number);
    assert_true(h->number == number && h->position == position);
}

static inline void check_tables(const struct subscription *s, uint32_t keys, uint32_t numbers)
{
    uint32_t busy = 0, held = 0;
    for (uint32_t i = 0; i < WINDOW_KEYS; i++)
        busy += s->window.keys[i].out != 0 || s->window.keys[i].retries != 0;
    assert_int_equal(busy, keys);
    for (uint32_t i = 0; i < HELD_MAX; i++)
        held += s->held[i].number != 0;
    assert_int_equal(held, numbers);
}

/* Everything that is counted twice is the same; of one patient one message is out, but for what is carried to people. */
static inline void check_subscription(const struct subscription *s)
{
    static struct busy_key counted[WINDOW_MAX + LEDGER_ASIDE_MAX];
    static unsigned times;
    uint32_t count = 0, numbers = 0, sessions[DELIVERY_SESSIONS_MAX] = {0};
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        const struct message *m = window_at(&s->window, p);
        bool is_out = m->state == MESSAGE_OUT || (m->state == MESSAGE_SETTLING && m->number != 0);
        assert_true(m->state != MESSAGE_READY || p >= s->window.ready_from);
        assert_true(m->state == MESSAGE_READY || m->state == MESSAGE_SETTLING || !m->is_preparing);
        if (!is_out && !m->is_preparing) continue;
        count_busy(counted, &count, &m->key, is_out, m->is_preparing);
        if (!is_out) continue;
        check_number(s, m->number, p);
        numbers++;
        if (m->session != NOBODY) sessions[m->session]++;
    }
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        const struct aside *row = &s->ledger.aside[i];
        if (i > 0) assert_true(place_compare(s->ledger.aside[i - 1].at, row->at) < 0 ||
                               strcmp(s->ledger.aside[i - 1].addressee, row->addressee) < 0);
        if (row->number != 0 || row->kind == ASIDE(RETRY))
            count_busy(counted, &count, &row->key, row->number != 0, row->kind == ASIDE(RETRY));
        if (row->number == 0) continue;
        check_number(s, row->number, UINT64_MAX);
        numbers++;
        if (row->session != NOBODY) sessions[row->session]++;
    }
    for (uint32_t i = 0; i < count; i++) {
        const struct busy_key *k = window_busy(&s->window, &counted[i].key);
        assert_non_null(k);
        assert_int_equal(k->out, counted[i].out);
        assert_int_equal(k->retries, counted[i].retries);
        assert_true(k->out <= 1 || s->ledger.settings->is_addressed || s->ledger.settings->is_unordered);
    }
    assert_int_equal(s->window.key_count, count);
    for (uint32_t i = 0; i < DELIVERY_SESSIONS_MAX; i++) {
        assert_int_equal(s->sessions[i].held, sessions[i]);
        if (!s->sessions[i].is_open) assert_int_equal(sessions[i], 0);
    }
    if (times++ % 16 == 0) check_tables(s, count, numbers);
}

static inline void consistent(void)
{
    for (uint32_t i = 0; i < x->d->count; i++)
        if (x->d->subscriptions[i]->is_made) check_subscription(x->d->subscriptions[i]);
}

/* --- the turn ----------------------------------------------------------------------------------------------------------- */
static inline void commit_turn(void)
{
    delivery_stage(x->d);
    x->committed = engine_turn_commit(x->w->engine);
    delivery_turn_end(x->d, x->committed);
}

static inline void answer_refusal(uint64_t connection, uint64_t tag, struct delivery_refusal refusal)
{
    struct replied *to = &x->replies[x->reply_count++ % REPLIES_MAX];
    *to = (struct replied){.connection = connection, .tag = tag, .body = REPLY(ERROR), .code = refusal.code};
    assert_non_null(refusal.sentence);
    copy_text(to->sentence, sizeof to->sentence, refusal.sentence);
    copy_text(to->field, sizeof to->field, refusal.field != NULL ? refusal.field : "");
}

static inline void turn_without_hand_out(void)
{
    struct engine *e = x->w->engine;
    engine_turn_begin(e);
    delivery_turn_begin(x->d, x->machine_ms);
    for (size_t i = 0; i < x->event_count; i++)
        engine_publish(e, x->events[i], i, 0);
    for (size_t i = 0; i < x->queue_count && delivery_can_take(x->d); i++) {
        struct delivery_refusal refusal = delivery_request(x->d, x->queue[i].connection, x->queue[i].request);
        if (refusal.code != CODE(UNSPECIFIED)) answer_refusal(x->queue[i].connection, x->queue[i].request->tag, refusal);
    }
    x->event_count = x->queue_count = 0;
    if (x->fires) engine_fire(e, LIMIT_FIRE_PER_TURN);
    commit_turn();
    if (!delivery_wants_batch(x->d)) return;
    engine_turn_begin(e);
    commit_turn();
}

static inline void turn(void)
{
    turn_without_hand_out();
    delivery_hand_out(x->d, INT64_MAX / 2);
    consistent();
}

/* Until nothing more is to be done at once. */
static inline void settle_down(void)
{
    turn();
    for (int i = 0; i < 10000 && delivery_is_busy(x->d); i++)
        turn();
    assert_false(delivery_is_busy(x->d));
}

static inline void wait_ms(int64_t ms)
{
    x->machine_ms += ms;
    settle_down();
}

/* Journal time passes, and what is due on the way fires. */
static inline void advance(int64_t ms)
{
    int64_t to_ms = engine_now_ms(x->w->engine) + ms;
    for (int code = 1, i = 0; code == 1; i++) {
        code = engine_advance(x->w->engine, to_ms, NULL);
        assert_true(code >= 0 && i < 100000);
    }
    settle_down();
}

/* --- begin, end, restart ------------------------------------------------------------------------------------------------- */
static inline void open_delivery(void)
{
    struct delivery_options options = {.engine = x->w->engine, .send = world_send, .on_notice = note_notice};
    x->d = NULL;
    assert_int_equal(delivery_open(&options, x->machine_ms, &x->d), 0);
}

static inline void furnish_staff(struct world *w, Handoff__V1__Site *site)
{
    site->people = ARENA_ARRAY(w->arena, Handoff__V1__Person *, 3);
    site->people[site->n_people++] = world_person(w, "on-call-1", HANDOFF__V1__ROLE__ROLE_ON_CALL);
    site->people[site->n_people++] = world_person(w, "coordinator-1", HANDOFF__V1__ROLE__ROLE_COORDINATOR);
    site->people[site->n_people++] = world_person(w, "supervisor-1", HANDOFF__V1__ROLE__ROLE_SUPERVISOR);
}

/* A folder's key is random; here it is always the same, so that a seed is one run. */
static inline const char *no_chance_name(void) { return "no chance"; }
static inline uint32_t no_chance(void) { return 1; }
static inline void no_chance_buf(void *const to, const size_t size) { memset(to, 7, size); }
static inline void take_chance_away(void)
{
    static struct randombytes_implementation none = {
        .implementation_name = no_chance_name, .random = no_chance, .buf = no_chance_buf};
    assert_int_equal(randombytes_set_implementation(&none), 0);
}

static inline void begin_with(uint32_t batch_events)
{
    take_chance_away();
    x = calloc(1, sizeof *x);
    assert_non_null(x);
    x->fires = true;
    x->machine_ms = 1000000;
    struct world *w = x->w = world_prepare(false);
    w->more = world_storm;
    w->furnish = furnish_staff;
    w->options.batch_events = batch_events;
    w->options.listener.on_entry = delivery_world_on_entry;
    assert_int_equal(world_start(w), 0);
    world_adopt_rules(w);
    open_delivery();
}
static inline void begin(void) { begin_with(0); }

/* The journal of every test verifies. */
static inline void on_damage(void *context, uint64_t batch, uint64_t sequence, const char *sentence)
{
    (void)context;
    fprintf(stderr, "batch %llu, entry %llu: %s\n", (unsigned long long)batch, (unsigned long long)sequence, sentence);
}

static inline int end(void **state)
{
    struct audit audit = {"test", NULL, on_damage};
    struct audit_summary summary;
    (void)state;
    if (x == NULL) return 0;
    audit_journal(x->w->journal, &audit, &summary);
    assert_int_equal(summary.damages, 0);
    delivery_close(x->d);
    world_free(x->w);
    free(x);
    x = NULL;
    return 0;
}

/* But for attempts that have begun: they count when they end. */
static inline struct bytes packed_ledger(const struct subscription *s)
{
    Handoff__V1__Ledger *ledger = ledger_snapshot(&s->ledger, x->w->arena);
    for (size_t i = 0; i < ledger->n_aside; i++)
        ledger->aside[i]->attempts = 0;
    size_t len = handoff__v1__ledger__get_packed_size(ledger);
    uint8_t *data = arena_alloc(x->w->arena, len + 1);
    handoff__v1__ledger__pack(ledger, data);
    return (struct bytes){data, len};
}

static inline void describe_one(const char *when, struct bytes packed)
{
    Handoff__V1__Ledger *l = handoff__v1__ledger__unpack(arena_protobuf(x->w->arena), packed.len, packed.data);
    fprintf(stderr, "  %s: through %llu, %zu ahead, %zu aside, %llu acknowledged, %llu dropped\n", when,
            (unsigned long long)l->through_sequence, l->n_ahead, l->n_aside, (unsigned long long)l->acknowledged,
            (unsigned long long)l->dropped);
}

static inline void describe(const char *name, struct bytes before, struct bytes after)
{
    fprintf(stderr, "the ledger of %s is another one\n", name);
    describe_one("before", before);
    describe_one("after", after);
}

/* As after kill -9. What the journal says of each subscription is what was in memory. */
static inline void restart(void)
{
    struct bytes before[DELIVERY_SUBSCRIPTIONS_MAX];
    char names[DELIVERY_SUBSCRIPTIONS_MAX][LEDGER_NAME_BYTES];
    uint32_t count = 0;
    struct engine_state state;
    engine_state(x->w->engine, &state);
    for (uint32_t i = 0; i < x->d->count; i++) {
        const struct subscription *s = x->d->subscriptions[i];
        if (!s->is_made || s->is_leaving || x->d->has_new_names) continue; /* whether it is deleted is open */
        copy_text(names[count], sizeof names[count], s->name);
        before[count++] = packed_ledger(s);
    }
    bool is_known = !state.is_read_only && !x->d->is_stale; /* what a failed append left behind is not */
    delivery_close(x->d);
    x->d = NULL;
    x->w->failing.appends_left = -1;
    world_crash(x->w);
    open_delivery();
    for (uint32_t i = 0; i < count && is_known; i++) {
        const struct subscription *s = delivery_find(x->d, names[i]);
        assert_non_null(s);
        struct bytes after = packed_ledger(s);
        if (after.len != before[i].len || memcmp(after.data, before[i].data, after.len) != 0)
            describe(names[i], before[i], after);
        assert_int_equal(after.len, before[i].len);
        assert_memory_equal(after.data, before[i].data, after.len);
    }
    consistent();
}

/* --- events ------------------------------------------------------------------------------------------------------------- */
static inline struct bytes event_text(const char *patient, const char *event, const char *rest)
{
    struct yaml_errors errors = {0};
    char text[2048], id[32];
    struct world *w = x->w;
    snprintf(text, sizeof text, "{event: %s, %s}", event, rest);
    struct yaml *yaml = yaml_load_memory("event", text, strlen(text), &errors);
    assert_non_null(yaml);
    Handoff__V1__Event *e =
        scenario_event(yaml_root(yaml), &rules_site(engine_rules(w->engine), "")->calendar, w->arena, &errors);
    if (errors.count) yaml_errors_print(stderr, &errors);
    assert_non_null(e);
    snprintf(id, sizeof id, "event-%llu", (unsigned long long)++x->event_number);
    e->id = arena_string(w->arena, id);
    e->source = (char *)"ward";
    e->patient_id = arena_string(w->arena, patient);
    e->occurred_at_ms = engine_now_ms(w->engine);
    yaml_close(yaml);
    return world_pack(w, e);
}

static inline void say(const char *patient, const char *event, const char *rest)
{
    assert_true(x->event_count < QUEUE_MAX);
    x->events[x->event_count++] = event_text(patient, event, rest);
}

static inline const struct world_result *publish(const char *patient, const char *event, const char *rest)
{
    x->w->results[0] = (struct world_result){0};
    say(patient, event, rest);
    settle_down();
    assert_true(x->w->results[0].is_known);
    return &x->w->results[0];
}

/* Three tasks in an hour. */
static inline void storm(const char *patient)
{
    const struct world_result *r = publish(patient, "episode.opened", "with: {pathway: storm, by: nurse-1, reason: to see}");
    assert_int_equal(r->code, CODE(ACCEPTED));
}
#define FLAG "with: {kind: SELF, severity: URGENT, raised_by: nurse-1}"
#define REGISTERED                                                                                                     \
    "with: {birth_date: 2016-05-01, category: BEHAVIORAL_HEALTH, care_team: [{party: GUARDIAN, id: mom, custody: "     \
    "LEGAL_AUTHORITY}]}"
#define GRANTED                                                                                                        \
    "with: {consent_id: roi-1, signer: GUARDIAN, signer_id: mom, recipients: [{party: AGENCY, id: riverside}], "       \
    "direction: BOTH, category: BEHAVIORAL_HEALTH, treatment_from: 1970-01-01}"
#define REVOKED "with: {consent_id: roi-1, by: GUARDIAN}"
#define ASKED "with: {recipient: {party: AGENCY, id: riverside}, purpose: care}"

/* --- requests ------------------------------------------------------------------------------------------------------------ */
static inline Handoff__V1__Request *request_of(Handoff__V1__Request__BodyCase body, void *message)
{
    Handoff__V1__Request *r = MESSAGE_NEW(x->w->arena, Handoff__V1__Request, request);
    r->tag = ++x->tag;
    r->body_case = body;
    r->settle = message; /* every member of the oneof is a pointer to a message */
    return r;
}

static inline uint64_t queue_request(uint64_t connection, Handoff__V1__Request *request)
{
    assert_true(x->queue_count < QUEUE_MAX);
    x->queue[x->queue_count++] = (struct queued){connection, request};
    return request->tag;
}

static inline const struct replied *reply_to(uint64_t tag)
{
    for (size_t i = x->reply_count; i > 0 && x->reply_count - i < REPLIES_MAX; i--)
        if (x->replies[(i - 1) % REPLIES_MAX].tag == tag) return &x->replies[(i - 1) % REPLIES_MAX];
    return NULL;
}

static inline const struct replied *ask(uint64_t connection, Handoff__V1__Request *request)
{
    uint64_t tag = queue_request(connection, request);
    settle_down();
    const struct replied *reply = reply_to(tag);
    assert_non_null(reply);
    return reply;
}

static inline Handoff__V1__SubscriptionSettings *settings(Handoff__V1__Stream stream)
{
    Handoff__V1__SubscriptionSettings *s = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionSettings, subscription_settings);
    s->filter = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionFilter, subscription_filter);
    s->stream = stream;
    return s;
}

static inline Handoff__V1__Request *subscribe_request(const char *name, Handoff__V1__SubscriptionSettings *s,
                                                      bool from_beginning, uint32_t credit)
{
    Handoff__V1__SubscribeRequest *r = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscribeRequest, subscribe_request);
    r->name = arena_string(x->w->arena, name);
    r->settings = s;
    r->credit = credit;
    if (from_beginning) {
        r->start = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionStart, subscription_start);
        r->start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING;
        r->start->beginning = true;
    }
    return request_of(REQUEST(SUBSCRIBE), r);
}

static inline const struct replied *subscribe(uint64_t connection, const char *name, Handoff__V1__SubscriptionSettings *s,
                                              bool from_beginning, uint32_t credit)
{
    return ask(connection, subscribe_request(name, s, from_beginning, credit));
}

static inline Handoff__V1__SettleRequest *settlement(const char *name)
{
    Handoff__V1__SettleRequest *r = MESSAGE_NEW(x->w->arena, Handoff__V1__SettleRequest, settle_request);
    r->name = arena_string(x->w->arena, name);
    return r;
}

static inline void add_ack(Handoff__V1__SettleRequest *r, uint64_t first, uint64_t last)
{
    Handoff__V1__NumberRange *range = MESSAGE_NEW(x->w->arena, Handoff__V1__NumberRange, number_range);
    range->first = first;
    range->last = last;
    list_append(x->w->arena, &r->acks, &r->n_acks, range);
}

static inline Handoff__V1__Nack *add_nack(Handoff__V1__SettleRequest *r, uint64_t number, uint32_t delay_ms)
{
    Handoff__V1__Nack *nack = MESSAGE_NEW(x->w->arena, Handoff__V1__Nack, nack);
    nack->number = number;
    nack->delay_ms = delay_ms;
    list_append(x->w->arena, &r->nacks, &r->n_nacks, nack);
    return nack;
}

static inline void add_extend(Handoff__V1__SettleRequest *r, uint64_t number)
{
    Handoff__V1__Extend *extend = MESSAGE_NEW(x->w->arena, Handoff__V1__Extend, extend);
    extend->number = number;
    list_append(x->w->arena, &r->extends, &r->n_extends, extend);
}

static inline const struct replied *settle(uint64_t connection, Handoff__V1__SettleRequest *r)
{
    return ask(connection, request_of(REQUEST(SETTLE), r));
}

static inline void acknowledge(uint64_t connection, const char *name, uint64_t number)
{
    Handoff__V1__SettleRequest *r = settlement(name);
    add_ack(r, number, number);
    const struct replied *reply = settle(connection, r);
    assert_int_equal(reply->body, REPLY(SETTLE));
    assert_int_equal(reply->refused_count, 0);
}

static inline const struct replied *reject(uint64_t connection, const char *name, uint64_t number, uint32_t delay_ms)
{
    Handoff__V1__SettleRequest *r = settlement(name);
    add_nack(r, number, delay_ms);
    return settle(connection, r);
}

static inline const struct replied *credit(uint64_t connection, const char *name, uint32_t value)
{
    Handoff__V1__SettleRequest *r = settlement(name);
    r->credit = MESSAGE_NEW(x->w->arena, Handoff__V1__Count, count);
    r->credit->value = value;
    return settle(connection, r);
}

static inline const struct replied *begin_anew(const char *name)
{
    Handoff__V1__SubscriptionResetRequest *r =
        MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionResetRequest, subscription_reset_request);
    r->name = arena_string(x->w->arena, name);
    r->start = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionStart, subscription_start);
    r->start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING;
    return ask(0, request_of(REQUEST(SUBSCRIPTION_RESET), r));
}

static inline Handoff__V1__Request *delete_request(const char *name)
{
    Handoff__V1__SubscriptionDeleteRequest *r =
        MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionDeleteRequest, subscription_delete_request);
    r->name = arena_string(x->w->arena, name);
    return request_of(REQUEST(SUBSCRIPTION_DELETE), r);
}

static inline Handoff__V1__Request *dead_letter_request(const char *name, uint64_t sequence, uint32_t position, bool is_dropped)
{
    Handoff__V1__DeadLetterRequest *r = MESSAGE_NEW(x->w->arena, Handoff__V1__DeadLetterRequest, dead_letter_request);
    r->name = arena_string(x->w->arena, name);
    r->sequence = sequence;
    r->position = position;
    r->is_dropped = is_dropped;
    return request_of(REQUEST(DEAD_LETTER), r);
}

/* --- looking ------------------------------------------------------------------------------------------------------------- */
static inline const struct got *newest(void)
{
    assert_true(x->got_count > 0);
    return &x->got[x->got_count - 1];
}

static inline struct subscription *of(const char *name)
{
    struct subscription *s = delivery_find(x->d, name);
    assert_non_null(s);
    return s;
}

static inline uint32_t aside_count(const char *name, Handoff__V1__AsideKind kind) { return ledger_count(&of(name)->ledger, kind); }

struct looking_for {
    Handoff__V1__AuditKind kind;
    unsigned count;
};
static inline bool count_audit(void *context, const struct entry *entry)
{
    struct looking_for *l = context;
    size_t mark = arena_used(x->w->arena);
    Handoff__V1__Outcome *outcome =
        handoff__v1__outcome__unpack(arena_protobuf(x->w->arena), entry->outcome.len, entry->outcome.data);
    for (size_t i = 0; outcome != NULL && i < outcome->n_emissions; i++)
        l->count += outcome->emissions[i]->body_case == HANDOFF__V1__EMISSION__BODY_AUDIT &&
                    outcome->emissions[i]->audit->kind == l->kind;
    arena_rewind(x->w->arena, mark);
    return true;
}

/* In the whole journal. */
static inline unsigned audits(Handoff__V1__AuditKind kind)
{
    struct looking_for l = {.kind = kind};
    uint64_t last = 0;
    uint64_t end_sequence = world_state(x->w).last_sequence;
    while (last < end_sequence)
        assert_int_equal(engine_scan(x->w->engine, last + 1, 1024, &l, count_audit, &last), 0);
    return l.count;
}

/* The next append fails, and the engine is writable again after retry(). */
static inline void fail_commit(int appends_left, int code, bool is_written)
{
    x->w->failing.appends_left = appends_left;
    x->w->failing.code = code;
    x->w->failing.is_written = is_written;
}
static inline void retry(void)
{
    x->w->failing.appends_left = -1;
    assert_int_equal(engine_retry(x->w->engine), 0);
    settle_down();
}

#define SENTENCE(NAME) cmocka_unit_test_teardown(NAME, end)

#endif
