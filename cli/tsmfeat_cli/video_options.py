"""Options of the commands that read videos: the words and the help of each, its default in its stage."""

from typing import Annotated

import typer

from tsmfeat.video.options import DECODERS
from tsmfeat.workflows.options import ID_RULES

# Heading of the long helps.
VIDEO_PANEL = "Reading and embedding of videos"

Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.", rich_help_panel=VIDEO_PANEL)]
BatchSize = Annotated[
    str, typer.Option("--batch-size", help="Clips a forward pass, or auto.", rich_help_panel=VIDEO_PANEL)
]
Workers = Annotated[str, typer.Option("--workers", help="Reader processes, or auto.", rich_help_panel=VIDEO_PANEL)]
AllowPartial = Annotated[
    bool,
    typer.Option(
        "--allow-partial", help="Keep truncated and corrupt videos, marked as such.", rich_help_panel=VIDEO_PANEL
    ),
]
MaxBad = Annotated[
    float,
    typer.Option("--max-bad", help="Share of bad packets above which a video is corrupt.", rich_help_panel=VIDEO_PANEL),
]
Decoder = Annotated[
    str,
    typer.Option(
        "--decoder",
        help=f"{', '.join(DECODERS)}; decord reads only what is safe for it, torchcodec needs the extra gpu.",
        rich_help_panel=VIDEO_PANEL,
    ),
]
ReaderMemory = Annotated[
    float,
    typer.Option(
        "--reader-memory", help="GB a reader may use; a video that needs more fails.", rich_help_panel=VIDEO_PANEL
    ),
]
ReaderTimeout = Annotated[
    float,
    typer.Option(
        "--reader-timeout",
        help="Seconds without a sign of life after which a reader is ended.",
        rich_help_panel=VIDEO_PANEL,
    ),
]
IdRule = Annotated[
    str,
    typer.Option(
        "--id", help=f"{' or '.join(ID_RULES)}: what a video of a folder is called.", rich_help_panel=VIDEO_PANEL
    ),
]
