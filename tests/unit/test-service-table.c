/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Section [Service]: each setting with good values (service-samples.h) and bad ones, what several lines come to, and
 * what is refused for the sake of what the runs will be made of. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>

#include "config/service.h"
#include "exec/child-settings.h"
#include "service-samples.h"
#include "util/strv.h"

/* The properties, or the first problem with its line, as text. */
static char *convert(const char *text, LoaderTarget target) {
        char *shown = NULL;
        size_t n;
        FILE *f = open_memstream(&shown, &n);
        Diagnostics d = {};
        JobDef *def = NULL;

        if (service_sample_build(text, target, &d, &def) >= 0)
                service_sample_print(f, def);
        else
                fprintf(f, "%u: %s", d.items[0].line, d.items[0].message);
        assert_int_equal(fclose(f), 0);
        diagnostics_done(&d);
        job_def_unref(def);
        return shown;
}

static void test_samples(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(service_samples); i++) {
                _cleanup_free_ char *shown = convert(service_samples[i].text, LOADER_FOR_UNITS);

                if (!streq(shown, service_samples[i].expected))
                        fail_msg("row of line %d: %s", service_samples[i].line, shown);
        }
}

static const ServiceSetting *setting_of(const KeyRow *row) {
        return row->argument;
}

/* No setting goes untried, and what is refused says so with what to do instead. */
static void test_all_rows(void **state) {
        for (size_t i = 0; i < n_service_rows; i++) {
                const KeyRow *row = &service_rows[i];
                bool found = false;

                for (size_t k = 0; k < ELEMENTSOF(service_samples); k++) {
                        const char *rest = startswith(service_samples[k].text, row->key);

                        found = found || (rest && *rest == '=');
                }
                if (setting_of(row)->property ? !found : found)
                        fail_msg("%s=", row->key);
                if (!setting_of(row)->property) {
                        char text[128], expected[256];
                        _cleanup_free_ char *shown = NULL;

                        (void)snprintf(text, sizeof(text), "%s=x", row->key);
                        (void)snprintf(expected, sizeof(expected), "4: %s= %s", row->key, setting_of(row)->refusal);
                        shown = convert(text, LOADER_FOR_ANY);
                        assert_string_equal(shown, expected);
                        assert_true(shown[strlen(shown) - 1] == '.');
                }
                for (size_t k = 0; k < i; k++)
                        assert_string_not_equal(row->key, service_rows[k].key);
        }
}

/* The whole of the message where it is short, else its beginning. */
static const struct {
        int line;
        const char *text;
        const char *problem;
} bad_rows[] = {
        /* words and booleans */
        { __LINE__, "PrivateTmp=maybe", "4: PrivateTmp=maybe is neither yes nor no. Write yes or no." },
        { __LINE__, "ProtectSystem=ful", "4: ProtectSystem=ful is unknown. Write yes, no, full or strict." },
        { __LINE__, "KillMode=none", "4: KillMode=none is unknown. Write control-group, mixed or process." },
        { __LINE__, "OOMPolicy=Stop", "4: OOMPolicy=Stop is unknown. Write continue, stop or kill." },
        { __LINE__, "CPUSchedulingPolicy=round-robin",
          "4: CPUSchedulingPolicy=round-robin is unknown. Write other, " },
        { __LINE__, "SyslogFacility=cronie", "4: SyslogFacility=cronie is unknown. Write kern, user, " },
        { __LINE__, "LogLevelMax=8", "4: LogLevelMax=8 is not a log level." },
        { __LINE__, "KillSignal=SIGTREM", "4: KillSignal=SIGTREM is not a signal. Write a name, such as SIGTERM or " },
        { __LINE__, "KillSignal=0", "4: KillSignal=0 is not a signal." },
        { __LINE__, "KillSignal=65", "4: KillSignal=65 is not a signal." },
        { __LINE__, "KillSignal=RTMIN+31", "4: KillSignal=RTMIN+31 is not a signal." },
        { __LINE__, "KillSignal=RTMIN-1", "4: KillSignal=RTMIN-1 is not a signal." },
        { __LINE__, "SystemCallErrorNumber=EWRONG",
          "4: SystemCallErrorNumber=EWRONG is not an error of a system call." },
        { __LINE__, "SystemCallErrorNumber=4096", "4: SystemCallErrorNumber=4096 is not an error of a system call." },

        /* numbers */
        { __LINE__, "Nice=20", "4: Nice=20 is not a whole number in range. Write a number from -20 to 19." },
        { __LINE__, "Nice=-21", "4: Nice=-21 is not a whole number in range." },
        { __LINE__, "Nice=low", "4: Nice=low is not a whole number in range." },
        { __LINE__, "Nice=--1", "4: Nice=--1 is not a whole number in range." },
        { __LINE__, "OOMScoreAdjust=1001", "4: OOMScoreAdjust=1001 is not a whole number in range." },
        { __LINE__, "IOSchedulingPriority=8", "4: IOSchedulingPriority=8 is not a whole number in range." },
        { __LINE__, "LogRateLimitBurst=4294967296",
          "4: LogRateLimitBurst=4294967296 is not a whole number in range." },
        { __LINE__, "UMask=0028", "4: UMask=0028 is not an access mode. Write an octal number, for example 0750." },
        { __LINE__, "UMask=17777", "4: UMask=17777 is not an access mode." },
        { __LINE__, "CPUWeight=0", "4: CPUWeight=0 is not a weight. Write a number from 1 to 10000, or idle." },
        { __LINE__, "IOWeight=idle", "4: IOWeight=idle is not a weight. Write a number from 1 to 10000." },
        { __LINE__, "IOWeight=10001", "4: IOWeight=10001 is not a weight." },

        /* sizes and percentages */
        { __LINE__, "MemoryMax=much", "4: MemoryMax=much is not a size. Write bytes, optionally with " },
        { __LINE__, "MemoryMax=1X", "4: MemoryMax=1X is not a size." },
        { __LINE__, "MemoryMax=-1", "4: MemoryMax=-1 is not a size." },
        { __LINE__, "MemoryMax=1.G", "4: MemoryMax=1.G is not a size." },
        { __LINE__, "MemoryMax=500M 1G", "4: MemoryMax=500M 1G is not a size." },
        { __LINE__, "MemoryMax=1G 1G", "4: MemoryMax=1G 1G is not a size." },
        { __LINE__, "MemoryMax=16E", "4: MemoryMax=16E is too large." },
        { __LINE__, "MemoryMax=18446744073709551615", "4: MemoryMax=18446744073709551615 is too large. " },
        { __LINE__, "MemoryMax=101%",
          "4: MemoryMax=101% is not a percentage from 0% to 100% with at most two decimals." },
        { __LINE__, "MemoryMax=1.234%", "4: MemoryMax=1.234% is not a percentage" },
        { __LINE__, "MemoryMax=%", "4: MemoryMax=% is not a percentage" },
        { __LINE__, "MemoryMax=5%5", "4: %5 is not a specifier" },
        { __LINE__, "CPUQuota=20",
          "4: CPUQuota=20 is not a share of a CPU. Write a percentage above 0%, for example 20%" },
        { __LINE__, "CPUQuota=0%", "4: CPUQuota=0% is not a share of a CPU." },
        { __LINE__, "TasksMax=0", "4: TasksMax=0 is not a number of tasks." },
        { __LINE__, "TasksMax=1K", "4: TasksMax=1K is not a number of tasks." },
        { __LINE__, "ManagedOOMMemoryPressureLimit=5", "4: ManagedOOMMemoryPressureLimit=5 is not a percentage" },

        /* spans and limits */
        { __LINE__, "TimeoutStopSec=soon", "4: TimeoutStopSec=soon is not a time span." },
        { __LINE__, "CPUQuotaPeriodSec=100us", "4: CPUQuotaPeriodSec=100us is shorter than 1ms." },
        { __LINE__, "CPUQuotaPeriodSec=infinity", "4: CPUQuotaPeriodSec=infinity is not finite." },
        { __LINE__, "TimerSlackNSec=x", "4: TimerSlackNSec=x is not a time span. Write nanoseconds, or " },
        { __LINE__, "TimerSlackNSec=600y", "4: TimerSlackNSec=600y is not a time span." },
        { __LINE__, "LimitNOFILE=1K",
          "4: LimitNOFILE=1K is not a limit. Write a whole number, infinity, or two of them " },
        { __LINE__, "LimitNOFILE=20:10",
          "4: LimitNOFILE=20:10 has a soft limit above the hard one. Write SOFT:HARD." },
        { __LINE__, "LimitNOFILE=1:2:3", "4: LimitNOFILE=1:2:3 is not a limit." },
        { __LINE__, "LimitNOFILE=:3", "4: LimitNOFILE=:3 is not a limit." },
        { __LINE__, "LimitCPU=x", "4: LimitCPU=x is not a limit. Write a time span, infinity, " },
        { __LINE__, "LimitFSIZE=1Z", "4: LimitFSIZE=1Z is not a limit. Write bytes, " },
        { __LINE__, "LimitNICE=41",
          "4: LimitNICE=41 is not a limit. Write a nice level with its sign, or a number from " },
        { __LINE__, "LimitNICE=+20", "4: LimitNICE=+20 is not a limit." },

        /* paths and names */
        { __LINE__, "WorkingDirectory=tmp",
          "4: WorkingDirectory=: \"tmp\" is not an absolute path. It must begin with \"/\"." },
        { __LINE__, "RootDirectory=-/x", "4: RootDirectory=: \"-/x\" is not an absolute path." },
        { __LINE__, "RootDirectory=~", "4: RootDirectory=: \"~\" is not an absolute path." },
        { __LINE__, "ReadWritePaths=/a ../b", "4: ReadWritePaths=: \"../b\" is not an absolute path." },
        { __LINE__, "ReadWritePaths=/a/../b", "4: ReadWritePaths=: \"/a/../b\" contains \".\" or \"..\"." },
        { __LINE__, "ReadWritePaths=/a/.", "4: ReadWritePaths=: \"/a/.\" contains \".\" or \"..\"." },
        { __LINE__, "ReadWritePaths=\"/a", "4: The quote \" is not closed." },
        { __LINE__, "ReadWritePaths=/a\\d", "4: \\d is not a valid escape sequence" },
        { __LINE__, "ReadWritePaths=/a\\xff", "4: ReadWritePaths=: \"/a?\" is not valid UTF-8." },
        { __LINE__, "StateDirectory=/a", "4: StateDirectory=: \"/a\" is not a relative path." },
        { __LINE__, "StateDirectory=a/../b", "4: StateDirectory=: \"/a/../b\" contains \".\" or \"..\"." },
        { __LINE__, "User=a:b", "4: User=a:b is not a valid user name. Write a name or a number." },
        { __LINE__, "SupplementaryGroups=a b/c", "4: SupplementaryGroups=: \"b/c\" is not a valid group name." },
        { __LINE__, "Slice=batch", "4: Slice=batch is not a slice. Write the name of a slice, such as batch.slice." },
        { __LINE__, "Slice=a@b.slice", "4: Slice=a@b.slice is not a slice." },
        { __LINE__, "LogNamespace=a/b", "4: LogNamespace=a/b is not a valid journal namespace." },
        { __LINE__, "SELinuxContext=-x", "4: SELinuxContext=-x cannot begin with \"-\" here." },
        { __LINE__, "AppArmorProfile=-", "4: AppArmorProfile=- names nothing." },

        /* sets */
        { __LINE__, "CapabilityBoundingSet=CAP_FLY",
          "4: CapabilityBoundingSet=: \"CAP_FLY\" is not a valid capability." },
        { __LINE__, "CapabilityBoundingSet=~KILL", "4: CapabilityBoundingSet=: \"KILL\" is not a valid capability." },
        { __LINE__, "CapabilityBoundingSet=CAP_NET_ADMNI",
          "4: CapabilityBoundingSet=: \"CAP_NET_ADMNI\" is not a valid "
          "capability. Did you mean \"CAP_NET_ADMIN\"?" },
        { __LINE__, "RestrictNamespaces=usr",
          "4: RestrictNamespaces=: \"usr\" is not a valid kind of namespace. Did you mean "
          "\"user\"?" },
        { __LINE__, "RestrictNamespaces=time", "4: RestrictNamespaces=: \"time\" is not a valid kind of namespace." },
        { __LINE__, "SecureBits=all", "4: SecureBits=: \"all\" is unknown." },
        { __LINE__, "CoredumpFilter=some", "4: CoredumpFilter=: \"some\" is not a part of a core dump." },
        { __LINE__, "CPUAffinity=0-x", "4: CPUAffinity=0-x is not a list of numbers below 8192." },
        { __LINE__, "CPUAffinity=3-1", "4: CPUAffinity=3-1 is not a list" },
        { __LINE__, "CPUAffinity=8192", "4: CPUAffinity=8192 is not a list" },
        { __LINE__, "AllowedCPUs=numa", "4: AllowedCPUs=numa is not a list" },
        { __LINE__, "Delegate=disk", "4: Delegate=: \"disk\" is not a valid control group controller." },

        /* lists */
        { __LINE__, "Environment=A B=2",
          "4: Environment=: \"A\" is not an assignment. Write NAME=value, in quotes if " },
        { __LINE__, "Environment=1A=2", "4: Environment=: \"1A=2\" is not an assignment." },
        { __LINE__, "PassEnvironment=A=2", "4: PassEnvironment=: \"A=2\" is not a valid variable name." },
        { __LINE__, "UnsetEnvironment=-", "4: UnsetEnvironment=: \"-\" is neither a variable name nor" },
        { __LINE__, "EnvironmentFile=x", "4: EnvironmentFile=: \"x\" is not an absolute path." },
        { __LINE__, "SystemCallFilter=Open", "4: SystemCallFilter=: \"Open\" is not a valid system call." },
        { __LINE__, "SystemCallFilter=~@priviliged",
          "4: SystemCallFilter=: \"@priviliged\" is not a valid group of system "
          "calls. Did you mean \"@privileged\"?" },
        { __LINE__, "SystemCallFilter=~@moutn:EPERM",
          "4: SystemCallFilter=: \"@moutn\" is not a valid group of system calls. "
          "Did you mean \"@mount\"?" },
        { __LINE__, "SystemCallFilter=@system-service fsnyc",
          "4: SystemCallFilter=: \"fsnyc\" is not a valid system call. Did "
          "you mean \"fsync\"?" },
        { __LINE__, "SystemCallFilter=~made_up_call",
          "4: SystemCallFilter=: \"made_up_call\" is not a valid system call. "
          "Write names" },
        { __LINE__, "SystemCallLog=pivot-root",
          "4: SystemCallLog=: \"pivot-root\" is not a valid system call. Did you mean "
          "\"pivot_root\"?" },
        { __LINE__, "RestrictFileSystems=ext4 tmpsf",
          "4: RestrictFileSystems=: \"tmpsf\" is not a valid file system type. "
          "Did you mean \"tmpfs\"?" },
        { __LINE__, "RestrictFileSystems=@basic",
          "4: RestrictFileSystems=: \"@basic\" is not a valid group of file systems." },
        { __LINE__, "DeviceAllow=char-inptu r",
          "4: DeviceAllow=: \"char-inptu\" is not a kind of device on this machine. Did you "
          "mean \"char-input\"?" },
        { __LINE__, "SystemCallFilter=open:EPERM",
          "4: SystemCallFilter=: \"open:EPERM\" is followed by an error, which " },
        { __LINE__, "SystemCallFilter=~open:EPREM",
          "4: SystemCallFilter=: \"open:EPREM\" does not end in an error of" },
        { __LINE__, "SystemCallFilter=~", "4: SystemCallFilter=~ forbids nothing." },
        { __LINE__, "SystemCallLog=a:kill", "4: SystemCallLog=: \"a:kill\" is not a valid system call." },
        { __LINE__, "SystemCallArchitectures=amd64",
          "4: SystemCallArchitectures=: \"amd64\" is not a valid architecture." },
        { __LINE__, "RestrictAddressFamilies=AF_INTE",
          "4: RestrictAddressFamilies=: \"AF_INTE\" is not a valid address family." },
        { __LINE__, "RestrictAddressFamilies=~none",
          "4: RestrictAddressFamilies=: \"none\" is not a valid address family." },
        { __LINE__, "RestrictNetworkInterfaces=a/b",
          "4: RestrictNetworkInterfaces=: \"a/b\" is not a valid network interface" },
        { __LINE__, "LoadCredential=a/b:/x", "4: LoadCredential=: \"a/b\" is not a valid credential name." },
        { __LINE__, "LoadCredential=a:x/y", "4: LoadCredential=: \"x/y\" is not an absolute path." },
        { __LINE__, "SetCredential=a", "4: SetCredential=a has no value. Write NAME:VALUE." },
        { __LINE__, "SetCredential=a:\\d", "4: \\d is not a valid escape sequence" },
        { __LINE__, "SetCredentialEncrypted=a:b", "4: The value of SetCredentialEncrypted= is not valid base64." },
        { __LINE__, "StandardInputData=aGVsbG8", "4: The value of StandardInputData= is not valid base64." },
        { __LINE__, "StandardInputData=a=Gs", "4: The value of StandardInputData= is not valid base64." },
        { __LINE__, "RootHash=0011", "4: RootHash=0011 is not a hash." },
        { __LINE__, "RootHashSignature=0011", "4: RootHashSignature=0011 is not a signature." },
        { __LINE__, "LogExtraFields=a=b", "4: LogExtraFields=: \"a=b\" is not a journal field." },
        { __LINE__, "LogExtraFields=VAKT_RUN=1", "4: LogExtraFields=: \"VAKT_RUN=1\" is set by vaktd." },
        { __LINE__, "StandardInput=socket",
          "4: StandardInput=socket is not supported for a run. Possible values are" },
        { __LINE__, "StandardOutput=fd:x", "4: StandardOutput=fd:x is not supported for a run. Possible values are" },
        { __LINE__, "StandardOutput=file:x", "4: StandardOutput=: \"x\" is not an absolute path." },
        { __LINE__, "ExecStartPre=+/bin/true", "4: The prefix \"+\" is not supported" },
        { __LINE__, "ExecStopPost=bin/true", "4: \"bin/true\" is neither an absolute path nor" },
        { __LINE__, "ExecStopPost=/bin/echo a $X",
          "4: ExecStopPost=: \"$X\" contains \"$\" or \";\", which a reload" },
        { __LINE__, "ExecStartPre=/bin/sh -c 'a;b'", "4: ExecStartPre=: \"a;b\" contains \"$\" or \";\", which a" },
        { __LINE__, "ExecStartPre=/bin/echo %q", "4: %q is not a specifier" },

        /* mounts, devices, network */
        { __LINE__, "BindPaths=/a:/b:ro", "4: BindPaths=: \"/a\" ends with unknown options. Write " },
        { __LINE__, "BindPaths=a", "4: BindPaths=: \"a\" is not an absolute path." },
        { __LINE__, "BindPaths=/a:", "4: BindPaths=: \"\" is not an absolute path." },
        { __LINE__, "TemporaryFileSystem=tmp", "4: TemporaryFileSystem=: \"tmp\" is not an absolute path." },
        { __LINE__, "RootImageOptions=boot:ro", "4: RootImageOptions=: \"boot\" is not a partition." },
        { __LINE__, "MountImages=/a.raw", "4: MountImages=: \"/a.raw\" has no mount point." },
        { __LINE__, "MountImages=/a:/b:root:ro:usr", "4: MountImages=: \"usr\" is not a partition." },
        { __LINE__, "DeviceAllow=null rw", "4: DeviceAllow=: \"null\" is not a device." },
        { __LINE__, "DeviceAllow=/dev/null x", "4: DeviceAllow=: \"x\" is not an access mode of a device." },
        { __LINE__, "IOReadBandwidthMax=/dev/sda", "4: IOReadBandwidthMax=/dev/sda is not a setting for a device." },
        { __LINE__, "IODeviceWeight=/ 0", "4: IODeviceWeight=/ 0 is not a setting for a device. Write a path, " },
        { __LINE__, "IPAddressDeny=10.0.0.0/33", "4: IPAddressDeny=: \"10.0.0.0\" is not an address or network." },
        { __LINE__, "IPAddressDeny=everybody", "4: IPAddressDeny=: \"everybody\" is not an address or network." },
        { __LINE__, "SocketBindAllow=tcp:0", "4: SocketBindAllow=tcp:0 is not a rule for sockets." },
        { __LINE__, "SocketBindAllow=70000", "4: SocketBindAllow=70000 is not a rule for sockets." },
        { __LINE__, "SocketBindAllow=90-80", "4: SocketBindAllow=90-80 is not a rule for sockets." },
        { __LINE__, "BPFProgram=/sys/fs/bpf/x", "4: BPFProgram=/sys/fs/bpf/x is not a program." },

        /* names */
        { __LINE__, "MemoryMx=1G", "4: Unknown key MemoryMx= in section [Service]. Did you mean MemoryMax=?" },
        { __LINE__, "Exec=x", "4: Exec= is in section [Service], but belongs in section [Run]." },
        { __LINE__, "Frequency=x", "4: Unknown key Frequency= in section [Service]. Remove it" },

        /* the whole */
        { __LINE__, "CPUSchedulingPriority=5",
          "4: The scheduling policy does not support CPUSchedulingPriority=5. Write " },
        { __LINE__, "CPUSchedulingPriority=0\nCPUSchedulingPolicy=fifo", "4: The scheduling policy does not support" },
        { __LINE__, "User=x\n[Run]\nExec=\nUnit=a.service",
          "4: The job starts the unit a.service as it is (Unit=), so User= has no effect." },
};

static void test_problems(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(bad_rows); i++) {
                _cleanup_free_ char *shown = convert(bad_rows[i].text, LOADER_FOR_UNITS);

                if (!startswith(shown, bad_rows[i].problem))
                        fail_msg("row of line %d: %s", bad_rows[i].line, shown);
        }
}

/* Several lines of one key. */
static const struct {
        int line;
        const char *text;
        const char *expected;
} line_rows[] = {
        /* the last one counts, and an empty one restores the default */
        { __LINE__, "User=a\nNice=1\nUser=b", "Nice i 1; User s 'b'" },
        { __LINE__, "User=a\nUser=", "" },
        { __LINE__, "MemoryMax=50%\nMemoryMax=1G", "MemoryMax t 1073741824" },
        { __LINE__, "LimitNOFILE=5\nLimitNOFILE=6", "LimitNOFILE t 6; LimitNOFILESoft t 6" },
        { __LINE__, "StandardOutput=file:/a\nStandardOutput=null", "StandardOutput s 'null'" },
        { __LINE__, "Delegate=cpu\nDelegate=yes", "Delegate b 1" },
        { __LINE__, "PrivateTmp=\nProtectSystem=", "" },
        /* lists grow */
        { __LINE__, "Environment=A=1\nEnvironment=B=2", "Environment as 1 'A=1'; Environment as 1 'B=2'" },
        { __LINE__, "Environment=A=1\nEnvironment=\nEnvironment=B=2", "Environment as 1 'B=2'" },
        { __LINE__, "SystemCallFilter=read\nSystemCallFilter=~write",
          "SystemCallFilter (bas) 1 1 'read'; SystemCallFilter (bas) 0 1 'write'" },
        { __LINE__, "ExecStartPre=a ; b\nExecStartPre=c",
          "ExecStartPreEx a(sasas) 2 'a' 1 'a' 0 'b' 1 'b' 0; ExecStartPreEx a(sasas) 1 'c' 1 'c' 0" },
        /* sets are merged */
        { __LINE__, "CapabilityBoundingSet=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=CAP_FOWNER",
          "CapabilityBoundingSet t 41" },
        { __LINE__, "CapabilityBoundingSet=CAP_CHOWN CAP_KILL\nCapabilityBoundingSet=~CAP_KILL",
          "CapabilityBoundingSet t 1" },
        { __LINE__, "CapabilityBoundingSet=~CAP_CHOWN\nCapabilityBoundingSet=~CAP_DAC_OVERRIDE",
          "CapabilityBoundingSet t -4" },
        { __LINE__, "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=", "CapabilityBoundingSet t 0" },
        { __LINE__, "CapabilityBoundingSet=CAP_CHOWN\nCapabilityBoundingSet=~", "CapabilityBoundingSet t -1" },
        { __LINE__, "AmbientCapabilities=CAP_CHOWN\nAmbientCapabilities=", "" },
        { __LINE__, "RestrictNamespaces=user\nRestrictNamespaces=mnt", "RestrictNamespaces t 268566528" },
        { __LINE__, "RestrictNamespaces=user mnt\nRestrictNamespaces=~mnt", "RestrictNamespaces t 268435456" },
        { __LINE__, "RestrictNamespaces=user\nRestrictNamespaces=no", "RestrictNamespaces t 2114060288" },
        { __LINE__, "CPUAffinity=0\nCPUAffinity=9", "CPUAffinity ay '<01><02>'" },
        { __LINE__, "CPUAffinity=0\nCPUAffinity=\nCPUAffinity=1", "CPUAffinity ay '<02>'" },
        { __LINE__, "CPUAffinity=numa\nCPUAffinity=1", "CPUAffinity ay '<02>'" },
        /* the policy is told before the priority that it validates */
        { __LINE__, "CPUSchedulingPriority=9\nNice=1\nCPUSchedulingPolicy=fifo",
          "CPUSchedulingPolicy i 1; Nice i 1; CPUSchedulingPriority i 9" },
        /* percent signs and specifiers */
        { __LINE__, "CPUQuota=20%%", "CPUQuotaPerSecUSec t 200000" },
        { __LINE__, "Environment=A=%%%j", "Environment as 1 'A=%sample'" },
        { __LINE__, "ExecStartPre=a %j %%", "ExecStartPreEx a(sasas) 1 'a' 3 'a' 'sample' '%' 0" },
        { __LINE__, "StandardInputText=%j", "StandardInputData ay 'sample<0a>'" },
        { __LINE__, "X-Anything=1", "" },
};

static void test_lines(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(line_rows); i++) {
                _cleanup_free_ char *shown = convert(line_rows[i].text, LOADER_FOR_UNITS);

                if (!streq(shown, line_rows[i].expected))
                        fail_msg("row of line %d: %s", line_rows[i].line, shown);
        }
}

/* Each property tells where it was set, in a drop-in too. */
static void test_places(void **state) {
        JobText texts[] = {
                { .path = (char *)"/j/a.job", .bytes = (char *)"[Run]\nExec=x\n[Service]\nNice=1\nUser=a\n" },
                { .path = (char *)"/j/a.job.d/1.conf", .bytes = (char *)"\n[Service]\nUser=b\n" },
        };
        JobFileContext context = { .host = "h", .target = LOADER_FOR_UNITS };
        Diagnostics d = {};
        JobDef *def = NULL;

        for (size_t i = 0; i < ELEMENTSOF(texts); i++)
                texts[i].n = strlen(texts[i].bytes);
        assert_int_equal(job_file_build("a", &context, texts, 2, &d, &def), 0);
        assert_int_equal(def->rare->n_properties, 2);
        assert_string_equal(def->rare->properties[0].path, "/j/a.job");
        assert_int_equal(def->rare->properties[0].line, 4);
        assert_string_equal(def->rare->properties[1].path, "/j/a.job.d/1.conf");
        assert_int_equal(def->rare->properties[1].line, 3);
        job_def_unref(def);
}

static void test_too_many(void **state) {
        _cleanup_free_ char *text = NULL, *shown = NULL;
        size_t n;
        FILE *f = open_memstream(&text, &n);

        for (unsigned i = 0; i <= JOB_PROPERTIES_MAX; i++)
                fprintf(f, "Environment=A%u=1\n", i);
        assert_int_equal(fclose(f), 0);
        shown = convert(text, LOADER_FOR_UNITS);
        assert_string_equal(shown, "1028: The job has more than 1024 settings in [Service]. Remove some.");
}

/* --- what the runs are made of --- */

static const struct {
        int line;
        const char *text;
        LoaderTarget target;
        const char *expected;
} target_rows[] = {
        { __LINE__, "ProtectSystem=strict", LOADER_FOR_CHILDREN,
          "4: ProtectSystem= requires the service manager, but runs are children of vaktd (Executor=child): it "
          "would not protect the run. Remove it, or use Executor=unit." },
        { __LINE__, "MemoryMax=1G", LOADER_FOR_CHILDREN,
          "4: MemoryMax= requires the service manager, but runs are children of vaktd (Executor=child): it would "
          "have no effect. Remove it, or use Executor=unit." },
        { __LINE__, "StandardInput=data", LOADER_FOR_CHILDREN,
          "4: StandardInput=data requires the service manager, but runs are children of vaktd (Executor=child). "
          "Write null or file:PATH, or use Executor=unit." },
        { __LINE__, "StandardInput=null", LOADER_FOR_CHILDREN, "StandardInput s 'null'" },
        { __LINE__, "StandardInput=file:/x", LOADER_FOR_CHILDREN, "StandardInputFile s '/x'" },
        { __LINE__, "CPUAffinity=numa", LOADER_FOR_CHILDREN,
          "4: CPUAffinity=numa requires the service manager, but runs are children of vaktd (Executor=child). Write "
          "numbers, or use Executor=unit." },
        { __LINE__, "ProtectSystem=", LOADER_FOR_CHILDREN, "" },
        { __LINE__, "User=nobody", LOADER_FOR_CHILDREN, "User s 'nobody'" },
        { __LINE__, "[Run]\nExec=\nUnit=a.service", LOADER_FOR_CHILDREN,
          "6: Unit= requires the service manager, but runs are children of vaktd (Executor=child). Use "
          "Executor=unit, or Exec= instead." },
        { __LINE__, "User=nobody", LOADER_FOR_USER_UNITS,
          "4: User= requires the service manager of the system; that of a user does not support it. Remove it, or "
          "make "
          "this a job of the system." },
        { __LINE__, "DynamicUser=yes", LOADER_FOR_USER_UNITS, "4: DynamicUser= requires the service manager of the" },
        { __LINE__, "PrivateTmp=yes", LOADER_FOR_USER_UNITS,
          "4: PrivateTmp= silently has no effect in a job of a user without PrivateUsers=yes. Add "
          "PrivateUsers=yes, or remove it." },
        { __LINE__, "PrivateUsers=no\nPrivateTmp=yes", LOADER_FOR_USER_UNITS,
          "5: PrivateTmp= silently has no effect" },
        { __LINE__, "PrivateTmp=yes\nPrivateUsers=yes", LOADER_FOR_USER_UNITS, "PrivateTmp b 1; PrivateUsers b 1" },
        { __LINE__, "MemoryMax=1G", LOADER_FOR_USER_UNITS, "MemoryMax t 1073741824" },
        { __LINE__, "PrivateTmp=yes\nUser=x", LOADER_FOR_UNITS, "PrivateTmp b 1; User s 'x'" },
        { __LINE__, "PrivateTmp=yes\nUser=x", LOADER_FOR_ANY, "PrivateTmp b 1; User s 'x'" },
};

static void test_targets(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(target_rows); i++) {
                _cleanup_free_ char *shown = convert(target_rows[i].text, target_rows[i].target);

                if (*target_rows[i].expected ? !startswith(shown, target_rows[i].expected) : *shown != '\0')
                        fail_msg("row of line %d: %s", target_rows[i].line, shown);
        }
}

/* What is accepted for own children is what the child executor reads, and nothing else. */
static void test_children(void **state) {
        for (size_t i = 0; i < ELEMENTSOF(service_samples); i++) {
                const ServiceSample *s = &service_samples[i];
                _cleanup_free_ char *shown = convert(s->text, LOADER_FOR_CHILDREN);
                bool known = false, accepted = *shown < '0' || *shown > '9';

                for (const char *const *p = child_properties; *p; p++) {
                        const char *rest = startswith(s->expected, *p);

                        known = known || (rest && *rest == ' ');
                }
                if (known != accepted && !streq(s->text, "StandardInput=data"))
                        fail_msg("row of line %d: %s", s->line, shown);
        }
}

static void test_template(void **state) {
        static const char text[] = "[Run]\nExec=x\n[Service]\nMemoryMax=%i\nCPUQuota=%i%%\nUser=%i\nPrivateTmp=%i\n"
                                   "CPUSchedulingPriority=%i\n";
        JobText file = { .path = (char *)"/j/t@.job", .bytes = (char *)text, .n = strlen(text) };
        JobFileContext context = { .host = "h", .target = LOADER_FOR_USER_UNITS };
        Diagnostics d = {};
        JobDef *def = NULL;

        context.target = LOADER_FOR_UNITS;
        assert_int_equal(job_file_check_template("t@", &context, &file, 1, &d), 0);
        assert_int_equal(job_file_build("t@1", &context, &file, 1, &d, &def), -EINVAL);
        assert_int_equal(d.items[0].line, 8);
        assert_int_equal(d.n_items, 1);
        diagnostics_done(&d);
        assert_int_equal(job_file_build("t@0", &context, &file, 1, &d, &def), -EINVAL);
        assert_string_equal(d.items[0].message,
                            "CPUQuota=0% is not a share of a CPU. Write a percentage above 0%, for "
                            "example 20% or 250%.");
        diagnostics_done(&d);
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_samples), cmocka_unit_test(test_all_rows), cmocka_unit_test(test_problems),
                cmocka_unit_test(test_lines),   cmocka_unit_test(test_places),   cmocka_unit_test(test_too_many),
                cmocka_unit_test(test_targets), cmocka_unit_test(test_children), cmocka_unit_test(test_template),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
