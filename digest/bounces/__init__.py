"""Mails that come back: bounces, complaints and automatic replies, read and acted upon."""

from digest.bounces.findings import Kind, Report
from digest.bounces.imap import Account, opened, parse_url
from digest.bounces.reading import Row, collect, take
from digest.bounces.records import Action, given_up, lift, of_delivery
from digest.bounces.reports import read
from digest.bounces.sources import mails

__all__ = [
    "Account",
    "Action",
    "Kind",
    "Report",
    "Row",
    "collect",
    "given_up",
    "lift",
    "mails",
    "of_delivery",
    "opened",
    "parse_url",
    "read",
    "take",
]
