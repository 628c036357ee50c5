"""What a returned mail says: bytes in, a :class:`Report` out. Knows no database, socket or clock.

Read in this order: complaints (ARF, RFC 5965), delivery status notifications (RFC 3464), the words
of mails that follow no standard, and mails that a person's mailbox wrote by itself (RFC 3834).
Whatever is none of these is unrecognised, and never an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice

from digest.bounces import copies, mime, providers, recipients
from digest.bounces.findings import Failure, Kind, Report, Token, kind_of, summed
from digest.bounces.judging import Judgement, is_delay, is_success, judge
from digest.bounces.mime import Mail, Part
from digest.bounces.phrases import AUTO_REPLIES, BOUNCE_SUBJECTS, occurs, squeeze
from digest.bounces.recipients import MAX_RECIPIENTS
from digest.smtp.replies import tidy

MAX_TOKENS = 10
"""Mails of ours that a report is asked for; a real one names one."""

_RECIPIENT_FIELDS = ("final-recipient", "original-recipient", "x-actual-recipient")
_LOOSE_STATUS = re.compile(r"^(?:final|original)-recipient:", re.IGNORECASE | re.MULTILINE)
_BLANK_LINES = re.compile(r"\n[ \t]*\n")
_TOKEN = re.compile(r"(\+?)(\d{4}-w\d\d\.[a-z2-7]{20})@([a-z0-9.-]{1,253})", re.IGNORECASE)
_DAEMONS = re.compile(
    r"mailer-?daemon|mail-?daemon|post[_-]?master|mdaemon|mail delivery|mailsystem|mail system"
    r"|mail administrator|system administrator|bounce|delivery subsystem|message router|mmdf"
    r"|no-?reply.{0,30}deliver",
    re.IGNORECASE,
)
_NO_WORD = re.compile(r"[^a-z0-9-]")
_JMRP = re.compile(r"complaint about message from", re.IGNORECASE)


def read(raw: bytes) -> Report:
    """What the mail says; any bytes at all give a report."""
    mail = mime.parse(raw)
    parts, copy = copies.split(mail)
    tokens = _tokens(raw, mail)
    report = (
        _complaint(mail, parts, copy)
        or _notification(mail, parts)
        or _provider_note(parts)
        or _opt_out(mail)
        or _auto_reply(mail)
        or _notice(mail, parts, copy)
        or Report(Kind.UNRECOGNISED, "neither a bounce nor a complaint nor an automatic reply")
    )
    return Report(report.kind, report.why, report.failures, report.feedback, tokens)


def _tokens(raw: bytes, mail: Mail) -> tuple[Token, ...]:
    """Every mail of ours that is named, the surest first: by the address that it was sent from."""
    texts = [raw[: mime.MAX_TEXT * 4].decode("latin-1"), *(part.text for part in mail.parts)]
    found = dict.fromkeys(
        Token(hit[2].lower(), hit[3].lower(), bool(hit[1]))
        for text in texts
        for hit in islice(_TOKEN.finditer(text), MAX_TOKENS)
    )
    return tuple(sorted(found, key=lambda token: not token.verp))[:MAX_TOKENS]


# --- complaints ----------------------------------------------------------------------------------


def _complaint(mail: Mail, parts: list[Part], copy: dict[str, list[str]]) -> Report | None:
    feedback = next((p for p in mail.parts if p.kind == "message/feedback-report"), None)
    announced = mail.parameters.get("report-type", "").lower() == "feedback-report"
    if feedback is None and not announced and not _JMRP.search(mail.first("subject")):
        return None
    text = feedback.text if feedback else "\n".join(part.text for part in parts)
    fields = _fields(text)
    kind = _NO_WORD.sub("", fields.get("feedback-type", ["abuse"])[0].lower())[:40]
    named = [
        address
        for name in ("original-rcpt-to", "removal-recipient", "final-recipient")
        for value in fields.get(name, ())
        for address in recipients.addresses(value)
    ] or recipients.addresses(" ".join(copy.get("x-hmxmroriginalrecipient", copy.get("to", []))))
    judged = Judgement(None, "", f"feedback of the type {kind}")
    failures = tuple(Failure(address, Kind.COMPLAINT, judged) for address in dict.fromkeys(named))
    return Report(Kind.COMPLAINT, judged.said, failures, feedback=kind)


def _opt_out(mail: Mail) -> Report | None:
    """A mail program that answers our mail with its reader's wish to leave."""
    if squeeze(mail.first("subject")) != "unsubscribe":
        return None
    judged = Judgement(None, "", "a mail with the subject “unsubscribe”")
    senders = recipients.addresses(mail.first("from"))[:1]
    failures = tuple(Failure(address, Kind.COMPLAINT, judged) for address in senders)
    return Report(Kind.COMPLAINT, judged.said, failures, feedback="opt-out")


# --- delivery status notifications ---------------------------------------------------------------


def _notification(mail: Mail, parts: list[Part]) -> Report | None:
    """RFC 3464, also where the report is nested, or its machine-readable part damaged."""
    inside = [part for part in mail.parts if part.returned]
    groups = list(islice(_groups(parts), MAX_RECIPIENTS)) or list(
        islice(_groups(inside), MAX_RECIPIENTS)
    )
    if not groups:
        return None
    story = copies.story(parts)
    near = _near(story) if len(groups) > 1 else {}
    failed = [group for group in groups if not is_success(_action(group))]
    if not failed:
        return Report(Kind.UNRECOGNISED, "a notice of success")
    alone = len(groups) == 1
    return summed(
        [_failure(one, story if alone else near.get(_recipient(one).lower(), "")) for one in failed]
    )


def _failure(group: dict[str, list[str]], near: str) -> Failure:
    """What a report says of one recipient; ``near`` is what stands about them in its words."""
    judged = judge(
        _value(group, "status"),
        _reason(group),
        near,
        action=_action(group),
        category=_value(group, "x-powermta-bouncecategory").lower(),
    )
    return Failure(_recipient(group), kind_of(judged), judged)


def _groups(parts: list[Part]) -> Iterator[dict[str, list[str]]]:
    """The fields of each recipient."""
    for part in parts:
        machine = part.kind in {"message/delivery-status", "message/global-delivery-status"}
        if not machine and not _LOOSE_STATUS.search(part.text):
            continue
        for block in _BLANK_LINES.split(part.text)[:200]:
            fields = _fields(block)
            if any(name in fields for name in _RECIPIENT_FIELDS) and (
                "action" in fields or "status" in fields or "diagnostic-code" in fields
            ):
                yield fields


def _fields(block: str) -> dict[str, list[str]]:
    return mime.split_headers(block.strip("\n").encode())[0]


def _value(fields: dict[str, list[str]], name: str) -> str:
    return fields.get(name, [""])[0].strip()


def _action(group: dict[str, list[str]]) -> str:
    return _value(group, "action").split(" ")[0].lower()


def _recipient(group: dict[str, list[str]]) -> str:
    for name in ("original-recipient", "final-recipient", "x-actual-recipient"):
        value = _value(group, name).rpartition(";")[2]
        if found := recipients.addresses(value):
            return found[0]
    return tidy(_value(group, "final-recipient").rpartition(";")[2].strip(" <>"))[:254]


def _reason(group: dict[str, list[str]]) -> str:
    told = [*group.get("diagnostic-code", []), *group.get("x-supplementary-info", [])]
    return " ".join([*told, _value(group, "status").partition(" ")[2]])


def _near(story: str) -> dict[str, str]:
    """What a notice says of each of several recipients."""
    return {one.address.lower(): one.said for one in recipients.failing(story, ())}


def _provider_note(parts: list[Part]) -> Report | None:
    found = next((note for part in parts if (note := providers.note(part.text))), None)
    if found is None:
        return None
    if found.kind == "complaint":
        judged = Judgement(None, "", "a complaint, passed on by the mail service")
        people = tuple(
            Failure(one["emailAddress"], Kind.COMPLAINT, judged) for one in found.recipients
        )
        return Report(Kind.COMPLAINT, judged.said, people, feedback="abuse")
    if found.kind != "bounce" or not found.recipients:
        return Report(Kind.UNRECOGNISED, f"a note of the kind {found.kind}")
    return summed([_noted(one) for one in found.recipients])


def _noted(fields: dict[str, str]) -> Failure:
    said = fields.get("diagnosticCode", "")
    judged = judge(fields.get("status", ""), said, said, action=fields.get("action", ""))
    return Failure(fields["emailAddress"], kind_of(judged), judged)


# --- notices in words ----------------------------------------------------------------------------


def _notice(mail: Mail, parts: list[Part], copy: dict[str, list[str]]) -> Report | None:
    subject = squeeze(mail.first("subject"))
    failed = recipients.addresses(" ".join(mail.headers.get("x-failed-recipients", [])))
    report = mail.parameters.get("report-type", "").lower() == "delivery-status"
    if (
        not failed
        and not report
        and not _from_daemon(mail)
        and not occurs(BOUNCE_SUBJECTS, subject)
    ):
        return None
    story = copies.story(parts)
    named = recipients.failing(story, _parties(mail))
    if failed:
        said = {one.address.lower(): one.said for one in named}
        named = [recipients.Named(a, said.get(a.lower(), story)) for a in failed]
    if not named:
        named = [recipients.Named(a, story) for a in _addressed(copy)] or [
            recipients.Named("", story)
        ]
    delayed = is_delay(f"{subject} {squeeze(story)}")
    failures = []
    for one in named:
        near = story if len(named) == 1 else one.said
        judged = judge("", one.said, near, action="delayed" if delayed else "", notice=True)
        failures.append(Failure(one.address, kind_of(judged), judged))
    return summed(failures)


def _from_daemon(mail: Mail) -> bool:
    envelope = mail.first("return-path").strip()
    return envelope == "<>" or _DAEMONS.search(f"{mail.first('from')} {envelope}") is not None


def _parties(mail: Mail) -> list[str]:
    names = ("from", "to", "reply-to", "sender", "return-path", "delivered-to", "x-original-to")
    return recipients.addresses(" ".join(" ".join(mail.headers.get(name, [])) for name in names))


def _addressed(copy: dict[str, list[str]]) -> list[str]:
    """To whom the returned message was addressed, if to one person."""
    found = recipients.addresses(" ".join(copy.get("to", [])))
    return found if len(found) == 1 else []


# --- automatic replies ---------------------------------------------------------------------------


def _auto_reply(mail: Mail) -> Report | None:
    """RFC 3834, and the header fields and subjects that were in use before."""
    submitted = mail.first("auto-submitted").lower()
    subject = squeeze(mail.first("subject"))
    marked = (
        submitted.startswith("auto-replied")
        or any(
            name in mail.headers for name in ("x-autoreply", "x-autorespond", "x-autoreply-from")
        )
        or mail.first("precedence").strip().lower() in {"auto_reply", "auto-reply"}
    )
    if _from_daemon(mail) and (occurs(BOUNCE_SUBJECTS, subject) or is_delay(subject)):
        return None
    if marked or (occurs(AUTO_REPLIES, subject) and not occurs(BOUNCE_SUBJECTS, subject)):
        return Report(Kind.AUTO_REPLY, "a mailbox answered by itself")
    return None
