"""A company's network: a proxy, a certificate authority of its own, a header on everything."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from spaces_sdk import Spaces
from spaces_sdk.errors import TransportError
from spaces_sdk.events import MessageReceived
from tests.integration.people import LocalPeople

pytestmark = pytest.mark.integration

HOST = "spaces.test"


@dataclass
class Company:
    """What stands between the SDK and the stack.

    Attributes:
        proxy: Its URL.
        certificate: Of the authority, as a file.
        tunnels: What the proxy was asked for.
        heads: The beginning of what came through each connection, decrypted.
    """

    proxy: str
    certificate: Path
    tunnels: list[bytes] = field(default_factory=list[bytes])
    heads: list[bytes] = field(default_factory=list[bytes])

    def context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.certificate))


def make_certificate(folder: Path) -> Path:
    """A certificate for HOST that vouches for itself, and its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "company.pem"
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(secret + certificate.public_bytes(serialization.Encoding.PEM))
    return path


async def pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError, ssl.SSLError):
        while data := await reader.read(16_384):
            writer.write(data)
            await writer.drain()
    writer.close()


async def join(near: tuple[asyncio.StreamReader, asyncio.StreamWriter], port: int, first: bytes = b"") -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(first)
    await asyncio.gather(pipe(near[0], writer), pipe(reader, near[1]))


@asynccontextmanager
async def company_of(stack_url: str, folder: Path) -> AsyncGenerator[Company]:
    """A proxy that knows one host, and that host: TLS in front of the stack."""
    stack_port = urlsplit(stack_url).port or 0
    made = Company("", make_certificate(folder))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate)

    async def front(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        made.heads.append(head)
        await join((reader, writer), stack_port, head)

    tls = await asyncio.start_server(front, "127.0.0.1", 0, ssl=context)
    tls_port: int = tls.sockets[0].getsockname()[1]

    async def proxy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        made.tunnels.append(head.partition(b" HTTP")[0])
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await join((reader, writer), tls_port)

    plain = await asyncio.start_server(proxy, "127.0.0.1", 0)
    made.proxy = f"http://127.0.0.1:{plain.sockets[0].getsockname()[1]}"
    async with plain, tls:
        yield made
        plain.close()
        tls.close()


async def test_proxy_tls_and_headers_reach_http_and_realtime(local_people: LocalPeople, tmp_path: Path) -> None:
    email, password = await local_people.account("Ada")
    key = local_people.project.publishable_key
    async with company_of(local_people.project.url, tmp_path) as company:
        async with Spaces(f"https://{HOST}", key, proxy=company.proxy) as stranger:
            with pytest.raises(TransportError, match="certificate"):
                await stranger.auth.sign_in_with_password(email=email, password=password)
        assert company.heads == [], "nothing was said to whom it does not trust"

        async with Spaces(
            f"https://{HOST}",
            key,
            proxy=company.proxy,
            ssl=company.context(),
            headers={"X-Company": "seven"},
        ) as spaces:
            await spaces.auth.sign_in_with_password(email=email, password=password)
            room = await spaces.rooms.create_room("Through the proxy")
            async with spaces.join(room.id, display_name="Ada") as session:
                await session.send("hello")
                async for event in session.events():
                    if isinstance(event, MessageReceived) and event.message.content == "hello":
                        break
        assert set(company.tunnels) == {f"CONNECT {HOST}:443".encode()}
        upgrades = [head for head in company.heads if head.startswith(b"GET /realtime/")]
        assert len(upgrades) == 1
        assert len(company.heads) > 1
        assert all(b"x-company: seven" in head.lower() for head in company.heads)
