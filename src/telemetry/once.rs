//! Warnings that are reported once per key within the period of their topic.
//!
//! Clients can choose keys (addresses). So each topic has its own limit, and its keys are forgotten after its period:
//! no client can suppress another topic, nor this one forever.

use std::collections::HashSet;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Timestamp;

/// Maximum number of remembered keys of a topic. Further keys are not reported within its period.
const MAX_KEYS: usize = 256;

/// The topic of a warning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Topic {
    /// A forwarded field from a peer that is not in `public.trusted_proxies`. The key is the peer.
    IgnoredField,
    /// An invalid `X-Forwarded-Proto` from a trusted proxy. The key is the peer.
    DoubtfulProto,
    /// Requests over https while `public.url` is http.
    PublicScheme,
    /// A proxy in front that does not strip the sub-path.
    SubPath,
    /// The site's service worker handles the ticket path.
    ServiceWorker,
    /// A custom template that fails. The key is what fails.
    Template,
    /// Refused connections. The key is the cause.
    RefusedConnections,
    /// An application that redirects browsers to its own address. The key is that address.
    OwnAddress,
    /// Typed codes that were refused.
    RefusedCodes,
    /// A code to type that could not be stored.
    LostCode,
    /// An event that was not delivered. The key is the receiver.
    Events,
    /// An event that was dropped. The key is the cause.
    DroppedEvents,
}

impl Topic {
    const COUNT: usize = 12;

    /// The period in which a key is not reported again; an hour for most.
    fn period(self) -> Duration {
        match self {
            Topic::RefusedCodes => Duration::from_secs(1),
            Topic::RefusedConnections | Topic::LostCode | Topic::DroppedEvents => Duration::from_secs(60),
            Topic::Events => Duration::from_secs(10 * 60),
            _ => Duration::from_secs(60 * 60),
        }
    }
}

/// The keys that were reported recently.
#[derive(Debug, Default)]
pub(super) struct Once(Mutex<[Reported; Topic::COUNT]>);

#[derive(Debug, Default)]
struct Reported {
    since: Timestamp,
    keys: HashSet<String>,
}

impl Once {
    /// Whether `key` was not reported within the period. It counts as reported from now on.
    pub(super) fn is_first(&self, topic: Topic, key: &str, now: Timestamp) -> bool {
        let mut topics = self.0.lock();
        let reported = &mut topics[topic as usize];
        // A clock that is set back must not suppress a topic.
        if reported.keys.is_empty() || now < reported.since || reported.since.until(now) >= topic.period() {
            reported.keys.clear();
            reported.since = now;
        }
        reported.keys.len() < MAX_KEYS && reported.keys.insert(key.to_owned())
    }

    /// Forgets the keys of a topic.
    pub(super) fn forget(&self, topic: Topic) {
        self.0.lock()[topic as usize].keys.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_that_strangers_use_up_silences_no_other_and_starts_anew_in_time() {
        let once = Once::default();
        let reported = |topic, range: std::ops::Range<usize>, now| {
            range.filter(|number| once.is_first(topic, &number.to_string(), Timestamp(now))).count()
        };
        assert_eq!(reported(Topic::IgnoredField, 0..5000, 1), MAX_KEYS);
        assert_eq!(reported(Topic::Template, 0..3, 1), 3);
        assert_eq!(reported(Topic::IgnoredField, 5000..5001, 3_600_000), 0);
        assert_eq!(reported(Topic::IgnoredField, 5000..5001, 3_600_001), 1);
        assert_eq!(reported(Topic::RefusedConnections, 0..1, 1), 1);
        assert_eq!(reported(Topic::RefusedConnections, 0..1, 60_000), 0);
        assert_eq!(reported(Topic::RefusedConnections, 0..1, 60_001), 1);
        once.forget(Topic::IgnoredField);
        assert_eq!(reported(Topic::IgnoredField, 5000..5001, 3_600_002), 1);
    }
}
