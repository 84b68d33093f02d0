"""A pool whose connections fail where they are told to: before a statement, after it, or much later."""

from collections import deque

from saqtau.engine.sequencer import APPEND

FAULTS = ("lost before", "lost answer", "arrives later", "backend killed", "commit lost", "commit's answer lost")
"""What can happen to one batch on its way."""


class FaultyPool:
    """Over a real pool. `faults`: one for each of the next appends; None lets it pass."""

    def __init__(self, pool):
        self.pool = pool
        self.faults = deque()
        self.late = []  # statements that the client has given up and that the server has still to see

    async def acquire(self):
        return FaultyConnection(self, await self.pool.acquire())

    async def release(self, connection, *, timeout=None):
        await self.pool.release(connection.real, timeout=timeout)

    async def deliver(self):
        """What was on its way arrives."""
        late, self.late = self.late, []
        for arguments in late:
            await self.pool.fetchrow(APPEND, *arguments)


class FaultyConnection:
    def __init__(self, owner, real):
        self._owner = owner
        self.real = real
        self._commit = None

    def __getattr__(self, name):
        return getattr(self.real, name)

    async def fetchrow(self, query, *arguments):
        if query is not APPEND or not self._owner.faults:
            return await self.real.fetchrow(query, *arguments)
        fault = self._owner.faults.popleft()
        match fault:
            case "lost before":
                raise ConnectionResetError(fault)
            case "lost answer":
                await self.real.fetchrow(query, *arguments)
                raise ConnectionResetError(fault)
            case "arrives later":
                self._owner.late.append(arguments)
                raise TimeoutError(fault)
            case "backend killed":
                await self._owner.pool.execute("select pg_terminate_backend($1)", self.real.get_server_pid())
            case "commit lost" | "commit's answer lost" if self.real.is_in_transaction():
                self._commit = fault
        return await self.real.fetchrow(query, *arguments)

    def transaction(self):
        return _Transaction(self, self.real.transaction())


class _Transaction:
    def __init__(self, connection, real):
        self._connection = connection
        self._real = real

    async def __aenter__(self):
        await self._real.__aenter__()

    async def __aexit__(self, kind, error, trace):
        fault, self._connection._commit = self._connection._commit, None
        if fault == "commit lost" and kind is None:
            kind, error = ConnectionResetError, ConnectionResetError(fault)
        await self._real.__aexit__(kind, error, trace)
        if fault is not None:
            raise ConnectionResetError(fault)
