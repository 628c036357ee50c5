"""Settings: where they come from, which wins, and what is said about wrong ones."""

import os
import stat
from pathlib import Path

import pytest

from digest import config
from digest.errors import ConfigError


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder and no ``DIGEST_*`` in the environment."""
    for variable in [name for name in os.environ if name.startswith(config.PREFIX)]:
        monkeypatch.delenv(variable)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(text: str) -> None:
    config.FILE.write_text(text, encoding="utf-8")


# --- where settings come from --------------------------------------------------------------------


def test_without_anything_set_nothing_leaves_the_machine() -> None:
    settings = config.load()
    assert settings.smtp_url is None
    assert settings.database_url == "sqlite:///var/digest.db"
    assert settings.mailbox == Path("var/mailbox")


def test_the_file_beats_the_defaults_and_the_environment_beats_the_file(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write('site_name = "From the file"\nhour = 7\n')
    assert config.load().site_name == "From the file"
    monkeypatch.setenv("DIGEST_SITE_NAME", "From the environment")
    assert config.load().site_name == "From the environment"
    assert config.load().hour == 7


def test_an_argument_beats_everything(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_HOUR", "9")
    assert config.load(hour=10).hour == 10


def test_names_in_the_file_may_be_written_in_capitals() -> None:
    write('SITE_NAME = "Capitals"\nFROM = "digest@fieldnotes.example"\n')
    settings = config.load()
    assert (settings.site_name, settings.sender) == ("Capitals", "digest@fieldnotes.example")


def test_a_secret_may_stand_in_a_file_of_its_own(
    monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    secret = here / "smtp"
    secret.write_text("smtps://user:pass@mail.example:465\n")
    monkeypatch.setenv("DIGEST_SMTP_URL_FILE", str(secret))
    url = config.load().smtp_url
    assert url is not None
    assert url.get_secret_value() == "smtps://user:pass@mail.example:465"
    assert "pass" not in repr(config.load())


def test_a_variable_beats_the_file_that_another_names(
    monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    (here / "key").write_text("from the file")
    monkeypatch.setenv("DIGEST_SECRET_KEY_FILE", str(here / "key"))
    monkeypatch.setenv("DIGEST_SECRET_KEY", "from the variable")
    assert config.load().secret() == b"from the variable"


def test_a_secret_file_that_is_missing_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIGEST_SECRET_KEY_FILE", "not-there")
    with pytest.raises(ConfigError, match="not-there") as caught:
        config.load()
    assert caught.value.setting == "SECRET_KEY_FILE"


def test_a_secret_file_that_is_no_text_is_a_configuration_error(
    monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    (here / "key").write_bytes(b"\xff\xfe")
    monkeypatch.setenv("DIGEST_SECRET_KEY_FILE", str(here / "key"))
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert caught.value.setting == "SECRET_KEY_FILE"


@pytest.mark.parametrize("source", ["file", "environment", "secret file", "argument"])
def test_the_sender_may_come_from_everywhere_under_the_name_from(
    source: str, monkeypatch: pytest.MonkeyPatch, here: Path
) -> None:
    address, arguments = "digest@fieldnotes.example", {}
    if source == "file":
        write(f'from = "{address}"\n')
    elif source == "environment":
        monkeypatch.setenv("DIGEST_FROM", address)
    elif source == "secret file":
        (here / "from").write_text(address)
        monkeypatch.setenv("DIGEST_FROM_FILE", str(here / "from"))
    else:
        arguments = {"sender": address}
    assert config.load(**arguments).sender == address


def test_an_empty_variable_is_as_good_as_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_HOUR", "")
    assert config.load().hour == 8


# --- what is wrong -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "setting", "said"),
    [
        ('timezone = "Europe/Berln"', "TIMEZONE", "^TIMEZONE: “Europe/Berln” is not a time zone"),
        ("hour = 24", "HOUR", "“24” must be less than or equal to 23"),
        ("weekday = 7", "WEEKDAY", "less than or equal to 6"),
        ('base_url = "fieldnotes.example"', "BASE_URL", "“fieldnotes.example” must be an http"),
        ('base_url = "javascript:alert(1)"', "BASE_URL", "http"),
        ('base_url = "https://[::1"', "BASE_URL", "IPv6"),
        ('accent = "green"', "ACCENT", "pattern"),
        ('catch_up = "perhaps"', "CATCH_UP", "“perhaps” must be 'send' or 'skip'"),
        ("batch = 0", "BATCH", "greater than or equal to 1"),
        ('site_name = ""', "SITE_NAME", "“” must have at least 1"),
        ("keep_views_weeks = 5", "KEEP_VIEWS_WEEKS", "“5”: a mail looks back"),
    ],
)
def test_a_value_that_cannot_work_is_refused_by_name(line: str, setting: str, said: str) -> None:
    write(line)
    with pytest.raises(ConfigError, match=said) as caught:
        config.load()
    assert caught.value.setting == setting
    assert caught.value.hint


def test_a_wrong_sender_in_the_environment_is_called_from(monkeypatch: pytest.MonkeyPatch) -> None:
    write("from = 7\n")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert caught.value.setting == "FROM"


def test_a_spelling_mistake_in_the_file_is_refused_with_a_guess() -> None:
    write('smtp_ulr = "smtp://mail.example"\n')
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(caught.value) == "SMTP_ULR: is not a setting"
    assert caught.value.setting == "SMTP_ULR"
    assert caught.value.hint == "did you mean SMTP_URL?"


def test_a_table_in_the_file_is_refused() -> None:
    write("[digest]\nhour = 7\n")
    with pytest.raises(ConfigError, match=r"digest\.toml: settings stand at top level") as caught:
        config.load()
    assert "[digest]" in caught.value.hint


def test_a_folder_in_the_place_of_the_file_is_refused() -> None:
    config.FILE.mkdir()
    with pytest.raises(ConfigError, match=r"digest\.toml: is a folder"):
        config.load()


@pytest.mark.parametrize("setting", ["database_url", "smtp_url", "secret_key", "bounces_url"])
def test_a_value_that_may_be_secret_is_not_repeated(setting: str) -> None:
    write(f"{setting} = 1234567\n")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert "1234567" not in str(caught.value) + caught.value.hint


def test_a_spelling_mistake_in_the_environment_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_SMTP_ULR", "smtp://mail.example")
    monkeypatch.setenv("DIGEST_FROM", "digest@fieldnotes.example")
    monkeypatch.setenv("DIGEST_SECRET_KEY_FILE", "key")
    [mistake] = config.unknown_environment()
    assert mistake.setting == "DIGEST_SMTP_ULR"
    assert mistake.hint == "did you mean SMTP_URL?"


def test_a_file_that_is_not_toml_says_where() -> None:
    write("hour = \n")
    with pytest.raises(ConfigError, match="line 1") as caught:
        config.load()
    assert caught.value.setting == "digest.toml"


def test_a_file_that_is_not_utf_8_is_a_configuration_error() -> None:
    config.FILE.write_bytes(b'site_name = "\xff"\n')
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert caught.value.setting == "digest.toml"


def test_a_secret_is_never_shown_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIGEST_HOUR", "99")
    monkeypatch.setenv("DIGEST_SMTP_URL", "smtp://user:hunter2@mail.example")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_settings_cannot_be_changed_later() -> None:
    settings = config.load()
    with pytest.raises(ValueError, match="frozen"):
        settings.hour = 3  # type: ignore[misc]


def test_every_setting_says_what_it_means() -> None:
    assert [
        name for name, field in config.Settings.model_fields.items() if not field.description
    ] == []


# --- what stands in the way of real mail ---------------------------------------------------------


REAL = {
    "sender": "digest@orchard.example",
    "site_name": "The Orchard",
    "base_url": "https://digest.orchard.example",
    "postal_address": "1 Example Street, Example City",
}


def test_a_real_server_needs_a_sender_with_a_name_https_and_a_postal_address() -> None:
    problems = config.load().problems()
    assert [problem.setting for problem in problems] == [
        *("FROM", "SITE_NAME", "BASE_URL", "POSTAL_ADDRESS")
    ]
    assert all(problem.hint for problem in problems)


def test_with_all_four_there_is_no_problem() -> None:
    assert config.load(**REAL).problems() == []


def test_a_name_that_stands_in_the_file_counts_also_where_it_is_ours(here: Path) -> None:
    (here / "digest.toml").write_text('site_name = "Fieldnotes"\n')
    settings = config.load(**{name: value for name, value in REAL.items() if name != "site_name"})
    assert settings.problems() == []


@pytest.mark.parametrize(
    "base_url", ["https://127.0.0.1:8025", "https://localhost", "https://[::1]/d"]
)
def test_pages_that_only_this_machine_reaches_are_no_use_in_a_real_mail(base_url: str) -> None:
    (problem,) = config.load(**REAL | {"base_url": base_url}).problems()
    assert str(problem).startswith("BASE_URL: ")
    assert "this machine only" in str(problem)


def test_a_postal_address_of_spaces_is_none() -> None:
    (problem,) = config.load(**REAL | {"postal_address": " "}).problems()
    assert problem.setting == "POSTAL_ADDRESS"


# --- the secret that is made ---------------------------------------------------------------------


def test_the_secret_is_made_once_and_readable_by_its_owner_only(here: Path) -> None:
    key = config.load().secret()
    assert len(key) >= 32
    assert config.load().secret() == key
    kept = here / "var" / "secret-key"
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_secret_file_that_was_left_empty_is_refused(here: Path) -> None:
    """A start that died between making the file and filling it must not leave links unsigned."""
    (here / "var").mkdir()
    (here / "var" / "secret-key").touch()
    with pytest.raises(ConfigError) as caught:
        config.load().secret()
    assert caught.value.setting == "SECRET_KEY"
