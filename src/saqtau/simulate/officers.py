"""Simulated crews: they come on duty, answer what their tablet shows, and say truly how it ended.

They use the API as the tablet page does. The first patrol is left to a person: for it only duty is set.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from saqtau.kernel.clock import Clock, Instant, between
from saqtau.kernel.errors import Kind, Refused
from saqtau.simulate.api import Api
from saqtau.simulate.register import Account
from saqtau.simulate.stage import Stage
from saqtau.simulate.wire import BROKEN

LOOKS = (2.0, 4.0)  # s between two looks at the tablet
THINKS = (2.0, 7.0)  # s before an offer is answered
REFUSES = 0.07
MEETS = 130.0  # metres at which a vehicle is stopped
GIVES_UP = 170.0  # s after which it was not seen
STOP_TAKES = 25.0  # s from the vehicle's stop until the crew reports it
STOPPED_FOR = 150.0  # s that a stopped vehicle stands

Say = Callable[[str], None]


class Case(msgspec.Struct):
    """The alert a crew is at work on."""

    item: str
    plate: str
    since: Instant
    met: Instant | None = None


class Crew:
    """What one crew remembers."""

    def __init__(self, account: Account, password: str, dice: Random) -> None:
        self.account, self.password, self.dice = account, password, dice
        self.case: Case | None = None

    @property
    def unit(self) -> str:
        """The unit the crew serves in."""
        return self.account.unit or ""

    def outcome(self, stage: Stage, now: Instant) -> str | None:
        """How the case ended: "stopped", "not_seen", or None while it has not. Stops the vehicle when it is met."""
        case = self.case
        if case is None:
            return None
        if case.met is None and stage.metres_to(self.unit, case.plate) <= MEETS:
            case.met = now
            stage.stop_vehicle(case.plate, STOPPED_FOR)
        if case.met is not None:
            return "stopped" if between(case.met, now) >= STOP_TAKES else None
        return "not_seen" if between(case.since, now) >= GIVES_UP else None


async def serve(crew: Crew, web: str, stage: Stage, clock: Clock, stop: asyncio.Event, say: Say) -> None:
    """Log in, come on duty and answer the tablet until told to stop; an answer that fails is tried again."""
    api = Api(web)
    known = on_duty = False
    tries = 0
    while not stop.is_set():
        try:
            if not known:
                await api.log_in(crew.account.name, crew.password)
                known, on_duty, tries = True, False, 0
            if not on_duty:
                await api.post("/api/tablet/duty", on=True)
                on_duty = True
                if not crew.account.simulated:
                    break  # a person has this tablet
            await _look(crew, api, stage, clock)
            pause = crew.dice.uniform(*LOOKS)
        except BROKEN:
            tries += 0 if known else 1
            pause = 3.0 if known else _patience(tries, crew.dice)
        except Refused as refusal:
            known = known and refusal.kind is not Kind.UNAUTHENTICATED
            tries += 0 if known else 1
            pause = 5.0 if known else max(20.0 if refusal.kind is Kind.TOO_MANY else 5.0, _patience(tries, crew.dice))
            if refusal.kind not in (Kind.STALE, Kind.CONFLICT, Kind.UNAVAILABLE, Kind.UNAUTHENTICATED):
                say(f"crew of {crew.unit}: {refusal.message}")
        await _rest(stop, pause)
    api.close()


def _patience(tries: int, dice: Random) -> float:
    """Seconds before the next log-in: two minutes at most.

    A server whose log-ins take longer than somebody waits is kept so by those who only ask again.
    """
    return dice.uniform(0.5, 1.0) * min(3.0 * 2.0 ** min(tries, 6), 120.0)


async def _rest(stop: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(stop.wait(), seconds)
    except TimeoutError:
        return


async def _look(crew: Crew, api: Api, stage: Stage, clock: Clock) -> None:
    """One look at the tablet, and what follows from it."""
    alert: dict[str, Any] | None = (await api.get("/api/tablet"))["alert"]
    if alert is None:
        crew.case = None
        return
    open_edges = {edge["name"] for edge in alert["edges"]}
    if "accept" in open_edges:
        await asyncio.sleep(crew.dice.uniform(*THINKS))
        if crew.dice.random() < REFUSES:
            await api.take(alert, "refuse", reason="other_work")
            return
        await api.take(alert, "accept")
        stage.keep_unit(crew.unit, GIVES_UP)
        crew.case = Case(alert["id"], plate_of(alert), clock())
        return
    if crew.case is None or crew.case.item != alert["id"]:
        crew.case = Case(alert["id"], plate_of(alert), clock())
    if (end := crew.outcome(stage, clock())) is not None:
        await _report(api, alert, end)
        crew.case = None


def plate_of(alert: dict[str, Any]) -> str:
    """The plate an alert is about: an offer keeps it in what the asking desk said, "" when it names none."""
    told = alert["data"]
    return str(told.get("plate") or told.get("title", {}).get("plate") or "")


async def _report(api: Api, alert: dict[str, Any], end: str) -> None:
    """Tell the outcome: on the item that the alert is about if that asks for it, else the work is finished."""
    for item in (alert, await _parent(api, alert)):
        if item is not None and end in {edge["name"] for edge in item["edges"]}:
            await api.take(item, end)
            return
    if "finish" in {edge["name"] for edge in alert["edges"]}:
        await api.take(alert, "finish")


async def _parent(api: Api, alert: dict[str, Any]) -> dict[str, Any] | None:
    return None if alert["parent"] is None else await api.get(f"/api/items/{alert['parent']}")
