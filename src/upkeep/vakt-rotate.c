/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-rotate [--plan] [--json] [--state-directory=DIR] [--job=NAME] KEY=VALUE…
 *
 * Does what the lines of a section [Rotate] say, once. A line on standard output for each file that is changed, and
 * for what should be but is not; with --plan, for every file. */

#include <fcntl.h>
#include <stdio.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "config/upkeep.h"
#include "upkeep/logrotate-paths.h"
#include "upkeep/rotation.h"
#include "upkeep/writer.h"
#include "util/escape.h"
#include "util/file.h"
#include "util/nofile.h"
#include "util/places.h"
#include "util/size.h"
#include "util/strv.h"

#define LOGROTATE_CONF "/etc/logrotate.conf"

typedef struct Options {
        bool plan, json, help;
        const char *state_directory;
        char **lines;
        size_t n_lines;
} Options;

typedef struct Program {
        const Options *options;
        LogrotatePaths *taken;
        uint64_t n_lines;
} Program;

/* --- what is printed --- */

static void put_json_string(const char *text) {
        (void)putchar('"');
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        (void)putchar('\\');
                (void)putchar(*p);
        }
        (void)putchar('"');
}

static bool is_news(RotationDeed deed) {
        return deed != DEED_STAY && deed != DEED_SKIP;
}

static void on_report(void *userdata, RotationDeed deed, const char *path, const char *reason) {
        _cleanup_free_ char *shown = escape_text(path, strlen(path), /* keep_lines= */ false);
        _cleanup_free_ char *why = escape_text(strempty(reason), strlen(strempty(reason)), /* keep_lines= */ false);
        Program *p = userdata;
        const char *word = p->options->plan ? rotation_deed_to_string(deed) : rotation_deed_done(deed);

        if (!shown || !why || (!p->options->plan && !is_news(deed)))
                return;
        if (p->options->json) {
                printf("%s\n{\"action\":\"%s\",\"path\":", p->n_lines > 0 ? "," : "", word);
                put_json_string(shown);
                (void)fputs(",\"reason\":", stdout);
                put_json_string(why);
                (void)putchar('}');
        } else
                printf("%s %s%s%s\n", word, shown, isempty(why) ? "" : ": ", why);
        p->n_lines++;
}

/* "Rotated 3 logs, compressed 1 file, removed 2 files, 1.2G freed; 1 refused or failed." */
static void put_summary(FILE *f, const Options *o, const RotationResult *t) {
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
                const char *verb = o->plan ? parts[i].plan : parts[i].done;

                if (parts[i].n == 0)
                        continue;
                if (is_first && o->plan)
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
        if (t->bytes_freed > 0 && !o->plan)
                fprintf(f, ", %s freed", size_format(size, (uint64_t)t->bytes_freed));
        if (t->n_failed > 0)
                fprintf(f, "; %u refused or failed", t->n_failed);
        (void)fputc('.', f);
}

/* To the service manager, and to people. */
static int tell_summary(const Options *o, const RotationResult *t) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                return -ENOMEM;
        put_summary(f, o, t);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!o->plan)
                (void)sd_notifyf(/* unset_environment= */ false, "STATUS=files=%u freed=%" PRIi64 ": %s",
                                 t->n_rotated + t->n_compressed + t->n_removed, MAX(t->bytes_freed, (int64_t)0), text);
        if (!o->json)
                printf("%s\n", text);
        return 0;
}

/* --- the run --- */

static int on_script(void *userdata, const char *script, char *const *logs, char **reterr) {
        return writer_run_script(script, logs, reterr);
}

static int on_tell(void *userdata, const RotateDef *def, char **reterr) {
        return writer_tell(def, reterr);
}

static const char *on_taken(void *userdata, const char *path) {
        const Program *p = userdata;

        return p->taken ? logrotate_paths_find(p->taken, path) : NULL;
}

/* -EBADF: there is none to remember anything in. A plan makes none: the job may have another user than who asks. */
static int open_state(const Options *o) {
        _cleanup_free_ char *own = NULL, *path = NULL;
        int fd;

        if (!o->state_directory &&
            (places_state_dir(geteuid() != 0, &own) < 0 || string_format(&path, "%s/rotate", own) < 0))
                return -EBADF;
        if (!o->plan && make_directories(o->state_directory ?: path, 0700) < 0)
                return -EBADF;
        fd = open(o->state_directory ?: path, O_PATH | O_DIRECTORY | O_CLOEXEC);
        return fd < 0 ? -EBADF : fd;
}

static int run(const Options *o, const RotateDef *def, RotationResult *ret) {
        _cleanup_(logrotate_paths_freep) LogrotatePaths *taken = NULL;
        _cleanup_close_ int state_fd = open_state(o);
        Program p = { .options = o };
        const RotationHost host = {
                .report = on_report,
                .run_script = on_script,
                .tell_writer = on_tell,
                .taken_by = on_taken,
                .userdata = &p,
                .state_fd = state_fd,
        };
        int r = 0;

        if (state_fd < 0 && o->state_directory && !(o->plan && errno == ENOENT))
                fprintf(stderr, "vakt-rotate: %s cannot be used, so %s: %s\n", o->state_directory,
                        o->plan ? "the last rotations are guessed from the files" : "nothing is remembered",
                        strerror(errno));
        if (!def->take_over)
                r = logrotate_paths_read(&taken, LOGROTATE_CONF);
        if (r < 0)
                return r;
        p.taken = taken;
        if (o->json)
                (void)putchar('[');
        r = rotation_run(def, &host, now_realtime(), o->plan, ret);
        if (o->json)
                (void)fputs("\n]\n", stdout);
        return r;
}

static int read_options(Options *o, char **argv) {
        char **to = argv + 1;
        const char *value;

        o->lines = to;
        for (char **word = argv + 1; *word; word++)
                if (streq(*word, "--plan"))
                        o->plan = true;
                else if (streq(*word, "--json"))
                        o->json = true;
                else if (streq(*word, "--help") || streq(*word, "-h"))
                        o->help = true;
                else if ((value = startswith(*word, "--state-directory=")))
                        o->state_directory = value;
                else if (startswith(*word, "-") && !startswith(*word, "--job="))
                        return fprintf(stderr, "vakt-rotate: there is no option %s. Try --help.\n", *word), -EINVAL;
                else if (!startswith(*word, "-"))
                        *to++ = *word;
        o->n_lines = (size_t)(to - o->lines);
        return 0;
}

static void print_problems(const Diagnostics *d) {
        for (size_t i = 0; i < d->n_items; i++)
                fprintf(stderr, "vakt-rotate: %s: %s\n", d->items[i].file, d->items[i].message);
}

static void print_help(void) {
        printf("vakt-rotate [OPTION…] KEY=VALUE…\n\n"
               "Rotate logs, as section [Rotate] of a job does.\n\n"
               "  --plan                 Print what would be done with each file, and why\n"
               "  --json                 Print an array of objects\n"
               "  --state-directory=DIR  Where it is remembered when each log was rotated\n"
               "  --job=NAME             The job that this is done for\n"
               "  -h, --help             Show this help\n\n"
               "The keys are those of section [Rotate], see vaktd.job(5):\n"
               "  vakt-rotate --plan Path=/var/log/app/*.log MaxSize=10M Keep=7 Compress=zstd\n"
               "See vaktd.upkeep(7) for what is guaranteed.\n");
}

int main(int argc, char *argv[]) {
        _cleanup_(diagnostics_done) Diagnostics problems = {};
        _cleanup_(rotate_def_done) RotateDef def = rotate_def_defaults;
        RotationResult result = {};
        Options o = {};
        int r;

        if (read_options(&o, argv) < 0)
                return EX_USAGE;
        if (o.help || argc < 2) {
                print_help();
                return o.help ? EXIT_SUCCESS : EX_USAGE;
        }
        r = upkeep_parse_rotate(o.lines, o.n_lines, &def, &problems);
        if (r == -EINVAL) {
                print_problems(&problems);
                return EX_USAGE;
        }
        nofile_limit_raise();
        if (r >= 0)
                r = run(&o, &def, &result);
        if (r >= 0)
                r = tell_summary(&o, &result);
        if (r >= 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0) {
                fprintf(stderr, "vakt-rotate: %s\n", strerror(-r));
                return EX_OSERR;
        }
        return result.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
