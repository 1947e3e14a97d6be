/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The settings of systemd.exec(5), systemd.resource-control(5), systemd.kill(5) and systemd.service(5), in the order
 * of those pages: what StartTransientUnit() of systemd 252 takes, and what it cannot be given, with what to do
 * instead. tests/system/service-table-check.c gives every row to a service manager and compares what becomes of it
 * with what systemd-run makes of the same line.
 *
 * What a user's service manager cannot do is marked as systemd.exec(5) of 252 says. */

#include <linux/securebits.h>
#include <sched.h>
#include <sys/mount.h>
#include <syslog.h>

#include "config/names.h"
#include "config/service-convert.h"

#define CHILD     SERVICE_CHILD
#define SYSTEM    SERVICE_SYSTEM
#define NAMESPACE SERVICE_NAMESPACE
#define PROTECTS  SERVICE_PROTECTS
#define ADDS      SERVICE_ADDS
#define EMPTY     SERVICE_EMPTY
#define PERCENT   SERVICE_PERCENT

/* --- what arguments point to --- */

static bool is_user(const char *s) {
        return !strpbrk(s, ":/ \t") && *s != '-' && *s != '.';
}

static bool is_slice(const char *s) {
        size_t n = strlen(s), n_suffix = strlen(".slice");

        return n > n_suffix && streq(s + n - n_suffix, ".slice") && unit_name_is_valid(s) && !strchr(s, '@');
}

static bool is_plain(const char *s) {
        return *s != '-';
}

static bool is_log_namespace(const char *s) {
        return s[strcspn(s, "/ \t")] == '\0' && *s != '.' && *s != '+';
}

static const ServiceText user = { is_user, "is not a valid user name. Write a name or a number." };
static const ServiceText group = { is_user, "is not a valid group name. Write a name or a number." };
static const ServiceText slice = { is_slice, "is not a slice. Write the name of a slice, such as batch.slice." };
static const ServiceText log_namespace = { is_log_namespace, "is not a valid journal namespace. Write a plain name." };
static const ServiceText selinux = { is_plain, "cannot begin with \"-\" here. Remove that sign." };

static const ServiceRange nice_range = { -20, 19 }, oom_range = { -1000, 1000 }, io_priority = { 0, 7 };
static const ServiceRange cpu_priority = { 0, 99 }, count = { 0, UINT32_MAX };

static const ServiceSpan any_span = { .endless = true }, period = { .min = USEC_PER_MSEC };
static const ServiceSpan limit_span = { .zero_is_endless = true, .endless = true };

static const ServiceLimit number = SERVICE_LIMIT_NUMBER, size = SERVICE_LIMIT_SIZE, seconds = SERVICE_LIMIT_SECONDS;
static const ServiceLimit microseconds = SERVICE_LIMIT_USEC, nice_level = SERVICE_LIMIT_NICE;
static const ServiceIo bandwidth = SERVICE_IO_BANDWIDTH, device_weight = SERVICE_IO_WEIGHT;
static const ServiceIo latency = SERVICE_IO_LATENCY;

static const ServiceWord protect_system[] = { { "yes" }, { "no" }, { "full" }, { "strict" }, {} };
static const ServiceWord protect_home[] = { { "yes" }, { "no" }, { "read-only" }, { "tmpfs" }, {} };
static const ServiceWord protect_proc[] = { { "noaccess" }, { "invisible" }, { "ptraceable" }, { "default" }, {} };
static const ServiceWord proc_subset[] = { { "all" }, { "pid" }, {} };
static const ServiceWord keyring[] = { { "inherit" }, { "private" }, { "shared" }, {} };
static const ServiceWord preserve[] = { { "yes" }, { "no" }, { "restart" }, {} };
static const ServiceWord utmp[] = { { "init" }, { "login" }, { "user" }, {} };
static const ServiceWord device_policy[] = { { "auto" }, { "closed" }, { "strict" }, {} };
static const ServiceWord oomd[] = { { "auto" }, { "kill" }, {} };
static const ServiceWord oomd_preference[] = { { "none" }, { "avoid" }, { "omit" }, {} };
static const ServiceWord kill_mode[] = { { "control-group" }, { "mixed" }, { "process" }, {} };
static const ServiceWord failure_mode[] = { { "terminate" }, { "abort" }, { "kill" }, {} };
static const ServiceWord oom_policy[] = { { "continue" }, { "stop" }, { "kill" }, {} };
static const ServiceWord notify_access[] = { { "none" }, { "main" }, { "exec" }, { "all" }, {} };
static const ServiceWord personality[] = {
        { "x86" },      { "x86-64" },    { "ppc" },         { "ppc-le" },  { "ppc64" },
        { "ppc64-le" }, { "s390" },      { "s390x" },       { "arm64" },   { "arm64-be" },
        { "arm" },      { "arm-be" },    { "loongarch64" }, { "mips" },    { "mips64" },
        { "mips-le" },  { "mips64-le" }, { "parisc" },      { "riscv64" }, {},
};

static const ServiceWord cpu_policy[] = {
        { "other", SCHED_OTHER }, { "batch", SCHED_BATCH }, { "idle", SCHED_IDLE },
        { "fifo", SCHED_FIFO },   { "rr", SCHED_RR },       {},
};
static const ServiceWord io_class[] = {
        { "none", 0 }, { "realtime", 1 }, { "best-effort", 2 },
        { "idle", 3 }, { "0", 0 },        { "1", 1 },
        { "2", 2 },    { "3", 3 },        {},
};
static const ServiceWord numa_policy[] = {
        { "default", 0 }, { "preferred", 1 }, { "bind", 2 }, { "interleave", 3 }, { "local", 4 }, {},
};
static const ServiceWord propagation[] = {
        { "shared", MS_SHARED },
        { "slave", MS_SLAVE },
        { "private", MS_PRIVATE },
        {},
};
static const ServiceWord secure_bits[] = {
        { "keep-caps", SECBIT_KEEP_CAPS },
        { "keep-caps-locked", SECBIT_KEEP_CAPS_LOCKED },
        { "no-setuid-fixup", SECBIT_NO_SETUID_FIXUP },
        { "no-setuid-fixup-locked", SECBIT_NO_SETUID_FIXUP_LOCKED },
        { "noroot", SECBIT_NOROOT },
        { "noroot-locked", SECBIT_NOROOT_LOCKED },
        {},
};
static const ServiceWord facility[] = {
        { "kern", LOG_FAC(LOG_KERN) },     { "user", LOG_FAC(LOG_USER) },         { "mail", LOG_FAC(LOG_MAIL) },
        { "daemon", LOG_FAC(LOG_DAEMON) }, { "auth", LOG_FAC(LOG_AUTH) },         { "syslog", LOG_FAC(LOG_SYSLOG) },
        { "lpr", LOG_FAC(LOG_LPR) },       { "news", LOG_FAC(LOG_NEWS) },         { "uucp", LOG_FAC(LOG_UUCP) },
        { "cron", LOG_FAC(LOG_CRON) },     { "authpriv", LOG_FAC(LOG_AUTHPRIV) }, { "ftp", LOG_FAC(LOG_FTP) },
        { "local0", LOG_FAC(LOG_LOCAL0) }, { "local1", LOG_FAC(LOG_LOCAL1) },     { "local2", LOG_FAC(LOG_LOCAL2) },
        { "local3", LOG_FAC(LOG_LOCAL3) }, { "local4", LOG_FAC(LOG_LOCAL4) },     { "local5", LOG_FAC(LOG_LOCAL5) },
        { "local6", LOG_FAC(LOG_LOCAL6) }, { "local7", LOG_FAC(LOG_LOCAL7) },     {},
};

/* Sockets and file descriptors that others hand over do not exist for a run. */
static const ServiceStream input[] = {
        { "null", NULL, CHILD },
        { "file:", "StandardInputFile", CHILD },
        { "data" },
        { "tty" },
        { "tty-force" },
        { "tty-fail" },
        {},
};
#define OUTPUT_STREAMS(property)                                                                                    \
        { "inherit" }, { "null" }, { "tty" }, { "journal" }, { "kmsg" }, { "journal+console" }, { "kmsg+console" }, \
                { "file:", property "File" }, { "append:", property "FileToAppend" },                               \
                { "truncate:", property "FileToTruncate" }, {                                                       \
        }
static const ServiceStream output[] = { OUTPUT_STREAMS("StandardOutput") };
static const ServiceStream error[] = { OUTPUT_STREAMS("StandardError") };

/* --- the table --- */

#define SETTING(key, ...)                                                            \
        {                                                                            \
                "Service", key, service_parse, .argument = &(const ServiceSetting) { \
                        __VA_ARGS__                                                  \
                }                                                                    \
        }
#define RAW_SETTING(key, ...) \
        { "Service", key, service_parse, .argument = &(const ServiceSetting){ __VA_ARGS__ }, .raw = true }
#define REFUSED(key, text) SETTING(key, .refusal = text)

#define BOOL(key, flags)       SETTING(key, key, "b", service_bool, flags)
#define TEXT(key, flags, rule) SETTING(key, key, "s", service_text, flags, rule)
#define PATH(key, flags)       SETTING(key, key, "s", service_path, flags)
#define WORD(key, flags, list) SETTING(key, key, "s", service_word, flags, list)
#define SIGNAL(key, flags)     SETTING(key, key, "i", service_signal, flags)
#define LIMIT(key, kind)       SETTING(key, key, "t", service_limit, CHILD, kind, key "Soft", "t")
#define PATHS(key)             SETTING(key, key, "as", service_words, NAMESPACE | PROTECTS | ADDS, &service_paths)
#define CPUS(key)              SETTING(key, key, "ay", service_cpus, 0)
#define MEMORY(key)            RAW_SETTING(key, key, "t", service_size, PERCENT, NULL, key "Scale", "u")
#define IO(key, kind)          SETTING(key, key, "a(st)", service_device_value, ADDS, kind)
#define COMMANDS(key)          RAW_SETTING(key, key "Ex", "a(sasas)", service_commands, ADDS)
#define DIRECTORY(key)         SETTING(key, key, "as", service_directories, ADDS, NULL, key "Symlink", "a(sst)")
#define MODE(key)              SETTING(key, key, "u", service_mode, 0)

const KeyRow service_rows[] = {
        /* systemd.exec(5) */
        SETTING("ExecSearchPath", "ExecSearchPath", "as", service_search_path, ADDS),
        SETTING("WorkingDirectory", "WorkingDirectory", "s", service_path, CHILD, "-~"),
        PATH("RootDirectory", NAMESPACE | PROTECTS),
        PATH("RootImage", SYSTEM | PROTECTS),
        SETTING("RootImageOptions", "RootImageOptions", "a(ss)", service_image_options, SYSTEM),
        SETTING("RootHash", "RootHash", "ay", service_hash, SYSTEM | PROTECTS, NULL, "RootHashPath", "s"),
        SETTING("RootHashSignature", "RootHashSignature", "ay", service_hash, SYSTEM | PROTECTS, "base64",
                "RootHashSignaturePath", "s"),
        PATH("RootVerity", SYSTEM | PROTECTS),
        BOOL("MountAPIVFS", NAMESPACE),
        WORD("ProtectProc", SYSTEM | PROTECTS, protect_proc),
        WORD("ProcSubset", SYSTEM | PROTECTS, proc_subset),
        SETTING("BindPaths", "BindPaths", "a(ssbt)", service_bind, NAMESPACE | ADDS),
        SETTING("BindReadOnlyPaths", "BindReadOnlyPaths", "a(ssbt)", service_bind, NAMESPACE | PROTECTS | ADDS),
        SETTING("MountImages", "MountImages", "a(ssba(ss))", service_mount_images, SYSTEM | ADDS),
        SETTING("ExtensionImages", "ExtensionImages", "a(sba(ss))", service_extension_images, SYSTEM | ADDS),
        SETTING("ExtensionDirectories", "ExtensionDirectories", "as", service_words, NAMESPACE | ADDS, &service_paths),
        TEXT("User", SYSTEM | CHILD | PROTECTS, &user),
        TEXT("Group", SYSTEM | CHILD | PROTECTS, &group),
        BOOL("DynamicUser", SYSTEM | PROTECTS),
        SETTING("SupplementaryGroups", "SupplementaryGroups", "as", service_words, SYSTEM | CHILD | ADDS,
                &service_groups),
        TEXT("PAMName", SYSTEM, NULL),
        SETTING("CapabilityBoundingSet", "CapabilityBoundingSet", "t", service_capabilities,
                NAMESPACE | PROTECTS | EMPTY),
        SETTING("AmbientCapabilities", "AmbientCapabilities", "t", service_capabilities, NAMESPACE),
        BOOL("NoNewPrivileges", CHILD | PROTECTS),
        SETTING("SecureBits", "SecureBits", "i", service_bits, NAMESPACE | PROTECTS, secure_bits),
        TEXT("SELinuxContext", SYSTEM | PROTECTS, &selinux),
        SETTING("AppArmorProfile", "AppArmorProfile", "(bs)", service_label, SYSTEM | PROTECTS),
        SETTING("SmackProcessLabel", "SmackProcessLabel", "(bs)", service_label, SYSTEM | PROTECTS),
        LIMIT("LimitCPU", &seconds),
        LIMIT("LimitFSIZE", &size),
        LIMIT("LimitDATA", &size),
        LIMIT("LimitSTACK", &size),
        LIMIT("LimitCORE", &size),
        LIMIT("LimitRSS", &size),
        LIMIT("LimitNOFILE", &number),
        LIMIT("LimitAS", &size),
        LIMIT("LimitNPROC", &number),
        LIMIT("LimitMEMLOCK", &size),
        LIMIT("LimitLOCKS", &number),
        LIMIT("LimitSIGPENDING", &number),
        LIMIT("LimitMSGQUEUE", &size),
        LIMIT("LimitNICE", &nice_level),
        LIMIT("LimitRTPRIO", &number),
        LIMIT("LimitRTTIME", &microseconds),
        SETTING("UMask", "UMask", "u", service_mode, CHILD),
        SETTING("CoredumpFilter", "CoredumpFilter", "t", service_coredump, 0),
        WORD("KeyringMode", PROTECTS, keyring),
        SETTING("OOMScoreAdjust", "OOMScoreAdjust", "i", service_integer, CHILD, &oom_range),
        SETTING("TimerSlackNSec", "TimerSlackNSec", "t", service_nsec, CHILD),
        WORD("Personality", 0, personality),
        BOOL("IgnoreSIGPIPE", CHILD),
        SETTING("Nice", "Nice", "i", service_integer, CHILD, &nice_range),
        SETTING("CPUSchedulingPolicy", "CPUSchedulingPolicy", "i", service_enum, CHILD, cpu_policy),
        SETTING("CPUSchedulingPriority", "CPUSchedulingPriority", "i", service_integer, CHILD, &cpu_priority),
        BOOL("CPUSchedulingResetOnFork", CHILD),
        SETTING("CPUAffinity", "CPUAffinity", "ay", service_cpus, CHILD, NULL, "CPUAffinityFromNUMA", "b"),
        SETTING("NUMAPolicy", "NUMAPolicy", "i", service_enum, 0, numa_policy),
        CPUS("NUMAMask"),
        SETTING("IOSchedulingClass", "IOSchedulingClass", "i", service_enum, CHILD, io_class),
        SETTING("IOSchedulingPriority", "IOSchedulingPriority", "i", service_integer, CHILD, &io_priority),
        WORD("ProtectSystem", NAMESPACE | PROTECTS, protect_system),
        WORD("ProtectHome", NAMESPACE | PROTECTS, protect_home),
        DIRECTORY("RuntimeDirectory"),
        DIRECTORY("StateDirectory"),
        DIRECTORY("CacheDirectory"),
        DIRECTORY("LogsDirectory"),
        SETTING("ConfigurationDirectory", "ConfigurationDirectory", "as", service_directories, ADDS),
        MODE("RuntimeDirectoryMode"),
        MODE("StateDirectoryMode"),
        MODE("CacheDirectoryMode"),
        MODE("LogsDirectoryMode"),
        MODE("ConfigurationDirectoryMode"),
        WORD("RuntimeDirectoryPreserve", 0, preserve),
        REFUSED("TimeoutCleanSec", "has no effect: it is for systemctl clean. Remove it."),
        PATHS("ReadWritePaths"),
        PATHS("ReadOnlyPaths"),
        PATHS("InaccessiblePaths"),
        PATHS("ExecPaths"),
        PATHS("NoExecPaths"),
        SETTING("TemporaryFileSystem", "TemporaryFileSystem", "a(ss)", service_tmpfs, NAMESPACE | PROTECTS | ADDS),
        BOOL("PrivateTmp", NAMESPACE | PROTECTS),
        BOOL("PrivateDevices", NAMESPACE | PROTECTS),
        BOOL("PrivateNetwork", NAMESPACE | PROTECTS),
        PATH("NetworkNamespacePath", NAMESPACE | PROTECTS),
        BOOL("PrivateIPC", NAMESPACE | PROTECTS),
        PATH("IPCNamespacePath", NAMESPACE | PROTECTS),
        BOOL("PrivateUsers", PROTECTS),
        BOOL("ProtectHostname", NAMESPACE | PROTECTS),
        BOOL("ProtectClock", NAMESPACE | PROTECTS),
        BOOL("ProtectKernelTunables", NAMESPACE | PROTECTS),
        BOOL("ProtectKernelModules", NAMESPACE | PROTECTS),
        BOOL("ProtectKernelLogs", NAMESPACE | PROTECTS),
        BOOL("ProtectControlGroups", SYSTEM | PROTECTS),
        SETTING("RestrictAddressFamilies", "RestrictAddressFamilies", "(bas)", service_filter, PROTECTS | ADDS,
                &service_address_families),
        SETTING("RestrictFileSystems", "RestrictFileSystems", "(bas)", service_filter, SYSTEM | PROTECTS | ADDS,
                &service_file_systems),
        SETTING("RestrictNamespaces", "RestrictNamespaces", "t", service_namespaces, PROTECTS),
        BOOL("LockPersonality", PROTECTS),
        BOOL("MemoryDenyWriteExecute", PROTECTS),
        BOOL("RestrictRealtime", PROTECTS),
        BOOL("RestrictSUIDSGID", PROTECTS),
        BOOL("RemoveIPC", SYSTEM),
        BOOL("PrivateMounts", NAMESPACE | PROTECTS),
        SETTING("MountFlags", "MountFlags", "t", service_enum, NAMESPACE, propagation),
        SETTING("SystemCallFilter", "SystemCallFilter", "(bas)", service_filter, PROTECTS | ADDS,
                &service_system_calls),
        SETTING("SystemCallErrorNumber", "SystemCallErrorNumber", "i", service_errno, 0),
        SETTING("SystemCallArchitectures", "SystemCallArchitectures", "as", service_words, PROTECTS | ADDS,
                &service_architectures),
        SETTING("SystemCallLog", "SystemCallLog", "(bas)", service_filter, ADDS, &service_plain_system_calls),
        SETTING("Environment", "Environment", "as", service_words, CHILD | ADDS, &service_assignments),
        SETTING("EnvironmentFile", "EnvironmentFiles", "a(sb)", service_environment_file, CHILD | ADDS),
        SETTING("PassEnvironment", "PassEnvironment", "as", service_words, CHILD | ADDS, &service_variables),
        SETTING("UnsetEnvironment", "UnsetEnvironment", "as", service_words, CHILD | ADDS,
                &service_assignments_or_variables),
        SETTING("StandardInput", "StandardInput", "s", service_stream, CHILD, input),
        SETTING("StandardOutput", "StandardOutput", "s", service_stream, 0, output),
        SETTING("StandardError", "StandardError", "s", service_stream, 0, error),
        SETTING("StandardInputText", "StandardInputData", "ay", service_input_text, ADDS),
        SETTING("StandardInputData", "StandardInputData", "ay", service_base64, ADDS),
        SETTING("LogLevelMax", "LogLevelMax", "i", service_level, 0),
        SETTING("LogExtraFields", "LogExtraFields", "aay", service_log_fields, ADDS),
        SETTING("LogRateLimitIntervalSec", "LogRateLimitIntervalUSec", "t", service_span, 0, &any_span),
        SETTING("LogRateLimitBurst", "LogRateLimitBurst", "u", service_integer, 0, &count),
        TEXT("LogNamespace", SYSTEM, &log_namespace),
        TEXT("SyslogIdentifier", 0, NULL),
        SETTING("SyslogFacility", "SyslogFacility", "i", service_enum, 0, facility),
        SETTING("SyslogLevel", "SyslogLevel", "i", service_level, 0),
        BOOL("SyslogLevelPrefix", 0),
        PATH("TTYPath", 0),
        BOOL("TTYReset", 0),
        BOOL("TTYVHangup", 0),
        SETTING("TTYRows", "TTYRows", "u", service_integer, 0, &count),
        SETTING("TTYColumns", "TTYColumns", "u", service_integer, 0, &count),
        BOOL("TTYVTDisallocate", 0),
        SETTING("LoadCredential", "LoadCredential", "a(ss)", service_load_credential, ADDS),
        SETTING("LoadCredentialEncrypted", "LoadCredentialEncrypted", "a(ss)", service_load_credential, ADDS),
        SETTING("SetCredential", "SetCredential", "a(say)", service_set_credential, ADDS),
        SETTING("SetCredentialEncrypted", "SetCredentialEncrypted", "a(say)", service_set_credential, ADDS, "base64"),
        TEXT("UtmpIdentifier", 0, NULL),
        WORD("UtmpMode", 0, utmp),

        /* systemd.resource-control(5) */
        BOOL("CPUAccounting", 0),
        SETTING("CPUWeight", "CPUWeight", "t", service_weight, 0, "idle"),
        SETTING("StartupCPUWeight", "StartupCPUWeight", "t", service_weight, 0, "idle"),
        RAW_SETTING("CPUQuota", "CPUQuotaPerSecUSec", "t", service_quota, PERCENT),
        SETTING("CPUQuotaPeriodSec", "CPUQuotaPeriodUSec", "t", service_span, 0, &period),
        CPUS("AllowedCPUs"),
        CPUS("StartupAllowedCPUs"),
        CPUS("AllowedMemoryNodes"),
        CPUS("StartupAllowedMemoryNodes"),
        BOOL("MemoryAccounting", 0),
        MEMORY("MemoryMin"),
        MEMORY("MemoryLow"),
        MEMORY("MemoryHigh"),
        MEMORY("MemoryMax"),
        MEMORY("MemorySwapMax"),
        MEMORY("DefaultMemoryLow"),
        MEMORY("DefaultMemoryMin"),
        BOOL("TasksAccounting", 0),
        RAW_SETTING("TasksMax", "TasksMax", "t", service_tasks, PERCENT, NULL, "TasksMaxScale", "u"),
        BOOL("IOAccounting", 0),
        SETTING("IOWeight", "IOWeight", "t", service_weight, 0),
        SETTING("StartupIOWeight", "StartupIOWeight", "t", service_weight, 0),
        IO("IODeviceWeight", &device_weight),
        IO("IOReadBandwidthMax", &bandwidth),
        IO("IOWriteBandwidthMax", &bandwidth),
        IO("IOReadIOPSMax", &bandwidth),
        IO("IOWriteIOPSMax", &bandwidth),
        SETTING("IODeviceLatencyTargetSec", "IODeviceLatencyTargetUSec", "a(st)", service_device_value, ADDS,
                &latency),
        BOOL("IPAccounting", SYSTEM),
        SETTING("IPAddressAllow", "IPAddressAllow", "a(iayu)", service_addresses, SYSTEM | ADDS),
        SETTING("IPAddressDeny", "IPAddressDeny", "a(iayu)", service_addresses, SYSTEM | PROTECTS | ADDS),
        SETTING("IPIngressFilterPath", "IPIngressFilterPath", "as", service_one_path, SYSTEM | PROTECTS | ADDS),
        SETTING("IPEgressFilterPath", "IPEgressFilterPath", "as", service_one_path, SYSTEM | PROTECTS | ADDS),
        SETTING("BPFProgram", "BPFProgram", "a(ss)", service_bpf_program, SYSTEM | PROTECTS | ADDS),
        SETTING("SocketBindAllow", "SocketBindAllow", "a(iiqq)", service_socket_bind, SYSTEM | ADDS),
        SETTING("SocketBindDeny", "SocketBindDeny", "a(iiqq)", service_socket_bind, SYSTEM | PROTECTS | ADDS),
        SETTING("RestrictNetworkInterfaces", "RestrictNetworkInterfaces", "(bas)", service_filter,
                SYSTEM | PROTECTS | ADDS, &service_interfaces),
        SETTING("DeviceAllow", "DeviceAllow", "a(ss)", service_device_allow, SYSTEM | PROTECTS | ADDS),
        WORD("DevicePolicy", SYSTEM | PROTECTS, device_policy),
        TEXT("Slice", 0, &slice),
        SETTING("Delegate", "Delegate", "b", service_delegate, EMPTY, &service_controllers, "DelegateControllers",
                "as"),
        SETTING("DisableControllers", "DisableControllers", "as", service_words, ADDS, &service_controllers),
        WORD("ManagedOOMSwap", 0, oomd),
        WORD("ManagedOOMMemoryPressure", 0, oomd),
        RAW_SETTING("ManagedOOMMemoryPressureLimit", "ManagedOOMMemoryPressureLimit", "u", service_pressure, PERCENT),
        WORD("ManagedOOMPreference", 0, oomd_preference),
        REFUSED("CPUShares", "is deprecated. Use CPUWeight=."),
        REFUSED("StartupCPUShares", "is deprecated. Use StartupCPUWeight=."),
        REFUSED("MemoryLimit", "is deprecated. Use MemoryMax=."),
        REFUSED("BlockIOAccounting", "is deprecated. Use IOAccounting=."),
        REFUSED("BlockIOWeight", "is deprecated. Use IOWeight=."),
        REFUSED("StartupBlockIOWeight", "is deprecated. Use StartupIOWeight=."),
        REFUSED("BlockIODeviceWeight", "is deprecated. Use IODeviceWeight=."),
        REFUSED("BlockIOReadBandwidth", "is deprecated. Use IOReadBandwidthMax=."),
        REFUSED("BlockIOWriteBandwidth", "is deprecated. Use IOWriteBandwidthMax=."),

        /* systemd.kill(5) */
        WORD("KillMode", CHILD, kill_mode),
        SIGNAL("KillSignal", CHILD),
        REFUSED("RestartKillSignal", "has no effect: vaktd starts another run instead of restarting one. Write "
                                     "KillSignal=."),
        BOOL("SendSIGHUP", 0),
        BOOL("SendSIGKILL", CHILD),
        SIGNAL("FinalKillSignal", 0),
        REFUSED("WatchdogSignal", "has no effect: a run has no watchdog. Write TimeoutSec= in section [Run]."),

        /* systemd.service(5) */
        REFUSED("Type", "is set by vaktd: a run ends when its commands have ended. Remove it."),
        REFUSED("ExitType", "is set by vaktd: a run ends when its main process has ended. Remove it."),
        REFUSED("RemainAfterExit",
                "is set by vaktd, which keeps the result of a run until it is recorded. Remove it."),
        REFUSED("CollectMode", "is set by vaktd, which keeps the result of a run until it is recorded. Remove it."),
        REFUSED("GuessMainPID", "is for programs that run in the background, which a run must not do. Remove "
                                "it, and tell the program to stay in the foreground."),
        REFUSED("PIDFile", "is for programs that run in the background, which a run must not do. Remove it, "
                           "and tell the program to stay in the foreground."),
        REFUSED("BusName", "is for services on the bus. Remove it."),
        REFUSED("ExecStart", "is set by vaktd. Write Exec= or Shell= in section [Run]."),
        COMMANDS("ExecCondition"),
        COMMANDS("ExecStartPre"),
        COMMANDS("ExecStartPost"),
        COMMANDS("ExecStopPost"),
        REFUSED("ExecReload", "has no effect: a run is not reloaded. Remove it."),
        REFUSED("ExecStop", "would be called when vaktd releases a run that has ended. Use ExecStopPost=, or "
                            "use KillSignal= to set how a run is ended."),
        REFUSED("RestartSec", "has no effect: vaktd starts another run instead of restarting one. Write "
                              "RetryDelaySec= in section [Run]."),
        REFUSED("TimeoutStartSec", "is set by vaktd. Write TimeoutSec= in section [Run]."),
        SETTING("TimeoutStopSec", "TimeoutStopUSec", "t", service_span, CHILD, &limit_span),
        SETTING("TimeoutAbortSec", "TimeoutAbortUSec", "t", service_span, 0, &limit_span),
        REFUSED("TimeoutSec", "belongs in section [Run], where it limits the whole run. For the time from SIGTERM to "
                              "SIGKILL write TimeoutStopSec=."),
        WORD("TimeoutStartFailureMode", 0, failure_mode),
        WORD("TimeoutStopFailureMode", 0, failure_mode),
        REFUSED("RuntimeMaxSec", "is set by vaktd. Write TimeoutSec= in section [Run]."),
        REFUSED("RuntimeRandomizedExtraSec", "is set by vaktd. Write TimeoutSec= in section [Run]."),
        REFUSED("WatchdogSec", "is for services. Write TimeoutSec= in section [Run]."),
        REFUSED("Restart", "is set by vaktd, which starts another run instead. Write Retry= in section [Run]."),
        REFUSED("SuccessExitStatus", "belongs in section [Run]."),
        REFUSED("RestartPreventExitStatus", "has no effect: vaktd starts another run instead of restarting one. "
                                            "Write SuccessExitStatus= in section [Run]."),
        REFUSED("RestartForceExitStatus", "has no effect: vaktd starts another run instead of restarting one. Write "
                                          "Retry= in section [Run]."),
        BOOL("RootDirectoryStartOnly", 0),
        BOOL("NonBlocking", 0),
        WORD("NotifyAccess", 0, notify_access),
        REFUSED("Sockets", "is for socket-activated services. Remove it."),
        SETTING("FileDescriptorStoreMax", "FileDescriptorStoreMax", "u", service_integer, 0, &count),
        REFUSED("USBFunctionDescriptors", "is for services of USB gadgets. Remove it."),
        REFUSED("USBFunctionStrings", "is for services of USB gadgets. Remove it."),
        WORD("OOMPolicy", 0, oom_policy),
};

const size_t n_service_rows = ELEMENTSOF(service_rows);
