"""Every attack by name: one line each."""

from reference.attacks.fgsm import FGSM
from reference.attacks.margin import MarginAttack
from reference.attacks.momentum import MomentumPGD
from reference.attacks.pgd import PGD
from reference.attacks.rivals import RivalsAttack

ATTACKS = {
    "fgsm": FGSM,
    "pgd": PGD,
    "momentum": MomentumPGD,
    "margin": MarginAttack,
    "rivals": RivalsAttack,
}
