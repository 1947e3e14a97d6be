/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What all verbs share. All output passes text_escape(): messages of the daemon quote job files. */

#include <signal.h>
#include <stdarg.h>
#include <sys/ioctl.h>

#include "ctl/alloc.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/no-such-job.h"
#include "ctl/progress-line.h"

#define WIDTH_DEFAULT  80
#define EXCERPT_BEFORE 60 /* bytes of an invalid expression that are shown before the error, */
#define EXCERPT_AFTER  20 /* and behind it */

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

/* Like systemd's tools: SYSTEMD_COLORS takes precedence, then NO_COLOR, then the type of standard output. */
static bool colors_wanted(bool is_terminal) {
        const char *e = getenv("SYSTEMD_COLORS"), *term = getenv("TERM");

        if (!isempty(e))
                return !text_is_no(e);
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
        c->shows_bars = utf8 && !streq_ptr(getenv("TERM"), "dumb");
}

void ctl_open_pager(Ctl *c) {
        const char *term = getenv("TERM");

        if (!c->pager && c->terminal && !c->json && !c->no_pager && term && !streq(term, "dumb"))
                c->pager = pager_open();
}

/* --- errors --- */

/* With --json, one that is held back until its exit status is known. */
static struct {
        bool is_json;
        char *message, *name; /* NULL: there is none */
        char *job;            /* what the verb deals with */
        uint64_t run;
} held;

void ctl_use_json_errors(void) {
        held.is_json = true;
}

void ctl_about(const char *job, uint64_t run) {
        free(held.job);
        held.job = job ? alloc_string(job) : NULL;
        held.run = run;
}

void ctl_about_argument(const char *argument) {
        bool is_run = ctl_is_run_number(argument);

        ctl_about(is_run ? NULL : argument, is_run ? strtoull(argument, NULL, 10) : 0);
}

static void hold_error(const char *format, va_list ap) {
        _cleanup_free_ char *first = held.message, *text = NULL;

        if (vasprintf(&text, format, ap) < 0)
                alloc_failed();
        held.message = alloc_format("%s%s%s", strempty(first), first ? "\n" : "", text);
}

void ctl_error_ends(int exit_status) {
        json_object *o, *error;

        if (!held.message)
                return;
        o = json_new_object();
        error = json_new_object();
        json_add_string(error, "message", held.message);
        json_add_string(error, "name", held.name);
        json_add_string(error, "job", held.job);
        json_add_known(error, "run", held.run ?: UINT64_MAX);
        json_add_number(error, "exit_status", (uint64_t)exit_status);
        json_add(o, "error", error);
        fflush(stdout);
        json_print_line(stderr, o);
        held.message = mfree(held.message);
        held.name = mfree(held.name);
}

/* --- messages --- */

static void print_message(FILE *f, const char *format, va_list ap) {
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
        if (held.is_json)
                hold_error(format, ap);
        else
                print_message(stderr, format, ap);
        va_end(ap);
}

void ctl_say(const Ctl *c, FILE *f, const char *format, ...) {
        va_list ap;

        if (c->quiet || c->json)
                return;
        if (f != stdout)
                fflush(stdout); /* or it comes before what it is about, where both go to one file */
        va_start(ap, format);
        print_message(f, format, ap);
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
        size_t columns;

        label = translated(label);
        columns = text_width(label);
        printf("%*s%s%s ", (int)(columns < (size_t)width ? (size_t)width - columns : 0), "", label,
               isempty(label) ? " " : ":");
        ctl_print_colored(c, color, text);
        putchar('\n');
}

char *ctl_join(char **args) {
        char *text = alloc_string(*args);

        for (args++; *args; args++) {
                char *longer = alloc_format("%s %s", text, *args);

                free(text);
                text = longer;
        }
        return text;
}

void ctl_print_caret(const char *text, size_t column) {
        size_t length = strlen(text), at = MIN(column > 0 ? column - 1 : 0, length);
        size_t begin = at > EXCERPT_BEFORE ? at - EXCERPT_BEFORE : 0, end = MIN(length, at + EXCERPT_AFTER);
        _cleanup_free_ char *before = NULL, *after = NULL;
        const char *cut_before, *cut_after;

        if (held.is_json)
                return; /* the message has the column */
        while (at > begin && ((unsigned char)text[at] & 0xc0) == 0x80)
                at--; /* not within a character */
        before = text_escape_n(text + begin, at - begin, 0);
        after = text_escape_n(text + at, end - at, 0);
        cut_before = begin > 0 ? "..." : "";
        cut_after = end < length ? "..." : "";
        fprintf(stderr, "    %s%s%s%s\n    %*s^\n", cut_before, before, after, cut_after,
                (int)(strlen(cut_before) + text_width(before)), "");
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

int ctl_failed(Ctl *c, int error, const char *look_at) {
        assert(error < 0);
        if (error == -ECONNABORTED)
                ctl_complain(_("%s See '%s'."), c->error.message, look_at ?: "vaktctl list");
        else if (!sd_bus_error_has_name(&c->error, VAKTD_NAME ".Error.NoSuchJob") || !held.job ||
                 !job_complain_of_missing(c, held.job))
                ctl_complain("%s", c->error.message);
        if (held.is_json && !held.name && c->error.name)
                held.name = alloc_string(c->error.name);
        sd_bus_error_free(&c->error);
        return exit_code_from_error(error);
}

int ctl_call(Ctl *c, const MethodCall *call, const char *look_at, const char *types, ...) {
        va_list ap;
        int r;

        va_start(ap, types);
        r = connection_callv(c->connection, call, &c->error, NULL, types, ap);
        va_end(ap);
        return r < 0 ? ctl_failed(c, r, look_at) : 0;
}

bool ctl_is_run_number(const char *argument) {
        return strspn(argument, "0123456789") == strlen(argument) && strlen(argument) < 19;
}

int ctl_end_on_interrupt(sd_event *event) {
        static const int signals[] = { SIGINT, SIGTERM };
        int r = 0;

        for (size_t i = 0; r >= 0 && i < ELEMENTSOF(signals); i++)
                r = sd_event_add_signal(event, NULL, signals[i] | SD_EVENT_SIGNAL_PROCMASK, NULL,
                                        (void *)(intptr_t)(EXIT_SIGNAL_BASE + signals[i]));
        return r;
}

int ctl_waiter_new(Ctl *c, const RunWaiterOptions *options, RunWaiter **ret) {
        _cleanup_(run_waiter_freep) RunWaiter *w = NULL;
        int r;

        r = run_waiter_new(c->connection, options, &w);
        if (r >= 0)
                r = ctl_end_on_interrupt(run_waiter_event(w));
        if (r < 0) {
                ctl_complain(_("Cannot wait for a run: %s."), strerror(-r));
                return CTL_FAILED;
        }
        *ret = TAKE_PTR(w);
        return 0;
}

int ctl_wait(Ctl *c, RunWaiter *w, const char *job, uint64_t id, const char *object, RunView *ret) {
        int r, code = CTL_FAILED;

        r = run_waiter_wait(w, id, object, &c->error, ret);
        progress_line_clear();
        if (r >= 0)
                return 0;
        if (r != -EINTR && r != -ESTALE)
                return ctl_failed(c, r, NULL);
        sd_bus_error_free(&c->error);
        if (r == -EINTR) {
                (void)sd_event_get_exit_code(run_waiter_event(w), &code);
                ctl_complain(_("Run %" PRIu64 " of job %s continues; use 'vaktctl cancel %" PRIu64 "' to end it."), id,
                             job, id);
        } else
                ctl_complain(_("vaktd was restarted and no longer knows run %" PRIu64 " of job %s; see 'vaktctl "
                               "history %s' and the journal."),
                             id, job, job);
        return code;
}
