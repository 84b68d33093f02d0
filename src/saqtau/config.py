"""The configuration: one TOML file, every key typed and told what it is for. Secrets are files, never values.

`docs/reference/config.md` is made from these structs (`reference`), and a test sees to it that it is current.
"""

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta

from saqtau.kernel.errors import Kind, Refused

Duration = Annotated[str, Meta(pattern=r"\AP[0-9DTHMS]+\Z", max_length=20)]
Text = Annotated[str, Meta(min_length=1, max_length=300)]
Port = Annotated[int, Meta(ge=1, le=65535)]


class Engine(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """PostgreSQL and NATS: started by Saqtau itself in its folder, or used at given addresses."""

    folder: Annotated[
        Path,
        Meta(description="The data folder: record, journal, map, pictures, passwords. Needs a disk that can sync."),
    ] = Path(".saqtau")
    account: Annotated[str, Meta(description="The account PostgreSQL runs as when Saqtau is started by root.")] = (
        "nobody"
    )
    workers: Annotated[int, Meta(ge=1, le=64, description="Worker processes on this machine.")] = 1
    postgres: Annotated[
        str | None,
        Meta(description="A PostgreSQL to use: `postgres://host:port/database`; without it Saqtau starts its own."),
    ] = None
    postgres_admin: Annotated[
        Path | None, Meta(description="File with the password of `saqtau_admin` at that PostgreSQL.")
    ] = None
    nats: Annotated[
        str | None,
        Meta(description="NATS servers to use: `nats://a:4222,nats://b:4222`; without it Saqtau starts its own."),
    ] = None
    nats_password: Annotated[Path | None, Meta(description="File with the password of `saqtau` at those servers.")] = (
        None
    )
    nats_pictures_password: Annotated[
        Path | None,
        Meta(
            description="File with the password of `saqtau_pictures` at those servers: only where recorders or the web "
            "run."
        ),
    ] = None
    replicas: Annotated[int, Meta(ge=1, le=5, description="Copies of the journal in a NATS cluster.")] = 1
    journal_bytes: Annotated[
        int,
        Meta(ge=64 << 20, description="Bytes the own journal may take; beyond that events are refused."),
    ] = 20 << 30
    postgres_bin: Annotated[
        Path | None, Meta(description="Folder with other PostgreSQL 18 programs than the wheel's.")
    ] = None
    nats_server: Annotated[Path | None, Meta(description="Another nats-server program than the wheel's.")] = None


class Web(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Console, tablet page and API."""

    host: Annotated[
        str, Meta(description="Address to listen on. Beyond loopback put TLS in front: cookies are then marked Secure.")
    ] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on.")] = 8470
    tls: Annotated[
        bool, Meta(description="TLS ends in front of it: cookies are Secure though the bind is loopback.")
    ] = False


class Intake(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Where cameras and phones push."""

    host: Annotated[str, Meta(description="Address to listen on.")] = "127.0.0.1"
    port: Annotated[Port, Meta(description="Port to listen on.")] = 8471
    mqtt_host: Annotated[
        str,
        Meta(description="Address to listen on for plate events over MQTT; beyond loopback only with a certificate."),
    ] = "127.0.0.1"
    mqtt_port: Annotated[
        Port | None, Meta(description="Port for plate events over MQTT, by custom 8883; without it nothing listens.")
    ] = None
    mqtt_certificate: Annotated[
        Path | None, Meta(description="File (PEM) with the certificate chain that cameras see over MQTT.")
    ] = None
    mqtt_key: Annotated[Path | None, Meta(description="File (PEM, 0600) with the key of that certificate.")] = None


class Reads(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Plate reads that hit nothing."""

    window: Annotated[
        Duration | None,
        Meta(description="How long they may be matched, e.g. `PT30M`, at most a day; default: the jurisdiction's."),
    ] = None


DEMONSTRATION_WITNESS = "witness.demonstration/1"
"""The name of the witness that a demonstration keeps itself: pages and reports say so wherever it stands."""


class Ledger(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The log of looking, and who witnesses it."""

    authority: Annotated[
        str,
        Meta(
            pattern=r"\A[a-z0-9][a-z0-9.-]{0,63}\Z",
            description="Begins the name of every log, for ever: like the host name of the authority. "
            "Settle it before the first entry.",
        ),
    ] = "saqtau.local"
    witnesses: Annotated[
        tuple[Annotated[str, Meta(pattern=r"\A[^ ]{1,1024} https?://[^ ]{1,500}\Z", max_length=1600)], ...],
        Meta(
            max_length=16,
            description="Witnesses, each `KEY ADDRESS`: what `saqtau witness key` prints, and where it answers.",
        ),
    ] = ()
    mirror_token: Annotated[
        Path | None,
        Meta(
            description="File (0600) with the token that lets a witness copy the log; default `secrets/mirror-token`."
        ),
    ] = None


class Accounts(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How people log in."""

    second_factor: Annotated[
        str,
        Meta(
            pattern=r"\A(required|offered)\Z",
            description="`required`: who logs in with a password alone can only set up a passkey or codes. `offered`: "
            "nobody must (the demonstration).",
        ),
    ] = "required"
    origin: Annotated[
        Text | None,
        Meta(
            description="Where browsers find the console, e.g. `https://saqtau.example`; passkeys are bound to its "
            "name. Default `http://localhost:PORT`.",
        ),
    ] = None


class Identity(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The authority's own identity provider (OpenID Connect). It must know `ORIGIN/api/oidc/callback`."""

    issuer: Annotated[Text | None, Meta(description="Its issuer, exactly as it spells it.")] = None
    client: Annotated[Text | None, Meta(description="What it calls this Saqtau.")] = None
    secret: Annotated[Path | None, Meta(description="File with the secret it gave us; none: a public client.")] = None
    name: Annotated[str, Meta(max_length=60, description="What the button of the log-in page calls it.")] = "SSO"
    claim: Annotated[
        str,
        Meta(
            max_length=60, description="The claim that names a person, linked by `saqtau user link`; never an address."
        ),
    ] = "sub"
    second: Annotated[
        str, Meta(max_length=60, description="The `amr` value by which it says that it asked for two factors.")
    ] = "mfa"


Bytes = Annotated[
    str, Meta(pattern=r"\A[1-9][0-9]{0,5}(?:\.[0-9]{1,2})? ?(?:MB|GB|TB|PB|MiB|GiB|TiB|PiB)\Z", max_length=20)
]
"""A number of bytes as people write it."""

_UNITS = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "PB": 10**15, "MiB": 2**20, "GiB": 2**30, "TiB": 2**40, "PiB": 2**50}


def parse_bytes(text: str) -> int:
    """Bytes of a `Bytes` text. Raises ValueError for any other."""
    found = re.fullmatch(r"([0-9.]+) ?([MGTP]i?B)", text)
    if found is None:
        raise ValueError(f"not a number of bytes: {text[:20]}")
    return round(float(found[1]) * _UNITS[found[2]])


class Video(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Recording of cameras."""

    folders: Annotated[
        tuple[Path, ...],
        Meta(
            max_length=64,
            description="Volumes: folders that recordings are written to, each best a disk of its own. Default: "
            "`video` in the data folder.",
        ),
    ] = ()
    budget: Annotated[
        Bytes | None,
        Meta(
            description="What recordings may take on each volume, e.g. `7.5 TB`. Default: the disk but for a tenth, "
            "at most 100 GiB, that stays free."
        ),
    ] = None
    processes: Annotated[
        int, Meta(ge=1, le=64, description="Recorder processes on this machine; they share the cameras.")
    ] = 1
    timestamp: Annotated[
        Text | None, Meta(description="A time-stamping authority (RFC 3161) that exports are stamped by: its address.")
    ] = None
    certificate: Annotated[
        Path | None,
        Meta(description="File (PEM) with the certificate chain that exported copies are signed under (C2PA)."),
    ] = None
    key: Annotated[Path | None, Meta(description="File (PEM, 0600) with the key of that certificate.")] = None


class Config(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything that can be set."""

    jurisdiction: Annotated[str, Meta(description="The country's law: a file of `jurisdiction/` by name.")] = "kz"
    engine: Engine = Engine()
    web: Web = Web()
    accounts: Accounts = Accounts()
    identity: Identity = Identity()
    intake: Intake = Intake()
    reads: Reads = Reads()
    ledger: Ledger = Ledger()
    video: Video = Video()


DEFAULT = Path("saqtau.toml")


def decode(text: str) -> Config:
    """A configuration from TOML. Raises Refused(INVALID) that names the key."""
    try:
        found = tomllib.loads(text)
        return msgspec.convert(found, Config, strict=True, dec_hook=_path)
    except tomllib.TOMLDecodeError as error:
        raise Refused(Kind.INVALID, f"configuration: {error}", config="not_toml") from error
    except msgspec.ValidationError as error:
        key = str(error).rpartition("$")[2].rstrip("`").lstrip(".")
        raise Refused(Kind.INVALID, f"configuration: {error}", **{key or "config": "invalid"}) from error


def _path(kind: type, value: Any) -> Any:
    if kind is Path and isinstance(value, str):
        return Path(value)
    raise NotImplementedError  # what msgspec asks of a hook that does not know a type: it then names the key


def read_config(path: Path | None, folder: Path | None = None) -> Config:
    """The configuration of a file, or the defaults when `saqtau.toml` is not there. folder: overrides the file's.

    Raises Refused: NOT_FOUND (a named file that is not there), INVALID (naming the key).
    """
    if path is None and not DEFAULT.is_file():
        config = Config()
    else:
        wanted = path or DEFAULT
        try:
            config = decode(wanted.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise Refused(Kind.NOT_FOUND, f"no configuration file {wanted}", config="not_found") from None
        except (OSError, UnicodeDecodeError) as error:
            raise Refused(Kind.INVALID, f"configuration {wanted}: {error}", config="not_readable") from error
    if folder is not None:
        config = msgspec.structs.replace(config, engine=msgspec.structs.replace(config.engine, folder=folder))
    return config


def encode(config: Config) -> str:
    """The TOML text of a configuration, as a part's process is handed it."""
    plain = msgspec.to_builtins(config, enc_hook=os.fspath)
    lines = [f"{key} = {_toml(value)}" for key, value in plain.items() if not isinstance(value, dict)]
    for name, table in plain.items():
        if isinstance(table, dict):
            lines += [
                "",
                f"[{name}]",
                *(f"{key} = {_toml(value)}" for key, value in table.items() if value is not None),
            ]
    return "\n".join(lines) + "\n"


def _toml(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def reference() -> str:
    """The reference page."""
    lines = [
        "# Configuration",
        "",
        "One TOML file: `saqtau.toml` in the working folder, or named by `--config`. An unknown key is refused.",
        "Secrets are files (mode 0600), never values. This page is made from the code.",
        "",
        *_table(Config),
    ]
    for name, kind in get_type_hints(Config).items():
        if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
            lines += ["", f"## [{name}]", "", (kind.__doc__ or "").strip(), "", *_table(kind)]
    return "\n".join(lines) + "\n"


def _table(kind: type[msgspec.Struct]) -> list[str]:
    hints = get_type_hints(kind, include_extras=True)
    rows = ["| key | type | default | what it is for |", "|---|---|---|---|"]
    for field in msgspec.structs.fields(kind):
        hint = hints[field.name]
        if get_origin(hint) is not Annotated:
            continue
        base, *metas = get_args(hint)
        if get_origin(base) is Annotated:
            base, *more = get_args(base)
            metas += more
        told = next((meta.description for meta in metas if meta.description), "")
        default = "-" if field.default in (None, ()) else f"`{field.default}`"
        rows.append(f"| `{field.name}` | {_spelled(base)} | {default} | {told} |")
    return rows


def _spelled(kind: Any) -> str:
    names = {str: "text", int: "number", Path: "path", bool: "true or false"}
    if get_origin(kind) is Annotated:
        return _spelled(get_args(kind)[0])
    if get_origin(kind) is tuple:
        return f"list of {_spelled(get_args(kind)[0])}"
    parts = [part for part in get_args(kind) or (kind,) if part is not type(None)]
    return " or ".join(names[part] if part in names else _spelled(part) for part in parts)
