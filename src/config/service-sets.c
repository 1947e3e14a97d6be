/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Sets of bits. A further line of capabilities or namespaces adds to what an earlier one left, or with "~" takes away
 * from it, as in unit files; the bus only replaces. */

#include <sched.h>

#include "config/names.h"
#include "config/service-convert.h"

#define CPUS_MAX        8192
#define COREDUMP_CHOICE "Write words such as private-anonymous, default or all, or a mask in hexadecimal."

static const ServiceWord namespaces[] = {
        { "cgroup", CLONE_NEWCGROUP }, { "ipc", CLONE_NEWIPC },   { "net", CLONE_NEWNET }, { "mnt", CLONE_NEWNS },
        { "pid", CLONE_NEWPID },       { "user", CLONE_NEWUSER }, { "uts", CLONE_NEWUTS }, {},
};
#define NAMESPACES_ALL                                                                                           \
        ((uint64_t)(CLONE_NEWCGROUP | CLONE_NEWIPC | CLONE_NEWNET | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWUSER | \
                    CLONE_NEWUTS))

/* What the line says, on top of the property of an earlier one; without one it replaces, and starts for "~" with
 * everything. */
static int put_mask(const KeyLine *k, const ServiceSetting *s, ServiceVisit visit, uint64_t all, UnitProperty *p) {
        const UnitProperty *earlier = service_earlier(k);
        bool take_away = k->value[0] == '~';
        uint64_t mask;
        int r;

        r = service_number(p, 0);
        if (r > 0)
                r = service_each_word(k, s, k->value + take_away, visit, p);
        if (r <= 0)
                return r;
        mask = p->values[0].number;
        unit_property_done(p);
        if (mask == 0 || !earlier)
                return service_number(p, take_away ? all & ~mask : mask);
        return service_number(p, take_away ? earlier->values[0].number & ~mask : earlier->values[0].number | mask);
}

/* --- capabilities --- */

static int visit_capability(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *mask) {
        int capability = capability_from_name(word);

        if (capability < 0)
                return service_problem_unknown(k, word, capabilities, n_capabilities, "capability",
                                               "Write names of capabilities(7), such as CAP_NET_ADMIN.");
        mask->values[0].number |= UINT64_C(1) << capability;
        return 1;
}

/* An empty line means none at all, and "~" all. */
int service_capabilities(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return put_mask(k, s, visit_capability, ~UINT64_C(0), p);
}

/* --- namespaces --- */

static int visit_namespace(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *mask) {
        const char *names[ELEMENTSOF(namespaces)];
        size_t n = 0;

        for (const ServiceWord *w = namespaces; w->word; w++) {
                if (streq(w->word, word)) {
                        mask->values[0].number |= (uint64_t)w->value;
                        return 1;
                }
                names[n++] = w->word;
        }
        return service_problem_unknown(k, word, names, n, "kind of namespace",
                                       "Write cgroup, ipc, net, mnt, pid, user or uts, or yes or no.");
}

int service_namespaces(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        static const ServiceWord words[] = { { "yes", 0 }, { "no", (int64_t)NAMESPACES_ALL }, {} };
        const ServiceSetting plain = { .argument = words };
        FileProblems unheard = {};
        KeyLine quiet = *k;
        int r;

        quiet.problems = &unheard;
        r = service_enum(&quiet, &plain, p);
        return r != 0 ? r : put_mask(k, s, visit_namespace, NAMESPACES_ALL, p);
}

/* --- other bits --- */

static bool add_bits(const ServiceWord *words, const char *word, UnitProperty *p) {
        for (const ServiceWord *w = words; w->word; w++)
                if (streq(w->word, word)) {
                        p->values[0].number |= (uint64_t)w->value;
                        return true;
                }
        return false;
}

static int visit_bit(const KeyLine *k, const ServiceSetting *s, char *word, UnitProperty *p) {
        return add_bits(s->argument, word, p) ? 1 : service_problem_word(k, word, "is unknown.");
}

int service_bits(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        int r = service_number(p, 0);

        return r < 0 ? r : service_each_word(k, s, k->value, visit_bit, p);
}

/* core(5), as systemd.exec(5) calls the bits. */
static const ServiceWord coredump_words[] = {
        { "private-anonymous", 1 << 0 },
        { "shared-anonymous", 1 << 1 },
        { "private-file-backed", 1 << 2 },
        { "shared-file-backed", 1 << 3 },
        { "elf-headers", 1 << 4 },
        { "private-huge", 1 << 5 },
        { "shared-huge", 1 << 6 },
        { "private-dax", 1 << 7 },
        { "shared-dax", 1 << 8 },
        { "default", 1 << 0 | 1 << 1 | 1 << 4 | 1 << 5 },
        { "all", UINT32_MAX },
        {},
};

static int visit_coredump(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *end;

        if (add_bits(coredump_words, word, p))
                return 1;
        errno = 0;
        p->values[0].number |= strtoull(word, &end, 16);
        if (errno != 0 || *end != '\0' || word[strspn(word, "0123456789abcdefABCDEFx")] != '\0')
                return service_problem_word(k, word, "is not a part of a core dump. " COREDUMP_CHOICE);
        return 1;
}

int service_coredump(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        int r = service_number(p, 0);

        return r < 0 ? r : service_each_word(k, s, k->value, visit_coredump, p);
}

/* --- sets of CPUs and memory nodes --- */

typedef struct CpuSet {
        char bytes[CPUS_MAX / 8];
        size_t n; /* bytes in use */
} CpuSet;

/* "3" or "0-3". */
static bool cpu_set_add_range(CpuSet *set, char *text) {
        char *dash = strchr(text, '-');
        uint64_t first, last;

        if (dash)
                *dash = '\0';
        if (!number_parse(text, &first) || !number_parse(dash ? dash + 1 : text, &last))
                return false;
        if (first > last || last >= CPUS_MAX)
                return false;
        for (uint64_t cpu = first; cpu <= last; cpu++)
                set->bytes[cpu / 8] = (char)(set->bytes[cpu / 8] | 1 << cpu % 8);
        set->n = MAX(set->n, (size_t)(last / 8 + 1));
        return true;
}

static int cpu_set_parse(const KeyLine *k, CpuSet *set) {
        _cleanup_free_ char *copy = strdup(k->value);
        char *state = NULL;

        if (!copy)
                return -ENOMEM;
        for (char *word = strtok_r(copy, " \t,", &state); word; word = strtok_r(NULL, " \t,", &state))
                if (!cpu_set_add_range(set, word))
                        return key_problem_value(
                                k,
                                "is not a list of numbers below %d. Separate them with blanks or commas, "
                                "and write ranges as 0-3.",
                                CPUS_MAX);
        return 1;
}

/* The CPUs of the nodes of NUMAMask=. */
static int convert_numa(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const Builder *b = k->reading->userdata;

        if (b->context->target == LOADER_FOR_CHILDREN)
                return key_problem_value(k, "requires the service manager, but runs are children of vaktd "
                                            "(Executor=child). Write numbers, or use Executor=unit.");
        service_use_other(s, p);
        return service_number(p, true);
}

/* The first CPU is the lowest bit of the first byte. */
int service_cpus(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        const UnitProperty *earlier = service_earlier(k);
        CpuSet set = {};
        int r;

        if (s->other && streq(k->value, "numa"))
                return convert_numa(k, s, p);
        if (earlier && earlier->values[0].text) {
                set.n = earlier->values[0].number;
                memcpy(set.bytes, earlier->values[0].text, set.n);
        }
        r = cpu_set_parse(k, &set);
        if (r <= 0)
                return r;
        r = unit_property_add_text(p, set.bytes, set.n);
        return r < 0 ? r : 1;
}
