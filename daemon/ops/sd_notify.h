/* Telling systemd how we are, without its library: datagrams to the socket named in NOTIFY_SOCKET (a path, or
 * an abstract name that begins with @). Without that variable every call succeeds and does nothing. */
#ifndef HANDOFF_OPS_SD_NOTIFY_H
#define HANDOFF_OPS_SD_NOTIFY_H

#include <stdint.h>

/* 0, or a negative errno: worth a line in the log, never worth stopping for. */
int sd_notify_ready(void);
int sd_notify_stopping(void);
int sd_notify_watchdog(void);
int sd_notify_reloading(void); /* followed by sd_notify_ready() when done */
/* One line for `systemctl status`; no line ends in it. */
int sd_notify_status(const char *sentence);

/* Milliseconds within which systemd expects the next sd_notify_watchdog(); 0: it does not watch this process.
 * Call at half of it. */
int64_t sd_notify_watchdog_ms(void);

#endif
