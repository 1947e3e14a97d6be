#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Holds the MESSAGE_IDs of src/util/log-messages.h and the journal catalog against each other, and lets journalctl read
# the catalog as it does at installation. TAP on standard output.

set -euo pipefail

# shellcheck source=tests/unit/check-lib.sh
. "$(dirname "$0")/check-lib.sh"
cd "$(dirname "$0")/../.."
header=src/util/log-messages.h
catalog=units/vaktd.catalog
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

header_ids() {
        sed -nE 's/^#define +MESSAGE_[A-Z_]+ +"([0-9a-f]{32})"$/\1/p' $header
}

catalog_ids() {
        sed -nE 's/^-- ([0-9a-f]{32})$/\1/p' $catalog
}

# Every define of the header must have been understood, or the comparison would miss one.
result "every MESSAGE_ID of the header is 32 hex digits, and used once" < <(
        [ "$(grep -c '^#define' $header)" = "$(header_ids | sort -u | wc -l)" ] || grep '^#define' $header
)

result "header and catalog have the same ids" < <(diff <(header_ids | sort) <(catalog_ids | sort))

# One line "ID problem" for each entry that lacks something.
incomplete=$(awk '
        function check() { if (id != "" && (!subject || !by || !body))
                print id " lacks a subject, a Defined-By or a text" }
        /^#/            { next }
        /^-- /          { check(); id = $2; subject = by = body = 0; next }
        /^Subject: ./   { subject = 1; next }
        /^Defined-By: vaktd$/ { by = 1; next }
        /^[A-Z][A-Za-z-]*: / && !body && !gap { next }
        /^$/            { gap = 1; next }
        id != ""        { body = 1 }
        length > 80     { print id ": a line is longer than 80 columns" }
        END             { check() }' $catalog)
result "every entry has a subject, a Defined-By and a text of at most 80 columns" <<<"$incomplete"

# A malformed line is only a warning to journalctl.
from_journalctl() {
        mkdir -p "$scratch/usr/lib/systemd/catalog" "$scratch/var/lib/systemd/catalog"
        cp $catalog "$scratch/usr/lib/systemd/catalog/"
        journalctl --root="$scratch" --update-catalog 2>&1 || echo "It failed."
        listed=$(journalctl --root="$scratch" --list-catalog | grep -c vaktd:) || true
        [ "$listed" = "$(header_ids | wc -l)" ] || echo "It lists $listed entries."
}

if command -v journalctl >/dev/null; then
        result "journalctl --update-catalog takes it without a word" < <(from_journalctl)
else
        number=$((number + 1))
        echo "ok $number - journalctl --update-catalog takes it without a word # SKIP no journalctl here"
fi
echo "1..$number"
