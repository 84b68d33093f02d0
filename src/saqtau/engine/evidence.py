"""The pictures of an earlier read, taken back out of the journal while its window lasts.

A read that hit nothing keeps no picture of its own. When a later read shows that the pair matters, both crops have to
be compared by a person; the sealed pack still holds the first.
"""

from typing import Any

import msgspec
import nats.errors
import structlog

from saqtau.engine.failures import told
from saqtau.engine.journal import READS, Message
from saqtau.engine.pack import open_pack
from saqtau.engine.recent import Seen
from saqtau.engine.window import Window
from saqtau.kernel.clock import SECOND, Instant
from saqtau.kernel.errors import Refused
from saqtau.kernel.signal import Picture, PlateRead

log = structlog.get_logger()

_decoder = msgspec.msgpack.Decoder(list[PlateRead])


async def earlier_pictures(js: Any, window: Window, plate: str, seen: Seen) -> tuple[Picture, ...]:
    """Pictures of a read by its place in the journal, named `first_…`; empty when gone or not of this plate."""
    if not seen.sequence:
        return ()
    try:
        raw = await js.get_msg(READS.name, seq=seen.sequence)
        message = Message(
            sequence=seen.sequence,
            subject=raw.subject,
            headers=raw.headers or {},
            data=raw.data,
            at=Instant(int(raw.time.timestamp() * SECOND)),
        )
        reads = _decoder.decode(await open_pack(window, message))
    except (OSError, TimeoutError, Refused, nats.errors.Error) as error:
        log.warning("the earlier crop is gone", sequence=seen.sequence, error=told(error))
        return ()
    read = reads[seen.index] if seen.index < len(reads) else None
    if read is None or read.plate != plate:
        return ()
    return tuple(msgspec.structs.replace(one, name=f"first_{one.name}") for one in read.pictures)
