"""Colours of the exits: one hue from light (early) to dark (late), so that order shows without naming colours."""

from markupsafe import Markup

# Both are told from white pages as well as from black ones.
_EARLY, _LATE = (0xA9, 0xD6, 0xF0), (0x1A, 0x56, 0x8C)
# Up to here white can be read with a contrast of at least 4.5, and from here on black.
_BRIGHTEST_FOR_WHITE = 0.179


def exit_style(n_exits: int) -> Markup:
    """Gives style rules ``.x0`` to ``.xN`` that colour the exits' parts of bars and the ink in them."""
    rules = []
    for index in range(n_exits):
        share = index / max(1, n_exits - 1)
        color = tuple(round(early + share * (late - early)) for early, late in zip(_EARLY, _LATE, strict=True))
        ink = "#fff" if _luminance(color) < _BRIGHTEST_FOR_WHITE else "#000"
        rules.append(f".x{index} {{ background: #{bytes(color).hex()}; color: {ink}; }}")
    return Markup("\n".join(rules))


def _luminance(color: tuple[int, ...]) -> float:
    """Relative luminance, from 0 (black) to 1 (white), of an sRGB colour (WCAG 2.2)."""
    red, green, blue = (
        value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4
        for value in (one / 255 for one in color)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue
