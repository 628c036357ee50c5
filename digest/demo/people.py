"""Who lives in Fieldnotes: thirty people with names and habits, and as many more as are wanted."""

from __future__ import annotations

from enum import Enum
from random import Random
from typing import NamedTuple

from digest.demo.stories import TOPICS


class Habit(Enum):
    """What is particular about a person's posts."""

    USUAL = "writes nearly every week"
    QUIET = "wrote for a while, and then stopped; nobody reads it now"
    COUNTED = "is read on a platform that gives totals only"
    LEADING = "has the post that everybody reads this week"
    ARCHIVE = "has an old post that is found again this week"
    BEGINNING = "began two weeks ago; how many see a post of Saturday nobody knows on Sunday"


class Person(NamedTuple):
    """Somebody who writes; ``pull`` is how often a usual post of theirs is opened."""

    handle: str
    name: str
    timezone: str | None
    locale: str | None
    topic: str
    pull: float
    posts: int
    habit: Habit = Habit.USUAL

    @property
    def is_new(self) -> bool:
        """Hardly followed yet, and in no group."""
        return self.habit is Habit.BEGINNING


NAMED = (
    Person("alice", "Alice", "Europe/London", "en-GB", "software", 700, 22, Habit.LEADING),
    Person("bob", "Bob", "America/New_York", "en-US", "repair", 150, 14),
    Person("noor", "Noor", "Europe/Amsterdam", "nl-NL", "crafts", 340, 18),
    Person("tomas", "Tomás", "America/Mexico_City", "es-MX", "travel", 260, 16),
    Person("mei", "Mei", "Asia/Shanghai", "zh-CN", "kitchen", 280, 16, Habit.ARCHIVE),
    Person("aroha", "Aroha", "Pacific/Auckland", "en-NZ", "nature", 190, 15),
    Person("prakash", "Prakash", "Asia/Kathmandu", "ne-NP", "travel", 120, 14),
    Person("layla", "ليلى حداد", "Asia/Amman", "ar-JO", "books", 160, 12),
    Person("ingrid", "Ingrid Solberg", "Europe/Oslo", "nb-NO", "books", 70, 8, Habit.QUIET),
    Person("kwame", "Kwame Mensah", "Africa/Accra", "en-GH", "software", 310, 14, Habit.COUNTED),
    Person("yuki", "Yuki Tanabe", "Asia/Tokyo", "ja-JP", "crafts", 130, 13),
    Person("sofia", "Sofia Marchetti", "Europe/Rome", "it-IT", "kitchen", 110, 13),
    Person("lukas", "Lukas Brandt", "Europe/Berlin", "de-DE", "garden", 95, 14),
    Person("amara", "Amara Okafor", "Africa/Lagos", "en-NG", "books", 140, 13),
    Person("pierre", "Pierre Vasseur", "Europe/Paris", "fr-FR", "garden", 60, 12),
    Person("ana", "Ana Beatriz Lima", "America/Sao_Paulo", "pt-BR", "nature", 105, 13),
    Person("ravi", "Ravi Menon", "Asia/Kolkata", "en-IN", "software", 90, 12),
    Person("hanna", "Hanna Kowalska", "Europe/Warsaw", "pl-PL", "repair", 55, 12),
    Person("omar", "Omar Benali", "Africa/Casablanca", "fr-MA", "travel", 45, 11),
    Person("june", "June Whitaker", "America/Denver", "en-US", "nature", 75, 12),
    Person("dmitri", "Dmitri Orlov", "Asia/Almaty", "ru-KZ", "repair", 40, 11),
    Person("freya", "Freya Lindqvist", "Europe/Stockholm", "sv-SE", "garden", 85, 12),
    Person("mateo", "Mateo Rojas", "America/Santiago", "es-CL", "kitchen", 50, 11),
    Person("nia", "Nia Pritchard", "Europe/London", "cy-GB", "books", 35, 11),
    Person("hoang", "Hoàng Minh", "Asia/Ho_Chi_Minh", "vi-VN", "crafts", 65, 11),
    Person("eva", "Eva Nováková", "Europe/Prague", "cs-CZ", "crafts", 48, 11),
    Person("sam", "Sam", "America/St_Johns", "en-CA", "repair", 150, 10, Habit.BEGINNING),
    Person("zeynep", "Zeynep Aydın", "Europe/Istanbul", "tr-TR", "kitchen", 58, 11),
    Person("tane", "Tāne Walker", "Pacific/Chatham", "en-NZ", "nature", 25, 10),
    Person("ester", "Ester Halonen", "Europe/Helsinki", "fi-FI", "garden", 42, 11),
)

_FIRST_NAMES = (
    "Ada Ben Clara Dario Elif Felix Greta Hugo Ines Jonas Kira Leo Maya Nils Olga Paul Rosa Silas"
    " Tara Uma Viktor Wanda Yara Zoe Amir Bela Chen Dina Emil Farah Goran Hana Igor Jana Kofi Lena"
)
_LAST_NAMES = (
    "Adler Bauer Castro Dahl Eriksen Fontaine Garcia Holm Ito Jansen Keller Lopez Meyer Novak Osei"
    " Petrov Quinn Rossi Santos Tanaka Ueda Vogel Wright Yilmaz Zhang Andersen Bianchi Costa Diallo"
)
_FIRST = _FIRST_NAMES.split()
_LAST = _LAST_NAMES.split()
_HOMES = (
    ("Europe/London", "en-GB"),
    ("America/New_York", "en-US"),
    ("America/Los_Angeles", "en-US"),
    ("Europe/Berlin", "de-DE"),
    ("Europe/Madrid", "es-ES"),
    ("Asia/Kolkata", "en-IN"),
    ("Asia/Tokyo", "ja-JP"),
    ("Australia/Sydney", "en-AU"),
    ("America/Sao_Paulo", "pt-BR"),
    ("Africa/Nairobi", "en-KE"),
    ("Asia/Kathmandu", "ne-NP"),
    (None, None),
)


def person(index: int, pull: float, random: Random) -> Person:
    """The person in place ``index``; those without a story of their own are made up here."""
    if index < len(NAMED):
        return NAMED[index]
    first, last = random.choice(_FIRST), random.choice(_LAST)
    timezone, locale = random.choice(_HOMES)
    return Person(
        f"m{index:06d}",
        f"{first} {last}",
        timezone,
        locale,
        random.choice(TOPICS),
        pull * random.lognormvariate(-0.3, 0.8),
        10,
    )


def place_among_writers(index: int) -> tuple[int, int]:
    """Which of how many named people with the same topic somebody is: they share its stories."""
    if index >= len(NAMED):
        return index, 3
    topic = NAMED[index].topic
    before = sum(other.topic == topic for other in NAMED[:index])
    return before, sum(other.topic == topic for other in NAMED)
