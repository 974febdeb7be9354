"""Labels, losses and accuracies of a training's batches, from the outputs and the gradients that came back to them.

Cross-entropy of logits z (K of them) and a label y has the gradient

    ∂L/∂z = c · (p − e_y),   p = softmax(z),

with c = 1/B where a batch of B images is averaged, another c > 0 where it is summed, divided for accumulation or
multiplied by a GradScaler. So c follows by least squares, and y is where g − c·p is least. A target that is smoothed by
ε adds cε·(e_y − 1/K). With a softmax before the loss the same follows through that softmax,

    ∂L/∂z = c · J·(softmax(p) − e_y),   J = diag(p) − p·pᵀ,

which is told from the first as soon as p is not the same for all classes. A batch is explained by a pattern if what
is left over of its gradients is small; a loss of another kind explains nothing and is not judged.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

# Left over, as a share of the gradients' norm. float32 leaves 1e-6, float16 and bfloat16, whose numbers have 11 and 8
# bits, leave up to 0.4 %; another loss (squares, a margin, mixed labels) leaves more than a tenth.
EXPLAINED = 0.02
# Where all images are right and certain, p − e_y is the difference of two numbers near 1, and float16 has no numbers
# between this one and 0: what is left of each gradient by rounding. Such a batch says nothing of the pattern.
ROUNDING = 1e-7
# How much less the softmax's pattern must leave over. In a network that has learnt nothing both are alike.
CLEARER = 4.0
MOST_SMOOTHING = 0.5  # ε; usual is 0.1
ROUNDS = 3  # of labels and constants in turn; the second one changes nothing any more as a rule


@dataclass(frozen=True)
class Batches:
    """What the batches of one epoch were, as far as their gradients say.

    Args:
        rows: (n,), images of each batch.
        explained: (n,), bool, whether its loss was cross-entropy of the outputs.
        softmax: (n,), bool, whether its loss was cross-entropy of their softmax.
        telling: (n,), bool, whether its gradients are large enough to say anything of the pattern.
        loss: (n,), mean cross-entropy without smoothing.
        smoothed: (n,), likewise with the smoothing that explains the gradients best.
        accuracy: (n,), share of images whose largest output is the label's.
        scale: (n,), c·B: 1 for a mean over the batch.
    """

    rows: Tensor
    explained: Tensor
    softmax: Tensor
    telling: Tensor
    loss: Tensor
    smoothed: Tensor
    accuracy: Tensor
    scale: Tensor


def explain(values: Tensor, gradients: Tensor, rows: Tensor) -> Batches:
    """Find the pattern that explains each batch.

    Args:
        values: (R, K), outputs of the network, batch after batch.
        gradients: (R, K), what came back to them.
        rows: (n,), int64, images of each batch; R together.
    """
    z, g = values.double(), gradients.double()
    batch = torch.repeat_interleave(torch.arange(len(rows)), rows)  # (R,)
    finite = z.isfinite().all(1) & g.isfinite().all(1)
    whole = _sum(1.0 - finite.double(), batch, rows) == 0  # (n,)
    z, g = torch.where(finite[:, None], z, 0.0), torch.where(finite[:, None], g, 0.0)
    logs = z.log_softmax(1)
    p = logs.exp()
    norm = _sum((g * g).sum(1), batch, rows)
    noise = ROUNDING**2 * g.shape[1] * rows
    bound = EXPLAINED**2 * norm + noise
    fit = _plain(p, g, batch, rows)
    for way in (_smoothed, _averaged):
        if bool((fit[3] > bound).any()):
            fit = _better(fit, way(p, g, batch, rows), batch, CLEARER)
    y, c, epsilon, left = fit
    telling = whole & (norm > noise / EXPLAINED**2)
    softmax = torch.zeros_like(telling)
    if bool((left > bound).any()):
        factor, other, rival = _through_softmax(p, g, batch, rows)
        softmax = telling & (other <= bound) & (CLEARER**2 * other < torch.minimum(left, rival)) & (factor > 0)
    explained = whole & ~softmax & (left <= bound) & ((c > 0) | ~telling)
    if bool((explained & telling).any()):
        usual = epsilon[explained & telling].median()
        epsilon = torch.where(telling, epsilon, usual)
    y = torch.where(telling[batch], y, p.argmax(1))  # without a gradient the network says what it is told
    each = -logs.gather(1, y[:, None])[:, 0]  # (R,)
    return Batches(
        rows=rows,
        explained=explained,
        softmax=softmax,
        telling=telling,
        loss=_sum(each, batch, rows) / rows,
        smoothed=_sum((1 - epsilon[batch]) * each - epsilon[batch] * logs.mean(1), batch, rows) / rows,
        accuracy=_sum((values.argmax(1) == y).double(), batch, rows) / rows,
        scale=c * rows,
    )


def _sum(each: Tensor, batch: Tensor, rows: Tensor) -> Tensor:
    """(R,) → (n,)."""
    return torch.zeros(len(rows), dtype=torch.float64).index_add_(0, batch, each)


def _at(x: Tensor, y: Tensor) -> Tensor:
    return x.gather(1, y[:, None])[:, 0]


def _divided(a: Tensor, b: Tensor) -> Tensor:
    return torch.where(b > 0, a / b.clamp(min=1e-300), 0.0)


def _first_labels(p: Tensor, g: Tensor) -> Tensor:
    """Where the gradient is least; of an image without any, what the network says."""
    least, y = g.min(1)
    return torch.where(least < 0, y, p.argmax(1))


Fit = tuple[Tensor, Tensor, Tensor, Tensor]  # labels (R,); c, ε, and the squares that are left over (n,)


def _better(old: Fit, new: Fit, batch: Tensor, by: float = 1.0) -> Fit:
    """Of each batch the one that leaves less over, the new one if it is `by` times less."""
    better = by * new[3] < old[3]
    y = torch.where(better[batch], new[0], old[0])
    return (y, *(torch.where(better, theirs, ours) for theirs, ours in zip(new[1:], old[1:], strict=True)))


def _plain(p: Tensor, g: Tensor, batch: Tensor, rows: Tensor) -> Fit:
    """Of g = c·(p − e_y)."""
    norm, gp, pp = _sum((g * g).sum(1), batch, rows), (g * p).sum(1), (p * p).sum(1)
    y = _first_labels(p, g)
    for _ in range(ROUNDS):
        ga = _sum(gp - _at(g, y), batch, rows)
        aa = _sum(pp - 2 * _at(p, y) + 1, batch, rows)
        c = _divided(ga, aa)
        before, y = y, torch.where((c > 0)[batch], (g - c[batch, None] * p).argmin(1), y)
        if torch.equal(before, y):
            break
    return y, c, torch.zeros_like(c), (norm - c * ga).clamp(min=0)


def _smoothed(p: Tensor, g: Tensor, batch: Tensor, rows: Tensor) -> Fit:
    """Of g = c·(p − e_y) + cε·(e_y − 1/K), from two beginnings: of a certain image the sign is another."""
    norm, gp, pp = _sum((g * g).sum(1), batch, rows), (g * p).sum(1), (p * p).sum(1)
    classes = p.shape[1]
    found = []
    for y in (_first_labels(p, g), p.argmax(1)):
        for _ in range(ROUNDS):
            ga, gu = _sum(gp - _at(g, y), batch, rows), _sum(_at(g, y) - g.mean(1), batch, rows)
            aa, au = _sum(pp - 2 * _at(p, y) + 1, batch, rows), _sum(_at(p, y) - 1, batch, rows)
            uu = rows * (1 - 1 / classes)
            determinant = aa * uu - au * au
            c, extra = _divided(ga * uu - gu * au, determinant), _divided(gu * aa - ga * au, determinant)
            labels, y = y, torch.where((c > 0)[batch], (g - c[batch, None] * p).argmin(1), y)
        left = norm - c * ga - extra * gu
        found.append((labels, c, *_usual(_divided(extra, c), left)))
    return _better(*found, batch)


def _averaged(p: Tensor, g: Tensor, batch: Tensor, rows: Tensor) -> Fit:
    """Likewise with c = 1/B: where all images have reached their smoothed targets, p − e_y is −ε·(e_y − 1/K)."""
    c = 1 / rows.double()
    y = (g - c[batch, None] * p).argmin(1)
    off = g - c[batch, None] * p
    off.scatter_add_(1, y[:, None], c[batch, None])  # g − c·(p − e_y)
    along, uu = _sum(_at(off, y) - off.mean(1), batch, rows), rows * (1 - 1 / p.shape[1])
    return y, c, *_usual(along / uu / c, _sum((off * off).sum(1), batch, rows) - along * along / uu)


def _usual(epsilon: Tensor, left: Tensor) -> tuple[Tensor, Tensor]:
    """A smoothing that nobody chooses explains nothing."""
    unusual = (epsilon < 0) | (epsilon > MOST_SMOOTHING)
    return epsilon, torch.where(unusual, torch.inf, left.clamp(min=0))


def _through_softmax(p: Tensor, g: Tensor, batch: Tensor, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """c and the squares left over (n,) of g = c·J·(softmax(p) − e_y); and those of its rival, g = −c·J·e_y.

    The rival is the gradient of 1 − p_y, a loss in its own right, which is close to the other in a network that has
    learnt little.
    """
    s = p.softmax(1)
    v = p * (s - (p * s).sum(1, keepdim=True))  # J·softmax(p); J·e_y = p_y·(e_y − p)
    norm, pp = _sum((g * g).sum(1), batch, rows), (p * p).sum(1)
    gv, gp, vv, vp = (g * v).sum(1), (g * p).sum(1), (v * v).sum(1), (v * p).sum(1)
    square = p * p * (1 - 2 * p + pp[:, None])  # (R, K): |J·e_y|² for each y
    y = _first_labels(p, g)
    for _ in range(ROUNDS):
        q = _at(p, y)
        ga = _sum(gv - q * (_at(g, y) - gp), batch, rows)
        aa = _sum(vv - 2 * q * (_at(v, y) - vp) + _at(square, y), batch, rows)
        c = _divided(ga, aa)
        h = g - c[batch, None] * v
        y = (2 * c[batch, None] * p * (h - (h * p).sum(1, keepdim=True)) + c[batch, None] ** 2 * square).argmin(1)
    own = _sum(_at(p, y) * (gp - _at(g, y)), batch, rows)
    rival = norm - own * _divided(own, _sum(_at(square, y), batch, rows))
    return c, (norm - c * ga).clamp(min=0), rival.clamp(min=0)
