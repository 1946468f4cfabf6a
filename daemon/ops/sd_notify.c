/* See sd_notify.h and sd_notify(3). */
#include "ops/sd_notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define HANDOFF_MAY_READ_CLOCK
#include "base/banned.h"

static int send_to(const char *name, const char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof address.sun_path) return -EINVAL;
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') address.sun_path[0] = 0; /* abstract: begins with a NUL and is not ended by one */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -errno;
    socklen_t address_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    ssize_t sent = sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, address_len);
    int result = sent < 0 ? -errno : 0;
    close(fd);
    return result;
}

static int notify(const char *message)
{
    const char *name = getenv("NOTIFY_SOCKET");
    return name ? send_to(name, message) : 0;
}

int sd_notify_ready(void)
{
    return notify("READY=1");
}

int sd_notify_stopping(void)
{
    return notify("STOPPING=1");
}

int sd_notify_watchdog(void)
{
    return notify("WATCHDOG=1");
}

int sd_notify_reloading(void)
{
    struct timespec now;
    char message[64];
    clock_gettime(CLOCK_MONOTONIC, &now);
    snprintf(message, sizeof message, "RELOADING=1\nMONOTONIC_USEC=%" PRId64,
             (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000);
    return notify(message);
}

int sd_notify_status(const char *sentence)
{
    char message[512];
    snprintf(message, sizeof message, "STATUS=%s", sentence);
    return notify(message);
}

int64_t sd_notify_watchdog_ms(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    if (!usec || (pid && strtoll(pid, NULL, 10) != getpid())) return 0;
    long long value = strtoll(usec, NULL, 10);
    return value > 0 ? value / 1000 : 0;
}
