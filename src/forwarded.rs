//! Who the client is and which public origin their browser shows.

/// The peers whose word about others is believed (`public.trusted_proxies`).
#[derive(Clone, Debug, Default)]
pub struct TrustedProxies;
