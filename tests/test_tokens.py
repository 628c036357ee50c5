"""Wrong tokens: counted by address, and never more remembered than fits."""

from __future__ import annotations

import pytest
from starlette.requests import Request

from digest.web.tokens import BURST, Strikes, address_of


class Hands:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def wrong(strikes: Strikes, address: str, times: int) -> None:
    for _ in range(times):
        strikes.count(address)


def test_after_many_wrong_tokens_an_address_waits_and_the_others_do_not() -> None:
    strikes = Strikes(Hands())
    wrong(strikes, "a", BURST - 1)
    assert not strikes.too_many("a")
    wrong(strikes, "a", 1)
    assert strikes.too_many("a")
    assert not strikes.too_many("b")


def test_a_second_of_waiting_is_worth_one_more() -> None:
    hands = Hands()
    strikes = Strikes(hands)
    wrong(strikes, "a", BURST)
    hands.at += 1
    assert not strikes.too_many("a")
    wrong(strikes, "a", 1)
    assert strikes.too_many("a")
    hands.at += 10 * BURST
    wrong(strikes, "a", BURST - 1)
    assert not strikes.too_many("a")


def test_what_is_remembered_is_bounded_and_the_busy_stay() -> None:
    strikes = Strikes(Hands(), remembered=100)
    wrong(strikes, "busy", BURST)
    for n in range(1000):
        strikes.count(f"other-{n}")
        strikes.count("busy")
    assert len(strikes._wrong) == 100
    assert strikes.too_many("busy")


def request(client: str, forwarded: str | None = None) -> Request:
    headers = [] if forwarded is None else [(b"x-forwarded-for", forwarded.encode())]
    return Request({"type": "http", "client": (client, 1), "headers": headers})


@pytest.mark.parametrize(
    ("client", "forwarded", "address"),
    [
        ("198.51.100.7", None, "198.51.100.7"),
        ("8.8.8.8", "1.1.1.1", "8.8.8.8"),  # anybody could say so
        ("127.0.0.1", "1.1.1.1", "1.1.1.1"),
        ("10.0.0.2", "9.9.9.9, 1.1.1.1", "1.1.1.1"),  # the last is what our proxy saw
        ("127.0.0.1", "nonsense", "127.0.0.1"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("2001:4860:1:2:3:4:5:6", None, "2001:4860:1:2::/64"),
        ("::1", "2001:4860:1:2:ffff::1", "2001:4860:1:2::/64"),
        ("", None, "None"),
    ],
)
def test_whose_request_it_is(client: str, forwarded: str | None, address: str) -> None:
    assert address_of(request(client, forwarded)) == address
