"""What the people of Fieldnotes write about: titles and first sentences, by topic."""

from __future__ import annotations

from importlib.resources import files
from random import Random
from typing import NamedTuple


class Story(NamedTuple):
    """A title and how the post begins."""

    title: str
    text: str


ARABIC = (
    Story(
        "ملاحظات من سوق الكتب القديمة",
        "كل يوم جمعة، بين رفوف الورق الأصفر، أجد كتابا لم أكن أبحث عنه. هذه قصة ثلاثة منها.",
    ),
    Story(
        "شجرة الليمون على السطح",
        "زرعتها قبل أربع سنوات في برميل قديم، وهذا الأسبوع أعطت أول سبع ليمونات.",
    ),
    Story(
        "كيف تعلمت الخط في الخمسين",
        "القصبة عنيدة والحبر أعند منها، لكن حرف النون بدأ يبتسم أخيرا.",
    ),
    Story(
        "قهوة الصباح عند جارتي أم سامر",
        "تبدأ الحكاية دائما بالهيل وتنتهي دائما بخبر لا يعرفه أحد غيرها.",
    ),
    Story("رسائل من محطة القطار", "انتظرت ساعتين، وفي الساعتين سمعت ما يكفي لكتاب كامل."),
    Story(
        "إصلاح راديو أبي",
        "لم يكن معطلا. كان ينتظر فقط من يدير المفتاح إلى المحطة الصحيحة.",
    ),
)
"""What is written from right to left."""

_ANY = "any topic"
_SUBJECTS = "subjects"


def _chapters() -> dict[str, list[Story]]:
    """The chapters of ``stories.txt``, each with its lines."""
    chapters: dict[str, list[Story]] = {}
    for line in files(__package__).joinpath("stories.txt").read_text("utf-8").splitlines():
        if line.startswith("# "):
            chapters[line[2:]] = []
        elif " | " in line:
            title, _, text = line.partition(" | ")
            chapters[next(reversed(chapters))].append(Story(title, text))
    return chapters


_CHAPTERS = _chapters()
_PATTERNS = _CHAPTERS.pop(_ANY)
TOPICS = tuple(_CHAPTERS)
_ABOUT = {
    topic: next(line.text.split("; ") for line in lines if line.title == _SUBJECTS)
    for topic, lines in _CHAPTERS.items()
}
STORIES = {
    topic: [line for line in lines if line.title != _SUBJECTS] for topic, lines in _CHAPTERS.items()
}


def stories(topic: str, number: int, taken: int, writers: int, random: Random) -> list[Story]:
    """``number`` stories about ``topic``, the best ones last.

    ``taken`` of ``writers`` people who write about it: each has a part of the stock to themselves.
    """
    own = STORIES[topic][taken % writers :: writers]
    random.shuffle(own)
    own = own[:number]
    pairs = [(pattern, subject) for pattern in _PATTERNS for subject in _ABOUT[topic]]
    others = [
        Story(_sentence(pattern.title.replace("~", subject)), pattern.text)
        for pattern, subject in random.sample(pairs, number - len(own))
    ]
    return others + own


def _sentence(title: str) -> str:
    return title[0].upper() + title[1:]
