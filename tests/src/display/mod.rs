//! A virtual screen and pictures of what is on it.

mod picture;
mod xvfb;

pub use picture::Picture;
pub use xvfb::{ParentWindow, Xvfb};
