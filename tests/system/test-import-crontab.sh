#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Jobs of import-crontab get what cron gives to a command: user, directory, environment, standard input, mail.

# shellcheck source=tests/system/lib.sh
. "$(dirname "$0")/lib.sh"

readonly TABLE=/etc/cron.d/vakt-test TOP=/tmp/import-crontab

import() {
        { local -; set +x; } 2>/dev/null
        rm -rf $TOP
        mkdir -m 1777 $TOP
        mkdir -p "${TABLE%/*}" # where there is no cron
        cat >$TABLE
        vaktctl import-crontab --output="$JOBS" $TABLE || true # the remarks
        rm $TABLE
        systemctl start vaktd
}

test_what_a_command_gets() {
        import <<END
MAILTO=""
FOO="a  b"
0 0 * * * daemon { id -un; pwd; echo "\$HOME \$LOGNAME \$SHELL \$PATH \$FOO"; cat; } >$TOP/1
0 0 * * * daemon cat >$TOP/2%one % two \\%\\n%%
HOME=$TOP
SHELL=/bin/bash
0 0 * * * nobody echo "\$0 \$HOME \$PWD \$((1 << 3))" \\% >3; [[ \$BASH ]]
HOME=/nothing
0 0 * * * root pwd >$TOP/4
END
        for number in '' -2 -3 -4; do
                vaktctl run --wait cron-vakt-test$number
        done
        same "daemon
/usr/sbin
/usr/sbin daemon /bin/sh /usr/bin:/bin a  b" "$(cat $TOP/1)"
        printf 'one \n two %%\\n\n\n' | cmp - $TOP/2
        same "/bin/bash $TOP $TOP 8 %" "$(cat $TOP/3)"
        same / "$(cat $TOP/4)"
}

test_what_is_in_the_background_goes_on() {
        mkfifo -m 666 /tmp/import-crontab-go
        import <<END
MAILTO=""
0 0 * * * daemon (read -r x </tmp/import-crontab-go; echo "\$x" >$TOP/late) &
END
        vaktctl run --wait cron-vakt-test
        fails test -e $TOP/late
        echo gone >/tmp/import-crontab-go
        within 60 grep -q gone $TOP/late
        rm /tmp/import-crontab-go
}

test_output_is_mailed() {
        [ ! -e /usr/sbin/sendmail ]
        printf '#!/bin/sh\n{ echo "$*"; cat; echo .; } >>%s\n' $TOP/mail | install -m 755 /dev/stdin /usr/sbin/sendmail
        import <<END
MAILTO=ops@example.org
0 0 * * * daemon true
0 0 * * * daemon echo good; echo better >&2
0 0 * * * daemon echo bad; exit 3
END
        vaktctl run --wait cron-vakt-test
        vaktctl run --wait cron-vakt-test-2
        within 60 grep -q better $TOP/mail
        vaktctl run --wait cron-vakt-test-3 || true
        within 60 grep -q bad $TOP/mail
        within 60 sh -c "[ \$(grep -cx '[.]' $TOP/mail) = 2 ]"
        rm /usr/sbin/sendmail
        same "-i -t
To: ops@example.org
Subject: Cron <$(uname -n)> cron-vakt-test-2
Auto-Submitted: auto-generated

good
better
.
-i -t
To: ops@example.org
Subject: Cron <$(uname -n)> cron-vakt-test-3
Auto-Submitted: auto-generated

bad
." "$(cat $TOP/mail)"
}

run_tests
rm -rf $TOP
