"""What the web is made of, handed in by `bootstrap`: it opens nothing itself."""

from pathlib import Path
from typing import Any

import msgspec
from litestar import Request

from saqtau.engine.access import Access
from saqtau.engine.atlas import Atlas
from saqtau.engine.blobs import Blobs
from saqtau.engine.history import History
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.recording_package import Exporting
from saqtau.engine.video_decoding import Decoders
from saqtau.jurisdiction import Jurisdiction
from saqtau.kernel.clock import Clock
from saqtau.kernel.desk import Desks
from saqtau.kernel.ids import Ids
from saqtau.kernel.terms import Calendar
from saqtau.web.accounts import Accounts
from saqtau.web.device_certs import Authority
from saqtau.web.limits import Limits


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """Everything the web needs. What is None answers 503 `unavailable`, never something made up."""

    pg: Any  # asyncpg pool, as saqtau_app
    nc: Any  # NATS client
    js: Any  # its JetStream context
    pictures: Any  # NATS client that live pictures come by, and nothing else
    access: Access  # the one door to protected data
    keys: Keys  # of the ledger's records, for who may read the log
    signers: Signers | None = None  # of the logs, for the signed list of them
    mirror_token: str | None = None  # who brings it may copy the log
    desks: Desks
    clock: Clock
    ids: Ids
    calendar: Calendar = Calendar()
    law: Jurisdiction | None = None  # which cameras may be recorded, and how long
    limits: Limits = Limits()
    accounts: Accounts = Accounts()
    authority: Authority | None = None  # gives tablets their certificates
    blobs: Blobs
    history: History | None = None
    map: Path | None = None  # folder of city.pmtiles and bounds.json
    dist: Path | None = None  # the built console
    decoders: Decoders | None = None  # of key pictures; without them there are no thumbnails
    atlas: Atlas | None = None  # the road graph; without it nothing is near
    exporting: Exporting = Exporting()
    tablet_intake: Any = None  # ASGI app that takes signed positions
    secure: bool = False  # cookies only over TLS; set whenever the bind is not loopback


def parts_of(request: Request[Any, Any, Any]) -> Parts:
    """The parts of the application that answers."""
    parts: Parts = request.app.state.parts
    return parts
