"""A WordPress export made to break themes: published posts with their HTML."""

import gzip
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path

from lxml import etree

from tests.conversions import write

_NAMES = {
    "wp": "https://wordpress.org/export/1.2/",
    "dc": "http://purl.org/dc/elements/1.1/",
    "content": "http://purl.org/rss/1.0/modules/content/",
}


def convert(data: Path, folder: Path) -> None:
    """Only what is published; authors are known by their login."""
    with gzip.open(data / "wordpress_theme_test.xml.gz") as file:
        items = [
            item
            for item in etree.parse(file).iterfind(".//item")
            if _text(item, "wp:status") == "publish" and _text(item, "wp:post_type") == "post"
        ]
    authors = sorted({_text(item, "dc:creator") for item in items})
    write(
        folder,
        "users",
        "id name email",
        ((name, name, f"{name}@wordpress.example") for name in authors),
    )
    write(
        folder,
        "posts",
        "id author_id published_at title text url",
        (
            (
                _text(item, "wp:post_id"),
                _text(item, "dc:creator"),
                parsedate_to_datetime(_text(item, "pubDate")).astimezone(UTC).isoformat(),
                _text(item, "title"),
                _text(item, "content:encoded"),
                _text(item, "link"),
            )
            for item in items
        ),
    )


def _text(item: etree._Element, name: str) -> str:
    return item.findtext(name, default="", namespaces=_NAMES) or ""
