//! Connections to the application that are reserved for one client's connection.
//!
//! NTLM and Negotiate authenticate a connection, not a request (RFC 4559, section 6; MS-NTHT): every later request over
//! it is made in that user's name. A connection that saw either is never pooled. It is kept with the client's
//! connection, and closed with it.

use std::rc::Rc;

use super::connect::Connector;
use super::http1::Http1;
use super::pool::Pool;
use crate::tunnel::TunnelSlot;

/// A reserved connection.
struct Waiting {
    connection: Http1,
    /// Its server: after a reload the application may be another one.
    connector: Rc<Connector>,
}

/// Takes the connection kept in `slot`, if it leads to the same server and can still be used.
pub fn take(slot: &TunnelSlot, connector: &Rc<Connector>) -> Option<Http1> {
    let Waiting { mut connection, connector: own } = *slot.take_private()?.downcast().ok()?;
    (Rc::ptr_eq(&own, connector) && connection.is_idle()).then_some(connection)
}

/// Where a connection goes after a response.
pub enum Home {
    Pool(Rc<Pool>),
    /// To the client's connection that the request came on.
    Client(TunnelSlot, Rc<Connector>),
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
