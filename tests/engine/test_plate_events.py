"""A plate camera that speaks MQTT, on the real engine: from PUBLISH to the alert, and a foreign client under TLS."""

import asyncio
import datetime as dt
import json
import os
import shutil
import subprocess
from datetime import UTC

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from prometheus_client import CollectorRegistry
from tests import publishing
from tests.engine.test_reads import house, items, until  # noqa: F401 - a fixture is found by its name

from saqtau.bootstrap.intake import events_taking
from saqtau.bootstrap.plate_events import tls_of
from saqtau.config import Intake
from saqtau.devices.http import token_digest
from saqtau.devices.onvif.server import Events, listening
from saqtau.devices.taking import Taking
from saqtau.engine.registry import NOTHING, read_registers
from saqtau.kernel.errors import Refused

pytestmark = pytest.mark.anyio

TOKEN = "t" * 43
TOPIC = "c1/onvif-ej/RuleEngine/Recognition/LicensePlate/&1/Gate"


def event(plate, at):
    moment = dt.datetime.fromtimestamp(at / 1000, UTC).isoformat(timespec="milliseconds")
    data = {"Likelihood": 0.98, "ObjectId": "1", "LicensePlateInfo": {"PlateNumber": plate}, "Speed": 15.0}
    return json.dumps({"UtcTime": moment, "Source": {"VideoSource": "1"}, "Data": data}).encode()


@pytest.fixture
def certificate(tmp_path):
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    day = dt.timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(1)
        .not_valid_before(dt.datetime.now(UTC) - day).not_valid_after(dt.datetime.now(UTC) + day)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    pem, secret = tmp_path / "mqtt.pem", tmp_path / "mqtt.key"
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    secret.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return pem, secret


@pytest.fixture
async def intake(house):  # noqa: F811
    """The input as the intake has it: the register's own tokens, the journal, the quarantine of the record."""
    await house.pg.execute("update camera set token_hash = $1 where id = 'c1'", token_digest(TOKEN))
    await house.pg.execute("update register_revision set revision = revision + 1")
    async with house.pool.acquire() as pg:
        registers = await read_registers(pg, NOTHING, house.now)
    registry = CollectorRegistry()
    kept = events_taking(house.pool, house.packer, lambda: house.now, registry)
    assert isinstance(kept, Taking)
    return Events(cameras=registers.by_token.get, taking=kept, registry=registry)


async def test_a_plate_published_over_mqtt_opens_an_alert(house, intake):  # noqa: F811
    async with listening(intake, "127.0.0.1", 0, None) as port, publishing.camera(port) as camera:
        assert await camera.ask(publishing.connect("c1", TOKEN)) == b"\x20\2\0\0"
        for number in (1, 2):
            assert await camera.ask(publishing.publish(TOPIC, event("777AAA02", house.now), number)) == bytes(
                [0x40, 2, 0, number]
            )
        assert await camera.ask(publishing.publish(TOPIC, b"{", 3)) == b"\x40\2\0\3"
    (found,) = await until(lambda: items(house, "dangerous_drivers"))
    assert json.loads(found["data"])["plate"] == "777AAA02"
    kept = await house.pg.fetchrow("select source, camera, reason, raw from quarantine")
    assert tuple(kept) == ("device", "c1", "body", b"{")


@pytest.mark.skipif(
    shutil.which("mosquitto_pub") is None and os.environ.get("CI") != "true",
    reason="no mosquitto_pub here (Debian: mosquitto-clients): a client that nobody here wrote",
)
async def test_a_client_that_nobody_here_wrote_publishes_under_tls(house, intake, certificate):  # noqa: F811
    pem, secret = certificate
    tls = tls_of(Intake(mqtt_host="0.0.0.0", mqtt_port=1, mqtt_certificate=pem, mqtt_key=secret))
    async with listening(intake, "127.0.0.1", 0, tls) as port:

        def publish(token, quality):
            return subprocess.run(
                ["mosquitto_pub", "-h", "localhost", "-p", str(port), "--cafile", str(pem), "-u", "c1", "-P", token,
                 "-q", quality, "-r", "-t", TOPIC, "-m", event("777AAA02", house.now).decode()],
                capture_output=True, check=False, timeout=30,
            )  # fmt: skip

        refused = await asyncio.to_thread(publish, "w" * 43, "1")
        assert refused.returncode != 0
        assert b"not authorised" in refused.stderr.lower()
        for quality in ("1", "2"):
            told = await asyncio.to_thread(publish, TOKEN, quality)
            assert told.returncode == 0, told.stderr
    assert len(await until(lambda: items(house, "dangerous_drivers"))) == 1


def test_it_never_stands_open():
    assert tls_of(Intake(mqtt_port=1)) is None
    with pytest.raises(Refused) as refused:
        tls_of(Intake(mqtt_port=1, mqtt_host="0.0.0.0"))
    assert refused.value.fields == {"intake.mqtt_certificate": "missing"}
