"""What there is to translate: ``make messages`` brings the catalogues up to it, and tests compare.

Messages stand in the order of their text, with the files they come from and no line numbers, so
that a catalogue changes only where a sentence does.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from babel.messages import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_file
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
LOCALE = ROOT / "digest" / "locale"
LANGUAGES = ("ar", "de", "es", "fr", "ja")
HEADER = "# What digest says. See docs/languages.md."
KEYWORDS = {**DEFAULT_KEYWORDS, "sentence": None}
SOURCES = [
    *[("digest.extraction:extract", path) for path in sorted((ROOT / "templates").rglob("*.html"))],
    *[("digest.extraction:extract", path) for path in sorted((ROOT / "templates").rglob("*.txt"))],
    *[("python", path) for path in sorted((ROOT / "digest").rglob("*.py"))],
    *[("digest.extraction:labels", path) for path in sorted((ROOT / "digest").rglob("*.py"))],
]


def extracted() -> Catalog:
    """Every message of templates and code."""
    found = Catalog(project="digest", creation_date=datetime(2026, 1, 1, tzinfo=UTC), fuzzy=False)
    for method, path in SOURCES:
        where = (path.relative_to(ROOT).as_posix(), 1)
        for _, texts, _, context in extract_from_file(method, path, KEYWORDS):
            found.add(texts, None, [where], context=context)
    return found


def kept(language: str) -> Catalog:
    """A language's catalogue as it stands."""
    with (LOCALE / language / "LC_MESSAGES" / "digest.po").open("rb") as file:
        return read_po(file, locale=language)


def brought_up(language: str, template: Catalog) -> bytes:
    """A language's catalogue with the messages of ``template``, as bytes of its file."""
    from io import BytesIO  # noqa: PLC0415

    catalog = kept(language)
    catalog.update(template, no_fuzzy_matching=True, update_creation_date=False)
    catalog.obsolete.clear()
    catalog.header_comment = HEADER
    out = BytesIO()
    write_po(out, catalog, width=100, sort_output=True, include_lineno=False)
    return out.getvalue()


def write_marked(folder: Path, language: str) -> list[str]:
    """A catalogue below ``folder`` that says each message in English between marks and numbered.

    ``⟦17 Save⟧`` is the message at place 17 of the returned list, each as it stands in the sources.
    """
    catalog = Catalog(locale=language, fuzzy=False)
    ids: list[str] = []
    for message in extracted():
        if message.id:
            one, many = (message.id,) * 2 if isinstance(message.id, str) else message.id
            said = f"⟦{len(ids)} {many}⟧"
            forms = said if isinstance(message.id, str) else (said,) * catalog.num_plurals
            catalog.add(message.id, forms, context=message.context)
            ids.append(one)
    file = folder / "locale" / language / "LC_MESSAGES" / "digest.po"
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        write_po(out, catalog)
    return ids


if __name__ == "__main__":
    template = extracted()
    for language in LANGUAGES:
        file = LOCALE / language / "LC_MESSAGES" / "digest.po"
        file.write_bytes(brought_up(language, template))
        missing = sum(not message.string for message in kept(language) if message.id)
        print(f"{file.relative_to(ROOT)}: {missing} of {len(template)} without a translation")
