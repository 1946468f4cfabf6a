/* The worker's log: a line each on standard error, in the daemon's form. Holds ids, counts and what other sides
 * answered; never an address, a name or a text. Thread-safe. */
#ifndef HANDOFF_NOTIFY_LOG_H
#define HANDOFF_NOTIFY_LOG_H

/* Standard error at start; tests give another. Call it before there are threads. */
void notify_log_to(int descriptor);

enum notify_level { NOTIFY_INFO, NOTIFY_WARN, NOTIFY_ERROR };

__attribute__((format(printf, 2, 3))) void notify_log(enum notify_level level, const char *format, ...);

#endif
