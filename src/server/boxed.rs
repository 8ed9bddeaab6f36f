//! A boxed future that is made where it stays.

use std::pin::Pin;

/// Boxes the future that `make` returns. Its memory is allocated first, so that the compiler makes the future in place;
/// `Box::pin` copies all of it, which is several KiB for a connection.
pub fn boxed<F>(make: impl FnOnce() -> F) -> Pin<Box<F>> {
    Box::into_pin(Box::write(Box::new_uninit(), make()))
}
