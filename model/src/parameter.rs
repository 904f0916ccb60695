//! What a network's parameters are called, how they are shaped and how they begin.

/// One tensor of a network.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// Name in the file of weights.
    pub name: String,
    /// Shape.
    pub shape: Vec<usize>,
    /// Its values before training.
    pub begin: Begin,
}

/// How a parameter begins.
#[derive(Clone, Debug, PartialEq)]
pub enum Begin {
    /// The same number everywhere.
    Constant(f32),
    /// Drawn evenly from ± this bound.
    Uniform(f32),
    /// Drawn from a normal distribution with this standard deviation.
    Normal(f32),
    /// These values.
    Values(Vec<f32>),
}

impl Parameter {
    /// A parameter.
    pub fn new(name: impl Into<String>, shape: &[usize], begin: Begin) -> Self {
        Self { name: name.into(), shape: shape.to_vec(), begin }
    }

    /// Number of values.
    pub fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}
