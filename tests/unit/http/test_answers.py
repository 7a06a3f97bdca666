"""What orders are answered."""

from dispatcher.core.session import request_key
from dispatcher.engine.orders import Placed
from dispatcher.http.answers import OrderAnswers
from dispatcher.ledger.interface import Key
from tests.unit.desk import Desk


async def test_what_was_ordered_so_long_ago_that_its_room_is_forgotten_has_ended() -> None:
    """The key of the request is known for a day, the room perhaps for less; what is new is under way."""
    desk = Desk()
    answers = OrderAnswers(desk.ledger, desk.reconciler.pauses, desk.log.mask)
    key = Key("default", "lobby", "RM_1")

    told = await answers.shown(Placed(key=key, assignment=request_key("1"), repeated=True), None)
    assert (told.body.state, told.status, told.body.agent, told.body.diagnosis) == ("room_finished", 200, None, ())
    told = await answers.shown(Placed(key=key, assignment=request_key("1")), None)
    assert (told.body.state, told.status) == ("waiting", 202)
