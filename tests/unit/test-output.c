/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is written to the pipe of a run, however it is cut, arrives as lines. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include <fcntl.h>

#include "exec/output.h"

typedef struct Rig {
        sd_event *event;
        Output *output;
        int fd;
        char text[4 * OUTPUT_LINE_MAX]; /* of all lines, "|" behind each */
        size_t used;
} Rig;

static Rig rig;

static void on_line(void *userdata, const char *line, size_t n, bool is_stderr) {
        assert_ptr_equal(userdata, &rig);
        assert_true(is_stderr);
        assert_true(rig.used + n + 1 < sizeof(rig.text));
        memcpy(rig.text + rig.used, line, n);
        rig.used += n;
        rig.text[rig.used++] = '|';
        rig.text[rig.used] = '\0';
}

static int setup(void **state) {
        rig = (Rig){ .fd = -EBADF };
        assert_true(sd_event_new(&rig.event) >= 0);
        assert_int_equal(output_new(&rig.output, &rig.fd, rig.event, /* is_stderr= */ true, on_line, &rig), 0);
        assert_true(fcntl(rig.fd, F_SETPIPE_SZ, 2 * OUTPUT_LINE_MAX) >= 2 * OUTPUT_LINE_MAX);
        return 0;
}

static int teardown(void **state) {
        output_free(rig.output);
        safe_close(rig.fd);
        sd_event_unref(rig.event);
        return 0;
}

/* Written at once, and read as long as there is something. */
static void put(const char *text, size_t n) {
        assert_int_equal(write(rig.fd, text, n), n);
        while (sd_event_run(rig.event, 0) > 0)
                ;
}

static void assert_lines(const char *expected) {
        assert_string_equal(rig.text, expected);
        rig.used = 0;
        rig.text[0] = '\0';
}

static void test_pieces(void **state) {
        put("one\ntwo\n", 8);
        assert_lines("one|two|");
        put("th", 2);
        assert_lines("");
        put("ree\n\nfo", 7);
        assert_lines("three||");
        put("u", 1);
        put("r\n", 2);
        assert_lines("four|");
        put("a\0b\nend", 7);
        assert_memory_equal(rig.text, "a\0b|", 4);
        rig.used = 0;
        output_finish(rig.output);
        assert_lines("end|");
        output_finish(rig.output); /* nothing twice */
        assert_lines("");
}

/* With its newline as long as can be, in two pieces; and longer. */
static void test_long(void **state) {
        static char text[OUTPUT_LINE_MAX + 2], expected[OUTPUT_LINE_MAX + 8];

        memset(text, 'x', sizeof(text));
        memset(expected, 'x', OUTPUT_LINE_MAX);
        text[OUTPUT_LINE_MAX - 1] = '\n';
        (void)strcpy(expected + OUTPUT_LINE_MAX - 1, "|");
        for (size_t first = 1; first < OUTPUT_LINE_MAX; first += OUTPUT_LINE_MAX / 2) {
                put(text, first);
                put(text + first, OUTPUT_LINE_MAX - first);
                assert_lines(expected);
        }
        expected[OUTPUT_LINE_MAX - 1] = text[OUTPUT_LINE_MAX - 1] = 'x';
        text[OUTPUT_LINE_MAX + 1] = '\n';
        put(text, sizeof(text));
        (void)strcpy(expected + OUTPUT_LINE_MAX, "|x|");
        assert_lines(expected);
}

/* At its end the other side is closed, and what is in the pipe counts. */
static void test_end(void **state) {
        assert_int_equal(write(rig.fd, "last\nwords", 10), 10);
        rig.fd = safe_close(rig.fd);
        output_finish(rig.output);
        assert_lines("last|words|");
        while (sd_event_run(rig.event, 0) > 0)
                ;
        assert_lines("");
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_pieces, setup, teardown),
                cmocka_unit_test_setup_teardown(test_long, setup, teardown),
                cmocka_unit_test_setup_teardown(test_end, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
