"""The package is tested from the checkout, with the libraries that SYCL_DCN_LIBRARIES names or build/python holds."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
os.environ.setdefault("SYCL_DCN_LIBRARIES", str(ROOT / "build" / "python"))
sys.path.insert(0, str(ROOT / "python"))
sys.path.insert(0, str(Path(__file__).parent))
PROGRAM = Path(os.environ["SYCL_DCN_LIBRARIES"]).parent / "bin" / "centernet"  # the build that the libraries belong to
