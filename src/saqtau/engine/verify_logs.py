"""The logs as they lie in the tables: leaves against tiles, root and the signature of the head.

For who operates the house, after a restore or in doubt. It convinces nobody outside; `saqtau verify log` does.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from saqtau.engine.ledger_read import LogLine, leaves, logs
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import parse
from saqtau.ledger.note import Verifier, parse_note
from saqtau.ledger.tiles import tile_path
from saqtau.ledger.tree import Edge, Tile, leaf_hashes
from saqtau.ledger.verify.finding import Finding

_NOTE: Final = """
    select note from ledger_checkpoint where log = $1 and size = $2
    union all select note from ledger_log where id = $1 and size = $2 limit 1
"""
_TILE: Final = "select hashes from ledger_tile where log = $1 and level = $2 and index = $3"


async def verify_logs(pg: Any, say: Callable[[str], None]) -> list[Finding]:
    """Every finding in every log; empty when all holds. pg: as saqtau_worker; say: told what was compared."""
    findings: list[Finding] = []
    for line in await logs(pg):
        findings += await _log(pg, line)
        say(f"{line.size} entries of the log {line.origin} compared with tiles, root and signature")
    return findings


async def _log(pg: Any, line: LogLine) -> list[Finding]:
    where, edge, findings = f"log {line.origin}", Edge(), list[Finding]()
    try:
        async for first, found in leaves(pg, line.origin, 0, line.size):
            if first != edge.size:
                return [*findings, Finding(where, f"entry {edge.size} is missing")]
            edge, full = edge.append(leaf_hashes(found))
            findings += await _tiles(pg, line, full)
    except Refused as refusal:
        if refusal.kind is not Kind.INVALID:
            raise
        return [*findings, Finding(where, f"entries from {edge.size} on cannot be read: {refusal.message}")]
    if edge.size < line.size:
        return [*findings, Finding(where, f"entry {edge.size} is missing")]
    if edge.root() != line.root:
        findings.append(Finding(where, "its entries do not lead to its root"))
    return findings + await _signature(pg, line, where)


async def _tiles(pg: Any, line: LogLine, tiles: Sequence[Tile]) -> list[Finding]:
    findings = []
    for tile in tiles:
        if await pg.fetchval(_TILE, line.id, tile.level, tile.index) != tile.hashes:
            path = tile_path(tile.level, tile.index)
            findings.append(Finding(f"log {line.origin}", f"{path} is not that of the entries below it"))
    return findings


async def _signature(pg: Any, line: LogLine, where: str) -> list[Finding]:
    try:
        note = parse_note((await pg.fetchval(_NOTE, line.id, line.size) or "").encode())
        stated = parse(note)
        signed = note.check(Verifier.parse(line.vkey))
    except Refused as refusal:
        return [Finding(where, f"its checkpoint cannot be read: {refusal.message}")]
    if (stated.origin, stated.size, stated.root) != (line.origin, line.size, line.root):
        return [Finding(where, "its checkpoint is about another size or root")]
    return [] if signed else [Finding(where, "its checkpoint does not bear the log's signature")]
