/* What should have come out of a step, key by key (tests/scenarios/README.md). */
#include "pathway/scenario_inner.h"

#include <stdio.h>
#include <string.h>
#include "core/directory.h"
#include "core/roster.h"

static const char *const happened_keys[] = {"tasks",  "escalations", "disclosures", "withheld",
                                            "joined", "withdrawn",   "resolved",    "noted"};

static void local_time(const struct scenario *r, int64_t at_ms, char *buffer)
{
    uint32_t date = date_from_day(calendar_local_day(r->calendar, at_ms));
    int32_t minute = calendar_local_minute(r->calendar, at_ms);
    snprintf(buffer, TEXT_BYTES, "%04u-%02u-%02u %02d:%02d", date / 10000, date / 100 % 100, date % 100, minute / 60,
             minute % 60);
}

static const struct pathway *pathway_of(const struct scenario *r, uint32_t number)
{
    return rules_pathway(r->rules, number);
}

static const char *open_state(const struct scenario *r, const char *pathway)
{
    for (size_t i = r->record->n_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
        if (p && strcmp(p->name, pathway) == 0) return p->main.states[r->record->episodes[i]->state].name;
    }
    return "none open";
}

static const char *ended_state(const struct scenario *r, const char *pathway)
{
    for (size_t i = r->record->n_closed_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->closed_episodes[i]->pathway);
        if (p && strcmp(p->name, pathway) == 0) return p->main.states[r->record->closed_episodes[i]->state].name;
    }
    return "none ended";
}

static const char *region_state(const struct scenario *r, const char *region)
{
    for (size_t i = r->record->n_episodes; i-- > 0;) {
        const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
        for (uint32_t k = 0; p && k < p->region_count; k++)
            if (strcmp(p->regions[k].name, region) == 0)
                return p->regions[k].states[r->record->episodes[i]->region_states[k]].name;
    }
    return "no such region";
}

static void due_of(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "not running");
    for (size_t i = 0; i < r->record->n_timers; i++) {
        const Handoff__V1__Timer *t = r->record->timers[i];
        for (size_t e = 0; e < r->record->n_episodes; e++) {
            const struct pathway *p =
                r->record->episodes[e]->number == t->episode ? pathway_of(r, r->record->episodes[e]->pathway) : NULL;
            if (!p || strcmp(p->timers[t->kind].name, name) != 0) continue;
            if (t->is_paused)
                snprintf(buffer, TEXT_BYTES, "paused");
            else
                local_time(r, t->due_at_ms, buffer);
        }
    }
}

typedef void look_up(const struct scenario *r, const char *name, char *buffer);
static void look_state(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", open_state(r, name));
}
static void look_ended(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", ended_state(r, name));
}
static void look_region(const struct scenario *r, const char *name, char *buffer)
{
    snprintf(buffer, TEXT_BYTES, "%s", region_state(r, name));
}

static void expect_map(struct scenario *r, const char *key, struct yaml_node map, look_up *look)
{
    char got[TEXT_BYTES];
    for (size_t i = 0; i < yaml_size(map); i++) {
        const char *name = yaml_text(yaml_key(map, i)), *expected = yaml_text(yaml_value(map, i));
        look(r, name, got);
        if (strcmp(got, expected) == 0)
            scenario_check(r, true, "%s %s: %s", key, name, expected);
        else
            scenario_check(r, false, "%s %s: expected %s, got %s", key, name, expected, got);
    }
}

/* Who has the newest open task of a kind. */
static void person_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        snprintf(buffer, TEXT_BYTES, "%s",
                 roster_holder(r->rules, rules_site(r->rules, r->record->site), r->record, t->owner, t, r->now_ms));
    }
}

/* When the newest open task of a kind is due. */
static void task_due_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        local_time(r, t->due_at_ms, buffer);
    }
}

/* Who of the directory the newest open task of a kind carries, the best first. */
static void matches_of(const struct scenario *r, const char *name, char *buffer)
{
    char kind[WORD_BYTES];
    snprintf(buffer, TEXT_BYTES, "no such task");
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        struct directory_matches found;
        if (strcmp(kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), name) != 0) continue;
        uint32_t episode = t->n_causes > 0 ? t->causes[0]->episode : 0;
        directory_for_task(r->rules, r->record, t->kind, episode, r->now_ms, r->arena, &found);
        snprintf(buffer, TEXT_BYTES, "%s", found.count ? "" : "nobody");
        for (size_t k = 0; k < found.count; k++) {
            size_t len = strlen(buffer);
            snprintf(buffer + len, TEXT_BYTES - len, "%s%s", k ? " " : "", found.list[k]->agency_id);
        }
    }
}

static void current_holds(const struct scenario *r, struct words *w)
{
    w->count = 0;
    for (size_t i = 0; i < r->record->n_episodes; i++)
        for (size_t h = 0; h < r->record->episodes[i]->n_holds; h++) {
            const struct pathway *p = pathway_of(r, r->record->episodes[i]->pathway);
            if (p) scenario_add_word(w, "%s", p->holds[r->record->episodes[i]->holds[h]->kind].name);
        }
}

static void open_tasks(const struct scenario *r, struct words *w)
{
    char kind[WORD_BYTES];
    w->count = 0;
    for (size_t i = 0; i < r->record->n_tasks; i++) {
        const Handoff__V1__Task *t = r->record->tasks[i];
        const char *subject = t->subject ? t->subject->id : "";
        scenario_add_word(w, "%s%s%s", kebab(&handoff__v1__task_kind__descriptor, t->kind, kind), *subject ? "@" : "",
                          subject);
    }
}

static void expect_happened(struct scenario *r, struct yaml_node expect)
{
    static struct words expected;
    for (int i = 0; i < HAPPENED_COUNT; i++) {
        struct yaml_node at = yaml_get(expect, happened_keys[i]);
        if (i >= EXACT_COUNT && !yaml_is_present(at)) continue;
        scenario_read_words(at, &expected);
        if (yaml_is_present(at) || r->happened[i].count)
            scenario_compare(r, happened_keys[i], &r->happened[i], &expected);
    }
    int64_t reminders = 0;
    struct yaml_errors ignored = {0};
    if (yaml_is_present(yaml_get(expect, "reminders")))
        yaml_read_int(yaml_get(expect, "reminders"), 0, 1000, &reminders, &ignored);
    if (reminders || r->reminders)
        scenario_check(r, reminders == r->reminders, "reminders: expected %lld, got %lld", (long long)reminders,
                       (long long)r->reminders);
}

static void expect_lists(struct scenario *r, struct yaml_node expect)
{
    static struct words expected, got;
    static const struct {
        const char *key;
        void (*gather)(const struct scenario *, struct words *);
    } lists[] = {{"holds", current_holds}, {"open", open_tasks}};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++) {
        struct yaml_node at = yaml_get(expect, lists[i].key);
        if (!yaml_is_present(at)) continue;
        scenario_read_words(at, &expected);
        lists[i].gather(r, &got);
        scenario_compare(r, lists[i].key, &got, &expected);
    }
}

static size_t timers_on(const struct scenario *r, const char *pathway)
{
    size_t count = 0;
    for (size_t i = 0; i < r->record->n_timers; i++)
        for (size_t e = 0; e < r->record->n_episodes; e++) {
            const struct pathway *p = pathway_of(r, r->record->episodes[e]->pathway);
            count +=
                r->record->episodes[e]->number == r->record->timers[i]->episode && p && strcmp(p->name, pathway) == 0;
        }
    return count;
}

/* `all`, or a list of pathways. */
static void expect_no_timers(struct scenario *r, struct yaml_node at)
{
    if (yaml_kind(at) == YAML_SCALAR)
        scenario_check(r, r->record->n_timers == 0, "no timer is pending (%zu are)", r->record->n_timers);
    for (size_t i = 0; yaml_kind(at) == YAML_SEQUENCE && i < yaml_size(at); i++) {
        const char *pathway = yaml_text(yaml_item(at, i));
        scenario_check(r, timers_on(r, pathway) == 0, "no timer of %s is pending (%zu are)", pathway,
                       timers_on(r, pathway));
    }
}

static void expect_says(struct scenario *r, const char *says)
{
    if (r->sentence && strstr(r->sentence, says))
        scenario_check(r, true, "the sender is told \"%s\"", says);
    else
        scenario_check(r, false, "says: expected \"%s\", got %s%s%s", says, r->sentence ? "\"" : "",
                       r->sentence ? r->sentence : "nothing", r->sentence ? "\"" : "");
}

static void expect_rest(struct scenario *r, struct yaml_node expect)
{
    char verdict[WORD_BYTES];
    const char *says = yaml_text(yaml_get(expect, "says")), *wanted = yaml_text(yaml_get(expect, "verdict"));
    if (says) expect_says(r, says);
    if (wanted) {
        kebab(&handoff__v1__verdict__descriptor, r->verdict, verdict);
        scenario_check(r, strcmp(verdict, wanted) == 0, "verdict %s (got %s)", wanted, verdict);
    }
    expect_no_timers(r, yaml_get(expect, "no_timers"));
    scenario_check(r, r->record->parked == 0, "no invariant broke");
}

void scenario_expect(struct scenario *r, struct yaml_node expect)
{
    expect_happened(r, expect);
    expect_map(r, "state", yaml_get(expect, "state"), look_state);
    expect_map(r, "ended", yaml_get(expect, "ended"), look_ended);
    expect_map(r, "region", yaml_get(expect, "region"), look_region);
    expect_map(r, "timer", yaml_get(expect, "timers"), due_of);
    expect_map(r, "person", yaml_get(expect, "people"), person_of);
    expect_map(r, "matches", yaml_get(expect, "matches"), matches_of);
    expect_map(r, "due", yaml_get(expect, "due"), task_due_of);
    expect_lists(r, expect);
    expect_rest(r, expect);
}
