"""What must not be claimed, held against mails of very different communities.

The list is that of the product's statistics: no reasons, no promises, no names of people who only
looked, no figure from less than its guard, no small groups, no other platform's figures.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from digest import guesses
from digest.demo import populate
from digest.ingest import ingest
from digest.models import Group, Post, User, table
from tests.claims.communities import PLACES, deskdrop
from tests.claims.counting import Ground
from tests.claims.place import MARK, Place, marked
from tests.claims.rules import RULES, unfounded
from tests.claims.sentences import STUDY
from tests.claims.wording import forbidden, named_viewers
from tests.claims.writing import LANGUAGES, Mail, joined, mails, own, plain, written
from tests.office import NOW, Office


@contextmanager
def office(folder: Path) -> Iterator[Office]:
    made = Office(folder, suggest_people=True, brand_accounts="brand", adaptive_cadence=False)
    yield made
    made.database.close()


def settled(there: Office, place: Place) -> Ground:
    assert ingest(there.database, place.write(there.folder / "in")).rejected == 0
    return Ground(there.database)


def check(mails: Iterable[Mail], seen: Counter[str]) -> int:
    number = 0
    for mail in mails:
        number += 1
        told = mail.snapshot.sections
        assert json.loads(json.dumps(told)) == told  # a later mail is made from what was stored
        wrong = [*forbidden(mail), *named_viewers(mail), *unfounded(mail, seen)]
        assert not wrong, "\n".join([*wrong, str(mail)])
        mail.ground.mailed[mail.user] = mail.snapshot.period
    return number


def guessed(there: Office, ground: Ground, told: Iterable[Mail]) -> Iterator[Mail]:
    """Whoever is asked guesses, one too few and another too many."""
    for number, mail in enumerate(told):
        if post := mail.snapshot.asked:
            value = 7 + number % 20
            with there.database.writing() as session:
                assert guesses.keep(session, mail.user, post, value, mail.snapshot.end)
            ground.guesses.append((mail.user, post, value))
        yield mail


def test_communities_that_lean_on_every_guard_are_told_only_what_holds(tmp_path: Path) -> None:
    """And every claim that has a rule is made somewhere, so that each rule was tried."""
    seen: Counter[str] = Counter()
    for name, make in PLACES.items():
        (folder := tmp_path / name).mkdir()
        with office(folder) as there:
            place = make()
            ingest(there.database, place.write(folder / "in"))
            ground = Ground(there.database)
            if name == "guessing":
                told = guessed(there, ground, mails(there, ground, 6, keep=True))
            else:
                told = mails(there, ground, 3)
            assert check(told, seen) > 3, name
    assert [rule.name for rule in RULES if not seen[rule.name]] == []


def test_the_demo_is_told_only_what_holds_in_all_its_weeks(tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    with office(tmp_path) as there:
        populate(there.database, users=10, now=NOW)
        with there.database.writing() as session:
            for model in (User, Post):
                column = "name" if model is User else "title"
                rows = table(model)
                ids = session.connection().execute(select(rows.c.id)).scalars().all()
                for id_ in ids:
                    words = marked(f"{'p-' if model is Post else ''}{id_} because")
                    changed = rows.update().where(rows.c.id == id_).values({column: words})
                    session.connection().execute(changed)
            for one in (Post, Group):
                values = {"text": ""} if one is Post else {"name": marked("a group")}
                session.connection().execute(table(one).update().values(values))
        ground = Ground(there.database)
        assert check(mails(there, ground, 20), seen) > 80
    assert len(seen) > 12


def test_real_readers_are_told_only_what_holds(tmp_path: Path, shared_data: Path) -> None:
    seen: Counter[str] = Counter()
    with office(tmp_path) as there:
        ground = settled(there, deskdrop(shared_data))
        assert check(mails(there, ground), seen) > 100


def test_posts_that_were_deleted_are_told_of_no_more(tmp_path: Path) -> None:
    with office(tmp_path) as there:
        place = PLACES["small"]()
        ground = settled(there, place)
        assert any("p-fresh5" in str(mail) for mail in mails(there, ground, keep=False))
        for facts in ("views", "reactions", "counters"):
            there.sql(f"DELETE FROM {facts} WHERE post_id = 'p-fresh5'")
        there.sql("DELETE FROM posts WHERE id = 'p-fresh5'")
        left = list(mails(there, Ground(there.database)))
        assert check(left, Counter()) > 10
        assert not any("p-fresh5" in mail.subject + mail.text + mail.page for mail in left)


DIGITS = re.compile(r"\d+(?:[.,\u202f\u00a0٫٬]\d+)*")


def figures(text: str) -> Counter[int]:
    """The whole numbers of our sentences, however a language groups their digits."""
    plainly = own(text).translate({ord(a): str(n) for n, a in enumerate("٠١٢٣٤٥٦٧٨٩")})
    return Counter(int(re.sub(r"\D", "", n)) for n in DIGITS.findall(plainly))


@pytest.mark.parametrize("name", ["busy", "guessing", "logged"])
def test_every_language_tells_the_same_figures(tmp_path: Path, name: str) -> None:
    """Figures above 31: smaller ones are also hours, dates and words (“one person”)."""
    with office(tmp_path) as there:
        ground = settled(there, PLACES[name]())
        for mail in list(mails(there, ground))[:3]:
            parts = mail.text, plain(mail.page)
            ours = [{n for n in figures(part) if 32 <= n < 2000} for part in parts]
            for language in LANGUAGES:
                other = written(there, ground, mail.snapshot, language)
                for mine, part in zip(ours, (other.text, plain(other.page)), strict=True):
                    assert mine <= figures(part).keys(), (language, own(part))
                assert ("2013" in other.text) == (STUDY in joined(mail.text))


# --- each check finds a breach -------------------------------------------------------------------


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mail]:
    """A mail with much in it, of which all is true."""
    with office(tmp_path_factory.mktemp("good")) as there:
        ground = settled(there, PLACES["busy"]())
        told = [mail for mail in mails(there, ground) if mail.user == "star"]
        yield told[-1]


BREACHES = [
    "It is so because people like it.",
    "You will gain 30 readers.",
    "This led to more views.",
    "Thanks to Tuesday, more came.",
    "40 people read your post.",
    "Most of them were women.",
    "That is 12% more than usual.",
    "On Twitter it would be the same.",
    "The typical person guessed about 27 % of the true audience.",
]


@pytest.mark.parametrize("breach", BREACHES)
def test_words_that_must_not_be_said_are_found(good: Mail, breach: str) -> None:
    assert not list(forbidden(good))
    assert list(forbidden(replace(good, text=f"{good.text}\n{breach}")))
    assert list(forbidden(replace(good, page=f"{good.page}<p>{breach}</p>")))
    users = " ".join(MARK + word for word in breach.split())
    assert not list(forbidden(replace(good, text=f"{good.text}\n{users}")))


def test_somebody_who_only_looked_is_found(good: Mail) -> None:
    ground = good.ground
    acted = {row["actor_id"] for rows in ground.acts.values() for row in rows}
    looked = next(id_ for id_ in ground.users if id_ not in acted and not ground.by[id_])
    assert not list(named_viewers(good))
    assert list(named_viewers(replace(good, subject=f"{MARK}{looked} saw your posts")))


CLAIMS = [
    "posts were seen by 9,999 people",
    "That is within your usual range (1–9,999 people).",
    "Your median week: 12 people.",
    "It is 50% more than the week before.",
    "It is 5× the week before.",
    "9 people had not seen your posts in the four weeks before.",
    "4 people saw at least half of your posts of the last four weeks.",
    "In the last four weeks, 900 of your roughly 70 followers saw at least one of your posts.",
    f"{MARK}p-star2 {MARK}post Seen by 4 of your 70 followers",
    f"{MARK}p-star2 {MARK}post Seen by 3 people · 40× your usual",
    f"{MARK}p-star2 {MARK}post 900 views by 3 people",
    f"{MARK}p-star2 {MARK}post 30 people saw this; no one reacted.",
    "Of the 20 people who saw your posts, 7 came by a repost.",
    f"The repost by {MARK}fan3 {MARK}because brought most: 9 people.",
    "2 posts · responded to by about 3 of 100 people",
    "At least about 400 people follow along. 5 people reacted",
    "Probably seen by 30–40 people",
    "The 12 reactions of the last eight weeks are",
    "Of the 20 people who saw your posts, 7 came by a repost or do not follow you.",
    (
        f"Picked up again {MARK}p-star2 {MARK}post 12 views in the 6 hours after {MARK}fan3"
        f" {MARK}because reposted it"
    ),
    (
        f"Still growing {MARK}p-star2 {MARK}post 31 views on the last day of the week,"
        " 3× what your posts usually get at that age"
    ),
    (
        "Posts of yours that somebody responded to within 2 hours went on to reach more. Half of"
        " them reached 40 people or more after that, half of the others 20 or more"
        " (your last 31 posts)."
    ),
    f"1. {MARK}fan3 {MARK}because 8 weeks · 20 posts",
    f"{MARK}fan3 {MARK}because You both reacted to 4 posts.",
    f"{MARK}fan3 {MARK}because 12 people reacted to posts of both of you.",
    f"{MARK}fan3 {MARK}because Replied to 40 of your posts.",
    f"Your first post seen by 50 people in 48 hours: {MARK}p-star2 {MARK}post",
    f"The first of 9 posts seen by 10 people in 48 hours: {MARK}p-star2 {MARK}post",
    "Your best week of the 3 on record: 9 views.",
    "Your best week since May: 31 people.",
    "You have posted 5 weeks in a row.",
    "You have posted in each of the last 26 weeks.",
    "9 posts this week; your usual week has 2.",
    "Your posts were seen for the first time: 12 views.",
    (
        "More of your readers are around in the hours after Monday, 3–5 am, or Monday, 4–6 am, than"
        " after most other times."
    ),
    "your posts have had 900 views That is everything so far, on 12 posts.",
    "Over your last 2 guesses you guess about 40% of the real number",
    "the typical person guesses about 40% of the real number",
]


@pytest.mark.parametrize("claim", CLAIMS)
def test_claims_that_the_facts_do_not_carry_are_found(good: Mail, claim: str) -> None:
    assert not list(unfounded(good, Counter()))
    assert list(unfounded(replace(good, text=f"{good.text}\n\n{claim}"), Counter()))
