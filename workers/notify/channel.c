/* See channel.h. */
#include "notify/channel.h"

#include <stdarg.h>
#include <stdio.h>

struct send_report channel_send(struct channel *channel, const struct outgoing *message)
{
    return channel->ops->send(channel, message);
}

void channel_close(struct channel **channel)
{
    if (!*channel) return;
    (*channel)->ops->close(*channel);
    *channel = NULL;
}

const char *send_result_word(enum send_result result)
{
    static const char *const words[] = {
        [SEND_DONE] = "done", [SEND_LATER] = "later", [SEND_NEVER] = "never", [SEND_UNKNOWN] = "unknown"};
    return words[result];
}

struct send_report send_report_make(enum send_result result, const char *format, ...)
{
    struct send_report report = {.result = result};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(report.reason, sizeof report.reason, format, arguments);
    va_end(arguments);
    return report;
}

int channel_refuse(struct channel_error *error, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error->sentence, sizeof error->sentence, format, arguments);
    va_end(arguments);
    return -1;
}
