"""Makes the README's pictures of those that the tests have made: smaller, and with fewer colours.

bash .ci/test tests/page && .venv/bin/python -m tests.page.browser.pictures
"""

from pathlib import Path

from PIL import Image

from tests.page.browser.stage import SCREENSHOTS

PICTURES = {"live": ("page-live.png", 632), "call-played": ("page-call.png", 800)}
_STATIC = Path(__file__).parents[3] / "docs" / "_static"


def main() -> None:
    """Write the pictures."""
    for name, (picture, height) in PICTURES.items():
        seen = Image.open(SCREENSHOTS / f"{name}.png").convert("RGB")
        made = seen.crop((0, 0, seen.width, height)).quantize(128, dither=Image.Dither.NONE)
        made.save(_STATIC / picture, optimize=True)
        print(picture, (_STATIC / picture).stat().st_size, "bytes")


if __name__ == "__main__":
    main()
