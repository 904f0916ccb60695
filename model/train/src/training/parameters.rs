//! The parameters of a network in training: candle variables by name, and the same as one flat vector.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;

use candle_core::{DType, Device, Tensor, Var};
use candle_nn::VarBuilder;
use rand::Rng;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use spherescope_model::augeonet::{self, AuGeonet};
use spherescope_model::config::{Config, METADATA_KEY};
use spherescope_model::parameter::{Begin, Parameter};

use super::muon::{Matrix, SMALLEST};
use crate::vector::{normal_pair, stream};

/// The bins' frequencies: trained as increments, and only when asked.
const BINS: &str = "frequencies_hz";
/// Gates of a recurrent unit, whose weights are one above the other.
const GATES: usize = 3;
/// Smallest and largest increment from bin to bin, in units of the spacing of a DFT of the window (the paper's ε_min and ε_max).
const INCREMENTS: [f32; 2] = [0.01, 100.0];
/// The first bin lies at least so high, in the same units, and the last at most at [`HIGHEST_HZ`].
const FIRST: f32 = 0.1;
/// Highest frequency of a bin in Hz: just below half the lowest sample rate.
const HIGHEST_HZ: f32 = 7990.0;

/// Why parameters cannot be read.
#[derive(Clone, Debug, PartialEq)]
pub struct ParametersError(pub String);

impl fmt::Display for ParametersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ParametersError {}

impl From<candle_core::Error> for ParametersError {
    fn from(e: candle_core::Error) -> Self {
        Self(e.to_string().lines().next().unwrap_or_default().to_owned())
    }
}

/// Named variables of one network.
#[derive(Debug)]
pub struct Parameters {
    config: Config,
    layout: Vec<Parameter>,
    vars: Vec<Var>,
    learn_bins: bool,
}

impl Parameters {
    /// Fresh parameters from a seed; `learn_bins` counts the bins' frequencies among those that are trained.
    ///
    /// # Errors
    /// A configuration that cannot be built.
    pub fn fresh(config: &Config, seed: u64, learn_bins: bool) -> Result<Self, ParametersError> {
        config.check().map_err(ParametersError)?;
        let layout = augeonet::parameters(&config.augeonet);
        let mut vars = Vec::with_capacity(layout.len());
        for (i, parameter) in layout.iter().enumerate() {
            let mut rng = stream(seed, 0x100 + i as u64);
            let n = parameter.elements();
            let values: Vec<f32> = match &parameter.begin {
                Begin::Constant(x) => vec![*x; n],
                Begin::Uniform(bound) => (0..n).map(|_| rng.random_range(-bound..=*bound)).collect(),
                Begin::Normal(deviation) => (0..n).map(|_| deviation * normal_pair(&mut rng)[0]).collect(),
                Begin::Values(values) => values.clone(),
            };
            vars.push(Var::from_vec(values, parameter.shape.as_slice(), &Device::Cpu)?);
        }
        Ok(Self { config: config.clone(), layout, vars, learn_bins })
    }

    /// Takes over what another network has learned: tensors of the same name; where ours is larger along a dimension, the rest is 0.
    ///
    /// Returns the names of the tensors that the file lacks.
    ///
    /// # Errors
    /// Bytes that are not a file of weights, or a tensor larger than ours.
    pub fn take_over(&mut self, bytes: &[u8]) -> Result<Vec<String>, ParametersError> {
        let file = SafeTensors::deserialize(bytes).map_err(|e| ParametersError(e.to_string()))?;
        let mut missing = Vec::new();
        for (parameter, var) in self.layout.iter().zip(&self.vars) {
            let Ok(view) = file.tensor(&parameter.name) else {
                missing.push(parameter.name.clone());
                continue;
            };
            let (theirs, ours) = (view.shape(), &parameter.shape);
            if theirs.len() != ours.len() || theirs.iter().zip(ours).any(|(a, b)| a > b) {
                return Err(ParametersError(format!(
                    "{}: expected at most {ours:?}, found {theirs:?}",
                    parameter.name
                )));
            }
            let values = singles(&view)?;
            let mut tensor = Tensor::from_vec(values, theirs, &Device::Cpu)?;
            for (d, (a, b)) in theirs.iter().zip(ours).enumerate() {
                tensor = tensor.pad_with_zeros(d, 0, b - a)?;
            }
            var.set(&tensor)?;
        }
        Ok(missing)
    }

    /// The configuration.
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// Number of values that are trained.
    pub fn trained_len(&self) -> usize {
        self.trained().map(|(p, _)| p.elements()).sum()
    }

    /// Names and shapes of what is trained, in the order of [`Parameters::values`].
    pub(super) fn shapes(&self) -> Vec<(&str, &[usize])> {
        self.trained().map(|(p, _)| (p.name.as_str(), p.shape.as_slice())).collect()
    }

    fn trained(&self) -> impl Iterator<Item = (&Parameter, &Var)> {
        self.layout.iter().zip(&self.vars).filter(|(p, _)| self.learn_bins || p.name != BINS)
    }

    /// Spacing of a DFT of the window in Hz: the unit of the increments.
    fn spacing_hz(&self) -> f32 {
        (1.0 / self.config.window_s) as f32
    }

    /// Frequencies of the bins in Hz, `[K]`.
    ///
    /// # Errors
    /// Of candle only.
    pub fn frequencies_hz(&self) -> Result<Vec<f64>, ParametersError> {
        match self.layout.iter().zip(&self.vars).find(|(p, _)| p.name == BINS) {
            Some((_, var)) => Ok(var.to_vec1::<f32>()?.into_iter().map(f64::from).collect()),
            None => Ok(Vec::new()),
        }
    }

    /// Where the increments of the bins lie among all trained values; an empty range when they are not trained.
    pub fn bins(&self) -> Range<usize> {
        let mut at = 0;
        for (parameter, _) in self.trained() {
            let n = parameter.elements();
            if parameter.name == BINS {
                return at..at + n;
            }
            at += n;
        }
        0..0
    }

    /// The matrices among all trained values that Muon is meant for: weights between hidden channels, each gate by itself.
    /// What weighs bins or degrees is none, nor is the way to the few fields that are scored.
    pub fn matrices(&self) -> Vec<Matrix> {
        let (mut at, mut matrices) = (0, Vec::new());
        for (parameter, _) in self.trained() {
            let gates = if parameter.name.contains(".gru.") { GATES } else { 1 };
            let weights = parameter.name.rsplit('.').next().is_some_and(|last| last.starts_with("weight"));
            if let [rows, columns] = *parameter.shape.as_slice()
                && weights
                && (rows / gates).min(columns) >= SMALLEST
            {
                let rows = rows / gates;
                matrices.extend((0..gates).map(|gate| Matrix { at: at + gate * rows * columns, rows, columns }));
            }
            at += parameter.elements();
        }
        matrices
    }

    /// Brings the increments among all trained `values` back to where bins may be: each within the paper's bounds, none above the
    /// highest frequency.
    pub fn constrain(&self, values: &mut [f32]) {
        let bins = self.bins();
        let highest = HIGHEST_HZ / self.spacing_hz();
        let Some(increments) = values.get_mut(bins).filter(|i| !i.is_empty()) else { return };
        for a in increments.iter_mut() {
            *a = a.clamp(INCREMENTS[0], INCREMENTS[1]);
        }
        increments[0] = increments[0].max(FIRST);
        let last: f32 = increments.iter().sum();
        if last > highest {
            increments.iter_mut().for_each(|a| *a *= highest / last);
        }
    }

    /// Increments to frequencies in Hz.
    fn sums_hz(&self, increments: &[f32]) -> Vec<f32> {
        let spacing = f64::from(self.spacing_hz());
        let mut sum = 0.0f64;
        increments
            .iter()
            .map(|a| {
                sum += f64::from(*a);
                (sum * spacing) as f32
            })
            .collect()
    }

    /// All trained values, one after the other; bins as increments in units of the spacing of a DFT.
    ///
    /// # Errors
    /// Of candle only.
    pub fn values(&self) -> Result<Vec<f32>, ParametersError> {
        let mut all = Vec::with_capacity(self.trained_len());
        for (parameter, var) in self.trained() {
            let values = var.flatten_all()?.to_vec1::<f32>()?;
            if parameter.name == BINS {
                let mut last = 0.0;
                all.extend(values.iter().map(|f| (f - std::mem::replace(&mut last, *f)) / self.spacing_hz()));
            } else {
                all.extend(values);
            }
        }
        Ok(all)
    }

    /// Sets all trained values.
    ///
    /// # Errors
    /// When there are too few or too many.
    pub fn set_values(&self, values: &[f32]) -> Result<(), ParametersError> {
        if values.len() != self.trained_len() {
            return Err(ParametersError(format!("expected {} values, found {}", self.trained_len(), values.len())));
        }
        let mut at = 0;
        for (parameter, var) in self.trained() {
            let n = parameter.elements();
            let these = &values[at..at + n];
            let these = if parameter.name == BINS { self.sums_hz(these) } else { these.to_vec() };
            var.set(&Tensor::from_vec(these, parameter.shape.as_slice(), &Device::Cpu)?)?;
            at += n;
        }
        Ok(())
    }

    /// The gradient of a loss with respect to all trained values, in the order of [`Parameters::values`].
    ///
    /// # Errors
    /// Of candle only.
    pub fn gradient(&self, loss: &Tensor) -> Result<Vec<f32>, ParametersError> {
        let store = loss.backward()?;
        let mut all = Vec::with_capacity(self.trained_len());
        for (parameter, var) in self.trained() {
            match store.get(var) {
                // An increment moves all bins from its own on.
                Some(g) if parameter.name == BINS => {
                    let mut slopes = g.to_vec1::<f32>()?;
                    for i in (0..slopes.len().saturating_sub(1)).rev() {
                        slopes[i] += slopes[i + 1];
                    }
                    all.extend(slopes.into_iter().map(|s| s * self.spacing_hz()));
                }
                Some(g) => all.extend(g.flatten_all()?.to_vec1::<f32>()?),
                None => all.resize(all.len() + parameter.elements(), 0.0),
            }
        }
        Ok(all)
    }

    /// Moves the running means and variances of batch norms, among all trained `values`, a share of the way to what was `observed`.
    pub fn follow_moments(&self, values: &mut [f32], observed: &[f32], share: f32) {
        let mut at = 0;
        let mut observed = observed.iter();
        for (parameter, _) in self.trained() {
            let n = parameter.elements();
            if parameter.name.contains(".running_") {
                for (value, seen) in values[at..at + n].iter_mut().zip(observed.by_ref()) {
                    *value += share * (seen - *value);
                }
            }
            at += n;
        }
    }

    /// The network over these variables: what it computes can be differentiated.
    ///
    /// # Errors
    /// Of candle only.
    pub fn module(&self) -> Result<AuGeonet, ParametersError> {
        let tensors: HashMap<String, Tensor> =
            self.layout.iter().zip(&self.vars).map(|(p, v)| (p.name.clone(), v.as_tensor().clone())).collect();
        let vb = VarBuilder::from_tensors(tensors, DType::F32, &Device::Cpu);
        Ok(AuGeonet::load(&self.config, &vb)?)
    }

    /// A file of weights with these values in place of the present ones, configuration included.
    ///
    /// # Errors
    /// When there are too few or too many values.
    pub fn file_with(&self, values: &[f32]) -> Result<Vec<u8>, ParametersError> {
        if values.len() != self.trained_len() {
            return Err(ParametersError(format!("expected {} values, found {}", self.trained_len(), values.len())));
        }
        let mut at = 0;
        let mut bytes: Vec<(String, Vec<usize>, Vec<u8>)> = Vec::new();
        for (parameter, var) in self.layout.iter().zip(&self.vars) {
            let bins = parameter.name == BINS;
            let these = if bins && !self.learn_bins {
                var.flatten_all()?.to_vec1::<f32>()?
            } else {
                let n = parameter.elements();
                at += n;
                let these = &values[at - n..at];
                if bins { self.sums_hz(these) } else { these.to_vec() }
            };
            let little_endian = these.iter().flat_map(|x| x.to_le_bytes()).collect();
            bytes.push((parameter.name.clone(), parameter.shape.clone(), little_endian));
        }
        let views: Vec<(String, TensorView<'_>)> = bytes
            .iter()
            .map(|(name, shape, data)| {
                let view =
                    TensorView::new(Dtype::F32, shape.clone(), data).map_err(|e| ParametersError(e.to_string()))?;
                Ok((name.clone(), view))
            })
            .collect::<Result<_, ParametersError>>()?;
        let config = serde_json::to_string(&self.config).map_err(|e| ParametersError(e.to_string()))?;
        safetensors::serialize(views, Some(HashMap::from([(METADATA_KEY.to_owned(), config)])))
            .map_err(|e| ParametersError(e.to_string()))
    }
}

pub(super) fn singles(view: &TensorView<'_>) -> Result<Vec<f32>, ParametersError> {
    if view.dtype() != Dtype::F32 {
        return Err(ParametersError(format!("expected F32, found {:?}", view.dtype())));
    }
    Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::training::Recipe;

    fn parameters() -> Parameters {
        Parameters::fresh(&Recipe::named("quick").unwrap().network, 1, true).unwrap()
    }

    #[test]
    fn increments_and_frequencies_are_the_same_bins() {
        let parameters = parameters();
        let values = parameters.values().unwrap();
        let bins = parameters.bins();
        let before = parameters.frequencies_hz().unwrap();
        assert_eq!(bins.len(), before.len());
        assert!((f64::from(values[bins.start]) * 31.25 - before[0]).abs() < 1e-3);
        parameters.set_values(&values).unwrap();
        for (a, b) in before.iter().zip(parameters.frequencies_hz().unwrap()) {
            assert!((a - b).abs() < 1e-2, "{a} {b}");
        }
    }

    #[test]
    fn bins_stay_in_order_and_below_the_highest_frequency() {
        let parameters = parameters();
        let mut values = parameters.values().unwrap();
        let bins = parameters.bins();
        values[bins.start] = -3.0;
        values[bins.start + 5] = -1.0;
        values[bins.end - 1] = 4000.0;
        parameters.constrain(&mut values);
        parameters.set_values(&values).unwrap();
        let found = parameters.frequencies_hz().unwrap();
        assert!(found[0] > 0.0 && found.windows(2).all(|w| w[1] > w[0]), "{found:?}");
        assert!(found[found.len() - 1] <= f64::from(HIGHEST_HZ) + 0.1);
    }

    #[test]
    fn matrices_are_the_weights_between_hidden_channels() {
        let parameters = parameters();
        let (h, blocks) = (24, 2);
        let matrices = parameters.matrices();
        // Six gates, two layers and the context in each block; the way in; the evidence.
        assert_eq!(matrices.len(), blocks * (6 + 2 + 1) + 2);
        assert_eq!(matrices.iter().filter(|m| (m.rows, m.columns) == (h, h)).count(), blocks * 6);
        let mut last = 0;
        for matrix in &matrices {
            assert!(matrix.at >= last, "{matrix:?}");
            last = matrix.range().end;
        }
        assert!(last <= parameters.trained_len());
        // Where they lie is where the weights lie.
        let (mut at, mut found) = (0, 0);
        for (name, shape) in parameters.shapes() {
            let here = matrices.iter().filter(|m| m.at >= at && m.at < at + shape.iter().product::<usize>());
            found += here.inspect(|m| assert_eq!(m.columns, shape[1], "{name}")).count();
            at += shape.iter().product::<usize>();
        }
        assert_eq!(found, matrices.len());
    }
}
