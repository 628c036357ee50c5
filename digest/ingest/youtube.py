"""Daily snapshots of trending videos: one line per video and day, with totals as they stood.

Three layouts of the same public data are read (``date`` as 13.09 without a year, ``trending_date``
as 17.14.11, and ISO dates with a channel id), each in the encoding it turns out to have. A channel
is an author; its address is made up. Where a date has no year, the file's or folder's name must
hold it. Of several titles of a video the latest stands.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path

from digest.address import key_of
from digest.errors import InputError
from digest.ingest.encodings import encoding_of
from digest.ingest.files import Source, csv_records, suffix
from digest.ingest.rows import CounterRow, Instant, Outcome, PostRow, Problem, Row, UserRow
from digest.ingest.values import (
    NAME_LIMIT,
    TEXT_LIMIT,
    TITLE_LIMIT,
    BadValue,
    day,
    identifier,
    instant,
    topics_of,
    whole,
)
from digest.text import clean, is_text, plain

_COLUMNS = {
    "video": ("video_id",),
    "title": ("title",),
    "channel": ("channel_title", "channeltitle"),
    "channel_id": ("channelid", "channel_id"),
    "date": ("date", "trending_date"),
    "published": ("publish_time", "publishedat", "published_at"),
    "tags": ("tags",),
    "views": ("views", "view_count"),
    "likes": ("likes",),
    "comments": ("comment_total", "comment_count"),
    "no_likes": ("ratings_disabled",),
    "no_comments": ("comments_disabled",),
    "description": ("description",),
}
_REQUIRED = ("video", "title", "channel", "date", "views")
_VIDEO = re.compile(r"[A-Za-z0-9_-]{6,20}")
_YEAR = re.compile(r"(?<!\d)20\d\d(?!\d)")
_DAY_MONTH = re.compile(r"(\d\d?)\.(\d\d?)")
_YEAR_DAY_MONTH = re.compile(r"(\d\d)\.(\d\d?)\.(\d\d?)")


class _Days:
    """Turns the dates of one file into days; those without a year go on from the first one."""

    def __init__(self, source: Source, file: Path) -> None:
        found = _YEAR.findall(file.name) or _YEAR.findall(source.name)
        self.known = bool(found)
        self._year = int(found[-1]) if found else 0
        self._first_month: int | None = None

    def read(self, text: str) -> Instant:
        text = text.strip()
        try:
            if match := _YEAR_DAY_MONTH.fullmatch(text):
                return day(date(2000 + int(match[1]), int(match[3]), int(match[2])))
            if match := _DAY_MONTH.fullmatch(text):
                month = int(match[2])
                return day(date(self._year_of(month), month, int(match[1])))
        except ValueError:
            raise BadValue(f"date “{text}” does not exist") from None
        return day(date.fromisoformat(instant(text, "date")[:10]))

    def _year_of(self, month: int) -> int:
        if self._first_month is None:
            self._first_month = month
        past_new_year = month < self._first_month - 5
        return self._year + past_new_year


def fits(source: Source) -> bool:
    """Whether some CSV file's header names videos, channels and views."""
    return bool(_files(source))


def read(source: Source) -> Iterator[Row | Problem]:
    """Three rows per line: the channel, the video, and its totals on that day."""
    files = _files(source)
    if not files:
        raise InputError(
            f"{source.path} has no CSV file with video_id, channel_title and views",
            hint="name a file of daily trending snapshots or their folder",
        )
    source.expect([*files, *files])  # once for its encoding, once for its rows
    return _read(source, files)


def _files(source: Source) -> list[Path]:
    return [
        file
        for file in source.files()
        if suffix(file) == ".csv" and _positions(_header(source, file)) is not None
    ]


def _header(source: Source, file: Path) -> list[str]:
    with source.text_of(file) as text:
        first = next(csv_records(text), None)
        return [] if first is None else list(first.values)


def _positions(header: list[str]) -> dict[str, int] | None:
    """Where each field stands, or None where a required one is missing."""
    names = [name.strip().lower() for name in header]
    found = {
        field: names.index(name)
        for field, aliases in _COLUMNS.items()
        for name in aliases
        if name in names
    }
    return found if all(field in found for field in _REQUIRED) else None


def _read(source: Source, files: list[Path]) -> Iterator[Row | Problem]:
    for file in files:
        days = _Days(source, file)
        with source.text_of(file, encoding_of(source, file)) as text:
            records = csv_records(text)
            positions = _positions(list(next(records).values)) or {}
            for line, values, reason in records:
                if reason:
                    row = {"line": ",".join(values)}
                    yield Problem(Outcome.REJECTED, file.name, line, reason, row)
                    continue
                fields = {name: values[position] for name, position in positions.items()}
                try:
                    yield from _line(fields, days, file.name, line)
                except BadValue as error:
                    yield Problem(Outcome.REJECTED, file.name, line, str(error), fields)


def _line(
    fields: Mapping[str, str], days: _Days, file: str, line: int
) -> tuple[Row | Problem, ...]:
    if not days.known and _DAY_MONTH.fullmatch(fields["date"].strip()):
        raise InputError(
            f"the dates in {file} have no year",
            hint="put the year into the name of the file or its folder: trending-2017",
        )
    at = days.read(fields["date"])
    video = _video(fields["video"])
    user = _channel(fields, at, file, line)
    published = fields.get("published", "").strip()
    description = fields.get("description", "")
    post = PostRow(
        video,
        user.id,
        instant(published, "publish_time") if published else None,
        clean(fields["title"], TITLE_LIMIT),
        plain(description.replace("\\n", "\n"), TEXT_LIMIT),
        f"https://www.youtube.com/watch?v={video}",
        "video",
        _tags(fields.get("tags", "")),
        as_of=at,
        file=file,
        line=line,
    )
    totals = CounterRow(
        video,
        at,
        whole(fields["views"], "views"),
        _total(fields, "likes", "no_likes"),
        None,
        _total(fields, "comments", "no_comments"),
        file,
        line,
    )
    if is_text(fields["title"] + fields["channel"] + description):
        return user, post, totals
    reason = "some bytes are no text in the file's encoding; they were replaced"
    return user, post, totals, Problem(Outcome.MENDED, file, line, reason)


def _video(text: str) -> str:
    video = identifier(text, "video_id")
    if not _VIDEO.fullmatch(video):
        raise BadValue(f"video_id “{clean(video, 30)}” cannot be one")
    return video


def _channel(fields: Mapping[str, str], at: Instant, file: str, line: int) -> UserRow:
    """The author: known by the channel's id, or, where there is none, by its title."""
    name = clean(fields["channel"], NAME_LIMIT)
    if not name:
        raise BadValue("channel_title is missing")
    key = fields.get("channel_id", "").strip() or name
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower())[:30].strip("-") or "channel"
    # Of an id the hash alone identifies, so that a channel that changes its name stays who it is.
    mark = hashlib.sha256(key.encode("utf-8", "replace")).hexdigest()[:12]
    id_ = f"channel-{mark}" if key != name else f"{slug}-{mark}"
    email = f"{id_}@channels.example"
    return UserRow(id_, name, email, key_of(email), as_of=at, file=file, line=line)


def _tags(text: str) -> str:
    words = (word.strip().strip('"') for word in text.split("|"))
    return topics_of([word for word in words if word.lower() != "[none]"])


def _total(fields: Mapping[str, str], name: str, disabled: str) -> int | None:
    """A total; None where it is not given, or hidden, which is not zero."""
    text = fields.get(name, "").strip()
    hidden = fields.get(disabled, "").strip().lower() == "true"
    return whole(text, name) if text and not hidden else None
