"""An objective on single frames, registered for a test and forgotten after it."""

from contextlib import contextmanager

from torch import nn

from espnet_plugin.distill.objectives import OBJECTIVES, objective


@contextmanager
def frames_objective(name="frames_for_a_test"):
    """Register it; return its class."""

    @objective(name, looks_at="encodings", single_frames=True)
    class Frames(nn.Module):
        def __init__(self, student_dim, teacher_dim=None, power: int = 2):
            super().__init__()
            self.widths, self.power = (student_dim, teacher_dim), power

        def forward(self, student, teacher):
            difference = student.encoding - teacher.encoding
            return difference.abs().pow(self.power).mean()

    try:
        yield Frames
    finally:
        del OBJECTIVES[name]
