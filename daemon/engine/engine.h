/* The engine: takes inputs, decides them with core/step, commits them in batches, fires what is due, and keeps the
 * index behind the journal. One thread (the loop's) calls everything here; the committing and the indexing thread are the
 * engine's own.
 * It knows nothing of sockets: what must leave after a commit is handed to the listener.
 *
 * A turn, as the loop drives it:
 *
 *     engine_turn_begin                    journal time for this turn
 *       engine_publish * n                 each gets a verdict now, or a place in the batch
 *       engine_fire(limit)                 due timers, bounded
 *     engine_turn_end                      one blob, one commit, perhaps while the next turn decides; when it is
 *                                          durable, the listener hears of every entry, in order
 *
 * Nothing decided in a turn is visible to readers before its commit: new records live in an overlay that is merged
 * into the table of changes only after the journal says durable, and dropped when it does not. */
#ifndef HANDOFF_ENGINE_ENGINE_H
#define HANDOFF_ENGINE_ENGINE_H

#include "base/arena.h"
#include "handoff/v1/api.pb-c.h"
#include "handoff/v1/record.pb-c.h"
#include "handoff/v1/rules.pb-c.h"
#include "core/rules.h"
#include "core/step.h"
#include "engine/clock.h"
#include "store/index.h"
#include "store/journal.h"

struct engine;

/* What the engine tells the outside. Each may be NULL. on_entry and on_result are called on the loop's thread and may
 * read (engine_record, ...) but neither begin a turn nor publish. */
struct engine_listener {
    void *context;
    /* Every committed entry, in sequence order. Valid during the call. Of the outcome the emissions are said:
     * where there are none it is empty. NULL for kinds that have none (epochs, rules, the clock). */
    void (*on_entry)(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome, const char *key_text);
    /* The pending publish that was given this ticket. Refusals come at once, everything else after the commit. */
    void (*on_result)(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *result);
    /* On the indexing thread, after each sweep: wake the loop (ev_async_send), nothing else. */
    void (*on_indexed)(void *context);
    /* On the committing thread, after each append: the same. The turn that follows tells what came of it. */
    void (*on_committed)(void *context);
    /* What became of a batch (engine_batch), after its entries and results: 0, or why none of it is there. */
    void (*on_batch)(void *context, uint64_t number, int code);
};

struct engine_options {
    struct journal *journal;          /* borrowed, and both outlive the engine; what the two callbacks below */
    struct index *index;              /* return takes their place */
    struct clock *clock;              /* engine/clock.h; parsed, the engine starts it */
    struct engine_listener listener;
    uint32_t batch_events;            /* 4 to LIMIT_BATCH_EVENTS; 0: LIMIT_BATCH_EVENTS */
    uint32_t fire_per_turn;           /* at most LIMIT_BATCH_EVENTS; 0: LIMIT_FIRE_PER_TURN */
    uint32_t changes_max;             /* 0: LIMIT_CHANGES */
    uint32_t sweep_changes;           /* the index is written when so many changed (0: by the number of patients), or
                                         after a rest (sweep.c) */
    int64_t clock_start_ms;           /* a manual clock's first time in a fresh folder; 0: CLOCK_MANUAL_START_MS */
    const char *code_version;         /* stamped into the epoch entry */
    bool decides_ahead;               /* engine_turn_end does not wait for the disk: a thread of its own commits */
    /* After a write error: closes the journal and opens it again; NULL: it does not open. */
    struct journal *(*reopen_journal)(void *context);
    /* An index that contradicts the journal: closes and deletes it, opens an empty one. NULL: engine_open fails. */
    struct index *(*empty_index)(void *context);
    void *storage_context;
    /* A sentence about something that was put right by itself (an index rebuilt). May be NULL. */
    void (*on_notice)(void *context, const char *sentence);
};

enum {
    ENGINE_E_FULL = -301,      /* no room: read-only until there is; publishes are UNAVAILABLE */
    ENGINE_E_STOPPED = -302,   /* a write failed in a way that needs a reopen */
    ENGINE_E_DAMAGED = -303,   /* the journal does not read back: says which batch in engine_sentence */
    ENGINE_E_CLOCK = -304,     /* the folder was written under another kind of clock */
    ENGINE_E_RULES = -305,     /* a rules entry that does not load with this binary */
    ENGINE_E_UNKNOWN = -306,   /* no such patient */
    ENGINE_E_MEMORY = -307,
    ENGINE_E_INDEX = -308,     /* the index does not read, or does not take what it is given */
    ENGINE_E_LIMIT = -309,     /* more than fits one batch */
    ENGINE_E_TOO_LARGE = -310  /* the record would become larger than is stored */
};

/* Opens: reads the epoch, folds rules entries, recovers the table of changes from the entry headers behind the
 * index (never runs step), appends an epoch entry. On failure *ret_sentence says why, for people. */
int engine_open(const struct engine_options *options, struct engine **ret_engine, const char **ret_sentence);
/* Writes what the index lacks and ends the indexing thread. NULL is fine. */
void engine_close(struct engine *e);
/* The same without writing: as after a crash, the next start recovers from the entry headers. */
void engine_abandon(struct engine *e);

/* For `handoffd reindex`: fills an empty index from the journal, without an engine and without writing to the journal.
 * 0 and the sequence it reaches to, or an error and a sentence for people. */
int engine_rebuild_index(struct journal *journal, struct index *index, uint64_t *ret_last, const char **ret_sentence);

/* --- rules ------------------------------------------------------------------------------------------------- */
/* Journals these changes (their own batch) and makes them the rules. All or nothing. */
int engine_change_rules(struct engine *e, const Handoff__V1__RulesChange *const *changes, size_t count);
const struct rules *engine_rules(const struct engine *e);
struct ruleset *engine_ruleset(struct engine *e);
/* Open episodes by the journal's number of their pathway's version; counts has `most` places, zeroed, and what is beyond
 * is left out. Looks at every record with an open episode: not for every day. */
int engine_count_episodes(struct engine *e, uint64_t *counts, uint32_t most);

/* --- a turn ------------------------------------------------------------------------------------------------ */
void engine_turn_begin(struct engine *e);
/* One event's bytes as published. The result comes through on_result with this ticket and position, always, and
 * never before the turn's commit if it speaks of something in the batch. A full batch is committed first, and the
 * turn goes on with a new one. */
void engine_publish(struct engine *e, struct bytes event, uint64_t ticket, uint32_t position);
/* An event that will be published soon, some eight events ahead: what it needs is fetched meanwhile. Its bytes are not
 * kept. No bytes: none is known, and those before go on. */
void engine_expect(struct engine *e, struct bytes event);
bool engine_is_batch_full(const struct engine *e);
bool engine_can_accept(const struct engine *e); /* false: the table of changes is full; leave events in the socket */
/* What the daemon itself has to say to a subject: step decides it on the newest record, this batch's too (an alias
 * counts as the patient that it became), and it becomes a COMMAND entry of the batch. The command is packed at once. A
 * verdict NO_OP says nothing new: then there is no entry. 0; ENGINE_E_UNKNOWN: no such patient (a site's or a source's
 * record begins); ENGINE_E_LIMIT: the batch has no room, commit it and say so again in the next; ENGINE_E_FULL,
 * ENGINE_E_STOPPED: nothing can be written now; ENGINE_E_TOO_LARGE; or what could not be read. */
int engine_command(struct engine *e, enum subject_kind kind, const char *name, const Handoff__V1__CommandInput *command);
/* In a turn of its own: how often the synthetic patient (HEARTBEAT_PATIENT) beats from now on; 0: not. What is so
 * already is no entry. */
int engine_set_heartbeat(struct engine *e, int64_t every_ms);
/* Fires at most limit due things whose time is <= the turn's; returns how many entries it added. */
uint32_t engine_fire(struct engine *e, uint32_t limit);
/* All that is decided, and waits for it: 0, or an error that was already told to the publishers as UNAVAILABLE. */
int engine_turn_commit(struct engine *e);

/* --- deciding ahead: while a batch is on its way to the disk the next one is decided, on top of it. If it fails, both
 * are dropped. Nothing of either is told or visible to readers before it is durable. */
/* Ends a turn without waiting: the batch goes to the committing thread, or stays open for the next turn while that is
 * at work with the one before. What is to be heard of it comes through the listener, from within another call. Waits as
 * engine_turn_commit does where it must: rules that change, a round, no decides_ahead; and for the batch before when
 * this one is full. 0, or an error that was told. */
int engine_turn_end(struct engine *e);
/* Tells of the batch before if its append is done. True: it is not. */
bool engine_is_committing(struct engine *e);
/* Waits for the batch before, and tells of it. 0, or an error that was told; then what was decided on top is gone too. */
int engine_await_commit(struct engine *e);
/* Between turns: until nothing that was decided is outstanding. What follows in this header and is not for readers does
 * so by itself. */
int engine_commit_all(struct engine *e);
/* Something waits in the batch that is being decided. */
bool engine_has_decided(const struct engine *e);
/* The number of that batch, for on_batch, and how many entries it has. */
uint64_t engine_batch(const struct engine *e);
uint32_t engine_batch_entries(const struct engine *e);

/* --- time -------------------------------------------------------------------------------------------------- */
/* When engine_fire has something to do next, in journal time; NO_DUE: nothing. A lower bound (the due index is lazy). */
int64_t engine_next_due(struct engine *e);
/* How late the oldest due timer is; 0: none is. */
int64_t engine_oldest_overdue_ms(struct engine *e);
/* Manual clock: moves to each due time in turn and fires before going on, in bounded turns of its own.
 * Journals where the clock stands. ret_fired may be NULL; it is what this call fired. Returns 1 while there is more to
 * do (call again), 0, ENGINE_E_CLOCK (not a manual clock, or a time that has passed), or why a commit failed. */
int engine_advance(struct engine *e, int64_t to_ms, uint64_t *ret_fired);
/* A clock that is held: a human says that it is right. Journals it. */
int engine_accept_clock(struct engine *e);
/* Journal time as of now: the clock's, but never before the last entry's. */
int64_t engine_now_ms(struct engine *e);

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
/* A patient id that became another: the key of the patient that it is, as of that time (INT64_MAX: now). What is no
 * alias, or not known, stays as it is. */
int engine_alias(struct engine *e, struct patient_key *key, int64_t at_ms, struct arena *arena);
/* Walks a subject's entries, and those of the patients that became it, from the newest with sequence < before (0: newest) backwards. visit returns false to stop. */
int engine_walk(struct engine *e, const struct patient_key *key, uint64_t before, void *context,
                bool (*visit)(void *context, const struct entry *entry));
/* Walks all entries from a sequence on, forwards; false stops. Bounded by max_entries. ret_last: last looked at. */
int engine_scan(struct engine *e, uint64_t from, uint32_t max_entries, void *context,
                bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last);
/* The same for who needs little: what has none of the flags `whole` is checked, and may be looked at, by its header
 * alone, without its sections. */
int engine_scan_headers(struct engine *e, uint64_t from, uint32_t max_entries, uint16_t whole, void *context,
                        bool (*visit)(void *context, const struct entry *entry), uint64_t *ret_last);
/* Subjects with open work, in key order, once the index has caught up with as_of. engine_index_catch_up starts a
 * sweep and says whether it already has (then listing may go on). */
bool engine_index_catch_up(struct engine *e, uint64_t as_of);
/* Waits until the index has everything; for shutdown and tests. */
int engine_index_flush(struct engine *e);
int engine_work_next(struct engine *e, const struct patient_key *after, struct patient_key *ret_key);
/* What will happen if nobody acts: steps firings on a copy; calls back with each outcome; journals nothing. */
int engine_forecast(struct engine *e, const struct patient_key *key, uint32_t limit, struct arena *arena, void *context,
                    void (*visit)(void *context, int64_t at_ms, const Handoff__V1__TimerInput *firing,
                                  const struct outcome *outcome));

/* --- delivery (daemon/delivery) ------------------------------------------------------------------------------- */
/* The same for the record that has this key, of whatever kind. ENGINE_E_UNKNOWN: none has. ret_sequence, which may be NULL, is the
 * entry's; 0: it changed nothing, so there is none. */
int engine_command_to(struct engine *e, const struct patient_key *key, const Handoff__V1__CommandInput *command,
                      uint64_t *ret_sequence);
/* In a turn: another entry fits this batch. */
bool engine_has_room(const struct engine *e);
/* In a turn: an entry on the subscription's own chain; "" is the chain that names them all. ENGINE_E_LIMIT: no room. */
int engine_add_delivery(struct engine *e, const char *subscription, const Handoff__V1__DeliveryInput *input);
/* That chain, from the newest entry backwards; false stops. ENGINE_E_UNKNOWN: there is none. */
int engine_walk_delivery(struct engine *e, const char *subscription, void *context,
                         bool (*visit)(void *context, const struct entry *entry));
/* What engine_entry returns stays valid between the two. Not around a turn. */
int engine_hold(struct engine *e);
void engine_let_go(struct engine *e);
/* Where an entry is; batch_sequence 0: it is searched for. */
struct engine_place {
    uint64_t sequence, batch_sequence;
    uint32_t offset; /* in its batch */
};
/* In a turn, that of its batch too. */
int engine_entry(struct engine *e, const struct engine_place *place, struct entry *ret_entry);
/* The newest record (without view_untold), of the patient that this one has become; in a turn, as of its batch. NULL:
 * the record after the entry `known_sequence` of that patient is still the newest, and was not read (0: none is known).
 * ENGINE_E_UNKNOWN. */
int engine_newest(struct engine *e, const struct patient_key *key, uint64_t known_sequence, struct arena *arena,
                  Handoff__V1__PatientRecord **ret_record);
/* The last sequence whose journal time is before this; 0: none. */
int engine_sequence_before(struct engine *e, int64_t at_ms, uint64_t *ret_sequence);

struct engine_state {
    uint64_t last_sequence, indexed_sequence;
    int64_t totals[TOTAL_COUNT];
    uint64_t changes;
    bool is_read_only;           /* full disk, or stopped */
    const char *sentence;        /* why, or what else an operator must know (a damaged batch, an index that fails); "" */
    uint64_t last_commit_ns, last_commit_events;
    int64_t longest_silence_ms;  /* measured since the start: until a human was told of an open episode */
};
void engine_state(const struct engine *e, struct engine_state *ret_state);
/* Full disk or a write error: tries to become writable again; 0 when it is. */
int engine_retry(struct engine *e);

#endif
