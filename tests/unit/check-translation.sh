#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds the translations of vaktctl and its sources against each other. TAP on standard output.

set -euo pipefail

# shellcheck source=tests/unit/check-lib.sh
. "$(dirname "$0")/check-lib.sh"
cd "$(dirname "$0")/../.."
po=src/ctl/po
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

echo 1..$((3 + 4 * $(find $po -name '*.po' | wc -l)))

result "POTFILES names each file with messages" < <(
        diff <(grep -lE '(^|[^A-Za-z_])(_|N_|ngettext)\("' src/{client,ctl}/*.[ch] | LC_ALL=C sort) $po/POTFILES || :
)

# What these print is marked; a format without a word has nothing to translate.
result "no message is printed without a mark" < <(
        xargs grep -nE 'ctl_(complain|say)\(([^"]*, )?"([^"%]|%[^ds])*[a-z]{2}|\.(help|title) = "' <$po/POTFILES || :
)

xgettext --from-code=UTF-8 --keyword=_ --keyword=N_ -f $po/POTFILES -o "$scratch/vaktctl.pot" 2>"$scratch/xgettext" || :
result "xgettext understands the sources" <"$scratch/xgettext"

for language in "$po"/*.po; do
        name=${language##*/}
        result "$name: formats and header are right" < <(msgfmt --check -o /dev/null "$language" 2>&1)
        # With the messages of the sources: what is missing has no translation then, and what is gone is obsolete.
        msgmerge -q --no-fuzzy-matching -o "$scratch/$name" "$language" "$scratch/vaktctl.pot"
        result "$name: each message is translated" < <(msgattrib --untranslated --no-obsolete --no-location "$scratch/$name")
        result "$name: no translation is fuzzy" < <(msgattrib --only-fuzzy --no-obsolete --no-location "$scratch/$name")
        result "$name: no message is gone" < <(msgattrib --only-obsolete "$scratch/$name")
done
