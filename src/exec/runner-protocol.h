#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What vaktd and vakt-runner tell each other, and the table in which a runner keeps what its runs have come to.
 *
 * A runner is the main process of a transient unit of one job (vakt-JOB.runner-N.service, N is the number of the run
 * that it was started for); it has all of [Service], and runs are its children. It is older than the daemon that talks
 * to it when that was restarted or updated: kinds of messages are never changed, only added, and who receives one
 * ignores a kind that it does not know, and bytes at the end.
 *
 * vaktd makes, in RUNTIME_DIRECTORY/runners, which nobody else can enter: "N.socket", on which the runner listens (its
 * standard input), and "N.table". It connects and sends RUNNER_HELLO, which brings the table, the set-up and a socket
 * of the journal as descriptors: in a sandbox the runner could open none of them. Then come messages in any order.
 * There is one connection at a time: the runner reads what is left of the old one before it accepts the next.
 *
 * Exactly once: an entry of the table is written before what it says is true of a start (RUNNER_RUN_STARTING comes
 * before fork), and after what it says is true of an end; it stays until vaktd acknowledges it, which is after the
 * ledger has it. A run that was sent and is in no entry when the runner is gone was surely never started; one that is
 * RUNNER_RUN_STARTING or RUNNER_RUN_RUNNING then has an unknown end: it is lost, and is not started again.
 *
 * vaktd takes what it reads, here and in the table, for what an ordinary user may have written: the runner runs as the
 * user of the job. A runner can lie about its own runs only. */

#include "util/clock.h"
#include "util/macro.h"

#define RUNNER_VERSION     1
#define RUNNER_ENTRIES     1024        /* of the table; vaktd says which one a run gets */
#define RUNNER_MESSAGE_MAX (96 * 1024) /* bytes of any message */
#define RUNNER_REPORTS_MAX 256         /* entries in one RUNNER_REPORT */
#define RUNNER_SOCKET_FD   0           /* of the runner: it listens there */

/* For the last lines of a run the runner waits that long for a journal that is busy; only then has the run ended. */
#define RUNNER_LINES_USEC (10 * USEC_PER_SEC)

typedef enum RunnerMessageKind {
        /* From vaktd. */
        RUNNER_HELLO =
                1,   /* RunnerHello; descriptors: table, set-up (read once, by the first), journal if there is one */
        RUNNER_RUN,  /* RunnerRun, then its variables; descriptors as flags say */
        RUNNER_STOP, /* RunnerStop */
        RUNNER_ACK,  /* RunnerAck[] : the entries are free again; some wait while there are other runs */
        RUNNER_EXIT, /* no more runs come: exit when all entries are free */
        /* From the runner. */
        RUNNER_WELCOME = 64, /* RunnerWelcome, and then a RUNNER_REPORT of all entries that are not free */
        RUNNER_REPORT,       /* RunnerEntry[]: what has changed; of an entry that changed twice only the last: a run
                              * that is short is reported once, when it has ended */
        RUNNER_LINE,         /* RunnerText and the bytes of a line, of a run with RUNNER_FOLLOW; may be dropped */
        RUNNER_STATUS,       /* RunnerText and the text, by sd_notify(3); only the last one counts */
} RunnerMessageKind;

/* Each message begins with this. */
typedef struct RunnerHeader {
        uint32_t kind;
        uint32_t reserved;
} RunnerHeader;

typedef struct RunnerHello {
        RunnerHeader header;
        uint32_t version;
        uint32_t has_journal; /* 1: there is a third descriptor, a connected datagram socket of journald */
        usec_t idle; /* without a connection and without a run it exits after this, µs; USEC_INFINITY = never */
} RunnerHello;

typedef struct RunnerWelcome {
        RunnerHeader header;
        uint32_t version;
        uint32_t pid;       /* in its own name space */
        uint64_t n_started; /* runs so far */
} RunnerWelcome;

typedef enum RunnerRunFlags {
        RUNNER_FOLLOW = 1 << 0,        /* lines of output are wanted as RUNNER_LINE, too */
        RUNNER_HAS_LIST = 1 << 1,      /* a descriptor: its list of paths, which its holder may read */
        RUNNER_LIST_INPUT = 1 << 2,    /* that is its standard input, from the beginning for each command */
        RUNNER_HAS_VARIABLES = 1 << 3, /* a descriptor, after that of the list: more variables, for which a message is
                                          too small; as those in the message */
} RunnerRunFlags;

typedef struct RunnerRun {
        RunnerHeader header;
        uint64_t run;
        uint32_t entry;
        uint32_t flags;
        usec_t timeout;          /* µs for the whole run, USEC_INFINITY = none */
        uint32_t variables_size; /* bytes that follow: "NAME=value" with a NUL behind each; they replace those of the
                                    unit */
        uint32_t reserved;
} RunnerRun;

typedef struct RunnerStop {
        RunnerHeader header;
        uint64_t run;
        uint32_t entry;
        uint32_t result; /* a RunResult, reported as that of the run: cancelled, timeout … */
} RunnerStop;

typedef struct RunnerAck {
        uint64_t run;
        uint32_t entry;
        uint32_t reserved;
} RunnerAck; /* an array of them follows a RunnerHeader */

typedef struct RunnerText {
        RunnerHeader header;
        uint64_t run;
        uint32_t is_stderr;
        uint32_t size; /* bytes that follow */
} RunnerText;

typedef enum RunnerRunState {
        RUNNER_RUN_FREE,
        RUNNER_RUN_STARTING, /* not forked, or just now */
        RUNNER_RUN_RUNNING,
        RUNNER_RUN_ENDED,
} RunnerRunState;

/* 64 bytes, so that an entry never lies on two pages. state is written last. */
typedef struct RunnerEntry {
        uint64_t run;
        uint32_t entry;   /* its own index */
        uint8_t state;    /* RunnerRunState */
        uint8_t result;   /* RunResult when it has ended */
        uint16_t command; /* the one that runs, or the last one that did, from 0 */
        int32_t code;     /* as RunRecord.code; of start-failed the errno */
        uint32_t pid;     /* of the main process, as the runner sees it */
        uint64_t reserved;
        uint64_t started, ended; /* realtime µs */
        uint64_t cpu;            /* µs, USEC_INFINITY = not known */
        uint64_t memory_peak;    /* bytes, UINT64_MAX = not known */
} RunnerEntry;

/* The file N.table is RUNNER_ENTRIES of RunnerEntry, of that size from the beginning, written by the runner through a
 * shared mapping (which outlives its death), read by vaktd with pread(2): a mapping of a file that somebody else can
 * cut would be a way to kill it. */

/* The set-up, in a memory file: what all runs of a runner have in common. Numbers and texts as in exec/child-orders.h,
 * in this order. */
typedef struct RunnerSetup {
        char *job;
        char *identifier;   /* SYSLOG_IDENTIFIER= */
        bool own_output;    /* lines go to the journal by us; false: StandardOutput= or StandardError= says otherwise,
                             * and runs inherit both streams of the unit */
        unsigned kill_mode; /* ChildKillMode */
        int kill_signal;
        bool send_sigkill;
        bool send_sighup;
        usec_t stop_timeout;          /* µs from signal to SIGKILL, USEC_INFINITY = never */
        uint8_t success_statuses[32]; /* as SuccessDef */
        uint64_t success_signals;
        size_t n_commands;
        struct RunnerCommand {
                char *path;
                char **argv;
                unsigned flags; /* CommandFlags */
        } * commands;
} RunnerSetup;
