//! An accepted upgrade on its way between two floors: forwarding leaves the application's side here, the connection
//! joins it with the client's once the answer is written.

use std::cell::RefCell;
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use crate::wire::Wire;

/// The application's side of an accepted upgrade.
pub struct Tunnel {
    /// Where its bytes come from and go to.
    pub application: Far,
    /// What was read from it after the head of its answer.
    pub ahead: Bytes,
    /// How long no byte may pass either way.
    pub idle_timeout: Duration,
    /// Called once with the bytes that went to the application and to the client.
    pub ended: Box<dyn FnOnce(u64, u64)>,
}

/// The far end of a tunnel.
pub enum Far {
    /// A socket that HTTP/1.1 was spoken over.
    Wire(Wire),
    /// A stream of an HTTP/2 connection.
    Stream(TokioIo<Upgraded>),
}

impl AsyncRead for Far {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Far::Wire(wire) => Pin::new(wire).poll_read(cx, buffer),
            Far::Stream(stream) => Pin::new(stream).poll_read(cx, buffer),
        }
    }
}

impl AsyncWrite for Far {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Far::Wire(wire) => Pin::new(wire).poll_write(cx, bytes),
            Far::Stream(stream) => Pin::new(stream).poll_write(cx, bytes),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Far::Wire(wire) => Pin::new(wire).poll_flush(cx),
            Far::Stream(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Far::Wire(wire) => Pin::new(wire).poll_shutdown(cx),
            Far::Stream(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

/// Where a tunnel is left for the connection that the request came on.
#[derive(Clone, Default)]
pub struct TunnelSlot(Rc<RefCell<Option<Tunnel>>>);

impl TunnelSlot {
    /// Leaves a tunnel.
    pub fn fill(&self, tunnel: Tunnel) {
        *self.0.borrow_mut() = Some(tunnel);
    }

    /// Takes it, if there is one.
    pub fn take(&self) -> Option<Tunnel> {
        self.0.borrow_mut().take()
    }
}
