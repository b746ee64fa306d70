"""Each rule sees what it is there to see: small bad examples, and good ones beside them."""

import os

import pytest

from tests.architecture.rules import MAX_LINES, RULES, Module

BAD = [
    ("order of rooms", "cutover/core/x.py", "from cutover.plan.plan import Plan"),
    ("order of rooms", "cutover/plan/x.py", "def f():\n    import cutover.journal.journal"),
    ("order of rooms", "cutover/remote/x.py", "from cutover import run"),
    ("order of rooms", "cutover/agent/x.py", "from ..core import verdict"),
    ("order of rooms", "cutover/console/x.py", "import tasks"),
    ("one room does SSH", "cutover/run/x.py", "import fabric"),
    ("one file sends notices", "cutover/run/x.py", "def f():\n    import apprise"),
    ("the agent is standard library", "cutover/agent/x.py", "import yaml"),
    ("the agent is standard library", "cutover/agent/x.py", "from cutover.core import verdict"),
    ("one file of the agent moves files and gives them away", "cutover/agent/x.py", "import os\nos.chown('f', 0, 0)"),
    ("modules of the agent open files through one file", "cutover/agent/modules/x.py", "Path('f').read_text()"),
    ("run_tests needs its release only", "cutover/agent/run_tests.py", "import pytest"),
    ("core, inventory and plan ask nobody", "cutover/plan/x.py", "from time import time"),
    ("roles ask nobody", "roles/v2/steps.py", "from cutover.remote import session"),
    ("kpi brings numpy and pandas only", "kpi/x.py", "import polars"),
    ("kpi brings numpy and pandas only", "kpi/x.py", "try:\n    import pyarrow\nexcept ImportError:\n    raise"),
    ("kpi and engine know nothing of each other", "cutover/run/x.py", "from kpi import engine"),
    ("V1 shares nothing with V2", "legacy/x.py", "import kpi.inbox"),
    ("nobody shares V1", "kpi/x.py", "from legacy import pipeline"),
    ("the engine does not speak of the service", "cutover/core/x.py", "loan_count = 1"),
    ("the engine does not speak of the service", "cutover/core/x.py", "x = 1  # the KPI"),
    ("the engine does not speak of the service", "cutover/core/x.py", "x = f'{1}PAR30'"),
    ("the engine does not speak of the service", "cutover/core/x.py", "x = 1  # a portfolio's inbox"),
    ("only console and report print", "cutover/run/x.py", "print('x')"),
    ("only console and report print", "cutover/run/x.py", "import sys\nsys.stdout.write('x')"),
    ("tasks.py starts fast", "tasks.py", "import pandas as pd"),
    ("a command that is named can be typed", "cutover/console/x.py", "NEXT = 'see `invoke status`'"),
    ("small files", "lab/x.py", "x = 1\n" * (MAX_LINES + 1)),
]
GOOD = [
    ("cutover/run/x.py", "from cutover.journal.journal import Journal\nfrom cutover.agent import clock"),
    ("cutover/remote/x.py", "import fabric\nfrom paramiko import SSHClient"),
    ("cutover/agent/x.py", "import json\nfrom cutover.agent.clock import now\nfrom . import place"),
    ("cutover/agent/run_tests.py", "import sys\ndef run():\n    import pytest\n    sys.stdout.write('{}')"),
    ("cutover/console/x.py", "print('x')"),
    ("cutover/console/x.py", "NEXT = '`./invokew status`; Invoke wraps invoke tasks'"),
    ("kpi/x.py", "import json\nimport numpy as np\nfrom kpi import engine\ndef f():\n    import pyarrow.parquet"),
    ("tasks.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\ndef f():\n    import rich"),
    ("roles/v2/steps.py", "from cutover.plan.steps import file"),
    ("tests/lab/x.py", "import paramiko\nx = 1\n" * (MAX_LINES // 2)),
]


@pytest.mark.parametrize(("name", "path", "source"), BAD)
def test_a_bad_example_is_seen(name: str, path: str, source: str) -> None:
    (rule,) = [rule for rule in RULES if rule.name == name]
    violations = rule.violations(Module(path, source))
    assert violations
    assert all(found.startswith(f"{path}:") for found in violations)


@pytest.mark.parametrize(("path", "source"), GOOD)
def test_a_good_example_passes_every_rule(path: str, source: str) -> None:
    assert [found for rule in RULES for found in rule.violations(Module(path, source))] == []


def test_every_rule_has_a_bad_example_and_a_reason() -> None:
    assert {name for name, _, _ in BAD} == {rule.name for rule in RULES}
    assert all(rule.why.endswith(".") for rule in RULES)


def test_the_line_of_a_word_inside_a_long_string_is_named() -> None:
    (rule,) = [rule for rule in RULES if rule.name == "the engine does not speak of the service"]
    assert rule.violations(Module("cutover/x.py", '"""One.\n\nAbaco.\n"""\n')) == ["cutover/x.py:3: Abaco"]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there are no workers")
def test_workers_keep_to_the_groups_of_tests(request: pytest.FixtureRequest) -> None:
    assert request.node.nodeid.endswith("@tests/architecture/test_rules.py")


def test_a_case_is_not_named_after_bytes(request: pytest.FixtureRequest) -> None:
    """A compressed parameter holds the second it was made in: two workers then collect different names, and nothing runs."""
    hook = request.config.hook.pytest_make_parametrize_id
    assert hook(config=request.config, val=b"\x1f\x8b", argname="content") == "content"
