//! What this process takes from the system: memory, threads, open files. Looked at when all instances are gone.

use std::fmt;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use spherescope_tests::Result;

/// What is taken at one time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usage {
    /// Resident memory in MiB.
    pub memory_mib: f64,
    /// The C library's heap that is in use, in MiB; 0 with other C libraries than GNU's.
    pub heap_mib: f64,
    /// Threads.
    pub threads: usize,
    /// Open files, sockets and the like.
    pub files: usize,
}

impl fmt::Display for Usage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{:.0} MiB ({:.1} MiB of heap), {} threads, {} files",
            self.memory_mib, self.heap_mib, self.threads, self.files
        )
    }
}

impl Usage {
    /// What this process takes now; `None` on systems without `/proc`.
    fn now() -> Option<Self> {
        let status = fs::read_to_string("/proc/self/status").ok()?;
        let field = |name: &str| -> Option<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Self {
            memory_mib: field("VmRSS:")? / 1024.0,
            heap_mib: c_library::heap_bytes() as f64 / f64::from(1 << 20),
            threads: field("Threads:")? as usize,
            files: fs::read_dir("/proc/self/fd").ok()?.count(),
        })
    }

    fn exceeds(&self, most: &Self) -> bool {
        self.threads > most.threads + MORE_THREADS || self.files > most.files + MORE_FILES
    }
}

/// Threads and files more than ever in the warm-up are a leak: drivers start one or another late, instances take one each.
const MORE_THREADS: usize = 2;
const MORE_FILES: usize = 4;
/// Memory more than ever in the warm-up is a leak, in MiB: the system and drivers keep some.
const MORE_MEMORY_MIB: f64 = 64.0;
const MORE_HEAP_MIB: f64 = 4.0;
/// The windowing library (baseview 0.4.2) never lets go of the keyboard's map that each window reads: 75 KiB on Debian 12.
const HEAP_MIB_PER_WINDOW: f64 = 0.12;
/// The memory of this many looks must be too much, so that one that the system was slow to take back is none.
const LOOKS: usize = 3;
/// What ends on its own has this long to do so.
const ENDS_WITHIN: Duration = Duration::from_secs(5);

/// The looks so far.
#[derive(Debug, Default)]
pub struct Growth {
    /// The most of each in the warm-up.
    most: Option<Usage>,
    after: Vec<Usage>,
    /// Windows opened by the end of the warm-up, and by now.
    windows: [u32; 2],
}

impl Growth {
    /// Looks at what is taken now, with so many windows opened so far. In the warm-up that is learned, afterwards compared.
    ///
    /// # Errors
    /// When more is taken than in the warm-up and stays so.
    pub fn look(&mut self, warm_up: bool, windows: u32) -> Result<Option<Usage>> {
        c_library::give_back_memory();
        let Some(mut usage) = Usage::now() else { return Ok(None) };
        let Some(most) = self.most.filter(|_| !warm_up) else {
            self.windows = [windows; 2];
            let most = self.most.unwrap_or(usage);
            self.most = Some(Usage {
                memory_mib: most.memory_mib.max(usage.memory_mib),
                heap_mib: most.heap_mib.max(usage.heap_mib),
                threads: most.threads.max(usage.threads),
                files: most.files.max(usage.files),
            });
            return Ok(Some(usage));
        };
        let begin = Instant::now();
        while usage.exceeds(&most) && begin.elapsed() < ENDS_WITHIN {
            thread::sleep(Duration::from_millis(50));
            usage = Usage::now().unwrap_or(usage);
        }
        self.windows[1] = windows;
        self.after.push(usage);
        self.verdict().map(|()| Some(usage))
    }

    /// What all windows since the warm-up have left behind; none where there were none, or nothing is watched.
    pub fn windows_in_words(&self) -> Option<String> {
        let (most, last) = (self.most?, self.after.last()?);
        let windows = self.windows[1] - self.windows[0];
        let kib = 1024.0 * (last.heap_mib - most.heap_mib) / f64::from(windows);
        (windows > 0).then(|| format!("{windows} windows since the warm-up, and {kib:.0} KiB of heap more for each"))
    }

    fn verdict(&self) -> Result<()> {
        let (Some(most), Some(last)) = (&self.most, self.after.last()) else { return Ok(()) };
        let newest = &self.after[self.after.len().saturating_sub(LOOKS)..];
        let least = |of: fn(&Usage) -> f64| newest.iter().map(of).fold(f64::INFINITY, f64::min);
        let kept_mib = HEAP_MIB_PER_WINDOW * f64::from(self.windows[1] - self.windows[0]);
        let too_much = newest.len() == LOOKS
            && (least(|u| u.memory_mib) > most.memory_mib + MORE_MEMORY_MIB + kept_mib
                || least(|u| u.heap_mib) > most.heap_mib + MORE_HEAP_MIB + kept_mib);
        if last.exceeds(most) || too_much {
            return Err(format!("expected no more than {most} with all instances gone, found {last}").into());
        }
        Ok(())
    }
}

/// Memory's environment variables for the process that is watched: with the GNU C library's defaults each thread's share of the heap
/// keeps up to 64 MiB of what was freed, which looks like a leak until all shares have been used.
pub const MEMORY_ENVIRONMENT: [(&str, &str); 3] =
    [("MALLOC_ARENA_MAX", "2"), ("MALLOC_TRIM_THRESHOLD_", "131072"), ("MALLOC_MMAP_THRESHOLD_", "131072")];

#[cfg(all(target_os = "linux", target_env = "gnu"))]
mod c_library {
    use std::ffi::c_int;

    /// `struct mallinfo2` of `malloc.h`.
    #[repr(C)]
    struct MallocInfo {
        before: [usize; 4],
        mapped_bytes: usize,
        between: [usize; 2],
        used_bytes: usize,
        after: [usize; 2],
    }

    unsafe extern "C" {
        fn malloc_trim(pad: usize) -> c_int;
        fn mallinfo2() -> MallocInfo;
    }

    /// Has the C library give memory that nobody uses back to the system, so that it does not pass for a leak.
    pub fn give_back_memory() {
        // SAFETY: may be called at any time.
        unsafe { malloc_trim(0) };
    }

    /// Bytes of the heap in use.
    pub fn heap_bytes() -> usize {
        // SAFETY: may be called at any time.
        let info = unsafe { mallinfo2() };
        info.used_bytes + info.mapped_bytes
    }
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
mod c_library {
    pub fn give_back_memory() {}

    pub fn heap_bytes() -> usize {
        0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn usage(memory_mib: f64, threads: usize, files: usize) -> Usage {
        Usage { memory_mib, heap_mib: memory_mib / 10.0, threads, files }
    }

    fn verdict(after: &[Usage]) -> Result<()> {
        Growth { most: Some(usage(100.0, 5, 10)), after: after.to_vec(), windows: [0; 2] }.verdict()
    }

    #[test]
    fn growth_beyond_the_bounds_is_told() {
        assert!(verdict(&[usage(120.0, 6, 12); 5]).is_ok());
        assert!(verdict(&[usage(100.0, 8, 10)]).unwrap_err().to_string().contains("8 threads"));
        assert!(verdict(&[usage(100.0, 5, 15)]).unwrap_err().to_string().contains("15 files"));
        let large = usage(200.0, 5, 10);
        assert!(verdict(&[large, usage(110.0, 5, 10), large]).is_ok(), "one small one among the last is enough");
        assert!(verdict(&[large; 3]).unwrap_err().to_string().contains("200 MiB"));
        assert!(verdict(&[Usage { heap_mib: 15.0, ..usage(100.0, 5, 10) }; 3]).is_err());
    }

    #[test]
    fn what_windows_leave_behind_is_told_for_each() {
        let mut growth =
            Growth { most: Some(usage(100.0, 5, 10)), after: vec![usage(120.0, 5, 10)], windows: [10, 10] };
        assert_eq!(growth.windows_in_words(), None);
        growth.windows[1] = 30;
        assert!(growth.windows_in_words().unwrap().starts_with("20 windows since the warm-up, and 102 KiB"));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_leaked_thread_and_file_are_seen() {
        let mut growth = Growth::default();
        let before = growth.look(true, 0).unwrap().unwrap();
        let files: Vec<_> = (0..20).map(|_| fs::File::open("/dev/null").unwrap()).collect();
        let now = Usage::now().unwrap();
        assert!(now.files >= before.files + 20, "{before} and then {now}");
        drop(files);
        let (sender, wait) = std::sync::mpsc::channel::<()>();
        let thread = thread::spawn(move || wait.recv());
        assert!(Usage::now().unwrap().threads >= 2);
        drop(sender);
        assert!(thread.join().unwrap().is_err());
    }
}
