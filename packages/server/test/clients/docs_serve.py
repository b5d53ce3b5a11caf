"""The programs in Python of docs/serve.md: each prints what the page says after `# →`, where … stands for anything."""

import contextlib
import io
import os
import re
from pathlib import Path

from common import EXAMPLES, GRPC, HOST_AND_PORT, done

page = (Path(__file__).parents[4] / "docs/serve.md").read_text()
programs = re.findall(r"^```python served\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
assert len(programs) >= 4, len(programs)
os.chdir(EXAMPLES)
for program in programs:
    promised = re.findall(r"^# → (.*)$", program, re.MULTILINE)
    assert promised, program
    if "127.0.0.1:8001" in program and GRPC is None:
        continue
    own = program.replace("127.0.0.1:8080", HOST_AND_PORT).replace("127.0.0.1:8001", str(GRPC))
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(own, "docs/serve.md", "exec"), {})
    printed = output.getvalue().splitlines()
    assert len(printed) == len(promised), (program, printed)
    for line, expected in zip(printed, promised):
        assert re.fullmatch(".*".join(map(re.escape, expected.split("…"))), line), (expected, line)
done(f"docs/serve.md: {len(programs)} programs{'' if GRPC else ', those of gRPC left out'}")
