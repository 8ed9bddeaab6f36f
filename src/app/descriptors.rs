//! File descriptors (`RLIMIT_NOFILE`): raising the limit, and reserving some for uses other than clients.
//!
//! A client's connection takes one descriptor, and a second one to the application while a request is in progress.
//! Without free descriptors no client can be served, not even one that is already connected.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::server::Permits;
use crate::telemetry::Telemetry;

/// Raises the soft limit to the hard one, which is safe for a process that does not call `select(2)`. If the system
/// refuses, the limit stays as it is.
pub fn raise_limit() {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current != maximum {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
    }
}

/// Reserves a quarter of the limit for the application, the store and files, and warns if `connections` clients could
/// need more descriptors than the limit allows.
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
