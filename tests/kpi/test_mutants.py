"""Mutants of the formulas: the tests that travel with a release must fail on every one of them."""

import ast
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT

FORMULAS = ("base.py", "par30.py", "par90.py", "collection_rate.py", "portfolio_health.py")
TESTS = ("test_kpi_base.py", "test_kpi_calculators_v2.py", "test_kpi_engine_v2.py")
SWAPS: dict[type[ast.cmpop], ast.cmpop] = {
    ast.Lt: ast.LtE(),
    ast.LtE: ast.Lt(),
    ast.Gt: ast.GtE(),
    ast.GtE: ast.Gt(),
    ast.Eq: ast.NotEq(),
    ast.NotEq: ast.Eq(),
}
OPERATIONS: dict[type[ast.operator], ast.operator] = {
    ast.Mult: ast.Div(),
    ast.Div: ast.Mult(),
    ast.Add: ast.Sub(),
    ast.Sub: ast.Add(),
}
CALLS = {"min": "max", "max": "min"}


def mutations(tree: ast.Module) -> Iterator[str]:
    """Change one place of the tree after the other, each time saying what was done and undoing it afterwards."""
    cases = {id(node) for call in ast.walk(tree) if _is_cases(call) for node in ast.walk(call)}
    for node in list(ast.walk(tree)):
        if id(node) in cases:  # they are what the formula is tested with
            continue
        yield from _of(node)


def _is_cases(node: ast.AST) -> bool:
    return isinstance(node, ast.keyword) and node.arg in ("cases", "position")


def _of(node: ast.AST) -> Iterator[str]:
    line = f"line {getattr(node, 'lineno', 0)}"
    if isinstance(node, ast.Constant) and isinstance(node.value, float):
        before, node.value = node.value, node.value * 1.5 + 0.25
        yield f"{line}: {before} -> {node.value}"
        node.value = before
    elif isinstance(node, ast.Compare) and type(node.ops[0]) in SWAPS:
        for at, before_op in enumerate(node.ops):
            node.ops[at] = SWAPS[type(before_op)]
            yield f"{line}: {type(before_op).__name__} -> {type(node.ops[at]).__name__}"
            node.ops[at] = before_op
    elif isinstance(node, ast.BinOp) and type(node.op) in OPERATIONS and not isinstance(node.left, ast.JoinedStr):
        before_operation, node.op = node.op, OPERATIONS[type(node.op)]
        yield f"{line}: {type(before_operation).__name__} -> {type(node.op).__name__}"
        node.op = before_operation
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in CALLS:
        before_name, node.func.id = node.func.id, CALLS[node.func.id]
        yield f"{line}: {before_name} -> {node.func.id}"
        node.func.id = before_name
    elif isinstance(node, ast.keyword) and node.arg == "numerator" and isinstance(node.value, ast.Tuple):
        for at, left_out in enumerate(list(node.value.elts)):
            del node.value.elts[at]
            yield f"{line}: numerator without {ast.unparse(left_out)}"
            node.value.elts.insert(at, left_out)
    elif isinstance(node, ast.keyword) and node.arg == "denominator" and isinstance(node.value, ast.Constant):
        before_column, node.value.value = node.value.value, "discounted_balance_usd"
        yield f"{line}: denominator discounted_balance_usd"
        node.value.value = before_column


def mutants() -> list[tuple[str, int, str]]:
    """Formula file, number of the mutation in it, and what it is."""
    found = []
    for name in FORMULAS:
        tree = ast.parse((ROOT / "kpi" / "formulas" / name).read_text(encoding="utf-8"))
        found += [(name, number, words) for number, words in enumerate(mutations(tree))]
    return found


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the code and of the tests that travel with it."""
    place = tmp_path_factory.mktemp("mutants")
    shutil.copytree(ROOT / "kpi", place / "kpi", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(
        ROOT / "roles" / "abaco" / "tests", place / "release_tests", ignore=shutil.ignore_patterns("__pycache__")
    )
    return place


def outcome(release: Path) -> int:
    argv = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:hypothesispytest"]
    argv += [str(release / "release_tests" / name) for name in TESTS]
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(release), "PYTHONDONTWRITEBYTECODE": "1"}
    return subprocess.run(argv, cwd=release, env=environment, capture_output=True, check=False).returncode


def test_the_unchanged_release_passes(release: Path) -> None:
    assert outcome(release) == 0


@pytest.mark.parametrize(
    ("name", "number"), [pytest.param(name, number, id=f"{name}: {words}") for name, number, words in mutants()]
)
def test_a_mutant_is_found(release: Path, name: str, number: int) -> None:
    file = release / "kpi" / "formulas" / name
    sound = file.read_text(encoding="utf-8")
    tree = ast.parse(sound)
    for at, _ in enumerate(mutations(tree)):
        if at == number:
            file.write_text(ast.unparse(tree), encoding="utf-8")
            break
    try:
        assert outcome(release) == 1
    finally:
        file.write_text(sound, encoding="utf-8")
