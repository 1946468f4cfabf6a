/* CRC-32C (Castagnoli), the checksum of entries and trailers.
 *
 * crc32c() in entry.h picks the fastest way this machine has; the two ways are declared here so that a test
 * can hold them against each other. crc is the checksum so far, 0 to begin; sums of consecutive runs chain. */
#ifndef HANDOFF_STORE_CRC32C_H
#define HANDOFF_STORE_CRC32C_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

uint32_t crc32c_table(uint32_t crc, const void *data, size_t len);
bool crc32c_has_hardware(void);
/* Only where crc32c_has_hardware() says so. */
uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t len);

#endif
