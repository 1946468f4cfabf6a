/* UTF-8, byte by byte. */
#ifndef HANDOFF_NOTIFY_TEXT_H
#define HANDOFF_NOTIFY_TEXT_H

#include <stdbool.h>
#include <stddef.h>

/* Length of the character at `text`; 0 where it is none: broken, overlong, a surrogate, beyond Unicode. */
size_t text_char_len(const char *text);
/* Whole UTF-8 without control characters, but for those named. */
bool text_is_clean(const char *text, const char *but);
bool text_is_ascii(const char *text);

#endif
