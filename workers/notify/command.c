/* See command.h. The message is a file in memory that the process reads as its standard input, so nobody waits for a
 * reader that does not read, and nothing of it is on a disk or in a command line. */
#include "notify/command.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { TIMEOUT_MS = 20000, LINE_BYTES = 160 };

struct command {
    struct channel base; /* first: a channel is this */
    char **arguments;
    uint32_t timeout_ms;
};

/* One process and what we hold of it. */
struct run {
    pid_t pid;
    int watch;      /* readable when the process has ended */
    int complaints; /* its standard error */
    char line[LINE_BYTES];
    size_t len;
    bool is_line_over;
};

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* --- starting ---------------------------------------------------------------------------------------------------- */

static int text_file(const char *text)
{
    size_t bytes = strlen(text), done = 0;
    int file = memfd_create("message", MFD_CLOEXEC);
    while (file >= 0 && done < bytes) {
        ssize_t written = write(file, text + done, bytes - done);
        if (written < 0 && errno == EINTR) continue;
        if (written < 0) {
            close(file);
            return -1;
        }
        done += (size_t)written;
    }
    if (file >= 0) lseek(file, 0, SEEK_SET);
    return file;
}

/* What a command may know of us: where programs are, how to write, and which message this is. */
enum { ENVIRONMENT_MAX = 6 };
static void fill_environment(const char *id, char id_entry[256], char *environment[ENVIRONMENT_MAX + 1])
{
    static const char *const kept[] = {"PATH=", "LANG=", "TZ=", "HOME="};
    size_t count = 0;
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        for (char **at = environ; at && *at; at++) {
            if (!strncmp(*at, kept[i], strlen(kept[i]))) {
                environment[count++] = *at;
                break;
            }
        }
    }
    snprintf(id_entry, 256, "HANDOFF_ID=%s", id ? id : "");
    environment[count++] = id_entry;
    environment[count] = NULL;
}

/* A process group of its own, so that what it starts ends with it; none of our files, usual signals. */
static int spawn_with(struct command *command, int input, int complaints, char **environment, pid_t *ret_pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    if (posix_spawn_file_actions_init(&actions)) return ENOMEM;
    if (posix_spawnattr_init(&attributes)) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_adddup2(&actions, input, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, complaints, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    int fault = posix_spawnp(ret_pid, command->arguments[0], &actions, &attributes, command->arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return fault;
}

static int start(struct command *command, const struct outgoing *message, struct run *run)
{
    char id_entry[256], *environment[ENVIRONMENT_MAX + 1];
    int pipes[2];
    int input = text_file(message->json);
    if (input < 0) return errno;
    if (pipe2(pipes, O_CLOEXEC)) {
        int fault = errno;
        close(input);
        return fault;
    }
    fcntl(pipes[0], F_SETFL, O_NONBLOCK);
    fill_environment(message->id, id_entry, environment);
    int fault = spawn_with(command, input, pipes[1], environment, &run->pid);
    close(input);
    close(pipes[1]);
    run->complaints = pipes[0];
    if (fault) close(pipes[0]);
    return fault;
}

/* --- watching ---------------------------------------------------------------------------------------------------- */

/* False at the end of what it says. */
static bool read_complaints(struct run *run)
{
    char buffer[1024];
    for (;;) {
        ssize_t bytes = read(run->complaints, buffer, sizeof buffer);
        if (bytes < 0 && errno == EINTR) continue;
        if (bytes <= 0) return bytes < 0 && errno == EAGAIN;
        for (ssize_t i = 0; i < bytes && !run->is_line_over; i++) {
            run->is_line_over = buffer[i] == '\n' || run->len + 1 == sizeof run->line;
            if (!run->is_line_over) run->line[run->len++] = buffer[i];
        }
    }
}

/* Whether it ended in time. Its children may keep standard error open: the process itself is what is waited for. */
static bool await_end(struct run *run, int64_t until_ms)
{
    struct pollfd watched[2] = {{run->watch, POLLIN, 0}, {run->complaints, POLLIN, 0}};
    while (!(watched[0].revents & POLLIN)) {
        int64_t left_ms = until_ms - now_ms();
        if (left_ms <= 0) return false;
        if (poll(watched, 2, (int)left_ms) < 0 && errno != EINTR) return false;
        if (watched[1].revents && !read_complaints(run)) watched[1].fd = -1;
    }
    read_complaints(run);
    return true;
}

static int reap(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return status;
}

/* --- judging ----------------------------------------------------------------------------------------------------- */

static bool holds(const char *line, const char *text)
{
    return text && *text && strstr(line, text);
}

/* Its first line, unless that says to whom or what, or cannot be shown. */
static const char *reason_of(struct run *run, const struct outgoing *message)
{
    run->line[run->len] = '\0';
    if (holds(run->line, message->to) || holds(run->line, message->to_name) || holds(run->line, message->subject)) {
        return "its reason names the recipient or the text and is not kept";
    }
    for (size_t i = 0; i < run->len; i++) {
        if (run->line[i] < ' ' || run->line[i] > '~') run->line[i] = '?';
    }
    return run->len ? run->line : "it gave no reason";
}

static struct send_report judge(struct run *run, int status, const struct outgoing *message)
{
    const char *reason = reason_of(run, message);
    if (!WIFEXITED(status)) {
        return send_report_make(SEND_UNKNOWN, "the command was killed by signal %d: %s", WTERMSIG(status), reason);
    }
    int code = WEXITSTATUS(status);
    if (!code) return send_report_make(SEND_DONE, "the command took it");
    bool is_final = code == EX_DATAERR || code == EX_NOUSER || code == EX_NOHOST;
    return send_report_make(is_final ? SEND_NEVER : SEND_LATER, "the command ended with %d: %s", code, reason);
}

static struct send_report watch(struct command *command, struct run *run, const struct outgoing *message)
{
    bool is_ended = run->watch >= 0 && await_end(run, now_ms() + command->timeout_ms);
    if (!is_ended) kill(-run->pid, SIGKILL);
    int status = reap(run->pid);
    if (is_ended) return judge(run, status, message);
    return send_report_make(SEND_UNKNOWN, "the command did not end in %u ms and was killed", command->timeout_ms);
}

static struct send_report command_send(struct channel *channel, const struct outgoing *message)
{
    struct command *command = (struct command *)channel;
    struct run run = {.watch = -1};
    if (!message->json) return send_report_make(SEND_NEVER, "the message has no JSON");
    int fault = start(command, message, &run);
    if (fault) return send_report_make(SEND_LATER, "the command could not be started: %s", strerror(fault));
    run.watch = (int)syscall(SYS_pidfd_open, run.pid, 0);
    struct send_report report = watch(command, &run, message);
    if (run.watch >= 0) close(run.watch);
    close(run.complaints);
    return report;
}

/* --- opening ----------------------------------------------------------------------------------------------------- */

static void command_close(struct channel *channel)
{
    struct command *command = (struct command *)channel;
    for (char **at = command->arguments; at && *at; at++) free(*at);
    free(command->arguments);
    free(command);
}

static int fill(struct command *command, const struct command_options *options)
{
    size_t count = 0;
    while (options->arguments[count]) count++;
    command->arguments = calloc(count + 1, sizeof *command->arguments);
    if (!command->arguments) return -1;
    for (size_t i = 0; i < count; i++) {
        command->arguments[i] = strdup(options->arguments[i]);
        if (!command->arguments[i]) return -1;
    }
    return 0;
}

int command_open(const struct command_options *options, struct channel **ret_channel, struct channel_error *error)
{
    static const struct channel_ops ops = {command_send, command_close};
    if (!options->arguments || !options->arguments[0] || !*options->arguments[0]) {
        return channel_refuse(error, "command: it must name a program");
    }
    if (strchr(options->arguments[0], '/') && access(options->arguments[0], X_OK)) {
        return channel_refuse(error, "command: %s cannot be run: %s", options->arguments[0], strerror(errno));
    }
    struct command *command = calloc(1, sizeof *command);
    if (!command) return channel_refuse(error, "there is not enough memory");
    command->base.ops = &ops;
    command->timeout_ms = options->timeout_ms ? options->timeout_ms : TIMEOUT_MS;
    if (fill(command, options)) {
        command_close(&command->base);
        return channel_refuse(error, "there is not enough memory");
    }
    *ret_channel = &command->base;
    return 0;
}
