"""``python -m ops.fuzz.guided DIALECT [libFuzzer's options]``: bodies that coverage leads to, by atheris.

atheris is no dependency (Linux, 35 MB): ``pip install atheris``. It begins with the recorded deliveries and goes on
until it is stopped, or for ``-max_total_time=60`` seconds. A body that breaks something is left in a file.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path


def main(arguments: list[str]) -> None:
    """Never returns: atheris ends the process."""
    try:
        import atheris  # noqa: PLC0415 - no dependency, see above
    except ImportError:
        sys.exit("atheris is not installed: pip install atheris")
    with atheris.instrument_imports(include=["orchestrator.providers", "orchestrator.core"]):
        from ops.fuzz import parsers, seeds  # noqa: PLC0415 - imported under its eyes
    known = ", ".join(seeds.DIALECTS)
    if not arguments or arguments[0] not in seeds.DIALECTS:
        sys.exit(f"which dialect? {known}")
    dialect, *options = arguments

    def once(data: bytes) -> None:
        said = parsers.tried(dialect, data)
        if said.startswith("!"):
            raise AssertionError(said[1:])

    corpus = Path(tempfile.mkdtemp(prefix="orchestrator-fuzz-"))
    for number, body in enumerate(seeds.seeds()[dialect].bodies):
        (corpus / str(number)).write_text(body.replace(seeds.JOB, "job"), encoding="utf-8")
    atheris.Setup([sys.argv[0], *options, str(corpus)], once)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
