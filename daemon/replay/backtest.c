/* See backtest.h.
 *
 *     folder ---- patient by patient: its entries, oldest first
 *                    outside event --> translate --> fold by the rules that were   --> names, tally
 *                                  \-> translate --> fold by the candidate's rules --> names, tally
 *                    the entry's own outcome ----------------------------------------> names, tally (of the journal) */
#include "replay/backtest.h"

#include <errno.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/stored.h"
#include "core/message.h"
#include "engine/question.h"
#include "replay/fold.h"
#include "replay/folder.h"
#include "replay/translate.h"

enum { FOLDED_COURSES = 2, PATIENTS_A_SNAPSHOT = 64, ENTRIES_A_STEP = 4096, LOOK_SHARE = 8, ROOTS_MAX = 4096 };
#define NAMES_BYTES ((size_t)64 * 1024 * 1024) /* of address space: a patient's names */

struct side { /* one course that is folded */
    struct backtest *run;
    enum course course;
    struct fold fold;
    struct names names;
    struct timeline timeline; /* the candidate's */
};

struct backtest {
    const struct backtest_options *options;
    struct backtest_result *result;
    struct folder folder;
    struct candidate *candidate;
    struct side sides[FOLDED_COURSES];
    struct names journal;
    struct arena *names_arena, *entry_arena;
    int64_t since_ms;
    const char *patient_id;
    const struct place *places; /* of the patient at hand */
    size_t place_count;
    const char **sentence;
};

/* --- the ends ------------------------------------------------------------------------------------------------------
 */

static void tell_progress(void *context)
{
    const struct backtest *b = context;
    if (!b->options->on_progress) return;
    uint64_t to_fold = b->folder.shares ? share_entries(b->folder.shares) : b->folder.to_look;
    b->options->on_progress(b->options->context, b->folder.looked / LOOK_SHARE + b->result->entries,
                            b->folder.to_look / LOOK_SHARE + to_fold);
}

static int fail(struct backtest *b, const char *sentence)
{
    *b->sentence = sentence;
    return BACKTEST_E_FAILED;
}

static int fail_for_memory(struct backtest *b)
{
    return fail(b, folder_error(JOURNAL_E_MEMORY));
}

static void on_told(void *context, const struct fold_told *told)
{
    struct side *s = context;
    names_take(&s->names, told->rules, told->outcome, told->after);
    tally_take(s->run->result->tally, s->course, &s->names, told->outcome, told->at_ms, told->cause_ms);
}

/* --- before the first patient ---------------------------------------------------------------------------------------
 */

static void find_since(struct backtest *b)
{
    const struct rules *newest = timeline_newest(&b->folder.journaled);
    b->since_ms = INT64_MIN;
    if (b->options->since && newest)
        b->since_ms = calendar_instant(&newest->sites[0].calendar, date_to_day(b->options->since), 0);
}

static int prepare_candidate(struct backtest *b, struct yaml_errors *errors)
{
    const struct backtest_options *o = b->options;
    b->candidate = candidate_new();
    if (!b->candidate) return fail_for_memory(b);
    int error = candidate_read(b->candidate, o->pathway_files, o->pathway_count, o->policy_file, errors);
    if (!error) error = candidate_verify(b->candidate, b->folder.rules, errors);
    if (!error)
        error = timeline_candidate(b->folder.changes, b->candidate, b->folder.rules, b->since_ms,
                                   &b->sides[COURSE_CANDIDATE].timeline, errors);
    if (error == -ENOMEM) return fail_for_memory(b);
    return error ? BACKTEST_E_REFUSED : 0;
}

static uint32_t number_of(const void *candidate, uint32_t journaled)
{
    return candidate_number(candidate, journaled);
}

static int prepare_side(struct backtest *b, enum course course)
{
    struct side *s = &b->sides[course];
    s->run = b;
    s->course = course;
    if (fold_new(&s->fold, course == COURSE_PRESENT ? &b->folder.journaled : &s->timeline)) return fail_for_memory(b);
    s->fold.context = s;
    s->fold.on_told = on_told;
    s->fold.number_context = b->candidate;
    if (course == COURSE_CANDIDATE) s->fold.number = number_of;
    return 0;
}

static int prepare(struct backtest *b, struct yaml_errors *errors)
{
    b->folder.context = b;
    b->folder.on_look = tell_progress;
    b->names_arena = arena_new(NAMES_BYTES);
    b->entry_arena = arena_new(LIMIT_ARENA_BYTES);
    b->result->tally = tally_new();
    if (!b->names_arena || !b->entry_arena || !b->result->tally) return fail_for_memory(b);
    int code = folder_open(&b->folder, b->options->journal, b->options->places_max, errors, b->sentence);
    if (code) return code;
    find_since(b);
    b->result->last_sequence = share_last_sequence(b->folder.shares);
    b->result->until_ms = share_last_time_ms(b->folder.shares);
    code = prepare_candidate(b, errors);
    for (int c = 0; c < FOLDED_COURSES && !code; c++) code = prepare_side(b, (enum course)c);
    return code;
}

static void release(struct backtest *b)
{
    for (int c = 0; c < FOLDED_COURSES; c++) {
        fold_free(&b->sides[c].fold);
        timeline_free(&b->sides[c].timeline);
    }
    candidate_free(b->candidate);
    folder_close(&b->folder);
    if (b->names_arena) arena_free(b->names_arena);
    if (b->entry_arena) arena_free(b->entry_arena);
    free(b);
}

/* --- where a patient begins ------------------------------------------------------------------------------------------
 */

/* The first entry whose time is not before the day. */
static int find_first(struct backtest *b, size_t *ret_first)
{
    size_t low = 0, high = b->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        struct entry entry;
        int code = share_entry(b->folder.shares, &b->places[middle], &entry);
        if (code) return code;
        if (entry.time_ms < b->since_ms)
            low = middle + 1;
        else
            high = middle;
    }
    *ret_first = low;
    return 0;
}

struct sequences {
    uint64_t list[ROOTS_MAX];
    size_t count;
};

static void add_sequence(struct sequences *s, uint64_t sequence)
{
    if (s->count < ROOTS_MAX) s->list[s->count++] = sequence;
}

static int by_number(const void *left, const void *right)
{
    uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
    return (a > b) - (a < b);
}

/* The entries that what is open goes back to. */
static void gather_causes(const Handoff__V1__PatientRecord *r, struct sequences *s)
{
    for (size_t i = 0; i < r->n_timers; i++) add_sequence(s, r->timers[i]->cause_sequence);
    for (size_t i = 0; i < r->n_tasks; i++)
        if (r->tasks[i]->n_causes) add_sequence(s, r->tasks[i]->causes[0]->sequence);
    for (size_t i = 0; i < r->n_escalations; i++)
        if (r->escalations[i]->cause) add_sequence(s, r->escalations[i]->cause->sequence);
    qsort(s->list, s->count, sizeof s->list[0], by_number);
}

static const struct place *find_place(const struct backtest *b, uint64_t sequence)
{
    size_t low = 0, high = b->place_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (b->places[middle].sequence < sequence)
            low = middle + 1;
        else
            high = middle;
    }
    return low < b->place_count && b->places[low].sequence == sequence ? &b->places[low] : NULL;
}

static int occurred_at(struct backtest *b, const struct place *place, int64_t *ret_ms)
{
    struct entry entry;
    int code = share_entry(b->folder.shares, place, &entry);
    if (code) return code;
    *ret_ms = entry.time_ms;
    if (entry.kind != ENTRY_EVENT) return 0;
    const Handoff__V1__Event *event =
        handoff__v1__event__unpack(arena_protobuf(b->entry_arena), entry.input.len, entry.input.data);
    if (event && event->occurred_at_ms < *ret_ms) *ret_ms = event->occurred_at_ms;
    return 0;
}

static int add_roots(struct backtest *b, const Handoff__V1__PatientRecord *base)
{
    struct sequences causes;
    causes.count = 0;
    gather_causes(base, &causes);
    for (size_t i = 0; i < causes.count; i++) {
        const struct place *place = find_place(b, causes.list[i]);
        int64_t occurred_ms;
        if (!place || (i && causes.list[i] == causes.list[i - 1])) continue;
        int code = occurred_at(b, place, &occurred_ms);
        if (code) return code;
        for (int c = 0; c < FOLDED_COURSES; c++)
            fold_add_root(&b->sides[c].fold, causes.list[i] * FOLD_STEPS, occurred_ms);
    }
    return 0;
}

/* All begin with the record after the last entry before, or with nothing. */
static int begin_patient(struct backtest *b, const struct entry *base, int64_t at_ms)
{
    struct bytes packed = base ? base->record : (struct bytes){0};
    const struct rules *rules = base ? timeline_newest(&b->folder.journaled) : NULL; /* for names alone */
    Handoff__V1__PatientRecord *record = NULL;
    if (packed.len) record = stored_unpack(&handoff__v1__patient_record__descriptor, packed, b->entry_arena);
    if (packed.len && !record) return JOURNAL_E_CORRUPT;
    arena_reset(b->names_arena);
    names_begin(&b->journal, b->names_arena, rules, record);
    for (int c = 0; c < FOLDED_COURSES; c++) {
        if (fold_begin(&b->sides[c].fold, packed, base ? base->sequence : 0, at_ms)) return JOURNAL_E_CORRUPT;
        names_begin(&b->sides[c].names, b->names_arena, rules, record);
    }
    return record ? add_roots(b, record) : 0;
}

/* --- a patient's entries
 * ---------------------------------------------------------------------------------------------- */

static void tell_unmatched(struct backtest *b, const struct side *s, const struct entry *entry,
                           const Handoff__V1__Event *event, const struct translation *t)
{
    b->result->unmatched[s->course]++;
    if (!b->options->on_unmatched) return;
    struct backtest_unmatched told = {.course = s->course,
                                      .patient_id = b->patient_id,
                                      .sequence = entry->sequence,
                                      .at_ms = entry->time_ms,
                                      .event = event_kind_of(event->body_case)->name,
                                      .pathway = "",
                                      .why = t->why};
    uint32_t episode = t->task ? t->task->episode : t->escalation ? t->escalation->episode : 0;
    if (episode) told.pathway = b->journal.episodes[episode - 1].pathway;
    if (t->episode) told.pathway = t->episode->pathway;
    if (t->task) told.kind = t->task->kind;
    if (t->escalation) told.rung = t->escalation->rung;
    b->options->on_unmatched(b->options->context, &told);
}

static void decide(struct backtest *b, struct side *s, const struct entry *entry, struct question *q)
{
    struct translation translation;
    struct arena *arena = s->fold.arena;
    enum translated translated = translate_event(q->event, &b->journal, &s->names, arena, &translation);
    if (translated == UNTRANSLATABLE) tell_unmatched(b, s, entry, q->event, &translation);
    if (translated != TRANSLATED) return;
    /* Said of another patient, or of a site, it may be on this patient's chain; its ids are this one's now. */
    if (q->event->patient_id[0]) q->event->patient_id = arena_string(arena, b->patient_id);
    q->input.subject_name = b->patient_id;
    q->input.subject = SUBJECT_IS_PATIENT;
    b->result->matched[s->course] += translation.is_work;
    b->result->matched_by_kind[s->course] += translation.is_work && translation.why == MATCH_BY_KIND;
    fold_event(&s->fold, &q->input, entry->sequence, entry->time_ms);
}

/* What deliveries said of a message: it was audited, and what did not arrive asks somebody to act. */
static void take_message(struct backtest *b, struct side *s, const struct entry *entry, struct question *q)
{
    Handoff__V1__CommandInput *command = message_copy(q->input.command, s->fold.arena);
    translate_command(command, b->patient_id, &b->journal, &s->names, s->fold.arena);
    q->input.command = command;
    q->input.subject_name = b->patient_id;
    fold_event(&s->fold, &q->input, entry->sequence, entry->time_ms);
}

/* What an entry asks the side's course, in its arena. False: the entry does not unpack. */
static bool ask(struct backtest *b, struct side *s, const struct entry *entry, struct question *ret)
{
    struct question_about about = {
        .entry = entry,
        .rules = timeline_at_sequence(&b->folder.journaled, entry->sequence),
        .before = s->fold.record,
        .subject_name = b->patient_id,
        .chains = {.arena = fold_arena(&s->fold), .hash_key = b->folder.hash_key},
    };
    return about.rules && question_ask(&about, ret);
}

/* Two patients became one, or an event was taken back: that goes back to entries of other chains and of before. Both
 * courses go on from the journal's record; what the entry itself caused is theirs too. */
static bool goes_on_from_journal(const struct question *q)
{
    return q->event && (q->event->body_case == HANDOFF__V1__EVENT__BODY_PATIENT_MERGED ||
                        q->event->body_case == HANDOFF__V1__EVENT__BODY_EVENT_RETRACTED);
}

static int rebase(struct backtest *b, const struct entry *entry)
{
    const struct rules *rules = timeline_newest(&b->folder.journaled);
    Handoff__V1__PatientRecord *record =
        stored_unpack(&handoff__v1__patient_record__descriptor, entry->record, b->entry_arena);
    Handoff__V1__Outcome *outcome = stored_unpack(&handoff__v1__outcome__descriptor, entry->outcome, b->entry_arena);
    if (!record || !outcome) return JOURNAL_E_CORRUPT;
    for (int c = 0; c < COURSES; c++)
        tally_take(b->result->tally, (enum course)c, &b->journal, outcome, entry->time_ms, entry->time_ms);
    names_begin(&b->journal, b->names_arena, rules, record);
    for (int c = 0; c < FOLDED_COURSES; c++) {
        if (fold_rebase(&b->sides[c].fold, entry)) return JOURNAL_E_CORRUPT;
        names_begin(&b->sides[c].names, b->names_arena, rules, record);
    }
    return 0;
}

static int follow_journal(struct backtest *b, const struct entry *entry)
{
    if (!entry->outcome.len) return 0;
    const struct rules *rules = timeline_newest(&b->folder.journaled);
    Handoff__V1__PatientRecord *after = NULL;
    Handoff__V1__Outcome *outcome = stored_unpack(&handoff__v1__outcome__descriptor, entry->outcome, b->entry_arena);
    if (!outcome) return JOURNAL_E_CORRUPT;
    if (names_want_record(&b->journal, outcome))
        after = stored_unpack(&handoff__v1__patient_record__descriptor, entry->record, b->entry_arena);
    names_take(&b->journal, rules, outcome, after);
    tally_take(b->result->tally, COURSE_JOURNAL, &b->journal, outcome, entry->time_ms, entry->time_ms);
    return 0;
}

/* An event, an event of the site that concerns the patient, or another patient who becomes this one. */
static int take_input(struct backtest *b, const struct entry *entry)
{
    struct question q;
    for (int c = 0; c < FOLDED_COURSES; c++) fold_advance(&b->sides[c].fold, entry->time_ms);
    for (int c = 0; c < FOLDED_COURSES; c++) {
        if (!ask(b, &b->sides[c], entry, &q)) {
            if (entry->kind == ENTRY_COMMAND) return rebase(b, entry);
            return JOURNAL_E_CORRUPT;
        }
        if (c == 0 && goes_on_from_journal(&q)) return rebase(b, entry);
        if (q.event) decide(b, &b->sides[c], entry, &q);
        if (q.input.kind == STEP_COMMAND) take_message(b, &b->sides[c], entry, &q);
    }
    b->result->events += q.event != NULL; /* else of a message, or an event came again with other content: the first stands */
    return follow_journal(b, entry);
}

static int take_entry(struct backtest *b, const struct place *place)
{
    struct entry entry;
    arena_reset(b->entry_arena);
    int code = share_entry(b->folder.shares, place, &entry);
    if (code) return code;
    return entry.kind == ENTRY_EVENT || entry.kind == ENTRY_COMMAND ? take_input(b, &entry) : follow_journal(b, &entry);
}

static int take_entries(struct backtest *b, size_t first)
{
    struct entry base;
    bool has_base = first > 0;
    int code = share_entry(b->folder.shares, &b->places[has_base ? first - 1 : 0], &base);
    if (!code && !has_base && base.prev_sequence) has_base = ++first; /* what was before is not kept any more */
    int64_t at_ms = b->since_ms > base.time_ms ? b->since_ms : base.time_ms;
    if (!code) code = begin_patient(b, has_base ? &base : NULL, at_ms);
    for (size_t i = first; i < b->place_count && !code; i++) {
        code = take_entry(b, &b->places[i]);
        b->result->entries++;
        if (b->result->entries % ENTRIES_A_STEP == 0) tell_progress(b);
    }
    b->result->entries += first;
    for (int c = 0; c < FOLDED_COURSES && !code; c++) fold_advance(&b->sides[c].fold, b->result->until_ms);
    if (b->result->from_ms > at_ms) b->result->from_ms = at_ms;
    return code;
}

static int take_patient(struct backtest *b)
{
    size_t first = 0;
    int code = b->since_ms > INT64_MIN ? find_first(b, &first) : 0;
    if (!code) code = take_entries(b, first);
    if (code) return fail(b, folder_error(code));
    struct tally_patient told = tally_end_patient(b->result->tally);
    b->result->patients++;
    b->result->patients_differ += told.differs;
    b->result->patients_unlike_journal += told.is_unlike_journal;
    if (told.differs && b->options->on_patient) b->options->on_patient(b->options->context, b->patient_id);
    if (b->result->patients % PATIENTS_A_SNAPSHOT == 0) share_rest(b->folder.shares);
    return 0;
}

static int take_all(struct backtest *b)
{
    char patient_id[LIMIT_ID_BYTES + 1];
    struct chain_places chain;
    Handoff__V1__PatientRecord *newest;
    int code = 1;
    b->patient_id = patient_id;
    while (code == 1) {
        arena_reset(b->entry_arena);
        code = folder_next(&b->folder, b->entry_arena, &chain, &newest, b->sentence);
        if (code != 1) break;
        memcpy(patient_id, newest->patient_id, strlen(newest->patient_id) + 1);
        b->places = chain.places;
        b->place_count = chain.count;
        if (take_patient(b)) code = BACKTEST_E_FAILED;
    }
    for (int c = 0; c < FOLDED_COURSES; c++) b->result->steps += b->sides[c].fold.steps;
    if (!code && tally_has_lost(b->result->tally)) return fail(b, "there is not enough memory to count all of it");
    return code;
}

int backtest_run(const struct backtest_options *options, struct backtest_result *ret_result, struct yaml_errors *errors,
                 const char **ret_sentence)
{
    struct backtest_result result = {.from_ms = INT64_MAX};
    struct backtest *b = calloc(1, sizeof *b);
    *ret_sentence = folder_error(JOURNAL_E_MEMORY);
    if (!b) return BACKTEST_E_FAILED;
    b->options = options;
    b->result = &result;
    b->sentence = ret_sentence;
    int code = prepare(b, errors);
    if (!code) code = take_all(b);
    release(b);
    if (code)
        tally_free(result.tally);
    else
        *ret_result = result;
    return code;
}

void backtest_free(struct backtest_result *result)
{
    tally_free(result->tally);
    result->tally = NULL;
}
