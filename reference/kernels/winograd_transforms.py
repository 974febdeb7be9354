"""The five small linear maps of Winograd's F(4x4, 3x3), in plain arithmetic.

Four outputs of a filter of three taps are the coefficients of a product of two polynomials, which six values fix.
We take the values at 0, a, -a, b, -b and infinity, with a = sqrt(1/2) and b = sqrt(2): a*b = 1 saves products,
the signs let pairs of points share their even and odd parts, and the rounding errors are less than half of those
of the customary 0, +-1, +-2 (measured over 1, 16 and 128 channels: largest error 9.9, 0.6, 0.3 in the units of
`winograd` against 48, 2.7, 0.7; root mean square 1.0, 0.12, 0.07 against 2.2, 0.21, 0.10).

In the letters of Lavin and Gray a tile of the output is

    y = A^T [ (G g G^T) * (B^T d B) ] A       d: 6x6 pixels, g: 3x3 weights, *: number by number, y: 4x4

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


def input_line(d):
    """B^T d: six pixels to six points."""
    d0, d1, d2, d3, d4, d5 = d
    even_a, odd_a = d4 - B_SQUARED * d2, A * (d3 - B_SQUARED * d1)
    even_b, odd_b = d4 - A_SQUARED * d2, B * (d3 - A_SQUARED * d1)
    first = d0 + d4 - (A_SQUARED + B_SQUARED) * d2
    last = d1 + d5 - (A_SQUARED + B_SQUARED) * d3
    return [first, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, last]


def weight_line(g):
    """G g: three weights to six points."""
    g0, g1, g2 = g
    even_a, odd_a = (1 / AT_A) * g0 + (A_SQUARED / AT_A) * g2, (A / AT_A) * g1
    even_b, odd_b = (1 / AT_B) * g0 + (B_SQUARED / AT_B) * g2, (B / AT_B) * g1
    return [g0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, g2]


def output_line(m):
    """A^T m: six points to four outputs."""
    m0, m1, m2, m3, m4, m5 = m
    even_a, odd_a, even_b, odd_b = m1 + m2, m1 - m2, m3 + m4, m3 - m4
    return [
        m0 + even_a + even_b,
        A * odd_a + B * odd_b,
        A_SQUARED * even_a + B_SQUARED * even_b,
        (A * A_SQUARED) * odd_a + (B * B_SQUARED) * odd_b + m5,
    ]


def output_grad_line(y):
    """A y, the adjoint of `output_line`: four gradients to six points."""
    y0, y1, y2, y3 = y
    even_a, odd_a = y0 + A_SQUARED * y2, A * (y1 + A_SQUARED * y3)
    even_b, odd_b = y0 + B_SQUARED * y2, B * (y1 + B_SQUARED * y3)
    return [y0, even_a + odd_a, even_a - odd_a, even_b + odd_b, even_b - odd_b, y3]


def weight_grad_line(u):
    """G^T u, the adjoint of `weight_line`: six points to the gradients of three weights."""
    u0, u1, u2, u3, u4, u5 = u
    even_a, odd_a, even_b, odd_b = u1 + u2, u1 - u2, u3 + u4, u3 - u4
    return [
        u0 + (1 / AT_A) * even_a + (1 / AT_B) * even_b,
        (A / AT_A) * odd_a + (B / AT_B) * odd_b,
        (A_SQUARED / AT_A) * even_a + (B_SQUARED / AT_B) * even_b + u5,
    ]


def both_ways(line, patch):
    """`line` applied to the columns of a patch (a list of rows), then to the rows of what comes out."""
    columns = [line(column) for column in zip(*patch)]
    return [line(row) for row in zip(*columns)]
