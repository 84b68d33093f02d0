"""What the witness remembers: one SQLite file, on disk before anything is answered.

WAL with `synchronous = FULL`: a commit has reached the disk when it returns, and a process that is killed leaves either
the old state or the new one. Every function is called from one thread at a time; other processes may read meanwhile.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Final

import msgspec

from saqtau.kernel.clock import MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.ledger.checkpoint import Checkpoint
from saqtau.ledger.note import Verifier
from saqtau.ledger.tree import EMPTY
from saqtau.ledger.witness.state import Doubt, Known

FILE: Final = "witness.sqlite"
HISTORY_STEP: Final = 10 * MINUTE
"""Of the checkpoints cosigned within such a time the first stays; the newest of all stays too."""
OPEN_LIMIT: Final = 10_000
"""Doubts about a log that nothing has settled yet. What comes beyond is counted: nothing makes room for it."""
PROVEN_LIMIT: Final = 10_000
"""Proofs against a log, for a stolen key must not fill the disk; they are counted beyond that."""
OTHER_KEY: Final = "other_key"
"""Evidence: an authority's list names another key for a log that is watched."""
LISTS_LIMIT: Final = 3
"""Lists with another key for one log that are kept."""

_SCHEMA: Final = """
create table if not exists setting (name text primary key, value text not null) strict;
create table if not exists authority (      -- signs the list of its logs; its key was compared by a person
    name text primary key, vkey text not null, url text, token text, added int not null,
    list blob, listed int, trouble text, trouble_since int) strict;
create table if not exists log (
    origin text primary key, vkeys text not null, authority text, url text, token text, added int not null,
    basis blob,                             -- hash of the authority's list that named it; null when a person did
    size int not null default 0, root blob not null, note blob, line text, at int,
    mirrored int not null default 0, trouble text, trouble_since int) strict;
create table if not exists history (        -- checkpoints we cosigned, thinned
    origin text not null, size int not null, root blob not null, note blob not null, line text not null,
    at int not null, primary key (origin, size)) strict, without rowid;
create table if not exists evidence (       -- checkpoints the log signed that do not fit those we cosigned
    id integer primary key, at int not null, kind text not null, proven int not null, origin text not null,
    size int not null, root blob not null, note blob not null, old int not null, proof blob not null,
    our_size int not null, our_root blob not null, our_note blob, unique (origin, kind, size, root)) strict;
create table if not exists signed_list (    -- an authority's lists that something rests on, once each
    hash blob primary key, data blob not null) strict;
create table if not exists unkept (         -- evidence for which there was no room
    origin text primary key, count int not null, last int not null) strict;
"""


class Log(msgspec.Struct, frozen=True, kw_only=True):
    """A log that is watched. note: its last checkpoint we cosigned, with the log's signature; line: our cosignature."""

    origin: str
    vkeys: tuple[str, ...]
    authority: str | None
    url: str | None
    token: str | None
    added: int
    size: int
    root: bytes
    note: bytes | None
    line: str | None
    at: int | None
    mirrored: int
    trouble: str | None
    trouble_since: int | None

    @property
    def known(self) -> Known:
        """What a request is held against."""
        return Known(self.origin, tuple(Verifier.parse(one) for one in self.vkeys), self.size, self.root)


class Authority(msgspec.Struct, frozen=True):
    """Who may add logs of its own by a signed list."""

    name: str
    vkey: str
    url: str | None
    token: str | None
    added: int
    listed: int | None
    trouble: str | None
    trouble_since: int | None


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """A checkpoint that the log signed and that does not fit. proven: by signatures and hashes alone."""

    id: int
    at: int
    kind: str
    proven: bool
    origin: str
    size: int
    root: bytes
    note: bytes
    old: int
    proof: bytes
    our_size: int
    our_root: bytes
    our_note: bytes | None


class Unkept(msgspec.Struct, frozen=True):
    """How often the log signed what does not fit while there was no room to keep it, and when the last time."""

    origin: str
    count: int
    last: int


_LOGS: Final = """
    select log.origin, vkeys, log.authority, coalesce(log.url, authority.url), coalesce(log.token, authority.token),
           log.added, size, root, note, line, at, mirrored, log.trouble, log.trouble_since
    from log left join authority on authority.name = log.authority
    where ?1 is null or log.origin = ?1 order by log.origin
"""
_AUTHORITIES: Final = """
    select name, vkey, url, token, added, listed, trouble, trouble_since from authority
    where ?1 is null or name = ?1 order by name
"""
_EVIDENCE: Final = """
    select id, at, kind, proven, origin, size, root, coalesce(signed_list.data, note), old, proof, our_size, our_root,
           our_note
    from evidence left join signed_list on kind = 'other_key' and signed_list.hash = note
    where (?1 is null or origin = ?1) and (?2 is null or proven = ?2) order by id
"""
_ADD_LOG: Final = """
    insert into log (origin, vkeys, authority, url, token, added, basis, root) values (?, ?, ?, ?, ?, ?, ?, ?)
    on conflict (origin) do update set url = coalesce(excluded.url, url), token = coalesce(excluded.token, token)
"""
_ADD_AUTHORITY: Final = """
    insert into authority (name, vkey, url, token, added) values (?, ?, ?, ?, ?)
    on conflict (name) do update set url = coalesce(excluded.url, url), token = coalesce(excluded.token, token)
"""
_HOLD: Final = """
    insert into evidence (at, kind, proven, origin, size, root, note, old, proof, our_size, our_root, our_note)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
_AT_SIZE: Final = "select id, root, note from evidence where origin = ? and size = ? and kind <> 'other_key' limit 1"
_TWO_ROOTS: Final = """
    update or ignore evidence set proven = 1, kind = 'fork', note = ?, root = ?, old = ?, proof = ?, our_size = size,
        our_root = root, our_note = note
    where id = ? and not proven
"""
_HELD: Final = "select count(*) from evidence where origin = ? and proven = ? and kind <> 'other_key'"
_UNKEPT: Final = """
    insert into unkept values (?1, 1, ?2) on conflict do update set count = count + 1, last = ?2
"""
_TROUBLE: Final = {
    "log": "update log set trouble = ?1, trouble_since = iif(?1 is null, null, coalesce(trouble_since, ?2)) "
    "where origin = ?3 and trouble is not ?1",
    "authority": "update authority set trouble = ?1, "
    "trouble_since = iif(?1 is null, null, coalesce(trouble_since, ?2)) where name = ?3 and trouble is not ?1",
}


class Store:
    """The file, opened. Raises Refused(UNAVAILABLE) when it cannot be."""

    def __init__(self, folder: Path) -> None:
        path = folder / FILE
        try:
            path.touch(mode=0o600, exist_ok=True)
            path.chmod(0o600)
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=10)
            for pragma in ("journal_mode = wal", "synchronous = full", "foreign_keys = on", "trusted_schema = off"):
                self._db.execute(f"pragma {pragma}")
            self._db.executescript(_SCHEMA)
        except (OSError, sqlite3.Error) as error:
            raise Refused(Kind.UNAVAILABLE, f"{path}: {error}", witness="not_writable") from error

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All or nothing, and on disk at the end; one writer at a time, in whatever process."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    # settings

    def setting(self, name: str) -> str | None:
        """A setting; None when it was never made."""
        row = self._db.execute("select value from setting where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def keep_setting(self, name: str, value: str) -> None:
        """Make or change a setting."""
        self._db.execute("insert or replace into setting values (?, ?)", (name, value))

    # who is watched

    def log(self, origin: str) -> Log | None:
        """A log by its origin."""
        row = self._db.execute(_LOGS, (origin,)).fetchone()
        return None if row is None else _log(row)

    def logs(self) -> list[Log]:
        """Every log, by origin."""
        return [_log(row) for row in self._db.execute(_LOGS, (None,))]

    def add_log(
        self,
        vkey: str,
        now: Instant,
        *,
        authority: str | None = None,
        basis: bytes | None = None,
        url: str | None = None,
        token: str | None = None,
    ) -> None:
        """Watch a log; its origin is the name of its key. Nothing happens when it is watched with that key already.

        Raises Refused(CONFLICT) when it is watched with another key: a log's key never changes silently.
        """
        origin = Verifier.parse(vkey).name
        known = self.log(origin)
        if known is not None and known.vkeys != (vkey,):
            raise Refused(Kind.CONFLICT, f"{origin} is watched with another key", vkey="other_key")
        self._db.execute(
            _ADD_LOG,
            (origin, vkey, authority, url, token, now, None if basis is None else self._list(basis), EMPTY),
        )

    def authorities(self) -> list[Authority]:
        """Every authority, by name."""
        return [Authority(*row) for row in self._db.execute(_AUTHORITIES, (None,))]

    def authority(self, name: str) -> Authority | None:
        """An authority by its name."""
        row = self._db.execute(_AUTHORITIES, (name,)).fetchone()
        return None if row is None else Authority(*row)

    def add_authority(self, vkey: str, now: Instant, *, url: str | None = None, token: str | None = None) -> None:
        """Trust a key to name logs of its own authority. Raises Refused(CONFLICT) when another key is trusted."""
        name = Verifier.parse(vkey).name
        known = self.authority(name)
        if known is not None and known.vkey != vkey:
            raise Refused(Kind.CONFLICT, f"{name} is known with another key", vkey="other_key")
        self._db.execute(
            _ADD_AUTHORITY,
            (name, vkey, url, token, now),
        )

    def listed(self, name: str, note: bytes, now: Instant) -> None:
        """An authority's list was read."""
        self._db.execute("update authority set list = ?, listed = ? where name = ?", (note, now, name))

    def trouble(self, table: str, key: str, told: str | None, now: Instant) -> None:
        """Note what keeps the witness from reading; None when it reads again. table: `log` or `authority`."""
        self._db.execute(_TROUBLE[table], (told, now, key))

    # what was cosigned

    def keep(self, new: Checkpoint, note: bytes, line: str, now: Instant) -> None:
        """The newest cosigned checkpoint of a log; called inside `writing`, after the old one was read there."""
        last = self._db.execute(
            "select size, at from history where origin = ? order by size desc limit 2", (new.origin,)
        ).fetchall()
        if len(last) == 2 and last[0][1] // HISTORY_STEP == last[1][1] // HISTORY_STEP:
            self._db.execute("delete from history where origin = ? and size = ?", (new.origin, last[0][0]))
        self._db.execute(
            "insert or replace into history values (?, ?, ?, ?, ?, ?)",
            (new.origin, new.size, new.root, note, line, now),
        )
        self._db.execute(
            "update log set size = ?, root = ?, note = ?, line = ?, at = ? where origin = ?",
            (new.size, new.root, note, line, now, new.origin),
        )
        # what could not be explained a moment ago is explained by a proof that holds
        self._db.execute(
            "delete from evidence where origin = ? and kind = ? and size = ? and root = ?",
            (new.origin, Doubt.UNEXPLAINED, new.size, new.root),
        )

    def root_at(self, origin: str, size: int) -> bytes | None:
        """The root that we cosigned at a size; None when no such checkpoint is remembered."""
        row = self._db.execute("select root from history where origin = ? and size = ?", (origin, size)).fetchone()
        return None if row is None else bytes(row[0])

    def mirrored(self, origin: str, size: int) -> None:
        """So many leaves of a log lie in its folder, audited."""
        self._db.execute("update log set mirrored = ? where origin = ?", (size, origin))

    # what does not fit

    def hold(
        self, kind: str, found: Checkpoint, note: bytes, old: int, proof: bytes, now: Instant, *, proven: bool
    ) -> None:
        """Keep a checkpoint that does not fit beside the one we cosigned last: one a size of the log.

        Another root at a size that is kept already proves a fork by itself. Nothing that is kept makes room: what
        comes when there is none is counted.
        """
        log = self.log(found.origin)
        if log is None:
            return
        there = self._db.execute(_AT_SIZE, (found.origin, found.size)).fetchone()
        if there is not None:
            if there[1] != found.root:
                self._db.execute(_TWO_ROOTS, (note, found.root, old, proof, there[0]))
            elif proven:
                self.settle(there[0], proven=True)
            return
        held = self._db.execute(_HELD, (found.origin, proven)).fetchone()[0]
        if held >= (PROVEN_LIMIT if proven else OPEN_LIMIT):
            self._db.execute(_UNKEPT, (found.origin, now))
            return
        ours = None if log.note is None else log.note + (log.line or "").encode()
        self._db.execute(
            _HOLD,
            (now, kind, proven, found.origin, found.size, found.root, note, old, proof, log.size, log.root, ours),
        )

    def contradicted(self, origin: str, vkey: str, note: bytes, now: Instant) -> None:
        """Keep a signed list that names another key for a log that is watched: once for a key, and few of them."""
        log, claim = self.log(origin), sha256(vkey.encode()).digest()
        kept = self._db.execute("select root from evidence where origin = ? and kind = ?", (origin, OTHER_KEY))
        roots = {bytes(row[0]) for row in kept}
        if log is None or claim in roots:
            return
        if len(roots) >= LISTS_LIMIT:
            self._db.execute(_UNKEPT, (origin, now))
            return
        known = "\n".join(log.vkeys).encode()
        row = (now, OTHER_KEY, True, origin, 0, claim, self._list(note), 0, known, log.size, log.root, None)
        self._db.execute(_HOLD, row)

    def _list(self, note: bytes) -> bytes:
        """Keep a signed list, once; its hash."""
        digest = sha256(note).digest()
        self._db.execute("insert into signed_list values (?, ?) on conflict do nothing", (digest, note))
        return digest

    def unkept(self) -> list[Unkept]:
        """For which logs there was no room for more evidence, by origin."""
        return [Unkept(*row) for row in self._db.execute("select origin, count, last from unkept order by origin")]

    def evidence(self, origin: str | None = None, *, proven: bool | None = None) -> list[Evidence]:
        """What does not fit, in the order it came."""
        rows = self._db.execute(_EVIDENCE, (origin, proven))
        return [_evidence(row) for row in rows]

    def settle(self, number: int, *, proven: bool) -> None:
        """A doubt is a proof, or nothing."""
        if proven:
            self._db.execute("update evidence set proven = 1 where id = ?", (number,))
        else:
            self._db.execute("delete from evidence where id = ? and not proven", (number,))


def _log(row: tuple[object, ...]) -> Log:
    found = dict(zip(Log.__struct_fields__, row, strict=True))
    found["vkeys"] = tuple(str(found["vkeys"]).split("\n"))
    return msgspec.convert(found, Log)


def _evidence(row: tuple[object, ...]) -> Evidence:
    found = dict(zip(Evidence.__struct_fields__, row, strict=True))
    found["proven"] = bool(found["proven"])
    return msgspec.convert(found, Evidence)
