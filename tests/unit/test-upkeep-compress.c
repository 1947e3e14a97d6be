/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is compressed can be read again, by the usual programs too, and a damaged file is not taken for a whole one. */

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/mman.h>
#include <cmocka.h>

#include "upkeep/compress.h"
#include "util/file.h"

static const struct {
        RotateCompress format;
        const char *suffix, *program;
} formats[] = {
        { ROTATE_COMPRESS_GZIP, ".gz", "gzip -dc" },
        { ROTATE_COMPRESS_ZSTD, ".zst", "zstd -dcq" },
};

static int make_file(size_t n) {
        int fd = memfd_create("test", MFD_CLOEXEC);
        _cleanup_free_ char *bytes = malloc(n + 1);
        uint32_t x = 1;

        assert_true(fd >= 0 && bytes);
        for (size_t i = 0; i < n; i++) {
                x = x * 1664525 + 1013904223;
                bytes[i] = (char)("0123456789abcdef\n"[(x >> 24) % 17]);
        }
        assert_int_equal(fd_write_all(fd, bytes, n), 0);
        return fd;
}

static bool equals(int compressed, const char *suffix, int plain) {
        assert_true(lseek(compressed, 0, SEEK_SET) == 0 && lseek(plain, 0, SEEK_SET) == 0);
        return compressed_file_equals(compressed, suffix, plain);
}

static bool program_agrees(const char *program, int compressed, int plain) {
        char command[256];

        (void)snprintf(command, sizeof(command), "%s </proc/%d/fd/%d | cmp -s - /proc/%d/fd/%d", program,
                       (int)getpid(), compressed, (int)getpid(), plain);
        return system(command) == 0;
}

static void one_size(Compressor *c, size_t i, size_t size) {
        _cleanup_close_ int plain = make_file(size), out = memfd_create("out", MFD_CLOEXEC);
        char byte = 0;
        off_t n;

        assert_true(lseek(plain, 0, SEEK_SET) == 0);
        assert_int_equal(compressor_run(c, plain, out), size);
        assert_true(equals(out, formats[i].suffix, plain));
        assert_true(program_agrees(formats[i].program, out, plain));
        n = lseek(out, 0, SEEK_END);
        /* Longer, other, cut. */
        assert_int_equal(fd_write_all(plain, "x", 1), 0);
        assert_false(equals(out, formats[i].suffix, plain));
        assert_int_equal(ftruncate(plain, (off_t)size), 0);
        if (size > 0) {
                assert_int_equal(pread(plain, &byte, 1, (off_t)size / 2), 1);
                byte ^= 1;
                assert_int_equal(pwrite(plain, &byte, 1, (off_t)size / 2), 1);
                assert_false(equals(out, formats[i].suffix, plain));
                byte ^= 1;
                assert_int_equal(pwrite(plain, &byte, 1, (off_t)size / 2), 1);
        }
        assert_true(equals(out, formats[i].suffix, plain));
        assert_int_equal(fd_write_all(out, "x", 1), 0);
        assert_false(equals(out, formats[i].suffix, plain));
        assert_int_equal(ftruncate(out, n - 1), 0);
        assert_false(equals(out, formats[i].suffix, plain));
}

/* The second file with the same compressor; at the borders of chunks; and with threads. */
static void test_formats(void **state) {
        static const size_t sizes[] = { 0, 1, 4095, 256 * 1024 - 1, 256 * 1024, 256 * 1024 + 1, 5000000 };

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                _cleanup_(compressor_freep) Compressor *c = NULL;

                assert_int_equal(compressor_new(&c, formats[i].format, ROTATE_LEVEL_AUTO, 3), 0);
                for (size_t k = 0; k < ELEMENTSOF(sizes); k++)
                        one_size(c, i, sizes[k]);
        }
}

static void test_levels(void **state) {
        _cleanup_close_ int plain = make_file(100000);
        off_t sizes[2];

        for (unsigned k = 0; k < 2; k++) {
                _cleanup_close_ int out = memfd_create("out", MFD_CLOEXEC);
                _cleanup_(compressor_freep) Compressor *c = NULL;

                assert_int_equal(compressor_new(&c, ROTATE_COMPRESS_GZIP, k == 0 ? 1 : 9, 1), 0);
                assert_true(lseek(plain, 0, SEEK_SET) == 0);
                assert_int_equal(compressor_run(c, plain, out), 100000);
                sizes[k] = lseek(out, 0, SEEK_CUR);
        }
        assert_true(sizes[1] < sizes[0]);
}

static void test_full_disk(void **state) {
        _cleanup_close_ int plain = make_file(100000), full = open("/dev/full", O_WRONLY | O_CLOEXEC);

        for (size_t i = 0; i < ELEMENTSOF(formats); i++) {
                _cleanup_(compressor_freep) Compressor *c = NULL;

                assert_int_equal(compressor_new(&c, formats[i].format, ROTATE_LEVEL_AUTO, 1), 0);
                assert_true(lseek(plain, 0, SEEK_SET) == 0);
                assert_int_equal(compressor_run(c, plain, full), -ENOSPC);
        }
}

int main(void) {
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_formats),
                cmocka_unit_test(test_levels),
                cmocka_unit_test(test_full_disk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
