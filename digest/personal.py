"""All that is kept of one person: handed over to them, or erased for good."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Table, delete, literal, or_, select, update
from sqlmodel import Session

from digest.database import fetch, insert
from digest.models import (
    NOBODY,
    Bounce,
    Correction,
    Counter,
    Delivery,
    Follow,
    Guess,
    Judgement,
    Membership,
    Omission,
    Post,
    Reaction,
    Snapshot,
    Subscription,
    Suppression,
    User,
    View,
    table,
)
from digest.subscriptions import suppress, unsubscribe

_users, _posts, _subscriptions = table(User), table(Post), table(Subscription)
_deliveries, _bounces, _snapshots = table(Delivery), table(Bounce), table(Snapshot)
_views, _reactions, _counters = table(View), table(Reaction), table(Counter)
_follows, _memberships, _judgements = table(Follow), table(Membership), table(Judgement)
_suppressions, _corrections, _guesses = table(Suppression), table(Correction), table(Guess)
_omissions = table(Omission)


def export(session: Session, user_id: str) -> dict[str, Any]:
    """All about one person, as plain JSON values; instants are ISO 8601 in UTC.

    Who looked at their posts is left out: that is about those people. Their weeks have the totals.
    """
    return {name: list(_plain(session, query)) for name, query in _all_of(user_id).items()}


def _all_of(user_id: str) -> dict[str, Select[Any]]:
    own = select(_posts.c.id).where(_posts.c.author_id == user_id)
    key = select(_users.c.email_key).where(_users.c.id == user_id)
    follows = or_(_follows.c.follower_id == user_id, _follows.c.followee_id == user_id)
    return {
        "user": select(_users).where(_users.c.id == user_id),
        "preferences": select(_subscriptions).where(_subscriptions.c.user_id == user_id),
        "suppressed": select(_suppressions).where(_suppressions.c.email_key.in_(key)),
        "mails": select(_deliveries).where(_deliveries.c.user_id == user_id),
        "returned": select(_bounces).where(_bounces.c.user_id == user_id),
        "weeks": select(_snapshots).where(_snapshots.c.user_id == user_id),
        "posts": select(_posts).where(_posts.c.author_id == user_id),
        "counters": select(_counters).where(_counters.c.post_id.in_(own)),
        "kinds": select(_corrections).where(_corrections.c.post_id.in_(own)),
        "first_48_hours": select(_judgements).where(_judgements.c.post_id.in_(own)),
        "topics_left_out": select(_omissions).where(_omissions.c.user_id == user_id),
        "guesses": select(_guesses).where(_guesses.c.user_id == user_id),
        "views_of_others": select(_views).where(_views.c.viewer_id == user_id),
        "reactions_to_others": select(_reactions).where(_reactions.c.actor_id == user_id),
        "follows": select(_follows).where(follows),
        "memberships": select(_memberships).where(_memberships.c.user_id == user_id),
    }


def _plain(session: Session, query: Select[Any]) -> Iterator[dict[str, Any]]:
    for row in fetch(session, query):
        yield {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in row._mapping.items()  # noqa: SLF001 - the public name of it
        }


def erase(session: Session, user_id: str, now: datetime) -> None:
    """Delete all about one person, but for what keeps them from being mailed again.

    What stays: their id, marked as having left, and their address among those that are suppressed.
    What they did to others' posts is nobody's from then on, so that the others' figures hold.
    Doing it twice is doing it once.
    """
    _keep_away(session, user_id, now)
    _forget_acts(session, _views, _views.c.viewer_id, user_id)
    _forget_acts(session, _reactions, _reactions.c.actor_id, user_id)
    own = select(_posts.c.id).where(_posts.c.author_id == user_id)
    for facts in (_views, _reactions, _counters, _judgements, _corrections, _guesses):
        session.execute(delete(facts).where(facts.c.post_id.in_(own)))
    session.execute(delete(_posts).where(_posts.c.author_id == user_id))
    for owned in (_deliveries, _bounces, _snapshots, _guesses, _memberships, _omissions):
        session.execute(delete(owned).where(owned.c.user_id == user_id))
    either = or_(_follows.c.follower_id == user_id, _follows.c.followee_id == user_id)
    session.execute(delete(_follows).where(either))
    blank = dict.fromkeys(("email_key", "handle", "locale", "timezone", "joined_at"))
    session.execute(update(_users).where(_users.c.id == user_id).values(name="", email="", **blank))


def _keep_away(session: Session, user_id: str, now: datetime) -> None:
    """What must stay: an import brings the user back, and the mail must not come back with it."""
    key = session.scalar(select(_users.c.email_key).where(_users.c.id == user_id))
    if key is not None:
        suppress(session, key, "erased", now)
    unsubscribe(session, user_id, now)
    chosen = ("chosen_timezone", "locale", "counted_from", "paused_through")
    session.execute(
        update(_subscriptions)
        .where(_subscriptions.c.user_id == user_id)
        .values(hidden="", erased_at=now, **dict.fromkeys(chosen))
    )


def _forget_acts(session: Session, acts: Table, person: Any, user_id: str) -> None:
    """Make a person's acts nobody's; where nobody's are there at that instant they are added."""
    rest = [column for column in acts.c if column is not person]
    theirs = select(*rest, literal(NOBODY)).where(person == user_id)
    names = [*(column.name for column in rest), person.name]
    statement = insert(session, acts).from_select(names, theirs)
    total = acts.c.count + statement.excluded["count"]
    session.execute(
        statement.on_conflict_do_update(
            index_elements=[column.name for column in acts.primary_key], set_={"count": total}
        )
    )
    session.execute(delete(acts).where(person == user_id))
