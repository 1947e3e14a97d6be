/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The way to the daemon. The socket comes first because it is there without any bus and needs no policy; Hello is said
 * on it, as on a bus, so that one code path serves both.
 *
 * While the daemon restarts, systemd keeps the listening socket and a new connection waits in its backlog, so asking
 * again is all it takes; without socket activation the socket is missing for a moment, hence the pauses. A call that
 * changes something is sent again only when it surely was not done: the connection was not up yet, or the daemon
 * refused it because it is ending.
 *
 * Looking starts nothing: a daemon that an administrator has stopped stays so. A connection to a socket on which
 * systemd listens starts it, be it in the backlog of a daemon that is just ending, and so does a call on a bus. So the
 * service manager is asked first, when there is one, and only a call that changes something goes on when the daemon is
 * stopped.
 *
 * On a bus a call would start the daemon by itself. But when its unit fails to start, nobody tells the bus, which
 * waits 25 s for a name that will not come; so the daemon is started by a call of its own (service-start.c), which
 * asks the service manager in between. */

#include <stdarg.h>
#include <stdio.h>
#include <systemd/sd-daemon.h>

#include "client/connection.h"
#include "client/service-start.h"
#include "ctl/alloc.h"
#include "util/places.h"

#define CALL_TIMEOUT    (25 * USEC_PER_SEC)
#define RETRY_FOR       (10 * USEC_PER_SEC)
#define SOCKET_TIMEOUT  (10 * USEC_PER_SEC) /* until Hello is answered: a daemon that hangs accepts nobody */
#define BUS_TIMEOUT     (5 * USEC_PER_SEC)
#define RETRY_PAUSE_MIN (10 * USEC_PER_MSEC)
#define RETRY_PAUSE_MAX (320 * USEC_PER_MSEC)

struct Connection {
        sd_bus *bus;
        bool user;
        char *socket;
        bool socket_only;
        bool on_socket;       /* bus is a peer-to-peer connection */
        bool answered;        /* by a daemon, at some time: it was there */
        char *daemon_name;    /* unique name on the bus of who answered last */
        int socket_error;     /* why the socket could not be used, negative */
        ServiceState service; /* of the daemon's unit, when it was last asked for */
        char *unit_result;    /* how that failed, where that is why nobody is there; or NULL */
        ConnectionOpened opened;
        void *opened_userdata;
};

typedef enum ErrorKind {
        ERROR_FINAL,  /* the daemon has spoken */
        ERROR_ENDING, /* the daemon ends: surely not done */
        ERROR_ABSENT, /* nobody is there: surely not done */
        ERROR_BROKEN, /* the connection is gone; done or not is not known */
} ErrorKind;

typedef struct ErrorMeaning {
        const char *name; /* D-Bus name, or NULL: goes by errno */
        int error;
        ErrorKind kind;
        ExitCode exit_code;
} ErrorMeaning;

static const ErrorMeaning meanings[] = {
        { VAKTD_NAME ".Error.NoSuchJob", 0, ERROR_FINAL, CTL_NO_SUCH_JOB },
        { VAKTD_NAME ".Error.NoSuchRun", 0, ERROR_FINAL, CTL_NO_SUCH_JOB },
        { VAKTD_NAME ".Error.InvalidJob", 0, ERROR_FINAL, CTL_FAILED },
        { VAKTD_NAME ".Error.JobDisabled", 0, ERROR_FINAL, CTL_FAILED },
        { VAKTD_NAME ".Error.Busy", 0, ERROR_FINAL, CTL_FAILED },
        { VAKTD_NAME ".Error.LimitReached", 0, ERROR_FINAL, CTL_FAILED },
        { VAKTD_NAME ".Error.BadOption", 0, ERROR_FINAL, CTL_USAGE },
        { VAKTD_NAME ".Error.AccessDenied", 0, ERROR_FINAL, CTL_NOT_PERMITTED },
        { VAKTD_NAME ".Error.ShuttingDown", 0, ERROR_ENDING, CTL_NO_DAEMON },
        { SD_BUS_ERROR_ACCESS_DENIED, 0, ERROR_FINAL, CTL_NOT_PERMITTED },
        { SD_BUS_ERROR_AUTH_FAILED, 0, ERROR_FINAL, CTL_NOT_PERMITTED },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, 0, ERROR_FINAL, CTL_NOT_PERMITTED },
        { SD_BUS_ERROR_SERVICE_UNKNOWN, 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { "org.freedesktop.DBus.Error.Spawn.ChildExited", 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { "org.freedesktop.DBus.Error.Spawn.ChildSignaled", 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { "org.freedesktop.DBus.Error.Spawn.ExecFailed", 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { "org.freedesktop.systemd1.NoSuchUnit", 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { "org.freedesktop.systemd1.UnitMasked", 0, ERROR_ABSENT, CTL_NO_DAEMON },
        { SD_BUS_ERROR_NO_REPLY, 0, ERROR_BROKEN, CTL_NO_DAEMON },
        { SD_BUS_ERROR_DISCONNECTED, 0, ERROR_BROKEN, CTL_NO_DAEMON },
        { NULL, ECONNABORTED, ERROR_FINAL, CTL_FAILED },
        { NULL, EHOSTDOWN, ERROR_ABSENT, CTL_NO_DAEMON },
        { NULL, EACCES, ERROR_FINAL, CTL_NOT_PERMITTED },
        { NULL, EPERM, ERROR_FINAL, CTL_NOT_PERMITTED },
        { NULL, EAGAIN, ERROR_BROKEN, CTL_NO_DAEMON }, /* connect(2): the backlog is full */
        { NULL, ECONNRESET, ERROR_BROKEN, CTL_NO_DAEMON },
        { NULL, ENOTCONN, ERROR_BROKEN, CTL_NO_DAEMON },
        { NULL, EPIPE, ERROR_BROKEN, CTL_NO_DAEMON },
        { NULL, ESHUTDOWN, ERROR_BROKEN, CTL_NO_DAEMON },
};

static const ErrorMeaning *error_meaning(const sd_bus_error *e, int error) {
        static const ErrorMeaning other = { .kind = ERROR_FINAL, .exit_code = CTL_FAILED };

        for (size_t i = 0; i < ELEMENTSOF(meanings); i++)
                if (meanings[i].name ? e && streq_ptr(e->name, meanings[i].name) : error == -meanings[i].error)
                        return &meanings[i];
        return &other;
}

ExitCode exit_code_from_error(const sd_bus_error *e, int error) {
        return error_meaning(e, error)->exit_code;
}

static char *default_socket(bool user) {
        char *path;

        if (places_socket(user, &path) < 0)
                alloc_failed();
        return path;
}

Connection *connection_new(bool user, const char *socket) {
        Connection *c = alloc_array(NULL, 1, sizeof(Connection));

        *c = (Connection){
                .user = user,
                .socket = socket ? alloc_string(socket) : default_socket(user),
                .socket_only = socket,
        };
        return c;
}

static void connection_drop(Connection *c) {
        c->bus = sd_bus_close_unref(c->bus);
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        c->bus = sd_bus_flush_close_unref(c->bus);
        free(c->socket);
        free(c->daemon_name);
        free(c->unit_result);
        return mfree(c);
}

sd_bus *connection_bus(Connection *c) {
        return c->bus;
}

/* "unix:path=…", escaped as the D-Bus specification says for server addresses. */
static char *socket_address(const char *path) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/.";
        char *address = alloc_array(NULL, strlen("unix:path=") + 3 * strlen(path) + 1, 1);
        char *t = stpcpy(address, "unix:path=");

        for (const char *s = path; *s; s++)
                if (strchr(plain, *s))
                        *t++ = *s;
                else
                        t += sprintf(t, "%%%02x", (unsigned char)*s);
        *t = '\0';
        return address;
}

/* Waits until Hello is answered. -ETIMEDOUT. */
static int wait_until_ready(sd_bus *bus, usec_t timeout) {
        usec_t deadline = now_clock(CLOCK_MONOTONIC) + timeout;

        for (;;) {
                usec_t now = now_clock(CLOCK_MONOTONIC);
                int r = sd_bus_is_ready(bus);

                if (r != 0)
                        return MIN(r, 0);
                r = sd_bus_process(bus, NULL);
                if (r == 0 && now >= deadline)
                        r = -ETIMEDOUT;
                if (r == 0)
                        r = sd_bus_wait(bus, deadline - now);
                if (r < 0 && r != -EINTR)
                        return r;
        }
}

/* Connects and waits until Hello is answered, so that whatever fails up to here was not sent. */
static int open_socket(const char *path, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = socket_address(path);
        int r;

        r = sd_bus_new(&bus);
        if (r < 0)
                return r;
        r = sd_bus_set_address(bus, address);
        if (r < 0)
                return r;
        r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        (void)sd_bus_set_description(bus, "vaktd-control");
        r = sd_bus_start(bus);
        if (r < 0)
                return r;
        r = wait_until_ready(bus, SOCKET_TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int open_bus(bool user, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = user ? sd_bus_open_user_with_description(&bus, "vaktctl")
                 : sd_bus_open_system_with_description(&bus, "vaktctl");
        if (r >= 0)
                r = wait_until_ready(bus, BUS_TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

void connection_on_open(Connection *c, ConnectionOpened opened, void *userdata) {
        c->opened = opened;
        c->opened_userdata = userdata;
}

/* Asks the service manager; true when nobody is there whom a call that only reads could ask without starting him. */
static bool must_not_connect(Connection *c, sd_bus *bus) {
        c->unit_result = mfree(c->unit_result);
        c->service = service_state(bus, &c->unit_result);
        return c->service == SERVICE_CHANGING || (c->service > SERVICE_CHANGING && service_socket_is_armed(bus));
}

/* Socket or bus. may_start: a daemon that is stopped is started. Errors as connection_call() returns them. */
static int open_door(Connection *c, bool may_start) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        c->service = SERVICE_UNKNOWN;
        if (!c->socket_only && sd_booted() > 0 && open_bus(c->user, &bus) >= 0 && must_not_connect(c, bus) &&
            (!may_start || c->service == SERVICE_MASKED))
                return -EHOSTDOWN;
        r = c->socket_error = open_socket(c->socket, &c->bus);
        c->on_socket = r >= 0;
        if (r >= 0 || error_meaning(NULL, r)->kind == ERROR_BROKEN || r == -ETIMEDOUT)
                return r;
        if (!c->socket_only && (bus || open_bus(c->user, &bus) >= 0)) {
                c->bus = TAKE_PTR(bus);
                c->unit_result = may_start ? mfree(c->unit_result) : c->unit_result;
                return may_start ? service_start(c->bus, &c->service, &c->unit_result) : 0;
        }
        if (r == -EACCES || r == -EPERM)
                return -EACCES;
        return -EHOSTDOWN;
}

static int connection_open(Connection *c, bool may_start) {
        int r;

        if (c->bus)
                return 0;
        r = open_door(c, may_start);
        if (r >= 0 && c->opened)
                r = c->opened(c->bus, c->opened_userdata);
        if (r < 0)
                connection_drop(c);
        return r < 0 ? r : 0;
}

static void remember_daemon(Connection *c, sd_bus_message *reply) {
        const char *sender = sd_bus_message_get_sender(reply);

        c->answered = true;
        if (streq_ptr(sender, c->daemon_name))
                return;
        free(c->daemon_name);
        c->daemon_name = sender ? alloc_string(sender) : NULL;
}

bool connection_is_bus(const Connection *c) {
        return c->bus && !c->on_socket;
}

bool connection_sent_by_daemon(const Connection *c, sd_bus_message *signal) {
        return c->on_socket || streq_ptr(sd_bus_message_get_sender(signal), c->daemon_name);
}

static int call_once(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                     const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        int r;

        r = sd_bus_message_new_method_call(c->bus, &m, VAKTD_NAME, call->path ?: VAKTD_PATH,
                                           call->interface ?: VAKTD_MANAGER, call->member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, call->changes);
        if (r < 0)
                return r;
        r = types ? sd_bus_message_appendv(m, types, ap) : call->append ? call->append(m, call->userdata) : 0;
        if (r < 0)
                return r;
        r = sd_bus_call(c->bus, m, call->timeout ?: CALL_TIMEOUT, reterr, &reply);
        if (r < 0)
                return r;
        remember_daemon(c, reply);
        if (ret)
                *ret = TAKE_PTR(reply);
        return 0;
}

/* A daemon that is not there may come: it was there, or is being stopped or started. */
static bool may_come(const Connection *c) {
        return c->service == SERVICE_CHANGING || (c->answered && c->service < SERVICE_CHANGING);
}

/* Whether to ask once more on a new connection, for a call that failed after it could be sent. */
static bool may_send_again(Connection *c, const MethodCall *call, ErrorKind kind) {
        switch (kind) {
        case ERROR_FINAL:
                return false;
        case ERROR_ENDING:
                return true;
        case ERROR_ABSENT:
                c->unit_result = mfree(c->unit_result);
                c->service = connection_is_bus(c) ? service_state(c->bus, &c->unit_result) : SERVICE_UNKNOWN;
                return may_come(c);
        case ERROR_BROKEN:
                return !call->changes;
        }
        return false;
}

/* How a try failed, and whether another one is worth while. */
typedef struct Failure {
        ErrorKind kind;
        bool again;
} Failure;

/* Opens the connection and calls. */
static int try_call(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                    const char *types, va_list ap, Failure *ret_failure) {
        ErrorKind kind;
        int r;

        r = connection_open(c, call->changes);
        if (r < 0) { /* nothing was sent */
                kind = error_meaning(NULL, r)->kind;
                ret_failure->kind = kind;
                ret_failure->again = kind == ERROR_BROKEN || (kind == ERROR_ABSENT && may_come(c));
                return r;
        }
        r = call_once(c, call, reterr, ret, types, ap);
        if (r >= 0)
                return r;
        kind = error_meaning(reterr, r)->kind;
        ret_failure->kind = kind;
        ret_failure->again = may_send_again(c, call, kind);
        if (kind == ERROR_ABSENT)
                return -EHOSTDOWN;
        if (kind != ERROR_BROKEN || !call->changes)
                return r;
        sd_bus_error_free(reterr); /* says no more than that it broke */
        return -ECONNABORTED;
}

int connection_callv(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                     const char *types, va_list ap) {
        usec_t deadline = now_clock(CLOCK_MONOTONIC) + RETRY_FOR;

        for (usec_t pause = RETRY_PAUSE_MIN;; pause = MIN(2 * pause, RETRY_PAUSE_MAX)) {
                Failure failure = { ERROR_FINAL, false };
                va_list copy;
                int r;

                va_copy(copy, ap);
                r = try_call(c, call, reterr, ret, types, copy, &failure);
                va_end(copy);
                if (r >= 0 || !failure.again || call->once || now_clock(CLOCK_MONOTONIC) + pause > deadline)
                        return r;
                sd_bus_error_free(reterr);
                connection_drop(c); /* of a bus as well: the socket comes first */
                (void)usleep((useconds_t)pause);
        }
}

int connection_call(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                    const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = connection_callv(c, call, reterr, ret, types, ap);
        va_end(ap);
        return r;
}

ServiceState connection_service_state(const Connection *c) {
        return c->service;
}

const char *connection_unit_result(const Connection *c) {
        return c->unit_result;
}

char *connection_places(const Connection *c) {
        _cleanup_free_ char *at = alloc_format("at %s (%s)", c->socket, strerror(abs(c->socket_error)));

        if (c->socket_only)
                return TAKE_PTR(at);
        return alloc_format("%s or on the %s bus", at, c->user ? "user" : "system");
}
