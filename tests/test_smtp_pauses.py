"""A server in trouble as a whole: the run pauses, says so, and goes on by itself."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections import Counter
from collections.abc import Coroutine
from datetime import timedelta
from typing import Any, TypeVar

import pytest

from digest.errors import StopRun
from digest.models import Run
from digest.smtp import Breaker, Domains, Outcome, Pace, Sender, Server, Timeouts
from tests.office import NOW, PATIENCE, counted, ended, open_office, serving, until
from tests.scripted_smtp import Drop, Script, ScriptedServer, Step, Wait

T = TypeVar("T")
FROM, BODY = "digest@orchard.example", b"Subject: week\r\n\r\nHello\r\n"
PEOPLE = [f"u{n:02}@{'ab'[n % 2]}.example" for n in range(30)]


FAST = {"pause_seconds": 0.02, "pause_cap_seconds": 0.05, "server_patience_seconds": 30}


async def yes() -> bool:
    return True


def pace(patience: float = 20, **more: object) -> Pace:
    return Pace(breaker=Breaker(first=0.02, cap=0.05, patience=patience), **more)  # type: ignore[arg-type]


async def send_all(sender: Sender, people: list[str] = PEOPLE) -> list[Outcome]:
    return list(await asyncio.gather(*(sender.send(FROM, who, BODY, yes) for who in people)))


def tell(story: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(asyncio.wait_for(story, PATIENCE))


class TestPauses:
    def test_everybody_waits_for_a_server_that_goes_away_and_comes_back(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "digest")

        async def story() -> tuple[list[str], ScriptedServer]:
            greetings: list[Step] = [None, *[Drop()] * 4, None]
            script: Script = {"CONNECT": greetings, "MAIL": [*[None] * 5, Drop()]}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=1, pace=pace()) as sender,
            ):
                return [outcome.state for outcome in await send_all(sender)], server

        states, server = tell(story())
        assert states == ["sent"] * 30
        assert Counter(server.accepted) == Counter(PEOPLE)
        said = [record.getMessage() for record in caplog.records]
        assert sum("sending pauses, next try in" in line for line in said) == 4
        assert "takes mail again" in said[-1]

    def test_one_connection_asks_a_server_in_trouble_and_the_others_wait_for_its_answer(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story() -> list[str]:
            script: Script = {"CONNECT": ["421 4.3.2 busy"] * 3}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=8, pace=pace()) as sender,
            ):
                return [outcome.state for outcome in await send_all(sender)]

        assert tell(story()) == ["sent"] * 30
        assert caplog.text.count("sending pauses") == 3, "each refusal is a pause of its own"

    @pytest.mark.parametrize(
        ("verb", "step"),
        [
            ("MAIL", "421 4.7.0 too much"),
            ("RCPT", "421 4.7.0 too much"),
            ("RCPT", Wait(1)),
            ("DATA", "452 4.3.1 no room"),
            (".", "451 4.3.0 queue"),
        ],
        ids=str,
    )
    def test_the_same_trouble_five_times_in_a_row_is_the_servers(
        self, verb: str, step: Step, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Five mails meet it, and whoever waited behind them meets nothing."""

        async def story() -> list[Outcome]:
            async with ScriptedServer({verb: [step] * 6}) as server:
                timeouts = Timeouts(rcpt=0.5) if isinstance(step, Wait) else Timeouts()
                async with Sender(
                    server.server(), connections=1, timeouts=timeouts, pace=pace()
                ) as sender:
                    return await send_all(sender)

        outcomes = tell(story())
        states = Counter(outcome.state for outcome in outcomes)
        assert states["sent"] >= 30 - 6
        assert "sending pauses" in caplog.text

    def test_one_domains_421_pauses_the_domain_and_not_the_run(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story() -> list[Outcome]:
            script: Script = {"RCPT": lambda a: "421 4.7.28 slow" if "@a." in a else None}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=1, pace=pace()) as sender,
            ):
                return await send_all(sender)

        outcomes = tell(story())
        by_domain = {"a": Counter[str](), "b": Counter[str]()}
        for who, outcome in zip(PEOPLE, outcomes, strict=True):
            by_domain[who[4]][f"{outcome.state} {outcome.meaning}"] += 1
        assert by_domain["b"] == {"sent None": 15}
        assert by_domain["a"] == {"deferred throttled": 3, "deferred domain-paused": 12}
        assert not any(o.is_attempt for o in outcomes if o.state == "deferred")
        assert all(o.wait >= 299 for o in outcomes if o.meaning == "domain-paused")
        assert "sending pauses" not in caplog.text

    def test_a_burst_of_deferrals_is_one_pause_of_the_domain(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level(logging.INFO, "digest")

        async def story() -> list[Outcome]:
            script: Script = {"RCPT": lambda _: Wait(0.05, "451 4.4.1 busy")}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=10, pace=pace()) as sender,
            ):
                await send_all(sender, [f"u{n}@a.example" for n in range(10)])
                return await send_all(sender, [f"v{n}@a.example" for n in range(49)])

        outcomes = tell(story())
        assert {outcome.meaning for outcome in outcomes} == {"domain-paused"}
        assert all(298 < outcome.wait <= 375 for outcome in outcomes)
        assert caplog.text.count("left alone for 300 s") == caplog.text.count("left alone") == 1

    def test_greylisting_is_no_trouble_of_a_domain(self) -> None:
        async def story() -> list[Outcome]:
            script: Script = {"RCPT": lambda _: "451 4.7.1 greylisted"}
            async with ScriptedServer(script) as server, Sender(server.server()) as sender:
                return await send_all(sender)

        outcomes = tell(story())
        assert {outcome.meaning for outcome in outcomes} == {"greylisted"}

    def test_patience_has_an_end_and_the_rest_is_told_so(self) -> None:
        async def story() -> tuple[list[str], StopRun]:
            script: Script = {"CONNECT": [None, *["421 4.3.2 down"] * 99], "MAIL": [None, Drop()]}
            states: list[str] = []
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=1, pace=pace(0.2)) as sender,
            ):
                for who in PEOPLE:
                    try:
                        states.append((await sender.send(FROM, who, BODY, yes)).state)
                    except StopRun as stopped:
                        return states, stopped
            raise AssertionError(states)

        states, stopped = tell(story())
        assert states == ["sent"]
        assert "takes no mail" in stopped.message
        assert "still unsent" in stopped.hint

    def test_a_doubt_stays_a_doubt_though_it_ends_the_run(self) -> None:
        """The mail may have arrived: that the run ends with it says nothing else."""

        async def story() -> list[str]:
            async with (
                ScriptedServer({".": Drop()}) as server,
                Sender(server.server(), connections=1, pace=pace(0)) as sender,
            ):
                few = PEOPLE[:5]
                states = [(await sender.send(FROM, who, BODY, yes)).state for who in few]
                with pytest.raises(StopRun, match="takes no mail: "):
                    await sender.send(FROM, PEOPLE[5], BODY, yes)
            return [str(state) for state in states]

        assert tell(story()) == ["unknown"] * 5

    def test_a_login_refused_for_now_is_tried_at_most_once_a_minute(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def story() -> tuple[list[Any], int]:
            stop = asyncio.Event()
            script: Script = {"AUTH": "454 4.7.0 too many logins"}
            async with ScriptedServer(script, extensions=("AUTH PLAIN",)) as server:
                ours = server.server(user="digest")
                async with Sender(ours, connections=8, pace=pace(999), stop=stop) as sender:
                    sending = asyncio.create_task(send_all(sender))
                    await until(lambda: "next try in 60 s" in caplog.text)
                    stop.set()
                    states = [outcome.state for outcome in await sending]
                return states, sum(line.startswith("AUTH") for _, line in server.commands)

        assert tell(story()) == (["withdrawn"] * 30, 1)

    def test_a_stop_ends_the_silence_of_a_first_connect(self) -> None:
        async def story() -> str:
            stop = asyncio.Event()
            script: Script = {"CONNECT": Wait(10 * PATIENCE)}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), stop=stop) as sender,
            ):
                sending = asyncio.create_task(sender.send(FROM, PEOPLE[0], BODY, yes))
                await until(lambda: server.connections)
                stop.set()
                return (await asyncio.wait_for(sending, PATIENCE / 4)).state

        assert tell(story()) == "withdrawn"


class TestPacing:
    def test_messages_keep_to_the_rate_over_all_connections(self) -> None:
        async def story() -> float:
            at: list[float] = []
            loop = asyncio.get_running_loop()
            script: Script = {"MAIL": lambda _: at.append(loop.time())}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=5, pace=pace(rate=40)) as sender,
            ):
                began = loop.time()
                await send_all(sender, PEOPLE[:20])
            return at[-1] - began

        assert tell(story()) >= 19 / 40

    def test_a_domain_over_its_rate_waits_and_others_do_not(self) -> None:
        known = Domains(per_minute=5, base=300, cap=600, jitter=lambda: 0)

        async def story() -> list[Outcome]:
            async with (
                ScriptedServer() as server,
                Sender(server.server(), pace=pace(domains=known)) as sender,
            ):
                people = [*PEOPLE[::2], *[f"x@{n}.example" for n in range(20)]]
                return await send_all(sender, people)

        outcomes = tell(story())
        assert Counter(outcome.state for outcome in outcomes) == {"sent": 25, "deferred": 10}
        minutes = (math.ceil(outcome.wait / 60) for outcome in outcomes if outcome.wait)
        assert sorted(minutes) == [1] * 5 + [2] * 5

    def test_throttling_halves_the_connections_and_success_brings_them_back(self) -> None:
        async def story() -> tuple[int, int]:
            script: Script = {"RCPT": [*[None] * 20, *["421 4.7.0 busy"] * 3]}
            async with (
                ScriptedServer(script) as server,
                Sender(server.server(), connections=8, pace=pace()) as sender,
            ):
                await send_all(sender)
                narrow = sender._pool.width.now
                for _ in range(14):
                    await send_all(sender)
                return narrow, sender._pool.width.now

        narrow, wide = tell(story())
        assert narrow < 8
        assert wide == 8


class TestWholeRuns:
    """Through the ledger."""

    def test_a_server_down_for_long_costs_nobody_their_mail_or_an_attempt(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with open_office(tmp_path_factory.mktemp("down"), connections=3, **FAST) as office:
            office.enrol(*[f"user{n:02}" for n in range(30)])
            office.plan()
            down: list[Step] = [None, None, None, *[Drop()] * 12]
            report, server = office.send({"CONNECT": down, "RCPT": [*[None] * 9, *[Drop()] * 3]})
            assert report.stopped is None
            _, rest = office.send(now=NOW + timedelta(hours=1))
            everybody = Counter(server.accepted + rest.accepted)
            assert len(everybody) == 30
            assert set(everybody.values()) == {1}
            assert counted(office.states()) == {"sent": 30}
            attempts = Counter(row.attempts for row in office.rows().values())
            assert attempts[1] >= 27, "only who was on the wire when it broke has a second one"

    def test_a_run_that_ran_out_of_patience_leaves_everybody_pending(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        settings = {**FAST, "server_patience_seconds": 0.1}
        with open_office(tmp_path_factory.mktemp("out"), connections=1, **settings) as office:
            office.enrol(*[f"user{n:02}" for n in range(10)])
            office.plan()
            greetings: list[Step] = [None, *["421 4.3.2 down"] * 200]
            report, _ = office.send({"CONNECT": greetings, "MAIL": [None, None, Drop()]})
            assert isinstance(report.stopped, StopRun)
            assert not report.never_began
            assert counted(office.states()) == {"sent": 2, "pending": 8}
            assert {row.attempts for row in office.rows().values()} == {0, 1}

    def test_what_a_domain_was_told_is_kept_from_run_to_run(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with open_office(tmp_path_factory.mktemp("kept"), connections=1) as office:
            office.enrol(*[f"user{n}" for n in range(6)])
            office.plan()
            report, _ = office.send({"RCPT": "450 4.7.28 slow down"})
            assert report.states == {("deferred", "throttled"): 3, ("deferred", "domain-paused"): 3}
            rows = office.rows().values()
            assert {row.attempts for row in rows} == {0}
            assert all(row.next_attempt_at > NOW for row in rows)
            again, server = office.send(now=NOW + timedelta(minutes=10))
            assert again.states == {("deferred", "domain-paused"): 6}
            assert server.received == []

    def test_a_stop_during_a_pause_ends_the_run_with_everybody_pending(
        self, tmp_path_factory: pytest.TempPathFactory
    ) -> None:
        with (
            open_office(tmp_path_factory.mktemp("stop")) as office,
            serving({"CONNECT": "421 4.3.2 down"}) as server,
        ):
            office.enrol(*[f"user{n}" for n in range(4)])
            sending = office.start("send", "--week", "2026-W46", port=server.port)
            assert sending.stderr is not None
            lines = iter(sending.stderr.readline, "")
            assert any("next try in 30 s" in line or "sending" in line for line in lines)
            sending.terminate()
            done = ended(sending)
            assert done.code == 130
            assert counted(office.states()) == {"pending": 4}
            (one,) = office.all(Run)
            assert one.outcome == "done"


@pytest.mark.parametrize("host", ["no-such-host.invalid"])
def test_a_host_that_does_not_exist_stops_the_run_with_a_hint(
    host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: object, **__: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)

    async def story() -> StopRun:
        async with Sender(Server(host, 25)) as sender:
            with pytest.raises(StopRun) as stopped:
                await sender.send(FROM, PEOPLE[0], BODY, yes)
            return stopped.value

    stopped = tell(story())
    assert "not known" in stopped.hint
