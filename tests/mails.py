"""Sample weeks: snapshots as the composer makes them, for everything that renders."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from digest.compose import Snapshot
from digest.render import Brand, MailLinks

BRAND = Brand(
    site_name="Fieldnotes",
    base_url="https://fieldnotes.example",
    postal_address="Fieldnotes, 1 Example Street\nExample City",
    write_url="https://fieldnotes.example/write",
)
LINKS = MailLinks(
    unsubscribe="https://fieldnotes.example/u/AVq1nSbb0Zr3kN3cJ0Zr3kN3cJ",
    browser="https://fieldnotes.example/b/AVq1nSbb0Zr3kN3cJ0Zr3kN3cJ",
    counting="https://fieldnotes.example/counting",
    guess="https://fieldnotes.example/g/AVq1nSbb0Zr3kN3cJ0Zr3kN3cJ",
)
DAYS = tuple(f"2026-11-{day:02}" for day in range(9, 16))


def snapshot(sections: dict[str, dict[str, Any]], **changes: Any) -> Snapshot:
    """Alice's week of 9 November 2026 with the given sections."""
    fields: dict[str, Any] = {
        "user": "u1",
        "name": "Alice",
        "locale": "en",
        "period": "2026-W46",
        "timezone": "Europe/Berlin",
        "start": datetime(2026, 11, 8, 23, tzinfo=UTC),
        "end": datetime(2026, 11, 15, 23, tzinfo=UTC),
        "views": None,
        "reach": None,
        "reactions": None,
        "sections": sections,
    }
    return Snapshot(**(fields | changes))


def days(*counts: int) -> list[dict[str, Any]]:
    return [{"date": day, "count": count} for day, count in zip(DAYS, counts, strict=True)]


def headline(**changes: Any) -> dict[str, Any]:
    return {
        "metric": "reach",
        "reach": 1284,
        "views": 2310,
        "reactions": 84,
        "reactors": 60,
        "new_people": 214,
        "posts": 6,
        "days": days(120, 188, 742, 512, 391, 204, 153),
    } | changes


def usual(**changes: Any) -> dict[str, Any]:
    return {
        "metric": "reach",
        "weeks": 12,
        "verdict": "above",
        "low": 640,
        "high": 980,
        "median": 800,
        "percent": None,
        "times": None,
        "first": False,
    } | changes


def card(title: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "title": title,
        "excerpt": "",
        "url": "https://fieldnotes.example/p/" + (title.lower().replace(" ", "-")[:40] or "p1"),
        "published": "2026-11-10",
        "archive": False,
        "views": 1340,
        "reach": 612,
        "reactions": 41,
        "share": 0.58,
        "people": [],
        "others": 0,
        "replied": False,
        "times": None,
        "days": None,
    } | changes


def new_post(title: str, **changes: Any) -> dict[str, Any]:
    return {
        "id": "p1",
        "title": title,
        "excerpt": "",
        "url": "https://fieldnotes.example/p/" + (title.lower().replace(" ", "-")[:40] or "p1"),
        "published": "2026-11-10",
        "shown": False,
        "boards": ["most_seen"],
        "reach": 402,
        "views": 733,
        "engagers": 31,
        "rate": 0.071,
        "per_hundred": None,
        "talkers": 0,
        "times": None,
        "rank": None,
    } | changes


def focus(**changes: Any) -> dict[str, Any]:
    return {
        "word": "mixed",
        "effective": 14,
        "reactions": 84,
        "people": 60,
        "names": ["Noor", "Tomás", "Ines"],
        "kept": 7,
        "viewed": {"wider": True, "effective": 41},
        "given": {"word": "focused", "effective": 5, "reactions": 48},
    } | changes


def hours(first: int = 42, second: int = 153) -> dict[str, Any]:
    """Two times, by the hour of the week at which they begin."""
    starts = [(start // 24, start % 24) for start in (first, second)]
    times = [{"weekday": day, "from": hour, "to": (hour + 2) % 24} for day, hour in starts]
    return {"times": times, "clear": 1.8}


def advocate(name: str, **changes: Any) -> dict[str, Any]:
    return {"name": name, "weeks": 7, "posts": 12, "viewers": 34} | changes


def guess(**changes: Any) -> dict[str, Any]:
    """A question about “Trains I have missed”, and the answer to the last one."""
    about = {"excerpt": "", "url": "https://fieldnotes.example/p/x"}
    return {
        "hours": 48,
        "ask": {
            "post": {"id": "trains", "title": "Trains I have missed", **about},
            "published": "2026-11-15",
            "weekday": 6,
            "choices": [20, 50, 100, 200, 500],
        },
        "reveal": {
            "post": {"id": "keys", "title": "Where I left the keys", **about},
            "actual": 78,
            "guess": 40,
            "ratio": 40 / 78,
            "error": 0.668,
        },
        "record": {"guesses": 7, "percent": 52, "error": 0.7, "closest": True},
        "community": {"guessers": 131, "percent": 41},
    } | changes


def rich() -> Snapshot:
    """Everything a busy author's mail can have."""
    return snapshot(
        {
            "headline": headline(),
            "usual": usual(),
            "top_posts": {
                "metric": "views",
                "posts": [
                    card(
                        "Why our build takes nine minutes",
                        excerpt="We measured every step for a week. Most of the time went where"
                        " nobody had looked: copying the same files, again and again.",
                        times=3.1,
                    ),
                    card(
                        "A garden plan for people who travel",
                        views=556,
                        reach=318,
                        reactions=22,
                        share=0.24,
                        people=["Noor", "Tomás"],
                        replied=True,
                    ),
                    card(
                        "Notes on reading slowly",
                        published="2026-03-02",
                        archive=True,
                        views=281,
                        reach=190,
                        reactions=4,
                        share=0.12,
                    ),
                ],
                "more": 3,
            },
            "new_posts": {
                "hours": 48,
                "posts": [
                    new_post(
                        "Why our build takes nine minutes",
                        shown=True,
                        boards=["most_seen", "most_talk"],
                        talkers=9,
                        times=3.1,
                        rank={"place": 1, "of": 10},
                    ),
                    new_post(
                        "Trains I have missed",
                        excerpt="Eleven platforms, one suitcase, and what each of them taught me.",
                        boards=["best_received"],
                        reach=188,
                        rank={"place": 2, "of": 10},
                    ),
                ],
                "waiting": 1,
            },
            "focus": focus(),
            "advocates": {
                "people": [advocate("Noor"), advocate("Tomás", weeks=3, posts=1, viewers=None)]
            },
            "hours": hours(),
            "next": {
                "kind": "reply",
                "post": {
                    "title": "A garden plan for people who travel",
                    "url": "https://fieldnotes.example/p/garden#replies",
                },
                "people": ["Noor", "Tomás"],
            },
        },
        views=2310,
        reach=1284,
        reactions=84,
    )


def asking() -> Snapshot:
    """A mail with a question about a post that is in its list, and the answer to the last one."""
    asked = card(
        "Trains I have missed",
        id="trains",
        views=987,
        reach=654,
        reactions=321,
        share=0.25,
        people=["Noor", "Tomás", "Ines"],
        others=246,
        replied=True,
    )
    first = card("Why our build takes nine minutes", id="build")
    last = card("Notes on reading slowly", id="notes", views=281, reach=190, reactions=4)
    return snapshot(
        {
            "headline": headline(),
            "top_posts": {"metric": "views", "posts": [first, asked, last], "more": 3},
            "guess": guess(),
            "next": {"kind": "write", "post": None, "people": [], "site": "https://blog.example/"},
        },
        views=2310,
        reach=1284,
    )


def counters() -> Snapshot:
    """A site that only has counters: no people, no names, no rates of people."""
    posts = [
        card(
            "How to read a paper in twenty minutes", reach=None, views=612, reactions=29, share=0.66
        ),
        card(
            "",
            excerpt="Small tools I use every day",
            reach=None,
            views=204,
            reactions=9,
            share=0.22,
            url="",
        ),
        card("Hello world", reach=None, views=1, reactions=1, share=0.001),
    ]
    return snapshot(
        {
            "headline": headline(
                metric="views",
                reach=None,
                views=928,
                reactions=43,
                reactors=None,
                new_people=None,
                days=days(0, 12, 300, 411, 120, 0, 85),
            ),
            "usual": usual(metric="views", verdict="within", low=610, high=1190),
            "top_posts": {"metric": "views", "posts": posts, "more": 0},
            "new_posts": {
                "hours": 48,
                "posts": [
                    new_post(
                        "How to read a paper in twenty minutes",
                        reach=None,
                        views=540,
                        engagers=None,
                        rate=None,
                        per_hundred=4.2,
                        boards=["most_seen", "best_received"],
                        shown=True,
                    )
                ],
                "waiting": 0,
            },
            "next": {"kind": "write", "post": None, "people": [], "site": "https://blog.example/"},
        },
        views=928,
        reactions=43,
    )


def reactions() -> Snapshot:
    """A site that logs no views at all: only what people did."""
    return snapshot(
        {
            "headline": headline(
                metric="reactions",
                reach=None,
                views=None,
                reactions=42,
                reactors=31,
                new_people=None,
                posts=5,
                days=days(4, 6, 2, 20, 5, 3, 2),
            ),
            "usual": usual(
                metric="reactions", weeks=5, verdict=None, low=None, high=None, median=30
            ),
            "top_posts": {
                "metric": "reactions",
                "posts": [
                    card(
                        "How is a quantum bit different from a probability?",
                        views=None,
                        reach=None,
                        reactions=27,
                        share=0.64,
                        people=["Ada", "Grace", "Edsger"],
                        others=12,
                    ),
                    card(
                        "Is the depth of a circuit its running time?",
                        views=None,
                        reach=None,
                        reactions=15,
                        share=0.36,
                        people=["Ada"],
                    ),
                ],
                "more": 1,
            },
            "next": {
                "kind": "revisit",
                "post": {
                    "title": "Is the depth of a circuit its running time?",
                    "url": "https://fieldnotes.example/q/4",
                },
                "people": [],
            },
        },
        reactions=42,
    )


def quiet() -> Snapshot:
    """A week in which next to nothing happened."""
    return snapshot(
        {
            "quiet": {
                "posts": 12,
                "best": {
                    "title": "Notes on reading slowly",
                    "url": "https://fieldnotes.example/p/slowly",
                    "views": 4120,
                },
            },
            "next": {"kind": "write", "post": None, "people": [], "site": "https://blog.example/"},
        }
    )


def single() -> Snapshot:
    """One post, one view, one person: every noun in the singular."""
    return snapshot(
        {
            "headline": headline(
                reach=1,
                views=1,
                reactions=0,
                reactors=0,
                new_people=1,
                posts=1,
                days=days(0, 0, 1, 0, 0, 0, 0),
            ),
            "top_posts": {
                "metric": "views",
                "posts": [card("My first post", views=1, reach=1, reactions=0, share=1.0)],
                "more": 0,
            },
            "next": {"kind": "write", "post": None, "people": [], "site": "https://blog.example/"},
        },
        name="",
        locale="",
    )


def worst() -> Snapshot:
    """The longest of everything, with titles that have no place to break."""
    long = "Donaudampfschifffahrtsgesellschaftskapitän" * 10
    url = "https://fieldnotes.example/p/" + "a" * 1900
    everyone = ["Wolfeschlegelsteinhausenbergerdorff" * 4] * 3
    big = {"views": 987_654_321, "reach": 123_456_789, "reactions": 1_234_567}
    week = days(*[123_456_789] * 7)
    return snapshot(
        {
            "headline": headline(
                reach=123_456_789, views=987_654_321, new_people=99_999_999, days=week
            ),
            "usual": usual(low=1_234_567, high=99_999_999, times=12),
            "top_posts": {
                "metric": "views",
                "posts": [
                    card(
                        long,
                        excerpt=long,
                        url=url,
                        archive=True,
                        published="2019-03-02",
                        people=everyone,
                        others=1_234_567,
                        times=123.4,
                        **big,
                    )
                ]
                * 5,
                "more": 12_345,
            },
            "new_posts": {
                "hours": 48,
                "posts": [
                    new_post(
                        long,
                        excerpt=long,
                        url=url,
                        reach=123_456_789,
                        talkers=1_234_567,
                        times=123.4,
                        rank={"place": 2, "of": 10},
                        boards=["most_seen", "best_received", "most_talk"],
                    )
                ]
                * 3,
                "waiting": 12_345,
            },
            "focus": focus(
                word="broad", effective=99_999_999, reactions=1_234_567_890, names=everyone
            ),
            "advocates": {
                "people": [advocate(long, posts=1_234_567, viewers=99_999_999)] * 5,
            },
            "hours": hours(47, 167),
            "guess": guess(
                ask={
                    "post": {"id": "p2", "title": long, "excerpt": long, "url": url},
                    "published": "2026-11-15",
                    "weekday": 2,
                    "choices": [10_000_000, 20_000_000, 50_000_000, 100_000_000, 200_000_000],
                },
                reveal={
                    "post": {"id": "p3", "title": long, "excerpt": long, "url": url},
                    "actual": 123_456_789,
                    "guess": 1_000_000_000,
                    "ratio": 8.1,
                    "error": 2.1,
                },
                record={"guesses": 26, "percent": 123_456, "error": 2.1, "closest": True},
            ),
            "next": {"kind": "reply", "post": {"title": long, "url": url}, "people": everyone},
        },
        name=long,
    )


def naughty() -> Snapshot:
    """Titles from people who mean no good, and from people who write the other way."""
    posts = [
        card("<script>alert(1)</script>", url="javascript:alert(1)", share=0.4),
        card(
            "שלום עולם: איך קוראים לאט",
            excerpt="מאמר קצר על קריאה איטית",
            share=0.3,
            people=["יעל", "Noor"],
            replied=True,
            archive=True,
            published="2026-03-02",
        ),
        card(
            "\u202egnp.exe\u202c \u2066tail",
            url="data:text/html,x",
            share=0.2,
            people=["\u202eevil"],
        ),
        card(
            "{{ 7 * 7 }} {% raw %} “quoted” & <b>",
            excerpt="</td></tr></table>",
            share=0.1,
            url='https://fieldnotes.example/p/?a=1&b="><img src=x>',
        ),
        card("نص عربي طويل بعض الشيء حتى ينكسر السطر على الهاتف", share=0.1),
    ]
    return snapshot(
        {
            "headline": headline(),
            "usual": usual(verdict="below", low=640, high=640, percent=-45),
            "top_posts": {"metric": "views", "posts": posts, "more": 0},
            "focus": focus(names=["<b>Bold</b>", "\u202eevil", "יעל"]),
            "advocates": {"people": [advocate("<script>alert(1)</script>"), advocate("مريم")]},
            "next": {
                "kind": "reply",
                "post": {"title": "x\r\nBcc: a@b.example", "url": "//evil"},
                "people": ["Bob\nEve"],
            },
        },
        name="مريم\x00\u202e",
        locale="en-US",
    )


def kinds(**changes: Any) -> dict[str, Any]:
    def row(kind: str, posts: int, rate: float, reach: int | None, share: float | None) -> Any:
        return {
            "kind": kind,
            "posts": posts,
            "per_hundred": rate,
            "reach": reach,
            "share": share,
        }

    return {
        "weeks": 8,
        "unit": "people",
        "kinds": [
            row("question", 7, 11.6, 86, 0.34),
            row("self-promotion", 5, 2.41, 64, None),
            row("thought", 3, 4.0, None, None),
        ],
        "compared": True,
        "better": {"kind": "question", "than": "self-promotion"},
        "guessed": True,
        "tip": "contribute",
    } | changes


def estimated() -> Snapshot:
    """A platform that does not log views of this author."""
    first = {"id": "p1", "title": "Why our build takes nine minutes", "excerpt": "Seven of them."}
    untitled = {"id": "p2", "title": "", "excerpt": "A note without a title, about the moss."}
    posts = [
        first | {"url": "https://fieldnotes.example/p/1", "shown": False, "engagers": 7, "low": 40},
        untitled | {"url": "", "shown": False, "engagers": 0, "low": 0},
    ]
    return snapshot(
        {
            "headline": headline(metric="reactions", reach=None, views=None, days=None),
            "estimate": {
                "hours": 48,
                "posts": [post | {"high": 210} for post in posts],
                "people": {"seen": 25, "least": 28, "days": 28},
            },
            "kinds": kinds(),
        }
    )


def counted_kinds() -> Snapshot:
    """Kinds of posts of which only totals are known."""
    few = kinds(unit="views", better=None, guessed=False, tip="old-news")
    return snapshot({"headline": headline(), "kinds": few})


def others() -> Snapshot:
    """A mail that speaks of other people and of their posts."""
    ferry = {"title": "The last ferry", "excerpt": "", "url": "https://fieldnotes.example/p/ferry"}
    untitled = {"title": "", "excerpt": "No title at all", "url": "https://fieldnotes.example/p/x"}
    nobody: dict[str, Any] = {"post": None, "latest": None}
    people = [
        {"name": "Noor Haddad", "reason": "both", "count": 4, "post": ferry, "latest": untitled},
        {"name": "\u202eمريم <b>", "reason": "shared", "count": 12, **nobody},
        {"name": "Bob Ito", "reason": "replied", "count": 2, **nobody, "latest": ferry},
    ]
    post = {"id": "p", "by": "Tomás", "topic": "gardens", "tags": ["rising", "hot"]}
    post |= {"published": "2026-11-15"}
    posts = [
        ferry | post | {"excerpt": "It left at nine, with nobody on it."},
        untitled | post | {"by": "", "topic": "حدائق", "tags": ["gem"]},
        ferry | post | {"title": "x" * 300, "tags": []},
    ]
    rhythm = {"streak": 5, "longer": False, "posts": 3, "usual": 1.5}
    sharing = {"posts": posts, "topics": ["gardens", "ferries"], "rhythm": rhythm}
    return snapshot({"headline": headline(), "people": {"people": people}, "sharing": sharing})


def rhythm_alone() -> Snapshot:
    """A steady author, one reader in common, and nothing to share."""
    known = {"name": "Vic", "reason": "both", "count": 3, "post": None, "latest": None}
    rhythm = {"streak": 26, "longer": True, "posts": None, "usual": None}
    sharing = {"posts": [], "topics": [], "rhythm": rhythm}
    return snapshot({"headline": headline(), "people": {"people": [known]}, "sharing": sharing})


ALL = {
    "rich": rich,
    "asking": asking,
    "counters": counters,
    "reactions": reactions,
    "quiet": quiet,
    "single": single,
    "worst": worst,
    "naughty": naughty,
    "estimated": estimated,
    "counted_kinds": counted_kinds,
    "others": others,
    "rhythm_alone": rhythm_alone,
}
