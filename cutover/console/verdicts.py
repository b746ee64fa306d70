"""What `verify` and `validate` found: one line a check, hosts that agree together, everything that is not PASS with its next step."""

from collections.abc import Callable, Sequence
from typing import Any

from cutover.core.verdict import Verdict, worst
from cutover.plan.gate import Finding


def show_judged(
    title: str, findings: Sequence[Finding], verdict: Verdict, say: Callable[[str], None]
) -> dict[str, dict[str, Any]]:
    """Tell the findings and the verdict; gives the `hosts` of `--json`."""
    say(f"{title}\n")
    for name in dict.fromkeys(finding.name for finding in findings):
        same = [finding for finding in findings if finding.name == name]
        for message in dict.fromkeys(finding.message for finding in same):
            alike = [finding for finding in same if finding.message == message]
            hosts = ", ".join(finding.host for finding in alike)
            say(f"  {alike[0].verdict:12} {hosts:24} {name.partition('.')[2]}: {message}")
            if alike[0].verdict is not Verdict.PASS and alike[0].next:
                say(f"  {'':12} {'':24} next: {alike[0].next}")
    say(f"\n{verdict}: {len(findings)} judged on {len({finding.host for finding in findings} - {''})} hosts")
    return {host: _of_host(host, findings) for host in dict.fromkeys(finding.host for finding in findings)}


def _of_host(host: str, findings: Sequence[Finding]) -> dict[str, Any]:
    own = [finding for finding in findings if finding.host == host]
    return {
        "verdict": str(worst(finding.verdict for finding in own)),
        "findings": [finding.as_json() for finding in own],
    }
