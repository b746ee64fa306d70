"""Each rule sees what it is there to see: small bad examples, and good ones beside them."""

import pytest

from tests.architecture.rules import MAX_LINES, RULES, Module

BAD = [
    ("order of rooms", "cutover/words/x.py", "from cutover.decide.plan import Plan"),
    ("order of rooms", "cutover/decide/x.py", "def f():\n    import cutover.world.journal"),
    ("order of rooms", "cutover/world/remote/x.py", "from cutover import conduct"),
    ("order of rooms", "cutover/hostside/x.py", "from ..words import verdict"),
    ("order of rooms", "cutover/tell/x.py", "import tasks"),
    ("order of rooms", "cutover/x.py", "import cutover.words"),
    ("one room does SSH", "cutover/conduct/x.py", "import fabric"),
    ("one room does SSH", "roles/v2/checks.py", "def f():\n    from paramiko.client import SSHClient"),
    ("one file sends notices", "cutover/conduct/x.py", "def f():\n    import apprise"),
    ("hostside is standard library", "cutover/hostside/x.py", "import yaml"),
    ("hostside is standard library", "cutover/hostside/x.py", "from cutover.words import verdict"),
    ("run_tests needs its release only", "cutover/hostside/run_tests.py", "import pytest"),
    ("run_tests needs its release only", "cutover/hostside/run_tests.py", "import cutover.hostside.clock"),
    ("words and decide ask nobody", "cutover/decide/x.py", "from time import time"),
    ("roles ask nobody", "roles/v2/steps.py", "from cutover.world.remote import session"),
    ("kpi brings numpy and pandas only", "kpi/x.py", "import polars"),
    ("kpi brings numpy and pandas only", "kpi/x.py", "import cutover"),
    ("kpi brings numpy and pandas only", "kpi/x.py", "try:\n    import pyarrow\nexcept ImportError:\n    raise"),
    ("kpi and engine know nothing of each other", "cutover/conduct/x.py", "from kpi import engine"),
    ("V1 shares nothing with V2", "legacy/x.py", "import kpi.inbox"),
    ("nobody shares V1", "kpi/x.py", "from legacy import pipeline"),
    ("the engine does not speak of the service", "cutover/words/x.py", "loan_count = 1"),
    ("the engine does not speak of the service", "cutover/words/x.py", "x = '/opt/abaco'"),
    ("the engine does not speak of the service", "cutover/words/x.py", "x = 1  # the KPI"),
    ("the engine does not speak of the service", "cutover/words/x.py", "x = f'{1}PAR30'"),
    ("the engine does not speak of the service", "cutover/words/x.py", "x = 'tapes' in {}"),
    ("the engine does not speak of the service", "cutover/words/x.py", "x = 1  # a portfolio's inbox"),
    ("the engine does not speak of the service", "cutover/words/x.py", "total_receivable = dpd_90 = 1"),
    ("only tell prints", "cutover/conduct/x.py", "print('x')"),
    ("only tell prints", "cutover/conduct/x.py", "import sys\nsys.stdout.write('x')"),
    ("only tell prints", "roles/v2/steps.py", "say = print"),
    ("tasks.py starts fast", "tasks.py", "import pandas as pd"),
    ("tasks.py starts fast", "tasks.py", "class A:\n    from rich.table import Table"),
    ("a command that is named can be typed", "cutover/tell/x.py", "NEXT = 'see `invoke status`'"),
    ("a command that is named can be typed", "lab/x.py", "x = f'invoke {command}'"),
    ("small files", "lab/x.py", "x = 1\n" * (MAX_LINES + 1)),
]
GOOD = [
    ("cutover/conduct/x.py", "from cutover.world.journal import Journal\nfrom cutover.hostside import clock"),
    ("cutover/world/remote/x.py", "import fabric\nfrom paramiko import SSHClient"),
    ("cutover/hostside/x.py", "import json\nfrom cutover.hostside.clock import now\nfrom . import place"),
    ("cutover/hostside/run_tests.py", "import sys\ndef run():\n    import pytest\n    sys.stdout.write('{}')"),
    ("cutover/tell/x.py", "print('x')"),
    ("cutover/tell/x.py", "NEXT = '`./invokew status`; Invoke wraps invoke tasks'"),
    ("kpi/x.py", "import json\nimport numpy as np\nfrom kpi import engine\ndef f():\n    import pyarrow.parquet"),
    ("tasks.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import pandas\ndef f():\n    import rich"),
    ("roles/v2/steps.py", "from cutover.words.steps import file"),
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
