"""The compiled contract in a descriptor pool of its own.

Other programs' stubs of LND register the same names in protobuf's default pool,
where a second definition of `lnrpc.Invoice` is an error.
"""

from importlib import resources

from google.protobuf.descriptor import EnumDescriptor, FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.descriptor_pool import DescriptorPool
from google.protobuf.internal.enum_type_wrapper import EnumTypeWrapper
from google.protobuf.message_factory import GetMessageClass

COMPILED = "contract.binpb"


def _load() -> tuple[DescriptorPool, dict[str, FileDescriptor]]:
    pool = DescriptorPool()
    data = resources.files(__package__).joinpath(COMPILED).read_bytes()
    descriptions = FileDescriptorSet.FromString(data).file
    for description in descriptions:
        pool.AddSerializedFile(description.SerializeToString())
    return pool, {description.package: pool.FindFileByName(description.name) for description in descriptions}


POOL, FILES = _load()
"""The pool, and the description of each package by its name (`lnrpc`)."""


def names(package: str) -> dict[str, object]:
    """Return what a generated module of `package` would hold: messages, enums, their values, DESCRIPTOR."""
    file = FILES[package]
    found: dict[str, object] = {"DESCRIPTOR": file}
    for name, message in file.message_types_by_name.items():
        found[name] = GetMessageClass(message)
    for name, enum in file.enum_types_by_name.items():
        found[name] = EnumTypeWrapper(enum)
        found.update(_values(enum))
    return found


def _values(enum: EnumDescriptor) -> dict[str, int]:
    return {value.name: value.number for value in enum.values}
