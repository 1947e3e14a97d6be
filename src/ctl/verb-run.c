/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl run: asks for a run and, if told so, waits for its end and shows its output.
 *
 * The signals are subscribed to before the run is asked for, so none is missed. They only say when to look: what
 * became of the run is read from its object, which also settles a run that was refused or over at once. When the
 * connection breaks, a new one is made and the object asked again; a daemon that does not know the run any more (or
 * gave its number to another one) is believed to have forgotten it. */

#include <signal.h>
#include <systemd/sd-event.h>

#include "ctl/alloc.h"
#include "ctl/json.h"
#include "ctl/run-view.h"

#define OWNER_MATCH                                                                 \
        "type='signal',sender='org.freedesktop.DBus',path='/org/freedesktop/DBus'," \
        "interface='org.freedesktop.DBus',member='NameOwnerChanged',arg0='" VAKTD_NAME "'"

typedef struct Waiter {
        Ctl *ctl;
        sd_event *event;
        sd_event_source *interrupts[2];
        sd_bus *bus; /* whose signals are subscribed to */
        sd_bus_slot *finished_slot, *output_slot, *disconnected_slot, *owner_slot;

        const char *job; /* as it was asked for */
        uint64_t id;     /* 0: not known yet */
        char *object;
        usec_t requested;         /* tells a run from another one of the same number */
        sd_bus_message *finished; /* the signal that told the end */
        bool broken;              /* the connection is gone */
        int interrupt;            /* signal */
} Waiter;

static void waiter_unsubscribe(Waiter *w) {
        w->finished_slot = sd_bus_slot_unref(w->finished_slot);
        w->output_slot = sd_bus_slot_unref(w->output_slot);
        w->disconnected_slot = sd_bus_slot_unref(w->disconnected_slot);
        w->owner_slot = sd_bus_slot_unref(w->owner_slot);
        if (w->bus)
                (void)sd_bus_detach_event(w->bus);
        w->bus = sd_bus_unref(w->bus);
}

static void waiter_done(Waiter *w) {
        waiter_unsubscribe(w);
        if (w->ctl->connection)
                connection_on_open(w->ctl->connection, NULL, NULL);
        for (size_t i = 0; i < ELEMENTSOF(w->interrupts); i++)
                w->interrupts[i] = sd_event_source_disable_unref(w->interrupts[i]);
        w->event = sd_event_unref(w->event);
        w->object = mfree(w->object);
        w->finished = sd_bus_message_unref(w->finished);
}

static int on_finished(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Waiter *w = userdata;
        uint64_t id;

        if (!w->finished && connection_sent_by_daemon(w->ctl->connection, m) &&
            sd_bus_message_read(m, "t", &id) >= 0 && id == w->id &&
            sd_bus_message_rewind(m, /* complete= */ true) >= 0)
                w->finished = sd_bus_message_ref(m);
        return 0;
}

/* To a terminal a line goes escaped, to anything else as it is. */
static void print_output(FILE *f, const char *line, size_t n) {
        _cleanup_free_ char *escaped = NULL;

        if (isatty(fileno(f))) {
                escaped = text_escape_n(line, n, TEXT_KEEP_LINES);
                line = escaped;
                n = strlen(escaped);
        }
        (void)fwrite(line, 1, n, f);
        fputc('\n', f);
        fflush(f);
}

static int on_output(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Waiter *w = userdata;
        uint32_t stream;
        const void *line;
        uint64_t id;
        size_t n;

        if (!connection_sent_by_daemon(w->ctl->connection, m) || sd_bus_message_read(m, "tu", &id, &stream) < 0 ||
            id != w->id || sd_bus_message_read_array(m, 'y', &line, &n) < 0)
                return 0;
        print_output(stream == 2 ? stderr : stdout, line, n);
        return 0;
}

static int on_disconnected(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Waiter *w = userdata;

        w->broken = true;
        return 0;
}

/* On a bus the daemon goes without the connection. That it comes, started by our own call, is no news. */
static int on_owner_changed(sd_bus_message *m, void *userdata, sd_bus_error *reterr) {
        Waiter *w = userdata;
        const char *old_owner;

        if (sd_bus_message_read(m, "sss", NULL, &old_owner, NULL) >= 0 && !isempty(old_owner))
                w->broken = true;
        return 0;
}

static int on_interrupt(sd_event_source *s, const struct signalfd_siginfo *si, void *userdata) {
        Waiter *w = userdata;

        w->interrupt = (int)si->ssi_signo;
        return 0;
}

/* Of each new connection. */
static int waiter_subscribe(sd_bus *bus, void *userdata) {
        Waiter *w = userdata;
        int r;

        waiter_unsubscribe(w);
        r = sd_bus_attach_event(bus, w->event, SD_EVENT_PRIORITY_NORMAL);
        if (r < 0)
                return r;
        w->bus = sd_bus_ref(bus);
        r = sd_bus_match_signal(bus, &w->disconnected_slot, "org.freedesktop.DBus.Local", NULL,
                                "org.freedesktop.DBus.Local", "Disconnected", on_disconnected, w);
        if (r >= 0)
                r = sd_bus_match_signal(bus, &w->finished_slot, NULL, VAKTD_PATH, VAKTD_MANAGER, "RunFinished",
                                        on_finished, w);
        if (r >= 0 && connection_is_bus(w->ctl->connection))
                r = sd_bus_add_match(bus, &w->owner_slot, OWNER_MATCH, on_owner_changed, w);
        if (r >= 0 && w->ctl->follow)
                r = sd_bus_match_signal(bus, &w->output_slot, NULL, VAKTD_PATH, VAKTD_MANAGER, "RunOutput", on_output,
                                        w);
        return r;
}

static int waiter_init(Waiter *w) {
        static const int interrupts[] = { SIGINT, SIGTERM };
        int r;

        w->ctl->connection = w->ctl->connection ?: connection_new(w->ctl->user, w->ctl->socket);
        connection_on_open(w->ctl->connection, waiter_subscribe, w);
        r = sd_event_new(&w->event);
        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(interrupts); i++)
                r = sd_event_add_signal(w->event, &w->interrupts[i], interrupts[i] | SD_EVENT_SIGNAL_PROCMASK,
                                        on_interrupt, w);
        return r;
}

/* Asks for a run. ret_object is the message's. Returns as ctl_call() does. */
static int request(Ctl *c, const char *job, sd_bus_message **ret_message, uint64_t *ret_id, const char **ret_object) {
        static const MethodCall run = { .member = "Run", .changes = true };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        _cleanup_free_ char *look_at = alloc_format("vaktctl history %s", job);
        int r;

        r = ctl_call(c, &run, look_at, &reply, "sa{sv}", job, c->follow ? 1 : 0, "follow", "b", true);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "to", ret_id, ret_object);
        if (r < 0)
                return ctl_bad_answer(&run, r);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

static void complain_of_run(const RunView *v) {
        _cleanup_free_ char *sentence = run_view_sentence(v);

        ctl_complain("%s", sentence);
}

static void say_of_run(const Ctl *c, FILE *f, const RunView *v) {
        _cleanup_free_ char *sentence = run_view_sentence(v);

        ctl_say(c, f, "%s", sentence);
}

/* Without --wait: the run is on its way, or was refused. */
static int run_only(Ctl *c, const char *job) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *message = NULL;
        const char *object;
        uint64_t id;
        RunView v;
        int r;

        r = request(c, job, &reply, &id, &object);
        if (r != 0)
                return r;
        r = run_view_get(c, object, &message, &v);
        if (r != 0)
                return r;
        if (c->json)
                json_print(run_view_json(&v));
        if (streq(v.result, "skipped") || streq(v.result, "start-failed")) {
                complain_of_run(&v);
                return CTL_FAILED;
        }
        if (c->quiet && !c->json)
                printf("%" PRIu64 "\n", id);
        ctl_say(c, stdout, "Run %" PRIu64 " of job %s is requested.", id, v.job);
        return CTL_DONE;
}

/* Reads the run's object. -ENOENT: this daemon does not know the run; else as connection_call(). */
static int read_object(Waiter *w, sd_bus_error *reterr, sd_bus_message **ret_message, RunView *ret) {
        const MethodCall get_all = {
                .path = w->object,
                .interface = "org.freedesktop.DBus.Properties",
                .member = "GetAll",
                .once = w->finished,
        };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = connection_call(w->ctl->connection, &get_all, reterr, &reply, "s", VAKTD_RUN);
        if (sd_bus_error_has_name(reterr, SD_BUS_ERROR_UNKNOWN_OBJECT) ||
            sd_bus_error_has_name(reterr, VAKTD_NAME ".Error.NoSuchRun"))
                return -ENOENT;
        if (r < 0)
                return r;
        r = run_view_read(reply, w->object, ret);
        if (r < 0)
                return r;
        w->requested = w->requested ?: ret->requested;
        if (ret->requested != w->requested)
                return -ENOENT;
        *ret_message = TAKE_PTR(reply);
        return 0;
}

static int complain_forgotten(const Waiter *w) {
        ctl_complain("vaktd was restarted and does not know run %" PRIu64 " of job %s any more; see "
                     "'vaktctl history %s' and the journal.",
                     w->id, w->job, w->job);
        return CTL_FAILED;
}

static int complain_interrupted(const Waiter *w) {
        ctl_complain("Run %" PRIu64 " of job %s goes on; 'vaktctl cancel %" PRIu64 "' ends it.", w->id, w->job, w->id);
        return CTL_FAILED;
}

/* Those that came while something was waited for. */
static void process_signals(Waiter *w) {
        while (w->bus && sd_bus_process(w->bus, NULL) > 0)
                ;
}

/* What the run is like now. Returns as ctl_call() does. */
static int look(Waiter *w, sd_bus_message **ret_message, RunView *ret) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = read_object(w, &error, ret_message, ret);
        if (r < 0)
                process_signals(w);
        if (r < 0 && w->finished && run_view_read_finished(w->finished, ret) >= 0)
                return 0;
        if (r == -ENOENT)
                return complain_forgotten(w);
        return r < 0 ? ctl_call_failed(w->ctl, &(MethodCall){ .member = "GetAll" }, NULL, &error, r) : 0;
}

/* Until something happens. */
static int waiter_sleep(Waiter *w) {
        while (!w->finished && !w->broken && w->interrupt == 0) {
                int r = sd_event_run(w->event, UINT64_MAX);

                if (r < 0)
                        return r;
        }
        if (w->broken && !w->finished)
                ctl_complain("The connection to vaktd broke; waiting on%s.",
                             w->ctl->follow ? ", without the run's output, which the journal has" : "");
        w->broken = false;
        return 0;
}

/* Returns 0 with the run as it ended, or an exit code after the reason was told. */
static int wait_for_end(Waiter *w, sd_bus_message **ret_message, RunView *ret) {
        for (;;) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *message = NULL;
                int r;

                r = look(w, &message, ret);
                if (r != 0)
                        return r;
                if (run_view_is_done(ret)) {
                        *ret_message = TAKE_PTR(message);
                        return 0;
                }
                r = waiter_sleep(w);
                if (r < 0 || w->interrupt != 0)
                        return complain_interrupted(w);
        }
}

static int run_and_wait(Ctl *c, const char *job) {
        _cleanup_(waiter_done) Waiter w = { .ctl = c, .job = job };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL, *message = NULL;
        const char *object;
        RunView v;
        int r;

        r = waiter_init(&w);
        if (r < 0) {
                ctl_complain("Cannot wait for a run: %s.", strerror(-r));
                return CTL_FAILED;
        }
        r = request(c, job, &reply, &w.id, &object);
        if (r != 0)
                return r;
        w.object = alloc_string(object);
        r = wait_for_end(&w, &message, &v);
        if (r != 0)
                return r;
        process_signals(&w); /* lines that came before the end */
        if (c->json)
                json_print(run_view_json(&v));
        if (!run_view_is_success(&v)) {
                complain_of_run(&v);
                return CTL_RUN_FAILED;
        }
        say_of_run(c, c->follow ? stderr : stdout, &v);
        return CTL_DONE;
}

int verb_run(Ctl *c, char **args) {
        if (c->json && c->follow) {
                ctl_complain("--json and --follow do not go together; use --wait.");
                return CTL_USAGE;
        }
        return c->wait || c->follow ? run_and_wait(c, args[0]) : run_only(c, args[0]);
}
