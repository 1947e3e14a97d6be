/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* No shell is understood here: a script is either one simple command that is known, or it is kept as it is. */

#include "ctl/logrotate-script.h"

#include "ctl/alloc.h"
#include "ctl/import.h"
#include "util/strv.h"

#define BLANKS       " \t\r\n"
#define SHELL_SYNTAX "$`*?\"'\\|&;<>(){}[]~#"

/* The words of a script of one command, without what it says about its output and exit status. NULL: it is more. */
static char **simple_command(const char *script) {
        static const char *const ignored[] = { ">/dev/null", "1>/dev/null", "2>/dev/null", "&>/dev/null", "2>&1" };
        bool is_redirected = false, ends = false;
        char **words = NULL;

        for (const char *p = script + strspn(script, BLANKS); *p; p += strspn(p, BLANKS)) {
                size_t n = strcspn(p, BLANKS);
                _cleanup_free_ char *word = alloc_format("%.*s", (int)n, p);
                bool is_ignored = is_redirected && streq(word, "/dev/null");

                for (size_t i = 0; i < ELEMENTSOF(ignored); i++)
                        is_ignored |= streq(word, ignored[i]);
                is_redirected = streq(word, ">") || streq(word, "1>") || streq(word, "2>");
                if (streq(word, "||")) /* "|| true" is the end */
                        ends = true;
                else if (ends ? !streq(word, "true") && !streq(word, ":")
                              : !is_ignored && !is_redirected && word[strcspn(word, SHELL_SYNTAX)])
                        return strv_free(words);
                else if (!ends && !is_ignored && !is_redirected)
                        alloc_extend(&words, word);
                p += n;
                if (memchr(p, '\n', strspn(p, BLANKS)) && p[strspn(p, BLANKS)]) /* another line */
                        return strv_free(words);
        }
        return words;
}

static const char *base_name(const char *path) {
        const char *slash = strrchr(path, '/');

        return slash ? slash + 1 : path;
}

static char *unit_of(const char *name) {
        return alloc_format("%s%s", name, strchr(name, '.') ? "" : ".service");
}

/* "--signal=HUP", "-s HUP", "-sHUP". Returns the signal, and goes on to the last word of the option. */
static const char *take_signal(char **words, size_t *i) {
        static const char *const names[] = { "--signal", "-s" };

        for (size_t k = 0; k < ELEMENTSOF(names); k++) {
                size_t n = strlen(names[k]);

                if (strncmp(words[*i], names[k], n) != 0)
                        continue;
                if (words[*i][n] == '\0')
                        return words[*i + 1] ? words[++*i] : NULL;
                return words[*i] + n + (words[*i][n] == '=' ? 1 : 0);
        }
        return NULL;
}

/* "systemctl reload X" and "systemctl kill -s HUP X". */
static void read_systemctl(char **words, LogrotateReload *ret) {
        static const char *const ignored[] = { "-q",
                                               "--quiet",
                                               "--no-block",
                                               "--system",
                                               "--kill-who=main",
                                               "--kill-who=all",
                                               "--kill-whom=main",
                                               "--kill-whom=all" };
        const char *verb = NULL, *unit = NULL, *signal = "SIGTERM";
        bool is_known = true;

        for (size_t i = 1; words[i]; i++) {
                const char *given = take_signal(words, &i);

                if (given)
                        signal = given;
                else if (streq(words[i], "--kill-who") || streq(words[i], "--kill-whom"))
                        is_known &= words[i + 1] && strstr("main all", words[i + 1]) && words[++i];
                else if (*words[i] == '-') {
                        bool is_ignored = false;

                        for (size_t k = 0; k < ELEMENTSOF(ignored); k++)
                                is_ignored |= streq(words[i], ignored[k]);
                        is_known &= is_ignored;
                } else if (!verb)
                        verb = words[i];
                else {
                        is_known &= !unit;
                        unit = words[i];
                }
        }
        if (!is_known || !unit || (!streq(verb, "reload") && !streq(verb, "kill")))
                return;
        ret->unit = unit_of(unit);
        if (streq(verb, "kill"))
                ret->signal = alloc_format("%s%s", strncmp(signal, "SIG", 3) == 0 ? "" : "SIG", signal);
}

void logrotate_script_read(const char *script, LogrotateReload *ret) {
        _cleanup_(strv_freep) char **words = simple_command(script);
        const char *program = words ? base_name(words[0]) : "";
        size_t n = strv_length(words), first = n > 1 && streq(words[1], "--quiet") ? 2 : 1;

        *ret = (LogrotateReload){ 0 };
        if (streq(program, "systemctl"))
                read_systemctl(words, ret);
        else if ((streq(program, "service") || streq(program, "invoke-rc.d")) && n == first + 2 &&
                 streq(words[first + 1], "reload"))
                ret->unit = unit_of(words[first]);
        else if (n == 2 && strncmp(words[0], "/etc/init.d/", 12) == 0 && streq(words[1], "reload"))
                ret->unit = unit_of(program);
}

bool logrotate_script_put(FILE *f, const char *key, const char *script) {
        _cleanup_free_ char *line = alloc_array(NULL, strlen(script) + 2, 1);
        bool is_whole = !strstr(script, "<<");
        size_t n = 0;

        for (const char *p = script; *p;) {
                const char *begin = p + strspn(p, BLANKS);
                size_t length = strcspn(begin, "\n"), n_backslashes = 0;

                p = begin + length;
                n = (size_t)((char *)mempcpy(line + n, begin, length) - line);
                while (n > 0 && strchr(BLANKS, line[n - 1]))
                        n--;
                for (; n > 0 && line[n - 1] == '\\'; n--)
                        n_backslashes++; /* at the end of a line of a job file, the next one would belong to it */
                is_whole &= n_backslashes <= 1;
                if (n_backslashes == 1 && *line != '#' && *p) {
                        line[n++] = ' ';
                        continue;
                }
                while (n > 0 && strchr(BLANKS, line[n - 1]))
                        n--;
                line[n] = '\0';
                if (n > 0)
                        import_put(f, key, line);
                n = 0;
        }
        return is_whole;
}

bool logrotate_script_uses(const char *script, char n) {
        const char all[] = { '$', n, '\0' }, braced[] = { '$', '{', n, '\0' };

        return strstr(script, all) || strstr(script, braced) || strstr(script, "$@") || strstr(script, "$*");
}
