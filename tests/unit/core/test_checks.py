"""Numbers out of range are refused by name."""

from dataclasses import dataclass

import pytest

from lightninglens.core.checks import require_ranges


@dataclass
class Setting:
    share: float


@pytest.mark.parametrize("share", [0, 0.5, 1])
def test_what_is_inside_passes(share: float) -> None:
    require_ranges(Setting(share), share=(0, 1))


@pytest.mark.parametrize("share", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_outside_is_named_with_its_bounds(share: float) -> None:
    with pytest.raises(ValueError, match=r"share is .*, and must be from 0 to 1"):
        require_ranges(Setting(share), share=(0, 1))
