from voicestt.delivery.counts import Rate


def test_it_is_the_mean_of_the_last_minute() -> None:
    rate = Rate()
    assert rate.per_second(1_000.0) == 0.0
    for second in range(30):
        rate.add(5, 1_000.2 + second)
        rate.add(1, 1_000.9 + second)
    assert rate.per_second(1_030.0) == 3.0
    assert rate.per_second(1_075.5) == round(6 * 14 / 60, 2)
    assert rate.per_second(1_100.0) == 0.0


def test_a_clock_that_jumps_leaves_nothing_behind() -> None:
    rate = Rate()
    rate.add(60, 5_000.0)
    rate.add(60, 1_000.0)
    assert rate.per_second(1_001.0) == 1.0
    assert rate.per_second(9_000.0) == 0.0
