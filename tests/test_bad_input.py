"""Whatever people and platforms hand in: shown safely, or left out with a reason, and nobody else
is any the worse for it. Everything goes through the front door: import, send, read the mail.
"""

from __future__ import annotations

import email
import email.policy
import gzip
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from email.headerregistry import AddressHeader
from email.message import EmailMessage
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from lxml import html as lxml_html
from lxml.html import HtmlElement

from tests.community import MONDAY, Community, village
from tests.conftest import Front, Result, body

NOW = MONDAY + timedelta(weeks=1, hours=9)
TUESDAY = MONDAY + timedelta(days=1)
WEEK = ("--week", "2026-W46")
OWN = "http://127.0.0.1:8025/"
HEADERS = """
    Auto-Submitted Content-Language Content-Type Date Feedback-ID From List-Archive List-Help
    List-Id List-Unsubscribe List-Unsubscribe-Post MIME-Version Message-ID Precedence Subject
    To X-Auto-Response-Suppress
"""
ELEMENTS = """
    html head meta title style body div table tr td p h1 h2 h3 a b span br
"""
ATTRIBUTES = """
    align aria-label aria-roledescription bgcolor border cellpadding cellspacing charset class
    colspan content dir height href lang name role style type valign width xmlns
"""
STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066\u2067\ufffe]")
HUNDRED_KB = 100 * 1000


def json_lines(there: Community, folder: Path) -> Path:
    """The community as JSON Lines, which can hold what CSV cannot: lone surrogates, escaped."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, rows in there.rows.items():
        if rows:
            lines = "".join(json.dumps(row) + "\n" for row in rows)
            (folder / f"{name}.jsonl").write_text(lines, "ascii")
    return folder


def seen(there: Community, post: str, author: str, *, by: str = "noor", **words: Any) -> None:
    """A post of this week that three people saw and one answered."""
    there.post(post, author, MONDAY, **words)
    for n in range(3):
        there.view(post, TUESDAY + timedelta(minutes=n), f"reader-{n}")
    there.reaction(post, by, "reply", TUESDAY)


def crowd(*people: dict[str, Any]) -> Community:
    """An author for each of ``people`` (``name`` and words of a post), and Noor who answers."""
    there = Community()
    there.user("noor", "Noor")
    for n, words in enumerate(people):
        there.user(f"u{n}", words.pop("name", f"Author {n}"))
        seen(there, f"p{n}", f"u{n}", **{"title": f"Post {n}"} | words)
    return there


def mails_of(digest: Front, there: Community) -> list[EmailMessage]:
    """Import the community and send everybody's week: the mails, in the order of the authors."""
    digest("import", json_lines(there, digest.folder / "in"), at=NOW)
    assert digest("send", *WEEK, at=NOW).code == 0
    mails = [harmless(digest, raw) for raw in messages(digest)]
    order = [f"<{row['email']}>" for row in there.rows["users"]]
    return sorted(mails, key=lambda mail: order.index(str(mail["To"]).rpartition(" ")[2]))


def said_by(result: Result) -> str:
    """What the command line printed, as one line."""
    return " ".join(f"{result.out} {result.err}".split())


def shown(mail: EmailMessage, kind: str = "plain") -> str:
    return body(mail, kind).replace("\r\n", "\n")


def messages(digest: Front) -> Iterator[bytes]:
    for file in sorted((digest.folder / "var" / "mailbox").glob("*.eml")):
        yield file.read_bytes()


def ask(digest: Front, statement: str) -> list[tuple[Any, ...]]:
    return digest.sql(statement)


def page_of(mail: EmailMessage) -> HtmlElement:
    return lxml_html.document_fromstring(shown(mail, "html"))


def harmless(digest: Front, raw: bytes, links: set[str] | None = None) -> EmailMessage:
    """Fail unless a mail is whole: headers, lines, size, markup, links and text."""
    assert raw.isascii()
    assert max(map(len, raw.splitlines())) <= 998
    mail = email.message_from_bytes(raw, policy=email.policy.default)
    assert isinstance(mail, EmailMessage)
    for part in mail.walk():
        assert part.defects == []
    assert set(mail.keys()) <= set(HEADERS.split())
    assert len(mail.keys()) == len(set(mail.keys()))
    for name in mail.keys():  # noqa: SIM118 a message iterates like a list of its headers
        assert mail[name].defects == (), (name, mail[name])
    to = mail["To"]
    assert isinstance(to, AddressHeader)
    assert [address.domain for address in to.addresses] == ["people.example"]
    assert str(mail["Subject"]).replace("\u200d", "").isprintable()  # emoji are joined by it
    assert mail.get_content_type() == "multipart/alternative"
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert len(shown(mail, "html").encode()) < HUNDRED_KB
    for text in (str(mail["Subject"]), shown(mail), shown(mail, "html")):
        assert not STEERING.search(text)
        assert text.count("\u2068") == text.count("\u2069")
    if links is None:
        links = {url for (url,) in ask(digest, "SELECT url FROM posts")}
    without_surprises(page_of(mail), links)
    return mail


def without_surprises(page: HtmlElement, links: set[str]) -> None:
    """Only elements, attributes and links that are the templates' own; words hold no markup."""
    elements = [element for element in page.iter() if isinstance(element.tag, str)]
    assert {element.tag for element in elements} <= set(ELEMENTS.split())
    assert {name for element in elements for name in element.attrib} <= set(ATTRIBUTES.split())
    assert len(list(page.iter())) - len(elements) == 3  # the comments for old Outlook
    assert len(list(page.iter("style"))) == 1
    for link in page.iter("a"):
        url = str(link.get("href"))
        assert url.startswith(OWN) or any(
            unquote(known) == unquote(url) or known.startswith(url) for known in links
        ), url
        assert url.startswith(("http://", "https://"))
    for words in page.xpath("//*[@dir='auto']"):
        assert {child.tag for child in words} <= {"a", "span"}
        assert all(len(child) == 0 for child in words)


# --- what people write ---------------------------------------------------------------------------


def naughty(shared_data: Path) -> list[str]:
    """The three shared lists of strings that break things."""
    folder = shared_data / "naughty_text"
    strings = list(json.loads((folder / "blns.json").read_text("utf-8")))
    pairs = json.loads((folder / "dompurify_pairs.json").read_text("utf-8"))
    strings += [pair["payload"] for pair in pairs]
    with gzip.open(folder / "xss_payloads.txt.gz", "rb") as file:
        strings += file.read().decode("utf-8", "surrogateescape").splitlines()
    return list(dict.fromkeys(strings))


def test_every_naughty_string_as_name_title_text_and_link_leaves_every_mail_whole(
    digest: Front, shared_data: Path
) -> None:
    """Some 7,000 people named so; every fifth wrote five posts titled so, which others answered."""
    strings = naughty(shared_data)
    assert len(strings) > 7000
    there = Community()
    for n, string in enumerate(strings):
        author = n - n % 5
        there.user(f"u{n}", string if n > author else f"{string} {n}")  # an author needs a name
        there.post(f"p{n}", f"u{author}", MONDAY, title=string, text=strings[-n], url=string)
        there.view(f"p{n}", TUESDAY, f"u{n - 1}")
        there.reaction(f"p{n}", f"u{n + 1}", "reply", TUESDAY)
    imported = digest("import", json_lines(there, digest.folder / "in"), at=NOW)
    assert imported.code == 1
    assert "name is missing" in said_by(imported)
    assert digest("send", *WEEK, at=NOW).code == 0
    ((authors,),) = ask(digest, "SELECT count(DISTINCT author_id) FROM posts")
    status = digest("status", *WEEK, "--json").json
    assert status["states"]["sent"] == authors > len(strings) // 5
    assert sum(status["states"].values()) == status["audience"]
    links = {url for (url,) in ask(digest, "SELECT url FROM posts")}
    assert sum(1 for raw in messages(digest) if harmless(digest, raw, links)) == authors


TITLES = {
    "<script>alert(1)</script>Bees": "alert(1) Bees",
    "<img src=x onerror=alert(1)> Bees": "Bees",
    "When 1 < 2 & 3 > 2": "When 1 < 2 & 3 > 2",
    "&lt;b&gt; is an entity": "&lt;b&gt; is an entity",
    "{{ 7 * 7 }} {% include 'base.html' %}": "{{ 7 * 7 }} {% include 'base.html' %}",
    "{{ brand.__class__ }} ${7*7} #{7*7}": "{{ brand.__class__ }} ${7*7} #{7*7}",
    "a\x00b\x07c\x1b[31md": "abc[31md",
    "one\r\ntwo\u2028three": "one two three",
    "lone \ud83d surrogate": "lone \ufffd surrogate",
    "👩‍👩‍👧‍👦 and 🏳️‍🌈": "👩‍👩‍👧‍👦 and 🏳️‍🌈",
    "\u202egnp.exe": "gnp.exe",
    "</td></tr></table><!-- end": "</td></tr></table><!-- end",
    "%s %(name)s {0} {name}": "%s %(name)s {0} {name}",
    "\"quoted\" and 'so'": "\"quoted\" and 'so'",
    "Subject: x\r\nBcc: all@people.example": "Subject: x Bcc: all@people.example",
}


def test_a_title_is_shown_as_words_and_as_nothing_else(digest: Front) -> None:
    mails = mails_of(digest, crowd(*({"title": title, "text": title} for title in TITLES)))
    for mail, words in zip(mails, TITLES.values(), strict=True):
        heading = page_of(mail).xpath("//h3")[0].text_content()
        assert " ".join(heading.split()) == words
        assert f"\n   {words}\n" in shown(mail)


def test_words_from_right_to_left_turn_nothing_around_them(digest: Front) -> None:
    titles = ["שלום עולם: איך קוראים לאט", "مرحبا بالعالم"]
    mails = mails_of(digest, crowd(*({"title": title, "name": title} for title in titles)))
    for mail, title in zip(mails, titles, strict=True):
        assert f"\n   \u2068{title}\u2069\n" in shown(mail)
        assert f"\n\u2068{title}\u2069, your posts" in shown(mail)
        assert {heading.get("dir") for heading in page_of(mail).xpath("//h3")} == {"auto"}
        assert mail["To"].addresses[0].display_name == title


NAMES = {
    "<b>Eve</b> <script>x</script>": "Eve x",
    "Eve\r\nBcc: all@people.example": "Eve Bcc: all@people.example",
    'Eve" <all@people.example>, "': 'Eve" <all@people.example>, "',
    "Eve, Mallory: a@b.example;": "Eve, Mallory: a@b.example;",
    "=?utf-8?q?Eve=0D=0ABcc=3A_x?=": "=?utf-8?q?Eve=0D=0ABcc=3A_x?=",
    "{{ 7 * 7 }}": "{{ 7 * 7 }}",
    "E\x00v\x1be": "Eve",
    "\ud800Eve": "\ufffdEve",
    "(comment) Eve\\": "(comment) Eve\\",
    "\u202eevE\u2066": "evE",
    "😀 Ada 👩‍🚀": "😀 Ada 👩‍🚀",
}


def test_a_name_is_greeted_and_addressed_as_words(digest: Front) -> None:
    """Nothing in a name makes a header, a second recipient, markup or a program."""
    mails = mails_of(digest, crowd(*({"name": name} for name in NAMES)))
    for mail, name in zip(mails, NAMES.values(), strict=True):
        (address,) = mail["To"].addresses
        assert address.display_name == name
        assert shown(mail).split("\n")[2].startswith(f"{name}, your posts")


def test_a_title_of_400_letters_without_a_space_fits_everywhere(digest: Front) -> None:
    (mail,) = mails_of(digest, crowd({"title": "Bridge" * 66 + "Ende"}))
    assert len(str(mail["Subject"])) <= 78
    assert "BridgeBridge" in shown(mail)
    assert all(len(line) <= 72 for line in shown(mail).split("\n") if "://" not in line)
    assert "overflow-wrap:anywhere" in shown(mail, "html")


def test_a_body_of_five_megabytes_is_an_excerpt_like_any_other(digest: Front) -> None:
    bodies = [
        "A long story. " * 360_000,
        "<p>A long story.</p>" + "<div>" * 1_000_000,
        "A long story. <!--" + "x" * 5_000_000,
        "A long story. " + "<script>alert(1)</script>" * 200_000,
        "A long story. " + "&" * 5_000_000,
    ]
    mails = mails_of(digest, crowd(*({"text": text} for text in bodies)))
    for mail in mails:
        excerpt = page_of(mail).xpath("//p[@class='excerpt']")[0].text_content()
        assert excerpt.startswith("A long story.")
        assert len(shown(mail, "html")) < 30_000
    assert len(mails) == len(bodies)


NO_LINKS = [
    "javascript:alert(1)",
    " JaVaScRiPt:alert(1)",
    "java\nscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "//evil.example/p",
    "https://site.example/\r\nBcc: all@people.example",
    "https://",
    "https://[::1",
    "file:///etc/passwd",
]


def test_a_link_that_is_no_web_address_is_left_out_and_said(digest: Front) -> None:
    there = crowd(*({"url": url, "title": "Bees"} for url in NO_LINKS))
    said = digest("import", json_lines(there, digest.folder / "in"), at=NOW)
    assert said.code == 0
    assert said.err.count("url is not an http link that can be used; it was left out") == 10
    for mail in mails_of(digest, there):
        listed = shown(mail).split("\n   Bees\n")[1].split("What would you")[0]
        assert "3 views" in listed
        assert ":" not in listed
        assert all(str(a.get("href")).startswith(OWN) for a in page_of(mail).iter("a"))


def test_a_link_holds_what_it_holds_and_breaks_out_of_nothing(digest: Front) -> None:
    url = "https://site.example/p?a=1&b=\"><img/src=x/onerror=alert(1)>'&amp;é"
    (mail,) = mails_of(digest, crowd({"url": url}))
    (found,) = {str(a.get("href")) for a in page_of(mail).xpath("//h3/a")}
    assert unquote(found) == url


@pytest.mark.parametrize("query", ["a" * 1970, "&" * 900 + "é'" * 500])
def test_the_worst_mail_stays_below_100_kb(digest: Front, query: str) -> None:
    """Every section, five posts, and everywhere the longest that is taken, in the widest form."""
    there = Community()
    there.user("alice", "&" * 100)
    for n in range(3):
        there.user(f"fan-{n}", "😀&" * 50)
    there.rows["groups"].append({"id": "g", "name": "&<😀" * 50})
    for n in range(40):
        there.user(f"reader-{n}")
        there.rows["memberships"].append({"group_id": "g", "user_id": f"reader-{n}"})
        there.rows["follows"].append({"follower_id": f"reader-{n}", "followee_id": "alice"})
    worst = {"title": "&'\"<😀" * 80, "text": "\"'&<😀" * 1000, "group_id": "g"}
    url = "https://site.example/{}?" + query
    for n in range(1, 13):
        old = MONDAY - timedelta(weeks=n)
        there.post(f"old-{n}", "alice", old)
        there.views(f"old-{n}", old + timedelta(hours=1), 10 + n % 3, f"w{n}-")
    for n in range(5):
        there.post(f"new-{n}", "alice", MONDAY, url=url.format(n), **worst)
        there.views(f"new-{n}", MONDAY + timedelta(hours=1), 40 + n)
        for fan in range(3):
            there.reaction(f"new-{n}", f"fan-{fan}", "reply", MONDAY + timedelta(hours=fan + 2))
    (mail,) = mails_of(digest, there)
    told = digest("preview", "alice", *WEEK, "--format", "json", at=NOW).json["sections"]
    always = ["headline", "usual", "top_posts", "new_posts", "next"]
    assert [name for name in told if name in always] == always
    assert len(told) > len(always)
    assert len(told["top_posts"]["posts"]) == 5
    assert len(told["new_posts"]["posts"]) == 3
    assert len(shown(mail, "html").encode()) < HUNDRED_KB


# --- what platforms hand in ----------------------------------------------------------------------


def test_an_unknown_zone_or_locale_is_left_out_said_and_costs_nobody_a_mail(digest: Front) -> None:
    there = village()
    for n, (zone, locale) in enumerate(
        [
            ("Mars/Olympus", "xx_YY"),
            ("../../etc/passwd", "../../etc"),
            ("utc+25", "en_GB.UTF-8@euro"),
            ("\x00", "\x00"),
            ("Europe/London " * 40, "e" * 4000),
        ]
    ):
        there.user(f"odd-{n}", f"Odd {n}", zone, locale=locale)
        seen(there, f"odd-post-{n}", f"odd-{n}", by="bob")
    said = digest("import", json_lines(there, digest.folder / "in"), at=NOW)
    assert "timezone “Mars/Olympus” is not known; it was left out" in said_by(said)
    assert "locale “xx_YY” is not known; it was left out" in said_by(said)
    assert digest("send", *WEEK, at=NOW).code == 0
    for n in range(5):
        assert "seen by 3 people" in shown(digest.mail_to(f"odd-{n}@people.example"))
    assert len(digest.kept) == 3 + 5


NO_ADDRESSES = [
    "nobody",
    "@people.example",
    "a@@people.example",
    "a b@people.example",
    "a@people",
    "a@people.example, b@people.example",
    "a@people.example> RCPT TO:<b@people.example",
    "<script>@people.example",
    "a..b@people.example",
    "a@-people.example",
    "a@[127.0.0.1]",
    "a" * 65 + "@people.example",
    "a@" + "x" * 64 + ".example",
    "a@people.example.",
]


def test_an_address_that_no_server_takes_fails_alone_with_its_reason(digest: Front) -> None:
    there = village()
    for n, address in enumerate(NO_ADDRESSES):
        there.user(f"mallory-{n}", "Mallory", email=address)
        seen(there, f"m{n}", f"mallory-{n}", by="bob")
    assert digest("import", json_lines(there, digest.folder / "in"), at=NOW).code == 0
    assert digest("send", *WEEK, at=NOW).code == 1
    assert {mail["To"].addresses[0].username for mail in digest.kept} == {"alice", "bob", "aroha"}
    status = digest("status", *WEEK, "--json").json
    assert status["reasons"]["failed:unusable-address"] == len(NO_ADDRESSES)
    assert sum(status["states"].values()) == status["audience"]


def test_a_user_who_cannot_be_kept_is_rejected_with_file_line_and_reason(digest: Front) -> None:
    there = village()
    bad: list[tuple[dict[str, str], str]] = [
        ({"email": "m@people.example\r\nBcc: x@people.example"}, "email holds control characters"),
        ({"email": "m@people.example\x00"}, "email holds control characters"),
        ({"email": "m\u202e@people.example"}, "email holds control characters"),
        ({"email": ""}, "email is missing"),
        ({"name": "\x00\u202e"}, "name is missing"),
        ({"id": ""}, "id is missing"),
        ({"id": "x" * 256}, "id is longer than 255 octets"),
        ({"id": "字" * 86}, "id is longer than 255 octets"),
        ({"id": "mall\ud800ory"}, "id holds characters that cannot be printed"),
        ({"id": "mall\nory"}, "id holds characters that cannot be printed"),
    ]
    for n, (row, _) in enumerate(bad):
        there.user(f"mallory-{n}", "Mallory")
        there.rows["users"][-1] |= row
    assert digest("import", json_lines(there, digest.folder / "in"), at=NOW).code == 1
    (kept,) = (digest.folder / "var" / "rejects").iterdir()
    rejected = [json.loads(line) for line in kept.read_text("utf-8").splitlines()]
    assert [(row["file"], row["line"], row["reason"]) for row in rejected] == [
        ("users.jsonl", 6 + n, reason) for n, (_, reason) in enumerate(bad)
    ]
    assert digest("send", *WEEK, at=NOW).code == 0
    assert len(digest.kept) == 3


def test_ids_are_the_platforms_own_whatever_they_look_like(digest: Front) -> None:
    ids = [
        "../../etc/passwd",
        "a/b?c#d",
        "'; DROP TABLE users; --",
        "ü 名前",
        "-1",
        "%00",
        "9" * 30,
    ]
    there = Community()
    there.user("noor", "Noor")
    for n, id_ in enumerate(ids):
        there.user(id_, f"Author {n}", email=f"u{n}@people.example")
        seen(there, f"p{id_}", id_)
    for mail in mails_of(digest, there):
        assert "seen by 3 people" in shown(mail)
    assert digest("status", *WEEK, "--json").json["states"]["sent"] == len(ids)
    for id_ in ids:
        assert digest("explain", "--json", *WEEK, "--", id_, at=NOW).json["state"] == "sent"


BAD_ROWS: list[tuple[str, dict[str, str], str]] = [
    ("posts", {"id": "x", "author_id": "nobody"}, "there is no author “nobody”"),
    ("posts", {"id": "x", "author_id": "alice", "published_at": "soon"}, "is not an ISO 8601"),
    ("posts", {"id": "x", "author_id": "alice", "published_at": "0001-01-01"}, "not between"),
    ("posts", {"id": "", "author_id": "alice"}, "id is missing"),
    ("views", {"post_id": "gone", "at": "2026-11-10"}, "there is no post “gone”"),
    ("views", {"post_id": "bridge", "at": "9999-99-99"}, "is not an ISO 8601"),
    ("views", {"post_id": "bridge", "at": "2026-11-10", "count": "-5"}, "count is negative"),
    ("views", {"post_id": "bridge", "at": "2026-11-10", "count": "1e9"}, "not a whole number"),
    ("views", {"post_id": "bridge", "at": "2026-11-10", "count": "NaN"}, "not a whole number"),
    ("views", {"post_id": "bridge", "at": "2026-11-10", "count": "9" * 18}, "is larger than"),
    ("counters", {"post_id": "bridge", "at": "2026-11-10", "views": ""}, "views is missing"),
    ("counters", {"post_id": "bridge", "at": "2026-11-10", "views": "-1"}, "is negative"),
    (
        "reactions",
        {"post_id": "bridge", "actor_id": "bob", "type": "poke", "at": "2026-11-10"},
        "type “poke”",
    ),
    (
        "reactions",
        {"post_id": "bridge", "actor_id": "", "type": "like", "at": "2026-11-10"},
        "actor_id is",
    ),
    ("follows", {"follower_id": "", "followee_id": "bob"}, "follower_id is missing"),
]


def test_a_row_that_cannot_be_is_rejected_and_changes_no_figure(digest: Front) -> None:
    there = village()
    for table, row, _ in BAD_ROWS:
        there.rows[table].append(row)
    assert digest("import", there.write(digest.folder / "in"), at=NOW).code == 1
    (kept,) = (digest.folder / "var" / "rejects").iterdir()
    reasons = [json.loads(line)["reason"] for line in kept.read_text("utf-8").splitlines()]
    assert len(reasons) == len(BAD_ROWS)
    for _, _, said in BAD_ROWS:
        assert any(said in reason for reason in reasons), said
    digest("send", *WEEK, at=NOW)
    text = shown(digest.mail_to("alice@people.example"))
    assert "seen by 13 people\n" in text
    assert "16 views in all." in text
    assert len(digest.kept) == 3


def test_rows_given_twice_count_once(digest: Front) -> None:
    there = village()
    for rows in there.rows.values():
        rows.extend(list(rows))
    assert digest("import", there.write(digest.folder / "in"), at=NOW).code == 0
    digest("send", *WEEK, at=NOW)
    text = shown(digest.mail_to("alice@people.example"))
    assert "seen by 13 people\n" in text
    assert "16 views in all." in text
    assert "12 views by 9 people · 2 reactions" in text
    assert len(digest.kept) == 3


def test_views_before_publication_belong_to_their_week_and_not_to_the_posts_first_hours(
    digest: Front,
) -> None:
    """A preview, or a clock that is wrong: they were seen, but not at an age."""
    there = Community()
    there.user("alice")
    there.post("p", "alice", TUESDAY)
    there.views("p", MONDAY, 7, "early")
    there.views("p", TUESDAY + timedelta(hours=1), 2, "later")
    there.post("q", "alice", TUESDAY)
    there.views("q", TUESDAY + timedelta(hours=1), 1, "later")
    (mail,) = mails_of(digest, there)
    assert "seen by 9 people" in shown(mail)
    told = digest("preview", "alice", *WEEK, "--format", "json", at=NOW).json["sections"]
    assert told["top_posts"]["posts"][0]["views"] == 9
    new = next(post for post in told["new_posts"]["posts"] if post["id"] == "p")
    assert (new["views"], new["reach"]) == (2, 2)


def test_an_author_who_only_looks_at_their_own_posts_has_a_quiet_week(digest: Front) -> None:
    there = crowd({})
    there.user("vain", "Vain")
    there.post("mirror", "vain", MONDAY)
    there.views("mirror", MONDAY - timedelta(weeks=1), 3)
    for n in range(9):
        there.view("mirror", TUESDAY + timedelta(hours=n), "vain")
        there.reaction("mirror", "vain", "like", TUESDAY + timedelta(hours=n))
    _, vain = mails_of(digest, there)
    assert "quiet week" in str(vain["Subject"])
    assert not re.search(r"\b(0|9|12) (views|people|reactions)|counted once", shown(vain))


def test_posts_that_nobody_saw_are_no_figures(digest: Front) -> None:
    there = crowd({})
    there.post("unseen", "u0", TUESDAY, title="Nobody was here")
    there.user("silent", "Silent")
    there.post("never", "silent", MONDAY)
    (mail,) = mails_of(digest, there)
    assert "Nobody was here" not in shown(mail)
    assert digest("explain", "silent", *WEEK, "--json", at=NOW).json["reason"] == "quiet"


def test_users_without_posts_get_no_mail_and_are_accounted_for(digest: Front) -> None:
    there = Community()
    for n in range(20):
        there.user(f"reader-{n}")
    digest("import", there.write(digest.folder / "in"), at=NOW)
    assert digest("send", *WEEK, at=NOW).code == 0
    assert digest("status", *WEEK, "--json").json["reasons"] == {"skipped:no-posts": 20}
    assert digest.kept == []


# --- files ---------------------------------------------------------------------------------------


def test_empty_tables_are_nothing_to_send(digest: Front) -> None:
    folder = digest.folder / "in"
    folder.mkdir()
    for name in ("users", "posts", "views"):
        (folder / f"{name}.jsonl").write_bytes(b"")
        (folder / f"{name}.csv").write_bytes(b"")
    assert digest("import", folder, at=NOW).code == 0
    assert digest("send", *WEEK, at=NOW).code == 0
    assert digest("status", *WEEK, "--json").json["audience"] == 0
    assert digest.kept == []


def test_posts_and_views_without_their_users_are_rejected_one_by_one(digest: Front) -> None:
    folder = village().write(digest.folder / "in")
    (folder / "users.csv").unlink()
    said = digest("import", folder, at=NOW)
    assert said.code == 1
    assert "posts.csv, line 2: there is no author “alice”" in said_by(said)
    village().write(folder)
    assert digest("import", folder, at=NOW).code == 0
    digest("send", *WEEK, at=NOW)
    assert len(digest.kept) == 3


@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("nowhere", None),
        ("in/notes.txt", b"hello"),
        ("in/users.csv", b"name,email\nAlice,alice@people.example\n"),
        ("in/users.csv.gz", b"this is not gzip"),
        ("in/users.csv", b"\x00" * 100),
        ("in/Posts.xml", b"<posts><row"),
        ("in/users.csv", b"id;name;email\n"),
    ],
)
def test_a_file_that_cannot_be_read_is_said_with_a_hint(
    digest: Front, path: str, content: bytes | None
) -> None:
    file = digest.folder / path
    if content is not None:
        file.parent.mkdir()
        file.write_bytes(content)
    said = digest("import", file, at=NOW)
    assert said.code == 2
    assert str(file.name) in said.err
    assert len(said.err.strip().splitlines()) >= 2
    assert "Traceback" not in said.err


def test_bytes_that_are_no_text_are_mended_and_said(digest: Front) -> None:
    folder = crowd({"title": "Bees and honey"}).write(digest.folder / "in")
    posts = folder / "posts.csv"
    posts.write_bytes(posts.read_bytes().replace(b"Bees and", b"Bees \xff\xfe\x00 and"))
    said = digest("import", folder, at=NOW)
    assert "title holds characters that are none; they were replaced" in said_by(said)
    digest("send", *WEEK, at=NOW)
    assert "\n   Bees \ufffd\ufffd and honey\n" in shown(digest.mail_to("u0@people.example"))


def test_a_crowd_of_bad_users_stops_nobody(digest: Front) -> None:
    """All of it in one import and one run: the village gets exactly the mails it gets alone."""
    digest("import", village().write(digest.folder / "in"), at=NOW)
    alone = {
        who: digest("preview", who, *WEEK, "--format", "json", at=NOW).json
        for who in ("alice", "bob", "aroha")
    }
    there = Community()
    names = [
        "<b>",
        "\ud800",
        "\r\nBcc: x@people.example",
        "{{ x }}",
        "\u202e",
        "",
        "\x00",
        "😀" * 500,
    ]
    for n, name in enumerate(names):
        there.user(f"bad-{n}", name, "No/Where", locale="??", email=f"bad {n}@@people.example")
        seen(there, f"bad-post-{n}", f"bad-{n}", title=name, text=name * 1000, url=name)
        there.user(f"odd-{n}", f"Odd {name}", "No/Where", locale="??")
        seen(there, f"odd-post-{n}", f"odd-{n}", title=name, text=name * 1000, url=name)
        there.view(name, TUESDAY, "reader")
        there.reaction(name, f"odd-{n}", "like", TUESDAY)
    assert digest("import", json_lines(there, digest.folder / "bad"), at=NOW).code == 1
    assert digest("send", *WEEK, at=NOW).code == 1
    sent = {mail["To"].addresses[0].username for mail in digest.kept}
    assert sent == {"alice", "bob", "aroha"} | {f"odd-{n}" for n in range(len(names))}
    status = digest("status", *WEEK, "--json").json
    assert sum(status["states"].values()) == status["audience"]
    for raw in messages(digest):
        harmless(digest, raw)
    for who, before in alone.items():
        assert digest("preview", who, *WEEK, "--format", "json", at=NOW).json == before
