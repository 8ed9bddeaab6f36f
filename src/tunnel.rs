//! An accepted upgrade, passed from `forward`, which has the application's side, to `server`, which joins it with the
//! client's side after sending the response.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::Wire;

/// The application's side of an accepted upgrade.
pub struct Tunnel {
    pub application: Wire,
    /// Bytes read after the head of its response.
    pub ahead: Bytes,
    /// How long it may be silent in both directions.
    pub idle_timeout: Duration,
    /// Called once with the bytes that went to the application and to the client.
    pub ended: Box<dyn FnOnce(u64, u64)>,
}

/// Passes a tunnel from a request to the client's connection, and keeps a connection to the application that is
/// reserved for this client. Over HTTP/2 each request has a separate slot.
#[derive(Clone, Default)]
pub struct TunnelSlot(Rc<Left>);

#[derive(Default)]
struct Left {
    tunnel: RefCell<Option<Tunnel>>,
    private: RefCell<Option<Box<dyn Any>>>,
}

impl TunnelSlot {
    pub fn fill(&self, tunnel: Tunnel) {
        *self.0.tunnel.borrow_mut() = Some(tunnel);
    }

    /// Takes the tunnel, if there is one.
    pub fn take(&self) -> Option<Tunnel> {
        self.0.tunnel.borrow_mut().take()
    }

    /// Keeps a connection to the application until the next request of this client, or the end of the client's
    /// connection.
    pub fn keep_private(&self, connection: Box<dyn Any>) {
        *self.0.private.borrow_mut() = Some(connection);
    }

    /// Takes the reserved connection, if there is one.
    pub fn take_private(&self) -> Option<Box<dyn Any>> {
        self.0.private.borrow_mut().take()
    }

    /// Whether there is a reserved connection.
    pub fn has_private(&self) -> bool {
        self.0.private.borrow().is_some()
    }
}
