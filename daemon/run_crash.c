/* See run_crash.h. */
#include "run_crash.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/banned.h"

enum { PATH_BYTES = 4200 };

static char mark[PATH_BYTES];

/* Nothing here but what a signal handler may call. The signal's own effect follows: the handler is gone by then. */
static void on_crash(int number)
{
    int fd = open(mark, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    if (fd >= 0) close(fd);
    raise(number);
}

/* A sanitizer's own handler stays. */
static void watch(int number)
{
    struct sigaction before, action = {.sa_handler = on_crash, .sa_flags = (int)SA_RESETHAND | SA_NODEFER};
    sigemptyset(&action.sa_mask);
    if (sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_DFL) sigaction(number, &action, NULL);
}

void run_crash_watch(const char *mark_file)
{
    static const int numbers[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL};
    int len = snprintf(mark, sizeof mark, "%s", mark_file);
    if (len < 0 || (size_t)len >= sizeof mark) return;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        watch(numbers[i]);
}

bool run_crash_happened(void) { return access(mark, F_OK) == 0; }
void run_crash_forget(void) { unlink(mark); }
