"""`python -m sycl_dcn.train`."""

import sys

from .cli import main

sys.exit(main())
