"""Checks of a trained network: by the checkpoint that is handed in, or by a whole training.

What a checkpoint claims is measured here, from logits for shuffled test images whose labels never
leave the grader. That it is the weights that know, and not the code, is seen from random weights,
which must fall to chance, and from mirrored images, which a table of test images does not hold. That
it was not trained on test images is seen from training images, which it must know as well.
"""

import hashlib
import math
from dataclasses import dataclass

import numpy as np
import torch

from data_scripts import Dataset
from grader.bench import Bench, Judged
from grader.checks import replies
from grader.checks.loop import Loop, calls_fault, judged_logits
from grader.declaration import Outcome
from grader.hints import below
from grader.hints.training import UNSEEN, of_calls, of_curve
from grader.oracles.accuracy import Accuracy, better_by_chance, named_by_chance
from grader.worker import WorkerFailure, messages
from grader.worker.messages import Build, Built, Done, Forward, LoadWeights, SetParameters

SAMPLE = 2_000  # images that random weights, mirrored and training images are tried on
# How often chance alone may give as many right answers on test images. At 85 % on 10,000 of them, training images must
# be known 4.7 points worse to fall below; a network that was trained on test images alone knows them 15 points worse.
UNSEEN_RATE = 1e-7
# How often chance alone may name a random network's classes as well. Of the 10! orders of ten classes three are rarer.
GUESSED_RATE = 1e-6
BATCH = 100  # images per request: a network's activations for more of them crowd out small machines
FORMATS = {".safetensors": "safetensors", ".pt": "pickle", ".pth": "pickle"}


@dataclass(frozen=True)
class Trial:
    """A training that is only to show that the loss falls.

    Args:
        epochs: passes over the images.
        images: how many.
    """

    epochs: int
    images: int


@dataclass(frozen=True)
class Trained:
    """The checks; each method is one, and they build on each other in this order.

    Args:
        loop: the submission's loop, its network, and the transform of the test images.
        epochs: the fewest of a whole training.
        required: accuracy on the test images, from 0 to 1.
        trial: what a checkpoint's training code is tried with.
        mirror_loss: the most that mirrored images may lose of the accuracy.
        flips: whether the assignment's own augmentation mirrors images.
        images: what the assignment calls the test images.
    """

    loop: Loop
    epochs: int
    required: float
    trial: Trial
    mirror_loss: float
    flips: bool
    images: str

    def learns(self, bench: Bench) -> Outcome:
        """The training loss falls, in a whole training or in a short one."""
        self.loop.exists(bench)
        data, whole = bench.data(), bench.whole_training
        if whole:
            bench.grant(60 * whole.minutes)
        try:
            measured = self.loop.run(
                bench,
                data,
                epochs=whole.epochs if whole else self.trial.epochs,
                train_size=len(data.train_images) if whole else self.trial.images,
                train_sample=SAMPLE if whole else self.trial.images // 4,
                val_size=len(data.test_images) if whole else self.trial.images // 4,
                required=self.required,
                keep=bool(whole),
            )
        except WorkerFailure as failure:
            bench.shared["untrained"] = f"the training ended early: {failure.reason}"
            raise
        except Judged as judged:
            bench.shared["untrained"] = f"the training ended early: {judged.outcome.reason}"
            raise
        bench.shared["measured"] = measured
        asked = whole.epochs if whole else self.trial.epochs
        fault = calls_fault(measured, asked)
        if fault:
            return Outcome("fail", below(fault, of_calls(measured, asked)))
        first, last = measured.epochs[0], measured.epochs[-1]
        reported = f"from {first.reported_loss:.3f} to {last.reported_loss:.3f} by its own word"
        said = (
            f"{'' if whole else f'{self.trial.images:,} images, '}{len(measured.epochs)} epochs in "
            f"{measured.seconds:.0f} s: training loss {first.train_loss:.3f} after the first and "
            f"{last.train_loss:.3f} after the last one ({reported})"
        )
        guess = math.log(len(data.classes))
        # In its first hundred steps a network that learns is now and then worse than one step before,
        # while batch normalisation's running statistics follow; it is not worse than to guess.
        falls = last.train_loss < min(first.train_loss, guess) or last.train_loss < 0.8 * guess
        told = f"{said}; who guesses has {guess:.3f}"
        return Outcome("pass", told) if falls else Outcome("fail", below(told, of_curve(measured)))

    def network(self, bench: Bench) -> Outcome:
        """There is a trained network: its checkpoint fits, or it was trained for long enough."""
        whole = bench.whole_training
        if whole:
            if "untrained" in bench.shared or bench.training is None:
                return Outcome("not-run", bench.shared.get("untrained", "the network was not trained"))
            if len(bench.training.epochs) < self.epochs:
                asked = f"the assignment asks for {self.epochs} epochs"
                return Outcome("not-run", f"{asked}, this training had {len(bench.training.epochs)}")
            bench.shared["network"] = "trained"
            return Outcome("pass", f"{len(bench.training.epochs)} epochs")
        path = bench.weights()
        content = path.read_bytes()
        self._build(bench, "trained")
        request = LoadWeights(handle="trained", format=FORMATS[path.suffix])
        (reply,) = bench.stream(
            self.loop.built_in, request, [np.frombuffer(content, dtype=np.uint8)], 1 << 20
        )
        if isinstance(reply.message, messages.Raised):
            return Outcome("fail", f"{path.name} does not fit {self.loop.network}(): {reply.message}")
        replies.expect(reply, Done)
        bench.shared["network"] = "trained"
        digest = hashlib.sha256(content).hexdigest()
        return Outcome("pass", f"{path.name}, {len(content) / 1e6:.2f} MB, SHA-256 {digest[:12]}")

    def chance(self, bench: Bench) -> Outcome:
        """With random weights the network knows nothing.

        Drawn outputs have the names of the classes in any order, and `named_by_chance` says how rare a better one is.
        """
        data = self._comparable(bench)
        built = self._build(bench, "random")
        generator = torch.Generator().manual_seed(bench.check_seed("random weights"))
        names, values = [], []
        for slot in built.parameters:
            if len(slot.shape) > 1:
                fan_in = max(1, math.prod(slot.shape[1:]))
                names.append(slot.name)
                values.append(math.sqrt(2 / fan_in) * torch.randn(slot.shape, generator=generator))
        request = SetParameters(handle="random", names=names)
        replies.expect(bench.ask(self.loop.built_in, request, values), Done)
        chosen = self._order(bench, data, "chance")[:SAMPLE]
        counts = self._counts(bench, "random", data, chosen)
        found, chance = _right(counts), named_by_chance(counts)
        said = f"{found.value:.1%} of {found.total:,} test images with random weights"
        if chance < GUESSED_RATE:
            return Outcome(
                "fail",
                f"{said}: a network that guesses has so many right with a probability of {chance:.0e}, whatever its "
                "layers; what the network knows must be in its weights, not in its code",
            )
        return Outcome("pass", said)

    def accuracy(self, bench: Bench) -> Outcome:
        """The accuracy on all test images is as asked for."""
        data, handle = self._comparable(bench), self._network(bench)
        found = self._accuracy(bench, handle, data, self._order(bench, data, "accuracy"))
        bench.shared["test accuracy"] = found
        verdict = "pass" if found.value >= self.required else "fail"
        return Outcome(verdict, f"{data.source}, {self.images}: {found.against(self.required)}")

    def mirrored(self, bench: Bench) -> Outcome:
        """Mirrored test images are recognised too: no table of the test set answers."""
        data, handle = self._comparable(bench), self._network(bench)
        chosen = self._order(bench, data, "mirrored")[:SAMPLE]
        plain = self._accuracy(bench, handle, data, chosen)
        mirrored = self._accuracy(bench, handle, data, chosen, mirror=True)
        said = f"{mirrored.value:.1%} of {mirrored.total:,} mirrored images, {plain.value:.1%} of the same upright"
        if mirrored.value < plain.value - self.mirror_loss:
            trained = "trained with RandomHorizontalFlip" if self.flips else "trained on these classes"
            lost = f"a network that was {trained} loses less than {100 * self.mirror_loss:.0f} points"
            return Outcome("fail", f"{said}: {lost}")
        return Outcome("pass", said)

    def unseen(self, bench: Bench) -> Outcome:
        """Training images are recognised as well as test images, or better: the latter were not trained on.

        A network knows the images that it was trained on at least as well as others of their kind. So an honest
        one has more right answers on test images by chance only, and `better_by_chance` says by how little.
        """
        data, handle = self._comparable(bench), self._network(bench)
        test: Accuracy | None = bench.shared.get("test accuracy")
        if test is None:
            raise Judged(Outcome("not-run", "the accuracy on test images is not known: see the check before"))
        order = np.random.default_rng(bench.check_seed("training images")).permutation(len(data.train_images))
        train = self._accuracy(bench, handle, data, order[:SAMPLE], training=True)
        said = f"{test.value:.2%} of {test.total:,} test images, {train.value:.2%} of {train.total:,} training images"
        chance = better_by_chance(test, train)
        if chance < UNSEEN_RATE:
            reason = f"{said}: a network that never saw the former has so many of them right with a probability of "
            return Outcome("fail", below(f"{reason}{chance:.0e}", UNSEEN))
        return Outcome("pass", said)

    # -------------------------------------------------------------------- shared
    def _build(self, bench: Bench, handle: str) -> Built:
        request = Build(module=self.loop.built_in, name=self.loop.network, handle=handle)
        built = replies.expect(bench.ask(self.loop.built_in, request), Built)
        if not built.is_module:
            raise Judged(Outcome("fail", f"{self.loop.network}() made a {built.type}, not an nn.Module"))
        return built

    def _network(self, bench: Bench) -> str:
        if "network" not in bench.shared:
            raise Judged(Outcome("not-run", "there is no trained network: see the check before"))
        return bench.shared["network"]

    def _comparable(self, bench: Bench) -> Dataset:
        """The data; a checkpoint that was trained on the real set is not judged by the stand-in."""
        data = bench.data()
        if data.kind != "real" and not bench.whole_training:
            raise Judged(
                Outcome(
                    "not-run",
                    f"there is no real {data.name} here, and a checkpoint cannot be judged by "
                    f"{data.source}: fetch the data (docs/data.md), or train on the stand-in with --train",
                )
            )
        return data

    def _order(self, bench: Bench, data: Dataset, purpose: str) -> np.ndarray:
        """All test images in a secret order."""
        return np.random.default_rng(bench.check_seed(purpose)).permutation(len(data.test_images))

    def _accuracy(self, *which, **kind) -> Accuracy:
        """How many images the network has right; arguments as those of `_counts`."""
        return _right(self._counts(*which, **kind))

    def _counts(
        self,
        bench: Bench,
        handle: str,
        data: Dataset,
        chosen: np.ndarray,
        *,
        mirror: bool = False,
        training: bool = False,
    ) -> np.ndarray:
        """(K, K): for what the network under `handle` takes the chosen test images, or training images.

        In row k and column j the images of class j that it takes for class k.
        """
        pixels, answers = (
            (data.train_images, data.train_labels) if training else (data.test_images, data.test_labels)
        )
        mean = 255 * torch.tensor(self.loop.mean).reshape(-1, 1, 1)
        std = 255 * torch.tensor(self.loop.std).reshape(-1, 1, 1)
        kind = "training" if training else "mirrored test" if mirror else "test"
        bench.report(f"{len(chosen):,} {kind} images")
        classes = len(data.classes)
        counts = torch.zeros(classes * classes, dtype=torch.int64)
        for part in np.split(chosen, range(BATCH, len(chosen), BATCH)):
            images = torch.from_numpy(pixels[part]).permute(0, 3, 1, 2)  # (B, C, H, W)
            images = ((images.flip(3) if mirror else images).float() - mean) / std
            request = Forward(
                handle=handle, args=[messages.Tensor(index=0)], train=False, no_grad=True
            )
            answer = replies.output(bench.ask(self.loop.built_in, request, [images.contiguous()]))
            labels = torch.from_numpy(answers[part].astype("int64"))
            taken = judged_logits(answer, len(part), classes).argmax(1)
            counts += torch.bincount(taken * classes + labels, minlength=len(counts))
        return counts.reshape(classes, classes).numpy()


def _right(counts: np.ndarray) -> Accuracy:
    return Accuracy(int(np.trace(counts)), int(counts.sum()))
