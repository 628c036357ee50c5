"""The tables.

Ids of users, posts and groups are the platform's own, kept as text: they may be longer than
64 bits, negative, or words. Every instant is UTC.
"""

from digest.models.columns import NOBODY, UtcDateTime, table
from digest.models.deliveries import TRANSITIONS, Bounce, Delivery, Run, State
from digest.models.facts import (
    Counter,
    Follow,
    Group,
    Membership,
    Post,
    Reaction,
    ReactionType,
    User,
    View,
)
from digest.models.figures import Judgement, Snapshot
from digest.models.readers import Correction, Guess, Omission, Subscription, Suppression

__all__ = [
    "NOBODY",
    "TRANSITIONS",
    "Bounce",
    "Correction",
    "Counter",
    "Delivery",
    "Follow",
    "Group",
    "Guess",
    "Judgement",
    "Membership",
    "Omission",
    "Post",
    "Reaction",
    "ReactionType",
    "Run",
    "Snapshot",
    "State",
    "Subscription",
    "Suppression",
    "User",
    "UtcDateTime",
    "View",
    "table",
]
