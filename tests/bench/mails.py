"""How large mails are in each language, and what signing one costs."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from digest.audience import Author
from digest.compose import Snapshot
from digest.config import Settings
from digest.database import Database
from digest.deciding import workshop
from digest.dkim import Key, Signer, read_keys
from digest.mail import Mailer
from tests import keys
from tests.bench import machine, stages

LANGUAGES = ("en", "de", "es", "fr", "ja", "ar")


@dataclass(frozen=True)
class Sizes:
    """Bytes of many mails in one language: of the HTML part, and of whole messages."""

    language: str
    html: list[int]
    message: list[int]


@dataclass(frozen=True)
class Post:
    """The mails of a made-up community, as far as they are decided."""

    mailer: Mailer
    letters: list[tuple[Author, Snapshot]]
    now: datetime


def community(folder: Path, mails: int) -> Post:
    """Everything that comes before the mails of ``mails`` users, in ``folder``."""
    machine.digest(folder, "demo", "--users", str(mails))
    url, now = f"sqlite:///{folder / 'var' / 'digest.db'}", datetime.now(UTC)
    with closing(Database(url)) as database:
        shop = workshop(database, Settings(database_url=url, var=folder / "var"))
        made = stages.decisions(shop, now, stages.Stages())
    letters = [
        (one.author, one.composed.snapshot)
        for one in made
        if one.stopped_by is None and one.composed is not None
    ]
    return Post(shop.mailer, letters[:mails], now)


def sizes(post: Post) -> list[Sizes]:
    """The same mails in every language."""
    return [_sizes(post, language) for language in LANGUAGES]


def _sizes(post: Post, language: str) -> Sizes:
    mails = [
        post.mailer.mail(author, replace(snapshot, locale=language), post.now)
        for author, snapshot in post.letters
    ]
    html = [len(mail.rendered.html.encode()) for mail in mails]
    return Sizes(language, html, [len(mail.content) for mail in mails])


def signing(post: Post, folder: Path) -> dict[str, float]:
    """Processor milliseconds per mail: of making it, and of each way to sign it."""
    contents = [post.mailer.mail(*letter, post.now).content for letter in post.letters]
    rsa, ed25519 = read_keys(keys.named(folder, r=keys.rsa(), e=keys.ed25519()))
    ways: dict[str, list[Key]] = {
        "RSA-2048": [rsa],
        "Ed25519": [ed25519],
        "both": [rsa, ed25519],
    }
    spent = {"made": _spent(len(contents), lambda n: post.mailer.mail(*post.letters[n], post.now))}
    for name, used in ways.items():
        signer = Signer("fieldnotes.example", used)
        spent[name] = _spent(len(contents), lambda n, by=signer: by.signed(contents[n], post.now))  # type: ignore[misc]
    return spent


def _spent(mails: int, work: Callable[[int], object]) -> float:
    """The median of three turns."""
    turns = []
    for _ in range(3):
        began = time.process_time()
        for n in range(mails):
            work(n)
        turns.append((time.process_time() - began) * 1000 / mails)
    return median(turns)
