"""launch.py RESULT WORDS…: run a command and write what it cost; a small process, so that its child starts small.

The system counts the memory of the process that starts a command as that of the command.
"""

import json
import os
import subprocess
import sys
import time

start = time.perf_counter()
process = subprocess.Popen(sys.argv[2:])
_, status, usage = os.wait4(process.pid, 0)
wall = time.perf_counter() - start
cost = {"cpu_seconds": usage.ru_utime + usage.ru_stime, "wall_seconds": wall, "peak_bytes": usage.ru_maxrss * 1024}
with open(sys.argv[1], "w") as file:  # noqa: PTH123 - pathlib would be the largest thing in this process
    json.dump(cost, file)
sys.exit(os.waitstatus_to_exitcode(status))
