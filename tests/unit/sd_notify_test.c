/* The datagrams that the service manager sees. */
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <errno.h>
#include <setjmp.h>
#include <unistd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <cmocka.h>

#include "ops/sd_notify.h"

static char folder[] = "/tmp/handoff-notify-XXXXXX";

/* name as in NOTIFY_SOCKET. */
static int listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    memcpy(address.sun_path, name, strlen(name));
    if (name[0] == '@') address.sun_path[0] = 0;
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(name));
    assert_int_equal(bind(fd, (struct sockaddr *)&address, len), 0);
    setenv("NOTIFY_SOCKET", name, 1);
    return fd;
}

static const char *received(int fd)
{
    static char text[1024];
    ssize_t bytes = recv(fd, text, sizeof text - 1, 0);
    text[bytes > 0 ? bytes : 0] = 0;
    return text;
}

static void each_state_is_one_datagram(void **state)
{
    (void)state;
    char name[sizeof folder + 8];
    snprintf(name, sizeof name, "%s/s", folder);
    int fd = listen_at(name);
    assert_int_equal(sd_notify_ready(), 0);
    assert_string_equal(received(fd), "READY=1");
    assert_int_equal(sd_notify_stopping(), 0);
    assert_string_equal(received(fd), "STOPPING=1");
    assert_int_equal(sd_notify_watchdog(), 0);
    assert_string_equal(received(fd), "WATCHDOG=1");
    assert_int_equal(sd_notify_status("index 40 % rebuilt"), 0);
    assert_string_equal(received(fd), "STATUS=index 40 % rebuilt");
    close(fd);
    unlink(name);
}

static void an_abstract_socket_is_found(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@handoff-notify-test-%d", (int)getpid());
    int fd = listen_at(name);
    assert_int_equal(sd_notify_ready(), 0);
    assert_string_equal(received(fd), "READY=1");
    close(fd);
}

static void reloading_carries_the_monotonic_time(void **state)
{
    (void)state;
    char name[64];
    snprintf(name, sizeof name, "@handoff-reload-test-%d", (int)getpid());
    int fd = listen_at(name);
    assert_int_equal(sd_notify_reloading(), 0);
    const char *text = received(fd), prefix[] = "RELOADING=1\nMONOTONIC_USEC=";
    assert_memory_equal(text, prefix, sizeof prefix - 1);
    assert_true(strtoll(text + sizeof prefix - 1, NULL, 10) > 0);
    close(fd);
}

static void without_a_manager_nothing_happens(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    assert_int_equal(sd_notify_ready(), 0);
}

static void a_bad_or_dead_socket_is_an_error_and_no_more(void **state)
{
    (void)state;
    char name[200];
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_int_equal(sd_notify_ready(), -EINVAL);
    memset(name, '/', sizeof name - 1);
    name[sizeof name - 1] = 0;
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(sd_notify_ready(), -EINVAL);
    snprintf(name, sizeof name, "%s/nobody", folder);
    setenv("NOTIFY_SOCKET", name, 1);
    assert_int_equal(sd_notify_ready(), -ENOENT);
}

static void the_watchdog_interval_is_for_this_process_only(void **state)
{
    (void)state;
    char pid[32];
    unsetenv("WATCHDOG_USEC");
    assert_int_equal(sd_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "30000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(sd_notify_watchdog_ms(), 0);
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_PID", pid, 1);
    assert_int_equal(sd_notify_watchdog_ms(), 30000);
}

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_state_is_one_datagram),
        cmocka_unit_test(an_abstract_socket_is_found),
        cmocka_unit_test(reloading_carries_the_monotonic_time),
        cmocka_unit_test(without_a_manager_nothing_happens),
        cmocka_unit_test(a_bad_or_dead_socket_is_an_error_and_no_more),
        cmocka_unit_test(the_watchdog_interval_is_for_this_process_only),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
