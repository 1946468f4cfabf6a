/* A small world for the engine's tests: a journal and an index (in memory, or LMDB in a folder of its own), a manual
 * clock, a site that is always open, the shipped policy and one pathway whose timer fires an hour after it began. */
#ifndef HANDOFF_TESTS_UNIT_ENGINE_WORLD_H
#define HANDOFF_TESTS_UNIT_ENGINE_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "contract/folder.h"
#include "core/calendar.h"
#include "engine/engine.h"
#include "pathway/ruleset.h"

#define WORLD_HOUR MS_PER_HOUR
#define CODE(NAME) HANDOFF__V1__CODE__CODE_##NAME

static const char *const world_pathway = "pathway: watch\n"
                                         "subject: patient\n"
                                         "max_silence: 40d\n"
                                         "timers: {check: {fires: [{wait: 60min, do: [{task: call-family}]}, {wait: 20d, do: [{task: call-family}]}]}}\n"
                                         "initial: open\n"
                                         "states:\n"
                                         "  open:\n"
                                         "    after: [check]\n"
                                         "    on: {episode.closed: {target: closed}}\n"
                                         "  closed: {final: true}\n";

/* --- a journal that fails when told ---------------------------------------------------------------------------- */
struct failing_journal {
    struct journal base;
    struct journal *inner;
    int appends_left; /* until the failing one; negative: none fails */
    int code;         /* what it fails with */
    bool is_written;  /* UNKNOWN: the batch is there all the same */
    int reopened;
};

static inline int failing_append(struct journal *j, uint64_t expected, uint64_t first, uint32_t count, struct bytes blob)
{
    struct failing_journal *f = (struct failing_journal *)j;
    if (f->appends_left < 0 || f->appends_left-- > 0) return journal_append(f->inner, expected, first, count, blob);
    if (f->is_written) assert_int_equal(journal_append(f->inner, expected, first, count, blob), 0);
    return f->code;
}
static inline uint64_t failing_last(const struct journal *j)
{
    return journal_last_sequence(((const struct failing_journal *)j)->inner);
}
static inline int failing_reader_new(struct journal *j, struct journal_reader **ret_reader)
{
    struct journal *inner = ((struct failing_journal *)j)->inner;
    return inner->ops->reader_new(inner, ret_reader);
}

/* --- the world --------------------------------------------------------------------------------------------------- */
enum { WORLD_RESULTS = 4096 };
struct world_result {
    bool is_known;
    Handoff__V1__Code code;
    uint64_t sequence;
    Handoff__V1__Verdict verdict;
    char sentence[160], field[80];
};
struct world {
    bool is_lmdb;
    char folder[FOLDER_BYTES];
    struct journal *journal;
    struct index *index;
    struct journal_ops failing_ops;
    struct failing_journal failing;
    struct clock clock;
    struct engine_options options;
    struct engine *engine;
    const char *sentence;
    struct arena *arena;
    struct world_result results[WORLD_RESULTS];
    uint64_t entries, firings;
    void (*on_firing)(struct world *w, const struct entry *entry);
    void *context;
    int notices;
    const char *more; /* another pathway; NULL: none */
    void (*furnish)(struct world *w, Handoff__V1__Site *site); /* NULL: one person works there, on call */
};

static inline void world_on_result(void *context, uint64_t ticket, uint32_t position, const Handoff__V1__PublishResult *r)
{
    struct world *w = context;
    (void)position;
    struct world_result *kept = &w->results[ticket % WORLD_RESULTS];
    *kept = (struct world_result){.is_known = true, .code = r->code, .sequence = r->sequence, .verdict = r->verdict};
    snprintf(kept->sentence, sizeof kept->sentence, "%s", r->sentence);
    snprintf(kept->field, sizeof kept->field, "%s", r->field);
}

static inline void world_on_entry(void *context, const struct entry *entry, const Handoff__V1__Outcome *outcome,
                                  const char *key_text)
{
    struct world *w = context;
    assert_int_equal(strlen(key_text), 32);
    assert_true((outcome != NULL) == (entry->record.len > 0));
    w->entries++;
    if (entry->kind != ENTRY_TIMER) return;
    w->firings++;
    if (w->on_firing) w->on_firing(w, entry);
}

static inline void world_on_notice(void *context, const char *sentence)
{
    (void)sentence;
    ((struct world *)context)->notices++;
}

static inline char *world_path(struct world *w, const char *name)
{
    static char path[FOLDER_BYTES + 16];
    snprintf(path, sizeof path, "%s/%s", w->folder, name);
    return path;
}

static inline void world_open_index(struct world *w)
{
    int code = w->is_lmdb ? index_lmdb_open(world_path(w, "index"), 0, &w->index) : index_memory_open(&w->index);
    assert_int_equal(code, 0);
}

static inline struct index *world_empty_index(void *context)
{
    struct world *w = context;
    w->index->ops->close(w->index);
    if (w->is_lmdb) folder_remove(world_path(w, "index"));
    world_open_index(w);
    return w->index;
}

static inline void world_open_journal(struct world *w)
{
    struct journal_options options = {.map_bytes = 64 * 1024 * 1024};
    int code = w->is_lmdb ? journal_lmdb_open(world_path(w, "journal"), &options, &w->journal)
                          : journal_memory_open(&w->journal);
    assert_int_equal(code, 0);
    w->failing.inner = w->journal;
}

static inline struct journal *world_reopen_journal(void *context)
{
    struct world *w = context;
    w->failing.reopened++;
    w->failing.appends_left = -1;
    if (w->is_lmdb) {
        journal_close(w->journal);
        world_open_journal(w);
    }
    return &w->failing.base;
}

static inline struct bytes world_file(struct arena *arena, const char *path)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    uint8_t *data = arena_alloc(arena, 256 * 1024);
    size_t len = fread(data, 1, 256 * 1024, file);
    fclose(file);
    return (struct bytes){data, len};
}

static inline Handoff__V1__Site *world_site(struct arena *arena)
{
    Handoff__V1__Site *site = ARENA_NEW(arena, Handoff__V1__Site);
    handoff__v1__site__init(site);
    site->name = arena_string(arena, "main");
    site->time_zone = arena_string(arena, "UTC");
    site->n_openings = 7;
    site->openings = ARENA_ARRAY(arena, Handoff__V1__Opening *, 7);
    for (uint32_t day = 0; day < 7; day++) {
        Handoff__V1__Opening *o = site->openings[day] = ARENA_NEW(arena, Handoff__V1__Opening);
        handoff__v1__opening__init(o);
        o->weekday = day;
        o->close_minute = 1440;
    }
    return site;
}

static inline Handoff__V1__Person *world_person(struct world *w, const char *id, Handoff__V1__Role role)
{
    Handoff__V1__Person *p = ARENA_NEW(w->arena, Handoff__V1__Person);
    handoff__v1__person__init(p);
    p->id = arena_string(w->arena, id);
    p->is_queue = !role;
    p->roles = ARENA_NEW(w->arena, Handoff__V1__Role);
    p->roles[0] = role;
    p->n_roles = role ? 1 : 0;
    p->addresses = ARENA_NEW(w->arena, Handoff__V1__Address *);
    p->addresses[0] = ARENA_NEW(w->arena, Handoff__V1__Address);
    handoff__v1__address__init(p->addresses[0]);
    p->n_addresses = 1;
    return p;
}

static inline void world_furnish(struct world *w, Handoff__V1__Site *site)
{
    site->people = ARENA_NEW(w->arena, Handoff__V1__Person *);
    site->people[site->n_people++] = world_person(w, "on-call-1", HANDOFF__V1__ROLE__ROLE_ON_CALL);
}

static inline struct rules_changes world_rules(struct world *w)
{
    struct rules_file files[2] = {{"watch.yaml", {(const uint8_t *)world_pathway, strlen(world_pathway)}}};
    if (w->more) files[1] = (struct rules_file){"more.yaml", {(const uint8_t *)w->more, strlen(w->more)}};
    struct rules_folder folder = {files, w->more ? 2 : 1, {"policy.yaml", world_file(w->arena, "daemon/pathways/policy.yaml")}};
    Handoff__V1__Site *made = world_site(w->arena);
    (w->furnish ? w->furnish : world_furnish)(w, made);
    const Handoff__V1__Site *site = made;
    struct yaml_errors errors = {0};
    struct rules_changes changes = {0};
    int code = ruleset_diff(engine_ruleset(w->engine), &folder, &site, 1, w->arena, &errors, &changes);
    if (code) yaml_errors_print(stderr, &errors);
    assert_int_equal(code, 0);
    return changes;
}

static inline int world_start(struct world *w)
{
    return engine_open(&w->options, &w->engine, &w->sentence);
}

static inline void world_adopt_rules(struct world *w)
{
    struct rules_changes changes = world_rules(w);
    assert_int_equal(engine_change_rules(w->engine, changes.list, changes.count), 0);
    assert_non_null(engine_rules(w->engine));
}

/* Everything but the engine. */
static inline struct world *world_prepare(bool is_lmdb)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    w->is_lmdb = is_lmdb;
    assert_int_equal(folder_make(w->folder), 0);
    w->arena = arena_new(LIMIT_ARENA_BYTES);
    world_open_journal(w);
    world_open_index(w);
    w->failing_ops = *w->journal->ops;
    w->failing_ops.append = failing_append;
    w->failing_ops.last_sequence = failing_last;
    w->failing_ops.reader_new = failing_reader_new;
    w->failing.base.ops = &w->failing_ops;
    w->failing.appends_left = -1;
    assert_int_equal(clock_parse(&w->clock, "manual"), 0);
    w->options = (struct engine_options){
        .journal = &w->failing.base,
        .index = w->index,
        .clock = &w->clock,
        .listener = {.context = w, .on_entry = world_on_entry, .on_result = world_on_result},
        .code_version = "test",
        .changes_max = 200000,
        .reopen_journal = world_reopen_journal,
        .empty_index = world_empty_index,
        .storage_context = w,
        .on_notice = world_on_notice,
    };
    return w;
}

static inline struct world *world_new(bool is_lmdb)
{
    struct world *w = world_prepare(is_lmdb);
    int code = world_start(w);
    if (code) fprintf(stderr, "%s\n", w->sentence);
    assert_int_equal(code, 0);
    world_adopt_rules(w);
    return w;
}

static inline void world_free(struct world *w)
{
    engine_close(w->engine);
    w->index->ops->close(w->index);
    journal_close(w->journal);
    arena_free(w->arena);
    folder_remove(w->folder);
    free(w);
}

/* As after kill -9: what is on disk stays, what the index had not been told is lost. */
static inline void world_crash(struct world *w)
{
    engine_abandon(w->engine);
    w->engine = NULL;
    w->options.index = w->index;
    int code = world_start(w);
    if (code) fprintf(stderr, "%s\n", w->sentence);
    assert_int_equal(code, 0);
}

/* --- events ---------------------------------------------------------------------------------------------------- */
static inline struct bytes world_pack(struct world *w, const Handoff__V1__Event *event)
{
    size_t len = handoff__v1__event__get_packed_size(event);
    uint8_t *data = arena_alloc(w->arena, len + 1);
    handoff__v1__event__pack(event, data);
    return (struct bytes){data, len};
}

/* Opens an episode whose timer is due in an hour. */
static inline struct bytes world_opened(struct world *w, const char *id, const char *patient)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__EpisodeOpened opened = HANDOFF__V1__EPISODE_OPENED__INIT;
    event.id = (char *)id;
    event.source = (char *)"ward";
    event.patient_id = (char *)patient;
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_EPISODE_OPENED;
    event.episode_opened = &opened;
    opened.pathway = (char *)"watch";
    opened.by = (char *)"nurse-1";
    opened.reason = (char *)"to see";
    return world_pack(w, &event);
}

/* Changes nothing but the record's facts. */
static inline struct bytes world_updated(struct world *w, const char *id, const char *patient, const char *name)
{
    Handoff__V1__Event event = HANDOFF__V1__EVENT__INIT;
    Handoff__V1__PatientUpdated updated = HANDOFF__V1__PATIENT_UPDATED__INIT;
    event.id = (char *)id;
    event.source = (char *)"ward";
    event.patient_id = (char *)patient;
    event.occurred_at_ms = engine_now_ms(w->engine);
    event.body_case = HANDOFF__V1__EVENT__BODY_PATIENT_UPDATED;
    event.patient_updated = &updated;
    updated.name = (char *)name;
    return world_pack(w, &event);
}

/* One event in a turn of its own. */
static inline const struct world_result *world_publish(struct world *w, struct bytes event)
{
    w->results[0] = (struct world_result){0};
    engine_turn_begin(w->engine);
    engine_publish(w->engine, event, 0, 0);
    engine_turn_commit(w->engine);
    assert_true(w->results[0].is_known);
    return &w->results[0];
}

static inline int world_record(struct world *w, const char *patient, Handoff__V1__PatientRecord **ret_record,
                               uint64_t *ret_sequence)
{
    struct patient_key key;
    int64_t time_ms;
    engine_subject_key(w->engine, SUBJECT_IS_PATIENT, patient, &key);
    return engine_record(w->engine, &key, w->arena, ret_record, ret_sequence, &time_ms);
}

static inline struct engine_state world_state(struct world *w)
{
    struct engine_state state;
    engine_state(w->engine, &state);
    return state;
}

#endif
