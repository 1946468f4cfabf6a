/* Rounds: going through all records once because of one event of a site (core/rounds.h), some at a time and between
 * everything else.
 *
 *     a site's record says so --> walk in key order, ROUND_RECORDS_PER_TURN a turn --> one list on the site's record
 *
 * A patient whom the event concerns gets an entry of its own: the event, shared, and deduped by its source and id like
 * one that was published. What is durable is that the round stands on the site's record; where it has got to is not.
 * After a crash it begins again at the first record, the repeats are seen, and the list comes out whole. Rounds go one
 * after the other, in the order of their events. */
#include "engine/inside.h"

#include <assert.h>
#include <stdlib.h>
#include "base/limits.h"
#include "core/rounds.h"

enum {
    ROUND_RECORDS_PER_TURN = 256,
    ROUND_LINES_KEPT = 65536, /* of all lists of a round; what is more is counted */
    ROUND_LISTS_MAX = 64,     /* of one site: new owners; of more the task lists tell */
    ROUND_LINES_TOLD = 4000,  /* of all lists together, so that they fit what a batch has left */
    ROUND_ARENA_BYTES = 64 * 1024 * 1024,
    ROUND_LINE_BYTES = 1024 /* left in the arena before a line */
};

struct kept_line {
    uint32_t site;
    const char *person_id;
    Handoff__V1__ListLine *line;
};

struct rounds {
    bool is_known;   /* no site's record has changed its rounds since they were looked at */
    bool is_running; /* what follows speaks of one */
    bool is_at_end;
    Handoff__V1__Round *round; /* in the arena, with all of its lines */
    uint32_t site;             /* position of the site that it stands with */
    uint64_t as_of;            /* the index must know everything up to here */
    struct patient_key after;  /* the record that was looked at last; all zero: none yet */
    bool has_begun;
    struct arena *arena;
    struct kept_line *lines;
    uint32_t line_count;
    uint64_t lost_lines; /* beyond ROUND_LINES_KEPT */
    struct round_line of_record[ROUND_RECORD_LINES_MAX];
};

struct rounds *rounds_new(void)
{
    struct rounds *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->arena = arena_new(ROUND_ARENA_BYTES);
    r->lines = calloc(ROUND_LINES_KEPT, sizeof *r->lines);
    if (r->arena && r->lines) return r;
    rounds_free(r);
    return NULL;
}

void rounds_free(struct rounds *r)
{
    if (!r) return;
    arena_free(r->arena);
    free(r->lines);
    free(r);
}

void rounds_look_again(struct engine *e)
{
    e->rounds->is_known = false;
}

void rounds_forget(struct engine *e)
{
    e->rounds->is_known = false;
    e->rounds->is_running = false;
}

/* --- which -------------------------------------------------------------------------------------------------------- */

static char *copy_text(struct rounds *r, const char *text)
{
    return arena_string(r->arena, text ? text : "");
}

static void begin(struct engine *e, const Handoff__V1__Round *round, uint32_t site)
{
    struct rounds *r = e->rounds;
    arena_reset(r->arena);
    r->round = arena_copy(r->arena, round, sizeof *round);
    r->round->about = copy_text(r, round->about);
    r->site = site;
    r->as_of = turn_last_decided(e);
    r->is_running = true;
    r->has_begun = r->is_at_end = false;
    r->line_count = 0;
    r->lost_lines = 0;
}

static int read_site(struct engine *e, uint32_t site, struct patient_key *key, struct found *found,
                     Handoff__V1__PatientRecord **ret_record)
{
    subject_key(e->hash_key, SUBJECT_IS_SITE, e->rules->sites[site].name, key);
    int code = lookup_subject(e, key, found);
    return code ? code : lookup_record(e, found, e->arena, ret_record);
}

static const Handoff__V1__Round *first_begun(const struct engine *e, const Handoff__V1__PatientRecord *record)
{
    const Handoff__V1__Round *first = NULL;
    for (size_t i = 0; record && i < record->n_rounds; i++) {
        const Handoff__V1__Round *r = record->rounds[i];
        if (r->is_begun && (!first || r->sequence < first->sequence) && !round_waits(e->rules, r)) first = r;
    }
    return first;
}

/* Those that stand on a site's record and have begun; the oldest event's first. */
static void find(struct engine *e)
{
    const Handoff__V1__Round *chosen = NULL;
    uint32_t of_site = 0;
    arena_reset(e->arena);
    for (uint32_t site = 0; site < e->rules->site_count; site++) {
        struct patient_key key;
        struct found found;
        Handoff__V1__PatientRecord *record;
        if (read_site(e, site, &key, &found, &record)) return; /* asked again after the next turn */
        const Handoff__V1__Round *first = first_begun(e, record);
        if (!first || (chosen && chosen->sequence <= first->sequence)) continue;
        chosen = first;
        of_site = site;
    }
    e->rounds->is_known = true;
    if (chosen) begin(e, chosen, of_site);
}

void rounds_find(struct engine *e)
{
    assert(!e->is_in_turn);
    if (e->rounds->is_running || e->rounds->is_known || !e->rules) return;
    find(e);
    reading_end(e);
}

/* --- one record --------------------------------------------------------------------------------------------------- */

struct visit {
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *record; /* the newest; after the event, where it was told now */
    uint32_t site;
};

static uint32_t site_position(const struct engine *e, const Handoff__V1__PatientRecord *record)
{
    return (uint32_t)(rules_site(e->rules, record->site) - e->rules->sites);
}

/* A patient's record, of the right site, that the round has anything to do with. */
static bool is_wanted(const struct engine *e, struct visit *v)
{
    const struct rounds *r = e->rounds;
    struct patient_key key;
    if (!v->record || v->record->merged_into[0] || v->record->heartbeat) return false;
    subject_key(e->hash_key, SUBJECT_IS_PATIENT, v->record->patient_id, &key);
    if (!key_equals(&key, &v->key)) return false;
    v->site = site_position(e, v->record);
    return !round_is_about_tasks(r->round) || v->site == r->site;
}

/* Its event says that another was never so. */
static bool is_undoing(const Handoff__V1__Round *round)
{
    return round->kind == HANDOFF__V1__ROUND_KIND__ROUND_KIND_AGENCY_STAYS ||
           round->kind == HANDOFF__V1__ROUND_KIND__ROUND_KIND_ABSENCE_UNDONE;
}

static Handoff__V1__Event *read_event(struct engine *e, uint64_t sequence)
{
    struct entry entry;
    if (lookup_sequence(e, sequence, &entry) || entry.kind != ENTRY_EVENT) return NULL;
    return handoff__v1__event__unpack(arena_protobuf(e->arena), entry.input.len, entry.input.data);
}

/* What the patient is told: the event, and what it takes back where that is what it says. */
struct news {
    Handoff__V1__Event *event;
    uint64_t hash, retracted_hash;
    const struct step_retraction *retraction;
};

static void share(struct engine *e, struct visit *v, const struct news *news)
{
    Handoff__V1__SharedEvent shared = HANDOFF__V1__SHARED_EVENT__INIT;
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    struct outcome outcome;
    struct bytes after_packed;
    shared.sequence = e->rounds->round->sequence;
    shared.event = news->event;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_SHARED_EVENT;
    command.shared_event = &shared;
    struct step_input input = {.kind = STEP_EVENT,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject = SUBJECT_IS_PATIENT,
                               .subject_name = v->record->patient_id,
                               .seen_hash = news->hash,
                               .event = news->event,
                               .retracted_hash = news->retracted_hash,
                               .retraction = news->retraction};
    step(e->rules, v->record, &input, e->arena, &outcome);
    if (!turn_fits(e, outcome.after, true, &after_packed)) {
        engine_say(e, "a record became too large to hear of an event of its site; the patient is in the list");
        return;
    }
    turn_add(e, &(struct addition){.kind = ENTRY_COMMAND,
                                   .key = &v->key,
                                   .found = &v->found,
                                   .input_message = &command.base,
                                   .before = v->record,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled});
    v->record = outcome.after;
}

/* Whether the patient has been told of it; or an error. */
static int has_heard(struct engine *e, const struct visit *v, const struct news *news)
{
    struct entry first;
    struct repeat_question question = {&v->key, v->record, v->found.row.sequence, news->hash, news->event};
    return repeat_find(e, &question, &first);
}

static bool read_news(struct engine *e, uint64_t sequence, struct news *ret)
{
    *ret = (struct news){.event = read_event(e, sequence)};
    if (!ret->event) return false;
    ret->hash = subject_event_hash(e->hash_key, ret->event->source, ret->event->id);
    return true;
}

/* Whether the patient belongs to the list, having heard of the event now or before; or an error. */
static int tell_event(struct engine *e, struct visit *v)
{
    struct news news;
    const Handoff__V1__Round *round = e->rounds->round;
    bool is_concerned = round_concerns(e->rules, v->record, round);
    if (!read_news(e, round->sequence, &news)) return ENGINE_E_DAMAGED;
    int heard = has_heard(e, v, &news);
    if (heard) return heard;
    if (is_concerned) share(e, v, &news);
    return is_concerned;
}

/* Whoever was told of the event hears, once, that it was taken back. Nobody is in a list; or an error. */
static int tell_taken_back(struct engine *e, struct visit *v)
{
    struct news news, was;
    const Handoff__V1__Round *round = e->rounds->round;
    struct chains_read chains = lookup_chains(e);
    if (!read_news(e, round->since_sequence, &was) || !read_news(e, round->sequence, &news)) return ENGINE_E_DAMAGED;
    int heard = has_heard(e, v, &was);
    if (heard <= 0) return heard;
    heard = has_heard(e, v, &news);
    if (heard) return heard < 0 ? heard : 0;
    const Handoff__V1__EventRetracted *r = news.event->event_retracted;
    int code = retraction_gather(&chains, r, v->record, v->found.row.sequence, &news.retraction);
    news.retracted_hash = was.hash;
    if (!code && news.retraction) share(e, v, &news);
    return code;
}

/* Whether the patient adds to the list; or an error. */
static int tell(struct engine *e, struct visit *v)
{
    if (round_is_about_tasks(e->rounds->round)) return 1;
    return is_undoing(e->rounds->round) ? tell_taken_back(e, v) : tell_event(e, v);
}

static void keep_line(struct rounds *r, uint32_t site, const struct round_line *line)
{
    if (r->line_count == ROUND_LINES_KEPT || arena_left(r->arena) < ROUND_LINE_BYTES) {
        r->lost_lines++;
        return;
    }
    Handoff__V1__ListLine *copy = arena_copy(r->arena, &line->line, sizeof line->line);
    copy->patient_id = copy_text(r, line->line.patient_id);
    copy->id = copy_text(r, line->line.id);
    r->lines[r->line_count++] = (struct kept_line){site, copy_text(r, line->person_id), copy};
}

static int visit(struct engine *e, struct visit *v)
{
    char key_text[33];
    struct rounds *r = e->rounds;
    int code = lookup_subject(e, &v->key, &v->found);
    bool has_work = v->found.row.flags & ENTRY_HAS_OPEN_WORK;
    if (code || (round_is_about_tasks(r->round) && !has_work)) return code;
    code = lookup_record(e, &v->found, e->arena, &v->record);
    if (code || !is_wanted(e, v)) return code;
    int told = tell(e, v);
    if (told <= 0) return told;
    engine_key_text(&v->key, key_text);
    size_t count = round_lines(e->rules, v->record, key_text, r->round, e->now_ms, e->arena, r->of_record);
    for (size_t i = 0; i < count; i++) keep_line(r, v->site, &r->of_record[i]);
    return 0;
}

/* False: nothing more now. A record that cannot be read is passed over; engine_state says which batch is damaged. */
static bool visit_next(struct engine *e)
{
    struct rounds *r = e->rounds;
    struct visit v = {.record = NULL};
    struct index_row row;
    arena_reset(e->arena);
    if (reading_begin(e)) return false;
    int code = e->options.index->ops->subject_next(e->index_reader, r->has_begun ? &r->after : NULL, &v.key, &row);
    r->is_at_end = code == INDEX_E_NOT_FOUND;
    if (code) return false;
    r->after = v.key;
    r->has_begun = true;
    visit(e, &v);
    return true;
}

/* --- the list ----------------------------------------------------------------------------------------------------- */

static int order_of_lines(const void *left, const void *right)
{
    const struct kept_line *a = left, *b = right;
    int order = (a->site > b->site) - (a->site < b->site);
    if (!order) order = strcmp(a->person_id, b->person_id);
    return order ? order : round_order(a->line, b->line);
}

static bool is_same_list(const struct kept_line *a, const struct kept_line *b)
{
    return a->site == b->site && strcmp(a->person_id, b->person_id) == 0;
}

/* How many lines each list may show. */
static uint32_t lines_a_list(const struct rounds *r)
{
    uint32_t lists = 1;
    for (uint32_t i = 1; i < r->line_count; i++) lists += !is_same_list(&r->lines[i - 1], &r->lines[i]);
    uint32_t share = ROUND_LINES_TOLD / lists;
    return share < ROUND_LINES_MAX ? share : ROUND_LINES_MAX;
}

/* The lines from `at` on that are one person's, as a list; returns how many they are. */
static uint32_t fill_list(const struct rounds *r, uint32_t at, struct arena *arena, Handoff__V1__RoundList **ret_list)
{
    uint32_t most = lines_a_list(r);
    Handoff__V1__RoundList *list = ARENA_NEW(arena, Handoff__V1__RoundList);
    handoff__v1__round_list__init(list);
    list->person_id = (char *)(uintptr_t)r->lines[at].person_id;
    uint32_t n = 0;
    while (at + n < r->line_count && is_same_list(&r->lines[at], &r->lines[at + n])) n++;
    list->total = n;
    list->n_lines = n < most ? n : most;
    list->lines = ARENA_ARRAY(arena, Handoff__V1__ListLine *, list->n_lines + 1);
    for (size_t i = 0; i < list->n_lines; i++) list->lines[i] = r->lines[at + i].line;
    *ret_list = list;
    return n;
}

/* All lists of one site, which begin at `at`. */
static uint32_t fill_lists(const struct rounds *r, uint32_t site, uint32_t at, struct arena *arena,
                           Handoff__V1__RoundDone *done)
{
    uint32_t begin = at;
    done->lists = ARENA_ARRAY(arena, Handoff__V1__RoundList *, ROUND_LISTS_MAX);
    while (at < r->line_count && r->lines[at].site == site && done->n_lists < ROUND_LISTS_MAX)
        at += fill_list(r, at, arena, &done->lists[done->n_lists++]);
    while (at < r->line_count && r->lines[at].site == site) at++;
    if (done->n_lists) done->lists[0]->total += (uint32_t)r->lost_lines;
    return at - begin;
}

static int add_done(struct engine *e, uint32_t site, Handoff__V1__RoundDone *done)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    struct patient_key key;
    struct found found;
    struct outcome outcome;
    struct bytes after_packed;
    Handoff__V1__PatientRecord *before;
    int code = read_site(e, site, &key, &found, &before);
    if (code) return code;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_DONE;
    command.round_done = done;
    struct step_input input = {.kind = STEP_COMMAND,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject = SUBJECT_IS_SITE,
                               .subject_name = e->rules->sites[site].name,
                               .command = &command};
    step(e->rules, before, &input, e->arena, &outcome);
    if (!turn_fits(e, outcome.after, true, &after_packed)) return ENGINE_E_LIMIT;
    turn_add(e, &(struct addition){.kind = ENTRY_COMMAND,
                                   .key = &key,
                                   .found = &found,
                                   .input_message = &command.base,
                                   .before = before,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled});
    return 0;
}

/* An escalation that what was taken back may have raised. */
static bool has_list_of(struct engine *e, uint32_t site, uint64_t sequence)
{
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *record;
    if (read_site(e, site, &key, &found, &record)) return false;
    for (size_t i = 0; record && i < record->n_escalations; i++)
        for (size_t k = 0; k < record->escalations[i]->n_rounds; k++)
            if (record->escalations[i]->rounds[k] == sequence) return true;
    return false;
}

static void fill_done(struct engine *e, Handoff__V1__RoundDone *done)
{
    const Handoff__V1__Round *round = e->rounds->round;
    done->sequence = round->sequence;
    done->kind = round->kind;
    done->about = round->about;
    if (!is_undoing(round)) return;
    const Handoff__V1__Event *event = read_event(e, round->sequence);
    done->taken_back = round->since_sequence;
    if (event && event->event_retracted) done->reason = event->event_retracted->reason;
}

/* One entry a site that has lines, or a list that is over, and the site's own where the round stands, which then does no
 * longer. */
static void finish(struct engine *e)
{
    struct rounds *r = e->rounds;
    uint32_t at = 0;
    bool is_kept = true;
    if (r->line_count) qsort(r->lines, r->line_count, sizeof *r->lines, order_of_lines);
    arena_reset(e->arena);
    for (uint32_t site = 0; site < e->rules->site_count; site++) {
        Handoff__V1__RoundDone done = HANDOFF__V1__ROUND_DONE__INIT;
        fill_done(e, &done);
        at += fill_lists(r, site, at, e->arena, &done);
        bool is_over = done.taken_back && has_list_of(e, site, done.taken_back);
        if (!done.n_lists && !is_over && site != r->site) continue;
        bool has_room =
            e->deciding->entry_count + 1 + (site < r->site) <= e->options.batch_events; /* a place for its own site's */
        if (has_room && !add_done(e, site, &done)) continue;
        engine_say(e, "a list for the site %.64s could not be kept", e->rules->sites[site].name);
        is_kept &= site != r->site;
    }
    r->is_running = false;
    r->is_known = !is_kept; /* the round still stands: not at once again, but when something of the site changes */
}

/* --- a turn's share ----------------------------------------------------------------------------------------------- */

/* All lists in one batch: a crash between two of them would tell one twice. */
static bool has_room_for_lists(const struct engine *e)
{
    return e->deciding->entry_count == 0 || e->deciding->entry_count + e->rules->site_count <= e->options.batch_events;
}

/* Another event may have taken it back meanwhile. What cannot be read is no reason to stop. */
static bool still_stands(struct engine *e)
{
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *record = NULL;
    const Handoff__V1__Round *round = e->rounds->round;
    arena_reset(e->arena);
    if (read_site(e, e->rounds->site, &key, &found, &record)) return true;
    for (size_t i = 0; record && i < record->n_rounds; i++)
        if (record->rounds[i]->sequence == round->sequence && record->rounds[i]->kind == round->kind) return true;
    return false;
}

void rounds_go_on(struct engine *e)
{
    struct rounds *r = e->rounds;
    if (r->is_running && !r->is_known && !still_stands(e)) r->is_running = false;
    if (!r->is_running) return;
    if (e->indexed_sequence < r->as_of) {
        sweep_want(e, r->as_of);
        return;
    }
    for (int i = 0; i < ROUND_RECORDS_PER_TURN && !r->is_at_end && turn_has_room(e); i++)
        if (!visit_next(e)) break;
    if (r->is_at_end && turn_has_room(e) && has_room_for_lists(e)) finish(e);
}

bool rounds_have_work(const struct engine *e)
{
    return e->rounds->is_running && e->indexed_sequence >= e->rounds->as_of;
}

bool rounds_may_run(const struct engine *e)
{
    return e->rounds->is_running || !e->rounds->is_known;
}

bool rounds_wait_for_index(const struct engine *e)
{
    return e->rounds->is_running && e->indexed_sequence < e->rounds->as_of;
}

/* --- wanting one -------------------------------------------------------------------------------------------------- */

int round_want(struct engine *e, const char *site_name, const Handoff__V1__RoundWanted *wanted, struct round_want *ret)
{
    *ret = (struct round_want){.is_needed = true, .wanted = *wanted, .site_name = site_name};
    subject_key(e->hash_key, SUBJECT_IS_SITE, site_name, &ret->key);
    int code = lookup_subject(e, &ret->key, &ret->found);
    if (!code) code = lookup_record(e, &ret->found, e->arena, &ret->before);
    if (code) return code;
    for (size_t i = 0; ret->before && i < ret->before->n_rounds; i++) {
        const Handoff__V1__Round *r = ret->before->rounds[i];
        if (!r->is_begun && r->kind == wanted->kind && strcmp(r->about, wanted->about) == 0) ret->is_needed = false;
    }
    return 0;
}

void round_want_add(struct engine *e, const struct round_want *want)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    struct outcome outcome;
    struct bytes after_packed;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_ROUND_WANTED;
    command.round_wanted = (Handoff__V1__RoundWanted *)(uintptr_t)&want->wanted;
    struct step_input input = {.kind = STEP_COMMAND,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject = SUBJECT_IS_SITE,
                               .subject_name = want->site_name,
                               .command = &command};
    step(e->rules, want->before, &input, e->arena, &outcome);
    if (!turn_fits(e, outcome.after, true, &after_packed)) return; /* a site with that many rounds has other worries */
    turn_add(e, &(struct addition){.kind = ENTRY_COMMAND,
                                   .key = &want->key,
                                   .found = &want->found,
                                   .input_message = &command.base,
                                   .before = want->before,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled});
}
