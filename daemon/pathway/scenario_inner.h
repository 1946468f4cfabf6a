/* Shared by the parts of the scenario runner and nobody else: scenario.c (driving), scenario_words.c (words and the
 * report), scenario_told.c (what came out), scenario_expect.c (what should), scenario_site.c (the site beside its
 * patients). scenario_event.c reads the events. */
#ifndef HANDOFF_PATHWAY_SCENARIO_INNER_H
#define HANDOFF_PATHWAY_SCENARIO_INNER_H

#include "core/step.h"
#include "pathway/history.h"
#include "pathway/ruleset_parts.h"
#include "pathway/scenario.h"
#include "pathway/words.h"

enum { WORDS_MAX = 1024, TEXT_BYTES = 160, PATIENTS_MAX = 1000, SAID_MAX = 64 };

struct words { /* what happened, or what should have */
    char list[WORDS_MAX][TEXT_BYTES];
    size_t count;
};
enum happened { TASKS, ESCALATIONS, DISCLOSURES, WITHHELD, JOINED, WITHDRAWN, RESOLVED, NOTED, HAPPENED_COUNT };
enum { EXACT_COUNT = 4 }; /* the first four are exact also when the file does not speak of them */

struct said_by_site { /* an event of the site, and whether it was taken back: before it came, too */
    uint64_t hash;
    const Handoff__V1__Event *event; /* NULL: it has not come */
    bool is_taken_back;
};

struct scenario {
    const struct rules *rules;
    struct rules own;       /* with what an event of the site made known; then rules is this */
    struct ruleset *common; /* which folds that; NULL: nothing yet */
    const struct calendar *calendar;
    struct scenario_report *report;
    struct arena *arena;
    struct yaml *yaml;
    struct yaml_node steps;
    const char *name, *patient;
    enum subject_kind subject; /* of the record: the patient, or the site, which then stands in `patient` */
    Handoff__V1__PatientRecord *record;
    struct history history;
    int64_t now_ms;
    struct said_by_site said[SAID_MAX];
    size_t said_count;
    struct words happened[HAPPENED_COUNT];
    int64_t reminders;
    Handoff__V1__Verdict verdict;
    const char *sentence;
    size_t step; /* the one that is looked at, from 1 */

    /* Of the one that was opened: with `patients: 80` the other 79, who live through the same, and the site. */
    struct scenario **others, *site;
    size_t other_count;
    bool is_other;        /* what is as expected is told once, for all of them */
    uint32_t list_length; /* the site's newest list */
};

/* --- words and the report (scenario_words.c) */
__attribute__((format(printf, 2, 3))) void scenario_add_word(struct words *w, const char *format, ...);
void scenario_read_words(struct yaml_node at, struct words *w);
/* A line of the report. */
__attribute__((format(printf, 3, 4))) void scenario_check(struct scenario *r, bool is_so, const char *format, ...);
void scenario_compare(struct scenario *r, const char *key, struct words *got, struct words *expected);

static inline const char *kebab(const ProtobufCEnumDescriptor *type, int value, char *buffer)
{
    return word_of(type, WORD_KEBAB, value, buffer);
}
static inline const char *upper(const ProtobufCEnumDescriptor *type, int value, char *buffer)
{
    return word_of(type, WORD_UPPER, value, buffer);
}

/* --- what came out (scenario_told.c): the record is the newest from now on */
void scenario_note(struct scenario *r, const struct outcome *o);

/* --- what should (scenario_expect.c) */
void scenario_expect(struct scenario *r, struct yaml_node expect);

/* --- driving (scenario.c) */
void scenario_begin_step(struct scenario *r);
void scenario_run_step(struct scenario *r, struct yaml_node step, struct yaml_errors *errors);
void scenario_take_step(struct scenario *r, struct step_input input);
void scenario_advance(struct scenario *r, int64_t to_ms); /* fires what comes due on the way */
void scenario_fill_envelope(struct scenario *r, struct yaml_node step, Handoff__V1__Event *e);
/* An event of the site: what it means for everybody holds from now on. False: it was taken back before it came. */
bool scenario_make_known(struct scenario *r, const Handoff__V1__Event *event, struct yaml_errors *errors);
void scenario_receive(struct scenario *r, const Handoff__V1__Event *event);
void scenario_close_one(struct scenario *r);

/* --- the site beside its patients (scenario_site.c) */
void scenario_open_others(struct scenario *r, struct yaml_node at, struct yaml_errors *errors); /* `patients: 80` */
void scenario_run_others(struct scenario *r, struct yaml_node step, struct yaml_errors *errors);

#endif
