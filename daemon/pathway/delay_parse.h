/* Text to struct delay: 30min, 2bd, earliest(at(1d, 08:00), 23h). The words are in daemon/pathways/README.md, the
 * meaning of each is in core/pathway.h; core/delay.c evaluates them. */
#ifndef HANDOFF_PATHWAY_DELAY_PARSE_H
#define HANDOFF_PATHWAY_DELAY_PARSE_H

#include "base/arena.h"
#include "core/pathway.h"
#include "pathway/words.h"

enum { DELAY_TEXT_MAX = 200, DELAY_DEPTH_MAX = 8 };

/* 0, or -EINVAL with the reason in ret_error. The delay lives in the arena; text is not kept. */
int delay_parse(struct arena *arena, const char *text, const struct delay **ret_delay, struct parse_error *ret_error);
/* A plain length of clock time (90min, 36h, 35d; a day is 24 h), as bounds are given. */
int delay_parse_length(const char *text, int64_t *ret_ms, struct parse_error *ret_error);
/* An int64 time of Episode, by its name in the schema; NULL: no such time. */
const ProtobufCFieldDescriptor *delay_field(const char *name);

/* "3d 16h", "2h", "45min" into a buffer of WORD_BYTES. */
const char *delay_length_in_words(int64_t ms, char *buffer);

#endif
