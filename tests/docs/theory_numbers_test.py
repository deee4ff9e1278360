"""Computes the worked examples of the theory anew: each number below stands in both languages as it comes out here."""

import fractions
import math
import pathlib
import re
import statistics
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
THEORY = ("docs/zh/理论基础.md", "docs/en/theory.md")
DESIGN = ("docs/zh/实验设计.md", "docs/en/experimental-design.md")
Z = 1.959963984540054


def text_of(document):
    """With thousands separated as in prose, one kind of minus, and formulas as text."""
    text = (ROOT / document).read_text(encoding="utf-8")
    for mark, plain in (("{,}", ","), ("−", "-"), ("$", "")):
        text = text.replace(mark, plain)
    return re.sub(r"\s+", " ", text)


def decibels(values, approximations):
    error = sum((a - b) ** 2 for a, b in zip(values, approximations))
    return 10 * math.log10(sum(a * a for a in values) / error)


def clipped_gaussian_mse(alpha, bits):
    tail = 0.5 * math.erfc(alpha / math.sqrt(2))
    density = math.exp(-alpha * alpha / 2) / math.sqrt(2 * math.pi)
    return alpha * alpha / (3 * 4**bits) + 2 * ((1 + alpha * alpha) * tail - alpha * density)


def best_alpha(bits):
    return min((step / 1000 for step in range(1000, 8000)), key=lambda alpha: clipped_gaussian_mse(alpha, bits))


def wilson(successes, total):
    p = successes / total
    centre = p + Z * Z / (2 * total)
    half = Z * math.sqrt(p * (1 - p) / total + Z * Z / (4 * total * total))
    return (centre - half) / (1 + Z * Z / total), (centre + half) / (1 + Z * Z / total)


def mcnemar(b, c):
    ways = sum(math.comb(b + c, i) for i in range(min(b, c) + 1))
    return min(1.0, float(2 * fractions.Fraction(ways, 2 ** (b + c))))


def paired_difference(b, c, total):
    b, c, total = b + 0.5, c + 0.5, total + 2
    half = Z * math.sqrt(b + c - (c - b) ** 2 / total) / total
    return (c - b) / total, (c - b) / total - half, (c - b) / total + half


def non_inferiority_score(b, c, n, margin):
    s = (2 * n - b + c) * margin - b - c
    q = (math.sqrt(s * s + 8 * n * c * margin * (1 - margin)) - s) / (4 * n)
    return (c - b + n * margin) / math.sqrt(n * (2 * q + margin * (1 - margin)))


def binomial(k, n, p):
    if p == 0:
        return float(k == 0)
    return math.exp(math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) + k * math.log(p)
                    + (n - k) * math.log1p(-p))


def non_inferiority(b, c, n, margin):
    """Its greatest value lies where few texts differ: below 60 that only the variant gets right."""
    observed, most_lost = non_inferiority_score(b, c, n, margin), []
    for gained in range(200):
        lost = most_lost[-1] if most_lost else -1
        while non_inferiority_score(lost + 1, gained, n, margin) >= observed - 1e-9:
            lost += 1
        most_lost.append(lost)
    best = 0
    for step in range(78):
        share = (step / 10) ** 2 / n
        lost_share, total = (share + margin) / (1 - share), 0
        for gained, limit in enumerate(most_lost):
            weight = binomial(gained, n, share)
            if weight > 1e-12:
                total += weight * sum(binomial(lost, n - gained, lost_share) for lost in range(limit + 1))
        best = max(best, total)
    return best


class TheoryTest(unittest.TestCase):
    def expect(self, *numbers, documents=THEORY):
        for document in documents:
            text = text_of(document)
            for number in numbers:
                self.assertTrue(number in text, f"{number} is not in {document}")

    def test_affine_map(self):
        scale = 3 / 255
        zero = round(1 / scale)
        q = round(0.33 / scale) + zero
        back = scale * (q - zero)
        self.expect(f"{scale:.6f}", f"z = {zero}", f"{0.33 / scale:.2f}", f"q = {q}", f"{back:.6f}",
                    f"{abs(back - 0.33):.6f}", f"{scale / 2:.6f}")

    def test_symmetric_weights(self):
        weights = (-0.82, 0.31, 0.05, 0.40)
        scale = 0.82 / 127
        integers = [round(w / scale) for w in weights]
        self.expect(f"{scale:.6f}", f"({', '.join(map(str, integers))})",
                    f"({', '.join(f'{q * scale:.4f}' for q in integers)})")

    def test_granularity(self):
        channel = (0.02, -0.01, 0.03)
        for largest in (2.0, 0.03):
            scale = largest / 127
            integers = [round(w / scale) for w in channel]
            self.expect(f"{scale:.6f}", f"({', '.join(map(str, integers))})",
                        f"{decibels(channel, [q * scale for q in integers]):.1f} dB")
        self.expect(*(f"{4 + 16 / group:g}" for group in (32, 128)))

    def test_integer_arithmetic(self):
        scale, zero, weight_scale = 3 / 255, 85, 0.5 / 127
        x = [round(value / scale) + zero for value in (0.9, -0.4)]
        w = [round(value / weight_scale) for value in (0.5, -0.3)]
        total = sum(a * b for a, b in zip(x, w))
        correction = zero * sum(w)
        self.expect(f"({x[0]}, {x[1]})", f"({w[0]}, {w[1]})", f"{total:,}", f"{correction:,}",
                    f"{total - correction:,}", f"{scale * weight_scale * (total - correction):.4f}",
                    f"{0.9 * 0.5 + 0.4 * 0.3:.2f}")
        self.expect(f"{255 * 127:,}", f"{(2**31 - 1) // (255 * 127):,}", f"{2 * 255 * 127:,}", f"{2 * 127 * 127:,}")

    def test_decibels_of_bits(self):
        bit = 20 * math.log10(2)
        self.expect(f"{bit:.2f} dB", f"{8 * bit:.2f} dB", f"{8 * bit + 10 * math.log10(1.5):.2f} dB",
                    f"{-10 * math.log10(2 * 10 ** -4):.1f} dB")

    def test_clipping(self):
        for bits in (8, 6, 4, 3):
            best = best_alpha(bits)
            here, at_five = (-10 * math.log10(clipped_gaussian_mse(alpha, bits)) for alpha in (best, 5))
            self.expect(f"| {bits} | {best:.2f} | {here:.1f} dB | {at_five:.1f} dB |")

    def test_embeddings(self):
        self.expect(f"{30522 * 384 * 4 / 1e6:.1f} MB")

    def test_moving_average(self):
        average, averages = 2.0, []
        for largest in (2.4, 8.0, 2.2):
            average = 0.9 * average + 0.1 * largest
            averages.append(f"{average:g}")
        self.expect(*averages)

    def test_divergence(self):
        p, q = (0.5, 0.3, 0.2), (0.4, 0.4, 0.2)
        self.expect(f"{sum(a * math.log(a / b) for a, b in zip(p, q)):.4f}")

    def test_smoothquant(self):
        activations, weights = (16, 1), (0.25, 0.5)
        s = [math.sqrt(a / w) for a, w in zip(activations, weights)]
        after = [a / factor for a, factor in zip(activations, s)]
        self.assertEqual([f"{w * factor:.3f}" for w, factor in zip(weights, s)], [f"{a:.3f}" for a in after])
        self.expect(f"({s[0]:g}, {s[1]:.3f})", f"({after[0]:g}, {after[1]:.3f})", f"{after[0] / after[1]:.2f}")

    def test_bias_correction(self):
        self.assertAlmostEqual((0.25 - 0.30) * 2 + (0.75 - 0.70) * 1, -0.05)

    def test_learned_step_size(self):
        def gradient(x, step=0.1, low=-8, high=7):
            ratio = x / step
            return low if ratio <= low else high if ratio >= high else round(ratio) - ratio

        self.expect(f"{gradient(0.37):.1f}")
        self.assertEqual((gradient(1.0), gradient(-2.0)), (7, -8))
        self.expect(f"g = {1 / math.sqrt(4 * 7):.3f}")

    def test_distillation(self):
        for temperature in (1, 2):
            first = 1 / (1 + math.exp(-2 / temperature))
            self.expect(f"({first:.3f}, {1 - first:.3f})")

    def test_gptq(self):
        hessian = ((2, 1.8), (1.8, 2))

        def error(first, second):
            return 0.5 * (hessian[0][0] * first**2 + 2 * hessian[0][1] * first * second + hessian[1][1] * second**2)

        move = -(0.6 - 1) * (-hessian[0][1] / hessian[0][0])  # the ratio of the inverse's first column
        second = round(0.7 + move)
        self.assertEqual(second, 0)
        self.expect(f"{move:.2f}", f"{0.7 + move:.2f}", f"{error(0.4, 0.3):.3f}", f"{error(0.4, second - 0.7):.3f}")

    def test_pareto_front(self):
        layers = {"A": (0.020, 1.0), "B": (0.002, 2.0), "C": (0.001, 0.5)}
        choices = []
        for mask in range(8):
            chosen = "".join(name for i, name in enumerate(layers) if mask >> i & 1)
            choices.append((chosen, sum(layers[n][0] for n in chosen), sum(layers[n][1] for n in chosen)))
        front = [c for c in choices
                 if not any(o[1] <= c[1] and o[2] >= c[2] and o != c for o in choices)]
        self.assertEqual({c[0] for c in front}, {"", "C", "B", "BC", "AB", "ABC"})
        self.assertEqual(max((c for c in front if c[1] <= 0.005), key=lambda c: c[2])[0], "BC")
        for chosen, loss, saved in front:
            if chosen:
                self.expect(f"({loss:.3f}; {saved:.1f} ms)", documents=THEORY[1:])
                self.expect(f"（{loss:.3f}；{saved:.1f} ms）", documents=THEORY[:1])

    def test_intervals_of_proportions(self):
        low, high = wilson(1840, 2000)
        self.expect(f"{100 * low:.2f} %", f"{100 * high:.2f} %",
                    *(f"{100 * Z * math.sqrt(0.93 * 0.07 / texts):.2f}" for texts in (872, 25000)))

    def test_paired_tests(self):
        self.expect(f"{mcnemar(30, 18):.3f}", f"{mcnemar(12, 2):.4f}")
        difference, low, high = paired_difference(30, 18, 2000)
        self.expect(f"{100 * difference:.2f}", f"{100 * low:.2f}", f"{100 * high:+.2f}")
        self.expect(f"{non_inferiority(30, 18, 2000, 0.01):.3f}", f"{100 * 0.99 ** 3:.0f} %")
        self.expect(f"±{100 * paired_difference(25, 25, 1600)[2]:.1f}", documents=DESIGN)

    def test_holm(self):
        adjusted, floor = [], 0.0
        for rank, p in enumerate((0.010, 0.030, 0.040)):
            floor = max(floor, (3 - rank) * p)
            adjusted.append(f"{floor:.3f}")
        self.expect(f"({', '.join(adjusted)})")

    def test_speed_in_pairs(self):
        reference, variant = (10, 12, 20), (5, 6, 9)
        ratios = sorted(a / b for a, b in zip(reference, variant))
        self.assertEqual(ratios[1], 2)
        self.expect(f"{ratios[2]:.2f}", f"{sum(reference) / sum(variant):.2f}")
        logs = [math.log(median) for median in (1.9, 2.0, 2.1)]
        reach = 4.302652730 * statistics.stdev(logs) / math.sqrt(3)  # Student's t with two degrees of freedom
        self.expect(f"{math.exp(statistics.mean(logs)):.2f}", f"{math.exp(statistics.mean(logs) - reach):.2f}",
                    f"{math.exp(statistics.mean(logs) + reach):.2f}")


if __name__ == "__main__":
    unittest.main()
