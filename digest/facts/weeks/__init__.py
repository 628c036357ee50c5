"""An author's week: totals over all posts, and the best posts with their words.

What a post's week is made from is decided here: its events where there are any, else its counters;
the two are never added. An author's own views and reactions never count. Unknown is None, not zero.
"""

from digest.facts.weeks.best import NAMED, TOP, PostWeek, leading
from digest.facts.weeks.totals import AuthorWeek, Metric, author_weeks

__all__ = ["NAMED", "TOP", "AuthorWeek", "Metric", "PostWeek", "author_weeks", "leading"]
