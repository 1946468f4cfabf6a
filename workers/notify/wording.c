/* See wording.h. */
#include "notify/wording.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handoff.h"

#define TASK_TAKE_OVER HANDOFF__V1__TASK_KIND__TASK_KIND_TAKE_OVER
#define EMERGENT       HANDOFF__V1__SEVERITY__SEVERITY_EMERGENT

enum { MOMENT_BYTES = 2 * TEMPLATE_TIME_BYTES + 2, COUNT_BYTES = 24 };

struct wording {
    const struct notify_config *config;
    struct template_set *set;
    struct zone **zones; /* as config->sites */
};

/* The values of one message or of one line of its list, with the room for what is made for it. */
struct filled {
    struct template_values values;
    char day[TEMPLATE_TIME_BYTES], time[TEMPLATE_TIME_BYTES], next[MOMENT_BYTES], count[COUNT_BYTES];
};
/* What all of a message's values are made with. */
struct writer {
    const struct template_set *set;
    const struct site_config *site;
    const struct zone *zone;
    const char *language;
};

/* --- opening ----------------------------------------------------------------------------------------------------- */

static int load_zones(struct wording *wording, struct template_error *error)
{
    const struct notify_config *config = wording->config;
    wording->zones = calloc(config->sites_count + 1, sizeof *wording->zones);
    if (!wording->zones) {
        snprintf(error->sentence, sizeof error->sentence, "there is not enough memory");
        return -1;
    }
    for (unsigned i = 0; i < config->sites_count; i++) {
        if (!zone_load(config->sites[i].time_zone, &wording->zones[i])) continue;
        snprintf(error->sentence, sizeof error->sentence, "site %.64s: the system's database has no time zone %.64s",
                 config->sites[i].site, config->sites[i].time_zone);
        return -1;
    }
    return 0;
}

static const char *given(const char *text)
{
    return text && *text ? text : NULL;
}

int wording_open(const struct notify_config *config, struct wording **ret_wording, struct template_error *error)
{
    struct wording *wording = calloc(1, sizeof *wording);
    if (!wording) {
        snprintf(error->sentence, sizeof error->sentence, "there is not enough memory");
        return -1;
    }
    wording->config = config;
    const struct templates_config *from = &config->templates;
    if (templates_load(from->folder, given(from->own_folder), from->language, &wording->set, error) ||
        load_zones(wording, error)) {
        wording_close(&wording);
        return -1;
    }
    *ret_wording = wording;
    return 0;
}

void wording_close(struct wording **wording)
{
    if (!*wording) return;
    templates_free(&(*wording)->set);
    for (unsigned i = 0; (*wording)->zones && i < (*wording)->config->sites_count; i++)
        zone_free(&(*wording)->zones[i]);
    free((*wording)->zones);
    free(*wording);
    *wording = NULL;
}

/* --- values ------------------------------------------------------------------------------------------------------ */

static void set_field(struct filled *filled, enum template_field field, const char *text)
{
    filled->values.text[field] = text;
}

static void set_when(const struct writer *w, struct filled *filled, int64_t at_ms)
{
    if (!at_ms) return;
    template_day(w->set, w->language, w->zone, at_ms, filled->day);
    template_time(w->set, w->language, w->zone, at_ms, filled->time);
    set_field(filled, FIELD_DAY, filled->day);
    set_field(filled, FIELD_TIME, filled->time);
}

static void set_next(const struct writer *w, struct filled *filled, int64_t at_ms)
{
    char day[TEMPLATE_TIME_BYTES], time[TEMPLATE_TIME_BYTES];
    if (!at_ms) return;
    template_day(w->set, w->language, w->zone, at_ms, day);
    template_time(w->set, w->language, w->zone, at_ms, time);
    snprintf(filled->next, sizeof filled->next, "%s, %s", day, time);
    set_field(filled, FIELD_NEXT, filled->next);
}

static void set_count(struct filled *filled, size_t count)
{
    snprintf(filled->count, sizeof filled->count, "%zu", count);
    set_field(filled, FIELD_COUNT, filled->count);
}

static void set_word(const struct writer *w, struct filled *filled, enum template_field field,
                     enum template_words group, int value)
{
    set_field(filled, field, template_word(w->set, w->language, group, value));
}

static void set_task(const struct writer *w, struct filled *filled, const Handoff__V1__TaskEmission *task,
                     const char *patient_id)
{
    set_word(w, filled, FIELD_TASK, WORDS_TASK, (int)task->kind);
    set_word(w, filled, FIELD_SEVERITY, WORDS_SEVERITY, (int)task->severity);
    set_word(w, filled, FIELD_CHANGE, WORDS_CHANGE, (int)task->change);
    set_field(filled, FIELD_TASK_ID, task->task_id);
    if (task->subject && strcmp(task->subject->id, patient_id) != 0)
        set_field(filled, FIELD_ABOUT, task->subject->id);
    set_when(w, filled, task->due_at_ms);
}

static void set_escalation(const struct writer *w, struct filled *filled,
                           const Handoff__V1__EscalationEmission *escalation)
{
    set_word(w, filled, FIELD_TASK, WORDS_TASK, (int)escalation->task_kind);
    set_word(w, filled, FIELD_SEVERITY, WORDS_SEVERITY, (int)escalation->severity);
    set_word(w, filled, FIELD_CHANGE, WORDS_ESCALATION, (int)escalation->change);
    set_word(w, filled, FIELD_ROLE, WORDS_ROLE, (int)escalation->rung);
    set_field(filled, FIELD_ESCALATION_ID, escalation->escalation_id);
    set_field(filled, FIELD_ABOUT, escalation->about);
    set_next(w, filled, escalation->next_at_ms);
}

static void set_status(struct filled *filled, const Handoff__V1__StatusEmission *status)
{
    set_field(filled, FIELD_CONSENT, *status->consent_id ? status->consent_id : status->exception);
    set_field(filled, FIELD_NOTICE, status->notice);
}

/* Everything that is known of one delivery; the kind's row decides what of it can be said. */
static void set_delivery(const struct writer *w, struct filled *filled, const Handoff__V1__Delivery *delivery)
{
    const Handoff__V1__Emission *e = delivery->emission;
    set_field(filled, FIELD_SITE, w->site->name);
    set_field(filled, FIELD_NUMBER, w->site->number);
    set_field(filled, FIELD_PATIENT, e->patient_id);
    set_field(filled, FIELD_REASON, e->reason);
    set_field(filled, FIELD_REFERENCE, e->id);
    set_when(w, filled, e->at_ms);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER) set_when(w, filled, e->reminder->starts_at_ms);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_STATUS) set_status(filled, e->status);
    if (delivery->to) set_word(w, filled, FIELD_ROLE, WORDS_ROLE, (int)delivery->to->role);
    bool is_work =
        e->body_case == HANDOFF__V1__EMISSION__BODY_TASK || e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION;
    if (is_work) set_field(filled, FIELD_DAY, NULL), set_field(filled, FIELD_TIME, NULL);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) set_task(w, filled, e->task, e->patient_id);
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION) set_escalation(w, filled, e->escalation);
}

/* --- lists ------------------------------------------------------------------------------------------------------- */

/* A list that one emission has, or that several deliveries make. */
struct list {
    struct filled *items;
    struct template_values *values;
    size_t count;
};

static int list_make(struct list *list, size_t count)
{
    *list = (struct list){calloc(count + 1, sizeof *list->items), calloc(count + 1, sizeof *list->values), count};
    return list->items && list->values ? 0 : -1;
}

static void list_free(struct list *list)
{
    free(list->items);
    free(list->values);
}

/* Once all are filled: values point into the items. */
static void list_hang(struct list *list, struct filled *filled, size_t total)
{
    for (size_t i = 0; i < list->count; i++) list->values[i] = list->items[i].values;
    filled->values.items = list->values;
    filled->values.item_count = list->count;
    if (list->count) set_count(filled, total > list->count ? total : list->count);
}

static Handoff__V1__ListLine *const *lines_of(const Handoff__V1__Emission *e, size_t *ret_count, size_t *ret_total)
{
    *ret_count = *ret_total = 0;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_TASK) {
        *ret_count = e->task->n_lines;
        *ret_total = e->task->total;
        return e->task->lines;
    }
    if (e->body_case != HANDOFF__V1__EMISSION__BODY_ESCALATION) return NULL;
    *ret_count = e->escalation->n_lines;
    *ret_total = e->escalation->total;
    return e->escalation->lines;
}

static void set_line(const struct writer *w, struct filled *filled, const Handoff__V1__ListLine *line)
{
    set_field(filled, FIELD_PATIENT, line->patient_id);
    set_field(filled, FIELD_TASK_ID, line->id);
    set_word(w, filled, FIELD_TASK, WORDS_TASK, (int)line->kind);
    set_word(w, filled, FIELD_SEVERITY, WORDS_SEVERITY, (int)line->severity);
    set_when(w, filled, line->due_at_ms);
}

static int list_of_lines(const struct writer *w, const Handoff__V1__Emission *e, struct list *list,
                         struct filled *filled)
{
    size_t count, total;
    Handoff__V1__ListLine *const *lines = lines_of(e, &count, &total);
    if (list_make(list, count)) return -1;
    for (size_t i = 0; i < count; i++) set_line(w, &list->items[i], lines[i]);
    list_hang(list, filled, total);
    return 0;
}

static int64_t moment_of(const Handoff__V1__Delivery *delivery)
{
    const Handoff__V1__Emission *e = delivery->emission;
    if (e->body_case == HANDOFF__V1__EMISSION__BODY_REMINDER) return e->reminder->starts_at_ms;
    return e->body_case == HANDOFF__V1__EMISSION__BODY_TASK ? e->task->due_at_ms : e->at_ms;
}

static bool is_escalation(const Handoff__V1__Delivery *delivery)
{
    return delivery->emission->body_case == HANDOFF__V1__EMISSION__BODY_ESCALATION;
}

/* The gravest first, what nobody has acted on before what is new, then the earliest; equal ones as they came. */
static int compare(const void *a, const void *b)
{
    const Handoff__V1__Delivery *one = *(const Handoff__V1__Delivery *const *)a;
    const Handoff__V1__Delivery *other = *(const Handoff__V1__Delivery *const *)b;
    int by_severity = (int)letter_severity(other) - (int)letter_severity(one);
    int64_t one_ms = moment_of(one), other_ms = moment_of(other);
    if (by_severity) return by_severity;
    if (is_escalation(one) != is_escalation(other)) return is_escalation(one) ? -1 : 1;
    if (one_ms != other_ms) return one_ms < other_ms ? -1 : 1;
    return one->emission->sequence < other->emission->sequence ? -1
                                                               : one->emission->sequence > other->emission->sequence;
}

static int list_of_members(const struct writer *w, const struct letter *letter, struct list *list,
                           struct filled *filled)
{
    const Handoff__V1__Delivery **sorted = calloc(letter->count, sizeof *sorted);
    if (list_make(list, letter->count) || !sorted) {
        free(sorted);
        return -1;
    }
    memcpy(sorted, letter->members, letter->count * sizeof *sorted);
    qsort(sorted, letter->count, sizeof *sorted, compare);
    for (size_t i = 0; i < letter->count; i++) set_delivery(w, &list->items[i], sorted[i]);
    free(sorted);
    list_hang(list, filled, letter->count);
    return 0;
}

/* --- a letter ---------------------------------------------------------------------------------------------------- */

/* Visits of one moment need no list: what is told apart there is whose they are, which is not said. */
static bool is_one_moment(const struct letter *letter)
{
    for (size_t i = 1; i < letter->count; i++) {
        if (moment_of(letter->members[i]) != moment_of(letter->members[0])) return false;
    }
    return true;
}

/* The most that may be said to all of them: without a word about it, a name and a number. */
static enum template_kind reminder_kind(const struct letter *letter)
{
    for (size_t i = 0; i < letter->count; i++) {
        const Handoff__V1__Addressee *to = letter->members[i]->to;
        bool has_details = to && to->content == HANDOFF__V1__MESSAGE_CONTENT__MESSAGE_CONTENT_DETAILS;
        if (!has_details) return TEMPLATE_REMINDER_NUMBER;
    }
    return is_one_moment(letter) ? TEMPLATE_REMINDER_DETAILS : TEMPLATE_REMINDER_SEVERAL;
}

static enum template_kind task_kind(const struct letter *letter)
{
    if (letter->count > 1) return TEMPLATE_DIGEST;
    return letter->members[0]->emission->task->kind == TASK_TAKE_OVER ? TEMPLATE_HANDOVER : TEMPLATE_NOTICE;
}

static enum template_kind escalation_kind(const struct letter *letter)
{
    if (letter->count > 1) return TEMPLATE_DIGEST;
    return letter->members[0]->emission->escalation->severity == EMERGENT ? TEMPLATE_EMERGENT : TEMPLATE_ESCALATION;
}

static enum template_kind kind_of(const struct letter *letter)
{
    const Handoff__V1__Emission *e = letter->members[0]->emission;
    switch (e->body_case) {
    case HANDOFF__V1__EMISSION__BODY_REMINDER:
        return reminder_kind(letter);
    case HANDOFF__V1__EMISSION__BODY_TASK:
        return task_kind(letter);
    case HANDOFF__V1__EMISSION__BODY_ESCALATION:
        return escalation_kind(letter);
    case HANDOFF__V1__EMISSION__BODY_STATUS:
        return e->status->kind == HANDOFF__V1__STATUS_KIND__STATUS_KIND_HEARTBEAT ? TEMPLATE_HEARTBEAT
                                                                                  : TEMPLATE_STATUS;
    case HANDOFF__V1__EMISSION__BODY_AUDIT:
    case HANDOFF__V1__EMISSION__BODY__NOT_SET:
    case _HANDOFF__V1__EMISSION__BODY__CASE_IS_INT_SIZE:
        break;
    }
    return TEMPLATE_ALERT;
}

static const struct zone *zone_of(const struct wording *wording, const struct site_config *site)
{
    for (unsigned i = 0; i < wording->config->sites_count; i++) {
        if (&wording->config->sites[i] == site) return wording->zones[i];
    }
    return wording->zones[0];
}

/* As the person wishes, else as the site speaks. */
static const char *language_of(const struct letter *letter)
{
    const Handoff__V1__Addressee *to = letter->members[0]->to;
    return to && *to->language ? to->language : letter->site->language;
}

int wording_write(void *context, const struct letter *letter, struct rendered *ret_rendered)
{
    const struct wording *wording = context;
    struct list list = {0};
    struct filled filled = {0};
    enum template_kind kind = kind_of(letter);
    const char *language = template_language(wording->set, kind, language_of(letter));
    const struct writer w = {wording->set, letter->site, zone_of(wording, letter->site), language};
    set_delivery(&w, &filled, letter->members[0]);
    int code = letter->count > 1 ? list_of_members(&w, letter, &list, &filled)
                                 : list_of_lines(&w, letter->members[0]->emission, &list, &filled);
    if (!code) code = template_render(wording->set, kind, language, &filled.values, ret_rendered);
    list_free(&list);
    return code;
}

int wording_write_test(const struct wording *wording, const struct site_config *site, int64_t at_ms,
                       struct rendered *ret_rendered)
{
    struct filled filled = {0};
    const char *language = template_language(wording->set, TEMPLATE_TEST, site->language);
    const struct writer w = {wording->set, site, zone_of(wording, site), language};
    set_field(&filled, FIELD_SITE, site->name);
    set_field(&filled, FIELD_NUMBER, site->number);
    set_when(&w, &filled, at_ms);
    return template_render(wording->set, TEMPLATE_TEST, language, &filled.values, ret_rendered);
}
