/* What messages say, as data that a site edits and translates: templates/KIND.LANG.txt, templates/words.LANG.txt.
 * templates/README.md tells their authors how they are written. Loading refuses, with file, line and sentence, an
 * unknown kind, field or word, so that no message is found wrong when it is to leave.
 *
 * Each kind may use the fields of its row in template_fields.c and no other: that table is where the minimum necessary
 * stands. This file's neighbours are wording.h, which fills the fields from deliveries, and the channels, which know
 * nothing of kinds. */
#ifndef HANDOFF_NOTIFY_TEMPLATE_H
#define HANDOFF_NOTIFY_TEMPLATE_H

#include <stddef.h>
#include <stdint.h>

#include "notify/zone.h"

enum template_kind {
    TEMPLATE_REMINDER_NUMBER,  /* to the family: whom to call, nothing else */
    TEMPLATE_REMINDER_DETAILS, /* and day and hour of the visit */
    TEMPLATE_REMINDER_SEVERAL, /* several visits of one family */
    TEMPLATE_NOTICE,           /* to staff: a task */
    TEMPLATE_DIGEST,           /* to staff: the morning's list */
    TEMPLATE_HANDOVER,         /* to staff: whose work is theirs now */
    TEMPLATE_ESCALATION,       /* to staff */
    TEMPLATE_EMERGENT,         /* an escalation of severity emergent */
    TEMPLATE_STATUS,           /* to an outside recipient: that there is something, on what ground, and the notice */
    TEMPLATE_ALERT,            /* to whoever runs handoffd: something of it stands still */
    TEMPLATE_HEARTBEAT,        /* of the synthetic patient */
    TEMPLATE_TEST,             /* sent by hand */
    TEMPLATE_KINDS
};
enum template_field {
    FIELD_SITE,   /* the site's name to the outside */
    FIELD_NUMBER, /* to call back */
    FIELD_DAY,    /* of the visit, of the due time */
    FIELD_TIME,
    FIELD_COUNT,   /* of the items, or more: of all */
    FIELD_ITEMS,   /* each as the template's Item line says */
    FIELD_PATIENT, /* the patient's id; never to a family */
    FIELD_TASK,    /* what is asked, in words: "call the family" */
    FIELD_TASK_ID,
    FIELD_SEVERITY, /* in words */
    FIELD_ROLE,     /* in words: whose rung it is */
    FIELD_REASON,   /* the pathway's sentence */
    FIELD_CHANGE,   /* in words: new, climbed, repeated, ... */
    FIELD_ESCALATION_ID,
    FIELD_NEXT,      /* when it climbs or comes again: day and time */
    FIELD_REFERENCE, /* the emission's id, for questions */
    FIELD_CONSENT,   /* id of the consent, or the exception's name */
    FIELD_NOTICE,    /* scope and the notice that forbids redisclosure */
    FIELD_ABOUT,     /* whom or what a task is about, where it is not the patient: an id; never to a family */
    FIELDS
};
struct template_values {
    const char *text[FIELDS]; /* NULL is as "" */
    const struct template_values *items;
    size_t item_count;
};
struct rendered {
    char *subject;     /* one line */
    char *body;        /* lines ended by \n */
    char language[36]; /* the one it is written in */
};
void rendered_free(struct rendered *rendered);

struct template_error {
    char sentence[512]; /* with file and line: "reminder-details.en.txt:3: ..." */
};
struct template_set;

/* `folder` has the whole set; `own_folder` (may be NULL) has a site's files, each taking the place of one there.
 * Every kind must be there in `default_language`, and words of each language that any template is written in. */
int templates_load(const char *folder, const char *own_folder, const char *default_language,
                   struct template_set **ret_set, struct template_error *error);
void templates_free(struct template_set **set);

/* "es-MX" is written in es-MX, else in es, else in the default language. Fails without memory alone. */
int template_render(const struct template_set *set, enum template_kind kind, const char *language,
                    const struct template_values *values, struct rendered *ret_rendered);

/* The language that it will be written in, for the words in its values. */
const char *template_language(const struct template_set *set, enum template_kind kind, const char *language);

/* "reminder-details"; the first part of the file's name */
const char *template_kind_name(enum template_kind kind);

/* --- words and times of a language, as words.LANG.txt has them ------------------------------------------------- */

enum template_words {
    WORDS_SEVERITY, /* Handoff__V1__Severity */
    WORDS_ROLE,
    WORDS_TASK,       /* Handoff__V1__TaskKind */
    WORDS_CHANGE,     /* Handoff__V1__TaskChange */
    WORDS_ESCALATION, /* Handoff__V1__EscalationChange */
    WORDS_GROUPS
};
/* A value in words; where the language has none for it the default language's, and at last the value's own name. "" for
 * UNSPECIFIED. */
const char *template_word(const struct template_set *set, const char *language, enum template_words group, int value);

enum { TEMPLATE_TIME_BYTES = 128 };
/* "Thursday, March 5", "4:40 PM": as the language's words say. */
void template_day(const struct template_set *set, const char *language, const struct zone *zone, int64_t at_ms,
                  char text[TEMPLATE_TIME_BYTES]);
void template_time(const struct template_set *set, const char *language, const struct zone *zone, int64_t at_ms,
                   char text[TEMPLATE_TIME_BYTES]);

#endif
