/* The engine: takes inputs, decides them with core/step, commits them in batches, fires what is due, and keeps the
 * index behind the journal. One thread (the loop's) calls everything here; the indexing thread is the engine's own.
 * It knows nothing of sockets: what must leave after a commit is handed to the listener.
 *
 * A turn, as the loop drives it:
 *
 *     engine_turn_begin                    journal time for this turn
 *       engine_publish * n                 each gets a verdict now, or a place in the batch
 *       engine_fire(limit)                 due timers, bounded
 *     engine_turn_commit                   one blob, one commit; then the listener hears of every entry, in order
 *
 * Nothing decided in a turn is visible to readers before its commit: new records live in an overlay that is merged
 * into the table of changes only after the journal says durable, and dropped when it does not. */
#ifndef HANDOFF_ENGINE_ENGINE_H
#define HANDOFF_ENGINE_ENGINE_H

#include "base/arena.h"
#include "core/rules.h"
#include "core/step.h"
#include "engine/clock.h"
#include "handoff/v1/api.pb-c.h"
#include "store/index.h"
#include "store/journal.h"

struct engine;

/* What the engine tells the outside after a commit. Called on the loop's thread, in sequence order. */
struct engine_listener {
    void *context;
    /* A committed entry that has emissions, or any entry (for the record stream). Valid during the call. */
    void (*on_entry)(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key_text);
    /* The pending publish that was given this ticket. */
    void (*on_result)(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result);
};

struct engine_options {
    struct journal *journal;
    struct index *index;
    struct clock *clock;              /* engine/clock.h */
    struct engine_listener listener;
    uint32_t batch_events;            /* <= LIMIT_BATCH_EVENTS */
    uint32_t fire_per_turn;
    uint32_t changes_max;
    const char *code_version;
};

enum {
    ENGINE_E_FULL = -301,      /* no room: read-only until there is; publishes are UNAVAILABLE */
    ENGINE_E_STOPPED = -302,   /* a write failed in a way that needs a reopen */
    ENGINE_E_DAMAGED = -303,   /* the journal does not read back: says which batch in engine_sentence */
    ENGINE_E_CLOCK = -304,     /* the folder was written under another kind of clock */
    ENGINE_E_RULES = -305,     /* a rules entry that does not load with this binary */
    ENGINE_E_UNKNOWN = -306,   /* no such patient */
    ENGINE_E_MEMORY = -307
};

/* Opens: reads the epoch, folds rules entries, recovers the table of changes from the entry headers behind the
 * index (never runs step), appends an epoch entry. On failure *ret_sentence says why, for people. */
int engine_open(const struct engine_options *options, struct engine **ret_engine, const char **ret_sentence);
void engine_close(struct engine *e); /* waits for the indexing thread */

/* --- rules ------------------------------------------------------------------------------------------------- */
/* Journals these changes (their own batch) and makes them the rules. All or nothing. */
int engine_change_rules(struct engine *e, const Handoff__V1__RulesChange *const *changes, size_t count);
const struct rules *engine_rules(const struct engine *e);
struct ruleset *engine_ruleset(struct engine *e);

/* --- a turn ------------------------------------------------------------------------------------------------ */
void engine_turn_begin(struct engine *e);
/* One event's bytes as published. The result comes through on_result with this ticket and position, always, and
 * never before the turn's commit if it speaks of something in the batch. */
void engine_publish(struct engine *e, struct bytes event, uint64_t ticket, uint32_t position);
bool engine_is_batch_full(const struct engine *e);
bool engine_can_accept(const struct engine *e); /* false: the table of changes is full; leave events in the socket */
/* Fires at most limit due things whose time is <= the turn's; returns how many entries it added. */
uint32_t engine_fire(struct engine *e, uint32_t limit);
/* 0, or an error that was already told to the publishers as UNAVAILABLE. */
int engine_turn_commit(struct engine *e);

/* --- time -------------------------------------------------------------------------------------------------- */
/* When engine_fire has something to do next, in journal time; NO_DUE: nothing. A lower bound (the due index is lazy). */
int64_t engine_next_due(struct engine *e);
/* How late the oldest due timer is; 0: none is. */
int64_t engine_oldest_overdue_ms(struct engine *e);
/* Manual clock: moves to each due time in turn and fires before going on, in bounded turns of its own.
 * Journals where the clock stands. ret_fired may be NULL. Returns 1 while there is more to do (call again). */
int engine_advance(struct engine *e, int64_t to_ms, uint64_t *ret_fired);

/* --- reading (between turns) -------------------------------------------------------------------------------- */
void engine_subject_key(const struct engine *e, enum subject_kind kind, const char *name, struct patient_key *ret_key);
void engine_key_text(const struct patient_key *key, char ret_text[33]);
bool engine_key_parse(const char *text, struct patient_key *ret_key); /* first 32 hexadecimal letters */
/* The newest committed state; ENGINE_E_UNKNOWN. Unpacked into the arena. */
int engine_record(struct engine *e, const struct patient_key *key, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence, int64_t *ret_time_ms);
/* The state after the last entry whose time is <= at_ms, and sequence <= as_of (0: no bound). */
int engine_record_at(struct engine *e, const struct patient_key *key, int64_t at_ms, uint64_t as_of, struct arena *arena,
                     Handoff__V1__PatientRecord **ret_record, uint64_t *ret_sequence, int64_t *ret_time_ms);
/* Walks a subject's entries from the newest with sequence < before (0: newest) backwards. visit returns false to stop. */
int engine_walk(struct engine *e, const struct patient_key *key, uint64_t before, void *context,
                bool (*visit)(void *context, const struct entry *entry));
/* Walks all entries from a sequence on, forwards; false stops. Bounded by max_entries. ret_last: last looked at. */
int engine_scan(struct engine *e, uint64_t from, uint32_t max_entries, void *context,
                bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last);
/* Subjects with open work, in key order, once the index has caught up with as_of. engine_index_catch_up starts a
 * sweep and says whether it already has (then listing may go on). */
bool engine_index_catch_up(struct engine *e, uint64_t as_of);
int engine_work_next(struct engine *e, const struct patient_key *after, struct patient_key *ret_key);
/* What will happen if nobody acts: steps firings on a copy; calls back with each outcome; journals nothing. */
int engine_forecast(struct engine *e, const struct patient_key *key, uint32_t limit, struct arena *arena, void *context,
                    void (*visit)(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing,
                                  const struct outcome *outcome));

struct engine_state {
    uint64_t last_sequence, indexed_sequence;
    int64_t totals[TOTAL_COUNT];
    uint64_t changes;
    bool is_read_only;           /* full disk, or stopped */
    const char *sentence;        /* why */
    uint64_t last_commit_ns, last_commit_events;
    int64_t longest_silence_ms;  /* measured: a due thing's lateness on top of its state's bound; see README */
};
void engine_state(const struct engine *e, struct engine_state *ret_state);
/* Full disk or a write error: tries to become writable again; 0 when it is. */
int engine_retry(struct engine *e);

#endif
