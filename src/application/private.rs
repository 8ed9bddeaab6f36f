//! Connections to the application that are reserved for one client's connection.
//!
//! NTLM and Negotiate authenticate a connection, not a request (RFC 4559, section 6; MS-NTHT): every later request on it
//! is made in that user's name. A connection that carried either is never pooled. It is kept with the client's
//! connection, and closed with it.

use std::rc::Rc;

use super::connect::Connector;
use super::http1::Http1;
use super::pool::Pool;
use crate::tunnel::TunnelSlot;

/// A reserved connection.
struct Waiting {
    connection: Http1,
    /// Its server. A reload may change the application's address.
    connector: Rc<Connector>,
}

/// Takes the connection kept in `slot`, if it leads to the same server and can still be used.
pub fn take(slot: &TunnelSlot, connector: &Rc<Connector>) -> Option<Http1> {
    let Waiting { mut connection, connector: own } = *slot.take_private()?.downcast().ok()?;
    (Rc::ptr_eq(&own, connector) && connection.is_idle()).then_some(connection)
}

/// Who gets a connection after a response.
pub enum Home {
    Pool(Rc<Pool>),
    /// The client's connection on which the request arrived.
    Client(TunnelSlot, Rc<Connector>),
    Closed,
}

impl Home {
    /// Takes the connection back, unless unsolicited bytes arrived on it.
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
