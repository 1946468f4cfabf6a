/* Files of a resource directory are other people's: any bytes as CSV, as a table of meanings, as JSON and as a zip
 * archive are read to the end or refused, and what comes out can be packed. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "hsds/csv.h"
#include "hsds/hsds.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static void on_row(void *context, const struct csv_row *row)
{
    size_t *cells = context;
    for (size_t i = 0; i < row->count; i++)
        if (row->cells[i][row->lengths[i]] != 0) abort();
    if (*cells == 0) *cells = row->count;
    if (row->count != *cells) abort();
}
static void on_fault(void *context, uint32_t line, const char *sentence)
{
    (void)context;
    if (line == 0 || *sentence == 0) abort();
}
static void on_report(void *context, const struct hsds_report *report)
{
    (void)context;
    if (*report->where == 0 || *report->sentence == 0) abort();
}

static void read_directory(const uint8_t *data, size_t bytes)
{
    static struct hsds_map *map;
    const struct hsds_listener listener = {NULL, on_report, NULL};
    struct hsds_directory *directory = NULL;
    char path[64];
    int file = memfd_create("directory", 0);
    if (!map) map = hsds_map_default();
    if (file < 0 || write(file, data, bytes) != (ssize_t)bytes) abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", file);
    if (hsds_read(path, map, &listener, &directory) == 0)
        for (size_t i = 0; i < directory->count; i++) handoff__v1__agency_listed__get_packed_size(directory->agencies[i]);
    hsds_free(&directory);
    close(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    char sentence[256];
    size_t cells = 0;
    const struct csv_reader reader = {.context = &cells, .on_header = on_row, .on_row = on_row, .on_fault = on_fault};
    csv_read((const char *)data, bytes, &reader);
    struct hsds_map *map = hsds_map_parse("fuzz", (const char *)data, bytes, sentence, sizeof sentence);
    hsds_map_free(&map);
    read_directory(data, bytes);
    return 0;
}
