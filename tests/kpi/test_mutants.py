"""Mutants of the formulas: the tests that travel with a release must fail on every one of them."""

import ast
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.checkout import ROOT
from tests.kpi.conftest import copied_code

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


# Runs the tests once for each line of its input, [file, text of it], and prints how they ended. Only the first one pays for the
# imports of pytest and numpy, and leaves byte code: each run is a fork, which imports the package anew. Byte code of formulas goes,
# since two mutants of one second and size would be taken for one.
DRIVER = """
import json, os, pathlib, shutil, sys
import numpy, pytest
for line in sys.stdin:
    name, text = json.loads(line)
    file = pathlib.Path(name)
    sound = file.read_text(encoding="utf-8")
    file.write_text(text, encoding="utf-8")
    child = os.fork()
    if not child:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        os._exit(pytest.main(["-x", "-q", "-p", "no:cacheprovider", *sys.argv[1:]]))
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    file.write_text(sound, encoding="utf-8")
    sys.dont_write_bytecode = True
    shutil.rmtree(file.parent / "__pycache__", ignore_errors=True)
    print(ended, flush=True)
"""


def mutated(name: str, number: int) -> str:
    """The text of a formula file after this mutation."""
    tree = ast.parse((ROOT / "kpi" / "formulas" / name).read_text(encoding="utf-8"))
    for at, _ in enumerate(mutations(tree)):
        if at == number:
            return ast.unparse(tree)
    raise AssertionError(f"{name} has no mutation {number}")


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[tuple[str, int], int]:
    """How the tests that travel with a release ended on the package as it is (number -1), and on each mutant."""
    place = tmp_path_factory.mktemp("mutants")
    copied_code(place)
    shutil.copytree(ROOT / "roles" / "abaco" / "tests", place / "release_tests")
    texts = {("base.py", -1): (ROOT / "kpi" / "formulas" / "base.py").read_text(encoding="utf-8")}
    texts |= {(name, number): mutated(name, number) for name, number, _ in mutants()}
    lines = [json.dumps([str(place / "kpi" / "formulas" / name), text]) for (name, _), text in texts.items()]
    argv = [sys.executable, "-c", DRIVER, *(str(place / "release_tests" / name) for name in TESTS)]
    environment = {
        "PATH": os.environ["PATH"], "PYTHONPATH": str(place),
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "OPENBLAS_NUM_THREADS": "1",
    }  # fmt: skip
    done = subprocess.run(
        argv, cwd=place, env=environment, input="\n".join(lines), capture_output=True, text=True, check=True
    )
    return dict(zip(texts, map(int, done.stdout.split()), strict=True))


def test_the_unchanged_release_passes(ended: dict[tuple[str, int], int]) -> None:
    assert ended["base.py", -1] == 0


@pytest.mark.parametrize(
    ("name", "number"), [pytest.param(name, number, id=f"{name}: {words}") for name, number, words in mutants()]
)
def test_a_mutant_is_found(ended: dict[tuple[str, int], int], name: str, number: int) -> None:
    assert ended[name, number] == 1
