"""LND: its contract (messages, methods, permissions), macaroons and certificates."""
