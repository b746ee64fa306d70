"""The project keeps the rules of its rooms; each rule says why it is there when it is broken."""

import ast
import os
from collections import defaultdict
from pathlib import Path

import pytest

from tests.architecture.rules import RULES, Module, Rule, heavy_at_import
from tests.checkout import ROOT


def load_modules() -> dict[str, Module]:
    """All Python files of the project; hidden directories hold environments and caches."""
    modules = {}
    for directory, below, files in os.walk(ROOT):
        below[:] = [name for name in below if not name.startswith(".") and name != "__pycache__"]
        for name in files:
            if name.endswith(".py"):
                path = Path(directory, name)
                relative = path.relative_to(ROOT).as_posix()
                modules[relative] = Module(relative, path.read_text())
    return modules


MODULES = load_modules()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_rule_is_kept(rule: Rule) -> None:
    for place in rule.within:
        under = [path for path in MODULES if rule.applies(path) and (not place or path.startswith(place))]
        assert under, f"the rule is about {place}, where there is no Python file: correct the rule or the layout"
    broken = [found for module in MODULES.values() for found in rule.violations(module)]
    assert not broken, f"{rule.name}: {rule.why}\n" + "\n".join(broken)


def test_what_tasks_imports_starts_fast_too() -> None:
    """A heavy import costs `./invokew --list` the same when it hides behind one of our own modules."""
    waiting, seen = ["tasks.py"], {"tasks.py"}
    while waiting:
        module = MODULES[waiting.pop()]
        heavy = list(heavy_at_import(module))
        assert not heavy, (
            f"tasks.py reaches {module.path} at import, which at its top {heavy}: move it where it is used"
        )
        for found in module.imports:
            place = found.module.replace(".", "/")
            packages = ["/".join(place.split("/")[:depth]) + "/__init__.py" for depth in range(1, place.count("/") + 2)]
            reached = {path for path in (f"{place}.py", *packages) if found.top and path in MODULES}
            waiting += sorted(reached - seen)
            seen |= reached


def test_class_names_are_unique() -> None:
    """A name means one thing in the program and in its lab and bench; kpi is installed without them and has names of its own."""
    places = defaultdict(list)
    for module in MODULES.values():
        program = "kpi" if module.path.startswith("kpi/") else "cutover"
        if module.path.startswith(("cutover/", "lab/", "bench/", "kpi/")):
            for node in module.nodes:
                if isinstance(node, ast.ClassDef):
                    places[program, node.name].append(module.path)
    assert {name: found for (_, name), found in places.items() if len(found) > 1} == {}
