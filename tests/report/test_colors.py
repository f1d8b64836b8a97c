import re

import pytest

from offramp.report.colors import exit_style


def luminance(color):
    channels = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in channels)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one, other):
    low, high = sorted([luminance(one), luminance(other)])
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("n_exits", [1, 2, 6, 24])
def test_ink_can_be_read_and_later_exits_are_darker(n_exits):
    rules = re.findall(r"\.x(\d+) \{ background: (#\w{6}); color: (#\w+); \}", exit_style(n_exits))
    assert [int(index) for index, _, _ in rules] == list(range(n_exits))
    for _, background, ink in rules:
        assert contrast(background, {"#fff": "#ffffff", "#000": "#000000"}[ink]) >= 4.5
    lights = [luminance(background) for _, background, _ in rules]
    assert lights == sorted(lights, reverse=True)
