"""Every setting, and what stands in the way of sending."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import AliasChoices, Field, SecretStr, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from digest import window
from digest.config.secret_key import kept
from digest.config.sources import FROM, PREFIX, SecretFiles, TomlFile
from digest.errors import ConfigError

NO_SENDER = "digest@localhost.invalid"
_NO_SITE = "http://127.0.0.1:8025"


class Settings(BaseSettings):
    """Every setting, its meaning and its default; docs/configuration.md lists them all."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, extra="forbid", populate_by_name=True, frozen=True, env_ignore_empty=True
    )

    database_url: str = Field("sqlite:///var/digest.db", description="where the data lives")
    database_patience_seconds: float = Field(
        600, ge=0, description="how long a run waits for a database in trouble that may pass"
    )
    smtp_url: SecretStr | None = Field(
        None,
        description="the mail server: smtp://[user:pass@]host:port, smtps://…,"
        " ?starttls=require|never; none: the embedded mailbox",
    )
    sender: str = Field(
        NO_SENDER,
        validation_alias=AliasChoices(FROM),
        description="the From address of every mail",
    )
    bounce_address: str = Field(
        "", description="where bounces go: the envelope sender, with +<token>; empty: FROM"
    )
    bounces_url: SecretStr | None = Field(
        None, description="the mailbox of bounces: imaps://user:password@host[:port]/Mailbox"
    )
    soft_bounces: int = Field(
        3, ge=1, description="periods with a soft bounce before an address is suppressed"
    )
    dkim_keys: str = Field(
        "", description="selector:file of the private keys that sign mails; empty: no DKIM"
    )
    dkim_domain: str = Field(
        "", description="the domain that DKIM signs for; empty: the domain of FROM"
    )
    dns_server: str = Field(
        "", description="the name server asked for the sender's records; empty: the system's"
    )
    reply_to: str = Field("", description="where answers to a mail go; empty: to FROM")
    site_name: str = Field("Fieldnotes", description="what readers call the platform", min_length=1)
    base_url: str = Field(_NO_SITE, description="where the recipient pages are reached")
    write_url: str = Field(
        "", description="where an author writes a new post; empty: the site of their posts"
    )
    postal_address: str = Field("", description="the sender's postal address, in the footer")
    accent: str = Field(
        "#0b6b57", description="the one accent colour", pattern=r"^#[0-9a-fA-F]{6}$"
    )
    logo_url: str = Field("", description="an https address of the logo; empty: the name in type")
    brand_accounts: str = Field(
        "", description="ids of users that speak for an organisation, with spaces between them"
    )
    suggest_people: bool = Field(
        False, description="name members to each other: you say that they agreed to it"
    )
    templates: Path | None = Field(None, description="a folder whose templates override ours")
    secret_key: SecretStr | None = Field(
        None, description="signs links and Message-IDs; none: one is made and kept in VAR"
    )
    old_secret_keys: SecretStr | None = Field(
        None, description="keys that signed links before SECRET_KEY, with spaces between them"
    )
    var: Path = Field(Path("var"), description="the folder for what the program itself keeps")

    locale: str = Field(
        "en", description="the language of readers whose own is unknown or not spoken here"
    )
    timezone: str = Field("UTC", description="the zone of users whose own is unknown")
    weekday: int = Field(0, ge=0, le=6, description="the day digests are sent, 0 = Monday")
    hour: int = Field(8, ge=0, le=23, description="the local hour digests are sent")
    quiet_weeks: Literal["once", "always", "never"] = Field(
        "once", description="mail a quiet week: the first in a row, every one, or none"
    )
    adaptive_cadence: bool = Field(
        True, description="mail authors less often while they do not post, and say so"
    )
    catch_up: Literal["send", "skip"] = Field(
        "send", description="what becomes of a digest whose hour passed while nothing ran"
    )
    max_lateness_hours: int = Field(
        36, ge=1, description="how late the daemon still sends; later is skipped"
    )
    tick_seconds: float = Field(300, gt=0, description="how often the daemon looks who is due")

    batch: int = Field(250, ge=1, le=10_000, description="users per batch of queries")
    workers: int = Field(
        0, ge=0, le=64, description="most processes that send side by side; 0: one per core"
    )
    connections: int = Field(10, ge=1, le=100, description="SMTP connections per process")
    messages_per_connection: int = Field(
        100, ge=1, description="messages before a connection is replaced"
    )
    rate: float = Field(
        0, ge=0, description="messages a second at most, over all connections; 0: no limit"
    )
    rate_per_domain: int = Field(
        0, ge=0, description="messages a minute at most to one recipient domain; 0: no limit"
    )
    pause_seconds: float = Field(
        30, gt=0, description="the first pause when the mail server is in trouble; it doubles"
    )
    pause_cap_seconds: float = Field(900, gt=0, description="the longest of these pauses")
    server_patience_seconds: float = Field(
        4500, ge=0, description="how long a run waits for a mail server in trouble, in all"
    )
    on_unknown: Literal["resend", "hold"] = Field(
        "resend", description="a mail that may or may not have arrived: again, or wait for a person"
    )
    retry_base_seconds: float = Field(300, gt=0, description="the first wait after a deferral")
    retry_cap_seconds: float = Field(14_400, gt=0, description="the longest wait between attempts")
    max_attempts: int = Field(12, ge=1, description="attempts before a delivery fails for good")
    lease_seconds: float = Field(
        900, ge=1, description="how long a claim lasts without a heartbeat"
    )

    keep_views_weeks: int = Field(
        0, ge=0, description="how long views and reactions are kept; 0: for ever"
    )
    keep_snapshots_weeks: int = Field(
        0, ge=0, description="how long mails' numbers and words, and guesses, are kept; 0: for ever"
    )
    keep_ledger_weeks: int = Field(
        0, ge=0, description="how long deliveries, bounces and runs are kept; 0: for ever"
    )

    @field_validator("keep_views_weeks", "keep_snapshots_weeks", "keep_ledger_weeks")
    @classmethod
    def _is_long_enough(cls, value: int, info: ValidationInfo) -> int:
        # 26 earlier weeks for comparisons, the week of the mail, and one that is not over; the
        # rest is for mails that are late.
        least = 30 + info.data.get("max_lateness_hours", 0) // 168
        if 0 < value < least:
            raise ValueError(f"a mail looks back on half a year: at least {least}, or 0 for ever")
        return value

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, value: str) -> str:
        window.zone(value)
        return value

    @field_validator("base_url", "write_url", "logo_url")
    @classmethod
    def _is_web_address(cls, value: str) -> str:
        parts = urlsplit(value)
        if value and (parts.scheme not in {"http", "https"} or not parts.hostname):
            raise ValueError("must be an http(s) address")
        return value.rstrip("/")

    @property
    def max_lateness(self) -> timedelta:
        """How late the daemon still sends."""
        return timedelta(hours=self.max_lateness_hours)

    @property
    def brands(self) -> frozenset[str]:
        """The users that speak for an organisation."""
        return frozenset(self.brand_accounts.split())

    @property
    def mailbox(self) -> Path:
        """Where the embedded mailbox keeps its messages."""
        return self.var / "mailbox"

    @property
    def locks(self) -> Path:
        """Where live runs hold their locks."""
        return self.var / "runs"

    def secret(self) -> bytes:
        """The key that signs links; made once and kept, readable by its owner only."""
        file = self.var / "secret-key"
        if self.secret_key is not None:
            key = self.secret_key.get_secret_value().encode()
        else:
            key = kept(file)
        if not key:
            raise ConfigError("SECRET_KEY", "is empty", hint=f"set it, or remove {file}")
        return key

    def signing_keys(self) -> list[bytes]:
        """Every key whose links are accepted, oldest first; the last one signs."""
        old = self.old_secret_keys.get_secret_value().split() if self.old_secret_keys else []
        return [*(key.encode() for key in old), self.secret()]

    def problems(self) -> list[ConfigError]:
        """What stands in the way of sending to a server that is not on the loopback."""
        site = urlsplit(self.base_url)
        needed = [
            (self.sender != NO_SENDER, "FROM", "is not set", 'for example "digest@your-site.org"'),
            (
                "site_name" in self.model_fields_set,
                "SITE_NAME",
                "is not set",
                "mails name their sender: write what readers call your platform",
            ),
            (
                site.scheme == "https",
                "BASE_URL",
                f"“{self.base_url}” is not https",
                "unsubscribe links of real mails must be https (RFC 8058)",
            ),
            (
                site.scheme != "https" or not _is_here(site.hostname or ""),
                "BASE_URL",
                f"“{self.base_url}” is this machine only",
                "name the address under which readers reach the pages",
            ),
            (
                bool(self.postal_address.strip()),
                "POSTAL_ADDRESS",
                "is not set",
                "bulk mail must name a postal address of its sender",
            ),
        ]
        return [ConfigError(name, what, hint=hint) for met, name, what, hint in needed if not met]

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Arguments first, then the environment, then files it names, then digest.toml."""
        del dotenv_settings, file_secret_settings
        return init_settings, env_settings, SecretFiles(settings_cls), TomlFile(settings_cls)


def _is_here(host: str) -> bool:
    """Whether a host name means this machine and no other."""
    return host in {"localhost", "::1"} or host.endswith(".localhost") or host.startswith("127.")
