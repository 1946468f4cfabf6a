/* See site_compile.h. It trusts nothing of the message. */
#include "pathway/site_compile.h"
#include "pathway/delay_bounds.h"
#include "pathway/delay_parse.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int by_day(const void *a, const void *b)
{
    int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
    return left < right ? -1 : left > right;
}

static bool compile_holidays(const Handoff__V1__Site *message, struct arena *arena, struct calendar *calendar)
{
    int32_t *days = ARENA_ARRAY(arena, int32_t, message->n_holidays + 1);
    size_t count = 0;
    for (size_t i = 0; i < message->n_holidays; i++) {
        if (!date_is_valid(message->holidays[i])) return false;
        days[i] = date_to_day(message->holidays[i]);
    }
    if (message->n_holidays) qsort(days, message->n_holidays, sizeof *days, by_day);
    for (size_t i = 0; i < message->n_holidays; i++)
        if (count == 0 || days[count - 1] != days[i]) days[count++] = days[i];
    calendar->holidays = days;
    calendar->holiday_count = count;
    return true;
}

static bool insert_opening(struct opening day[CALENDAR_OPENINGS_PER_DAY], struct opening opening)
{
    if (day[CALENDAR_OPENINGS_PER_DAY - 1].close_minute) return false;
    size_t at = CALENDAR_OPENINGS_PER_DAY - 1;
    for (; at > 0 && (!day[at - 1].close_minute || day[at - 1].open_minute > opening.open_minute); at--)
        day[at] = day[at - 1];
    day[at] = opening;
    return true;
}

static bool compile_week(const Handoff__V1__Site *message, struct calendar *calendar)
{
    for (size_t i = 0; i < message->n_openings; i++) {
        const Handoff__V1__Opening *o = message->openings[i];
        if (o->weekday > 6 || o->open_minute > 1440 || o->close_minute > 1440 || o->open_minute >= o->close_minute)
            return false;
        if (!insert_opening(calendar->week[o->weekday],
                            (struct opening){(uint16_t)o->open_minute, (uint16_t)o->close_minute}))
            return false;
    }
    return true;
}

static void compile_zone(const Handoff__V1__Site *message, struct arena *arena, struct calendar *calendar)
{
    struct zone_transition *transitions = ARENA_ARRAY(arena, struct zone_transition, message->n_transitions + 1);
    for (size_t i = 0; i < message->n_transitions; i++)
        transitions[i] = (struct zone_transition){message->transitions[i]->at_ms, message->transitions[i]->offset_s};
    calendar->transitions = transitions;
    calendar->transition_count = message->n_transitions;
    calendar->first_offset_s = message->first_offset_s;
}

static const char silence_default[] = "1bd"; /* for what sends daily */

/* False: ret_sentence says which and why. */
static bool compile_sources(const Handoff__V1__Site *message, struct arena *arena, struct site *site, char *sentence,
                            size_t bytes)
{
    struct source *sources = ARENA_ARRAY(arena, struct source, message->n_sources + 1);
    for (size_t i = 0; i < message->n_sources; i++) {
        const Handoff__V1__Source *m = message->sources[i];
        struct parse_error error;
        sources[i] = (struct source){.name = m->name, .message = m};
        const char *text = m->silence[0] ? m->silence : silence_default;
        bool is_read = m->name[0] && delay_parse(arena, text, &sources[i].silence, &error) == 0;
        if (is_read && !delay_may_be_nothing(sources[i].silence, calendar_for_checks()) &&
            !delay_has(sources[i].silence, DELAY_COMPRESSED))
            continue;
        snprintf(sentence, bytes, "waits for the source \"%.64s\" with a silence that is no length of time: %.64s", m->name,
                 text);
        return false;
    }
    site->sources = sources;
    site->source_count = (uint32_t)message->n_sources;
    return true;
}

int site_compile(const Handoff__V1__Site *message, struct arena *arena, struct site *ret_site,
                 struct yaml_errors *errors)
{
    struct site site = {.name = message->name, .roster = message};
    const char *sentence = NULL;
    char of_source[200];
    compile_zone(message, arena, &site.calendar);
    if (!message->name[0])
        sentence = "has no name";
    else if (!compile_week(message, &site.calendar))
        sentence = "has working hours that no day has (at most four stretches a day, each opening before it closes)";
    else if (!compile_holidays(message, arena, &site.calendar))
        sentence = "has a holiday that no calendar has";
    else if (!calendar_is_valid(&site.calendar))
        sentence = "needs working hours that do not overlap, and a time zone whose changes ascend";
    else if (!compile_sources(message, arena, &site, of_source, sizeof of_source))
        sentence = of_source;
    if (sentence) {
        yaml_error_at(errors, "site", 0, 0, "the site \"%.64s\" %s", message->name, sentence);
        return -EINVAL;
    }
    *ret_site = site;
    return 0;
}
