"""The shape of the house: what stands on what, who touches the outside, and what is pure."""

import ast
import re
from collections.abc import Iterable, Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import digest

ROOT = Path(digest.__file__).parent
LAYERS = {
    "leaves": "errors window cadence faults config stats links address text kinds",
    "data": (
        "models migrations database ingest subscriptions preferences personal guesses ledger demo"
    ),
    "the mail": (
        "audience facts sections editing compose snapshots colour folders catalogues sentences"
        " extraction mirroring inline lines cldr wording languages compiled emitting templating"
        " news render clients message dkim mail smtp"
    ),
    "use": (
        "bounces planning deciding recorder outcomes letters run process crew workers look"
        " backtest pruning checks"
    ),
    "doors": "console scheduler web cli",
}
"""Every module imports only modules that stand before it, in this order."""
ORDER = " ".join(LAYERS.values()).split()
FRONT = {"__init__", "__main__"}
"""What is offered to programs and to ``python -m digest``: may import everything."""

LIBRARIES = {
    "aiosmtplib": {"smtp"},
    "aiosmtpd": {"smtp"},
    "alembic": {"database", "migrations"},
    "apscheduler": {"scheduler"},
    "babel": {"catalogues", "cldr", "ingest", "languages", "wording"},
    "cryptography": {"dkim"},
    "dkim": {"checks"},
    "dns": {"checks"},
    "idna": {"address"},
    "imaplib": {"bounces"},
    "itsdangerous": {"links"},
    "jinja2": {"emitting", "extraction", "inline", "render", "sentences", "templating", "web"},
    "premailer": {"inline"},
    "psycopg": {"database"},
    "pydantic_core": {"database"},
    "pydantic_settings": {"config"},
    "sqlite3": {"database"},
    "starlette": {"web"},
    "typer": {"cli"},
    "uvicorn": {"web"},
}
"""A library is used in these modules only, so that it can be replaced there."""

PURE = [
    "stats",
    "window",
    "cadence",
    "links",
    "address",
    "text",
    "kinds",
    "sections/people/companions",
    "colour",
    "sentences",
    "extraction",
    "mirroring",
    "inline",
    "lines",
    "cldr",
    "wording",
    "languages",
    "emitting",
    "templating",
    "news",
    "editing",
    "compose",
    "render",
    "clients",
    "message",
    "dkim/signing",
    "bounces/mime",
    "bounces/copies",
    "bounces/recipients",
    "bounces/judging",
    "bounces/providers",
    "bounces/findings",
    "bounces/reports",
]
OUTSIDE = {
    "asyncio", "http", "logging.handlers", "os", "random", "secrets", "socket", "sqlalchemy",
    "sqlite3", "sqlmodel", "subprocess", "threading", "time", "urllib.request",
}  # fmt: skip
CLOCK = re.compile(r"\b(datetime\.now|utcnow|date\.today|datetime\.today|time\.time)\(")
OWN_CLOCK = {
    "smtp/mailbox.py": "a mail server of its own, which names a file after the time of arrival",
}


def files(module: str = "") -> list[Path]:
    """The files of one module of the house, or of all of them."""
    single = ROOT / f"{module}.py"
    if module and single.is_file():
        return [single]
    return sorted(path for path in (ROOT / module).rglob("*.py") if "versions" not in path.parts)


def top(path: Path) -> str:
    """The module of the house that ``path`` belongs to."""
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def dotted(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Everything ``path`` imports, wherever in the file: ``a.b`` for ``from a import b``."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}, line {node.lineno}: write the whole name"
            yield from (f"{node.module}.{name.name}" for name in node.names)


ALL = files()
NAMES = {dotted(path): path for path in ALL}


def own(path: Path) -> Iterator[Path]:
    """The files of ours that ``path`` imports."""
    for name in imports(path):
        found = NAMES.get(name) or NAMES.get(name.rpartition(".")[0])
        if found is not None:
            yield found


def test_every_module_has_its_place() -> None:
    assert {top(path) for path in ALL} - FRONT == set(ORDER)
    assert len(ORDER) == len(set(ORDER))


@pytest.mark.parametrize("module", ORDER)
def test_a_module_imports_only_what_stands_below_it(module: str) -> None:
    wrong = {
        f"{path.relative_to(ROOT)} imports {top(target)}"
        for path in files(module)
        for target in own(path)
        if top(target) != module
        and (top(target) in FRONT or ORDER.index(top(target)) >= ORDER.index(module))
    }
    assert wrong == set()


def test_no_file_imports_itself_in_a_circle() -> None:
    graph = {path: set(own(path)) - {path} for path in ALL}
    assert len(list(TopologicalSorter(graph).static_order())) == len(ALL)


@pytest.mark.parametrize("library", LIBRARIES)
def test_a_library_is_used_in_one_place(library: str) -> None:
    users = {top(path) for path in ALL for name in imports(path) if name.split(".")[0] == library}
    assert users <= LIBRARIES[library]


def test_only_the_database_knows_the_dialect() -> None:
    wrong = {
        top(path)
        for path in ALL
        if any(name.startswith("sqlalchemy.dialects") for name in imports(path))
        or re.search(r"dialect\.name|== \"postgresql\"|== \"sqlite\"", path.read_text())
    }
    # The one type that stores instants has to know whether the database keeps zones.
    assert wrong <= {"database", "models"}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    drawers = {"utils", "util", "helpers", "helper", "core", "common", "misc", "shared"}
    assert {path.stem for path in ALL} & drawers == set()


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_reaches_nothing_outside(module: str) -> None:
    reached = {
        name
        for path in files(module)
        for name in imports(path)
        if any(name == outside or name.startswith(f"{outside}.") for outside in OUTSIDE)
    }
    assert reached == set()
    assert not any(CLOCK.search(path.read_text()) for path in files(module))


def test_compose_knows_no_socket_clock_or_environment() -> None:
    """It asks the session it is given, and nothing else."""
    outside = OUTSIDE - {"sqlalchemy", "sqlmodel"}
    assert {name for name in imports(ROOT / "compose.py") if name.split(".")[0] in outside} == set()


@pytest.mark.parametrize("path", files("sections"), ids=lambda path: path.stem)
def test_what_builds_a_section_is_pure(path: Path) -> None:
    """``build`` and what it calls in its file mention no session and no query."""
    functions = {
        node.name: node
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.FunctionDef)
    }
    pair = {"load", "build"}
    if path.stem != "__init__" and functions.keys() & pair:  # else it is what a section stands on
        assert pair <= functions.keys()
    used = _reached("build", functions) if "build" in functions else set()
    assert used & {"session", "Session", "select", "execute", "scalars", "open"} == set()


def _reached(name: str, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Every name in ``name`` and in the functions of the file that it mentions, to the end."""
    seen: set[str] = set()
    waiting = [name]
    while waiting:
        names = set(_names(functions[waiting.pop()]))
        waiting += [found for found in names - seen if found in functions]
        seen |= names
    return seen


def _names(tree: ast.AST) -> Iterable[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.arg):
            yield node.arg


def test_only_the_doors_read_the_clock() -> None:
    """Time is an argument: it enters at the command line, the scheduler and the pages."""
    readers = {
        str(path.relative_to(ROOT))
        for path in ALL
        if top(path) not in LAYERS["doors"].split() and CLOCK.search(path.read_text())
    }
    assert readers <= OWN_CLOCK.keys()


def test_only_the_configuration_reads_the_environment() -> None:
    readers = {top(path) for path in ALL if re.search(r"os\.(environ|getenv)", path.read_text())}
    assert readers <= {"config", "cli"}
