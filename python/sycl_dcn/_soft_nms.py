"""Soft non-maximum suppression (Bodla et al. 2017, arXiv:1704.04503) as the original CenterNet's `external.nms` computes it, in
place and with what that leaves behind; src/centernet/soft_nms.cpp is the same for the C++ program. `sycl_dcn.install` gives
it to old code, whose own extension does not compile with today's Cython and NumPy."""

from __future__ import annotations

import numpy as np

_BOX = 5  # x1, y1, x2, y2, score
_HARD, _LINEAR, _GAUSSIAN = 0, 1, 2


def _lengths(first, last):
    """Of [first, last] with both end pixels; the original's compiler adds its 1 in double."""
    return (last - first).astype(np.float64) + 1.0


def _decay(best: np.ndarray, rows: np.ndarray, sigma: float, overlap: float, method: int) -> tuple[np.ndarray, np.ndarray]:
    """The factor for each row's score, 1 where it does not meet the best box; and where it does."""
    area = (_lengths(rows[:, 0], rows[:, 2]) * _lengths(rows[:, 1], rows[:, 3])).astype(np.float32)
    width = _lengths(np.maximum(best[0], rows[:, 0]), np.minimum(best[2], rows[:, 2])).astype(np.float32)
    height = _lengths(np.maximum(best[1], rows[:, 1]), np.minimum(best[3], rows[:, 3])).astype(np.float32)
    meets = (width > 0) & (height > 0)
    shared = np.where(meets, width * height, np.float32(0))
    joined = (_lengths(best[0], best[2]) * _lengths(best[1], best[3]) + area.astype(np.float64) - shared).astype(np.float32)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = shared / joined
        if method == _GAUSSIAN:
            factor = np.exp((-(ratio * ratio) / np.float32(sigma)).astype(np.float64))
        else:
            factor = np.where(ratio > np.float32(overlap), 1.0 - ratio.astype(np.float64) if method == _LINEAR else 0.0, 1.0)
    return np.where(meets, factor, 1.0).astype(np.float32), meets


def soft_nms(boxes: np.ndarray, sigma: float = 0.5, Nt: float = 0.3, threshold: float = 0.001,
             method: int = _HARD) -> list[int]:
    """Orders rows by score and lowers the scores of those that overlap a better one.

    Args:
        boxes: float32 [N, 5 or more]: x1, y1, x2, y2, score; further columns move along. Changed in place.
        sigma: width of the Gaussian. Nt: overlap above which the other methods act. threshold: lower scores go.
        method: 2 multiplies by a Gaussian of the overlap, 1 by what does not overlap, else by nothing or zero.

    Returns:
        The indices 0 .. K - 1 of the rows that stay. What lies behind them is left as the original leaves it.
    """
    if boxes.ndim != 2 or boxes.shape[1] < _BOX or boxes.dtype != np.float32:
        raise ValueError(f"boxes: {boxes.dtype} {list(boxes.shape)}, expected float32 [N, 5 or more]")
    count, i = len(boxes), 0
    while i < count:
        best = i + int(np.argmax(boxes[i:count, 4]))
        boxes[[i, best]] = boxes[[best, i]]
        factor, meets = _decay(boxes[i], boxes[i + 1:count], sigma, Nt, method)
        lowered = factor * boxes[i + 1:count, 4]
        goes = meets & (lowered < np.float32(threshold))  # a row that meets nothing stays, however low it is
        at = i + 1
        while at < count:
            source = at - i - 1
            boxes[at, 4] = lowered[source]
            if goes[source]:
                count -= 1
                if at != count:
                    # The last row takes this place. Its box and score stay behind as well, other columns change places.
                    boxes[at, :_BOX] = boxes[count, :_BOX]
                    boxes[[at, count], _BOX:] = boxes[[count, at], _BOX:]
                    lowered[source], goes[source] = lowered[count - i - 1], goes[count - i - 1]
                continue
            at += 1
        i += 1
    return list(range(count))
