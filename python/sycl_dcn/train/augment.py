"""Random training batches, made on the training device from a data set that is kept there whole.

Each output is one photograph, or a mosaic of four, under a random affine map (scale, shift, flip,
slight rotation), then colour changes, grey rectangles and, for some, a blend of two outputs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F

from .data import Split
from .export import MEAN, STD


@dataclass(frozen=True)
class AugmentConfig:
    """Probabilities and ranges; scale is relative to the photograph's own resolution."""

    size: int = 512
    scale: tuple[float, float] = (0.6, 1.6)
    rotate: float = 6.0  # degrees
    flip: float = 0.5
    flip_vertical: float = 0.0
    mosaic: float = 0.5
    mosaic_scale: float = 0.75  # further factor inside mosaics
    mixup: float = 0.1
    cutout: float = 0.3
    colour: float = 0.4
    cast: float = 0.1  # gain of each colour channel
    noise: float = 0.02
    max_objects: int = 160
    min_visible: float = 0.25  # of a box's area, else the box is dropped
    repeat_threshold: float = 0.3  # classes in fewer photographs than this are drawn more often


class DeviceDataset:
    """All photographs of a split as one 8-bit tensor, boxes padded to the largest count."""

    def __init__(self, split: Split, device, repeat_threshold: float):
        side = max(max(i.shape[:2]) for i in split.images)
        most = max(1, max(len(b) for b in split.boxes))
        images = np.zeros((len(split), side, side, 3), np.uint8)
        boxes = np.zeros((len(split), most, 4), np.float32)
        classes = np.full((len(split), most), -1, np.int64)
        for n, (image, b, c) in enumerate(zip(split.images, split.boxes, split.classes)):
            images[n, :image.shape[0], :image.shape[1]] = image
            boxes[n, :len(b)], classes[n, :len(c)] = b, c
        self.images = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).contiguous()
        self.sizes = torch.tensor([i.shape[1::-1] for i in split.images], dtype=torch.float32,
                                  device=device)  # width, height
        self.boxes = torch.from_numpy(boxes).to(device)
        self.classes = torch.from_numpy(classes).to(device)
        weights = np.cumsum(repeat_factors(split, repeat_threshold), dtype=np.float64)
        self.cumulative = torch.from_numpy((weights / weights[-1]).astype(np.float32)).to(device)


def repeat_factors(split: Split, threshold: float) -> np.ndarray:
    """How often to draw each photograph: sqrt(threshold / frequency) of its rarest class, at least 1.

    From Gupta et al., "LVIS", CVPR 2019.
    """
    present = np.zeros((len(split), len(split.labels)), bool)
    for n, c in enumerate(split.classes):
        present[n, c] = True
    frequency = np.maximum(present.mean(0), 1e-6)
    factor = np.maximum(1.0, np.sqrt(threshold / frequency))
    return np.where(present, factor, 1.0).max(1).astype(np.float32)


class Augmenter:
    """Draws batches; every random number comes from `generator`, whose state makes it resumable.

    Nothing here waits for the device or copies to it, so a batch can be part of a CUDA graph.
    """

    def __init__(self, dataset: DeviceDataset, config: AugmentConfig, generator: torch.Generator):
        self.data, self.config, self.generator = dataset, config, generator
        self.device = dataset.images.device
        self.mean = torch.tensor(MEAN, device=self.device).view(1, 3, 1, 1)
        self.std = torch.tensor(STD, device=self.device).view(1, 3, 1, 1)
        self.grey = torch.tensor([0.114, 0.587, 0.299], device=self.device).view(1, 3, 1, 1)
        self.corner = torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1]], device=self.device)  # x, y

    def uniform(self, *shape, lo=0.0, hi=1.0):
        """Uniform random numbers from the generator."""
        return lo + (hi - lo) * torch.rand(*shape, device=self.device, generator=self.generator)

    def batch(self, count: int, strong: bool = True):
        """-> images [count, 3, S, S] normalised, boxes [count, K, 4] in input pixels, classes
        [count, K] (-1: none). strong = False leaves out mosaic and blending."""
        cfg = self.config
        images, boxes, classes = self._compose(count, cfg.mosaic if strong else 0.0)
        images = self._colours(images)
        images = self._cutout(images)
        if strong and cfg.mixup:
            images, boxes, classes = self._blend(images, boxes, classes)
        boxes, classes = self._compact(boxes, classes)
        return (images.clamp(0, 1) - self.mean) / self.std, boxes, classes

    def _compose(self, count, mosaic):
        size = self.config.size
        is_mosaic = self.uniform(count) < mosaic
        split = torch.where(is_mosaic[:, None], self.uniform(count, 2, lo=0.3, hi=0.7) * size,
                            torch.full((), float(size), device=self.device))  # x, y
        index = torch.searchsorted(self.data.cumulative, self.uniform(4, count))
        index = index.clamp(max=len(self.data.cumulative) - 1)
        grid = torch.arange(size, device=self.device, dtype=torch.float32) + 0.5
        left, top = grid[None, None, :] < split[:, 0, None, None], grid[None, :, None] < split[:, 1, None, None]
        out, all_boxes, all_classes = None, [], []
        for tile in range(4):
            right, low = tile % 2, tile // 2
            lo = split * self.corner[tile]
            hi = torch.where(self.corner[tile] > 0, torch.full_like(split, float(size)), split)
            image, boxes, classes = self._place(index[tile], lo, hi, is_mosaic)
            region = (left != bool(right)) & (top != bool(low))
            out = image * region[:, None] if out is None else out + image * region[:, None]
            all_boxes.append(boxes)
            all_classes.append(classes)
        return out, torch.cat(all_boxes, 1), torch.cat(all_classes, 1)

    def _place(self, index, lo, hi, is_mosaic):
        """One photograph for each output, mapped so that it covers the rectangle lo..hi."""
        cfg, count = self.config, len(index)
        data = self.data
        scale = torch.exp(self.uniform(count, lo=math.log(cfg.scale[0]), hi=math.log(cfg.scale[1])))
        scale = torch.where(is_mosaic, scale * cfg.mosaic_scale, scale)
        angle = self.uniform(count, lo=-1, hi=1) * math.radians(cfg.rotate)
        mirror = torch.where(self.uniform(count) < cfg.flip, -1.0, 1.0)
        upside = torch.where(self.uniform(count) < cfg.flip_vertical, -1.0, 1.0)
        half, view = data.sizes[index] / 2, (hi - lo).clamp(min=1) / 2 / scale[:, None]
        reach = (half - view).abs() + 0.1 * view
        source = half + self.uniform(count, 2, lo=-1, hi=1) * reach
        target = (lo + hi) / 2
        cos, sin = angle.cos(), angle.sin()
        linear = torch.stack((scale * cos * mirror, -scale * sin * upside,
                              scale * sin * mirror, scale * cos * upside), 1).view(-1, 2, 2)
        inverse = torch.stack((cos * mirror, sin * mirror, -sin * upside, cos * upside),
                              1).view(-1, 2, 2) / scale[:, None, None]
        photos = data.images[index].float() / 255
        side = photos.shape[-1]
        # output pixel -> photograph, in grid_sample's coordinates (-1..1 over the padded square)
        shift = source - (inverse @ target[..., None])[..., 0]
        half_out = cfg.size / 2
        theta = torch.cat((inverse * half_out,
                           (inverse.sum(-1) * half_out + shift)[..., None]), -1) * (2 / side)
        theta[..., 2] -= 1
        grid = F.affine_grid(theta, (count, 3, cfg.size, cfg.size), align_corners=False)
        image = F.grid_sample(photos, grid, padding_mode="zeros", align_corners=False)
        return image, *self._map_boxes(index, linear, source, target, lo, hi)

    def _map_boxes(self, index, linear, source, target, lo, hi):
        boxes, classes = self.data.boxes[index], self.data.classes[index]
        centre = (boxes[..., :2] + boxes[..., 2:]) / 2 - source[:, None]
        centre = centre @ linear.transpose(1, 2) + target[:, None]
        # objects are closer to ellipses than to their boxes' corners: rotate the inscribed ellipse
        half = (boxes[..., 2:] - boxes[..., :2]) / 2
        half = (half.square() @ linear.square().transpose(1, 2)).sqrt()
        first, last = centre - half, centre + half
        clipped_first = torch.maximum(first, lo[:, None])
        clipped_last = torch.minimum(last, hi[:, None])
        extent = (clipped_last - clipped_first).clamp(min=0)
        visible = extent.prod(-1) / (last - first).prod(-1).clamp(min=1e-6)
        keep = (classes >= 0) & (visible > self.config.min_visible) & (extent.amin(-1) > 3)
        return torch.cat((clipped_first, clipped_last), -1), torch.where(keep, classes, -1)

    def _colours(self, images):
        """Brightness, contrast, saturation, colour cast, blur and noise, for each image by itself."""
        cfg, count = self.config, len(images)

        def factor(amount):
            return self.uniform(count, 1, 1, 1, lo=1 - amount, hi=1 + amount)

        cast = 1 + cfg.cast * self.uniform(count, 3, 1, 1, lo=-1, hi=1)
        images = images * factor(cfg.colour) * cast
        grey = (images * self.grey).sum(1, True)
        images = grey + (images - grey) * factor(cfg.colour)
        level = grey.mean((1, 2, 3), keepdim=True)
        images = level + (images - level) * factor(cfg.colour)
        blur = (self.uniform(count, 1, 1, 1) < 0.1).float()
        images = images + blur * (F.avg_pool2d(images, 3, 1, 1) - images)
        if cfg.noise:
            sigma = self.uniform(count, 1, 1, 1, hi=cfg.noise) * (self.uniform(count, 1, 1, 1) < 0.3)
            images = images + sigma * torch.randn(images.shape, device=self.device,
                                                  generator=self.generator)
        return images

    def _cutout(self, images):
        """Up to three grey rectangles, each with probability `cutout`, sides to a fifth of the image."""
        size, count = self.config.size, len(images)
        grid = torch.arange(size, device=self.device)
        for _ in range(3 if self.config.cutout else 0):
            extent = self.uniform(count, 2, lo=0.03, hi=0.2) * size
            start = self.uniform(count, 2) * size - extent / 2
            use = self.uniform(count) < self.config.cutout
            x = (grid >= start[:, :1]) & (grid < (start + extent)[:, :1])
            y = (grid >= start[:, 1:]) & (grid < (start + extent)[:, 1:])
            mask = (y[:, :, None] & x[:, None, :] & use[:, None, None])[:, None]
            images = torch.where(mask, self.uniform(count, 3, 1, 1), images)
        return images

    def _blend(self, images, boxes, classes):
        """Mixes some images with their neighbour in the batch; both keep their boxes."""
        count = len(images)
        use = self.uniform(count) < self.config.mixup
        share = torch.where(use, self.uniform(count, lo=0.4, hi=0.6), 1.0).view(-1, 1, 1, 1)
        images = share * images + (1 - share) * images.roll(1, 0)
        other = torch.where(use[:, None], classes.roll(1, 0), -1)
        return images, torch.cat((boxes, boxes.roll(1, 0)), 1), torch.cat((classes, other), 1)

    def _compact(self, boxes, classes):
        """Moves the objects to the front and keeps `max_objects` rows."""
        order = (classes < 0).to(torch.uint8).argsort(stable=True, dim=1)[:, :self.config.max_objects]
        return boxes.gather(1, order[..., None].expand(-1, -1, 4)), classes.gather(1, order)
