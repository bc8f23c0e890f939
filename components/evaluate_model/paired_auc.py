"""Compares the areas under the ROC curves of two models on the same rows."""

import numpy as np

from components.evaluate_model.paired import Pair


def area_influences(labels: np.ndarray, scores: np.ndarray) -> tuple[float, np.ndarray]:
    """Returns the exact area of one model and by how much each row moves it, float64 of shape [rows].

    Args:
        labels: Zeros and ones of shape [rows], of both kinds.
        scores: Probabilities of shape [rows].
    """
    order = np.argsort(labels, kind="stable")
    negatives = int(np.sum(labels == 0))
    beaten, beaten_by = _Ranking(scores[order].astype(np.float64), negatives).components()
    area = float(beaten.mean())
    influences = np.empty(len(labels))
    influences[order] = np.concatenate([(beaten_by - area) / negatives, (beaten - area) / len(beaten)])
    return area, influences


class AucPair(Pair):
    """Areas under the ROC curves, exact and with ties: the Mann-Whitney statistic over the product of the class sizes."""

    formula = "DeLong"

    def __init__(self, labels: np.ndarray, candidate: np.ndarray, live: np.ndarray, clusters: np.ndarray | None = None) -> None:
        """Sorts the rows once, so that each resample takes time linear in their number.

        Args:
            labels: Zeros and ones of shape [rows], of both kinds.
            candidate: The candidate's probabilities of shape [rows].
            live: The live version's.
            clusters: Number of each row's cluster, int64 of shape [rows]; None where every row stands for itself.
        """
        # Negatives first, by the candidate's score: an order that does not depend on how the rows came.
        keys = (live, candidate, labels)
        order = np.lexsort(keys if clusters is None else (clusters, *keys))
        candidate, live = candidate[order].astype(np.float64), live[order].astype(np.float64)
        self.clusters = None if clusters is None else clusters[order]
        self._negatives, self.rows = int(np.sum(labels == 0)), len(labels)
        self.informative = min(self._negatives, self.rows - self._negatives)
        self._candidate, self._live = (_Ranking(values, self._negatives) for values in (candidate, live))
        ones = np.ones(self.rows)
        self.candidate, self.live = self._candidate.auc(ones), self._live.auc(ones)
        ranks = [np.unique(values, return_inverse=True)[1] for values in (candidate, live)]
        self.alike = bool(np.array_equal(*ranks))

    @property
    def higher_is_better(self) -> bool:
        """Returns that a larger area is better."""
        return True

    def gain(self, counts: np.ndarray) -> float:
        """Returns the candidate's area less the live version's on a resample; NaN where it has one class only."""
        return self._candidate.auc(counts) - self._live.auc(counts)

    def row_standard_error(self) -> float:
        """Returns the standard error of the difference of two correlated areas.

        DeLong, DeLong, Clarke-Pearson 1988, "Comparing the Areas under Two or More Correlated Receiver Operating
        Characteristic Curves": the variance of the difference is that of the differences of the structural components,
        for positives and negatives each over their number. The components come from ranks, in the time of a sort, as in
        Sun, Xu 2014, "Fast Implementation of DeLong's Algorithm".
        """
        if self.informative < 2:
            return float("nan")
        return float(np.sqrt(sum(np.var(part, ddof=1) / len(part) for part in self._differences())))

    def influences(self) -> np.ndarray:
        """Returns each row's structural component less the mean of its class, over the size of its class."""
        positives, negatives = (((part - part.mean()) / len(part)) for part in self._differences())
        return np.concatenate([negatives, positives])

    def _differences(self) -> list[np.ndarray]:
        """Returns the candidate's structural components less the live version's, of the positives and of the negatives."""
        pairs = zip(self._candidate.components(), self._live.components(), strict=True)
        return [first - second for first, second in pairs]


class _Ranking:
    """One model's scores as ranks among the other class; rows are negatives first."""

    def __init__(self, scores: np.ndarray, negatives: int) -> None:
        self._split, below, above = negatives, scores[:negatives], scores[negatives:]
        self._order = np.argsort(below, kind="stable")
        self._below, self._above = below, above
        ranked = below[self._order]
        self._first, self._past = (np.searchsorted(ranked, above, side=side) for side in ("left", "right"))
        self._cumulated = np.zeros(negatives + 1)

    def auc(self, counts: np.ndarray) -> float:
        """Returns the area with each row counted so often: the share of pairs in the right order, ties by half."""
        negatives, positives = counts[: self._split], counts[self._split :]
        np.cumsum(negatives[self._order], out=self._cumulated[1:])
        pairs = self._cumulated[-1] * positives.sum()
        won = positives @ (self._cumulated[self._first] + self._cumulated[self._past]) / 2
        return float(won / pairs) if pairs else float("nan")

    def components(self) -> tuple[np.ndarray, np.ndarray]:
        """Returns for each positive the share of negatives it beats, and for each negative of positives that beat it."""
        ranked = np.sort(self._above)
        first, past = (np.searchsorted(ranked, self._below, side=side) for side in ("left", "right"))
        return (self._first + self._past) / 2 / len(self._below), 1 - (first + past) / 2 / len(ranked)
