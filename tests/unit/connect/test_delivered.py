"""What a delivery's table should hold, of a topic in which an id may be in several partitions."""

from uuid import UUID

from headrace.streaming.connect.delivered import latest_of

TOPIC = UUID(int=1)


def test_an_id_in_two_partitions_is_delivered_whichever_record_was_written_last() -> None:
    places = [((0, 7), False), ((1, 3), False)]
    assert latest_of(places, (TOPIC, (0, 7))) == places[0]
    assert latest_of(places, (TOPIC, (1, 3))) == places[1]
    for row in (None, (TOPIC, (0, 6))):
        assert latest_of(places, row) == places[1]


def test_an_id_deleted_in_one_of_two_partitions_is_gone_or_there() -> None:
    places = [((0, 7), True), ((1, 3), False)]
    assert latest_of(places, None) == places[0]
    assert latest_of(places, (TOPIC, (1, 3))) == places[1]
