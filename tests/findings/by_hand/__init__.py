"""The same figures straight from the published files: nothing of the product helps here."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def above_usual(earlier: Sequence[int], now: int) -> bool:
    """Whether a week lies above the range of those before it, where there are eight to make one."""
    roots = np.sqrt(earlier)
    if len(roots) < 8:
        return True
    return bool(now > (roots.mean() + 2.66 * np.abs(np.diff(roots)).mean()) ** 2)
