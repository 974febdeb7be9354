"""What HW3 forbids: existing convolution and pooling functions, where they are the exercise."""

from grader.worker.forbid import CONVOLUTION, FFT, POOLING, Rules

# "You cannot use existing convolution and pooling functions." `unfold` (im2col) and `fold`
# only rearrange; a Fourier transform is the same product by another existing function.
FROM_SCRATCH = Rules(
    operators=(CONVOLUTION, POOLING, FFT),
    sources=(
        r"torch\.nn\..*[Cc]onv(_?[Tt]ranspose)?\dd.*",
        r"torch\.conv.*",
        r"torch\.nn\..*([Mm]ax|[Aa]vg|[Ll][Pp])_?([Uu]n)?[Pp]ool.*",
        r"torch\.(max|avg|adaptive)_.*pool.*",
        r"torch\.fft.*",
        r"torch\.ops\..*(conv|pool|fft).*",
        r"torchvision\.ops\.(deform_conv2d|DeformConv2d)",
        r"scipy\.signal\..*(convolve|correlate).*",
        r"scipy\.ndimage\..*(convolve|correlate|maximum_filter).*",
        r"numpy\.(convolve|correlate)",
    ),
    # What the same environment offers besides torch; scipy.stats goes with scipy.ndimage.
    modules=("scipy.signal", "scipy.ndimage", "scipy.fft", "scipy.fftpack"),
    functions=(
        "numpy.convolve",
        "numpy.correlate",
        *(f"numpy.fft.{name}" for name in ("fft", "ifft", "rfft", "irfft", "fft2", "ifft2", "rfft2", "irfft2")),
        *(f"numpy.fft.{name}" for name in ("fftn", "ifftn", "rfftn", "irfftn", "hfft", "ihfft")),
    ),
)
