"""What the narrow trunk and its control are called, without torch."""

SHIFTED, UNSHIFTED = "python:tsmfeat.trunk.narrow:shifted", "python:tsmfeat.trunk.narrow:unshifted"
