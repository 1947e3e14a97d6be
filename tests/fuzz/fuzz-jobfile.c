/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a job file: nothing crashes or hangs, each refusal names a problem inside the file, and what is
 * accepted obeys the parser's law. That is: read into assignments and written down in the plainest form, the same job
 * comes out again, with the same digest. The bytes are taken for a template's file as well, and for a drop-in. */

#include <assert.h>
#include <stdint.h>
#include <stdio.h>

#include "config/job-file.h"
#include "config/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* --- the plain form --- */

static int print_section(void *userdata, unsigned line, const char *section) {
        fprintf(userdata, "[%s]\n", section);
        return 0;
}

/* The blank behind the value keeps a backslash at its end from being one at the end of the line. */
static int print_assignment(void *userdata, unsigned line, const char *section, const char *key, const char *value) {
        fprintf(userdata, "%s=%s \n", key, value);
        return 0;
}

static JobText print_plain(const JobText *text) {
        JobText plain = { .path = text->path };
        FILE *f = open_memstream(&plain.bytes, &plain.n);
        ReaderSink sink = { .section = print_section, .assign = print_assignment, .userdata = f };
        FileProblems problems = {};

        assert(f);
        assert(reader_parse(text->bytes, text->n, &sink, &problems) == 0);
        assert(problems.n == 0);
        assert(fclose(f) == 0);
        return plain;
}

/* --- the law --- */

static unsigned count_lines(const JobText *text) {
        unsigned n = 1;

        for (size_t i = 0; i < text->n; i++)
                n += text->bytes[i] == '\n';
        return n;
}

static void check_problems(const Diagnostics *d, const JobText *text) {
        assert(d->n_items > 0);
        for (size_t i = 0; i < d->n_items; i++) {
                assert(strlen(d->items[i].message) > 0);
                assert(d->items[i].line <= count_lines(text));
        }
}

/* The end of the complete type that t begins with. */
static const char *type_end(const char *t) {
        if (*t == 'a')
                return type_end(t + 1);
        if (*t != '(')
                return t + 1;
        for (t++; *t != ')';)
                t = type_end(t);
        return t + 1;
}

/* Takes the values of a type: there are as many as it wants, each of its kind. */
static void take_values(const char *t, const UnitProperty *p, size_t *at) {
        const UnitValue *v = &p->values[*at];

        if (*t == '(') {
                for (t++; *t != ')'; t = type_end(t))
                        take_values(t, p, at);
                return;
        }
        assert(*at < p->n_values);
        (*at)++;
        if (startswith(t, "ay") || *t == 's')
                assert(v->text);
        else
                assert(!v->text);
        if (*t == 'a' && t[1] != 'y')
                for (uint64_t i = 0; i < v->number; i++)
                        take_values(t + 1, p, at);
}

static void check_property(const UnitProperty *p) {
        size_t at = 0;

        assert(p->name && p->path && p->line > 0);
        assert(*type_end(p->signature) == '\0');
        take_values(p->signature, p, &at);
        assert(at == p->n_values);
}

static void check_tidy(const char *path) {
        assert(*path == '/' && !strstr(path, "//") && (streq(path, "/") || path[strlen(path) - 1] != '/'));
        assert(!strstr(path, "/./") && !strstr(path, "/../"));
}

static void check_watched(const PathDef *p) {
        bool spool = p->n_sources > 0 && p->sources[0].kind == PATH_SPOOL;

        assert(p->n_sources > 0 && p->n_sources <= PATH_SOURCES_MAX);
        for (size_t i = 0; i < p->n_sources; i++) {
                assert((p->sources[i].kind == PATH_SPOOL) == spool);
                check_tidy(p->sources[i].path);
        }
        if (p->spool_done)
                check_tidy(p->spool_done);
        if (p->spool_failed)
                check_tidy(p->spool_failed);
        assert(spool || (!p->spool_done && !p->spool_failed));
        assert(!spool || (p->each && !p->recursive && p->events == 0));
        assert((p->filter != NULL) == (p->include || p->exclude));
        assert(p->settle <= p->settle_max && p->settle != USEC_INFINITY && (p->events & ~(unsigned)WATCH_ALL) == 0);
        assert(p->limit_interval != USEC_INFINITY && p->limit_burst <= PATH_LIMIT_BURST_MAX);
        assert(p->directory_mode <= 07777 && p->backend < _WATCH_BACKEND_MAX && p->poll != USEC_INFINITY);
}

static void check_definition(const JobDef *d) {
        if (d->rare->path_trigger)
                check_watched(d->rare->path_trigger);
        assert((d->n_commands > 0) != (d->rare->unit != NULL) && d->n_commands <= JOB_COMMANDS_MAX);
        assert(d->n_triggers <= JOB_TRIGGERS_MAX);
        for (size_t i = 0; i < d->n_triggers; i++) {
                const TriggerDef *t = &d->triggers[i];

                assert(t->expression);
                if (t->type == TRIGGER_CALENDAR || t->type == TRIGGER_CRON)
                        assert(t->times);
                else
                        assert(t->span != USEC_INFINITY);
        }
        for (size_t i = 0; i < d->rare->timer.n_except; i++)
                assert(d->rare->timer.except[i]);
        assert(d->zone && d->rare->timer.accuracy > 0 && d->rare->timer.catch_up_max > 0);
        for (size_t i = 0; i < d->n_commands; i++)
                assert(d->commands[i].path && d->commands[i].argv && d->commands[i].argv[0]);
        for (size_t i = 0; i < d->rare->n_properties; i++)
                check_property(&d->rare->properties[i]);
        assert(d->rare->n_properties <= JOB_PROPERTIES_MAX + 1 && (!d->rare->unit || d->rare->n_properties == 0));
        assert(d->rare->retry.factor >= 1 && d->rare->retry.factor <= 1000);
        assert(d->rare->priority >= -JOB_PRIORITY_MAX && d->rare->priority <= JOB_PRIORITY_MAX);
        assert(d->rare->max_parallel > 0 && d->rare->max_parallel <= JOB_QUEUE_MAX &&
               d->rare->queue_max <= JOB_QUEUE_MAX);
}

/* The zones of the system, read once. */
static JobFileContext *context(void) {
        static JobFileContext c = { .host = "host",
                                    .target = LOADER_FOR_ANY,
                                    .now = UINT64_C(1781524800) * USEC_PER_SEC };

        if (!c.zones)
                assert(zone_cache_new(NULL, &c.zones) == 0);
        return &c;
}

static void check_job(const char *name, const JobText *texts, size_t n) {
        JobDef *def = NULL, *again = NULL;
        Diagnostics d = {};
        JobText plain[2] = {};
        int r;

        r = job_file_build(name, context(), texts, n, &d, &def);
        if (r < 0) {
                assert(r == -EINVAL);
                check_problems(&d, &texts[n - 1]);
                diagnostics_done(&d);
                return;
        }
        assert(d.n_items == 0);
        check_definition(def);
        for (size_t i = 0; i < n; i++)
                plain[i] = print_plain(&texts[i]);
        assert(job_file_build(name, context(), plain, n, &d, &again) == 0);
        assert(again->digest == def->digest);
        assert(again->n_commands == def->n_commands && again->n_triggers == def->n_triggers);
        assert(again->rare->n_properties == def->rare->n_properties);
        assert(!again->rare->path_trigger == !def->rare->path_trigger);
        assert(!def->rare->path_trigger ||
               path_def_watches_the_same(again->rare->path_trigger, def->rare->path_trigger));
        for (size_t i = 0; i < n; i++)
                free(plain[i].bytes);
        job_def_unref(again);
        job_def_unref(def);
}

/* What own children or a user's service manager can be given is a part of what the system's can. */
static void check_targets(const JobText *text) {
        static const LoaderTarget targets[] = { LOADER_FOR_UNITS, LOADER_FOR_USER_UNITS, LOADER_FOR_CHILDREN };
        bool good[ELEMENTSOF(targets)];

        for (size_t i = 0; i < ELEMENTSOF(targets); i++) {
                JobFileContext c = *context();
                Chains chains = {};
                Diagnostics d = {};
                JobDef *def = NULL;

                c.target = targets[i];
                c.chains = &chains;
                good[i] = job_file_build("fuzz", &c, text, 1, &d, &def) >= 0;
                assert(!good[i] || good[0]);
                chains_done(&chains);
                diagnostics_done(&d);
                job_def_unref(def);
        }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        static char job_path[] = "/jobs/fuzz.job", run[] = "[Run]\nExec=/bin/true\n";
        JobText texts[2] = {
                { .path = job_path, .bytes = run, .n = sizeof(run) - 1 },
                { .path = job_path, .bytes = malloc(size + 1), .n = size },
        };
        Diagnostics d = {};

        assert(texts[1].bytes);
        memcpy(texts[1].bytes, data, size);
        check_job("fuzz", &texts[1], 1);
        check_targets(&texts[1]);
        check_job("fuzz@instance", texts, 2);
        if (job_file_check_template("fuzz@", context(), &texts[1], 1, &d) < 0)
                check_problems(&d, &texts[1]);
        diagnostics_done(&d);
        free(texts[1].bytes);
        return 0;
}
