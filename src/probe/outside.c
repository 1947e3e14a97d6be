/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The processes, and the queues of questions for them.
 *
 * What a file system answers at once, if at all, is asked together: one message, and one wake-up of either side, for
 * all that is due. If there is no answer soon, each of these questions is asked alone. Then it is known which one
 * hangs: that one is never asked with others again.
 *
 * A process that was given up stays in the list until the kernel says that it has ended, and that is all that is known
 * about how it hangs: one that was killed in the middle of an NFS server's silence ends at once, one that a FUSE
 * server owes an answer does so when that server is gone. */

#include "probe/outside.h"

#include <assert.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/pidfd.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "probe/outside-protocol.h"
#include "probe/path-answer.h"
#include "time/span.h"
#include "util/escape.h"
#include "util/nofile.h"
#include "util/spawn-process.h"
#include "util/strv.h"
#include "util/turn.h"

#define STUCK_USEC USEC_PER_SEC /* how long a process that can be killed takes at most to end */

typedef struct Worker {
        Outside *outside;
        int pid_fd, fd;
        sd_event_source *answer_source, *end_source;
        bool as_nobody, is_given_up;
        bool asks_silent; /* a question that was not answered last time */
        bool is_busy;
        bool executes; /* a program, or has done so last */
        /* Which it asks, or hangs on; NULL: nobody wants to know any more. */
        Inquiry *inquiries[OUTSIDE_BATCH_MAX];
        unsigned n_inquiries;
        usec_t since; /* µs of CLOCK_MONOTONIC: it asks, is idle, is given up */
        TAILQ_ENTRY(Worker) workers;
} Worker;

TAILQ_HEAD(InquiryQueue, Inquiry);

struct Inquiry {
        Outside *outside;
        const Question *question;
        usec_t span;
        InquiryAnswered answered;
        void *userdata;
        struct InquiryQueue *queue; /* in which it waits, or NULL */
        Worker *worker;
        unsigned position; /* in its inquiries */
        bool is_alone;     /* next time: it was among others that were not answered */
        bool has_hung;
        bool has_answered;   /* the last time */
        unsigned n_silent;   /* times in a row without an answer, */
        usec_t silent_since; /* the first of which was asked then, */
        usec_t retry;        /* and the next will not be before. µs of CLOCK_MONOTONIC */
        TAILQ_ENTRY(Inquiry) queued;
};

struct Outside {
        sd_event *event;
        char *path;     /* of the program */
        int program_fd; /* O_PATH: one version as long as we live; or a negative errno */
        char program[sizeof("/proc/self/fd/") + 11];
        char **environment;
        bool as_nobody;               /* programs */
        TAILQ_HEAD(, Worker) workers; /* the one that was used last is the first */
        unsigned n_workers, n_stuck, n_silent, n_batches;
        struct InquiryQueue queue, quick_queue, silent_queue;
        sd_event_source *turn, *timer;
        char *reason;
};

static usec_t now_monotonic(const Outside *o) {
        usec_t now = 0;

        (void)sd_event_now(o->event, CLOCK_MONOTONIC, &now);
        return now;
}

/* --- reasons --- */

/* Of questions and of vakt-probe, which executes other people's programs: made harmless. */
_printf_(2, 3) static Reading unknown(Outside *o, const char *format, ...) {
        char text[OUTSIDE_REASON];
        va_list ap;

        va_start(ap, format);
        (void)vsnprintf(text, sizeof(text), format, ap);
        va_end(ap);
        free(o->reason);
        o->reason = escape_text(text, strlen(text), /* keep_lines= */ false);
        return (Reading){ .reason = o->reason ?: "There is not enough memory to say why." };
}

static const char *inquiry_name(const Inquiry *i) {
        return i->question->kind == CONDITION_JOURNAL_MATCHES ? "The journal" : i->question->subject;
}

static Reading unknown_silent(const Inquiry *i) {
        usec_t elapsed = usec_sub(now_monotonic(i->outside), i->silent_since);
        bool is_program = i->question->kind == CONDITION_EXEC;
        char span[SPAN_TEXT_MAX];

        (void)span_format(span, is_program ? OUTSIDE_LIMIT_USEC : elapsed, USEC_PER_SEC);
        return unknown(i->outside, is_program ? "%s does not end within %s." : "%s does not answer for %s.",
                       inquiry_name(i), span);
}

static Reading unknown_refused(const Inquiry *i) {
        return unknown(i->outside, "%s is not asked: %u other questions hang.", inquiry_name(i), i->outside->n_stuck);
}

/* --- processes --- */

/* Nobody is left to ask, and nobody knows for how long. */
static bool outside_is_stuck(const Outside *o) {
        return o->n_stuck >= OUTSIDE_BUSY_MAX + OUTSIDE_STUCK_MAX;
}

/* A process may have to be looked at then. */
static usec_t worker_limit(const Worker *w) {
        usec_t span = !w->is_busy          ? OUTSIDE_IDLE_USEC
                      : w->n_inquiries > 1 ? OUTSIDE_BATCH_LIMIT_USEC
                                           : OUTSIDE_LIMIT_USEC;

        return w->is_given_up ? USEC_INFINITY : usec_add(w->since, span);
}

static void outside_arm(Outside *o) {
        usec_t next = USEC_INFINITY;
        const Worker *w;

        TAILQ_FOREACH(w, &o->workers, workers)
                next = MIN(next, worker_limit(w));
        if (next != USEC_INFINITY)
                (void)sd_event_source_set_time(o->timer, next);
        (void)sd_event_source_set_enabled(o->timer, next == USEC_INFINITY ? SD_EVENT_OFF : SD_EVENT_ONESHOT);
}

/* It does not ask any more. */
static void worker_rest(Worker *w) {
        w->outside->n_silent -= w->is_busy && w->asks_silent;
        w->outside->n_batches -= w->is_busy && w->n_inquiries > 1;
        w->is_busy = false;
}

static Inquiry *worker_take(Worker *w, unsigned i) {
        Inquiry *inquiry = TAKE_PTR(w->inquiries[i]);

        if (inquiry)
                inquiry->worker = NULL;
        return inquiry;
}

static void worker_free(Worker *w) {
        Outside *o = w->outside;

        for (unsigned i = 0; i < w->n_inquiries; i++)
                (void)worker_take(w, i);
        worker_rest(w);
        TAILQ_REMOVE(&o->workers, w, workers);
        o->n_workers--;
        o->n_stuck -= w->is_given_up;
        sd_event_source_disable_unref(w->answer_source);
        sd_event_source_disable_unref(w->end_source);
        safe_close(w->fd);
        safe_close(w->pid_fd);
        free(w);
        outside_arm(o);
}

/* One that executes a program ends it, and itself, when its socket is closed. It may be another user's, too. */
static void worker_end(Worker *w) {
        w->answer_source = sd_event_source_disable_unref(w->answer_source);
        w->fd = safe_close(w->fd);
        if (!w->executes && w->pid_fd >= 0)
                (void)pidfd_send_signal(w->pid_fd, SIGKILL, NULL, 0);
}

static void worker_give_up(Worker *w) {
        Outside *o = w->outside;

        assert(!w->is_given_up);
        w->is_given_up = true;
        o->n_stuck++;
        worker_rest(w);
        w->since = now_monotonic(o);
        worker_end(w);
        outside_arm(o);
        (void)sd_event_source_set_enabled(o->turn, SD_EVENT_ON);
}

/* The end of a question, whatever it is: nobody touches the inquiry after that. */
static void inquiry_finish(Inquiry *i, const Reading *r) {
        i->answered(i->userdata, r);
}

static void inquiry_add_silence(Inquiry *i, usec_t asked) {
        usec_t delay = OUTSIDE_DELAY_MAX;

        i->has_hung = true;
        if (i->n_silent++ == 0)
                i->silent_since = asked;
        if (i->n_silent < 8)
                delay = MIN(OUTSIDE_DELAY_MIN << (i->n_silent - 1), OUTSIDE_DELAY_MAX);
        i->has_answered = false;
        i->retry = usec_add(now_monotonic(i->outside), delay);
}

static void inquiry_enter(Inquiry *i, struct InquiryQueue *queue) {
        i->queue = queue;
        TAILQ_INSERT_TAIL(queue, i, queued);
        (void)sd_event_source_set_enabled(i->outside->turn, SD_EVENT_ON);
}

/* Nobody knows which of several questions was one too many. */
static void worker_ask_each_alone(Worker *w) {
        for (unsigned k = 0; k < w->n_inquiries; k++) {
                Inquiry *i = worker_take(w, k);

                if (!i)
                        continue;
                i->is_alone = true;
                inquiry_enter(i, &i->outside->queue);
        }
        w->n_inquiries = 0;
}

/* The process is no more use; nor is its answer. Takes care of who asked. */
static void worker_fail(Worker *w, const Reading *r) {
        Inquiry *i;

        if (!w->is_given_up)
                worker_give_up(w);
        if (w->n_inquiries > 1) {
                worker_ask_each_alone(w);
                return;
        }
        i = worker_take(w, 0);
        if (!i)
                return;
        i->has_answered = false;
        inquiry_finish(i, r);
}

static void worker_time_out(Worker *w) {
        Inquiry *i = w->inquiries[0];
        Reading r;

        if (i && w->n_inquiries == 1)
                inquiry_add_silence(i, w->since);
        worker_give_up(w);
        if (w->n_inquiries > 1)
                worker_ask_each_alone(w);
        else if (i) {
                r = unknown_silent(i); /* it stays with the process, until that has ended */
                inquiry_finish(i, &r);
        }
}

static void inquiry_take_answer(Inquiry *i, OutsideAnswer *answer) {
        Reading r = { .is_known = answer->is_known, .value = answer->value, .whole = answer->whole };

        i->has_answered = true;
        i->is_alone = false;
        i->n_silent = 0;
        answer->reason[sizeof(answer->reason) - 1] = '\0';
        if (!r.is_known)
                r = unknown(i->outside, "%s", answer->reason);
        inquiry_finish(i, &r);
}

static void worker_answer(Worker *w, OutsideAnswers *answers) {
        Outside *o = w->outside;

        worker_rest(w);
        w->since = now_monotonic(o);
        outside_arm(o);
        if (!TAILQ_EMPTY(&o->queue) || !TAILQ_EMPTY(&o->quick_queue) || !TAILQ_EMPTY(&o->silent_queue))
                (void)sd_event_source_set_enabled(o->turn, SD_EVENT_ON);
        for (unsigned k = 0; k < w->n_inquiries; k++) {
                Inquiry *i = worker_take(w, k); /* who is told may free another one */

                if (i)
                        inquiry_take_answer(i, &answers->items[k]);
        }
}

static int on_answer(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Worker *w = userdata;
        OutsideAnswers answers;
        ssize_t n;

        n = recv(fd, &answers, sizeof(answers), MSG_TRUNC | MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return 0;
        if (w->is_busy && n == (ssize_t)outside_answers_size(w->n_inquiries) && answers.mark == OUTSIDE_MARK &&
            answers.n_items == w->n_inquiries) {
                worker_answer(w, &answers);
                return 0;
        }
        if (n == 0 || n == -1) /* how it ended is told by on_end() */
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        else {
                Reading r = unknown(w->outside, "vakt-probe does not answer as it should.");

                worker_fail(w, &r);
        }
        return 0;
}

static int on_end(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Worker *w = userdata;
        Outside *o = w->outside;
        siginfo_t si = {};

        (void)waitid(P_PIDFD, (id_t)fd, &si, WEXITED | WNOHANG);
        if (!w->is_given_up && w->is_busy) {
                Reading r = unknown(o, "vakt-probe has ended (%s %d) before it answered.",
                                    si.si_code == CLD_EXITED ? "exit status" : "signal", si.si_status);

                worker_fail(w, &r);
        }
        /* It hung, and does not any more. */
        if (w->inquiries[0] && usec_sub(now_monotonic(o), w->since) > STUCK_USEC)
                w->inquiries[0]->retry = 0;
        worker_free(w);
        (void)sd_event_source_set_enabled(o->turn, SD_EVENT_ON);
        return 0;
}

/* --- starting them --- */

static int worker_spawn(Worker *w) {
        char *const argv[] = { (char *)"vakt-probe", w->as_nobody ? (char *)OUTSIDE_AS_NOBODY : NULL, NULL };
        _cleanup_close_ int null_fd = -EBADF, theirs = -EBADF;
        int fds[2], r;
        pid_t pid;

        if (w->outside->program_fd < 0)
                return w->outside->program_fd;
        null_fd = open("/dev/null", O_RDWR | O_CLOEXEC | O_NOCTTY);
        if (null_fd < 0 || socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, fds) < 0)
                return -errno;
        w->fd = fds[0];
        theirs = fds[1];
        r = spawn_process(
                &(SpawnRequest){
                        .program = w->outside->program,
                        .argv = argv,
                        .envp = w->outside->environment,
                        .fds = (const int[]){ null_fd, null_fd, STDERR_FILENO, [OUTSIDE_SOCKET_FD] = theirs },
                        .n_fds = OUTSIDE_SOCKET_FD + 1,
                        .directory = "/",
                        .cgroup_fd = -EBADF,
                        .nofile = nofile_limit_original(),
                },
                &pid, &w->pid_fd);
        if (r < 0 || w->pid_fd >= 0)
                return r;
        (void)kill(pid, SIGKILL);
        (void)waitpid(pid, NULL, 0); /* nobody else will */
        return -EOPNOTSUPP;
}

static int worker_add_sources(Worker *w) {
        sd_event *event = w->outside->event;
        int r;

        r = sd_event_add_io(event, &w->answer_source, w->fd, EPOLLIN, on_answer, w);
        if (r >= 0)
                r = sd_event_add_io(event, &w->end_source, w->pid_fd, EPOLLIN, on_end, w);
        if (r < 0)
                return r;
        (void)sd_event_source_set_description(w->answer_source, "vakt-probe-answer");
        (void)sd_event_source_set_description(w->end_source, "vakt-probe-end");
        /* What it had to say before it ended counts. */
        return sd_event_source_set_priority(w->end_source, SD_EVENT_PRIORITY_NORMAL + 1);
}

static int worker_new(Outside *o, bool as_nobody, Worker **ret) {
        Worker *w = malloc(sizeof(*w));
        int r;

        if (!w)
                return -ENOMEM;
        *w = (Worker){ .outside = o, .pid_fd = -EBADF, .fd = -EBADF, .as_nobody = as_nobody };
        TAILQ_INSERT_HEAD(&o->workers, w, workers);
        o->n_workers++;
        r = worker_spawn(w);
        if (r >= 0)
                r = worker_add_sources(w);
        if (r < 0) {
                worker_end(w);
                worker_free(w);
                return r;
        }
        *ret = w;
        return 0;
}

static Worker *find_idle(const Outside *o, const bool *as_nobody) {
        Worker *w;

        TAILQ_FOREACH(w, &o->workers, workers)
                if (!w->is_busy && !w->is_given_up && (!as_nobody || w->as_nobody == *as_nobody))
                        return w;
        return NULL;
}

/* 0 and one that has nothing to do; -EBUSY: later. */
static int outside_get_worker(Outside *o, bool as_nobody, Worker **ret) {
        Worker *w = find_idle(o, &as_nobody);

        if (w) {
                *ret = w;
                return 0;
        }
        if (o->n_workers - o->n_stuck >= OUTSIDE_BUSY_MAX || o->n_workers >= OUTSIDE_BUSY_MAX + OUTSIDE_STUCK_MAX) {
                w = find_idle(o, NULL); /* of the other sort: it makes room */
                if (w)
                        worker_give_up(w);
                return -EBUSY;
        }
        return worker_new(o, as_nobody, ret);
}

/* --- asking --- */

static void inquiry_leave_queue(Inquiry *i) {
        if (i->queue)
                TAILQ_REMOVE(i->queue, i, queued);
        i->queue = NULL;
}

static bool inquiry_is_quick(const Inquiry *i) {
        return path_answers(i->question->kind) && !i->is_alone && !i->has_hung;
}

/* False: there is no room for it. */
static bool questions_add(OutsideQuestions *q, const Inquiry *i, size_t *n_texts) {
        size_t n = strlen(i->question->subject) + 1;
        ConditionKind kind = i->question->kind;

        if (q->n_items == OUTSIDE_BATCH_MAX || *n_texts + n > sizeof(q->texts))
                return false;
        q->items[q->n_items++] = (OutsideItem){
                .kind = kind == CONDITION_DISK_FULL_IN ? CONDITION_DISK_FREE : kind,
                .at = (uint32_t)*n_texts,
                .span = i->span,
        };
        memcpy(q->texts + *n_texts, i->question->subject, n);
        *n_texts += n;
        return true;
}

/* Takes over the inquiry, and all that can be asked with it. If it cannot be sent, they are the worker's nevertheless.
 */
static int worker_ask(Worker *w, Inquiry *i) {
        OutsideQuestions q = { .mark = OUTSIDE_MARK, .now_realtime = turn_now(w->outside->event).realtime };
        struct InquiryQueue *queue = i->queue;
        Outside *o = w->outside;
        size_t n_texts = 0;

        w->executes = i->question->kind == CONDITION_EXEC;
        w->asks_silent = !i->has_answered && i->n_silent > 0;
        w->n_inquiries = 0;
        while (i && questions_add(&q, i, &n_texts)) {
                inquiry_leave_queue(i);
                i->worker = w;
                i->position = w->n_inquiries;
                w->inquiries[w->n_inquiries++] = i;
                i = queue == &o->quick_queue ? TAILQ_FIRST(queue) : NULL;
        }
        if (send(w->fd, &q, offsetof(OutsideQuestions, texts) + n_texts, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
                return -errno;
        w->is_busy = true;
        o->n_silent += w->asks_silent;
        o->n_batches += w->n_inquiries > 1;
        w->since = now_monotonic(o);
        TAILQ_REMOVE(&o->workers, w, workers);
        TAILQ_INSERT_HEAD(&o->workers, w, workers);
        outside_arm(o);
        return 0;
}

/* -EBUSY: there is nobody to ask it now. */
static int inquiry_start(Inquiry *i) {
        Outside *o = i->outside;
        Worker *w = NULL;
        Reading reading;
        int r;

        r = outside_get_worker(o, o->as_nobody && i->question->kind == CONDITION_EXEC, &w);
        if (r == -EBUSY)
                return r;
        if (r >= 0) {
                r = worker_ask(w, i);
                if (r >= 0)
                        return 0;
        }
        inquiry_leave_queue(i);
        reading = unknown(o, "Cannot execute %s: %s.", o->path, strerror(-r));
        if (w)
                worker_fail(w, &reading);
        else
                inquiry_finish(i, &reading);
        return 0;
}

static void inquiry_refuse(Inquiry *i) {
        Reading r = unknown_refused(i);

        inquiry_leave_queue(i);
        inquiry_finish(i, &r);
}

static int on_turn(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Outside *o = userdata;
        Inquiry *i = TAILQ_FIRST(&o->queue);

        if (!i && o->n_batches == 0) /* what comes while others are asked will be asked together, too */
                i = TAILQ_FIRST(&o->quick_queue);
        if (o->n_silent < OUTSIDE_SILENT_MAX && !TAILQ_EMPTY(&o->silent_queue))
                i = TAILQ_FIRST(&o->silent_queue);
        if (i && outside_is_stuck(o))
                inquiry_refuse(i);
        else if (!i || inquiry_start(i) == -EBUSY)
                (void)sd_event_source_set_enabled(s, SD_EVENT_OFF);
        return 0;
}

static int on_timer(sd_event_source *s, uint64_t usec, void *userdata) {
        Outside *o = userdata;
        usec_t now = now_monotonic(o);
        Worker *w;

        TAILQ_FOREACH(w, &o->workers, workers) {
                if (worker_limit(w) > now)
                        continue;
                if (w->is_busy)
                        worker_time_out(w);
                else
                        worker_give_up(w);
                break; /* who was told may have changed the list */
        }
        (void)sd_event_source_set_enabled(o->turn, SD_EVENT_ON);
        outside_arm(o);
        return 0;
}

int inquiry_ask(Inquiry *i, Reading *ret) {
        Outside *o = i->outside;

        assert(!i->queue && (!i->worker || i->worker->is_given_up));
        if (i->n_silent > 0 && (i->worker || now_monotonic(o) < i->retry)) {
                *ret = unknown_silent(i);
                return INQUIRY_REFUSED;
        }
        if (outside_is_stuck(o) || (!i->has_answered && o->n_stuck >= OUTSIDE_STUCK_MAX)) {
                *ret = unknown_refused(i);
                return INQUIRY_REFUSED;
        }
        inquiry_enter(i, i->n_silent > 0 ? &o->silent_queue : inquiry_is_quick(i) ? &o->quick_queue : &o->queue);
        return INQUIRY_ASKED;
}

int inquiry_new(Inquiry **ret, Outside *o, const Question *q, InquiryAnswered answered, void *userdata) {
        usec_t span = 0;
        Inquiry *i;
        int r;

        assert(q->subject && strlen(q->subject) < CONDITION_TEXT_MAX);
        if (q->kind == CONDITION_JOURNAL_MATCHES) {
                r = span_parse(strempty(q->aspect), &span);
                if (r < 0)
                        return -EINVAL;
        }
        i = malloc(sizeof(*i));
        if (!i)
                return -ENOMEM;
        *i = (Inquiry){ .outside = o, .question = q, .span = span, .answered = answered, .userdata = userdata };
        *ret = i;
        return 0;
}

Inquiry *inquiry_free(Inquiry *i) {
        if (!i)
                return NULL;
        inquiry_leave_queue(i);
        if (i->worker)
                i->worker->inquiries[i->position] = NULL;
        return mfree(i);
}

/* --- life --- */

/* Of the daemon's environment, what belongs to the user is left to programs; what belongs to the daemon is not. */
static int set_environment(Outside *o) {
        static const char *const names[] = {
                "HOME", "LANG", "LOGNAME", "USER", "XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS"
        };
        int r = strv_extend(&o->environment, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");

        for (size_t i = 0; r >= 0 && !o->as_nobody && i < ELEMENTSOF(names); i++) {
                const char *value = getenv(names[i]);

                if (value)
                        r = strv_extendf(&o->environment, "%s=%s", names[i], value);
        }
        return r;
}

static int open_program(Outside *o, const char *program_dir) {
        if (asprintf(&o->path, "%s/vakt-probe", program_dir) < 0) {
                o->path = NULL;
                return -ENOMEM;
        }
        o->program_fd = open(o->path, O_PATH | O_CLOEXEC);
        if (o->program_fd < 0)
                o->program_fd = -errno;
        (void)snprintf(o->program, sizeof(o->program), "/proc/self/fd/%d", o->program_fd);
        return 0;
}

int outside_new(Outside **ret, sd_event *event, const OutsideOptions *options) {
        _cleanup_(outside_freep) Outside *o = NULL;
        int r;

        o = malloc(sizeof(*o));
        if (!o)
                return -ENOMEM;
        *o = (Outside){
                .event = sd_event_ref(event),
                .program_fd = -EBADF,
                .as_nobody = !options->user_instance && geteuid() == 0,
        };
        TAILQ_INIT(&o->workers);
        TAILQ_INIT(&o->queue);
        TAILQ_INIT(&o->quick_queue);
        TAILQ_INIT(&o->silent_queue);
        r = open_program(o, options->program_dir);
        if (r >= 0)
                r = set_environment(o);
        if (r >= 0)
                r = event_add_turn(event, &o->turn, "outside", on_turn, o);
        if (r >= 0)
                r = event_add_timer(event, &o->timer, "outside-limit", CLOCK_MONOTONIC, USEC_PER_SEC / 4, on_timer, o);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(o);
        return 0;
}

Outside *outside_free(Outside *o) {
        Worker *w;

        if (!o)
                return NULL;
        assert(TAILQ_EMPTY(&o->queue) && TAILQ_EMPTY(&o->quick_queue) && TAILQ_EMPTY(&o->silent_queue));
        while ((w = TAILQ_FIRST(&o->workers))) {
                worker_end(w);
                (void)waitid(P_PIDFD, (id_t)w->pid_fd, NULL, WEXITED | WNOHANG);
                worker_free(w);
        }
        sd_event_source_disable_unref(o->turn);
        sd_event_source_disable_unref(o->timer);
        sd_event_unref(o->event);
        safe_close(o->program_fd);
        free(o->path);
        strv_free(o->environment);
        free(o->reason);
        return mfree(o);
}

unsigned outside_count(const Outside *o, unsigned *ret_stuck) {
        *ret_stuck = o->n_stuck;
        return o->n_workers;
}
