"""Inlining a stylesheet into a template's source."""

import logging
import re
from pathlib import Path

import pytest
from jinja2 import Environment
from lxml import html as lxml_html
from premailer import Premailer

from digest.errors import TemplateError
from digest.inline import Stylesheet, inline
from digest.render import Renderer
from tests.mails import ALL, BRAND, LINKS

SHEET = Stylesheet.load(
    """
    p { margin: 0; }
    .big { font-size: 20px; color: var(--text); width: 50%; }
    td.cell { padding: 4px; }
    a:hover { color: #123456; }
    @media (prefers-color-scheme: dark) { .big { color: #ffffff; } }
    """,
    "email.css",
    {"text": "#10203f"},
)


def rendered(source: str, **values: object) -> str:
    return Environment(autoescape=True).from_string(inline(source, SHEET, "x.html")).render(values)


def normal(page: str) -> list[object]:
    """A page as its elements: names, attributes (style as a mapping) and words, in order."""

    def style(text: str) -> dict[str, str]:
        pairs = (part.split(":", 1) for part in text.split(";") if ":" in part)
        return {name.strip(): value.strip() for name, value in pairs}

    found: list[object] = []
    for element in lxml_html.document_fromstring(page).iter():
        words = [" ".join((text or "").split(" \n\t")) for text in (element.text, element.tail)]
        squeezed = [re.sub(r"[ \n\t]+", " ", text).strip(" ") for text in words]
        if not isinstance(element.tag, str):
            found.append(squeezed[1])
            continue
        if element.tag == "style":
            found.append(re.sub(r"[\s;]+", "", element.text or ""))
            continue
        attributes: dict[str, object] = dict(element.attrib)
        if "style" in attributes:
            attributes["style"] = style(str(attributes["style"]))
        found.append((element.tag, attributes, squeezed))
    return found


@pytest.mark.parametrize("name", ALL)
def test_inlining_the_templates_equals_premailer_on_the_rendered_page(name: str) -> None:
    snapshot = ALL[name]()
    plain = Renderer(BRAND, inlined=False)
    page = plain.render(snapshot, LINKS).html
    reference = Premailer(
        html=page,
        css_text=plain.stylesheet.css,
        allow_network=False,
        align_floating_images=False,
        cssutils_logging_level=logging.CRITICAL,
        disable_validation=True,
        strip_important=False,
    ).transform(pretty_print=False)
    assert "style=" not in re.sub(r'style="(?:height|width):[^"]*"', "", page)
    assert normal(Renderer(BRAND).render(snapshot, LINKS).html) == normal(reference)


def test_expressions_survive_in_text_attributes_and_styles() -> None:
    out = rendered(
        '<p class="big" style="height:{{ h }}px;width:{{ w }}%">'
        '<a href="{{ u }}?a=1&amp;b={{ b }}">{{ "<" ~ t }}</a> {{ t }}</p>',
        h=7,
        w=30,
        u="https://a.example/",
        b=2,
        t="x",
    )
    paragraph = lxml_html.fromstring(out)
    assert paragraph.get("style").replace(" ", "").split(";") == [
        "margin:0",
        "font-size:20px",
        "color:#10203f",
        "width:30%",
        "height:7px",
    ]
    assert (paragraph.get("width"), paragraph.get("height")) == ("30%", "7")
    assert paragraph[0].get("href") == "https://a.example/?a=1&b=2"
    assert paragraph.text_content() == "<x x"


def test_statements_survive_between_rows_and_inside_attributes() -> None:
    source = """
    <table>{% for n in range(2) %}
      <tr>{# a remark with <b> #}
        <td class="cell" title="{% if n %}more{% else %}one{% endif %}">{{ n }}</td>
      </tr>
    {% endfor %}</table>"""
    cell = '<tr><td class="cell" title="{}" style="padding:4px">{}</td></tr>'
    assert rendered(source) == f"<table>{cell.format('one', 0)}{cell.format('more', 1)}</table>"


def test_a_fragment_may_be_rows_or_cells() -> None:
    assert rendered('{% if x %}<tr><td class="cell">a</td></tr>{% endif %}', x=1) == (
        '<tr><td class="cell" style="padding:4px">a</td></tr>'
    )


def test_conditional_comments_stay_and_other_comments_go() -> None:
    out = rendered("<!-- note --><p><!--[if mso]><b>{{ x }}</b><![endif]-->y</p>", x=1)
    assert out == '<p style="margin:0"><!--[if mso]><b>1</b><![endif]-->y</p>'


def test_what_cannot_be_inlined_goes_to_the_head_of_a_page() -> None:
    out = rendered("<!DOCTYPE html><html><head><title>t</title></head><body></body></html>")
    style = out[out.index("<style") : out.index("</style>")]
    assert "a:hover{color:#123456 !important}" in style.replace(" {", "{")
    assert "@media (prefers-color-scheme:dark)" in style
    assert "padding" not in style


def test_literal_jinja_stays_literal() -> None:
    assert rendered("<p>{% raw %}{{ x }}{% endraw %}</p>") == '<p style="margin:0">{{ x }}</p>'


def test_whitespace_between_words_stays_and_around_blocks_goes() -> None:
    out = rendered("<div>\n  <p> a <b>b</b>\n c{% if x %} d{% endif %} </p>\n</div>", x=1)
    assert out == '<div><p style="margin:0">a <b>b</b> c d</p></div>'


@pytest.mark.parametrize(
    ("source", "line", "said"),
    [
        ('<p>\n<b\n class="a {{ x }}">t</b></p>', 3, "class"),
        ('<p>\n\n<b id="{% if x %}a{% endif %}">t</b></p>', 3, "id"),
        ('<p style="{% if x %}color:red{% endif %}">t</p>', 1, "style"),
        ("<p>\n<b {% if x %}title='a'{% endif %}>t</b></p>", 2, "quotes"),
        ("<p>\n<a href={{ x }}>t</a></p>", 2, "quotes"),
        ("<div>\n{% if x %}\n<p>t</div>{% endif %}", 3, "complete"),
        ("{# a\nb #}\n<table><tr><td>t</table>", 3, "complete"),
        ("<p>\n{{ x</p>", 2, "unexpected"),
    ],
)
def test_a_source_that_breaks_the_rules_is_refused_with_its_line(
    source: str, line: int, said: str
) -> None:
    with pytest.raises(TemplateError, match=said) as caught:
        inline(source, SHEET, "sections/x.html")
    assert (caught.value.template, caught.value.line) == ("sections/x.html", line)


@pytest.mark.parametrize(
    "selector", [".a .b", ".a > p", "p + p", "p:first-child", "*", "[dir]", ".a, .b p", "#a"]
)
def test_a_selector_that_looks_beyond_its_element_is_refused_with_its_line(selector: str) -> None:
    css = f"/* one\n two */\np {{ margin: 0; }}\n{selector} {{ margin: 1px; }}"
    with pytest.raises(TemplateError, match="across fragments") as caught:
        Stylesheet.load(css, "email.css", {})
    assert (caught.value.template, caught.value.line) == ("email.css", 4)


def test_an_unknown_colour_is_refused_with_its_line() -> None:
    with pytest.raises(TemplateError, match="no colour “tnit”") as caught:
        Stylesheet.load("p {}\n.a { color: var(--tnit); }", "email.css", {"tint": "#fff"})
    assert caught.value.line == 2


def test_jinja_tags_keep_their_lines() -> None:
    source = "<p>\n\n {{ a }}\n</p>\n<p>{% if b %}\n\n{{ c }}{% endif %}</p>"
    out = inline(source, SHEET, "x.html")
    places = {tag: out.count("\n", 0, out.index(tag)) + 1 for tag in (" a }", " if b", " c }")}
    assert places == {" a }": 3, " if b": 5, " c }": 7}


def test_every_template_of_ours_keeps_the_rules() -> None:
    folder = Path(__file__).resolve().parents[1] / "templates" / "email"
    sources = sorted(folder.rglob("*.html"))
    assert len(sources) >= 8
    for source in sources:
        inline(source.read_text("utf-8"), Renderer(BRAND).stylesheet, str(source))
