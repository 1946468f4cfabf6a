/* Arbitrary bytes as an event: refused with a sentence or believed, and what is believed must go through step without
 * breaking anything. The patient is kept from event to event, so that states are reached; rules are the shipped ones. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/limits.h"
#include "core/message.h"
#include "core/step.h"
#include "core/rules.h"
#include "engine/intake.h"
#include "ops/config.h"
#include "ops/site_message.h"
#include "pathway/ruleset.h"

#define NOW_MS INT64_C(1772456400000)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct rules *load_rules(void)
{
    static struct yaml_errors errors;
    struct rules_folder folder;
    struct rules_changes changes;
    static struct arena *arena; /* for the life of the process: the rules point into both */
    static struct ruleset *rs;
    arena = arena_new(LIMIT_ARENA_BYTES);
    struct config *config = config_load("tests/site.yaml", &errors);
    rs = ruleset_new();
    if (!config || !rs || !arena || ruleset_read_folder("daemon/pathways", arena, &folder, &errors)) abort();
    const Handoff__V1__Site *const *sites = (const Handoff__V1__Site *const *)site_messages(config, arena);
    if (ruleset_diff(rs, &folder, sites, config->site_count, arena, &errors, &changes)) abort();
    for (size_t i = 0; i < changes.count; i++)
        if (ruleset_apply(rs, changes.list[i], i + 1, &errors)) abort();
    config_free(config);
    return ruleset_build(rs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct rules *rules;
    static struct intake *intake;
    static struct arena *arenas[2];
    static Handoff__V1__PatientRecord *record;
    static uint64_t sequence;
    if (!rules) {
        rules = load_rules();
        intake = intake_new();
        arenas[0] = arena_new(LIMIT_ARENA_BYTES);
        arenas[1] = arena_new(LIMIT_ARENA_BYTES);
    }
    struct arena *arena = arenas[sequence % 2], *other = arenas[(sequence + 1) % 2];
    const Handoff__V1__Event *event;
    struct refusal refusal;
    size_t mark = arena_used(arena);
    if (intake_read(intake, (struct bytes){data, size}, NOW_MS, arena, &event, &refusal)) {
        if (!refusal.sentence[0]) abort();
        arena_rewind(arena, mark);
        return 0;
    }
    struct outcome outcome;
    sequence++;
    step(rules, record, &(struct step_input){.kind = STEP_EVENT, .sequence = sequence, .now_ms = NOW_MS, .subject_name = "mary",
                                             .event = event, .seen_hash = sequence}, arena, &outcome);
    if (outcome.journaled.verdict == HANDOFF__V1__VERDICT__VERDICT_UNSPECIFIED) abort();
    /* The record moves to the other arena, packed and unpacked as the journal would. */
    size_t bytes = protobuf_c_message_get_packed_size(&outcome.after->base);
    uint8_t *packed = malloc(bytes + 1);
    protobuf_c_message_pack(&outcome.after->base, packed);
    arena_reset(other);
    record = bytes < LIMIT_RECORD_BYTES
                 ? handoff__v1__patient_record__unpack(arena_protobuf(other), bytes, packed)
                 : NULL; /* begin anew */
    free(packed);
    return 0;
}
