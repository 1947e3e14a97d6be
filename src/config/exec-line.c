/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Command lines, split as systemd splits those of ExecStart= (words.c). A word is split off and unescaped first, its
 * specifiers are replaced afterwards. What ExecStart= has for privileges ("+", "!", "!!") and "|" is refused by name:
 * taken silently, it would not do what it says. */

#include "config/exec-line.h"

#include <limits.h>

#include "util/array.h"
#include "util/ascii.h"
#include "util/complain.h"
#include "util/strv.h"
#include "util/utf8.h"
#include "util/words.h"

/* Takes a word that is nothing but text, or a semicolon by itself. */
static bool take_token(const char **p, const char *token) {
        const char *rest = startswith(*p, token);

        if (!rest || (*rest != '\0' && !strchr(WORD_BLANKS, *rest)))
                return false;
        *p = rest;
        return true;
}

/* Appends a word to the command, its specifiers replaced. */
static int add_word(CommandDef *c, size_t *n, const char *word, const Specifiers *specifiers, char **reterr) {
        _cleanup_free_ char *expanded = NULL;
        char **bigger;
        int r;

        if (*n >= EXEC_WORDS_MAX)
                return complain(reterr, "The command has more than %d words. Put it into a script.", EXEC_WORDS_MAX);
        if (specifiers)
                r = specifier_expand(word, specifiers, &expanded, reterr);
        else
                r = (expanded = strdup(word)) ? 0 : -ENOMEM;
        if (r < 0)
                return r;
        if (!utf8_is_valid(expanded)) /* an escape can stand for any byte */
                return complain(reterr,
                                "Word %zu of the command is not valid UTF-8. Do not use such escapes, or put the "
                                "command into a script.",
                                *n + 1);
        bigger = reallocarray(c->argv, *n + 2, sizeof(char *));
        if (!bigger)
                return -ENOMEM;
        c->argv = bigger;
        c->argv[(*n)++] = TAKE_PTR(expanded);
        c->argv[*n] = NULL;
        return 0;
}

/* Takes the prefixes; *word is the program afterwards. */
static int take_prefixes(char **word, CommandDef *c, bool *ret_own_argv0, char **reterr) {
        bool seen[256] = {};

        for (; **word != '\0' && strchr("-@:+!|", **word); (*word)++) {
                if (**word == '|')
                        return complain(reterr, "The prefix \"|\" is not supported. Use Shell= instead.");
                if (strchr("+!", **word))
                        return complain(reterr,
                                        "The prefix \"%c\" is not supported: all commands of a job run with the same "
                                        "privileges. Remove it.",
                                        **word);
                if (seen[(unsigned char)**word])
                        return complain(reterr, "The prefix \"%c\" is given twice. Remove one.", **word);
                seen[(unsigned char)**word] = true;
        }
        c->flags = (seen['-'] ? COMMAND_IGNORE_FAILURE : 0) | (seen[':'] ? COMMAND_NO_EXPAND : 0);
        *ret_own_argv0 = seen['@'];
        return 0;
}

static int check_program(const char *path, char **reterr) {
        const char *slash = strrchr(path, '/');

        for (const char *s = path; *s; s++)
                if ((unsigned char)*s < ' ' || strchr("\"'\\\x7f", *s))
                        return complain(
                                reterr,
                                "The name of the program contains a quote, a backslash or a control character, "
                                "which systemd does not allow. Create a link with another name.");
        if (*path == '\0')
                return complain(reterr, "The name of the program is missing. Write its absolute path, or a name to "
                                        "search for in PATH.");
        if (slash && *path != '/')
                return complain(reterr,
                                "\"%.*s\" is neither an absolute path nor a plain name. Begin it with \"/\", or omit "
                                "the directories to search for it in PATH.",
                                (int)utf8_cut(path, 64), path);
        if ((slash && slash[1] == '\0') || streq(path, ".") || streq(path, ".."))
                return complain(reterr, "\"%.*s\" is a directory. Name the program in it.", (int)utf8_cut(path, 64),
                                path);
        if (strlen(path) >= PATH_MAX || strlen(slash ? slash + 1 : path) > NAME_MAX)
                return complain(reterr, "The path of the program is longer than the system allows.");
        return 0;
}

/* The rest of a command behind its program, up to the end or a lone semicolon. */
static int take_arguments(const char **p, char *word, const Specifiers *specifiers, CommandDef *c, size_t *n,
                          char **reterr) {
        int r;

        for (;;) {
                *p += strspn(*p, WORD_BLANKS);
                if (take_token(p, ";"))
                        return 0;
                if (take_token(p, "\\;"))
                        strcpy(word, ";");
                else {
                        r = word_next(p, word, reterr);
                        if (r <= 0)
                                return r;
                }
                r = add_word(c, n, word, specifiers, reterr);
                if (r < 0)
                        return r;
        }
}

/* Takes one command; word is scratch space. */
static int take_command(const char **p, char *word, const Specifiers *specifiers, CommandDef *c, char **reterr) {
        bool own_argv0 = false;
        size_t n = 0;
        int r;

        if (take_token(p, ";"))
                return complain(reterr, "A command is missing before \";\". Write it, or remove the semicolon.");
        r = word_next(p, word, reterr);
        if (r >= 0)
                r = take_prefixes(&word, c, &own_argv0, reterr);
        if (r >= 0)
                r = add_word(c, &n, word, specifiers, reterr);
        if (r >= 0)
                r = check_program(c->argv[0], reterr);
        if (r < 0)
                return r;
        if (own_argv0) {
                c->path = TAKE_PTR(c->argv[0]);
                n = 0;
        } else if (!(c->path = strdup(c->argv[0])))
                return -ENOMEM;
        r = take_arguments(p, word, specifiers, c, &n, reterr);
        if (r < 0)
                return r;
        if (n == 0)
                return complain(reterr,
                                "With the prefix \"@\", the path must be followed by the name that the program sees.");
        assert(c->path && c->argv[0]);
        return 0;
}

/* --- what only a shell would understand --- */

/* The length of a word as it is written, with quotes and escapes. *ret_substitutes: it has $(…) or `…` outside of
 * quotes. */
static size_t written_length(const char *s, bool *ret_substitutes) {
        char quote = '\0';
        size_t i = 0;

        *ret_substitutes = false;
        for (; s[i] != '\0' && (quote || !is_word_blank(s[i])); i++)
                if ((s[i] == '\\' && s[i + 1] != '\0') || (s[i] == '$' && s[i + 1] == '$'))
                        i++;
                else if (quote ? s[i] == quote : s[i] == '"' || s[i] == '\'')
                        quote = quote ? '\0' : s[i];
                else if (!quote && (s[i] == '`' || (s[i] == '$' && s[i + 1] == '(')))
                        *ret_substitutes = true;
        return i;
}

/* "&&", "|", ">file", "2>&1", "&>>file". */
static bool is_operator(const char *s, size_t n) {
        static const char *const operators[] = { "&&", "||", "|", "&", ";;" };
        size_t digits = strspn(s, "0123456789&");

        for (size_t i = 0; i < ELEMENTSOF(operators); i++)
                if (n == strlen(operators[i]) && strncmp(s, operators[i], n) == 0)
                        return true;
        return digits < n && strchr("<>", s[digits]);
}

/* "FOO=bar" where the program should be. */
static bool is_assignment(const char *s, size_t n) {
        size_t name = 0;

        while (is_alphanumeric(s[name]) || s[name] == '_')
                name++;

        return name > 0 && name < n && s[name] == '=';
}

/* Words that no program is called, or none that would have an effect. */
static bool is_builtin(const char *s, size_t n) {
        static const char *const words[] = {
                "cd",    "source", "export", "set", "unset", "exec",  "eval", "ulimit",
                "umask", "trap",   "if",     "for", "while", "until", "case", "alias",
        };

        for (size_t i = 0; i < ELEMENTSOF(words); i++)
                if (n == strlen(words[i]) && strncmp(s, words[i], n) == 0)
                        return true;
        return false;
}

/* Taken as arguments, such words would go to the program, which often ignores them and succeeds. */
static int check_no_shell(const char *value, char **reterr) {
        bool is_program = true, substitutes;
        size_t n;

        for (const char *p = value; *(p += strspn(p, WORD_BLANKS)) != '\0'; p += n) {
                int shown;

                n = written_length(p, &substitutes);
                shown = (int)utf8_cut(p, MIN(n, (size_t)64));
                if (is_program && is_assignment(p, n))
                        return complain(
                                reterr,
                                "No shell is used, so \"%.*s\" would be the program. Write it in Environment= in "
                                "section [Service], or Shell= instead of Exec=.",
                                shown, p);
                if (is_program && is_builtin(p, n))
                        return complain(reterr,
                                        "No shell is used, but \"%.*s\" is a command of one. Write Shell= instead of "
                                        "Exec=, or WorkingDirectory= and the like in section [Service].",
                                        shown, p);
                if (substitutes || is_operator(p, n))
                        return complain(reterr,
                                        "No shell is used, so \"%.*s\" would be an argument. Write Shell= instead of "
                                        "Exec=, or quote it if that is intended.",
                                        shown, p);
                is_program = n == 1 && *p == ';';
        }
        return 0;
}

void command_def_done(CommandDef *c) {
        free(c->path);
        strv_free(c->argv);
        *c = (CommandDef){};
}

int exec_line_parse(const char *value, const Specifiers *specifiers, CommandDef **commands, uint16_t *n_commands,
                    char **reterr) {
        _cleanup_free_ char *word = malloc(strlen(value) + 1);
        const char *p = value + strspn(value, WORD_BLANKS);
        int r;

        if (!word)
                return -ENOMEM;
        r = check_no_shell(value, reterr);
        if (r < 0)
                return r;
        do {
                _cleanup_(command_def_done) CommandDef c = {};
                CommandDef *place;

                r = take_command(&p, word, specifiers, &c, reterr);
                if (r < 0)
                        return r;
                if (*n_commands >= JOB_COMMANDS_MAX)
                        return complain(reterr, "The job has more than %d commands. Put them into a script.",
                                        JOB_COMMANDS_MAX);
                place = ARRAY_NEXT(*commands, *n_commands);
                if (!place)
                        return -ENOMEM;
                *place = TAKE_GENERIC(c, (CommandDef){});
                (*n_commands)++;
                p += strspn(p, WORD_BLANKS);
        } while (*p != '\0');
        return 0;
}
