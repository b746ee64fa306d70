"""The rules of the rooms (see docs/architecture.md) as data: what each is for, how it is seen, and why it is there."""

import ast
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

# In the order in which rooms may import each other; those of one floor know nothing of each other.
FLOORS = (
    ("agent",),
    ("core",),
    ("inventory",),
    ("plan",),
    ("remote", "journal"),
    ("release",),
    ("timeline",),
    ("console",),
    ("notify",),
    ("run",),
    ("evidence", "monitor"),
    ("report",),
    ("cli",),
)
FLOOR_OF = {room: number for number, floor in enumerate(FLOORS) for room in floor}
MAX_LINES = 500
SSH = {"fabric", "paramiko"}
HEAVY = {"apprise", "fabric", "jinja2", "numpy", "pandas", "paramiko", "pydantic", "pytest", "rich"}
SERVICE_WORDS = re.compile(
    r"abaco|borrower|collection_?rate|dpd|inbox|kpi|loan|par_?[39]0|portfolio|receivable|tape", re.IGNORECASE
)
# A command as it could not be typed: Invoke's own program is on nobody's PATH.
BARE_INVOKE = re.compile(r"(?<![\w./-])invoke (?!tasks?\b|import\b|surface\b)[a-z{-][\w.{-]*")


@dataclass(frozen=True)
class Import:
    """One imported module; `top` when importing the file already imports it."""

    module: str
    line: int
    top: bool

    @property
    def package(self) -> str:
        """Its first part."""
        return self.module.split(".")[0]


@dataclass(frozen=True)
class Module:
    """One Python file: its path from the root of the project, and its text."""

    path: str
    source: str

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax."""
        return ast.parse(self.source, self.path)

    @cached_property
    def nodes(self) -> tuple[ast.AST, ...]:
        """All of its syntax tree."""
        return tuple(ast.walk(self.tree))

    @cached_property
    def imports(self) -> tuple[Import, ...]:
        """All its imports, those inside functions too."""
        return tuple(_imports(self, self.tree, top=True))


Check = Callable[[Module], Iterator[str]]


@dataclass(frozen=True)
class Rule:
    """A check, the directories or files it is for, those it is not for, and the reason in one sentence."""

    name: str
    check: Check
    within: tuple[str, ...]
    why: str
    except_for: tuple[str, ...] = ()

    def applies(self, path: str) -> bool:
        """Whether a file is under the rule."""
        return _below(path, self.within) and not _below(path, self.except_for)

    def violations(self, module: Module) -> list[str]:
        """What in the file breaks the rule, with its line."""
        return [f"{module.path}:{found}" for found in self.check(module)] if self.applies(module.path) else []


def _below(path: str, places: tuple[str, ...]) -> bool:
    return any(place in {"", path} or path.startswith(f"{place}/") for place in places)


def _imports(module: Module, node: ast.AST, *, top: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, top) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            base = _absolute(module.path, child)
            yield Import(base, child.lineno, top)
            # `from package import module` imports the module as well; where it is a name instead, no such file is found
            yield from (Import(f"{base}.{alias.name}", child.lineno, top) for alias in child.names)
        elif not isinstance(child, ast.expr):
            runs = not isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef) and not _for_types_only(child)
            yield from _imports(module, child, top=top and runs)


def _absolute(path: str, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    package = path.split("/")[: -node.level]
    return ".".join([*package, *([node.module] if node.module else [])])


def _for_types_only(node: ast.AST) -> bool:
    test = node.test if isinstance(node, ast.If) else None
    return "TYPE_CHECKING" in (getattr(test, "id", ""), getattr(test, "attr", ""))


def _forbidden(*packages: str) -> Check:
    """No import of these packages or modules, anywhere in the file."""

    def check(module: Module) -> Iterator[str]:
        for found in module.imports:
            if any(found.module == package or found.module.startswith(f"{package}.") for package in packages):
                yield f"{found.line}: imports {found.module}"

    return check


def _calls_none_of(*names: str) -> Check:
    """No call of a function or method that is called so."""

    def check(module: Module) -> Iterator[str]:
        for node in module.nodes:
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in names:
                yield f"{node.lineno}: calls {node.func.attr}"

    return check


def _only(*allowed: str, lazily: tuple[str, ...] = ()) -> Check:
    """Imports of the standard library and these packages alone; `lazily` are allowed inside functions."""

    def check(module: Module) -> Iterator[str]:
        for found in module.imports:
            known = found.package in sys.stdlib_module_names or _below(found.module.replace(".", "/"), allowed)
            if not known and not (found.package in lazily and not found.top):
                yield f"{found.line}: imports {found.module}"

    return check


def _says(words: re.Pattern[str]) -> Check:
    """These words anywhere in the file: in an identifier, a string or a comment."""

    def check(module: Module) -> Iterator[str]:
        for number, line in enumerate(module.source.splitlines(), start=1):
            for found in words.finditer(line):
                yield f"{number}: {found.group()}"

    return check


def in_order(module: Module) -> Iterator[str]:
    """A room imports itself and those of lower floors; tasks.py is above all of them."""
    parts = module.path.split("/")
    own = parts[1] if len(parts) > 2 else ""
    for found in module.imports:
        room = "".join(found.module.split(".")[1:2]) if found.package == "cutover" else ""
        upwards = room in FLOOR_OF and room != own and FLOOR_OF[room] >= FLOOR_OF.get(own, 0)
        if upwards or found.package == "tasks":
            yield f"{found.line}: imports {found.module}"


def prints(module: Module) -> Iterator[str]:
    """Calls of print, and any use of sys.stdout or sys.stderr."""
    for node in module.nodes:
        if isinstance(node, ast.Name) and node.id == "print":
            yield f"{node.lineno}: print"
        elif isinstance(node, ast.Attribute) and node.attr in {"stdout", "stderr"} and ast.unparse(node.value) == "sys":
            yield f"{node.lineno}: {ast.unparse(node)}"


def heavy_at_import(module: Module) -> Iterator[str]:
    """A heavy package that importing the file already imports."""
    for found in module.imports:
        if found.top and found.package in HEAVY:
            yield f"{found.line}: imports {found.package}"


def too_long(module: Module) -> Iterator[str]:
    """More lines than one can hold in the head."""
    lines = module.source.count("\n")
    if lines > MAX_LINES:
        yield f"{lines}: lines, {MAX_LINES} are the limit"


RULES = (
    Rule(
        "order of rooms",
        in_order,
        ("cutover",),
        "Data flows one way; a room that imports a later one has two reasons to change.",
    ),
    Rule(
        "one room does SSH",
        _forbidden(*SSH),
        ("cutover", "kpi", "lab", "legacy", "roles", "tasks.py"),
        "Deadlines, host keys and lost connections are solved once, in cutover/remote.",
        except_for=("cutover/remote",),
    ),
    Rule(
        "one file sends notices",
        _forbidden("apprise"),
        ("cutover", "kpi", "lab", "legacy", "roles", "tasks.py"),
        "Deadlines, and that no log line or error shows a token, are solved once, in cutover/notify/channels.py.",
        except_for=("cutover/notify/channels.py",),
    ),
    Rule(
        "the agent is standard library",
        _only("cutover/agent"),
        ("cutover/agent",),
        "It runs on hosts that have a bare python3 and nothing of ours but its own zip file.",
        except_for=("cutover/agent/run_tests.py",),
    ),
    Rule(
        "run_tests needs its release only",
        _only(lazily=("pytest",)),
        ("cutover/agent/run_tests.py",),
        "It travels alone in a release, whose testing/ has pytest and whose app/ has nothing of the engine.",
    ),
    Rule(
        "one file of the agent moves files and gives them away",
        _calls_none_of("chown", "lchown", "fchown", "chmod", "fchmod", "utime", "rename", "symlink_to", "rmtree"),
        ("cutover/agent",),
        "It does so as root, in directories that others write: what is safe there is solved once, in cutover/agent/durable.py.",
        except_for=("cutover/agent/durable.py", "cutover/agent/paths.py"),
    ),
    Rule(
        "modules of the agent open files through one file",
        _calls_none_of(
            "exists",
            "glob",
            "hardlink_to",
            "is_dir",
            "is_file",
            "iterdir",
            "listdir",
            "lstat",
            "mkdir",
            "read_bytes",
            "read_text",
            "readlink",
            "rglob",
            "rmdir",
            "scandir",
            "stat",
            "symlink",
            "touch",
            "unlink",
            "walk",
            "write_bytes",
            "write_text",
        ),
        ("cutover/agent/modules",),
        "A path may lead through a directory whose owner swaps it for a link: cutover/agent/paths.py opens it name by name.",
        except_for=tuple(
            f"cutover/agent/modules/{name}.py" for name in ("resources", "system", "units")
        ),  # the kernel's, root's
    ),
    Rule(
        "core, inventory and plan ask nobody",
        _forbidden("subprocess", "socket", "time", "threading", "urllib", "invoke"),
        ("cutover/core", "cutover/inventory", "cutover/plan"),
        "A plan is known before any change, so what makes it can neither ask a host nor look at the clock.",
    ),
    Rule(
        "roles ask nobody",
        _forbidden(
            *(
                f"cutover.{room}"
                for room in ("release", "remote", "journal", "run", "monitor", "console", "report", "cli")
            ),
            "subprocess",
            "socket",
            "time",
            "invoke",
        ),
        ("roles",),
        "A role says what should be and never asks a host; its checks ask only through testinfra's `host`.",
        except_for=("roles/abaco/tests",),
    ),
    Rule(
        "kpi brings numpy and pandas only",
        _only("kpi", "numpy", "pandas", lazily=("distributed", "pyarrow")),
        ("kpi",),
        "It travels to hosts, where a release holds only what requirements/release-runtime.lock pins.",
    ),
    Rule(
        "kpi and engine know nothing of each other",
        _forbidden("kpi", "legacy", "lab", "roles"),
        ("cutover",),
        "The engine moves any pair of services; what it knows of one comes from roles, variables and the release spec.",
    ),
    Rule(
        "V1 shares nothing with V2",
        _forbidden("kpi", "cutover", "roles", "lab", "tasks"),
        ("legacy",),
        "In the original a change of V2 broke V1, and then there was nothing to roll back to.",
    ),
    Rule(
        "nobody shares V1",
        _forbidden("legacy"),
        ("kpi", "roles", "tasks.py"),
        "What compares with V1 or restores it must run V1's own unit and not a copy inside itself.",
    ),
    Rule(
        "the engine does not speak of the service",
        _says(SERVICE_WORDS),
        ("cutover",),
        "Another pair of services needs other roles and variables and no change in cutover/.",
    ),
    Rule(
        "only console and report print",
        prints,
        ("cutover", "roles"),
        "With --json stdout carries one document; the agent is apart, since its stdout is its answer to the controller, and "
        "cli/app.py, the one place that chooses between the streams.",
        except_for=("cutover/console", "cutover/report", "cutover/agent", "cutover/cli/app.py"),
    ),
    Rule(
        "tasks.py starts fast",
        heavy_at_import,
        ("tasks.py",),
        "`./invokew --list` pays for each import at the top of tasks.py; a heavy one stands in the function that uses it.",
    ),
    Rule(
        "a command that is named can be typed",
        _says(BARE_INVOKE),
        ("cutover", "lab", "roles", "tasks.py"),
        "Somebody reads it in the worst hour of the year; `./invokew` works in every checkout, with and without an environment.",
    ),
    Rule("small files", too_long, ("",), "A file that cannot be held in the head is two files."),
)
