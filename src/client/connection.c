/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to the daemon. The socket is tried first because it does not depend on a bus and needs no policy;
 * Hello is sent on it as on a bus, so that one code path serves both.
 *
 * While the daemon restarts, systemd keeps the listening socket and a new connection waits in its backlog, so it is
 * enough to ask again; without socket activation the socket is missing for a moment, hence the pauses. A call that
 * changes something is sent again only if it was certainly not done: the connection was not up yet, or the daemon
 * refused it because it is shutting down.
 *
 * Queries start nothing: a daemon that an administrator has stopped stays stopped. A connection to a socket on which
 * systemd listens starts it, even from the backlog of a daemon that is just exiting, and so does a call on a bus. So
 * the service manager is asked first, if there is one, and only a call that changes something continues when the
 * daemon is stopped.
 *
 * A user who may not change anything on the socket is asked about on the system bus, if there polkit exists: a call
 * that was refused on the socket was certainly not done.
 *
 * On a bus, a call would start the daemon by itself. But if its unit fails to start, the bus is not told and waits 25
 * s for a name that does not come; so the daemon is started by a separate call (service-start.c), which asks the
 * service manager in between. */

#include <stdarg.h>
#include <systemd/sd-daemon.h>

#include "client/connection.h"
#include "client/service-start.h"
#include "util/i18n.h"
#include "util/places.h"

#define CALL_TIMEOUT    (25 * USEC_PER_SEC)
#define RETRY_FOR       (10 * USEC_PER_SEC)
#define SOCKET_TIMEOUT  (10 * USEC_PER_SEC) /* until Hello is answered: a daemon that hangs accepts no connection */
#define BUS_TIMEOUT     (5 * USEC_PER_SEC)
#define REMOTE_TIMEOUT  (60 * USEC_PER_SEC)  /* ssh may ask for a password */
#define ASKING_TIMEOUT  (150 * USEC_PER_SEC) /* longer than the daemon waits for polkit */
#define RETRY_PAUSE_MIN (10 * USEC_PER_MSEC)
#define RETRY_PAUSE_MAX (320 * USEC_PER_MSEC)

struct Connection {
        sd_bus *bus;
        const char *program;
        bool user;
        char *socket;
        bool socket_only;
        const char *host, *machine;   /* where the daemon is, or NULL */
        char *systemctl, *journalctl; /* for messages: the commands that reach its service manager and journal */
        bool bus_first;               /* the daemon has refused something on the socket */
        usec_t patience;
        bool is_interactive; /* polkit may ask, */
        void (*prepare)(void *userdata);
        void *prepare_userdata;
        bool on_socket;        /* bus is a peer-to-peer connection */
        bool answered;         /* by a daemon, at some time: it was running */
        char daemon_name[256]; /* unique name on the bus of the daemon that answered last; "" on a socket */
        int socket_error;      /* why the socket could not be used, negative */
        ServiceState service;  /* of the daemon's unit, as of the last query */
        char *unit_result;     /* how that failed, if that is why the daemon is not running; or NULL */
        ConnectionOpened opened;
        void *opened_userdata;
};

typedef enum ErrorKind {
        ERROR_FINAL,  /* the daemon has spoken */
        ERROR_ENDING, /* the daemon is shutting down: certainly not done */
        ERROR_ABSENT, /* the daemon is not running: certainly not done */
        ERROR_BROKEN, /* the connection is gone; unknown whether it was done */
} ErrorKind;

typedef struct ErrorMeaning {
        const char *name; /* D-Bus name, or NULL: use errno */
        int error;
        ErrorKind kind;
        int told; /* errno that the caller gets */
} ErrorMeaning;

static const ErrorMeaning meanings[] = {
        { VAKTD_NAME ".Error.NoSuchJob", 0, ERROR_FINAL, ENOENT },
        { VAKTD_NAME ".Error.NoSuchRun", 0, ERROR_FINAL, ENOENT },
        { VAKTD_NAME ".Error.NoSuchProbe", 0, ERROR_FINAL, ENOENT },
        { VAKTD_NAME ".Error.BadOption", 0, ERROR_FINAL, EINVAL },
        { VAKTD_NAME ".Error.AccessDenied", 0, ERROR_FINAL, EACCES },
        { VAKTD_NAME ".Error.ShuttingDown", 0, ERROR_ENDING, ESHUTDOWN },
        { SD_BUS_ERROR_ACCESS_DENIED, 0, ERROR_FINAL, EACCES },
        { SD_BUS_ERROR_AUTH_FAILED, 0, ERROR_FINAL, EACCES },
        { SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED, 0, ERROR_FINAL, EACCES },
        { SD_BUS_ERROR_UNKNOWN_METHOD, 0, ERROR_FINAL, EOPNOTSUPP },
        { SD_BUS_ERROR_SERVICE_UNKNOWN, 0, ERROR_ABSENT, EHOSTDOWN },
        { SD_BUS_ERROR_NAME_HAS_NO_OWNER, 0, ERROR_ABSENT, EHOSTDOWN },
        { "org.freedesktop.DBus.Error.Spawn.ChildExited", 0, ERROR_ABSENT, EHOSTDOWN },
        { "org.freedesktop.DBus.Error.Spawn.ChildSignaled", 0, ERROR_ABSENT, EHOSTDOWN },
        { "org.freedesktop.DBus.Error.Spawn.ExecFailed", 0, ERROR_ABSENT, EHOSTDOWN },
        { "org.freedesktop.systemd1.NoSuchUnit", 0, ERROR_ABSENT, EHOSTDOWN },
        { "org.freedesktop.systemd1.UnitMasked", 0, ERROR_ABSENT, EHOSTDOWN },
        { SD_BUS_ERROR_NO_REPLY, 0, ERROR_BROKEN, ECONNRESET },
        { SD_BUS_ERROR_DISCONNECTED, 0, ERROR_BROKEN, ECONNRESET },
        { NULL, ECONNABORTED, ERROR_FINAL, ECONNABORTED },
        { NULL, ETIMEDOUT, ERROR_FINAL, ETIMEDOUT },
        { NULL, EHOSTUNREACH, ERROR_FINAL, EHOSTDOWN },
        { NULL, EHOSTDOWN, ERROR_ABSENT, EHOSTDOWN },
        { NULL, EACCES, ERROR_FINAL, EACCES },
        { NULL, EPERM, ERROR_FINAL, EACCES },
        { NULL, EAGAIN, ERROR_BROKEN, ECONNRESET }, /* connect(2): the backlog is full */
        { NULL, ECONNRESET, ERROR_BROKEN, ECONNRESET },
        { NULL, ENOTCONN, ERROR_BROKEN, ECONNRESET },
        { NULL, EPIPE, ERROR_BROKEN, ECONNRESET },
        { NULL, ESHUTDOWN, ERROR_BROKEN, ECONNRESET },
};

static const ErrorMeaning *error_meaning(const sd_bus_error *e, int error) {
        static const ErrorMeaning other = { .kind = ERROR_FINAL, .told = EIO };

        for (size_t i = 0; i < ELEMENTSOF(meanings); i++)
                if (meanings[i].name ? e && streq_ptr(e->name, meanings[i].name) : error == -meanings[i].error)
                        return &meanings[i];
        return &other;
}

static bool is_remote(const Connection *c) {
        return c->host || c->machine;
}

/* The commands that messages name. 0 or -ENOMEM. */
static int name_commands(Connection *c) {
        _cleanup_free_ char *systemctl = NULL, *journalctl = NULL;
        const char *where = c->host ? "--host=" : c->machine ? "--machine=" : "";
        const char *name = c->host ?: strempty(c->machine), *space = is_remote(c) ? " " : "";
        const char *user = c->user ? "--user " : "";

        if (asprintf(&systemctl, "systemctl %s%s%s%s", user, where, name, space) < 0)
                systemctl = NULL;
        if ((c->host ? asprintf(&journalctl, "ssh %s journalctl ", name)
                     : asprintf(&journalctl, "journalctl %s%s%s%s", user, where, name, space)) < 0)
                journalctl = NULL;
        if (!systemctl || !journalctl)
                return -ENOMEM;
        free(c->systemctl);
        free(c->journalctl);
        c->systemctl = TAKE_PTR(systemctl);
        c->journalctl = TAKE_PTR(journalctl);
        return 0;
}

int connection_new(const char *program, bool user, const char *socket, Connection **ret) {
        _cleanup_(connection_freep) Connection *c = calloc(1, sizeof(Connection));
        int r = 0;

        if (!c)
                return -ENOMEM;
        *c = (Connection){
                .program = program,
                .user = user,
                .socket = socket ? strdup(socket) : NULL,
                .socket_only = socket,
        };
        if (!socket)
                r = places_socket(user, &c->socket);
        if (r < 0 || !c->socket || name_commands(c) < 0)
                return -ENOMEM; /* the path of a socket needs no home directory */
        *ret = TAKE_PTR(c);
        return 0;
}

int connection_set_remote(Connection *c, const char *host, const char *machine) {
        assert(!c->bus && !(host && machine));
        if (host && c->user)
                return -EOPNOTSUPP;
        c->host = host;
        c->machine = machine;
        return name_commands(c);
}

void connection_set_interaction(Connection *c, void (*prepare)(void *userdata), void *userdata) {
        c->is_interactive = prepare;
        c->prepare = prepare;
        c->prepare_userdata = userdata;
}

void connection_set_patience(Connection *c, usec_t patience) {
        c->patience = patience;
}

static void connection_drop(Connection *c) {
        c->bus = sd_bus_close_unref(c->bus);
}

Connection *connection_free(Connection *c) {
        if (!c)
                return NULL;
        c->bus = sd_bus_flush_close_unref(c->bus);
        free(c->socket);
        free(c->unit_result);
        free(c->systemctl);
        free(c->journalctl);
        return mfree(c);
}

sd_bus *connection_bus(Connection *c) {
        return c->bus;
}

/* "unix:path=…", escaped as the D-Bus specification requires for server addresses. The caller frees it; NULL: no
 * memory. */
static char *socket_address(const char *path) {
        static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_/.";
        char *address = calloc(1, strlen("unix:path=") + 3 * strlen(path) + 1), *t = address;

        if (!address)
                return NULL;
        t = stpcpy(t, "unix:path=");
        for (const char *s = path; *s; s++)
                if (strchr(plain, *s))
                        *t++ = *s;
                else
                        t += snprintf(t, sizeof("%ff"), "%%%02x", (unsigned char)*s);
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

/* Connects and waits until Hello is answered, so that a call that fails up to here was not sent. */
static int open_socket(const char *path, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *address = socket_address(path);
        int r;

        if (!address)
                return -ENOMEM;
        r = sd_bus_new(&bus);
        if (r >= 0)
                r = sd_bus_set_address(bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(bus, true);
        if (r < 0)
                return r;
        (void)sd_bus_set_description(bus, "vaktd-control");
        r = sd_bus_start(bus);
        if (r >= 0)
                r = wait_until_ready(bus, SOCKET_TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

static int open_bus(const Connection *c, sd_bus **ret) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        r = c->host      ? sd_bus_open_system_remote(&bus, c->host)
            : c->machine ? (c->user ? sd_bus_open_user_machine : sd_bus_open_system_machine)(&bus, c->machine)
            : c->user    ? sd_bus_open_user_with_description(&bus, c->program)
                         : sd_bus_open_system_with_description(&bus, c->program);
        if (r >= 0)
                r = wait_until_ready(bus, is_remote(c) ? REMOTE_TIMEOUT : BUS_TIMEOUT);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(bus);
        return 0;
}

void connection_on_open(Connection *c, ConnectionOpened opened, void *userdata) {
        c->opened = opened;
        c->opened_userdata = userdata;
}

/* Asks the service manager; true if the daemon is not running and a call that only reads would start it. */
static bool must_not_connect(Connection *c, sd_bus *bus) {
        c->unit_result = mfree(c->unit_result);
        c->service = service_state(bus, &c->unit_result);
        return c->service == SERVICE_CHANGING || (c->service > SERVICE_CHANGING && service_socket_is_armed(bus));
}

static int use_bus(Connection *c, sd_bus *bus, bool may_start) {
        c->bus = bus;
        c->on_socket = false;
        c->unit_result = may_start ? mfree(c->unit_result) : c->unit_result;
        return may_start ? service_start(c->bus, &c->service, &c->unit_result) : 0;
}

/* The bus of another machine. -EHOSTUNREACH: not from here; ssh has said why. */
static int open_remote(Connection *c, bool may_start) {
        sd_bus *bus = NULL;
        int r;

        c->service = SERVICE_UNKNOWN;
        r = open_bus(c, &bus);
        if (r >= 0)
                return use_bus(c, bus, may_start);
        c->socket_error = r;
        return r == -ENOMEM || r == -EACCES || r == -EPERM ? r : -EHOSTUNREACH;
}

/* Socket or bus. may_start: a stopped daemon is started. Errors as of connection_call(). */
static int open_door(Connection *c, bool may_start) {
        _cleanup_(sd_bus_close_unrefp) sd_bus *bus = NULL;
        int r;

        assert(!c->bus);
        if (is_remote(c))
                return open_remote(c, may_start);
        c->service = SERVICE_UNKNOWN;
        if (!c->socket_only && sd_booted() > 0 && open_bus(c, &bus) >= 0 && must_not_connect(c, bus) &&
            (!may_start || c->service == SERVICE_MASKED))
                return -EHOSTDOWN;
        if (c->bus_first && (bus || open_bus(c, &bus) >= 0))
                return use_bus(c, TAKE_PTR(bus), may_start);
        r = c->socket_error = open_socket(c->socket, &c->bus);
        c->on_socket = r >= 0;
        if (r >= 0 || error_meaning(NULL, r)->kind == ERROR_BROKEN || r == -ETIMEDOUT || r == -ENOMEM)
                return r;
        if (!c->socket_only && (bus || open_bus(c, &bus) >= 0))
                return use_bus(c, TAKE_PTR(bus), may_start);
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

const char *connection_socket(const Connection *c) {
        return c->socket;
}

bool connection_is_bus(const Connection *c) {
        return c->bus && !c->on_socket;
}

bool connection_sent_by_daemon(const Connection *c, sd_bus_message *signal) {
        return c->on_socket || streq(strempty(sd_bus_message_get_sender(signal)), c->daemon_name);
}

/* A call that polkit may have to be asked about. */
static bool may_ask(const Connection *c, const MethodCall *call) {
        return call->changes && c->is_interactive && !c->on_socket && !c->user;
}

static int call_once(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                     const char *types, va_list ap) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL, *reply = NULL;
        bool asks = may_ask(c, call);
        int r;

        assert(c->bus && !(types && call->append)); /* arguments of one kind */
        r = sd_bus_message_new_method_call(c->bus, &m, VAKTD_NAME, call->path ?: VAKTD_PATH,
                                           call->interface ?: VAKTD_MANAGER, call->member);
        if (r >= 0)
                r = sd_bus_message_set_auto_start(m, call->changes);
        if (r >= 0)
                r = sd_bus_message_set_allow_interactive_authorization(m, asks);
        if (r >= 0)
                r = types ? sd_bus_message_appendv(m, types, ap) : call->append ? call->append(m, call->userdata) : 0;
        if (r < 0)
                return r;
        if (asks && !is_remote(c))
                c->prepare(c->prepare_userdata);
        r = sd_bus_call(c->bus, m, call->timeout ?: asks ? ASKING_TIMEOUT : c->patience ?: CALL_TIMEOUT, reterr,
                        &reply);
        if (r < 0)
                return r;
        c->answered = true;
        (void)snprintf(c->daemon_name, sizeof(c->daemon_name), "%s", strempty(sd_bus_message_get_sender(reply)));
        if (ret)
                *ret = TAKE_PTR(reply);
        return 0;
}

/* A daemon that is not running may return: it was running, or is being stopped or started. */
static bool may_come(const Connection *c) {
        return c->service == SERVICE_CHANGING || (c->answered && c->service < SERVICE_CHANGING);
}

/* Whether to try again on a new connection, for a call that failed after it could be sent. */
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

/* Whether polkit may permit what the daemon has refused on its socket. */
static bool may_try_bus(Connection *c, const MethodCall *call, const sd_bus_error *e) {
        if (!call->changes || !c->on_socket || c->socket_only || c->user || c->bus_first ||
            !sd_bus_error_has_name(e, VAKTD_NAME ".Error.AccessDenied"))
                return false;
        c->bus_first = true;
        return true;
}

/* How a try failed, and whether another one makes sense. */
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
        ret_failure->again = may_send_again(c, call, kind) || may_try_bus(c, call, reterr);
        if (kind == ERROR_ABSENT)
                return -EHOSTDOWN;
        if (kind != ERROR_BROKEN || !call->changes)
                return r;
        sd_bus_error_free(reterr); /* says only that the connection was lost */
        return -ECONNABORTED;
}

/* The daemon is not running: says what the service manager reports, otherwise where we looked, and what starts it.
 * Like asprintf(3). */
static int absence_message(const Connection *c, const sd_bus_error *e, char **ret) {
        bool told = sd_bus_error_is_set(e) && !sd_bus_error_has_name(e, SD_BUS_ERROR_SERVICE_UNKNOWN) &&
                    !sd_bus_error_has_name(e, SD_BUS_ERROR_NAME_HAS_NO_OWNER);
        const char *systemctl = c->systemctl, *socket_error = strerror(abs(c->socket_error));

        switch (c->service) {
        case SERVICE_UNKNOWN:
        case SERVICE_UP:
                break;
        case SERVICE_CHANGING:
                return asprintf(ret,
                                _("vaktd is being stopped or started and does not reply yet; see '%sstatus vaktd'."),
                                systemctl);
        case SERVICE_STOPPED:
                return asprintf(ret, _("vaktd is stopped; start it with '%sstart vaktd'."), systemctl);
        case SERVICE_MASKED:
                return asprintf(ret,
                                _("vaktd is stopped and masked; use '%sunmask vaktd.service', then start it with "
                                  "'%sstart vaktd'."),
                                systemctl, systemctl);
        case SERVICE_FAILED:
                return asprintf(ret,
                                _("vaktd.service has failed (%s); see '%s-u vaktd' for the reason, then use "
                                  "'%sreset-failed vaktd.service vaktd.socket' and '%sstart vaktd.socket "
                                  "vaktd.service'."),
                                strempty(c->unit_result), c->journalctl, systemctl, systemctl);
        }
        if (c->socket_only)
                return asprintf(
                        ret,
                        _("vaktd does not answer at %s (%s); start it with 'vaktd --socket=%s', or specify another "
                          "socket."),
                        c->socket, socket_error, c->socket);
        if (is_remote(c))
                return asprintf(ret,
                                _("vaktd does not answer on the %s bus of %s%s%s; start it with '%sstart vaktd'."),
                                c->user ? _("user") : _("system"), c->host ?: c->machine, told ? ": " : "",
                                told ? strempty(e->message) : "", systemctl);
        return asprintf(ret,
                        _("vaktd does not answer at %s (%s) or on the %s bus%s%s; start it with '%sstart vaktd'."),
                        c->socket, socket_error, c->user ? _("user") : _("system"), told ? ": " : "",
                        told ? strempty(e->message) : "", systemctl);
}

int connection_no_memory(sd_bus_error *reterr) {
        (void)sd_bus_error_set_const(reterr, SD_BUS_ERROR_NO_MEMORY, _("Out of memory."));
        return -ENOMEM;
}

int connection_bad_answer(const Connection *c, const MethodCall *call, int error, sd_bus_error *reterr) {
        if (error == -ENOMEM)
                return connection_no_memory(reterr);
        (void)sd_bus_error_setf(reterr, SD_BUS_ERROR_INCONSISTENT_MESSAGE,
                                _("Cannot read vaktd's reply to %s (%s): %s and vaktd have different versions; "
                                  "restart vaktd."),
                                call->member, strerror(abs(error)), c->program);
        return -EBADMSG;
}

/* Describes how a call failed, and returns the error for the caller. */
static int fail(const Connection *c, const MethodCall *call, const sd_bus_error *e, int error, sd_bus_error *reterr) {
        const char *why = e->message ?: strerror(abs(error));
        bool by_daemon = startswith(strempty(e->name), VAKTD_NAME);
        int told = error_meaning(e, error)->told, n;
        _cleanup_free_ char *message = NULL;

        if (error == -EHOSTDOWN)
                n = absence_message(c, e, &message);
        else if (error == -EHOSTUNREACH)
                n = asprintf(&message, _("Cannot connect to the %s bus of %s: %s%s."),
                             c->user ? _("user") : _("system"), c->host ?: c->machine, strerror(abs(c->socket_error)),
                             c->machine ? _("; see 'machinectl list'") : "");
        else if (error == -ECONNABORTED)
                n = asprintf(
                        &message,
                        _("The connection to vaktd was lost before it answered %s: it is not known whether this was "
                          "done, and the call was not sent again."),
                        call->member);
        else if (error == -ETIMEDOUT)
                n = asprintf(&message, _("vaktd did not answer %s in time; see '%sstatus vaktd' and '%s-u vaktd'."),
                             call->member, c->systemctl, c->journalctl);
        else if (told == EOPNOTSUPP)
                n = asprintf(&message,
                             _("The running vaktd does not support %s, because it is older than %s; restart it with "
                               "'%srestart vaktd'."),
                             call->member, c->program, c->systemctl);
        else if (told == EACCES && !by_daemon &&
                 !sd_bus_error_has_name(e, SD_BUS_ERROR_INTERACTIVE_AUTHORIZATION_REQUIRED))
                n = asprintf(&message,
                             _("Permission denied (%s): run this as root, or as the user that vaktd runs as."), why);
        else if (told == ECONNRESET)
                n = asprintf(&message, _("The connection to vaktd is lost each time (%s); see '%s-u vaktd'."), why,
                             c->journalctl);
        else
                n = error == -ENOMEM && !e->name ? -1 : asprintf(&message, "%s", why);
        if (n < 0) {
                message = NULL;
                return connection_no_memory(reterr);
        }
        (void)sd_bus_error_setf(reterr, e->name ?: SD_BUS_ERROR_FAILED, "%s", message);
        return -told;
}

int connection_callv(Connection *c, const MethodCall *call, sd_bus_error *reterr, sd_bus_message **ret,
                     const char *types, va_list ap) {
        usec_t deadline = now_clock(CLOCK_MONOTONIC) + (c->patience ?: RETRY_FOR);

        for (usec_t pause = RETRY_PAUSE_MIN;; pause = MIN(2 * pause, RETRY_PAUSE_MAX)) {
                _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
                Failure failure = { ERROR_FINAL, false };
                va_list copy;
                int r;

                va_copy(copy, ap);
                r = try_call(c, call, &error, ret, types, copy, &failure);
                va_end(copy);
                if (r >= 0)
                        return r;
                if (failure.again || failure.kind == ERROR_BROKEN)
                        connection_drop(c); /* on a bus as well: the socket comes first */
                if (!failure.again || call->once || now_clock(CLOCK_MONOTONIC) + pause > deadline)
                        return fail(c, call, &error, r, reterr);
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
