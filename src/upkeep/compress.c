/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* zlib and libzstd, in this process: a rotation of 10,000 logs starts no 10,000 programs, and zstd can use threads.
 * Both formats carry a checksum. What is made is what gzip(1) and zstd(1) read. */

#include "upkeep/compress.h"

#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "util/file.h"

#define CHUNK        ((size_t)256 * 1024)
#define THREADS_FROM ((size_t)4 * 1024 * 1024) /* bytes; threads for a smaller file cost more than they save */
#define GZIP_WINDOW  (MAX_WBITS + 16)          /* with the header of gzip, and not of zlib */
#define GZIP_MEMORY  8

struct Compressor {
        RotateCompress format;
        unsigned threads;
        z_stream gzip;
        bool has_gzip;
        ZSTD_CCtx *zstd;
        char in[CHUNK], out[CHUNK];
};

static int compressor_init(Compressor *c, unsigned level) {
        switch (c->format) {
        case ROTATE_COMPRESS_GZIP:
                c->has_gzip = deflateInit2(&c->gzip, level == ROTATE_LEVEL_AUTO ? Z_DEFAULT_COMPRESSION : (int)level,
                                           Z_DEFLATED, GZIP_WINDOW, GZIP_MEMORY, Z_DEFAULT_STRATEGY) == Z_OK;
                return c->has_gzip ? 0 : -ENOMEM;
        case ROTATE_COMPRESS_ZSTD:
                c->zstd = ZSTD_createCCtx();
                if (!c->zstd ||
                    ZSTD_isError(
                            ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_compressionLevel,
                                                   level == ROTATE_LEVEL_AUTO ? ZSTD_CLEVEL_DEFAULT : (int)level)) ||
                    ZSTD_isError(ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_checksumFlag, 1)))
                        return -ENOMEM;
                return 0;
        case ROTATE_COMPRESS_NONE:
        case _ROTATE_COMPRESS_MAX:
                break;
        }
        return -EINVAL;
}

int compressor_new(Compressor **ret, RotateCompress format, unsigned level, unsigned threads) {
        _cleanup_(compressor_freep) Compressor *c = calloc(1, sizeof(*c));
        long n = threads > 0 ? (long)threads : sysconf(_SC_NPROCESSORS_ONLN);
        int r;

        if (!c)
                return -ENOMEM;
        c->format = format;
        c->threads = n > 1 ? (unsigned)n : 0;
        r = compressor_init(c, level);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(c);
        return 0;
}

Compressor *compressor_free(Compressor *c) {
        if (!c)
                return NULL;
        if (c->has_gzip)
                (void)deflateEnd(&c->gzip);
        ZSTD_freeCCtx(c->zstd);
        return mfree(c);
}

/* One chunk, the last one with what follows it. */
static int gzip_chunk(Compressor *c, size_t n, bool is_last, int to) {
        int r;

        c->gzip.next_in = (Bytef *)c->in;
        c->gzip.avail_in = (uInt)n;
        do {
                c->gzip.next_out = (Bytef *)c->out;
                c->gzip.avail_out = CHUNK;
                if (deflate(&c->gzip, is_last ? Z_FINISH : Z_NO_FLUSH) == Z_STREAM_ERROR)
                        return -EIO;
                r = fd_write_all(to, c->out, CHUNK - c->gzip.avail_out);
                if (r < 0)
                        return r;
        } while (c->gzip.avail_out == 0);
        return 0;
}

static int zstd_chunk(Compressor *c, size_t n, bool is_last, int to) {
        ZSTD_inBuffer in = { c->in, n, 0 };
        size_t left;
        int r;

        do {
                ZSTD_outBuffer out = { c->out, CHUNK, 0 };

                left = ZSTD_compressStream2(c->zstd, &out, &in, is_last ? ZSTD_e_end : ZSTD_e_continue);
                if (ZSTD_isError(left))
                        return ZSTD_getErrorCode(left) == ZSTD_error_memory_allocation ? -ENOMEM : -EIO;
                r = fd_write_all(to, c->out, out.pos);
                if (r < 0)
                        return r;
        } while (is_last ? left > 0 : in.pos < in.size);
        return 0;
}

static int compressor_reset(Compressor *c, size_t n_first) {
        if (c->format == ROTATE_COMPRESS_GZIP)
                return deflateReset(&c->gzip) == Z_OK ? 0 : -EIO;
        (void)ZSTD_CCtx_reset(c->zstd, ZSTD_reset_session_only);
        /* A library that was built without threads refuses, and works without them. */
        (void)ZSTD_CCtx_setParameter(c->zstd, ZSTD_c_nbWorkers, n_first >= THREADS_FROM ? (int)c->threads : 0);
        return 0;
}

off_t holes_of(const struct stat *st) {
        return MAX(st->st_size - st->st_blocks * 512, (off_t)0);
}

int64_t compressor_run(Compressor *c, int from, int to) {
        off_t at = lseek(from, 0, SEEK_CUR), end = lseek(from, 0, SEEK_END);
        int64_t n_read = 0;
        ssize_t n;
        int r;

        if (at < 0 || end < 0 || lseek(from, at, SEEK_SET) < 0)
                return -errno;
        r = compressor_reset(c, (size_t)(end - at));
        if (r < 0)
                return r;
        do {
                n = fd_read_up_to(from, c->in, CHUNK);
                if (n < 0)
                        return n;
                n_read += n;
                r = c->format == ROTATE_COMPRESS_GZIP ? gzip_chunk(c, (size_t)n, (size_t)n < CHUNK, to)
                                                      : zstd_chunk(c, (size_t)n, (size_t)n < CHUNK, to);
                if (r < 0)
                        return r;
        } while ((size_t)n == CHUNK && n_read <= end - at); /* not after a writer who is faster */
        return n_read;
}

/* --- comparing --- */

typedef struct Comparison {
        int compressed, plain;
        off_t left; /* of the plain one, which may grow meanwhile */
        char in[CHUNK], out[CHUNK], expected[CHUNK];
} Comparison;

static bool expects(Comparison *c, size_t n) {
        c->left -= (off_t)n;
        return c->left >= 0 && fd_read_up_to(c->plain, c->expected, n) == (ssize_t)n &&
               memcmp(c->out, c->expected, n) == 0;
}

static bool is_at_end(int fd) {
        char byte;

        return fd_read_up_to(fd, &byte, 1) == 0;
}

static bool gzip_equals(Comparison *c) {
        z_stream z = {};
        bool equals = inflateInit2(&z, GZIP_WINDOW) == Z_OK;
        int r = Z_OK;

        while (equals && r != Z_STREAM_END) {
                if (z.avail_in == 0) {
                        ssize_t n = fd_read_up_to(c->compressed, c->in, CHUNK);

                        if (n <= 0)
                                break; /* cut short */
                        z.next_in = (Bytef *)c->in;
                        z.avail_in = (uInt)n;
                }
                z.next_out = (Bytef *)c->out;
                z.avail_out = CHUNK;
                r = inflate(&z, Z_NO_FLUSH);
                equals = (r == Z_OK || r == Z_STREAM_END) && expects(c, CHUNK - z.avail_out);
        }
        equals = equals && r == Z_STREAM_END && z.avail_in == 0 && is_at_end(c->compressed);
        (void)inflateEnd(&z);
        return equals;
}

static bool zstd_equals(Comparison *c) {
        ZSTD_DCtx *z = ZSTD_createDCtx();
        bool equals = z;
        size_t left = 1;
        ssize_t n = 1;

        while (equals && (n = fd_read_up_to(c->compressed, c->in, CHUNK)) > 0) {
                ZSTD_inBuffer in = { c->in, (size_t)n, 0 };
                ZSTD_outBuffer out;

                do {
                        out = (ZSTD_outBuffer){ c->out, CHUNK, 0 };
                        left = ZSTD_decompressStream(z, &out, &in);
                        equals = !ZSTD_isError(left) && expects(c, out.pos);
                } while (equals && (in.pos < in.size || (left > 0 && out.pos == CHUNK)));
        }
        ZSTD_freeDCtx(z);
        return equals && n == 0 && left == 0;
}

bool compressed_file_equals(int compressed, const char *suffix, int plain) {
        _cleanup_free_ Comparison *c = calloc(1, sizeof(*c));
        struct stat st;
        bool equals;

        if (!c || fstat(plain, &st) < 0 || holes_of(&st) > COMPARE_HOLES_MAX)
                return false;
        c->left = st.st_size;
        c->compressed = compressed;
        c->plain = plain;
        equals = streq(suffix, ".gz") ? gzip_equals(c) : streq(suffix, ".zst") && zstd_equals(c);
        return equals && is_at_end(plain);
}
