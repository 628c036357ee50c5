"""The readers' pages in a real browser at the width of a phone, by keyboard and without scripts.

Every page is judged by axe, in both colour schemes. Pictures are left in var/screenshots.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from digest.config import Settings
from digest.database import Database
from digest.links import Asked, Links
from digest.models import Delivery, Guess, Snapshot, Subscription, table
from digest.web import listen, server
from digest.window import Period
from tests.databases import REQUIRED
from tests.mails import guess
from tests.test_look import CHROMIUM, FAINT, PICTURES

AXE = Path(__file__).resolve().parents[1] / "var" / "axe/node_modules/axe-core/axe.min.js"
PHONE = 375


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        assert "chromium" not in REQUIRED, f"{CHROMIUM} is missing"
        pytest.skip(f"needs a browser at {CHROMIUM}; on Debian: apt install chromium")
    with sync_playwright() as playwright:
        quiet = ["--no-sandbox", "--disable-gpu"]
        expect.set_options(timeout=60_000)
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=quiet)
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def axe() -> str:
    if not AXE.exists():
        assert "axe" not in REQUIRED, f"{AXE} is missing"
        pytest.skip("needs axe-core: npm install --prefix var/axe axe-core@4.14.1")
    return AXE.read_text("utf-8")


@dataclass(frozen=True)
class Home:
    """A real server of the pages, and what stands in its database."""

    address: str
    database: Database
    links: Links
    period: str

    def preferences(self, user: str = "alice") -> str:
        return self._here(self.links.preferences(user, self.period))

    def unsubscribe(self) -> str:
        return self._here(self.links.unsubscribe("alice"))

    def mail(self) -> str:
        return self._here(self.links.browser("alice", self.period))

    def guess(self) -> str:
        return self._here(self.links.guess(Asked("alice", self.period, "alice-20")))

    def guesses(self) -> list[tuple[str, int]]:
        rows = table(Guess)
        with self.database.reading() as session:
            found = session.execute(rows.select()).all()
        return [(row.post_id, row.value) for row in found]

    def old(self) -> str:
        return self._here(
            self.links.preferences("alice", str(Period.parse(self.period).shift(-20)))
        )

    def _here(self, link: str) -> str:
        return self.address + "/" + link.split("/", 3)[3]

    def subscription(self) -> dict[str, Any]:
        rows = table(Subscription)
        with self.database.reading() as session:
            found = session.execute(rows.select().where(rows.c.user_id == "alice")).one()
        return dict(found._mapping)


@pytest.fixture(scope="module")
def town(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo's Alice has got her mail of the last full week."""
    folder = tmp_path_factory.mktemp("town")
    for words in (["demo"], ["send", "--user", "alice"]):
        subprocess.run(
            [sys.executable, "-m", "digest", *words], cwd=folder, capture_output=True, check=True
        )
    ask(Settings(database_url=f"sqlite:///{folder}/var/digest.db"))
    return folder


def ask(settings: Settings) -> None:
    """Make Alice's mail one that asks: whether the demo's does depends on today."""
    database, rows = Database(settings.database_url), table(Snapshot)
    with database.writing() as session:
        alices = (rows.c.user_id == "alice", rows.c.body.is_not(None))
        body = session.execute(rows.select().where(*alices)).one().body
        body["sections"]["guess"] = guess(reveal=None, record=None, community=None)
        body["sections"]["guess"]["ask"]["post"]["id"] = "alice-20"
        session.execute(rows.update().where(*alices).values(body=body))
    database.close()


@pytest.fixture
def home(town: Path, tmp_path: Path) -> Iterator[Home]:
    var = shutil.copytree(town / "var", tmp_path / "var")
    settings = Settings(database_url=f"sqlite:///{var}/digest.db", var=var)
    database = Database(settings.database_url)
    with database.reading() as session:
        period = session.execute(table(Delivery).select()).one().period
    links = Links(settings.base_url, settings.signing_keys())
    with listen("127.0.0.1", 0) as listening:
        serving = server(settings, database)
        thread = threading.Thread(target=serving.run, kwargs={"sockets": [listening]}, daemon=True)
        thread.start()
        while not serving.started:
            time.sleep(0.01)
        yield Home(f"http://127.0.0.1:{listening.getsockname()[1]}", database, links, period)
        serving.should_exit = True
        thread.join()
    database.close()


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    """A phone without scripts."""
    context = opened(browser, "light", scripts=False)
    yield context.new_page()
    context.close()


def opened(browser: Browser, scheme: Any, *, scripts: bool, locale: str = "en") -> BrowserContext:
    context = browser.new_context(
        viewport={"width": PHONE, "height": 800},
        color_scheme=scheme,
        java_script_enabled=scripts,
        locale=locale,
    )
    context.set_default_timeout(60_000)
    return context


# --- flows ---------------------------------------------------------------------------------------


def test_a_reader_changes_everything_from_the_mail(phone: Page, home: Home) -> None:
    phone.goto(home.preferences())
    phone.get_by_label("Only when something happened").check()
    phone.get_by_label("Less often while I take a break from posting").uncheck()
    phone.get_by_label("Day", exact=True).select_option("Friday")
    phone.get_by_label("Hour", exact=True).select_option("17")
    phone.get_by_label("Time zone").select_option("America/New_York")
    phone.get_by_label("Your week against your usual").uncheck()
    phone.get_by_label("Show numbers").uncheck()
    phone.get_by_label("Language of the mail and of these pages").select_option("Deutsch")
    phone.get_by_role("button", name="Save").click()
    expect(phone.get_by_role("status")).to_contain_text("Gespeichert")
    expect(phone.get_by_role("status")).to_contain_text("frühestens am Freitag")
    expect(phone.get_by_role("status")).to_contain_text("17:00 (America/New_York)")
    row = home.subscription()
    assert (row["frequency"], row["adaptive"], row["numbers"]) == ("eventful", False, False)
    assert (row["weekday"], row["hour"], row["timezone"]) == (4, 17, "America/New_York")
    assert (row["hidden"], row["locale"]) == ("usual", "de")
    phone.reload()
    expect(phone.get_by_label("Nur wenn etwas passiert ist")).to_be_checked()


def test_less_often_is_two_actions_from_the_mail(phone: Page, home: Home) -> None:
    phone.goto(f"{home.preferences()}/less")
    phone.get_by_role("button", name="Every two weeks").click()
    expect(phone.get_by_role("status")).to_contain_text("every two weeks from now on")
    assert home.subscription()["frequency"] == "fortnightly"


def test_leaving_undoing_and_coming_back_by_the_preferences(phone: Page, home: Home) -> None:
    phone.goto(home.preferences())
    phone.get_by_role("link", name="Unsubscribe").click()
    assert home.subscription()["unsubscribed_at"] is None
    phone.get_by_role("button", name="Stop the weekly digest").click()
    assert home.subscription()["unsubscribed_at"] is not None
    phone.get_by_role("button", name="Keep sending it").click()
    assert home.subscription()["unsubscribed_at"] is None


def test_the_form_can_be_filled_by_keyboard_alone(phone: Page, home: Home) -> None:
    phone.goto(home.preferences())
    phone.keyboard.press("Tab")  # the radio buttons are one stop
    phone.keyboard.press("ArrowDown")
    for _ in range(30):
        phone.keyboard.press("Tab")
        if phone.evaluate("document.activeElement.textContent") == "Save":
            break
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("status")).to_contain_text("Saved")
    assert home.subscription()["frequency"] == "fortnightly"


def test_a_guess_is_two_actions_from_the_mail_and_the_first_counts(phone: Page, home: Home) -> None:
    phone.goto(home.mail())
    offered = phone.get_by_role("link", name="100", exact=True).get_attribute("href")
    assert offered
    assert offered.endswith(f"{home.guess().removeprefix(home.address)}/100")
    phone.goto(f"{home.guess()}/100")
    expect(phone.get_by_label("100", exact=True)).to_be_checked()
    assert home.guesses() == []
    phone.get_by_role("button", name="Save my guess").click()
    expect(phone.get_by_role("status")).to_contain_text("You guessed 100")
    phone.goto(f"{home.guess()}/500")
    expect(phone.get_by_role("status")).to_contain_text("The first guess counts")
    assert home.guesses() == [("alice-20", 100)]


def test_a_guess_can_be_made_by_keyboard_alone(phone: Page, home: Home) -> None:
    phone.goto(home.guess())
    phone.keyboard.press("Tab")  # the radio buttons are one stop
    phone.keyboard.press("Space")
    phone.keyboard.press("ArrowDown")
    phone.keyboard.press("Tab")
    phone.keyboard.type("forty")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("alert")).to_contain_text("Nothing was saved")
    expect(phone.get_by_label("50", exact=True)).to_be_checked()
    phone.get_by_label("Or type your own").fill("")
    phone.keyboard.press("Enter")
    expect(phone.get_by_role("status")).to_contain_text("Saved")
    assert home.guesses() == [("alice-20", 50)]


def test_past_weeks_lead_to_their_mails(phone: Page, home: Home) -> None:
    phone.goto(home.preferences())
    phone.get_by_role("link", name="Past weeks").click()
    expect(phone.get_by_role("img")).to_be_visible()
    phone.locator(".weeks a").click()
    expect(phone.get_by_role("heading", level=1)).to_contain_text("Alice, your posts were seen by")


def test_the_data_are_taken_away_and_deleted(phone: Page, home: Home) -> None:
    phone.goto(home.preferences())
    phone.get_by_role("link", name="Your data").click()
    with phone.expect_download() as download:
        phone.get_by_role("button", name="Download it all").click()
    found = json.loads(Path(download.value.path()).read_text("utf-8"))
    assert found["user"][0]["name"] == "Alice"
    phone.get_by_role("link", name="Delete my data").click()
    phone.get_by_role("button", name="Delete for good").click()
    assert home.subscription()["erased_at"] is None  # the browser asks for the tick first
    phone.get_by_label("Yes, delete all of it").check()
    phone.get_by_role("button", name="Delete for good").click()
    expect(phone.get_by_role("status")).to_contain_text("It is deleted")
    assert home.subscription()["erased_at"] is not None


# --- every page ----------------------------------------------------------------------------------


def visit(page: Page, home: Home, name: str) -> None:
    """Go to the page called ``name``, pressing what has to be pressed."""
    mine = home.preferences()
    places = {
        "saved": mine,
        "impossible": mine,
        "less": f"{mine}/less",
        "chosen": f"{mine}/less",
        "keep": f"{mine}/keep",
        "weeks": f"{mine}/weeks",
        "no-weeks": f"{home.preferences('bob')}/weeks",
        "kinds": f"{mine}/kinds",
        "topics": f"{mine}/topics",
        "data": f"{mine}/data",
        "delete": f"{mine}/delete",
        "deleted": f"{mine}/delete",
        "preferences": mine,
        "old": home.old(),
        "unsubscribe": home.unsubscribe(),
        "left": home.unsubscribe(),
        "back": home.unsubscribe(),
        "mail": home.mail(),
        "guess": f"{home.guess()}/100",
        "no-guess": home.guess(),
        "guessed": f"{home.guess()}/100",
        "counting": f"{home.address}/counting",
        "nothing": f"{home.address}/nothing",
        "operator": home.address,
        "kept-mail": home.address,
    }
    save, other, erase = "form.card > button", "main button", "button.danger"
    presses = {
        "saved": [save],
        "impossible": [save],
        "chosen": ["form:has([value=monthly]) button"],
        "no-guess": [save],
        "guessed": [save],
        "deleted": [erase],
        "left": [other],
        "back": [other, other],
    }
    page.goto(places[name])
    if name == "impossible":
        for box in page.locator("input[name=section]").all():
            box.uncheck()
    if name == "deleted":
        page.locator("#sure").check()
    for button in presses.get(name, []):
        page.locator(button).click()
    if name == "kept-mail":
        page.locator(".mails a").click()
    page.wait_for_load_state()


PAGES = (
    "preferences saved impossible less chosen keep weeks no-weeks kinds topics data delete deleted"
    " old unsubscribe left back mail guess no-guess guessed counting nothing operator kept-mail"
)


@pytest.mark.parametrize("name", PAGES.split(" "))
def test_axe_finds_nothing_and_the_page_fits_a_phone(
    browser: Browser, axe: str, home: Home, name: str
) -> None:
    context = opened(browser, "light", scripts=True)  # axe's: the pages have none
    page = context.new_page()
    visit(page, home, name)
    page.evaluate(axe)
    PICTURES.mkdir(parents=True, exist_ok=True)
    schemes: tuple[Literal["light", "dark"], ...] = ("light", "dark")
    for scheme in schemes:
        page.emulate_media(color_scheme=scheme)
        page.screenshot(path=PICTURES / f"page-{name}-{PHONE}-{scheme}.png", full_page=True)
        assert complaints(page) == [], scheme
    context.close()


def complaints(page: Page) -> list[Any]:
    """What axe, which is loaded, says against the page, and whether it is wider than a phone."""
    found = page.evaluate("() => axe.run({resultTypes: ['violations']})")
    assert len(found["passes"]) > 5
    wide = page.evaluate("document.documentElement.scrollWidth")
    said = [(v["id"], v["impact"], [n["html"] for n in v["nodes"]]) for v in found["violations"]]
    # Stricter than axe, which lets large text be fainter and leaves out what it is unsure of.
    words = page.evaluate(FAINT)
    assert words["seen"] > 3
    return [*said, *words["faint"], *([wide] if wide != PHONE else [])]


OF_READERS = PAGES.removesuffix(" operator kept-mail").split(" ")
LAST = ("left", "deleted")
"""After these there is nothing more to see of Alice."""


@pytest.mark.parametrize("language", ["de", "ar"])
def test_pages_in_long_words_and_from_right_to_left_fit_and_please_axe(
    browser: Browser, axe: str, home: Home, language: str
) -> None:
    with home.database.writing() as session:
        session.execute(table(Subscription).update().values(locale=language))
    context = opened(browser, "light", scripts=True, locale=language)
    page = context.new_page()
    for name in [*(one for one in OF_READERS if one not in LAST), *LAST]:
        visit(page, home, name)
        assert page.locator("html").get_attribute("lang") == (
            "en" if name == "mail" else language
        ), name
        page.evaluate(axe)
        page.screenshot(path=PICTURES / f"page-{name}-{PHONE}-{language}.png", full_page=True)
        assert complaints(page) == [], name
    context.close()
