/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings with one value. What is refused here is what the service manager would refuse when the run starts, and what
 * would come to something else than it says. */

#include <sys/resource.h>

#include "config/names.h"
#include "config/service-convert.h"
#include "time/span.h"
#include "util/log.h"
#include "util/size.h"
#include "util/words.h"

#define ERRNO_KILL     (INT32_MAX - 1) /* "kill" among the error numbers of a system call filter */
#define WEIGHT_IDLE    0
#define WEIGHT_MAX     10000
#define PERMYRIAD_FULL (100 * PERCENT_ONE)
#define NICE_LIMIT_MAX 40
#define CHOICES_MAX    1024 /* bytes of "a, b or c" */

#define SIZE_ADVICE "Write bytes, optionally with a suffix K, M, G, T, P or E, for example 1G or 1.5G."

/* --- words --- */

int service_bool(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        int value = key_bool_from_string(k->value);

        if (value < 0)
                return key_problem_value(k, "is neither yes nor no. Write yes or no.");
        return service_number(p, (uint64_t)value);
}

/* Where a word may be "yes" or "no", each way to say that is one. */
static const ServiceWord *find_word(const ServiceWord *words, const char *s) {
        int value = key_bool_from_string(s);

        for (const ServiceWord *w = words; w->word; w++)
                if (streq(w->word, s) || (value >= 0 && streq(w->word, value > 0 ? "yes" : "no")))
                        return w;
        return NULL;
}

static int problem_words(const KeyLine *k, const ServiceWord *words) {
        char choices[CHOICES_MAX] = "";
        size_t used = 0;

        for (const ServiceWord *w = words; w->word && used < sizeof(choices); w++)
                used += (size_t)snprintf(choices + used, sizeof(choices) - used, "%s%s",
                                         w == words  ? ""
                                         : w[1].word ? ", "
                                                     : " or ",
                                         w->word);
        return key_problem_value(k, "is unknown. Write %s.", choices);
}

int service_word(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const ServiceWord *w = find_word(s->argument, k->value);

        return w ? service_string(p, w->word) : problem_words(k, s->argument);
}

int service_enum(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const ServiceWord *w = find_word(s->argument, k->value);

        return w ? service_number(p, (uint64_t)w->value) : problem_words(k, s->argument);
}

int service_level(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        int level = log_level_from_string(k->value);

        if (level < 0)
                return key_problem_value(k,
                                         "is not a log level. Write emerg, alert, crit, err, warning, notice, info or "
                                         "debug.");
        return service_number(p, (uint64_t)level);
}

int service_signal(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        int signal = signal_from_name(k->value);

        if (signal < 0)
                return key_problem_value(k, "is not a signal. Write a name, such as SIGTERM or RTMIN+3, or a number.");
        return service_number(p, (uint64_t)signal);
}

int service_errno(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        int error = streq(k->value, "kill") ? ERRNO_KILL : errno_from_name(k->value);

        if (error < 0)
                return key_problem_value(
                        k, "is not an error of a system call. Write a name, such as EPERM, or \"kill\".");
        return service_number(p, (uint64_t)error);
}

/* --- texts and paths --- */

int service_text(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const ServiceText *rule = s->argument;

        if (rule && !rule->is_valid(k->value))
                return key_problem_value(k, "%s", rule->advice);
        return service_string(p, k->value);
}

int service_path(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const char *prefixes = s->argument ?: "", *path = k->value;
        _cleanup_free_ char *tidy = NULL, *whole = NULL;
        int r;

        if (*path == '-' && strchr(prefixes, '-'))
                path++;
        if (streq(path, "~") && strchr(prefixes, '~'))
                return service_string(p, k->value);
        tidy = strdup(path);
        if (!tidy)
                return -ENOMEM;
        r = service_check_path(k, tidy);
        if (r <= 0)
                return r;
        if (asprintf(&whole, "%s%s", path != k->value ? "-" : "", tidy) < 0)
                return -ENOMEM;
        return service_string(p, whole);
}

int service_label(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        bool ignore = k->value[0] == '-';
        int r;

        if (k->value[ignore] == '\0')
                return key_problem_value(k, "names nothing. Write a name after the \"-\".");
        r = service_number(p, ignore);
        return r < 0 ? r : service_string(p, k->value + ignore);
}

/* --- numbers --- */

/* A number with or without a sign. */
static bool integer_parse(const char *s, int64_t *ret) {
        bool negative = *s == '-';
        uint64_t magnitude;

        if (!number_parse(s + (negative || *s == '+'), &magnitude) || magnitude > INT64_MAX)
                return false;
        *ret = negative ? -(int64_t)magnitude : (int64_t)magnitude;
        return true;
}

int service_integer(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const ServiceRange *range = s->argument;
        int64_t value;

        if (!integer_parse(k->value, &value) || value < range->min || value > range->max)
                return key_problem_value(k, "is not a whole number in range. Write a number from %lld to %lld.",
                                         (long long)range->min, (long long)range->max);
        return service_number(p, (uint64_t)value);
}

int service_mode(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        mode_t mode;
        int r = key_read_mode(k, &mode);

        return r > 0 ? service_number(p, mode) : r;
}

static int problem_percentage(const KeyLine *k) {
        return key_problem_value(k, "is not a percentage from 0%% to 100%% with at most two decimals. Write one, for "
                                    "example 20%%.");
}

static bool is_percentage(const char *s) {
        size_t n = strlen(s);

        return n > 0 && s[n - 1] == '%';
}

/* A share of what the machine has, which only the service manager knows. */
static int convert_share(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        uint32_t share;

        if (percent_parse(k->value, &share) < 0 || share > PERMYRIAD_FULL)
                return problem_percentage(k);
        service_use_other(s, p);
        return service_number(p, percent_scale(share));
}

int service_size(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        uint64_t size;
        int r;

        if (is_percentage(k->value))
                return convert_share(k, s, p);
        r = size_parse(k->value, 1024, &size);
        if (r == -ERANGE)
                return key_problem_value(k, "is too large. " SIZE_ADVICE);
        if (r < 0)
                return key_problem_value(k,
                                         "is not a size. Write bytes, optionally with a suffix K, M, G, T, P or E, a "
                                         "percentage, or infinity.");
        return service_number(p, size);
}

int service_tasks(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        uint64_t n = UINT64_MAX;

        if (is_percentage(k->value))
                return convert_share(k, s, p);
        if (!streq(k->value, "infinity") && (!number_parse(k->value, &n) || n == 0 || n == UINT64_MAX))
                return key_problem_value(
                        k, "is not a number of tasks. Write a number from 1, a percentage, or infinity.");
        return service_number(p, n);
}

int service_weight(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        uint64_t weight;

        if (s->argument && streq(k->value, "idle"))
                return service_number(p, WEIGHT_IDLE);
        if (!number_parse(k->value, &weight) || weight == 0 || weight > WEIGHT_MAX)
                return key_problem_value(k, "is not a weight. Write a number from 1 to %d%s.", WEIGHT_MAX,
                                         s->argument ? ", or idle" : "");
        return service_number(p, weight);
}

int service_quota(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        uint32_t share;

        if (percent_parse(k->value, &share) < 0 || share == 0)
                return key_problem_value(k,
                                         "is not a share of a CPU. Write a percentage above 0%%, for example 20%% or "
                                         "250%%.");
        return service_number(p, share * USEC_PER_SEC / PERMYRIAD_FULL);
}

int service_pressure(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        uint32_t share;

        if (percent_parse(k->value, &share) < 0 || share > PERMYRIAD_FULL)
                return problem_percentage(k);
        return service_number(p, percent_scale(share));
}

/* --- time --- */

int service_span(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const ServiceSpan *rule = s->argument;
        char text[SPAN_TEXT_MAX];
        usec_t span;
        int r = key_read_span(k, &span);

        if (r <= 0)
                return r;
        if (span == 0 && rule->zero_is_endless)
                span = USEC_INFINITY;
        if (span == USEC_INFINITY && !rule->endless)
                return key_problem_value(k, "is not finite. Write a finite time span.");
        if (span < rule->min)
                return key_problem_value(k, "is shorter than %s. Write a longer time span.",
                                         span_format(text, rule->min, 1));
        return service_number(p, span);
}

/* Nanoseconds: those are what a bare number is in. */
int service_nsec(const KeyLine *k, _unused_ const ServiceSetting *s, UnitProperty *p) {
        uint64_t nsec;

        if (span_parse_nsec(k->value, &nsec) < 0)
                return key_problem_value(k, "is not a time span. Write nanoseconds, or a time span with a unit, for "
                                            "example 50us.");
        return service_number(p, nsec);
}

/* --- resource limits --- */

static int limit_number(const char *s, uint64_t *ret) {
        return number_parse(s, ret) && *ret != RLIM_INFINITY ? 0 : -EINVAL;
}

static int limit_size(const char *s, uint64_t *ret) {
        return size_parse(s, 1024, ret);
}

/* The kernel counts whole seconds: rather a little more than a little less. */
static int limit_seconds(const char *s, uint64_t *ret) {
        usec_t span;
        int r = span_parse(s, &span);

        if (r >= 0)
                *ret = span / USEC_PER_SEC + (span % USEC_PER_SEC > 0);
        return r;
}

static int limit_usec(const char *s, uint64_t *ret) {
        return span_parse_full(s, 1, ret);
}

/* With a sign it is a nice level, without one what setrlimit(2) takes. */
static int limit_nice(const char *s, uint64_t *ret) {
        int64_t value;

        if (!integer_parse(s, &value))
                return -EINVAL;
        if (*s == '+' || *s == '-') {
                if (value < -20 || value > 19)
                        return -ERANGE;
                value = 20 - value;
        }
        if (value > NICE_LIMIT_MAX)
                return -ERANGE;
        *ret = (uint64_t)value;
        return 0;
}

static const struct {
        int (*parse)(const char *s, uint64_t *ret);
        const char *advice;
} limits[] = {
        [SERVICE_LIMIT_NUMBER] = { limit_number, "Write a whole number" },
        [SERVICE_LIMIT_SIZE] = { limit_size, "Write bytes, optionally with a suffix K, M, G, T, P or E" },
        [SERVICE_LIMIT_SECONDS] = { limit_seconds, "Write a time span" },
        [SERVICE_LIMIT_USEC] = { limit_usec, "Write a time span (a number without a unit is in microseconds)" },
        [SERVICE_LIMIT_NICE] = { limit_nice, "Write a nice level with its sign, or a number from 0 to 40" },
};

static int parse_limit(ServiceLimit kind, const char *s, uint64_t *ret) {
        if (!streq(s, "infinity"))
                return limits[kind].parse(s, ret);
        *ret = RLIM_INFINITY;
        return 0;
}

int service_limit(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        ServiceLimit kind = *(const ServiceLimit *)s->argument;
        const char *colon = strchr(k->value, ':');
        _cleanup_free_ char *soft_text = NULL;
        uint64_t soft, hard;
        int r;

        soft_text = strndup(k->value, colon ? (size_t)(colon - k->value) : strlen(k->value));
        if (!soft_text)
                return -ENOMEM;
        r = parse_limit(kind, soft_text, &soft);
        if (r >= 0)
                r = parse_limit(kind, colon ? colon + 1 : soft_text, &hard);
        if (r < 0)
                return key_problem_value(k, "is not a limit. %s, infinity, or two of them as SOFT:HARD.",
                                         limits[kind].advice);
        if (soft > hard)
                return key_problem_value(k, "has a soft limit above the hard one. Write SOFT:HARD.");
        r = service_number(&p[0], hard);
        return r < 0 ? r : service_number(&p[1], soft);
}
