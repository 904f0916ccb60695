//! Known spots are where they must be, in pixels.

use egui::{Pos2, pos2, vec2};
use spherescope_view::{ColourMap, MapKind, Projection, ViewState};

use crate::studio::{Studio, Window};

/// A scene without marks, so that the brightest pixels are those of the map.
fn spot(azimuth: f64, elevation: f64) -> Studio {
    let mut studio = Studio::hearing(&[(azimuth, elevation, 0.95)]);
    studio.snapshot.peaks.clear();
    studio.state.colour_map = ColourMap::Lagoon;
    studio
}

/// The place of a direction on a map: +90° at the left quarter, front in the middle, up at the top.
fn on_map(rect: egui::Rect, azimuth: f64, elevation: f64) -> Pos2 {
    rect.min + vec2((0.5 - azimuth as f32 / 360.0) * rect.width(), (0.5 - elevation as f32 / 180.0) * rect.height())
}

/// The place of a direction on a globe whose point (yaw, pitch) faces the viewer.
fn on_globe(rect: egui::Rect, azimuth: f64, elevation: f64, yaw: f32, pitch: f32) -> Pos2 {
    let a = (azimuth as f32 - yaw).to_radians();
    let (e, p) = ((elevation as f32).to_radians(), pitch.to_radians());
    let x = e.cos() * a.sin();
    let y = e.sin() * p.cos() - e.cos() * a.cos() * p.sin();
    rect.center() + vec2(x, -y) * rect.width() / 2.0
}

#[test]
fn a_spot_is_where_it_must_be_on_the_map() {
    for (azimuth, elevation) in [(0.0, 0.0), (90.0, 0.0), (-60.0, 40.0), (120.0, -35.0)] {
        for scale in [1.0, 2.0] {
            let Some(mut window) = Window::open(spot(azimuth, elevation), [1100.0, 720.0], scale) else { return };
            let map = window.part("Map of the sphere");
            let found = window.picture(&format!("spot-map-{azimuth}-{elevation}-{scale}x")).brightest(map);
            let expected = on_map(map, azimuth, elevation);
            assert!((found - expected).length() < 4.0, "{azimuth}°, {elevation}°: {found:?}, not {expected:?}");
        }
    }
}

/// The place of a direction on the Hammer–Aitoff map, by its textbook formula.
fn on_hammer(rect: egui::Rect, azimuth: f64, elevation: f64) -> Pos2 {
    let (l, p) = ((azimuth as f32).to_radians() / 2.0, (elevation as f32).to_radians());
    let w = (1.0 + p.cos() * l.cos()).sqrt();
    rect.center() + vec2(-p.cos() * l.sin() / w * rect.width(), -p.sin() / w * rect.height()) / 2.0
}

/// The place on one of two equal-area discs: `azimuthal` runs clockwise from the top as the disc shows it, `from_middle` is the angle
/// from its middle.
fn on_disc(rect: egui::Rect, second: bool, azimuthal: f32, from_middle: f32) -> Pos2 {
    let radius = rect.height() / 2.0;
    let x = if second { rect.right() - radius } else { rect.left() + radius };
    let r = 2f32.sqrt() * (from_middle.to_radians() / 2.0).sin() * radius;
    let (s, c) = azimuthal.to_radians().sin_cos();
    pos2(x + r * s, rect.center().y - r * c)
}

#[test]
fn a_spot_is_where_it_must_be_on_every_map() {
    type Place = fn(egui::Rect) -> Pos2;
    let cases: [(MapKind, f64, f64, Place); 6] = [
        (MapKind::Hammer, 70.0, 35.0, |r| on_hammer(r, 70.0, 35.0)),
        (MapKind::Hammer, -140.0, -20.0, |r| on_hammer(r, -140.0, -20.0)),
        (MapKind::UpDown, 30.0, 50.0, |r| on_disc(r, false, -30.0, 40.0)),
        (MapKind::UpDown, -120.0, -40.0, |r| on_disc(r, true, 120.0, 50.0)),
        (MapKind::FrontBack, 0.0, 40.0, |r| on_disc(r, false, 0.0, 40.0)),
        // Behind at the left is at the right of the second disc, as one has turned round.
        (MapKind::FrontBack, 140.0, 0.0, |r| on_disc(r, true, 90.0, 40.0)),
    ];
    for (kind, azimuth, elevation, place) in cases {
        for scale in [1.0, 2.0] {
            let mut studio = spot(azimuth, elevation);
            studio.state.map = kind;
            let Some(mut window) = Window::open(studio, [1100.0, 720.0], scale) else { return };
            let map = window.part("Map of the sphere");
            let found = window.picture(&format!("spot-{kind:?}-{azimuth}-{elevation}-{scale}x")).brightest(map);
            let expected = place(map);
            assert!(
                (found - expected).length() < 4.0,
                "{kind:?} {azimuth}°, {elevation}°: {found:?}, not {expected:?}"
            );
        }
    }
}

#[test]
fn a_spot_behind_lies_at_both_edges() {
    let Some(mut window) = Window::open(spot(180.0, 0.0), [1100.0, 720.0], 1.0) else { return };
    let map = window.part("Map of the sphere");
    let picture = window.picture("spot-behind");
    let edge = |x: f32| egui::Rect::from_center_size(pos2(x, map.center().y + 6.0), vec2(10.0, 8.0));
    let (left, right) = (picture.mean(edge(map.left() + 7.0)), picture.mean(edge(map.right() - 7.0)));
    assert!(left > 120.0 && (left - right).abs() < 12.0, "{left} at the left, {right} at the right");
    assert!(picture.mean(edge(map.center().x - 40.0)) < 60.0);
}

#[test]
fn a_spot_is_where_it_must_be_on_the_globe_before_and_after_a_turn() {
    let mut studio = spot(40.0, 10.0);
    studio.state.projection = Projection::Globe;
    let Some(mut window) = Window::open(studio, [1100.0, 720.0], 1.0) else { return };
    let globe = window.part("Globe of the sphere");
    let (yaw, pitch) = (ViewState::DEFAULT_YAW_DEG, ViewState::DEFAULT_PITCH_DEG);
    let check = |window: &mut Window, name: &str, yaw, pitch| {
        let found = window.picture(name).brightest(globe.shrink(3.0));
        let expected = on_globe(globe, 40.0, 10.0, yaw, pitch);
        assert!((found - expected).length() < 8.0, "{name}: {found:?}, not {expected:?}");
    };
    check(&mut window, "spot-globe", yaw, pitch);

    // A drag to the right and down by a quarter of the radius turns by a quarter of a radian.
    let quarter = globe.width() / 8.0;
    window.drag(globe.center(), vec2(quarter, quarter));
    let (turned_yaw, turned_pitch) = {
        let studio = window.studio.borrow();
        (studio.state.globe_yaw_deg, studio.state.globe_pitch_deg)
    };
    let quarter_rad = 0.25f32.to_degrees();
    assert!((turned_yaw - (yaw - quarter_rad)).abs() < 0.5 && (turned_pitch - (pitch + quarter_rad)).abs() < 0.5);
    check(&mut window, "spot-globe-turned", turned_yaw, turned_pitch);

    window.click("Reset view");
    window.harness.remove_cursor();
    window.harness.run_steps(2);
    check(&mut window, "spot-globe-reset", yaw, pitch);
}

#[test]
fn both_projections_show_the_spot_side_by_side() {
    let mut studio = spot(20.0, 15.0);
    studio.state.projection = Projection::Split;
    let Some(mut window) = Window::open(studio, [1400.0, 720.0], 1.0) else { return };
    let (map, globe) = (window.part("Map of the sphere"), window.part("Globe of the sphere"));
    assert!(map.intersect(globe).area() <= 0.0);
    let picture = window.picture("spot-both");
    assert!((picture.brightest(map) - on_map(map, 20.0, 15.0)).length() < 4.0);
    let expected = on_globe(globe, 20.0, 15.0, ViewState::DEFAULT_YAW_DEG, ViewState::DEFAULT_PITCH_DEG);
    assert!((picture.brightest(globe.shrink(3.0)) - expected).length() < 8.0);
}

#[test]
fn the_far_side_of_the_globe_is_hidden() {
    let mut studio = spot(-150.0, -20.0);
    studio.state.projection = Projection::Globe;
    let Some(mut window) = Window::open(studio, [1100.0, 720.0], 1.0) else { return };
    let globe = window.part("Globe of the sphere");
    let middle = egui::Rect::from_center_size(globe.center(), globe.size() * 0.6);
    assert!(window.picture("spot-globe-far-side").mean(middle) < 60.0);
}
