"""Where a camera may be: its register says, and neither the camera nor a name may send us anywhere else.

A camera may send us to another path of its own, never to another machine. An address of the register that is written in
numbers is what whoever registered it decided; a name is decided by whoever answers for it, at each look-up anew, so it
leads to no machine that only we can reach: ourselves, this line, and where clouds tell their guests secrets.
"""

import socket
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from saqtau.kernel.errors import Kind, Refused

PORTS: Final = {"http": 80, "https": 443, "rtmp": 1935}
SECRETS: Final = frozenset(map(ip_address, ("100.100.100.200", "168.63.129.16", "192.0.0.192", "fd00:ec2::254")))
"""Where clouds tell their guests passwords, beside 169.254.169.254."""
NAT64: Final = IPv6Network("64:ff9b::/96")
"""Behind which IPv4 lies in networks that have none (RFC 6052)."""


def must_lead_to_a_camera(host: str, address: str) -> None:
    """host: of the register; address: what it leads to, in numbers. Raises Refused(DENIED, stream="address")."""
    if is_number(host):
        return
    found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(found, IPv6Address):
        behind = IPv4Address(int(found) & 0xFFFFFFFF) if found in NAT64 else None
        found = found.ipv4_mapped or found.sixtofour or behind or found
    if found.is_loopback and host.lower().rstrip(".") == "localhost":
        return
    if found.is_loopback or found.is_link_local or found.is_multicast or found.is_unspecified or found in SECRETS:
        raise Refused(Kind.DENIED, f"{host} leads to {found}, where no camera is: not called", stream="address")


def find(host: str, port: int, kind: int = socket.SOCK_STREAM) -> list[tuple[Any, ...]]:
    """What `getaddrinfo` says, each looked at. Raises Refused: stream="unreachable", or as `must_lead_to_a_camera`."""
    try:
        found: list[tuple[Any, ...]] = socket.getaddrinfo(host, port, type=kind)
    except (OSError, UnicodeError) as error:
        raise Refused(Kind.UNAVAILABLE, f"{host}: {error}", stream="unreachable") from error
    for one in found:
        must_lead_to_a_camera(host, one[4][0])
    return found


def addresses(host: str, port: int) -> list[str]:
    """As `find`, in numbers."""
    return list(dict.fromkeys(str(one[4][0]) for one in find(host, port)))


def is_number(host: str) -> bool:
    """Whether it is an address as registers write it: no name, nor one of the other spellings that systems take."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def own_path(base: str, target: str) -> str:
    """Where a camera at `base` sends us. Raises Refused(DENIED, stream="denied") unless it is another path of its own.

    The same machine is the same scheme, name and port: behind another port is another program.
    """
    try:
        whole = urljoin(base, target)
        same = _origin(whole) == _origin(base)
    except ValueError:
        whole, same = "", False
    if not same or not whole.isascii() or any(one <= " " or one == "\x7f" for one in whole):
        host = urlsplit(base).hostname
        raise Refused(Kind.DENIED, f"{host} sends to another machine: not followed", stream="denied")
    return whole.partition("#")[0]


def _origin(address: str) -> tuple[str, str | None, int | None, str | None]:
    parts = urlsplit(address)
    port = PORTS.get(parts.scheme) if parts.port is None else parts.port
    return parts.scheme, parts.hostname, port, parts.username
