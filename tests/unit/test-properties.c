/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Properties and lists of structs, read from messages that were never sent: what is known lands in its member,
 * whatever the order; what is not known or is missing does no harm; another type is refused. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <cmocka.h>

#include "client/properties.h"
#include "util/strv.h"

/* A message to be filled, then read. It needs a connection, which nobody reads from here. */
typedef struct Message {
        sd_bus *bus;
        sd_bus_message *m;
        int peer;
} Message;

static void message_open(Message *m) {
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds), 0);
        assert_int_equal(sd_bus_new(&m->bus), 0);
        assert_int_equal(sd_bus_set_fd(m->bus, fds[0], fds[0]), 0);
        assert_true(sd_bus_start(m->bus) >= 0);
        assert_int_equal(sd_bus_message_new_signal(m->bus, &m->m, "/a", "org.example", "Test"), 0);
        m->peer = fds[1];
}

static void message_seal(Message *m) {
        assert_int_equal(sd_bus_message_seal(m->m, 1, 0), 0);
        assert_true(sd_bus_message_rewind(m->m, /* complete= */ true) >= 0);
}

static void message_done(Message *m) {
        sd_bus_message_unref(m->m);
        sd_bus_close_unref(m->bus);
        closep(&m->peer);
}

typedef struct Object {
        const char *name, *path;
        uint64_t at;
        uint32_t n;
        int32_t code;
        int on;
        char **words;
        PropertyPair *pairs;
        PropertyAlarm *alarms;
        PropertyWatch *watches;
        PropertyNumber *numbers;
} Object;

static void object_done(Object *o) {
        strv_free(o->words);
        free(o->pairs);
        free(o->alarms);
        free(o->watches);
        free(o->numbers);
}

static int read_object(Message *m, Object *ret) {
        static const PropertyMap map[] = {
                { "Name", "s", offsetof(Object, name) },
                { "Path", "o", offsetof(Object, path) },
                { "At", "t", offsetof(Object, at) },
                { "N", "u", offsetof(Object, n) },
                { "Code", "i", offsetof(Object, code) },
                { "On", "b", offsetof(Object, on) },
                { "Words", "as", offsetof(Object, words) },
                { "Pairs", "a(ss)", offsetof(Object, pairs) },
                { "Alarms", "a(sts)", offsetof(Object, alarms) },
                { "Watches", "a(ssss)", offsetof(Object, watches) },
                { "Numbers", "a{st}", offsetof(Object, numbers) },
        };

        message_seal(m);
        return properties_read(m->m, map, ELEMENTSOF(map), ret);
}

static void test_all_types(void **state) {
        _cleanup_(message_done) Message m = { 0 };
        _cleanup_(object_done) Object o = { .path = "as it was" };

        message_open(&m);
        assert_true(sd_bus_message_append(m.m, "a{sv}", 11, "Numbers", "a{st}", 2, "one", UINT64_C(1), "most",
                                          UINT64_MAX, "Watches", "a(ssss)", 1, "key", "/path", "active", "", "Alarms",
                                          "a(sts)", 1, "slow", UINT64_C(5), "It is slow.", "Pairs", "a(ss)", 3, "a",
                                          "1", "b", "2", "c", "3", "Words", "as", 2, "x", "y", "On", "b", 1, "Code",
                                          "i", -7, "N", "u", UINT32_MAX, "Of a later vaktd", "a(uv)", 1, 9, "s",
                                          "skipped", "At", "t", UINT64_MAX, "Name", "s", "n") >= 0);
        assert_true(read_object(&m, &o) >= 0);
        assert_string_equal(o.name, "n");
        assert_string_equal(o.path, "as it was");
        assert_true(o.at == UINT64_MAX && o.n == UINT32_MAX && o.code == -7 && o.on == 1);
        assert_string_equal(o.words[1], "y");
        assert_null(o.words[2]);
        assert_string_equal(o.pairs[2].key, "c");
        assert_string_equal(o.pairs[2].value, "3");
        assert_null(o.pairs[3].key);
        assert_string_equal(o.alarms[0].key, "slow");
        assert_true(o.alarms[0].raised == 5);
        assert_string_equal(o.alarms[0].message, "It is slow.");
        assert_null(o.alarms[1].key);
        assert_string_equal(o.watches[0].message, "");
        assert_string_equal(o.watches[0].path, "/path");
        assert_null(o.watches[1].key);
        assert_string_equal(o.numbers[1].name, "most");
        assert_true(o.numbers[0].value == 1 && o.numbers[1].value == UINT64_MAX);
        assert_null(o.numbers[2].name);
}

static void test_other_types_are_refused(void **state) {
        static const struct {
                int line;
                const char *name, *type;
        } table[] = {
                { __LINE__, "Name", "u" },        { __LINE__, "N", "s" },         { __LINE__, "Words", "a(ss)" },
                { __LINE__, "Pairs", "a(sss)" },  { __LINE__, "Pairs", "a(st)" }, { __LINE__, "Alarms", "a(ss)" },
                { __LINE__, "Numbers", "a(st)" }, { __LINE__, "Pairs", "as" },    { __LINE__, "Watches", "a{ss}" },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                _cleanup_(message_done) Message m = { 0 };
                _cleanup_(object_done) Object o = { 0 };
                sd_bus_message *v;

                message_open(&m);
                v = m.m;
                assert_true(sd_bus_message_open_container(v, 'a', "{sv}") >= 0);
                assert_true(sd_bus_message_open_container(v, 'e', "sv") >= 0);
                assert_true(sd_bus_message_append(v, "s", table[i].name) >= 0);
                assert_true(sd_bus_message_open_container(v, 'v', table[i].type) >= 0);
                if (table[i].type[0] == 'a') {
                        assert_true(sd_bus_message_open_container(v, 'a', table[i].type + 1) >= 0);
                        assert_true(sd_bus_message_close_container(v) >= 0);
                } else
                        assert_true((table[i].type[0] == 's' ? sd_bus_message_append(v, "s", "")
                                                             : sd_bus_message_append(v, "u", 0)) >= 0);
                for (unsigned k = 0; k < 3; k++)
                        assert_true(sd_bus_message_close_container(v) >= 0);
                if (read_object(&m, &o) != -ENXIO)
                        fail_msg("line %d: not refused", table[i].line);
                assert_null(o.pairs);
                assert_null(o.words);
        }
}

typedef struct Row {
        const char *name;
        uint32_t n;
        uint64_t at;
        const char *path;
        uint32_t last;
} Row;

/* Of every length around those at which the array grows. */
static void test_rows(void **state) {
        for (size_t n = 0; n < 70; n++) {
                _cleanup_(message_done) Message m = { 0 };
                _cleanup_free_ Row *rows = NULL;
                size_t n_rows = 1000;
                char name[16];

                message_open(&m);
                assert_true(sd_bus_message_open_container(m.m, 'a', "(sutou)") >= 0);
                for (uint32_t i = 0; i < n; i++) {
                        (void)snprintf(name, sizeof(name), "row-%u", i);
                        assert_true(sd_bus_message_append(m.m, "(sutou)", name, i, UINT64_MAX - i, "/p", i + 1) >= 0);
                }
                assert_true(sd_bus_message_close_container(m.m) >= 0);
                message_seal(&m);
                assert_int_equal(properties_read_rows(m.m, "a(sutou)", &rows, &n_rows), 0);
                assert_int_equal(n_rows, n);
                for (uint32_t i = 0; i < n; i++) {
                        (void)snprintf(name, sizeof(name), "row-%u", i);
                        assert_string_equal(rows[i].name, name);
                        assert_true(rows[i].n == i && rows[i].at == UINT64_MAX - i && rows[i].last == i + 1);
                        assert_string_equal(rows[i].path, "/p");
                }
                assert_null(rows[n].name);
                assert_true(rows[n].at == 0 && rows[n].last == 0 && !rows[n].path);
        }
}

static void test_rows_of_another_type(void **state) {
        _cleanup_(message_done) Message m = { 0 };
        PropertyPair untouched, *pairs = &untouched;
        size_t n = 3;

        message_open(&m);
        assert_true(sd_bus_message_append(m.m, "a(st)", 1, "a", UINT64_C(1)) >= 0);
        message_seal(&m);
        assert_int_equal(properties_read_rows(m.m, "a(ss)", &pairs, &n), -ENXIO);
        assert_ptr_equal(pairs, &untouched);
        assert_int_equal(n, 3);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_types),
                cmocka_unit_test(test_other_types_are_refused),
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_rows_of_another_type),
        };

        return cmocka_run_group_tests_name("properties", tests, NULL, NULL);
}
