# SPDX-License-Identifier: LGPL-2.1-or-later
#
# Completion of vaktctl's command line for fish. What the last word can become is what vaktctl itself prints.

function __vaktctl_complete
    set -l words (commandline -opc) (commandline -ct)
    for line in (vaktctl complete -- $words[2..-1] 2>/dev/null </dev/null)
        switch $line
            case :files
                __fish_complete_path (commandline -ct)
            case :users
                __fish_complete_users
            case '*'
                echo $line
        end
    end
end

complete -c vaktctl -f -a '(__vaktctl_complete)'
