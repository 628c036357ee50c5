"""What a mail is about: the fact of the week for the subject, and the next best for the preheader.

Pure: a choice among what a snapshot's sections say already.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from digest.facts.judgements import OUTSTANDING

TOLD_FROM, COUNTED_FROM = 20, 3
"""Below so many reactions, or views, the number is not the subject where there is a better one."""
ABOVE_FROM = 10
"""Fewer are not called more than usual in the subject: after weeks of nothing one is that too."""


def news(
    sections: Mapping[str, Any], leading: str, *, numbers: bool, asked: str = ""
) -> tuple[dict[str, Any], dict[str, Any]]:
    """The two best facts of the week, the first for the subject, the second for the preheader.

    ``leading`` is the section whose own fact is stronger than what every mail has to tell, or "".
    """
    headline = sections.get("headline")
    posts = [
        post
        for name in ("top_posts", "new_posts")
        for post in sections.get(name, {}).get("posts", ())
        if post["title"]
    ]
    found: list[dict[str, Any]] = []
    if leading:
        found.append({"kind": "told", "section": leading, "s": sections[leading]})
    if "quiet" in sections:
        best = sections["quiet"]["best"]
        found += [{"kind": "quiet"}]
        if best and best["title"]:
            found.append({"kind": "best", "post": best})
    if "so_far" in sections:
        found.append({"kind": "so_far", "so_far": sections["so_far"]})
    outstanding = max(posts, key=lambda post: post["times"] or 0, default=None)
    if numbers and outstanding and (outstanding["times"] or 0) >= OUTSTANDING:
        found.append({"kind": "times", "post": outstanding})
    top = sections.get("top_posts", {}).get("posts", ())
    first = top[0] if top and top[0]["title"] and top[0]["id"] != asked else None
    if headline and headline[headline["metric"]]:
        facts = _of_the_week(headline, sections.get("usual"), first)
        # A post is named to lead only: beside a stronger fact the plain total says something else.
        found += [fact for fact in facts if not found or fact["kind"] in {"count", "top"}]
    elif first:
        found.append({"kind": "top", "metric": sections["top_posts"]["metric"], "post": first})
    found += [{"kind": "week"}, {"kind": "site"}]
    if found[0]["kind"] == "lone":
        found = [one for one in found if one["kind"] not in {"count", "top"}]
    return found[0], found[1]


def _of_the_week(
    headline: Mapping[str, Any], usual: Mapping[str, Any] | None, first: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """The week's totals as one fact or two; ``first`` is the post that leads it, if it has a title.

    Below :data:`TOLD_FROM` reactions who reacted says more than how many did. Where one post is all
    there is, it is named; and a view or two are told without their number.
    """
    metric = headline["metric"]
    number = headline[metric]
    more = bool(usual and usual["verdict"] == "above" and not usual["first"])
    above = more and number >= ABOVE_FROM
    count = {"kind": "count", "metric": metric, "headline": headline, "above": above}
    few = number < (TOLD_FROM if metric == "reactions" else COUNTED_FROM) and not above
    if few and first and first["people"]:
        told = [{"kind": "people", "post": first}, count]
    elif few and metric != "reactions":
        return [{"kind": "seen", "post": first}]
    elif first and headline["posts"] == 1 and not above:
        told = [count | {"kind": "lone", "post": first}, count]
    else:
        told = [count]
    by = "reactions" if metric == "reactions" else "views"
    return [*told, {"kind": "top", "metric": by, "post": first}] if first else told
