/* The two generations of changes, and when one goes to the index.
 *
 *     active (takes commits) --start: swap--> frozen (read only, being written) --done--> empty again            */
#include "engine/inside.h"

#include "base/limits.h"

/* Sweeps are large, because what they cost is the pages that they touch, and a sweep of a few thousand changes drawn
 * from many subjects touches a page for each; one of half of all subjects touches a page for some twenty changes. So
 * while there is load the thread rests until that many have changed, and the processor and the disk are the journal's.
 * While there is little a sweep is short, and so is the rest after it. */
#define SWEEP_PAUSE_NS INT64_C(1000000000) /* a few changes wait no longer for the index */
#define SWEEP_AGAIN_NS INT64_C(1000000000) /* after one that failed */

enum {
    SWEEP_CHANGES_LEAST = 32768,
    SWEEP_SHARE = 2, /* of the patients one in so many has changed */
    REST_FACTOR = 8, /* times as long as the sweep took */
    FLUSH_SWEEPS = 4
};

void scan_reset(struct engine *e)
{
    e->is_scan_known = false;
    e->has_scan_begun = false;
}

static void finish(struct engine *e)
{
    reading_end(e); /* the next snapshot has what the frozen generation had */
    changes_clear(e->frozen);
    e->rules_pending_count -= e->rules_sweeping_count;
    memmove(e->rules_pending, e->rules_pending + e->rules_sweeping_count,
            e->rules_pending_count * sizeof *e->rules_pending);
    e->indexed_sequence = e->sweep_sequence;
    e->is_sweeping = false;
    e->last_sweep_took_ns = clock_machine_ns() - e->last_sweep_ns;
    e->last_sweep_ns += e->last_sweep_took_ns;
    if (e->has_sweep_failed) e->sentence[0] = '\0';
    e->has_sweep_failed = false;
    scan_reset(e);
    places_grow(&e->places, (uint64_t)e->totals[TOTAL_PATIENTS]);
}

/* Somebody waits for this sweep or for the next, or the table fills. */
static void hurry(struct engine *e)
{
    bool is_filling = e->active->count >= e->options.changes_max / 2;
    indexer_hurry(e->indexer, e->is_sweep_awaited || e->wants_sweep || is_filling);
}

void sweep_poll(struct engine *e)
{
    if (!e->is_sweeping || e->is_in_turn) return;
    int error = 0;
    hurry(e);
    switch (indexer_poll(e->indexer, &error)) {
    case INDEXER_DONE:
        finish(e);
        break;
    case INDEXER_FAILED:
        if (clock_machine_ns() - e->last_sweep_ns < SWEEP_AGAIN_NS && e->has_sweep_failed) break;
        engine_say(e, "the index could not be written (%s); it is tried again", index_error(error));
        e->has_sweep_failed = true;
        e->last_sweep_ns = clock_machine_ns();
        indexer_again(e->indexer);
        break;
    case INDEXER_IDLE:
    case INDEXER_WORKING:
        break;
    }
}

/* A row that was decided says what the index has lodged once the frozen generation is written: that is another now. */
static void follow(struct changes *overlay, const struct changes *frozen)
{
    for (uint32_t i = 0; i < overlay->count; i++) {
        const struct index_change *row = changes_find(frozen, &overlay->rows[i].key);
        if (row) overlay->rows[i].unlodge_at_ms = row->row.lodged_at_ms;
    }
}

static void start(struct engine *e)
{
    struct changes *full = e->active;
    follow(&e->deciding->overlay, full);
    if (e->committing) follow(&e->committing->overlay, full);
    e->active = e->frozen;
    e->frozen = full;
    e->sweep_sequence = e->last_sequence;
    e->rules_sweeping_count = e->rules_pending_count;
    e->is_sweeping = true;
    e->is_sweep_awaited = e->wants_sweep;
    e->wants_sweep = false;
    hurry(e);
    e->last_sweep_ns = clock_machine_ns();
    indexer_begin(e->indexer, &(struct sweep){
                                  .rows = full->rows,
                                  .count = full->count,
                                  .rules = e->rules_pending,
                                  .rules_count = e->rules_sweeping_count,
                                  .indexed_sequence = e->sweep_sequence,
                                  .places = &e->places,
                                  .subjects = (uint64_t)e->totals[TOTAL_PATIENTS],
                              });
}

static bool is_large(const struct engine *e)
{
    if (e->rules_pending_count >= RULES_PENDING_MAX / 2) return true;
    if (e->options.sweep_changes) return e->active->count >= e->options.sweep_changes;
    uint64_t share = (uint64_t)e->totals[TOTAL_PATIENTS] / SWEEP_SHARE, most = e->options.changes_max / 2;
    if (share < SWEEP_CHANGES_LEAST) share = SWEEP_CHANGES_LEAST;
    return e->active->count >= (share < most ? share : most);
}

static bool has_rested(const struct engine *e)
{
    int64_t rest_ns = REST_FACTOR * e->last_sweep_took_ns;
    return clock_machine_ns() - e->last_sweep_ns >= (rest_ns > SWEEP_PAUSE_NS ? rest_ns : SWEEP_PAUSE_NS);
}

void sweep_start_if_worthwhile(struct engine *e)
{
    if (e->is_sweeping || e->is_in_turn || !e->active->count) return;
    if (e->wants_sweep || is_large(e) || has_rested(e)) start(e);
}

bool sweep_has_room(const struct engine *e)
{
    uint32_t outstanding = e->deciding->overlay.count + (e->committing ? e->committing->overlay.count : 0);
    return e->active->count + outstanding < e->options.changes_max &&
           e->rules_pending_count + LIMIT_BATCH_EVENTS <= RULES_PENDING_MAX;
}

bool engine_can_accept(const struct engine *e)
{
    return sweep_has_room(e);
}

void sweep_want(struct engine *e, uint64_t as_of)
{
    if (e->is_sweeping && e->sweep_sequence >= as_of)
        e->is_sweep_awaited = true;
    else
        e->wants_sweep = true;
}

bool engine_index_catch_up(struct engine *e, uint64_t as_of)
{
    sweep_poll(e);
    if (e->indexed_sequence >= as_of) return true;
    sweep_want(e, as_of);
    sweep_start_if_worthwhile(e);
    return false;
}

int engine_index_flush(struct engine *e)
{
    int code = engine_commit_all(e);
    if (code) return code;
    for (int sweep = 0; sweep < FLUSH_SWEEPS && e->indexed_sequence < e->last_sequence; sweep++) {
        int error = 0;
        sweep_want(e, e->last_sequence);
        sweep_start_if_worthwhile(e);
        indexer_wait(e->indexer);
        enum indexer_state state = indexer_poll(e->indexer, &error);
        if (state == INDEXER_DONE) finish(e);
        if (state != INDEXER_FAILED) continue;
        engine_say(e, "the index could not be written (%s)", index_error(error));
        e->has_sweep_failed = true;
        indexer_again(e->indexer);
    }
    return e->indexed_sequence >= e->last_sequence ? 0 : ENGINE_E_INDEX;
}
