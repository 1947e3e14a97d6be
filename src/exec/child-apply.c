/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The order is the service manager's (systemd.exec(5)): first what may want privileges, looking names up included;
 * then groups and user; then the working directory, since only that user may be allowed into it; at last the program,
 * which is looked for with the rights and the PATH that it will run with.
 *
 * Every step either does what its setting says or names it in a message. A run that cannot have what it was promised
 * is not started. */

#include "exec/child-apply.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/ioprio.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "exec/child-environment.h"
#include "exec/command-line.h"
#include "exec/environment.h"
#include "exec/start-diagnosis.h"
#include "fs/identity.h"
#include "util/strv.h"

#define AFFINITY_MAX        1024 /* bytes of a mask: 8192 processors */
#define IO_PRIORITY_DEFAULT 4

/* What became known on the way. */
typedef struct Child {
        const ChildOrders *orders;
        const ChildSettings *settings;
        ChildFailed *failed;
        char **environment;
        bool has_user, has_group;
        uid_t uid;
        gid_t gid;
        char *home; /* of User=; NULL without it */
        gid_t *groups;
        size_t n_groups;
} Child;

/* Notes what went wrong, and returns it. */
_printf_(3, 4) static int fail(Child *c, int error, const char *format, ...) {
        va_list ap;

        c->failed->error = abs(error);
        va_start(ap, format);
        (void)vsnprintf(c->failed->message, sizeof(c->failed->message), format, ap);
        va_end(ap);
        return -abs(error);
}

static int fail_setting(Child *c, const char *name) {
        int error = errno;

        return fail(c, error, "Cannot apply %s=: %s.", name, strerror(error));
}

static int write_text(const char *path, const char *text) {
        _cleanup_close_ int fd = open(path, O_WRONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 || write(fd, text, strlen(text)) < 0 ? -errno : 0;
}

/* --- what may want privileges --- */

static int open_input(Child *c) {
        const char *path = c->settings->standard_input;
        _cleanup_close_ int fd = -EBADF;

        if (!path)
                return 0;
        fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0 || dup2(fd, STDIN_FILENO) < 0)
                return fail(c, errno, "Cannot open the file %s of StandardInput=: %s.", path, strerror(errno));
        return 0;
}

static int set_oom_score(Child *c) {
        const ChildNumber *score = &c->settings->oom_score_adjust;
        char text[sizeof("-9223372036854775808")];
        int r;

        if (!score->is_set)
                return 0;
        (void)snprintf(text, sizeof(text), "%" PRId64, (int64_t)score->value);
        r = write_text("/proc/self/oom_score_adj", text);
        if (r >= 0)
                return 0;
        errno = -r;
        return fail_setting(c, "OOMScoreAdjust");
}

static int set_nice(Child *c) {
        const ChildNumber *nice_value = &c->settings->nice;

        if (nice_value->is_set && setpriority(PRIO_PROCESS, 0, (int)nice_value->value) < 0)
                return fail_setting(c, "Nice");
        return 0;
}

static int set_cpu_scheduling(Child *c) {
        const ChildSettings *s = c->settings;
        int policy = s->cpu_policy.is_set ? (int)s->cpu_policy.value : SCHED_OTHER;
        struct sched_param p = { .sched_priority = s->cpu_priority.is_set ? (int)s->cpu_priority.value : 0 };

        if (!s->cpu_policy.is_set && !s->cpu_priority.is_set && !s->cpu_reset_on_fork.is_set)
                return 0;
        p.sched_priority = MAX(p.sched_priority, sched_get_priority_min(policy));
        p.sched_priority = MIN(p.sched_priority, sched_get_priority_max(policy));
        if (s->cpu_reset_on_fork.value > 0)
                policy |= SCHED_RESET_ON_FORK;
        return sched_setscheduler(0, policy, &p) < 0 ? fail_setting(c, "CPUSchedulingPolicy") : 0;
}

static int set_cpu_affinity(Child *c) {
        const UnitValue *mask = c->settings->cpu_affinity;
        union {
                char bytes[AFFINITY_MAX];
                cpu_set_t first;
        } set = {};

        if (!mask)
                return 0;
        memcpy(set.bytes, mask->text, MIN((size_t)mask->number, sizeof(set.bytes)));
        return sched_setaffinity(0, sizeof(set), &set.first) < 0 ? fail_setting(c, "CPUAffinity") : 0;
}

static int set_io_priority(Child *c) {
        const ChildSettings *s = c->settings;
        int class = s->io_class.is_set ? (int)s->io_class.value : IOPRIO_CLASS_BE;
        int priority = s->io_priority.is_set ? (int)s->io_priority.value : IO_PRIORITY_DEFAULT;

        if (!s->io_class.is_set && !s->io_priority.is_set)
                return 0;
        if (class == IOPRIO_CLASS_NONE)
                priority = 0;
        if (syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(class, priority)) < 0)
                return fail_setting(c, "IOSchedulingClass");
        return 0;
}

static int set_timer_slack(Child *c) {
        const ChildNumber *slack = &c->settings->timer_slack;

        if (slack->is_set && prctl(PR_SET_TIMERSLACK, (unsigned long)slack->value, 0, 0, 0) < 0)
                return fail_setting(c, "TimerSlackNSec");
        return 0;
}

static int set_umask(Child *c) {
        if (c->settings->umask.is_set)
                (void)umask((mode_t)c->settings->umask.value);
        return 0;
}

/* --- names --- */

static int set_variable(Child *c, const char *name, const char *value) {
        _cleanup_free_ char *assignment = NULL;

        if (string_format(&assignment, "%s=%s", name, value) < 0 || environment_put(&c->environment, assignment) < 0)
                return fail(c, ENOMEM, "Out of memory.");
        return 0;
}

static int take_user(Child *c, const char *name, const struct passwd *pw) {
        c->uid = pw->pw_uid;
        c->gid = pw->pw_gid;
        c->has_user = c->has_group = true;
        c->home = strdup(isempty(pw->pw_dir) ? "/" : pw->pw_dir);
        if (!c->home)
                return fail(c, ENOMEM, "Out of memory.");
        environment_unset(c->environment, (char *const[]){ (char *)"HOME", (char *)"SHELL", NULL });
        if ((c->uid != UID_NOBODY && set_variable(c, "HOME", c->home) < 0) || set_variable(c, "USER", name) < 0 ||
            set_variable(c, "LOGNAME", name) < 0)
                return -ENOMEM;
        return shell_is_usable(pw->pw_shell) ? set_variable(c, "SHELL", pw->pw_shell) : 0;
}

static int look_up_user(Child *c) {
        const char *name = c->settings->user;
        const struct passwd *pw;
        unsigned id;

        if (!name)
                return 0;
        errno = 0;
        pw = identity_parse_id(name, &id) ? getpwuid(id) : getpwnam(name);
        if (pw)
                return take_user(c, pw->pw_name, pw);
        if (errno != 0 && errno != ENOENT && errno != ESRCH)
                return fail(c, errno, "Cannot look up the user '%s' of User=: %s.", name, strerror(errno));
        return fail(c, ESRCH, "The user '%s' of User= is unknown.", name);
}

static int look_up_group(Child *c, const char *name, const char *setting, gid_t *ret) {
        const struct group *gr;
        unsigned id;

        if (identity_parse_id(name, &id)) {
                *ret = id;
                return 0;
        }
        errno = 0;
        gr = getgrnam(name);
        if (!gr) {
                if (errno != 0 && errno != ENOENT && errno != ESRCH)
                        return fail(c, errno, "Cannot look up the group '%s' of %s=: %s.", name, setting,
                                    strerror(errno));
                return fail(c, ESRCH, "The group '%s' of %s= is unknown.", name, setting);
        }
        *ret = gr->gr_gid;
        return 0;
}

/* The groups that the user database gives to the user. */
static int look_up_memberships(Child *c) {
        const char *user = c->has_user ? strv_env_get(c->environment, "USER", strlen("USER")) : NULL;
        int n = 64;

        if (!user) {
                c->groups = c->has_group ? malloc(sizeof(gid_t)) : NULL;
                if (!c->groups)
                        return c->has_group ? fail(c, ENOMEM, "Out of memory.") : 0;
                c->groups[c->n_groups++] = c->gid;
                return 0;
        }
        for (;;) {
                int given = n;

                free(c->groups);
                c->groups = malloc((size_t)n * sizeof(gid_t));
                if (!c->groups)
                        return fail(c, ENOMEM, "Out of memory.");
                if (getgrouplist(user, c->gid, c->groups, &n) >= 0)
                        break;
                n = MAX(n, given * 2); /* a C library may not say how many there are */
                if (n > IDENTITY_GROUPS_MAX)
                        return fail(c, E2BIG, "The user '%s' of User= is in too many groups.", user);
        }
        c->n_groups = (size_t)n;
        return 0;
}

static int look_up_groups(Child *c) {
        const ChildSettings *s = c->settings;
        size_t n_more = strv_length(s->supplementary_groups);
        gid_t *bigger;
        int r;

        if (s->group) {
                r = look_up_group(c, s->group, "Group", &c->gid);
                if (r < 0)
                        return r;
                c->has_group = true;
        }
        r = look_up_memberships(c);
        if (r < 0 || n_more == 0)
                return r;
        bigger = reallocarray(c->groups, c->n_groups + n_more, sizeof(gid_t));
        if (!bigger)
                return fail(c, ENOMEM, "Out of memory.");
        c->groups = bigger;
        STRV_FOREACH(name, s->supplementary_groups) {
                r = look_up_group(c, *name, "SupplementaryGroups", &c->groups[c->n_groups]);
                if (r < 0)
                        return r;
                c->n_groups++;
        }
        return 0;
}

/* --- environment --- */

/* To the run's standard error, in the words of the service manager. */
static void say_ignored(const char *path, const char *assignment) {
        (void)fprintf(stderr, "Ignoring invalid environment assignment '%s': %s\n", assignment, path);
}

static int make_environment(Child *c) {
        const ChildSettings *s = c->settings;
        int r;

        /* What was received holds at least the run's own variables. */
        if (!c->environment || environment_put_all(&c->environment, c->orders->passed) < 0 ||
            environment_put_all(&c->environment, s->environment) < 0)
                return fail(c, ENOMEM, "Out of memory.");
        STRV_FOREACH(path, s->environment_files) {
                r = environment_read_file(&c->environment, *path, say_ignored);
                if (r < 0)
                        return fail(c, r, "Cannot read the file %s of EnvironmentFile=: %s.", *path + (**path == '-'),
                                    strerror(-r));
        }
        environment_unset(c->environment, s->unset_environment);
        return environment_keep_ours(&c->environment, environ) < 0 ? fail(c, ENOMEM, "Out of memory.") : 0;
}

/* --- limits, groups, user --- */

static const char *const limit_names[RLIM_NLIMITS] = {
        [RLIMIT_CPU] = "LimitCPU",           [RLIMIT_FSIZE] = "LimitFSIZE",
        [RLIMIT_DATA] = "LimitDATA",         [RLIMIT_STACK] = "LimitSTACK",
        [RLIMIT_CORE] = "LimitCORE",         [RLIMIT_RSS] = "LimitRSS",
        [RLIMIT_NPROC] = "LimitNPROC",       [RLIMIT_NOFILE] = "LimitNOFILE",
        [RLIMIT_MEMLOCK] = "LimitMEMLOCK",   [RLIMIT_AS] = "LimitAS",
        [RLIMIT_LOCKS] = "LimitLOCKS",       [RLIMIT_NICE] = "LimitNICE",
        [RLIMIT_MSGQUEUE] = "LimitMSGQUEUE", [RLIMIT_SIGPENDING] = "LimitSIGPENDING",
        [RLIMIT_RTPRIO] = "LimitRTPRIO",     [RLIMIT_RTTIME] = "LimitRTTIME",
};

/* One of the two stands for both. Who may not raise a limit gets the highest that he may have, as from the service
 * manager. */
static int set_limit(int resource, const ChildLimit *limit) {
        struct rlimit wanted = {
                .rlim_cur = limit->soft.is_set ? limit->soft.value : limit->hard.value,
                .rlim_max = limit->hard.is_set ? limit->hard.value : limit->soft.value,
        };
        struct rlimit highest;

        if (setrlimit(resource, &wanted) == 0)
                return 0;
        if (errno != EPERM || getrlimit(resource, &highest) < 0)
                return -errno;
        wanted.rlim_max = MIN(wanted.rlim_max, highest.rlim_max);
        wanted.rlim_cur = MIN(wanted.rlim_cur, wanted.rlim_max);
        return setrlimit(resource, &wanted) < 0 ? -errno : 0;
}

static int set_limits(Child *c) {
        for (int i = 0; i < (int)RLIM_NLIMITS; i++) {
                const ChildLimit *limit = &c->settings->limits[i];

                if ((limit->hard.is_set || limit->soft.is_set) && set_limit(i, limit) < 0)
                        return fail_setting(c, limit_names[i]);
        }
        return 0;
}

/* Being told to be what one is already needs no rights. */
static bool is_same_user(const Child *c) {
        return (!c->has_user || (c->uid == getuid() && c->uid == geteuid())) &&
               (!c->has_group || (c->gid == getgid() && c->gid == getegid())) && !c->settings->supplementary_groups;
}

static int fail_identity(Child *c) {
        const ChildSettings *s = c->settings;
        int error = errno;
        const char *name = s->user ?: s->group ?: "";
        const char *setting = s->user ? "User" : s->group ? "Group" : "SupplementaryGroups";

        if (error != EPERM)
                return fail(c, error, "Cannot apply %s=%s: %s.", setting, name, strerror(error));
        if (s->user)
                return fail(c, error, "vaktd does not run as root and cannot become the user '%s' of User=.", name);
        return fail(c, error, "vaktd does not run as root and cannot change its groups as %s= requires.", setting);
}

static int set_groups(Child *c) {
        if (!c->has_group && c->n_groups == 0)
                return 0;
        if (setgroups(c->n_groups, c->groups) < 0) {
                if (errno == EPERM && is_same_user(c))
                        return 0;
                return fail_identity(c);
        }
        return c->has_group && setresgid(c->gid, c->gid, c->gid) < 0 ? fail_identity(c) : 0;
}

static int set_user(Child *c) {
        const char *list = c->orders->list;

        if (c->has_user && !isempty(list) && lchown(list, c->uid, (gid_t)-1) < 0)
                return fail(c, errno, "Cannot give the list of files %s to the user of User=: %s.", list,
                            strerror(errno));
        return c->has_user && setresuid(c->uid, c->uid, c->uid) < 0 ? fail_identity(c) : 0;
}

/* --- as the user --- */

static int change_directory(Child *c) {
        const char *written = c->settings->working_directory, *path = written;
        bool may_be_absent = written && written[0] == '-';

        if (chdir(c->orders->directory) < 0)
                return fail(c, errno, "Cannot change to the directory %s: %s.", c->orders->directory, strerror(errno));
        if (!written)
                return 0;
        path += may_be_absent;
        if (streq(path, "~"))
                path = c->home ?: strv_env_get(c->environment, "HOME", strlen("HOME"));
        if (!path)
                return fail(c, ENOENT, "WorkingDirectory=~ requires a home directory, but the user has none.");
        if (chdir(path) < 0 && !may_be_absent)
                return fail(c, errno, "Cannot change to the directory %s of WorkingDirectory=: %s.", path,
                            strerror(errno));
        return 0;
}

static int set_no_new_privileges(Child *c) {
        if (c->settings->no_new_privileges.value > 0 && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                return fail_setting(c, "NoNewPrivileges");
        return 0;
}

static int ignore_sigpipe(Child *c) {
        if (c->settings->ignore_sigpipe.value > 0)
                (void)signal(SIGPIPE, SIG_IGN);
        return 0;
}

static int execute(Child *c) {
        const ChildOrders *o = c->orders;
        _cleanup_(strv_freep) char **expanded = NULL;
        _cleanup_free_ char *program = NULL;
        char diagnosis[DIAGNOSIS_MAX];
        int r;

        r = program_find(&program, o->program, c->environment);
        if (r >= 0 && o->expand)
                r = arguments_expand(&expanded, o->argv, c->environment);
        if (r >= 0) {
                (void)execve(program, expanded ?: o->argv, c->environment);
                r = -errno;
        }
        describe_exec_failure(program ?: o->program, -r, diagnosis);
        return fail(c, r, "Cannot execute %s.", diagnosis);
}

static int (*const steps[])(Child *c) = {
        open_input,      set_oom_score, set_nice,         set_cpu_scheduling,    set_cpu_affinity, set_io_priority,
        set_timer_slack, set_umask,     look_up_user,     look_up_groups,        make_environment, set_limits,
        set_groups,      set_user,      change_directory, set_no_new_privileges, ignore_sigpipe,   execute,
};

void child_apply(const ChildOrders *orders, const ChildSettings *settings, char *const *environment,
                 ChildFailed *ret_failed) {
        Child c = {
                .orders = orders,
                .settings = settings,
                .failed = ret_failed,
                .environment = strv_copy(environment),
        };

        for (size_t i = 0; i < ELEMENTSOF(steps) && steps[i](&c) >= 0; i++)
                ;
        strv_free(c.environment);
        free(c.home);
        free(c.groups);
}
