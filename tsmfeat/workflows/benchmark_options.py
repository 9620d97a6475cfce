"""What the rendered benchmark fixes: how its videos are written, and how its trunk is trained."""

from dataclasses import dataclass

from tsmfeat.video.encoding import EncodingOptions

BENCHMARK_ENCODING = EncodingOptions(crf=24)
STEPS = (0.25, 0.5, 1.0)


@dataclass(frozen=True)
class TrunkTrainingOptions:
    """How the benchmark's trunk is trained; chosen on rendered videos of a stream of their own.

    Parameters
    ----------
    seed
        Of videos, parameters and batches; each has a stream of its own.
    shift
        Whether the trunk shifts frames.
    num_videos, num_validation
        Windows of rendered videos, each of another, to train on and to measure on.
    steps, batch_size
        Steps of descent, and clips in each.
    lr, weight_decay
        Of AdamW; the rate rises and falls once.
    scene_weight
        Factor of the scene loss.
    dropout
        Of the embedding, before the layers that are thrown away after training.
    num_frames, resize
        As in extraction.
    """

    seed: int = 0
    shift: bool = True
    num_videos: int = 3000
    num_validation: int = 300
    steps: int = 1600
    batch_size: int = 32
    lr: float = 2e-3
    weight_decay: float = 0.02
    scene_weight: float = 0.1
    dropout: float = 0.2
    num_frames: int = 4
    resize: str = "square48"
