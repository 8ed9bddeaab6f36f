//! File descriptors (`RLIMIT_NOFILE`): the limit is raised as far as it goes, and clients leave some of it to others.
//!
//! A client's connection takes one, and a second one to the application while a request of its is under way. Out of
//! descriptors nobody can be served: not even a client that is connected already.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::Permits;
use crate::telemetry::Telemetry;

/// Raises the soft limit to the hard one, as a process may do that does not call `select(2)`. Where the system refuses,
/// the limit stays as it is.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Has connections of clients leave a quarter of the limit to the application, the store and files, and warns where
/// `connections` clients would need more than there are.
pub fn share_out(permits: &Permits, connections: usize, telemetry: &Telemetry) {
    let limit = getrlimit(Resource::Nofile).current.and_then(|limit| usize::try_from(limit).ok());
    let Some(limit) = limit else { return permits.leave_descriptors_from(usize::MAX) };
    permits.leave_descriptors_from(limit - limit / 4);
    let needed = connections.saturating_mul(2);
    if needed > limit {
        telemetry.warn(
            "limits.connections needs more file descriptors than there are (RLIMIT_NOFILE, LimitNOFILE= in systemd)",
            &[("connections", &connections), ("needed", &needed), ("limit", &limit)],
        );
    }
}
