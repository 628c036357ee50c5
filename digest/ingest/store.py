"""The one writer: rows of any order into temporary tables, and from there into the real ones.

Storing is idempotent and does not depend on the order of rows. Of a user, post, group, membership
or follow the latest row replaces what was there. A view or reaction by somebody named is one event
however often it is given. Anonymous counts of the same key are added up within one import and
replace those of an earlier one. Of counters read at the same instant the highest total stands.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    CursorResult,
    Index,
    Insert,
    Table,
    and_,
    case,
    delete,
    func,
    or_,
    select,
    update,
)
from sqlmodel import Session

from digest.database import Load, append, insert
from digest.ingest.gains import POSTS, collect_touched, recompute
from digest.ingest.report import Complaints, Listener, Progress, Report
from digest.ingest.rows import TOTALS, Outcome, Problem, Row
from digest.ingest.staging import KINDS, SUMMED, Kind, Staging, fields
from digest.ingest.values import stored
from digest.models import NOBODY, Counter, Group, Post, table

BUFFER = 5000
"""Rows that are handed to the database at once."""
CHUNK = 20_000
"""Rows that are stored in one transaction: other writers wait for some tenths of a second."""
ANSWER_TO = "Answer to: "


@dataclass(frozen=True, slots=True)
class Import:
    """Where rows go, who is told what, and what a row is that refers to nothing."""

    load: Load
    report: Report
    complaints: Complaints
    listen: Listener
    orphans: Outcome


def store(task: Import, rows: Iterable[Row | Problem], reading: Iterator[Progress]) -> None:
    """Stage every row, then store what is new or different; ``reading`` tells how far rows are."""
    staging = Staging()
    load = task.load
    try:
        with load.staging() as session:
            staging.create(session)
            _stage(task, session, staging, rows, reading)
        for kind in KINDS:
            _store_kind(task, staging, kind)
        _store_gains(task, staging)
    except BaseException:  # interrupted too: the staged rows must not outlive the import
        if not load.whole:  # else the transaction takes the temporary tables with it
            _drop(load, staging)
        raise
    _drop(load, staging)


def _drop(load: Load, staging: Staging) -> None:
    with load.staging() as session:
        staging.drop(session)


def _stage(
    task: Import,
    session: Session,
    staging: Staging,
    rows: Iterable[Row | Problem],
    reading: Iterator[Progress],
) -> None:
    buffers: dict[type, list[Any]] = {kind.row: [] for kind in KINDS}
    names = {kind.row: kind.target.name for kind in KINDS}

    def flush(row: type) -> None:
        buffer = buffers[row]
        if buffer:
            append(session, staging.rows[names[row]], buffer)
            task.report.tally(names[row]).read += len(buffer)
            buffer.clear()
        task.listen(next(reading))

    for row in rows:
        if isinstance(row, Problem):
            task.complaints.take(row)
            continue
        buffer = buffers[type(row)]
        buffer.append(row)
        if len(buffer) >= BUFFER:
            flush(type(row))
    for kind in KINDS:
        flush(kind.row)


def _store_kind(task: Import, staging: Staging, kind: Kind) -> None:
    name = kind.target.name
    tally = task.report.tables.get(name)
    if tally is None:
        return
    with task.load.staging() as session:
        with closing(_orphans(session, staging.rows[name], kind, task.orphans)) as orphans:
            for orphan in orphans:
                task.complaints.take(orphan)
        if kind.model is Post:
            for problem in _mend_posts(session, staging.rows[name]):
                task.complaints.take(problem)
        session.execute(_ready(staging, kind))
        total = session.scalar(select(func.max(staging.ready[name].c.k))) or 0
    for start in range(0, total, CHUNK):
        task.listen(Progress("storing", name, start, total))
        with task.load.storing() as session:
            tally.changed += _upsert(session, staging, kind, start)
    task.listen(Progress("storing", name, total, total))


def _orphans(session: Session, staged: Table, kind: Kind, outcome: Outcome) -> Generator[Problem]:
    """The rows that refer to something that does not exist; they are taken out."""
    for column, parent, noun in kind.parents:
        key = staged.c[column]
        lost = ~select(table(parent).c.id).where(table(parent).c.id == key).exists()
        if not session.scalar(select(select(staged.c.n).where(lost).exists())):
            continue
        values = [staged.c[name] for name in fields(kind)]
        with session.execute(
            select(staged.c.file, staged.c.line, key, *values).where(lost).order_by(staged.c.n),
            execution_options={"yield_per": BUFFER},
        ) as found:
            for file, line, missing, *given in found:
                row = dict(zip(fields(kind), map(_shown, given), strict=True))
                reason = f"there is no {noun} “{missing}”"
                yield Problem(outcome, file, line, reason, row)
        session.execute(delete(staged).where(lost))


def _mend_posts(session: Session, staged: Table) -> Iterator[Problem]:
    """Give answers the titles of their questions, and take posts out of groups nobody knows."""
    if session.scalar(select(select(staged.c.n).where(staged.c.answers != "").exists())):
        _title_answers(session, staged)
    groups = table(Group)
    known = select(groups.c.id).where(groups.c.id == staged.c.group_id)
    lost = and_(staged.c.group_id.is_not(None), ~known.exists())
    found = session.execute(
        select(staged.c.file, staged.c.line, staged.c.group_id).where(lost).order_by(staged.c.n),
        execution_options={"yield_per": BUFFER},
    )
    for file, line, group_id in found:
        reason = f"there is no group “{group_id}”; the post is kept outside any"
        yield Problem(Outcome.MENDED, file, line, reason)
    session.execute(update(staged).where(lost).values(group_id=None))


def _title_answers(session: Session, staged: Table) -> None:
    Index("ix_staged_posts_id", staged.c.id).create(session.connection())
    question, known = staged.alias("question"), table(Post).alias("known")
    title = func.coalesce(
        select(question.c.title)
        .where(question.c.id == staged.c.answers)
        .limit(1)
        .scalar_subquery(),
        select(known.c.title).where(known.c.id == staged.c.answers).scalar_subquery(),
        "",
    )
    untitled = and_(staged.c.answers != "", staged.c.title == "")
    session.execute(update(staged).where(untitled, title != "").values(title=ANSWER_TO + title))


def _ready(staging: Staging, kind: Kind) -> Insert:
    """What of the staged rows is stored, in the order of the real table's key."""
    staged, ready = staging.rows[kind.target.name], staging.ready[kind.target.name]
    keys = [staged.c[column.name] for column in kind.target.primary_key]
    if kind.target.name in SUMMED:
        person = staged.c[SUMMED[kind.target.name]]
        count = staged.c["count"]
        total = case((person == NOBODY, func.sum(count)), else_=func.max(count))
        chosen = select(*keys, total).group_by(*keys)
        names = [*(key.name for key in keys), "count"]
    elif kind.model is Counter:
        chosen = select(*keys, *(func.max(staged.c[name]) for name in TOTALS)).group_by(*keys)
        names = [*(key.name for key in keys), *TOTALS]
    else:
        latest = [staged.c.as_of.desc()] if "as_of" in staged.c else []
        place = func.row_number().over(partition_by=keys, order_by=[*latest, staged.c.n.desc()])
        ranked = select(staged.c.n, place.label("place")).subquery()
        return ready.insert().from_select(["row_n"], select(ranked.c.n).where(ranked.c.place == 1))
    return ready.insert().from_select(names, chosen.order_by(*keys))


def _upsert(session: Session, staging: Staging, kind: Kind, start: int) -> int:
    """Store the rows of one chunk; returns how many were new or different."""
    target, ready = kind.target, staging.ready[kind.target.name]
    names = fields(kind)
    piece = ready.c.k.between(start + 1, start + CHUNK)
    if "row_n" in ready.c:
        staged = staging.rows[target.name]
        chosen = select(*(staged.c[name] for name in names)).select_from(
            ready.join(staged, staged.c.n == ready.c.row_n)
        )
    else:
        chosen = select(*(ready.c[name] for name in names))
    statement = insert(session, target).from_select(names, chosen.where(piece).order_by(ready.c.k))
    new = _resolved(target, statement.excluded)
    changed = or_(*(target.c[name].is_distinct_from(value) for name, value in new.items()))
    if not new:
        statement = statement.on_conflict_do_nothing()
    else:
        statement = statement.on_conflict_do_update(
            index_elements=list(target.primary_key), set_=new, where=changed
        )
    return cast(CursorResult[Any], session.execute(statement)).rowcount


def _resolved(target: Table, given: Any) -> dict[str, ColumnElement[Any]]:
    """What a row that exists already becomes."""
    if target.name in SUMMED:
        old, new = target.c["count"], given["count"]
        nobody = target.c[SUMMED[target.name]] == NOBODY
        return {"count": case((or_(nobody, new > old), new), else_=old)}
    if target.name == "counters":
        return {
            name: case(
                (or_(target.c[name].is_(None), given[name] > target.c[name]), given[name]),
                else_=target.c[name],
            )
            for name in TOTALS
        }
    return {column.name: given[column.name] for column in target.c if not column.primary_key}


def _store_gains(task: Import, staging: Staging) -> None:
    with task.load.staging() as session:
        begin = collect_touched(
            session,
            staging.touched,
            counters=staging.ready["counters"],
            posts=staging.rows["posts"],
        )
        total = session.scalar(select(func.max(staging.touched.c.k))) or 0
    if begin is None:
        return
    for start in range(0, total, POSTS):
        task.listen(Progress("storing", "gains", start, total))
        with task.load.storing() as session:
            recompute(session, staging.touched, start, begin)


def _shown(value: Any) -> Any:
    return stored(value) if isinstance(value, datetime) else value
