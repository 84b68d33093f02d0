"""Which policies are in force, and how they change: proposed by one, approved by another, then everywhere at once.

What is in force stands in the record, not in the program: the texts of the release are only the first. Every process
compares five times a second which set that is (`PolicyWatch`), and adopts neither one that breaks a law of the house
nor one whose texts are not those of the hash that was approved: what runs goes on by the last good, and nothing starts.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec
import structlog

from saqtau.engine.access import must_hold
from saqtau.engine.failures import refusals
from saqtau.kernel.access import Action, Grant
from saqtau.kernel.clock import Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.ids import Ids
from saqtau.kernel.policies import Policies, policy_hash
from saqtau.kernel.policy_diff import PolicyDiff, compare
from saqtau.kernel.policy_laws import lawful
from saqtau.kernel.two_people import Signature, Standing, Wish, agree, refuse, standing_at

log = structlog.get_logger("saqtau.policies")

INSTALLER: Final = "installer"
POLICIES: Final = "policies"
"""The object of an access to all of them."""
EVERY: Final = 0.2
"""Seconds between two looks at what is in force."""
LISTED: Final = 200
MOST_TEXT: Final = 300

_COLUMNS: Final = """
    p.id, p.hash, p.base, p.why, p.asked_by, p.asked_role, p.asked_at, p.standing, p.entry, p.closed_by, p.closed_at,
    p.closed_why, p.in_force, (select f.id = p.id from policy_force f) as is_in_force,
    (select coalesce(json_agg(json_build_object('by', s.signer, 'role', s.role, 'at', s.at, 'entry', s.entry)
        order by s.at), '[]') from signature s where s.kind = 'policy' and s.wish = p.id) as signatures
"""
_ONE: Final = f"select {_COLUMNS}, p.texts from policy_set p where p.id = $1"  # noqa: S608 - constant
_ALL: Final = f"select {_COLUMNS} from policy_set p order by p.asked_at desc, p.id desc limit $1"  # noqa: S608
_FORCE: Final = """
    select f.id, f.hash, p.hash as approved, p.texts from policy_force f join policy_set p on p.id = f.id
"""
_MARK: Final = """
    select f.id || f.hash || p.hash || encode(sha256(convert_to(p.texts::text, 'UTF8')), 'hex')
    from policy_force f join policy_set p on p.id = f.id
"""
"""Another one whenever anything is that was approved: the texts may be edited under their id."""
_SCHEMA: Final = "schema.cedarschema"
"""The schema is kept among the texts, for the hash is over both: a later release may bring another one."""

Texts = Mapping[str, str]
Rule = Callable[[Policies], None]


class PolicySetLine(msgspec.Struct, frozen=True):
    """A set of policies: in force, waiting for another person, or of the past."""

    id: str
    hash: str
    base: str | None
    why: str
    asked_by: str
    asked_role: str
    asked_at: Instant
    standing: Standing
    entry: str
    signatures: tuple[Signature, ...]
    closed_by: str | None
    closed_at: Instant | None
    closed_why: str | None
    since: Instant | None  # when it came into force
    in_force: bool


class PolicySetSeen(msgspec.Struct, frozen=True):
    """A set with its texts, and what it changes against what it was proposed over."""

    line: PolicySetLine
    texts: dict[str, str]
    rules: list[dict[str, Any]]
    diff: PolicyDiff | None


class Proposal(msgspec.Struct, frozen=True):
    """What the web must know of a proposal before it may ask for leave to approve it."""

    id: str
    hash: str
    asked_by: str
    standing: Standing


class PolicyWatch:
    """What is in force, in one process. adopt: told the policies whenever they are others."""

    def __init__(self, pool: Any, schema: str, adopt: Rule) -> None:
        self._pool = pool
        self._schema = schema
        self._adopt = adopt
        self._seen = ""
        self._hash = ""
        self.changed = False
        self.id: str | None = None

    async def begin(self) -> None:
        """The first look. Raises Refused: CONFLICT (`policies`: not those that were approved; start nothing)."""
        await self.look()
        if self.changed:
            raise _not_approved(self.id or "in force")

    async def look(self) -> bool:
        """Compare, and adopt what came into force; whether something did. Raises Refused(UNAVAILABLE).

        A set that breaks a law of the house is refused, loudly, and the last lawful one goes on, at the start that of
        the release: somebody has written past the two people, or a newer release knows a further law. So is one whose
        texts are not those of its hash (`changed`); at the start `begin` refuses to go on.
        """
        with refusals():
            mark = await self._pool.fetchval(_MARK)
            if mark is None or mark == self._seen:
                return False
            row = await self._pool.fetchrow(_FORCE)
        self._seen = mark
        # a set never changes under its id, not even together with its hash
        self.changed = not _is_approved(row) or (self.id == row["id"] and self._hash != row["hash"])
        if self.changed:
            log.critical("the policies in the record are not those that were approved", id=row["id"])
            return False
        texts, _ = _kept(row["texts"])
        try:
            policies = await asyncio.to_thread(lawful, texts, self._schema)
        except Refused as refused:
            log.critical("policies that break a law are in the record", id=row["id"], why=refused.message[:500])
            return False
        if self.id == row["id"]:
            return False  # what was edited is as it was approved again
        self._adopt(policies)
        self.id, self._hash = row["id"], row["hash"]
        return True


def _is_approved(row: Any) -> bool:
    """Whether the texts of a row of _FORCE are those of the hash that two people put in force."""
    return bool(_hash_of(row["texts"]) == row["approved"] == row["hash"])


def _not_approved(name: str) -> Refused:
    return Refused(
        Kind.CONFLICT, f"policies {name}: the texts in the record are not those of their hash", policies="not_approved"
    )


async def changed_policies(pg: Any) -> list[tuple[str, str]]:
    """(id, hash as written) of every set whose texts are not those of its hash, and of what is in force without being.

    Found from the record alone: who edits texts and hashes alike is found by the hash in the entry of the approval and
    in the entry of every decision since.
    """
    rows = await pg.fetch("select id, hash, texts from policy_set order by asked_at, id")
    force = await pg.fetchrow(_FORCE)
    found = [(row["id"], row["hash"]) for row in rows if _hash_of(row["texts"]) != row["hash"]]
    if force is not None and force["hash"] != force["approved"]:
        found.append((force["id"], force["hash"]))
    return found


async def install(
    pool: Any, texts: Texts, schema: str, entry: Callable[[str, str], Any], now: Instant, ids: Ids
) -> bool:
    """Put the policies of the release in force where none are; whether that was so. Called at the first start.

    entry: makes the leaf of class `policy` durable, told (hash, id); returns its id.
    Raises Refused: INVALID (the release's policies break a law), UNAVAILABLE.
    """
    policies = await asyncio.to_thread(lawful, texts, schema)
    with refusals():
        if await pool.fetchval("select true from policy_force"):
            return False
        name = ids()
        leaf = await entry(policies.hash, name)
        async with pool.acquire() as pg, pg.transaction():
            await pg.execute("select pg_advisory_xact_lock(23153, 9)")
            if await pg.fetchval("select true from policy_force"):
                return False  # another process was faster; its leaf stands beside ours and names the same hash
            await pg.execute(
                """insert into policy_set
                       (id, hash, texts, base, why, asked_by, asked_role, asked_at, standing, entry, in_force)
                   values ($1, $2, $3, null, 'policies of the release', $4, $4, $5, 'approved', $6, $5)""",
                name, policies.hash, _encoded(policies.texts, schema), INSTALLER, now, leaf,
            )  # fmt: skip
            await pg.execute("insert into policy_force (id, hash, since) values ($1, $2, $3)", name, policies.hash, now)
    return True


def changed(before: Texts, patch: Mapping[str, str | None]) -> dict[str, str]:
    """The texts after a change of the files it names; None takes a file away. Raises Refused(INVALID)."""
    after = {**before, **{name: text for name, text in patch.items() if text is not None}}
    for name, text in patch.items():
        if text is None and after.pop(name, None) is None:
            raise Refused(Kind.INVALID, f"there is no file {name[:60]!r} to take away", texts="unknown")
    if after == dict(before):
        raise Refused(Kind.INVALID, "nothing is changed", texts="unchanged")
    return after


async def in_force(pg: Any) -> tuple[str, dict[str, str]]:
    """(id, texts) of what is in force. Everybody whom they bind may read them.

    Raises Refused: NOT_FOUND, CONFLICT (`policies`: not those that were approved), UNAVAILABLE.
    """
    with refusals():
        row = await pg.fetchrow(_FORCE)
    if row is None:
        raise Refused(Kind.NOT_FOUND, "no policies are in force yet", policies="none")
    if not _is_approved(row):
        raise _not_approved(row["id"])
    return row["id"], _kept(row["texts"])[0]


async def check_change(pg: Any, schema: str, patch: Mapping[str, str | None]) -> tuple[dict[str, str], PolicyDiff]:
    """The texts after a change and what it means. Raises Refused(INVALID): not Cedar, not in the schema, unlawful."""
    _, before = await in_force(pg)
    after = changed(before, patch)

    def work() -> PolicyDiff:
        return compare(Policies.parse(before, schema), lawful(after, schema))

    return after, await asyncio.to_thread(work)


async def propose(
    grant: Grant, pool: Any, name: str, texts: Texts, schema: str, base: str, why: str, now: Instant
) -> None:
    """Keep a proposal under this id. Raises Refused: DENIED, INVALID (`why`), CONFLICT (`base`), UNAVAILABLE."""
    must_hold(grant, now, Action.PROPOSE_POLICY, named=name)
    if not 10 <= len(why) <= MOST_TEXT:
        raise Refused(Kind.INVALID, f"why it shall change: 10 to {MOST_TEXT} letters", why="length")
    policies = Policies.parse(texts, schema)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            if await pg.fetchval("select hash from policy_force") != base:
                raise Refused(Kind.CONFLICT, "other policies came into force meanwhile", base="changed")
            await pg.execute(
                """insert into policy_set (id, hash, texts, base, why, asked_by, asked_role, asked_at, entry)
                   values ($1, $2, $3, $4, $5, $6, $7, $8, $9)""",
                name, policies.hash, _encoded(policies.texts, schema), base, why, grant.viewer.id, grant.viewer.role,
                now, grant.entry,
            )  # fmt: skip


async def find_proposal(pg: Any, name: str, now: Instant) -> Proposal:
    """Who proposed it and where it stands. Raises Refused(NOT_FOUND)."""
    line = (await _load(pg, name))[0]
    return Proposal(
        line.id, line.hash, line.asked_by, line.standing if line.standing is not Standing.REQUESTED else _now(line, now)
    )


async def approve(grant: Grant, pool: Any, name: str, schema: str, now: Instant) -> PolicySetLine:
    """Agree to a proposal: it is in force when this returns, and in every process within a second.

    Raises Refused: DENIED (the own one), CONFLICT (`standing`; `base`: it was proposed over other policies than those
    in force now, so that its diff would lie; `policies`: its texts are not those that were proposed), INVALID (it
    breaks a law of a newer release), NOT_FOUND, UNAVAILABLE.
    """
    must_hold(grant, now, Action.APPROVE_POLICY, named=name)
    viewer = grant.viewer
    proposal, kept = await _load(pool, name)
    if _hash_of(kept) != proposal.hash:
        raise _not_approved(name)
    await asyncio.to_thread(lawful, _kept(kept)[0], schema)
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await pg.execute("select pg_advisory_xact_lock(23153, 9)")
            line, now_kept = await _load(pg, name)
            if now_kept != kept:
                raise _not_approved(name)
            agree(_wish(line), Signature(viewer.id, viewer.role, now, grant.entry))
            force = await pg.fetchrow("select hash, since from policy_force for update")
            if force["hash"] != line.base:
                raise Refused(Kind.CONFLICT, "other policies came into force meanwhile: propose anew", base="changed")
            since = max(now, force["since"] + 1)
            await pg.execute(
                "insert into signature (kind, wish, signer, role, at, entry) values ('policy', $1, $2, $3, $4, $5)",
                name, viewer.id, viewer.role, now, grant.entry,
            )  # fmt: skip
            await pg.execute("update policy_set set standing = 'approved', in_force = $2 where id = $1", name, since)
            await pg.execute("update policy_force set id = $1, hash = $2, since = $3", name, line.hash, since)
            done, _ = await _load(pg, name)
    return done


async def turn_down(grant: Grant, pool: Any, name: str, why: str, now: Instant) -> PolicySetLine:
    """Say no to a proposal; who made it may take it back. Raises Refused as `approve`, INVALID (`why`)."""
    must_hold(grant, now, Action.APPROVE_POLICY, Action.PROPOSE_POLICY, named=name)
    if not 3 <= len(why) <= MOST_TEXT:
        raise Refused(Kind.INVALID, f"why not: 3 to {MOST_TEXT} letters", why="length")
    with refusals():
        async with pool.acquire() as pg, pg.transaction():
            await pg.execute("select pg_advisory_xact_lock(23153, 9)")
            line, _ = await _load(pg, name)
            if grant.request.action is Action.PROPOSE_POLICY and line.asked_by != grant.viewer.id:
                raise Refused(Kind.DENIED, "only who proposed it takes it back", actor="not_yours")
            refuse(_wish(line), grant.viewer.id, now)
            await pg.execute(
                """update policy_set set standing = 'refused', closed_by = $2, closed_at = $3, closed_why = $4
                   where id = $1""",
                name, grant.viewer.id, now, why,
            )  # fmt: skip
            done, _ = await _load(pg, name)
    return done


async def read_policy_sets(grant: Grant, pg: Any, now: Instant) -> list[PolicySetLine]:
    """Every set there was or is proposed, newest first, at most 200. Raises Refused: DENIED, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_POLICY)
    with refusals():
        rows = await pg.fetch(_ALL, LISTED)
    return [msgspec.structs.replace(line, standing=_now(line, now)) for line in map(_line, rows)]


async def read_policy_set(grant: Grant, pg: Any, name: str, schema: str, now: Instant) -> PolicySetSeen:
    """One set with its texts and, when it was proposed, its difference. Refused: DENIED, NOT_FOUND, UNAVAILABLE."""
    must_hold(grant, now, Action.READ_POLICY)
    with refusals():
        line, kept = await _load(pg, name)
        base = await pg.fetchval(
            "select texts from policy_set where hash = $1 and in_force is not null order by in_force desc limit 1",
            line.base,
        )

    texts, _ = _kept(kept)

    def work() -> tuple[Policies, PolicyDiff | None]:
        policies = Policies.parse(texts, schema)
        return policies, None if base is None else compare(Policies.parse(_kept(base)[0], schema), policies)

    policies, diff = await asyncio.to_thread(work)
    rules = [msgspec.to_builtins(rule) for rule in policies.rules]
    return PolicySetSeen(msgspec.structs.replace(line, standing=_now(line, now)), texts, rules, diff)


async def _load(pg: Any, name: str) -> tuple[PolicySetLine, str]:
    """A set, and its texts as they are kept. Raises Refused(NOT_FOUND)."""
    with refusals():
        row = await pg.fetchrow(_ONE, name)
    if row is None:
        raise Refused(Kind.NOT_FOUND, f"there is no set of policies {name}", policies="unknown")
    return _line(row), row["texts"]


def _line(row: Any) -> PolicySetLine:
    return PolicySetLine(
        row["id"], row["hash"], row["base"], row["why"], row["asked_by"], row["asked_role"], row["asked_at"],
        Standing(row["standing"]), row["entry"], msgspec.json.decode(row["signatures"], type=tuple[Signature, ...]),
        row["closed_by"], row["closed_at"], row["closed_why"], row["in_force"], bool(row["is_in_force"]),
    )  # fmt: skip


def _wish(line: PolicySetLine) -> Wish:
    return Wish(
        asked_by=line.asked_by, asked_at=line.asked_at, standing=line.standing, signatures=line.signatures
    )  # fmt: skip


def _now(line: PolicySetLine, now: Instant) -> Standing:
    return standing_at(_wish(line), now)


def _kept(kept: str) -> tuple[dict[str, str], str]:
    """(texts, the schema they were written for) as they are kept."""
    found = msgspec.json.decode(kept, type=dict[str, str])
    return found, found.pop(_SCHEMA, "")


def _hash_of(kept: str) -> str:
    return policy_hash(*_kept(kept))


def _encoded(texts: Texts, schema: str) -> str:
    return msgspec.json.encode({**texts, _SCHEMA: schema}, order="sorted").decode()
