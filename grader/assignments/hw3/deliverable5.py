"""HW3 deliverable 5, class activation maps: checks and points.

What is right, and which ways of enlarging a map are known, is in `grader.oracles.cam`.
"""

from grader.assignments.hw3.deliverable3 import OWN_RESNET
from grader.checks import sources
from grader.checks.cam import Cam
from grader.declaration import Check, Deliverable, Gathering
from grader.exhibits.maps import class_maps as shown_maps
from grader.oracles.figure3 import Figure3


def class_maps(figure: Figure3 = Figure3()) -> Deliverable:
    """The deliverable for a network like Figure 3's.

    Args:
        figure: its layers.
    """
    cam = Cam(figure)
    return Deliverable(
        number=5,
        title="class activation maps",
        folder="deliverable3_5",
        files=("model", "train"),
        judged="train",
        rules=OWN_RESNET,
        data="cifar10",
        checks=(
            Check("cam.shape", "cam: a map of the image's size, and the image in uint8", 2, cam.shape),
            Check("cam.scaled", "cam: the map goes from 0 to 1", 2, cam.scaled),
            Check("cam.map", "cam: the map is that of the predicted class", 4, cam.map),
            Check("cam.class", "cam: another prediction, another map, whatever the label", 2, cam.predicted),
            Check("cam.idx", "cam: idx chooses the image", 2, cam.each),
            Check("cam.image", "cam: the image as it was before it was normalised", 2, cam.picture),
            Check(
                "cam.evaluation",
                "cam: the same map for a network in training mode",
                1,
                cam.evaluation,
            ),
            Check("cam.undisturbed", "cam: leaves the network and the images as they were", 1, cam.undisturbed),
            Check("cam.randomised", "cam: other weights destroy the map", 2, cam.randomised),
            Check("cam.quadrant", "cam: evidence in a quadrant lights that quadrant", 2, cam.quadrant),
            Check("deliverable5.sources", "train.py uses no existing ResNet", 0, sources.own_work("train")),
        ),
        exhibits=(Gathering("class activation maps of the submission's own network", shown_maps(figure)),),
        weights="resnet",  # for the exhibits; no check needs a trained network
    )


DELIVERABLE_5 = class_maps()
