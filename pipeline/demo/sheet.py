"""The contact sheet: a demo dataset at a glance, with captions."""

import json
import textwrap
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from .scene import HEIGHT, WIDTH

_GAP, _LINE, _LINES = 6, 12, 9  # pixels between images, per line of text, lines of a caption


def contact_sheet(
    demo_dir: Path, out: Path, *, columns: int = 10, rows: int = 2, first: int = 1, quality: int = 72
) -> None:
    """Draw `rows` × `columns` images with one caption below each and write them to `out`.

    It starts with identities `first` and `first + 1`, such as a colour-swapped pair, with three images of each; of
    everyone after them it shows two.
    """
    entries = json.loads((demo_dir / "reid_raw.json").read_text("utf-8"))
    shown: list[tuple[str, str]] = []
    taken: dict[int, int] = {}
    for entry in entries:
        identity = int(entry["id"])
        if (
            identity >= first
            and taken.get(identity, 0) < (3 if identity <= first + 1 else 2)
            and len(shown) < rows * columns
        ):
            taken[identity] = taken.get(identity, 0) + 1
            shown.append((entry["file_path"], f"#{identity} {entry['captions'][0]}"))
    cell = (WIDTH + _GAP, HEIGHT + _LINES * _LINE + 2 * _GAP)
    sheet = Image.new("RGB", (columns * cell[0] + _GAP, rows * cell[1] + _GAP), "white")
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(10)
    for index, (name, caption) in enumerate(shown):
        x, y = _GAP + index % columns * cell[0], _GAP + index // columns * cell[1]
        with Image.open(demo_dir / "imgs" / name) as image:
            sheet.paste(image, (x, y))
        for number, line in enumerate(textwrap.wrap(caption, 25, max_lines=_LINES, placeholder=" …")):
            draw.text((x, y + HEIGHT + 3 + number * _LINE), line, fill=(30, 30, 30), font=font)
    sheet.save(out, quality=quality)
