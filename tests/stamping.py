"""A time-stamping authority that nobody here wrote: `openssl ts` behind HTTP, with a certificate of its own."""

import asyncio
import contextlib
import datetime as dt
import shutil

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

OPENSSL = shutil.which("openssl")
CONFIG = """
[ts]
serial = serial
crypto_device = builtin
signer_cert = leaf.pem
certs = ca.pem
signer_key = leaf.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha384, sha512
ordering = no
tsa_name = no
ess_cert_id_chain = no
ess_cert_id_alg = sha256
"""


def named(text):
    return x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, text), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Tests")]
    )


def chain(folder, usage, *, critical=True):
    """A certificate authority and a certificate of one purpose: ca.pem, leaf.pem, leaf.key, chain.pem in a folder."""
    now = dt.datetime.now(dt.UTC)
    root, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())

    def built(subject, public, basic, signs, certifies):
        use = x509.KeyUsage(signs, False, False, False, False, certifies, certifies, False, False)
        return (
            x509.CertificateBuilder().subject_name(named(subject)).issuer_name(named("CA")).public_key(public)
            .serial_number(x509.random_serial_number()).not_valid_before(now - dt.timedelta(days=1))
            .not_valid_after(now + dt.timedelta(days=30)).add_extension(basic, True).add_extension(use, True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(root.public_key()), False)
        )  # fmt: skip

    ca = built("CA", root.public_key(), x509.BasicConstraints(True, None), False, True).sign(root, hashes.SHA256())
    leaf = built("Leaf", key.public_key(), x509.BasicConstraints(False, None), True, False)
    leaf = leaf.add_extension(x509.ExtendedKeyUsage([usage]), critical).sign(root, hashes.SHA256())
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "ca.pem").write_bytes(ca.public_bytes(Encoding.PEM))
    (folder / "leaf.pem").write_bytes(leaf.public_bytes(Encoding.PEM))
    (folder / "chain.pem").write_bytes(leaf.public_bytes(Encoding.PEM) + ca.public_bytes(Encoding.PEM))
    (folder / "leaf.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder


def authority(folder):
    """The folder of an authority: what `openssl ts` needs."""
    chain(folder, ExtendedKeyUsageOID.TIME_STAMPING)
    (folder / "ts.cnf").write_text(CONFIG)
    (folder / "serial").write_text("01\n")
    return folder


async def reply(folder, query):
    """What the authority answers, DER."""
    (folder / "query").write_bytes(query)
    process = await asyncio.create_subprocess_exec(
        OPENSSL, "ts", "-reply", "-config", "ts.cnf", "-section", "ts", "-queryfile", "query", "-out", "answer",
        cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    said, _ = await process.communicate()
    assert process.returncode == 0, said.decode()
    return (folder / "answer").read_bytes()


@contextlib.asynccontextmanager
async def answering(folder, change=lambda answer: answer):
    """The authority on a port of its own; its address."""

    async def serve(reader, writer):
        head = (await reader.readuntil(b"\r\n\r\n")).decode().casefold()
        length = int(head.partition("content-length: ")[2].partition("\r\n")[0])
        answer = change(await reply(folder, await reader.readexactly(length)))
        kind = b"Content-Type: application/timestamp-reply"
        writer.write(b"HTTP/1.1 200 OK\r\n%b\r\nContent-Length: %d\r\n\r\n" % (kind, len(answer)) + answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
