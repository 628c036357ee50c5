"""The command line."""

from digest.cli import facts, looking, sending, serving
from digest.cli.app import app, main

__all__ = ["app", "facts", "looking", "main", "sending", "serving"]
