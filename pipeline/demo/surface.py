"""The drawing surface: round parts of a figure, shaded and anti-aliased, seen from one camera."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

Array = NDArray[np.float32]
Vec3 = tuple[float, float, float]  # x to the person's left, y up from the ground, z forward; unit: body heights
Ring = tuple[float, float, float]  # height y, half width, half depth
_SHIFTS = 400  # pixels
_MARGIN = 14  # pixels round a part's box, room for its contact shadow


@dataclass(frozen=True)
class Camera:
    """Orthographic camera: yaw is where the person faces (0 at us, +90° to the image's right), pitch looks down."""

    yaw: float  # radians
    pitch: float  # vertical pixels per pixel of depth
    scale: float  # pixels per body height
    foot: tuple[float, float]  # pixel (x, y) of the ground point between the feet

    def project(self, p: Vec3) -> tuple[float, float]:
        """The pixel (x, y) of a point of the body."""
        across = p[0] * math.cos(self.yaw) + p[2] * math.sin(self.yaw)
        return self.foot[0] + self.scale * across, self.foot[1] - self.scale * (p[1] - self.pitch * self.depth(p))

    def depth(self, p: Vec3) -> float:
        """How far towards the camera a point lies, in body heights."""
        return p[2] * math.cos(self.yaw) - p[0] * math.sin(self.yaw)


@dataclass(frozen=True)
class Patch:
    """The visible surface of a part, one value per pixel of its box, each of shape (h, w)."""

    yaw: float  # the camera's
    along: Array  # height above the ground (turned parts) or way from the limb's start, in body heights
    u: Array  # -1 at the left outline to 1 at the right one

    @cached_property
    def beta(self) -> Array:
        """The angle round the body: 0 in front, positive to the person's left (radians, -π to π)."""
        angle = np.arcsin(self.u) - np.float32(self.yaw)
        return np.asarray(angle - 2 * math.pi * np.round(angle / (2 * math.pi)), dtype=np.float32)


Paint = Callable[[Patch], Array]  # colours, (h, w, 3), 0–255
Mask = Callable[[Patch], Array]  # coverage, (h, w), 0–1


def flat(rgb: Sequence[float]) -> Paint:
    """One colour all over."""
    colour = np.asarray(rgb, dtype=np.float32)
    return lambda patch: np.broadcast_to(colour, (*patch.u.shape, 3))


def soften(signed: Array, width: float) -> Array:
    """A soft threshold at 0: 0 below, 1 above, over `width`."""
    return np.asarray(np.clip(signed / width + 0.5, 0, 1), dtype=np.float32)


class Stage:
    """A transparent layer the figure's parts are painted on, back to front; rgb is premultiplied by alpha."""

    def __init__(self, camera: Camera, size: tuple[int, int], light_x: float, rng: np.random.Generator) -> None:
        width, height = size
        self.camera = camera
        self.rgb: Array = np.zeros((height, width, 3), dtype=np.float32)
        self.alpha: Array = np.zeros((height, width), dtype=np.float32)
        norm = math.hypot(light_x, 1.0)
        self._light = (light_x / norm, 1.0 / norm)
        self._folds = _fold_field(rng, (width, height + _SHIFTS))
        self._rng = rng

    def turned(
        self,
        rings: Sequence[Ring],
        paint: Paint,
        *,
        at: tuple[float, float] = (0.0, 0.0),
        mask: Mask | None = None,
        folds: float = 0.0,
        shadow: float = 0.0,
    ) -> None:
        """Paint an upright body of elliptical cross-sections `rings` (by rising height) whose axis stands at (x, z)."""
        cam = self.camera
        heights, halves, depths = (np.asarray(c, dtype=np.float32) for c in zip(*rings, strict=True))
        cos, sin = math.cos(cam.yaw), math.sin(cam.yaw)
        widths = np.hypot(halves * cos, depths * sin)
        thick = np.hypot(halves * sin, depths * cos)
        cx, _ = cam.project((at[0], 0.0, at[1]))
        lift = cam.pitch * cam.depth((at[0], 0.0, at[1]))
        reach = float(widths.max()) * cam.scale
        top = cam.foot[1] - cam.scale * (float(heights[-1]) - lift)
        bottom = cam.foot[1] - cam.scale * (float(heights[0]) - lift - abs(cam.pitch) * float(thick.max()))
        box = self._box(cx - reach, cx + reach, top, bottom, shadow)
        if box is None:
            return
        ys, xs = _pixels(box)
        axis = (cam.foot[1] - ys) / cam.scale + lift
        half = np.maximum(np.interp(axis, heights, widths).astype(np.float32), 1e-4)
        x = (xs - cx) / cam.scale
        u = np.clip(x / half, -1, 1)
        deep = np.interp(axis, heights, thick).astype(np.float32)
        along = axis + cam.pitch * deep * np.sqrt(1 - u * u)
        cover = soften((half - np.abs(x)) * cam.scale, 1)
        cover = cover * soften((along - heights[0]) * cam.scale, 1) * soften((heights[-1] - along) * cam.scale, 1)
        self._paint(box, cover, Patch(cam.yaw, along, u), paint, mask, folds, shadow)

    def limb(
        self,
        points: Sequence[Vec3],
        radii: Sequence[float],
        paint: Paint,
        *,
        mask: Mask | None = None,
        folds: float = 0.0,
        shadow: float = 0.0,
        cut_end: bool = False,
    ) -> None:
        """Paint a tube through `points` with `radii` (body heights); `cut_end` ends it flat instead of round."""
        scale = self.camera.scale
        flat_points = [self.camera.project(p) for p in points]
        reach = max(radii) * scale
        xs_, ys_ = zip(*flat_points, strict=True)
        box = self._box(min(xs_) - reach, max(xs_) + reach, min(ys_) - reach, max(ys_) + reach, shadow)
        if box is None:
            return
        ys, xs = _pixels(box)
        shape = (ys.shape[0], xs.shape[1])
        best: Array = np.full(shape, 1e9, dtype=np.float32)
        u: Array = np.zeros(shape, dtype=np.float32)
        along: Array = np.zeros(shape, dtype=np.float32)
        start = 0.0
        for i in range(len(points) - 1):
            (ax, ay), (bx, by) = flat_points[i], flat_points[i + 1]
            dx, dy = bx - ax, by - ay
            square = max(dx * dx + dy * dy, 1e-3)
            raw = ((xs - ax) * dx + (ys - ay) * dy) / square
            t = np.clip(raw, 0, 1)
            radius = (radii[i] + (radii[i + 1] - radii[i]) * t) * scale
            gap = np.hypot(xs - ax - t * dx, ys - ay - t * dy) - radius
            if cut_end and i == len(points) - 2:
                gap = np.maximum(gap, (raw - 1) * math.sqrt(square))
            side = ((xs - ax) * dy - (ys - ay) * dx) / math.sqrt(square) / radius
            length = math.dist(points[i], points[i + 1])
            nearer = gap < best
            best = np.where(nearer, gap, best).astype(np.float32)
            u = np.where(nearer, side, u).astype(np.float32)
            along = np.where(nearer, start + t * length, along).astype(np.float32)
            start += length
        u = np.clip(u, -1, 1)
        self._paint(box, soften(-best, 1), Patch(self.camera.yaw, along, u), paint, mask, folds, shadow)

    def blob(
        self,
        centre: Vec3,
        half: tuple[float, float],
        paint: Paint,
        *,
        square: float = 2.0,
        tilt: float = 0.0,
        folds: float = 0.0,
        shadow: float = 0.0,
    ) -> None:
        """Paint a screen-aligned super-ellipse: half sizes in body heights, exponent `square` (2 round, 6 boxy)."""
        scale = self.camera.scale
        cx, cy = self.camera.project(centre)
        reach = math.hypot(*half) * scale
        box = self._box(cx - reach, cx + reach, cy - reach, cy + reach, shadow)
        if box is None:
            return
        ys, xs = _pixels(box)
        cos, sin = math.cos(tilt), math.sin(tilt)
        x = ((xs - cx) * cos + (ys - cy) * sin) / scale
        y = (-(xs - cx) * sin + (ys - cy) * cos) / scale
        norm = (np.abs(x / half[0]) ** square + np.abs(y / half[1]) ** square) ** (1 / square)
        cover = soften(np.asarray((1 - norm) * min(half) * scale, dtype=np.float32), 1)
        u = np.clip(x / half[0], -1, 1).astype(np.float32)
        patch = Patch(self.camera.yaw, (centre[1] - y).astype(np.float32), u)
        self._paint(box, cover, patch, paint, None, folds, shadow)

    def _box(
        self, left: float, right: float, top: float, bottom: float, shadow: float
    ) -> tuple[int, int, int, int] | None:
        height, width = self.alpha.shape
        margin = _MARGIN if shadow else 2
        x0, x1 = max(0, int(left) - margin), min(width, int(right) + margin)
        y0, y1 = max(0, int(top) - margin), min(height, int(bottom) + margin)
        return (x0, x1, y0, y1) if x0 < x1 and y0 < y1 else None

    def _paint(
        self,
        box: tuple[int, int, int, int],
        cover: Array,
        patch: Patch,
        paint: Paint,
        mask: Mask | None,
        folds: float,
        shadow: float,
    ) -> None:
        x0, x1, y0, y1 = box
        if mask is not None:
            cover = cover * mask(patch)
        region = self.rgb[y0:y1, x0:x1]
        if shadow:
            region *= 1 - shadow * _blurred(cover)[..., None]
        square = patch.u * patch.u
        nz = np.sqrt(1 - square)
        lit = np.maximum(0, patch.u * self._light[0] + nz * self._light[1])
        shade = (0.56 + 0.48 * lit) * (1 - 0.16 * square * square * square)
        if folds:
            shift = int(self._rng.integers(0, _SHIFTS))  # no two parts share their folds
            shade = shade * (1 + folds * self._folds[y0 + shift : y1 + shift, x0:x1])
        colour = paint(patch) * shade[..., None]
        cover3 = cover[..., None]
        region *= 1 - cover3
        region += cover3 * np.minimum(colour, 255)
        self.alpha[y0:y1, x0:x1] = self.alpha[y0:y1, x0:x1] * (1 - cover) + cover


def _pixels(box: tuple[int, int, int, int]) -> tuple[Array, Array]:
    x0, x1, y0, y1 = box
    ys = np.arange(y0, y1, dtype=np.float32)[:, None] + np.float32(0.5)
    xs = np.arange(x0, x1, dtype=np.float32)[None, :] + np.float32(0.5)
    return ys, xs


def _blurred(cover: Array) -> Array:
    """The part's shadow on what lies behind: its shape, blurred and a little lower."""
    full = Image.fromarray((cover * 255).astype(np.uint8))
    image = full.reduce(2).filter(ImageFilter.GaussianBlur(2.5)).resize(full.size, Image.Resampling.BILINEAR)
    blurred = np.asarray(image, dtype=np.float32) / 255
    return np.asarray(np.roll(blurred, 4, axis=0), dtype=np.float32)


def smooth_noise(rng: np.random.Generator, size: tuple[int, int], cells: tuple[int, int]) -> Array:
    """Smooth noise of about unit variance, (height, width), from a grid of `cells` (columns, rows)."""
    grid = rng.standard_normal((cells[1], cells[0])).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize(size, Image.Resampling.BICUBIC), dtype=np.float32)


def _fold_field(rng: np.random.Generator, size: tuple[int, int]) -> Array:
    """Soft swells, broad and fine, as cloth hangs; within -1…1."""
    broad, fine = smooth_noise(rng, size, (10, 19)), smooth_noise(rng, size, (17, 44))
    return np.asarray(np.tanh(0.75 * broad + 0.45 * fine), dtype=np.float32)
