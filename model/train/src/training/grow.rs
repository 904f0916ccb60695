//! A trained network in a larger one of nearly the same scores, so that training need not begin anew.
//!
//! Channels, hidden units and bands are added as T. Chen, I. Goodfellow and J. Shlens do it (Net2Net, ICLR 2016): a new unit repeats an
//! old one, and whoever listens to the two shares the old weight out between them, unevenly, so that they part ways in training. Layer
//! norms see some channels twice; where all are repeated the scores stay as they are, else nearly so. Further bins take the weights that
//! the old ones have at their frequencies.

use std::borrow::Cow;
use std::collections::HashMap;
use std::ops::Range;

use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use spherescope_model::augeonet;
use spherescope_model::config::{AuGeonetConfig, Config, LiftedConfig, METADATA_KEY};
use spherescope_model::evidence::{self, FRAME_FEATURES};
use spherescope_model::parameter::Parameter;

use super::Parameters;
use super::parameters::{ParametersError, singles};
use crate::vector::stream;

/// A matrix; a vector is one of one column.
#[derive(Clone)]
struct Matrix {
    shape: Vec<usize>,
    values: Vec<f32>,
}

impl Matrix {
    fn columns(&self) -> usize {
        self.shape.get(1).copied().unwrap_or(1)
    }

    /// The rows of these numbers.
    fn rows_of(&mut self, from: &[usize]) {
        let columns = self.columns();
        self.values = from.iter().flat_map(|&r| self.values[r * columns..(r + 1) * columns].to_vec()).collect();
        self.shape[0] = from.len();
    }

    /// The columns of these numbers; none is a column of zeros.
    fn columns_of(&mut self, from: &[Option<usize>]) {
        let columns = self.columns();
        let rows = self.values.chunks_exact(columns.max(1));
        self.values = rows.flat_map(|row| from.iter().map(|c| c.map_or(0.0, |c| row[c]))).collect();
        self.shape[1] = from.len();
    }

    /// The columns of these numbers, each old weight shared out among the columns that repeat it.
    fn listen_to(&mut self, from: &[usize], rng: &mut SmallRng) {
        self.columns_of(&from.iter().copied().map(Some).collect::<Vec<_>>());
        for (i, &source) in from.iter().enumerate() {
            let Some(first) = from[..i].iter().position(|&s| s == source) else { continue };
            for row in self.values.chunks_exact_mut(from.len()) {
                let share = rng.random_range(-0.25..1.25);
                row[i] = share * row[first];
                row[first] -= row[i];
            }
        }
    }

    fn append_rows(&mut self, other: &Self, rows: Range<usize>) {
        let columns = self.columns();
        self.values.extend_from_slice(&other.values[rows.start * columns..rows.end * columns]);
        self.shape[0] += rows.len();
    }
}

/// Which old unit each of `after` units repeats: the `before` there are, then some of them a second time, and so on.
fn repeats(before: usize, after: usize, rng: &mut SmallRng) -> Vec<usize> {
    let mut from: Vec<usize> = (0..before).collect();
    while from.len() < after {
        let mut again: Vec<usize> = (0..before).collect();
        again.shuffle(rng);
        from.extend(again.into_iter().take(after - from.len()));
    }
    from
}

/// The same units once more for each of `parts` groups of `of` units.
fn in_groups(from: &[usize], of: usize, parts: usize) -> Vec<usize> {
    (0..parts).flat_map(|part| from.iter().map(move |f| part * of + f)).collect()
}

/// A file of weights of a lifted network, grown to the sizes of `config` where they are larger; other files as they are. More blocks and
/// harmonics are left to the reader of the file.
///
/// # Errors
/// Bytes that are not a file of weights, or tensors of other shapes than the file's own configuration asks for.
pub(super) fn grown<'a>(bytes: &'a [u8], config: &Config, seed: u64) -> Result<Cow<'a, [u8]>, ParametersError> {
    let fault = |e: safetensors::SafeTensorError| ParametersError(e.to_string());
    let file = SafeTensors::deserialize(bytes).map_err(fault)?;
    let (_, metadata) = SafeTensors::read_metadata(bytes).map_err(fault)?;
    let theirs = metadata.metadata().as_ref().and_then(|m| m.get(METADATA_KEY));
    let theirs = theirs.and_then(|text| serde_json::from_str::<Config>(text).ok());
    let Some(theirs) = theirs else { return Ok(Cow::Borrowed(bytes)) };
    let (AuGeonetConfig::Lifted(old), AuGeonetConfig::Lifted(new)) = (&theirs.augeonet, &config.augeonet) else {
        return Ok(Cow::Borrowed(bytes));
    };
    let sizes = |c: &LiftedConfig| [c.channels, c.bins, c.bands, c.votes, c.evidence];
    let grows = sizes(old).iter().zip(sizes(new)).all(|(a, b)| *a <= b && *a > 0) && old.levels <= new.levels;
    let grows = grows && old.context <= new.context && (sizes(old) != sizes(new) || old.levels < new.levels);
    if !grows {
        return Ok(Cow::Borrowed(bytes));
    }
    let mut tensors = read(&file)?;
    check(&tensors, &theirs)?;
    grow(&mut tensors, old, new, &fresh(config, seed)?, &mut stream(seed, 0x60))?;
    write(&tensors, config).map(Cow::Owned)
}

/// Holds the tensors that are there against the file's own configuration.
fn check(tensors: &HashMap<String, Matrix>, config: &Config) -> Result<(), ParametersError> {
    config.check().map_err(ParametersError)?;
    for Parameter { name, shape, .. } in augeonet::parameters(&config.augeonet) {
        match tensors.get(&name) {
            Some(found) if found.shape != shape => {
                return Err(ParametersError(format!("{name}: expected {shape:?}, found {:?}", found.shape)));
            }
            _ => {}
        }
    }
    Ok(())
}

fn read(file: &SafeTensors<'_>) -> Result<HashMap<String, Matrix>, ParametersError> {
    file.iter()
        .map(|(name, view)| Ok((name.to_owned(), Matrix { shape: view.shape().to_vec(), values: singles(&view)? })))
        .collect()
}

fn fresh(config: &Config, seed: u64) -> Result<HashMap<String, Matrix>, ParametersError> {
    let fresh = Parameters::fresh(config, seed, false)?;
    let bytes = fresh.file_with(&fresh.values()?)?;
    read(&SafeTensors::deserialize(&bytes).map_err(|e| ParametersError(e.to_string()))?)
}

fn write(tensors: &HashMap<String, Matrix>, config: &Config) -> Result<Vec<u8>, ParametersError> {
    let bytes: Vec<(&String, &Matrix, Vec<u8>)> =
        tensors.iter().map(|(name, m)| (name, m, m.values.iter().flat_map(|x| x.to_le_bytes()).collect())).collect();
    let views = bytes
        .iter()
        .map(|(name, m, data)| Ok((name.as_str(), TensorView::new(Dtype::F32, m.shape.clone(), data)?)))
        .collect::<Result<Vec<_>, safetensors::SafeTensorError>>()
        .map_err(|e| ParametersError(e.to_string()))?;
    let config = serde_json::to_string(config).map_err(|e| ParametersError(e.to_string()))?;
    safetensors::serialize(views, Some(HashMap::from([(METADATA_KEY.to_owned(), config)])))
        .map_err(|e| ParametersError(e.to_string()))
}

/// Grows every tensor that is there.
fn grow(
    tensors: &mut HashMap<String, Matrix>,
    old: &LiftedConfig,
    new: &LiftedConfig,
    fresh: &HashMap<String, Matrix>,
    rng: &mut SmallRng,
) -> Result<(), ParametersError> {
    if old.bins < new.bins {
        more_bins(tensors, old.bins, fresh);
    }
    for (name, before, after) in
        [("bands", old.bands, new.bands), ("votes", old.votes, new.votes), ("levels", old.levels, new.levels)]
    {
        if let (Some(bands), true) = (tensors.get_mut(name), before < after) {
            more_bands(bands, before, after);
        }
    }
    let (h, wide) = (old.channels, new.channels);
    let channels = repeats(h, wide, rng);
    let [twice, thrice] = [2, 3].map(|parts| in_groups(&channels, h, parts));
    if let Some(input) = tensors.get_mut("input.weight") {
        // Features whose number grows, with how many come before them: the bands, and those of the votes and levels.
        let of_frames = if old.evidence > 0 { FRAME_FEATURES } else { 0 };
        let votes = old.bands + 4 + of_frames + old.memory_s.len();
        let mut from: Vec<Option<usize>> = (0..old.bands).map(Some).collect();
        from.resize(new.bands, None);
        from.extend((old.bands..votes + old.votes).map(Some));
        from.resize(from.len() + new.votes - old.votes, None);
        let levels = votes + old.votes + if old.votes > 0 { 2 * old.memory_s.len() } else { 0 };
        from.extend((votes + old.votes..levels + old.levels).map(Some));
        if old.levels > 0 {
            from.resize(from.len() + new.levels - old.levels, None);
        }
        from.extend((levels + old.levels..input.columns()).map(Some));
        input.columns_of(&from);
    }
    if let Some(tensor) = tensors.get_mut("evidence.0.weight") {
        let mut from: Vec<Option<usize>> = (0..tensor.columns()).map(Some).collect();
        from.resize(evidence::features(new.context).max(from.len()), None);
        tensor.columns_of(&from);
    }
    for name in ["evidence.0.weight", "evidence.0.bias"] {
        if let (Some(tensor), Some(fresh)) = (tensors.get_mut(name), fresh.get(name)) {
            tensor.append_rows(fresh, old.evidence..new.evidence);
        }
    }
    for name in ["evidence.1.weight", "evidence.votes.weight"] {
        if let Some(tensor) = tensors.get_mut(name) {
            // Nobody listens to the new ones yet.
            let mut from: Vec<Option<usize>> = (0..old.evidence).map(Some).collect();
            from.resize(new.evidence, None);
            tensor.columns_of(&from);
        }
    }
    if h == wide {
        return Ok(());
    }
    let hidden: Vec<Vec<usize>> = (0..old.blocks).map(|_| repeats(2 * h, 2 * wide, rng)).collect();
    let mut names: Vec<String> = tensors.keys().cloned().collect();
    names.sort();
    for name in names {
        let Some(tensor) = tensors.get_mut(&name) else { continue };
        let (block, part) = match name.strip_prefix("blocks.").and_then(|rest| rest.split_once('.')) {
            Some((block, part)) => (block.parse().unwrap_or(usize::MAX), part),
            None => (usize::MAX, name.as_str()),
        };
        let hidden = hidden.get(block).map_or(&[][..], Vec::as_slice);
        match part {
            "input.weight" | "input.bias" | "context.bias" | "mlp_out.bias" => tensor.rows_of(&channels),
            "norm_sphere.weight" | "norm_sphere.bias" | "norm_time.weight" | "norm_time.bias" => {
                tensor.rows_of(&channels);
            }
            "zonal.gain" => tensor.columns_of(&channels.iter().copied().map(Some).collect::<Vec<_>>()),
            "context.weight" => {
                tensor.rows_of(&channels);
                tensor.listen_to(&twice, rng);
            }
            "mlp_in.weight" => {
                tensor.rows_of(hidden);
                tensor.listen_to(&twice, rng);
            }
            "mlp_in.bias" => tensor.rows_of(hidden),
            "mlp_out.weight" => {
                tensor.rows_of(&channels);
                tensor.listen_to(hidden, rng);
            }
            "gru.weight_ih" | "gru.weight_hh" => {
                tensor.rows_of(&thrice);
                tensor.listen_to(&channels, rng);
            }
            "gru.bias_ih" | "gru.bias_hh" => tensor.rows_of(&thrice),
            _ if name.starts_with("outputs.") && name.ends_with(".weight") => tensor.listen_to(&channels, rng),
            _ => {}
        }
    }
    Ok(())
}

/// Softplus, as the bands' weights go through before they are brought to a sum of one, and its inverse.
fn softplus(x: f64) -> f64 {
    x.max(0.0) + (-x.abs()).exp().ln_1p()
}

fn inverse_softplus(y: f64) -> f64 {
    if y > 20.0 { y } else { y.max(1e-6).exp_m1().ln() }
}

/// Bands over the frequencies that the fresh network begins with: each takes the old weight at its place, a bin in a denser part less of it.
fn more_bins(tensors: &mut HashMap<String, Matrix>, bins: usize, fresh: &HashMap<String, Matrix>) {
    let Some(to) = fresh.get("frequencies_hz").map(|m| m.values.clone()) else { return };
    let Some(from) = tensors.insert("frequencies_hz".into(), Matrix { shape: vec![to.len()], values: to.clone() })
    else {
        return;
    };
    let from = from.values;
    for name in ["bands", "votes", "levels"] {
        let Some(bands) = tensors.get_mut(name) else { continue };
        let columns = bands.columns();
        let mut values = vec![0.0; to.len() * columns];
        for band in 0..columns {
            let old: Vec<f64> = (0..bins).map(|k| softplus(f64::from(bands.values[k * columns + band]))).collect();
            let density = |k: usize, f: &[f32]| f64::from(width(k, f));
            let mut new: Vec<f64> =
                (0..to.len()).map(|k| at(to[k], &from, |k| old[k] / density(k, &from)) * density(k, &to)).collect();
            // The same mean weight, so that the slope of softplus stays.
            let scale = (old.iter().sum::<f64>() / bins as f64) / (new.iter().sum::<f64>() / to.len() as f64);
            new.iter_mut().for_each(|w| *w *= scale);
            for (k, w) in new.into_iter().enumerate() {
                values[k * columns + band] = inverse_softplus(w) as f32;
            }
        }
        *bands = Matrix { shape: vec![to.len(), columns], values };
    }
}

/// Half the distance between the neighbours of a bin; at the ends the distance to the only one.
fn width(k: usize, frequencies: &[f32]) -> f32 {
    let (below, above) = (k.saturating_sub(1), (k + 1).min(frequencies.len() - 1));
    (frequencies[above] - frequencies[below]) / (above - below).max(1) as f32
}

/// A value between those of the nearest bins.
fn at(frequency: f32, frequencies: &[f32], value: impl Fn(usize) -> f64) -> f64 {
    let above = frequencies.partition_point(|f| *f <= frequency);
    if above == 0 || above == frequencies.len() {
        return value(above.min(frequencies.len() - 1));
    }
    let share = f64::from((frequency - frequencies[above - 1]) / (frequencies[above] - frequencies[above - 1]));
    value(above - 1) * (1.0 - share) + value(above) * share
}

/// Further bands, narrower bells evenly over the bins.
fn more_bands(bands: &mut Matrix, before: usize, after: usize) {
    let (bins, count) = (bands.shape[0], after - before);
    let rows = bands.values.chunks_exact(before.max(1)).enumerate();
    let values = rows.flat_map(|(k, row)| {
        let x = k as f32 / (bins.max(2) - 1) as f32;
        let bell = move |i: usize| {
            let centre = (i as f32 + 0.5) / count as f32;
            (-((x - centre) * 2.0 * before as f32).powi(2)).exp()
        };
        row.iter().copied().chain((0..count).map(bell)).collect::<Vec<_>>()
    });
    bands.values = values.collect();
    bands.shape[1] = after;
}

#[cfg(test)]
mod tests {
    use spherescope_dsp::{Grid, presets};
    use spherescope_model::Network;
    use spherescope_model::network::Spectra;

    use super::*;
    use crate::training::Recipe;

    fn config(change: impl Fn(&mut LiftedConfig)) -> Config {
        let mut config = Recipe::named("quick").unwrap().network;
        let AuGeonetConfig::Lifted(sizes) = &mut config.augeonet else { panic!("expected the lifted one") };
        let small = LiftedConfig { bins: 24, quadrature: 48, bands: 4, channels: 8, ..sizes.clone() };
        *sizes = LiftedConfig { blocks: 2, order: 4, evidence: 8, votes: 3, levels: 2, context: false, ..small };
        change(sizes);
        config
    }

    fn file(config: &Config) -> Vec<u8> {
        let parameters = Parameters::fresh(config, 9, false).unwrap();
        // Something in every tensor, also in those that begin with nothing.
        let values = parameters
            .values()
            .unwrap()
            .iter()
            .enumerate()
            .map(|(i, x)| x + 0.1 * (i as f32).sin())
            .collect::<Vec<_>>();
        parameters.file_with(&values).unwrap()
    }

    /// Logits of a few frames of any phases.
    fn logits(bytes: &[u8]) -> Vec<f32> {
        let network = Network::from_bytes(bytes).unwrap();
        let array = presets::find("a-format-tetrahedron").unwrap().array;
        let (bins, frames) = (network.frequencies_hz().len(), 5);
        let phase = |i: usize| spherescope_dsp::nudft::Complex32::from_polar(1.0, (i * i % 71) as f32);
        let phat: Vec<_> = (0..frames * 4 * bins).map(phase).collect();
        let power: Vec<f32> = (0..frames * bins).map(|i| 1e-3 * (1.0 + (i as f32).cos())).collect();
        let level_slopes: Vec<f32> = (0..frames * 3 * bins).map(|i| 0.5 * (i as f32 * 0.7).sin()).collect();
        let spectra = Spectra { frames, phat: &phat, power: &power, level_slopes: &level_slopes, beside: None };
        let (array, grid) = (
            network.encode_array(&array, 343.0).unwrap(),
            network.encode_grid(&Grid::fibonacci(100).unwrap()).unwrap(),
        );
        let mut found = Vec::new();
        network.logits(&array, &grid, &spectra, &mut network.start().unwrap(), &mut found).unwrap();
        found
    }

    #[test]
    fn a_network_of_twice_the_channels_scores_as_before() {
        let small = file(&config(|_| ()));
        let large =
            config(|c| (c.context, c.channels, c.bands, c.votes, c.levels, c.evidence) = (true, 16, 7, 5, 3, 12));
        let mut parameters = Parameters::fresh(&large, 3, false).unwrap();
        let missing = parameters.take_over(&grown(&small, &large, 3).unwrap()).unwrap();
        assert!(missing.is_empty(), "{missing:?}");
        let after = parameters.file_with(&parameters.values().unwrap()).unwrap();
        let (before, after) = (logits(&small), logits(&after));
        let spread = before.iter().fold(0f32, |m, x| m.max((x - before[0]).abs()));
        assert!(spread > 0.01, "{spread}");
        for (a, b) in before.iter().zip(&after) {
            assert!((a - b).abs() < 2e-3 * spread, "{a} {b} of {spread}");
        }
    }

    #[test]
    fn bands_stay_where_they_are_among_more_bins() {
        let (small, large) = (file(&config(|_| ())), config(|c| c.bins = 60));
        let grown = grown(&small, &large, 3).unwrap();
        let centres = |bytes: &[u8]| -> Vec<f64> {
            let tensors = read(&SafeTensors::deserialize(bytes).unwrap()).unwrap();
            let (f, bands) = (&tensors["frequencies_hz"].values, &tensors["bands"]);
            let centre = |band: usize| {
                let weight = |k: usize| softplus(f64::from(bands.values[k * bands.columns() + band]));
                (0..f.len()).map(|k| weight(k) * f64::from(f[k])).sum::<f64>() / (0..f.len()).map(weight).sum::<f64>()
            };
            (0..bands.columns()).map(centre).collect()
        };
        let (before, after) = (centres(&small), centres(&grown));
        assert_eq!(before.len(), after.len());
        for (a, b) in before.iter().zip(&after) {
            assert!((a / b - 1.0).abs() < 0.05, "{before:?} {after:?}");
        }
    }

    #[test]
    fn what_does_not_grow_stays_as_it_is() {
        let small = file(&config(|_| ()));
        for same in [config(|_| ()), config(|c| c.channels = 4), config(|c| c.blocks = 3)] {
            assert_eq!(grown(&small, &same, 3).unwrap(), small.as_slice());
        }
        // A file whose tensors are not what its configuration says.
        let mut torn = read(&SafeTensors::deserialize(&small).unwrap()).unwrap();
        torn.get_mut("input.weight").unwrap().shape.swap(0, 1);
        let torn = write(&torn, &config(|_| ())).unwrap();
        let error = grown(&torn, &config(|c| c.channels = 16), 3).unwrap_err().to_string();
        assert!(error.contains("input.weight: expected [8,"), "{error}");
        assert!(grown(b"not weights", &config(|_| ()), 3).is_err());
    }
}
