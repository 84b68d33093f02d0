"""Two people, and what no policy can loosen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from saqtau.kernel.clock import DAY, MINUTE, Instant
from saqtau.kernel.errors import Kind, Refused
from saqtau.kernel.sensitive import Sensitive
from saqtau.kernel.two_people import (
    DOWNLOADABLE,
    LAPSES,
    REVIEW_WITHIN,
    UNREVIEWED,
    WAITING,
    Broken,
    Signature,
    Standing,
    Wish,
    agree,
    covers,
    is_locked,
    may_break,
    may_fetch,
    refuse,
    standing_at,
)

T0 = Instant(1_764_000_000_000)
SOON = Instant(T0 + MINUTE)


def wish(*sensitive):
    return Wish(asked_by="a", asked_at=T0, sensitive=frozenset(sensitive))


def sign(by, role="inspector", at=SOON):
    return Signature(by, role, at)


def refused(act, *args):
    with pytest.raises(Refused) as told:
        act(*args)
    return told.value.kind, dict(told.value.fields)


def test_another_person_is_enough_for_an_ordinary_item():
    done = agree(wish(), sign("b"))
    assert (done.standing, [one.by for one in done.signatures]) == (Standing.APPROVED, ["b"])


def test_nobody_approves_his_own_wish_in_whatever_role():
    for role in ("inspector", "prosecutor", "duty_officer"):
        assert refused(agree, wish(), sign("a", role)) == (Kind.DENIED, {"actor": "own_wish"})


def test_signatures_given_before_minors_were_concerned_do_not_cover_them():
    minors = frozenset({Sensitive.MINORS})
    officer, prosecutor = sign("b"), sign("p", "prosecutor")
    assert covers((officer,), frozenset())
    assert not covers((officer, sign("c")), minors)
    assert not covers((prosecutor,), minors)
    assert covers((officer, prosecutor), minors)


@pytest.mark.parametrize("reason", Sensitive)
def test_minors_and_custody_need_the_prosecutor_besides(reason):
    half = agree(wish(reason), sign("b"))
    assert half.standing is Standing.AWAITS_PROSECUTOR
    assert not may_fetch(half, SOON)
    assert refused(agree, half, sign("c")) == (Kind.DENIED, {"role": "prosecutor_only"})
    done = agree(half, sign("p", "prosecutor"))
    assert done.standing is Standing.APPROVED
    assert may_fetch(done, SOON)


def test_one_person_in_two_roles_is_still_one_person():
    half = agree(wish(Sensitive.MINORS), sign("b"))
    assert refused(agree, half, sign("b", "prosecutor")) == (Kind.DENIED, {"actor": "agreed_already"})


def test_the_prosecutor_comes_after_the_officer():
    assert refused(agree, wish(Sensitive.CUSTODY), sign("p", "prosecutor")) == (
        Kind.CONFLICT,
        {"prosecutor": "not_yet"},
    )


def test_a_wish_that_nobody_answers_lapses():
    late = Instant(T0 + LAPSES)
    assert standing_at(wish(), Instant(late - 1)) is Standing.REQUESTED
    assert standing_at(wish(), late) is Standing.LAPSED
    assert refused(agree, wish(), sign("b", at=late)) == (Kind.CONFLICT, {"standing": "lapsed"})


def test_what_was_refused_stays_refused():
    no = refuse(wish(), "b", SOON)
    assert no.standing is Standing.REFUSED
    assert refused(agree, no, sign("c")) == (Kind.CONFLICT, {"standing": "refused"})
    assert refused(refuse, agree(wish(), sign("b")), "c", SOON) == (Kind.CONFLICT, {"standing": "approved"})


def test_a_package_can_be_fetched_for_two_weeks():
    done = agree(wish(), sign("b"))
    assert may_fetch(done, Instant(SOON + DOWNLOADABLE - 1))
    assert not may_fetch(done, Instant(SOON + DOWNLOADABLE))


people = st.sampled_from(("a", "b", "c", "d"))
roles = st.sampled_from(("inspector", "duty_officer", "prosecutor"))
acts = st.lists(st.tuples(st.sampled_from(("agree", "refuse", "wait")), people, roles), max_size=8)


@given(acts, st.frozensets(st.sampled_from(list(Sensitive))))
def test_whatever_is_tried_an_approved_wish_has_the_people_it_needs(tried, why):
    one, now = wish(*why), T0
    for what, by, role in tried:
        now = Instant(now + DAY)
        try:
            match what:
                case "agree":
                    one = agree(one, Signature(by, role, now))
                case "refuse":
                    one = refuse(one, by, now)
                case _:
                    pass
        except Refused:
            pass
    signers = [signature.by for signature in one.signatures]
    assert "a" not in signers
    assert len(set(signers)) == len(signers)
    if one.standing is Standing.APPROVED:
        assert signers
        if why:
            assert len(signers) >= 2
            assert one.signatures[-1].role == "prosecutor"
        assert all(signature.at < T0 + LAPSES for signature in one.signatures)
    else:
        assert not may_fetch(one, now)
    if one.standing in WAITING and why:
        assert len(signers) == (one.standing is Standing.AWAITS_PROSECUTOR)


def broken(at=T0, reviewed=None):
    return Broken(officer="duty", at=Instant(at), reviewed=reviewed)


def test_a_glass_is_broken_for_a_reason_but_never_for_custody():
    may_break((), frozenset(), SOON)
    may_break((), frozenset({Sensitive.MINORS}), SOON)
    assert refused(may_break, (), frozenset({Sensitive.CUSTODY}), SOON) == (Kind.DENIED, {"object": "custody"})


def test_unreviewed_for_seventy_two_hours_locks_the_account_and_a_review_unlocks_it():
    due = Instant(T0 + REVIEW_WITHIN)
    assert not is_locked((broken(),), Instant(due - 1))
    assert is_locked((broken(),), due)
    assert not is_locked((broken(reviewed=due),), due)
    assert is_locked((broken(reviewed=due), broken()), due)
    assert refused(may_break, (broken(),), frozenset(), due) == (Kind.DENIED, {"account": "locked_until_reviewed"})


def test_reviews_come_before_further_glasses():
    many = (broken(),) * UNREVIEWED
    assert refused(may_break, many, frozenset(), SOON) == (Kind.TOO_MANY, {"unreviewed": str(UNREVIEWED)})
    may_break((broken(reviewed=SOON),) * UNREVIEWED, frozenset(), SOON)


def test_the_object_is_open_for_a_quarter_of_an_hour():
    assert broken().until == T0 + 15 * MINUTE
