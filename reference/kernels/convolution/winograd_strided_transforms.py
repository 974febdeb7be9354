"""The small linear maps of Winograd's algorithm for a 3-tap filter in steps of two, in plain arithmetic.

Outputs two pixels apart see the even pixels e and the odd ones o of a line through different taps:

    y[i] = g0 d[2i] + g1 d[2i+1] + g2 d[2i+2]  =  (g0 e[i] + g2 e[i+1])  +  g1 o[i]

a filter of two taps over the even pixels, F(4, 2), which five products do for four outputs, and one of one tap over
the odd pixels, which needs no transform and four products: nine in place of twelve. In two dimensions nine pixels
become nine points along either side, 81 products for 4x4 outputs in place of 144:

    y = A^T [ (G g G^T) * (B^T d B) ] A       d: 9x9 pixels, g: 3x3 weights, *: point by point, y: 4x4

The gradient for the input sends four gradients of outputs, and the one behind them, to the eight pixels from an odd
one on, with the taps of the even pixels exchanged:

    odd[i] = g1 y[i]        even[i+1] = g2 y[i] + g0 y[i+1]

where y has the same nine points, five of F(4, 2) and four as they are. The four odd points of a filter are one number,
so a filter has 6x6 points, each of which meets one, four or sixteen of the 81.

F(4, 2) takes the values at 0, a, -a, b and -b, with a = sqrt(1/2) and b = sqrt(2) as in `winograd_transforms`. Behind
the last gradient of an image there are zeros, and a pixel there that sees one window only is small beside its tile: it
is where infinity as a point costs accuracy (largest error of such pixels over 8 summed channels of positive numbers, in
the units of `winograd_strided`: 3.6 without infinity, 46 for 0, 1, -1, 2 and infinity, 25 for +-a, +-b and infinity).

Reference: Winograd, "Arithmetic complexity of computations", 1980; Vaidyanathan, "Multirate digital filters", 1990
(the phases); Huang et al., "DWM: a decomposable Winograd method for convolution acceleration", 2020 (strides taken
apart for Winograd's algorithm); Barabasz et al., "Error analysis and improving the accuracy of Winograd convolution for
deep neural networks", 2020 (the choice of points).
"""

from __future__ import annotations

import numpy as np

A_SQUARED, B_SQUARED = 0.5, 2.0
A, B = A_SQUARED**0.5, B_SQUARED**0.5
# What the Lagrange polynomials of +-a and of +-b are divided by; that of 0 by a*a*b*b = 1.
AT_A, AT_B = 2 * A_SQUARED * (A_SQUARED - B_SQUARED), 2 * B_SQUARED * (B_SQUARED - A_SQUARED)

TAPS, TILE, SEEN = 3, 4, 5  # weights; outputs, and gradients of outputs that eight pixels see, along one side
STEP, PATCH = 2 * TILE, 2 * TILE + 1  # pixels from tile to tile, and that a tile sees
SIDE, FILTER_SIDE = 9, 6  # points of a patch and of a filter along one side
POINTS, FILTER_POINTS = SIDE**2, FILTER_SIDE**2


def _two_taps_line(d):
    """F(4, 2)'s B^T d: five numbers to five points."""
    d0, d1, d2, d3, d4 = d
    even_a, odd_a = d4 - B_SQUARED * d2, A * (d3 - B_SQUARED * d1)
    even_b, odd_b = d4 - A_SQUARED * d2, B * (d3 - A_SQUARED * d1)
    first = d0 + d4 - (A_SQUARED + B_SQUARED) * d2
    return [first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b]


def _four_sums_line(m):
    """F(4, 2)'s A^T m: five points to four sums."""
    m0, m1, m2, m3, m4 = m
    even_a, odd_a, even_b, odd_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return [
        m0 + even_a + even_b,
        A * odd_a + B * odd_b,
        A_SQUARED * even_a + B_SQUARED * even_b,
        (A * A_SQUARED) * odd_a + (B * B_SQUARED) * odd_b,
    ]


def input_line(d):
    """B^T d: nine pixels to nine points."""
    return [*_two_taps_line(d[0::2]), *d[1::2]]


def weight_line(g):
    """G g: three weights to six points."""
    g0, g1, g2 = g
    even_a, odd_a = (1 / AT_A) * g0, (A / AT_A) * g2
    even_b, odd_b = (1 / AT_B) * g0, (B / AT_B) * g2
    return [g0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g1]


def output_line(m):
    """A^T m: nine points to four outputs."""
    return [even + odd for even, odd in zip(_four_sums_line(m[:SEEN]), m[SEEN:])]


def seen_line(y):
    """Five gradients of outputs to the nine points of what eight pixels see."""
    return [*_two_taps_line(y), *y[:TILE]]


def pixel_line(m):
    """Nine points to the gradients of eight pixels, the first of them odd."""
    return [number for pair in zip(m[SEEN:], _four_sums_line(m[:SEEN])) for number in pair]


def output_grad_line(y):
    """A y, the adjoint of `output_line`: four gradients to nine points."""
    y0, y1, y2, y3 = y
    even_a, odd_a = y0 + A_SQUARED * y2, A * (y1 + A_SQUARED * y3)
    even_b, odd_b = y0 + B_SQUARED * y2, B * (y1 + B_SQUARED * y3)
    return [y0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, *y]


def weight_grad_line(u):
    """G^T u, the adjoint of `weight_line`: six points to the gradients of three weights."""
    u0, u1, u2, u3, u4, u5 = u
    first = u0 + (1 / AT_A) * (u1 + u2) + (1 / AT_B) * (u3 + u4)
    return [first, u5, (A / AT_A) * (u1 - u2) + (B / AT_B) * (u3 - u4)]


def _filter_points() -> np.ndarray:
    """(81,) int64: which point of a filter each point of a patch meets."""
    side = np.minimum(np.arange(SIDE), FILTER_SIDE - 1)
    return (side[:, None] * FILTER_SIDE + side).reshape(-1)


def _meetings() -> np.ndarray:
    """(81, 2) int64: (point of a patch, point of a filter), one filter's points after another's."""
    filters = _filter_points()
    order = np.argsort(filters, kind="stable")
    return np.stack([order, filters[order]], -1)


MEETINGS = _meetings()
