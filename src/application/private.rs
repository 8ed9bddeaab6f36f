//! Connections that belong to one client's connection alone.
//!
//! NTLM and Negotiate sign in a connection, not a request (RFC 4559, section 6; MS-NTHT): whatever else goes over it is done
//! in the name of whoever signed in. A connection that saw either is never pooled; it waits with the client's connection,
//! and is closed with it.

use std::rc::Rc;

use super::connect::Connector;
use super::http1::Http1;
use super::pool::Pool;
use crate::tunnel::TunnelSlot;

/// A connection that waits with a client's.
struct Waiting {
    connection: Http1,
    /// Whose it is: after a reload the application may be another.
    connector: Rc<Connector>,
}

/// Takes the connection that waits in `slot`, if it leads to the same server and is still good.
pub fn take(slot: &TunnelSlot, connector: &Rc<Connector>) -> Option<Http1> {
    let Waiting { mut connection, connector: own } = *slot.take_private()?.downcast().ok()?;
    (Rc::ptr_eq(&own, connector) && connection.is_idle()).then_some(connection)
}

/// Where a connection goes after a response.
pub enum Home {
    /// To whoever comes next.
    Pool(Rc<Pool>),
    /// To the client's connection that the request came on.
    Client(TunnelSlot, Rc<Connector>),
    /// Nowhere: it is closed.
    Closed,
}

impl Home {
    /// Takes the connection back, unless bytes came that belong to no response.
    pub fn take_back(self, mut connection: Http1) {
        match self {
            Home::Pool(pool) => pool.put(connection),
            Home::Client(slot, connector) if connection.is_free() => {
                connection.deadline.clear();
                connection.shrink();
                connection.reused = true;
                slot.keep_private(Box::new(Waiting { connection, connector }));
            }
            Home::Client(..) | Home::Closed => {}
        }
    }
}
