/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vakt-clean [--plan] [--json] [--job=NAME] KEY=VALUE…
 *
 * Does what the lines of a section [Clean] say, once. A line on standard output for each entry that is removed, and
 * for what should be but is not; with --plan, for every entry. */

#include "config/upkeep.h"
#include "upkeep/clean.h"
#include "upkeep/program.h"
#include "util/size.h"

static const char help[] = "vakt-clean [OPTION…] KEY=VALUE…\n\n"
                           "Remove what is old or too much, as section [Clean] of a job does.\n\n"
                           "  --plan      Print what would be done with each file, and why\n"
                           "  --json      Print an array of objects\n"
                           "  --job=NAME  The job that this is done for\n"
                           "  -h, --help  Show this help\n\n"
                           "The keys are those of section [Clean], see vaktd.job(5):\n"
                           "  vakt-clean --plan Path=/var/cache/app MaxAge=10d KeepOpen=yes\n"
                           "See vaktd.upkeep(7) for what is never removed.\n";

static const char *const done_words[_CLEAN_ACT_MAX] = {
        [CLEAN_REMOVED] = "removed", [CLEAN_KEPT] = "kept",     [CLEAN_SKIPPED] = "skipped",
        [CLEAN_REFUSED] = "refused", [CLEAN_FAILED] = "failed",
};

static const char *const plan_words[_CLEAN_ACT_MAX] = {
        [CLEAN_REMOVED] = "remove", [CLEAN_KEPT] = "keep",   [CLEAN_SKIPPED] = "skip",
        [CLEAN_REFUSED] = "refuse", [CLEAN_FAILED] = "fail",
};

/* In the largest unit: "12d old". */
static void details_for_people(const CleanEvent *e, char *ret, size_t size) {
        static const struct {
                usec_t unit;
                const char *name;
        } units[] = {
                { USEC_PER_DAY, "d" },
                { USEC_PER_HOUR, "h" },
                { USEC_PER_MINUTE, "min" },
                { USEC_PER_SEC, "s" },
        };
        char bytes[SIZE_TEXT_MAX];
        size_t i = 0;

        while (i + 1 < ELEMENTSOF(units) && e->age < units[i].unit)
                i++;
        (void)snprintf(ret, size, " (%" PRIu64 "%s old, %s)", e->age / units[i].unit, units[i].name,
                       size_format(bytes, e->bytes));
}

static void on_event(void *userdata, const CleanEvent *e) {
        bool has_age = e->age != USEC_INFINITY;
        char details[128] = "";
        Program *p = userdata;
        int n = 0;

        if (p->json)
                n = snprintf(details, sizeof(details), ",\"directory\":%s", e->is_directory ? "true" : "false");
        if (p->json && has_age)
                (void)snprintf(details + n, sizeof(details) - (size_t)n,
                               ",\"age_usec\":%" PRIu64 ",\"bytes\":%" PRIu64, e->age, e->bytes);
        else if (p->json)
                (void)snprintf(details + n, sizeof(details) - (size_t)n, ",\"age_usec\":null,\"bytes\":null");
        else if (has_age)
                details_for_people(e, details, sizeof(details));
        program_print(p, &(const ProgramLine){
                                 .word = (p->plan ? plan_words : done_words)[e->act],
                                 .path = e->path,
                                 .reason = e->reason,
                                 .is_directory = e->is_directory,
                                 .details = details,
                         });
}

static void put_summary(FILE *f, const Program *p, const void *result) {
        const CleanTotals *t = result;
        char size[SIZE_TEXT_MAX];

        fprintf(f, "%s %" PRIu64 " file%s", p->plan ? "Would remove" : "Removed", t->n_files, PLURAL(t->n_files));
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

static int run(Program *p, const CleanDef *def, CleanTotals *ret) {
        _cleanup_(clean_freep) Clean *c = NULL;
        int r = clean_new(&c, def, now_realtime(), p->plan, on_event, p);

        if (r >= 0)
                r = clean_do(c);
        if (r < 0)
                return r;
        *ret = *clean_totals(c);
        if (ret->n_unseen > 0)
                program_warn(p,
                             "The open files of %" PRIu64 " process%s cannot be seen; what only they have open "
                             "is not kept.",
                             ret->n_unseen, ret->n_unseen == 1 ? "" : "es");
        return 0;
}

int main(int argc, char *argv[]) {
        _cleanup_(diagnostics_done) Diagnostics problems = {};
        _cleanup_(clean_def_done) CleanDef def = clean_def_defaults;
        Program p = { .name = "vakt-clean", .help = help };
        CleanTotals totals = {};
        int r = program_read_options(&p, argv);

        if (r != PROGRAM_GOES_ON)
                return r;
        r = upkeep_parse_clean(p.lines, p.n_lines, &def, &problems);
        if (r >= 0)
                r = run(&p, &def, &totals);
        return program_end(&p, r, &problems,
                           &(const ProgramEnd){
                                   .n_files = totals.n_files + totals.n_directories,
                                   .bytes_freed = totals.bytes,
                                   .has_failed = totals.n_refused + totals.n_failed > 0,
                                   .put_summary = put_summary,
                                   .result = &totals,
                           });
}
