"""What a database of forwards says, as an analysis takes it."""

from lightninglens.analytics.missed.columns import Evidence, evidence_from
from lightninglens.storage.forwards import ForwardStore


def evidence(store: ForwardStore, *, since_ns: int = 0, until_ns: int = 2**62) -> Evidence:
    return evidence_from(store.recorded(since_ns=since_ns, until_ns=until_ns))
