#!/bin/sh
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# What the runs of spool-loop.py do: each writes down what it got, and what is wrong with it. Each line goes by one
# write to the end of a file. Items with "bad" in their name always fail.
#
#   spool-item.sh DIRECTORY

name=${VAKT_PATH##*/}

# The lock is gone with its owner, however that ends; children do not inherit it.
exec 9>"$1/locks/$name"
flock -n 9 || echo "$name is in another run, too: $VAKT_RUN, $VAKT_PATH" >>"$1/problems"
echo "$name $VAKT_RUN $VAKT_ATTEMPT" >>"$1/begun"
[ -f "$VAKT_PATH" ] || echo "$name is not there: $VAKT_RUN, $VAKT_ATTEMPT, $VAKT_PATH" >>"$1/problems"
# The writer says at both ends whose text it is.
read -r first <"$VAKT_PATH"
last=$(tail -n 1 "$VAKT_PATH" 9>&-)
[ "$first" = "begin $name" ] && [ "$last" = "end $name" ] ||
        echo "$name is half written: $VAKT_RUN, $VAKT_PATH, '$first' '$last'" >>"$1/problems"
# Some take their time, so that they are caught in the middle.
case $VAKT_RUN in
*[369]) sleep 0.05 9>&- ;;
esac
case $name in
*bad*) exit 3 ;;
esac
echo "$name $VAKT_RUN $VAKT_ATTEMPT" >>"$1/processed"
