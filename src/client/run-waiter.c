/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Waits for the end of a run. Signals only say when to look: the result of the run is read from its object, which also
 * covers a run that was refused or ended at once. When the connection is lost, a new one is made and the object is
 * queried again; a daemon that does not know the run any more (or has used its number for another one) is assumed to
 * have forgotten it. */

#include "client/run-waiter.h"

#include "client/connection-end.h"
#include "util/i18n.h"

struct RunWaiter {
        Connection *connection;
        RunWaiterOptions options;
        sd_event *event;
        ConnectionEnd end; /* of the connection whose signals we have subscribed to */
        sd_bus_slot *finished_slot, *output_slot, *changed_slot;

        uint64_t id; /* 0: not known yet */
        char *object;
        usec_t requested;         /* distinguishes a run from another one with the same number */
        sd_bus_message *finished; /* the signal that told the end */
        bool changed;             /* the object is to be looked at */
        bool broken;              /* the connection is gone */
};

static void unsubscribe(RunWaiter *w) {
        w->finished_slot = sd_bus_slot_unref(w->finished_slot);
        w->output_slot = sd_bus_slot_unref(w->output_slot);
        w->changed_slot = sd_bus_slot_unref(w->changed_slot);
        connection_end_done(&w->end);
}

RunWaiter *run_waiter_free(RunWaiter *w) {
        if (!w)
                return NULL;
        unsubscribe(w);
        connection_on_open(w->connection, NULL, NULL);
        sd_event_unref(w->event);
        free(w->object);
        sd_bus_message_unref(w->finished);
        return mfree(w);
}

sd_event *run_waiter_event(RunWaiter *w) {
        return w->event;
}

static int on_finished(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        RunWaiter *w = userdata;
        uint64_t id;

        if (!w->finished && connection_sent_by_daemon(w->connection, m) && sd_bus_message_read(m, "t", &id) >= 0 &&
            id == w->id && sd_bus_message_rewind(m, /* complete= */ true) >= 0)
                w->finished = sd_bus_message_ref(m);
        return 0;
}

static int on_output(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        RunWaiter *w = userdata;
        uint32_t stream;
        const void *line;
        uint64_t id;
        size_t n;

        if (!connection_sent_by_daemon(w->connection, m) || sd_bus_message_read(m, "tu", &id, &stream) < 0 ||
            id != w->id || sd_bus_message_read_array(m, 'y', &line, &n) < 0)
                return 0;
        w->options.output(line, n, stream == 2, w->options.userdata);
        return 0;
}

static int on_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        RunWaiter *w = userdata;

        w->changed = true;
        return 0;
}

static void on_lost(void *userdata) {
        RunWaiter *w = userdata;

        w->broken = true;
}

/* Changes of the run's object, for callers that want to see them. */
static int subscribe_to_object(RunWaiter *w) {
        if (!w->object || !w->end.bus || !w->options.seen || w->changed_slot)
                return 0;
        return sd_bus_match_signal(w->end.bus, &w->changed_slot, NULL, w->object, "org.freedesktop.DBus.Properties",
                                   "PropertiesChanged", on_changed, w);
}

/* Of each new connection. */
static int subscribe(sd_bus *bus, void *userdata) {
        RunWaiter *w = userdata;
        int r;

        unsubscribe(w);
        r = connection_end_watch(&w->end, w->connection, bus, w->event);
        if (r >= 0)
                r = sd_bus_match_signal(bus, &w->finished_slot, NULL, VAKTD_PATH, VAKTD_MANAGER, "RunFinished",
                                        on_finished, w);
        if (r >= 0 && w->options.output)
                r = sd_bus_match_signal(bus, &w->output_slot, NULL, VAKTD_PATH, VAKTD_MANAGER, "RunOutput", on_output,
                                        w);
        return r < 0 ? r : subscribe_to_object(w);
}

int run_waiter_new(Connection *c, const RunWaiterOptions *options, RunWaiter **ret) {
        _cleanup_(run_waiter_freep) RunWaiter *w = calloc(1, sizeof(RunWaiter));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (RunWaiter){ .connection = c, .options = *options, .end = { .lost = on_lost, .userdata = w } };
        connection_on_open(c, subscribe, w);
        r = sd_event_new(&w->event);
        if (r >= 0 && connection_bus(c))
                r = subscribe(connection_bus(c), w);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(w);
        return 0;
}

/* Signals that arrived while we waited for something else. */
static void process_signals(RunWaiter *w) {
        while (w->end.bus && sd_bus_process(w->end.bus, NULL) > 0)
                ;
}

/* The current state of the run; as run_waiter_wait(). */
static int look(RunWaiter *w, sd_bus_error *reterr, RunView *ret) {
        int r;

        w->changed = false;
        r = run_view_get_object(w->connection, w->object, /* once= */ w->finished, reterr, ret);
        if (r >= 0) {
                w->requested = w->requested ?: ret->requested;
                if (ret->requested == w->requested) {
                        if (w->options.seen)
                                w->options.seen(ret, w->options.userdata);
                        return 0;
                }
                run_view_done(ret);
        }
        process_signals(w);
        if (w->finished && run_view_read_finished(w->finished, ret) >= 0) {
                sd_bus_error_free(reterr);
                return 0;
        }
        if (r < 0 && r != -ENOENT && !sd_bus_error_has_name(reterr, SD_BUS_ERROR_UNKNOWN_OBJECT))
                return r;
        sd_bus_error_free(reterr);
        (void)sd_bus_error_setf(reterr, VAKTD_NAME ".Error.NoSuchRun",
                                _("vaktd was restarted and no longer knows run %" PRIu64 "."), w->id);
        return -ESTALE;
}

int run_waiter_wait(RunWaiter *w, uint64_t id, const char *object, sd_bus_error *reterr, RunView *ret) {
        /* nothing of the run that it waited for before */
        w->changed_slot = sd_bus_slot_unref(w->changed_slot);
        w->finished = sd_bus_message_unref(w->finished);
        free(w->object);
        w->changed = false;
        w->requested = 0;
        w->id = id;
        w->object = strdup(object);
        if (!w->object)
                return connection_no_memory(reterr);
        if (subscribe_to_object(w) < 0)
                w->broken = true; /* the look below finds out why, on a new connection */
        for (;;) {
                _cleanup_(run_view_done) RunView v = { 0 };
                int r, code;

                r = look(w, reterr, &v);
                if (r < 0)
                        return r;
                if (run_view_is_done(&v)) {
                        process_signals(w); /* lines that arrived before the end */
                        *ret = v;
                        v = (RunView){ 0 };
                        return 0;
                }
                while (!w->finished && !w->changed && !w->broken)
                        if (sd_event_get_exit_code(w->event, &code) >= 0 || sd_event_run(w->event, UINT64_MAX) < 0)
                                return -EINTR;
                if (w->broken && !w->finished && w->options.broken)
                        w->options.broken(w->options.userdata);
                w->broken = false;
        }
}
