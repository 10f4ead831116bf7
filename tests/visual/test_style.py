"""The colour scale: darker is more, evenly so, for every kind of eye."""

from __future__ import annotations

import numpy as np

from neural_dsl.visualize.style import STOPS, attention_colormap, plotly_colorscale


def linear(colors):
    """sRGB 0 … 1 to linear light."""
    return np.where(
        colors <= 0.04045, colors / 12.92, ((colors + 0.055) / 1.055) ** 2.4
    )


def lab(colors):
    """sRGB 0 … 1 to CIELAB (D65)."""
    matrix = np.array(
        [
            [0.4124, 0.3576, 0.1805],
            [0.2126, 0.7152, 0.0722],
            [0.0193, 0.1192, 0.9505],
        ]
    )
    xyz = linear(colors) @ matrix.T / np.array([0.9505, 1.0, 1.0888])
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    x, y, z = f.T
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def scale():
    return attention_colormap()(np.linspace(0, 1, 256))[:, :3]


def test_darker_is_more_all_the_way():
    lightness = lab(scale())[:, 0]
    assert (np.diff(lightness) < 0).all()
    assert lightness[0] > 95 and lightness[-1] < 20


def test_equal_steps_of_weight_look_equally_far_apart():
    steps = np.linalg.norm(np.diff(lab(scale()[::15]), axis=0), axis=1)
    assert steps.max() / steps.min() < 1.25


def test_the_order_survives_color_blindness():
    """Machado et al. 2009, severity 1: deutan, protan, tritan."""
    simulations = [
        [[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]],
        [[0.152, 1.053, -0.205], [0.115, 0.786, 0.099], [-0.004, -0.048, 1.052]],
        [[1.256, -0.077, -0.179], [-0.078, 0.931, 0.148], [0.005, 0.691, 0.304]],
    ]
    for matrix in simulations:
        seen = np.clip(linear(scale()) @ np.array(matrix).T, 0, 1)
        luminance = seen @ [0.2126, 0.7152, 0.0722]
        assert (np.diff(luminance) < 0).all()


def test_matplotlib_and_plotly_share_the_scale():
    assert [color for _, color in plotly_colorscale()] == list(STOPS)
    assert plotly_colorscale()[0][0] == 0 and plotly_colorscale()[-1][0] == 1
