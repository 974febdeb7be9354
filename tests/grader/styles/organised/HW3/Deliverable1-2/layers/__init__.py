from .convolution import Convolution
