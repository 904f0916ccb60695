//! No memory is taken or given back while the plugin's `process` runs.
//!
//! The plugin is a library with an allocator of its own, but all of them end at the C library's. This program defines those functions
//! itself, so the plugin's calls come here: counted while a flag of the thread is up, then passed on.
#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::cell::Cell;
use std::ffi::{c_int, c_void};

use spherescope_tests::bundle;
use spherescope_tests::host::{Activation, ClapHost, Parameter, Stream};
use spherescope_tests::signal::{BlockSizes, WhiteNoise};

unsafe extern "C" {
    fn __libc_malloc(size: usize) -> *mut c_void;
    fn __libc_calloc(count: usize, size: usize) -> *mut c_void;
    fn __libc_realloc(old: *mut c_void, size: usize) -> *mut c_void;
    fn __libc_memalign(alignment: usize, size: usize) -> *mut c_void;
    fn __libc_free(old: *mut c_void);
    fn strdup(text: *const std::ffi::c_char) -> *mut std::ffi::c_char;
}

thread_local! {
    static WATCHED: Cell<bool> = const { Cell::new(false) };
    static COUNT: Cell<u64> = const { Cell::new(0) };
}

fn note() {
    if WATCHED.get() {
        COUNT.set(COUNT.get() + 1);
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn malloc(size: usize) -> *mut c_void {
    note();
    // SAFETY: passed on as it came.
    unsafe { __libc_malloc(size) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn calloc(count: usize, size: usize) -> *mut c_void {
    note();
    // SAFETY: passed on as it came.
    unsafe { __libc_calloc(count, size) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn realloc(old: *mut c_void, size: usize) -> *mut c_void {
    note();
    // SAFETY: passed on as it came.
    unsafe { __libc_realloc(old, size) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn posix_memalign(out: *mut *mut c_void, alignment: usize, size: usize) -> c_int {
    const ENOMEM: c_int = 12;
    note();
    // SAFETY: passed on as it came; `out` is valid by the caller's promise.
    unsafe {
        *out = __libc_memalign(alignment, size);
        if (*out).is_null() { ENOMEM } else { 0 }
    }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn aligned_alloc(alignment: usize, size: usize) -> *mut c_void {
    note();
    // SAFETY: passed on as it came.
    unsafe { __libc_memalign(alignment, size) }
}

/// # Safety
/// As the C library's.
#[unsafe(no_mangle)]
unsafe extern "C" fn free(old: *mut c_void) {
    note();
    // SAFETY: passed on as it came.
    unsafe { __libc_free(old) }
}

/// While it lives, this thread's calls are counted.
struct Watch;

impl Watch {
    fn begin() -> Self {
        COUNT.set(0);
        WATCHED.set(true);
        Self
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        WATCHED.set(false);
    }
}

#[test]
fn the_watch_sees_calls_of_this_program_and_of_libraries() {
    let watch = Watch::begin();
    drop(std::hint::black_box(vec![1u8; 100]));
    drop(watch);
    assert_eq!(COUNT.get(), 2, "one taken, one given back");

    // The C library's own call of `malloc` comes through here as well.
    let watch = Watch::begin();
    // SAFETY: the text ends with a zero.
    let copy = std::hint::black_box(unsafe { strdup(c"text".as_ptr()) });
    drop(watch);
    assert_eq!(COUNT.get(), 1);
    // SAFETY: the copy is ours, and freed once.
    unsafe { free(copy.cast()) };
}

#[test]
fn the_watch_sees_calls_of_the_plugin() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    let mut instance = host.instance().unwrap();
    let watch = Watch::begin();
    let state = instance.save_state().unwrap();
    drop(watch);
    // Building a state takes more than the few calls of this program's buffer.
    assert!(COUNT.get() > 20, "the plugin's calls are not seen: {} for {} bytes", COUNT.get(), state.len());
}

/// Plays blocks of noise with parameters moving as automation does; checks that no block takes or frees memory.
fn play_watched(mut stream: Stream, parameters: &[Parameter]) -> Stream {
    let mut noise = WhiteNoise::new(3);
    for (block, frames) in BlockSizes::new(5, 1024).take(1000).enumerate() {
        for channel in 0..stream.channels() {
            noise.fill(0.5, &mut stream.input_mut(channel)[..frames]);
        }
        if block % 10 == 0 {
            let p = &parameters[block / 10 % parameters.len()];
            stream.set_parameter(p.id, if block % 20 == 0 { p.max } else { p.default });
        }
        stream.run_guarded(frames, Watch::begin).unwrap();
        assert_eq!(COUNT.get(), 0, "block {block} of {frames} frames, {} channels", stream.channels());
        stream.check_bit_exact(frames).unwrap();
    }
    stream
}

#[test]
fn process_takes_no_memory_and_gives_none_back() {
    let host = ClapHost::load(bundle::clap().unwrap()).unwrap();
    // Narrower and wider than the array of a new instance, which has four capsules.
    for width in [2, 4, 32, 64] {
        let [mut first, mut watched] = [host.instance().unwrap(), host.instance().unwrap()];
        watched.select_width(width).unwrap();
        let parameters = watched.parameters().unwrap();
        let mut first_stream = first.activate(Activation::default()).unwrap();
        let stream = watched.activate(Activation::default()).unwrap();
        let audio_thread = std::thread::spawn(move || {
            // The dynamic linker takes memory when a thread meets a library's thread-local variables for the first time. Another
            // instance meets them, so that even the first block of the watched one counts.
            first_stream.run(64).unwrap();
            (first_stream, play_watched(stream, &parameters))
        });
        let (first_stream, stream) = audio_thread.join().unwrap();
        first.deactivate(first_stream);
        watched.deactivate(stream);
    }
}
