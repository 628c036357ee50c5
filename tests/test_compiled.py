"""What is kept of compiled templates saves a start, and is never wrong, old or somebody else's."""

from __future__ import annotations

import marshal
import subprocess
import sys
from pathlib import Path
from types import CodeType
from typing import Any

import pytest

from digest import compiled
from digest.render import Renderer
from tests.mails import BRAND, LINKS, snapshot

NEXT: dict[str, dict[str, Any]] = {
    "next": {"kind": "write", "post": None, "people": [], "site": ""}
}


def rendered(cache: Path | None, overrides: Path | None = None) -> str:
    return Renderer(BRAND, cache=cache, overrides=overrides).render(snapshot(NEXT), LINKS).html


def test_the_second_start_makes_the_same_mail_and_nothing_anew(tmp_path: Path) -> None:
    first = rendered(tmp_path)
    (file,) = tmp_path.iterdir()
    made = file.stat().st_ino
    assert rendered(tmp_path) == first
    assert file.stat().st_ino == made
    assert rendered(None) == first


def test_a_changed_template_is_made_anew(tmp_path: Path) -> None:
    cache, own = tmp_path / "cache", tmp_path / "own"
    part = own / "email" / "sections" / "next.html"
    part.parent.mkdir(parents=True)
    for words in ("Come by on Thursday", "Come by on Friday"):
        part.write_text(f"<p>{words}</p>")
        assert words in rendered(cache, own)
    part.unlink()
    assert "Come by" not in rendered(cache, own)


def planted(folder: Path) -> Path:
    """A file of the right name whose code says something else."""
    rendered(folder)
    (file,) = folder.iterdir()
    codes: dict[str, CodeType] = marshal.loads(file.read_bytes())
    codes["base.html"] = codes["base.txt"]
    file.write_bytes(marshal.dumps(codes))
    return file


def test_what_others_could_have_written_is_not_read(tmp_path: Path) -> None:
    whole = rendered(None)
    file = planted(tmp_path)
    assert rendered(tmp_path) != whole  # as long as only we could have written it
    for mode in (0o620, 0o602):
        planted(tmp_path).chmod(mode)
        assert rendered(tmp_path) == whole
        file.unlink()


@pytest.mark.parametrize("content", [b"", b"nonsense", marshal.dumps(7), marshal.dumps({})[:-1]])
def test_what_cannot_be_read_is_made_anew(tmp_path: Path, content: bytes) -> None:
    whole = rendered(tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    assert rendered(tmp_path) == whole


def test_where_nothing_can_be_kept_everything_is_made_anew(tmp_path: Path) -> None:
    file = tmp_path / "a file"
    file.touch()
    assert rendered(file / "below") == rendered(None)


APART = """
import signal
import sys
from pathlib import Path
from digest.errors import TemplateError
from digest.render import Renderer
from tests.mails import BRAND, LINKS, snapshot
from tests.test_compiled import NEXT
own, cache = map(Path, sys.argv[1:])
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # as some supervisors leave it
try:
    renderer = Renderer(BRAND, cache=cache, overrides=own)
    renderer.prepare(["de-AT", "de-DE", "fr", "tlh"])
    print(len(list(cache.iterdir())), renderer.render(snapshot(NEXT), LINKS).html[:15])
except TemplateError as error:
    print(error.line, error.message)
print("premailer" in sys.modules)
"""


def test_a_process_without_threads_keeps_nothing_of_what_inlining_needs(tmp_path: Path) -> None:
    """Nor is what is wrong with a template lost with the process that found it."""

    def told(*folders: str) -> list[str]:
        paths = [tmp_path / folder for folder in folders]
        words = [sys.executable, "-c", APART, *map(str, paths)]
        done = subprocess.run(words, capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return done.stdout.splitlines()

    (tmp_path / "own").mkdir()
    assert told("own", "cache") == ["3 <!DOCTYPE html>", "False"]
    part = tmp_path / "own" / "email" / "sections" / "next.html"
    part.parent.mkdir(parents=True)
    part.write_text("<p>\n{% if %}</p>")
    line, premailer = told("own", "cache2")
    assert line.startswith("2 ")
    assert premailer == "True"


def test_what_cannot_be_kept_is_made_once(tmp_path: Path) -> None:
    (file := tmp_path / "a file").touch()
    made: list[int] = []
    assert compiled.kept(file / "below", "name", lambda: made.append(1) or {}) == {}  # type: ignore[func-returns-value]
    assert made == [1]


def test_what_was_not_used_for_longest_goes(tmp_path: Path) -> None:
    for number in range(compiled.KEPT + 5):
        compiled.kept(tmp_path, f"{number}", dict)
    names = {file.name for file in tmp_path.iterdir()}
    assert len(names) == compiled.KEPT
    assert f"{compiled.KEPT + 4}" in names
