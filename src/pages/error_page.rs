//! The texts and the link of each error page.

use http::StatusCode;

use super::page::{Context, Failure};

/// An error page: two texts, and the address and text of a link.
pub(super) struct ErrorPage<'a> {
    pub(super) title: String,
    pub(super) text: String,
    pub(super) action: Option<(&'a str, &'static str)>,
}

impl<'a> ErrorPage<'a> {
    /// The texts of this name, and a link.
    fn new(name: &str, action: Option<(&'a str, &'static str)>) -> ErrorPage<'a> {
        ErrorPage { title: format!("error.{name}.title"), text: format!("error.{name}.text"), action }
    }

    pub(super) fn of(failure: &'a Failure, context: &Context<'a>) -> ErrorPage<'a> {
        let Context { home, ticket_path, .. } = *context;
        let (back, home) = (Some((home, "go.back")), Some((home, "go.site")));
        let (start, again) = (Some((ticket_path, "go.start")), Some((ticket_path, "go.again")));
        // The folder of the page, where its form was sent from, and the page itself.
        let (here, same) = (Some(("./", "go.again")), Some(("", "go.again")));
        match failure {
            Failure::StillSignedOut { login_url } => {
                ErrorPage::new("still_signed_out", login_url.as_deref().map_or(back, |url| Some((url, "go.sign_in"))))
            }
            Failure::SignInFirst => ErrorPage::new("sign_in_first", back),
            Failure::SignInAgain => ErrorPage::new("sign_in_again", back),
            Failure::NotByPerson => ErrorPage::new("not_by_person", start),
            Failure::ServiceWorker => ErrorPage::new("service_worker", start),
            Failure::NotAllowed => ErrorPage::new("not_allowed", back),
            Failure::TooManyCodes { .. } => ErrorPage::new("too_many_codes", back),
            Failure::Unavailable => ErrorPage::new("unavailable", again),
            Failure::ApplicationAway => ErrorPage::new("site_down", again),
            Failure::UnknownHost { .. } | Failure::OtherOrigin { .. } => ErrorPage::new("unknown_host", None),
            Failure::Loopback { url, .. } => ErrorPage::new("loopback", Some((url, "go.open"))),
            Failure::NotStripped { .. } => ErrorPage::new("unknown_host", None).with_text("not_stripped.text"),
            Failure::InUse => ErrorPage::new("in_use", home),
            Failure::SignInFailed { again: true } => ErrorPage::new("failed", here).with_text("failed.again"),
            Failure::SignInFailed { again: false } => ErrorPage::new("failed", home).with_text("failed.over"),
            Failure::OtherNetwork => ErrorPage::new("other_network", here),
            Failure::OpenAgain => ErrorPage::new("open_again", Some(("./", "go.open_again"))),
            Failure::UnavailableHere => ErrorPage::new("unavailable_here", here),
            Failure::TooManyTries { .. } => ErrorPage::new("too_many_tries", here),
            Failure::Status(status) => match *status {
                StatusCode::BAD_REQUEST | StatusCode::URI_TOO_LONG => ErrorPage::new("malformed", back),
                StatusCode::NOT_FOUND => ErrorPage::new("not_found", back),
                StatusCode::METHOD_NOT_ALLOWED => ErrorPage::new("method", back),
                StatusCode::PAYLOAD_TOO_LARGE => ErrorPage::new("too_large", back),
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => ErrorPage::new("cookies_too_large", back),
                StatusCode::BAD_GATEWAY => ErrorPage::new("site_down", same),
                StatusCode::SERVICE_UNAVAILABLE => ErrorPage::new("busy", same),
                StatusCode::GATEWAY_TIMEOUT => ErrorPage::new("site_slow", same),
                _ => ErrorPage::new("other", back),
            },
        }
    }

    /// The same with another text.
    fn with_text(self, text: &str) -> ErrorPage<'a> {
        ErrorPage { text: format!("error.{text}"), ..self }
    }
}
