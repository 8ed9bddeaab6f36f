//! Pages as data: one variant for each page, with its status. The templates define the looks.

use std::time::Duration;

use http::StatusCode;

use crate::clock::seconds_up;
use crate::device::Devices;
use crate::origin::Origin;
use crate::stay::Stay;
use crate::ticket::Reason;

/// A language of these [`super::Pages`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Lang(pub(super) usize);

/// The facts of a response that its page shows.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    pub lang: Lang,
    /// The public origin that the reader's browser shows.
    pub origin: &'a Origin,
    /// The ticket path as browsers see it, with the sub-path and the final slash.
    pub ticket_path: &'a str,
    /// The path of the application's start page, as browsers see it.
    pub home: &'a str,
    pub request_id: &'a str,
    /// The devices of the sign-in, which the texts name.
    pub devices: Devices,
}

/// A page with its data, for any language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The computer: a button that requests a code. 200.
    Start(Start),
    /// The computer: the code. 200.
    Code(Code),
    /// The computer: the response to the form below the code, without script. Status by [`Outcome`].
    Approve(Approve),
    /// The device without a session: a field for the code that another device shows. Status by [`Tried`].
    TypeCode(TypeCode),
    /// The phone: may this code sign it in? 200.
    Confirm(Confirm),
    /// The phone, claimed: the number to type on the computer. 200.
    Waiting {
        number: u8,
        expires_in: Duration,
        proof: String,
    },
    /// The phone, approved, or spent within the last minute: the button Finish. 200.
    Finish {
        /// Whether the computer approved by number, and not the tap on the phone.
        by_number: bool,
        expires_in: Duration,
        proof: String,
    },
    /// The phone, while another request is redeeming. It retries by itself. 200.
    SigningIn {
        proof: String,
    },
    /// The phone: signed in by this code. 200.
    Done,
    /// The phone: used its code, and is not signed in. 410.
    Used,
    /// The phone: its code was declined. 410.
    Refused {
        reason: Reason,
        /// The application's message, if it refused.
        message: Option<String>,
    },
    /// The phone: the response to Cancel. 200.
    Cancelled,
    /// The phone: its code has expired or was replaced. 410.
    TooLate {
        replaced: bool,
    },
    /// Anyone: the code cannot be used, without a reason. 410.
    InvalidCode,
    /// The way out of a sandboxed page, which continues to `to` by itself. Browsers send `SameSite=Strict` cookies with
    /// its link, but not with one out of the sandbox. 200.
    Leave {
        /// An address of the application.
        to: String,
    },
    Error(Failure),
}

/// The page before the code. It contains no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Why the person is here.
    pub after: After,
    /// The person to be signed in, if known.
    pub name: Option<String>,
    pub next: Option<String>,
}

/// What precedes the start page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    Nothing,
    /// A code that ended: the person requests a new one.
    Code,
    /// A code that was not used in time.
    Expiry,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    pub link: String,
    /// The person to be signed in, if known.
    pub name: Option<String>,
    pub expires_in: Duration,
    /// Whether the page asks for the number. If not, it has only Cancel.
    pub by_number: bool,
    /// The capability to approve and decline.
    pub desk: String,
    /// The capability to view the state.
    pub view: String,
    /// The return path, for links to a new code.
    pub next: Option<String>,
    /// The lengths of session to choose from, the default first.
    pub stay: Vec<Stay>,
    /// The code to type.
    pub typed: Option<String>,
    /// Whether a sign-in can be undone, if the application names its session.
    pub undo: bool,
    /// The page's address, if phones cannot open it.
    pub unreachable: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCode {
    /// The person who is signed in on this device.
    pub current: Option<String>,
    pub next: Option<String>,
    pub proof: String,
    pub tried: Tried,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// 200.
    NotYet,
    /// 400.
    Malformed,
    /// It opens nothing. 410.
    Refused,
}

/// The response to the plain form of the page with the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    pub outcome: Outcome,
    /// The phone that claimed the ticket.
    pub device: Option<Device>,
    /// The capability as sent, for the next form.
    pub desk: String,
    /// Whether the page asks for the number. If not, it has only Cancel.
    pub by_number: bool,
    /// The return path, for the link to a new code. Unknown if the capability is wrong.
    pub next: Option<String>,
    /// The lengths of session to choose from, the default first.
    pub stay: Vec<Stay>,
    /// The length that the form named.
    pub chosen: Option<Stay>,
    /// Whether the sign-in can be undone.
    pub undo: bool,
}

/// The result of the plain form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The right number: the phone may finish. 200.
    Approved,
    /// The phone has finished. 200.
    Spent,
    /// The ticket ended without a sign-in. 200.
    Declined(Reason),
    /// The sign-in was undone: the device is signed out. 200.
    Undone,
    /// The revoke hook failed: the device is still signed in. 502.
    NotUndone,
    /// There is no sign-in that can be undone, or no longer. 409.
    NothingToUndo,
    /// Declined too late: the phone is signed in. 409.
    Late,
    /// No phone is waiting. 409.
    Early,
    /// Not two digits. 400.
    Malformed,
    /// An unknown capability. 403.
    Denied,
}

impl Outcome {
    pub fn status(self) -> StatusCode {
        match self {
            Outcome::Approved | Outcome::Spent | Outcome::Undone | Outcome::Declined(_) => StatusCode::OK,
            Outcome::Late | Outcome::Early | Outcome::NothingToUndo => StatusCode::CONFLICT,
            Outcome::NotUndone => StatusCode::BAD_GATEWAY,
            Outcome::Malformed => StatusCode::BAD_REQUEST,
            Outcome::Denied => StatusCode::FORBIDDEN,
        }
    }
}

/// A device, as its browser reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// Such as "Safari on iPhone".
    pub label: String,
    pub address: Option<String>,
    /// Whether it is in the same network as the other device, if known.
    pub same_network: Option<bool>,
}

/// The first page on the phone. It claims nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The account, by [`super::shown_account`].
    pub account: Option<String>,
    /// The other person who is signed in on this phone.
    pub current: Option<String>,
    /// The computer that shows the code, without its address.
    pub computer: Device,
    /// Whether the computer's address is known. The page says if it is not.
    pub computer_known: bool,
    /// The return path, if the phone named one.
    pub next: Option<String>,
    /// The lengths of session to choose from, the default first; empty where the computer chooses.
    pub stay: Vec<Stay>,
    pub age: Duration,
    pub proof: String,
}

/// An error on `error.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The computer returned from the sign-in page, still signed out. 401.
    StillSignedOut { login_url: Option<String> },
    /// The computer: signed out, without a configured sign-in page. 401.
    SignInFirst,
    /// The computer: the sign-in is too old, without a configured page to renew it. 403.
    SignInAgain,
    /// The computer: the request does not prove that a person asked for the code. 403.
    NotByPerson,
    /// The operator: the browser shows this origin, which differs from the public one by scheme or port. 403.
    OtherOrigin { origin: String },
    /// The computer: a service worker of the site intercepted the request. 403.
    ServiceWorker,
    /// The computer: the application does not allow this account. 403.
    NotAllowed,
    /// The computer: too many codes. 429.
    TooManyCodes { retry_after: Duration },
    /// The computer: the store is unreachable. 503.
    Unavailable,
    /// The computer: the identify hook fails. 503.
    ApplicationAway,
    /// The operator: no such public host. 421.
    UnknownHost { host: String },
    /// The computer: a loopback host, which no phone can open, where `public.url` names another. 421.
    Loopback { host: String, url: String },
    /// The operator: the proxy in front does not strip the sub-path of `public.url`. 404.
    NotStripped { sub_path: String },
    /// The phone: another browser holds the claim. 409.
    InUse,
    /// The phone: the login hook or the verification failed. 502.
    SignInFailed {
        /// Whether the ticket is still approved.
        again: bool,
    },
    /// The phone: not in the computer's network. 403.
    OtherNetwork,
    /// The phone: wrong Origin, cookie or form. 403.
    OpenAgain,
    /// The phone: the store is unreachable, or the identify hook fails. 503.
    UnavailableHere,
    /// The phone: too many tries. 429.
    TooManyTries { retry_after: Duration },
    /// Any other error of a request, by its status.
    Status(StatusCode),
}

impl Failure {
    pub fn status(&self) -> StatusCode {
        match self {
            Failure::StillSignedOut { .. } | Failure::SignInFirst => StatusCode::UNAUTHORIZED,
            Failure::SignInAgain
            | Failure::NotByPerson
            | Failure::OtherOrigin { .. }
            | Failure::ServiceWorker
            | Failure::NotAllowed
            | Failure::OtherNetwork
            | Failure::OpenAgain => StatusCode::FORBIDDEN,
            Failure::NotStripped { .. } => StatusCode::NOT_FOUND,
            Failure::InUse => StatusCode::CONFLICT,
            Failure::UnknownHost { .. } | Failure::Loopback { .. } => StatusCode::MISDIRECTED_REQUEST,
            Failure::TooManyCodes { .. } | Failure::TooManyTries { .. } => StatusCode::TOO_MANY_REQUESTS,
            Failure::SignInFailed { .. } => StatusCode::BAD_GATEWAY,
            Failure::Unavailable | Failure::ApplicationAway | Failure::UnavailableHere => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Failure::Status(status) => *status,
        }
    }

    /// Seconds for Retry-After, rounded up.
    pub fn retry_after(&self) -> Option<u64> {
        match self {
            Failure::TooManyCodes { retry_after } | Failure::TooManyTries { retry_after } => {
                Some(seconds_up(*retry_after).max(1))
            }
            Failure::Unavailable | Failure::ApplicationAway | Failure::UnavailableHere => Some(5),
            _ => None,
        }
    }
}

impl Page {
    pub fn status(&self) -> StatusCode {
        match self {
            Page::Start(_)
            | Page::Code(_)
            | Page::Confirm(_)
            | Page::Waiting { .. }
            | Page::Finish { .. }
            | Page::SigningIn { .. }
            | Page::Done
            | Page::Leave { .. }
            | Page::Cancelled => StatusCode::OK,
            Page::Approve(approve) => approve.outcome.status(),
            Page::TypeCode(page) => match page.tried {
                Tried::NotYet => StatusCode::OK,
                Tried::Malformed => StatusCode::BAD_REQUEST,
                Tried::Refused => StatusCode::GONE,
            },
            Page::Used | Page::Refused { .. } | Page::TooLate { .. } | Page::InvalidCode => StatusCode::GONE,
            Page::Error(failure) => failure.status(),
        }
    }

    pub(super) fn template(&self) -> &'static str {
        match self {
            Page::Start(_) => "start.html",
            Page::Code(_) => "page.html",
            Page::Approve(_) => "approve.html",
            Page::TypeCode(_) => "code.html",
            Page::Confirm(_) => "confirm.html",
            Page::InvalidCode => "invalid_code.html",
            Page::Leave { .. } => "leave.html",
            Page::Error(_) => "error.html",
            // The other pages of the phone that holds the ticket.
            _ => "waiting.html",
        }
    }

    /// The variables that its template must use.
    pub(super) fn needs(&self) -> &'static [&'static str] {
        match self {
            Page::Start(_) | Page::TypeCode(_) | Page::Confirm(_) => &["form"],
            Page::Code(_) => &["qr", "form", "script"],
            Page::Waiting { .. } => &["number", "form", "script"],
            Page::Finish { .. } | Page::SigningIn { .. } => &["form", "script"],
            _ => &[],
        }
    }

    /// Whether it is a page of a normal sign-in, which [`super::page_cache`] keeps.
    pub(super) fn is_cached(&self) -> bool {
        matches!(self, Page::Start(_) | Page::Code(_) | Page::Confirm(_) | Page::Waiting { .. } | Page::Finish { .. })
    }

    /// Whether it is sandboxed: it contains `desk`.
    pub(super) fn is_sandboxed(&self) -> bool {
        matches!(self, Page::Code(_) | Page::Approve(_))
    }
}
