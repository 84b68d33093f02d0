"""Import of registers: a whole file is checked before anything is written; each refused row gets a line that says why.

By default a file with a refused row changes nothing. `accept_good` takes the rest, in one transaction.
What an import names is added or replaced; what it does not name stays. Tokens are kept as SHA-256 only.
"""

from collections.abc import Sequence
from datetime import UTC, tzinfo
from typing import Any

import msgspec

from saqtau.engine.failures import refusals
from saqtau.engine.register_files import KINDS, Check, Refusal, Row, Spell, no_law, plain_plate, read_rows
from saqtau.engine.video_camera import write_cameras
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.register import Camera, Case, ListedVehicle, Officer, Shift, Site, Unit

LINES_KEPT = 1000
"""Lines of a report that are kept in the record; the caller gets all of them."""

_LOCK = 0x5A72


class Report(msgspec.Struct, frozen=True):
    """What became of a file. `total`: rows with content; `refusals`: a line for each thing that is wrong."""

    kind: str
    file: str
    total: int
    imported: int
    refusals: list[Refusal]


async def import_register(
    pg: Any,
    kind: str,
    file: str,
    data: bytes,
    by: str,
    now: Instant,
    *,
    accept_good: bool = False,
    zone: tzinfo = UTC,
    spell: Spell = plain_plate,
    check: Check = no_law,
) -> Report:
    """Import a CSV or GeoJSON file of a kind (one of KINDS) as saqtau_worker.

    zone: of dates without an hour. spell: normalises a plate. check: what the law says of a record.
    Returns a report, whatever the bytes are.
    Raises Refused: NOT_FOUND (no such kind), UNAVAILABLE.
    """
    if kind not in KINDS:
        raise Refused(Kind.NOT_FOUND, f"no register {kind}: {', '.join(KINDS)}", register="unknown")
    rows, refused, total = read_rows(kind, data, zone, spell, check)
    with refusals():
        async with pg.transaction():
            await pg.execute("select pg_advisory_xact_lock($1, hashtext($2))", _LOCK, kind)
            strangers = await _strangers(pg, kind, rows)
            wrong = {row.number for row in rows} & {one.row for one in strangers}
            refused = sorted([*refused, *strangers], key=lambda one: (one.row, one.field))
            good = [row for row in rows if row.number not in wrong]
            if refused and not accept_good:
                good = []
            if good and kind == "video_cameras":  # their table moves the counter itself
                await write_cameras(pg, [row.record for row in good], by, now)
            elif good:
                await _write(pg, kind, good)
                await pg.execute(
                    "update register_revision set revision = revision + 1, changed = $2 where kind = $1", kind, now
                )
            await _keep_report(pg, kind, file, by, now, total, len(good), refused)
    return Report(kind=kind, file=file, total=total, imported=len(good), refusals=refused)


async def read_revisions(pg: Any) -> dict[str, int]:
    """The counter of each register: it moves when an import has changed it."""
    return {row["kind"]: row["revision"] for row in await pg.fetch("select kind, revision from register_revision")}


async def _strangers(pg: Any, kind: str, rows: Sequence[Row]) -> list[Refusal]:
    """Rows that name a site or a unit nobody knows, or a token that belongs to another."""
    found: list[Refusal] = []
    match kind:
        case "cameras" | "video_cameras":
            regions = {row[0]: row[1] for row in await pg.fetch("select id, region from site")}
            found += [
                Refusal(row.number, "site", f"no site {row.record.site}: import sites first")
                for row in rows
                if row.record.site not in regions
            ]
            if kind == "cameras":
                found += await _foreign_tokens(pg, "camera", rows)
            else:  # its overseer is the region's: it must not be found in another one
                found += [
                    Refusal(row.number, "region", f"its site lies in region {regions[row.record.site]}")
                    for row in rows
                    if row.record.region != regions.get(row.record.site, row.record.region)
                ]
        case "officers":
            known = {row[0] for row in await pg.fetch("select id from unit")}
            found += [
                Refusal(row.number, "unit", f"no unit {row.record.unit}: import units first")
                for row in rows
                if row.record.unit is not None and row.record.unit not in known
            ]
        case "units":
            found += await _foreign_tokens(pg, "unit", rows)
        case "shifts":
            known = {row[0] for row in await pg.fetch("select id from people")}
            found += [
                Refusal(row.number, "person", f"no account {row.record.person}: add the person first")
                for row in rows
                if row.record.person not in known
            ]
    return found


async def _foreign_tokens(pg: Any, table: str, rows: Sequence[Row]) -> list[Refusal]:
    hashes = {row.token_hash: row for row in rows if row.token_hash is not None}
    taken = await pg.fetch(
        f"select id, token_hash from {table} where token_hash = any($1::bytea[])",  # noqa: S608 - our own name
        list(hashes),
    )
    return [
        Refusal(hashes[row["token_hash"]].number, "token", f"belongs to {row['id']} already")
        for row in taken
        if hashes[row["token_hash"]].record.id != row["id"]
    ]


def _site(row: Row) -> tuple[Any, ...]:
    one: Site = row.record
    return one.id, one.name, one.region, one.lat, one.lon


def _camera(row: Row) -> tuple[Any, ...]:
    one: Camera = row.record
    paper = one.certificate
    return (
        one.id, one.site, one.name, one.region, one.lat, one.lon, one.heading, one.limit,
        paper.number if paper else None, paper.valid_from if paper else None, paper.valid_until if paper else None,
        one.address, row.token_hash,
    )  # fmt: skip


def _unit(row: Row) -> tuple[Any, ...]:
    one: Unit = row.record
    return one.id, one.call_sign, one.region, one.plate, ";".join(one.skills), row.token_hash


def _officer(row: Row) -> tuple[Any, ...]:
    one: Officer = row.record
    return one.id, one.name, one.region, one.unit


def _vehicle(row: Row) -> tuple[Any, ...]:
    one: ListedVehicle = row.record
    return one.plate, one.ground.value, one.authority, one.basis, one.expires, one.region, one.note


def _case(row: Row) -> tuple[Any, ...]:
    one: Case = row.record
    return one.number, one.region, one.opened, one.closed, one.authority, ";".join(one.sites)


def _shift(row: Row) -> tuple[Any, ...]:
    one: Shift = row.record
    return one.person, one.since, one.until


_WRITES: dict[str, tuple[Any, str]] = {
    "sites": (
        _site,
        """
        insert into site (id, name, region, lat, lon)
        select * from unnest($1::text[], $2::text[], $3::int2[], $4::float8[], $5::float8[])
        on conflict (id) do update set name = excluded.name, region = excluded.region, lat = excluded.lat,
            lon = excluded.lon
        """,
    ),
    "cameras": (
        _camera,
        """
        insert into camera as c (id, site, name, region, lat, lon, heading, speed_limit, certificate_number,
            certificate_from, certificate_until, address, token_hash)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::int2[], $5::float8[], $6::float8[], $7::float8[],
            $8::float8[], $9::text[], $10::int8[], $11::int8[], $12::text[], $13::bytea[])
        on conflict (id) do update set site = excluded.site, name = excluded.name, region = excluded.region,
            lat = excluded.lat, lon = excluded.lon, heading = excluded.heading, speed_limit = excluded.speed_limit,
            certificate_number = excluded.certificate_number, certificate_from = excluded.certificate_from,
            certificate_until = excluded.certificate_until, address = excluded.address,
            token_hash = coalesce(excluded.token_hash, c.token_hash)
        """,
    ),
    "units": (
        _unit,
        """
        insert into unit as u (id, call_sign, region, plate, skills, token_hash)
        select id, call_sign, region, plate, string_to_array(skills, ';'), token_hash
        from (select * from unnest($1::text[], $2::text[], $3::int2[], $4::text[], $5::text[], $6::bytea[])
            as n (id, call_sign, region, plate, skills, token_hash)) n
        on conflict (id) do update set call_sign = excluded.call_sign, region = excluded.region,
            plate = excluded.plate, skills = excluded.skills, token_hash = coalesce(excluded.token_hash, u.token_hash)
        """,
    ),
    "officers": (
        _officer,
        """
        insert into officer (id, name, region, unit)
        select * from unnest($1::text[], $2::text[], $3::int2[], $4::text[])
        on conflict (id) do update set name = excluded.name, region = excluded.region, unit = excluded.unit
        """,
    ),
    "vehicles": (
        _vehicle,
        """
        insert into listed_vehicle (plate, ground, authority, basis, expires, region, note)
        select * from unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::int8[], $6::int2[], $7::text[])
        on conflict (plate, ground, authority) do update set basis = excluded.basis, expires = excluded.expires,
            region = excluded.region, note = excluded.note
        """,
    ),
    "cases": (
        _case,
        """
        insert into cases (number, region, opened, closed, authority, sites)
        select number, region, opened, closed, authority, string_to_array(sites, ';')
        from (select * from unnest($1::text[], $2::int2[], $3::int8[], $4::int8[], $5::text[], $6::text[])
            as n (number, region, opened, closed, authority, sites)) n
        on conflict (number) do update set region = excluded.region, opened = excluded.opened,
            closed = excluded.closed, authority = excluded.authority, sites = excluded.sites
        """,
    ),
    "shifts": (
        _shift,
        """
        insert into shifts (person, since, until)
        select * from unnest($1::text[], $2::int8[], $3::int8[])
        on conflict (person, since) do update set until = excluded.until
        """,
    ),
}


async def _write(pg: Any, kind: str, rows: Sequence[Row]) -> None:
    columns_of, sql = _WRITES[kind]
    await pg.execute(sql, *zip(*map(columns_of, rows), strict=True))


async def _keep_report(
    pg: Any, kind: str, file: str, by: str, now: Instant, total: int, imported: int, refused: Sequence[Refusal]
) -> None:
    await pg.execute(
        "insert into import_report (at, by, kind, file, total, accepted, refused, lines) "
        "values ($1, $2, $3, $4, $5, $6, $7, $8)",
        now,
        by,
        kind,
        file.replace("\0", "")[:200],
        total,
        imported,
        len({one.row for one in refused}),
        msgspec.json.encode(refused[:LINES_KEPT]).decode(),
    )
