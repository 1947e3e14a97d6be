/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The connection to a runner. What is to be sent is no queue of messages: it is the runs that wait, those that are to
 * be stopped, and the entries that are acknowledged, and is sent when there is room.
 *
 * The runner may be anything by now, as it runs as the user of the job. It can lie about its own runs; for anything
 * else that cannot be, it loses its connection and its unit is stopped. */

#include <signal.h>
#include <stdalign.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include "exec/notify-message.h"
#include "exec/output.h"
#include "exec/start-diagnosis.h"
#include "exec/warm-internal.h"
#include "util/log.h"

#define MESSAGES_PER_TURN 16
#define ACKS_MAX          256
#define ACKS_AT_ONCE      64 /* are waited for: there are entries enough, and a message wakes the runner */
#define FDS_MAX           3
#define ERRNO_END         4096
#define HELD_USEC         (10 * USEC_PER_SEC) /* for the end of a runner, beyond that of its other runs */

#define REASON_STOPPED "Its unit was stopped, but not by vaktd."
#define REASON_OOM     "It was killed because it ran out of memory (see MemoryMax=)."

/* --- out --- */

/* -EAGAIN: there is no room. The descriptors stay ours. */
static int runner_send(Runner *r, struct iovec *parts, size_t n_parts, const int *fds, size_t n_fds) {
        alignas(struct cmsghdr) char control[CMSG_SPACE(FDS_MAX * sizeof(int))] = {};
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = n_parts };

        if (n_fds > 0) {
                struct cmsghdr *c;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n_fds * sizeof(int));
                c = CMSG_FIRSTHDR(&message);
                c->cmsg_level = SOL_SOCKET;
                c->cmsg_type = SCM_RIGHTS;
                c->cmsg_len = CMSG_LEN(n_fds * sizeof(int));
                memcpy(CMSG_DATA(c), fds, n_fds * sizeof(int));
        }
        return sendmsg(r->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int send_plain(Runner *r, const void *bytes, size_t n) {
        struct iovec part = { .iov_base = (void *)bytes, .iov_len = n };

        return runner_send(r, &part, 1, NULL, 0);
}

static int send_hello(Runner *r) {
        UnitExecutor *e = r->executor;
        RunnerHello hello = {
                .header.kind = RUNNER_HELLO,
                .version = RUNNER_VERSION,
                .idle = r->is_retired ? USEC_PER_MINUTE : MAX(r->def->rare->runner.idle, USEC_PER_MINUTE),
        };
        struct iovec part = { .iov_base = &hello, .iov_len = sizeof(hello) };
        _cleanup_close_ int table = runner_open_table(&e->warm, r->number, /* make= */ true), setup = -EBADF,
                            journal = -EBADF;
        int fds[FDS_MAX];

        if (table < 0)
                return table;
        setup = r->def ? runner_write_setup(r->def) : runner_write_any_setup(r->by_job.name);
        if (setup < 0)
                return setup;
        journal = journal_connect(); /* without it the lines go to where the unit's go */
        hello.has_journal = journal >= 0;
        fds[0] = table;
        fds[1] = setup;
        fds[2] = journal;
        return runner_send(r, &part, 1, fds, 2 + (size_t)hello.has_journal);
}

static int send_run(Runner *r, WarmRun *x) {
        const WarmOrder *o = x->order;
        RunnerRun run = {
                .header.kind = RUNNER_RUN,
                .run = x->run,
                .entry = x->entry,
                .flags = o->flags,
                .timeout = o->timeout,
                .variables_size = o->size,
        };
        struct iovec parts[] = {
                { .iov_base = &run, .iov_len = sizeof(run) },
                { .iov_base = (void *)o->variables, .iov_len = o->size },
        };
        _cleanup_close_ int variables = -EBADF;
        int fds[FDS_MAX];
        size_t n_fds = 0;

        if (o->list >= 0)
                fds[n_fds++] = o->list;
        if (o->size > RUNNER_MESSAGE_MAX - sizeof(run)) {
                variables = memory_file_write("vakt-variables", o->variables, o->size);
                if (variables < 0)
                        return variables;
                fds[n_fds++] = variables;
                run.flags |= RUNNER_HAS_VARIABLES;
                run.variables_size = 0;
                parts[1].iov_len = 0;
        }
        return runner_send(r, parts, 2, fds, n_fds);
}

/* The lowest entry that is free; one that was acknowledged is free for us once that was sent. */
static int send_next_run(Runner *r) {
        WarmRun *x = TAILQ_FIRST(&r->waiting);
        uint32_t i = r->free > 0 ? r->free - 1 : (uint32_t)r->n_slots;
        int k;

        if (i >= RUNNER_ENTRIES)
                return -ENOBUFS; /* goes on with the next acknowledgement */
        x->entry = i;
        k = send_run(r, x);
        if (k < 0)
                return k;
        if (!runner_take_slot(r, i, x->run, x))
                return -ENOMEM;
        x->state = WARM_SENT;
        if (x->order->timeout < USEC_INFINITY)
                runner_bound(x, x->order->timeout);
        x->order = warm_order_free(x->order);
        warm_run_enqueue(x, NULL);
        return 0;
}

static int send_next_stop(Runner *r) {
        WarmRun *x = TAILQ_FIRST(&r->stops);
        const RunnerStop stop = {
                .header.kind = RUNNER_STOP,
                .run = x->run,
                .entry = x->entry,
                .result = x->stop_result,
        };
        int k = send_plain(r, &stop, sizeof(stop));

        if (k >= 0)
                warm_run_enqueue(x, NULL);
        return k;
}

static int send_acks(Runner *r) {
        struct {
                RunnerHeader header;
                RunnerAck acks[ACKS_MAX];
        } m = { .header.kind = RUNNER_ACK };
        uint32_t n = 0, i;
        int k;

        for (i = r->acks; i > 0 && n < ACKS_MAX; i = r->slots[i - 1].next)
                m.acks[n++] = (RunnerAck){ .run = r->slots[i - 1].run, .entry = i - 1 };
        k = send_plain(r, &m, sizeof(m.header) + n * sizeof(RunnerAck));
        if (k < 0)
                return k;
        while (r->acks != i) {
                RunnerSlot *slot = &r->slots[r->acks - 1];
                uint32_t next = slot->next;

                *slot = (RunnerSlot){ .last = slot->run, .next = r->free };
                r->free = r->acks;
                r->acks = next;
                r->n_acks--;
                r->n_used--;
        }
        return 0;
}

static int send_exit(Runner *r) {
        const RunnerHeader m = { .kind = RUNNER_EXIT };
        int k = send_plain(r, &m, sizeof(m));

        if (k >= 0)
                r->is_told_to_exit = true;
        return k;
}

/* One message; 0: nothing is to be sent. */
static int send_something(Runner *r) {
        int k;

        if (r->n_acks >= ACKS_AT_ONCE || (r->acks > 0 && (r->is_retired || r->n_active == 0)))
                k = send_acks(r);
        else if (!TAILQ_EMPTY(&r->stops))
                k = send_next_stop(r);
        else if (!TAILQ_EMPTY(&r->waiting))
                k = send_next_run(r);
        else if (r->is_retired && !r->is_told_to_exit && r->n_promised == 0 && r->is_greeted)
                k = send_exit(r);
        else
                return 0;
        return k < 0 ? k : 1;
}

void runner_flush(Runner *r) {
        int k;

        if (r->life != RUNNER_CONNECTED)
                return;
        do
                k = send_something(r);
        while (k > 0);
        if (k == -EPIPE || k == -ECONNRESET)
                runner_break(r, /* problem= */ NULL);
        else if (k < 0 && k != -EAGAIN && k != -ENOBUFS)
                runner_break(r, strerror(-k));
        else
                (void)sd_event_source_set_io_events(r->source, EPOLLIN | (k == -EAGAIN ? EPOLLOUT : 0U));
}

/* --- what became of a run --- */

/* By result, the codes that there may be: least <= code < end. */
static const struct {
        int least, end;
} possible_codes[_RUN_RESULT_MAX] = {
        [RUN_RESULT_SUCCESS] = { 0, 1 },
        [RUN_RESULT_EXIT] = { 1, UINT8_MAX + 1 },
        [RUN_RESULT_SIGNAL] = { 1, _NSIG },
        [RUN_RESULT_TIMEOUT] = { 0, _NSIG },
        [RUN_RESULT_OOM] = { 1, _NSIG },
        [RUN_RESULT_CANCELLED] = { 0, _NSIG },
        [RUN_RESULT_START_FAILED] = { 1, ERRNO_END },
};

static void tell_started(WarmRun *x, const RunnerEntry *entry) {
        Runner *r = x->runner;
        const ExecIdentity identity = { .pid = (pid_t)entry->pid, .unit = r->unit };

        if (x->state < WARM_RUNNING)
                x->state = WARM_RUNNING;
        r->is_useful = true;
        if (x->is_told && entry->command <= x->told_command) /* each is written down */
                return;
        x->is_told = true;
        x->told_command = entry->command;
        r->executor->callbacks.started(x->cookie, &identity);
}

/* Times as the run's user says: before it was begun, of the future, and in the wrong order, they are none. */
static void read_outcome(const WarmRun *x, const RunnerEntry *entry, ExecOutcome *ret) {
        bool is_possible =
                x->begun <= entry->started && entry->started <= entry->ended && entry->ended <= now_realtime();

        *ret = (ExecOutcome){
                .result = (RunResult)entry->result,
                .code = entry->code,
                .started = is_possible ? entry->started : 0,
                .ended = is_possible ? entry->ended : 0,
                .cpu = entry->cpu,
                .memory_peak = entry->memory_peak,
        };
}

static const char *reason_of(const WarmRun *x, const RunnerEntry *entry, char buffer[static UNIT_REASON_MAX]) {
        const CommandDef *c = x->def && entry->command < x->def->n_commands ? &x->def->commands[entry->command] : NULL;
        char diagnosis[DIAGNOSIS_MAX];

        if (entry->result == RUN_RESULT_OOM)
                return REASON_OOM;
        if (entry->result != RUN_RESULT_START_FAILED)
                return NULL;
        if (x->def && x->def->n_commands == 1 && diagnose_programs(x->def, diagnosis) == entry->code)
                (void)snprintf(buffer, UNIT_REASON_MAX, "The program of Exec= could not be executed: %s.", diagnosis);
        else
                (void)snprintf(buffer, UNIT_REASON_MAX, "The program of Exec= could not be executed%s%s: %s.",
                               c ? ": " : "", c ? c->path : "", strerror(entry->code));
        return buffer;
}

const char *runner_loss(const Runner *r, const ExecOutcome *unit, char buffer[static UNIT_REASON_MAX]) {
        if (r->problem)
                (void)snprintf(buffer, UNIT_REASON_MAX, "vaktd stopped its runner: %s.", r->problem);
        else if (unit->result == RUN_RESULT_LOST && unit->reason)
                return unit->reason;
        else if (unit->result == RUN_RESULT_SIGNAL)
                (void)snprintf(buffer, UNIT_REASON_MAX,
                               "Its runner was killed by SIG%s while it was active. Its result is not known.",
                               strempty(sigabbrev_np(unit->code)));
        else
                return "Its runner ended while it was active. Its result is not known.";
        return buffer;
}

/* unit: how the runner ended, or NULL: it has not. A run that the runner ended without our word was ended together
 * with the runner. */
static void run_ended(WarmRun *x, const RunnerEntry *entry, const ExecOutcome *unit) {
        char buffer[UNIT_REASON_MAX];
        const char *reason;
        ExecOutcome outcome;

        if (x->state == WARM_OVER)
                return;
        if (!x->is_told && entry->result != RUN_RESULT_START_FAILED)
                x->untold = (pid_t)entry->pid;
        x->runner->is_useful = true;
        read_outcome(x, entry, &outcome);
        reason = reason_of(x, entry, buffer);
        if (outcome.result == RUN_RESULT_CANCELLED && x->stop_result == RUN_RESULT_NONE) {
                if (!unit) {
                        x->state = WARM_HELD;
                        x->runner->is_retired = true;
                        x->deadline = USEC_INFINITY;
                        runner_bound(x, HELD_USEC);
                        return;
                }
                reason = REASON_STOPPED;
                if (x->runner->problem || unit->result == RUN_RESULT_LOST) {
                        outcome.result = RUN_RESULT_LOST;
                        reason = runner_loss(x->runner, unit, buffer);
                }
        }
        warm_run_end(x, &outcome, reason);
}

/* It was started, and nobody knows how it ended. */
void warm_run_lost(WarmRun *x, const ExecOutcome *unit) {
        ExecOutcome outcome = EXEC_OUTCOME_INIT;
        char buffer[UNIT_REASON_MAX];

        outcome.result = unit->result == RUN_RESULT_OOM      ? RUN_RESULT_OOM
                         : x->stop_result != RUN_RESULT_NONE ? x->stop_result
                                                             : RUN_RESULT_LOST;
        warm_run_end(x, &outcome,
                     outcome.result == RUN_RESULT_OOM    ? REASON_OOM
                     : outcome.result == RUN_RESULT_LOST ? runner_loss(x->runner, unit, buffer)
                                                         : NULL);
}

static WarmRun *find_unsure(const Runner *r, uint64_t run) {
        WarmRun *x;

        TAILQ_FOREACH(x, &r->runs, of_runner)
                if (x->run == run && x->state == WARM_UNSURE)
                        return x;
        return NULL;
}

/* An entry that an earlier daemon gave out; of a run that is not live its end was written. NULL: it is of no use. */
static RunnerSlot *adopt_slot(Runner *r, const RunnerEntry *entry) {
        WarmRun *x = find_unsure(r, entry->run);
        RunnerSlot *slot;

        if (!x && entry->state != RUNNER_RUN_ENDED)
                return NULL;
        slot = runner_take_slot(r, entry->entry, entry->run, x);
        if (slot && x)
                x->state = WARM_SENT;
        if (!slot || x)
                return slot;
        slot->state = entry->state;
        runner_tell_slot(r, entry->entry);
        return slot;
}

static bool entry_is_possible(const RunnerEntry *entry) {
        return entry->entry < RUNNER_ENTRIES && entry->run > 0 && entry->state > RUNNER_RUN_FREE &&
               entry->state <= RUNNER_RUN_ENDED &&
               (entry->state != RUNNER_RUN_ENDED ||
                (entry->result < _RUN_RESULT_MAX && entry->code >= possible_codes[entry->result].least &&
                 entry->code < possible_codes[entry->result].end));
}

/* False: that cannot be. */
static bool take_entry(Runner *r, const RunnerEntry *entry, const ExecOutcome *unit) {
        RunnerSlot *slot = entry->entry < r->n_slots ? &r->slots[entry->entry] : NULL;

        if (!entry_is_possible(entry))
                return false;
        if (slot && slot->last == entry->run) /* the table was ahead of it, and it was acknowledged since */
                return true;
        if (slot && slot->run == 0)
                slot = NULL;
        if (!slot && !r->def)
                slot = adopt_slot(r, entry);
        if (!slot || slot->run != entry->run)
                return !r->def;
        if (entry->state < slot->state) /* it was on its way when we read the table */
                return slot->is_from_table;
        slot->state = entry->state;
        slot->is_from_table = false;
        if (!slot->x)
                return true;
        if (entry->state == RUNNER_RUN_ENDED)
                run_ended(slot->x, entry, unit);
        else if (unit)
                warm_run_lost(slot->x, unit);
        else if (entry->state == RUNNER_RUN_RUNNING && slot->x->state < WARM_HELD)
                tell_started(slot->x, entry);
        return true;
}

/* Those that the runner does not know. A run that was to be stopped is told so now. */
static void settle_unsure(Runner *r) {
        WarmRun *x, *next;

        for (x = TAILQ_FIRST(&r->runs); x; x = next) {
                next = TAILQ_NEXT(x, of_runner);
                if (x->state == WARM_UNSURE)
                        warm_run_never_started(x, /* reason= */ NULL);
                else if (x->state < WARM_HELD && x->stop_result != RUN_RESULT_NONE && !x->in)
                        warm_run_enqueue(x, &r->stops);
        }
}

int runner_read_table(Runner *r, const ExecOutcome *unit) {
        _cleanup_free_ RunnerEntry *entries = calloc(RUNNER_ENTRIES, sizeof(RunnerEntry));
        _cleanup_close_ int fd = runner_open_table(&r->executor->warm, r->number, /* make= */ false);
        ssize_t size = entries && fd >= 0 ? pread(fd, entries, RUNNER_ENTRIES * sizeof(RunnerEntry), 0) : -1;

        if (!entries)
                return -ENOMEM;
        for (size_t i = 0; size > 0 && i < (size_t)size / sizeof(RunnerEntry); i++)
                if (entries[i].state != RUNNER_RUN_FREE && entries[i].entry == i) {
                        (void)take_entry(r, &entries[i], unit);
                        if (i < r->n_slots)
                                r->slots[i].is_from_table = true;
                }
        return 0;
}

/* --- in --- */

/* Whatever its version: what we tell each other is only added to. */
static const char *take_welcome(Runner *r, size_t n) {
        if (n < sizeof(RunnerWelcome) || r->is_greeted)
                return "it sent a wrong greeting";
        r->is_greeted = true;
        runner_bound_greeting(r);
        if (runner_read_table(r, NULL) < 0)
                return "there is no memory to read what its runs have come to";
        settle_unsure(r);
        return NULL;
}

static const char *take_report(Runner *r, const char *m, size_t n) {
        size_t n_entries = (n - sizeof(RunnerHeader)) / sizeof(RunnerEntry);

        if (n_entries > RUNNER_REPORTS_MAX)
                return "it sent too long a report";
        if (!r->is_greeted) /* all that is told before is in its table */
                return NULL;
        for (size_t i = 0; i < n_entries; i++) {
                RunnerEntry entry;

                memcpy(&entry, m + sizeof(RunnerHeader) + i * sizeof(entry), sizeof(entry));
                if (!take_entry(r, &entry, NULL))
                        return "it reported what cannot be";
        }
        return NULL;
}

static WarmRun *find_run(const Runner *r, uint64_t run) {
        WarmRun *x;

        TAILQ_FOREACH(x, &r->runs, of_runner)
                if (x->run == run)
                        return x->state == WARM_SENT || x->state == WARM_RUNNING ? x : NULL;
        return NULL;
}

/* Of a run that is over by now it may still be on its way. */
static const char *take_text(Runner *r, const char *m, size_t n, bool is_line) {
        const ExecutorCallbacks *c = &r->executor->callbacks;
        char status[NOTIFY_STATUS_MAX + 1];
        RunnerText text;
        WarmRun *x;

        if (n < sizeof(text))
                return "it sent a text without its beginning";
        memcpy(&text, m, sizeof(text));
        if (text.size > n - sizeof(text))
                return "it sent a text without its end";
        x = find_run(r, text.run);
        if (!x)
                return NULL;
        m += sizeof(text);
        if (is_line && c->output)
                c->output(x->cookie, m, MIN(text.size, OUTPUT_LINE_MAX), text.is_stderr != 0);
        if (is_line)
                return NULL;
        (void)snprintf(status, sizeof(status), "%.*s", (int)MIN(text.size, NOTIFY_STATUS_MAX), m);
        notify_status_trim(status);
        if (status[0])
                c->status(x->cookie, status);
        return NULL;
}

/* NULL, or what is wrong with it. */
static const char *take_message(Runner *r, const char *m, size_t n) {
        RunnerHeader header;

        if (n < sizeof(header))
                return "it sent a message without its beginning";
        memcpy(&header, m, sizeof(header));
        switch (header.kind) {
        case RUNNER_WELCOME:
                return take_welcome(r, n);
        case RUNNER_REPORT:
                return take_report(r, m, n);
        case RUNNER_LINE:
                return take_text(r, m, n, /* is_line= */ true);
        case RUNNER_STATUS:
                return take_text(r, m, n, /* is_line= */ false);
        default: /* of a later version */
                return NULL;
        }
}

/* Descriptors that come along are closed by the kernel: there is no room for them. Negative errno; 0: it is gone. */
static ssize_t receive(Runner *r, char *buffer) {
        struct iovec part = { .iov_base = buffer, .iov_len = RUNNER_MESSAGE_MAX };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };
        ssize_t n = recvmsg(r->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        return message.msg_flags & MSG_TRUNC ? -EMSGSIZE : n;
}

static int on_readable(sd_event_source *s, int fd, uint32_t revents, void *userdata) {
        Runner *r = userdata;
        char *buffer = r->executor->warm.message;

        for (unsigned i = 0; i < MESSAGES_PER_TURN && r->life == RUNNER_CONNECTED; i++) {
                ssize_t n = receive(r, buffer);
                const char *problem;

                if (n == -EAGAIN || n == -EINTR)
                        break;
                problem = n > 0            ? take_message(r, buffer, (size_t)n)
                          : n == -EMSGSIZE ? "it sent too long a message"
                                           : NULL;
                if (n <= 0 || problem)
                        runner_break(r, problem);
        }
        runner_flush(r);
        return 0;
}

int runner_connect(Runner *r) {
        UnitExecutor *e = r->executor;
        int k;

        if (!e->warm.message)
                e->warm.message = malloc(RUNNER_MESSAGE_MAX);
        if (!e->warm.message)
                return -ENOMEM;
        k = r->fd = runner_connect_socket(&e->warm, r->number);
        if (k >= 0)
                k = send_hello(r);
        if (k >= 0)
                k = sd_event_add_io(e->event, &r->source, r->fd, EPOLLIN, on_readable, r);
        if (k < 0) {
                r->fd = safe_close(r->fd);
                return k;
        }
        (void)sd_event_source_set_description(r->source, "runner");
        r->life = RUNNER_CONNECTED;
        runner_bound_greeting(r);
        runner_flush(r);
        return 0;
}
