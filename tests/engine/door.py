"""The one door to protected data over a test's database: a real ledger, the policies of this release, shifts."""

import contextlib
import itertools
import secrets

import msgspec

from saqtau import policies
from saqtau.engine import postgres
from saqtau.engine.access import Access
from saqtau.engine.keys import Keys, Signers
from saqtau.engine.late import Late
from saqtau.engine.ledger import Ledger
from saqtau.engine.looked import read_access
from saqtau.kernel.access import AccessRequest, Action, Purpose, Viewer
from saqtau.kernel.clock import DAY, Instant

SEED = bytes(range(32))
POLICIES = policies.load()
LOOKER = Viewer("looker-of-the-tests", "auditor", frozenset())


class Door:
    """An access and ways to look behind it."""

    def __init__(self, access, ledger, pool, keys, clock):
        self.access = access
        self.ledger = ledger
        self.pool = pool
        self.keys = keys
        self.clock = clock

    async def lines(self, since=0, until=None, **wanted):
        """Entries that were made through this door, oldest first, as an overseer reads them."""
        await self.access.settle()
        wish = AccessRequest(action=Action.READ_ACCESS, purpose=Purpose.OVERSIGHT)
        grant = await self.access.open(LOOKER, wish)
        now = self.clock()
        end = Instant(now + DAY) if until is None else until
        found = await read_access(grant, self.pool, self.keys, Instant(since), end, now)
        rows = [msgspec.structs.asdict(line) for line in reversed(found.lines) if line.viewer != LOOKER.id]
        return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


@contextlib.asynccontextmanager
async def opened(database, folder, clock, *, js=None, role=postgres.APP, random=secrets.token_bytes):
    """A door to this database, keys in `folder`. js: with it help may come late."""
    async with postgres.pool(database, role, 4) as pool, postgres.pool(database, role, 2) as ledger_pool:
        keys = Keys(folder / "keys")
        ledger = Ledger(ledger_pool, Signers("saqtau.test", SEED), keys, clock, random, patience=0.5)
        late = Late(js, bytes(32), random) if js is not None else None
        counter = itertools.count()
        run = random(4).hex()
        access = Access(ledger, POLICIES, clock, lambda: f"{run}-{next(counter)}", late, pg=pool)
        yield Door(access, ledger, pool, keys, clock)
        await access.stop()
        await ledger.close()


async def on_shift(pg, now, *people):
    """These people are on shift around `now`. pg: the owner or a worker."""
    for person in people:
        await pg.execute(
            "insert into shifts values ($1, $2, $3) on conflict do nothing", person, now - DAY // 2, now + DAY // 2
        )


async def register_case(pg, number, region=2, opened_at=0, closed=None):
    """This case stands in the register."""
    await pg.execute(
        "insert into cases values ($1, $2, $3, $4) on conflict do nothing", number, region, opened_at, closed
    )
