from voicestt.ops.tables import table


def test_each_column_is_as_wide_as_its_widest_cell() -> None:
    assert table(("A", "LONGER"), [("first", "1"), ("2", "")]) == ["A      LONGER", "first  1", "2"]


def test_numbers_are_set_to_the_right_and_left_as_they_are() -> None:
    assert table(("calls", "ms"), [("1", "0.10"), ("100", "12.00")], right=True) == [
        "calls     ms",
        "    1   0.10",
        "  100  12.00",
    ]


def test_a_head_without_rows_is_one_line() -> None:
    assert table(("A", "B"), []) == ["A  B"]


def test_text_that_looks_like_a_number_and_blanks_stay() -> None:
    assert table(("A", "B"), [("1e3", "  x"), ("007", "y")]) == ["A    B", "1e3    x", "007  y"]
