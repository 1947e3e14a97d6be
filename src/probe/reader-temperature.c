/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Where several sensors have the name, the hottest counts: a machine with two processors has two zones of the same
 * type. Sensors come and go with their drivers, and have other numbers after the next boot, so they are looked for
 * each time; a machine has a dozen. Reading one has its driver ask the device, which may take long: a disk that is
 * busy, a controller on a slow bus. */

#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>

#include "probe/reader.h"
#include "util/ascii.h"
#include "util/file.h"

#define ZONES       "/sys/class/thermal"
#define SENSORS     "/sys/class/hwmon"
#define SENSORS_MAX 1024 /* in a directory */
#define LABEL_MAX   128

typedef struct Search {
        const char *wanted;
        int64_t hottest; /* thousandths of a degree */
        bool is_found, is_named;
        int error; /* of a sensor that has the name */
} Search;

static bool file_says(int dir_fd, const char *name, const char *wanted) {
        char buf[LABEL_MAX];

        return file_read(dir_fd, name, buf, sizeof(buf)) >= 0 && streq(buf, wanted);
}

static void search_read(Search *s, int dir_fd, const char *name) {
        char buf[LABEL_MAX];
        int64_t value;
        ssize_t n = file_read(dir_fd, name, buf, sizeof(buf));

        s->is_named = true;
        if (n < 0 || sscanf(buf, "%" SCNd64, &value) != 1) {
                s->error = n < 0 ? (int)n : -EBADMSG;
                return;
        }
        s->hottest = s->is_found ? MAX(s->hottest, value) : value;
        s->is_found = true;
}

/* Calls f with each entry of a directory of sysfs. */
static void for_each_entry(int dir_fd, const char *path, void (*f)(Search *s, int dir_fd, const char *name),
                           Search *s) {
        int fd = openat(dir_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        const struct dirent *entry;
        unsigned n = 0;
        DIR *d;

        if (fd < 0)
                return;
        d = fdopendir(fd);
        if (!d) {
                safe_close(fd);
                return;
        }
        while ((entry = readdir(d)) && n++ < SENSORS_MAX)
                if (entry->d_name[0] != '.')
                        f(s, dirfd(d), entry->d_name);
        (void)closedir(d);
}

/* thermal_zoneN, whose number and whose type are names. */
static void search_zone(Search *s, int dir_fd, const char *name) {
        const char *number = startswith(name, "thermal_zone");
        _cleanup_close_ int fd = -EBADF;

        if (!number)
                return;
        fd = openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd >= 0 && (streq(number, s->wanted) || streq(name, s->wanted) || file_says(fd, "type", s->wanted)))
                search_read(s, fd, "temp");
}

/* tempN_label, whose value is in tempN_input. */
static void search_label(Search *s, int dir_fd, const char *name) {
        char input[NAME_MAX + 1];
        const char *suffix = strstr(name, "_label");

        if (!startswith(name, "temp") || !suffix || !streq(suffix, "_label") || !file_says(dir_fd, name, s->wanted))
                return;
        (void)snprintf(input, sizeof(input), "%.*s_input", (int)(suffix - name), name);
        search_read(s, dir_fd, input);
}

static void search_sensor(Search *s, int dir_fd, const char *name) {
        for_each_entry(dir_fd, name, search_label, s);
}

void read_temperature(const OutsideQuestion *q, OutsideAnswer *a) {
        Search s = { .wanted = q->subject };

        for_each_entry(AT_FDCWD, ZONES, search_zone, &s);
        if (!s.is_found)
                for_each_entry(AT_FDCWD, SENSORS, search_sensor, &s);
        if (s.is_found)
                answer_known(a, s.hottest, 0);
        else if (s.is_named)
                answer_unknown(a, "The temperature of %s cannot be read: %s.", s.wanted, strerror(-s.error));
        else
                answer_unknown(a, "The machine has no thermal zone and no sensor called %s.", s.wanted);
}
