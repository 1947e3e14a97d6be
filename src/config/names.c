/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Signals and errors are named by the C library. The others have no function that would name them, so they stand here
 * as linux/capability.h, sys/socket.h and systemd.exec(5) list them. */

#include "config/names.h"

#include <signal.h>

#include "systemd/unit-name.h"
#include "util/string-table.h"

#define ERRNO_MAX  4095
#define STATUS_MAX 255

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

const char *const capabilities[] = {
        "CAP_CHOWN",
        "CAP_DAC_OVERRIDE",
        "CAP_DAC_READ_SEARCH",
        "CAP_FOWNER",
        "CAP_FSETID",
        "CAP_KILL",
        "CAP_SETGID",
        "CAP_SETUID",
        "CAP_SETPCAP",
        "CAP_LINUX_IMMUTABLE",
        "CAP_NET_BIND_SERVICE",
        "CAP_NET_BROADCAST",
        "CAP_NET_ADMIN",
        "CAP_NET_RAW",
        "CAP_IPC_LOCK",
        "CAP_IPC_OWNER",
        "CAP_SYS_MODULE",
        "CAP_SYS_RAWIO",
        "CAP_SYS_CHROOT",
        "CAP_SYS_PTRACE",
        "CAP_SYS_PACCT",
        "CAP_SYS_ADMIN",
        "CAP_SYS_BOOT",
        "CAP_SYS_NICE",
        "CAP_SYS_RESOURCE",
        "CAP_SYS_TIME",
        "CAP_SYS_TTY_CONFIG",
        "CAP_MKNOD",
        "CAP_LEASE",
        "CAP_AUDIT_WRITE",
        "CAP_AUDIT_CONTROL",
        "CAP_SETFCAP",
        "CAP_MAC_OVERRIDE",
        "CAP_MAC_ADMIN",
        "CAP_SYSLOG",
        "CAP_WAKE_ALARM",
        "CAP_BLOCK_SUSPEND",
        "CAP_AUDIT_READ",
        "CAP_PERFMON",
        "CAP_BPF",
        "CAP_CHECKPOINT_RESTORE",
};
const size_t n_capabilities = ELEMENTSOF(capabilities);

int capability_from_name(const char *s) {
        for (size_t i = 0; i < n_capabilities; i++)
                if (strcasecmp(s, capabilities[i]) == 0)
                        return (int)i;
        return -EINVAL;
}

const char *const address_families[] = {
        "AF_UNIX",     "AF_LOCAL",   "AF_INET",       "AF_AX25",  "AF_IPX",       "AF_APPLETALK", "AF_NETROM",
        "AF_BRIDGE",   "AF_ATMPVC",  "AF_X25",        "AF_INET6", "AF_ROSE",      "AF_DECnet",    "AF_NETBEUI",
        "AF_SECURITY", "AF_KEY",     "AF_NETLINK",    "AF_ROUTE", "AF_PACKET",    "AF_ASH",       "AF_ECONET",
        "AF_ATMSVC",   "AF_RDS",     "AF_SNA",        "AF_IRDA",  "AF_PPPOX",     "AF_WANPIPE",   "AF_LLC",
        "AF_IB",       "AF_MPLS",    "AF_CAN",        "AF_TIPC",  "AF_BLUETOOTH", "AF_IUCV",      "AF_RXRPC",
        "AF_ISDN",     "AF_PHONET",  "AF_IEEE802154", "AF_CAIF",  "AF_ALG",       "AF_NFC",       "AF_VSOCK",
        "AF_KCM",      "AF_QIPCRTR", "AF_SMC",        "AF_XDP",
};
const size_t n_address_families = ELEMENTSOF(address_families);

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
