/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The one place that writes log messages. The journal gets fields; a terminal or a file gets a line as `journalctl -o
 * short` would print it. Each line is one write, so that lines of several processes are not mixed. There is no queue
 * and no thread: an entry that the journal does not accept goes to standard error instead. */

#include "util/log.h"

#include <stdarg.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>
#include <systemd/sd-login.h>
#include <time.h>

#include "util/escape.h"
#include "util/string-table.h"

#define LOG_FIELDS_MAX  24   /* iovecs of one entry */
#define LOG_MESSAGE_MAX 2048 /* bytes of one message of ours; a longer one is cut */

static LogTarget target = LOG_TARGET_STDERR;
int log_max_level = LOG_INFO;
static char unit_field[320]; /* NAME=unit, or empty; a unit's name has at most 255 bytes */

static bool stderr_is_journal(void) {
        const char *e = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        if (!e || sscanf(e, "%llu:%llu", &device, &inode) != 2 || fstat(STDERR_FILENO, &st) < 0)
                return false;
        return st.st_dev == device && st.st_ino == inode;
}

/* journald determines the unit of an entry by the PID of the sender, and cannot do so if the sender has already
 * exited: the last messages of a daemon would be missing in `journalctl -u` and `systemctl status`. Both also use
 * these fields. */
static void find_unit(void) {
        _cleanup_free_ char *unit = NULL;
        const char *name = "OBJECT_SYSTEMD_USER_UNIT";
        int n;

        unit_field[0] = '\0';
        if (sd_pid_get_user_unit(0, &unit) < 0) {
                name = "OBJECT_SYSTEMD_UNIT";
                if (sd_pid_get_unit(0, &unit) < 0)
                        return;
        }
        n = snprintf(unit_field, sizeof(unit_field), "%s=%s", name, unit);
        if (n < 0 || (size_t)n >= sizeof(unit_field))
                unit_field[0] = '\0';
}

void log_open(LogTarget t) {
        if (t == LOG_TARGET_AUTO)
                t = stderr_is_journal() ? LOG_TARGET_JOURNAL : LOG_TARGET_STDERR;
        target = t;
        if (t == LOG_TARGET_JOURNAL)
                find_unit();
}

LogTarget log_target(void) {
        return target;
}

void log_set_max_level(int level) {
        log_max_level = level;
}

static const char *const level_table[] = {
        [LOG_EMERG] = "emerg",     [LOG_ALERT] = "alert",   [LOG_CRIT] = "crit", [LOG_ERR] = "err",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice", [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
};

int log_level_from_string(const char *s) {
        if (s[0] >= '0' && s[0] <= '7' && s[1] == '\0')
                return s[0] - '0';
        return string_table_find(level_table, ELEMENTSOF(level_table), s);
}

const char *log_level_to_string(int level) {
        return level >= 0 && (size_t)level < ELEMENTSOF(level_table) ? level_table[level] : NULL;
}

/* --- the journal --- */

typedef struct Entry {
        struct iovec fields[LOG_FIELDS_MAX];
        int n_fields;
        char space[LOG_MESSAGE_MAX];
        size_t used;
} Entry;

static void entry_add(Entry *e, const char *field, size_t n) {
        if (e->n_fields < LOG_FIELDS_MAX)
                e->fields[e->n_fields++] = (struct iovec){ .iov_base = (char *)field, .iov_len = n };
}

/* A short field; one that does not fit is left out. */
_printf_(2, 3) static void entry_addf(Entry *e, const char *format, ...) {
        size_t room = sizeof(e->space) - e->used;
        char *p = e->space + e->used;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vsnprintf(p, room, format, ap);
        va_end(ap);
        if (n < 0 || (size_t)n >= room)
                return;
        entry_add(e, p, (size_t)n);
        e->used += (size_t)n + 1;
}

static int journal_send(int level, const LogContext *c, const char *text, size_t n) {
        Entry e;

        e.n_fields = 0;
        e.used = 0;
        entry_add(&e, text, n);
        entry_addf(&e, "PRIORITY=%d", level);
        entry_addf(&e, "SYSLOG_IDENTIFIER=vaktd");
        if (unit_field[0] != '\0')
                entry_add(&e, unit_field, strlen(unit_field));
        if (c && c->message_id)
                entry_addf(&e, "MESSAGE_ID=%s", c->message_id);
        if (c && c->job)
                entry_addf(&e, "VAKT_JOB=%s", c->job);
        if (c && c->run > 0)
                entry_addf(&e, "VAKT_RUN=%llu", (unsigned long long)c->run);
        if (c && c->file)
                entry_addf(&e, "CONFIG_FILE=%s", c->file);
        if (c && c->line > 0)
                entry_addf(&e, "CONFIG_LINE=%u", c->line);
        if (c && c->error > 0)
                entry_addf(&e, "ERRNO=%d", c->error);
        for (const char *const *f = c ? c->fields : NULL; f && *f; f++)
                entry_add(&e, *f, strlen(*f));
        return sd_journal_sendv(e.fields, e.n_fields);
}

/* --- standard error --- */

static size_t format_time(char *buf, size_t size) {
        time_t now = time(NULL);
        struct tm tm;

        if (!localtime_r(&now, &tm))
                return 0;
        return strftime(buf, size, "%b %d %H:%M:%S ", &tm);
}

/* Standard error may be a terminal, and the output of jobs and file names are untrusted. */
static void stderr_write(const char *job, const char *text, size_t n) {
        _cleanup_free_ char *escaped = escape_text(text, n, /* keep_lines= */ true);
        char stamp[32];
        struct iovec line[] = {
                { .iov_base = stamp, .iov_len = format_time(stamp, sizeof(stamp)) },
                { .iov_base = (char *)(job ?: "vaktd"), .iov_len = strlen(job ?: "vaktd") },
                { .iov_base = (char *)": ", .iov_len = 2 },
                { .iov_base = (char *)strempty(escaped), .iov_len = strlen(strempty(escaped)) },
                { .iov_base = (char *)"\n", .iov_len = 1 },
        };

        (void)!writev(STDERR_FILENO, line, ELEMENTSOF(line));
}

/* Messages contain file names and values from job files: these must not control the terminal of the reader. */
static void hide_control_characters(char *s) {
        for (; *s; s++)
                if ((unsigned char)*s < 0x20 || *s == 0x7f)
                        *s = ' ';
}

/* "MESSAGE=job: ", or without a job. Not every reader of the journal looks at the fields. */
static size_t begin_message(char text[static LOG_MESSAGE_MAX], const LogContext *context) {
        int n = snprintf(text, LOG_MESSAGE_MAX, "MESSAGE=%s%s", context && context->job ? context->job : "",
                         context && context->job ? ": " : "");

        return MIN((size_t)n, (size_t)LOG_MESSAGE_MAX / 2); /* the name of a job is never this long */
}

void log_full(int level, const LogContext *context, const char *format, ...) {
        char text[LOG_MESSAGE_MAX];
        int saved_errno = errno;
        size_t prefix;
        va_list ap;
        size_t n;

        if (level > log_max_level || target == LOG_TARGET_NULL)
                return;
        prefix = begin_message(text, context);
        errno = saved_errno; /* for %m */
        va_start(ap, format);
        (void)vsnprintf(text + prefix, sizeof(text) - prefix, format, ap);
        va_end(ap);
        hide_control_characters(text + prefix);
        n = strlen(text);

        if (target != LOG_TARGET_JOURNAL || journal_send(level, context, text, n) < 0)
                stderr_write(context ? context->job : NULL, text + prefix, n - prefix);
        errno = saved_errno;
}

static int journal_send_output(const char *job, uint64_t run, const char *line, size_t n, int level) {
        const size_t prefix = strlen("MESSAGE=");
        _cleanup_free_ char *message = malloc(prefix + n);
        Entry e;

        if (!message)
                return -ENOMEM;
        memcpy(message, "MESSAGE=", prefix);
        memcpy(message + prefix, line, n);

        e.n_fields = 0;
        e.used = 0;
        entry_add(&e, message, prefix + n);
        entry_addf(&e, "PRIORITY=%d", level);
        entry_addf(&e, "SYSLOG_IDENTIFIER=%s", job);
        entry_addf(&e, "VAKT_JOB=%s", job);
        entry_addf(&e, "VAKT_RUN=%llu", (unsigned long long)run);
        return sd_journal_sendv(e.fields, e.n_fields);
}

void log_output(const char *job, uint64_t run, const char *line, size_t n, bool is_stderr) {
        int level = is_stderr ? LOG_NOTICE : LOG_INFO;

        if (target == LOG_TARGET_NULL)
                return;
        /* A line may start with its level, as in sd-daemon(3): "<3>". */
        if (n >= 3 && line[0] == '<' && line[1] >= '0' && line[1] <= '7' && line[2] == '>') {
                level = line[1] - '0';
                line += 3;
                n -= 3;
        }
        if (target != LOG_TARGET_JOURNAL || journal_send_output(job, run, line, n, level) < 0)
                stderr_write(job, line, n);
}
