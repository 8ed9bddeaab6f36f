//! Looks at the hooks from the public address: nobody may reach them there.

use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Request, StatusCode};
use tokio::time::timeout;

use super::application::Neighbour;
use super::diagnosis::Known;
use super::report::Finding;
use crate::body::Body;
use crate::config::{self, Config, HookTarget};
use crate::origin::PublicUrl;

/// For each look. The public address may lead nowhere from here, or nowhere yet.
const PATIENCE: Duration = Duration::from_secs(3);

/// Whether both hooks are 404 at `public.url`. None where there is nothing to look for.
pub async fn hides_the_hooks(config: &Config, neighbour: &Neighbour<'_>, known: Known) -> Option<Finding> {
    let public = config.public.url.as_ref()?;
    let paths = hidden(config);
    if paths.is_empty() {
        return None;
    }
    for path in paths {
        let address = format!("{}{}{path}", public.origin, config.public.sub_path());
        match look(public, &format!("{}{path}", config.public.sub_path()), neighbour).await {
            Some(StatusCode::NOT_FOUND | StatusCode::BAD_REQUEST) => {}
            None | Some(StatusCode::BAD_GATEWAY | StatusCode::SERVICE_UNAVAILABLE | StatusCode::GATEWAY_TIMEOUT) => {
                let text = format!("{} does not answer yet; the hooks were not looked for there", public.origin);
                return Some(Finding::ok(text));
            }
            Some(status) => return Some(known.open_to_all(&address, status.as_u16())),
        }
    }
    Some(Finding::ok(format!("both hooks are 404 at {}", public.origin)))
}

/// The paths that clients must not reach.
fn hidden(config: &Config) -> Vec<&str> {
    let asked = (config.identify.hidden && config.identify.jwt.is_none()).then_some(&config.identify.target);
    let targets = asked.into_iter().chain([&config.login.target]);
    targets
        .filter_map(|target| match target {
            HookTarget::Path(path) => Some(path.path()),
            HookTarget::Url(..) => None,
        })
        .collect()
}

/// The status of a plain GET, as a browser's; none where nobody answers.
async fn look(public: &PublicUrl, path: &str, neighbour: &Neighbour<'_>) -> Option<StatusCode> {
    let url = config::application_url(&public.origin.to_string()).ok()?;
    let client = neighbour.client_to(&url).ok()?;
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = path.parse().ok()?;
    request.headers_mut().insert(header::HOST, HeaderValue::from_str(&public.origin.authority()).ok()?);
    let answer = timeout(PATIENCE, client.send(request)).await.ok()?;
    answer.ok().map(|answer| answer.status())
}
