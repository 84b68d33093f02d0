"""What every process of Saqtau stands on: its folder, its addresses, its law, its desks, the clock."""

import hashlib
import secrets
from datetime import date
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from saqtau import jurisdiction, policies
from saqtau.bootstrap.time import now
from saqtau.config import Config
from saqtau.desks.dangerous_drivers.rules import Limits
from saqtau.engine import broker, postgres
from saqtau.engine.access import Access
from saqtau.engine.broker import Broker
from saqtau.engine.history import History
from saqtau.engine.keys import Keys, Signers, open_seed
from saqtau.engine.late import Late
from saqtau.engine.ledger import Ledger
from saqtau.engine.place import Place, open_place, password
from saqtau.engine.postgres import Server
from saqtau.engine.sealing import Keeping
from saqtau.jurisdiction import Jurisdiction
from saqtau.kernel.clock import DAY, SECOND
from saqtau.kernel.desk import Desks, discover, gather
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import uuid7_source
from saqtau.kernel.rights import must_be_lawful
from saqtau.kernel.terms import Calendar, parse_term

__all__ = ["Ground", "calendar_of", "ids", "links", "now", "stand"]

ids = uuid7_source(now, secrets.token_bytes)


class Ground(msgspec.Struct, frozen=True, kw_only=True):
    """Opened once a process."""

    config: Config
    place: Place
    law: Jurisdiction
    desks: Desks
    calendar: Calendar

    @property
    def map(self) -> Path:
        """Graph and tiles."""
        return self.place.folder / "map"

    @property
    def blobs(self) -> Path:
        """Pictures."""
        return self.place.folder / "blobs"

    @property
    def history(self) -> Path:
        """Sealed reads."""
        return self.place.folder / "history"

    def open_history(self) -> History:
        """The sealed reads; plates stand in access entries as hashes under a key of this folder."""
        return History(self.history, password(self.place, "plate-objects").encode()[:64])

    @property
    def authority(self) -> str:
        """The name the logs of this authority begin with."""
        return self.config.ledger.authority

    @property
    def keys(self) -> Keys:
        """The keys of the ledger's records: files, outside of the database and its backups."""
        return Keys(self.place.folder / "keys")

    @property
    def signers(self) -> Signers:
        """The keys of this authority's logs, and its own, which signs the list of them. Raises Refused (seed)."""
        return Signers(self.authority, open_seed(self.place.secrets))

    @property
    def mirror_token(self) -> Path:
        """The file with the token that a witness copies the log with; made at the first call unless one is named."""
        named = self.config.ledger.mirror_token
        if named is None:
            password(self.place, "mirror-token")
        return named or self.place.secrets / "mirror-token"

    def open_ledger(self, pool: Any) -> Ledger:
        """The logs of this authority. pool: of the ledger's own, a few connections. Raises Refused (seed)."""
        return Ledger(pool, self.signers, self.keys, now, secrets.token_bytes)

    def open_late(self, js: Any) -> Late:
        """Where entries of help wait while the ledger cannot write; sealed under a key of this folder."""
        key = hashlib.sha256(password(self.place, "late-entries").encode()).digest()
        return Late(js, key, secrets.token_bytes)

    def open_access(self, ledger: Ledger, js: Any, pool: Any) -> Access:
        """The one door to protected data, under the policies of this release. Raises Refused: then nothing starts."""
        return Access(ledger, policies.load(), now, ids, self.open_late(js), pg=pool)

    @property
    def keeping(self) -> Keeping:
        """How long what is kept, as the jurisdiction's table says."""
        terms = {name: parse_term(term).millis for name, term in self.law.retention.classes.items()}
        window = round(self.window_seconds * SECOND)
        return Keeping(history=terms, positions=terms["positions"], recent=2 * window)

    @property
    def window_seconds(self) -> float:
        """How long a read that hits nothing may be remembered."""
        return parse_term(self.config.reads.window or self.law.reads.window).millis / SECOND

    @property
    def limits(self) -> Limits:
        """Figures of the dangerous drivers' desk."""
        return Limits(tolerance=self.law.tolerance.kmh, dangerous=self.law.dangerous_speed.kmh)

    def server(self, *roles: str) -> Server:
        """PostgreSQL, for a process that may be these roles."""
        if self.config.engine.postgres is None:
            return postgres.own_server(self.place, roles)
        return postgres.given_server(self.place, self.config.engine.postgres, self.config.engine.postgres_admin, roles)

    def broker(self) -> Broker:
        """NATS."""
        engine = self.config.engine
        if engine.nats is None:
            return broker.own_broker(self.place)
        return broker.given_broker(self.place, engine.nats, engine.nats_password, engine.replicas)

    def pictures(self) -> Broker:
        """NATS as recorder and web alone know it: live pictures. No other part asks for this password."""
        engine = self.config.engine
        if engine.nats is None:
            return broker.own_pictures(self.place)
        return broker.given_pictures(self.place, engine.nats, engine.nats_pictures_password)


def stand(config: Config) -> Ground:
    """Open the folder, read the law, and check every desk against the rules of rights.

    Raises Refused (folder, jurisdiction) and ValueError for a desk that breaks a rule: then nothing starts.
    """
    law = jurisdiction.load(config.jurisdiction)
    window = parse_term(config.reads.window or law.reads.window)
    if window.working_days or window.millis > DAY:
        raise Refused(Kind.INVALID, "[reads] window: at most a day", **{"reads.window": "too_long"})
    desks = tuple(discover("saqtau.desks"))
    must_be_lawful(*desks)
    return Ground(
        config=config,
        place=open_place(config.engine.folder),
        law=law,
        desks=gather(*desks),
        calendar=calendar_of(law),
    )


def calendar_of(law: Jurisdiction) -> Calendar:
    """Working days of the jurisdiction."""
    free: frozenset[date] = frozenset(day.date for day in law.holidays.days)
    return Calendar(zone=ZoneInfo(law.zone), holidays=free, worked=frozenset(law.holidays.worked))


def leaving(ground: Ground) -> Path:
    """Where what leaves lies until it has left."""
    return ground.place.folder / "leaving"


async def links(ground: Ground, role: str, name: str, size: int = 10) -> tuple[Any, Any, Any]:
    """(PostgreSQL pool as `role`, NATS client, JetStream context). Raises Refused(UNAVAILABLE)."""
    pool = await postgres.pool(ground.server(role), role, size)
    nc = await broker.connect(ground.broker(), name)
    return pool, nc, broker.context(nc)
