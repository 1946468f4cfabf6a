/* What a subscription has behind it, as the journal keeps it: a fold over its entries, and nothing else.
 *
 *     ... settled ...  through |  done  .  done done  .   .   ...          (the stream, in order)
 *                              |  \________ ahead ________/
 *     aside: what the cursor has passed and that is not over (retries, waits, withheld, dead letters)
 *
 * Pure: no clock, no I/O; recovery and the running daemon apply the same entries with the same function. The cursor
 * never waits for a message that is set aside. Full (LEDGER_ASIDE_MAX): nothing more may be set aside, so the
 * subscription stops at its next message that would have to be, and shows that it is behind. */
#ifndef HANDOFF_DELIVERY_LEDGER_H
#define HANDOFF_DELIVERY_LEDGER_H

#include "base/arena.h"
#include "handoff/v1/delivery.pb-c.h"
#include "store/entry.h"

enum {
    LEDGER_ASIDE_MAX = 4096,
    LEDGER_AHEAD_MAX = 8192, /* as many as the window has messages */
    LEDGER_ADDRESSEE_BYTES = 152,
    LEDGER_REASON_BYTES = 200,
    LEDGER_NAME_BYTES = 65   /* of a subscription, with its NUL */
};

/* Where an emission stands in the journal; of stream record position is 0. */
struct place {
    uint64_t sequence;
    uint32_t position;
    uint32_t offset;         /* in its batch, and of that the first sequence: only where it is found at once; */
    uint64_t batch_sequence; /* 0: not known. They count for nothing where places are compared. */
};
static inline struct place place_of(uint64_t sequence, uint32_t position)
{
    return (struct place){.sequence = sequence, .position = position};
}
static inline int place_compare(struct place a, struct place b)
{
    if (a.sequence != b.sequence) return a.sequence < b.sequence ? -1 : 1;
    return a.position < b.position ? -1 : a.position > b.position;
}

struct range {
    struct place first, last; /* both meant */
};

struct aside {
    struct place at;
    char addressee[LEDGER_ADDRESSEE_BYTES]; /* "" where there is one alone */
    Handoff__V1__AsideKind kind;
    uint32_t attempts;
    int64_t until_ms;             /* WAITS: journal time */
    uint32_t delay_ms;            /* RETRY */
    uint64_t authorised_sequence; /* 0: not (yet) a disclosure */
    struct patient_key key;
    char reason[LEDGER_REASON_BYTES];
    /* The rest is the running daemon's, not the journal's. */
    int64_t ready_at_ms;  /* RETRY: machine time */
    int64_t lease_ms;     /* until, machine time; while it is out */
    uint64_t number;      /* 0: it is not out */
    uint32_t session;
    bool is_to_ask;       /* WITHHELD: something has changed */
    bool is_staged;       /* this turn's entry speaks of it */
};

struct ledger {
    Handoff__V1__SubscriptionSettings *settings; /* owned; NULL: not made */
    uint64_t through;
    struct range *ahead;  /* ascending */
    uint32_t ahead_count;
    struct aside *aside;  /* ascending by place, then addressee */
    uint32_t aside_count;
    uint64_t acknowledged, dropped;
};

/* 0, or -ENOMEM. */
int ledger_open(struct ledger *ret_ledger);
void ledger_close(struct ledger *ledger);

/* 0; -EBADMSG: the entry does not fit what was before it (a damaged journal), -ENOMEM. The ledger is then as it was. */
int ledger_apply(struct ledger *ledger, const Handoff__V1__DeliveryInput *input);
/* All of it, in the arena; applied to any ledger it makes that one the same. */
Handoff__V1__Ledger *ledger_snapshot(const struct ledger *ledger, struct arena *arena);

/* Done, or set aside: the cursor has nothing to do with it any more. */
bool ledger_is_past(const struct ledger *ledger, struct place at);
/* NULL: it does not stand aside. */
struct aside *ledger_find(const struct ledger *ledger, struct place at, const char *addressee);
bool ledger_has_room(const struct ledger *ledger, uint32_t more);
uint32_t ledger_count(const struct ledger *ledger, Handoff__V1__AsideKind kind);

/* As much of it as there is room for. */
void ledger_copy_text(char *to, size_t size, const char *from);
/* A row as the journal keeps it. */
Handoff__V1__Aside *ledger_row(const struct aside *aside, struct arena *arena);

#endif
