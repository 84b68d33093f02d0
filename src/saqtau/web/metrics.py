"""Figures of this process for Prometheus. Counts only: no name, no plate, no unit."""

from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from saqtau.engine.access import Access

REGISTRY = CollectorRegistry()
REQUESTS = Counter("saqtau_web_requests", "Requests answered.", ("call", "status"), registry=REGISTRY)
SECONDS = Histogram(
    "saqtau_web_seconds", "Seconds until an answer began.", ("call",), registry=REGISTRY,
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5),
)  # fmt: skip
STREAMS = Gauge("saqtau_web_streams", "Open live streams.", registry=REGISTRY)
FEED = Gauge("saqtau_web_feed_sequence", "Feed sequence this process has told.", registry=REGISTRY)
PICTURES = Counter("saqtau_web_picture_bytes", "Bytes of pictures served under a grant.", registry=REGISTRY)
PACKAGES = Counter("saqtau_web_package_bytes", "Bytes of export packages served under a grant.", registry=REGISTRY)
VIEWS = Gauge("saqtau_web_views", "Live pictures of cameras that are open.", registry=REGISTRY)
LIVE_BYTES = Counter("saqtau_web_live_bytes", "Bytes of live pictures served under a grant.", registry=REGISTRY)
SKIPPED = Counter("saqtau_web_live_skips", "Times a viewer was too slow and skipped to a key frame.", registry=REGISTRY)
RECORDED_BYTES = Counter("saqtau_web_recorded_bytes", "Bytes of recordings served under a grant.", registry=REGISTRY)
WAITING = Gauge("saqtau_web_entries_waiting", "Entries that wait for ledger or journal.", registry=REGISTRY)
LOST = Gauge("saqtau_web_entries_lost", "Entries that neither ledger nor journal took.", registry=REGISTRY)


def written(hub: Any, access: Access, views: int = 0) -> bytes:
    """The text of all figures."""
    WAITING.set(access.waiting)
    LOST.set(access.lost)
    STREAMS.set(hub.clients)
    FEED.set(hub.last)
    VIEWS.set(views)
    return generate_latest(REGISTRY)
