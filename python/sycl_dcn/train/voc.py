"""Converts PASCAL VOC annotations (as the blood cell data set BCCD has them) to COCO JSON."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ElementTree
from pathlib import Path

from .data import DataError


def read_voc(path: Path) -> tuple[str, int, int, list[tuple[str, list[float]]]]:
    """One annotation file -> file name, width, height, [(label, [x, y, width, height])].

    VOC corners are pixel numbers from 1, both inside the box; COCO boxes are measured from 0.
    """
    try:
        root = ElementTree.parse(path).getroot()
        size = root.find("size")
        objects = []
        for item in root.iter("object"):
            box = item.find("bndbox")
            x1, y1, x2, y2 = (float(box.find(k).text) for k in ("xmin", "ymin", "xmax", "ymax"))
            objects.append((item.find("name").text.strip(),
                            [max(x1 - 1, 0), max(y1 - 1, 0), x2 - max(x1 - 1, 0), y2 - max(y1 - 1, 0)]))
        return path.stem, int(size.find("width").text), int(size.find("height").text), objects
    except (OSError, ElementTree.ParseError, AttributeError, ValueError) as e:
        raise DataError(f"{path}: not a PASCAL VOC annotation ({e})") from e


def convert(root, split: str, labels: tuple[str, ...]) -> dict:
    """root holds ImageSets/Main/SPLIT.txt, Annotations/*.xml, JPEGImages/*.jpg -> a COCO dictionary."""
    root = Path(root)
    listing = root / "ImageSets" / "Main" / f"{split}.txt"
    if not listing.is_file():
        raise DataError(f"{listing}: not found; expected a PASCAL VOC folder")
    ids = {label: i + 1 for i, label in enumerate(labels)}
    coco = {"info": {"description": f"{root.name}, split {split}"}, "images": [], "annotations": [],
            "categories": [{"id": i, "name": label} for label, i in ids.items()]}
    for stem in listing.read_text().split():
        name, width, height, objects = read_voc(root / "Annotations" / f"{stem}.xml")
        image_id = len(coco["images"]) + 1
        coco["images"].append({"id": image_id, "file_name": f"{name}.jpg",
                               "width": width, "height": height})
        for label, box in objects:
            if label not in ids:
                raise DataError(f"{stem}.xml: label '{label}', expected one of {', '.join(labels)}")
            if box[2] > 0 and box[3] > 0:
                coco["annotations"].append({
                    "id": len(coco["annotations"]) + 1, "image_id": image_id,
                    "category_id": ids[label], "bbox": box, "area": box[2] * box[3], "iscrowd": 0})
    return coco


def convert_file(root, split: str, labels: tuple[str, ...], out) -> int:
    """Writes the COCO JSON file; returns its number of images."""
    coco = convert(root, split, labels)
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(out).write_text(json.dumps(coco) + "\n")
    return len(coco["images"])
