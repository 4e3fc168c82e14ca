from .dcnv2 import DCN as DCN
from .dcnv2 import DCNPooling as DCNPooling
from .dcnv2 import DCNv2 as DCNv2
from .dcnv2 import DCNv2Pooling as DCNv2Pooling
from .dcnv2 import dcn_v2_conv as dcn_v2_conv
from .dcnv2 import dcn_v2_pooling as dcn_v2_pooling
from .functional import deform_conv2d as deform_conv2d
from .functional import deform_psroi_pool as deform_psroi_pool
from .legacy import install as install
from .modules import DeformConv2d as DeformConv2d

__version__: str
