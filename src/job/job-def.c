/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Definitions are reference-counted because a reload may replace one while a run that was started with it is
 * active. */

#include "job/job-def.h"

#include <stdalign.h>

#include "job/job-text.h"
#include "util/ascii.h"
#include "util/shared-bytes.h"
#include "util/string-table.h"
#include "util/strv.h"

const WholeJobDef job_def_defaults = {
        .def.rare = (RareDef *)&job_def_defaults.rare,
        .def.overlap = OVERLAP_QUEUE,
        .def.enabled = true,
        .rare.queue_max = 1,
        .rare.max_parallel = 16,
        .rare.slow = USEC_INFINITY,
        .rare.expect = USEC_INFINITY,
        .rare.retry = { .delay = 30 * USEC_PER_SEC, .factor = 2, .max_delay = USEC_PER_HOUR },
        .rare.timer = {
                .anchor = USEC_INFINITY,
                .accuracy = USEC_PER_SEC,
                .catch_up_max = 100,
                .catch_up_within = USEC_INFINITY,
        },
        .rare.monitor = { .clear_for = USEC_PER_MINUTE, .sample_max = 30 * USEC_PER_SEC },
        .rare.wait_max = USEC_INFINITY,
        .rare.runner = { .idle = USEC_PER_MINUTE, .max_runs = 10000, .slots = 64 },
};

int job_def_new(JobDef **ret, const char *name) {
        _cleanup_(job_def_unrefp) JobDef *d = NULL;
        WholeJobDef *whole;

        whole = malloc(sizeof(*whole));
        if (!whole)
                return -ENOMEM;
        memcpy(whole, &job_def_defaults, sizeof(*whole)); /* with what is between the members, for pack_all() */
        d = &whole->def;
        d->rare = &whole->rare;
        d->n_ref = 1;
        d->zone = zone_utc();
        d->name = strdup(name);
        if (!d->name)
                return -ENOMEM;
        *ret = TAKE_PTR(d);
        return 0;
}

JobDef *job_def_ref(JobDef *d) {
        if (d) {
                assert(d->n_ref > 0);
                d->n_ref++;
        }
        return d;
}

static void trigger_times_done(TriggerDef *t) {
        if (t->is_shared)
                shared_bytes_put(t->times);
        else if (t->type == TRIGGER_CALENDAR)
                calendar_free(t->calendar);
        else if (t->type == TRIGGER_CRON)
                cron_free(t->cron);
}

void trigger_def_done(TriggerDef *t) {
        trigger_times_done(t);
        free(t->expression);
        *t = (TriggerDef){};
}

static void rare_def_done(RareDef *rare) {
        for (size_t i = 0; i < rare->timer.n_except; i++)
                calendar_free(rare->timer.except[i]);
        free(rare->timer.except);
        free(rare->timer.time_zone);
        path_def_free(rare->path_trigger);
        rotate_def_free(rare->rotate);
        clean_def_free(rare->clean);
        condition_free(rare->monitor.when);
        condition_free(rare->monitor.clear);
        strv_free(rare->monitor.on_clear);
        condition_free(rare->wait_for);
        for (size_t i = 0; i < rare->n_properties; i++)
                unit_property_done(&rare->properties[i]);
        free(rare->properties);
        strv_free(rare->source_files);
        strv_free(rare->on_success);
        strv_free(rare->on_failure);
        strv_free(rare->on_alarm);
        free(rare->unit);
        free(rare->pool);
        strv_free(rare->documentation);
        strv_free(rare->tags);
}

/* What a packed definition has in its block. */
static void usual_members_done(JobDef *d) {
        for (size_t i = 0; i < d->n_triggers; i++)
                trigger_def_done(&d->triggers[i]);
        free(d->triggers);
        for (size_t i = 0; i < d->n_commands; i++) {
                free(d->commands[i].path);
                strv_free(d->commands[i].argv);
        }
        free(d->commands);
        free(d->origin);
        free(d->text);
        free(d->description);
        free(d->name);
}

static bool rare_is_shared(const JobDef *d) {
        return d->size > 0 && d->rare != &job_def_defaults.rare &&
               ((char *)d->rare < (char *)d || (char *)d->rare >= (char *)d + d->size);
}

JobDef *job_def_unref(JobDef *d) {
        if (!d)
                return NULL;
        assert(d->n_ref > 0);
        if (--d->n_ref > 0)
                return NULL;

        if (rare_is_shared(d))
                shared_bytes_put(d->rare);
        else if (d->rare != &job_def_defaults.rare)
                rare_def_done(d->rare);
        if (d->file != JOB_DEF_FILE_WHOLE)
                shared_bytes_put(d->origin);
        for (size_t i = 0; d->size > 0 && i < d->n_triggers; i++)
                trigger_times_done(&d->triggers[i]);
        if (d->size == 0)
                usual_members_done(d);
        return mfree(d);
}

/* --- sharing --- */

/* Without memory a definition keeps its own. */
static void share_times(TriggerDef *t) {
        void *shared;

        if (!trigger_def_has_times(t))
                return;
        shared = shared_bytes_get(t->times, t->type == TRIGGER_CALENDAR ? calendar_size(t->calendar) : cron_size());
        if (!shared)
                return;
        trigger_times_done(t);
        t->times = shared;
        t->is_shared = true;
}

static bool owns_something(const RareDef *r) {
        const TimerDef *t = &r->timer;
        const MonitorDef *m = &r->monitor;

        return r->documentation || r->tags || t->time_zone || t->except || r->path_trigger || m->when || m->clear ||
               m->on_clear || r->rotate || r->clean || r->on_success || r->on_failure || r->on_alarm || r->unit ||
               r->pool || r->wait_for || r->properties || r->source_files;
}

/* What is between the members was copied with them: a difference would cost memory, and nothing else. */
static RareDef *share_rare(const RareDef *rare) {
        if (memcmp((const void *)rare, (const void *)&job_def_defaults.rare, sizeof(RareDef)) == 0)
                return (RareDef *)&job_def_defaults.rare;
        return owns_something(rare) ? NULL : shared_bytes_get(rare, sizeof(RareDef));
}

/* The length of the name that the file of such a definition has, before its suffix. */
static size_t file_name_length(const JobDef *d, JobDefFile file) {
        const char *at = file == JOB_DEF_FILE_OF_TEMPLATE ? strchr(d->name, '@') : NULL;

        return at ? (size_t)(at + 1 - d->name) : strlen(d->name);
}

/* The directory with its slash, when the rest of the path is known by the name of the job. */
static char *share_directory(JobDef *d) {
        const char *slash = d->origin ? strrchr(d->origin, '/') : NULL;
        size_t n = slash ? (size_t)(slash + 1 - d->origin) : 0;
        char directory[PATH_MAX];

        if (n == 0 || n >= sizeof(directory))
                return NULL;
        for (JobDefFile file = JOB_DEF_FILE_OF_JOB; file <= JOB_DEF_FILE_OF_TEMPLATE; file++) {
                size_t length = file_name_length(d, file);
                char *shared;

                if (strncmp(slash + 1, d->name, length) != 0 || !streq(slash + 1 + length, JOB_SUFFIX))
                        continue;
                memcpy(directory, d->origin, n);
                directory[n] = '\0';
                shared = shared_bytes_get(directory, n + 1);
                d->file = shared ? file : JOB_DEF_FILE_WHOLE;
                return shared;
        }
        return NULL;
}

const char *job_def_fragment(const JobDef *d, char buf[static PATH_MAX]) {
        if (d->file == JOB_DEF_FILE_WHOLE)
                return d->origin;
        (void)snprintf(buf, PATH_MAX, "%s%.*s" JOB_SUFFIX, d->origin, (int)file_name_length(d, d->file), d->name);
        return buf;
}

/* Whether a value ends in the words, with one blank between them. */
static bool ends_in_words(const char *value, char *const *words, size_t n) {
        size_t length = strlen(value);

        if (n > length)
                return false;
        value += length - n;
        for (; *words; words++) {
                size_t size = strlen(*words);

                if (strncmp(value, *words, size) != 0 || value[size] != (words[1] ? ' ' : '\0'))
                        return false;
                value += size + 1;
        }
        return true;
}

/* The words of most commands stand in their line as they are: then that is where they are kept. */
static void put_words_into_text(const JobDef *d, char *const *words) {
        char *end = d->text + d->text_size, *next;
        size_t n = 0, n_blanks = strv_length(words) - 1;

        STRV_FOREACH(word, words)
                n += strlen(*word) + (n > 0);
        if (n_blanks == 0 || n_blanks > JOB_TEXT_BLANKS_MAX)
                return;
        for (char *line = d->text; line < end; line = next) {
                uint16_t number = (uint16_t)(job_text_key(line) | n_blanks << JOB_TEXT_KEY_BITS);

                next = (char *)job_text_next(line);
                if (job_text_blanks(line) > 0 || !ends_in_words(job_text_value(line), words, n))
                        continue;
                memcpy(line, &number, sizeof(number));
                line = next - 1 - n;
                for (; *words; words++) {
                        line += strlen(*words);
                        *line++ = '\0';
                }
                return;
        }
}

/* --- packing --- */

/* One pass over the members finds out how much memory they need; the second one puts them there. */
typedef struct Packer {
        const JobDef *from;
        char *block;     /* NULL in the first pass */
        char *text;      /* of the definition, in the block */
        char *directory; /* the same of its origin */
        RareDef *rare;   /* that the definition shares with others; NULL: it has its own */
        size_t n;
} Packer;

static void *pack_bytes(Packer *p, const void *bytes, size_t n) {
        char *place = p->block ? p->block + p->n : NULL;

        if (place && n > 0)
                memcpy(place, bytes, n);
        p->n += n;
        return place;
}

/* For members that have to be aligned, which come first. */
static void *pack_member(Packer *p, const void *member, size_t n) {
        const size_t align = alignof(void *);
        void *place = pack_bytes(p, member, n);

        p->n = (p->n + align - 1) / align * align;
        return place;
}

/* Most strings are the end of a line that was read. */
static char *pack_string(Packer *p, const char *s) {
        const char *text = p->from->text, *end = text + p->from->text_size;
        size_t n = s ? strlen(s) + 1 : 0;

        if (!s)
                return NULL;
        for (const char *line = text; line < end;) {
                const char *next = job_text_next(line);

                for (const char *value = job_text_value(line); value < next; value += strlen(value) + 1) {
                        size_t size = strlen(value) + 1;

                        if (size >= n && memcmp(value + size - n, s, n) == 0)
                                return p->block ? p->text + (value + size - n - text) : NULL;
                }
                line = next;
        }
        return pack_bytes(p, s, n);
}

static size_t argv_size(const CommandDef *c) {
        return (strv_length(c->argv) + 1) * sizeof(char *);
}

static void pack_words(Packer *p, const CommandDef *from, CommandDef *to) {
        char *path = pack_string(p, from->path);

        for (size_t i = 0; from->argv[i]; i++) {
                char *word = streq(from->argv[i], from->path) ? path : pack_string(p, from->argv[i]);

                if (p->block)
                        to->argv[i] = word;
        }
        if (p->block)
                to->path = path;
}

static void pack_all(Packer *p) {
        const JobDef *from = p->from;
        JobDef scratch = *from, *d = pack_member(p, from, sizeof(JobDef)) ?: &scratch;

        d->rare = p->rare ?: pack_member(p, from->rare, sizeof(RareDef));
        /* Nothing is written to them in the first pass. */
        d->triggers = pack_member(p, from->triggers, from->n_triggers * sizeof(TriggerDef)) ?: from->triggers;
        d->commands = pack_member(p, from->commands, from->n_commands * sizeof(CommandDef)) ?: from->commands;
        for (size_t i = 0; i < from->n_commands; i++) {
                char **argv = pack_member(p, from->commands[i].argv, argv_size(&from->commands[i]));

                if (p->block)
                        d->commands[i].argv = argv;
        }
        d->text = p->text = pack_bytes(p, from->text, from->text_size);
        for (size_t i = 0; i < from->n_triggers; i++) {
                char *expression = pack_string(p, from->triggers[i].expression);

                if (p->block)
                        d->triggers[i].expression = expression;
        }
        for (size_t i = 0; i < from->n_commands; i++)
                pack_words(p, &from->commands[i], &d->commands[i]);
        d->description = pack_string(p, from->description);
        if (p->directory)
                d->origin = p->directory;
        else
                d->origin = pack_string(p, from->origin);
        d->name = pack_string(p, from->name);
}

int job_def_pack(JobDef **d) {
        JobDef *from = *d, *packed;
        Packer size = { .from = from, .rare = share_rare(from->rare), .directory = share_directory(from) }, p = size;

        assert(from->n_ref == 1 && from->size == 0);
        for (size_t i = 0; i < from->n_triggers; i++)
                share_times(&from->triggers[i]);
        for (size_t i = 0; i < from->n_commands; i++)
                put_words_into_text(from, from->commands[i].argv);
        pack_all(&size);
        p.block = malloc(size.n);
        if (!p.block) {
                if (p.rare && p.rare != &job_def_defaults.rare)
                        shared_bytes_put(p.rare);
                if (p.directory)
                        shared_bytes_put(p.directory);
                from->file = JOB_DEF_FILE_WHOLE;
                return -ENOMEM;
        }
        pack_all(&p);
        assert(p.n == size.n);
        packed = (JobDef *)(void *)p.block;
        packed->size = (uint32_t)size.n;
        for (size_t i = 0; i < from->n_triggers; i++) /* what was not copied belongs to the packed one */
                from->triggers[i] = (TriggerDef){ .expression = from->triggers[i].expression };
        usual_members_done(from);
        free(from);
        *d = packed;
        return 0;
}

const UnitValue *job_def_setting(const JobDef *d, const char *name) {
        const UnitValue *found = NULL;

        for (size_t i = 0; i < d->rare->n_properties; i++)
                if (streq(d->rare->properties[i].name, name) && d->rare->properties[i].n_values > 0)
                        found = &d->rare->properties[i].values[0];
        return found;
}

bool job_name_is_valid(const char *name) {
        size_t n = strlen(name);
        bool seen_at = false;

        if (n == 0 || n > JOB_NAME_MAX || !is_alphanumeric(name[0]))
                return false;
        for (size_t i = 1; i < n; i++) {
                if (name[i] == '@') {
                        if (seen_at)
                                return false;
                        seen_at = true;
                } else if (!is_alphanumeric(name[i]) && (!strchr("_.-", name[i]) || name[i - 1] == '@'))
                        return false;
        }
        return true;
}

bool success_def_has_status(const SuccessDef *s, int status) {
        if (status == 0)
                return true;
        return status > 0 && status < 256 && (s->statuses[status / 8] & 1U << status % 8);
}

bool success_def_has_signal(const SuccessDef *s, int signal) {
        return signal > 0 && signal < 64 && (s->signals & 1ULL << signal);
}

usec_t retry_def_delay(const RetryDef *r, unsigned n) {
        double delay = (double)r->delay;

        assert(n > 0);
        for (unsigned i = 1; i < n && delay < (double)r->max_delay; i++) {
                if (r->factor <= 1)
                        break;
                delay *= r->factor;
        }
        return delay < (double)r->max_delay ? (usec_t)delay : r->max_delay;
}

static const char *const trigger_type_table[] = {
        [TRIGGER_INTERVAL] = "OnInterval", [TRIGGER_BOOT] = "OnBootSec", [TRIGGER_STARTUP] = "OnStartupSec",
        [TRIGGER_CALENDAR] = "OnCalendar", [TRIGGER_CRON] = "OnCron",
};
DEFINE_TO_STRING(trigger_type, TriggerType)
DEFINE_FROM_STRING(trigger_type)

static const char *const overlap_table[] = {
        [OVERLAP_QUEUE] = "queue",
        [OVERLAP_SKIP] = "skip",
        [OVERLAP_REPLACE] = "replace",
        [OVERLAP_PARALLEL] = "parallel",
};
DEFINE_TO_STRING(overlap, Overlap)
DEFINE_FROM_STRING(overlap)

static const char *const runner_kind_table[] = {
        [RUNNER_UNIT] = "unit",
        [RUNNER_WARM] = "warm",
};
DEFINE_TO_STRING(runner_kind, RunnerKind)
DEFINE_FROM_STRING(runner_kind)

static const char *const interval_from_table[] = {
        [INTERVAL_FROM_START] = "start",
        [INTERVAL_FROM_END] = "end",
        [INTERVAL_FROM_SUCCESS] = "success",
};
DEFINE_TO_STRING(interval_from, IntervalFrom)
DEFINE_FROM_STRING(interval_from)

static const char *const catch_up_table[] = {
        [CATCH_UP_NONE] = "none",
        [CATCH_UP_ONCE] = "once",
        [CATCH_UP_ALL] = "all",
};
DEFINE_FROM_STRING(catch_up)
