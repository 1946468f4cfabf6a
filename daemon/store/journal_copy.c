/* Copying a journal while it is in use. See journal_copy.h for why this is consistent. */
#include "store/journal_copy.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const journal_files[] = {"data.mdb", "lock.mdb", "lock"};

void journal_assert_batch(uint64_t expected_last, uint64_t first_sequence, uint32_t count, struct bytes blob)
{
    struct batch_view view;
    assert(expected_last == 0 || first_sequence == expected_last + 1);
    assert(blob.len <= BATCH_BYTES_MAX);
    int code = batch_open(blob, &view);
    assert(code == ENTRY_OK);
    (void)code;
    assert(view.first_sequence == first_sequence && view.count == count);
}

static int check_empty(const char *folder)
{
    DIR *listing = opendir(folder);
    if (!listing) return JOURNAL_E_IO;
    int names = 0;
    while (names <= 2 && readdir(listing)) names++; /* `.` and `..` are always there */
    closedir(listing);
    return names <= 2 ? 0 : JOURNAL_E_EXISTS;
}

static void remove_copy(const char *folder, bool was_created)
{
    int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    for (size_t i = 0; i < sizeof journal_files / sizeof *journal_files; i++)
        unlinkat(fd, journal_files[i], 0);
    close(fd);
    if (was_created) rmdir(folder);
}

/* Copies the first batch at or after *next and moves it behind that batch. */
static int copy_one(struct journal_reader *r, struct journal *from, struct journal *to, uint64_t *next)
{
    uint64_t first;
    struct bytes blob;
    struct batch_view view;
    int code = from->ops->read_begin(r);
    if (code) return code;
    code = from->ops->next(r, *next, &first, &blob);
    if (!code && batch_open(blob, &view)) code = JOURNAL_E_CORRUPT;
    uint64_t last = journal_last_sequence(to);
    if (!code && (view.first_sequence != first || (last && first != last + 1))) code = JOURNAL_E_CORRUPT;
    if (!code) code = journal_append(to, last, first, view.count, blob);
    if (!code) *next = first + view.count;
    from->ops->read_end(r);
    return code;
}

static int copy_all(struct journal *from, struct journal *to)
{
    struct journal_reader *r;
    uint64_t last = journal_last_sequence(from), next = 1;
    int code = from->ops->reader_new(from, &r);
    if (code) return code;
    while (!code && next <= last) code = copy_one(r, from, to, &next);
    from->ops->reader_free(r);
    return code ? code : journal_lmdb_sync(to);
}

int journal_copy_into_folder(struct journal *from, const char *folder)
{
    bool was_created = mkdir(folder, 0700) == 0;
    if (!was_created && errno != EEXIST) return JOURNAL_E_IO;
    int code = check_empty(folder);
    if (code) return code;
    uint64_t file_bytes, used_bytes;
    from->ops->sizes(from, &file_bytes, &used_bytes);
    struct journal *to;
    code = journal_lmdb_open_unsynced(folder, used_bytes + used_bytes / 4, &to);
    if (!code) {
        code = copy_all(from, to);
        journal_close(to);
    }
    if (code) remove_copy(folder, was_created);
    return code;
}
