/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The kernel's own format of the list (linux/posix_acl_xattr.h): a library would be one more dependency for five
 * rows. */

#include "fs/acl.h"

#include <endian.h>
#include <errno.h>
#include <linux/posix_acl.h>
#include <linux/posix_acl_xattr.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/xattr.h>

#define ACL_NAME "system.posix_acl_access"

int acl_give(int fd, uid_t uid, unsigned rights) {
        const uint16_t perm = htole16((uint16_t)rights);
        const struct {
                struct posix_acl_xattr_header header;
                struct posix_acl_xattr_entry entries[5];
        } acl = {
                .header.a_version = htole32(POSIX_ACL_XATTR_VERSION),
                .entries = {
                        { htole16(ACL_USER_OBJ), perm, htole32(ACL_UNDEFINED_ID) },
                        { htole16(ACL_USER), perm, htole32(uid) },
                        { htole16(ACL_GROUP_OBJ), 0, htole32(ACL_UNDEFINED_ID) },
                        { htole16(ACL_MASK), perm, htole32(ACL_UNDEFINED_ID) },
                        { htole16(ACL_OTHER), 0, htole32(ACL_UNDEFINED_ID) },
                },
        };

        return fsetxattr(fd, ACL_NAME, &acl, sizeof(acl), 0) < 0 ? -errno : 0;
}

int acl_remove(int fd) {
        return fremovexattr(fd, ACL_NAME) < 0 && errno != ENODATA && errno != EOPNOTSUPP ? -errno : 0;
}

bool acl_is_there(int fd) {
        char link[sizeof("/proc/self/fd/") + 11];

        (void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd); /* fgetxattr(2) takes no O_PATH */
        return getxattr(link, ACL_NAME, NULL, 0) >= 0 || (errno != ENODATA && errno != EOPNOTSUPP);
}
