"""The exchange format: a folder of CSV or JSON Lines files, one or more per table."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from digest.address import key_of
from digest.errors import InputError
from digest.ingest.files import Record, Source, Values, csv_records, json_records, stem, suffix
from digest.ingest.rows import (
    ALWAYS,
    CounterRow,
    FollowRow,
    GroupRow,
    Instant,
    MembershipRow,
    Outcome,
    PostRow,
    Problem,
    ReactionRow,
    Row,
    UserRow,
    ViewRow,
)
from digest.ingest.values import (
    NAME_LIMIT,
    TEXT_LIMIT,
    TITLE_LIMIT,
    BadValue,
    identifier,
    instant,
    known_zone,
    language,
    optional_identifier,
    topics_of,
    whole,
)
from digest.models import ReactionType
from digest.text import clean, http_url, is_text, plain

HANDLE_LIMIT = 60
WORD_LIMIT = 40
EMAIL_LIMIT = 1000

_REACTIONS = frozenset(ReactionType)


def user(values: Values, file: str, line: int, mended: list[str]) -> UserRow:
    """A line of ``users``."""
    id_, name, email, handle, locale, timezone, joined_at = values
    id_ = identifier(id_, "id")
    name, handle = _line(name, NAME_LIMIT, "name", mended), handle.strip()
    if not name:
        raise BadValue("name is missing")
    email = _email(email)
    return UserRow(
        id_,
        name,
        email,
        key_of(email),
        _line(handle, HANDLE_LIMIT, "handle", mended) or None,
        _locale(locale.strip(), mended),
        _timezone(timezone.strip(), mended),
        _joined(joined_at.strip(), mended),
        file=file,
        line=line,
    )


def group(values: Values, file: str, line: int, mended: list[str]) -> GroupRow:
    """A line of ``groups``."""
    id_, name = values
    id_ = identifier(id_, "id")
    name = _line(name, NAME_LIMIT, "name", mended)
    if not name:
        raise BadValue("name is missing")
    return GroupRow(id_, name, file, line)


def membership(values: Values, file: str, line: int, _mended: list[str]) -> MembershipRow:
    """A line of ``memberships``."""
    group_id, user_id, since = values
    return MembershipRow(
        identifier(group_id, "group_id"),
        identifier(user_id, "user_id"),
        instant(since, "since") if since.strip() else None,
        file,
        line,
    )


def post(values: Values, file: str, line: int, mended: list[str]) -> PostRow:
    """A line of ``posts``."""
    id_, author_id, published_at, title, text, url, kind, topics, group_id = values
    if not is_text(text):
        mended.append("text holds characters that are none; they were replaced")
    link = http_url(url)
    if url.strip() and not link:
        mended.append("url is not an http link that can be used; it was left out")
    return PostRow(
        identifier(id_, "id"),
        identifier(author_id, "author_id"),
        instant(published_at, "published_at") if published_at.strip() else None,
        _line(title, TITLE_LIMIT, "title", mended),
        plain(text, TEXT_LIMIT),
        link,
        clean(kind, WORD_LIMIT),
        topics_of(topics.split(";")),
        optional_identifier(group_id, "group_id") or None,
        file=file,
        line=line,
    )


def view(values: Values, file: str, line: int, _mended: list[str]) -> ViewRow:
    """A line of ``views``."""
    post_id, at, viewer_id, count, via = values
    return ViewRow(
        identifier(post_id, "post_id"),
        instant(at),
        optional_identifier(viewer_id, "viewer_id") if viewer_id else "",
        clean(via, WORD_LIMIT) if via else "",
        whole(count, "count", 1) if count else 1,
        file,
        line,
    )


def counter(values: Values, file: str, line: int, _mended: list[str]) -> CounterRow:
    """A line of ``counters``."""
    post_id, at, views, likes, reposts, replies = values
    row = CounterRow(
        identifier(post_id, "post_id"),
        instant(at),
        whole(views, "views") if views.strip() else None,
        whole(likes, "likes") if likes.strip() else None,
        whole(reposts, "reposts") if reposts.strip() else None,
        whole(replies, "replies") if replies.strip() else None,
        file,
        line,
    )
    if row.views is row.likes is row.reposts is row.replies is None:
        raise BadValue("views is missing, and so is every other total")
    return row


def reaction(values: Values, file: str, line: int, _mended: list[str]) -> ReactionRow:
    """A line of ``reactions``."""
    post_id, actor_id, type_, at = values
    type_ = type_.strip().lower()
    if type_ not in _REACTIONS:
        raise BadValue(f"type “{clean(type_, WORD_LIMIT)}” is none of like, repost, reply")
    return ReactionRow(
        identifier(post_id, "post_id"),
        instant(at),
        identifier(actor_id, "actor_id"),
        type_,
        1,
        file,
        line,
    )


def follow(values: Values, file: str, line: int, _mended: list[str]) -> FollowRow:
    """A line of ``follows``."""
    follower_id, followee_id, since, until = values
    began = instant(since, "since") if since.strip() else ALWAYS
    ended = instant(until, "until") if until.strip() else None
    if ended is not None and ended < began:
        raise BadValue("until is before since")
    return FollowRow(
        identifier(followee_id, "followee_id"),
        identifier(follower_id, "follower_id"),
        began,
        ended,
        file,
        line,
    )


class Layout(NamedTuple):
    """The columns of one table's file, which of them must be there, and what makes a row."""

    columns: tuple[str, ...]
    required: frozenset[str]
    build: Callable[[Values, str, int, list[str]], Row]


def _layout(build: Callable[[Values, str, int, list[str]], Row], columns: str) -> Layout:
    names = columns.split()
    return Layout(
        tuple(name.rstrip("*") for name in names),
        frozenset(name.rstrip("*") for name in names if name.endswith("*")),
        build,
    )


LAYOUTS = {
    "users": _layout(user, "id* name* email* handle locale timezone joined_at"),
    "groups": _layout(group, "id* name*"),
    "memberships": _layout(membership, "group_id* user_id* since"),
    "posts": _layout(
        post, "id* author_id* published_at title text url kind topics group_id"
    ),
    "views": _layout(view, "post_id* at* viewer_id count via"),
    "counters": _layout(counter, "post_id* at* views* likes reposts replies"),
    "reactions": _layout(reaction, "post_id* actor_id* type* at*"),
    "follows": _layout(follow, "follower_id* followee_id* since until"),
}  # fmt: skip
"""The contract: the star marks what is required."""


def fits(source: Source) -> bool:
    """Whether some file has the name of a table."""
    return bool(_files(source))


def read(source: Source) -> Iterator[Row | Problem]:
    """Every row of every file, in the order in which tables refer to each other."""
    files = _files(source)
    source.expect(files)
    order = list(LAYOUTS)
    files.sort(key=lambda file: (order.index(stem(file)), file.name))
    return chain.from_iterable(_read(source, file) for file in files)


def _files(source: Source) -> list[Path]:
    return [
        file
        for file in source.files()
        if stem(file) in LAYOUTS and suffix(file) in {".csv", ".jsonl"}
    ]


def _read(source: Source, file: Path) -> Iterator[Row | Problem]:
    layout = LAYOUTS[stem(file)]
    with source.text_of(file) as text:
        if suffix(file) == ".jsonl":
            records = json_records(text, layout.columns)
            yield from _rows(records, layout, file.name, layout.columns, list)
            return
        records = csv_records(text)
        header = next(records, None)
        if header is not None:
            names = [name.strip().lower() for name in header.values]
            _require(layout.required.difference(names), layout, file, names)
            for name in names:
                if name not in layout.columns:
                    yield _unused(file.name, name)
            pick = _picker(names, layout.columns)
            yield from _rows(records, layout, file.name, names, pick)


def _require(missing: frozenset[str], layout: Layout, file: Path, names: Sequence[str]) -> None:
    if not missing:
        return
    hint = f"its header must name at least {', '.join(sorted(layout.required))}"
    if len(names) == 1 and (";" in names[0] or "\t" in names[0]):
        hint = "separate the columns with commas"
    raise InputError(f"{file} has no column {', '.join(sorted(missing))}", hint=hint)


def _unused(file: str, name: str) -> Problem:
    return Problem(Outcome.NOTED, file, 0, f"the column “{clean(name, WORD_LIMIT)}” is not used")


def _picker(names: Sequence[str], columns: Sequence[str]) -> Callable[[Values], Values]:
    """What puts the fields of a line in the order of ``columns``; missing ones are ""."""
    positions = [names.index(name) if name in names else len(names) for name in columns]
    pick = itemgetter(*positions)

    def values(fields: Values) -> Values:
        picked: Values = pick([*fields, ""])
        return picked

    return values


def _rows(
    records: Iterator[Record],
    layout: Layout,
    file: str,
    names: Sequence[str],
    pick: Callable[[Values], Values],
) -> Iterator[Row | Problem]:
    build = layout.build
    mended: list[str] = []
    for line, fields, reason in records:
        if reason:
            yield Problem(Outcome.REJECTED, file, line, reason, {"line": ",".join(fields)})
            continue
        if not line:
            yield _unused(file, fields[0])
            continue
        try:
            yield build(pick(fields), file, line, mended)
        except BadValue as error:
            row = dict(zip(names, fields, strict=False))
            yield Problem(Outcome.REJECTED, file, line, str(error), row)
            mended.clear()
        if mended:
            for what in mended:
                yield Problem(Outcome.MENDED, file, line, what)
            mended.clear()


def _line(text: str, limit: int, column: str, mended: list[str]) -> str:
    if not is_text(text):
        mended.append(f"{column} holds characters that are none; they were replaced")
    return clean(text, limit)


def _email(text: str) -> str:
    email = text.strip()
    if not email:
        raise BadValue("email is missing")
    if not email.isprintable():
        raise BadValue("email holds control characters")
    if len(email) > EMAIL_LIMIT:
        raise BadValue(f"email is longer than {EMAIL_LIMIT} characters")
    return email


def _locale(text: str, mended: list[str]) -> str | None:
    if not text:
        return None
    if (found := language(text)) is None:
        mended.append(f"locale “{clean(text, WORD_LIMIT)}” is not known; it was left out")
    return found


def _timezone(text: str, mended: list[str]) -> str | None:
    if not text or known_zone(text):
        return text or None
    mended.append(f"timezone “{clean(text, WORD_LIMIT)}” is not known; it was left out")
    return None


def _joined(text: str, mended: list[str]) -> Instant | None:
    if not text:
        return None
    try:
        return instant(text, "joined_at")
    except BadValue as error:
        mended.append(f"{error}; it was left out")
        return None
