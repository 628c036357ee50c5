"""Sending over live sockets: what becomes of each message when servers misbehave."""

import asyncio
import gc
import smtplib
import ssl
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.errors import ConfigError, StopRun
from digest.smtp import (
    Breaker,
    Mailbox,
    Meaning,
    Outcome,
    Pace,
    Reply,
    Sender,
    Server,
    Timeouts,
    Tls,
    Verdict,
    classify,
    parse_enhanced,
    parse_url,
)
from digest.smtp.breaker import REFUSALS
from digest.smtp.connection import transparent
from digest.smtp.replies import tidy
from tests.certificates import make_certificate
from tests.office import PATIENCE, until
from tests.scripted_smtp import Drop, Raw, Script, ScriptedServer, Step, Wait, nobody_listens

BODY = b"Subject: week\r\n\r\nHello\r\n"
LONG = BODY + (b"x" * 60_000 + b".\r\n") * 270  # more than sockets and buffers hold
FROM = "b+1@orchard.example"
ALICE, BOB = "alice@mail.example", "bob@mail.example"
QUICK = Timeouts(mail=1, rcpt=1, data=1, body=1, reply=1, reset=1)
"""For servers that say nothing; elsewhere a process that stands still for a moment counts."""


def soon() -> Pace:
    """Pauses as short as tests need them, and little patience."""
    return Pace(breaker=Breaker(first=0.01, cap=0.02, patience=0.1))


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a test's story, which must not take long whatever the server does."""

    async def limited() -> Any:
        async with asyncio.timeout(PATIENCE):
            return await coroutine

    return asyncio.run(limited())


def deliver(
    script: Script,
    *recipients: str,
    body: bytes = BODY,
    **settings: Any,
) -> tuple[list[Outcome], ScriptedServer]:
    """Send to each recipient in turn, over one connection at a time."""

    async def story() -> tuple[list[Outcome], ScriptedServer]:
        async with ScriptedServer(script) as server:
            options = {"connections": 1, **settings}
            async with Sender(server.server(), **options) as sender:
                outcomes = [await sender.send(FROM, each, body, yes) for each in recipients]
            return outcomes, server

    outcomes, server = run(story())
    return outcomes, server


def only(recipient: str, reply: str) -> Callable[[str], Step]:
    """A step for RCPT that concerns one recipient."""
    return lambda argument: reply if recipient in argument else None


class TestConnections:
    def test_one_connection_carries_many_messages(self) -> None:
        outcomes, server = deliver({}, ALICE, BOB, ALICE)
        assert [outcome.state for outcome in outcomes] == ["sent"] * 3
        assert outcomes[0] == Outcome("sent", 250, "2.0.0", "2.0.0 queued", "body")
        assert server.connections == 1
        assert server.verbs(1) == ["EHLO", *["MAIL", "RCPT", "DATA"] * 3, "QUIT"]

    def test_nothing_connects_before_there_is_something_to_send(self) -> None:
        _, server = deliver({})
        assert server.connections == 0

    def test_a_connection_is_replaced_after_its_share_of_messages(self) -> None:
        outcomes, server = deliver({}, *[ALICE] * 5, messages_per_connection=2)
        assert [outcome.state for outcome in outcomes] == ["sent"] * 5
        assert [server.verbs(n).count("DATA") for n in (1, 2, 3)] == [2, 2, 1]
        assert all(server.verbs(n)[-1] == "QUIT" for n in (1, 2, 3))

    @pytest.mark.parametrize("setting", ["max_age", "max_idle"])
    def test_an_old_or_idle_connection_is_not_used_again(self, setting: str) -> None:
        settings: dict[str, Any] = {setting: 0}
        outcomes, server = deliver({}, ALICE, BOB, **settings)
        assert [outcome.state for outcome in outcomes] == ["sent", "sent"]
        assert server.connections == 2

    def test_several_connections_work_at_once_and_no_more_than_allowed(self) -> None:
        async def story() -> tuple[list[str], int, list[str]]:
            async with ScriptedServer({".": lambda _: Wait(0.02, "250 ok")}) as server:
                async with Sender(server.server(), connections=3) as sender:
                    people = [f"u{n}@mail.example" for n in range(12)]
                    outcomes = await asyncio.gather(
                        *(sender.send(FROM, person, BODY, yes) for person in people)
                    )
                bodies = [message.rcpt_to for message in server.received]
                return [outcome.state for outcome in outcomes], server.connections, bodies

        states, connections, delivered = run(story())
        assert states == ["sent"] * 12
        assert connections == 3
        assert sorted(delivered) == sorted({f"u{n}@mail.example" for n in range(12)})

    def test_a_server_that_takes_one_connection_only_gets_one(self) -> None:
        async def story() -> tuple[list[str], int]:
            script = {".": lambda _: Wait(0.01, "250 ok")}
            async with ScriptedServer(script, max_connections=1) as server:
                async with Sender(server.server(), connections=4) as sender:
                    outcomes = await asyncio.gather(
                        *(sender.send(FROM, ALICE, BODY, yes) for _ in range(12))
                    )
                return [outcome.state for outcome in outcomes], len(server.accepted)

        assert run(story()) == (["sent"] * 12, 12)

    @pytest.mark.parametrize("farewell", ["421 4.3.2 enough", Drop(), Drop(reset=True)])
    def test_a_server_that_ends_an_old_connection_loses_nothing(self, farewell: Step) -> None:
        outcomes, server = deliver({"MAIL": [None, farewell]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["sent", "sent"]
        assert server.accepted == [ALICE, BOB]
        assert server.connections == 2

    def test_a_cancelled_message_takes_its_connection_along(self) -> None:
        """A reply that is still due must not be taken for the next message's."""

        async def story() -> tuple[Outcome, ScriptedServer]:
            async with ScriptedServer({"RCPT": [Wait(0.1, "550 5.1.1 who?")]}) as server:
                async with Sender(server.server(), connections=1) as sender:
                    sending = asyncio.create_task(sender.send(FROM, ALICE, BODY, yes))
                    await until(lambda: "RCPT" in server.verbs(1))
                    sending.cancel()
                    with pytest.raises(asyncio.CancelledError):
                        await sending
                    outcome = await sender.send(FROM, BOB, BODY, yes)
                return outcome, server

        outcome, server = run(story())
        assert outcome.state == "sent"
        assert server.accepted == [BOB]
        assert server.connections == 2

    def test_whoever_waits_for_a_connection_is_not_overtaken(self) -> None:
        """A task that goes on with its next message at once stands behind those that wait."""
        waiting = iter([ALICE, BOB, "c@people.example", "d@people.example"])

        async def carry(sender: Sender) -> None:
            for rcpt_to in waiting:
                await sender.send(FROM, rcpt_to, BODY, yes)

        async def story() -> list[str]:
            async with ScriptedServer() as server:
                async with (
                    Sender(server.server(), connections=1) as sender,
                    asyncio.TaskGroup() as group,
                ):
                    group.create_task(carry(sender))
                    group.create_task(carry(sender))
                return server.accepted

        assert run(story()) == [ALICE, BOB, "c@people.example", "d@people.example"]

    def test_a_message_cancelled_before_its_turn_leaves_no_ghost_of_a_connection(self) -> None:
        """A pool that believes in a connection nobody holds would wait for it for ever."""
        script: Script = {
            "CONNECT": [None, "554 gone"],
            "RCPT": "550 5.1.1 who?",
            "RSET": Wait(0.15, "250 ok"),
        }

        async def story() -> Outcome:
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=1, pace=soon()) as sender,
            ):
                await sender.send(FROM, ALICE, BODY, yes)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await sender.send(FROM, ALICE, BODY, yes)
                return await sender.send(FROM, ALICE, BODY, yes)

        assert run(story()).state == "failed"


class TestBrokenConnections:
    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "BODY"])
    @pytest.mark.parametrize("end", [Drop(), Drop(reset=True)])
    def test_a_connection_lost_before_the_final_dot_defers(self, verb: str, end: Drop) -> None:
        body = LONG if verb == "BODY" else BODY
        outcomes, server = deliver({verb: [end]}, ALICE, BOB, body=body)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert outcomes[0].code == 0
        assert outcomes[0].phase == ("data" if verb == "BODY" else verb.lower())
        assert outcomes[0].meaning is Meaning.CONNECTION
        assert server.accepted == [BOB]

    @pytest.mark.parametrize("end", [Drop(), Drop(reset=True)])
    def test_a_connection_lost_after_the_final_dot_is_unknown(self, end: Drop) -> None:
        outcomes, server = deliver({".": [end]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["unknown", "sent"]
        assert outcomes[0].phase == "body"
        assert server.connections == 2

    def test_no_answer_to_the_final_dot_is_unknown_and_a_late_one_is_nobody_elses(self) -> None:
        late = Wait(1.5, "550 5.1.1 no such user")
        outcomes, server = deliver({".": [late]}, ALICE, BOB, timeouts=QUICK)
        assert [outcome.state for outcome in outcomes] == ["unknown", "sent"]
        assert server.accepted == [BOB]

    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
    def test_no_answer_in_time_defers_and_the_connection_is_not_used_again(self, verb: str) -> None:
        outcomes, server = deliver({verb: [Wait(1.5, "250 late")]}, ALICE, BOB, timeouts=QUICK)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert server.accepted == [BOB]
        assert server.connections == 2
        assert "RSET" not in server.verbs(1)

    def test_a_server_that_stops_reading_the_body_defers(self) -> None:
        outcomes, server = deliver({"BODY": [Wait(3)]}, ALICE, body=LONG, timeouts=QUICK)
        assert outcomes[0].state == "deferred"
        assert outcomes[0].phase == "data"
        assert server.received == []

    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA"])
    @pytest.mark.parametrize("garbage", [b"hello\r\n", b"\x00\xff\xfe\r\n", b"2" * 9000 + b"\r\n"])
    def test_what_is_no_reply_defers(self, verb: str, garbage: bytes) -> None:
        outcomes, server = deliver({verb: [Raw(garbage)]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert server.accepted == [BOB]

    @pytest.mark.parametrize("garbage", [b"hello\r\n", b"354 more?\r\n"])
    def test_what_is_no_reply_to_the_final_dot_is_unknown(self, garbage: bytes) -> None:
        outcomes, _ = deliver({".": [Raw(garbage)]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["unknown", "sent"]

    def test_replies_in_many_pieces_and_many_lines_are_read(self) -> None:
        script: Script = {
            "RCPT": Raw(b"250-2.1.5 yes\r\n250-2.1.5 indeed\r\n250 2.1.5 ok\r\n", size=1),
            ".": Raw(b"250 2.0.0 queued\n"),
        }

        async def story() -> Outcome:
            async with (
                ScriptedServer(script) as server,
                Sender(server.server()) as sender,
            ):
                return await sender.send(FROM, ALICE, BODY, yes)

        assert run(story()).state == "sent"

    def test_a_reply_that_is_not_text_is_kept_readable(self) -> None:
        garbage = b"550 5.1.1 caf\xe9 \x00\x1b[31m " + b"z" * 3000 + b"\r\n"
        outcomes, _ = deliver({"RCPT": [Raw(garbage)]}, ALICE)
        assert outcomes[0].state == "failed"
        assert outcomes[0].reply_text.startswith("5.1.1 caf\ufffd  [31m zz")
        assert outcomes[0].reply_text.isprintable()
        assert len(outcomes[0].reply_text) == 500


class TestRefusals:
    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
    def test_a_4xx_defers_and_the_connection_serves_the_next(self, verb: str) -> None:
        outcomes, server = deliver({verb: ["451 4.4.1 later"]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert (outcomes[0].code, outcomes[0].enhanced) == (451, "4.4.1")
        assert outcomes[0].phase == ("body" if verb == "." else verb.lower())
        assert server.accepted == [BOB]
        assert server.connections == 1

    @pytest.mark.parametrize("verb", ["RCPT", "DATA", "."])
    def test_a_5xx_fails_this_recipient_only(self, verb: str) -> None:
        outcomes, server = deliver({verb: ["550 5.1.1 no such user"]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
        assert outcomes[0].meaning is Meaning.ADDRESS
        assert server.accepted == [BOB]
        assert server.connections == 1

    def test_a_5xx_to_the_sender_is_never_the_recipients_fault(self) -> None:
        outcomes, _ = deliver({"MAIL": ["550 5.1.8 bad sender"]}, ALICE, ALICE)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert outcomes[0].meaning is Meaning.POLICY

    @pytest.mark.parametrize("verb", ["MAIL", "RCPT", "DATA", "."])
    def test_a_421_defers_and_closes(self, verb: str) -> None:
        outcomes, server = deliver({verb: ["421 4.3.2 going down"]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert server.accepted == [BOB]
        assert server.connections == 2

    def test_a_503_closes_the_connection_and_defers(self) -> None:
        outcomes, server = deliver({"RCPT": ["503 5.5.1 nested MAIL"]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert server.connections == 2

    def test_no_body_is_sent_where_the_server_did_not_ask_for_it(self) -> None:
        outcomes, server = deliver({"DATA": ["250 ok"]}, ALICE, BOB)
        assert [outcome.state for outcome in outcomes] == ["deferred", "sent"]
        assert all("Subject" not in line for _, line in server.commands)
        assert server.connections == 2

    @pytest.mark.parametrize("answer", [Wait(1.5, "250 ok"), Drop(), "451 no"])
    def test_trouble_with_rset_hides_no_refusal_and_costs_no_mail(self, answer: Step) -> None:
        script: Script = {"RCPT": only(ALICE, "550 5.1.1 who?"), "RSET": answer}
        timeouts = QUICK if isinstance(answer, Wait) else Timeouts()
        outcomes, server = deliver(script, ALICE, BOB, timeouts=timeouts)
        assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
        assert server.connections == 2

    def test_rset_follows_a_refused_transaction_and_nothing_else(self) -> None:
        _, server = deliver({"RCPT": only(ALICE, "550 5.1.1 who?")}, BOB, BOB, ALICE, BOB)
        assert server.verbs(1).count("RSET") == 1

    def test_any_2xx_to_the_final_dot_is_acceptance(self) -> None:
        outcomes, _ = deliver({".": "251 forwarded"}, ALICE)
        assert (outcomes[0].state, outcomes[0].code) == ("sent", 251)

    @pytest.mark.parametrize(
        "address",
        ["a@b.example\r\nRCPT TO:<evil@x.example", "b@x.example> SIZE=1", "\ud800@x.example"],
    )
    def test_a_bad_address_fails_without_touching_the_server(self, address: str) -> None:
        outcomes, server = deliver({}, address, BOB)
        assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
        assert (outcomes[0].phase, outcomes[0].meaning) == ("address", Meaning.ADDRESS)
        assert server.verbs(1).count("MAIL") == 1

    def test_an_international_address_needs_a_server_that_takes_it(self) -> None:
        async def story(extensions: tuple[str, ...]) -> tuple[list[Outcome], list[str]]:
            async with ScriptedServer(extensions=extensions) as server:
                async with Sender(server.server(), connections=1) as sender:
                    outcomes = [
                        await sender.send(FROM, each, BODY, yes) for each in ("юзер@a.example", BOB)
                    ]
                return outcomes, [line for _, line in server.commands]

        outcomes, commands = run(story(()))
        assert [outcome.state for outcome in outcomes] == ["failed", "sent"]
        assert outcomes[0].meaning is Meaning.UNSUPPORTED
        assert sum(line.startswith("MAIL") for line in commands) == 1
        outcomes, commands = run(story(("SMTPUTF8",)))
        assert [outcome.state for outcome in outcomes] == ["sent", "sent"]
        assert f"MAIL FROM:<{FROM}> SMTPUTF8" in commands
        assert "RCPT TO:<юзер@a.example>" in commands


class TestMark:
    def marked(
        self, mark: Callable[[ScriptedServer], Callable[[], Awaitable[bool]]]
    ) -> tuple[list[Outcome], ScriptedServer]:
        async def story() -> tuple[list[Outcome], ScriptedServer]:
            async with ScriptedServer() as server:
                async with Sender(server.server(), connections=1) as sender:
                    outcomes = [await sender.send(FROM, ALICE, BODY, mark(server))]
                    outcomes.append(await sender.send(FROM, BOB, BODY, yes))
                return outcomes, server

        outcomes, server = run(story())
        return outcomes, server

    def test_a_message_is_marked_after_the_servers_354_and_before_its_body(self) -> None:
        seen: list[str] = []

        def mark(server: ScriptedServer) -> Callable[[], Awaitable[bool]]:
            async def record() -> bool:
                await asyncio.sleep(0.01)
                seen.extend([server.verbs(1)[-1], f"{len(server.received)} received"])
                return True

            return record

        outcomes, _ = self.marked(mark)
        assert outcomes[0].state == "sent"
        assert seen == ["DATA", "0 received"]

    def test_nothing_is_sent_where_the_mark_says_no(self) -> None:
        outcomes, server = self.marked(lambda _: no)
        assert [outcome.state for outcome in outcomes] == ["withdrawn", "sent"]
        assert [message.rcpt_to for message in server.received] == [BOB]
        assert server.connections == 2

    def test_nothing_is_sent_where_the_mark_cannot_be_made(self) -> None:
        """A full disk under the ledger must not let unrecorded mail out."""

        async def story() -> ScriptedServer:
            async def fail() -> bool:
                raise OSError("database or disk is full")

            async with ScriptedServer() as server:
                async with Sender(server.server(), connections=1) as sender:
                    with pytest.raises(OSError, match="disk is full"):
                        await sender.send(FROM, ALICE, BODY, fail)
                    assert (await sender.send(FROM, BOB, BODY, yes)).state == "sent"
                return server

        assert [message.rcpt_to for message in run(story()).received] == [BOB]

    def test_a_connection_that_breaks_while_marking_defers(self) -> None:
        async def story() -> tuple[Outcome, ScriptedServer]:
            async with ScriptedServer() as server:

                async def slow() -> bool:
                    server.hang_up()
                    await asyncio.sleep(0.5)  # so that the end of the connection is heard of
                    return True

                async with Sender(server.server(), connections=1) as sender:
                    return await sender.send(FROM, ALICE, BODY, slow), server

        outcome, server = run(story())
        assert outcome.state == "deferred"
        assert server.received == []


async def until_stopped(sender: Sender) -> tuple[list[str], StopRun]:
    """Send to Alice until the sender gives up; what became of her mail, and why it stopped."""
    states: list[str] = []
    try:
        while True:
            states.append((await sender.send(FROM, ALICE, BODY, yes)).state)
    except StopRun as stopped:
        return states, stopped


class TestStoppingTheRun:
    def scripted(self, script: Script, *, user: str = "", tls: Tls = Tls.NEVER) -> Any:
        async def story() -> tuple[StopRun, ScriptedServer]:
            extensions = ("AUTH PLAIN LOGIN",)
            async with ScriptedServer(script, extensions=extensions) as server:
                async with Sender(server.server(user=user, tls=tls), connections=1) as sender:
                    with pytest.raises(StopRun) as stopped:
                        await sender.send(FROM, ALICE, BODY, yes)
                    with pytest.raises(StopRun):
                        await sender.send(FROM, BOB, BODY, yes)
                return stopped.value, server

        return run(story())

    def test_refused_credentials_stop_the_run_after_one_try(self) -> None:
        stopped, server = self.scripted({"AUTH": "535 5.7.8 wrong password"}, user="digest")
        assert (stopped.code, stopped.enhanced, stopped.phase) == (535, "5.7.8", "auth")
        what = "refuses user and password: 535 5.7.8 wrong password"
        assert stopped.message == f"127.0.0.1:{server.port} {what}"
        assert "SMTP_URL" in stopped.hint
        assert server.connections == 1
        assert server.verbs(1).count("AUTH") == 1
        assert server.received == []

    def test_a_login_that_is_refused_for_another_reason_is_not_put_down_to_the_password(
        self,
    ) -> None:
        stopped, _ = self.scripted({"AUTH": "534 5.7.9 too weak"}, user="digest")
        assert "refuses the login: 534 5.7.9 too weak" in stopped.message

    def test_a_server_that_wants_credentials_we_have_not_stops_the_run(self) -> None:
        stopped, server = self.scripted({"MAIL": "530 5.7.0 authentication required"})
        assert stopped.code == 530
        assert server.connections == 1

    def test_starttls_that_is_required_and_not_offered_stops_the_run(self) -> None:
        stopped, server = self.scripted({}, tls=Tls.REQUIRE)
        assert "STARTTLS" in stopped.message
        assert stopped.hint
        assert server.verbs(1) == ["EHLO"]

    @pytest.mark.parametrize(
        ("user", "tls"), [("digest", Tls.NEVER), ("", Tls.REQUIRE)], ids=["password", "STARTTLS"]
    )
    def test_a_refusal_is_asked_for_and_told_once_however_many_connections(
        self, user: str, tls: Tls, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def one(sender: Sender, stop: asyncio.Event) -> str:
            try:
                return (await sender.send(FROM, ALICE, BODY, yes)).state
            except StopRun:
                stop.set()  # as a run does
                return "stopped"

        async def story() -> tuple[set[str], int]:
            stop, script = asyncio.Event(), {"AUTH": "535 5.7.8 wrong password"}
            async with ScriptedServer(script, extensions=("AUTH PLAIN",)) as server:
                ours = server.server(user=user, tls=tls)
                async with Sender(ours, connections=4, stop=stop) as sender:
                    states = await asyncio.gather(*(one(sender, stop) for _ in range(9)))
            return set(states), server.connections

        states, connections = run(story())
        gc.collect()  # an error that nobody asked for is told when its task goes
        assert "stopped" in states <= {"stopped", "withdrawn"}
        assert "never retrieved" not in caplog.text
        assert connections == 1

    def test_a_sender_address_that_cannot_be_is_never_the_recipients_fault(self) -> None:
        async def story() -> None:
            async with ScriptedServer() as server, Sender(server.server()) as sender:
                await sender.send("digest@localhost", ALICE, BODY, yes)

        with pytest.raises(StopRun, match="envelope sender"):
            run(story())

    def test_no_way_to_log_in_stops_the_run(self) -> None:
        async def story() -> StopRun:
            async with (
                ScriptedServer(extensions=("AUTH GSSAPI",)) as server,
                Sender(server.server(user="digest")) as sender,
            ):
                with pytest.raises(StopRun) as stopped:
                    await sender.send(FROM, ALICE, BODY, yes)
                return stopped.value

        stopped = run(story())
        assert stopped.phase == "auth"
        assert "leave ?starttls=never out of SMTP_URL" in stopped.hint
        assert "starttls=require" not in stopped.hint

    def test_credentials_that_are_taken_let_mail_through(self) -> None:
        async def story() -> tuple[str, list[str]]:
            async with ScriptedServer(extensions=("AUTH PLAIN",)) as server:
                async with Sender(server.server(user="digest")) as sender:
                    outcome = await sender.send(FROM, ALICE, BODY, yes)
                return outcome.state, [line for _, line in server.commands]

        state, commands = run(story())
        assert state == "sent"
        assert "AUTH PLAIN AGRpZ2VzdABzZWNyZXQ=" in commands

    def test_a_server_that_is_not_there_stops_the_run_at_once(self) -> None:
        """A wrong port, most likely; what a server in trouble needs is patience, not this."""

        async def story() -> tuple[list[str], StopRun]:
            with nobody_listens() as port:
                async with Sender(Server("127.0.0.1", port, tls=Tls.NEVER)) as sender:
                    return await until_stopped(sender)

        states, stopped = run(story())
        assert states == []
        assert "no connection to 127.0.0.1" in stopped.message
        assert "nothing listens there" in stopped.hint

    @pytest.mark.parametrize(
        ("greeting", "hint"),
        [
            ("554 5.7.1 go away", "look at the server"),
            (Drop(), "closed the connection"),
            (Raw(b"SSH-2.0-x\r\n"), "another service"),
            (Wait(1.5), "smtps://"),
        ],
    )
    def test_a_first_connect_that_cannot_be_right_stops_the_run_at_once(
        self, greeting: Step, hint: str
    ) -> None:
        async def story() -> tuple[list[str], StopRun]:
            timeouts = Timeouts(connect=1) if isinstance(greeting, Wait) else Timeouts()
            async with (
                ScriptedServer({"CONNECT": [greeting]}) as server,
                Sender(server.server(), timeouts=timeouts) as sender,
            ):
                return await until_stopped(sender)

        states, stopped = run(story())
        assert states == []
        assert stopped.phase == "connect"
        assert hint in stopped.hint

    def test_a_server_that_dislikes_us_fails_few_and_not_the_whole_audience(self) -> None:
        async def story() -> tuple[list[str], StopRun]:
            async with (
                ScriptedServer({"RCPT": "554 5.7.1 <a@b.example> relay access denied"}) as server,
                Sender(server.server(), connections=1, pace=soon()) as sender,
            ):
                return await until_stopped(sender)

        states, stopped = run(story())
        assert Counter(states)["failed"] == REFUSALS - 1
        assert set(states[REFUSALS:]) == {"deferred"}
        assert "relay access denied" in stopped.message
        assert "a@b.example" not in stopped.message

    def test_refusals_of_single_people_never_stop_a_run(self) -> None:
        script: Script = {"RCPT": only(ALICE, "550 5.7.1 not on this list")}
        outcomes, _ = deliver(script, *[ALICE, ALICE, BOB] * REFUSALS)
        assert [outcome.state for outcome in outcomes] == ["failed", "failed", "sent"] * REFUSALS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context for 127.0.0.1, and a client's that trusts it."""
    return make_certificate(tmp_path_factory.mktemp("certificate"))


Contexts = tuple[ssl.SSLContext, ssl.SSLContext]


class TestTls:
    async def send(self, server: ScriptedServer, tls: Tls, **settings: Any) -> Outcome:
        async with Sender(server.server(user="digest", tls=tls), **settings) as sender:
            return await sender.send(FROM, ALICE, BODY, yes)

    def test_credentials_and_mail_cross_only_after_starttls(self, certificate: Contexts) -> None:
        async def story() -> tuple[Outcome, list[str]]:
            async with ScriptedServer(tls=certificate[0], extensions=("AUTH PLAIN",)) as server:
                outcome = await self.send(server, Tls.REQUIRE, tls_context=certificate[1])
                return outcome, server.verbs(1)

        outcome, verbs = run(story())
        assert outcome.state == "sent"
        assert verbs == ["EHLO", "STARTTLS", "EHLO", "AUTH", "MAIL", "RCPT", "DATA", "QUIT"]

    def test_a_certificate_nobody_vouches_for_stops_the_run(self, certificate: Contexts) -> None:
        async def story() -> list[str]:
            async with ScriptedServer(tls=certificate[0], extensions=("AUTH PLAIN",)) as server:
                with pytest.raises(StopRun, match="no TLS"):
                    await self.send(server, Tls.REQUIRE)
                return server.verbs(1)

        assert run(story()) == ["EHLO", "STARTTLS"]

    @pytest.mark.parametrize(
        ("name", "days", "what"),
        [("127.0.0.1", -1, "expired"), ("other.example", 2, "mismatch")],
        ids=["expired", "for another name"],
    )
    def test_a_certificate_that_proves_nothing_stops_the_run_before_any_secret(
        self, tmp_path: Path, name: str, days: int, what: str
    ) -> None:
        ours, theirs = make_certificate(tmp_path, name, days)

        async def story(tls: Tls) -> tuple[StopRun, ScriptedServer]:
            async with ScriptedServer(tls=ours, extensions=("AUTH PLAIN",)) as server:
                with pytest.raises(StopRun) as stopped:
                    await self.send(server, tls, tls_context=theirs)
                return stopped.value, server

        stopped, server = run(story(Tls.REQUIRE))
        assert what in stopped.message
        assert "certificate" in stopped.hint
        assert server.verbs(1) == ["EHLO", "STARTTLS"]

    def test_on_the_loopback_starttls_is_used_where_offered_without_proof(
        self, certificate: Contexts
    ) -> None:
        async def story() -> tuple[Outcome, list[str]]:
            async with ScriptedServer(tls=certificate[0], extensions=("AUTH PLAIN",)) as server:
                return await self.send(server, Tls.AUTO), server.verbs(1)

        outcome, verbs = run(story())
        assert outcome.state == "sent"
        assert verbs[:3] == ["EHLO", "STARTTLS", "EHLO"]

    def test_a_refused_starttls_stops_the_run_and_a_temporary_one_is_waited_for(
        self, certificate: Contexts
    ) -> None:
        async def story(reply: str) -> Outcome:
            script: Script = {"STARTTLS": [reply]}
            plain = ("AUTH PLAIN",)
            async with ScriptedServer(script, tls=certificate[0], extensions=plain) as server:
                trust = certificate[1]
                return await self.send(server, Tls.REQUIRE, tls_context=trust, pace=soon())

        with pytest.raises(StopRun):
            run(story("501 5.5.4 no"))
        assert run(story("454 4.7.0 TLS not available")).state == "sent"

    def test_smtps_to_a_port_without_tls_never_sends_in_the_clear(self) -> None:
        async def story() -> tuple[str, ScriptedServer]:
            async with ScriptedServer() as server:
                with pytest.raises(StopRun) as stopped:
                    await self.send(server, Tls.IMPLICIT)
                return stopped.value.hint, server

        hint, server = run(story())
        assert "smtps://" in hint
        assert server.commands == [] or all("MAIL" not in line for _, line in server.commands)


class TestBodies:
    @pytest.mark.parametrize(
        "body",
        [
            b".\r\n",
            b"..\r\n.\r\n...\r\n",
            b"a\r\n.\r\nMAIL FROM:<evil@x.example>\r\n",
            b"\r\n",
            b"\r\n.",
            b"x" * 998 + b"\r\n",
            b"line\r\n" * 50_000,
        ],
    )
    def test_dots_at_the_start_of_lines_arrive_as_they_were(self, body: bytes) -> None:
        outcomes, server = deliver({}, ALICE, body=body)
        assert outcomes[0].state == "sent"
        whole = body if body.endswith(b"\r\n") else body + b"\r\n"
        assert [message.body for message in server.received] == [whole]

    @given(
        st.lists(st.sampled_from([b".", b"\r", b"\n", b"\r\n", b"a"]), max_size=40).map(b"".join)
    )
    def test_no_body_can_end_the_data_early(self, body: bytes) -> None:
        """SMTP smuggling: the only line of one dot is the one we write ourselves."""
        sent = transparent(body)
        assert sent.endswith(b"\r\n")
        assert sent.count(b"\r") == sent.count(b"\n") == sent.count(b"\r\n")
        assert b".\r\n" not in {line + b"\r\n" for line in sent.split(b"\r\n")}
        assert all(line.startswith(b"..") for line in sent.split(b"\r\n") if line[:1] == b".")


class TestReplies:
    @pytest.mark.parametrize(
        ("phase", "code", "text", "verdict", "meaning"),
        [
            ("rcpt", 550, "5.1.1 no such user", "person", "address"),
            ("rcpt", 550, "5.1.10 null MX", "person", "address"),
            ("rcpt", 556, "domain does not accept mail", "person", "address"),
            ("body", 550, "5.2.1 disabled", "person", "disabled"),
            ("rcpt", 550, "user unknown", "person", "unclear"),
            ("rcpt", 552, "5.2.2 over quota", "later", "full"),
            ("rcpt", 452, "4.2.2 mailbox full", "later", "full"),
            ("rcpt", 452, "mailbox full", "later", "full"),
            ("rcpt", 550, "5.7.1 blocked", "person", "policy"),
            ("body", 550, "5.7.515 sender not authenticated", "person", "policy"),
            ("body", 554, "rejected as spam", "person", "policy"),
            ("rcpt", 550, "5.1.8 bad sender", "person", "policy"),
            ("mail", 553, "sender rejected", "later", "policy"),
            ("mail", 552, "5.3.4 too big", "person", "message"),
            ("body", 552, "too big", "person", "message"),
            ("body", 554, "5.6.0 malformed", "person", "message"),
            ("rcpt", 501, "5.5.4 syntax", "person", "message"),
            ("mail", 503, "5.5.1 nested MAIL", "later", "desync"),
            ("rcpt", 421, "4.7.28 unusual rate", "later", "throttled"),
            ("body", 451, "[TSS04] try again later", "later", "throttled"),
            ("mail", 452, "too many connections", "later", "throttled"),
            ("rcpt", 451, "4.7.1 Greylisted, come back", "later", "greylisted"),
            ("rcpt", 450, "4.7.1 try in five minutes", "later", "greylisted"),
            ("rcpt", 452, "4.5.3 recipients", "later", "transient"),
            ("body", 451, "4.4.1 no route", "later", "transient"),
            ("auth", 535, "5.7.8 bad", "stop", "credentials"),
            ("auth", 454, "4.7.0 too many logins", "later", "throttled"),
            ("rcpt", 530, "5.7.0 authentication required", "stop", "credentials"),
            ("starttls", 502, "no", "stop", "tls"),
            ("starttls", 454, "4.7.0 not now", "later", "tls"),
            ("connect", 554, "no service", "later", "policy"),
            ("data", 250, "ok", "later", "desync"),
            ("mail", 0, "", "later", "connection"),
        ],
    )
    def test_each_reply_has_its_meaning(
        self, phase: str, code: int, text: str, verdict: str, meaning: str
    ) -> None:
        rule = classify(Reply(code, text, phase))
        assert (rule.verdict, rule.meaning) == (Verdict(verdict), Meaning(meaning))

    @given(st.integers(0, 999), st.text(max_size=40), st.sampled_from(["mail", "rcpt", "body"]))
    def test_every_reply_has_a_meaning_and_only_5xx_gives_up_on_a_person(
        self, code: int, text: str, phase: str
    ) -> None:
        rule = classify(Reply(code, tidy(text), phase))
        assert rule.verdict is not Verdict.PERSON or 500 <= code < 600
        assert rule.meaning is not Meaning.ADDRESS or phase != "mail"

    def test_an_enhanced_code_counts_only_at_the_head_and_in_agreement(self) -> None:
        assert parse_enhanced(550, "5.1.1 who?") == "5.1.1"
        assert parse_enhanced(550, "5.1.10") == "5.1.10"
        assert parse_enhanced(450, "5.1.1 who?") == ""
        assert parse_enhanced(550, "user 5.1.1 who?") == ""
        assert parse_enhanced(550, "5.1.1.1 is a host") == ""


class TestUrls:
    @pytest.mark.parametrize(
        ("url", "server"),
        [
            ("smtp://mail.example", Server("mail.example", 25)),
            ("smtp://mail.example:2525/", Server("mail.example", 2525)),
            ("smtps://mail.example", Server("mail.example", 465, tls=Tls.IMPLICIT)),
            ("smtp://[::1]:25", Server("::1", 25)),
            ("smtp://mail.example?starttls=require", Server("mail.example", 25, tls=Tls.REQUIRE)),
            ("smtp://mail.example?starttls=never", Server("mail.example", 25, tls=Tls.NEVER)),
            (
                "smtp://u%40x.example:p%2F%3A%40%25@mail.example",
                Server("mail.example", 587, "u@x.example", "p/:@%", Tls.REQUIRE),
            ),
            ("smtp://u:p@127.0.0.1", Server("127.0.0.1", 587, "u", "p", Tls.AUTO)),
            (
                "smtp://u:p@localhost:25?starttls=never",
                Server("localhost", 25, "u", "p", Tls.NEVER),
            ),
            ("smtps://u:p@mail.example", Server("mail.example", 465, "u", "p", Tls.IMPLICIT)),
        ],
    )
    def test_a_url_names_a_server_and_how_to_talk_to_it(self, url: str, server: Server) -> None:
        assert parse_url(url) == server

    @pytest.mark.parametrize(
        "url",
        [
            "",
            "mail.example:25",
            "http://mail.example",
            "smtp://",
            "smtp://mail.example:0",
            "smtp://mail.example:99999",
            "smtp://mail.example:port",
            "smtp://mail.example/path",
            "smtp://mail.example#top",
            "smtp://mail.example?starttls=maybe",
            "smtp://mail.example?tls=1",
            "smtps://mail.example?starttls=require",
            "smtp://u:hunter2@mail.example?starttls=never",
            "smtp://:hunter2@mail.example",
            "smtp://u:hunter2/x@mail.example",
            "smtp://mail.example\r\nhunter2",
            "smtp://[::1:25",
        ],
    )
    def test_a_url_that_cannot_work_is_refused_with_a_hint_and_without_its_password(
        self, url: str
    ) -> None:
        with pytest.raises(ConfigError) as refused:
            parse_url(url)
        assert refused.value.setting == "SMTP_URL"
        assert refused.value.hint
        assert "hunter2" not in f"{refused.value} {refused.value.hint}"

    def test_a_server_never_shows_its_password(self) -> None:
        server = parse_url("smtps://u:hunter2@mail.example")
        assert "hunter2" not in f"{server} {server!r}"
        assert str(server) == "mail.example:465"

    def test_only_this_machine_is_the_loopback(self) -> None:
        near = ("localhost", "LOCALHOST.", "127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1")
        far = (
            "mail.example",
            "128.0.0.1",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "::2",
        )
        assert all(Server(host, 25).is_loopback for host in near)
        assert not any(Server(host, 25).is_loopback for host in far)


class TestMailbox:
    def test_every_message_is_kept_as_a_file_with_exactly_its_bytes(self, tmp_path: Path) -> None:
        bodies = [BODY, BODY, b".\r\n..a\r\n", b"x\r\n" * 30_000, b"a.\r\n.b.\r\n", b"\r\n"]

        async def story() -> list[str]:
            async with Mailbox(tmp_path / "box") as server:
                assert server.is_loopback
                async with Sender(server) as sender:
                    outcomes = [await sender.send(FROM, ALICE, body, yes) for body in bodies]
            return [outcome.state for outcome in outcomes]

        assert run(story()) == ["sent"] * len(bodies)
        files = sorted((tmp_path / "box").iterdir())
        assert [file.read_bytes() for file in files] == bodies
        assert all(file.suffix == ".eml" and "alice" in file.name for file in files)

    def test_a_local_part_never_chooses_the_path(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with Mailbox(tmp_path) as server, Sender(server) as sender:
                for person in ("../../etc/passwd", "юзер", "a/b{|}~" * 6):
                    outcome = await sender.send(FROM, f"{person}@mail.example", BODY, yes)
                    assert outcome.state in {"sent", "failed"}

        run(story())
        names = [file.name for file in tmp_path.iterdir()]
        assert len(names) == 2
        assert all(name.isascii() and "/" not in name and name.endswith(".eml") for name in names)

    def test_a_folder_that_cannot_be_written_defers(self, tmp_path: Path) -> None:
        async def story() -> Outcome:
            async with Mailbox(tmp_path / "box") as server, Sender(server) as sender:
                (tmp_path / "box").rmdir()
                return await sender.send(FROM, ALICE, BODY, yes)

        outcome = run(story())
        assert (outcome.state, outcome.code) == ("deferred", 452)

    def test_any_mail_program_can_deliver_to_it(self, tmp_path: Path) -> None:
        def program(server: Server) -> None:
            with smtplib.SMTP(server.host, server.port, timeout=60) as client:
                client.sendmail("a@x.example", [BOB], BODY)
                client.docmd("DATA")
                assert client.docmd("DATA", "now")[0] == 501

        async def story() -> None:
            async with Mailbox(tmp_path) as server:
                await asyncio.to_thread(program, server)

        run(story())
        assert [file.read_bytes() for file in tmp_path.iterdir()] == [BODY]

    def test_a_connection_still_open_does_not_keep_it_from_closing(self, tmp_path: Path) -> None:
        async def story() -> None:
            async with Mailbox(tmp_path) as server:
                _, writer = await asyncio.open_connection(server.host, server.port)
            writer.close()

        run(story())
