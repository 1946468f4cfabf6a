/* The position file: one line of fixed length, overwritten in place, "escalation 4711 2 told". Refuses a file that is
 * something else, another stream's, or in use. */
#include "position.h"
#include "cli.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LINE_BYTES   64
#define MARKS_A_SYNC 64

static int fail(const char *path, const char *what)
{
    return cli_say(EXIT_REFUSED, "cannot %s the position file %s: %s", what, path, strerror(errno));
}

/* True: the line is one of ours. */
static bool parse_line(const char *line, char stream[16], struct position *ret_position)
{
    struct position position = {0};
    char item[16], state[16];
    if (sscanf(line, "%15s %" SCNu64 " %15s %15s", stream, &position.sequence, item, state) != 4) return false;
    position.is_whole = strcmp(item, "all") == 0;
    if (!position.is_whole && sscanf(item, "%" SCNu32, &position.item) != 1) return false;
    position.is_telling = strcmp(state, "telling") == 0;
    if (!position.is_telling && strcmp(state, "told") != 0) return false;
    *ret_position = position;
    return true;
}

static int read_line(struct position_file *file, struct position *ret_position, bool *ret_is_new)
{
    char line[LINE_BYTES + 1] = "", stream[16];
    ssize_t len = pread(file->file, line, LINE_BYTES, 0);
    if (len < 0) return fail(file->path, "read");
    *ret_is_new = len == 0;
    if (len == 0) return EXIT_DONE;
    if (len != LINE_BYTES || !parse_line(line, stream, ret_position))
        return cli_say(EXIT_REFUSED, "%s is no position file; remove it, or name another", file->path);
    if (strcmp(stream, file->stream) != 0)
        return cli_say(EXIT_REFUSED, "%s is the position on stream %s, not %s", file->path, stream, file->stream);
    return EXIT_DONE;
}

int position_open(const char *path, const char *stream, struct position_file *ret_file, struct position *ret_position,
                  bool *ret_is_new)
{
    struct position_file file = {.path = path, .stream = stream};
    file.file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (file.file < 0) return fail(path, "open");
    int code = EXIT_DONE;
    if (flock(file.file, LOCK_EX | LOCK_NB)) {
        code = errno == EWOULDBLOCK ? cli_say(EXIT_REFUSED, "another watch uses the position file %s", path)
                                    : fail(path, "lock");
    }
    if (!code) code = read_line(&file, ret_position, ret_is_new);
    if (code) {
        close(file.file);
        return code;
    }
    *ret_file = file;
    return EXIT_DONE;
}

int position_mark(struct position_file *file, const struct position *position)
{
    char line[LINE_BYTES + 1], item[16] = "all", text[LINE_BYTES];
    if (!position->is_whole) snprintf(item, sizeof item, "%" PRIu32, position->item);
    snprintf(text, sizeof text, "%s %" PRIu64 " %s %s", file->stream, position->sequence, item,
             position->is_telling ? "telling" : "told");
    snprintf(line, sizeof line, "%-*s\n", LINE_BYTES - 1, text);
    if (pwrite(file->file, line, LINE_BYTES, 0) != LINE_BYTES) return fail(file->path, "write");
    return ++file->unsynced < MARKS_A_SYNC ? EXIT_DONE : position_sync(file);
}

int position_sync(struct position_file *file)
{
    if (!file->unsynced) return EXIT_DONE;
    if (fdatasync(file->file) && errno != EINVAL) return fail(file->path, "write");
    file->unsynced = 0;
    return EXIT_DONE;
}

void position_close(struct position_file *file)
{
    close(file->file);
}
