"""Which recorded node a command is about, where it asks no node."""

from pathlib import Path
from typing import Annotated

import typer

from lightninglens.core.errors import ConfigError, DataError

NodeKey = Annotated[
    str | None, typer.Option("--node-id", help="Key of the node, or its beginning, where several are recorded.")
]


def recorded_folder(data_dir: Path, node_id: str | None) -> Path:
    """Return the folder of the node that is meant; raises ConfigError where that is not clear, or nothing is there."""
    from lightninglens.app.running import NODES_FOLDER
    from lightninglens.storage.forwards import FORWARDS_FILE

    found = sorted(path.parent for path in (data_dir / NODES_FOLDER).glob(f"*/{FORWARDS_FILE}"))
    if node_id is not None:
        found = [path for path in found if node_id.startswith(path.name) or path.name.startswith(node_id)]
    if not found:
        raise DataError(
            "nothing was recorded of such a node; `lens run` or `lens monitor` records", where=str(data_dir)
        )
    if len(found) > 1:
        raise ConfigError(
            f"several nodes are recorded: give --node-id, one of {', '.join(each.name for each in found)}"
        )
    return found[0]
