"""The five small linear maps of Winograd's F(4x4, 3x3) and F(2x2, 5x5), in plain arithmetic.

M outputs of a filter of R taps are the coefficients of a product of two polynomials, which M + R - 1 values fix: six
for four outputs of three taps and for two of five. So both see the same 6x6 pixels by the same transform, and only the
maps of weights and outputs differ, by how many coefficients they have.
We take the values at 0, a, -a, b, -b and infinity, with a = sqrt(1/2) and b = sqrt(2): a*b = 1 saves products,
the signs let pairs of points share their even and odd parts, and the rounding errors are less than half of those
of the customary 0, +-1, +-2 (measured for three taps over 1, 16 and 128 channels: largest error 9.9, 0.6, 0.3 in the
units of `winograd` against 48, 2.7, 0.7; root mean square 1.0, 0.12, 0.07 against 2.2, 0.21, 0.10).

In the letters of Lavin and Gray a tile of the output is

    y = A^T [ (G g G^T) * (B^T d B) ] A       d: 6x6 pixels, g: RxR weights, *: number by number, y: MxM

Each function below is one of the matrices, or its transpose, times one line; `both_ways` applies it to the columns
of a patch and then to its rows. The numbers may be anything that can be added and multiplied by a float: numpy
arrays, or the vectors of `winograd_tiles`.

Reference: Winograd, "Arithmetic complexity of computations", 1980; Lavin and Gray, "Fast algorithms for
convolutional neural networks", 2016, sections 4.1 and 4.3; Barabasz et al., "Error analysis and improving the
accuracy of Winograd convolution for deep neural networks", 2020 (why other points are more accurate).
"""

from __future__ import annotations

A_SQUARED, B_SQUARED = 0.5, 2.0
A, B = A_SQUARED**0.5, B_SQUARED**0.5
# What the Lagrange polynomial of +-a and of +-b is divided by: the product of the distances to the other points.
AT_A, AT_B = 2 * A_SQUARED * (A_SQUARED - B_SQUARED), 2 * B_SQUARED * (B_SQUARED - A_SQUARED)

TILE, PATCH, TAPS = 4, 6, 3  # outputs, pixels and weights along one side
POINTS = PATCH * PATCH
# The outputs along a tile's side for kernels of so many taps.
TILES = {TAPS: TILE, 5: 2}


def input_line(d):
    """B^T d: six pixels to six points."""
    d0, d1, d2, d3, d4, d5 = d
    even_a, odd_a = d4 - B_SQUARED * d2, A * (d3 - B_SQUARED * d1)
    even_b, odd_b = d4 - A_SQUARED * d2, B * (d3 - A_SQUARED * d1)
    first = d0 + d4 - (A_SQUARED + B_SQUARED) * d2
    last = d1 + d5 - (A_SQUARED + B_SQUARED) * d3
    return [first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last]


def weight_line(g):
    """G g: the weights of a line to six points."""
    return _values(g, 1 / AT_A, 1 / AT_B)


def output_line(m, outputs=TILE):
    """A^T m: six points to a line of outputs."""
    return _coefficients(m, outputs, 1.0, 1.0)


def output_grad_line(y):
    """A y, the adjoint of `output_line`: the gradients of a line of outputs to six points."""
    return _values(y, 1.0, 1.0)


def weight_grad_line(u, taps=TAPS):
    """G^T u, the adjoint of `weight_line`: six points to the gradients of a line of weights."""
    return _coefficients(u, taps, 1 / AT_A, 1 / AT_B)


def _values(numbers, times_a, times_b):
    """A polynomial by its coefficients: its values at the six points, those at +-a and +-b times a factor."""
    values = [numbers[0]]
    for point, factor in ((A, times_a), (B, times_b)):
        terms = [(factor * point**k) * number for k, number in enumerate(numbers)]
        even, odd = sum(terms[2::2], terms[0]), sum(terms[3::2], terms[1])
        values += [even + odd, even - odd]
    return [*values, numbers[-1]]


def _coefficients(points, count, times_a, times_b):
    """The adjoint of `_values` for `count` coefficients."""
    p0, p1, p2, p3, p4, p5 = points
    at_a, at_b = (p1 + p2, p1 - p2), (p3 + p4, p3 - p4)  # what even and odd coefficients see
    numbers = [(times_a * A**k) * at_a[k % 2] + (times_b * B**k) * at_b[k % 2] for k in range(count)]
    return [p0 + numbers[0], *numbers[1:-1], numbers[-1] + p5]


def both_ways(line, patch):
    """`line` applied to the columns of a patch (a list of rows), then to the rows of what comes out."""
    columns = [line(column) for column in zip(*patch)]
    return [line(row) for row in zip(*columns)]
