//! Tensor operations that candle lacks or does differently from what a plugin needs.

use candle_core::backend::BackendStorage;
use candle_core::{CpuStorage, CustomOp2, DType, Layout, Result, Shape, Tensor, bail};
use gemm::{Parallelism, gemm};

/// Matrix product of two rank-2 tensors of singles, on the calling thread alone.
///
/// candle's own product asks the environment for a number of threads at each call and starts rayon's global pool; a plugin must
/// leave the host's process alone.
pub fn matmul(lhs: &Tensor, rhs: &Tensor) -> Result<Tensor> {
    lhs.apply_op2(rhs, MatMul)
}

/// x Wᵀ + b over the last dimension: `x` `[…, in]`, `weight` `[out, in]`, `bias` `[out]`.
pub fn linear(x: &Tensor, weight: &Tensor, bias: &Tensor) -> Result<Tensor> {
    let mut dims = x.dims().to_vec();
    let inputs = dims.pop().unwrap_or(1);
    let rows = x.elem_count() / inputs.max(1);
    let y = matmul(&x.reshape((rows, inputs))?, &weight.t()?)?.broadcast_add(bias)?;
    dims.push(weight.dim(0)?);
    y.reshape(dims)
}

struct MatMul;

impl CustomOp2 for MatMul {
    fn name(&self) -> &'static str {
        "matmul-on-this-thread"
    }

    fn cpu_fwd(&self, a: &CpuStorage, a_at: &Layout, b: &CpuStorage, b_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let ((m, k), (k_b, n)) = (a_at.shape().dims2()?, b_at.shape().dims2()?);
        if k != k_b {
            bail!("matmul: expected {k} rows on the right, found {k_b}");
        }
        let (CpuStorage::F32(a), CpuStorage::F32(b)) = (a, b) else {
            bail!("matmul: expected {:?} on both sides, found {:?} and {:?}", DType::F32, a.dtype(), b.dtype());
        };
        let mut out = vec![0f32; m * n];
        let (a, b) = (&a[a_at.start_offset()..], &b[b_at.start_offset()..]);
        let ([a_row, a_col], [b_row, b_col]) = (strides(a_at), strides(b_at));
        let reaches = |rows: usize, cols: usize, [row, col]: [usize; 2], len: usize| {
            rows == 0 || cols == 0 || (rows - 1) * row + (cols - 1) * col < len
        };
        if !reaches(m, k, [a_row, a_col], a.len()) || !reaches(k, n, [b_row, b_col], b.len()) {
            bail!("matmul: a layout reaches beyond its storage");
        }
        // SAFETY: `out` holds m·n values in rows of n; the largest index that either side's strides reach was checked to lie inside its
        // slice. The destination is not read.
        unsafe {
            gemm(
                m,
                n,
                k,
                out.as_mut_ptr(),
                1,
                n as isize,
                false,
                a.as_ptr(),
                a_col as isize,
                a_row as isize,
                b.as_ptr(),
                b_col as isize,
                b_row as isize,
                0f32,
                1f32,
                false,
                false,
                false,
                Parallelism::None,
            );
        }
        Ok((CpuStorage::F32(out), (m, n).into()))
    }

    fn bwd(
        &self,
        lhs: &Tensor,
        rhs: &Tensor,
        _result: &Tensor,
        grad: &Tensor,
    ) -> Result<(Option<Tensor>, Option<Tensor>)> {
        Ok((Some(matmul(grad, &rhs.t()?)?), Some(matmul(&lhs.t()?, grad)?)))
    }
}

fn strides(layout: &Layout) -> [usize; 2] {
    match layout.stride() {
        [row, col] => [*row, *col],
        _ => [0, 0],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use candle_core::{Device, Var};

    fn random(shape: (usize, usize)) -> Var {
        Var::randn(0f32, 1f32, shape, &Device::Cpu).unwrap()
    }

    fn worst(a: &Tensor, b: &Tensor) -> f32 {
        (a - b).unwrap().abs().unwrap().max_all().unwrap().to_scalar().unwrap()
    }

    #[test]
    fn products_and_gradients_are_candles_own() {
        for (m, k, n) in [(1, 1, 1), (3, 5, 7), (64, 33, 20), (256, 96, 13)] {
            let (a, b) = (random((m, k)), random((k, n)));
            assert!(worst(&matmul(&a, &b).unwrap(), &a.matmul(&b).unwrap()) < 1e-4);
            let ours = matmul(&a, &b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
            let theirs = a.matmul(&b).unwrap().sqr().unwrap().sum_all().unwrap().backward().unwrap();
            for v in [&a, &b] {
                assert!(worst(ours.get(v).unwrap(), theirs.get(v).unwrap()) < 1e-2);
            }
        }
    }

    #[test]
    fn any_layout_of_the_operands_serves() {
        let (a, b) = (random((20, 9)), random((20, 11)));
        let found = matmul(&a.t().unwrap(), &b).unwrap();
        assert!(worst(&found, &a.t().unwrap().contiguous().unwrap().matmul(&b).unwrap()) < 1e-4);
        let (top, part) = (a.narrow(0, 3, 5).unwrap(), b.narrow(1, 2, 4).unwrap().narrow(0, 1, 9).unwrap());
        let expected = top.contiguous().unwrap().matmul(&part.contiguous().unwrap()).unwrap();
        assert!(worst(&matmul(&top, &part).unwrap(), &expected) < 1e-4);
    }

    #[test]
    fn sizes_that_do_not_fit_are_refused() {
        assert!(matmul(&random((2, 3)), &random((2, 3))).is_err());
    }
}
