"""What several commands are told in the same words."""

from __future__ import annotations

from typing import Annotated

import typer

UserId = Annotated[str, typer.Argument(help="the user's id, as the platform knows it")]
Users = Annotated[list[str] | None, typer.Option("--user", help="only this user (repeatable)")]
Week = Annotated[str | None, typer.Option(help="an ISO week such as 2026-W46")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON document")]
Host = Annotated[str, typer.Option(help="address to listen on")]
Port = Annotated[int, typer.Option(min=0, max=65535, help="port to listen on")]
LISTED = 100
"""Users in a list, unless more are asked for."""
Limit = Annotated[int, typer.Option(min=1, help="list at most so many")]
