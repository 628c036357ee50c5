"""DMARC: what becomes of mail that fails, and whether ours can pass (RFC 9989)."""

from __future__ import annotations

from collections.abc import Iterator

from digest.checks import records
from digest.checks.finding import Finding
from digest.checks.names import Names
from digest.checks.sender import Sender
from digest.errors import DigestError


def look_at_policy(sender: Sender, names: Names) -> Iterator[Finding]:
    """The policy that holds for the domain of From, and whether our mail can meet it."""
    policies: dict[str, str] = {}
    problem = None
    for domain in records.walk(sender.author):
        found = records.dmarc_among(names.texts(f"_dmarc.{domain}"))
        if len(found) > 1 and not policies:
            problem = DigestError(
                f"_dmarc.{domain} has {len(found)} DMARC records, and receivers then heed none",
                hint="leave one",
            )
        elif len(found) == 1:
            policies[domain] = found[0]
    if problem is None and not policies:
        problem = DigestError(
            f"nothing says what becomes of forged mail from {sender.author}",
            hint=f"publish, as TXT of _dmarc.{sender.author}: v=DMARC1; p=none; rua=mailto:…",
        )
    place, record = next(iter(policies.items()), ("", "none"))
    policy = records.tags(record).get("p", "none").lower()
    if problem is None and policy not in {"none", "quarantine", "reject"}:
        problem = DigestError(
            f"_dmarc.{place} asks for “{policy}”, which is no policy",
            hint="write p=none, p=quarantine or p=reject",
        )
    yield Finding("DMARC", f"_dmarc.{place}: {record}", problem)
    yield _alignment(sender, policies)


def _alignment(sender: Sender, policies: dict[str, str]) -> Finding:
    """Whether SPF or DKIM stands for the name in From; DMARC asks for one of them."""
    holding = {"SPF": sender.envelope} | ({"DKIM": sender.signer.domain} if sender.signer else {})
    policy = records.tags(next(iter(policies.values()), ""))
    organization = records.organization(sender.author, policies)
    strict = {"SPF": policy.get("aspf") == "s", "DKIM": policy.get("adkim") == "s"}
    standing = [
        f"{kind} by {name}"
        for kind, name in holding.items()
        if name == sender.author
        or (not strict[kind] and _related(name, sender.author, organization))
    ]
    if standing:
        return Finding("alignment", f"{' and '.join(standing)} stand for {sender.author}")
    told = " and ".join(f"{kind} for {name}" for kind, name in holding.items())
    problem = DigestError(
        f"{told}: neither stands for {sender.author} in FROM, so DMARC fails",
        hint=f"set BOUNCE_ADDRESS or DKIM_DOMAIN to a name of {organization}; where the policy is"
        f" strict (aspf=s, adkim=s), to {sender.author}",
    )
    return Finding("alignment", "", problem)


def _related(name: str, author: str, organization: str) -> bool:
    """Whether two names belong to one organization, as far as the DNS tells."""
    if organization != author:
        return records.within(name, organization)
    return records.within(name, author) or records.within(author, name)
