"""Light and weather of each condition, as numbers that can be blended while a sequence goes on."""

from dataclasses import dataclass, fields, replace

import numpy as np

from rgbt_seg_ros.scenes.conditions import CONDITIONS

_SHARES = (0.34, 0.08, 0.38, 0.05, 0.11, 0.04)


@dataclass(frozen=True)
class Light:
    """What the RGB camera has to work with; brightness in units of a full daylight sky."""

    sky: float
    """Light from the sky."""
    sky_color: tuple[float, float, float]
    sky_bright: float
    """Brightness of the sky itself in the image, where 1 just saturates."""
    dapple: float
    """Contrast of sun flecks on the ground, 0..1."""
    lamps: float
    """Street lamps, windows and headlights, 0..1."""
    own_lights: float
    """Headlights of the camera's vehicle."""
    exposure: float
    """Mean brightness that the automatic exposure aims at, linear."""
    tint: tuple[float, float, float]
    """White balance error."""
    noise: float
    """Standard deviation of the sensor's noise, in grey levels of 255."""
    bloom: float
    """Share of light that bright areas scatter over their surroundings."""
    sun_glare: float
    """Brightness of a low sun in the view."""
    sun_at: tuple[float, float]
    """Where it stands, in shares of the image's width and height."""
    smoke: float
    """Optical density per metre of smoke, averaged."""
    smoke_patchy: float
    """0: an even fog, 1: plumes."""
    rain: float


def pick_condition(rng: np.random.Generator) -> str:
    """A random condition."""
    return str(rng.choice(CONDITIONS, p=_SHARES))


def make_light(rng: np.random.Generator, condition: str) -> Light:
    """Random light for a condition of `CONDITIONS`.

    Raises:
        KeyError: no such condition.
    """
    makers = {
        "day": _day,
        "dusk": _dusk,
        "night": _night,
        "glare": _glare,
        "smoke": _smoke,
        "rain": _rain,
    }
    return makers[condition](rng)


def blend(start: Light, end: Light, share: float) -> Light:
    """The light on the way from one to the other; share 0..1."""
    mixed = {}
    for field in fields(Light):
        a, b = np.array(getattr(start, field.name)), np.array(getattr(end, field.name))
        mixed[field.name] = ((1.0 - share) * a + share * b).tolist()
    return Light(**mixed)


def _color(
    rng: np.random.Generator, red: float, green: float, blue: float, spread: float
) -> tuple[float, float, float]:
    values = np.array([red, green, blue]) * rng.normal(1.0, spread, 3)
    return (float(values[0]), float(values[1]), float(values[2]))


def _day(rng: np.random.Generator) -> Light:
    overcast = rng.random() < 0.55
    return Light(
        sky=1.0,
        sky_color=_color(rng, 0.95, 1.0, 1.05, 0.03) if overcast else _color(rng, 0.6, 0.85, 1.25, 0.08),
        sky_bright=float(rng.uniform(1.1, 3.0) if overcast else rng.uniform(0.6, 1.5)),
        dapple=0.1 if overcast else float(rng.uniform(0.3, 0.8)),
        lamps=0.06,
        own_lights=0.0,
        exposure=float(rng.uniform(0.07, 0.26)),
        tint=_color(rng, 1.0, 1.03, 0.97, 0.04),
        noise=float(rng.uniform(1.5, 5.0)),
        bloom=float(rng.uniform(0.02, 0.1)),
        sun_glare=0.0,
        sun_at=(float(rng.uniform(0.0, 1.0)), float(rng.uniform(0.0, 0.45))),
        smoke=float(rng.choice([0.0, 0.0, 0.003])),
        smoke_patchy=0.0,
        rain=0.0,
    )


def _dusk(rng: np.random.Generator) -> Light:
    return replace(
        _day(rng),
        sky=0.25,
        sky_color=_color(rng, 1.0, 0.85, 0.9, 0.1),
        sky_bright=float(rng.uniform(0.15, 0.5)),
        dapple=0.05,
        lamps=0.5,
        own_lights=float(rng.choice([0.0, 0.15])),
        exposure=float(rng.uniform(0.035, 0.1)),
        noise=float(rng.uniform(3.0, 8.0)),
    )


def _night(rng: np.random.Generator) -> Light:
    return Light(
        sky=float(np.exp(rng.uniform(np.log(0.001), np.log(0.015)))),
        sky_color=_color(rng, 0.8, 1.0, 0.9, 0.1),
        sky_bright=float(rng.uniform(0.0, 0.02)),
        dapple=0.0,
        lamps=1.0,
        own_lights=float(rng.choice([0.0, rng.uniform(0.1, 0.5)], p=[0.3, 0.7])),
        exposure=float(np.exp(rng.uniform(np.log(0.008), np.log(0.035)))),
        tint=_color(rng, 0.8, 1.12, 0.78, 0.06) if rng.random() < 0.8 else _color(rng, 1.1, 1.0, 0.75, 0.08),
        noise=float(rng.uniform(2.0, 8.0)),
        bloom=float(rng.uniform(0.06, 0.25)),
        sun_glare=0.0,
        sun_at=(float(rng.uniform(0.0, 1.0)), float(rng.uniform(0.0, 0.45))),
        smoke=0.0,
        smoke_patchy=0.0,
        rain=0.0,
    )


def _glare(rng: np.random.Generator) -> Light:
    if rng.random() < 0.5:
        return replace(
            _night(rng), bloom=float(rng.uniform(0.6, 1.2)), exposure=float(rng.uniform(0.03, 0.08))
        )
    return replace(
        _day(rng),
        sun_glare=float(rng.uniform(6.0, 20.0)),
        bloom=0.3,
        dapple=0.6,
        sky_bright=2.0,
        exposure=0.2,
    )


def _smoke(rng: np.random.Generator) -> Light:
    base = _night(rng) if rng.random() < 0.3 else _dusk(rng) if rng.random() < 0.3 else _day(rng)
    patchy = float(rng.choice([0.0, 1.0], p=[0.25, 0.75]))
    density = np.exp(rng.uniform(np.log(0.03), np.log(0.3)))
    return replace(base, smoke=float(density), smoke_patchy=patchy, exposure=max(base.exposure, 0.02))


def _rain(rng: np.random.Generator) -> Light:
    base = _day(rng) if rng.random() < 0.5 else _night(rng)
    return replace(base, rain=float(rng.uniform(0.4, 1.0)), smoke=0.006, dapple=0.0, bloom=base.bloom + 0.1)
