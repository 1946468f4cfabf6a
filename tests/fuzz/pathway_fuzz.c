/* Arbitrary bytes as a pathway: loading, verifying and measuring must say what is wrong and never crash.
 *
 *     clang -fsanitize=fuzzer,address,undefined ... tests/fuzz/pathway_fuzz.c libhandoffd.a
 *     pathway_fuzz tests/fuzz/pathway tests/unit/pathways daemon/pathways */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include "pathway/diagram.h"
#include "pathway/policy.h"
#include "pathway/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct arena *arena;
    static struct yaml_errors errors;
    static FILE *nowhere;
    struct pathway_source *source;
    Handoff__V1__Policy *policy;
    struct verify_options options = {0};
    if (!arena) arena = arena_new((size_t)64 * 1024 * 1024);
    if (!nowhere) nowhere = fopen("/dev/null", "we");
    if (!arena || !nowhere) return 0;
    arena_reset(arena);
    errors.count = 0;
    if (pathway_read(arena, "fuzz.yaml", (struct bytes){data, size}, &errors, &source) == 0) {
        pathway_verify(source, &options, &errors);
        pathway_verify_set((const struct pathway_source *const *)&source, 1, 1, &errors);
        pathway_draw(nowhere, source->pathway);
    }
    policy_read(arena, "fuzz.yaml", (struct bytes){data, size}, &errors, &policy);
    return 0;
}
