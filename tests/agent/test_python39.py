"""The agent runs on hosts whose Python is 3.9: neither its syntax nor what it uses may be newer."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.checkout import ROOT

FILES = sorted(path for path in (ROOT / "cutover/agent").rglob("*.py") if path.name != "run_tests.py")
NEWER = {
    "UTC", "file_digest", "freedesktop_os_release", "pairwise", "walk_up", "hardlink_to", "StrEnum", "chdir", "aclosing",
}  # fmt: skip


def newer(text: str) -> Iterator[str]:
    """What Python 3.9 does not have, as far as a look at the text can find it; SyntaxError for its syntax."""
    tree = ast.parse(text, feature_version=(3, 9))
    for node in ast.walk(tree):
        if (isinstance(node, ast.Attribute) and node.attr in NEWER) or (
            isinstance(node, ast.alias) and node.name in NEWER
        ):
            yield ast.unparse(node)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func)
            if (name == "zip" and node.keywords) or (name == "isinstance" and isinstance(node.args[1], ast.BinOp)):
                yield ast.unparse(node)
            if name.endswith("format_exception") and len(node.args) < 3:
                yield ast.unparse(node)
    annotated = any(isinstance(node, (ast.FunctionDef, ast.AnnAssign)) for node in ast.walk(tree))
    if annotated and "from __future__ import annotations" not in text:
        yield "annotations that are evaluated, where X | None is an error"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(ROOT / "cutover/agent")))
def test_nothing_in_the_agent_is_newer_than_python_39(path: Path) -> None:
    assert list(newer(path.read_text())) == []


@pytest.mark.parametrize(
    "text",
    ["zip(a, b, strict=True)", "isinstance(a, int | str)", "from datetime import UTC", "hashlib.file_digest(f, 'x')",
     "def f(a: int | None): ...", "traceback.format_exception(e)"],
)  # fmt: skip
def test_what_is_newer_is_found(text: str) -> None:
    assert list(newer(text)) != []
