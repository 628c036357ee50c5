"""A Stack Exchange data dump: Users, Posts, Votes and Comments as XML files of ``<row …/>``.

Questions and answers are posts; other kinds (tag wikis) are left out. ``ViewCount`` is a total as
it stood when the dump was made, which is taken to be the latest instant in it; answers have none.
Up-votes and favourites are likes, comments are replies, and an answer is a reply to its question.
Votes carry a date only. The dump has no addresses: they are made up under ``.example``, so that
nothing can leave the machine. Links are known only where the folder is named after its site, as the
archives are (``quantumcomputing.stackexchange.com``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, NamedTuple

from lxml import etree

from digest.address import key_of
from digest.errors import InputError
from digest.ingest.files import Source, suffix
from digest.ingest.files import stem as stem_of
from digest.ingest.rows import (
    CounterRow,
    Instant,
    Outcome,
    PostRow,
    Problem,
    ReactionRow,
    Row,
    UserRow,
)
from digest.ingest.values import (
    NAME_LIMIT,
    TEXT_LIMIT,
    TITLE_LIMIT,
    BadValue,
    identifier,
    instant,
    topics_of,
    whole,
)
from digest.models import NOBODY, ReactionType
from digest.text import clean, plain

_FILES = ("users", "posts", "votes", "comments")
_QUESTION, _ANSWER = "1", "2"
_LIKES = frozenset({"2", "5"})
_TIMES = ("CreationDate", "LastActivityDate", "LastEditDate", "ClosedDate", "LastAccessDate")
_TIME = re.compile(r"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?")
_TOPIC = re.compile(r"[^<>|]+")
_SITE = re.compile(
    r"(?:meta\.)?(?:[a-z]+\.stackexchange|stackoverflow|[a-z]{2}\.stackoverflow|superuser"
    r"|serverfault|askubuntu|stackapps)\.com|(?:meta\.)?mathoverflow\.net"
)


class _Element(NamedTuple):
    """The attributes of one ``<row>`` and its line."""

    fields: dict[str, str]
    line: int


class _Dump:
    """What holds for the whole dump: made-up domain, site, and the latest instant met so far."""

    def __init__(self, name: str) -> None:
        label = re.sub(r"[^a-z0-9]+", "-", name.lower())[:60].strip("-")
        self.domain = f"{label or 'dump'}.example"
        self.site = name.lower() if _SITE.fullmatch(name.lower()) else ""
        self.latest = ""

    def observe(self, fields: dict[str, str]) -> None:
        for name in _TIMES:
            moment = fields.get(name, "")
            if moment > self.latest and _TIME.fullmatch(moment):
                self.latest = moment

    def link(self, path: str) -> str:
        return f"https://{self.site}/{path}" if self.site else ""


def fits(source: Source) -> bool:
    """Whether it is a folder that has at least the users and posts of a dump."""
    return {"users", "posts"} <= _files(source).keys()


def read(source: Source) -> Iterator[Row | Problem]:
    """The rows of every file; the posts are read twice, the second time for their view counts."""
    files = _files(source)
    if not {"users", "posts"} <= files.keys():
        raise InputError(f"{source.path} has no Users.xml and Posts.xml", hint="name the folder")
    source.expect([*files.values(), files["posts"]])
    return _read(source, files, _Dump(source.name))


def _files(source: Source) -> dict[str, Path]:
    return {
        stem_of(file): file
        for file in source.files()
        if suffix(file) == ".xml" and stem_of(file) in _FILES
    }


def _read(source: Source, files: dict[str, Path], dump: _Dump) -> Iterator[Row | Problem]:
    makers = {"users": _user, "posts": _post, "votes": _vote, "comments": _comment}
    for name in _FILES:
        if name in files:
            yield from _made(source, files[name], dump, makers[name])
    if dump.latest:
        yield from _made(source, files["posts"], dump, _view_count)


_Make = Callable[[_Element, str, _Dump], "Iterator[Row | Problem]"]


def _made(source: Source, file: Path, dump: _Dump, make: _Make) -> Iterator[Row | Problem]:
    """The rows of one file; one that is not well-formed to its end is read as far as it goes."""
    skipped: dict[str, int] = {}
    with source.bytes_of(file) as content:
        try:
            for element in _elements(content, file):
                dump.observe(element.fields)
                try:
                    yield from make(element, file.name, dump)
                except _Skipped as left_out:
                    skipped[str(left_out)] = skipped.get(str(left_out), 0) + 1
                except BadValue as error:
                    yield _rejected(file, element.line, str(error), element.fields)
        except etree.XMLSyntaxError as error:
            line = error.lineno or 0
            reason = f"not well-formed from here on, the rest was not read: {error.msg}"
            yield _rejected(file, line, reason, {})
    for reason, number in skipped.items():
        yield Problem(Outcome.NOTED, file.name, 0, f"{number} {reason}; they were left out")


class _Skipped(Exception):
    """Why a kind of element is left out; counted, not listed."""


def _rejected(file: Path, line: int, reason: str, fields: dict[str, str]) -> Problem:
    return Problem(Outcome.REJECTED, file.name, line, reason, fields)


def _elements(content: IO[bytes], file: Path) -> Iterator[_Element]:
    """Every ``<row>``, freed as soon as it is used; a document type is refused unread."""
    context = etree.iterparse(
        content,
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,
    )
    root = None
    for event, element in context:
        if root is None:
            root = element
            if root.getroottree().docinfo.internalDTD is not None:
                raise InputError(f"{file} declares a document type; no data dump does")
        elif event == "end":
            if element.tag == "row":
                yield _Element(dict(element.attrib), element.sourceline or 0)
            element.clear()
            while element.getprevious() is not None:
                del element.getparent()[0]


def _user(element: _Element, file: str, dump: _Dump) -> Iterator[Row | Problem]:
    fields, line = element
    id_ = identifier(fields.get("Id", ""), "Id")
    name = clean(fields.get("DisplayName", ""), NAME_LIMIT)
    if not name:
        name = f"user{id_}"
        yield Problem(Outcome.MENDED, file, line, f"DisplayName is missing; “{name}” stands for it")
    email = f"user-{id_}@{dump.domain}"
    joined = _moment(fields)
    yield UserRow(id_, name, email, key_of(email), joined_at=joined, file=file, line=line)


def _post(element: _Element, file: str, dump: _Dump) -> Iterator[Row | Problem]:
    fields, line = element
    kind = fields.get("PostTypeId")
    if kind not in {_QUESTION, _ANSWER}:
        raise _Skipped("rows are neither questions nor answers (tag wikis …)")
    if "OwnerUserId" not in fields:
        raise _Skipped("posts have no author")
    id_, author = identifier(fields.get("Id", ""), "Id"), fields["OwnerUserId"]
    moment = _moment(fields)
    question = fields.get("ParentId", "") if kind == _ANSWER else ""
    yield PostRow(
        id_,
        author,
        moment,
        clean(fields.get("Title", ""), TITLE_LIMIT),
        plain(fields.get("Body", ""), TEXT_LIMIT),
        dump.link(f"a/{id_}" if question else f"questions/{id_}"),
        "answer" if kind == _ANSWER else "question",
        topics_of(_TOPIC.findall(fields.get("Tags", ""))),
        answers=question,
        file=file,
        line=line,
    )
    if question:
        yield ReactionRow(question, moment, author, ReactionType.REPLY, 1, file, line)


def _vote(element: _Element, file: str, _dump: _Dump) -> Iterator[Row | Problem]:
    fields, line = element
    if fields.get("VoteTypeId") in _LIKES:
        yield ReactionRow(
            identifier(fields.get("PostId", ""), "PostId"),
            instant(fields.get("CreationDate", "")[:10], "CreationDate"),
            fields.get("UserId", NOBODY),
            ReactionType.LIKE,
            1,
            file,
            line,
        )


def _comment(element: _Element, file: str, _dump: _Dump) -> Iterator[Row | Problem]:
    fields, line = element
    yield ReactionRow(
        identifier(fields.get("PostId", ""), "PostId"),
        _moment(fields),
        fields.get("UserId", NOBODY),
        ReactionType.REPLY,
        1,
        file,
        line,
    )


def _view_count(element: _Element, file: str, dump: _Dump) -> Iterator[Row | Problem]:
    fields, line = element
    if fields.get("PostTypeId") == _QUESTION and "ViewCount" in fields and "OwnerUserId" in fields:
        views = whole(fields["ViewCount"], "ViewCount")
        id_ = identifier(fields.get("Id", ""), "Id")
        yield CounterRow(id_, instant(dump.latest), views, file=file, line=line)


def _moment(fields: dict[str, str]) -> Instant:
    return instant(fields.get("CreationDate", ""), "CreationDate")
