#!/bin/sh
# all.sh SSH_CONFIG SCRIPT MARK HOST...: SCRIPT on every host at once, over one OpenSSH connection each; fails where one fails.
set -eu
config=$1 script=$2 mark=$3
shift 3
pids=
for host in "$@"; do
    { printf 'host=%s\nmark=%s\n' "$host" "$mark"; cat "$script"; } | ssh -F "$config" "$host" sudo -n bash -s &
    pids="$pids $!"
done
failed=0
for pid in $pids; do
    wait "$pid" || failed=1
done
exit "$failed"
