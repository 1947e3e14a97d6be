/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals and errors are named by the C library. The others have no function that would name them, so they stand here
 * as linux/capability.h, sys/socket.h and systemd.exec(5) list them. */

#include "config/names.h"

#include <signal.h>

#include "util/string-table.h"

#define ERRNO_MAX  4095
#define STATUS_MAX 255

#define UNIT_NAME_MAX   255
#define UNIT_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789:-_.\\@"

bool number_parse(const char *s, uint64_t *ret) {
        size_t n = strspn(s, "0123456789");
        unsigned long long value;

        if (n == 0 || s[n] != '\0')
                return false;
        errno = 0;
        value = strtoull(s, NULL, 10);
        if (errno != 0)
                return false;
        *ret = value;
        return true;
}

static int number_up_to(const char *s, uint64_t min, uint64_t max) {
        uint64_t value;

        return number_parse(s, &value) && value >= min && value <= max ? (int)value : -EINVAL;
}

/* What stands behind RTMIN or RTMAX. */
static int realtime_signal(const char *s, int base, char sign) {
        int distance;

        if (*s == '\0')
                return base;
        distance = *s == sign ? number_up_to(s + 1, 0, (uint64_t)(SIGRTMAX - SIGRTMIN)) : -EINVAL;
        if (distance < 0)
                return -EINVAL;
        return sign == '+' ? base + distance : base - distance;
}

int signal_from_name(const char *s) {
        const char *name = startswith(s, "SIG") ?: s, *rest;

        rest = startswith(name, "RTMIN");
        if (rest)
                return realtime_signal(rest, SIGRTMIN, '+');
        rest = startswith(name, "RTMAX");
        if (rest)
                return realtime_signal(rest, SIGRTMAX, '-');
        for (int i = 1; i < SIGRTMIN; i++)
                if (streq_ptr(sigabbrev_np(i), name))
                        return i;
        return number_up_to(s, 1, (uint64_t)SIGRTMAX);
}

static const char *const exit_status_table[STATUS_MAX + 1] = {
        [0] = "SUCCESS",
        [1] = "FAILURE",
        [2] = "INVALIDARGUMENT",
        [3] = "NOTIMPLEMENTED",
        [4] = "NOPERMISSION",
        [5] = "NOTINSTALLED",
        [6] = "NOTCONFIGURED",
        [7] = "NOTRUNNING",
        /* sysexits.h */
        [64] = "USAGE",
        [65] = "DATAERR",
        [66] = "NOINPUT",
        [67] = "NOUSER",
        [68] = "NOHOST",
        [69] = "UNAVAILABLE",
        [70] = "SOFTWARE",
        [71] = "OSERR",
        [72] = "OSFILE",
        [73] = "CANTCREAT",
        [74] = "IOERR",
        [75] = "TEMPFAIL",
        [76] = "PROTOCOL",
        [77] = "NOPERM",
        [78] = "CONFIG",
        /* the service manager's own */
        [200] = "CHDIR",
        [201] = "NICE",
        [202] = "FDS",
        [203] = "EXEC",
        [204] = "MEMORY",
        [205] = "LIMITS",
        [206] = "OOM_ADJUST",
        [207] = "SIGNAL_MASK",
        [208] = "STDIN",
        [209] = "STDOUT",
        [210] = "CHROOT",
        [211] = "IOPRIO",
        [212] = "TIMERSLACK",
        [213] = "SECUREBITS",
        [214] = "SETSCHEDULER",
        [215] = "CPUAFFINITY",
        [216] = "GROUP",
        [217] = "USER",
        [218] = "CAPABILITIES",
        [219] = "CGROUP",
        [220] = "SETSID",
        [221] = "CONFIRM",
        [222] = "STDERR",
        [224] = "PAM",
        [225] = "NETWORK",
        [226] = "NAMESPACE",
        [227] = "NO_NEW_PRIVILEGES",
        [228] = "SECCOMP",
        [229] = "SELINUX_CONTEXT",
        [230] = "PERSONALITY",
        [231] = "APPARMOR",
        [232] = "ADDRESS_FAMILIES",
        [233] = "RUNTIME_DIRECTORY",
        [235] = "CHOWN",
        [236] = "SMACK_PROCESS_LABEL",
        [237] = "KEYRING",
        [238] = "STATE_DIRECTORY",
        [239] = "CACHE_DIRECTORY",
        [240] = "LOGS_DIRECTORY",
        [241] = "CONFIGURATION_DIRECTORY",
        [242] = "NUMA_POLICY",
        [243] = "CREDENTIALS",
        [244] = "BPF",
        [255] = "EXCEPTION",
};

int exit_status_from_name(const char *s) {
        int status = string_table_find(exit_status_table, ELEMENTSOF(exit_status_table), s);

        return status >= 0 ? status : number_up_to(s, 0, STATUS_MAX);
}

int errno_from_name(const char *s) {
        for (int i = 1; i <= ERRNO_MAX; i++)
                if (streq_ptr(strerrorname_np(i), s))
                        return i;
        return number_up_to(s, 1, ERRNO_MAX);
}

/* In the order of their numbers. */
static const char *const capability_table[] = {
        "chown",
        "dac_override",
        "dac_read_search",
        "fowner",
        "fsetid",
        "kill",
        "setgid",
        "setuid",
        "setpcap",
        "linux_immutable",
        "net_bind_service",
        "net_broadcast",
        "net_admin",
        "net_raw",
        "ipc_lock",
        "ipc_owner",
        "sys_module",
        "sys_rawio",
        "sys_chroot",
        "sys_ptrace",
        "sys_pacct",
        "sys_admin",
        "sys_boot",
        "sys_nice",
        "sys_resource",
        "sys_time",
        "sys_tty_config",
        "mknod",
        "lease",
        "audit_write",
        "audit_control",
        "setfcap",
        "mac_override",
        "mac_admin",
        "syslog",
        "wake_alarm",
        "block_suspend",
        "audit_read",
        "perfmon",
        "bpf",
        "checkpoint_restore",
};

int capability_from_name(const char *s) {
        if (strncasecmp(s, "CAP_", 4) != 0)
                return -EINVAL;
        for (size_t i = 0; i < ELEMENTSOF(capability_table); i++)
                if (strcasecmp(s + 4, capability_table[i]) == 0)
                        return (int)i;
        return -EINVAL;
}

bool address_family_is_known(const char *s) {
        static const char *const families[] = {
                "UNIX",      "LOCAL", "INET",    "AX25",    "IPX",    "APPLETALK",  "NETROM",   "BRIDGE",
                "ATMPVC",    "X25",   "INET6",   "ROSE",    "DECnet", "NETBEUI",    "SECURITY", "KEY",
                "NETLINK",   "ROUTE", "PACKET",  "ASH",     "ECONET", "ATMSVC",     "RDS",      "SNA",
                "IRDA",      "PPPOX", "WANPIPE", "LLC",     "IB",     "MPLS",       "CAN",      "TIPC",
                "BLUETOOTH", "IUCV",  "RXRPC",   "ISDN",    "PHONET", "IEEE802154", "CAIF",     "ALG",
                "NFC",       "VSOCK", "KCM",     "QIPCRTR", "SMC",    "XDP",
        };
        const char *name = startswith(s, "AF_");

        return string_table_find(families, ELEMENTSOF(families), name) >= 0;
}

bool unit_name_is_valid(const char *s) {
        static const char *const suffixes[] = {
                ".service", ".socket", ".target", ".mount", ".automount", ".swap", ".timer", ".path", ".slice",
        };
        const char *at = strchr(s, '@'), *dot = strrchr(s, '.');
        size_t n = strspn(s, UNIT_NAME_CHARS);

        if (!dot || s[n] != '\0' || n > UNIT_NAME_MAX || dot == s || at == s || (at && dot == at + 1))
                return false;
        return string_table_find(suffixes, ELEMENTSOF(suffixes), dot) >= 0;
}
