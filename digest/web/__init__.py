"""The pages: what recipients open from their mail, and what the operator sees on this machine."""

from digest.web.app import create_app, listen, serve, server

__all__ = ["create_app", "listen", "serve", "server"]
