"""Compare what is stored with what the record says of it. Nothing is repaired: what does not hold is named.

An item is its entries: one for each revision from 0, each leading to the next, the last to where the item is now.
A picture is its SHA-256, a sealed file is the SHA-256 its row names, a set of policies is its hash. A recording is the
chain that its row names. A log is the root it signed.
"""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from saqtau.engine.blobs import Blobs
from saqtau.engine.policy_change import changed_policies
from saqtau.engine.verify_logs import verify_logs
from saqtau.engine.verify_video import verify_video
from saqtau.kernel.errors import Refused
from saqtau.ledger.verify.finding import Finding

__all__ = ["Finding", "verify"]

_BROKEN_LIVES = """
    with steps as (
        select item, count(*) as steps, min(rev) as first, max(rev) as last,
            count(*) filter (where start is distinct from before) as jumps,
            (array_agg(came_to order by rev desc))[1] as came_to
        from (
            select item, rev, start, came_to, lag(came_to) over (partition by item order by rev) as before
            from entry where edge not in ('read', 'export')
        ) ordered
        group by item
    )
    select i.id, i.rev, i.state, s.steps, s.came_to, s.jumps
    from item i left join steps s on s.item = i.id
    where s.item is null or s.first <> 0 or s.last <> i.rev or s.steps <> i.rev + 1 or s.jumps <> 0
        or s.came_to <> i.state
"""
_LOST_LIVES = "select distinct e.item from entry e left join item i on i.id = e.item where i.id is null"


async def verify(pg: Any, blobs: Path, history: Path, say: Callable[[str], None]) -> list[Finding]:
    """Every finding; empty when all holds. pg: as saqtau_worker. say: told what was compared."""
    findings: list[Finding] = []
    items = await pg.fetchval("select count(*) from item")
    for row in await pg.fetch(_BROKEN_LIVES):
        told = f"state {row['state']} at revision {row['rev']}, entries {row['steps']} leading to {row['came_to']}"
        findings.append(Finding(f"item {row['id']}", f"its entries do not lead to it: {told}"))
    findings += [Finding(f"item {row[0]}", "entries without an item") for row in await pg.fetch(_LOST_LIVES)]
    say(f"{items} items compared with their entries")
    findings += await _pictures(pg, Blobs(blobs), say)
    findings += await _sealed(pg, history, say)
    findings += await _policies(pg, say)
    findings += await verify_video(pg, say)
    findings += await verify_logs(pg, say)
    for finding in findings:
        say(f"DOES NOT HOLD  {finding.where}: {finding.what}")
    say("everything holds" if not findings else f"{len(findings)} things do not hold")
    return findings


async def _pictures(pg: Any, blobs: Blobs, say: Callable[[str], None]) -> list[Finding]:
    rows = await pg.fetch("select item, name, sha256 from picture")
    findings: list[Finding] = []
    for item, name, digest in rows:
        try:
            await blobs.get(digest)
        except Refused as refused:
            findings.append(Finding(f"picture {name} of item {item}", refused.message))
    say(f"{len(rows)} pictures compared with their SHA-256")
    return findings


async def _sealed(pg: Any, history: Path, say: Callable[[str], None]) -> list[Finding]:
    rows = await pg.fetch("select path, sha256, bytes from sealed_file")
    findings: list[Finding] = []
    for path, digest, size in rows:
        found = await asyncio.to_thread(_digest, history / path)
        if found is None:
            findings.append(Finding(f"sealed file {path}", "is not there"))
        elif found != (digest, size):
            findings.append(Finding(f"sealed file {path}", "is not what was sealed"))
    say(f"{len(rows)} sealed files compared with their SHA-256")
    return findings


async def _policies(pg: Any, say: Callable[[str], None]) -> list[Finding]:
    found = await changed_policies(pg)
    say(f"{await pg.fetchval('select count(*) from policy_set')} sets of policies compared with their hash")  # noqa: S608
    return [Finding(f"policies {name}", f"their texts are not those of hash {told}") for name, told in found]


def _digest(path: Path) -> tuple[bytes, int] | None:
    if not path.is_file():
        return None
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").digest(), path.stat().st_size
