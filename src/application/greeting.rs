//! What a server of HTTP/2 says first: its SETTINGS (RFC 9113, section 3.4), and in them whether it takes extended
//! CONNECTs (RFC 8441, section 3). hyper reads them, but does not tell when they have come.

use std::cell::Cell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::oneshot;

use crate::wire::Wire;

/// The size of a frame's head; its type and flags are the fourth and fifth byte (RFC 9113, section 4.1).
const FRAME_HEAD: usize = 9;
/// SETTINGS, and no acknowledgement of ours.
const SETTINGS: [u8; 2] = [4, 0];
/// `SETTINGS_ENABLE_CONNECT_PROTOCOL`.
const ENABLE_CONNECT_PROTOCOL: [u8; 2] = [0, 8];
/// No frame is longer before a larger one was allowed (RFC 9113, section 4.2).
const LONGEST: usize = 1 << 14;

/// A wire whose first frame is read along.
pub struct Greeted {
    wire: Wire,
    /// Both none once the frame was read.
    frame: Option<Vec<u8>>,
    told: Option<oneshot::Sender<bool>>,
    last: Rc<Cell<Option<bool>>>,
}

impl Greeted {
    /// What the server says of extended CONNECTs is told once, and noted in `last`. A wire that ends before tells nothing.
    pub fn new(wire: Wire, last: Rc<Cell<Option<bool>>>) -> (Greeted, oneshot::Receiver<bool>) {
        let (told, telling) = oneshot::channel();
        (Greeted { wire, frame: Some(Vec::new()), told: Some(told), last }, telling)
    }

    fn read_along(&mut self, bytes: &[u8]) {
        let Some(frame) = &mut self.frame else { return };
        frame.extend_from_slice(bytes);
        let Some(extended_connect) = takes_extended_connect(frame) else { return };
        self.frame = None;
        self.last.set(Some(extended_connect));
        if let Some(told) = self.told.take() {
            // Whoever wants only to send requests does not listen.
            let _ = told.send(extended_connect);
        }
    }
}

/// What the first frame says; none while it is not whole.
fn takes_extended_connect(frame: &[u8]) -> Option<bool> {
    let (head, payload) = frame.split_at_checked(FRAME_HEAD)?;
    let length = usize::from(head[0]) << 16 | usize::from(head[1]) << 8 | usize::from(head[2]);
    if head[3..5] != SETTINGS || length > LONGEST {
        return Some(false);
    }
    let mut settings = payload.get(..length)?.chunks_exact(6).filter(|setting| setting[..2] == ENABLE_CONNECT_PROTOCOL);
    Some(settings.next_back().is_some_and(|setting| setting[2..] == [0, 0, 0, 1]))
}

impl AsyncRead for Greeted {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.wire).poll_read(cx, buffer);
        if this.frame.is_some() {
            this.read_along(&buffer.filled()[before..]);
        }
        polled
    }
}

impl AsyncWrite for Greeted {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().wire).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.wire.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().wire).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_frame_tells_once_it_is_whole() {
        let enabled = [0, 0, 12, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100, 0, 8, 0, 0, 0, 1];
        for cut in 0..enabled.len() {
            assert_eq!(takes_extended_connect(&enabled[..cut]), None, "{cut}");
        }
        assert_eq!(takes_extended_connect(&enabled), Some(true));
        assert_eq!(takes_extended_connect(&[&enabled[..], b"more"].concat()), Some(true));
    }

    #[test]
    fn what_does_not_say_so_plainly_does_not() {
        let frame =
            |kind, flags, payload: &[u8]| [&[0, 0, payload.len() as u8, kind, flags, 0, 0, 0, 0], payload].concat();
        let (on, off) = ([0, 8, 0, 0, 0, 1], [0, 8, 0, 0, 0, 0]);
        for frame in [
            frame(4, 0, &[]),
            frame(4, 0, &off),
            frame(4, 0, &[on, off].concat()),
            frame(4, 0, &[0, 8, 0, 0, 0, 2]),
            frame(4, 0, &[0, 1, 0, 0, 0, 1]),
            frame(4, 1, &[]),
            frame(6, 0, &on),
            b"HTTP/1.1 400 Bad Request\r\n".to_vec(),
        ] {
            assert_eq!(takes_extended_connect(&frame), Some(false), "{frame:?}");
        }
    }
}
