"""What the options of the commands mean, each worded once; Invoke shows it with `--help`."""

from cutover.world.remote.pool import FORKS

HELP = {
    "hosts": "pattern as in Ansible: prod, web*:&prod:!db1 (default: all hosts of the environment, or those of --run)",
    "inventory": "environment, by directory or name (default: by the pattern, by --run, by CUTOVER_INVENTORY, by the last run here)",
    "i": "short for --inventory",
    "limit": "a second pattern: only hosts in both are meant",
    "forks": f"hosts at work at once (default: {FORKS})",
    "json": "one JSON document on stdout, everything else on stderr",
    "yes": "do not ask; a person's lines of the checklist are never answered by it",
    "verbose": "a line for every step",
    "serial": "batches of phases 3-5: 1,50%,100% (default: one canary, then the rest)",
    "release": "release artifact to use instead of building one",
    "run": "the run that is meant (default: the last one of the environment that was begun on hosts)",
    "resume": "go on with a run whose controller died: the one of --run, else the last that was left in the middle",
    "steal-lock": "take the hosts from a holder that is dead, by the nonce that `./invokew status` shows",
    "answers": "file with a person's answers to the checklist: {LINE: {answer: yes, by: NAME}}",
    "watch": "stay with the fleet when the cutover has ended: go on as `monitor`",
    "bundle": "sign all evidence of the run into one file",
    "key": "SSH key to sign with (default: git's, ssh-agent's first, ~/.ssh/id_ed25519)",
    "verify": "judge this bundle instead, offline",
    "signers": "allowed_signers file (default: inventory/<env>/allowed_signers)",
    "once": "look a single time, for cron; ends with the verdict, or with 7 while it waits for a person",
    "role": "in which role (people_roles) somebody decides",
    "name": "who decides",
    "decision": "go_on or rollback",
    "point": "the point of the watch that is signed (default: what the watch waits for)",
    "note": "why",
    "event": "what people are told of (default: announcement)",
    "at": "when it begins, with its zone: 2026-11-23T22:00Z",
    "message": "words of your own in the notice",
    "check": "show what would be done; change nothing (Invoke's own --dry is the same)",
    "diff": "show rendered files as diffs against what is on the hosts",
    "reason": "why, for the incident record",
    "phase": "name or number of a phase, or rollback",
    "junit": "write the checks' results to this file as JUnit XML",
    "replace": "pin another key in the place of a pinned one",
    "count": "how many hosts",
    "purge": "remove the cached base system too",
    "host": "name of a lab host, such as lab1",
    "leave-mb": "MB left free",
    "rounds": "how often each contender runs",
    "only": "one half of the bench (default: both; any other word tells what they are called)",
    "k": "only tests whose name matches, as in pytest",
    "faults": "the whole fault suite and the long watches instead, more than an hour; writes docs/faults.md",
    "seed": "of the fault suite, to make the same choices again",
}
LEAST = {"leave_mb": 0}  # of numbers; any other is 1 at least


def help_of(*names: str) -> dict[str, str]:
    """Help texts of a task's options."""
    return {name: HELP[name] for name in names}
