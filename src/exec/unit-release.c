/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A unit that is over stays in the service manager, with its result, until we let it go: first the ledger, then the
 * release, so that a crash in between leaves a result behind. What was reported waits here until it is settled,
 * over the loss of any connection; past a bound (a ledger that cannot be written for hours) the oldest go all the
 * same, since a thousand kept units make each daemon-reload slower by half a second. The file that says what paths a
 * run was given stays as long as its unit: until then it is the only record of them. */

#include "exec/exec-unit-internal.h"
#include "util/log.h"

static Release *release_of(Caller *c) { /* its first member */
        return (Release *)c;
}

static Release *release_free(Release *r) {
        UnitExecutor *e;

        if (!r)
                return NULL;
        e = r->caller.executor;
        caller_cancel(&r->caller);
        if (!r->is_acknowledged) {
                TAILQ_REMOVE(&e->unacknowledged, r, unacknowledged);
                e->n_unacknowledged--;
        }
        unit_table_remove(&e->releases, &r->caller.node);
        free(r->caller.node.name);
        return mfree(r);
}

int release_build(Caller *c, sd_bus_message **ret) {
        bool is_failed = release_of(c)->is_failed;

        assert(release_of(c)->is_acknowledged); /* first the ledger */
        return unit_connection_new_call(c->executor->connection, ret, MANAGER_OBJECT, MANAGER_INTERFACE,
                                        is_failed ? "ResetFailedUnit" : "StopUnit", is_failed ? "s" : "ss",
                                        c->node.name, "replace");
}

void release_answered(Caller *c, sd_bus_message *m) {
        const sd_bus_error *error = sd_bus_message_get_error(m);

        if (error && error_is_unsure(error)) {
                caller_call(c, CALL_RELEASE);
                executor_compare(c->executor); /* which finds out whether the connection is of any use */
                return;
        }
        if (error && !sd_bus_error_has_name(error, "org.freedesktop.systemd1.NoSuchUnit"))
                log_debug("Cannot release %s: %s", c->node.name, strempty(error->message));
        (void)release_free(release_of(c));
}

static void release_acknowledge(Release *r) {
        UnitExecutor *e = r->caller.executor;

        assert(!r->is_acknowledged && e->n_unacknowledged > 0);
        TAILQ_REMOVE(&e->unacknowledged, r, unacknowledged);
        e->n_unacknowledged--;
        r->is_acknowledged = true;
        if (r->list_run > 0)
                files_directory_remove(e->directory, r->list_run);
        caller_call(&r->caller, CALL_RELEASE);
}

/* Without memory it is not kept: the next comparison finds the unit, and asks whether it is still needed. */
static Release *release_new(UnitExecutor *e, const char *unit, bool is_failed) {
        _cleanup_free_ Release *r = calloc(1, sizeof(Release));
        _cleanup_free_ char *name = strdup(unit);

        if (!r || !name)
                return NULL;
        r->caller.executor = e;
        r->caller.node.name = name;
        r->is_failed = is_failed;
        if (unit_table_add(&e->releases, &r->caller.node) < 0)
                return NULL;
        (void)TAKE_PTR(name);
        TAILQ_INSERT_TAIL(&e->unacknowledged, r, unacknowledged);
        e->n_unacknowledged++;
        return TAKE_PTR(r);
}

bool release_keep(UnitExecutor *e, const char *unit, bool is_failed, uint64_t list_run) {
        Release *r = release_new(e, unit, is_failed);

        if (r)
                r->list_run = list_run;
        if (e->n_unacknowledged <= UNIT_RELEASES_MAX)
                return r;
        if (!e->said_full)
                log_warning("The ledger could not be written for the last %u runs: the service manager may now "
                            "forget the oldest of them.",
                            UNIT_RELEASES_MAX);
        e->said_full = true;
        release_acknowledge(TAILQ_FIRST(&e->unacknowledged));
        calls_pump(e);
        return r;
}

void release_at_once(UnitExecutor *e, const char *unit, bool is_failed) {
        Release *r = release_new(e, unit, is_failed);

        if (!r)
                return;
        release_acknowledge(r);
        calls_pump(e);
}

void releases_acknowledged(UnitExecutor *e) {
        while (!TAILQ_EMPTY(&e->unacknowledged))
                release_acknowledge(TAILQ_FIRST(&e->unacknowledged));
        e->said_full = false;
        calls_pump(e);
}

/* The units stay; the next daemon is asked about them. */
void releases_forget(UnitExecutor *e) {
        while (e->releases.n_nodes > 0)
                (void)release_free((Release *)caller_of(unit_table_any(&e->releases)));
}
