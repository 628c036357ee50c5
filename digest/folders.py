"""Where templates and catalogues are: in a checkout, in an installed wheel, or from elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from digest.errors import TemplateError

_PACKAGE = Path(__file__).resolve().parent


def template_folders(
    area: str, *, overrides: Path | None = None, extra: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """The folders to look for a template of ``area`` ("email", "web") in, first match wins.

    The operator's ``overrides`` come first, then the product's own, then ``extra`` ones (sections
    from elsewhere). Each is laid out like ``templates/`` itself; those without ``area`` are left
    out, except that overrides that are not a folder at all are a :class:`TemplateError`.
    """
    if overrides is not None and not overrides.is_dir():
        raise TemplateError(
            str(overrides), None, "is not a folder", hint="make it, or name no folder of overrides"
        )
    roots = (*([overrides] if overrides is not None else []), _own(), *extra)
    return tuple(root / area for root in roots if (root / area).is_dir())


def catalogue_folders(
    *, overrides: Path | None = None, extra: Sequence[Path] = ()
) -> tuple[Path, ...]:
    """The folders of catalogues, ``<language>/LC_MESSAGES/digest.po``, first match wins.

    Ours are ``digest/locale``; others stand as ``locale`` beside the ``email`` of their templates.
    """
    roots = (*([overrides] if overrides is not None else []), _PACKAGE, *extra)
    return tuple(root / "locale" for root in roots if (root / "locale").is_dir())


def _own() -> Path:
    for root in (_PACKAGE / "templates", _PACKAGE.parent / "templates"):
        if (root / "email").is_dir():
            return root
    raise TemplateError("templates", None, "the product's own templates are missing")
