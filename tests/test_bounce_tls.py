"""The mailbox of bounces under TLS: a real IMAP server, and what a listener on the wire sees."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from digest import bounces
from digest.bounces import Account, opened
from digest.config import Settings
from digest.database import Database
from digest.errors import ConfigError, DigestError, InputError
from digest.smtp import Server, Tls
from tests.certificates import make_certificate
from tests.conftest import Front
from tests.office import NOW
from tests.returned_mail import PASSWORD, Imap, Tap, imap_server

MAIL = b"Subject: hello\n\nhello\n"


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a certificate for 127.0.0.1."""
    folder = tmp_path_factory.mktemp("certificate")
    make_certificate(folder)
    return folder


@pytest.fixture
def imap(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Imap]:
    """An IMAP server with one mail, whose certificate this machine trusts."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate / "cert.pem"))
    with imap_server(certificate) as server:
        server.deliver("one", MAIL)
        yield server


def required(port: int, password: str = PASSWORD) -> Account:
    """The account as ``imap://`` and a host that is not this machine name it."""
    return Account(Server("127.0.0.1", port, "bounces", password, Tls.REQUIRE), "INBOX")


def read(account: Account) -> list[bytes]:
    with opened(account) as box:
        return [found.content.splitlines()[0] for found in box.read(box.unseen()).values()]


def nothing_said(tap: Tap) -> None:
    """Neither the password nor the user's name was on the wire, in any of the usual codings."""
    heard = b"".join(tap.kept)
    assert heard
    for word in (b"cret:", b"bounces", b"LOGIN", b"AUTHENTICATE"):
        assert word not in heard


# --- where it works ------------------------------------------------------------------------------


def test_imaps_reads_and_marks_mails_and_all_of_it_is_encrypted(
    imap: Imap, database: Database, settings: Settings
) -> None:
    with Tap(imap.tls_port) as tap:
        url = SecretStr(imap.at(tap.port, "imaps"))
        changed = settings.model_copy(update={"bounces_url": url})
        rows = list(bounces.collect(database, changed, lambda: NOW))
    assert [row.found.name for row in rows] == ["imap 1"]
    assert imap.seen() == {"one"}
    assert imap.logins(1) == ["TLS"]
    nothing_said(tap)


def test_starttls_reads_mails_and_says_nothing_before_it(imap: Imap) -> None:
    with Tap(imap.port) as tap:
        assert read(required(tap.port)) == [b"Subject: hello"]
    assert imap.logins(1) == ["TLS"]
    assert b"STARTTLS" in tap.kept[0]
    nothing_said(tap)


def test_on_the_loopback_starttls_is_used_where_offered_without_proof(
    imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    assert read(bounces.parse_url(imap.url)) == [b"Subject: hello"]
    assert imap.logins(1) == ["TLS"]


def test_check_opens_the_mailbox_as_the_daemon_would(
    imap: Imap, digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DIGEST_BOUNCES_URL", imap.at(imap.tls_port, "imaps"))
    assert "mailbox of bounces on" not in digest("check").out
    monkeypatch.delenv("SSL_CERT_FILE")
    assert "its certificate is refused" in " ".join(digest("check").out.split())
    assert imap.logins(2) == ["TLS"]
    assert imap.seen() == set()


# --- where it does not ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "days"), [("127.0.0.1", -1), ("other.example", 2)], ids=["expired", "other"]
)
@pytest.mark.parametrize("way", ["imaps", "starttls"])
def test_a_certificate_that_proves_nothing_is_refused_before_any_secret(
    tmp_path: Path, name: str, days: int, way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_certificate(tmp_path, name, days)
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "cert.pem"))
    with imap_server(tmp_path) as imap:
        with Tap(imap.tls_port if way == "imaps" else imap.port) as tap:
            url = imap.at(tap.port, "imaps")
            account = bounces.parse_url(url) if way == "imaps" else required(tap.port)
            with pytest.raises(InputError, match="certificate is refused") as refused:
                read(account)
        assert imap.logins(1) == []
    assert "expired" in refused.value.message or "mismatch" in refused.value.message
    assert "SSL_CERT_FILE" in refused.value.hint
    assert PASSWORD not in f"{refused.value.message} {refused.value.hint}"
    nothing_said(tap)


def test_a_certificate_that_nobody_vouches_for_is_refused(
    imap: Imap, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    for account in (bounces.parse_url(imap.at(imap.tls_port, "imaps")), required(imap.port)):
        with pytest.raises(InputError, match="certificate is refused: self-signed"):
            read(account)
    assert imap.logins(2) == []


def test_a_server_without_starttls_is_not_logged_in_to(certificate: Path) -> None:
    with imap_server() as imap, Tap(imap.port) as tap:
        with pytest.raises(InputError, match="does not offer STARTTLS") as refused:
            read(required(tap.port))
        assert imap.logins(1) == []
    assert "imaps://" in refused.value.hint
    nothing_said(tap)


def test_on_the_loopback_plain_text_will_do() -> None:
    with imap_server() as imap:
        imap.deliver("one", MAIL)
        assert read(bounces.parse_url(imap.url)) == [b"Subject: hello"]
        assert imap.logins(1) == ["plain"]


def test_imaps_to_a_port_without_tls_says_which_scheme_to_write(imap: Imap) -> None:
    with Tap(imap.port) as tap, pytest.raises(InputError) as refused:
        read(bounces.parse_url(imap.at(tap.port, "imaps")))
    assert "write imap://" in refused.value.hint
    nothing_said(tap)


# --- servers that lie ----------------------------------------------------------------------------


@contextmanager
def saying(*lines: bytes) -> Iterator[tuple[int, bytearray]]:
    """A server that greets with the first line and answers with the others, and what it hears.

    After the last it says no more, and listens till the other side has ended.
    """
    heard = bytearray()

    def serve(listening: socket.socket) -> None:
        connection, _ = listening.accept()
        with connection, connection.makefile("rb") as file:
            connection.sendall(lines[0])
            for line in lines[1:]:
                asked = file.readline()
                heard.extend(asked)
                connection.sendall(line.replace(b"TAG", asked.partition(b" ")[0]))
            connection.shutdown(socket.SHUT_WR)
            heard.extend(file.read())

    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0)))
        thread = threading.Thread(target=serve, args=(listening,))
        thread.start()
        stack.callback(thread.join)
        yield listening.getsockname()[1], heard


CAPABLE = b"* CAPABILITY IMAP4rev1 STARTTLS\r\nTAG OK done\r\n"


@pytest.mark.parametrize(
    "lines",
    [
        (b"* PREAUTH welcome\r\n", CAPABLE),
        (b"* OK\r\n", CAPABLE, b"TAG NO not today\r\n"),
        (b"* OK\r\n", CAPABLE, b"TAG OK go\r\n* CAPABILITY IMAP4rev1 AUTH=PLAIN\r\n"),
        (b"* OK\r\n", b"* CAPABILITY \xff\xfe\r\nTAG OK\r\n"),
        (b"+OK POP3 is ready\r\n",),
        (b"220 mail.example ESMTP\r\n",),
    ],
    ids=["logged in", "TLS refused", "words before TLS", "not text", "POP3", "SMTP"],
)
def test_whatever_a_server_makes_up_it_gets_no_password_without_tls(
    lines: tuple[bytes, ...],
) -> None:
    with (
        saying(*lines) as (port, heard),
        pytest.raises(InputError, match="the mailbox of bounces") as refused,
    ):
        read(required(port, "secret"))
    assert refused.value.hint
    assert b"secret" not in heard
    assert b"c2VjcmV0" not in heard


@pytest.mark.parametrize(
    ("capabilities", "password", "words"),
    [
        (b"LOGINDISABLED", "secret", "takes no password on this connection"),
        (b"IDLE", "s\u00e9cret", "not ASCII"),
    ],
)
def test_a_server_that_cannot_take_the_password_is_not_offered_it(
    capabilities: bytes, password: str, words: str
) -> None:
    told = b"* CAPABILITY IMAP4rev1 " + capabilities + b"\r\nTAG OK done\r\n"
    with saying(b"* OK\r\n", told) as (port, heard):
        account = Account(Server("127.0.0.1", port, "bounces", password, Tls.AUTO), "INBOX")
        with pytest.raises(ConfigError, match=words):
            read(account)
    assert b"LOGIN " not in heard


def test_login_quotes_user_and_password() -> None:
    told = b"* CAPABILITY IMAP4rev1\r\nTAG OK done\r\n"
    with saying(b"* OK\r\n", told, b"TAG NO [AUTHENTICATIONFAILED] no\r\n") as (port, heard):
        account = Account(Server("127.0.0.1", port, 'a "b"', "p\\w", Tls.AUTO), "INBOX")
        with pytest.raises(DigestError, match="AUTHENTICATIONFAILED"):
            read(account)
    assert b'LOGIN "a \\"b\\"" "p\\\\w"\r\n' in heard
