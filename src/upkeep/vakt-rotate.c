/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-rotate [--plan] [--json] [--state-directory=DIR] [--job=NAME] KEY=VALUE…
 *
 * Does what the lines of a section [Rotate] say, once. A line on standard output for each file that is changed, and
 * for what should be but is not; with --plan, for every file. */

#include "config/upkeep.h"
#include "fs/guarded.h"
#include "upkeep/logrotate-paths.h"
#include "upkeep/program.h"
#include "upkeep/rotation.h"
#include "upkeep/writer.h"
#include "util/nofile.h"
#include "util/places.h"
#include "util/size.h"
#include "util/strv.h"

#define LOGROTATE_CONF "/etc/logrotate.conf"

static const char help[] = "vakt-rotate [OPTION…] KEY=VALUE…\n\n"
                           "Rotate logs, as section [Rotate] of a job does.\n\n"
                           "  --plan                 Print what would be done with each file, and why\n"
                           "  --json                 Print an array of objects\n"
                           "  --state-directory=DIR  Where it is remembered when each log was rotated\n"
                           "  --job=NAME             The job that this is done for\n"
                           "  -h, --help             Show this help\n\n"
                           "The keys are those of section [Rotate], see vaktd.job(5):\n"
                           "  vakt-rotate --plan Path=/var/log/app/*.log MaxSize=10M Keep=7 Compress=zstd\n"
                           "See vaktd.upkeep(7) for what is guaranteed.\n";

typedef struct Rotation {
        Program program;
        LogrotatePaths *taken;
} Rotation;

/* --- what is printed --- */

static bool is_news(RotationDeed deed) {
        return deed != DEED_KEEP && deed != DEED_SKIP;
}

static void on_report(void *userdata, RotationDeed deed, const char *path, const char *reason) {
        Program *p = &((Rotation *)userdata)->program;

        if (p->plan || is_news(deed))
                program_print(p, &(const ProgramLine){
                                         .word = p->plan ? rotation_deed_to_string(deed) : rotation_deed_done(deed),
                                         .path = path,
                                         .reason = reason,
                                 });
}

/* "Rotated 3 logs, compressed 1 file, removed 2 files, 1.2G freed; 1 refused or failed." */
static void put_summary(FILE *f, const Program *p, const void *result) {
        const RotationResult *t = result;
        const struct {
                unsigned n;
                const char *done, *plan, *what;
        } parts[] = {
                { t->n_rotated, "rotated", "rotate", "log" },
                { t->n_finished, "finished", "finish", "interrupted rotation" },
                { t->n_compressed, "compressed", "compress", "file" },
                { t->n_removed, "removed", "remove", "file" },
        };
        char size[SIZE_TEXT_MAX];
        bool is_first = true;

        for (size_t i = 0; i < ELEMENTSOF(parts); i++) {
                const char *verb = p->plan ? parts[i].plan : parts[i].done;

                if (parts[i].n == 0)
                        continue;
                if (is_first && p->plan)
                        fprintf(f, "Would %s", verb);
                else if (is_first)
                        fprintf(f, "%c%s", verb[0] - 'a' + 'A', verb + 1);
                else
                        fprintf(f, ", %s", verb);
                fprintf(f, " %u %s%s", parts[i].n, parts[i].what, PLURAL(parts[i].n));
                is_first = false;
        }
        if (is_first)
                (void)fputs(t->n_failed > 0  ? "Nothing was rotated"
                            : t->n_logs == 0 ? "There is no log"
                                             : "Nothing was due",
                            f);
        if (t->bytes_freed > 0 && !p->plan)
                fprintf(f, ", %s freed", size_format(size, (uint64_t)t->bytes_freed));
        if (t->n_failed > 0)
                fprintf(f, "; %u refused or failed", t->n_failed);
        (void)fputc('.', f);
}

/* --- the run --- */

static int on_script(void *userdata, const char *script, char *const *logs, char **reterr) {
        return writer_run_script(script, logs, reterr);
}

static int on_tell(void *userdata, const RotateDef *def, char **reterr) {
        return writer_tell(def, reterr);
}

static const char *on_taken(void *userdata, const char *path) {
        const Rotation *r = userdata;

        return r->taken ? logrotate_paths_find(r->taken, path) : NULL;
}

/* -EBADF: there is none to remember anything in. A plan makes none: the job may have another user than who asks. Who
 * can write to it could have us write to other files. */
static int open_state(const Program *p) {
        _cleanup_free_ char *own = NULL, *path = NULL, *reason = NULL;
        GuardedDirectory d = { .fd = -EBADF };
        int r = 0;

        if (!p->own_value) {
                r = places_state_dir(geteuid() != 0, &own);
                if (r >= 0)
                        r = string_format(&path, "%s/rotate", own);
        }
        if (r >= 0 && !p->plan)
                r = guarded_make(p->own_value ?: path, 0700, &reason);
        if (r >= 0)
                r = guarded_open(p->own_value ?: path, &d, &reason);
        if (r >= 0 && d.is_trusted && !d.is_shared)
                return d.fd;
        guarded_close(&d);
        if (p->own_value && !(p->plan && r == -ENOENT))
                program_warn(p, "%s, so %s.", reason ?: "Other users can write to the state directory",
                             p->plan ? "the last rotations are guessed from the files" : "nothing is remembered");
        return -EBADF;
}

static int run(Rotation *rotation, const RotateDef *def, RotationResult *ret) {
        _cleanup_(logrotate_paths_freep) LogrotatePaths *taken = NULL;
        const Program *p = &rotation->program;
        _cleanup_close_ int state_fd = open_state(p);
        const RotationHost host = {
                .report = on_report,
                .run_script = on_script,
                .tell_writer = on_tell,
                .taken_by = on_taken,
                .userdata = rotation,
                .state_fd = state_fd,
        };
        int r = 0;

        if (!def->take_over)
                r = logrotate_paths_read(&taken, LOGROTATE_CONF);
        if (r < 0)
                return r;
        rotation->taken = taken;
        return rotation_run(def, &host, now_realtime(), p->plan, ret);
}

int main(int argc, char *argv[]) {
        _cleanup_(diagnostics_done) Diagnostics problems = {};
        _cleanup_(rotate_def_done) RotateDef def = rotate_def_defaults;
        Rotation rotation = {
                .program = { .name = "vakt-rotate", .help = help, .own_option = "--state-directory=" },
        };
        Program *p = &rotation.program;
        RotationResult result = {};
        int r = program_read_options(p, argv);

        if (r != PROGRAM_GOES_ON)
                return r;
        r = upkeep_parse_rotate(p->lines, p->n_lines, &def, &problems);
        nofile_limit_raise();
        if (r >= 0)
                r = run(&rotation, &def, &result);
        return program_end(p, r, &problems,
                           &(const ProgramEnd){
                                   .n_files = result.n_rotated + result.n_compressed + result.n_removed,
                                   .bytes_freed = (uint64_t)MAX(result.bytes_freed, (int64_t)0),
                                   .has_failed = result.n_failed > 0,
                                   .put_summary = put_summary,
                                   .result = &result,
                           });
}
