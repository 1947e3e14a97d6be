/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any bytes as a span: what is accepted prints as text that means the same. */

#include <assert.h>

#include "time/span.h"
#include "util/macro.h"

/* From here on a span prints as more years than a span may be written with. */
#define LARGEST (USEC_INFINITY / USEC_PER_YEAR * USEC_PER_YEAR)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
        _cleanup_free_ char *text = strndup((const char *)data, size);
        char buf[SPAN_TEXT_MAX];
        usec_t span = 4711, again;
        uint64_t nsec = 4711;
        int r;

        assert(text);
        r = span_parse_nsec(text, &nsec);
        assert(r == 0 || ((r == -EINVAL || r == -ERANGE) && nsec == 4711));
        r = span_parse(text, &span);
        if (r < 0) {
                assert(span == 4711);
                assert(r == -EINVAL || r == -ERANGE);
                return 0;
        }
        assert(strlen(span_format(buf, span, 1)) < SPAN_TEXT_MAX);
        if (span < LARGEST || span == USEC_INFINITY) {
                assert(span_parse(buf, &again) == 0);
                assert(again == span);
        }
        for (usec_t accuracy = 0; accuracy < USEC_PER_DAY; accuracy = accuracy * 10 + 1)
                assert(strlen(span_format(buf, span, accuracy)) < SPAN_TEXT_MAX);
        return 0;
}
