"""Handing messages to a mail server.

Connections, their pool, what replies mean, and the embedded mailbox that takes the mail while no
server is named.
"""

from digest.smtp.breaker import Breaker
from digest.smtp.connection import Connection, Mark
from digest.smtp.mailbox import Mailbox
from digest.smtp.opening import Timeouts
from digest.smtp.outcomes import Outcome
from digest.smtp.pacing import Domains, Standing
from digest.smtp.replies import RULES, Meaning, Reply, Rule, Verdict, classify, parse_enhanced
from digest.smtp.sender import Sender
from digest.smtp.server import Server, Tls, parse_url
from digest.smtp.watch import Pace

__all__ = [
    "RULES",
    "Breaker",
    "Connection",
    "Domains",
    "Mailbox",
    "Mark",
    "Meaning",
    "Outcome",
    "Pace",
    "Reply",
    "Rule",
    "Sender",
    "Server",
    "Standing",
    "Timeouts",
    "Tls",
    "Verdict",
    "classify",
    "parse_enhanced",
    "parse_url",
]
