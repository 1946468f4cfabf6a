/* Arbitrary bytes as a batch of the journal: every reader checks before it believes. */
#include <stddef.h>
#include <stdint.h>

#include "store/entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct batch_view view;
    struct entry entry;
    uint32_t offset, next;
    if (batch_open((struct bytes){data, size}, &view)) return 0;
    for (offset = view.entries_begin; offset < view.entries_end; offset = next)
        if (batch_entry(&view, offset, &entry, &next)) break;
    for (offset = view.entries_begin; offset < view.entries_end; offset = next)
        if (batch_entry_header(&view, offset, &entry, &next)) break;
    batch_find(&view, view.first_sequence + view.count / 2, &offset);
    batch_check_digest(&view);
    return 0;
}
