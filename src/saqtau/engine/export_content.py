"""What goes into a package besides the ledger: the item with its log, its pictures, the policies, how to read it."""

import re
from importlib.metadata import version
from importlib.resources import files
from typing import Any, Final

import msgspec

from saqtau.engine import items
from saqtau.engine.access import must_hold
from saqtau.engine.blobs import Blobs
from saqtau.engine.chain import EVERYWHERE
from saqtau.engine.exports import ExportLine, find_agreed
from saqtau.engine.failures import refusals
from saqtau.engine.items import COLUMNS
from saqtau.engine.policy_change import in_force
from saqtau.engine.store import see
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.item import Entry, Item
from saqtau.kernel.policies import policy_hash
from saqtau.ledger.package import MAX_PACKAGE, PROGRAM

LANGUAGES: Final = ("kk", "ru", "en")
RELATED: Final = 500
"""Items that may hang on one."""
SCHEMA_FILE: Final = "schema.cedarschema"
_JSON = msgspec.json.Encoder(order="sorted")
_SUFFIX: Final = {
    "image/jpeg": "jpg", "image/png": "png", "image/webp": "webp", "image/bmp": "bmp", "image/gif": "gif",
}  # fmt: skip
_UNSAFE = re.compile(r"[^a-z0-9_-]")

_LOG: Final = """
    select item, rev, at, edge, start, came_to, actor, role, purpose, data, warnings from entry
    where item = $1 order by rev, seq
"""


class Content(msgspec.Struct, frozen=True):
    """Files of a package but those of the ledger, and what the manifest says about them."""

    files: dict[str, bytes]
    about: dict[str, Any]
    items: frozenset[str]
    regions: frozenset[int]
    since: Instant


async def read_content(grant: Grant, pool: Any, blobs: Blobs, line: ExportLine, schema: str, now: Instant) -> Content:
    """Everything that leaves with this export, if it is what was agreed to.

    Raises Refused: DENIED, CONFLICT (`find_agreed`), NOT_FOUND, TOO_LARGE, UNAVAILABLE.
    """
    must_hold(grant, now, Action.RECEIVE_EXPORT, named=line.id)
    with refusals():
        async with pool.acquire() as pg, pg.transaction(isolation="repeatable_read", readonly=True):
            await see(pg, EVERYWHERE)
            agreed = await find_agreed(pg, line)  # in the very snapshot that is read
            item = await items.load(pg, line.item)
            rows = await pg.fetch(
                f"select {COLUMNS} from item where parent = $1 order by opened, id limit $2",  # noqa: S608 - constant
                item.id,
                RELATED + 1,
            )
            if len(rows) > RELATED:
                raise Refused(Kind.TOO_LARGE, f"more than {RELATED} items hang on {item.id}", item="too_large")
            related = [items.to_item(row) for row in rows]
            logs = {one.id: [_entry(row) for row in await pg.fetch(_LOG, one.id)] for one in (item, *related)}
            pictures = await pg.fetch(
                "select item, name, media, sha256, size from picture where item = any($1::text[]) order by item, name",
                [item.id, *(one.id for one in related)],
            )
            policy, texts = await in_force(pg)
    if sum(row["size"] for row in pictures) > MAX_PACKAGE // 2:
        raise Refused(Kind.TOO_LARGE, "the pictures are too large for one package", item="too_large")
    found = {"content/item.json": _case(item, logs[item.id])}
    for one in related:
        found[f"content/related/{one.id}.json"] = _case(one, logs[one.id])
    for row in pictures:
        folder = "content/pictures" if row["item"] == item.id else f"content/related/{row['item']}"
        found[f"{folder}/{_picture_name(row['name'], row['media'])}"] = await blobs.get(row["sha256"])
    found |= {f"policies/{name}": text.encode() for name, text in {**texts, SCHEMA_FILE: schema}.items()}
    digest = policy_hash(texts, schema)
    found["policies/POLICY_SHA256"] = f"{digest}\n".encode()
    for language in LANGUAGES:
        name = f"README.{language}.txt"
        found[name] = (files("saqtau.engine") / "readme" / name).read_bytes()
    found[PROGRAM] = (files("saqtau.ledger.verify") / "export.py").read_bytes()
    about = {
        "item": item.id,
        "desk": item.desk,
        "revision": item.rev,
        "region": item.region,
        "concerns": sorted(agreed.concerns),
        "case": line.case,
        "purpose": line.purpose,
        "recipient": line.recipient,
        "reason": line.reason,
        "asked": {"by": line.asked_by, "role": line.asked_role, "at": line.asked_at, "entry": line.entry},
        "agreed": [msgspec.to_builtins(one) for one in line.signatures],
        "policies": {"id": policy, "sha256": digest},
        "software": f"saqtau {version('saqtau')}",
    }
    everything = frozenset({item.id, line.id, *(one.id for one in related)})
    return Content(found, about, everything, frozenset({item.region, *(one.region for one in related)}), item.opened)


def _case(item: Item, log: list[Entry]) -> bytes:
    return _JSON.encode({"item": item, "log": log})


def _picture_name(name: str, media: str) -> str:
    suffix = _SUFFIX.get(media, "bin")
    return f"{_UNSAFE.sub('_', name.lower())[:60]}.{suffix}"


def _entry(row: Any) -> Entry:
    return Entry(
        item=row[0], rev=row[1], at=row[2], edge=row[3], start=row[4], to=row[5], actor=row[6], role=row[7],
        purpose=row[8], data=msgspec.json.decode(row[9]), warnings=tuple(row[10]),
    )  # fmt: skip
