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

/// Whether the value of an `Authorization`, `WWW-Authenticate` or kindred field names a scheme that signs a connection in.
/// A comma within a quoted text may look like the beginning of a challenge; that costs a connection and no more.
pub fn signs_in_connection(value: &[u8]) -> bool {
    value.split(|byte| *byte == b',').any(|challenge| {
        let scheme = challenge.trim_ascii_start().split(u8::is_ascii_whitespace).next().unwrap_or_default();
        // Nego2 is a kind of Negotiate.
        scheme.eq_ignore_ascii_case(b"ntlm") || scheme.get(..4).is_some_and(|start| start.eq_ignore_ascii_case(b"nego"))
    })
}

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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn schemes_that_sign_a_connection_in_are_found_in_any_case_and_in_lists() {
        for value in [
            "NTLM",
            "ntlm TlRMTVNTUAAB",
            "Negotiate",
            "negotiate YII=",
            "Nego2",
            "Basic realm=\"a\", NTLM",
            "Basic realm=\"a, b\",\tNEGOTIATE ,Digest x=y",
            " Ntlm",
        ] {
            assert!(signs_in_connection(value.as_bytes()), "{value}");
        }
        for value in ["", "Basic TlRMTQ==", "Bearer ntlm", "Digest realm=\"NTLM\"", "NTLMv3", "Neg", ",", "Ne\u{e9}go"]
        {
            assert!(!signs_in_connection(value.as_bytes()), "{value}");
        }
    }

    proptest! {
        #[test]
        fn a_scheme_is_found_behind_any_bytes_and_in_any_case(
            before in proptest::collection::vec(any::<u8>(), 0..40),
            upper in any::<[bool; 9]>(),
            ntlm in any::<bool>(),
        ) {
            let scheme: &[u8] = if ntlm { b"ntlm" } else { b"negotiate" };
            let cased = scheme.iter().zip(upper).map(|(byte, upper)| if upper { byte.to_ascii_uppercase() } else { *byte });
            let value: Vec<u8> = before.iter().copied().chain(*b", ").chain(cased).collect();
            prop_assert!(signs_in_connection(&value));
            let without: Vec<u8> = before.iter().copied().filter(|byte| !b"nN".contains(byte)).collect();
            prop_assert!(!signs_in_connection(&without));
        }
    }
}
