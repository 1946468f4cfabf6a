/* Telling systemd how we are, without its library: datagrams to the socket named in NOTIFY_SOCKET. Without it every
 * call does nothing; failures are worth nothing more. */
#ifndef HANDOFF_NOTIFY_SERVICE_H
#define HANDOFF_NOTIFY_SERVICE_H

#include <stdint.h>

void service_ready(void);
void service_stopping(void);
void service_alive(void);
/* One line for `systemctl status`. */
__attribute__((format(printf, 1, 2))) void service_status(const char *format, ...);

#endif
