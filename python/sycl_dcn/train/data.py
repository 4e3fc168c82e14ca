"""COCO-format data: reading, and the original CenterNet's pre-processing at test time."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

STRIDE = 4  # input cells for one output cell
PAD_BITS = 31  # "keep" pads each side to (x | 31) + 1


class DataError(ValueError):
    """Something in the data or its annotations is missing or malformed."""


@dataclass
class Split:
    """Photographs (blue, green, red, 8 bit) and boxes (x1, y1, x2, y2 in pixels) of one split."""

    labels: tuple[str, ...]
    file_names: list[str] = field(default_factory=list)
    image_ids: list[int] = field(default_factory=list)
    images: list[np.ndarray] = field(default_factory=list)
    boxes: list[np.ndarray] = field(default_factory=list)  # [k, 4] float32 for each image
    classes: list[np.ndarray] = field(default_factory=list)  # [k] int64 from 0, for each image

    def __len__(self) -> int:
        return len(self.images)


def load_coco(annotations, image_dir) -> Split:
    """Reads a COCO JSON file and its images. Classes are numbered from 0 in order of category id.

    Crowd regions and boxes without area are left out. Raises DataError that names the file.
    """
    path, image_dir = Path(annotations), Path(image_dir)
    try:
        data = json.loads(path.read_text())
        categories = sorted(data["categories"], key=lambda c: c["id"])
        images, boxes = data["images"], data["annotations"]
    except OSError as e:
        raise DataError(f"{path}: cannot be read ({e.strerror})") from e
    except (json.JSONDecodeError, KeyError, TypeError) as e:
        raise DataError(f"{path}: not a COCO annotation file ({e!r}); expected an object with "
                        "'images', 'annotations' and 'categories'") from e
    if not images or not categories:
        raise DataError(f"{path}: {len(images)} images, {len(categories)} categories; "
                        "expected at least one of each")
    index = {c["id"]: i for i, c in enumerate(categories)}
    of_image: dict[int, list] = {i["id"]: [] for i in images}
    for a in boxes:
        if a["category_id"] not in index or a["image_id"] not in of_image:
            raise DataError(f"{path}: annotation {a.get('id')} refers to image {a['image_id']}, "
                            f"category {a['category_id']}; at least one is not listed")
        x, y, w, h = a["bbox"]
        if w > 0 and h > 0 and not a.get("iscrowd"):
            of_image[a["image_id"]].append((x, y, x + w, y + h, index[a["category_id"]]))
    split = Split(tuple(c["name"] for c in categories))
    for info in images:
        image = cv2.imread(str(image_dir / info["file_name"]))
        if image is None:
            raise DataError(f"{image_dir / info['file_name']}: missing or not an image "
                            f"(listed in {path})")
        rows = np.array(of_image[info["id"]], np.float32).reshape(-1, 5)
        split.file_names.append(info["file_name"])
        split.image_ids.append(info["id"])
        split.images.append(image)
        split.boxes.append(rows[:, :4])
        split.classes.append(rows[:, 4].astype(np.int64))
    return split


@dataclass(frozen=True)
class Geometry:
    """Where an image lies in the network's input: input = ratio * image + shift."""

    input_size: tuple[int, int]  # height, width
    ratio: float
    shift: tuple[float, float]  # x, y

    def matrix(self) -> np.ndarray:
        """[2, 3] affine matrix from image to input pixels."""
        return np.array([[self.ratio, 0, self.shift[0]], [0, self.ratio, self.shift[1]]])

    def to_image(self, boxes: np.ndarray) -> np.ndarray:
        """[k, 4] boxes in output cells -> image pixels."""
        shift = np.array([*self.shift, *self.shift])
        return (boxes * STRIDE - shift) / self.ratio


def geometry(height: int, width: int, resolution: str, input_size: tuple[int, int]) -> Geometry:
    """The original's `fix_res` ("fix": longer side onto the input's width) and `keep_res` ("keep")."""
    if resolution == "keep":
        h, w = (height | PAD_BITS) + 1, (width | PAD_BITS) + 1
        return Geometry((h, w), 1.0, (w / 2 - width // 2, h / 2 - height // 2))
    h, w = input_size
    ratio = w / max(height, width)
    return Geometry((h, w), ratio, (w / 2 - ratio * width / 2, h / 2 - ratio * height / 2))


def prepare(image: np.ndarray, geo: Geometry) -> np.ndarray:
    """The 8-bit network input of an image, before normalisation; outside is black."""
    h, w = geo.input_size
    return cv2.warpAffine(image, geo.matrix(), (w, h), flags=cv2.INTER_LINEAR)
