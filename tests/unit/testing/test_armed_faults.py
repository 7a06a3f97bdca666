from dispatcher.testing import ANY
from dispatcher.testing.faults import Armed


def test_a_fault_is_met_by_its_own_name_so_many_times() -> None:
    """Other names do not meet it, and once used up it is met no more."""
    armed: Armed[str] = Armed()
    armed.arm("CreateDispatch", "slow", 2)

    met = [armed.take(name) for name in ("ListRooms", "CreateDispatch", "CreateDispatch", "CreateDispatch")]

    assert met == [None, "slow", "slow", None]


def test_what_was_armed_first_is_met_first() -> None:
    """Each call meets one fault, in the order they were armed; ANY is met by whichever comes."""
    armed: Armed[str] = Armed()
    armed.arm(ANY, "reset", 1)
    armed.arm("ListRooms", "slow", 1)

    assert [armed.take("ListRooms"), armed.take("ListRooms"), armed.take("ListRooms")] == ["reset", "slow", None]


def test_nothing_goes_wrong_once_cleared() -> None:
    """Armed faults that were not met are forgotten."""
    armed: Armed[str] = Armed()
    armed.arm(ANY, "reset", 9)

    armed.clear()

    assert armed.take("ListRooms") is None
