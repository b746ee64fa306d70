"""Take a service from one version to the next on many hosts over SSH, and back. Knows nothing of what the service does.

A room is a feature. In the order in which rooms may import each other (tests/architecture holds them to it):

    core       verdicts, errors with their exit codes, steps, secrets: the values that every room speaks in
    agent      what travels to hosts; standard library only, imports none of the others; modules/ has the kinds of steps
    inventory  hosts, groups, patterns, variables, connections, in the shape of Ansible
    plan       roles, phases, rendered files, the diff, the plan and the gate: pure, known before any change
    release    artifacts: built here, verified there
    remote     the only import of fabric: connect, keys, the agent's client, the fleet
    journal    the only writer of what happened; the run directory
    timeline   what a journal says happened: phases, outages, endings
    console    what is printed while a command runs, and after it
    notify     channels, escalation, texts of notices
    run        plan -> approve -> prepare -> commit -> confirm; rollback, resume, abort, leases, checks
    evidence   all of a run in one signed bundle, and its verification
    monitor    the watch: rules, loop, views
    report     the HTML page, the runbook, Prometheus
    cli        what each task does: options in, exit code out
"""
