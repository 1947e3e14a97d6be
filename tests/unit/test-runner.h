#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A real vakt-runner, and this test in place of vaktd: it has the other end of the socket, the table, and the journal.
 * Nothing waits longer than a minute. */

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include <cmocka.h>

#include "exec/child-settings.h"
#include "exec/runner-setup.h"
#include "job/job-def.h"
#include "job/run.h"
#include "util/strv.h"

typedef struct Rig {
        pid_t pid;
        int listener, link, table_fd, output, journal, journal_theirs;
        struct sockaddr_un address;
        socklen_t address_size;
        RunnerEntry *table;
        RunnerSetup setup;
        usec_t idle;
        bool without_journal;
        const char *enter; /* a file that the runner writes itself into before it begins, or NULL */
        rlim_t nofile;     /* 0 = as it is */
        uid_t uid;         /* 0 = ours */
        /* what came by the link */
        RunnerEntry seen[RUNNER_ENTRIES]; /* the last one of each */
        unsigned n_reports, n_welcomes;
        RunnerWelcome welcome;
        char lines[4096], status[1024];
} Rig;

/* The commands that most tests want: one shell, with the script in $SCRIPT. */
static char *shell_words[] = { (char *)"sh", (char *)"-c", (char *)"${SCRIPT}", NULL };
static struct RunnerCommand shell = { (char *)"/bin/sh", shell_words, 0 };

static void rig_init(Rig *rig) {
        *rig = (Rig){
                .link = -EBADF,
                .journal = -EBADF,
                .journal_theirs = -EBADF,
                .output = -EBADF,
                .idle = USEC_INFINITY,
                .setup = { .job = (char *)"job",
                           .identifier = (char *)"ident",
                           .own_output = true,
                           .kill_signal = SIGTERM,
                           .send_sigkill = true,
                           .stop_timeout = USEC_INFINITY,
                           .n_commands = 1,
                           .commands = &shell },
        };
}

static void set_time_limit(int fd) {
        struct timeval limit = { .tv_sec = 60 };

        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
}

static _Noreturn void rig_exec(const Rig *rig, int output) {
        char path[4096];

        (void)snprintf(path, sizeof(path), "%s/vakt-runner", getenv("VAKTD_PROGRAM_DIR"));
        if (rig->enter) {
                FILE *f = fopen(rig->enter, "we");

                if (!f || fputs("0", f) < 0 || fclose(f) != 0)
                        _exit(100);
        }
        if (rig->nofile > 0 &&
            setrlimit(RLIMIT_NOFILE, &(struct rlimit){ .rlim_cur = rig->nofile, .rlim_max = rig->nofile }) < 0)
                _exit(101);
        if (rig->uid > 0 && setuid(rig->uid) < 0)
                _exit(102);
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails leaves it */
        (void)setenv("LISTEN_FDS", "1", 1);
        (void)setenv("WATCHDOG_USEC", "1", 1);
        (void)setenv("FROM_UNIT", "unit", 1);
        (void)setenv("REPLACED", "unit", 1);
        if (dup2(rig->listener, 0) == 0 && dup2(output, 1) == 1 && dup2(output, 2) == 2)
                (void)execl(path, "vakt-runner", NULL);
        _exit(103);
}

/* Starts it, without a connection. */
static void rig_start(Rig *rig) {
        int fds[2];

        rig->address.sun_family = AF_UNIX;
        rig->address_size = sizeof(rig->address);
        rig->listener = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(rig->listener, (struct sockaddr *)&rig->address, sizeof(sa_family_t)), 0);
        assert_int_equal(getsockname(rig->listener, (struct sockaddr *)&rig->address, &rig->address_size), 0);
        assert_int_equal(listen(rig->listener, 8), 0);
        rig->table_fd = memfd_create("table", MFD_CLOEXEC);
        assert_int_equal(ftruncate(rig->table_fd, RUNNER_ENTRIES * sizeof(RunnerEntry)), 0);
        rig->table =
                mmap(NULL, RUNNER_ENTRIES * sizeof(RunnerEntry), PROT_READ | PROT_WRITE, MAP_SHARED, rig->table_fd, 0);
        assert_true(rig->table != MAP_FAILED);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        rig->output = fds[0];
        (void)fflush(NULL);
        rig->pid = fork();
        if (rig->pid == 0)
                rig_exec(rig, fds[1]);
        safe_close(fds[1]);
}

/* n descriptors come along. */
static void send_with(const Rig *rig, const void *bytes, size_t size, const int *fds, size_t n) {
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(8 * sizeof(int))] = {};
        struct iovec part = { (void *)bytes, size };
        struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

        if (n > 0 && fds) {
                struct cmsghdr *c = (struct cmsghdr *)control;

                message.msg_control = control;
                message.msg_controllen = CMSG_SPACE(n * sizeof(int));
                *c = (struct cmsghdr){ CMSG_LEN(n * sizeof(int)), SOL_SOCKET, SCM_RIGHTS };
                memcpy(CMSG_DATA(c), fds, n * sizeof(int));
        }
        assert_int_equal(sendmsg(rig->link, &message, MSG_NOSIGNAL), (ssize_t)size);
}

static void take_report(Rig *rig, const char *bytes, size_t size) {
        size_t n = (size - sizeof(RunnerHeader)) / sizeof(RunnerEntry);

        assert_int_equal((size - sizeof(RunnerHeader)) % sizeof(RunnerEntry), 0);
        assert_true(n <= RUNNER_REPORTS_MAX);
        for (size_t i = 0; i < n; i++) {
                RunnerEntry e;

                memcpy(&e, bytes + sizeof(RunnerHeader) + i * sizeof(e), sizeof(e));
                assert_true(e.entry < RUNNER_ENTRIES && e.state != RUNNER_RUN_FREE);
                rig->seen[e.entry] = e;
        }
        rig->n_reports++;
}

/* The next message. 0 at the end, -EAGAIN with flags MSG_DONTWAIT. */
static ssize_t rig_receive(Rig *rig, int flags) {
        static uint64_t bytes[RUNNER_MESSAGE_MAX / 8];
        RunnerText text;
        RunnerHeader header;
        ssize_t n = recv(rig->link, bytes, sizeof(bytes), flags);

        if (n <= 0)
                return n < 0 ? -errno : 0;
        memcpy(&header, bytes, sizeof(header));
        if (header.kind == RUNNER_REPORT)
                take_report(rig, (char *)bytes, (size_t)n);
        else if (header.kind == RUNNER_WELCOME) {
                rig->n_welcomes++;
                memcpy(&rig->welcome, bytes, sizeof(rig->welcome));
        } else {
                char *to = header.kind == RUNNER_LINE ? rig->lines : rig->status;

                memcpy(&text, bytes, sizeof(text));
                assert_int_equal(text.size, (size_t)n - sizeof(text));
                (void)snprintf(to + strlen(to), header.kind == RUNNER_LINE ? sizeof(rig->lines) - strlen(to) : 1024,
                               "%" PRIu64 "%s%.*s\n", text.run, text.is_stderr ? "!" : " ", (int)text.size,
                               (char *)bytes + sizeof(text));
        }
        return n;
}

static void rig_connect(Rig *rig) {
        _cleanup_close_ int setup_fd = runner_setup_write(&rig->setup);
        RunnerHello hello = { .header.kind = RUNNER_HELLO, .version = RUNNER_VERSION, .idle = rig->idle };
        int fds[2];

        rig->link = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
        assert_int_equal(connect(rig->link, (struct sockaddr *)&rig->address, rig->address_size), 0);
        set_time_limit(rig->link);
        if (!rig->without_journal) {
                assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, fds), 0);
                safe_close(rig->journal);
                safe_close(rig->journal_theirs);
                rig->journal = fds[0];
                rig->journal_theirs = fds[1];
                set_time_limit(rig->journal);
                hello.has_journal = 1;
        }
        send_with(rig, &hello, sizeof(hello), (int[]){ rig->table_fd, setup_fd, rig->journal_theirs },
                  hello.has_journal ? 3 : 2);
}

static void rig_open(Rig *rig) {
        rig_start(rig);
        rig_connect(rig);
        while (rig->n_welcomes == 0)
                assert_true(rig_receive(rig, 0) > 0);
        assert_int_equal(rig->welcome.version, RUNNER_VERSION);
}

static int rig_wait_exit(Rig *rig) {
        int status;

        assert_int_equal(waitpid(rig->pid, &status, 0), rig->pid);
        rig->pid = 0;
        return status;
}

static void rig_close(Rig *rig) {
        if (rig->pid > 0) {
                (void)kill(rig->pid, SIGTERM); /* so that no run is left behind */
                (void)rig_wait_exit(rig);
        }
        safe_close(rig->link);
        safe_close(rig->journal);
        safe_close(rig->journal_theirs);
        safe_close(rig->listener);
        safe_close(rig->table_fd);
        safe_close(rig->output);
        (void)munmap(rig->table, RUNNER_ENTRIES * sizeof(RunnerEntry));
}

static void send_run_with(const Rig *rig, uint32_t entry, uint64_t run, uint32_t flags, usec_t timeout,
                          const char *variables, size_t size, const int *fds) {
        static char bytes[RUNNER_MESSAGE_MAX];
        RunnerRun message = {
                .header.kind = RUNNER_RUN,
                .run = run,
                .entry = entry,
                .flags = flags,
                .timeout = timeout,
                .variables_size = (uint32_t)size,
        };
        size_t n = (flags & RUNNER_HAS_LIST ? 1U : 0U) + (flags & RUNNER_HAS_VARIABLES ? 1U : 0U);

        memcpy(bytes, &message, sizeof(message));
        memcpy(bytes + sizeof(message), variables, size);
        send_with(rig, bytes, sizeof(message) + size, fds, n);
}

/* By the entry of the same number. */
static void send_run(const Rig *rig, uint32_t run, uint32_t flags, const char *script) {
        char variables[8192];
        int n = snprintf(variables, sizeof(variables), "SCRIPT=%s", script);

        send_run_with(rig, run, run, flags, USEC_INFINITY, variables, (size_t)n + 1, NULL);
}

static void send_stop(const Rig *rig, uint32_t run, RunResult result) {
        RunnerStop stop = { .header.kind = RUNNER_STOP, .run = run, .entry = run, .result = result };

        send_with(rig, &stop, sizeof(stop), NULL, 0);
}

static void send_ack(const Rig *rig, uint32_t entry, uint64_t run) {
        struct {
                RunnerHeader header;
                RunnerAck ack;
        } message = { .header.kind = RUNNER_ACK, .ack = { .run = run, .entry = entry } };

        send_with(rig, &message, sizeof(message), NULL, 0);
}

static const RunnerEntry *wait_state(Rig *rig, uint32_t entry, RunnerRunState state) {
        while (rig->seen[entry].state < state)
                assert_true(rig_receive(rig, 0) > 0);
        return &rig->seen[entry];
}

static const RunnerEntry *wait_end(Rig *rig, uint32_t entry) {
        const RunnerEntry *e = wait_state(rig, entry, RUNNER_RUN_ENDED);

        assert_memory_equal(e, &rig->table[entry], sizeof(*e));
        return e;
}

static void assert_ended(Rig *rig, uint32_t entry, RunResult result, int code) {
        const RunnerEntry *e = wait_end(rig, entry);

        if (e->result != (uint8_t)result || e->code != code)
                fail_msg("run %u: result %s, code %d", entry, run_result_to_string(e->result), e->code);
}

/* An entry of the journal, as one text. MESSAGE comes first and is cut off at its length. */
typedef struct JournalEntry {
        char message[65536], fields[1024];
        size_t n;
} JournalEntry;

static void read_journal(const Rig *rig, JournalEntry *e) {
        static char bytes[128 * 1024];
        ssize_t n = recv(rig->journal, bytes, sizeof(bytes), 0);
        uint64_t size;

        assert_true(n > 16);
        assert_memory_equal(bytes, "MESSAGE\n", 8);
        memcpy(&size, bytes + 8, 8);
        assert_true(size < sizeof(e->message) && 16 + size < (uint64_t)n && bytes[16 + size] == '\n');
        memcpy(e->message, bytes + 16, size);
        e->message[size] = '\0';
        e->n = size;
        (void)snprintf(e->fields, sizeof(e->fields), "%.*s", (int)((size_t)n - size - 16), bytes + 16 + size);
}

static void assert_journal(const Rig *rig, const char *message) {
        static JournalEntry e;

        read_journal(rig, &e);
        assert_string_equal(e.message, message);
}
