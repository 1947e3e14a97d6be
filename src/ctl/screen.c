/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Plain ECMA-48 sequences, as all output of vaktctl has them: a frame is complete text, so all that a library such as
 * ncurses would add is the table of terminals without these sequences, which no one has had for decades.
 *
 * The keyboard sends signals as always (Ctrl-C, Ctrl-\, Ctrl-Z). Their handlers put the terminal back with
 * tcsetattr(3) and write(2), which a handler may call, and then do what the signal does by default. So that works at
 * any time, also while a call to a daemon that hangs is waiting for its reply, and a shell sees how we have ended. */

#include "ctl/screen.h"

#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <termios.h>

#include "ctl/alloc.h"
#include "util/i18n.h"

#define ENTER "\x1b[?1049h\x1b[?25l\x1b[2J" /* alternate screen, no cursor, cleared */
#define LEAVE "\x1b[0m\x1b[?25h\x1b[?1049l"

#define ROWS_DEFAULT    24
#define COLUMNS_DEFAULT 80

static struct termios saved; /* the mode of the terminal before */
static volatile sig_atomic_t is_open;
static struct {
        char **lines; /* that are on the screen */
        size_t n;
        bool is_known;
        char input[64];
        size_t n_input;
} screen;

/* --- signals --- */

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void write_sequence(const char *s) {
        ssize_t n = write(STDOUT_FILENO, s, strlen(s));

        (void)n; /* the terminal is gone: there is nothing to put back */
}

static void leave(void) {
        if (!is_open)
                return;
        is_open = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &saved); /* first: who sees the other screen can rely on it */
        write_sequence(LEAVE);
}

static void enter(void) {
        struct termios raw = saved;

        raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
        raw.c_cc[VMIN] = 0;
        raw.c_cc[VTIME] = 0;
        (void)tcsetattr(STDIN_FILENO, TCSADRAIN, &raw);
        write_sequence(ENTER);
        is_open = 1;
}

static void on_end(int signal) {
        leave();
        (void)raise(signal); /* again, by default: SA_RESETHAND */
}

/* Stops here, and goes on when SIGCONT arrives; who draws hears of that signal as well. */
static void on_stop(int signal) {
        int error = errno;

        leave();
        (void)raise(SIGSTOP);
        enter();
        errno = error;
}

static void set_handlers(void) {
        struct sigaction end = { .sa_handler = on_end, .sa_flags = SA_RESETHAND | SA_NODEFER };
        struct sigaction stop = { .sa_handler = on_stop, .sa_flags = SA_RESTART };
        struct sigaction old;

        (void)sigfillset(&stop.sa_mask);
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                /* What is ignored, as nohup(1) does it, stays so. */
                if (sigaction(ending[i], NULL, &old) == 0 && old.sa_handler == SIG_DFL)
                        (void)sigaction(ending[i], &end, NULL);
        (void)sigaction(SIGTSTP, &stop, NULL);
}

/* --- life --- */

const char *screen_problem(void) {
        const char *term = getenv("TERM");

        if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO))
                return _("Standard input and output have to be a terminal.");
        if (isempty(term) || streq(term, "dumb"))
                return _("This terminal cannot move its cursor (TERM is 'dumb' or not set).");
        return NULL;
}

int screen_open(void) {
        static bool registered;

        if (tcgetattr(STDIN_FILENO, &saved) < 0)
                return -errno;
        if (!registered && atexit(screen_close) != 0)
                return -ENOMEM;
        registered = true;
        set_handlers();
        enter();
        screen_forget();
        return 0;
}

void screen_close(void) {
        leave();
        for (size_t i = 0; i < screen.n; i++)
                free(screen.lines[i]);
        screen.lines = mfree(screen.lines);
        screen.n = 0;
        for (size_t i = 0; i < ELEMENTSOF(ending); i++)
                (void)signal(ending[i], SIG_DFL);
        (void)signal(SIGTSTP, SIG_DFL);
}

void screen_size(size_t *ret_rows, size_t *ret_columns) {
        struct winsize size = { 0 };

        (void)ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
        *ret_rows = size.ws_row > 0 ? size.ws_row : ROWS_DEFAULT;
        *ret_columns = size.ws_col > 0 ? size.ws_col : COLUMNS_DEFAULT;
}

/* --- drawing --- */

void screen_forget(void) {
        screen.is_known = false;
}

static void write_all(const char *s, size_t n) {
        while (n > 0) {
                ssize_t k = write(STDOUT_FILENO, s, n);

                if (k < 0 && errno != EINTR && errno != EAGAIN)
                        return;
                if (k < 0 && errno == EAGAIN)
                        (void)poll(&(struct pollfd){ .fd = STDOUT_FILENO, .events = POLLOUT }, 1, -1);
                s += MAX(k, (ssize_t)0);
                n -= (size_t)MAX(k, (ssize_t)0);
        }
}

void screen_draw(char *const *lines, size_t n) {
        _cleanup_free_ char *text = NULL;
        size_t size = 16, changed = 0;
        char *p;

        for (size_t i = 0; i < n; i++)
                size += strlen(lines[i]) + 32;
        p = text = alloc_array(NULL, size, 1);
        if (!screen.is_known || n != screen.n)
                p = stpcpy(p, "\x1b[2J");
        for (size_t i = 0; i < n; i++) {
                if (screen.is_known && n == screen.n && streq(lines[i], screen.lines[i]))
                        continue;
                p += sprintf(p, "\x1b[%zuH%s\x1b[K", i + 1, lines[i]);
                changed++;
        }
        if (changed > 0)
                write_all(text, (size_t)(p - text));
        for (size_t i = 0; i < screen.n; i++)
                free(screen.lines[i]);
        screen.lines = alloc_array(screen.lines, MAX(n, (size_t)1), sizeof(char *));
        for (size_t i = 0; i < n; i++)
                screen.lines[i] = alloc_string(lines[i]);
        screen.n = n;
        screen.is_known = true;
}

/* --- keys --- */

static int take_input(size_t n, int key) {
        screen.n_input -= n;
        memmove(screen.input, screen.input + n, screen.n_input);
        return key;
}

/* A key that begins with ESC; *ret_n: its bytes. */
static int escape_key(size_t *ret_n) {
        static const struct {
                const char *sequence;
                ScreenKey key;
        } keys[] = {
                { "[A", KEY_UP },       { "OA", KEY_UP },         { "[B", KEY_DOWN }, { "OB", KEY_DOWN },
                { "[5~", KEY_PAGE_UP }, { "[6~", KEY_PAGE_DOWN }, { "[H", KEY_HOME }, { "OH", KEY_HOME },
                { "[1~", KEY_HOME },    { "[F", KEY_END },        { "[4~", KEY_END }, { "OF", KEY_END },
        };
        const char *s = screen.input + 1;
        size_t n = screen.n_input - 1, i = 1;

        for (size_t k = 0; k < ELEMENTSOF(keys); k++)
                if (strlen(keys[k].sequence) <= n && strncmp(s, keys[k].sequence, strlen(keys[k].sequence)) == 0) {
                        *ret_n = 1 + strlen(keys[k].sequence);
                        return keys[k].key;
                }
        if (n == 0 || (s[0] != '[' && s[0] != 'O')) {
                *ret_n = 1;
                return KEY_ESCAPE;
        }
        while (i < n && (s[i] < '@' || s[i] > '~')) /* another key: up to its final byte */
                i++;
        *ret_n = MIN(1 + i + 1, screen.n_input);
        return KEY_NONE;
}

int screen_read_key(bool *ret_closed) {
        for (;;) {
                size_t n;
                int key;

                if (screen.n_input == 0) {
                        ssize_t k = read(STDIN_FILENO, screen.input, sizeof(screen.input));

                        *ret_closed = k < 0 && errno != EINTR && errno != EAGAIN;
                        if (k <= 0)
                                return KEY_NONE;
                        screen.n_input = (size_t)k;
                }
                if (screen.input[0] != '\x1b')
                        return take_input(1, (unsigned char)screen.input[0]);
                key = escape_key(&n);
                (void)take_input(n, key);
                if (key != KEY_NONE)
                        return key;
        }
}
