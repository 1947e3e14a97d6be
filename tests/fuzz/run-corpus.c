/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Runs a fuzz target once over each file of the directories (or files) that it is given: the corpus as an ordinary
 * test, with any compiler. What the target asserts is what is tested; here it only says which file was at work. */

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>

#include "util/macro.h"

#define FILE_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned n_run;

static int run_file(const char *path) {
        _cleanup_free_ uint8_t *data = NULL, *exact = NULL;
        size_t n;
        FILE *f;

        f = fopen(path, "re");
        data = malloc(FILE_MAX);
        if (!f || !data) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                if (f)
                        fclose(f);
                return -1;
        }
        n = fread(data, 1, FILE_MAX, f);
        fclose(f);

        exact = malloc(n + 1); /* so that a sanitizer sees a read behind the end */
        if (!exact)
                return -1;
        memcpy(exact, data, n);
        printf("# %s\n", path);
        fflush(stdout);
        (void)LLVMFuzzerTestOneInput(exact, n);
        n_run++;
        return 0;
}

static int run_path(const char *path) {
        struct dirent **entries;
        struct stat st;
        int n, r = 0;

        if (stat(path, &st) == 0 && S_ISREG(st.st_mode))
                return run_file(path);
        n = scandir(path, &entries, NULL, alphasort);
        if (n < 0) {
                fprintf(stderr, "%s: %s\n", path, strerror(errno));
                return -1;
        }
        for (int i = 0; i < n; i++) {
                char file[PATH_MAX];

                if (entries[i]->d_name[0] != '.' &&
                    snprintf(file, sizeof(file), "%s/%s", path, entries[i]->d_name) < (int)sizeof(file) &&
                    run_file(file) < 0)
                        r = -1;
                free(entries[i]);
        }
        free(entries);
        return r;
}

int main(int argc, char *argv[]) {
        int r = 0;

        for (int i = 1; i < argc; i++)
                if (run_path(argv[i]) < 0)
                        r = -1;
        printf("1..1\n%s 1 - %u inputs\n", r < 0 || n_run == 0 ? "not ok" : "ok", n_run);
        return r < 0 || n_run == 0;
}
