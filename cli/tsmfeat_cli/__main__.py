"""`python -m tsmfeat_cli`: the same as `tsmfeat`."""

from tsmfeat_cli.main import run

if __name__ == "__main__":
    run()
