/* A pathway's file to the shape the interpreter runs (core/pathway.h). The grammar is daemon/pathways/README.md.
 *
 * Loading finds what one line can have wrong: keys, names, types, guards, delays. What only the whole can have
 * wrong (silence, ends, circles) is verify.h's. Nothing of the text is kept; everything lives in the arena. */
#ifndef HANDOFF_PATHWAY_LOAD_H
#define HANDOFF_PATHWAY_LOAD_H

#include "base/arena.h"
#include "base/bytes.h"
#include "base/yaml.h"
#include "core/pathway.h"

enum {
    PATHWAY_TEXT_MAX = 256 * 1024,          /* one file; larger: refused */
    PATHWAY_ARENA_BYTES = 16 * 1024 * 1024, /* left in the arena before a load; less: refused */
    PATHWAY_EVENTS_PER_KEY = 8,
    PATHWAY_RULES_MAX = 8192 /* transitions, actions and firings of a file */
};

struct place {
    uint32_t line, column;
};

/* The longest silence of a state of the main machine, and who hears when it ends. */
struct silence {
    int64_t ms;
    uint32_t roles;    /* bit set 1 << Role */
    int32_t timer;     /* whose firing tells; -1: none does */
    uint32_t holds;    /* the set under which it is longest, bit set by position */
    bool is_by_policy; /* a task's owner is not known without a policy */
    bool is_lapsing;   /* a document, which runs out by the timer: nobody need be told before */
};

/* A pathway with the places of its parts, for whoever has something to say about them. */
struct pathway_source {
    struct pathway *pathway;
    const char *file;
    const struct place *const *states; /* [0] of the main machine, [1 + r] of region r */
    const struct place *timers, *holds, *concerns, *rules;
    struct state *main_states; /* pathway->main.states, still open for the verifier's result */
    struct silence *silences;  /* of the main machine's states; the verifier fills them */
};

/* 0, or -EINVAL with what is wrong added to errors. file_name is what messages call it; text is not kept. */
int pathway_read(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                 struct pathway_source **ret_source);
/* The same without the places. */
int pathway_load(struct arena *arena, const char *file_name, struct bytes text, struct yaml_errors *errors,
                 struct pathway **ret_pathway);

/* The words that begin an action, in the order of README.md; ends with NULL. */
extern const char *const pathway_action_names[];

#endif
