"""What MLflow needs to find the plugin of this tree, whatever is installed: metadata with its entry points."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
GROUP = "mlflow.model_registry_store"


def plug_in(folder: Path) -> str:
    """Write a distribution's metadata into a folder. The value of PYTHONPATH that makes it count."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    points = project["entry-points"][GROUP]
    info = folder / "stagedoor_of_this_tree-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: stagedoor-of-this-tree\nVersion: 0\n")
    lines = [f"[{GROUP}]", *(f"{scheme} = {where}" for scheme, where in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    return f"{folder}:{ROOT / 'src'}"
