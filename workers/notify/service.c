/* See service.h and sd_notify(3). */
#include "notify/service.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void send_to(const char *name, const char *message)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len >= sizeof address.sun_path) return;
    memcpy(address.sun_path, name, len);
    if (name[0] == '@') address.sun_path[0] = 0; /* abstract: begins with a NUL and is not ended by one */
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return;
    socklen_t bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    sendto(fd, message, strlen(message), MSG_NOSIGNAL, (struct sockaddr *)&address, bytes);
    close(fd);
}

static void say(const char *message)
{
    const char *name = getenv("NOTIFY_SOCKET");
    if (name) send_to(name, message);
}

void service_ready(void)
{
    say("READY=1");
}

void service_stopping(void)
{
    say("STOPPING=1");
}

void service_alive(void)
{
    say("WATCHDOG=1");
}

void service_status(const char *format, ...)
{
    char message[256] = "STATUS=";
    size_t len = strlen(message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + len, sizeof message - len, format, arguments);
    va_end(arguments);
    say(message);
}
