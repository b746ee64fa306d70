"""Works out the tree of groups: cycles, depths, the group of the environment's own name, who is in what."""

from cutover.decide.inventory.draft import Draft, Group


def find_cycle(draft: Draft) -> tuple[str, ...]:
    """A chain of groups that ends where it begins, or nothing."""
    finished: set[str] = set()

    def walk(name: str, chain: tuple[str, ...]) -> tuple[str, ...]:
        if name in chain:
            return (*chain[chain.index(name) :], name)
        if name not in finished:
            for child in draft.groups[name].children:
                if cycle := walk(child, (*chain, name)):
                    return cycle
            finished.add(name)
        return ()

    return next((cycle for name in draft.groups if (cycle := walk(name, ()))), ())


def complete(draft: Draft) -> None:
    """Make `all`, `ungrouped` and the environment's own group, and note how deep each group lies.

    A made environment group stands between `all` and the rest, so its variables are weaker than those of its groups.
    """
    every = draft.group("all", "")
    ungrouped = draft.group("ungrouped", "")
    own = draft.group(draft.environment, "")
    parents = {child for group in draft.groups.values() for child in group.children}
    grouped = {host for name, group in draft.groups.items() if name not in ("all", "ungrouped") for host in group.hosts}
    ungrouped.hosts.update(dict.fromkeys(host for host in draft.hosts if host not in grouped))
    for name in draft.groups:
        if name != "all" and name not in parents:
            every.children[name] = None
    _environment(draft, every, own)
    _depths(draft)


def _environment(draft: Draft, every: Group, own: Group) -> None:
    if own in (every, draft.groups["ungrouped"]):
        return
    if not own.hosts and not own.children and own.name in every.children:
        own.children.update(dict.fromkeys(name for name in every.children if name != own.name))
        every.children = {own.name: None}
    missing = [name for name in draft.hosts if name not in members(draft, own.name)]
    if missing:
        found = f"the group {own.name}, which means the whole environment, lacks {', '.join(missing)}"
        draft.refuse(own.where, found, "add them, or leave the group empty: then it is filled with every host")


def _depths(draft: Draft) -> None:
    """The longest way from `all`, as Ansible counts it."""
    waiting = [("all", 0)]
    while waiting:
        name, depth = waiting.pop()
        group = draft.groups[name]
        if depth >= group.depth:
            group.depth = depth
            waiting += [(child, depth + 1) for child in group.children]


def members(draft: Draft, name: str) -> dict[str, None]:
    """Every host of a group and the groups below it, in the order of the file."""
    seen: set[str] = set()
    hosts: set[str] = set()
    waiting = [name]
    while waiting:
        group = draft.groups[waiting.pop()]
        if group.name not in seen:
            seen.add(group.name)
            hosts.update(group.hosts)
            waiting += group.children
    return dict.fromkeys(host for host in draft.hosts if name == "all" or host in hosts)
