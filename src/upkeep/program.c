/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* There may be millions of lines, most of them plain: so nothing is copied that need not be escaped. */

#include "upkeep/program.h"

#include <stdarg.h>
#include <sysexits.h>
#include <systemd/sd-daemon.h>

#include "util/escape.h"
#include "util/strv.h"

/* --- options --- */

int program_read_options(Program *p, char **argv) {
        char **to = argv + 1;
        bool help = false;

        p->lines = to;
        for (char **word = argv + 1; *word; word++)
                if (streq(*word, "--plan"))
                        p->plan = true;
                else if (streq(*word, "--json"))
                        p->json = true;
                else if (streq(*word, "--help") || streq(*word, "-h"))
                        help = true;
                else if (p->own_option && startswith(*word, p->own_option))
                        p->own_value = startswith(*word, p->own_option);
                else if (startswith(*word, "-") && !startswith(*word, "--job="))
                        return fprintf(stderr, "%s: there is no option %s. Try --help.\n", p->name, *word), EX_USAGE;
                else if (!startswith(*word, "-"))
                        *to++ = *word;
        p->n_lines = (size_t)(to - p->lines);
        if (!help && argv[1])
                return PROGRAM_GOES_ON;
        (void)fputs(p->help, stdout);
        return help ? EXIT_SUCCESS : EX_USAGE;
}

/* --- what is printed --- */

/* The text, or a copy in *ret, which is NULL without memory. */
static const char *harmless(const char *text, char **ret) {
        const char *s = text;

        while (*s >= ' ' && *s <= '~')
                s++;
        return *s ? (*ret = escape_text(text, strlen(text), /* keep_lines= */ false)) : text;
}

static void put(const char *text) {
        (void)fputs_unlocked(text, stdout);
}

/* Of harmless text, in which only two characters are left to be quoted. */
static void put_json_string(FILE *f, const char *text) {
        (void)putc_unlocked('"', f);
        for (const char *s = text; *s; s++) {
                if (*s == '"' || *s == '\\')
                        (void)putc_unlocked('\\', f);
                (void)putc_unlocked(*s, f);
        }
        (void)putc_unlocked('"', f);
}

void program_warn(const Program *p, const char *format, ...) {
        _cleanup_free_ char *text = NULL, *copy = NULL;
        const char *message;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&text, format, ap);
        va_end(ap);
        message = n < 0 ? NULL : harmless(text, &copy);
        if (!message)
                message = strerror(ENOMEM);
        if (!p->json) {
                fprintf(stderr, "%s: %s\n", p->name, message);
                return;
        }
        fputs("{\"error\":{\"message\":", stderr);
        put_json_string(stderr, message);
        fputs(",\"name\":null,\"job\":null,\"run\":null,\"exit_status\":0}}\n", stderr);
}

void program_print(Program *p, const ProgramLine *line) {
        _cleanup_free_ char *path_copy = NULL, *reason_copy = NULL;
        const char *path = harmless(line->path, &path_copy);
        const char *reason = harmless(strempty(line->reason), &reason_copy);

        if (!path || !reason) {
                p->is_without_memory = true;
                return;
        }
        if (p->json) {
                put(p->n_printed > 0 ? ",\n{\"action\":" : "[\n{\"action\":");
                put_json_string(stdout, line->word);
                put(",\"path\":");
                put_json_string(stdout, path);
                put(",\"reason\":");
                if (*reason)
                        put_json_string(stdout, reason);
                else
                        put("null");
        } else {
                put(line->word);
                (void)putchar_unlocked(' ');
                put(path);
                if (line->is_directory)
                        (void)putchar_unlocked('/');
                if (*reason)
                        put(": ");
                put(reason);
        }
        put(strempty(line->details));
        (void)putchar_unlocked(p->json ? '}' : '\n');
        p->n_printed++;
}

/* --- the end --- */

static int tell_summary(const Program *p, const ProgramEnd *end) {
        _cleanup_free_ char *text = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        if (!f)
                return -ENOMEM;
        end->put_summary(f, p, end->result);
        if (fclose(f) != 0)
                return -ENOMEM;
        if (!p->plan)
                (void)sd_notifyf(/* unset_environment= */ false, "STATUS=files=%" PRIu64 " freed=%" PRIu64 ": %s",
                                 end->n_files, end->bytes_freed, text);
        if (!p->json)
                printf("%s\n", text);
        return 0;
}

int program_end(Program *p, int r, const Diagnostics *problems, const ProgramEnd *end) {
        for (size_t i = 0; r == -EINVAL && i < problems->n_items; i++)
                fprintf(stderr, "%s: %s: %s\n", p->name, problems->items[i].file, problems->items[i].message);
        if (r == -EINVAL && problems->n_items > 0)
                return EX_USAGE;
        if (p->json)
                put(p->n_printed > 0 ? "\n]\n" : "[]\n");
        if (r >= 0)
                r = p->is_without_memory ? -ENOMEM : tell_summary(p, end);
        if (r >= 0 && fflush(stdout) != 0)
                r = -errno;
        if (r < 0) {
                fprintf(stderr, "%s: %s\n", p->name, strerror(-r));
                return EX_OSERR;
        }
        return end->has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
