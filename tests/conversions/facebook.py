"""A page's posts with lifetime totals, without title, id or full date.

When they were published and when the totals were read is not known beyond the year, so there is
one reading at the year's end: a baseline, of which no week's figure can be made. Unique people
cannot be kept apart from displays in a counter and are left out.
"""

from pathlib import Path

from tests.conversions import read, write

AUTHOR = "page"
READ_ON = "2014-12-31"


def convert(data: Path, folder: Path) -> None:
    """Posts are numbered by their line."""
    rows = list(enumerate(read(data / "dataset_Facebook.csv", ";"), start=1))
    write(folder, "users", "id name email", [(AUTHOR, "A page", "page@facebook.example")])
    write(
        folder,
        "posts",
        "id author_id kind",
        ((number, AUTHOR, row["Type"]) for number, row in rows),
    )
    write(
        folder,
        "counters",
        "post_id at views likes reposts replies",
        (
            (number, READ_ON, row["T_Impression"], row["like"], row["share"], row["comment"])
            for number, row in rows
        ),
    )
