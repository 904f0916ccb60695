//! A host closes the editor and unloads the library at once, again and again. Alone in its program: other tests would keep the library.

use spherescope_tests::bundle;
use spherescope_tests::display::Xvfb;
use spherescope_tests::host::{Activation, ClapHost, EditorWindow};

#[test]
fn the_library_goes_right_after_its_editor() {
    let display = Xvfb::start().unwrap();
    // SAFETY: the only test of this program, and nothing is loaded yet.
    unsafe { display.become_default() };
    let bundle = bundle::clap().unwrap();
    for round in 0..20 {
        let host = ClapHost::load(&bundle).unwrap();
        let mut instance = host.instance().unwrap();
        let mut stream = instance.activate(Activation::default()).unwrap();
        let editor = EditorWindow::open_drawn(&mut instance, display.name()).unwrap();
        for _ in 0..20 {
            stream.run(480).unwrap();
        }
        instance.deactivate(stream);
        // Half of the hosts close the editor, the others just let go of everything.
        if round % 2 == 0 {
            editor.close(&mut instance).unwrap();
            drop(instance);
        } else {
            drop(instance);
            drop(editor);
        }
        drop(host);
    }
}
