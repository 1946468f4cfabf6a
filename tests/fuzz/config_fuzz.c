/* Arbitrary bytes as the configuration. What is accepted prints to something that is accepted again. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "ops/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct yaml_errors errors;
    errors.count = 0;
    struct config *config = config_load_memory("fuzz.yaml", data, size, &errors);
    if (!config) return 0;
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    config_print(to, config);
    fclose(to);
    config_free(config);
    config = config_load_memory("printed.yaml", text, bytes, &errors);
    if (!config) abort();
    config_free(config);
    free(text);
    return 0;
}
