"""What LND answers instead of a result: a gRPC code and a text, word for word, since tools compare both."""

import grpc


class Refusal(Exception):
    """A request is answered with an error; most of LND's have the code UNKNOWN, as Go errors do."""

    def __init__(self, text: str, code: grpc.StatusCode = grpc.StatusCode.UNKNOWN) -> None:
        super().__init__(text)
        self.text = text
        self.code = code


def not_found(text: str) -> Refusal:
    """Return the refusal for something that is not there."""
    return Refusal(text, grpc.StatusCode.NOT_FOUND)


def invalid(text: str) -> Refusal:
    """Return the refusal for an argument that cannot be."""
    return Refusal(text, grpc.StatusCode.INVALID_ARGUMENT)


def unimplemented(path: str, services: frozenset[str]) -> Refusal:
    """Return how Go's gRPC refuses a method that nobody serves, `/package.Service/Method`."""
    service, _, name = path.removeprefix("/").rpartition("/")
    if not service:
        return Refusal(f'malformed method name: "{path}"', grpc.StatusCode.UNIMPLEMENTED)
    known = service in services
    text = f"unknown method {name} for service {service}" if known else f"unknown service {service}"
    return Refusal(text, grpc.StatusCode.UNIMPLEMENTED)
