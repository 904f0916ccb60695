//! Sound on the surface of a rigid sphere.
//!
//! A plane wave e^(ik u·r) from the direction u is scattered by a rigid sphere of radius a at the origin. On its surface, at an angle θ
//! from u, the pressure is Σ iⁿ (2n+1) Pₙ(cos θ) Rₙ(ka) with Rₙ(x) = −i / (x² hₙ⁽²⁾′(x)), time going as e^(iωt)
//! (P. M. Morse, K. U. Ingard, "Theoretical Acoustics", 1968, section 8.2; R. O. Duda, W. L. Martens, JASA 104, 1998).

use realfft::num_complex::Complex64;

/// Terms that the series may have: enough for ka = 200.
const MOST_ORDERS: usize = 240;
/// Terms below this share of the incident wave are left out.
const NEGLIGIBLE: f64 = 1e-7;

/// Surface coefficients (2n+1) Rₙ(ka) for n = 0, 1, …, as many as count.
pub(crate) fn surface_orders(ka: f64) -> Vec<Complex64> {
    let x = ka.abs();
    if x < 1e-4 {
        return vec![Complex64::ONE];
    }
    let i = Complex64::I;
    // h⁽²⁾ = j − iy by upward recurrence, which is stable for y; j is small where the recurrence would lose it.
    let (s, c) = x.sin_cos();
    let mut here = Complex64::new(s, c) / x;
    let mut next = Complex64::new(s / x - c, c / x + s) / x;
    let mut orders = Vec::new();
    for n in 0..MOST_ORDERS {
        let slope = here * (n as f64 / x) - next;
        let term = -i / (slope * (x * x)) * (2 * n + 1) as f64;
        if !term.is_finite() || (n as f64 > x && term.norm() < NEGLIGIBLE) {
            break;
        }
        orders.push(term);
        (here, next) = (next, next * ((2 * n + 3) as f64 / x) - here);
    }
    orders
}

/// Σ cₙ Pₙ(x), with the factor iⁿ when `turned`.
pub(crate) fn legendre_sum(orders: &[Complex64], x: f64, turned: bool) -> Complex64 {
    let (mut before, mut here) = (0.0, 1.0);
    let mut turn = Complex64::ONE;
    let mut sum = Complex64::ZERO;
    for (n, &order) in orders.iter().enumerate() {
        sum += order * turn * here;
        let n = n as f64;
        (before, here) = (here, ((2.0 * n + 1.0) * x * here - n * before) / (n + 1.0));
        if turned {
            turn *= Complex64::I;
        }
    }
    sum
}

/// Pressure `[re, im]` on the surface of a rigid sphere, relative to that of the plane wave alone at the sphere's centre.
///
/// `ka` is the sphere's circumference in wavelengths, `cos_angle` the cosine of the angle between the point and the direction that the
/// wave comes from. A positive phase is an earlier arrival.
pub fn sphere_pressure(ka: f64, cos_angle: f64) -> [f64; 2] {
    let sum = legendre_sum(&surface_orders(ka), cos_angle.clamp(-1.0, 1.0), true);
    [sum.re, sum.im]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// jₙ(x) by its power series, for any integer n ≥ −x: yₙ = (−1)ⁿ⁺¹ j₋ₙ₋₁.
    fn bessel(n: i32, x: f64) -> f64 {
        // j_n(x) = x^n Σ (−x²/2)^k / (k! (2n+2k+1)!!), double factorials of negative odd numbers included.
        let odd = |m: i32| -> f64 {
            if m >= 0 {
                (1..=m).step_by(2).map(f64::from).product()
            } else {
                let k = (-m - 1) / 2;
                let sign = if k % 2 == 0 { 1.0 } else { -1.0 };
                sign / (1..=2 * k - 1).step_by(2).map(f64::from).product::<f64>()
            }
        };
        let (mut sum, mut power) = (0.0, 1.0);
        for k in 0..60 {
            sum += power / odd(2 * n + 2 * k + 1);
            power *= -x * x / 2.0 / f64::from(k + 1);
        }
        x.powi(n) * sum
    }

    #[test]
    fn the_series_is_incident_and_scattered_sound_with_no_flow_through_the_wall() {
        for ka in [0.3, 1.0, 2.5, 6.0] {
            for cos_angle in [1.0, 0.4, -0.3, -1.0] {
                let h = |n: i32, x: f64| {
                    let sign = if n % 2 == 0 { -1.0 } else { 1.0 };
                    Complex64::new(bessel(n, x), -sign * bessel(-n - 1, x))
                };
                let slope = |f: &dyn Fn(f64) -> Complex64| (f(ka + 1e-5) - f(ka - 1e-5)) / 2e-5;
                let mut expected = Complex64::ZERO;
                let (mut before, mut here) = (0.0, 1.0);
                for n in 0..20 {
                    // The scattered part cancels the velocity of the incident one at the wall.
                    let j = |x: f64| Complex64::from(bessel(n, x));
                    let scattered = -slope(&j) / slope(&|x| h(n, x)) * h(n, ka);
                    expected += Complex64::I.powi(n) * f64::from(2 * n + 1) * here * (j(ka) + scattered);
                    let m = f64::from(n);
                    (before, here) = (here, ((2.0 * m + 1.0) * cos_angle * here - m * before) / (m + 1.0));
                }
                let [re, im] = sphere_pressure(ka, cos_angle);
                assert!((Complex64::new(re, im) - expected).norm() < 1e-5, "{ka} {cos_angle}: {re} {im} {expected}");
            }
        }
    }

    #[test]
    fn long_waves_go_around_and_short_ones_double() {
        let [re, im] = sphere_pressure(1e-3, -1.0);
        assert!((re - 1.0).abs() < 1e-3 && im.abs() < 2e-3);
        // Long waves arrive 3/2 · a/c earlier in front (Kuhn, JASA 62, 1977).
        let [re, im] = sphere_pressure(0.05, 1.0);
        assert!((im.atan2(re) / 0.05 - 1.5).abs() < 0.01);
        let [re, im] = sphere_pressure(60.0, 1.0);
        assert!((re.hypot(im) - 2.0).abs() < 0.03);
    }
}
