import os
import subprocess
import sys
from pathlib import Path

import pytest

from lightninglens.core import jit

ASK = "import numba\nfrom lightninglens.core import jit\nprint(numba.config.CACHE_DIR)"


@pytest.mark.parametrize("chosen", [True, False])
def test_the_cache_is_where_the_user_says_or_named_after_the_kernels(chosen: bool, tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    if chosen:
        env["NUMBA_CACHE_DIR"] = str(tmp_path)
    shown = subprocess.run([sys.executable, "-c", ASK], env=env, capture_output=True, text=True, check=True).stdout
    assert shown.strip() == str(tmp_path if chosen else jit.cache_directory())
