//! The layout doctor at the worker's side: hears the bus while somebody can read what it finds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use spherescope_dsp::doctor::{self, Doctor, Finding};
use spherescope_dsp::{MicArray, SampleRate};
use spherescope_model::SPEED_OF_SOUND_M_S;

/// Findings are looked at this often.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What is found about one layout.
pub(crate) struct Examination {
    /// None where the doctor cannot hear: then the layout alone is looked at.
    doctor: Option<Doctor>,
    /// What the layout alone says.
    geometry: Vec<Finding>,
    findings: Arc<[Finding]>,
    looked: Option<Instant>,
}

impl Examination {
    /// Of a layout on a bus with this sample rate. `heard` is the part of it that the bus carries, if that is an array.
    pub(crate) fn new(sample_rate_hz: f64, layout: &MicArray, heard: Option<&MicArray>) -> Self {
        let geometry = doctor::geometry(layout, SPEED_OF_SOUND_M_S);
        let doctor = heard.and_then(|array| {
            let rate = SampleRate::new(sample_rate_hz).ok()?;
            Doctor::new(rate, array, SPEED_OF_SOUND_M_S).ok()
        });
        let findings = geometry.clone().into();
        Self { doctor, geometry, findings, looked: None }
    }

    /// Hears a block of the bus. A block that does not fit the layout is left out.
    pub(crate) fn take(&mut self, bus: &[&[f32]]) {
        if let Some(doctor) = &mut self.doctor {
            let _ = doctor.push(bus);
        }
    }

    /// Seconds of sound that the doctor has heard.
    pub(crate) fn heard_s(&self) -> f64 {
        self.doctor.as_ref().map_or(0.0, Doctor::heard_s)
    }

    /// What has been found by now.
    pub(crate) fn findings(&mut self, now: Instant) -> Arc<[Finding]> {
        if self.looked.is_none_or(|at| now.duration_since(at) >= LOOK_EVERY) {
            self.looked = Some(now);
            let heard = self.doctor.as_ref().map(Doctor::findings).unwrap_or_default();
            self.findings = self.geometry.iter().cloned().chain(heard).collect();
        }
        self.findings.clone()
    }
}
