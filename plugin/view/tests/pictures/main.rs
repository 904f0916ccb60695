//! The editor drawn into pictures and looked at: is what is known where it must be, and does nothing bring it down?

mod array;
mod display;
mod outgoing;
mod states;
mod studio;
mod where_it_is;
