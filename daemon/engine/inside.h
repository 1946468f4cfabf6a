/* The engine from inside: the one structure that its files share, and what each of them offers the others.
 *
 *     engine.c    opening, closing, state           turn.c        batch, overlay, results
 *     commit.c    what becomes of a batch           publish.c     an event's way into the batch
 *     recover.c   from the journal to memory        repeat.c      has this event been here before?
 *     lookup.c    where a record is                 fire.c        what is due; manual time
 *     sweep.c     generations and the indexer       change.c      rules, commands, epochs
 *     read.c      for those who only look           command.c     what the daemon itself says to a record
 *     versions.c  what open episodes run on         expect.c      what is fetched before its turn
 *     round.c     what concerns many patients       heard.c       sources that somebody waits for
 *     deliver.c   what daemon/delivery asks
 *
 * What they stand on does not know that structure, and has headers of its own:
 *
 *     committer.c the thread that appends           indexer.c     the thread that writes the index
 *     changes.c   what the index does not say yet   places.c      rows of the index, remembered
 *     intake.c    events from a stranger's bytes    subject.c     what an entry is about, as a key
 *     chain.c     ids of long chains, remembered    question.c    what an entry asked of step
 *     merging.c   two patients that become one      retraction.c  what is taken back
 */
#ifndef HANDOFF_ENGINE_INSIDE_H
#define HANDOFF_ENGINE_INSIDE_H

#include "base/limits.h"
#include "engine/engine.h"
#include "engine/chain.h"
#include "engine/chains_read.h"
#include "engine/changes.h"
#include "engine/committer.h"
#include "engine/indexer.h"
#include "engine/intake.h"
#include "engine/merging.h"
#include "engine/places.h"
#include "engine/subject.h"
#include "pathway/ruleset.h"

enum {
    ENGINE_SCHEMA = 2, /* of records; 1 kept a repeat in two words */
    ENGINE_SENTENCE_BYTES = 256,
    BATCH_SPARE_BYTES = 2 * 1024 * 1024, /* a batch is full this far from LIMIT_BATCH_BYTES: one event's entries fit */
    ENTRIES_PER_EVENT = 4,           /* an event's own, its source's, its site's, and the rules that it changes */
    RESULTS_PER_BATCH = 4,           /* pending results, in batches: repeats of what is in the batch wait with it */
    ALIASES_MAX = 8,                 /* no merge makes them deeper (core/merge.c) */
    CANDIDATES_PER_FIRING = 4,       /* stale due times looked at beyond the fired ones, in one turn */
    PACKED_BYTES = 512 * 1024,       /* an entry's outcome and record; what is larger waits to be packed in its place */
    RULES_PENDING_MAX = 16384        /* rules entries that the index does not know yet */
};

/* Where a subject's newest record is. */
struct found {
    struct index_row row;      /* sequence 0: no such subject */
    int64_t unlodge_at_ms;     /* what the index has lodged, once the frozen generation is written */
    bool is_unknown_to_memory; /* the row came from the index */
};

/* A row of the overlay; beside changes->rows by position. */
struct overlay_note {
    bool is_lodged; /* row.lodged_at_ms wants a place in the heap */
};

/* Repeats that differ, audited lately: each once a minute, and all of them together no more than there are places. */
enum { DIFFERING_MAX = 64 };
struct differing {
    int64_t minute;
    uint32_t count;
    uint64_t hashes[DIFFERING_MAX];
};

struct result {
    uint64_t ticket, sequence;
    uint32_t position;
    Handoff__V1__Code code;
    Handoff__V1__Verdict verdict;
    const char *sentence; /* in the results' arena; "" */
    const char *field;    /* of a refusal, which is never kept */
};

enum due_origin { DUE_FROM_NOWHERE, DUE_FROM_ACTIVE, DUE_FROM_FROZEN, DUE_FROM_INDEX };

/* What was decided and becomes durable together, or never was. Everything it needs for that is its own. */
struct batch {
    struct batch_builder *builder;
    uint64_t first_sequence, number;
    struct entry *entries; /* sections in the builder */
    uint32_t entry_count;
    struct changes overlay;
    struct overlay_note *notes;
    int64_t totals_after[TOTAL_COUNT];
    struct result *results;
    uint32_t result_count;
    struct arena *results_arena; /* sentences of its results */
    struct due *taken;           /* due times taken from the heaps for it: given back if it fails */
    enum due_origin *taken_from;
    uint32_t taken_count;
    uint64_t rules_said[LIMIT_BATCH_EVENTS]; /* what the rules entries of its events are about, hashed */
    uint32_t rules_said_count;
    struct commit commit;
};

/* The last events that were expected. */
enum { EXPECTED_MAX = 16 };
struct expected {
    struct patient_key key;
    bool is_known; /* it names a patient */
};

struct engine {
    struct engine_options options;
    struct journal_reader *journal_reader;
    struct index_reader *index_reader;
    bool is_reading;              /* both have a snapshot */
    struct places places;
    struct expected expected[EXPECTED_MAX];
    uint32_t expected_count;      /* so far */
    uint8_t hash_key[HASH_KEY_BYTES];
    struct ruleset *ruleset;
    const struct rules *rules;    /* what it builds; NULL: no policy or no site yet, nothing can be decided */
    struct intake *intake;
    struct chains *chains;        /* long ones, found by hash */
    struct rounds *rounds;
    struct heard *heard;
    struct arena *arena;          /* one input: rewound after each */
    char sentence[ENGINE_SENTENCE_BYTES];

    /* What is committed. */
    uint64_t last_sequence;
    int64_t last_time_ms;
    int64_t totals[TOTAL_COUNT];
    uint8_t digest[DIGEST_BYTES];

    /* The turn. */
    bool is_in_turn;
    int64_t now_ms;
    struct batch batches[2];
    struct batch *deciding;       /* what it decides rests on what is committing, and on what is committed */
    struct batch *committing;     /* under way to the journal, and nobody was told of it yet; NULL: none */
    struct committer *committer;  /* NULL: commits wait on the loop's thread */
    uint64_t batch_number;
    uint8_t packed[PACKED_BYTES]; /* an entry's outcome and record, at the end */
    struct differing differing;
    uint32_t result_max, taken_max; /* of a batch */

    /* What the index does not say yet. */
    struct changes generations[2];
    struct changes *active, *frozen;
    struct indexer *indexer;
    bool is_sweeping, wants_sweep, is_sweep_awaited, has_sweep_failed;
    int64_t last_sweep_ns, last_sweep_took_ns; /* when it began, and when it is over when it ended */
    uint64_t indexed_sequence, sweep_sequence;
    uint64_t rules_pending[RULES_PENDING_MAX];
    uint32_t rules_pending_count, rules_sweeping_count;

    /* Where the due index was read up to, and what comes next there. */
    struct due scan_next;
    bool is_scan_known;           /* scan_next is right; at_ms NO_DUE: nothing comes */
    bool has_scan_begun;          /* scan_next (or scan_after) is a position */
    struct due scan_after;

    /* Writing. */
    bool is_full, is_stopped;
    uint64_t attempted_sequence;  /* the last of the batch whose append was not known to fail */
    uint8_t attempted_digest[DIGEST_BYTES];
    bool is_tail_unknown;         /* it is in the journal after all; its rules do not hold yet, and nobody was told */

    /* Measured. */
    uint64_t last_commit_ns, last_commit_events;
    int64_t longest_silence_ms;
};

/* engine.c */
void engine_say(struct engine *e, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Returns ENGINE_E_DAMAGED. sequence: any that the batch holds. */
int engine_say_damaged(struct engine *e, uint64_t sequence, const char *why);

/* lookup.c: snapshots are taken when first needed, and end with the turn and with each batch that becomes durable. The
 * loop's thread never waits for a commit while it has one: the journal's map may have to grow for it. */
int reading_begin(struct engine *e);
void reading_end(struct engine *e);
/* 0 (sequence 0 when there is none), or ENGINE_E_INDEX. */
int lookup_subject(struct engine *e, const struct patient_key *key, struct found *ret_found);
/* The same without what is decided and not committed. */
int lookup_committed(struct engine *e, const struct patient_key *key, struct found *ret_found);
/* The same without the active changes. */
int lookup_before_changes(struct engine *e, const struct patient_key *key, struct found *ret_found);
/* The entry that a row names. */
int lookup_entry(struct engine *e, const struct index_row *row, struct entry *ret_entry);
/* A batch, for as long as this snapshot is open. */
int lookup_batch(struct engine *e, uint64_t batch_sequence, struct bytes *ret_blob);
/* By its sequence: from a batch that is not committed, or from the journal. */
int lookup_sequence(struct engine *e, uint64_t sequence, struct entry *ret_entry);
/* The journal as what decides needs it: what is decided and what is committed. In the engine's arena. */
struct chains_read lookup_chains(struct engine *e);
int lookup_record(struct engine *e, const struct found *found, struct arena *arena, Handoff__V1__PatientRecord **ret_record);
/* Without some of its fields. */
struct stored_fields;
int lookup_record_without(struct engine *e, const struct found *found, const struct stored_fields *without,
                          struct arena *arena, Handoff__V1__PatientRecord **ret_record);

/* turn.c */
struct addition {
    uint8_t kind;
    const struct patient_key *key;
    const struct found *found;              /* the subject before */
    struct bytes input;                     /* bytes as they came, or ... */
    const ProtobufCMessage *input_message;  /* ... a message to pack */
    const Handoff__V1__PatientRecord *before, *after; /* NULL: no record */
    struct bytes after_packed;              /* by turn_fits */
    const Handoff__V1__Outcome *outcome;    /* NULL: none */
    bool is_firing;                         /* lodges anew at whatever is due next */
    bool is_new_patient;
};
uint64_t turn_next_sequence(const struct engine *e);
/* Whether a record may be stored. It is packed, for turn_add, and stays so until the next call. What must act (findings, discharges, work, firings) has room
 * beyond the limit that facts have used up. */
bool turn_fits(struct engine *e, const Handoff__V1__PatientRecord *after, bool must_act, struct bytes *ret_packed);
void turn_add(struct engine *e, const struct addition *addition);
/* A subject's due time was met, and it is lodged at another. */
void turn_lodge(struct engine *e, const struct patient_key *key, const struct found *found, int64_t at_ms);
/* What one entry does to the running totals. verify counts the same way. */
struct counted {
    uint8_t kind;
    bool is_new_patient;
    const Handoff__V1__PatientRecord *before;
    const Handoff__V1__Outcome *outcome;
    struct record_totals after;
};
void totals_count(int64_t totals[TOTAL_COUNT], const struct counted *c);
/* The flags of an entry with this record and outcome (NULL: none). */
uint16_t turn_flags(const struct record_totals *after, const Handoff__V1__Outcome *outcome);
/* Told after the commit ... */
void turn_add_result(struct engine *e, const struct result *result);
/* ... or now. */
void turn_tell_result(struct engine *e, const struct result *result);
void turn_tell_unavailable(struct engine *e, uint64_t ticket, uint32_t position);
/* The last sequence that was decided, durable or not. */
uint64_t turn_last_decided(const struct engine *e);
bool turn_has_room(const struct engine *e);
/* Tells a committed entry to the listener. */
void turn_tell_entry(struct engine *e, const struct entry *entry);

/* sweep.c */
void sweep_poll(struct engine *e);
void sweep_start_if_worthwhile(struct engine *e);
/* Somebody waits for the index to know everything up to as_of: the sweep at work has it, or the next one will. */
void sweep_want(struct engine *e, uint64_t as_of);
bool sweep_has_room(const struct engine *e);
void scan_reset(struct engine *e);

/* repeat.c: 1 and the first entry when it is a repeat, 0 when it is not, ENGINE_E_. */
struct repeat_question {
    const struct patient_key *key;            /* the subject */
    const Handoff__V1__PatientRecord *record; /* the newest, at this sequence */
    uint64_t newest;
    uint64_t hash;
    const Handoff__V1__Event *event;
};
int repeat_find(struct engine *e, const struct repeat_question *q, struct entry *ret_first);
/* Along a chain from its newest entry on: 1 and the event's entry, 0, or ENGINE_E_. */
int repeat_seek(struct engine *e, const struct patient_key *key, uint64_t newest, const char *source, const char *id,
                struct entry *ret_entry);
bool repeat_is_same(struct engine *e, struct bytes first, struct bytes again);

/* round.c: what one event of a site means for all records */
struct rounds;
struct rounds *rounds_new(void); /* NULL: no memory */
void rounds_free(struct rounds *r);
/* Between turns: the next round, if none runs and a site's record has one. */
void rounds_find(struct engine *e);
/* A turn's share of the round that runs. */
void rounds_go_on(struct engine *e);
bool rounds_have_work(const struct engine *e);
bool rounds_may_run(const struct engine *e); /* one runs, or it is not known whether one should */
bool rounds_wait_for_index(const struct engine *e);
/* A site's record has changed its rounds. */
void rounds_look_again(struct engine *e);
/* After a batch that did not become durable: the round begins again. */
void rounds_forget(struct engine *e);
struct round_want {
    bool is_needed; /* false: the site's record has it already */
    Handoff__V1__RoundWanted wanted;
    const char *site_name;
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *before;
};
/* Adds nothing yet. `wanted` and site_name must live until round_want_add. */
int round_want(struct engine *e, const char *site_name, const Handoff__V1__RoundWanted *wanted, struct round_want *ret_want);
void round_want_add(struct engine *e, const struct round_want *want);

/* heard.c: when each source that somebody waits for was last heard of */
struct heard;
struct heard *heard_new(void);
void heard_free(struct heard *h);
void heard_find(struct engine *e);   /* between turns: fills the memory from the records, if it is not known */
void heard_forget(struct engine *e); /* other rules, or a batch that did not become durable */
void heard_resume(struct engine *e); /* the daemon itself was away: each gets an hour more to report */
/* A site was configured anew: what it waits for counts by its new rows. */
void heard_configure(struct engine *e, const char *site_name);
/* A record of a source was decided. */
void heard_take(struct engine *e, const struct patient_key *key, const Handoff__V1__PatientRecord *record);
/* An event of this source came: at most one entry an hour. */
void heard_note(struct engine *e, const char *source);
bool heard_is_known(const struct engine *e);
bool heard_have_work(const struct engine *e);
void heard_go_on(struct engine *e);

/* command.c: engine_command without its questions, within what an event or a turn's own work has room for */
int command_add(struct engine *e, enum subject_kind kind, const char *name, const Handoff__V1__CommandInput *command);

/* fire.c */
int64_t fire_next_ms(struct engine *e);

/* recover.c */
int recover(struct engine *e);
/* A batch that turned out to be in the journal. */
int recover_batch(struct engine *e, const struct batch_view *view);
int recover_tail(struct engine *e);
/* All of the journal into an empty index. */
int recover_into_index(struct engine *e);

/* change.c */
int change_append_epoch(struct engine *e);
int change_set_clock(struct engine *e, int64_t to_ms);
/* An event of a site that means something to everybody: its change of rules, in the same batch. They hold from the next
 * batch on, so that a batch is decided by one set of rules however many of its events change them. */
struct event_change {
    bool is_needed;
    uint64_t hash; /* of what it is about */
    struct ruleset_event_change said;
    struct patient_key key;
    struct found found;
};
int change_by_event(struct engine *e, const Handoff__V1__Event *event, struct event_change *ret_change); /* adds nothing */
/* The event of a site at an entry was taken back: what it made known never was. */
int change_by_retraction(struct engine *e, const struct step_retraction *taken_back, struct event_change *ret_change);
/* The same of what was decided about a patient: a doubt about an agency. */
int change_by_outcome(struct engine *e, const Handoff__V1__Outcome *outcome, struct event_change *ret_change);
void change_add(struct engine *e, const struct event_change *change);
/* After the commit of a batch: folds what its events changed. */
void change_take_effect(struct engine *e, const struct batch *b);
int change_fold_rules(struct engine *e, struct ruleset *ruleset, const struct entry *entry);
/* Every rules entry that is committed, in order. */
int change_fold_all(struct engine *e, struct ruleset *ruleset);

#endif
