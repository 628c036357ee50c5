"""The baseline: the same libraries, used as their documentation shows.

A query per user and fact through the ORM, premailer on every rendered page, ``EmailMessage``, and a
connection per mail. It sends the product's own template, so that only the manner differs.
"""

from __future__ import annotations

from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
from premailer import Premailer
from sqlmodel import Session, create_engine, func, select

from digest.compose import Snapshot
from digest.models import Post, User, View
from digest.render import Brand, MailLinks, Renderer

LINKS = MailLinks("https://site.example/u/x", "https://site.example/v/x", "https://site.example/c")


async def send(file: Path, snapshots: list[Snapshot], port: int) -> None:
    """Send one mail per snapshot, the way a tutorial would."""
    renderer = Renderer(Brand("Fieldnotes", "https://site.example"), inlined=False)
    with Session(create_engine(f"sqlite:///{file}")) as session:
        for snapshot in snapshots:
            user = session.exec(select(User).where(User.id == snapshot.user)).one()
            _query_week(session, snapshot)
            rendered = renderer.render(snapshot, LINKS)
            page = Premailer(
                rendered.html,
                css_text=renderer.stylesheet.css,
                allow_network=False,
                cssutils_logging_level=50,
            ).transform()
            message = EmailMessage()
            message["From"] = "digest@site.example"
            message["To"] = user.email
            message["Subject"] = rendered.subject
            message.set_content(rendered.text)
            message.add_alternative(page, subtype="html")
            await aiosmtplib.send(message, hostname="127.0.0.1", port=port, start_tls=False)


def _query_week(session: Session, snapshot: Snapshot) -> None:
    """The week's posts and views, and the ten weeks before it, one question at a time."""
    posts = session.exec(select(Post).where(Post.author_id == snapshot.user)).all()
    ids = [post.id for post in posts]
    for weeks in range(11):
        start = snapshot.start - timedelta(weeks=weeks)
        week = (View.post_id.in_(ids), View.at >= start, View.at < start + timedelta(weeks=1))  # type: ignore[attr-defined]
        if weeks:
            session.exec(select(func.sum(View.count)).where(*week)).one()
        else:
            session.exec(select(View).where(*week)).all()
