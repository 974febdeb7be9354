"""The handles only: what they do lies in a package and a module beside, in a folder two levels down."""
from layers import Convolution as MyConv2D
from layers.functional import convolve as MyFConv2D
from pooling import MyMaxPool2D
