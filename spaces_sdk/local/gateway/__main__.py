"""`python -m spaces_sdk.local.gateway`: serves on the inherited socket until SIGTERM."""

from __future__ import annotations

import logging
import socket

import uvicorn

from spaces_sdk.local.gateway.app import make_app
from spaces_sdk.local.gateway.keys import KeyRing
from spaces_sdk.local.gateway.settings import GatewaySettings
from spaces_sdk.local.gateway.tunnel import tunnel_protocol

_SHUTDOWN_S = 3


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    logging.getLogger("httpx").setLevel(logging.WARNING)
    settings = GatewaySettings.from_stdin()
    keys = KeyRing(
        publishable_key=settings.publishable_key, secret_key=settings.secret_key, jwt_secret=settings.jwt_secret
    )
    config = uvicorn.Config(
        make_app(settings, keys),
        ws=tunnel_protocol(keys, settings.realtime_port),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,  # no proxy stands before it
        timeout_keep_alive=75,
        timeout_graceful_shutdown=_SHUTDOWN_S,
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=settings.listen_fd)])


if __name__ == "__main__":
    main()
