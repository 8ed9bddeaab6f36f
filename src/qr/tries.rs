//! This process's limits on typing codes. The limit for all clients together is in the store.

use std::time::Duration;

use crate::config::Rate;
use crate::forwarded::Client;
use crate::limits::Limiter;

/// The rate that a client without failures keeps while all clients together are over their limit.
const SPARE: Rate = Rate { count: 1, per: Duration::from_secs(60) };
/// How long a failure is remembered.
const FAILURE: Rate = Rate { count: 1, per: Duration::from_secs(600) };

/// Tries per client, shared by all workers.
#[derive(Debug)]
pub struct Tries {
    /// All tries, right or wrong: `limits.codes_typed_per_client`.
    pub all: Limiter,
    spare: Limiter,
    failed: Limiter,
}

impl Tries {
    /// Admits `rate` for each client.
    pub fn new(rate: Rate) -> Tries {
        Tries { all: Limiter::new(rate), spare: Limiter::new(SPARE), failed: Limiter::new(FAILURE) }
    }

    /// Admits a try while all clients together are over their limit for another `wait`, or returns how long to wait.
    /// A client that did not fail in the last ten minutes has one try a minute, so that guessing from many addresses
    /// does not lock others out.
    pub fn admit_over(&self, client: Client, wait: Duration) -> Result<(), Duration> {
        match self.failed.is_marked(client) {
            true => Err(wait),
            false => self.spare.admit(client),
        }
    }

    /// Remembers that `client` typed a code that opens nothing.
    pub fn fail(&self, client: Client) {
        self.failed.mark(client);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::peer::PeerAddress;

    fn client(address: &str) -> Client {
        Client { peer: PeerAddress::Unix, address: address.parse().ok(), many: false }
    }

    #[tokio::test(start_paused = true)]
    async fn over_the_limit_of_all_a_client_without_a_failure_keeps_one_try_a_minute() {
        let tries = Tries::new(Rate { count: 5, per: Duration::from_secs(60) });
        let (honest, guessing) = (client("203.0.113.7"), client("203.0.113.8"));
        let wait = Duration::from_millis(200);
        tries.fail(guessing);
        for _ in 0..10 {
            assert_eq!(tries.admit_over(guessing, wait), Err(wait));
            assert_eq!(tries.admit_over(honest, wait), Ok(()));
            assert_eq!(tries.admit_over(honest, wait), Err(Duration::from_secs(60)));
            tokio::time::advance(Duration::from_secs(59)).await;
            assert_eq!(tries.admit_over(honest, wait), Err(Duration::from_secs(1)));
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert_eq!(tries.admit_over(guessing, wait), Ok(()), "ten minutes later");
    }

    /// The numbers of docs/security.md: guesses that the limits leave, in an hour, with many addresses at hand.
    #[tokio::test(start_paused = true)]
    async fn the_limits_leave_as_many_guesses_as_the_docs_say() {
        const ADDRESSES: u32 = 500;
        const SECONDS: u32 = 3600;
        let tries = Tries::new(Rate { count: 5, per: Duration::from_secs(60) });
        // The count of all clients, as the store keeps it.
        let all = Limiter::new(Rate { count: 300, per: Duration::from_secs(60) });
        let shared = client("192.0.2.1");
        let (mut within, mut over) = (0, 0);
        for _ in 0..SECONDS {
            for number in 0..ADDRESSES {
                let client = client(&std::net::Ipv4Addr::from(0x0a00_0000 + number).to_string());
                if tries.all.admit(client).is_err() {
                    continue;
                }
                match all.admit(shared) {
                    Ok(()) => within += 1,
                    Err(wait) if tries.admit_over(client, wait).is_ok() => over += 1,
                    Err(_) => continue,
                }
                tries.fail(client);
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((300 * 60..=300 * 61).contains(&within), "{within}: 300 a minute, and the first 300 at once");
        // Each address fails, and has no try beyond the limit of all for ten minutes from then on.
        assert!(over <= ADDRESSES * 6, "{over}");
    }
}
