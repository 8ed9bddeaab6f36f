//! An accepted upgrade on its way between two floors: forwarding leaves the application's side here, the connection
//! joins it with the client's once the answer is written.

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
