/* The engine's life: opening, closing, coming back from a write error, and what it says about itself. inside.h lists
 * its files. */
#include "engine/inside.h"

#include <assert.h>
#include <sodium.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include "base/limits.h"

static char open_sentence[ENGINE_SENTENCE_BYTES]; /* of an engine that did not open */

void engine_say(struct engine *e, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(e->sentence, sizeof e->sentence, format, arguments);
    va_end(arguments);
}

int engine_say_damaged(struct engine *e, uint64_t sequence, const char *why)
{
    engine_say(e, "the journal is damaged in the batch of %llu: %s", (unsigned long long)sequence, why);
    return ENGINE_E_DAMAGED;
}

static void set_defaults(struct engine_options *o)
{
    if (!o->batch_events) o->batch_events = LIMIT_BATCH_EVENTS;
    if (!o->fire_per_turn) o->fire_per_turn = LIMIT_FIRE_PER_TURN;
    if (!o->changes_max) o->changes_max = LIMIT_CHANGES;
    if (!o->code_version) o->code_version = "";
    assert(o->batch_events >= ENTRIES_PER_EVENT && o->batch_events <= LIMIT_BATCH_EVENTS);
    assert(o->fire_per_turn <= LIMIT_BATCH_EVENTS);
}

static int allocate_batch(const struct engine *e, struct batch *b, uint32_t overlay_max)
{
    b->results_arena = arena_new(LIMIT_ARENA_BYTES);
    b->builder = batch_builder_new();
    b->entries = calloc(e->options.batch_events, sizeof *b->entries);
    b->notes = calloc(overlay_max, sizeof *b->notes);
    b->results = calloc(e->result_max, sizeof *b->results);
    b->taken = calloc(e->taken_max, sizeof *b->taken);
    b->taken_from = calloc(e->taken_max, sizeof *b->taken_from);
    if (!b->results_arena || !b->builder || !b->entries || !b->notes || !b->results || !b->taken || !b->taken_from)
        return ENGINE_E_MEMORY;
    return changes_init(&b->overlay, overlay_max) ? ENGINE_E_MEMORY : 0;
}

static void free_batch(struct batch *b)
{
    batch_builder_free(b->builder);
    arena_free(b->results_arena);
    changes_destroy(&b->overlay);
    free(b->entries);
    free(b->notes);
    free(b->results);
    free(b->taken);
    free(b->taken_from);
}

static int allocate_tables(struct engine *e)
{
    const struct engine_options *o = &e->options;
    e->taken_max = CANDIDATES_PER_FIRING * o->fire_per_turn;
    e->result_max = RESULTS_PER_BATCH * o->batch_events;
    uint32_t overlay_max = o->batch_events + e->taken_max + 1;
    uint32_t spare = overlay_max > LIMIT_BATCH_EVENTS ? overlay_max : LIMIT_BATCH_EVENTS;
    e->deciding = &e->batches[0];
    for (size_t i = 0; i < sizeof e->batches / sizeof *e->batches; i++)
        if (allocate_batch(e, &e->batches[i], overlay_max)) return ENGINE_E_MEMORY;
    if (changes_init(&e->generations[0], o->changes_max + spare)) return ENGINE_E_MEMORY;
    if (changes_init(&e->generations[1], o->changes_max + spare)) return ENGINE_E_MEMORY;
    if (places_init(&e->places, LIMIT_PLACES)) return ENGINE_E_MEMORY;
    e->active = &e->generations[0];
    e->frozen = &e->generations[1];
    return 0;
}

static int allocate(struct engine *e)
{
    e->arena = arena_new(LIMIT_ARENA_BYTES);
    e->intake = intake_new();
    e->chains = chains_new();
    e->rounds = rounds_new();
    e->heard = heard_new();
    if (!e->chains || !e->rounds || !e->heard || !e->arena || !e->intake) return ENGINE_E_MEMORY;
    return allocate_tables(e);
}

static int open_readers(struct engine *e)
{
    int code = e->options.journal->ops->reader_new(e->options.journal, &e->journal_reader);
    if (code) {
        engine_say(e, "the journal cannot be read: %s", journal_error(code));
        return ENGINE_E_DAMAGED;
    }
    code = e->options.index->ops->reader_new(e->options.index, &e->index_reader);
    if (code) engine_say(e, "the index cannot be read: %s", index_error(code));
    return code ? ENGINE_E_INDEX : 0;
}

static int open_all(struct engine *e)
{
    if (sodium_init() < 0) return ENGINE_E_MEMORY;
    int code = allocate(e);
    if (!code) code = open_readers(e);
    if (!code) code = recover(e);
    if (code) return code;
    const struct engine_listener *l = &e->options.listener;
    e->indexer = indexer_new(e->options.index, l->on_indexed, l->context);
    if (e->options.decides_ahead) e->committer = committer_new(l->on_committed, l->context);
    if (!e->indexer || (e->options.decides_ahead && !e->committer)) return ENGINE_E_MEMORY;
    if (!e->ruleset) e->ruleset = ruleset_new();
    if (!e->ruleset) return ENGINE_E_MEMORY;
    if (e->last_time_ms && engine_now_ms(e) - e->last_time_ms > MS_PER_HOUR) heard_resume(e);
    return change_append_epoch(e);
}

/* What stays of an engine that did not open, or was not meant to stay. */
static int give_up(struct engine *e, int code, const char **ret_sentence)
{
    snprintf(open_sentence, sizeof open_sentence, "%s",
             e && e->sentence[0] ? e->sentence : "there is not enough memory");
    if (code) *ret_sentence = open_sentence;
    engine_abandon(e);
    return code;
}

int engine_rebuild_index(struct journal *journal, struct index *index, uint64_t *ret_last, const char **ret_sentence)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return give_up(NULL, ENGINE_E_MEMORY, ret_sentence);
    e->options = (struct engine_options){.journal = journal, .index = index};
    set_defaults(&e->options);
    int code = sodium_init() < 0 ? ENGINE_E_MEMORY : allocate(e);
    if (!code) code = open_readers(e);
    if (!code && journal_last_sequence(journal)) code = recover_into_index(e);
    if (!code) *ret_last = e->last_sequence;
    return give_up(e, code, ret_sentence);
}

int engine_open(const struct engine_options *options, struct engine **ret_engine, const char **ret_sentence)
{
    struct engine *e = calloc(1, sizeof *e);
    if (!e) return give_up(NULL, ENGINE_E_MEMORY, ret_sentence);
    e->options = *options;
    set_defaults(&e->options);
    int code = open_all(e);
    if (code) return give_up(e, code, ret_sentence);
    *ret_engine = e;
    return 0;
}

void engine_abandon(struct engine *e)
{
    if (!e) return;
    committer_free(e->committer);
    indexer_free(e->indexer);
    reading_end(e);
    if (e->journal_reader) e->options.journal->ops->reader_free(e->journal_reader);
    if (e->index_reader) e->options.index->ops->reader_free(e->index_reader);
    ruleset_free(e->ruleset);
    intake_free(e->intake);
    chains_free(e->chains);
    rounds_free(e->rounds);
    heard_free(e->heard);
    arena_free(e->arena);
    for (size_t i = 0; i < sizeof e->batches / sizeof *e->batches; i++) free_batch(&e->batches[i]);
    changes_destroy(&e->generations[0]);
    changes_destroy(&e->generations[1]);
    places_destroy(&e->places);
    free(e);
}

void engine_close(struct engine *e)
{
    if (!e) return;
    assert(!e->is_in_turn);
    engine_commit_all(e);
    engine_index_flush(e); /* when that fails, the next start reads more headers */
    engine_abandon(e);
}

int64_t engine_now_ms(struct engine *e)
{
    int64_t now_ms = clock_now_ms(e->options.clock);
    bool is_ahead = e->committing || e->deciding->entry_count;
    if (is_ahead && e->now_ms > now_ms) now_ms = e->now_ms;
    return now_ms > e->last_time_ms ? now_ms : e->last_time_ms;
}

void engine_subject_key(const struct engine *e, enum subject_kind kind, const char *name, struct patient_key *ret_key)
{
    subject_key(e->hash_key, kind, name, ret_key);
}

void engine_state(const struct engine *e, struct engine_state *ret_state)
{
    *ret_state = (struct engine_state){
        .last_sequence = e->last_sequence,
        .indexed_sequence = e->indexed_sequence,
        .changes = e->active->count + (uint64_t)e->frozen->count,
        .is_read_only = e->is_full || e->is_stopped,
        .sentence = e->sentence,
        .last_commit_ns = e->last_commit_ns,
        .last_commit_events = e->last_commit_events,
        .longest_silence_ms = e->longest_silence_ms,
    };
    memcpy(ret_state->totals, e->totals, sizeof e->totals);
}

/* --- after a write error ----------------------------------------------------------------------------------------- */

static int reopen(struct engine *e)
{
    if (!e->options.reopen_journal) return ENGINE_E_STOPPED;
    reading_end(e);
    if (e->journal_reader) e->options.journal->ops->reader_free(e->journal_reader);
    e->journal_reader = NULL;
    struct journal *journal = e->options.reopen_journal(e->options.storage_context);
    if (!journal) {
        engine_say(e, "the journal does not open again");
        return ENGINE_E_STOPPED;
    }
    e->options.journal = journal;
    if (journal->ops->reader_new(journal, &e->journal_reader)) return ENGINE_E_STOPPED;
    int code = recover_tail(e);
    reading_end(e);
    return code;
}

int engine_retry(struct engine *e)
{
    assert(!e->is_in_turn);
    engine_commit_all(e);
    if (!e->is_full && !e->is_stopped) return 0;
    int code = e->is_stopped ? reopen(e) : 0;
    if (code) return code;
    e->is_full = e->is_stopped = false;
    e->sentence[0] = '\0';
    return change_append_epoch(e); /* a small batch, to see whether there is room; read-only again if not */
}
