"""Settings: ``digest.toml`` in the working folder, overridden by ``DIGEST_*``.

A secret may come from a file: ``DIGEST_SMTP_URL_FILE`` names one that holds ``SMTP_URL``.
"""

from digest.config.loading import FAULT, arm_faults, cache_folder, load, unknown_environment
from digest.config.settings import NO_SENDER, Settings
from digest.config.sources import FILE, PREFIX, setting_name

__all__ = [
    "FAULT",
    "FILE",
    "NO_SENDER",
    "PREFIX",
    "Settings",
    "arm_faults",
    "cache_folder",
    "load",
    "setting_name",
    "unknown_environment",
]
