/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A shell has already read the words, so nothing in them means anything any more. */

#include "ctl/command-text.h"

#include "ctl/alloc.h"

void command_put_word(FILE *f, const char *word) {
        bool is_plain = *word != '\0' && !strpbrk(word, " \"'\\;");

        for (const char *p = word; is_plain && *p; p++)
                is_plain = (unsigned char)*p >= ' ';
        if (!is_plain)
                fputc('"', f);
        for (const char *p = word; *p; p++)
                if ((unsigned char)*p < ' ')
                        fprintf(f, "\\x%02x", (unsigned)*p);
                else
                        fprintf(f, "%s%c", *p == '"' || *p == '\\' ? "\\" : "", *p);
        if (!is_plain)
                fputc('"', f);
}

bool command_wants_shell(const char *line) {
        return strpbrk(line, "|&;<>()$`*?~") || startswith(line, "cd ");
}

char *command_text(char **words, bool *ret_uses_shell) {
        char *text;
        size_t size;
        FILE *f;

        *ret_uses_shell = !words[1] && command_wants_shell(words[0]);
        if (*ret_uses_shell)
                return alloc_string(words[0]);
        f = alloc_stream_open(&text, &size);
        for (char **word = words; *word; word++)
                if (strchr(*word, '$')) {
                        fputc(':', f); /* no variable is meant: the caller's shell has replaced those */
                        break;
                }
        for (char **word = words; *word; word++) {
                if (word > words)
                        fputc(' ', f);
                command_put_word(f, *word);
        }
        alloc_stream_close(f);
        return text;
}
