//! Limits on the number of connections: in total, and per client.

use std::collections::HashMap;
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::Mutex;

use crate::device::Network;
use crate::peer::{CLIENTS_OF_UNKNOWN_PEER, PeerAddress};
use crate::telemetry::metrics::{GaugeGuard, Metrics};

/// The limits, and the connections that count. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Permits(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    most: AtomicUsize,
    /// Zero: no limit.
    most_per_client: AtomicUsize,
    /// The descriptors of clients must be lower.
    descriptors: AtomicUsize,
    metrics: Option<Metrics>,
    open: AtomicUsize,
    /// Connections per client; used only with such a limit.
    by_client: Mutex<HashMap<Network, usize>>,
}

/// The right to one connection, given back when dropped.
#[derive(Debug)]
pub struct Permit {
    permits: Permits,
    client: Option<Network>,
    _shown: Option<GaugeGuard>,
}

impl Permits {
    /// At most `most` connections, and `most_per_client` from one address (IPv6: from one /64). `metrics` has the gauge
    /// of open connections.
    pub fn new(most: usize, most_per_client: Option<usize>, metrics: Option<&Metrics>) -> Permits {
        Permits(Arc::new(Counts {
            most: AtomicUsize::new(most),
            most_per_client: AtomicUsize::new(most_per_client.unwrap_or(0)),
            descriptors: AtomicUsize::new(usize::MAX),
            metrics: metrics.cloned(),
            open: AtomicUsize::new(0),
            by_client: Mutex::default(),
        }))
    }

    /// Changes the limits. Open connections stay.
    pub fn limit(&self, most: usize, most_per_client: Option<usize>) {
        self.0.most.store(most, Ordering::Relaxed);
        self.0.most_per_client.store(most_per_client.unwrap_or(0), Ordering::Relaxed);
    }

    /// Reserves the descriptors from `number` on for uses other than clients. The system assigns the lowest free one.
    pub fn leave_descriptors_from(&self, number: usize) {
        self.0.descriptors.store(number, Ordering::Relaxed);
    }

    /// Whether a client may have this descriptor.
    pub fn allow_descriptor(&self, number: RawFd) -> bool {
        usize::try_from(number).is_ok_and(|number| number < self.0.descriptors.load(Ordering::Relaxed))
    }

    /// Whether the limit for all connections is reached.
    pub fn are_exhausted(&self) -> bool {
        self.open() >= self.0.most.load(Ordering::Relaxed)
    }

    fn most_per_client(&self) -> Option<usize> {
        Some(self.0.most_per_client.load(Ordering::Relaxed)).filter(|most| *most > 0)
    }

    /// Permits a connection from `peer`, or `None` over a limit. Peers on unix sockets have no limit per client.
    pub fn take(&self, peer: PeerAddress) -> Option<Permit> {
        let most = self.0.most.load(Ordering::Relaxed);
        let one_more = |open| (open < most).then_some(open + 1);
        self.0.open.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        let mut permit = Permit { permits: self.clone(), client: None, _shown: None };
        if !permit.assign(peer, false) {
            return None;
        }
        permit._shown = self.0.metrics.as_ref().map(Metrics::connection);
        Some(permit)
    }

    /// The number of open connections.
    pub fn open(&self) -> usize {
        self.0.open.load(Ordering::Relaxed)
    }
}

impl Permit {
    /// Assigns the connection to a client. False over the limit of that client. `many`: the peer is a proxy that does
    /// not name its clients, and has the limit of [`CLIENTS_OF_UNKNOWN_PEER`] clients.
    pub fn assign(&mut self, peer: PeerAddress, many: bool) -> bool {
        let Some((most, address)) = self.permits.most_per_client().zip(peer.as_ip()) else { return true };
        let most = if many { most.saturating_mul(CLIENTS_OF_UNKNOWN_PEER as usize) } else { most };
        let client = Network::of(address);
        let mut by_client = self.permits.0.by_client.lock();
        let count = by_client.entry(client).or_default();
        if *count >= most {
            return false;
        }
        *count += 1;
        self.client = Some(client);
        true
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.permits.0.open.fetch_sub(1, Ordering::Relaxed);
        let Some(client) = self.client else { return };
        let mut by_client = self.permits.0.by_client.lock();
        if let Some(count) = by_client.get_mut(&client) {
            *count -= 1;
            if *count == 0 {
                by_client.remove(&client);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> PeerAddress {
        PeerAddress::ip(text.parse().unwrap())
    }

    #[test]
    fn a_permit_is_given_back_when_its_connection_ends() {
        let permits = Permits::new(2, None, None);
        let (one, two) = (permits.take(peer("1.2.3.4:1")), permits.take(PeerAddress::Unix));
        assert!(one.is_some() && two.is_some());
        assert!(permits.take(peer("1.2.3.4:2")).is_none());
        drop(one);
        assert!(permits.take(peer("1.2.3.4:2")).is_some());
    }

    #[test]
    fn one_client_cannot_have_them_all() {
        let permits = Permits::new(10, Some(1), None);
        let _one = permits.take(peer("[2001:db8::1]:1")).unwrap();
        assert!(permits.take(peer("[2001:db8::2]:1")).is_none(), "the same /64");
        assert!(permits.take(peer("[2001:db8:0:1::1]:1")).is_some());
    }

    #[test]
    fn a_client_behind_a_preamble_is_counted_once_it_is_known() {
        let permits = Permits::new(10, Some(1), None);
        let (mut one, mut two) = (permits.take(PeerAddress::Unix).unwrap(), permits.take(PeerAddress::Unix).unwrap());
        assert!(one.assign(peer("1.2.3.4:1"), false));
        assert!(!two.assign(peer("1.2.3.4:2"), false));
        assert!(two.assign(peer("1.2.3.4:2"), true), "the proxy itself stands for many");
        drop((one, two));
        assert!(permits.take(peer("1.2.3.4:3")).is_some());
        assert_eq!(permits.open(), 0);
    }
}
