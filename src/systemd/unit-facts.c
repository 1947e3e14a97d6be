/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One table from the name of a property to where it is stored. A change signal contains some eighty properties, of
 * which a fifth matter, so the table is sorted and searched by bisection. */

#include "systemd/unit-facts.h"

#include "util/string-table.h"

typedef struct FactReader {
        const char *name;
        const char *type; /* D-Bus signature */
        int (*read)(sd_bus_message *m, void *field);
        size_t offset;
} FactReader;

static const char *const unit_active_table[] = {
        [UNIT_INACTIVE] = "inactive", [UNIT_FAILED] = "failed",       [UNIT_ACTIVATING] = "activating",
        [UNIT_ACTIVE] = "active",     [UNIT_RELOADING] = "reloading", [UNIT_DEACTIVATING] = "deactivating",
};

UnitActive unit_active_from_string(const char *s) {
        int i = string_table_find(unit_active_table, ELEMENTSOF(unit_active_table), s);

        return i < 0 ? UNIT_UNKNOWN : (UnitActive)i;
}

/* --- one value --- */

static int read_active(sd_bus_message *m, void *field) {
        const char *s;
        int r = sd_bus_message_read_basic(m, 's', &s);

        if (r > 0)
                *(UnitActive *)field = unit_active_from_string(s);
        return r;
}

static int read_loaded(sd_bus_message *m, void *field) {
        const char *s;
        int r = sd_bus_message_read_basic(m, 's', &s);

        if (r > 0)
                *(bool *)field = !streq(s, "not-found");
        return r;
}

static int read_word(sd_bus_message *m, void *field) {
        const char *s;
        int r = sd_bus_message_read_basic(m, 's', &s);

        if (r > 0) {
                char *word = field;
                size_t n = strnlen(s, UNIT_RESULT_MAX - 1);

                memcpy(word, s, n);
                word[n] = '\0';
        }
        return r;
}

/* A text that has changed has another address than before, so callers can compare pointers and need no copy. */
static int read_text(sd_bus_message *m, void *field) {
        char **text = field, *copy;
        const char *s;
        int r = sd_bus_message_read_basic(m, 's', &s);

        if (r <= 0 || streq(s, strempty(*text)))
                return r;
        copy = strdup(s);
        if (!copy)
                return -ENOMEM;
        free(*text);
        *text = copy;
        return 0;
}

static int read_bool(sd_bus_message *m, void *field) {
        int b, r = sd_bus_message_read_basic(m, 'b', &b);

        if (r > 0)
                *(bool *)field = b;
        return r;
}

static int read_i(sd_bus_message *m, void *field) {
        return sd_bus_message_read_basic(m, 'i', field);
}

static int read_u(sd_bus_message *m, void *field) {
        return sd_bus_message_read_basic(m, 'u', field);
}

static int read_t(sd_bus_message *m, void *field) {
        return sd_bus_message_read_basic(m, 't', field);
}

static int read_job(sd_bus_message *m, void *field) {
        return sd_bus_message_read(m, "(uo)", field, NULL);
}

static int read_id(sd_bus_message *m, void *field) {
        const void *bytes;
        size_t n;
        int r = sd_bus_message_read_array(m, 'y', &bytes, &n);

        if (r >= 0 && n == sizeof(sd_id128_t))
                memcpy(field, bytes, n);
        return r;
}

/* --- all of them --- */

#define FACT(name, type, read, member) \
        { name, type, read, offsetof(UnitFacts, member) }

static const FactReader readers[] = {
        /* sorted by name */
        FACT("ActiveEnterTimestampMonotonic", "t", read_t, active_enter_monotonic),
        FACT("ActiveExitTimestampMonotonic", "t", read_t, active_exit_monotonic),
        FACT("ActiveState", "s", read_active, active),
        FACT("AssertResult", "b", read_bool, assert_result),
        FACT("AssertTimestampMonotonic", "t", read_t, assert_monotonic),
        FACT("CPUUsageNSec", "t", read_t, cpu_nsec),
        FACT("ConditionResult", "b", read_bool, condition_result),
        FACT("ConditionTimestampMonotonic", "t", read_t, condition_monotonic),
        FACT("ExecMainCode", "i", read_i, code),
        FACT("ExecMainExitTimestamp", "t", read_t, exec_exit),
        FACT("ExecMainExitTimestampMonotonic", "t", read_t, exec_exit_monotonic),
        FACT("ExecMainHandoffTimestamp", "t", read_t, handoff),
        FACT("ExecMainPID", "u", read_u, exec_pid),
        FACT("ExecMainStartTimestamp", "t", read_t, exec_start),
        FACT("ExecMainStatus", "i", read_i, status),
        FACT("InactiveExitTimestamp", "t", read_t, inactive_exit),
        FACT("InactiveExitTimestampMonotonic", "t", read_t, inactive_exit_monotonic),
        FACT("InvocationID", "ay", read_id, invocation),
        FACT("Job", "(uo)", read_job, job),
        FACT("LoadState", "s", read_loaded, loaded),
        FACT("MainPID", "u", read_u, main_pid),
        FACT("MemoryPeak", "t", read_t, memory_peak),
        FACT("Result", "s", read_word, result),
        FACT("SendSIGKILL", "b", read_bool, send_sigkill),
        FACT("StatusErrno", "i", read_i, status_errno),
        FACT("StatusText", "s", read_text, status_text),
        FACT("SubState", "s", read_word, step),
        FACT("TimeoutStopUSec", "t", read_t, timeout_stop),
};

static int compare_name(const void *name, const void *reader) {
        return strcmp(name, ((const FactReader *)reader)->name);
}

/* Reads the next value, a variant. */
static int read_fact(UnitFacts *f, const char *name, sd_bus_message *m) {
        const FactReader *reader = bsearch(name, readers, ELEMENTSOF(readers), sizeof(readers[0]), compare_name);
        int r;

        if (!reader)
                return sd_bus_message_skip(m, "v");
        r = sd_bus_message_enter_container(m, 'v', reader->type);
        if (r == -ENXIO) /* it is of another type */
                return sd_bus_message_skip(m, "v");
        if (r >= 0)
                r = reader->read(m, (char *)f + reader->offset);
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

int unit_facts_read(UnitFacts *f, sd_bus_message *m) {
        int r;

        r = sd_bus_message_enter_container(m, 'a', "{sv}");
        if (r < 0)
                return r;
        while ((r = sd_bus_message_enter_container(m, 'e', "sv")) > 0) {
                const char *name;

                r = sd_bus_message_read_basic(m, 's', &name);
                if (r >= 0)
                        r = read_fact(f, name, m);
                if (r >= 0)
                        r = sd_bus_message_exit_container(m);
                if (r < 0)
                        return r;
        }
        return r < 0 ? r : sd_bus_message_exit_container(m);
}

bool unit_facts_is_over(const UnitFacts *f) {
        return f->job == 0 && (f->active == UNIT_INACTIVE || f->active == UNIT_FAILED || unit_facts_has_exited(f));
}

/* A unit that is to be stopped leaves the state "active" at once, and only then are its processes terminated. */
bool unit_facts_ended_by_itself(const UnitFacts *f) {
        if (f->exec_exit_monotonic == 0)
                return false;
        return unit_facts_has_exited(f) || f->exec_exit_monotonic <= f->active_exit_monotonic;
}

void unit_facts_done(UnitFacts *f) {
        f->status_text = mfree(f->status_text);
}
