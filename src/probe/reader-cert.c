/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How long the certificates of a PEM file are valid: the one that ends first counts, since a chain is as good as its
 * worst link. Keys and parameters between them are passed over. */

#include <fcntl.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>

#include "probe/reader.h"

#define CERT_FILE_MAX   1048576 /* bytes; the certificates of all authorities that Debian has are a quarter of it */
#define SECONDS_PER_DAY 86400

/* A certificate may say that it is encrypted, and OpenSSL would ask for its password at the terminal. */
static int no_password(char *buf, int size, int is_written, void *userdata) {
        return -1;
}

/* By descriptor of what was looked at, so that it is what is opened. */
static int reopen_regular(int fd) {
        char path[sizeof("/proc/self/fd/") + 11];
        struct stat st;
        int opened;

        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EMEDIUMTYPE;
        (void)snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        opened = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
        return opened < 0 ? -errno : opened;
}

static ssize_t read_bounded(int path_fd, char *buf, size_t size) {
        _cleanup_close_ int fd = reopen_regular(path_fd);
        size_t used = 0;
        ssize_t n;

        if (fd < 0)
                return fd;
        while ((n = read(fd, buf + used, size - used)) > 0)
                used += (size_t)n;
        if (n < 0)
                return -errno;
        return used == size ? -EFBIG : (ssize_t)used;
}

/* Whole days from now on, rounded down, so that it is -1 as soon as it is over. */
static bool days_left(const X509 *cert, time_t now, int64_t *ret) {
        ASN1_TIME *from = ASN1_TIME_set(NULL, now);
        int days, seconds;
        bool good = from && ASN1_TIME_diff(&days, &seconds, from, X509_get0_notAfter(cert));

        ASN1_TIME_free(from);
        if (good)
                *ret = days - (seconds < 0);
        return good;
}

/* How many certificates there are; -EBADMSG: one of them is damaged. */
static int shortest(BIO *bio, time_t now, int64_t *ret) {
        int n = 0;
        X509 *cert;

        *ret = INT64_MAX;
        while ((cert = PEM_read_bio_X509(bio, NULL, no_password, NULL))) {
                int64_t days;
                bool good = days_left(cert, now, &days);

                X509_free(cert);
                if (!good)
                        return -EBADMSG;
                *ret = MIN(*ret, days);
                n++;
        }
        return ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE ? n : -EBADMSG;
}

static void answer_bytes(const OutsideQuestion *q, const char *bytes, size_t n, OutsideAnswer *a) {
        BIO *bio = BIO_new_mem_buf(bytes, (int)n);
        int64_t days = 0;
        int r;

        ERR_clear_error();
        r = bio ? shortest(bio, (time_t)(q->now_realtime / USEC_PER_SEC), &days) : -ENOMEM;
        ERR_clear_error();
        BIO_free(bio);
        if (r > 0)
                answer_known(a, days, 0);
        else
                answer_unknown(a,
                               r == 0          ? "%s contains no certificate in PEM format."
                               : r == -EBADMSG ? "A certificate in %s is damaged."
                                               : "Not enough memory for %s.",
                               q->subject);
}

void read_cert_days(const OutsideQuestion *q, OutsideAnswer *a) {
        static char bytes[CERT_FILE_MAX + 1];
        _cleanup_close_ int fd = reader_open(q->subject, a);
        ssize_t n;

        if (fd < 0)
                return;
        n = read_bounded(fd, bytes, sizeof(bytes));
        if (n >= 0)
                answer_bytes(q, bytes, (size_t)n, a);
        else
                answer_unknown(a,
                               n == -EMEDIUMTYPE ? "%s is not a regular file."
                               : n == -EFBIG     ? "%s is too large for a file of certificates."
                                                 : "Cannot read %s: %s.",
                               q->subject, strerror((int)-n));
        explicit_bzero(bytes, sizeof(bytes)); /* there may have been a key beside them */
}
