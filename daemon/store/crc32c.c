/* CRC-32C with the processor's instruction where there is one, and with a table elsewhere.
 *
 * The instruction has a latency of three cycles and a throughput of one, so a single chain of it runs at a
 * third of its speed. Long runs are therefore summed in three lanes side by side, and the lanes are joined by
 * shifting the earlier sums over the length of a lane: a linear map of 32 bits, kept as four tables of bytes.
 */
#include "store/crc32c.h"

#include <pthread.h>

#include "store/entry.h"

enum { LANE_BYTES = 256, LANES = 3 };

static const uint32_t polynomial_reversed = 0x82f63b78;
static uint32_t byte_table[256];
static uint32_t lane_shift[4]
                          [256]; /* what LANE_BYTES zero bytes do to a sum, one table for each byte of it */
static pthread_once_t tables_once = PTHREAD_ONCE_INIT;

static uint32_t step_table(uint32_t crc, const uint8_t *at, size_t len)
{
    for (size_t i = 0; i < len; i++) crc = byte_table[(crc ^ at[i]) & 0xff] ^ (crc >> 8);
    return crc;
}

static uint32_t shift_by_a_lane(uint32_t crc)
{
    for (int i = 0; i < LANE_BYTES; i++) crc = byte_table[crc & 0xff] ^ (crc >> 8);
    return crc;
}

static void fill_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) crc = (crc >> 1) ^ (crc & 1 ? polynomial_reversed : 0);
        byte_table[i] = crc;
    }
    for (uint32_t byte = 0; byte < 4; byte++)
        for (uint32_t i = 0; i < 256; i++) lane_shift[byte][i] = shift_by_a_lane(i << (8 * byte));
}

uint32_t crc32c_table(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&tables_once, fill_tables);
    return ~step_table(~crc, data, len);
}

#if defined(__x86_64__)
#include <nmmintrin.h>

bool crc32c_has_hardware(void)
{
    return __builtin_cpu_supports("sse4.2");
}

static uint64_t join(uint64_t earlier, uint64_t later)
{
    return later ^ lane_shift[0][earlier & 0xff] ^ lane_shift[1][(earlier >> 8) & 0xff] ^
           lane_shift[2][(earlier >> 16) & 0xff] ^ lane_shift[3][(earlier >> 24) & 0xff];
}

__attribute__((target("sse4.2"))) static uint64_t step_lanes(uint64_t crc, const uint8_t *at)
{
    uint64_t second = 0, third = 0;
    for (int i = 0; i < LANE_BYTES; i += 8) {
        crc = _mm_crc32_u64(crc, load_u64(at + i));
        second = _mm_crc32_u64(second, load_u64(at + LANE_BYTES + i));
        third = _mm_crc32_u64(third, load_u64(at + 2 * LANE_BYTES + i));
    }
    return join(join(crc, second), third);
}

__attribute__((target("sse4.2"))) uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t len)
{
    pthread_once(&tables_once, fill_tables);
    const uint8_t *at = data;
    uint64_t sum = ~crc;
    for (; len >= LANES * LANE_BYTES; len -= LANES * LANE_BYTES, at += LANES * LANE_BYTES)
        sum = step_lanes(sum, at);
    for (; len >= 8; len -= 8, at += 8) sum = _mm_crc32_u64(sum, load_u64(at));
    uint32_t tail = (uint32_t)sum;
    for (; len; len--, at++) tail = _mm_crc32_u8(tail, *at);
    return ~tail;
}

#else

bool crc32c_has_hardware(void)
{
    return false;
}

uint32_t crc32c_hardware(uint32_t crc, const void *data, size_t len)
{
    return crc32c_table(crc, data, len);
}

#endif

uint32_t crc32c(uint32_t crc, const void *data, size_t len)
{
    return crc32c_has_hardware() ? crc32c_hardware(crc, data, len) : crc32c_table(crc, data, len);
}
