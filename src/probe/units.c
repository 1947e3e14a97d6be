/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One connection to the service manager for all probes of the two kinds, open while there is one. The manager is asked
 * for the state once, and again after a reload or a loss of the connection; in between its signals tell. One question
 * is under way at a time.
 *
 * A name that is a glob is true if any unit is in the state. If a signal says so, no question is needed; if a unit has
 * left the state, the manager is asked for those that are in it, so that no list of them is kept here.
 *
 * A unit that fails and is restarted at once is in the state "failed" for so short a time that no signal says so. But
 * the signal after that tells that it is about to be restarted, and with which result it ended.
 *
 * A lost connection says nothing about units: the manager re-executes itself. It makes the probes unknown only if it
 * lasts. */

#include "probe/units.h"

#include <fnmatch.h>
#include <stdio.h>

#include "systemd/unit-connection.h"
#include "systemd/unit-facts.h"
#include "systemd/unit-name.h"

#define GRACE    (5 * USEC_PER_SEC) /* without a manager that replies */
#define TOLD_MAX 16                 /* failures in a row of which more signals may come */

static const char no_manager[] = "The service manager does not answer.";

typedef struct UnitWatch {
        Probe *probe;
        TAILQ_ENTRY(UnitWatch) watches, questions;
        bool is_asked; /* is in the queue of questions */
        bool is_all;   /* failed-units */
        bool is_glob;
        bool is_missing;              /* the manager knows nothing but the name */
        char name[UNIT_NAME_MAX + 1]; /* with its suffix */
        char id[UNIT_NAME_MAX + 1];   /* what signals call it: name may be an alias */
} UnitWatch;

typedef struct Units {
        UnitConnection *connection;
        bool is_open, is_answering, is_reloading;
        TAILQ_HEAD(, UnitWatch) watches;
        TAILQ_HEAD(, UnitWatch) questions; /* what is to be asked; the first one is, if call is not NULL */
        sd_bus_slot *call;
        char half_unit[UNIT_NAME_MAX + 1]; /* of the first half of a change */
        UnitFacts half;
        sd_id128_t told[TOLD_MAX]; /* invocations that have failed */
        unsigned next_told;
} Units;

static void ask_next(Units *u);

/* --- what is true --- */

static bool state_is(const Probe *p, UnitActive active) {
        const char *aspect = strempty(p->question.aspect);

        if (active == UNIT_RELOADING && streq(aspect, "active"))
                return true;
        return active != UNIT_UNKNOWN && unit_active_from_string(aspect) == active;
}

/* unit: the one that it is true of. */
static Reading reading_of(const UnitWatch *w, bool value, const char *unit) {
        return (Reading){ .is_known = true, .value = value, .subject = value && w->is_glob ? unit : NULL };
}

static void report_truth(UnitWatch *w, bool value, const char *unit) {
        Reading r = reading_of(w, value, unit);

        probe_report(w->probe, &r);
}

/* Even if the next signal comes in the same moment, it is told that a unit has failed. */
static void report_moment(UnitWatch *w, const char *unit) {
        Reading r = reading_of(w, true, unit);

        probe_report_moment(w->probe, &r);
}

static bool watches_failures(const UnitWatch *w) {
        return !w->is_all && state_is(w->probe, UNIT_FAILED);
}

/* --- questions --- */

static void ask(Units *u, UnitWatch *w) {
        if (w->is_asked)
                return;
        w->is_asked = true;
        TAILQ_INSERT_TAIL(&u->questions, w, questions);
        ask_next(u);
}

static void ask_all(Units *u) {
        UnitWatch *w;

        TAILQ_FOREACH(w, &u->watches, watches)
                ask(u, w);
}

static void forget_question(Units *u, UnitWatch *w) {
        if (!w->is_asked)
                return;
        if (TAILQ_FIRST(&u->questions) == w)
                u->call = sd_bus_slot_unref(u->call);
        w->is_asked = false;
        TAILQ_REMOVE(&u->questions, w, questions);
}

/* One unit of a list: its id, whether there is a file or anything else that makes it a unit, and its state. */
static int read_unit(sd_bus_message *m, const char **ret_id, bool *ret_loaded, UnitActive *ret_active) {
        const char *load, *active;
        int r = sd_bus_message_read(m, "(ssssssouso)", ret_id, NULL, &load, &active, NULL, NULL, NULL, NULL, NULL,
                                    NULL);

        if (r <= 0)
                return r;
        *ret_loaded = !streq(load, "not-found");
        *ret_active = unit_active_from_string(active);
        return 1;
}

static void answer_unit(UnitWatch *w, bool is_loaded, UnitActive active) {
        Probe *p = w->probe;
        Reading r;

        w->is_missing = !is_loaded;
        (void)probe_known(&r, state_is(p, active));
        if (!is_loaded && r.value) /* "inactive", probably misspelt */
                (void)probe_unknown(p, &r, "The service manager has no unit %s.", w->name);
        probe_report(p, &r);
}

static int read_units(UnitWatch *w, sd_bus_message *m) {
        UnitActive active;
        const char *id = NULL;
        bool is_loaded;
        int r;

        r = sd_bus_message_enter_container(m, 'a', "(ssssssouso)");
        if (r < 0)
                return r;
        r = read_unit(m, &id, &is_loaded, &active);
        if (r < 0)
                return r;
        if (w->is_glob) {
                report_truth(w, r > 0, id);
                return 0;
        }
        if (r == 0) {
                probe_report(w->probe, &(Reading){ .reason = "This is not a name that a unit can have." });
                return 0;
        }
        (void)strncpy(w->id, id, UNIT_NAME_MAX);
        answer_unit(w, is_loaded, active);
        return 0;
}

static int read_failed_units(UnitWatch *w, sd_bus_message *m) {
        Reading reading;
        uint32_t n;
        int r = sd_bus_message_read(m, "v", "u", &n);

        if (r < 0)
                return r;
        (void)probe_known(&reading, n);
        probe_report(w->probe, &reading);
        return 0;
}

static int on_answer(sd_bus_message *m, void *userdata, sd_bus_error *e) {
        Units *u = userdata;
        UnitWatch *w = TAILQ_FIRST(&u->questions);
        int r = -sd_bus_message_get_errno(m);

        if (r == -ETIMEDOUT || r == -ECONNRESET || r == -ENOTCONN) {
                unit_connection_break(u->connection, r);
                return 0;
        }
        u->is_answering = true;
        unit_connection_proved(u->connection);
        forget_question(u, w);
        if (r == 0)
                r = w->is_all ? read_failed_units(w, m) : read_units(w, m);
        if (r < 0) {
                Reading reading;

                (void)probe_unknown_errno(w->probe, &reading, r, "The service manager does not tell the state: %m.");
                probe_report(w->probe, &reading);
        }
        ask_next(u);
        return 0;
}

/* "active" and "reloading" are both active. */
static int append_states(sd_bus_message *m, const UnitWatch *w) {
        const char *aspect = strempty(w->probe->question.aspect);

        return streq(aspect, "active") ? sd_bus_message_append(m, "as", 2, "active", "reloading")
                                       : sd_bus_message_append(m, "as", 1, aspect);
}

static int new_question(Units *u, const UnitWatch *w, sd_bus_message **ret) {
        int r;

        if (w->is_all)
                return unit_connection_new_call(u->connection, ret, MANAGER_OBJECT, "org.freedesktop.DBus.Properties",
                                                "Get", "ss", MANAGER_INTERFACE, "NFailedUnits");
        r = unit_connection_new_call(u->connection, ret, MANAGER_OBJECT, MANAGER_INTERFACE,
                                     w->is_glob ? "ListUnitsByPatterns" : "ListUnitsByNames", NULL);
        if (r >= 0 && w->is_glob)
                r = append_states(*ret, w);
        return r < 0 ? r : sd_bus_message_append(*ret, "as", 1, w->name);
}

static void ask_next(Units *u) {
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *m = NULL;
        const UnitWatch *w = TAILQ_FIRST(&u->questions);
        int r;

        if (!w || u->call || !u->is_open || u->is_reloading)
                return;
        r = new_question(u, w, &m);
        if (r >= 0)
                r = unit_connection_call(u->connection, &u->call, m, on_answer, u);
        if (r < 0)
                unit_connection_break(u->connection, r);
}

/* --- signals --- */

static bool watch_is_about(const UnitWatch *w, const char *unit) {
        if (w->is_all)
                return false;
        return w->is_glob ? fnmatch(w->name, unit, FNM_NOESCAPE) == 0 : streq(w->id, unit);
}

/* It has failed, but is restarted, so that its state is another one. */
static bool has_failed_for_a_moment(const UnitFacts *f) {
        bool is_restarted = startswith(f->step, "auto-restart") || startswith(f->step, "failed-before-auto-restart");

        return is_restarted && f->result[0] != '\0' && !streq(f->result, "success");
}

/* The manager sends several signals of one failure while it waits to restart the unit: the first one is told. */
static bool is_new_failure(Units *u, const UnitFacts *f) {
        if (f->active != UNIT_FAILED && !has_failed_for_a_moment(f))
                return false;
        for (size_t i = 0; i < TOLD_MAX; i++)
                if (!sd_id128_is_null(f->invocation) && sd_id128_equal(u->told[i], f->invocation))
                        return false;
        u->told[u->next_told++ % TOLD_MAX] = f->invocation;
        return true;
}

static void watch_told(Units *u, UnitWatch *w, const char *unit, const UnitFacts *f, bool has_failed) {
        bool is_true = state_is(w->probe, f->active);

        w->is_missing = false;
        if (watches_failures(w) && has_failed)
                report_moment(w, unit);
        if (w->is_glob && !is_true)
                ask(u, w); /* another one may be in the state */
        else
                report_truth(w, is_true, unit);
}

/* The change of a unit in two signals, of which only the first one tells the result, and the second one the state. */
static void on_properties_changed(void *userdata, const char *unit, bool is_last, sd_bus_message *m) {
        Units *u = userdata;
        UnitWatch *w, *next;
        bool is_wanted = false, has_failed;

        TAILQ_FOREACH(w, &u->watches, watches)
                is_wanted = is_wanted || watch_is_about(w, unit);
        if (!is_wanted)
                return;
        if (!streq(u->half_unit, unit)) {
                unit_facts_done(&u->half);
                u->half = (UnitFacts)UNIT_FACTS_INIT;
                (void)strncpy(u->half_unit, unit, UNIT_NAME_MAX);
        }
        if (unit_facts_read(&u->half, m) < 0 || !is_last)
                return;
        has_failed = is_new_failure(u, &u->half);
        for (w = TAILQ_FIRST(&u->watches); w; w = next) {
                next = TAILQ_NEXT(w, watches);
                if (watch_is_about(w, unit))
                        watch_told(u, w, unit, &u->half, has_failed);
        }
        u->half_unit[0] = '\0';
}

/* The manager keeps no unit that has nothing to do. */
static void on_unit_removed(void *userdata, const char *unit) {
        Units *u = userdata;
        UnitWatch *w;

        TAILQ_FOREACH(w, &u->watches, watches)
                if (watch_is_about(w, unit)) {
                        if (w->is_glob)
                                ask(u, w);
                        else if (!w->is_missing)
                                report_truth(w, state_is(w->probe, UNIT_INACTIVE), unit);
                }
}

/* It is inactive, which only a glob does not know yet. */
static void on_unit_new(void *userdata, const char *unit) {
        Units *u = userdata;
        UnitWatch *w;

        TAILQ_FOREACH(w, &u->watches, watches)
                if (w->is_glob && watch_is_about(w, unit) && state_is(w->probe, UNIT_INACTIVE))
                        ask(u, w);
}

static void on_manager_changed(void *userdata, sd_bus_message *m) {
        Units *u = userdata;
        UnitWatch *w;

        TAILQ_FOREACH(w, &u->watches, watches)
                if (w->is_all)
                        ask(u, w);
}

static void on_reloading(void *userdata, bool begins) {
        Units *u = userdata;

        u->is_reloading = begins;
        if (!begins)
                ask_all(u);
}

static void on_job_removed(void *userdata, const char *unit, uint32_t job, const char *result) {
}

/* --- the connection --- */

static void on_opened(void *userdata) {
        Units *u = userdata;

        u->is_open = true;
        ask_all(u);
        ask_next(u);
}

static void on_closed(void *userdata) {
        Units *u = userdata;
        UnitWatch *w;

        u->call = sd_bus_slot_unref(u->call);
        u->is_open = u->is_reloading = false;
        if (!TAKE_GENERIC(u->is_answering, false))
                return;
        TAILQ_FOREACH(w, &u->watches, watches)
                probe_look_after(w->probe, GRACE);
}

static const UnitConnectionHandler handler = {
        .opened = on_opened,
        .closed = on_closed,
        .properties_changed = on_properties_changed,
        .job_removed = on_job_removed,
        .unit_removed = on_unit_removed,
        .unit_new = on_unit_new,
        .manager_changed = on_manager_changed,
        .reloading = on_reloading,
};

/* --- life --- */

static Units *units_get(Probes *probes) {
        const UnitConnectionOptions options = {
                .user_instance = probes->user_instance,
                .address = probes->manager_address,
                .is_quiet = true,
        };
        Units *u = probes->shared[PROBE_SHARED_UNITS];

        if (u)
                return u;
        u = calloc(1, sizeof(*u));
        if (!u)
                return NULL;
        TAILQ_INIT(&u->watches);
        TAILQ_INIT(&u->questions);
        if (unit_connection_new(&u->connection, probes->event, &options, &handler, u) < 0)
                return mfree(u);
        return probes->shared[PROBE_SHARED_UNITS] = u;
}

/* As systemctl(1) completes a name: a service, if no kind is given. */
static bool has_suffix(const char *name) {
        static const char *const suffixes[] = { ".service", ".socket", ".target", ".timer",  ".path",     ".mount",
                                                ".slice",   ".scope",  ".swap",   ".device", ".automount" };
        const char *dot = strrchr(name, '.');

        for (size_t i = 0; dot && i < ELEMENTSOF(suffixes); i++)
                if (streq(dot, suffixes[i]))
                        return true;
        return false;
}

static int watch_new(Probe *p, Units *u, UnitWatch **ret) {
        const char *subject = strempty(p->question.subject);
        UnitWatch *w;
        int n;

        w = calloc(1, sizeof(*w));
        if (!w)
                return -ENOMEM;
        w->probe = p;
        w->is_all = p->question.kind == CONDITION_FAILED_UNITS;
        w->is_glob = strpbrk(subject, "*?[");
        n = snprintf(w->name, sizeof(w->name), "%s%s", subject, w->is_glob || has_suffix(subject) ? "" : ".service");
        if ((size_t)n >= sizeof(w->name)) {
                free(w);
                return -ENAMETOOLONG;
        }
        memcpy(w->id, w->name, sizeof(w->id));
        TAILQ_INSERT_TAIL(&u->watches, w, watches);
        *ret = p->state = w;
        return 0;
}

static int look(Probe *p, Reading *ret) {
        Units *u = units_get(p->probes);
        UnitWatch *w = p->state;
        int r = 0;

        p->is_event = true;
        if (w)
                return u->is_answering ? PROBE_SILENT : probe_unknown(p, ret, "%s", no_manager);
        r = u ? watch_new(p, u, &w) : -ENOMEM;
        if (r < 0)
                return probe_unknown_errno(p, ret, r, "The service manager cannot be asked: %m.");
        unit_connection_open(u->connection);
        ask(u, w);
        probe_look_after(p, GRACE);
        return PROBE_SILENT;
}

static void stop(Probe *p) {
        Units *u = p->probes->shared[PROBE_SHARED_UNITS];
        UnitWatch *w = p->state;

        if (!w)
                return;
        forget_question(u, w);
        TAILQ_REMOVE(&u->watches, w, watches);
        p->state = mfree(w);
        if (TAILQ_EMPTY(&u->watches)) {
                unit_connection_close(u->connection);
                u->is_open = u->is_answering = u->is_reloading = false;
        } else
                ask_next(u);
}

static void done(Probes *probes) {
        Units *u = TAKE_PTR(probes->shared[PROBE_SHARED_UNITS]);

        if (!u)
                return;
        unit_connection_free(u->connection);
        unit_facts_done(&u->half);
        free(u);
}

const ProbeKind unit_kind = { .look = look, .stop = stop, .done = done };
const ProbeKind failed_units_kind = { .look = look, .stop = stop, .done = done };
