"""Training of CenterNet (Zhou et al., "Objects as Points", 2019) from COCO-format data.

Run `python -m sycl_dcn.train --help`. The networks carry the tensor names of the original
CenterNet, so a checkpoint trained here loads wherever an original one does.
"""
