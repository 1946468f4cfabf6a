/* From a folder to an engine that knows what is committed. step never runs here: entries carry what is needed.
 *
 *     first batch  -> epoch: hash key, kind of clock
 *     last batch   -> totals, digest, journal time
 *     index        -> everything up to indexed_sequence, and which entries are rules
 *     batches behind the index, headers only -> changes
 *
 * An index that contradicts the journal is emptied, and then all batches are behind it. */
#include "engine/inside.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"

/* --- the first entry and the last ------------------------------------------------------------------------------- */

static int check_clock(struct engine *e, const char *stamp)
{
    const char *kind = clock_kind_name(e->options.clock->kind);
    if (strcmp(stamp, kind) == 0) return 0;
    engine_say(e, "this folder was written under a %.16s clock; it does not open under a %s one", stamp, kind);
    return ENGINE_E_CLOCK;
}

static int take_epoch(struct engine *e, const struct entry *entry)
{
    arena_reset(e->arena);
    const Handoff__V1__EpochInput *epoch =
        handoff__v1__epoch_input__unpack(arena_protobuf(e->arena), entry->input.len, entry->input.data);
    if (!epoch || entry->kind != ENTRY_EPOCH || epoch->hash_key.len != HASH_KEY_BYTES)
        return engine_say_damaged(e, entry->sequence, "it does not begin with an epoch");
    if (epoch->schema != ENGINE_SCHEMA) {
        engine_say(e, "this folder holds records of format %u; this version reads format %u", epoch->schema, ENGINE_SCHEMA);
        return ENGINE_E_RULES;
    }
    memcpy(e->hash_key, epoch->hash_key.data, HASH_KEY_BYTES);
    return check_clock(e, epoch->clock);
}

static int read_first(struct engine *e)
{
    uint64_t first;
    struct bytes blob;
    struct batch_view view;
    struct entry entry;
    int code = e->options.journal->ops->next(e->journal_reader, 1, &first, &blob);
    if (code) return engine_say_damaged(e, 1, journal_error(code));
    code = batch_open(blob, &view);
    if (!code) code = batch_entry(&view, view.entries_begin, &entry, NULL);
    return code ? engine_say_damaged(e, first, entry_error(code)) : take_epoch(e, &entry);
}

static void take_tail(struct engine *e, const struct batch_view *view, const struct entry *last)
{
    for (int i = 0; i < TOTAL_COUNT; i++) e->totals[i] = batch_total(view, (enum total)i);
    memcpy(e->digest, view->digest, DIGEST_BYTES);
    e->last_sequence = last->sequence;
    e->last_time_ms = last->time_ms;
}

static int read_tail(struct engine *e, uint64_t last_sequence, struct batch_view *ret_view, struct entry *ret_last)
{
    uint64_t first;
    uint32_t offset;
    struct bytes blob;
    int code = e->options.journal->ops->find(e->journal_reader, last_sequence, &first, &blob);
    if (code) return engine_say_damaged(e, last_sequence, journal_error(code));
    code = batch_open(blob, ret_view);
    if (!code) code = batch_check_digest(ret_view);
    if (!code) code = batch_find(ret_view, last_sequence, &offset);
    if (!code) code = batch_entry(ret_view, offset, ret_last, NULL);
    return code ? engine_say_damaged(e, first, entry_error(code)) : 0;
}

/* --- headers ------------------------------------------------------------------------------------------------------ */

/* What the index has lodged for a subject is looked up for all together, in the order of its tree: in the order of their
 * coming each would be a walk to cold pages, which took half of the time. Until then rows from `unknown_from` on have
 * nothing lodged. */
enum { HEADERS_AT_ONCE = 32 };

/* What is lodged is known: is it early enough? */
static void lodge(struct engine *e, struct index_change *change)
{
    if (change->row.due_at_ms < change->row.lodged_at_ms) {
        change->row.lodged_at_ms = change->row.due_at_ms;
        changes_push_due(e->active, change->row.due_at_ms, &change->key);
    }
    places_put(&e->places, &change->key, &change->row);
}

static int lodge_from(struct engine *e, uint32_t unknown_from)
{
    uint32_t count = e->active->count - unknown_from;
    struct index_change *rows = e->active->rows + unknown_from;
    if (!count) return 0;
    struct change_order *order = malloc(count * sizeof *order);
    if (!order) return ENGINE_E_MEMORY;
    changes_order(rows, count, order);
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) {
        struct found found;
        struct index_change *change = &rows[order[i].at];
        code = lookup_before_changes(e, &change->key, &found);
        change->row.lodged_at_ms = found.row.lodged_at_ms;
        change->unlodge_at_ms = found.unlodge_at_ms;
        if (!code) lodge(e, change);
    }
    free(order);
    return code;
}

static int take_header(struct engine *e, const struct entry *entry, uint32_t unknown_from)
{
    struct index_change *change = changes_find(e->active, &entry->key);
    if (!change) {
        change = changes_add(e->active, &entry->key);
        change->row.lodged_at_ms = change->unlodge_at_ms = NO_DUE;
    }
    change->row = (struct index_row){entry->sequence, entry->batch_sequence, entry->offset,
                                     entry->flags,    entry->due_at_ms,      change->row.lodged_at_ms};
    if (change - e->active->rows < unknown_from) lodge(e, change);
    if (entry->kind != ENTRY_RULES) return 0;
    if (e->rules_pending_count == RULES_PENDING_MAX) return ENGINE_E_LIMIT;
    e->rules_pending[e->rules_pending_count++] = entry->sequence;
    return 0;
}

/* Some headers of a batch; what they need of the table is fetched for all of them before the first needs it. */
static int take_some(struct engine *e, const struct batch_view *view, uint64_t from, uint32_t count, uint32_t *offset,
                     uint32_t unknown_from)
{
    struct entry entries[HEADERS_AT_ONCE];
    int code = 0;
    for (uint32_t i = 0; i < count && !code; i++) {
        code = batch_entry_header(view, *offset, &entries[i], offset);
        if (!code && entries[i].sequence != from + i) code = ENTRY_E_ORDER;
        if (!code) changes_fetch(e->active, &entries[i].key);
    }
    if (code) return engine_say_damaged(e, view->first_sequence, entry_error(code));
    for (uint32_t i = 0; i < count; i++) changes_fetch_row(e->active, &entries[i].key);
    for (uint32_t i = 0; i < count && !code; i++) code = take_header(e, &entries[i], unknown_from);
    return code;
}

static int take_headers(struct engine *e, const struct batch_view *view, uint32_t unknown_from)
{
    uint32_t offset = view->entries_begin;
    if (view->count > LIMIT_BATCH_EVENTS)
        return engine_say_damaged(e, view->first_sequence, "it holds more entries than a batch may");
    int code = 0;
    for (uint32_t taken = 0; taken < view->count && !code; taken += HEADERS_AT_ONCE) {
        uint32_t left = view->count - taken;
        code = take_some(e, view, view->first_sequence + taken, left < HEADERS_AT_ONCE ? left : HEADERS_AT_ONCE, &offset,
                         unknown_from);
    }
    return code;
}

int recover_batch(struct engine *e, const struct batch_view *view)
{
    uint32_t unknown_from = e->active->count;
    int code = take_headers(e, view, unknown_from), lodged = lodge_from(e, unknown_from);
    return code ? code : lodged;
}

/* The table is full before the journal's end: what is there goes to the index now. Ends the snapshot. */
static int write_index(struct engine *e, uint64_t through)
{
    struct sweep sweep = {.rows = e->active->rows,
                          .count = e->active->count,
                          .rules = e->rules_pending,
                          .rules_count = e->rules_pending_count,
                          .indexed_sequence = through};
    reading_end(e);
    int code = sweep_write(e->options.index, &sweep, NULL, NULL);
    if (code) {
        engine_say(e, "the index could not be written: %s", index_error(code));
        return ENGINE_E_INDEX;
    }
    changes_clear(e->active);
    e->rules_pending_count = 0;
    e->indexed_sequence = through;
    return reading_begin(e);
}

static bool is_table_full(const struct engine *e)
{
    return e->active->count >= e->options.changes_max ||
           e->rules_pending_count + LIMIT_BATCH_EVENTS > RULES_PENDING_MAX;
}

/* indexed_sequence is always a batch's last. A journal whose oldest batches were dropped begins where it begins. */
static int read_behind_index(struct engine *e)
{
    uint64_t at = e->indexed_sequence + 1;
    while (at <= e->last_sequence) {
        uint64_t first;
        struct bytes blob;
        struct batch_view view;
        int code = e->options.journal->ops->next(e->journal_reader, at, &first, &blob);
        if (code) return engine_say_damaged(e, at, journal_error(code));
        if (first != at && at > 1) return engine_say_damaged(e, at, "it is missing");
        code = batch_open(blob, &view);
        if (code) return engine_say_damaged(e, first, entry_error(code));
        code = take_headers(e, &view, 0);
        if (code) return code;
        at = first + view.count;
        if (!is_table_full(e)) continue;
        code = lodge_from(e, 0);
        if (!code) code = write_index(e, at - 1);
        if (code) return code;
    }
    return lodge_from(e, 0);
}

/* --- the index ---------------------------------------------------------------------------------------------------- */

static int empty_index(struct engine *e, const char *why)
{
    if (!e->options.empty_index) return ENGINE_E_INDEX;
    reading_end(e);
    e->options.index->ops->reader_free(e->index_reader);
    e->index_reader = NULL;
    struct index *emptied = e->options.empty_index(e->options.storage_context);
    if (!emptied) {
        engine_say(e, "the index (%s) could not be made anew", why);
        return ENGINE_E_INDEX;
    }
    e->options.index = emptied;
    if (emptied->ops->reader_new(emptied, &e->index_reader)) return ENGINE_E_INDEX;
    changes_clear(e->active);
    places_clear(&e->places);
    e->rules_pending_count = 0;
    e->indexed_sequence = 0;
    if (e->options.on_notice) e->options.on_notice(e->options.storage_context, why);
    return reading_begin(e);
}

static int fold_rules(struct engine *e)
{
    struct ruleset *ruleset = ruleset_new();
    if (!ruleset) return ENGINE_E_MEMORY;
    int code = change_fold_all(e, ruleset);
    if (code) {
        ruleset_free(ruleset);
        return code;
    }
    ruleset_free(e->ruleset);
    rounds_forget(e);
    heard_forget(e);
    e->ruleset = ruleset;
    e->rules = ruleset_build(ruleset);
    return 0;
}

/* The folder's own chain of epochs, found under its own key, tells an index of this journal from another's. */
static int check_index(struct engine *e)
{
    struct patient_key key;
    struct found found;
    struct entry entry;
    subject_key(e->hash_key, SUBJECT_IS_FOLDER, SUBJECT_EPOCH, &key);
    int code = lookup_committed(e, &key, &found);
    if (code) return code;
    if (found.row.sequence && !lookup_entry(e, &found.row, &entry) && entry.kind == ENTRY_EPOCH) return 0;
    engine_say(e, "the index is another journal's");
    return ENGINE_E_INDEX;
}

static int read_index(struct engine *e)
{
    e->indexed_sequence = e->options.index->ops->indexed_sequence(e->options.index);
    if (e->indexed_sequence > e->last_sequence) {
        engine_say(e, "the index is ahead of the journal");
        return ENGINE_E_INDEX;
    }
    int code = e->indexed_sequence ? check_index(e) : 0;
    if (!code) code = read_behind_index(e);
    return code ? code : fold_rules(e);
}

/* --- all of it ------------------------------------------------------------------------------------------------------
 */

/* An index without its journal is no new folder: somebody lost the journal, and would lose it for good. */
static int begin_folder(struct engine *e)
{
    uint64_t indexed = e->options.index->ops->indexed_sequence(e->options.index);
    if (indexed) {
        engine_say(e,
                   "the journal is empty, but the index knows %llu entries of it: restore the journal from a backup, or "
                   "remove the index as well to begin anew",
                   (unsigned long long)indexed);
        return ENGINE_E_DAMAGED;
    }
    randombytes_buf(e->hash_key, sizeof e->hash_key);
    clock_start(e->options.clock, e->options.clock->kind == CLOCK_KIND_MANUAL ? e->options.clock_start_ms : 0);
    return 0;
}

static int resume_folder(struct engine *e)
{
    struct batch_view view;
    struct entry last;
    int code = read_first(e);
    if (!code) code = read_tail(e, journal_last_sequence(e->options.journal), &view, &last);
    if (code) return code;
    take_tail(e, &view, &last);
    places_grow(&e->places, (uint64_t)e->totals[TOTAL_PATIENTS]); /* forgets, so before the first row */
    places_prepare(&e->places, (uint64_t)e->totals[TOTAL_PATIENTS]);
    clock_start(e->options.clock, e->last_time_ms);
    clock_resume(e->options.clock, e->last_time_ms);
    code = read_index(e);
    if (code != ENGINE_E_INDEX) return code;
    code = empty_index(e, "The index did not fit the journal; it was rebuilt.");
    return code ? code : read_index(e);
}

int recover(struct engine *e)
{
    int code = reading_begin(e);
    if (code) return code;
    code = journal_last_sequence(e->options.journal) ? resume_folder(e) : begin_folder(e);
    reading_end(e);
    return code;
}

int recover_into_index(struct engine *e)
{
    struct batch_view view;
    struct entry last;
    int code = reading_begin(e);
    if (!code) code = read_tail(e, journal_last_sequence(e->options.journal), &view, &last);
    if (code) return code;
    take_tail(e, &view, &last);
    code = read_behind_index(e);
    if (!code && e->indexed_sequence < e->last_sequence) code = write_index(e, e->last_sequence);
    reading_end(e);
    return code;
}

/* A batch that is in the journal after all: its rules hold, and the listener hears of its entries. */
static int make_known(struct engine *e, const struct batch_view *view)
{
    uint32_t offset = view->entries_begin;
    int code = fold_rules(e);
    if (code) return code;
    e->is_tail_unknown = false;
    for (uint32_t i = 0; i < view->count && !code; i++) {
        struct entry entry;
        code = batch_entry(view, offset, &entry, &offset);
        if (!code) turn_tell_entry(e, &entry);
    }
    return code ? engine_say_damaged(e, view->first_sequence, entry_error(code)) : 0;
}

static int take_attempted(struct engine *e, const struct batch_view *view, const struct entry *last)
{
    uint32_t rules_before = e->rules_pending_count;
    int code = recover_batch(e, view);
    if (code) {
        e->rules_pending_count = rules_before;
        return code;
    }
    take_tail(e, view, last);
    e->is_tail_unknown = true;
    return 0;
}

/* After a reopen: the journal ends where we knew, or with the batch whose fate was open; anything else is damage. What
 * fails on the way is done again by the next. */
int recover_tail(struct engine *e)
{
    struct batch_view view;
    struct entry last;
    uint64_t last_sequence = journal_last_sequence(e->options.journal);
    int code = reading_begin(e);
    if (!code) code = read_tail(e, last_sequence, &view, &last);
    if (code) return code;
    if (last_sequence != e->last_sequence || memcmp(view.digest, e->digest, DIGEST_BYTES) != 0) {
        if (last_sequence != e->attempted_sequence || memcmp(view.digest, e->attempted_digest, DIGEST_BYTES) != 0)
            return engine_say_damaged(e, last_sequence, "it is not what was written here");
        code = take_attempted(e, &view, &last);
    }
    return !code && e->is_tail_unknown ? make_known(e, &view) : code;
}
