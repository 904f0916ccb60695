//! CPU time, medians, and what the machine is.

use crate::evaluate::protocol::median;

/// How hard to measure.
#[derive(Clone, Copy, Debug)]
pub struct Effort {
    /// Runs of which the median counts.
    pub runs: usize,
    /// What is short is repeated until a run takes this long, in seconds.
    pub run_s: f64,
}

impl Effort {
    /// CPU seconds of one call of `work`: the median of the runs, each of as many calls as fill it. One more call comes first, unmeasured.
    pub fn call_s<R>(&self, mut work: impl FnMut() -> R) -> f64 {
        std::hint::black_box(work());
        let begin = cpu_s();
        std::hint::black_box(work());
        let once_s = cpu_s() - begin;
        let calls = (self.run_s / once_s.max(1e-7)).ceil().clamp(1.0, 1e5) as usize;
        let run = |_| {
            let begin = cpu_s();
            for _ in 0..calls {
                std::hint::black_box(work());
            }
            (cpu_s() - begin) / calls as f64
        };
        let times: Vec<f64> = (0..self.runs).map(run).collect();
        median(&times).unwrap_or(0.0)
    }
}

/// CPU seconds that this process has used, all threads together.
#[cfg(unix)]
pub fn cpu_s() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a live `timespec` of this frame, and the call writes nothing else.
    let failed = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) } != 0;
    if failed { wall_s() } else { time.tv_sec as f64 + 1e-9 * time.tv_nsec as f64 }
}

/// Seconds on the wall: this system's CPU time is not asked for.
#[cfg(not(unix))]
pub fn cpu_s() -> f64 {
    wall_s()
}

fn wall_s() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// Memory of this process that is resident, in MB of 10⁶ bytes; none where the system does not tell.
pub fn resident_mb() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let kib: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kib * 1024.0 / 1e6)
}

/// Name of the processor, as the system tells it.
pub fn processor() -> String {
    let info = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = info.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':').map(|(_, n)| n.trim()));
    name.unwrap_or("unknown processor").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_takes_its_share_of_the_cpu_time_that_passes() {
        let begin = cpu_s();
        let mut calls = 0;
        let effort = Effort { runs: 3, run_s: 0.01 };
        let call_s = effort.call_s(|| {
            calls += 1;
            (0..10_000).fold(0u64, |a, b| std::hint::black_box(a.rotate_left(3) ^ b))
        });
        let passed_s = cpu_s() - begin;
        assert!(call_s > 0.0 && call_s * f64::from(calls) < 3.0 * passed_s, "{calls} calls of {call_s} in {passed_s}");
    }
}
