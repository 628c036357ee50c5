"""``digest check``: what would stop a send, found before the first mail."""

from digest.checks.finding import Finding
from digest.checks.running import PATIENCE, require_sending, run_checks

__all__ = ["PATIENCE", "Finding", "require_sending", "run_checks"]
