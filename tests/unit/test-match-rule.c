/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Match rules: what is one, and which signals it lets through. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "bus/match-rule.h"

#define PROPERTIES "org.freedesktop.DBus.Properties"
#define MANAGER    "org.vaktd1.Manager"

static const char *const senders[] = { "org.vaktd1", ":1.0", NULL };

static bool matches(const char *text, const char *path, const char *interface, const char *member) {
        const MatchSubject s = { .path = path, .interface = interface, .member = member, .senders = senders };
        _cleanup_(match_rule_freep) MatchRule *rule = NULL;

        assert_int_equal(match_rule_new(&rule, text), 0);
        assert_string_equal(match_rule_text(rule), text);
        return match_rule_matches(rule, &s);
}

static void test_matches(void **state) {
        static const struct {
                int line;
                const char *rule;
                bool run_started;     /* of the manager */
                bool job_changed;     /* PropertiesChanged of /org/vaktd1/job/a */
                bool manager_changed; /* PropertiesChanged of /org/vaktd1 */
        } table[] = {
                { __LINE__, "", true, true, true },
                { __LINE__, "type='signal'", true, true, true },
                { __LINE__, "type=signal", true, true, true },
                { __LINE__, " type='signal', interface='" MANAGER "'", true, false, false },
                { __LINE__, "type='signal',", true, true, true },
                { __LINE__, "type='method_call'", false, false, false },
                { __LINE__, "interface='" PROPERTIES "'", false, true, true },
                { __LINE__, "member='RunStarted'", true, false, false },
                { __LINE__, "member='RunFinished'", false, false, false },
                { __LINE__, "path='/org/vaktd1'", true, false, true },
                { __LINE__, "path='/org/vaktd1/job/a'", false, true, false },
                { __LINE__, "path='/org/vaktd'", false, false, false },
                { __LINE__, "path_namespace='/org/vaktd1'", true, true, true },
                { __LINE__, "path_namespace='/org/vaktd1/job'", false, true, false },
                { __LINE__, "path_namespace='/org/vaktd1/jo'", false, false, false },
                { __LINE__, "path_namespace='/org/vaktd1/job/a'", false, true, false },
                { __LINE__, "path_namespace='/'", true, true, true },
                { __LINE__, "sender='org.vaktd1'", true, true, true },
                { __LINE__, "sender=':1.0'", true, true, true },
                { __LINE__, "sender=':1.1'", false, false, false },
                { __LINE__, "sender='org.freedesktop.DBus'", false, false, false },
                { __LINE__, "arg0='org.vaktd1.Job'", true, true, true },
                { __LINE__, "arg0namespace='org',arg63='x',arg1path='/'", true, true, true },
                { __LINE__, "member='PropertiesChanged',arg0='a,b=c'", false, true, true },
                { __LINE__, "destination=':1.5'", false, false, false },
                { __LINE__, "eavesdrop='true'", true, true, true },
                /* Quoting: pieces are joined, a backslash stands for itself but before an apostrophe outside quotes.
                 */
                { __LINE__, "member='Run''Started'", true, false, false },
                { __LINE__, "member=Run'Started'", true, false, false },
                { __LINE__, "member='Run\\Started'", false, false, false },
                { __LINE__, "member=Run\\'Started", false, false, false },
        };

        for (size_t i = 0; i < ELEMENTSOF(table); i++)
                if (matches(table[i].rule, "/org/vaktd1", MANAGER, "RunStarted") != table[i].run_started ||
                    matches(table[i].rule, "/org/vaktd1/job/a", PROPERTIES, "PropertiesChanged") !=
                            table[i].job_changed ||
                    matches(table[i].rule, "/org/vaktd1", PROPERTIES, "PropertiesChanged") != table[i].manager_changed)
                        fail_msg("line %d", table[i].line);
}

static void test_refused(void **state) {
        static const struct {
                int line;
                const char *rule;
        } table[] = {
                { __LINE__, "type" },
                { __LINE__, "type='signal" },
                { __LINE__, "typ='signal'" },
                { __LINE__, "='signal'" },
                { __LINE__, "," },
                { __LINE__, "type='signal',,member='X'" },
                { __LINE__, "type='signal',type='signal'" },
                { __LINE__, "path='/a',path_namespace='/a'" },
                { __LINE__, "arg64='x'" },
                { __LINE__, "arg='x'" },
                { __LINE__, "arg1namespace='x'" },
                { __LINE__, "arg0paths='x'" },
                { __LINE__, "argh='x'" },
                { __LINE__, "member,type='signal'" },
        };
        char longest[MATCH_RULE_TEXT_MAX + 2];

        for (size_t i = 0; i < ELEMENTSOF(table); i++) {
                MatchRule *rule = NULL;

                if (match_rule_new(&rule, table[i].rule) != -EINVAL || rule)
                        fail_msg("line %d", table[i].line);
        }
        memset(longest, 'a', sizeof(longest));
        memcpy(longest, "member=", 7);
        for (size_t n = MATCH_RULE_TEXT_MAX; n <= MATCH_RULE_TEXT_MAX + 1; n++) {
                _cleanup_(match_rule_freep) MatchRule *rule = NULL;

                longest[n] = '\0';
                assert_int_equal(match_rule_new(&rule, longest), n > MATCH_RULE_TEXT_MAX ? -E2BIG : 0);
                longest[n] = 'a';
        }
}

/* Whatever it is, it is refused or it is a rule; the sanitizers see to the rest. */
static void test_any_bytes(void **state) {
        static const char pieces[][12] = { "type", "=", "'", ",", "\\", "arg0", "path", " ", "signal", "\\'" };
        uint32_t seed = 1;

        for (unsigned i = 0; i < 20000; i++) {
                _cleanup_(match_rule_freep) MatchRule *rule = NULL;
                char text[256] = "";

                for (unsigned n = (seed >> 16) % 16; n > 0; n--) {
                        seed = seed * 1103515245 + 12345;
                        strcat(text, pieces[(seed >> 16) % ELEMENTSOF(pieces)]);
                }
                seed = seed * 1103515245 + 12345;
                (void)match_rule_new(&rule, text);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_matches),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_any_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
