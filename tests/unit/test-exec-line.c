/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines, as systemd splits those of ExecStart=. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/exec-line.h"

static const Specifiers specifiers = { .job = "backup@a", .instance = "a b;\"c", .host = "h" };

/* A command is shown as "FLAGSpath[argv0][argv1]…", FLAGS of "-" and ":". */
static const struct {
        int line;
        const char *text, *expected; /* or a part of the message that refuses it */
        bool bad;
} rows[] = {
        { __LINE__, "/bin/true", "/bin/true[/bin/true]" },
        { __LINE__, "true", "true[true]" },
        { __LINE__, "  /bin/echo \t a  b ", "/bin/echo[/bin/echo][a][b]" },
        { __LINE__, "/bin/echo 'a  b' \"c d\" ''", "/bin/echo[/bin/echo][a  b][c d][]" },
        { __LINE__, "/bin/echo a'b c'd\"e\"f", "/bin/echo[/bin/echo][ab cdef]" },
        { __LINE__, "/bin/echo \"it's\" 'say \"hi\"'", "/bin/echo[/bin/echo][it's][say \"hi\"]" },
        { __LINE__, "'/opt/my tool/run' x", "/opt/my tool/run[/opt/my tool/run][x]" },
        { __LINE__, "/bin/echo $HOME ${HOME} $$", "/bin/echo[/bin/echo][$HOME][${HOME}][$$]" },
        { __LINE__, "/bin/echo # no comment", "/bin/echo[/bin/echo][#][no][comment]" },

        /* escapes */
        { __LINE__, "/bin/echo \\a\\b\\f\\n\\r\\t\\v\\\\\\\"\\'\\s", "/bin/echo[/bin/echo][\a\b\f\n\r\t\v\\\"' ]" },
        { __LINE__, "/bin/echo \\x41\\x7a\\101\\u00f8\\u20ac\\U0001f35e",
          "/bin/echo[/bin/echo][AzA\xc3\xb8\xe2\x82\xac\xf0\x9f\x8d\x9e]" },
        { __LINE__, "/bin/echo '\\x41\\n' \"\\x42\"", "/bin/echo[/bin/echo][A\n][B]" },
        { __LINE__, "/bin/echo \\303\\xb8", "/bin/echo[/bin/echo][\xc3\xb8]" },
        { __LINE__, "/bin/echo x \\xff\\377", "Word 3 of the command is not valid UTF-8", true },
        { __LINE__, "/bin/echo \\uffff", "Word 2 of the command is not valid UTF-8", true },
        { __LINE__, "/bin/echo \\U0001fffe", "Word 2 of the command is not valid UTF-8", true },
        { __LINE__, "/bin/echo \\ufdd0", "Word 2 of the command is not valid UTF-8", true },
        { __LINE__, "/bin/echo \\x01\\x7f", "/bin/echo[/bin/echo][\x01\x7f]" },
        { __LINE__, "/bin/echo a\\x20b", "/bin/echo[/bin/echo][a b]" },
        { __LINE__, "/bin/echo \\x411", "/bin/echo[/bin/echo][A1]" },
        { __LINE__, "/bin/echo \\d", "\\d is not a valid escape", true },
        { __LINE__, "/bin/echo \\x4", "\\x is not a valid escape", true },
        { __LINE__, "/bin/echo \\x4g", "\\x is not a valid escape", true },
        { __LINE__, "/bin/echo \\x00", "\\x is not a valid escape", true },
        { __LINE__, "/bin/echo \\000", "\\0 is not a valid escape", true },
        { __LINE__, "/bin/echo \\400", "\\4 is not a valid escape", true },
        { __LINE__, "/bin/echo \\18", "\\1 is not a valid escape", true },
        { __LINE__, "/bin/echo \\ud800", "\\u is not a valid escape", true },
        { __LINE__, "/bin/echo \\U00110000", "\\U is not a valid escape", true },
        { __LINE__, "/bin/echo \\u12", "\\u is not a valid escape", true },
        { __LINE__, "/bin/echo \\ x", "\\  is not a valid escape", true },
        { __LINE__, "/bin/echo \\\xc3\xb8", "\\\xc3\xb8 is not a valid escape", true },
        { __LINE__, "/bin/echo a\\", "single backslash", true },
        { __LINE__, "/bin/echo 'a", "quote ' is not closed", true },
        { __LINE__, "/bin/echo \"a'", "quote \" is not closed", true },
        { __LINE__, "/bin/echo 'a\\'", "quote ' is not closed", true },

        /* several commands in a line */
        { __LINE__, "/bin/a x ; /bin/b y", "/bin/a[/bin/a][x] /bin/b[/bin/b][y]" },
        { __LINE__, "/bin/a ;", "/bin/a[/bin/a]" },
        { __LINE__, "-/bin/a ; :/bin/b", "-/bin/a[/bin/a] :/bin/b[/bin/b]" },
        { __LINE__, "/bin/a \\; b", "/bin/a[/bin/a][;][b]" },
        { __LINE__, "/bin/a ';' \";\"", "/bin/a[/bin/a][;][;]" },
        { __LINE__, "/bin/a; /bin/b;c d;", "/bin/a;[/bin/a;][/bin/b;c][d;]" },
        { __LINE__, "; /bin/a", "missing before \";\"", true },
        { __LINE__, "/bin/a ; ; /bin/b", "missing before \";\"", true },
        { __LINE__, "/bin/a b\\;", "\\; is not a valid escape", true },

        /* what only a shell would understand */
        { __LINE__, "/bin/a && /bin/b", "No shell is used, so \"&&\" would be an argument. Write Shell=", true },
        { __LINE__, "/bin/a ; /bin/b || true", "so \"||\" would be an argument", true },
        { __LINE__, "/bin/a | /bin/b", "so \"|\" would be an argument", true },
        { __LINE__, "/bin/a &", "so \"&\" would be an argument", true },
        { __LINE__, "/bin/a >/tmp/x", "so \">/tmp/x\" would be an argument", true },
        { __LINE__, "/bin/a < /tmp/x", "so \"<\" would be an argument", true },
        { __LINE__, "/bin/a x 2>&1", "so \"2>&1\" would be an argument", true },
        { __LINE__, "/bin/a &>>/tmp/x", "so \"&>>/tmp/x\" would be an argument", true },
        { __LINE__, "/bin/a x$(date)", "so \"x$(date)\" would be an argument", true },
        { __LINE__, "/bin/a `date`", "so \"`date`\" would be an argument", true },
        { __LINE__, "cd /tmp", "\"cd\" is a command of one. Write Shell=", true },
        { __LINE__, "/bin/a ; umask 077", "\"umask\" is a command of one", true },
        { __LINE__, "FOO=bar prog", "so \"FOO=bar\" would be the program. Write it in Environment=", true },
        { __LINE__, "/bin/a '&&' \">\" '`x`' \"$(x)\" $$(x", "/bin/a[/bin/a][&&][>][`x`][$(x)][$$(x]" },
        { __LINE__, "/bin/a \\x3e \\x26\\x26 \"a b\"> '>'x", "/bin/a[/bin/a][>][&&][a b>][>x]" },
        { __LINE__, "/bin/sh -c \"a | b && c > d\"", "/bin/sh[/bin/sh][-c][a | b && c > d]" },
        { __LINE__, "/bin/a A=b cd -> a>b a&b 2 >5x", "so \">5x\" would be an argument", true },
        { __LINE__, "/bin/a A=b cd -> a>b a&b 2 =", "/bin/a[/bin/a][A=b][cd][->][a>b][a&b][2][=]" },
        { __LINE__, "/opt/a=b/cd x", "/opt/a=b/cd[/opt/a=b/cd][x]" },

        /* prefixes */
        { __LINE__, "-/bin/false", "-/bin/false[/bin/false]" },
        { __LINE__, ":/bin/echo $A", ":/bin/echo[/bin/echo][$A]" },
        { __LINE__, "@/bin/sh login x", "/bin/sh[login][x]" },
        { __LINE__, "-@:/bin/sh login", "-:/bin/sh[login]" },
        { __LINE__, ":-@/bin/sh login", "-:/bin/sh[login]" },
        { __LINE__, "-true", "-true[true]" },
        { __LINE__, "@/bin/sh ''", "/bin/sh[]" },
        { __LINE__, "@/bin/sh", "must be followed", true },
        { __LINE__, "@/bin/sh ; /bin/true", "must be followed", true },
        { __LINE__, "--/bin/sh", "\"-\" is given twice", true },
        { __LINE__, "+/bin/sh", "prefix \"+\"", true },
        { __LINE__, "!/bin/sh", "prefix \"!\"", true },
        { __LINE__, "-!!/bin/sh", "prefix \"!\"", true },
        { __LINE__, "|ls", "Shell=", true },
        { __LINE__, "-", "name of the program is missing", true },
        { __LINE__, "- /bin/true", "name of the program is missing", true },
        { __LINE__, "''", "name of the program is missing", true },
        { __LINE__, "", "name of the program is missing", true },

        /* programs */
        { __LINE__, "bin/true", "neither an absolute path", true },
        { __LINE__, "./true", "neither an absolute path", true },
        { __LINE__, "../true", "neither an absolute path", true },
        { __LINE__, "/usr/bin/", "is a directory", true },
        { __LINE__, "/", "is a directory", true },
        { __LINE__, "..", "is a directory", true },
        { __LINE__, "/opt/a\\\"b", "The name of the program contains a quote", true },
        { __LINE__, "/opt/a\\'b", "The name of the program contains a quote", true },
        { __LINE__, "/opt/a\\\\b", "The name of the program contains a quote", true },
        { __LINE__, "/opt/a\\nb", "The name of the program contains a quote", true },
        { __LINE__, "/opt/a\\x7f", "The name of the program contains a quote", true },
        { __LINE__, "/opt/\\xff", "Word 1 of the command is not valid UTF-8", true },
        { __LINE__, ".", "is a directory", true },

        /* specifiers: after the splitting, so that a value stays one word whatever it holds */
        { __LINE__, "/bin/echo %i x%ix", "/bin/echo[/bin/echo][a b;\"c][xa b;\"cx]" },
        { __LINE__, "/bin/echo '%j' %%i \\x25j", "/bin/echo[/bin/echo][backup@a][%i][backup@a]" },
        { __LINE__, "/opt/%h/run", "/opt/h/run[/opt/h/run]" },
        { __LINE__, "/bin/date +%F", "%F is not a specifier", true },
};

static void show(const CommandDef *commands, size_t n, char *out) {
        for (size_t i = 0; i < n; i++) {
                if (i > 0)
                        out = stpcpy(out, " ");
                if (commands[i].flags & COMMAND_IGNORE_FAILURE)
                        out = stpcpy(out, "-");
                if (commands[i].flags & COMMAND_NO_EXPAND)
                        out = stpcpy(out, ":");
                out = stpcpy(out, commands[i].path);
                for (char **a = commands[i].argv; *a; a++)
                        out = stpcpy(stpcpy(stpcpy(out, "["), *a), "]");
        }
        *out = '\0';
}

static void free_commands(CommandDef *commands, size_t n) {
        for (size_t i = 0; i < n; i++)
                command_def_done(&commands[i]);
        free(commands);
}

static void test_rows(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
                CommandDef *commands = NULL;
                char shown[1024] = "", *message = NULL;
                uint16_t n = 0;
                int r = exec_line_parse(rows[i].text, &specifiers, &commands, &n, &message);

                if (r == 0)
                        show(commands, n, shown);
                if (rows[i].bad ? r != -EINVAL || !strstr(message, rows[i].expected)
                                : r != 0 || !streq(shown, rows[i].expected))
                        fail_msg("row of line %d: %d %s %s", rows[i].line, r, shown, strempty(message));
                free_commands(commands, n);
                free(message);
        }
}

static void test_without_specifiers(void **state) {
        CommandDef *commands = NULL;
        char shown[64], *message = NULL;
        uint16_t n = 0;

        assert_int_equal(exec_line_parse("/bin/date +%F", NULL, &commands, &n, &message), 0);
        show(commands, n, shown);
        assert_string_equal(shown, "/bin/date[/bin/date][+%F]");
        free_commands(commands, n);
}

static void test_limits(void **state) {
        char text[2 * EXEC_WORDS_MAX + 16], *p, *message = NULL;
        CommandDef *commands = NULL;
        uint16_t n = 0;

        p = stpcpy(text, "a");
        for (size_t i = 1; i < EXEC_WORDS_MAX; i++)
                p = stpcpy(p, " a");
        assert_int_equal(exec_line_parse(text, NULL, &commands, &n, &message), 0);
        stpcpy(p, " a");
        assert_int_equal(exec_line_parse(text, NULL, &commands, &n, &message), -EINVAL);
        assert_non_null(strstr(message, "more than 4096 words"));
        message = mfree(message);

        for (; n < JOB_COMMANDS_MAX;)
                assert_int_equal(exec_line_parse("a", NULL, &commands, &n, &message), 0);
        assert_int_equal(exec_line_parse("a", NULL, &commands, &n, &message), -EINVAL);
        assert_non_null(strstr(message, "more than 64 commands"));
        assert_int_equal(n, JOB_COMMANDS_MAX);
        free(message);
        free_commands(commands, n);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_rows),
                cmocka_unit_test(test_without_specifiers),
                cmocka_unit_test(test_limits),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
