"""The mail in every language: nothing escapes translation, and nothing gets lost in it."""

from __future__ import annotations

import re
import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import chain
from pathlib import Path
from typing import Any

import pytest
from babel import Locale
from babel.messages import Catalog
from babel.messages.pofile import write_po
from hypothesis import given
from hypothesis import strategies as st
from jinja2 import DictLoader, Environment
from lxml import html as lxml_html

from digest.catalogues import Catalogue, catalogue, languages
from digest.errors import ConfigError, TemplateError
from digest.folders import catalogue_folders
from digest.languages import Languages
from digest.mirroring import mirrored
from digest.render import Brand, MailLinks, Rendered, Renderer
from digest.sentences import Sentences
from tests.community import village
from tests.conftest import Front
from tests.mails import ALL, BRAND, LINKS, card, focus, guess, headline, new_post, snapshot, usual
from tests.messages import LANGUAGES, LOCALE, brought_up, extracted, kept, write_marked

PIECES = re.compile(r"\{\w+\}|</?\w+>")
EVERY = ("en", *LANGUAGES)


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def in_language(name: str, locale: str) -> Any:
    return replace(ALL[name](), locale=locale)


# --- the catalogues ------------------------------------------------------------------------------


def test_there_are_six_languages() -> None:
    assert languages(catalogue_folders()) == frozenset(EVERY)


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_catalogue_has_every_message_and_no_other(language: str) -> None:
    file = LOCALE / language / "LC_MESSAGES" / "digest.po"
    assert brought_up(language, extracted()) == file.read_bytes(), "run make messages"


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_message_is_translated_in_every_form(language: str) -> None:
    catalog = kept(language)
    for message in catalog:
        if not message.id:
            continue
        assert not message.fuzzy, message.id
        one, many = (message.id,) * 2 if isinstance(message.id, str) else message.id
        forms = (message.string,) if isinstance(message.string, str) else message.string
        assert forms
        assert len(forms) == (1 if isinstance(message.id, str) else catalog.num_plurals), one
        for form in forms:
            assert form, one
            wanted, found = Counter(PIECES.findall(many)), Counter(PIECES.findall(form))
            if not isinstance(message.id, str):  # “one person” may be said without a digit
                for spare in ("{count}", "{number}"):
                    found[spare] = wanted[spare]
            assert +found == +wanted, form
            assert form == form.strip(), form


def test_french_signs_do_not_begin_a_line() -> None:
    """No-break spaces inside « … » and before “:”, narrow ones before the others."""
    for message in kept("fr"):
        forms = (message.string,) if isinstance(message.string, str) else message.string or ()
        for form in forms if message.id else ():
            plain = PIECES.sub("x", form)
            assert not re.search("[^\u202f][;?!%]|[^\u00a0][:»]|«[^\u00a0]", plain), form


@pytest.mark.parametrize("language", LANGUAGES)
def test_only_a_form_that_means_one_number_may_do_without_it(language: str) -> None:
    """Otherwise the figure would be lost."""
    rule = catalogue(language, catalogue_folders()).rule
    numbers: dict[int, set[int]] = {}
    for number in range(1000):
        numbers.setdefault(rule(number), set()).add(number)
    for message in kept(language):
        if isinstance(message.id, str) or not message.id:
            continue
        for form, text in enumerate(message.string or ()):
            for spare in ("{count}", "{number}"):
                if spare in message.id[1] and spare not in text:
                    assert len(numbers[form]) == 1, text


# --- nothing escapes -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    """A renderer whose Japanese is each English message between marks."""
    folder = tmp_path_factory.mktemp("marked")
    write_marked(folder, "ja")
    brand = Brand("⁂", "https://1.2", postal_address="⁂", write_url="https://1.2/3")
    return Renderer(brand, overrides=folder)


def without_words(value: Any, key: str = "") -> Any:
    """The data of a mail with everything that people wrote made signs."""
    if isinstance(value, dict):
        return {name: without_words(inner, name) for name, inner in value.items()}
    if isinstance(value, list):
        return [without_words(inner, key) for inner in value]
    kept_keys = {"metric", "kind", "verdict", "boards", "date", "published", "word"}
    return "⁂" if isinstance(value, str) and value and key not in kept_keys else value


def variants() -> Iterator[dict[str, Any]]:
    """Every sentence of every section is in one of these mails at least."""
    for make in ALL.values():
        yield dict(make().sections)
    for metric in ("reach", "views", "reactions"):
        for verdict in ("above", "below", "within", None):
            for low, high in ((3, 9), (0, 9), (9, 9), (None, None)):
                yield {"usual": usual(metric=metric, verdict=verdict, low=low, high=high, times=5)}
        yield {"usual": usual(metric=metric, verdict="above", percent=62)}
        yield {"usual": usual(metric=metric, first=True)}
        shape = headline(metric=metric, reactors=None if metric == "views" else 9)
        yield {"headline": shape}
        yield {"headline": shape | {"reactions": 0, "reactors": 0, metric: 7}}
    for metric in ("views", "reactions"):
        posts = [card("t", archive=True, published=None, views=5 if metric == "views" else None)]
        top = {"metric": metric, "posts": [*posts, card("t", share=1, reach=None)], "more": 2}
        yield {"top_posts": top}
        yield {"so_far": {"metric": metric, "total": 9, "number": 2, "posts": posts}}
    for engagers, talkers, boards in ((9, 9, ["most_talk"]), (9, 4, ["best_received"]), (0, 0, [])):
        post: dict[str, Any] = {"reach": None, "views": None, "engagers": engagers, "reactions": 0}
        yield {
            "new_posts": {
                "hours": 48,
                "posts": [new_post("t", talkers=talkers, boards=boards, **post), new_post("")],
                "waiting": 2,
            }
        }
    unasked = guess()["reveal"] | {"guess": None, "ratio": None, "error": None}
    yield {"guess": guess(reveal=unasked, record=None, community=None, ask=None)}
    for kind in ("reply", "revisit"):
        for title, people in (("t", ["n"]), ("", []), ("t", ["n", "m"])):
            post = {"title": title, "url": "https://1.2/3"}
            yield {"next": {"kind": kind, "post": post, "people": people}}


def audiences() -> Iterator[dict[str, Any]]:
    """The same for what is said of an audience."""
    for word in ("focused", "mixed", "broad"):
        for among, effective in ((0, 7), (3, None), (10, 7), (None, 7)):
            yield {"focus": focus(word=word, kept=among, effective=effective)}
    for effective in (41, None):
        for word, wider in (("focused", True), ("broad", False)):
            viewed = {"wider": wider, "effective": effective}
            given = {"word": word, "effective": effective, "reactions": 48}
            yield {"focus": focus(viewed=viewed, given=given)}


def outside(text: str) -> str:
    """What of ``text`` stands in no marks."""
    depth, left = 0, []
    for character in text:
        depth += (character == "⟦") - (character == "⟧")
        if depth == 0 and character != "⟧":
            left.append(character)
    assert depth == 0
    return "".join(left)


def shown(html: str) -> Iterator[str]:
    """Everything in a page that somebody may read or hear."""
    page = lxml_html.document_fromstring(html)
    for style in page.xpath("//style"):
        style.drop_tree()
    yield str(page.text_content())
    for element in page.iter():
        yield from (element.get(name) or "" for name in ("aria-label", "alt", "title"))


@pytest.mark.parametrize("name", ["⁂", ""])
def test_no_words_of_a_mail_escape_translation(marked: Renderer, name: str) -> None:
    links = MailLinks("https://1.2/u", "https://1.2/v", "https://1.2/c", guess="https://1.2/g")
    said: set[str] = set()
    for sections in chain(variants(), audiences()):
        mail = marked.render(snapshot(without_words(sections), name=name, locale="ja"), links)
        plain = re.sub(r"https\S+", "", mail.text)
        for text in (mail.subject, plain, *shown(mail.html)):
            assert not re.search("[A-Za-z]", outside(text)), text
            said.update(re.findall("⟦([^⟦⟧]+)⟧", text))
    assert len(said) > 80


# --- sentences -----------------------------------------------------------------------------------


def in_words(source: str, words: Catalogue, name: str = "x.html", **values: Any) -> str:
    environment = Environment(
        loader=DictLoader({name: source}),
        autoescape=not name.endswith(".txt"),
        extensions=[Sentences.speaking(words)],
    )
    return environment.get_template(name).render(values, number=str)


def words(**messages: str) -> Catalogue:
    texts = {key.replace("_", " "): text for key, text in messages.items()}
    return Catalogue("xx", {(None, key): (text,) for key, text in texts.items()})


def test_what_a_translator_writes_is_text() -> None:
    hostile = words(Hello="<script>alert(1)</script> & <img src=x> {{ 7 * 7 }} {% raw %}")
    with pytest.raises(Exception, match="other placeholders or elements"):
        in_words("{% trans %}Hello{% endtrans %}", hostile)
    tame = words(Hello="a < b & <i onclick='x'> {{ 7 }} {% raw %}")
    assert in_words("{% trans %}Hello{% endtrans %}", tame) == (
        "a &lt; b &amp; &lt;i onclick=&#39;x&#39;&gt; {{ 7 }} {% raw %}"
    )


def test_elements_of_a_sentence_keep_their_attributes_wherever_they_are_put() -> None:
    source = '{% trans %}That is <b class="x">more</b><br>now{% endtrans %}'
    turned = Catalogue("xx", {(None, "That is <b>more</b><br>now"): ("Jetzt<br><b>mehr</b>",)})
    assert in_words(source, turned) == 'Jetzt<br><b class="x">mehr</b>'
    assert in_words(source, turned, "x.txt") == "Jetzt mehr"


@pytest.mark.parametrize(
    "text", ["Hallo", "Hallo {nom}", "{name} {name}", "<b>{name}</b>", "</b>{name}<b>"]
)
def test_a_translation_with_other_pieces_is_refused(text: str) -> None:
    with pytest.raises(Exception, match=r"elements than “Hello \{name\}”"):
        in_words(
            "{% trans %}Hello {{ name }}{% endtrans %}",
            Catalogue("xx", {(None, "Hello {name}"): (text,)}),
        )


def test_a_value_in_a_sentence_is_escaped() -> None:
    source = "{% trans name=who %}Hello {{ name }}{% endtrans %}"
    said = in_words(source, words(**{"Hello {name}": "{name}, <hallo"}), who="<b>&")
    assert said == "&lt;b&gt;&amp;, &lt;hallo"


def test_a_context_tells_two_equal_words_apart() -> None:
    said = Catalogue("xx", {("button", "Answer"): ("Antworten",), (None, "Answer"): ("Antwort",)})
    source = '{% trans %}Answer{% endtrans %} {% trans "button" %}Answer{% endtrans %}'
    assert in_words(source, said) == "Antwort Antworten"


def test_a_sentence_without_a_translation_counts_in_english() -> None:
    source = "{% trans n=n %}{{ n }} day{% pluralize %}{{ n }} days{% endtrans %}"
    strange = Catalogue("xx", {}, lambda _: 5)
    assert [in_words(source, strange, n=n) for n in (0, 1, 2)] == ["0 days", "1 day", "2 days"]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{% trans %}a {% if x %}b{% endif %}{% endtrans %}", "endtrans"),
        ("{% trans %}a {{ b.c }}{% endtrans %}", "end of print statement"),
        ("{% trans %}a {b}{% endtrans %}", "brace"),
        ("{% trans %}a{% pluralize %}b{% endtrans %}", "needs a variable"),
        ('{% trans %}<b class="x">a</b> <b>b</b>{% endtrans %}', "same attributes"),
        ("{% trans %}a", "words and"),
    ],
)
def test_a_sentence_that_is_not_whole_is_refused_in_every_language(source: str, said: str) -> None:
    with pytest.raises(Exception, match=said):
        in_words(source, words())


# --- the choice ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("locale", "language", "figure"),
    [
        ("de-AT", "de", "1.284"),
        ("de_CH", "de", "1’284"),
        ("de_XX", "de", "1.284"),
        ("DE", "de", "1.284"),
        ("fr-CA.UTF-8", "fr", "1\u00a0284"),
        ("es_419", "es", "1,284"),
        ("en_GB", "en", "1,284"),
        ("ar-EG", "ar", "١٬٢٨٤"),
        ("pt_BR", "ja", "1,284"),
        ("zh-Hant", "ja", "1,284"),
        ("sr-Latn-RS", "ja", "1,284"),
        ("de_u_nu", "de", "1.284"),
        ("", "ja", "1,284"),
        ("not a locale", "ja", "1,284"),
        ("../../etc", "ja", "1,284"),
    ],
)
def test_a_reader_gets_their_language_or_else_the_site_s(
    locale: str, language: str, figure: str
) -> None:
    words = Languages(catalogue_folders(), "ja").wording(locale)
    assert (words.language, words.number(1284)) == (language, figure)


def test_a_language_in_another_script_is_another_language(tmp_path: Path) -> None:
    for name in ("sr", "zh_Hant"):
        file = tmp_path / name / "LC_MESSAGES" / "digest.po"
        file.parent.mkdir(parents=True)
        with file.open("wb") as out:
            write_po(out, Catalog(locale=name, fuzzy=False))
    spoken = Languages((tmp_path,))
    found = {
        one: spoken.wording(one).language for one in ("sr", "sr_Cyrl_RS", "sr_Latn", "zh_TW", "zh")
    }
    assert found == {
        "sr": "sr",
        "sr_Cyrl_RS": "sr",
        "sr_Latn": "en",
        "zh_TW": "zh_Hant",
        "zh": "en",
    }


def test_a_default_that_nobody_speaks_is_a_configuration_error() -> None:
    with pytest.raises(ConfigError, match=r"LOCALE.*tlh.*is not spoken"):
        Languages(catalogue_folders(), "tlh")


def test_an_operator_s_catalogue_stands_before_ours_and_leaves_the_rest(tmp_path: Path) -> None:
    catalog = Catalog(locale="de", fuzzy=False)
    catalog.add("Unsubscribe", "Nicht mehr schreiben")
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / "digest.po"
    file.parent.mkdir(parents=True)
    with file.open("wb") as out:
        write_po(out, catalog)
    mail = Renderer(BRAND, overrides=tmp_path).render(in_language("rich", "de"), LINKS)
    assert "Nicht mehr schreiben" in mail.html
    assert "Im Browser lesen" in mail.html


def test_a_catalogue_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / "digest.po"
    file.parent.mkdir(parents=True)
    file.write_bytes(b'msgid "a"\nmsgstr "\xff"\nnonsense\n')
    with pytest.raises(TemplateError, match=r"digest\.po"):
        Renderer(BRAND, overrides=tmp_path, locale="de")


def test_a_catalogue_that_counts_otherwise_than_ours_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / "digest.po"
    file.parent.mkdir(parents=True)
    shutil.copy(LOCALE / "ja" / "LC_MESSAGES" / "digest.po", file)
    with pytest.raises(TemplateError, match="Plural-Forms"):
        Renderer(BRAND, overrides=tmp_path, locale="de")


def test_a_language_that_is_broken_is_no_matter_of_others(tmp_path: Path) -> None:
    file = tmp_path / "locale" / "de" / "LC_MESSAGES" / "digest.po"
    file.parent.mkdir(parents=True)
    shutil.copy(LOCALE / "ja" / "LC_MESSAGES" / "digest.po", file)
    renderer = Renderer(BRAND, overrides=tmp_path)
    renderer.prepare(["en", "de", "fr"])
    assert "Lire dans" in renderer.render(in_language("rich", "fr"), LINKS).html
    with pytest.raises(TemplateError, match="Plural-Forms"):
        renderer.render(in_language("rich", "de"), LINKS)


# --- the mails -----------------------------------------------------------------------------------

SUBJECTS = {
    "en": (
        "“Why our build takes nine minutes” reached 3× your usual",
        "A quiet week for your posts",
        "“My first post” was seen this week",
        "1,284 people saw your posts this week",
    ),
    "de": (
        "„Why our build takes nine minutes“: 3-mal so viel wie üblich",
        "Eine ruhige Woche für deine Beiträge",
        "„My first post“ wurde diese Woche gesehen",
        "1.284 Personen haben diese Woche deine Beiträge gesehen",
    ),
    "es": (
        "«Why our build takes nine minutes»: 3 veces lo habitual",
        "Una semana tranquila para tus publicaciones",
        "«My first post» se vio esta semana",
        "1284 personas vieron tus publicaciones esta semana",
    ),
    "fr": (
        "« Why our build takes nine minutes » : 3 fois ton niveau habituel",
        "Une semaine calme pour tes publications",
        "« My first post » a été vue cette semaine",
        "1 284 personnes ont vu tes publications cette semaine",
    ),
    "ja": (
        "「Why our build takes nine minutes」がふだんの3倍に",
        "あなたの投稿には静かな一週間でした",
        "今週、「My first post」を見た人がいます",
        "今週、1,284人があなたの投稿を見ました",
    ),
    "ar": (
        "«\u2068Why our build takes nine minutes\u2069»: 3× المعتاد لديك",
        "أسبوع هادئ لمنشوراتك",
        "شوهد «\u2068My first post\u2069» هذا الأسبوع",
        "شاهد منشوراتك هذا الأسبوع 1,284 شخصًا",
    ),
}


@pytest.mark.parametrize("language", EVERY)
def test_subject_lines_are_short_and_said_as_people_say_them(
    renderer: Renderer, language: str
) -> None:
    names = ("rich", "quiet", "single", "naughty")
    mails = [renderer.render(in_language(name, language), LINKS) for name in names]
    subjects = tuple(re.sub("[\u00a0\u202f]", " ", mail.subject) for mail in mails)
    assert subjects == SUBJECTS[language]
    assert all(len(subject) <= 78 for subject in subjects)


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_mail_is_whole_in_every_language(renderer: Renderer, language: str, name: str) -> None:
    english = renderer.render(in_language(name, "en"), LINKS)
    mail = renderer.render(in_language(name, language), LINKS)
    assert len(mail.html.encode()) < (100_000 if name == "worst" else 33_000)
    assert 0 < len(mail.subject) <= 90
    assert shape(mail) == shape(english)
    assert mail.text.count("://") == english.text.count("://")
    assert "\n\n\n" not in mail.text
    assert not re.search(r"[{}⟦]|\bNone\b", mail.text.replace("{{ 7 * 7 }} {% raw %}", ""))


@pytest.mark.parametrize("locale", ["en_GB", "de_AT", "es", "fr_CA", "ja_JP", "ar_EG", "pt_BR"])
def test_a_mail_says_which_language_it_is_in(renderer: Renderer, locale: str) -> None:
    mail = renderer.render(in_language("rich", locale), LINKS)
    language = {"pt_BR": "en"}.get(locale, locale[:2])
    direction = "rtl" if language == "ar" else "ltr"
    page = lxml_html.document_fromstring(mail.html)
    wrapper = page.xpath("//*[@role='article']")[0]
    assert mail.language == language
    for element in (page, wrapper):
        assert (element.get("lang"), element.get("dir")) == (language, direction)
    assert {table.get("dir") for table in page.iter("table")} <= {direction, None}


def test_every_line_of_an_arabic_text_begins_on_the_right_but_addresses_are_bare(
    renderer: Renderer,
) -> None:
    lines = renderer.render(in_language("rich", "ar"), LINKS).text.splitlines()
    addresses = [line for line in lines if "://" in line]
    assert len(addresses) > 5
    assert all(re.fullmatch(r" *https://[\x21-\x7e]+", line) for line in addresses)
    assert all(line.startswith("\u200f") for line in lines if line and line not in addresses)


def shape(mail: Rendered) -> list[tuple[str, list[str]]]:
    """The elements of a mail but those of names within sentences, which languages put elsewhere."""
    page = lxml_html.document_fromstring(mail.html)
    every = [(str(element.tag), sorted(element.attrib)) for element in page.iter()]
    return sorted(every)


HOSTILE = st.text(
    st.one_of(
        st.sampled_from("<>&\"'{}%#\u202e\u2067\u2069\x00\r\n\u2028\ud800\ufeffאש ab،、"),
        st.characters(),
    ),
    max_size=40,
)


@pytest.mark.parametrize("language", LANGUAGES)
@given(title=HOSTILE, name=HOSTILE)
def test_no_name_becomes_markup_in_any_language(
    renderer: Renderer, language: str, title: str, name: str
) -> None:
    def mail(title: str, name: str) -> Rendered:
        posts = [card(title, excerpt=name, url="", people=[name, name], share=0.5, times=2.5)] * 2
        sections = {
            "headline": headline(),
            "top_posts": {"metric": "views", "posts": posts, "more": 0},
            "next": {"kind": "reply", "post": {"title": title, "url": ""}, "people": [name]},
        }
        return renderer.render(snapshot(sections, name=name, locale=language), LINKS)

    out = mail(f"t{title}", f"n{name}")
    assert shape(out) == shape(mail("t", "n"))
    assert "\n" not in out.subject
    for text in (out.subject, out.text, out.html):
        assert not re.search("[\x00-\x08\x0e-\x1f\u2028\u2029\u202a-\u202e\u2066\u2067]", text)
        assert text.count("\u2068") == text.count("\u2069")


# --- right to left -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("css", "turned"),
    [
        ("a { padding-left: 16px; }", "a { padding-right: 16px; }"),
        ("a { padding: 1px 2px 3px 4px; }", "a { padding: 1px 4px 3px 2px; }"),
        ("a { margin: 0 auto; padding: 1px 2px; }", "a { margin: 0 auto; padding: 1px 2px; }"),
        ("a { text-align: right; float:left; }", "a { text-align: left; float:right; }"),
        ("a { border-radius: 1px 2px 3px 4px; }", "a { border-radius: 2px 1px 4px 3px; }"),
        ("a { border-left: 1px solid red; }", "a { border-right: 1px solid red; }"),
        ("a { color: red; }\n.left { left: 0; }", "a { color: red; }\n.left { right: 0; }"),
        ("@media x { a { text-align: left; } }", "@media x { a { text-align: right; } }"),
    ],
)
def test_left_and_right_change_places(css: str, turned: str) -> None:
    assert mirrored(css) == turned
    assert mirrored(turned) == css


def test_letters_that_join_are_not_spaced() -> None:
    assert mirrored("h1 { letter-spacing: -1.5px; }") == "h1 { letter-spacing: 0; }"


def test_every_language_has_a_locale_whose_direction_babel_knows() -> None:
    assert {tag: Locale.parse(tag).text_direction for tag in EVERY} == {
        **dict.fromkeys(EVERY, "ltr"),
        "ar": "rtl",
    }


def test_an_imported_user_gets_the_mail_of_their_language(digest: Front) -> None:
    """From the locale in the data to the headers of the message."""
    there = village()
    there.user("mei", "Mei", "Asia/Tokyo", locale="ja-JP")
    there.user("noor", "Noor", "Asia/Tokyo", locale="nl")
    day = datetime(2026, 11, 10, 12, tzinfo=UTC)
    for author in ("mei", "noor"):
        there.post(f"by-{author}", author, day - timedelta(weeks=52), title="")
        there.views(f"by-{author}", day, 3)
    there.write(digest.folder / "in")
    assert digest("import", "in").code == 0
    Path("digest.toml").write_text('locale = "de_AT"\n')
    now = datetime(2026, 11, 16, 12, tzinfo=UTC)
    assert digest("send", "--week", "2026-W46", at=now).code == 0
    languages = {}
    for who in ("mei", "noor", "alice"):
        mail = digest.mail_to(f"{who}@people.example")
        languages[who] = (str(mail["Content-Language"]), str(mail["Subject"]))
    assert languages["mei"] == ("ja", "今週、3人があなたの投稿を見ました")
    assert languages["noor"][0] == "de"
    assert languages["alice"][0] == "en"
