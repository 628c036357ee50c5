"""Templates as Python: shorter than Jinja's own, and the same in what they do."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup, escape

from digest.emitting import written
from digest.errors import TemplateError
from digest.render import Renderer
from tests.mails import BRAND, LINKS, headline, snapshot

Say = Callable[[str, dict[str, Any]], str]


@pytest.fixture
def say(tmp_path: Path) -> Say:
    """What a section's template of HTML makes of its data ``s``."""

    def said(template: str, data: dict[str, Any]) -> str:
        folder = tmp_path / "email" / "sections"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "weather.html").write_text(f"<b>{template}</b>", "utf-8")
        (folder / "weather.txt").write_text("weather\n", "utf-8")
        (tmp_path / "email" / "part.html").write_text("({{ s.a }}{{ section }})", "utf-8")
        renderer = Renderer(BRAND, extra=[tmp_path])
        sections = {"headline": headline(), "weather": data}
        html = renderer.render(snapshot(sections), LINKS).html
        return html.split("<b>")[1].split("</b>")[0]

    return said


@given(st.text() | st.integers() | st.floats() | st.none() | st.text().map(Markup))
def test_a_value_is_escaped_as_everywhere(value: object) -> None:
    """The short way and the long way write the same characters."""
    assert str(written(value)) == str(escape(value))


@pytest.mark.parametrize(
    ("template", "data", "expected"),
    [
        ("{{ s.items }} {{ s.one.two }}", {"items": 3, "one": {"two": "<2>"}}, "3 &lt;2&gt;"),
        ("{{ s.b if s.b is defined else 'none' }}", {"a": 1}, "none"),
        (
            "{% for n in s.many %}{{ n.x }}{{ loop.index }}{% endfor %}",
            {"many": [{"x": "a"}]},
            "a1",
        ),
        ("{% macro m(x) %}[{{ x }}]{% endmacro %}{{ m(s.a) }}", {"a": "&"}, "[&amp;]"),
        (
            "{% for n in s.tree recursive %}{{ n.x }}{{ loop(n.below) if n.below }}{% endfor %}",
            {"tree": [{"x": 1, "below": [{"x": 2, "below": []}]}]},
            "12",
        ),
        (
            "{% macro m() %}({{ caller() }}){% endmacro %}{% call m() %}{{ s.a }}{% endcall %}",
            {"a": 1},
            "(1)",
        ),
        ("{{ said(s.a, limit=8) }}", {"a": "one two three"}, "one two…"),
        ("{{ number(*s.a) }}", {"a": [1234]}, "1,234"),
        ("{% set number = s.a %}{{ number }}", {"a": 1234}, "1234"),
        ("{% set section = 1 %}{% include 'part.html' %}", {"a": "&"}, "(&amp;1)"),
        (
            "{% for section in s.a %}{% include 'par' ~ 't.html' %}{% endfor %}",
            {"a": [1, 2]},
            "([1, 2]1)([1, 2]2)",
        ),
        (
            "{% for section in s.a %}{% include ['no.html', 'part.html'] %}{% endfor %}",
            {"a": [1]},
            "([1]1)",
        ),
        ("{% set b %}{% include 'part.html' %}{% endset %}{{ b }}", {"a": 2}, "(2weather)"),
        ("{% include 'no.html' ignore missing %}", {}, ""),
    ],
)
def test_templates_do_what_they_do_in_jinja(
    say: Say, template: str, data: dict[str, Any], expected: str
) -> None:
    """Keys before methods, and macros, loops, calls and parts of every shape."""
    assert say(template, data) == expected


@pytest.mark.parametrize("template", ["{{ s.b }}", "{{ s.a.b }}", "{{ number(s.b) }}"])
def test_what_is_missing_is_an_error_with_its_place(say: Say, template: str) -> None:
    """Nothing unknown is silently empty."""
    with pytest.raises(TemplateError, match=r"weather\.html"):
        say(template, {"a": {}})


def test_a_part_that_is_not_there_is_an_error_that_names_it(say: Say) -> None:
    with pytest.raises(TemplateError, match=r"no\.html"):
        say("{% include 'no.html' %}", {})


def test_a_macro_cannot_bear_a_name_that_every_template_has(say: Say) -> None:
    """Partials could not tell it from ours, which are called without Jinja's context."""
    with pytest.raises(TemplateError, match="cannot be called “count”"):
        say("{% macro count(x) %}[{{ x }}]{% endmacro %}{{ count(s.a) }}", {"a": 1})
