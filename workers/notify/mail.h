/* A message as it travels: RFC 5322 with MIME, lines ended by CR LF, none over 78 bytes. Names and subjects beyond
 * ASCII are encoded words (RFC 2047), the text is quoted-printable UTF-8. What would break out of its header is
 * refused. */
#ifndef HANDOFF_NOTIFY_MAIL_H
#define HANDOFF_NOTIFY_MAIL_H

#include "notify/channel.h"

enum mail_fault {
    MAIL_OK = 0,
    MAIL_BAD_ID = -1, /* empty, too long, or with spaces or bytes beyond ASCII */
    MAIL_BAD_TO = -2, /* not a mailbox */
    MAIL_BAD_FROM = -3,
    MAIL_BAD_HEADER = -4, /* a subject or name with a line break or another control character, or not UTF-8 */
    MAIL_BAD_BODY = -5,   /* not UTF-8, or with control characters */
    MAIL_NO_MEMORY = -6,
};
/* One sentence in lower case, without what was wrong itself. */
const char *mail_fault_sentence(enum mail_fault fault);

/* `from` is used where the message names no sender. The caller frees the text. */
enum mail_fault mail_compose(const struct outgoing *message, const char *from, char **ret_text, size_t *ret_bytes);

#endif
