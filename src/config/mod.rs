//! proxy.toml: from text to finished values, with every problem told at once.

mod model;

pub use model::*;
