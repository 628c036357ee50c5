"""The documents say what the code does: nothing is undocumented, and nothing documented is gone."""

from __future__ import annotations

import ast
import email
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import typer.main
from pydantic import SecretStr

from digest import audience, ingest
from digest.cadence import EVERY_WEEK, Cadence, Frequency
from digest.cli import app
from digest.config import FAULT, PREFIX, Settings, setting_name
from digest.folders import catalogue_folders
from digest.ingest.exchange import LAYOUTS
from digest.ingest.importing import FORMATS
from digest.languages import Languages
from digest.models import TRANSITIONS, State
from digest.sections import sections
from digest.smtp import RULES, Meaning, Verdict
from digest.window import Period
from tests.community import village
from tests.conftest import Front
from tests.test_layers import LAYERS
from tests.test_layers import ROOT as CODE

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])
COMMANDS: dict[str, Any] = getattr(typer.main.get_command(app), "commands")  # noqa: B009

_CODE = re.compile(r"`([^`]+)`")
_HEADING = re.compile(r"^#+ +(.+)$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"(?:^|[ ;])(?:/\S*/)?digest ([a-z][^;&\n]*)", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)|\bsrc=\"([^\"]+)\"")


# --- reading documents ---------------------------------------------------------------------------


@cache
def text_of(page: Path) -> str:
    return page.read_text("utf-8")


def chapter(page: Path, heading: str) -> str:
    """What stands under a heading, down to the next one of its rank or above."""
    found = re.search(rf"^(#+) {re.escape(heading)}$", text_of(page), re.MULTILINE)
    assert found, f"{page.name} has no chapter “{heading}”"
    rest = text_of(page)[found.end() :]
    end = re.search(rf"^#{{1,{len(found[1])}}} ", rest, re.MULTILINE)
    return rest[: end.start()] if end else rest


def rows(text: str) -> list[list[str]]:
    """The cells of every table in ``text``, without headers."""
    lines = [line.strip() for line in text.splitlines()]
    return [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip("|"))]
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if line.startswith("|") and not line.startswith("|---") and not following.startswith("|---")
    ]


def named(text: str) -> list[str]:
    """The first word in code style of each row."""
    return [found[1] for row in rows(text) if (found := _CODE.match(row[0]))]


def blocks(page: Path, language: str) -> list[str]:
    return [body for kind, body in _BLOCK.findall(text_of(page)) if kind == language]


def anchors(page: Path) -> set[str]:
    """The names that headings can be linked by."""
    return {
        re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")
        for heading in _HEADING.findall(_BLOCK.sub("", text_of(page)))
    }


# --- links and words -----------------------------------------------------------------------------


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for pair in _LINK.findall(_BLOCK.sub("", text_of(page))):
        link = pair[0] or pair[1]
        if link.startswith("https://"):
            continue
        file, _, anchor = link.partition("#")
        target = (page.parent / file).resolve() if file else page
        assert target.exists(), f"{page.name}: {link}"
        if anchor:
            assert anchor in anchors(target), f"{page.name}: {link}"


def test_every_decision_is_listed() -> None:
    adr = DOCS / "adr"
    listed = re.findall(r"\(([^)]+)\)", text_of(adr / "README.md"))
    assert sorted(listed) == sorted(page.name for page in adr.glob("0*.md"))


def test_the_readme_shows_the_mail() -> None:
    picture = (DOCS / "mail.png").read_bytes()
    assert picture.startswith(b"\x89PNG")
    assert int.from_bytes(picture[16:20]) == 640
    assert len(picture) < 150_000
    assert "docs/mail.png" in text_of(ROOT / "README.md")


# --- commands ------------------------------------------------------------------------------------


def options(command: Any) -> set[str]:
    """The options of a command as they are written: ``--json``, ``-v``."""
    found = {name for part in command.params for name in part.opts if name.startswith("-")}
    return found | {"--help"}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_documented_with_its_options_and_no_others(name: str) -> None:
    told = chapter(DOCS / "commands.md", f"digest {name}")
    documented = {option for row in rows(told) for option in _CODE.findall(row[0])}
    assert documented == options(COMMANDS[name]) - {"--help"}


def test_what_holds_for_every_command_is_documented() -> None:
    told = chapter(DOCS / "commands.md", "digest")
    documented = {option for row in rows(told) for option in _CODE.findall(row[0])}
    assert documented == options(typer.main.get_command(app))


def test_only_commands_that_exist_have_a_chapter() -> None:
    told = re.findall(r"^## digest (\S+)$", text_of(DOCS / "commands.md"), re.MULTILINE)
    assert sorted(told) == sorted(COMMANDS)


def told_commands() -> Iterator[tuple[Path, list[str]]]:
    """Every call of ``digest`` in the code blocks of all documents."""
    for page in PAGES:
        told = [body for kind, body in _BLOCK.findall(text_of(page)) if kind in {"sh", "cron"}]
        told += re.findall(r"^ {4}(\S.*)$", text_of(page), re.MULTILINE)
        for call in _CALL.findall("\n".join(told)):
            yield page, shlex.split(call, comments=True)


def test_every_call_in_the_documents_is_one_that_digest_takes() -> None:
    calls = list(told_commands())
    assert {words[0] for _, words in calls} >= {"import", "send", "preview", "daemon", "check"}
    for page, (name, *rest) in calls:
        assert name in COMMANDS, f"{page.name}: digest {name}"
        COMMANDS[name].make_context(name, rest)  # complains about what it does not know


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_command_named_in_a_sentence_exists(page: Path) -> None:
    for call in re.findall(r"`digest ([a-z-][^`]*)`", text_of(page)):
        name, *rest = call.split()
        command = typer.main.get_command(app) if name.startswith("-") else COMMANDS[name]
        assert {word for word in [name, *rest] if word.startswith("-")} <= options(command)


# --- settings ------------------------------------------------------------------------------------


def shown(default: Any) -> str:
    if default is None or isinstance(default, SecretStr):
        return "none"
    if default == "":
        return "empty"
    return f"`{default:g}`" if isinstance(default, float) else f"`{default}`"


def test_every_setting_is_documented_with_its_default() -> None:
    told = {
        name[1]: row[1]
        for row in rows(chapter(DOCS / "configuration.md", "Every setting"))
        if (name := _CODE.match(row[0]))
    }
    expected = {
        setting_name(name): shown(field.default) for name, field in Settings.model_fields.items()
    }
    assert told == expected


def test_settings_named_elsewhere_exist() -> None:
    names = {*(setting_name(name) for name in Settings.model_fields), FAULT}
    for page in PAGES:
        for variable in re.findall(rf"{PREFIX}([A-Z_]+)", text_of(page)):
            assert variable.removesuffix("_FILE") in {*names, ""}, f"{page.name}: {variable}"


@pytest.mark.parametrize("page", ["README.md", "docs/configuration.md"])
def test_the_configuration_shown_can_be_read(
    page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = blocks(ROOT / page, "toml")
    monkeypatch.chdir(tmp_path)
    Path("digest.toml").write_text(example, "utf-8")
    assert Settings().sender == "digest@example.org"


# --- the house -----------------------------------------------------------------------------------


def modules() -> set[str]:
    """Every module, as the architecture names it: ``run``, ``smtp/pool``."""
    found = (path.relative_to(CODE) for path in CODE.rglob("*.py") if "versions" not in path.parts)
    named = {path.with_suffix("").as_posix() for path in found}
    return {name.removesuffix("/__init__") for name in named} - {"__init__"}


def test_every_module_of_the_house_is_described_once() -> None:
    told = named(chapter(DOCS / "architecture.md", "The house"))
    assert len(told) == len(set(told))
    assert set(told) == modules()


@pytest.mark.parametrize("layer", LAYERS)
def test_layers_hold_the_modules_that_the_layer_test_says(layer: str) -> None:
    told = named(chapter(DOCS / "architecture.md", layer[0].upper() + layer[1:]))
    told = [name for name in told if "/" not in name and name != "__main__"]
    assert told == LAYERS[layer].split()


def test_every_dependency_has_its_reason() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    used, for_work = project["dependencies"], project["optional-dependencies"]["dev"]
    told = named(chapter(DOCS / "architecture.md", "Dependencies"))
    assert sorted(told) == sorted(re.split(r"[<>=;]", name)[0] for name in [*used, *for_work])


def test_every_make_target_is_documented_and_none_that_is_gone() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    told = {name.removeprefix("make ") for name in named(text_of(ROOT / "CONTRIBUTING.md"))}
    assert told == targets
    for page in PAGES:
        for target in re.findall(r"(?:`|^)make ([a-z-]+)", text_of(page), re.MULTILINE):
            assert target in targets, f"{page.name}: make {target}"


def test_every_section_is_described_and_has_its_place() -> None:
    found = {section.name: section.order for section in sections()}
    places = rows(chapter(DOCS / "extending.md", "Write a section"))
    assert {row[0].strip("`"): int(row[1]) for row in places if row[1].isdigit()} == found
    for name in found:
        assert len(chapter(DOCS / "numbers.md", name)) > 200


def test_every_name_that_templates_may_use_is_described() -> None:
    from digest import render  # noqa: PLC0415 - its own names are what is asked for

    told = {
        re.split(r"\W", code)[0]
        for row in rows(chapter(DOCS / "extending.md", "What templates may use"))
        for code in _CODE.findall(row[0])
    }
    words = Languages(catalogue_folders()).wording("")
    mine = render._FROM_CALLER | render._vocabulary(words, "txt").keys()
    assert told == (mine | {"wrap", "heading", "trans"}) - {"section"}


# --- states and reasons --------------------------------------------------------------------------


def test_every_state_is_explained() -> None:
    told = named(chapter(DOCS / "operations.md", "States"))
    assert told == [str(state) for state in State]


def test_every_transition_is_drawn() -> None:
    """The drawing is for people, so only its words are compared: each state that is left."""
    drawing = chapter(DOCS / "operations.md", "States").partition("| state |")[0]
    for state, following in TRANSITIONS.items():
        assert state in drawing
        assert all(other in drawing for other in following)


def reasons_of_gates() -> set[tuple[str, str]]:
    """What the gates record of somebody who passes none of them."""
    now, week, tz = datetime(2026, 11, 16, tzinfo=UTC), Period(2026, 46), ZoneInfo("UTC")
    doomed = audience.Author(
        "u", "U", "@", None, "en", now, "hard-bounce", now, double=True, writes=False, weekday=0,
        cadence=Cadence(Frequency.FORTNIGHTLY, week.shift(1), paused_through=week),
        hidden=frozenset({"headline"}),
    )  # fmt: skip
    silent = replace(doomed, cadence=EVERY_WEEK, posted_at=now - timedelta(weeks=10))
    stopped = [gate for gate in audience.gates(doomed, week, tz) if gate.name != "cadence"]
    stopped.append(audience.gates(silent, week, tz)[-1])
    stopped.append(audience.activity(quiet=True, quiet_before=True, policy="once"))
    stopped += filter(None, [audience.wanted((), doomed)])
    assert not any(gate.passed for gate in stopped)
    return {(str(gate.state), gate.reason) for gate in stopped}


def reasons_of_replies() -> set[tuple[str, str]]:
    states = {Verdict.PERSON: "failed", Verdict.LATER: "deferred"}
    found = {(states[r.verdict], str(r.meaning)) for r in RULES if r.verdict in states}
    return found | {
        ("failed", str(Meaning.UNSUPPORTED)),
        ("unknown", str(Meaning.CONNECTION)),
        ("deferred", str(Meaning.PAUSED)),
    }


def reasons_written() -> set[str]:
    """The reasons that stand as words in the code which writes to the ledger."""
    trees = [
        ast.parse((CODE / f"{module}.py").read_text("utf-8"))
        for module in (
            "ledger/runs",
            "ledger/claims",
            "ledger/doubts",
            "letters",
            "run",
            "outcomes",
            "planning",
            "recorder",
            "audience",
            "bounces/records",
            "personal",
        )
    ]
    recorded = (value for tree in trees for node in ast.walk(tree) for value in _recorded(node))
    words = {part.value for value in recorded for part in _values(value)}
    return {word for word in words if isinstance(word, str) and word}


def _recorded(node: ast.AST) -> list[ast.expr]:
    """What ``node`` gives as a reason."""
    match node:
        case ast.keyword(arg="reason", value=value):
            return [value]
        case ast.Assign(targets=[ast.Name(id="reason")], value=value):
            return [value]
        case ast.Dict(keys=keys, values=values):
            pairs = zip(keys, values, strict=True)
            return [v for k, v in pairs if isinstance(k, ast.Constant) and k.value == "reason"]
        case ast.Call(func=ast.Name(id="Outcome" | "suppress"), args=[_, _, value, *_]):
            return [value]
        case ast.Call(func=ast.Name(id="Gate"), args=[_, _, _, _, value]):
            return [value]
    return []


def _values(expression: ast.expr) -> Iterator[ast.Constant]:
    """The words that an expression may come to; what it is compared with is none of them."""
    if isinstance(expression, ast.IfExp):
        yield from _values(expression.body)
        yield from _values(expression.orelse)
    elif isinstance(expression, ast.Constant):
        yield expression


def test_every_reason_is_explained_and_none_that_cannot_be() -> None:
    told = {
        (row[0], row[1].strip("`"))
        for row in rows(chapter(DOCS / "operations.md", "Reasons"))
        if row[1].startswith("`")
    }
    derived = reasons_of_gates() | reasons_of_replies()
    assert derived <= told
    assert reasons_written() <= {reason for _, reason in told}
    assert {reason for _, reason in told - derived} <= reasons_written()


# --- formats -------------------------------------------------------------------------------------


def test_every_column_of_the_exchange_format_is_documented() -> None:
    told = {
        row[0].strip("`"): _CODE.findall(row[1])
        for row in rows(chapter(DOCS / "formats.md", "The exchange format"))
        if row[0].strip("`") in LAYOUTS and "`" in row[1]
    }
    assert told == {
        name: [column + "*" * (column in layout.required) for column in layout.columns]
        for name, layout in LAYOUTS.items()
    }


def test_every_format_is_documented() -> None:
    told = chapter(DOCS / "commands.md", "digest import")
    assert all(f"`{name}`" in told for name in FORMATS)
    assert all(f"**{outcome}**" in text_of(DOCS / "formats.md") for outcome in ingest.Outcome)


# --- what the documents show works ---------------------------------------------------------------


def test_the_five_minutes_of_the_readme_work_as_written(tmp_path: Path) -> None:
    first, second, *_ = (
        body for body in blocks(ROOT / "README.md", "sh") if "mydata" in body or "preview" in body
    )
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euc", first + second],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told = done.stdout
    assert "Ada, your posts were seen by 2 people" in told
    assert "Ben replied to you" in told
    assert (tmp_path / "ada.html").read_text("utf-8").startswith("<!DOCTYPE html>")


def files_shown(page: Path) -> dict[str, str]:
    """The files that a document shows: a name in code style, a colon, and a block."""
    found = re.findall(
        r"^`([^`]+)`:\n\n```\w+\n(.*?)^```$", text_of(page), re.MULTILINE | re.DOTALL
    )
    return dict(found)


def test_the_section_of_another_package_appears_in_the_mail(
    digest: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example is written down as it stands, and known by its entry point as if installed."""
    shown = files_shown(DOCS / "extending.md")
    package = tmp_path / "package"
    for name, content in shown.items():
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(content, "utf-8")
    project = tomllib.loads(shown["pyproject.toml"])["project"]
    known = package / "digest_followers-1.0.dist-info"
    known.mkdir()
    (known / "METADATA").write_text("Metadata-Version: 2.1\nName: digest-followers\nVersion: 1.0\n")
    entries = project["entry-points"]["digest.sections"]
    lines = [f"{name} = {place}\n" for name, place in entries.items()]
    (known / "entry_points.txt").write_text("[digest.sections]\n" + "".join(lines))

    monkeypatch.syspath_prepend(package)

    there = village()
    there.rows["follows"] = [
        {"follower_id": who, "followee_id": "alice", "since": "2026-11-11T10:00:00Z", "until": ""}
        for who in ("bob", "vic", "x", "y", "z")
    ]
    digest("import", there.write(tmp_path / "in"))
    preview = ("--week", "2026-W46", "--format")
    snapshot = digest("preview", "alice", *preview, "json").json
    assert snapshot["sections"]["followers"] == {"people": 5}
    assert list(snapshot["sections"])[-2:] == ["followers", "next"]
    for form in ("html", "text"):
        mail = digest("preview", "alice", *preview, form).out
        assert "5 people began to follow you this week." in mail
    assert "began to follow" not in digest("preview", "bob", *preview, "text").out
    assert snapshot["rivals"]["followers"] == [pytest.approx(0.45), None, pytest.approx(0.45)]
    sent = email.message_from_string(digest("preview", "alice", *preview, "eml").out)
    assert sent["Subject"] == "5 people began to follow you"


def test_an_overridden_template_is_used_as_shown(
    digest: Front, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (example,) = (body for body in blocks(DOCS / "extending.md", "text") if "open-evening" in body)
    mine = tmp_path / "mytemplates" / "email" / "sections"
    mine.mkdir(parents=True)
    (mine / "next.txt").write_text(example, "utf-8")
    monkeypatch.setenv("DIGEST_TEMPLATES", "mytemplates")
    digest("import", village().write(tmp_path / "in"))
    (call,) = (words for _, words in told_commands() if words[:2] == ["preview", "alice"])
    mail = digest(*call, "--week", "2026-W46").out
    assert "Come by on Thursday: http://127.0.0.1:8025/open-evening" in mail
