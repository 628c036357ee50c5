"""One thing that a check looked at."""

from __future__ import annotations

from dataclasses import dataclass

from digest.errors import DigestError


@dataclass(frozen=True, slots=True)
class Finding:
    """What was looked at, and what is the matter with it; ``problem`` is None where all is well.

    ``advice``: it should be mended, and nothing is stopped by it.
    """

    name: str
    fact: str
    problem: DigestError | None = None
    advice: bool = False

    @property
    def is_wrong(self) -> bool:
        """Whether mail must not go out like this."""
        return self.problem is not None and not self.advice
