/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a run sees of the file system: mounts, images, directories of its own. */

#include <sys/mount.h>

#include "config/service-convert.h"
#include "util/string-table.h"

#define PARTS_MAX 16 /* colons in one word, and one */

/* Takes a word apart at its colons, in place. Returns how many parts there are, at most PARTS_MAX. */
static size_t split_colons(char *word, char *parts[static PARTS_MAX]) {
        size_t n = 0;

        for (char *part = word; part && n < PARTS_MAX; n++) {
                char *colon = n + 1 < PARTS_MAX ? strchr(part, ':') : NULL;

                parts[n] = part;
                if (colon)
                        *colon++ = '\0';
                part = colon;
        }
        return n;
}

/* --- bind mounts --- */

/* (ssbt): SOURCE[:DESTINATION[:OPTIONS]], "-" in front when the source need not be there. */
static int visit_bind(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *parts[PARTS_MAX], *source = word + (*word == '-');
        size_t n = split_colons(source, parts);
        const char *options = n > 2 ? parts[2] : "rbind";
        int r;

        if (n > 3 || (!streq(options, "rbind") && !streq(options, "norbind") && !streq(options, "")))
                return service_problem_word(k, word,
                                            "ends with unknown options. Write SOURCE:DESTINATION:rbind or "
                                            "norbind.");
        r = service_check_path(k, source);
        if (r > 0 && n > 1)
                r = service_check_path(k, parts[1]);
        if (r <= 0)
                return r;
        return service_add_element(p, "ssbt", source, n > 1 ? parts[1] : source, (uint64_t)(source != word),
                                   (uint64_t)(streq(options, "norbind") ? 0 : MS_REC));
}

int service_bind(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_bind, p);
}

/* (ss): PATH[:OPTIONS] */
static int visit_tmpfs(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *colon = strchr(word, ':');
        int r;

        if (colon)
                *colon++ = '\0';
        r = service_check_path(k, word);
        return r <= 0 ? r : service_add_element(p, "ss", word, colon ?: "");
}

int service_tmpfs(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_tmpfs, p);
}

/* --- directories of the run's own --- */

/* DIRECTORY, or DIRECTORY:LINK, which is the second property: (sst) with flags that are not used yet. */
static int visit_directory(const KeyLine *k, const ServiceSetting *s, char *word, UnitProperty *p) {
        char *colon = s->other ? strchr(word, ':') : NULL;
        int r;

        if (!colon) {
                r = service_directory_names.check(k, word);
                return r <= 0 ? r : service_add_element(&p[0], "s", word);
        }
        *colon++ = '\0';
        r = service_directory_names.check(k, word);
        if (r > 0)
                r = service_directory_names.check(k, colon);
        return r <= 0 ? r : service_add_element(&p[1], "sst", word, colon, UINT64_C(0));
}

int service_directories(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        int r = service_begin_list(&p[0]);

        if (r > 0)
                r = service_each_word(k, s, k->value, visit_directory, p);
        if (r > 0 && p[0].values[0].number == 0)
                unit_property_done(&p[0]);
        return r;
}

/* --- images --- */

/* Names of partitions, as the discoverable ones are called. */
static bool is_partition(const char *s) {
        static const char *const names[] = {
                "root", "usr", "home", "srv", "esp", "xbootldr", "tmp", "var", "swap", "root-verity", "usr-verity",
        };

        return string_table_find(names, ELEMENTSOF(names), s) >= 0;
}

static int problem_partition(const KeyLine *k, const char *word) {
        return service_problem_word(k, word,
                                    "is not a partition. Write PARTITION:OPTIONS, with a partition such as root, "
                                    "usr, home, srv or var.");
}

/* (ss): PARTITION:OPTIONS, or the options of the root partition alone. */
static int visit_image_options(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *parts[PARTS_MAX];
        size_t n = split_colons(word, parts);

        if (n > 2 || (n == 2 && !is_partition(parts[0])))
                return problem_partition(k, parts[0]);
        return service_add_element(p, "ss", n == 2 ? parts[0] : "root", parts[n - 1]);
}

int service_image_options(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_image_options, p);
}

/* a(ss) at the end of an image: PARTITION:OPTIONS:…, or the options of its only file system. */
static int add_mount_options(const KeyLine *k, char *const *parts, size_t n, UnitProperty *p) {
        int r;

        if (n == 1) {
                r = service_number(p, 1);
                if (r > 0)
                        r = service_string(p, "root");
                return r <= 0 ? r : service_string(p, parts[0]);
        }
        r = service_number(p, n / 2);
        for (size_t i = 0; r > 0 && i + 1 < n; i += 2) {
                if (!is_partition(parts[i]))
                        return problem_partition(k, parts[i]);
                r = service_string(p, parts[i]);
                if (r > 0)
                        r = service_string(p, parts[i + 1]);
        }
        if (r > 0 && n % 2 != 0)
                return problem_partition(k, parts[n - 1]);
        return r;
}

/* (ssba(ss)): IMAGE:DESTINATION[:OPTIONS] */
static int visit_mount_image(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *parts[PARTS_MAX], *source = word + (*word == '-');
        size_t n = split_colons(source, parts);
        int r;

        if (n < 2)
                return service_problem_word(k, word, "has no mount point. Write IMAGE:PATH.");
        r = service_check_path(k, source);
        if (r > 0)
                r = service_check_path(k, parts[1]);
        if (r > 0)
                r = service_add_element(p, "ssb", source, parts[1], (uint64_t)(source != word));
        return r <= 0 ? r : add_mount_options(k, parts + 2, n - 2, p);
}

int service_mount_images(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_mount_image, p);
}

/* (sba(ss)): IMAGE[:OPTIONS] */
static int visit_extension_image(const KeyLine *k, _unused_ const ServiceSetting *s, char *word, UnitProperty *p) {
        char *parts[PARTS_MAX], *source = word + (*word == '-');
        size_t n = split_colons(source, parts);
        int r;

        r = service_check_path(k, source);
        if (r > 0)
                r = service_add_element(p, "sb", source, (uint64_t)(source != word));
        return r <= 0 ? r : add_mount_options(k, parts + 1, n - 1, p);
}

int service_extension_images(const KeyLine *k, const ServiceSetting *s, UnitProperty *p) {
        return service_list(k, s, visit_extension_image, p);
}
