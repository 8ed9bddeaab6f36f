//! An accepted upgrade on its way between two floors: forwarding leaves the application's side here, the connection
//! joins it with the client's once the answer is written.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;

use crate::wire::Wire;

/// The application's side of an accepted upgrade.
pub struct Tunnel {
    /// Where its bytes come from and go to.
    pub application: Wire,
    /// What was read from it after the head of its answer.
    pub ahead: Bytes,
    /// How long no byte may pass either way.
    pub idle_timeout: Duration,
    /// Called once with the bytes that went to the application and to the client.
    pub ended: Box<dyn FnOnce(u64, u64)>,
}

/// What a request leaves for the client's connection that it came on: a tunnel, and a connection to the application that
/// belongs to this client's connection alone. Over HTTP/2 each request has a slot of its own.
#[derive(Clone, Default)]
pub struct TunnelSlot(Rc<Left>);

#[derive(Default)]
struct Left {
    tunnel: RefCell<Option<Tunnel>>,
    private: RefCell<Option<Box<dyn Any>>>,
}

impl TunnelSlot {
    /// Leaves a tunnel.
    pub fn fill(&self, tunnel: Tunnel) {
        *self.0.tunnel.borrow_mut() = Some(tunnel);
    }

    /// Takes it, if there is one.
    pub fn take(&self) -> Option<Tunnel> {
        self.0.tunnel.borrow_mut().take()
    }

    /// Keeps a connection to the application for the next request on this client's connection, with which it ends.
    pub fn keep_private(&self, connection: Box<dyn Any>) {
        *self.0.private.borrow_mut() = Some(connection);
    }

    /// Takes that connection, if there is one.
    pub fn take_private(&self) -> Option<Box<dyn Any>> {
        self.0.private.borrow_mut().take()
    }

    /// Whether there is one.
    pub fn has_private(&self) -> bool {
        self.0.private.borrow().is_some()
    }
}
