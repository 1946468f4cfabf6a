/* A seeded simulation of durable delivery: random events and firings; workers that acknowledge, reject, extend, say wrong
 * numbers, are silent, do not read, vanish; operators; commits that fail, or that only seem to; a daemon that is killed,
 * also between a commit and its answers. Beside it a simple model of what workers may believe:
 *
 *   what was acknowledged, and answered so, never comes again; each message has one id, whatever happens
 *   of one patient one message is out, and none overtakes another that could go
 *   after a kill the ledger is what it was; the journal verifies
 *   in the end everything that was emitted was acknowledged, given up, dropped by the gate, or stands aside
 *
 *     SEED=17 build/tests/unit/delivery_simulation_test      one seed again
 *     ROUNDS=1000 ...                                        longer */
#include "unit/delivery_world.h"

enum { ROUNDS = 12, STEPS = 250, PATIENTS = 10, WORKERS = 8, HELD_BY_WORKER = 256, PLACES = 1 << 15, ACKS_IN_TURN = 2048 };

/* --- chance ---------------------------------------------------------------------------------------------------- */
static uint64_t chance_state, seed;

static uint64_t chance(void) /* splitmix64 */
{
    uint64_t z = (chance_state += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}
static uint32_t below(uint32_t n) { return (uint32_t)(chance() % n); }
static bool one_in(uint32_t n) { return below(n) == 0; }
#define PICK(...) ((const char *const[]){__VA_ARGS__})[below(sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))]

/* --- the model --------------------------------------------------------------------------------------------------- */
enum belief {
    NOT_SEEN,
    SEEN,       /* handed out; may come again */
    PERHAPS,    /* settled by a request whose fate is not known: both are right */
    SETTLED     /* answered: never again */
};
struct known {
    uint64_t sequence; /* 0: free */
    uint32_t position;
    enum belief belief;
    uint64_t id_hash;
};
struct stream_model {
    const char *name;
    Handoff__V1__Stream stream;
    bool is_addressed, is_unordered;
    struct known known[PLACES];
    uint32_t count;
};
static struct stream_model streams[] = {
    {.name = "tasks", .stream = STREAM(TASK)},     {.name = "alerts", .stream = STREAM(ESCALATION)},
    {.name = "told", .stream = STREAM(STATUS)},    {.name = "records", .stream = STREAM(RECORD)},
    {.name = "audits", .stream = STREAM(AUDIT)},   {.name = "staff", .stream = STREAM(TASK), .is_addressed = true},
    {.name = "notices", .stream = STREAM(TASK), .is_addressed = true, .is_unordered = true}, /* and escalations, status */
};
enum { STREAMS = sizeof streams / sizeof *streams };

struct worker {
    uint64_t connection;
    struct stream_model *of;
    bool is_subscribed;
    struct got held[HELD_BY_WORKER]; /* what it believes to hold; the oldest are forgotten */
    uint32_t held_count;
    uint64_t asked; /* the tag of its newest request; 0: none in this turn */
};
static struct worker workers[WORKERS];
static uint64_t next_connection;
static unsigned sim_step;
static const char *doing;

static void broken(const char *what, const struct got *got)
{
    fprintf(stderr, "SEED=%llu step %u (%s): %s\n", (unsigned long long)seed, sim_step, doing, what);
    if (got != NULL)
        fprintf(stderr, "  %s: %s, entry %llu.%u of %s, attempt %u\n", got->name, got->id, (unsigned long long)got->sequence,
                got->position, got->patient, got->attempt);
    fail();
}
#define HOLD(CONDITION, WHAT, GOT) do { if (!(CONDITION)) broken(WHAT, GOT); } while (0)

static struct stream_model *model_of(const char *name)
{
    for (size_t i = 0; i < STREAMS; i++)
        if (strcmp(streams[i].name, name) == 0) return &streams[i];
    return NULL;
}

static struct known *known_of(struct stream_model *m, uint64_t sequence, uint32_t position)
{
    uint32_t at = (uint32_t)((sequence * 64 + position) * UINT64_C(0x9e3779b97f4a7c15) >> 49) % PLACES;
    while (m->known[at].sequence != 0 && (m->known[at].sequence != sequence || m->known[at].position != position))
        at = (at + 1) % PLACES;
    if (m->known[at].sequence == 0) {
        assert_true(++m->count < PLACES / 2);
        m->known[at] = (struct known){.sequence = sequence, .position = position};
    }
    return &m->known[at];
}

static uint64_t hash_of(const char *text)
{
    uint64_t hash = 1469598103934665603u;
    for (; *text != 0; text++)
        hash = (hash ^ (unsigned char)*text) * 1099511628211u;
    return hash;
}

/* Begun anew: what was settled comes again, or may. */
static void model_begin(struct stream_model *m, bool is_certain)
{
    for (uint32_t i = 0; i < PLACES; i++)
        if (m->known[i].belief > SEEN) m->known[i].belief = is_certain ? SEEN : PERHAPS;
}

/* --- what is handed out -------------------------------------------------------------------------------------------- */
static struct worker *worker_at(uint64_t connection)
{
    for (int i = 0; i < WORKERS; i++)
        if (workers[i].connection == connection) return &workers[i];
    return NULL;
}

static bool is_before(struct place a, struct place b) { return place_compare(a, b) < 0; }

/* Nothing of that patient that could go is passed over. */
static void check_order(const struct subscription *s, const struct got *got)
{
    struct place at = place_of(got->sequence, got->position);
    const struct held *h = &s->held[got->number % HELD_MAX];
    bool is_aside = h->position == UINT64_MAX;
    const struct aside *own = is_aside ? ledger_find(&s->ledger, at, got->to) : NULL;
    HOLD(h->number == got->number && (!is_aside || (own != NULL && own->number == got->number)), "its number is not its", got);
    const struct patient_key *key = is_aside ? &own->key : &window_at(&s->window, h->position)->key;
    struct entry entry;
    assert_int_equal(engine_entry(x->w->engine, &(struct engine_place){.sequence = got->sequence}, &entry), 0);
    if (memcmp(&entry.key, key, sizeof *key) != 0) return; /* that patient was another one then */
    for (uint64_t p = s->window.first; p < s->window.end; p++) {
        const struct message *m = window_at(&s->window, p);
        if (memcmp(&m->key, key, sizeof *key) != 0 || !is_before(m->at, at)) continue;
        HOLD(m->state != MESSAGE_READY, "it overtook a message of its patient", got);
    }
    for (uint32_t i = 0; i < s->ledger.aside_count; i++) {
        const struct aside *row = &s->ledger.aside[i];
        if (row->kind != ASIDE(RETRY) || row == own || memcmp(&row->key, key, sizeof *key) != 0) continue;
        HOLD(!is_before(row->at, at), "it overtook one of its patient that is tried again", got);
    }
}

static void on_got(const struct got *got)
{
    struct worker *w = worker_at(got->connection);
    struct stream_model *m = model_of(got->name);
    HOLD(w != NULL && w->of == m && w->is_subscribed, "it went to somebody who is not subscribed", got);
    struct known *k = known_of(m, got->sequence, got->position);
    HOLD(k->belief != SETTLED, "it was acknowledged, and came again", got);
    HOLD(k->id_hash == 0 || k->id_hash == hash_of(got->id), "it came under another id", got);
    HOLD(got->attempt <= 3, "one attempt too many", got);
    k->id_hash = hash_of(got->id);
    if (getenv("VERBOSE") != NULL)
        fprintf(stderr, "%u got %s %llu.%u number %llu conn %llu attempt %u\n", sim_step, got->name, (unsigned long long)got->sequence,
                got->position, (unsigned long long)got->number, (unsigned long long)got->connection, got->attempt);
    if (k->belief == NOT_SEEN || (k->belief == PERHAPS && !world_state(x->w).is_read_only)) k->belief = SEEN;
    if (!m->is_unordered) check_order(of(got->name), got);
    if (w->held_count == HELD_BY_WORKER) memmove(w->held, w->held + 1, --w->held_count * sizeof *w->held);
    w->held[w->held_count++] = *got;
}

/* --- what workers ask ------------------------------------------------------------------------------------------------ */
struct settling_of { /* what a request of this turn settles, if it is answered so */
    uint64_t tag;
    struct stream_model *of;
    uint64_t sequence, number;
    uint32_t position;
};
static struct settling_of in_turn[ACKS_IN_TURN];
static uint32_t in_turn_count;

static void forget_all_held(struct worker *w)
{
    w->is_subscribed = false;
    w->held_count = 0;
}

static void come_anew(struct worker *w)
{
    forget_all_held(w);
    x->way[w->connection % CONNECTIONS_MAX] = WAY_GONE;
    w->connection = ++next_connection;
    x->way[w->connection % CONNECTIONS_MAX] = WAY_OPEN;
}

static Handoff__V1__SubscriptionSettings *settings_of(const struct stream_model *m)
{
    Handoff__V1__SubscriptionSettings *s = settings(m->stream);
    static Handoff__V1__Stream also[] = {STREAM(ESCALATION), STREAM(STATUS)};
    s->is_addressed = m->is_addressed;
    s->is_unordered = m->is_unordered;
    s->also = also;
    s->n_also = m->is_unordered ? 2 : 0;
    s->lease_ms = 500;
    s->attempts = 3;
    s->backoff_first_ms = 10;
    s->backoff_most_ms = 300;
    s->absent_ms = 3000;
    return s;
}

static void ask_to_subscribe(struct worker *w)
{
    forget_all_held(w);
    w->is_subscribed = true; /* messages may come in the very turn; a refusal is seen at its end */
    Handoff__V1__Request *r = subscribe_request(w->of->name, one_in(3) ? NULL : settings_of(w->of), true, 1 + below(20));
    w->asked = queue_request(w->connection, r);
}

/* What the daemon holds for this connection under this number, as of now. */
static bool is_held(const struct worker *w, uint64_t number, struct settling_of *ret)
{
    const struct subscription *s = delivery_find(x->d, w->of->name);
    const struct held *h = s != NULL && s->is_made ? &s->held[number % HELD_MAX] : NULL;
    if (h == NULL || h->number != number) return false;
    *ret = (struct settling_of){.of = w->of, .number = number};
    uint32_t session = NOBODY;
    bool is_over = false;
    if (h->position != UINT64_MAX) {
        const struct message *m = window_at(&s->window, h->position);
        ret->sequence = m->at.sequence;
        ret->position = m->at.position;
        session = m->session;
        is_over = m->state != MESSAGE_OUT;
    }
    for (uint32_t i = 0; i < s->ledger.aside_count && h->position == UINT64_MAX; i++) {
        const struct aside *row = &s->ledger.aside[i];
        if (row->number != number) continue;
        ret->sequence = row->at.sequence;
        ret->position = row->at.position;
        session = row->session;
        is_over = row->is_staged;
    }
    return !is_over && session != NOBODY && s->sessions[session].connection == w->connection;
}

static void note_ack(const struct worker *w, uint64_t first, uint64_t last)
{
    for (uint64_t number = first; number <= last; number++) {
        struct settling_of settled;
        if (!is_held(w, number, &settled)) continue;
        assert_true(in_turn_count < ACKS_IN_TURN);
        settled.tag = x->tag + 1; /* of the request that is being made */
        in_turn[in_turn_count++] = settled;
    }
}

static void take_held(struct worker *w, uint32_t at)
{
    memmove(&w->held[at], &w->held[at + 1], (w->held_count - at - 1) * sizeof *w->held);
    w->held_count--;
}

static void add_answer(struct worker *w, Handoff__V1__SettleRequest *r)
{
    uint32_t at = below(w->held_count);
    uint64_t number = w->held[at].number, last = w->held[w->held_count - 1].number;
    switch (below(10)) {
    case 0: add_extend(r, number); return;
    case 1:
    case 2: {
        Handoff__V1__Nack *nack = add_nack(r, number, one_in(2) ? 0 : 1 + below(200));
        nack->is_permanent = one_in(12);
        nack->is_unspent = one_in(8);
        nack->reason = (char *)(uintptr_t)PICK("", "no paper", "the printer is on fire");
        break;
    }
    case 3: {
        uint64_t until = number + below(5) < last ? number + below(5) : last;
        note_ack(w, number, until);
        add_ack(r, number, until);
        return; /* what it does not hold any more it says again: refused */
    }
    default:
        note_ack(w, number, number);
        add_ack(r, number, one_in(2) ? 0 : number);
        break;
    }
    take_held(w, at);
}

static void ask_to_settle(struct worker *w)
{
    Handoff__V1__SettleRequest *r = settlement(w->of->name);
    in_turn_count = in_turn_count > ACKS_IN_TURN / 2 ? 0 : in_turn_count;
    for (uint32_t i = below(6); i > 0 && w->held_count > 0; i--)
        add_answer(w, r);
    if (one_in(20)) add_ack(r, chance(), chance());
    if (one_in(20)) add_nack(r, below(100), 0);
    if (one_in(20)) add_extend(r, chance());
    if (one_in(10)) {
        r->credit = MESSAGE_NEW(x->w->arena, Handoff__V1__Count, count);
        r->credit->value = below(30);
    }
    w->asked = queue_request(w->connection, request_of(REQUEST(SETTLE), r));
}

static void ask_to_leave(struct worker *w)
{
    Handoff__V1__UnsubscribeRequest *r = MESSAGE_NEW(x->w->arena, Handoff__V1__UnsubscribeRequest, unsubscribe_request);
    r->name = arena_string(x->w->arena, w->of->name);
    w->asked = queue_request(w->connection, request_of(REQUEST(UNSUBSCRIBE), r));
}

static void work(struct worker *w)
{
    w->asked = 0;
    enum way *way = &x->way[w->connection % CONNECTIONS_MAX];
    if (*way == WAY_CHOKED && one_in(4)) *way = WAY_OPEN;
    if (*way == WAY_GONE && one_in(3)) come_anew(w);
    if (*way != WAY_OPEN || one_in(4)) return; /* silent */
    if (one_in(40)) {
        *way = one_in(3) ? WAY_CHOKED : WAY_GONE;
        if (*way == WAY_GONE) forget_all_held(w); /* but the daemon does not know yet */
        if (*way == WAY_GONE) w->is_subscribed = true;
    } else if (!w->is_subscribed || one_in(60)) {
        ask_to_subscribe(w);
    } else if (one_in(60)) {
        ask_to_leave(w);
    } else {
        ask_to_settle(w);
    }
}

/* --- operators ---------------------------------------------------------------------------------------------------------- */
enum operation { NOTHING, RETRIED, DROPPED, BEGUN_ANEW, DELETED };
static struct {
    enum operation what;
    struct stream_model *of;
    uint64_t tag;
    struct settling_of dead[256];
    uint32_t dead_count;
} operating;

static void note_dead(const struct stream_model *m)
{
    const struct subscription *s = delivery_find(x->d, m->name);
    for (uint32_t i = 0; s != NULL && i < s->ledger.aside_count && operating.dead_count < 256; i++) {
        const struct aside *row = &s->ledger.aside[i];
        if (row->kind != ASIDE(DEAD)) continue;
        operating.dead[operating.dead_count++] = (struct settling_of){.sequence = row->at.sequence, .position = row->at.position};
    }
}

static void operate(void)
{
    operating.what = NOTHING;
    if (!one_in(12)) return;
    struct stream_model *m = operating.of = &streams[below(STREAMS)];
    operating.dead_count = 0;
    operating.what = one_in(8) ? one_in(2) ? BEGUN_ANEW : DELETED : one_in(2) ? RETRIED : DROPPED;
    if (operating.what == DROPPED) note_dead(m);
    if (operating.what == BEGUN_ANEW) {
        Handoff__V1__SubscriptionResetRequest *r =
            MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionResetRequest, subscription_reset_request);
        r->name = arena_string(x->w->arena, m->name);
        r->start = MESSAGE_NEW(x->w->arena, Handoff__V1__SubscriptionStart, subscription_start);
        r->start->from_case = HANDOFF__V1__SUBSCRIPTION_START__FROM_BEGINNING;
        operating.tag = queue_request(0, request_of(REQUEST(SUBSCRIPTION_RESET), r));
    } else if (operating.what == DELETED) {
        operating.tag = queue_request(0, delete_request(m->name));
    } else {
        operating.tag = queue_request(0, dead_letter_request(m->name, 0, 0, operating.what == DROPPED));
    }
}

/* --- what was answered ------------------------------------------------------------------------------------------------- */
static bool is_refused(const struct replied *reply, uint64_t number)
{
    for (uint32_t i = 0; i < reply->refused_count && i < REFUSED_MAX; i++)
        if (reply->refused[i] == number) return true;
    return false;
}

static void believe(struct known *k, const struct replied *reply, bool is_answered_so)
{
    if (is_answered_so)
        k->belief = SETTLED;
    else if ((reply == NULL || reply->body == REPLY(SETTLE) || reply->code == CODE(UNAVAILABLE)) && k->belief != SETTLED)
        k->belief = PERHAPS; /* refused: perhaps another of the request's words about it, after this one */
}

/* An ack and the subscription's new beginning in one turn: the beginning wins. */
static void hear_workers(void)
{
    for (uint32_t i = 0; i < in_turn_count; i++) {
        const struct settling_of *a = &in_turn[i];
        const struct replied *reply = reply_to(a->tag);
        if (getenv("VERBOSE") != NULL)
            fprintf(stderr, "%u ack %s %llu.%u number %llu %s\n", sim_step, a->of->name, (unsigned long long)a->sequence, a->position,
                    (unsigned long long)a->number, reply == NULL ? "no reply" : reply->body == REPLY(SETTLE) ? "settled" : reply->sentence);
        believe(known_of(a->of, a->sequence, a->position), reply,
                reply != NULL && reply->body == REPLY(SETTLE) && !is_refused(reply, a->number));
    }
    in_turn_count = 0;
    for (int i = 0; i < WORKERS; i++) {
        struct worker *w = &workers[i];
        const struct replied *reply = w->asked != 0 ? reply_to(w->asked) : NULL;
        w->asked = 0;
        if (reply == NULL) continue;
        if (reply->body == REPLY(UNSUBSCRIBE)) forget_all_held(w);
        if (reply->body == REPLY(ERROR) && reply->code != CODE(UNAVAILABLE)) forget_all_held(w);
        if (reply->body == REPLY(ERROR))
            HOLD(reply->code == CODE(UNAVAILABLE) || reply->code == CODE(NOT_SUBSCRIBED) ||
                     reply->code == CODE(UNKNOWN_SUBSCRIPTION),
                 reply->sentence, NULL);
    }
}

static void hear_operator(void)
{
    const struct replied *reply = operating.what != NOTHING ? reply_to(operating.tag) : NULL;
    if (operating.what == NOTHING) return;
    bool is_done = reply != NULL && reply->body != REPLY(ERROR);
    bool is_perhaps = reply == NULL || reply->code == CODE(UNAVAILABLE);
    if ((operating.what == BEGUN_ANEW || operating.what == DELETED) && (is_done || is_perhaps))
        model_begin(operating.of, is_done);
    for (uint32_t i = 0; i < operating.dead_count && operating.what == DROPPED; i++)
        believe(known_of(operating.of, operating.dead[i].sequence, operating.dead[i].position), reply, is_done);
    operating.what = NOTHING;
}

/* --- the world ---------------------------------------------------------------------------------------------------------- */
static void happen(void)
{
    char patient[16], rest[128];
    snprintf(patient, sizeof patient, "pat-%u", below(PATIENTS));
    switch (below(12)) {
    case 0: say(patient, "patient.registered", REGISTERED); break;
    case 1: say(patient, "consent.granted", GRANTED); break;
    case 2: say(patient, "consent.revoked", REVOKED); break;
    case 3:
    case 4: say(patient, "disclosure.requested", ASKED); break;
    case 5:
    case 6: say(patient, "episode.opened", "with: {pathway: storm, by: nurse-1, reason: to see}"); break;
    case 7: say(patient, "episode.closed", "episode: ep1, with: {reason: OTHER, by: nurse-1, note: over}"); break;
    case 8: say(patient, "question.asked", "with: {text: when}"); break;
    case 9:
        snprintf(rest, sizeof rest, "with: {retracted_source: ward, retracted_id: event-%llu, reason: wrong}",
                 (unsigned long long)(1 + below((uint32_t)x->event_number + 1)));
        say(patient, "event.retracted", one_in(3) ? rest : "with: {retracted_source: ward, retracted_id: none, reason: wrong}");
        break;
    case 10:
        snprintf(rest, sizeof rest, "with: {survivor_patient_id: pat-%u}", below(PATIENTS));
        if (one_in(8)) say(patient, "patient.merged", rest);
        break;
    default: say(patient, "safety.flag_raised", FLAG); break;
    }
}

/* Everybody's connection ends with the daemon; what was asked and not answered is open. */
static void forget_connections(void)
{
    for (int i = 0; i < WORKERS; i++)
        come_anew(&workers[i]);
}

static void die(void)
{
    doing = "killed";
    restart();
    forget_connections();
}

/* Between the commit and its answers: durable, and nobody knows. */
static void die_unanswered(void)
{
    doing = "killed before it answered";
    struct engine *e = x->w->engine;
    engine_turn_begin(e);
    delivery_turn_begin(x->d, x->machine_ms);
    for (size_t i = 0; i < x->event_count; i++)
        engine_publish(e, x->events[i], i, 0);
    for (size_t i = 0; i < x->queue_count; i++)
        delivery_request(x->d, x->queue[i].connection, x->queue[i].request);
    x->event_count = x->queue_count = 0;
    delivery_stage(x->d);
    if (engine_turn_commit(e) == 0 && one_in(2) && delivery_wants_batch(x->d)) { /* or between two batches of a turn */
        delivery_turn_end(x->d, 0);
        engine_turn_begin(e);
        delivery_stage(x->d);
        engine_turn_commit(e);
    }
    hear_workers();
    hear_operator();
    delivery_close(x->d);
    x->d = NULL;
    x->w->failing.appends_left = -1;
    world_crash(x->w);
    open_delivery();
    consistent();
    forget_connections();
}

static void maybe_fail_commits(void)
{
    static const int codes[] = {JOURNAL_E_FULL, JOURNAL_E_IO, JOURNAL_E_UNKNOWN, JOURNAL_E_UNKNOWN};
    struct engine_state state = world_state(x->w);
    if (state.is_read_only && one_in(3)) {
        doing = "writable again";
        x->w->failing.appends_left = -1;
        assert_int_equal(engine_retry(x->w->engine), 0);
    } else if (!state.is_read_only && one_in(30)) {
        uint32_t which = below(4);
        fail_commit((int)below(3), codes[which], which == 3);
    }
}

static void let_time_pass(void)
{
    x->machine_ms += one_in(12) ? 2000 : below(200);
    if (!one_in(10) || world_state(x->w).is_read_only || x->w->failing.appends_left >= 0) return;
    doing = "time passes";
    advance((int64_t)below(30) * WORLD_HOUR / 2);
}

static void one_step(void)
{
    size_t mark = arena_used(x->w->arena);
    doing = "a turn";
    x->got_count = 0;
    maybe_fail_commits();
    let_time_pass();
    for (uint32_t i = below(4); i > 0; i--)
        happen();
    for (int i = 0; i < WORKERS; i++)
        work(&workers[i]);
    operate();
    if (one_in(60) && !world_state(x->w).is_read_only) {
        die_unanswered();
    } else {
        turn();
        hear_workers();
        hear_operator();
    }
    if (one_in(40)) die();
    arena_rewind(x->w->arena, mark);
}

/* --- the end -------------------------------------------------------------------------------------------------------------- */
static void acknowledge_all(struct worker *w)
{
    if (w->held_count == 0) return;
    Handoff__V1__SettleRequest *r = settlement(w->of->name);
    while (w->held_count > 0) {
        uint64_t number = w->held[--w->held_count].number;
        note_ack(w, number, number);
        add_ack(r, number, 0);
    }
    w->asked = queue_request(w->connection, request_of(REQUEST(SETTLE), r));
}

/* One worker each, patient and quick. */
static void drain(void)
{
    doing = "drained";
    for (int i = 0; i < WORKERS; i++) {
        come_anew(&workers[i]);
        workers[i].of = &streams[i % STREAMS];
    }
    settle_down();
    for (int i = 0; i < (int)STREAMS; i++) {
        ask_to_subscribe(&workers[i]);
        x->queue[x->queue_count - 1].request->subscribe->settings = settings_of(workers[i].of);
    }
    for (int idle = 0; idle < 3;) {
        size_t mark = arena_used(x->w->arena);
        x->got_count = 0;
        x->machine_ms += 400;
        turn();
        hear_workers();
        for (int i = 0; i < (int)STREAMS; i++) {
            HOLD(workers[i].is_subscribed, "a patient worker is not subscribed", NULL);
            acknowledge_all(&workers[i]);
            if (workers[i].asked == 0) queue_request(workers[i].connection, request_of(REQUEST(SETTLE), settlement(workers[i].of->name)));
        }
        turn();
        hear_workers();
        idle = x->got_count == 0 && !delivery_is_busy(x->d) ? idle + 1 : 0;
        arena_rewind(x->w->arena, mark);
    }
}

struct counting {
    uint64_t missing[STREAMS];
    struct got first;
};

static void count_missing(struct counting *c, const struct entry *entry, uint32_t position, Handoff__V1__Stream stream)
{
    for (size_t i = 0; i < STREAMS; i++) {
        bool is_also = streams[i].is_unordered && (stream == STREAM(ESCALATION) || stream == STREAM(STATUS));
        if (streams[i].stream != stream && !is_also) continue;
        struct place at = place_of(entry->sequence, position);
        const struct known *k = known_of(&streams[i], at.sequence, at.position);
        if (k->belief >= PERHAPS) continue;
        if (ledger_find(&of(streams[i].name)->ledger, at, "") != NULL) continue; /* it waits, or is withheld, or dead */
        if (getenv("VERBOSE") != NULL)
            fprintf(stderr, "%s %llu.%u belief %d\n", streams[i].name, (unsigned long long)at.sequence, at.position, (int)k->belief);
        c->first = (struct got){.sequence = at.sequence, .position = position};
        snprintf(c->first.name, sizeof c->first.name, "%s", streams[i].name);
        c->missing[i]++;
    }
}

static bool count_entry(void *context, const struct entry *entry)
{
    size_t mark = arena_used(x->w->arena);
    if (view_is_record(entry)) count_missing(context, entry, 0, STREAM(RECORD));
    Handoff__V1__Outcome *outcome =
        handoff__v1__outcome__unpack(arena_protobuf(x->w->arena), entry->outcome.len, entry->outcome.data);
    for (uint32_t i = 0; outcome != NULL && entry->record.len > 0 && i < outcome->n_emissions; i++)
        count_missing(context, entry, i, view_stream(outcome->emissions[i]));
    arena_rewind(x->w->arena, mark);
    return true;
}

/* What the gate dropped is counted; everything else came. */
static void check_nothing_is_lost(void)
{
    struct counting c = {0};
    uint64_t last = 0, end_sequence = world_state(x->w).last_sequence;
    while (last < end_sequence)
        assert_int_equal(engine_scan(x->w->engine, last + 1, 1024, &c, count_entry, &last), 0);
    for (size_t i = 0; i < STREAMS; i++) {
        const struct ledger *l = &of(streams[i].name)->ledger;
        if (c.missing[i] > l->dropped)
            fprintf(stderr, "%s: %llu of them, %llu dropped\n", streams[i].name, (unsigned long long)c.missing[i], (unsigned long long)l->dropped);
        HOLD(c.missing[i] <= l->dropped, "it was emitted, and never came", &c.first);
        HOLD(ledger_count(l, ASIDE(RETRY)) == 0, "something is still tried again", NULL);
        HOLD(of(streams[i].name)->scanned == end_sequence && l->ahead_count == 0, "something is still at hand", NULL);
    }
}

static void live_one_round(uint64_t round_seed)
{
    static const uint32_t batches[] = {4, 7, 16, 0};
    chance_state = seed = round_seed;
    begin_with(batches[below(4)]);
    x->on_got = on_got;
    for (size_t i = 0; i < STREAMS; i++) {
        memset(streams[i].known, 0, sizeof streams[i].known);
        streams[i].count = 0;
    }
    for (int i = 0; i < WORKERS; i++) {
        come_anew(&workers[i]);
        workers[i].of = &streams[i < (int)STREAMS ? (uint32_t)i : below(STREAMS)];
    }
    for (sim_step = 0; sim_step < STEPS; sim_step++)
        one_step();
    x->w->failing.appends_left = -1;
    assert_int_equal(engine_retry(x->w->engine), 0);
    drain();
    check_nothing_is_lost();
    restart();
    end(NULL);
}

static uint64_t number_from(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

static void what_was_emitted_reaches_each_subscription_whatever_is_killed(void **state)
{
    (void)state;
    uint64_t rounds = number_from("ROUNDS", getenv("SEED") != NULL ? 1 : ROUNDS), first = number_from("SEED", 1);
    for (uint64_t i = 0; i < rounds; i++)
        live_one_round(first + i);
}

int main(void)
{
    const struct CMUnitTest tests[] = {SENTENCE(what_was_emitted_reaches_each_subscription_whatever_is_killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
