/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-clean [--plan] [--json] [--job=NAME] KEY=VALUE…
 *
 * Does what the lines of a section [Clean] say, once. A line on standard output for each entry that is removed, and
 * for what should be but is not; with --plan, for every entry. */

#include <stdio.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "config/upkeep.h"
#include "upkeep/clean.h"
#include "util/escape.h"
#include "util/size.h"

typedef struct Options {
        bool plan, json, help;
        char **lines;
        size_t n_lines;
} Options;

typedef struct Printer {
        const Options *options;
        uint64_t n_events;
        bool failed; /* without memory */
} Printer;

static const char *const done_words[_CLEAN_ACT_MAX] = {
        [CLEAN_REMOVED] = "removed",
        [CLEAN_KEPT] = "kept",
        [CLEAN_REFUSED] = "refused",
        [CLEAN_FAILED] = "failed",
};

static const char *const plan_words[_CLEAN_ACT_MAX] = {
        [CLEAN_REMOVED] = "remove",
        [CLEAN_KEPT] = "keep",
        [CLEAN_REFUSED] = "refuse",
        [CLEAN_FAILED] = "fail",
};

/* --- what is printed --- */

/* In the largest unit: "12d". */
static void put_age(usec_t age) {
        static const struct {
                usec_t unit;
                const char *name;
        } units[] = {
                { USEC_PER_DAY, "d" },
                { USEC_PER_HOUR, "h" },
                { USEC_PER_MINUTE, "min" },
                { USEC_PER_SEC, "s" },
        };
        size_t i = 0;

        while (i + 1 < ELEMENTSOF(units) && age < units[i].unit)
                i++;
        printf(" (%" PRIu64 "%s old, ", age / units[i].unit, units[i].name);
}

static void print_text(const Printer *p, const CleanEvent *e, const char *path, size_t n) {
        char size[SIZE_TEXT_MAX];

        (void)fputs_unlocked((p->options->plan ? plan_words : done_words)[e->act], stdout);
        (void)putchar_unlocked(' ');
        (void)fwrite_unlocked(path, 1, n, stdout);
        (void)fputs_unlocked(e->is_directory ? "/: " : ": ", stdout);
        (void)fputs_unlocked(e->reason, stdout);
        if (e->age != USEC_INFINITY) {
                put_age(e->age);
                (void)fputs_unlocked(size_format(size, e->bytes), stdout);
                (void)putchar_unlocked(')');
        }
        (void)putchar_unlocked('\n');
}

/* Text that escape_text() has made, in which only two characters are left to be quoted. */
static void put_json_string(const char *text) {
        (void)putchar('"');
        for (const char *p = text; *p; p++) {
                if (*p == '"' || *p == '\\')
                        (void)putchar('\\');
                (void)putchar(*p);
        }
        (void)putchar('"');
}

static void print_json(const Printer *p, const CleanEvent *e, const char *path) {
        printf("%s\n{\"action\":\"%s\",\"path\":", p->n_events > 0 ? "," : "",
               (p->options->plan ? plan_words : done_words)[e->act]);
        put_json_string(path);
        printf(",\"directory\":%s,\"reason\":", e->is_directory ? "true" : "false");
        put_json_string(e->reason);
        if (e->age != USEC_INFINITY)
                printf(",\"age_usec\":%" PRIu64 ",\"bytes\":%" PRIu64, e->age, e->bytes);
        (void)putchar('}');
}

/* Most are, and there may be many. */
static bool is_plain(const char *path, size_t n) {
        bool plain = true;

        for (size_t i = 0; i < n; i++)
                plain &= path[i] >= ' ' && path[i] <= '~';
        return plain;
}

static void on_event(void *userdata, const CleanEvent *e) {
        bool plain = is_plain(e->path, e->n);
        _cleanup_free_ char *escaped = plain ? NULL : escape_text(e->path, e->n, /* keep_lines= */ false);
        const char *path = plain ? e->path : escaped;
        Printer *p = userdata;

        if (!path)
                p->failed = true;
        else if (p->options->json)
                print_json(p, e, path);
        else
                print_text(p, e, path, plain ? e->n : strlen(path));
        p->n_events++;
}

static void put_summary(FILE *f, const Options *o, const CleanTotals *t) {
        char size[SIZE_TEXT_MAX];

        fprintf(f, "%s %" PRIu64 " file%s", o->plan ? "Would remove" : "Removed", t->n_files, PLURAL(t->n_files));
        if (t->n_directories > 0)
                fprintf(f, " and %" PRIu64 " director%s", t->n_directories, t->n_directories == 1 ? "y" : "ies");
        fprintf(f, ", %s freed", size_format(size, t->bytes));
        if (t->n_held > 0)
                fprintf(f, "; %s more when processes close %" PRIu64 " of them", size_format(size, t->held_bytes),
                        t->n_held);
        if (t->n_refused + t->n_failed > 0)
                fprintf(f, "; %" PRIu64 " refused or failed", t->n_refused + t->n_failed);
        (void)fputc('.', f);
}

/* To the service manager, and to people. */
static int tell_summary(const Options *o, const CleanTotals *t) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                return -ENOMEM;
        put_summary(f, o, t);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!o->plan)
                (void)sd_notifyf(/* unset_environment= */ false, "STATUS=files=%" PRIu64 " freed=%" PRIu64 ": %s",
                                 t->n_files + t->n_directories, t->bytes, text);
        if (!o->json)
                printf("%s\n", text);
        return 0;
}

/* --- the run --- */

static int run(const Options *o, const CleanDef *def, CleanTotals *ret) {
        _cleanup_(clean_freep) Clean *c = NULL;
        Printer p = { .options = o };
        int r;

        r = clean_new(&c, def, now_realtime(), o->plan, on_event, &p);
        if (r < 0)
                return r;
        if (o->json)
                (void)putchar('[');
        r = clean_do(c);
        if (o->json)
                (void)fputs("\n]\n", stdout);
        if (r >= 0 && p.failed)
                r = -ENOMEM;
        *ret = *clean_totals(c);
        return r;
}

static int read_options(Options *o, char **argv) {
        char **to = argv + 1;

        o->lines = to;
        for (char **word = argv + 1; *word; word++)
                if (streq(*word, "--plan"))
                        o->plan = true;
                else if (streq(*word, "--json"))
                        o->json = true;
                else if (streq(*word, "--help") || streq(*word, "-h"))
                        o->help = true;
                else if (startswith(*word, "-") && !startswith(*word, "--job="))
                        return fprintf(stderr, "vakt-clean: there is no option %s. Try --help.\n", *word), -EINVAL;
                else if (!startswith(*word, "-"))
                        *to++ = *word;
        o->n_lines = (size_t)(to - o->lines);
        return 0;
}

static void print_problems(const Diagnostics *d) {
        for (size_t i = 0; i < d->n_items; i++)
                fprintf(stderr, "vakt-clean: %s: %s\n", d->items[i].file, d->items[i].message);
}

static void print_help(void) {
        printf("vakt-clean [OPTION…] KEY=VALUE…\n\n"
               "Remove what is old or too much, as section [Clean] of a job does.\n\n"
               "  --plan      Print what would be done with each file, and why\n"
               "  --json      Print an array of objects\n"
               "  --job=NAME  The job that this is done for\n"
               "  -h, --help  Show this help\n\n"
               "The keys are those of section [Clean], see vaktd.job(5):\n"
               "  vakt-clean --plan Path=/var/cache/app MaxAge=10d KeepOpen=yes\n"
               "See vaktd.upkeep(7) for what is never removed.\n");
}

int main(int argc, char *argv[]) {
        _cleanup_(diagnostics_done) Diagnostics problems = {};
        _cleanup_(clean_def_done) CleanDef def = clean_def_defaults;
        CleanTotals totals = {};
        Options o = {};
        int r;

        if (read_options(&o, argv) < 0)
                return EX_USAGE;
        if (o.help || argc < 2) {
                print_help();
                return o.help ? EXIT_SUCCESS : EX_USAGE;
        }
        r = upkeep_parse_clean(o.lines, o.n_lines, &def, &problems);
        if (r == -EINVAL) {
                print_problems(&problems);
                return EX_USAGE;
        }
        if (r >= 0)
                r = run(&o, &def, &totals);
        if (r >= 0 && totals.n_unseen > 0)
                fprintf(stderr,
                        "vakt-clean: the open files of %" PRIu64 " process%s cannot be seen; what only they have open "
                        "is not kept.\n",
                        totals.n_unseen, totals.n_unseen == 1 ? "" : "es");
        if (r >= 0)
                r = tell_summary(&o, &totals);
        if (r >= 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0) {
                fprintf(stderr, "vakt-clean: %s\n", strerror(-r));
                return EX_OSERR;
        }
        return totals.n_refused + totals.n_failed > 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}
