"""Snapshots to mails."""

import json
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import html as lxml_html

from digest.compose import Snapshot
from digest.errors import ConfigError, TemplateError
from digest.render import Brand, Rendered, Renderer
from tests.mails import ALL, BRAND, LINKS, card, days, headline, new_post, snapshot, usual

TEMPLATES = Path(__file__).resolve().parents[1] / "templates"
HIDDEN = "\u034f\u200c\u00a0"


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def words(mail: Rendered) -> str:
    """What a reader of the HTML sees, in one line."""
    page = lxml_html.document_fromstring(mail.html)
    for unseen in page.xpath("//style | //title | //div[@class='preheader']"):
        unseen.drop_tree()
    for block in page.iter("br", "div", "h1", "h2", "h3", "p", "td", "tr"):
        block.tail = " " + (block.tail or "")
    return re.sub(r"\s+", " ", str(page.xpath("//body")[0].text_content())).strip()


def preheader(mail: Rendered) -> str:
    page = lxml_html.document_fromstring(mail.html)
    return str(page.xpath("//div[@class='preheader']")[0].text_content()).split(HIDDEN)[0].strip()


def test_the_rich_week_says_what_the_design_says(renderer: Renderer) -> None:
    mail = renderer.render(ALL["rich"](), LINKS)
    text = words(mail)
    for said in (
        "Alice, your posts were seen by 1,284 people",
        "That is more than your usual range (640–980 people). 2,310 views in all.",
        "214 people had not seen your posts in the four weeks before.",
        "Most viewed this week",
        "1,340 views by 612 people · 41 reactions · 3× your usual",
        "from the archive, March",
        "Noor and Tomás replied",
        "3 other posts had views too.",
        "New posts in their first 48 hours",
        "2nd of your last 10",
        "2nd of your last 10 · 31 people reacted",
        "1 newer post is too young to judge",
        "You get this on Mondays because you post on Fieldnotes.",
        "Fieldnotes, 1 Example Street",
        "9–15 November",
    ):
        assert said in text, said
    assert mail.subject == "“Why our build takes nine minutes” reached 3× your usual"
    assert preheader(mail) == "1,284 people saw your posts."


def test_the_plain_text_is_written_for_reading(renderer: Renderer) -> None:
    text = renderer.render(ALL["rich"](), LINKS).text
    assert text.startswith(
        "Fieldnotes · 9–15 November\n"
        "\n"
        "Alice, your posts were seen by 1,284 people\n"
        "\n"
        "That is more than your usual range (640–980 people). 2,310 views in all.\n"
    )
    assert "\n  Wed      742  ########################\n" in text
    assert (
        "\n2. A garden plan for people who travel\n"
        "   556 views by 318 people · 22 reactions · Noor and Tomás replied\n"
        "   https://fieldnotes.example/p/a-garden-plan-for-people-who-travel\n"
    ) in text


@pytest.mark.parametrize("name", ALL)
def test_every_plain_text_is_tidy(renderer: Renderer, name: str) -> None:
    text = renderer.render(ALL[name](), LINKS).text
    lines = text.split("\n")
    assert all(line == line.rstrip() for line in lines)
    assert "\n\n\n" not in text
    assert text.endswith("\n")
    assert not text.endswith("\n\n")
    assert all(len(line) <= 72 for line in lines if "://" not in line)
    assert all(f"{link}\n" in text for link in (LINKS.unsubscribe, LINKS.browser, LINKS.counting))


@pytest.mark.parametrize("name", ALL)
def test_every_subject_is_one_short_line_and_the_preheader_says_something_else(
    renderer: Renderer, name: str
) -> None:
    mail = renderer.render(ALL[name](), LINKS)
    assert 0 < len(mail.subject) <= 78
    assert mail.subject.isprintable()
    assert preheader(mail)
    assert preheader(mail).strip(".") != mail.subject


@pytest.mark.parametrize(
    ("name", "subject"),
    [
        ("counters", "Your posts had 928 views this week"),
        ("reactions", "Your posts got 42 reactions this week"),
        ("quiet", "A quiet week for your posts"),
        ("single", "“My first post” was seen this week"),
        ("naughty", "1,284 people saw your posts this week"),
    ],
)
def test_the_subject_is_the_best_fact_of_the_week(
    renderer: Renderer, name: str, subject: str
) -> None:
    assert renderer.render(ALL[name](), LINKS).subject == subject


def week_of(*people: str, **changes: object) -> Snapshot:
    """A week of one or more posts, the first of which ``people`` replied to."""
    metric = "reactions" if changes.get("views", 0) is None else "views"
    first = card("Why trains", people=list(people), replied=True)
    top = {"metric": metric, "posts": [first], "more": 0}
    verdict = {"usual": usual()} if changes.pop("above", False) else {}
    return snapshot({"headline": headline(**changes), "top_posts": top} | verdict)


UNVIEWED = {"metric": "reactions", "views": None, "reach": None}


@pytest.mark.parametrize(
    ("week", "subject", "beside"),
    [
        (
            week_of("Noor", "Tomás", reactions=8, **UNVIEWED),
            "Noor and 1 other replied to “Why trains”",
            "Your posts got 8 reactions in all.",
        ),
        (
            week_of("Noor", reactions=20, **UNVIEWED),
            "Your posts got 20 reactions this week",
            "Most reactions: “Why trains”",
        ),
        (
            week_of(reactions=8, posts=1, **UNVIEWED),
            "“Why trains” got 8 reactions this week",
            "Your week, 9–15 November",
        ),
        (
            week_of(reach=26, posts=1),
            "“Why trains” was seen by 26 people this week",
            "Your week, 9–15 November",
        ),
        (
            week_of(metric="views", reach=None, views=60, posts=1),
            "“Why trains” had 60 views this week",
            "Your week, 9–15 November",
        ),
        (week_of(reach=2, views=2), "“Why trains” was seen this week", "Your week, 9–15 November"),
        (
            week_of("Noor", reach=2, views=2),
            "Noor replied to “Why trains”",
            "2 people saw your posts.",
        ),
        (
            week_of(reach=1, views=1, above=True),
            "“Why trains” was seen this week",
            "Your week, 9–15 November",
        ),
        (
            week_of("Noor", above=True),
            "1,284 people saw your posts this week, more than usual",
            "Most viewed: “Why trains”",
        ),
    ],
)
def test_small_weeks_are_told_by_who_came_and_by_which_post(
    renderer: Renderer, week: Snapshot, subject: str, beside: str
) -> None:
    mail = renderer.render(week, LINKS)
    assert mail.subject == subject
    assert preheader(mail) == beside


def test_totals_of_one_post_are_its_own_and_of_posts_without_names_only_the_highest(
    renderer: Renderer,
) -> None:
    post = {"id": "p", "views": 9, "reactions": 0, "title": "T", "excerpt": "", "url": ""}
    so_far = {"metric": "views", "total": 9, "number": 1, "posts": [post]}
    mail = renderer.render(snapshot({"so_far": so_far}), LINKS)
    for text in (words(mail), " ".join(mail.text.split())):
        assert "on 1 post, counted for the first time. Figures for each week follow. T 9 v" in text
    assert mail.subject == "“T” has had 9 views so far"
    so_far |= {"metric": "reactions", "posts": [post | {"views": None, "reactions": 9}]}
    mail = renderer.render(snapshot({"so_far": so_far}), LINKS)
    assert mail.subject == "“T” has had 9 reactions so far"
    so_far |= {"metric": "views", "number": 500, "posts": [post | {"title": ""}]}
    mail = renderer.render(snapshot({"so_far": so_far}), LINKS)
    for text in (words(mail), " ".join(mail.text.split())):
        assert re.search(r"highest so far 9 views", text, re.IGNORECASE)
        assert "Untitled" not in text
    assert mail.subject == "Your posts have had 9 views so far"


def test_a_view_or_two_of_posts_without_a_title_are_told_without_their_number(
    renderer: Renderer,
) -> None:
    top = {"metric": "views", "posts": [card("")], "more": 0}
    week = {"headline": headline(reach=1, views=1, posts=1), "top_posts": top}
    assert renderer.render(snapshot(week), LINKS).subject == "A post of yours was seen this week"


def test_a_long_title_in_the_subject_ends_after_a_word(renderer: Renderer) -> None:
    posts = [card("What I learned " + "from looking at trains " * 9, times=4.4)]
    top = {"metric": "views", "posts": posts, "more": 0}
    subject = renderer.render(snapshot({"top_posts": top}), LINKS).subject
    assert re.fullmatch(
        "“What I learned( from| looking| at| trains)*…” reached 4× your usual", subject
    )
    assert 60 < len(subject) <= 78


@pytest.mark.parametrize("name", ALL)
def test_a_mail_stays_far_below_the_size_at_which_webmail_cuts(
    renderer: Renderer, name: str
) -> None:
    size = len(renderer.render(ALL[name](), LINKS).html.encode())
    assert size < (100_000 if name == "worst" else 30_000)


def test_rendering_is_pure(renderer: Renderer) -> None:
    week = ALL["rich"]()
    before = json.dumps(week.as_json())
    assert renderer.render(week, LINKS) == renderer.render(week, LINKS)
    assert json.dumps(week.as_json()) == before


def test_a_mail_is_the_same_from_the_stored_form_of_its_snapshot(renderer: Renderer) -> None:
    for make in ALL.values():
        stored = Snapshot.from_json(json.loads(json.dumps(make().as_json())))
        assert renderer.render(stored, LINKS) == renderer.render(make(), LINKS)


VERDICTS = [
    ({"verdict": "within"}, "That is within your usual range (640–980 people)."),
    ({"verdict": "below"}, "That is fewer than your usual range (640–980 people)."),
    (
        {"verdict": "above", "percent": 62},
        "That is more than your usual range (640–980 people). It is 62% more than the week before.",
    ),
    (
        {"verdict": "above", "times": 5},
        "That is more than your usual range (640–980 people). It is 5× the week before.",
    ),
    ({"verdict": None, "low": None, "high": None}, "Your median week: 800 people."),
    ({"verdict": "above", "first": True}, "These are the first views of your posts."),
    ({"verdict": "within", "low": 1, "high": 1}, "That is within your usual range (1 person)."),
    (
        {"metric": "views", "verdict": "within"},
        "That is within your usual range (640–980 views).",
    ),
    ({"metric": "reactions", "verdict": None}, "Your median week: 800 reactions."),
    ({"verdict": "within", "low": 0, "ranged": False}, "That is within your usual range."),
    (
        {"verdict": "within", "low": 0, "ranged": True},
        "That is within your usual range (up to 980 people).",
    ),
]


@pytest.mark.parametrize(("changes", "said"), VERDICTS)
def test_the_verdict_stands_in_the_first_sentence(
    renderer: Renderer, changes: dict[str, object], said: str
) -> None:
    week = snapshot({"headline": headline(), "usual": usual(**changes)})
    mail = renderer.render(week, LINKS)
    assert said in words(mail)
    assert said in " ".join(mail.text.split())
    assert len(lxml_html.document_fromstring(mail.html).xpath("//td[@class='card']")) == 1


def test_a_fall_has_no_percentage(renderer: Renderer) -> None:
    week = {"headline": headline(), "usual": usual(verdict="below", percent=-45)}
    mail = renderer.render(snapshot(week), LINKS)
    assert "45" not in words(mail) + mail.text


def test_the_verdict_stands_alone_where_the_headline_is_switched_off(renderer: Renderer) -> None:
    mail = renderer.render(snapshot({"usual": usual()}), LINKS)
    assert "more than your usual range" in words(mail)
    assert "more than your usual range" in mail.text


def test_unknown_numbers_are_never_shown_as_zero(renderer: Renderer) -> None:
    for name in ("counters", "reactions"):
        mail = renderer.render(ALL[name](), LINKS)
        for text in (words(mail), mail.text):
            assert not re.search(r"\b0 (people|person|views|reactions)|None|null", text)
            assert set(re.findall(r"([\d,]+) people", text)) <= {"31"}


def test_a_site_with_counters_says_who_counted(renderer: Renderer) -> None:
    mail = renderer.render(ALL["counters"](), LINKS)
    for text in (words(mail), mail.text):
        assert "Views are as counted by Fieldnotes." in " ".join(text.split())
        assert "counted once" not in text


def test_nouns_are_singular_where_there_is_one(renderer: Renderer) -> None:
    mail = renderer.render(ALL["single"](), LINKS)
    assert "Your posts were seen by 1 person" in words(mail)
    assert "Viewed this week My first post 1 view" in words(mail)
    assert "VIEWED THIS WEEK\n\n   My first post\n   1 view\n" in mail.text
    assert "On 1 post" not in words(mail) + mail.text
    for text in (words(mail), mail.text):
        assert not re.search(r"\b1 (people|views|reactions|posts)\b", text)


def test_a_quiet_week_shames_nobody(renderer: Renderer) -> None:
    mail = renderer.render(ALL["quiet"](), LINKS)
    for text in (words(mail), mail.text):
        assert "Alice, a quiet week" in text
        assert "Notes on reading slowly" in text
        assert not re.search(r"\b0\b|no one|nobody|only|fewer", text)


@pytest.mark.parametrize(
    ("step", "button", "target"),
    [
        ({"kind": "reply", "people": ["Noor"]}, "Answer", "https://a.example/p"),
        ({"kind": "reply", "people": ["Noor", "Tom"]}, "Answer them", "https://a.example/p"),
        ({"kind": "revisit", "people": []}, "Open the post", "https://a.example/p"),
        (
            {"kind": "write", "people": [], "post": None, "site": ""},
            "Write a post",
            BRAND.write_url,
        ),
    ],
)
def test_there_is_exactly_one_call_to_action(
    renderer: Renderer, step: dict[str, object], button: str, target: str
) -> None:
    post = {"title": "T", "url": "https://a.example/p"}
    mail = renderer.render(snapshot({"next": {"post": post} | step}), LINKS)
    buttons = lxml_html.document_fromstring(mail.html).xpath("//a[@class='button']")
    assert [(one.text_content(), one.get("href")) for one in buttons] == [(button, target)]
    assert target in mail.text


def test_without_a_page_for_writing_the_button_goes_to_the_site_of_the_posts() -> None:
    renderer = Renderer(Brand("Fieldnotes", "https://digest.example"))
    mail = renderer.render(ALL["quiet"](), LINKS)
    assert '<a class="button" href="https://blog.example/"' in mail.html


def test_a_post_without_a_title_shows_how_it_begins(renderer: Renderer) -> None:
    posts = [
        card("", excerpt="Small tools I use", share=0.5),
        card("", share=0.5, archive=True, published="2026-03-02"),
        card("", share=0.5, published="2025-11-10"),
        card("", share=0.5, published=None),
    ]
    mail = renderer.render(
        snapshot({"top_posts": {"metric": "views", "posts": posts, "more": 0}}), LINKS
    )
    for text in (words(mail), mail.text):
        assert "Small tools I use" in text
        assert "Post of 2 March" in text
        assert "from the archive" in text
        assert "from the archive, March" not in text
        assert "Post of 10 November 2025" in text
        assert "Untitled post" in text


def test_a_new_post_that_was_shown_above_is_shown_short(renderer: Renderer) -> None:
    post = {"excerpt": "Once upon a time", "times": 3.0, "rank": {"place": 2, "of": 10}}
    said = {
        shown: words(
            renderer.render(
                snapshot(
                    {
                        "new_posts": {
                            "hours": 48,
                            "posts": [new_post("T", shown=shown, **post)],
                            "waiting": 0,
                        }
                    }
                ),
                LINKS,
            )
        )
        for shown in (True, False)
    }
    assert "2nd of your last 10" in said[True]
    assert "Once upon a time" not in said[True]
    assert "3× your usual" not in said[True]
    assert "Once upon a time" in said[False]
    assert "3× your usual" in said[False]


def test_one_of_several_new_posts_is_not_called_the_new_post(renderer: Renderer) -> None:
    new = {"hours": 48, "posts": [new_post("T")], "waiting": 0, "number": 2}
    assert "New posts in their first 48 hours" in words(
        renderer.render(snapshot({"new_posts": new}), LINKS)
    )
    new["number"] = 1
    assert "Your new post in its first 48 hours" in words(
        renderer.render(snapshot({"new_posts": new}), LINKS)
    )


def test_the_mail_can_be_used_without_seeing_it(renderer: Renderer) -> None:
    """Headings, language, direction, a title, and words for what is drawn."""
    page = lxml_html.document_fromstring(renderer.render(ALL["rich"](), LINKS).html)
    assert (page.get("lang"), page.get("dir")) == ("en", "ltr")
    assert page.findtext(".//title") == "“Why our build takes nine minutes” reached 3× your usual"
    assert {table.get("role") for table in page.iter("table")} == {"presentation"}
    levels = [int(element.tag[1]) for element in page.iter("h1", "h2", "h3")]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))
    drawn = [element.get("aria-label") for element in page.xpath("//*[@role='img']")]
    assert drawn[0].startswith("Views by day: Monday 120, Tuesday 188, Wednesday 742")
    assert drawn[1] == "58% of the week’s views"
    wrapper = page.xpath("//*[@role='article']")[0]
    assert (wrapper.get("lang"), wrapper.get("dir")) == ("en", "ltr")


def test_the_links_of_the_mail_stand_early_and_late(renderer: Renderer) -> None:
    html = renderer.render(ALL["rich"](), LINKS).html
    for link in (LINKS.unsubscribe, LINKS.browser):
        places = [match.start() for match in re.finditer(re.escape(link), html)]
        assert len(places) == 2
        assert places[0] < html.index("1,284 people</span>") < places[1]


def test_the_web_copy_does_not_link_to_itself(renderer: Renderer) -> None:
    links = type(LINKS)(unsubscribe=LINKS.unsubscribe, browser="", counting=LINKS.counting)
    mail = renderer.render(ALL["rich"](), links)
    assert "browser" not in words(mail) + mail.text


def test_a_logo_has_the_name_for_where_pictures_are_off() -> None:
    brand = Brand("Field & Notes", "https://f.example", logo_url="https://f.example/logo.png")
    page = lxml_html.document_fromstring(Renderer(brand).render(ALL["quiet"](), LINKS).html)
    (logo,) = page.iter("img")
    assert (logo.get("src"), logo.get("alt")) == (brand.logo_url, "Field & Notes")


def test_the_reader_s_locale_writes_dates_and_numbers(renderer: Renderer) -> None:
    sections = {"headline": headline(reach=1_234_567)}
    american = renderer.render(snapshot(sections, locale="en-US"), LINKS)
    assert "November 9–15" in words(american)
    indian = renderer.render(snapshot(sections, locale="en_IN"), LINKS)
    assert "12,34,567 people" in words(indian)


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("<>&\"'{}%#\u202e\u2067\u2069\x00\r\n\u2028\ud800\ufeffאש ab"),
        st.characters(),
    ),
    max_size=40,
)


@given(HOSTILE, HOSTILE, HOSTILE)
def test_no_text_of_a_user_becomes_markup_or_steers_the_display(
    renderer: Renderer, title: str, name: str, url: str
) -> None:
    def mail(title: str, name: str, url: str) -> Rendered:
        posts = [card(title, excerpt=name, url=url, people=[name], share=0.5)] * 2
        sections = {
            "headline": headline(),
            "top_posts": {"metric": "views", "posts": posts, "more": 0},
            "next": {"kind": "reply", "post": {"title": title, "url": url}, "people": [name]},
        }
        return renderer.render(snapshot(sections, name=name), LINKS)

    def shape(mail: Rendered) -> list[tuple[str, list[str]]]:
        page = lxml_html.document_fromstring(mail.html)
        return [(str(element.tag), sorted(element.attrib)) for element in page.iter()]

    out = mail(f"t{title}", f"n{name}", url)
    assert shape(out) == shape(mail("t", "n", ""))
    for text in (out.subject, out.text, out.html):
        assert not re.search("[\x00-\x08\x0e-\x1f\u2028\u2029\u202a-\u202e\u2066\u2067]", text)
        text.encode()
        assert text.count("\u2068") == text.count("\u2069")
    assert "\n" not in out.subject


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)",
        "data:text/html,<script>",
        "//evil.example",
        "/p/1",
        "https://",
        "https://a b.example",
        "ftp://a.example",
        "vbscript:x",
        "https://a.example/\nBcc: x",
        " ",
    ],
)
def test_only_web_addresses_become_links(renderer: Renderer, url: str) -> None:
    top = {"metric": "views", "posts": [card("T", url=url)], "more": 0}
    mail = renderer.render(snapshot({"top_posts": top}), LINKS)
    page = lxml_html.document_fromstring(mail.html)
    own = {LINKS.unsubscribe, LINKS.browser, LINKS.counting}
    assert {link.get("href") for link in page.iter("a")} == own
    assert "\n   T\n   1,340 views" in mail.text


def test_an_address_in_another_script_is_written_in_ascii(renderer: Renderer) -> None:
    top = {"metric": "views", "posts": [card("T", url="https://a.example/p/é?q=ü&b=%20#ß")]}
    mail = renderer.render(snapshot({"top_posts": top | {"more": 0}}), LINKS)
    assert "https://a.example/p/%C3%A9?q=%C3%BC&b=%20#%C3%9F" in mail.text


def test_every_shared_naughty_string_leaves_the_mail_whole(
    renderer: Renderer, shared_data: Path
) -> None:
    strings = json.loads((shared_data / "naughty_text" / "blns.json").read_text("utf-8"))
    for string in strings:
        top = {"metric": "views", "posts": [card("t" + string, times=2.5)], "more": 0}
        mail = renderer.render(snapshot({"top_posts": top}, name=string), LINKS)
        page = lxml_html.document_fromstring(mail.html)
        assert len(list(page.iter("h3"))) == 1
        assert not list(page.iter("script", "iframe", "svg"))
        assert len(mail.subject) <= 80
        assert "\n" not in mail.subject


def write(folder: Path, name: str, text: str) -> Path:
    path = folder / "email" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return folder


def test_an_operator_overrides_any_template(tmp_path: Path) -> None:
    write(tmp_path, "sections/quiet.html", '<p class="sentence">Hush, {{ name }}.</p>')
    mail = Renderer(BRAND, overrides=tmp_path).render(ALL["quiet"](), LINKS)
    assert "Hush, Alice." in mail.html
    assert re.search(r'<p class="sentence" style="[^"]*font-size:18px[^"]*">Hush', mail.html)
    assert "a quiet week" in mail.text


def test_an_operator_overrides_the_stylesheet(tmp_path: Path) -> None:
    css = (TEMPLATES / "email" / "email.css").read_text("utf-8")
    write(tmp_path, "email.css", css.replace("font-size: 52px", "font-size: 61px"))
    assert "font-size:61px" in Renderer(BRAND, overrides=tmp_path).render(ALL["rich"](), LINKS).html


def test_a_section_from_elsewhere_needs_only_its_two_partials(tmp_path: Path) -> None:
    write(tmp_path, "sections/weather.html", '<h2 class="heading">{{ s.items }} sunny days</h2>')
    write(tmp_path, "sections/weather.txt", "{{ s.items }} SUNNY DAYS\n")
    sections = {"headline": headline(), "weather": {"items": 3}}
    mail = Renderer(BRAND, extra=[tmp_path]).render(snapshot(sections), LINKS)
    page = lxml_html.document_fromstring(mail.html)
    cards = [td.text_content() for td in page.xpath("//td[@class='card']")]
    assert cards[1:] == ["3 sunny days"]
    assert "3 SUNNY DAYS" in mail.text


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("<p>\n{% if %}</p>", 2, "Expected an expression"),
        ("<p>\n\n{{ s.posts|nosuchfilter }}</p>", 3, "nosuchfilter"),
        ("<p>\n{{ headlnie }}</p>", 2, "nothing called “headlnie”"),
        ('<p>\n<b class="{{ s.x }}">t</b></p>', 2, "depends on data"),
    ],
)
def test_a_broken_template_is_refused_at_the_start_with_file_and_line(
    tmp_path: Path, text: str, line: int, said: str
) -> None:
    write(tmp_path, "sections/quiet.html", text)
    with pytest.raises(TemplateError, match=re.escape(said)) as caught:
        Renderer(BRAND, overrides=tmp_path)
    assert caught.value.line == line
    assert caught.value.template == str(tmp_path / "email" / "sections" / "quiet.html")


def test_data_that_a_template_does_not_expect_names_its_file_and_line(tmp_path: Path) -> None:
    write(tmp_path, "sections/quiet.html", "<p>\n  word\n\n {{ s.nothing_like_it }}</p>")
    with pytest.raises(TemplateError, match="nothing_like_it") as caught:
        Renderer(BRAND, overrides=tmp_path).render(ALL["quiet"](), LINKS)
    assert caught.value.template == str(tmp_path / "email" / "sections" / "quiet.html")
    assert caught.value.line == 4


def test_a_section_without_templates_is_named(renderer: Renderer) -> None:
    with pytest.raises(TemplateError, match=r"sections/absent\.txt"):
        renderer.render(snapshot({"absent": {}}), LINKS)


def test_a_section_with_one_partial_is_refused_at_the_start(tmp_path: Path) -> None:
    write(tmp_path, "sections/half.html", "<p>x</p>")
    with pytest.raises(TemplateError, match=r"no sections/half\.txt"):
        Renderer(BRAND, extra=[tmp_path])


def test_overrides_that_are_not_a_folder_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TemplateError, match="not a folder"):
        Renderer(BRAND, overrides=tmp_path / "absent")


def test_an_accent_that_is_no_colour_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match="not a colour"):
        Renderer(Brand("F", "https://f.example", accent="mint"))


def test_the_accent_colours_the_mail() -> None:
    html = (
        Renderer(Brand("F", "https://f.example", accent="#1d4ed8"))
        .render(ALL["rich"](), LINKS)
        .html
    )
    assert "#1d4ed8" in html
    assert "#0b6b57" not in html


@pytest.mark.parametrize("make", [lambda: days(9, 9, 9, 9, 9, 9, 9), lambda: None])
def test_a_week_without_a_shape_has_no_chart(
    renderer: Renderer, make: Callable[[], list[dict[str, object]] | None]
) -> None:
    chart = make()
    mail = renderer.render(snapshot({"headline": headline(days=chart)}), LINKS)
    assert ("Views by day" in words(mail)) is (chart is not None)
    assert ("Views by day" in mail.text) is (chart is not None)
