"""``make bench``: the product against the documented use of its libraries, stage by stage."""

from __future__ import annotations

import argparse
import asyncio
import csv
import shutil
import tempfile
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table
from sqlalchemy import select

from digest.compose import Snapshot
from digest.config import Settings
from digest.database import Database
from digest.models import Subscription, table
from digest.run import decide, workshop
from digest.window import last_full_week, zone
from tests.bench import machine, tutorial

out = Console(highlight=False)
ROUNDS = 3


def main() -> None:
    """Run what was asked for and print one table per question."""
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("--users", type=int, default=6000, help="authors in the speed test")
    parser.add_argument("--views", type=int, default=500_000, help="rows in the import test")
    parser.add_argument(
        "--memory", type=int, nargs="*", default=[1000, 10_000], help="authors in memory tests"
    )
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="digest-bench-") as folder:
        root = Path(folder)
        speed(root / "speed", asked.users)
        importing(root / "import", asked.views)
        memory(root, asked.memory)


def speed(folder: Path, users: int) -> None:
    """Whole processes against the baseline, alternating, on copies of the same data."""
    folder.mkdir()
    machine.digest(folder, "demo", "--users", str(users))
    original = folder / "original.db"
    shutil.move(folder / "var" / "digest.db", original)
    snapshots, stages = staged(folder, original)
    with machine.sink() as port:
        ours, warm, baseline = [], [], []
        for _ in range(ROUNDS):
            file = folder / "var" / "digest.db"
            shutil.copy(original, file)
            environment = {"DIGEST_SMTP_URL": f"smtp://127.0.0.1:{port}"}
            ours.append(len(snapshots) / machine.digest(folder, "send", **environment).seconds)
            began = time.perf_counter()
            asyncio.run(tutorial.send(original, snapshots[:100], port))
            baseline.append(min(100, len(snapshots)) / (time.perf_counter() - began))
            _forget_deliveries(file)
            warm.append(len(snapshots) / machine.digest(folder, "send", **environment).seconds)
    table_ = Table("what", "mails/s", "ratio", title=f"{users:,} users, whole process, 1 process")
    base = median(baseline)
    table_.add_row("documented use of the same libraries", f"{base:,.0f}", "1.0")
    table_.add_row("digest send, history worked out", f"{median(ours):,.0f}", _ratio(ours, base))
    table_.add_row("digest send, history kept", f"{median(warm):,.0f}", _ratio(warm, base))
    out.print(table_)
    share = Table("stage", "ms per mail", "share", title="Where the time goes (first mails)")
    stages["smtp, ledger, start"] = max(0.0, 1000 / median(ours) - sum(stages.values()))
    for name, milliseconds in stages.items():
        share.add_row(name, f"{milliseconds:.2f}", f"{milliseconds / sum(stages.values()):.0%}")
    out.print(share)


def _ratio(rates: list[float], base: float) -> str:
    return f"{median(rates) / base:.1f}"


def _forget_deliveries(file: Path) -> None:
    """As if the week after came with the same facts: what was worked out stays."""
    database = Database(f"sqlite:///{file}")
    with database.writing() as session:
        connection = session.connection()
        connection.exec_driver_sql("DELETE FROM deliveries")
        connection.exec_driver_sql("DELETE FROM snapshots WHERE body IS NOT NULL")
    database.close()


def staged(folder: Path, file: Path) -> tuple[list[Snapshot], dict[str, float]]:
    """Every snapshot of the last full week, and milliseconds per mail of each pure stage."""
    database = Database(f"sqlite:///{file}")
    settings = Settings(database_url=f"sqlite:///{file}", var=folder / "var")
    shop, now = workshop(database, settings), datetime.now(UTC)
    decided = []
    began = time.perf_counter()
    with database.reading() as session:
        rows = session.execute(
            select(table(Subscription).c.timezone, table(Subscription).c.user_id)
        ).all()
        for name in sorted({row.timezone for row in rows}):
            ids = [row.user_id for row in rows if row.timezone == name]
            period = str(last_full_week(now, zone(name)))
            for start in range(0, len(ids), settings.batch):
                batch = ids[start : start + settings.batch]
                found = decide(session, shop, period, name, batch).decisions.values()
                decided += [d for d in found if d.stopped_by is None and d.composed]
    composed = time.perf_counter()
    snapshots = [d.composed.snapshot for d in decided if d.composed]
    for snapshot in snapshots:
        shop.mailer.renderer.render(snapshot, tutorial.LINKS)
    rendered = time.perf_counter()
    for one in decided:
        if one.composed:
            shop.mailer.mail(one.author, one.composed.snapshot, now)
    mailed = time.perf_counter()
    database.close()
    each = 1000 / len(snapshots)
    return snapshots, {
        "load and compose": (composed - began) * each,
        "render": (rendered - composed) * each,
        "message": (mailed - rendered - (rendered - composed)) * each,
    }


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
    table_ = Table("rows", "seconds", "rows/s", "peak MiB", title="Import of exchange CSV")
    row = (f"{views:,}", f"{done.seconds:.1f}", f"{views / done.seconds:,.0f}")
    table_.add_row(*row, f"{done.peak_mib:.0f}")
    out.print(table_)


def _write(path: Path, header: list[str], rows: list[list[str]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def memory(root: Path, sizes: list[int]) -> None:
    """Peak memory of ``digest send`` as the number of users grows."""
    table_ = Table("users", "mails/s", "peak MiB", title="Memory of digest send, 10 posts a user")
    for users in sizes:
        folder = root / f"memory-{users}"
        folder.mkdir()
        machine.digest(folder, "demo", "--users", str(users))
        with machine.sink() as port:
            environment = {"DIGEST_SMTP_URL": f"smtp://127.0.0.1:{port}"}
            done = machine.digest(folder, "send", **environment)
        table_.add_row(f"{users:,}", f"{users / done.seconds:,.0f}", f"{done.peak_mib:.0f}")
        shutil.rmtree(folder)
    out.print(table_)


if __name__ == "__main__":
    main()
