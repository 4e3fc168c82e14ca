"""`centernet eval --detections` gives the numbers of pycocotools."""

import contextlib
import io
import json
import unittest

import numpy
from program import ROOT, ProgramTest

from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

NAMES = ["AP", "AP50", "AP75", "AP_small", "AP_medium", "AP_large", "AR1", "AR10", "AR100", "AR_small", "AR_medium",
         "AR_large"]


def reference(annotations, detections, category=None):
    """pycocotools' twelve numbers, over all classes or for one."""
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(annotations))
        evaluation = COCOeval(truth, truth.loadRes(str(detections)), "bbox")
        if category is not None:
            evaluation.params.catIds = [category]
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    return evaluation.stats


def random_case(seed, images=12, categories=4, objects=9, detections=14, crowd=0.1, ties=False, near=0.8):
    """Boxes of all sizes; detections near the objects, elsewhere, of the wrong class, several on one object."""
    random = numpy.random.default_rng(seed)

    def box():
        size = numpy.exp(random.uniform(numpy.log(4), numpy.log(250), 2))
        return [round(float(v), 2) for v in (*random.uniform(0, 400, 2), *size)]

    ids = random.permutation(1000)[:images].tolist()
    classes = sorted(random.permutation(90)[:categories].tolist())
    truth, found = [], []
    for image in ids:
        for _ in range(random.integers(0, objects + 1)):
            shape = box()
            truth.append({"id": len(truth) + 1, "image_id": image, "category_id": int(random.choice(classes)),
                          "bbox": shape, "area": shape[2] * shape[3] * float(random.choice([1, 0.6])),
                          "iscrowd": int(random.random() < crowd)})
        here = [row for row in truth if row["image_id"] == image]
        for _ in range(random.integers(0, detections + 1)):
            shape, category = box(), int(random.choice(classes))
            if here and random.random() < near:
                target = here[random.integers(len(here))]
                spread = random.uniform(0, 0.25)
                shape = [float(v + random.normal() * spread * target["bbox"][2 + i % 2])
                         for i, v in enumerate(target["bbox"])]
                shape[2:] = [max(v, 1) for v in shape[2:]]
                if random.random() < 0.9:
                    category = target["category_id"]
            score = float(random.random())
            found.append({"image_id": image, "category_id": category, "bbox": shape,
                          "score": round(score, 1) if ties else score})
    random.shuffle(found)
    annotations = {"images": [{"id": i, "file_name": f"{i}.jpg"} for i in ids],
                   "categories": [{"id": c, "name": f"class {c}"} for c in classes], "annotations": truth}
    return annotations, found


def box_of(area_side, x=100.0, y=100.0):
    return [x, y, area_side, area_side]


def hand_made():
    """Cases for the rules that random ones seldom touch."""
    def case(truth, found, images=(1,), classes=(1,)):
        rows = [{"id": i + 1, "image_id": 1, "category_id": 1, "iscrowd": 0, "area": row["bbox"][2] * row["bbox"][3],
                 **row} for i, row in enumerate(truth)]
        results = [{"image_id": 1, "category_id": 1, "score": 0.5, **row} for row in found]
        return ({"images": [{"id": i, "file_name": f"{i}.jpg"} for i in images],
                 "categories": [{"id": c, "name": str(c)} for c in classes], "annotations": rows}, results)

    plain = {"bbox": box_of(50)}
    yield "areas exactly on the limits", case(
        [{"bbox": box_of(32)}, {"bbox": box_of(96, 300)}, {"bbox": box_of(31.99, 10)}],
        [{"bbox": box_of(32)}, {"bbox": box_of(96, 300)}, {"bbox": box_of(96.01, 300), "score": 0.9}])
    yield "overlap exactly at a threshold", case([plain], [{"bbox": [100, 100, 50, 25]}, {"bbox": [100, 100, 50, 37.5]}])
    yield "two detections of one object", case([plain], [plain, {**plain, "score": 0.9}])
    yield "one detection between two objects", case([{"bbox": [0, 0, 40, 40]}, {"bbox": [10, 0, 40, 40]}],
                                                    [{"bbox": [5, 0, 40, 40]}, {"bbox": [6, 0, 40, 40]}])
    yield "a crowd takes many", case([{"bbox": box_of(200), "iscrowd": 1}, {"bbox": box_of(20, 120)}],
                                     [{"bbox": box_of(20 + i, 110 + 3 * i), "score": 0.1 * i} for i in range(9)])
    yield "only crowds", case([{"bbox": box_of(200), "iscrowd": 1}], [{"bbox": box_of(20)}])
    yield "object and crowd in the same place", case([{**plain, "iscrowd": 1}, plain], [plain, plain, plain])
    yield "equal scores in order", case([plain], [{"bbox": box_of(10)}, plain, {"bbox": box_of(12)}])
    yield "no object of a class", case([plain], [plain, {**plain, "category_id": 2}], classes=(1, 2))
    yield "detections of a category that is not there", case([plain], [plain, {**plain, "category_id": 9}])
    yield "more than a hundred detections", case(
        [{"bbox": box_of(20, 30.0 * i)} for i in range(130)],
        [{"bbox": box_of(20, 30.0 * i), "score": 1 - i / 200} for i in range(130)])
    yield "objects in pictures that are not listed", case([plain, {**plain, "image_id": 5}], [plain])
    yield "pictures without anything", case([plain], [plain], images=(1, 2, 3))
    yield "an object with number 0", case([{**plain, "id": 0}, {"bbox": box_of(50, 300), "id": 4}],
                                          [plain, {"bbox": box_of(50, 300)}])
    yield "boxes without size", case([{"bbox": [5, 5, 0, 0]}, plain], [{"bbox": [5, 5, 0, 0]}, plain])


class EvalTest(ProgramTest):
    def compare(self, case, name):
        annotations = self.save("truth.json", case[0])
        detections = self.save("found.json", case[1])
        result = self.ok("eval", "--annotations", annotations, "--detections", detections, "--json", "-")
        report = json.loads(result.stdout)
        expected = reference(annotations, detections)
        for key, value in zip(NAMES, expected):
            self.assertAlmostEqual(report[key], value, delta=1e-12, msg=f"{name}: {key}")
        self.assertEqual([row["category_id"] for row in report["classes"]],
                         sorted(row["id"] for row in case[0]["categories"]))
        for row in report["classes"]:
            for key, value in zip(NAMES, reference(annotations, detections, row["category_id"])):
                self.assertAlmostEqual(row[key], value, delta=1e-12, msg=f"{name}: {row['name']}: {key}")
        return expected

    def test_random_cases(self):
        variety = set()
        for seed in range(24):
            options = [{}, {"ties": True}, {"crowd": 0.5}, {"images": 40, "categories": 9}, {"objects": 2},
                       {"near": 0.3}, {"detections": 150, "images": 4}, {"crowd": 0, "categories": 1}][seed % 8]
            expected = self.compare(random_case(seed, **options), f"seed {seed}")
            variety.add(round(float(expected[0]), 4))
        self.assertGreater(len(variety), 20, "the cases are too much alike to show anything")

    def test_hand_made_cases(self):
        for name, case in hand_made():
            with self.subTest(name):
                self.compare(case, name)

    def test_annotations_of_photographs(self):
        annotations = json.loads((ROOT / "examples/images/annotations.json").read_text())
        random = numpy.random.default_rng(5)
        found = [{"image_id": row["image_id"], "category_id": row["category_id"], "score": float(random.random()),
                  "bbox": [float(v + random.normal() * 6) for v in row["bbox"]]} for row in annotations["annotations"]]
        self.compare((annotations, found), "photographs")

    def test_tables(self):
        annotations, found = random_case(3)
        result = self.ok("eval", "--annotations", self.save("a.json", annotations), "--detections",
                         self.save("d.json", found))
        for word in ["class", "AP50", "AR100", "all", "AP_small", "class " + str(annotations["categories"][0]["id"])]:
            self.assertIn(word, result.stdout)
        self.assertIn(f"{len(annotations['images'])} images", result.stdout)
        self.assertEqual(result.stderr, "")

    def test_json_file(self):
        annotations, found = random_case(4)
        metrics = self.folder / "metrics.json"
        self.ok("eval", "--annotations", self.save("a.json", annotations), "--detections", self.save("d.json", found),
                "--json", metrics)
        self.assertEqual(json.loads(metrics.read_text())["images"], 12)
        self.assertEqual(self.leftovers(), [])

    def test_mistakes(self):
        annotations, found = random_case(1)
        good = self.save("a.json", annotations)
        results = self.save("d.json", found)
        self.fails("eval", "--annotations", good, says=["nothing to evaluate", "--images", "--detections"])
        self.fails("eval", "--annotations", good, "--detections", results, "--images", ".", says="--detections")
        self.fails("eval", "--annotations", results, "--detections", results, says=["d.json", "a results file?"])
        self.fails("eval", "--annotations", good, "--detections", good, says=["a.json", "annotations file"])
        self.fails("eval", "--annotations", self.folder / "no.json", "--detections", results,
                   says=["no.json", "No such file"])
        foreign = self.save("f.json", [{**found[0], "image_id": 5555}])
        self.fails("eval", "--annotations", good, "--detections", foreign, says=["5555", "different data sets"])
        (self.folder / "text.json").write_text("hello")
        self.fails("eval", "--annotations", self.folder / "text.json", "--detections", results, says="not JSON")
        self.fails("eval", "--annotations", good, "--detections", results, "--json", "/dev/full", says="No space left")
        self.fails("eval", "--detections", results, says="--annotations is required")


if __name__ == "__main__":
    unittest.main()
