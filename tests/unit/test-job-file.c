/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Texts -> definitions: every key, merging, defaults, the digest, templates. What a bad file is told is in bad-jobs.h,
 * which the loader's test goes through; here is what is left. */

#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/job-file.h"
#include "config/key-table.h"
#include "util/edit-distance.h"
#include "util/strv.h"

#define HOST "vaktmester"
#define RUN  "[Run]\nExec=/bin/true\n"

/* Builds a job of a file and up to two drop-ins. */
static int build(const char *name, const char *file, const char *one, const char *two, Diagnostics *d, JobDef **ret) {
        const char *const contents[] = { file, one, two };
        JobFileContext context = { .host = HOST };
        JobText texts[3] = {};
        size_t n = 0;
        int r;

        for (; n < ELEMENTSOF(texts) && contents[n]; n++) {
                char path[] = "/j/a.job";

                path[3] = (char)('a' + n);
                texts[n] = (JobText){ .path = strdup(path), .bytes = strdup(contents[n]), .n = strlen(contents[n]) };
        }
        r = job_file_build(name, &context, texts, n, d, ret);
        for (size_t i = 0; i < n; i++)
                job_text_done(&texts[i]);
        return r;
}

static JobDef *build_good(const char *name, const char *file, const char *one, const char *two) {
        Diagnostics d = {};
        JobDef *def = NULL;

        if (build(name, file, one, two, &d, &def) < 0)
                fail_msg("%s:%u: %s", d.items[0].file, d.items[0].line, d.items[0].message);
        assert_int_equal(d.n_items, 0);
        return def;
}

static void test_defaults(void **state) {
        JobDef *d = build_good("a", RUN, NULL, NULL);
        char path[PATH_MAX];

        assert_string_equal(d->name, "a");
        assert_string_equal(job_def_fragment(d, path), "/j/a.job");
        assert_null(d->description);
        assert_null(d->rare->documentation);
        assert_null(d->rare->tags);
        assert_true(d->enabled);
        assert_int_equal(d->n_triggers, 0);
        assert_int_equal(d->n_commands, 1);
        assert_true(d->timeout == 0);
        assert_int_equal(d->overlap, OVERLAP_QUEUE);
        assert_int_equal(d->rare->queue_max, 1);
        assert_int_equal(d->rare->max_parallel, 16);
        assert_int_equal(d->n_ref, 1);
        job_def_unref(d);
}

static void test_every_key(void **state) {
        JobDef *d = build_good("a",
                               "[Job]\n"
                               "Description=Nightly backup ; of # /srv\n"
                               "Documentation=man:backup(8) https://example.org/x\n"
                               "Documentation=file:///usr/share/doc/x\n"
                               "Enabled=No\n"
                               "Tags=nightly  disk\n"
                               "[Timer]\n"
                               "OnInterval=1h 30min\n"
                               "OnBootSec=2min\n"
                               "OnInterval=1ms\n"
                               "OnStartupSec=0\n"
                               "[Run]\n"
                               "Exec=-/bin/a 'b c'\n"
                               "Exec=d ; e\n"
                               "TimeoutSec=90\n"
                               "Overlap=parallel\n"
                               "QueueMax=100000\n"
                               "MaxParallel=3\n"
                               "X-Colour=red\n"
                               "[X-Ours]\n"
                               "Anything=goes\n",
                               NULL, NULL);

        assert_string_equal(d->description, "Nightly backup ; of # /srv");
        assert_int_equal(strv_length(d->rare->documentation), 3);
        assert_string_equal(d->rare->documentation[2], "file:///usr/share/doc/x");
        assert_false(d->enabled);
        assert_int_equal(strv_length(d->rare->tags), 2);
        assert_string_equal(d->rare->tags[1], "disk");
        assert_int_equal(d->n_triggers, 4);
        assert_int_equal(d->triggers[0].type, TRIGGER_INTERVAL);
        assert_true(d->triggers[0].span == 90 * USEC_PER_MINUTE);
        assert_string_equal(d->triggers[0].expression, "1h 30min");
        assert_int_equal(d->triggers[1].type, TRIGGER_BOOT);
        assert_true(d->triggers[2].span == USEC_PER_MSEC);
        assert_int_equal(d->triggers[3].type, TRIGGER_STARTUP);
        assert_true(d->triggers[3].span == 0);
        assert_int_equal(d->n_commands, 3);
        assert_int_equal(d->commands[0].flags, COMMAND_IGNORE_FAILURE);
        assert_string_equal(d->commands[0].argv[1], "b c");
        assert_string_equal(d->commands[2].path, "e");
        assert_true(d->timeout == 90 * USEC_PER_SEC);
        assert_int_equal(d->overlap, OVERLAP_PARALLEL);
        assert_int_equal(d->rare->queue_max, 100000);
        assert_int_equal(d->rare->max_parallel, 3);
        job_def_unref(d);
}

static void test_shell(void **state) {
        JobDef *d =
                build_good("a", "[Run]\nShell=false\nShell=du -sh \"$HOME\" ; echo 100%% # \\\n  'x'\n", NULL, NULL);

        assert_int_equal(d->n_commands, 1);
        assert_string_equal(d->commands[0].path, "/bin/sh");
        assert_int_equal(d->commands[0].flags, COMMAND_NO_EXPAND);
        assert_int_equal(strv_length(d->commands[0].argv), 3);
        assert_string_equal(d->commands[0].argv[0], "/bin/sh");
        assert_string_equal(d->commands[0].argv[1], "-c");
        assert_string_equal(d->commands[0].argv[2], "du -sh \"$HOME\" ; echo 100% #  'x'");
        job_def_unref(d);
}

static void test_specifiers(void **state) {
        JobDef *d = build_good("backup@srv",
                               "[Job]\nDescription=%i on %h by %j, 100%%\nTags=%i x\n[Timer]\nOnInterval=1h\n"
                               "[Run]\nExec=/bin/%i %j '%h'\n",
                               NULL, NULL);

        assert_string_equal(d->description, "srv on " HOST " by backup@srv, 100%");
        assert_string_equal(d->rare->tags[0], "srv");
        assert_string_equal(d->commands[0].path, "/bin/srv");
        assert_string_equal(d->commands[0].argv[1], "backup@srv");
        assert_string_equal(d->commands[0].argv[2], HOST);
        job_def_unref(d);
}

static void test_merge(void **state) {
        static const char file[] = "[Job]\nDescription=one\nDocumentation=man:a\nTags=a\n"
                                   "[Timer]\nOnInterval=1h\nOnBootSec=1min\n"
                                   "[Run]\nExec=/bin/a\nTimeoutSec=5\nOverlap=skip\nQueueMax=7\nMaxParallel=2\n";
        JobDef *d = build_good("a", file,
                               "[Job]\nDescription=two\nTags=b\n[Timer]\nOnInterval=2h\n[Run]\nExec=/bin/b\n", NULL);

        assert_string_equal(d->description, "two");
        assert_int_equal(strv_length(d->rare->tags), 2);
        assert_int_equal(d->n_triggers, 3);
        assert_int_equal(d->n_commands, 2);
        job_def_unref(d);

        /* an empty value clears what is repeatable, of this key only, and brings the default of the others back */
        d = build_good("a", file,
                       "[Job]\nDescription=\nDocumentation=\nTags=\nEnabled=\n[Timer]\nOnInterval=\n"
                       "[Run]\nExec=\nExec=/bin/c\nTimeoutSec=\nOverlap=\nQueueMax=\nMaxParallel=\n",
                       "[Timer]\nOnInterval=3h\n");
        assert_null(d->description);
        assert_null(d->rare->documentation);
        assert_null(d->rare->tags);
        assert_true(d->enabled);
        assert_int_equal(d->n_triggers, 2);
        assert_int_equal(d->triggers[0].type, TRIGGER_BOOT);
        assert_string_equal(d->triggers[1].expression, "3h");
        assert_int_equal(d->n_commands, 1);
        assert_string_equal(d->commands[0].path, "/bin/c");
        assert_true(d->timeout == 0);
        assert_int_equal(d->overlap, OVERLAP_QUEUE);
        assert_int_equal(d->rare->queue_max, 1);
        assert_int_equal(d->rare->max_parallel, 16);
        job_def_unref(d);

        /* from a command to a shell line and back */
        d = build_good("a", file, "[Run]\nExec=\nShell=true\n", NULL);
        assert_string_equal(d->commands[0].path, "/bin/sh");
        job_def_unref(d);
        d = build_good("a", "[Run]\nShell=true\n", "[Run]\nShell=\nExec=/bin/a\n", NULL);
        assert_string_equal(d->commands[0].path, "/bin/a");
        job_def_unref(d);

        d = build_good("a", "[Run]\nExec=/bin/true\nTimeoutSec=0\n", NULL, NULL);
        assert_true(d->timeout == USEC_INFINITY);
        job_def_unref(d);
}

/* What only the whole tells, and which file is told then. */
static const struct {
        int line;
        const char *file, *dropin;
        const char *problem; /* FILE:LINE: and a part of the message */
} whole_rows[] = {
        { __LINE__, "[Run]\nShell=true\n", RUN, "/j/b.job:2: The job has both" },
        { __LINE__, RUN "Exec=/bin/b\n", "[Run]\n\nShell=true\n", "/j/b.job:3: The job has both" },
        { __LINE__, "[Run]\nShell=true\nExec=/bin/a\nExec=/bin/b\n", NULL, "/j/a.job:3: The job has both" },
        { __LINE__, RUN, "[Timer]\nOnBootSec=1\n[Run]\nExec=\n", "/j/b.job:2: The job has nothing to run" },
        { __LINE__, "[Timer]\nOnInterval=1h\nOnBootSec=1\nOnInterval=\n", NULL, "/j/a.job:3: The job has nothing" },
        { __LINE__, "[Run]\nUnit=a.service\n", RUN, "/j/b.job:2: The job has both Unit= and Exec=. Remove one" },
        { __LINE__, "[Run]\nShell=true\nUnit=a.service\n", NULL, "/j/a.job:3: The job has both Shell= and Unit=." },
        { __LINE__, "[Run]\nTimeoutSec=1\n", NULL, "/j/a.job:0: The job has nothing to run" },
        { __LINE__, "# only this\n", NULL, "/j/a.job:0: The job has nothing to run" },
        { __LINE__, "[Run]\nExce=x\n", NULL, "/j/a.job:2: Unknown key Exce=" },
        { __LINE__, RUN, "[Run]\nQueueMax=-1\n", "/j/b.job:2: QueueMax=-1 is not a whole number" },
        { __LINE__, RUN "QueueMax=99999999999999999999\n", NULL,
          "/j/a.job:3: QueueMax=99999999999999999999 is out of" },
        { __LINE__, RUN "QueueMax=1 2\n", NULL, "/j/a.job:3: QueueMax=1 2 is not a whole number" },
        { __LINE__, RUN "MaxParallel=0\n", NULL, "/j/a.job:3: MaxParallel=0 is out of range" },
        { __LINE__, RUN "TimeoutSec=1h 30x\n", NULL, "/j/a.job:3: TimeoutSec=1h 30x is not a time span" },
        { __LINE__, RUN "Overlap=Skip\n", NULL, "/j/a.job:3: Overlap=Skip is unknown" },
        { __LINE__, "[Timer]\nOnStartupSec=infinity\n" RUN, NULL, "/j/a.job:2: OnStartupSec=infinity never elapses" },
        { __LINE__, "[Mail]\nTo=x\n" RUN, NULL,
          "/j/a.job:1: Unknown section [Mail]. Valid sections are: [Job], [Timer], [Path], [Monitor], [Run], "
          "[Service], [Rotate], [Clean]." },
        { __LINE__, RUN "User=root\n", NULL,
          "/j/a.job:3: User= is in section [Run], but belongs in section [Service]." },
        { __LINE__, "[job]\n" RUN, NULL, "/j/a.job:1: Unknown section [job]. Did you mean [Job]?" },
        { __LINE__, "[Job]\nOnInterval=1\n" RUN, NULL, "/j/a.job:2: OnInterval= is in section [Job], but belongs in" },
        { __LINE__, "[Job]\nOnIntrval=1\n" RUN, NULL,
          "/j/a.job:2: Unknown key OnIntrval= in section [Job]. Did you mean "
          "OnInterval= in section [Timer]?" },
        { __LINE__, "X-a=1\nExec=x\n" RUN, NULL, "/j/a.job:2: Exec= is before the first section" },
        { __LINE__, "[Job]\nDescription=%q\n" RUN, NULL, "/j/a.job:2: %q is not a specifier" },
};

/* Values that are refused where they stand. */
static const struct {
        int line;
        const char *text, *problem;
} value_rows[] = {
        { __LINE__, "[Job]\nOnSuccess=b c/d\n", "2: OnSuccess=: \"c/d\" is not a valid job name. Write names" },
        { __LINE__, "[Job]\nOnFailure=t@\n", "2: OnFailure=: \"t@\" is a template. Write t@INSTANCE." },
        { __LINE__, "[Job]\nOnAlarm=x a\n", "2: OnAlarm=: The job requests itself. Remove the request." },
        { __LINE__, "[Job]\nSlowSec=x\n", "2: SlowSec=x is not a time span." },
        { __LINE__, "[Job]\nExpectSec=1 fortnight\n", "2: ExpectSec=1 fortnight is not a time span." },
        { __LINE__, "[Run]\nExec=\nUnit=fstrim\n", "3: Unit=fstrim is not a unit that can be started." },
        { __LINE__, "[Run]\nExec=\nUnit=a@.service\n", "3: Unit=a@.service is not a unit that can be started." },
        { __LINE__, "[Run]\nExec=\nUnit=a b.service\n", "3: Unit=a b.service is not a unit that can be started." },
        { __LINE__, "[Run]\nExec=\nUnit=@a.service\n", "3: Unit=@a.service is not a unit that can be started." },
        { __LINE__, "[Run]\nExec=\nUnit=.service\n", "3: Unit=.service is not a unit that can be started." },
        { __LINE__, "[Run]\nExec=\nUnit=dev-sda.device\n", "3: Unit=dev-sda.device is not a unit that can be" },
        { __LINE__, "[Run]\nExec=\nUnit=vakt-a-1.service\n", "3: Unit=vakt-a-1.service is a run of vaktd." },
        { __LINE__, "[Run]\nPool=a/b\n",
          "2: Pool=a/b is not a valid pool name. Write at most 64 letters, digits, \"_\"" },
        { __LINE__, "[Run]\nPriority=1001\n",
          "2: Priority=1001 is not a priority. Write a whole number from -1000 to" },
        { __LINE__, "[Run]\nPriority=high\n", "2: Priority=high is not a priority." },
        { __LINE__, "[Run]\nRetry=-1\n",
          "2: Retry=-1 is not a whole number. Write a number from 0 to 1000000, or infinity." },
        { __LINE__, "[Run]\nRetry=1000001\n", "2: Retry=1000001 is out of range. Write a number from 0 to 1000000, " },
        { __LINE__, "[Run]\nRetryDelaySec=infinity\n", "2: RetryDelaySec=infinity is not finite." },
        { __LINE__, "[Run]\nRetryMaxDelaySec=long\n", "2: RetryMaxDelaySec=long is not a time span." },
        { __LINE__, "[Run]\nRetryFactor=0.5\n",
          "2: RetryFactor=0.5 is not a factor. Write a number from 1 to 1000, " },
        { __LINE__, "[Run]\nRetryFactor=1,5\n", "2: RetryFactor=1,5 is not a factor." },
        { __LINE__, "[Run]\nRetryFactor=2.\n", "2: RetryFactor=2. is not a factor." },
        { __LINE__, "[Run]\nRetryFactor=1e3\n", "2: RetryFactor=1e3 is not a factor." },
        { __LINE__, "[Run]\nRetryFactor=1000.1\n", "2: RetryFactor=1000.1 is not a factor." },
        { __LINE__, "[Run]\nMinIntervalSec=infinity\n", "2: MinIntervalSec=infinity is not finite." },
        { __LINE__, "[Run]\nSuccessExitStatus=0 256\n",
          "2: SuccessExitStatus=: \"256\" is neither an exit status nor a signal. Write numbers from 0 to 255, "
          "names" },
        { __LINE__, "[Run]\nSuccessExitStatus=SIGX\n", "2: SuccessExitStatus=: \"SIGX\" is neither an exit status" },
        { __LINE__, "[Run]\nSuccessExitStatus=RTMAX\n", "2: SuccessExitStatus=: \"RTMAX\" is neither" },
        { __LINE__, "[Run]\nHistoryKeep=0\n", "2: HistoryKeep=0 is out of range. Write a number from 1 to " },
        { __LINE__, "[Run]\nHistoryKeep=all\n", "2: HistoryKeep=all is not a whole number. Write a number from 1 to" },
        { __LINE__, "[Run]\nHistoryKeepSec=0\n", "2: HistoryKeepSec=0 is shorter than 1s." },
        { __LINE__, "[Run]\nRunner=hot\n", "2: Runner=hot is unknown. Write unit or warm." },
        { __LINE__, "[Run]\nRunnerSlots=0\n", "2: RunnerSlots=0 is out of range. Write a number from 1 to 512" },
        { __LINE__, "[Run]\nRunnerMaxRuns=0\n", "2: RunnerMaxRuns=0 is out of range. Write a number from 1 to" },
        { __LINE__, "[Run]\nRunnerIdleSec=0\n", "2: RunnerIdleSec=0 is shorter than 1ms." },
        { __LINE__, "[Run]\nRunner=warm\n[Service]\nPAMName=login\n",
          "4: PAMName= does not go with Runner=warm: a session would be that of the runner, and not of a run. Remove "
          "it, or use Runner=unit." },
        { __LINE__, "[Service]\nRootDirectory=/srv\n[Run]\nRunner=warm\n", "2: RootDirectory= does not go with" },
        { __LINE__, "[Run]\nRunner=warm\n[Service]\nStandardInput=file:/x\n", "4: StandardInput= does not go with" },
        { __LINE__, "[Run]\nRunner=warm\n[Service]\nExecStartPre=/x\n", "4: ExecStartPre= does not go with" },
        /* what is at home in unit files and crontabs */
        { __LINE__, "[Unit]\nAfter=x\n", "1: [Unit] is for unit files. Write its Description= and" },
        { __LINE__, "[Install]\nWantedBy=x\n", "1: [Install] is for unit files. Remove it: a job in a directory" },
        { __LINE__, "[Run]\nExecStart=x\n", "2: ExecStart= is set by vaktd. Write Exec= or Shell= in section [Run]." },
        { __LINE__, "[Service]\nExecStart=x\n", "2: ExecStart= is set by vaktd. Write Exec= or Shell= in section" },
        { __LINE__, "[Run]\nType=oneshot\n", "2: Type= is set by vaktd: a run ends when its commands have ended." },
        { __LINE__, "[Job]\nRestart=always\n",
          "2: Restart= is set by vaktd, which starts another run instead. Write" },
        { __LINE__, "[Job]\nTimeoutSec=1\n", "2: TimeoutSec= is in section [Job], but belongs in section [Run]." },
        { __LINE__, "[Service]\nWantedBy=x\n", "2: WantedBy= is for unit files. Remove it" },
        { __LINE__, "[Job]\nConditionPathExists=/x\n", "2: ConditionPathExists= is for unit files. Write WaitFor=" },
        { __LINE__, "[Timer]\nOnCron=CRON_TZ=Europe/Oslo 0 5 * * *\n",
          "2: OnCron=CRON_TZ=Europe/Oslo 0 5 * * * names a time zone. Write TimeZone=Europe/Oslo on a line of its "
          "own, "
          "and OnCron=0 5 * * *." },
        { __LINE__, "[Timer]\nOnCalendar=Wed/2 10:00\n",
          "2: OnCalendar=Wed/2 10:00 repeats a day of the week. Write OnInterval=2w, and Anchor= with the first "
          "time." },
        { __LINE__, "[Timer]\nOnCalendar=Mon..Fri/2\n", "2: OnCalendar=Mon..Fri/2 is not a valid calendar" },
        { __LINE__, "[Run]\nRetrySec=5\n", "2: RetrySec= is not a key. Write RetryDelaySec= in section [Run]." },
        { __LINE__, "[Run]\nRetryDelay=5\n", "2: RetryDelay= is not a key. Write RetryDelaySec= in" },
        { __LINE__, "[Run]\nRetryIntervalSec=5\n", "2: RetryIntervalSec= is not a key. Write RetryDelaySec= in" },
        { __LINE__, "[Run]\nScript=x\n", "2: Script= is not a key. Write Exec= or Shell= in section [Run]." },
        { __LINE__, "[Timer]\nOnUnitActiveSec=5m\n",
          "2: OnUnitActiveSec= is for units of systemd. Write OnInterval= in" },
        { __LINE__, "[Run]\nRunnerIdle=5\n",
          "2: Unknown key RunnerIdle= in section [Run]. Did you mean RunnerIdleSec=?" },
        { __LINE__, "[Timer]\nPersist=yes\n",
          "2: Unknown key Persist= in section [Timer]. Did you mean Persistent=?" },
        { __LINE__, "[Run]\nDocs=x\n", "2: Unknown key Docs= in section [Run]. Remove it" },
        { __LINE__, "[Job]\nTheDescription=x\n",
          "2: Unknown key TheDescription= in section [Job]. Did you mean Desc" },
        { __LINE__, "[Job]\nTime=1\n", "2: Unknown key Time= in section [Job]. Did you mean TimeZone= in section [T" },
        { __LINE__, "[MonitorDisk]\nWhen=x\n", "1: Unknown section [MonitorDisk]. Did you mean [Monitor]?" },
        { __LINE__, "0 5 * * * /usr/bin/x a\n",
          "1: This is a line of a crontab. Write OnCron=0 5 * * * in section [Timer], and Shell=/usr/bin/x a in" },
        { __LINE__, "[Job]\n*/5  *\t* jan-mar sun#2  root A=b /x\n",
          "2: This is a line of a crontab. Write OnCron=*/5  *?* jan-mar sun#2 in section [Timer], and Shell=root" },
        { __LINE__, "@daily A=b x\n", "1: This is a line of a crontab. Write OnCron=@daily in section [Timer], and" },
        { __LINE__, "0 5 * * x\n", "1: The line has no \"=\"." },
        { __LINE__, "0 5 * * * \n", "1: The line has no \"=\"." },
        { __LINE__, "@daily\n", "1: The line has no \"=\"." },
        { __LINE__, "[Timer]\nOnCalendar=0 5 * * *\n",
          "2: OnCalendar=0 5 * * * is a cron expression. Write OnCron=0 5 * * *." },
        { __LINE__, "[Timer]\nOnCalendar=@daily\n",
          "2: OnCalendar=@daily is a cron expression. Write OnCron=@daily." },
        { __LINE__, "[Timer]\nOnCron=hourly\n",
          "2: OnCron=hourly is a calendar expression. Write OnCalendar=hourly." },
        { __LINE__, "[Timer]\nOnCron=@every 5m\n", "2: OnCron=@every 5m is an interval. Write OnInterval=5m." },
        { __LINE__, "[Timer]\nOnCron=0 5 * * * root /x\n",
          "2: OnCron=0 5 * * * root /x contains a command. Write OnCron=0 5 * * *, and the command in Shell= in" },
        { __LINE__, "[Timer]\nOnCron=0 0 25 * * *\n", "2: OnCron=0 0 25 * * * is not a valid cron expression: " },
        { __LINE__, "[Timer]\nExcept=0 5 * * *\n", "2: Except=0 5 * * * is not a valid calendar expression: " },
        { __LINE__, "[Timer]\nOnInterval=5m # often\n",
          "2: OnInterval=5m # often is not a time span. Write one as in systemd.time(7), for example 15min or 1h "
          "30min. A comment must be on a line of its own." },
        { __LINE__, "[Path]\nPathChanged=\"/x\"\n",
          "2: PathChanged=\"/x\" is not an absolute path. It must begin with \"/\". Remove the quotes." },
        { __LINE__, "CRON_TZ=UTC\n", "1: CRON_TZ= is for crontabs. Write TimeZone= in section [Timer]." },
        { __LINE__, "[Run]\nCommand=x\n", "2: Command= is not a key. Write Exec= or Shell= in section [Run]." },
};

static void test_values(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(value_rows); i++) {
                char shown[1024] = "";
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("a", RUN, value_rows[i].text, NULL, &d, &def);

                if (d.n_items > 0)
                        (void)snprintf(shown, sizeof(shown), "%u: %s", d.items[0].line, d.items[0].message);
                if (r != -EINVAL || d.n_items < 1 || !startswith(shown, value_rows[i].problem))
                        fail_msg("row of line %d: %d, %zu, %s", value_rows[i].line, r, d.n_items, shown);
                diagnostics_done(&d);
        }
}

static void test_policies(void **state) {
        JobDef *d = build_good("a@i",
                               "[Job]\nOnSuccess=b c\nOnSuccess=c d@%i\nOnFailure=x\nOnFailure=\nOnAlarm=page-me\n"
                               "SlowSec=10min\nExpectSec=26h\n"
                               "[Run]\nExec=x\nPool=disk-io.1_A\nPriority=-7\nRetry=3\nRetryDelaySec=5\n"
                               "RetryFactor=1.25\nRetryMaxDelaySec=10min\nMinIntervalSec=1min\n"
                               "SuccessExitStatus=1 TEMPFAIL SIGTERM\nSuccessExitStatus=KILL 255\n"
                               "HistoryKeep=20\nHistoryKeepSec=1w\n"
                               "Runner=warm\nRunnerIdleSec=infinity\nRunnerMaxRuns=infinity\nRunnerSlots=7\n"
                               "[Service]\nStandardInput=null\n",
                               NULL, NULL);

        assert_int_equal(strv_length(d->rare->on_success), 3);
        assert_string_equal(d->rare->on_success[1], "c");
        assert_string_equal(d->rare->on_success[2], "d@i");
        assert_null(d->rare->on_failure);
        assert_string_equal(d->rare->on_alarm[0], "page-me");
        assert_true(d->rare->slow == 10 * USEC_PER_MINUTE);
        assert_true(d->rare->expect == 26 * USEC_PER_HOUR);
        assert_string_equal(d->rare->pool, "disk-io.1_A");
        assert_int_equal(d->rare->priority, -7);
        assert_int_equal(d->rare->retry.max, 3);
        assert_true(d->rare->retry.delay == 5 * USEC_PER_SEC);
        assert_true(d->rare->retry.factor > 1.2499 && d->rare->retry.factor < 1.2501);
        assert_true(d->rare->retry.max_delay == 10 * USEC_PER_MINUTE);
        assert_true(d->rare->min_interval == USEC_PER_MINUTE);
        for (int i = 0; i < 256; i++)
                assert_int_equal(success_def_has_status(&d->rare->success, i),
                                 i == 0 || i == 1 || i == 75 || i == 255);
        for (int i = 0; i < 64; i++)
                assert_int_equal(success_def_has_signal(&d->rare->success, i), i == 9 || i == 15);
        assert_int_equal(d->rare->history_keep, 20);
        assert_true(d->rare->history_keep_usec == 7 * USEC_PER_DAY);
        assert_int_equal(d->rare->runner.kind, RUNNER_WARM);
        assert_true(d->rare->runner.idle == USEC_INFINITY);
        assert_int_equal(d->rare->runner.max_runs, UINT_MAX);
        assert_int_equal(d->rare->runner.slots, 7);
        job_def_unref(d);

        d = build_good("a",
                       "[Job]\nSlowSec=0\n[Run]\nUnit=a@b:c.service\nRetry=infinity\nHistoryKeep=infinity\n"
                       "HistoryKeepSec=infinity\nPriority=+1000\nRetryFactor=1\n",
                       NULL, NULL);
        assert_int_equal(d->n_commands, 0);
        assert_string_equal(d->rare->unit, "a@b:c.service");
        assert_true(d->rare->slow == USEC_INFINITY);
        assert_int_equal(d->rare->retry.max, UINT_MAX);
        assert_int_equal(d->rare->history_keep, UINT_MAX);
        assert_true(d->rare->history_keep_usec == USEC_INFINITY);
        assert_int_equal(d->rare->priority, 1000);
        job_def_unref(d);
}

/* An empty value restores what counts without the key. */
static void test_policy_defaults(void **state) {
        static const char *const dropins[] = {
                NULL,
                "[Job]\nOnSuccess=\nOnFailure=\nOnAlarm=\nSlowSec=\nExpectSec=\n[Run]\nPool=\nPriority=\nRetry=\n"
                "RetryDelaySec=\nRetryFactor=\nRetryMaxDelaySec=\nMinIntervalSec=\nSuccessExitStatus=\n"
                "HistoryKeep=\nHistoryKeepSec=\nRunner=\nRunnerIdleSec=\nRunnerMaxRuns=\nRunnerSlots=\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(dropins); i++) {
                JobDef *d = build_good("a",
                                       i == 0 ? RUN
                                              : RUN "[Job]\nOnSuccess=b\nSlowSec=1\nExpectSec=1\n[Run]\nPool=p\n"
                                                    "Priority=1\nRetry=1\nRetryDelaySec=1\nRetryFactor=3\n"
                                                    "RetryMaxDelaySec=1\nMinIntervalSec=1\nSuccessExitStatus=1\n"
                                                    "HistoryKeep=1\nHistoryKeepSec=1\nRunner=warm\n"
                                                    "RunnerIdleSec=1\nRunnerMaxRuns=1\nRunnerSlots=1\n",
                                       dropins[i], NULL);

                assert_null(d->rare->on_success);
                assert_true(d->rare->slow == USEC_INFINITY && d->rare->expect == USEC_INFINITY);
                assert_null(d->rare->pool);
                assert_null(d->rare->unit);
                assert_int_equal(d->rare->priority, 0);
                assert_int_equal(d->rare->retry.max, 0);
                assert_true(d->rare->retry.delay == 30 * USEC_PER_SEC && d->rare->retry.max_delay == USEC_PER_HOUR);
                assert_true(d->rare->retry.factor > 1.99 && d->rare->retry.factor < 2.01);
                assert_true(d->rare->min_interval == 0);
                assert_false(success_def_has_status(&d->rare->success, 1));
                assert_int_equal(d->rare->history_keep, 0);
                assert_true(d->rare->history_keep_usec == 0);
                assert_int_equal(d->rare->runner.kind, RUNNER_UNIT);
                assert_true(d->rare->runner.idle == USEC_PER_MINUTE);
                assert_int_equal(d->rare->runner.max_runs, 10000);
                assert_int_equal(d->rare->runner.slots, 64);
                job_def_unref(d);
        }
}

static void test_whole(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(whole_rows); i++) {
                char shown[1024] = "";
                Diagnostics d = {};
                JobDef *def = NULL;
                int r = build("a", whole_rows[i].file, whole_rows[i].dropin, NULL, &d, &def);

                if (d.n_items > 0)
                        (void)snprintf(shown, sizeof(shown), "%s:%u: %s", d.items[0].file, d.items[0].line,
                                       d.items[0].message);
                if (r != -EINVAL || d.n_items != 1 || def || !startswith(shown, whole_rows[i].problem))
                        fail_msg("row of line %d: %d, %zu, %s", whole_rows[i].line, r, d.n_items, shown);
                diagnostics_done(&d);
        }
}

/* A file of nothing but problems has twenty of them told, and the others counted. */
static void test_many_problems(void **state) {
        char text[8192] = "[Run]\n", *p = text + strlen(text);
        Diagnostics d = {};
        JobDef *def = NULL;

        for (unsigned i = 0; i < 100; i++)
                p += sprintf(p, "Wrong%u=x\n", i);
        assert_int_equal(build("a", text, NULL, NULL, &d, &def), -EINVAL);
        assert_int_equal(d.n_items, DIAGNOSTICS_PER_FILE_MAX + 1);
        assert_int_equal(d.items[19].line, 21);
        assert_non_null(strstr(d.items[20].message, "80 further problems"));
        diagnostics_done(&d);
}

static void test_long_text(void **state) {
        char text[2048], *p;
        Diagnostics d = {};
        JobDef *def = NULL;

        p = stpcpy(text, RUN "[Job]\nDescription=");
        memset(p, 'x', KEY_TEXT_MAX + 1);
        p[KEY_TEXT_MAX + 1] = '\0';
        assert_int_equal(build("a", text, NULL, NULL, &d, &def), -EINVAL);
        assert_int_equal(d.items[0].line, 4);
        assert_non_null(strstr(d.items[0].message, "x… is longer than 1024 bytes"));
        diagnostics_done(&d);
        p[KEY_TEXT_MAX] = '\0';
        assert_int_equal(build("a", text, NULL, NULL, &d, &def), 0);
        job_def_unref(def);
}

static uint64_t digest(const char *name, const char *file, const char *dropin) {
        JobDef *d = build_good(name, file, dropin, NULL);
        uint64_t digest = d->digest;

        job_def_unref(d);
        return digest;
}

/* What was read is kept as one job file, which says the same. */
static void test_text(void **state) {
        static const char *const files[] = {
                "# x\n[Job]\nDescription = a ; b # c\nX-y=1\n[X-z]\na=b\n[Timer]\nOnCalendar=daily\nOnCalendar=\n"
                "OnCalendar=Mon 05:30\n[Run]\nExec=/bin/echo \"%j  %%\" \\\n  [Run]\nWaitFor=disk-free / > 10%\n",
                "[Path]\nPathChanged=/srv/%j\n[Rotate]\nPath=/var/log/*.log\nMaxSize=1M",
                "[Monitor]\nWhen=load1 > 8\n[Run]\nShell=echo '[Run]'; "
                "x=y\n[Service]\nEnvironment=A=b\nEnvironment=C=d\n",
        };

        for (size_t i = 0; i < ELEMENTSOF(files); i++) {
                JobDef *d = build_good("a", files[i], "[Run]\nTimeoutSec=5\n\\\n", "[Job]\nTags=t\n"), *again;
                _cleanup_free_ char *text = NULL, *text_again = NULL;

                assert_int_equal(job_file_text(d, &text), 0);
                assert_null(strstr(text, "X-"));
                assert_non_null(strstr(text, "TimeoutSec=5\n[Job]\nTags=t\n"));
                again = build_good("a", text, NULL, NULL);
                assert_int_equal(job_file_text(again, &text_again), 0);
                assert_string_equal(text_again, text);
                assert_true(again->digest == d->digest);
                job_def_unref(again);
                job_def_unref(d);
        }
}

static bool is_within(const void *p, const void *block, size_t size) {
        return (const char *)p >= (const char *)block && (const char *)p < (const char *)block + size;
}

/* A usual job is one block, in which no string stands twice; what it does not set it shares with all others. */
static void test_packed(void **state) {
        _cleanup_free_ char *text = NULL;
        JobDef *d = build_good("a",
                               "[Job]\nDescription=Some words\n[Timer]\nOnCalendar=daily\n"
                               "[Run]\nExec=/bin/echo x %j words\nTimeoutSec=5\n",
                               NULL, NULL),
               *words,
               *rare = build_good("b", "[Job]\nTags=t\n[Timer]\nOnCron=@daily\n[Run]\nExec=@/bin/sh sh\n", NULL, NULL);

        words = build_good("w", "[Run]\nExec=-/bin/echo one  two\nExec=@/bin/sh sh  -c :\nExec=-/bin/echo one two\n",
                           NULL, NULL);
        for (size_t i = 0; i < 3; i++)
                assert_true(is_within(words->commands[2].argv[i], words->text, words->text_size));
        assert_string_equal(words->commands[2].argv[0], "/bin/echo");
        assert_string_equal(words->commands[2].argv[2], "two");
        assert_null(words->commands[2].argv[3]);
        assert_int_equal(job_file_text(words, &text), 0);
        assert_string_equal(text,
                            "[Run]\nExec=-/bin/echo one  two\nExec=@/bin/sh sh  -c :\nExec=-/bin/echo one two\n");
        job_def_unref(words);
        assert_ptr_equal(d->rare, &job_def_defaults.rare);
        assert_true(d->size <= 320);
        assert_true(is_within(d->description, d->text, d->text_size));
        assert_true(is_within(d->triggers[0].expression, d->text, d->text_size));
        assert_ptr_equal(d->commands[0].argv[0], d->commands[0].path);
        assert_true(is_within(d->commands[0].argv[3], d->text, d->text_size));
        assert_string_equal(d->commands[0].argv[2], "a");
        assert_string_equal(d->commands[0].argv[3], "words");
        assert_null(d->commands[0].argv[4]);
        assert_true(is_within(rare->rare, rare, rare->size));
        assert_string_equal(rare->rare->tags[0], "t");
        assert_string_equal(rare->commands[0].path, "/bin/sh");
        assert_string_equal(rare->commands[0].argv[0], "sh");
        job_def_unref(d);
        job_def_unref(rare);
}

/* Calendars, cron expressions and plain settings that are equal are in memory once, and stay until the last of their
 * definitions is gone. */
static void test_shared(void **state) {
        static const char text[] = "[Timer]\nOnCalendar=daily\nOnCron=@daily\nCatchUp=once\n[Run]\nExec=/bin/true\n";
        JobDef *a = build_good("a", text, NULL, NULL), *b = build_good("b", text, NULL, NULL),
               *other =
                       build_good("c", "[Timer]\nOnCalendar=hourly\nCatchUp=all\n[Run]\nExec=/bin/true\n", NULL, NULL);
        char path[PATH_MAX];
        usec_t next;

        assert_ptr_equal(a->triggers[0].calendar, b->triggers[0].calendar);
        assert_ptr_equal(a->triggers[1].cron, b->triggers[1].cron);
        assert_ptr_equal(a->rare, b->rare);
        assert_string_equal(job_def_fragment(a, path), "/j/a.job");
        assert_string_equal(job_def_fragment(b, path), "/j/a.job"); /* not the name of the job */
        assert_int_equal(a->file, JOB_DEF_FILE_OF_JOB);
        assert_int_equal(b->file, JOB_DEF_FILE_WHOLE);
        assert_ptr_not_equal(a->triggers[0].calendar, other->triggers[0].calendar);
        assert_ptr_not_equal(a->rare, other->rare);
        job_def_unref(a);
        job_def_unref(other);
        assert_int_equal(b->rare->timer.catch_up, CATCH_UP_ONCE);
        assert_int_equal(calendar_next(b->triggers[0].calendar, NULL, 1, &next), 0);
        assert_true(next == USEC_PER_DAY);
        assert_int_equal(cron_next(b->triggers[1].cron, NULL, 1, &next), 0);
        assert_true(next == USEC_PER_DAY);
        job_def_unref(b);
}

static void test_digest(void **state) {
        uint64_t base = digest("a", RUN "TimeoutSec=5\n", NULL);

        /* what changes nothing */
        assert_true(base == digest("a", "# x\n\n[Run]\n  Exec = /bin/true  \r\nTimeoutSec=\\\n5\n", NULL));
        assert_true(base == digest("a", RUN "X-y=1\n[X-z]\na=b\n[Run]\nTimeoutSec=5\n", NULL));
        assert_true(base == digest("a", RUN, "[Run]\nTimeoutSec=5\n"));
        /* what does */
        assert_true(base != digest("b", RUN "TimeoutSec=5\n", NULL));
        assert_true(base != digest("a", RUN "TimeoutSec=5 \n[Job]\nEnabled=yes\n", NULL));
        assert_true(base != digest("a", RUN "TimeoutSec=6\n", NULL));
        assert_true(base != digest("a", "[Run]\nTimeoutSec=5\nExec=/bin/true\n", NULL));
        assert_true(base != digest("a", RUN "TimeoutSec=5\n", "[Run]\nTimeoutSec=5\n"));
}

static void test_edit_distance(void **state) {
        static const struct {
                int line;
                const char *a, *b;
                unsigned distance;
        } rows[] = {
                { __LINE__, "", "", 0 },         { __LINE__, "abc", "abc", 0 },
                { __LINE__, "abc", "ABC", 0 },   { __LINE__, "abc", "", 3 },
                { __LINE__, "abc", "acb", 1 },   { __LINE__, "abc", "abd", 1 },
                { __LINE__, "abc", "abcd", 1 },  { __LINE__, "abc", "bc", 1 },
                { __LINE__, "abcd", "badc", 2 }, { __LINE__, "abcdef", "uvwxyz", 4 },
        };

        for (size_t i = 0; i < ELEMENTSOF(rows); i++)
                if (edit_distance(rows[i].a, rows[i].b, 3) != rows[i].distance ||
                    edit_distance(rows[i].b, rows[i].a, 3) != rows[i].distance)
                        fail_msg("row of line %d: %u", rows[i].line, edit_distance(rows[i].a, rows[i].b, 3));
}

static const struct {
        int line;
        const char *text;
        const char *problem; /* NULL: a good template */
} template_rows[] = {
        { __LINE__, "[Run]\nExec=/opt/%i/run %j\n", NULL },
        { __LINE__, "[Run]\nExec=%i/run\n", NULL },
        { __LINE__, "[Timer]\nOnInterval=%i\n[Run]\nShell=%i\nOverlap=%i\nQueueMax=%i\n", NULL },
        { __LINE__, "[Run]\nExec=%i%q\n", "%q is not a specifier" },
        { __LINE__, "[Run]\nShell=%i%q\n", "%q is not a specifier" },
        { __LINE__, "[Run]\nExec=bin/run\n", "neither an absolute" },
        { __LINE__, "[Timer]\nOnInterval=0\n" RUN, "shorter than" },
        { __LINE__, "[Job]\nDescription=%i\n", "nothing to run" },
        { __LINE__, "[Run]\nFoo=%i\n", "Unknown key" },
};

static void test_templates(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(template_rows); i++) {
                JobText text = { .path = (char *)"/j/a@.job",
                                 .bytes = (char *)template_rows[i].text,
                                 .n = strlen(template_rows[i].text) };
                JobFileContext context = { .host = HOST };
                Diagnostics d = {};
                int r = job_file_check_template("a@", &context, &text, 1, &d);

                if (template_rows[i].problem ? r != -EINVAL || !strstr(d.items[0].message, template_rows[i].problem)
                                             : r != 0)
                        fail_msg("row of line %d: %d %s", template_rows[i].line, r,
                                 d.n_items > 0 ? d.items[0].message : "");
                diagnostics_done(&d);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_defaults),        cmocka_unit_test(test_every_key),
                cmocka_unit_test(test_shell),           cmocka_unit_test(test_specifiers),
                cmocka_unit_test(test_merge),           cmocka_unit_test(test_whole),
                cmocka_unit_test(test_many_problems),   cmocka_unit_test(test_long_text),
                cmocka_unit_test(test_digest),          cmocka_unit_test(test_text),
                cmocka_unit_test(test_packed),          cmocka_unit_test(test_shared),
                cmocka_unit_test(test_edit_distance),   cmocka_unit_test(test_templates),
                cmocka_unit_test(test_values),          cmocka_unit_test(test_policies),
                cmocka_unit_test(test_policy_defaults),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
