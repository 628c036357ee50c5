"""Handing messages to a mail server.

Connections, their pool, what replies mean, and the embedded mailbox that takes the mail while no
server is named.
"""

from digest.smtp.connection import Connection, Mark, Timeouts
from digest.smtp.mailbox import Mailbox
from digest.smtp.pool import Outcome, Sender
from digest.smtp.replies import RULES, Meaning, Reply, Rule, Verdict, classify, parse_enhanced
from digest.smtp.server import Server, Tls, parse_url

__all__ = [
    "RULES",
    "Connection",
    "Mailbox",
    "Mark",
    "Meaning",
    "Outcome",
    "Reply",
    "Rule",
    "Sender",
    "Server",
    "Timeouts",
    "Tls",
    "Verdict",
    "classify",
    "parse_enhanced",
    "parse_url",
]
