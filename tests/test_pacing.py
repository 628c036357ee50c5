"""The arithmetic of pacing and pauses, over times that Hypothesis makes up."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque

from hypothesis import given
from hypothesis import strategies as st

from digest.smtp.breaker import REFUSALS, TROUBLES, Breaker
from digest.smtp.pacing import GROWTH, STRIKES, Domains, Rate, Standing, Width

GAP = st.floats(0, 40)
GAPS = st.lists(GAP, min_size=1, max_size=200)
HERE, THERE = "mail.example", "other.example"


def times(gaps: list[float]) -> list[float]:
    now, found = 1000.0, []
    for gap in gaps:
        now += gap
        found.append(now)
    return found


def domains(per_minute: int = 0, base: float = 300, cap: float = 14_400) -> Domains:
    return Domains(per_minute=per_minute, base=base, cap=cap, jitter=lambda: 0)


class TestRate:
    @given(GAPS, st.floats(0.1, 50), st.floats(0.1, 60))
    def test_no_span_of_time_holds_more_than_its_rate(
        self, gaps: list[float], per_second: float, span: float
    ) -> None:
        rate = Rate(per_second)
        begins = [now + rate.turn(now) for now in times(gaps)]
        for first, begin in enumerate(begins):
            within = bisect_left(begins, begin + span) - first
            assert within <= per_second * span + 1 + 1e-6

    @given(GAPS, st.floats(0.1, 50))
    def test_nobody_waits_longer_than_those_before_need(
        self, gaps: list[float], per_second: float
    ) -> None:
        rate = Rate(per_second)
        for before, now in enumerate(times(gaps)):
            assert 0 <= rate.turn(now) <= before / per_second + 1e-6

    def test_zero_is_no_limit(self) -> None:
        rate = Rate(0)
        assert {rate.turn(0) for _ in range(100)} == {0}


class TestWidth:
    def test_one_bad_moment_halves_once_though_everybody_reports_it(self) -> None:
        width = Width(10)
        for _ in range(10):
            width.narrow(busy=10)
        assert width.now == 5
        width.narrow(busy=5)
        assert width.now == 2

    @given(st.lists(st.booleans(), max_size=600), st.integers(1, 100))
    def test_it_stays_between_one_and_the_most_and_recovers(
        self, accepted: list[bool], most: int
    ) -> None:
        width = Width(most)
        for good in accepted:
            width.widen() if good else width.narrow(busy=width.now)
            assert 1 <= width.now <= most
        for _ in range(GROWTH * most):
            width.widen()
        assert width.now == most

    def test_a_server_that_takes_fewer_gets_one_more_after_many_successes(self) -> None:
        width = Width(10)
        width.limit(1)
        for _ in range(GROWTH - 1):
            width.widen()
        assert width.now == 1
        width.widen()
        assert width.now == 2


class TestDomains:
    @given(GAPS, st.integers(1, 20))
    def test_no_minute_holds_more_than_its_share(self, gaps: list[float], most: int) -> None:
        known = domains(most)
        went = [now for now in times([gap / 10 for gap in gaps]) if known.hold(HERE, now) == 0]
        for first, begin in enumerate(went):
            assert bisect_left(went, begin + 60 - 1e-6) - first <= most

    @given(st.integers(1, 10), st.integers(1, 60))
    def test_whoever_comes_back_when_told_to_is_served_in_the_end(
        self, most: int, people: int
    ) -> None:
        known, due, served = domains(most), [(0.0, n) for n in range(people)], 0
        for _ in range(people * 10):
            if not due:
                break
            now, who = due.pop(0)
            wait = known.hold(HERE, now)
            served += wait == 0
            if wait:
                due = sorted([*due, (now + wait, who)])
        assert served == people

    def test_a_domain_that_defers_waits_twice_as_long_each_time_and_others_do_not(self) -> None:
        known, now, pauses = domains(cap=1000), 0.0, []
        for _ in range(STRIKES - 1):
            assert known.hold(HERE, now) == 0
            assert known.trouble(HERE, now) == 0
        for _ in range(4):
            assert known.hold(HERE, now) == 0, "one asks"
            pauses.append(known.trouble(HERE, now))
            assert known.hold(HERE, now) == pauses[-1]
            assert known.hold(THERE, now) == 0
            now += pauses[-1]
        assert pauses == [300, 600, 1000, 1000]

    def test_one_mail_asks_after_a_pause_and_a_success_lets_all_go(self) -> None:
        known = domains()
        for _ in range(STRIKES):
            known.trouble(HERE, 0)
        assert [known.hold(HERE, 300) > 0 for _ in range(3)] == [False, True, True]
        known.success(HERE)
        assert [known.hold(HERE, 301) for _ in range(3)] == [0, 0, 0]

    def test_a_mail_that_asked_and_never_came_back_is_replaced_by_another(self) -> None:
        known = domains()
        for _ in range(STRIKES):
            known.trouble(HERE, 0)
        assert known.hold(HERE, 300) == 0
        assert known.hold(HERE, 330) > 0
        assert known.hold(HERE, 361) == 0

    def test_recovery_takes_back_one_doubling_at_a_time(self) -> None:
        known = domains()
        for _ in range(STRIKES):
            known.trouble(HERE, 0)
        assert known.trouble(HERE, 300) == 600
        known.success(HERE)
        assert known.trouble(HERE, 1000) == 600, "a single deferral is enough now"
        known.success(HERE)
        known.success(HERE)
        assert known.trouble(HERE, 2000) == 0, "it is trusted again"

    @given(st.lists(st.tuples(st.booleans(), st.floats(0, 5000)), max_size=100))
    def test_no_pause_is_longer_than_the_cap_and_it_always_ends(
        self, answers: list[tuple[bool, float]]
    ) -> None:
        known, now = domains(cap=1000), 0.0
        for good, gap in answers:
            now += gap
            if known.hold(HERE, now) == 0:
                known.success(HERE) if good else known.trouble(HERE, now)
            assert known.hold(HERE, now) <= 1000 + 1e-6
        assert known.hold(HERE, now + 1100) == 0

    def test_what_was_under_way_when_a_pause_began_does_not_lengthen_it(self) -> None:
        known = domains()
        assert [known.trouble(HERE, n / 10) for n in range(10)] == [0, 0, 300, *[0] * 7]
        assert known.hold(HERE, 301) == 0, "one asks"
        assert [known.trouble(HERE, 302 + n) for n in range(3)] == [600, 0, 0]

    @given(st.floats(0, 1, exclude_max=True), st.integers(1, 8), st.floats(0, 2000))
    def test_no_wait_is_longer_than_the_cap_whatever_is_added_at_random(
        self, random: float, pauses: int, gap: float
    ) -> None:
        known, now = Domains(per_minute=0, base=300, cap=1000, jitter=lambda: random), 0.0
        for _ in range(pauses * STRIKES):
            known.hold(HERE, now)
            known.trouble(HERE, now)
            assert known.hold(HERE, now) <= 1000
            now += gap

    @given(GAPS, st.integers(2, 5), st.integers(1, 4), st.data())
    def test_processes_side_by_side_keep_to_the_rate_with_what_was_dealt_to_them(
        self, gaps: list[float], share: int, processes: int, data: st.DataObject
    ) -> None:
        together, went, now = domains(share * processes), [], 0.0
        for some in (gaps, gaps):
            each, dealt = [domains(share) for _ in range(processes)], together.dealt(processes, now)
            for one, mine in zip(each, dealt, strict=True):
                one.take(mine)
            for gap in some:
                now += gap / 10
                if data.draw(st.sampled_from(each)).hold(HERE, now) == 0:
                    went.append(now)
            together.learn(list(zip(dealt, (one.known() for one in each), strict=True)), now)
        for first, begin in enumerate(went):
            assert bisect_left(went, begin + 60 - 1e-6) - first <= share * processes

    @given(st.integers(1, 9), st.integers(1, 5), st.lists(GAP, max_size=9), st.integers(0, 20))
    def test_nothing_that_matters_is_lost_by_dealing(
        self, level: int, processes: int, recent: list[float], waiting: int
    ) -> None:
        known, here = Standing(100.0, level, True, 2, waiting, deque(sorted(recent))), domains()
        here.take({HERE: known, THERE: Standing()})
        dealt = here.dealt(processes, 50)
        assert all(one[HERE].until == 100 for one in dealt), "paused for everybody"
        here.learn([(one, one) for one in dealt], 50)
        assert here.known() == {HERE: known}

    @given(st.integers(1, 3), st.integers(0, 4), st.data())
    def test_of_a_pause_those_tell_who_met_the_domain(
        self, level: int, others: int, data: st.DataObject
    ) -> None:
        """One process had successes, or a new deferral; the others have a copy of before."""
        here = domains()
        here.take({HERE: Standing(100.0, level)})
        dealt = here.dealt(others + 1, 200)
        one = domains()
        one.take(dealt[0])
        assert one.hold(HERE, 200) == 0
        pause = data.draw(st.sampled_from([0, 1]))
        for _ in range(level):
            one.success(HERE)
        for _ in range(pause * STRIKES):
            one.trouble(HERE, 200)
        here.learn([(dealt[0], one.known()), *((copy, copy) for copy in dealt[1:])], 201)
        assert here.hold(HERE, 201) == one.hold(HERE, 201)
        assert bool(here.known()) == bool(pause)

    def test_domains_at_rest_are_forgotten(self) -> None:
        known = domains(1)
        for n in range(25_000):
            known.hold(f"{n}.example", n)
        assert len(known._known) <= 10_001


class TestBreaker:
    def test_pauses_double_up_to_the_cap_and_one_message_asks_after_each(self) -> None:
        breaker, now, pauses = Breaker(30, 100, 10_000), 0.0, []
        for _ in range(4):
            pauses.append(breaker.trip(now))
            assert breaker.hold(now) == pauses[-1]
            now += pauses[-1]
            assert breaker.hold(now) == 0
            assert breaker.hold(now) is None, "the others wait for its answer"
        assert pauses == [30, 60, 100, 100]

    def test_what_was_under_way_does_not_lengthen_a_pause(self) -> None:
        breaker = Breaker(30, 900, 10_000)
        assert [breaker.trip(0), breaker.trip(1), breaker.trip(29)] == [30, 0, 0]
        assert breaker.trip(30) == 60

    def test_a_success_ends_all_of_it(self) -> None:
        breaker = Breaker(30, 900, 10_000)
        breaker.trip(0)
        breaker.close()
        assert breaker.hold(1) == 0
        assert breaker.is_closed
        assert breaker.trip(2) == 30

    def test_it_takes_some_in_a_row_to_believe_it(self) -> None:
        breaker = Breaker()
        assert [breaker.is_trouble() for _ in range(TROUBLES)] == [False] * (TROUBLES - 1) + [True]
        breaker.close()
        assert not breaker.is_trouble()
        refused = [breaker.is_trouble(refusal=True) for _ in range(REFUSALS)]
        assert refused == [False] * (REFUSALS - 1) + [True]

    def test_a_message_refused_for_its_own_sake_is_no_acceptance_of_us(self) -> None:
        breaker = Breaker()
        for _ in range(REFUSALS - 1):
            breaker.is_trouble(refusal=True)
            breaker.answered()
        assert breaker.is_trouble(refusal=True)

    def test_a_message_that_asked_without_an_answer_lets_the_next_ask(self) -> None:
        breaker = Breaker(30, 900, 10_000)
        breaker.trip(0)
        assert breaker.hold(30) == 0
        assert breaker.leave()
        assert breaker.hold(31) == 0

    @given(st.floats(0.1, 100), st.floats(100, 1000), st.floats(0, 5000))
    def test_patience_bounds_the_whole_of_it(
        self, first: float, cap: float, patience: float
    ) -> None:
        breaker, now = Breaker(first, cap, patience), 0.0
        while not breaker.is_hopeless:
            assert now <= patience
            now += breaker.trip(now)
        assert now > patience

    def test_a_refused_login_waits_at_least_as_long_as_it_must(self) -> None:
        assert Breaker(1, 10, 1000).trip(0, at_least=60) == 60
