"""Mechanical changes that are no fault, each with its reason, found by hand among those that kept all points.

A change stands here only if no caller can tell the difference, or if the assignment leaves it open. It is
reported as equivalent, with its reason, and as an error of this list if a check does take points for it.
"""

DRAWN = "torch.randn(out_channels, in_channels, kernel_size, kernel_size)"
SMALL = 'small[None, None], size=(32, 32), mode="bilinear"'
OPEN = "with which numbers a layer begins is open; it must be random and finite"

EQUIVALENT: dict[str, str] = {
    f"class maps, cam: large = F.interpolate({SMALL}, align_corners=False)[0, 0] → "
    f"large = F.interpolate({SMALL}, align_corners=True)[0, 0]": "the assignment leaves open how a map is enlarged",
    "class maps, cam: img = (inputs[idx] * STD + MEAN) * 255 → img = (inputs[idx] * STD + MEAN) * 254":
        "it is at most one grey level darker, as by rounding down in place of to the nearest, which is right",
    "unfold, MyFConv2D: n, c, h, w = input.shape → pass": "none of the four names is used below",
    **{
        f"unfold, MyConv2D.__init__: {DRAWN} * 0.1 → {DRAWN} {change}": OPEN
        for change in ("% 0.1", "* 1.1")
    },
}
