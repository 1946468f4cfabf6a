/* A borrowed run of bytes, and the unaligned little-endian reads and writes the file formats use. */
#ifndef HANDOFF_BASE_BYTES_H
#define HANDOFF_BASE_BYTES_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <assert.h>

struct bytes {
    const uint8_t *data;
    size_t len;
};

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the file formats are little-endian");

static inline uint16_t load_u16(const uint8_t *at) { uint16_t v; memcpy(&v, at, 2); return v; }
static inline uint32_t load_u32(const uint8_t *at) { uint32_t v; memcpy(&v, at, 4); return v; }
static inline uint64_t load_u64(const uint8_t *at) { uint64_t v; memcpy(&v, at, 8); return v; }
static inline void store_u16(uint8_t *at, uint16_t v) { memcpy(at, &v, 2); }
static inline void store_u32(uint8_t *at, uint32_t v) { memcpy(at, &v, 4); }
static inline void store_u64(uint8_t *at, uint64_t v) { memcpy(at, &v, 8); }
/* Big-endian, so that byte order is numeric order in a B-tree key. */
static inline void store_be64(uint8_t *at, uint64_t v) { v = __builtin_bswap64(v); memcpy(at, &v, 8); }
static inline uint64_t load_be64(const uint8_t *at) { return __builtin_bswap64(load_u64(at)); }

#endif
