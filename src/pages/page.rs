//! What a page says, as plain data: one variant for each row of the script that people see.
//!
//! Which row it is was decided elsewhere; how it looks is decided in the templates. The status belongs to the row, so
//! that no two places can disagree about it.

use std::time::Duration;

use http::StatusCode;

use crate::ticket::Reason;

/// A page, with all it needs to be said in any language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Page {
    /// The computer, GET of the ticket path: a button that asks for the code. 200.
    Start(Start),
    /// The computer: the code. 200.
    Code(Code),
    /// The computer: the answer to the form below the code, sent without script. Status by [`Outcome`].
    Approve(Approve),
    /// The device without a session: a field for the code that another device shows. Status by [`Tried`].
    TypeCode(TypeCode),
    /// The phone: may this code sign it in? 200.
    Confirm(Confirm),
    /// The phone, claimed: the number to type on the computer. 200.
    Waiting {
        /// The two digits.
        number: u8,
        /// What is left of the ticket.
        expires_in: Duration,
        /// The hidden field of the form.
        proof: String,
    },
    /// The phone, approved (or spent a moment ago, with the answer lost): one press is left. 200.
    Finish {
        /// Whether the computer was asked; else the tap on the phone was enough.
        by_number: bool,
        /// What is left of the ticket.
        expires_in: Duration,
        /// The hidden field of the form.
        proof: String,
    },
    /// The phone, while another press is redeeming: asks again by itself. 200.
    SigningIn {
        /// The hidden field of the form.
        proof: String,
    },
    /// The phone: signed in by this code, and it still is. 200.
    Done,
    /// The phone: its code was used longer ago, and it is not signed in. 410.
    Used,
    /// The phone: its code was declined. 410.
    Refused {
        reason: Reason,
        /// What the application said, where it is the reason.
        message: Option<String>,
    },
    /// The phone: the answer to Cancel. 200.
    Cancelled,
    /// The phone: its code has expired, or a newer one was made. 410.
    TooLate {
        /// Whether a newer one was made.
        replaced: bool,
    },
    /// Anyone: this code cannot be used, and no word about why. 410.
    InvalidCode,
    /// The way out of a sandboxed page: goes on to `to` by itself. A link out of the sandbox carries no Strict cookie, one
    /// from this page does. 200.
    Leave {
        /// An address of the application.
        to: String,
    },
    /// Anything that could not be done.
    Error(Failure),
}

/// The page before the code. It holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Start {
    /// Why the person is here.
    pub after: After,
    /// Whose phone will be signed in, where known.
    pub name: Option<String>,
    /// Where the phone is to land, carried along.
    pub next: Option<String>,
}

/// What precedes the start page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// Nothing of this sign-in.
    Nothing,
    /// A code that ended: a new one is asked for.
    Code,
    /// A code that nobody used in time.
    Expiry,
}

/// The page with the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Code {
    /// The whole link that the code holds.
    pub link: String,
    /// Whose phone will be signed in, where known.
    pub name: Option<String>,
    /// What the code has left.
    pub expires_in: Duration,
    /// Whether the number is to be typed; else there is only Cancel.
    pub by_number: bool,
    /// The capability to approve and decline.
    pub desk: String,
    /// The capability to ask for the state.
    pub view: String,
    /// Where the phone is to land, kept for the links to a new code.
    pub next: Option<String>,
    /// The code to type, where there is one.
    pub typed: Option<String>,
    /// The page's own address where a phone cannot open it.
    pub unreachable: Option<String>,
}

/// The page for typing a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeCode {
    /// Who is signed in on this device already, if somebody is.
    pub current: Option<String>,
    /// Where this device is to land, carried along.
    pub next: Option<String>,
    /// The hidden field of the form.
    pub proof: String,
    /// What became of the code that was typed.
    pub tried: Tried,
}

/// What became of a typed code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tried {
    /// None was typed. 200.
    NotYet,
    /// It is no code. 400.
    Malformed,
    /// It opens nothing here and now. 410.
    Refused,
}

impl Tried {
    fn status(self) -> StatusCode {
        match self {
            Tried::NotYet => StatusCode::OK,
            Tried::Malformed => StatusCode::BAD_REQUEST,
            Tried::Refused => StatusCode::GONE,
        }
    }
}

/// The answer to the plain form of the page with the code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    pub outcome: Outcome,
    /// The phone, where one has claimed the ticket.
    pub device: Option<Device>,
    /// The capability as it was sent, for the form that follows.
    pub desk: String,
    /// Whether the number is to be typed; else there is only Cancel.
    pub by_number: bool,
    /// Where the phone was to land, kept for the link to a new code; unknown with a wrong capability.
    pub next: Option<String>,
}

/// What came of the plain form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The right number: the phone may finish. 200.
    Approved,
    /// The right number again, and the phone has finished. 200.
    Spent,
    /// It is over, and nothing was signed in. 200.
    Declined(Reason),
    /// Declined, but the phone is signed in already. 409.
    Late,
    /// No phone is waiting. 409.
    Early,
    /// Not two digits. 400.
    Malformed,
    /// Not a capability of any ticket. 403.
    Denied,
}

impl Outcome {
    /// The status of the answer, to a form and to a script.
    pub fn status(self) -> StatusCode {
        match self {
            Outcome::Approved | Outcome::Spent | Outcome::Declined(_) => StatusCode::OK,
            Outcome::Late | Outcome::Early => StatusCode::CONFLICT,
            Outcome::Malformed => StatusCode::BAD_REQUEST,
            Outcome::Denied => StatusCode::FORBIDDEN,
        }
    }
}

/// A phone or a computer, as its browser reports it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device {
    /// "Safari on iPhone"
    pub label: String,
    /// Its address, where known.
    pub address: Option<String>,
    /// Whether it is on the network of the other one, where known.
    pub same_network: Option<bool>,
}

/// The first page on the phone. Looking at it uses nothing up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Confirm {
    /// The account, as [`super::shown_account`] allows it to be named.
    pub account: Option<String>,
    /// Who is signed in on this phone already, if it is someone else.
    pub current: Option<String>,
    /// The computer that made the code. Its address is not shown.
    pub computer: Device,
    /// Whether the computer's address is known. It is not shown, but that it is unknown is.
    pub computer_known: bool,
    /// Where the phone wants to land, where it said so.
    pub next: Option<String>,
    /// How long ago the code was made.
    pub age: Duration,
    /// The hidden field of the form.
    pub proof: String,
}

/// Whatever could not be done, and is told on `error.html`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The computer came back from the sign-in page, still signed out. 401.
    StillSignedOut {
        /// The sign-in page, if there is one.
        login_url: Option<String>,
    },
    /// The computer: signed out, and no sign-in page is known. 401.
    SignInFirst,
    /// The computer: the sign-in is too old, and no page to renew it is known. 403.
    SignInAgain,
    /// The computer: the browser did not vouch that a person asked for the code. 403.
    NotByPerson,
    /// The operator: the browser shows this origin, which differs from the public one by scheme or port. 403.
    OtherOrigin {
        /// The browser's origin.
        origin: String,
    },
    /// The computer: a service worker of the site stood in the way. 403.
    ServiceWorker,
    /// The computer: the application does not allow it for this account. 403.
    NotAllowed,
    /// The computer: too many codes. 429.
    TooManyCodes {
        /// Until the next one.
        retry_after: Duration,
    },
    /// The computer: the store is away. 503.
    Unavailable,
    /// The computer: the application does not say who is signed in. 503.
    ApplicationAway,
    /// The operator: no such public host. 421.
    UnknownHost {
        /// The host that was asked for.
        host: String,
    },
    /// The computer: a loopback host, which no phone can open, where `public.url` names another. 421.
    Loopback {
        /// The host that was asked for.
        host: String,
        /// The site's address by `public.url`.
        url: String,
    },
    /// The operator: the proxy in front passes the sub-path of `public.url` on. 404.
    NotStripped { sub_path: String },
    /// The phone: another browser holds the claim. 409.
    InUse,
    /// The phone: the login hook or the verification failed. 502.
    SignInFailed {
        /// Whether the ticket is still approved.
        again: bool,
    },
    /// The phone: not on the network of the computer. 403.
    OtherNetwork,
    /// The phone: no fitting Origin, cookie or proof. 403.
    OpenAgain,
    /// The phone: the store is away, or the issuing session cannot be asked about. 503.
    UnavailableHere,
    /// The phone: too many tries. 429.
    TooManyTries {
        /// Until the next one.
        retry_after: Duration,
    },
    /// Anything about one request: malformed, too large, the application away. The status itself.
    Status(StatusCode),
}

impl Failure {
    /// The status of the answer.
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

    /// Seconds until another try makes sense, rounded up; for Retry-After.
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
    /// The status of the answer.
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
            Page::TypeCode(page) => page.tried.status(),
            Page::Used | Page::Refused { .. } | Page::TooLate { .. } | Page::InvalidCode => StatusCode::GONE,
            Page::Error(failure) => failure.status(),
        }
    }

    /// The file that lays it out.
    pub(super) fn template(&self) -> &'static str {
        match self {
            Page::Start(_) => "start.html",
            Page::Code(_) => "page.html",
            Page::Approve(_) => "approve.html",
            Page::TypeCode(_) => "code.html",
            Page::Confirm(_) => "confirm.html",
            Page::Waiting { .. }
            | Page::Finish { .. }
            | Page::SigningIn { .. }
            | Page::Done
            | Page::Used
            | Page::Refused { .. }
            | Page::Cancelled
            | Page::TooLate { .. } => "waiting.html",
            Page::InvalidCode => "invalid_code.html",
            Page::Leave { .. } => "leave.html",
            Page::Error(_) => "error.html",
        }
    }

    /// The names without which it does not work, whatever lays it out.
    pub(super) fn needs(&self) -> &'static [&'static str] {
        match self {
            Page::Start(_) | Page::TypeCode(_) | Page::Confirm(_) => &["form"],
            Page::Code(_) => &["qr", "form", "script"],
            Page::Waiting { .. } => &["number", "form", "script"],
            Page::Finish { .. } | Page::SigningIn { .. } => &["form", "script"],
            _ => &[],
        }
    }

    /// Whether it is one of a sign-in that goes well, and so the same for many people.
    pub(super) fn is_for_many(&self) -> bool {
        matches!(self, Page::Start(_) | Page::Code(_) | Page::Confirm(_) | Page::Waiting { .. } | Page::Finish { .. })
    }

    /// Whether it is sandboxed: the pages that hold `desk`.
    pub(super) fn is_sandboxed(&self) -> bool {
        matches!(self, Page::Code(_) | Page::Approve(_))
    }
}

/// Whole seconds, a started one counted.
pub(super) fn seconds_up(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}
