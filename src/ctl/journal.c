/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The journal takes fields from everybody: a line with VAKT_RUN=7 may come from any program. So the matches, which
 * only narrow down what is read, are followed by a look at the fields that the journal itself adds (those with "_" in
 * front): a line counts when it comes out of the run's unit, or from the daemon, root or the caller.
 *
 * The run's unit is found by its invocation, which the user's service manager records as well, while VAKT_JOB= and
 * VAKT_RUN= are added to the lines of system units only. All runs of a job in a user's manager are therefore found by
 * the names of their units. Runs that are children of vaktd have no unit: vaktd writes their lines, with both fields.
 *
 * The journal looks up whose a line is when it takes the line in. Of a process that is gone by then it still knows the
 * system unit, which came with the stream, but not the user's unit (seen in 4 of 10 runs of a user that took 3 ms).
 * Such a line has nothing but the user and the job's name as its identifier, and is found by these and the time.
 *
 * Processes of a run with PAMName= are taken out of its unit by logind. Of their streams the journal remembers whose
 * they were for the first process only, so vakt-command writes a mark into each, and what else comes by it is the
 * run's.
 *
 * The unit of a runner (Runner=warm) has many runs. The runner writes the lines of each with its number: of them a
 * line counts that comes out of that unit. */

#include "ctl/journal.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <systemd/sd-id128.h>
#include <systemd/sd-journal.h>

#include "ctl/alloc.h"
#include "job/job-def.h"
#include "util/i18n.h"
#include "util/log.h"
#include "util/strv.h"
#include "util/text-copy.h"

/* A ledger that was lost begins again at run 1. Lines that are found by a number are not attributed to the run if they
 * are so much older than it, which leaves room for a clock that was set back meanwhile; a caller that follows a run
 * must not mix in lines of another one, and accepts none that is older at all. */
#define OLDER_MAX USEC_PER_HOUR
#define LATER_MAX USEC_PER_SEC

/* The same for a line of a user's process that was gone: short, because the next run of the job may have started. */
#define LATER_MAX_UNOWNED (50 * USEC_PER_MSEC)

/* The messages of the journal when it has dropped lines of a unit, as in systemd's own catalog. */
#define MESSAGE_JOURNAL_DROPPED "a596d6fe7bfa4994828e72309e95d61e"

#define SYNCHRONIZE_TIMEOUT_MSEC 5000
#define SYNCHRONIZE_SOCKET       "/run/systemd/journal/io.systemd.journal"
#define STREAM_SOCKET            "/run/systemd/journal/stdout"

typedef enum Field {
        FIELD_MESSAGE,
        FIELD_IDENTIFIER,
        FIELD_COMMAND,
        FIELD_SYSLOG_PID,
        FIELD_PID,
        FIELD_HOST,
        FIELD_PRIORITY,
        FIELD_RUN,
        FIELD_JOB,
        FIELD_UNIT,
        FIELD_USER_UNIT,
        FIELD_UID,
        FIELD_INVOCATION,
        FIELD_TRANSPORT,
        FIELD_STREAM,
        FIELD_MESSAGE_ID,
        FIELD_N_DROPPED,
        FIELD_ABOUT_UNIT, /* the fields by which the service manager names the unit */
        FIELD_ABOUT_USER_UNIT,
        FIELD_ABOUT_INVOCATION,
        FIELD_ABOUT_USER_INVOCATION,
        _FIELD_MAX,
} Field;

static const char *const field_names[_FIELD_MAX] = {
        [FIELD_MESSAGE] = "MESSAGE",
        [FIELD_IDENTIFIER] = "SYSLOG_IDENTIFIER",
        [FIELD_COMMAND] = "_COMM",
        [FIELD_SYSLOG_PID] = "SYSLOG_PID",
        [FIELD_PID] = "_PID",
        [FIELD_HOST] = "_HOSTNAME",
        [FIELD_PRIORITY] = "PRIORITY",
        [FIELD_RUN] = "VAKT_RUN",
        [FIELD_JOB] = "VAKT_JOB",
        [FIELD_UNIT] = "_SYSTEMD_UNIT",
        [FIELD_USER_UNIT] = "_SYSTEMD_USER_UNIT",
        [FIELD_UID] = "_UID",
        [FIELD_INVOCATION] = "_SYSTEMD_INVOCATION_ID",
        [FIELD_TRANSPORT] = "_TRANSPORT",
        [FIELD_STREAM] = "_STREAM_ID",
        [FIELD_MESSAGE_ID] = "MESSAGE_ID",
        [FIELD_N_DROPPED] = "N_DROPPED",
        [FIELD_ABOUT_UNIT] = "UNIT",
        [FIELD_ABOUT_USER_UNIT] = "USER_UNIT",
        [FIELD_ABOUT_INVOCATION] = "INVOCATION_ID",
        [FIELD_ABOUT_USER_INVOCATION] = "USER_INVOCATION_ID",
};

struct Journal {
        sd_journal *journal;
        JournalScope scope;
        JournalScope *texts;      /* a copy that has its strings */
        char *unit_prefix;        /* of the units of all runs of the job, or NULL */
        char **streams;           /* that were marked */
        char *values[_FIELD_MAX]; /* of the current entry; NULL: it has none */
        size_t message_n;
        bool fresh; /* the current entry was not returned yet */
};

static void forget_entry(Journal *j) {
        for (size_t i = 0; i < _FIELD_MAX; i++)
                j->values[i] = mfree(j->values[i]);
}

Journal *journal_free(Journal *j) {
        if (!j)
                return NULL;
        forget_entry(j);
        sd_journal_close(j->journal);
        free(j->texts);
        free(j->unit_prefix);
        strv_free(j->streams);
        return mfree(j);
}

/* --- what is looked for --- */

static int add_match(sd_journal *j, const char *field, const char *value) {
        _cleanup_free_ char *match = alloc_format("%s=%s", field, value);

        return sd_journal_add_match(j, match, 0);
}

static int add_number(sd_journal *j, const char *field, uint64_t value) {
        _cleanup_free_ char *match = alloc_format("%s=%" PRIu64, field, value);

        return sd_journal_add_match(j, match, 0);
}

/* The units of runs have these names, which alone are never used twice. */
static bool is_run_unit(const char *unit) {
        return startswith(unit, "vakt-");
}

static bool is_runner_unit(const char *unit) {
        const char *hyphen = strrchr(unit, '-');
        size_t n = strlen(JOB_RUNNER_SUFFIX);

        return is_run_unit(unit) && (size_t)(hyphen - unit) > n && memcmp(hyphen - n, JOB_RUNNER_SUFFIX, n) == 0;
}

bool journal_scope_is_known(const JournalScope *s) {
        return is_run_unit(s->unit) || !isempty(s->invocation);
}

/* The output of the run and of its children. */
static int match_unit(sd_journal *j, const JournalScope *s) {
        int r = 0;

        if (is_runner_unit(s->unit)) /* its lines have the number of the run */
                return 0;
        if (!isempty(s->invocation)) {
                r = add_match(j, "_SYSTEMD_INVOCATION_ID", s->invocation);
                if (r >= 0)
                        r = sd_journal_add_disjunction(j);
        }
        if (r >= 0 && !isempty(s->unit)) {
                r = add_match(j, s->user ? "_SYSTEMD_USER_UNIT" : "_SYSTEMD_UNIT", s->unit);
                if (r >= 0)
                        r = sd_journal_add_disjunction(j);
        }
        return r;
}

/* The messages of the service manager about its unit. */
static int match_manager(sd_journal *j, const JournalScope *s) {
        int r;

        if (is_runner_unit(s->unit)) /* which are about no run */
                return 0;
        if (is_run_unit(s->unit))
                r = add_match(j, s->user ? "USER_UNIT" : "UNIT", s->unit);
        else if (!isempty(s->invocation))
                r = add_match(j, s->user ? "USER_INVOCATION_ID" : "INVOCATION_ID", s->invocation);
        else
                return 0;
        if (r >= 0)
                r = add_number(j, "_UID", s->user ? getuid() : 0);
        return r < 0 ? r : sd_journal_add_disjunction(j);
}

/* The output of a process of the run that was gone before the journal looked it up. */
static int match_unowned(sd_journal *j, const JournalScope *s) {
        int r;

        if (!s->user || !is_run_unit(s->unit))
                return 0;
        r = add_match(j, "SYSLOG_IDENTIFIER", s->job);
        if (r >= 0)
                r = add_number(j, "_UID", getuid());
        return r < 0 ? r : sd_journal_add_disjunction(j);
}

/* The messages of the journal about lines that it has dropped; the unit is only in the text. */
static int match_dropped(sd_journal *j) {
        int r;

        r = add_match(j, "MESSAGE_ID", MESSAGE_JOURNAL_DROPPED);
        if (r >= 0)
                r = add_match(j, "_TRANSPORT", "driver");
        return r < 0 ? r : sd_journal_add_disjunction(j);
}

static int match_run(sd_journal *j, const JournalScope *s) {
        int r;

        r = match_unit(j, s);
        if (r >= 0)
                r = match_unowned(j, s);
        if (r >= 0)
                r = match_dropped(j);
        if (r >= 0 && !s->output_only && !s->own_only)
                r = match_manager(j, s);
        if (r >= 0)
                r = add_match(j, "VAKT_JOB", s->job);
        return r < 0 ? r : add_number(j, "VAKT_RUN", s->run);
}

/* The marks of the runs; a line with a mark precedes all others of its stream. */
static int match_marks(sd_journal *j, const JournalScope *s) {
        int r;

        r = add_match(j, "MESSAGE", OUTPUT_MARK);
        if (r >= 0)
                r = add_match(j, "VAKT_JOB", s->job);
        return r < 0 || s->run == 0 ? r : add_number(j, "VAKT_RUN", s->run);
}

static int match_all_runs(sd_journal *j, const JournalScope *s) {
        int r;

        r = match_dropped(j);
        if (r >= 0)
                r = add_match(j, "VAKT_JOB", s->job);
        if (r < 0 || !s->user || !is_run_unit(s->unit))
                return r;
        r = sd_journal_add_disjunction(j);
        return r < 0 ? r : add_number(j, "_UID", getuid());
}

/* --- what is believed --- */

static bool has(const Journal *j, Field f, const char *value) {
        return streq_ptr(j->values[f], value);
}

static bool is_number(const char *s, uint64_t value) {
        char text[24];

        (void)snprintf(text, sizeof(text), "%" PRIu64, value);
        return streq_ptr(s, text);
}

/* Whether a unit belongs to the job: the prefix, the number of a run or of a runner, ".service". */
static bool is_unit_of_job(const Journal *j, const char *unit) {
        const char *rest = unit && j->unit_prefix ? startswith(unit, j->unit_prefix) : NULL;
        size_t n;

        rest = rest ? startswith(rest, JOB_RUNNER_SUFFIX "-") ?: startswith(rest, "-") : NULL;
        n = rest ? strspn(rest, "0123456789") : 0;

        return n > 0 && streq(rest + n, ".service");
}

/* If nothing else distinguishes two runs: a line while the run was active. */
static bool is_of_this_time(const Journal *j, usec_t later_max) {
        usec_t t;

        return sd_journal_get_realtime_usec(j->journal, &t) >= 0 && t >= j->scope.requested &&
               (j->scope.ended == 0 || t <= usec_add(j->scope.ended, later_max));
}

static bool is_unowned(const Journal *j) {
        const JournalScope *s = &j->scope;

        return s->user && is_run_unit(s->unit) && !j->values[FIELD_INVOCATION] && !j->values[FIELD_UNIT] &&
               !j->values[FIELD_USER_UNIT] && has(j, FIELD_TRANSPORT, "stdout") && has(j, FIELD_IDENTIFIER, s->job) &&
               (s->run == 0 || is_of_this_time(j, LATER_MAX_UNOWNED));
}

/* Only the journal adds fields to lines from a stream. */
static bool is_mark(const Journal *j) {
        const JournalScope *s = &j->scope;

        return has(j, FIELD_MESSAGE, OUTPUT_MARK) && has(j, FIELD_TRANSPORT, "stdout") && has(j, FIELD_JOB, s->job) &&
               (s->run == 0 || is_number(j->values[FIELD_RUN], s->run)) && j->values[FIELD_STREAM];
}

/* Its stream is one that began with a mark. */
static bool is_marked(const Journal *j) {
        STRV_FOREACH(stream, j->streams) {
                if (has(j, FIELD_STREAM, *stream))
                        return true;
        }
        return false;
}

static bool is_from_run(const Journal *j) {
        const JournalScope *s = &j->scope;
        const char *unit = j->values[s->user ? FIELD_USER_UNIT : FIELD_UNIT];

        if (is_marked(j))
                return true;

        if (s->user && !is_number(j->values[FIELD_UID], getuid()))
                return false;
        if (is_unowned(j))
                return true;
        if (s->run == 0)
                return j->unit_prefix ? is_unit_of_job(j, unit)
                                      : !s->user && has(j, FIELD_JOB, s->job) && unit && is_run_unit(unit);
        if (is_runner_unit(s->unit))
                return streq_ptr(unit, s->unit) && is_number(j->values[FIELD_RUN], s->run);
        if (!isempty(s->invocation) && j->values[FIELD_INVOCATION])
                return has(j, FIELD_INVOCATION, s->invocation);
        /* A line that the journal read after the unit was gone has lost its invocation. */
        return streq_ptr(unit, s->unit) && (is_run_unit(unit) || is_of_this_time(j, LATER_MAX));
}

/* Whether the writer may write anything about runs: the user's vaktd, or root's; root; the caller. A run can only
 * write about itself. */
static bool is_from_above(const Journal *j) {
        const char *unit = j->values[j->scope.user ? FIELD_USER_UNIT : FIELD_UNIT];

        if (unit && is_run_unit(unit))
                return false;
        if (is_number(j->values[FIELD_UID], getuid()))
                return true;
        return !j->scope.user && (has(j, FIELD_UID, "0") || has(j, FIELD_UNIT, "vaktd.service"));
}

/* Messages about the run: from the service manager about its unit, from other programs with its number. */
static bool is_about_run(const Journal *j) {
        const JournalScope *s = &j->scope;
        const char *invocation = j->values[s->user ? FIELD_ABOUT_USER_INVOCATION : FIELD_ABOUT_INVOCATION];

        if (!isempty(s->invocation) && invocation)
                return streq(invocation, s->invocation);
        if (is_run_unit(s->unit) && has(j, s->user ? FIELD_ABOUT_USER_UNIT : FIELD_ABOUT_UNIT, s->unit))
                return true;
        return has(j, FIELD_JOB, s->job) && (s->run == 0 || is_number(j->values[FIELD_RUN], s->run));
}

static bool is_too_old(const Journal *j) {
        usec_t t;

        if (!isempty(j->scope.invocation) && has(j, FIELD_INVOCATION, j->scope.invocation))
                return false;
        return sd_journal_get_realtime_usec(j->journal, &t) >= 0 &&
               usec_add(t, j->scope.output_only ? 0 : OLDER_MAX) < j->scope.requested;
}

/* "Suppressed 7 messages from vakt-job-1.service" */
static bool is_about_dropped(const Journal *j) {
        const char *message = j->values[FIELD_MESSAGE], *unit = strrchr(message, ' ');

        if (!has(j, FIELD_MESSAGE_ID, MESSAGE_JOURNAL_DROPPED) || !has(j, FIELD_TRANSPORT, "driver") || !unit)
                return false;
        if (j->scope.run == 0)
                return is_unit_of_job(j, unit + 1);
        return streq(unit + 1, j->scope.unit) && (!is_runner_unit(unit + 1) || is_of_this_time(j, LATER_MAX));
}

/* A line of output that a runner wrote. */
static bool is_from_runner(const Journal *j) {
        const char *unit = j->values[j->scope.user ? FIELD_USER_UNIT : FIELD_UNIT];

        return unit && is_runner_unit(unit) && j->values[FIELD_RUN] && has(j, FIELD_TRANSPORT, "journal");
}

static bool is_ours(const Journal *j) {
        if (is_mark(j))
                return false;
        if (is_too_old(j))
                return false;
        if (is_about_dropped(j))
                return true;
        if (is_from_run(j))
                return !j->scope.output_only || has(j, FIELD_TRANSPORT, "stdout") || is_from_runner(j);
        /* vaktd writes what a child of it prints in the name of the job. */
        return !j->scope.output_only && is_from_above(j) && is_about_run(j) &&
               (!j->scope.own_only || has(j, FIELD_IDENTIFIER, j->scope.job));
}

static int priority_of(const Journal *j) {
        const char *priority = j->values[FIELD_PRIORITY];

        return priority && priority[0] >= '0' && priority[0] <= '7' ? priority[0] - '0' : -1;
}

/* By the options of the user. */
static bool is_wanted(const Journal *j) {
        const JournalScope *s = &j->scope;
        int priority = priority_of(j);
        usec_t t;

        return (s->priorities == 0 || (priority >= 0 && (s->priorities & (1U << priority)))) &&
               (!s->pattern || regexec(s->pattern, j->values[FIELD_MESSAGE], 0, NULL, 0) == 0) &&
               (s->until == 0 || (sd_journal_get_realtime_usec(j->journal, &t) >= 0 && t <= s->until));
}

/* --- the entry at hand --- */

static int read_field(Journal *j, Field f) {
        const void *data;
        size_t n, skip = strlen(field_names[f]) + 1;
        int r;

        r = sd_journal_get_data(j->journal, field_names[f], &data, &n);
        if (r == -ENOENT)
                return 0;
        if (r < 0)
                return r;
        if (n < skip)
                return -EBADMSG;
        n -= skip;
        j->values[f] = alloc_array(NULL, n + 1, 1);
        memcpy(j->values[f], (const char *)data + skip, n);
        j->values[f][n] = '\0';
        if (f == FIELD_MESSAGE)
                j->message_n = n;
        return 0;
}

/* Fields of the current entry. An entry in a damaged file has no fields, and is ignored. */
static int read_entry(Journal *j) {
        int r = 0;

        forget_entry(j);
        for (Field f = 0; r >= 0 && f < _FIELD_MAX; f++)
                r = read_field(j, f);
        if (r == -EBADMSG || r == -ENODATA || r == -E2BIG || r == -EPROTONOSUPPORT) {
                forget_entry(j);
                return 0;
        }
        return r;
}

/* Returns 1 if the stream was not known before. */
static int note_stream(Journal *j) {
        const char *stream = j->values[FIELD_STREAM];

        if (!is_mark(j) || is_marked(j))
                return 0;
        return strv_extend(&j->streams, stream) < 0 ? -ENOMEM : 1;
}

static int match_stream(sd_journal *j, const char *stream) {
        int r = sd_journal_add_disjunction(j);

        return r < 0 ? r : add_match(j, "_STREAM_ID", stream);
}

static int find_streams(Journal *j) {
        int r;

        r = match_marks(j->journal, &j->scope);
        if (r >= 0)
                r = sd_journal_seek_head(j->journal);
        while (r >= 0 && (r = sd_journal_next(j->journal)) > 0) {
                r = read_entry(j);
                if (r >= 0 && j->values[FIELD_MESSAGE])
                        r = note_stream(j);
        }
        sd_journal_flush_matches(j->journal);
        return r;
}

/* --- opening --- */

/* Whether the directory of this machine's journals exists; *ret_denied: but is not accessible. */
static bool has_directory(const char *base, bool *ret_denied) {
        char machine[SD_ID128_STRING_MAX];
        sd_id128_t id;
        char path[64], file[96];

        if (sd_id128_get_machine(&id) < 0)
                return false;
        (void)snprintf(path, sizeof(path), "%s/%s", base, sd_id128_to_string(id, machine));
        (void)snprintf(file, sizeof(file), "%s/system.journal", path);
        if (access(path, F_OK) < 0)
                return errno == EACCES && (*ret_denied = true);
        if (access(file, R_OK) < 0 && errno == EACCES)
                *ret_denied = true;
        return true;
}

static bool look_for_directories(bool *ret_denied) {
        bool there = has_directory("/run/log/journal", ret_denied);

        return has_directory("/var/log/journal", ret_denied) || there;
}

bool journal_is_partial(void) {
        bool denied = false;

        (void)look_for_directories(&denied);
        return denied;
}

/* The reason why a journal has no file. */
static int explain_no_file(char **reterr_message) {
        bool denied = false, there = look_for_directories(&denied);

        if (there && denied) {
                *reterr_message = alloc_string(
                        _("You may not read the journal, which contains the output of runs: become root, or "
                          "join one of the groups systemd-journal and adm."));
                return -EACCES;
        }
        *reterr_message =
                alloc_string(_("There is no journal on this machine. vaktd prints the output of its runs on its "
                               "own standard error, each line with the name of the job in front."));
        return -ENOENT;
}

/* "vakt-backup-7.service" of run 7, or of a runner -> "vakt-backup" */
static char *unit_prefix(const char *unit) {
        const char *suffix = strrchr(unit, '.'), *p = suffix;

        while (p && p > unit && p[-1] >= '0' && p[-1] <= '9')
                p--;
        if (!is_run_unit(unit) || !suffix || p == suffix || p[-1] != '-')
                return NULL;
        p -= is_runner_unit(unit) ? strlen(JOB_RUNNER_SUFFIX "-") : strlen("-");
        return alloc_format("%.*s", (int)(p - unit), unit);
}

int journal_open(const JournalScope *scope, Journal **ret, char **reterr_message) {
        static const size_t texts[] = { offsetof(JournalScope, job), offsetof(JournalScope, unit),
                                        offsetof(JournalScope, invocation) };
        _cleanup_(journal_freep) Journal *j = alloc_array(NULL, 1, sizeof(Journal));
        int r;

        *j = (Journal){ .texts = COPY_WITH_TEXTS(scope, texts), .unit_prefix = unit_prefix(scope->unit) };
        if (!j->texts)
                alloc_failed();
        j->scope = *j->texts;
        r = sd_journal_open_namespace(&j->journal, NULL, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_ALL_NAMESPACES);
        if (r >= 0 && sd_journal_has_runtime_files(j->journal) <= 0 &&
            sd_journal_has_persistent_files(j->journal) <= 0)
                return explain_no_file(reterr_message);
        if (r >= 0)
                r = sd_journal_set_data_threshold(j->journal, 0);
        if (r >= 0)
                r = find_streams(j);
        if (r >= 0)
                r = scope->run > 0 ? match_run(j->journal, scope) : match_all_runs(j->journal, scope);
        STRV_FOREACH(stream, j->streams) {
                if (r >= 0)
                        r = match_stream(j->journal, *stream);
        }
        if (r >= 0)
                r = sd_journal_seek_head(j->journal);
        if (r < 0) {
                *reterr_message = alloc_format(_("Cannot read the journal: %s."), strerror(-r));
                return r;
        }
        *ret = TAKE_PTR(j);
        return 0;
}

/* --- reading --- */

/* Moves to the next matching entry, in one direction. */
static int step(Journal *j, int (*move)(sd_journal *j)) {
        int r;

        while ((r = move(j->journal)) > 0) {
                r = read_entry(j);
                if (r < 0)
                        return r;
                if (!j->values[FIELD_MESSAGE])
                        continue;
                r = note_stream(j);
                if (r > 0)
                        r = match_stream(j->journal, j->values[FIELD_STREAM]);
                if (r < 0)
                        return r;
                if (is_ours(j) && is_wanted(j))
                        return 1;
        }
        return r;
}

int journal_seek_time(Journal *j, usec_t realtime) {
        return sd_journal_seek_realtime_usec(j->journal, realtime);
}

int journal_seek_last(Journal *j, unsigned n) {
        int r;

        r = sd_journal_seek_tail(j->journal);
        for (unsigned i = 0; r >= 0 && i < n; i++) {
                r = step(j, sd_journal_previous);
                if (r == 0) /* there are fewer */
                        return sd_journal_seek_head(j->journal);
        }
        j->fresh = r > 0;
        return r;
}

static uint64_t to_number(const char *s) {
        return s ? strtoull(s, NULL, 10) : 0;
}

int journal_next(Journal *j, JournalLine *ret) {
        usec_t t = 0;
        int r;

        if (!TAKE_GENERIC(j->fresh, false)) {
                r = step(j, sd_journal_next);
                if (r <= 0)
                        return r;
        }
        r = sd_journal_get_realtime_usec(j->journal, &t);
        if (r < 0)
                return r;
        *ret = (JournalLine){
                .time = t,
                .message = j->values[FIELD_MESSAGE],
                .n = j->message_n,
                .identifier = j->values[FIELD_IDENTIFIER] ?: j->values[FIELD_COMMAND] ?: "unknown",
                .host = strempty(j->values[FIELD_HOST]),
                .pid = to_number(j->values[FIELD_SYSLOG_PID] ?: j->values[FIELD_PID]),
                .run = j->scope.run ?: to_number(j->values[FIELD_RUN]),
                .dropped = is_about_dropped(j) ? to_number(j->values[FIELD_N_DROPPED]) : 0,
                .priority = priority_of(j),
        };
        return 1;
}

uint64_t journal_count_dropped(const JournalScope *scope) {
        Journal j = { .scope = *scope };
        uint64_t n = 0;

        if (sd_journal_open_namespace(&j.journal, NULL, SD_JOURNAL_LOCAL_ONLY | SD_JOURNAL_ALL_NAMESPACES) >= 0 &&
            match_dropped(j.journal) >= 0 && sd_journal_seek_realtime_usec(j.journal, scope->requested) >= 0)
                while (sd_journal_next(j.journal) > 0 && read_entry(&j) >= 0)
                        if (j.values[FIELD_MESSAGE] && is_about_dropped(&j))
                                n += to_number(j.values[FIELD_N_DROPPED]);
        forget_entry(&j);
        sd_journal_close(j.journal);
        return n;
}

/* --- new lines --- */

int journal_watch(Journal *j, sd_event *event, sd_event_source **ret, sd_event_io_handler_t handler, void *userdata) {
        int fd = sd_journal_get_fd(j->journal);

        if (fd < 0)
                return fd;
        return sd_event_add_io(event, ret, fd, (uint32_t)sd_journal_get_events(j->journal), handler, userdata);
}

int journal_process(Journal *j) {
        return sd_journal_process(j->journal);
}

int journal_wait(Journal *j, usec_t timeout) {
        int r = sd_journal_wait(j->journal, timeout);

        return r < 0 ? r : r != SD_JOURNAL_NOP;
}

static int wait_for_socket(int fd, short events) {
        struct pollfd p = { .fd = fd, .events = events };
        int r = poll(&p, 1, SYNCHRONIZE_TIMEOUT_MSEC);

        return r < 0 ? -errno : r == 0 ? -ETIMEDOUT : 0;
}

/* A stream without a line, which the journal closes after it has seen that we closed it: by then it has looked at
 * everything that was written before. It need not have read all of it. */
int journal_knock(void) {
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = STREAM_SOCKET };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0 || shutdown(fd, SHUT_WR) < 0)
                return -errno;
        return wait_for_socket(fd, POLLHUP);
}

/* Varlink: one call in JSON and a NUL; the reply ends in a NUL, too. */
int journal_synchronize(void) {
        static const char call[] = "{\"method\":\"io.systemd.Journal.Synchronize\"}";
        static const struct sockaddr_un address = { .sun_family = AF_UNIX, .sun_path = SYNCHRONIZE_SOCKET };
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        char answer[512];
        ssize_t n;
        int r;

        if (fd < 0 || connect(fd, (const struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        if (send(fd, call, sizeof(call), MSG_NOSIGNAL) != sizeof(call))
                return -EIO;
        r = wait_for_socket(fd, POLLIN);
        if (r < 0)
                return r;
        n = read(fd, answer, sizeof(answer) - 1);
        if (n <= 0)
                return -EIO;
        answer[n] = '\0';
        return strstr(answer, "\"error\"") ? -EIO : 0;
}
