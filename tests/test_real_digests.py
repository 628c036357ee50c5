"""Digests of real people's posts, made through the front door: import, send, read the mail.

Every figure of a mail is compared with one that is worked out here, straight from the files as they
were published, or by SQL on the database file: nothing of the program helps with the counting.
"""

from __future__ import annotations

import csv
import gzip
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from email.message import EmailMessage
from email.utils import parseaddr
from functools import cache
from itertools import pairwise
from math import ceil, floor, sqrt
from pathlib import Path
from statistics import fmean, median
from typing import Any, NamedTuple, TypeAlias
from xml.etree import ElementTree as ET

import pytest

from digest.clients import HTML_LIMIT
from digest.compose import Snapshot
from digest.render import Renderer
from tests.community import Community
from tests.conftest import Front, body
from tests.conversions import deskdrop, devto, facebook, hacker_news, medium, read, wordpress
from tests.mails import BRAND, LINKS

DAY = timedelta(days=1)
MORNING = time(10, 30)
"""What is only known by its date is stored at this time of day."""
LARGEST = 100_000
"""Bytes of HTML that no mail may have; a large webmail cuts a little above."""
assert LARGEST < HTML_LIMIT


class Figures(NamedTuple):
    """What a post has in a week; None is unknown."""

    views: int | None
    reach: int | None
    reactions: int


Week: TypeAlias = Mapping[str, Figures]
Views: TypeAlias = set[tuple[datetime, str, str]]
"""Who saw what when: (time, post, person)."""

# --- reading what was sent -----------------------------------------------------------------------


def monday(period: str) -> datetime:
    year, week = period.split("-W")
    return datetime.combine(date.fromisocalendar(int(year), int(week), 1), time(), UTC)


@pytest.fixture(autouse=True)
def everybody_is_mailed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Most of these authors had not posted for long; their figures are to be looked at too."""
    monkeypatch.setenv("DIGEST_ADAPTIVE_CADENCE", "false")


def digests(digest: Front, path: Path, period: str, *more: str) -> dict[str, dict[str, Any]]:
    """Import, send the week, check that its states sum up, and give the snapshots by user."""
    now = monday(period) + timedelta(weeks=1, hours=9)
    digest("import", path, at=now)
    digest("send", "--week", period, *more, at=now)
    status = digest("status", "--week", period, "--json").json
    ((users,),) = ask(digest, "SELECT count(*) FROM users")
    assert sum(status["states"].values()) == status["audience"] == users
    kept = digest.kept
    assert status["states"].get("sent", 0) == len(kept)
    rows = ask(
        digest, "SELECT user_id, body FROM snapshots WHERE period = ? AND body IS NOT NULL", period
    )
    told = {user: json.loads(snapshot) for user, snapshot in rows}
    check_every_text(told, kept)
    check_the_largest(digest, period, told, kept)
    return told


def ask(digest: Front, statement: str, *values: Any) -> list[tuple[Any, ...]]:
    return digest.sql(statement, *values)


def text_of(digest: Front, user: str) -> str:
    """The plain text of a user's mail as one line, so that it does not matter where lines break."""
    ((address,),) = ask(digest, "SELECT email FROM users WHERE id = ?", user)
    return " ".join(body(digest.mail_to(address)).split())


def check_every_text(told: Mapping[str, Mapping[str, Any]], kept: list[EmailMessage]) -> None:
    """No mail shows a zero as news, or what a program says instead of a figure."""
    words = " ".join(
        post["title"] + post["excerpt"]
        for snapshot in told.values()
        for section in ("top_posts", "so_far", "new_posts")
        for post in snapshot["sections"].get(section, {"posts": []})["posts"]
    )
    for mail in kept:
        text = re.sub(r"https?://\S+", "", body(mail))
        assert not re.search(r"\b0 (views?|people|reactions?|posts?)\b", text), text
        for word in re.findall(r"\b(?:None|nan|null|undefined|inf)\b|\{\{|\}\}", text):
            assert word in words, text
        assert "-0" not in re.sub("“.*”", "", str(mail["Subject"]))


def check_the_largest(
    digest: Front, period: str, told: dict[str, dict[str, Any]], kept: list[EmailMessage]
) -> None:
    """The mail with the most HTML is shown whole, and would be in every other language."""
    sizes = {parseaddr(str(mail["To"]))[1]: len(body(mail, "html").encode()) for mail in kept}
    for address in sorted(sizes, key=lambda one: sizes[one])[-1:]:
        ((user,),) = ask(digest, "SELECT id FROM users WHERE email = ?", address)
        assert sizes[address] < LARGEST, f"{user} in {period}: {sizes[address]:,} bytes of HTML"
        snapshot = Snapshot.from_json(told[user])
        for language in ("en", "de", "es", "fr", "ja", "ar"):
            html = renderer().render(replace(snapshot, locale=language), LINKS).html
            size = len(html.encode())
            assert size < LARGEST, f"{user} in {period}, in {language}: {size:,} bytes of HTML"


@cache
def renderer() -> Renderer:
    return Renderer(BRAND)


# --- counting ------------------------------------------------------------------------------------


def best(
    week: Mapping[str, Figures], published: Mapping[str, datetime | None] | None = None
) -> list[tuple[str, Figures]]:
    """The five that lead: views, reach, reactions, the newer, id; without views, reactions.

    A post with a single view and no reaction is not among them where one has more.
    """
    by_views = any(post.views for post in week.values())

    def order(item: tuple[str, Figures]) -> tuple[Any, ...]:
        id_, post = item
        born = (published or {}).get(id_)
        first = post.views if by_views else post.reactions
        age = -born.timestamp() if born else 0.0
        return (-(first or 0), -(post.reach or 0), -post.reactions, age, id_)

    led = [item for item in week.items() if (item[1].views if by_views else item[1].reactions)]
    first = sorted(led, key=order)[:5]
    if not by_views:
        return first
    return [item for item in first if (item[1].views or 0) > 1 or item[1].reactions] or first


def shown(section: Mapping[str, Any]) -> list[tuple[str, Figures]]:
    return [
        (post["id"], Figures(post["views"], post["reach"], post["reactions"]))
        for post in section["posts"]
    ]


def usual_range(counts: Iterable[int]) -> tuple[int, int]:
    """Wheeler's limits on square roots, as whole numbers that lie within them."""
    roots = [sqrt(count) for count in counts]
    spread = 2.66 * fmean(abs(b - a) for a, b in pairwise(roots))
    low, high = max(0.0, fmean(roots) - spread) ** 2, (fmean(roots) + spread) ** 2
    return ceil(round(low, 6)), floor(round(high, 6))


def gained(totals: Mapping[datetime, int | None]) -> dict[datetime, int]:
    """What a counter gained at each reading after its first: above its highest total so far."""
    gains: dict[datetime, int] = {}
    highest: int | None = None
    for at in sorted(totals):
        total = totals[at]
        if total is None:
            continue
        if highest is not None:
            gains[at] = max(0, total - highest)
        highest = max(total, highest or 0)
    return gains


def in_week(at: datetime, start: datetime) -> bool:
    return start <= at < start + 7 * DAY


# --- the folders ---------------------------------------------------------------------------------


def desk_events(folder: Path) -> tuple[Views, Counter[tuple[datetime, str]]]:
    """Views without exact repeats as (time, item, person), and reactions by time and item."""
    seen, acts = set(), set()
    for row in read(folder / "users_interactions.csv.gz"):
        at = datetime.fromtimestamp(int(row["timestamp"]), UTC)
        event = (at, row["contentId"], row["personId"])
        if row["eventType"] == "VIEW":
            seen.add(event)
        elif row["eventType"] in {"LIKE", "COMMENT CREATED"}:
            acts.add((*event, row["eventType"]))
    return seen, Counter((at, item) for at, item, _, _ in acts)


def test_deskdrop_by_its_events(digest: Front, shared_data: Path) -> None:
    """The README's check week: 1541 views, and of the best items views and people."""
    folder = shared_data / "deskdrop_events_2016"
    deskdrop.convert(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2016-W20")["desk"]
    text = text_of(digest, "desk")
    assert "1,541 views in all." in text
    for views_, people_ in ((62, 34), (58, 40), (54, 37), (42, 24), (39, 25)):
        assert f"{views_} views by {people_} people" in text

    seen, acts = desk_events(folder)
    start = monday("2016-W20")
    figures = desk_week(seen, acts, start)
    week = [event for event in seen if in_week(event[0], start)]
    top = told["sections"]["top_posts"]
    assert shown(top) == best(figures)
    assert top["more"] == len(figures) - 5
    assert [round(post["share"], 9) for post in top["posts"]] == [
        round((post.views or 0) / len(week), 9) for _, post in best(figures)
    ]
    headline = told["sections"]["headline"]
    everybody = {person for _, _, person in week}
    before = {person for at, _, person in seen if start - 28 * DAY <= at < start}
    assert (headline["views"], headline["reach"]) == (len(week), len(everybody))
    assert headline["reactions"] == sum(post.reactions for post in figures.values())
    assert headline["new_people"] == len(everybody - before)
    assert f"{len(everybody - before)} people had not seen your posts" in text
    assert [day["count"] for day in headline["days"]] == [
        sum(start + n * DAY <= at < start + (n + 1) * DAY for at, _, _ in week) for n in range(7)
    ]
    check_ties(digest, seen, acts)
    check_usual(digest, seen)


def desk_week(seen: Views, acts: Counter[tuple[datetime, str]], start: datetime) -> Week:
    people = defaultdict(set)
    views: Counter[str] = Counter()
    reactions: Counter[str] = Counter()
    for at, item, person in seen:
        if in_week(at, start):
            views[item] += 1
            people[item].add(person)
    for (at, item), number in acts.items():
        if in_week(at, start):
            reactions[item] += number
    return {
        item: Figures(views[item] or None, len(people[item]) or None, reactions[item])
        for item in views | reactions
    }


def check_ties(digest: Front, seen: Views, acts: Counter[tuple[datetime, str]]) -> None:
    """Weeks in which the five, or who is among them, depend on people where views are equal."""
    for period in ("2016-W13", "2016-W22", "2016-W51"):
        told = digest("preview", "desk", "--week", period, "--format", "json").json["sections"]
        expected = best(desk_week(seen, acts, monday(period)))
        assert shown(told["top_posts"]) == expected


def check_usual(digest: Front, seen: Views) -> None:
    """A week with 26 whole weeks before it: limits and verdict from the people of each."""
    told = digest("preview", "desk", "--week", "2016-W45", "--format", "json").json["sections"]
    start = monday("2016-W45")
    people: list[set[str]] = [set() for _ in range(27)]
    for at, _, person in seen:
        weeks_ago = (start - at) // (7 * DAY) + 1 if at < start else 0
        if at < start + 7 * DAY and weeks_ago <= 26:
            people[weeks_ago].add(person)
    earlier = [len(people[n]) for n in range(26, 0, -1)]
    low, high = usual_range(earlier)
    usual = told["usual"]
    assert (usual["weeks"], usual["low"], usual["high"]) == (26, low, high)
    assert usual["median"] == round(median(earlier))
    now = len(people[0])
    assert usual["verdict"] == ("above" if now > high else "below" if now < low else "within")


def test_devto_by_its_daily_views(digest: Front, shared_data: Path) -> None:
    """The README's check week as a reader gets it, and 26 weeks of history from the file."""
    folder = shared_data / "devto_daily_views"
    devto.daily(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2026-W12")["author"]["sections"]
    text = text_of(digest, "author")
    for line in ("Setup 801 views", "Go 280 views", "Bedrock 156 views", "Tests!) 77 views"):
        assert line in text
    start = monday("2026-W12")
    weeks: Counter[int] = Counter()
    posts: Counter[str] = Counter()
    days = [0] * 7
    for row in read(folder / "daily.csv.gz"):
        at = datetime.combine(date.fromisoformat(row["date"]), time(), UTC)
        weeks[(at - start) // (7 * DAY)] += int(row["views"])
        if in_week(at, start):
            posts[row["article_id"]] += int(row["views"])
            days[(at - start).days] += int(row["views"])
    figures = {id_: Figures(count, None, 0) for id_, count in posts.items() if count}
    assert posts["3382406"] == 53
    assert shown(told["top_posts"]) == best(figures)
    assert [count for _, (count, _, _) in best(figures)] == [801, 280, 156, 77, 74]
    assert told["top_posts"]["more"] == len(figures) - 5
    assert f"{len(figures) - 5} other posts had views too" in text
    headline = told["headline"]
    assert (headline["metric"], headline["reach"]) == ("views", None)
    assert headline["views"] == sum(posts.values()) == sum(days)
    assert f"had {sum(days):,} views On {len(figures)} posts." in text
    assert [day["count"] for day in headline["days"]] == days
    earlier = [weeks[-n] for n in range(26, 0, -1)]
    low, high = usual_range(earlier)
    usual = told["usual"]
    assert (usual["weeks"], usual["low"], usual["high"]) == (26, low, high)
    assert usual["verdict"] == "above"
    assert usual["percent"] == round(100 * (weeks[0] - weeks[-1]) / weeks[-1])
    assert f"usual range ({low:,}–{high:,} views). It is {usual['percent']}% more" in text


def test_devto_by_its_snapshots(digest: Front, shared_data: Path) -> None:
    """Counters that fall and come back: a week has what rose above the highest total before."""
    folder = shared_data / "devto_daily_views"
    devto.snapshots(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2026-W12")["author"]["sections"]
    totals: dict[str, dict[str, dict[datetime, int | None]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for row in read(folder / "snapshots.csv.gz"):
        at = datetime.fromisoformat(row["snapshot_utc"])
        for column in ("views_total", "reactions_total", "comments_total"):
            totals[column][row["article_id"]][at] = int(row[column])
    gains = {
        column: {id_: gained(readings) for id_, readings in posts.items()}
        for column, posts in totals.items()
    }
    start = monday("2026-W12")

    def risen(column: str, id_: str, begin: datetime, length: timedelta = 7 * DAY) -> int:
        return sum(n for at, n in gains[column][id_].items() if begin <= at < begin + length)

    figures = {
        id_: Figures(
            risen("views_total", id_, start),
            None,
            risen("reactions_total", id_, start) + risen("comments_total", id_, start),
        )
        for id_ in totals["views_total"]
    }
    assert shown(told["top_posts"]) == best(figures)
    headline = told["headline"]
    assert headline["views"] == sum(post.views or 0 for post in figures.values())
    assert headline["reactions"] == sum(post.reactions for post in figures.values())
    assert [day["count"] for day in headline["days"]] == [
        sum(risen("views_total", id_, start + n * DAY, DAY) for id_ in figures) for n in range(7)
    ]
    earlier = [
        sum(risen("views_total", id_, start - 7 * n * DAY) for id_ in figures)
        for n in range(26, 0, -1)
    ]
    low, high = usual_range(earlier)
    assert (told["usual"]["low"], told["usual"]["high"]) == (low, high)
    assert f"within your usual range ({low:,}–{high:,} views)" in text_of(digest, "author")


def test_youtube_for_every_channel_of_two_countries(digest: Front, shared_data: Path) -> None:
    """Views, reactions and order of 800 authors, by the highest totals of both files."""
    folder = shared_data / "youtube_trending_2017"
    told = digests(digest, folder, "2017-W40")
    totals: dict[str, dict[str, dict[datetime, int | None]]] = defaultdict(
        lambda: defaultdict(dict)
    )
    for name in ("USvideos.csv.gz", "GBvideos.csv.gz"):
        for row in read(folder / name):
            day, month = row["date"].split(".")
            at = datetime.combine(date(2017, int(month), int(day[:2])), MORNING, UTC)
            for column in ("views", "likes", "comment_total"):
                readings = totals[row["video_id"]][column]
                readings[at] = max(readings.get(at) or 0, int(row[column]))
    start = monday("2017-W40")
    by_author: dict[str, dict[str, Figures]] = defaultdict(dict)
    first_read: Counter[str] = Counter()
    for id_, author in ask(digest, "SELECT id, author_id FROM posts"):
        week = {
            column: [n for at, n in gained(readings).items() if in_week(at, start)]
            for column, readings in totals[id_].items()
        }
        if any(week.values()):
            acts = sum(week["likes"]) + sum(week["comment_total"])
            by_author[author][id_] = Figures(sum(week["views"]), None, acts)
        if in_week(min(totals[id_]["views"]), start):
            first_read[author] += 1
    seen = 0
    for author, snapshot in told.items():
        week_of = by_author.get(author, {})
        views = sum(post.views or 0 for post in week_of.values())
        acts = sum(post.reactions for post in week_of.values())
        sections = snapshot["sections"]
        assert ("headline" in sections) == bool(views or acts), author
        assert ("so_far" in sections) == (not (views or acts) and first_read[author] > 0), author
        if "headline" in sections:
            seen += 1
            assert (sections["headline"]["views"], sections["headline"]["reactions"]) == (
                views,
                acts,
            )
            assert shown(sections["top_posts"]) == best(week_of), author
            assert (
                sections["headline"]["days"] is None
                or sum(day["count"] for day in sections["headline"]["days"]) == views
            )
    assert seen > 500
    kimmel = text_of(digest, "jimmy-kimmel-live-8cf2a59c1014")
    assert "your posts had 9,038,736 views 245,797 reactions on 4 posts." in kimmel
    assert "Las Vegas 7,381,856 views · 229,590 reactions" in kimmel


class Act(NamedTuple):
    """A vote, comment or answer: by whom (nobody: "") and whether it is a reply."""

    at: datetime
    actor: str
    reply: bool


class Site(NamedTuple):
    """A Stack Exchange dump as it is needed here, by post."""

    authors: dict[str, str]
    published: dict[str, datetime | None]
    totals: dict[str, int]
    acts: dict[str, list[Act]]


def rows(folder: Path, name: str) -> Iterable[dict[str, str]]:
    with gzip.open(folder / f"{name}.xml.gz") as file:
        return [dict(row.attrib) for row in ET.parse(file).getroot()]


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def quantum(folder: Path) -> Site:
    posts = [row for row in rows(folder, "Posts") if row["PostTypeId"] in "12"]
    posts = [row for row in posts if "OwnerUserId" in row]
    site = Site(
        {row["Id"]: row["OwnerUserId"] for row in posts},
        {row["Id"]: instant(row["CreationDate"]) for row in posts},
        {row["Id"]: int(row["ViewCount"]) for row in posts if "ViewCount" in row},
        defaultdict(list),
    )
    named: set[tuple[str, Act]] = set()
    acts = [
        (row["PostId"], Act(instant(row["CreationDate"]), row.get("UserId", ""), reply=True))
        for row in rows(folder, "Comments")
    ]
    acts += [
        (row["ParentId"], Act(instant(row["CreationDate"]), row["OwnerUserId"], reply=True))
        for row in posts
        if row["PostTypeId"] == "2"
    ]
    for row in rows(folder, "Votes"):
        if row["VoteTypeId"] in {"2", "5"}:
            at = datetime.combine(instant(row["CreationDate"]).date(), MORNING, UTC)
            acts.append((row["PostId"], Act(at, row.get("UserId", ""), reply=False)))
    for post, act in acts:
        if site.authors.get(post, act.actor) == act.actor:
            continue  # of a post that is not there, or the author's own
        if not act.actor or (post, act) not in named:
            site.acts[post].append(act)
            named.add((post, act))
    return site


def test_stackexchange_by_its_votes_and_answers(digest: Front, shared_data: Path) -> None:
    """Reactions of every author in one week: totals, people, days, order, and first 48 hours."""
    folder = shared_data / "stackexchange_quantumcomputing_2018"
    told = digests(digest, folder, "2018-W16")
    site, start = quantum(folder), monday("2018-W16")
    weeks: dict[str, dict[str, list[Act]]] = defaultdict(dict)
    for post, acts in site.acts.items():
        if now := [act for act in acts if in_week(act.at, start)]:
            weeks[site.authors[post]][post] = now
    assert len(weeks) > 70
    for author, snapshot in told.items():
        week = weeks.get(author, {})
        every = [act for acts in week.values() for act in acts]
        sections = snapshot["sections"]
        assert ("headline" in sections) == bool(every)
        assert snapshot["views"] is None
        if not every:
            continue
        headline = sections["headline"]
        assert (headline["metric"], headline["views"], headline["reach"]) == (
            "reactions",
            None,
            None,
        )
        assert (headline["reactions"], headline["posts"]) == (len(every), len(week))
        people = {act.actor for act in every}
        assert headline["reactors"] == (None if "" in people else len(people))
        assert [day["count"] for day in headline["days"]] == [
            sum(start + n * DAY <= act.at < start + (n + 1) * DAY for act in every)
            for n in range(7)
        ]
        figures = {post: Figures(None, None, len(acts)) for post, acts in week.items()}
        assert shown(sections["top_posts"]) == best(figures, site.published), author
        check_first_hours(site, author, start, sections)
    check_names(digest, told, weeks)
    assert "your posts got 67 reactions On 15 posts." in text_of(digest, "1837")
    assert "14 reactions · John and user replied" in text_of(digest, "1837")
    assert "3 newer posts are too young to judge; their turn is next week." in text_of(
        digest, "1837"
    )


def check_first_hours(
    site: Site, author: str, start: datetime, sections: Mapping[str, Any]
) -> None:
    """A post is judged in the week in which it turns 48 hours old, by what it had then."""
    age = timedelta(hours=48)
    judged = {}
    for post, born in site.published.items():
        if site.authors[post] == author and born and in_week(born + age, start):
            early = [act for act in site.acts[post] if born <= act.at < born + age]
            people = {act.actor for act in early}
            repliers = {act.actor for act in early if act.reply and act.actor}
            if early:
                engagers = None if "" in people else len(people)
                judged[post] = (len(early), engagers, len(repliers))
    listed = sections.get("new_posts", {"posts": []})["posts"]
    above = {post["id"] for post in sections["top_posts"]["posts"]}
    assert (
        len(listed) <= min(3, len(judged)) <= len(above & judged.keys() | {p["id"] for p in listed})
    )
    for post in listed:
        found = (post["reactions"], post["engagers"], post["talkers"])
        assert found == judged[post["id"]], post
        assert (post["views"], post["reach"]) == (None, None)
        if "most_talk" in post["boards"]:
            assert post["talkers"] == max(2, *(talkers for *_, talkers in judged.values()))


def check_names(
    digest: Front,
    told: Mapping[str, Mapping[str, Any]],
    weeks: Mapping[str, Mapping[str, list[Act]]],
) -> None:
    """Only people who reacted in public that week are named, and all named ones replied or none."""
    names = {str(id_): str(name) for id_, name in ask(digest, "SELECT id, name FROM users")}
    for author, snapshot in told.items():
        for card in snapshot["sections"].get("top_posts", {"posts": []})["posts"]:
            acts = [act for act in weeks[author][card["id"]] if act.actor in names]
            repliers = {names[act.actor] for act in acts if act.reply}
            others = {names[act.actor] for act in acts}
            assert set(card["people"]) <= (repliers if card["replied"] else others - repliers)
            assert len(card["people"]) == min(3, len(repliers) or len(others))


def test_stackexchange_counts_views_so_far_and_compares_reactions(
    digest: Front, shared_data: Path
) -> None:
    """The week of the dump: view totals are no week's figure, reactions have half a year behind."""
    folder = shared_data / "stackexchange_quantumcomputing_2018"
    told = digests(digest, folder, "2018-W35")
    site, start = quantum(folder), monday("2018-W35")
    acts_of: dict[str, list[Act]] = defaultdict(list)
    totals: dict[str, dict[str, int]] = defaultdict(dict)
    for post, author in site.authors.items():
        acts_of[author] += site.acts[post]
        if site.totals.get(post):
            totals[author][post] = site.totals[post]
    first_totals = compared = 0
    for author, snapshot in told.items():
        sections = snapshot["sections"]
        now = sum(in_week(act.at, start) for act in acts_of[author])
        assert ("so_far" in sections) == (not now and author in totals), author
        if "so_far" in sections:
            first_totals += 1
            mine = sorted(totals[author].items(), key=lambda item: (-item[1], item[0]))
            section = sections["so_far"]
            assert (section["total"], section["number"]) == (
                sum(totals[author].values()),
                len(mine),
            )
            assert [(post["id"], post["views"]) for post in section["posts"]] == mine[:5]
        elif "usual" in sections:
            compared += 1
            check_against_earlier_weeks(sections["usual"], acts_of[author], start)
    assert first_totals > 150
    assert compared > 30
    assert "Craig Gidney, your posts got 18 reactions" in text_of(digest, "119")
    assert "multi-linear regression? 2 people replied" in text_of(digest, "4127")


def check_against_earlier_weeks(usual: Mapping[str, Any], acts: list[Act], start: datetime) -> None:
    """Earlier weeks count from the one in which the author's data begins; none has nothing left."""
    since = (start - min(act.at for act in acts)) // (7 * DAY) + 1
    assert usual["weeks"] in {since - 1, since}
    counts = Counter((start - act.at) // (7 * DAY) + 1 for act in acts if act.at < start)
    counts |= Counter(1 for act in acts if act.at == start - 7 * DAY)
    earlier = [counts[n] for n in range(usual["weeks"], 0, -1)]
    assert usual["median"] == round(median(earlier))
    if usual["weeks"] >= 8:
        assert (usual["low"], usual["high"]) == usual_range(earlier)


def test_hacker_news_totals_so_far(digest: Front, shared_data: Path) -> None:
    """One reading of points and comments and no views: totals so far, and the order of the best."""
    folder = shared_data / "hacker_news_2016"
    hacker_news.convert(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2016-W38", "--limit", "300")
    totals: dict[str, dict[str, int]] = defaultdict(dict)
    for row in read(folder / "hacker_news.csv.gz"):
        totals[row["author"]][row["id"]] = int(row["num_points"]) + int(row["num_comments"])
    assert len(told) == 300
    words = ("--week", "2016-W38", "--format", "json")
    for author in ("ingve", "jseliger"):
        told[author] = digest("preview", author, *words).json
    for author, snapshot in told.items():
        section = snapshot["sections"]["so_far"]
        mine = sorted(totals[author].items(), key=lambda item: (-item[1], item[0]))
        assert (section["metric"], section["number"]) == ("reactions", len(mine))
        assert section["total"] == sum(totals[author].values())
        assert [(post["id"], post["reactions"]) for post in section["posts"]] == mine[:5]
        assert (snapshot["views"], snapshot["reach"]) == (None, None)
    assert len(totals["ingve"]) == 349


def test_medium_totals_so_far(digest: Front, shared_data: Path) -> None:
    """Six publications of up to 2,000 articles: claps and responses, and titles without markup."""
    folder = shared_data / "medium_articles_2020"
    medium.convert(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2021-W16")
    claps: dict[str, dict[str, int]] = defaultdict(dict)
    for row in read(folder / "medium_data.csv.gz"):
        author = medium.PUBLICATIONS[row["publication"]]
        claps[author][row["id"]] = int(row["claps"]) + int(row["responses"])
    newest = {
        id_ for (id_,) in ask(digest, "SELECT id FROM posts WHERE published_at >= '2021-04-21'")
    }
    assert len(told) == len(claps) == 6
    for author, snapshot in told.items():
        since = {id_: Figures(None, None, n) for id_, n in claps[author].items() if id_ in newest}
        if since:  # published on the day of the reading: all they have is of this week
            assert shown(snapshot["sections"]["top_posts"]) == best(since)
            assert snapshot["reactions"] == sum(post.reactions for post in since.values())
            continue
        section = snapshot["sections"]["so_far"]
        mine = sorted(claps[author].items(), key=lambda item: (-item[1], item[0]))
        assert section["total"] == sum(claps[author].values())
        assert [(post["id"], post["reactions"]) for post in section["posts"]] == mine[:5]
        text = text_of(digest, author)
        assert (
            f"have had {section['total']:,} reactions That is everything so far,"
            f" on {section['number']:,} posts." in text
        )
        assert "<" not in text


def test_facebook_totals_so_far(digest: Front, shared_data: Path) -> None:
    """Posts without a title or a link, whose displays are known once: totals and nothing else."""
    folder = shared_data / "facebook_page_posts_2014"
    facebook.convert(folder, digest.folder / "in")
    told = digests(digest, digest.folder / "in", "2015-W01")["page"]["sections"]
    with (folder / "dataset_Facebook.csv").open(encoding="utf-8-sig", newline="") as file:
        shows = [int(row["T_Impression"]) for row in csv.DictReader(file, delimiter=";")]
    text = text_of(digest, "page")
    assert (told["so_far"]["total"], told["so_far"]["number"]) == (sum(shows), 500)
    assert f"your posts have had {sum(shows):,} views" in text
    assert "That is everything so far, on 500 posts" in text
    assert f"HIGHEST SO FAR {max(shows):,} views" in text
    assert "Untitled" not in text


def test_wordpress_posts_with_made_up_readers(digest: Front, shared_data: Path) -> None:
    """The export knows nobody who read: without readers it is quiet, with some titles are whole."""
    wordpress.convert(shared_data / "naughty_text", digest.folder / "in")
    week = "2013-W02"
    told = digests(digest, digest.folder / "in", week)
    assert all(not snapshot["sections"].get("headline") for snapshot in told.values())
    readers = Community()
    posts = ask(digest, "SELECT id, title FROM posts WHERE author_id = 'themedemos' ORDER BY id")
    for n, (id_, _) in enumerate(posts):
        readers.views(id_, monday("2013-W03") + DAY, 2 * n + 1)
    told = digests(digest, readers.write(digest.folder / "readers"), "2013-W03")
    top = told["themedemos"]["sections"]["top_posts"]["posts"]
    most = list(reversed(posts))[:5]
    assert [(post["id"], post["title"]) for post in top] == most
    assert told["themedemos"]["reach"] == 2 * len(posts) - 1
    text = text_of(digest, "themedemos")
    for _, title in most:
        assert not title or title[:30] in text
