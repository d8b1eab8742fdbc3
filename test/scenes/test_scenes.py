"""The renderer: repeatable, exact labels, warm people, smoke that only RGB sees, streams with their own clocks."""

import hashlib
from dataclasses import replace
from functools import cache
from pathlib import Path

import cv2
import numpy as np
import pytest

from rgbt_seg_ros.base.errors import UserError
from rgbt_seg_ros.masks.classes import MFNET
from rgbt_seg_ros.scenes.__main__ import main
from rgbt_seg_ros.scenes.cameras.light import make_light
from rgbt_seg_ros.scenes.cameras.makes import as_other_make
from rgbt_seg_ros.scenes.cameras.shading import look_up, radiance, temperature, with_visible_sun
from rgbt_seg_ros.scenes.conditions import CONDITIONS
from rgbt_seg_ros.scenes.paint.canvas import BUMP, Canvas
from rgbt_seg_ros.scenes.paint.geometry import Camera, Pose, clip_near
from rgbt_seg_ros.scenes.paint.textures import SETTS
from rgbt_seg_ros.scenes.sequence import TimedFrame, render_sequence
from rgbt_seg_ros.scenes.still import SceneSample, render_anywhere, render_still
from rgbt_seg_ros.scenes.street.world import make_camera, make_world
from rgbt_seg_ros.scenes.things.people import make_person
from rgbt_seg_ros.scenes.things.postures import POSTURES
from rgbt_seg_ros.scenes.worlds.anywhere import KINDS, _before_fronts, make_place, pick_kind
from rgbt_seg_ros.scenes.worlds.rooms import Wall

SMALL = (120, 160)
PERSON = MFNET.names.index("person")


def digest(*images: np.ndarray) -> str:
    return hashlib.sha256(b"".join(image.tobytes() for image in images)).hexdigest()


@cache
def still(seed: int, condition: str | None) -> SceneSample:
    return render_still(seed, SMALL, condition)


def stills(condition: str | None, count: int) -> list[SceneSample]:
    return [still(seed, condition) for seed in range(count)]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_same_seed_same_pixels(condition: str) -> None:
    first, second = render_still(7, SMALL, condition), render_still(7, SMALL, condition)
    other = render_still(8, SMALL, condition)
    assert digest(first.rgb, first.thermal, first.label) == digest(second.rgb, second.thermal, second.label)
    assert digest(first.rgb) != digest(other.rgb)
    assert first.condition == condition


def test_shapes_and_types() -> None:
    sample = render_still(3, (96, 200))
    assert (sample.rgb.shape, sample.thermal.shape, sample.label.shape) == (
        (96, 200, 3),
        (96, 200),
        (96, 200),
    )
    assert {sample.rgb.dtype, sample.thermal.dtype, sample.label.dtype} == {np.dtype(np.uint8)}
    assert sample.condition in CONDITIONS


def test_scene_does_not_depend_on_size() -> None:
    """A still at half the size shows the same scene: labels agree but for the edges."""
    large, small = render_still(11, (240, 320)), render_still(11, (120, 160))
    shrunk = cv2.resize(large.label, (160, 120), interpolation=cv2.INTER_NEAREST)
    assert (shrunk == small.label).mean() > 0.95


def test_every_class_appears() -> None:
    seen = np.unique(np.concatenate([np.unique(sample.label) for sample in stills(None, 25)]))
    assert seen.tolist() == list(range(len(MFNET.names)))


def test_people_are_warmer_than_what_is_around_them_at_night() -> None:
    warmer, total = 0, 0
    for sample in stills("night", 25):
        person = (sample.label == PERSON).astype(np.uint8)
        if person.sum() < 40:
            continue
        ring = (cv2.dilate(person, np.ones((15, 15), np.uint8)) > 0) & (sample.label == 0)
        total += 1
        warmer += sample.thermal[person > 0].mean() > sample.thermal[ring].mean() + 5
    assert total >= 10
    assert warmer >= 0.85 * total


def test_label_fits_the_thermal_silhouette() -> None:
    """Shifting the label off the person loses heat: label and thermal are aligned up to a few pixels."""
    aligned, shifted = [], []
    for sample in stills("night", 25):
        person = sample.label == PERSON
        if person.sum() > 60:
            aligned.append(sample.thermal[person].mean())
            shifted.append(sample.thermal[np.roll(person, 7, axis=1)].mean())
    assert len(aligned) >= 8
    assert np.mean(aligned) > 1.4 * np.mean(shifted)


def test_smoke_hides_people_from_rgb_but_not_from_thermal() -> None:
    """Same seed, same street: only the light differs between a day and its smoke."""
    contrast: dict[str, list[float]] = {"clear": [], "smoke": [], "warm": [], "warm_in_smoke": []}
    for seed in range(12):
        rng = np.random.default_rng(seed)
        world = make_world(rng)
        canvas = world.draw(make_camera(rng, world.street, SMALL), 0.0)
        person = canvas.label() == PERSON
        if person.sum() < 40:
            continue
        clear = make_light(np.random.default_rng(seed), "day")
        smoky = replace(clear, smoke=0.3, smoke_patchy=0.0)
        surfaces = look_up(canvas)
        ring = (cv2.dilate(person.astype(np.uint8), np.ones((15, 15), np.uint8)) > 0) & ~person
        for name, light in (("clear", clear), ("smoke", smoky)):
            image = radiance(canvas, surfaces, light, 0.0, seed)
            contrast[name].append(image[person | ring].std())
        for name, light in (("warm", clear), ("warm_in_smoke", smoky)):
            heat = temperature(canvas, surfaces, light, seed)
            contrast[name].append(heat[person].mean() - heat[ring].mean())
    assert len(contrast["clear"]) >= 4
    assert np.mean(contrast["smoke"]) < 0.4 * np.mean(contrast["clear"])
    assert np.mean(contrast["warm_in_smoke"]) > 0.75 * np.mean(contrast["warm"])


def test_night_is_darker_than_day() -> None:
    day = np.mean([sample.rgb.mean() for sample in stills("day", 6)])
    night = np.mean([sample.rgb.mean() for sample in stills("night", 6)])
    assert night < 0.5 * day
    assert all(sample.night for sample in stills("night", 3))
    assert not any(sample.night for sample in stills("day", 3))


def sequence(bits: int = 8, **options: object) -> list[TimedFrame]:
    return list(render_sequence(5, 2.0, 4.0, 3.0, SMALL, (60, 80), thermal_bits=bits, **options))  # type: ignore[arg-type]


def test_sequence_clocks_sizes_and_order() -> None:
    frames = sequence(condition=["day", "night"])
    stamps = [frame.stamp_ns for frame in frames]
    rgb = [frame for frame in frames if frame.kind == "rgb"]
    thermal = [frame for frame in frames if frame.kind == "thermal"]
    assert stamps == sorted(stamps)
    assert (len(rgb), len(thermal)) == (8, 6)
    assert rgb[0].stamp_ns == 0 < thermal[0].stamp_ns
    assert np.diff([frame.stamp_ns for frame in rgb]) == pytest.approx(1e9 / 4.0, abs=2)
    periods = np.diff([frame.stamp_ns for frame in thermal])
    assert periods == pytest.approx(1e9 / 3.0, abs=1e7)
    assert len(set(periods.tolist())) > 1
    assert all(frame.image.shape == (*SMALL, 3) and frame.label is not None for frame in rgb)
    assert all(frame.image.shape == (60, 80) and frame.label is None for frame in thermal)
    assert rgb[0].image.mean() > 1.5 * rgb[-1].image.mean()


def test_sequence_moves_and_repeats() -> None:
    first, second = sequence(condition="day"), sequence(condition="day")
    assert digest(*(frame.image for frame in first)) == digest(*(frame.image for frame in second))
    labels = [frame.label for frame in first if frame.label is not None]
    assert (labels[0] != labels[-1]).mean() > 0.005


def test_raw_thermal_is_in_hundredths_of_a_kelvin() -> None:
    thermal = next(frame.image for frame in sequence(16, condition="night") if frame.kind == "thermal")
    assert thermal.dtype == np.uint16
    assert 240 < np.median(thermal) / 100 < 320


def test_refusals() -> None:
    with pytest.raises(UserError, match="fog"):
        render_still(0, SMALL, "fog")
    with pytest.raises(UserError, match="fog"):
        sequence(condition=["day", "fog"])
    with pytest.raises(UserError, match="12"):
        sequence(12)
    with pytest.raises(UserError, match="positive"):
        render_sequence(0, 0.0, 10.0, 10.0)


def test_camera_projects_what_is_ahead() -> None:
    camera = Camera(height=480, width=640, focal=500.0, horizon=240.0, x=1.0, y=1.5, z=2.0, yaw=0.0)
    seen = camera.to_camera(np.array([[1.0, 0.0, 12.0], [2.0, 1.5, 12.0]]))
    assert camera.project(seen) == pytest.approx(np.array([[320.0, 315.0], [370.0, 240.0]]))
    assert camera.distance(1.0, 12.0) == pytest.approx(10.0)


def test_clipping_keeps_the_part_ahead() -> None:
    square = np.array([[0.0, 0.0, -1.0], [1.0, 0.0, -1.0], [1.0, 0.0, 3.0], [0.0, 0.0, 3.0]])
    clipped = clip_near(square)
    assert clipped[:, 2].min() == pytest.approx(0.35)
    assert clipped[:, 2].max() == 3.0
    assert len(clip_near(square - [0.0, 0.0, 5.0])) == 0


def test_pose_goes_forward_and_back() -> None:
    pose = Pose(2.0, 3.0, np.pi / 2)
    assert pose.moved(4.0).x == pytest.approx(6.0)
    assert pose.local(np.array([[6.0, 3.0]])) == pytest.approx(np.array([[0.0, 4.0]]))
    assert pose.world(np.array([[0.0, 1.0, 4.0]])) == pytest.approx(np.array([[6.0, 1.0, 3.0]]))


def test_command_writes_a_data_set(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "scenes", tmp_path / "sheet.png"
    arguments = ["-o", str(out), "--stills", "6", "--seed", "4", "--size", "60x80", "--sheet", str(sheet)]
    assert main(arguments) == 0
    train, val = ((out / f"{split}.txt").read_text().split() for split in ("train", "val"))
    assert (len(train), len(val)) == (5, 1)
    label = cv2.imread(str(out / "Segmentation_labels" / f"{val[0]}.png"), cv2.IMREAD_UNCHANGED)
    assert (label == render_still(8, (60, 80)).label).all()
    for name in train + val:
        assert cv2.imread(str(out / "vi" / f"{name}.png")).shape == (60, 80, 3)
        assert cv2.imread(str(out / "ir" / f"{name}.png"), cv2.IMREAD_UNCHANGED).shape == (60, 80)
    assert cv2.imread(str(sheet)) is not None
    assert main(arguments) == 1
    assert "not an empty folder" in capsys.readouterr().err


def test_command_refuses_a_size_without_a_cross(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as exit_info:
        main(["-o", str(tmp_path / "x"), "--size", "640"])
    assert exit_info.value.code == 2


def test_wet_ground_mirrors_lamps_at_night_and_dry_ground_does_not() -> None:
    """Rain alone wets the ground: light appears below lit windows and lamps, and only on the ground."""
    brighter = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        world = make_world(rng)
        canvas = world.draw(make_camera(rng, world.street, SMALL), 0.0)
        surfaces = look_up(canvas)
        dry = replace(make_light(np.random.default_rng(seed), "night"), rain=0.0)
        dry_image = radiance(canvas, surfaces, dry, 0.0, seed)
        wet_image = radiance(canvas, surfaces, replace(dry, rain=1.0), 0.0, seed)
        assert np.array_equal(dry_image[~surfaces.is_ground], wet_image[~surfaces.is_ground])
        brighter.append((wet_image - dry_image)[surfaces.is_ground].max())
    assert np.median(brighter) > 0.2


def test_joints_of_setts_show_in_temperature() -> None:
    """Without light, too: a strip of setts is rougher than the road before and behind it."""
    rougher, total = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        world = make_world(rng)
        canvas = world.draw(make_camera(rng, world.street, (240, 320)), 0.0)
        strips = [paint.tile for _, paint, label in world.street.patches if label == BUMP]
        strip = cv2.erode((canvas.label() == BUMP).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        if SETTS not in strips or strip.sum() < 300:
            continue
        heat = temperature(canvas, look_up(canvas), make_light(rng, "night"), seed).astype(np.float32)
        rough = np.abs(heat - cv2.blur(heat, (5, 5)))
        around = cv2.dilate(strip.astype(np.uint8), np.ones((31, 1), np.uint8)) > 0
        road = around & (canvas.label() == 0) & look_up(canvas).is_ground
        total += 1
        rougher += rough[strip].mean() > 1.5 * rough[road].mean()
    assert total >= 5
    assert rougher >= 0.8 * total


def test_stills_are_also_of_coarse_thermal_cameras() -> None:
    """Of some cameras the thermal image has far less detail than of others, at the same size."""
    details = []
    for seed in range(24):
        thermal = render_still(seed, (240, 640), "day").thermal.astype(np.float32)
        fine = thermal - cv2.blur(thermal, (3, 3))
        details.append(fine.std() / thermal.std())
    assert np.quantile(details, 0.9) > 2.5 * np.quantile(details, 0.05)


@cache
def places() -> list[SceneSample]:
    return [render_anywhere(seed, (180, 240)) for seed in range(60)]


def test_places_are_the_same_for_the_same_seed_and_of_every_kind() -> None:
    again = render_anywhere(5, (180, 240))
    assert digest(places()[5].rgb, places()[5].thermal) == digest(again.rgb, again.thermal)
    assert {pick_kind(np.random.default_rng([seed, 11])) for seed in range(60)} == set(KINDS)
    for kind in KINDS:
        world, camera = make_place(np.random.default_rng(3), kind, SMALL)
        assert world.draw(camera, 0.0).label().shape == SMALL
        assert all(building.distance(world.draw(camera, 0.0)) is not None for building in world.buildings[:1])
    seen = np.unique(np.concatenate([np.unique(place.label) for place in places()]))
    assert seen.tolist() == list(range(len(MFNET.names)))


def test_places_show_people_and_cars_from_far_to_close() -> None:
    heights, cars = [], []
    for place in places():
        _, _, boxes, _ = cv2.connectedComponentsWithStats((place.label == PERSON).astype(np.uint8))
        heights += boxes[1:, 3].tolist()
        cars.append((place.label == MFNET.names.index("car")).mean())
    assert np.quantile(heights, 0.3) < 25
    assert np.quantile(heights, 0.9) > 70
    assert max(cars) > 0.2


def test_a_front_fills_the_picture_and_nobody_is_seen_through_it() -> None:
    """Before a building most of what lies above the ground is wall, of any warmth; what would stand in it is gone."""
    walls, warmest = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        world, camera = make_place(rng, "front", (180, 240))
        alone = replace(world, things=()).draw(camera, 0.0)
        surfaces = look_up(alone)
        upper = slice(0, int(camera.horizon))
        walls.append(1.0 - surfaces.is_sky[upper].mean())
        pieces = [piece for piece in world.buildings if isinstance(piece, Wall)]
        warmest.append(max(piece.paint.heat for piece in pieces))
    assert np.median(walls) > 0.6
    assert np.ptp(warmest) > 8.0
    outside, inside = (make_person(rng, Pose(0.0, z, 0.0), 1.0) for z in (12.0, 16.0))
    assert _before_fronts([outside, inside], [Pose(3.0, 14.0, 0.2)]) == [outside]


def test_thermal_of_places_is_of_many_makes() -> None:
    """Some pictures use all greys evenly, some a few; in a few people are darker than what is around them."""
    spans = [np.ptp(np.percentile(place.thermal, [5, 95])) for place in places()]
    assert min(spans) < 60
    assert max(spans) > 180
    sensed = np.tile(np.arange(40, 200, dtype=np.uint8), (120, 1))
    shown = [as_other_make(np.random.default_rng(seed), sensed).astype(float) for seed in range(200)]
    rising = np.array([picture[:, 120:].mean() - picture[:, :40].mean() for picture in shown])
    assert 0.02 < (rising < 0).mean() < 0.12
    assert (np.abs(rising) > 20).mean() > 0.9


def test_what_stands_around_may_be_warmer_than_people() -> None:
    """A warm wall must be no car: in some places much of the background is as warm as people are."""
    warm = []
    for place in places():
        person = place.label == PERSON
        if person.sum() > 50:
            warm.append((place.thermal[place.label == 0] > np.median(place.thermal[person])).mean())
    assert np.quantile(warm, 0.9) > 0.3
    assert np.quantile(warm, 0.3) < 0.1


@pytest.mark.parametrize("posture", POSTURES)
def test_people_in_a_posture_keep_their_limbs(posture: str) -> None:
    person = replace(make_person(np.random.default_rng(1), Pose(0.0, 4.0, 1.2), 1.0), speed=0.0)
    standing, joints = person._joints(0.0), replace(person, posture=posture)._joints(0.0)
    assert joints.keys() == standing.keys()
    assert min(joint[1] for joint in joints.values()) > -0.25  # drawn no lower than the ground
    for first, second in (("neck", "head"), ("lshoulder", "lelbow"), ("relbow", "rhand"), ("neck", "hip")):
        lengths = [np.linalg.norm(places[first] - places[second]) for places in (standing, joints)]
        assert lengths[0] == pytest.approx(lengths[1], abs=1e-6)
    top = max(joint[1] for joint in joints.values())
    assert (top > 0.9) == (posture == "upright")
    camera = Camera(height=240, width=320, focal=300.0, horizon=110.0, x=0.0, y=1.4, z=0.0, yaw=0.0)
    canvas = Canvas(camera)
    canvas.begin(1)
    replace(person, posture=posture).draw(canvas, 0.0)
    assert (canvas.label() == PERSON).sum() > 1500


def test_the_sun_does_not_shine_through_things() -> None:
    rng = np.random.default_rng(0)
    world = make_world(rng)
    surfaces = look_up(world.draw(make_camera(rng, world.street, SMALL), 0.0))
    light = replace(make_light(np.random.default_rng(0), "day"), sun_glare=10.0)
    rows, columns = np.nonzero(cv2.erode((~surfaces.is_sky).astype(np.uint8), np.ones((15, 15), np.uint8)))
    hidden = replace(light, sun_at=(columns[0] / SMALL[1], rows[0] / SMALL[0]))
    assert with_visible_sun(hidden, surfaces).sun_glare == 0.0
    free = replace(surfaces, is_sky=np.ones(SMALL, bool))
    assert with_visible_sun(hidden, free).sun_glare == 10.0
