//! Requests under the ticket path: one file per step, each returning a [`Reply`].
//!
//! `start` and `mint` lead the computer to a code, `status`, `approve` and `undo` serve the page with the code, `open`,
//! `press` and `redeem` serve the phone, and `typed` lets it in without a camera. The rules are in `ticket/`; these
//! files apply them with the store and the hooks. Nothing is minted, claimed or spent by GET or HEAD.

mod approve;
mod context;
mod desk;
mod holder;
mod identity;
mod mint;
mod open;
mod press;
mod redeem;
mod start;
mod status;
#[cfg(test)]
mod tests;
mod tries;
mod typed;
mod undo;
mod visit;

use std::rc::Rc;

use http::{Method, StatusCode};

use crate::body::Body;
use crate::config::CodeReach;
use crate::fault::Fault;
use crate::pages::{Failure, Page};
use crate::reply::{Reply, What};
use crate::target::{Route, TicketRoute};
use crate::telemetry::Topic;

pub use self::context::{Qr, Settings};
pub use self::tries::Tries;
pub use self::visit::Visit;

/// Takes the step that a request under the ticket path asks for.
pub async fn take(qr: &Rc<Qr>, visit: &Rc<Visit>, content: Body) -> Result<Reply, Fault> {
    let reply = step(qr, visit, content).await?;
    if !matches!(reply.what, What::Page(_)) {
        return Ok(reply);
    }
    let label = visit.party().label;
    match &visit.asked.route {
        Route::Ticket(route) if route.is_phones() => Ok(reply.read_on(&label)),
        _ => Ok(reply.shown_on(&label)),
    }
}

async fn step(qr: &Rc<Qr>, visit: &Rc<Visit>, content: Body) -> Result<Reply, Fault> {
    if !visit.asked.admitted {
        return Ok(Reply::failure(not_admitted(qr, visit)));
    }
    // A step writes an audit event, so it waits for space in the log, for a limited time.
    qr.telemetry.room_for_event().await;
    let Route::Ticket(route) = &visit.asked.route else {
        return Ok(Reply::failure(Failure::Status(StatusCode::NOT_FOUND)));
    };
    let method = &visit.head.method;
    let reads = method == Method::GET || method == Method::HEAD;
    let posts = method == Method::POST;
    // Each future is boxed, so that the request for a page does not have the size of a redeem.
    match route {
        TicketRoute::Start if reads => Box::pin(start::start(qr, visit)).await,
        TicketRoute::Start if posts => Box::pin(mint::mint(qr, visit, content)).await,
        TicketRoute::Code | TicketRoute::CodeWithoutSlash if qr.settings.code == CodeReach::Off => {
            Ok(Reply::failure(Failure::Status(StatusCode::NOT_FOUND)))
        }
        TicketRoute::Code if reads => Box::pin(typed::show(qr, visit)).await,
        TicketRoute::Code if posts => Box::pin(typed::submit(qr, visit, content)).await,
        TicketRoute::StartWithoutSlash | TicketRoute::TokenWithoutSlash(_) | TicketRoute::CodeWithoutSlash => {
            Ok(add_slash(qr, visit))
        }
        TicketRoute::Status(view) if reads => Box::pin(status::status(qr, visit, view)).await,
        TicketRoute::Approve if reads || posts => Box::pin(approve::approve(qr, visit, content)).await,
        TicketRoute::Undo if posts => Box::pin(undo::undo(qr, visit, content)).await,
        TicketRoute::Token(token) if reads => Box::pin(open::open(qr, visit, token)).await,
        TicketRoute::Token(token) if posts => Box::pin(press::press(qr, visit, token, content)).await,
        TicketRoute::InvalidCode if reads => Ok(Reply::page(Page::InvalidCode)),
        TicketRoute::Start
        | TicketRoute::Status(_)
        | TicketRoute::Approve
        | TicketRoute::Undo
        | TicketRoute::Token(_)
        | TicketRoute::Code
        | TicketRoute::InvalidCode => Ok(Reply::not_allowed(route.allow())),
        TicketRoute::Unknown => Ok(Reply::failure(Failure::Status(StatusCode::NOT_FOUND))),
        TicketRoute::Unstripped => Ok(unstripped(qr)),
    }
}

/// The page for a host that is not the site's. On a loopback host, as in a first try of qrgate, it names the address
/// that a phone can reach.
fn not_admitted(qr: &Qr, visit: &Visit) -> Failure {
    let host = visit.asked.origin.authority();
    match &qr.settings.public_url {
        Some(url) if visit.asked.origin.is_loopback() => Failure::Loopback { host, url: url.clone() },
        _ => Failure::UnknownHost { host },
    }
}

fn unstripped(qr: &Qr) -> Reply {
    let (key, sub_path) = ("unstripped sub-path", &qr.settings.sub_path);
    qr.telemetry.warn_once(
        Topic::SubPath,
        key,
        "the proxy in front does not strip the sub-path of public.url",
        &[("sub_path", sub_path)],
    );
    Reply::failure(Failure::NotStripped { sub_path: sub_path.clone() })
}

fn add_slash(qr: &Qr, visit: &Visit) -> Reply {
    let query = visit.head.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    Reply::moved(format!("{}{}/{query}", qr.settings.sub_path, visit.head.uri.path()))
}
