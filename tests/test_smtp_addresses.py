"""Good and bad addresses over a live socket: what was meant crosses the wire, or nothing does."""

from __future__ import annotations

import asyncio
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from digest.address import BadAddress, parse
from digest.errors import StopRun
from digest.smtp import Outcome, Sender
from tests.office import PATIENCE
from tests.scripted_smtp import ScriptedServer

FROM, BODY = "digest@orchard.example", b"Subject: week\r\n\r\nHello\r\n"


async def yes() -> bool:
    return True


def everything(folder: Path) -> list[str]:
    """Every address of three collections, good and bad."""
    isemail = ET.parse(folder / "isemail_tests.xml").getroot().iter("test")
    shown = [case.findtext("address") or "" for case in isemail]
    found = [re.sub("[\u2400-\u2432]", lambda c: chr(ord(c[0]) - 0x2400), text) for text in shown]
    tables = json.loads((folder / "email_validator_syntax_cases.json").read_text("utf-8"))
    found += [
        row[0]
        for table in tables.values()
        for row in table["rows"]
        if isinstance(row, list) and isinstance(row[0], str)
    ]
    for name in folder.glob("flanker_mailbox_*.txt"):
        found += [line for line in name.read_text("utf-8").splitlines() if line]
    return found


def offer(
    addresses: list[str], extensions: tuple[str, ...]
) -> tuple[list[Outcome], ScriptedServer]:
    async def story() -> tuple[list[Outcome], ScriptedServer]:
        async with ScriptedServer(extensions=extensions) as server:
            async with Sender(server.server(), connections=1) as sender:
                outcomes = [await sender.send(FROM, one, BODY, yes) for one in addresses]
            return outcomes, server

    return asyncio.run(asyncio.wait_for(story(), PATIENCE))


def wire_form(text: str) -> str | None:
    try:
        return str(parse(text))
    except BadAddress:
        return None


@pytest.mark.parametrize(
    "extensions", [("SMTPUTF8",), ("SMTPUTF8", "PIPELINING"), ()], ids=["utf8", "groups", "plain"]
)
def test_accepted_addresses_cross_as_they_were_meant_and_refused_ones_never_do(
    shared_data: Path, extensions: tuple[str, ...]
) -> None:
    addresses = everything(shared_data / "email_addresses")
    assert len(addresses) > 400
    outcomes, server = offer(addresses, extensions)
    meant = [form for text in addresses if (form := wire_form(text))]
    crossing = [form for form in meant if form.isascii() or "SMTPUTF8" in extensions]
    assert len(crossing) > 100
    assert server.accepted == crossing
    said = [line for _, line in server.commands if line.startswith("RCPT")]
    assert said == [f"RCPT TO:<{form}>" for form in crossing]
    verbs = {line.split()[0] for _, line in server.commands}
    assert verbs == {"EHLO", "MAIL", "RCPT", "DATA", "QUIT"}
    for text, outcome in zip(addresses, outcomes, strict=True):
        assert (outcome.state == "sent") is (wire_form(text) in set(crossing)), text
        if outcome.state != "sent":
            assert outcome.state == "failed"
            assert outcome.meaning in {"address", "unsupported"}


@pytest.mark.parametrize(
    "text",
    [
        "a@b.example\r\nDATA",
        "a@b.example\nRCPT TO:<evil@x.example>",
        "a\r@b.example",
        "a@b.example\x00",
        "a@b.example> SIZE=1 <",
        '"a b"@b.example',
        "a(comment)@b.example",
        "@relay.example:a@b.example",
        "a@[127.0.0.1]",
        "a" * 65 + "@b.example",
        "a@" + "b" * 250 + ".example",
        "a@" + ".".join(["b" * 60] * 5) + ".example",
        "a@b.example, c@d.example",
        "",
        "@",
    ],
)
def test_nothing_that_was_not_meant_reaches_the_wire_in_either_direction(text: str) -> None:
    outcomes, server = offer([text, "ann@mail.example"], ("PIPELINING",))
    assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
    assert server.accepted == ["ann@mail.example"]
    assert len(server.commands) == 5

    async def as_sender() -> None:
        async with ScriptedServer() as other, Sender(other.server()) as sender:
            with pytest.raises(StopRun):
                await sender.send(text, "ann@mail.example", BODY, yes)
            assert other.connections == 0

    asyncio.run(as_sender())


def test_an_international_domain_crosses_as_a_labels_and_needs_no_extension() -> None:
    outcomes, server = offer(["ann@bücher.example", "ann@faß.example"], ())
    assert [outcome.state for outcome in outcomes] == ["sent", "sent"]
    assert server.accepted == ["ann@xn--bcher-kva.example", "ann@xn--fa-hia.example"]
