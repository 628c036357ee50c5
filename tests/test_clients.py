"""Mails hold to what the big mail programs support; the table is digest/clients/support.toml."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from digest.clients import HTML_LIMIT, STYLE_LIMIT, Unsupported, unsupported
from digest.clients.support import CLIENTS, CLOSED, TABLE
from digest.render import Renderer
from tests.conftest import Front, body
from tests.mails import ALL, BRAND, LINKS

TEMPLATES = Path(__file__).resolve().parents[1] / "templates" / "email"
LANGUAGES = ("en", "de", "es", "fr", "ja", "ar")


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(replace(BRAND, logo_url="https://fieldnotes.example/logo.png"))


def said(found: list[Unsupported]) -> list[str]:
    return [str(problem) for problem in found]


def whole(markup: str, style: str = "") -> str:
    return f'<html><head><style type="text/css">{style}</style></head><body>{markup}</body></html>'


# --- our mails -----------------------------------------------------------------------------------


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("name", ALL)
def test_every_mail_can_be_shown_by_every_program(
    renderer: Renderer, name: str, language: str
) -> None:
    snapshot = replace(ALL[name](), locale=language)
    links = replace(LINKS, preferences="https://fieldnotes.example/p/AVq1nSbb0Zr3kN3cJ0Zr3kN")
    for shape in (snapshot, replace(snapshot, numbers=False, eased=2)):
        assert said(unsupported(renderer.render(shape, links).html)) == []


def test_every_branch_of_every_template_can_be_shown(
    renderer: Renderer,
) -> None:
    """Also what no sample week says: all of each template at once, whatever its conditions."""
    seen = {}
    for file, html in renderer.markup():
        seen[Path(file).relative_to(TEMPLATES).as_posix()] = html
        assert (file, said(unsupported(html))) == (file, [])
    assert set(seen) == {
        path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*.html")
    }
    assert '<td class="soft-card"' in seen["base.html"]
    assert '<img class="logo"' in seen["base.html"]
    assert re.search(r'style="[^"]*width:0%', seen["sections/top_posts.html"])


def test_what_falls_back_on_something_in_the_mail_finds_it_there(
    renderer: Renderer,
) -> None:
    html = renderer.render(ALL["rich"](), LINKS).html
    assert re.search(
        r'<td class="outer"[^>]* align="center"[^>]*><!--\[if mso\]><table[^>]* width="600"', html
    )
    assert re.search(r'<div class="preheader" style="[^"]*mso-hide:all', html)
    assert re.search(r'<td class="button-cell" style="[^"]*mso-padding-alt:', html)
    assert re.search(r'<img class="logo"[^>]* height="28"', html)
    assert re.search(r'<table[^>]* class="page"[^>]* bgcolor="#f3f4f1"', html)
    bars = re.findall(r'<div class="(?:best|other)" style="([^"]*)"', html)
    assert len(bars) == 7
    for bar in bars:
        (height,), (line,) = (
            re.findall(rf"(?<![\w-]){name}:(\d+)px", bar) for name in ("height", "line-height")
        )
        assert height == line
    for words in re.findall(r'style="([^"]*overflow-wrap[^"]*)"', html):
        assert words.index("word-wrap:break-word") < words.index("overflow-wrap:anywhere")


def test_every_mail_of_the_demo_is_shown_whole_by_every_program(digest: Front) -> None:
    digest("demo")
    digest("send")
    bodies = {str(mail["To"]): body(mail, "html") for mail in digest.kept}
    assert len(bodies) > 20
    for reader, html in bodies.items():
        assert (reader, said(unsupported(html))) == (reader, [])
    largest = max(bodies, key=lambda reader: len(bodies[reader].encode()))
    assert len(bodies[largest].encode()) < 100_000, largest


# --- what is found -------------------------------------------------------------------------------

GMAIL, APPS, WORD, WEB = (CLIENTS[c] for c in list(CLIENTS)[:4])
UNKNOWN = "not in the table"
BAD = [
    ("<svg></svg>", "the element <svg>", GMAIL),
    ("<blink>x</blink>", "the element <blink>", UNKNOWN),
    ("<form></form>", "the element <form>", APPS),
    ("<style>p{color:red}</style>", "the element <style in body>", GMAIL),
    ('<img srcset="a 2x">', "the attribute “srcset”", "Yahoo"),
    ('<p onclick="x()">x</p>', "the attribute “onclick”", UNKNOWN),
    ('<a dir="auto">x</a>', "the attribute “dir”", WORD),
    ('<p style="box-shadow:0 0 1px #000">x</p>', "the property “box-shadow”", "Yahoo"),
    ('<p style="zoom:2">x</p>', "the property “zoom”", UNKNOWN),
    ('<div style="padding:4px">x</div>', "the property “padding”", WORD),
    ('<div style="display:flex">x</div>', "“display: flex”", WORD),
    ('<p style="text-align:justify-all">x</p>', "“text-align: justify-all”", UNKNOWN),
    ('<p style="margin:0 -4px">x</p>', "“margin: negative”", "Yahoo"),
    ('<div style="margin:0 auto">x</div>', "“margin: auto”", WORD),
    ('<p style="font-size:1.5rem">x</p>', "the unit “rem”", f"{WORD}, Yahoo"),
    ('<p style="font-size:2ch">x</p>', "the unit “ch”", UNKNOWN),
    ('<p style="font-size:calc(9px + 1%)">x</p>', "the function “calc()”", WEB),
    ('<p style="font-size:9px;color:lab(1 2 3)">x</p>', "the function “lab()”", UNKNOWN),
    ('<p style="margin:0 !important">x</p>', "“!important” in an attribute", WORD),
    ("<!--[if gte mso 9]><p>x</p><![endif]-->", "the comment “[if gte mso 9]”", UNKNOWN),
]
BAD_STYLES = [
    ("p > b { color: red }", "the selector “child”", WORD),
    ("p.lead { color: red }", "the selector “chain”", f"{WORD}, {WEB}"),
    ("[dir] { color: red }", "the selector “attribute”", "Yahoo"),
    ("* { color: red }", "the selector “universal”", UNKNOWN),
    (".a + .b { color: red }", "the selector “+”", UNKNOWN),
    (".a:first-child { color: red }", "the selector “:first-child”", UNKNOWN),
    ("@font-face { font-family: X }", "the rule “@font-face”", GMAIL),
    ("@import 'x.css'; .a { color: red }", "the rule “@import”", "Yahoo"),
    ("@media print { @media screen { p { color: red } } }", "the rule “@@ within @”", GMAIL),
    ("@media (hover: hover) { p { color: red } }", "the media feature “hover”", UNKNOWN),
    (".a { position: absolute }", "the property “position”", "the apps of Outlook, Yahoo"),
    (".a { padding: 1px }", "the property “padding”", WORD),
    ("@media (max-width: 480px) { .a { font-size: 4vh } }", "the unit “vh”", "by Yahoo"),
]


@pytest.mark.parametrize(("html", "what", "why"), BAD)
def test_what_a_program_cannot_show_is_found_with_its_place(html: str, what: str, why: str) -> None:
    cell = f'<table><tr><td class="card">{html}</td></tr></table>'
    (problem,) = unsupported(whole(cell))
    assert problem.what == what
    assert why in problem.why
    assert "td.card" in problem.place


@pytest.mark.parametrize(("css", "what", "why"), BAD_STYLES)
def test_what_a_program_does_not_read_in_the_head_is_found(css: str, what: str, why: str) -> None:
    (problem,) = unsupported(whole("<p>x</p>", css))
    assert problem.what == what
    assert why in problem.why
    assert problem.place.strip(" ;") in css


def test_what_is_plain_is_found_fault_with_nowhere() -> None:
    html = (
        '<table width="100%"><tr><td style="padding:1px 2px;width:50%;color:#f80" bgcolor="#fff">'
        '<ul style="margin:0 0 4px;list-style-type:disc"><li>One<br><b>two</b></li></ul>'
        '<img src="https://a.example/b.png" alt="A" width="20" style="display:block">'
        "<p style=\"font-family:'Segoe UI',Arial;font-weight:bold\">x &lt;svg&gt; display:grid</p>"
        "</td></tr></table><!-- <svg> and other remarks -->"
    )
    assert unsupported(whole(html, "b, .a { color: red !important }")) == []


def test_what_only_some_programs_read_concerns_only_those() -> None:
    """Word knows no @media and alone reads [if mso]; where both are, everybody else is spared."""
    wide = "@media (max-width: 480px) {{ .a {{ {} }} }}"
    assert unsupported(whole("", wide.format("min-width: 4px"))) == []
    assert unsupported(whole("", ".a { min-width: 4px }")) != []
    dark = "@media (prefers-color-scheme: dark) { .a { opacity: .5; box-shadow: 0 0 1px #000 } }"
    assert unsupported(whole("", dark)) == []
    assert unsupported(whole("<!--[if mso]><p style='mso-hide:all'>x</p><![endif]-->")) == []
    (problem,) = unsupported(whole("<!--[if mso]><p style='opacity:.5'>x</p><![endif]-->"))
    assert problem.why == "not supported by Outlook for Windows"


def test_one_fault_is_told_once_with_its_first_place() -> None:
    cells = "".join(f'<p class="n{n}" style="float:left">x</p>' for n in range(3))
    (problem,) = unsupported(whole(cells))
    assert str(problem) == (
        "the property “float” in “html body p.n0”: not supported by Outlook for Windows"
    )


def test_what_is_too_long_to_be_shown_whole_is_found() -> None:
    style = ".a { color: #123456 }" * (STYLE_LIMIT // 21 + 1)
    (problem,) = unsupported(whole("", style))
    assert str(problem).startswith("all that is in <style>: 16,401 bytes are more than the 16,384")
    (problem,) = unsupported(whole("ä" * (HTML_LIMIT // 2)))
    assert str(problem).startswith("the HTML: 102,4")


# --- the table -----------------------------------------------------------------------------------


def test_every_row_names_its_source_and_only_programs_there_are() -> None:
    for feature, row in TABLE.items():
        assert re.fullmatch(r"(css|html)-[a-z0-9-]+|word|gmail|mso|apple|html", row.source), feature
        assert set(row.lacking) <= set(CLIENTS), feature
        assert row.lacking or not row.fallbacks, f"{feature} falls back on something, and needs not"
        assert all(row.fallbacks.values()), feature
    properties = {name for kind, name in TABLE if kind == "property"}
    assert {kind.removeprefix("value.") for kind in CLOSED} <= properties


# --- an operator's templates ---------------------------------------------------------------------


def test_a_mail_of_an_overridden_template_is_caught(tmp_path: Path) -> None:
    css = (
        (TEMPLATES / "email.css")
        .read_text()
        .replace(".lead {", ".lead { box-shadow: 0 1px 2px #000;")
    )
    (tmp_path / "email" / "sections").mkdir(parents=True)
    (tmp_path / "email" / "email.css").write_text(css)
    renderer = Renderer(BRAND, overrides=tmp_path)
    (problem,) = unsupported(renderer.render(ALL["rich"](), LINKS).html)
    assert problem.what == "the property “box-shadow”"
    assert problem.place.endswith("p.lead")


def test_a_check_notes_what_readers_of_an_overridden_template_would_not_see(
    digest: Front, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a branch that no mail of the demo takes, too; it stops nothing."""
    own = digest.folder / "own" / "email" / "sections"
    own.mkdir(parents=True)
    (own / "next.txt").write_text("Come by.\n")
    (own / "next.html").write_text(
        '<p class="lead">Come by.</p>{% if s.kind == "never" %}<div style="display:flex">'
        '<video src="{{ brand.base_url }}/v.mp4"></video></div>{% endif %}'
    )
    monkeypatch.setenv("DIGEST_TEMPLATES", "own")
    result = digest("check")
    assert result.code == 0
    notes = [line for line in result.out.splitlines() if line.startswith("note")]
    assert len(notes) == 2
    assert all("own/email/sections/next.html" in note for note in notes)
    assert (
        "“display: flex” in “div”: not supported by the apps of Gmail, Outlook for Windows"
        in notes[0]
    )
    assert "the element <video>" in notes[1]
    monkeypatch.delenv("DIGEST_TEMPLATES")
    assert "note" not in digest("check").out
