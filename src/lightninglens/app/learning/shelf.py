"""The registry of models as the API shows it, and which model the learner is to use."""

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from lightninglens.app.shapes import ModelItem
from lightninglens.core.errors import ConfigError
from lightninglens.core.model_card import ModelCard
from lightninglens.core.units import NS_PER_MS
from lightninglens.storage.models import ModelStore

if TYPE_CHECKING:
    from lightninglens.learn.training import TrainedModel


class Shelf:
    """The registry; who uses a model is told when another is selected."""

    def __init__(self, store: ModelStore) -> None:
        self._store = store
        self.on_selected: Callable[[TrainedModel], None] | None = None

    async def items(self) -> list[ModelItem]:
        """Return all models, newest first."""
        return await asyncio.to_thread(self._items)

    async def select(self, version: str) -> ModelItem | None:
        """Use a model from now on; None where there is none such. Raises DataError when it is damaged."""
        try:
            model = await asyncio.to_thread(self._select, version)
        except ConfigError:
            return None
        if self.on_selected is not None:
            self.on_selected(model)
        return _item(model.card, selected=True)

    async def first(self, version: str | None) -> "TrainedModel | None":
        """Return the model to begin with: the one named, else the selected, else the newest; None: there is none.

        Raises ConfigError when the named model does not exist, DataError when the chosen one is damaged.
        """
        return await asyncio.to_thread(self._first, version)

    def _items(self) -> list[ModelItem]:
        selected = self._store.selected()
        return [_item(card, selected=card.version == selected) for card in self._store.cards()]

    def _select(self, version: str) -> "TrainedModel":
        self._store.select(version)
        return self._load(version)

    def _first(self, version: str | None) -> "TrainedModel | None":
        if version is not None:
            card, estimators, _ = self._store.open(version)
            return _model(card, estimators)
        cards = self._store.cards()
        chosen = self._store.selected() or (cards[0].version if cards else None)
        return self._load(chosen) if chosen else None

    def _load(self, version: str) -> "TrainedModel":
        card, estimators, _ = self._store.load(version)
        return _model(card, estimators)


def _item(card: ModelCard, *, selected: bool) -> ModelItem:
    return ModelItem(
        version=card.version,
        created_ms=card.created_ns // NS_PER_MS,
        trained_on=card.trained_on,
        verdict=card.verdict,
        selected=selected,
        share_errors=card.share_errors,
    )


def _model(card: ModelCard, estimators: Mapping[str, Any]) -> "TrainedModel":
    from lightninglens.learn.training import TrainedModel  # noqa: PLC0415 - scikit-learn, which a list does not need

    return TrainedModel(card=card, estimators=estimators)
