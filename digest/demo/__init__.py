"""A made-up community, Fieldnotes, to see the digest at work: twenty weeks of posts and readers."""

from digest.demo.community import populate

DOMAIN = "fieldnotes.example"
"""Where its people have their addresses."""

__all__ = ["DOMAIN", "populate"]
