/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Times in readable form: the longer ago, the coarser, so that two or three units are enough. */

#include "ctl/relative-time.h"
#include "util/i18n.h"

typedef struct Coarseness {
        usec_t from;     /* spans of at least this … */
        usec_t accuracy; /* … are shown in nothing finer than this */
} Coarseness;

static usec_t coarseness(const Coarseness *table, usec_t span) {
        while (span < table->from)
                table++;
        assert(table->accuracy > 0);
        return table->accuracy;
}

usec_t relative_time_accuracy(usec_t span) {
        static const Coarseness table[] = {
                { USEC_PER_YEAR, USEC_PER_MONTH }, { USEC_PER_WEEK, USEC_PER_DAY },
                { USEC_PER_DAY, USEC_PER_HOUR },   { 5 * USEC_PER_MINUTE, USEC_PER_MINUTE },
                { USEC_PER_SEC, USEC_PER_SEC },    { 0, USEC_PER_MSEC },
        };

        return coarseness(table, span);
}

char *relative_time_format(char buf[static RELATIVE_TIME_MAX], usec_t t, usec_t now_realtime) {
        usec_t span = t > now_realtime ? t - now_realtime : now_realtime - t;
        static const char *in, *ago;
        char text[SPAN_TEXT_MAX];

        if (t == 0 || t == USEC_INFINITY)
                return strcpy(buf, "-");
        if (span < USEC_PER_MSEC)
                return strcpy(buf, _("now"));
        if (!ago) { /* looking a translation up costs more than all that is done here */
                in = _("in %s");
                ago = _("%s ago");
        }
        span_format(text, span, relative_time_accuracy(span));
        snprintf(buf, RELATIVE_TIME_MAX, t > now_realtime ? in : ago, text);
        return buf;
}

char *duration_format(char buf[static SPAN_TEXT_MAX], usec_t span) {
        static const Coarseness table[] = {
                { USEC_PER_DAY, USEC_PER_MINUTE },
                { USEC_PER_MINUTE, USEC_PER_SEC },
                { USEC_PER_MSEC, USEC_PER_MSEC },
                { 0, 1 },
        };

        return span_format(buf, span, coarseness(table, span));
}

static char *format_local(char buf[static LOCAL_TIME_TEXT_MAX], usec_t t, const char *format) {
        time_t seconds = (time_t)(t / USEC_PER_SEC);
        struct tm tm;

        if (t == 0 || t == USEC_INFINITY || !localtime_r(&seconds, &tm) ||
            strftime(buf, LOCAL_TIME_TEXT_MAX, format, &tm) == 0)
                return strcpy(buf, "-");
        return buf;
}

char *local_time_format(char buf[static LOCAL_TIME_TEXT_MAX], usec_t t) {
        return format_local(buf, t, "%a %Y-%m-%d %H:%M:%S %Z");
}

char *local_time_format_short(char buf[static LOCAL_TIME_TEXT_MAX], usec_t t) {
        return format_local(buf, t, "%Y-%m-%d %H:%M:%S");
}
