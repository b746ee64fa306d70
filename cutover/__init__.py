"""Take a service from V1 to V2 on many hosts over SSH, and back. Knows nothing of what the service does.

Rooms, in the order in which they may import each other (tests/architecture holds them to it):

    hostside  what travels to the hosts; standard library only, imports none of the others
    words     verdicts, errors with their exit codes, the values that everything else speaks in
    decide    inventory, variables, roles, phases, plan, gate: pure; only the loaders read files
    world     remote/ (the only import of fabric), journal, run directories; release/ builds what goes to hosts,
              bundling/ reads and seals evidence
    conduct   prepare, commit, rollback: where the others meet; in rooms of its own what else is done: checking/, judging/,
              resuming/, watching/, people/, proving/
    tell      prints and draws what the journal says: live/ in the terminal, page/ the report, story/ what both are made of
    entry     what each Invoke task does: options in, exit code out
"""
