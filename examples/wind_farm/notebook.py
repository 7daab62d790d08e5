"""Make wind_farm.ipynb anew: the text of wind_farm.py, executed. `python notebook.py --data FILE.csv`."""

from __future__ import annotations

import argparse
import os
import tempfile
from pathlib import Path

import jupytext
import nbformat
from nbclient import NotebookClient

HERE = Path(__file__).parent
SCRIPT, NOTEBOOK = HERE / "wind_farm.py", HERE / "wind_farm.ipynb"


def unplayed() -> nbformat.NotebookNode:
    """The notebook of the script as it is, without output."""
    found = jupytext.read(SCRIPT, fmt="py:percent")
    for number, cell in enumerate(found.cells, start=1):
        # else each has a new name each time
        cell.id = f"cell-{number}"
        cell.metadata = {}
    found.metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    return found


def played(folder: Path, data: Path | None) -> nbformat.NotebookNode:
    """The notebook, played in a folder, with what each cell printed and drew."""
    found = unplayed()
    # the plot goes into the notebook, whatever draws elsewhere
    os.environ["MPLBACKEND"] = "module://matplotlib_inline.backend_inline"
    os.environ.update({"WIND_FARM_DATA": str(data.resolve())} if data else {})
    client = NotebookClient(
        found, timeout=600, record_timing=False, coalesce_streams=True, resources={"metadata": {"path": str(folder)}}
    )
    client.execute()
    # the versions of whoever played it are not part of the text
    found.metadata.pop("language_info", None)
    for output in (output for cell in found.cells for output in cell.get("outputs", ()) if "text" in output):
        # nor is the place where it was played
        output.text = output.text.replace(f"{folder.resolve()}/", "")
    return found


def main() -> None:
    """Play it in a folder that goes away, and write it down."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, metavar="CSV", help="weather and power (default: a seeded generator)")
    options.add_argument("--to", type=Path, metavar="IPYNB", default=NOTEBOOK, help="where it goes")
    given = options.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        made = played(Path(folder), given.data)
    nbformat.validate(made)
    nbformat.write(made, given.to)


if __name__ == "__main__":
    main()
