//! Which frequencies the engines listen to.

use spherescope_dsp::nudft::Complex32;

/// A band of frequencies. Bins outside it take no part.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Band {
    /// The lowest frequency in Hz.
    pub low_hz: f64,
    /// The highest frequency in Hz.
    pub high_hz: f64,
}

impl Band {
    /// All frequencies.
    pub const ALL: Self = Self { low_hz: 0.0, high_hz: f64::INFINITY };

    /// Whether a frequency lies in the band; its ends belong to it.
    pub fn holds(&self, frequency_hz: f64) -> bool {
        (self.low_hz..=self.high_hz).contains(&frequency_hz)
    }

    /// Those of K frequencies that lie in the band.
    pub(crate) fn kept(&self, frequencies_hz: &[f64]) -> Vec<f64> {
        frequencies_hz.iter().copied().filter(|f| self.holds(*f)).collect()
    }

    /// Appends one frame's phase-transformed spectra `[C][K]` flattened without the bins outside the band, `[C][K']`.
    pub(crate) fn append_kept(&self, frequencies_hz: &[f64], phat: &[Complex32], out: &mut Vec<Complex32>) {
        if *self == Self::ALL {
            return out.extend_from_slice(phat);
        }
        let bins = frequencies_hz.iter().cycle();
        out.extend(phat.iter().zip(bins).filter(|(_, f)| self.holds(**f)).map(|(x, _)| x));
    }

    /// Appends what one frame holds of K bins, row by row, such as phase-transformed spectra `[C][K]` flattened, with nothing in the
    /// bins outside the band.
    pub(crate) fn append_silenced<T: Copy + Default>(&self, frequencies_hz: &[f64], rows: &[T], out: &mut Vec<T>) {
        if *self == Self::ALL {
            return out.extend_from_slice(rows);
        }
        let bins = frequencies_hz.iter().cycle();
        out.extend(rows.iter().zip(bins).map(|(x, f)| if self.holds(*f) { *x } else { T::default() }));
    }
}

impl Default for Band {
    fn default() -> Self {
        Self::ALL
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bins_outside_are_left_out_or_silent_in_every_channel() {
        let band = Band { low_hz: 200.0, high_hz: 300.0 };
        let frequencies = [100.0, 200.0, 300.0, 400.0];
        let phat: Vec<Complex32> = (0..8).map(|i| Complex32::new(1.0 + i as f32, 0.0)).collect();
        let (mut kept, mut silenced) = (Vec::new(), Vec::new());
        band.append_kept(&frequencies, &phat, &mut kept);
        band.append_silenced(&frequencies, &phat, &mut silenced);
        assert_eq!(band.kept(&frequencies), [200.0, 300.0]);
        assert_eq!(kept.iter().map(|x| x.re).collect::<Vec<_>>(), [2.0, 3.0, 6.0, 7.0]);
        assert_eq!(silenced.iter().map(|x| x.re).collect::<Vec<_>>(), [0.0, 2.0, 3.0, 0.0, 0.0, 6.0, 7.0, 0.0]);
        assert!(Band::ALL.holds(0.0) && Band::ALL.holds(1e9));
    }
}
