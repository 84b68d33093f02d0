"""Every call of the API is an action of the policies, or is open for a reason that is written down."""

import pytest
from litestar.handlers import WebsocketRouteHandler
from tests.architecture.source import ROOT, modules, names_used, tree

from saqtau import policies
from saqtau.kernel.access import Action
from saqtau.web.api import API
from saqtau.web.document import openapi
from saqtau.web.operations import ACTIONS, OPEN, SOCKETS
from saqtau.web.policy_page import page

NO_CALL = {
    Action.ERASE_RECORD: "nobody may; the end of a term does it",
    Action.MANAGE_ACCOUNT: "a verb of the command: saqtau user",
    Action.MAKE_REPORT: "a verb of the command: saqtau report",
}
"""Actions that no call of the API is."""


@pytest.fixture(scope="module")
def operations():
    return {
        call["operationId"]: call
        for path in openapi()["paths"].values()
        for call in path.values()
        if isinstance(call, dict)
    }


def test_every_operation_is_an_action_or_open_for_a_reason(operations):
    assert operations.keys() - ACTIONS.keys() - OPEN.keys() == set(), "say in web/operations.py what they are"
    assert (ACTIONS.keys() | OPEN.keys()) - operations.keys() == set(), "they are no calls any more"
    assert not ACTIONS.keys() & OPEN.keys()


def test_every_action_is_some_call_or_none_for_a_reason():
    asked = {action for actions in (*ACTIONS.values(), *SOCKETS.values()) for action in actions}
    assert asked | NO_CALL.keys() == set(Action)
    assert all(len(reason) > 10 for reason in (*OPEN.values(), *NO_CALL.values()))


def test_every_socket_is_an_action():
    assert {call.name for call in API if isinstance(call, WebsocketRouteHandler)} == SOCKETS.keys()


def test_what_asks_for_no_session_is_open(operations):
    without = {name for name, call in operations.items() if call.get("security") == []}
    assert without <= OPEN.keys()


def test_each_action_is_asked_for_somewhere_in_the_web():
    used = {name for path in modules("web") if path.name != "operations.py" for name in names_used(tree(path))}
    missing = {action.name for actions in (*ACTIONS.values(), *SOCKETS.values()) for action in actions} - used
    assert missing <= {"MANAGE_OWN_ACCOUNT"}  # the session itself is the right to one's own account


def test_the_page_of_the_policies_is_current():
    """`python -m saqtau.web.policy_page docs/oversee/policies.md`"""
    assert (ROOT / "docs" / "oversee" / "policies.md").read_text(encoding="utf-8") == page(policies.load())
