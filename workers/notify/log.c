/* See log.h. */
#include "notify/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int to = STDERR_FILENO;

void notify_log_to(int descriptor)
{
    to = descriptor;
}

/* Control characters and quotes would end the field. */
static void escape(char *text)
{
    for (; *text; text++) {
        if ((unsigned char)*text < ' ' || *text == 0x7f) *text = ' ';
        if (*text == '"') *text = '\'';
    }
}

void notify_log(enum notify_level level, const char *format, ...)
{
    static const char *const words[] = {"info", "warn", "error"};
    char message[1024], line[1200], stamp[32];
    struct timespec now;
    struct tm parts;
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    escape(message);
    clock_gettime(CLOCK_REALTIME, &now);
    gmtime_r(&now.tv_sec, &parts);
    strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    int len = snprintf(line, sizeof line, "time=%s.%03ldZ level=%s msg=\"%s\"\n", stamp, now.tv_nsec / 1000000,
                       words[level], message);
    ssize_t written = write(to, line, (size_t)len);
    (void)written; /* nowhere to say so */
}
