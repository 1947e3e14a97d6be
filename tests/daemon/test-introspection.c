/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Holds src/bus/org.vaktd1.xml against what the daemon says of itself: every method, signal and property of the three
 * interfaces, with types, names of arguments, access and annotations, on live objects, over the control socket. */

#include <inttypes.h>
#include <stdio.h>

#include "harness.h"

#define MEMBERS_MAX    128
#define LINE_MAX_BYTES 1024

/* What an interface has, one line each: "method Run in:s:job in:a{sv}:options out:t:id", sorted. */
typedef struct Interface {
        char *members[MEMBERS_MAX];
        size_t n;
} Interface;

static void interface_done(Interface *i) {
        for (size_t k = 0; k < i->n; k++)
                free(i->members[k]);
        *i = (Interface){};
}

/* --- a scanner that is enough for introspection data --- */

/* The next tag at *p: its inside is copied, comments and declarations are passed over. False at the end. */
static bool next_tag(const char **p, char *tag, size_t size) {
        for (;;) {
                const char *begin = strchr(*p, '<'), *end;

                if (!begin)
                        return false;
                end = startswith(begin, "<!--") ? strstr(begin, "-->") : strchr(begin, '>');
                assert_non_null(end);
                *p = end + 1;
                if (begin[1] == '!' || begin[1] == '?')
                        continue;
                assert_true((size_t)(end - begin) < size);
                memcpy(tag, begin + 1, (size_t)(end - begin - 1));
                tag[end - begin - 1] = '\0';
                return true;
        }
}

/* The value of NAME="…" in a tag, or "". */
static const char *attribute(const char *tag, const char *name, char *buf, size_t size) {
        char key[64];
        const char *begin, *end;

        (void)snprintf(key, sizeof(key), " %s=\"", name);
        begin = strstr(tag, key);
        if (!begin)
                return "";
        begin += strlen(key);
        end = strchr(begin, '"');
        assert_non_null(end);
        assert_true((size_t)(end - begin) < size);
        memcpy(buf, begin, (size_t)(end - begin));
        buf[end - begin] = '\0';
        return buf;
}

static void append(char *line, const char *text) {
        assert_true(strlen(line) + strlen(text) < LINE_MAX_BYTES);
        strcat(line, text);
}

/* Adds what a tag within an interface says to the line of its member. */
static void describe(const char *tag, char *line) {
        static const struct {
                const char *element;
                const char *attributes[4];
        } table[] = {
                { "method ", { "name" } },
                { "signal ", { "name" } },
                { "property ", { "name", "type", "access" } },
                { "arg ", { "direction", "type", "name" } },
                { "annotation ", { "name", "value" } },
        };
        char value[256];

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                if (!startswith(tag, table[i].element))
                        continue;
                append(line, line[0] == '\0' ? "" : "; ");
                append(line, table[i].element);
                for (size_t k = 0; table[i].attributes[k]; k++) {
                        append(line, attribute(tag, table[i].attributes[k], value, sizeof(value)));
                        append(line, " ");
                }
                return;
        }
        fail_msg("unexpected <%s>", tag);
}

static int compare_lines(const void *a, const void *b) {
        return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Reads the interface of this name. False when it is not there. */
static bool read_interface(const char *xml, const char *name, Interface *ret) {
        char tag[LINE_MAX_BYTES], line[LINE_MAX_BYTES] = "", buf[256];
        bool inside = false, found = false;

        while (next_tag(&xml, tag, sizeof(tag))) {
                bool opens = tag[0] != '/' && tag[strlen(tag) - 1] != '/';

                if (startswith(tag, "interface ")) {
                        inside = streq(attribute(tag, "name", buf, sizeof(buf)), name);
                        found = found || inside;
                        continue;
                }
                if (streq(tag, "/interface"))
                        inside = false;
                if (!inside)
                        continue;
                if (tag[0] != '/')
                        describe(tag, line);
                if (startswith(tag, "arg ") || startswith(tag, "annotation ") || opens)
                        continue;
                assert_true(ret->n < MEMBERS_MAX); /* the member is complete */
                ret->members[ret->n++] = strdup(line);
                line[0] = '\0';
        }
        qsort(ret->members, ret->n, sizeof(ret->members[0]), compare_lines);
        return found;
}

/* --- the comparison --- */

static char *read_file(const char *path) {
        char *text = NULL;
        size_t size = 0;
        FILE *f;

        assert_non_null(path);
        f = fopen(path, "re");
        if (!f)
                fail_msg("cannot open %s", path);
        assert_true(getdelim(&text, &size, '\0', f) > 0);
        fclose(f);
        return text;
}

static void compare_interface(const char *file, const char *live, const char *name) {
        Interface expected = {}, got = {};
        size_t i = 0, k = 0;
        unsigned differences = 0;

        assert_true(read_interface(file, name, &expected));
        if (!read_interface(live, name, &got))
                fail_msg("the daemon has no %s there", name);
        assert_true(expected.n > 0);
        while (i < expected.n || k < got.n) {
                int c = i == expected.n ? 1 : k == got.n ? -1 : strcmp(expected.members[i], got.members[k]);

                if (c < 0)
                        print_error("%s: only the file has: %s\n", name, expected.members[i]);
                else if (c > 0)
                        print_error("%s: only the daemon has: %s\n", name, got.members[k]);
                differences += c != 0;
                i += c <= 0;
                k += c >= 0;
        }
        interface_done(&expected);
        interface_done(&got);
        assert_int_equal(differences, 0);
}

static sd_bus_message *introspect(sd_bus *bus, const char *path, const char **ret_xml) {
        sd_bus_message *reply =
                harness_call_object(bus, path, "org.freedesktop.DBus.Introspectable", "Introspect", NULL);

        assert_true(sd_bus_message_read(reply, "s", ret_xml) >= 0);
        return reply;
}

static void test_interfaces(void **state) {
        static const struct {
                const char *path, *interface;
        } objects[] = {
                { MANAGER_PATH, MANAGER_INTERFACE },
                { "/org/vaktd1/job/a", "org.vaktd1.Job" },
                { "/org/vaktd1/job/bad_2djob", "org.vaktd1.Job" },
                { "/org/vaktd1/run/1", "org.vaktd1.Run" },
        };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_free_ char *file = read_file(getenv("VAKTD_API_XML"));

        harness_add_job(h, "a", "[Timer]\nOnInterval=1h\n[Run]\nExec=/bin/true\n");
        harness_add_job(h, "bad-job", "nonsense\n");
        harness_start(h);
        bus = harness_connect(h);
        assert_int_equal(harness_run(bus, "a", /* follow= */ false), 1);
        for (size_t i = 0; i < ELEMENTSOF(objects); i++) {
                _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
                const char *xml;

                reply = introspect(bus, objects[i].path, &xml);
                compare_interface(file, xml, objects[i].interface);
        }
}

/* Counts the child nodes that introspection names. */
static unsigned count_nodes(const char *xml) {
        char tag[LINE_MAX_BYTES];
        unsigned n = 0;

        while (next_tag(&xml, tag, sizeof(tag)))
                n += !!startswith(tag, "node name=");
        return n;
}

/* The enumerators: all jobs, and of the runs no more than somebody wants to see. */
static void test_nodes(void **state) {
        enum { RUNS = 130, RECENT = 100 };
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        sd_bus_message *reply;
        const char *xml;
        uint64_t id = 0;

        harness_add_job(h, "a", "[Run]\nExec=/bin/true\nOverlap=queue\nQueueMax=1000\n");
        harness_add_job(h, "b.c", "[Run]\nExec=/bin/true\n");
        harness_add_job(h, "long", "[Run]\nExec=/bin/sleep 1000\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal',member='RunFinished'");
        assert_int_equal(harness_run(bus, "long", /* follow= */ false), 1);
        for (unsigned i = 0; i < RUNS; i++)
                id = harness_run(bus, "a", /* follow= */ false);
        watch_run_finished(w, id, NULL, 0);
        reply = introspect(bus, "/org/vaktd1/job", &xml);
        assert_int_equal(count_nodes(xml), 3);
        assert_non_null(strstr(xml, "\"b_2ec\""));
        sd_bus_message_unref(reply);
        reply = introspect(bus, "/org/vaktd1/run", &xml);
        assert_int_equal(count_nodes(xml), RECENT + 1);
        assert_non_null(strstr(xml, "name=\"1\"")); /* the one that goes on, though it is the oldest */
        sd_bus_message_unref(reply);
}

/* A property of every type, read from live objects. */
static void test_properties(void **state) {
        Harness *h = *state;
        _cleanup_(sd_bus_flush_close_unrefp) sd_bus *bus = NULL;
        _cleanup_(watch_freep) Watch *w = NULL;
        _cleanup_free_ char *text = NULL;
        sd_bus_message *m = NULL;
        const char *key, *value;
        uint64_t number;
        uint32_t jobs;
        int boolean;

        harness_add_job(h, "a", "[Job]\nDescription=Blåbær\nTags=x y\n[Timer]\nOnInterval=90s\n[Run]\nShell=exit 3\n");
        harness_start(h);
        bus = harness_connect(h);
        w = watch_new(bus, "type='signal'");
        watch_run_finished(w, harness_run(bus, "a", /* follow= */ false), NULL, 0);
#define GET(path, interface, name, ...) \
        assert_true(sd_bus_get_property_trivial(bus, "org.vaktd1", path, interface, name, NULL, __VA_ARGS__) >= 0)
        GET(MANAGER_PATH, MANAGER_INTERFACE, "Jobs", 'u', &jobs);
        assert_int_equal(jobs, 1);
        GET("/org/vaktd1/job/a", "org.vaktd1.Job", "Enabled", 'b', &boolean);
        assert_true(boolean);
        GET("/org/vaktd1/job/a", "org.vaktd1.Job", "Runs", 't', &number);
        assert_int_equal(number, 1);
        GET("/org/vaktd1/run/1", "org.vaktd1.Run", "Code", 'i', &boolean);
        assert_int_equal(boolean, 3);
#undef GET
        assert_true(sd_bus_get_property_string(bus, "org.vaktd1", "/org/vaktd1/job/a", "org.vaktd1.Job", "Description",
                                               NULL, &text) >= 0);
        assert_string_equal(text, "Blåbær");
        assert_true(sd_bus_get_property(bus, "org.vaktd1", "/org/vaktd1/job/a", "org.vaktd1.Job", "Triggers", NULL, &m,
                                        "a(ss)") >= 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(ss)") > 0);
        assert_true(sd_bus_message_read(m, "(ss)", &key, &value) > 0);
        assert_string_equal(key, "OnInterval");
        assert_string_equal(value, "90s");
        sd_bus_message_unref(m);
        assert_true(sd_bus_get_property_trivial(bus, "org.vaktd1", "/org/vaktd1/job/none", "org.vaktd1.Job", "Runs",
                                                NULL, 't', &number) < 0);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                harness_test(test_interfaces),
                harness_test(test_nodes),
                harness_test(test_properties),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
