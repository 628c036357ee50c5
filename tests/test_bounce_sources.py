"""Where returned mails come from: files in any state, a real IMAP server, the daemon."""

from __future__ import annotations

import asyncio
import io
import os
import stat
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from digest import bounces, scheduler
from digest.bounces import parse_url
from digest.errors import ConfigError, InputError
from digest.mail import Mailer
from digest.models import State, Suppression
from digest.sections import sections
from tests.conftest import Front
from tests.office import NOW, PATIENCE, Office, open_office, until
from tests.returned_mail import PASSWORD, Imap, dsn, imap_server
from tests.scripted_smtp import ScriptedServer

READER = "ann@people.example"


# --- files ---------------------------------------------------------------------------------------


def rows(*paths: Path) -> dict[str, tuple[bytes, str]]:
    """The content and the problem of every mail found, by the last part of its name."""
    found = bounces.mails([str(path) for path in paths], io.BytesIO())
    return {Path(one.name).name: (one.content, one.problem) for one in found}


def test_every_file_of_a_folder_is_read_whatever_its_name(tmp_path: Path) -> None:
    (tmp_path / "deep" / "deeper").mkdir(parents=True)
    (tmp_path / "one.eml").write_bytes(b"1")
    (tmp_path / "deep" / "two").write_bytes(b"2")
    (tmp_path / "deep" / "deeper" / "three.txt").write_bytes(b"")
    (tmp_path / "deep" / "back").symlink_to(tmp_path)
    assert rows(tmp_path) == {"one.eml": (b"1", ""), "two": (b"2", ""), "three.txt": (b"", "")}


def test_an_mbox_is_read_mail_by_mail(tmp_path: Path) -> None:
    line = b"From MAILER-DAEMON  Thu Apr 29 23:34:45 2015\n"
    (tmp_path / "mbox").write_bytes(line + b"Subject: one\n\n1\n\n" + line + b"Subject: two\n\n2\n")
    found = list(bounces.mails([str(tmp_path / "mbox")], io.BytesIO()))
    assert [one.content.count(b"Subject") for one in found] == [1, 1]


def test_what_cannot_be_read_is_a_row_with_the_reason(digest: Front) -> None:
    (digest.folder / "in").mkdir()
    os.mkfifo(digest.folder / "in" / "pipe")
    (digest.folder / "in" / "loop").symlink_to("loop")
    (digest.folder / "in" / "good").write_bytes(dsn("x@news.example", READER))
    result = digest("bounces", "in", "--json")
    told = {Path(row["file"]).name: (row["class"], row["why"]) for row in result.json}
    assert result.code == 1
    assert told["good"][0] == "hard"
    assert told["pipe"] == ("unrecognised", "it is not a file")
    assert told["loop"][0] == "unrecognised"
    assert "cannot be read" in told["loop"][1]


def test_names_of_files_are_shown_without_harm(digest: Front) -> None:
    (digest.folder / "in").mkdir()
    name = os.fsencode(digest.folder / "in") + b"/\xff\x1b[31m.eml"
    Path(os.fsdecode(name)).write_bytes(b"Subject: x\n\n")
    (row,) = digest("bounces", "in", "--json").json
    assert row["file"] == "in/\ufffd [31m.eml"
    assert "\x1b" not in digest("bounces", "in").out


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_a_row(tmp_path: Path) -> None:
    (tmp_path / "closed").mkdir(mode=0)
    assert "cannot be read" in rows(tmp_path / "closed")["closed"][1]


def test_a_huge_file_is_read_at_its_beginning_only(tmp_path: Path) -> None:
    with (tmp_path / "huge").open("wb") as file:
        file.write(dsn("x@news.example", READER))
        file.truncate(10 * 2**30)
    content, problem = rows(tmp_path / "huge")["huge"]
    assert (len(content), problem) == (2**20, "")
    assert bounces.read(content).kind is bounces.Kind.HARD


def test_a_pipe_is_read_to_its_end(tmp_path: Path) -> None:
    stream = io.BytesIO(b"x" * 3 * 2**20)
    (found,) = bounces.mails(["-"], stream)
    assert (len(found.content), stream.read()) == (2**20, b"")


def test_wrong_usage_is_said(digest: Front) -> None:
    assert digest("bounces", "missing").code == 2
    assert "does not exist" in digest("bounces", "missing").err
    assert "BOUNCES_URL" in digest("bounces").err


def test_many_mails_share_a_commit_and_each_has_its_row(digest: Front) -> None:
    (digest.folder / "in").mkdir()
    for n in range(250):
        (digest.folder / "in" / f"{n:03}").write_bytes(b"Subject: %d\n\n" % n)
    told = digest("bounces", "in", "--json").json
    assert [Path(row["file"]).name for row in told] == [f"{n:03}" for n in range(250)]


# --- BOUNCES_URL ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("url", "port", "tls", "mailbox"),
    [
        ("imaps://u:p%40@mail.example", 993, "implicit", "INBOX"),
        ("imaps://u:p@mail.example:1993/Bounces", 1993, "implicit", "Bounces"),
        ("imap://u:p@mail.example/Mail%2FBounces", 143, "require", "Mail/Bounces"),
        ("imap://u:p@127.0.0.1:10143", 10143, "auto", "INBOX"),
    ],
)
def test_a_mailbox_is_named_by_a_url(url: str, port: int, tls: str, mailbox: str) -> None:
    account = parse_url(url)
    assert (account.server.port, account.server.tls, account.mailbox) == (port, tls, mailbox)


@pytest.mark.parametrize(
    "url",
    ["pop3://u:secret@mail.example", "imaps://mail.example", "imaps://", "imaps://u:secret@[::",
     "imaps://u:secret@mail.example:99999", "imaps://u:secret@mail.example/a%0db", ""],
)  # fmt: skip
def test_a_url_that_cannot_be_is_refused_without_its_password(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        parse_url(url)
    assert "secret" not in f"{refused.value} {refused.value.hint}"


# --- IMAP ----------------------------------------------------------------------------------------


@pytest.fixture
def imap() -> Iterator[Imap]:
    """A real IMAP server."""
    with imap_server() as server:
        yield server


@pytest.fixture
def office(tmp_path: Path, imap: Imap) -> Iterator[Office]:
    """Ann's mail is out, with an envelope sender of its own; bounces go to the IMAP server."""
    with open_office(
        tmp_path,
        bounce_address="bounces@news.example",
        bounces_url=SecretStr(imap.url),
    ) as office:
        office.enrol("ann", "ben")
        office.shop = replace(office.shop, mailer=Mailer(office.settings, sections()))
        yield office


def bounce(office: Office) -> bytes:
    """The bounce of Ann's mail."""
    office.plan()
    _, server = office.send()
    (mail,) = (mail for mail in server.received if READER in mail.rcpt_to)
    return dsn(mail.mail_from.partition("<")[2].partition(">")[0], READER)


def collected(office: Office, **settings: Any) -> list[str]:
    changed = office.settings.model_copy(update=settings)
    rows = bounces.collect(office.database, changed, lambda: NOW)
    return [row.done.action.value for row in rows]


def test_the_mailbox_is_read_once_and_keeps_its_mails(office: Office, imap: Imap) -> None:
    imap.deliver("one", bounce(office))
    imap.deliver("two", b"Subject: hello\n\nhello\n")
    assert sorted(collected(office)) == ["none", "suppressed"]
    assert imap.seen() == {"one", "two"}
    assert collected(office) == []
    assert [row.email_key for row in office.all(Suppression)] == [READER]


def test_nothing_is_marked_as_seen_that_was_not_committed(office: Office, imap: Imap) -> None:
    imap.deliver("one", bounce(office))
    office.sql("ALTER TABLE bounces RENAME TO gone")
    with pytest.raises(Exception, match=r"no such table|does not exist"):
        collected(office)
    assert imap.seen() == set()
    office.sql("ALTER TABLE gone RENAME TO bounces")
    assert collected(office) == ["suppressed"]
    assert imap.seen() == {"one"}


def test_more_mails_than_a_batch_are_all_read(office: Office, imap: Imap) -> None:
    for n in range(120):
        imap.deliver(f"{n}", b"Subject: %d\n\n" % n)
    assert collected(office) == ["none"] * 120
    assert len(imap.seen()) == 120


def test_trouble_with_the_mailbox_is_one_clear_error(office: Office, imap: Imap) -> None:
    wrong = {
        imap.url.replace("s%C3%A9cret", "guess"): "AUTHENTICATIONFAILED",
        imap.url.replace("INBOX", "Nowhere"): "no such mailbox",
        "imap://bounces:secret@127.0.0.1:9/INBOX": "refused",
    }
    for url, said in wrong.items():
        with pytest.raises((InputError, ConfigError)) as error:
            collected(office, bounces_url=SecretStr(url))
        assert said.lower() in error.value.message.lower()
        assert not {"secret", PASSWORD, "guess"} & set(error.value.message.split())


def test_the_command_without_a_path_reads_the_mailbox(
    digest: Front, imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    imap.deliver("one", b"Subject: hello\n\nhello\n")
    (digest.folder / "secret").write_text(imap.url + "\n")
    monkeypatch.setenv("DIGEST_BOUNCES_URL_FILE", str(digest.folder / "secret"))
    (row,) = digest("bounces", "--json").json
    assert (row["file"], row["class"]) == ("imap 1", "unrecognised")


# --- the daemon ----------------------------------------------------------------------------------


def served(office: Office, condition: Any) -> dict[str, State]:
    """The daemon's scheduler until ``condition`` comes true; how deliveries stand then."""

    async def main() -> None:
        stop = asyncio.Event()
        async with ScriptedServer() as server:
            shop = replace(office.shop, settings=office.mailing_to(server))
            task = asyncio.create_task(scheduler.serve(shop, lambda: NOW, stop))
            await asyncio.wait_for(until(condition), PATIENCE)
            stop.set()
            await task

    asyncio.run(main())
    return office.states()


def test_the_daemon_reads_the_mailbox_at_every_tick(office: Office, imap: Imap) -> None:
    imap.deliver("one", bounce(office))
    served(office, lambda: imap.seen() == {"one"})
    assert [row.reason for row in office.all(Suppression)] == ["hard-bounce"]


def test_trouble_with_the_mailbox_never_stops_the_mail(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    dead = "imap://bounces:secret@127.0.0.1:9/INBOX"
    office.resettle(bounces_url=SecretStr(dead))
    office.plan()
    states = served(
        office,
        lambda: set(office.states().values()) == {State.SENT} and "mailbox of" in caplog.text,
    )
    assert states == {"ann": State.SENT, "ben": State.SENT}
    assert "secret" not in caplog.text


def test_the_mode_of_a_folder_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(b"Subject: x\n\n")
    (tmp_path / "one").chmod(0o400)
    before = (tmp_path / "one").stat()
    rows(tmp_path)
    after = (tmp_path / "one").stat()
    assert (stat.S_IMODE(after.st_mode), after.st_mtime_ns) == (0o400, before.st_mtime_ns)
