"""``make bench``: the product against the documented use of its libraries, stage by stage."""

from __future__ import annotations

import argparse
import asyncio
import csv
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from math import ceil
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import select, update

from digest.database import Database
from digest.demo.people import NAMED
from digest.models import Subscription, table
from tests import databases
from tests.bench import clicks, machine, mails, parts, stages, tutorial
from tests.bench.clicks import Answered
from tests.bench.machine import Measured

out = Console(highlight=False)


def main() -> None:
    """Run what was asked for and print one table per question."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--users", type=int, default=20_000, help="authors in the speed test")
    parser.add_argument("--rounds", type=int, default=3, help="paired runs of the speed test")
    parser.add_argument("--views", type=int, default=500_000, help="rows in the import test")
    parser.add_argument(
        "--sizes", type=int, nargs="*", default=[1000, 10_000], help="authors in the size test"
    )
    parser.add_argument("--clicks", type=int, default=5000, help="people who unsubscribe")
    parser.add_argument("--mails", type=int, default=300, help="mails in the test of languages")
    parser.add_argument("--postgres", action="store_true", help="the size test on PostgreSQL")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        root = Path(folder)
        if asked.users:
            speed(root / "speed", asked.users, asked.rounds)
        if asked.views:
            importing(root / "import", asked.views)
        if asked.sizes:
            sizes(root, asked.sizes, postgres=asked.postgres)
        if asked.clicks:
            clicking(root / "clicks", asked.clicks, asked.rounds)
        if asked.mails:
            mailing(root / "mails", asked.mails)
        databases.stop_server()


def speed(folder: Path, users: int, rounds: int) -> None:
    """Whole commands against the baseline and ``smtp-source``, alternating, on the same data."""
    folder.mkdir()
    machine.digest(folder, "demo", "--users", str(users))
    original, file = folder / "original.db", folder / "var" / "digest.db"
    shutil.move(file, original)
    with machine.sink() as port:
        snapshots, size, spent = stages.measure(folder, original, port)
        _, _, plain = stages.measure(folder, original, port, only=parts.PLAIN)
        rates: dict[str, list[float]] = {name: [] for name in ("tutorial", "first", "kept", "raw")}
        for _ in range(rounds):
            shutil.copy(original, file)
            environment = {"DIGEST_SMTP_URL": f"smtp://127.0.0.1:{port}"}
            rates["first"].append(_rate(machine.digest(folder, "send", **environment)))
            began = time.perf_counter()
            asyncio.run(tutorial.send(original, snapshots[:100], port))
            rates["tutorial"].append(100 / (time.perf_counter() - began))
            _forget_deliveries(file)
            rates["kept"].append(_rate(machine.digest(folder, "send", **environment)))
            rates["raw"].append(machine.source(port, messages=users, size=size))
    names = {
        "tutorial": "documented use of the same libraries, 1 process",
        "first": "digest send, history worked out",
        "kept": "digest send, history kept",
        "raw": f"smtp-source -s 16, messages of {size:,} bytes",
    }
    cores = len(os.sched_getaffinity(0))
    python = f"Python {platform.python_version()} of {sys.base_prefix}"  # builds differ by a tenth
    title = f"{users:,} users, whole commands, {cores} cores, medians of {rounds}, {python}"
    shown = Table("what", "mails/s", "ratio", title=title)
    for name, what in names.items():
        ratio = median(rates[name]) / median(rates["tutorial"])
        shown.add_row(what, f"{median(rates[name]):,.0f}", f"{ratio:.1f}")
    out.print(shown)
    share = Table(
        *("stage", "ms", "share", "plain mail", "ratio"),
        title="Processor time per mail (first mails)",
    )
    whole = sum(spent.each.values())
    for name, milliseconds in spent.each.items():
        bare = plain.each[name]
        part = f"{milliseconds / whole:.0%}"
        share.add_row(
            name, f"{milliseconds:.3f}", part, f"{bare:.3f}", f"{milliseconds / bare:.2f}"
        )
    bare = sum(plain.each.values())
    share.add_row("all", f"{whole:.3f}", "", f"{bare:.3f}", f"{whole / bare:.2f}")
    out.print(share)
    _sections(parts.costs(folder, original))


def _sections(spent: parts.Costs) -> None:
    title = f"Processor ms per mail by section ({spent.mails:,} mails; shared facts at the first)"
    shown = Table("section", "load", "build", "stands in", title=title)
    for name in sorted(spent.load, key=lambda name: -spent.load[name] - spent.build[name]):
        load, build = (part[name] / 1e6 / spent.mails for part in (spent.load, spent.build))
        share = spent.told[name] / spent.mails
        shown.add_row(name, f"{load:.3f}", f"{build:.3f}", f"{share:.0%}")
    out.print(shown)


def _rate(done: Measured) -> float:
    """Mails a second of a whole ``digest send``, by its own count of mails."""
    return _sent(done) / done.seconds


def _sent(done: Measured) -> int:
    line = next(line for line in done.out.splitlines() if line.endswith(" sent"))
    return int(line.split()[0].replace(",", ""))


def _forget_deliveries(file: Path) -> None:
    """As if the week after came with the same facts: what was worked out stays."""
    database = Database(f"sqlite:///{file}")
    with database.writing() as session:
        connection = session.connection()
        connection.exec_driver_sql("DELETE FROM deliveries")
        connection.exec_driver_sql("DELETE FROM snapshots WHERE body IS NOT NULL")
    database.close()


def importing(folder: Path, views: int) -> None:
    """Exchange CSV: rows a second of the whole command."""
    data = folder / "data"
    data.mkdir(parents=True)
    _write(data / "users.csv", ["id", "name", "email"], [["u", "U", "u@people.example"]])
    posts = max(1, views // 100)
    _write(data / "posts.csv", ["id", "author_id"], [[f"p{n}", "u"] for n in range(posts)])
    start = datetime(2026, 1, 1, tzinfo=UTC)
    with (data / "views.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["post_id", "at", "viewer_id"])
        for n in range(views):
            at = start + timedelta(seconds=37 * n)
            writer.writerow([f"p{n * 7919 % posts}", at.isoformat(), f"reader-{n % 9973}"])
    done = machine.digest(folder, "import", "data")
    shown = Table("rows", "seconds", "rows/s", "peak MiB", title="Import of exchange CSV")
    row = (f"{views:,}", f"{done.seconds:.1f}", f"{views / done.seconds:,.0f}")
    shown.add_row(*row, f"{done.peak_mib:.0f}")
    out.print(shown)


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def sizes(root: Path, numbers: list[int], *, postgres: bool) -> None:
    """What a mail costs, and what a process needs, as the number of users grows.

    Processor time does not depend on what else the machine is doing as much as time does. What a
    command costs whose processes send one mail each is taken off: it is the same for all.
    Everybody has as much to be told at every size: the thirty people of the small community, who
    have more, are mailed nothing.
    """
    kind = "PostgreSQL" if postgres else "SQLite"
    title = f"digest send on {kind}, 10 posts a user (processor time without start-up)"
    shown = Table("users", "mails/s", "ms per mail", "start-up s", "peak MiB", title=title)
    for users in numbers:
        # A short command is at the mercy of the moment.
        runs = [_size(root, users, postgres=postgres) for _ in range(ceil(ENOUGH / users))]
        rate, each, start = (median(run[n] for run in runs) for n in range(3))
        row = (f"{users:,}", f"{rate:,.0f}", f"{each:.2f}", f"{start:.1f}")
        shown.add_row(*row, f"{max(run[3] for run in runs):.0f}")
    out.print(shown)


def _size(root: Path, users: int, *, postgres: bool) -> tuple[float, float, float, float]:
    """Mails a second, milliseconds a mail, seconds of start-up, and MiB at most."""
    folder = root / f"size-{users}"
    folder.mkdir()
    with _database(folder, postgres=postgres) as environment, machine.sink() as port:
        environment["DIGEST_SMTP_URL"] = f"smtp://127.0.0.1:{port}"
        machine.digest(folder, "demo", "--users", str(max(users, OF_ONE_KIND)), **environment)
        url = environment.get("DIGEST_DATABASE_URL") or _file(folder)
        _without_the_named(url)
        one = machine.digest(folder, "send", *_one_each(url), **environment)
        done = machine.digest(folder, "send", **environment)
    each = (done.cpu - one.cpu) * 1000 / _sent(done)
    shutil.rmtree(folder)
    return _rate(done), each, one.cpu, done.peak_mib


def clicking(folder: Path, people: int, rounds: int) -> None:
    """One-click unsubscribing: everybody once, and once more, beside a page that does nothing."""
    folder.mkdir()
    machine.digest(folder, "demo", "--users", str(people))
    database, subscriptions = Database(_file(folder)), table(Subscription)
    with database.reading() as session:
        users = list(session.scalars(select(subscriptions.c.user_id)))
    paths = clicks.links(folder, users)
    found: dict[str, list[Answered]] = {name: [] for name in ("hello", "first", "again")}
    bare = ("-m", "tests.bench.hello")
    ours = ("-m", "digest", "web", "--port")
    with clicks.serving(folder, *bare) as hello, clicks.serving(folder, *ours) as pages:
        for _ in range(rounds):
            with database.writing() as session:
                session.execute(update(subscriptions).values(unsubscribed_at=None))
            found["hello"].append(clicks.press(*hello, ["/hello"] * len(paths)))
            found["first"].append(clicks.press(*pages, paths))
            found["again"].append(clicks.press(*pages, paths))
    database.close()
    names = {
        "hello": "a page that does nothing, same framework and server",
        "first": "one-click POST, everybody once",
        "again": "one-click POST, everybody once more",
    }
    title = f"{len(paths):,} POSTs over {clicks.CONNECTIONS} connections, medians of {rounds}"
    shown = Table("what", "POSTs/s", "ratio", "processor ms", title=title)
    bare_rate = median(answered.rate for answered in found["hello"])
    for name, what in names.items():
        rate = median(answered.rate for answered in found[name])
        each = median(answered.each for answered in found[name])
        shown.add_row(what, f"{rate:,.0f}", f"{rate / bare_rate:.2f}", f"{each:.2f}")
    out.print(shown)


def mailing(folder: Path, number: int) -> None:
    """The same mails in every language, and what it costs to sign them."""
    folder.mkdir()
    post = mails.community(folder, number)
    title = f"Bytes of {len(post.letters):,} mails of the demo"
    shown = Table("language", "HTML", "largest", "message", "largest", title=title)
    for one in mails.sizes(post):
        figures = (median(one.html), max(one.html), median(one.message), max(one.message))
        shown.add_row(one.language, *(f"{figure:,.0f}" for figure in figures))
    out.print(shown)
    spent = mails.signing(post, folder)
    made = spent.pop("made")
    costs = Table("signed by", "ms", "with / without", title="Processor time of DKIM per mail")
    costs.add_row("nobody: rendered and written", f"{made:.3f}", "1.00")
    for name, each in spent.items():
        costs.add_row(name, f"{each:.3f}", f"{(made + each) / made:.2f}")
    out.print(costs)


_LONG_AGO = datetime(2026, 1, 1, tzinfo=UTC)
ENOUGH = 5000
"""The size test sends to so many users at least, in several commands where there are fewer."""

OF_ONE_KIND = 1001
"""The smallest community whose people have as many readers as those of a large one."""


def _without_the_named(url: str) -> None:
    database, subscriptions = Database(url), table(Subscription)
    named = subscriptions.c.user_id.in_([person.handle for person in NAMED])
    with database.writing() as session:
        session.execute(update(subscriptions).where(named).values(unsubscribed_at=_LONG_AGO))
    database.close()


def _one_each(url: str) -> list[str]:
    """Options for a command that sends as many mails as there are cores, each from a process."""
    cores = len(os.sched_getaffinity(0))
    database, subscriptions = Database(url), table(Subscription)
    mailed = select(subscriptions.c.user_id).where(subscriptions.c.unsubscribed_at.is_(None))
    with database.reading() as session:
        users = session.scalars(mailed.order_by(subscriptions.c.user_id).limit(cores)).all()
    database.close()
    named = [word for user in users for word in ("--user", user)]
    return ["--workers", str(cores), *named]


def _file(folder: Path) -> str:
    return f"sqlite:///{folder / 'var' / 'digest.db'}"


@contextmanager
def _database(folder: Path, *, postgres: bool) -> Iterator[dict[str, str]]:
    """The settings of an empty database: the default file, or one of a server of our own."""
    if not postgres:
        yield {}
        return
    server = databases.server()
    server.sql("CREATE DATABASE bench TEMPLATE template0")
    yield {"DIGEST_DATABASE_URL": server.url("bench")}
    server.sql("DROP DATABASE bench WITH (FORCE)")


if __name__ == "__main__":
    main()
