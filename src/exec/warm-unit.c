/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a runner is made of: the definition of its unit, the set-up that all of its runs share, and its two files in
 * RUNTIME_DIRECTORY/runners, which only we can enter. Everything there is done by the descriptor of that directory. */

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "config.h"

#include "exec/child-settings.h"
#include "exec/runner-setup.h"
#include "exec/warm-internal.h"
#include "util/array.h"
#include "util/file.h"
#include "util/log.h"
#include "util/strv.h"

#define BACKLOG 8

/* In which the runner ends, after the last of its runs was killed. */
#define EXTRA_USEC (RUNNER_LINES_USEC + 5 * USEC_PER_SEC)

#define JOURNAL_SOCKET "/run/systemd/journal/socket"

/* --- the definition of its unit --- */

/* Settings that are for runs, and that the runner applies to each of them. */
static bool is_of_runs(const char *name) {
        static const char *const names[] = { "KillMode", "KillSignal", "SendSIGHUP", "TimeoutStopUSec" };

        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                if (streq(name, names[i]))
                        return true;
        return startswith(name, "StandardInput");
}

static UnitProperty *add_property(JobDef *d, const char *name, const char *signature) {
        UnitProperty *p = ARRAY_NEXT(d->rare->properties, d->rare->n_properties);

        if (!p)
                return NULL;
        *p = (UnitProperty){ .name = name, .signature = signature };
        d->rare->n_properties++;
        return p;
}

static int copy_property(JobDef *d, const UnitProperty *of) {
        UnitProperty *p = add_property(d, of->name, of->signature);
        int r = p ? 0 : -ENOMEM;

        for (size_t i = 0; r >= 0 && i < of->n_values; i++) {
                const UnitValue *v = &of->values[i];

                if (v->text) /* of "ay" it may hold NULs */
                        r = unit_property_add_text(p, v->text, MAX((size_t)v->number, strlen(v->text)));
                else
                        r = unit_property_add_number(p, v->number);
        }
        return r;
}

static int put_number(JobDef *d, const char *name, const char *signature, uint64_t number) {
        UnitProperty *p = add_property(d, name, signature);

        return p ? unit_property_add_number(p, number) : -ENOMEM;
}

static int put_text(JobDef *d, const char *name, const char *text) {
        UnitProperty *p = add_property(d, name, "s");

        return p ? unit_property_add_text(p, text, SIZE_MAX) : -ENOMEM;
}

static int put_program(JobDef *d) {
        int r;

        d->commands = calloc(1, sizeof(CommandDef));
        if (!d->commands)
                return -ENOMEM;
        d->n_commands = 1;
        r = string_format(&d->commands[0].path, "%s/vakt-runner", getenv("VAKTD_PROGRAM_DIR") ?: VAKT_PKGLIBDIR);
        return r < 0 ? r : strv_extend(&d->commands[0].argv, "vakt-runner");
}

int runner_def_new(JobDef **ret, const JobDef *def) {
        const UnitValue *stop = job_def_setting(def, "TimeoutStopUSec");
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        int r;

        r = job_def_new(&d, def->name);
        if (r >= 0)
                r = string_format(&d->description, "vaktd: %s, runner", def->name);
        for (size_t i = 0; r >= 0 && i < def->rare->n_properties; i++)
                if (!is_of_runs(def->rare->properties[i].name))
                        r = copy_property(d, &def->rare->properties[i]);
        /* The runner is told to end, and ends its runs; the unit's others are killed when it is gone. */
        if (r >= 0)
                r = put_text(d, "KillMode", "mixed");
        if (r >= 0)
                r = put_number(d, "TimeoutStopUSec", "t",
                               stop && stop->number == 0
                                       ? USEC_INFINITY
                                       : usec_add(stop ? stop->number : RUNNER_STOP_USEC, EXTRA_USEC));
        if (r >= 0)
                r = put_number(d, "Delegate", "b", 1);
        /* One run without memory is not the end of the others. */
        if (r >= 0 && !job_def_setting(def, "OOMPolicy"))
                r = put_text(d, "OOMPolicy", "continue");
        if (r >= 0)
                r = put_program(d);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(d);
        return 0;
}

/* --- the set-up --- */

/* The runner writes the lines of its runs, each with the run's number, unless they go elsewhere. */
static bool has_own_output(const JobDef *def) {
        for (size_t i = 0; i < def->rare->n_properties; i++) {
                const UnitProperty *p = &def->rare->properties[i];

                if ((startswith(p->name, "StandardOutput") || startswith(p->name, "StandardError")) &&
                    !streq_ptr(p->values[0].text, "journal") && !streq_ptr(p->values[0].text, "inherit"))
                        return false;
        }
        return true;
}

/* Of a runner that was adopted, which gets no more runs, nobody reads it. */
int runner_write_any_setup(const char *job) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        int r;

        r = job_def_new(&d, job);
        if (r >= 0)
                r = put_program(d);
        return r < 0 ? r : runner_write_setup(d);
}

int runner_write_setup(const JobDef *def) {
        const UnitValue *identifier = job_def_setting(def, "SyslogIdentifier"),
                        *hangup = job_def_setting(def, "SendSIGHUP");
        _cleanup_(child_settings_done) ChildSettings settings = {};
        _cleanup_free_ struct RunnerCommand *commands = calloc(def->n_commands, sizeof(struct RunnerCommand));
        RunnerSetup s = {
                .job = def->name,
                .identifier = identifier && !isempty(identifier->text) ? identifier->text : def->name,
                .own_output = has_own_output(def),
                .send_sighup = hangup && hangup->number > 0,
                .n_commands = def->n_commands,
                .commands = commands,
                .success_signals = def->rare->success.signals,
        };
        int r;

        if (!commands)
                return -ENOMEM;
        r = child_settings_read(&settings, def->rare->properties, def->rare->n_properties);
        if (r < 0)
                return r;
        s.kill_mode = settings.kill.mode;
        s.kill_signal = settings.kill.signal;
        s.send_sigkill = settings.kill.send_sigkill;
        s.stop_timeout = job_def_setting(def, "TimeoutStopUSec") ? settings.kill.timeout : RUNNER_STOP_USEC;
        memcpy(s.success_statuses, def->rare->success.statuses, sizeof(s.success_statuses));
        for (size_t i = 0; i < def->n_commands; i++)
                commands[i] = (struct RunnerCommand){
                        .path = def->commands[i].path,
                        .argv = def->commands[i].argv,
                        .flags = def->commands[i].flags,
                };
        return runner_setup_write(&s);
}

/* --- its files --- */

typedef struct FileName {
        char text[64];
} FileName;

static FileName file_name(uint64_t number, const char *kind) {
        FileName name;

        (void)snprintf(name.text, sizeof(name.text), "%" PRIu64 ".%s", number, kind);
        return name;
}

int warm_open_directory(WarmRunners *w) {
        _cleanup_close_ int fd = -EBADF;
        struct stat st;

        if (w->directory >= 0)
                return 0;
        if (!w->path)
                return -ENOENT;
        if (mkdir(w->path, 0700) < 0 && errno != EEXIST)
                return -errno;
        fd = open(w->path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & 077) != 0) {
                log_error("%s must belong to the user that vaktd runs as, with mode 0700; remove it.", w->path);
                return -EPERM;
        }
        w->directory = TAKE_FD(fd);
        return 0;
}

/* By way of the directory's descriptor, which is short enough for an address, whatever its path. */
static struct sockaddr_un address_of(const WarmRunners *w, uint64_t number) {
        struct sockaddr_un address = { .sun_family = AF_UNIX };

        (void)snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%" PRIu64 ".socket", w->directory,
                       number);
        return address;
}

int runner_listen(const WarmRunners *w, uint64_t number) {
        const struct sockaddr_un address = address_of(w, number);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);

        if (fd < 0 || bind(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
                return -errno;
        return TAKE_FD(fd);
}

static int connect_to(const struct sockaddr_un *address, int type) {
        _cleanup_close_ int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int runner_connect_socket(const WarmRunners *w, uint64_t number) {
        const struct sockaddr_un address = address_of(w, number);

        return connect_to(&address, SOCK_SEQPACKET | SOCK_NONBLOCK);
}

int journal_connect(void) {
        return connect_to(&(struct sockaddr_un){ .sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET }, SOCK_DGRAM);
}

int runner_open_table(const WarmRunners *w, uint64_t number, bool make) {
        FileName name = file_name(number, "table");
        _cleanup_close_ int fd =
                openat(w->directory, name.text, O_RDWR | O_NOFOLLOW | O_CLOEXEC | (make ? O_CREAT : 0), 0600);

        if (fd < 0)
                return -errno;
        if (make && ftruncate(fd, RUNNER_ENTRIES * sizeof(RunnerEntry)) < 0)
                return -errno;
        return TAKE_FD(fd);
}

void runner_remove_files(const WarmRunners *w, uint64_t number) {
        FileName table = file_name(number, "table"), socket = file_name(number, "socket");

        if (w->directory < 0)
                return;
        (void)unlinkat(w->directory, socket.text, 0);
        (void)unlinkat(w->directory, table.text, 0);
}

int memory_file_write(const char *name, const char *bytes, size_t n) {
        _cleanup_close_ int fd = memfd_create(name, MFD_CLOEXEC | MFD_ALLOW_SEALING);
        int r;

        if (fd < 0)
                return -errno;
        r = fd_write_all(fd, bytes, n);
        if (r < 0)
                return r;
        if (fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE) < 0 ||
            lseek(fd, 0, SEEK_SET) < 0)
                return -errno;
        return TAKE_FD(fd);
}

/* --- what was left behind --- */

static bool has_runner(const UnitExecutor *e, uint64_t number) {
        UNIT_TABLE_FOREACH(node, &e->warm.by_job)
                if (runner_of(node)->number == number)
                        return true;
        return false;
}

/* True for a file of a runner. */
static bool read_number(const char *name, uint64_t *ret) {
        char *end;

        *ret = strtoull(name, &end, 10);
        return name[0] >= '1' && name[0] <= '9' && (streq(end, ".socket") || streq(end, ".table"));
}

/* It is not followed: no run of it is live. */
static bool table_is_quiet(const WarmRunners *w, uint64_t number) {
        _cleanup_close_ int fd = runner_open_table(w, number, /* make= */ false);
        RunnerEntry entry;

        for (off_t i = 0; fd >= 0 && i < RUNNER_ENTRIES; i++)
                if (pread(fd, &entry, sizeof(entry), i * (off_t)sizeof(entry)) == sizeof(entry) &&
                    (entry.state == RUNNER_RUN_STARTING || entry.state == RUNNER_RUN_RUNNING))
                        return false;
        return true;
}

/* Who has files in our directory is ours, or was. One with runs ends by itself when they have. */
void warm_stranger_listed(UnitExecutor *e, const char *unit, const char *job, uint64_t number, bool is_over,
                          bool is_failed) {
        WarmRunners *w = &e->warm;
        FileName socket = file_name(number, "socket");
        uint64_t *place;

        w->last_number = MAX(w->last_number, number);
        if (warm_open_directory(w) < 0 || has_runner(e, number))
                return;
        if (faccessat(w->directory, socket.text, F_OK, AT_SYMLINK_NOFOLLOW) < 0 &&
            e->callbacks.found(e->userdata, job, number) != EXEC_FOUND_WRITTEN)
                return;
        if (!is_over) { /* until it is, its files stay */
                place = ARRAY_NEXT(w->strangers, w->n_strangers);
                if (place)
                        *place = number;
                w->n_strangers += place != NULL;
                w->is_swept = !place;
        }
        if (is_over || table_is_quiet(w, number))
                release_at_once(e, unit, is_failed);
}

static bool is_stranger(const WarmRunners *w, uint64_t number) {
        for (size_t i = 0; i < w->n_strangers; i++)
                if (w->strangers[i] == number)
                        return true;
        return false;
}

void warm_sweep(UnitExecutor *e) {
        WarmRunners *w = &e->warm;
        _cleanup_(closedirp) DIR *directory = NULL;
        const struct dirent *entry;
        uint64_t number;

        if (w->is_swept || !w->path || (w->directory < 0 && access(w->path, F_OK) < 0) || warm_open_directory(w) < 0)
                return;
        w->is_swept = w->n_strangers == 0;
        directory = fd_list(w->directory);
        while (directory && (entry = readdir(directory)))
                if (read_number(entry->d_name, &number) && !has_runner(e, number) && !is_stranger(w, number))
                        (void)unlinkat(w->directory, entry->d_name, 0);
        w->strangers = mfree(w->strangers);
        w->n_strangers = 0;
}
