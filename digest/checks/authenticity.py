"""What the world is told of the sender's domain, in the order in which it is looked at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

from digest.checks.finding import Finding
from digest.checks.names import Names
from digest.checks.policy import look_at_policy
from digest.checks.sender import Sender
from digest.checks.signatures import look_at_signatures
from digest.checks.spf import look_at_spf
from digest.errors import DigestError, DnsUnavailable


def look_up(sender: Sender, names: Names, now: datetime) -> Iterator[Finding]:
    """Everything about the sender's domain, until nobody answers any more."""
    looks: list[Callable[[], Iterable[Finding]]] = [
        lambda: [look_at_spf(sender, names)],
        lambda: look_at_signatures(sender, names, now),
        lambda: look_at_policy(sender, names),
        lambda: [_mail_hosts(sender, names)],
    ]
    for look in looks:
        try:
            yield from look()
        except DnsUnavailable as error:
            yield Finding("DNS", "", error, advice=True)
            return


def _mail_hosts(sender: Sender, names: Names) -> Finding:
    """Whether bounces have anywhere to go."""
    domain = sender.envelope
    hosts = names.mail_hosts(domain)
    fact = f"bounces come back by {', '.join(hosts) or domain}"
    if hosts == (".",) or not (hosts or names.has_address(domain)):
        problem = DigestError(
            f"{domain} takes no mail, so bounces are lost",
            hint=f"publish an MX of {domain}, or set BOUNCE_ADDRESS to a mailbox elsewhere",
        )
        return Finding("MX", fact, problem)
    return Finding("MX", fact)
