"""Commands that only look: nothing is stored or sent by them."""

from __future__ import annotations

from typing import Annotated

import typer

from digest import checks, config, console, look, planning
from digest.cli.app import LOOKING, app
from digest.cli.opening import clock, enrol, opened
from digest.cli.options import LISTED, AsJson, Limit, UserId, Users, Week
from digest.deciding import workshop
from digest.errors import UsageError
from digest.ledger import Scope
from digest.models import State
from digest.window import Period


@app.command(rich_help_panel=LOOKING)
def status(
    week: Week = None,
    state: Annotated[str | None, typer.Option(help="also list the users in this state")] = None,
    limit: Limit = LISTED,
    *,
    as_json: AsJson = False,
) -> int:
    """Count the deliveries of a week per state and reason; they sum to the audience."""
    settings = config.load()
    if state is not None and state not in {*State, look.UNPLANNED}:
        states = ", ".join([*State, look.UNPLANNED])
        raise UsageError(f"there is no state {state}", hint=f"one of: {states}")
    again = None
    with opened(settings) as database:
        found = look.status(
            database, str(Period.parse(week)) if week else look.latest_week(database, clock())
        )
        if state is not None:
            found["users"] = look.members(database, found["week"], state, limit)
        if state == State.DEFERRED:
            again = look.next_attempt(database, Scope((found["week"],)))
    if as_json:
        console.print_json(found)
    else:
        console.print_status(found)
        if state is not None:
            console.print_members(found["users"], found["states"].get(state, 0))
        console.print_next_attempt(again)
    return 0


@app.command(rich_help_panel=LOOKING)
def explain(user: UserId, week: Week = None, *, as_json: AsJson = False) -> int:
    """Show every gate between a user and their mail, and the one that decided."""
    settings = config.load()
    with opened(settings) as database:
        found = look.explain(workshop(database, settings), user, week, clock())
    if as_json:
        console.print_json(found)
    else:
        console.print_explanation(found)
    return 0


@app.command(rich_help_panel=LOOKING)
def backtest(
    weeks: Annotated[int, typer.Option(min=1, max=26, help="how many full weeks")] = 4,
    user: Users = None,
    *,
    as_json: AsJson = False,
) -> int:
    """Rebuild past weeks from the data: who would get what, and what differs from what was sent."""
    from digest import backtest as rebuilding

    settings = config.load()
    with opened(settings) as database:
        shop = workshop(database, settings)
        with console.progress("Rebuilding", "mails") as update:
            found = list(
                rebuilding.backtest(
                    shop,
                    clock(),
                    weeks,
                    tuple(user or ()),
                    progress=lambda done, week: update(done, None, week),
                )
            )
    if as_json:
        console.print_json([week.as_json() for week in found])
    else:
        console.print_backtest([week.as_json() for week in found])
    return 0


@app.command(rich_help_panel=LOOKING)
def schedule(
    user: Annotated[str | None, typer.Option(help="the next sends of this user")] = None,
    *,
    as_json: AsJson = False,
) -> int:
    """List the next sends in each reader's own time, changes of the clock included."""
    settings, now = config.load(), clock()
    with opened(settings) as database:
        enrol(database, settings)
        with database.reading() as session:
            if user is not None:
                planning.require_known(session, [user])
            rows = look.upcoming(session, settings, user, now)
    if as_json:
        console.print_json(rows)
    else:
        console.print_schedule(rows, now)
    return 0


@app.command(rich_help_panel=LOOKING)
def check() -> int:
    """Look at configuration, database, templates and mail server; say what is wrong."""
    found = checks.run_checks(clock())
    console.print_checks(found)
    return 2 if any(finding.is_wrong for finding in found) else 0
