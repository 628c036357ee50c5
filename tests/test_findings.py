"""The page of findings: what the product says, the same by hand, and what stands on the page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import pytest

from digest.compose import Snapshot
from digest.sections import sections
from tests.findings import page, towns
from tests.findings.by_hand import deskdrop, others
from tests.findings.figures import Figures
from tests.findings.told import tell
from tests.findings.weeks import periods


def by_hand(name: str, data: Path) -> dict[str, Figures]:
    first, last = (period.monday for period in towns.WEEKS[name])
    if name == "deskdrop":
        return deskdrop.figures(data, len(periods(*towns.WEEKS[name])))
    if name in {"stackexchange", "dev_to"}:
        return {"stackexchange": others.stackexchange, "dev_to": others.dev_to}[name](
            data, first, last
        )
    made: dict[str, Figures] = getattr(others, name)(data)
    return made


@pytest.mark.parametrize("name", page.SETS)
def test_the_page_says_what_the_product_and_the_files_say(
    name: str, shared_data: Path, tmp_path: Path
) -> None:
    told = tell(name, shared_data, tmp_path)
    assert told.figures == by_hand(name, shared_data)
    assert page.table(name) == page.flat(told.figures)
    at = 1 + list(page.SETS).index(name)
    column = {row[0].strip("`"): row[at] for row in page.table("sections")}
    assert column.pop("mails in all") == f"{len(told.mails):,}"
    assert column == {
        section.name: page.cell(told.sections[section.name]) for section in sections()
    }
    if name == "deskdrop":
        count, could = deskdrop.mails(shared_data, len(periods(*towns.WEEKS[name])))
        rivals = Counter(section for mail in told.mails for section in mail.rivals)
        assert could == {section: rivals[section] for section in could}
    else:
        first, last = (period.monday for period in towns.WEEKS[name])
        count = others.mails(name, shared_data, first, last)
    assert count == {section: told.sections[section] for section in count}
    check_the_room(told.mails)
    check_the_twenty(page.SETS[name], told.mails)


def check_the_twenty(name: str, mails: Iterable[Snapshot]) -> None:
    """The figures of those of the twenty readers whose weeks are looked at."""
    found = {(mail.user, mail.period): mail for mail in mails}
    checked = 0
    for reader, of, week, figure, *_ in page.table("twenty"):
        if of != name or "(checked)" not in figure:
            continue
        mail = found["author" if reader == "the author" else reader, week]
        said = mail.sections.get("headline") or mail.sections["so_far"]
        count = said.get("total") or said[said["metric"]]
        unit = {"reach": "people"}.get(said["metric"], said["metric"])
        so_far = " so far" if "so_far" in mail.sections else ""
        assert figure == f"{count:,} {unit}{so_far} (checked)"
        checked += 1
    assert checked


def check_the_room(mails: Iterable[Snapshot]) -> None:
    """Of the sections that compete in a mail, those with the highest scores are in, up to five."""
    anew = {section.name for section in sections() if not section.repeats}
    shown: dict[str, dict[str, int]] = {}
    for mail in mails:
        week = mail.start.toordinal() // 7
        last = shown.setdefault(mail.user, {})
        scores = {}
        for name, (worth, _, score) in mail.rivals.items():
            ago = week - last.get(name, week - 99)
            scores[name] = worth if name in anew or ago > 26 else worth * (1 - 0.5**ago)
            assert scores[name] == pytest.approx(score)
        others_ = mail.sections.keys() - scores.keys() - {"usual", "next"}
        ranked = sorted((n for n in scores if scores[n] >= 0.2), key=lambda n: -scores[n])
        chosen = mail.sections.keys() & scores.keys()
        room = max(0, 5 - len(others_))
        assert len(chosen) == min(room, len(ranked))
        if chosen:
            assert min(scores[n] for n in chosen) == scores[ranked[len(chosen) - 1]]
        last.update(dict.fromkeys(mail.sections, week))
