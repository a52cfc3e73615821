"""Programs that share a machine's cores: what is simulated is what arithmetic says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bench.cores import Compute, Give, Hear, Machine, Rest, Ring, Step, Take
from tests.bench.several import Costs, rate


def working(*steps: Step) -> Iterator[Step]:
    yield from steps


@pytest.mark.parametrize(("cores", "over"), [(1, 6), (2, 3.5), (3, 3), (8, 3)])
def test_all_that_compute_share_the_cores_evenly(cores: int, over: float) -> None:
    """3, 2 and 1 s: on two cores all have two thirds of one until 1.5 s, and two a whole one from then on."""
    machine = Machine(cores)
    assert machine.run(*(working(Compute((seconds,))) for seconds in (3, 2, 1))) == pytest.approx(over)


def test_parts_compute_at_the_same_time_and_the_longest_is_waited_for() -> None:
    assert Machine(2).run(working(Compute((1, 3)), Compute((1,)))) == pytest.approx(4)


def test_what_one_has_others_wait_for_in_their_order() -> None:
    machine, order = Machine(4), list[tuple[str, float]]()

    def one(name: str) -> Iterator[Step]:
        yield Take("it")
        yield Compute((1,))
        yield Give("it")
        order.append((name, machine.now))

    machine.run(one("a"), one("b"), one("c"))
    assert order == [("a", 1), ("b", 2), ("c", 3)]


def test_who_rests_takes_nothing_of_the_cores() -> None:
    assert Machine(1).run(working(Rest(5), Compute((1,))), working(Compute((5,)))) == pytest.approx(6)


@pytest.mark.parametrize("late", [0, 3])
def test_a_bell_is_heard_whether_it_rings_before_or_after(late: float) -> None:
    assert (
        Machine(1).run(working(Rest(late), Hear("it"), Compute((1,))), working(Rest(1), Ring("it")))
        == max(late, 1) + 1
    )


def test_who_waits_for_what_never_comes_is_left_waiting() -> None:
    assert Machine(1).run(working(Compute((1,)), Hear("it")), working(Compute((1,)))) == 2


COSTS = Costs(reading=0.002, deciding=0.004, around=0.001, server=0.003)


def test_two_daemons_are_as_much_as_the_cores_give() -> None:
    """A mail takes 10 ms of a core in all: no more than 200 in a second on two, whoever files them."""
    assert rate(COSTS, 1, 1, 400, in_turn=False) == pytest.approx(rate(COSTS, 1, 2, 400, in_turn=False), rel=0.01)
    assert rate(COSTS, 2, 2, 400, in_turn=False) <= 200.001
    assert rate(COSTS, 8, 2, 400, in_turn=False) == pytest.approx(2 * rate(COSTS, 8, 1, 400, in_turn=False), rel=0.01)


def test_daemons_that_decide_in_turn_are_as_slow_as_deciding() -> None:
    assert rate(COSTS, 8, 4, 4000, in_turn=True) == pytest.approx(1 / 0.007, rel=0.05)
