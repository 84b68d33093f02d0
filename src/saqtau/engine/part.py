"""A part is a process the supervisor keeps alive: how it is started, when it is ready, how it is asked to stop."""

import ctypes
import os
import signal
import subprocess
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from saqtau.engine.place import Account

_PR_SET_PDEATHSIG = 1
_PR_SET_KEEPCAPS = 8
_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP = 28, 1 << 2
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_DAC_OVERRIDE, _CAP_DAC_READ_SEARCH = 1, 2
_CAPABILITY_VERSION_3 = 0x20080522
_LIBC = ctypes.CDLL(None, use_errno=True)


class Part(msgspec.Struct, frozen=True):
    """What to run. `ready` returns when the part answers and raises when it cannot come up."""

    name: str
    command: tuple[str, ...]
    folder: Path | None = None  # its working folder
    environment: Mapping[str, str] | None = None  # None = ours
    account: Account | None = None
    stop: signal.Signals = signal.SIGTERM
    hurry: signal.Signals = signal.SIGKILL  # when it has not stopped in time
    ready: Callable[[], Awaitable[None]] | None = None
    before: Callable[[], None] | None = None  # run before every start: what a crash left is put right
    quiet: bool = False  # its lines go to its log file only, unless they tell of trouble


def step_down(account: Account) -> None:
    """Become the account, in a child before it runs its program.

    An account that `walks` keeps one single right of root's: to enter and read where it otherwise could not
    (capabilities(7): CAP_DAC_READ_SEARCH, or CAP_DAC_OVERRIDE where a container withholds that one).
    """
    if account.walks:
        _LIBC.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0)
        # access(2), by which PostgreSQL looks for its programs, would else not count the right
        _LIBC.prctl(_PR_SET_SECUREBITS, _SECBIT_NO_SETUID_FIXUP, 0, 0, 0)
    os.setgroups([])
    os.setresgid(account.gid, account.gid, account.gid)
    os.setresuid(account.uid, account.uid, account.uid)
    if account.walks and not any(_keep_right(right) for right in (_CAP_DAC_READ_SEARCH, _CAP_DAC_OVERRIDE)):
        raise PermissionError(ctypes.get_errno(), "this container withholds the right to enter the folder")


def _keep_right(right: int) -> bool:
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    bits = 1 << right
    data = (ctypes.c_uint32 * 6)(bits, bits, bits, 0, 0, 0)  # effective, permitted, inheritable; low and high words
    kept = _LIBC.capset(header, data) == 0
    return bool(kept and _LIBC.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE, right, 0, 0) == 0)


def spawn(
    part: Part,
    stdout: int | None = subprocess.DEVNULL,
    stderr: int | None = subprocess.DEVNULL,
    keep: Sequence[int] = (),
) -> "subprocess.Popen[bytes]":
    """Start the part in a session of its own, so that Ctrl-C reaches it only through us.

    The kernel tells it to stop when we die, whatever kills us. `keep`: descriptors it inherits (the folder's lock).
    """
    account = part.account
    parent = os.getpid()

    def tie_to_parent() -> None:
        if account is not None:
            step_down(account)
        # after the change of account, which would clear it
        _LIBC.prctl(_PR_SET_PDEATHSIG, int(part.stop), 0, 0, 0)
        if os.getppid() != parent:
            os.kill(os.getpid(), signal.SIGKILL)

    return subprocess.Popen(
        list(part.command),
        cwd=part.folder,
        env=None if part.environment is None else dict(part.environment),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=stderr,
        start_new_session=True,
        pass_fds=tuple(keep),
        preexec_fn=tie_to_parent,  # noqa: PLW1509 - started from the main thread only
    )
