"""Why a mail was not delivered: words first, then codes.

Mail systems give exact words far more often than exact codes: ``5.0.0`` and ``550`` stand for
anything. Where only a code speaks, it means what the same reply means while we send.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from digest.bounces.phrases import (
    CATEGORIES,
    DEAD,
    DELAY_NOTICES,
    FULL,
    GROUPS,
    Group,
    occurs,
    squeeze,
)
from digest.smtp.replies import Meaning, Reply, classify, tidy

_STATUS = re.compile(r"(?<![\d.a-z])(?<![a-z]-)([245]\.\d{1,2}\.\d{1,3})(?![\d.]*\d)")
_CODE = re.compile(r"(?<![\d.#-])([45][0-5]\d)(?=[\s-])")
_PERMANENT = re.compile(r"(?<![\d.])5(?:\d\d|\.\d{1,2}\.\d{1,3})(?![\d.])")
_QUOTED_REPLY = re.compile(r"\b([45]\d\d)-'")
_AFTER_DATA = re.compile(
    r"in reply to (?:end of )?data|after (?:end of )?data|>>> data <<< 5|end of message body"
    r"|failed after i sent the message|\(state 1[78]\)|\[data\]"
)
_AT_RCPT = re.compile(
    r"in reply to rcpt|after rcpt|rcpt to.{0,100}?[^\d]5\d\d\b|does not like recipient"
    r"|\[rcpt_to\]|\(state 14\)"
)
_LOOSE = frozenset({"3.0", "4.0", "4.1", "4.3", "4.4", "4.6", "4.7", "5.0", "5.1"})
"""Subjects and details that are given for lack of a better one, or are about hosts."""
_SURE_CODES = frozenset({Meaning.ADDRESS, Meaning.FULL, Meaning.MESSAGE, Meaning.POLICY})
_MAILBOX = frozenset({Meaning.FULL, Meaning.DISABLED, Meaning.UNCLEAR})


@dataclass(frozen=True, slots=True)
class Judgement:
    """Why, and by which words: ``meaning`` None is a complaint."""

    meaning: Meaning | None
    status: str
    said: str
    delayed: bool = False

    @property
    def dead(self) -> bool:
        """Whether the address is dead."""
        return self.meaning is Meaning.ADDRESS and not self.delayed

    @property
    def counts(self) -> bool:
        """Whether it is about the reader's mailbox, so that several of it say something."""
        return self.meaning in _MAILBOX and not self.delayed


def judge(
    status: str,
    said: str,
    story: str,
    *,
    action: str = "",
    category: str = "",
    notice: bool = False,
) -> Judgement:
    """Weigh what a report says of one recipient.

    ``status`` and ``action`` are the fields of those names (RFC 3464), ``category`` the relay's own
    verdict, ``said`` the words about this recipient and ``story`` those of the whole mail, which
    is a ``notice`` where it has no machine-readable part.
    """
    told, whole = _quoted(squeeze(said)), squeeze(story)
    code = _best_status(status, told, whole)
    meaning = CATEGORIES.get(category) or _meaning(code, told, whole)
    if meaning is Meaning.ADDRESS and not category:
        meaning = _doubted(status, code, told, whole, notice=notice)
    return Judgement(meaning, code, tidy(" ".join((said or story).split())), action == "delayed")


def is_delay(text: str) -> bool:
    """Whether a notice (lower case, single spaces) only says that a mail is late."""
    return occurs(DELAY_NOTICES, text)


def is_success(action: str) -> bool:
    """Whether an Action (RFC 3464, 2.3.3) says that the mail has arrived."""
    return action in {"delivered", "deliverable", "relayed", "expanded"}


def _meaning(code: str, told: str, whole: str) -> Meaning:
    by_words, by_code = _group(told), _by_code(code, told)
    if by_words is not None and by_words.sure:
        unsure = by_words.meaning is Meaning.UNCLEAR and code.endswith(".1.0")
        return Meaning.ADDRESS if unsure else by_words.meaning
    if by_code in _SURE_CODES and (code or by_code is not Meaning.POLICY):
        return by_code
    by_story = _group(whole)
    if by_story is not None and by_story.sure:
        return by_story.meaning
    return next((group.meaning for group in (by_words, by_story) if group), by_code)


def _group(text: str) -> Group | None:
    return next((group for group in GROUPS if occurs(group.table, text)), None)


def _by_code(status: str, told: str) -> Meaning:
    """What the same reply would mean at RCPT."""
    found = _CODE.search(told)
    code = found[1] if found else {"4": "450", "5": "550"}.get(status[:1], "550")
    if status == "5.4.4":
        return Meaning.ADDRESS
    return classify(Reply(int(code), status if status[:1] == code[:1] else "", "rcpt")).meaning


def _doubted(status: str, code: str, told: str, whole: str, *, notice: bool) -> Meaning:
    """A dead address, unless it was said at a moment when servers say so for other reasons.

    Some call a user unknown only after the message, when it is a filter that speaks; others do so
    with a code that says something else, or beside words about a full mailbox. A bare reply that a
    notice quotes is taken as our sender takes it. A domain that was not found with a status of the
    class 4 may be there later (RFC 3463, 3.1).
    """
    if not occurs(DEAD, told):
        passes = status.startswith("4") and not _PERMANENT.search(told)
        return Meaning.TRANSIENT if passes else Meaning.ADDRESS
    if occurs(FULL, whole):
        return Meaning.FULL
    if code.startswith("5.1.") or code == "4.1.1":
        return Meaning.ADDRESS
    if _AFTER_DATA.search(told) or _AFTER_DATA.search(whole):
        return Meaning.UNCLEAR
    bare = notice and not code and _PERMANENT.search(told) is not None
    other = bool(code) and not code.endswith(".0.0") and code[2:] not in _LOOSE
    at_rcpt = _AT_RCPT.search(told) or _AT_RCPT.search(whole)
    return Meaning.UNCLEAR if (bare or other) and not at_rcpt else Meaning.ADDRESS


def _quoted(told: str) -> str:
    """The other server's own reply, where a relay quotes it behind words of its own."""
    found = _QUOTED_REPLY.search(told)
    return f"{found[1]} {told[found.end() :]}" if found else told


def _best_status(status: str, told: str, whole: str) -> str:
    """The most exact of the codes: the field's, unless the words have a better one."""
    found = [hit for text in (told, status, whole) for hit in _STATUS.findall(text)[:3]]
    exact = [code for code in found if not code.endswith(".0.0") and code[0] != "2"]
    return next(iter([*exact, *found]), "")
