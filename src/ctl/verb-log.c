/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* vaktctl log: what one run, or all runs of a job, have written to the journal, or all entries about them. The daemon
 * says which run is meant and in which unit it ran; the entries are read here, with the rights of the caller, because
 * a user who may ask vaktd about a job may not be allowed to read its output. */

#include "ctl/alloc.h"
#include "ctl/command-line.h"
#include "ctl/ctl.h"
#include "ctl/journal-tail.h"
#include "ctl/json.h"
#include "ctl/local-zone.h"
#include "ctl/remote-log.h"
#include "ctl/view-text.h"

#define LOOK_BACK_MAX 1000 /* runs of a job that are searched for one that was started */
#define PREFIX_MAX    512

typedef struct Log {
        Ctl *ctl;
        void (*print)(struct Log *l, const JournalLine *line);
        usec_t since, until; /* 0: from the first, to the last */
        unsigned priorities; /* as in JournalScope */
        regex_t *pattern;
        bool all; /* runs of the job */
        bool any; /* a line was printed */
        size_t n; /* items of JSON */

        const char *job;
        char *usual_unit;
        RunView run; /* that is meant; of all runs: the last one, or one with the id 0 */

        RunWaiter *waiter;
        sd_event *event;
        JournalTail *tail;
        bool no_journal;
} Log;

static void log_done(Log *l) {
        l->tail = journal_tail_free(l->tail);
        l->waiter = run_waiter_free(l->waiter);
        l->event = sd_event_unref(l->event);
        run_view_done(&l->run);
        l->usual_unit = mfree(l->usual_unit);
        if (l->pattern)
                regfree(l->pattern);
        free(l->pattern);
}

/* --- how a line looks --- */

static void print_json(Log *l, const JournalLine *line) {
        json_object *o = json_new_object();

        json_add_time(o, "time_usec", line->time);
        json_add_string(o, "job", l->job);
        json_add_known(o, "run", line->run ?: UINT64_MAX);
        json_add_known(o, "priority", line->priority < 0 ? UINT64_MAX : (uint64_t)line->priority);
        json_add_word(o, "identifier", line->identifier);
        json_add_known(o, "pid", line->pid ?: UINT64_MAX);
        json_add_word(o, "host", line->host);
        json_add_string(o, "message", line->message); /* up to a NUL */
        if (l->ctl->follow)
                json_print_line(stdout, o);
        else
                json_print_item(&l->n, o);
}

/* Escaped on a terminal, otherwise unchanged. Further lines of a message are indented by so much. */
static void print_message(const Log *l, const JournalLine *line, int indent) {
        _cleanup_free_ char *escaped = NULL;
        const char *text = line->message, *end = text + line->n;

        if (l->ctl->terminal) {
                escaped = text_escape_n(line->message, line->n, TEXT_KEEP_LINES);
                text = escaped;
                end = text + strlen(text);
        }
        for (;;) {
                const char *newline = memchr(text, '\n', (size_t)(end - text));
                size_t n = (size_t)((newline ?: end) - text);

                (void)fwrite(text, 1, n, stdout);
                putchar('\n');
                if (!newline)
                        return;
                text = newline + 1;
                printf("%*s", indent, "");
        }
}

static Color priority_color(int priority) {
        return priority < 0 || priority > 4 ? COLOR_NONE : priority == 4 ? COLOR_YELLOW : COLOR_RED;
}

/* "Nov 22 13:03:22 host program[4711]: message", like journalctl. */
static void print_short_with(Log *l, const JournalLine *line, const char *time_format) {
        _cleanup_free_ char *identifier = text_escape(line->identifier), *host = text_escape(line->host);
        Color color = l->ctl->style.color ? priority_color(line->priority) : COLOR_NONE;
        char when[64] = "", pid[24] = "", prefix[PREFIX_MAX];
        time_t seconds = (time_t)(line->time / USEC_PER_SEC);
        struct tm tm;

        if (localtime_r(&seconds, &tm))
                (void)strftime(when, sizeof(when), time_format, &tm);
        if (line->pid > 0)
                (void)snprintf(pid, sizeof(pid), "[%" PRIu64 "]", line->pid);
        (void)snprintf(prefix, sizeof(prefix), "%s %s %s%s: ", when, host, identifier, pid);
        printf("%s%s", prefix, color_start(color));
        print_message(l, line, (int)text_width(prefix));
        if (color != COLOR_NONE)
                fputs(COLOR_END, stdout);
}

static void print_short(Log *l, const JournalLine *line) {
        print_short_with(l, line, "%b %d %H:%M:%S");
}

static void print_short_iso(Log *l, const JournalLine *line) {
        print_short_with(l, line, "%Y-%m-%dT%H:%M:%S%z");
}

static void print_cat(Log *l, const JournalLine *line) {
        print_message(l, line, /* indent= */ 0);
}

static int read_output(Log *l) {
        static const struct {
                const char *name;
                void (*print)(Log *l, const JournalLine *line);
        } table[] = {
                { "short", print_short },
                { "short-iso", print_short_iso },
                { "cat", print_cat },
        };
        const char *name = l->ctl->output ?: table[0].name;

        if (l->ctl->json && l->ctl->output) {
                ctl_complain(_("--json and --output cannot be combined."));
                return CTL_USAGE;
        }
        l->print = l->ctl->json ? print_json : NULL;
        for (size_t i = 0; i < ELEMENTSOF(table) && !l->print; i++)
                if (streq(table[i].name, name))
                        l->print = table[i].print;
        if (l->print)
                return CTL_DONE;
        ctl_complain(_("--output requires short, short-iso or cat, not '%s'."), name);
        return CTL_USAGE;
}

/* --- which entries --- */

const char *const log_priorities[8] = { "emerg", "alert", "crit", "err", "warning", "notice", "info", "debug" };

static int find_priority(const char *word, size_t n) {
        for (size_t i = 0; i < ELEMENTSOF(log_priorities); i++)
                if ((n == 1 && word[0] == '0' + (char)i) ||
                    (strlen(log_priorities[i]) == n && memcmp(word, log_priorities[i], n) == 0))
                        return (int)i;
        return -1;
}

/* "warning", "4", "warning..info": a bit for each. */
static int read_priorities(const char *text, unsigned *ret) {
        const char *dots = strstr(text, "..");
        int from = dots ? find_priority(text, (size_t)(dots - text)) : 0;
        int to = find_priority(dots ? dots + 2 : text, strlen(dots ? dots + 2 : text));

        if (from < 0 || to < 0) {
                ctl_complain(_("--priority= requires emerg, alert, crit, err, warning, notice, info, debug, a number "
                               "from 0 to 7, or FROM..TO, not '%s'."),
                             text);
                return CTL_USAGE;
        }
        for (int i = MIN(from, to); i <= MAX(from, to); i++)
                *ret |= 1U << i;
        return CTL_DONE;
}

/* As journalctl does, without regard to case unless the pattern has a capital letter. */
static int read_pattern(const char *text, regex_t **ret) {
        _cleanup_free_ regex_t *pattern = alloc_array(NULL, 1, sizeof(regex_t));
        bool has_capital = strpbrk(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZ");
        char message[128];
        int r;

        r = regcomp(pattern, text, REG_EXTENDED | REG_NOSUB | REG_NEWLINE | (has_capital ? 0 : REG_ICASE));
        if (r != 0) {
                (void)regerror(r, pattern, message, sizeof(message));
                ctl_complain(_("--grep= requires a regular expression; see regex(7). '%s': %s."), text, message);
                return CTL_USAGE;
        }
        *ret = TAKE_PTR(pattern);
        return CTL_DONE;
}

static int read_filter(Log *l) {
        const Ctl *c = l->ctl;
        int r = local_zone_parse_range(c->since, c->until, now_realtime(), &l->since, &l->until);

        if (r == CTL_DONE && c->priority)
                r = read_priorities(c->priority, &l->priorities);
        return r == CTL_DONE && c->pattern ? read_pattern(c->pattern, &l->pattern) : r;
}

/* --- which run --- */

/* The last run that was started, otherwise the last one. */
static int look_for_started(const RunView *v, void *userdata) {
        char **object = userdata;

        if (*object && v->started == 0)
                return 0;
        free(*object);
        *object = alloc_string(v->object);
        return v->started > 0;
}

/* Fills in the run that an argument means. Returns an exit status; CTL_DONE with the id 0: there is none. */
static int find_run(Log *l, const char *argument) {
        _cleanup_free_ char *object = NULL;
        Ctl *c = l->ctl;
        int r;

        if (ctl_is_run_number(argument) && !l->all)
                r = run_view_get(c->connection, strtoull(argument, NULL, 10), &c->error, &l->run);
        else {
                r = run_view_list(c->connection, &(RunFilter){ .job = argument }, LOOK_BACK_MAX, look_for_started,
                                  &object, &c->error);
                if (r >= 0 && !object) {
                        r = ctl_call(c, &(MethodCall){ .member = "GetJob" }, NULL, "s", argument);
                        if (r == 0)
                                ctl_say(c, stderr, _("Job %s has not run yet."), argument);
                        return r;
                }
                if (r >= 0)
                        r = run_view_get_object(c->connection, object, /* once= */ false, &c->error, &l->run);
        }
        return r < 0 ? ctl_failed(c, r, NULL) : CTL_DONE;
}

/* The unit of a run that had none, or ended before it was recorded: systemd/unit-name.h defines its name. The caller
 * frees it. */
static char *usual_unit(const Log *l, const RunView *v) {
        const char *at = strchr(l->job, '@');
        int n = at ? (int)(at - l->job) : (int)strlen(l->job);

        return alloc_format("vakt-%.*s%s%s-%" PRIu64 ".service", n, l->job, at ? "\\x40" : "", at ? at + 1 : "",
                            v->id);
}

static JournalScope log_scope(const Log *l, const RunView *v) {
        return (JournalScope){
                .job = l->job,
                .run = l->all ? 0 : v->id,
                .unit = isempty(v->unit) ? l->usual_unit : v->unit,
                .invocation = l->all ? "" : strempty(v->invocation),
                .requested = l->all ? 0 : v->requested,
                .ended = v->ended,
                .user = l->ctl->user,
                .own_only = !l->ctl->all,
                .priorities = l->priorities,
                .pattern = l->pattern,
                .until = l->until,
        };
}

/* --- printing --- */

static void print_line(Log *l, const JournalLine *line) {
        if (line->time < l->since)
                return;
        if (!l->any && !l->ctl->follow)
                ctl_open_pager(l->ctl);
        l->any = true;
        l->print(l, line);
}

static void on_line(const JournalLine *line, void *userdata) {
        print_line(userdata, line);
        fflush(stdout);
}

static int open_journal(const Log *l, const RunView *v, Journal **ret) {
        _cleanup_(journal_freep) Journal *j = NULL;
        const JournalScope scope = log_scope(l, v);
        _cleanup_free_ char *message = NULL;
        int r;

        r = journal_open(&scope, &j, &message);
        if (r >= 0 && l->ctl->lines > 0)
                r = journal_seek_last(j, l->ctl->lines);
        else if (r >= 0 && l->since > 0)
                r = journal_seek_time(j, l->since);
        if (r < 0) {
                ctl_complain("%s", message ?: strerror(-r));
                return r == -EACCES ? CTL_NOT_PERMITTED : CTL_FAILED;
        }
        *ret = TAKE_PTR(j);
        return 0;
}

/* Explains why nothing was printed. */
static int explain_nothing(const Log *l) {
        const RunView *v = &l->run;
        _cleanup_free_ char *whose = l->all ? alloc_format(_("job %s"), l->job)
                                            : alloc_format(_("run %" PRIu64 " of job %s"), v->id, l->job);
        _cleanup_free_ char *message = l->all ? NULL : run_view_message(v);

        if (journal_is_partial()) {
                ctl_complain(
                        _("No entries of %s can be read: you may not read all of the journal; become root, or join "
                          "one of "
                          "the groups systemd-journal and adm."),
                        whose);
                return CTL_NOT_PERMITTED;
        }
        if (l->pattern || l->priorities || l->since > 0 || l->until > 0)
                ctl_say(l->ctl, stderr, _("No entry matches."));
        else if (!l->all && v->started == 0 && run_view_is_done(v))
                ctl_say(l->ctl, stderr, _("Run %" PRIu64 " of job %s was not started%s%s"), v->id, l->job,
                        isempty(v->reason) ? "." : ": ", v->reason);
        else if (!l->ctl->all)
                ctl_say(l->ctl, stderr,
                        _("%s The journal has no output of %s; use --all to see the messages of vaktd and the service "
                          "manager."),
                        strempty(message), l->all ? whose : _("it"));
        else
                ctl_say(l->ctl, stderr,
                        _("The journal has no entries of %s: nothing was printed, the output went elsewhere (%s), or "
                          "the journal has "
                          "deleted the entries."),
                        whose,
                        isempty(v->unit) ? _("a vaktd that was started manually prints it on its own standard error")
                                         : _("see [Service] in 'vaktctl cat'"));
        return CTL_DONE;
}

static int print_all(Log *l) {
        _cleanup_(journal_freep) Journal *j = NULL;
        JournalLine line;
        int r;

        r = open_journal(l, &l->run, &j);
        if (r != 0)
                return r;
        while ((r = journal_next(j, &line)) > 0 && !ferror(stdout))
                print_line(l, &line);
        if (r < 0) {
                ctl_complain(_("Cannot read the journal: %s."), strerror(-r));
                return CTL_FAILED;
        }
        r = l->any ? CTL_DONE : explain_nothing(l);
        return r == CTL_DONE && l->ctl->json ? json_print_end(l->n) : r;
}

/* --- following --- */

static int start_tail(Log *l, const RunView *v, sd_event *event) {
        _cleanup_(journal_freep) Journal *j = NULL;
        int r;

        r = open_journal(l, v, &j);
        if (r != 0)
                return r;
        r = journal_tail_new(&l->tail, j, event, on_line, l);
        if (r < 0) {
                ctl_complain(_("Cannot follow the journal: %s."), strerror(-r));
                return CTL_FAILED;
        }
        (void)TAKE_PTR(j);
        return 0;
}

/* Opens the journal once the unit of the run is known. */
static void on_seen(const RunView *v, void *userdata) {
        Log *l = userdata;
        const JournalScope scope = log_scope(l, v);

        if (l->tail || l->no_journal || (v->started == 0 && !run_view_is_done(v)))
                return;
        if (!journal_scope_is_known(&scope) && !run_view_is_done(v))
                return;
        l->no_journal = start_tail(l, v, run_waiter_event(l->waiter)) != 0;
}

static void on_broken(void *userdata) {
        ctl_complain(_("The connection to vaktd was lost; still waiting."));
}

/* Until the run is over. */
static int follow_run(Log *l) {
        const RunWaiterOptions options = { .seen = on_seen, .broken = on_broken, .userdata = l };
        _cleanup_(run_view_done) RunView v = { 0 };
        int r;

        r = ctl_waiter_new(l->ctl, &options, &l->waiter);
        if (r == 0)
                r = ctl_wait(l->ctl, l->waiter, l->job, l->run.id, l->run.object, &v);
        if (r == 0 && l->tail)
                journal_tail_finish(l->tail);
        return r != 0 ? r : l->no_journal ? CTL_FAILED : CTL_DONE;
}

/* From the last run on, until it is interrupted. */
static int follow_job(Log *l) {
        int r;

        l->all = true;
        l->since = l->since ?: l->run.requested;
        r = sd_event_new(&l->event);
        if (r >= 0)
                r = ctl_end_on_interrupt(l->event);
        if (r < 0) {
                ctl_complain(_("Cannot follow the journal: %s."), strerror(-r));
                return CTL_FAILED;
        }
        r = start_tail(l, &l->run, l->event);
        if (r != 0)
                return r;
        r = sd_event_loop(l->event);
        return r < 0 ? CTL_FAILED : r; /* only a signal ends it */
}

int verb_log(Ctl *c, char **args) {
        _cleanup_(log_done) Log l = { .ctl = c, .all = c->all_runs };
        bool one = ctl_is_run_number(args[0]) && !c->all_runs;
        int r;

        r = read_output(&l);
        if (r == CTL_DONE)
                r = read_filter(&l);
        if (r == CTL_DONE)
                r = find_run(&l, args[0]);
        l.job = isempty(l.run.job) ? args[0] : l.run.job;
        if (r == CTL_DONE && l.run.id == 0 && c->json && !c->follow)
                return json_print_end(0);
        if (r != CTL_DONE || (l.run.id == 0 && !c->follow))
                return r;
        if (ctl_is_remote(c))
                return remote_log(c, l.job, &l.run, c->all_runs || (c->follow && !one), l.since, l.until);
        l.usual_unit = usual_unit(&l, &l.run);
        if (!c->follow)
                return print_all(&l);
        return one ? follow_run(&l) : follow_job(&l);
}
