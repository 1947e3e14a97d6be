/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Names that the service manager passes over with a line in the journal when it does not know them: a filter of system
 * calls is another one without the group that was mistyped. What it knows of system calls comes from libseccomp, so
 * the same library is asked, where it is; without it the service manager filters nothing anyway. Groups and file
 * systems are its own lists, as systemd 257 prints them ("systemd-analyze syscall-filter", "systemd-analyze
 * filesystems").
 *
 * Kinds of devices come and go with modules of the kernel: one that is not there is only taken for a typing error when
 * it looks like one that is. */

#include <dlfcn.h>

#include "config/key-table.h"
#include "config/service-convert.h"
#include "util/edit-distance.h"
#include "util/string-table.h"

#define NATIVE_ARCHITECTURE 0    /* SCMP_ARCH_NATIVE */
#define UNKNOWN_SYSTEM_CALL (-1) /* __NR_SCMP_ERROR */
#define SYSTEM_CALL_LAST    1023
#define DEVICE_KIND_MAX     64
#define DEVICE_KIND_MIN     5 /* letters of a name, of which one may be wrong */

static const char *const system_call_groups[] = {
        "@aio",        "@basic-io",    "@chown",    "@clock",      "@cpu-emulation",  "@debug",
        "@default",    "@file-system", "@io-event", "@ipc",        "@keyring",        "@known",
        "@memlock",    "@module",      "@mount",    "@network-io", "@obsolete",       "@pkey",
        "@privileged", "@process",     "@raw-io",   "@reboot",     "@resources",      "@sandbox",
        "@setuid",     "@signal",      "@swap",     "@sync",       "@system-service", "@timer",
};

static const char *const file_system_groups[] = {
        "@anonymous", "@application", "@auxiliary-api",  "@basic-api", "@common-block", "@historical-block",
        "@known",     "@network",     "@privileged-api", "@security",  "@temporary",
};

static const char *const file_systems[] = {
        "adfs",     "affs",     "afs",       "anon_inodefs", "apparmorfs", "autofs",     "balloon-kvm",
        "bcachefs", "bdev",     "binder",    "binfmt_misc",  "bpf",        "btrfs",      "btrfs_test_fs",
        "ceph",     "cgroup",   "cgroup2",   "cifs",         "coda",       "configfs",   "cpuset",
        "cramfs",   "dax",      "debugfs",   "devmem",       "devpts",     "devtmpfs",   "dmabuf",
        "ecryptfs", "efivarfs", "efs",       "erofs",        "exfat",      "ext2",       "ext3",
        "ext4",     "f2fs",     "fuse",      "fuseblk",      "fusectl",    "gfs",        "gfs2",
        "hostfs",   "hpfs",     "hugetlbfs", "iso9660",      "jffs2",      "minix",      "mqueue",
        "msdos",    "ncp",      "ncpfs",     "nfs",          "nfs4",       "nilfs2",     "nsfs",
        "ntfs",     "ntfs3",    "ocfs2",     "openpromfs",   "orangefs",   "overlay",    "pidfs",
        "pipefs",   "ppc-cmm",  "proc",      "pstore",       "pvfs2",      "qnx4",       "qnx6",
        "ramfs",    "reiserfs", "resctrl",   "rpc_pipefs",   "secretmem",  "securityfs", "selinuxfs",
        "shiftfs",  "smackfs",  "smb3",      "smbfs",        "sockfs",     "squashfs",   "sysfs",
        "tmpfs",    "tracefs",  "udf",       "usbdevfs",     "v9fs",       "vboxsf",     "vfat",
        "xenfs",    "xfs",      "z3fold",    "zonefs",       "zsmalloc",
};

static const char *nearest_name(const char *word, const char *const *names, size_t n) {
        Nearest nearest = nearest_begin(word);

        for (size_t i = 0; i < n; i++)
                if (names[i])
                        (void)nearest_take(&nearest, names[i], edit_distance(word, names[i], nearest.distance));
        return nearest.name;
}

int service_problem_unknown(const KeyLine *k, const char *word, const char *const *names, size_t n, const char *what,
                            const char *advice) {
        const char *nearest = nearest_name(word, names, n);

        if (nearest)
                return service_problem_word(k, word, "is not a valid %s. Did you mean \"%s\"?", what, nearest);
        return service_problem_word(k, word, "is not a valid %s. %s", what, advice);
}

static int check_listed(const KeyLine *k, const char *word, const char *const *names, size_t n, const char *what,
                        const char *advice) {
        if (string_table_find(names, n, word) >= 0)
                return 1;
        return service_problem_unknown(k, word, names, n, what, advice);
}

/* --- system calls --- */

typedef struct Seccomp {
        int (*resolve)(const char *name);
        char *(*name)(uint32_t architecture, int number);
} Seccomp;

/* NULL when the library is not there. It stays loaded. */
static const Seccomp *seccomp_library(void) {
        static Seccomp library;
        static bool was_looked_for;
        void *handle;

        if (!was_looked_for) {
                was_looked_for = true;
                handle = dlopen("libseccomp.so.2", RTLD_NOW | RTLD_LOCAL);
                if (handle) {
                        *(void **)&library.resolve = dlsym(handle, "seccomp_syscall_resolve_name");
                        *(void **)&library.name = dlsym(handle, "seccomp_syscall_resolve_num_arch");
                }
        }
        return library.resolve && library.name ? &library : NULL;
}

static int problem_system_call(const KeyLine *k, const char *word, const Seccomp *library) {
        char *names[SYSTEM_CALL_LAST + 1];
        int r;

        for (int i = 0; i <= SYSTEM_CALL_LAST; i++)
                names[i] = library ? library->name(NATIVE_ARCHITECTURE, i) : NULL;
        r = service_problem_unknown(k, word, (const char *const *)names, ELEMENTSOF(names), "system call",
                                    "Write names, or groups such as @system-service.");
        for (size_t i = 0; i < ELEMENTSOF(names); i++)
                free(names[i]);
        return r;
}

int service_check_system_call(const KeyLine *k, const char *word) {
        const Seccomp *library = seccomp_library();
        size_t n = strspn(word, "abcdefghijklmnopqrstuvwxyz0123456789_");

        if (*word == '@')
                return check_listed(k, word, system_call_groups, ELEMENTSOF(system_call_groups),
                                    "group of system calls", "See systemd-analyze syscall-filter.");
        if (n == 0 || word[n] != '\0' || (library && library->resolve(word) == UNKNOWN_SYSTEM_CALL))
                return problem_system_call(k, word, library);
        return 1;
}

/* --- file systems --- */

int service_check_file_system(const KeyLine *k, const char *word) {
        if (*word == '@')
                return check_listed(k, word, file_system_groups, ELEMENTSOF(file_system_groups),
                                    "group of file systems", "See systemd-analyze filesystems.");
        return check_listed(k, word, file_systems, ELEMENTSOF(file_systems), "file system type",
                            "See systemd-analyze filesystems.");
}

/* --- kinds of devices --- */

/* "char-input": whether /proc/devices lists it in that part; else *ret is one that differs by one letter, or "". */
static bool find_device_kind(FILE *f, const char *word, char ret[static DEVICE_KIND_MAX]) {
        const char *name = strchr(word, '-') + 1;
        char line[128], found[DEVICE_KIND_MAX];
        bool in_part = false;

        ret[0] = '\0';
        while (fgets(line, sizeof(line), f)) {
                if (strstr(line, "devices:"))
                        in_part = (line[0] == 'C') == (word[0] == 'c');
                if (!in_part || sscanf(line, " %*u %63s", found) != 1)
                        continue;
                if (streq(found, name))
                        return true;
                if (edit_distance(name, found, 1) <= 1)
                        memcpy(ret, found, sizeof(found));
        }
        return false;
}

int service_check_device_kind(const KeyLine *k, const char *word) {
        const char *name = strchr(word, '-') + 1;
        FILE *f = fopen("/proc/devices", "re");
        char nearest[DEVICE_KIND_MAX];
        bool good;

        if (!f)
                return 1;
        good = strpbrk(word, "*?[") || strlen(name) < DEVICE_KIND_MIN || find_device_kind(f, word, nearest) ||
               nearest[0] == '\0';
        (void)fclose(f);
        if (good)
                return 1;
        return service_problem_word(k, word, "is not a kind of device on this machine. Did you mean \"%.*s%s\"?",
                                    (int)(name - word), word, nearest);
}
