"""SPF: which machines may send mail of the envelope's domain (RFC 7208)."""

from __future__ import annotations

from digest.checks import records
from digest.checks.finding import Finding
from digest.checks.names import Names
from digest.checks.sender import Sender
from digest.errors import DigestError

QUESTIONS = 10
"""How many questions a record may cost a receiver (RFC 7208, 4.6.4)."""


def look_at_spf(sender: Sender, names: Names) -> Finding:
    """The record of the envelope's domain; whether it names our machines, only receivers see."""
    domain = sender.envelope
    found = records.spf_among(names.texts(domain))
    fact = f"{domain}: {found[0] if found else 'none'}"
    problem = _spf_problem(domain, found, names, sender.host)
    return Finding("SPF", fact, problem)


def _spf_problem(domain: str, found: list[str], names: Names, host: str) -> DigestError | None:
    if not found:
        return DigestError(
            f"{domain} does not say which machines send its mail",
            hint=f"publish, as TXT of {domain}: v=spf1 a:{host} ~all (or the include: that"
            " your mail provider names)",
        )
    if len(found) > 1:
        return DigestError(
            f"{domain} has {len(found)} SPF records, and receivers then heed none",
            hint="put their terms into one record",
        )
    if records.lets_everybody(found[0]):
        return DigestError(
            f"{domain} calls every machine a sender of its mail", hint="end it with ~all"
        )
    questions, missing = _questions(found[0], names)
    if missing:
        return DigestError(
            f"the record of {domain} includes {missing}, which has no SPF record",
            hint="correct or remove that include: receivers heed none of the record",
        )
    if questions > QUESTIONS:
        return DigestError(
            f"the record of {domain} costs receivers more than {QUESTIONS} questions, and"
            " they give up",
            hint="name fewer include:, a and mx, or write ip4: and ip6: instead",
        )
    return None


def _questions(spf: str, names: Names) -> tuple[int, str]:
    """How many questions a record costs, up to one too many; and a name without a record."""
    count, waiting = 0, [spf]
    while waiting and count <= QUESTIONS:
        for term, target in records.asking(waiting.pop()):
            count += 1
            if term not in {"include", "redirect"} or "%" in target:
                continue
            found = records.spf_among(names.texts(target))
            if not found:
                return count, target
            waiting.append(found[0])
            if count > QUESTIONS:
                break
    return count, ""
