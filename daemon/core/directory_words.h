/* Words and comparisons of the resource directory: counties, languages, levels of care. Bytes beyond ASCII are compared
 * as they are. */
#ifndef HANDOFF_CORE_DIRECTORY_WORDS_H
#define HANDOFF_CORE_DIRECTORY_WORDS_H

#include <stdbool.h>
#include "base/arena.h"
#include "handoff/v1/event.pb-c.h"

/* "Allegheny County" is "allegheny". */
bool is_same_county(const char *a, const char *b);
/* "es-MX" is "es": what a person speaks, not how they write it. */
bool is_same_language(const char *a, const char *b);
/* "Spanish" for es; the tag itself for one that is not listed. */
const char *language_words(const char *tag);
const char *support_words(Handoff__V1__SupportKind kind);
char *words_joined(struct arena *arena, const char *a, const char *b);

#endif
