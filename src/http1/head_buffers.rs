//! Buffers for the heads that a worker writes. The last one put back is taken first, so that it is still in the cache.

use std::cell::RefCell;

/// The size of a new buffer, which most heads fit in.
const FIRST: usize = 1024;
/// The largest buffer that is kept. A writer gathers 16 KiB.
const LARGEST: usize = 32 * 1024;
/// The number of buffers that a worker keeps.
const KEPT: usize = 16;

thread_local! {
    static BUFFERS: RefCell<Vec<Vec<u8>>> = const { RefCell::new(Vec::new()) };
}

/// An empty buffer.
pub fn take() -> Vec<u8> {
    BUFFERS.with_borrow_mut(Vec::pop).unwrap_or_else(|| Vec::with_capacity(FIRST))
}

/// Keeps a buffer for the next head.
pub fn put(mut buffer: Vec<u8>) {
    if !(FIRST..=LARGEST).contains(&buffer.capacity()) {
        return;
    }
    buffer.clear();
    // Without effect while the thread ends.
    let _ = BUFFERS.try_with(|buffers| {
        let mut buffers = buffers.borrow_mut();
        if buffers.len() < KEPT {
            buffers.push(buffer);
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_buffer_is_taken_again_empty_unless_it_has_grown_too_large() {
        let mut used = take();
        used.extend_from_slice(b"HTTP/1.1 200 OK");
        let address = used.as_ptr();
        put(used);
        let again = take();
        assert!(again.is_empty() && again.as_ptr() == address);
        put(Vec::with_capacity(LARGEST + 1));
        assert_eq!(take().capacity(), FIRST);
    }
}
