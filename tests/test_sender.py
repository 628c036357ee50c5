"""``digest check`` asks a name server what the world is told of the sender's domain."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from digest.checks import Finding, records, require_sending
from digest.checks.authenticity import look_up
from digest.checks.names import Names
from digest.checks.sender import Sender
from digest.config import load
from digest.dkim import read_keys
from digest.errors import ConfigError
from tests import keys
from tests.conftest import Front
from tests.office import NOW, serving
from tests.scripted_names import ScriptedNames, naming

SELECTOR = "r2026._domainkey.site.example"


@dataclass
class World:
    """A sender whose records are all in order, until a test changes them."""

    digest: Front
    monkeypatch: pytest.MonkeyPatch
    named: str
    server: ScriptedNames
    records: dict[str, dict[str, list[str]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (key,) = read_keys(self.named)
        self.records |= {
            "site.example": {
                "TXT": ["google-site-verification=x", "v=spf1 a:mail.site.example ~all"],
                "MX": ["10 mx.site.example."],
            },
            "_dmarc.site.example": {"TXT": ["v=DMARC1; p=quarantine"]},
            SELECTOR: {"TXT": [key.record]},
        }
        self.server.records = self.records
        self.set(FROM="digest@site.example", DKIM_KEYS=self.named, DNS_SERVER=self.server.place)

    def set(self, **settings: str) -> None:
        for name, value in settings.items():
            self.monkeypatch.setenv(f"DIGEST_{name}", value)

    def texts(self, name: str, *values: str) -> None:
        self.records[name] = {"TXT": list(values)}

    def spf(self, *values: str) -> None:
        self.records["site.example"]["TXT"] = list(values)

    def look(self, seconds: float = 6) -> list[Finding]:
        """What a check finds out about the sender."""
        settings = load()
        names = Names(settings.dns_server, seconds)
        return list(look_up(Sender.of(settings, "mail.site.example"), names, NOW))

    def check(self) -> dict[str, str]:
        """What each look says: "ok" and the fact, or the sign and what to do."""
        told: dict[str, str] = {}
        for found in self.look():
            words = f"ok {found.fact}"
            if found.problem is not None:
                sign = "wrong" if found.is_wrong else "note"
                words = f"{sign} {found.problem.message}; {found.problem.hint}"
            told[found.name] = "; ".join([*filter(None, [told.get(found.name)]), words])
        return told


@pytest.fixture
def world(digest: Front, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[World]:
    named = keys.named(tmp_path, r2026=keys.rsa())
    with naming(ScriptedNames()) as server:
        yield World(digest, monkeypatch, named, server)


def test_a_domain_in_order_is_called_so(world: World) -> None:
    told = world.check()
    assert all(words.startswith("ok ") for words in told.values())
    assert "a:mail.site.example ~all" in told["SPF"]
    assert "our key (RSA of 2,048 bits); a signed sample is verified" in told["DKIM"]
    assert "p=quarantine" in told["DMARC"]
    assert "SPF by site.example and DKIM by site.example stand for" in told["alignment"]
    assert "mx.site.example" in told["MX"]


def test_long_records_come_whole_over_tcp(world: World) -> None:
    world.server.truncating = True
    assert world.check()["DKIM"].startswith("ok ")
    assert ("tcp", SELECTOR, "TXT") in world.server.asked


def test_the_check_shows_it_and_on_the_way_to_this_machine_it_is_advice(world: World) -> None:
    del world.records[SELECTOR]
    with serving() as mail:
        world.set(SMTP_URL=f"smtp://127.0.0.1:{mail.port}")
        result = world.digest("check")
    assert result.code == 0
    assert "ok   SPF: site.example: v=spf1 a:mail.site.example ~all" in result.out
    (note,) = (line for line in result.out.splitlines() if line.startswith("note"))
    assert note == f"note  DKIM: DKIM_KEYS: no key is published at {SELECTOR}"
    assert f"      publish, as TXT of {SELECTOR}: v=DKIM1; k=rsa; p=" in result.out


def test_a_key_that_cannot_sign_is_told_once_and_nobody_is_asked(world: World) -> None:
    world.set(DKIM_KEYS="r2026:none.pem", SMTP_URL="smtp://127.0.0.1:9")
    result = world.digest("check")
    assert result.code == 2
    assert "wrong mails: DKIM_KEYS: none.pem cannot be read" in result.out
    assert result.out.count("DKIM_KEYS") == 1
    assert world.server.asked == []


def test_without_a_sender_or_a_server_nobody_is_asked(world: World) -> None:
    assert world.digest("check").code == 0
    world.set(FROM="", SMTP_URL="smtp://127.0.0.1:9")
    world.digest("check")
    assert world.server.asked == []


# --- nobody answers ------------------------------------------------------------------------------


def test_a_name_server_that_fails_is_said_plainly_and_stops_nothing(world: World) -> None:
    world.server.failing = frozenset({"_dmarc.site.example"})
    told = world.check()
    assert told["SPF"].startswith("ok ")
    assert told["DNS"].startswith("note the name server does not say what it knows of _dmarc.site")
    assert "DNS_SERVER" in told["DNS"]


def test_where_nobody_answers_it_says_so_and_asks_no_more(world: World) -> None:
    world.server.silent = True
    (found,) = world.look(seconds=0.2)
    assert found.problem is not None
    assert found.problem.message.startswith("no name server answers")
    assert not found.is_wrong


@pytest.mark.parametrize(
    "wrong", ["localhost", "127.0.0.1:x", "127.0.0.1:0", "[::1", "1.2.3.4:99999"]
)
def test_a_name_server_is_named_by_its_address(wrong: str) -> None:
    with pytest.raises(ConfigError, match="DNS_SERVER"):
        Names(wrong)


@pytest.mark.parametrize("right", ["127.0.0.1", "127.0.0.1:5353", "::1", "[::1]", "[::1]:5353"])
def test_a_port_may_follow_the_address(right: str) -> None:
    assert Names(right)._resolver.port == (5353 if right.endswith("5353") else 53)


# --- SPF -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "what"),
    [
        ([], "does not say which machines"),
        (["v=spf10 -all"], "does not say which machines"),
        (["v=spf1 -all", "v=spf1 ~all"], "has 2 SPF records"),
        (["v=spf1 +all"], "calls every machine a sender"),
        (["v=spf1 mx ALL"], "calls every machine a sender"),
        (["v=spf1 include:nobody.example ~all"], "includes nobody.example, which has no SPF"),
        (["v=spf1 " + "a:x.example " * 11 + "~all"], "more than 10 questions"),
        (["v=spf1 include:loop.example ~all"], "more than 10 questions"),
    ],
)
def test_an_spf_record_that_receivers_do_not_heed_is_found(
    world: World, published: list[str], what: str
) -> None:
    world.spf(*published)
    world.texts("loop.example", "v=spf1 mx include:loop.example -all")
    told = world.check()["SPF"]
    assert told.startswith("wrong ")
    assert what in told


def test_the_spf_record_to_publish_is_written_out(world: World) -> None:
    world.spf()
    assert "TXT of site.example: v=spf1 a:mail.site.example ~all" in world.check()["SPF"]


def test_included_records_are_counted_and_ten_questions_are_allowed(world: World) -> None:
    world.spf("v=spf1 include:one.example redirect=two.example")
    world.texts("one.example", "v=spf1 a mx/24 exists:%{i}.x.example ip4:192.0.2.0/24 ?all")
    world.texts("two.example", "v=spf1 a:b.example a:c.example a:d.example ptr mx:%{d2}.e.example")
    assert world.check()["SPF"].startswith("ok ")


def test_the_envelopes_domain_is_the_one_that_counts(world: World) -> None:
    world.set(BOUNCE_ADDRESS="bounces@back.site.example")
    told = world.check()
    assert "back.site.example does not say" in told["SPF"]
    assert "back.site.example takes no mail" in told["MX"]
    assert "SPF by back.site.example" in told["alignment"]


# --- DKIM ----------------------------------------------------------------------------------------


def test_a_key_that_is_not_published_is_found_with_the_record_to_publish(world: World) -> None:
    del world.records[SELECTOR]
    (key,) = read_keys(world.named)
    told = world.check()["DKIM"]
    assert f"no key is published at {SELECTOR}" in told
    assert f"publish, as TXT of {SELECTOR}: {key.record}" in told


@pytest.mark.parametrize(
    ("published", "what"),
    [
        (["v=DKIM1; k=rsa; p="], "is revoked"),
        (["v=DKIM1; k=ed25519; p=KEY"], "is not the one of"),
        (["v=DKIM1; p=MIIBIjANBgkqhkiG9w0BAQ=="], "is not the one of"),
        (["p=KEY", "p=OTHER"], "2 keys are published"),
        (["some words"], "no key is published"),
        (["v=DKIM2; k=rsa; p=KEY"], "a receiver does not verify"),
        (["v=DKIM1; k=rsa; s=tlsrpt; p=KEY"], "a receiver does not verify"),
    ],
)
def test_a_published_key_that_does_not_fit_is_found(
    world: World, published: list[str], what: str
) -> None:
    (key,) = read_keys(world.named)
    world.texts(SELECTOR, *(text.replace("KEY", key.public) for text in published))
    assert what in world.check()["DKIM"]


def test_a_key_published_in_another_manner_is_the_same_key(world: World) -> None:
    (key,) = read_keys(world.named)
    halves = f"{key.public[:100]} {key.public[100:]}"
    world.texts(SELECTOR, f"v=DKIM1;t=s;n=a note;p = {halves};")
    assert world.check()["DKIM"].startswith("ok ")


def test_both_kinds_of_key_are_looked_at(world: World, tmp_path: Path) -> None:
    world.set(DKIM_KEYS=keys.named(tmp_path, r2026=keys.rsa(), e2026=keys.ed25519()))
    (key,) = read_keys(keys.named(tmp_path, e2026=keys.ed25519()))
    assert "no key is published at e2026." in world.check()["DKIM"]
    world.texts("e2026._domainkey.site.example", key.record)
    told = world.check()["DKIM"]
    assert "(Ed25519); a signed sample is verified" in told
    assert "note" not in told


def test_a_short_key_and_one_that_everybody_can_read_are_named(
    world: World, tmp_path: Path
) -> None:
    named = keys.named(tmp_path, r2026=keys.rsa(1024))
    (tmp_path / "r2026.pem").chmod(0o644)
    (key,) = read_keys(named)
    world.texts(SELECTOR, key.record)
    told = world.check()["DKIM"]
    assert "note DKIM_KEYS" in told
    assert "has 1,024 bits" in told
    assert f"chmod 600 {tmp_path}/r2026.pem" in told


def test_who_does_not_sign_is_told_what_the_mail_server_must_do(world: World) -> None:
    world.set(DKIM_KEYS="")
    told = world.check()
    assert "List-Unsubscribe-Post included" in told["DKIM"]
    assert "SPF by site.example stand" in told["alignment"]


# --- DMARC and alignment -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("published", "what"),
    [
        ([], "publish, as TXT of _dmarc.site.example: v=DMARC1; p=none"),
        (["v=DMARC1; p=none", "v=DMARC1; p=reject"], "has 2 DMARC records"),
        (["v=DMARC1; p=strict"], "asks for “strict”, which is no policy"),
        (["dmarc: yes"], "nothing says what becomes of forged mail"),
    ],
)
def test_a_missing_or_broken_policy_is_found(world: World, published: list[str], what: str) -> None:
    world.texts("_dmarc.site.example", *published)
    told = world.check()["DMARC"]
    assert told.startswith("wrong ")
    assert what in told


def test_a_name_below_the_policys_domain_is_covered_by_it(world: World) -> None:
    world.set(FROM="digest@weekly.news.site.example", DKIM_DOMAIN="site.example")
    told = world.check()
    assert told["DMARC"].startswith("ok _dmarc.site.example: ")
    assert told["alignment"].startswith("ok SPF by weekly.news.site.example and DKIM by site.exam")


def test_a_signature_of_a_sibling_stands_for_the_sender_unless_the_policy_is_strict(
    world: World,
) -> None:
    (key,) = read_keys(world.named)
    world.texts("r2026._domainkey.sign.site.example", key.record)
    world.set(FROM="digest@news.site.example", DKIM_DOMAIN="sign.site.example")
    world.set(BOUNCE_ADDRESS="bounces@elsewhere.example")
    assert world.check()["alignment"].startswith("ok DKIM by sign.site.example stand")
    world.texts("_dmarc.site.example", "v=DMARC1; p=reject; adkim=s")
    assert "neither stands for news.site.example in FROM" in world.check()["alignment"]


def test_a_sender_for_whom_nobody_stands_is_found(world: World) -> None:
    world.set(BOUNCE_ADDRESS="bounces@elsewhere.example", DKIM_DOMAIN="other.example")
    told = world.check()["alignment"]
    assert "SPF for elsewhere.example and DKIM for other.example" in told
    assert "to a name of site.example" in told


@pytest.mark.parametrize(
    ("found", "organization"),
    [
        ({}, "a.b.site.example"),
        ({"site.example": "v=DMARC1"}, "site.example"),
        ({"a.b.site.example": "v=DMARC1", "example": "v=DMARC1; psd=y"}, "site.example"),
        ({"b.site.example": "v=DMARC1; psd=n", "site.example": "v=DMARC1"}, "b.site.example"),
        ({"b.site.example": "v=DMARC1", "site.example": "v=DMARC1; psd=u"}, "site.example"),
    ],
)
def test_the_organization_is_found_by_walking_up(found: dict[str, str], organization: str) -> None:
    assert records.organization("a.b.site.example", found) == organization


def test_the_walk_asks_at_most_eight_names() -> None:
    assert records.walk("site.example") == ["site.example", "example"]
    long = ".".join("abcdefghijkl")
    assert records.walk(long)[:2] == [long, "f.g.h.i.j.k.l"]
    assert len(records.walk(long)) == 8


@given(st.text(max_size=80))
def test_any_text_can_be_read_as_a_record(text: str) -> None:
    records.tags(text)
    list(records.asking(text))
    records.lets_everybody(text)


# --- where bounces go ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("held", "sign"),
    [
        ({"MX": ["0 ."]}, "wrong"),
        ({}, "wrong"),
        ({"A": ["192.0.2.7"]}, "ok"),
        ({"AAAA": ["2001:db8::7"]}, "ok"),
        ({"MX": ["10 mx.example.", "20 mx2.example."]}, "ok"),
    ],
    ids=["null MX", "nothing", "A", "AAAA", "MX"],
)
def test_bounces_need_somebody_who_takes_them(
    world: World, held: dict[str, list[str]], sign: str
) -> None:
    world.records["site.example"] = held
    assert world.check()["MX"].startswith(f"{sign} ")


# --- before a real send --------------------------------------------------------------------------


@pytest.fixture
def real(world: World) -> World:
    """Everything that a server elsewhere needs."""
    world.set(
        SMTP_URL="smtp://mail.site.example:2525",
        SITE_NAME="The Site",
        BASE_URL="https://site.example",
        POSTAL_ADDRESS="1 Long Lane, Townham",
    )
    return world


def test_a_real_send_needs_its_keys_published(real: World) -> None:
    require_sending(load())
    real.texts(SELECTOR, "v=DKIM1; p=")
    with pytest.raises(ConfigError, match="is revoked") as refused:
        require_sending(load())
    assert refused.value.hint.startswith("publish, as TXT of ")


def test_a_real_send_does_not_wait_for_a_name_server_in_trouble(
    real: World, caplog: pytest.LogCaptureFixture
) -> None:
    real.server.failing = frozenset({SELECTOR})
    require_sending(load())
    assert "the sender's records were not looked at" in caplog.text


def test_a_server_on_this_machine_needs_nothing_published(real: World) -> None:
    real.records.clear()
    real.set(SMTP_URL="smtp://127.0.0.1:2525")
    require_sending(load())
    assert real.server.asked == []


def test_on_the_way_to_a_real_server_what_is_missing_is_wrong(
    real: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError

    monkeypatch.setattr("socket.getaddrinfo", refuse)
    real.records.clear()
    result = real.digest("check")
    assert result.code == 2
    for name in ("SPF", "DKIM", "DMARC", "MX"):
        assert f"wrong {name}: " in result.out
