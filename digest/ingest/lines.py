"""The lines of the exchange format's files as rows: what each field may be, and what is mended."""

from __future__ import annotations

from digest.address import key_of
from digest.ingest.files import Values
from digest.ingest.rows import (
    ALWAYS,
    CounterRow,
    FollowRow,
    GroupRow,
    Instant,
    MembershipRow,
    PostRow,
    ReactionRow,
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
