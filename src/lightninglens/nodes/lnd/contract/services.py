"""LND's services and their methods, made from the compiled contract; their types are in the stub beside this file."""

from types import MappingProxyType

from google.protobuf.descriptor import MethodDescriptor, ServiceDescriptor
from google.protobuf.message_factory import GetMessageClass

from lightninglens.nodes.lnd.contract.methods import Method, StreamStream, StreamUnary, UnaryStream, UnaryUnary
from lightninglens.nodes.lnd.contract.pool import FILES

_KINDS = {
    (False, False): UnaryUnary,
    (False, True): UnaryStream,
    (True, False): StreamUnary,
    (True, True): StreamStream,
}


def _method(described: MethodDescriptor) -> Method:
    kind = _KINDS[described.client_streaming, described.server_streaming]
    return kind(
        path=f"/{described.containing_service.full_name}/{described.name}",
        request=GetMessageClass(described.input_type),
        response=GetMessageClass(described.output_type),
    )


def _service(described: ServiceDescriptor) -> type:
    methods = {method.name: _method(method) for method in described.methods}
    return type(described.name, (), {"__doc__": f"The service {described.full_name}.", **methods})


SERVICES = MappingProxyType(
    {
        described.full_name: _service(described)
        for file in FILES.values()
        for described in file.services_by_name.values()
    }
)
"""Each service by its full name (`lnrpc.Lightning`): a class whose attributes are its methods."""

METHODS = MappingProxyType(
    {
        method.path: method
        for service in SERVICES.values()
        for method in vars(service).values()
        if isinstance(method, Method)
    }
)
"""Every method by its path (`/lnrpc.Lightning/GetInfo`)."""

globals().update({service.__name__: service for service in SERVICES.values()})
