/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Everything about a setting that can be validated is validated here, at load time: a unit with a property that the
 * service manager does not take is not started at all, and one that it takes and does not obey gives a sandbox that is
 * none.
 *
 * A later line replaces an earlier one, unless the key is a list. What unit files merge bit by bit (capabilities,
 * namespaces, sets of CPUs) is merged here, because the bus replaces it. */

#include "config/service-convert.h"

#include <limits.h>
#include <sched.h>
#include <stdarg.h>

#include "util/array.h"
#include "util/path-value.h"
#include "util/strv.h"
#include "util/utf8.h"
#include "util/words.h"

#define WORD_SHOWN_MAX 64 /* bytes of a word that a problem repeats */

void service_lines_done(ServiceLines *lines) {
        free(lines->places);
}

/* --- what converters share --- */

const UnitProperty *service_earlier(const KeyLine *k) {
        const Builder *b = builder_of(k);

        for (size_t i = b->def->rare->n_properties; i > 0; i--)
                if (b->service.places[i - 1].row == k->row)
                        return &b->def->rare->properties[i - 1];
        return NULL;
}

void service_use_other(const ServiceSetting *s, UnitProperty *p) {
        assert(s->other);
        p->name = s->other;
        p->signature = s->other_signature;
}

int service_number(UnitProperty *p, uint64_t number) {
        int r = unit_property_add_number(p, number);

        return r < 0 ? r : 1;
}

int service_string(UnitProperty *p, const char *text) {
        int r = unit_property_add_text(p, text, SIZE_MAX);

        return r < 0 ? r : 1;
}

int service_begin_list(UnitProperty *p) {
        return service_number(p, 0);
}

int service_add_element(UnitProperty *p, const char *members, ...) {
        int r = p->n_values == 0 ? service_begin_list(p) : 1;
        va_list ap;

        va_start(ap, members);
        for (const char *m = members; r > 0 && *m != '\0'; m++)
                r = *m == 's' ? service_string(p, va_arg(ap, const char *)) : service_number(p, va_arg(ap, uint64_t));
        va_end(ap);
        if (r > 0)
                p->values[0].number++;
        return r;
}

int service_problem_word(const KeyLine *k, const char *word, const char *format, ...) {
        char text[512];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        text[utf8_cut(text, sizeof(text) - 4)] = '\0';
        return key_problem(k, "%s=: \"%.*s\" %s", k->row->key, (int)utf8_cut(word, WORD_SHOWN_MAX), word, text);
}

int service_each_word(const KeyLine *k, const ServiceSetting *s, const char *value, ServiceVisit visit,
                      UnitProperty *p) {
        _cleanup_free_ char *word = malloc(strlen(value) + 1);
        int r;

        if (!word)
                return -ENOMEM;
        do {
                _cleanup_free_ char *message = NULL;

                r = word_next(&value, word, &message);
                if (r == -EINVAL)
                        return key_problem(k, "%s", message);
                if (r <= 0)
                        return r < 0 ? r : 1;
                if (!utf8_is_valid(word)) /* an escape can stand for any byte */
                        return service_problem_word(k, word, "is not valid UTF-8. Do not use such escapes.");
                r = visit(k, s, word, p);
        } while (r > 0);
        return r;
}

int service_list(const KeyLine *k, const ServiceSetting *s, ServiceVisit visit, UnitProperty *p) {
        int r = service_begin_list(p);

        return r < 0 ? r : service_each_word(k, s, k->value, visit, p);
}

int service_check_path(const KeyLine *k, char *path) {
        const char *problem = path_value_tidy(path);

        return problem ? service_problem_word(k, path, "%s", problem) : 1;
}

/* --- the properties of the definition --- */

static const ServiceSetting *setting_of(const KeyRow *row) {
        return row->argument;
}

/* Takes those of a key away; the others stay in their order. */
static void remove_earlier(Builder *b, const KeyRow *row) {
        JobDef *d = b->def;
        size_t n = 0;

        for (size_t i = 0; i < d->rare->n_properties; i++)
                if (b->service.places[i].row == row)
                        unit_property_done(&d->rare->properties[i]);
                else {
                        b->service.places[n] = b->service.places[i];
                        d->rare->properties[n++] = d->rare->properties[i];
                }
        d->rare->n_properties = n;
}

/* The text that is being read, as the definition keeps it; NULL without memory. */
static const char *current_path(const KeyLine *k) {
        const char *file = k->reading->problems->file;
        JobDef *d = builder_of(k)->def;

        STRV_FOREACH(path, d->rare->source_files)
                if (streq(*path, file))
                        return *path;
        if (strv_extend(&d->rare->source_files, file) < 0)
                return NULL;
        return d->rare->source_files[strv_length(d->rare->source_files) - 1];
}

/* Moves a property into the definition. */
static int append_property(const KeyLine *k, UnitProperty *p) {
        Builder *b = builder_of(k);
        JobDef *d = b->def;
        UnitProperty *property = ARRAY_NEXT(d->rare->properties, d->rare->n_properties);
        Place *place = ARRAY_NEXT(b->service.places, d->rare->n_properties);

        assert(d->rare->n_properties < JOB_PROPERTIES_MAX + SERVICE_PROPERTIES);
        p->path = current_path(k);
        p->line = k->line;
        if (!property || !place || !p->path)
                return -ENOMEM;
        place_set(place, k);
        *property = TAKE_GENERIC(*p, (UnitProperty){});
        d->rare->n_properties++;
        return 0;
}

static void properties_done(UnitProperty (*p)[SERVICE_PROPERTIES]) {
        for (size_t i = 0; i < SERVICE_PROPERTIES; i++)
                unit_property_done(&(*p)[i]);
}

static int convert(const KeyLine *k, const ServiceSetting *s) {
        _cleanup_(properties_done) UnitProperty p[SERVICE_PROPERTIES] = {
                { .name = s->property, .signature = s->signature },
                { .name = s->other, .signature = s->other_signature },
        };
        int r;

        r = s->convert(k, s, p);
        if (r <= 0)
                return r;
        if (!(s->flags & SERVICE_ADDS))
                remove_earlier(builder_of(k), k->row);
        for (size_t i = 0; i < SERVICE_PROPERTIES; i++) {
                r = p[i].n_values > 0 ? append_property(k, &p[i]) : 0;
                if (r < 0)
                        return r;
        }
        return 0;
}

/* --- a line --- */

/* Returns 1 when the runs can be given what the key says, 0 when its problem was written down. */
static int check_target(const KeyLine *k, const ServiceSetting *s) {
        LoaderTarget target = builder_of(k)->context->target;

        if (target == LOADER_FOR_CHILDREN && !(s->flags & SERVICE_CHILD))
                return key_problem(k,
                                   "%s= requires the service manager, but runs are children of vaktd "
                                   "(Executor=child): it would %s. Remove it, or use Executor=unit.",
                                   k->row->key,
                                   s->flags & SERVICE_PROTECTS ? "not protect the run" : "have no effect");
        if (target == LOADER_FOR_USER_UNITS && (s->flags & SERVICE_SYSTEM))
                return key_problem(
                        k,
                        "%s= requires the service manager of the system; that of a user does not support it. "
                        "Remove it, or make this a job of the system.",
                        k->row->key);
        return 1;
}

/* "20%" is what people write, and what a unit file takes: the last sign is no specifier. "%%" means the same. */
static int expand_percentage(const KeyLine *k, char **ret) {
        _cleanup_free_ char *head = NULL, *expanded = NULL, *message = NULL;
        size_t n = strlen(k->value), signs = 0;
        bool single;
        int r;

        while (signs < n && k->value[n - 1 - signs] == '%')
                signs++;
        single = signs % 2 == 1;
        head = strndup(k->value, n - single);
        if (!head)
                return -ENOMEM;
        r = specifier_expand(head, k->reading->specifiers, &expanded, &message);
        if (r == -EINVAL)
                return key_problem(k, "%s", message);
        if (r < 0)
                return r;
        if (asprintf(ret, "%s%s", expanded, single ? "%" : "") < 0)
                return -ENOMEM;
        return 1;
}

int service_parse(const KeyLine *k, _unused_ void *field) {
        const ServiceSetting *s = setting_of(k->row);
        _cleanup_free_ char *expanded = NULL;
        Builder *b = builder_of(k);
        KeyLine line = *k;
        int r;

        if (!s->property)
                return key_problem(k, "%s= %s", k->row->key, s->refusal);
        b->service.unvalidated = b->service.unvalidated || k->problems != k->reading->problems;
        if (*k->value == '\0' && !(s->flags & SERVICE_EMPTY)) {
                remove_earlier(b, k->row);
                return 0;
        }
        r = check_target(k, s);
        if (r > 0 && (s->flags & SERVICE_PERCENT)) {
                r = expand_percentage(k, &expanded);
                line.value = expanded;
        }
        if (r <= 0)
                return r;
        if (b->def->rare->n_properties >= JOB_PROPERTIES_MAX)
                return key_problem(k, "The job has more than %d settings in [Service]. Remove some.",
                                   JOB_PROPERTIES_MAX);
        return convert(&line, s);
}

/* --- the end: the whole --- */

static UnitProperty *find_property(const JobDef *d, const char *name) {
        for (size_t i = d->rare->n_properties; i > 0; i--)
                if (streq(d->rare->properties[i - 1].name, name))
                        return &d->rare->properties[i - 1];
        return NULL;
}

static int64_t number_of(const JobDef *d, const char *name, int64_t otherwise) {
        const UnitProperty *p = find_property(d, name);

        return p ? (int64_t)p->values[0].number : otherwise;
}

static int check_alone(const Builder *b) {
        KeyLine k;

        if (b->def->rare->n_properties == 0 || !b->def->rare->unit)
                return 0;
        k = place_line(&b->service.places[0], NULL);
        return key_problem(
                &k,
                "The job starts the unit %s as it is (Unit=), so %s= has no effect. Put it into that unit, or "
                "write Exec= instead of Unit=.",
                b->def->rare->unit, k.row->key);
}

static int check_namespaces(const Builder *b) {
        if (b->context->target != LOADER_FOR_USER_UNITS || number_of(b->def, "PrivateUsers", 0) > 0)
                return 0;
        for (size_t i = 0; i < b->def->rare->n_properties; i++) {
                KeyLine k = place_line(&b->service.places[i], NULL);
                int r;

                if (!(setting_of(k.row)->flags & SERVICE_NAMESPACE))
                        continue;
                r = key_problem(&k,
                                "%s= silently has no effect in a job of a user without PrivateUsers=yes. "
                                "Add PrivateUsers=yes, or remove it.",
                                k.row->key);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The service manager validates the priority by the policy that it knows so far: so the policy goes first. */
static int order_scheduling(Builder *b) {
        UnitProperty *policy = find_property(b->def, "CPUSchedulingPolicy");
        UnitProperty *priority = find_property(b->def, "CPUSchedulingPriority");
        int name = policy ? (int)policy->values[0].number : SCHED_OTHER;
        int64_t n = priority ? (int64_t)priority->values[0].number : 0;
        KeyLine k;

        if (!priority)
                return 0;
        if (n < sched_get_priority_min(name) || n > sched_get_priority_max(name)) {
                k = place_line(&b->service.places[priority - b->def->rare->properties], NULL);
                return key_problem(
                        &k,
                        "The scheduling policy does not support CPUSchedulingPriority=%d. Write a number from %d to "
                        "%d, or choose CPUSchedulingPolicy=rr or fifo.",
                        (int)n, sched_get_priority_min(name), sched_get_priority_max(name));
        }
        if (policy && policy > priority) {
                Place *places = b->service.places;
                Place place = places[policy - b->def->rare->properties];
                UnitProperty property = *policy;

                places[policy - b->def->rare->properties] = places[priority - b->def->rare->properties];
                places[priority - b->def->rare->properties] = place;
                *policy = *priority;
                *priority = property;
        }
        return 0;
}

int service_finish(Builder *b) {
        int r;

        if (b->service.unvalidated)
                return 0;
        r = check_alone(b);
        if (r >= 0)
                r = check_namespaces(b);
        return r < 0 ? r : order_scheduling(b);
}
