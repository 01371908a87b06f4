"""A shop in any color, with every word on it readable.

The merchant's color fills the buttons unchanged.  The text on the buttons, and the shades of the color on the page's
own background, are computed: WCAG 2 requires a contrast of 4.5 between a text and its background.
"""

import re

LEAST_CONTRAST = 4.5
OWN_COLOR = "#7a4b2a"
# Backgrounds of the pages; text appears on both of each pair.
LIGHT = {"paper": "#ffffff", "back": "#f8f6f2"}
DARK = {"paper": "#23201c", "back": "#181613"}
_STEPS = 20


def check_color(color: str) -> None:
    """Check that a color is written as ``#rrggbb``.

    Raises:
        ValueError: It is not.
    """
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", color):
        raise ValueError("a color has # and six hexadecimal digits")


def ink(color: str) -> str:
    """Return black or white, whichever is more readable on *color*; the better one always is."""
    return max(("#000000", "#ffffff"), key=lambda candidate: contrast(candidate, color))


def readable(color: str, *backgrounds: str) -> str:
    """Return the nearest readable shade of *color* on all *backgrounds*, which must be equally bright."""
    goal = ink(backgrounds[0])
    shades = (_mixed(color, goal, step / _STEPS) for step in range(_STEPS + 1))
    return next(shade for shade in shades if all(contrast(shade, back) >= LEAST_CONTRAST for back in backgrounds))


def palette(color: str) -> dict[str, dict[str, str]]:
    """Return the colors of the light and the dark page, by their names in the style sheet."""
    brand = {"brand": color, "on-brand": ink(color)}
    return {
        "light": LIGHT | brand | {"accent": readable(color, *LIGHT.values())},
        "dark": DARK | brand | {"accent": readable(color, *DARK.values())},
    }


def contrast(one: str, other: str) -> float:
    """Return the contrast ratio of two colors, from 1 to 21."""
    dim, bright = sorted((_luminance(one), _luminance(other)))
    return (bright + 0.05) / (dim + 0.05)


def _luminance(color: str) -> float:
    shares = [part / 255 for part in bytes.fromhex(color[1:])]
    linear = [share / 12.92 if share <= 0.03928 else ((share + 0.055) / 1.055) ** 2.4 for share in shares]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def _mixed(color: str, goal: str, share: float) -> str:
    pairs = zip(bytes.fromhex(color[1:]), bytes.fromhex(goal[1:]), strict=True)
    return "#" + bytes(round(own + (other - own) * share) for own, other in pairs).hex()
