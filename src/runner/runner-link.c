/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Messages from and to vaktd. What is to be told is not queued: an entry that has changed is marked, and is sent as it
 * is when there is room. */

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "exec/runner-setup.h"
#include "runner/runner.h"

#define MESSAGES_PER_TURN 32
#define MESSAGE_FDS_MAX   4 /* an even number: space for an odd one holds one more */
#define TABLE_SIZE        (RUNNER_ENTRIES * sizeof(RunnerEntry))

typedef struct Message {
        uint64_t bytes[RUNNER_MESSAGE_MAX / sizeof(uint64_t)]; /* aligned for all kinds */
        size_t size;
        int fds[MESSAGE_FDS_MAX];
        size_t n_fds;
        bool lacks_fds; /* there was no room for all of them */
} Message;

/* --- receiving --- */

static int take_fd(Message *m, size_t i) {
        return i < m->n_fds ? TAKE_FD(m->fds[i]) : -EBADF;
}

static int open_table(Runner *r, int fd) {
        struct stat st;
        void *p;

        if (fstat(fd, &st) < 0)
                return -errno;
        if ((uint64_t)st.st_size < TABLE_SIZE)
                return -EBADMSG;
        p = mmap(NULL, TABLE_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
        if (p == MAP_FAILED)
                return -errno;
        r->table = p;
        for (size_t i = 0; i < RUNNER_ENTRIES; i++) {
                r->runs[i].entry = &r->table[i];
                r->n_used += r->table[i].state != RUNNER_RUN_FREE;
        }
        return 0;
}

static int begin(Runner *r, int table_fd, int setup_fd) {
        RunnerSetup *setup = NULL;
        int k, n;

        k = runner_setup_read(&setup, setup_fd);
        if (k < 0)
                return k;
        n = snprintf(r->fields, sizeof(r->fields), "SYSLOG_FACILITY=3\nSYSLOG_IDENTIFIER=%s\nVAKT_JOB=%s\n",
                     setup->identifier, setup->job);
        k = n < 0 || (size_t)n >= sizeof(r->fields) ? -EBADMSG : open_table(r, table_fd);
        if (k < 0) {
                runner_setup_free(setup);
                return k;
        }
        r->n_fields = (size_t)n;
        r->setup = setup;
        return runner_hear_signals(r, setup->kill_signal);
}

static int on_hello(Runner *r, Message *m) {
        RunnerHello hello;
        int k = 0;

        if (m->size < sizeof(hello))
                return -EBADMSG;
        if (!r->setup && m->n_fds < 2)
                return m->lacks_fds ? -EMFILE : -EBADMSG;
        memcpy(&hello, m->bytes, sizeof(hello));
        if (!r->setup)
                k = begin(r, m->fds[0], m->fds[1]);
        if (k < 0)
                return k;
        if (hello.has_journal && m->n_fds >= 3) {
                if (r->journal_fd >= 0)
                        runner_unwatch(r, r->journal_fd); /* vaktd has it, too: closing it would not do */
                safe_close(r->journal_fd);
                r->journal_fd = take_fd(m, 2);
                lines_on_journal(r); /* what waited for the old one */
        }
        r->idle = hello.idle;
        r->owes_welcome = true;
        return 0;
}

static int on_run(Runner *r, Message *m) {
        RunnerRun run;
        size_t i = 0;
        int list_fd, variables_fd;
        const char *variables = (const char *)m->bytes + sizeof(run);

        if (m->size < sizeof(run))
                return -EBADMSG;
        memcpy(&run, m->bytes, sizeof(run));
        if (!r->setup || run.run == 0 || run.entry >= RUNNER_ENTRIES || run.variables_size > m->size - sizeof(run) ||
            (run.variables_size > 0 && variables[run.variables_size - 1] != '\0'))
                return -EBADMSG;
        if (r->is_stopping || r->no_more_runs) /* it is in no entry: it was not started */
                return 0;
        if (r->table[run.entry].state != RUNNER_RUN_FREE)
                return r->table[run.entry].run == run.run ? 0 : -EBUSY;
        list_fd = run.flags & RUNNER_HAS_LIST ? take_fd(m, i++) : -EBADF;
        variables_fd = run.flags & RUNNER_HAS_VARIABLES ? take_fd(m, i++) : -EBADF;
        run_start(r, &run, variables, list_fd, variables_fd);
        safe_close(variables_fd);
        return 0;
}

static int on_stop(Runner *r, const Message *m) {
        RunnerStop stop;

        if (m->size < sizeof(stop))
                return -EBADMSG;
        memcpy(&stop, m->bytes, sizeof(stop));
        if (!r->setup || stop.entry >= RUNNER_ENTRIES || stop.result == RUN_RESULT_NONE ||
            stop.result >= _RUN_RESULT_MAX)
                return -EBADMSG;
        if (r->table[stop.entry].run == stop.run)
                run_stop(r, &r->runs[stop.entry], (RunResult)stop.result);
        return 0;
}

static int on_ack(Runner *r, const Message *m) {
        const char *p = (const char *)m->bytes + sizeof(RunnerHeader);
        size_t n = (m->size - sizeof(RunnerHeader)) / sizeof(RunnerAck);
        RunnerAck ack;

        for (size_t i = 0; i < n; i++) {
                memcpy(&ack, p + i * sizeof(ack), sizeof(ack));
                if (!r->setup || ack.entry >= RUNNER_ENTRIES)
                        return -EBADMSG;
                if (r->table[ack.entry].run == ack.run)
                        run_acknowledge(r, &r->runs[ack.entry]);
        }
        return 0;
}

static int obey(Runner *r, Message *m) {
        RunnerHeader header;

        if (m->size < sizeof(header))
                return -EBADMSG;
        memcpy(&header, m->bytes, sizeof(header));
        switch (header.kind) { /* whatever a newer vaktd sends */
        case RUNNER_HELLO:
                return on_hello(r, m);
        case RUNNER_RUN:
                return on_run(r, m);
        case RUNNER_STOP:
                return on_stop(r, m);
        case RUNNER_ACK:
                return on_ack(r, m);
        case RUNNER_EXIT:
                r->no_more_runs = true;
                return 0;
        default:
                return 0;
        }
}

static void take_fds(Message *m, struct msghdr *header) {
        m->n_fds = 0;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(header); c; c = CMSG_NXTHDR(header, c))
                if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
                        m->n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
                        memcpy(m->fds, CMSG_DATA(c), m->n_fds * sizeof(int));
                }
}

/* Positive: a message. 0: the end. -EAGAIN; -EBADMSG: it is one too long. Where descriptors are short, some are
 * missing: the message counts all the same, or vaktd would wait for a run that nobody knows. */
static int receive(const Runner *r, Message *m) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(m->fds))];
        struct iovec part = { .iov_base = m->bytes, .iov_len = sizeof(m->bytes) };
        struct msghdr header = {
                .msg_iov = &part,
                .msg_iovlen = 1,
                .msg_control = control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(r->link_fd, &header, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

        if (n <= 0)
                return n == 0 ? 0 : -errno;
        m->size = (size_t)n;
        take_fds(m, &header);
        m->lacks_fds = header.msg_flags & MSG_CTRUNC;
        return header.msg_flags & MSG_TRUNC ? -EBADMSG : 1;
}

static void close_fds(Message *m) {
        for (size_t i = 0; i < m->n_fds; i++)
                safe_close(m->fds[i]);
        m->n_fds = 0;
}

static void link_close(Runner *r) {
        r->link_fd = safe_close(r->link_fd);
        r->link_is_full = r->hears_room = r->owes_welcome = false;
        (void)runner_watch(r, RUNNER_SOCKET_FD, EPOLLIN, SOURCE_LISTENER, 0);
}

/* A connection that vaktd did not end in peace reports that once, before what is left in it. */
void link_receive(Runner *r) {
        static Message message;

        for (unsigned i = 0; i < MESSAGES_PER_TURN && r->link_fd >= 0; i++) {
                int k;

                message.n_fds = 0;
                k = receive(r, &message);
                if (k == -EAGAIN)
                        return;
                if (k == -EINTR || k == -ECONNRESET)
                        continue;
                if (k > 0)
                        k = obey(r, &message);
                else if (k != -EBADMSG) {
                        link_close(r);
                        return;
                }
                close_fds(&message);
                if (k < 0)
                        complain("Cannot obey a message of vaktd, ignoring it: %s", strerror(-k));
                if (!r->setup && (k == -EMFILE || k == -ENOMEM)) /* there will not be more of it */
                        r->is_stopping = true;
        }
}

void link_accept(Runner *r) {
        if (r->link_fd >= 0)
                return;
        r->link_fd = accept4(RUNNER_SOCKET_FD, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (r->link_fd >= 0 && runner_watch(r, r->link_fd, EPOLLIN, SOURCE_LINK, 0) < 0)
                r->link_fd = safe_close(r->link_fd);
        if (r->link_fd >= 0)
                (void)runner_watch(r, RUNNER_SOCKET_FD, 0, SOURCE_LISTENER, 0); /* the next one waits */
        else if (errno != EAGAIN)
                runner_pause(r, RUNNER_SOCKET_FD, SOURCE_LISTENER);
}

/* --- sending --- */

/* False: there is no room, or nobody. */
static bool send_message(Runner *r, const void *head, size_t n_head, const void *body, size_t n_body) {
        struct iovec parts[] = { { (void *)head, n_head }, { (void *)body, n_body } };
        struct msghdr message = { .msg_iov = parts, .msg_iovlen = ELEMENTSOF(parts) };

        if (r->link_fd < 0 || r->link_is_full)
                return false;
        if (sendmsg(r->link_fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
                return true;
        return false; /* reading finds out that it was closed */
}

void link_send_line(Runner *r, const Run *run, const char *line, size_t n, bool is_stderr) {
        RunnerText text = {
                .header.kind = RUNNER_LINE,
                .run = run->entry->run,
                .is_stderr = is_stderr,
                .size = (uint32_t)n,
        };

        (void)send_message(r, &text, sizeof(text), line, n);
}

static bool send_welcome(Runner *r) {
        RunnerWelcome welcome = {
                .header.kind = RUNNER_WELCOME,
                .version = RUNNER_VERSION,
                .pid = (uint32_t)getpid(),
                .n_started = r->n_started,
        };

        if (!send_message(r, &welcome, sizeof(welcome), NULL, 0))
                return false;
        for (uint32_t i = 0; i < RUNNER_ENTRIES; i++)
                if (r->table[i].state != RUNNER_RUN_FREE)
                        r->dirty[i / 64] |= UINT64_C(1) << i % 64;
        for (size_t i = 0; i < RUNNER_ENTRIES; i++)
                if (r->runs[i].status && !r->runs[i].owes_status) {
                        r->runs[i].owes_status = true;
                        r->n_status++;
                }
        r->owes_welcome = false;
        return true;
}

static bool send_statuses(Runner *r) {
        for (size_t i = 0; i < RUNNER_ENTRIES && r->n_status > 0; i++) {
                Run *run = &r->runs[i];
                RunnerText text = { .header.kind = RUNNER_STATUS };

                if (!run->owes_status)
                        continue;
                text.run = run->entry->run;
                text.size = (uint32_t)strlen(run->status);
                if (!send_message(r, &text, sizeof(text), run->status, text.size))
                        return false;
                run->owes_status = false;
                r->n_status--;
        }
        return true;
}

/* Sends the next ones of what has changed. */
static bool send_report(Runner *r, bool *ret_more) {
        static RunnerEntry entries[RUNNER_REPORTS_MAX];
        RunnerHeader header = { .kind = RUNNER_REPORT };
        uint64_t sent[ELEMENTSOF(r->dirty)] = {};
        size_t n = 0;

        for (uint32_t w = 0; w < ELEMENTSOF(r->dirty); w++)
                for (uint64_t bits = r->dirty[w]; bits && n < RUNNER_REPORTS_MAX; bits &= bits - 1) {
                        entries[n++] = r->table[w * 64 + (uint32_t)__builtin_ctzll(bits)];
                        sent[w] |= bits & -bits;
                }
        *ret_more = n == RUNNER_REPORTS_MAX;
        if (n > 0 && !send_message(r, &header, sizeof(header), entries, n * sizeof(RunnerEntry)))
                return false;
        for (size_t w = 0; w < ELEMENTSOF(sent); w++)
                r->dirty[w] &= ~sent[w];
        return true;
}

void link_flush(Runner *r) {
        bool all, more = true;

        if (r->link_fd < 0 || !r->setup || r->link_is_full)
                return;
        all = (!r->owes_welcome || send_welcome(r)) && send_statuses(r);
        while (all && more)
                all = send_report(r, &more);
        if (all == !r->hears_room)
                return;
        r->hears_room = r->link_is_full = !all;
        (void)runner_watch(r, r->link_fd, all ? EPOLLIN : EPOLLIN | EPOLLOUT, SOURCE_LINK, 0);
}
