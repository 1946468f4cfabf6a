/* Fills the templates' fields from what the daemon handed out: which kind of message a letter is, in which language, in
 * which zone's time. What it may say at all stands in template_fields.c. */
#ifndef HANDOFF_NOTIFY_WORDING_H
#define HANDOFF_NOTIFY_WORDING_H

#include "notify/config.h"
#include "notify/letter.h"
#include "notify/template.h"

struct wording;

/* Reads templates and time zones; call it before there are threads, of which any number may write then. The
 * configuration is borrowed for as long as the wording lives. -1: the error says what is wrong. */
int wording_open(const struct notify_config *config, struct wording **ret_wording, struct template_error *error);
void wording_close(struct wording **wording);

/* For struct words: context is a struct wording. 0, or -1 without memory. */
int wording_write(void *context, const struct letter *letter, struct rendered *ret_rendered);
/* A message to see whether a way out works. */
int wording_write_test(const struct wording *wording, const struct site_config *site, int64_t at_ms,
                       struct rendered *ret_rendered);

#endif
