"""The services that the source documents name, on their ports, as thin views of the running lab.

Depends on the rest of app. Entry points: `CLASSIC_SERVICES`, `ClassicHub`, `create_classic`.
"""

from lightninglens.app.classic.hub import ClassicHub
from lightninglens.app.classic.services import CLASSIC_SERVICES, ClassicService, create_classic

__all__ = ["CLASSIC_SERVICES", "ClassicHub", "ClassicService", "create_classic"]
