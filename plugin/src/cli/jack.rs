//! A client of the JACK audio server: input ports whose audio goes to a block pool.
//!
//! JACK's library is looked for when it is wanted, so that the program neither needs it to be built nor to start.

use std::ffi::{CStr, CString, c_char, c_int, c_ulong, c_void};
use std::ptr::{null, null_mut};
use std::sync::atomic::{AtomicBool, Ordering};

use spherescope_dsp::{BlockReader, BlockWriter, block_pool};

const LIBRARY: &CStr = if cfg!(target_os = "macos") { c"libjack.0.dylib" } else { c"libjack.so.0" };

// Of the C library, which every program has.
unsafe extern "C" {
    fn dlopen(file: *const c_char, mode: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}
const RTLD_NOW: c_int = 2;

/// `jack.h`'s types, options and flags.
type ClientPointer = *mut c_void;
type PortPointer = *mut c_void;
type Process = unsafe extern "C" fn(frames: u32, state: *mut c_void) -> c_int;
type Shutdown = unsafe extern "C" fn(state: *mut c_void);
const NO_START_SERVER: c_int = 1;
const PORT_IS_INPUT: c_ulong = 1;
const PORT_IS_OUTPUT: c_ulong = 2;
const AUDIO: &CStr = c"32 bit float mono audio";

/// The pool holds this much audio, in seconds.
const POOL_S: f64 = 1.0;

/// The functions that are used, under their names without `jack_`.
struct Functions {
    client_open: unsafe extern "C" fn(*const c_char, c_int, *mut c_int, ...) -> ClientPointer,
    client_close: unsafe extern "C" fn(ClientPointer) -> c_int,
    activate: unsafe extern "C" fn(ClientPointer) -> c_int,
    deactivate: unsafe extern "C" fn(ClientPointer) -> c_int,
    get_client_name: unsafe extern "C" fn(ClientPointer) -> *const c_char,
    get_sample_rate: unsafe extern "C" fn(ClientPointer) -> u32,
    get_buffer_size: unsafe extern "C" fn(ClientPointer) -> u32,
    set_process_callback: unsafe extern "C" fn(ClientPointer, Process, *mut c_void) -> c_int,
    on_shutdown: unsafe extern "C" fn(ClientPointer, Shutdown, *mut c_void),
    port_register: unsafe extern "C" fn(ClientPointer, *const c_char, *const c_char, c_ulong, c_ulong) -> PortPointer,
    port_get_buffer: unsafe extern "C" fn(PortPointer, u32) -> *mut c_void,
    port_name: unsafe extern "C" fn(PortPointer) -> *const c_char,
    get_ports: unsafe extern "C" fn(ClientPointer, *const c_char, *const c_char, c_ulong) -> *mut *const c_char,
    connect: unsafe extern "C" fn(ClientPointer, *const c_char, *const c_char) -> c_int,
    free: unsafe extern "C" fn(*mut c_void),
}

impl Functions {
    fn load() -> Result<Self, String> {
        // SAFETY: JACK's library is made to be loaded, and stays: it runs no code that expects anything of this program.
        let library = unsafe { dlopen(LIBRARY.as_ptr(), RTLD_NOW) };
        if library.is_null() {
            return Err(format!("expected JACK's library {} on this computer, found none", LIBRARY.to_string_lossy()));
        }
        // SAFETY: the library is loaded, and each field's type is that of `jack.h`.
        Ok(unsafe {
            Self {
                client_open: function(library, c"jack_client_open")?,
                client_close: function(library, c"jack_client_close")?,
                activate: function(library, c"jack_activate")?,
                deactivate: function(library, c"jack_deactivate")?,
                get_client_name: function(library, c"jack_get_client_name")?,
                get_sample_rate: function(library, c"jack_get_sample_rate")?,
                get_buffer_size: function(library, c"jack_get_buffer_size")?,
                set_process_callback: function(library, c"jack_set_process_callback")?,
                on_shutdown: function(library, c"jack_on_shutdown")?,
                port_register: function(library, c"jack_port_register")?,
                port_get_buffer: function(library, c"jack_port_get_buffer")?,
                port_name: function(library, c"jack_port_name")?,
                get_ports: function(library, c"jack_get_ports")?,
                connect: function(library, c"jack_connect")?,
                free: function(library, c"jack_free")?,
            }
        })
    }
}

/// A function of a loaded library, which is never unloaded.
///
/// # Safety
/// `F` must be the type of the function of this name.
unsafe fn function<F>(library: *mut c_void, name: &CStr) -> Result<F, String> {
    const { assert!(size_of::<F>() == size_of::<*mut c_void>()) };
    // SAFETY: the library is loaded and the text ends with a zero.
    let found = unsafe { dlsym(library, name.as_ptr()) };
    if found.is_null() {
        return Err(format!("{}: expected {}, found none", LIBRARY.to_string_lossy(), name.to_string_lossy()));
    }
    // SAFETY: the caller's promise; both are as long.
    Ok(unsafe { std::mem::transmute_copy(&found) })
}

/// What the server's threads see.
struct Tap {
    ports: Vec<PortPointer>,
    buffers: Vec<*const f32>,
    port_get_buffer: unsafe extern "C" fn(PortPointer, u32) -> *mut c_void,
    writer: BlockWriter,
    ended: AtomicBool,
}

/// Called by the server for every block. No lock, no memory taken, no panic.
unsafe extern "C" fn process(frames: u32, tap: *mut c_void) -> c_int {
    let tap = tap.cast::<Tap>();
    // SAFETY: the pointer of `JackInput::open`; the server calls from one thread at a time, and not after `client_close`. Nobody else
    // touches buffers and writer, and nobody changes the ports.
    let (ports, buffers, writer, port_get_buffer) =
        unsafe { (&(*tap).ports, &mut (*tap).buffers, &mut (*tap).writer, (*tap).port_get_buffer) };
    for (buffer, port) in buffers.iter_mut().zip(ports) {
        // SAFETY: the port is registered, and its buffer holds `frames` samples until this call ends.
        *buffer = unsafe { port_get_buffer(*port, frames) }.cast::<f32>().cast_const();
    }
    let (frames, step) = (frames as usize, writer.max_frames());
    for start in (0..frames).step_by(step) {
        let length = step.min(frames - start);
        writer.push(length, |channel, out| match buffers.get(channel) {
            Some(buffer) if !buffer.is_null() => {
                // SAFETY: `start + length` is within the `frames` samples of the buffer.
                let samples = unsafe { std::slice::from_raw_parts(buffer.add(start), length) };
                out.copy_from_slice(samples);
            }
            _ => out.fill(0.0),
        });
    }
    0
}

unsafe extern "C" fn shut_down(tap: *mut c_void) {
    // SAFETY: as in `process`; the flag alone is touched.
    unsafe { (*tap.cast::<Tap>()).ended.store(true, Ordering::Release) };
}

/// Input ports at the server, named `in_1` and so on; their audio is in the pool that came with them.
pub struct JackInput {
    functions: Functions,
    client: ClientPointer,
    /// Shared with the server's threads until the client is closed.
    tap: *mut Tap,
    /// The server's sample rate in Hz.
    pub sample_rate_hz: f64,
    /// The client's name, a number behind it where the name was taken.
    pub name: String,
}

impl JackInput {
    /// Becomes a client of the running server with so many input ports (at least 1) and begins to fill the pool.
    ///
    /// # Errors
    /// When there is no JACK library, no running server, or a port is refused.
    pub fn open(ports: usize) -> Result<(Self, BlockReader), String> {
        let functions = Functions::load()?;
        let mut status: c_int = 0;
        // SAFETY: the texts end with a zero; the place of the status is valid.
        let client = unsafe { (functions.client_open)(c"spherescope".as_ptr(), NO_START_SERVER, &mut status) };
        if client.is_null() {
            return Err(format!("expected a running JACK server, found none (status {status:#x})"));
        }
        // SAFETY: the client is open.
        let (rate, frames, name) = unsafe {
            let name = CStr::from_ptr((functions.get_client_name)(client)).to_string_lossy().into_owned();
            ((functions.get_sample_rate)(client), (functions.get_buffer_size)(client), name)
        };
        let sample_rate_hz = f64::from(rate);
        let frames = frames.clamp(16, 1024) as usize;
        let blocks = (POOL_S * sample_rate_hz / frames as f64).ceil() as usize + 8;
        let (writer, reader) = block_pool(ports, frames, blocks);
        let tap = Box::into_raw(Box::new(Tap {
            ports: Vec::with_capacity(ports),
            buffers: vec![null(); ports],
            port_get_buffer: functions.port_get_buffer,
            writer,
            ended: AtomicBool::new(false),
        }));
        // From here on dropping it gives everything back.
        let input = Self { functions, client, tap, sample_rate_hz, name };
        for number in 1..=ports {
            let name = CString::new(format!("in_{number}")).map_err(|e| e.to_string())?;
            // SAFETY: client and texts are valid.
            let port =
                unsafe { (input.functions.port_register)(client, name.as_ptr(), AUDIO.as_ptr(), PORT_IS_INPUT, 0) };
            if port.is_null() {
                return Err(format!("JACK refuses port {number} of {ports}"));
            }
            // SAFETY: the server does not call yet.
            unsafe { (*tap).ports.push(port) };
        }
        // SAFETY: the tap lives until the client is closed.
        let started = unsafe {
            (input.functions.on_shutdown)(client, shut_down, tap.cast());
            (input.functions.set_process_callback)(client, process, tap.cast()) == 0
                && (input.functions.activate)(client) == 0
        };
        if started { Ok((input, reader)) } else { Err("JACK does not start the client".into()) }
    }

    /// Connects the server's output ports whose names begin with `prefix`, in the server's order, to the inputs, as many as there are
    /// of both. Returns how many.
    ///
    /// # Errors
    /// When there is no such port, or a connection is refused.
    pub fn connect(&self, prefix: &str) -> Result<usize, String> {
        let functions = &self.functions;
        // SAFETY: client and text are valid; a null pattern is none.
        let names = unsafe { (functions.get_ports)(self.client, null(), AUDIO.as_ptr(), PORT_IS_OUTPUT) };
        if names.is_null() {
            return Err(format!("expected JACK ports that begin with `{prefix}`, found none at all"));
        }
        let mut sources = Vec::new();
        // SAFETY: the list ends with a null pointer and its texts with a zero; both live until freed.
        unsafe {
            let mut next = names;
            while !(*next).is_null() {
                sources.push(CStr::from_ptr(*next).to_owned());
                next = next.add(1);
            }
            (functions.free)(names.cast());
        }
        sources.retain(|name| name.to_bytes().starts_with(prefix.as_bytes()));
        if sources.is_empty() {
            return Err(format!("expected JACK ports that begin with `{prefix}`, found others only"));
        }
        // SAFETY: the list of ports does not change after `open`; the server's thread reads it as well.
        let ports = unsafe { &(*self.tap).ports };
        let pairs = sources.len().min(ports.len());
        for (source, port) in sources.iter().zip(ports) {
            // SAFETY: client, port and text are valid.
            if unsafe { (functions.connect)(self.client, source.as_ptr(), (functions.port_name)(*port)) } != 0 {
                return Err(format!("JACK refuses a connection of {}", source.to_string_lossy()));
            }
        }
        Ok(pairs)
    }

    /// Whether the server has gone.
    pub fn ended(&self) -> bool {
        // SAFETY: the tap lives as long as `self`, and the flag is atomic.
        unsafe { (*self.tap).ended.load(Ordering::Acquire) }
    }
}

impl Drop for JackInput {
    fn drop(&mut self) {
        // SAFETY: opened once and closed once; the server does not call afterwards, so the tap is ours alone.
        unsafe {
            (self.functions.deactivate)(self.client);
            (self.functions.client_close)(self.client);
            drop(Box::from_raw(self.tap));
        }
        (self.client, self.tap) = (null_mut(), null_mut());
    }
}
