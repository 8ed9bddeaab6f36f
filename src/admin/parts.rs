//! What the admin listener reports on.

use std::sync::Arc;
use std::time::Duration;

use crate::config::StoreUrl;
use crate::endpoint::ApplicationUrl;
use crate::store::Store;
use crate::telemetry::Telemetry;

/// What the admin listener reports on.
pub struct AdminParts {
    /// Counters, proxies and failures.
    pub telemetry: Telemetry,
    /// The ticket store, which is pinged.
    pub store: Arc<Store>,
    /// Its address; it is displayed without a password.
    pub store_url: StoreUrl,
    /// The application's address, to which a connection is opened.
    pub application: ApplicationUrl,
    /// Time limit for that connection.
    pub connect_timeout: Duration,
    /// Why clients get no valid certificate, if they need one.
    pub certificate: Option<&'static str>,
}
