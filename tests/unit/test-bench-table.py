#!/usr/bin/python3
# SPDX-License-Identifier: LGPL-2.1-or-later
"""How tests/bench/table.py compares: ratios of rounds, what is worse, the file of accepted ratios, lines of sources."""

import pathlib
import sys

sys.dont_write_bytecode = True
sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "bench"))
import table  # noqa: E402

RATE = table.Row("a", "", "runs/s", (), "limit")
TIME = table.Row("b", "", "ms", (), "limit")


def ratios_are_those_of_each_round():
    assert table.ratios([8, 30], [10, 20]) == [.8, 1.5]
    assert table.ratios([8, 30], [10]) == [.8, 3]
    assert table.ratios([8], [10, 40, 16]) == [.5]


def less_is_worse_for_a_rate_and_more_for_all_else():
    cases = [(.84, 1, "runs/s", True), (.86, 1, "runs/s", False), (5, 1, "items/s", False),
             (1.16, 1, "ms", True), (1.14, 1, "ms", False), (.1, 1, "bytes", False), (.0, 1, "us", False)]
    for ratio, accepted, unit, expected in cases:
        assert table.is_worse(ratio, accepted, unit) == expected, (ratio, unit)


def the_limit_comes_first_and_medians_are_compared():
    samples = {("b", "peer"): [1, 1, 1], ("b", "limit"): [2, 4, 3], ("b", "vaktd"): [4, 4, 9], ("a", "vaktd"): [7]}
    found = table.compare(TIME, samples)
    assert list(found) == ["limit", "peer"]
    assert found["limit"] == (3, 4, 2, 1, 3)
    assert table.compare(RATE, samples) == {}
    assert table.compare(TIME, {("b", "limit"): [1]}) == {}
    assert table.compare(TIME, {("b", "limit"): [0, 1], ("b", "vaktd"): [1, 1]}) == {}


def only_what_is_worse_is_measured_again():
    samples = {("a", "limit"): [10], ("a", "vaktd"): [8], ("b", "limit"): [10], ("b", "vaktd"): [12]}
    worse = lambda accepted: [r.name for r in table.worse_rows([RATE, TIME], samples, accepted)]  # noqa: E731
    assert worse({}) == []
    assert worse({("a", "limit"): .9, ("b", "limit"): 1.1}) == []
    assert worse({("a", "limit"): .95, ("b", "limit"): 1.1}) == ["a"]
    assert worse({("a", "limit"): .9, ("b", "limit"): 1}) == ["b"]
    assert worse({("a", "gone"): 5}) == []


def accepted_ratios_survive_their_file():
    accepted = {("runs", "limit"): .805, ("setup", "walk"): 1.25}
    assert table.read_ratios(table.write_ratios(accepted)) == accepted
    assert table.read_ratios("# a b 1\n\n") == {}


def lines_of_a_source_are_samples_or_skips_or_shown():
    samples, skipped, rest = table.read_samples("sample a limit 1\nround 1\nsample a limit 2.5\nskip a cron is not there\n")
    assert samples == {("a", "limit"): [1, 2.5]}
    assert skipped == {("a", "cron"): "is not there"}
    assert rest == ["round 1"]


def rows_are_complete():
    names = [r.name for r in table.ROWS]
    assert len(set(names)) == len(names)
    assert {s for r in table.ROWS for s in r.sources} == set(table.SOURCES)
    for key in table.read_ratios(table.ACCEPTED.read_text(encoding="ascii")):
        assert key[0] in names, key


tests = [ratios_are_those_of_each_round, less_is_worse_for_a_rate_and_more_for_all_else,
         the_limit_comes_first_and_medians_are_compared, only_what_is_worse_is_measured_again,
         accepted_ratios_survive_their_file, lines_of_a_source_are_samples_or_skips_or_shown, rows_are_complete]
print(f"1..{len(tests)}")
for i, test in enumerate(tests, 1):
    try:
        test()
        print(f"ok {i} - {test.__name__}")
    except AssertionError as e:
        print(f"not ok {i} - {test.__name__}: line {e.__traceback__.tb_next.tb_lineno} {e}")
