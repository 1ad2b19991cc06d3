"""The place behind a person and the things in front of them."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from .palette import Rgb, pick
from .person import Side
from .scene import HEIGHT, WIDTH, Occluder, Place, Scene
from .surface import Array, smooth_noise

_WALLS: tuple[Rgb, ...] = ((168, 156, 142), (146, 112, 96), (188, 186, 180), (122, 128, 134), (196, 180, 150))
_CAR_COLOURS: tuple[Rgb, ...] = ((150, 40, 40), (60, 66, 76), (200, 200, 204), (50, 74, 120))


def draw_backdrop(scene: Scene) -> Array:
    """The empty place, (HEIGHT, WIDTH, 3), 0–255."""
    rng = np.random.default_rng([scene.seed, 2])
    horizon = round(HEIGHT * float(rng.uniform(0.60, 0.72)))
    image = Image.new("RGB", (WIDTH, HEIGHT))
    painters = {"street": _street, "mall": _mall, "park": _park, "crosswalk": _crosswalk}
    painters[scene.place](ImageDraw.Draw(image), rng, horizon)
    # Behind the person the lens is out of focus; at their feet it is not.
    soft = image.filter(ImageFilter.GaussianBlur(float(rng.uniform(1.6, 3.2))))
    image.paste(soft, (0, 0), _fade(horizon))
    pixels = np.asarray(image, dtype=np.float32)
    grain = smooth_noise(rng, (WIDTH, HEIGHT), (40, 120)) * 3.0 + smooth_noise(rng, (WIDTH, HEIGHT), (5, 10)) * 5.0
    return np.asarray(np.clip(pixels + grain[..., None], 0, 255), dtype=np.float32)


def cast_shadow(place: Place, size: tuple[int, int], foot: tuple[float, float], side: float) -> Array:
    """How much the ground keeps of its light, (height, width), 0–1: the feet's soft shadow away from the light."""
    width, height = size
    image = Image.new("L", size, 0)
    draw = ImageDraw.Draw(image)
    x, y = foot[0] * width - side * 26, foot[1] * height - 4
    reach = 70 if place != "mall" else 58
    draw.ellipse((x - reach, y - 14, x + reach, y + 12), fill=120)
    x = foot[0] * width
    draw.ellipse((x - 46, y - 8, x + 46, y + 8), fill=190)
    blurred = image.resize((width // 4, height // 4)).filter(ImageFilter.GaussianBlur(2.2)).resize(size)
    return np.asarray(1 - 0.62 * np.asarray(blurred, dtype=np.float32) / 255, dtype=np.float32)


def _fade(horizon: int) -> Image.Image:
    rows = np.clip((horizon + 60 - np.arange(HEIGHT)) / 60, 0.15, 1)
    return Image.fromarray(np.repeat((rows * 255).astype(np.uint8)[:, None], WIDTH, axis=1))


def _tone(rgb: Rgb, factor: float) -> Rgb:
    red, green, blue = (int(max(0, min(255, c * factor))) for c in rgb)
    return red, green, blue


def _ground(draw: ImageDraw.ImageDraw, horizon: int, far: Rgb, near: Rgb) -> None:
    for y in range(horizon, HEIGHT):
        t = (y - horizon) / (HEIGHT - horizon)
        red, green, blue = (int(f + (n - f) * t) for f, n in zip(far, near, strict=True))
        draw.line((0, y, WIDTH, y), fill=(red, green, blue))


def _tiles(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int, line: Rgb) -> None:
    """Joints between slabs, running to a vanishing point."""
    vanish = float(rng.uniform(-0.5, 1.5)) * WIDTH
    for k in range(-8, 9):
        draw.line((vanish + k * 12, horizon, vanish + k * 75, HEIGHT), fill=line)
    y = 6.0
    while horizon + y < HEIGHT:
        draw.line((0, horizon + y, WIDTH, horizon + y), fill=line)
        y *= 1.55


def _street(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    wall = pick(rng, _WALLS)
    draw.rectangle((0, 0, WIDTH, horizon), fill=wall)
    if rng.random() < 0.5:
        for i, y in enumerate(range(0, horizon, 7)):
            draw.line((0, y, WIDTH, y), fill=_tone(wall, 0.86))
            for x in range(-(i % 2) * 8, WIDTH, 16):
                draw.line((x, y, x, y + 7), fill=_tone(wall, 0.86))
    x = int(rng.integers(-40, 20))
    while x < WIDTH:
        wide = int(rng.integers(34, 60))
        top = int(rng.integers(20, 110))
        glass = pick(rng, ((66, 82, 96), (92, 104, 112), (214, 200, 160), (48, 52, 58)))
        draw.rectangle((x - 3, top - 3, x + wide + 3, horizon - 20), fill=_tone(wall, 0.72))
        draw.rectangle((x, top, x + wide, horizon - 26), fill=glass)
        draw.line((x + wide // 2, top, x + wide // 2, horizon - 26), fill=_tone(wall, 0.8), width=2)
        x += wide + int(rng.integers(20, 60))
    _ground(draw, horizon, (150, 146, 140), (176, 172, 166))
    _tiles(draw, rng, horizon, (146, 142, 136))
    draw.rectangle((0, horizon - 3, WIDTH, horizon + 2), fill=(112, 108, 104))


def _mall(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    draw.rectangle((0, 0, WIDTH, horizon), fill=(206, 202, 194))
    x = int(rng.integers(-50, 0))
    while x < WIDTH:
        wide = int(rng.integers(40, 80))
        shop = pick(rng, ((238, 224, 188), (150, 168, 190), (196, 132, 110), (96, 92, 100), (222, 222, 226)))
        draw.rectangle((x, 96, x + wide, horizon), fill=shop)
        draw.rectangle((x, 82, x + wide, 102), fill=_tone(shop, 0.6))
        for _ in range(4):
            sx, sy = x + int(rng.integers(0, wide)), int(rng.integers(130, max(131, horizon - 30)))
            tint = _tone(shop, float(rng.uniform(0.55, 1.2)))
            draw.rectangle((sx, sy, sx + int(rng.integers(6, 16)), sy + int(rng.integers(14, 46))), fill=tint)
        draw.rectangle((x + wide, 0, x + wide + 10, horizon), fill=(184, 180, 172))
        x += wide + 10
    for x in range(int(rng.integers(0, 30)), WIDTH, 44):
        draw.ellipse((x, 22, x + 20, 30), fill=(255, 252, 240))
    _ground(draw, horizon, (188, 182, 172), (214, 208, 198))
    _tiles(draw, rng, horizon, (192, 186, 176))


def _park(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    draw.rectangle((0, 0, WIDTH, horizon), fill=pick(rng, ((176, 204, 226), (206, 214, 218), (226, 220, 204))))
    for _ in range(46):
        x, y = int(rng.integers(-20, WIDTH + 20)), int(rng.triangular(0, horizon - 50, horizon))
        r = int(rng.integers(12, 34))
        green = _tone((84, 116, 62), float(rng.uniform(0.6, 1.25)))
        draw.ellipse((x - r, y - r, x + r, y + r), fill=green)
    for _ in range(3):
        x, w = int(rng.integers(0, WIDTH)), int(rng.integers(4, 9))
        draw.rectangle((x, horizon - int(rng.integers(90, 190)), x + w, horizon + 4), fill=(84, 68, 54))
    _ground(draw, horizon, (104, 132, 72), (132, 152, 88))
    shift = int(rng.integers(-40, 40))
    path = ((WIDTH // 2 + shift - 14, horizon), (WIDTH // 2 + shift + 14, horizon), (WIDTH + 70, HEIGHT), (-70, HEIGHT))
    draw.polygon(path, fill=pick(rng, ((186, 172, 148), (160, 156, 150))))


def _crosswalk(draw: ImageDraw.ImageDraw, rng: np.random.Generator, horizon: int) -> None:
    draw.rectangle((0, 0, WIDTH, horizon), fill=pick(rng, _WALLS))
    for x in range(int(rng.integers(-30, 0)), WIDTH, 46):
        draw.rectangle((x, 0, x + 40, horizon - 30), fill=_tone(pick(rng, _WALLS), float(rng.uniform(0.7, 1.0))))
        for y in range(14, horizon - 60, 34):
            draw.rectangle((x + 8, y, x + 30, y + 20), fill=(96, 108, 120))
    for _ in range(2):
        car, x = pick(rng, _CAR_COLOURS), int(rng.integers(-60, WIDTH - 20))
        y = horizon - 4
        draw.ellipse((x + 14, y - 44, x + 74, y + 6), fill=_tone(car, 0.55))
        draw.rounded_rectangle((x, y - 24, x + 92, y), 8, fill=car)
        for wheel in (x + 10, x + 66):
            draw.ellipse((wheel, y - 8, wheel + 15, y + 7), fill=(28, 28, 30))
    _ground(draw, horizon, (96, 96, 98), (118, 118, 120))
    near, gap = float(horizon + rng.integers(8, 20)), 7.0
    rise = float(rng.uniform(-0.12, 0.12)) * WIDTH
    while near < HEIGHT + 20:
        bar = ((0, near), (WIDTH, near + rise), (WIDTH, near + gap + rise), (0, near + gap))
        draw.polygon(bar, fill=(216, 216, 212))
        near, gap = near + 2.1 * gap, gap * 1.4


def draw_occluder(kind: Occluder, side: Side, size: tuple[int, int], rng: np.random.Generator) -> Image.Image:
    """What stands in front of the person: an RGBA image of `size` (width, height)."""
    image = Image.new("RGBA", size, (0, 0, 0, 0))
    draw = ImageDraw.Draw(image)
    width, height = size
    match kind:
        case "bench":
            _bench(draw, width, height, pick(rng, ((122, 84, 52), (96, 70, 50), (70, 92, 74))))
        case "railing":
            metal = pick(rng, ((70, 74, 78), (168, 170, 172), (60, 82, 70)))
            for y, thick in ((0.765, 9), (0.985, 8)):
                draw.rectangle((0, int(y * height), width, int(y * height) + thick), fill=(*metal, 255))
            for x in range(int(rng.integers(0, 30)), width, 38):
                draw.rectangle((x, int(0.765 * height), x + 5, height), fill=(*_tone(metal, 0.9), 255))
        case "bike":
            _bike(draw, width, height, pick(rng, ((150, 40, 40), (40, 60, 110), (50, 50, 54), (60, 120, 80))))
        case "pole":
            x = int(rng.uniform(0.03, 0.10) * width)
            x = x if side == "left" else width - x - 20
            metal = pick(rng, ((84, 86, 90), (120, 124, 120), (56, 60, 58)))
            for i in range(20):
                tone = _tone(metal, 0.65 + 0.6 * math.sin(math.pi * (i + 3) / 24))
                draw.line((x + i, 0, x + i, height), fill=(*tone, 255))
        case _:
            _passer_by(draw, side, width, height, rng)
    return image.filter(ImageFilter.GaussianBlur(6 if kind == "passer-by" else 1.2))


def _bench(draw: ImageDraw.ImageDraw, width: int, height: int, wood: Rgb) -> None:
    for x in (18, width - 34):
        draw.rectangle((x, int(0.80 * height), x + 13, height), fill=(48, 48, 50, 255))
    for y in (0.80, 0.85, 0.90):
        top = int(y * height)
        draw.rectangle((0, top, width, top + 27), fill=(*wood, 255))
        draw.rectangle((0, top, width, top + 5), fill=(*_tone(wood, 1.22), 255))
    draw.rectangle((0, int(0.945 * height), width, int(0.965 * height)), fill=(*_tone(wood, 0.8), 255))


def _bike(draw: ImageDraw.ImageDraw, width: int, height: int, paint: Rgb) -> None:
    r, y = 74, height - 84
    left, right = 34, width - 34
    for x in (left, right):
        draw.ellipse((x - r, y - r, x + r, y + r), outline=(34, 34, 36, 255), width=7)
        for k in range(8):
            dx, dy = r * math.cos(k * math.pi / 4), r * math.sin(k * math.pi / 4)
            draw.line((x, y, x + dx, y + dy), fill=(150, 150, 154, 160), width=1)
    crank, seat, stem = (width // 2 - 6, y + 4), (width // 2 - 30, y - 88), (right - 26, y - 92)
    for a, b in (((left, y), crank), (crank, stem), (seat, crank), (seat, stem), ((left, y), seat), (stem, (right, y))):
        draw.line((*a, *b), fill=(*paint, 255), width=7)
    draw.rounded_rectangle((seat[0] - 20, seat[1] - 12, seat[0] + 20, seat[1]), 5, fill=(26, 26, 28, 255))
    draw.line(
        (stem[0], stem[1], stem[0] + 4, stem[1] - 22, stem[0] + 26, stem[1] - 26), fill=(40, 40, 42, 255), width=6
    )


def _passer_by(draw: ImageDraw.ImageDraw, side: Side, width: int, height: int, rng: np.random.Generator) -> None:
    coat = pick(rng, ((52, 56, 66), (120, 112, 104), (70, 48, 44), (60, 78, 64)))
    legs = pick(rng, ((34, 36, 44), (66, 78, 102)))
    edge = -46 if side == "left" else width + 46
    draw.ellipse((edge - 34, 60, edge + 34, 168), fill=(92, 68, 56, 255))
    draw.rounded_rectangle((edge - 82, 156, edge + 82, 440), 44, fill=(*coat, 255))
    draw.rounded_rectangle((edge - 68, 410, edge + 68, height + 20), 26, fill=(*legs, 255))
