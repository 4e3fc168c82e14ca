"""Average precision equals pycocotools'; VOC conversion; data errors name the file."""

import contextlib
import io
import json

import numpy as np
import pytest
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from sycl_dcn.train.average_precision import evaluate
from sycl_dcn.train.data import DataError, load_coco
from sycl_dcn.train.voc import convert


def random_case(seed, ties):
    rng = np.random.default_rng(seed)
    truth, detections = [], []
    for _ in range(12):
        corner = rng.uniform(0, 200, (rng.integers(0, 15), 2))
        boxes = np.concatenate((corner, corner + rng.uniform(25, 120, corner.shape)), 1)
        classes = rng.integers(0, 3, len(boxes))
        noisy = np.repeat(boxes, 2, 0) + rng.normal(0, 3, (2 * len(boxes), 4))
        junk = rng.uniform(0, 150, (130, 2))
        junk = np.concatenate((junk, junk + rng.uniform(5, 60, junk.shape)), 1)
        found = np.concatenate((noisy, junk))
        labels = np.concatenate((np.repeat(classes, 2), rng.integers(0, 3, len(junk))))
        scores = rng.uniform(0, 1, len(found))
        scores[:len(noisy)] += 0.5
        if ties:
            scores = np.round(scores, 1)
        truth.append((boxes, classes))
        detections.append((found, labels, scores))
    return truth, detections


def by_pycocotools(truth, detections):
    data = {"images": [], "annotations": [], "categories": [{"id": c + 1} for c in range(3)], "info": {}}
    results = []
    for n, ((boxes, classes), (found, labels, scores)) in enumerate(zip(truth, detections), 1):
        data["images"].append({"id": n})
        for (x1, y1, x2, y2), c in zip(boxes.tolist(), classes.tolist()):
            data["annotations"].append({
                "id": len(data["annotations"]) + 1, "image_id": n, "category_id": c + 1, "iscrowd": 0,
                "bbox": [x1, y1, x2 - x1, y2 - y1], "area": (x2 - x1) * (y2 - y1)})
        for (x1, y1, x2, y2), c, s in zip(found.tolist(), labels.tolist(), scores.tolist()):
            results.append({"image_id": n, "category_id": c + 1, "score": s,
                            "bbox": [x1, y1, x2 - x1, y2 - y1]})
    with contextlib.redirect_stdout(io.StringIO()):
        coco = COCO()
        coco.dataset = data
        coco.createIndex()
        run = COCOeval(coco, coco.loadRes(results), "bbox")
        run.evaluate()
        run.accumulate()
        run.summarize()
    return run.stats[:3]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("ties", [False, True])
def test_equals_pycocotools(seed, ties):
    truth, detections = random_case(seed, ties)
    got = evaluate(("a", "b", "c"), truth, detections)
    wanted = by_pycocotools(truth, detections)
    assert [got.ap, got.ap50, got.ap75] == pytest.approx(wanted.tolist(), abs=1e-9)
    assert 0.05 < got.ap50 < 0.95


def test_perfect_and_empty_detections():
    truth = [(np.array([[0.0, 0, 10, 10]]), np.array([0]))]
    nothing = [(np.zeros((0, 4)), np.zeros(0, int), np.zeros(0))]
    right = [(truth[0][0], truth[0][1], np.array([0.9]))]
    assert evaluate(("a", "b"), truth, right).ap == pytest.approx(1.0)
    assert evaluate(("a", "b"), truth, nothing).ap == 0
    assert list(evaluate(("a", "b"), truth, right).by_class) == ["a"]


def test_data_errors_name_the_file(tmp_path):
    with pytest.raises(DataError, match="missing.json"):
        load_coco(tmp_path / "missing.json", tmp_path)
    (tmp_path / "a.json").write_text("[1, 2]")
    with pytest.raises(DataError, match="a.json.*COCO"):
        load_coco(tmp_path / "a.json", tmp_path)
    data = {"images": [{"id": 1, "file_name": "no.jpg", "width": 4, "height": 4}],
            "annotations": [], "categories": [{"id": 1, "name": "a"}]}
    (tmp_path / "b.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="no.jpg"):
        load_coco(tmp_path / "b.json", tmp_path)
    data["annotations"] = [{"id": 7, "image_id": 1, "category_id": 9, "bbox": [0, 0, 1, 1]}]
    (tmp_path / "c.json").write_text(json.dumps(data))
    with pytest.raises(DataError, match="annotation 7"):
        load_coco(tmp_path / "c.json", tmp_path)


VOC = """<annotation><filename>x.jpg</filename><size><width>64</width><height>48</height></size>
<object><name>RBC</name><bndbox><xmin>1</xmin><ymin>5</ymin><xmax>10</xmax><ymax>24</ymax></bndbox></object>
<object><name>WBC</name><bndbox><xmin>11</xmin><ymin>11</ymin><xmax>64</xmax><ymax>48</ymax></bndbox></object>
</annotation>"""


def voc_folder(root):
    for folder in ("ImageSets/Main", "Annotations", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("cell_1\n")
    (root / "Annotations/cell_1.xml").write_text(VOC)


def test_voc_corners_become_coco_boxes(tmp_path):
    voc_folder(tmp_path)
    coco = convert(tmp_path, "train", ("RBC", "WBC"))
    assert coco["images"] == [{"id": 1, "file_name": "cell_1.jpg", "width": 64, "height": 48}]
    assert [a["bbox"] for a in coco["annotations"]] == [[0, 4, 10, 20], [10, 10, 54, 38]]
    assert [a["category_id"] for a in coco["annotations"]] == [1, 2]


def test_voc_errors(tmp_path):
    voc_folder(tmp_path)
    with pytest.raises(DataError, match="label 'WBC'"):
        convert(tmp_path, "train", ("RBC",))
    with pytest.raises(DataError, match="test.txt"):
        convert(tmp_path, "test", ("RBC",))
    (tmp_path / "Annotations/cell_1.xml").write_text("<annotation>")
    with pytest.raises(DataError, match="cell_1.xml"):
        convert(tmp_path, "train", ("RBC", "WBC"))
