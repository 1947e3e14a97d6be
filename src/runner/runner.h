#pragma once
/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the files of vakt-runner share: vakt-runner.c (the loop), runner-link.c (messages from and to vaktd),
 * runner-run.c (a run's life), runner-lines.c (its output), runner-status.c (what it says about itself).
 *
 * There is one Runner. Its memory has a fixed size, but for what a run brings along (its variables, a line that is not
 * complete). The C library is all that it needs: it is linked statically, to be there at once in any sandbox. */

#include <signal.h>
#include <sys/resource.h>
#include <sys/types.h>

#include "exec/child-cgroup.h"
#include "exec/runner-protocol.h"
#include "job/run.h"
#include "util/heap.h"
#include "util/spawn-process.h"

#define RUNNER_STREAMS 2 /* of a run; the second one only where somebody follows it */

/* What epoll(7) tells of, in the upper half of its data; the lower half is an index. */
typedef enum RunnerSource {
        SOURCE_LISTENER,
        SOURCE_LINK,
        SOURCE_SIGNALS,
        SOURCE_STATUS,
        SOURCE_JOURNAL, /* takes lines again */
        SOURCE_STREAM,  /* index: RUNNER_STREAMS times the entry, and the stream */
        SOURCE_LEAVING,
} RunnerSource;

typedef struct RunnerStream {
        int fd; /* of a pipe, -EBADF = closed */
        bool is_watched;
        bool waits; /* for the journal: it is not watched */
        char *rest; /* n_rest bytes that were read and are not taken yet */
        size_t n_rest;
} RunnerStream;

/* The control group of a run. */
typedef struct Group {
        uint64_t number; /* in its name: the run that it was made for */
        int fd;          /* of the directory, or why not, negative errno */
        /* For its use by further runs, of which these may be missing: */
        int members_fd, usage_fd, peak_fd, events_fd; /* cgroup.procs, cpu.stat, memory.peak, memory.events */
        int watch;                                    /* of inotify(7), -1 = none */
        bool is_prepared;                             /* they are there */
        bool is_reusable;                             /* and nobody has changed anything in it */
        usec_t cpu_before;                            /* that other runs have used */
        uint64_t memory_before;                       /* bytes that they have left */
        struct Group *next;                           /* of those that are idle */
} Group;

typedef struct Run {
        RunnerEntry *entry;    /* in the table */
        uint32_t flags;        /* RunnerRunFlags */
        pid_t pid;             /* of its main process, 0 = none */
        bool is_over;          /* no command is left, and its result is known; lines may still wait for the journal */
        Group *group;          /* or NULL */
        bool was_killed;       /* its group, between two commands */
        RunResult stop_result; /* none = it was not told to stop */
        RunnerStream streams[RUNNER_STREAMS];
        int write_fds[RUNNER_STREAMS]; /* the other ends, until the last command was started */
        int list_fd;
        SpawnProcess spawn;         /* of the command that runs, with what it is given: */
        char *program, **arguments; /* if these are not those of the set-up */
        char **environment;         /* one piece of memory */
        char *list_digits;          /* in there: where the number in $VAKT_PATHS begins */
        char *status;               /* what it said last about itself, or NULL */
        bool owes_status;           /* it is to be sent */
        usec_t cpu;                 /* of its commands, as rusage has it */
        uint64_t memory_peak;
        uint32_t timer;  /* position in the heap: TimeoutSec=, then that of SIGKILL, then that of its lines */
        char fields[64]; /* of the journal, that are its own */
        size_t n_fields;
} Run;

typedef struct Runner {
        int epoll_fd, signal_fd, link_fd, status_fd, journal_fd, null_fd;
        RunnerEntry *table;
        RunnerSetup *setup;
        ChildCgroup *cgroup; /* NULL = runs have no group of their own */
        int inotify_fd;      /* of their groups; -EBADF = none is used for a further run */
        Group *idle_groups;
        unsigned n_idle_groups;
        const struct rlimit *nofile;
        char **environment; /* what all runs have in common */
        size_t n_environment;
        char fields[512]; /* of the journal, that all lines have */
        size_t n_fields;

        Run runs[RUNNER_ENTRIES];
        pid_t pids[RUNNER_ENTRIES]; /* as in runs */
        struct {
                int fd;         /* cgroup.events, -EBADF = unused */
                uint64_t group; /* its number */
        } leaving[RUNNER_ENTRIES];
        Heap timers;
        unsigned n_active;  /* runs that are not over */
        unsigned n_used;    /* entries that are not free */
        unsigned n_waiting; /* streams that wait for the journal */
        uint64_t n_started;
        uint64_t dirty[RUNNER_ENTRIES / 64]; /* entries that are to be reported */
        uint64_t begun[RUNNER_ENTRIES / 64]; /* those of runs that have just begun */
        unsigned n_status;                   /* runs with a status that is to be sent */
        bool owes_welcome;                   /* and all entries */
        bool link_is_full, hears_room;       /* it tells when not; epoll is told to */
        bool no_more_runs;                   /* RUNNER_EXIT */
        bool is_stopping;                    /* the unit is */

        usec_t now;       /* monotonic µs, of this turn */
        usec_t quiet;     /* since then there is neither a connection nor a run */
        usec_t idle;      /* RunnerHello.idle */
        usec_t resume;    /* what was too much is taken up again then, USEC_INFINITY = nothing was */
        usec_t tell;      /* for runs_tell(), USEC_INFINITY = none has begun */
        usec_t window;    /* messages of sd_notify(3) are counted since then */
        unsigned n_notes; /* so many there were */
} Runner;

/* --- vakt-runner.c --- */

/* One line on standard error. */
void complain(const char *format, ...) _printf_(1, 2);

/* Hears of fd from now on; again with other events. events 0: only of its end. Negative errno. */
int runner_watch(const Runner *r, int fd, uint32_t events, RunnerSource source, size_t index);
void runner_unwatch(const Runner *r, int fd);

/* Hears nothing of fd for a while: of the listener or the socket for sd_notify(3). */
void runner_pause(Runner *r, int fd, RunnerSource source);

/* Hears SIGCHLD, the signals that end the unit, and this one. Negative errno. */
int runner_hear_signals(Runner *r, int kill_signal);

/* --- runner-link.c --- */

void link_accept(Runner *r);
void link_receive(Runner *r);

/* Sends what is to be told, as far as it is taken. */
void link_flush(Runner *r);

/* Sends a line of a run; it is lost when there is no room. */
void link_send_line(Runner *r, const Run *run, const char *line, size_t n, bool is_stderr);

/* --- runner-run.c --- */

/* Starts a run in a free entry, which says so before. variables: "NAME=value" with a NUL behind each, of size bytes;
 * more of them are in variables_fd, if that is not negative. Takes over list_fd. What fails is the end of the run. */
void run_start(Runner *r, const RunnerRun *message, const char *variables, int list_fd, int variables_fd);

void run_stop(Runner *r, Run *run, RunResult result);
void run_acknowledge(Runner *r, Run *run);

/* Deals with all processes that have ended. */
void runs_reap(Runner *r);

/* Reports, and reads the output of, runs that have just begun. Most are over before that: then one report tells both
 * that a run was started and how it ended, and what it has written is read once. */
void runs_tell(Runner *r);

/* What its timer was set for. */
void run_on_timer(Runner *r, Run *run);

/* A control group may be empty now. */
void run_on_leaving(Runner *r, size_t i);

/* Its last line was taken: it is reported. */
void run_end(Runner *r, Run *run);

/* --- runner-group.c --- */

/* Negative errno: there are none. */
int groups_open(Runner *r);

/* An empty group for a run; NULL: there is none. */
Group *group_take(Runner *r, uint64_t run);

/* What the run has used; once, at its end. */
ChildUsage group_usage(const Runner *r, Group *g);

/* It is as it was made, and no process is in it or below. */
bool group_is_clean(Runner *r, const Group *g);

/* The run is over. False: a process is still in it; it stays the caller's. */
bool group_give_back(Runner *r, Group *g);

/* Forgets a group, which stays. */
void group_free(const Runner *r, Group *g);

/* --- runner-lines.c --- */

/* Makes its pipes. Negative errno. */
int lines_open(Run *run);

/* Hears of what it writes from now on. Negative errno. */
int lines_watch(const Runner *r, Run *run);

void lines_on_readable(Runner *r, Run *run, unsigned stream);
void lines_on_journal(Runner *r);

/* Takes what is in its pipes now, and closes them. False: the journal takes no lines just now; run_end() comes later.
 */
bool lines_finish(Runner *r, Run *run);

/* Gives up what the journal did not take. */
void lines_drop(Runner *r, Run *run);

/* --- runner-status.c --- */

/* Opens the socket. *ret is what NOTIFY_SOCKET says, the caller frees it. Negative errno. */
int status_open(Runner *r, char **ret);
void status_receive(Runner *r);
