/* What the daemon itself has to say to a patient, a site or a source: decided by step on the newest record, and added
 * to the running turn's batch as a COMMAND entry. What a command means is core's; who may say it is the caller's. */
#include "engine/inside.h"

#include <assert.h>

struct commanding {
    enum subject_kind kind;
    const char *name;
    struct patient_key key;
    struct found found;
    Handoff__V1__PatientRecord *before;
};

static int find(struct engine *e, struct commanding *c)
{
    subject_key(e->hash_key, (int)c->kind, c->name, &c->key);
    int code = lookup_subject(e, &c->key, &c->found);
    return code ? code : lookup_record(e, &c->found, e->arena, &c->before);
}

/* Whoever names an alias means the patient that it became. */
static int find_newest(struct engine *e, struct commanding *c)
{
    int code = find(e, c);
    for (int depth = 0; !code && depth < ALIASES_MAX && c->before && c->before->merged_into[0]; depth++) {
        c->name = c->before->merged_into;
        code = find(e, c);
    }
    bool may_begin = c->kind != SUBJECT_IS_PATIENT || strcmp(c->name, HEARTBEAT_PATIENT) == 0;
    return code || c->before || may_begin ? code : ENGINE_E_UNKNOWN;
}

static int decide(struct engine *e, struct commanding *c, const Handoff__V1__CommandInput *command)
{
    struct outcome outcome;
    struct bytes after_packed;
    int code = find_newest(e, c);
    if (code) return code;
    struct step_input input = {.kind = STEP_COMMAND,
                               .sequence = turn_next_sequence(e),
                               .now_ms = e->now_ms,
                               .subject = c->kind,
                               .subject_name = c->name,
                               .command = command};
    step(e->rules, c->before, &input, e->arena, &outcome);
    if (outcome.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_NO_OP) return 0;
    if (!turn_fits(e, outcome.after, true, &after_packed)) return ENGINE_E_TOO_LARGE;
    turn_add(e, &(struct addition){.kind = ENTRY_COMMAND,
                                   .key = &c->key,
                                   .found = &c->found,
                                   .input_message = &command->base,
                                   .before = c->before,
                                   .after = outcome.after,
                                   .after_packed = after_packed,
                                   .outcome = &outcome.journaled});
    return 0;
}

int command_add(struct engine *e, enum subject_kind kind, const char *name, const Handoff__V1__CommandInput *command)
{
    struct commanding c = {.kind = kind, .name = name};
    size_t mark = arena_used(e->arena);
    int code = decide(e, &c, command);
    arena_rewind(e->arena, mark);
    return code;
}

int engine_set_heartbeat(struct engine *e, int64_t every_ms)
{
    Handoff__V1__CommandInput command = HANDOFF__V1__COMMAND_INPUT__INIT;
    Handoff__V1__HeartbeatSet set = HANDOFF__V1__HEARTBEAT_SET__INIT;
    set.every_ms = every_ms;
    command.body_case = HANDOFF__V1__COMMAND_INPUT__BODY_HEARTBEAT_SET;
    command.heartbeat_set = &set;
    int code = engine_commit_all(e);
    if (code) return code;
    engine_turn_begin(e);
    code = engine_command(e, SUBJECT_IS_PATIENT, HEARTBEAT_PATIENT, &command);
    int committed = engine_turn_commit(e);
    return code ? code : committed;
}

int engine_command(struct engine *e, enum subject_kind kind, const char *name, const Handoff__V1__CommandInput *command)
{
    assert(e->is_in_turn);
    if (e->is_stopped) return ENGINE_E_STOPPED;
    if (e->is_full || !e->rules || !sweep_has_room(e)) return ENGINE_E_FULL;
    if (!turn_has_room(e)) return ENGINE_E_LIMIT;
    return command_add(e, kind, name, command);
}

/* Whose key it is, by the name that its record has. */
static int find_kind(const struct engine *e, const struct patient_key *key, const char *name, enum subject_kind *ret_kind)
{
    static const enum subject_kind kinds[] = {SUBJECT_IS_PATIENT, SUBJECT_IS_SITE, SUBJECT_IS_SOURCE};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct patient_key of;
        subject_key(e->hash_key, (int)kinds[i], name, &of);
        *ret_kind = kinds[i];
        if (key_equals(&of, key)) return 0;
    }
    return ENGINE_E_UNKNOWN;
}

int engine_command_to(struct engine *e, const struct patient_key *key, const Handoff__V1__CommandInput *command,
                      uint64_t *ret_sequence)
{
    Handoff__V1__PatientRecord *record = NULL;
    struct found found;
    enum subject_kind kind;
    uint64_t next = turn_next_sequence(e);
    size_t mark = arena_used(e->arena);
    int code = lookup_subject(e, key, &found);
    if (!code) code = lookup_record(e, &found, e->arena, &record);
    if (!code) code = record ? find_kind(e, key, record->patient_id, &kind) : ENGINE_E_UNKNOWN;
    if (!code) code = engine_command(e, kind, record->patient_id, command);
    arena_rewind(e->arena, mark);
    if (!code && ret_sequence) *ret_sequence = turn_next_sequence(e) > next ? next : 0;
    return code;
}
