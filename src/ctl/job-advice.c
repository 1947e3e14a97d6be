/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is said here may be right tomorrow, or for the user who runs the job: so it is a warning of vaktctl check, and
 * the daemon neither asks nor refuses. What cannot be seen (no permission, another root directory) is not said. This
 * asks the name service and may block. */

#include "ctl/job-advice.h"

#include <grp.h>
#include <pwd.h>
#include <sys/stat.h>

#include "config/job-entry.h"
#include "config/job-scan.h"
#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "util/array.h"
#include "util/file.h"
#include "util/size.h"
#include "util/strv.h"

/* Whether DIRECTORY/NAMEsuffix exists, or can exist as far as can be seen, in one of the directories. */
static bool is_in(const char *const *dirs, const char *name, int n, const char *suffix) {
        struct stat st;

        for (; *dirs; dirs++) {
                _cleanup_free_ char *path = NULL;

                if (string_format(&path, "%s/%.*s%s", *dirs, n, name, suffix) < 0 || stat(path, &st) >= 0 ||
                    (errno != ENOENT && errno != ENOTDIR))
                        return true;
        }
        return false;
}

static bool job_exists(char *const *dirs, const char *name, size_t n) {
        size_t n_template = job_name_template_length(name);
        const char *const *d = (const char *const *)dirs;

        return is_in(d, name, (int)n, JOB_SUFFIX) ||
               (n_template > 0 && n_template < n && is_in(d, name, (int)n_template, JOB_SUFFIX));
}

/* --- what the job names --- */

/* Until the next call. */
static const char *fragment_of(const JobDef *d) {
        static char path[PATH_MAX];

        return job_def_fragment(d, path);
}

static int advise_program(const JobDef *d, const char *program, Diagnostics *warnings) {
        static const char *const path[] = { "/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", NULL };
        struct stat st;

        if (*program != '/') {
                if (job_def_setting(d, "ExecSearchPath") || job_def_setting(d, "Environment") ||
                    is_in(path, program, (int)strlen(program), ""))
                        return 0;
                return diagnostics_add(warnings, fragment_of(d), 0,
                                       "Exec=%s: There is no such program in PATH. Write its absolute path.", program);
        }
        if (stat(program, &st) < 0)
                return errno != ENOENT && errno != ENOTDIR
                               ? 0
                               : diagnostics_add(warnings, fragment_of(d), 0, "Exec=%s: There is no such program.",
                                                 program);
        if (S_ISREG(st.st_mode) && (st.st_mode & 0111) != 0)
                return 0;
        return diagnostics_add(warnings, fragment_of(d), 0, "Exec=%s: The file is not executable.", program);
}

static int advise_programs(const JobDef *d, Diagnostics *warnings) {
        int r = 0;

        if (d->rare->rotate || d->rare->clean || job_def_setting(d, "RootDirectory") ||
            job_def_setting(d, "RootImage"))
                return 0;
        for (size_t i = 0; r >= 0 && i < d->n_commands; i++)
                r = advise_program(d, d->commands[i].path, warnings);
        return r;
}

static bool user_exists(const char *name) {
        errno = 0;
        return getpwnam(name) || (errno != 0 && errno != ENOENT);
}

static bool group_exists(const char *name) {
        errno = 0;
        return getgrnam(name) || (errno != 0 && errno != ENOENT);
}

static int advise_settings(const JobDef *d, Diagnostics *warnings) {
        static const struct {
                const char *name;
                bool (*exists)(const char *name);
        } accounts[] = { { "User", user_exists }, { "Group", group_exists } };
        const UnitValue *dynamic = job_def_setting(d, "DynamicUser");
        struct stat st;
        int r = 0;

        for (size_t k = 0; r >= 0 && k < d->rare->n_properties; k++) {
                const UnitProperty *p = &d->rare->properties[k];

                for (size_t i = 0; r >= 0 && i < ELEMENTSOF(accounts); i++)
                        if (streq(p->name, accounts[i].name) && !(dynamic && dynamic->number) && p->n_values > 0 &&
                            strspn(p->values[0].text, "0123456789") != strlen(p->values[0].text) &&
                            !accounts[i].exists(p->values[0].text))
                                r = diagnostics_add(warnings, p->path, p->line, "%s=%s does not exist.", p->name,
                                                    p->values[0].text);
                if (!streq(p->name, "EnvironmentFiles"))
                        continue;
                for (size_t i = 1; r >= 0 && i + 1 < p->n_values; i += 2) /* path, is optional */
                        if (p->values[i + 1].number == 0 && !strpbrk(p->values[i].text, "*?[") &&
                            stat(p->values[i].text, &st) < 0 && errno == ENOENT)
                                r = diagnostics_add(warnings, p->path, p->line,
                                                    "EnvironmentFile=%s does not exist, so no run can start. Write "
                                                    "EnvironmentFile=-%s if it is optional.",
                                                    p->values[i].text, p->values[i].text);
        }
        return r;
}

static int advise_unit(const JobDef *d, Diagnostics *warnings) {
        static const char *const dirs[] = {
                "/etc/systemd/system",           "/run/systemd/system",
                "/usr/local/lib/systemd/system", "/usr/lib/systemd/system",
                "/lib/systemd/system",           "/run/systemd/generator",
                "/run/systemd/generator.early",  "/run/systemd/transient",
                "/run/systemd/generator.late",   "/etc/systemd/user",
                "/usr/lib/systemd/user",         NULL,
        };
        const char *suffix = d->rare->unit ? strrchr(d->rare->unit, '.') : NULL,
                   *at = suffix ? strchr(d->rare->unit, '@') : NULL;

        /* Others, such as mounts and slices, need no file. */
        if (!suffix || !(streq(suffix, ".service") || streq(suffix, ".timer") || streq(suffix, ".target")) ||
            is_in(dirs, d->rare->unit, (int)strlen(d->rare->unit), "") ||
            (at && is_in(dirs, d->rare->unit, (int)(at + 1 - d->rare->unit), suffix)))
                return 0;
        return diagnostics_add(warnings, fragment_of(d), 0, "Unit=%s: There is no file of such a unit.",
                               d->rare->unit);
}

static int advise_chains(const JobDef *d, char *const *dirs, Diagnostics *warnings) {
        const struct {
                const char *key;
                char **jobs;
        } chains[] = {
                { "OnSuccess", d->rare->on_success },
                { "OnFailure", d->rare->on_failure },
                { "OnAlarm", d->rare->on_alarm },
                { "OnClear", d->rare->monitor.on_clear },
        };
        int r = 0;

        for (size_t i = 0; i < ELEMENTSOF(chains); i++)
                for (char **job = chains[i].jobs; r >= 0 && job && *job; job++) {
                        size_t n = strlen(*job), n_suffix = strlen(JOB_SUFFIX);

                        if (job_exists(dirs, *job, n))
                                continue;
                        if (n > n_suffix && streq(*job + n - n_suffix, JOB_SUFFIX))
                                r = diagnostics_add(warnings, fragment_of(d), 0,
                                                    "%s=%s: There is no such job. Write the name without %s.",
                                                    chains[i].key, *job, JOB_SUFFIX);
                        else
                                r = diagnostics_add(warnings, fragment_of(d), 0, "%s=%s: There is no such job.",
                                                    chains[i].key, *job);
                }
        return r;
}

/* --- logs --- */

struct RotatedPath {
        char *path, *file; /* of the job */
};

void advice_done(Advice *a) {
        for (size_t i = 0; i < a->n_rotated; i++) {
                free(a->rotated[i].path);
                free(a->rotated[i].file);
        }
        free(a->rotated);
}

static int advise_rotation(const JobDef *d, Advice *a) {
        const RotateDef *rotate = d->rare->rotate;

        if (!rotate || !d->enabled)
                return 0;
        /* With Exclude=, jobs may share what a pattern matches. */
        for (char **path = rotate->exclude ? NULL : rotate->paths; path && *path; path++) {
                struct RotatedPath *place = ARRAY_NEXT(a->rotated, a->n_rotated);

                if (!place)
                        return -ENOMEM;
                *place = (struct RotatedPath){ alloc_string(*path), alloc_string(fragment_of(d)) };
                a->n_rotated++;
        }
        if (rotate->max_age == USEC_INFINITY || rotate->max_size != SIZE_ENDLESS || d->n_triggers > 0 ||
            d->rare->path_trigger || d->rare->monitor.when)
                return 0;
        return diagnostics_add(a->warnings, fragment_of(d), 0,
                               "MaxAge= is looked at when the job runs, but it has no trigger. Add section [Timer], "
                               "for example with OnCalendar=daily.");
}

static int compare_rotated(const void *x, const void *y) {
        const struct RotatedPath *a = x, *b = y;
        int r = strcmp(a->path, b->path);

        return r != 0 ? r : strcmp(a->file, b->file);
}

int jobs_advise(Advice *a) {
        int r = 0;

        if (a->n_rotated > 0)
                qsort(a->rotated, a->n_rotated, sizeof(*a->rotated), compare_rotated);
        for (size_t i = 1; r >= 0 && i < a->n_rotated; i++)
                if (streq(a->rotated[i - 1].path, a->rotated[i].path))
                        r = diagnostics_add(a->warnings, a->rotated[i].file, 0,
                                            "Path=%s of [Rotate] is in %s, too. Remove one of the two.",
                                            a->rotated[i].path, a->rotated[i - 1].file);
        return r;
}

/* --- what has no effect --- */

static bool queues(const JobDef *d) {
        return d->overlap == OVERLAP_QUEUE;
}

static bool is_parallel(const JobDef *d) {
        return d->overlap == OVERLAP_PARALLEL;
}

static bool retries(const JobDef *d) {
        return d->rare->retry.max > 0;
}

static bool waits(const JobDef *d) {
        return d->rare->wait_for;
}

static bool catches_up(const JobDef *d) {
        return d->rare->timer.catch_up != CATCH_UP_NONE;
}

static bool catches_up_with_all(const JobDef *d) {
        return d->rare->timer.catch_up == CATCH_UP_ALL;
}

static bool is_delayed(const JobDef *d) {
        return d->rare->timer.random_delay > 0;
}

static bool has_timer(const JobDef *d) {
        return d->n_triggers > 0;
}

#define ROW(key, field, has_effect, needs) \
        { key, offsetof(WholeJobDef, rare.field), sizeof(((RareDef *)NULL)->field), has_effect, needs }

static int advise_effect(const JobDef *d, Diagnostics *warnings) {
        static const struct {
                const char *key;
                size_t offset, size;
                bool (*has_effect)(const JobDef *d);
                const char *needs;
        } rows[] = {
                ROW("QueueMax", queue_max, queues, "Overlap=queue"),
                ROW("MaxParallel", max_parallel, is_parallel, "Overlap=parallel"),
                ROW("RetryDelaySec", retry.delay, retries, "Retry="),
                ROW("RetryFactor", retry.factor, retries, "Retry="),
                ROW("RetryMaxDelaySec", retry.max_delay, retries, "Retry="),
                ROW("WaitMaxSec", wait_max, waits, "WaitFor="),
                ROW("CatchUp", timer.catch_up, has_timer, "a trigger of section [Timer]"),
                ROW("CatchUpMax", timer.catch_up_max, catches_up_with_all, "CatchUp=all"),
                ROW("CatchUpWithinSec", timer.catch_up_within, catches_up, "CatchUp="),
                ROW("RandomizedDelaySec", timer.random_delay, has_timer, "a trigger of section [Timer]"),
                ROW("FixedRandomDelay", timer.fixed_random_delay, is_delayed, "RandomizedDelaySec="),
                ROW("WakeSystem", timer.wake_system, has_timer, "a trigger of section [Timer]"),
        };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(rows); i++)
                if (!rows[i].has_effect(d) &&
                    memcmp(job_def_member(d, rows[i].offset), job_def_member(&job_def_defaults.def, rows[i].offset),
                           rows[i].size) != 0)
                        r = diagnostics_add(warnings, fragment_of(d), 0, "%s= has no effect without %s.", rows[i].key,
                                            rows[i].needs);
        return r;
}

static int advise_times(const JobDef *d, usec_t now, Diagnostics *warnings) {
        int r = 0;

        for (size_t i = 0; r >= 0 && i < d->n_triggers; i++) {
                const TriggerDef *t = &d->triggers[i];
                usec_t unused;

                if (!trigger_def_has_times(t))
                        continue;
                if (t->type == TRIGGER_CALENDAR)
                        r = calendar_next(t->calendar, &d->rare->timer.dst, now, &unused);
                else if (!cron_is_reboot(t->cron))
                        r = cron_next(t->cron, &d->rare->timer.dst, now, &unused);
                if (r == -ENOENT)
                        r = diagnostics_add(warnings, fragment_of(d), 0, "%s=%s never elapses again.",
                                            trigger_type_to_string(t->type), t->expression);
        }
        return r;
}

int job_advise(const JobDef *d, void *advice) {
        Advice *a = advice;
        Diagnostics *warnings = a->warnings;
        int r = advise_programs(d, warnings);

        if (r >= 0)
                r = advise_unit(d, warnings);
        if (r >= 0)
                r = advise_settings(d, warnings);
        if (r >= 0)
                r = advise_chains(d, a->dirs, warnings);
        if (r >= 0)
                r = advise_times(d, a->now, warnings);
        if (r >= 0)
                r = advise_rotation(d, a);
        return r < 0 ? r : advise_effect(d, warnings);
}

void job_print_warnings(const JobDef *d, char *const *dirs, usec_t now_realtime) {
        _cleanup_(diagnostics_done) Diagnostics warnings = { 0 };
        _cleanup_(advice_done) Advice advice = { .dirs = dirs, .now = now_realtime, .warnings = &warnings };

        if (job_advise(d, &advice) < 0)
                alloc_failed();
        for (size_t i = 0; i < warnings.n_items; i++)
                ctl_complain(_("Warning: %s"), warnings.items[i].message);
}

/* --- directories --- */

static bool ends_in(const char *name, const char *suffix) {
        size_t n = strlen(name), n_suffix = strlen(suffix);

        return n >= n_suffix && streq(name + n - n_suffix, suffix);
}

static int advise_entry(const char *path, const char *name, char *const *dirs, Diagnostics *warnings) {
        _cleanup_free_ char *full = NULL;
        const char *message;
        struct stat st;

        if (*name == '.' || ends_in(name, JOB_SUFFIX) || ends_in(name, "~") || startswith(name, "README"))
                return 0;
        if (string_format(&full, "%s/%s", path, name) < 0)
                return -ENOMEM;
        if (ends_in(name, JOB_DROPINS_SUFFIX)) {
                if (job_exists(dirs, name, strlen(name) - strlen(JOB_DROPINS_SUFFIX)))
                        return 0;
                message = "The drop-ins are not read, because there is no such job.";
        } else if (stat(full, &st) >= 0 && S_ISDIR(st.st_mode))
                message = "The directory is not read. Move its job files to the one above.";
        else
                message = "The file is not read, because its name does not end in " JOB_SUFFIX ".";
        return diagnostics_add(warnings, full, 0, "%s", message);
}

int job_advise_directory(const char *path, char *const *dirs, Diagnostics *warnings) {
        _cleanup_(closedirp) DIR *dir = opendir(path);
        struct dirent *e;
        int r = 0;

        while (r >= 0 && dir && (e = readdir(dir)))
                r = advise_entry(path, e->d_name, dirs, warnings);
        return r;
}
