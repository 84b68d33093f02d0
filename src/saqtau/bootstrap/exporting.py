"""What packages of recordings are made with, out of the configuration."""

from saqtau.bootstrap.ground import Ground, ids, leaving
from saqtau.engine import leaving_folder
from saqtau.engine.recording_package import Exporting
from saqtau.kernel.errors import Kind, Refused
from saqtau.video.signed_copy import CopySigner, load_signer


def exporting_of(ground: Ground) -> Exporting:
    """Raises Refused(INVALID) naming `certificate` or `key`: nothing starts with a signer that cannot sign."""
    signer = _signer(ground)
    return Exporting(leaving_folder.claim(leaving(ground), ids), ground.config.video.timestamp, signer)


def _signer(ground: Ground) -> CopySigner | None:
    settings = ground.config.video
    if settings.certificate is None and settings.key is None:
        return None
    if settings.certificate is None or settings.key is None:
        raise Refused(Kind.INVALID, "[video] certificate and key are set together", key="alone")
    try:
        return load_signer(settings.certificate.read_bytes(), settings.key.read_bytes())
    except OSError as error:
        raise Refused(Kind.INVALID, f"{error.filename}: {error.strerror}", certificate="unreadable") from error
