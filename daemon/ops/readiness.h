/* Why the daemon is not ready, as a small set of named conditions that any thread may set and read.
 *
 * A condition is not there until it is named; naming it with a sentence makes the daemon not ready until it passes.
 * So: readiness_fail(r, "journal", "the disk is full; publishing resumes by itself when there is room"), and later
 * readiness_pass(r, "journal"). Sentences are read by operators and hold no patient content. */
#ifndef HANDOFF_OPS_READINESS_H
#define HANDOFF_OPS_READINESS_H

#include <stdbool.h>
#include <stddef.h>

enum { READINESS_CONDITIONS = 16, READINESS_NAME_BYTES = 32, READINESS_SENTENCE_BYTES = 256 };
/* Room for all of them, a line each. */
enum { READINESS_TEXT_BYTES = READINESS_CONDITIONS * (READINESS_NAME_BYTES + READINESS_SENTENCE_BYTES + 4) + 8 };

struct readiness;

struct readiness *readiness_new(void); /* ready; NULL when there is no memory */
void readiness_free(struct readiness *r);

/* At most READINESS_CONDITIONS names over the lifetime: they are words of our code, so more is a defect. */
void readiness_fail(struct readiness *r, const char *name, const char *sentence);
void readiness_pass(struct readiness *r, const char *name);

/* Worth knowing, and no reason not to be ready. */
void readiness_note(struct readiness *r, const char *name, const char *sentence);

bool readiness_is_ready(struct readiness *r);
/* "name: sentence\n" of each failing condition, or "ready\n" when none is; then of each that is worth knowing. Returns
 * whether it is ready. */
bool readiness_text(struct readiness *r, char ret_text[READINESS_TEXT_BYTES]);

#endif
