/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One table says which properties are honoured, how each is read and where it goes. A later line of one name replaces
 * an earlier one; lists grow, and an empty one clears them, as the service manager has it. */

#include "exec/child-settings.h"

#include <signal.h>

#include "exec/executor.h"
#include "util/string-table.h"
#include "util/strv.h"

typedef int (*read_t)(const UnitProperty *p, void *member);

static int read_text(const UnitProperty *p, void *member) {
        *(const char **)member = isempty(p->values[0].text) ? NULL : p->values[0].text;
        return 0;
}

static int read_number(const UnitProperty *p, void *member) {
        *(ChildNumber *)member = (ChildNumber){ .is_set = true, .value = p->values[0].number };
        return 0;
}

static int read_mask(const UnitProperty *p, void *member) {
        *(const UnitValue **)member = p->values[0].number > 0 ? &p->values[0] : NULL;
        return 0;
}

static int read_list(const UnitProperty *p, void *member) {
        char ***list = member;

        if (p->values[0].number == 0)
                *list = strv_free(*list);
        for (size_t i = 1; i < p->n_values; i++) {
                int r = strv_extend(list, p->values[i].text);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* Pairs of a path and whether it may be absent. */
static int read_files(const UnitProperty *p, void *member) {
        char ***list = member;

        if (p->values[0].number == 0)
                *list = strv_free(*list);
        for (size_t i = 1; i + 1 < p->n_values; i += 2) {
                int r = strv_extendf(list, "%s%s", p->values[i + 1].number ? "-" : "", p->values[i].text);

                if (r < 0)
                        return r;
        }
        return 0;
}

/* "file:/path", or "null". */
static int read_input(const UnitProperty *p, void *member) {
        *(const char **)member = startswith(p->values[0].text, "file:");
        return 0;
}

static const char *const kill_mode_table[] = {
        [CHILD_KILL_CONTROL_GROUP] = "control-group",
        [CHILD_KILL_MIXED] = "mixed",
        [CHILD_KILL_PROCESS] = "process",
};

static int read_kill_mode(const UnitProperty *p, void *member) {
        int mode = string_table_find(kill_mode_table, ELEMENTSOF(kill_mode_table), p->values[0].text);

        if (mode >= 0)
                *(ChildKillMode *)member = (ChildKillMode)mode;
        return 0;
}

static int read_signal(const UnitProperty *p, void *member) {
        *(int *)member = (int)p->values[0].number;
        return 0;
}

static int read_bool(const UnitProperty *p, void *member) {
        *(bool *)member = p->values[0].number > 0;
        return 0;
}

/* Zero means no limit, as in a unit file. */
static int read_timeout(const UnitProperty *p, void *member) {
        *(usec_t *)member = p->values[0].number > 0 ? p->values[0].number : USEC_INFINITY;
        return 0;
}

/* Name, how it is read, where it goes, whether it wants the helper; a limit stands for two. */
#define SETTINGS(ROW, LIMIT)                                                  \
        ROW("User", read_text, user, true)                                    \
        ROW("Group", read_text, group, true)                                  \
        ROW("SupplementaryGroups", read_list, supplementary_groups, true)     \
        ROW("WorkingDirectory", read_text, working_directory, true)           \
        ROW("StandardInput", read_input, standard_input, true)                \
        ROW("StandardInputFile", read_text, standard_input, true)             \
        ROW("Environment", read_list, environment, false)                     \
        ROW("EnvironmentFiles", read_files, environment_files, true)          \
        ROW("UnsetEnvironment", read_list, unset_environment, false)          \
        ROW("PassEnvironment", read_list, pass_environment, false)            \
        ROW("Nice", read_number, nice, true)                                  \
        ROW("UMask", read_number, umask, true)                                \
        ROW("OOMScoreAdjust", read_number, oom_score_adjust, true)            \
        ROW("TimerSlackNSec", read_number, timer_slack, true)                 \
        ROW("IOSchedulingClass", read_number, io_class, true)                 \
        ROW("IOSchedulingPriority", read_number, io_priority, true)           \
        ROW("CPUSchedulingPolicy", read_number, cpu_policy, true)             \
        ROW("CPUSchedulingPriority", read_number, cpu_priority, true)         \
        ROW("CPUSchedulingResetOnFork", read_number, cpu_reset_on_fork, true) \
        ROW("CPUAffinity", read_mask, cpu_affinity, true)                     \
        ROW("NoNewPrivileges", read_number, no_new_privileges, true)          \
        ROW("IgnoreSIGPIPE", read_number, ignore_sigpipe, true)               \
        ROW("KillMode", read_kill_mode, kill.mode, false)                     \
        ROW("KillSignal", read_signal, kill.signal, false)                    \
        ROW("SendSIGKILL", read_bool, kill.send_sigkill, false)               \
        ROW("TimeoutStopUSec", read_timeout, kill.timeout, false)             \
        LIMIT("LimitCPU", RLIMIT_CPU)                                         \
        LIMIT("LimitFSIZE", RLIMIT_FSIZE)                                     \
        LIMIT("LimitDATA", RLIMIT_DATA)                                       \
        LIMIT("LimitSTACK", RLIMIT_STACK)                                     \
        LIMIT("LimitCORE", RLIMIT_CORE)                                       \
        LIMIT("LimitRSS", RLIMIT_RSS)                                         \
        LIMIT("LimitNPROC", RLIMIT_NPROC)                                     \
        LIMIT("LimitNOFILE", RLIMIT_NOFILE)                                   \
        LIMIT("LimitMEMLOCK", RLIMIT_MEMLOCK)                                 \
        LIMIT("LimitAS", RLIMIT_AS)                                           \
        LIMIT("LimitLOCKS", RLIMIT_LOCKS)                                     \
        LIMIT("LimitSIGPENDING", RLIMIT_SIGPENDING)                           \
        LIMIT("LimitMSGQUEUE", RLIMIT_MSGQUEUE)                               \
        LIMIT("LimitNICE", RLIMIT_NICE)                                       \
        LIMIT("LimitRTPRIO", RLIMIT_RTPRIO)                                   \
        LIMIT("LimitRTTIME", RLIMIT_RTTIME)

#define NAME_OF_ROW(name, read, member, needs_helper) name,
#define NAMES_OF_LIMIT(name, resource)                name, name "Soft",

const char *const child_properties[] = { SETTINGS(NAME_OF_ROW, NAMES_OF_LIMIT) NULL };

#define ROW(name, read, member, needs_helper) { name, read, offsetof(ChildSettings, member), needs_helper },
#define LIMIT(name, resource)                               \
        ROW(name, read_number, limits[resource].hard, true) \
        ROW(name "Soft", read_number, limits[resource].soft, true)

typedef struct Setting {
        const char *name;
        read_t read;
        size_t offset;
        bool needs_helper;
} Setting;

static const Setting settings[] = { SETTINGS(ROW, LIMIT) };

static const Setting *setting_find(const char *name) {
        for (size_t i = 0; i < ELEMENTSOF(settings); i++)
                if (streq(settings[i].name, name))
                        return &settings[i];
        return NULL;
}

static const ChildKill kill_default = {
        .mode = CHILD_KILL_CONTROL_GROUP,
        .signal = SIGTERM,
        .send_sigkill = true,
        .timeout = EXECUTOR_STOP_USEC,
};

int child_settings_read(ChildSettings *ret, const UnitProperty *properties, size_t n) {
        *ret = (ChildSettings){ .kill = kill_default };
        for (size_t i = 0; i < n; i++) {
                const Setting *setting = setting_find(properties[i].name);
                int r;

                if (!setting || properties[i].n_values == 0)
                        continue;
                r = setting->read(&properties[i], (char *)ret + setting->offset);
                if (r < 0)
                        return r;
                ret->needs_helper = ret->needs_helper || setting->needs_helper;
        }
        return 0;
}

void child_settings_done(ChildSettings *s) {
        s->supplementary_groups = strv_free(s->supplementary_groups);
        s->environment = strv_free(s->environment);
        s->environment_files = strv_free(s->environment_files);
        s->unset_environment = strv_free(s->unset_environment);
        s->pass_environment = strv_free(s->pass_environment);
}
