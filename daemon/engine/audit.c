/* The audit: one pass over the journal, a row a subject in memory. audit.h says what is looked at. */
#include "engine/audit.h"

#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"
#include "base/yaml.h"
#include "engine/inside.h"
#include "engine/question.h"

enum { AUDIT_SUBJECTS_MAX = 32 * 1024 * 1024, TAIL_BYTES = 160 };

struct auditor {
    const struct audit *audit;
    struct audit_summary summary;
    struct journal *journal;
    struct journal_reader *reader;
    struct arena *arena;
    struct changes subjects; /* row: where the newest entry is; flags: those below */
    struct ruleset *ruleset;
    const struct rules *rules;
    bool are_rules_stale, are_rules_known, is_own_epoch, has_epoch, has_lost_entries;
    uint8_t hash_key[HASH_KEY_BYTES];
    int64_t totals[TOTAL_COUNT], last_time_ms;
    bool are_totals_known;
    uint8_t digest[DIGEST_BYTES];
    bool is_digest_known;
    uint64_t batch; /* the one at hand */
};

__attribute__((format(printf, 3, 4))) static void report(struct auditor *a, uint64_t sequence, const char *format, ...)
{
    char sentence[ENGINE_SENTENCE_BYTES];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(sentence, sizeof sentence, format, arguments);
    va_end(arguments);
    a->summary.damages++;
    a->audit->on_damage(a->audit->context, a->batch, sequence, sentence);
}

/* --- what changes the rules of the game -------------------------------------------------------------------------- */

static void take_epoch(struct auditor *a, const struct entry *e)
{
    const Handoff__V1__EpochInput *epoch =
        handoff__v1__epoch_input__unpack(arena_protobuf(a->arena), e->input.len, e->input.data);
    if (!epoch || epoch->hash_key.len != HASH_KEY_BYTES) {
        report(a, e->sequence, "an epoch does not unpack");
        return;
    }
    if (a->has_epoch && memcmp(a->hash_key, epoch->hash_key.data, HASH_KEY_BYTES) != 0)
        report(a, e->sequence, "an epoch has another hash key than the first one");
    if (!a->has_epoch) memcpy(a->hash_key, epoch->hash_key.data, HASH_KEY_BYTES);
    a->has_epoch = true;
    a->is_own_epoch = strcmp(epoch->code, a->audit->code_version) == 0;
}

/* Rules of an older code may not load here; then only what was decided before them is decided again. */
static void take_rules(struct auditor *a, const struct entry *e)
{
    struct yaml_errors errors = {0};
    const Handoff__V1__RulesChange *change =
        handoff__v1__rules_change__unpack(arena_protobuf(a->arena), e->input.len, e->input.data);
    a->are_rules_stale = true;
    if (change && ruleset_apply(a->ruleset, change, e->sequence, &errors) == 0) return;
    a->are_rules_known = false;
    if (!change) report(a, e->sequence, "a change of rules does not unpack");
    else if (a->is_own_epoch)
        report(a, e->sequence, "a change of rules does not load: %s", errors.count ? errors.list[0].sentence : "");
}

/* What a batch changes holds from the next one on. */
static void let_rules_take_effect(struct auditor *a)
{
    if (a->are_rules_stale) a->rules = ruleset_build(a->ruleset);
    a->are_rules_stale = false;
}

static const struct rules *current_rules(const struct auditor *a)
{
    return a->are_rules_known ? a->rules : NULL;
}

/* --- one entry's subject -------------------------------------------------------------------------------------------
 */

struct subject {
    struct index_change *row;     /* NULL: its first entry */
    bool is_chain_whole;          /* the row is the entry's previous one */
    Handoff__V1__PatientRecord *before, *after;
    Handoff__V1__Outcome *outcome;
};

static void check_previous(struct auditor *a, const struct entry *e, struct subject *s)
{
    uint64_t known = s->row ? s->row->row.sequence : 0;
    s->is_chain_whole = e->prev_sequence == known;
    bool may_be_lost = a->has_lost_entries && e->prev_sequence > known;
    bool is_before_start = !known && e->prev_sequence && e->prev_sequence < a->summary.first_sequence;
    if (s->is_chain_whole || may_be_lost || is_before_start) return;
    report(a, e->sequence, "its subject's previous entry is %llu, but it names %llu", (unsigned long long)known,
           (unsigned long long)e->prev_sequence);
}

static Handoff__V1__PatientRecord *unpack_record(struct auditor *a, struct bytes bytes)
{
    return handoff__v1__patient_record__unpack(arena_protobuf(a->arena), bytes.len, bytes.data);
}

/* NULL when there is none, or it was damaged (and reported when it was met). */
static Handoff__V1__PatientRecord *read_before(struct auditor *a, const struct subject *s)
{
    struct bytes blob;
    struct batch_view view;
    struct entry entry;
    if (!s->row || !s->is_chain_whole) return NULL;
    if (a->journal->ops->read(a->reader, s->row->row.batch_sequence, &blob)) return NULL;
    if (batch_open(blob, &view) || batch_entry(&view, s->row->row.offset, &entry, NULL)) return NULL;
    return entry.record.len ? unpack_record(a, entry.record) : NULL;
}

static bool unpack_sections(struct auditor *a, const struct entry *e, struct subject *s)
{
    s->before = read_before(a, s);
    s->after = unpack_record(a, e->record);
    s->outcome = handoff__v1__outcome__unpack(arena_protobuf(a->arena), e->outcome.len, e->outcome.data);
    if (s->after && s->outcome) return true;
    report(a, e->sequence, "its %s does not unpack", s->after ? "outcome" : "record");
    return false;
}

static void check_header(struct auditor *a, const struct entry *e, const struct subject *s)
{
    Handoff__V1__TimerInput firing = HANDOFF__V1__TIMER_INPUT__INIT;
    struct record_totals totals;
    step_totals(s->after, &totals);
    if (step_next_due(s->after, &firing) != e->due_at_ms) report(a, e->sequence, "its due time is not its record's");
    if (turn_flags(&totals, s->outcome) != e->flags) report(a, e->sequence, "its flags are not its record's");
}

/* --- deciding again -------------------------------------------------------------------------------------------------
 */

static int chain_entry(void *context, uint64_t sequence, struct entry *ret_entry)
{
    struct auditor *a = context;
    uint64_t first;
    uint32_t offset;
    struct bytes blob;
    struct batch_view view;
    int code = a->journal->ops->find(a->reader, sequence, &first, &blob);
    if (!code) code = batch_open(blob, &view);
    if (!code) code = batch_find(&view, sequence, &offset);
    return code ? code : batch_entry(&view, offset, ret_entry, NULL);
}

static int newest_entry(void *context, const struct patient_key *key, struct entry *ret_entry)
{
    struct auditor *a = context;
    const struct index_change *row = changes_find(&a->subjects, key);
    *ret_entry = (struct entry){0};
    return row ? chain_entry(a, row->row.sequence, ret_entry) : 0;
}

/* The journal as it was when the entry at hand was decided. */
static struct chains_read chains_of(struct auditor *a)
{
    return (struct chains_read){.context = a,
                                .arena = a->arena,
                                .hash_key = a->hash_key,
                                .entry = chain_entry,
                                .newest = newest_entry};
}

static bool packs_to(struct auditor *a, const ProtobufCMessage *message, struct bytes expected)
{
    size_t len = protobuf_c_message_get_packed_size(message);
    if (len != expected.len) return false;
    uint8_t *packed = arena_alloc(a->arena, len + 1);
    protobuf_c_message_pack(message, packed);
    return memcmp(packed, expected.data, len) == 0;
}

static void decide_again(struct auditor *a, const struct entry *e, const struct subject *s, const struct rules *rules)
{
    struct question q;
    struct outcome outcome;
    struct question_about about = {e, rules, s->before, s->after->patient_id, chains_of(a)};
    if (!question_ask(&about, &q)) {
        report(a, e->sequence, "its input does not unpack");
        return;
    }
    if (!key_equals(&q.key, &e->key)) report(a, e->sequence, "its key is not its subject's");
    if (question_step(&about, &q, &outcome)) {
        report(a, e->sequence, "what it merged cannot be read");
        return;
    }
    if (!packs_to(a, &outcome.after->base, e->record)) report(a, e->sequence, "decided again, its record is another");
    if (!packs_to(a, &outcome.journaled.base, e->outcome))
        report(a, e->sequence, "decided again, its outcome is another");
    a->summary.decided_again++;
}

/* --- entries --------------------------------------------------------------------------------------------------------
 */

static bool is_patients(struct auditor *a, const struct entry *e)
{
    const Handoff__V1__Event *event =
        e->kind == ENTRY_EVENT ? handoff__v1__event__unpack(arena_protobuf(a->arena), e->input.len, e->input.data)
                               : NULL;
    return event && event->patient_id[0];
}

static void count(struct auditor *a, const struct entry *e, const struct subject *s)
{
    struct counted counted = {e->kind, e->prev_sequence == 0 && is_patients(a, e), s->before, s->outcome, {0}};
    if (s->after) step_totals(s->after, &counted.after);
    if (s->row && !s->is_chain_whole) a->are_totals_known = false;
    totals_count(a->totals, &counted);
}

static void check_decided(struct auditor *a, const struct entry *e, struct subject *s)
{
    if (!unpack_sections(a, e, s)) {
        a->are_totals_known = false;
        return;
    }
    check_header(a, e, s);
    bool is_before_known = e->prev_sequence ? s->before != NULL : s->is_chain_whole;
    if (!is_before_known) a->are_totals_known = false;
    const struct rules *rules = current_rules(a);
    if (a->is_own_epoch && rules && is_before_known) decide_again(a, e, s, rules);
}

static void remember(struct auditor *a, const struct entry *e, struct index_change *row, uint32_t offset)
{
    if (!row && a->subjects.count == a->subjects.max) {
        a->has_lost_entries = true; /* more subjects than are followed: their chains are not checked */
        return;
    }
    if (!row) row = changes_add(&a->subjects, &e->key);
    row->row = (struct index_row){.sequence = e->sequence, .batch_sequence = a->batch, .offset = offset};
}

static void check_entry(struct auditor *a, const struct entry *e, uint32_t offset)
{
    struct subject s = {.row = changes_find(&a->subjects, &e->key)};
    arena_reset(a->arena);
    check_previous(a, e, &s);
    if (e->time_ms < a->last_time_ms) report(a, e->sequence, "its time is before that of the entry before");
    a->last_time_ms = e->time_ms;
    if (e->kind == ENTRY_EPOCH) take_epoch(a, e);
    if (e->kind == ENTRY_RULES) take_rules(a, e);
    if (e->record.len) check_decided(a, e, &s);
    count(a, e, &s);
    remember(a, e, s.row, offset);
    a->summary.entries++;
}

/* A damaged section costs this entry; a damaged header the rest of the batch, whose places are then unknown. */
static void check_entries(struct auditor *a, const struct batch_view *view)
{
    uint32_t offset = view->entries_begin;
    for (uint32_t i = 0; i < view->count; i++) {
        struct entry e;
        uint32_t next;
        uint64_t expected = view->first_sequence + i;
        int code = batch_entry_header(view, offset, &e, &next);
        if (!code && e.sequence != expected) code = ENTRY_E_ORDER;
        if (code) {
            report(a, expected, "%s; what follows it in the batch cannot be read", entry_error(code));
            a->has_lost_entries = true;
            a->are_totals_known = false;
            return;
        }
        code = batch_entry(view, offset, &e, &next);
        if (code) {
            report(a, expected, "%s", entry_error(code));
            a->has_lost_entries = true;
            a->are_totals_known = false;
        } else {
            check_entry(a, &e, offset);
        }
        offset = next;
    }
    if (offset != view->entries_end) report(a, 0, "there are bytes that belong to no entry");
}

/* --- batches ---------------------------------------------------------------------------------------------------------
 */

static const char *const total_names[TOTAL_COUNT] = {
    "entries",       "events",     "events applied",   "events recorded", "events overtaken", "parked",
    "firings",       "patients",   "open episodes",    "open tasks",      "open escalations", "pending timers",
    "task emissions", "escalation emissions", "status emissions", "audit emissions",
};

/* After a hole the trailer is believed, so that each damage is named once. */
static void check_totals(struct auditor *a, const struct batch_view *view)
{
    for (int i = 0; i < TOTAL_COUNT; i++) {
        int64_t said = batch_total(view, (enum total)i);
        if (a->are_totals_known && said != a->totals[i])
            report(a, 0, "it says %lld %s, counted are %lld", (long long)said, total_names[i], (long long)a->totals[i]);
        a->totals[i] = said;
    }
    a->are_totals_known = true;
}

static void check_chain(struct auditor *a, const struct batch_view *view)
{
    if (batch_check_digest(view)) report(a, 0, "the digest does not match");
    if (a->is_digest_known && memcmp(view->prev_digest, a->digest, DIGEST_BYTES) != 0)
        report(a, 0, "it does not follow the batch before (the chain of digests is broken)");
    memcpy(a->digest, view->digest, DIGEST_BYTES);
    a->is_digest_known = true;
}

static void lose_batch(struct auditor *a)
{
    a->is_digest_known = false;
    a->has_lost_entries = true;
    a->are_totals_known = false;
}

/* Returns where the next batch must begin. */
static uint64_t check_batch(struct auditor *a, uint64_t first, struct bytes blob)
{
    struct batch_view view;
    a->batch = first;
    a->summary.batches++;
    let_rules_take_effect(a);
    int code = batch_open(blob, &view);
    if (!code && view.first_sequence != first) code = ENTRY_E_ORDER;
    if (code) {
        report(a, 0, "%s", entry_error(code));
        lose_batch(a);
        return first + 1;
    }
    bool is_first = a->summary.batches == 1;
    if (is_first && first > 1) a->are_totals_known = false;
    check_chain(a, &view);
    check_entries(a, &view);
    check_totals(a, &view);
    a->summary.last_sequence = first + view.count - 1;
    return first + view.count;
}

static int audit_all(struct auditor *a)
{
    uint64_t at = 1, last = journal_last_sequence(a->journal);
    bool is_exact = false; /* `at` is where the next batch must begin */
    while (at <= last) {
        uint64_t first;
        struct bytes blob;
        int code = a->journal->ops->next(a->reader, at, &first, &blob);
        if (code == JOURNAL_E_NOT_FOUND) break;
        a->batch = at;
        if (code) {
            report(a, 0, "%s; what follows cannot be read", journal_error(code));
            return -1;
        }
        if (!a->summary.first_sequence) a->summary.first_sequence = first;
        if (is_exact && first != at) {
            report(a, 0, "the entries up to %llu are missing", (unsigned long long)first - 1);
            lose_batch(a);
        }
        at = check_batch(a, first, blob);
        is_exact = a->is_digest_known;
    }
    return 0;
}

static int prepare(struct auditor *a)
{
    if (sodium_init() < 0 || changes_init(&a->subjects, AUDIT_SUBJECTS_MAX)) return -1;
    a->arena = arena_new(LIMIT_ARENA_BYTES);
    a->ruleset = ruleset_new();
    if (!a->arena || !a->ruleset) return -1;
    if (a->journal->ops->reader_new(a->journal, &a->reader)) return -1;
    return a->journal->ops->read_begin(a->reader);
}

static void release(struct auditor *a)
{
    if (a->reader) a->journal->ops->reader_free(a->reader);
    ruleset_free(a->ruleset);
    arena_free(a->arena);
    changes_destroy(&a->subjects);
}

int audit_journal(struct journal *journal, const struct audit *audit, struct audit_summary *ret_summary)
{
    struct auditor a = {.audit = audit, .journal = journal, .are_rules_known = true, .are_totals_known = true};
    int code = prepare(&a);
    if (code) {
        report(&a, 0, "the journal cannot be read, or there is not enough memory");
    } else {
        code = audit_all(&a);
        a.journal->ops->read_end(a.reader);
    }
    a.summary.subjects = a.subjects.count;
    *ret_summary = a.summary;
    release(&a);
    return code ? -1 : 0;
}
