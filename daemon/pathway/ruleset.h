/* The rules over time: folds the journaled changes, builds the immutable `struct rules` that core decides by, and says
 * what must be journaled so that the rules become those of the configured files.
 *
 *     journal -- RulesChange --> ruleset_apply        at start, and after each of one's own appends
 *                                ruleset_build  ----> struct rules
 *     folder  -- read_folder --> ruleset_diff   ----> changes to journal, then apply
 *
 * Nothing here writes. Everything built stays valid until ruleset_free, so that a decision under way never loses its
 * rules; a change costs some hundred KiB of memory until the next start. */
#ifndef HANDOFF_PATHWAY_RULESET_H
#define HANDOFF_PATHWAY_RULESET_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/yaml.h"
#include "core/rules.h"
#include "handoff/v1/journal.pb-c.h"

enum {
    RULESET_VERSIONS_MAX = 4096, /* of all pathways over the journal's life; more: refused */
    RULESET_SITES_MAX = 256,
    RULESET_FILES_MAX = 128
};

struct ruleset;

struct rules_file {
    const char *name; /* without its folder, as messages show it */
    struct bytes text;
};
struct rules_folder {                  /* all of it lives in the arena it was read into */
    const struct rules_file *pathways; /* sorted by name */
    size_t pathway_count;
    struct rules_file policy; /* name NULL: there is none */
};
struct rules_changes {
    const Handoff__V1__RulesChange *const *list; /* in the order in which they must be journaled */
    size_t count;
};

/* NULL: no memory. */
struct ruleset *ruleset_new(void);
void ruleset_free(struct ruleset *rs);

/* An event of a site whose meaning is for everybody (staff.absent, agency.listed, agency.delisted) as a change, which
 * points into the event. false: the event is none of these. */
struct ruleset_said {
    const char *site_name;
    int64_t now_ms;
    uint64_t sequence; /* of the event's entry */
};
struct ruleset_event_change {
    Handoff__V1__RulesChange change;
    Handoff__V1__Absence absence;
    Handoff__V1__Listing listing;
    Handoff__V1__Delisting delisting;
    Handoff__V1__Doubt doubt;
    Handoff__V1__TakenBack taken_back;
};
bool ruleset_change_by_event(const Handoff__V1__Event *event, const struct ruleset_said *by,
                             struct ruleset_event_change *ret_change);
/* What the event at an entry made known never was; `instead`: the entry of another event that said the same; 0: none. */
void ruleset_change_by_retraction(const struct ruleset_said *by, uint64_t taken_back, uint64_t instead,
                                  struct ruleset_event_change *ret_change);
/* Two rows, or two ends, of the directory to the letter. Of absences each is its own. */
bool ruleset_says_same(const struct ruleset_event_change *a, const struct ruleset_event_change *b);
/* What a decision about a patient means for everybody: a doubt about an agency's intake number. Points into the outcome;
 * false: it means nothing of the kind. */
bool ruleset_change_by_outcome(const Handoff__V1__Outcome *outcome, struct ruleset_event_change *ret_change);
/* The directory says so already: nothing is gained by another row of the journal. */
bool ruleset_is_known(const struct rules *rules, const Handoff__V1__RulesChange *change);

/* Takes the number of a version that cannot be understood and that no open episode runs on: nothing begins on it. */
int ruleset_skip(struct ruleset *rs, const Handoff__V1__PathwayText *pathway, uint64_t sequence);
/* Folds one change in. 0; -EINVAL: it cannot be understood, said in errors, and nothing changed. change is copied. */
int ruleset_apply(struct ruleset *rs, const Handoff__V1__RulesChange *change, uint64_t sequence,
                  struct yaml_errors *errors);

/* The rules as they are now; the same until the next apply. NULL: there is no policy or no site yet. */
const struct rules *ruleset_build(struct ruleset *rs);

/* Every *.yaml of a folder: policy.yaml is the policy, each other a pathway. 0, or -EINVAL with the reasons. */
int ruleset_read_folder(const char *path, struct arena *arena, struct rules_folder *ret_folder,
                        struct yaml_errors *errors);

/* What to journal. Every text must load and pass the verifier together with the policy and the sites given here, or
 * else errors say why and there are no changes. The changes live in the arena. */
int ruleset_diff(const struct ruleset *rs, const struct rules_folder *folder, const Handoff__V1__Site *const *sites,
                 size_t site_count, struct arena *arena, struct yaml_errors *errors, struct rules_changes *ret_changes);

/* What runs on a version decides whether it may go. */
struct rules_use {
    void *context;
    uint64_t (*open_episodes)(void *context, uint32_t number); /* on a version; asked only where it matters */
    const char *retired; /* names of pathways that may be gone from the folder, separated by commas or spaces */
};
/* Refuses changes (of ruleset_diff) that would replace a text under a version number that open episodes run on, or drop
 * a pathway that they run on. 0, or -EINVAL with each in errors. */
int ruleset_check_use(const struct ruleset *rs, const struct rules_changes *changes, const struct rules_use *use,
                      struct arena *arena, struct yaml_errors *errors);

#endif
