# made by tools/gen-man.py (make man) from the definitions of --help; do not edit
function __blockwatch_should_offer_completions_for_flags_or_options -a expected_commands
    set -l non_repeating_flags_or_options $argv[2..]
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __blockwatch_parse_tokens
    test "$commands" = "$expected_commands"; and return $non_repeating_flags_or_options_absent
end

function __blockwatch_should_offer_completions_for_positional -a expected_commands positional_index_comparison expected_positional_index
    set -l non_repeating_flags_or_options
    set -l non_repeating_flags_or_options_absent 0
    set -l positional_index 0
    set -l commands
    __blockwatch_parse_tokens
    test "$commands" = "$expected_commands" -a \( "$positional_index" "$positional_index_comparison" "$expected_positional_index" \)
end

function __blockwatch_parse_tokens -S
    set -l unparsed_tokens (__blockwatch_tokens -pc)
    switch $unparsed_tokens[1]
    case 'blockwatch'
        __blockwatch_parse_subcommand 0 'version' 'h/help'
        switch $unparsed_tokens[1]
        case 'watch'
            __blockwatch_parse_subcommand 0 'threshold=' 'engine=' 'max-overhead=' 'format=' 'output=' 'all' 'verdict=' 'busy-after=' 'syscall=+' 'pid=+' 'comm=+' 'user=+' 'cgroup=+' 'unit=+' 'container=+' 'path=+' 'port=+' 'reason=+' 'exclude-syscall=+' 'config=' 'repeat=' 'max-rate=' 'summary=' 'scope=' 'held-sockets' 'no-held-sockets' 'stacks=' 'new-only' 'duration=' 'command-line=' 'metrics=' 'metrics-mode=' 'ring-size=' 'log-level=' 'version' 'h/help'
        case 'snapshot'
            __blockwatch_parse_subcommand 0 'threshold=' 'format=' 'all' 'stacks' 'syscall=+' 'pid=+' 'comm=+' 'user=+' 'cgroup=+' 'unit=+' 'container=+' 'path=+' 'port=+' 'reason=+' 'exclude-syscall=+' 'scope=' 'command-line=' 'exit-code' 'version' 'h/help'
        case 'explain'
            __blockwatch_parse_subcommand 1 'verdict=' 'for=' 'format=' 'scope=' 'exit-code' 'version' 'h/help'
        case 'top'
            __blockwatch_parse_subcommand 0 'threshold=' 'engine=' 'replay=+' 'at=' 'all' 'syscall=+' 'pid=+' 'comm=+' 'user=+' 'cgroup=+' 'unit=+' 'container=+' 'path=+' 'port=+' 'reason=+' 'exclude-syscall=+' 'scope=' 'command-line=' 'version' 'h/help'
        case 'graph'
            __blockwatch_parse_subcommand 1 'format=' 'threshold=' 'replay=+' 'at=' 'all' 'stacks' 'syscall=+' 'pid=+' 'comm=+' 'user=+' 'cgroup=+' 'unit=+' 'container=+' 'path=+' 'port=+' 'reason=+' 'exclude-syscall=+' 'scope=' 'command-line=' 'exit-code' 'version' 'h/help'
        case 'replay'
            __blockwatch_parse_subcommand -r 1 'at=' 'format=' 'all' 'syscall=+' 'pid=+' 'comm=+' 'user=+' 'cgroup=+' 'unit=+' 'container=+' 'path=+' 'port=+' 'reason=+' 'exclude-syscall=+' 'exit-code' 'version' 'h/help'
        case 'doctor'
            __blockwatch_parse_subcommand 0 'config=' 'version' 'h/help'
        case 'syscalls'
            __blockwatch_parse_subcommand 0 'all' 'json' 'version' 'h/help'
        case 'help'
            __blockwatch_parse_subcommand -r 1 'version'
        end
    end
end

function __blockwatch_tokens
    if test (string split -m 1 -f 1 -- . "$FISH_VERSION") -gt 3
        commandline --tokens-raw $argv
    else
        commandline -o $argv
    end
end

function __blockwatch_parse_subcommand -S -a positional_count
    argparse -s r -- $argv
    set -l option_specs $argv[2..]
    set -l is_repeating_positional $_flag_r
    set -el _flag_r
    set -a commands $unparsed_tokens[1]
    set positional_index 0
    while true
        set -e unparsed_tokens[1]
        argparse -sn "$commands" $option_specs -- $unparsed_tokens 2> /dev/null
        set unparsed_tokens $argv
        set positional_index (math $positional_index + 1)
        for non_repeating_flag_or_option in $non_repeating_flags_or_options
            if set -ql "_flag_$(string replace -a - _ -- $non_repeating_flag_or_option)"
                set non_repeating_flags_or_options_absent 1
                break
            end
        end
        test (count $unparsed_tokens) -eq 0 -o \( -z "$is_repeating_positional" -a "$positional_index" -gt "$positional_count" \) && break
    end
end

function __blockwatch_complete_directories
    set -l token (commandline -t)
    string match -- '*/' $token
    set -l subdirs $token*/
    printf %s\n $subdirs
end

function __blockwatch_custom_completion
    set -x SAP_SHELL fish
    set -x SAP_SHELL_VERSION $FISH_VERSION
    set -l tokens (__blockwatch_tokens -p)
    if test -z "$(__blockwatch_tokens -t)"
        set -l index (count (__blockwatch_tokens -pc))
        set tokens $tokens[..$index] \'\' $tokens[(math $index + 1)..]
    end
    command $tokens[1] $argv $tokens
end

complete -c 'blockwatch' -f
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'watch' -d 'Stream blocked calls until stopped (the default).'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'snapshot' -d 'Say what is blocked right now, once, as trees by root blocker.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'explain' -d 'Say in sentences why a process hangs: what each thread waits for, and who is at the root.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'top' -d 'Watch what is blocked full screen: trees by root blocker, the worst first.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'graph' -d 'Draw who waits for whom: of all that is blocked, or of what one process is part of.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'replay' -d 'Trees, chains and totals again from recorded NDJSON, of many hosts too; needs no root.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'doctor' -d 'Say what this host offers, what is missing, and what to do about it.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'syscalls' -d 'Print the system calls watched, their class, and what each waits for.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch" -eq 1' -fa 'help' -d 'Show subcommand help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" threshold' -l 'threshold' -d 'Report calls blocked longer: 500ms, 5s, 1m30s, 2h; 1ms is the least (default: 5s).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" engine' -l 'engine' -d 'trace: exact times and results. scan: no probe in any system call, times from the scheduler, no result.' -rfka 'trace scan'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" max-overhead' -l 'max-overhead' -d 'The share of all processor time that engine trace may take, else only scans look: 1%, 0.2%; or none (default: 1%).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" format' -l 'format' -d 'auto: text on a terminal, NDJSON anywhere else.' -rfka 'auto ndjson text'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" output' -l 'output' -d 'Append to this file; reopened on SIGHUP and when it was moved away.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" all' -l 'all' -d 'Calls that are idle by design too.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" verdict' -l 'verdict' -d 'Only these verdicts: deadlock, stuck, waiting, busy, idle; lists with commas (default: all but idle).' -rfka 'deadlock stuck waiting busy idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" busy-after' -l 'busy-after' -d 'Say a call that waits for somebody who is at work after this, the threshold at the least (default: 1m).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'syscall' -d 'Only these system calls; lists with commas, globs, repeatable.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'pid' -d 'Only these processes.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'comm' -d 'Only processes or threads of these names.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'user' -d 'Only these users, by name or id.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'cgroup' -d 'Only these cgroup paths.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'unit' -d 'Only these systemd units.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'container' -d 'Only these containers, by id or its first 6 characters.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'path' -d 'Only these files and unix sockets.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'port' -d 'Only these local or peer ports.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'reason' -d 'Only these reasons: lock_held, reply_pending, ...' -rfka 'cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch"' -l 'exclude-syscall' -d 'Not these; the same for each of the above.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" config' -l 'config' -d 'Read options and named ignore rules from this file, again on SIGHUP; the command line wins.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" repeat' -l 'repeat' -d 'Say a call that is still blocked again after this (default: the threshold, 10s at the least), doubling up to 1h; or never.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" max-rate' -l 'max-rate' -d 'At most so many records a second (default: 1000).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" summary' -l 'summary' -d 'How often a summary is said, or never (default: 1m).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" scope' -l 'scope' -d 'host: refuse to run where the host\'s processes cannot be seen. namespace: watch this PID namespace.' -rfka 'host namespace'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" held-sockets' -l 'held-sockets' -d 'Add the connections that a blocked process holds besides (held_sockets), so that hosts can be joined (default: in NDJSON).'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" no-held-sockets' -l 'no-held-sockets' -d 'Add the connections that a blocked process holds besides (held_sockets), so that hosts can be joined (default: in NDJSON).'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" stacks' -l 'stacks' -d 'Add where in its program a thread waits, by names (code.stack): none, stuck or all (default: none).' -rfka 'none stuck all'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" new-only' -l 'new-only' -d 'Leave out calls that were blocked already when blockwatch started.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" duration' -l 'duration' -d 'Stop after this long.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" command-line' -l 'command-line' -d 'Command lines can hold secrets: full, redacted or none (default: redacted).' -rfka 'full redacted none'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" metrics' -l 'metrics' -d 'Write a Prometheus text file for node_exporter\'s textfile collector.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" metrics-mode' -l 'metrics-mode' -d 'Who may read the file of --metrics, as chmod takes it (default: 0644).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" ring-size' -l 'ring-size' -d 'Room for what the kernel side has to say: 2M, 64K, 4096; a power of two, a page at the least (default: 2M).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" log-level' -l 'log-level' -d 'Diagnostics on stderr: error, warning, info, debug.' -rfka 'error warning info debug'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch watch" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" threshold' -l 'threshold' -d 'Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" format' -l 'format' -d 'auto and text: trees for people; ndjson: records.' -rfka 'auto ndjson text'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" all' -l 'all' -d 'Calls that are idle by design too.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" stacks' -l 'stacks' -d 'Where in its program each thread waits: functions, files and lines.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'syscall' -d 'Only these system calls; lists with commas, globs, repeatable.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'pid' -d 'Only these processes.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'comm' -d 'Only processes or threads of these names.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'user' -d 'Only these users, by name or id.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'cgroup' -d 'Only these cgroup paths.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'unit' -d 'Only these systemd units.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'container' -d 'Only these containers, by id or its first 6 characters.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'path' -d 'Only these files and unix sockets.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'port' -d 'Only these local or peer ports.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'reason' -d 'Only these reasons: lock_held, reply_pending, ...' -rfka 'cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot"' -l 'exclude-syscall' -d 'Not these; the same for each of the above.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" scope' -l 'scope' -d 'host: refuse to run where the host\'s processes cannot be seen. namespace: this PID namespace.' -rfka 'host namespace'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" command-line' -l 'command-line' -d 'Command lines can hold secrets: full, redacted or none (default: redacted).' -rfka 'full redacted none'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" exit-code' -l 'exit-code' -d 'End with 1 if something was found.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch snapshot" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" verdict' -l 'verdict' -d 'What a verdict or reason means (peer_stuck), or all of them (all).' -rfka 'all deadlock stuck waiting busy idle cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" for' -l 'for' -d 'Watch it for so long, call by call, and say what it does: 3s, 500ms; a process of that name may come and go.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" format' -l 'format' -d 'Of --for: text, or json, one object.' -rfka 'text json'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" scope' -l 'scope' -d 'host: refuse to run where the host\'s processes cannot be seen. namespace: this PID namespace, by its numbers.' -rfka 'host namespace'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" exit-code' -l 'exit-code' -d 'End with 1 if something was found.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch explain" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" threshold' -l 'threshold' -d 'Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" engine' -l 'engine' -d 'trace: exact times. scan: no probe in any system call.' -rfka 'trace scan'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'replay' -d 'Play this recorded stream; needs no root; repeatable.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" at' -l 'at' -d 'With --replay: from this moment on.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" all' -l 'all' -d 'Calls that are idle by design too; the key a.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'syscall' -d 'Only these system calls; lists with commas, globs, repeatable.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'pid' -d 'Only these processes.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'comm' -d 'Only processes or threads of these names.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'user' -d 'Only these users, by name or id.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'cgroup' -d 'Only these cgroup paths.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'unit' -d 'Only these systemd units.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'container' -d 'Only these containers, by id or its first 6 characters.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'path' -d 'Only these files and unix sockets.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'port' -d 'Only these local or peer ports.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'reason' -d 'Only these reasons: lock_held, reply_pending, ...' -rfka 'cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top"' -l 'exclude-syscall' -d 'Not these; the same for each of the above.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" scope' -l 'scope' -d 'host: refuse to run where the host\'s processes cannot be seen. namespace: this PID namespace.' -rfka 'host namespace'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" command-line' -l 'command-line' -d 'Command lines can hold secrets: full, redacted or none (default: redacted).' -rfka 'full redacted none'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch top" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" format' -l 'format' -d 'dot, mermaid, json; svg and html by Graphviz\'s dot.' -rfka 'dot mermaid json svg html'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" threshold' -l 'threshold' -d 'Calls blocked longer: 500ms, 5s, 1m30s (default: 1s).' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'replay' -d 'Of this recorded stream; needs no root; repeatable.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" at' -l 'at' -d 'With --replay: at this moment, as 2026-03-01T09:05:00Z.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" all' -l 'all' -d 'Calls that are idle by design too.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" stacks' -l 'stacks' -d 'Pointing at a thread tells the functions in which it waits.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'syscall' -d 'Only these system calls; lists with commas, globs, repeatable.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'pid' -d 'Only these processes.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'comm' -d 'Only processes or threads of these names.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'user' -d 'Only these users, by name or id.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'cgroup' -d 'Only these cgroup paths.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'unit' -d 'Only these systemd units.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'container' -d 'Only these containers, by id or its first 6 characters.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'path' -d 'Only these files and unix sockets.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'port' -d 'Only these local or peer ports.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'reason' -d 'Only these reasons: lock_held, reply_pending, ...' -rfka 'cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph"' -l 'exclude-syscall' -d 'Not these; the same for each of the above.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" scope' -l 'scope' -d 'host: refuse to run where the host\'s processes cannot be seen. namespace: this PID namespace.' -rfka 'host namespace'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" command-line' -l 'command-line' -d 'Command lines can hold secrets: full, redacted or none (default: redacted).' -rfka 'full redacted none'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" exit-code' -l 'exit-code' -d 'End with 1 if something was found.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch graph" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_positional "blockwatch replay" -ge 1' -F
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" at' -l 'at' -d 'The state at this moment: 2026-03-01T09:05:00Z.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" format' -l 'format' -d 'auto and text: trees and sums for people; ndjson: records and sums.' -rfka 'auto ndjson text'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" all' -l 'all' -d 'Calls that are idle by design too.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'syscall' -d 'Only these system calls; lists with commas, globs, repeatable.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'pid' -d 'Only these processes.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'comm' -d 'Only processes or threads of these names.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'user' -d 'Only these users, by name or id.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'cgroup' -d 'Only these cgroup paths.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'unit' -d 'Only these systemd units.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'container' -d 'Only these containers, by id or its first 6 characters.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'path' -d 'Only these files and unix sockets.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'port' -d 'Only these local or peer ports.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'reason' -d 'Only these reasons: lock_held, reply_pending, ...' -rfka 'cycle connect_unanswered connect_backlog_full not_accepted lock_held owner_gone peer_gone peer_stuck send_stalled kernel_stuck stopped overdue reply_pending peer_busy peer_sleeping lock_busy peer_waiting in_progress unknown listening awaiting_request awaiting_input timer awaiting_child parked event_loop peer_idle'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay"' -l 'exclude-syscall' -d 'Not these; the same for each of the above.' -rfka ''
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" exit-code' -l 'exit-code' -d 'End with 1 if something was blocked at the end.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch replay" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch doctor" config' -l 'config' -d 'Check this config file too.' -rF
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch doctor" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch doctor" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch syscalls" all' -l 'all' -d 'Those that never block too.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch syscalls" json' -l 'json' -d 'One JSON object a line.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch syscalls" version' -l 'version' -d 'Show the version.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch syscalls" h help' -s 'h' -l 'help' -d 'Show help information.'
complete -c 'blockwatch' -n '__blockwatch_should_offer_completions_for_flags_or_options "blockwatch help" version' -l 'version' -d 'Show the version.'
