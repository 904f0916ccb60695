//! Panics on purpose, for the tests that show a host living through them.
//!
//! Development builds look at the environment variable `SPHERESCOPE_PANIC`: a list of places, separated by commas, each of which then
//! panics whenever it is reached: `worker`, `view`, `text` (of parameters) and `state`. Release builds hold none of this, and
//! `cargo xtask bundle` looks that they do not.

/// Panics where the environment asks a development build to.
#[inline]
pub(crate) fn panic_if_asked(place: &str) {
    #[cfg(debug_assertions)]
    if std::env::var("SPHERESCOPE_PANIC").is_ok_and(|places| places.split(',').any(|asked| asked == place)) {
        panic!("injected into {place}");
    }
    #[cfg(not(debug_assertions))]
    let _ = place;
}
