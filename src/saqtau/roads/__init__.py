"""The map as arrays: import, snapping, the nearest unit by drive time, who lies ahead, sections between cameras."""


def warm() -> None:
    """Compile every search, or load it from the cache, so that no read waits for it: 20 s once, then 1 s."""
    from saqtau.roads.warming import warm_up

    warm_up()
