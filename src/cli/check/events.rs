//! Tries the receiver of events with two test events, which report no sign-in.

use http::StatusCode;

use crate::application::{Call, ClientSettings, Receiver, Undelivered};
use crate::cli::report::Finding;
use crate::clock::Clock;
use crate::config::{Application, Events};
use crate::deadline::Deadlines;
use crate::secret::{Secret, random_name};

const SIGNATURE: &str = "verify each event with the secret of [events], as docs/events.md shows";

/// Sends a test event with a wrong signature, then one with the right one. Must be called on a local runtime.
pub async fn receives(application: &Application, events: &Events) -> Vec<Finding> {
    let receiver = match Receiver::new(events, ClientSettings::from(application), Deadlines::start()) {
        Ok(receiver) => receiver,
        Err(error) => return vec![Finding::fail(error.to_string(), "", "the files in [events.tls]")],
    };
    let (Ok(wrong), Ok(name)) = (Secret::random(), random_name()) else {
        return vec![Finding::fail("the operating system gives no random bytes", "", "")];
    };
    let now = Clock::System.now().seconds();
    let content = serde_json::json!({"type": "qrgate.test", "at": now}).to_string();
    let id = format!("test-{name}");
    let forged = format!("{id}-wrong");
    let call = |id| Call { id, timestamp: now, content: content.as_bytes() };
    let url = receiver.called();
    let refused = match receiver.send_signed(call(&forged), &[wrong]).await {
        Err(error @ (Undelivered::Unreachable(_) | Undelivered::TimedOut)) => {
            let cause = "Events wait in the queue until it responds, for 24 hours.";
            return vec![Finding::fail(format!("{url}: {error}"), cause, "start it; or events.url")];
        }
        result => wrong_signature(url, result.err()),
    };
    let accepted = match receiver.send(call(&id)).await {
        Ok(()) => Finding::ok(format!("{url} accepted a signed test event (type qrgate.test)")),
        Err(error) => not_accepted(url, &error),
    };
    vec![refused, accepted]
}

fn wrong_signature(url: &str, error: Option<Undelivered>) -> Finding {
    match error {
        None => Finding::fail(
            format!("{url} accepted a test event (type qrgate.test) with a wrong signature"),
            "Anyone who reaches this address can make up events.",
            SIGNATURE,
        ),
        Some(Undelivered::Status(status, _)) if status.is_client_error() => {
            Finding::ok(format!("{url} refused a test event with a wrong signature ({})", status.as_u16()))
        }
        Some(error) => Finding::warn(format!("{url}, sent a wrong signature: {error}; 401 is usual")),
    }
}

fn not_accepted(url: &str, error: &Undelivered) -> Finding {
    let text = format!("{url} did not accept a signed test event (type qrgate.test): {error}");
    match error {
        Undelivered::Status(StatusCode::GONE, _) => {
            Finding::fail(text, "410 means that it wants no events: each one is dropped.", "events.url")
        }
        Undelivered::Status(status, _) if status.is_redirection() => {
            Finding::fail(text, "Redirects are not followed.", "the final address in events.url")
        }
        Undelivered::Status(status, _) if status.is_client_error() => Finding::fail(
            text,
            "It has another secret, its clock is minutes apart, something in front of it refuses POST, or it refuses \
             types that it does not know.",
            SIGNATURE,
        ),
        _ => Finding::fail(text, "The receiver failed.", "its own log"),
    }
}
