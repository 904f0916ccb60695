//! The inner loops of the streaming network, for whatever vectors the processor has.
//!
//! Everything here is written once against [`pulp::Simd`] and compiled for each instruction set; [`pulp::Arch`] picks at run time. Widths
//! are multiples of [`LANES`], so that no loop has a remainder across columns. Vectors never go through closures: compilers leave those
//! outside of the functions that have the processor's instructions, and then every vector takes the way through memory.

use pulp::Simd;

/// Every width is a multiple of this: the lanes of the widest vectors.
pub(super) const LANES: usize = 16;

/// `len` rounded up to whole vectors.
pub(super) fn padded(len: usize) -> usize {
    len.next_multiple_of(LANES)
}

/// A matrix that is read element by element: values, and the strides of rows and columns.
#[derive(Clone, Copy)]
pub(super) struct Elements<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
    pub(super) column: usize,
}

/// A matrix that is read in vectors along its rows: values, and the stride of rows.
#[derive(Clone, Copy)]
pub(super) struct Rows<'a> {
    pub(super) values: &'a [f32],
    pub(super) row: usize,
}

/// Where a product goes: values, the stride of rows, and whether it is added to what is there.
pub(super) struct Target<'a> {
    pub(super) values: &'a mut [f32],
    pub(super) row: usize,
    pub(super) add: bool,
}

/// A [`Target`] whose bounds have been checked.
#[derive(Clone, Copy)]
struct Raw {
    start: *mut f32,
    row: usize,
    add: bool,
}

/// `out` `[m, n]` (+)= a `[m, k]` · b `[k, n]`; n is a multiple of [`LANES`].
///
/// # Panics
/// When an operand is shorter than its shape says: a mistake of this crate, never of its input.
#[inline(always)]
pub(super) fn product<S: Simd>(simd: S, out: Target<'_>, [m, k, n]: [usize; 3], a: Elements<'_>, b: Rows<'_>) {
    if m == 0 || n == 0 || k == 0 {
        return;
    }
    assert!(n.is_multiple_of(LANES), "products: {n} columns");
    assert!((m - 1) * a.row + (k - 1) * a.column < a.values.len(), "products: left side");
    assert!((k - 1) * b.row + n <= b.values.len(), "products: right side");
    assert!((m - 1) * out.row + n <= out.values.len() && (m == 1 || out.row >= n), "products: result");
    let out = Raw { start: out.values.as_mut_ptr(), row: out.row, add: out.add };
    // SAFETY: the four assertions above bound every index that `tiles` reaches; the result is borrowed mutably for all of this call.
    unsafe {
        let mut row = 0;
        if S::REGISTER_COUNT >= 32 {
            // 48 channels are three vectors: two and then one would leave half of the registers empty every other time.
            row = match (n / S::F32_LANES).is_multiple_of(3) {
                true => tiles::<S, 8, 3>(simd, out, row, [m, k, n], a, b),
                false => tiles::<S, 8, 2>(simd, out, row, [m, k, n], a, b),
            };
        }
        row = tiles::<S, 4, 2>(simd, out, row, [m, k, n], a, b);
        row = tiles::<S, 2, 4>(simd, out, row, [m, k, n], a, b);
        tiles::<S, 1, 4>(simd, out, row, [m, k, n], a, b);
    }
}

/// All whole bands of `MR` rows from `row` on, in tiles of `NV` vectors; the first row that is left.
///
/// # Safety
/// As [`product`] asserts.
#[inline(always)]
unsafe fn tiles<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    out: Raw,
    mut row: usize,
    [m, k, n]: [usize; 3],
    a: Elements<'_>,
    b: Rows<'_>,
) -> usize {
    let (wide, lanes) = (NV * S::F32_LANES, S::F32_LANES);
    while row + MR <= m {
        let mut column = 0;
        // SAFETY: row + MR ≤ m and the columns of a tile stay below n.
        unsafe {
            while column + wide <= n {
                tile::<S, MR, NV>(simd, out, [row, column], k, a, b);
                column += wide;
            }
            while column + lanes <= n {
                tile::<S, MR, 1>(simd, out, [row, column], k, a, b);
                column += lanes;
            }
        }
        row += MR;
    }
    row
}

/// One tile of `MR` rows and `NV` vectors, kept in registers over all k.
///
/// # Safety
/// The tile lies inside `out`, and the rows and columns that it takes inside `a` and `b`.
#[inline(always)]
unsafe fn tile<S: Simd, const MR: usize, const NV: usize>(
    simd: S,
    out: Raw,
    [row, column]: [usize; 2],
    k: usize,
    a: Elements<'_>,
    b: Rows<'_>,
) {
    let mut sums = [[simd.splat_f32s(0.0); NV]; MR];
    // SAFETY: the caller's promise; a vector is as many plain singles, read and written without alignment.
    unsafe {
        let mut left = a.values.as_ptr().add(row * a.row);
        let mut right = b.values.as_ptr().add(column);
        for _ in 0..k {
            let mut across = [simd.splat_f32s(0.0); NV];
            for (v, across) in across.iter_mut().enumerate() {
                *across = right.add(v * S::F32_LANES).cast::<S::f32s>().read_unaligned();
            }
            for (r, sums) in sums.iter_mut().enumerate() {
                let factor = simd.splat_f32s(*left.add(r * a.row));
                for (sum, across) in sums.iter_mut().zip(across) {
                    *sum = simd.mul_add_e_f32s(factor, across, *sum);
                }
            }
            left = left.wrapping_add(a.column);
            right = right.wrapping_add(b.row);
        }
        for (r, sums) in sums.into_iter().enumerate() {
            for (v, sum) in sums.into_iter().enumerate() {
                let at = out.start.add((row + r) * out.row + column + v * S::F32_LANES).cast::<S::f32s>();
                let sum = if out.add { simd.add_f32s(sum, at.read_unaligned()) } else { sum };
                at.write_unaligned(sum);
            }
        }
    }
}

/// The vectors of a slice whose length is a multiple of [`LANES`].
#[inline(always)]
pub(in crate::lifted) fn vectors<S: Simd>(x: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(x).0
}

/// The same, to be written.
#[inline(always)]
pub(in crate::lifted) fn vectors_mut<S: Simd>(x: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(x).0
}

/// e^x within 2e−7 relative for |x| ≤ 87; the same polynomial as the scalar one of the operations for training.
#[inline(always)]
pub(in crate::lifted) fn exp<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let s = |x| simd.splat_f32s(x);
    let x = simd.max_f32s(simd.min_f32s(x, s(87.0)), s(-87.0));
    // Adding and taking 1.5 · 2²³ rounds to the nearest whole number.
    let whole = simd.add_f32s(simd.mul_f32s(x, s(std::f32::consts::LOG2_E)), s(12_582_912.0));
    let n = simd.sub_f32s(whole, s(12_582_912.0));
    let r = simd.mul_add_e_f32s(n, s(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, s(2.121_944_4e-4), r);
    let p = s(1.987_569_1e-4);
    let p = simd.mul_add_e_f32s(p, r, s(1.398_2e-3));
    let p = simd.mul_add_e_f32s(p, r, s(8.333_452e-3));
    let p = simd.mul_add_e_f32s(p, r, s(4.166_579_6e-2));
    let p = simd.mul_add_e_f32s(p, r, s(1.666_666_5e-1));
    let p = simd.mul_add_e_f32s(p, r, s(0.5));
    let e = simd.add_f32s(simd.mul_add_e_f32s(simd.mul_f32s(p, r), r, r), s(1.0));
    let shifted = simd.wrapping_dyn_shl_u32s(simd.transmute_u32s_f32s(whole), simd.splat_u32s(23));
    simd.transmute_f32s_u32s(simd.add_u32s(simd.transmute_u32s_f32s(e), shifted))
}

/// 1 / x for x from 1 to 1e38, to single precision and without a division: a first guess from the bits, within 12 %, and three steps of
/// Newton's method, each of which squares its error.
#[inline(always)]
fn reciprocal<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let two = simd.splat_f32s(2.0);
    let mut y = simd.transmute_f32s_u32s(simd.sub_u32s(simd.splat_u32s(0x7EF3_11C3), simd.transmute_u32s_f32s(x)));
    for _ in 0..3 {
        y = simd.mul_f32s(y, simd.negate_mul_add_e_f32s(x, y, two));
    }
    y
}

/// 1 / (1 + e^−x).
#[inline(always)]
pub(super) fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    reciprocal(simd, simd.add_f32s(one, exp(simd, simd.sub_f32s(simd.splat_f32s(0.0), x))))
}

/// Hyperbolic tangent.
#[inline(always)]
pub(super) fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (one, two) = (simd.splat_f32s(1.0), simd.splat_f32s(2.0));
    simd.sub_f32s(simd.mul_f32s(two, sigmoid(simd, simd.mul_f32s(two, x))), one)
}

/// ELU with α = 1, in place.
#[inline(always)]
pub(super) fn elu<S: Simd>(simd: S, x: &mut [f32]) {
    let (zero, one) = (simd.splat_f32s(0.0), simd.splat_f32s(1.0));
    for x in vectors_mut::<S>(x) {
        let below = simd.sub_f32s(exp(simd, simd.min_f32s(*x, zero)), one);
        *x = simd.add_f32s(simd.max_f32s(*x, zero), below);
    }
}

/// Layer norm of every row of `width` values: gain and bias `[width]`, ε = 1e−5.
#[inline(always)]
pub(super) fn layer_norm<S: Simd>(simd: S, out: &mut [f32], x: &[f32], [gain, bias]: [&[f32]; 2]) {
    let width = gain.len();
    let per = 1.0 / width as f32;
    let (gain, bias) = (vectors::<S>(gain), vectors::<S>(bias));
    for (out, x) in out.chunks_exact_mut(width).zip(x.chunks_exact(width)) {
        let (out, x) = (vectors_mut::<S>(out), vectors::<S>(x));
        let mut sum = simd.splat_f32s(0.0);
        for x in x {
            sum = simd.add_f32s(sum, *x);
        }
        let mean = simd.splat_f32s(simd.reduce_sum_f32s(sum) * per);
        let mut squares = simd.splat_f32s(0.0);
        for x in x {
            let d = simd.sub_f32s(*x, mean);
            squares = simd.mul_add_e_f32s(d, d, squares);
        }
        let scale = simd.splat_f32s((simd.reduce_sum_f32s(squares) * per + 1e-5).sqrt().recip());
        for (((out, x), gain), bias) in out.iter_mut().zip(x).zip(gain).zip(bias) {
            let d = simd.mul_f32s(simd.sub_f32s(*x, mean), scale);
            *out = simd.mul_add_e_f32s(d, *gain, *bias);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::{Arch, WithSimd};
    use rand::{Rng, SeedableRng};

    struct Product<'a> {
        out: Target<'a>,
        shape: [usize; 3],
        a: Elements<'a>,
        b: Rows<'a>,
    }

    impl WithSimd for Product<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            product(simd, self.out, self.shape, self.a, self.b);
        }
    }

    #[test]
    fn products_of_every_height_and_stride_are_the_plain_sums() {
        let mut rng = rand::rngs::SmallRng::seed_from_u64(3);
        let mut random = |n: usize| (0..n).map(|_| rng.random_range(-1.0..1.0)).collect::<Vec<f32>>();
        for m in 1..=19 {
            for (k, n, transposed, add) in
                [(1, 16, false, false), (7, 48, true, true), (33, 96, false, true), (5, 80, true, false)]
            {
                let (a, b, before) = (random(m * k), random(k * (n + 3)), random(m * (n + 5)));
                let strides = if transposed { [1, m] } else { [k, 1] };
                let elements = Elements { values: &a, row: strides[0], column: strides[1] };
                let rows = Rows { values: &b, row: n + 3 };
                let mut found = before.clone();
                Arch::new().dispatch(Product {
                    out: Target { values: &mut found, row: n + 5, add },
                    shape: [m, k, n],
                    a: elements,
                    b: rows,
                });
                for i in 0..m {
                    for j in 0..n + 5 {
                        let sum: f32 =
                            (0..k).map(|l| a[i * strides[0] + l * strides[1]] * b[l * (n + 3) + j.min(n)]).sum();
                        let old = before[i * (n + 5) + j];
                        let expected = if j >= n {
                            old
                        } else if add {
                            old + sum
                        } else {
                            sum
                        };
                        assert!((found[i * (n + 5) + j] - expected).abs() < 1e-5, "{m} {k} {n}: {i} {j}");
                    }
                }
            }
        }
    }

    struct Curves<'a>([&'a mut [f32]; 4]);

    impl WithSimd for Curves<'_> {
        type Output = ();

        fn with_simd<S: Simd>(self, simd: S) {
            let [a, b, c, d] = self.0;
            vectors_mut::<S>(a).iter_mut().for_each(|x| *x = exp(simd, *x));
            vectors_mut::<S>(b).iter_mut().for_each(|x| *x = tanh(simd, *x));
            elu(simd, c);
            vectors_mut::<S>(d).iter_mut().for_each(|x| *x = sigmoid(simd, *x));
        }
    }

    #[test]
    fn curves_are_the_library_s() {
        let x: Vec<f32> = (0..4096).map(|i| (i as f32 - 2048.0) * 0.04).collect();
        let (mut e, mut t, mut l, mut s) = (x.clone(), x.clone(), x.clone(), x.clone());
        Arch::new().dispatch(Curves([&mut e, &mut t, &mut l, &mut s]));
        for (i, x) in x.iter().enumerate() {
            assert!((e[i] / x.exp() - 1.0).abs() < 1e-6, "exp {x}");
            assert!((t[i] - x.tanh()).abs() < 1e-6, "tanh {x}");
            assert!((s[i] * (1.0 + (-x).exp()) - 1.0).abs() < 1e-6, "sigmoid {x}");
            assert!((l[i] - if *x > 0.0 { *x } else { x.exp_m1() }).abs() < 1e-6, "elu {x}");
        }
    }
}
