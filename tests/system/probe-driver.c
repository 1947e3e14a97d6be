/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* probe-driver CONDITION: prints what a condition is, and the values of its tests, whenever there is another reading.
 * In the daemon's place, and so in its sandbox: test-outside.sh. */

#include <stdio.h>
#include <sysexits.h>

#include "probe/probe.h"
#include "util/log.h"

static Condition *condition;
static ProbeUse uses[CONDITION_TESTS_MAX];

static void print(ProbeUse *changed) {
        Reading readings[CONDITION_TESTS_MAX] = {};
        char value[CONDITION_VALUE_MAX];
        size_t n = condition_n_tests(condition);

        for (size_t i = 0; i < n; i++)
                readings[i] = *probe_reading(&uses[i]);
        printf("%s", truth_to_string(condition_truth(condition, readings)));
        for (size_t i = 0; i < n; i++)
                printf(" | %s", readings[i].is_known
                                        ? reading_format(value, &condition_test(condition, i)->question, &readings[i])
                                        : readings[i].reason);
        printf("\n");
        (void)fflush(stdout);
}

int main(int argc, char *argv[]) {
        ProbesOptions options = { .program_dir = getenv("VAKTD_PROGRAM_DIR") };
        ConditionError error;
        sd_event *event;
        Probes *probes;

        if (argc != 2)
                return EX_USAGE;
        if (condition_parse(argv[1], &condition, &error) < 0) {
                fprintf(stderr, "%zu: %s\n", error.column, error.message);
                return EX_USAGE;
        }
        if (sd_event_default(&event) < 0 || probes_new(&probes, event, &options) < 0)
                return EX_OSERR;
        for (size_t i = 0; i < condition_n_tests(condition); i++) {
                uses[i] = (ProbeUse){ .test = condition_test(condition, i),
                                      .sample_max = PROBE_SAMPLE_MIN_USEC,
                                      .changed = print };
                if (probe_use(probes, &uses[i]) < 0)
                        return EX_OSERR;
        }
        return sd_event_loop(event) < 0 ? EX_OSERR : EXIT_SUCCESS;
}
