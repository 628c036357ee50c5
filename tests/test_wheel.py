"""The built wheel, installed away from the checkout, does the whole job."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
OTHERS = Path(sysconfig.get_path("purelib"))
"""Where the dependencies are; the checkout is known there too, by a file that is not read here."""


@dataclass(frozen=True)
class Installed:
    """An environment with the wheel in it, and an empty folder to work in."""

    python: Path
    folder: Path

    def run(self, *words: str) -> str:
        """A command of the environment, in the empty folder, knowing nothing of the checkout."""
        environment = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("DIGEST_", "PYTHON", "VIRTUAL_ENV"))
        }
        done = subprocess.run(
            [self.python.parent / words[0], *words[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built from this checkout, without the network."""
    out = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(out)]
    done = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (made,) = out.glob("*.whl")
    return made


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel alone is installed; its dependencies are lent from where the tests run.

    A folder that a ``.pth`` file names is searched for modules, but its own ``.pth`` files are not
    read, and so the editable checkout stays out of sight.
    """
    base = tmp_path_factory.mktemp("away")
    venv.create(base / "env", with_pip=False)
    python = base / "env" / "bin" / "python"
    pip = [sys.executable, "-m", "pip", "--python", str(python), "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", "--no-deps", "--no-index", str(wheel)]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (packages,) = (base / "env" / "lib").glob("python3*/site-packages")
    (packages / "lent.pth").write_text(f"{OTHERS}\n", "utf-8")
    folder = base / "empty"
    folder.mkdir()
    return Installed(python, folder)


def test_the_package_is_the_installed_one(installed: Installed) -> None:
    place = installed.run("python", "-c", "import digest; print(digest.__file__)").strip()
    assert Path(place).is_relative_to(installed.python.parents[1])
    known = "import sys; print(*sys.path, sep='\\n')"
    assert str(ROOT) not in installed.run("python", "-c", known).splitlines()


def test_the_wheel_holds_what_the_program_reads(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    templates = {
        f"digest/templates/{file.relative_to(ROOT / 'templates').as_posix()}"
        for file in (ROOT / "templates").rglob("*")
        if file.is_file()
    }
    read = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "digest").rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    }
    assert "digest/migrations/versions/0001_the_first_tables.py" in read
    assert "digest/demo/stories.txt" in read
    assert names >= templates | read
    assert not any(name.startswith("tests/") for name in names)


def test_a_stranger_gets_the_mails_of_the_demo(installed: Installed) -> None:
    """Demo, send and preview in an empty folder, as somebody would who installed it with pip."""
    assert "30 authors" in installed.run("digest", "demo")
    said = installed.run("digest", "send")
    kept = list((installed.folder / "var" / "mailbox").glob("*.eml"))
    assert len(kept) > 20
    assert said.startswith(f"{len(kept)} sent\n")
    installed.run("digest", "preview", "alice", "--output", "alice.html")
    page = (installed.folder / "alice.html").read_text("utf-8")
    assert "Most viewed this week" in page
    assert 'style="' in page
    assert "Nothing to send" in installed.run("python", "-m", "digest", "send")
