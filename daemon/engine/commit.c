/* What becomes of a batch that was decided.
 *
 *                                                            /--> durable: overlay -> active changes, the listener is
 *     begin --> add, add, ... --> end --> seal, append ------|         told of entries and results, in order
 *                 deciding    |             committing       \--> not: overlay dropped, due times given back,
 *                             \-- stays open while the batch          UNAVAILABLE; and so is what was decided on top
 *                                 before is committing
 *
 * Sealing and appending may be another thread's (committer.h); all else is the loop's. So that nobody waits for whom it
 * holds up, no snapshot is open whenever the loop's thread waits for that one. */
#include "engine/inside.h"

#include <assert.h>
#include "base/limits.h"

static bool holds_something(const struct batch *b)
{
    return b->entry_count || b->result_count || b->taken_count || b->overlay.count;
}

bool engine_has_decided(const struct engine *e)
{
    return holds_something(e->deciding);
}

/* Nothing is in it, and it rests on what is there now. */
static void begin_batch(struct engine *e)
{
    struct batch *b = e->deciding;
    const struct batch *before = e->committing;
    b->number = ++e->batch_number;
    b->entry_count = b->result_count = b->taken_count = b->rules_said_count = 0;
    changes_clear(&b->overlay);
    arena_reset(b->results_arena);
    b->first_sequence = before ? before->first_sequence + before->entry_count : e->last_sequence + 1;
    batch_begin(b->builder, b->first_sequence);
    memcpy(b->totals_after, before ? before->totals_after : e->totals, sizeof b->totals_after);
}

/* The other one becomes the deciding one. */
static struct batch *take_out(struct engine *e, bool is_to_commit)
{
    struct batch *b = e->deciding;
    assert(!e->committing);
    e->deciding = b == &e->batches[0] ? &e->batches[1] : &e->batches[0];
    if (is_to_commit) e->committing = b;
    begin_batch(e);
    return b;
}

/* --- durable ---------------------------------------------------------------------------------------------------- */

/* They were in the cache when they were looked up; many have left it since. */
static void fetch_ahead(const struct engine *e, const struct changes *overlay, uint32_t at)
{
    enum { ROW = 4, SLOT = 8 };
    if (at + SLOT < overlay->count) {
        changes_fetch(e->active, &overlay->rows[at + SLOT].key);
        places_fetch(&e->places, &overlay->rows[at + SLOT].key);
    }
    if (at + ROW < overlay->count) changes_fetch_row(e->active, &overlay->rows[at + ROW].key);
}

static void merge_overlay(struct engine *e, const struct batch *b)
{
    for (uint32_t i = 0; i < b->overlay.count; i++) {
        const struct index_change *from = &b->overlay.rows[i];
        fetch_ahead(e, &b->overlay, i);
        struct index_change *to = changes_find(e->active, &from->key);
        if (!to) to = changes_add(e->active, &from->key);
        to->row = from->row;
        to->unlodge_at_ms = from->unlodge_at_ms;
        places_put(&e->places, &from->key, &from->row);
        if (b->notes[i].is_lodged) changes_push_due(e->active, from->row.lodged_at_ms, &from->key);
    }
}

static void note_rules(struct engine *e, const struct batch *b)
{
    for (uint32_t i = 0; i < b->entry_count; i++)
        if (b->entries[i].kind == ENTRY_RULES) e->rules_pending[e->rules_pending_count++] = b->entries[i].sequence;
}

static void advance(struct engine *e, const struct batch *b)
{
    if (!b->entry_count) return;
    e->last_sequence = b->first_sequence + b->entry_count - 1;
    e->last_time_ms = b->entries[b->entry_count - 1].time_ms;
    memcpy(e->digest, b->commit.digest, DIGEST_BYTES);
    memcpy(e->totals, b->totals_after, sizeof e->totals);
}

/* --- not durable -------------------------------------------------------------------------------------------------- */

/* Generations may have been swapped since it was taken. What neither has, the index has. */
static void give_back(struct engine *e, const struct batch *b)
{
    for (uint32_t i = 0; i < b->taken_count; i++) {
        const struct due *due = &b->taken[i];
        if (changes_find(e->active, &due->key))
            changes_push_due(e->active, due->at_ms, &due->key);
        else if (changes_find(e->frozen, &due->key))
            changes_push_due(e->frozen, due->at_ms, &due->key);
        if (b->taken_from[i] == DUE_FROM_INDEX) scan_reset(e);
    }
}

static void note_failure(struct engine *e, int code)
{
    if (code == JOURNAL_E_FULL) {
        e->is_full = true;
        engine_say(e, "there is no room for the journal (%s): read-only until there is", journal_error(code));
        return;
    }
    e->is_stopped = true;
    engine_say(e, "the journal could not be written (%s): read-only until it was opened again", journal_error(code));
}

/* Of batches that are lost memory may know anything. */
static void forget_decisions(struct engine *e)
{
    chains_forget(e->chains);
    rounds_forget(e);
    heard_forget(e);
}

/* --- telling -------------------------------------------------------------------------------------------------------- */

static void tell_end(struct engine *e, const struct batch *b, int code)
{
    if (e->options.listener.on_batch) e->options.listener.on_batch(e->options.listener.context, b->number, code);
}

static void tell_durable(struct engine *e, const struct batch *b)
{
    for (uint32_t i = 0; i < b->entry_count; i++) turn_tell_entry(e, &b->entries[i]);
    for (uint32_t i = 0; i < b->result_count; i++) turn_tell_result(e, &b->results[i]);
    tell_end(e, b, 0);
}

static void tell_lost(struct engine *e, const struct batch *b, int code)
{
    for (uint32_t i = 0; i < b->result_count; i++)
        turn_tell_unavailable(e, b->results[i].ticket, b->results[i].position);
    tell_end(e, b, code);
}

/* --- what came of it -------------------------------------------------------------------------------------------------- */

static void look_around(struct engine *e)
{
    if (e->is_in_turn) return; /* after the next batch */
    rounds_find(e);
    heard_find(e);
}

static void become_durable(struct engine *e, const struct batch *b)
{
    merge_overlay(e, b);
    advance(e, b);
    note_rules(e, b);
    e->committing = NULL;
    change_take_effect(e, b);
    look_around(e);
    tell_durable(e, b);
    sweep_start_if_worthwhile(e);
}

/* What was decided on top of it goes with it; the turn that decides may go on, with nothing. */
static int become_lost(struct engine *e, struct batch *b, int journal_code)
{
    struct batch *above = e->deciding;
    int code = journal_code == JOURNAL_E_FULL ? ENGINE_E_FULL : ENGINE_E_STOPPED;
    note_failure(e, journal_code);
    give_back(e, b);
    give_back(e, above);
    forget_decisions(e);
    e->committing = NULL;
    bool had_more = holds_something(above);
    above->entry_count = 0;
    above->first_sequence = e->last_sequence + 1;
    changes_clear(&above->overlay);
    look_around(e);
    tell_lost(e, b, code);
    if (had_more) tell_lost(e, above, code);
    begin_batch(e);
    return code;
}

static int conclude(struct engine *e)
{
    struct batch *b = e->committing;
    const struct commit *c = &b->commit;
    reading_end(e); /* the next snapshot has what memory had */
    e->last_commit_ns = (uint64_t)c->took_ns;
    e->last_commit_events = c->count;
    memcpy(e->attempted_digest, c->digest, DIGEST_BYTES);
    e->attempted_sequence = c->first_sequence + c->count - 1;
    if (c->code) return become_lost(e, b, c->code);
    become_durable(e, b);
    return 0;
}

static void fill_commit(const struct engine *e, struct batch *b)
{
    b->commit = (struct commit){.journal = e->options.journal,
                                .builder = b->builder,
                                .first_sequence = b->first_sequence,
                                .count = b->entry_count};
    memcpy(b->commit.totals, b->totals_after, sizeof b->commit.totals);
    memcpy(b->commit.digest_before, e->digest, DIGEST_BYTES);
}

/* Nothing is committing. A batch without an entry has nothing to wait for. */
static int commit(struct engine *e, bool may_leave)
{
    if (!holds_something(e->deciding)) return 0;
    struct batch *b = take_out(e, e->deciding->entry_count > 0);
    if (!b->entry_count) {
        become_durable(e, b);
        return 0;
    }
    fill_commit(e, b);
    if (may_leave) {
        committer_begin(e->committer, &b->commit);
        return 0;
    }
    commit_now(&b->commit);
    return conclude(e);
}

/* --- a turn's ends ------------------------------------------------------------------------------------------------------ */

bool engine_is_committing(struct engine *e)
{
    if (e->committing && committer_is_done(e->committer)) engine_await_commit(e);
    return e->committing != NULL;
}

int engine_await_commit(struct engine *e)
{
    if (!e->committing) return 0;
    reading_end(e);
    committer_take(e->committer);
    return conclude(e);
}

void engine_turn_begin(struct engine *e)
{
    assert(!e->is_in_turn);
    reading_end(e);
    engine_is_committing(e);
    sweep_poll(e);
    sweep_start_if_worthwhile(e);
    e->now_ms = engine_now_ms(e);
    if (!holds_something(e->deciding)) begin_batch(e);
    e->is_in_turn = true;
}

int engine_turn_commit(struct engine *e)
{
    assert(e->is_in_turn);
    reading_end(e);
    int code = engine_await_commit(e);
    e->is_in_turn = false;
    if (!code) code = commit(e, false);
    look_around(e);
    return code;
}

/* The next batch may not be decided before this one holds. */
static bool must_wait(const struct engine *e)
{
    return !e->committer || e->deciding->rules_said_count || rounds_may_run(e) || !heard_is_known(e);
}

static bool is_crowded(const struct engine *e)
{
    return engine_is_batch_full(e) || e->deciding->taken_count == e->taken_max;
}

int engine_turn_end(struct engine *e)
{
    assert(e->is_in_turn);
    if (must_wait(e)) return engine_turn_commit(e);
    reading_end(e);
    e->is_in_turn = false;
    if (engine_is_committing(e) && !is_crowded(e)) return 0;
    int code = engine_await_commit(e);
    return code ? code : commit(e, true);
}

int engine_commit_all(struct engine *e)
{
    assert(!e->is_in_turn);
    if (!e->committing && !engine_has_decided(e)) return 0;
    engine_turn_begin(e);
    return engine_turn_commit(e);
}
