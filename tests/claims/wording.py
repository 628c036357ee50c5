"""What no sentence of ours may say, whatever the facts are."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tests.claims.place import MARK
from tests.claims.sentences import STUDY
from tests.claims.writing import Mail, joined, own, plain

WHY_MAILED = re.compile(r"You get this on \w+s because you post on \S+")
"""Why there is a mail at all is a reason that we know."""
NEVER = {
    "a reason": r"(?i)\b(because|caus(?:e|ed|es|ing)|due to|thanks to|owing to|as a result"
    r"|therefore|(?:led|lead|leads) to|result(?:ed|s) in|drove|drives|boost\w*"
    r"|made (?:people|more|your))\b",
    "a promise": r"(?i)\b(guarantee\w*|will (?:gain|get|grow|reach|bring|see|win|have|be)"
    r"|would (?:gain|get|grow|reach|bring))\b",
    "reading": r"\b(?:[Rr]ead|have read|reads)\b(?! in a browser)",
    "who they are": r"(?i)\b(wom[ae]n|men|male|female|aged|gender|countr(?:y|ies)|cit(?:y|ies))\b",
    "another platform": r"\b(Facebook|Twitter|X|YouTube|LinkedIn|Instagram|study|platforms?)\b",
}
TIP = re.compile(r"People in a study [^.%\d]*\(tech-minded Twitter users, 2011\)\.")
PERCENT = re.compile(r"[^.;·]*\d ?%[^.;·]*")
ALLOWED_PERCENTS = (
    r"It is [\d,]+% more than the week before",
    r"you guess about \d+% of the real number",
    r"the typical person guesses about \d+% of the real number",
    r"typically reaching \d+% of your number of followers",
)


def said(mail: Mail) -> Iterator[tuple[str, str]]:
    """Our words in the three parts of a mail."""
    for part, text in (("subject", mail.subject), ("text", mail.text), ("html", plain(mail.page))):
        yield part, WHY_MAILED.sub("", own(text))


def forbidden(mail: Mail) -> Iterator[str]:
    for part, text in said(mail):
        rest = TIP.sub("", text.replace(STUDY, ""))
        for what, pattern in NEVER.items():
            if match := re.search(pattern, rest):
                yield f"{what} in the {part}: {match.group()}"
        for sentence in PERCENT.findall(rest):
            if not any(re.search(allowed, sentence) for allowed in ALLOWED_PERCENTS):
                yield f"a percentage in the {part}: {sentence}"


def named_viewers(mail: Mail) -> Iterator[str]:
    """People named who did nothing in public: to this author, or where others are suggested."""
    ground, sections = mail.ground, mail.snapshot.sections
    acted = {row["actor_id"] for p in ground.by[mail.user] for row in ground.acts[p]}
    public = {row["actor_id"] for rows in ground.acts.values() for row in rows}
    public |= {row["author_id"] for row in ground.posts.values()}
    by_name = {row["name"]: id_ for id_, row in ground.users.items()}
    for person in sections.get("people", {"people": []})["people"]:
        acted |= {by_name[person["name"]]} & public
    for post in sections.get("sharing", {}).get("posts") or ():
        acted |= {by_name[post["by"]]} if post["by"] else set()
    for part, text in (("subject", mail.subject), ("text", mail.text), ("html", plain(mail.page))):
        for id_ in set(re.findall(rf"{MARK}([\w-]+)", joined(text))):
            if id_ in ground.users and id_ not in acted | {mail.user}:
                yield f"{id_} is named in the {part} and only looked"
