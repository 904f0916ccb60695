use super::*;
use proptest::prelude::*;
use rand::SeedableRng;
use spherescope_dsp::{Direction, Rotation};

const W: usize = 256;
const H: usize = 128;

fn picture(grid: &Grid, spectrum: &[f32]) -> Vec<f32> {
    let mut out = Vec::new();
    Interpolator::new(grid, W, H).fill(spectrum, &mut out);
    out
}

/// The direction at the middle of a texel.
fn texel(i: usize) -> Direction {
    let (x, y) = ((i % W) as f64 + 0.5, (i / W) as f64 + 0.5);
    Direction::from_degrees(180.0 - 360.0 * x / W as f64, 90.0 - 180.0 * y / H as f64).unwrap()
}

fn lobe(centre: &Direction, d: &Direction) -> f32 {
    (60.0 * (centre.angle_to_rad(d).cos() - 1.0)).exp() as f32
}

#[test]
fn a_constant_spectrum_is_a_constant_map() {
    for len in [1, 2, 5, 20, 256, 2048, 16384] {
        let grid = Grid::fibonacci(len).unwrap();
        for (i, v) in picture(&grid, &vec![0.7; len]).into_iter().enumerate() {
            assert!((v - 0.7).abs() < 1e-4, "{len} directions: {v} at {:?}", texel(i));
        }
    }
}

#[test]
fn numbers_that_are_none_stay_out() {
    let grid = Grid::fibonacci(512).unwrap();
    let mut spectrum = vec![f32::NAN; 512];
    spectrum[7] = f32::INFINITY;
    assert!(picture(&grid, &spectrum).iter().all(|&v| v == 0.0));
    assert!(picture(&grid, &[]).iter().all(|&v| v == 0.0));
    assert!(picture(&grid, &vec![9.0; 9999]).iter().all(|&v| v > 0.9999));
}

#[test]
fn where_a_grid_does_not_reach_nothing_is_claimed() {
    let upper: Vec<_> =
        Grid::fibonacci(2000).unwrap().directions().iter().copied().filter(|d| d.elevation_deg() > 0.0).collect();
    let grid = Grid::from_directions(upper).unwrap();
    for (i, v) in picture(&grid, &vec![1.0; grid.len()]).into_iter().enumerate() {
        let elevation = texel(i).elevation_deg();
        if elevation > 1.0 {
            assert!((v - 1.0).abs() < 1e-4);
        } else if elevation < -10.0 {
            assert!(v.is_nan());
        }
    }
}

#[test]
fn coincident_directions_are_survived() {
    let grid = Grid::from_directions(vec![Direction::FRONT; 100]).unwrap();
    let map = picture(&grid, &vec![0.5; 100]);
    assert!(map.iter().all(|v| v.is_nan() || (v - 0.5).abs() < 1e-4));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]
    #[test]
    fn a_smooth_spectrum_is_met_everywhere_on_any_rotated_grid(
        len in 1500usize..4000, az in -180.0f64..180.0, el in -90.0f64..90.0, seed: u64,
    ) {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(seed);
        let grid = Grid::fibonacci(len).unwrap().rotated(&Rotation::random(&mut rng));
        let centre = Direction::from_degrees(az, el).unwrap();
        let spectrum: Vec<f32> = grid.directions().iter().map(|d| lobe(&centre, d)).collect();
        for (i, v) in picture(&grid, &spectrum).into_iter().enumerate() {
            let expected = lobe(&centre, &texel(i));
            prop_assert!((v - expected).abs() < 0.04, "{v} for {expected} at {:?}", texel(i));
        }
    }
}

#[test]
fn there_is_no_seam_behind_and_none_at_the_poles() {
    let grid = Grid::fibonacci(2048).unwrap();
    let back = Direction::from_degrees(180.0, 60.0).unwrap();
    let spectrum: Vec<f32> = grid.directions().iter().map(|d| lobe(&back, d)).collect();
    let map = picture(&grid, &spectrum);
    for y in 0..H {
        let inside = (map[y * W + 1] - map[y * W]).abs();
        let across = (map[y * W + W - 1] - map[y * W]).abs();
        assert!(across < inside + 0.05);
    }
    let top = &map[..W];
    let spread = top.iter().copied().fold(0.0, f32::max) - top.iter().copied().fold(1.0, f32::min);
    assert!(spread < 0.02, "the top row is almost one point: {spread}");
}

#[test]
fn half_as_many_texels_make_the_same_picture() {
    const SIZE: [usize; 2] = [512, 256];
    let mut random = rand::rngs::SmallRng::seed_from_u64(5);
    for (len, most) in [(512, 0.02), (2048, 0.03), (4096, 0.04)] {
        let grid = Grid::fibonacci(len).unwrap();
        let mut halved = Interpolator::new(&grid, SIZE[0], SIZE[1]);
        assert!(halved.halved, "{len}");
        let mut whole = Interpolator {
            onto_texels: Runs::collect(SIZE[0] * SIZE[1], &{
                let units = grid.directions().iter().map(|d| d.unit().map(|x| x as f32)).collect::<Vec<_>>();
                let by_z = ByZ::new(&units);
                let reach = |i: usize| (1.75 * by_z.spacing(i)).clamp(1e-3, 2.1);
                // The caps live as long as the test.
                let nodes: Vec<Node> = (0..len).map(|i| Node { unit: units[i], reach: reach(i) }).collect();
                Caps::new(Box::leak(nodes.into_boxed_slice()), SIZE[0], SIZE[1])
            }),
            halved: false,
            ..Interpolator::new(&grid, SIZE[0], SIZE[1])
        };
        // A talker at a pole, one at the seam, and directions that have nothing to do with their neighbours.
        let lobes = [(33.0, 90.0), (180.0, 0.0)].map(|(az, el)| Direction::from_degrees(az, el).unwrap());
        let smooth = |d: &Direction| lobes.iter().map(|l| lobe(l, d)).fold(0.0, f32::max);
        let talkers: Vec<f32> = grid.directions().iter().map(smooth).collect();
        let rough: Vec<f32> = (0..len).map(|_| rand::Rng::random::<f32>(&mut random)).collect();
        for (spectrum, most) in [(talkers, most), (rough, 0.08)] {
            let (mut a, mut b) = (Vec::new(), Vec::new());
            halved.fill(&spectrum, &mut a);
            whole.fill(&spectrum, &mut b);
            let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < most, "{len}: {worst}");
        }
    }
    // Finer grids than that, and grids that end somewhere, keep all texels.
    assert!(!Interpolator::new(&Grid::fibonacci(8192).unwrap(), SIZE[0], SIZE[1]).halved);
    let upper =
        Grid::fibonacci(2000).unwrap().directions().iter().copied().filter(|d| d.elevation_deg() > 0.0).collect();
    assert!(!Interpolator::new(&Grid::from_directions(upper).unwrap(), SIZE[0], SIZE[1]).halved);
}
