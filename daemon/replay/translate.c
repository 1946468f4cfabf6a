/* See translate.h. */
#include "replay/translate.h"

#include <string.h>
#include "core/step.h"

#define BODY(NAME) HANDOFF__V1__EVENT__BODY_##NAME

static bool is_about_task(const Handoff__V1__Event *e)
{
    return e->body_case == BODY(TASK_COMPLETED) || e->body_case == BODY(TASK_ATTEMPTED) ||
           e->body_case == BODY(TASK_CANCELLED);
}
static bool is_about_escalation(const Handoff__V1__Event *e)
{
    return e->body_case == BODY(ESCALATION_ACKNOWLEDGED) || e->body_case == BODY(ESCALATION_RESOLVED);
}
static bool is_reopening(const Handoff__V1__Event *e)
{
    return e->body_case == BODY(EPISODE_OPENED) && e->episode_opened->reopens[0];
}
static bool is_about_episode(const Handoff__V1__Event *e)
{
    return (e->body_case == BODY(EPISODE_CLOSED) || e->body_case == BODY(EPISODE_CORRECTED)) && e->episode_id[0];
}

/* "t7"; 0: the id is left out. */
static char *short_id(struct arena *arena, const char *letters, uint32_t number)
{
    char *id = arena_alloc(arena, STEP_ID_BYTES);
    if (!number) return id;
    step_id(id, "", letters, number, 0);
    return id + 1; /* without the dash that follows a key */
}

typedef enum match match_by_number(const struct names *journal, uint32_t number, const struct names *other,
                                   uint32_t *ret_number);

struct speech { /* an event between two courses */
    const Handoff__V1__Event *event;
    const struct names *journal, *other;
    struct arena *arena;
};

static uint32_t number_of(const struct speech *s, const char *letters, const char *id)
{
    return names_number(s->journal, letters, id, s->event->patient_id);
}

static enum match translate_id(const struct speech *s, char **id, const char *letters, match_by_number *match)
{
    uint32_t number = 0;
    if (!(*id)[0]) return MATCH_EXACT;
    enum match made = match(s->journal, number_of(s, letters, *id), s->other, &number);
    *id = short_id(s->arena, letters, match_is_made(made) ? number : 0);
    return made;
}

/* A referral that another gave rise to is called after it and the number of its episode. */
static void translate_referral(Handoff__V1__Event *event, const struct names *journal, const struct names *other)
{
    for (uint32_t i = 0; event->referral_id[0] && i < journal->episode_count; i++) {
        const struct named_episode *e = &journal->episodes[i];
        uint32_t number;
        if (strcmp(e->referral_id, event->referral_id) != 0 || strcmp(e->about, e->referral_id) == 0) continue;
        if (!match_is_made(names_match_episode(journal, e->number, other, &number))) continue;
        event->referral_id = (char *)(uintptr_t)names_episode(other, number)->referral_id; /* only ever read */
        return;
    }
}

/* A notice that failed is that of the same task or escalation in the other course, as often told; of none it is no answer
 * to anything. */
static char *translate_emission(const struct speech *s, const char *patient_id, char *emission_id)
{
    struct step_emission e;
    uint32_t number = 0;
    if (!step_emission_parse(emission_id, &e) || e.letters[0] == 'n') return emission_id;
    match_by_number *match = e.letters[0] == 't' ? names_match_task : names_match_escalation;
    uint32_t there = names_number(s->journal, e.letters, e.id, patient_id);
    if (!match_is_made(match(s->journal, there, s->other, &number)) || !number) return arena_string(s->arena, "");
    char *id = arena_alloc(s->arena, STEP_ID_BYTES);
    step_id(id, "", e.letters, number, e.generation);
    return id + 1;
}

static void translate_notice(const struct speech *s, Handoff__V1__Event *event)
{
    if (event->body_case != BODY(MESSAGE_FAILED)) return;
    event->message_failed->emission_id = translate_emission(s, event->patient_id, event->message_failed->emission_id);
}

void translate_command(Handoff__V1__CommandInput *command, const char *patient_id, const struct names *journal,
                       const struct names *other, struct arena *arena)
{
    struct speech s = {NULL, journal, other, arena};
    if (command->body_case != HANDOFF__V1__COMMAND_INPUT__BODY_MESSAGE_DEAD) return;
    command->message_dead->emission_id = translate_emission(&s, patient_id, command->message_dead->emission_id);
}

static void note_subject(const struct speech *s, struct translation *t)
{
    const Handoff__V1__Event *e = s->event;
    if (is_about_task(e)) t->task = names_task(s->journal, number_of(s, "t", e->task_id));
    if (is_about_escalation(e)) t->escalation = names_escalation(s->journal, number_of(s, "e", e->escalation_id));
    if (is_reopening(e)) t->episode = names_episode(s->journal, number_of(s, "ep", e->episode_opened->reopens));
    if (is_about_episode(e)) t->episode = names_episode(s->journal, number_of(s, "ep", e->episode_id));
}

enum translated translate_event(Handoff__V1__Event *event, const struct names *journal, const struct names *other,
                                struct arena *arena, struct translation *ret)
{
    struct speech s = {event, journal, other, arena};
    bool begins_again = is_reopening(event), is_of_episode = begins_again || is_about_episode(event); /* as it was said */
    char **episode_id = begins_again ? &event->episode_opened->reopens : &event->episode_id;
    *ret = (struct translation){.is_work = true, .why = MATCH_EXACT};
    note_subject(&s, ret);
    enum match task = translate_id(&s, &event->task_id, "t", names_match_task);
    enum match escalation = translate_id(&s, &event->escalation_id, "e", names_match_escalation);
    enum match episode = translate_id(&s, episode_id, "ep", names_match_episode);
    translate_referral(event, journal, other);
    translate_notice(&s, event);
    if (is_about_task(event))
        ret->why = task;
    else if (is_about_escalation(event))
        ret->why = escalation;
    else if (is_of_episode)
        ret->why = episode;
    else
        ret->is_work = false;
    if (ret->why == MATCH_IDLE) return TRANSLATED_IDLE;
    return match_is_made(ret->why) ? TRANSLATED : UNTRANSLATABLE;
}
