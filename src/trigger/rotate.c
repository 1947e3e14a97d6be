/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* MaxSize= of [Rotate]: a run of the job is asked for as soon as a log is that big.
 *
 * The kernel tells of the first write to a log that was quiet; then its watch is taken off, and the log is looked at
 * again after a pause, in which even a fast writer cannot reach the mark by far. So a log that is written all the time
 * costs a few looks a second and no events, and one that is quiet, where the watch is put on again, costs nothing. The
 * directories on the way to the logs are watched as well (watch/path-chain.h), because logs come, go and are renamed.
 *
 * A log that is too big is looked at again when a run of the job has ended. If it is the same one, and still as big,
 * that run has not helped: then it waits, longer each time, so that a rotation that fails is not tried all the time.
 * The same goes for a log whose writer has still to be told that it was rotated, after a run that was killed or could
 * not tell it: it goes on writing to the old copy, so the new log would never get big. It is for the run to find out
 * what is to be done; nothing of what is seen here is passed on to it. */

#include <assert.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/stat.h>

#include "core/trigger.h"
#include "fs/guarded.h"
#include "fs/mount-table.h"
#include "time/span.h"
#include "upkeep/copies.h"
#include "util/array.h"
#include "util/log.h"
#include "util/size.h"
#include "util/strv.h"
#include "util/turn.h"
#include "watch/path-chain.h"

#define LOGS_MAX         4096U                /* that are watched for one job; see has_place() */
#define LOOK_MIN_USEC    (15 * USEC_PER_MSEC) /* pause before a log is looked at again; deadlines are 10 ms late */
#define LOOK_SOON_USEC   (2 * USEC_PER_MSEC)  /* the shortest one, when it is about to reach its mark */
#define LOOK_MAX_USEC    USEC_PER_SEC
#define RATE_MAX         (UINT64_C(256) << 20) /* bytes a second that a writer is believed to be able to write */
#define SAMPLE_MIN_USEC  USEC_PER_SEC          /* the same where nothing tells of writes */
#define SAMPLE_MAX_USEC  (10 * USEC_PER_SEC)
#define LINE_MIN_USEC    (15 * USEC_PER_MSEC) /* pause before all logs of a line are looked for again, */
#define LINE_SHARE       10                   /* and so many times what that took */
#define BLIND_USEC       USEC_PER_MINUTE      /* the same where nothing tells of changed names */
#define AGAIN_MIN_USEC   (10 * USEC_PER_SEC)  /* after a run that did not help */
#define AGAIN_MAX_USEC   USEC_PER_HOUR
#define USERS_MIN_USEC   (10 * USEC_PER_SEC) /* from a run to the next for logs where other users can write */
#define NOTICES_PER_TURN 256
#define DRAIN_MAX        ((size_t)64 * 1024)
#define WHY_MAX          128

typedef struct JobLogs JobLogs;
typedef struct Line Line;

typedef struct Log {
        Deadline deadline; /* of the next look */
        Subscriber subscriber;
        Line *line;
        char *path;
        dev_t device;
        ino_t inode;
        uid_t uid;                /* when it was found */
        uint64_t size, full_size; /* at the last look, UINT64_MAX: there is none; when the run was asked for */
        usec_t looked_at, not_before;
        double rate;       /* bytes a second */
        int unheard;       /* why nothing tells of writes, or 0 */
        bool is_refused;   /* somebody else could have put another file there */
        bool is_users;     /* another user can write to its directory, and make logs as big as he likes */
        bool is_full;      /* it has reached MaxSize=, or: */
        bool must_tell;    /* its writer has still to be told of the last rotation */
        bool was_tried;    /* and a run has begun since */
        unsigned n_failed; /* runs that did not help */
        bool is_seen;
} Log;

/* A line of Path=. */
struct Line {
        Deadline deadline; /* when its logs are looked for again */
        JobLogs *logs;
        const char *pattern;
        PathChain *chain;
        Log **items; /* in the order of paths */
        size_t n_items, n_left_out;
        usec_t not_before;
        int error;
        bool has_started, is_stale, looks_at_all;
        TAILQ_ENTRY(Line) stale;
};

typedef struct Rotations {
        Trigger base;
        EventQueue *queue; /* of the first job with MaxSize= on */
        sd_event_source *queue_source, *work_source;
        TAILQ_HEAD(, Line) stale;
        TAILQ_HEAD(, JobLogs) jobs, due;
        bool is_held;
} Rotations;

typedef struct Owner {
        uid_t uid;
        size_t n_logs;
} Owner;

struct JobLogs {
        TriggerKept kept;
        Rotations *trigger;
        Job *job;
        JobDef *def;
        PathFilter *exclude;
        Line *lines;
        size_t n_lines, n_logs;
        Owner *owners; /* in the order of uids */
        size_t n_owners;
        usec_t users_not_before;
        uint64_t n_looks;
        bool is_due;
        TAILQ_ENTRY(JobLogs) jobs, due;
};

extern const TriggerOps rotate_trigger_ops;

static usec_t boottime_now(const JobLogs *l) {
        return turn_now(l->trigger->base.event).boottime;
}

static void wake(Rotations *t) {
        (void)sd_event_source_set_enabled(t->work_source, SD_EVENT_ONESHOT);
}

/* Whether to ask for a run is found out in a turn of its own. */
static void mark_due(JobLogs *l) {
        if (l->is_due)
                return;
        l->is_due = true;
        TAILQ_INSERT_TAIL(&l->trigger->due, l, due);
        wake(l->trigger);
}

static void mark_stale(Line *line) {
        Rotations *t = line->logs->trigger;

        if (line->is_stale)
                return;
        if (boottime_now(line->logs) < line->not_before) {
                deadline_set(t->base.manager, &line->deadline, line->not_before);
                return;
        }
        line->is_stale = true;
        TAILQ_INSERT_TAIL(&t->stale, line, stale);
        wake(t);
}

/* --- a log --- */

static void log_wait(Log *log, usec_t at) {
        deadline_set(log->line->logs->trigger->base.manager, &log->deadline, at);
}

static void log_ignore(Log *log) {
        event_queue_unsubscribe(log->line->logs->trigger->queue, &log->subscriber);
}

/* The logs of a user that are watched, in *at or to be inserted there. */
static size_t count_owned(const JobLogs *l, uid_t uid, size_t *at) {
        *at = BISECT(l->n_owners, i, l->owners[i].uid < uid);
        return *at < l->n_owners && l->owners[*at].uid == uid ? l->owners[*at].n_logs : 0;
}

/* Each user has at most half of what the others leave, so that none takes the watch from all others. */
static bool has_place(const JobLogs *l, uid_t uid) {
        size_t n_left = LOGS_MAX - l->n_logs, at;

        return n_left > 0 && (uid == 0 || uid == geteuid() || count_owned(l, uid, &at) < n_left);
}

static int take_place(JobLogs *l, uid_t uid) {
        size_t at;

        if (count_owned(l, uid, &at) == 0) {
                if (!ARRAY_INSERT(l->owners, l->n_owners, at))
                        return -ENOMEM;
                l->owners[at] = (Owner){ .uid = uid };
        }
        l->owners[at].n_logs++;
        l->n_logs++;
        return 0;
}

static void give_place_back(JobLogs *l, uid_t uid) {
        size_t at, n = count_owned(l, uid, &at);

        assert(n > 0);
        l->n_logs--;
        l->owners[at].n_logs--;
        if (n == 1)
                ARRAY_REMOVE(l->owners, l->n_owners, at);
}

static Log *log_free(Log *log) {
        log_ignore(log);
        log_wait(log, USEC_INFINITY);
        give_place_back(log->line->logs, log->uid);
        free(log->path);
        return mfree(log);
}

static usec_t between(double usec, usec_t shortest, usec_t longest) {
        usec = MAX(usec, (double)shortest);
        return (usec_t)MIN(usec, (double)longest);
}

/* Near the mark it is so long as the log will probably take to get there. */
static usec_t pause_of(const Log *log, uint64_t max) {
        double left = (double)(max - log->size) * (double)USEC_PER_SEC;
        double expected = log->rate > 0 ? left / log->rate : (double)USEC_INFINITY;

        if (log->unheard != 0)
                return between(expected / 2, SAMPLE_MIN_USEC, SAMPLE_MAX_USEC);
        if (expected < (double)(2 * LOOK_MIN_USEC))
                return between(expected, LOOK_SOON_USEC, 2 * LOOK_MIN_USEC);
        return between(MIN(left / (double)RATE_MAX, expected), LOOK_MIN_USEC, LOOK_MAX_USEC);
}

/* Another file has the name, or there is none: what was known of the log is over. */
static void log_begin(Log *log, const struct stat *st) {
        log_ignore(log);
        log_wait(log, USEC_INFINITY);
        log->device = st ? st->st_dev : 0;
        log->inode = st ? st->st_ino : 0;
        log->size = UINT64_MAX;
        log->not_before = 0;
        log->n_failed = 0;
        log->is_full = log->was_tried = log->is_refused = false;
        log->unheard = 0;
}

static void log_take_size(Log *log, uint64_t size, usec_t now) {
        if (log->size != UINT64_MAX && size > log->size)
                log->rate = (double)(size - log->size) * USEC_PER_SEC / (double)MAX(now - log->looked_at, (usec_t)1);
        else
                log->rate = 0;
        log->size = size;
        log->looked_at = now;
}

/* From now on the next write is heard of. False: it has come already, or cannot be heard of. */
static bool log_listen(Log *log, int fd) {
        struct stat st;
        int r;

        r = event_queue_subscribe(log->line->logs->trigger->queue, &log->subscriber, fd, IN_MODIFY);
        log->unheard = MIN(r, 0);
        return r >= 0 && fstat(fd, &st) >= 0 && (uint64_t)st.st_size == log->size;
}

/* By the rules for directories that others can change: they must not have us tell the size of what is not theirs.
 * (Nothing is kept open: that would keep a file system from being unmounted.) -EREMOTE: what may not answer was
 * mounted over it since the line was looked at. Also finds out whether its writer has still to be told. */
static int open_log(Log *log) {
        _cleanup_(guarded_close) GuardedDirectory directory = { .fd = -EBADF };
        const char *name = strrchr(log->path, '/') + 1;
        _cleanup_free_ char *path = strndup(log->path, MAX((size_t)(name - log->path), (size_t)2) - 1);
        char tell[NAME_MAX + 1];
        struct statx st;
        dev_t device;
        int r, fd;

        log->must_tell = false;
        if (!path)
                return -ENOMEM;
        r = guarded_open_local(path, /* follow_all= */ geteuid() != 0, &directory);
        if (r < 0)
                return r;
        log->is_users = geteuid() == 0 && (!directory.is_trusted || directory.is_shared);
        fd = openat(directory.fd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
        device = directory.device;
        r = fd < 0 ? -errno : file_is_local(fd, &device);
        if (r < 0)
                safe_close(fd);
        log->must_tell = leftover_name(name, LEFTOVER_TELL, tell) >= 0 &&
                         statx(directory.fd, tell, AT_SYMLINK_NOFOLLOW | AT_STATX_DONT_SYNC | AT_NO_AUTOMOUNT,
                               STATX_TYPE, &st) >= 0 &&
                         S_ISREG(st.stx_mode);
        return r < 0 ? r : fd;
}

static void log_look(Log *log) {
        JobLogs *l = log->line->logs;
        uint64_t max = l->def->rare->rotate->max_size, before;
        _cleanup_close_ int fd = open_log(log);
        usec_t now = boottime_now(l);
        struct stat st;

        l->n_looks++;
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode)) {
                if (log->inode != 0 || !log->must_tell)
                        log_begin(log, NULL); /* its directory tells when there is one again */
                log->is_refused = fd == -EPERM || fd == -ELOOP;
                if (fd == -EREMOTE)
                        mark_stale(log->line);
                if (!log->must_tell)
                        return;
                st.st_size = 0;
        } else if (st.st_dev != log->device || st.st_ino != log->inode)
                log_begin(log, &st);
        before = log->size;
        log_take_size(log, (uint64_t)st.st_size, now);
        if (log->size >= max || log->must_tell) {
                log_ignore(log);
                if (!log->is_full || log->size < log->full_size) /* it was emptied in between */
                        log->was_tried = false;
                log->is_full = true;
                log->full_size = log->size;
                if (log->is_users)
                        log->not_before = MAX(log->not_before, l->users_not_before);
                log_wait(log, now < log->not_before ? log->not_before : USEC_INFINITY);
                if (now >= log->not_before)
                        mark_due(l);
                return;
        }
        log->is_full = log->was_tried = false;
        log->n_failed = 0;
        log->not_before = 0;
        if ((before == UINT64_MAX || before == log->size) && log_listen(log, fd)) {
                log_wait(log, USEC_INFINITY);
                return;
        }
        log_ignore(log);
        log_wait(log, usec_add(now, pause_of(log, max)));
}

static void on_look(Manager *m, Deadline *d) {
        log_look((Log *)d);
}

static void on_written(Subscriber *s, const Notice *n) {
        Log *log = (Log *)(void *)((char *)s - offsetof(Log, subscriber));

        log_ignore(log);
        log_look(log);
}

/* A run was there, or none could be, and it is as big as before. */
static void log_fail(Log *log, const char *why) {
        JobLogs *l = log->line->logs;
        LogContext c = { .job = l->job->name };
        usec_t pause = AGAIN_MIN_USEC << MIN(log->n_failed, 9U);
        char size[SIZE_TEXT_MAX], span[SPAN_TEXT_MAX];

        pause = MIN(pause, AGAIN_MAX_USEC);
        if (log->n_failed++ == 0) {
                log_message(
                        LOG_WARNING, &c,
                        "%s %s%s and %s, %s. The next run for it is requested in %s, and then less and less often.",
                        log->path, log->must_tell ? "was rotated" : "has reached MaxSize=",
                        log->must_tell ? "" : size_format(size, l->def->rare->rotate->max_size),
                        log->must_tell ? "its writer was not told" : "was not rotated", why,
                        span_format(span, pause, USEC_PER_SEC));
                manager_job_changed(l->trigger->base.manager, l->job);
        }
        log->was_tried = false;
        log->not_before = usec_add(boottime_now(l), pause);
        log_wait(log, log->not_before);
}

/* --- the logs of a line --- */

/* It matches Exclude=, by itself or by a directory that it is in, or is what an earlier rotation has made. */
static bool is_left_out(const JobLogs *l, const char *path) {
        char log[NAME_MAX + 1];
        size_t n = strlen(path + 1);
        CopyName copy;

        if (copy_name_parse(l->def->rare->rotate, strrchr(path, '/') + 1, log, &copy))
                return true;
        return path_filter_has_excluded_directory(l->exclude, path + 1, n) ||
               !path_filter_matches(l->exclude, path + 1, n, /* is_directory= */ false);
}

static int line_add(Line *line, size_t at, const char *path, uid_t uid, Log **ret) {
        _cleanup_free_ Log *log = calloc(1, sizeof(*log));
        _cleanup_free_ char *copy = strdup(path);

        if (!log || !copy || take_place(line->logs, uid) < 0)
                return -ENOMEM;
        if (!ARRAY_INSERT(line->items, line->n_items, at)) {
                give_place_back(line->logs, uid);
                return -ENOMEM;
        }
        log->path = TAKE_PTR(copy);
        log->uid = uid;
        log->deadline = (Deadline){ .due = on_look, .position = HEAP_NONE };
        log->line = line;
        subscriber_init(&log->subscriber);
        log->subscriber.notify = on_written;
        line->items[at] = *ret = TAKE_PTR(log);
        return 0;
}

static int on_match(void *userdata, int fd, const char *path) {
        Line *line = userdata;
        JobLogs *l = line->logs;
        size_t at = BISECT(line->n_items, i, strcmp(line->items[i]->path, path) < 0);
        Log *log = at < line->n_items && streq(line->items[at]->path, path) ? line->items[at] : NULL;
        struct stat st;
        int r;

        if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || is_left_out(l, path))
                return 0;
        if (!log && !has_place(l, st.st_uid)) {
                line->n_left_out++;
                return 0;
        }
        if (!log) {
                r = line_add(line, at, path, st.st_uid, &log);
                if (r < 0)
                        return r;
        }
        log->is_seen = true;
        if (line->looks_at_all || st.st_dev != log->device || st.st_ino != log->inode)
                log_look(log);
        return 0;
}

/* Logs have gone, and others of the job, which were too many, can have their places. */
static void fill_up(JobLogs *l) {
        for (size_t i = 0; i < l->n_lines; i++)
                if (l->lines[i].n_left_out > 0)
                        mark_stale(&l->lines[i]);
}

static void line_look(Line *line) {
        Rotations *t = line->logs->trigger;
        usec_t spent = turn_spent(t->base.event), now = boottime_now(line->logs);
        size_t n = 0, n_before = 0;

        line->n_left_out = 0;
        for (size_t i = 0; i < line->n_items; i++)
                line->items[i]->is_seen = false;
        line->error = path_chain_visit(line->chain, on_match, line);
        n_before = line->n_items;
        for (size_t i = 0; i < line->n_items; i++) {
                Log *log = line->items[i];

                if (!log->is_seen)
                        log_look(log);
                if (log->is_seen || log->must_tell) /* with Create=no it is for the writer to make another one */
                        line->items[n++] = log;
                else
                        log_free(log);
        }
        line->n_items = n;
        line->looks_at_all = false;
        spent = usec_sub(turn_spent(t->base.event), spent);
        line->not_before = usec_add(now, MAX(LINE_MIN_USEC, LINE_SHARE * spent));
        deadline_set(t->base.manager, &line->deadline,
                     line->error < 0 || path_chain_is_blind(line->chain) ? usec_add(now, BLIND_USEC) : USEC_INFINITY);
        if (n < n_before)
                fill_up(line->logs);
        if (!line->has_started) {
                line->has_started = true;
                manager_job_changed(t->base.manager, line->logs->job);
        }
}

static void on_line_due(Manager *m, Deadline *d) {
        mark_stale((Line *)d);
}

static void on_line_changed(void *userdata) {
        mark_stale(userdata);
}

/* --- what is done about it --- */

/* The first log that a run is to be asked for now; and how many more there are. */
static Log *first_full(const JobLogs *l, unsigned *ret_others) {
        usec_t now = boottime_now(l);
        Log *first = NULL;

        *ret_others = 0;
        for (size_t i = 0; i < l->n_lines; i++)
                for (size_t j = 0; j < l->lines[i].n_items; j++) {
                        Log *log = l->lines[i].items[j];

                        if (!log->is_full || log->not_before > now)
                                continue;
                        *ret_others += first != NULL;
                        first = first ?: log;
                }
        return first;
}

#define FOREACH_LOG(l, log)                                            \
        for (size_t _i = 0; _i < (l)->n_lines; _i++)                   \
                for (size_t _j = 0; _j < (l)->lines[_i].n_items; _j++) \
                        for (Log *log = (l)->lines[_i].items[_j]; log; log = NULL)

/* A run that waits will see to all logs, and whatever one that goes on leaves is looked at when it has ended. */
static void ask(JobLogs *l) {
        Rotations *t = l->trigger;
        RunRequest request = { .cause = RUN_CAUSE_PATH, .trigger = RUN_TRIGGER_NONE };
        _cleanup_free_ char *text = NULL;
        char why[WHY_MAX];
        unsigned others;
        uint64_t id;
        Log *first;
        int r;

        if (t->is_held || l->job->paused || !job_may_run(l->job) || runs_next(l->job, NULL))
                return;
        first = first_full(l, &others);
        if (!first)
                return;
        r = others > 0 ? string_format(&text, "%s and %u more", first->path, others)
                       : string_format(&text, "%s", first->path);
        if (r >= 0) {
                request.payload = text;
                r = runs_request(t->base.manager, l->job, &request, NULL, &id);
        }
        if (r >= 0)
                runs_use_up_skip(t->base.manager, l->job);
        if (r > 0)
                return;
        (void)snprintf(why, sizeof(why),
                       r < 0 ? "because no run could be requested (%s)" : "because its run was refused", strerror(-r));
        FOREACH_LOG(l, log) {
                if (log->is_full && log->not_before <= boottime_now(l))
                        log_fail(log, why);
        }
}

static void run_started(Trigger *base, LiveRun *run) {
        JobLogs *l = trigger_get(base, run_job(run));

        if (l)
                FOREACH_LOG(l, log)
                        log->was_tried = log->is_full;
}

static bool run_ended(Trigger *base, LiveRun *run) {
        JobLogs *l = trigger_get(base, run_job(run));
        bool was_never_started = run_record(run)->started == 0;
        char why[WHY_MAX];

        if (!l)
                return false;
        (void)snprintf(why, sizeof(why), "although run %" PRIu64 " has ended; see its output", run_record(run)->id);
        l->users_not_before = usec_add(boottime_now(l), USERS_MIN_USEC);
        FOREACH_LOG(l, log) {
                if (!log->is_full)
                        continue;
                log_look(log);
                if (log->is_full && (log->was_tried || log->must_tell || was_never_started))
                        log_fail(log, why);
        }
        return false;
}

/* --- the turns --- */

static int on_work(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Rotations *t = userdata;
        bool has_more = true;
        JobLogs *l;
        Line *line;

        for (unsigned n = 0; n < NOTICES_PER_TURN && has_more; n++)
                has_more = event_queue_work(t->queue);
        line = TAILQ_FIRST(&t->stale);
        if (line) {
                TAILQ_REMOVE(&t->stale, line, stale);
                line->is_stale = false;
                line_look(line);
        }
        l = TAILQ_FIRST(&t->due);
        if (l) {
                TAILQ_REMOVE(&t->due, l, due);
                l->is_due = false;
                ask(l);
        }
        if (has_more || !TAILQ_EMPTY(&t->stale) || !TAILQ_EMPTY(&t->due))
                wake(t);
        return 0;
}

static int on_events(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Rotations *t = userdata;

        (void)event_queue_drain(t->queue, DRAIN_MAX);
        wake(t);
        return 0;
}

/* Events were lost. */
static void on_overflow(void *userdata) {
        Rotations *t = userdata;
        JobLogs *l;

        TAILQ_FOREACH(l, &t->jobs, jobs)
                for (size_t i = 0; i < l->n_lines; i++) {
                        l->lines[i].looks_at_all = true;
                        mark_stale(&l->lines[i]);
                }
}

static int open_queue(Rotations *t) {
        static const EventQueueOps ops = { .overflowed = on_overflow };
        int r = 0;

        if (!t->work_source)
                r = event_add_turn(t->base.event, &t->work_source, "rotate-work", on_work, t);
        if (r >= 0 && !t->queue)
                r = event_queue_new(&t->queue, &ops, t);
        if (r < 0 || t->queue_source)
                return r;
        r = sd_event_add_io(t->base.event, &t->queue_source, event_queue_fd(t->queue), EPOLLIN, on_events, t);
        if (r < 0)
                return r;
        (void)sd_event_source_set_priority(t->queue_source, SD_EVENT_PRIORITY_NORMAL - 20);
        (void)sd_event_source_set_description(t->queue_source, "rotate-events");
        return 0;
}

/* --- a job --- */

static JobLogs *logs_free(JobLogs *l) {
        if (!l)
                return NULL;
        for (size_t i = 0; i < l->n_lines; i++) {
                Line *line = &l->lines[i];

                while (line->n_items > 0)
                        log_free(line->items[--line->n_items]);
                free(line->items);
                if (line->is_stale)
                        TAILQ_REMOVE(&l->trigger->stale, line, stale);
                deadline_set(l->trigger->base.manager, &line->deadline, USEC_INFINITY);
                path_chain_free(line->chain);
        }
        free(l->lines);
        free(l->owners);
        if (l->is_due)
                TAILQ_REMOVE(&l->trigger->due, l, due);
        TAILQ_REMOVE(&l->trigger->jobs, l, jobs);
        trigger_unset(&l->trigger->base, l->job);
        path_filter_free(l->exclude);
        job_def_unref(l->def);
        return mfree(l);
}
DEFINE_CLEANUP(JobLogs, logs_free)

static int logs_new(Rotations *t, Job *job) {
        const RotateDef *d = job->def->rare->rotate;
        _cleanup_(logs_freep) JobLogs *l = calloc(1, sizeof(*l));
        int r;

        if (!l)
                return -ENOMEM;
        *l = (JobLogs){ .trigger = t, .job = job, .def = job_def_ref(job->def) };
        TAILQ_INSERT_TAIL(&t->jobs, l, jobs);
        r = open_queue(t);
        if (r >= 0)
                r = path_filter_new(&l->exclude, NULL, d->exclude, NULL);
        if (r >= 0 && !(l->lines = calloc(strv_length(d->paths), sizeof(Line))))
                r = -ENOMEM;
        STRV_FOREACH(path, d->paths) {
                Line *line = r >= 0 ? &l->lines[l->n_lines++] : NULL;

                if (!line)
                        break;
                line->deadline = (Deadline){ .due = on_line_due, .position = HEAP_NONE };
                line->logs = l;
                line->pattern = *path;
                r = path_chain_new(&line->chain, t->queue, *path, /* glob= */ true,
                                   /* follow_all= */ geteuid() != 0, on_line_changed, line);
                if (r >= 0)
                        path_chain_stay_local(line->chain);
        }
        if (r < 0)
                return r;
        for (size_t i = 0; i < l->n_lines; i++)
                mark_stale(&l->lines[i]);
        trigger_set(&t->base, job, &l->kept, l);
        l = NULL;
        return 0;
}

static void remove_job(Trigger *t, Job *job) {
        logs_free(trigger_get(t, job));
}

static bool wants_watch(const Job *job) {
        return job_may_run(job) && job->def->rare->rotate && job->def->rare->rotate->max_size != SIZE_ENDLESS;
}

/* Another definition begins anew: perhaps it is the one that mends what failed. */
static int set_job(Trigger *t, Job *job) {
        LogContext c = { .job = job->name };
        int r = 0;

        remove_job(t, job);
        if (wants_watch(job))
                r = logs_new((Rotations *)t, job);
        if (r < 0)
                log_message(LOG_ERR, &c, "The sizes of its logs (MaxSize=) cannot be watched: %s. Reload vaktd later.",
                            strerror(-r));
        return 0;
}

/* Nothing was asked for until now, and nobody heard what became of those that are full. */
static void look_at_full(JobLogs *l) {
        FOREACH_LOG(l, log) {
                if (log->is_full)
                        log_look(log);
        }
}

static void pause_changed(Trigger *t, Job *job) {
        if (trigger_get(t, job))
                look_at_full(trigger_get(t, job));
}

/* --- all of them --- */

static int rotations_init(Trigger *base) {
        Rotations *t = (Rotations *)base;

        TAILQ_INIT(&t->stale);
        TAILQ_INIT(&t->jobs);
        TAILQ_INIT(&t->due);
        return 0;
}

static int rotations_start(Trigger *t) {
        JobTable *jobs = manager_jobs(t->manager);

        for (size_t i = 0; i < job_table_size(jobs); i++)
                (void)set_job(t, job_table_at(jobs, i));
        return 0;
}

static void rotations_hold(Trigger *base, bool hold) {
        Rotations *t = (Rotations *)base;
        JobLogs *l;

        t->is_held = hold;
        TAILQ_FOREACH(l, &t->jobs, jobs)
                look_at_full(l);
}

static void rotations_done(Trigger *base) {
        Rotations *t = (Rotations *)base;
        JobLogs *l;

        while ((l = TAILQ_FIRST(&t->jobs)))
                logs_free(l);
        t->queue_source = sd_event_source_disable_unref(t->queue_source);
        t->work_source = sd_event_source_disable_unref(t->work_source);
        t->queue = event_queue_free(t->queue);
}

/* --- for people --- */

/* What everybody may hear names no files but those that the job file does. */

#define TEXT_MAX 1024

static const Log *failed_log(const Line *line) {
        for (size_t i = 0; i < line->n_items; i++)
                if (line->items[i]->n_failed > 0)
                        return line->items[i];
        return NULL;
}

static const Log *largest_log(const Line *line) {
        const Log *found = NULL;

        for (size_t i = 0; i < line->n_items; i++)
                if (line->items[i]->size != UINT64_MAX && (!found || line->items[i]->size > found->size))
                        found = line->items[i];
        return found;
}

static size_t count_unheard(const Line *line) {
        size_t n = 0;

        for (size_t i = 0; i < line->n_items; i++)
                n += line->items[i]->unheard != 0;
        return n;
}

static size_t count_refused(const Line *line) {
        size_t n = 0;

        for (size_t i = 0; i < line->n_items; i++)
                n += line->items[i]->is_refused;
        return n;
}

/* "3.1M of 10M (MaxSize=)" */
static const char *tell_size(char buf[static TEXT_MAX], const Log *log) {
        char size[SIZE_TEXT_MAX], max[SIZE_TEXT_MAX];

        (void)snprintf(buf, TEXT_MAX, "%s of %s (MaxSize=)", size_format(size, log->size),
                       size_format(max, log->line->logs->def->rare->rotate->max_size));
        return buf;
}

static void tell_failed(char buf[static TEXT_MAX], const Log *log) {
        usec_t wait = usec_sub(log->not_before, boottime_now(log->line->logs));
        char size[TEXT_MAX], span[SPAN_TEXT_MAX];

        (void)snprintf(buf, TEXT_MAX,
                       "%s has %s and %s by the last run for it. Look at the output of that run; the next one is "
                       "requested in %s.",
                       streq(log->path, log->line->pattern) ? log->path : "A log", tell_size(size, log),
                       log->must_tell ? "its writer was not told of its rotation" : "was not rotated",
                       span_format(span, wait, USEC_PER_SEC));
}

/* How a line is watched: the word for it, and the message. */
static const char *tell_line(char buf[static TEXT_MAX], const Line *line) {
        const Log *failed = failed_log(line), *largest = largest_log(line);
        size_t n_unheard = count_unheard(line), n_refused = count_refused(line);
        char size[TEXT_MAX];

        buf[0] = '\0';
        if (!line->has_started)
                return "starting";
        if (failed)
                tell_failed(buf, failed);
        else if (line->n_left_out > 0 || line->error == -E2BIG)
                (void)snprintf(buf, TEXT_MAX,
                               "There are more logs than are watched for a job (%u) or one user: the others are "
                               "rotated when the job runs. Distribute them over several jobs, or add section [Timer].",
                               LOGS_MAX);
        else if (line->error < 0)
                (void)snprintf(buf, TEXT_MAX, "Its logs cannot be looked for: %s. It is tried again each minute.",
                               strerror(-line->error));
        else if (n_refused > 0)
                (void)snprintf(buf, TEXT_MAX,
                               "%zu log%s not watched: other users could replace a directory on the way. See 'vaktctl "
                               "plan' for which.",
                               n_refused, n_refused == 1 ? " is" : "s are");
        else if (n_unheard > 0)
                (void)snprintf(buf, TEXT_MAX,
                               "The sizes of %zu log%s are sampled at least every 10s, because writes cannot be heard "
                               "of: fs.inotify.max_user_watches is too low.",
                               n_unheard, PLURAL(n_unheard));
        else if (path_chain_is_remote(line->chain))
                (void)snprintf(
                        buf, TEXT_MAX,
                        "Logs on network file systems, FUSE and automounts are not watched, because these may not "
                        "answer: they are rotated when the job runs. Add section [Timer], or [Monitor] with "
                        "When=file-size.");
        else if (path_chain_is_blind(line->chain))
                (void)snprintf(buf, TEXT_MAX,
                               "Not all directories can be watched: new logs are looked for each minute.");
        else if (!largest) {
                (void)snprintf(buf, TEXT_MAX, "there is no log yet.");
                return "waiting";
        } else {
                (void)snprintf(buf, TEXT_MAX, "%zu log%s; the largest has %s.", line->n_items, PLURAL(line->n_items),
                               tell_size(size, largest));
                return "active";
        }
        return "degraded";
}

static int list(Trigger *t, const Job *job, TriggerVisit visit, void *userdata) {
        const JobLogs *l = trigger_get(t, job);
        char message[TEXT_MAX];
        int r = 0;

        for (size_t i = 0; l && i < l->n_lines && r >= 0; i++) {
                const char *state = tell_line(message, &l->lines[i]);

                r = visit("Path", l->lines[i].pattern, state, message, userdata);
        }
        return r;
}

static int explain_log(const JobLogs *l, const char *file, size_t n, ExplainVisit visit, void *userdata) {
        char text[TEXT_MAX];

        FOREACH_LOG(l, log) {
                if (strlen(log->path) != n || memcmp(log->path, file, n) != 0 || log->size == UINT64_MAX)
                        continue;
                if (log->n_failed == 0)
                        return explain_tell(visit, userdata, "rotate", "It has %s.", tell_size(text, log));
                tell_failed(text, log);
                return visit("rotate", text, userdata);
        }
        return visit("rotate", "It is not a log of this job that is watched for MaxSize=.", userdata);
}

static int explain(Trigger *t, const Job *job, const char *file, size_t n, ExplainVisit visit, void *userdata) {
        const JobLogs *l = trigger_get(t, job);
        char message[TEXT_MAX];
        int r = 0;

        if (!job->def || !job->def->rare->rotate || job->def->rare->rotate->max_size == SIZE_ENDLESS || (file && !l))
                return 0;
        if (file)
                r = explain_log(l, file, n, visit, userdata);
        for (size_t i = 0; l && !file && i < l->n_lines && r >= 0; i++) {
                const char *state = tell_line(message, &l->lines[i]);

                r = explain_tell(visit, userdata, "rotate", "Path=%s is %s%s%s", l->lines[i].pattern, state,
                                 isempty(message) ? "." : ": ", message);
        }
        return r < 0 ? r : 1;
}

static int count(Trigger *t, const Job *job, CounterVisit visit, void *userdata) {
        const JobLogs *l = trigger_get(t, job);
        int r = 0;

        if (l)
                r = visit("logs", l->n_logs, userdata);
        return l && r >= 0 ? visit("looks", l->n_looks, userdata) : r;
}

const TriggerOps rotate_trigger_ops = {
        .size = sizeof(Rotations),
        .init = rotations_init,
        .done = rotations_done,
        .start = rotations_start,
        .hold = rotations_hold,
        .set_job = set_job,
        .remove_job = remove_job,
        .pause_changed = pause_changed,
        .run_started = run_started,
        .run_ended = run_ended,
        .explain = explain,
        .list = list,
        .count = count,
};
