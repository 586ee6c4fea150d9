"""Whatever is sent to any operation of the API, the answer is one of those in its schema, and never a failure of ours."""

import asyncio
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import (
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from lightninglens.app.lab import LabOptions
from lightninglens.app.runtime import Service, ServiceOptions
from lightninglens.app.world import WorldOptions, build_lab
