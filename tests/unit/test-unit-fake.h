#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A service manager that does what a test wants: answers late, not at all, or with an error, loses signals, drops the
 * connection. It lives in the test's own event loop, behind a socket, as the private one of the real manager or, with
 * is_bus, as a bus with the manager on it. */

#include <fnmatch.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <cmocka.h>
#include <systemd/sd-bus.h>

#include "exec/exec-unit.h"
#include "systemd/unit-name.h"
#include "util/log.h"
#include "util/strv.h"

#define UNITS_MAX     4096
#define HELD_MAX      256
#define OWNER         ":1.0" /* of the manager on the bus */
#define UNIT_OBJECTS  "/org/freedesktop/systemd1/unit/"
#define DEADLINE_USEC (30 * USEC_PER_SEC)

typedef struct FakeUnit {
        char name[UNIT_NAME_MAX + 1]; /* "" = free */
        const char *active, *sub, *result;
        int code, status;
        uint32_t job, pid;
        bool condition_failed;
        bool blank; /* known by name only */
        uint64_t inactive_exit, active_exit_monotonic, exec_exit_monotonic;
        sd_id128_t invocation;
        const char *status_text;
        uint64_t inactive_exit_monotonic, timeout_stop;
} FakeUnit;

typedef enum FakeMood {
        MOOD_GOOD,
        MOOD_HOLD,   /* answers are held back */
        MOOD_REFUSE, /* does nothing, answers with an error */
        MOOD_LIE,    /* does it, answers with an error */
        MOOD_DROP,   /* does it, drops the connection instead of an answer */
        MOOD_DROP_UNDONE,
} FakeMood;

typedef struct Fake {
        sd_event *event;
        char directory[32], path[64], address[80];
        int listen_fd;
        sd_event_source *listen_source;
        sd_bus *peer;
        bool is_bus;
        FakeUnit units[UNITS_MAX];
        uint32_t next_job;
        FakeMood on_start, on_stop, on_list, on_get_all;
        const char *error; /* of a refusal */
        bool mute;         /* no signals */
        const char *system_state;
        uint32_t n_failed; /* units */
        sd_bus_message *held[HELD_MAX];
        unsigned n_held;
        unsigned n_connections, n_starts, n_stops, n_kills, n_resets, n_lists, n_looks, n_asked;
        sd_bus_message *last_start; /* rewound */
        char last_call[64];
} Fake;

static Fake fake;

/* --- units --- */

static inline FakeUnit *fake_find(const char *name) {
        for (size_t i = 0; i < UNITS_MAX; i++)
                if (streq(fake.units[i].name, name))
                        return &fake.units[i];
        return NULL;
}

static inline FakeUnit *fake_add(const char *name, const char *active, const char *sub) {
        for (size_t i = 0; i < UNITS_MAX; i++) {
                FakeUnit *u = &fake.units[i];

                if (u->name[0])
                        continue;
                *u = (FakeUnit){ .active = active, .sub = sub, .result = "success", .pid = 1000 + (uint32_t)i };
                (void)snprintf(u->name, sizeof(u->name), "%s", name);
                (void)sd_id128_randomize(&u->invocation);
                return u;
        }
        fail_msg("too many units");
        return NULL;
}

static inline void fake_forget(const char *name) {
        FakeUnit *u = fake_find(name);

        if (u)
                u->name[0] = '\0';
}

static inline void append(sd_bus_message *m, const char *types, const char *name, const char *type, ...) {
        va_list ap;

        assert_int_equal(sd_bus_message_open_container(m, 'e', "sv"), 0);
        assert_int_equal(sd_bus_message_append_basic(m, 's', name), 0);
        assert_int_equal(sd_bus_message_open_container(m, 'v', type), 0);
        va_start(ap, type);
        assert_true(sd_bus_message_appendv(m, types, ap) >= 0);
        va_end(ap);
        assert_int_equal(sd_bus_message_close_container(m), 0);
        assert_int_equal(sd_bus_message_close_container(m), 0);
}

static inline bool fake_has_run(const FakeUnit *u) {
        return !streq(u->active, "inactive") || u->code > 0;
}

static inline void append_service(sd_bus_message *m, const FakeUnit *u) {
        bool is_over = u->code > 0;

        append(m, "as", "TimeoutStopUSec", "as", 1, "of another type than it should be");
        append(m, "u", "MainPID", "u", fake_has_run(u) && !is_over ? u->pid : 0);
        append(m, "u", "ExecMainPID", "u", fake_has_run(u) ? u->pid : 0);
        append(m, "t", "ExecMainStartTimestamp", "t", fake_has_run(u) ? UINT64_C(1000) : UINT64_C(0));
        append(m, "t", "ExecMainExitTimestamp", "t", is_over ? now_realtime() : UINT64_C(0));
        append(m, "t", "ExecMainExitTimestampMonotonic", "t", u->exec_exit_monotonic);
        append(m, "i", "ExecMainCode", "i", u->code);
        append(m, "i", "ExecMainStatus", "i", u->status);
        append(m, "s", "Result", "s", u->result);
        append(m, "s", "StatusText", "s", strempty(u->status_text));
        append(m, "b", "SendSIGKILL", "b", true);
        append(m, "i", "NRestarts", "i", 0); /* nobody asks for that */
}

static inline void append_unit(sd_bus_message *m, const FakeUnit *u) {
        append(m, "s", "ActiveState", "s", u->active);
        append(m, "s", "SubState", "s", u->sub);
        append(m, "s", "LoadState", "s", u->blank ? "not-found" : "loaded");
        append(m, "(uo)", "Job", "(uo)", u->job, "/");
        append(m, "t", "ActiveEnterTimestampMonotonic", "t", fake_has_run(u) ? UINT64_C(5) : UINT64_C(0));
        append(m, "t", "ActiveExitTimestampMonotonic", "t", u->active_exit_monotonic);
        append(m, "t", "InactiveExitTimestamp", "t", u->inactive_exit);
        append(m, "t", "InactiveExitTimestampMonotonic", "t", u->inactive_exit_monotonic);
        append(m, "t", "ConditionTimestampMonotonic", "t", UINT64_C(4));
        append(m, "b", "ConditionResult", "b", !u->condition_failed);
        assert_int_equal(sd_bus_message_open_container(m, 'e', "sv"), 0);
        assert_int_equal(sd_bus_message_append_basic(m, 's', "InvocationID"), 0);
        assert_int_equal(sd_bus_message_open_container(m, 'v', "ay"), 0);
        assert_int_equal(sd_bus_message_append_array(m, 'y', &u->invocation, sizeof(u->invocation)), 0);
        assert_int_equal(sd_bus_message_close_container(m), 0);
        assert_int_equal(sd_bus_message_close_container(m), 0);
}

/* --- signals --- */

static inline sd_bus_message *fake_signal(const char *path, const char *interface, const char *member) {
        sd_bus_message *m = NULL;

        assert_int_equal(sd_bus_message_new_signal(fake.peer, &m, path, interface, member), 0);
        assert_int_equal(sd_bus_message_set_sender(m, fake.is_bus ? OWNER : "org.freedesktop.systemd1"), 0);
        return m;
}

static inline void fake_send(sd_bus_message *m) {
        if (!fake.mute)
                assert_true(sd_bus_send(fake.peer, m, NULL) >= 0);
        sd_bus_message_unref(m);
}

static inline void fake_tell_half(const FakeUnit *u, const char *interface, const char *sender) {
        _cleanup_free_ char *path = NULL;
        sd_bus_message *m;

        assert_int_equal(sd_bus_path_encode("/org/freedesktop/systemd1/unit", u->name, &path), 0);
        assert_int_equal(
                sd_bus_message_new_signal(fake.peer, &m, path, "org.freedesktop.DBus.Properties", "PropertiesChanged"),
                0);
        assert_int_equal(sd_bus_message_set_sender(m, sender), 0);
        assert_int_equal(sd_bus_message_append_basic(m, 's', interface), 0);
        assert_int_equal(sd_bus_message_open_container(m, 'a', "{sv}"), 0);
        if (strstr(interface, "Service"))
                append_service(m, u);
        else
                append_unit(m, u);
        assert_int_equal(sd_bus_message_close_container(m), 0);
        assert_true(sd_bus_message_append(m, "as", 1, "ExecStart") >= 0);
        fake_send(m);
}

static inline void fake_tell_as(const FakeUnit *u, const char *sender) {
        if (!fake.peer)
                return;
        fake_tell_half(u, "org.freedesktop.systemd1.Service", sender);
        fake_tell_half(u, "org.freedesktop.systemd1.Unit", sender);
}

static inline void fake_tell(const FakeUnit *u) {
        fake_tell_as(u, fake.is_bus ? OWNER : "org.freedesktop.systemd1");
}

static inline void fake_reloading(bool begins) {
        sd_bus_message *m = fake_signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "Reloading");

        assert_true(sd_bus_message_append(m, "b", begins) >= 0);
        fake_send(m);
}

static inline void fake_unit_signal(const char *member, const char *unit) {
        sd_bus_message *m = fake_signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", member);

        assert_true(sd_bus_message_append(m, "so", unit, "/x") >= 0);
        fake_send(m);
}

static inline void fake_tell_failed(uint32_t n) {
        sd_bus_message *m =
                fake_signal("/org/freedesktop/systemd1", "org.freedesktop.DBus.Properties", "PropertiesChanged");

        fake.n_failed = n;
        assert_true(sd_bus_message_append(m, "sa{sv}as", "org.freedesktop.systemd1.Manager", 1, "NFailedUnits", "u", n,
                                          0) >= 0);
        fake_send(m);
}

static inline void fake_job_removed(const FakeUnit *u, uint32_t job, const char *result) {
        sd_bus_message *m = fake_signal("/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "JobRemoved");

        assert_true(sd_bus_message_append(m, "uoss", job, "/org/freedesktop/systemd1/job/1", u->name, result) >= 0);
        fake_send(m);
}

static inline void fake_become(FakeUnit *u, const char *active, const char *sub, uint32_t job) {
        u->active = active;
        u->sub = sub;
        u->job = job;
        fake_tell(u);
}

/* Its program is running. */
static inline void fake_run(FakeUnit *u) {
        fake_become(u, "active", "running", u->job);
        if (u->job > 0)
                fake_job_removed(u, u->job, "done");
        fake_become(u, "active", "running", 0);
}

/* Its program has ended. */
static inline void fake_end(FakeUnit *u, int code, int status, const char *result) {
        bool failed = !streq(result, "success");

        u->code = code;
        u->status = status;
        u->result = result;
        fake_become(u, failed ? "failed" : "active", failed ? "failed" : "exited", 0);
}

/* --- calls --- */

static inline int fake_error(sd_bus_message *m, const char *name) {
        return sd_bus_reply_method_errorf(m, name, "So says the fake.");
}

static inline void fake_drop(void) {
        fake.peer = sd_bus_close_unref(fake.peer);
        for (; fake.n_held > 0; fake.n_held--)
                sd_bus_message_unref(fake.held[fake.n_held - 1]);
}

/* True when the mood leaves nothing to be answered. */
static inline bool fake_is_in_a_mood(FakeMood mood, sd_bus_message *m) {
        switch (mood) {
        case MOOD_GOOD:
                return false;
        case MOOD_HOLD:
                assert_true(fake.n_held < HELD_MAX);
                fake.held[fake.n_held++] = sd_bus_message_ref(m);
                return true;
        case MOOD_REFUSE:
        case MOOD_LIE:
                assert_true(fake_error(m, fake.error) >= 0);
                return true;
        case MOOD_DROP:
        case MOOD_DROP_UNDONE:
                fake_drop();
                return true;
        }
        return false;
}

static inline int fake_answer_job(sd_bus_message *m, uint32_t job) {
        char path[64];

        (void)snprintf(path, sizeof(path), "/org/freedesktop/systemd1/job/%u", job);
        return sd_bus_reply_method_return(m, "o", path);
}

static inline int fake_on_start(sd_bus_message *m) {
        bool obeys = fake.on_start != MOOD_REFUSE && fake.on_start != MOOD_DROP_UNDONE;
        const char *name;
        FakeUnit *u;

        fake.n_starts++;
        sd_bus_message_unref(fake.last_start);
        fake.last_start = sd_bus_message_ref(m);
        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        u = fake_find(name);
        if (obeys && u && sd_bus_message_is_method_call(m, NULL, "StartTransientUnit") > 0)
                return fake_error(m, "org.freedesktop.systemd1.UnitExists");
        if (obeys) {
                u = u ?: fake_add(name, "inactive", "dead");
                if (!streq(u->active, "active"))
                        u->job = ++fake.next_job;
        }
        if (fake_is_in_a_mood(fake.on_start, m))
                return 1;
        fake_answer_job(m, u->job > 0 ? u->job : ++fake.next_job);
        if (u->job > 0)
                fake_tell(u);
        return 1;
}

static inline int fake_on_stop(sd_bus_message *m) {
        const char *name;
        FakeUnit *u;

        fake.n_stops++;
        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        if (fake_is_in_a_mood(fake.on_stop, m))
                return 1;
        u = fake_find(name);
        if (!u)
                return fake_error(m, "org.freedesktop.systemd1.NoSuchUnit");
        assert_true(fake_answer_job(m, ++fake.next_job) >= 0);
        if (fake_has_run(u) && u->code == 0) {
                u->code = CLD_KILLED;
                u->status = SIGTERM;
        }
        fake_become(u, "inactive", "dead", 0);
        fake_forget(name);
        return 1;
}

static inline int fake_on_kill(sd_bus_message *m) {
        const char *name;
        FakeUnit *u;

        fake.n_kills++;
        assert_true(sd_bus_message_read(m, "ssi", &name, NULL, NULL) > 0);
        u = fake_find(name);
        assert_non_null(u);
        assert_true(sd_bus_reply_method_return(m, NULL) >= 0);
        u->code = CLD_KILLED;
        u->status = SIGKILL;
        u->result = "timeout";
        fake_become(u, "failed", "failed", 0);
        return 1;
}

static inline int fake_on_reset(sd_bus_message *m) {
        const char *name;

        fake.n_resets++;
        assert_true(sd_bus_message_read(m, "s", &name) > 0);
        if (!fake_find(name))
                return fake_error(m, "org.freedesktop.systemd1.NoSuchUnit");
        fake_forget(name);
        return sd_bus_reply_method_return(m, NULL);
}

static inline void append_row(sd_bus_message *m, const char *name, const FakeUnit *u) {
        assert_true(sd_bus_message_append(m, "(ssssssouso)", name, "", u->blank ? "not-found" : "loaded", u->active,
                                          u->sub, "", "/x", u->job, "", "/") >= 0);
}

static inline void fake_list_patterns(sd_bus_message *m, sd_bus_message *reply) {
        char **states = NULL, **patterns = NULL;

        assert_true(sd_bus_message_read_strv(m, &states) >= 0);
        assert_true(sd_bus_message_read_strv(m, &patterns) >= 0);
        for (size_t i = 0; i < UNITS_MAX; i++) {
                const FakeUnit *u = &fake.units[i];
                bool has_state = !states || !states[0];

                STRV_FOREACH(state, states)
                        has_state = has_state || streq(*state, strempty(u->active));
                if (u->name[0] && has_state && fnmatch(patterns[0], u->name, FNM_NOESCAPE) == 0)
                        append_row(reply, u->name, u);
        }
        strv_free(states);
        strv_free(patterns);
}

/* An alias is listed as what it stands for. */
static inline void fake_list_names(sd_bus_message *m, sd_bus_message *reply) {
        const FakeUnit nothing = { .active = "inactive", .sub = "dead", .blank = true };
        char **names = NULL;

        assert_true(sd_bus_message_read_strv(m, &names) >= 0);
        STRV_FOREACH(name, names) {
                const FakeUnit *u = fake_find(streq(*name, "alias.service") ? "real.service" : *name);

                if (!strchr(*name, '/')) /* the real one leaves out what cannot be a name */
                        append_row(reply, u ? u->name : *name, u ?: &nothing);
        }
        strv_free(names);
}

static inline int fake_on_list(sd_bus_message *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;

        fake.n_lists++;
        if (fake_is_in_a_mood(fake.on_list, m))
                return 1;
        assert_int_equal(sd_bus_message_new_method_return(m, &reply), 0);
        assert_int_equal(sd_bus_message_open_container(reply, 'a', "(ssssssouso)"), 0);
        if (sd_bus_message_is_method_call(m, NULL, "ListUnitsByNames") > 0)
                fake_list_names(m, reply);
        else
                fake_list_patterns(m, reply);
        assert_int_equal(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(fake.peer, reply, NULL);
}

static inline int fake_on_get_all(sd_bus_message *m) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        const FakeUnit nothing = { .active = "inactive", .sub = "dead", .result = "success", .blank = true };
        char name[UNIT_NAME_MAX + 1];
        const FakeUnit *u;

        fake.n_looks++;
        if (fake_is_in_a_mood(fake.on_get_all, m))
                return 1;
        assert_true(unit_name_from_path(sd_bus_message_get_path(m), name));
        u = fake_find(name) ?: &nothing;
        assert_int_equal(sd_bus_message_new_method_return(m, &reply), 0);
        assert_int_equal(sd_bus_message_open_container(reply, 'a', "{sv}"), 0);
        append_unit(reply, u);
        append_service(reply, u);
        append(reply, "t", "TimeoutStopUSec", "t", u->timeout_stop);
        assert_int_equal(sd_bus_message_close_container(reply), 0);
        return sd_bus_send(fake.peer, reply, NULL);
}

static inline int fake_on_get(sd_bus_message *m) {
        const char *property;

        assert_true(sd_bus_message_read(m, "ss", NULL, &property) > 0);
        if (streq(property, "CPUUsageNSec"))
                return sd_bus_reply_method_return(m, "v", "t", UINT64_C(7000000));
        if (streq(property, "Environment")) {
                fake.n_asked++;
                return sd_bus_reply_method_return(m, "v", "as", 3, "VAKT_CAUSE=timer",
                                                  "VAKT_SCHEDULED=2023-11-14T22:13:20.000005Z", "VAKT_PARENT_RUN=3");
        }
        if (streq(property, "NFailedUnits"))
                return sd_bus_reply_method_return(m, "v", "u", fake.n_failed);
        if (streq(property, "SystemState"))
                return sd_bus_reply_method_return(m, "v", "s", fake.system_state ?: "running");
        return fake_error(m, SD_BUS_ERROR_UNKNOWN_PROPERTY);
}

static inline int fake_on_hello(sd_bus_message *m) {
        return sd_bus_reply_method_return(m, "s", ":1.7");
}

static inline int fake_on_owner(sd_bus_message *m) {
        return sd_bus_reply_method_return(m, "s", OWNER);
}

static inline int fake_on_nothing(sd_bus_message *m) {
        return sd_bus_reply_method_return(m, NULL);
}

static inline int fake_on_call(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        static const struct {
                const char *member;
                int (*handle)(sd_bus_message *m);
        } members[] = {
                { "StartTransientUnit", fake_on_start },
                { "StartUnit", fake_on_start },
                { "StopUnit", fake_on_stop },
                { "KillUnit", fake_on_kill },
                { "ResetFailedUnit", fake_on_reset },
                { "ListUnitsByPatterns", fake_on_list },
                { "ListUnitsByNames", fake_on_list },
                { "GetAll", fake_on_get_all },
                { "Get", fake_on_get },
                { "Hello", fake_on_hello },
                { "GetNameOwner", fake_on_owner },
                { "AddMatch", fake_on_nothing },
                { "Subscribe", fake_on_nothing },
        };

        for (size_t i = 0; i < ELEMENTSOF(members); i++)
                if (sd_bus_message_is_method_call(m, NULL, members[i].member) > 0) {
                        (void)snprintf(fake.last_call, sizeof(fake.last_call), "%s", members[i].member);
                        (void)members[i].handle(m);
                        return 1;
                }
        return 0;
}

/* --- life --- */

static inline int fake_on_connection(sd_event_source *s, int fd, uint32_t events, void *userdata) {
        sd_id128_t id = SD_ID128_MAKE(1, 2, 3, 4, 5, 6, 7, 8, 9, a, b, c, d, e, f, 0);
        int peer_fd = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

        assert_true(peer_fd >= 0);
        fake.n_connections++;
        sd_bus_close_unref(fake.peer);
        assert_int_equal(sd_bus_new(&fake.peer), 0);
        assert_int_equal(sd_bus_set_fd(fake.peer, peer_fd, peer_fd), 0);
        assert_int_equal(sd_bus_set_server(fake.peer, true, id), 0);
        assert_int_equal(sd_bus_add_filter(fake.peer, NULL, fake_on_call, NULL), 0);
        assert_int_equal(sd_bus_start(fake.peer), 0);
        assert_int_equal(sd_bus_attach_event(fake.peer, fake.event, SD_EVENT_PRIORITY_NORMAL), 0);
        return 0;
}

static inline void fake_listen(void) {
        struct sockaddr_un a = { .sun_family = AF_UNIX };

        (void)snprintf(a.sun_path, sizeof(a.sun_path), "%s", fake.path);
        fake.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        assert_true(fake.listen_fd >= 0);
        assert_int_equal(bind(fake.listen_fd, (struct sockaddr *)&a, sizeof(a)), 0);
        assert_int_equal(listen(fake.listen_fd, 16), 0);
        assert_true(sd_event_add_io(fake.event, &fake.listen_source, fake.listen_fd, EPOLLIN, fake_on_connection,
                                    NULL) >= 0);
}

static inline void fake_stop_listening(void) {
        fake.listen_source = sd_event_source_disable_unref(fake.listen_source);
        fake.listen_fd = safe_close(fake.listen_fd);
        (void)unlink(fake.path);
}

static inline void fake_begin(bool is_bus) {
        fake = (Fake){ .is_bus = is_bus, .listen_fd = -EBADF, .error = SD_BUS_ERROR_NO_REPLY };
        (void)snprintf(fake.directory, sizeof(fake.directory), "/tmp/vakt-test-unit-XXXXXX");
        assert_non_null(mkdtemp(fake.directory));
        (void)snprintf(fake.path, sizeof(fake.path), "%s/private", fake.directory);
        (void)snprintf(fake.address, sizeof(fake.address), "unix:path=%s", fake.path);
        assert_int_equal(sd_event_new(&fake.event), 0);
        fake_listen();
}

static inline void fake_finish(void) {
        fake_drop();
        fake_stop_listening();
        fake.last_start = sd_bus_message_unref(fake.last_start);
        (void)rmdir(fake.directory);
        fake.event = sd_event_unref(fake.event);
}

/* Turns the loop until it holds. */
static inline void until_at(int line, bool (*holds)(void)) {
        usec_t end = now_clock(CLOCK_MONOTONIC) + DEADLINE_USEC;

        while (!holds()) {
                if (now_clock(CLOCK_MONOTONIC) > end)
                        fail_msg("line %d: not within its time; the last call was %s", line, fake.last_call);
                assert_true(sd_event_run(fake.event, 50 * USEC_PER_MSEC) >= 0);
        }
}
#define until(holds) until_at(__LINE__, holds)
