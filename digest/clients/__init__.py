"""What mail programs support: every mail and every template is held to it."""

from digest.clients.judging import Unsupported, unsupported
from digest.clients.support import HTML_LIMIT, STYLE_LIMIT

__all__ = ["HTML_LIMIT", "STYLE_LIMIT", "Unsupported", "unsupported"]
