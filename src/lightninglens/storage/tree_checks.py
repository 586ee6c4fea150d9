"""Whether the trees in a loaded scikit-learn estimator can be walked without leaving their own memory.

scikit-learn follows the indices in a tree's nodes without looking whether they
are inside; a file from somebody else may hold any. So every tree that was
loaded is looked at before it is used.
"""

from collections.abc import Iterator
from typing import Any

import numpy as np
from sklearn.ensemble import BaseEnsemble
from sklearn.ensemble._hist_gradient_boosting.predictor import TreePredictor
from sklearn.tree._tree import Tree

ALLOWED_TYPES = ("sklearn.tree._tree.Tree", "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor")
"""What may be in a model file besides what skops holds to be safe: these, because they are checked here."""

_DEEPEST = 32


def check_trees(estimator: Any) -> None:
    """Raise ValueError when a tree anywhere in `estimator` points outside of itself or of its features."""
    for part, features in _parts(estimator, None, 0):
        if isinstance(part, Tree):
            _check_tree(part, features)
        elif isinstance(part, TreePredictor):
            _check_predictor(part, features)
        elif isinstance(part, BaseEnsemble):
            _check_ensemble(part)


def _parts(value: Any, features: int | None, depth: int) -> Iterator[tuple[Any, int | None]]:
    """Yield everything inside, each with the number of features of the estimator around it."""
    if depth > _DEEPEST:
        raise ValueError("it is nested deeper than any estimator")
    if isinstance(value, Tree | TreePredictor):
        yield value, features
        return
    if isinstance(value, dict):
        inner = list(value.values())
    elif isinstance(value, list | tuple | set):
        inner = list(value)
    elif isinstance(value, np.ndarray):
        inner = list(value.reshape(-1)) if value.dtype == object else []
    elif hasattr(value, "__dict__") and not isinstance(value, type):
        features = getattr(value, "n_features_in_", features)
        yield value, features
        inner = list(vars(value).values())
    else:
        return
    for part in inner:
        yield from _parts(part, features, depth + 1)


def _check_ensemble(ensemble: Any) -> None:
    trees = np.asarray(getattr(ensemble, "estimators_", []), dtype=object).reshape(-1)
    if any(getattr(tree, "n_features_in_", None) != ensemble.n_features_in_ for tree in trees):
        raise ValueError("its trees are not for the same features")


def _check_tree(tree: Any, features: int | None) -> None:
    # The arrays below are views of `node_count` nodes, so that number must be right before they are touched.
    if not 0 < tree.node_count <= tree.capacity:
        raise ValueError("a tree says that it has other nodes than it has")
    if tree.n_features != features:
        raise ValueError("a tree is for other features than its estimator")
    left, right = tree.children_left, tree.children_right
    inner = left != -1
    if not np.array_equal(inner, right != -1):
        raise ValueError("a tree has a node with one child")
    _check_nodes(inner, left, right, tree.feature, tree.n_features)


def _check_predictor(predictor: Any, features: int | None) -> None:
    nodes = predictor.nodes
    if not isinstance(nodes, np.ndarray) or nodes.dtype.names is None or nodes.ndim != 1 or not len(nodes):
        raise ValueError("a tree has no nodes")
    if nodes["is_categorical"].any():
        raise ValueError("a tree splits by category, which no model of ours does")
    inner = nodes["is_leaf"] == 0
    _check_nodes(inner, nodes["left"], nodes["right"], nodes["feature_idx"], features or 0)


def _check_nodes(inner: Any, left: Any, right: Any, feature: Any, features: int) -> None:
    rows = np.flatnonzero(inner)
    # A child comes after its parent, so that no walk goes round in a circle.
    for child in (left, right):
        if (child[rows].astype(np.int64) <= rows).any() or (child[rows] >= len(inner)).any():
            raise ValueError("a tree's node points outside of the tree")
    if ((feature[rows] < 0) | (feature[rows] >= features)).any():
        raise ValueError("a tree asks for a feature that does not exist")
