/* Delivery from inside: what its files share.
 *
 *     delivery.c      opening, the turn, recovery     request.c   what workers and operators ask
 *     subscription.c  scanning, staging, its entry    hand_out.c  choosing, the gate, pushing
 *     look.c          one message, as of now          prepare.c   what must be journaled before it leaves
 *     frame.c         what goes out in one message    views.c     for operators
 *     ledger.c, window.c, filter.c: see their headers
 */
#ifndef HANDOFF_DELIVERY_INSIDE_H
#define HANDOFF_DELIVERY_INSIDE_H

#include "core/addressee.h"
#include "delivery/delivery.h"
#include "delivery/filter.h"
#include "delivery/window.h"
#include "engine/view.h"

#define STAGING_BYTES ((size_t)256 * 1024 * 1024)
#define STAGING_SPARE ((size_t)32 * 1024 * 1024) /* less: no more requests in this turn; half of it: nothing is staged */

enum {
    HELD_MAX = 2 * WINDOW_MAX,  /* numbers between the oldest that is out and the newest; full: nothing more goes out */
    PREPARE_MAX = 256,          /* messages of a turn that need an entry first */
    STAGE_AT_ONCE = 2 * ADDRESSEES_MAX, /* rows and commands of one message, at most */
    STAGED_MAX = LEDGER_ASIDE_MAX,      /* rows of one turn's entry: each once, and those that are new have room */
    COMMANDS_MAX = 8192,        /* what one turn's rows have to say to their patients; full: the rest in a later turn */
    ANSWERS_MAX = 1024,         /* requests of one turn */
    SCAN_ENTRIES = 2048,        /* looked at in one turn, of one subscription that is behind */
    HAND_OUT_MAX = 4096,        /* messages handed out in one turn, of all subscriptions */
    FRAME_MESSAGES = 256,
    FRAME_BYTES = 96 * 1024,    /* a frame is full with the message that passes this */
    FRAME_ROOM = 8 * 1024 * 1024,
    SNAPSHOT_ENTRIES = 64,      /* entries of a subscription between two that hold the whole ledger */
    WITHHELD_AGAIN_MS = 3600000 /* withheld ones are asked again, since ages and releases change with time too */
};

#define NOBODY UINT32_MAX /* no session */

struct session {
    uint64_t connection;
    uint64_t tag;       /* of its subscribe */
    uint32_t credit, held;
    uint64_t lost_first, lost_last; /* between these are all numbers whose lease it let end; 0: none */
    int64_t heard_ms;
    bool is_open;
    bool is_choked;     /* does not read: tried again next turn */
    bool is_silent;     /* let a lease end: gets nothing more until it says something */
};

/* What must be journaled before it can leave, or instead of leaving. */
struct preparation {
    struct place at;
    bool is_aside;
    uint64_t position; /* in the window */
    char addressee[LEDGER_ADDRESSEE_BYTES];
};

/* What is said to a patient's record together with the subscription's entry. */
struct staged_command {
    struct patient_key key;
    Handoff__V1__CommandInput *command;
    Handoff__V1__Aside *row; /* of the disclosure that it authorises; NULL */
    bool is_written;         /* in this batch or, when all did not fit, one before */
};

struct held {
    uint64_t number;   /* 0: free */
    uint64_t position; /* in the window; UINT64_MAX: aside */
};

enum said { SAID_NOTHING, SAID_SERVED, SAID_UNSERVED };

struct subscription {
    char name[LEDGER_NAME_BYTES];
    struct ledger ledger;
    struct filter filter;
    struct window window;
    struct held *held;          /* by number % HELD_MAX */
    struct session sessions[DELIVERY_SESSIONS_MAX];
    uint32_t session_count;     /* places in use, open or not */
    uint32_t turn_of;           /* whose turn it is */
    uint64_t scanned;           /* entries up to here were looked at */
    uint64_t next_number;
    uint64_t pass;              /* of scans for something to hand out */
    int64_t aside_next_ms, aside_next_journal_ms; /* when a row may go */
    uint64_t withheld_filter;   /* bit set by keys: whose messages are withheld */
    int64_t withheld_asked_ms;
    bool has_to_ask;
    bool has_freed;             /* of some patient nothing is out any more: rows behind it may go */
    uint32_t entries;           /* since the last whole ledger */
    bool is_made;               /* durable */
    bool is_gone;
    bool is_stuck;              /* what it needs does not read back */

    /* This turn's entry. */
    bool is_dirty;
    bool is_making, is_leaving;
    Handoff__V1__SubscriptionMade *making;
    Handoff__V1__Aside **rows;
    uint32_t row_count, new_row_count;
    struct staged_command *commands;
    uint32_t command_count;
    uint32_t acknowledged, dropped;
    bool is_written;            /* the entry is in the batch */
    bool is_late;               /* it did not fit the batch of the turn that staged it */
    Handoff__V1__DeliveryInput *input;
    struct preparation *preparations;
    uint32_t preparation_count;

    /* Whether somebody serves it. */
    int64_t absent_since_ms;    /* 0: somebody is there */
    bool is_unserved;
    enum said said, said_before; /* what the journal has heard of that; before this turn */
    const char *sentence;
    uint64_t redelivered;
    int64_t oldest_waiting_ms;
};

struct answer {
    uint64_t connection;
    Handoff__V1__Reply *reply; /* in the staging arena */
    struct subscription *of;   /* NULL: does not hang on an entry */
};

struct delivery {
    struct delivery_options options;
    struct engine *engine;
    struct arena *staging;     /* of a turn; kept while something that is staged did not fit the batch */
    struct arena *arena;       /* one message, or what is staged for several */
    struct arena *frame;       /* FRAME_ROOM, of the frame that is being filled */
    struct subscription *subscriptions[DELIVERY_SUBSCRIPTIONS_MAX];
    uint32_t count;
    struct answer answers[ANSWERS_MAX];
    uint32_t answer_count;
    bool has_new_names;        /* the list of names must be written */
    bool has_written_names;    /* it is in this batch */
    bool wants_tick;
    int64_t machine_ms, ticked_ms;
    int64_t now_ms;            /* journal time of this turn, or of this hand-out */
    bool has_more;             /* a bound ended the last hand-out or scan */
    uint32_t budget;           /* messages that this turn may still hand out */
    int64_t until_ns;          /* machine time: then whoever waits for the loop comes first */
    bool is_committing;        /* between stage and turn_end: what the journal says of subscriptions now is ours */
    bool is_stale;             /* the journal has an entry that was thought lost: all of it is folded anew */
    bool is_shut;              /* the journal cannot be written: nothing is staged, workers hear UNAVAILABLE */
    uint32_t turn_of;          /* whose turn it is to be first */
};

/* delivery.c */
bool delivery_may_go_on(struct delivery *d); /* with handing out, this turn */
void delivery_notice(struct delivery *d, const char *sentence, const struct subscription *of);
struct subscription *delivery_find(const struct delivery *d, const char *name);
struct subscription *delivery_add(struct delivery *d, const char *name);

/* subscription.c */
struct subscription *subscription_new(const char *name); /* NULL: no memory */
void subscription_free(struct subscription *s);
/* The ledger has been made or restored: compiles the filter, begins to scan behind the cursor. */
int subscription_begin(struct delivery *d, struct subscription *s);
void subscription_take(struct delivery *d, struct subscription *s, const struct entry *entry,
                       const Handoff__V1__Outcome *outcome);
void subscription_scan(struct delivery *d, struct subscription *s);
uint32_t subscription_lease_ms(const struct subscription *s);
/* Something of this patient is out, or waits for another attempt, and what comes behind has to wait for it. */
bool subscription_is_held_up(const struct subscription *s, const struct patient_key *key);

/* Staging: this turn's entry will say so. */
void stage_past(struct subscription *s, uint64_t position); /* a message of the window: acked, dropped, set aside */
bool stage_has_room(const struct delivery *d, const struct subscription *s, uint32_t new_rows);
/* Nothing else of that patient passes it meanwhile. */
void start_preparing(struct subscription *s, struct message *message);
void stop_preparing(struct subscription *s, struct message *message);
/* A new row, or another state of one that is there (kind UNSPECIFIED: its end). */
void stage_row(struct delivery *d, struct subscription *s, const struct aside *row);
void stage_end_row(struct delivery *d, struct subscription *s, struct aside *row);
/* An attempt is over without success: another one later, or a dead letter. */
struct failure {
    uint32_t delay_ms; /* 0: the backoff's */
    bool is_permanent, is_unspent;
    const char *reason;
};
void stage_failed_message(struct delivery *d, struct subscription *s, uint64_t position, const struct failure *failure);
void stage_failed_row(struct delivery *d, struct subscription *s, struct aside *row, const struct failure *failure);
/* Writes the entry into the batch; false: no room, it stays staged. */
bool subscription_write(struct delivery *d, struct subscription *s);
void subscription_committed(struct delivery *d, struct subscription *s);
void subscription_not_committed(struct subscription *s);
/* Leases that ended, sessions that are silent. */
void subscription_tick(struct delivery *d, struct subscription *s);
void session_end(struct delivery *d, struct subscription *s, struct session *session, bool counts);
struct session *session_find(struct subscription *s, uint64_t connection);
void session_let_go(struct subscription *s, uint32_t session);
bool session_has_credit(const struct session *session); /* it may be handed something now */

/* look.c: one message as of now, in d->arena */
struct looked {
    const struct entry *entry;
    struct view_entry *of;
    const Handoff__V1__PatientRecord *now; /* the patient's newest record */
    const Handoff__V1__Emission *emission; /* as the newest record numbers it; NULL: stream record */
    size_t addressee_count;                /* of an addressed subscription */
    Handoff__V1__Addressee *addressees[ADDRESSEES_MAX];
};
/* 0, ENGINE_E_. What it returns lives in the arena and in the entry. */
struct look_memory { /* of the entry looked at last, for the next emission of the same */
    uint64_t sequence;
    size_t began, opened; /* of the arena: before anything, and behind what all emissions of the entry share */
    struct entry entry;
    struct view_entry *of;
    Handoff__V1__PatientRecord *now;
};
struct look_memory look_begin(const struct delivery *d);
/* Lets go of what the memory's look before made. */
int look(struct delivery *d, const struct subscription *s, struct place at, struct look_memory *memory, struct looked *ret);
struct gate_decision look_ask(struct delivery *d, const struct looked *l, const Handoff__V1__Addressee *to);
const Handoff__V1__Addressee *look_addressee(const struct looked *l, const char *key);
bool look_is_disclosure(const struct looked *l, const struct gate_decision *decision);
Handoff__V1__Delivery *look_render(struct delivery *d, const struct looked *l, struct place at,
                                   const struct gate_decision *decision, const Handoff__V1__Addressee *to);
struct view delivery_view(struct delivery *d);

/* prepare.c */
void prepare_all(struct delivery *d, struct subscription *s);
void prepare_later(struct subscription *s, const struct preparation *what);
/* Of a row that has just been given up. */
void stage_dead(struct delivery *d, struct subscription *s, const struct aside *row);
/* Of an acknowledged one that was a disclosure. */
void stage_disclosed(struct delivery *d, struct subscription *s, const struct aside *row);
/* False: no room, the rest in the next batch. */
bool write_commands(struct delivery *d, struct subscription *s);

/* frame.c: one hand-out, what goes to one worker in one message */
struct frame {
    struct session *session;
    uint32_t index; /* of the session */
    uint64_t numbers[FRAME_MESSAGES];
    uint64_t positions[FRAME_MESSAGES]; /* in the window; UINT64_MAX: aside */
    uint32_t rows[FRAME_MESSAGES];      /* in the ledger */
    uint32_t count;
    uint8_t *bytes; /* FRAME_ROOM: the deliveries, packed */
    size_t len;
    struct look_memory memory;
};
/* False: it does not fit any more. */
bool frame_add(struct frame *f, const Handoff__V1__Delivery *delivery);
/* Not empty. As delivery_options.send. */
int frame_send(struct delivery *d, const struct frame *f, const char *name);

/* hand_out.c */
bool subscription_has_number(const struct subscription *s); /* the ring of numbers has room for the next */
/* A frame to each of its workers that has credit. False: nobody got one. */
bool hand_out(struct delivery *d, struct subscription *s);

/* request.c */
void answer_all(struct delivery *d, const struct subscription *of, bool is_durable);

#endif
