"""Every error the product raises, divided by what the caller does next.

* retry later: :class:`TryLater`
* give up on this person, go on with the others: :class:`RecipientProblem`
* stop the run: :class:`StopRun`
* wait and try again: :class:`DatabaseUnavailable`
* tell the operator what to mend and exit 2: :class:`UsageError` and its kin

Reasons for *not* mailing somebody (skipped, suppressed) are values, never exceptions.
"""

from __future__ import annotations

import copyreg
from typing import Any


class DigestError(Exception):
    """Base of all errors: what happened, and, in ``hint``, what to do about it."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # Workers hand errors to their parent, and the arguments of these are not their attributes.
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class UsageError(DigestError, ValueError):
    """The operator asked for something that cannot be: exit code 2."""


class ConfigError(UsageError):
    """A setting is missing or cannot work; ``setting`` names it."""

    def __init__(self, setting: str, message: str, *, hint: str = "") -> None:
        super().__init__(f"{setting}: {message}", hint=hint)
        self.setting = setting


class DatabaseError(DigestError):
    """The database cannot be used as it is: missing, out of date, damaged."""


class DatabaseUnavailable(DatabaseError):
    """Trouble that may pass (locked, disk full, server away): the same work may be tried again."""


class TemplateError(DigestError):
    """A template is missing or wrong; ``template`` and ``line`` say where."""

    def __init__(self, template: str, line: int | None, message: str, *, hint: str = "") -> None:
        where = template if line is None else f"{template}, line {line}"
        super().__init__(f"{where}: {message}", hint=hint)
        self.template = template
        self.line = line


class InputError(DigestError, ValueError):
    """A whole input (file, folder, format) cannot be read; single bad rows are only rejects."""


class DnsUnavailable(DigestError):
    """Nobody could be asked what the DNS holds; that is no answer, neither yes nor no."""


class LinkError(DigestError, ValueError):
    """A signed link is forged, damaged, or of another purpose."""


class LinkExpired(LinkError):
    """A signed link was good once; ``user_id`` is whose it was."""

    def __init__(self, message: str, *, user_id: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.user_id = user_id


class SendError(DigestError):
    """The mail server did not take a message.

    ``code`` and ``enhanced`` are the reply (RFC 5321, RFC 3463), 0 and "" where there was none;
    ``phase`` is how far the transaction had come: "address" (not offered), "connect", "starttls",
    "auth", "mail", "rcpt", "data", "body".
    """

    def __init__(
        self,
        message: str,
        *,
        code: int = 0,
        enhanced: str = "",
        phase: str = "connect",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.code = code
        self.enhanced = enhanced
        self.phase = phase


class TryLater(SendError):
    """Transient: nothing was delivered, the same message may be offered again later."""


class RecipientProblem(SendError):
    """Permanent for this recipient: do not offer again."""


class DeliveryUnknown(SendError):
    """The connection broke after the data was handed over: delivered or not, nobody can say."""


class StopRun(SendError):
    """The server refuses us as a whole (authentication, TLS): stop before the next message."""
