/* Where a watch stands, in a file of its own: what it goes on from after its end, however it ended. */
#ifndef HANDOFF_POSITION_H
#define HANDOFF_POSITION_H

#include "handoff.h"

struct position {
    uint64_t sequence;
    uint32_t item;    /* of the sequence's, the last that was told */
    bool is_whole;    /* all of the sequence was told, and item says nothing */
    bool is_telling;  /* it ended while it told `item`: whether that was seen nobody knows */
};

struct position_file {
    int file;
    const char *path;
    const char *stream;
    uint32_t unsynced; /* marks since it was last written through to the disk */
};

/* Opens or makes the file, for one watch at a time. An exit code, with what is wrong said. `ret_is_new`: there is no
 * position in it yet. */
int position_open(const char *path, const char *stream, struct position_file *ret_file, struct position *ret_position,
                  bool *ret_is_new);
/* Survives the end of the process at once, and the machine's after position_sync() or some dozens of marks. */
int position_mark(struct position_file *file, const struct position *position);
int position_sync(struct position_file *file);
void position_close(struct position_file *file);

#endif
