/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a reader of job files makes of the lines is compared, and not the lines themselves: an empty value takes away
 * what stands above it, and comments say nothing. The values of a key are a list whose order counts, so what its two
 * versions have in common at both ends is left out, and the rest is shown.
 *
 * The elapses of both versions are planned by the code that the daemon uses, from now on and without what the daemon
 * remembers, so that they differ for no other reason than the files. */

#include "ctl/job-diff.h"

#include "config/reader.h"
#include "ctl/alloc.h"
#include "ctl/relative-time.h"
#include "ctl/view-text.h"
#include "sched/schedule.h"
#include "util/array.h"
#include "util/strv.h"

typedef struct JobLine {
        char *section, *key, *value;
        const char *file; /* NULL: not known */
        unsigned line;
        bool told; /* its key was compared */
} JobLine;

typedef struct JobLines {
        JobLine *items;
        size_t n_items;
        char *section; /* while they are read */
        const char *file;
} JobLines;

/* What differs in one key: the values from "from" on, "n" of them, in each version. */
typedef struct KeyDiff {
        const JobLine **before, **after;
        size_t n_before, n_after;
} KeyDiff;

typedef enum JobChange {
        JOB_CHANGE_NONE,
        JOB_CHANGE_ADDED,
        JOB_CHANGE_REMOVED,
        JOB_CHANGE_MASKED,
        JOB_CHANGE_CHANGED,
        JOB_CHANGE_INVALID,
        _JOB_CHANGE_MAX,
} JobChange;

struct JobDiff {
        char *name;
        JobChange change;
        const JobVersion *before, *after;
        JobLines lines_before, lines_after;
        KeyDiff *keys;
        size_t n_keys;
        usec_t elapses_before[JOB_DIFF_ELAPSES], elapses_after[JOB_DIFF_ELAPSES];
        size_t n_elapses_before, n_elapses_after;
        Diagnostics problems;
};

/* --- lines --- */

static void line_done(JobLine *l) {
        free(l->section);
        free(l->key);
        free(l->value);
}

static void lines_done(JobLines *l) {
        for (size_t i = 0; i < l->n_items; i++)
                line_done(&l->items[i]);
        free(l->items);
        free(l->section);
}

static bool is_same_key(const JobLine *a, const char *section, const char *key) {
        return streq(a->key, key) && streq(a->section, section);
}

static int on_section(void *userdata, unsigned line, const char *section) {
        JobLines *l = userdata;

        free(l->section);
        l->section = alloc_string(section);
        return 0;
}

static int on_assign(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        JobLines *l = userdata;

        if (startswith(section, "X-") || startswith(key, "X-"))
                return 0;
        if (*value == '\0')
                for (size_t i = l->n_items; i > 0; i--)
                        if (is_same_key(&l->items[i - 1], section, key)) {
                                line_done(&l->items[i - 1]);
                                ARRAY_REMOVE(l->items, l->n_items, i - 1);
                        }
        if (*value == '\0')
                return 0;
        l->items = alloc_array(l->items, l->n_items + 1, sizeof(JobLine));
        l->items[l->n_items++] = (JobLine){
                .section = alloc_string(section),
                .key = alloc_string(key),
                .value = alloc_string(value),
                .file = l->file,
                .line = line,
        };
        return 0;
}

static void read_lines(const JobVersion *v, JobLines *ret) {
        const ReaderSink sink = { .section = on_section, .assign = on_assign, .userdata = ret };

        for (const JobText *t = v->texts; t && t->path; t++) {
                ret->file = v->has_places ? t->path : NULL;
                if (reader_parse(t->bytes, t->n, &sink, &(FileProblems){ .file = t->path }) < 0)
                        alloc_failed();
        }
}

/* The values of a key, in order. Returns their number; the caller frees them. */
static size_t values_of(JobLines *l, const char *section, const char *key, const JobLine ***ret) {
        size_t n = 0;

        *ret = alloc_array(NULL, l->n_items + 1, sizeof(JobLine *));
        for (size_t i = 0; i < l->n_items; i++)
                if (is_same_key(&l->items[i], section, key)) {
                        l->items[i].told = true;
                        (*ret)[n++] = &l->items[i];
                }
        return n;
}

static bool is_same_value(const JobLine *a, const JobLine *b) {
        return streq(a->value, b->value);
}

static void compare_key(JobDiff *d, const char *section, const char *key) {
        KeyDiff k;
        size_t from = 0;

        k.n_before = values_of(&d->lines_before, section, key, &k.before);
        k.n_after = values_of(&d->lines_after, section, key, &k.after);
        while (k.n_before > 0 && k.n_after > 0 && is_same_value(k.before[k.n_before - 1], k.after[k.n_after - 1])) {
                k.n_before--;
                k.n_after--;
        }
        while (from < k.n_before && from < k.n_after && is_same_value(k.before[from], k.after[from]))
                from++;
        k.n_before -= from;
        k.n_after -= from;
        if (k.n_before + k.n_after == 0) {
                free(k.before);
                free(k.after);
                return;
        }
        memmove(k.before, k.before + from, k.n_before * sizeof(JobLine *));
        memmove(k.after, k.after + from, k.n_after * sizeof(JobLine *));
        d->keys = alloc_array(d->keys, d->n_keys + 1, sizeof(KeyDiff));
        d->keys[d->n_keys++] = k;
}

/* In the order of the new version; what it does not have stands last. */
static void compare_keys(JobDiff *d) {
        JobLines *const both[] = { &d->lines_after, &d->lines_before };

        for (size_t i = 0; i < ELEMENTSOF(both); i++)
                for (size_t k = 0; k < both[i]->n_items; k++)
                        if (!both[i]->items[k].told)
                                compare_key(d, both[i]->items[k].section, both[i]->items[k].key);
}

/* --- elapses --- */

static void on_occurred(void *userdata, Job *job, const Occurrence *o) {
}

static usec_t no_stamp(void *userdata, const Job *job, const char *key) {
        return USEC_INFINITY;
}

static void forget_stamp(void *userdata, const Job *job, const char *key, usec_t realtime) {
}

static size_t plan_elapses(const JobDiffContext *context, JobDef *def, usec_t ret[static JOB_DIFF_ELAPSES]) {
        const ScheduleOps ops = { .occurred = on_occurred, .get_stamp = no_stamp, .set_stamp = forget_stamp };
        _cleanup_(schedule_freep) Schedule *schedule = NULL;
        _cleanup_(job_freep) Job *job = NULL;
        Instant startup = context->now;
        size_t n;

        startup.boottime = context->startup;
        if (schedule_new(&schedule, &ops, /* seed= */ 0, &(ScheduleBoot){ .id = "" }) < 0 ||
            job_new(&job, def->name) < 0)
                alloc_failed();
        schedule_start(schedule, startup);
        schedule_started(schedule);
        job->def = job_def_ref(def);
        if (schedule_set_job(schedule, job, context->now) < 0)
                alloc_failed();
        n = schedule_preview(schedule, job, context->now, ret, JOB_DIFF_ELAPSES);
        schedule_remove_job(schedule, job);
        return n;
}

/* Returns the number of elapses; 0 of a version that is invalid, with the problems in d. */
static size_t find_elapses(const JobDiffContext *context, const char *name, const JobVersion *v, Diagnostics *d,
                           usec_t ret[static JOB_DIFF_ELAPSES]) {
        _cleanup_(job_def_unrefp) JobDef *def = NULL;
        JobFileContext file = context->file;
        size_t n = 0;
        int r;

        while (v->texts && v->texts[n].path)
                n++;
        if (n == 0)
                return 0;
        r = job_file_build(name, &file, v->texts, n, d, &def);
        if (r == -ENOMEM)
                alloc_failed();
        return r < 0 ? 0 : plan_elapses(context, def, ret);
}

/* --- the whole --- */

static bool elapses_differ(const JobDiff *d) {
        return d->n_elapses_before != d->n_elapses_after ||
               memcmp(d->elapses_before, d->elapses_after, d->n_elapses_after * sizeof(usec_t)) != 0;
}

static JobChange find_change(const JobDiff *d) {
        if (d->problems.n_items > 0)
                return JOB_CHANGE_INVALID;
        if (!d->before->file || !d->after->file)
                return !d->before->file && !d->after->file ? JOB_CHANGE_NONE
                       : !d->before->file                  ? JOB_CHANGE_ADDED
                       : d->after->mask                    ? JOB_CHANGE_MASKED
                                                           : JOB_CHANGE_REMOVED;
        return d->n_keys > 0 || !streq(d->before->file, d->after->file) ? JOB_CHANGE_CHANGED : JOB_CHANGE_NONE;
}

JobDiff *job_diff_new(const JobDiffContext *context, const char *name, const JobVersion *before,
                      const JobVersion *after, const Diagnostics *problems) {
        _cleanup_(job_diff_freep) JobDiff *d = alloc_array(NULL, 1, sizeof(JobDiff));
        _cleanup_(diagnostics_done) Diagnostics unheard = { 0 };

        *d = (JobDiff){ .name = alloc_string(name), .before = before, .after = after };
        if (problems && diagnostics_merge(&d->problems, problems) < 0)
                alloc_failed();
        read_lines(before, &d->lines_before);
        read_lines(after, &d->lines_after);
        d->n_elapses_before = find_elapses(context, name, before, &unheard, d->elapses_before);
        if (d->problems.n_items == 0)
                d->n_elapses_after = find_elapses(context, name, after, &d->problems, d->elapses_after);
        if (d->problems.n_items == 0)
                compare_keys(d);
        d->change = find_change(d);
        return TAKE_PTR(d);
}

JobDiff *job_diff_free(JobDiff *d) {
        if (!d)
                return NULL;
        lines_done(&d->lines_before);
        lines_done(&d->lines_after);
        for (size_t i = 0; i < d->n_keys; i++) {
                free(d->keys[i].before);
                free(d->keys[i].after);
        }
        free(d->keys);
        diagnostics_done(&d->problems);
        free(d->name);
        return mfree(d);
}

bool job_diff_is_empty(const JobDiff *d) {
        return d->change == JOB_CHANGE_NONE;
}

bool job_diff_is_invalid(const JobDiff *d) {
        return d->change == JOB_CHANGE_INVALID;
}

int job_diff_context_init(JobDiffContext *ret, bool user, const DaemonView *v, char host[static HOST_SIZE]) {
        Instant now = { .realtime = now_realtime(), .boottime = now_boottime() };
        usec_t age = v && v->started < now.realtime ? now.realtime - v->started : 0;

        host_name_get(host);
        *ret = (JobDiffContext){
                .file = { .host = host,
                          .now = now.realtime,
                          .target = v && streq(v->executor, "child") ? LOADER_FOR_CHILDREN
                                    : user                           ? LOADER_FOR_USER_UNITS
                                    : v                              ? LOADER_FOR_UNITS
                                                                     : LOADER_FOR_ANY,
                          .state_dir = v ? v->state_directory : NULL },
                .now = now,
                .startup = usec_sub(now.boottime, age),
        };
        return zone_cache_new(NULL, &ret->file.zones);
}

/* --- for people --- */

_printf_(2, 3) static void print_text(const Ctl *c, const char *format, ...) {
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        va_end(ap);
        ctl_print_colored(c, COLOR_NONE, text);
        putchar('\n');
}

static void print_line(const Ctl *c, char sign, const JobLine *l) {
        _cleanup_free_ char *text = alloc_format("  %c%s=%s", sign, l->key, l->value),
                            *place = l->file ? alloc_format("  (%s:%u)", l->file, l->line) : alloc_string("");

        ctl_print_colored(c, sign == '-' ? COLOR_RED : COLOR_GREEN, text);
        ctl_print_colored(c, COLOR_GREY, place);
        putchar('\n');
}

static void print_keys(const Ctl *c, const JobDiff *d) {
        const char *section = "";

        for (size_t i = 0; i < d->n_keys; i++) {
                const KeyDiff *k = &d->keys[i];
                const char *own = k->n_after > 0 ? k->after[0]->section : k->before[0]->section;

                if (!streq(own, section))
                        print_text(c, "  [%s]", own);
                section = own;
                for (size_t l = 0; l < k->n_before; l++)
                        print_line(c, '-', k->before[l]);
                for (size_t l = 0; l < k->n_after; l++)
                        print_line(c, '+', k->after[l]);
        }
}

/* Only if they differ. */
static void print_elapses(const Ctl *c, const JobDiff *d, const char *before, const char *after) {
        const TableColumn columns[] = { { .title = before }, { .title = after } };
        _cleanup_(table_freep) Table *t = table_new(columns, ELEMENTSOF(columns));
        TableStyle style = c->style;

        if (!elapses_differ(d))
                return;
        for (size_t i = 0; i < MAX(d->n_elapses_before, d->n_elapses_after); i++) {
                char old[LOCAL_TIME_TEXT_MAX + 2] = "  -", new[LOCAL_TIME_TEXT_MAX] = "-";

                if (i < d->n_elapses_before)
                        (void)local_time_format(old + 2, d->elapses_before[i]);
                if (i < d->n_elapses_after)
                        (void)local_time_format(new, d->elapses_after[i]);
                table_add(t, (const TableCell[]){ { old, COLOR_NONE }, { new, COLOR_NONE } });
        }
        style.titles = true; /* they say which is which */
        table_print(t, stdout, &style);
}

void job_diff_print(Ctl *c, const JobDiff *d, const char *before, const char *after) {
        static const Color colors[_JOB_CHANGE_MAX] = {
                [JOB_CHANGE_ADDED] = COLOR_GREEN,    [JOB_CHANGE_REMOVED] = COLOR_RED, [JOB_CHANGE_MASKED] = COLOR_RED,
                [JOB_CHANGE_CHANGED] = COLOR_YELLOW, [JOB_CHANGE_INVALID] = COLOR_RED,
        };

        ctl_print_colored(c, colors[d->change], c->dot);
        switch (d->change) {
        case JOB_CHANGE_NONE:
                print_text(c, _(" %s: nothing has changed"), d->name);
                return;
        case JOB_CHANGE_ADDED:
                print_text(c, _(" %s: added by %s"), d->name, d->after->file);
                break;
        case JOB_CHANGE_REMOVED:
                print_text(c, _(" %s: removed, because %s does not exist any more"), d->name, d->before->file);
                break;
        case JOB_CHANGE_MASKED:
                print_text(c, _(" %s: masked by %s"), d->name, d->after->mask);
                break;
        case JOB_CHANGE_CHANGED:
                print_text(c, _(" %s: changed"), d->name);
                if (!streq(d->before->file, d->after->file))
                        print_text(c, _("  Its file is %s instead of %s."), d->after->file, d->before->file);
                print_keys(c, d);
                break;
        case JOB_CHANGE_INVALID:
                print_text(c,
                           d->before->file ? _(" %s: invalid, so that the previous version stays in force")
                                           : _(" %s: invalid"),
                           d->name);
                for (size_t i = 0; i < d->problems.n_items; i++) {
                        const Diagnostic *p = &d->problems.items[i];

                        printf("  ");
                        diagnostic_print(stdout, &(DiagnosticView){ p->file, p->line, p->message });
                }
                return;
        case _JOB_CHANGE_MAX:
                assert(false);
        }
        print_elapses(c, d, before, after);
}

/* --- JSON --- */

static json_object *values_json(const JobLine *const *lines, size_t n, bool has_places) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < n; i++) {
                json_object *o = json_new_object();

                json_add_string(o, "value", lines[i]->value);
                if (has_places) {
                        json_add_word(o, "file", lines[i]->file);
                        json_add_number(o, "line", lines[i]->line);
                }
                json_append(array, o);
        }
        return array;
}

static json_object *elapses_json(const usec_t *elapses, size_t n) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < n; i++)
                json_append_number(array, elapses[i]);
        return array;
}

static json_object *problems_json(const Diagnostics *d) {
        json_object *array = json_new_array();

        for (size_t i = 0; i < d->n_items; i++) {
                json_object *o = json_new_object();

                json_add_string(o, "file", d->items[i].file);
                json_add_known(o, "line", d->items[i].line ?: UINT64_MAX);
                json_add_string(o, "message", d->items[i].message);
                json_append(array, o);
        }
        return array;
}

json_object *job_diff_json(const JobDiff *d) {
        static const char *const changes[_JOB_CHANGE_MAX] = {
                [JOB_CHANGE_NONE] = "none",     [JOB_CHANGE_ADDED] = "added",     [JOB_CHANGE_REMOVED] = "removed",
                [JOB_CHANGE_MASKED] = "masked", [JOB_CHANGE_CHANGED] = "changed", [JOB_CHANGE_INVALID] = "invalid",
        };
        json_object *o = json_new_object(), *keys = json_new_array();

        json_add_string(o, "job", d->name);
        json_add_string(o, "change", changes[d->change]);
        json_add_word(o, "file_before", d->before->file);
        json_add_word(o, "file_after", d->after->file ?: d->after->mask);
        for (size_t i = 0; i < d->n_keys; i++) {
                const KeyDiff *k = &d->keys[i];
                const JobLine *any = k->n_after > 0 ? k->after[0] : k->before[0];
                json_object *key = json_new_object();

                json_add_string(key, "section", any->section);
                json_add_string(key, "key", any->key);
                json_add(key, "before", values_json(k->before, k->n_before, /* has_places= */ false));
                json_add(key, "after", values_json(k->after, k->n_after, /* has_places= */ true));
                json_append(keys, key);
        }
        json_add(o, "keys", keys);
        json_add(o, "elapses_before_usec", elapses_json(d->elapses_before, d->n_elapses_before));
        json_add(o, "elapses_after_usec", elapses_json(d->elapses_after, d->n_elapses_after));
        json_add(o, "problems", problems_json(&d->problems));
        return o;
}
