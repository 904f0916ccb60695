//! A virtual screen and pictures of what is on it.

mod hands;
mod picture;
mod xvfb;

pub use hands::Hands;
pub use picture::Picture;
pub use xvfb::{ParentWindow, TopWindow, Xvfb};
