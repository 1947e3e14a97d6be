/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The private socket is faster than the bus by a third, does not depend on dbus-daemon, and is closed when the manager
 * re-executes itself, which tells us to compare. Root may use it, and a user that of their own manager; otherwise
 * vaktd uses the bus.
 *
 * On the bus, anybody may send us something that looks like a signal of the manager, so the sender is compared with
 * the owner of its name. When the owner changes, calls to the old one are void, as if the connection had been lost.
 *
 * Nothing here blocks: connecting, authentication and the calls that subscribe to the manager continue while the loop
 * runs, and sd-bus queues calls that are made meanwhile. */

#include "systemd/unit-connection.h"

#include "systemd/unit-name.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/turn.h"

#define RETRY_MIN    (50 * USEC_PER_MSEC)
#define RETRY_MAX    (10 * USEC_PER_SEC)
#define RETRY_SAY    (1 * USEC_PER_SEC)  /* a pause that is long enough for a line in the log */
#define CALL_TIMEOUT (60 * USEC_PER_SEC) /* a manager that reloads thousands of units is slow */

#define MANAGER_NAME   "org.freedesktop.systemd1"
#define PROPERTIES     "org.freedesktop.DBus.Properties"
#define BUS_DRIVER     "org.freedesktop.DBus"
#define BUS_OBJECT     "/org/freedesktop/DBus"
#define SYSTEM_PRIVATE "unix:path=/run/systemd/private"

struct UnitConnection {
        sd_event *event;
        UnitConnectionOptions options;
        char *address; /* options.address */
        const UnitConnectionHandler *handler;
        void *userdata;
        sd_bus *bus; /* NULL while closed */
        bool on_bus; /* that is a message bus, not the manager itself */
        char *owner; /* on a bus: unique name of the manager; NULL = not known (yet) */
        bool had_private;
        bool complained;
        int error;
        usec_t retry;
        sd_event_source *reopen; /* timer */
        sd_event_source *broken; /* deferred */
};

static void connection_drop(UnitConnection *c) {
        c->owner = mfree(c->owner);
        c->bus = sd_bus_close_unref(c->bus);
}

void unit_connection_break(UnitConnection *c, int error) {
        if (!c->bus)
                return;
        assert(error < 0);
        c->error = error;
        (void)sd_event_source_set_enabled(c->broken, SD_EVENT_ONESHOT);
}

/* --- signals --- */

static void tell_properties_changed(UnitConnection *c, sd_bus_message *m) {
        char unit[UNIT_NAME_MAX + 1];
        const char *interface, *path = strempty(sd_bus_message_get_path(m));

        if (sd_bus_message_read_basic(m, 's', &interface) <= 0)
                return;
        if (streq(path, MANAGER_OBJECT) && streq(interface, MANAGER_INTERFACE) && c->handler->manager_changed)
                c->handler->manager_changed(c->userdata, m);
        if (!unit_name_from_path(path, unit))
                return;
        c->handler->properties_changed(c->userdata, unit, streq(interface, "org.freedesktop.systemd1.Unit"), m);
}

static void tell_job_removed(UnitConnection *c, sd_bus_message *m) {
        const char *unit, *result;
        uint32_t job;

        if (sd_bus_message_read(m, "uoss", &job, NULL, &unit, &result) > 0)
                c->handler->job_removed(c->userdata, unit, job, result);
}

static void tell_unit_removed(UnitConnection *c, sd_bus_message *m) {
        const char *unit;

        if (sd_bus_message_read(m, "so", &unit, NULL) > 0)
                c->handler->unit_removed(c->userdata, unit);
}

static void tell_unit_new(UnitConnection *c, sd_bus_message *m) {
        const char *unit;

        if (c->handler->unit_new && sd_bus_message_read(m, "so", &unit, NULL) > 0)
                c->handler->unit_new(c->userdata, unit);
}

static void tell_reloading(UnitConnection *c, sd_bus_message *m) {
        int begins;

        if (sd_bus_message_read(m, "b", &begins) > 0)
                c->handler->reloading(c->userdata, begins);
}

static const struct {
        const char *interface, *member;
        void (*tell)(UnitConnection *c, sd_bus_message *m);
} signals[] = {
        { PROPERTIES, "PropertiesChanged", tell_properties_changed },
        { MANAGER_INTERFACE, "JobRemoved", tell_job_removed },
        { MANAGER_INTERFACE, "UnitNew", tell_unit_new },
        { MANAGER_INTERFACE, "UnitRemoved", tell_unit_removed },
        { MANAGER_INTERFACE, "Reloading", tell_reloading },
};

static int on_signal(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        UnitConnection *c = userdata;

        if (c->on_bus && !streq_ptr(sd_bus_message_get_sender(m), c->owner))
                return 0;
        for (size_t i = 0; i < ELEMENTSOF(signals); i++)
                if (sd_bus_message_is_signal(m, signals[i].interface, signals[i].member) > 0) {
                        signals[i].tell(c, m);
                        break;
                }
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        unit_connection_break(userdata, -ECONNRESET);
        return 0;
}

/* --- calls --- */

int unit_connection_new_call(UnitConnection *c, sd_bus_message **ret, const char *object, const char *interface,
                             const char *member, const char *types, ...) {
        va_list ap;
        int r;

        if (!c->bus)
                return -ENOTCONN;
        r = sd_bus_message_new_method_call(c->bus, ret, MANAGER_NAME, object, interface, member);
        /* There is nothing to activate: a manager that is not on the bus is about to return. */
        if (r >= 0)
                r = sd_bus_message_set_auto_start(*ret, false);
        va_start(ap, types);
        if (r >= 0 && types)
                r = sd_bus_message_appendv(*ret, types, ap);
        va_end(ap);
        return r;
}

int unit_connection_call(UnitConnection *c, sd_bus_slot **ret, sd_bus_message *m, sd_bus_message_handler_t handler,
                         void *userdata) {
        return c->bus ? sd_bus_call_async(c->bus, ret, m, handler, userdata, CALL_TIMEOUT) : -ENOTCONN;
}

void unit_connection_proved(UnitConnection *c) {
        c->retry = RETRY_MIN;
        if (c->complained)
                log_notice("The service manager answers again.");
        c->complained = false;
}

/* --- a manager on a bus --- */

static int set_owner(UnitConnection *c, const char *owner) {
        char *copy = strdup(owner);

        assert(c->on_bus); /* the manager itself has no owner */
        if (!copy)
                return -ENOMEM;
        free(c->owner);
        c->owner = copy;
        return 0;
}

static int ask_for_signals(UnitConnection *c) {
        return sd_bus_call_method_async(c->bus, NULL, MANAGER_NAME, MANAGER_OBJECT, MANAGER_INTERFACE, "Subscribe",
                                        NULL, NULL, NULL);
}

static int on_owner(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        UnitConnection *c = userdata;
        const char *owner;
        int r;

        r = -sd_bus_message_get_errno(m);
        if (r == 0)
                r = sd_bus_message_read(m, "s", &owner);
        if (r >= 0)
                r = set_owner(c, owner);
        if (r < 0)
                unit_connection_break(c, r);
        return 0;
}

static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        UnitConnection *c = userdata;
        const char *name, *owner;
        int r;

        if (!streq_ptr(sd_bus_message_get_sender(m), BUS_DRIVER) ||
            sd_bus_message_read(m, "sss", &name, NULL, &owner) <= 0 || !streq(name, MANAGER_NAME) || isempty(owner))
                return 0;
        c->handler->closed(c->userdata);
        r = set_owner(c, owner);
        if (r >= 0)
                r = ask_for_signals(c);
        if (r < 0)
                unit_connection_break(c, r);
        else
                c->handler->opened(c->userdata);
        return 0;
}

/* The bus processes these in order, so that the owner is known before its first signal arrives. */
static int connection_set_up_bus(UnitConnection *c) {
        int r;

        r = sd_bus_add_match_async(c->bus, NULL,
                                   "type='signal',sender='" BUS_DRIVER "',path='" BUS_OBJECT "',interface='" BUS_DRIVER
                                   "',member='NameOwnerChanged',arg0='" MANAGER_NAME "'",
                                   on_owner_changed, NULL, c);
        if (r >= 0)
                r = sd_bus_add_match_async(
                        c->bus, NULL, "type='signal',sender='" MANAGER_NAME "',path_namespace='" MANAGER_OBJECT "'",
                        on_signal, NULL, c);
        if (r >= 0)
                r = sd_bus_call_method_async(c->bus, NULL, BUS_DRIVER, BUS_OBJECT, BUS_DRIVER, "GetNameOwner",
                                             on_owner, c, "s", MANAGER_NAME);
        return r < 0 ? r : ask_for_signals(c);
}

/* --- opening --- */

static int connection_set_up(UnitConnection *c) {
        int r;

        r = sd_bus_set_exit_on_disconnect(c->bus, false);
        if (r >= 0)
                r = sd_bus_match_signal_async(c->bus, NULL, "org.freedesktop.DBus.Local",
                                              "/org/freedesktop/DBus/Local", "org.freedesktop.DBus.Local",
                                              "Disconnected", on_disconnected, NULL, c);
        if (r < 0)
                return r;
        if (c->on_bus)
                r = connection_set_up_bus(c);
        else /* the manager sends all its signals to such a peer, unasked */
                r = sd_bus_add_match(c->bus, NULL, "type='signal',path_namespace='" MANAGER_OBJECT "'", on_signal, c);
        if (r >= 0)
                r = sd_bus_attach_event(c->bus, c->event, SD_EVENT_PRIORITY_NORMAL);
        return r < 0 ? r : sd_bus_set_close_on_exit(c->bus, false);
}

static int connection_start(UnitConnection *c, const char *address, bool is_bus) {
        int r;

        r = sd_bus_new(&c->bus);
        if (r >= 0)
                r = sd_bus_set_description(c->bus, "service-manager");
        if (r >= 0)
                r = sd_bus_set_address(c->bus, address);
        if (r >= 0)
                r = sd_bus_set_bus_client(c->bus, is_bus);
        return r < 0 ? r : sd_bus_start(c->bus);
}

static int connection_start_private(UnitConnection *c) {
        _cleanup_free_ char *address = NULL;
        const char *directory;

        if (!c->options.user_instance)
                return connection_start(c, SYSTEM_PRIVATE, /* is_bus= */ false);
        directory = getenv("XDG_RUNTIME_DIR");
        /* Such a character would have to be escaped in an address; no real directory has one. */
        if (isempty(directory) || strpbrk(directory, ",;=%"))
                return -ENOENT;
        if (string_format(&address, "unix:path=%s/systemd/private", directory) < 0)
                return -ENOMEM;
        return connection_start(c, address, /* is_bus= */ false);
}

static int connection_connect(UnitConnection *c) {
        int r;

        assert(!c->bus && !c->owner);
        if (c->address) {
                c->on_bus = c->options.is_bus;
                return connection_start(c, c->address, c->on_bus);
        }
        c->on_bus = false;
        r = connection_start_private(c);
        if (r >= 0)
                c->had_private = true;
        /* A socket that existed before is only gone for the moment in which the manager re-executes itself. */
        if (r != -EACCES && r != -EPERM && (r != -ENOENT || c->had_private))
                return r;
        connection_drop(c);
        c->on_bus = true;
        return (c->options.user_instance ? sd_bus_open_user_with_description
                                         : sd_bus_open_system_with_description)(&c->bus, "service-manager");
}

static void connection_retry_later(UnitConnection *c) {
        int r;

        assert(!c->bus && c->retry >= RETRY_MIN && c->retry <= RETRY_MAX);
        r = sd_event_source_set_time_relative(c->reopen, c->retry);
        if (r >= 0)
                r = sd_event_source_set_enabled(c->reopen, SD_EVENT_ONESHOT);
        if (r < 0)
                log_error_errno(r, "Cannot wait for the service manager to return: %m");
        c->retry = MIN(c->retry * 2, RETRY_MAX);
}

static void connection_failed(UnitConnection *c, int error) {
        if (c->retry < RETRY_SAY || c->complained || c->options.is_quiet)
                log_debug_errno(error, "No connection to the service manager, trying again: %m");
        else {
                c->complained = true;
                log_warning_errno(error, "The service manager cannot be reached: %m. Runs continue, but no run is "
                                         "started, and no end of "
                                         "a run is noticed, until the connection is back; vaktd keeps trying.");
        }
        connection_drop(c);
        connection_retry_later(c);
}

static int on_reopen(sd_event_source *s, uint64_t usec, void *userdata) {
        UnitConnection *c = userdata;
        int r;

        if (c->bus)
                return 0;
        r = connection_connect(c);
        if (r >= 0)
                r = connection_set_up(c);
        if (r < 0)
                connection_failed(c, r);
        else
                c->handler->opened(c->userdata);
        return 0;
}

static int on_broken(sd_event_source *s, void *userdata) {
        UnitConnection *c = userdata;

        if (!c->bus)
                return 0;
        c->handler->closed(c->userdata);
        connection_failed(c, c->error);
        return 0;
}

/* --- life --- */

void unit_connection_open(UnitConnection *c) {
        int enabled = SD_EVENT_OFF;

        if (c->bus || (sd_event_source_get_enabled(c->reopen, &enabled) >= 0 && enabled != SD_EVENT_OFF))
                return;
        (void)sd_event_source_set_time_relative(c->reopen, 0);
        (void)sd_event_source_set_enabled(c->reopen, SD_EVENT_ONESHOT);
}

void unit_connection_close(UnitConnection *c) {
        (void)sd_event_source_set_enabled(c->reopen, SD_EVENT_OFF);
        (void)sd_event_source_set_enabled(c->broken, SD_EVENT_OFF);
        connection_drop(c);
}

int unit_connection_new(UnitConnection **ret, sd_event *event, const UnitConnectionOptions *options,
                        const UnitConnectionHandler *handler, void *userdata) {
        _cleanup_(unit_connection_freep) UnitConnection *c = NULL;
        int r;

        assert(ret);

        c = malloc(sizeof(*c));
        if (!c)
                return -ENOMEM;
        *c = (UnitConnection){
                .event = sd_event_ref(event),
                .options = *options,
                .handler = handler,
                .userdata = userdata,
                .retry = RETRY_MIN,
        };
        if (options->address) {
                c->address = strdup(options->address);
                if (!c->address)
                        return -ENOMEM;
        }
        r = event_add_deferred(event, &c->broken, "service-manager-broken", on_broken, c);
        if (r >= 0)
                r = event_add_timer(event, &c->reopen, "service-manager-reopen", CLOCK_MONOTONIC, USEC_PER_MSEC,
                                    on_reopen, c);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

UnitConnection *unit_connection_free(UnitConnection *c) {
        if (!c)
                return NULL;
        connection_drop(c);
        sd_event_source_disable_unref(c->reopen);
        sd_event_source_disable_unref(c->broken);
        sd_event_unref(c->event);
        free(c->address);
        return mfree(c);
}
