#!/usr/bin/env python3
"""Writes correlation.json: correlations, their intervals and bootstrap results as SciPy and scikit-learn compute them.

    pip install scipy==1.17.1 scikit-learn==1.9.1 numpy
    python3 tests/golden/make_correlation_golden.py

`cases` are labels and outputs of one model with Pearson's and Spearman's correlation, the 95 % interval of the former
and the mean squared error; `pairs` are labels and outputs of two models on the same texts with the difference of
Pearson's correlations, and its percentile-bootstrap interval from so many resamples that chance hardly matters.
"""

import json
import pathlib

import numpy as np
import scipy.stats
import sklearn.metrics

SEED, RESAMPLES = 20261128, 200_000


def scores(rng, count):
    """Labels as STS-B has them: 0 to 5 in steps, many equal."""
    return np.round(rng.uniform(0, 5, count) * 5) / 5


def noisy(rng, labels, noise):
    return labels * rng.uniform(0.5, 1.5) + rng.normal(0, noise, len(labels)) + rng.normal()


def case(name, labels, outputs):
    pearson = scipy.stats.pearsonr(labels, outputs)
    interval = pearson.confidence_interval(0.95)
    return {"name": name, "labels": labels.tolist(), "outputs": outputs.tolist(), "pearson": pearson.statistic,
            "low": interval.low, "high": interval.high, "spearman": scipy.stats.spearmanr(labels, outputs).statistic,
            "mse": sklearn.metrics.mean_squared_error(labels, outputs)}


def cases(rng):
    labels = scores(rng, 40)
    yield case("noisy", labels, noisy(rng, labels, 1))
    yield case("negative", labels, -noisy(rng, labels, 0.3))
    yield case("with ties in both", labels, np.round(noisy(rng, labels, 1)))
    yield case("far from 0", labels, noisy(rng, labels, 0.5) + 1e8)
    yield case("perfect", labels, labels * 2 + 1)
    yield case("four", np.array([1.0, 2.0, 3.0, 4.0]), np.array([1.5, 1.0, 4.0, 3.5]))
    yield case("three", np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))


def pair(rng, name, count, first_noise, second_noise):
    labels = scores(rng, count)
    first = np.round(noisy(rng, labels, first_noise), 4)
    second = np.round(first + rng.normal(0, second_noise, count), 4)

    def difference(y, a, b, axis=-1):
        def correlation(x):
            x, z = x - x.mean(axis, keepdims=True), y - y.mean(axis, keepdims=True)
            return (x * z).sum(axis) / np.sqrt((x * x).sum(axis) * (z * z).sum(axis))
        return correlation(b) - correlation(a)

    done = scipy.stats.bootstrap((labels, first, second), difference, paired=True, vectorized=True, method="percentile",
                                 n_resamples=RESAMPLES, batch=2000, rng=rng)
    drawn = done.bootstrap_distribution
    margin = 0.02
    return {"name": name, "labels": labels.tolist(), "first": first.tolist(), "second": second.tolist(),
            "difference": float(difference(labels, first, second)), "low": done.confidence_interval.low,
            "high": done.confidence_interval.high, "margin": margin,
            "p": float(min(1, 2 * min((drawn <= 0).mean(), (drawn >= 0).mean()))),
            "non_inferiority_p": float((drawn <= -margin).mean())}


def main():
    rng = np.random.default_rng(SEED)
    made = {"cases": list(cases(rng)),
            "pairs": [pair(rng, "a small loss", 120, 1.0, 0.5), pair(rng, "a large loss", 80, 0.5, 1.5),
                      pair(rng, "rounding only", 100, 1.0, 0.02)]}
    path = pathlib.Path(__file__).parent / "correlation.json"
    path.write_text(json.dumps(made, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
