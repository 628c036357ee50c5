"""Certificates that tests make for themselves."""

from __future__ import annotations

import ssl
import subprocess
from pathlib import Path


def make_certificate(
    folder: Path, names: str = "IP:127.0.0.1", days: int = 2
) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A server's context with a certificate for ``names``, and a client's that trusts it.

    ``cert.pem`` and ``key.pem`` stay in ``folder``.
    """

    def openssl(*words: str) -> None:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)

    kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    subject = ["-subj", "/CN=mail.example", "-addext", f"subjectAltName={names}"]
    openssl("req", "-new", *kind, *subject, "-keyout", "key.pem", "-out", "wish.pem")
    signed = ["-signkey", "key.pem", "-copy_extensions", "copy", "-days", f"{days}"]
    openssl("x509", "-req", "-in", "wish.pem", *signed, "-out", "cert.pem")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=str(folder / "cert.pem"))
