"""A page that does nothing, served as ours are: what the framework and the server cost alone."""

from __future__ import annotations

import sys

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from digest.web import listen


async def hello(request: Request) -> Response:
    """Read what was sent and greet."""
    await request.body()
    return PlainTextResponse("hello")


def main() -> None:
    """Serve on the port that is named."""
    app = Starlette(routes=[Route("/hello", hello, methods=["POST"])])
    config = uvicorn.Config(app, access_log=False, log_config=None, ws="none", lifespan="off")
    with listen("127.0.0.1", int(sys.argv[1])) as listening:
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
