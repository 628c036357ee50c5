"""New posts, judged at equal age: what each had reached 48 hours after it was published.

A post is judged in the week in which it completes that age, once; the figures are kept and are what
later posts are compared with. A post with an unknown time of publication is never judged.
"""

from digest.facts.judgements.careers import (
    EARLIER,
    OUTSTANDING,
    USUAL_FROM,
    Career,
    add_words,
    careers,
    keep,
    settle,
)
from digest.facts.judgements.figures import HOURS, Judged, judged
from digest.facts.judgements.priors import Priors, priors, site_priors

__all__ = [
    "EARLIER",
    "HOURS",
    "OUTSTANDING",
    "USUAL_FROM",
    "Career",
    "Judged",
    "Priors",
    "add_words",
    "careers",
    "judged",
    "keep",
    "priors",
    "settle",
    "site_priors",
]
