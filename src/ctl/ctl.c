/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all verbs share. Whatever is printed passes text_escape() on its way: the daemon's sentences quote job files.
 */

#include <stdarg.h>
#include <sys/ioctl.h>

#include "ctl/alloc.h"
#include "ctl/ctl.h"

#define WIDTH_DEFAULT 80

static size_t terminal_width(void) {
        const char *columns = getenv("COLUMNS");
        struct winsize size;
        unsigned long n = columns ? strtoul(columns, NULL, 10) : 0;

        if (n > 0 && n <= UINT16_MAX)
                return n;
        if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
                return size.ws_col;
        return WIDTH_DEFAULT;
}

/* As systemd's tools decide: SYSTEMD_COLORS has the last word, then NO_COLOR, then what standard output is. */
static bool colors_wanted(bool is_terminal) {
        static const char *const off[] = { "0", "no", "n", "false", "f", "off" };
        const char *e = getenv("SYSTEMD_COLORS"), *term = getenv("TERM");

        if (!isempty(e)) {
                for (size_t i = 0; i < ELEMENTSOF(off); i++)
                        if (strcasecmp(e, off[i]) == 0)
                                return false;
                return true;
        }
        return is_terminal && isempty(getenv("NO_COLOR")) && term && !streq(term, "dumb");
}

void ctl_init_output(Ctl *c) {
        bool utf8 = text_init_locale(), is_terminal = isatty(STDOUT_FILENO);

        c->style = (TableStyle){
                .width = is_terminal ? terminal_width() : 0,
                .ellipsis = utf8 ? "…" : "...",
                .titles = !c->no_legend,
                .color = !c->no_color && colors_wanted(is_terminal),
        };
        c->terminal = is_terminal;
        c->dot = utf8 ? "●" : "*";
}

void ctl_open_pager(Ctl *c) {
        if (!c->pager && c->terminal && !c->json && !c->no_pager)
                c->pager = pager_open();
}

static void print_sentence(FILE *f, const char *format, va_list ap) {
        _cleanup_free_ char *text = NULL, *escaped = NULL;

        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        escaped = text_escape_n(text, strlen(text), TEXT_KEEP_LINES);
        fprintf(f, "%s\n", escaped);
}

void ctl_complain(const char *format, ...) {
        va_list ap;

        fflush(stdout);
        va_start(ap, format);
        print_sentence(stderr, format, ap);
        va_end(ap);
}

void ctl_say(const Ctl *c, FILE *f, const char *format, ...) {
        va_list ap;

        if (c->quiet || c->json)
                return;
        va_start(ap, format);
        print_sentence(f, format, ap);
        va_end(ap);
}

void ctl_print_colored(const Ctl *c, Color color, const char *text) {
        _cleanup_free_ char *escaped = text_escape(text);

        if (c->style.color && color != COLOR_NONE)
                printf("%s%s%s", color_start(color), escaped, COLOR_END);
        else
                fputs(escaped, stdout);
}

void ctl_print_line(const Ctl *c, int width, const char *label, Color color, const char *text) {
        printf("%*s%s ", width, label, isempty(label) ? " " : ":");
        ctl_print_colored(c, color, text);
        putchar('\n');
}

static ExitCode exit_code_from_error(int error) {
        switch (-error) {
        case EINVAL:
                return CTL_USAGE;
        case ENOENT:
                return CTL_NO_SUCH_JOB;
        case EACCES:
                return CTL_NOT_PERMITTED;
        case EHOSTDOWN:
        case ESHUTDOWN:
        case ECONNRESET:
                return CTL_NO_DAEMON;
        default:
                return CTL_FAILED;
        }
}

int ctl_call_failed(const char *look_at, const sd_bus_error *e, int error) {
        if (error == -ECONNABORTED)
                ctl_complain("%s See '%s'.", e->message, look_at ?: "vaktctl list");
        else
                ctl_complain("%s", e->message);
        return exit_code_from_error(error);
}

int ctl_bad_answer(const Ctl *c, const MethodCall *call, int error) {
        _cleanup_(sd_bus_error_free) sd_bus_error e = SD_BUS_ERROR_NULL;

        error = connection_bad_answer(c->connection, call, error, &e);
        return ctl_call_failed(NULL, &e, error);
}

static int callv(Ctl *c, const MethodCall *call, const char *look_at, sd_bus_message **ret, const char *types,
                 va_list ap) {
        _cleanup_(sd_bus_error_free) sd_bus_error error = SD_BUS_ERROR_NULL;
        int r;

        r = connection_callv(c->connection, call, &error, ret, types, ap);
        return r < 0 ? ctl_call_failed(look_at, &error, r) : 0;
}

int ctl_call(Ctl *c, const MethodCall *call, const char *look_at, sd_bus_message **ret, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = callv(c, call, look_at, ret, types, ap);
        va_end(ap);
        return r;
}

int ctl_get_job(Ctl *c, const char *job, sd_bus_message **ret_message, const char **ret_path) {
        static const MethodCall get_job = { .member = "GetJob" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = ctl_call(c, &get_job, NULL, &reply, "s", job);
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "o", ret_path);
        if (r < 0)
                return ctl_bad_answer(c, &get_job, r);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

bool ctl_is_run_number(const char *argument) {
        return strspn(argument, "0123456789") == strlen(argument) && strlen(argument) < 19;
}

int ctl_get_run(Ctl *c, const char *number, sd_bus_message **ret_message, const char **ret_path) {
        static const MethodCall get_run = { .member = "GetRun" };
        _cleanup_(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
        int r;

        r = ctl_call(c, &get_run, NULL, &reply, "t", (uint64_t)strtoull(number, NULL, 10));
        if (r != 0)
                return r;
        r = sd_bus_message_read(reply, "o", ret_path);
        if (r < 0)
                return ctl_bad_answer(c, &get_run, r);
        *ret_message = TAKE_PTR(reply);
        return 0;
}

int ctl_get_all(Ctl *c, const char *path, const char *interface, sd_bus_message **ret) {
        MethodCall get_all = {
                .path = path,
                .interface = "org.freedesktop.DBus.Properties",
                .member = "GetAll",
        };

        return ctl_call(c, &get_all, NULL, ret, "s", interface);
}
