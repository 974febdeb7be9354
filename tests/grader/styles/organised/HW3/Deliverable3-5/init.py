from functools import singledispatch

from torch import nn


@singledispatch
def init_weights_kaiming(m):
    """Other modules stay as they are."""


@init_weights_kaiming.register
def _(m: nn.Conv2d):
    nn.init.kaiming_normal_(m.weight, a=0, mode="fan_out")


@init_weights_kaiming.register
def _(m: nn.Linear):
    nn.init.kaiming_normal_(m.weight, a=0)
    nn.init.constant_(m.bias, 0.05)
