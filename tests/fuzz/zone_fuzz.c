/* Arbitrary bytes as a time zone file. */
#include <stddef.h>
#include <stdint.h>

#include "ops/zone.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zone zone = {0};
    if (zone_parse((struct bytes){data, size}, &zone) == 0) zone_free(&zone);
    return 0;
}
