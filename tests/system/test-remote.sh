#!/bin/bash
# SPDX-License-Identifier: LGPL-2.1-or-later
#
# vaktctl with --machine= and --host=: a container in this container, and this machine over ssh.

. "$(dirname "$0")/lib.sh"

# shellcheck source=tests/system/remote-lib.sh
. "$(dirname "$0")/remote-lib.sh"

# Each verb that talks to the daemon.
try_verbs() { # OPTION…
        local id
        status 0 vaktctl "$@" list
        says inside
        status 0 vaktctl "$@" --json list
        status 0 vaktctl "$@" status
        status 0 vaktctl "$@" status inside
        status 0 vaktctl "$@" run inside --wait
        says succeeded
        status 4 vaktctl "$@" run none
        id=$(vaktctl "$@" -q run long)
        within 10 sh -c "vaktctl $* --json status $id | grep -q running"
        status 0 vaktctl "$@" cancel "$id"
        within 10 sh -c "vaktctl $* history long | grep -q cancelled"
        status 0 vaktctl "$@" pause inside
        status 0 vaktctl "$@" list
        says paused
        status 0 vaktctl "$@" resume inside
        status 0 vaktctl "$@" skip inside 0
        status 0 vaktctl "$@" reset-failed inside
        status 0 vaktctl "$@" why inside
        status 1 vaktctl "$@" plan inside
        status 0 vaktctl "$@" values
        status 0 vaktctl "$@" reload
        status 0 vaktctl "$@" history
        says inside
        status 0 vaktctl "$@" log inside
        says 'said inside'
        fails says succeeded
        status 0 vaktctl "$@" log inside --all
        says succeeded
        status 0 vaktctl "$@" log inside --all-runs -o cat -g 'said ins.*' --since=-1h
        says 'said inside'
        # And what does not.
        for id in check conditions new\ x cat\ inside import-crontab\ --system 'calendar daily' 'test load1>1'; do
                # shellcheck disable=SC2086 # words
                status 2 vaktctl "$@" $id
                says 'files of this machine'
        done
        status 2 vaktctl "$@" run inside --follow
        status 2 vaktctl "$@" --socket=/run/vaktd/control list
}

test_a_container_is_reached() {
        setup_inner
        inner start vaktd
        try_verbs -M inner
        try_verbs --machine=root@inner
        same "" "$(find $JOBS -name '*.job')"
        fails systemctl -q is-active vaktd
        vaktctl complete -- --machine= | shows 'machine=inner'
        vaktctl complete -- -M inner run ins | shows inside
}

test_looking_at_a_container_starts_nothing() {
        setup_inner
        inner stop vaktd.socket vaktd
        status 6 vaktctl -M inner list
        says "start it with 'systemctl --machine=inner start vaktd'"
        fails inner -q is-active vaktd
        status 0 vaktctl -M inner pause inside
        inner -q is-active vaktd
        status 0 vaktctl -M inner resume inside
        status 6 vaktctl -M none list
        says 'Cannot connect to the system bus of none'
}

test_the_instance_of_a_user_in_a_container() {
        setup_inner
        status 6 vaktctl --user -M $USER@inner list
        says "systemctl --user --machine=$USER@inner start vaktd"
        systemctl --user -M $USER@inner start vaktd
        status 0 vaktctl --user -M $USER@inner list
        status 0 vaktctl --user -M $USER@inner reload
        systemctl --user -M $USER@inner stop vaktd.socket vaktd
        status 5 vaktctl -M $USER@inner pause inside
        says 'requires authentication'
}

test_a_host_is_reached() {
        setup_ssh
        try_verbs -H localhost
        status 0 vaktctl --host=root@localhost:22 list
        status 0 vaktctl --host=root@localhost:22 log inside
        says 'said inside'
        status 6 vaktctl -H root@localhost:1 list
        says 'Cannot connect to the system bus of root@localhost:1'
        status 2 vaktctl --user -H localhost list
        status 2 vaktctl -H localhost -M inner list
        status 2 vaktctl -H '' list
}

test_a_container_on_a_host_is_reached() {
        setup_ssh
        setup_inner
        inner start vaktd
        status 0 vaktctl -H localhost/inner run inside --wait
        status 0 vaktctl -H root@localhost:22/inner log inside
        says 'said inside'
        systemctl stop vaktd.socket vaktd
        status 0 vaktctl -H localhost/inner list
}

test_a_user_on_a_host_is_who_polkit_says() {
        setup_ssh
        status 0 vaktctl -H $USER@localhost list
        status 5 vaktctl -H $USER@localhost run inside
        says 'requires authentication'
        install -m 644 /dev/stdin /etc/polkit-1/rules.d/40-remote.rules <<END
polkit.addRule(function(action, subject) {
        if (action.id == "org.vaktd1.run" && subject.user == "$USER")
                return polkit.Result.YES;
});
END
        systemctl restart polkit
        status 0 vaktctl -H $USER@localhost run inside --wait
        status 5 vaktctl -H $USER@localhost pause inside
        rm /etc/polkit-1/rules.d/40-remote.rules
        systemctl stop ssh
}

test_the_container_is_gone() {
        inner_is_gone
}

run_tests
