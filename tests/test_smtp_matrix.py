"""Every way we know in which a server misbehaves: a defined outcome, and nobody else is touched.

Each case is a mail to Ben between one to Ann and one to Cem, over one connection at a time. The
table in docs/operations.md says the same to people, and is held to these cases.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
import uvloop

from digest.smtp import Breaker, Outcome, Pace, Sender, Timeouts
from tests.office import PATIENCE
from tests.scripted_smtp import Drop, Raw, Script, ScriptedServer, Step, Wait
from tests.test_docs import DOCS, chapter, rows

FROM = "digest@orchard.example"
ANN, BEN, CEM = (f"{name}@mail.example" for name in ("ann", "ben", "cem"))
BODY = b"Subject: week\r\n\r\nHello\r\n"
LARGE = BODY + (b"x" * 60_000 + b".\r\n") * 270  # more than sockets and buffers hold
QUICK = Timeouts(mail=1, rcpt=1, data=1, body=1, reply=1, reset=1)
"""For servers that say nothing; elsewhere a process that stands still for a moment counts."""
LATE = Wait(1.5, "250 2.0.0 too late")


@dataclass(frozen=True)
class Case:
    """What the server does to Ben's mail (its row in the table), and what becomes of it."""

    row: str
    verb: str
    step: Step
    state: str
    meaning: str | None
    counted: bool = True
    body: bytes = BODY

    def __str__(self) -> str:
        step = repr(self.step.data[:12]) if isinstance(self.step, Raw) else self.step
        return f"{self.row}: {step} to {self.verb}"

    @property
    def script(self) -> Script:
        """Misbehave towards Ben's mail only, every time."""
        name = "ben" if self.verb in {"MAIL", "RCPT"} else BEN
        return {self.verb: lambda argument: self.step if name in argument else None}


def silent(row: str, step: Step) -> list[Case]:
    """No answer that could be one, at each command and at the final dot."""
    before = [Case(row, verb, step, "deferred", "connection") for verb in ("MAIL", "RCPT", "DATA")]
    return [*before, Case(f"{row}, after the final dot", ".", step, "unknown", "connection")]


CASES = [
    *(
        case
        for end in (Drop(), Drop(reset=True))
        for case in silent("closes the connection without a word", end)
    ),
    *silent("answers too late, or never", LATE),
    *(
        case
        for garbage in (
            b"hello\r\n",
            b"\x00\xff\xfe\r\n",
            b"2" * 9000 + b"\r\n",
            b"250-" + b"y" * 40_000,
            b"999 what\r\n",
        )
        for case in silent("answers what is not SMTP", Raw(garbage))
    ),
    Case(
        "closes the connection within a body", "BODY", Drop(), "deferred", "connection", body=LARGE
    ),
    Case(
        "closes the connection within a body",
        "BODY",
        Drop(reset=True),
        "deferred",
        "connection",
        body=LARGE,
    ),
    Case("stops reading within a body", "BODY", Wait(3), "deferred", "connection", body=LARGE),
    *(
        Case(
            "421: closing, or too much",
            verb,
            "421 4.7.0 try later",
            "deferred",
            "throttled",
            counted=False,
        )
        for verb in ("MAIL", "RCPT", "DATA", ".")
    ),
    Case(
        "4xx: too much, too fast",
        "RCPT",
        "451 4.7.28 unusual rate",
        "deferred",
        "throttled",
        counted=False,
    ),
    Case("4xx: greylisting", "RCPT", "451 4.7.1 Greylisted, come back", "deferred", "greylisted"),
    Case("4xx, 552: mailbox full", "RCPT", "452 4.2.2 over quota", "deferred", "full"),
    Case("4xx, 552: mailbox full", "RCPT", "552 5.2.2 over quota", "deferred", "full"),
    *(
        Case("4xx: any other", verb, "451 4.4.1 later", "deferred", "transient")
        for verb in ("MAIL", "RCPT", "DATA", ".")
    ),
    *(
        Case("5xx: no such address", verb, "550 5.1.1 no such user", "failed", "address")
        for verb in ("RCPT", "DATA", ".")
    ),
    *(
        Case("5xx: mailbox disabled", verb, "550 5.2.1 disabled", "failed", "disabled")
        for verb in ("RCPT", "DATA", ".")
    ),
    *(
        Case("5xx: without a reason", verb, "550 no", "failed", "unclear")
        for verb in ("RCPT", "DATA", ".")
    ),
    *(
        Case("5xx: policy", verb, "550 5.7.1 we do not like you", "failed", "policy")
        for verb in ("RCPT", "DATA", ".")
    ),
    Case("5xx: our sender", "MAIL", "550 5.1.8 bad sender", "deferred", "policy", counted=False),
    Case("5xx: too large or malformed", "MAIL", "552 5.3.4 too big", "failed", "message"),
    Case("5xx: too large or malformed", ".", "554 5.6.0 malformed", "failed", "message"),
    *(
        Case(
            "503, or a code that does not fit", verb, "503 5.5.1 bad sequence", "deferred", "desync"
        )
        for verb in ("MAIL", "RCPT", "DATA")
    ),
    Case("503, or a code that does not fit", "DATA", "250 ok", "deferred", "desync"),
    Case("503, or a code that does not fit", "RCPT", "354 go", "deferred", "desync"),
    Case("354 to the final dot", ".", "354 more?", "unknown", "connection"),
    Case("replies twice", "MAIL", Raw(b"250 ok\r\n250 ok\r\n"), "deferred", None),
    Case("replies twice after the final dot", ".", Raw(b"250 ok\r\n250 ok\r\n"), "sent", None),
    Case(
        "replies in pieces, in many lines, with bare line feeds",
        "RCPT",
        Raw(b"250-2.1.5 a\n250-b\r\n250 c\n", 1),
        "sent",
        None,
    ),
    Case(
        "replies in pieces, in many lines, with bare line feeds",
        ".",
        Raw(b"250-a\r\n250 b\n", 1),
        "sent",
        None,
    ),
    Case(
        "replies in kilobytes, or not in UTF-8",
        "RCPT",
        Raw(b"550 5.1.1 caf\xe9 \x00" + b"z" * 8000 + b"\r\n"),
        "failed",
        "address",
    ),
    Case(
        "accepts in kilobytes, or not in UTF-8",
        ".",
        Raw(b"250 " + b"z" * 8000 + b"\xff\r\n"),
        "sent",
        None,
    ),
]


async def story(case: Case, extensions: tuple[str, ...]) -> tuple[list[Outcome], ScriptedServer]:
    pace = Pace(breaker=Breaker(first=0.01, cap=0.02, patience=5))
    async with ScriptedServer(case.script, extensions=extensions) as server:
        timeouts = QUICK if isinstance(case.step, Wait) else Timeouts()
        async with Sender(server.server(), connections=1, pace=pace, timeouts=timeouts) as sender:
            outcomes = [
                await sender.send(f"from-{rcpt}", rcpt, case.body if rcpt == BEN else BODY, _yes)
                for rcpt in (ANN, BEN, CEM)
            ]
        await asyncio.sleep(1 if case.step == LATE else 0)  # for the late reply to come
    return outcomes, server


async def _yes() -> bool:
    return True


def play(case: Case, extensions: tuple[str, ...]) -> tuple[list[Outcome], ScriptedServer]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # as real runs do
        return runner.run(asyncio.wait_for(story(case, extensions), PATIENCE))


@pytest.mark.parametrize("extensions", [(), ("PIPELINING",)], ids=["one by one", "in a group"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_what_befalls_one_mail_is_defined_and_touches_no_other(
    case: Case, extensions: tuple[str, ...]
) -> None:
    outcomes, server = play(case, extensions)
    ann, ben, cem = outcomes
    assert (ann.state, cem.state) == ("sent", "sent")
    assert server.accepted.count(ANN) == server.accepted.count(CEM) == 1
    assert ben.state == case.state
    assert case.meaning in {None, ben.meaning}
    assert ben.is_attempt is case.counted
    assert [one.rcpt_to for one in server.received if one.rcpt_to not in {ANN, CEM}] in (
        [[BEN]] if ben.state in {"sent", "unknown"} or ben.phase == "body" else [[], [""]]
    )
    assert ben.reply_text.isprintable()
    assert len(ben.reply_text) <= 500


def test_the_table_for_people_names_the_same_cases() -> None:
    told = {
        row[0]: (row[1].strip("`"), row[3])
        for row in rows(chapter(DOCS / "operations.md", "What servers do"))
        if row[1].startswith("`")
    }
    expected: dict[str, tuple[str, str]] = {}
    for case in CASES:
        sent = case.state == "sent"
        outcome = case.state if sent else f"{case.state}:{case.meaning or 'desync'}"
        expected[case.row] = (outcome, "yes" if case.counted else "no")
    assert told == expected


class TestGroups:
    """PIPELINING, RFC 2920."""

    def test_an_envelope_goes_in_one_group_and_the_body_waits_for_354(self) -> None:
        seen: list[list[str]] = []

        async def tell() -> tuple[Outcome, ScriptedServer]:
            async with ScriptedServer(extensions=("PIPELINING", "SIZE 1000")) as server:

                async def mark() -> bool:
                    seen.append(server.verbs(1))
                    return True

                async with Sender(server.server(), connections=1) as sender:
                    return await sender.send(FROM, BEN, BODY, mark), server

        outcome, server = asyncio.run(tell())
        assert outcome.state == "sent"
        assert seen == [["EHLO", "MAIL", "RCPT", "DATA"]]
        assert (1, f"MAIL FROM:<{FROM}> SIZE={len(BODY)}") in server.commands

    def test_a_354_after_a_refusal_is_answered_by_an_empty_message_that_reaches_nobody(
        self,
    ) -> None:
        case = Case("", "RCPT", "550 5.1.1 who?", "failed", "address")
        script = {**case.script, "DATA": "354 go ahead"}

        async def tell() -> tuple[list[Outcome], ScriptedServer]:
            async with ScriptedServer(script, extensions=("PIPELINING",)) as server:
                async with Sender(server.server(), connections=1) as sender:
                    said = [await sender.send(FROM, each, BODY, _yes) for each in (BEN, ANN)]
                return said, server

        outcomes, server = asyncio.run(tell())
        assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
        assert [(m.rcpt_to, m.body, m.accepted) for m in server.received] == [
            ("", b"", False),
            (ANN, BODY, True),
        ]
        assert server.connections == 1
        assert "RSET" not in server.verbs(1)

    @pytest.mark.parametrize("kind", ["loses", "drops"])
    def test_a_server_that_offers_groups_and_does_not_take_them_gets_none_again(
        self, kind: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("DEBUG", "digest")

        async def tell() -> tuple[list[Outcome], ScriptedServer]:
            script: Script = {"RCPT": [Drop()]} if kind == "drops" else {}
            server = ScriptedServer(script, extensions=("PIPELINING",))
            server.reads_one_command = kind == "loses"
            timeouts = QUICK if kind == "loses" else Timeouts()
            async with server:
                async with Sender(server.server(), connections=1, timeouts=timeouts) as sender:
                    said = [await sender.send(FROM, each, BODY, _yes) for each in (ANN, BEN)]
                return said, server

        outcomes, server = asyncio.run(tell())
        assert [outcome.state for outcome in outcomes] == ["sent", "sent"]
        assert server.accepted == [ANN, BEN]
        assert server.connections == 2
        assert "commands go one by one" in caplog.text
        assert "mail.example" not in caplog.text

    def test_once_it_has_worked_a_lost_connection_changes_nothing(self) -> None:
        script: Script = {"RCPT": [None, Drop()]}

        async def tell() -> list[str]:
            async with (
                ScriptedServer(script, extensions=("PIPELINING",)) as server,
                Sender(server.server(), connections=1) as sender,
            ):
                return [(await sender.send(FROM, each, BODY, _yes)).state for each in (ANN, BEN)]

        assert asyncio.run(tell()) == ["sent", "deferred"]


class TestSizes:
    def test_a_message_over_the_servers_limit_fails_without_being_offered(self) -> None:
        async def tell() -> tuple[list[Outcome], ScriptedServer]:
            async with ScriptedServer(extensions=(f"SIZE {len(BODY)}",)) as server:
                async with Sender(server.server(), connections=1) as sender:
                    bodies = (BODY + b"x", BODY, b"." + BODY[1:])
                    said = [await sender.send(FROM, BEN, body, _yes) for body in bodies]
                return said, server

        outcomes, server = asyncio.run(tell())
        assert [outcome.state for outcome in outcomes] == ["failed", "sent", "sent"]
        assert (outcomes[0].meaning, outcomes[0].code) == ("message", 0)
        assert server.verbs(1).count("MAIL") == 2

    @pytest.mark.parametrize("offer", ["SIZE", "SIZE 0", "SIZE lots"])
    def test_a_limit_that_is_none_forbids_nothing(self, offer: str) -> None:
        async def tell() -> str:
            async with (
                ScriptedServer(extensions=(offer,)) as server,
                Sender(server.server()) as sender,
            ):
                return (await sender.send(FROM, BEN, BODY, _yes)).state

        assert asyncio.run(tell()) == "sent"
