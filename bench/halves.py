"""docs/bench.md has two halves, the engine's and the KPIs', each measured by itself; writing one leaves the other."""


def replaced(page: str, heading: str, half: str) -> str:
    """The page with this half, which begins with its first-level heading, in its old place or at the end."""
    halves = _halves(page)
    halves[heading] = half.rstrip("\n") + "\n"
    return "\n".join(halves.values())


def _halves(page: str) -> dict[str, str]:
    halves: dict[str, str] = {}
    heading = ""
    for line in page.splitlines(keepends=True):
        if line.startswith("# "):
            heading = line.rstrip("\n")
        if heading:
            halves[heading] = halves.get(heading, "") + line
    return {name: text.rstrip("\n") + "\n" for name, text in halves.items()}
