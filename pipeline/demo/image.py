"""One finished image: figure, place, what stands in front, light and lens."""

import io

import numpy as np
from PIL import Image, ImageFilter

from .backdrop import cast_shadow, draw_backdrop, draw_occluder
from .figure import draw_figure
from .person import Person
from .scene import HEIGHT, WIDTH, Light, Scene
from .surface import Array

_SUPER = 2  # supersampling


def render_image(person: Person, scene: Scene) -> Image.Image:
    """`person` in `scene`, RGB, WIDTH × HEIGHT pixels, before compression."""
    size = (WIDTH * _SUPER, HEIGHT * _SUPER)
    stage = draw_figure(person, scene, size)
    place = Image.fromarray(draw_backdrop(scene).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
    pixels = np.asarray(place, dtype=np.float32)
    pixels = pixels * cast_shadow(scene.place, size, scene.lens.foot, scene.light.side)[..., None]
    pixels = pixels * (1 - stage.alpha[..., None]) + stage.rgb
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    rng = np.random.default_rng([scene.seed, 3])
    if scene.occluder:
        front = draw_occluder(scene.occluder, scene.occluder_side, size, rng)
        image.paste(front, (0, 0), front)
    image = image.reduce(_SUPER)
    if scene.lens.blur > 0.15:
        image = image.filter(ImageFilter.GaussianBlur(scene.lens.blur))
    lit = _light(np.asarray(image, dtype=np.float32), scene.light)
    noisy = lit + rng.standard_normal(lit.shape).astype(np.float32) * scene.lens.noise
    return Image.fromarray(np.clip(noisy, 0, 255).astype(np.uint8))


def encode_jpeg(image: Image.Image, quality: int) -> bytes:
    """The image as a JPEG file."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


def _light(pixels: Array, light: Light) -> Array:
    warm = np.asarray((1 + 0.05 * light.warmth, 1.0, 1 - 0.07 * light.warmth), dtype=np.float32)
    rows = np.linspace(1 - light.slope, 1 + light.slope, HEIGHT, dtype=np.float32)[:, None, None]
    columns = np.linspace(1 - 0.05 * light.side, 1 + 0.05 * light.side, WIDTH, dtype=np.float32)[None, :, None]
    return np.asarray(pixels * warm * rows * columns * light.brightness, dtype=np.float32)
