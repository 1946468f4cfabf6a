/* A folder's outside events, decided twice by the same code: by the rules that were in force, and by those that would
 * have been with other files. What differs is what the change would have meant. daemon/replay/README.md says what this
 * can tell and what it cannot. */
#ifndef HANDOFF_REPLAY_BACKTEST_H
#define HANDOFF_REPLAY_BACKTEST_H

#include "base/yaml.h"
#include "replay/tally.h"
#include "store/journal.h"

struct backtest_unmatched { /* what people did that nothing stands for in the candidate's (or the present) course */
    enum course course;
    const char *patient_id;
    uint64_t sequence;
    int64_t at_ms;
    const char *event;   /* task.completed */
    const char *pathway; /* of what it was about; "": no pathway's */
    Handoff__V1__TaskKind kind;
    Handoff__V1__Role rung;
    enum match why;
};

struct backtest_options {
    struct journal *journal; /* opened read-only */
    const char *const *pathway_files;
    size_t pathway_count;
    const char *policy_file; /* NULL: not given */
    uint32_t since;          /* yyyymmdd, in the first site's time zone; 0: from the beginning */
    uint32_t places_max;     /* replay/share.h; 0: the usual */
    void *context;           /* each of these may be NULL */
    void (*on_progress)(void *context, uint64_t done, uint64_t total);
    void (*on_patient)(void *context, const char *patient_id); /* whose work differs */
    void (*on_unmatched)(void *context, const struct backtest_unmatched *unmatched);
};

struct backtest_result {
    struct tally *tally;
    int64_t from_ms, until_ms;
    uint64_t last_sequence;
    uint64_t entries, events, patients; /* looked at; events: outside ones of patients */
    uint64_t steps;                     /* decided, in both courses */
    uint64_t patients_differ, patients_unlike_journal;
    uint64_t matched[2], matched_by_kind[2], unmatched[2]; /* human work, by course */
};

enum {
    BACKTEST_E_FAILED = -1, /* ret_sentence says why */
    BACKTEST_E_REFUSED = -2 /* errors do */
};

/* 0, and a result to be freed; or an error. */
int backtest_run(const struct backtest_options *options, struct backtest_result *ret_result, struct yaml_errors *errors,
                 const char **ret_sentence);
void backtest_free(struct backtest_result *result);

#endif
