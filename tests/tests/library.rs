//! What a host sees before there is an instance: the library, its factory and its descriptor, read as a scanner does it.
#![cfg(unix)]

use std::ffi::{CStr, CString, c_char, c_void};
use std::path::Path;
use std::process::{Command, Stdio};
use std::ptr::null;

use clap_sys::entry::clap_plugin_entry;
use clap_sys::factory::plugin_factory::{CLAP_PLUGIN_FACTORY_ID, clap_plugin_factory};
use clap_sys::host::clap_host;
use clap_sys::plugin::clap_plugin_descriptor;
use clap_sys::version::CLAP_VERSION;
use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use spherescope_tests::bundle;

/// A library that is loaded with every symbol resolved at once, and initialised.
struct Scanned {
    entry: *const clap_plugin_entry,
    _library: Library,
}

impl Scanned {
    fn load(path: &Path) -> Self {
        // SAFETY: loading runs the library's own code, which is the code under test.
        let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_LOCAL) }.unwrap();
        // SAFETY: CLAP fixes the type under this name; the pointer lives as long as the library, which is kept beside it.
        let entry = unsafe { *library.get::<*const clap_plugin_entry>(b"clap_entry\0").unwrap() };
        let scanned = Self { entry, _library: library };
        let path = CString::new(path.to_str().unwrap()).unwrap();
        // SAFETY: as CLAP wants it: once after loading, with the path.
        assert!(unsafe { scanned.entry().init.unwrap()(path.as_ptr()) });
        scanned
    }

    fn entry(&self) -> &clap_plugin_entry {
        // SAFETY: not null by CLAP's rules, and the library is loaded.
        unsafe { &*self.entry }
    }

    fn factory(&self, id: &CStr) -> *const c_void {
        // SAFETY: the entry is initialised, the text ends with a zero.
        unsafe { self.entry().get_factory.unwrap()(id.as_ptr()) }
    }

    fn plugin_factory(&self) -> &clap_plugin_factory {
        let factory = self.factory(CLAP_PLUGIN_FACTORY_ID).cast::<clap_plugin_factory>();
        // SAFETY: CLAP fixes the type under this identifier.
        unsafe { factory.as_ref() }.unwrap()
    }

    fn descriptors(&self) -> Vec<&clap_plugin_descriptor> {
        let factory = self.plugin_factory();
        // SAFETY: calls and pointers as CLAP fixes them.
        unsafe {
            let count = factory.get_plugin_count.unwrap()(factory);
            (0..count).map(|i| factory.get_plugin_descriptor.unwrap()(factory, i).as_ref().unwrap()).collect()
        }
    }
}

impl Drop for Scanned {
    fn drop(&mut self) {
        // SAFETY: initialised once, and nothing of it is used any more.
        unsafe { self.entry().deinit.unwrap()() };
    }
}

/// A text of the library's; none for a null pointer.
fn text(pointer: *const c_char) -> Option<String> {
    // SAFETY: CLAP's texts end with a zero and live as long as the library.
    (!pointer.is_null()).then(|| unsafe { CStr::from_ptr(pointer) }.to_str().unwrap().to_string())
}

/// A descriptor's texts and features.
fn words(descriptor: &clap_plugin_descriptor) -> (Vec<Option<String>>, Vec<String>) {
    let d = descriptor;
    let texts = [d.id, d.name, d.vendor, d.url, d.manual_url, d.support_url, d.version, d.description];
    let mut features = Vec::new();
    // SAFETY: the list of features ends with a null pointer.
    while let Some(feature) = text(unsafe { *d.features.add(features.len()) }) {
        features.push(feature);
    }
    (texts.into_iter().map(text).collect(), features)
}

unsafe extern "C" fn no_extension(_: *const clap_host, _: *const c_char) -> *const c_void {
    null()
}

unsafe extern "C" fn no_request(_: *const clap_host) {}

/// A host without a single extension.
fn bare_host() -> clap_host {
    clap_host {
        clap_version: CLAP_VERSION,
        host_data: std::ptr::null_mut(),
        name: c"bare".as_ptr(),
        vendor: c"".as_ptr(),
        url: c"".as_ptr(),
        version: c"0".as_ptr(),
        get_extension: Some(no_extension),
        request_restart: Some(no_request),
        request_process: Some(no_request),
        request_callback: Some(no_request),
    }
}

#[test]
fn what_the_library_has_not_is_null() {
    let library = Scanned::load(&bundle::clap().unwrap());
    for id in [c"", c"clap.plugin-factory ", c"clap.no-such-factory/0", c"\xff\xfe"] {
        assert!(library.factory(id).is_null(), "{id:?}");
    }
    let (factory, host) = (library.plugin_factory(), bare_host());
    let id = text(library.descriptors()[0].id).unwrap();
    for id in [format!("{id}x"), format!(" {id}"), id.to_uppercase(), String::new()] {
        let id = CString::new(id).unwrap();
        // SAFETY: host and text outlive the call.
        let plugin = unsafe { factory.create_plugin.unwrap()(factory, &host, id.as_ptr()) };
        assert!(plugin.is_null(), "{id:?} has made an instance");
    }
}

#[test]
fn an_instance_lives_in_a_host_that_knows_no_extension() {
    let library = Scanned::load(&bundle::clap().unwrap());
    let (factory, host) = (library.plugin_factory(), bare_host());
    // SAFETY: calls in CLAP's order, from one thread; the host outlives the instance.
    unsafe {
        let plugin = factory.create_plugin.unwrap()(factory, &host, library.descriptors()[0].id);
        let p = plugin.as_ref().unwrap();
        assert!(p.init.unwrap()(plugin));
        assert_eq!(words(&*p.desc), words(library.descriptors()[0]), "instance and factory say the same");
        assert!(p.get_extension.unwrap()(plugin, c"no.such-extension".as_ptr()).is_null());
        assert!(p.activate.unwrap()(plugin, 48_000.0, 1, 64));
        assert!(p.start_processing.unwrap()(plugin));
        p.reset.unwrap()(plugin);
        p.stop_processing.unwrap()(plugin);
        p.deactivate.unwrap()(plugin);
        p.on_main_thread.unwrap()(plugin);
        p.destroy.unwrap()(plugin);
        // Made, never initialised, and gone.
        let plugin = factory.create_plugin.unwrap()(factory, &host, library.descriptors()[0].id);
        plugin.as_ref().unwrap().destroy.unwrap()(plugin);
    }
}

#[test]
fn the_descriptor_has_its_texts_and_every_feature_once() {
    let library = Scanned::load(&bundle::clap().unwrap());
    let [descriptor] = library.descriptors()[..] else { panic!("expected one plugin") };
    let (texts, features) = words(descriptor);
    for (index, what) in [(0, "id"), (1, "name"), (2, "vendor"), (6, "version")] {
        assert!(texts[index].as_ref().is_some_and(|t| !t.is_empty()), "there is no {what}");
    }
    let main = ["instrument", "audio-effect", "note-effect", "note-detector", "analyzer"];
    assert!(features.iter().any(|f| main.contains(&f.as_str())), "{features:?}");
    let mut once = features.clone();
    once.sort();
    once.dedup();
    assert_eq!(once.len(), features.len(), "{features:?}");
}

const INSIDE: &str = "SPHERESCOPE_SCAN";
/// The processor's time for one scan of the library, loading and unloading included.
const SCAN_WITHIN_MS: f64 = 20.0;

/// The processor's time of this process so far, all its threads together, in ms.
fn cpu_ms() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the place is valid.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &mut time) }, 0);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 * 1e-6
}

fn count(folder: &str) -> usize {
    std::fs::read_dir(folder).map_or(0, Iterator::count)
}

/// Not a test of its own: a process that scans once, and says what that took.
#[test]
fn scan_in_a_process_of_its_own() {
    let Some(path) = std::env::var_os(INSIDE) else { return };
    let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
    let begin = cpu_ms();
    let library = Scanned::load(Path::new(&path));
    assert_eq!(library.descriptors().len(), 1);
    words(library.descriptors()[0]);
    assert_eq!(count("/proc/self/task"), threads, "scanning starts a thread");
    assert_eq!(count("/proc/self/fd"), files, "scanning leaves a file open");
    drop(library);
    println!("scanned in {} ms", cpu_ms() - begin);
}

#[test]
fn a_scan_takes_little_and_needs_no_home_no_display_and_no_folder() {
    let bundle = bundle::clap().unwrap();
    let empty = tempfile::tempdir().unwrap();
    // The processor's time and not the clock's, since other tests run beside this one. The best of some: caches are cold at first.
    let scans = (0..5).map(|_| {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "scan_in_a_process_of_its_own", "--nocapture", "--test-threads=1"])
            .env_clear()
            .env(INSIDE, &bundle)
            .current_dir(empty.path())
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
        let took = said.split("scanned in ").nth(1).and_then(|rest| rest.split(' ').next());
        took.unwrap_or_else(|| panic!("no scan in {said:?}")).parse::<f64>().unwrap()
    });
    let scans: Vec<f64> = scans.collect();
    println!("scans took {scans:.1?} ms of the processor");
    let best = scans.iter().copied().fold(f64::INFINITY, f64::min);
    assert!(best < SCAN_WITHIN_MS, "expected less than {SCAN_WITHIN_MS} ms, found {scans:?}");
    assert_eq!(std::fs::read_dir(empty.path()).unwrap().count(), 0, "scanning writes files");
}
