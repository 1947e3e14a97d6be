/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Validates are asked one after the other until one knows. What makes it more than a look at Result:
 *
 * A service that dies of SIGTERM has succeeded in the eyes of the service manager, a job that somebody killed has not.
 * What goes wrong between fork and exec is reported by an exit status (203 for a program that is not there) that a
 * program might also have used itself; with Type=exec the unit was active before a program could. A unit that was
 * stopped by somebody else may have ended in any way at all. And one that was to be stopped, by whomever, may have
 * been over by then: it did what it did. */

#include "exec/unit-outcome.h"

#include <signal.h>
#include <stdarg.h>
#include <sys/wait.h>

#include "exec/start-diagnosis.h"
#include "exec/unit-command.h"
#include "exec/unit-message.h"
#include "util/string-table.h"

#define EXIT_EXEC 203

#define SETTINGS(...) ((const char *const[]){ __VA_ARGS__, NULL })
#define STREAM(name)  SETTINGS(name "File", name "FileToAppend", name "FileToTruncate")

/* systemd.exec(5), "Process Exit Codes". What is wrong with the path of a setting is added to the message, or else the
 * value of a single one. */
static const struct {
        int status;
        const char *step;
        const char *setting; /* as the service manager calls it, or NULL */
        const char *message;
        const char *const *settings; /* NULL: the one above */
        const char *guess;           /* unless there is anything better */
} steps[] = {
        { 200, "CHDIR", "WorkingDirectory", "The directory of WorkingDirectory= could not be entered" },
        { 201, "NICE", "Nice", "The value of Nice= could not be set" },
        { 202, "FDS", NULL, "Its open files could not be arranged" },
        { EXIT_EXEC, "EXEC", NULL, "The program of Exec= could not be executed" },
        { 204, "MEMORY", NULL, "There was not enough memory to start it" },
        { 205, "LIMITS", NULL, "One of its limits (Limit…=) could not be set" },
        { 206, "OOM_ADJUST", "OOMScoreAdjust", "The value of OOMScoreAdjust= could not be set" },
        { 207, "SIGNAL_MASK", NULL, "Its signals could not be set up" },
        { 208, "STDIN", "StandardInput", "Its standard input (StandardInput=) could not be opened",
          SETTINGS("StandardInputFile") },
        { 209, "STDOUT", "StandardOutput", "Its standard output (StandardOutput=) could not be opened",
          STREAM("StandardOutput") },
        { 210, "CHROOT", "RootDirectory", "The directory of RootDirectory= could not be entered" },
        { 211, "IOPRIO", NULL, "Its IOSchedulingClass= or IOSchedulingPriority= could not be set" },
        { 212, "TIMERSLACK", NULL, "The value of TimerSlackNSec= could not be set" },
        { 213, "SECUREBITS", NULL, "The value of SecureBits= could not be set" },
        { 214, "SETSCHEDULER", NULL, "Its CPUSchedulingPolicy= or CPUSchedulingPriority= could not be set" },
        { 215, "CPUAFFINITY", NULL, "The value of CPUAffinity= could not be set" },
        { 216, "GROUP", "Group", "The group of Group= is unknown or could not be set" },
        { 217, "USER", "User", "The user of User= is unknown or could not be set" },
        { 218, "CAPABILITIES", NULL, "Its CapabilityBoundingSet= or AmbientCapabilities= could not be set" },
        { 219, "CGROUP", "Slice", "Its control group could not be set up" },
        { 220, "SETSID", NULL, "Its own session could not be created" },
        { 222, "STDERR", "StandardError", "Its standard error (StandardError=) could not be opened",
          STREAM("StandardError") },
        { 224, "PAM", "PAMName", "The PAM session of PAMName= could not be set up" },
        { 225, "NETWORK", NULL, "Its network namespace (PrivateNetwork=, NetworkNamespacePath=) could not be set up",
          SETTINGS("NetworkNamespacePath") },
        { 226, "NAMESPACE", "RootDirectory",
          "Its view of the file system (RootDirectory=, ProtectSystem=, ReadWritePaths= and the like) could not be "
          "set up",
          SETTINGS("RootDirectory", "RootImage", "RootVerity", "BindPaths", "BindReadOnlyPaths", "ReadWritePaths",
                   "ReadOnlyPaths", "InaccessiblePaths", "ExecPaths", "NoExecPaths", "NetworkNamespacePath",
                   "IPCNamespacePath"),
          "often one of the paths does not exist" },
        { 227, "NO_NEW_PRIVILEGES", NULL, "NoNewPrivileges= could not be set" },
        { 228, "SECCOMP", NULL, "Its system call filter (SystemCallFilter= and the like) could not be set" },
        { 229, "SELINUX_CONTEXT", NULL, "The value of SELinuxContext= could not be set" },
        { 230, "PERSONALITY", "Personality", "The value of Personality= could not be set" },
        { 231, "APPARMOR", NULL, "The profile of AppArmorProfile= could not be set" },
        { 232, "ADDRESS_FAMILIES", NULL, "RestrictAddressFamilies= could not be set" },
        { 233, "RUNTIME_DIRECTORY", NULL, "The directory of RuntimeDirectory= could not be created" },
        { 235, "CHOWN", NULL, "The owner of one of its files could not be changed" },
        { 236, "SMACK_PROCESS_LABEL", NULL, "The value of SmackProcessLabel= could not be set" },
        { 237, "KEYRING", NULL, "Its keyring (KeyringMode=) could not be set up" },
        { 238, "STATE_DIRECTORY", NULL, "The directory of StateDirectory= could not be created" },
        { 239, "CACHE_DIRECTORY", NULL, "The directory of CacheDirectory= could not be created" },
        { 240, "LOGS_DIRECTORY", NULL, "The directory of LogsDirectory= could not be created" },
        { 241, "CONFIGURATION_DIRECTORY", NULL, "The directory of ConfigurationDirectory= could not be created" },
        { 242, "NUMA_POLICY", NULL, "NUMAPolicy= or NUMAMask= could not be set" },
        { 243, "CREDENTIALS", NULL, "Its credentials (LoadCredential= and the like) could not be set up",
          SETTINGS("LoadCredential", "LoadCredentialEncrypted"), "often the file does not exist" },
        { 244, "BPF", NULL, "One of its BPF programs could not be attached" },
};

/* What Result says by itself. Those that need a closer look have validates of their own. */
static const struct {
        const char *word;
        RunResult result;
        const char *reason;
        bool by_stop; /* may as well come from being stopped */
} results[] = {
        { "success", RUN_RESULT_SUCCESS, NULL, true },
        { "exit-code", RUN_RESULT_EXIT, NULL, true },
        { "signal", RUN_RESULT_SIGNAL, NULL, true },
        { "core-dump", RUN_RESULT_SIGNAL, "It crashed and dumped core.", true },
        { "timeout", RUN_RESULT_TIMEOUT, NULL, true },
        { "oom-kill", RUN_RESULT_OOM, "It was killed because it ran out of memory (see MemoryMax=).", false },
        { "watchdog", RUN_RESULT_SIGNAL, "It did not report to its watchdog in time.", false },
        { "resources", RUN_RESULT_START_FAILED,
          "The service manager could not set it up; see the journal of its unit.", false },
        { "protocol", RUN_RESULT_START_FAILED, "It did not start as Type= of its unit requires.", false },
        { "start-limit-hit", RUN_RESULT_START_FAILED, "It was started too often (StartLimitIntervalSec= of the unit).",
          false },
        { "exec-condition", RUN_RESULT_SKIPPED, "The command of ExecCondition= was not successful.", false },
};

static const char *const start_result_table[] = {
        [START_RESULT_DONE] = "done",       [START_RESULT_FAILED] = "failed",
        [START_RESULT_TIMEOUT] = "timeout", [START_RESULT_DEPENDENCY] = "dependency",
        [START_RESULT_SKIPPED] = "skipped", [START_RESULT_CANCELED] = "canceled",
};

StartResult start_result_from_string(const char *s) {
        int i = string_table_find(start_result_table, ELEMENTSOF(start_result_table), s);

        return i < 0 ? START_RESULT_OTHER : (StartResult)i;
}

/* --- what was found --- */

static bool died_by_signal(const UnitFacts *f) {
        return f->code == CLD_KILLED || f->code == CLD_DUMPED;
}

/* The last command's, which is the one that ExecMainCode is about when all went well. */
static bool failure_is_ignored(const JobDef *def) {
        return def && def->n_commands > 0 && (def->commands[def->n_commands - 1].flags & COMMAND_IGNORE_FAILURE);
}

/* Index of the step that failed before the program was reached, or a negative number. */
static int failed_step(const UnitFacts *f, bool existing) {
        if (f->code != CLD_EXITED || !streq(f->result, "exit-code") || f->handoff > 0)
                return -1;
        if (f->active_enter_monotonic > 0 && !existing)
                return -1;
        for (size_t i = 0; i < ELEMENTSOF(steps); i++)
                if (steps[i].status == f->status)
                        return (int)i;
        return -1;
}

/* vakt-command has found nothing to execute. */
static bool wrapper_failed(const UnitFacts *f) {
        return f->code == CLD_EXITED && f->status == UNIT_COMMAND_FAILED && f->status_errno > 0;
}

bool unit_has_run(const UnitFacts *f) {
        return f->exec_start > 0 && failed_step(f, /* existing= */ false) < 0 && !wrapper_failed(f);
}

static const char *property_text(const JobDef *def, const char *name) {
        const char *found = NULL;

        for (size_t i = 0; name && def && i < def->rare->n_properties; i++) {
                const UnitProperty *p = &def->rare->properties[i];

                if (streq(p->name, name) && streq(p->signature, "s") && p->n_values == 1)
                        found = p->values[0].text;
        }
        return isempty(found) ? NULL : found;
}

/* --- judging --- */

/* Where a reason is composed, or NULL where none is. */
typedef struct Verdict {
        ExecOutcome *outcome;
        char *reason;
} Verdict;

_printf_(3, 4) static bool validate(Verdict *v, RunResult result, const char *format, ...) {
        va_list ap;

        v->outcome->result = result;
        va_start(ap, format);
        (void)vsnprintf(v->reason, UNIT_REASON_MAX, format, ap);
        va_end(ap);
        v->outcome->reason = v->reason;
        return true;
}

static bool validate_as(Verdict *v, RunResult result, int code) {
        v->outcome->result = result;
        v->outcome->code = code;
        return true;
}

static int signal_of(const UnitFacts *f) {
        return died_by_signal(f) ? f->status : 0;
}

static bool validate_told_to_stop(const UnitEnd *end, Verdict *v) {
        if (end->stop_result == RUN_RESULT_NONE || unit_facts_ended_by_itself(end->facts))
                return false;
        return validate_as(v, end->stop_result, signal_of(end->facts));
}

static bool validate_shutdown(const UnitEnd *end, Verdict *v) {
        if (!end->shutting_down || (!end->stopped_elsewhere && end->start != START_RESULT_CANCELED))
                return false;
        v->outcome->code = signal_of(end->facts);
        return validate(v, RUN_RESULT_LOST, UNIT_REASON_SHUT_DOWN);
}

static bool validate_cut_short(const UnitEnd *end, Verdict *v) {
        if (!end->cut_short)
                return false;
        return validate(
                v, RUN_RESULT_LOST,
                "The service manager was reloaded while it ran, and lost the commands that were still to run (as it "
                "does when one has a '$' or ';' in it): perhaps not all of them were run. One Shell= has no such "
                "trouble.");
}

static bool validate_conditions(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;

        if (f->active != UNIT_INACTIVE || f->exec_start > 0 || streq(f->result, "exec-condition"))
                return false;
        if (f->condition_monotonic > 0 && !f->condition_result)
                return validate(v, RUN_RESULT_SKIPPED, "A condition of its unit was not met (Condition…=).");
        if (f->assert_monotonic > 0 && !f->assert_result)
                return validate(v, RUN_RESULT_SKIPPED, "An assertion of its unit was not met (Assert…=).");
        return false;
}

static bool validate_start(const UnitEnd *end, Verdict *v) {
        if (end->facts->exec_start > 0)
                return false;
        if (end->start == START_RESULT_DEPENDENCY)
                return validate(v, RUN_RESULT_START_FAILED,
                                "A unit that %s requires could not be started; see systemctl status %s.", end->unit,
                                end->unit);
        if (end->start == START_RESULT_CANCELED)
                return validate(v, end->existing ? RUN_RESULT_START_FAILED : RUN_RESULT_CANCELLED,
                                "The start of %s was cancelled, but not by vaktd.", end->unit);
        if (end->start == START_RESULT_OTHER)
                return validate(v, RUN_RESULT_START_FAILED,
                                "The service manager gave up starting %s; see the journal of the unit.", end->unit);
        if (!end->existing && (streq(end->facts->result, "exit-code") || streq(end->facts->result, "signal")))
                return validate(v, RUN_RESULT_START_FAILED, "A command of ExecStartPre= or ExecCondition= failed.");
        return false;
}

static bool has_wrapped_command(const JobDef *def) {
        for (size_t i = 0; def && i < def->n_commands; i++)
                if (unit_command_is_garbled(&def->commands[i]))
                        return true;
        return property_text(def, "PAMName") != NULL;
}

static bool validate_wrapper(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;

        if (end->existing || !wrapper_failed(f) || !has_wrapped_command(end->def))
                return false;
        v->outcome->code = f->status_errno;
        return validate(v, RUN_RESULT_START_FAILED, "The program of Exec= could not be executed%s%s: %s.",
                        end->def->n_commands == 1 ? ": " : "",
                        end->def->n_commands == 1 ? end->def->commands[0].path : "", strerror(f->status_errno));
}

/* The first file of EnvironmentFile= that has to be there and cannot be read. */
static const char *missing_environment_file(const JobDef *def, int *ret_error) {
        const char *missing = NULL;

        for (size_t i = 0; def && i < def->rare->n_properties; i++) {
                const UnitProperty *p = &def->rare->properties[i];

                if (!streq(p->name, "EnvironmentFiles"))
                        continue;
                if (p->values[0].number == 0)
                        missing = NULL;
                for (size_t k = 1; k + 1 < p->n_values && !missing; k += 2) {
                        *ret_error = p->values[k + 1].number == 0 ? diagnose_file(p->values[k].text) : 0;
                        missing = *ret_error > 0 ? p->values[k].text : NULL;
                }
        }
        return missing;
}

static bool validate_resources(const UnitEnd *end, Verdict *v) {
        int error = 0;
        const char *file = streq(end->facts->result, "resources") ? missing_environment_file(end->def, &error) : NULL;

        v->outcome->code = error;
        return file && validate(v, RUN_RESULT_START_FAILED, "Cannot read the file %s of EnvironmentFile=: %s.", file,
                                strerror(error));
}

/* The service manager has got as far as execve(2), which alone sees that a script's interpreter is missing; a program
 * may have exited with this status, too, but then there is nothing wrong with it. */
static bool validate_exec(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;
        char diagnosis[DIAGNOSIS_MAX];

        if (end->existing || f->code != CLD_EXITED || f->status != EXIT_EXEC || f->handoff == 0 ||
            !streq(f->result, "exit-code"))
                return false;
        v->outcome->code = diagnose_programs(end->def, diagnosis);
        return v->outcome->code > 0 &&
               validate(v, RUN_RESULT_START_FAILED, "The program of Exec= could not be executed: %s (step EXEC).",
                        diagnosis);
}

static bool validate_step(const UnitEnd *end, Verdict *v) {
        int i = failed_step(end->facts, end->existing);
        char diagnosis[DIAGNOSIS_MAX] = "";
        const char *value;

        if (i < 0 ||
            (unit_is_oneshot(end->def) && success_def_has_status(&end->def->rare->success, end->facts->status)))
                return false;
        value = property_text(end->def, steps[i].setting) ?: steps[i].guess;
        if (steps[i].status == EXIT_EXEC && end->def && end->def->n_commands == 1)
                value = end->def->commands[0].path;
        v->outcome->code = end->existing                  ? 0
                           : steps[i].status == EXIT_EXEC ? diagnose_programs(end->def, diagnosis)
                           : steps[i].settings            ? diagnose_paths(end->def, steps[i].settings, diagnosis)
                           : steps[i].setting ? diagnose_paths(end->def, SETTINGS(steps[i].setting), diagnosis)
                                              : 0;
        if (v->outcome->code > 0)
                value = diagnosis;
        return validate(v, RUN_RESULT_START_FAILED, "%s%s%s (step %s).", steps[i].message, value ? ": " : "",
                        strempty(value), steps[i].step);
}

static bool validate_stopped_elsewhere(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;
        bool unseen = !end->existing && f->active == UNIT_INACTIVE && streq(f->result, "success");

        if ((!end->stopped_elsewhere && !unseen) || unit_facts_ended_by_itself(f))
                return false;
        for (size_t i = 0; i < ELEMENTSOF(results); i++)
                if (streq(results[i].word, f->result) && !results[i].by_stop)
                        return false;
        v->outcome->code = signal_of(f);
        return validate(v, RUN_RESULT_CANCELLED, "Its unit was stopped, but not by vaktd.");
}

/* Clean in the eyes of the service manager. */
static bool validate_clean(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;

        if (!streq(f->result, "success"))
                return false;
        if (end->existing || !died_by_signal(f) || failure_is_ignored(end->def) ||
            (end->def && success_def_has_signal(&end->def->rare->success, f->status)))
                return validate_as(v, RUN_RESULT_SUCCESS, 0);
        return validate_as(v, RUN_RESULT_SIGNAL, f->status);
}

/* What SuccessExitStatus= says is not told to the service manager when there is one command: it keeps a record of its
 * own for us then, whatever the status. */
static bool validate_success_status(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;
        bool success;

        if (!end->def)
                return false;
        /* The service manager ignores it, too, unless it was reloaded meanwhile. */
        if (end->def->n_commands == 1 && failure_is_ignored(end->def) &&
            (streq(f->result, "exit-code") || streq(f->result, "signal") || streq(f->result, "core-dump")))
                success = true;
        else if (died_by_signal(f))
                success = (streq(f->result, "signal") || streq(f->result, "core-dump")) &&
                          success_def_has_signal(&end->def->rare->success, f->status);
        else
                success = f->code == CLD_EXITED && streq(f->result, "exit-code") &&
                          success_def_has_status(&end->def->rare->success, f->status);
        return success && validate_as(v, RUN_RESULT_SUCCESS, 0);
}

static bool validate_result(const UnitEnd *end, Verdict *v) {
        const UnitFacts *f = end->facts;

        for (size_t i = 0; i < ELEMENTSOF(results); i++) {
                if (!streq(results[i].word, f->result))
                        continue;
                v->outcome->result = results[i].result;
                v->outcome->reason = results[i].reason;
                if (results[i].result == RUN_RESULT_EXIT || died_by_signal(f))
                        v->outcome->code = f->status;
                return true;
        }
        if (end->existing && f->result[0] == '\0' && f->active != UNIT_FAILED) /* a target, a device */
                return validate_as(v, RUN_RESULT_SUCCESS, 0);
        return validate(v, RUN_RESULT_START_FAILED, "The unit %s failed%s%s.", end->unit, f->result[0] ? ": " : "",
                        f->result);
}

static bool (*const validates[])(const UnitEnd *end, Verdict *v) = {
        validate_told_to_stop, validate_cut_short,         validate_shutdown, validate_conditions,
        validate_start,        validate_wrapper,           validate_step,     validate_exec,
        validate_resources,    validate_stopped_elsewhere, validate_clean,    validate_success_status,
        validate_result,
};

void unit_outcome(const UnitEnd *end, ExecOutcome *ret, char reason[static UNIT_REASON_MAX]) {
        const UnitFacts *f = end->facts;
        ExecOutcome o = {
                .started = f->exec_start,
                .ended = f->exec_exit,
                .cpu = f->cpu_nsec == UINT64_MAX ? USEC_INFINITY : f->cpu_nsec / NSEC_PER_USEC,
                .memory_peak = f->memory_peak,
        };
        Verdict v = { &o, reason };

        for (size_t i = 0; i < ELEMENTSOF(validates); i++)
                if (validates[i](end, &v))
                        break;
        assert(o.result != RUN_RESULT_NONE); /* the last of them always knows */
        *ret = o;
}
