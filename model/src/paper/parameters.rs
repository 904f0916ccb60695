//! The parameters of the paper's network: names, shapes, how they begin.

use super::{FILM_HIDDEN, GEOMETRY};
use crate::config::PaperConfig;
use crate::parameter::{Begin, Parameter};

/// Every parameter of the paper's network and how it begins. `range_hz` is the range of the bins.
pub fn parameters(config: &PaperConfig) -> Vec<Parameter> {
    let PaperConfig { bins: k, channels: m, latent: g, outputs, .. } = *config;
    let mut all: Vec<Parameter> = Vec::new();
    let linear = |all: &mut Vec<Parameter>, name: &str, inputs: usize, out: usize| {
        let bound = 1.0 / (inputs.max(1) as f32).sqrt();
        all.push(Parameter::new(format!("{name}.weight"), &[out, inputs], Begin::Uniform(bound)));
        all.push(Parameter::new(format!("{name}.bias"), &[out], Begin::Uniform(bound)));
    };
    let norm = |all: &mut Vec<Parameter>, name: &str, n: usize| {
        all.push(Parameter::new(format!("{name}.weight"), &[n], Begin::Constant(1.0)));
        all.push(Parameter::new(format!("{name}.bias"), &[n], Begin::Constant(0.0)));
    };
    let batch_norm = |all: &mut Vec<Parameter>, name: &str, n: usize| {
        norm(all, name, n);
        all.push(Parameter::new(format!("{name}.running_mean"), &[n], Begin::Constant(0.0)));
        all.push(Parameter::new(format!("{name}.running_variance"), &[n], Begin::Constant(1.0)));
    };
    let depthwise = |all: &mut Vec<Parameter>, name: &str, n: usize| {
        let bound = 1.0 / 3f32.sqrt();
        all.push(Parameter::new(format!("{name}.weight"), &[3, n], Begin::Uniform(bound)));
        all.push(Parameter::new(format!("{name}.bias"), &[n], Begin::Uniform(bound)));
    };
    batch_norm(&mut all, "input_norm", 2 * k);
    linear(&mut all, "first", 3 * (2 * k + GEOMETRY), m);
    batch_norm(&mut all, "first_norm", m);
    if config.film {
        linear(&mut all, "film.0", 4, FILM_HIDDEN);
        linear(&mut all, "film.1", FILM_HIDDEN, 2 * m);
    }
    for i in 0..config.extractor {
        linear(&mut all, &format!("extractor.{i}.point"), m, m);
        batch_norm(&mut all, &format!("extractor.{i}.point_norm"), m);
        depthwise(&mut all, &format!("extractor.{i}.depth"), m);
        batch_norm(&mut all, &format!("extractor.{i}.depth_norm"), m);
    }
    for i in 0..config.dual_paths {
        for name in ["queries", "keys", "values", "joined"] {
            linear(&mut all, &format!("dual_paths.{i}.{name}"), m, m);
        }
        norm(&mut all, &format!("dual_paths.{i}.channel_norm"), m);
        for (layer, inputs) in [(0, 2 * m), (1, m)] {
            let bound = Begin::Uniform(1.0 / (m.max(1) as f32).sqrt());
            let name = |part: &str| format!("dual_paths.{i}.gru.{layer}.{part}");
            all.push(Parameter::new(name("weight_ih"), &[3 * m, inputs], bound.clone()));
            all.push(Parameter::new(name("weight_hh"), &[3 * m, m], bound.clone()));
            all.push(Parameter::new(name("bias_ih"), &[3 * m], bound.clone()));
            all.push(Parameter::new(name("bias_hh"), &[3 * m], bound));
        }
        linear(&mut all, &format!("dual_paths.{i}.out"), m, m);
        norm(&mut all, &format!("dual_paths.{i}.time_norm"), m);
    }
    for o in 0..outputs {
        linear(&mut all, &format!("mapping.{o}.point"), 2 * m, 2 * m);
        norm(&mut all, &format!("mapping.{o}.point_norm"), 2 * m);
        depthwise(&mut all, &format!("mapping.{o}.depth"), 2 * m);
        norm(&mut all, &format!("mapping.{o}.depth_norm"), 2 * m);
        linear(&mut all, &format!("mapping.{o}.out"), 2 * m, g);
    }
    for o in 0..outputs {
        if config.fixed_grid > 0 {
            all.push(Parameter::new(format!("fixed_grid.{o}"), &[config.fixed_grid, g], Begin::Normal(0.5)));
            continue;
        }
        for i in 0..3 {
            linear(&mut all, &format!("gridnet.{o}.layers.{i}.linear"), if i == 0 { 4 } else { g }, g);
            norm(&mut all, &format!("gridnet.{o}.layers.{i}.norm"), g);
        }
        linear(&mut all, &format!("gridnet.{o}.out"), g, g);
    }
    all.push(Parameter::new("score.bias", &[outputs], Begin::Constant(-3.0)));
    let bins = config.bin_map.frequencies_hz(k, config.range_hz);
    all.push(Parameter::new("frequencies_hz", &[k], Begin::Values(bins)));
    all
}
