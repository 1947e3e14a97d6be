/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Service] against a real service manager: each sample line becomes a transient unit twice, once as vaktd
 * encodes it and once by systemd-run. The service manager writes down what it understood, in
 * /run/systemd/transient/UNIT; both must say the same. Prints TAP. Needs root, in a box (tests/system/box). */

#include <fcntl.h>
#include <spawn.h>
#include <stdarg.h>
#include <sys/wait.h>
#include <systemd/sd-bus.h>

#include "../unit/service-samples.h"
#include "exec/unit-message.h"
#include "util/file.h"
#include "util/strv.h"

#define MANAGER       "org.freedesktop.systemd1", "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager"
#define TRANSIENT     "/run/systemd/transient"
#define FILE_SIZE_MAX 65536
#define UNIT_SIZE     64

static sd_bus *bus;
static unsigned n_failures;

static void failed(const ServiceSample *s, const char *format, ...) _printf_(2, 3);

static void failed(const ServiceSample *s, const char *format, ...) {
        va_list ap;

        printf("# line %d, %s: ", s->line, s->text);
        va_start(ap, format);
        vprintf(format, ap);
        va_end(ap);
        printf("\n");
        n_failures++;
}

static void forget_unit(const char *unit) {
        (void)sd_bus_call_method(bus, MANAGER, "StopUnit", NULL, NULL, "ss", unit, "replace");
        (void)sd_bus_call_method(bus, MANAGER, "ResetFailedUnit", NULL, NULL, "s", unit);
}

/* What the service manager wrote down, without the lines that are in baseline. */
static char *read_unit(const char *unit, char *const *baseline) {
        char path[UNIT_SIZE + sizeof(TRANSIENT)], *content = malloc(FILE_SIZE_MAX), *state = NULL, *text = NULL;
        size_t n_text;
        FILE *f = open_memstream(&text, &n_text);
        ssize_t n;

        (void)snprintf(path, sizeof(path), "%s/%s", TRANSIENT, unit);
        n = content && f ? file_read(AT_FDCWD, path, content, FILE_SIZE_MAX) : -ENOMEM;
        if (n < 0)
                fprintf(f, "%s: %s\n", path, strerror((int)-n));
        for (char *line = n >= 0 ? strtok_r(content, "\n", &state) : NULL; line; line = strtok_r(NULL, "\n", &state)) {
                bool known = false;

                STRV_FOREACH(s, baseline)
                        known = known || streq(*s, line);
                if (!known)
                        fprintf(f, "%s\n", line);
        }
        (void)fclose(f);
        free(content);
        return text;
}

/* --- vaktd's way --- */

static int start_by_call(const char *unit, const JobDef *def, sd_bus_error *error) {
        sd_bus_message *m = NULL;
        int r;

        r = sd_bus_message_new_method_call(bus, &m, MANAGER, "StartTransientUnit");
        if (r >= 0)
                r = sd_bus_message_append(m, "ss", unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(sv)");
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Description", "s", "sample", "Type", "s", "oneshot",
                                          "RemainAfterExit", "b", true, "ExecStart", "a(sasb)", 1, "/bin/true", 1,
                                          "true", false);
        for (size_t i = 0; r >= 0 && def && i < def->rare->n_properties; i++)
                r = unit_message_append_property(m, &def->rare->properties[i]);
        if (r >= 0)
                r = sd_bus_message_close_container(m);
        if (r >= 0)
                r = sd_bus_message_append(m, "a(sa(sv))", 0);
        if (r >= 0)
                r = sd_bus_call(bus, m, 0, error, NULL);
        sd_bus_message_unref(m);
        return r;
}

/* Never the same twice, also when this is run twice. */
static char *name_unit(char unit[static UNIT_SIZE], size_t i, bool peer) {
        (void)snprintf(unit, UNIT_SIZE, "table-check-%d-%zu%s.service", getpid(), i, peer ? "-peer" : "");
        return unit;
}

static char *try_call(const ServiceSample *s, const char *unit, char *const *baseline) {
        sd_bus_error error = SD_BUS_ERROR_NULL;
        Diagnostics d = {};
        JobDef *def = NULL;
        char *text = NULL;
        int r;

        r = service_sample_build(s->text, LOADER_FOR_UNITS, &d, &def);
        if (r < 0)
                failed(s, "%s", d.n_items > 0 ? d.items[0].message : strerror(-r));
        else {
                r = start_by_call(unit, def, &error);
                if (r < 0)
                        failed(s, "%s", error.message ?: strerror(-r));
                else
                        text = read_unit(unit, baseline);
        }
        sd_bus_error_free(&error);
        diagnostics_done(&d);
        job_def_unref(def);
        return text;
}

/* --- systemd-run's way --- */

static bool start_by_peer(const char *unit, const char *settings) {
        _cleanup_(strv_freep) char **arguments = NULL;
        _cleanup_free_ char *copy = strdup(settings);
        char *state = NULL;
        pid_t pid;
        int status, r;

        r = copy ? strv_extend(&arguments, "systemd-run") : -ENOMEM;
        if (r >= 0)
                r = strv_extendf(&arguments, "--unit=%s", unit);
        STRV_FOREACH(s, ((char *[]){ (char *)"--quiet", (char *)"--no-block", (char *)"--remain-after-exit",
                                     (char *)"--service-type=oneshot", (char *)"--description=sample", NULL }))
                r = r < 0 ? r : strv_extend(&arguments, *s);
        for (char *line = r >= 0 ? strtok_r(copy, "\n", &state) : NULL; r >= 0 && line;
             line = strtok_r(NULL, "\n", &state))
                r = strv_extendf(&arguments, "--property=%s", line);
        if (r >= 0)
                r = strv_extend(&arguments, "/bin/true");
        if (r < 0 || posix_spawnp(&pid, "systemd-run", NULL, NULL, arguments, environ) != 0)
                return false;
        while (waitpid(pid, &status, 0) < 0)
                if (errno != EINTR)
                        return false;
        return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static char *try_peer(const ServiceSample *s, const char *unit, char *const *baseline) {
        char *text = NULL;

        if (start_by_peer(unit, s->peer ?: s->text))
                text = read_unit(unit, baseline);
        else
                failed(s, "systemd-run does not take it");
        return text;
}

/* --- the test --- */

/* The lines that are there without any setting. */
static char **read_baseline(bool peer) {
        char unit[UNIT_SIZE];
        _cleanup_free_ char *text = NULL;
        char **lines = NULL, *state = NULL;

        (void)name_unit(unit, ELEMENTSOF(service_samples), peer);
        if (peer ? start_by_peer(unit, "") : start_by_call(unit, NULL, NULL) >= 0)
                text = read_unit(unit, NULL);
        forget_unit(unit);
        for (char *line = text ? strtok_r(text, "\n", &state) : NULL; line; line = strtok_r(NULL, "\n", &state))
                if (strv_extend(&lines, line) < 0)
                        return strv_free(lines);
        return lines;
}

static void check_sample(size_t i, char *const *baseline, char *const *peer_baseline) {
        const ServiceSample *s = &service_samples[i];
        _cleanup_free_ char *ours = NULL, *theirs = NULL;
        char unit[UNIT_SIZE], peer_unit[UNIT_SIZE];

        ours = try_call(s, name_unit(unit, i, /* peer= */ false), baseline);
        if (ours && (!s->peer || *s->peer != '\0'))
                theirs = try_peer(s, name_unit(peer_unit, i, /* peer= */ true), peer_baseline);
        /* Only now: what stops one of them may be what the other one needs. */
        forget_unit(unit);
        forget_unit(name_unit(peer_unit, i, /* peer= */ true));
        if (theirs && !streq(ours, theirs))
                failed(s, "becomes '%s' and of systemd-run '%s'", ours, theirs);
}

int main(void) {
        _cleanup_(strv_freep) char **baseline = NULL, **peer_baseline = NULL;

        if (sd_bus_open_system(&bus) < 0) {
                printf("Bail out! There is no bus.\n");
                return EXIT_FAILURE;
        }
        baseline = read_baseline(/* peer= */ false);
        peer_baseline = read_baseline(/* peer= */ true);
        for (size_t i = 0; i < ELEMENTSOF(service_samples); i++)
                check_sample(i, baseline, peer_baseline);
        /* Those that failed did so after we were done with them. */
        for (size_t i = 0; i < 2 * ELEMENTSOF(service_samples); i++) {
                char unit[UNIT_SIZE];

                forget_unit(name_unit(unit, i / 2, i % 2));
        }
        printf("%sok 1 - the service manager takes %zu lines of [Service] as it does from systemd-run\n1..1\n",
               n_failures > 0 || !baseline || !peer_baseline ? "not " : "", ELEMENTSOF(service_samples));
        sd_bus_flush_close_unref(bus);
        return n_failures > 0 || !baseline || !peer_baseline ? EXIT_FAILURE : EXIT_SUCCESS;
}
