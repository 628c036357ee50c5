"""The mails in a real browser: widths, both colour schemes, contrast.

Pictures of all of them are left in var/screenshots, to be looked at.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from digest.render import Brand, Renderer
from tests.databases import REQUIRED
from tests.mails import ALL, BRAND, LINKS

CHROMIUM = Path("/usr/bin/chromium")
PICTURES = Path(__file__).resolve().parents[1] / "var" / "screenshots"
WIDTHS = (640, 375)
SCHEMES = ("light", "dark")

FAINT = """() => {
  const channels = colour => colour.match(/[\\d.]+/g).map(Number);
  const luminance = colour => {
    const [r, g, b] = channels(colour).slice(0, 3).map(value => value / 255)
      .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = element => {
    for (let one = element; one; one = one.parentElement) {
      const colour = getComputedStyle(one).backgroundColor;
      if ((channels(colour)[3] ?? 1) > 0) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const faint = [];
  let seen = 0;
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const words = texts.currentNode.data.replace(/\\u00a0/g, " ").trim();
    if (!words || !element.checkVisibility()) continue;
    seen += 1;
    const [low, high] = [getComputedStyle(element).color, ground(element)]
      .map(luminance).sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    if (ratio < 4.5) faint.push(`${ratio.toFixed(2)}: ${words}`);
  }
  return {seen, faint};
}"""


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        assert "chromium" not in REQUIRED, f"{CHROMIUM} is missing"
        pytest.skip(f"needs a browser at {CHROMIUM}; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(BRAND)


def opened(browser: Browser, html: str, width: int, scheme: Any) -> Page:
    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    page.route("**/*", lambda route: route.abort())
    page.set_content(html)
    return page


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", ALL)
def test_a_mail_fits_its_window_and_can_be_read(
    browser: Browser, renderer: Renderer, name: str, width: int, scheme: str
) -> None:
    page = opened(browser, renderer.render(ALL[name](), LINKS).html, width, scheme)
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png", full_page=True)
    assert page.evaluate("document.documentElement.scrollWidth") == width
    assert page.locator("h1").is_visible()
    wide = page.evaluate(
        "w => [...document.querySelectorAll('td, p, h1, h2, h3, a, span, div')]"
        ".filter(e => e.checkVisibility() && e.getBoundingClientRect().right > w).length",
        width,
    )
    assert wide == 0
    result = page.evaluate(FAINT)
    assert result["seen"] > 10
    assert result["faint"] == []
    page.close()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("locale", ["de", "es", "fr", "ja", "ar", "ar_EG"])
def test_a_mail_fits_its_window_in_every_language(
    browser: Browser, renderer: Renderer, locale: str, width: int
) -> None:
    for name in ("rich", "reactions", "worst"):
        snapshot = replace(ALL[name](), locale=locale)
        page = opened(browser, renderer.render(snapshot, LINKS).html, width, "light")
        PICTURES.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=PICTURES / f"{name}-{locale}-{width}.png", full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") == width
        beyond = page.evaluate(
            "w => [...document.querySelectorAll('td, p, h1, h2, h3, a, span, div')]"
            ".map(e => [e, e.getBoundingClientRect()])"
            ".filter(([e, r]) => e.checkVisibility() && (r.right > w || r.left < 0)).length",
            width,
        )
        assert beyond == 0
        assert page.evaluate(FAINT)["faint"] == []
        page.close()


def test_arabic_runs_from_right_to_left_and_english_titles_in_it_do_not(
    browser: Browser, renderer: Renderer
) -> None:
    snapshot = replace(ALL["rich"](), locale="ar")
    page = opened(browser, renderer.render(snapshot, LINKS).html, 640, "light")

    def lefts(selector: str) -> list[float]:
        script = "s => [...document.querySelectorAll(s)].map(e => e.getBoundingClientRect().left)"
        return [float(left) for left in page.evaluate(script, selector)]

    assert lefts(".day") == sorted(lefts(".day"), reverse=True)
    assert lefts(".rank")[0] > lefts(".post")[0]
    assert lefts(".site")[0] > lefts(".dates")[0]
    assert lefts(".fill")[0] > lefts(".rest")[0]
    looks = page.evaluate(
        "[...document.querySelectorAll('h3')].map(e => getComputedStyle(e))"
        ".map(s => [s.direction, s.textAlign])"
    )
    assert looks == [["ltr", "right"]] * 5
    assert page.locator(".hero").evaluate("e => getComputedStyle(e).letterSpacing") in {
        "normal",
        "0px",
    }
    assert page.locator(".sentence").evaluate("e => getComputedStyle(e).direction") == "rtl"
    page.close()


@pytest.mark.parametrize("accent", ["#ffdd00", "#111111", "#ff3b6b", "#3b82f6"])
@pytest.mark.parametrize("scheme", SCHEMES)
def test_any_accent_can_be_read(browser: Browser, scheme: str, accent: str) -> None:
    renderer = Renderer(Brand("Fieldnotes", "https://fieldnotes.example", accent=accent))
    page = opened(browser, renderer.render(ALL["rich"](), LINKS).html, 640, scheme)
    assert page.evaluate(FAINT)["faint"] == []
    page.close()


def test_the_number_is_the_largest_text_on_any_screen(browser: Browser, renderer: Renderer) -> None:
    html = renderer.render(ALL["rich"](), LINKS).html
    for width, size in ((640, "52px"), (375, "44px")):
        page = opened(browser, html, width, "light")
        hero = page.locator(".hero")
        assert hero.inner_text() == "1,284 people"
        assert hero.evaluate("e => getComputedStyle(e).fontSize") == size
        sizes = "[...document.querySelectorAll('body *')].map(e => getComputedStyle(e).fontSize)"
        assert max(float(one[:-2]) for one in page.evaluate(sizes)) == float(size[:-2])
        page.close()


def test_the_bars_are_as_high_as_their_days_were_busy(browser: Browser, renderer: Renderer) -> None:
    page = opened(browser, renderer.render(ALL["rich"](), LINKS).html, 640, "light")
    heights = page.evaluate(
        "[...document.querySelectorAll('.best, .other')].map(e => e.getBoundingClientRect().height)"
    )
    counts = [120, 188, 742, 512, 391, 204, 153]
    assert heights == [pytest.approx(count / 742 * 84, abs=0.51) for count in counts]
    bottoms = page.evaluate(
        "[...document.querySelectorAll('.best, .other')].map(e => e.getBoundingClientRect().bottom)"
    )
    assert len(set(bottoms)) == 1
    page.close()


def test_a_share_bar_is_as_long_as_its_share(browser: Browser, renderer: Renderer) -> None:
    page = opened(browser, renderer.render(ALL["rich"](), LINKS).html, 640, "light")
    shares = page.evaluate(
        "[...document.querySelectorAll('.fill')].map(e => e.offsetWidth /"
        " e.closest('table').offsetWidth)"
    )
    assert shares == [pytest.approx(share, abs=0.01) for share in (0.58, 0.24, 0.12)]
    page.close()


def test_without_its_stylesheet_in_the_head_the_mail_still_looks_right(
    browser: Browser, renderer: Renderer
) -> None:
    """Some programs drop the head: everything but the dark scheme and the phone is inline."""
    html = renderer.render(ALL["rich"](), LINKS).html
    start = html.index('<style type="text/css">')
    bare = html[:start] + html[html.index("</style>", start) + len("</style>") :]
    page = opened(browser, bare, 640, "light")
    assert page.locator(".hero").evaluate("e => getComputedStyle(e).fontSize") == "52px"
    assert page.evaluate(FAINT)["faint"] == []
    page.close()
    narrow = opened(browser, bare, 375, "light")
    assert narrow.evaluate("document.documentElement.scrollWidth") == 375
    narrow.close()


def test_right_to_left_titles_run_right_to_left_and_leave_the_rest_alone(
    browser: Browser, renderer: Renderer
) -> None:
    page = opened(browser, renderer.render(ALL["naughty"](), LINKS).html, 640, "light")
    directions = page.evaluate(
        "[...document.querySelectorAll('h3')].map(e => getComputedStyle(e).direction)"
    )
    assert directions == ["ltr", "rtl", "ltr", "ltr", "rtl"]
    details = page.evaluate(
        "[...document.querySelectorAll('.details')].map(e => getComputedStyle(e).direction)"
    )
    assert set(details) == {"ltr"}
    page.close()


def test_every_link_can_be_told_from_the_text(browser: Browser, renderer: Renderer) -> None:
    """Underlined, or a button on a ground of its own."""
    page = opened(browser, renderer.render(ALL["rich"](), LINKS).html, 640, "light")
    plain = page.evaluate(
        "[...document.querySelectorAll('a:not(.button)')].filter(e =>"
        " !getComputedStyle(e).textDecorationLine.includes('underline')).length"
    )
    assert plain == 0
    page.close()
